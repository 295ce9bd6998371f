//! The state of a selection in progress: what is chosen, what is still to be looked at, what is wanted.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use crate::catalog::{FileRef, PackageFiles};
use crate::elf::ElfFacts;
use crate::loader::{FileTree, Node, Search};
use crate::recipe::{Keep, Layer, Pattern};
use crate::root_path::RootPath;
use crate::tarball::EntryKind;

use super::closure::ElfWork;
use super::packages::{self, Role};
use super::strip::StripRules;
use super::{
    Inputs, Outcome, Reason, SelectError, Selected, SelectedLayer, Selection, Unlinked, UnmatchedPattern,
    Warning,
};

/// One layer's rules, ready to be asked.
#[derive(Debug)]
pub(super) struct LayerRules {
    name: String,
    /// The packages the layer names.
    pub(super) named: BTreeSet<String>,
    /// Those and all they depend on.
    pub(super) closure: BTreeSet<String>,
    include: Vec<Glob>,
    exclude: Vec<Glob>,
}

/// A compiled pattern of a recipe.
#[derive(Debug)]
struct Glob {
    source: String,
    literal: Option<RootPath>,
    matcher: globset::GlobMatcher,
}

/// A path already chosen.
#[derive(Debug)]
struct Chosen {
    layer: usize,
    selected: Selected,
}

pub(super) struct Selector<'a> {
    pub(super) inputs: Inputs<'a>,
    pub(super) triplet: &'static str,
    pub(super) search: Search,
    pub(super) library_path: Vec<RootPath>,
    pub(super) roles: BTreeMap<String, Role>,
    pub(super) wants: BTreeSet<String>,
    pub(super) warnings: BTreeSet<Warning>,
    pub(super) unlinked: BTreeSet<Unlinked>,
    /// What plug-ins lack, unless something else in the image brings it.
    pub(super) lacking: BTreeSet<(RootPath, String)>,
    pub(super) elf_seen: HashSet<ElfWork>,
    arch_name: &'static str,
    strip: StripRules,
    layers: Vec<LayerRules>,
    chosen: BTreeMap<RootPath, Chosen>,
    queue: VecDeque<RootPath>,
}

impl<'a> Selector<'a> {
    pub(super) fn new(inputs: Inputs<'a>) -> Result<Self, SelectError> {
        let no_port = || SelectError::NoPort { distro: inputs.distro, arch: inputs.arch };
        let arch_name = inputs.distro.arch_name(inputs.arch).ok_or_else(no_port)?;
        let triplet = inputs.distro.triplet(inputs.arch).ok_or_else(no_port)?;
        let strip = StripRules::new(&inputs.recipe.strip).map_err(|error| SelectError::Pattern {
            layer: "strip".into(),
            pattern: error.glob().unwrap_or_default().into(),
            reason: error.kind().to_string(),
        })?;
        let library_path = inputs
            .recipe
            .image
            .env
            .get("LD_LIBRARY_PATH")
            .map(|value| value.split([':', ';']).filter_map(|path| RootPath::parse(path).ok()).collect())
            .unwrap_or_default();
        Ok(Selector {
            inputs,
            triplet,
            search: Search::glibc(inputs.arch.elf_machine(), triplet, Vec::new()),
            library_path,
            roles: BTreeMap::new(),
            wants: BTreeSet::new(),
            warnings: BTreeSet::new(),
            unlinked: BTreeSet::new(),
            lacking: BTreeSet::new(),
            elf_seen: HashSet::new(),
            arch_name,
            strip,
            layers: Vec::new(),
            chosen: BTreeMap::new(),
            queue: VecDeque::new(),
        })
    }

    /// Starts on a layer of the recipe; the ones below are settled.
    pub(super) fn enter(&mut self, index: usize) -> Result<(), SelectError> {
        let layer = &self.inputs.recipe.layers[index];
        let named = packages::named(layer, self.inputs.packages, self.arch_name, self.triplet);
        let closure = packages::closure(&named, self.inputs.packages);
        let include = self.compile(layer, &layer.include)?;
        let exclude = self.compile(layer, &layer.exclude)?;
        self.layers.push(LayerRules { name: layer.name.clone(), named, closure, include, exclude });
        for name in self.layer().named.clone() {
            self.catalogued(&name);
        }
        Ok(())
    }

    fn compile(&self, layer: &Layer, patterns: &[Pattern]) -> Result<Vec<Glob>, SelectError> {
        patterns
            .iter()
            .map(|pattern| {
                let matcher = pattern.expand(self.arch_name, self.triplet).map_err(|error| {
                    SelectError::Pattern {
                        layer: layer.name.clone(),
                        pattern: pattern.as_str().to_owned(),
                        reason: error.kind().to_string(),
                    }
                })?;
                let literal = pattern
                    .literal(self.arch_name, self.triplet)
                    .map(|path| self.inputs.catalog.canonical(&path));
                Ok(Glob { source: pattern.as_str().to_owned(), literal, matcher })
            })
            .collect()
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
        let found = self.inputs.catalog.package(name);
        if found.is_none() && self.inputs.packages.contains_key(name) {
            self.wants.insert(name.to_owned());
        }
        found
    }

    /// The globs of `include`: always in, strip classes or not.
    pub(super) fn include(&mut self) {
        let found: Vec<(FileRef, String)> = {
            let layer = self.layer();
            let mut found = Vec::new();
            for glob in &layer.include {
                found.extend(self.matches(glob).into_iter().map(|file| (file, glob.source.clone())));
            }
            found
        };
        let undecided = self.layer().include.iter().any(|glob| match &glob.literal {
            Some(literal) => self.inputs.catalog.at(literal).is_empty(),
            None => true,
        });
        if undecided {
            for name in self.layer().closure.clone() {
                self.catalogued(&name);
            }
        }
        for (file, glob) in found {
            let package = self.inputs.catalog.package_of(file);
            let path = &self.inputs.catalog.file(file).entry.path;
            self.choose(path, package, file.file as usize, Reason::Included(glob));
        }
    }

    fn matches(&self, glob: &Glob) -> Vec<FileRef> {
        let catalog = self.inputs.catalog;
        match &glob.literal {
            Some(literal) => catalog.at(literal).to_vec(),
            None => self
                .layer()
                .closure
                .iter()
                .flat_map(|name| catalog.files_of(name))
                .filter(|file| glob.matcher.is_match(catalog.file(*file).entry.path.as_str()))
                .collect(),
        }
    }

    /// The pattern of the current layer that excludes a path.
    pub(super) fn excluded_by(&self, path: &RootPath) -> Option<&str> {
        self.layer()
            .exclude
            .iter()
            .find(|glob| match &glob.literal {
                Some(literal) => path.is_within(literal),
                None => glob.matcher.is_match(path.as_str()),
            })
            .map(|glob| glob.source.as_str())
    }

    /// Puts a path into the current layer, unless the layer excludes it or it is in already.
    pub(super) fn choose(&mut self, path: &RootPath, package: &PackageFiles, index: usize, reason: Reason) {
        if self.chosen.contains_key(path) || self.excluded_by(path).is_some() {
            return;
        }
        let Some(file) = self.owner(path, package, index) else { return };
        let layer = self.layers.len() - 1;
        self.chosen.insert(path.clone(), Chosen { layer, selected: Selected { file, reason } });
        self.queue.push_back(path.clone());
    }

    /// Chooses a path found by a rule that does not come from its package, which thereby is reached.
    pub(super) fn pull(&mut self, path: &RootPath, reason: Reason) {
        let Some(file) = self.winner(path) else { return };
        let package = self.inputs.catalog.package_of(file);
        self.choose(path, package, file.file as usize, reason.clone());
        let by_interpreter = matches!(reason, Reason::Interpreter { .. });
        let keeps_whole_packages =
            self.inputs.recipe.layers[self.layers.len() - 1].keep == Keep::Needed;
        if keeps_whole_packages && (by_interpreter || !self.is_helper(&package.name)) {
            let name = package.name.clone();
            self.expand(&name, Role::Reached);
        }
    }

    /// Follows everything that the chosen files lead to.
    pub(super) fn settle(&mut self) {
        while let Some(path) = self.queue.pop_front() {
            let Some(file) = self.chosen.get(&path).map(|chosen| chosen.selected.file) else { continue };
            let entry = self.inputs.catalog.file(file);
            match &entry.entry.kind {
                EntryKind::Symlink { target } => self.follow_link(&path, target),
                EntryKind::File { .. } | EntryKind::HardLink { .. } => {
                    if let Some(reason) = &entry.damaged_elf {
                        self.warnings.insert(Warning::DamagedElf { path: path.clone(), reason: reason.clone() });
                    }
                    let package = self.inputs.catalog.package_of(file);
                    if let Some(facts) = self.facts_of(package, file.file as usize) {
                        self.link(&path, &facts);
                    } else if let Some(shebang) = &entry.shebang {
                        self.interpret(&path, entry.entry.metadata.mode, shebang, &package.name);
                    }
                }
                _ => {}
            }
        }
    }

    /// The ELF facts of a file, seen through a hard link.
    pub(super) fn facts_of(&self, package: &PackageFiles, index: usize) -> Option<std::sync::Arc<ElfFacts>> {
        let file = &package.manifest.files[index];
        match &file.entry.kind {
            EntryKind::HardLink { target } => package
                .manifest
                .files
                .iter()
                .find(|other| other.entry.path == *target && other.elf.is_some())
                .and_then(|other| other.elf.clone()),
            _ => file.elf.clone(),
        }
    }

    /// The file that an installation would have at a path which `package` ships, by `Replaces`.
    fn owner(&mut self, path: &RootPath, package: &PackageFiles, index: usize) -> Option<FileRef> {
        let all = self.inputs.catalog.at(path);
        let winner = self.winner(path)?;
        let taken = self.inputs.catalog.package_of(winner);
        if all.len() > 1 && package.manifest.files[index].entry.kind != EntryKind::Directory {
            for other in all.iter().filter(|other| **other != winner) {
                let dropped = self.inputs.catalog.package_of(*other);
                if !self.replaces(&taken.name, &dropped.name) {
                    self.warnings.insert(Warning::Contested {
                        path: path.clone(),
                        taken: taken.name.clone(),
                        dropped: dropped.name.clone(),
                    });
                }
            }
        }
        Some(winner)
    }

    /// Of the files at a path, the one whose package replaces the others'; else the first by name.
    pub(super) fn winner(&self, path: &RootPath) -> Option<FileRef> {
        let catalog = self.inputs.catalog;
        let all = catalog.at(path);
        all.iter()
            .copied()
            .find(|file| {
                let name = &catalog.package_of(*file).name;
                all.len() == 1
                    || all.iter().any(|other| self.replaces(name, &catalog.package_of(*other).name))
            })
            .or_else(|| all.first().copied())
    }

    fn replaces(&self, package: &str, other: &str) -> bool {
        let Some(locked) = self.inputs.packages.get(package) else { return false };
        locked
            .relation("Replaces")
            .split(',')
            .filter_map(|clause| clause.trim().split([' ', '(', ':']).next())
            .any(|name| name == other)
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
        if !self.wants.is_empty() {
            return Ok(Outcome::Wants(self.wants));
        }
        if !self.unlinked.is_empty() {
            return Err(SelectError::Unlinked(self.unlinked.into_iter().collect()));
        }
        let unmatched = self.unmatched();
        self.warn_of_plugins();
        let mut layers: Vec<SelectedLayer> = self
            .layers
            .into_iter()
            .map(|layer| SelectedLayer { name: layer.name, files: BTreeMap::new() })
            .collect();
        for (path, chosen) in self.chosen {
            layers[chosen.layer].files.insert(path, chosen.selected);
        }
        Ok(Outcome::Selection(Selection {
            layers,
            warnings: self.warnings.into_iter().collect(),
            unmatched,
        }))
    }

    /// A library that a plug-in lacks may be in the process already, loaded by the program that opens it.
    fn warn_of_plugins(&mut self) {
        let provided: BTreeSet<String> = self
            .chosen
            .values()
            .filter_map(|chosen| self.inputs.catalog.file(chosen.selected.file).elf.as_ref()?.soname.clone())
            .collect();
        for (plugin, needed) in std::mem::take(&mut self.lacking) {
            if !provided.contains(&needed) {
                self.warnings.insert(Warning::PluginLacks { plugin, needed });
            }
        }
    }

    fn unmatched(&self) -> Vec<UnmatchedPattern> {
        let catalog = self.inputs.catalog;
        let mut unmatched = Vec::new();
        for layer in &self.layers {
            let certain = layer.closure.iter().all(|name| catalog.package(name).is_some());
            for (list, globs) in [("include", &layer.include), ("exclude", &layer.exclude)] {
                for glob in globs {
                    let matches = match &glob.literal {
                        Some(literal) => !catalog.at(literal).is_empty(),
                        None => catalog.paths().any(|path| glob.matcher.is_match(path.as_str())),
                    };
                    if !matches {
                        unmatched.push(UnmatchedPattern {
                            layer: layer.name.clone(),
                            list,
                            pattern: glob.source.clone(),
                            certain,
                        });
                    }
                }
            }
        }
        unmatched
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
        let hidden = !self.with_excluded
            && !selector.chosen.contains_key(path)
            && selector.excluded_by(path).is_some();
        if hidden {
            return None;
        }
        match selector.winner(path) {
            Some(file) => selector.inputs.catalog.node_of(file),
            None => selector.inputs.catalog.node(path),
        }
    }
}
