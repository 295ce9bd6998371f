//! Does every ELF file of an image find its libraries, as the loader would look for them, and in these the versions
//! and symbols that it needs?
//!
//! Executables are loaded as their own loader does it, glibc's or musl's. What no executable leads to (plug-ins) is
//! loaded for itself, by the loader of the image's programs; there a library that lies somewhere in the image, only
//! not where the plug-in alone would find it, is taken for one that the program has loaded before (libjvm).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Fault;
use super::tree::ImageTree;
use crate::arch::{Arch, ElfMachine};
use crate::distro::{DebianRelease, Distro};
use crate::elf::{ElfFacts, ElfKind};
use crate::loader::{
    self, FileTree, Node, Role, Search, Subject, configured_dirs, hwcaps_levels, musl_arch, musl_name,
    musl_path_file, prove,
};
use crate::root_path::RootPath;

/// Triplets do not differ between releases; Debian has one for every architecture.
const TRIPLETS: Distro = Distro::Debian(DebianRelease::Trixie);

/// Programs lead to programs that load them (gcompat), not to more than this.
const MAX_LOADERS: usize = 4;

/// A walk over the ELF files of one image.
pub(super) struct Closure<'a> {
    tree: &'a ImageTree,
    machine: ElfMachine,
    /// musl's name of the architecture.
    musl_name: &'static str,
    glibc: Search,
    /// `LD_LIBRARY_PATH` of the image.
    library_path: Option<&'a str>,
    files: Vec<(&'a RootPath, &'a ElfFacts)>,
    /// Files that were loaded by some executable.
    reached: BTreeSet<RootPath>,
    /// What files lack, with files of that name that do not do.
    missing: BTreeMap<(RootPath, String), Vec<RootPath>>,
    /// What was loaded.
    subjects: Vec<Subject<'a>>,
    /// `LD_BIND_NOW` of the image.
    bind_now: bool,
    /// Kinds of processors that have libraries of their own.
    hwcaps: Vec<Vec<String>>,
}

impl<'a> Closure<'a> {
    /// `config` is the image config's `config`. None for an architecture without a triplet.
    pub(super) fn of(tree: &'a ImageTree, arch: Arch, config: &'a Value) -> Option<Self> {
        let machine = arch.elf_machine();
        let glibc = Search::glibc(machine, TRIPLETS.triplet(arch)?, library_directories(tree));
        let files: Vec<_> =
            tree.elf_files().filter(|(_, facts)| facts.machine == machine && facts.dynamic).collect();
        let variable = |name: &str| {
            let mut variables = config["Env"].as_array().into_iter().flatten();
            variables.find_map(|variable| variable.as_str()?.strip_prefix(name)?.strip_prefix('='))
        };
        Some(Closure {
            tree,
            machine,
            musl_name: musl_name(arch),
            glibc,
            library_path: variable("LD_LIBRARY_PATH"),
            hwcaps: hwcaps_levels(files.iter().map(|(path, _)| *path)),
            files,
            reached: BTreeSet::new(),
            missing: BTreeMap::new(),
            subjects: Vec::new(),
            bind_now: variable("LD_BIND_NOW").is_some_and(|value| !value.is_empty()),
        })
    }

    /// The libraries that a program's loader opens, by the names that it opens them by.
    pub(super) fn libraries(&self, program: &RootPath) -> Vec<RootPath> {
        let Some((path, facts)) = self.files.iter().find(|(path, _)| *path == program) else {
            return Vec::new();
        };
        let search = self.search(facts.interp.as_deref().and_then(|interp| self.musl_of(interp)).as_deref());
        let library_path = self.library_path.map(|value| search.library_path(value)).unwrap_or_default();
        let process = search.load(self.tree, path, &library_path);
        process.into_iter().flat_map(|process| process.objects).skip(1).map(|object| object.path).collect()
    }

    /// Every library and loader that is missing, each once for each file that names it.
    pub(super) fn faults(mut self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let files = std::mem::take(&mut self.files);
        let mut flavours = BTreeSet::new();
        for (path, facts) in &files {
            let Some(interp) = &facts.interp else { continue };
            if self.follow(interp).is_none() {
                faults.push(Fault::Interpreter { file: (*path).clone(), interp: interp.clone() });
            }
            let arch = self.musl_of(interp);
            let search = self.search(arch.as_deref());
            // A stand-in for glibc (gcompat) has more than its symbols tell.
            let is_proven = arch.is_none() || musl_arch(interp).is_some();
            let role = is_proven.then_some(Role::Program);
            self.load(&search, path, role);
            for names in self.hwcaps.clone() {
                self.load(&search.clone().with_hwcaps(names), path, role);
            }
            flavours.insert(arch);
        }
        let present: BTreeSet<&str> = files
            .iter()
            .flat_map(|(path, facts)| [Some(path.file_name()), facts.soname.as_deref()])
            .flatten()
            .collect();
        let by_executables = std::mem::take(&mut self.missing);
        for (path, facts) in &files {
            if facts.interp.is_none() && !self.reached.contains(*path) {
                let is_program = facts.kind == ElfKind::Executable;
                let role = if is_program { Role::Program } else { Role::Plugin };
                self.load(&self.search_of_plugin(facts, &flavours), path, Some(role));
            }
        }
        let by_plugins = std::mem::take(&mut self.missing);
        let plugins = by_plugins
            .into_iter()
            .filter(|(one, _)| !present.contains(one.1.as_str()) && !by_executables.contains_key(one))
            .map(|((plugin, needed), _)| Fault::Plugin { plugin, needed })
            .collect::<Vec<_>>();
        let libraries = by_executables.into_iter();
        faults.extend(libraries.map(|((file, soname), unfit)| Fault::Library { file, soname, unfit }));
        faults.extend(plugins);
        faults.extend(prove(&self.subjects).into_iter().map(Fault::Unproven));
        faults
    }

    /// Loads a file; with a role, it is to be proven that it links.
    fn load(&mut self, search: &Search, path: &RootPath, role: Option<Role>) {
        let library_path = self.library_path.map(|value| search.library_path(value)).unwrap_or_default();
        let Some(process) = search.load(self.tree, path, &library_path) else { return };
        self.reached.extend(process.objects.iter().skip(1).map(|object| object.file.clone()));
        let missing = process.missing.iter();
        self.missing.extend(missing.map(|one| {
            let file = process.objects[one.by].file.clone();
            ((file, one.needed.clone()), one.unfit.clone())
        }));
        if let Some(role) = role {
            let (by_musl, bind_now) = (search.is_musl(), self.bind_now);
            self.subjects.push(Subject { process, role, by_musl, bind_now });
        }
    }

    fn follow(&self, path: &str) -> Option<RootPath> {
        loader::resolve(self.tree, &RootPath::parse(path).ok()?)
    }

    /// What musl calls the architecture of a loader, where it is musl's, or a program that musl's loads.
    fn musl_of(&self, interp: &str) -> Option<String> {
        let mut interp = interp;
        for _ in 0..MAX_LOADERS {
            if let Some(arch) = musl_arch(interp) {
                return Some(arch.to_owned());
            }
            let file = self.follow(interp)?;
            match self.tree.node(&file)? {
                Node::File(Some(facts)) => interp = facts.interp.as_deref()?,
                _ => return None,
            }
        }
        None
    }

    fn search(&self, musl: Option<&str>) -> Search {
        let Some(arch) = musl else { return self.glibc.clone() };
        let path_file = RootPath::parse(&musl_path_file(arch)).ok();
        let path_file = path_file.and_then(|file| self.tree.text(&file));
        Search::musl(self.machine, arch, path_file)
    }

    /// A plug-in does not name its loader. It is that of the programs; where they have none or several, the one
    /// whose libc it needs.
    fn search_of_plugin(&self, facts: &ElfFacts, flavours: &BTreeSet<Option<String>>) -> Search {
        if let (Some(only), 1) = (flavours.first(), flavours.len()) {
            return self.search(only.as_deref());
        }
        let needs = |is_libc: fn(&str) -> bool| facts.needed.iter().any(|name| is_libc(name));
        let is_musl = if needs(|name| name == "libc.so" || name.starts_with("libc.musl-")) {
            true
        } else if needs(|name| name.starts_with("libc.so.")) {
            false
        } else {
            flavours.is_empty() && self.follow(&format!("/lib/ld-musl-{}.so.1", self.musl_name)).is_some()
        };
        self.search(is_musl.then_some(self.musl_name))
    }
}

/// The directories that `/etc/ld.so.conf` and `/etc/ld.so.conf.d/*.conf` name. The loader knows them from
/// `ld.so.cache` alone: without it they do not count.
fn library_directories(tree: &ImageTree) -> Vec<RootPath> {
    let cache = RootPath::parse("/etc/ld.so.cache").ok().and_then(|cache| loader::resolve(tree, &cache));
    if cache.is_none() {
        return Vec::new();
    }
    configured_dirs(&tree.loader_configuration())
}
