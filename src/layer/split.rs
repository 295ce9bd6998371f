//! One planned layer -> several, by [`Grouping`]. Pure.
//!
//! What the layers hold together is exactly what the one would have held: each file goes to one of them as it is, each
//! directory to all that have something in it. What packages' scripts make and what is made of the image as a whole
//! (accounts, the loader's cache, apk's database ...) is there once, in the topmost.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::FileCatalog;
use crate::render::{Made, MadeFile};
use crate::root_path::RootPath;
use crate::select::SelectedLayer;
use crate::tarball::{Entry, EntryKind};

use super::LayerPlan;
use super::grouping::{Class, Group, Grouping};

/// Where dpkg's records of each package are: `PACKAGE`, `PACKAGE.md5sums`.
const RECORDS: &str = "/var/lib/dpkg/status.d/";

/// What is made of data, and what of: it lies with the data, if that is all in one place.
const OF_DATA: &[(&str, &[&str])] = &[(
    "/etc/ssl/certs/",
    &["/etc/ca-certificates.conf", "/usr/local/share/ca-certificates/", "/usr/share/ca-certificates/"],
)];

/// What a layer was planned from, as far as its parts go to different places.
#[derive(Clone, Copy, Debug)]
pub struct Provenance<'a> {
    /// What was chosen of packages.
    pub selected: &'a SelectedLayer,
    /// The catalogue that it is of.
    pub catalog: &'a FileCatalog,
    /// What every root file system has.
    pub skeleton: &'a Made,
    /// The paths of the recipe's own files.
    pub own: &'a BTreeSet<RootPath>,
}

/// Splits a layer by groups: the layers that hold anything, lowest first.
pub fn split(plan: &LayerPlan, grouping: &Grouping, from: Provenance<'_>) -> Vec<LayerPlan> {
    let mut parts: BTreeMap<Group, LayerPlan> = BTreeMap::new();
    let empty = |group: Group| LayerPlan { name: grouping.name(group), ..plan.like() };
    // The directories of each.
    let mut wanted: BTreeMap<Group, BTreeSet<RootPath>> = BTreeMap::new();
    for part in &plan.packages {
        let group = grouping.of_package(&part.package).unwrap_or(grouping.of_class(Class::Settings));
        let entries = part.files.values().chain(&part.others);
        wanted
            .entry(group)
            .or_default()
            .extend(entries.flat_map(|entry| entry.path.ancestors().collect::<Vec<_>>()));
        parts.entry(group).or_insert_with(|| empty(group)).packages.push(part.clone());
    }
    for file in &plan.made {
        let group = file_group(file, grouping, from);
        wanted.entry(group).or_default().extend(file.entry.path.ancestors());
        parts.entry(group).or_insert_with(|| empty(group)).made.push(file.clone());
    }
    let filled: BTreeSet<RootPath> = wanted.values().flatten().cloned().collect();
    for entry in &plan.directories {
        if let Some(group) = directory_group(entry, grouping, from, filled.contains(&entry.path)) {
            wanted.entry(group).or_default().extend(entry.path.ancestors().chain([entry.path.clone()]));
        }
    }
    for (group, paths) in wanted {
        let directories = plan.directories.iter().filter(|entry| paths.contains(&entry.path));
        parts.entry(group).or_insert_with(|| empty(group)).directories = directories.cloned().collect();
    }
    parts.into_values().collect()
}

/// Where a file goes that comes from no package.
fn file_group(file: &MadeFile, grouping: &Grouping, from: Provenance<'_>) -> Group {
    let path = &file.entry.path;
    let settings = grouping.of_class(Class::Settings);
    if from.own.contains(path) {
        return settings;
    }
    if let Some(name) = path.as_str().strip_prefix(RECORDS) {
        let package = name.strip_suffix(".md5sums").unwrap_or(name);
        return grouping.of_package(package).unwrap_or(settings);
    }
    let is_of_skeleton = from.skeleton.get(path).is_some_and(|skeleton| {
        (&skeleton.content, &skeleton.entry.kind) == (&file.content, &file.entry.kind)
    });
    let skeleton = grouping.of_class(Class::Skeleton);
    let made_of = OF_DATA.iter().find(|(place, _)| path.as_str().starts_with(place));
    if is_of_skeleton || made_of.is_some_and(|(_, sources)| all_in(skeleton, sources, grouping, from)) {
        return skeleton;
    }
    settings
}

/// Whether nothing but one group has something at or below some places.
fn all_in(group: Group, places: &[&str], grouping: &Grouping, from: Provenance<'_>) -> bool {
    let is_there = |path: &RootPath| places.iter().any(|place| path.as_str().starts_with(place));
    let mut chosen = from.selected.files.iter().filter(|(path, _)| is_there(path));
    !from.own.iter().any(is_there)
        && chosen.all(|(_, chosen)| grouping.of_package(&from.catalog.get(chosen.file).0.name) == Some(group))
}

/// Where a directory goes for its own sake.
fn directory_group(
    entry: &Entry,
    grouping: &Grouping,
    from: Provenance<'_>,
    is_filled: bool,
) -> Option<Group> {
    let is_of_skeleton = from.skeleton.get(&entry.path).is_some_and(|skeleton| {
        let (skeleton, here) = (&skeleton.entry, &entry.metadata);
        skeleton.kind == EntryKind::Directory
            && (skeleton.metadata.mode, skeleton.metadata.uid, skeleton.metadata.gid)
                == (here.mode, here.uid, here.gid)
    });
    if is_of_skeleton {
        return Some(grouping.of_class(Class::Skeleton));
    }
    let chosen = from.selected.files.get(&entry.path).map(|chosen| from.catalog.get(chosen.file));
    let of_package = chosen
        .filter(|(_, file)| file.entry.kind == EntryKind::Directory)
        .and_then(|(package, _)| grouping.of_package(&package.name));
    // What no package has and nobody has something in, was made for its own sake.
    of_package.or_else(|| (!is_filled).then(|| grouping.of_class(Class::Settings)))
}
