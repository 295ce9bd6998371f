//! The proof that what was chosen links, and what there is to say where it does not.
//!
//! It is made once, when nothing more is wanted, over the chosen files alone: each program and plug-in is loaded
//! from them ([`crate::loader::prove`]). Programs for glibc on a distro with musl are left out: what their stand-in
//! has of glibc is not told by symbols.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalog::FileCatalog;
use crate::elf::PackedSymbols;
use crate::loader::{
    FileTree, Finding, LinkFault, Node, Remembered, Role, Search, Subject, hwcaps_levels, prove,
};
use crate::root_path::RootPath;

use super::selector::Selector;
use super::{Inputs, Warning};

/// Files that do not fit together, with the packages that they come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unproven {
    /// What does not fit.
    pub finding: Finding,
    /// The package of the file that needs something.
    pub package: String,
    /// The package that should have it: that of the library whose versions do not do.
    pub library_package: Option<String>,
    /// A file that has the first of the missing symbols or a library of the right name, and its package.
    pub elsewhere: Option<(RootPath, String)>,
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (from {}", self.finding, self.package)?;
        if let Some(library) = self.library_package.as_ref().filter(|library| **library != self.package) {
            write!(f, ", and the library from {library}")?;
        }
        f.write_str(")")?;
        match &self.elsewhere {
            Some((path, package)) => write!(f, "; {path} of {package} has it"),
            None => Ok(()),
        }
    }
}

/// The files that were chosen, as the image will have them.
struct Kept<'s, 'a>(&'s Selector<'a>);

impl FileTree for Kept<'_, '_> {
    fn node(&self, path: &RootPath) -> Option<Node<'_>> {
        let selector = self.0;
        if let Some(target) = selector.inputs.catalog.merged_usr().link(path) {
            return Some(Node::Symlink(target));
        }
        if let Some(own) = selector.inputs.own.node(path).filter(|node| !matches!(node, Node::Directory)) {
            return Some(own);
        }
        if selector.chosen.contains_key(path) {
            return selector.inputs.catalog.node(path);
        }
        if let Some((_, link)) = selector.passed.get(path) {
            return Some(Node::Symlink(&link.target));
        }
        let below = |other: &RootPath| other.is_within(path);
        let implied = path.is_root()
            || selector.chosen.range(path.clone()..).next().is_some_and(|(other, _)| below(other))
            || selector.passed.range(path.clone()..).next().is_some_and(|(other, _)| below(other))
            || selector.inputs.own.node(path).is_some();
        implied.then_some(Node::Directory)
    }
}

impl Selector<'_> {
    /// Proves that the image links. What keeps a program from starting is returned, the rest becomes warnings.
    pub(super) fn prove(&mut self) -> Vec<Unproven> {
        if self.loads_as_below() {
            let known = self.inputs.below.warnings.iter();
            self.warnings.extend(known.filter(|warning| matches!(warning, Warning::Unproven(_))).cloned());
            return Vec::new();
        }
        // What a base image has is its maker's to prove.
        let findings = self.findings().into_iter().filter(|finding| !self.is_given(&finding.file));
        let unproven: Vec<Unproven> = findings.map(|finding| self.explained(finding)).collect();
        let (errors, warnings): (Vec<_>, Vec<_>) =
            unproven.into_iter().partition(|unproven| unproven.finding.is_error);
        self.warnings.extend(warnings.into_iter().map(Warning::Unproven));
        errors
    }

    /// Whether nothing was added to the layers below that a loader might see: then what was proven of them holds.
    fn loads_as_below(&self) -> bool {
        let Inputs { recipe, below, own, catalog, loader_configuration, musl_path, .. } = self.inputs;
        let Some(base) = &recipe.base else { return false };
        let count = below.layers.len();
        let env = |name: &str| (recipe.image.env.get(name), base.recipe.image.env.get(name));
        let is_same = |name: &str| matches!(env(name), (ours, theirs) if ours == theirs);
        is_same("LD_BIND_NOW")
            && is_same("LD_LIBRARY_PATH")
            // What says where to look is packages' alone.
            && loader_configuration.keys().all(|path| !catalog.at(path).is_empty())
            && musl_path.is_none()
            && self.elf_roots.is_empty()
            && !own.adds_from(count)
            && self.passed.values().all(|(layer, _)| *layer < count)
            && self.chosen.values().all(|chosen| chosen.layer < count)
    }

    fn findings(&self) -> Vec<Finding> {
        let kept = Kept(self);
        let kept = Remembered::new(&kept);
        let bind_now = self.inputs.recipe.image.env.get("LD_BIND_NOW").is_some_and(|value| !value.is_empty());
        let levels = hwcaps_levels(self.chosen.keys());
        let mut subjects = Vec::new();
        let mut loaded = BTreeSet::new();
        let roots = || self.settled_roots.iter().chain(&self.elf_roots).filter(|root| !root.is_foreign);
        let mut load = |search: &Search, path: &RootPath, role| {
            let Some(process) = search.load(&kept, path, &self.library_path) else { return };
            if role == Role::Program {
                loaded.extend(process.objects.iter().map(|object| object.file.clone()));
            }
            subjects.push(Subject { process, role, by_musl: search.is_musl(), bind_now });
        };
        for root in roots().filter(|root| root.is_program) {
            load(&root.search, &root.path, Role::Program);
            for level in &levels {
                load(&root.search.as_ref().clone().with_hwcaps(level.clone()), &root.path, Role::Program);
            }
        }
        let loaded = std::mem::take(&mut loaded);
        for root in roots().filter(|root| !root.is_program && !loaded.contains(&root.path)) {
            if let Some(process) = root.search.load(&kept, &root.path, &self.library_path) {
                let by_musl = root.search.is_musl();
                subjects.push(Subject { process, role: Role::Plugin, by_musl, bind_now });
            }
        }
        prove(&subjects)
    }

    fn explained(&self, finding: Finding) -> Unproven {
        let package = self.package_at(&finding.file);
        let (library_package, elsewhere) = match &finding.fault {
            LinkFault::Versions { library, .. } | LinkFault::Unversioned { library, .. } => {
                (Some(self.package_at(library)), None)
            }
            LinkFault::Symbols(symbols) => {
                let first = symbols.first();
                let library = first.and_then(|symbol| {
                    let (_, soname) = symbol.version.as_ref()?;
                    let found = self.search.find(&Kept(self), soname, &[], &self.library_path)?;
                    Some(self.package_at(&found.file))
                });
                let has = |symbols: &PackedSymbols| {
                    first.is_some_and(|symbol| {
                        let version = symbol.version.as_ref().map(|(version, _)| version.as_str());
                        symbols.define(&symbol.name, version)
                    })
                };
                (library, provider(self.inputs.catalog, has))
            }
        };
        Unproven { finding, package, library_package, elsewhere }
    }
}

/// The first file of a catalogue whose symbols do, and its package.
fn provider(catalog: &FileCatalog, has: impl Fn(&PackedSymbols) -> bool) -> Option<(RootPath, String)> {
    catalog.paths().find_map(|(path, references)| {
        let (package, file) = catalog.get(*references.first()?);
        file.elf.as_ref().filter(|facts| has(&facts.symbols))?;
        Some((path.clone(), package.name.clone()))
    })
}
