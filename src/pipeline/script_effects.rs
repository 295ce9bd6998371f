//! What the scripts of catalogued packages would do, evaluated once a package.

use std::collections::BTreeMap;

use crate::arch::Arch;
use crate::catalog::FileCatalog;
use crate::effects::PackageEffects;
use crate::recipe::Recipe;

use super::ForgeError;

/// The effects of packages' scripts so far.
#[derive(Debug, Default)]
pub(super) struct ScriptEffects {
    /// By package.
    pub(super) packages: BTreeMap<String, PackageEffects>,
}

impl ScriptEffects {
    /// Evaluates the scripts of what was catalogued since.
    pub(super) fn update(&mut self, _: &Recipe, _: Arch, _: &FileCatalog) -> Result<(), ForgeError> {
        Ok(())
    }
}
