//! Why something is in an image, or is not: all stages but the last, asked.

use std::collections::BTreeSet;

use crate::arch::Arch;
use crate::catalog::{FileCatalog, PackageFiles};
use crate::layer::LayerPlan;
use crate::lock::Lock;
use crate::recipe::Recipe;
use crate::root_path::RootPath;
use crate::why::{Answer, Inputs, explain};

use super::assembly::{Parts, layer_plans};
use super::{Forge, ForgeError, Prepared};

impl Forge<'_> {
    /// Why a path or a package is in the image of one architecture, or by which rule it is not; none if no locked
    /// package has it. Where none of the packages that the image is made of has it, the rest of the lock is
    /// fetched and looked into.
    pub fn why(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        arch: Arch,
        subject: &str,
    ) -> Result<Option<Answer>, ForgeError> {
        let mut prepared = self.prepare(recipe, lock, arch)?;
        let parts = Parts::of(recipe, lock, &prepared, self.options.newest);
        let plans: Vec<LayerPlan> = layer_plans(parts)?.layers.into_iter().map(|(_, plan)| plan).collect();
        let packages = lock.packages_of(arch);
        let more: BTreeSet<String> = if packages.contains_key(subject) {
            std::iter::once(subject.to_owned()).collect()
        } else if let Some(answer) = answer(recipe, lock, &prepared, &plans, subject) {
            return Ok(Some(answer));
        } else {
            let outlined = prepared.outlines.keys().cloned().collect();
            self.look_into(recipe, lock, arch, &outlined, &mut prepared.catalog)?;
            if let Some(answer) = answer(recipe, lock, &prepared, &plans, subject) {
                return Ok(Some(answer));
            }
            packages.keys().map(ToString::to_string).collect()
        };
        self.look_into(recipe, lock, arch, &more, &mut prepared.catalog)?;
        Ok(answer(recipe, lock, &prepared, &plans, subject))
    }

    /// Adds packages to a catalogue, as far as they are not in it.
    fn look_into(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        arch: Arch,
        names: &BTreeSet<String>,
        catalog: &mut FileCatalog,
    ) -> Result<(), ForgeError> {
        let more: BTreeSet<String> =
            names.iter().filter(|name| catalog.package(name).is_none()).cloned().collect();
        if more.is_empty() {
            return Ok(());
        }
        self.progress.stage(&format!(
            "looking into {} more packages of {} for {arch}",
            more.len(),
            recipe.name
        ));
        let links = catalog.merged_usr().clone();
        for package in self.catalogued(recipe, lock, arch, &more, &links)? {
            catalog.insert(package)?;
        }
        catalog.order_owners();
        Ok(())
    }
}

impl Prepared {
    /// The package, of those that were looked into, that has a path of the image, in it or left out.
    pub fn package_with(&self, path: &str) -> Option<String> {
        let path = self.catalog.merged_usr().canonical(&RootPath::parse(path).ok()?);
        let owner = self.catalog.at(&path).first().map(|file| self.catalog.get(*file).0);
        let mut outlines = self.outlines.values();
        let has = |package: &&PackageFiles| package.manifest.files.iter().any(|file| file.entry.path == path);
        owner.or_else(|| outlines.find(has)).map(|package| package.name.clone())
    }
}

fn answer(
    recipe: &Recipe,
    lock: &Lock,
    prepared: &Prepared,
    plans: &[LayerPlan],
    subject: &str,
) -> Option<Answer> {
    let Prepared { arch, catalog, selection, effects, .. } = prepared;
    let (packages, effects) = (&lock.packages_of(*arch), &effects.packages);
    let distro = recipe.conventions();
    explain(Inputs { recipe, distro, arch: *arch, packages, catalog, selection, plans, effects }, subject)
}
