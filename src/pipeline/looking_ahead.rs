//! Packages at hand before selection asks for them: it is asked about the whole, not again and again about the next few.

use std::collections::BTreeMap;

use super::programs::{own_elfs, own_packages};
use super::{Forge, ForgeError, merged_usr};
use crate::arch::Arch;
use crate::catalog::{MergedUsr, OwnElfs, PackageFiles};
use crate::lock::{Lock, LockedPackage};
use crate::recipe::Recipe;
use crate::select::{Foresight, Wants};

impl Forge<'_> {
    /// Fetches and lists what a recipe and its bases will want, all at once, so that it is at hand.
    pub(super) fn look_ahead(&self, recipe: &Recipe, lock: &Lock, arch: Arch) -> Result<(), ForgeError> {
        let mut levels = Vec::new();
        let mut level = Some((recipe, lock));
        while let Some((recipe, lock)) = level {
            // What an image has is not fetched.
            if recipe.base_image.is_some() {
                return Ok(());
            }
            levels.push((recipe, lock.packages_of(arch), own_elfs(recipe, arch), own_packages(lock, arch)));
            level = recipe.base.as_ref().map(|base| &base.recipe).zip(lock.base.as_deref());
        }
        let links = merged_usr(recipe, arch);
        let all =
            levels.iter().map(|(recipe, packages, own, _)| foresight(recipe, arch, packages, &links, own));
        let mut all = all.collect::<Result<Vec<_>, _>>()?;
        let mut wants = first_wanted(&mut all);
        wants.files.extend(levels.iter().flat_map(|(.., of_own)| of_own.values().flatten()).cloned());
        self.progress.stage(&format!("fetching what {} and its bases want first for {arch}", recipe.name));
        let foresee = &mut |package: &PackageFiles| foresee(&mut all, package);
        self.catalogued_ahead(recipe, lock, arch, wants, &links, foresee).map(|_| ())
    }
}

pub(super) fn foresight<'a>(
    recipe: &'a Recipe,
    arch: Arch,
    packages: &'a BTreeMap<&'a str, &'a LockedPackage>,
    links: &MergedUsr,
    own: &OwnElfs,
) -> Result<Foresight<'a>, ForgeError> {
    Foresight::new(recipe, arch, packages, links, own).map_err(|source| ForgeError::Select { arch, source })
}

/// What is wanted whatever packages have, or since the last call.
pub(super) fn first_wanted(all: &mut [Foresight<'_>]) -> Wants {
    let mut wants = Wants::default();
    for foresight in all {
        wants.extend(foresight.wants());
    }
    wants
}

/// What is wanted because of what a package has.
pub(super) fn foresee(all: &mut [Foresight<'_>], package: &PackageFiles) -> Wants {
    for foresight in all.iter_mut() {
        foresight.see(package);
    }
    first_wanted(all)
}
