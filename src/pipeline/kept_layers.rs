//! Layers kept from build to build: what follows from the same plan has the same bytes, so it is packed once.
//!
//! A layer is known by all that its bytes follow from: entries, the packages that files come from, what was made, and
//! how it is compressed. The cache has what was packed under that key, and the blob itself. A blob's bytes are compared
//! with its digest before it is used again, once for as long as nobody touches the file; one that is damaged or gone is
//! packed again. So is what follows from another plan; the pieces that both have are taken over.

use std::path::PathBuf;
use std::sync::PoisonError;

use serde::{Deserialize, Serialize};

use super::{Forge, ForgeError};
use crate::cache::{Cache, Lookup};
use crate::catalog::FileCatalog;
use crate::digest::Digest;
use crate::layer::LayerPlan;
use crate::oci::{LayerBlob, Layout, Packed, created_by, layer_form, pack};
use crate::render::Content;

/// The kind of derived entry. Another form of what a key is made of, or of a tarball's bytes, needs another name.
const LAYERS: &str = "layer-1";

/// What is kept of a layer beside its blob.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    digest: Digest,
    size: u64,
    diff_id: Digest,
    uncompressed: u64,
}

impl Forge<'_> {
    /// Sees to it that a blob is in a layout and sound: as it is, or from the cache.
    pub(super) fn bring(&self, layout: &Layout, digest: &Digest, size: u64) -> bool {
        is_sound(&self.cache, layout, digest, size) || {
            let Ok(Lookup::Found(path)) = self.cache.verified_blob(*digest) else { return false };
            layout.admit(&path, digest).is_ok()
        }
    }

    /// A layer that was packed before, now in the layout.
    fn kept(&self, layout: &Layout, plan: &LayerPlan, key: &Digest) -> Option<LayerBlob> {
        let Kept { digest, size, diff_id, uncompressed } =
            postcard::from_bytes(&self.cache.derived(LAYERS, key)?).ok()?;
        let (compression, created_by) = (plan.compression.into(), created_by(plan));
        let blob = LayerBlob { digest, size, compression, diff_id, uncompressed, created_by, created: None };
        self.bring(layout, &digest, size).then_some(blob)
    }

    /// Brings a layer into a layout: as it was packed before, or packed now.
    pub(super) fn layer(
        &self,
        layout: &Layout,
        plan: &LayerPlan,
        catalog: &FileCatalog,
    ) -> Result<LayerBlob, ForgeError> {
        let key = key(plan, catalog);
        let packing = key.map(|key| self.loaded.packing.of(&key));
        let _turn = packing.as_ref().map(|packing| packing.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(blob) = key.and_then(|key| self.kept(layout, plan, &key)) {
            self.progress.advance(plan.size());
            return Ok(blob);
        }
        let packed = pack(layout, plan, catalog, &self.cache, self.progress)?;
        // A file of the host may have changed while it was packed.
        if let Some(key) = key.filter(|before| self::key(plan, catalog) == Some(*before)) {
            keep(&self.cache, layout, &packed, &key);
        }
        Ok(packed.blob)
    }
}

/// What a layer's bytes follow from; none where something of it cannot be read, which packing will tell.
fn key(plan: &LayerPlan, catalog: &FileCatalog) -> Option<Digest> {
    let LayerPlan { name: _, directories, packages, made, compression } = plan;
    let form = layer_form(*compression);
    let packages = packages.iter().map(|part| {
        let content = catalog.package(&part.package)?.content;
        Some((content, &part.files, &part.others))
    });
    let packages: Vec<_> = packages.collect::<Option<_>>()?;
    let made = made.iter().map(|file| {
        let content = match &file.content {
            Content::Bytes(bytes) => Digest::of(bytes),
            Content::Host(path) => Digest::of_reader(std::fs::File::open(path).ok()?).ok()?.0,
        };
        Some((&file.entry, content))
    });
    let made: Vec<_> = made.collect::<Option<_>>()?;
    postcard::to_stdvec(&(form, directories, packages, made)).ok().map(|bytes| Digest::of(&bytes))
}

/// Whether a layout's blob has the bytes of its name: see [`Cache::is_sound`].
fn is_sound(cache: &Cache, layout: &Layout, digest: &Digest, size: u64) -> bool {
    if layout.blob_size(digest) != Some(size) {
        return false;
    }
    let judge = || Ok(layout.has_sound_blob(digest));
    let is_sound = cache.is_sound(digest, &layout.blob_path(digest), judge).is_ok_and(|is_sound| is_sound);
    if is_sound {
        layout.vouch(digest);
    }
    is_sound
}

/// Keeps a layer for later builds. Failing to is not an error: it is packed again.
fn keep(cache: &Cache, layout: &Layout, packed: &Packed, key: &Digest) {
    let LayerBlob { digest, size, diff_id, uncompressed, .. } = packed.blob;
    let path: PathBuf = layout.blob_path(&digest);
    let kept = postcard::to_stdvec(&Kept { digest, size, diff_id, uncompressed });
    if let (Ok(kept), Ok(())) = (kept, cache.share(&path, &digest)) {
        let _ = cache.put_derived(LAYERS, key, &kept);
        packed.keep_pieces(cache);
    }
}
