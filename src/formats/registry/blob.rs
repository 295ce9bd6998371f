//! Blobs: whether one is there, and how it comes (distribution-spec, "Pulling blobs").

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use reqwest::blocking::Response;
use reqwest::header::{CONTENT_RANGE, HeaderValue, RANGE};
use reqwest::{Method, StatusCode};

use super::authorization::Scope;
use super::{Call, Fault, Item, Registry, RegistryError, chain, refused};
use crate::digest::{Digest, Hasher};
use crate::progress::Progress;
use crate::transport::Failure;

impl Registry {
    /// Whether a repository has a blob; asked by who is about to push it.
    pub fn has_blob(&self, repository: &str, digest: &Digest) -> Result<bool, RegistryError> {
        let scope = Scope::push(repository);
        let result = self.persist(|| {
            let url = self.url(&format!("{repository}/blobs/{digest}")).map_err(Failure::Final)?;
            let response = self.read(Call::new(Method::HEAD, url, &scope))?;
            match response.status() {
                StatusCode::OK => Ok(true),
                StatusCode::NOT_FOUND => Ok(false),
                _ => Err(Failure::Final(refused(response))),
            }
        });
        result.map_err(|fault| self.error(repository, Some(Item::Blob(*digest)), fault))
    }

    /// Writes a blob into a file, which is `path` in errors, and goes on where an earlier attempt has left off in it. On
    /// success it has this size and digest; it is not synced. `progress` is told of its bytes, each once.
    pub fn fetch_blob(
        &self,
        repository: &str,
        (digest, size): (&Digest, u64),
        into: &File,
        path: &Path,
        progress: &dyn Progress,
    ) -> Result<(), RegistryError> {
        let mut target = Target {
            file: into,
            path,
            hash: Hasher::new(io::sink()),
            present: 0,
            told: 0,
            size,
            was_continued: false,
            progress,
        };
        let scope = Scope::pull(repository);
        let attempt = |target: &mut Target<'_>| {
            let url = self.url(&format!("{repository}/blobs/{digest}")).map_err(Failure::Final)?;
            let mut call = Call::new(Method::GET, url, &scope);
            if target.present > 0 {
                let range = HeaderValue::from_str(&format!("bytes={}-", target.present));
                call.headers.extend(range.ok().map(|range| (RANGE, range)));
            }
            let response = if target.present == size && size > 0 { None } else { Some(self.read(call)?) };
            target.take(response, digest)
        };
        let result = target.resume().and_then(|()| {
            self.persist_while(|| {
                let result = attempt(&mut target);
                (target.told, result)
            })
        });
        result.map_err(|fault| self.error(repository, Some(Item::Blob(*digest)), fault))
    }
}

/// The file that a blob comes into.
struct Target<'a> {
    file: &'a File,
    path: &'a Path,
    hash: Hasher<io::Sink>,
    present: u64,
    /// How many bytes progress knows of.
    told: u64,
    size: u64,
    was_continued: bool,
    progress: &'a dyn Progress,
}

impl Target<'_> {
    fn failed(&self, source: io::Error) -> Fault {
        Fault::File { action: "write", path: self.path.to_owned(), source }
    }

    /// Takes up what is in the file. It may be anything: the digest will tell.
    fn resume(&mut self) -> Result<(), Fault> {
        let mut file = self.file;
        let mut hash = Hasher::new(io::sink());
        self.present = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| io::copy(&mut io::BufReader::with_capacity(1 << 16, file), &mut hash))
            .map_err(|source| Fault::File { action: "read", path: self.path.to_owned(), source })?;
        if self.present > self.size {
            return self.restart();
        }
        (self.hash, self.was_continued) = (hash, self.present > 0);
        self.tell();
        Ok(())
    }

    fn tell(&mut self) {
        if self.present > self.told {
            self.progress.advance(self.present - self.told);
            self.told = self.present;
        }
    }

    fn restart(&mut self) -> Result<(), Fault> {
        self.hash = Hasher::new(io::sink());
        (self.present, self.was_continued) = (0, false);
        let mut file = self.file;
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .map(drop)
            .map_err(|source| self.failed(source))
    }

    /// Appends what an answer brings, and judges the whole when all is there.
    fn take(&mut self, response: Option<Response>, digest: &Digest) -> Result<(), Failure<Fault>> {
        if let Some(response) = response {
            match response.status() {
                StatusCode::PARTIAL_CONTENT if starts_at(&response) == Some(self.present) => {
                    self.was_continued = true;
                }
                StatusCode::OK => {
                    self.restart().map_err(Failure::Final)?;
                    if let Some(found) = response.content_length().filter(|found| *found != self.size) {
                        return Err(Failure::Final(Fault::Size { expected: self.size, found }));
                    }
                }
                StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                    self.restart().map_err(Failure::Final)?;
                    return Err(Failure::passing(Fault::Answer("it sends another range".to_owned())));
                }
                _ => return Err(Failure::Final(refused(response))),
            }
            self.fill(response)?;
        }
        if self.present < self.size {
            let (expected, found) = (self.size, self.present);
            return Err(Failure::passing(Fault::Size { expected, found }));
        }
        let (_, found, size) = std::mem::replace(&mut self.hash, Hasher::new(io::sink())).finish();
        if size == self.size && found == *digest {
            return Ok(());
        }
        let fault = if size == self.size {
            Fault::Digest { expected: *digest, found }
        } else {
            Fault::Size { expected: self.size, found: size }
        };
        // The parts may have been of different files.
        let failure = if self.was_continued { Failure::passing(fault) } else { Failure::Final(fault) };
        self.restart().map_err(Failure::Final)?;
        Err(failure)
    }

    /// At most one byte more than is wanted.
    fn fill(&mut self, response: Response) -> Result<(), Failure<Fault>> {
        let mut reader = response.take(self.size + 1 - self.present);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::passing(Fault::Network(chain(&error)))),
            };
            let mut file = self.file;
            file.write_all(&buffer[..read])
                .and_then(|()| self.hash.write_all(&buffer[..read]))
                .map_err(|source| Failure::Final(self.failed(source)))?;
            self.present += read as u64;
            self.tell();
        }
    }
}

/// The start of a `Content-Range`.
fn starts_at(response: &Response) -> Option<u64> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    text.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}
