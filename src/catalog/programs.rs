//! The ELF files and scripts that a recipe brings itself: what they need is sought like what packages' files need.
//!
//! `files = [{ path = "/usr/bin/app", source = "target/app" }]`, and what directories of the host hold. Left out:
//! what cannot be read, which is told where the image's files are made, and libraries of other machines.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::arch::{Arch, ElfMachine};
use crate::elf::{self, ElfError, ElfFacts, ElfKind};
use crate::loader::{FileTree, Node};
use crate::recipe::{FileSource, Recipe};
use crate::root_path::RootPath;

/// The largest program that is looked into, in bytes.
const MAX_PROGRAM: u64 = 1 << 30;

/// The largest script that is looked into, in bytes.
const MAX_SCRIPT: u64 = 1 << 20;

/// How many directories deep a recipe's tree is walked.
const MAX_DEPTH: usize = 64;

/// An ELF file of a recipe's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnElf {
    /// The place of its layer among those of the recipe's bases and its own.
    pub layer: usize,
    /// What the loader must know of it.
    pub facts: Arc<ElfFacts>,
}

/// A script of a recipe's own that may be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnScript {
    /// The place of its layer among those of the recipe's bases and its own.
    pub layer: usize,
    /// All of it, `#!` first.
    pub text: Vec<u8>,
}

/// A file of a recipe's own that cannot be loaded there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The place of its layer among those of the recipe's bases and its own.
    pub layer: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// The ELF files and scripts of a recipe for one machine, and the links beside them, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnElfs {
    /// The files.
    pub files: BTreeMap<RootPath, OwnElf>,
    /// The scripts.
    pub scripts: BTreeMap<RootPath, OwnScript>,
    /// Files that look like ELF and are not whole, and programs for another machine.
    pub unfit: BTreeMap<RootPath, Unfit>,
    links: BTreeMap<RootPath, String>,
    /// Files that have names of libraries and are none, with the places of their layers.
    others: BTreeMap<RootPath, usize>,
}

impl OwnElfs {
    /// Whether layers from one on bring any of them, or links may be theirs.
    pub fn adds_from(&self, layer: usize) -> bool {
        !self.links.is_empty()
            || self.files.values().any(|elf| elf.layer >= layer)
            || self.scripts.values().any(|script| script.layer >= layer)
            || self.others.values().any(|other| *other >= layer)
    }

    /// Reads the files that the layers of a recipe and its bases bring. `names` are the distro's of the architecture and its
    /// triplet; `canonical` leads a path through the links of the merged `/usr`.
    pub fn read(
        recipe: &Recipe,
        machine: ElfMachine,
        names: (&str, &str),
        canonical: &dyn Fn(&RootPath) -> RootPath,
    ) -> Self {
        let mut own = OwnElfs::default();
        let stacked = recipe.stacked();
        let layers = stacked.iter().enumerate();
        for (layer, recipe, spec) in layers
            .flat_map(|(number, one)| one.layer.files.iter().map(move |file| (number, one.recipe, file)))
        {
            let Ok(target) = spec.path(names.0, names.1) else { continue };
            match &spec.source {
                FileSource::Host(source) => {
                    let path = recipe.host_path(Path::new(&source.expand(names.0, names.1)));
                    let from = Origin { layer, machine, mode: spec.mode, canonical };
                    own.walk(&path, &target, &from, 0);
                }
                FileSource::Content(text)
                    if text.starts_with("#!") && is_executable(spec.mode.unwrap_or(0)) =>
                {
                    let script = OwnScript { layer, text: text.clone().into_bytes() };
                    own.scripts.insert(canonical(&target), script);
                }
                FileSource::Symlink(to) => {
                    own.link(&target, to.expand(names.0, names.1), canonical);
                }
                FileSource::Content(_) if is_library_name(&target) => {
                    own.others.insert(canonical(&target), layer);
                }
                FileSource::Content(_) | FileSource::Directory => {}
            }
        }
        own
    }

    fn walk(&mut self, path: &Path, target: &RootPath, from: &Origin<'_>, depth: usize) {
        // As when the files are made: what the recipe names is read through links, what is in it is not.
        let metadata = if depth == 0 { path.metadata() } else { path.symlink_metadata() };
        let Ok(metadata) = metadata else { return };
        if metadata.is_dir() && depth < MAX_DEPTH {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            for entry in entries {
                if let Some(target) = entry.file_name().to_str().and_then(|name| target.join(name).ok()) {
                    self.walk(&entry.path(), &target, from, depth + 1);
                }
            }
        } else if metadata.is_symlink() {
            if let Some(to) = fs::read_link(path).ok().and_then(|to| to.to_str().map(str::to_owned)) {
                self.link(target, to, from.canonical);
            }
        } else if metadata.is_file() {
            let mode = from.mode.filter(|_| depth == 0).unwrap_or_else(|| metadata.permissions().mode());
            self.look(path, (from.canonical)(target), from, (metadata.len(), mode));
        }
    }

    /// A link, unless it is one of the distro's, which is there anyway.
    fn link(&mut self, path: &RootPath, to: String, canonical: &dyn Fn(&RootPath) -> RootPath) {
        let place = canonical(path);
        if canonical(&path.link_target(&to)) != place {
            self.links.insert(place, to);
        }
    }

    fn look(&mut self, path: &Path, target: RootPath, from: &Origin<'_>, (size, mode): (u64, u32)) {
        let layer = from.layer;
        match looked_at(path) {
            Some(Looked::Elf(facts)) if size <= MAX_PROGRAM => match judged(*facts, from.machine) {
                Ok(facts) => {
                    self.files.insert(target, OwnElf { layer, facts: Arc::new(facts) });
                }
                Err(reason) => {
                    if is_library_name(&target) {
                        self.others.insert(target.clone(), layer);
                    }
                    if let Some(reason) = reason {
                        self.unfit.insert(target, Unfit { layer, reason });
                    }
                }
            },
            Some(Looked::Script(text)) if size <= MAX_SCRIPT && is_executable(mode) => {
                self.scripts.insert(target, OwnScript { layer, text });
            }
            _ if is_library_name(&target) => _ = self.others.insert(target, layer),
            _ => {}
        }
    }
}

/// Where files of the host come to be.
struct Origin<'a> {
    layer: usize,
    machine: ElfMachine,
    /// The mode that the recipe gives what it names.
    mode: Option<u32>,
    canonical: &'a dyn Fn(&RootPath) -> RootPath,
}

/// Whether a program may need what has this name.
fn is_library_name(path: &RootPath) -> bool {
    path.file_name().contains(".so")
}

fn is_executable(mode: u32) -> bool {
    mode & 0o111 != 0
}

/// A file, by how it begins.
enum Looked {
    Elf(Box<Result<ElfFacts, ElfError>>),
    Script(Vec<u8>),
}

impl OwnElfs {
    /// The file or link that it brings to a path.
    pub fn brought(&self, path: &RootPath) -> Option<Node<'_>> {
        if let Some(own) = self.files.get(path) {
            return Some(Node::File(Some(&own.facts)));
        }
        if self.scripts.contains_key(path) || self.others.contains_key(path) {
            return Some(Node::File(None));
        }
        self.links.get(path).map(|target| Node::Symlink(target))
    }
}

impl FileTree for OwnElfs {
    fn node(&self, path: &RootPath) -> Option<Node<'_>> {
        if let Some(brought) = self.brought(path) {
            return Some(brought);
        }
        let within = |all: Option<&RootPath>| all.is_some_and(|first| first.is_within(path));
        let files = self.files.range(path.clone()..).next().map(|(path, _)| path);
        let scripts = self.scripts.range(path.clone()..).next().map(|(path, _)| path);
        let links = self.links.range(path.clone()..).next().map(|(path, _)| path);
        (path.is_root() || within(files) || within(scripts) || within(links)).then_some(Node::Directory)
    }
}

/// What can be loaded on a machine; else what is wrong with it, if that is worth a word: libraries for other machines
/// lie in many a tree.
fn judged(facts: Result<ElfFacts, ElfError>, machine: ElfMachine) -> Result<ElfFacts, Option<String>> {
    let facts = facts.map_err(|error| Some(error.to_string()))?;
    if facts.machine == machine {
        return Ok(facts);
    }
    let is_program = facts.interp.is_some() || facts.kind == ElfKind::Executable;
    Err(is_program.then(|| {
        let archs = Arch::ALL.into_iter().filter(|arch| arch.elf_machine() == facts.machine);
        let names: Vec<&str> = archs.map(Arch::name).collect();
        match &names[..] {
            [] => format!("it is for another machine (e_machine is {})", facts.machine.machine),
            names => format!("it is for {}", names.join(" or ")),
        }
    }))
}

/// None for what is neither, or cannot be read.
fn looked_at(path: &Path) -> Option<Looked> {
    let mut file = fs::File::open(path).ok()?;
    let mut bytes = Vec::new();
    file.by_ref().take(4).read_to_end(&mut bytes).ok()?;
    if elf::is_elf(&bytes) {
        file.take(MAX_PROGRAM).read_to_end(&mut bytes).ok()?;
        return Some(Looked::Elf(Box::new(elf::facts(&bytes))));
    }
    if !bytes.starts_with(b"#!") {
        return None;
    }
    file.take(MAX_SCRIPT).read_to_end(&mut bytes).ok()?;
    Some(Looked::Script(bytes))
}
