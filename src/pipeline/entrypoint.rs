//! Whether an image has what it starts, and that can be executed.

use std::collections::HashMap;

use crate::elf::ElfFacts;
use crate::layer::LayerPlan;
use crate::loader::{FileTree, Node, resolve};
use crate::recipe::ImageConfig;
use crate::root_path::RootPath;
use crate::select::Warning;
use crate::tarball::{Entry, EntryKind};

/// Where a container looks for a program by its name, if the image does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is to say of the program that an image starts: that no layer has it, or that it is there and nobody may execute
/// it.
pub(super) fn unstartable(config: &ImageConfig, layers: &[LayerPlan]) -> Option<Warning> {
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
    let there = layers.iter().flat_map(entries).filter(|entry| candidates.contains(&entry.path));
    // The uppermost counts.
    let there: HashMap<&RootPath, &Entry> = there.map(|entry| (&entry.path, entry)).collect();
    if there.values().any(|entry| is_file(&entry.kind) && entry.metadata.mode & 0o111 != 0) {
        return None;
    }
    // It may be behind a link.
    let tree = Planned::new(layers);
    let found = candidates.iter().filter_map(|path| resolve(&tree, path));
    let files: Vec<(RootPath, u32)> =
        found.filter_map(|path| Some((path.clone(), tree.file_mode(&path)?))).collect();
    match files.first() {
        Some(_) if files.iter().any(|(_, mode)| mode & 0o111 != 0) => None,
        Some((path, mode)) => Some(Warning::NotExecutable { program, path: path.clone(), mode: *mode }),
        None if there.values().any(|entry| entry.kind != EntryKind::Directory) => None,
        None => Some(Warning::NoProgram { program }),
    }
}

const fn is_file(kind: &EntryKind) -> bool {
    matches!(kind, EntryKind::File { .. } | EntryKind::HardLink { .. })
}

fn entries(layer: &LayerPlan) -> impl Iterator<Item = &Entry> {
    let packaged = layer.packages.iter().flat_map(|part| part.files.values().chain(&part.others));
    packaged.chain(layer.made.iter().map(|made| &made.entry)).chain(&layer.directories)
}

/// What layers hold, upper ones over lower ones, with its mode.
struct Planned<'l>(HashMap<RootPath, (Node<'l>, u32)>);

impl<'l> Planned<'l> {
    fn new(layers: &'l [LayerPlan]) -> Self {
        let mut nodes = HashMap::new();
        for entry in layers.iter().flat_map(entries) {
            for above in entry.path.ancestors() {
                nodes.entry(above).or_insert((Node::Directory, 0o755));
            }
            nodes.insert(entry.path.clone(), (node(&entry.kind), entry.metadata.mode & 0o7777));
        }
        Planned(nodes)
    }

    /// The mode of a regular file.
    fn file_mode(&self, path: &RootPath) -> Option<u32> {
        self.0.get(path).filter(|(node, _)| matches!(node, Node::File(_))).map(|(_, mode)| *mode)
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
        self.0.get(path).map(|(node, _)| *node)
    }
}
