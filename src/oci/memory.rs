//! What this process knows of a layout beyond its files: which blobs it has compared with their names, and documents
//! that it has made for itself alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::digest::Digest;

/// The memory of one opened layout. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    sound: BTreeSet<Digest>,
    documents: BTreeMap<Digest, Vec<u8>>,
}

impl Memory {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that a blob's file has the bytes of its name.
    pub(super) fn found_sound(&self, digest: &Digest) {
        self.known().sound.insert(*digest);
    }

    /// Whether it was found so, or written here.
    pub(super) fn is_sound(&self, digest: &Digest) -> bool {
        self.known().sound.contains(digest)
    }

    /// Holds a document that is to be no file of the layout.
    pub(super) fn hold(&self, digest: &Digest, bytes: Vec<u8>) {
        self.known().documents.insert(*digest, bytes);
    }

    /// The bytes of such a document.
    pub(super) fn held(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.known().documents.get(digest).cloned()
    }
}
