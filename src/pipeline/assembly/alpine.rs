//! Alpine's part of layers: busybox's links, accounts of packages' scripts, and apk's database.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::recipe::Recipe;
use crate::render::Made;
use crate::render::alpine::{Image, LayerFiles, LayerSetup, ScriptFiles, Setup};
use crate::select::SelectedLayer;

use super::super::ForgeError;
use super::super::contents::contents;
use super::{Effects, Laid, Parts, SetUp, Step};

pub(super) struct Alpine<'a> {
    parts: Parts<'a>,
    setup: Setup<'a>,
    files: ScriptFiles<'a>,
}

impl<'a> Alpine<'a> {
    pub(super) fn new(parts: Parts<'a>) -> Self {
        let Parts { recipe, lock, arch, catalog, .. } = parts;
        let (_, effects) = parts.stack()[0];
        let image = Image::of(recipe, arch, &lock.packages_of(arch), catalog);
        let files = ScriptFiles::new(recipe, arch, catalog, effects);
        Alpine { parts, setup: Setup::new(image, effects), files }
    }
}

impl<'a> SetUp<'a> for Alpine<'a> {
    fn begin(
        &mut self,
        recipe: &'a Recipe,
        effects: &'a Effects,
        _: &'a [Step<'a>],
    ) -> Result<(), ForgeError> {
        self.files.begin(effects);
        Ok(self.setup.begin(recipe, effects)?)
    }

    fn layer(&mut self, number: usize, selected: &'a SelectedLayer, laid: &Made) -> Result<Laid, ForgeError> {
        let catalog = self.parts.catalog;
        let layer = LayerFiles::of(self.setup.image(), number, selected, catalog);
        let mut wanted = self.setup.wants(&layer);
        wanted.extend(self.files.wants(selected));
        let contents = contents(catalog, &wanted)?;
        let mut setup = self.setup.layer(&layer, &contents)?;
        let changes = self.files.layer(&layer, selected, laid, &mut setup, &contents);
        let LayerSetup { made, accounts, .. } = setup;
        Ok(Laid { made, accounts, changes })
    }

    fn finish(&mut self, _: &'a SelectedLayer, files: &Made) -> Made {
        self.setup.records(files)
    }

    fn undone(&self) -> Vec<String> {
        self.setup.failures().iter().chain(self.files.undone()).cloned().collect()
    }

    fn read(&self) -> BTreeSet<PathBuf> {
        self.files.read()
    }
}
