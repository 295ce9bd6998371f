//! Alpine's part of layers: busybox's links, accounts of packages' scripts, and apk's database.

use crate::render::alpine::{Image, LayerFiles, LayerSetup, Setup};
use crate::render::{Changes, Made};
use crate::select::SelectedLayer;

use super::super::ForgeError;
use super::super::contents::contents;
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
    fn layer(&mut self, number: usize, selected: &'a SelectedLayer, _: &Made) -> Result<Laid, ForgeError> {
        let catalog = self.parts.catalog;
        let layer = LayerFiles::of(self.setup.image(), number, selected, catalog);
        let contents = contents(catalog, &self.setup.wants(&layer))?;
        let LayerSetup { made, accounts, owners } = self.setup.layer(&layer, &contents)?;
        Ok(Laid { made, accounts, changes: Changes { owners, ..Changes::default() } })
    }

    fn finish(&mut self, _: &'a SelectedLayer, files: &Made) -> Made {
        self.setup.records(files)
    }

    fn undone(&self) -> Vec<String> {
        self.setup.steps().iter().map(ToString::to_string).collect()
    }
}
