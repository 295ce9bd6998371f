//! A recipe and its lock -> its layers as they will be, measured without being written, and what is in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::cache::ContentId;
use crate::catalog::{FileCatalog, PackageFiles};
use crate::fleet::{PulledLayer, expected_changes, updates_of};
use crate::layer::{LayerPlan, PackagePart};
use crate::lock::Lock;
use crate::oci::{Measured, Piece, measure};
use crate::recipe::Recipe;
use crate::root_path::RootPath;
use crate::select::Reason;
use crate::tarball::{Entry, EntryKind};

use super::super::assembly::{Parts, layer_plans};
use super::super::{Forge, ForgeError, Prepared};

/// What a file takes beside its content, in bytes before compression.
const HEADER: u64 = 128;

/// What a plan knows of an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Survey {
    pub(super) layers: Vec<PulledLayer>,
    /// The packages that have something in it.
    pub(super) packages: Vec<SurveyedPackage>,
    /// What each of them has in each layer.
    pub(super) parts: Vec<SurveyedPart>,
}

/// A package of an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SurveyedPackage {
    pub(super) content: ContentId,
    pub(super) name: String,
    pub(super) source: String,
    /// How often it is thought to be updated, in thousandths a year.
    pub(super) updates: u64,
    /// It is of the lock, not of an image below.
    is_locked: bool,
    pub(super) requires: Vec<String>,
}

/// What a package has in a layer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SurveyedPart {
    /// Its place in [`Survey::packages`].
    pub(super) package: u32,
    pub(super) piece: Piece,
    pub(super) files: Vec<SurveyedFile>,
}

/// The paths of packages, as [`paths_of`] has them, by the packages' places in [`Survey::packages`].
pub(super) type Paths = Vec<Vec<RootPath>>;

/// A file of a package: the places of the package in [`Survey::packages`] and of the file among [`paths_of`] it.
pub(super) type Place = (u32, u32);

/// A file of a package in an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SurveyedFile {
    /// Its place among [`paths_of`] its package; none of what is elsewhere than its package has it.
    pub(super) file: Option<u32>,
    /// What it takes before compression, in bytes, about.
    pub(super) taken: u64,
    /// The file that brings it along: what is linked with it, or leads to it.
    pub(super) by: Option<Place>,
}

impl Survey {
    /// How often a layer of these packages changes in a year, in millionths.
    pub(super) fn changes<'p>(&self, packages: impl IntoIterator<Item = &'p str>) -> u64 {
        changes_of(&self.updates(), packages)
    }

    /// How often each source changes, by package.
    pub(super) fn updates(&self) -> BTreeMap<String, (String, u64)> {
        let locked = self.packages.iter().filter(|package| package.is_locked);
        locked.map(|package| (package.name.clone(), (package.source.clone(), package.updates))).collect()
    }

    /// The pieces of all its layers.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.parts.iter().map(|part| &part.piece)
    }
}

/// How often a layer of packages changes in a year, in millionths. What is of one source changes at once.
pub(super) fn changes_of<'p>(
    updates: &BTreeMap<String, (String, u64)>,
    packages: impl IntoIterator<Item = &'p str>,
) -> u64 {
    let mut sources: BTreeMap<&str, u64> = BTreeMap::new();
    for (source, updates) in packages.into_iter().filter_map(|package| updates.get(package)) {
        let known = sources.entry(source).or_default();
        *known = (*known).max(*updates);
    }
    expected_changes(sources.into_values())
}

/// Everything in a package that is no directory, sorted.
pub(super) fn paths_of(package: &PackageFiles) -> Vec<RootPath> {
    let files = package.manifest.files.iter().filter(|file| file.entry.kind != EntryKind::Directory);
    let mut paths: Vec<RootPath> = files.map(|file| file.entry.path.clone()).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// The layers of an image that is prepared.
pub(super) struct Layers {
    pub(super) pulled: Vec<PulledLayer>,
    plans: Vec<LayerPlan>,
    measured: Vec<Measured>,
}

impl Forge<'_> {
    /// Measures the layers of an image that is prepared.
    pub(super) fn measured(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        prepared: &Prepared,
    ) -> Result<Layers, ForgeError> {
        let planned = layer_plans(Parts::of(recipe, lock, prepared, self.options.newest))?;
        let plans: Vec<LayerPlan> = planned.layers.into_iter().map(|(_, plan)| plan).collect();
        let catalog: &FileCatalog = &prepared.catalog;
        let measured: Vec<Measured> =
            plans.iter().map(|plan| measure(plan, catalog, &self.cache)).collect::<Result<_, _>>()?;
        let updates = updates(recipe, lock, prepared.arch);
        let pulled = |layer: &Measured| PulledLayer {
            key: layer.key,
            bytes: layer.bytes,
            again: changes_of(&updates, layer.pieces.iter().map(|piece| piece.package.as_str())),
        };
        Ok(Layers { pulled: measured.iter().map(pulled).collect(), plans, measured })
    }

    /// Looks into an image. With it come the paths of each package, by its place.
    pub(super) fn survey(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        arch: Arch,
    ) -> Result<(Survey, Paths), ForgeError> {
        let prepared = self.prepare(recipe, lock, arch)?;
        let layers = self.measured(recipe, lock, &prepared)?;
        let mut survey = Survey { layers: layers.pulled, packages: Vec::new(), parts: Vec::new() };
        let (mut places, mut paths): (BTreeMap<&str, u32>, Paths) = Default::default();
        let (mut parts, mut files): (Vec<&PackagePart>, BTreeMap<&RootPath, Place>) = Default::default();
        for (plan, measured) in layers.plans.iter().zip(&layers.measured) {
            for (part, piece) in plan.packages.iter().zip(&measured.pieces) {
                let Some(package) = prepared.catalog.package(&part.package) else { continue };
                let place = *places.entry(&package.name).or_insert_with(|| {
                    let locked = lock.package(arch, &package.name);
                    survey.packages.push(SurveyedPackage {
                        content: package.content,
                        name: package.name.clone(),
                        source: locked.map_or(&package.name, |locked| &locked.source).clone(),
                        updates: updates_of(recipe.format(), &package.version),
                        is_locked: locked.is_some(),
                        requires: locked.map(|locked| locked.requires.clone()).unwrap_or_default(),
                    });
                    paths.push(paths_of(package));
                    number(paths.len() - 1)
                });
                let of_package = &paths[place as usize];
                for entry in entries(part) {
                    if let Ok(at) = of_package.binary_search(&entry.path) {
                        files.insert(&entry.path, (place, number(at)));
                    }
                }
                survey.parts.push(SurveyedPart { package: place, piece: piece.clone(), files: Vec::new() });
                parts.push(part);
            }
        }
        let reasons = reasons(&prepared);
        for (surveyed, part) in survey.parts.iter_mut().zip(parts) {
            let file = |entry: &Entry| SurveyedFile {
                file: files.get(&entry.path).filter(|place| place.0 == surveyed.package).map(|place| place.1),
                taken: taken(entry),
                by: reasons.get(&entry.path).and_then(|by| files.get(by)).copied(),
            };
            surveyed.files = entries(part).map(file).collect();
        }
        Ok((survey, paths))
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn entries(part: &PackagePart) -> impl Iterator<Item = &Entry> {
    part.files.values().chain(&part.others)
}

/// How often each locked package is thought to be updated, in thousandths a year, and its source.
fn updates(recipe: &Recipe, lock: &Lock, arch: Arch) -> BTreeMap<String, (String, u64)> {
    let known = lock.packages_of(arch).into_values().map(|package| {
        let updates = updates_of(recipe.format(), &package.version);
        (package.name.clone(), (package.source.clone(), updates))
    });
    known.collect()
}

/// What files were linked with, or which link leads to them.
fn reasons(prepared: &Prepared) -> BTreeMap<&RootPath, &RootPath> {
    let chosen = prepared.selection.layers.iter().flat_map(|layer| layer.files.values());
    let brought = chosen.filter_map(|selected| match &selected.reason {
        Reason::Library { by, .. } | Reason::Loader { by } | Reason::Link { by } => {
            Some((&prepared.catalog.get(selected.file).1.entry.path, by))
        }
        _ => None,
    });
    brought.collect()
}

/// What an entry takes before compression, about.
fn taken(entry: &Entry) -> u64 {
    match entry.kind {
        EntryKind::File { size } => size + HEADER,
        _ => HEADER,
    }
}
