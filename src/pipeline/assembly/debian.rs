//! Debian's part of layers: what its packages' scripts would do, and dpkg's records.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::FileCatalog;
use crate::render::debian::{LayerSetup, Setup};
use crate::render::{Accounts, Made, PackageRecord, records};
use crate::root_path::RootPath;
use crate::select::{SelectedLayer, Selection};
use crate::tarball::EntryKind;

use super::super::ForgeError;
use super::super::contents::contents;
use super::{Laid, Parts, SetUp};

pub(super) struct Debian<'a> {
    catalog: &'a FileCatalog,
    setup: Setup<'a>,
    /// The paths of each package in the image so far.
    shipped: BTreeMap<&'a str, BTreeSet<&'a RootPath>>,
}

impl<'a> Debian<'a> {
    pub(super) fn new(parts: Parts<'a>) -> Result<Self, ForgeError> {
        let Parts { recipe, arch, catalog, selection, effects, .. } = parts;
        let accounts = Accounts::of(recipe, |program| is_chosen(program, catalog, selection))?;
        let setup = Setup::new(recipe, arch, catalog, effects, accounts);
        Ok(Debian { catalog, setup, shipped: BTreeMap::new() })
    }
}

impl<'a> SetUp<'a> for Debian<'a> {
    fn layer(&mut self, number: usize, selected: &'a SelectedLayer, laid: &Made) -> Result<Laid, ForgeError> {
        let contents = contents(self.catalog, &self.setup.wants(selected))?;
        let LayerSetup { made, accounts, changes } = self.setup.layer(number, selected, laid, contents)?;
        Ok(Laid { made, accounts, changes })
    }

    /// dpkg's records of the packages that the layer touches, and files of the whole image.
    fn finish(&mut self, selected: &'a SelectedLayer, files: &Made) -> Made {
        let mut touched: BTreeSet<&str> = BTreeSet::new();
        for (path, file) in &selected.files {
            let (package, file) = self.catalog.get(file.file);
            if file.entry.kind == EntryKind::Directory || files.contains_key(path) {
                continue;
            }
            let name = package.name.as_str();
            touched.insert(name);
            self.shipped.entry(name).or_default().insert(path);
        }
        let packages: Vec<PackageRecord<'_>> = touched
            .into_iter()
            .filter_map(|name| {
                let shipped = self.shipped.get(name)?.clone();
                Some(PackageRecord { package: self.catalog.package(name)?, shipped })
            })
            .collect();
        let mut made = records(&packages, |path| self.catalog.merged_usr().canonical(path));
        made.extend(self.setup.finish(files));
        made
    }

    fn undone(&self) -> Vec<String> {
        self.setup.undone()
    }
}

/// Whether the lowest layer has a program: its bytes depend on its own content alone.
fn is_chosen(program: &str, catalog: &FileCatalog, selection: &Selection) -> bool {
    RootPath::parse(program).is_ok_and(|path| {
        let path = catalog.merged_usr().canonical(&path);
        selection.layers.first().is_some_and(|layer| layer.files.contains_key(&path))
    })
}
