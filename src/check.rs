//! An image becomes a list of all that is wrong with it.
//!
//! Nothing that made the image is trusted: every document and blob is read again from where it lies. What is
//! compared: digests and sizes; media types; the number of layers in manifest, config and history;
//! `diff_ids`; the platform in index and config (image-spec v1.1); the form of the config's fields; the members of each layer (see
//! [`crate::oci::MergeFault`]); and in the merged tree that the program to run exists, that its user does and may run it,
//! that scripts' interpreters do, and that every ELF file finds its libraries as the loader would, and in these what it
//! needs.
//!
//! Not proved here: that scripts find the commands that they call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use crate::digest::Digest;
use crate::hint::Hint;
use crate::oci::{OciError, Output};

mod access;
mod closure;
mod config;
mod docker_archive;
mod documents;
mod fault;
mod layers;
mod owners;
mod source;
mod tree;

pub use access::Barrier;
pub use fault::Fault;
pub use tree::ImageTree;

use layers::LayerContent;
use source::Store;

/// Where an image lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSource {
    /// An image layout: one name in it, or all of it.
    Layout {
        /// Its directory.
        directory: PathBuf,
        /// `org.opencontainers.image.ref.name`.
        name: Option<String>,
    },
    /// An image layout in a tar, compressed or not.
    OciArchive {
        /// The tar.
        file: PathBuf,
        /// `org.opencontainers.image.ref.name`.
        name: Option<String>,
    },
    /// What `docker save` and `docker-archive:` write, compressed or not.
    DockerArchive {
        /// The tar.
        file: PathBuf,
    },
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Everything that is wrong, in the order it was met; empty for a good image.
    pub problems: Vec<Problem>,
    /// What may be wrong, as far as can be seen from outside of a program; likewise.
    pub warnings: Vec<Problem>,
    /// The images that were looked at, as far as they could be read.
    pub images: Vec<Summary>,
}

/// An image that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its name and platform, as problems call it.
    pub name: String,
    /// Of its manifest; none in a plain Docker archive.
    pub digest: Option<Digest>,
    /// How many layers.
    pub layers: usize,
    /// Bytes of the layers as they are stored.
    pub size: u64,
    /// Paths in the merged tree.
    pub paths: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A file's name, or an image and what of it.
    pub place: String,
    /// What is wrong there.
    pub fault: Fault,
    /// The package of the file that it is about, where the image says it.
    pub package: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.fault)?;
        self.package.iter().try_for_each(|package| write!(f, " (from {package})"))
    }
}

/// Why there was nothing to check.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The text names no image.
    #[error(transparent)]
    Source(#[from] OciError),
    /// A root file system carries no image to check.
    #[error("`{0}` is a root file system, not an image")]
    NoImage(String),
    /// The file or directory cannot be opened.
    #[error("cannot read `{path}`: {source}")]
    Open {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The layout has no image of this name.
    #[error("`{path}` has no image called `{name}`")]
    NoSuchName {
        /// The layout.
        path: PathBuf,
        /// The name asked for.
        name: String,
        /// The names there are.
        names: Vec<String>,
    },
}

impl Hint for CheckError {
    fn hints(&self) -> Vec<String> {
        match self {
            CheckError::Source(error) => error.hints(),
            CheckError::NoImage(_) | CheckError::Open { .. } => {
                vec!["images are oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE".to_owned()]
            }
            CheckError::NoSuchName { names, .. } if names.is_empty() => Vec::new(),
            CheckError::NoSuchName { names, .. } => vec![format!("it has {}", names.join(", "))],
        }
    }
}

impl ImageSource {
    /// Reads `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]` or `docker-archive:FILE`; what names no transport is
    /// a layout, `DIR[:NAME]`.
    pub fn parse(text: &str) -> Result<Self, CheckError> {
        let parsed = match Output::parse(text) {
            Err(OciError::UnknownOutput(_)) => Output::parse(&format!("oci:{text}")),
            result => result,
        };
        Ok(match parsed? {
            Output::Oci { directory, tag } => ImageSource::Layout { directory, name: tag },
            Output::OciArchive { file, tag } => ImageSource::OciArchive { file, name: tag },
            Output::DockerArchive { file, .. } => ImageSource::DockerArchive { file },
            Output::Dir(_) | Output::Tar(_) => return Err(CheckError::NoImage(text.to_owned())),
        })
    }

    /// The file or directory.
    pub fn path(&self) -> &PathBuf {
        match self {
            ImageSource::Layout { directory: path, .. }
            | ImageSource::OciArchive { file: path, .. }
            | ImageSource::DockerArchive { file: path } => path,
        }
    }
}

/// Reads an image again, and tells everything that is wrong with it.
pub fn check(source: &ImageSource) -> Result<Report, CheckError> {
    let store = Store::open(source)?;
    let mut checking =
        Checking { store, report: Report::default(), layers: BTreeMap::new(), seen: BTreeSet::new() };
    match source {
        ImageSource::Layout { directory: path, name } | ImageSource::OciArchive { file: path, name } => {
            checking.layout(name.as_deref()).map_err(|names| CheckError::NoSuchName {
                path: path.clone(),
                name: name.clone().unwrap_or_default(),
                names,
            })?;
        }
        ImageSource::DockerArchive { .. } => checking.docker_archive(),
    }
    Ok(checking.report)
}

/// A check under way.
struct Checking {
    store: Store,
    report: Report,
    /// Layers that were read before, by their names in the store: images share them.
    layers: BTreeMap<String, Rc<LayerContent>>,
    /// The images that were looked into: their configs' files and their layers'.
    seen: BTreeSet<(String, Vec<String>)>,
}

impl Checking {
    fn problem(&mut self, place: &str, fault: Fault) {
        self.problem_of(place, fault, None);
    }

    fn problem_of(&mut self, place: &str, fault: Fault, package: Option<String>) {
        let problem = Problem { place: place.to_owned(), fault, package };
        let Report { problems, warnings, .. } = &mut self.report;
        let list = if problem.fault.is_warning() { warnings } else { problems };
        if !list.contains(&problem) {
            list.push(problem);
        }
    }
}
