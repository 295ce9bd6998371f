//! By what a package's bytes are known: a `.deb` by the SHA-256 of the file, an `.apk` by the SHA-1 of its
//! control member, which in turn states the SHA-256 of its data.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::apk::{self, ApkError, ChecksumError, archive};
use crate::digest::{Digest, DigestError};

/// What says which bytes a package has. Written as its distro writes it: `sha256:...`, or `Q1...`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ContentId {
    /// The digest of the whole file.
    Sha256(Digest),
    /// apk's checksum of the control member.
    Apk(apk::Checksum),
}

/// The text is neither a digest nor a checksum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentIdError {
    /// It begins as apk's checksum does.
    #[error(transparent)]
    Checksum(#[from] ChecksumError),
    /// Anything else.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// How a file compares with its id.
#[derive(Debug)]
pub enum Verdict {
    /// It is what it should be.
    Sound,
    /// It has this digest instead.
    Other(Digest),
    /// It is not the package of that checksum.
    Forged(ApkError),
}

impl ContentId {
    /// Compares a file with the id, reading it once from start to end.
    pub fn judge(&self, path: &Path) -> io::Result<Verdict> {
        match self {
            ContentId::Sha256(expected) => {
                let (found, _) = Digest::of_reader(File::open(path)?)?;
                Ok(if found == *expected { Verdict::Sound } else { Verdict::Other(found) })
            }
            ContentId::Apk(expected) => match archive::verify(path, Some(*expected)) {
                Ok(_) => Ok(Verdict::Sound),
                Err(ApkError::Io { source, .. }) => Err(source),
                Err(error) => Ok(Verdict::Forged(error)),
            },
        }
    }

    /// The directory of the cache for ids of this kind, and the name there.
    pub(super) fn place(&self) -> (&'static str, String) {
        match self {
            ContentId::Sha256(digest) => ("sha256", digest.hex()),
            ContentId::Apk(checksum) => ("apk", checksum.hex()),
        }
    }

    /// A digest that stands for the id where derived entries are kept by digest.
    pub fn key(&self) -> Digest {
        match self {
            ContentId::Sha256(digest) => *digest,
            ContentId::Apk(checksum) => Digest::of(checksum.to_string().as_bytes()),
        }
    }
}

impl From<Digest> for ContentId {
    fn from(digest: Digest) -> Self {
        ContentId::Sha256(digest)
    }
}

impl From<&Digest> for ContentId {
    fn from(digest: &Digest) -> Self {
        ContentId::Sha256(*digest)
    }
}

impl From<&ContentId> for ContentId {
    fn from(id: &ContentId) -> Self {
        *id
    }
}

impl From<apk::Checksum> for ContentId {
    fn from(checksum: apk::Checksum) -> Self {
        ContentId::Apk(checksum)
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContentId::Sha256(digest) => fmt::Display::fmt(digest, f),
            ContentId::Apk(checksum) => fmt::Display::fmt(checksum, f),
        }
    }
}

impl FromStr for ContentId {
    type Err = ContentIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text.starts_with("Q1") {
            ContentId::Apk(text.parse()?)
        } else {
            ContentId::Sha256(text.parse()?)
        })
    }
}

impl TryFrom<String> for ContentId {
    type Error = ContentIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ContentId> for String {
    fn from(id: ContentId) -> Self {
        id.to_string()
    }
}
