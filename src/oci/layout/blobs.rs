//! The blobs of a layout: whether one is there, is sound, how it comes in, and documents among them.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::NamedTempFile;

use super::super::regular::{no_regular_file, open_regular};
use super::super::{OciError, documents, partial};
use super::{Layout, PARTIAL, persist, read_bounded};
use crate::digest::Digest;

impl Layout {
    /// Whether a blob of this name is there; its bytes are not looked at.
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_size(digest).is_some()
    }

    /// The size in bytes of the blob of this name, if it is there.
    pub fn blob_size(&self, digest: &Digest) -> Option<u64> {
        if let Some(held) = self.memory.held(digest) {
            return Some(held.len() as u64);
        }
        fs::metadata(self.blob_path(digest)).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len())
    }

    /// Whether a blob is there in this size, and its bytes are those of its name: they are read, unless this process
    /// has written or read them before.
    pub fn holds(&self, digest: &Digest, size: u64) -> bool {
        self.blob_size(digest) == Some(size) && (self.memory.is_sound(digest) || self.has_sound_blob(digest))
    }

    /// Remembers that a blob's file has the bytes of its name, as the caller knows from an earlier look.
    pub fn vouch(&self, digest: &Digest) {
        self.memory.found_sound(digest);
    }

    /// Whether a blob's file in another layout is the one that this process knows to be sound here.
    pub(in crate::oci) fn vouches(&self, other: &Layout, digest: &Digest) -> bool {
        self.directory == other.directory && self.memory.is_sound(digest)
    }

    /// A blob's bytes, not compared with its digest.
    pub(in crate::oci) fn open_blob(&self, digest: &Digest) -> Result<Box<dyn Read>, OciError> {
        if let Some(held) = self.memory.held(digest) {
            return Ok(Box::new(std::io::Cursor::new(held)));
        }
        let path = self.blob_path(digest);
        let file = open_regular(&path).map_err(OciError::io("read", &path))?;
        Ok(Box::new(file))
    }

    /// Where the blob of this name lies.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    /// The blobs' directory.
    pub(in crate::oci) fn blobs(&self) -> PathBuf {
        self.directory.join("blobs/sha256")
    }

    /// A file that vanishes unless it is adopted. It lies beside `sha256`, where every name is a digest.
    pub(in crate::oci) fn temporary(&self) -> Result<NamedTempFile, OciError> {
        partial::file_in(&self.directory.join("blobs"), PARTIAL)
    }

    /// Makes a file the blob of this digest, and begins to sync it: it is on the disk before a name leads to it.
    pub(in crate::oci) fn adopt(&self, file: NamedTempFile, digest: &Digest) -> Result<(), OciError> {
        let path = self.blob_path(digest);
        let file = file.persist(&path).map_err(|error| OciError::io("write", &path)(error.error))?;
        self.syncing.begin(file, &path);
        self.memory.found_sound(digest);
        Ok(())
    }

    /// As [`Layout::adopt`], of a file from elsewhere, which it leaves there at most where file systems differ.
    pub(in crate::oci) fn take(&self, file: &Path, digest: &Digest) -> Result<(), OciError> {
        let path = self.blob_path(digest);
        if fs::rename(file, &path).is_ok() {
            let file = File::open(&path).map_err(OciError::io("read", &path))?;
            self.syncing.begin(file, &path);
            self.memory.found_sound(digest);
            return Ok(());
        }
        let mut copy = self.temporary()?;
        let mut from = File::open(file).map_err(OciError::io("read", file))?;
        std::io::copy(&mut from, &mut copy).map_err(OciError::io("write", &path))?;
        self.adopt(copy, digest)
    }

    /// Makes a file outside the layout, whose bytes are known to have this digest, a blob: by a further link to it
    /// where the file system allows that, else by a copy.
    pub fn admit(&self, file: &Path, digest: &Digest) -> Result<(), OciError> {
        let path = self.blob_path(digest);
        // What has the name already is another file of the same bytes, or a damaged one: it is replaced at once.
        let linked = tempfile::Builder::new()
            .prefix(PARTIAL)
            .make_in(self.directory.join("blobs"), |place| fs::hard_link(file, place));
        // Where the name leads to this very file, renaming does nothing (rename(2)), and the link goes as it came.
        if linked.is_ok_and(|link| fs::rename(link.path(), &path).is_ok()) {
            return Ok(());
        }
        let copy = self.temporary()?;
        fs::copy(file, copy.path()).map_err(OciError::io("copy a layer to", &path))?;
        persist(copy, &path)
    }

    /// Whether a blob is there and its bytes are those of its name.
    pub fn has_sound_blob(&self, digest: &Digest) -> bool {
        self.verify_blob(digest).is_ok()
    }

    /// Writes a JSON document as a blob: its digest and size.
    pub(in crate::oci) fn write_document(&self, document: &Value) -> Result<(Digest, u64), OciError> {
        let bytes = documents::bytes(document);
        let digest = Digest::of(&bytes);
        if read_bounded(&self.blob_path(&digest)).is_ok_and(|there| there == bytes) {
            return Ok((digest, bytes.len() as u64));
        }
        let mut file = self.temporary()?;
        file.write_all(&bytes).map_err(OciError::io("write", file.path()))?;
        self.adopt(file, &digest)?;
        Ok((digest, bytes.len() as u64))
    }

    /// Whether a blob's bytes are those of its name.
    pub(in crate::oci) fn verify_blob(&self, digest: &Digest) -> Result<(), OciError> {
        let path = self.blob_path(digest);
        let (found, _) =
            open_regular(&path).and_then(Digest::of_reader).map_err(OciError::io("read", &path))?;
        self.agrees(digest, found)?;
        self.memory.found_sound(digest);
        Ok(())
    }

    fn agrees(&self, digest: &Digest, found: Digest) -> Result<(), OciError> {
        if found == *digest {
            return Ok(());
        }
        Err(OciError::CorruptBlob { layout: self.directory.clone(), digest: *digest, found })
    }

    /// The bytes of a document, compared with its digest.
    pub(in crate::oci) fn read_blob(&self, digest: &Digest) -> Result<Vec<u8>, OciError> {
        if let Some(held) = self.memory.held(digest) {
            return Ok(held);
        }
        let bytes = read_bounded(&self.blob_path(digest))?;
        self.agrees(digest, Digest::of(&bytes)).map(|()| bytes)
    }

    /// Reads a blob that is a JSON document, and compares its digest.
    pub(in crate::oci) fn read_document(&self, digest: &Digest) -> Result<Value, OciError> {
        let bytes = self.read_blob(digest)?;
        serde_json::from_slice(&bytes).map_err(|error| self.wrong(&digest.to_string(), error.to_string()))
    }

    /// Whether a blob is a file of this size; an error says what it is instead.
    pub(in crate::oci) fn expect(&self, digest: &Digest, size: u64) -> Result<(), OciError> {
        if self.blob_size(digest) == Some(size) {
            return Ok(());
        }
        let path = self.blob_path(digest);
        if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(OciError::io("read", &path)(no_regular_file()));
        }
        Err(self.missing(digest, size))
    }

    /// The error of a blob that is not there.
    pub(in crate::oci) fn missing(&self, digest: &Digest, size: u64) -> OciError {
        OciError::MissingBlob { layout: self.directory.clone(), digest: *digest, size }
    }
}
