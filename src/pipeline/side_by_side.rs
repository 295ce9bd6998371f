//! The same work for several things at once, told as if it were done one after the other.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Forge, ForgeError};
use crate::arch::Arch;
use crate::progress::Progress;

/// Passes figures on, and holds words back until it is their turn.
struct HeldBack<'a> {
    to: &'a dyn Progress,
    words: Mutex<Vec<(Kind, String)>>,
}

enum Kind {
    Stage,
    Note,
}

impl HeldBack<'_> {
    fn hold(&self, kind: Kind, words: &str) {
        self.words.lock().unwrap_or_else(PoisonError::into_inner).push((kind, words.to_owned()));
    }

    fn release(self) {
        for (kind, words) in self.words.into_inner().unwrap_or_else(PoisonError::into_inner) {
            match kind {
                Kind::Stage => self.to.stage(&words),
                Kind::Note => self.to.note(&words),
            }
        }
    }
}

impl Progress for HeldBack<'_> {
    fn stage(&self, words: &str) {
        self.hold(Kind::Stage, words);
    }

    fn note(&self, words: &str) {
        self.hold(Kind::Note, words);
    }

    fn expect(&self, bytes: u64) {
        self.to.expect(bytes);
    }

    fn advance(&self, bytes: u64) {
        self.to.advance(bytes);
    }
}

impl Forge<'_> {
    /// Does something for each architecture; the first one's error counts, and nothing behind it is told.
    pub(super) fn side_by_side<T: Send>(
        &self,
        archs: &[Arch],
        work: impl Fn(&Forge<'_>, Arch) -> Result<T, ForgeError> + Sync,
    ) -> Result<Vec<T>, ForgeError> {
        side_by_side(archs, |_| self, |forge, arch| work(forge, *arch))
    }

    /// Does something, and meanwhile what only saves time: that may fail, and is told behind it.
    pub(super) fn beside<T>(
        &self,
        work: impl FnOnce() -> Result<T, ForgeError>,
        ahead: impl FnOnce(&Forge<'_>) -> Result<(), ForgeError> + Send,
    ) -> Result<T, ForgeError> {
        let progress = HeldBack { to: self.progress, words: Mutex::default() };
        let worked = std::thread::scope(|scope| {
            let ahead = || ahead(&self.telling(&progress));
            // Where there is no thread for it, it takes its time when it must be done.
            let _ = std::thread::Builder::new().spawn_scoped(scope, ahead);
            work()
        })?;
        progress.release();
        Ok(worked)
    }

    /// The same, telling somebody else.
    fn telling<'p>(&self, progress: &'p dyn Progress) -> Forge<'p> {
        Forge {
            cache: self.cache.clone(),
            scratch: self.scratch.clone(),
            transport: self.transport.clone(),
            mirrors: self.mirrors.clone(),
            loaded: self.loaded.clone(),
            now: self.now,
            options: self.options.clone(),
            progress,
        }
    }
}

/// Does something for each item with the forge that is its own; the first one's error counts, and nothing behind it is
/// told.
pub(super) fn side_by_side<'f, I: Sync, T: Send>(
    items: &[I],
    forge_of: impl Fn(&I) -> &'f Forge<'f> + Sync,
    work: impl Fn(&Forge<'_>, &I) -> Result<T, ForgeError> + Sync,
) -> Result<Vec<T>, ForgeError> {
    if let [item] = items {
        return work(forge_of(item), item).map(|done| vec![done]);
    }
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let all: Vec<Mutex<Option<_>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let take = || {
        // Taken in order: whatever comes before one that fails is done as well.
        while !failed.load(Ordering::Relaxed) {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else { break };
            let forge = forge_of(item);
            let progress = HeldBack { to: forge.progress, words: Mutex::default() };
            let done = work(&forge.telling(&progress), item);
            failed.fetch_or(done.is_err(), Ordering::Relaxed);
            *all[place].lock().unwrap_or_else(PoisonError::into_inner) = Some((progress, done));
        }
    };
    // This one and others of their own: they wait for those that have rayon work for them, and rayon's could all be
    // waiting then.
    std::thread::scope(|scope| {
        for _ in 1..rayon::current_num_threads().min(items.len()) {
            // Where there is no thread this one does the work.
            let _ = std::thread::Builder::new().spawn_scoped(scope, take);
        }
        take();
    });
    let done = all.into_iter().filter_map(|one| one.into_inner().unwrap_or_else(PoisonError::into_inner));
    done.map(|(progress, done)| {
        progress.release();
        done
    })
    .collect()
}
