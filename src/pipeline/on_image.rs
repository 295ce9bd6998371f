//! A base that is an image: its packages as a lock, its files as what was prepared, and what recipes above see of it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::arch::Arch;
use crate::base_image::{BaseImage, base_lock};
use crate::catalog::{FileCatalog, MergedUsr};
use crate::digest::Digest;
use crate::distro::PackageFormat;
use crate::lock::{Lock, LockedPackage};
use crate::oci::Layout;
use crate::recipe::Recipe;
use crate::render::directory_links;
use crate::root_path::RootPath;
use crate::select::{Given, Reason, Selected, SelectedLayer, Selection, StripRules};

use super::script_effects::ScriptEffects;
use super::{Forge, ForgeError, Prepared};

impl Forge<'_> {
    /// The packages of an image that is a base, as a lock of the recipe that stands for it
    /// ([`Recipe::base_image`]). The image lies in a layout under a digest, of an index or a manifest.
    pub fn lock_of_image(
        &self,
        recipe: &Recipe,
        layout: &Layout,
        digest: Digest,
        archs: &[Arch],
    ) -> Result<Lock, ForgeError> {
        self.progress.stage(&format!("reading the base image {}", recipe.name));
        Ok(base_lock(recipe, layout, digest, archs, &self.cache)?)
    }

    /// The files of an image that is a base, all of them chosen.
    pub(super) fn prepare_image(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        arch: Arch,
    ) -> Result<Prepared, ForgeError> {
        let Some(at) = &lock.image else { return Err(ForgeError::NotInBase { arch }) };
        let layout = Layout::open(&at.layout)?;
        let image =
            BaseImage::open(&recipe.name, &layout, &at.digest, arch, recipe.conventions(), &self.cache)?;
        let mut catalog = FileCatalog::new(merged_usr(recipe, arch));
        catalog.insert(image.files.clone())?;
        let selection = selection(&image, &catalog, recipe);
        let effects = ScriptEffects::default();
        let (outlines, image) = (BTreeMap::new(), Some(Arc::new(image)));
        Ok(Prepared { arch, catalog, outlines, effects, selection, base: None, image })
    }
}

/// The links of a recipe's distro.
pub(super) fn merged_usr(recipe: &Recipe, arch: Arch) -> MergedUsr {
    let distro = recipe.conventions();
    let links = MergedUsr::new(&directory_links(distro, arch));
    if distro.format() == PackageFormat::Apk { links.keeping_own() } else { links }
}

/// All of an image's files.
fn selection(image: &BaseImage, catalog: &FileCatalog, recipe: &Recipe) -> Selection {
    let files = catalog.files_of(&image.files.name).map(|file| {
        let path = catalog.get(file).1.entry.path.clone();
        (path, Selected { file, reason: Reason::Given })
    });
    let name = recipe.layers.first().map(|layer| layer.name.clone()).unwrap_or_default();
    let layer = SelectedLayer { name, files: files.collect(), ..SelectedLayer::default() };
    Selection { layers: vec![layer], ..Selection::default() }
}

/// Catalogues what an image has: its files, and each of its packages with those that are that package's.
pub(super) fn stand_on(
    image: &BaseImage,
    catalog: &mut FileCatalog,
    recipe: &Recipe,
    packages: &std::collections::BTreeMap<&str, &LockedPackage>,
) -> Result<Given, ForgeError> {
    let links = catalog.merged_usr().clone();
    let mut given = Given { image: image.name.clone(), ..Given::default() };
    catalog.insert(image.files.clone())?;
    // A pattern that cannot be used is told by selection.
    let strip = StripRules::new(recipe, recipe.layers_below()).ok();
    for installed in image.installed.values() {
        let Some(locked) = packages.get(installed.name.as_str()) else { continue };
        catalog.insert(image.package(installed, &links))?;
        let is_stripped =
            |path: &RootPath| strip.as_ref().is_some_and(|strip| strip.class_of(path).is_some());
        let mut lacking: BTreeSet<RootPath> = image.lacking(installed, &links);
        // The directories above others go with these.
        let above: BTreeSet<RootPath> = installed.listed.iter().flat_map(RootPath::ancestors).collect();
        lacking
            .retain(|path| !is_stripped(path) && !above.iter().any(|above| links.canonical(above) == *path));
        match (locked.in_image, installed.is_whole) {
            (true, true) if !lacking.is_empty() => {
                given.lacking.insert(installed.name.clone(), Some(lacking));
            }
            (true, false) => {
                given.lacking.insert(installed.name.clone(), None);
            }
            (false, is_whole) if !is_whole || !lacking.is_empty() => {
                given.partial.insert(installed.name.clone());
            }
            _ => {}
        }
    }
    catalog.order_owners();
    Ok(given)
}
