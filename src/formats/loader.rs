//! Where the dynamic loader finds a library, over a tree of files that need not be on disk.
//!
//! Two loaders are known, glibc's ([`Search::glibc`]) and musl's ([`Search::musl`]); what each does stands in
//! its own file. Which one a program is for, it says itself (`PT_INTERP`, see [`musl_arch`]).
//!
//! [`Search::look`] finds one library for one file; [`Search::load`] all that a program loads, with what is
//! loaded already not sought again. Both answer for a tree as it stands: building asks about a catalogue of
//! packages, checking about an image. [`prove`] tells whether what was loaded fits together: versions and symbols.
//!
//! Left out for both: empty and relative path elements, whose meaning depends on the working directory;
//! `LD_PRELOAD`; and programs that run with more rights than their caller (setuid), for which loaders ignore
//! `LD_LIBRARY_PATH` and `$ORIGIN`.

use crate::arch::ElfMachine;
use crate::elf::{ElfFacts, ElfKind};
use crate::root_path::RootPath;

mod configuration;
mod glibc;
mod musl;
mod process;
mod proof;
mod tokens;
mod tree;

pub use configuration::{configured_dirs, configures_dirs};
pub use glibc::hwcaps_levels;
pub use musl::{musl_arch, musl_name, musl_path_file};
pub use process::{Loaded, Missing, Process};
pub use proof::{Finding, LinkFault, MissingSymbol, Role, Subject, prove};
pub use tree::{FileTree, Node, Remembered, Resolved, follow, resolve};

use tree::{walk_on, walk_to_dir};

/// How one dynamic loader searches, for one machine.
#[derive(Clone, Debug)]
pub struct Search {
    machine: ElfMachine,
    flavour: Flavour,
    /// Of ld.so.conf(5), in its order.
    extra_dirs: Vec<RootPath>,
    default_dirs: Vec<RootPath>,
    /// Subdirectories of `glibc-hwcaps` that come before each directory itself, the best first.
    hwcaps: Vec<String>,
}

/// Whose rules are followed.
#[derive(Clone, Debug)]
enum Flavour {
    Glibc {
        /// What `$LIB` stands for.
        lib: String,
    },
    Musl {
        /// The loader, unless a program names another.
        loader: String,
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
    ///
    /// For a name by which musl means itself it is the link of that name in a system directory, if there is
    /// one: the loader needs no link, but other readers of ELF files do.
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
    /// Files of the right name that are for another machine, in the order met. glibc goes on behind one, musl
    /// gives up.
    pub wrong_machine: Vec<RootPath>,
    /// Files of the right name that are no ELF files, or damaged; both loaders would give up at the first.
    pub not_elf: Vec<RootPath>,
}

impl Search {
    /// The machine whose files count.
    pub fn machine(&self) -> ElfMachine {
        self.machine
    }

    /// Whether this is musl's loader.
    pub fn is_musl(&self) -> bool {
        matches!(self.flavour, Flavour::Musl { .. })
    }

    /// The directories built into the loader, or those of musl's path file in their stead.
    pub fn default_dirs(&self) -> &[RootPath] {
        &self.default_dirs
    }

    /// The directories of ld.so.conf(5).
    pub fn extra_dirs(&self) -> &[RootPath] {
        &self.extra_dirs
    }

    /// The same with other directories of ld.so.conf(5) ([`configured_dirs`]), which musl does not know.
    #[must_use]
    pub fn with_extra_dirs(mut self, dirs: Vec<RootPath>) -> Self {
        if !self.is_musl() {
            self.extra_dirs = dirs;
        }
        self
    }

    /// The directories of ld.so.conf(5), then the default ones.
    pub fn system_dirs(&self) -> impl Iterator<Item = &RootPath> {
        self.extra_dirs.iter().chain(&self.default_dirs)
    }

    /// The same on a processor with these `glibc-hwcaps`, the best first. musl has none.
    #[must_use]
    pub fn with_hwcaps(mut self, names: Vec<String>) -> Self {
        if !self.is_musl() {
            self.hwcaps = names;
        }
        self
    }

    /// Whether a path lies directly in a directory that is searched for every program. Compared by name:
    /// where `/lib` is a link, give the path behind it.
    pub fn in_default_dirs(&self, path: &RootPath) -> bool {
        path.parent().is_some_and(|parent| self.system_dirs().any(|dir| *dir == parent))
    }

    /// The directories of a value of `LD_LIBRARY_PATH`.
    pub fn library_path(&self, value: &str) -> Vec<RootPath> {
        let separators: &[char] = if self.is_musl() { &[':', '\n'] } else { &[':', ';'] };
        let elements = value.split(separators).filter(|element| element.starts_with('/'));
        elements.filter_map(|element| RootPath::parse(element).ok()).collect()
    }

    /// The search path that a file brings for what it needs and, at least in part, for what is needed by that:
    /// with glibc its `DT_RPATH`, unless it has a `DT_RUNPATH`; with musl whichever it has.
    pub fn inherited_path<'f>(&self, facts: &'f ElfFacts) -> &'f [String] {
        match (&self.flavour, facts.runpath.is_empty()) {
            (_, true) => &facts.rpath,
            (Flavour::Musl { .. }, false) => &facts.runpath,
            (Flavour::Glibc { .. }, false) => &[],
        }
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
    ///
    /// What is loaded already is not known here: a name loaded before is not sought again ([`Search::load`]).
    pub fn look(
        &self,
        tree: &dyn FileTree,
        needed: &str,
        chain: &[Requester<'_>],
        library_path: &[RootPath],
    ) -> Lookup {
        match &self.flavour {
            Flavour::Glibc { lib } => self.look_as_glibc(tree, needed, chain, library_path, lib),
            Flavour::Musl { loader } => self.look_as_musl(tree, needed, chain, library_path, loader),
        }
    }

    /// Opens a file by an absolute name: none where there is none. Whether it is taken is noted in `lookup`.
    fn open(&self, tree: &dyn FileTree, name: &str, lookup: &mut Lookup) -> Option<()> {
        let (dir, file_name) = name.rsplit_once('/').unwrap_or(("", name));
        self.open_in(tree, walk_to_dir(tree, dir)?, file_name, lookup)
    }

    /// The same by its name in a directory that was reached.
    fn open_in(
        &self,
        tree: &dyn FileTree,
        dir: Resolved,
        file_name: &str,
        lookup: &mut Lookup,
    ) -> Option<()> {
        let link = dir.path.join(file_name).ok()?;
        let resolved = walk_on(tree, Resolved { path: dir.path, links: Vec::new() }, file_name)?;
        let note = |paths: &mut Vec<RootPath>, path| {
            if !paths.contains(&path) {
                paths.push(path);
            }
        };
        match tree.node(&resolved.path)? {
            Node::File(Some(facts)) if facts.machine != self.machine => {
                note(&mut lookup.wrong_machine, link);
            }
            Node::File(Some(facts)) if facts.kind != ElfKind::Other => {
                let mut links = dir.links;
                links.extend(resolved.links);
                lookup.found = Some(Found { link, file: resolved.path, links });
            }
            Node::File(_) => note(&mut lookup.not_elf, link),
            Node::Directory | Node::Symlink(_) | Node::Other => {}
        }
        Some(())
    }
}

/// What `$ORIGIN` stands for: the directory of the requester's name. An executable's name is first freed of
/// links, as the kernel does for `/proc/self/exe`. Empty for the root, so that a slash can follow it.
fn origin(tree: &dyn FileTree, requester: &Requester<'_>) -> Option<String> {
    let executable = requester.facts.kind == ElfKind::Executable || requester.facts.interp.is_some();
    let path = if executable { resolve(tree, requester.path) } else { None };
    let dir = path.as_ref().unwrap_or(requester.path).parent()?;
    Some(if dir.is_root() { String::new() } else { dir.as_str().to_owned() })
}

#[cfg(test)]
mod tests;
