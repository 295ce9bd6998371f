//! A recipe and its lock -> its layers as they will be, measured without being written.

use std::collections::BTreeMap;

use crate::arch::Arch;
use crate::catalog::FileCatalog;
use crate::fleet::{PulledLayer, expected_changes, updates_of};
use crate::layer::LayerPlan;
use crate::lock::Lock;
use crate::oci::{Measured, measure};
use crate::recipe::Recipe;

use super::super::assembly::{Parts, layer_plans};
use super::super::{Forge, ForgeError, Prepared};

/// One image, looked into without being written.
pub(super) struct Surveyed {
    pub(super) layers: Vec<PulledLayer>,
    pub(super) plans: Vec<LayerPlan>,
    pub(super) measured: Vec<Measured>,
    pub(super) prepared: Prepared,
    /// How often each package is thought to be updated, in thousandths a year, and its source.
    pub(super) updates: BTreeMap<String, (String, u64)>,
}

impl Surveyed {
    /// How often a layer of these packages changes in a year, in millionths.
    pub(super) fn changes<'p>(&self, packages: impl IntoIterator<Item = &'p str>) -> u64 {
        changes_of(&self.updates, packages)
    }
}

/// How often a layer of packages changes in a year, in millionths. What is of one source changes at once.
pub(super) fn changes_of<'p>(
    updates: &BTreeMap<String, (String, u64)>,
    packages: impl IntoIterator<Item = &'p str>,
) -> u64 {
    let mut sources: BTreeMap<&str, u64> = BTreeMap::new();
    for (source, updates) in packages.into_iter().filter_map(|package| updates.get(package)) {
        let known = sources.entry(source).or_default();
        *known = (*known).max(*updates);
    }
    expected_changes(sources.into_values())
}

impl Forge<'_> {
    /// Prepares an image and measures its layers.
    pub(super) fn survey(&self, recipe: &Recipe, lock: &Lock, arch: Arch) -> Result<Surveyed, ForgeError> {
        let prepared = self.prepare(recipe, lock, arch)?;
        self.measured(recipe, lock, prepared)
    }

    /// Measures the layers of an image that is prepared.
    pub(super) fn measured(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        prepared: Prepared,
    ) -> Result<Surveyed, ForgeError> {
        let planned = layer_plans(Parts::of(recipe, lock, &prepared, self.options.newest))?;
        let plans: Vec<LayerPlan> = planned.layers.into_iter().map(|(_, plan)| plan).collect();
        let catalog: &FileCatalog = &prepared.catalog;
        let measured: Vec<Measured> =
            plans.iter().map(|plan| measure(plan, catalog, &self.cache)).collect::<Result<_, _>>()?;
        let updates = lock.packages_of(prepared.arch).into_values().map(|package| {
            let updates = updates_of(recipe.format(), &package.version);
            (package.name.clone(), (package.source.clone(), updates))
        });
        let updates = updates.collect();
        let mut surveyed = Surveyed { layers: Vec::new(), plans, measured, prepared, updates };
        surveyed.layers = surveyed
            .measured
            .iter()
            .map(|layer| PulledLayer {
                key: layer.key,
                bytes: layer.bytes,
                again: surveyed.changes(layer.pieces.iter().map(|piece| piece.package.as_str())),
            })
            .collect();
        Ok(surveyed)
    }
}
