//! The ELF closure: what the dynamic loader would open for a chosen file.

use std::rc::Rc;
use std::sync::Arc;

use crate::elf::{ElfFacts, ElfKind};
use crate::loader::{Requester, resolve};
use crate::root_path::RootPath;

use super::selector::{Lacking, Selector};
use super::{Reason, Unlinked};

/// A file to be linked, and what its search depends on beside itself. The same work is done once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ElfWork {
    path: RootPath,
    /// Whether what it lacks stops a program from starting.
    strict: bool,
    /// The `DT_RPATH` entries of the files that led here, each after the file it stands in.
    inherited: Vec<String>,
}

/// A file being loaded, and the one that asked for it.
#[derive(Debug)]
struct Loaded {
    path: RootPath,
    facts: Arc<ElfFacts>,
    by: Option<Rc<Loaded>>,
}

impl Selector<'_> {
    /// Walks `DT_NEEDED` from a chosen file, choosing every library on the way. What was chosen on such a
    /// way was walked there, with the search path of what needs it.
    ///
    /// A program that lacks a library, or a library that somebody asked for, is an error; a plug-in is not.
    pub(super) fn link(&mut self, path: &RootPath, facts: &Arc<ElfFacts>, reason: Option<&Reason>) {
        let is_walked = matches!(reason, Some(Reason::Library { .. } | Reason::Loader { .. }));
        if is_walked || facts.machine != self.inputs.arch.elf_machine() {
            return;
        }
        let is_program = facts.interp.is_some() || facts.kind == ElfKind::Executable;
        let is_asked_for = matches!(reason, Some(Reason::Named | Reason::Included(_)));
        let strict = is_program || (is_asked_for && self.search.in_default_dirs(path));
        if let Some(interp) = &facts.interp {
            self.load_interpreter(path, interp);
        }
        let root = Rc::new(Loaded { path: path.clone(), facts: Arc::clone(facts), by: None });
        let mut stack = vec![root];
        while let Some(loaded) = stack.pop() {
            let work = ElfWork { path: loaded.path.clone(), strict, inherited: inherited_rpath(&loaded) };
            if !self.elf_seen.insert(work) {
                continue;
            }
            for needed in loaded.facts.needed.iter().rev() {
                stack.extend(self.load(&loaded, needed, strict));
            }
        }
    }

    /// Finds and chooses one library; none where it is missing or leads nowhere new.
    fn load(&mut self, by: &Rc<Loaded>, needed: &str, strict: bool) -> Option<Rc<Loaded>> {
        let chain: Vec<Requester<'_>> = chain(by);
        let found = self.search.find(&self.visible(), needed, &chain, &self.library_path);
        let Some(found) = found else {
            self.report_missing(by, needed, strict);
            return None;
        };
        let reason = Reason::Library { by: by.path.clone(), needed: needed.to_owned() };
        if !self.search.in_default_dirs(&found.link) {
            // A system directory has a name that leads through no link of the distro.
            found.links.iter().for_each(|link| self.pass(link));
        }
        self.pull_along(&found.link, &reason);
        self.pull(&found.file, reason);
        let facts = Arc::clone(self.file_at(&found.file)?.2.elf.as_ref()?);
        Some(Rc::new(Loaded { path: found.file, facts, by: Some(Rc::clone(by)) }))
    }

    fn load_interpreter(&mut self, by: &RootPath, interp: &str) {
        let Ok(path) = RootPath::parse(interp) else { return };
        let reason = Reason::Loader { by: by.clone() };
        if let Some(file) = resolve(&self.visible(), &path) {
            self.pull_along(&path, &reason);
            self.pull(&file, reason);
        } else if !self.want_for(by) {
            let excluded_by = resolve(&self.unexcluded(), &path)
                .and_then(|file| self.excluded_by(&file).map(str::to_owned));
            self.unlinked.insert(Unlinked {
                file: by.clone(),
                package: self.package_at(by),
                needed: interp.to_owned(),
                excluded_by,
            });
        }
    }

    fn report_missing(&mut self, by: &Rc<Loaded>, needed: &str, strict: bool) {
        let excluded = self.search.find(&self.unexcluded(), needed, &chain(by), &self.library_path);
        let excluded_by = excluded.and_then(|found| {
            self.excluded_by(&found.link).or_else(|| self.excluded_by(&found.file)).map(str::to_owned)
        });
        if excluded_by.is_none() && self.want_for(&by.path) {
            return;
        }
        if strict {
            self.unlinked.insert(Unlinked {
                file: by.path.clone(),
                package: self.package_at(&by.path),
                needed: needed.to_owned(),
                excluded_by,
            });
        } else {
            let plugin = by.path.clone();
            self.lacking.insert(Lacking { plugin, needed: needed.to_owned(), excluded_by });
        }
    }

    /// Wants the packages that may have what a file lacks: its package's direct dependencies, else all it
    /// depends on. False where all of them are catalogued.
    pub(super) fn want_for(&mut self, path: &RootPath) -> bool {
        let package = self.package_at(path);
        let Some(locked) = self.inputs.packages.get(package.as_str()) else { return false };
        let direct: Vec<String> =
            locked.requires.iter().filter(|name| self.is_uncatalogued(name)).cloned().collect();
        let wanted = if direct.is_empty() {
            super::packages::closure(&std::iter::once(package).collect(), self.inputs.packages)
                .into_iter()
                .filter(|name| self.is_uncatalogued(name))
                .collect()
        } else {
            direct
        };
        let any = !wanted.is_empty();
        self.wants.extend(wanted);
        any
    }

    pub(super) fn package_at(&self, path: &RootPath) -> String {
        self.file_at(path).map(|(_, package, _)| package.name.clone()).unwrap_or_default()
    }
}

/// The requester first, then what loaded it, up to the program.
fn chain(by: &Rc<Loaded>) -> Vec<Requester<'_>> {
    let mut chain = Vec::new();
    let mut next = Some(by);
    while let Some(loaded) = next {
        chain.push(Requester { path: &loaded.path, facts: &loaded.facts });
        next = loaded.by.as_ref();
    }
    chain
}

fn inherited_rpath(loaded: &Rc<Loaded>) -> Vec<String> {
    chain(loaded)
        .into_iter()
        .skip(1)
        .filter(|requester| requester.facts.runpath.is_empty() && !requester.facts.rpath.is_empty())
        .flat_map(|requester| {
            std::iter::once(requester.path.to_string()).chain(requester.facts.rpath.iter().cloned())
        })
        .collect()
}
