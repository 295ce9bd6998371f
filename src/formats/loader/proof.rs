//! Would it link? Loaded programs and plug-ins -> every version and symbol that the loader would not find.
//!
//! As ld.so has it (Drepper, "How To Write Shared Libraries"; LSB, "Symbol Versioning"): each version that an object
//! needs of a library must be defined there, unless the library defines none at all or the need is weak; each symbol
//! that relocations speak of is sought in all objects of the program, in the order of loading. Here only whether
//! *some* object has it matters. musl knows no versions; it passes over those that are kept for old programs, over
//! `STT_GNU_IFUNC`, and binds everything when a program starts.
//!
//! For a program and what it loads, a missing version is an error, and so is a missing symbol that is sought at the
//! start: data, what is copied, what is pointed at, everything with `BIND_NOW` or musl. A function that would be
//! sought at its first call is a warning: it may never be called.
//!
//! A plug-in is loaded into a program that is not known. So what it misses in its own closure is sought in the
//! programs there are with all that they load, and in the other plug-ins, since some build on each other (Apache's
//! modules, X drivers); libraries that nothing loads do not count. What remains is a warning.
//!
//! Where a library is missing, symbols are not spoken of: it may have them.
//!
//! Left out: `LD_PRELOAD`, `dlmopen` and audit libraries; whether sizes and types of symbols agree.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::process::Process;
use crate::elf::{Binding, SymbolKind};
use crate::root_path::RootPath;

mod symbols;

use symbols::{Import, SymbolIndex};

/// How many symbols a message names.
const NAMED: usize = 4;

/// What a file is loaded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A program that is started.
    Program,
    /// A file that some program opens by name.
    Plugin,
}

/// Something loaded whose links are to be proven.
#[derive(Clone, Debug)]
pub struct Subject<'t> {
    /// The file with all that it loads.
    pub process: Process<'t>,
    /// What it is loaded as.
    pub role: Role,
    /// Whether musl's loader does it ([`super::Search::is_musl`]).
    pub by_musl: bool,
    /// `LD_BIND_NOW` is set for it.
    pub bind_now: bool,
}

/// What would go wrong when a file is loaded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// The file that needs what is not there.
    pub file: RootPath,
    /// The program or plug-in that it is loaded for: the first of several by path.
    pub subject: RootPath,
    /// Whether a program does not start. Else something may fail later, or a plug-in not load.
    pub is_error: bool,
    /// What is missing.
    pub fault: LinkFault,
}

/// What is missing where files are linked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LinkFault {
    /// A library does not define versions that are needed of it.
    Versions {
        /// The library as it is asked for.
        soname: String,
        /// The file that was found.
        library: RootPath,
        /// The versions, in the order of their names.
        versions: Vec<String>,
    },
    /// A library defines no versions, though some are needed of it. glibc's loader says so and goes on.
    Unversioned {
        /// The library as it is asked for.
        soname: String,
        /// The file that was found.
        library: RootPath,
    },
    /// Nothing that is loaded defines symbols that are needed.
    Symbols(Vec<MissingSymbol>),
}

/// A symbol that nothing defines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MissingSymbol {
    /// Its name.
    pub name: String,
    /// The version it must have, and the library that is to have it as the file says.
    pub version: Option<(String, String)>,
    /// It is data, as far as the file tells.
    pub is_data: bool,
}

impl fmt::Display for MissingSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some((version, library)) => write!(f, "`{}@{version}` (of {library})", self.name),
            None => write!(f, "`{}`", self.name),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { file, subject, fault, .. } = self;
        match fault {
            LinkFault::Versions { soname, library, versions } => {
                let s = if versions.len() == 1 { "" } else { "s" };
                let versions: Vec<String> = versions.iter().map(|version| format!("`{version}`")).collect();
                write!(f, "{file} needs the version{s} {} of `{soname}`, ", versions.join(", "))?;
                write!(f, "which {library} does not define")?;
            }
            LinkFault::Unversioned { soname, library } => {
                return write!(f, "{file} needs versions of `{soname}`, and {library} has none");
            }
            LinkFault::Symbols(symbols) => {
                let s = if symbols.len() == 1 { "" } else { "s" };
                let named: Vec<String> = symbols.iter().take(NAMED).map(ToString::to_string).collect();
                write!(f, "{file} needs the symbol{s} {}", named.join(", "))?;
                if symbols.len() > NAMED {
                    write!(f, " and {} more", symbols.len() - NAMED)?;
                }
                f.write_str(", which nothing ")?;
                if file == subject {
                    f.write_str("that it loads defines")?;
                } else {
                    write!(f, "that {subject} loads defines")?;
                }
            }
        }
        if file != subject && matches!(fault, LinkFault::Versions { .. }) {
            write!(f, " (loaded by {subject})")?;
        }
        Ok(())
    }
}

/// Proves that all subjects of an image would link; tells what would not, in the order of the files.
///
/// The time is linear in the number of symbols, as long as most libraries find theirs in the same files whoever
/// loads them. Exports that nobody imports are not kept.
pub fn prove(subjects: &[Subject<'_>]) -> Vec<Finding> {
    let index = SymbolIndex::of(subjects);
    let mut proof = Proof { index: &index, proven: HashMap::new(), findings: BTreeMap::new() };
    let mut hosts = BTreeSet::new();
    for subject in subjects {
        proof.versions(subject);
        match subject.role {
            Role::Program => {
                hosts.extend(index.files_of(subject));
                proof.program(subject);
            }
            // What opens a plug-in may be a plug-in's library: an interpreter that a server has as one, say.
            Role::Plugin => hosts.extend(index.files_of(subject)),
        }
    }
    for subject in subjects.iter().filter(|subject| subject.role == Role::Plugin) {
        proof.plugin(subject, &hosts);
    }
    let findings = proof.findings.into_iter();
    findings.map(|((file, is_error, fault), subject)| Finding { file, subject, is_error, fault }).collect()
}

struct Proof<'p, 't> {
    index: &'p SymbolIndex<'t>,
    /// Files that found all their symbols, by whether musl's rules held, with those that had them.
    proven: HashMap<(u32, bool), BTreeSet<u32>>,
    findings: BTreeMap<(RootPath, bool, LinkFault), RootPath>,
}

impl<'p, 't> Proof<'p, 't> {
    fn find(&mut self, subject: &Subject<'_>, object: usize, is_error: bool, fault: LinkFault) {
        let objects = &subject.process.objects;
        let root = &objects[0].file;
        let first = self.findings.entry((objects[object].file.clone(), is_error, fault));
        let first = first.or_insert_with(|| root.clone());
        if root < first {
            first.clone_from(root);
        }
    }

    /// Version needs against definitions, which only glibc's loader compares.
    fn versions(&mut self, subject: &Subject<'_>) {
        if subject.by_musl {
            return;
        }
        let process = &subject.process;
        for (number, object) in process.objects.iter().enumerate() {
            let mut missing: BTreeMap<&str, (usize, BTreeSet<&str>)> = BTreeMap::new();
            for (soname, version, weak) in object.facts.symbols.versions_needed() {
                // What is not there is told elsewhere.
                let Some(library) = library(process, soname) else { continue };
                let facts = process.objects[library].facts;
                match self.index.definitions(facts) {
                    None => {
                        let library = process.objects[library].file.clone();
                        let fault = LinkFault::Unversioned { soname: soname.to_owned(), library };
                        self.find(subject, number, false, fault);
                    }
                    Some(defined) if !weak && !defined.contains(version) => {
                        missing.entry(soname).or_insert((library, BTreeSet::new())).1.insert(version);
                    }
                    Some(_) => {}
                }
            }
            for (soname, (library, versions)) in missing {
                let fault = LinkFault::Versions {
                    soname: soname.to_owned(),
                    library: process.objects[library].file.clone(),
                    versions: versions.into_iter().map(ToOwned::to_owned).collect(),
                };
                self.find(subject, number, subject.role == Role::Program, fault);
            }
        }
    }

    fn program(&mut self, subject: &Subject<'_>) {
        if !subject.process.missing.is_empty() {
            return;
        }
        let files = self.index.files_of(subject);
        let scope: BTreeSet<u32> = files.iter().copied().collect();
        for (number, file) in files.into_iter().enumerate() {
            let mut missing = self.missing(file, subject.by_musl, &scope);
            missing.retain(|import| !self.lacks_version(subject, import));
            let bind_now =
                subject.by_musl || subject.bind_now || subject.process.objects[number].facts.bind_now;
            let (now, later): (Vec<_>, Vec<_>) =
                missing.into_iter().partition(|import| bind_now || import.binding != Binding::Lazy);
            for (is_error, imports) in [(true, now), (false, later)] {
                if !imports.is_empty() {
                    self.find(subject, number, is_error, LinkFault::Symbols(named(&imports)));
                }
            }
        }
    }

    fn plugin(&mut self, subject: &Subject<'_>, hosts: &BTreeSet<u32>) {
        if !subject.process.missing.is_empty() {
            return;
        }
        let files = self.index.files_of(subject);
        let scope: BTreeSet<u32> = files.iter().copied().collect();
        let mut wider = None;
        for (number, file) in files.into_iter().enumerate() {
            if self.missing(file, subject.by_musl, &scope).is_empty() {
                continue;
            }
            let wider = wider.get_or_insert_with(|| scope.union(hosts).copied().collect());
            let mut missing = self.missing(file, subject.by_musl, wider);
            let soname = subject.process.objects[number].facts.soname.as_deref();
            missing.retain(|import| !self.lacks_version(subject, import) && !is_debuggers(soname, import));
            if !missing.is_empty() {
                self.find(subject, number, false, LinkFault::Symbols(named(&missing)));
            }
        }
    }

    /// Whether the very version of an import is not defined, which is told already.
    fn lacks_version(&self, subject: &Subject<'_>, import: &Import<'_>) -> bool {
        let Some((soname, version)) = import.version.filter(|_| !subject.by_musl) else { return false };
        library(&subject.process, soname)
            .and_then(|number| self.index.definitions(subject.process.objects[number].facts))
            .is_some_and(|defined| !defined.contains(version))
    }

    /// What a file does not find in a set of files.
    fn missing(&mut self, file: u32, by_musl: bool, scope: &BTreeSet<u32>) -> Vec<&'p Import<'t>> {
        let index = self.index;
        if self.proven.get(&(file, by_musl)).is_some_and(|providers| providers.is_subset(scope)) {
            return Vec::new();
        }
        let mut providers = BTreeSet::new();
        let mut missing = Vec::new();
        for import in index.imports_of(file) {
            match index.provider(file, import, by_musl, scope) {
                Some(provider) => {
                    providers.insert(provider);
                }
                None => missing.push(import),
            }
        }
        if missing.is_empty() {
            self.proven.insert((file, by_musl), providers);
        }
        missing
    }
}

/// Whether a debugger has what a library lacks: glibc's for debugging threads calls whatever program opens it
/// (`proc_service.h`).
fn is_debuggers(soname: Option<&str>, import: &Import<'_>) -> bool {
    soname == Some("libthread_db.so.1") && import.name.starts_with("ps_")
}

/// The object that a name stands for.
fn library(process: &Process<'_>, soname: &str) -> Option<usize> {
    let known = process.names.get(soname).copied();
    known.or_else(|| process.objects.iter().position(|object| object.path.file_name() == soname))
}

fn named(imports: &[&Import<'_>]) -> Vec<MissingSymbol> {
    let named = imports.iter().map(|import| MissingSymbol {
        name: import.name.to_owned(),
        version: import.version.map(|(library, version)| (version.to_owned(), library.to_owned())),
        is_data: matches!(import.kind, SymbolKind::Object | SymbolKind::ThreadLocal),
    });
    // One name may be needed in several versions.
    let sorted: BTreeSet<MissingSymbol> = named.collect();
    sorted.into_iter().collect()
}
