//! Alpine's part of layers: busybox's links, accounts of packages' scripts, and apk's database.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::base_image::BaseImage;
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
        let mut image = Image::of(recipe, arch, &lock.packages_of(arch), catalog);
        let world = parts.image.and_then(|image| image.text("/etc/apk/world"));
        if let (Some(world), Some(lowest)) = (world, image.world.first_mut()) {
            *lowest = world.split_whitespace().map(str::to_owned).collect();
        }
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

    fn stand_on(&mut self, image: &'a BaseImage, selected: &'a SelectedLayer) -> Result<(), ForgeError> {
        let mut layer = LayerFiles::of(self.setup.image(), 0, selected, self.parts.catalog);
        layer.belong_to(&image.owners);
        self.lay(&layer, selected, &Made::new())?;
        // They are as the image has them.
        self.setup.records(&Made::new());
        Ok(())
    }

    fn layer(&mut self, number: usize, selected: &'a SelectedLayer, laid: &Made) -> Result<Laid, ForgeError> {
        let layer = LayerFiles::of(self.setup.image(), number, selected, self.parts.catalog);
        self.lay(&layer, selected, laid)
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

impl<'a> Alpine<'a> {
    fn lay(
        &mut self,
        layer: &LayerFiles<'a>,
        selected: &'a SelectedLayer,
        laid: &Made,
    ) -> Result<Laid, ForgeError> {
        let catalog = self.parts.catalog;
        let mut wanted = self.setup.wants(layer);
        wanted.extend(self.files.wants(selected));
        let contents = contents(catalog, &wanted)?;
        let mut setup = self.setup.layer(layer, &contents)?;
        let changes = self.files.layer(layer, selected, laid, &mut setup, &contents);
        let LayerSetup { made, accounts, .. } = setup;
        Ok(Laid { made, accounts, changes })
    }
}
