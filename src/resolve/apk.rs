//! A world and an [`ApkIndex`] become the packages that `apk add` would put onto an empty system, in the order
//! in which it would install them.
//!
//! This follows the decision procedure of apk-tools 2.14, not the Debian side's walk and SAT solver: what apk
//! chooses among several ways to meet a relation follows from the order in which it settles names, and where
//! it gives up although there is a way, so does this. The rules, in short:
//!
//! - A relation's name may be a package's or one that packages provide: `so:libz.so.1`, `cmd:curl`, `/bin/sh`.
//! - Of several providers that will do, the best is taken: of a tag that may be used, of the version that the
//!   lock holds, the highest version under the name that is asked for, then under its own name, the highest
//!   `provider_priority`, the first repository ([`choice`]).
//! - A name that is provided without a version and without a priority is never chosen by itself. One that is
//!   provided with a version excludes every other provider of that name.
//! - A repository with a tag only counts for what the world asks for as `name@tag`, and for what that needs.
//! - A package with `install_if` comes in as soon as all of it is there.
//! - `!name` rules out; packages with the same checksum are one.
//!
//! Relations of the world all count, also several for one name, as lines of `/etc/apk/world` would. Left out:
//! what is installed already, since an image starts empty; `apk upgrade` and its options.

use std::collections::{BTreeMap, BTreeSet};

use crate::apk::relation::Relation;
use crate::repository::{ApkId, ApkIndex};

mod choice;
mod constraint;
mod discovery;
mod error;
mod explain;
mod hash_order;
mod installation;
mod propagation;
mod solver;
mod universe;

pub use error::ApkResolveError;

use installation::Installed;
use solver::Solver;
use universe::{Dependency, PackageId, Universe};

/// The packages to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApkSolution {
    /// In apk's order: dependencies first, as far as they do not go round.
    pub packages: Vec<ApkChosen>,
}

/// A package of a solution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApkChosen {
    /// The package; where several repositories have the same, the first of them.
    pub id: ApkId,
    /// The names of the packages chosen for its dependencies; sorted, each once, without its own.
    ///
    /// A package that came in by `install_if` is also among the edges of one that triggered it, so that a walk
    /// along the edges from the packages of the world reaches all. (One that only stays because the world has
    /// a `!name` which its version escapes is left to itself, as apk leaves it.)
    pub edges: Vec<String>,
    /// Those of the edges that are no dependencies: what came in by `install_if`.
    pub triggered: Vec<String>,
}

/// Chooses packages as `apk add` would.
///
/// `pinned` are the versions that a lock holds, by package name: they are preferred where they will do, or
/// with `keep` no others of these names will do, as long as the index has them. A package file is asked for
/// by its checksum ([`Relation::of_package`]).
pub fn resolve_apk(
    index: &ApkIndex,
    world: &[Relation],
    pinned: &BTreeMap<String, String>,
    keep: bool,
) -> Result<ApkSolution, ApkResolveError> {
    let mut universe = Universe::new(index);
    explain::check_tags(&universe, world)?;
    let mut wanted: Vec<Dependency<'_>> = world.iter().map(|relation| universe.relation(relation)).collect();
    wanted.sort_by_cached_key(|relation| display_order(relation.text.name));
    let mut solver = Solver::solve(&universe, &wanted, pinned, keep);
    let installed = solver.installation();
    if solver.failures.is_empty() {
        Ok(assemble(&solver, &installed))
    } else {
        Err(explain::explain(&solver))
    }
}

/// Names without regard to case, and of those that only differ in it, capitals first: how apk sorts the world.
fn display_order(name: &str) -> (String, &str) {
    (name.to_ascii_lowercase(), name)
}

/// Names the edges of installed packages.
fn assemble(solver: &Solver<'_, '_>, installed: &[Installed]) -> ApkSolution {
    let universe = solver.universe;
    let name_of = |package: PackageId| &universe.package(package).record.name;
    let mut triggered: BTreeMap<PackageId, Vec<PackageId>> = BTreeMap::new();
    for one in installed {
        if let Some(by) = one.triggered_by {
            triggered.entry(by).or_default().push(one.package);
        }
    }
    let edges = |id: PackageId| {
        let depends = universe.package(id).depends.iter().filter_map(|one| met_by(solver, one));
        let triggered = triggered.get(&id).into_iter().flatten().copied();
        let names = |packages: &mut dyn Iterator<Item = PackageId>| -> BTreeSet<String> {
            packages.filter(|edge| *edge != id).map(name_of).cloned().collect()
        };
        let (depends, triggered) = (names(&mut depends.into_iter()), names(&mut triggered.into_iter()));
        let edges = depends.union(&triggered).cloned().collect();
        (edges, triggered.difference(&depends).cloned().collect())
    };
    let chosen = |one: &Installed| {
        let (edges, triggered) = edges(one.package);
        ApkChosen { id: universe.package(one.package).id, edges, triggered }
    };
    ApkSolution { packages: installed.iter().map(chosen).collect() }
}

/// The package that meets a dependency: the one taken for the name, or where several provide it bare and that
/// one is not installed, the first that is.
fn met_by(solver: &Solver<'_, '_>, dependency: &Dependency<'_>) -> Option<PackageId> {
    let chosen = solver.name(dependency.name).chosen?;
    let providers = solver.universe.providers(dependency.name).iter();
    std::iter::once(&chosen)
        .chain(providers.filter(|other| solver.universe.meets(dependency, Some(**other))))
        .map(|provider| provider.package)
        .find(|package| solver.package(*package).installing)
}

#[cfg(test)]
mod tests;
