//! Index, manifests, configs: do they agree with each other and with the blobs they name?

use std::collections::BTreeMap;
use std::io::Read;
use std::rc::Rc;

use serde_json::Value;

use super::layers::{LayerContent, chain};
use super::tree::ImageTree;
use super::{Checking, Fault, Problem, Summary, config};
use crate::digest::Digest;
use crate::oci::{Compression, MergedTree};
use crate::tarball::Entry;

const INDEX_TYPES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const MANIFEST_TYPES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
const CONFIG_TYPES: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
/// A document that is longer is not read.
const MAX_DOCUMENT: u64 = 16 << 20;
/// Bytes of a path's component (`NAME_MAX`).
const MAX_NAME: usize = 255;
/// How deep indexes may name indexes.
const MAX_DEPTH: usize = 4;

/// A layer as a manifest names it.
pub(super) struct Layer {
    /// How problems call it.
    pub(super) place: String,
    /// Its file in the store.
    pub(super) file: String,
    /// None: look at the bytes.
    pub(super) compression: Option<Compression>,
    pub(super) size: u64,
}

/// A blob as a descriptor names it.
struct Descriptor {
    digest: Digest,
    size: u64,
    media_type: String,
}

impl Descriptor {
    fn file(&self) -> String {
        format!("blobs/sha256/{}", self.digest.hex())
    }
}

impl Checking {
    /// A layout: all of it, or what has this name. Fails with the names there are.
    pub(super) fn layout(&mut self, name: Option<&str>) -> Result<(), Vec<String>> {
        if let Some(marker) = self.document("oci-layout")
            && marker["imageLayoutVersion"] != "1.0.0"
        {
            let version = &marker["imageLayoutVersion"];
            self.problem(
                "oci-layout",
                Fault::Field(format!("`imageLayoutVersion` is {version}, not \"1.0.0\"")),
            );
        }
        let Some(index) = self.document("index.json") else { return Ok(()) };
        self.schema_version("index.json", &index);
        let Some(manifests) = index["manifests"].as_array() else {
            self.problem("index.json", Fault::Field("it has no list `manifests`".to_owned()));
            return Ok(());
        };
        let names: Vec<Option<&str>> = manifests.iter().map(ref_name).collect();
        if let Some(name) = name
            && !names.contains(&Some(name))
        {
            return Err(names.into_iter().flatten().map(str::to_owned).collect());
        }
        for (position, (descriptor, found)) in manifests.iter().zip(&names).enumerate() {
            if name.is_some() && *found != name {
                continue;
            }
            if found.is_some() && names[..position].contains(found) {
                let text = format!("the name `{}` stands twice", found.unwrap_or_default());
                self.problem("index.json", Fault::Field(text));
            }
            let place =
                found.map_or_else(|| format!("image {}", position + 1), |name| format!("image `{name}`"));
            self.target(&place, "index.json", descriptor, 0);
        }
        Ok(())
    }

    /// What a descriptor in an index names: a manifest, or an index again.
    fn target(&mut self, place: &str, document: &str, value: &Value, depth: usize) {
        let Some(descriptor) = self.descriptor(place, document, value) else { return };
        let media_type = descriptor.media_type.as_str();
        if INDEX_TYPES.contains(&media_type) && depth < MAX_DEPTH {
            let place = format!("{place}, index {}", descriptor.digest);
            let Some(index) = self.blob_document(&place, &descriptor) else { return };
            self.schema_version(&place, &index);
            let Some(manifests) = index["manifests"].as_array() else {
                self.problem(&place, Fault::Field("it has no list `manifests`".to_owned()));
                return;
            };
            let image = place.split(", index").next().unwrap_or(&place).to_owned();
            self.choices(&place, manifests);
            for manifest in manifests {
                self.target(&image, &place, manifest, depth + 1);
            }
        } else if MANIFEST_TYPES.contains(&media_type) {
            self.manifest(place, &descriptor, &value["platform"]);
        } else {
            self.problem(place, Fault::MediaType(descriptor.media_type));
        }
    }

    /// Whether an index leads to one image for each platform. Buildkit's attestations are for none.
    fn choices(&mut self, place: &str, manifests: &[Value]) {
        if manifests.is_empty() {
            self.problem(
                place,
                Fault::Field("its list `manifests` is empty: it leads to no image".to_owned()),
            );
        }
        let mut platforms: Vec<String> =
            manifests.iter().filter_map(|manifest| full_platform(&manifest["platform"])).collect();
        platforms.retain(|platform| !platform.starts_with("unknown/"));
        platforms.sort();
        for pair in platforms.windows(2).filter(|pair| pair[0] == pair[1]) {
            self.problem(place, Fault::PlatformTwice(pair[0].clone()));
        }
    }

    fn manifest(&mut self, image: &str, descriptor: &Descriptor, platform: &Value) {
        let image = match platform_name(platform) {
            Some(platform) => format!("{image} ({platform})"),
            None => image.to_owned(),
        };
        let place = format!("{image}, manifest {}", descriptor.digest);
        let Some(manifest) = self.blob_document(&place, descriptor) else { return };
        self.schema_version(&place, &manifest);
        let mut layers = Vec::new();
        let values = manifest["layers"].as_array();
        if values.is_none() {
            self.problem(&place, Fault::Field("it has no list `layers`".to_owned()));
        }
        let mut whole = true;
        for (number, value) in values.into_iter().flatten().enumerate() {
            let Some(layer) = self.descriptor(&place, &place, value) else {
                whole = false;
                continue;
            };
            let place = format!("{image}, layer {} {}", number + 1, layer.digest);
            let compression = Compression::of_media_type(&layer.media_type);
            if compression.is_none() {
                self.problem(&place, Fault::MediaType(layer.media_type.clone()));
            }
            whole &= self.blob(&place, &layer);
            layers.push(Layer { place, file: layer.file(), compression, size: layer.size });
        }
        let Some(config) = self.descriptor(&place, &place, &manifest["config"]) else { return };
        let files = files_of(&config.file(), &layers);
        let config_place = format!("{image}, config {}", config.digest);
        if !CONFIG_TYPES.contains(&config.media_type.as_str()) {
            self.problem(&config_place, Fault::MediaType(config.media_type.clone()));
        }
        let Some(config) = self.blob_document(&config_place, &config) else { return };
        let found = platform_name(&config);
        if let Some(index) = platform_name(platform)
            && found.as_ref() != Some(&index)
        {
            let config = found.unwrap_or_else(|| "none".to_owned());
            self.problem(&config_place, Fault::Platform { index, config });
        }
        if whole {
            self.image(&image, Some(descriptor.digest), &config, &layers);
            self.seen.insert(files);
        } else {
            self.counts(&image, &config, layers.len());
        }
    }

    /// Config against layers, and the files in them.
    pub(super) fn image(&mut self, image: &str, digest: Option<Digest>, config: &Value, layers: &[Layer]) {
        self.counts(image, config, layers.len());
        let mut merged = MergedTree::new();
        let mut contents: Vec<Rc<LayerContent>> = Vec::new();
        for (number, layer) in layers.iter().enumerate() {
            let Some(content) = self.layer(layer) else { continue };
            if let Some(expected) = config["rootfs"]["diff_ids"][number].as_str()
                && expected != content.diff_id.to_string()
            {
                let expected = expected.to_owned();
                self.problem(&layer.place, Fault::DiffId { expected, found: content.diff_id });
            }
            for fault in long_names(&content.entries) {
                self.problem(&layer.place, fault);
            }
            for fault in merged.apply(&content.entries) {
                self.problem(&layer.place, fault.into());
            }
            contents.push(content);
        }
        let whole = contents.len() == layers.len() && contents.iter().all(|content| content.error.is_none());
        self.report.images.push(Summary {
            name: image.to_owned(),
            digest,
            layers: layers.len(),
            size: layers.iter().map(|layer| layer.size).sum(),
            paths: merged.iter().count(),
        });
        if whole {
            let tree = ImageTree::new(merged, contents);
            let faults = tree.faults(config);
            let owners = if faults.is_empty() { BTreeMap::new() } else { tree.owners() };
            for fault in faults {
                let package = fault.file().and_then(|file| owners.get(file).cloned());
                self.problem_of(image, fault, package);
            }
        }
    }

    /// A layer's content, read once for all images that have it.
    fn layer(&mut self, layer: &Layer) -> Option<Rc<LayerContent>> {
        if let Some(content) = self.layers.get(&layer.file) {
            return Some(Rc::clone(content));
        }
        let content = match self.store.read(&layer.file) {
            Ok(Some(bytes)) => LayerContent::read(bytes, layer.compression),
            Ok(None) => {
                self.problem(&layer.place, Fault::Missing);
                return None;
            }
            Err(error) => Err(error),
        };
        match content {
            Ok(content) => {
                if let Some(error) = &content.error {
                    self.problem(&layer.place, Fault::Archive(error.clone()));
                }
                let content = Rc::new(content);
                self.layers.insert(layer.file.clone(), Rc::clone(&content));
                Some(content)
            }
            Err(error) => {
                self.problem(&layer.place, Fault::Unreadable(chain(&error)));
                None
            }
        }
    }

    fn counts(&mut self, image: &str, config: &Value, layers: usize) {
        let place = format!("{image}, config");
        for key in ["architecture", "os"] {
            if !config[key].is_string() {
                self.problem(&place, Fault::Field(format!("`{key}` is missing")));
            }
        }
        for fault in config::faults(config) {
            self.problem(&place, Fault::Field(fault));
        }
        let Some(diff_ids) = config["rootfs"]["diff_ids"].as_array() else {
            self.problem(&place, Fault::Field("it has no list `rootfs.diff_ids`".to_owned()));
            return;
        };
        if diff_ids.len() != layers {
            self.problem(&place, Fault::LayerCount { manifest: layers, config: diff_ids.len() });
        }
        if let Some(history) = config["history"].as_array() {
            let history = history.iter().filter(|entry| entry["empty_layer"] != true).count();
            if history != diff_ids.len() {
                self.problem(&place, Fault::HistoryCount { history, layers: diff_ids.len() });
            }
        }
    }

    fn schema_version(&mut self, place: &str, document: &Value) {
        let version = &document["schemaVersion"];
        if version != 2 {
            self.problem(place, Fault::Field(format!("`schemaVersion` is {version}, not 2")));
        }
    }

    fn descriptor(&mut self, place: &str, document: &str, value: &Value) -> Option<Descriptor> {
        let digest = value["digest"].as_str().and_then(|digest| Digest::parse(digest).ok());
        let found = digest.zip(value["size"].as_u64()).zip(value["mediaType"].as_str());
        let Some(((digest, size), media_type)) = found else {
            let text = format!("`{value}` in {document} lacks a digest of SHA-256, a size or a media type");
            self.problem(place, Fault::Field(text));
            return None;
        };
        Some(Descriptor { digest, size, media_type: media_type.to_owned() })
    }

    /// A blob that is a JSON document, if its bytes are right.
    fn blob_document(&mut self, place: &str, descriptor: &Descriptor) -> Option<Value> {
        if !self.blob(place, descriptor) {
            return None;
        }
        let document = self.json(place, &descriptor.file())?;
        if let Some(media_type) = document["mediaType"].as_str()
            && media_type != descriptor.media_type
        {
            self.problem(place, Fault::MediaType(media_type.to_owned()));
        }
        Some(document)
    }

    /// Whether a blob is there, in its size and with its digest.
    fn blob(&mut self, place: &str, descriptor: &Descriptor) -> bool {
        let hashed = match self.store.read(&descriptor.file()) {
            Ok(None) => {
                self.problem(place, Fault::Missing);
                return false;
            }
            Ok(Some(bytes)) => {
                let found = self.store.size(&descriptor.file());
                if found > descriptor.size {
                    self.problem(place, Fault::Size { expected: descriptor.size, found });
                    return false;
                }
                Digest::of_reader(bytes.take(descriptor.size))
            }
            Err(error) => Err(error),
        };
        match hashed {
            Err(error) => self.problem(place, Fault::Unreadable(chain(&error))),
            Ok((found, size)) => {
                if size != descriptor.size {
                    self.problem(place, Fault::Size { expected: descriptor.size, found: size });
                }
                if found == descriptor.digest {
                    return size == descriptor.size;
                }
                self.problem(place, Fault::Digest(found));
            }
        }
        false
    }

    /// A file that is a JSON document.
    pub(super) fn document(&mut self, name: &str) -> Option<Value> {
        self.json(name, name)
    }

    fn json(&mut self, place: &str, file: &str) -> Option<Value> {
        let mut bytes = Vec::new();
        let read = match self.store.read(file) {
            Ok(Some(content)) => content.take(MAX_DOCUMENT).read_to_end(&mut bytes),
            Ok(None) => {
                self.problem(place, Fault::Missing);
                return None;
            }
            Err(error) => Err(error),
        };
        let parsed = match read {
            Ok(_) => serde_json::from_slice(&bytes).map_err(|error| Fault::Json(error.to_string())),
            Err(error) => Err(Fault::Unreadable(chain(&error))),
        };
        parsed
            .map_err(|fault| {
                self.report.problems.push(Problem { place: place.to_owned(), fault, package: None });
            })
            .ok()
    }
}

/// Entries that no file system takes.
fn long_names(entries: &[Entry]) -> impl Iterator<Item = Fault> {
    entries.iter().filter_map(|entry| {
        let bytes = entry.path.components().map(str::len).max().filter(|bytes| *bytes > MAX_NAME)?;
        Some(Fault::LongName { path: entry.path.clone(), bytes })
    })
}

/// What an image is known by in its store.
pub(super) fn files_of(config: &str, layers: &[Layer]) -> (String, Vec<String>) {
    (config.to_owned(), layers.iter().map(|layer| layer.file.clone()).collect())
}

fn ref_name(descriptor: &Value) -> Option<&str> {
    descriptor["annotations"]["org.opencontainers.image.ref.name"].as_str()
}

/// `linux/arm/v6`, of an index's platform or a config. An arm64 without a variant is a v8.
/// A platform with the version of its system, of which an index may have several.
fn full_platform(value: &Value) -> Option<String> {
    let name = platform_name(value)?;
    Some(match value["os.version"].as_str() {
        Some(version) => format!("{name} ({version})"),
        None => name,
    })
}

fn platform_name(value: &Value) -> Option<String> {
    let (os, architecture) = value["os"].as_str().zip(value["architecture"].as_str())?;
    Some(match value["variant"].as_str() {
        Some("") | None if architecture == "arm64" => format!("{os}/arm64/v8"),
        Some("") | None => format!("{os}/{architecture}"),
        Some(variant) => format!("{os}/{architecture}/{variant}"),
    })
}
