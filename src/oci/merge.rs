//! Layers laid over each other: the file tree that a container sees (image-spec v1.1, `layer.md`, "Applying
//! Changesets", with whiteouts and opaque whiteouts).
//!
//! Nothing is unpacked: the tree knows for each path which entry of which layer it is, and
//! [`MergedTree::write`] reads the layers once more for the bytes that remain visible. What is odd in a layer
//! does not stop the merge; it is reported as a [`MergeFault`], for `check` to judge.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use super::{MADE_AT, OciError};
use crate::loader::{self, FileTree, Node};
use crate::root_path::RootPath;
use crate::tarball::{self, Entry, EntryKind, Limits, Metadata, TarballError};

/// Begins a whiteout's name; what follows is the name it removes.
const WHITEOUT: &str = ".wh.";
/// The whiteout that removes all that lower layers have in its directory.
const OPAQUE: &str = ".wh..wh..opq";

/// A regular file's bytes: the `entry`-th entry of the `layer`-th layer, both counted from zero. Hard links
/// share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId {
    /// From the lowest layer.
    pub layer: usize,
    /// From the layer's first entry.
    pub entry: usize,
}

/// A path in the merged tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedNode {
    /// The layer that it comes from, from the lowest.
    pub layer: usize,
    /// Mode, owner, time and attributes.
    pub metadata: Metadata,
    /// What it is; never [`EntryKind::HardLink`], which becomes what it points at.
    pub kind: EntryKind,
    /// A regular file's bytes.
    pub content: Option<ContentId>,
}

/// The files of layers laid over each other.
#[derive(Clone, Debug, Default)]
pub struct MergedTree {
    nodes: BTreeMap<RootPath, MergedNode>,
    layers: usize,
}

/// Something in a layer that tools take differently, or that is hardly meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum MergeFault {
    /// Docker refuses such a layer.
    #[error("the path `{0}` stands twice in the layer")]
    Duplicate(RootPath),
    /// Neither this layer nor a lower one has the directory.
    #[error("`{path}` lies in `{parent}`, which no layer has")]
    MissingParent {
        /// The entry.
        path: RootPath,
        /// Its directory.
        parent: RootPath,
    },
    /// Within one layer, an entry lies below one that is no directory.
    #[error("`{path}` lies below `{parent}`, which is no directory in the same layer")]
    NotInDirectory {
        /// The entry.
        path: RootPath,
        /// What is no directory.
        parent: RootPath,
    },
    /// A hard link precedes its target, or its target does not exist.
    #[error("the hard link `{path}` points at `{target}`, which is not there")]
    HardLink {
        /// The link.
        path: RootPath,
        /// Its target.
        target: RootPath,
    },
    /// Some tools cannot link across layers.
    #[error("the hard link `{path}` points at `{target}` of a lower layer")]
    HardLinkAcross {
        /// The link.
        path: RootPath,
        /// Its target.
        target: RootPath,
    },
    /// One file has two modes or owners: it is left to the tool which of them it gets.
    #[error(
        "the hard link `{path}` has another mode or owner than `{target}`, and engines give the file what the link says"
    )]
    HardLinkDiffers {
        /// The link.
        path: RootPath,
        /// Its target.
        target: RootPath,
    },
    /// A directory takes the place of a lower layer's link to a directory, and hides what lay behind it.
    #[error("the directory `{path}` hides a lower layer's link to the directory `{target}`")]
    HidesLink {
        /// The directory.
        path: RootPath,
        /// Where the link pointed.
        target: RootPath,
    },
    /// Something else takes the place of a lower layer's directory that holds files.
    #[error("`{path}` is no directory and hides a lower layer's directory with {count} entries")]
    HidesDirectory {
        /// What hides it.
        path: RootPath,
        /// How many paths vanish.
        count: usize,
    },
}

/// Takes the files of a merged tree: directories, links and devices first, sorted; then files in the order
/// of the layers, each followed by its hard links.
pub trait RootSink {
    /// One entry, with its bytes if it is a file.
    fn append(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), OciError>;
}

impl MergedTree {
    /// No layer, no file.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is at a path; links are not followed.
    pub fn get(&self, path: &RootPath) -> Option<&MergedNode> {
        self.nodes.get(path)
    }

    /// All paths, directories before what lies in them.
    pub fn iter(&self) -> impl Iterator<Item = (&RootPath, &MergedNode)> {
        self.nodes.iter()
    }

    /// Lays the next layer over those before. Its entries must come in the archive's order and all of them,
    /// since their numbers become [`ContentId::entry`].
    pub fn apply(&mut self, entries: &[Entry]) -> Vec<MergeFault> {
        let mut layer = Applying { tree: self, entries, declared: BTreeSet::new(), faults: BTreeSet::new() };
        layer.whiteouts();
        layer.entries();
        let faults = layer.faults.into_iter().collect();
        self.layers += 1;
        faults
    }

    /// Gives every file to a sink. `open` yields the uncompressed tar of a layer, counted from the lowest.
    pub fn write<'a>(
        &self,
        mut open: impl FnMut(usize) -> Result<Box<dyn Read + 'a>, OciError>,
        sink: &mut dyn RootSink,
    ) -> Result<(), OciError> {
        let mut files: BTreeMap<ContentId, Vec<&RootPath>> = BTreeMap::new();
        for (path, node) in &self.nodes {
            match node.content {
                Some(content) => files.entry(content).or_default().push(path),
                None => sink.append(&node.entry(path, None), &mut io::empty())?,
            }
        }
        for layer in 0..self.layers {
            if files.range(ContentId { layer, entry: 0 }..).next().is_none_or(|(id, _)| id.layer != layer) {
                continue;
            }
            let mut number = 0;
            tarball::read(open(layer)?, &Limits::default(), |_, content| -> Result<(), WriteError> {
                let id = ContentId { layer, entry: number };
                number += 1;
                let mut paths = files.remove(&id).unwrap_or_default().into_iter();
                let Some(first) = paths.next() else { return Ok(()) };
                let node = &self.nodes[first];
                sink.append(&node.entry(first, None), content)?;
                for path in paths {
                    sink.append(&self.nodes[path].entry(path, Some(first)), &mut io::empty())?;
                }
                Ok(())
            })
            .map_err(|error| error.in_layer(layer))?;
        }
        Ok(())
    }

    fn descendants(&self, directory: &RootPath) -> Vec<RootPath> {
        self.nodes
            .range(directory..)
            .skip_while(|(path, _)| *path == directory)
            .take_while(|(path, _)| path.is_within(directory))
            .map(|(path, _)| path.clone())
            .collect()
    }

    fn remove_below(&mut self, directory: &RootPath) -> usize {
        let paths = self.descendants(directory);
        for path in &paths {
            self.nodes.remove(path);
        }
        paths.len()
    }

    /// Where a link leads, if that is a directory.
    fn linked_directory(&self, link: &RootPath) -> Option<RootPath> {
        let target = loader::resolve(self, link)?;
        matches!(self.node(&target), Some(Node::Directory)).then_some(target)
    }
}

/// The bytes of files are not known here: no file tells what it says as ELF.
impl FileTree for MergedTree {
    fn node(&self, path: &RootPath) -> Option<Node<'_>> {
        if path.is_root() {
            return Some(Node::Directory);
        }
        Some(match &self.nodes.get(path)?.kind {
            EntryKind::Directory => Node::Directory,
            EntryKind::Symlink { target } => Node::Symlink(target),
            EntryKind::File { .. } => Node::File(None),
            _ => Node::Other,
        })
    }
}

impl MergedNode {
    /// As an archive's entry: a hard link to `first`, or itself.
    fn entry(&self, path: &RootPath, first: Option<&RootPath>) -> Entry {
        let kind = match first {
            Some(target) => EntryKind::HardLink { target: target.clone() },
            None => self.kind.clone(),
        };
        Entry { path: path.clone(), metadata: self.metadata.clone(), kind }
    }
}

/// Either a sink's error, or the archive's.
enum WriteError {
    Sink(OciError),
    Layer(TarballError),
}

impl WriteError {
    fn in_layer(self, layer: usize) -> OciError {
        match self {
            WriteError::Sink(error) => error,
            WriteError::Layer(source) => OciError::Layer { layer, source },
        }
    }
}

impl From<OciError> for WriteError {
    fn from(error: OciError) -> Self {
        WriteError::Sink(error)
    }
}

impl From<TarballError> for WriteError {
    fn from(error: TarballError) -> Self {
        WriteError::Layer(error)
    }
}

/// One layer on its way into the tree.
struct Applying<'a> {
    tree: &'a mut MergedTree,
    entries: &'a [Entry],
    /// Paths that the layer's entries have taken so far.
    declared: BTreeSet<RootPath>,
    faults: BTreeSet<MergeFault>,
}

impl Applying<'_> {
    /// Whiteouts concern lower layers only, wherever in the archive they stand.
    fn whiteouts(&mut self) {
        for entry in self.entries {
            let Some(parent) = entry.path.parent() else { continue };
            let name = entry.path.file_name();
            if name == OPAQUE {
                self.tree.remove_below(&parent);
            } else if let Some(Ok(removed)) = name.strip_prefix(WHITEOUT).map(|name| parent.join(name)) {
                self.tree.remove_below(&removed);
                self.tree.nodes.remove(&removed);
            }
        }
    }

    fn entries(&mut self) {
        let directories: BTreeSet<&RootPath> = self
            .entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::Directory)
            .map(|entry| &entry.path)
            .collect();
        for (number, entry) in self.entries.iter().enumerate() {
            if entry.path.file_name().starts_with(WHITEOUT) {
                continue;
            }
            if !self.declared.insert(entry.path.clone()) {
                self.faults.insert(MergeFault::Duplicate(entry.path.clone()));
            }
            if self.parents(&entry.path, &directories) {
                self.entry(number, entry);
            }
        }
    }

    /// Sees that every directory above a path is one. False if the layer itself forbids that.
    fn parents(&mut self, path: &RootPath, directories: &BTreeSet<&RootPath>) -> bool {
        let layer = self.tree.layers;
        for above in path.ancestors() {
            match self.tree.nodes.get(&above) {
                Some(node) if node.kind == EntryKind::Directory => continue,
                Some(node) if node.layer == layer => {
                    self.faults.insert(MergeFault::NotInDirectory { path: path.clone(), parent: above });
                    return false;
                }
                Some(_) => self.note_hidden_link(&above),
                None if directories.contains(&above) => {}
                None => {
                    self.faults
                        .insert(MergeFault::MissingParent { path: path.clone(), parent: above.clone() });
                }
            }
            self.tree.nodes.insert(above, MergedNode::implied(layer));
        }
        true
    }

    fn note_hidden_link(&mut self, path: &RootPath) {
        if let Some(target) = self.tree.linked_directory(path).filter(|target| target != path) {
            self.faults.insert(MergeFault::HidesLink { path: path.clone(), target });
        }
    }

    fn entry(&mut self, number: usize, entry: &Entry) {
        let layer = self.tree.layers;
        let path = &entry.path;
        let mut node =
            MergedNode { layer, metadata: entry.metadata.clone(), kind: entry.kind.clone(), content: None };
        match &entry.kind {
            EntryKind::File { .. } => node.content = Some(ContentId { layer, entry: number }),
            EntryKind::HardLink { target } => match self.linked(path, target) {
                Some(linked) => {
                    let rights = |metadata: &Metadata| (metadata.mode & 0o7777, metadata.uid, metadata.gid);
                    if linked.layer == layer && rights(&linked.metadata) != rights(&entry.metadata) {
                        let (path, target) = (path.clone(), target.clone());
                        self.faults.insert(MergeFault::HardLinkDiffers { path, target });
                    }
                    node = MergedNode { layer, ..linked };
                }
                None => return,
            },
            _ => {}
        }
        let old = self.tree.nodes.get(path);
        let lower = old.is_some_and(|old| old.layer < layer);
        let was_directory = old.is_some_and(|old| old.kind == EntryKind::Directory);
        if node.kind == EntryKind::Directory {
            if lower && !was_directory {
                self.note_hidden_link(path);
            }
        } else if was_directory {
            let count = self.tree.remove_below(path);
            if lower && count > 0 {
                self.faults.insert(MergeFault::HidesDirectory { path: path.clone(), count });
            }
        }
        self.tree.nodes.insert(path.clone(), node);
    }

    /// What a hard link points at.
    fn linked(&mut self, path: &RootPath, target: &RootPath) -> Option<MergedNode> {
        let found = self.tree.nodes.get(target).filter(|node| node.kind != EntryKind::Directory).cloned();
        let (path, target) = (path.clone(), target.clone());
        match &found {
            None => self.faults.insert(MergeFault::HardLink { path, target }),
            Some(node) if node.layer < self.tree.layers => {
                self.faults.insert(MergeFault::HardLinkAcross { path, target })
            }
            Some(_) => false,
        };
        found
    }
}

impl MergedNode {
    fn implied(layer: usize) -> Self {
        let metadata = Metadata { mode: 0o755, uid: 0, gid: 0, mtime: MADE_AT, xattrs: BTreeMap::new() };
        MergedNode { layer, metadata, kind: EntryKind::Directory, content: None }
    }
}

#[cfg(test)]
mod tests;
