//! Layers kept from build to build: what follows from the same plan has the same bytes, so it is packed once.
//!
//! A layer is known by all that its bytes follow from: entries, the packages that files come from, what was made, and
//! how it is compressed. The cache has what was packed under that key, and the blob itself. A blob's bytes are compared
//! with its digest before it is used again, once for as long as nobody touches the file; one that is damaged or gone is
//! packed again.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Forge, ForgeError};
use crate::cache::{Cache, Lookup};
use crate::catalog::FileCatalog;
use crate::digest::Digest;
use crate::layer::LayerPlan;
use crate::oci::{LayerBlob, Layout, created_by, layer_form, pack};
use crate::render::Content;

/// The kind of derived entry. Another form of what a key is made of, or of a tarball's bytes, needs another name.
const LAYERS: &str = "layer-1";

/// The kind of derived entry that says that a file's bytes were compared with its digest.
const SOUND: &str = "sound-1";

/// The longest time between two ticks of a file system's clock, in nanoseconds, with much to spare.
const TICK: i128 = 100_000_000;

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
        is_sound(self, layout, digest, size) || {
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
        if let Some(blob) = key.and_then(|key| self.kept(layout, plan, &key)) {
            self.progress.advance(plan.size());
            return Ok(blob);
        }
        let blob = pack(layout, plan, catalog, self.progress)?;
        // A file of the host may have changed while it was packed.
        if let Some(key) = key.filter(|before| self::key(plan, catalog) == Some(*before)) {
            keep(&self.cache, layout, &blob, &key);
        }
        Ok(blob)
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

/// Whether a layout's blob has the bytes of its name. They are read, unless they were before and the file has not been
/// touched since, as its times and its number in the file system say.
fn is_sound(forge: &Forge<'_>, layout: &Layout, digest: &Digest, size: u64) -> bool {
    let cache = &forge.cache;
    let stamp = || Stamp::of(&layout.blob_path(digest)).filter(|stamp| stamp.size == size);
    let Some(before) = stamp() else { return false };
    let key = postcard::to_stdvec(&(digest, &before)).ok().map(|bytes| Digest::of(&bytes));
    if key.is_some_and(|key| cache.derived(SOUND, &key).is_some()) {
        layout.vouch(digest);
        return true;
    }
    let sound = layout.has_sound_blob(digest) && stamp().as_ref() == Some(&before);
    if let Some(key) = key.filter(|_| sound && before.is_settled(forge.now)) {
        let _ = cache.put_derived(SOUND, &key, &[]);
    }
    sound
}

/// What tells that a file is the one that it was.
#[derive(PartialEq, Eq, Serialize)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds of the last change of its bytes, and of anything about it.
    changed: [(i64, i64); 2],
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: [(metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec())],
        })
    }

    /// Whether one more change would show: file systems' clocks tick some hundred times a second.
    fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let since = |(seconds, nanoseconds): (i64, i64)| {
            let then = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
            i128::try_from(now.as_nanos()).unwrap_or(0) - then
        };
        self.changed.into_iter().all(|change| since(change) > TICK)
    }
}

/// Keeps a layer for later builds. Failing to is not an error: it is packed again.
fn keep(cache: &Cache, layout: &Layout, blob: &LayerBlob, key: &Digest) {
    let LayerBlob { digest, size, diff_id, uncompressed, .. } = *blob;
    let path: PathBuf = layout.blob_path(&digest);
    let kept = postcard::to_stdvec(&Kept { digest, size, diff_id, uncompressed });
    if let (Ok(kept), Ok(())) = (kept, cache.share(&path, &digest)) {
        let _ = cache.put_derived(LAYERS, key, &kept);
    }
}
