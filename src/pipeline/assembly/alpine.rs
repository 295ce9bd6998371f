//! Alpine's part of layers: busybox's links, accounts of packages' scripts, and apk's database.

use std::collections::{BTreeMap, BTreeSet};

use crate::apk::installed::{InstalledFile, InstalledPackage};
use crate::cache::ContentId;
use crate::catalog::{CatalogError, FileCatalog, PackageFiles, read_contents};
use crate::lock::LockedPackage;
use crate::recipe::{Keep, Location, PackageSpec, Recipe, RepositoryKind};
use crate::render::alpine::{Image, LayerFiles, Package, Setup, ShippedFile, repository_line};
use crate::render::{Accounts, Made};
use crate::root_path::RootPath;
use crate::select::{SelectedLayer, named_packages};

use super::super::ForgeError;
use super::{Parts, SetUp};

pub(super) struct Alpine<'a> {
    parts: Parts<'a>,
    setup: Setup<'a>,
}

impl<'a> Alpine<'a> {
    pub(super) fn new(parts: Parts<'a>) -> Self {
        let Parts { recipe, lock, arch, catalog, .. } = parts;
        let distro = recipe.conventions();
        let arch_name = distro.arch_name(arch).unwrap_or_default();
        let locked = lock.packages_of(arch);
        let triplet = distro.triplet(arch).unwrap_or_default();
        let named: Vec<BTreeSet<String>> = recipe
            .layers
            .iter()
            .map(|layer| named_packages(layer, &locked, arch_name, triplet))
            .collect();
        let packages = catalog
            .packages()
            .filter_map(|files| installed(recipe, files, locked.get(files.name.as_str())?, &named))
            .collect();
        let image = Image {
            recipe,
            arch_name,
            repositories: repositories(recipe),
            world: world(recipe, &locked, arch_name, triplet),
            packages,
        };
        Alpine { parts, setup: Setup::new(image) }
    }
}

impl<'a> SetUp<'a> for Alpine<'a> {
    fn layer(&mut self, number: usize, selected: &'a SelectedLayer) -> Result<(Made, Accounts), ForgeError> {
        let catalog = self.parts.catalog;
        let layer = LayerFiles {
            number,
            files: shipped(catalog, selected),
            excluded: &|path: &RootPath| selected.excludes(path),
        };
        let contents = contents(catalog, selected, &self.setup.wants(&layer))?;
        let made = self.setup.layer(&layer, &contents)?;
        Ok((made.made, made.accounts))
    }

    fn records(&mut self, _: &'a SelectedLayer, files: &Made) -> Made {
        self.setup.records(files)
    }

    fn undone(&self) -> Vec<String> {
        self.setup.steps().iter().map(ToString::to_string).collect()
    }
}

/// A package as apk would record it.
fn installed<'a>(
    recipe: &Recipe,
    files: &'a PackageFiles,
    locked: &'a LockedPackage,
    named: &[BTreeSet<String>],
) -> Option<Package<'a>> {
    let ContentId::Apk(checksum) = files.content else { return None };
    let layers = &recipe.layers;
    let layer = layers.iter().position(|layer| locked.layer.as_ref() == Some(&layer.name));
    let control = &files.manifest.control;
    let scripts = control
        .members
        .iter()
        .filter_map(|(name, content)| Some((name.strip_prefix('.')?, content.as_slice())));
    let entries = files.manifest.files.iter();
    Some(Package {
        name: &files.name,
        layer: layer.unwrap_or(layers.len()),
        named: layer.is_some_and(|layer| named[layer].contains(&files.name)),
        whole: layer.is_some_and(|layer| layers[layer].keep == Keep::All),
        requires: locked.requires.iter().map(String::as_str).collect(),
        record: InstalledPackage {
            pkginfo: &control.text,
            arch: Some(locked.architecture.as_str()).filter(|arch| !arch.is_empty()),
            checksum,
            size: locked.size,
            files: entries
                .map(|file| InstalledFile { entry: &file.entry, checksum: file.marks.checksum })
                .collect(),
            scripts: scripts.collect(),
        },
    })
}

/// The lines of `etc/apk/repositories`: where the packages are for everybody, not the mirror of this build.
fn repositories(recipe: &Recipe) -> Vec<String> {
    let own = recipe.repositories.iter().filter_map(|repository| match (&repository.location, &repository.kind) {
        (Location::Url(url), RepositoryKind::Apk { tag }) => repository_line(url, tag.as_deref()),
        _ => None,
    });
    let distro = recipe.from.map(|distro| distro.repositories()).unwrap_or_default();
    let distro = distro.into_iter().filter_map(|repository| {
        let root = repository.archive.well_known_url();
        let url = if repository.path.is_empty() { root.to_owned() } else { format!("{root}/{}", repository.path) };
        repository_line(&url, None)
    });
    distro.chain(own).collect()
}

/// What each layer asks for, as apk spells it; a package file by its checksum.
fn world(
    recipe: &Recipe,
    locked: &BTreeMap<&str, &LockedPackage>,
    arch_name: &str,
    triplet: &str,
) -> Vec<Vec<String>> {
    let line = |spec: &PackageSpec| match spec {
        PackageSpec::Apk { relation, .. } => Some(relation.to_string()),
        PackageSpec::Local(template) => {
            let path = template.expand(arch_name, triplet);
            let package = locked.values().find(|one| one.repository.is_none() && one.path == path)?;
            Some(format!("{}><{}", package.name, package.content))
        }
        PackageSpec::Archive { .. } => None,
    };
    recipe.layers.iter().map(|layer| layer.packages.iter().filter_map(line).collect()).collect()
}

fn shipped<'a>(catalog: &'a FileCatalog, selected: &'a SelectedLayer) -> BTreeMap<&'a RootPath, ShippedFile<'a>> {
    let file = |(path, file): (&'a RootPath, &crate::select::Selected)| {
        let (package, file) = catalog.get(file.file);
        (path, ShippedFile { package: &package.name, entry: &file.entry })
    };
    selected.files.iter().map(file).collect()
}

/// The content of some files of a layer.
fn contents(
    catalog: &FileCatalog,
    selected: &SelectedLayer,
    wanted: &BTreeSet<RootPath>,
) -> Result<BTreeMap<RootPath, Vec<u8>>, CatalogError> {
    let mut by_package: BTreeMap<&str, BTreeMap<u32, &RootPath>> = BTreeMap::new();
    for path in wanted {
        let Some(file) = selected.files.get(path) else { continue };
        let (package, file) = catalog.get(file.file);
        if let Some(index) = package.manifest.content_index(file) {
            by_package.entry(&package.name).or_default().insert(index, path);
        }
    }
    let mut contents = BTreeMap::new();
    for (name, positions) in by_package {
        let Some(package) = catalog.package(name) else { continue };
        read_contents::<_, CatalogError>(package, &positions, |_, path, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(|source| CatalogError::unread(package, source))?;
            contents.insert((*path).clone(), bytes);
            Ok(())
        })?;
    }
    Ok(contents)
}
