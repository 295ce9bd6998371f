//! Docker's archives (Docker Image Specification v1.2, "Combined Image JSON + Filesystem Changeset Format"): what their
//! `manifest.json` names.

use super::documents::{Layer, files_of};
use super::{Checking, Fault};
use crate::digest::Digest;

impl Checking {
    /// A Docker archive; where it is a layout too, that as well.
    pub(super) fn docker_archive(&mut self) {
        if self.store.has("index.json") {
            // Without a name asked for, none can be missing.
            let _ = self.layout(None);
        }
        let Some(document) = self.document("manifest.json") else { return };
        let Some(images) = document.as_array() else {
            self.problem("manifest.json", Fault::Field("it is no list".to_owned()));
            return;
        };
        for (position, image) in images.iter().enumerate() {
            let place = image["RepoTags"][0]
                .as_str()
                .map_or_else(|| format!("image {}", position + 1), |tag| format!("image `{tag}`"));
            let Some(file) = image["Config"].as_str() else {
                self.problem(&place, Fault::Field("`Config` of manifest.json is no path".to_owned()));
                continue;
            };
            let Some(config) = self.document(file) else { continue };
            self.named_by_digest(file);
            let mut layers = Vec::new();
            for (number, layer) in image["Layers"].as_array().into_iter().flatten().enumerate() {
                let Some(layer) = layer.as_str() else {
                    self.problem(&place, Fault::Field("`Layers` of manifest.json holds no path".to_owned()));
                    continue;
                };
                let place = format!("{place}, layer {}", number + 1);
                let size = self.store.size(layer);
                layers.push(Layer { place, file: layer.to_owned(), compression: None, size });
            }
            // What a layout in the same archive names was looked into.
            if !self.seen.contains(&files_of(file, &layers)) {
                self.image(&place, None, &config, &layers);
            }
        }
    }

    /// Docker names a config by its digest, with or without `.json`.
    fn named_by_digest(&mut self, file: &str) {
        let name = file.rsplit('/').next().unwrap_or(file);
        let name = name.strip_suffix(".json").unwrap_or(name);
        if let (Ok(expected), Ok(Some(bytes))) = (Digest::parse(name), self.store.read(file))
            && let Ok((found, _)) = Digest::of_reader(bytes)
            && found != expected
        {
            self.problem(file, Fault::Digest(found));
        }
    }
}
