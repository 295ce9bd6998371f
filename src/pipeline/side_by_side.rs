//! The same work for several architectures at once, told as if it were done one after the other.

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
        if let [arch] = archs {
            return work(self, *arch).map(|done| vec![done]);
        }
        // Threads of their own: they wait for others that have rayon work for them, and those of rayon's could all be
        // waiting then.
        let one = |arch: Arch| {
            let progress = HeldBack { to: self.progress, words: Mutex::default() };
            let forge = Forge {
                cache: self.cache.clone(),
                scratch: self.scratch.clone(),
                transport: self.transport.clone(),
                mirrors: self.mirrors.clone(),
                now: self.now,
                options: self.options.clone(),
                progress: &progress,
            };
            let done = work(&forge, arch);
            (progress, done)
        };
        let mut all = Vec::with_capacity(archs.len());
        for some in archs.chunks(rayon::current_num_threads().max(1)) {
            let done: Vec<_> = std::thread::scope(|scope| {
                let one = &one;
                let threads: Vec<_> = some.iter().map(|arch| scope.spawn(move || one(*arch))).collect();
                threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
            });
            for done in done {
                let (progress, done) = done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                progress.release();
                all.push(done?);
            }
        }
        Ok(all)
    }
}
