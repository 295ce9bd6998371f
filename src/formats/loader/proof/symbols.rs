//! Which files define the symbols that others import.
//!
//! Files are numbered by their paths. Of their exports only those are kept that some file imports, so the index is
//! about as large as the imports are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Subject;
use crate::elf::{Binding, ElfFacts, SymbolKind};
use crate::root_path::RootPath;

/// A symbol that a file cannot do without.
#[derive(Clone, Copy, Debug)]
pub(super) struct Import<'t> {
    pub(super) name: &'t str,
    /// Library and version.
    pub(super) version: Option<(&'t str, &'t str)>,
    pub(super) kind: SymbolKind,
    pub(super) binding: Binding,
    symbol: u32,
    /// The number of the version's name.
    version_number: Option<u32>,
}

/// A definition of a symbol that somebody imports.
#[derive(Clone, Copy, Debug)]
struct Definition {
    file: u32,
    version: Version,
    default: bool,
    oldest: bool,
    indirect: bool,
}

/// The version of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    None,
    /// One that somebody needs, by its number.
    Needed(u32),
    /// Another.
    Other,
}

pub(super) struct SymbolIndex<'t> {
    numbers: BTreeMap<&'t RootPath, u32>,
    imports: Vec<Vec<Import<'t>>>,
    /// By symbol, then in the order of the files.
    definitions: Vec<Vec<Definition>>,
    /// By address of the facts: what [`SymbolIndex::definitions`] tells.
    versions: HashMap<*const ElfFacts, Option<BTreeSet<&'t str>>>,
}

impl<'t> SymbolIndex<'t> {
    pub(super) fn of(subjects: &'t [Subject<'t>]) -> Self {
        let objects = subjects.iter().flat_map(|subject| &subject.process.objects);
        let files: BTreeMap<&RootPath, &ElfFacts> =
            objects.map(|object| (&object.file, object.facts)).collect();
        let mut symbols: HashMap<&str, u32> = HashMap::new();
        let mut versions: HashMap<&str, u32> = HashMap::new();
        let mut imports = Vec::with_capacity(files.len());
        for facts in files.values() {
            let needed = facts
                .symbols
                .import_refs()
                .filter(|import| !import.weak && import.binding != Binding::Unused);
            let of_file = needed.map(|import| Import {
                name: import.name,
                version: import.version,
                kind: import.kind,
                binding: import.binding,
                symbol: number(&mut symbols, import.name),
                version_number: import.version.map(|(_, name)| number(&mut versions, name)),
            });
            imports.push(of_file.collect());
        }
        let mut definitions = vec![Vec::new(); symbols.len()];
        for (file, facts) in (0..).zip(files.values()) {
            facts.symbols.each_export(|export| {
                let Some(symbol) = symbols.get(export.name) else { return };
                let version = match export.version {
                    None => Version::None,
                    Some(name) => {
                        versions.get(name).map_or(Version::Other, |number| Version::Needed(*number))
                    }
                };
                definitions[*symbol as usize].push(Definition {
                    file,
                    version,
                    default: export.default,
                    oldest: export.oldest,
                    indirect: export.indirect,
                });
            });
        }
        let defined = files.values().map(|facts| {
            let names = facts.symbols.versions_defined().map(|names| names.into_iter().collect());
            (std::ptr::from_ref(*facts), names)
        });
        let versions = defined.collect();
        let numbers = (0..).zip(files.into_keys()).map(|(number, path)| (path, number)).collect();
        SymbolIndex { numbers, imports, definitions, versions }
    }

    /// The numbers of a subject's objects, in the order of loading.
    pub(super) fn files_of(&self, subject: &Subject<'_>) -> Vec<u32> {
        let objects = subject.process.objects.iter();
        objects.filter_map(|object| self.numbers.get(&object.file).copied()).collect()
    }

    /// The versions that a file of the index defines; none where it has no definitions at all.
    pub(super) fn definitions(&self, facts: &ElfFacts) -> Option<&BTreeSet<&'t str>> {
        self.versions.get(&std::ptr::from_ref(facts))?.as_ref()
    }

    /// What a file needs to find.
    pub(super) fn imports_of(&self, file: u32) -> &[Import<'t>] {
        &self.imports[file as usize]
    }

    /// A file of a scope that has what a file imports.
    pub(super) fn provider(
        &self,
        file: u32,
        import: &Import<'_>,
        by_musl: bool,
        scope: &BTreeSet<u32>,
    ) -> Option<u32> {
        let fits = |definition: &&Definition| {
            let right = if by_musl {
                definition.default && !definition.indirect
            } else {
                match import.version_number {
                    // The base version too, unless it is kept for old programs.
                    Some(number) => match definition.version {
                        Version::Needed(version) => version == number,
                        Version::None => definition.default,
                        Version::Other => false,
                    },
                    None => definition.default || definition.oldest,
                }
            };
            right
                && (import.binding != Binding::Copy || definition.file != file)
                && scope.contains(&definition.file)
        };
        self.definitions[import.symbol as usize].iter().find(fits).map(|definition| definition.file)
    }
}

/// The number of a text, given out in the order of asking.
fn number<'t>(numbers: &mut HashMap<&'t str, u32>, text: &'t str) -> u32 {
    // More symbols than four thousand million do not fit into memory.
    let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
    *numbers.entry(text).or_insert(next)
}
