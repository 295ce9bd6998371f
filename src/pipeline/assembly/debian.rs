//! Debian's part of layers: what its packages' scripts would do, and dpkg's records.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::base_image::{BaseImage, DPKG_STATUS};
use crate::catalog::FileCatalog;
use crate::recipe::Recipe;
use crate::render::debian::{LayerSetup, Setup};
use crate::render::{Accounts, Made, PackageRecord, database, records};
use crate::root_path::RootPath;
use crate::select::SelectedLayer;
use crate::tarball::EntryKind;

use super::super::ForgeError;
use super::super::contents::contents;
use super::{Effects, Laid, Parts, SetUp, Step};

pub(super) struct Debian<'a> {
    catalog: &'a FileCatalog,
    setup: Setup<'a>,
    /// The paths of each package in the image so far.
    shipped: BTreeMap<&'a str, BTreeSet<&'a RootPath>>,
    /// The packages that layers above a base image have touched, and that image.
    above: BTreeSet<&'a str>,
    image: Option<&'a BaseImage>,
    /// How many layers of the recipe at hand are to come that hold files of packages.
    to_come: usize,
}

/// Where it is, dpkg has a database of its own.
const DPKG: &str = "/usr/bin/dpkg";

impl<'a> Debian<'a> {
    /// Of an image whose lowest recipe has these steps.
    pub(super) fn new(parts: Parts<'a>, steps: &'a [Step<'a>]) -> Result<Self, ForgeError> {
        let Parts { recipe, arch, catalog, .. } = parts;
        let (lowest, effects) = parts.stack()[0];
        let first = steps.first().map(|step| step.selected.as_ref());
        let accounts = Accounts::of(lowest, |program| is_chosen(program, catalog, first))?;
        let setup = Setup::new(recipe, arch, catalog, effects, accounts);
        let (shipped, above) = (BTreeMap::new(), BTreeSet::new());
        Ok(Debian { catalog, setup, shipped, above, image: None, to_come: with_files(steps) })
    }
}

/// How many steps have files of packages.
fn with_files(steps: &[Step<'_>]) -> usize {
    steps.iter().filter(|step| !step.selected.files.is_empty()).count()
}

impl<'a> SetUp<'a> for Debian<'a> {
    fn begin(
        &mut self,
        recipe: &'a Recipe,
        effects: &'a Effects,
        steps: &'a [Step<'a>],
    ) -> Result<(), ForgeError> {
        self.to_come = with_files(steps);
        Ok(self.setup.begin(recipe, effects)?)
    }

    fn stand_on(&mut self, image: &'a BaseImage, selected: &'a SelectedLayer) -> Result<(), ForgeError> {
        self.image = Some(image);
        for (path, package) in &image.owners {
            self.shipped.entry(package).or_default().insert(path);
        }
        let contents = contents(self.catalog, &Setup::sources(selected))?;
        let names = image.installed.keys().map(String::as_str);
        self.setup.stand_on(selected, contents, &image.texts, names);
        Ok(())
    }

    fn layer(&mut self, number: usize, selected: &'a SelectedLayer, laid: &Made) -> Result<Laid, ForgeError> {
        let mut wanted = contents(self.catalog, &self.setup.wants(selected))?;
        wanted.extend(contents(self.catalog, &self.setup.wants_to_copy(selected, &wanted))?);
        let LayerSetup { made, accounts, changes } = self.setup.layer(number, selected, laid, wanted)?;
        Ok(Laid { made, accounts, changes })
    }

    /// dpkg's records of the packages that the layer touches, and files of the whole image.
    fn finish(&mut self, selected: &'a SelectedLayer, files: &Made) -> Made {
        let mut touched: BTreeSet<&'a str> = BTreeSet::new();
        for (path, file) in &selected.files {
            let (package, file) = self.catalog.get(file.file);
            if file.entry.kind == EntryKind::Directory || files.contains_key(path) {
                continue;
            }
            let name = package.name.as_str();
            touched.insert(name);
            self.shipped.entry(name).or_default().insert(path);
        }
        for (path, file) in &selected.files {
            let (package, file) = self.catalog.get(file.file);
            if file.entry.kind == EntryKind::Directory
                && let Some(shipped) = self.shipped.get_mut(package.name.as_str())
            {
                shipped.insert(path);
            }
        }
        self.above.extend(&touched);
        let canonical = |path: &RootPath| self.catalog.merged_usr().canonical(path);
        let mut made = records(&self.records_of(touched), canonical);
        if !selected.files.is_empty() {
            self.to_come = self.to_come.saturating_sub(1);
            let has_dpkg =
                self.shipped.get("dpkg").is_some_and(|paths| paths.iter().any(|path| path.as_str() == DPKG));
            let given = self.image.and_then(|image| image.text(DPKG_STATUS));
            if self.to_come == 0 && (has_dpkg || given.is_some()) {
                let all = self.shipped.keys().copied().collect();
                let names = if self.image.is_some() { self.above.clone() } else { all };
                made.extend(database(&self.records_of(names), given.as_deref(), canonical));
            }
        }
        made.extend(self.setup.finish(files));
        made
    }

    fn undone(&self) -> Vec<String> {
        self.setup.undone()
    }

    fn read(&self) -> BTreeSet<PathBuf> {
        self.setup.read()
    }
}

impl<'a> Debian<'a> {
    fn records_of(&self, names: BTreeSet<&'a str>) -> Vec<PackageRecord<'a>> {
        let record = |name| {
            let shipped = self.shipped.get(name)?.clone();
            Some(PackageRecord { package: self.catalog.package(name)?, shipped })
        };
        names.into_iter().filter_map(record).collect()
    }
}

/// Whether the lowest layer has a program: its bytes depend on its own content alone.
fn is_chosen(program: &str, catalog: &FileCatalog, lowest: Option<&SelectedLayer>) -> bool {
    RootPath::parse(program).is_ok_and(|path| {
        let path = catalog.merged_usr().canonical(&path);
        lowest.is_some_and(|layer| layer.files.contains_key(&path))
    })
}
