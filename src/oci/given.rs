//! An image that is there: its configuration, and its layers as they are, to be read and to be taken over.

use std::fs::File;
use std::io::Read;

use serde_json::{Value, json};

use super::descriptor::{Descriptor, MAX_DEPTH, Narrowed, Platforms};
use super::{Compression, Layout, OciError};
use crate::arch::Arch;
use crate::digest::Digest;
use crate::tarball::TarballError;

/// How what rootforge says of its layers in an image's history begins.
pub(super) const MADE_HERE: &str = "rootforge";

/// An image of one architecture in a layout.
#[derive(Clone, Debug)]
pub struct GivenImage {
    /// Of the manifest.
    pub digest: Digest,
    /// The configuration document.
    pub config: Value,
    /// The layers.
    pub layers: GivenLayers,
}

/// Layers that another image takes over: blobs, media types, `diff_ids` and history stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenLayers {
    layout: Layout,
    /// From the lowest, as the manifest has them.
    descriptors: Vec<Value>,
    blobs: Vec<(Digest, u64)>,
    diff_ids: Vec<Value>,
    history: Vec<Value>,
}

impl GivenImage {
    /// Opens what has a digest in a layout: a manifest for the architecture, or an index that names one. `name` is what
    /// errors call it.
    pub fn open(layout: &Layout, digest: &Digest, name: &str, arch: Arch) -> Result<Self, OciError> {
        let wrong = |reason: String| OciError::Foreign { name: name.to_owned(), reason };
        let wanted = [arch];
        let platforms = Platforms::Exactly(&wanted);
        let mut digest = *digest;
        let mut document = layout.read_document(&digest)?;
        let mut depth = 0;
        while document["manifests"].is_array() {
            depth += 1;
            if depth > MAX_DEPTH {
                return Err(wrong("too many indexes name indexes".to_owned()));
            }
            let image = match platforms.narrow(name, &document)? {
                Some(Narrowed::Image(image)) => image,
                Some(Narrowed::Index(index)) => Descriptor::read(&index["manifests"][0]).map_err(wrong)?,
                None => return Err(wrong("it names no images".to_owned())),
            };
            digest = image.digest();
            document = layout.read_document(&digest)?;
        }
        let config = Descriptor::read(&document["config"]).map_err(wrong)?;
        let config = layout.read_document(&config.digest())?;
        platforms.admit(name, &config)?;
        let layers = GivenLayers::of(layout, &document, &config).map_err(wrong)?;
        Ok(GivenImage { digest, config, layers })
    }
}

impl GivenLayers {
    fn of(layout: &Layout, manifest: &Value, config: &Value) -> Result<Self, String> {
        let descriptors = manifest["layers"].as_array().cloned().ok_or("its manifest has no `layers`")?;
        let mut blobs = Vec::new();
        for descriptor in &descriptors {
            let descriptor = Descriptor::read(descriptor)?;
            let media_type = descriptor.media_type();
            if Compression::of_media_type(media_type).is_none() {
                return Err(format!("it has a layer of the unknown media type `{media_type}`"));
            }
            blobs.push((descriptor.digest(), descriptor.size()));
        }
        let diff_ids = config["rootfs"]["diff_ids"].as_array().cloned().unwrap_or_default();
        if diff_ids.len() != descriptors.len() {
            return Err(format!("it has {} layers and {} diff_ids", descriptors.len(), diff_ids.len()));
        }
        let mut history = config["history"].as_array().cloned().unwrap_or_default();
        let filled = history.iter().filter(|entry| entry["empty_layer"] != true).count();
        if filled != descriptors.len() {
            // It may lack, and then says nothing; what comes on top needs a place in it.
            history = vec![json!({ "comment": "a layer of the base image" }); descriptors.len()];
        }
        Ok(GivenLayers { layout: layout.clone(), descriptors, blobs, diff_ids, history })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.blobs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.blobs.is_empty()
    }

    /// Bytes of the blobs.
    pub fn size(&self) -> u64 {
        self.blobs.iter().map(|(_, size)| size).sum()
    }

    /// Their names and sizes, from the lowest.
    pub fn blobs(&self) -> &[(Digest, u64)] {
        &self.blobs
    }

    /// Whether all of them are in the layout, with the bytes of their names.
    pub fn are_there(&self) -> bool {
        self.blobs.iter().all(|(digest, size)| self.layout.holds(digest, *size))
    }

    pub(super) fn descriptors(&self) -> &[Value] {
        &self.descriptors
    }

    pub(super) fn diff_ids(&self) -> &[Value] {
        &self.diff_ids
    }

    pub(super) fn history(&self) -> &[Value] {
        &self.history
    }

    /// Whether one of them was made by rootforge, as far as their history tells.
    pub fn is_made_here(&self) -> bool {
        let said = self.history.iter().filter_map(|entry| entry["created_by"].as_str());
        said.into_iter().any(|text| text.starts_with(MADE_HERE))
    }

    /// Gives the uncompressed tar of a layer, counted from the lowest, to `read`. The blob is compared with its digest
    /// before.
    pub fn read<T>(
        &self,
        number: usize,
        read: impl FnOnce(&mut dyn Read) -> Result<T, TarballError>,
    ) -> Result<T, OciError> {
        let Some((digest, size)) = self.blobs.get(number) else {
            let reason = format!("it has no layer {}", number + 1);
            return Err(OciError::Foreign { name: self.layout.directory().display().to_string(), reason });
        };
        self.sound(digest, *size)?;
        let path = self.layout.blob_path(digest);
        let media_type = self.descriptors[number]["mediaType"].as_str().unwrap_or_default();
        let compression = Compression::of_media_type(media_type).unwrap_or(Compression::Gzip);
        let file = File::open(&path).map_err(OciError::io("read", &path))?;
        let mut tar = compression.decompress(file).map_err(OciError::io("read", &path))?;
        read(&mut tar).map_err(|source| OciError::Layer { layer: number, source })
    }

    /// The error where a blob is not there, or is damaged.
    fn sound(&self, digest: &Digest, size: u64) -> Result<(), OciError> {
        self.layout.expect(digest, size)?;
        if self.layout.holds(digest, size) { Ok(()) } else { self.layout.verify_blob(digest) }
    }

    /// Brings the blobs into another layout, as they are.
    pub fn bring(&self, to: &Layout) -> Result<(), OciError> {
        for (digest, size) in &self.blobs {
            if to.holds(digest, *size) {
                continue;
            }
            self.sound(digest, *size)?;
            to.admit(&self.layout.blob_path(digest), digest)?;
        }
        Ok(())
    }
}
