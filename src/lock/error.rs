//! What is wrong with a lock.

use std::io;
use std::path::PathBuf;

use crate::atomic_file::directory_of;
use crate::hint::Hint;

use super::VERSION;

/// Why a lock cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file cannot be read.
    #[error("cannot read the lock {path}")]
    Read {
        /// The lock's path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is no lock.
    #[error("the lock {path} cannot be understood: {reason}")]
    Malformed {
        /// The lock's path.
        path: PathBuf,
        /// What is wrong, with its place.
        reason: String,
    },
    /// The file has two sides of a merge.
    #[error("the lock {path} has an unfinished merge at line {line}")]
    Unmerged {
        /// The lock's path.
        path: PathBuf,
        /// The line where it begins.
        line: usize,
    },
    /// Another version of the format.
    #[error("the lock {path} is of format {found}, this program reads format {VERSION}")]
    Version {
        /// The lock's path.
        path: PathBuf,
        /// The version it states.
        found: u32,
    },
    /// A package of a repository that the recipe does not have.
    #[error("{package} is locked from `{repository}`, which the recipe does not have")]
    ForeignRepository {
        /// The package, name and version.
        package: String,
        /// The archive and suite in the lock.
        repository: String,
    },
    /// A mirror serves what is older than what the lock was made from.
    #[error("the index of {repository} is of {found}, older than that of the lock, {locked}")]
    Older {
        /// The archive, suite and component.
        repository: String,
        /// The date of the index now.
        found: String,
        /// The date in the lock.
        locked: String,
    },
    /// The file cannot be written.
    #[error("cannot write the lock {path}")]
    Write {
        /// The lock's path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl Hint for LockError {
    fn hints(&self) -> Vec<String> {
        match self {
            LockError::Read { .. } => vec!["make it a file that may be read, or move it away".into()],
            LockError::Unmerged { .. } => {
                vec!["take either side whole, then run `rootforge lock` for what the recipes have now".into()]
            }
            LockError::Malformed { .. } | LockError::Version { .. } | LockError::ForeignRepository { .. } => {
                vec!["remove it and run `rootforge lock` to make it anew".into()]
            }
            LockError::Older { .. } => vec![
                "pass `--mirror` a mirror that is kept up to date, or try again later".into(),
                "pass `--allow-expired-index` to take the older index all the same".into(),
            ],
            LockError::Write { path, .. } => {
                vec![format!("check that {} is writable and has room", directory_of(path).display())]
            }
        }
    }
}
