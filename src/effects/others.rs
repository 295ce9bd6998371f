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
#[derive(Default)]
pub(super) struct Waiting<'a> {
    queue: BTreeMap<(usize, &'a str), (&'a PackageFiles, BTreeSet<String>)>,
    /// All that were ever in it.
    known: BTreeSet<&'a str>,
}

impl<'a> Waiting<'a> {
    /// Adds a package if it depends on one of those that have made what it looks at.
    pub(super) fn add(
        &mut self,
        package: &'a PackageFiles,
        makers: &BTreeSet<&str>,
        dependencies: &Dependencies<'_>,
    ) {
        let is_new = !self.known.contains(package.name.as_str());
        if !is_new || makers.iter().all(|maker| *maker == package.name) {
            return;
        }
        let before = dependencies.all(&package.name);
        if makers.iter().any(|maker| before.contains(*maker)) {
            self.known.insert(&package.name);
            self.queue.insert((before.len(), &package.name), (package, before));
        }
    }

    pub(super) fn next(&mut self) -> Option<(&'a PackageFiles, BTreeSet<String>)> {
        self.queue.pop_first().map(|(_, next)| next)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.queue.keys().any(|(_, waiting)| *waiting == name)
    }
}

/// What some packages' scripts have done, in order.
pub(super) fn standing(all: &BTreeMap<String, PackageEffects>, packages: &BTreeSet<String>) -> Vec<Effect> {
    let mut of: Vec<&PackageEffects> = packages.iter().filter_map(|name| all.get(name)).collect();
    of.sort_by_key(|found| found.after);
    of.into_iter()
        .flat_map(|found| &found.effects)
        .filter(|effect| account(effect).is_some() || !places(effect).is_empty())
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
    pub(super) fn of(all: impl IntoIterator<Item = &'e PackageEffects>) -> Self {
        let mut accounts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut files: BTreeMap<RootPath, BTreeSet<&str>> = BTreeMap::new();
        for found in all {
            for effect in &found.effects {
                if let Some(name) = account(effect) {
                    accounts.entry(name).or_default().insert(&found.package);
                }
                for path in places(effect) {
                    let names = path.parent().map(|directory| in_directory(&directory));
                    for path in names.into_iter().chain([path]) {
                        files.entry(path).or_default().insert(&found.package);
                    }
                }
            }
        }
        let any = RegexSet::new(accounts.keys().map(|name| regex::escape(name))).unwrap_or_default();
        Made { accounts: accounts.into_iter().collect(), any, files }
    }

    /// The packages that have made what a package's scripts name or look at.
    pub(super) fn found_by(
        &self,
        package: &PackageFiles,
        looked_at: Option<&BTreeSet<RootPath>>,
    ) -> BTreeSet<&'e str> {
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

/// Where an effect changes what scripts find.
fn places(effect: &Effect) -> Vec<RootPath> {
    match effect {
        Effect::File { path, .. }
        | Effect::Directory { path, .. }
        | Effect::Symlink { path, .. }
        | Effect::Remove { path, .. }
        | Effect::Owner { path, .. }
        | Effect::Mode { path, .. }
        | Effect::Copy { to: path, .. } => vec![path.clone()],
        Effect::Rename { from, to } | Effect::Divert { path: from, to, rename: true } => {
            vec![from.clone(), to.clone()]
        }
        Effect::User { home: Some(home), create_home: true, .. } => {
            RootPath::parse(home).into_iter().collect()
        }
        Effect::Alternative { name, link, slaves, .. } => {
            let slaves = slaves.iter().map(|slave| (&slave.link, &slave.name));
            let links = slaves.chain([(link, name)]);
            links
                .flat_map(|(link, name)| chosen_alternative(name).into_iter().chain([link.clone()]))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The link below `/etc/alternatives` that says what was chosen.
pub(super) fn chosen_alternative(name: &str) -> Option<RootPath> {
    RootPath::parse(&format!("/etc/alternatives/{name}")).ok()
}

/// What catalogued packages depend on.
pub(super) struct Dependencies<'a> {
    /// By the names of packages and of what they provide.
    packages: BTreeMap<String, BTreeSet<&'a str>>,
    direct: BTreeMap<&'a str, Vec<String>>,
}

impl<'a> Dependencies<'a> {
    pub(super) fn of(catalog: &'a FileCatalog) -> Self {
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
