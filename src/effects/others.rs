//! What scripts find that the scripts of others have done: who depends on whom, and who has made what.

use std::collections::{BTreeMap, BTreeSet};

use regex::RegexSet;

use super::memo::in_directory;
use super::{Effect, PackageEffects};
use crate::apk::pkginfo::PackageInfo;
use crate::cache::ContentId;
use crate::catalog::{FileCatalog, PackageFiles};
use crate::deb::control::paragraphs;
use crate::root_path::RootPath;

/// The packages whose scripts are evaluated after those of what they depend on, with those, in the order in which that is
/// done: who depends on another depends on all that it does, and on more.
pub(super) struct Waiting<'a> {
    catalog: &'a FileCatalog,
    dependencies: Dependencies<'a>,
    /// What scripts looked at, by package.
    looked_at: BTreeMap<String, BTreeSet<RootPath>>,
    queue: BTreeMap<(usize, &'a str), (&'a PackageFiles, BTreeSet<String>)>,
    /// All that were ever in it, and whether they are still.
    known: BTreeMap<&'a str, bool>,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(catalog: &'a FileCatalog, looked_at: BTreeMap<String, BTreeSet<RootPath>>) -> Self {
        let dependencies = Dependencies::of(catalog);
        Waiting { catalog, dependencies, looked_at, queue: BTreeMap::new(), known: BTreeMap::new() }
    }

    /// Adds the packages, each once, that depend on those that have made what they look at; but for some.
    pub(super) fn add_finders(&mut self, made: &Made<'_>, except: &BTreeSet<String>) {
        if made.is_empty() {
            return;
        }
        for package in self.catalog.packages().filter(|package| !except.contains(&package.name)) {
            if self.known.contains_key(package.name.as_str()) {
                continue;
            }
            let makers = made.found_by(package, self.looked_at.get(&package.name));
            if makers.iter().all(|maker| *maker == package.name) {
                continue;
            }
            let before = self.dependencies.all(&package.name);
            if makers.iter().any(|maker| before.contains(*maker)) {
                self.known.insert(&package.name, true);
                self.queue.insert((before.len(), &package.name), (package, before));
            }
        }
    }

    pub(super) fn next(&mut self) -> Option<(&'a PackageFiles, BTreeSet<String>)> {
        let (_, (package, before)) = self.queue.pop_first()?;
        self.known.insert(&package.name, false);
        Some((package, before))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(|is_waiting| *is_waiting)
    }
}

/// What some packages' scripts have done, in order.
pub(super) fn standing(all: &BTreeMap<String, PackageEffects>, packages: &BTreeSet<String>) -> Vec<Effect> {
    let mut of: Vec<&PackageEffects> = packages.iter().filter_map(|name| all.get(name)).collect();
    of.sort_by_key(|found| found.after);
    of.into_iter()
        .flat_map(|found| &found.effects)
        .filter(|effect| account(effect).is_some() || !effect.places().is_empty())
        .cloned()
        .collect()
}

/// What packages' scripts have made that others may find, and the packages.
pub(super) struct Made<'e> {
    accounts: Vec<(&'e str, BTreeSet<&'e str>)>,
    /// By position in the accounts.
    any: RegexSet,
    /// A path, or the [names](in_directory) of a directory.
    files: BTreeMap<RootPath, BTreeSet<&'e str>>,
}

impl<'e> Made<'e> {
    /// What these have made, by package.
    pub(super) fn of(all: impl IntoIterator<Item = (&'e str, &'e Effect)>) -> Self {
        let mut accounts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut files: BTreeMap<RootPath, BTreeSet<&str>> = BTreeMap::new();
        for (package, effect) in all {
            if let Some(name) = account(effect) {
                accounts.entry(name).or_default().insert(package);
            }
            for path in effect.places() {
                let names = path.parent().map(|directory| in_directory(&directory));
                for path in names.into_iter().chain([path]) {
                    files.entry(path).or_default().insert(package);
                }
            }
        }
        let any = RegexSet::new(accounts.keys().map(|name| regex::escape(name))).unwrap_or_default();
        Made { accounts: accounts.into_iter().collect(), any, files }
    }

    fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.files.is_empty()
    }

    /// The packages that have made what a package's scripts name or look at.
    fn found_by(&self, package: &PackageFiles, looked_at: Option<&BTreeSet<RootPath>>) -> BTreeSet<&'e str> {
        let control = &package.manifest.control;
        let members = ["config", "preinst", "postinst", ".pre-install", ".post-install"];
        let texts = members.iter().filter_map(|name| control.member(name));
        let named = texts.flat_map(|text| self.any.matches(&text).into_iter().collect::<Vec<_>>());
        let accounts = named.flat_map(|place| &self.accounts[place].1);
        let files =
            self.files.iter().filter(|(path, _)| looked_at.is_some_and(|paths| paths.contains(*path)));
        accounts.chain(files.flat_map(|(_, makers)| makers)).copied().collect()
    }
}

/// The name of the account that an effect makes.
fn account(effect: &Effect) -> Option<&str> {
    match effect {
        Effect::User { name, .. } | Effect::Group { name, .. } => Some(name),
        _ => None,
    }
}

/// What catalogued packages depend on.
struct Dependencies<'a> {
    /// By the names of packages and of what they provide.
    packages: BTreeMap<String, BTreeSet<&'a str>>,
    direct: BTreeMap<&'a str, Vec<String>>,
}

impl<'a> Dependencies<'a> {
    fn of(catalog: &'a FileCatalog) -> Self {
        let mut packages: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        let mut direct = BTreeMap::new();
        for package in catalog.packages() {
            let Named { depends, provides } = Named::by(package);
            for name in provides.into_iter().chain([package.name.clone()]) {
                packages.entry(name).or_default().insert(&package.name);
            }
            direct.insert(package.name.as_str(), depends);
        }
        Dependencies { packages, direct }
    }

    /// The catalogued packages that a package depends on, and those that they depend on.
    fn all(&self, package: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut pending = vec![package];
        while let Some(next) = pending.pop() {
            let named = self.direct.get(next).into_iter().flatten();
            for other in named.filter_map(|name| self.packages.get(name)).flatten() {
                if *other != package && found.insert((*other).to_owned()) {
                    pending.push(other);
                }
            }
        }
        found
    }
}

/// The names that stand in a package's relations, those of capabilities too.
struct Named {
    depends: Vec<String>,
    provides: Vec<String>,
}

impl Named {
    fn by(package: &PackageFiles) -> Self {
        let text = &package.manifest.control.text;
        if matches!(package.content, ContentId::Apk(_)) {
            let info = PackageInfo::parse(text).unwrap_or_default();
            let names = |all: &[String]| {
                all.iter()
                    .filter_map(|one| one.split(['<', '=', '>', '~']).next().map(ToOwned::to_owned))
                    .collect()
            };
            return Named { depends: names(&info.depends), provides: names(&info.provides) };
        }
        let paragraph = paragraphs(text).next();
        let names = |fields: &[&str]| {
            let fields = fields.iter().filter_map(|name| paragraph.as_ref()?.field(name));
            let names = fields.flat_map(|field| field.split([',', '|']));
            names
                .filter_map(|name| name.trim().split([' ', '(', ':']).next().map(ToOwned::to_owned))
                .collect()
        };
        Named { depends: names(&["Pre-Depends", "Depends"]), provides: names(&["Provides"]) }
    }
}
