//! What was chosen, kept from build to build: what follows from the same recipes, locks and files of the host is chosen
//! once for all that stands on the same base.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::inputs::fingerprints;
use super::looking_ahead::Above;
use super::script_effects::ScriptEffects;
use super::{Forge, ForgeError, Prepared, merged_usr};
use crate::arch::Arch;
use crate::catalog::FileCatalog;
use crate::digest::Digest;
use crate::lock::Lock;
use crate::recipe::Recipe;
use crate::select::Selection;

/// The kind of derived entry. The program is part of the key, so that its form may change without another name.
const SELECTIONS: &str = "selection-1";

/// A selection, and the packages that were catalogued for it, in the order to which its references to files hold.
#[derive(Debug, Serialize, Deserialize)]
struct Kept<'a> {
    packages: Vec<String>,
    selection: Cow<'a, Selection>,
}

impl Forge<'_> {
    /// As [`Forge::prepare`], of what is a base: as it was chosen before, if it was. What stands on it is begun meanwhile.
    pub(super) fn prepare_base(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        arch: Arch,
        above: Option<Above<'_>>,
    ) -> Result<Prepared, ForgeError> {
        let key = || self.inputs_key(recipe, &fingerprints(lock), arch, &());
        let before = key();
        if let Some(kept) = before.as_ref().and_then(|key| self.cache.derived(SELECTIONS, key))
            && let Ok(kept) = postcard::from_bytes::<Kept<'_>>(&kept)
        {
            let recall = || self.chosen_before(kept, recipe, lock, arch);
            // What cannot be had is told with all else that lacks, when it is asked for again.
            let fetch = |forge: &Forge<'_>| forge.fetch_named(above, arch);
            if let Some(prepared) = self.beside(recall, fetch)? {
                return Ok(prepared);
            }
        }
        if let Some(above) = above {
            self.look_ahead(above.recipe, above.lock, arch)?;
        }
        let prepared = self.prepare(recipe, lock, arch)?;
        // A file of the host may have changed meanwhile: then nobody can tell what this follows from.
        if let Some(key) = before.filter(|before| key() == Some(*before)) {
            self.keep_selection(&key, &prepared);
        }
        Ok(prepared)
    }

    /// What was chosen, if it still holds.
    fn chosen_before(
        &self,
        kept: Kept<'_>,
        recipe: &Recipe,
        lock: &Lock,
        arch: Arch,
    ) -> Result<Option<Prepared>, ForgeError> {
        let Kept { packages, selection } = kept;
        let places: BTreeMap<&str, usize> =
            packages.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
        let names = packages.iter().cloned().collect();
        let links = merged_usr(recipe, arch);
        let mut listed = self.catalogued(recipe, lock, arch, &names, &links)?;
        listed.sort_by_key(|package| places.get(package.name.as_str()));
        let mut catalog = FileCatalog::new(links);
        for package in listed {
            catalog.insert(package)?;
        }
        catalog.order_owners();
        let files = selection.layers.iter().flat_map(|layer| layer.files.values());
        if catalog.inserted() != packages.len() || !files.into_iter().all(|chosen| catalog.has(chosen.file)) {
            return Ok(None);
        }
        let mut effects = ScriptEffects::default();
        effects.settle(recipe, arch, &mut catalog, &self.loaded.effects)?;
        let base = match (&recipe.base, &lock.base) {
            (Some(base), Some(lock)) => Some(Arc::new(self.prepare_base(&base.recipe, lock, arch, None)?)),
            _ => None,
        };
        let (selection, outlines) = (selection.into_owned(), BTreeMap::new());
        Ok(Some(Prepared { arch, catalog, outlines, effects, selection, base, image: None }))
    }

    /// Failing to is not an error: it is chosen again.
    fn keep_selection(&self, key: &Digest, prepared: &Prepared) {
        let packages = prepared.catalog.names_as_inserted().map(str::to_owned).collect();
        let kept = Kept { packages, selection: Cow::Borrowed(&prepared.selection) };
        if let Ok(bytes) = postcard::to_stdvec(&kept) {
            let _ = self.cache.put_derived(SELECTIONS, key, &bytes);
        }
    }
}
