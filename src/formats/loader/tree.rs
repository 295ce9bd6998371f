//! The tree of files that a loader sees, and how links in it are followed.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::elf::ElfFacts;
use crate::root_path::RootPath;

/// Links followed before giving up, as in Linux.
const MAX_LINKS: usize = 40;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node<'a> {
    /// A directory.
    Directory,
    /// A symbolic link, with what it says.
    Symlink(&'a str),
    /// A regular file, with its facts if it is a sound ELF file.
    File(Option<&'a ElfFacts>),
    /// A device or a pipe.
    Other,
}

/// A read-only tree of files: a package catalogue, a selection, an image, a directory.
pub trait FileTree {
    /// What is at a path, read literally: no component is followed as a link. The root always exists.
    fn node(&self, path: &RootPath) -> Option<Node<'_>>;
}

/// A tree that stays as it is for as long as this lives, and is asked for each path once: to load many programs asks for
/// the same directories again and again.
pub struct Remembered<'t> {
    tree: &'t dyn FileTree,
    nodes: RefCell<HashMap<RootPath, Option<Node<'t>>>>,
}

impl<'t> Remembered<'t> {
    /// Nothing is known of a tree yet.
    pub fn new(tree: &'t dyn FileTree) -> Self {
        Remembered { tree, nodes: RefCell::default() }
    }
}

impl FileTree for Remembered<'_> {
    fn node(&self, path: &RootPath) -> Option<Node<'_>> {
        if let Some(known) = self.nodes.borrow().get(path) {
            return *known;
        }
        let node = self.tree.node(path);
        self.nodes.borrow_mut().insert(path.clone(), node);
        node
    }
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// What was reached: it exists, and neither it nor a directory above it is a link.
    pub path: RootPath,
    /// The links that were followed, in order.
    pub links: Vec<RootPath>,
}

/// Follows the symbolic links in every component of a path, at most 40; none if it leads nowhere.
pub fn resolve(tree: &dyn FileTree, path: &RootPath) -> Option<RootPath> {
    follow(tree, path).map(|resolved| resolved.path)
}

/// As [`resolve`], and tells the links passed.
pub fn follow(tree: &dyn FileTree, path: &RootPath) -> Option<Resolved> {
    walk(tree, path.as_str())
}

/// Walks an absolute path as the kernel does: `..` is the parent of what was reached, not of what was named.
pub(super) fn walk(tree: &dyn FileTree, path: &str) -> Option<Resolved> {
    walk_on(tree, Resolved { path: RootPath::root(), links: Vec::new() }, path)
}

/// Walks to what must be a directory.
pub(super) fn walk_to_dir(tree: &dyn FileTree, path: &str) -> Option<Resolved> {
    walk(tree, path).filter(|end| end.path.is_root() || tree.node(&end.path) == Some(Node::Directory))
}

/// Walks a path on from what was reached: a directory, if there is more of the path.
pub(super) fn walk_on(tree: &dyn FileTree, from: Resolved, path: &str) -> Option<Resolved> {
    fn push<'a>(pending: &mut Vec<&'a str>, text: &'a str) {
        pending.extend(text.rsplit('/').filter(|name| !name.is_empty() && *name != "."));
    }
    let Resolved { path: mut reached, mut links } = from;
    let mut pending: Vec<&str> = Vec::new();
    push(&mut pending, path);
    while let Some(name) = pending.pop() {
        if name == ".." {
            reached = reached.parent().unwrap_or_else(RootPath::root);
            continue;
        }
        let next = reached.join(name).ok()?;
        match tree.node(&next)? {
            Node::Directory => reached = next,
            Node::Symlink(target) => {
                if links.len() == MAX_LINKS {
                    return None;
                }
                if target.starts_with('/') {
                    reached = RootPath::root();
                }
                push(&mut pending, target);
                links.push(next);
            }
            Node::File(_) | Node::Other => {
                if !pending.is_empty() {
                    return None;
                }
                reached = next;
            }
        }
    }
    Some(Resolved { path: reached, links })
}
