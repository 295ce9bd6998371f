//! Packages on their way: asked for, fetched, listed, and what each shows to be wanted asked for in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender};

use crate::catalog::{CatalogError, PackageArchive, PackageFiles};
use crate::fetch::{Arrival, Failure, FetchError, Note, Orders, Wanted};
use crate::lock::LockError;

use super::ForgeError;

/// Says which packages are wanted because of one that was listed. What it says in all must not depend on the order in
/// which it sees them.
pub(super) type Foresee<'f> = dyn FnMut(&PackageFiles) -> BTreeSet<String> + 'f;

/// Says what is known of a locked package; none where it is not locked.
pub(super) type Know<'f> = dyn Fn(&str) -> Result<Option<Known>, LockError> + 'f;

/// What is known of a package when it is asked for.
pub(super) enum Known {
    /// It was listed before.
    Listed(PackageFiles),
    /// It must be fetched.
    Not(Wanted),
}

/// What happens to packages.
pub(super) enum Event {
    /// One is there, or cannot be had.
    Fetched(Arrival),
    /// One is listed; not, where the thread that did so came to no end.
    Listed(String, Option<Result<PackageFiles, CatalogError>>),
    /// Nothing more is fetched.
    End,
}

/// Says when fetching has ended, however it does.
pub(super) struct End(pub(super) Sender<Event>);

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.0.send(Event::End);
    }
}

/// Where the list of a package is waited for.
pub(super) struct Place {
    name: String,
    to: Option<Sender<Event>>,
}

impl Place {
    pub(super) fn fill(mut self, files: Result<PackageFiles, CatalogError>) {
        self.tell(Some(files));
    }

    fn tell(&mut self, files: Option<Result<PackageFiles, CatalogError>>) {
        let name = std::mem::take(&mut self.name);
        let _ = self.to.take().map(|to| to.send(Event::Listed(name, files)));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.tell(None);
    }
}

/// Why a package has no list.
enum Trouble {
    Lock(LockError),
    Fetch(Failure),
    List(CatalogError),
}

/// The packages that were asked for. As an iterator it gives those to be listed, as they come, until all are.
pub(super) struct Incoming<'f> {
    orders: &'f Orders,
    know: &'f Know<'f>,
    foresee: &'f mut Foresee<'f>,
    tell: Sender<Event>,
    events: Receiver<Event>,
    asked: BTreeSet<String>,
    /// How many of them are to be fetched and listed yet.
    open: usize,
    has_ended: bool,
    /// What has come and waits to be listed, by size.
    waiting: BTreeMap<(u64, String), PackageArchive>,
    is_small_next: bool,
    listed: BTreeMap<String, PackageFiles>,
    fresh: BTreeSet<String>,
    notes: BTreeMap<String, Vec<Note>>,
    troubles: BTreeMap<String, Trouble>,
}

/// The lists of packages by name, the names of those that were listed now, and what is worth telling.
pub(super) type Outcome = (BTreeMap<String, PackageFiles>, BTreeSet<String>, Vec<Note>);

impl<'f> Incoming<'f> {
    pub(super) fn new(
        orders: &'f Orders,
        know: &'f Know<'f>,
        foresee: &'f mut Foresee<'f>,
        (tell, events): (Sender<Event>, Receiver<Event>),
    ) -> Self {
        Incoming {
            orders,
            know,
            foresee,
            tell,
            events,
            asked: BTreeSet::new(),
            open: 0,
            has_ended: false,
            waiting: BTreeMap::new(),
            is_small_next: false,
            listed: BTreeMap::new(),
            fresh: BTreeSet::new(),
            notes: BTreeMap::new(),
            troubles: BTreeMap::new(),
        }
    }

    /// Whether anything must be fetched or listed; not, where that would be in vain.
    pub(super) fn is_open(&self) -> bool {
        self.open > 0 && self.troubles.is_empty()
    }

    /// Asks for packages, and for what those show to be wanted that are listed.
    pub(super) fn ask(&mut self, names: BTreeSet<String>) {
        let mut names = Vec::from_iter(names);
        while let Some(name) = names.pop() {
            if !self.asked.insert(name.clone()) {
                continue;
            }
            match (self.know)(&name) {
                Ok(Some(Known::Listed(files))) => {
                    names.extend((self.foresee)(&files));
                    self.listed.insert(name, files);
                }
                Ok(Some(Known::Not(wanted))) => {
                    self.open += 1;
                    self.orders.ask(wanted);
                }
                Ok(None) => {}
                Err(error) => _ = self.troubles.insert(name, Trouble::Lock(error)),
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Fetched(Arrival { package, outcome, notes, .. }) => {
                let Wanted { name, version, size, content, .. } = package;
                match outcome {
                    Ok(path) => {
                        self.notes.insert(name.clone(), notes);
                        let archive = PackageArchive { name: name.clone(), version, content, path };
                        self.waiting.insert((size, name), archive);
                    }
                    Err(failure) => self.fail(name, Trouble::Fetch(failure)),
                }
            }
            Event::Listed(name, Some(Ok(files))) => {
                self.open -= 1;
                let more = (self.foresee)(&files);
                self.fresh.insert(name.clone());
                self.listed.insert(name, files);
                self.ask(more);
            }
            Event::Listed(name, Some(Err(error))) => self.fail(name, Trouble::List(error)),
            // Whoever waits for the threads will know.
            Event::Listed(_, None) => self.open -= 1,
            Event::End => self.has_ended = true,
        }
    }

    fn fail(&mut self, name: String, trouble: Trouble) {
        self.open -= 1;
        self.troubles.insert(name, trouble);
    }

    /// What has come is taken from both ends by turns: large ones, lest at the end all wait for one, and small ones,
    /// of which many soon show what else is wanted.
    fn next_waiting(&mut self) -> Option<PackageArchive> {
        let next =
            if self.is_small_next { self.waiting.pop_first() } else { self.waiting.pop_last() };
        self.is_small_next = !self.is_small_next;
        next.map(|(_, archive)| archive)
    }

    /// What became of all. Of several failures to fetch all are told, of others the first by name.
    pub(super) fn end(self) -> Result<Outcome, ForgeError> {
        let (mut failures, mut other) = (Vec::new(), None);
        for trouble in self.troubles.into_values() {
            match trouble {
                Trouble::Lock(error) => return Err(error.into()),
                Trouble::Fetch(failure) => failures.push(failure),
                Trouble::List(error) => other = other.or(Some(error)),
            }
        }
        if let Some(error) = FetchError::of(failures) {
            return Err(error.into());
        }
        let notes = self.notes.into_values().flatten().collect();
        other.map_or(Ok((self.listed, self.fresh, notes)), |error| Err(error.into()))
    }
}

impl Iterator for Incoming<'_> {
    type Item = (Place, PackageArchive);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while let Ok(event) = self.events.try_recv() {
                self.take(event);
            }
            if let Some(archive) = self.next_waiting() {
                let place = Place { name: archive.name.clone(), to: Some(self.tell.clone()) };
                return Some((place, archive));
            }
            if self.open == 0 || self.has_ended {
                self.orders.close();
                return None;
            }
            let event = self.events.recv().ok()?;
            self.take(event);
        }
    }
}
