//! From a selection to layer plans: what is made for each layer joins what was chosen for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::arch::Arch;
use crate::catalog::FileCatalog;
use crate::distro::PackageFormat;
use crate::effects::PackageEffects;
use crate::layer::{Below, LayerParts, LayerPlan, plan};
use crate::lock::Lock;
use crate::oci::{ImageSpec, LayerBlob, image_config};
use crate::recipe::{ImageConfig, Recipe};
use crate::render::{
    Accounts, Changes, EPOCH, Made, MadeFile, Placeholders, Surroundings, recipe_files, skeleton,
};
use crate::root_path::RootPath;
use crate::select::{SelectedLayer, Selection};
use crate::tarball::EntryKind;

use super::{Forge, ForgeError, Prepared};

mod alpine;
mod debian;

/// Everything that layers are planned from.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) lock: &'a Lock,
    pub(super) arch: Arch,
    pub(super) catalog: &'a FileCatalog,
    pub(super) selection: &'a Selection,
    /// What the packages' scripts would do, by package.
    pub(super) effects: &'a BTreeMap<String, PackageEffects>,
    /// No time in the image is later, in seconds since the Unix epoch.
    pub(super) newest: Option<u64>,
}

impl<'a> Parts<'a> {
    /// Of what was prepared from a recipe and its lock.
    pub(super) fn of(
        recipe: &'a Recipe,
        lock: &'a Lock,
        prepared: &'a Prepared,
        newest: Option<u64>,
    ) -> Self {
        let Prepared { arch, catalog, effects, selection } = prepared;
        Parts { recipe, lock, arch: *arch, catalog, selection, effects: &effects.packages, newest }
    }
}

/// What is planned, lowest first, and what is left undone.
pub(super) struct Planned {
    /// Every layer that holds anything.
    pub(super) layers: Vec<LayerPlan>,
    /// What packages' scripts would do and the image lacks.
    pub(super) undone: Vec<String>,
}

/// What a layer has beside its packages' and the recipe's files, and what it makes of packages' files.
struct Laid {
    /// Files in place of packages'.
    made: Made,
    /// All accounts up to this layer.
    accounts: Accounts,
    /// What becomes of packages' files where it is not as the packages say.
    changes: Changes,
}

/// What installing packages makes, by the distro's rules; it is led through the layers, lowest first.
trait SetUp<'a> {
    /// Makes the next layer's part, which has `laid` beside its packages so far.
    fn layer(&mut self, number: usize, selected: &'a SelectedLayer, laid: &Made) -> Result<Laid, ForgeError>;
    /// The package manager's records of that layer, and what is made of the image as a whole; `files` of the
    /// recipe have taken packages' places.
    fn finish(&mut self, selected: &'a SelectedLayer, files: &Made) -> Made;
    /// What packages' scripts would do and was left out.
    fn undone(&self) -> Vec<String>;
}

/// Plans every layer of a recipe that holds anything.
pub(super) fn layer_plans(parts: Parts<'_>) -> Result<Planned, ForgeError> {
    let Parts { recipe, arch, catalog, selection, .. } = parts;
    let distro = recipe.conventions();
    let placeholders = Placeholders {
        arch_name: distro.arch_name(arch).unwrap_or_default(),
        triplet: distro.triplet(arch).unwrap_or_default(),
    };
    let mut set_up: Box<dyn SetUp<'_>> = match recipe.format() {
        PackageFormat::Deb => Box::new(debian::Debian::new(parts)?),
        PackageFormat::Apk => Box::new(alpine::Alpine::new(parts)),
    };
    let mut below = Below::default();
    let mut layers = Vec::new();
    for (number, (layer, selected)) in recipe.layers.iter().zip(&selection.layers).enumerate() {
        let mut made = if number == 0 { foundation(parts, selected) } else { Made::new() };
        let needed_links = selected.links.iter().filter(|(_, link)| !(link.of_distro && recipe.skeleton));
        made.extend(
            needed_links.map(|(path, link)| (path.clone(), MadeFile::symlink(path.clone(), &link.target))),
        );
        made.extend(rule_files(parts, number, selected, placeholders));
        let Laid { made: own, accounts, changes } = set_up.layer(number, selected, &made)?;
        made.extend(own);
        if number + 1 == recipe.layers.len()
            && let Some(mistakes) = recipe.undefined(|account| {
                let id = if account.is_group { Accounts::gid } else { Accounts::uid };
                id(&accounts, &account.name).is_some()
            })
        {
            return Err(ForgeError::Recipe(mistakes));
        }
        let host = Surroundings {
            canonical: &|path| catalog.merged_usr().canonical(path),
            has_directory: &|path| {
                below.has_directory(path)
                    || made.get(path).is_some_and(|made| made.entry.kind == EntryKind::Directory)
                    || selected
                        .files
                        .range(path.clone()..)
                        .next()
                        .is_some_and(|(next, _)| next.is_within(path))
            },
        };
        let files = recipe_files(recipe, layer, &accounts, placeholders, &host)?;
        made.extend(set_up.finish(selected, &files));
        made.extend(files);
        let plan = plan(LayerParts { selected, made, changes: &changes }, &below, catalog, parts.newest)?;
        below.add(&plan);
        if !plan.is_empty() {
            layers.push(plan);
        }
    }
    Ok(Planned { layers, undone: set_up.undone() })
}

/// What run-time rules make in a layer, unless the recipe has it there or below.
fn rule_files(parts: Parts<'_>, number: usize, selected: &SelectedLayer, names: Placeholders<'_>) -> Made {
    let Parts { recipe, catalog, .. } = parts;
    let layers = recipe.layers.iter().take(number + 1);
    let of_recipe: BTreeSet<RootPath> = layers
        .flat_map(|layer| &layer.files)
        .filter_map(|file| file.path(names.arch_name, names.triplet).ok())
        .map(|path| catalog.merged_usr().canonical(&path))
        .collect();
    selected
        .made
        .iter()
        .filter(|(path, _)| !of_recipe.contains(path))
        .map(|(path, made)| {
            (path.clone(), MadeFile::file(path.clone(), 0o644, made.content.clone().into_bytes()))
        })
        .collect()
}

/// What the lowest layer stands on, less what its packages have themselves.
fn foundation(parts: Parts<'_>, selected: &SelectedLayer) -> Made {
    let Parts { recipe, arch, .. } = parts;
    let mut made = if recipe.skeleton { skeleton(recipe.conventions(), arch) } else { Made::new() };
    made.retain(|path, file| file.entry.kind == EntryKind::Directory || !selected.files.contains_key(path));
    made
}

/// How the image runs: as the recipe says, with what its distro and run-time rules add to the environment.
fn configured(recipe: &Recipe, selection: &Selection) -> ImageConfig {
    let mut config = image_config(&recipe.image, recipe.conventions());
    for (name, value) in &selection.env {
        config.env.entry(name.clone()).or_insert_with(|| value.clone());
    }
    config
}

impl Prepared {
    /// How the image of a recipe will run.
    pub fn image_config(&self, recipe: &Recipe) -> ImageConfig {
        configured(recipe, &self.selection)
    }
}

impl Forge<'_> {
    /// The image of one architecture. It is dated as its newest index; where it has none, as all that
    /// rootforge makes.
    pub(super) fn image_spec(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        arch: Arch,
        selection: &Selection,
        layers: Vec<LayerBlob>,
    ) -> ImageSpec {
        let date = lock
            .date(arch)
            .and_then(|date| date.parse::<jiff::Timestamp>().ok())
            .and_then(|date| u64::try_from(date.as_second()).ok())
            .unwrap_or(EPOCH);
        ImageSpec {
            arch,
            config: configured(recipe, selection),
            created: self.options.newest.map_or(date, |newest| date.min(newest)),
            layers,
            annotations: BTreeMap::new(),
        }
    }
}
