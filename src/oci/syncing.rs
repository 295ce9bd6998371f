//! Files on their way to the disk: several at once, since a file system writes many as fast as one.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::OciError;

/// The files that are being synced. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Syncing(Arc<Mutex<Vec<Begun>>>);

#[derive(Debug)]
struct Begun {
    path: PathBuf,
    done: JoinHandle<io::Result<()>>,
}

impl Syncing {
    /// Begins with a file, which is written; `path` is its name in messages.
    pub(super) fn begin(&self, file: File, path: &Path) {
        let done = std::thread::spawn(move || file.sync_all());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Begun { path: path.to_owned(), done });
    }

    /// Waits until all that were begun are on the disk; whether there were any.
    pub(super) fn wait(&self) -> Result<bool, OciError> {
        let begun = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut result = Ok(!begun.is_empty());
        for Begun { path, done } in begun {
            let synced = done.join().unwrap_or_else(|_| Err(io::Error::other("the syncing thread died")));
            if let Err(error) = synced.map_err(OciError::io("sync", &path)) {
                result = result.and(Err(error));
            }
        }
        result
    }
}
