//! What apk's solver chose becomes the lock's packages, and a locked package a record of an index again.

use std::collections::{BTreeMap, BTreeSet};

use crate::apk::IndexRecord;
use crate::apk::relation::{Relation, parse_list};
use crate::arch::Arch;
use crate::cache::ContentId;
use crate::repository::{ApkIndex, ApkOrigin, OriginKind, apk_path};
use crate::resolve::{ApkChosen, ApkSolution};

use super::assembly::{AssemblyError, NamedByLayer, date, first_layers};
use super::request::provides_name;
use super::{LockedPackage, LockedRepository};

/// The lock's packages of one architecture. `layers` are lowest first, with what each asks for; `local` are the
/// paths of package files, by what says which bytes they have; `old` is what the lock had before.
pub fn apk_packages(
    arch: Arch,
    index: &ApkIndex,
    solution: &ApkSolution,
    layers: &[(String, Vec<Relation>)],
    local: &BTreeMap<ContentId, &str>,
    old: &BTreeMap<&str, &LockedPackage>,
) -> Vec<LockedPackage> {
    let records: Vec<&IndexRecord> = solution.packages.iter().map(|chosen| index.record(chosen.id)).collect();
    let layers: Vec<NamedByLayer> = layers
        .iter()
        .map(|(layer, relations)| NamedByLayer {
            layer: layer.clone(),
            packages: relations.iter().filter_map(|one| Some(meeting(one, &records)?.name.clone())).collect(),
        })
        .collect();
    let conditions = conditions(&records);
    let layer_of = lowest_layers(solution, &records, &conditions, &layers);
    let reached_from = reached_from(&conditions, &layer_of);
    let package = |chosen: &ApkChosen| {
        let record = index.record(chosen.id);
        let layer = layer_of.get(record.name.as_str());
        let is_own = |edge: &&String| {
            chosen.triggered.binary_search(edge).is_err() || !reached_from.contains_key(edge.as_str())
        };
        let given = reached_from.iter().filter(|(_, by)| **by == record.name).map(|(name, _)| *name);
        let own = chosen.edges.iter().filter(is_own).map(String::as_str);
        let requires: BTreeSet<&str> = own.chain(given).collect();
        LockedPackage {
            on_demand: layer.is_none(),
            layer: layer.map(|layer| (*layer).to_owned()),
            requires: requires.into_iter().map(str::to_owned).collect(),
            ..locked(arch, index, chosen, local, old)
        }
    };
    solution.packages.iter().map(package).collect()
}

/// What each package with `install_if` is for, by name.
fn conditions<'a>(records: &[&'a IndexRecord]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let with_any = records.iter().filter(|record| !record.install_if.is_empty());
    with_any
        .filter_map(|record| {
            let relations = parse_list(&record.install_if).ok()?;
            let met = relations.iter().filter_map(|relation| meeting(relation, records));
            Some((record.name.as_str(), met.map(|record| record.name.as_str()).collect()))
        })
        .collect()
}

/// The layer of each package: the first that reaches it along dependencies, or, where it came in by `install_if`,
/// the first in which, with those below, all that it is for is there.
fn lowest_layers<'a>(
    solution: &'a ApkSolution,
    records: &[&'a IndexRecord],
    conditions: &BTreeMap<&'a str, Vec<&'a str>>,
    layers: &'a [NamedByLayer],
) -> BTreeMap<&'a str, &'a str> {
    let chosen = || records.iter().map(|record| record.name.as_str()).zip(&solution.packages);
    let edges: BTreeMap<&str, &[String]> =
        chosen().map(|(name, chosen)| (name, chosen.edges.as_slice())).collect();
    let dependencies: BTreeMap<&str, Vec<&str>> = chosen()
        .map(|(name, chosen)| {
            let is_dependency = |edge: &&String| chosen.triggered.binary_search(edge).is_err();
            (name, chosen.edges.iter().filter(is_dependency).map(String::as_str).collect())
        })
        .collect();
    let mut layer_of: BTreeMap<&str, &str> = BTreeMap::new();
    for named in layers {
        let mut stack: Vec<&str> = named.packages.iter().map(String::as_str).collect();
        while !stack.is_empty() {
            while let Some(name) = stack.pop() {
                let Some((name, dependencies)) = dependencies.get_key_value(name) else { continue };
                if !layer_of.contains_key(name) {
                    layer_of.insert(name, &named.layer);
                    stack.extend(dependencies);
                }
            }
            let is_due = |(name, conditions): &(&&str, &Vec<&str>)| {
                !layer_of.contains_key(**name) && conditions.iter().all(|one| layer_of.contains_key(one))
            };
            stack.extend(conditions.iter().filter(is_due).map(|(name, _)| *name));
        }
    }
    // What has no layer yet is only reached through what triggered it.
    for (name, layer) in first_layers(&edges, layers) {
        layer_of.entry(name).or_insert(layer);
    }
    layer_of
}

/// From which package the edge leads to one that came in by `install_if`: the first of those it is for that lie in
/// its own layer, so that nothing lower leads there.
fn reached_from<'a>(
    conditions: &BTreeMap<&'a str, Vec<&'a str>>,
    layer_of: &BTreeMap<&'a str, &'a str>,
) -> BTreeMap<&'a str, &'a str> {
    let in_its_layer = |(name, conditions): (&&'a str, &Vec<&'a str>)| {
        let layer = layer_of.get(name)?;
        let beside = conditions.iter().filter(|one| layer_of.get(*one) == Some(layer) && *one != name);
        Some((*name, *beside.min()?))
    };
    conditions.iter().filter_map(in_its_layer).collect()
}

/// The package that meets a relation.
fn meeting<'a>(relation: &Relation, records: &[&'a IndexRecord]) -> Option<&'a IndexRecord> {
    if relation.conflict {
        return None;
    }
    let named = records.iter().find(|record| record.name == relation.name);
    named.or_else(|| records.iter().find(|record| provides_name(&record.provides, &relation.name))).copied()
}

/// Without its layer and edges.
fn locked(
    arch: Arch,
    index: &ApkIndex,
    chosen: &ApkChosen,
    local: &BTreeMap<ContentId, &str>,
    old: &BTreeMap<&str, &LockedPackage>,
) -> LockedPackage {
    let (record, origin) = (index.record(chosen.id), index.origin(chosen.id));
    let content = ContentId::from(record.checksum);
    let known = old.get(record.name.as_str()).filter(|old| old.content == content);
    let (repository, path) = match origin.kind {
        OriginKind::Local => (None, local.get(&content).copied().unwrap_or_default().to_owned()),
        OriginKind::Archive => {
            (Some(repository_name(origin)), apk_path(&origin.repository, index.arch_name(), record))
        }
        OriginKind::Locked => known.map(|old| (old.repository.clone(), old.path.clone())).unwrap_or_default(),
    };
    let number = |number: u64| if number == 0 { String::new() } else { number.to_string() };
    let relations = [
        ("build-time", number(record.build_time)),
        ("depends", record.depends.clone()),
        ("install-if", record.install_if.clone()),
        ("installed-size", number(record.installed_size)),
        ("provider-priority", number(record.provider_priority.into())),
        ("provides", record.provides.clone()),
    ];
    LockedPackage {
        arch,
        name: record.name.clone(),
        version: record.version.clone(),
        architecture: record.arch.clone(),
        source: record.origin.clone(),
        on_demand: true,
        layer: None,
        in_image: origin.kind == OriginKind::Locked && known.is_some_and(|old| old.in_image),
        essential: false,
        multi_arch: None,
        repository,
        path,
        size: record.size,
        content,
        relations: relations
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        requires: Vec::new(),
    }
}

/// `ARCHIVE REPOSITORY`, or the archive alone where it is one repository.
pub fn repository_name(origin: &ApkOrigin) -> String {
    if origin.repository.is_empty() {
        origin.archive.clone()
    } else {
        format!("{} {}", origin.archive, origin.repository)
    }
}

/// A locked version as a record of an index, for when no index has it any more; none for a package of Debian's.
pub fn apk_record(package: &LockedPackage) -> Option<IndexRecord> {
    let ContentId::Apk(checksum) = package.content else { return None };
    let number = |name: &str| package.relation(name).parse().unwrap_or(0);
    Some(IndexRecord {
        name: package.name.clone(),
        version: package.version.clone(),
        arch: package.architecture.clone(),
        origin: package.source.clone(),
        checksum,
        size: package.size,
        installed_size: number("installed-size"),
        build_time: number("build-time"),
        provider_priority: u32::try_from(number("provider-priority")).unwrap_or(u32::MAX),
        depends: package.relation("depends").to_owned(),
        provides: package.relation("provides").to_owned(),
        install_if: package.relation("install-if").to_owned(),
    })
}

/// The signed indexes that packages of one architecture were looked up in.
pub fn apk_repositories(arch: Arch, index: &ApkIndex) -> Result<Vec<LockedRepository>, AssemblyError> {
    let origins = index.origins().iter().filter(|origin| origin.kind == OriginKind::Archive);
    origins
        .map(|origin| {
            Ok(LockedRepository {
                arch,
                archive: origin.archive.clone(),
                suite: origin.repository.clone(),
                component: String::new(),
                signed: origin.signed,
                date: date(&origin.to_string(), origin.date)?,
            })
        })
        .collect()
}
