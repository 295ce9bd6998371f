//! Signed indexes of repositories, and the list of packages made of them.
//!
//! [`mirror`] says where an archive is. [`debian`] fetches a suite's InRelease and indexes and checks them,
//! [`alpine`] does the same for apk's, and what they vouch for becomes a package index. Nothing unverified gets
//! past this room.

use std::fmt;

use crate::distro::{Archive, Pocket, Suite};
use crate::trust::Keyring;

pub mod alpine;
pub mod apk_index;
mod compression;
pub mod contents;
pub mod debian;
mod error;
pub mod index;
pub mod local;
pub mod mirror;
mod sources;

pub use alpine::{ApkPart, ApkSource, apk_path, apk_sources, load_apk};
pub use apk_index::{ApkId, ApkIndex, ApkIndexError, ApkOrigin};
pub use contents::{Found, Holders, holders};
pub use debian::{Access, IndexPart, SuiteRelease, load_indexes, load_releases};
pub use error::RepositoryError;
pub use index::*;
pub use local::{LocalApk, LocalPackage, local_apks, local_packages, locked_apk, locked_text};
pub use mirror::{MachineSources, Mirror, MirrorError, MirrorInputs, MirrorOrigin, Mirrors, mirror_names};
pub use sources::{archive_name, roots, sources};

/// A suite to take packages from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The archive's name for people: `debian`, or the URL of a recipe's repository.
    pub archive_name: String,
    /// The archive's root, without a slash at the end.
    pub uri: String,
    /// Other roots, tried in order where the first has no such suite or is another publisher's.
    pub fallbacks: Vec<String>,
    /// The suite's directory below `dists/`.
    pub suite: String,
    /// The components to take, by their paths below the suite's directory.
    pub components: Vec<String>,
    /// Whose signatures count.
    pub keyring: Keyring,
    /// What `Origin` must say, and then `Suite` or `Codename` the suite; not looked at if none.
    pub origin: Option<&'static str>,
    /// Whether an architecture that it lacks is an error; otherwise it is left out with a note.
    pub required: bool,
    /// Whether `Valid-Until` counts.
    pub check_valid_until: bool,
    /// Whether it is an archive as it was once; `Valid-Until` does not count then.
    pub by_snapshot: bool,
}

impl Source {
    /// A suite of a distro, from its mirror, or as it was at the time of a snapshot.
    pub fn of_suite(suite: &Suite, mirrors: &Mirrors, snapshot: Option<&str>) -> Result<Self, MirrorError> {
        let mirror = match snapshot {
            Some(time) => mirrors.snapshot(suite.archive, time)?,
            None => mirrors.find(suite.archive),
        };
        let keyring = match suite.archive {
            Archive::Debian | Archive::DebianSecurity => Keyring::debian(),
            Archive::Ubuntu | Archive::UbuntuPorts => Keyring::ubuntu(),
            // They have no suites, and their keys are of another kind.
            Archive::Alpine | Archive::Wolfi => Keyring::default(),
        };
        Ok(Source {
            archive_name: suite.archive.name().to_owned(),
            uri: mirror.url,
            fallbacks: mirror.fallbacks,
            suite: suite.name.clone(),
            components: suite.components.clone(),
            keyring,
            origin: suite.archive.origin(),
            required: suite.pocket == Pocket::Release,
            check_valid_until: true,
            by_snapshot: snapshot.is_some(),
        })
    }
}

/// Something worth telling that is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A suite has nothing for the architecture.
    ArchLeftOut {
        /// The suite.
        suite: String,
        /// The distro's name of the architecture.
        arch: String,
    },
    /// An index is used although its date has passed.
    ExpiredAccepted {
        /// The suite.
        suite: String,
        /// When it expired, UTC.
        when: String,
    },
    /// The first mirror was of no use and another was taken.
    OtherMirror {
        /// The suite.
        suite: String,
        /// The one that was to be used.
        wanted: String,
        /// The one that is used.
        used: String,
        /// What was wrong with the first.
        reason: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::ArchLeftOut { suite, arch } => {
                write!(f, "`{suite}` has no packages for {arch} and is left out")
            }
            Note::ExpiredAccepted { suite, when } => {
                write!(f, "the index of `{suite}` expired on {when} and is used all the same")
            }
            Note::OtherMirror { suite, wanted, used, reason } => {
                write!(f, "`{suite}` is taken from `{used}`, because `{wanted}` is of no use: {reason}")
            }
        }
    }
}
