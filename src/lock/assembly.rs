//! A solution becomes the lock's packages: each with the layer that first needs it.

use std::collections::{BTreeMap, BTreeSet};

use crate::arch::Arch;
use crate::hint::Hint;
use crate::repository::{OriginKind, PackageIndex};
use crate::resolve::Solution;

use super::{LockedPackage, LockedRepository};

/// Why a solution cannot be locked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssemblyError {
    /// A date that no calendar has.
    #[error("the index {suite} is dated {seconds} seconds after the epoch, which no calendar has")]
    Date {
        /// The suite.
        suite: String,
        /// The date.
        seconds: u64,
    },
}

impl Hint for AssemblyError {
    fn hints(&self) -> Vec<String> {
        vec!["try another mirror with --mirror".into()]
    }
}

/// The packages that one layer names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedByLayer {
    /// The layer's name.
    pub layer: String,
    /// The packages' names.
    pub packages: Vec<String>,
}

/// The lock's packages of one architecture. `layers` are lowest first; what none of them reaches is marked
/// as on demand. `old` is what the lock had before, for versions that only it still knows.
pub fn locked_packages(
    arch: Arch,
    index: &PackageIndex,
    solution: &Solution,
    layers: &[NamedByLayer],
    old: &BTreeMap<&str, &LockedPackage>,
) -> Vec<LockedPackage> {
    let edges =
        solution.packages.iter().map(|chosen| (chosen.name.as_str(), chosen.edges.as_slice())).collect();
    let layer_of = first_layers(&edges, layers);
    solution
        .packages
        .iter()
        .map(|chosen| {
            let record = index.package(chosen.id);
            let origin = index.origin(chosen.id);
            let layer = layer_of.get(chosen.name.as_str());
            let relations = [
                ("Pre-Depends", record.pre_depends),
                ("Depends", record.depends),
                ("Provides", record.provides),
                ("Conflicts", record.conflicts),
                ("Breaks", record.breaks),
                ("Replaces", record.replaces),
            ];
            LockedPackage {
                arch,
                name: record.name.to_owned(),
                version: record.version.to_owned(),
                architecture: record.architecture.to_owned(),
                source: record.source.to_owned(),
                layer: layer.map(ToString::to_string),
                on_demand: layer.is_none(),
                in_image: origin.kind == OriginKind::Locked
                    && old.get(record.name).is_some_and(|old| old.in_image),
                essential: record.essential,
                multi_arch: Some(record.multi_arch.to_owned())
                    .filter(|value| !matches!(value.as_str(), "" | "no")),
                repository: match origin.kind {
                    OriginKind::Local => None,
                    OriginKind::Archive => Some(format!("{} {}", origin.archive, origin.suite)),
                    OriginKind::Locked => old.get(record.name).and_then(|old| old.repository.clone()),
                },
                path: record.filename.to_owned(),
                size: record.size,
                content: record.sha256.into(),
                relations: relations
                    .into_iter()
                    .filter(|(_, value)| !value.is_empty())
                    .map(|(name, value)| (name.to_owned(), unfolded(value)))
                    .collect(),
                requires: chosen.edges.clone(),
            }
        })
        .collect()
}

/// The layer that first reaches each package, by the edges the solver chose; none for what no layer reaches.
pub(super) fn first_layers<'a>(
    edges: &BTreeMap<&'a str, &'a [String]>,
    layers: &'a [NamedByLayer],
) -> BTreeMap<&'a str, &'a str> {
    let mut layer_of: BTreeMap<&str, &str> = BTreeMap::new();
    for named in layers {
        let mut stack: Vec<&str> = named.packages.iter().map(String::as_str).collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = stack.pop() {
            let Some((name, edges)) = edges.get_key_value(name) else { continue };
            if seen.insert(*name) {
                layer_of.entry(name).or_insert(&named.layer);
                stack.extend(edges.iter().map(String::as_str));
            }
        }
    }
    layer_of
}

/// A date in Unix seconds as locks have it.
pub(super) fn date(index: &str, seconds: u64) -> Result<String, AssemblyError> {
    let stamp = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    stamp
        .map(|stamp| stamp.to_string())
        .ok_or_else(|| AssemblyError::Date { suite: index.to_owned(), seconds })
}

/// The signed indexes that packages of one architecture were looked up in.
pub fn locked_repositories(arch: Arch, index: &PackageIndex) -> Result<Vec<LockedRepository>, AssemblyError> {
    index
        .origins()
        .iter()
        .filter(|origin| origin.kind == OriginKind::Archive)
        .map(|origin| {
            Ok(LockedRepository {
                arch,
                archive: origin.archive.clone(),
                suite: origin.suite.clone(),
                component: origin.component.clone(),
                signed: origin.inrelease,
                date: date(&origin.suite, origin.date)?,
            })
        })
        .collect()
}

/// A field's value on one line (Debian Policy 5.1).
fn unfolded(value: &str) -> String {
    value.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
