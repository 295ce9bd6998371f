//! Packages -> every path in them, its owner, its metadata, and what the loader must know of it.
//!
//! A package is read once: its list of files with their ELF facts is kept, by what names the package's bytes, in a
//! [`ManifestStore`]; content is read again, file by file, when a layer wants it ([`read_contents`]): from a [`Scratch`]
//! file where the package was listed by the same run, else from the package. Small files whose content something else
//! depends on are kept for later runs too ([`small_contents`]).
//!
//! Paths are canonical: on a merged `/usr`, `/lib/x` and `/usr/lib/x` are one file, and packages use both
//! spellings. Everything behind such a link is listed by the name behind it, and the links themselves are
//! the distro's, not a package's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::apk::archive::Marks;
use crate::cache::Cache;
use crate::cache::ContentId;
use crate::digest::Digest;
use crate::elf::ElfFacts;
use crate::loader::{FileTree, Node};
use crate::root_path::RootPath;
use crate::tarball::{Entry, EntryKind};

mod contents;
mod error;
mod layer;
mod merged_usr;
mod outline;
mod package;
mod programs;
mod scan;
mod scratch;

pub use contents::{is_at_hand, read_contents, small_contents};
pub use error::CatalogError;
pub use layer::{LayerSource, catalogue_layer, in_image};
pub use merged_usr::MergedUsr;
pub use package::{Control, PackageError};
pub use programs::{OwnElf, OwnElfs, OwnScript, Unfit};
pub use scan::{Depth, PackageArchive, catalogue, catalogue_arriving};
pub use scratch::{Kept, Scratch};

/// One entry of a package's data tarball.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CataloguedFile {
    /// Path, metadata and kind; the path, and a hard link's target, are canonical.
    pub entry: Entry,
    /// Its position in the data tarball, counted from zero.
    pub index: u32,
    /// What the loader must know, if it is a sound ELF file. A hard link has that of its file.
    pub elf: Option<Arc<ElfFacts>>,
    /// What follows `#!` in its first line, without blanks around it; 256 bytes at most.
    pub shebang: Option<String>,
    /// Why it is no ELF file although it begins like one.
    pub damaged_elf: Option<String>,
    /// What an `.apk` says beside the entry.
    pub marks: Marks,
}

/// All that a package holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The entries, in the data tarball's order.
    pub files: Vec<CataloguedFile>,
    /// What the package says of itself.
    pub control: Control,
}

/// A package and its files.
#[derive(Clone, Debug)]
pub struct PackageFiles {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What says which bytes its archive has.
    pub content: ContentId,
    /// The archive on disk.
    pub archive: PathBuf,
    /// What it holds.
    pub manifest: Arc<Manifest>,
    /// The contents of its files, where they are at hand.
    pub kept: Option<Kept>,
    /// The cache that the archive lies in, if any; it keeps the contents of small files too.
    pub cache: Option<Cache>,
    /// Where its content is, if it was made of what an image has; then there is no archive.
    pub source: Option<Arc<dyn LayerSource>>,
    /// Whether this is but what the package says of its files: the regular ones, and links to its libraries. What they
    /// are and hold is not known.
    pub is_outline: bool,
}

/// What is kept of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ManifestKind {
    /// Its [`Manifest`].
    Whole,
    /// What its control files say of it.
    Outline,
}

impl ManifestKind {
    /// The kind of derived entry. Another form needs another name.
    fn name(self) -> &'static str {
        match self {
            ManifestKind::Whole => "manifest-11",
            ManifestKind::Outline => "outline-1",
        }
    }
}

/// Keeps manifests between runs, by the digest of the package.
pub trait ManifestStore: Sync {
    /// The bytes stored for a package, if they are there and sound.
    fn load(&self, kind: ManifestKind, package: &Digest) -> Option<Vec<u8>>;
    /// Stores bytes for a package. Failing to is not an error: they are made again.
    fn store(&self, kind: ManifestKind, package: &Digest, manifest: &[u8]);
    /// The cache that packages lie in and the contents of small files are kept in, if any.
    fn cache(&self) -> Option<Cache> {
        None
    }
}

impl ManifestStore for Cache {
    fn load(&self, kind: ManifestKind, package: &Digest) -> Option<Vec<u8>> {
        self.derived(kind.name(), package)
    }

    fn store(&self, kind: ManifestKind, package: &Digest, manifest: &[u8]) {
        // A manifest that cannot be kept is read again next time.
        let _ = self.put_derived(kind.name(), package, manifest);
    }

    fn cache(&self) -> Option<Cache> {
        Some(self.clone())
    }
}

/// Keeps nothing.
impl ManifestStore for () {
    fn load(&self, _: ManifestKind, _: &Digest) -> Option<Vec<u8>> {
        None
    }

    fn store(&self, _: ManifestKind, _: &Digest, _: &[u8]) {}
}

impl Manifest {
    /// The position of the regular file whose content an entry has: its own, or, for a hard link, that of
    /// the file it names. None for what has no content, and for a hard link to nothing.
    pub fn content_index(&self, file: &CataloguedFile) -> Option<u32> {
        let mut target = match &file.entry.kind {
            EntryKind::File { .. } => return Some(file.index),
            EntryKind::HardLink { target } => target,
            _ => return None,
        };
        // A hard link names what comes before it, so each step leads further up.
        let mut before = self.files.partition_point(|other| other.index < file.index);
        while let Some(at) = self.files[..before].iter().rposition(|other| other.entry.path == *target) {
            match &self.files[at].entry.kind {
                EntryKind::File { .. } => return Some(self.files[at].index),
                EntryKind::HardLink { target: next } => target = next,
                _ => return None,
            }
            before = at;
        }
        None
    }
}

/// One file of one package in a [`FileCatalog`]; stays valid while packages are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileRef {
    package: u32,
    file: u32,
}

/// Every file of a set of packages, by path.
///
/// As a [`FileTree`] it shows all of them at once, as if every package were installed, with the links of
/// the merged `/usr`. Where several packages have a path, the first of its [owners](FileCatalog::at) counts.
#[derive(Clone, Debug)]
pub struct FileCatalog {
    merged_usr: MergedUsr,
    packages: Vec<PackageFiles>,
    names: BTreeMap<String, u32>,
    paths: BTreeMap<RootPath, Vec<FileRef>>,
    /// Whose paths are, whoever else has files there: those have to go elsewhere.
    diverted: BTreeMap<RootPath, String>,
}

impl FileCatalog {
    /// An empty catalogue of a distro with these links.
    pub fn new(merged_usr: MergedUsr) -> Self {
        FileCatalog {
            merged_usr,
            packages: Vec::new(),
            names: BTreeMap::new(),
            paths: BTreeMap::new(),
            diverted: BTreeMap::new(),
        }
    }

    /// Adds a package. A path that others have too is theirs first, until [`FileCatalog::order_owners`].
    pub fn insert(&mut self, package: PackageFiles) -> Result<(), CatalogError> {
        if let Some(first) = self.package(&package.name) {
            let first = first.version.clone();
            return Err(CatalogError::Twice { package: package.name, first, second: package.version });
        }
        // More packages or files than four thousand million do not fit into memory.
        let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        let package_number = number(self.packages.len());
        for (index, file) in package.manifest.files.iter().enumerate() {
            let reference = FileRef { package: package_number, file: number(index) };
            let holders = self.paths.entry(file.entry.path.clone()).or_default();
            // An entry replaces an earlier one of the same package.
            let at = holders.partition_point(|other| other.package != package_number);
            holders.insert(at, reference);
        }
        self.names.insert(package.name.clone(), package_number);
        self.packages.push(package);
        Ok(())
    }

    /// Some of the packages, without lists of their files: enough to read what is known to be in them.
    #[must_use]
    pub fn archives<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> FileCatalog {
        let mut archives = FileCatalog::new(self.merged_usr.clone());
        let names: BTreeSet<&str> = names.into_iter().collect();
        for package in names.into_iter().filter_map(|name| self.package(name)) {
            let number = u32::try_from(archives.packages.len()).unwrap_or(u32::MAX);
            archives.names.insert(package.name.clone(), number);
            archives.packages.push(PackageFiles { manifest: Arc::default(), ..package.clone() });
        }
        archives
    }

    /// Puts a package in the place of the one of its name, which was made of what an image has of it, or adds it.
    pub fn put(&mut self, package: PackageFiles) -> Result<(), CatalogError> {
        let there = self.names.get(&package.name).copied();
        let Some(number) = there.filter(|number| self.packages[*number as usize].source.is_some()) else {
            return self.insert(package);
        };
        for references in self.paths.values_mut() {
            references.retain(|reference| reference.package != number);
        }
        self.paths.retain(|_, references| !references.is_empty());
        self.names.remove(&package.name);
        self.insert(package)
    }

    /// These packages, and others that come after them. References to files hold in both.
    pub fn with(&self, others: impl IntoIterator<Item = PackageFiles>) -> Result<FileCatalog, CatalogError> {
        let mut all = self.clone();
        others.into_iter().try_for_each(|other| all.insert(other))?;
        all.order_owners();
        Ok(all)
    }

    /// How many packages were ever put in: another number means that something is new.
    pub fn inserted(&self) -> usize {
        self.packages.len()
    }

    /// The names of the packages in the order in which they were put in, to which references hold. One in whose place
    /// another was put stands there still.
    pub fn names_as_inserted(&self) -> impl Iterator<Item = &str> {
        self.packages.iter().map(|package| package.name.as_str())
    }

    /// Whether a reference is to a file of this catalogue.
    pub fn has(&self, reference: FileRef) -> bool {
        let package = self.packages.get(reference.package as usize);
        package.is_some_and(|package| package.manifest.files.len() > reference.file as usize)
    }

    /// Whether a file is an image's, on which the others stand.
    pub fn is_given(&self, reference: FileRef) -> bool {
        self.packages[reference.package as usize].source.is_some()
    }

    /// Says which paths packages' scripts claim for their own package (dpkg-divert(1)), by path, and settles anew who owns
    /// what; whether anything changed. As with dpkg, links of the distro do not count, and of two the first does.
    pub fn divert<'d>(&mut self, diversions: impl Iterator<Item = (&'d RootPath, &'d str)>) -> bool {
        let mut diverted = BTreeMap::new();
        for (path, package) in diversions {
            let is_others = |file: &FileRef| self.packages[file.package as usize].name != package;
            if self.merged_usr.canonical(path) == *path && self.at(path).iter().any(is_others) {
                diverted.entry(path.clone()).or_insert_with(|| package.to_owned());
            }
        }
        let is_new = diverted != self.diverted;
        if is_new {
            self.diverted = diverted;
            self.order_owners();
        }
        is_new
    }

    /// Whether a package claims a path for itself.
    pub fn diverts(&self, package: &str, path: &RootPath) -> bool {
        self.diverted.get(path).is_some_and(|by| by == package)
    }

    /// Settles who owns what several packages have: who claims it for itself, or else the first by name of those that no
    /// other replaces with more right, or simply the first by name. The others follow by name. Within one package a later
    /// entry replaces an earlier.
    ///
    /// [`PackageFiles::replaces`] speaks of pairs and is not transitive, so nothing is sorted by it.
    pub fn order_owners(&mut self) {
        let package = |reference: &FileRef| &self.packages[reference.package as usize];
        for (path, references) in self.paths.iter_mut().filter(|(_, references)| references.len() > 1) {
            references.sort_by(|a, b| package(a).name.cmp(&package(b).name).then(b.file.cmp(&a.file)));
            let is_directory = |one: &FileRef| {
                package(one).manifest.files[one.file as usize].entry.kind == EntryKind::Directory
            };
            if references.iter().all(is_directory) {
                continue;
            }
            let claims = |one: &FileRef| self.diverted.get(path) == Some(&package(one).name);
            if let Some(owner) = references.iter().position(claims) {
                references[..=owner].rotate_right(1);
                continue;
            }
            let comes_first = |one: &FileRef| {
                let mut others = references.iter().filter(|other| other.package != one.package);
                others.all(|other| {
                    package(one).replaces(package(other)) >= package(other).replaces(package(one))
                })
            };
            if let Some(owner) = references.iter().position(comes_first) {
                references[..=owner].rotate_right(1);
            }
        }
    }

    /// The file that is the same one in another catalogue: of the same package with the same bytes.
    pub fn same(&self, other: &FileCatalog, file: FileRef) -> Option<FileRef> {
        let theirs = other.packages.get(file.package as usize)?;
        let number = *self.names.get(&theirs.name)?;
        let ours = self.packages.get(number as usize)?;
        (ours.content == theirs.content).then_some(FileRef { package: number, file: file.file })
    }

    /// A package by name.
    pub fn package(&self, name: &str) -> Option<&PackageFiles> {
        self.names.get(name).and_then(|number| self.packages.get(*number as usize))
    }

    /// All packages, by name.
    pub fn packages(&self) -> impl Iterator<Item = &PackageFiles> {
        self.names.values().filter_map(|number| self.packages.get(*number as usize))
    }

    /// All files of a package, in its tarball's order; none if it is not catalogued.
    pub fn files_of(&self, name: &str) -> impl Iterator<Item = FileRef> {
        let number = self.names.get(name).copied();
        let count = number.map_or(0, |number| self.packages[number as usize].manifest.files.len());
        (0..u32::try_from(count).unwrap_or(u32::MAX))
            .map(move |file| FileRef { package: number.unwrap_or(0), file })
    }

    /// The files at a path, its owner's first; links are not followed.
    pub fn at(&self, path: &RootPath) -> &[FileRef] {
        self.paths.get(path).map_or(&[], Vec::as_slice)
    }

    /// What a directory is as packages have it that count: as the first of them that has it otherwise than usual, else as
    /// the first.
    pub fn directory(
        &self,
        path: &RootPath,
        counts: impl Fn(&PackageFiles) -> bool,
    ) -> Option<(FileRef, &Entry)> {
        let all = self.at(path).iter().map(|file| (*file, self.get(*file)));
        let all = all.filter(|(_, (package, _))| counts(package)).map(|(file, (_, own))| (file, &own.entry));
        let directories = all.filter(|(_, entry)| entry.kind == EntryKind::Directory);
        directories.min_by_key(|(_, entry)| entry.metadata.mode == 0o755)
    }

    /// Every path in order, with the files there.
    pub fn paths(&self) -> impl Iterator<Item = (&RootPath, &[FileRef])> {
        self.paths.iter().map(|(path, references)| (path, references.as_slice()))
    }

    /// Every path at or below a directory, in order.
    pub fn within<'a>(
        &'a self,
        directory: &'a RootPath,
    ) -> impl Iterator<Item = (&'a RootPath, &'a [FileRef])> {
        let below = self.paths.range(directory.clone()..).take_while(|(path, _)| path.is_within(directory));
        below.map(|(path, references)| (path, references.as_slice()))
    }

    /// The file that a reference of this catalogue stands for, and its package.
    pub fn get(&self, reference: FileRef) -> (&PackageFiles, &CataloguedFile) {
        let package = &self.packages[reference.package as usize];
        (package, &package.manifest.files[reference.file as usize])
    }

    /// The links of the merged `/usr`, by which paths are canonical.
    pub fn merged_usr(&self) -> &MergedUsr {
        &self.merged_usr
    }
}

impl FileTree for FileCatalog {
    fn node(&self, path: &RootPath) -> Option<Node<'_>> {
        if let Some(target) = self.merged_usr.link(path) {
            return Some(Node::Symlink(target));
        }
        let Some(reference) = self.at(path).first() else {
            // Not every package lists the directories that it uses.
            let implied = path.is_root() || self.within(path).next().is_some();
            return implied.then_some(Node::Directory);
        };
        let (_, file) = self.get(*reference);
        Some(match &file.entry.kind {
            EntryKind::Directory => Node::Directory,
            EntryKind::Symlink { target } => Node::Symlink(target),
            EntryKind::File { .. } | EntryKind::HardLink { .. } => Node::File(file.elf.as_deref()),
            EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. } | EntryKind::Fifo => Node::Other,
        })
    }
}

#[cfg(test)]
mod tests;
