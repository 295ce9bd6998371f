//! What goes into which layer, and in which order: Selection + made files -> [`LayerPlan`]s. Pure.
//!
//! A layer's tarball has its directories first, then each package's files in the order of package names, then
//! what was made. So it can be written while packages stream by, and its bytes depend on nothing else.
//!
//! Where the recipe leaves it to rootforge which files share a layer, [`Grouping`] says it and [`split()`] does it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::catalog::{CataloguedFile, FileCatalog, PackageFiles};
use crate::hint::Hint;
use crate::recipe::LayerCompression;
use crate::render::{Changes, EPOCH, Made, MadeFile, made_metadata};
use crate::root_path::RootPath;
use crate::select::SelectedLayer;
use crate::tarball::{CAPABILITIES, Entry, EntryKind, Metadata};

mod grouping;
mod split;

pub use grouping::{Class, FOUNDATION, Group, Grouped, Grouping, LARGE, LOADERS};
pub use split::{Provenance, split};

/// A layer, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerPlan {
    /// The recipe's name for it.
    pub name: String,
    /// Its directories, by path.
    pub directories: Vec<Entry>,
    /// What it takes from packages, by package name.
    pub packages: Vec<PackagePart>,
    /// What was made for it, by path.
    pub made: Vec<MadeFile>,
    /// How it is to be compressed.
    pub compression: LayerCompression,
}

/// What a layer takes from one package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackagePart {
    /// The package's name.
    pub package: String,
    /// The package file.
    pub archive: PathBuf,
    /// Regular files, by the position of their content in the package's data tarball.
    pub files: BTreeMap<u32, Entry>,
    /// Links, devices and the like; hard links follow their target's position.
    pub others: Vec<Entry>,
}

/// What the layers below a layer have, as far as its own bytes or soundness depend on it.
#[derive(Clone, Debug, Default)]
pub struct Below {
    packages: BTreeSet<String>,
    directories: BTreeMap<RootPath, Metadata>,
    others: BTreeSet<RootPath>,
    /// The paths that a base image has, whatever they are.
    given: BTreeSet<RootPath>,
}

impl Below {
    /// Lays a layer on top.
    pub fn add(&mut self, plan: &LayerPlan) {
        self.packages.extend(plan.packages.iter().map(|part| part.package.clone()));
        for entry in &plan.directories {
            self.others.remove(&entry.path);
            self.directories.insert(entry.path.clone(), entry.metadata.clone());
        }
        for entry in plan.non_directories() {
            self.directories.remove(&entry.path);
            self.others.insert(entry.path.clone());
        }
    }

    /// Stands on an image, of which all files are these, and all paths, links of the merged `/usr` too.
    pub fn stand_on(&mut self, selected: &SelectedLayer, paths: &BTreeSet<RootPath>, catalog: &FileCatalog) {
        self.given.extend(paths.iter().cloned());
        for (path, file) in &selected.files {
            let entry = &catalog.get(file.file).1.entry;
            if entry.kind == EntryKind::Directory {
                self.directories.insert(path.clone(), entry.metadata.clone());
            } else {
                self.others.insert(path.clone());
            }
        }
    }

    /// Whether a base image has something at a path.
    pub fn has_given(&self, path: &RootPath) -> bool {
        self.given.contains(path)
    }

    /// Whether a lower layer has anything but a directory at a path.
    pub fn has_other(&self, path: &RootPath) -> bool {
        self.others.contains(path)
    }

    /// Whether a lower layer has a directory at a path.
    pub fn has_directory(&self, path: &RootPath) -> bool {
        self.directories.contains_key(path)
    }

    /// Whether a lower layer has something in the directory at a path.
    fn fills(&self, path: &RootPath) -> bool {
        let first_below = |first: Option<&RootPath>| first.is_some_and(|first| first.is_within(path));
        let after = || (Bound::Excluded(path.clone()), Bound::Unbounded);
        first_below(self.directories.range(after()).next().map(|(path, _)| path))
            || first_below(self.others.range(after()).next())
    }
}

/// Why a layer cannot be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayerError {
    /// One path would have to be two things.
    #[error("layer `{layer}`: {path} is to be a file or a link, and a directory for the files below it")]
    InTheWay {
        /// The layer.
        layer: String,
        /// The path.
        path: RootPath,
    },
    /// A directory would take the place of a lower layer's link or file, and hide what the link leads to.
    #[error("layer `{layer}`: {path} is to be a directory, and is a file or a link in a lower layer")]
    HidesLower {
        /// The layer.
        layer: String,
        /// The path.
        path: RootPath,
    },
    /// A file or link would take the place of a lower layer's directory, and all in it would be gone.
    #[error(
        "layer `{layer}`: {path} is to be a file or a link, and is a directory with files in a lower layer"
    )]
    HidesDirectory {
        /// The layer.
        layer: String,
        /// The path.
        path: RootPath,
    },
}

impl Hint for LayerError {
    fn hints(&self) -> Vec<String> {
        match self {
            LayerError::InTheWay { path, .. } => {
                vec![format!(
                    "put what the recipe has at {path} elsewhere, or exclude the other with `{path}/**`"
                )]
            }
            LayerError::HidesLower { .. } => {
                vec!["write to where the link leads, or put the file elsewhere".to_owned()]
            }
            LayerError::HidesDirectory { path, .. } => {
                vec![format!("put what the recipe has at {path} elsewhere")]
            }
        }
    }
}

/// What a layer is planned from.
#[derive(Debug)]
pub struct LayerParts<'a> {
    /// The package files chosen for it.
    pub selected: &'a SelectedLayer,
    /// What was made for it: skeleton, accounts, files of the recipe, the package manager's records.
    pub made: Made,
    /// What becomes of packages' files where it is not as the packages say.
    pub changes: &'a Changes,
    /// How it is to be compressed.
    pub compression: LayerCompression,
}

/// Plans one layer. Where the recipe brings a file at the path of a package's, the recipe's is taken. A
/// directory that lower layers have too keeps the mode and owner they gave it, unless it is made here.
///
/// Times later than `newest`, in seconds since the Unix epoch, become it, but never zero; a time of zero
/// becomes [`EPOCH`].
pub fn plan(
    parts: LayerParts<'_>,
    below: &Below,
    catalog: &FileCatalog,
    newest: Option<u64>,
) -> Result<LayerPlan, LayerError> {
    let LayerParts { selected, made, changes, compression } = parts;
    let clamp = |entry: &mut Entry| {
        let time = if entry.metadata.mtime == 0 { EPOCH } else { entry.metadata.mtime };
        entry.metadata.mtime = newest.map_or(time, |newest| time.min(newest.max(1)));
    };

    let mut by_package: BTreeMap<&str, Vec<&CataloguedFile>> = BTreeMap::new();
    let mut touched = below.packages.clone();
    for (path, file) in &selected.files {
        let (package, entry) = catalog.get(file.file);
        touched.insert(package.name.clone());
        let replaced = made.contains_key(changes.moved.get(path).unwrap_or(path));
        if entry.entry.kind != EntryKind::Directory && !replaced && !changes.removed.contains(path) {
            by_package.entry(&package.name).or_default().push(entry);
        }
    }
    let mut packages: Vec<PackagePart> = by_package
        .into_iter()
        .filter_map(|(name, files)| Some(package_part(catalog.package(name)?, files, changes)))
        .collect();
    for part in &mut packages {
        part.files.values_mut().chain(&mut part.others).for_each(clamp);
    }

    let mut directories = directories(selected, &made, changes, &touched, below, catalog);
    for entry in directories.iter_mut().filter(|entry| !made.contains_key(&entry.path)) {
        change(entry, changes);
    }
    directories.iter_mut().for_each(clamp);
    let mut made: Vec<MadeFile> =
        made.into_values().filter(|file| file.entry.kind != EntryKind::Directory).collect();
    for file in &mut made {
        clamp(&mut file.entry);
    }
    let plan = LayerPlan { name: selected.name.clone(), directories, packages, made, compression };
    plan.check_paths(below)?;
    Ok(plan)
}

impl LayerPlan {
    /// An empty one that is to be packed in the same way.
    fn like(&self) -> Self {
        LayerPlan {
            name: self.name.clone(),
            directories: Vec::new(),
            packages: Vec::new(),
            made: Vec::new(),
            compression: self.compression,
        }
    }

    /// The bytes of the files it takes from packages.
    pub fn size(&self) -> u64 {
        let files = self.packages.iter().flat_map(|part| part.files.values());
        files.map(|entry| if let EntryKind::File { size } = entry.kind { size } else { 0 }).sum()
    }

    /// Whether the layer would hold nothing.
    pub fn is_empty(&self) -> bool {
        self.directories.is_empty() && self.packages.is_empty() && self.made.is_empty()
    }

    /// All that is no directory.
    fn non_directories(&self) -> impl Iterator<Item = &Entry> {
        let from_packages = self.packages.iter().flat_map(|part| part.files.values().chain(&part.others));
        from_packages.chain(self.made.iter().map(|file| &file.entry))
    }

    /// No path stands twice in a layer: a file is not where something else needs a directory. Nor does a
    /// directory take the place of something else in a lower layer, or the other way round.
    fn check_paths(&self, below: &Below) -> Result<(), LayerError> {
        let (layer, directories) = (|| self.name.clone(), self.directories.iter().map(|entry| &entry.path));
        if let Some(path) = directories.clone().find(|path| below.others.contains(*path)) {
            return Err(LayerError::HidesLower { layer: layer(), path: path.clone() });
        }
        let directories: BTreeSet<&RootPath> = directories.collect();
        for Entry { path, .. } in self.non_directories() {
            if directories.contains(path) {
                return Err(LayerError::InTheWay { layer: layer(), path: path.clone() });
            }
            if below.has_directory(path) && below.fills(path) {
                return Err(LayerError::HidesDirectory { layer: layer(), path: path.clone() });
            }
        }
        Ok(())
    }
}

/// Every directory above a path of the layer, and those that were chosen or made themselves. What a script takes away
/// leaves the directory that it was in.
fn directories(
    selected: &SelectedLayer,
    made: &Made,
    changes: &Changes,
    touched: &BTreeSet<String>,
    below: &Below,
    catalog: &FileCatalog,
) -> Vec<Entry> {
    let mut paths: BTreeSet<RootPath> = BTreeSet::new();
    let is_other =
        |path: &RootPath| made.get(path).is_some_and(|made| made.entry.kind != EntryKind::Directory);
    let stays = |path: &RootPath| !changes.removed.contains(path) && !is_other(path);
    let leaves = |path: &RootPath| changes.removed.contains(path) || changes.moved.contains_key(path);
    let (left, chosen): (Vec<&RootPath>, Vec<&RootPath>) =
        selected.files.keys().partition(|path| leaves(path));
    for path in chosen.into_iter().chain(made.keys()).chain(changes.moved.values()) {
        paths.extend(path.ancestors());
    }
    paths.extend(left.into_iter().flat_map(RootPath::ancestors).filter(stays));
    let chosen = selected
        .files
        .iter()
        .filter(|(path, file)| catalog.get(file.file).1.entry.kind == EntryKind::Directory && stays(path));
    paths.extend(chosen.map(|(path, _)| path.clone()));
    let made_directories =
        made.iter().filter(|(_, file)| file.entry.kind == EntryKind::Directory).map(|(path, _)| path.clone());
    paths.extend(made_directories);
    paths.remove(&RootPath::root());
    paths
        .into_iter()
        .map(|path| {
            let plain = made_metadata(0o755);
            // What scripts have made of it below stands, be it the usual.
            let stands = |metadata: &&Metadata| {
                let metadata = Metadata { mtime: EPOCH, ..(*metadata).clone() };
                metadata != plain || metadata != directory_metadata(&path, &below.packages, catalog)
            };
            let metadata = match (made.get(&path), below.directories.get(&path).filter(stands)) {
                (Some(made), _) => made.entry.metadata.clone(),
                (None, Some(lower)) => lower.clone(),
                (None, None) => directory_metadata(&path, touched, catalog),
            };
            Entry { path, metadata, kind: EntryKind::Directory }
        })
        .collect()
}

/// A directory's metadata as the packages of the image have it; its time is ours.
fn directory_metadata(path: &RootPath, touched: &BTreeSet<String>, catalog: &FileCatalog) -> Metadata {
    catalog.directory(path, |package| touched.contains(&package.name)).map_or_else(
        || made_metadata(0o755),
        |(_, entry)| Metadata { mtime: EPOCH, ..entry.metadata.clone() },
    )
}

/// Sorts chosen files of a package into regular files and the rest. A hard link whose target is not chosen
/// becomes the file itself; further links to the same target lead to it.
fn package_part(package: &PackageFiles, mut chosen: Vec<&CataloguedFile>, changes: &Changes) -> PackagePart {
    chosen.sort_by_key(|file| file.index);
    let mut part = PackagePart {
        package: package.name.clone(),
        archive: package.archive.clone(),
        files: BTreeMap::new(),
        others: Vec::new(),
    };
    let (links, rest): (Vec<&CataloguedFile>, Vec<&CataloguedFile>) =
        chosen.into_iter().partition(|file| matches!(file.entry.kind, EntryKind::HardLink { .. }));
    for file in rest {
        match file.entry.kind {
            EntryKind::File { .. } => {
                part.files.insert(file.index, changed(file, changes));
            }
            _ => part.others.push(changed(file, changes)),
        }
    }
    for link in links {
        let Some(index) = package.manifest.content_index(link) else { continue };
        let Some(content) = package.manifest.files.iter().find(|file| file.index == index) else { continue };
        let mut entry = link.entry.clone();
        change(&mut entry, changes);
        if let Some(target) = part.files.get(&index) {
            entry.kind = EntryKind::HardLink { target: target.path.clone() };
            // Who unpacks it gives them to the file, which has one owner and one mode.
            entry.metadata = target.metadata.clone();
            part.others.push(entry);
        } else {
            entry.kind = content.entry.kind.clone();
            entry.metadata = changed(content, changes).metadata;
            part.files.insert(index, entry);
        }
    }
    part
}

/// A file as it is in this image.
fn changed(file: &CataloguedFile, changes: &Changes) -> Entry {
    let mut entry = file.entry.clone();
    change(&mut entry, changes);
    entry
}

fn change(entry: &mut Entry, changes: &Changes) {
    if let Some(owner) = changes.owners.get(&entry.path) {
        [entry.metadata.uid, entry.metadata.gid] = *owner;
    }
    if let Some(mode) = changes.modes.get(&entry.path) {
        entry.metadata.mode = *mode;
    }
    if let Some(capabilities) = changes.capabilities.get(&entry.path) {
        entry.metadata.xattrs.remove(CAPABILITIES);
        if !capabilities.is_empty() {
            entry.metadata.xattrs.insert(CAPABILITIES.to_owned(), capabilities.clone());
        }
    }
    if let Some(moved) = changes.moved.get(&entry.path) {
        entry.path = moved.clone();
    }
}
