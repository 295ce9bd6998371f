//! Newer versions of some packages of a lock, with what these need, and everything else as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::deb::version;
use crate::distro::PackageFormat;
use crate::lock::LockedPackage;
use crate::recipe::Recipe;
use crate::repository::{PackageId, PackageIndex, local_packages};
use crate::resolve::along;

use super::locking::{Own, Port, Resolved, requests};
use super::{Forge, ForgeError};

impl Forge<'_> {
    /// Resolves anew with newer versions of some packages; `own` is the last lock, and `solve` resolves with what of it
    /// stays. What came along and what stayed is told.
    pub(super) fn updated(
        &self,
        recipe: &Recipe,
        port: Port,
        own: &Own<'_>,
        named: &BTreeSet<String>,
        solve: impl Fn(&Own<'_>) -> Result<Resolved, ForgeError>,
    ) -> Result<Resolved, ForgeError> {
        let without = |fresh: &BTreeSet<String>| -> Own<'_> {
            let stays = own.iter().filter(|(name, _)| !fresh.contains(**name));
            stays.map(|(name, package)| (*name, *package)).collect()
        };
        // apk's solver lets go by itself of what does not fit.
        if recipe.format() == PackageFormat::Apk || named.is_empty() {
            return solve(&without(named));
        }
        let newest = self.newest(recipe, port, own)?;
        let fresh = newest.with(named);
        let mut resolved = solve(&without(&fresh))?;
        // What was only let go for a package that could not be had newer stays as well.
        let moved = named.iter().filter(|name| !stayed(name, own, &resolved.packages)).cloned().collect();
        let fewer = newest.with(&moved);
        if fewer.len() < fresh.len()
            && let Ok(again) = solve(&without(&fewer))
        {
            resolved = again;
        }
        self.tell_update(port, own, &resolved.packages, named, &newest);
        Ok(resolved)
    }

    fn newest(&self, recipe: &Recipe, port: Port, own: &Own<'_>) -> Result<Newest, ForgeError> {
        let local = local_packages(recipe, port.name, port.triplet)?;
        let index = self.deb_index_with(recipe, port, &local, own)?;
        let versions = own.values().map(|package| (package.name.clone(), package.version.clone())).collect();
        let mut packages = BTreeMap::new();
        let asked: Vec<_> = requests(recipe, &local, port.name, port.triplet)
            .into_iter()
            .flat_map(|(_, requests)| requests)
            .filter_map(|request| Some((request.name, request.constraint?)))
            .collect();
        for name in own.keys() {
            let of_name = || asked.iter().filter(|(asked, _)| asked == name);
            let fits = |id: &PackageId| {
                of_name().all(|(_, (operator, wanted))| operator.accepts(index.version(*id), wanted))
            };
            packages.extend(index.named(name).find(fits).map(|id| ((*name).to_owned(), id)));
        }
        Ok(Newest { index, versions, packages })
    }

    fn tell_update(
        &self,
        port: Port,
        own: &Own<'_>,
        new: &[LockedPackage],
        named: &BTreeSet<String>,
        newest: &Newest,
    ) {
        let mut others = Vec::new();
        for package in new {
            let Some(before) = own.get(package.name.as_str()) else { continue };
            if before.version != package.version && !named.contains(&package.name) {
                others.push(package.label());
            }
        }
        for name in named.iter().filter(|name| stayed(name, own, new)) {
            let Some(newer) = newest.version(name).filter(|_| own[name.as_str()].repository.is_some()) else {
                continue;
            };
            if version::compare(newer, &own[name.as_str()].version).is_gt() {
                let label = own[name.as_str()].label();
                self.progress.note(&format!(
                    "{label} stays on {}: {newer} does not go with what else is locked or asked for",
                    port.arch
                ));
            }
        }
        if !others.is_empty() {
            self.progress.note(&format!("updated as well on {}: {}", port.arch, others.join(", ")));
        }
    }
}

/// Whether a package is in its old version in what was resolved.
fn stayed(name: &str, own: &Own<'_>, new: &[LockedPackage]) -> bool {
    let now = new.iter().find(|package| package.name == name);
    now.zip(own.get(name)).is_some_and(|(now, before)| now.version == before.version)
}

/// The packages of a lock, and the newest of each that the recipe lets in.
struct Newest {
    index: Arc<PackageIndex>,
    versions: BTreeMap<String, String>,
    packages: BTreeMap<String, PackageId>,
}

impl Newest {
    /// Some packages, and what has to be taken anew with them.
    fn with(&self, named: &BTreeSet<String>) -> BTreeSet<String> {
        along(&self.index, &self.versions, &self.packages, named)
    }

    fn version(&self, name: &str) -> Option<&str> {
        self.packages.get(name).map(|id| self.index.version(*id))
    }
}
