//! The files that scripts see: those of every package of the image, as if all were unpacked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::triggers::{activates, directories_of};
use crate::apk::pkginfo::PackageInfo;
use crate::cache::ContentId;
use crate::catalog::{FileCatalog, PackageFiles, small_contents};
use crate::deb::control::paragraphs;
use crate::loader::{self, FileTree};
use crate::root_path::RootPath;
use crate::shell::Node;
use crate::tarball::EntryKind;

/// The largest file that a script may read, in bytes.
const LARGEST: u64 = 1 << 20;

/// An image's files before any script ran.
pub trait ImageFiles: Sync {
    /// What is at a path, read literally: no component is followed as a link.
    fn node(&self, path: &RootPath) -> Option<Node>;
    /// Permission bits and numeric owner of what a package has at a path.
    fn metadata(&self, path: &RootPath) -> Option<(u32, [u32; 2])>;
    /// The names in a directory, sorted.
    fn list(&self, directory: &RootPath) -> Vec<String>;
    /// The content of a regular file; none if it is too large or cannot be had.
    fn read(&self, path: &RootPath) -> Option<Vec<u8>>;
    /// What names the content that [`ImageFiles::read`] gives: a package's archive, and a position in it.
    fn content_of(&self, path: &RootPath) -> Option<(ContentId, u32)>;
    /// The version of a package of the image.
    fn version(&self, package: &str) -> Option<String>;
    /// The paths of a package of the image.
    fn paths_of(&self, package: &str) -> Vec<RootPath>;
    /// The directories in which packages have something and that a glob names, sorted.
    fn directories_like(&self, globs: &[String]) -> Vec<String>;
    /// Whether any package but one activates a trigger by its name.
    fn others_activate(&self, package: &str, trigger: &str) -> bool;
    /// Whether any package but one has anything but directories at or below a path.
    fn others_have_below(&self, package: &str, path: &RootPath) -> bool;
    /// A file of a package's control part; that of its fields is `control`.
    fn control(&self, package: &str, member: &str) -> Option<Vec<u8>>;
    /// The distro's name of the architecture: `amd64`, `x86_64`.
    fn architecture(&self) -> &str;
    /// The multiarch triplet; empty where the distro has none.
    fn triplet(&self) -> &str;
}

/// A catalogue as the files of an image. Contents are read from the packages when a script asks for them.
pub struct CatalogFiles<'a> {
    catalog: &'a FileCatalog,
    architecture: &'a str,
    triplet: &'a str,
    contents: Mutex<BTreeMap<RootPath, Option<Vec<u8>>>>,
}

impl<'a> CatalogFiles<'a> {
    /// Of a distro's port with this name of the architecture and this triplet.
    pub fn new(catalog: &'a FileCatalog, architecture: &'a str, triplet: &'a str) -> Self {
        CatalogFiles { catalog, architecture, triplet, contents: Mutex::default() }
    }

    /// The package, and the position in it, of a file's content; none where it may not be read.
    fn place(&self, path: &RootPath) -> Option<(&PackageFiles, u32)> {
        let (package, file) = self.catalog.get(*self.catalog.at(path).first()?);
        let index = package.manifest.content_index(file)?;
        let real = package.manifest.files.iter().find(|file| file.index == index)?;
        matches!(real.entry.kind, EntryKind::File { size } if size <= LARGEST).then_some((package, index))
    }

    fn content(&self, path: &RootPath) -> Option<Vec<u8>> {
        let (package, index) = self.place(path)?;
        small_contents(package, &BTreeSet::from([index])).ok()?.remove(&index)
    }
}

impl ImageFiles for CatalogFiles<'_> {
    fn node(&self, path: &RootPath) -> Option<Node> {
        Some(match self.catalog.node(path)? {
            loader::Node::Directory => Node::Directory,
            loader::Node::Symlink(target) => Node::Symlink(target.to_owned()),
            loader::Node::File(_) => {
                let (package, file) = self.catalog.get(*self.catalog.at(path).first()?);
                let real = package.manifest.content_index(file);
                let real =
                    real.and_then(|index| package.manifest.files.iter().find(|one| one.index == index));
                let size = real.and_then(|file| match file.entry.kind {
                    EntryKind::File { size } => Some(size),
                    _ => None,
                });
                Node::File { mode: file.entry.metadata.mode, size }
            }
            loader::Node::Other => Node::Other,
        })
    }

    fn metadata(&self, path: &RootPath) -> Option<(u32, [u32; 2])> {
        let (_, first) = self.catalog.get(*self.catalog.at(path).first()?);
        let is_directory = first.entry.kind == EntryKind::Directory;
        let directory = self.catalog.directory(path, |_| true).filter(|_| is_directory);
        let metadata = &directory.map_or(&first.entry, |(_, entry)| entry).metadata;
        Some((metadata.mode, [metadata.uid, metadata.gid]))
    }

    fn list(&self, directory: &RootPath) -> Vec<String> {
        let prefix = if directory.is_root() { 0 } else { directory.as_str().len() };
        let mut names: Vec<String> = Vec::new();
        for (path, _) in self.catalog.within(directory) {
            let name = path.as_str().get(prefix + 1..).and_then(|rest| rest.split('/').next());
            if let Some(name) =
                name.filter(|name| !name.is_empty() && names.last().is_none_or(|last| last != name))
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        names.dedup();
        names
    }

    fn read(&self, path: &RootPath) -> Option<Vec<u8>> {
        if let Some(known) = self.contents.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
            return known.clone();
        }
        let content = self.content(path);
        self.contents.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), content.clone());
        content
    }

    fn content_of(&self, path: &RootPath) -> Option<(ContentId, u32)> {
        self.place(path).map(|(package, index)| (package.content, index))
    }

    fn version(&self, package: &str) -> Option<String> {
        self.catalog.package(package).map(|package| package.version.clone())
    }

    fn paths_of(&self, package: &str) -> Vec<RootPath> {
        self.catalog.files_of(package).map(|file| self.catalog.get(file).1.entry.path.clone()).collect()
    }

    fn directories_like(&self, globs: &[String]) -> Vec<String> {
        let packages = self.catalog.packages();
        let files = packages.flat_map(|package| self.catalog.files_of(&package.name));
        directories_of(files.map(|file| self.catalog.get(file).1.entry.path.clone()), globs)
    }

    fn others_activate(&self, package: &str, trigger: &str) -> bool {
        self.catalog.packages().any(|other| other.name != package && activates(other, trigger))
    }

    fn others_have_below(&self, package: &str, path: &RootPath) -> bool {
        self.catalog.within(path).any(|(_, files)| {
            let owners = files.iter().map(|file| self.catalog.get(*file));
            owners
                .into_iter()
                .any(|(owner, file)| owner.name != package && file.entry.kind != EntryKind::Directory)
        })
    }

    fn control(&self, package: &str, member: &str) -> Option<Vec<u8>> {
        let control = &self.catalog.package(package)?.manifest.control;
        if member == "control" {
            return Some(control.text.clone().into_bytes());
        }
        control.members.get(member).cloned()
    }

    fn architecture(&self) -> &str {
        self.architecture
    }

    fn triplet(&self) -> &str {
        self.triplet
    }
}

/// The package's own name of its architecture.
pub(super) fn architecture_of(package: &PackageFiles) -> String {
    let text = &package.manifest.control.text;
    match package.content {
        ContentId::Sha256(_) => {
            let field = paragraphs(text).next().and_then(|control| control.field("Architecture"));
            field.unwrap_or_default().to_owned()
        }
        ContentId::Apk(_) => PackageInfo::parse(text).map(|info| info.arch).unwrap_or_default(),
    }
}
