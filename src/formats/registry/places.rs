//! In which repositories of a registry a blob was last seen: where it may be mounted from.
//!
//! A memory, not knowledge: a blob may be gone, and then it is sent. It is kept in the cache by registry and digest, and
//! goes with it.

use crate::cache::{Cache, Partial};
use crate::digest::Digest;

/// The form of an entry: a JSON list of repositories, the latest first.
const KIND: &str = "registry-places-1";
/// How many repositories are remembered of a blob.
const MOST: usize = 4;

/// The memory of one registry.
#[derive(Clone, Debug)]
pub struct Places {
    cache: Cache,
    registry: String,
}

impl Places {
    /// That of a registry, by its host and port, in a cache.
    pub fn new(cache: Cache, registry: &str) -> Self {
        Places { cache, registry: registry.to_owned() }
    }

    fn key(&self, digest: &Digest) -> Digest {
        Digest::of(format!("{} {digest}", self.registry).as_bytes())
    }

    /// The repositories that had a blob, the latest first.
    pub fn of(&self, digest: &Digest) -> Vec<String> {
        let bytes = self.cache.derived(KIND, &self.key(digest)).unwrap_or_default();
        let places: Vec<String> = serde_json::from_slice(&bytes).unwrap_or_default();
        // What came from a file goes into a URL only if it is a repository.
        places
            .into_iter()
            .filter(|place| super::Reference::parse(&format!("{}/{place}", self.registry)).is_ok())
            .take(MOST)
            .collect()
    }

    /// A file for a blob that is on its way, with what an earlier attempt has left of it; none if the cache cannot be
    /// written to.
    pub fn partial(&self, digest: &Digest) -> Option<Partial> {
        self.cache.partial(*digest).ok()
    }

    /// Remembers that a repository has a blob. A cache that cannot be written to remembers nothing.
    pub fn remember(&self, digest: &Digest, repository: &str) {
        let mut places = self.of(digest);
        if places.first().is_some_and(|first| first == repository) {
            return;
        }
        places.retain(|place| place != repository);
        places.insert(0, repository.to_owned());
        places.truncate(MOST);
        if let Ok(bytes) = serde_json::to_vec(&places) {
            let _ = self.cache.put_derived(KIND, &self.key(digest), &bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_comes_first_and_nonsense_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let places = Places::new(cache.clone(), "example.org");
        let blob = Digest::of(b"blob");
        assert_eq!(places.of(&blob), [""; 0]);
        for repository in ["a", "b", "a", "c", "d", "e"] {
            places.remember(&blob, repository);
        }
        assert_eq!(places.of(&blob), ["e", "d", "c", "a"]);
        assert_eq!(Places::new(cache.clone(), "other.example.org").of(&blob), [""; 0]);
        for content in [&b"nonsense"[..], b"[\"../x\",\"A?from=\"]"] {
            cache.put_derived(KIND, &places.key(&blob), content).unwrap();
            assert_eq!(places.of(&blob), [""; 0]);
        }
    }
}
