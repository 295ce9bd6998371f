//! The reader below a tar stream: counts, bounds, and remembers what went wrong and which headers passed.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};

use super::{Limits, TarballError};

/// Headers of one member (names, pax records, sparse maps) that are longer than this are refused, in bytes.
const MAX_HEADERS: usize = 4 << 20;

/// Why no more bytes are given.
enum Failure {
    Read(io::ErrorKind, String),
    TooLarge,
    LongHeaders,
}

/// What a [`Guard`] shares with the reader of entries above it.
#[derive(Default)]
pub(super) struct Watch {
    /// The stream's offset, in bytes.
    position: Cell<u64>,
    /// While headers are being read: the bytes that passed.
    headers: RefCell<Option<Vec<u8>>>,
    failure: RefCell<Option<Failure>>,
}

impl Watch {
    /// Starts recording; gives the offset of the first byte to be recorded.
    pub(super) fn record(&self) -> u64 {
        *self.headers.borrow_mut() = Some(Vec::new());
        self.position.get()
    }

    /// Ends recording.
    pub(super) fn recorded(&self) -> Vec<u8> {
        self.headers.borrow_mut().take().unwrap_or_default()
    }

    /// The error that the layers above saw, or made something else of.
    pub(super) fn failure(&self, limits: &Limits, after: u64) -> Option<TarballError> {
        Some(match self.failure.borrow_mut().take()? {
            Failure::Read(kind, text) => TarballError::Read(io::Error::new(kind, text)),
            Failure::TooLarge => TarballError::TooLarge(limits.max_total),
            Failure::LongHeaders => TarballError::Malformed {
                after,
                reason: format!("the headers of a member take more than {MAX_HEADERS} bytes"),
            },
        })
    }
}

/// A bounded reader.
pub(super) struct Guard<'a, R> {
    pub(super) inner: R,
    pub(super) watch: &'a Watch,
    pub(super) max_total: u64,
}

impl<R: Read> Read for Guard<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.inner.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                let failure = Failure::Read(error.kind(), error.to_string());
                *self.watch.failure.borrow_mut() = Some(failure);
                return Err(error);
            }
        };
        let position = self.watch.position.get().saturating_add(read as u64);
        self.watch.position.set(position);
        if position > self.max_total {
            return Err(self.fail(Failure::TooLarge));
        }
        if let Some(headers) = self.watch.headers.borrow_mut().as_mut() {
            if headers.len() + read > MAX_HEADERS {
                return Err(self.fail(Failure::LongHeaders));
            }
            headers.extend_from_slice(&buffer[..read]);
        }
        Ok(read)
    }
}

impl<R> Guard<'_, R> {
    fn fail(&self, failure: Failure) -> io::Error {
        *self.watch.failure.borrow_mut() = Some(failure);
        io::Error::other("a limit is exceeded")
    }
}
