//! Packages in selection: which a layer names, which are reached, what each role gives.
//!
//! Rules 1 to 3 of the `needed` policy. They hold for Alpine too, where the source package is the origin, and what
//! comes by `install_if` is a dependency of what triggers it: an origin's subpackages are parts of one program, and
//! those that are mere additions (`-doc`, `-openrc`) are in the lock only where something asked for them.

use std::collections::{BTreeMap, BTreeSet};

use crate::arch::Arch;
use crate::catalog::{CataloguedFile, PackageFiles};
use crate::distro::{Distro, is_install_helper};
use crate::lock::LockedPackage;
use crate::recipe::{Keep, PackageSpec, Recipe, Stacked};
use crate::root_path::RootPath;
use crate::tarball::EntryKind;

use super::Reason;
use super::kinds::{
    comes_with_package, has_elf, is_bridge, is_command, is_meta, is_scripts_alone, offers_library,
    waits_for_nothing,
};
use super::selector::Selector;

/// What a package gives to a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// Data, plug-ins and the libraries that something needs.
    Reached,
    /// Every file.
    Named,
}

impl Selector<'_> {
    /// Rule of `all`: every file of the layer's packages and of all they depend on. On Essential packages they depend
    /// without saying so (Debian Policy 3.5): of those the rules of `needed` take what is used.
    pub(super) fn keep_all(&mut self) {
        let closure = self.layer().closure.clone();
        for name in &closure {
            self.catalogued(name);
            self.bring_without_files(name);
            if let Some(package) = self.inputs.catalog.package(name) {
                self.roles.insert(name.clone(), Role::Named);
                self.lack_files(package, Role::Named);
            }
            for file in self.inputs.catalog.files_of(name) {
                let path = &self.inputs.catalog.get(file).1.entry.path;
                if !self.is_stripped(path) {
                    self.choose(path, Reason::All);
                }
            }
        }
        for package in closure.iter().filter_map(|name| self.inputs.catalog.package(name)) {
            let requires = self.inputs.packages.get(package.name.as_str()).map(|locked| &locked.requires);
            if requires.into_iter().flatten().any(|name| self.opens_libraries(package, name)) {
                self.fire_by_opening(package);
            }
        }
        self.fire_by_environment();
    }

    /// Rules of `needed`: starts from the packages that the layer names.
    pub(super) fn keep_needed(&mut self) {
        for name in self.layer().named.clone() {
            self.bonds.root_to_package(&name);
            self.expand(&name, Role::Named);
            self.bring_without_files(&name);
        }
        self.fire_by_environment();
    }

    /// A package that has no files is in the layer all the same: its scripts may be what it is for.
    fn bring_without_files(&mut self, name: &str) {
        let is_empty = self.inputs.catalog.package(name).is_some_and(|package| {
            let mut files = package.manifest.files.iter();
            !package.is_outline && files.all(|file| file.entry.kind == EntryKind::Directory)
        });
        if is_empty {
            self.whole.insert((self.layers.len() - 1, name.to_owned()));
        }
    }

    /// Takes from a package what its role gives, and goes on to what it depends on. Does nothing the
    /// second time, unless the role is higher.
    pub(super) fn expand(&mut self, name: &str, role: Role) {
        let mut stack = vec![(name.to_owned(), role)];
        while let Some((name, role)) = stack.pop() {
            if self.roles.get(&name).is_some_and(|known| *known >= role) {
                continue;
            }
            let Some(package) = self.catalogued(&name) else { continue };
            self.roles.insert(name.clone(), role);
            self.take_files(package, role);
            self.lack_files(package, role);
            let Some(locked) = self.inputs.packages.get(name.as_str()).copied() else { continue };
            let is_meta = role == Role::Named && self.is_meta(package);
            for dependency in locked.requires.iter().rev() {
                let source = self.inputs.packages.get(dependency.as_str()).map(|locked| &locked.source);
                let passes_name = is_meta || (role == Role::Named && source == Some(&locked.source));
                if passes_name {
                    self.bonds.package_to_package(&name, dependency);
                    stack.push((dependency.clone(), Role::Named));
                } else if source == Some(&locked.source) && self.interpreters.contains(&name) {
                    // Its modules may lie beside a library that nothing needs (libperl).
                    if !self.is_helper(dependency) {
                        self.interpreters.insert(dependency.clone());
                        self.bonds.package_to_package(&name, dependency);
                        stack.push((dependency.clone(), Role::Reached));
                    }
                } else {
                    let follows = self.follows(dependency);
                    let may_open = source != Some(&locked.source) || is_bridge(package);
                    let opens = may_open && self.opens_libraries(package, dependency);
                    if follows || opens {
                        self.bonds.package_to_package(&name, dependency);
                        stack.push((dependency.clone(), Role::Reached));
                    }
                    if follows && role == Role::Named && is_scripts_alone(package) {
                        self.take_command(dependency);
                    }
                    if opens {
                        self.take_libraries(dependency);
                        self.fire_by_opening(package);
                    }
                }
            }
        }
    }

    /// Whether a dependency is reached through its dependant at once. A package that ships a library on the loader's
    /// path waits until one of its libraries is needed, unless it ships modules of an interpreter too: who imports
    /// those is not known.
    fn follows(&mut self, dependency: &str) -> bool {
        if self.is_helper(dependency) {
            return false;
        }
        let Some(package) = self.outlined(dependency) else { return false };
        waits_for_nothing(&self.search, package)
    }

    /// Whether a package that has no ELF file depends on one that ships a library: its scripts open that by name
    /// (Python's ctypes, typelibs), for what else would it be there?
    fn opens_libraries(&self, package: &PackageFiles, dependency: &str) -> bool {
        !has_elf(package)
            && !self.is_helper(dependency)
            && self
                .inputs
                .catalog
                .package(dependency)
                .is_some_and(|library| offers_library(&self.search, library))
    }

    /// Takes the command that a package has its name from: who is nothing but scripts and depends on it runs that, by
    /// whatever way, such as by a name in a variable.
    fn take_command(&mut self, name: &str) {
        let Some(package) = self.inputs.catalog.package(name) else { return };
        for file in &package.manifest.files {
            let path = &file.entry.path;
            let is_file = file.entry.kind != EntryKind::Directory;
            if is_file && is_command(path) && path.file_name() == name && !self.is_stripped(path) {
                self.choose(path, Reason::Reached);
            }
        }
    }

    /// Takes the libraries that a package has on the loader's path, and the links by which they are found.
    fn take_libraries(&mut self, name: &str) {
        let Some(package) = self.inputs.catalog.package(name) else { return };
        for file in &package.manifest.files {
            let path = &file.entry.path;
            let is_file = file.entry.kind != EntryKind::Directory;
            if is_file && self.search.in_default_dirs(path) && !self.is_stripped(path) {
                self.choose(path, Reason::Reached);
            }
        }
    }

    /// Whether the package only helps to install others and nobody named it.
    pub(super) fn is_helper(&self, name: &str) -> bool {
        is_install_helper(self.inputs.distro, name) && !self.is_named(name)
    }

    /// Reaches the interpreter of a kept script with its modules, where a helper gives it: the helpers from
    /// one source with `owner`, which holds the interpreter, on which the script's package depends by itself
    /// or through packages that are no helpers.
    ///
    /// So a script of `git-email` for `/usr/bin/perl`, which is of `perl-base`, reaches `perl`, on which git
    /// depends; a package that has perl modules and no script that is kept reaches nothing.
    pub(super) fn reach_interpreter(&mut self, owner: &str, script_package: &str) {
        let packages = self.inputs.packages;
        let Some(source) = packages.get(owner).map(|locked| &locked.source) else { return };
        // Where the helper itself is named, here or below, its modules may be in one of the family that nobody named.
        let is_helper = is_install_helper(self.inputs.distro, owner);
        if !self.keeps_whole_packages() || !is_helper || !self.helpers_have_modules() {
            return;
        }
        let family: Vec<String> = helpers_of(self.inputs.distro, script_package, packages)
            .into_iter()
            .filter(|name| packages.get(name).is_some_and(|locked| locked.source == *source))
            .map(str::to_owned)
            .collect();
        for name in family {
            if self.interpreters.insert(name.clone()) {
                // What was made of it before it counted as an interpreter is made anew.
                self.roles.remove(&name);
            }
            self.bonds.package_to_package(script_package, &name);
            self.expand(&name, Role::Reached);
        }
    }

    fn take_files(&mut self, package: &PackageFiles, role: Role) {
        let parents: BTreeSet<RootPath> =
            package.manifest.files.iter().filter_map(|file| file.entry.path.parent()).collect();
        for file in &package.manifest.files {
            let path = &file.entry.path;
            let is_inner_directory = file.entry.kind == EntryKind::Directory && parents.contains(path);
            if is_inner_directory || self.is_stripped(path) {
                continue;
            }
            match role {
                Role::Named => self.choose(path, Reason::Named),
                Role::Reached if self.comes_with_package(file) => self.choose(path, Reason::Reached),
                Role::Reached => {}
            }
        }
    }

    /// See [`comes_with_package`].
    pub(super) fn comes_with_package(&self, file: &CataloguedFile) -> bool {
        comes_with_package(&self.search, file)
    }

    fn is_meta(&self, package: &PackageFiles) -> bool {
        is_meta(self.inputs.distro, &self.layer().strip, package)
    }
}

/// The locked packages that a layer names: those of the archive by name, local files by path.
pub fn named(
    layer: &Stacked<'_>,
    packages: &BTreeMap<&str, &LockedPackage>,
    arch_name: &str,
    triplet: &str,
) -> BTreeSet<String> {
    let specs = layer.layer.packages.iter();
    specs
        .filter_map(|spec| match spec {
            PackageSpec::Archive { name, .. } => {
                packages.get(name.expand(arch_name, triplet).as_str()).copied()
            }
            PackageSpec::Apk { .. } => {
                let relation = spec.relation(arch_name, triplet)?;
                let provides = |package: &&&LockedPackage| {
                    let names = package.relation("provides").split_whitespace();
                    names
                        .map(|one| one.split(['=', '<', '>', '~']).next())
                        .any(|one| one == Some(&relation.name))
                };
                let package = packages.get(relation.name.as_str());
                package.or_else(|| packages.values().find(provides)).filter(|_| !relation.conflict).copied()
            }
            PackageSpec::Local(file) => {
                let path = layer.path(&file.expand(arch_name, triplet));
                packages
                    .values()
                    .find(|package| package.repository.is_none() && package.path == path)
                    .copied()
            }
        })
        .map(|package| package.name.clone())
        .collect()
}

/// The packages reachable from some by the edges the solver chose, themselves included.
pub(super) fn closure(
    roots: &BTreeSet<String>,
    packages: &BTreeMap<&str, &LockedPackage>,
) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut stack: Vec<&str> = roots.iter().map(String::as_str).collect();
    while let Some(name) = stack.pop() {
        let Some(package) = packages.get(name) else { continue };
        if seen.insert(name.to_owned()) {
            stack.extend(package.requires.iter().map(String::as_str));
        }
    }
    seen
}

/// The Essential packages and all they depend on, which every package may count on.
pub(super) fn essential(packages: &BTreeMap<&str, &LockedPackage>) -> BTreeSet<String> {
    let essential = packages.values().filter(|package| package.essential);
    closure(&essential.map(|package| package.name.clone()).collect(), packages)
}

/// The helpers that a package depends on, by itself or through packages that are none.
pub(super) fn helpers_of<'a>(
    distro: Distro,
    package: &'a str,
    packages: &BTreeMap<&'a str, &'a LockedPackage>,
) -> BTreeSet<&'a str> {
    let mut helpers = BTreeSet::new();
    let mut seen = BTreeSet::from([package]);
    let mut stack = vec![package];
    while let Some(name) = stack.pop() {
        let Some(locked) = packages.get(name).copied() else { continue };
        for dependency in &locked.requires {
            if is_install_helper(distro, dependency) {
                helpers.insert(dependency.as_str());
            } else if seen.insert(dependency) {
                stack.push(dependency);
            }
        }
    }
    helpers
}

/// See [`super::likely_packages`].
pub(super) fn likely(
    recipe: &Recipe,
    arch: Arch,
    packages: &BTreeMap<&str, &LockedPackage>,
) -> BTreeSet<String> {
    let distro = recipe.conventions();
    let arch_name = distro.arch_name(arch).unwrap_or_default();
    let triplet = distro.triplet(arch).unwrap_or_default();
    let mut likely = BTreeSet::new();
    for stacked in recipe.stacked().into_iter().skip(recipe.layers_below()) {
        let named = named(&stacked, packages, arch_name, triplet);
        match stacked.layer.keep {
            Keep::All => likely.extend(closure(&named, packages)),
            Keep::Needed if stacked.layer.exclude.is_empty() => {
                likely.extend(walk_without_helpers(distro, &named, packages));
            }
            Keep::Needed | Keep::Listed => likely.extend(named),
        }
    }
    likely
}

fn walk_without_helpers(
    distro: Distro,
    named: &BTreeSet<String>,
    packages: &BTreeMap<&str, &LockedPackage>,
) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut stack: Vec<&str> = named.iter().map(String::as_str).collect();
    while let Some(name) = stack.pop() {
        let Some(package) = packages.get(name) else { continue };
        if (named.contains(name) || !is_install_helper(distro, name)) && seen.insert(name.to_owned()) {
            stack.extend(package.requires.iter().map(String::as_str));
        }
    }
    seen
}
