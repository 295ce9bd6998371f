//! Descriptors (image-spec v1.1, `descriptor.md`): what names a manifest, an index or a blob, and what belongs to one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::documents::REF_NAME;
use super::{Layout, OciError};
use crate::arch::Arch;
use crate::digest::Digest;
use crate::registry::{INDEX_TYPES, MANIFEST_TYPES};

/// How deep indexes may name indexes.
pub(super) const MAX_DEPTH: usize = 4;
/// How many manifests an index may come to.
const MAX_DOCUMENTS: usize = 1000;

/// What names a manifest, an index or a blob, as it stands in a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Descriptor {
    value: Value,
    media_type: String,
    digest: Digest,
    size: u64,
}

impl Descriptor {
    /// Reads one; the error says what it lacks.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let digest = value["digest"].as_str().and_then(|digest| Digest::parse(digest).ok());
        let (digest, size) = digest
            .zip(value["size"].as_u64())
            .ok_or_else(|| format!("`{value}` is no descriptor of a SHA-256 blob"))?;
        let media_type = value["mediaType"].as_str().unwrap_or_default().to_owned();
        Ok(Descriptor { value: value.clone(), media_type, digest, size })
    }

    /// Of a document that came without one.
    pub(super) fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        let value = json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size });
        Descriptor { value, media_type: media_type.to_owned(), digest, size }
    }

    /// The digest of what it names.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Its size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Its media type.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// Whether it names an index of images.
    pub fn is_index(&self) -> bool {
        INDEX_TYPES.contains(&&*self.media_type)
    }

    /// Whether it names a document that names others.
    pub(super) fn is_document(&self) -> bool {
        self.is_index() || MANIFEST_TYPES.contains(&&*self.media_type)
    }

    /// The name that `index.json` gives it.
    pub fn ref_name(&self) -> Option<&str> {
        self.value["annotations"][REF_NAME].as_str()
    }

    /// What it runs on, where it says so and it is one that we know.
    pub fn arch(&self) -> Option<Arch> {
        platform_arch(&self.value["platform"])
    }

    /// Its JSON with this name alone as annotation; without any, if there is none.
    pub(super) fn named(&self, annotations: Option<Value>) -> Value {
        let mut value = self.value.clone();
        if let Some(fields) = value.as_object_mut() {
            fields.remove("annotations");
            fields.extend(annotations.map(|annotations| ("annotations".to_owned(), annotations)));
        }
        value
    }
}

/// What runs on a platform, of an index or of a config. An arm64 without a variant is a v8, an arm is a v7.
pub(super) fn platform_arch(value: &Value) -> Option<Arch> {
    let variant = value["variant"].as_str().filter(|variant| !variant.is_empty());
    if value["os"] != "linux" {
        return None;
    }
    Arch::ALL.into_iter().find(|arch| {
        let platform = arch.platform();
        let default = if platform.architecture == "arm" { Some("v7") } else { platform.variant };
        value["architecture"] == platform.architecture
            && (variant.or(default) == platform.variant || platform.variant.is_none())
    })
}

/// What a manifest or an index names.
pub(super) fn children(document: &Value) -> Result<Vec<Descriptor>, String> {
    if let Some(manifests) = document["manifests"].as_array() {
        return manifests.iter().map(Descriptor::read).collect();
    }
    let Some(layers) = document["layers"].as_array() else {
        return Err("it has neither `manifests` nor `layers`".to_owned());
    };
    std::iter::once(&document["config"]).chain(layers).map(Descriptor::read).collect()
}

/// All that belongs to an image or an index.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    /// Manifests and indexes, each after those it names; the last is the target.
    pub(super) documents: Vec<Descriptor>,
    /// Configs and layers, with their sizes.
    pub(super) blobs: BTreeMap<Digest, u64>,
}

impl Contents {
    /// Of a target, whose documents `read` gives, and whose wrong documents `wrong` makes an error of.
    pub(super) fn of(
        target: &Descriptor,
        read: &mut dyn FnMut(&Descriptor) -> Result<Value, OciError>,
        wrong: &dyn Fn(&Descriptor, String) -> OciError,
    ) -> Result<Self, OciError> {
        if !target.is_document() {
            return Err(wrong(target, format!("`{}` is no image's media type", target.media_type)));
        }
        let mut contents = Contents::default();
        let mut seen = BTreeSet::new();
        // A document is met twice: first to read what it names, then when that is done.
        let mut left = vec![(target.clone(), 0, false)];
        while let Some((descriptor, depth, is_read)) = left.pop() {
            if is_read {
                contents.documents.push(descriptor);
                continue;
            }
            if !seen.insert(descriptor.digest) {
                continue;
            }
            if depth > MAX_DEPTH || seen.len() > MAX_DOCUMENTS {
                return Err(wrong(&descriptor, "too many indexes name indexes".to_owned()));
            }
            let document = read(&descriptor)?;
            let named = children(&document).map_err(|reason| wrong(&descriptor, reason))?;
            left.push((descriptor, depth, true));
            for child in named {
                if child.is_document() {
                    left.push((child, depth + 1, false));
                } else {
                    contents.blobs.insert(child.digest, child.size);
                }
            }
        }
        Ok(contents)
    }

    /// Of a target in a layout.
    pub(super) fn in_layout(layout: &Layout, target: &Descriptor) -> Result<Self, OciError> {
        let wrong = |descriptor: &Descriptor, reason| layout.wrong(&descriptor.digest.to_string(), reason);
        Self::of(target, &mut |descriptor| layout.read_document(&descriptor.digest), &wrong)
    }

    /// Blobs and documents with their sizes.
    pub(super) fn all(&self) -> BTreeMap<Digest, u64> {
        let documents = self.documents.iter().map(|document| (document.digest, document.size));
        self.blobs.iter().map(|(digest, size)| (*digest, *size)).chain(documents).collect()
    }
}

/// Which images of several are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platforms<'a> {
    /// All of them, the index as it is.
    All,
    /// Those for these architectures; an image that is alone as it is.
    Preferred(&'a [Arch]),
    /// Those for these architectures, and an error where one is lacking.
    Exactly(&'a [Arch]),
}

/// What is wanted of an index.
pub(super) enum Narrowed {
    /// One image.
    Image(Descriptor),
    /// An index of some of them, in other respects the same.
    Index(Value),
}

impl Platforms<'_> {
    /// What is wanted of an index; none if it is all. `name` is what errors call it.
    pub(super) fn narrow(self, name: &str, index: &Value) -> Result<Option<Narrowed>, OciError> {
        let (Platforms::Preferred(wanted) | Platforms::Exactly(wanted)) = self else { return Ok(None) };
        let all = index["manifests"].as_array().into_iter().flatten();
        let all: Vec<(&Value, Option<Arch>)> =
            all.map(|manifest| (manifest, platform_arch(&manifest["platform"]))).collect();
        if let Some(lacking) = wanted.iter().find(|arch| !all.iter().any(|(_, has)| has == &Some(**arch))) {
            let mut found: Vec<Arch> = all.iter().filter_map(|(_, arch)| *arch).collect();
            found.sort();
            found.dedup();
            return Err(OciError::NoPlatform { name: name.to_owned(), wanted: *lacking, found });
        }
        let chosen: Vec<&Value> = all
            .iter()
            .filter(|(_, arch)| arch.is_some_and(|arch| wanted.contains(&arch)))
            .map(|(manifest, _)| *manifest)
            .collect();
        if let [one] = chosen[..] {
            let wrong = |reason| OciError::Foreign { name: name.to_owned(), reason };
            return Descriptor::read(one).map(Narrowed::Image).map(Some).map_err(wrong);
        }
        let mut index = index.clone();
        index["manifests"] = chosen.into_iter().cloned().collect();
        Ok(Some(Narrowed::Index(index)))
    }

    /// Whether an image that is alone is wanted, by its config.
    pub(super) fn admit(self, name: &str, config: &Value) -> Result<(), OciError> {
        let Platforms::Exactly(wanted) = self else { return Ok(()) };
        let found = platform_arch(config);
        match wanted.iter().find(|arch| found != Some(**arch)) {
            None => Ok(()),
            Some(lacking) => Err(OciError::NoPlatform {
                name: name.to_owned(),
                wanted: *lacking,
                found: found.into_iter().collect(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_told_by_architecture_and_variant() {
        let arch = |architecture: &str, variant: &str| {
            platform_arch(&json!({ "os": "linux", "architecture": architecture, "variant": variant }))
        };
        assert_eq!(arch("arm", "v6"), Some(Arch::Arm32v6));
        assert_eq!(arch("arm", "v7"), Some(Arch::Arm32v7));
        assert_eq!(arch("arm", ""), Some(Arch::Arm32v7));
        assert_eq!(arch("arm", "v5"), None);
        assert_eq!((arch("arm64", ""), arch("arm64", "v8")), (Some(Arch::Arm64), Some(Arch::Arm64)));
        assert_eq!((arch("amd64", ""), arch("amd64", "v2")), (Some(Arch::Amd64), Some(Arch::Amd64)));
        assert_eq!(platform_arch(&json!({ "os": "windows", "architecture": "amd64" })), None);
        for known in Arch::ALL {
            assert_eq!(
                arch(known.platform().architecture, known.platform().variant.unwrap_or("")),
                Some(known)
            );
        }
    }

    #[test]
    fn an_index_of_itself_ends() {
        let digest = Digest::of(b"index");
        let target = Descriptor::new(INDEX_TYPES[0], digest, 5);
        let document = json!({ "manifests": [target.value] });
        let wrong = |_: &Descriptor, reason| OciError::Foreign { name: "x".to_owned(), reason };
        let contents = Contents::of(&target, &mut |_| Ok(document.clone()), &wrong).unwrap();
        assert_eq!(contents.documents.len(), 1);
        // Each time another: a chain without an end.
        let mut number = 0_u32;
        let mut next = |_: &Descriptor| {
            number += 1;
            let child = Descriptor::new(INDEX_TYPES[0], Digest::of(&number.to_le_bytes()), 5);
            Ok(json!({ "manifests": [child.value] }))
        };
        assert!(Contents::of(&target, &mut next, &wrong).is_err());
    }
}
