//! Packages at hand before selection asks for them: it is asked about the whole, not again and again about the next few.

use std::collections::{BTreeMap, BTreeSet};

use super::on_image::{merged_usr, stand_on};
use super::programs::{own_elfs, own_packages};
use super::{Forge, ForgeError, Prepared};
use crate::arch::Arch;
use crate::base_image::BaseImage;
use crate::catalog::{CatalogError, FileCatalog, MergedUsr, OwnElfs, PackageFiles};
use crate::lock::{Lock, LockedPackage};
use crate::recipe::Recipe;
use crate::select::{Foresight, Given, Wants, likely_packages, named_packages};

/// A recipe that stands on another, and its lock.
#[derive(Clone, Copy)]
pub(super) struct Above<'r> {
    pub(super) recipe: &'r Recipe,
    pub(super) lock: &'r Lock,
}

impl Forge<'_> {
    /// Fetches and lists what a recipe's own layers name, so that it is at hand. Only these are sure to be wanted as long
    /// as nothing is known of its base.
    pub(super) fn fetch_named(&self, above: Option<Above<'_>>, arch: Arch) -> Result<(), ForgeError> {
        let Some(Above { recipe, lock }) = above else { return Ok(()) };
        let (distro, packages) = (recipe.conventions(), lock.packages_of(arch));
        let Some(names) = distro.arch_name(arch).zip(distro.triplet(arch)) else { return Ok(()) };
        let stacked = recipe.stacked();
        let own = stacked.iter().skip(recipe.layers_below());
        let files = own.flat_map(|layer| named_packages(layer, &packages, names.0, names.1)).collect();
        let wants = Wants { files, ..Wants::default() };
        if wants.is_empty() {
            return Ok(());
        }
        self.progress.stage(&format!("fetching what {} names for {arch}", recipe.name));
        self.catalogued_ahead(recipe, lock, arch, wants, &merged_usr(recipe, arch), None).map(|_| ())
    }

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
        let mut wants = wanted(&mut all);
        wants.files.extend(levels.iter().flat_map(|(.., of_own)| of_own.values().flatten()).cloned());
        self.progress.stage(&format!("fetching what {} and its bases want first for {arch}", recipe.name));
        let foresee = &mut |package: &PackageFiles| {
            for foresight in &mut all {
                foresight.see(package);
            }
            wanted(&mut all)
        };
        self.catalogued_ahead(recipe, lock, arch, wants, &links, Some(foresee)).map(|_| ())
    }
}

/// The packages of a recipe that are at hand.
pub(super) struct AtHand<'a> {
    pub(super) catalog: FileCatalog,
    pub(super) outlines: BTreeMap<String, PackageFiles>,
    /// What an image has that it stands on.
    pub(super) given: Given,
    /// None where it stands on an image.
    foresight: Option<Foresight<'a>>,
}

impl<'a> AtHand<'a> {
    /// Before anything is fetched.
    pub(super) fn begin(
        image: Option<&BaseImage>,
        recipe: &'a Recipe,
        arch: Arch,
        packages: &'a BTreeMap<&'a str, &'a LockedPackage>,
        own: &OwnElfs,
    ) -> Result<Self, ForgeError> {
        let links = merged_usr(recipe, arch);
        let mut catalog = FileCatalog::new(links.clone());
        let (given, foresight) = match image {
            // What an image has is not fetched, nor looked into for what it would want.
            Some(image) => (stand_on(image, &mut catalog, recipe, packages)?, None),
            None => (Given::default(), Some(foresight(recipe, arch, packages, &links, own)?)),
        };
        Ok(AtHand { catalog, outlines: BTreeMap::new(), given, foresight })
    }

    /// What is foreseen to be wanted, or likely to be where nothing is foreseen.
    pub(super) fn first_wants(
        &mut self,
        recipe: &Recipe,
        arch: Arch,
        packages: &BTreeMap<&str, &LockedPackage>,
    ) -> Wants {
        match &mut self.foresight {
            Some(foresight) => foresight.wants(),
            None => Wants { files: likely_packages(recipe, arch, packages), ..Wants::default() },
        }
    }

    /// The packages that the layers of a base have files of. Of those that an image has, the rest is wanted.
    pub(super) fn wanted_of_base(&mut self, base: Option<&Prepared>) -> BTreeSet<String> {
        let contributors = base.map(Prepared::contributors).unwrap_or_default();
        let known = contributors.iter().filter(|name| self.catalog.package(name).is_some());
        self.given.partial.extend(known.cloned());
        contributors
    }

    /// All of it, as selection sees it: files, and behind them outlines.
    pub(super) fn outlined(&self) -> Result<FileCatalog, CatalogError> {
        self.catalog.with(self.outlines.values().cloned())
    }

    fn foresee(&mut self, package: &PackageFiles) -> Wants {
        let Some(foresight) = &mut self.foresight else { return Wants::default() };
        foresight.see(package);
        let mut more = foresight.wants();
        more.files.retain(|name| self.catalog.package(name).is_none());
        more.outlines
            .retain(|name| self.catalog.package(name).is_none() && !self.outlines.contains_key(name));
        more
    }
}

impl Forge<'_> {
    /// Gathers what is wanted and is not at hand, and what is foreseen to be wanted then.
    pub(super) fn gather(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        arch: Arch,
        mut wants: Wants,
        at_hand: &mut AtHand<'_>,
    ) -> Result<(), ForgeError> {
        if at_hand.foresight.is_none() {
            wants.files.append(&mut wants.outlines);
        }
        // Of what an image has in part, the rest is fetched.
        let AtHand { catalog, given, .. } = &mut *at_hand;
        wants.files.retain(|name| catalog.package(name).is_none() || given.partial.remove(name));
        if wants.is_empty() {
            return Ok(());
        }
        let count = wants.files.len() + wants.outlines.len();
        let what = if count == 1 { "a package".to_owned() } else { format!("{count} packages") };
        self.progress.stage(&format!("fetching {what} of {} for {arch}", recipe.name));
        let links = at_hand.catalog.merged_usr().clone();
        let foresee = &mut |package: &PackageFiles| at_hand.foresee(package);
        let listed = self.catalogued_ahead(recipe, lock, arch, wants, &links, Some(foresee))?;
        at_hand.outlines.extend(listed.outlines);
        for package in listed.whole.into_values() {
            at_hand.outlines.remove(&package.name);
            at_hand.catalog.put(package)?;
        }
        at_hand.catalog.order_owners();
        Ok(())
    }
}

fn foresight<'a>(
    recipe: &'a Recipe,
    arch: Arch,
    packages: &'a BTreeMap<&'a str, &'a LockedPackage>,
    links: &MergedUsr,
    own: &OwnElfs,
) -> Result<Foresight<'a>, ForgeError> {
    Foresight::new(recipe, arch, packages, links, own).map_err(|source| ForgeError::Select { arch, source })
}

/// What several are foreseen to want, or do since the last call.
fn wanted(all: &mut [Foresight<'_>]) -> Wants {
    let mut wants = Wants::default();
    for foresight in all {
        wants.extend(foresight.wants());
    }
    wants
}
