//! The files that no package ships whole: made once the selection is known.
//!
//! The skeleton that every image stands on, accounts, the files a recipe brings along, dpkg's record of what
//! each layer holds, and all that setting up makes by the distro's rules ([`alpine`], [`debian`]): what scripts
//! of packages would do, the loader's cache, the bundle of certificates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::apk::AppletsError;
use crate::hint::{Hint, of_reading};
use crate::root_path::{RootPath, RootPathError};
use crate::tarball::{Entry, EntryKind, Metadata};

mod accounts;
pub mod alpine;
mod certificates;
pub mod debian;
mod dpkg;
mod graphviz;
mod host_files;
mod image_tree;
mod ld_so_cache;
mod pam;
mod script_files;
mod skeleton;

pub use accounts::Accounts;
pub use dpkg::{PackageRecord, database, records};
pub use host_files::{Placeholders, Surroundings, recipe_files};
pub use skeleton::{directory_links, skeleton};

/// 1980-01-02T00:00:00Z: the time of everything that rootforge makes, and of every directory. Not zero,
/// which some programs take for "no time".
pub const EPOCH: u64 = 315_619_200;

/// Files to be made, by path.
pub type Made = BTreeMap<RootPath, MadeFile>;

/// A file that comes from no package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeFile {
    /// What it is.
    pub entry: Entry,
    /// The content of a regular file; empty for anything else.
    pub content: Content,
}

/// What becomes of packages' files in a layer, where it is not as the packages say. By the packages' paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Other owners and groups.
    pub owners: BTreeMap<RootPath, [u32; 2]>,
    /// Other permission bits.
    pub modes: BTreeMap<RootPath, u32>,
    /// Other capabilities: the value of `security.capability`, empty for none.
    pub capabilities: BTreeMap<RootPath, Vec<u8>>,
    /// Other paths.
    pub moved: BTreeMap<RootPath, RootPath>,
    /// What does not get in after all.
    pub removed: BTreeSet<RootPath>,
}

/// Where the content of a made file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Here.
    Bytes(Vec<u8>),
    /// In a file of the host, named by the recipe.
    Host(PathBuf),
}

/// Why a file cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A file of the recipe cannot be read.
    #[error("cannot read {path}, which the recipe puts at {target}")]
    Source {
        /// The host's path.
        path: PathBuf,
        /// The path in the image.
        target: RootPath,
        /// The cause.
        source: std::io::Error,
    },
    /// A file of the recipe's directory is neither a file, a directory nor a link.
    #[error("{0} is neither a file, a directory nor a symbolic link")]
    SpecialSource(PathBuf),
    /// A file's name, or what a link leads to, is not UTF-8, as all in an image is.
    #[error("the name or the link target of {} is not UTF-8", .0.display())]
    Encoding(PathBuf),
    /// A path of the recipe is none.
    #[error("layer `{layer}`: {source}")]
    Path {
        /// The layer.
        layer: String,
        /// What is wrong with the path.
        source: RootPathError,
    },
    /// A file of the recipe, or of a directory that it copies, would delete what lower layers have.
    #[error(
        "layer `{layer}`: {path} would be a whiteout: in a layer, a name that begins with `.wh.` deletes what is below"
    )]
    Whiteout {
        /// The layer.
        layer: String,
        /// The path in the image.
        path: RootPath,
    },
    /// Two of a layer's files are at one place, by a link of the distro's as `/bin` is one, or by what placeholders stand for.
    #[error("layer `{layer}`: `{first}` and `{second}` are the same place, {path}")]
    SamePlace {
        /// The layer.
        layer: String,
        /// The path in the image.
        path: RootPath,
        /// The one that stands before the other in the recipe, as it has it on this architecture.
        first: RootPath,
        /// The other.
        second: RootPath,
    },
    /// A file or another link where the distro has a link.
    #[error(
        "layer `{layer}`: {path} is a link of the distro's to {place}, and the layer has something else there"
    )]
    DistroLink {
        /// The layer.
        layer: String,
        /// The path as the recipe has it.
        path: RootPath,
        /// Where the link leads.
        place: RootPath,
    },
    /// An owner that nobody defines.
    #[error("{path} is to belong to `{owner}`, whom neither the distro nor the recipe defines")]
    UnknownOwner {
        /// The file.
        path: RootPath,
        /// The name.
        owner: String,
    },
    /// All ids for accounts without one of their own are taken.
    #[error("no id from 100 to 999 is left for `{0}`")]
    NoFreeId(String),
    /// A recipe gives an account that its base has another number.
    #[error("the {what} `{name}` is {is} in the base, not {wanted}")]
    Renumbered {
        /// Which number.
        what: &'static str,
        /// The account's name.
        name: String,
        /// The number it has below.
        is: u32,
        /// The number that the recipe gives it.
        wanted: u32,
    },
    /// The commands of a busybox cannot be told.
    #[error("cannot tell the commands of {path}")]
    Applets {
        /// The program.
        path: RootPath,
        /// Why.
        source: AppletsError,
    },
}

impl Hint for RenderError {
    fn hints(&self) -> Vec<String> {
        match self {
            RenderError::Source { source, .. } => {
                let usual = || "paths in a recipe are relative to its directory".to_owned();
                vec![of_reading(source).unwrap_or_else(usual)]
            }
            RenderError::UnknownOwner { owner, .. } => {
                vec![format!("add a [[user]] or [[group]] named `{owner}`, or use a number")]
            }
            RenderError::NoFreeId(name) => vec![format!("give `{name}` a uid or gid of its own")],
            RenderError::Renumbered { .. } => {
                vec![
                    "leave the number out, or take another name: files of the base belong to the old one"
                        .into(),
                ]
            }
            RenderError::Whiteout { .. } => vec![
                "rename it, or leave it out; to leave files of packages out, use `exclude` of the layer"
                    .into(),
            ],
            RenderError::DistroLink { .. } => vec!["leave it out: every image has that link".into()],
            RenderError::SamePlace { .. } => vec!["leave one of them out".into()],
            RenderError::SpecialSource(_) => {
                vec!["remove it from the directory, or name the other files one by one".into()]
            }
            RenderError::Encoding(_) => vec!["rename it, or leave it out".into()],
            RenderError::Applets { source, .. } => source.hints(),
            RenderError::Path { .. } => vec![],
        }
    }
}

impl MadeFile {
    /// A regular file owned by root.
    pub fn file(path: RootPath, mode: u32, bytes: Vec<u8>) -> Self {
        let kind = EntryKind::File { size: bytes.len() as u64 };
        MadeFile { entry: made_entry(path, mode, kind), content: Content::Bytes(bytes) }
    }

    /// A directory owned by root.
    pub fn directory(path: RootPath, mode: u32) -> Self {
        MadeFile { entry: made_entry(path, mode, EntryKind::Directory), content: Content::Bytes(Vec::new()) }
    }

    /// A symbolic link.
    pub fn symlink(path: RootPath, target: &str) -> Self {
        let kind = EntryKind::Symlink { target: target.to_owned() };
        MadeFile { entry: made_entry(path, 0o777, kind), content: Content::Bytes(Vec::new()) }
    }
}

/// The metadata of what rootforge makes.
pub fn made_metadata(mode: u32) -> Metadata {
    Metadata { mode, uid: 0, gid: 0, mtime: EPOCH, xattrs: BTreeMap::new() }
}

fn made_entry(path: RootPath, mode: u32, kind: EntryKind) -> Entry {
    Entry { path, metadata: made_metadata(mode), kind }
}

/// A path that is written in this program and therefore sound; the root should it ever not be.
fn fixed(path: &str) -> RootPath {
    RootPath::parse(path).unwrap_or_else(|_| RootPath::root())
}
