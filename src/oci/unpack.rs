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
use super::{Compression, Layout, OciError};
use crate::digest::{Digest, Hasher};
use crate::registry::MANIFEST_TYPES;
use crate::root_path::RootPath;

/// How many files an archive may have.
const MAX_FILES: usize = 100_000;

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
    let mut start = Vec::new();
    let open = || File::open(file).map_err(failed());
    open()?.take(4).read_to_end(&mut start).map_err(failed())?;
    let tar = Compression::of_magic(&start).decompress(BufReader::new(open()?)).map_err(failed())?;
    let mut files = Files::new();
    let mut links = Vec::new();
    let mut archive = tar::Archive::new(tar);
    for (number, entry) in archive.entries().map_err(failed())?.enumerate() {
        // What the tar's reader says has the bytes of the file in it.
        let no_tar = |_| OciError::Foreign {
            name: file.display().to_string(),
            reason: match number {
                0 => "it is no tar archive".to_owned(),
                whole => format!("its tar is damaged behind member {whole}"),
            },
        };
        let mut entry = entry.map_err(no_tar)?;
        let kind = entry.header().entry_type();
        let Ok(path) = RootPath::from_bytes(&entry.path_bytes()) else { continue };
        if files.len() >= MAX_FILES {
            return Err(failed()(io::Error::other("it has too many files")));
        }
        if kind.is_symlink() || kind.is_hard_link() {
            if let Some(target) = entry.link_name_bytes() {
                let from = if kind.is_symlink() { path.parent() } else { None };
                let from = from.as_ref().map(RootPath::relative).unwrap_or_default();
                links.push((path.relative().to_owned(), resolve(from, &String::from_utf8_lossy(&target))));
            }
            continue;
        }
        if !kind.is_file() {
            continue;
        }
        let mut hasher = Hasher::new(layout.temporary()?);
        io::copy(&mut entry, &mut hasher).map_err(failed())?;
        let (blob, digest, size) = hasher.finish();
        if let Some(hex) = path.relative().strip_prefix("blobs/sha256/")
            && Digest::parse(hex).is_ok_and(|named| named != digest)
        {
            let reason = format!("its `{}` is corrupt: its bytes have the digest {digest}", path.relative());
            return Err(OciError::Foreign { name: file.display().to_string(), reason });
        }
        layout.adopt(blob, &digest)?;
        files.insert(path.relative().to_owned(), (digest, size));
    }
    for (path, target) in links {
        if let Some(found) = files.get(&target).copied() {
            files.insert(path, found);
        }
    }
    Ok(files)
}

/// Where a link in a directory leads, both within the archive.
fn resolve(directory: &str, target: &str) -> String {
    let mut parts: Vec<&str> = directory.split('/').collect();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty() && *part != ".");
    parts.join("/")
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
