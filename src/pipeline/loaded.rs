//! What a run has loaded: indexes, so that all that is resolved in it is resolved against the same, packages, and what
//! their scripts do.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use crate::apk::IndexRecord;
use crate::arch::Arch;
use crate::cache::ContentId;
use crate::catalog::{MergedUsr, PackageFiles};
use crate::digest::Digest;
use crate::effects::EffectsMemo;
use crate::lock::LockedPackage;
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::repository::{
    ApkOrigin, PackageIndex, RepositoryError, SuiteRelease, apk_sources, load_apk, load_indexes,
    load_releases, sources,
};

use super::locking::Port;
use super::scripts::WordsMemo;
use super::{Forge, ForgeError};

/// The records of several of Alpine's indexes, in the order of preference.
pub(super) type ApkParts = Vec<(ApkOrigin, Vec<IndexRecord>)>;

/// What a run has loaded. Its clones share it.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    suites: Once<Vec<SuiteRelease>>,
    deb: Once<PackageIndex>,
    apk: Once<ApkParts>,
    pub(super) packages: Packages,
    /// Outlines, and those packages that have none.
    pub(super) outlines: Packages,
    pub(super) packing: Packing,
    pub(super) effects: EffectsMemo,
    pub(super) words: WordsMemo,
}

impl Loaded {
    /// Lets go of indexes, which are large, when all is locked: what is locked later would be resolved against what is
    /// there then.
    pub fn let_indexes_go(&self) {
        self.suites.forget();
        self.deb.forget();
        self.apk.forget();
    }

    /// Lets go of packages that only one architecture can have.
    pub(super) fn let_packages_go(&self, packages: &BTreeMap<&str, &LockedPackage>) {
        for listed in [&self.packages, &self.outlines] {
            let mut listed = listed.0.lock().unwrap_or_else(PoisonError::into_inner);
            let own =
                packages.values().filter(|package| !["all", "noarch"].contains(&&*package.architecture));
            own.for_each(|package| _ = listed.remove(&package.content));
        }
    }
}

/// The packages that were listed, by their content and the links of the distro that they were listed for.
#[derive(Clone, Debug, Default)]
pub(super) struct Packages(Arc<Mutex<BTreeMap<ContentId, Listed>>>);

type Listed = Vec<(MergedUsr, PackageFiles)>;

impl Packages {
    pub(super) fn get(&self, content: &ContentId, links: &MergedUsr) -> Option<PackageFiles> {
        let packages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut listed = packages.get(content)?.iter();
        listed.find(|(of, _)| of == links).map(|(_, package)| package.clone())
    }

    pub(super) fn put(&self, package: &PackageFiles, links: &MergedUsr) {
        let mut packages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = packages.entry(package.content).or_default();
        if !listed.iter().any(|(of, _)| of == links) {
            listed.push((links.clone(), package.clone()));
        }
    }
}

/// Sees to it that images which are packed side by side do not pack the same layer at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Packing(Arc<Mutex<BTreeMap<Digest, Arc<Mutex<()>>>>>);

impl Packing {
    /// To be held by who packs the layer of a key.
    pub(super) fn of(&self, key: &Digest) -> Arc<Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(*key).or_default())
    }
}

/// Values that are made once for each key, and what is to be told of them. Who asks for one that is being made waits for
/// it; where it cannot be made, that is what all who ask for it get.
#[derive(Debug)]
struct Once<T>(Arc<Mutex<BTreeMap<String, Slot<T>>>>);

/// A place for a value; locked while it is made.
type Slot<T> = Arc<Mutex<Option<Made<T>>>>;

type Made<T> = Result<(Arc<T>, Arc<Vec<String>>), Arc<ForgeError>>;

impl<T> Clone for Once<T> {
    fn clone(&self) -> Self {
        Once(Arc::clone(&self.0))
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Once(Arc::default())
    }
}

impl<T> Once<T> {
    fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn get(
        &self,
        key: String,
        progress: &dyn Progress,
        make: impl FnOnce(&mut Vec<String>) -> Result<T, ForgeError>,
    ) -> Result<Arc<T>, ForgeError> {
        let slot = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(key).or_default())
        };
        let made = {
            let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
            let make = || {
                let mut notes = Vec::new();
                let made = make(&mut notes);
                made.map(|made| (Arc::new(made), Arc::new(notes))).map_err(Arc::new)
            };
            slot.get_or_insert_with(make).clone()
        };
        let (made, notes) = made.map_err(ForgeError::Shared)?;
        // Each tells it, so that it does not depend on who came first; it is said once.
        notes.iter().for_each(|note| progress.note(note));
        Ok(made)
    }
}

impl Forge<'_> {
    /// All packages of a recipe's archives for an architecture.
    pub(super) fn deb_index(&self, recipe: &Recipe, port: Port) -> Result<Arc<PackageIndex>, ForgeError> {
        let suites = self.suites(recipe, port.arch)?;
        self.loaded.deb.get(self.key(recipe, port.name), self.progress, |told| {
            let mut notes = Vec::new();
            let parts = load_indexes(&suites, port.name, self.access(recipe), &mut notes)?;
            told.extend(notes.iter().map(ToString::to_string));
            Ok(PackageIndex::new(port.arch, port.name, parts).map_err(RepositoryError::from)?)
        })
    }

    /// The suites of a recipe's archives, their InRelease files verified: once where architectures have the same.
    pub(super) fn suites(&self, recipe: &Recipe, arch: Arch) -> Result<Arc<Vec<SuiteRelease>>, ForgeError> {
        let sources = sources(recipe, arch, &self.mirrors, &self.options.without)?;
        let roots: Vec<_> =
            sources.iter().map(|source| (source.archive_name.as_str(), source.uri.as_str())).collect();
        let suites: Vec<_> = sources.iter().map(|source| (&source.suite, &source.components)).collect();
        let key = self.key(recipe, (&roots, suites));
        self.loaded.suites.get(key, self.progress, |told| {
            told.extend(self.places(recipe, arch, &roots));
            let mut notes = Vec::new();
            let releases = load_releases(&sources, self.access(recipe), &mut notes)?;
            told.extend(notes.iter().map(ToString::to_string));
            Ok(releases)
        })
    }

    /// The records of a recipe's repositories of Alpine's kind for an architecture.
    pub(super) fn apk_parts(&self, recipe: &Recipe, port: Port) -> Result<Arc<ApkParts>, ForgeError> {
        self.loaded.apk.get(self.key(recipe, port.name), self.progress, |told| {
            let sources = apk_sources(recipe, port.arch, &self.mirrors)?;
            let roots: Vec<_> =
                sources.iter().map(|source| (source.archive_name.as_str(), source.uri.as_str())).collect();
            told.extend(self.places(recipe, port.arch, &roots));
            let mut notes = Vec::new();
            let parts = load_apk(&sources, port.name, self.access(recipe), &mut notes)?;
            told.extend(notes.iter().map(ToString::to_string));
            Ok(parts)
        })
    }

    /// All that decides what is loaded for a recipe, with what of it is meant.
    fn key(&self, recipe: &Recipe, of: impl Debug) -> String {
        let Recipe { from, snapshot, pockets, repositories, keys, .. } = recipe;
        // What a recipe names itself may be told by a path beside it.
        let own = (!repositories.is_empty() || !keys.is_empty()).then_some((repositories, keys, &recipe.dir));
        let options = (&self.options.without, self.options.allow_expired_index);
        format!("{:?}", (from, snapshot, pockets, own, of, options))
    }
}
