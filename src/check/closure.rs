//! Does every ELF file of an image find its libraries, as the loader would look for them?
//!
//! Executables are walked breadth first as the loader does: what is already loaded under a name is not
//! looked for again. What no executable leads to (plug-ins) is walked for itself; there a library that
//! lies somewhere in the image, only not where the plug-in alone would find it, is taken for one that the
//! program has loaded before (libjvm).

use std::collections::{BTreeSet, VecDeque};

use serde_json::Value;

use super::Fault;
use super::tree::ImageTree;
use crate::arch::Arch;
use crate::distro::{DebianRelease, Distro};
use crate::elf::ElfFacts;
use crate::loader::{self, FileTree, Node, Requester, Search};
use crate::root_path::RootPath;

/// Triplets do not differ between releases; Debian has one for every architecture.
const TRIPLETS: Distro = Distro::Debian(DebianRelease::Trixie);

/// A walk over the ELF files of one image.
pub(super) struct Closure<'a> {
    tree: &'a ImageTree,
    search: Search,
    /// `LD_LIBRARY_PATH` of the image.
    library_path: Vec<RootPath>,
    files: Vec<(&'a RootPath, &'a ElfFacts)>,
    /// Files that were loaded by some executable.
    reached: BTreeSet<RootPath>,
    missing: BTreeSet<(RootPath, String)>,
}

impl<'a> Closure<'a> {
    /// `config` is the image config's `config`. None for an architecture without a triplet.
    pub(super) fn of(tree: &'a ImageTree, arch: Arch, config: &Value) -> Option<Self> {
        let machine = arch.elf_machine();
        let search = Search::glibc(machine, TRIPLETS.triplet(arch)?, library_directories(tree));
        let files = tree.elf_files().filter(|(_, facts)| facts.machine == machine && facts.dynamic).collect();
        let library_path = config["Env"].as_array().into_iter().flatten();
        let library_path = library_path
            .filter_map(|variable| variable.as_str()?.strip_prefix("LD_LIBRARY_PATH="))
            .flat_map(|path| path.split([':', ';']))
            .filter_map(|directory| RootPath::parse(directory).ok())
            .collect();
        let (reached, missing) = (BTreeSet::new(), BTreeSet::new());
        Some(Closure { tree, search, library_path, files, reached, missing })
    }

    /// Every library and loader that is missing, each once for each file that names it.
    pub(super) fn faults(mut self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let files = std::mem::take(&mut self.files);
        for (path, facts) in &files {
            let Some(interp) = &facts.interp else { continue };
            let found = RootPath::parse(interp).ok().and_then(|interp| loader::resolve(self.tree, &interp));
            if found.is_none() {
                faults.push(Fault::Interpreter { file: (*path).clone(), interp: interp.clone() });
            }
            self.walk(path, facts);
        }
        let present: BTreeSet<&str> = files
            .iter()
            .flat_map(|(path, facts)| [Some(path.file_name()), facts.soname.as_deref()])
            .flatten()
            .collect();
        let by_executables = std::mem::take(&mut self.missing);
        for (path, facts) in &files {
            if facts.interp.is_none() && !self.reached.contains(*path) {
                self.walk(path, facts);
            }
        }
        self.missing.retain(|(_, soname)| !present.contains(soname.as_str()));
        self.missing.extend(by_executables);
        let missing = self.missing.into_iter();
        faults.extend(missing.map(|(file, soname)| Fault::Library { file, soname }));
        faults
    }

    fn walk(&mut self, path: &RootPath, facts: &ElfFacts) {
        let tree = self.tree;
        // A queue of objects, each with those that led to it, itself first.
        let mut loaded: BTreeSet<String> = BTreeSet::new();
        let mut queue = VecDeque::from([vec![Loaded { name: path.clone(), file: path.clone(), facts }]]);
        while let Some(chain) = queue.pop_front() {
            let requesters: Vec<Requester<'_>> =
                chain.iter().map(|loaded| Requester { path: &loaded.name, facts: loaded.facts }).collect();
            let Some(first) = chain.first() else { continue };
            for needed in &first.facts.needed {
                if !loaded.insert(needed.clone()) {
                    continue;
                }
                let Some(found) = self.search.find(tree, needed, &requesters, &self.library_path) else {
                    self.missing.insert((first.file.clone(), needed.clone()));
                    continue;
                };
                if let Some(Node::File(Some(facts))) = tree.node(&found.file) {
                    loaded.extend(facts.soname.clone());
                    self.reached.insert(found.file.clone());
                    let mut longer = vec![Loaded { name: found.link, file: found.file, facts }];
                    longer.extend(chain.iter().cloned());
                    queue.push_back(longer);
                }
            }
        }
    }
}

/// An object that was loaded.
#[derive(Clone)]
struct Loaded<'a> {
    /// As the loader opened it.
    name: RootPath,
    /// Where that leads.
    file: RootPath,
    facts: &'a ElfFacts,
}

/// The directories that `/etc/ld.so.conf` and `/etc/ld.so.conf.d/*.conf` name. The loader knows them from
/// `ld.so.cache` alone: without it they do not count.
fn library_directories(tree: &ImageTree) -> Vec<RootPath> {
    let cache = RootPath::parse("/etc/ld.so.cache").ok().and_then(|cache| loader::resolve(tree, &cache));
    if cache.is_none() {
        return Vec::new();
    }
    tree.loader_configuration()
        .flat_map(str::lines)
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| line.starts_with('/'))
        .filter_map(|line| RootPath::parse(line).ok())
        .collect()
}
