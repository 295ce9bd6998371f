//! Files kept from build to build: what was downloaded, by digest, and what was derived from it.
//!
//! ```text
//! blobs/sha256/abcdef...     content-addressed; complete before it gets this name
//! blobs/apk/abcdef...        packages that their control member's SHA-1 names, likewise
//! partial/                   downloads under way, each under a lock or a name of its own
//! images/                    an image layout with the images that recipes have as bases
//! derived/KIND/abcdef...     what was derived from the blob or key abcdef..., then a checksum of 8 bytes
//! size                       how much there is, as it was counted last, with what was added since
//! ```
//!
//! Several processes can use a cache at once, and it can be deleted at any moment: nothing but time is lost.
//! What is read is checked: blobs against their digest, derived entries against their checksum; those that are mapped,
//! and blobs of which only the place is asked, once for as long as nobody touches them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use crate::digest::{Digest, Hasher};
use crate::hint::{Hint, of_limit};
use tag::{OURS, TAG};

mod content_id;
mod mapped;
mod partial;
mod pruning;
mod sound;
mod tag;

pub use content_id::{ContentId, ContentIdError, Verdict};
pub use mapped::{DerivedWriter, Mapped};
pub use partial::Partial;
pub use pruning::Pruned;
pub use sound::{SoundFile, SoundReader, Stamp};
pub use tag::TAG_FILE;

/// The bytes of a derived entry's checksum.
const CHECKSUM: usize = 8;

/// What a cache has beside its tag and the count.
const DIRECTORIES: [&str; 4] = ["blobs", "partial", "derived", "images"];

/// A directory of downloaded and derived files.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
    /// How many bytes were added by this process since [`Cache::settle`].
    added: Arc<AtomicU64>,
    /// What is held by who downloads a blob, in this process.
    underway: Arc<Mutex<BTreeMap<ContentId, Arc<Mutex<()>>>>>,
    /// Locked for as long as it is open.
    in_use: Option<Arc<File>>,
    /// When what is used now is used.
    now: Option<SystemTime>,
}

/// What the cache has under a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Nothing.
    Missing,
    /// The content, checked just now, or before it was touched last.
    Found(PathBuf),
    /// Something else; it has been removed.
    Corrupt,
}

/// How much a cache holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Files of all kinds.
    pub files: u64,
    /// Their sizes' sum in bytes.
    pub bytes: u64,
}

/// Why the cache does not work.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A file or directory cannot be written.
    #[error("cannot write to the cache, `{}`: {source}", .path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file or directory cannot be read.
    #[error("cannot read from the cache, `{}`: {source}", .path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// What is to be stored is not what its name says.
    #[error("refusing to store as {expected} what is {found}")]
    Content {
        /// What it was to be stored under.
        expected: ContentId,
        /// What it is, or what is wrong with it.
        found: String,
    },
}

impl CacheError {
    fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| CacheError::Write { path, source }
    }

    fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| CacheError::Read { path, source }
    }

    /// Whether the cause is that something was deleted while in use, so that trying again helps.
    pub fn is_vanished(&self) -> bool {
        matches!(self, CacheError::Write { source, .. } | CacheError::Read { source, .. }
            if source.kind() == io::ErrorKind::NotFound)
    }
}

impl Hint for CacheError {
    fn hints(&self) -> Vec<String> {
        match self {
            CacheError::Write { source, .. } | CacheError::Read { source, .. } => {
                let usual = || "pass `--cache-dir` a directory that you can write to".to_owned();
                vec![of_limit(source).unwrap_or_else(usual)]
            }
            CacheError::Content { .. } => Vec::new(),
        }
    }
}

impl Cache {
    /// Uses a directory, which is made if it is not there.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, CacheError> {
        let mut cache = Cache {
            root: root.into(),
            added: Arc::default(),
            underway: Arc::default(),
            in_use: None,
            now: None,
        };
        let tag = cache.root.join(TAG_FILE);
        let found = fs::read_to_string(&tag).ok();
        if found.as_ref().is_some_and(|text| text.contains(OURS)) {
            cache.clear_the_way();
        }
        if found.as_deref() != Some(TAG) {
            create_dir(&cache.root)?;
            let is_ours = found.is_some_and(|text| text.contains(OURS));
            if is_ours {
                cache.clear()?;
            }
            // What is known to be empty need not be counted at the end.
            let is_empty =
                is_ours || fs::read_dir(&cache.root).is_ok_and(|mut entries| entries.next().is_none());
            // First, for it says whose the rest is.
            tag::write(&tag).map_err(CacheError::write(&tag))?;
            let is_counted = cache.root.join(pruning::SIZE_FILE).exists();
            if is_ours || is_empty && !is_counted {
                cache.remember(0, None);
            }
        }
        // Where files cannot be locked, nobody is kept from deleting.
        cache.in_use =
            File::open(&tag).ok().filter(|tag| fs4::FileExt::lock_shared(tag).is_ok()).map(Arc::new);
        Ok(cache)
    }

    /// Deletes files that are where directories are to be. What cannot be deleted is told when it is in the way.
    fn clear_the_way(&self) {
        for path in DIRECTORIES.map(|name| self.root.join(name)).iter().filter(|path| path.is_file()) {
            let _ = fs::remove_file(path);
        }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where files without a name may be made, for what does not outlive a run. It may not be there yet.
    pub fn scratch(&self) -> PathBuf {
        self.root.join("partial")
    }

    /// Notes from now on when what is used.
    #[must_use]
    pub fn at(mut self, now: SystemTime) -> Self {
        self.now = Some(now);
        self
    }

    /// The bytes of a file, which is of use.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        self.note_use(&file);
        Ok(bytes)
    }

    fn note_use(&self, file: &File) {
        if let Some(now) = self.now {
            pruning::note_use(file, now);
        }
    }

    fn blob_path(&self, id: impl Into<ContentId>) -> PathBuf {
        let (kind, hex) = id.into().place();
        self.root.join("blobs").join(kind).join(hex)
    }

    /// Where a blob is, if it is there. It is not checked: see [`Cache::verified_blob`].
    pub fn blob(&self, id: impl Into<ContentId>) -> Option<PathBuf> {
        Some(self.blob_path(id)).filter(|path| path.is_file())
    }

    /// A blob, if it is there, to read parts of it, so that it is of use. It is not checked.
    pub fn open_blob(&self, id: impl Into<ContentId>) -> Option<File> {
        let file = File::open(self.blob_path(id)).ok()?;
        self.note_use(&file);
        Some(file)
    }

    /// A blob whose content has been compared with its id: see [`Cache::is_sound`]. One that differs is removed.
    pub fn verified_blob(&self, id: impl Into<ContentId>) -> Result<Lookup, CacheError> {
        let id = id.into();
        let path = self.blob_path(id);
        let judge = || id.judge(&path).map(|verdict| matches!(verdict, Verdict::Sound));
        match self.is_sound(&id.key(), &path, judge) {
            Ok(true) => {
                self.note_use_of(&id.key(), &path);
                Ok(Lookup::Found(path))
            }
            Ok(false) => self.remove(id).map(|()| Lookup::Corrupt),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Lookup::Missing),
            Err(source) => Err(CacheError::Read { path, source }),
        }
    }

    /// The bytes of a blob, checked; none if it is missing or was corrupt, in which case it is removed.
    pub fn read_blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, CacheError> {
        let path = self.blob_path(digest);
        match self.read(&path) {
            Ok(bytes) if Digest::of(&bytes) == *digest => Ok(Some(bytes)),
            Ok(_) => self.remove(digest).map(|()| None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(CacheError::Read { path, source }),
        }
    }

    /// Forgets a blob.
    pub fn remove(&self, id: impl Into<ContentId>) -> Result<(), CacheError> {
        let path = self.blob_path(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(CacheError::Write { path, source: error })
            }
            _ => Ok(()),
        }
    }

    /// Stores bytes; gives their digest and where they are.
    pub fn insert(&self, bytes: &[u8]) -> Result<(Digest, PathBuf), CacheError> {
        let digest = Digest::of(bytes);
        let path = self.blob_path(digest);
        self.replace(&path, bytes, true)?;
        Ok((digest, path))
    }

    /// Stores what a reader yields; gives its digest, its size, and where it is.
    pub fn insert_from(&self, mut reader: impl Read) -> Result<(Digest, u64, PathBuf), CacheError> {
        let directory = self.root.join("partial");
        let file = new_file(&directory)?;
        let mut hasher = Hasher::new(file);
        io::copy(&mut reader, &mut hasher).map_err(CacheError::write(&directory))?;
        let (file, digest, size) = hasher.finish();
        let path = self.blob_path(digest);
        persist(file, &path, true)?;
        self.added.fetch_add(size, Ordering::Relaxed);
        Ok((digest, size, path))
    }

    /// Stores a file whose bytes are known to have this digest: by a further link to it where the file system allows
    /// that, else by a copy.
    pub fn share(&self, file: &Path, digest: &Digest) -> Result<(), CacheError> {
        let path = self.blob_path(digest);
        if let Some(directory) = path.parent() {
            create_dir(directory)?;
        }
        match fs::hard_link(file, &path) {
            Ok(()) => {
                let size = path.metadata().map_or(0, |metadata| metadata.len());
                self.added.fetch_add(size, Ordering::Relaxed);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(_) => File::open(file)
                .map_err(CacheError::read(file))
                .and_then(|file| self.insert_from(file).map(|_| ())),
        }
    }

    /// To be held by who downloads a blob: others of this process wait, and find it there. Other processes download it
    /// too.
    pub fn underway(&self, id: impl Into<ContentId>) -> Arc<Mutex<()>> {
        // A thread that panics takes the program down with it; what it left is never used.
        let mut all = self.underway.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(id.into()).or_default())
    }

    /// A place to download a blob into; [`Partial::commit_checked`] stores it.
    pub fn partial(&self, id: impl Into<ContentId>) -> Result<Partial, CacheError> {
        let id = id.into();
        let directory = self.root.join("partial");
        within(&directory, || Partial::open(&directory, id, self.blob_path(id), &self.added))
    }

    fn derived_path(&self, kind: &str, key: &Digest) -> PathBuf {
        self.root.join("derived").join(kind).join(key.hex())
    }

    /// What was derived from a blob or another key; none if it is missing or damaged.
    ///
    /// `kind` names the format and its version, as in `manifest-1`, and is a file name.
    pub fn derived(&self, kind: &str, key: &Digest) -> Option<Vec<u8>> {
        let mut bytes = self.read(&self.derived_path(kind, key)).ok()?;
        let (content, found) = bytes.split_last_chunk::<CHECKSUM>()?;
        if *found != checksum(kind, key, content) {
            return None;
        }
        bytes.truncate(bytes.len() - CHECKSUM);
        Some(bytes)
    }

    /// Stores what was derived from a blob or another key, in place of what was there.
    pub fn put_derived(&self, kind: &str, key: &Digest, content: &[u8]) -> Result<(), CacheError> {
        let bytes = [content, &checksum(kind, key, content)].concat();
        // Not synced: what a crash leaves of it is found out by its checksum.
        self.replace(&self.derived_path(kind, key), &bytes, false)
    }

    /// Gives a file its content at once: readers see the old or the new, never a part.
    fn replace(&self, path: &Path, bytes: &[u8], synced: bool) -> Result<(), CacheError> {
        let directory = path.parent().unwrap_or(&self.root);
        within(directory, || {
            let mut file = new_file(directory)?;
            file.write_all(bytes).map_err(CacheError::write(file.path()))?;
            persist(file, path, synced)?;
            self.added.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            Ok(())
        })
    }

    /// Deletes all that this program has put there, and nothing else.
    pub fn clear(&self) -> Result<(), CacheError> {
        for name in DIRECTORIES {
            let path = self.root.join(name);
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(CacheError::Write { path, source: error });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A CRC-32 and the length: detects damage, not forgery. It covers the place, so that an entry counts nowhere else.
#[derive(Clone, Debug)]
struct Sum {
    crc: crc32fast::Hasher,
    length: u64,
}

impl Sum {
    fn of(kind: &str, key: &Digest) -> Self {
        let mut crc = crc32fast::Hasher::new();
        for part in [kind.as_bytes(), &[0], key.as_bytes()] {
            crc.update(part);
        }
        Sum { crc, length: 0 }
    }

    fn update(&mut self, content: &[u8]) {
        self.crc.update(content);
        self.length += content.len() as u64;
    }

    fn finish(self) -> [u8; CHECKSUM] {
        let mut bytes = [0; CHECKSUM];
        let (sum, length) = bytes.split_at_mut(4);
        sum.copy_from_slice(&self.crc.finalize().to_le_bytes());
        length.copy_from_slice(&self.length.to_le_bytes()[..4]);
        bytes
    }
}

fn checksum(kind: &str, key: &Digest, content: &[u8]) -> [u8; CHECKSUM] {
    let mut sum = Sum::of(kind, key);
    sum.update(content);
    sum.finish()
}

/// Tries something in a directory, which is made where it is not there; also where somebody deletes the cache between
/// two steps.
fn within<T>(directory: &Path, attempt: impl Fn() -> Result<T, CacheError>) -> Result<T, CacheError> {
    let made = || create_dir(directory).and_then(|()| attempt());
    let again = |error: CacheError| if error.is_vanished() { made() } else { Err(error) };
    attempt().or_else(again).or_else(again)
}

fn new_file(directory: &Path) -> Result<NamedTempFile, CacheError> {
    within(directory, || NamedTempFile::new_in(directory).map_err(CacheError::write(directory)))
}

fn create_dir(path: &Path) -> Result<(), CacheError> {
    fs::create_dir_all(path).map_err(CacheError::write(path))
}

/// Gives a file its name, once it is on the disk if that matters.
fn persist(file: NamedTempFile, path: &Path, synced: bool) -> Result<(), CacheError> {
    if synced {
        file.as_file().sync_data().map_err(CacheError::write(file.path()))?;
    }
    let mut result = file.persist(path);
    if let (Err(error), Some(directory)) = (&result, path.parent())
        && error.error.kind() == io::ErrorKind::NotFound
    {
        create_dir(directory)?;
        result = result.or_else(|error| error.file.persist(path));
    }
    result.map(|_| ()).map_err(|error| CacheError::Write { path: path.to_owned(), source: error.error })
}

#[cfg(test)]
mod tests;
