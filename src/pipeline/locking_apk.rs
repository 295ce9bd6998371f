//! From a recipe of Alpine's format to the packages of one architecture's lock.

use std::collections::{BTreeMap, BTreeSet};

use crate::apk::IndexRecord;
use crate::apk::relation::Relation;
use crate::cache::ContentId;
use crate::lock::{LockedPackage, apk_packages, apk_record, apk_repositories, provides_name};
use crate::recipe::{PackageSpec, Recipe, Stacked};
use crate::repository::{ApkId, ApkIndex, ApkOrigin, LocalApk, local_apks, locked_apk};
use crate::resolve::{ApkResolveError, ApkSolution, resolve_apk};

use super::locking::{Known, Port, Resolved, given_in};
use super::programs::needs;
use super::{Forge, ForgeError};

impl Forge<'_> {
    /// Resolves a recipe for one architecture as `apk add` would.
    pub(super) fn resolve_apk(
        &self,
        recipe: &Recipe,
        port: Port,
        known: &Known<'_>,
    ) -> Result<Resolved, ForgeError> {
        let arch = port.arch;
        let local = local_apks(recipe, port.name, port.triplet)?;
        let mut parts: Vec<(ApkOrigin, Vec<IndexRecord>)> =
            local.iter().map(|package| (package.origin.clone(), vec![package.record.clone()])).collect();
        parts.extend(self.apk_parts(recipe, port)?.iter().cloned());
        parts.extend(
            known
                .packages
                .values()
                .filter(|package| package.repository.is_some() || package.in_image)
                .filter_map(|package| Some((locked_apk(package.content), vec![apk_record(package)?]))),
        );
        let index = ApkIndex::new(port.name, parts).map_err(crate::repository::RepositoryError::from)?;

        let mut programs = needs(recipe, arch);
        Self::find_apk(&index, &programs)?;
        let mut layers = world(recipe, &local, port);
        for program in known.programs.iter().chain(&programs) {
            let own = layers.iter_mut().filter(|(layer, _)| *layer == program.layer);
            own.for_each(|(_, relations)| relations.extend(program.needs.iter().map(|name| provided(name))));
        }
        for (layer, relations) in &mut layers {
            relations.extend(given_in(recipe, layer, known).filter_map(exactly));
        }
        let mut world: Vec<Relation> = layers.iter().flat_map(|(_, relations)| relations.clone()).collect();
        // What a base has stays as it is, to the byte.
        world.extend(
            known
                .packages
                .values()
                .filter(|package| known.of_base.contains(&package.name))
                .filter_map(|package| exactly(package)),
        );
        let keep = known.keeps_own;
        let mut solution = resolve_apk(&index, &world, &known.preferred, keep)?;
        self.add_on_demand_apk(recipe, &index, &world, &mut solution);
        let paths: BTreeMap<ContentId, &str> =
            local.iter().map(|one| (one.record.checksum.into(), one.path.as_str())).collect();
        let repositories = apk_repositories(arch, &index)?;
        let packages = apk_packages(arch, &index, &solution, &layers, &paths, &known.packages);
        for program in &mut programs {
            let has = |package: &&LockedPackage| {
                program
                    .needs
                    .iter()
                    .any(|name| provides_name(package.relation("provides"), &format!("so:{name}")))
            };
            program.packages = packages.iter().filter(has).map(|package| package.name.clone()).collect();
            program.packages.sort();
        }
        Ok(Resolved { repositories, packages, programs })
    }

    /// Adds what run-time rules may ask for and nobody depends on. What there is not is left out, and so is, with a
    /// note, what does not go with the packages that were chosen.
    fn add_on_demand_apk(
        &self,
        recipe: &Recipe,
        index: &ApkIndex,
        world: &[Relation],
        solution: &mut ApkSolution,
    ) {
        let chosen: BTreeSet<&str> =
            solution.packages.iter().map(|one| index.record(one.id).name.as_str()).collect();
        let is_lacking = |name: &&str| !chosen.contains(name) && index.named(name).next().is_some();
        let wanted: Vec<&str> = recipe.on_demand_packages().into_iter().filter(is_lacking).collect();
        if wanted.is_empty() || add(index, world, &wanted, solution).is_ok() {
            return;
        }
        for name in wanted {
            if let Err(error) = add(index, world, &[name], solution) {
                self.progress.note(&format!(
                    "{name} does not go with what the recipe names, so no run-time rule gets it: {error}"
                ));
            }
        }
    }
}

/// Adds packages to a solution, of which all the rest stays as it is.
fn add(
    index: &ApkIndex,
    world: &[Relation],
    more: &[&str],
    solution: &mut ApkSolution,
) -> Result<(), ApkResolveError> {
    let kept: BTreeSet<ApkId> = solution.packages.iter().map(|chosen| chosen.id).collect();
    let mut relations = world.to_vec();
    relations.extend(kept.iter().map(|id| {
        let record = index.record(*id);
        Relation::of_package(&record.name, record.checksum)
    }));
    relations.extend(more.iter().copied().map(Relation::any));
    let whole = resolve_apk(index, &relations, &BTreeMap::new(), false)?;
    solution.packages.extend(whole.packages.into_iter().filter(|chosen| !kept.contains(&chosen.id)));
    Ok(())
}

/// A request for a package to the byte.
fn exactly(package: &LockedPackage) -> Option<Relation> {
    match package.content {
        ContentId::Apk(checksum) => Some(Relation::of_package(&package.name, checksum)),
        ContentId::Sha256(_) => None,
    }
}

/// A request for whatever provides a library.
fn provided(name: &str) -> Relation {
    Relation::any(format!("so:{name}"))
}

/// What each layer asks for, as lines of apk's world.
fn world(recipe: &Recipe, local: &[LocalApk], port: Port) -> Vec<(String, Vec<Relation>)> {
    let relation = |stacked: &Stacked<'_>, spec: &PackageSpec| match spec {
        PackageSpec::Apk { .. } => spec.relation(port.name, port.triplet),
        PackageSpec::Local(template) => {
            let path = stacked.path(&template.expand(port.name, port.triplet));
            local.iter().find(|package| package.path == path).map(|package| package.request.clone())
        }
        PackageSpec::Archive { .. } => None,
    };
    let stacked = recipe.stacked().into_iter().map(|stacked| {
        let relations = stacked.layer.packages.iter().filter_map(|spec| relation(&stacked, spec)).collect();
        (stacked.layer.name.clone(), relations)
    });
    stacked.collect()
}
