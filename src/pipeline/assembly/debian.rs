//! Debian's part of layers: accounts, and dpkg's records.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::FileCatalog;
use crate::recipe::Recipe;
use crate::render::{Accounts, Made, PackageRecord, records};
use crate::root_path::RootPath;
use crate::select::{SelectedLayer, Selection};
use crate::tarball::EntryKind;

use super::super::ForgeError;
use super::{Laid, Parts, SetUp};

pub(super) struct Debian<'a> {
    recipe: &'a Recipe,
    catalog: &'a FileCatalog,
    accounts: Accounts,
    /// The paths of each package in the image so far.
    shipped: BTreeMap<&'a str, BTreeSet<&'a RootPath>>,
}

impl<'a> Debian<'a> {
    pub(super) fn new(parts: Parts<'a>) -> Result<Self, ForgeError> {
        let Parts { recipe, catalog, selection, .. } = parts;
        let accounts = Accounts::of(recipe, |program| is_chosen(program, catalog, selection))?;
        Ok(Debian { recipe, catalog, accounts, shipped: BTreeMap::new() })
    }
}

impl<'a> SetUp<'a> for Debian<'a> {
    fn layer(&mut self, number: usize, selected: &'a SelectedLayer) -> Result<Laid, ForgeError> {
        let recipe = self.recipe;
        let wanted = recipe.skeleton || !recipe.users.is_empty() || !recipe.groups.is_empty();
        let mut made = if wanted && number == 0 { self.accounts.files() } else { Made::new() };
        made.retain(|path, _| !selected.files.contains_key(path));
        Ok(Laid { made, accounts: self.accounts.clone(), owners: BTreeMap::new() })
    }

    /// dpkg's records of the packages that the layer touches.
    fn records(&mut self, selected: &'a SelectedLayer, files: &Made) -> Made {
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
        records(&packages, |path| self.catalog.merged_usr().canonical(path))
    }

    fn undone(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Whether the lowest layer has a program: its bytes depend on its own content alone.
fn is_chosen(program: &str, catalog: &FileCatalog, selection: &Selection) -> bool {
    RootPath::parse(program).is_ok_and(|path| {
        let path = catalog.merged_usr().canonical(&path);
        selection.layers.first().is_some_and(|layer| layer.files.contains_key(&path))
    })
}
