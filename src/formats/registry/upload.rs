//! Blobs on their way into a registry (distribution-spec, "Pushing blobs").
//!
//! A blob that another repository of the registry has is mounted from there. A small one goes in one request, a larger
//! one in chunks, and where a connection breaks the registry is asked how much it has (`Range`), and the rest is sent.
//! A registry that takes no chunks is sent the whole.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use reqwest::blocking::{Body, Response};
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RANGE,
};
use reqwest::{Method, StatusCode, Url};

use super::authorization::Scope;
use super::{Call, Fault, Item, Registry, RegistryError, refused};
use crate::digest::Digest;
use crate::progress::Progress;
use crate::transport::Failure;

/// Bytes of a chunk, unless the registry wants larger ones: some take no more than 4 MiB in a request.
pub const CHUNK: u64 = 4_000_000;
/// The largest chunk that a registry may ask for: each upload under way holds one in memory.
const MAX_CHUNK: u64 = 64 << 20;
/// The least that a registry takes in a chunk.
const CHUNK_MIN_LENGTH: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// An upload that the registry has opened.
#[derive(Clone, Debug)]
pub struct Upload {
    location: Url,
    chunk: u64,
}

/// What came of mounting.
#[derive(Clone, Debug)]
pub enum Mounted {
    /// The repository has the blob now.
    Yes,
    /// It has to be sent; the registry may have opened an upload for it.
    No(Option<Upload>),
}

impl Registry {
    /// Asks to take a blob over from another repository. What the registry does not grant is no error.
    pub fn mount_blob(
        &self,
        repository: &str,
        digest: &Digest,
        from: &str,
    ) -> Result<Mounted, RegistryError> {
        let scope = Scope::mount(repository, from);
        let result = self.persist(|| {
            let mut url = self.url(&format!("{repository}/blobs/uploads/")).map_err(Failure::Final)?;
            url.query_pairs_mut().extend_pairs([("mount", &*digest.to_string()), ("from", from)]);
            let response = match self.send(&empty(Method::POST, url.clone(), &scope)) {
                // Of the other repository it may not be told anything.
                Err(Failure::Final(Fault::Unauthorized { .. } | Fault::Denied { .. })) => {
                    return Ok(Mounted::No(None));
                }
                other => other?,
            };
            Ok(match response.status() {
                StatusCode::CREATED => Mounted::Yes,
                StatusCode::ACCEPTED => {
                    Mounted::No(Some(self.opened(&url, &response).map_err(Failure::Final)?))
                }
                _ => Mounted::No(None),
            })
        });
        result.map_err(|fault| self.error(repository, Some(Item::Blob(*digest)), fault))
    }

    /// Gives up an upload that is not needed; the registry would forget it by itself.
    pub fn cancel(&self, repository: &str, upload: &Upload) {
        let scope = Scope::push(repository);
        let _ = self.send(&Call::new(Method::DELETE, upload.location.clone(), &scope));
    }

    /// Sends a blob of this size, by an upload that is open already, if there is one. The registry compares the digest.
    /// `progress` is told of its bytes as they have gone, each once. Gives the number of bytes sent, those that
    /// had to be sent again included.
    pub fn send_blob(
        &self,
        repository: &str,
        (digest, size): (&Digest, u64),
        path: &Path,
        upload: Option<Upload>,
        progress: &dyn Progress,
    ) -> Result<u64, RegistryError> {
        let mut sending = Sending {
            registry: self,
            repository,
            scope: Scope::push(repository),
            digest,
            size,
            path,
            upload,
            offset: 0,
            told: 0,
            sent: 0,
            is_whole: false,
            progress,
        };
        match sending.run() {
            Ok(()) => Ok(sending.sent),
            Err(fault) => Err(self.error(repository, Some(Item::Blob(*digest)), fault)),
        }
    }

    fn opened(&self, from: &Url, response: &Response) -> Result<Upload, Fault> {
        let location = self.follow(from, response.headers().get(LOCATION))?;
        let least =
            response.headers().get(CHUNK_MIN_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        Ok(Upload { location, chunk: least.unwrap_or(0).clamp(CHUNK, MAX_CHUNK) })
    }
}

/// A request without a body that says so.
fn empty(method: Method, url: Url, scope: &Scope) -> Call<'_> {
    let mut call = Call::new(method, url, scope);
    call.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    call
}

/// A blob that is being sent.
struct Sending<'a> {
    registry: &'a Registry,
    repository: &'a str,
    scope: Scope,
    digest: &'a Digest,
    size: u64,
    path: &'a Path,
    upload: Option<Upload>,
    /// How many bytes the registry has.
    offset: u64,
    /// How many bytes progress knows of: the most that the registry ever had.
    told: u64,
    sent: u64,
    /// The registry takes no chunks.
    is_whole: bool,
    progress: &'a dyn Progress,
}

impl Sending<'_> {
    /// Goes on as long as there is progress; without, as long as other requests are repeated.
    fn run(&mut self) -> Result<(), Fault> {
        let registry = self.registry;
        let mut is_first = true;
        registry.persist_while(|| {
            let result = self.attempt(is_first);
            is_first = false;
            (self.told, result)
        })?;
        self.tell(self.size);
        Ok(())
    }

    /// Sends what is still to be sent, until something breaks.
    fn attempt(&mut self, is_first: bool) -> Result<(), Failure<Fault>> {
        if !is_first {
            // The last answer may have been all that was lost.
            let scope = &self.scope;
            let url = self.url(&format!("blobs/{}", self.digest))?;
            let response = self.registry.read(Call::new(Method::HEAD, url, scope))?;
            if response.status() == StatusCode::OK {
                return Ok(());
            }
            self.ask_range()?;
        }
        if self.upload.is_none() {
            self.open()?;
        }
        let Some(upload) = self.upload.clone() else { return Ok(()) };
        if self.is_whole || self.size <= upload.chunk && self.offset == 0 {
            return self.finish(&upload, self.size);
        }
        while self.offset < self.size {
            self.send_chunk()?;
            if self.is_whole {
                return Err(Failure::passing(Fault::Answer("it takes no chunks".to_owned())));
            }
        }
        let Some(upload) = self.upload.clone() else { return Ok(()) };
        self.finish(&upload, 0)
    }

    fn url(&self, path: &str) -> Result<Url, Failure<Fault>> {
        self.registry.url(&format!("{}/{path}", self.repository)).map_err(Failure::Final)
    }

    fn open(&mut self) -> Result<(), Failure<Fault>> {
        let url = self.url("blobs/uploads/")?;
        let response = self.registry.send(&empty(Method::POST, url.clone(), &self.scope))?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(Failure::Final(refused(response)));
        }
        self.upload = Some(self.registry.opened(&url, &response).map_err(Failure::Final)?);
        self.offset = 0;
        Ok(())
    }

    /// Asks how much of the upload has arrived. One that the registry knows no more, or that is to be sent whole, is
    /// begun anew.
    fn ask_range(&mut self) -> Result<(), Failure<Fault>> {
        let Some(upload) = self.upload.take() else { return Ok(()) };
        if self.is_whole || self.size <= upload.chunk {
            self.registry.cancel(self.repository, &upload);
            return Ok(());
        }
        let asked = Call::new(Method::GET, upload.location.clone(), &self.scope);
        let response = match self.registry.send(&asked) {
            Ok(response) => response,
            Err(failure) => {
                self.upload = Some(upload);
                return Err(failure);
            }
        };
        let offset = received(&response).filter(|offset| *offset <= self.size);
        if response.status().is_success() {
            let location = match response.headers().get(LOCATION) {
                Some(location) => {
                    self.registry.follow(&upload.location, Some(location)).map_err(Failure::Final)?
                }
                None => upload.location,
            };
            // Without a range it may have nothing, or not tell.
            if let Some(offset) = offset {
                (self.upload, self.offset) = (Some(Upload { location, ..upload }), offset);
            }
        }
        Ok(())
    }

    fn send_chunk(&mut self) -> Result<(), Failure<Fault>> {
        let Some(upload) = self.upload.clone() else { return Ok(()) };
        let (start, length) = (self.offset, upload.chunk.min(self.size - self.offset));
        let body = || self.read(start, length);
        let mut call = Call::new(Method::PATCH, upload.location.clone(), &self.scope);
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let range = HeaderValue::from_str(&format!("{start}-{}", start + length - 1));
        call.headers.extend(range.ok().map(|range| (CONTENT_RANGE, range)));
        call.body = Some(&body);
        let result = self.registry.send(&call);
        self.sent += length;
        let response = result?;
        if response.status() != StatusCode::ACCEPTED && response.status() != StatusCode::NO_CONTENT {
            // What a registry that takes no chunks answers is not specified.
            if start == 0 && response.status().is_client_error() && response.status() != StatusCode::NOT_FOUND
            {
                self.is_whole = true;
                return Ok(());
            }
            let fault = refused(response);
            return Err(Failure::passing(fault));
        }
        let location = self.registry.follow(&upload.location, response.headers().get(LOCATION));
        let next = received(&response).unwrap_or(start + length);
        if next <= start || next > start + length {
            return Err(Failure::Final(Fault::Answer(format!(
                "it has {next} bytes after those from {start} to {}",
                start + length
            ))));
        }
        self.upload = Some(Upload { location: location.map_err(Failure::Final)?, ..upload });
        self.offset = next;
        self.tell(next);
        Ok(())
    }

    /// Ends an upload, with the last bytes of the blob, all of them, or none.
    fn finish(&mut self, upload: &Upload, length: u64) -> Result<(), Failure<Fault>> {
        let mut url = upload.location.clone();
        url.query_pairs_mut().append_pair("digest", &self.digest.to_string());
        let body = || if length > CHUNK { self.stream() } else { self.read(0, length) };
        let mut call = Call::new(Method::PUT, url, &self.scope);
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        call.body = Some(&body);
        let result = self.registry.send(&call);
        self.sent += length;
        let response = result?;
        match response.status() {
            StatusCode::CREATED | StatusCode::NO_CONTENT | StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => {
                self.upload = None;
                Err(Failure::passing(refused(response)))
            }
            _ => Err(Failure::Final(refused(response))),
        }
    }

    fn failed(&self, source: std::io::Error) -> Fault {
        Fault::File { action: "read", path: self.path.to_owned(), source }
    }

    fn read(&self, start: u64, length: u64) -> Result<(Body, u64), Fault> {
        let mut bytes = Vec::new();
        let mut file = File::open(self.path).map_err(|source| self.failed(source))?;
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.take(length).read_to_end(&mut bytes))
            .map_err(|source| self.failed(source))?;
        if bytes.len() as u64 != length {
            return Err(Fault::Size { expected: self.size, found: start + bytes.len() as u64 });
        }
        Ok((Body::from(bytes), length))
    }

    fn stream(&self) -> Result<(Body, u64), Fault> {
        let file = File::open(self.path).map_err(|source| self.failed(source))?;
        Ok((Body::sized(file, self.size), self.size))
    }

    fn tell(&mut self, reached: u64) {
        if reached > self.told {
            self.progress.advance(reached - self.told);
            self.told = reached;
        }
    }
}

/// How many bytes an upload has, of its `Range`: `0-99` is a hundred. Of `0-0`, which some send for none, it
/// cannot be told whether it is one byte; it counts as none.
fn received(response: &Response) -> Option<u64> {
    let text = response.headers().get(RANGE)?.to_str().ok()?;
    let last: u64 = text.trim_start_matches("bytes=").strip_prefix("0-")?.parse().ok()?;
    Some(if last == 0 { 0 } else { last.checked_add(1)? })
}
