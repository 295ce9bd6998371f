//! The state of a selection in progress: what is chosen, what is still to be looked at, what is wanted.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;

use crate::catalog::{CatalogError, CataloguedFile, FileRef, PackageFiles};
use crate::distro::PackageFormat;
use crate::elf::{ElfFacts, ElfKind};
use crate::loader::{FileTree, Search};
use crate::recipe::{Keep, Stacked};
use crate::root_path::RootPath;
use crate::tarball::EntryKind;

use super::bonds::Bonds;
use super::closure::{ElfRoot, ElfWork, Library};
use super::kinds::is_command;
use super::layers::LayerRules;
use super::mentions::Opened;
use super::packages::{self, Role};
use super::rules::RuntimeRules;
use super::visible::{Everything, loader_for};
use super::words::Called;
use super::{Damaged, Inputs, Lacked, PassedLink, Reason, SelectError, Selected, Unlinked, Warning};

/// A library that a plug-in would not find by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lacking {
    pub(super) plugin: RootPath,
    pub(super) needed: String,
    /// The pattern that excludes it.
    pub(super) excluded_by: Option<String>,
    /// It is a program, which no other can have loaded it for.
    pub(super) is_program: bool,
}

/// A path already chosen.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) layer: usize,
    pub(super) selected: Selected,
}

pub(super) struct Selector<'a> {
    pub(super) inputs: Inputs<'a>,
    /// All that there is to choose from, excluded or not.
    pub(super) tree: &'a dyn FileTree,
    pub(super) triplet: &'static str,
    /// The distro's loader.
    pub(super) search: Rc<Search>,
    pub(super) library_path: Vec<RootPath>,
    pub(super) roles: BTreeMap<String, Role>,
    /// Helpers that are reached as interpreters of kept scripts.
    pub(super) interpreters: BTreeSet<String>,
    /// What is on every system: [`packages::essential`].
    pub(super) essential: BTreeSet<String>,
    /// Files that are run though they are where scripts need not be.
    pub(super) run: BTreeSet<RootPath>,
    pub(super) wants: BTreeSet<String>,
    /// The packages of which an outline is wanted.
    pub(super) outlines: BTreeSet<String>,
    /// The packages that are wanted for what scripts call, if nothing else is: the command may be in that.
    pub(super) wanted_for_words: BTreeSet<String>,
    /// What was asked of packages' texts: the package, the commands sought, and how many texts.
    pub(super) texts_asked: BTreeSet<(String, BTreeSet<String>, usize)>,
    /// Why a script could not be read, the first of them.
    pub(super) unread: Option<CatalogError>,
    /// The packages whose files were asked for.
    pub(super) looked_into: BTreeSet<String>,
    pub(super) runtime: RuntimeRules<'a>,
    pub(super) bonds: Bonds,
    /// Libraries that chosen files name, and what they may open and no locked package has.
    pub(super) opened: BTreeSet<Opened>,
    pub(super) unopened: BTreeSet<Warning>,
    /// Commands that scripts call and that were not found.
    pub(super) called: BTreeSet<Called>,
    pub(super) warnings: BTreeSet<Warning>,
    pub(super) unlinked: BTreeSet<Unlinked>,
    /// Programs that are no whole ELF files.
    pub(super) damaged: BTreeSet<Damaged>,
    /// What of a base image's packages is needed and nowhere.
    pub(super) lacked: BTreeSet<Lacked>,
    /// What plug-ins lack, unless something else in the image brings it.
    pub(super) lacking: BTreeSet<Lacking>,
    /// Links that no package has, by which something chosen is found, and the layer that first needs them.
    pub(super) passed: BTreeMap<RootPath, (usize, PassedLink)>,
    pub(super) elf_seen: HashSet<ElfWork>,
    /// The libraries of the system's directories that were sought in the current layer.
    pub(super) libraries: HashMap<String, Option<Rc<Library>>>,
    /// What was linked in the current layer, and whether something seemed to be missing.
    pub(super) elf_roots: Vec<ElfRoot>,
    /// What was linked in the layers below.
    pub(super) settled_roots: Vec<ElfRoot>,
    pub(super) doubtful: bool,
    pub(super) arch_name: &'static str,
    /// The layers of the recipe's bases and its own.
    pub(super) stacked: Vec<Stacked<'a>>,
    pub(super) layers: Vec<LayerRules>,
    pub(super) chosen: BTreeMap<RootPath, Chosen>,
    pub(super) queue: VecDeque<RootPath>,
    /// What layers have that list files or keep all, and what an upper layer needs with all it leads to.
    followed: HashSet<RootPath>,
    /// The packages that a layer has for their own sake, though lower layers have files of theirs.
    pub(super) whole: BTreeSet<(usize, String)>,
}

impl<'a> Selector<'a> {
    pub(super) fn new(inputs: Inputs<'a>, tree: &'a dyn FileTree) -> Result<Self, SelectError> {
        let no_port = || SelectError::NoPort { distro: inputs.distro, arch: inputs.arch };
        let arch_name = inputs.distro.arch_name(inputs.arch).ok_or_else(no_port)?;
        let triplet = inputs.distro.triplet(inputs.arch).ok_or_else(no_port)?;
        let search = loader_for(inputs.distro, inputs.arch, inputs.musl_path).ok_or_else(no_port)?;
        let library_path = inputs.recipe.image.env.get("LD_LIBRARY_PATH");
        let library_path = library_path.map(|value| search.library_path(value)).unwrap_or_default();
        Ok(Selector {
            inputs,
            tree,
            triplet,
            search: Rc::new(search),
            library_path,
            roles: BTreeMap::new(),
            interpreters: BTreeSet::new(),
            essential: packages::essential(inputs.packages),
            run: BTreeSet::new(),
            wants: BTreeSet::new(),
            outlines: BTreeSet::new(),
            wanted_for_words: BTreeSet::new(),
            texts_asked: BTreeSet::new(),
            unread: None,
            looked_into: BTreeSet::new(),
            runtime: RuntimeRules::new(inputs.recipe.runtime_rules(), arch_name, triplet)?,
            bonds: Bonds::default(),
            opened: BTreeSet::new(),
            unopened: BTreeSet::new(),
            called: BTreeSet::new(),
            warnings: BTreeSet::new(),
            unlinked: BTreeSet::new(),
            damaged: BTreeSet::new(),
            lacked: BTreeSet::new(),
            lacking: BTreeSet::new(),
            passed: BTreeMap::new(),
            elf_seen: HashSet::new(),
            libraries: HashMap::new(),
            elf_roots: Vec::new(),
            settled_roots: Vec::new(),
            doubtful: false,
            arch_name,
            stacked: inputs.recipe.stacked(),
            layers: Vec::new(),
            chosen: BTreeMap::new(),
            queue: VecDeque::new(),
            followed: HashSet::new(),
            whole: BTreeSet::new(),
        })
    }

    pub(super) fn is_named(&self, package: &str) -> bool {
        self.layers.iter().any(|layer| layer.named.contains(package))
    }

    pub(super) fn is_stripped(&self, path: &RootPath) -> bool {
        self.layer().strip.class_of(path).is_some()
    }

    /// A package's files, or a wish for them.
    pub(super) fn catalogued(&mut self, name: &str) -> Option<&'a PackageFiles> {
        let Inputs { catalog, given, .. } = self.inputs;
        // Of what an image has in part, the rest is wanted too.
        let found = catalog.package(name);
        let found = found.filter(|package| !package.is_outline && !given.partial.contains(name));
        self.looked_into.insert(name.to_owned());
        if found.is_none() && self.inputs.packages.contains_key(name) {
            self.wants.insert(name.to_owned());
        }
        found
    }

    /// A package's files or their outline, or a wish for that.
    pub(super) fn outlined(&mut self, name: &str) -> Option<&'a PackageFiles> {
        let Inputs { catalog, given, .. } = self.inputs;
        let found = catalog.package(name).filter(|_| !given.partial.contains(name));
        self.looked_into.insert(name.to_owned());
        if found.is_none() && self.inputs.packages.contains_key(name) {
            self.outlines.insert(name.to_owned());
        }
        found
    }

    /// Puts a path into the current layer, unless the layer excludes it or it is in already.
    pub(super) fn choose(&mut self, path: &RootPath, reason: Reason) {
        if !self.chosen.contains_key(path) && self.excluded_by(path).is_some() {
            return;
        }
        let Some((file, package, entry)) = self.file_at(path) else { return };
        if package.is_outline {
            self.wants.insert(package.name.clone());
            return;
        }
        match reason.by() {
            Some(by) => self.bonds.file_to_file(by, path),
            None if matches!(reason, Reason::Named | Reason::Reached) => {
                let is_plugin = entry.elf.as_ref().is_some_and(|facts| self.is_plugin(path, facts));
                self.bonds.package_to_file(&package.name, path, is_plugin);
            }
            None => self.bonds.root_to_file(path),
        }
        let layer = self.layers.len() - 1;
        if let Some(below) = self.chosen.get(path).map(|chosen| chosen.layer) {
            // A directory may be another package's as well, which is not there for that.
            let is_directory = entry.entry.kind == EntryKind::Directory;
            let is_whole = matches!(reason, Reason::Named | Reason::All | Reason::Reached);
            if below < layer && is_whole && !is_directory {
                self.whole.insert((layer, package.name.clone()));
            }
            // Only where it was looked at for all that it needs, that is there too.
            let is_settled = self.stacked[below].layer.keep == Keep::Needed;
            if !is_settled && self.keep() == Keep::Needed && self.followed.insert(path.clone()) {
                self.queue.push_back(path.clone());
            }
            return;
        }
        self.warn_if_contested(path);
        self.chosen.insert(path.clone(), Chosen { layer, selected: Selected { file, reason } });
        self.queue.push_back(path.clone());
    }

    /// Chooses a path found by a rule that does not come from its package, which thereby is reached.
    pub(super) fn pull(&mut self, path: &RootPath, reason: Reason) {
        let Some((_, package, _)) = self.file_at(path) else { return };
        self.looked_into.insert(package.name.clone());
        let is_run = matches!(reason, Reason::Interpreter { .. } | Reason::Started);
        let by_interpreter = is_run && self.helpers_have_modules();
        // Of its own package a file pulls what it needs and no more: where that is reached, it was so before.
        let is_own = reason.by().is_some_and(|by| self.package_at(by) == package.name);
        // Of an image it pulls what it needs itself: the rest is no package that anything reaches.
        let is_given = self.is_given(path);
        self.choose(path, reason);
        if !is_own
            && !is_given
            && self.keeps_whole_packages()
            && (by_interpreter || !self.is_helper(&package.name))
        {
            self.bonds.file_to_package(path, &package.name);
            self.expand(&package.name, Role::Reached);
        }
    }

    /// Whether a file is opened by name: a shared object that is neither a program nor where the loader looks.
    pub(super) fn is_plugin(&self, path: &RootPath, facts: &ElfFacts) -> bool {
        let is_program = facts.interp.is_some() || facts.kind != ElfKind::SharedObject;
        facts.dynamic && !is_program && !self.search.in_default_dirs(path)
    }

    pub(super) fn is_chosen(&self, path: &RootPath) -> bool {
        self.chosen.contains_key(path)
    }

    /// Every chosen path and what is there.
    pub(super) fn chosen_files(&self) -> impl Iterator<Item = (&RootPath, &'a CataloguedFile)> {
        self.chosen.iter().map(|(path, chosen)| (path, self.inputs.catalog.get(chosen.selected.file).1))
    }

    /// Whether an interpreter that comes from a helper may have modules: Debian's perl and python do. Alpine's only
    /// interpreters among its helpers are busybox's.
    pub(super) fn helpers_have_modules(&self) -> bool {
        self.inputs.distro.format() == PackageFormat::Deb
    }

    /// Whether what a file needs is followed beyond what it is linked with, and brings its package along in the current
    /// layer.
    pub(super) fn keeps_whole_packages(&self) -> bool {
        self.keep() != Keep::Listed
    }

    /// What the current layer keeps of its packages.
    pub(super) fn keep(&self) -> Keep {
        self.stacked[self.layers.len() - 1].layer.keep
    }

    /// Notes a link that no package has, by which something chosen is found: one of the distro's merged `/usr`,
    /// which an image without a skeleton needs too, or one that is made if there is a reason.
    pub(super) fn pass(&mut self, link: &RootPath, reason: &Reason) {
        let layer = self.layers.len() - 1;
        let of_distro = self.inputs.catalog.merged_usr().link(link);
        let target = of_distro.or_else(|| Everything(self.inputs).made_link(link));
        if let Some(target) = target {
            let target = target.to_owned();
            let passed = PassedLink { target, of_distro: of_distro.is_some(), reason: reason.clone() };
            self.passed.entry(link.clone()).or_insert((layer, passed));
        }
    }

    /// Links the ELF files that the recipe brings in the current layer, and follows its scripts.
    pub(super) fn link_own(&mut self) {
        let (own, layer) = (self.inputs.own, self.layers.len() - 1);
        for (path, elf) in own.files.iter().filter(|(_, elf)| elf.layer == layer) {
            self.bonds.root_to_file(path);
            self.link(path, &elf.facts, Some(&Reason::Named));
            self.fire_rules_of_own(path, &elf.facts);
        }
        for (path, script) in own.scripts.iter().filter(|(_, script)| script.layer == layer) {
            self.interpret_own(path, &script.text);
        }
        for (path, unfit) in own.unfit.iter().filter(|(_, unfit)| unfit.layer == layer) {
            let (file, reason) = (path.clone(), unfit.reason.clone());
            if is_command(path) {
                self.damaged.insert(Damaged { file, package: None, reason });
            } else {
                self.warnings.insert(Warning::DamagedElf { path: file, reason });
            }
        }
    }

    /// Follows everything that the chosen files lead to.
    pub(super) fn settle(&mut self) {
        self.drain();
        while self.update_library_dirs() {
            self.doubtful = false;
            self.drain();
        }
        self.judge_missing();
    }

    fn drain(&mut self) {
        loop {
            while let Some(path) = self.queue.pop_front() {
                self.follow(&path);
            }
            self.take_of_reached();
            self.run_by_made_links();
            if self.queue.is_empty() {
                self.follow_texts();
            }
            if self.queue.is_empty() {
                break;
            }
        }
    }

    fn follow(&mut self, path: &RootPath) {
        let Some((_, package, file)) = self.file_at(path) else { return };
        let reason = self.chosen.get(path).map(|chosen| chosen.selected.reason.clone());
        match &file.entry.kind {
            EntryKind::Symlink { target } => self.follow_link(path, target),
            EntryKind::File { .. } | EntryKind::HardLink { .. } => {
                if let Some(reason) = &file.damaged_elf {
                    let reason = reason.clone();
                    if is_command(path) && file.entry.metadata.mode & 0o111 != 0 {
                        let (file, package) = (path.clone(), Some(package.name.clone()));
                        self.damaged.insert(Damaged { file, package, reason });
                    } else {
                        self.warnings.insert(Warning::DamagedElf { path: path.clone(), reason });
                    }
                }
                if let Some(facts) = &file.elf {
                    self.link(path, facts, reason.as_ref());
                    self.follow_mentions(path, package, facts);
                } else if let Some(shebang) = &file.shebang {
                    self.interpret(path, file.entry.metadata.mode, shebang, &package.name);
                }
                self.fire_rules(path, package, file.elf.as_deref());
            }
            _ => {}
        }
    }

    /// Tells of a path that several packages ship, none of them by right.
    fn warn_if_contested(&mut self, path: &RootPath) {
        let catalog = self.inputs.catalog;
        let [taken, others @ ..] = catalog.at(path) else { return };
        let (taken, file) = catalog.get(*taken);
        if file.entry.kind == EntryKind::Directory {
            return;
        }
        for other in others {
            let dropped = catalog.get(*other).0;
            if dropped.name == taken.name {
                continue;
            }
            let (path, taken_name, dropped_name) = (path.clone(), taken.name.clone(), dropped.name.clone());
            if catalog.diverts(&taken.name, &path) {
                self.warnings.insert(Warning::Diverted { path, by: taken_name, of: dropped_name });
            } else if taken.replaces(dropped).is_none() {
                let (taken, dropped) = (taken_name, dropped_name);
                self.warnings.insert(Warning::Contested { path, taken, dropped });
            }
        }
    }

    /// The file that an installation would have at a path.
    pub(super) fn file_at(&self, path: &RootPath) -> Option<(FileRef, &'a PackageFiles, &'a CataloguedFile)> {
        let catalog = self.inputs.catalog;
        let file = *catalog.at(path).first()?;
        let (package, entry) = catalog.get(file);
        Some((file, package, entry))
    }
}
