//! Which packages share a layer where a recipe says `layers = "auto"`: selection -> a [`Group`] for each package. Pure.
//!
//! Packages of one source are of one group, since they change together. A group is, from the lowest layer up:
//!
//! | layer | what of the packages |
//! |---|---|
//! | `skeleton` | what every root file system has (the owners of [`FOUNDATION`]), and data that comes along: certificates, time zones |
//! | `libc` | the source of a dynamic loader ([`LOADERS`]) |
//! | `run-time` | libraries, and whatever else the application stands on |
//! | `interpreters` | what it stands on that has commands: interpreters, shells, tools |
//! | `application` | the sources of packages that the recipe names, less those above |
//! | `settings` | nothing: the recipe's files, and what is made of the image as a whole |
//!
//! With a larger budget than these six, the spare layers are for large sources ([`LARGE`]): in turn for those of the
//! run-time, the application, the interpreters. With a smaller one, neighbours are put together: `interpreters` with
//! `run-time`, then from the lowest up.
//!
//! # Why an update changes only the layers that hold the package
//!
//! The group of a source follows from what it is itself: its name, its kinds of files, whether the recipe names it, and
//! whether it is large. No other source's version or size is looked at, nor how many there are: a large source's layer
//! is chosen by its name alone (rendezvous hashing), so that nobody makes room for anybody. An update that makes a source
//! large or small, or gives it its first library, moves that source and no other.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{CataloguedFile, FileCatalog};
use crate::digest::Digest;
use crate::lock::LockedPackage;
use crate::root_path::RootPath;
use crate::select::{SelectedLayer, is_command};
use crate::tarball::EntryKind;

/// From how many bytes of selected files on a source is large.
pub const LARGE: u64 = 4 << 20;

/// Files of which every root file system has one: whose packages are below everything.
pub const FOUNDATION: &[&str] = &[
    "/etc/group",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/profile",
    "/etc/protocols",
    "/usr/lib/os-release",
    "/usr/share/base-files/profile",
    "/usr/share/base-passwd/passwd.master",
];

/// How the names of dynamic loaders begin, glibc's and musl's.
pub const LOADERS: &[&str] = &["ld-linux", "ld-musl-", "ld.so", "ld64.so"];

/// Where data lies that no program is part of.
const DATA: &[&str] = &["/etc", "/usr/local/share", "/usr/share", "/var"];

/// Where below that programs keep code.
const CODE: &[&str] = &[
    "/usr/share/gems",
    "/usr/share/guile",
    "/usr/share/java",
    "/usr/share/javascript",
    "/usr/share/nodejs",
    "/usr/share/perl",
    "/usr/share/perl5",
    "/usr/share/php",
    "/usr/share/python3",
    "/usr/share/rubygems-integration",
    "/usr/share/tcltk",
];

/// Where every package has its papers.
const DOCS: &[&str] = &["/usr/share/doc"];

/// How often something changes, and by how many images it is shared: the lowest seldom and by most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// What every root file system has, and data.
    Skeleton,
    /// The C library.
    Libc,
    /// What the application stands on.
    RunTime,
    /// What of that has commands.
    Interpreters,
    /// What the recipe names.
    Application,
    /// What is the image's own.
    Settings,
}

impl Class {
    const COUNT: usize = 6;

    const fn name(self) -> &'static str {
        match self {
            Class::Skeleton => "skeleton",
            Class::Libc => "libc",
            Class::RunTime => "run-time",
            Class::Interpreters => "interpreters",
            Class::Application => "application",
            Class::Settings => "settings",
        }
    }
}

/// One of the layers, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    class: Class,
    /// From 1 those for large sources, 0 for the others.
    number: usize,
}

/// What groups are made of.
#[derive(Clone, Copy, Debug)]
pub struct Grouped<'a> {
    /// What is chosen.
    pub selected: &'a SelectedLayer,
    /// The catalogue that it is of.
    pub catalog: &'a FileCatalog,
    /// The locked packages, by name.
    pub packages: &'a BTreeMap<&'a str, &'a LockedPackage>,
    /// Those that the recipe names.
    pub named: &'a BTreeSet<String>,
    /// Those that run-time rules bring wherever they fire: to name one makes it no application.
    pub on_demand: &'a BTreeSet<&'a str>,
}

/// Which group each package is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    budget: usize,
    packages: BTreeMap<String, Group>,
}

/// What is known of a source.
#[derive(Debug, Default)]
struct Source {
    bytes: u64,
    traits: BTreeSet<Trait>,
}

/// Something that holds of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trait {
    /// It brings a dynamic loader.
    Loader,
    /// It has something of [`FOUNDATION`].
    Foundation,
    /// It has something that is run or linked.
    Code,
    /// It has something else than that, and more than papers.
    Data,
    /// It has commands.
    Command,
    /// The recipe names it, for its own sake.
    Named,
}

impl Grouping {
    /// Groups packages into so many layers at most, at least one.
    pub fn of(inputs: Grouped<'_>, budget: usize) -> Self {
        let Grouped { selected, catalog, .. } = inputs;
        let mut sources: BTreeMap<&str, Source> = BTreeMap::new();
        let mut packages: BTreeMap<&str, &str> = BTreeMap::new();
        for (path, chosen) in &selected.files {
            let (package, file) = catalog.get(chosen.file);
            let name = inputs.source_of(&package.name);
            packages.insert(&package.name, name);
            let source = sources.entry(name).or_default();
            if let EntryKind::File { size } = file.entry.kind {
                source.bytes += size;
            }
            source.traits.extend(traits(path, file));
            source.traits.extend(inputs.is_application(&package.name).then_some(Trait::Named));
        }
        for name in inputs.with_loaders() {
            if let Some(source) = sources.get_mut(name) {
                source.traits.insert(Trait::Loader);
            }
        }
        let groups: BTreeMap<&str, Group> =
            sources.iter().map(|(name, source)| (*name, group(name, source, budget))).collect();
        let packages =
            packages.into_iter().filter_map(|(name, source)| Some((name.to_owned(), *groups.get(source)?)));
        Grouping { budget, packages: packages.collect() }
    }

    /// The group of a package of which something is chosen.
    pub fn of_package(&self, name: &str) -> Option<Group> {
        self.packages.get(name).copied()
    }

    /// The group that has what is of a class beside packages.
    pub fn of_class(&self, class: Class) -> Group {
        Group { class: merged(class, self.budget), number: 0 }
    }

    /// What a group's layer is called.
    pub fn name(&self, group: Group) -> String {
        match (self.budget, group.class) {
            (1, _) => "all".to_owned(),
            (2, Class::Application) => "packages".to_owned(),
            (_, class) if group.number == 0 => class.name().to_owned(),
            (_, class) => format!("{}-{}", class.name(), group.number),
        }
    }
}

impl<'a> Grouped<'a> {
    fn source_of(&self, package: &'a str) -> &'a str {
        self.packages.get(package).map_or(package, |locked| &locked.source)
    }

    fn is_application(&self, package: &str) -> bool {
        let is_essential = self.packages.get(package).is_some_and(|locked| locked.essential);
        self.named.contains(package) && !is_essential && !self.on_demand.contains(package)
    }

    /// The sources of packages that bring a dynamic loader, chosen or not.
    fn with_loaders(&self) -> BTreeSet<&'a str> {
        let is_loader = |file: &CataloguedFile| {
            let name = file.entry.path.file_name();
            file.elf.is_some() && LOADERS.iter().any(|loader| name.starts_with(loader))
        };
        let packages = self.catalog.packages().filter(|package| package.manifest.files.iter().any(is_loader));
        packages.map(|package| self.source_of(&package.name)).collect()
    }
}

/// What a file makes of its source, as far as its kind and place tell.
fn traits(path: &RootPath, file: &CataloguedFile) -> Vec<Trait> {
    if file.entry.kind == EntryKind::Directory {
        return Vec::new();
    }
    let is_foundation = FOUNDATION.contains(&path.as_str());
    let is_run = file.elf.is_some() || file.shebang.is_some();
    let is_elsewhere = !is_within(path, DATA) && !is_foundation;
    let is_code = is_run || is_elsewhere || is_within(path, CODE);
    let is_data = !is_code && !is_within(path, DOCS);
    let all = [
        (Trait::Foundation, is_foundation),
        (Trait::Code, is_code),
        (Trait::Data, is_data),
        (Trait::Command, is_command(path)),
    ];
    all.into_iter().filter(|(_, holds)| *holds).map(|(one, _)| one).collect()
}

fn is_within(path: &RootPath, places: &[&str]) -> bool {
    let below = |place: &&str| {
        path.as_str().strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    places.iter().any(below)
}

fn group(name: &str, source: &Source, budget: usize) -> Group {
    let is = |one: Trait| source.traits.contains(&one);
    let class = if is(Trait::Loader) {
        Class::Libc
    } else if is(Trait::Foundation) {
        Class::Skeleton
    } else if is(Trait::Named) {
        Class::Application
    } else if is(Trait::Data) && !is(Trait::Code) {
        Class::Skeleton
    } else if is(Trait::Command) {
        Class::Interpreters
    } else {
        Class::RunTime
    };
    let number = if source.bytes >= LARGE { highest(name, spare(class, budget)) } else { 0 };
    Group { class: merged(class, budget), number }
}

/// How many layers there are for large sources of a class.
fn spare(class: Class, budget: usize) -> usize {
    let spare = budget.saturating_sub(Class::COUNT);
    match class {
        Class::RunTime => spare.div_ceil(3),
        Class::Application => (spare + 1) / 3,
        Class::Interpreters => spare / 3,
        Class::Skeleton | Class::Libc | Class::Settings => 0,
    }
}

/// The class whose layer has another's as well: a small budget has too few for each.
fn merged(class: Class, budget: usize) -> Class {
    match (budget, class) {
        (0 | 1, _) | (_, Class::Settings) => Class::Settings,
        (2, _) => Class::Application,
        (3..=5, Class::Interpreters) | (3, Class::Skeleton | Class::Libc) => Class::RunTime,
        (4, Class::Skeleton) => Class::Libc,
        _ => class,
    }
}

/// The number, from 1, that a name draws highest in; 0 of none. A further number takes names from the others, and
/// moves none between them.
fn highest(name: &str, numbers: usize) -> usize {
    (1..=numbers).max_by_key(|number| Digest::of(format!("{number}/{name}").as_bytes())).unwrap_or(0)
}

#[cfg(test)]
mod tests;
