//! Indexes as they are fetched, packed: found in the cache or on the mirror, and what comes out of them.
//!
//! What is in the cache is read whole and compared with its digest. What has just been fetched was compared as it came, and
//! is read where it lies.

use std::io::{BufRead, BufReader, Cursor};
use std::sync::PoisonError;

use crate::cache::{SoundFile, SoundReader};
use crate::deb::release::ReleaseFile;
use crate::repository::RepositoryError;
use crate::repository::compression::Compression;
use crate::transport::{Expected, TransportError, is_remote};

use super::{Access, SuiteRelease};

/// The largest index fetched, in bytes; unpacked ones may be eight times as large.
const MAX_INDEX: u64 = 256 << 20;

/// Bytes of a packed index that are read at once.
const AT_ONCE: usize = 1 << 17;

/// A packed index, to be unpacked as it is read.
pub(super) enum Packed {
    /// From the cache.
    Whole(Vec<u8>),
    /// As it has just been fetched.
    Stored(SoundReader),
}

impl Packed {
    pub(super) fn stored(file: &SoundFile) -> Option<Self> {
        file.reader().map(Packed::Stored)
    }

    pub(super) fn reader(self) -> Box<dyn BufRead> {
        match self {
            Packed::Whole(bytes) => Box::new(Cursor::new(bytes)),
            Packed::Stored(reader) => Box::new(BufReader::with_capacity(AT_ONCE, reader)),
        }
    }
}

impl From<Vec<u8>> for Packed {
    fn from(bytes: Vec<u8>) -> Self {
        Packed::Whole(bytes)
    }
}

impl SuiteRelease {
    /// So many bytes an index may have at most.
    pub(super) fn limit(&self, path: &str) -> u64 {
        self.release.files.get(path).map_or(8 * MAX_INDEX, |file| file.size.min(8 * MAX_INDEX))
    }

    /// The copies of an index that InRelease lists, the smallest kind first.
    pub(super) fn copies(&self, path: &str) -> Vec<(Compression, ReleaseFile)> {
        let copies = Compression::ALL.into_iter().filter_map(|kind| {
            let file = self.release.files.get(&format!("{path}{}", kind.ending()))?;
            (file.size <= MAX_INDEX).then_some((kind, *file))
        });
        copies.collect()
    }

    /// Reads an index that is too large to be held, as it is unpacked.
    pub(in crate::repository) fn read_stream(
        &self,
        path: &str,
        access: Access<'_>,
        read: &mut dyn FnMut(&mut dyn std::io::Read) -> std::io::Result<()>,
    ) -> Result<(), RepositoryError> {
        let (kind, bytes) = self.packed(path, access, SoundFile::bytes)?;
        let failed = |error: std::io::Error| RepositoryError::Unpack {
            uri: self.uri.clone(),
            suite: self.source.suite.clone(),
            path: format!("{path}{}", kind.ending()),
            cause: error.to_string(),
        };
        let mut text = kind.reader(bytes.as_slice()).map_err(failed)?;
        read(&mut text).map_err(failed)
    }

    /// An index as it was fetched, from the cache or the mirror: whichever copy fits what InRelease says. `open` opens what
    /// has just been fetched, and has none where somebody deletes or changes it meanwhile.
    pub(super) fn packed<T: From<Vec<u8>>>(
        &self,
        path: &str,
        access: Access<'_>,
        open: impl Fn(&SoundFile) -> Option<T>,
    ) -> Result<(Compression, T), RepositoryError> {
        let mut copies = self.copies(path);
        let text = self.release.files.get(path).map(|text| text.size);
        let rate = is_remote(&self.uri).then(|| access.transport.rate());
        // Servers list the uncompressed one, and hardly any has it.
        let is_last = |kind: Compression| kind == Compression::None && rate.is_some();
        copies.sort_by_key(|(kind, file)| (is_last(*kind), kind.microseconds(file.size, text, rate)));
        for (kind, file) in &copies {
            if let Some(bytes) = access.cache.read_blob(&file.digest)? {
                return Ok((*kind, bytes.into()));
            }
        }
        let base = format!("{}/dists/{}", self.uri, self.source.suite);
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let mut tried = Vec::new();
        for (kind, file) in &copies {
            let by_hash = format!("{base}/{directory}/by-hash/SHA256/{}", file.digest.hex());
            let plain = format!("{base}/{path}{}", kind.ending());
            let urls = self.release.by_hash.then_some(by_hash).into_iter().chain([plain]);
            for url in urls {
                match fetch(&url, file, access, &open) {
                    Ok(Some(packed)) => return Ok((*kind, packed)),
                    Ok(None) => tried.push(format!("`{url}` was deleted from the cache as it came")),
                    Err(RepositoryError::Transport(
                        error @ (TransportError::Missing { .. }
                        | TransportError::Mismatch(_)
                        | TransportError::Status { .. }),
                    )) => tried.push(error.to_string()),
                    Err(error) => return Err(error),
                }
            }
        }
        let (uri, suite) = (self.uri.clone(), self.source.suite.clone());
        Err(RepositoryError::OutOfStep { uri, suite, path: path.to_owned(), tried })
    }

    /// Text out of bytes that have been compared with InRelease.
    pub(super) fn unpack(
        &self,
        path: &str,
        kind: Compression,
        bytes: &[u8],
    ) -> Result<String, RepositoryError> {
        let failed = |cause: String| RepositoryError::Unpack {
            uri: self.uri.clone(),
            suite: self.source.suite.clone(),
            path: format!("{path}{}", kind.ending()),
            cause,
        };
        let text = kind.unpack(bytes, self.limit(path)).map_err(|error| failed(error.to_string()))?;
        // Old descriptions may be in Latin-1; every field that counts is ASCII.
        Ok(String::from_utf8(text)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }
}

/// Downloads an index into the cache and opens it there; none if somebody deletes or changes it, twice.
fn fetch<T: From<Vec<u8>>>(
    url: &str,
    file: &ReleaseFile,
    access: Access<'_>,
    open: impl Fn(&SoundFile) -> Option<T>,
) -> Result<Option<T>, RepositoryError> {
    let expected = Expected { digest: Some(file.digest), size: file.size };
    let underway = access.cache.underway(file.digest);
    let _turn = underway.lock().unwrap_or_else(PoisonError::into_inner);
    let find = || Ok::<_, RepositoryError>(access.cache.read_blob(&file.digest)?.map(T::from));
    // Suites and architectures may have the same index.
    if let Some(packed) = find()? {
        return Ok(Some(packed));
    }
    for _ in 0..2 {
        let partial = access.cache.partial(file.digest)?;
        let checked = match access.transport.download(url, partial.path(), expected, &|_| {}) {
            Err(error) if error.is_vanished(partial.path()) => continue,
            result => result?,
        };
        let fetched = match partial.commit_checked(&checked) {
            Err(error) if error.is_vanished() => continue,
            result => result?,
        };
        // Another process may have put the same there.
        let packed = open(&fetched).map_or_else(find, |packed| Ok(Some(packed)))?;
        if packed.is_some() {
            return Ok(packed);
        }
    }
    Ok(None)
}
