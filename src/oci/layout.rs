//! An OCI image layout on disk (image-spec v1.1, `image-layout.md`): `oci-layout`, `index.json`, and
//! `blobs/sha256`, where equal blobs of many images lie once.
//!
//! Every file appears by rename, so that no reader sees half of one. `index.json` is read and replaced under
//! an advisory lock on `.lock`; entries of other tools in it are kept as they are.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use fs4::FileExt;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::descriptor::{Descriptor, Narrowed, Platforms};
use super::documents::{self, DocumentError, REF_NAME};
use super::memory::Memory;
use super::regular::open_regular;
use super::syncing::Syncing;
use super::{GivenLayers, ImageRef, ImageSpec, IndexRef, LayerWriter, OciError, partial, place};
use crate::atomic_file::directory_of;
use crate::digest::Digest;
use crate::recipe::LayerCompression;

mod blobs;
mod fresh;

pub use fresh::Arrived;

/// How many layers container engines take: Docker 20.10 loads 125, podman more.
pub(super) const MAX_LAYERS: usize = 125;
/// A JSON document that is longer than this is not read.
const MAX_DOCUMENT: u64 = 16 << 20;
/// Begins the names of files that are being written.
const PARTIAL: &str = ".partial-";

/// An image layout in a directory. Cheap to clone; holds no lock. What was written is on the disk when it has been
/// given a name, by this layout or a clone.
#[derive(Clone, Debug)]
pub struct Layout {
    directory: PathBuf,
    syncing: Syncing,
    memory: Memory,
}

/// Two are equal that are the same directory.
impl PartialEq for Layout {
    fn eq(&self, other: &Self) -> bool {
        self.directory == other.directory
    }
}

impl Eq for Layout {}

/// What a name in a layout stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tagged {
    /// A manifest of one architecture.
    Image(ImageRef),
    /// An image index of several.
    Index(IndexRef),
}

impl Tagged {
    /// The digest that stands for it.
    pub const fn digest(&self) -> Digest {
        match self {
            Tagged::Image(image) => image.digest,
            Tagged::Index(index) => index.digest,
        }
    }
}

impl From<ImageRef> for Tagged {
    fn from(image: ImageRef) -> Self {
        Tagged::Image(image)
    }
}

impl From<IndexRef> for Tagged {
    fn from(index: IndexRef) -> Self {
        Tagged::Index(index)
    }
}

impl Layout {
    fn at(directory: impl Into<PathBuf>) -> Self {
        Layout { directory: directory.into(), syncing: Syncing::default(), memory: Memory::default() }
    }

    /// Opens a layout that is there, to read from: nothing is written to it, so that it may lie where nothing can be.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, OciError> {
        let layout = Layout::at(directory);
        layout.document("index.json")?;
        // Some tools forget the marker.
        if layout.directory.join("oci-layout").exists() {
            layout.check_version()?;
        }
        Ok(layout)
    }

    /// Opens a layout for writing, or makes one where there is nothing or an empty directory. What killed
    /// processes have left half-written in it goes.
    pub fn open_or_create(directory: impl Into<PathBuf>) -> Result<Self, OciError> {
        let layout = Layout::at(directory);
        let marker = layout.directory.join("oci-layout");
        if !marker.exists() {
            layout.refuse_strangers()?;
        }
        let blobs = layout.blobs();
        fs::create_dir_all(&blobs).map_err(OciError::io("make the directory", &blobs))?;
        let _lock = layout.lock()?;
        for directory in [&layout.directory, &layout.directory.join("blobs")] {
            partial::sweep(directory, PARTIAL);
        }
        if !layout.directory.join("index.json").exists() {
            layout.replace("index.json", &documents::empty_index())?;
        }
        if !marker.exists() {
            layout.replace("oci-layout", &json!({ "imageLayoutVersion": "1.0.0" }))?;
        }
        layout.check_version()?;
        Ok(layout)
    }

    fn check_version(&self) -> Result<(), OciError> {
        let version = &self.document("oci-layout")?["imageLayoutVersion"];
        if version == "1.0.0" {
            return Ok(());
        }
        Err(self.wrong("oci-layout", format!("its version is {version}, not \"1.0.0\"")))
    }

    /// Whether a layout is in a directory or can be made there, as far as can be told beforehand.
    pub(super) fn check_place(directory: &Path) -> Result<(), OciError> {
        place::check_directory(directory)?;
        let layout = Layout::at(directory);
        if layout.directory.join("oci-layout").exists() { Ok(()) } else { layout.refuse_strangers() }
    }

    /// The directory it lies in.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A writer of one layer's blob, compressed as every engine reads it.
    pub fn layer_writer(&self) -> Result<LayerWriter, OciError> {
        self.compressing_writer(LayerCompression::Gzip)
    }

    /// A writer of one layer's blob.
    pub fn compressing_writer(&self, compression: LayerCompression) -> Result<LayerWriter, OciError> {
        LayerWriter::new(self.clone(), compression)
    }

    /// Writes config and manifest of an image whose layers are in this layout.
    pub fn write_image(&self, image: &ImageSpec) -> Result<ImageRef, OciError> {
        let given = image.given.as_ref();
        let count = image.layers.len() + given.map_or(0, GivenLayers::len);
        if count > MAX_LAYERS {
            return Err(OciError::TooManyLayers(count));
        }
        for (digest, size) in given.map(GivenLayers::blobs).unwrap_or_default() {
            if self.blob_size(digest) != Some(*size) {
                return Err(self.missing(digest, *size));
            }
        }
        for layer in &image.layers {
            if self.blob_size(&layer.digest) != Some(layer.size) {
                return Err(self.missing(&layer.digest, layer.size));
            }
        }
        let created = documents::rfc3339(image.created)?;
        let dates = image.layers.iter().map(|layer| layer.created.unwrap_or(image.created));
        let dates = dates.map(documents::rfc3339).collect::<Result<Vec<_>, _>>()?;
        let config =
            documents::config(image, &created, &dates).map_err(|error| self.unmade("config", &error))?;
        let (config, config_size) = self.write_document(&config)?;
        let manifest = documents::manifest(image, &config, config_size)
            .map_err(|error| self.unmade("manifest", &error))?;
        let (digest, size) = self.write_document(&manifest)?;
        Ok(ImageRef { digest, size, arch: image.arch })
    }

    /// Writes an image index of manifests that are in this layout.
    pub fn write_index(&self, images: &[ImageRef]) -> Result<IndexRef, OciError> {
        for image in images {
            if self.blob_size(&image.digest) != Some(image.size) {
                return Err(self.missing(&image.digest, image.size));
            }
        }
        let index = documents::index(images).map_err(|error| self.unmade("image index", &error))?;
        let (digest, size) = self.write_document(&index)?;
        Ok(IndexRef { digest, size })
    }

    /// Lets `name` stand for an image or an image index; what it stood for before loses the name, all other
    /// names stay.
    pub fn tag(&self, name: &str, target: impl Into<Tagged>) -> Result<(), OciError> {
        self.name(name, &self.describe(target)?)
    }

    /// As [`Layout::tag`], for what came from elsewhere: its descriptor stays as it is, annotations aside.
    pub fn name(&self, name: &str, target: &Descriptor) -> Result<(), OciError> {
        check_ref_name(name)?;
        if self.blob_size(&target.digest()) != Some(target.size()) {
            return Err(self.missing(&target.digest(), target.size()));
        }
        let descriptor = target.named(Some(json!({ REF_NAME: name })));
        let _lock = self.lock()?;
        let mut index = self.document("index.json")?;
        let Some(manifests) = index.get_mut("manifests").and_then(Value::as_array_mut) else {
            return Err(self.wrong("index.json", "it has no list `manifests`".to_owned()));
        };
        let before = manifests.clone();
        manifests.retain(|other| ref_name(other) != Some(name));
        manifests.push(descriptor);
        manifests.sort_by_cached_key(|entry| (ref_name(entry).map(str::to_owned), entry.to_string()));
        if *manifests == before {
            return Ok(());
        }
        let mut file = partial::file_in(&self.directory, PARTIAL)?;
        file.write_all(&documents::bytes(&index)).map_err(OciError::io("write", file.path()))?;
        let path = self.directory.join("index.json");
        self.syncing.begin(file.as_file().try_clone().map_err(OciError::io("open", &path))?, &path);
        self.sync()?;
        file.persist(&path).map_err(|error| OciError::io("write", &path)(error.error))?;
        sync_directory(&self.directory)
    }

    /// Waits until all that was written is on the disk.
    pub(super) fn sync(&self) -> Result<(), OciError> {
        if self.syncing.wait()? { sync_directory(&self.blobs()) } else { Ok(()) }
    }

    /// The descriptor of what was written here.
    pub fn describe(&self, target: impl Into<Tagged>) -> Result<Descriptor, OciError> {
        let value = descriptor(target.into()).map_err(|error| self.unmade("descriptor", &error))?;
        Descriptor::read(&value).map_err(|reason| self.wrong("descriptor", reason))
    }

    /// What has this name, or the only thing that is there.
    pub fn find(&self, name: Option<&str>) -> Result<Descriptor, OciError> {
        self.pick(&self.document("index.json")?, name)
    }

    /// As [`Layout::find`], in an `index.json` that may be from elsewhere.
    pub(super) fn pick(&self, index: &Value, name: Option<&str>) -> Result<Descriptor, OciError> {
        let Some(manifests) = index["manifests"].as_array() else {
            return Err(self.wrong("index.json", "it has no list `manifests`".to_owned()));
        };
        let found = match (name, &manifests[..]) {
            (None, [one]) => Some(one),
            (None, _) => None,
            (Some(name), all) => all.iter().find(|descriptor| ref_name(descriptor) == Some(name)),
        };
        let found = found.ok_or_else(|| OciError::NoSuchName {
            path: self.directory.clone(),
            name: name.map(str::to_owned),
            names: manifests.iter().filter_map(ref_name).map(str::to_owned).collect(),
        })?;
        Descriptor::read(found).map_err(|reason| self.wrong("index.json", reason))
    }

    /// What is wanted of an index that is here. An index of a part of it is no file of the layout: this process alone
    /// knows it.
    pub fn narrow(&self, target: &Descriptor, platforms: Platforms<'_>) -> Result<Descriptor, OciError> {
        let name = target.ref_name().unwrap_or("the image").to_owned();
        let document = self.read_document(&target.digest())?;
        if !target.is_index() {
            if let Ok(config) = Descriptor::read(&document["config"]) {
                platforms.admit(&name, &self.read_document(&config.digest())?)?;
            }
            return Ok(target.clone());
        }
        Ok(match platforms.narrow(&name, &document)? {
            None => target.clone(),
            Some(Narrowed::Image(image)) => image,
            Some(Narrowed::Index(index)) => {
                let bytes = documents::bytes(&index);
                let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
                self.memory.hold(&digest, bytes);
                Descriptor::new(target.media_type(), digest, size)
            }
        })
    }

    /// The names in `index.json`, sorted.
    pub fn tags(&self) -> Result<Vec<String>, OciError> {
        let index = self.document("index.json")?;
        let manifests = index["manifests"].as_array();
        let mut names: Vec<String> =
            manifests.into_iter().flatten().filter_map(ref_name).map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    /// The error of a wrong document.
    pub(super) fn wrong(&self, document: &str, reason: String) -> OciError {
        OciError::Document { layout: self.directory.clone(), document: document.to_owned(), reason }
    }

    fn unmade(&self, document: &str, error: &DocumentError) -> OciError {
        self.wrong(document, error.to_string())
    }

    fn document(&self, name: &str) -> Result<Value, OciError> {
        let bytes = read_bounded(&self.directory.join(name))?;
        serde_json::from_slice(&bytes).map_err(|error| self.wrong(name, error.to_string()))
    }

    fn replace(&self, name: &str, document: &Value) -> Result<(), OciError> {
        let mut file = partial::file_in(&self.directory, PARTIAL)?;
        file.write_all(&documents::bytes(document)).map_err(OciError::io("write", file.path()))?;
        persist(file, &self.directory.join(name))
    }

    /// Held until the returned file is dropped.
    fn lock(&self) -> Result<File, OciError> {
        let path = self.directory.join(".lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(OciError::io("open the lock", &path))?;
        FileExt::lock(&file).map_err(OciError::io("lock", &path))?;
        Ok(file)
    }

    /// A directory without `oci-layout` may hold what another process that makes the same layout has put
    /// there, and nothing else.
    fn refuse_strangers(&self) -> Result<(), OciError> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Ok(()) };
        let mut strangers: Vec<String> = entries
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
            .filter(|name| {
                !["blobs", "index.json", "oci-layout", ".lock"].contains(&name.as_str())
                    && !name.starts_with(PARTIAL)
            })
            .collect();
        strangers.sort();
        match strangers.into_iter().next() {
            Some(found) => Err(OciError::NoLayout { path: self.directory.clone(), found }),
            None => Ok(()),
        }
    }
}

/// Syncs a temporary file, renames it, and syncs the directory.
pub(super) fn persist(file: NamedTempFile, path: &Path) -> Result<(), OciError> {
    file.as_file().sync_all().map_err(OciError::io("sync", path))?;
    file.persist(path).map_err(|error| OciError::io("write", path)(error.error))?;
    sync_directory(directory_of(path))
}

fn sync_directory(directory: &Path) -> Result<(), OciError> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(OciError::io("sync", directory))
}

/// The JSON of what a name stands for, without the name.
fn descriptor(target: Tagged) -> Result<Value, DocumentError> {
    match target {
        Tagged::Image(image) => documents::image_value(&image),
        Tagged::Index(index) => documents::index_value(&index),
    }
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, OciError> {
    let mut bytes = Vec::new();
    open_regular(path)
        .and_then(|file| file.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes))
        .map_err(OciError::io("read", path))?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        let source = io::Error::other(format!("a document has more than {} MiB", MAX_DOCUMENT >> 20));
        return Err(OciError::io("read", path)(source));
    }
    Ok(bytes)
}

fn ref_name(descriptor: &Value) -> Option<&str> {
    descriptor.get("annotations")?.get(REF_NAME)?.as_str()
}

/// `annotations.md`: components of letters and digits, joined by single separators, and `/` between them.
pub(super) fn check_ref_name(name: &str) -> Result<(), OciError> {
    let component = |component: &str| {
        component
            .replace("--", "-")
            .split(['-', '.', '_', ':', '@', '+'])
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    };
    if name.split('/').all(component) {
        return Ok(());
    }
    let reason = "it must be letters and digits, joined by one of `-._:@+/`";
    Err(OciError::Name { name: name.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ref_names() {
        for good in ["pulseaudio", "base/debian:trixie-20250101", "a--b", "x@sha256:00", "1.0+b1"] {
            assert!(check_ref_name(good).is_ok(), "{good}");
        }
        for bad in ["", "a/", "/a", "a..b", "-a", "a b", "ä", "a/../b", "a\n"] {
            assert!(matches!(check_ref_name(bad), Err(OciError::Name { .. })), "{bad}");
        }
    }

    /// Builds that run side by side give a layout the same layers, and read what the others gave it.
    #[test]
    fn a_blob_is_there_while_others_admit_it() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::open_or_create(directory.path().join("images")).unwrap();
        let digest = Digest::of(b"layer");
        let file = |number: usize| {
            let path = directory.path().join(number.to_string());
            fs::write(&path, b"layer").unwrap();
            path
        };
        let files: Vec<PathBuf> = (0..3).map(file).collect();
        layout.admit(&files[2], &digest).unwrap();
        std::thread::scope(|scope| {
            for file in &files[..2] {
                scope.spawn(|| (0..500).for_each(|_| layout.admit(file, &digest).unwrap()));
            }
            for _ in 0..500 {
                assert!(layout.has_blob(&digest) && layout.has_sound_blob(&digest));
            }
        });
        assert_eq!(fs::read_dir(layout.blobs().parent().unwrap()).unwrap().count(), 1, "nothing is left");
    }
}
