//! The contents of files, kept from when their package is listed until a layer wants them.
//!
//! Decompressing is most of what a first build does, and nobody knows yet which files will be chosen when a package
//! is listed. So all of its contents go into one file without a name, which goes when all is packed, or with the
//! process, and takes no memory but what the system has to spare. It is bounded: packages that do not fit are
//! decompressed again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::cache::ContentId;

/// So many bytes are kept at most.
const MOST: u64 = 1 << 30;

/// Read and written at a time, in bytes.
const PIECE: usize = 1 << 16;

/// Files up to this size are written together, in bytes.
const SMALL: u64 = 1 << 18;

/// So many bytes of small files are written at once, or a few more.
const TOGETHER: usize = 1 << 19;

/// Keeps the contents of packages' files for as long as it or a clone of it lives, or until it is cleared.
#[derive(Clone, Debug, Default)]
pub struct Scratch(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    directory: Option<PathBuf>,
    store: OnceLock<Option<Arc<Store>>>,
    end: AtomicU64,
    known: Mutex<BTreeMap<ContentId, Kept>>,
}

/// The file that contents are in.
#[derive(Debug)]
struct Store {
    file: File,
    is_cleared: AtomicBool,
}

impl Scratch {
    /// Writes to a file without a name in a directory, which is made when it is needed. One by [`Scratch::default`]
    /// keeps nothing.
    pub fn within(directory: impl Into<PathBuf>) -> Self {
        Scratch(Arc::new(Inner { directory: Some(directory.into()), ..Inner::default() }))
    }

    /// Lets go of all that is kept, and keeps nothing any more. Nobody may be reading it; who wants it later reads the
    /// packages.
    pub fn clear(&self) {
        // Where none was made none is made any more.
        let Some(store) = self.0.store.get_or_init(|| None) else { return };
        store.is_cleared.store(true, Ordering::Relaxed);
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // What cannot be made shorter goes with the process.
        let _ = store.file.set_len(0);
    }

    /// What is kept of a package.
    pub(super) fn of(&self, package: &ContentId) -> Option<Kept> {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(package).filter(|kept| !kept.store.is_cleared()).cloned()
    }

    /// Begins to keep a package; none where nothing can be kept.
    pub(super) fn begin(&self) -> Option<Keeping<'_>> {
        let has_room = self.0.end.load(Ordering::Relaxed) < MOST;
        let store = self.0.store().filter(|store| has_room && !store.is_cleared())?.clone();
        Some(Keeping {
            scratch: &self.0,
            store,
            places: BTreeMap::new(),
            pending: Vec::new(),
            small: Vec::new(),
            is_whole: true,
        })
    }
}

impl Inner {
    fn store(&self) -> Option<&Arc<Store>> {
        let open = || {
            let directory = self.directory.as_ref()?;
            std::fs::create_dir_all(directory).ok()?;
            let file = tempfile::tempfile_in(directory).ok()?;
            Some(Arc::new(Store { file, is_cleared: AtomicBool::new(false) }))
        };
        self.store.get_or_init(open).as_ref()
    }
}

impl Store {
    fn is_cleared(&self) -> bool {
        self.is_cleared.load(Ordering::Relaxed)
    }
}

/// A package that is being kept.
pub(super) struct Keeping<'s> {
    scratch: &'s Inner,
    store: Arc<Store>,
    places: BTreeMap<u32, Place>,
    /// Small files that are written together.
    pending: Vec<u8>,
    /// Where they are there.
    small: Vec<(u32, Place)>,
    /// Whether all of it could be written until now.
    is_whole: bool,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    at: u64,
    size: u64,
}

impl Keeping<'_> {
    /// Keeps the content of a file, of which `start` was read already. An error is the reader's; what cannot be written
    /// is not kept.
    pub(super) fn keep(
        &mut self,
        index: u32,
        size: u64,
        start: &[u8],
        rest: &mut dyn Read,
    ) -> io::Result<()> {
        if size <= SMALL {
            let at = self.pending.len() as u64;
            self.small.push((index, Place { at, size }));
            self.pending.extend_from_slice(start);
            rest.read_to_end(&mut self.pending)?;
            if self.pending.len() >= TOGETHER {
                self.write_small();
            }
            return Ok(());
        }
        let at = self.reserve(size);
        self.write(start, at);
        let mut written = at + start.len() as u64;
        let mut piece = Vec::with_capacity(PIECE);
        while written < at + size {
            piece.clear();
            rest.take(PIECE as u64).read_to_end(&mut piece)?;
            self.write(&piece, written);
            written += piece.len() as u64;
        }
        self.places.insert(index, Place { at, size });
        Ok(())
    }

    /// All of the package was read: keeps it under what names its bytes.
    pub(super) fn end(mut self, package: ContentId) {
        self.write_small();
        if self.is_whole {
            let kept = Kept { store: self.store, places: Arc::new(self.places) };
            self.scratch.known.lock().unwrap_or_else(PoisonError::into_inner).insert(package, kept);
        }
    }

    fn reserve(&mut self, size: u64) -> u64 {
        let at = self.scratch.end.fetch_add(size, Ordering::Relaxed);
        self.is_whole &= at.saturating_add(size) <= MOST;
        at
    }

    fn write(&mut self, bytes: &[u8], at: u64) {
        self.is_whole = self.is_whole && self.store.file.write_all_at(bytes, at).is_ok();
    }

    fn write_small(&mut self) {
        let start = self.reserve(self.pending.len() as u64);
        let pending = std::mem::take(&mut self.pending);
        self.write(&pending, start);
        let small = self.small.drain(..);
        self.places.extend(small.map(|(index, Place { at, size })| (index, Place { at: start + at, size })));
        self.pending = pending;
        self.pending.clear();
    }
}

/// The contents of a package's files.
#[derive(Clone, Debug)]
pub struct Kept {
    store: Arc<Store>,
    places: Arc<BTreeMap<u32, Place>>,
}

impl Kept {
    /// Whether there is a file at a position of the package, and its content is kept still.
    pub(super) fn has(&self, index: u32) -> bool {
        self.places.contains_key(&index) && !self.store.is_cleared()
    }

    /// The content of the file at a position of the package; none where there is no file.
    pub(super) fn content(&self, index: u32) -> Option<impl Read> {
        let Place { at, size } = *self.places.get(&index)?;
        let content = Content { store: self.store.clone(), at, left: size };
        Some(io::BufReader::with_capacity(PIECE.min(usize::try_from(size).unwrap_or(PIECE)), content))
    }
}

struct Content {
    store: Arc<Store>,
    at: u64,
    left: u64,
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.store.file.read_at(&mut buffer[..most], self.at)?;
        if read == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
