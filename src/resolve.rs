//! Requests and a [`PackageIndex`] become the set of packages to install: no clock, no network, and the
//! same answer in whatever order things are asked.
//!
//! Two parts work together. A walk follows the dependencies depth first, in the order the fields have
//! them, and takes the first package that will do: what apt does, so that an image holds what `apt-get
//! install --no-install-recommends` would have put there. It may run into a conflict, and it proves nothing.
//! So its choices go to a SAT solver: first as they are, to be proved; where that fails, as preferences.
//!
//! Relations count as Debian Policy 7 has them: Depends, Pre-Depends, Conflicts, Breaks, and Provides with
//! and without a version, for one target architecture (`:any` needs `Multi-Arch: allowed`). Essential
//! packages are not implied, Recommends are not followed.

use std::collections::{BTreeMap, BTreeSet};

use crate::deb::relation::Operator;
use crate::repository::{PackageId, PackageIndex};

mod along;
mod apk;
mod encoding;
mod error;
mod explain;
mod relating;
mod walk;

pub use along::along;
pub use apk::{ApkChosen, ApkResolveError, ApkSolution, resolve_apk};
pub use error::{Holder, Needed, ResolveError};

use relating::Relating;

/// A package that must be in the solution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// Its name; a name that is only provided will not do.
    pub name: String,
    /// The versions that will do.
    pub constraint: Option<(Operator, String)>,
    /// Whether only a package from a file beside the recipe will do.
    pub local: bool,
}

impl Request {
    /// Any version of a package.
    pub fn any(name: impl Into<String>) -> Self {
        Request { name: name.into(), constraint: None, local: false }
    }
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        match &self.constraint {
            Some((operator, version)) => write!(f, " ({operator} {version})"),
            None => Ok(()),
        }
    }
}

/// Versions that a lock already holds, by package name.
#[derive(Clone, Copy, Debug)]
pub enum Pinned<'a> {
    /// They are tried first.
    Prefer(&'a BTreeMap<String, String>),
    /// No other versions of these packages will do, as long as the index has them.
    Keep(&'a BTreeMap<String, String>),
    /// The first are kept, as a base has them; the second are tried first.
    Above(&'a BTreeMap<String, String>, &'a BTreeMap<String, String>),
}

impl Pinned<'_> {
    fn version(&self, name: &str) -> Option<&str> {
        let version = match self {
            Pinned::Prefer(versions) | Pinned::Keep(versions) => versions.get(name),
            Pinned::Above(kept, preferred) => kept.get(name).or_else(|| preferred.get(name)),
        };
        version.map(String::as_str)
    }

    /// Whether no other version of a package will do.
    fn keeps(&self, name: &str) -> bool {
        match self {
            Pinned::Prefer(_) => false,
            Pinned::Keep(_) => true,
            Pinned::Above(kept, _) => kept.contains_key(name),
        }
    }
}

/// The packages to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// By name; one version of each.
    pub packages: Vec<Chosen>,
}

/// A package of a solution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The package.
    pub id: PackageId,
    /// Its name.
    pub name: String,
    /// The names of the packages chosen for its Depends and Pre-Depends, one a clause; sorted, each once,
    /// without its own.
    pub edges: Vec<String>,
    /// Those of `edges` that a Pre-Depends asks for.
    pub pre_edges: Vec<String>,
}

impl Solution {
    /// The package of a name.
    pub fn get(&self, name: &str) -> Option<&Chosen> {
        self.packages
            .binary_search_by(|chosen| chosen.name.as_str().cmp(name))
            .ok()
            .map(|place| &self.packages[place])
    }
}

/// Chooses packages so that every request and every dependency is met and nothing conflicts.
pub fn resolve(
    index: &PackageIndex,
    requests: &[Request],
    pinned: Pinned<'_>,
) -> Result<Solution, ResolveError> {
    let requests = requests.iter().cloned().collect::<BTreeSet<_>>();
    let relating = Relating::new(index, pinned);
    let mut wanted: BTreeMap<PackageId, Vec<PackageId>> = BTreeMap::new();
    let mut errors = Vec::new();
    for request in &requests {
        let (first, allowed) = match relating.requested(request) {
            Ok(found) => found,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        let earlier = wanted.entry(first).or_insert_with(|| allowed.clone());
        earlier.retain(|id| allowed.contains(id));
        if earlier.is_empty() {
            let same = requests.iter().filter(|other| other.name == request.name);
            return Err(ResolveError::Contradiction { requests: same.map(ToString::to_string).collect() });
        }
    }
    match errors.len() {
        0 => {}
        1 => return Err(errors.swap_remove(0)),
        _ => return Err(ResolveError::Several(errors)),
    }
    let walked = walk::walk(&relating, &wanted);
    let chosen = encoding::solve(&relating, &wanted, &walked)?;
    Ok(assemble(&relating, wanted.keys(), &chosen, &walked))
}

/// Names the edges of the chosen packages, and leaves out those that nothing needs any more.
fn assemble<'w>(
    relating: &Relating<'_>,
    wanted: impl Iterator<Item = &'w PackageId>,
    chosen: &BTreeSet<PackageId>,
    walked: &walk::Walked,
) -> Solution {
    let index = relating.index();
    let firsts: BTreeMap<PackageId, PackageId> =
        chosen.iter().map(|id| (index.first_of_name(*id), *id)).collect();
    let mut reached: BTreeSet<PackageId> = BTreeSet::new();
    let mut open: Vec<PackageId> = wanted.filter_map(|first| firsts.get(first).copied()).collect();
    let mut packages = Vec::new();
    while let Some(id) = open.pop() {
        if !reached.insert(id) {
            continue;
        }
        let (mut edges, mut pre_edges) = (BTreeSet::new(), BTreeSet::new());
        for (number, clause) in relating.facts(id).clauses.iter().enumerate() {
            let present: Vec<PackageId> =
                clause.packages().filter(|package| chosen.contains(package)).collect();
            open.extend(&present);
            let picked = walked.picked(id, number).filter(|picked| present.contains(picked));
            let Some(edge) = picked.or_else(|| present.first().copied()).filter(|edge| *edge != id) else {
                continue;
            };
            edges.insert(index.name(edge).to_owned());
            if clause.pre {
                pre_edges.insert(index.name(edge).to_owned());
            }
        }
        packages.push(Chosen {
            id,
            name: index.name(id).to_owned(),
            edges: edges.into_iter().collect(),
            pre_edges: pre_edges.into_iter().collect(),
        });
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Solution { packages }
}

#[cfg(test)]
mod tests;
