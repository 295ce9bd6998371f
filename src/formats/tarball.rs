//! Tar streams: read into entries whose paths cannot leave the image, written with the same bytes each time.
//!
//! Read: v7, ustar and pax (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Interchange Format"), and
//! GNU's dialect (long names, base-256 numbers, sparse members of type `S`). Written: ustar, with a pax
//! header where ustar does not suffice. Extended attributes travel as `SCHILY.xattr.*` records, as GNU tar,
//! bsdtar and container runtimes have them.
//!
//! Left out: access and change times, fractions of a second, pax's sparse members and global pax headers; the former
//! are refused, the latter passed over. Owners are numeric; their names are to be had beside an entry, in
//! [`Extensions`].

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use crate::hint::Hint;
use crate::root_path::{RootPath, RootPathError};

mod guard;
mod pax;
mod read;
mod write;

pub use read::{Extensions, read, read_all};
pub use write::Writer;

/// The size of a header, and the unit that content is padded to, in bytes.
const BLOCK: usize = 512;

/// The most directories above a member, itself included. Trees are walked a component at a time.
const MAX_DEPTH: usize = 256;

/// The longest path in bytes: Linux's `PATH_MAX` without the byte that ends it.
const MAX_PATH: usize = 4095;

/// The extended attribute of a file's capabilities (capabilities(7)).
pub const CAPABILITIES: &str = "security.capability";

/// Who may do what with a file, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Permission bits with setuid, setgid and sticky: `0o7777` at most.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Seconds since the epoch; times before it read as zero.
    pub mtime: u64,
    /// Extended attributes by full name (`security.capability`), with their raw values.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Length of its content in bytes.
        size: u64,
    },
    /// A symbolic link.
    Symlink {
        /// What it says, as it stands.
        target: String,
    },
    /// One more name of a file that came earlier in the same stream.
    HardLink {
        /// That file's name.
        target: RootPath,
    },
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

/// One member of a tar stream, without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it goes; `./` is the root.
    pub path: RootPath,
    /// Owner, permissions, time, attributes.
    pub metadata: Metadata,
    /// What it is.
    pub kind: EntryKind,
}

/// How much a stream may hold before it is refused, so that a small archive cannot fill memory or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the decompressed stream, and also of all files' content (sparse files are small in a stream).
    pub max_total: u64,
    /// Members.
    pub max_entries: u64,
}

impl Default for Limits {
    /// 64 GiB and two million members: far above any distro's largest package.
    fn default() -> Self {
        Limits { max_total: 64 << 30, max_entries: 2_000_000 }
    }
}

/// Why a tar stream cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TarballError {
    /// The bytes below the tar stream could not be had: the disk, or the decompression.
    #[error("the tar stream cannot be read")]
    Read(#[source] io::Error),
    /// The stream is no well-formed tar.
    #[error("the tar stream is malformed after member {after}: {reason}")]
    Malformed {
        /// How many members were fine.
        after: u64,
        /// What is wrong.
        reason: String,
    },
    /// The stream ends within a member.
    #[error("the tar stream ends within `{0}`")]
    Truncated(RootPath),
    /// A member's name cannot be a path of an image.
    #[error("a member's name is refused")]
    Path(#[from] RootPathError),
    /// A member lies deeper than a file of a package does, or its name is longer than any kernel opens.
    #[error("`{}...` has more than {MAX_DEPTH} components or {MAX_PATH} bytes", start(.0))]
    TooDeep(RootPath),
    /// A link's target cannot be one.
    #[error("`{path}` is a link to `{target}`, which is refused")]
    LinkTarget {
        /// The link.
        path: RootPath,
        /// Its target, printable.
        target: String,
    },
    /// A member of a type that no file system entry has.
    #[error("`{path}` is of the unknown type `{kind}`")]
    UnknownType {
        /// The member.
        path: RootPath,
        /// The type byte, printable.
        kind: String,
    },
    /// A number that is none or is too large.
    #[error("`{path}` has an unusable {field}")]
    Field {
        /// The member.
        path: RootPath,
        /// The header field or pax record.
        field: String,
    },
    /// More members than allowed.
    #[error("the tar stream has more than {0} members")]
    TooManyEntries(u64),
    /// More bytes than allowed.
    #[error("the tar stream holds more than {0} bytes")]
    TooLarge(u64),
}

/// The beginning of a long path.
fn start(path: &RootPath) -> String {
    path.as_str().chars().take(60).collect()
}

impl Hint for TarballError {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            TarballError::Read(_) | TarballError::Truncated(_) => "the file may be damaged: fetch it again",
            TarballError::TooManyEntries(_) | TarballError::TooLarge(_) => {
                "if the archive is meant to be this large, split it"
            }
            TarballError::Malformed { .. }
            | TarballError::Path(_)
            | TarballError::TooDeep(_)
            | TarballError::LinkTarget { .. }
            | TarballError::UnknownType { .. }
            | TarballError::Field { .. } => "the archive was made wrongly: tell whoever made it",
        };
        vec![hint.to_owned()]
    }
}

#[cfg(test)]
mod tests;
