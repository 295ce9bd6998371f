//! The state of a selection in progress: what is chosen, what is still to be looked at, what is wanted.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::rc::Rc;

use crate::arch::Arch;
use crate::catalog::{CataloguedFile, FileRef, PackageFiles};
use crate::distro::{Distro, PackageFormat};
use crate::elf::{ElfFacts, ElfKind};
use crate::loader::{FileTree, Node, Search, musl_name};
use crate::recipe::{Keep, Stacked};
use crate::root_path::RootPath;
use crate::tarball::EntryKind;

use super::bonds::Bonds;
use super::closure::{ElfRoot, ElfWork};
use super::mentions::Opened;
use super::packages::{self, Role, is_command};
use super::patterns::Glob;
use super::rules::RuntimeRules;
use super::strip::StripRules;
use super::words::Called;
use super::{
    Damaged, Inputs, Lacked, Outcome, PassedLink, PluginCost, Reason, SelectError, Selected, SelectedLayer,
    Selection, Unlinked, Wants, Warning,
};

/// One layer's rules, ready to be asked.
#[derive(Debug)]
pub(super) struct LayerRules {
    pub(super) name: String,
    /// The packages the layer names.
    pub(super) named: BTreeSet<String>,
    /// Those and all they depend on.
    pub(super) closure: BTreeSet<String>,
    pub(super) include: Vec<Glob>,
    pub(super) exclude: Vec<Glob>,
    /// Which of these excludes the paths that were asked for.
    pub(super) excluded: RefCell<HashMap<RootPath, Option<usize>>>,
}

/// A library that a plug-in would not find by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lacking {
    pub(super) plugin: RootPath,
    pub(super) needed: String,
    /// The pattern that excludes it.
    pub(super) excluded_by: Option<String>,
}

/// A path already chosen.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) layer: usize,
    pub(super) selected: Selected,
}

pub(super) struct Selector<'a> {
    pub(super) inputs: Inputs<'a>,
    pub(super) triplet: &'static str,
    /// The distro's loader.
    pub(super) search: Rc<Search>,
    pub(super) library_path: Vec<RootPath>,
    pub(super) roles: BTreeMap<String, Role>,
    /// Helpers that are reached as interpreters of kept scripts.
    pub(super) interpreters: BTreeSet<String>,
    /// Files that are run though they are where scripts need not be.
    pub(super) run: BTreeSet<RootPath>,
    pub(super) wants: BTreeSet<String>,
    /// The packages of which an outline is wanted.
    outlines: BTreeSet<String>,
    /// Scripts whose words are not known yet.
    pub(super) reads: BTreeSet<RootPath>,
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
    damaged: BTreeSet<Damaged>,
    /// What of a base image's packages is needed and nowhere.
    pub(super) lacked: BTreeSet<Lacked>,
    /// What plug-ins lack, unless something else in the image brings it.
    pub(super) lacking: BTreeSet<Lacking>,
    /// Links that no package has, by which something chosen is found, and the layer that first needs them.
    pub(super) passed: BTreeMap<RootPath, (usize, PassedLink)>,
    pub(super) elf_seen: HashSet<ElfWork>,
    /// What was linked in the current layer, and whether something seemed to be missing.
    pub(super) elf_roots: Vec<ElfRoot>,
    /// What was linked in the layers below.
    pub(super) settled_roots: Vec<ElfRoot>,
    pub(super) doubtful: bool,
    pub(super) arch_name: &'static str,
    pub(super) strip: StripRules,
    /// The layers of the recipe's bases and its own.
    stacked: Vec<Stacked<'a>>,
    pub(super) layers: Vec<LayerRules>,
    pub(super) chosen: BTreeMap<RootPath, Chosen>,
    pub(super) queue: VecDeque<RootPath>,
    /// What layers that list files have, and what an upper layer needs with all it leads to.
    followed: HashSet<RootPath>,
    /// The packages that a layer has for their own sake, though lower layers have files of theirs.
    whole: BTreeSet<(usize, String)>,
}

impl<'a> Selector<'a> {
    pub(super) fn new(inputs: Inputs<'a>) -> Result<Self, SelectError> {
        let no_port = || SelectError::NoPort { distro: inputs.distro, arch: inputs.arch };
        let arch_name = inputs.distro.arch_name(inputs.arch).ok_or_else(no_port)?;
        let triplet = inputs.distro.triplet(inputs.arch).ok_or_else(no_port)?;
        let strip = StripRules::new(&inputs.recipe.strip, inputs.distro)
            .map_err(|error| SelectError::strip(&error))?;
        let search = loader_for(inputs.distro, inputs.arch, inputs.musl_path).ok_or_else(no_port)?;
        let library_path = inputs.recipe.image.env.get("LD_LIBRARY_PATH");
        let library_path = library_path.map(|value| search.library_path(value)).unwrap_or_default();
        Ok(Selector {
            inputs,
            triplet,
            search: Rc::new(search),
            library_path,
            roles: BTreeMap::new(),
            interpreters: BTreeSet::new(),
            run: BTreeSet::new(),
            wants: BTreeSet::new(),
            outlines: BTreeSet::new(),
            reads: BTreeSet::new(),
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
            elf_roots: Vec::new(),
            settled_roots: Vec::new(),
            doubtful: false,
            arch_name,
            strip,
            stacked: inputs.recipe.stacked(),
            layers: Vec::new(),
            chosen: BTreeMap::new(),
            queue: VecDeque::new(),
            followed: HashSet::new(),
            whole: BTreeSet::new(),
        })
    }

    /// Takes over what is chosen for the layers of the recipe's bases, which are settled.
    pub(super) fn stand_on_base(&mut self) {
        let Inputs { below, catalog, own, packages, .. } = self.inputs;
        for (number, selected) in below.layers.iter().enumerate() {
            let stacked = &self.stacked[number];
            // A base that lists files names packages only to say where they are.
            let named = match stacked.layer.keep {
                Keep::Listed => BTreeSet::new(),
                Keep::Needed | Keep::All => packages::named(stacked, packages, self.arch_name, self.triplet),
            };
            self.layers.push(LayerRules {
                name: selected.name.clone(),
                named,
                closure: BTreeSet::new(),
                include: Vec::new(),
                exclude: Vec::new(),
                excluded: RefCell::default(),
            });
            for (path, selected) in &selected.files {
                let chosen = Chosen { layer: number, selected: selected.clone() };
                self.chosen.insert(path.clone(), chosen);
                if let Some(facts) = &catalog.get(selected.file).1.elf {
                    self.add_root(path, facts, Some(&selected.reason));
                }
            }
            let links = selected.links.iter().map(|(path, link)| (path.clone(), (number, link.clone())));
            self.passed.extend(links);
            let made = selected.made.iter().map(|(path, made)| (path.clone(), (number, made.clone())));
            self.runtime.made.extend(made);
            self.whole.extend(selected.whole.iter().map(|package| (number, package.clone())));
            let tools = selected.tools.iter().map(|(tool, reason)| (*tool, (number, reason.clone())));
            self.runtime.tools.extend(tools);
        }
        for (path, elf) in own.files.iter().filter(|(_, elf)| elf.layer < below.layers.len()) {
            self.add_root(path, &elf.facts, Some(&Reason::Named));
        }
        self.runtime.env.extend(below.env.clone());
    }

    /// Starts on a layer of the recipe; the ones below are settled. What those made of a package is looked
    /// at anew: their exclusions do not hold here.
    pub(super) fn enter(&mut self) -> Result<(), SelectError> {
        self.roles.clear();
        self.interpreters.clear();
        self.run.clear();
        self.elf_seen.clear();
        self.settled_roots.append(&mut self.elf_roots);
        // As a base does, a layer that lists files names packages only to say where they are.
        let number = self.layers.len();
        if let Some(below) =
            self.layers.last_mut().filter(|_| self.stacked[number - 1].layer.keep == Keep::Listed)
        {
            below.named.clear();
        }
        let stacked = &self.stacked[number];
        let named = packages::named(stacked, self.inputs.packages, self.arch_name, self.triplet);
        let closure = packages::closure(&named, self.inputs.packages);
        let layer = stacked.layer;
        let include = self.compile(layer, &layer.include)?;
        let exclude = self.compile(layer, &layer.exclude)?;
        let (name, excluded) = (layer.name.clone(), RefCell::default());
        self.layers.push(LayerRules { name, named, closure, include, exclude, excluded });
        for name in self.layer().named.clone() {
            self.catalogued(&name);
        }
        Ok(())
    }

    /// The layer at work.
    pub(super) fn layer(&self) -> &LayerRules {
        // `enter` comes before everything else.
        &self.layers[self.layers.len() - 1]
    }

    pub(super) fn is_named(&self, package: &str) -> bool {
        self.layers.iter().any(|layer| layer.named.contains(package))
    }

    pub(super) fn is_stripped(&self, path: &RootPath) -> bool {
        self.strip.class_of(path).is_some()
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
            let is_listed = self.stacked[below].layer.keep == Keep::Listed;
            if is_listed && self.keeps_whole_packages() && self.followed.insert(path.clone()) {
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
        let by_interpreter = matches!(reason, Reason::Interpreter { .. }) && self.helpers_have_modules();
        // Of its own package a file pulls what it needs and no more: where that is reached, it was so before.
        let is_own = reason.by().is_some_and(|by| self.package_at(by) == package.name);
        self.choose(path, reason);
        if !is_own && self.keeps_whole_packages() && (by_interpreter || !self.is_helper(&package.name)) {
            self.bonds.file_to_package(path, &package.name);
            self.expand(&package.name, Role::Reached);
        }
    }

    /// Whether a file is opened by name: a shared object that is neither a program nor where the loader looks.
    fn is_plugin(&self, path: &RootPath, facts: &ElfFacts) -> bool {
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

    /// Whether a file that is pulled brings its package along in the current layer.
    pub(super) fn keeps_whole_packages(&self) -> bool {
        self.stacked[self.layers.len() - 1].layer.keep == Keep::Needed
    }

    /// Notes a link that no package has, by which something chosen is found: one of the distro's merged `/usr`,
    /// which an image without a skeleton needs too, or one that is made if there is a reason.
    pub(super) fn pass(&mut self, link: &RootPath, reason: &Reason) {
        let layer = self.layers.len() - 1;
        let of_distro = self.inputs.catalog.merged_usr().link(link);
        let target = of_distro.or_else(|| self.made_link(link));
        if let Some(target) = target {
            let target = target.to_owned();
            let passed = PassedLink { target, of_distro: of_distro.is_some(), reason: reason.clone() };
            self.passed.entry(link.clone()).or_insert((layer, passed));
        }
    }

    /// What a link says that is to be made at a path, unless a package has something there or below.
    fn made_link(&self, path: &RootPath) -> Option<&'a str> {
        let target = self.inputs.made_links.get(path)?;
        self.inputs.catalog.within(path).next().is_none().then_some(target.as_str())
    }

    /// Whether there are links to be made below a path.
    fn holds_made_link(&self, path: &RootPath) -> bool {
        let links = self.inputs.made_links.range(path.clone()..).map(|(link, _)| link);
        links
            .take_while(|link| link.as_str().starts_with(path.as_str()))
            .any(|link| link != path && link.is_within(path))
    }

    /// Links the ELF files that the recipe brings in the current layer.
    pub(super) fn link_own(&mut self) {
        let (own, layer) = (self.inputs.own, self.layers.len() - 1);
        for (path, elf) in own.files.iter().filter(|(_, elf)| elf.layer == layer) {
            self.bonds.root_to_file(path);
            self.link(path, &elf.facts, Some(&Reason::Named));
            self.fire_rules_of_own(path, &elf.facts);
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
            if dropped.name != taken.name && taken.replaces(dropped).is_none() {
                self.warnings.insert(Warning::Contested {
                    path: path.clone(),
                    taken: taken.name.clone(),
                    dropped: dropped.name.clone(),
                });
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

    /// The catalogue as the current layer would see it unpacked: without what it excludes, but with all that
    /// lower layers have.
    pub(super) fn visible(&self) -> Visible<'_, 'a> {
        Visible { selector: self, with_excluded: false }
    }

    /// As [`Selector::visible`], exclusions undone: to tell why something is missing.
    pub(super) fn unexcluded(&self) -> Visible<'_, 'a> {
        Visible { selector: self, with_excluded: true }
    }

    /// The selection, once nothing more is wanted.
    pub(super) fn finish(mut self) -> Result<Outcome, SelectError> {
        let (files, outlines) = (std::mem::take(&mut self.wants), std::mem::take(&mut self.outlines));
        let wants = Wants { files, outlines };
        if !wants.is_empty() {
            return Ok(Outcome::Wants(wants));
        }
        if !self.reads.is_empty() {
            return Ok(Outcome::Reads(self.reads));
        }
        if !self.damaged.is_empty() {
            return Err(SelectError::Damaged(self.damaged.into_iter().collect()));
        }
        self.lack_libraries();
        if !self.lacked.is_empty() {
            return Err(SelectError::Lacked(self.lacked.into_iter().collect()));
        }
        if !self.unlinked.is_empty() {
            return Err(SelectError::Unlinked(self.unlinked.into_iter().collect()));
        }
        let unmatched = self.unmatched();
        let files = self.outlined_for(&unmatched);
        if !files.is_empty() {
            return Ok(Outcome::Wants(Wants { files, ..Wants::default() }));
        }
        let unproven = self.prove();
        if !unproven.is_empty() {
            return Err(SelectError::Unproven(unproven));
        }
        self.warn_of_plugins();
        self.warn_of_opened();
        self.warn_of_commands();
        let plugins = self.plugin_costs();
        let empty =
            |layer: &LayerRules| SelectedLayer { name: layer.name.clone(), ..SelectedLayer::default() };
        let mut layers: Vec<SelectedLayer> = self.layers.iter().map(empty).collect();
        for (path, (layer, link)) in self.passed {
            layers[layer].links.insert(path, link);
        }
        for (path, (layer, made)) in self.runtime.made {
            if !self.chosen.contains_key(&path) {
                layers[layer].made.insert(path, made);
            }
        }
        for (tool, (layer, reason)) in self.runtime.tools {
            layers[layer].tools.insert(tool, reason);
        }
        for (path, chosen) in self.chosen {
            layers[chosen.layer].files.insert(path, chosen.selected);
        }
        for (layer, package) in self.whole {
            layers[layer].whole.insert(package);
        }
        let warnings = self.warnings.into_iter().collect();
        Ok(Outcome::Selection(Selection { layers, warnings, unmatched, env: self.runtime.env, plugins }))
    }

    fn plugin_costs(&self) -> Vec<PluginCost> {
        let mut plugins: BTreeSet<&RootPath> = BTreeSet::new();
        let mut sizes: BTreeMap<&RootPath, u64> = BTreeMap::new();
        for (path, file) in self.chosen_files() {
            if let EntryKind::File { size } = file.entry.kind {
                sizes.insert(path, size);
            }
            if file.elf.as_ref().is_some_and(|facts| self.is_plugin(path, facts)) {
                plugins.insert(path);
            }
        }
        self.bonds.plugin_costs(&plugins, &sizes)
    }

    /// Tells of commands that scripts call and that nothing in the image has.
    fn warn_of_commands(&mut self) {
        let mut lacking: BTreeMap<RootPath, Vec<String>> = BTreeMap::new();
        for Called { script, command } in std::mem::take(&mut self.called) {
            let found = self.find_command(&command).is_some_and(|(_, file)| self.is_chosen(&file));
            if !found {
                lacking.entry(script).or_default().push(command);
            }
        }
        for (script, commands) in lacking {
            self.warnings.insert(Warning::NoCommands { script, commands });
        }
    }

    /// A library that a plug-in lacks may be in the process already, loaded by the program that opens it.
    fn warn_of_plugins(&mut self) {
        let mut provided: BTreeSet<&str> = BTreeSet::new();
        for (path, chosen) in &self.chosen {
            if let Some(facts) = &self.inputs.catalog.get(chosen.selected.file).1.elf {
                provided.insert(path.file_name());
                provided.extend(facts.soname.as_deref());
            }
        }
        for Lacking { plugin, needed, excluded_by } in std::mem::take(&mut self.lacking) {
            if !provided.contains(needed.as_str()) {
                self.warnings.insert(Warning::PluginLacks { plugin, needed, excluded_by });
            }
        }
    }
}

impl Selector<'_> {
    /// What is at a path, excluded or not.
    fn node(&self, path: &RootPath) -> Option<Node<'_>> {
        let Inputs { own, catalog, .. } = self.inputs;
        if let Some(own) = own.files.get(path) {
            // Where the recipe brings a file, that is the one.
            return Some(Node::File(Some(&own.facts)));
        }
        let node = catalog.node(path).or_else(|| own.node(path).filter(|_| !path.is_root()));
        let node = node.or_else(|| self.made_link(path).map(Node::Symlink));
        // The directory of the alternatives' links may be nobody's.
        node.or_else(|| self.holds_made_link(path).then_some(Node::Directory))
    }
}

/// A file tree of what the current layer may take from, over what lower layers have.
pub(super) struct Visible<'s, 'a> {
    selector: &'s Selector<'a>,
    with_excluded: bool,
}

impl FileTree for Visible<'_, '_> {
    fn node(&self, path: &RootPath) -> Option<Node<'_>> {
        let selector = self.selector;
        // Most of what is sought is not there, which is found sooner than whether it is excluded.
        let node = selector.node(path)?;
        let hidden = !self.with_excluded
            && !selector.chosen.contains_key(path)
            && selector.excluded_by(path).is_some();
        (!hidden).then_some(node)
    }
}

/// How a distro's own loader searches; none where the distro has no port for the architecture. `musl_path` is the
/// content of musl's path file in the image.
pub fn loader_for(distro: Distro, arch: Arch, musl_path: Option<&str>) -> Option<Search> {
    let machine = arch.elf_machine();
    let triplet = distro.triplet(arch)?;
    Some(match distro {
        Distro::Debian(_) | Distro::Ubuntu(_) => Search::glibc(machine, triplet, Vec::new()),
        Distro::Alpine(_) => Search::musl(machine, musl_name(arch), musl_path),
        Distro::Wolfi => Search::glibc_plain(machine, Vec::new()),
    })
}
