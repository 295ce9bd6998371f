//! Reads packages, or their stored manifests, into manifests: in parallel, all at once or as they come.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use super::outline::outline;
use super::package::{self, PackageError};
use super::scratch::{Keeping, Scratch};
use super::{CatalogError, CataloguedFile, Manifest, ManifestKind, ManifestStore, MergedUsr, PackageFiles};
use crate::cache::{ContentId, Stamp, Verdict};
use crate::elf;
use crate::loader::Search;
use crate::root_path::RootPath;
use crate::tarball::EntryKind;

/// How much of a first line is kept, in bytes.
const SHEBANG: usize = 256;
/// Files above this size are looked at one at a time altogether, in bytes.
const LARGE: u64 = 64 << 20;
/// ELF files above this size are not read, in bytes.
const TOO_LARGE: u64 = 1 << 30;

/// A package that was fetched and whose digest was checked.
#[derive(Clone, Debug)]
pub struct PackageArchive {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What says which bytes the archive has.
    pub content: ContentId,
    /// The archive on disk.
    pub path: PathBuf,
    /// What it was like when its bytes were compared with what names them; none where they are to be.
    pub compared: Option<Stamp>,
}

impl PackageArchive {
    /// The stamp of the archive, if its bytes are those that it is named by.
    pub(super) fn stamp_of_named(&self) -> Option<Stamp> {
        if let Some(compared) = self.compared.filter(|stamp| stamp.is_at(&self.path)) {
            return Some(compared);
        }
        let stamp = Stamp::at(&self.path).ok()?;
        let verdict = self.content.judge(&self.path);
        verdict.is_ok_and(|verdict| matches!(verdict, Verdict::Sound)).then_some(stamp)
    }
}

/// How far a package is to be looked into.
#[derive(Clone, Copy, Debug)]
pub enum Depth<'s> {
    /// To its last file.
    Whole,
    /// As far as its control files tell, where that is enough for a package with libraries for this loader; else wholly.
    Outline(&'s Search),
}

/// Lists the files of packages, in the order of `archives`, reading those that `store` does not know.
///
/// Memory does not grow with the packages' size: one ELF file a thread is held at a time, and large ones
/// one at a time altogether. A damaged ELF file is told as such and does not fail the package.
pub fn catalogue(
    archives: &[PackageArchive],
    merged_usr: &MergedUsr,
    store: &dyn ManifestStore,
) -> Result<Vec<PackageFiles>, CatalogError> {
    let (scratch, large) = (Scratch::default(), Mutex::new(()));
    let listed: Vec<Result<PackageFiles, CatalogError>> =
        archives.par_iter().map(|archive| list(archive, merged_usr, store, &scratch, &large)).collect();
    // The first error by position, not by time.
    listed.into_iter().collect()
}

/// As [`catalogue`], each package as soon as `arrivals` yields it; what is read goes into `scratch`. What a package has is
/// handed to `listed`, from several threads, before another is asked for in its place, with what came with the package;
/// that is dropped where it comes to no end.
pub fn catalogue_arriving<'s, T: Send>(
    mut arrivals: impl Iterator<Item = (T, PackageArchive, Depth<'s>)>,
    merged_usr: &MergedUsr,
    store: &dyn ManifestStore,
    scratch: &Scratch,
    listed: &(dyn Fn(T, Result<PackageFiles, CatalogError>) + Sync),
) {
    let large = Mutex::new(());
    let threads = rayon::current_num_threads();
    let (free, turns) = sync_channel(threads);
    (0..threads).for_each(|_| _ = free.send(()));
    // Rayon's threads list, and so do not wait for a network. What has come is left to wait here until one is free:
    // which is the next is decided then.
    rayon::in_place_scope(|scope| {
        while turns.recv().is_ok() {
            let Some((with, archive, depth)) = arrivals.next() else { break };
            let (turn, large) = (Turn(free.clone()), &large);
            scope.spawn(move |_| {
                let _turn = turn;
                let outline = match depth {
                    Depth::Outline(search) => outline(&archive, merged_usr, search, store),
                    Depth::Whole => Ok(None),
                };
                let whole = || list(&archive, merged_usr, store, scratch, large);
                listed(with, outline.and_then(|outline| outline.map_or_else(whole, Ok)));
            });
        }
    });
}

/// Given back when it is dropped.
struct Turn(SyncSender<()>);

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = self.0.try_send(());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panics takes the program down with it; what it left is never used.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn list(
    archive: &PackageArchive,
    merged_usr: &MergedUsr,
    store: &dyn ManifestStore,
    scratch: &Scratch,
    large: &Mutex<()>,
) -> Result<PackageFiles, CatalogError> {
    let mut manifest = manifest(archive, store, scratch, large)?;
    judge(archive, &manifest)?;
    merged_usr.apply(&mut manifest);
    Ok(PackageFiles {
        name: archive.name.clone(),
        version: archive.version.clone(),
        content: archive.content,
        archive: archive.path.clone(),
        manifest: Arc::new(manifest),
        cache: store.cache(),
        kept: scratch.of(&archive.content),
        source: None,
        is_outline: false,
    })
}

/// Whether a package is the one that was asked for, and whether a layer can hold its files as it has them.
pub(super) fn judge(archive: &PackageArchive, manifest: &Manifest) -> Result<(), CatalogError> {
    let (package, version) = (archive.name.clone(), archive.version.clone());
    if let Some(found) = manifest.control.identity(&archive.content)
        && found != (package.clone(), version.clone())
    {
        let found = format!("{} {}", found.0, found.1);
        return Err(CatalogError::Identity { package, version, found });
    }
    for file in &manifest.files {
        let path = &file.entry.path;
        // Names that in a layer mean that something of the layers below is gone (OCI image-spec, "Whiteouts").
        if path.components().any(|name| name.starts_with(".wh.")) {
            return Err(CatalogError::Whiteout { package, version, path: path.clone() });
        }
        if let EntryKind::HardLink { target } = &file.entry.kind
            && manifest.content_index(file).is_none()
        {
            let (path, target) = (path.clone(), target.clone());
            return Err(CatalogError::HardLink { package, version, path, target });
        }
    }
    Ok(())
}

/// The manifest with the paths that the package itself uses: stored, or read and stored. An archive that is not the one
/// that was fetched goes from the cache.
fn manifest(
    archive: &PackageArchive,
    store: &dyn ManifestStore,
    scratch: &Scratch,
    large: &Mutex<()>,
) -> Result<Manifest, CatalogError> {
    let stored = store
        .load(ManifestKind::Whole, &archive.content.key())
        .and_then(|bytes| postcard::from_bytes(&bytes).ok());
    if let Some(manifest) = stored {
        return Ok(manifest);
    }
    let (package, version) = (archive.name.clone(), archive.version.clone());
    // What is kept must be what was fetched, also where somebody changes the archive as it is read.
    let before = archive.stamp_of_named();
    if before.is_none()
        && archive.path.is_file()
        && let Some(cache) = store.cache()
    {
        // It may pass for sound as long as it lies there.
        let _ = cache.remove(archive.content);
        return Err(CatalogError::Changed { package, version, gone: false });
    }
    let mut keeping = scratch.begin().filter(|_| before.is_some());
    let failed = |source| CatalogError::Package { package, version, source: Box::new(source) };
    let manifest = scan(archive, &mut keeping, large).map_err(failed)?;
    if before.is_none_or(|before| before.is_at(&archive.path)) {
        if let Some(keeping) = keeping {
            keeping.end(archive.content);
        }
        if let Ok(bytes) = postcard::to_stdvec(&manifest) {
            store.store(ManifestKind::Whole, &archive.content.key(), &bytes);
        }
    }
    Ok(manifest)
}

fn scan(
    archive: &PackageArchive,
    keeping: &mut Option<Keeping<'_>>,
    large: &Mutex<()>,
) -> Result<Manifest, PackageError> {
    let mut files: Vec<CataloguedFile> = Vec::new();
    let mut by_path = BTreeMap::new();
    let mut symlinks: BTreeMap<RootPath, String> = BTreeMap::new();
    let mut buffer = Vec::new();
    let mut index = 0;
    let control = package::read::<PackageError>(&archive.content, &archive.path, |entry, marks, content| {
        let mut file = CataloguedFile { entry, index, elf: None, shebang: None, damaged_elf: None, marks };
        index += 1;
        // Another name of a symbolic link is one more link of the same text (link(2)).
        if let EntryKind::HardLink { target } = &file.entry.kind
            && let Some(target) = symlinks.get(target).cloned()
        {
            file.entry.kind = EntryKind::Symlink { target };
        }
        match &file.entry.kind {
            EntryKind::File { size } => {
                let turn = (*size > LARGE).then(|| lock(large));
                let looked = look(*size, content, &mut buffer).and_then(|looked| {
                    if let Some(keeping) = keeping {
                        keeping.keep(file.index, *size, &buffer, content)?;
                    }
                    Ok(looked)
                });
                if turn.is_some() {
                    buffer = Vec::new();
                }
                // What fails here fails in the tarball too, which tells it better.
                let io = |source| PackageError::io(&archive.content, &archive.path, source);
                looked.map_err(io)?.describe(&mut file);
                by_path.insert(file.entry.path.clone(), files.len());
            }
            EntryKind::HardLink { target } => {
                if let Some(at) = by_path.get(target).copied() {
                    let original: &CataloguedFile = &files[at];
                    file.elf.clone_from(&original.elf);
                    file.shebang.clone_from(&original.shebang);
                    file.damaged_elf.clone_from(&original.damaged_elf);
                    by_path.insert(file.entry.path.clone(), at);
                }
            }
            EntryKind::Symlink { target } => {
                symlinks.insert(file.entry.path.clone(), target.clone());
            }
            _ => {}
        }
        files.push(file);
        Ok(())
    })?;
    Ok(Manifest { files, control })
}

/// What a file's bytes say of it.
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub(super) enum Looked {
    Elf(Result<elf::ElfFacts, String>),
    Script(String),
    Other,
}

impl Looked {
    pub(super) fn describe(self, file: &mut CataloguedFile) {
        match self {
            Looked::Elf(Ok(facts)) => file.elf = Some(Arc::new(facts)),
            Looked::Elf(Err(reason)) => file.damaged_elf = Some(reason),
            Looked::Script(line) => file.shebang = Some(line),
            Looked::Other => {}
        }
    }
}

pub(super) fn look(size: u64, content: &mut dyn Read, buffer: &mut Vec<u8>) -> io::Result<Looked> {
    buffer.clear();
    content.take(SHEBANG as u64 + 2).read_to_end(buffer)?;
    if let Some(line) = buffer.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        return Ok(Looked::Script(String::from_utf8_lossy(line).trim().to_owned()));
    }
    if !elf::is_elf(buffer) {
        return Ok(Looked::Other);
    }
    if size > TOO_LARGE {
        return Ok(Looked::Elf(Err(format!("it is larger than {TOO_LARGE} bytes"))));
    }
    // Known to be no more than that, and no more is held.
    buffer.reserve_exact(usize::try_from(size).unwrap_or_default().saturating_sub(buffer.len()));
    content.read_to_end(buffer)?;
    Ok(Looked::Elf(elf::facts(buffer).map_err(|error| error.to_string())))
}
