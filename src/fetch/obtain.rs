//! One package: looked up in the cache, or downloaded from the first address that has it.

use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::cache::{Cache, CacheError, ContentId, Lookup, Partial, SoundFile, Verdict};
use crate::transport::{Expected, Transport, TransportError, is_remote};

use super::{Arrival, Connections, Failure, Note, Obtained, Orders, Progress, Wanted};

/// Where packages come from, and who is told.
pub(super) struct Source<'a> {
    pub(super) transport: &'a Transport,
    pub(super) cache: &'a Cache,
    pub(super) connections: &'a Connections,
    /// Turns at servers that limit their clients.
    pub(super) slow: &'a Turns,
    pub(super) progress: &'a dyn Progress,
}

impl Source<'_> {
    /// Looks for a package in the cache; where it is not, it goes among those that are missing.
    pub(super) fn look_up(&self, package: &Wanted, orders: &Orders) -> Option<Arrival> {
        let (outcome, notes) = match self.cache.verified_blob(package.content) {
            Ok(Lookup::Found(path)) => (Ok(Obtained::Cached(path)), Vec::new()),
            Ok(lookup) => {
                let note = Note::Damaged { package: package.to_string() };
                let notes = if matches!(lookup, Lookup::Corrupt) { vec![note] } else { Vec::new() };
                self.progress.begin(package);
                orders.miss(package.clone(), notes);
                return None;
            }
            Err(source) => (Err(Failure::Cache { package: package.to_string(), source }), Vec::new()),
        };
        Some(Arrival { package: package.clone(), outcome, notes })
    }

    /// Downloads one package from the first address that has it, and says if that was not the likeliest; unless it has
    /// been downloaded for another architecture meanwhile.
    pub(super) fn obtain(&self, package: &Wanted) -> Result<(Obtained, Option<Note>), Failure> {
        let Source { transport, cache, connections, slow, progress } = self;
        let name = || package.to_string();
        let underway = cache.underway(package.content);
        let _turn = underway.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.blob(package.content).is_some()
            && let Ok(Lookup::Found(path)) = cache.verified_blob(package.content)
        {
            progress.present(package, package.size);
            progress.end(package);
            return Ok((Obtained::Cached(path), None));
        }
        if transport.is_offline() && package.urls.iter().all(|url| is_remote(url)) {
            return Err(Failure::Offline { package: name() });
        }
        let mut tried = Vec::new();
        for (at, url) in package.urls.iter().enumerate() {
            let _turn = connections.slow.iter().any(|start| url.starts_with(start)).then(|| slow.take());
            match download(package, url, transport, cache, *progress) {
                Ok(file) => {
                    progress.end(package);
                    let note = (at > 0).then(|| Note::Elsewhere { package: name(), url: url.clone() });
                    return Ok((Obtained::Downloaded(file), note));
                }
                Err(Failure::Transport { source, .. }) if source.is_missing() => {
                    tried.push(source.to_string());
                }
                // That the others do not have it is what there is to do something about.
                Err(Failure::Transport { source: source @ TransportError::Network { .. }, .. }) if at > 0 => {
                    tried.push(source.to_string());
                }
                Err(Failure::Transport { source: TransportError::Offline { .. }, .. }) if at > 0 => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Gone { package: name(), tried })
    }
}

fn download(
    package: &Wanted,
    url: &str,
    transport: &Transport,
    cache: &Cache,
    progress: &dyn Progress,
) -> Result<SoundFile, Failure> {
    let stored = |source| Failure::Cache { package: package.to_string(), source };
    let digest = match package.content {
        ContentId::Sha256(digest) => Some(digest),
        ContentId::Apk(_) => None,
    };
    let expected = Expected { digest, size: package.size };
    let mut attempts = 0;
    loop {
        attempts += 1;
        let partial = cache.partial(package.content).map_err(stored)?;
        let resumed = partial.path().metadata().is_ok_and(|metadata| metadata.len() > 0);
        let arrived =
            transport.download(url, partial.path(), expected, &|bytes| progress.present(package, bytes));
        let checked = match arrived {
            // Somebody deleted the cache between two steps: once more.
            Err(error) if attempts == 1 && error.is_vanished(partial.path()) => continue,
            Err(source) => return Err(Failure::Transport { package: package.to_string(), source }),
            Ok(checked) => checked,
        };
        if digest.is_none()
            && let Err(failure) = look_into(package, url, &partial)
        {
            partial.discard().map_err(stored)?;
            // The part that was there may have been of another file.
            if resumed && attempts == 1 {
                continue;
            }
            return Err(failure);
        }
        match partial.commit_checked(&checked) {
            Err(error) if attempts == 1 && error.is_vanished() => {}
            result => return result.map_err(stored),
        }
    }
}

/// Compares what came with what the index says, where that is more than a digest of the file.
fn look_into(package: &Wanted, url: &str, partial: &Partial) -> Result<(), Failure> {
    match package.content.judge(partial.path()) {
        Ok(Verdict::Sound | Verdict::Other(_)) => Ok(()),
        Ok(Verdict::Forged(source)) => {
            let name = url.rsplit('/').next().unwrap_or(url);
            let source = source.of(Path::new(name));
            Err(Failure::Forged { package: package.to_string(), url: url.to_owned(), source })
        }
        Err(source) => {
            let source = CacheError::Read { path: partial.path().to_owned(), source };
            Err(Failure::Cache { package: package.to_string(), source })
        }
    }
}

/// Lets a few threads at a time do something.
pub(super) struct Turns {
    free: Mutex<usize>,
    changed: Condvar,
}

impl Turns {
    pub(super) fn new(free: usize) -> Self {
        Turns { free: Mutex::new(free), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        // A thread that panics takes the program down with it; what it left is never used.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Turn<'_> {
        let mut free = self.lock();
        while *free == 0 {
            free = self.changed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Turn(self)
    }
}

struct Turn<'a>(&'a Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.lock() += 1;
        self.0.changed.notify_one();
    }
}
