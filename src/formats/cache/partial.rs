//! A blob while it is downloaded.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempPath;

use super::{CacheError, ContentId, SoundFile, Stamp, Verdict, within};

/// The file a blob is downloaded into, for one process alone.
///
/// If it is dropped before it is complete, a later download of the same blob goes on where this one stopped;
/// unless another process was downloading the blob at the same time: then it is deleted.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    target: PathBuf,
    id: ContentId,
    hold: Hold,
    /// Counts what is added to the cache, in bytes.
    added: Arc<AtomicU64>,
}

/// What keeps others from writing to the file.
#[derive(Debug)]
#[expect(dead_code, reason = "it is held, not read")]
enum Hold {
    /// The lock of the blob's own partial file.
    Lock(Locked),
    /// A name that nobody else uses; the file is deleted with it.
    Name(TempPath),
}

/// A locked file, held as long as it is open. An empty one is deleted: nothing can be continued there.
#[derive(Debug)]
struct Locked {
    file: File,
    path: PathBuf,
}

impl Drop for Locked {
    fn drop(&mut self) {
        let is_empty = self.file.metadata().is_ok_and(|metadata| metadata.len() == 0);
        if is_empty && is_at(&self.file, &self.path) {
            // It may as well stay: nothing depends on it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Partial {
    pub(super) fn open(
        directory: &Path,
        id: ContentId,
        target: PathBuf,
        added: &Arc<AtomicU64>,
    ) -> Result<Self, CacheError> {
        let added = Arc::clone(added);
        let (_, hex) = id.place();
        let path = directory.join(&hex);
        if let Some(lock) = lock(&path).map_err(CacheError::write(&path))? {
            return Ok(Partial { path, target, id, hold: Hold::Lock(lock), added });
        }
        let own = tempfile::Builder::new()
            .prefix(&format!("{hex}."))
            .tempfile_in(directory)
            .map_err(CacheError::write(directory))?
            .into_temp_path();
        Ok(Partial { path: own.to_path_buf(), target, id, hold: Hold::Name(own), added })
    }

    /// The file to write to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Empties the file: what is in it is of no use.
    pub fn discard(&self) -> Result<(), CacheError> {
        let emptied = OpenOptions::new().write(true).truncate(true).open(&self.path);
        emptied.map(drop).map_err(CacheError::write(&self.path))
    }

    /// Deletes the file: what was downloaded is somewhere else now.
    pub fn remove(self) {
        // What stays is empty or sound, and a later download sees which.
        let _ = fs::remove_file(&self.path);
    }

    /// Stores the complete file as the blob; its content is checked.
    pub fn commit(self) -> Result<SoundFile, CacheError> {
        let before = fs::metadata(&self.path).map_err(CacheError::read(&self.path))?;
        let found = match self.id.judge(&self.path).map_err(CacheError::read(&self.path))? {
            Verdict::Sound => return self.commit_checked(&before),
            Verdict::Other(found) => found.to_string(),
            Verdict::Forged(error) => error.to_string(),
        };
        Err(CacheError::Content { expected: self.id, found })
    }

    /// As [`Partial::commit`], for content that was checked right before, when the file was `checked`. Where somebody has
    /// put another file in its place, it has vanished.
    pub fn commit_checked(self, checked: &Metadata) -> Result<SoundFile, CacheError> {
        let Partial { path, target, hold, added, .. } = self;
        let checked = Stamp::of(checked);
        if !checked.is_at(&path) {
            return Err(CacheError::read(path)(io::ErrorKind::NotFound.into()));
        }
        // Not synced: what a crash leaves of it is found out by its digest, whenever it is read.
        let directory = target.parent().unwrap_or(&path);
        within(directory, || fs::rename(&path, &target).map_err(CacheError::write(&target)))?;
        drop(hold);
        added.fetch_add(checked.size(), Ordering::Relaxed);
        SoundFile::moved(checked, target.clone()).map_err(CacheError::read(target))
    }
}

/// Opens and locks a file; none if somebody else has it.
fn lock(path: &Path) -> io::Result<Option<Locked>> {
    // Its holder may have given the file its final name, so that the lock was on a file that is no longer here.
    for _ in 0..16 {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        if fs4::FileExt::try_lock(&file).is_err() {
            return Ok(None);
        }
        if is_at(&file, path) {
            return Ok(Some(Locked { file, path: path.to_owned() }));
        }
    }
    Ok(None)
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id =
        |metadata: io::Result<fs::Metadata>| metadata.ok().map(|metadata| (metadata.dev(), metadata.ino()));
    id(file.metadata()).is_some_and(|own| id(fs::metadata(path)) == Some(own))
}

#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}
