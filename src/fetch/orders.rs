//! Packages that are asked for, be it while others come.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::cache::ContentId;

use super::{Note, Wanted};

/// A queue of packages to be had. Each is looked up in the cache first; of what is missing there the largest is the next
/// to be downloaded, so that at the end not all wait for one.
#[derive(Debug, Default)]
pub struct Orders {
    state: Mutex<State>,
    changed: Condvar,
}

/// The larger a package, the further in front it is.
type Place = (Reverse<u64>, String, ContentId);

#[derive(Debug, Default)]
struct State {
    unseen: VecDeque<Wanted>,
    /// How many are being looked up.
    looks: usize,
    missing: BTreeMap<Place, (Wanted, Vec<Note>)>,
    closed: bool,
}

impl Orders {
    /// Asks for a package. One that has the bytes of another that is asked for is to be asked for when that has come.
    pub fn ask(&self, package: Wanted) {
        self.lock().unseen.push_back(package);
        self.changed.notify_all();
    }

    /// Nothing more will be asked for: who fetches stops when all has come.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// As [`Orders::close`], when what is given is dropped. Where that is because a thread panics, what nobody has begun
    /// with is not begun with any more.
    pub fn closing(&self) -> impl Drop + '_ {
        Closing(self)
    }

    /// The next package to be looked up, once there is one; none when no more will be. It counts as being looked up until
    /// what comes with it is dropped: by then it is there, or was put among those that are [missing](Orders::miss).
    pub(super) fn next_unseen(&self) -> Option<(Wanted, Look<'_>)> {
        let is_idle = |state: &mut State| state.unseen.is_empty() && !state.closed;
        let mut state = self.changed.wait_while(self.lock(), is_idle).unwrap_or_else(PoisonError::into_inner);
        let next = state.unseen.pop_front()?;
        state.looks += 1;
        Some((next, Look(self)))
    }

    /// A package must be downloaded.
    pub(super) fn miss(&self, package: Wanted, notes: Vec<Note>) {
        let key = (Reverse(package.size), package.name.clone(), package.content);
        self.lock().missing.insert(key, (package, notes));
        self.changed.notify_all();
    }

    /// The next package to be downloaded, once there is one; none when no more will be.
    pub(super) fn next_missing(&self) -> Option<(Wanted, Vec<Note>)> {
        let is_idle = |state: &mut State| {
            let may_come = !state.closed || !state.unseen.is_empty() || state.looks > 0;
            state.missing.is_empty() && may_come
        };
        let mut state = self.changed.wait_while(self.lock(), is_idle).unwrap_or_else(PoisonError::into_inner);
        state.missing.pop_first().map(|(_, next)| next)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it has this.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Closing<'a>(&'a Orders);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = self.0.lock();
            state.unseen.clear();
            state.missing.clear();
        }
        self.0.close();
    }
}

/// A package is being looked up.
pub(super) struct Look<'a>(&'a Orders);

impl Drop for Look<'_> {
    fn drop(&mut self) {
        self.0.lock().looks -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn wanted(name: &str, size: u64) -> Wanted {
        let content = Digest::of(name.as_bytes()).into();
        Wanted { name: name.to_owned(), version: "1".to_owned(), urls: Vec::new(), size, content }
    }

    #[test]
    fn what_is_missing_comes_by_size_until_no_more_can_come() {
        let orders = Orders::default();
        ["a", "b", "c"].into_iter().zip([1, 3, 2]).for_each(|(name, size)| orders.ask(wanted(name, size)));
        for _ in 0..2 {
            let (package, _look) = orders.next_unseen().unwrap();
            orders.miss(package, Vec::new());
        }
        let missing = || orders.next_missing().map(|(package, _)| package.name);
        assert_eq!(missing().as_deref(), Some("b"));
        let (last, look) = orders.next_unseen().unwrap();
        assert_eq!(last.name, "c");
        orders.close();
        assert!(orders.next_unseen().is_none());
        assert_eq!(missing().as_deref(), Some("a"));
        // The last may be missing yet.
        std::thread::scope(|scope| {
            let next = scope.spawn(missing);
            orders.miss(last, Vec::new());
            drop(look);
            assert_eq!(next.join().unwrap().as_deref(), Some("c"));
        });
        assert_eq!(missing(), None);
    }

    #[test]
    fn nobody_waits_for_a_thread_that_panics() {
        let orders = Orders::default();
        orders.ask(wanted("a", 1));
        orders.ask(wanted("b", 1));
        std::thread::scope(|scope| {
            let other = scope.spawn(|| orders.next_missing());
            let panics = scope.spawn(|| {
                let _closing = orders.closing();
                let _looked = orders.next_unseen();
                panic!("for a test");
            });
            assert!(panics.join().is_err());
            assert!(other.join().unwrap().is_none());
            assert!(orders.next_unseen().is_none());
        });
    }
}
