//! From a selection to layer plans: what is made for each layer joins what was chosen for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::arch::Arch;
use crate::catalog::FileCatalog;
use crate::distro::Distro;
use crate::layer::{Below, LayerParts, LayerPlan, plan};
use crate::lock::Lock;
use crate::oci::{ImageSpec, LayerBlob, image_config};
use crate::recipe::Recipe;
use crate::render::{
    Accounts, EPOCH, Made, MadeFile, PackageRecord, Placeholders, Surroundings, recipe_files, records,
    skeleton,
};
use crate::root_path::RootPath;
use crate::select::{SelectedLayer, Selection};
use crate::tarball::EntryKind;

use super::{Forge, ForgeError};

/// Plans every layer of a recipe that holds anything, lowest first.
pub(super) fn layer_plans(
    recipe: &Recipe,
    arch: Arch,
    catalog: &FileCatalog,
    selection: &Selection,
    newest: Option<u64>,
) -> Result<Vec<LayerPlan>, ForgeError> {
    let distro = recipe.conventions();
    let placeholders = Placeholders {
        arch_name: distro.arch_name(arch).unwrap_or_default(),
        triplet: distro.triplet(arch).unwrap_or_default(),
    };
    let accounts = Accounts::of(recipe, |program| is_chosen(program, catalog, selection))?;
    let mut below = Below::default();
    let mut shipped: BTreeMap<&str, BTreeSet<&RootPath>> = BTreeMap::new();
    let mut plans = Vec::new();
    for (index, (layer, selected)) in recipe.layers.iter().zip(&selection.layers).enumerate() {
        let mut made =
            if index == 0 { foundation(recipe, distro, arch, &accounts, selected) } else { Made::new() };
        let needed_links = selected.links.iter().filter(|(_, link)| !(link.of_distro && recipe.skeleton));
        made.extend(
            needed_links.map(|(path, link)| (path.clone(), MadeFile::symlink(path.clone(), &link.target))),
        );
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
        made.extend(package_records(catalog, selected, &files, &mut shipped));
        made.extend(files);
        let plan = plan(LayerParts { selected, made }, &below, catalog, newest)?;
        below.add(&plan);
        if !plan.is_empty() {
            plans.push(plan);
        }
    }
    Ok(plans)
}

impl Forge<'_> {
    /// The image of one architecture. It is dated as its newest index; where it has none, as all that
    /// rootforge makes.
    pub(super) fn image_spec(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        arch: Arch,
        layers: Vec<LayerBlob>,
    ) -> ImageSpec {
        let date = lock
            .date(arch)
            .and_then(|date| date.parse::<jiff::Timestamp>().ok())
            .and_then(|date| u64::try_from(date.as_second()).ok())
            .unwrap_or(EPOCH);
        ImageSpec {
            arch,
            config: image_config(&recipe.image, recipe.conventions()),
            created: self.options.newest.map_or(date, |newest| date.min(newest)),
            layers,
            annotations: BTreeMap::new(),
        }
    }
}

/// What the lowest layer has beside its packages, whose files go before.
fn foundation(
    recipe: &Recipe,
    distro: Distro,
    arch: Arch,
    accounts: &Accounts,
    selected: &SelectedLayer,
) -> Made {
    let mut made = if recipe.skeleton { skeleton(distro, arch) } else { Made::new() };
    if recipe.skeleton || !recipe.users.is_empty() || !recipe.groups.is_empty() {
        made.extend(accounts.files());
    }
    made.retain(|path, file| file.entry.kind == EntryKind::Directory || !selected.files.contains_key(path));
    made
}

/// dpkg's records of the packages that a layer touches, less the files that the recipe has `replaced`;
/// `shipped` grows with each layer.
fn package_records<'a>(
    catalog: &'a FileCatalog,
    selected: &'a SelectedLayer,
    replaced: &Made,
    shipped: &mut BTreeMap<&'a str, BTreeSet<&'a RootPath>>,
) -> Made {
    let mut touched: BTreeSet<&str> = BTreeSet::new();
    for (path, file) in &selected.files {
        let (package, file) = catalog.get(file.file);
        if file.entry.kind == EntryKind::Directory || replaced.contains_key(path) {
            continue;
        }
        let name = package.name.as_str();
        touched.insert(name);
        shipped.entry(name).or_default().insert(path);
    }
    let packages: Vec<PackageRecord<'_>> = touched
        .into_iter()
        .filter_map(|name| {
            Some(PackageRecord { package: catalog.package(name)?, shipped: shipped.get(name)?.clone() })
        })
        .collect();
    records(&packages, |path| catalog.merged_usr().canonical(path))
}

/// Whether the lowest layer has a program: its bytes depend on its own content alone.
fn is_chosen(program: &str, catalog: &FileCatalog, selection: &Selection) -> bool {
    RootPath::parse(program).is_ok_and(|path| {
        let path = catalog.merged_usr().canonical(&path);
        selection.layers.first().is_some_and(|layer| layer.files.contains_key(&path))
    })
}
