//! What an image will be, before anything of it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::arch::Arch;
use crate::base_image::BaseImage;
use crate::catalog::FileCatalog;
use crate::layer::LayerPlan;
use crate::lock::Lock;
use crate::oci::{ImageSpec, Layout};
use crate::recipe::Recipe;
use crate::render::EPOCH;
use crate::select::UnmatchedPattern;

use super::assembly::{Parts, Planned, layer_plans};
use super::entrypoint::unstartable;
use super::side_by_side::side_by_side;
use super::{Built, Forge, ForgeError, Prepared, Summary};

/// An image of one architecture, ready to be packed. What was catalogued and chosen for it need not be at hand any more.
#[derive(Debug)]
pub struct ImagePlan {
    /// Every layer that holds anything, lowest first.
    pub layers: Vec<LayerPlan>,
    /// When the base was made that a layer belongs to, in seconds since the Unix epoch; none for the recipe's own.
    pub(super) created: Vec<Option<u64>>,
    /// The packages that layers have files of.
    pub(super) archives: FileCatalog,
    /// The image without its layers.
    pub(super) image: ImageSpec,
    /// All of it but what its layers take compressed.
    pub(super) summary: Summary,
    /// Variables that run-time rules give.
    pub(super) env: BTreeMap<String, String>,
    pub(super) unmatched: Vec<UnmatchedPattern>,
    /// The host's files whose content was looked at.
    pub(super) read: BTreeSet<PathBuf>,
    /// The image that is its lowest base, if that is one.
    pub(super) base: Option<Arc<BaseImage>>,
}

impl ImagePlan {
    /// The architecture it is for.
    pub fn arch(&self) -> Arch {
        self.image.arch
    }

    /// The patterns of the recipe that matched nothing on this architecture.
    pub fn unmatched(&self) -> &[UnmatchedPattern] {
        &self.unmatched
    }
}

impl Forge<'_> {
    /// Prepares and plans several architectures at once. Of what each alone has, only its plan is kept.
    pub fn plan_all(
        &self,
        recipe: &Recipe,
        lock: &Lock,
        archs: &[Arch],
    ) -> Result<Vec<ImagePlan>, ForgeError> {
        self.side_by_side(archs, |forge, arch| {
            let prepared = forge.prepare(recipe, lock, arch)?;
            let plan = forge.plan(recipe, lock, &prepared)?;
            if archs.len() > 1 {
                forge.loaded.let_packages_go(&lock.packages_of(arch));
            }
            Ok(plan)
        })
    }

    /// Packs what was planned for several architectures, several at once.
    pub fn pack_all(
        &self,
        recipe: &Recipe,
        plans: Vec<ImagePlan>,
        layout: &Layout,
    ) -> Result<Vec<Built>, ForgeError> {
        let plans: Vec<Mutex<Option<ImagePlan>>> =
            plans.into_iter().map(|plan| Mutex::new(Some(plan))).collect();
        let packed = side_by_side(
            &plans,
            |_| self,
            |forge, plan| {
                // Each is taken once.
                let plan = plan.lock().unwrap_or_else(PoisonError::into_inner).take();
                plan.map(|plan| forge.pack(recipe, plan, layout)).transpose()
            },
        );
        Ok(packed?.into_iter().flatten().collect())
    }

    /// The image of what was prepared, as it would be packed. It is dated as its newest index; where it has none, as all
    /// that rootforge makes.
    pub fn plan(&self, recipe: &Recipe, lock: &Lock, prepared: &Prepared) -> Result<ImagePlan, ForgeError> {
        let Prepared { arch, catalog, outlines, effects, selection, image, .. } = prepared;
        let parts = Parts::of(recipe, lock, prepared, self.options.newest);
        let Planned { layers, undone, read } = layer_plans(parts)?;
        if recipe.strict && !undone.is_empty() {
            return Err(ForgeError::Undone { arch: *arch, steps: undone });
        }
        let (places, layers): (Vec<usize>, Vec<LayerPlan>) = layers.into_iter().unzip();
        let looked_into = catalog.packages().chain(outlines.values());
        let packages = layers.iter().flat_map(|layer| &layer.packages).map(|part| part.package.as_str());
        let config = prepared.image_config(recipe);
        let mut summary =
            Summary::of(&layers, &lock.packages_of(*arch), looked_into, selection, undone, &effects.packages);
        // What a base image has is not looked through for it.
        summary.warnings.extend(if image.is_none() { unstartable(&config, &layers) } else { None });
        Ok(ImagePlan {
            created: places.into_iter().map(|place| self.date_below(recipe, lock, *arch, place)).collect(),
            archives: catalog.archives(packages),
            image: ImageSpec {
                arch: *arch,
                config,
                created: self.date(lock, *arch),
                given: image.as_ref().map(|image| image.layers.clone()),
                layers: Vec::new(),
                annotations: BTreeMap::new(),
            },
            summary,
            env: selection.env.clone(),
            unmatched: selection.unmatched.clone(),
            read,
            base: image.clone(),
            layers,
        })
    }

    /// When an image of a lock is said to be made, in seconds since the Unix epoch.
    fn date(&self, lock: &Lock, arch: Arch) -> u64 {
        let date = lock
            .date(arch)
            .and_then(|date| date.parse::<jiff::Timestamp>().ok())
            .and_then(|date| u64::try_from(date.as_second()).ok())
            .unwrap_or(EPOCH);
        self.options.newest.map_or(date, |newest| date.min(newest))
    }

    /// When the base was made that a layer of the stack belongs to; none for the recipe's own.
    fn date_below(&self, recipe: &Recipe, lock: &Lock, arch: Arch, layer: usize) -> Option<u64> {
        if layer >= recipe.layers_below() {
            return None;
        }
        let (base, lock) = (&recipe.base.as_deref()?.recipe, lock.base.as_deref()?);
        Some(self.date_below(base, lock, arch, layer).unwrap_or_else(|| self.date(lock, arch)))
    }
}
