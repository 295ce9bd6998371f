//! Derived entries that are large: written as they come, and read where they lie instead of being copied.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;
use tempfile::NamedTempFile;

use crate::digest::Digest;

use super::{CHECKSUM, Cache, CacheError, Stamp, Sum, new_file, persist};

/// A derived entry of the cache, without its checksum. It stays as it is when the cache is deleted or pruned.
#[derive(Debug)]
pub struct Mapped {
    map: Mmap,
    len: usize,
}

impl Mapped {
    /// The bytes of a file before its checksum; none where it is too short for one.
    #[expect(
        unsafe_code,
        reason = "the only map there is: a copy of an index takes longer than all else of a lock"
    )]
    fn of(file: &File) -> Option<Self> {
        // SAFETY: a mapped file must not change or be cut short. Files of the cache get their names when they are whole,
        // and are only ever replaced by others or deleted, which does not touch what is mapped. Somebody who writes
        // into them all the same, or a network or disk that fails under the cache, can end this process; that is a build
        // that failed, and nothing half-written is left. The cache is the user's own.
        let map = unsafe { Mmap::map(file) }.ok()?;
        let len = map.len().checked_sub(CHECKSUM)?;
        Some(Mapped { map, len })
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map[..self.len]
    }
}

/// A derived entry while it is written; [`DerivedWriter::finish`] stores it, and if that is not called nothing is left.
#[derive(Debug)]
pub struct DerivedWriter {
    file: BufWriter<Summed>,
    path: PathBuf,
    /// Counts what is added to the cache, in bytes.
    added: Arc<AtomicU64>,
}

/// Sums what is written to a file up, which is done fast where much is written at once.
#[derive(Debug)]
struct Summed {
    file: NamedTempFile,
    sum: Sum,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Cache {
    /// As [`Cache::derived`], where it lies.
    pub fn derived_mapped(&self, kind: &str, key: &Digest) -> Option<Mapped> {
        let path = self.derived_path(kind, key);
        let file = File::open(&path).ok()?;
        let mapped = Mapped::of(&file)?;
        let stamp = Stamp::of(&file.metadata().ok()?);
        let judge = || {
            let mut sum = Sum::of(kind, key);
            sum.update(&mapped);
            Ok(mapped.map[mapped.len..] == sum.finish())
        };
        let is_sound = self.is_sound(key, &path, judge).is_ok_and(|is_sound| is_sound);
        // Another process may have put another in its place meanwhile.
        if !is_sound || !stamp.is_at(&path) {
            return None;
        }
        self.note_use_of(key, &path);
        Some(mapped)
    }

    /// Writes what is derived from a blob or another key as it comes, to be stored in place of what was there.
    pub fn derived_writer(&self, kind: &str, key: &Digest) -> Result<DerivedWriter, CacheError> {
        let path = self.derived_path(kind, key);
        let file = new_file(path.parent().unwrap_or(&self.root))?;
        let file = BufWriter::with_capacity(1 << 18, Summed { file, sum: Sum::of(kind, key) });
        Ok(DerivedWriter { file, path, added: Arc::clone(&self.added) })
    }
}

impl Write for DerivedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl DerivedWriter {
    /// Stores the entry; gives it as [`Cache::derived_mapped`] does.
    pub fn finish(self) -> Result<Mapped, CacheError> {
        let DerivedWriter { file, path, added } = self;
        let summed = file.into_inner().map_err(|error| CacheError::write(&path)(error.into_error()))?;
        let Summed { mut file, sum } = summed;
        let size = sum.length + CHECKSUM as u64;
        file.write_all(&sum.finish()).map_err(CacheError::write(&path))?;
        let opened = File::open(file.path()).map_err(CacheError::read(file.path()))?;
        // Not synced: what a crash leaves of it is found out by its checksum.
        persist(file, &path, false)?;
        added.fetch_add(size, Ordering::Relaxed);
        Mapped::of(&opened).ok_or_else(|| CacheError::read(path)(io::ErrorKind::UnexpectedEof.into()))
    }
}
