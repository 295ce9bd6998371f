//! Why a package or an index of apk cannot be read or is not trusted, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::Checksum;
use super::pkginfo::PackageInfoError;
use crate::digest::Digest;
use crate::hint::Hint;
use crate::root_path::RootPath;
use crate::tarball::TarballError;
use crate::trust::ApkTrustError;

/// What an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A package's file.
    Package(PathBuf),
    /// An `APKINDEX.tar.gz`; whoever fetched it knows its address.
    Index,
}

/// A part of a package or index, as its gzip members make them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A member before a package's data, of which it is not known yet whether it holds signatures or control.
    Lead,
    /// The leading members, whose tar entries are named `.SIGN.*`.
    Signatures,
    /// The member with `.PKGINFO` and the scripts.
    Control,
    /// All that follows: the package's files.
    Data,
    /// All that follows the signatures of an index.
    Index,
}

/// Why a package or an index cannot be read, or is not what was expected.
#[derive(Debug, thiserror::Error)]
pub enum ApkError {
    /// The file cannot be opened or read.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is something else.
    #[error("{subject} is not {}{}", subject.kind(), if *html { ": it looks like HTML" } else { "" })]
    NotApk {
        /// What was read.
        subject: Subject,
        /// It looks like a web page.
        html: bool,
    },
    /// It is of the format of apk-tools 3.
    #[error("{subject} is of apk's format 3 (`ADB`), which is not supported")]
    FormatThree {
        /// What was read.
        subject: Subject,
    },
    /// The bytes end within a gzip member.
    #[error("{subject} is cut off within {part}")]
    Truncated {
        /// What was read.
        subject: Subject,
        /// Where.
        part: Part,
    },
    /// A gzip member cannot be decompressed, or something else stands in its place.
    #[error("{subject}: {part} cannot be decompressed")]
    Compression {
        /// What was read.
        subject: Subject,
        /// Where.
        part: Part,
        /// What the decoder says.
        #[source]
        cause: io::Error,
    },
    /// A part's tar stream is refused.
    #[error("{subject}: the tar stream of {part} is refused")]
    Tar {
        /// What was read.
        subject: Subject,
        /// Where.
        part: Part,
        /// Why.
        source: TarballError,
    },
    /// A part that must fit into memory does not.
    #[error("{subject}: {part} has more than {limit} bytes")]
    TooLarge {
        /// What was read.
        subject: Subject,
        /// Where.
        part: Part,
        /// The most accepted, in bytes.
        limit: u64,
    },
    /// The signature members hold something else, or too much.
    #[error("{subject} has malformed signatures: {reason}")]
    Signatures {
        /// What was read.
        subject: Subject,
        /// What is wrong.
        reason: String,
    },
    /// The signatures do not vouch for it.
    #[error("{subject} is not trusted")]
    Untrusted {
        /// What was read.
        subject: Subject,
        /// Why.
        source: ApkTrustError,
    },
    /// A file that must be in it.
    #[error("{subject} has no `{name}`")]
    Missing {
        /// What was read.
        subject: Subject,
        /// The file.
        name: &'static str,
    },
    /// A file that must be unique.
    #[error("{subject} has `{name}` twice")]
    Twice {
        /// What was read.
        subject: Subject,
        /// The file.
        name: String,
    },
    /// A file of a package's data in its control member.
    #[error("`{}` has the file `{name}` in its control member", path.display())]
    Misplaced {
        /// The package.
        path: PathBuf,
        /// The file.
        name: String,
    },
    /// `.PKGINFO` cannot be understood.
    #[error("`{}` has an unusable .PKGINFO", path.display())]
    Info {
        /// The package.
        path: PathBuf,
        /// Why.
        source: PackageInfoError,
    },
    /// The control member is not the one that the index or lock tells of.
    #[error("`{}` is another package than expected: its control member has the checksum {found}, not {expected}", path.display())]
    Control {
        /// The package.
        path: PathBuf,
        /// The index's `C:`.
        expected: Checksum,
        /// That of the file.
        found: Checksum,
    },
    /// The data is not what the control member tells of.
    #[error("`{}`: the data has the digest {found}, but .PKGINFO says {expected}", path.display())]
    DataHash {
        /// The package.
        path: PathBuf,
        /// `datahash`.
        expected: Digest,
        /// That of the file's data members.
        found: Digest,
    },
    /// There is data that nothing vouches for.
    #[error("`{}` has data, but its .PKGINFO has no `datahash` to check it by", path.display())]
    NoDataHash {
        /// The package.
        path: PathBuf,
    },
    /// The data that `datahash` tells of is not there.
    #[error("`{}` has no data, but its .PKGINFO says that the data has the digest {expected}", path.display())]
    NoData {
        /// The package.
        path: PathBuf,
        /// `datahash`.
        expected: Digest,
    },
    /// A file of the package has a name that would corrupt the installed database.
    #[error("`{}` has a file whose name holds control characters: `{name}`", path.display())]
    FileName {
        /// The package.
        path: PathBuf,
        /// The file's name, printable.
        name: String,
    },
    /// A file's own checksum is none.
    #[error("`{}`: the checksum of `{file}` is no SHA-1", path.display())]
    FileChecksum {
        /// The package.
        path: PathBuf,
        /// The file.
        file: String,
    },
    /// A file is not the one that its own checksum stands for.
    #[error("`{}`: `{file}` has the checksum {found}, but the package states {expected} for it", path.display())]
    FileContent {
        /// The package.
        path: PathBuf,
        /// The file or symbolic link.
        file: RootPath,
        /// As stated.
        expected: Checksum,
        /// Of the content or target.
        found: Checksum,
    },
}

impl ApkError {
    /// The same of a package that people know by another name than that of the file that was read.
    #[must_use]
    pub fn of(mut self, name: &Path) -> Self {
        match &mut self {
            ApkError::Io { path, .. }
            | ApkError::Misplaced { path, .. }
            | ApkError::Info { path, .. }
            | ApkError::Control { path, .. }
            | ApkError::DataHash { path, .. }
            | ApkError::NoDataHash { path }
            | ApkError::NoData { path, .. }
            | ApkError::FileName { path, .. }
            | ApkError::FileChecksum { path, .. }
            | ApkError::FileContent { path, .. } => name.clone_into(path),
            ApkError::NotApk { subject, .. }
            | ApkError::FormatThree { subject }
            | ApkError::Truncated { subject, .. }
            | ApkError::Compression { subject, .. }
            | ApkError::Tar { subject, .. }
            | ApkError::TooLarge { subject, .. }
            | ApkError::Signatures { subject, .. }
            | ApkError::Untrusted { subject, .. }
            | ApkError::Missing { subject, .. }
            | ApkError::Twice { subject, .. } => {
                if let Subject::Package(path) = subject {
                    name.clone_into(path);
                }
            }
        }
        self
    }
}

impl Subject {
    fn kind(&self) -> &'static str {
        match self {
            Subject::Package(_) => "an Alpine package",
            Subject::Index => "an APKINDEX.tar.gz",
        }
    }

    /// The error of a gzip member that does not decompress.
    pub(super) fn damaged(&self, part: Part, cause: io::Error) -> ApkError {
        if cause.kind() == io::ErrorKind::UnexpectedEof {
            ApkError::Truncated { subject: self.clone(), part }
        } else {
            ApkError::Compression { subject: self.clone(), part, cause }
        }
    }

    /// The error of a part's tar stream.
    pub(super) fn refused(&self, part: Part, source: TarballError) -> ApkError {
        match source {
            TarballError::Read(cause) => self.damaged(part, cause),
            source => ApkError::Tar { subject: self.clone(), part, source },
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Package(path) => write!(f, "`{}`", path.display()),
            Subject::Index => f.write_str("the index"),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Lead => "its signatures or its control member",
            Part::Signatures => "its signatures",
            Part::Control => "its control member",
            Part::Data => "its data",
            Part::Index => "its list of packages",
        })
    }
}

impl Hint for ApkError {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            ApkError::NotApk { html: true, .. } => {
                "a proxy or a login page may have answered instead of the mirror"
            }
            ApkError::FormatThree { .. } => {
                "use a repository that serves format 2: APKINDEX.tar.gz, and packages as abuild makes them"
            }
            ApkError::NotApk { html: false, .. } => {
                "it may be damaged or something else: look at its address"
            }
            ApkError::Truncated { .. } | ApkError::Compression { .. } | ApkError::DataHash { .. } => {
                "the file may be damaged: fetch it again"
            }
            ApkError::Tar { source, .. } => return source.hints(),
            ApkError::Untrusted { source, .. } => return source.hints(),
            ApkError::Control { .. } => {
                "the mirror may be out of step with its index: run `rootforge lock --update`, or pass `--mirror` \
                 another one"
            }
            ApkError::NoDataHash { .. }
            | ApkError::NoData { .. }
            | ApkError::Misplaced { .. }
            | ApkError::Info { .. }
            | ApkError::FileName { .. }
            | ApkError::FileChecksum { .. }
            | ApkError::FileContent { .. } => {
                "the package was made wrongly: build it anew with `abuild` or `melange`"
            }
            ApkError::Io { .. }
            | ApkError::TooLarge { .. }
            | ApkError::Signatures { .. }
            | ApkError::Missing { .. }
            | ApkError::Twice { .. } => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}
