//! Whether an image has what it starts.

use std::collections::HashMap;

use crate::elf::ElfFacts;
use crate::layer::LayerPlan;
use crate::loader::{FileTree, Node, resolve};
use crate::recipe::ImageConfig;
use crate::root_path::RootPath;
use crate::tarball::{Entry, EntryKind};

/// Where a container looks for a program by its name, if the image does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The program that an image starts and that no layer has.
pub(super) fn missing_program(config: &ImageConfig, layers: &[LayerPlan]) -> Option<String> {
    let program = config.program()?.to_owned();
    let candidates: Vec<RootPath> = if program.starts_with('/') {
        RootPath::parse(&program).into_iter().collect()
    } else if program.contains('/') {
        let workdir = config.workdir.clone().unwrap_or_else(RootPath::root);
        vec![workdir.link_target(&format!("{workdir}/{program}"))]
    } else {
        let path = config.env.get("PATH").map_or(PATH, String::as_str);
        path.split(':').filter_map(|directory| RootPath::parse(directory).ok()?.join(&program).ok()).collect()
    };
    let is_entry = |entry: &Entry| entry.kind != EntryKind::Directory && candidates.contains(&entry.path);
    if layers.iter().flat_map(entries).any(is_entry) {
        return None;
    }
    // It may be behind a link.
    let tree = Planned::new(layers);
    let is_file = |path: RootPath| matches!(tree.node(&path), Some(Node::File(_)));
    let is_there = candidates.iter().any(|path| resolve(&tree, path).is_some_and(is_file));
    (!is_there).then_some(program)
}

fn entries(layer: &LayerPlan) -> impl Iterator<Item = &Entry> {
    let packaged = layer.packages.iter().flat_map(|part| part.files.values().chain(&part.others));
    packaged.chain(layer.made.iter().map(|made| &made.entry)).chain(&layer.directories)
}

/// What layers hold, upper ones over lower ones.
struct Planned<'l>(HashMap<RootPath, Node<'l>>);

impl<'l> Planned<'l> {
    fn new(layers: &'l [LayerPlan]) -> Self {
        let mut nodes = HashMap::new();
        for entry in layers.iter().flat_map(entries) {
            for above in entry.path.ancestors() {
                nodes.entry(above).or_insert(Node::Directory);
            }
            nodes.insert(entry.path.clone(), node(&entry.kind));
        }
        Planned(nodes)
    }
}

fn node(kind: &EntryKind) -> Node<'_> {
    match kind {
        EntryKind::Directory => Node::Directory,
        EntryKind::Symlink { target } => Node::Symlink(target),
        EntryKind::File { .. } | EntryKind::HardLink { .. } => Node::File(None::<&ElfFacts>),
        EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. } | EntryKind::Fifo => Node::Other,
    }
}

impl FileTree for Planned<'_> {
    fn node(&self, path: &RootPath) -> Option<Node<'_>> {
        self.0.get(path).copied()
    }
}
