//! The image as it stands after some layers: what whole-image files are made from, and what effects of
//! scripts are measured by.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::catalog::{FileCatalog, FileRef};
use crate::elf::{self, ElfFacts};
use crate::loader::{FileTree, Node, resolve};
use crate::root_path::RootPath;
use crate::select::SelectedLayer;
use crate::tarball::{EntryKind, Metadata};

use super::{Content, EPOCH, Made, MadeFile, made_metadata};

/// Where an entry comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A package.
    Package(FileRef),
    /// It was made, or is the recipe's.
    Made(Content),
    /// A directory that nobody lists.
    Implied,
}

/// One path of the image.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) kind: EntryKind,
    pub(super) metadata: Metadata,
    pub(super) origin: Origin,
    pub(super) elf: Option<Arc<ElfFacts>>,
    /// The layer that has it last.
    pub(super) layer: usize,
}

/// Every path of an image, by canonical name.
#[derive(Clone, Debug, Default)]
pub(super) struct ImageTree {
    items: BTreeMap<RootPath, Item>,
    /// The packages of which it has something.
    packages: BTreeSet<String>,
    /// Directories that scripts have changed: what packages say of them counts no more.
    changed: BTreeSet<RootPath>,
    /// The host's files whose content was asked for.
    read: RefCell<BTreeSet<PathBuf>>,
}

impl ImageTree {
    /// Lays the package files of a layer.
    pub(super) fn lay(&mut self, number: usize, selected: &SelectedLayer, catalog: &FileCatalog) {
        for (path, chosen) in &selected.files {
            let (package, file) = catalog.get(chosen.file);
            if !self.packages.contains(&package.name) {
                self.packages.insert(package.name.clone());
            }
            let kind = match &file.entry.kind {
                // Its content is there, whether or not the other name is.
                EntryKind::HardLink { .. } => {
                    let index = package.manifest.content_index(file);
                    let content = package.manifest.files.iter().find(|other| Some(other.index) == index);
                    content.map_or(EntryKind::File { size: 0 }, |content| content.entry.kind.clone())
                }
                kind => kind.clone(),
            };
            let item = Item {
                kind,
                metadata: file.entry.metadata.clone(),
                origin: Origin::Package(chosen.file),
                elf: file.elf.clone(),
                layer: number,
            };
            self.put(path.clone(), item);
        }
        let above: BTreeSet<RootPath> = selected.files.keys().flat_map(RootPath::ancestors).collect();
        let chosen = selected
            .files
            .keys()
            .filter(|path| self.items.get(*path).is_some_and(|item| item.kind == EntryKind::Directory));
        for path in &(&above | &chosen.cloned().collect()) {
            self.settle(path, catalog);
        }
        for (path, link) in &selected.links {
            self.make(number, &MadeFile::symlink(path.clone(), &link.target));
        }
    }

    /// Lays what was made for a layer.
    pub(super) fn lay_made(&mut self, number: usize, made: &Made) {
        for file in made.values() {
            self.make(number, file);
        }
    }

    /// Lays one made entry.
    pub(super) fn make(&mut self, number: usize, file: &MadeFile) {
        let elf = match (&file.entry.kind, &file.content) {
            (EntryKind::File { .. }, Content::Bytes(bytes)) if elf::is_elf(bytes) => elf::facts(bytes).ok(),
            (EntryKind::File { .. }, Content::Host(path)) => std::fs::read(path)
                .ok()
                .filter(|bytes| elf::is_elf(bytes))
                .and_then(|bytes| elf::facts(&bytes).ok()),
            _ => None,
        };
        let item = Item {
            kind: file.entry.kind.clone(),
            metadata: file.entry.metadata.clone(),
            origin: Origin::Made(file.content.clone()),
            elf: elf.map(Arc::new),
            layer: number,
        };
        self.put(file.entry.path.clone(), item);
    }

    fn put(&mut self, path: RootPath, item: Item) {
        for above in path.ancestors() {
            let layer = item.layer;
            self.items.entry(above).or_insert_with(|| Item {
                kind: EntryKind::Directory,
                metadata: made_metadata(0o755),
                origin: Origin::Implied,
                elf: None,
                layer,
            });
        }
        let keeps = self.items.get(&path).is_some_and(|there| {
            there.kind == EntryKind::Directory
                && item.kind == EntryKind::Directory
                && there.origin != Origin::Implied
                && matches!(item.origin, Origin::Package(_))
        });
        if !keeps {
            self.items.insert(path, item);
        }
    }

    /// What is at a path; links are not followed.
    pub(super) fn get(&self, path: &RootPath) -> Option<&Item> {
        self.items.get(path)
    }

    /// What is at a path, to be changed. A directory that is there for what lies in it is as the packages have it.
    pub(super) fn changeable(&mut self, path: &RootPath, catalog: &FileCatalog) -> Option<&mut Item> {
        self.settle(path, catalog);
        let item = self.items.get_mut(path)?;
        if item.kind == EntryKind::Directory {
            self.changed.insert(path.clone());
        }
        Some(item)
    }

    /// Makes a directory what the packages have there, unless it is something else than usual already or was changed.
    fn settle(&mut self, path: &RootPath, catalog: &FileCatalog) {
        if self.changed.contains(path) {
            return;
        }
        let Some(item) = self.items.get_mut(path).filter(|item| item.kind == EntryKind::Directory) else {
            return;
        };
        let Metadata { mode, uid, gid, .. } = item.metadata;
        let is_usual = (mode, uid, gid) == (0o755, 0, 0) && !matches!(item.origin, Origin::Made(_));
        let packaged = catalog.directory(path, |package| self.packages.contains(&package.name));
        if let Some((file, entry)) = packaged.filter(|_| is_usual) {
            item.metadata = Metadata { mtime: EPOCH, ..entry.metadata.clone() };
            item.origin = Origin::Package(file);
        }
    }

    pub(super) fn get_mut(&mut self, path: &RootPath) -> Option<&mut Item> {
        self.items.get_mut(path)
    }

    /// Takes a path and all below it out.
    pub(super) fn remove(&mut self, path: &RootPath) -> Vec<(RootPath, Item)> {
        let paths: Vec<RootPath> = self.within(path).map(|(path, _)| path.clone()).collect();
        paths.into_iter().filter_map(|path| Some((path.clone(), self.items.remove(&path)?))).collect()
    }

    /// Puts an entry where nothing else is to stay.
    pub(super) fn insert(&mut self, path: RootPath, item: Item) {
        self.items.remove(&path);
        self.put(path, item);
    }

    /// Every path at or below one, in order.
    pub(super) fn within<'a>(&'a self, path: &'a RootPath) -> impl Iterator<Item = (&'a RootPath, &'a Item)> {
        self.items.range(path.clone()..).take_while(|(below, _)| below.is_within(path))
    }

    /// The entries of a directory, by name.
    pub(super) fn entries<'a>(&'a self, dir: &'a RootPath) -> impl Iterator<Item = (&'a RootPath, &'a Item)> {
        let depth = dir.components().count() + 1;
        self.within(dir).filter(move |(path, _)| path.components().count() == depth)
    }

    /// Where a path leads through links; none if it leads nowhere.
    pub(super) fn resolve(&self, path: &RootPath) -> Option<RootPath> {
        resolve(self, path)
    }

    /// Where something of this name would be made: the directory above behind its links, as far as it exists.
    pub(super) fn place(&self, path: &RootPath) -> RootPath {
        let Some(parent) = path.parent() else { return path.clone() };
        let above = self.resolve(&parent).unwrap_or_else(|| self.place(&parent));
        above.join(path.file_name()).unwrap_or_else(|_| path.clone())
    }

    /// Whether a path leads to something.
    pub(super) fn leads(&self, path: &RootPath) -> bool {
        self.resolve(path).is_some()
    }

    /// The regular files at the end of names in a directory that pass a test of the name.
    pub(super) fn files_named<'a>(
        &'a self,
        dir: &'a RootPath,
        wanted: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = &'a RootPath> {
        let files = self.entries(dir).filter(move |(path, item)| {
            wanted(path.file_name())
                && matches!(item.kind, EntryKind::File { .. } | EntryKind::Symlink { .. })
        });
        files.map(|(path, _)| path)
    }

    /// The content of what was made at a path, links followed.
    pub(super) fn made_content(&self, path: &RootPath) -> Option<Vec<u8>> {
        match &self.get(&self.resolve(path)?)?.origin {
            Origin::Made(Content::Bytes(bytes)) => Some(bytes.clone()),
            // A file that cannot be read is told of where it is packed.
            Origin::Made(Content::Host(host)) => {
                self.read.borrow_mut().insert(host.clone());
                std::fs::read(host).ok()
            }
            Origin::Package(_) | Origin::Implied => None,
        }
    }
}

impl ImageTree {
    /// The host's files whose content was asked for.
    pub(super) fn read(&self) -> BTreeSet<PathBuf> {
        self.read.borrow().clone()
    }
}

impl FileTree for ImageTree {
    fn node(&self, path: &RootPath) -> Option<Node<'_>> {
        if path.is_root() {
            return Some(Node::Directory);
        }
        let item = self.items.get(path)?;
        Some(match &item.kind {
            EntryKind::Directory => Node::Directory,
            EntryKind::Symlink { target } => Node::Symlink(target),
            EntryKind::File { .. } | EntryKind::HardLink { .. } => Node::File(item.elf.as_deref()),
            EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. } | EntryKind::Fifo => Node::Other,
        })
    }
}
