//! A download into a file: continued where it broke off, bounded, and checked.

use std::cell::Cell;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE};

use super::patience::Failure;
use super::{Expected, Location, Mismatch, Transport, TransportError, network};
use crate::digest::{Digest, Hasher};
use crate::html::looks_like_html;

/// See [`Transport::download`].
pub(super) fn download(
    transport: &Transport,
    url: &str,
    into: &Path,
    expected: Expected,
    progress: &dyn Fn(u64),
) -> Result<Metadata, TransportError> {
    let mut target = Target::open(into, url, expected, progress)?;
    match Location::parse(url)? {
        Location::File(path) => {
            target.restart()?;
            let source = super::open(url, &path)?;
            let announced = source.metadata().map(|metadata| metadata.len()).ok();
            target.check_size(announced, &source)?;
            target
                .fill(source)
                .map_err(|broken| broken.into_error(|source| TransportError::Read { path, source }))?;
            target.check().map_err(Unfit::into_error)
        }
        Location::Http => {
            let validator = Cell::new(None);
            let resumed = target.present()? > 0;
            let first = transport.persist(|| attempt(transport, url, &mut target, &validator));
            match first {
                // The part that was there may have been of another file.
                Err(TransportError::Mismatch(_)) if resumed => {
                    target.restart()?;
                    validator.set(None);
                    transport.persist(|| attempt(transport, url, &mut target, &validator))
                }
                result => result,
            }
        }
    }
}

/// One request, for what is still wanted.
fn attempt(
    transport: &Transport,
    url: &str,
    target: &mut Target<'_>,
    validator: &Cell<Option<HeaderValue>>,
) -> Result<Metadata, Failure> {
    let present = target.present().map_err(Failure::Final)?;
    if present < target.expected.size {
        let mut headers = HeaderMap::new();
        if present > 0 {
            let range = HeaderValue::from_str(&format!("bytes={present}-"));
            headers.extend(range.ok().map(|range| (RANGE, range)));
            let known = validator.take();
            validator.set(known.clone());
            headers.extend(known.map(|known| (IF_RANGE, known)));
        }
        let mut response = match transport.get(url, &headers) {
            Err(Failure::Final(TransportError::Status {
                status: StatusCode::RANGE_NOT_SATISFIABLE, ..
            })) => {
                target.restart().map_err(Failure::Final)?;
                transport.get(url, &HeaderMap::new())?
            }
            other => other?,
        };
        validator.set(strong_validator(response.headers()));
        if response.status() == StatusCode::PARTIAL_CONTENT {
            if content_range(&response) != Some((present, target.expected.size)) {
                target.restart().map_err(Failure::Final)?;
                return Err(Failure::passing(network(
                    url,
                    &io::Error::other("the server sent another range than was asked for"),
                )));
            }
        } else {
            target.restart().map_err(Failure::Final)?;
            target.check_announced(&mut response)?;
        }
        target.fill(response).map_err(|broken| match broken {
            super::Broken::Final(error) => Failure::Final(error),
            super::Broken::Io(error) => Failure::passing(network(url, &error)),
        })?;
    }
    match target.check() {
        Ok(checked) => Ok(checked),
        Err(Unfit::Short(error)) => Err(Failure::passing(error)),
        Err(Unfit::Other(error)) => Err(Failure::Final(error)),
    }
}

/// The start and the total of a `Content-Range`.
fn content_range(response: &Response) -> Option<(u64, u64)> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()?))
}

/// What `If-Range` may use: a strong entity tag, or a date.
fn strong_validator(headers: &HeaderMap) -> Option<HeaderValue> {
    headers
        .get(ETAG)
        .filter(|tag| !tag.as_bytes().starts_with(b"W/"))
        .or_else(|| headers.get(LAST_MODIFIED))
        .cloned()
}

/// The file being filled.
struct Target<'a> {
    file: File,
    /// Has seen the file's bytes as they came, as far as it got.
    hasher: Hasher<io::Sink>,
    path: &'a Path,
    url: &'a str,
    expected: Expected,
    progress: &'a dyn Fn(u64),
}

/// What arrived is not what was wanted.
enum Unfit {
    /// The stream ended early: the rest may still come.
    Short(TransportError),
    Other(TransportError),
}

impl Unfit {
    fn into_error(self) -> TransportError {
        match self {
            Unfit::Short(error) | Unfit::Other(error) => error,
        }
    }
}

impl<'a> Target<'a> {
    fn open(
        path: &'a Path,
        url: &'a str,
        expected: Expected,
        progress: &'a dyn Fn(u64),
    ) -> Result<Self, TransportError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|source| TransportError::Write { path: path.to_owned(), source })?;
        let mut target = Target { file, hasher: Hasher::new(io::sink()), path, url, expected, progress };
        if target.present()? > expected.size {
            target.restart()?;
        }
        Ok(target)
    }

    fn write_error(&self, source: io::Error) -> TransportError {
        TransportError::Write { path: self.path.to_owned(), source }
    }

    /// The bytes that are there.
    fn present(&self) -> Result<u64, TransportError> {
        self.file.metadata().map(|metadata| metadata.len()).map_err(|source| self.write_error(source))
    }

    fn restart(&mut self) -> Result<(), TransportError> {
        self.hasher = Hasher::new(io::sink());
        if self.present()? == 0 {
            return Ok(());
        }
        self.file.set_len(0).map_err(|source| self.write_error(source))
    }

    fn mismatch(&self, found: Option<Digest>, found_size: u64, html: bool) -> TransportError {
        TransportError::Mismatch(Box::new(Mismatch {
            url: self.url.to_owned(),
            expected: self.expected,
            found,
            found_size,
            html,
        }))
    }

    /// Refuses at once a source that says it has another size.
    fn check_size(&self, announced: Option<u64>, source: impl Read) -> Result<(), TransportError> {
        match announced {
            Some(size) if size != self.expected.size => {
                let mut start = Vec::new();
                // A page that cannot be read is no HTML page.
                let _ = source.take(512).read_to_end(&mut start);
                Err(self.mismatch(None, size, looks_like_html(&start)))
            }
            _ => Ok(()),
        }
    }

    /// As [`Target::check_size`]; what calls itself a web page is one.
    fn check_announced(&self, response: &mut Response) -> Result<(), Failure> {
        let is_page = response
            .headers()
            .get(reqwest::header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let announced = response.content_length();
        let checked = if is_page {
            self.check_size(announced, &b"<html"[..])
        } else {
            self.check_size(announced, response)
        };
        checked.map_err(Failure::Final)
    }

    /// Appends what a reader yields, and at most one byte more than is wanted.
    fn fill(&mut self, mut reader: impl Read) -> Result<(), super::Broken> {
        let wrap = |target: &Self, source| super::Broken::Final(target.write_error(source));
        self.catch_up().map_err(super::Broken::Final)?;
        let mut present = self.file.seek(SeekFrom::End(0)).map_err(|source| wrap(self, source))?;
        let mut buffer = vec![0; 1 << 16];
        while present <= self.expected.size {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(super::Broken::Io(error)),
            };
            let read = &buffer[..read];
            if let Err(source) = self.file.write_all(read).and_then(|()| self.hasher.write_all(read)) {
                // A full disk is not to stay full of what cannot be used.
                let _ = self.file.set_len(0);
                return Err(wrap(self, source));
            }
            present += read.len() as u64;
            (self.progress)(present);
        }
        Ok(())
    }

    /// Hashes what is there from an earlier download.
    fn catch_up(&mut self) -> Result<(), TransportError> {
        if self.hasher.size() == self.present()? {
            return Ok(());
        }
        self.hasher = Hasher::new(io::sink());
        let failed = |source| TransportError::Read { path: self.path.to_owned(), source };
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut present = io::BufReader::with_capacity(1 << 16, &self.file);
        io::copy(&mut present, &mut self.hasher).map(|_| ()).map_err(failed)
    }

    /// The first bytes, for a look; none where they cannot be read.
    fn start(&mut self) -> Vec<u8> {
        let mut start = Vec::new();
        let read = self.file.seek(SeekFrom::Start(0)).map(|_| (&self.file).take(512));
        let _ = read.and_then(|mut read| read.read_to_end(&mut start));
        start
    }

    /// Whether all of it is there, and is what is wanted.
    fn check(&mut self) -> Result<Metadata, Unfit> {
        self.catch_up().map_err(Unfit::Other)?;
        let (_, digest, size) = std::mem::replace(&mut self.hasher, Hasher::new(io::sink())).finish();
        if size == self.expected.size && self.expected.digest.is_none_or(|expected| expected == digest) {
            return self.file.metadata().map_err(|source| Unfit::Other(self.write_error(source)));
        }
        let html = looks_like_html(&self.start());
        let error = self.mismatch(Some(digest), size, html);
        if size < self.expected.size && !html {
            return Err(Unfit::Short(error));
        }
        self.restart().map_err(Unfit::Other)?;
        Err(Unfit::Other(error))
    }
}
