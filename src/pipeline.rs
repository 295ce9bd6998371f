//! The only wiring of the stages.
//!
//! ```text
//! recipe -> resolve -> (lock) -> fetch -> catalog -> effects -> select -> render -> layer -> oci
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use crate::arch::Arch;
use crate::base_image::BaseImage;
use crate::cache::Cache;
use crate::catalog::{FileCatalog, PackageFiles, Scratch};
use crate::distro::Pocket;
use crate::layer::LayerPlan;
use crate::lock::{Lock, Request};
use crate::oci::{GivenLayers, ImageRef, LayerBlob, Layout};
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::repository::Mirrors;
use crate::select::{Inputs, Outcome, Selection, select};
use crate::shell::lacked_a_thread;
use crate::transport::Transport;

mod assembly;
mod contents;
mod download;
mod entrypoint;
mod error;
mod fleet;
mod image_plan;
mod incoming;
mod inputs;
mod kept_images;
mod kept_layers;
mod kept_selections;
mod loaded;
mod loader_path;
mod locking;
mod locking_apk;
mod locking_on_base;
mod looking_ahead;
mod made_links;
mod on_image;
mod programs;
mod providers;
mod script_effects;
mod scripts;
mod side_by_side;
mod summary;
mod updating;
mod why;

use loader_path::{LoaderConfiguration, musl_path};
use locking::Resolved;
use looking_ahead::{Above, AtHand};
use made_links::MadeLinks;
use on_image::merged_usr;
use programs::{own_elfs, own_packages};
use script_effects::ScriptEffects;
use scripts::{Scripts, WordsMemo};

pub use error::ForgeError;
pub use fleet::{
    BaseReport, FleetOptions, FleetReport, ImageReport, Member, Unlocked, lock_fleet, plan_fleet,
};
pub use image_plan::ImagePlan;
pub use inputs::{Call, ImageInputs};
pub use kept_images::{Recalled, Record};
pub use loaded::Loaded;
pub use programs::ProgramError;
pub use summary::{PackageSize, Summary};

/// Everything the stages need that is not in the recipe.
///
/// Its methods wait for threads that wait for rayon's; so they are not to be called on rayon's threads.
pub struct Forge<'a> {
    /// What was fetched before.
    pub cache: Cache,
    /// The contents of files, from when their packages are listed until layers are packed.
    pub scratch: Scratch,
    /// How to fetch.
    pub transport: Transport,
    /// Where from.
    pub mirrors: Mirrors,
    /// What was loaded before in this run.
    pub loaded: Loaded,
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

/// The files of one architecture, chosen and ready to be packed.
#[derive(Debug)]
pub struct Prepared {
    arch: Arch,
    catalog: FileCatalog,
    /// Packages of which nothing was needed, and no more is known than what they say of their files.
    outlines: BTreeMap<String, PackageFiles>,
    effects: ScriptEffects,
    /// What its bases have chosen is the lowest layers.
    selection: Selection,
    base: Option<Arc<Prepared>>,
    /// The image that is its lowest base, if that is one.
    image: Option<Arc<BaseImage>>,
}

impl Prepared {
    /// The architecture they are for.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// The packages of which its layers have files.
    fn contributors(&self) -> BTreeSet<String> {
        let files = self.selection.layers.iter().flat_map(|layer| layer.files.values());
        let files = files.filter(|selected| !self.catalog.is_given(selected.file));
        files.map(|selected| self.catalog.get(selected.file).0.name.clone()).collect()
    }

    /// What was chosen, as a catalogue with more packages has it. The error is a package that is not the same there.
    fn selection_in(&self, catalog: &FileCatalog) -> Result<Selection, String> {
        let mut selection = self.selection.clone();
        for selected in selection.layers.iter_mut().flat_map(|layer| layer.files.values_mut()) {
            let package = &self.catalog.get(selected.file).0;
            selected.file = catalog.same(&self.catalog, selected.file).ok_or_else(|| package.name.clone())?;
        }
        Ok(selection)
    }
}

/// An image of one architecture, and what there is to say of it.
#[derive(Debug)]
pub struct Built {
    /// The image in the layout.
    pub image: ImageRef,
    /// What went into it.
    pub summary: Summary,
    /// What is kept of it, if it can be.
    record: Option<Record>,
}

impl Forge<'_> {
    /// Resolves a recipe for some architectures; those of the old lock are resolved again where the recipe
    /// has changed since, or an update is asked for. Reads indexes only.
    ///
    /// `base` is the lock of the recipe's base, which has these architectures.
    pub fn lock(
        &self,
        recipe: &Recipe,
        base: Option<&Lock>,
        archs: &[Arch],
        old: Option<&Lock>,
        update: &Update,
    ) -> Result<Lock, ForgeError> {
        let request = Request::of(recipe, base, &self.options.without);
        let mut lock = match old {
            Some(old) if *update == Update::Necessary && old.fits(&request, &[]).is_ok() => old.clone(),
            _ => Lock::new(request),
        };
        lock.base = base.cloned().map(Box::new);
        let meant = recipe.archs();
        let known = old.map(Lock::archs).unwrap_or_default().into_iter().filter(|arch| meant.contains(arch));
        let wanted: BTreeSet<Arch> = archs.iter().copied().chain(known).collect();
        let mut open = Vec::new();
        for arch in wanted {
            if lock.has_arch(arch) && self.stale(recipe, &lock, &[arch])?.is_none() {
                continue;
            }
            if base.is_some_and(|base| !base.has_arch(arch)) {
                return Err(ForgeError::NotInBase { arch });
            }
            open.push(arch);
        }
        let resolved = self.side_by_side(&open, |forge, arch| {
            forge.progress.stage(&format!("resolving {} for {arch}", recipe.name));
            forge.resolve(recipe, base, arch, old, update)
        });
        for (arch, Resolved { repositories, packages, programs }) in open.into_iter().zip(resolved?) {
            lock.replace_arch(arch, repositories, packages);
            lock.replace_programs(arch, programs);
        }
        Ok(lock)
    }

    /// Fetches and catalogues packages of a lock until selection wants no more; first those of its base, which is
    /// made as it is by itself.
    pub fn prepare(&self, recipe: &Recipe, lock: &Lock, arch: Arch) -> Result<Prepared, ForgeError> {
        if recipe.base_image.is_some() {
            return self.prepare_image(recipe, lock, arch);
        }
        let base = match (&recipe.base, &lock.base) {
            (Some(base), Some(lock_of_base)) => {
                let above = Above { recipe, lock };
                Some(Arc::new(self.prepare_base(&base.recipe, lock_of_base, arch, Some(above))?))
            }
            _ => None,
        };
        self.prepare_on(base, recipe, lock, arch)
    }

    /// As [`Forge::prepare`], on a base that is prepared.
    fn prepare_on(
        &self,
        base: Option<Arc<Prepared>>,
        recipe: &Recipe,
        lock: &Lock,
        arch: Arch,
    ) -> Result<Prepared, ForgeError> {
        let image = base.as_ref().and_then(|base| base.image.clone());
        let on_image = image.as_ref().map(|image| recipe.running_as(&image.config));
        let recipe = on_image.as_ref().unwrap_or(recipe);
        let (distro, packages) = (recipe.conventions(), lock.packages_of(arch));
        let (own, own_packages) = (own_elfs(recipe, arch), own_packages(lock, arch));
        let mut effects = ScriptEffects::default();
        let mut made_links = MadeLinks::default();
        let mut loader_configuration = LoaderConfiguration::default();
        let of_image = WordsMemo::default();
        let mut at_hand = AtHand::begin(image.as_deref(), recipe, arch, &packages, &own)?;
        let mut wants = at_hand.first_wants(recipe, arch, &packages);
        wants.files.extend(own_packages.values().flatten().cloned());
        wants.files.extend(at_hand.wanted_of_base(base.as_deref()));
        loop {
            self.gather(recipe, lock, arch, wants, &mut at_hand)?;
            effects.settle(recipe, arch, &mut at_hand.catalog, &self.loaded.effects)?;
            let catalog = &at_hand.catalog;
            made_links.update(distro.format(), catalog, &effects.packages)?;
            let musl_path = musl_path(recipe, arch, catalog)?;
            loader_configuration.update(recipe, arch, catalog)?;
            let below = match (&base, &recipe.base) {
                (Some(base), Some(of)) => base
                    .selection_in(catalog)
                    .map_err(|package| ForgeError::BaseDiffers { base: of.recipe.path.clone(), package })?,
                _ => Selection::default(),
            };
            let outlined = at_hand.outlined()?;
            let inputs = Inputs {
                recipe,
                below: &below,
                distro,
                arch,
                given: &at_hand.given,
                packages: &packages,
                catalog: &outlined,
                made_links: &made_links.links,
                musl_path: musl_path.as_deref(),
                own: &own,
                own_packages: &own_packages,
                loader_configuration: &loader_configuration.files,
                scripts: &Scripts { catalog, of_archives: &self.loaded.words, of_image: &of_image },
            };
            let outcome = select(inputs).map_err(|error| self.with_providers(recipe, arch, error));
            lacked_a_thread().map_or(Ok(()), |error| Err(ForgeError::Threads(error)))?;
            match outcome.map_err(|error| ForgeError::of_selection(arch, error))? {
                Outcome::Selection(selection) => {
                    let AtHand { catalog, outlines, .. } = at_hand;
                    return Ok(Prepared { arch, catalog, outlines, effects, selection, base, image });
                }
                Outcome::Wants(more) => wants = more,
            }
        }
    }

    /// Packs what was planned into a layout, and writes the image.
    pub fn pack(&self, recipe: &Recipe, plan: ImagePlan, layout: &Layout) -> Result<Built, ForgeError> {
        let ImagePlan { layers, created, archives, mut image, mut summary, env, unmatched, read, base } =
            plan;
        self.progress.stage(&format!("packing {} for {}", recipe.name, image.arch));
        self.progress.expect(layers.iter().map(LayerPlan::size).sum());
        let base = base.as_deref().map(|image| &image.layers);
        base.map_or(Ok(()), |base| base.bring(layout))?;
        for (plan, created) in layers.iter().zip(created) {
            image.layers.push(LayerBlob { created, ..self.layer(layout, plan, &archives)? });
        }
        let packed: u64 = image.layers.iter().map(|layer| layer.size).sum();
        summary.compressed = packed + base.map_or(0, GivenLayers::size);
        let record = Record::of(&image, layers, &summary, env, unmatched, read);
        Ok(Built { image: layout.write_image(&image)?, summary, record })
    }
}
