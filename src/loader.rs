//! Where the dynamic loader finds a library, over a tree of files that need not be on disk.
//!
//! Follows glibc's ld.so(8) and the System V gABI ("Shared Object Dependencies"), with Debian's multiarch
//! directories. A name without a slash is sought, in this order, in
//!
//! 1. the `DT_RPATH` of the requester, of what loaded that, and so on up to the executable, where the
//!    requester has no `DT_RUNPATH`; a file that has one has its `DT_RPATH` ignored;
//! 2. `LD_LIBRARY_PATH`;
//! 3. the `DT_RUNPATH` of the requester alone;
//! 4. the directories of ld.so.conf(5) and the default ones, unless the requester says `DF_1_NODEFLIB`;
//!    that keeps the former.
//!
//! Left out: `glibc-hwcaps` and other subdirectories for certain processors, which hold faster copies of
//! what must be in the directory itself; empty and relative path elements, whose meaning depends on the
//! working directory; `$PLATFORM`, which depends on the processor; `LD_PRELOAD`; and what is loaded already:
//! that a soname loaded before is not sought again is the caller's to know.

use crate::arch::ElfMachine;
use crate::elf::{ElfFacts, ElfKind};
use crate::root_path::RootPath;

mod tokens;
mod tree;

pub use tree::{FileTree, Node, Resolved, follow, resolve};

use tokens::expand;
use tree::walk;

/// How one dynamic loader searches, for one machine.
#[derive(Clone, Debug)]
pub struct Search {
    machine: ElfMachine,
    flavour: Flavour,
    /// Of ld.so.conf(5), in its order.
    extra_dirs: Vec<RootPath>,
    default_dirs: Vec<RootPath>,
}

/// Whose rules are followed; musl's are few and different.
#[derive(Clone, Debug)]
enum Flavour {
    Glibc {
        /// What `$LIB` stands for.
        lib: String,
    },
}

/// A file that needs a library.
#[derive(Clone, Copy, Debug)]
pub struct Requester<'a> {
    /// The name it was loaded by: for a library, [`Found::link`].
    pub path: &'a RootPath,
    /// What it says of itself.
    pub facts: &'a ElfFacts,
}

/// A library that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The name that is opened. Its directory holds no symbolic link, so it is an entry of the tree.
    pub link: RootPath,
    /// The file it leads to.
    pub file: RootPath,
    /// Every symbolic link passed on the way, directories' included, in order; `link` is among them if it
    /// is one.
    pub links: Vec<RootPath>,
}

/// What a search met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// The library, if it is there.
    pub found: Option<Found>,
    /// Files of the right name that are for another machine, in the order met.
    pub wrong_machine: Vec<RootPath>,
    /// Files of the right name that are no ELF files, or damaged; ld.so would give up at the first.
    pub not_elf: Vec<RootPath>,
}

impl Search {
    /// glibc as Debian and Ubuntu configure it, with the directories of `/etc/ld.so.conf.d` in their order.
    ///
    /// The default directories are those that `ld.so --help` prints there: the multiarch ones, then `/lib`
    /// and `/usr/lib`.
    pub fn glibc(machine: ElfMachine, triplet: &str, extra_dirs: Vec<RootPath>) -> Self {
        let names = [
            format!("/lib/{triplet}"),
            format!("/usr/lib/{triplet}"),
            "/lib".to_owned(),
            "/usr/lib".to_owned(),
        ];
        let default_dirs = names.iter().filter_map(|name| RootPath::parse(name).ok()).collect();
        let flavour = Flavour::Glibc { lib: format!("lib/{triplet}") };
        Search { machine, flavour, extra_dirs, default_dirs }
    }

    /// The machine whose files count.
    pub fn machine(&self) -> ElfMachine {
        self.machine
    }

    /// The directories built into the loader.
    pub fn default_dirs(&self) -> &[RootPath] {
        &self.default_dirs
    }

    /// The directories of ld.so.conf(5), then the default ones.
    pub fn system_dirs(&self) -> impl Iterator<Item = &RootPath> {
        self.extra_dirs.iter().chain(&self.default_dirs)
    }

    /// Whether a path lies directly in a directory that is searched for every program. Compared by name:
    /// where `/lib` is a link, give the path behind it.
    pub fn in_default_dirs(&self, path: &RootPath) -> bool {
        path.parent().is_some_and(|parent| self.system_dirs().any(|dir| *dir == parent))
    }

    /// The library that the loader would load, if any; see [`Search::look`].
    pub fn find(
        &self,
        tree: &dyn FileTree,
        needed: &str,
        chain: &[Requester<'_>],
        library_path: &[RootPath],
    ) -> Option<Found> {
        self.look(tree, needed, chain, library_path).found
    }

    /// Seeks a library for the first of `chain`, which was loaded by the next, and so on up to the
    /// executable (or to a plug-in that is looked at by itself). `library_path` is `LD_LIBRARY_PATH`.
    pub fn look(
        &self,
        tree: &dyn FileTree,
        needed: &str,
        chain: &[Requester<'_>],
        library_path: &[RootPath],
    ) -> Lookup {
        let mut lookup = Lookup::default();
        if needed.contains('/') {
            // A path; tokens are those of the requester. A relative one depends on the working directory.
            let path = match chain.first() {
                Some(requester) => self.expand(tree, needed, requester),
                None => Some(needed.to_owned()),
            };
            if let Some(path) = path.filter(|path| path.starts_with('/')) {
                self.try_file(tree, &path, &mut lookup);
            }
            return lookup;
        }
        let by_rpath = chain.first().is_none_or(|requester| requester.facts.runpath.is_empty());
        if by_rpath {
            for requester in chain.iter().filter(|requester| requester.facts.runpath.is_empty()) {
                self.try_path(tree, &requester.facts.rpath, requester, needed, &mut lookup);
            }
        }
        for dir in library_path {
            self.try_file(tree, &format!("{dir}/{needed}"), &mut lookup);
        }
        if let Some(requester) = chain.first() {
            self.try_path(tree, &requester.facts.runpath, requester, needed, &mut lookup);
        }
        let nodeflib = chain.first().is_some_and(|requester| requester.facts.nodeflib);
        for dir in &self.extra_dirs {
            // The cache's entries in default directories are passed over too.
            if !(nodeflib && self.default_dirs.contains(dir)) {
                self.try_file(tree, &format!("{dir}/{needed}"), &mut lookup);
            }
        }
        if !nodeflib {
            for dir in &self.default_dirs {
                self.try_file(tree, &format!("{dir}/{needed}"), &mut lookup);
            }
        }
        lookup
    }

    /// Tries the directories of a requester's search path.
    fn try_path(
        &self,
        tree: &dyn FileTree,
        path: &[String],
        requester: &Requester<'_>,
        needed: &str,
        lookup: &mut Lookup,
    ) {
        for element in path {
            let dir = self.expand(tree, element, requester).filter(|dir| dir.starts_with('/'));
            if let Some(dir) = dir.filter(|_| lookup.found.is_none()) {
                self.try_file(tree, &format!("{dir}/{needed}"), lookup);
            }
        }
    }

    /// Takes a file if it is there and for this machine; nothing happens after one was taken.
    fn try_file(&self, tree: &dyn FileTree, name: &str, lookup: &mut Lookup) {
        if lookup.found.is_some() {
            return;
        }
        let (dir, file_name) = name.rsplit_once('/').unwrap_or(("", name));
        let Some(dir) = walk(tree, dir) else { return };
        let Ok(link) = dir.path.join(file_name) else { return };
        let Some(resolved) = follow(tree, &link) else { return };
        let note = |paths: &mut Vec<RootPath>, path| {
            if !paths.contains(&path) {
                paths.push(path);
            }
        };
        match tree.node(&resolved.path) {
            Some(Node::File(Some(facts))) if facts.machine != self.machine => {
                note(&mut lookup.wrong_machine, link);
            }
            Some(Node::File(Some(facts))) if facts.kind != ElfKind::Other => {
                let mut links = dir.links;
                links.extend(resolved.links);
                lookup.found = Some(Found { link, file: resolved.path, links });
            }
            Some(Node::File(_)) => note(&mut lookup.not_elf, link),
            _ => {}
        }
    }

    /// Replaces the dynamic string tokens of a path; none where one of them cannot be known.
    ///
    /// `$ORIGIN` is the directory of the requester's name. An executable's name is first freed of links, as
    /// the kernel does for `/proc/self/exe`.
    fn expand(&self, tree: &dyn FileTree, text: &str, requester: &Requester<'_>) -> Option<String> {
        let Flavour::Glibc { lib } = &self.flavour;
        expand(text, lib, || {
            let executable = requester.facts.kind == ElfKind::Executable || requester.facts.interp.is_some();
            let path = if executable { resolve(tree, requester.path) } else { None };
            let dir = path.as_ref().unwrap_or(requester.path).parent()?;
            // So that `$ORIGIN/../lib` at the root does not become `//../lib`.
            Some(if dir.is_root() { String::new() } else { dir.as_str().to_owned() })
        })
    }
}

#[cfg(test)]
mod tests;
