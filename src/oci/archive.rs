//! `oci-archive:` and `docker-archive:`: an image layout in one tar.
//!
//! The Docker archive (`docker save`'s format, Docker Image Specification v1.2, "Combined Image JSON +
//! Filesystem Changeset Format") is the same layout plus a `manifest.json` that points at the blobs; so one
//! file is read by what knows OCI layouts and by what knows only Docker's. Its layers stay compressed:
//! loaders look at the bytes, not at the name.
//!
//! An OCI archive of one image has a `manifest.json` too, for Docker before 25.0, which loads nothing else. One of
//! several architectures has none: Docker's names an image once, and which it were would be chance.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::descriptor::{self, Contents, Descriptor};
use super::documents::{self, REF_NAME};
use super::layout::{self, Layout};
use super::{Compression, MADE_AT, OciError};
use crate::digest::Digest;
use crate::root_path::RootPath;
use crate::tarball::{Entry, EntryKind, Metadata, Writer};

/// What containerd's importer names an image by.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// What an archive holds besides blobs: path and bytes.
type Documents = BTreeMap<&'static str, Vec<u8>>;

/// An archive of one name in a layout.
#[derive(Debug)]
pub(super) struct LayoutArchive {
    blobs: BTreeMap<Digest, u64>,
    documents: Documents,
}

impl LayoutArchive {
    /// An OCI archive: `index.json` lists the target under its name. If that is one image, it is a Docker archive too.
    pub(super) fn oci(layout: &Layout, target: &Descriptor, name: &str) -> Result<Self, OciError> {
        layout::check_ref_name(name)?;
        let mut archive = Self::new(layout, target, json!({ REF_NAME: name }))?;
        if let Ok(image) = only_image(layout, target)?
            && let manifest = layout.read_document(&image.digest())?
            && layers(&manifest).all(|layer| compression(layer).is_some())
        {
            // What is no name for Docker is loaded without one.
            archive.add_docker(layout, &image, &manifest, docker_reference(name).ok().as_deref())?;
        }
        Ok(archive)
    }

    /// A Docker archive of one image. `reference` is Docker's `NAME:TAG`.
    pub(super) fn docker(layout: &Layout, image: &Descriptor, reference: &str) -> Result<Self, OciError> {
        let (_, tag) = reference.rsplit_once(':').unwrap_or((reference, "latest"));
        let full = full_reference(reference);
        let annotations = json!({ REF_NAME: tag, CONTAINERD_NAME: full });
        let mut archive = Self::new(layout, image, annotations)?;
        let manifest = layout.read_document(&image.digest())?;
        archive.add_docker(layout, image, &manifest, Some(reference))?;
        Ok(archive)
    }

    /// Adds Docker's `manifest.json`.
    fn add_docker(
        &mut self,
        layout: &Layout,
        image: &Descriptor,
        manifest: &Value,
        reference: Option<&str>,
    ) -> Result<(), OciError> {
        let path = |descriptor: &Value| {
            let digest = blob(layout, &image.digest(), descriptor)?.0;
            Ok(format!("blobs/sha256/{}", digest.hex()))
        };
        let combined = json!([{
            "Config": path(&manifest["config"])?,
            "Layers": layers(manifest).map(path).collect::<Result<Vec<_>, OciError>>()?,
            "RepoTags": reference.map(|reference| [reference]),
        }]);
        self.documents.insert("manifest.json", documents::bytes(&combined));
        Ok(())
    }

    fn new(layout: &Layout, target: &Descriptor, annotations: Value) -> Result<Self, OciError> {
        let mut index = documents::empty_index();
        index["manifests"] = json!([target.named(Some(annotations))]);
        let documents = BTreeMap::from([
            ("index.json", documents::bytes(&index)),
            ("oci-layout", documents::bytes(&json!({ "imageLayoutVersion": "1.0.0" }))),
        ]);
        Ok(LayoutArchive { blobs: reachable(layout, target)?, documents })
    }

    /// The tar: blobs, then the documents, each sorted. A blob whose bytes are not those of its name is an
    /// error. `file` is where it goes.
    pub(super) fn write<W: Write>(&self, layout: &Layout, out: W, file: &Path) -> Result<W, OciError> {
        let failed = |source| OciError::Io { action: "write", path: file.to_owned(), source };
        let mut tar = Writer::new(out);
        for directory in ["blobs", "blobs/sha256"] {
            tar.append(&made(directory, EntryKind::Directory)?, &mut io::empty()).map_err(&failed)?;
        }
        for (digest, size) in &self.blobs {
            let mut content = Checked::new(layout.open_blob(digest)?);
            let entry = made(&format!("blobs/sha256/{}", digest.hex()), EntryKind::File { size: *size })?;
            tar.append(&entry, &mut content).map_err(&failed)?;
            content.agrees(layout, digest)?;
        }
        for (name, bytes) in &self.documents {
            let entry = made(name, EntryKind::File { size: bytes.len() as u64 })?;
            tar.append(&entry, &mut bytes.as_slice()).map_err(&failed)?;
        }
        tar.finish().map_err(&failed)
    }
}

/// A manifest's layers.
fn layers(manifest: &Value) -> impl Iterator<Item = &Value> {
    manifest["layers"].as_array().into_iter().flatten()
}

fn compression(layer: &Value) -> Option<Compression> {
    layer["mediaType"].as_str().and_then(Compression::of_media_type)
}

/// The image that a target is, or the only one of an index; else how many there are.
pub(super) fn only_image(
    layout: &Layout,
    target: &Descriptor,
) -> Result<Result<Descriptor, usize>, OciError> {
    if !target.is_index() {
        return Ok(Ok(target.clone()));
    }
    let document = layout.read_document(&target.digest())?;
    let wrong = |reason| layout.wrong(&target.digest().to_string(), reason);
    match &descriptor::children(&document).map_err(wrong)?[..] {
        [one] if !one.is_index() => Ok(Ok(one.clone())),
        several => Ok(Err(several.len())),
    }
}

/// Whether a layer of what a target names is compressed with zstd.
pub(super) fn has_zstd(layout: &Layout, target: &Descriptor) -> Result<bool, OciError> {
    for document in Contents::in_layout(layout, target)?.documents {
        let manifest = layout.read_document(&document.digest())?;
        if layers(&manifest).any(|layer| compression(layer) == Some(Compression::Zstd)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Passes a blob's bytes on and hashes them.
#[derive(Debug)]
pub(super) struct Checked<R> {
    inner: R,
    hash: crate::digest::Hasher<io::Sink>,
}

impl<R: io::Read> Checked<R> {
    pub(super) fn new(inner: R) -> Self {
        Checked { inner, hash: crate::digest::Hasher::new(io::sink()) }
    }

    /// Whether what was read is the blob of this name.
    pub(super) fn agrees(self, layout: &Layout, digest: &Digest) -> Result<(), OciError> {
        let (_, found, _) = self.hash.finish();
        if found == *digest {
            return Ok(());
        }
        Err(OciError::CorruptBlob { layout: layout.directory().to_owned(), digest: *digest, found })
    }
}

impl<R: io::Read> io::Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.write_all(&buffer[..read])?;
        Ok(read)
    }
}

/// Every blob that belongs to a target, with its size.
pub(super) fn reachable(layout: &Layout, target: &Descriptor) -> Result<BTreeMap<Digest, u64>, OciError> {
    let blobs = Contents::in_layout(layout, target)?.all();
    for (digest, size) in &blobs {
        layout.expect(digest, *size)?;
    }
    Ok(blobs)
}

/// Digest and size of a descriptor in a document.
pub(super) fn blob(
    layout: &Layout,
    document: &Digest,
    descriptor: &Value,
) -> Result<(Digest, u64), OciError> {
    let digest = descriptor["digest"].as_str().and_then(|digest| Digest::parse(digest).ok());
    digest.zip(descriptor["size"].as_u64()).ok_or_else(|| {
        layout.wrong(&document.to_string(), format!("`{descriptor}` is no descriptor of a SHA-256 blob"))
    })
}

/// An entry of what we make.
fn made(path: &str, kind: EntryKind) -> Result<Entry, OciError> {
    let mode = if kind == EntryKind::Directory { 0o755 } else { 0o644 };
    let path = RootPath::parse(path).map_err(|error| OciError::Io {
        action: "archive",
        path: path.into(),
        source: io::Error::other(error),
    })?;
    Ok(Entry {
        path,
        metadata: Metadata { mode, uid: 0, gid: 0, mtime: MADE_AT, xattrs: BTreeMap::new() },
        kind,
    })
}

/// Docker's rule of what stands before the first slash: a registry has a dot, a port, or is `localhost`.
fn full_reference(reference: &str) -> String {
    match reference.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => reference.to_owned(),
        Some(_) => format!("docker.io/{reference}"),
        None => format!("docker.io/library/{reference}"),
    }
}

/// `NAME:TAG` as `docker load` takes it, `:latest` added where there is no tag (distribution/reference).
pub(super) fn docker_reference(name: &str) -> Result<String, OciError> {
    let wrong = |reason| OciError::Name { name: name.to_owned(), reason };
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "latest"),
    };
    let (host, path) = match repository.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
        _ => ("", repository),
    };
    let host_bytes = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
    if !host.bytes().all(host_bytes) || !path.split('/').all(is_path_component) {
        return Err(wrong("Docker takes lower-case letters and digits, joined by `.`, `_`, `__` or `-`"));
    }
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = tag.bytes();
    let first = bytes.next().is_some_and(word);
    if !first || tag.len() > 128 || !bytes.all(|byte| word(byte) || byte == b'.' || byte == b'-') {
        return Err(wrong("a Docker tag is up to 128 letters, digits, `_`, `.` and `-`"));
    }
    Ok(format!("{repository}:{tag}"))
}

fn is_path_component(component: &str) -> bool {
    let plain = component.replace("__", "_");
    let parts: Vec<&str> = plain.split(['.', '_']).collect();
    let Some((first, last)) = parts.first().zip(parts.last()) else { return false };
    !first.starts_with('-')
        && !last.ends_with('-')
        && parts.iter().all(|part| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_references() {
        for (name, expected) in [
            ("pulseaudio", "pulseaudio:latest"),
            ("a/b-c__d.e:1.0", "a/b-c__d.e:1.0"),
            ("localhost:5000/x", "localhost:5000/x:latest"),
            ("a--b", "a--b:latest"),
        ] {
            assert_eq!(docker_reference(name).unwrap(), expected);
        }
        for name in ["", "Upper", "a//b", "a:", "a:-x", "a b", "-a", "a.-b-", "a:b:c"] {
            assert!(docker_reference(name).is_err(), "{name}");
        }
        assert_eq!(full_reference("x:1"), "docker.io/library/x:1");
        assert_eq!(full_reference("a/x:1"), "docker.io/a/x:1");
        assert_eq!(full_reference("localhost/x:1"), "localhost/x:1");
    }
}
