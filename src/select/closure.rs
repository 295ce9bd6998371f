//! The ELF closure: what the dynamic loader would open for a chosen file.
//!
//! Each library is looked at once for all that need it by the same search path. That finds every file there is
//! to be; what it does not find may be loaded already when it is asked for, under the same name, by something
//! that found it. So where a library seems to be missing, every program and plug-in of the layer is loaded for
//! itself ([`Search::load`]), and only what is missing then is.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::elf::{ElfFacts, ElfKind};
use crate::loader::{Found, Process, Requester, Search, configured_dirs, musl_arch, resolve};
use crate::root_path::RootPath;

use super::links::Trace;
use super::selector::{Lacking, Selector};
use super::{Reason, Unlinked, Warning};

/// A file to be linked, and what its search depends on beside itself. The same work is done once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ElfWork {
    path: RootPath,
    by_musl: bool,
    /// The search paths of the files that led here, each after the file it stands in.
    inherited: Vec<String>,
}

/// A program, or a plug-in by itself.
#[derive(Clone, Debug)]
pub(super) struct ElfRoot {
    pub(super) path: RootPath,
    /// Whether what it lacks stops a program from starting.
    strict: bool,
    pub(super) is_program: bool,
    /// A program for glibc, where musl's loader runs it.
    pub(super) is_foreign: bool,
    pub(super) search: Rc<Search>,
}

/// A library that was found.
#[derive(Debug)]
pub(super) struct Library {
    found: Found,
    /// How its name leads to it.
    trace: Trace,
}

/// A file being loaded, and the one that asked for it.
#[derive(Debug)]
struct Loaded {
    /// The name it was opened by.
    path: RootPath,
    /// Where that leads.
    file: RootPath,
    facts: Arc<ElfFacts>,
    by: Option<Rc<Loaded>>,
}

impl Selector<'_> {
    /// Walks `DT_NEEDED` from a chosen file, choosing every library on the way. What was chosen on such a
    /// way was walked there, with the search path of what needs it.
    ///
    /// A program that lacks a library, or a library that the recipe asks for, is an error; a plug-in is not.
    pub(super) fn link(&mut self, path: &RootPath, facts: &Arc<ElfFacts>, reason: Option<&Reason>) {
        let Some(search) = self.add_root(path, facts, reason) else { return };
        if let Some(interp) = &facts.interp {
            self.load_interpreter(path, interp);
        }
        let root =
            Rc::new(Loaded { path: path.clone(), file: path.clone(), facts: Arc::clone(facts), by: None });
        let mut stack = vec![root];
        while let Some(loaded) = stack.pop() {
            let inherited = inherited(&search, &loaded);
            let work = ElfWork { path: loaded.path.clone(), by_musl: search.is_musl(), inherited };
            if !self.elf_seen.insert(work) {
                continue;
            }
            for needed in loaded.facts.needed.iter().rev() {
                stack.extend(self.load(&search, &loaded, needed));
            }
        }
    }

    /// Adds a file to those that are proven to link, and says how its libraries are sought; none for what is walked
    /// from what needs it, and for another machine's.
    pub(super) fn add_root(
        &mut self,
        path: &RootPath,
        facts: &ElfFacts,
        reason: Option<&Reason>,
    ) -> Option<Rc<Search>> {
        let is_walked = matches!(reason, Some(Reason::Library { .. } | Reason::Loader { .. }));
        if is_walked || facts.machine != self.inputs.arch.elf_machine() {
            return None;
        }
        let is_program = facts.interp.is_some() || facts.kind == ElfKind::Executable;
        let is_asked_for = match reason {
            Some(Reason::Included(_)) => true,
            Some(Reason::Named) => self.is_brought_or_named(path),
            _ => false,
        };
        let strict = is_program || (is_asked_for && self.search.in_default_dirs(path));
        let search = self.search_for(path, facts);
        let is_foreign =
            search.is_musl() && facts.interp.as_deref().is_some_and(|interp| musl_arch(interp).is_none());
        let root = ElfRoot { path: path.clone(), strict, is_program, is_foreign, search: Rc::clone(&search) };
        self.elf_roots.push(root);
        Some(search)
    }

    /// Whether the recipe brings a file, or names its package. That a package counts as named with another of the same
    /// source is not enough: it may have libraries that its own open by name if all that they need is there.
    fn is_brought_or_named(&self, path: &RootPath) -> bool {
        self.inputs.own.files.contains_key(path) || self.is_named(&self.package_at(path))
    }

    /// The loader that a file is for: the one that it names, else the distro's. A program for glibc on a distro
    /// with musl is run by a stand-in (gcompat), which follows musl's rules.
    fn search_for(&mut self, path: &RootPath, facts: &ElfFacts) -> Rc<Search> {
        let Some(interp) = &facts.interp else { return Rc::clone(&self.search) };
        match musl_arch(interp) {
            Some(arch) if !self.search.is_musl() => {
                Rc::new(Search::musl(self.search.machine(), arch, self.inputs.musl_path))
            }
            None if self.search.is_musl() => {
                let (program, interp) = (path.clone(), interp.clone());
                self.warnings.insert(Warning::ForeignLoader { program, interp });
                Rc::clone(&self.search)
            }
            _ => Rc::clone(&self.search),
        }
    }

    /// Finds and chooses one library; none where it is missing or leads nowhere new.
    fn load(&mut self, search: &Rc<Search>, by: &Rc<Loaded>, needed: &str) -> Option<Rc<Loaded>> {
        let Some(library) = self.find_library(search, by, needed) else {
            let is_excluded =
                search.find(&self.unexcluded(), needed, &chain(by), &self.library_path).is_some();
            if is_excluded || !self.want_for(&by.file, needed) {
                self.doubtful = true;
            }
            return None;
        };
        let Library { found, trace } = library.as_ref();
        let reason = Reason::Library { by: by.file.clone(), needed: needed.to_owned() };
        if !search.in_default_dirs(&found.link) {
            // A system directory has a name that leads through no link of the distro.
            found.links.iter().for_each(|link| self.pass(link, &reason));
        }
        self.pull_traced(trace, &reason);
        self.pull(&found.file, reason);
        let facts = Arc::clone(self.file_at(&found.file)?.2.elf.as_ref()?);
        let (path, file) = (found.link.clone(), found.file.clone());
        Some(Rc::new(Loaded { path, file, facts, by: Some(Rc::clone(by)) }))
    }

    /// Seeks a library. What is sought in the system's directories alone is found by all alike, and sought once: what a
    /// layer sees does not change while it is at work.
    fn find_library(&mut self, search: &Rc<Search>, by: &Rc<Loaded>, needed: &str) -> Option<Rc<Library>> {
        let chain = chain(by);
        let brings_none = |one: &Requester<'_>| one.facts.runpath.is_empty() && one.facts.rpath.is_empty();
        let is_systems = Rc::ptr_eq(search, &self.search)
            && !needed.contains('/')
            && !by.facts.nodeflib
            && chain.iter().all(brings_none);
        if let Some(known) = self.libraries.get(needed).filter(|_| is_systems) {
            return known.clone();
        }
        let found = search.find(&self.visible(), needed, &chain, &self.library_path);
        let library = found.map(|found| Rc::new(Library { trace: self.trace(&found.link), found }));
        if is_systems {
            self.libraries.insert(needed.to_owned(), library.clone());
        }
        library
    }

    fn load_interpreter(&mut self, by: &RootPath, interp: &str) {
        let Ok(path) = RootPath::parse(interp) else { return };
        let reason = Reason::Loader { by: by.clone() };
        if let Some(file) = resolve(&self.visible(), &path) {
            self.pull_along(&path, &reason);
            self.pull(&file, reason);
        } else if !self.want_for(by, path.file_name()) {
            let excluded_by = resolve(&self.unexcluded(), &path)
                .and_then(|file| self.excluded_by(&file).map(str::to_owned));
            self.unlinked.insert(Unlinked {
                file: by.clone(),
                package: self.package_at(by),
                programs: BTreeSet::from([by.clone()]),
                needed: interp.to_owned(),
                excluded_by,
                unfit: Vec::new(),
                elsewhere: None,
                provider: None,
            });
        }
    }

    /// Loads each program and plug-in of the layer for itself, where something seemed to be missing.
    pub(super) fn judge_missing(&mut self) {
        if !std::mem::take(&mut self.doubtful) {
            return;
        }
        let mut unlinked: BTreeMap<(RootPath, String), Unlinked> = BTreeMap::new();
        let mut lacking = Vec::new();
        let mut forgotten = Vec::new();
        // Of programs, and whether they lack no more than they do wherever their packages are installed.
        let mut broken: BTreeMap<RootPath, bool> = BTreeMap::new();
        for ElfRoot { path, strict, search, .. } in &self.elf_roots {
            let tree = self.visible();
            let Some(process) = search.load(&tree, path, &self.library_path) else { continue };
            for missing in &process.missing {
                let file = process.objects[missing.by].file.clone();
                let needed = missing.needed.clone();
                let excluded_by = self.excluding(search, &process, missing.by, &needed);
                if *strict
                    && excluded_by.is_none()
                    && let Some(package) = self.forgotten(&needed)
                {
                    forgotten.push(package);
                } else if *strict {
                    let anyway =
                        excluded_by.is_none() && self.lacks_anyway(search, &process, missing.by, &needed);
                    *broken.entry(path.clone()).or_insert(true) &= anyway && !self.is_started(path);
                    let one = unlinked.entry((file.clone(), needed.clone())).or_insert_with(|| {
                        let unfit = missing.unfit.clone();
                        let is_nowhere = excluded_by.is_none() && unfit.is_empty();
                        Unlinked {
                            package: self.package_at(&file),
                            programs: BTreeSet::new(),
                            elsewhere: is_nowhere.then(|| self.elsewhere(&needed)).flatten(),
                            provider: None,
                            file,
                            needed,
                            excluded_by,
                            unfit,
                        }
                    });
                    one.programs.insert(path.clone());
                } else {
                    lacking.push(Lacking { plugin: file, needed, excluded_by, is_program: false });
                }
            }
        }
        self.wants.extend(forgotten);
        lacking.extend(self.spared(&mut unlinked, &broken));
        self.unlinked.extend(unlinked.into_values());
        self.lacking.extend(lacking);
    }

    /// Takes out what only programs lack that start nowhere, as long as others of their packages do: such a one is no
    /// more than told of.
    fn spared(
        &mut self,
        unlinked: &mut BTreeMap<(RootPath, String), Unlinked>,
        broken: &BTreeMap<RootPath, bool>,
    ) -> Vec<Lacking> {
        let starts = self.elf_roots.iter().filter(|root| root.is_program && !broken.contains_key(&root.path));
        let useful: BTreeSet<String> = starts.map(|root| self.package_at(&root.path)).collect();
        let is_spared = |program: &RootPath| {
            broken.get(program) == Some(&true) && useful.contains(&self.package_at(program))
        };
        let mut spared: Vec<Lacking> = Vec::new();
        for one in unlinked.values_mut() {
            let (gone, stay) = std::mem::take(&mut one.programs).into_iter().partition(&is_spared);
            one.programs = stay;
            let gone: BTreeSet<RootPath> = gone;
            let needed = || one.needed.clone();
            let lacks = |plugin| Lacking { plugin, needed: needed(), excluded_by: None, is_program: true };
            spared.extend(gone.into_iter().map(lacks));
        }
        unlinked.retain(|_, one| !one.programs.is_empty());
        for root in self.elf_roots.iter_mut().filter(|root| spared.iter().any(|one| one.plugin == root.path))
        {
            (root.strict, root.is_program) = (false, false);
        }
        spared
    }

    /// Whether an object lacks a library wherever its packages are installed: they have it, and the loader does not look
    /// there.
    fn lacks_anyway(&self, search: &Search, process: &Process<'_>, by: usize, needed: &str) -> bool {
        let found = search.find(self.inputs.catalog, needed, &process.chain(by), &self.library_path);
        found.is_none() && !self.is_own(&process.objects[by].file) && self.elsewhere(needed).is_some()
    }

    /// Whether a program is what the image starts.
    fn is_started(&self, program: &RootPath) -> bool {
        let started = self.inputs.recipe.image.program().and_then(|started| self.find_command(started));
        started.is_some_and(|(path, file)| path == *program || file == *program)
    }

    /// A library of a name where the loader does not look for it, and its package.
    fn elsewhere(&self, needed: &str) -> Option<(RootPath, String)> {
        let catalog = self.inputs.catalog;
        catalog.paths().find_map(|(path, references)| {
            let (package, file) = catalog.get(*references.first()?);
            let facts = file.elf.as_ref()?;
            let named = path.file_name() == needed || facts.soname.as_deref() == Some(needed);
            let fits = named && facts.machine == self.search.machine();
            fits.then(|| (path.clone(), package.name.clone()))
        })
    }

    /// Takes the directories that chosen configuration files name for the loader's, as ldconfig will. True where
    /// that changes them: then what was linked must be linked anew.
    pub(super) fn update_library_dirs(&mut self) -> bool {
        if self.search.is_musl() {
            return false;
        }
        let files = self.inputs.loader_configuration.iter().filter(|(path, _)| {
            // The recipe's own are in no package.
            self.chosen.contains_key(*path) || self.inputs.catalog.at(path).is_empty()
        });
        let files = files.map(|(path, text)| (path.clone(), text.as_str())).collect();
        let dirs = configured_dirs(&files);
        if self.search.extra_dirs() == dirs {
            return false;
        }
        self.search = Rc::new(self.search.as_ref().clone().with_extra_dirs(dirs));
        self.elf_seen.clear();
        self.libraries.clear();
        let roots = std::mem::take(&mut self.elf_roots);
        self.queue.extend(roots.into_iter().map(|root| root.path));
        // What the recipe brings is in no catalogue, and in nobody's queue.
        self.link_own();
        true
    }

    /// The pattern of the recipe but for which an object would find a library.
    fn excluding(&self, search: &Search, process: &Process<'_>, by: usize, needed: &str) -> Option<String> {
        let found = search.find(&self.unexcluded(), needed, &process.chain(by), &self.library_path)?;
        let pattern = self.excluded_by(&found.link).or_else(|| self.excluded_by(&found.file));
        pattern.map(str::to_owned)
    }

    /// Wants the packages that may have a library that a file lacks: its package's direct dependencies, else all it
    /// depends on; of those that are outlined first such as seem to have it. False where all of them are catalogued.
    fn want_for(&mut self, path: &RootPath, needed: &str) -> bool {
        self.want_where(path, |selector, name| {
            selector.is_unknown(name) || selector.outline_hints_at(name, needed)
        }) || self.want_where(path, Self::is_uncatalogued)
    }

    /// Wants those of a file's package's dependencies, direct or else all, of which something holds; false if there is
    /// none.
    fn want_where(&mut self, path: &RootPath, holds: impl Fn(&Self, &str) -> bool) -> bool {
        let may_have = |name: &String| holds(self, name);
        if let Some(packages) = self.inputs.own_packages.get(path) {
            let closure = super::packages::closure(packages, self.inputs.packages);
            let wanted: Vec<String> = closure.into_iter().filter(may_have).collect();
            let any = !wanted.is_empty();
            self.wants.extend(wanted);
            return any;
        }
        let package = self.package_at(path);
        let Some(locked) = self.inputs.packages.get(package.as_str()) else { return false };
        let direct: Vec<String> = locked.requires.iter().filter(|name| may_have(name)).cloned().collect();
        let wanted = if direct.is_empty() {
            super::packages::closure(&std::iter::once(package).collect(), self.inputs.packages)
                .into_iter()
                .filter(may_have)
                .collect()
        } else {
            direct
        };
        let any = !wanted.is_empty();
        self.wants.extend(wanted);
        any
    }

    /// Whether a package may have a library of which its outline does not tell.
    fn outline_hints_at(&self, package: &str, needed: &str) -> bool {
        let outline = self.inputs.catalog.package(package).filter(|package| package.is_outline);
        let mut files = outline.into_iter().flat_map(|outline| &outline.manifest.files);
        files.any(|file| file.entry.path.file_name().starts_with(needed))
    }

    /// The locked package that is called as the package of a library is to be, and was not looked into: what a program
    /// needs and nothing that its package depends on has is there where a dependency was forgotten.
    fn forgotten(&self, needed: &str) -> Option<String> {
        super::library_packages(needed).into_iter().find(|name| self.is_uncatalogued(name))
    }

    pub(super) fn package_at(&self, path: &RootPath) -> String {
        if self.inputs.own.files.contains_key(path) {
            return "the recipe".to_owned();
        }
        self.file_at(path).map(|(_, package, _)| package.name.clone()).unwrap_or_default()
    }
}

/// The requester first, then what loaded it, up to the program.
fn chain(by: &Rc<Loaded>) -> Vec<Requester<'_>> {
    let up = std::iter::successors(Some(by), |loaded| loaded.by.as_ref());
    up.map(|loaded| Requester { path: &loaded.path, facts: &loaded.facts }).collect()
}

/// What the search for a file's libraries takes from those that led to it.
fn inherited(search: &Search, loaded: &Rc<Loaded>) -> Vec<String> {
    let mut inherited = Vec::new();
    for requester in chain(loaded).into_iter().skip(1) {
        let path = search.inherited_path(requester.facts);
        if !path.is_empty() {
            inherited.push(requester.path.to_string());
            inherited.extend_from_slice(path);
        }
    }
    inherited
}
