//! Packages on their way: asked for, fetched, listed, and what each shows to be wanted asked for in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender};

use crate::catalog::{CatalogError, Depth, PackageArchive, PackageFiles};
use crate::fetch::{Arrival, Failure, FetchError, Note, Orders, Wanted};
use crate::loader::Search;
use crate::lock::LockError;
use crate::select::Wants;

use super::ForgeError;

/// Says which packages are wanted because of one that was listed. What it says in all must not depend on the order in
/// which it sees them.
pub(super) type Foresee<'f> = dyn FnMut(&PackageFiles) -> Wants + 'f;

/// Says what is known of all files of a package, or of its outline; none where it is not locked.
pub(super) type Know<'f> = dyn Fn(&str, bool) -> Result<Option<Known>, LockError> + 'f;

/// What there is to know of locked packages by their names.
pub(super) struct Locked<'f> {
    pub(super) know: &'f Know<'f>,
    /// What it depends on and would lead to.
    pub(super) requires: &'f dyn Fn(&str) -> BTreeSet<String>,
    /// For whose libraries outlines are made, if they are.
    pub(super) outlines: Option<&'f Search>,
}

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
    locked: Locked<'f>,
    foresee: &'f mut Foresee<'f>,
    tell: Sender<Event>,
    events: Receiver<Event>,
    /// What was asked for, and whether all of its files were.
    asked: BTreeMap<String, bool>,
    /// How many of them are to be fetched and listed yet.
    open: usize,
    has_ended: bool,
    archives: BTreeMap<String, PackageArchive>,
    /// What has come and waits to be listed, by size.
    waiting: BTreeSet<(u64, String)>,
    is_small_next: bool,
    listed: Listed,
    notes: BTreeMap<String, Vec<Note>>,
    troubles: BTreeMap<String, Trouble>,
}

/// What became of packages.
#[derive(Default)]
pub(super) struct Listed {
    /// By name, those of which all files are known.
    pub(super) whole: BTreeMap<String, PackageFiles>,
    /// By name, those of which an outline is known.
    pub(super) outlines: BTreeMap<String, PackageFiles>,
    /// Those that were listed whole, since they have no outline.
    pub(super) instead: BTreeSet<String>,
    /// What is worth telling.
    pub(super) notes: Vec<Note>,
}

impl<'f> Incoming<'f> {
    pub(super) fn new(
        orders: &'f Orders,
        locked: Locked<'f>,
        foresee: &'f mut Foresee<'f>,
        (tell, events): (Sender<Event>, Receiver<Event>),
    ) -> Self {
        Incoming {
            orders,
            locked,
            foresee,
            tell,
            events,
            asked: BTreeMap::new(),
            open: 0,
            has_ended: false,
            archives: BTreeMap::new(),
            waiting: BTreeSet::new(),
            is_small_next: false,
            listed: Listed::default(),
            notes: BTreeMap::new(),
            troubles: BTreeMap::new(),
        }
    }

    /// Whether anything must be fetched or listed; not, where that would be in vain.
    pub(super) fn is_open(&self) -> bool {
        self.open > 0 && self.troubles.is_empty()
    }

    /// Asks for packages, and for what those show to be wanted that are listed.
    pub(super) fn ask(&mut self, wants: Wants) {
        let of = |wants: Wants| {
            let outlines = wants.outlines.into_iter().map(|name| (name, false));
            outlines.chain(wants.files.into_iter().map(|name| (name, true)))
        };
        let mut open: Vec<(String, bool)> = of(wants).collect();
        while let Some((name, is_whole)) = open.pop() {
            let is_whole = is_whole || self.locked.outlines.is_none();
            let before = self.asked.get(&name).copied();
            if before.is_some_and(|was_whole| was_whole || !is_whole) {
                continue;
            }
            self.asked.insert(name.clone(), is_whole);
            match (self.locked.know)(&name, is_whole) {
                Ok(Some(Known::Listed(files))) => {
                    open.extend(of((self.foresee)(&files)));
                    self.listed.add(name, files);
                }
                // What is on its way is listed as is wanted when it is there.
                Ok(Some(Known::Not(_))) if before.is_some() && !self.listed.has_outline_alone(&name) => {}
                Ok(Some(Known::Not(wanted))) => {
                    self.open += 1;
                    if self.archives.contains_key(&name) {
                        self.waiting.insert((wanted.size, name));
                    } else {
                        self.orders.ask(wanted);
                    }
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
                    Ok(obtained) => {
                        self.notes.insert(name.clone(), notes);
                        let (path, compared) = (obtained.path().to_owned(), obtained.compared());
                        let archive = PackageArchive { name: name.clone(), version, content, path, compared };
                        self.archives.insert(name.clone(), archive);
                        self.waiting.insert((size, name));
                    }
                    Err(failure) => {
                        // What it would lead to is likely to lack as well, and all that lacks is told.
                        let is_missing = matches!(failure, Failure::Gone { .. } | Failure::Offline { .. });
                        let requires = is_missing.then(|| (self.locked.requires)(&name));
                        self.fail(name, Trouble::Fetch(failure));
                        let outlines = requires.unwrap_or_default();
                        self.ask(Wants { outlines, ..Wants::default() });
                    }
                }
            }
            Event::Listed(name, Some(Ok(files))) => {
                let is_whole_wanted = self.asked.get(&name) == Some(&true);
                if files.is_outline && is_whole_wanted && !self.listed.whole.contains_key(&name) {
                    // That was asked for meanwhile.
                    self.waiting.insert((0, name.clone()));
                } else {
                    self.open -= 1;
                }
                if !files.is_outline && !is_whole_wanted {
                    self.listed.instead.insert(name.clone());
                }
                let more = (self.foresee)(&files);
                self.listed.add(name, files);
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
    fn next_waiting(&mut self) -> Option<(PackageArchive, Depth<'f>)> {
        let (_, name) = if self.is_small_next { self.waiting.pop_first() } else { self.waiting.pop_last() }?;
        self.is_small_next = !self.is_small_next;
        let is_whole = self.asked.get(&name).is_none_or(|is_whole| *is_whole);
        let outline = self.locked.outlines.filter(|_| !is_whole);
        let archive = self.archives.get(&name).cloned()?;
        Some((archive, outline.map_or(Depth::Whole, Depth::Outline)))
    }

    /// What became of all. Of several failures to fetch all are told, of others the first by name.
    pub(super) fn end(self) -> Result<Listed, ForgeError> {
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
        other.map_or(Ok(Listed { notes, ..self.listed }), |error| Err(error.into()))
    }
}

impl Listed {
    fn has_outline_alone(&self, name: &str) -> bool {
        self.outlines.contains_key(name) && !self.whole.contains_key(name)
    }

    fn add(&mut self, name: String, files: PackageFiles) {
        if files.is_outline {
            self.outlines.insert(name, files);
        } else {
            self.whole.insert(name, files);
        }
    }
}

impl<'f> Iterator for Incoming<'f> {
    type Item = (Place, PackageArchive, Depth<'f>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while let Ok(event) = self.events.try_recv() {
                self.take(event);
            }
            if let Some((archive, depth)) = self.next_waiting() {
                let place = Place { name: archive.name.clone(), to: Some(self.tell.clone()) };
                return Some((place, archive, depth));
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::arch::Arch;
    use crate::digest::Digest;
    use crate::fetch::Obtained;

    fn wanted(name: &str) -> Wanted {
        let content = Digest::of(name.as_bytes()).into();
        let size = u64::from(name.as_bytes()[0]);
        Wanted { name: name.to_owned(), version: "1".to_owned(), urls: Vec::new(), size, content }
    }

    fn files(name: &str, is_outline: bool) -> PackageFiles {
        PackageFiles {
            name: name.to_owned(),
            version: "1".to_owned(),
            content: wanted(name).content,
            archive: "none".into(),
            manifest: std::sync::Arc::default(),
            kept: None,
            cache: None,
            source: None,
            is_outline,
        }
    }

    fn names(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|name| (*name).to_owned()).collect()
    }

    fn wants(files: &[&str], outlines: &[&str]) -> Wants {
        Wants { files: names(files), outlines: names(outlines) }
    }

    fn come(name: &str, outcome: Result<(), ()>) -> Event {
        let package = wanted(name);
        let gone = || Failure::Gone { package: package.to_string(), tried: Vec::new() };
        let outcome = outcome.map(|()| Obtained::Cached(name.into())).map_err(|()| gone());
        Event::Fetched(Arrival { package, outcome, notes: Vec::new() })
    }

    /// Does something with what is asked for; `b` shows that all of `a` is wanted, and `d` is known from before.
    fn with_incoming(run: impl FnOnce(&mut Incoming<'_>, &Sender<Event>)) -> Result<Listed, ForgeError> {
        let know = |name: &str, _| {
            Ok(Some(if name == "d" { Known::Listed(files("d", false)) } else { Known::Not(wanted(name)) }))
        };
        let requires = |name: &str| names(if name == "a" { &["c"] } else { &[] });
        let search = Search::glibc(Arch::Amd64.elf_machine(), "x86_64-linux-gnu", Vec::new());
        let locked = Locked { know: &know, requires: &requires, outlines: Some(&search) };
        let foresee =
            &mut |package: &PackageFiles| wants(if package.name == "b" { &["a"] } else { &[] }, &[]);
        let (orders, (tell, events)) = (Orders::default(), channel());
        let mut incoming = Incoming::new(&orders, locked, foresee, (tell.clone(), events));
        run(&mut incoming, &tell);
        incoming.end()
    }

    #[test]
    fn what_is_outlined_is_listed_wholly_once_that_is_wanted() {
        let listed = with_incoming(|incoming, tell| {
            incoming.ask(wants(&["b", "d"], &["a"]));
            assert!(incoming.is_open());
            tell.send(come("a", Ok(()))).unwrap();
            tell.send(come("b", Ok(()))).unwrap();
            // The largest first, then the smallest.
            let (b, archive, depth) = incoming.next().unwrap();
            assert!(archive.name == "b" && matches!(depth, Depth::Whole));
            let (a, archive, depth) = incoming.next().unwrap();
            assert!(archive.name == "a" && matches!(depth, Depth::Outline(_)));
            // That is asked for while the outline is made.
            b.fill(Ok(files("b", false)));
            a.fill(Ok(files("a", true)));
            let (a, archive, depth) = incoming.next().unwrap();
            assert!(archive.name == "a" && matches!(depth, Depth::Whole));
            a.fill(Ok(files("a", false)));
            assert!(incoming.next().is_none());
        });
        let Listed { whole, instead, .. } = listed.unwrap();
        assert_eq!(whole.into_keys().collect::<BTreeSet<_>>(), names(&["a", "b", "d"]));
        assert!(instead.is_empty());
    }

    #[test]
    fn what_has_no_outline_is_listed_once() {
        let listed = with_incoming(|incoming, tell| {
            incoming.ask(wants(&[], &["a"]));
            tell.send(come("a", Ok(()))).unwrap();
            let (a, ..) = incoming.next().unwrap();
            a.fill(Ok(files("a", false)));
            assert!(incoming.next().is_none());
            incoming.ask(wants(&["a"], &[]));
            assert!(!incoming.is_open());
        });
        assert_eq!(listed.unwrap().instead, names(&["a"]));
    }

    #[test]
    fn what_lacks_is_told_with_what_it_would_lead_to() {
        let listed = with_incoming(|incoming, tell| {
            incoming.ask(wants(&["a"], &[]));
            tell.send(come("a", Err(()))).unwrap();
            tell.send(come("c", Err(()))).unwrap();
            assert!(incoming.next().is_none());
        });
        let error = listed.err().unwrap().to_string();
        assert!(
            error.starts_with("cannot fetch 2 packages\n  a 1: ") && error.contains("\n  c 1: "),
            "{error}"
        );
    }

    #[test]
    fn nobody_waits_for_what_comes_to_no_end() {
        let listed = with_incoming(|incoming, tell| {
            incoming.ask(wants(&["a", "e"], &[]));
            tell.send(come("a", Ok(()))).unwrap();
            drop(incoming.next().unwrap());
            // `e` is never fetched: whoever fetches has come to an end.
            drop(End(tell.clone()));
            assert!(incoming.next().is_none());
        });
        assert!(listed.unwrap().whole.is_empty());
    }
}
