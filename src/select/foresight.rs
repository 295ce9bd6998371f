//! What selection will want: told package by package as they are listed, before it can be asked.
//!
//! These are the rules of selection as far as they need no more than lists of single packages: which dependencies are
//! followed, which libraries are needed and what has them. What it leaves out selection wants for itself; what it wants
//! in vain is looked into for nothing.
//!
//! What is wanted in all does not depend on the order in which packages are seen: each rule only adds, and an outline
//! says of a package no more than that all of it is wanted, which it is then whoever came first.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::arch::Arch;
use crate::catalog::{CataloguedFile, MergedUsr, OwnElfs, PackageFiles};
use crate::distro::{Distro, PackageFormat, is_install_helper};
use crate::elf::ElfFacts;
use crate::loader::Search;
use crate::lock::LockedPackage;
use crate::recipe::{Keep, Recipe};
use crate::root_path::RootPath;
use crate::tarball::EntryKind;

use super::kinds;
use super::mentions::package_names;
use super::packages::{self, Role};
use super::patterns::{Glob, compile};
use super::rules::{RuntimeRules, is_c_library};
use super::scripts::{interpreters_of, usual_packages};
use super::strip::StripRules;
use super::visible::loader_for;
use super::{SelectError, Wants, packages::named};

/// Tells what will be wanted.
#[derive(Debug)]
pub struct Foresight<'a> {
    packages: &'a BTreeMap<&'a str, &'a LockedPackage>,
    distro: Distro,
    search: Search,
    rules: RuntimeRules<'a>,
    /// What is on every system: [`packages::essential`].
    essential: BTreeSet<String>,
    /// The recipe's own layers.
    layers: Vec<Ahead>,
    seen: BTreeMap<String, PackageFiles>,
    /// The packages that have a file of a name on the loader's path.
    libraries: HashMap<String, BTreeSet<String>>,
    wanted: Wants,
    /// Those of which nothing was said yet.
    fresh: Wants,
}

/// What is to be expected of a layer.
#[derive(Debug)]
struct Ahead {
    keep: Keep,
    /// The packages that it or a lower layer names.
    named: BTreeSet<String>,
    /// Those that it names and all they depend on. What else is locked is for run-time rules to ask for.
    closure: BTreeSet<String>,
    strip: StripRules,
    include: Vec<Glob>,
    exclude: Vec<Glob>,
    /// What packages give that are reached.
    roles: BTreeMap<String, Role>,
    /// Dependencies that are reached if they do not wait for one of their libraries to be needed, and whether the
    /// dependant opens these by name.
    dependencies: BTreeMap<String, bool>,
    /// The names of libraries that are needed.
    needed: BTreeSet<String>,
    /// The rules that fired. In selection each does so once, but who does it first is not known here.
    fired: BTreeSet<usize>,
    /// Packages, and the names of their libraries.
    loaded: HashSet<(String, String)>,
}

/// What is to be done yet, in a layer.
enum Step {
    /// A package is reached.
    Reach(String, Role),
    /// What a package has of a library's name is needed.
    Load(String, String),
    /// A library is needed.
    Need(String),
    /// A run-time rule fires.
    Fire(usize),
    /// A script of a package is run by an interpreter.
    Interpret(String, String),
}

impl<'a> Foresight<'a> {
    /// Of what a recipe adds to its bases. `own` are the ELF files that it brings.
    pub fn new(
        recipe: &'a Recipe,
        arch: Arch,
        packages: &'a BTreeMap<&'a str, &'a LockedPackage>,
        merged_usr: &MergedUsr,
        own: &OwnElfs,
    ) -> Result<Self, SelectError> {
        let distro = recipe.conventions();
        let no_port = || SelectError::NoPort { distro, arch };
        let names = distro.arch_name(arch).zip(distro.triplet(arch)).ok_or_else(no_port)?;
        // What names no package and brings no program wants nothing, whatever the rules.
        let stacked = recipe.stacked();
        let mut layers = stacked.iter().skip(recipe.layers_below()).map(|stacked| stacked.layer);
        let is_idle = layers.all(|layer| layer.packages.is_empty())
            && own.files.values().all(|elf| elf.layer < recipe.layers_below());
        let rules = if is_idle {
            RuntimeRules::default()
        } else {
            RuntimeRules::new(recipe.runtime_rules(), names.0, names.1)?
        };
        let mut foresight = Foresight {
            packages,
            distro,
            search: loader_for(distro, arch, None).ok_or_else(no_port)?,
            rules,
            essential: packages::essential(packages),
            layers: Vec::new(),
            seen: BTreeMap::new(),
            libraries: HashMap::new(),
            wanted: Wants::default(),
            fresh: Wants::default(),
        };
        let mut all_named = BTreeSet::new();
        for (number, stacked) in stacked.iter().enumerate().filter(|_| !is_idle) {
            let layer = stacked.layer;
            let named = named(stacked, packages, names.0, names.1);
            if layer.keep != Keep::Listed {
                all_named.extend(named.iter().cloned());
            }
            if number < recipe.layers_below() {
                continue;
            }
            foresight.layers.push(Ahead {
                keep: layer.keep,
                named: all_named.union(&named).cloned().collect(),
                closure: packages::closure(&named, packages),
                strip: StripRules::new(recipe, number).map_err(|error| SelectError::strip(&error))?,
                include: compile(layer, &layer.include, names, merged_usr)?,
                exclude: compile(layer, &layer.exclude, names, merged_usr)?,
                roles: BTreeMap::new(),
                dependencies: BTreeMap::new(),
                needed: BTreeSet::new(),
                fired: BTreeSet::new(),
                loaded: HashSet::new(),
            });
            foresight.begin(named, own, number);
        }
        if let Some(number) = foresight.layers.iter().position(|layer| layer.keep != Keep::Listed) {
            let fired = foresight.rules.fired_by_environment(&recipe.image.env);
            foresight.walk(number, fired.into_iter().map(Step::Fire).collect());
        }
        Ok(foresight)
    }

    /// The first that are wanted, or those since the last call.
    pub fn wants(&mut self) -> Wants {
        std::mem::take(&mut self.fresh)
    }

    /// Looks at what a package has, or may have. What follows from it [is wanted](Foresight::wants).
    pub fn see(&mut self, package: &PackageFiles) {
        let name = &package.name;
        if self.seen.get(name).is_some_and(|known| !known.is_outline || package.is_outline) {
            return;
        }
        self.seen.insert(name.clone(), package.clone());
        let mut libraries = BTreeSet::new();
        for file in &package.manifest.files {
            let path = &file.entry.path;
            let is_link = matches!(file.entry.kind, EntryKind::Symlink { .. });
            if (file.elf.is_some() || is_link) && self.search.in_default_dirs(path) {
                libraries.insert(path.file_name());
                self.libraries.entry(path.file_name().to_owned()).or_default().insert(name.clone());
            }
        }
        for number in 0..self.layers.len() {
            let layer = &self.layers[number];
            let needed = libraries.iter().filter(|library| layer.needed.contains(**library));
            let mut steps: Vec<Step> =
                needed.map(|library| Step::Load(name.clone(), (*library).to_owned())).collect();
            steps.extend(layer.roles.get(name).map(|role| Step::Reach(name.clone(), *role)));
            if let Some(opened) = layer.dependencies.get(name) {
                steps.extend(self.depend(package, *opened));
            }
            if !package.is_outline {
                steps.extend(self.listed(number, package));
            } else if self.lists(number, package) {
                self.want(name);
            }
            // What was reached before it was seen is looked at now.
            self.layers[number].roles.remove(name);
            self.walk(number, steps);
        }
    }

    fn begin(&mut self, named: BTreeSet<String>, own: &OwnElfs, number: usize) {
        let at = self.layers.len() - 1;
        let mut steps = Vec::new();
        match self.layers[at].keep {
            Keep::All => {
                let closure = self.layers[at].closure.clone();
                steps.extend(closure.into_iter().map(|name| Step::Reach(name, Role::Named)));
            }
            Keep::Needed => steps.extend(named.into_iter().map(|name| Step::Reach(name, Role::Named))),
            Keep::Listed => named.iter().for_each(|name| self.want(name)),
        }
        let own = own.files.iter().filter(|(_, elf)| elf.layer == number);
        steps.extend(own.flat_map(|(path, elf)| self.leads(at, path, None, &elf.facts)));
        self.walk(at, steps);
    }

    fn want(&mut self, name: &str) {
        if self.packages.contains_key(name) && self.wanted.files.insert(name.to_owned()) {
            self.fresh.files.insert(name.to_owned());
        }
    }

    fn want_outline(&mut self, name: &str) {
        let is_known = self.wanted.files.contains(name) || !self.packages.contains_key(name);
        if !is_known && self.wanted.outlines.insert(name.to_owned()) {
            self.fresh.outlines.insert(name.to_owned());
        }
    }

    fn walk(&mut self, number: usize, mut steps: Vec<Step>) {
        while let Some(step) = steps.pop() {
            steps.extend(match step {
                Step::Reach(name, role) => self.reach(number, &name, role),
                Step::Load(name, library) => self.load(number, &name, &library),
                Step::Need(library) => self.need(number, library),
                Step::Fire(rule) => self.fire(number, rule),
                Step::Interpret(package, interpreter) => self.interpret(&package, &interpreter),
            });
        }
    }

    /// As [`super::selector::Selector::expand`].
    fn reach(&mut self, number: usize, name: &str, role: Role) -> Vec<Step> {
        let layer = &mut self.layers[number];
        if layer.keep == Keep::Listed || layer.roles.get(name).is_some_and(|known| *known >= role) {
            return Vec::new();
        }
        layer.roles.insert(name.to_owned(), role);
        self.want(name);
        // What is outlined leads on once it is seen whole.
        let Some(package) = self.seen.get(name).filter(|package| !package.is_outline).cloned() else {
            return Vec::new();
        };
        let mut steps = self.taken(number, &package, role);
        let Some(locked) = self.packages.get(name).copied() else { return steps };
        let hands_on =
            role == Role::Named && kinds::is_meta(self.distro, &self.layers[number].strip, &package);
        for dependency in &locked.requires {
            let source = self.packages.get(dependency.as_str()).map(|locked| &locked.source);
            let is_part = source == Some(&locked.source);
            if hands_on || (role == Role::Named && is_part) {
                steps.push(Step::Reach(dependency.clone(), Role::Named));
            } else if !self.is_helper(number, dependency) {
                let may_open = !is_part || kinds::is_bridge(&package);
                let opens = may_open && !kinds::has_elf(&package);
                *self.layers[number].dependencies.entry(dependency.clone()).or_default() |= opens;
                self.want_outline(dependency);
                if let Some(package) = self.seen.get(dependency) {
                    steps.extend(self.depend(package, opens));
                }
            }
        }
        steps
    }

    /// What a dependency of a reached package is for.
    fn depend(&self, package: &PackageFiles, opened: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        if opened || kinds::waits_for_nothing(&self.search, package) {
            steps.push(Step::Reach(package.name.clone(), Role::Reached));
        }
        if opened {
            let paths = package.manifest.files.iter().map(|file| &file.entry.path);
            let libraries = paths.filter(|path| self.search.in_default_dirs(path));
            let load = |path: &RootPath| Step::Load(package.name.clone(), path.file_name().to_owned());
            steps.extend(libraries.map(load));
        }
        steps
    }

    fn is_helper(&self, number: usize, name: &str) -> bool {
        is_install_helper(self.distro, name) && !self.layers[number].named.contains(name)
    }

    /// What the programs and scripts lead to that a reached package gives.
    fn taken(&self, number: usize, package: &PackageFiles, role: Role) -> Vec<Step> {
        self.of_files(number, package, |file| {
            (role == Role::Named || kinds::comes_with_package(&self.search, file))
                && self.layers[number].strip.class_of(&file.entry.path).is_none()
        })
    }

    /// Whether a layer lists something that a package may have.
    fn lists(&self, number: usize, package: &PackageFiles) -> bool {
        let layer = &self.layers[number];
        let mut paths = package.manifest.files.iter().map(|file| &file.entry.path);
        layer.closure.contains(&package.name)
            && paths.any(|path| layer.include.iter().any(|glob| glob.covers(path)) && !layer.excludes(path))
    }

    /// What the programs and scripts of a package lead to that a layer lists.
    fn listed(&self, number: usize, package: &PackageFiles) -> Vec<Step> {
        let include = &self.layers[number].include;
        self.of_files(number, package, |file| include.iter().any(|glob| glob.covers(&file.entry.path)))
    }

    fn of_files(
        &self,
        number: usize,
        package: &PackageFiles,
        is_in: impl Fn(&CataloguedFile) -> bool,
    ) -> Vec<Step> {
        let files = package.manifest.files.iter();
        let files = files.filter(|file| (file.elf.is_some() || file.shebang.is_some()) && is_in(file));
        let files = files.filter(|file| !self.layers[number].excludes(&file.entry.path));
        let mut steps = Vec::new();
        let mut interpreters = BTreeSet::new();
        for file in files {
            let facts = file.elf.iter();
            steps.extend(
                facts.flat_map(|facts| self.leads(number, &file.entry.path, Some(&package.name), facts)),
            );
            interpreters.extend(interpreters_of(file));
        }
        let scripts = interpreters.into_iter();
        steps.extend(scripts.map(|one| Step::Interpret(package.name.clone(), one.to_owned())));
        steps
    }

    /// As [`super::selector::Selector::pull_interpreter`], as far as the name of an interpreter tells its package.
    fn interpret(&mut self, package: &str, interpreter: &str) -> Vec<Step> {
        let name = interpreter.rsplit('/').next().unwrap_or(interpreter);
        let mut usual = usual_packages(name).iter().copied().chain([name]);
        let Some(owner) = usual.find_map(|name| self.packages.get(name).copied()) else {
            return Vec::new();
        };
        self.want(&owner.name);
        let is_helper = is_install_helper(self.distro, &owner.name);
        if self.distro.format() != PackageFormat::Deb {
            return if is_helper { Vec::new() } else { vec![Step::Reach(owner.name.clone(), Role::Reached)] };
        }
        let family = packages::helpers_of(self.distro, package, self.packages);
        let source = |name: &str| self.packages.get(name).map(|locked| &locked.source);
        let family = family.into_iter().filter(|name| is_helper && source(name) == Some(&owner.source));
        let reached = std::iter::once(owner.name.as_str()).chain(family);
        reached.map(|name| Step::Reach(name.to_owned(), Role::Reached)).collect()
    }

    /// What an ELF file leads to: the libraries that it needs, its loader, and the rules that it fires.
    fn leads(&self, number: usize, path: &RootPath, package: Option<&str>, facts: &ElfFacts) -> Vec<Step> {
        let loader = facts.interp.as_deref().and_then(|interp| interp.rsplit('/').next());
        let needed = facts.needed.iter().map(String::as_str).chain(loader);
        let mut steps: Vec<Step> = needed.map(|library| Step::Need(library.to_owned())).collect();
        let locked = package.and_then(|name| self.packages.get(name));
        let is_c_library = locked.is_some_and(|locked| is_c_library(locked));
        if self.layers[number].keep != Keep::Listed && !is_c_library {
            steps.extend(self.rules.fired_by(path, Some(facts)).into_iter().map(Step::Fire));
        }
        steps
    }

    /// A rule asks for files of packages, or for the packages.
    fn fire(&mut self, number: usize, rule: usize) -> Vec<Step> {
        if !self.layers[number].fired.insert(rule) {
            return Vec::new();
        }
        let (rule, layer) = (self.rules.rule(rule), &self.layers[number]);
        let gives = |name: &&String| {
            layer.keep != Keep::All || layer.closure.contains(*name) || self.essential.contains(*name)
        };
        let packages: Vec<String> = rule.packages.iter().filter(gives).cloned().collect();
        if rule.files.is_empty() {
            return packages.into_iter().map(|name| Step::Reach(name, Role::Reached)).collect();
        }
        for name in &packages {
            self.want(name);
        }
        Vec::new()
    }

    fn need(&mut self, number: usize, library: String) -> Vec<Step> {
        if self.layers[number].needed.contains(&library) {
            return Vec::new();
        }
        let likely = package_names(&library);
        let likely = likely.iter().filter(|name| self.layers[number].closure.contains(*name));
        likely.cloned().collect::<Vec<_>>().iter().for_each(|name| self.want(name));
        let have = self.libraries.get(&library).into_iter().flatten();
        let steps = have.map(|package| Step::Load(package.clone(), library.clone())).collect();
        self.layers[number].needed.insert(library);
        steps
    }

    /// A library comes with what it needs, and its package is reached. What is outlined says that once it is seen whole.
    fn load(&mut self, number: usize, name: &str, library: &str) -> Vec<Step> {
        let Some(package) = self.seen.get(name).cloned() else { return Vec::new() };
        let layer = &mut self.layers[number];
        let files = package.manifest.files.iter().filter(|file| {
            let path = &file.entry.path;
            path.file_name() == library && self.search.in_default_dirs(path) && !layer.excludes(path)
        });
        let files: Vec<&CataloguedFile> = files.collect();
        if files.is_empty() {
            return Vec::new();
        }
        if package.is_outline {
            self.want(name);
            return Vec::new();
        }
        if !layer.loaded.insert((name.to_owned(), library.to_owned())) {
            return Vec::new();
        }
        let mut steps = Vec::new();
        for CataloguedFile { entry, elf, .. } in files {
            match (&entry.kind, elf) {
                (EntryKind::Symlink { target }, _) => {
                    steps.push(Step::Need(entry.path.link_target(target).file_name().to_owned()));
                }
                (_, Some(facts)) => steps.extend(self.leads(number, &entry.path, Some(name), facts)),
                _ => continue,
            }
            if !self.is_helper(number, name) {
                steps.push(Step::Reach(name.to_owned(), Role::Reached));
            }
        }
        steps
    }
}

impl Ahead {
    fn excludes(&self, path: &RootPath) -> bool {
        self.exclude.iter().any(|glob| glob.covers(path))
    }
}

#[cfg(test)]
#[path = "foresight/tests.rs"]
mod tests;
