//! Layers become an OCI image: blobs, config, manifest, index, in an image layout on disk, and from there
//! any of the outputs that a user may ask for.
//!
//! Follows image-spec v1.1: `image-layout.md` ([`Layout`]), `layer.md` ([`LayerWriter`]), `config.md`,
//! `manifest.md` and `image-index.md` (`documents`), `descriptor.md` ([`Descriptor`]). Docker's `config.Healthcheck` is the one thing written
//! that the specification does not know. Bytes depend on what is given alone: keys are sorted, no clock, no
//! host name, no number of threads reaches them.
//!
//! | to | use |
//! |---|---|
//! | write a layer | [`Layout::layer_writer`] or [`Layout::compressing_writer`], then [`LayerWriter::complete`] |
//! | write an image of one architecture | [`Layout::write_image`] |
//! | put several under one name | [`Layout::write_index`], then [`Layout::tag`] |
//! | have a layout for a while only | [`ScratchLayout`] |
//! | hand an image out in another form | [`Output`] |
//! | read an archive of others | [`unpack()`] |
//! | move images to and from registries | [`push`], [`pull`], [`relay`] |
//! | see an image's files as a container would | [`MergedTree`] |

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::digest::Digest;
use crate::hint::{Hint, of_limit};
use crate::recipe::ImageConfig;
use crate::registry::RegistryError;
use crate::root_path::RootPath;
use crate::tarball::TarballError;

mod archive;
pub(crate) mod archive_links;
mod blob;
mod config;
mod descriptor;
mod documents;
mod given;
mod layout;
mod measure;
mod memory;
mod merge;
mod output;
mod pack;
mod partial;
mod pieces;
mod place;
mod regular;
mod root_dir;
mod scratch;
mod syncing;
mod transfer;
mod unpack;

pub use blob::{Compression, LayerWriter, layer_form};
pub use config::image_config;
pub use descriptor::{Descriptor, Platforms};
pub use given::{GivenImage, GivenLayers};
use layout::MAX_LAYERS;
pub use layout::{Arrived, Layout, Tagged};
pub use measure::{Measured, Piece, measure};
pub use merge::{ContentId, MergeFault, MergedNode, MergedTree, RootSink};
pub use output::{Output, Written};
pub use pack::{PackError, Packed, created_by, pack};
pub(crate) use regular::open_regular;
pub use scratch::ScratchLayout;
pub use transfer::{Pulled, Pushed, Remote, Tally, pull, pull_base, push, relay};
pub use unpack::unpack;

/// Seconds since the epoch of 1980-01-02T00:00:00Z: the time of what is made rather than taken from a
/// package. Not zero, since some programs refuse files without a date.
pub(crate) const MADE_AT: u64 = 315_619_200;

/// A layer in a layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerBlob {
    /// Of the compressed bytes: the blob's name.
    pub digest: Digest,
    /// Of the compressed bytes.
    pub size: u64,
    /// How they are compressed.
    pub compression: Compression,
    /// Of the uncompressed tar.
    pub diff_id: Digest,
    /// Bytes of the uncompressed tar.
    pub uncompressed: u64,
    /// What the image's history says of it.
    pub created_by: String,
    /// When the image was made whose layer it first was, in seconds since the Unix epoch: that of a base. None for a
    /// layer of the image itself.
    pub created: Option<u64>,
}

/// An image of one architecture, as it is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSpec {
    /// What its programs run on.
    pub arch: Arch,
    /// How containers of it are run: all of it, nothing is added.
    pub config: ImageConfig,
    /// `created` of config and history, in seconds since the epoch.
    pub created: u64,
    /// The layers of the image that it stands on, if any.
    pub given: Option<GivenLayers>,
    /// Its own, from the lowest to the topmost.
    pub layers: Vec<LayerBlob>,
    /// Of the manifest.
    pub annotations: BTreeMap<String, String>,
}

/// A manifest of one architecture in a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageRef {
    /// Of the manifest.
    pub digest: Digest,
    /// Bytes of the manifest.
    pub size: u64,
    /// What the image runs on.
    pub arch: Arch,
}

/// An image index in a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexRef {
    /// Of the index.
    pub digest: Digest,
    /// Bytes of the index.
    pub size: u64,
}

/// Why an image was not written, read or handed out.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// The file system refused.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// The verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory that was to hold an image layout holds something else.
    #[error("`{path}` is no OCI image layout and not empty: it holds `{found}`")]
    NoLayout {
        /// The directory.
        path: PathBuf,
        /// One of its files.
        found: String,
    },
    /// A JSON document in a layout is not what the specification asks for.
    #[error("`{document}` in the image layout `{layout}` is wrong: {reason}")]
    Document {
        /// The layout's directory.
        layout: PathBuf,
        /// A file's name or a blob's digest.
        document: String,
        /// What is wrong.
        reason: String,
    },
    /// An image names a blob that the layout does not hold, or not in that size.
    #[error("blob {digest} ({size} bytes) is not in the image layout `{layout}`")]
    MissingBlob {
        /// The layout's directory.
        layout: PathBuf,
        /// The blob's name.
        digest: Digest,
        /// The size it was to have.
        size: u64,
    },
    /// A blob's bytes are not those of its name.
    #[error("blob {digest} in the image layout `{layout}` is corrupt: its bytes have the digest {found}")]
    CorruptBlob {
        /// The layout's directory.
        layout: PathBuf,
        /// The blob's name.
        digest: Digest,
        /// What was found.
        found: Digest,
    },
    /// A name that `org.opencontainers.image.ref.name` or Docker does not allow.
    #[error("`{name}` cannot name an image: {reason}")]
    Name {
        /// As given.
        name: String,
        /// The rule it breaks.
        reason: &'static str,
    },
    /// The text names no output.
    #[error("`{0}` is not an output")]
    UnknownOutput(String),
    /// What is in a registry is no file or directory.
    #[error("`{0}` is in a registry, not on this machine's disk")]
    Registry(String),
    /// A registry, or the way to it.
    #[error(transparent)]
    Remote(#[from] RegistryError),
    /// An image is to be found under a digest that is not its own.
    #[error("the image has the digest {found}, so it cannot be pushed as `{place}`")]
    OtherDigest {
        /// Where it was to go.
        place: String,
        /// The digest there.
        expected: Digest,
        /// The image's.
        found: Digest,
    },
    /// An image is not made for an architecture.
    #[error("`{name}` has no image for {wanted}")]
    NoPlatform {
        /// What was looked into.
        name: String,
        /// The architecture that was asked for.
        wanted: Arch,
        /// Those that there are.
        found: Vec<Arch>,
    },
    /// What others made is not what the specification asks for.
    #[error("`{name}` is wrong: {reason}")]
    Foreign {
        /// A file or an image.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A layout or archive has no image of a name, or several and no name was given.
    #[error("`{path}` {}", no_such_name(.name.as_deref(), .names))]
    NoSuchName {
        /// The layout or archive.
        path: PathBuf,
        /// The name asked for.
        name: Option<String>,
        /// The names there are.
        names: Vec<String>,
    },
    /// An output lacks its path.
    #[error("the output `{0}` lacks a path")]
    NoPath(String),
    /// An archive was to come from standard input, or to go to standard output.
    #[error("`{0}` names no file, and archives are not read from or written to pipes")]
    Stream(String),
    /// An output of one architecture was asked for several, or none.
    #[error("`{output}` takes exactly one architecture, not {count}")]
    OneArch {
        /// Its transport.
        output: &'static str,
        /// How many there were.
        count: usize,
    },
    /// The place of an output is none that can be written to.
    #[error("cannot write to `{path}`: {source}")]
    Place {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A root file system was to go into a directory that holds files.
    #[error("the directory `{0}` is not empty")]
    NotEmpty(PathBuf),
    /// A layer is no tar archive.
    #[error("layer {} of the image: {source}", layer + 1)]
    Layer {
        /// Counted from the lowest, from zero.
        layer: usize,
        /// What is wrong with it.
        source: TarballError,
    },
    /// A hard link in a layer leads nowhere.
    #[error("layer {} of the image: the hard link `{path}` points at `{target}`, which is not there", layer + 1)]
    HardLink {
        /// Counted from the lowest, from zero.
        layer: usize,
        /// The link.
        path: RootPath,
        /// Its target.
        target: RootPath,
    },
    /// More layers than storage drivers can stack.
    #[error("the image has {0} layers; container engines take at most {MAX_LAYERS}")]
    TooManyLayers(usize),
    /// A time that no calendar holds.
    #[error("{0} seconds since the epoch is no date")]
    Time(u64),
}

fn no_such_name(name: Option<&str>, names: &[String]) -> String {
    match name {
        Some(name) => format!("has no image called `{name}`"),
        None if names.is_empty() => "has no image with a name, or no image at all".to_owned(),
        None => "has several images, and none is named".to_owned(),
    }
}

impl OciError {
    /// For `map_err`: what was tried on what.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OciError {
        let path = path.to_owned();
        move |source| OciError::Io { action, path, source }
    }

    /// Whether the call was wrong rather than the work: exit status 2.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            OciError::UnknownOutput(_)
                | OciError::Registry(_)
                | OciError::NoPath(_)
                | OciError::Stream(_)
                | OciError::Name { .. }
                | OciError::OneArch { .. }
        )
    }
}

impl Hint for OciError {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            OciError::NoLayout { .. } => "name an empty directory or one that holds an image layout",
            OciError::MissingBlob { .. } | OciError::CorruptBlob { .. } => {
                "build or pull the image into this layout again, which replaces what is damaged"
            }
            OciError::Document { .. } => {
                "run `rootforge check` on the layout to see all that is wrong with it"
            }
            OciError::UnknownOutput(_) | OciError::NoPath(_) => {
                "outputs are oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:TAG], docker://HOST/REPO[:TAG], dir:PATH, tar:FILE"
            }
            OciError::Registry(_) => "use `rootforge pull` and `rootforge push`, or `rootforge copy`",
            OciError::Remote(error) => return error.hints(),
            OciError::OtherDigest { .. } => "push it under a tag; a digest follows from the image",
            OciError::NoPlatform { found, .. } if found.is_empty() => {
                "it does not say what its images run on"
            }
            OciError::NoPlatform { found, .. } => {
                let names: Vec<&str> = found.iter().map(|arch| arch.name()).collect();
                return vec![format!("it has {}; choose with `--arch`", names.join(", "))];
            }
            OciError::NoSuchName { names, .. } if names.is_empty() => return Vec::new(),
            OciError::NoSuchName { names, .. } => return vec![format!("it has {}", names.join(", "))],
            OciError::OneArch { .. } => {
                "choose one with `--arch`, or use `oci-archive:`, which takes several"
            }
            OciError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "free some space, or choose another place with `--output`"
            }
            OciError::Io { source, .. }
                if source.kind() == std::io::ErrorKind::PermissionDenied
                    || source.kind() == std::io::ErrorKind::ReadOnlyFilesystem =>
            {
                "choose a place that you can write to"
            }
            OciError::Io { source, .. } => return of_limit(source).into_iter().collect(),
            OciError::Stream(_) => "name a file, and hand it on from there; `./-` is one",
            OciError::Place { source, .. } if source.kind() == io::ErrorKind::InvalidInput => {
                "name a file, be it there or not, and hand it on from there"
            }
            OciError::Place { .. } => "choose another place with `--output`",
            OciError::NotEmpty(_) => "name a directory that is empty or does not exist yet",
            OciError::TooManyLayers(_) => "put more packages into one [[layer]] of the recipe",
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}
