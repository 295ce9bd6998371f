//! What a program loads: breadth first, each library once, as both loaders do.
//!
//! glibc knows a loaded file by every name it was asked for by and by its soname; musl by the name of a file that
//! was found by searching, never by its soname and not where it was given by path. Both see that a file is loaded
//! already when they open it. (Two hard links to one file are two files here.)

use std::collections::BTreeMap;

use super::musl::means_loader;
use super::tree::{FileTree, Node, resolve};
use super::{Found, Lookup, Requester, Search};
use crate::elf::ElfFacts;
use crate::root_path::RootPath;

/// A program, or a plug-in by itself, with all that it loads.
#[derive(Clone, Debug)]
pub struct Process<'t> {
    /// The program first, then libraries in the order of loading. The loader is among them if something needs it.
    pub objects: Vec<Loaded<'t>>,
    /// What was not found, in order.
    pub missing: Vec<Missing>,
    /// The names by which objects are known, with their numbers; with glibc their sonames are among them.
    pub(super) names: BTreeMap<String, usize>,
}

/// A file in a process.
#[derive(Clone, Debug)]
pub struct Loaded<'t> {
    /// The name it was opened by: for a library, [`Found::link`].
    pub path: RootPath,
    /// Where that leads.
    pub file: RootPath,
    /// What it says of itself.
    pub facts: &'t ElfFacts,
    /// The number of the object that needed it first; none for the program.
    pub by: Option<usize>,
}

/// A library that was not found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// The number of the object that needs it.
    pub by: usize,
    /// The name it asks for.
    pub needed: String,
    /// Files of that name on the way that are for another machine, or no sound ELF files.
    pub unfit: Vec<RootPath>,
}

/// The names that stand for what is loaded.
#[derive(Default)]
struct Known {
    names: BTreeMap<String, usize>,
    files: BTreeMap<RootPath, usize>,
}

impl<'t> Process<'t> {
    /// An object, what loaded it, and so on up to the program.
    pub fn chain(&self, object: usize) -> Vec<Requester<'_>> {
        let up = std::iter::successors(self.objects.get(object), |loaded| self.objects.get(loaded.by?));
        up.map(|loaded| Requester { path: &loaded.path, facts: loaded.facts }).collect()
    }

    fn add(
        &mut self,
        known: &mut Known,
        path: RootPath,
        file: RootPath,
        facts: &'t ElfFacts,
        by: usize,
    ) -> usize {
        let number = self.objects.len();
        known.files.insert(file.clone(), number);
        self.objects.push(Loaded { path, file, facts, by: Some(by) });
        number
    }
}

impl Search {
    /// Loads a program, or a library by itself, by the name it is started by, with `library_path` as
    /// `LD_LIBRARY_PATH`. None where there is no ELF file.
    pub fn load<'t>(
        &self,
        tree: &'t dyn FileTree,
        program: &RootPath,
        library_path: &[RootPath],
    ) -> Option<Process<'t>> {
        let file = resolve(tree, program)?;
        let Some(Node::File(Some(facts))) = tree.node(&file) else { return None };
        let mut known = Known::default();
        if !self.is_musl() {
            known.names.extend(facts.soname.clone().map(|soname| (soname, 0)));
            known.files.insert(file.clone(), 0);
        }
        let objects = vec![Loaded { path: program.clone(), file, facts, by: None }];
        let mut process = Process { objects, missing: Vec::new(), names: BTreeMap::new() };
        let mut next = 0;
        while let Some(object) = process.objects.get(next) {
            for needed in &object.facts.needed {
                if let Err(unfit) = self.satisfy(tree, &mut process, &mut known, next, needed, library_path) {
                    process.missing.push(Missing { by: next, needed: needed.clone(), unfit });
                }
            }
            next += 1;
        }
        process.names = known.names;
        Some(process)
    }

    /// Sees to it that one needed library is loaded; else tells the files of its name that do not do.
    fn satisfy<'t>(
        &self,
        tree: &'t dyn FileTree,
        process: &mut Process<'t>,
        known: &mut Known,
        by: usize,
        needed: &str,
        library_path: &[RootPath],
    ) -> Result<(), Vec<RootPath>> {
        if known.names.contains_key(needed) {
            return Ok(());
        }
        let chain = process.chain(by);
        let is_loader = self.is_musl() && means_loader(needed, &chain);
        let found = self.running_loader(tree, &process.objects[0], needed);
        let lookup = match found {
            Some(found) => Lookup { found: Some(found), ..Lookup::default() },
            None => self.look(tree, needed, &chain, library_path),
        };
        let Some(found) = lookup.found else {
            return Err([lookup.wrong_machine, lookup.not_elf].concat());
        };
        let loaded = known.files.get(&found.file).copied();
        let number = match (loaded, tree.node(&found.file)) {
            (Some(number), _) => number,
            (None, Some(Node::File(Some(facts)))) => process.add(known, found.link, found.file, facts, by),
            (None, _) => return Err(Vec::new()),
        };
        if !self.is_musl() {
            known.names.insert(needed.to_owned(), number);
            known.names.extend(process.objects[number].facts.soname.clone().map(|soname| (soname, number)));
        } else if is_loader {
            known.names.insert(needed.to_owned(), number);
        } else if !needed.contains('/') {
            // By search: the name by which the file was opened first is its short name.
            let short = process.objects[number].path.file_name().to_owned();
            known.names.entry(short).or_insert(number);
        }
        Ok(())
    }

    /// glibc's loader is in the process from the start, known by its soname.
    fn running_loader(&self, tree: &dyn FileTree, program: &Loaded<'_>, needed: &str) -> Option<Found> {
        if self.is_musl() {
            return None;
        }
        let link = RootPath::parse(program.facts.interp.as_deref()?).ok()?;
        let file = resolve(tree, &link)?;
        match tree.node(&file)? {
            Node::File(Some(facts)) if facts.soname.as_deref() == Some(needed) => {
                Some(Found { link, file, links: Vec::new() })
            }
            _ => None,
        }
    }
}
