//! `oci-archive:` and `docker-archive:` into a layout: what [`super::archive`] writes, and what others do.
//!
//! Every file of the tar becomes a blob of the layout, which is to be one that goes again. An archive that is a layout
//! keeps its documents byte for byte; of a plain Docker archive (Docker Image Specification v1.2) a manifest is made, its
//! layers as they are, compressed or not.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use serde_json::{Value, json};

use super::descriptor::{Descriptor, platform_arch};
use super::regular::open_regular;
use super::{Compression, Layout, OciError, archive_links};
use crate::digest::{Digest, Hasher};
use crate::registry::MANIFEST_TYPES;
use crate::root_path::RootPath;
use crate::tarball::{self, EntryKind, Limits, TarballError};

/// How many members an archive may have.
const MAX_FILES: u64 = 100_000;

/// Files of an archive: their names, normalised, and what they are in the layout.
type Files = BTreeMap<String, (Digest, u64)>;

/// Reads an archive into a layout: the image of this name, or the only one, and what it is called.
pub fn unpack(
    file: &Path,
    name: Option<&str>,
    layout: &Layout,
) -> Result<(Descriptor, Option<String>), OciError> {
    let files = read_files(file, layout)?;
    let document = |name: &str| -> Result<Option<Value>, OciError> {
        files.get(name).map(|(digest, _)| layout.read_document(digest)).transpose()
    };
    let wrong = |reason: String| OciError::Foreign { name: file.display().to_string(), reason };
    if let Some(index) = document("index.json")? {
        let target = layout.pick(&index, name)?;
        let name = target.ref_name().map(str::to_owned);
        return Ok((target, name));
    }
    let images = document("manifest.json")?
        .ok_or_else(|| wrong("it holds neither `index.json` nor `manifest.json`".to_owned()))?;
    let images: Vec<&Value> = images.as_array().into_iter().flatten().collect();
    let tags = |image: &Value| -> Vec<String> {
        let tags = image["RepoTags"].as_array().into_iter().flatten();
        tags.filter_map(|tag| tag.as_str().map(str::to_owned)).collect()
    };
    let image = match (name, &images[..]) {
        (None, [one]) => Some(*one),
        (None, _) => None,
        (Some(name), all) => {
            let latest = format!("{name}:latest");
            all.iter().copied().find(|image| tags(image).iter().any(|tag| tag == name || *tag == latest))
        }
    };
    let image = image.ok_or_else(|| {
        let names = images.iter().copied().flat_map(tags).collect();
        OciError::NoSuchName { path: file.to_owned(), name: name.map(str::to_owned), names }
    })?;
    let target = manifest_of(image, &files, layout).map_err(|reason| match reason {
        Refused::Form(reason) => wrong(reason),
        Refused::Other(error) => error,
    })?;
    Ok((target, tags(image).into_iter().next()))
}

/// Makes every regular file of a tar, compressed or not, a blob.
fn read_files(file: &Path, layout: &Layout) -> Result<Files, OciError> {
    let failed = || OciError::io("read", file);
    let wrong = |reason: String| OciError::Foreign { name: file.display().to_string(), reason };
    let mut start = Vec::new();
    let open = || open_regular(file).map_err(failed());
    open()?.take(4).read_to_end(&mut start).map_err(failed())?;
    let tar = Compression::of_magic(&start).decompress(BufReader::new(open()?)).map_err(failed())?;
    let (mut files, mut links, mut whole) = (Files::new(), BTreeMap::new(), 0);
    let limits = Limits { max_entries: MAX_FILES, ..Limits::default() };
    let read = tarball::read(tar, &limits, |entry, content| {
        let path = entry.path.relative().to_owned();
        match &entry.kind {
            EntryKind::File { .. } => {
                let blob = read_file(&path, content, layout, &wrong)?;
                files.insert(path, blob);
            }
            EntryKind::Symlink { target } => {
                _ = links.insert(path, archive_links::target_of(&entry.path, target));
            }
            EntryKind::HardLink { target } => _ = links.insert(path, target.relative().to_owned()),
            _ => {}
        }
        whole += 1;
        Ok(())
    });
    read.map_err(|stopped| match stopped {
        Stopped::Other(error) => error,
        // What the tar's reader says has the bytes of the file in it.
        Stopped::Tar(error @ (TarballError::TooManyEntries(_) | TarballError::TooLarge(_))) => {
            wrong(error.to_string())
        }
        Stopped::Tar(_) if whole == 0 => wrong("it is no tar archive".to_owned()),
        Stopped::Tar(_) => wrong(format!("its tar is damaged behind member {whole}")),
    })?;
    archive_links::follow(&mut files, &links);
    Ok(files)
}

/// Why a tar is not read to its end.
enum Stopped {
    Tar(TarballError),
    Other(OciError),
}

impl From<TarballError> for Stopped {
    fn from(error: TarballError) -> Self {
        Stopped::Tar(error)
    }
}

/// Makes a file of the tar a blob.
fn read_file(
    path: &str,
    content: &mut dyn Read,
    layout: &Layout,
    wrong: &dyn Fn(String) -> OciError,
) -> Result<(Digest, u64), Stopped> {
    let file = layout.temporary().map_err(Stopped::Other)?;
    let written = file.path().to_owned();
    let mut hasher = Hasher::new(file);
    // A reading that fails is told by the tar's reader, which counts before this.
    io::copy(content, &mut hasher).map_err(|error| Stopped::Other(OciError::io("write", &written)(error)))?;
    let (blob, digest, size) = hasher.finish();
    if let Some(hex) = path.strip_prefix("blobs/sha256/")
        && Digest::parse(hex).is_ok_and(|named| named != digest)
    {
        let reason = format!("its `{path}` is corrupt: its bytes have the digest {digest}");
        return Err(Stopped::Other(wrong(reason)));
    }
    layout.adopt(blob, &digest).map_err(Stopped::Other)?;
    Ok((digest, size))
}

enum Refused {
    Form(String),
    Other(OciError),
}

/// An OCI manifest of an image of a Docker archive.
fn manifest_of(image: &Value, files: &Files, layout: &Layout) -> Result<Descriptor, Refused> {
    let find = |value: &Value| {
        let path = value.as_str().and_then(|path| RootPath::parse(path).ok());
        let found = path.and_then(|path| files.get(path.relative()).copied());
        found.ok_or_else(|| Refused::Form(format!("its manifest.json names `{value}`, which is not in it")))
    };
    let (config, config_size) = find(&image["Config"])?;
    let document = layout.read_document(&config).map_err(Refused::Other)?;
    let named = image["Config"].as_str().and_then(|name| name.strip_suffix(".json"));
    if named.and_then(|hex| Digest::parse(hex).ok()).is_some_and(|named| named != config) {
        return Err(Refused::Form(format!("its `{}` is corrupt: its digest is {config}", image["Config"])));
    }
    let diff_ids = document["rootfs"]["diff_ids"].as_array().cloned().unwrap_or_default();
    let mut layers = Vec::new();
    for layer in image["Layers"].as_array().into_iter().flatten() {
        let (digest, size) = find(layer)?;
        let path = layout.blob_path(&digest);
        let mut start = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(4).read_to_end(&mut start))
            .map_err(|source| Refused::Other(OciError::io("read", &path)(source)))?;
        let ending = match Compression::of_magic(&start) {
            Compression::None => "",
            Compression::Gzip => "+gzip",
            Compression::Zstd => "+zstd",
        };
        let (diff_id, _) = File::open(&path)
            .and_then(|file| Compression::of_magic(&start).decompress(file))
            .and_then(Digest::of_reader)
            .map_err(|source| Refused::Other(OciError::io("read", &path)(source)))?;
        if diff_ids.get(layers.len()).is_none_or(|expected| *expected != diff_id.to_string()) {
            let reason = format!(
                "its layer {layer} is corrupt: its content has the digest {diff_id}, which its config lacks"
            );
            return Err(Refused::Form(reason));
        }
        let media_type = format!("application/vnd.oci.image.layer.v1.tar{ending}");
        layers.push(json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size }));
    }
    let media_type = MANIFEST_TYPES[0];
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config.to_string(),
            "size": config_size,
        },
        "layers": layers,
    });
    let (digest, size) = layout.write_document(&manifest).map_err(Refused::Other)?;
    let mut value = json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size });
    if let Some(arch) = platform_arch(&document) {
        let platform = arch.platform();
        value["platform"] = json!({ "architecture": platform.architecture, "os": "linux" });
        if let Some(variant) = platform.variant {
            value["platform"]["variant"] = json!(variant);
        }
    }
    Descriptor::read(&value).map_err(Refused::Form)
}
