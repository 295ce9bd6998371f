//! A base that is an image: where it lies, and the recipe that stands for it among those of a stack.
//!
//! `base = "oci:DIR:TAG"`, `"oci-archive:FILE[:TAG]"`, `"docker-archive:FILE[:TAG]"` or `"docker://HOST/REPOSITORY@sha256:..."`;
//! paths are relative to the recipe that names it. What the image holds is known once it is opened, which reading a
//! recipe does not: so `from` must say what it is of, and is compared with it later.

use std::path::{Path, PathBuf};

use super::findings::Findings;
use super::image::ImageConfig;
use super::layering::{LayerCompression, Layering};
use super::reader::Text;
use super::strip::Strip;
use super::{Base, Keep, Layer, Recipe};
use crate::registry::Reference;

/// Where an image lies that is a base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseImage {
    /// In an image layout.
    Layout {
        /// Its directory, relative to the recipe's.
        directory: PathBuf,
        /// The name in it; none for the only one.
        name: Option<String>,
    },
    /// In an archive, of a layout or of Docker's.
    Archive {
        /// The file, relative to the recipe's directory.
        file: PathBuf,
        /// The name in it; none for the only one.
        name: Option<String>,
    },
    /// In a registry.
    Registry(Reference),
}

/// Whether the value of `base` names an image rather than a recipe.
pub(super) fn names_image(text: &str) -> bool {
    ["oci:", "oci-archive:", "docker-archive:", "docker:"].iter().any(|one| text.starts_with(one))
        || text.contains("://")
}

/// Reads the name of an image; none where it is none, which then was reported.
pub(super) fn read(text: &Text<'_>, findings: &Findings<'_>) -> Option<BaseImage> {
    const FORMS: &str = "write \"oci:DIR:TAG\", \"docker://HOST/REPOSITORY@sha256:...\", \"oci-archive:FILE\" or \"docker-archive:FILE\"";
    let said = text.text;
    if said.starts_with("docker://") {
        return match Reference::parse(said) {
            Ok(reference) if reference.digest().is_none() => {
                let message = format!("`{said}` may be another image tomorrow");
                let hint =
                    "name its digest, \"docker://HOST/REPOSITORY@sha256:...\"; `rootforge pull` prints it";
                findings.value(&text.span, message, hint);
                None
            }
            Ok(reference) => Some(BaseImage::Registry(reference)),
            Err(error) => {
                findings.value(&text.span, error.to_string(), FORMS);
                None
            }
        };
    }
    let (transport, rest) = said.split_once(':').unwrap_or((said, ""));
    let (path, name) = match rest.split_once(':') {
        Some((path, name)) => (path, Some(name.to_owned())),
        None => (rest, None),
    };
    if path.is_empty() || name.as_deref() == Some("") {
        findings.value(&text.span, format!("`{said}` names no image"), FORMS);
        return None;
    }
    match transport {
        "oci" => Some(BaseImage::Layout { directory: path.into(), name }),
        "oci-archive" | "docker-archive" => Some(BaseImage::Archive { file: path.into(), name }),
        _ => {
            findings.value(&text.span, format!("`{said}` is no place of an image that is a base"), FORMS);
            None
        }
    }
}

impl Base {
    /// The base that an image is: a recipe of one layer, in which nothing is asked for, since all is there.
    pub(super) fn of_image(said: &str, image: BaseImage, dir: &Path) -> Self {
        let layer = Layer {
            name: said.to_owned(),
            packages: Vec::new(),
            keep: Keep::Listed,
            include: Vec::new(),
            exclude: Vec::new(),
            files: Vec::new(),
        };
        let recipe = Recipe {
            path: PathBuf::from(said),
            text: String::new(),
            dir: dir.to_owned(),
            name: said.to_owned(),
            variant: None,
            from: None,
            archs: Vec::new(),
            pockets: None,
            keys: Vec::new(),
            snapshot: None,
            skeleton: true,
            strict: false,
            layers: vec![layer],
            layering: Layering::Explicit,
            compression: LayerCompression::default(),
            strip: Strip::default(),
            users: Vec::new(),
            groups: Vec::new(),
            awaited: Vec::new(),
            image: ImageConfig::default(),
            variants: std::collections::BTreeMap::new(),
            rules: Vec::new(),
            tests: Vec::new(),
            repositories: Vec::new(),
            base: None,
            base_image: Some(image),
        };
        Base { recipe, prefix: PathBuf::new() }
    }
}

impl Recipe {
    /// The recipe with what it inherits of how a base image runs.
    #[must_use]
    pub fn running_as(&self, config: &ImageConfig) -> Recipe {
        let mut recipe = self.clone();
        recipe.image.inherit(config);
        recipe
    }

    /// The image that is the lowest base, if it is one.
    pub fn lowest_image(&self) -> Option<&Recipe> {
        self.stack().first().copied().filter(|recipe| recipe.base_image.is_some())
    }
}
