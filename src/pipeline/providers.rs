//! Libraries that a build lacks, sought in all of the distro's repositories: packages of other makers often do not
//! say what they need.
//!
//! Only a build that fails looks, and what keeps it from looking (it is offline, a mirror is gone) is no fault of
//! its own: the error is then told without.

use std::collections::{BTreeMap, BTreeSet};

use crate::arch::Arch;
use crate::distro::PackageFormat;
use crate::recipe::Recipe;
use crate::repository::{Found, holders};
use crate::select::{SelectError, loader_for};

use super::locking::Port;
use super::programs::{Place, links, provided_names};
use super::{Forge, ForgeError};

impl Forge<'_> {
    /// Adds to an error which packages have the libraries that are missing.
    pub(super) fn with_providers(&self, recipe: &Recipe, arch: Arch, mut error: SelectError) -> SelectError {
        let SelectError::Unlinked(unlinked) = &mut error else { return error };
        let lacking = unlinked.iter_mut().filter(|one| one.excluded_by.is_none() && one.elsewhere.is_none());
        let mut lacking: Vec<_> = lacking.filter(|one| !one.needed.contains('/')).collect();
        if lacking.is_empty() || self.transport.is_offline() {
            return error;
        }
        self.progress.stage(&format!("looking for what {} lacks on {arch}", recipe.name));
        let names: BTreeSet<String> = lacking.iter().map(|one| one.needed.clone()).collect();
        let found = match recipe.format() {
            PackageFormat::Deb => self.deb_providers(recipe, arch, &names),
            PackageFormat::Apk => self.apk_providers(recipe, arch, &names),
        };
        let found = found.unwrap_or_default();
        for one in &mut lacking {
            one.provider = found.get(&one.needed).cloned();
        }
        error
    }

    fn deb_providers(
        &self,
        recipe: &Recipe,
        arch: Arch,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>, ForgeError> {
        let distro = recipe.conventions();
        let (Some(search), Some(name)) = (loader_for(distro, arch, None), distro.arch_name(arch)) else {
            return Ok(BTreeMap::new());
        };
        let suites = self.suites(recipe, arch)?;
        let Found { holders: found, out_of_step, .. } = holders(&suites, name, names, self.access(recipe))?;
        for error in &out_of_step {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            self.progress.note(&format!("{first}; it cannot be asked which packages have what is missing"));
        }
        let (links, none) = (links(recipe, arch), BTreeSet::new());
        let place = Place { search: &search, links: &links, dirs: &[], is_known: &|_| true, named: &none };
        let providers = names.iter();
        Ok(providers.filter_map(|name| Some((name.clone(), place.package_for(name, &found)?))).collect())
    }

    fn apk_providers(
        &self,
        recipe: &Recipe,
        arch: Arch,
        names: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>, ForgeError> {
        let mut found = BTreeMap::new();
        for record in self.apk_parts(recipe, Port::of(recipe, arch)?)?.iter().flat_map(|(_, records)| records)
        {
            for library in provided_names(record).filter_map(|one| one.strip_prefix("so:")) {
                if names.contains(library) {
                    found.entry(library.to_owned()).or_insert_with(|| record.name.clone());
                }
            }
        }
        Ok(found)
    }
}
