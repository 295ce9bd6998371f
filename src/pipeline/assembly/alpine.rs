//! Alpine's part of layers: busybox's links, accounts of packages' scripts, and apk's database.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{CatalogError, FileCatalog, read_contents};
use crate::render::Made;
use crate::render::alpine::{Image, LayerFiles, LayerSetup, Setup};
use crate::root_path::RootPath;
use crate::select::SelectedLayer;

use super::super::ForgeError;
use super::{Laid, Parts, SetUp};

pub(super) struct Alpine<'a> {
    parts: Parts<'a>,
    setup: Setup<'a>,
}

impl<'a> Alpine<'a> {
    pub(super) fn new(parts: Parts<'a>) -> Self {
        let Parts { recipe, lock, arch, catalog, .. } = parts;
        let image = Image::of(recipe, arch, &lock.packages_of(arch), catalog);
        Alpine { parts, setup: Setup::new(image) }
    }
}

impl<'a> SetUp<'a> for Alpine<'a> {
    fn layer(&mut self, number: usize, selected: &'a SelectedLayer) -> Result<Laid, ForgeError> {
        let catalog = self.parts.catalog;
        let layer = LayerFiles::of(self.setup.image(), number, selected, catalog);
        let contents = contents(catalog, selected, &self.setup.wants(&layer))?;
        let LayerSetup { made, accounts, owners } = self.setup.layer(&layer, &contents)?;
        Ok(Laid { made, accounts, owners })
    }

    fn records(&mut self, _: &'a SelectedLayer, files: &Made) -> Made {
        self.setup.records(files)
    }

    fn undone(&self) -> Vec<String> {
        self.setup.steps().iter().map(ToString::to_string).collect()
    }
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
