//! The only wiring of the stages.
//!
//! ```text
//! recipe -> resolve -> (lock) -> fetch -> catalog -> select -> render -> layer -> oci
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::SystemTime;

use crate::arch::Arch;
use crate::cache::Cache;
use crate::catalog::{FileCatalog, PackageArchive, catalogue};
use crate::distro::{Distro, Pocket};
use crate::fetch::fetch;
use crate::layer::{LayerParts, LayerPlan};
use crate::lock::{Lock, LockedPackage, Request};
use crate::oci::{ImageRef, Layout, pack};
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::repository::{Mirrors, load_index};
use crate::select::{Inputs, Outcome, Selection, likely_packages, select};
use crate::transport::Transport;

mod error;
mod summary;

pub use error::ForgeError;
pub use summary::{PackageSize, Summary};

/// Everything the stages need that is not in the recipe.
pub struct Forge<'a> {
    /// What was fetched before.
    pub cache: Cache,
    /// How to fetch.
    pub transport: Transport,
    /// Where from.
    pub mirrors: Mirrors,
    /// The present, against which signatures and indexes are judged. It reaches no output.
    pub now: SystemTime,
    /// Choices of the command line.
    pub options: Options,
    /// Who listens.
    pub progress: &'a dyn Progress,
}

/// Choices that the command line adds to a recipe.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Suites to leave out.
    pub without: Vec<Pocket>,
    /// Accept indexes whose `Valid-Until` has passed.
    pub allow_expired_index: bool,
    /// `SOURCE_DATE_EPOCH`: no time in the image is later, in seconds since the Unix epoch.
    pub newest: Option<u64>,
}

/// Which packages may change when a lock is made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// Only what the recipe makes necessary.
    Necessary,
    /// These; everything else keeps its version.
    Packages(BTreeSet<String>),
    /// All of them.
    All,
}

/// An image of one architecture, and what there is to say of it.
#[derive(Debug)]
pub struct Built {
    /// The image in the layout.
    pub image: ImageRef,
    /// What went into it.
    pub summary: Summary,
}

impl Forge<'_> {
    /// Resolves a recipe for some architectures, and again for those of the old lock where the recipe has
    /// changed since. Reads indexes only.
    pub fn lock(
        &self,
        recipe: &Recipe,
        archs: &[Arch],
        old: Option<&Lock>,
        update: &Update,
    ) -> Result<Lock, ForgeError> {
        let request = Request::of(recipe, &self.options.without);
        let fits = old.is_some_and(|old| old.fits(&request, &[]).is_ok()) && *update == Update::Necessary;
        let mut lock = match old {
            Some(old) if fits => old.clone(),
            _ => Lock::new(request),
        };
        let known = old.map(Lock::archs).unwrap_or_default();
        let wanted: BTreeSet<Arch> = archs.iter().copied().chain(known).collect();
        for arch in wanted.into_iter().filter(|arch| !lock.has_arch(*arch)) {
            self.progress.stage(&format!("resolving {} for {arch}", recipe.name));
            let index = load_index(self.sources(recipe, arch)?, self.context())?;
            let pins = old.map(|old| old.pins(arch, update)).unwrap_or_default();
            lock.resolve_arch(recipe, conventions(recipe), arch, &index, &pins)?;
        }
        Ok(lock)
    }

    /// Builds one architecture of a locked recipe into a layout.
    pub fn build(&self, recipe: &Recipe, lock: &Lock, arch: Arch, layout: &Layout) -> Result<Built, ForgeError> {
        let packages = lock.packages_of(arch);
        let (catalog, selection) = self.select(recipe, arch, &packages)?;
        let plans = self.plan(recipe, arch, &catalog, &selection)?;
        self.progress.stage(&format!("packing {} for {arch}", recipe.name));
        let mut layers = Vec::new();
        for plan in &plans {
            layers.push(pack(layout, plan, &catalog, self.progress)?);
        }
        let summary = Summary::of(&plans, &packages, &catalog, &selection, &layers);
        let image = layout.write_image(&self.image_spec(recipe, lock, arch, layers)?)?;
        Ok(Built { image, summary })
    }

    /// Fetches and catalogues packages until selection wants no more.
    fn select(
        &self,
        recipe: &Recipe,
        arch: Arch,
        packages: &BTreeMap<&str, &LockedPackage>,
    ) -> Result<(FileCatalog, Selection), ForgeError> {
        let distro = conventions(recipe);
        let links = crate::render::directory_links(distro, arch);
        let mut catalog = FileCatalog::new(&links);
        let mut wants = likely_packages(Inputs { recipe, distro, arch, packages, catalog: &catalog });
        loop {
            self.progress.stage(&format!("fetching {} packages of {} for {arch}", wants.len(), recipe.name));
            let fetched = self.fetch(recipe, arch, packages, &wants)?;
            catalog.extend(catalogue(&fetched, &links, Some(&self.cache))?);
            match select(Inputs { recipe, distro, arch, packages, catalog: &catalog })? {
                Outcome::Selection(selection) => return Ok((catalog, selection)),
                Outcome::Wants(more) => wants = more,
            }
        }
    }
}
