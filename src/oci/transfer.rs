//! Images to and from registries: only what the other side lacks goes over the wire, several blobs at a time.
//!
//! A blob that the registry has in another repository is mounted from there ([`Places`] remembers them). Manifests go
//! last, the children of an index before it, so that nothing in a registry or a layout ever names what is not there.
//! Left out: what refers to an image (signatures, attestations that are not in its index), and layers that a manifest
//! has elsewhere (`urls`): they are sought in the registry.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::descriptor::{Contents, Descriptor, Narrowed, Platforms};
use super::{Layout, OciError, documents};
use crate::arch::Arch;
use crate::digest::Digest;
use crate::progress::Progress;
use crate::registry::{Fault, Item, Manifest, Mounted, Places, Reference, Registry, RegistryError, Upload};

/// How many blobs are under way at a time.
const AT_A_TIME: usize = 4;
/// How many other repositories are asked for a blob.
const MOUNTS: usize = 2;
/// How many bytes the documents of one image may have together.
const MAX_DOCUMENTS: u64 = 64 << 20;

/// A place in a registry.
#[derive(Clone, Debug)]
pub struct Remote {
    /// The registry.
    pub registry: Registry,
    /// The repository, and the tag or digest in it.
    pub reference: Reference,
    /// Where its blobs were seen before.
    pub places: Places,
}

/// A number of blobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Tally {
    fn add(&mut self, size: u64) {
        self.blobs += 1;
        self.bytes += size;
    }
}

/// An image that was taken from a registry.
#[derive(Clone, Debug, PartialEq)]
pub struct Pulled {
    /// What it is in the layout, without a name yet.
    pub target: Descriptor,
    /// Blobs that were fetched.
    pub fetched: Tally,
    /// Blobs that the layout had.
    pub present: Tally,
}

/// An image that was put into a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Of its manifest or index.
    pub digest: Digest,
    /// Blobs that were sent.
    pub sent: Tally,
    /// Blobs that were mounted from another repository.
    pub mounted: Tally,
    /// Blobs that the repository had.
    pub present: Tally,
    /// Bytes of blobs that went, those that had to go twice included.
    pub uploaded: u64,
}

/// What an image in a registry consists of, as far as its documents say.
struct RemoteImage {
    target: Descriptor,
    documents: BTreeMap<Digest, Vec<u8>>,
    contents: Contents,
}

impl Remote {
    /// `docker://` and the reference in full.
    pub fn place(&self) -> String {
        format!("docker://{}", self.reference)
    }

    fn repository(&self) -> &str {
        self.reference.repository()
    }

    fn wrong(&self, version: &str, reason: String) -> OciError {
        OciError::Remote(RegistryError {
            registry: self.registry.name().to_owned(),
            repository: self.repository().to_owned(),
            item: Some(Item::Manifest(version.to_owned())),
            fault: Fault::Answer(reason),
        })
    }

    /// Fetches the documents of what is wanted.
    fn image(&self, platforms: Platforms<'_>) -> Result<RemoteImage, OciError> {
        let version = self.reference.version();
        let top = self.registry.manifest(self.repository(), &version)?;
        let mut documents = BTreeMap::from([(top.digest, top.bytes)]);
        let mut target = Descriptor::new(&top.media_type, top.digest, size(&documents[&top.digest]));
        if target.is_index() {
            let index = parse(&documents[&top.digest]).map_err(|reason| self.wrong(&version, reason))?;
            match platforms.narrow(&self.place(), &index)? {
                None => {}
                Some(Narrowed::Image(image)) => target = image,
                Some(Narrowed::Index(index)) => {
                    let bytes = documents::bytes(&index);
                    target = Descriptor::new(&top.media_type, Digest::of(&bytes), size(&bytes));
                    documents.insert(target.digest(), bytes);
                }
            }
        }
        let wrong = |descriptor: &Descriptor, reason| self.wrong(&descriptor.digest().to_string(), reason);
        let mut total: u64 = 0;
        let mut read = |descriptor: &Descriptor| {
            let version = descriptor.digest().to_string();
            if !documents.contains_key(&descriptor.digest()) {
                let found = self.registry.manifest(self.repository(), &version)?;
                documents.insert(found.digest, found.bytes);
            }
            let bytes = &documents[&descriptor.digest()];
            total += size(bytes);
            if size(bytes) != descriptor.size() || total > MAX_DOCUMENTS {
                return Err(
                    self.wrong(&version, format!("it has {} bytes, not {}", bytes.len(), descriptor.size()))
                );
            }
            parse(bytes).map_err(|reason| self.wrong(&version, reason))
        };
        let contents = Contents::of(&target, &mut read, &wrong)?;
        Ok(RemoteImage { target, documents, contents })
    }

    /// Fetches a blob into a layout. What arrives before it breaks off stays in the cache, for another attempt to go on
    /// with.
    fn fetch(
        &self,
        layout: &Layout,
        digest: &Digest,
        size: u64,
        progress: &dyn Progress,
    ) -> Result<(), OciError> {
        let fetch = |file: &File, path: &Path| {
            self.registry.fetch_blob(self.repository(), (digest, size), file, path, progress)
        };
        let opened = self.places.partial(digest).and_then(|partial| {
            let file = File::options().read(true).write(true).open(partial.path()).ok()?;
            Some((partial, file))
        });
        if let Some((partial, file)) = opened {
            fetch(&file, partial.path())?;
            layout.take(partial.path(), digest)?;
            partial.remove();
        } else {
            let file = layout.temporary()?;
            fetch(file.as_file(), &layout.blob_path(digest))?;
            layout.adopt(file, digest)?;
        }
        self.places.remember(digest, self.repository());
        Ok(())
    }
}

/// Takes an image, or those of an index that are wanted, into a layout. Blobs that are there are not fetched. The layout
/// gives it no name: see [`Layout::name`].
pub fn pull(
    from: &Remote,
    platforms: Platforms<'_>,
    layout: &Layout,
    progress: &dyn Progress,
) -> Result<Pulled, OciError> {
    fetch(from, platforms, layout, progress).map(|(pulled, _)| pulled)
}

/// As [`pull`], of an image that others stand on: the index is kept too, as it is, by whose digest it is named.
pub fn pull_base(
    from: &Remote,
    archs: &[Arch],
    layout: &Layout,
    progress: &dyn Progress,
) -> Result<Pulled, OciError> {
    let (pulled, documents) = fetch(from, Platforms::Exactly(archs), layout, progress)?;
    if let Some((digest, bytes)) = from.reference.digest().and_then(|digest| documents.get_key_value(&digest))
    {
        let mut file = layout.temporary()?;
        file.write_all(bytes).map_err(OciError::io("write", file.path()))?;
        layout.adopt(file, digest)?;
    }
    Ok(pulled)
}

/// What is fetched for [`pull`], and all documents that were looked into.
fn fetch(
    from: &Remote,
    platforms: Platforms<'_>,
    layout: &Layout,
    progress: &dyn Progress,
) -> Result<(Pulled, BTreeMap<Digest, Vec<u8>>), OciError> {
    progress.stage(&format!("pulling {}", from.reference));
    let image = from.image(platforms)?;
    let (mut fetched, mut present, mut missing) = (Tally::default(), Tally::default(), Vec::new());
    let blobs = image.contents.blobs.into_iter().collect();
    // One that is there and damaged is fetched again.
    let mut blobs = side_by_side(blobs, |(digest, size)| Ok((digest, size, layout.holds(&digest, size))))?;
    blobs.sort();
    for (digest, size, is_there) in blobs {
        if is_there {
            present.add(size);
        } else {
            fetched.add(size);
            missing.push((digest, size));
        }
    }
    progress.expect(fetched.bytes);
    side_by_side(missing, |(digest, size)| from.fetch(layout, &digest, size, progress))?;
    for document in &image.contents.documents {
        let mut file = layout.temporary()?;
        let bytes = &image.documents[&document.digest()];
        file.write_all(bytes).map_err(OciError::io("write", file.path()))?;
        layout.adopt(file, &document.digest())?;
    }
    if !image.target.is_index() {
        let manifest = layout.read_document(&image.target.digest())?;
        if let Ok(config) = Descriptor::read(&manifest["config"])
            && matches!(platforms, Platforms::Exactly(_))
        {
            platforms.admit(&from.place(), &layout.read_document(&config.digest())?)?;
        }
    }
    Ok((Pulled { target: image.target, fetched, present }, image.documents))
}

/// Puts an image or an index of a layout into a registry.
pub fn push(
    layout: &Layout,
    target: &Descriptor,
    to: &Remote,
    progress: &dyn Progress,
) -> Result<Pushed, OciError> {
    let contents = Contents::in_layout(layout, target)?;
    let source = Source { layout, from: None, documents: BTreeMap::new() };
    source.push(target, &contents, to, progress)
}

/// Puts an image of one registry into another, or into another repository. What the other has is not fetched; the rest
/// goes through a layout, which keeps it.
pub fn relay(
    from: &Remote,
    platforms: Platforms<'_>,
    to: &Remote,
    layout: &Layout,
    progress: &dyn Progress,
) -> Result<Pushed, OciError> {
    let RemoteImage { target, documents, contents } = from.image(platforms)?;
    Source { layout, from: Some(from), documents }.push(&target, &contents, to, progress)
}

/// Where what is pushed comes from.
struct Source<'a> {
    layout: &'a Layout,
    /// Where the layout's blobs come from when they are asked for.
    from: Option<&'a Remote>,
    /// Documents that are not in the layout.
    documents: BTreeMap<Digest, Vec<u8>>,
}

/// How a blob came to be where it was to be.
enum Placed {
    Present,
    Mounted,
    Sent(u64),
}

impl Source<'_> {
    fn push(
        &self,
        target: &Descriptor,
        contents: &Contents,
        to: &Remote,
        progress: &dyn Progress,
    ) -> Result<Pushed, OciError> {
        if let Some(expected) = to.reference.digest().filter(|digest| *digest != target.digest()) {
            return Err(OciError::OtherDigest { place: to.place(), expected, found: target.digest() });
        }
        progress.stage(&format!("pushing {}", to.reference));
        let mut pushed = Pushed {
            digest: target.digest(),
            sent: Tally::default(),
            mounted: Tally::default(),
            present: Tally::default(),
            uploaded: 0,
        };
        let version = to.reference.version();
        let is_there = to.registry.manifest_digest(to.repository(), &version)? == Some(target.digest());
        let mut blobs: Vec<(Digest, u64)> =
            contents.blobs.iter().map(|(digest, size)| (*digest, *size)).collect();
        // The largest first: the small ones fill the end.
        blobs.sort_by_key(|(digest, size)| (std::cmp::Reverse(*size), *digest));
        progress.expect(blobs.iter().map(|(_, size)| size).sum());
        let place = |(digest, size): (Digest, u64)| {
            let placed = if is_there { Placed::Present } else { self.place(&digest, size, to, progress)? };
            to.places.remember(&digest, to.repository());
            Ok((size, placed))
        };
        for (size, placed) in side_by_side(blobs, place)? {
            match placed {
                Placed::Present => pushed.present.add(size),
                Placed::Mounted => pushed.mounted.add(size),
                Placed::Sent(bytes) => {
                    pushed.sent.add(size);
                    pushed.uploaded += bytes;
                }
            }
        }
        if !is_there {
            for document in &contents.documents {
                let is_top = document.digest() == target.digest();
                let version = if is_top { version.clone() } else { document.digest().to_string() };
                let bytes = self.document(&document.digest())?;
                let media_type = document.media_type().to_owned();
                let manifest = Manifest { media_type, digest: document.digest(), bytes };
                to.registry.put_manifest(to.repository(), &version, &manifest)?;
            }
        }
        Ok(pushed)
    }

    fn document(&self, digest: &Digest) -> Result<Vec<u8>, OciError> {
        match self.documents.get(digest) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.layout.read_blob(digest),
        }
    }

    /// Sees to it that a repository has a blob.
    fn place(
        &self,
        digest: &Digest,
        size: u64,
        to: &Remote,
        progress: &dyn Progress,
    ) -> Result<Placed, OciError> {
        let repository = to.repository();
        if to.registry.has_blob(repository, digest)? {
            progress.advance(size);
            return Ok(Placed::Present);
        }
        let mut upload: Option<Upload> = None;
        for other in self.others(digest, to) {
            match to.registry.mount_blob(repository, digest, &other)? {
                Mounted::Yes => {
                    give_up(upload.as_ref(), to);
                    progress.advance(size);
                    return Ok(Placed::Mounted);
                }
                Mounted::No(opened) => {
                    let old = if opened.is_some() { std::mem::replace(&mut upload, opened) } else { None };
                    give_up(old.as_ref(), to);
                }
            }
        }
        let path = self.blob(digest, size)?;
        let sent = to.registry.send_blob(repository, (digest, size), &path, upload, progress);
        sent.map(Placed::Sent).map_err(|error| match self.layout.verify_blob(digest) {
            // The registry has found what is wrong here.
            Err(corrupt @ OciError::CorruptBlob { .. }) if is_refusal(&error) => corrupt,
            _ => error.into(),
        })
    }

    /// Other repositories of the registry that may have a blob.
    fn others(&self, digest: &Digest, to: &Remote) -> Vec<String> {
        let from = self.from.filter(|from| from.registry.name() == to.registry.name());
        let mut others: Vec<String> = from.map(|from| from.repository().to_owned()).into_iter().collect();
        others.extend(to.places.of(digest));
        others.retain(|other| other != to.repository());
        others.dedup();
        others.truncate(MOUNTS);
        others
    }

    /// A blob's file.
    fn blob(&self, digest: &Digest, size: u64) -> Result<PathBuf, OciError> {
        if self.layout.blob_size(digest) != Some(size) {
            let Some(from) = self.from else { return Err(self.layout.missing(digest, size)) };
            from.fetch(self.layout, digest, size, &crate::progress::Silent)?;
        }
        Ok(self.layout.blob_path(digest))
    }
}

fn give_up(upload: Option<&Upload>, to: &Remote) {
    if let Some(upload) = upload {
        to.registry.cancel(to.repository(), upload);
    }
}

fn is_refusal(error: &RegistryError) -> bool {
    matches!(&error.fault, Fault::Status { status, .. } if status.is_client_error())
}

fn size(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

fn parse(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("it is no JSON: {error}"))
}

/// Does the same to each, a few at a time. After the first failure nothing more is begun.
fn side_by_side<T: Send, R: Send>(
    items: Vec<T>,
    work: impl Fn(T) -> Result<R, OciError> + Sync,
) -> Result<Vec<R>, OciError> {
    let threads = AT_A_TIME.min(items.len());
    let queue = Mutex::new(VecDeque::from(items));
    let results = Mutex::new((Vec::new(), None));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(item) = next else { break };
                    let result = work(item);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    match result {
                        Ok(result) => results.0.push(result),
                        Err(error) => {
                            queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
                            results.1.get_or_insert(error);
                        }
                    }
                }
            });
        }
    });
    match results.into_inner().unwrap_or_else(PoisonError::into_inner) {
        (results, None) => Ok(results),
        (_, Some(error)) => Err(error),
    }
}
