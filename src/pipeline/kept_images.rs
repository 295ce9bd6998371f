//! Images kept from build to build: what follows from the same [`ImageInputs`] is the same, so it is worked out once.
//!
//! What is kept of an image is what its layers are and what there is to say of it, not their bytes. These must be in
//! the layout or in the cache: see [`super::kept_layers`]. Host files that are only packed do not count among what an
//! image is known by: where one has changed, the layers that hold it are packed again, from their kept plans, and the
//! rest is as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::assembly::configured;
use super::inputs::{Call, ImageInputs, digest_of};
use super::{Built, Forge, Summary};
use crate::catalog::{FileCatalog, MergedUsr};
use crate::digest::Digest;
use crate::layer::LayerPlan;
use crate::oci::{ImageSpec, LayerBlob, Layout};
use crate::recipe::Recipe;
use crate::render::Content;
use crate::select::UnmatchedPattern;
use crate::tarball::EntryKind;

/// The kind of derived entry. The program is part of the key, so that its form may change without another name.
const IMAGES: &str = "image-1";

/// What is remembered of an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// In seconds since the Unix epoch.
    pub(super) created: u64,
    /// Variables that run-time rules give.
    pub(super) env: BTreeMap<String, String>,
    layers: Vec<Layer>,
    summary: Summary,
    unmatched: Vec<UnmatchedPattern>,
    /// The host's files whose content decided on more than a layer's bytes, with what it was.
    read: BTreeMap<PathBuf, Option<Digest>>,
}

/// A layer, and what it is packed from if that is the host's files and what was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Layer {
    blob: LayerBlob,
    host: BTreeMap<PathBuf, Option<Digest>>,
    plan: Option<LayerPlan>,
}

impl Record {
    /// Of an image whose layers were planned and written; none where some of them come from elsewhere.
    pub(super) fn of(
        spec: &ImageSpec,
        plans: Vec<LayerPlan>,
        summary: &Summary,
        env: BTreeMap<String, String>,
        unmatched: Vec<UnmatchedPattern>,
        read: BTreeSet<PathBuf>,
    ) -> Option<Self> {
        if spec.layers.len() != plans.len() {
            return None;
        }
        let layers = spec.layers.iter().zip(plans).map(|(blob, plan)| {
            let host = plan.made.iter().filter_map(|file| match &file.content {
                Content::Host(path) => Some((path.clone(), None)),
                Content::Bytes(_) => None,
            });
            let host: BTreeMap<_, _> = host.collect();
            let alone = plan.packages.is_empty() && !host.is_empty();
            Layer { blob: blob.clone(), host, plan: alone.then_some(plan) }
        });
        Some(Record {
            created: spec.created,
            env,
            layers: layers.collect(),
            summary: summary.clone(),
            unmatched,
            read: read.into_iter().map(|path| (path, None)).collect(),
        })
    }

    /// Notes the content of the host's files; none where one was not among the inputs.
    fn note(mut self, inputs: &ImageInputs) -> Option<Self> {
        let files = self.layers.iter_mut().map(|layer| &mut layer.host).chain([&mut self.read]);
        for (path, digest) in files.flatten() {
            *digest = Some(inputs.host.get(path)?.1);
        }
        Some(self)
    }
}

/// Whether the host's files are as they were.
fn same(files: &BTreeMap<PathBuf, Option<Digest>>, inputs: &ImageInputs) -> bool {
    files
        .iter()
        .all(|(path, digest)| digest.is_some() && inputs.host.get(path).map(|(_, now)| *now) == *digest)
}

/// An image that was built before, with what it follows from now.
#[derive(Debug)]
pub struct Recalled {
    inputs: ImageInputs,
    record: Record,
}

impl Recalled {
    /// The patterns of the recipe that matched nothing on this architecture.
    pub fn unmatched(&self) -> &[UnmatchedPattern] {
        &self.record.unmatched
    }

    /// The architecture it is for.
    pub fn arch(&self) -> crate::arch::Arch {
        self.inputs.arch
    }
}

impl Forge<'_> {
    /// What is kept of the image that follows from some inputs.
    pub fn recall(&self, inputs: ImageInputs) -> Option<Recalled> {
        let record: Record = postcard::from_bytes(&self.cache.derived(IMAGES, &inputs.key)?).ok()?;
        same(&record.read, &inputs).then_some(Recalled { inputs, record })
    }

    /// Writes an image as it was built before. None where it must be built from its packages after all.
    pub fn restore(&self, recipe: &Recipe, recalled: &Recalled, layout: &Layout) -> Option<Built> {
        let Recalled { inputs, record } = recalled;
        self.progress.stage(&format!("{} for {} is known from an earlier build", recipe.name, inputs.arch));
        let mut record = record.clone();
        let mut is_new = false;
        for layer in &mut record.layers {
            let as_it_was = same(&layer.host, inputs);
            if as_it_was && self.bring(layout, &layer.blob.digest, layer.blob.size) {
                continue;
            }
            let plan = layer.plan.as_mut()?;
            let before = made_bytes(plan);
            resize(plan, inputs)?;
            let nothing = FileCatalog::new(MergedUsr::new(&[]));
            let blob = self.layer(layout, plan, &nothing).ok()?;
            // They may have changed once more since they were looked at.
            let stays = |path: &PathBuf| digest_of(path) == inputs.host.get(path).map(|(_, digest)| *digest);
            if !layer.host.keys().all(stays) {
                return None;
            }
            layer.blob = LayerBlob { created: layer.blob.created, ..blob };
            record.summary.unpacked = (record.summary.unpacked + made_bytes(plan)).checked_sub(before)?;
            is_new = true;
        }
        record.summary.compressed = record.layers.iter().map(|layer| layer.blob.size).sum();
        let image = ImageSpec {
            arch: inputs.arch,
            config: configured(recipe, &record.env),
            created: record.created,
            given: None,
            layers: record.layers.iter().map(|layer| layer.blob.clone()).collect(),
            annotations: BTreeMap::new(),
        };
        let image = layout.write_image(&image).ok()?;
        let built = Built { image, summary: record.summary.clone(), record: Some(record) };
        if is_new {
            self.put(inputs, &built);
        }
        Some(built)
    }

    /// Keeps images of a call for later builds, each unless something that it follows from has changed while it was
    /// built.
    pub fn keep(&self, recipe: &Recipe, call: &Call, built: &[(&Built, &ImageInputs)]) {
        for (built, inputs) in built {
            let now = ImageInputs::of(call, recipe, inputs.arch, self.options.newest);
            if now.as_ref() == Some(*inputs) {
                self.put(inputs, built);
            }
        }
    }

    /// Failing to is not an error: the image is built again.
    fn put(&self, inputs: &ImageInputs, built: &Built) {
        let record = built.record.clone().and_then(|record| record.note(inputs));
        if let Some(bytes) = record.and_then(|record| postcard::to_stdvec(&record).ok()) {
            let _ = self.cache.put_derived(IMAGES, &inputs.key, &bytes);
        }
    }
}

/// Gives the host's files in a plan the sizes that they have now.
fn resize(plan: &mut LayerPlan, inputs: &ImageInputs) -> Option<()> {
    for file in &mut plan.made {
        if let Content::Host(path) = &file.content {
            file.entry.kind = EntryKind::File { size: inputs.host.get(path)?.0 };
        }
    }
    Some(())
}

/// What was made in a layer comes to, in bytes.
fn made_bytes(plan: &LayerPlan) -> u64 {
    let sizes = plan.made.iter().map(|made| match made.entry.kind {
        EntryKind::File { size } => size,
        _ => 0,
    });
    sizes.sum()
}
