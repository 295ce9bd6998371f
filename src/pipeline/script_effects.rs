//! What the scripts of catalogued packages would do, evaluated once a package.

use std::collections::BTreeMap;

use crate::arch::Arch;
use crate::catalog::FileCatalog;
use crate::effects::{CatalogFiles, Effect, EffectsMemo, PackageEffects, effects_of_all};
use crate::recipe::Recipe;
use crate::root_path::RootPath;

use super::ForgeError;

/// The effects of packages' scripts so far.
#[derive(Debug, Default)]
pub(super) struct ScriptEffects {
    /// By package.
    pub(super) packages: BTreeMap<String, PackageEffects>,
    /// How many packages they were evaluated among.
    known: usize,
}

impl ScriptEffects {
    /// The paths that packages claim for themselves, and these packages.
    fn diversions(&self) -> impl Iterator<Item = (&RootPath, &str)> {
        self.packages.iter().flat_map(|(package, found)| {
            let diverted = found.effects.iter().filter_map(|effect| match effect {
                Effect::Divert { path, .. } => Some(path),
                _ => None,
            });
            diverted.map(|path| (path, package.as_str()))
        })
    }

    /// As [`ScriptEffects::update`]; then the paths that packages claim for themselves are theirs, and since a script may
    /// look at such a file, all are evaluated once more where that makes a difference.
    pub(super) fn settle(
        &mut self,
        recipe: &Recipe,
        arch: Arch,
        catalog: &mut FileCatalog,
        memo: &EffectsMemo,
    ) -> Result<(), ForgeError> {
        if self.known == catalog.inserted() {
            return Ok(());
        }
        // The same whatever was known before.
        catalog.divert(std::iter::empty());
        self.update(recipe, arch, catalog, memo)?;
        if catalog.divert(self.diversions()) {
            self.known = 0;
            self.update(recipe, arch, catalog, memo)?;
        }
        Ok(())
    }

    /// Evaluates the scripts of the catalogued packages among one another, if more were catalogued since: what a
    /// script does may depend on the others' files, but not on the order in which they were fetched.
    fn update(
        &mut self,
        recipe: &Recipe,
        arch: Arch,
        catalog: &FileCatalog,
        memo: &EffectsMemo,
    ) -> Result<(), ForgeError> {
        let (distro, count) = (recipe.conventions(), catalog.inserted());
        if self.known == count {
            return Ok(());
        }
        let names = (distro.arch_name(arch).unwrap_or_default(), distro.triplet(arch).unwrap_or_default());
        let files = CatalogFiles::new(catalog, names.0, names.1);
        self.packages = effects_of_all(catalog, &files, memo).map_err(ForgeError::Threads)?;
        self.known = count;
        Ok(())
    }
}
