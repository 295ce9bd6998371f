//! What apk's solver chose becomes the lock's packages, and a locked package a record of an index again.

use std::collections::BTreeMap;

use crate::apk::IndexRecord;
use crate::apk::relation::Relation;
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
            packages: relations.iter().filter_map(|one| met_by(one, &records)).collect(),
        })
        .collect();
    let edges = solution
        .packages
        .iter()
        .zip(&records)
        .map(|(chosen, record)| (record.name.as_str(), chosen.edges.as_slice()))
        .collect();
    let layer_of = first_layers(&edges, &layers);
    let package = |chosen: &ApkChosen| {
        let record = index.record(chosen.id);
        let layer = layer_of.get(record.name.as_str());
        locked(arch, index, chosen, layer.map(|layer| (*layer).to_owned()), local, old)
    };
    solution.packages.iter().map(package).collect()
}

/// The package that meets what a layer asks for.
fn met_by(relation: &Relation, records: &[&IndexRecord]) -> Option<String> {
    if relation.conflict {
        return None;
    }
    let named = records.iter().find(|record| record.name == relation.name);
    let found =
        named.or_else(|| records.iter().find(|record| provides_name(&record.provides, &relation.name)));
    found.map(|record| record.name.clone())
}

fn locked(
    arch: Arch,
    index: &ApkIndex,
    chosen: &ApkChosen,
    layer: Option<String>,
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
        on_demand: layer.is_none(),
        layer,
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
        requires: chosen.edges.clone(),
    }
}

/// `ARCHIVE REPOSITORY`, or the archive alone where it is one repository.
fn repository_name(origin: &ApkOrigin) -> String {
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
