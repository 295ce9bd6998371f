//! Dynamic symbols as they are kept: packed into one byte string, unpacked on demand.
//!
//! A package's manifest holds them for each of its ELF files, and few are ever asked for: so reading a manifest
//! copies one byte string for each file, and what a question needs is decoded when it is asked. The packed form:
//! version needs, version definitions, imports and exports, each list after its length, numbers as LEB128. Names
//! of exports are written as the length shared with the one before, and the rest. Both lists are in the order of
//! the names' bytes.
//!
//! The bytes come from a cache whose checksum was compared, or from [`Symbols::pack`]; should they be damaged all
//! the same, the lists end early.

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// The dynamic symbols of an ELF file and their versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symbols {
    /// What other files must define, in the order of their names.
    pub imports: Vec<Import>,
    /// What other files can use, in the order of their names.
    pub exports: Vec<Export>,
    /// The versions that other files must define (`DT_VERNEED`), file by file.
    pub versions_needed: Vec<VersionNeed>,
    /// The versions that it defines (`DT_VERDEF`), the base version, which is its own name, left out.
    pub versions_defined: Vec<String>,
    /// Whether it has version definitions at all; the base version alone counts.
    pub has_definitions: bool,
}

/// A symbol that another file must define.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its name.
    pub name: String,
    /// The version that it must have.
    pub version: Option<ImportVersion>,
    /// `STB_WEAK`: it may be missing.
    pub weak: bool,
    /// What it is, as far as this file tells; for what was not known when it was linked, it does not.
    pub kind: SymbolKind,
    /// When the loader seeks it.
    pub binding: Binding,
}

/// Which version an import is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportVersion {
    /// The library that is to have it, as `DT_VERNEED` names it.
    pub library: String,
    /// The version's name.
    pub name: String,
}

/// What a symbol stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SymbolKind {
    /// Nothing is said (`STT_NOTYPE`).
    Unknown,
    /// A function; `STT_GNU_IFUNC` too.
    Function,
    /// Data; `STT_COMMON` too.
    Object,
    /// Data that each thread has (`STT_TLS`).
    ThreadLocal,
}

/// When the loader seeks an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binding {
    /// Never: no relocation speaks of it.
    Unused,
    /// At its first call, unless the file or the environment wants all at once: only entries of the procedure
    /// linkage table (`DT_JMPREL`) speak of it.
    Lazy,
    /// When the file is loaded.
    Now,
    /// When the file is loaded, in all files but this one, to copy it from there (`R_*_COPY`): it is defined here.
    Copy,
}

/// A symbol that other files can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// Its version; none where the file has no versions, or for the base version.
    pub version: Option<String>,
    /// It is what a reference without a version gets; false for versions that are kept for old programs.
    pub default: bool,
    /// It has the first version that its file defines, or none: what programs older than the versions use.
    pub oldest: bool,
    /// What it is.
    pub kind: SymbolKind,
    /// `STT_GNU_IFUNC`, which musl does not know.
    pub indirect: bool,
}

/// The versions that one library must define.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionNeed {
    /// The library, as `DT_NEEDED` has it.
    pub library: String,
    /// The versions, each with whether it may be missing (`VER_FLG_WEAK`).
    pub versions: Vec<(String, bool)>,
}

/// [`Symbols`] in one byte string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackedSymbols(Box<[u8]>);

/// An export while packed symbols are read: nothing is allocated for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExportRef<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: Option<&'a str>,
    pub(crate) default: bool,
    pub(crate) oldest: bool,
    pub(crate) kind: SymbolKind,
    pub(crate) indirect: bool,
}

/// An import while packed symbols are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImportRef<'a> {
    pub(crate) name: &'a str,
    /// Library and version.
    pub(crate) version: Option<(&'a str, &'a str)>,
    pub(crate) weak: bool,
    pub(crate) kind: SymbolKind,
    pub(crate) binding: Binding,
}

/// What stands before the lists of symbols.
struct Versions<'a> {
    /// Library and version, and whether it may be missing, in the order of the file.
    needed: Vec<(&'a str, &'a str, bool)>,
    defined: Vec<&'a str>,
    has_definitions: bool,
}

const WEAK: u8 = 1 << 0;
const DEFAULT: u8 = 1 << 0;
const OLDEST: u8 = 1 << 1;
const INDIRECT: u8 = 1 << 2;
/// Two bits for what a symbol is.
const KIND: u8 = 4;
/// Two bits for when an import is sought.
const BINDING: u8 = 6;

impl SymbolKind {
    const ALL: [Self; 4] = [Self::Unknown, Self::Function, Self::Object, Self::ThreadLocal];

    fn of_bits(flags: u8) -> Self {
        Self::ALL[usize::from((flags >> KIND) & 3)]
    }

    fn bits(self) -> u8 {
        (self as u8) << KIND
    }
}

impl Binding {
    const ALL: [Self; 4] = [Self::Unused, Self::Lazy, Self::Now, Self::Copy];

    fn of_bits(flags: u8) -> Self {
        Self::ALL[usize::from((flags >> BINDING) & 3)]
    }

    fn bits(self) -> u8 {
        (self as u8) << BINDING
    }
}

impl Symbols {
    /// Packs them; the lists are sorted by name first.
    pub fn pack(&self) -> PackedSymbols {
        if *self == Symbols::default() {
            return PackedSymbols::default();
        }
        let mut out = Writer(Vec::new());
        let needed = self.versions_needed.iter();
        let needed: Vec<(&str, &str, bool)> = needed
            .flat_map(|need| need.versions.iter().map(|(name, weak)| (&*need.library, &**name, *weak)))
            .collect();
        out.number(needed.len());
        for (library, name, weak) in &needed {
            out.text(library);
            out.text(name);
            out.0.push(u8::from(*weak));
        }
        out.0.push(u8::from(self.has_definitions));
        out.number(self.versions_defined.len());
        self.versions_defined.iter().for_each(|name| out.text(name));
        out.imports(&self.imports, &needed);
        out.exports(&self.exports, &self.versions_defined);
        PackedSymbols(out.0.into())
    }
}

impl PackedSymbols {
    /// All of them.
    pub fn unpack(&self) -> Symbols {
        let mut symbols = Symbols::default();
        self.read(
            |import| {
                let version = import.version.map(|(library, name)| ImportVersion {
                    library: library.to_owned(),
                    name: name.to_owned(),
                });
                let ImportRef { name, weak, kind, binding, .. } = import;
                symbols.imports.push(Import { name: name.to_owned(), version, weak, kind, binding });
            },
            |export| {
                let ExportRef { name, version, default, oldest, kind, indirect } = export;
                let version = version.map(ToOwned::to_owned);
                let name = name.to_owned();
                symbols.exports.push(Export { name, version, default, oldest, kind, indirect });
            },
        );
        let Some(versions) = self.versions().map(|(versions, _)| versions) else { return symbols };
        for (library, name, weak) in versions.needed {
            let version = (name.to_owned(), weak);
            match symbols.versions_needed.last_mut() {
                Some(need) if need.library == library => need.versions.push(version),
                _ => symbols
                    .versions_needed
                    .push(VersionNeed { library: library.to_owned(), versions: vec![version] }),
            }
        }
        symbols.versions_defined = versions.defined.into_iter().map(ToOwned::to_owned).collect();
        symbols.has_definitions = versions.has_definitions;
        symbols
    }

    /// Whether it has an undefined dynamic symbol of that name, or one that it copies from another file.
    pub fn imports(&self, name: &str) -> bool {
        self.imported().any(|import| import == name)
    }

    /// The names of what it imports, in the order of their bytes.
    pub fn imported(&self) -> impl Iterator<Item = &str> {
        self.import_refs().map(|import| import.name)
    }

    /// The versions needed: library, version, whether it may be missing.
    pub(crate) fn versions_needed(&self) -> Vec<(&str, &str, bool)> {
        self.versions().map(|(versions, _)| versions.needed).unwrap_or_default()
    }

    /// The versions defined; none where there are no definitions at all.
    pub(crate) fn versions_defined(&self) -> Option<Vec<&str>> {
        let (versions, _) = self.versions()?;
        versions.has_definitions.then_some(versions.defined)
    }

    /// What is imported.
    pub(crate) fn import_refs(&self) -> impl Iterator<Item = ImportRef<'_>> {
        let (needed, mut reader) =
            self.versions().map_or((Vec::new(), Reader(&[])), |(versions, rest)| (versions.needed, rest));
        let count = reader.number().unwrap_or(0);
        (0..count).map_while(move |_| reader.import(&needed))
    }

    /// Whether a symbol is exported, of this version or of none; any version where none is asked for.
    pub fn define(&self, name: &str, version: Option<&str>) -> bool {
        let mut found = false;
        self.each_export(|export| {
            let fits = || version.is_none() || export.version.is_none() || export.version == version;
            found |= export.name == name && fits();
        });
        found
    }

    /// Shows what is exported, one by one.
    pub(crate) fn each_export(&self, export: impl FnMut(ExportRef<'_>)) {
        self.read(|_| {}, export);
    }

    fn read(&self, mut import: impl FnMut(ImportRef<'_>), mut export: impl FnMut(ExportRef<'_>)) {
        let Some((versions, mut reader)) = self.versions() else { return };
        for _ in 0..reader.number().unwrap_or(0) {
            let Some(one) = reader.import(&versions.needed) else { return };
            import(one);
        }
        let mut name = Vec::new();
        for _ in 0..reader.number().unwrap_or(0) {
            let Some((flags, version)) = reader.export(&mut name) else { return };
            let Ok(name) = std::str::from_utf8(&name) else { return };
            let version = version.checked_sub(1).and_then(|at| versions.defined.get(at).copied());
            export(ExportRef {
                name,
                version,
                default: flags & DEFAULT != 0,
                oldest: flags & OLDEST != 0,
                kind: SymbolKind::of_bits(flags),
                indirect: flags & INDIRECT != 0,
            });
        }
    }

    fn versions(&self) -> Option<(Versions<'_>, Reader<'_>)> {
        let mut reader = Reader(&self.0);
        let mut needed = Vec::new();
        for _ in 0..reader.number()? {
            needed.push((reader.text()?, reader.text()?, reader.byte()? != 0));
        }
        let has_definitions = reader.byte()? != 0;
        let mut defined = Vec::new();
        for _ in 0..reader.number()? {
            defined.push(reader.text()?);
        }
        Some((Versions { needed, defined, has_definitions }, reader))
    }
}

impl Serialize for PackedSymbols {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for PackedSymbols {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = PackedSymbols;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("packed symbols")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<PackedSymbols, E> {
                Ok(PackedSymbols(bytes.into()))
            }

            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<PackedSymbols, E> {
                Ok(PackedSymbols(bytes.into()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

fn flag(is_set: bool, bit: u8) -> u8 {
    if is_set { bit } else { 0 }
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, mut number: usize) {
        loop {
            let low = number.to_le_bytes()[0] & 0x7f;
            number >>= 7;
            if number == 0 {
                return self.0.push(low);
            }
            self.0.push(low | 0x80);
        }
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn imports(&mut self, imports: &[Import], needed: &[(&str, &str, bool)]) {
        let mut sorted: Vec<&Import> = imports.iter().collect();
        sorted.sort_by(|a, b| a.name.cmp(&b.name));
        self.number(sorted.len());
        for import in sorted {
            self.text(&import.name);
            self.0.push(flag(import.weak, WEAK) | import.kind.bits() | import.binding.bits());
            let version = import.version.as_ref().and_then(|version| {
                needed.iter().position(|one| one.0 == version.library && one.1 == version.name)
            });
            self.number(version.map_or(0, |at| at + 1));
        }
    }

    fn exports(&mut self, exports: &[Export], defined: &[String]) {
        let mut sorted: Vec<&Export> = exports.iter().collect();
        sorted.sort_by(|a, b| a.name.cmp(&b.name));
        self.number(sorted.len());
        let mut before = "";
        for export in sorted {
            let name = export.name.as_bytes();
            let shared = before.bytes().zip(name).take_while(|(a, b)| a == *b).count();
            before = &export.name;
            self.number(shared);
            self.number(name.len() - shared);
            self.0.extend_from_slice(&name[shared..]);
            let flags = flag(export.default, DEFAULT)
                | flag(export.oldest, OLDEST)
                | flag(export.indirect, INDIRECT)
                | export.kind.bits();
            self.0.push(flags);
            let version =
                export.version.as_ref().and_then(|version| defined.iter().position(|name| name == version));
            self.number(version.map_or(0, |at| at + 1));
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn import(&mut self, needed: &[(&'a str, &'a str, bool)]) -> Option<ImportRef<'a>> {
        let name = self.text()?;
        let flags = self.byte()?;
        let version = self.number()?.checked_sub(1).and_then(|at| needed.get(at));
        Some(ImportRef {
            name,
            version: version.map(|(library, name, _)| (*library, *name)),
            weak: flags & WEAK != 0,
            kind: SymbolKind::of_bits(flags),
            binding: Binding::of_bits(flags),
        })
    }

    /// Replaces the name before by the next; gives flags and version.
    fn export(&mut self, name: &mut Vec<u8>) -> Option<(u8, usize)> {
        let shared = self.number()?;
        name.truncate(shared);
        name.extend_from_slice(self.bytes()?);
        Some((self.byte()?, self.number()?))
    }
}
