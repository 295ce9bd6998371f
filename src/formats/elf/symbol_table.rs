//! `DT_SYMTAB` and what belongs to it -> [`Symbols`].
//!
//! System V gABI, "Symbol Table", "Relocation" and "Hash Table"; `DT_GNU_HASH`; symbol versions by the Linux
//! Standard Base, "Symbol Versioning". Nothing is taken from section headers: how many symbols there are follows
//! from the hash tables and the relocations.
//!
//! What no other file can see or use is left out: local and hidden symbols, those without a value.

use std::collections::BTreeMap;

use goblin::elf::{dynamic as tags, header, reloc, sym};

use super::image::{Image, Strings};
use super::symbols::{Binding, Export, Import, ImportVersion, SymbolKind, Symbols, VersionNeed};
use super::{ElfError, ElfFacts};

/// Bit of a version index: not what a reference without a version gets.
const HIDDEN: u16 = 0x8000;
/// `VER_FLG_BASE`: the version is the file's own name.
const FLAG_BASE: u16 = 1;
/// `VER_FLG_WEAK`.
const FLAG_WEAK: u16 = 2;
/// `SHN_ABS`.
const ABSOLUTE: u16 = 0xfff1;
/// Version records beyond this number are not read: indices have fifteen bits.
const MAX_VERSIONS: usize = 1 << 15;

/// One entry of `DT_SYMTAB`.
struct Entry {
    name: u64,
    info: u8,
    other: u8,
    section: u16,
    value: u64,
}

/// The version tables, by index.
#[derive(Default)]
struct VersionTables {
    needed: BTreeMap<u16, ImportVersion>,
    defined: BTreeMap<u16, String>,
    /// The index of the first version after the base.
    first: Option<u16>,
}

/// Reads all dynamic symbols of a file that has a dynamic section.
pub(super) fn read(image: &Image<'_>, strings: &Strings<'_>, facts: &ElfFacts) -> Result<Symbols, ElfError> {
    const WHAT: &str = "table of dynamic symbols";
    let mut symbols = Symbols::default();
    let Some(address) = image.last(tags::DT_SYMTAB) else { return Ok(symbols) };
    let bindings = bindings(image, facts)?;
    let versions = versions(image, strings, &mut symbols)?;
    let by_relocations = bindings.last_key_value().map_or(0, |(symbol, _)| u64::from(*symbol) + 1);
    let count = hashed(image)?.max(by_relocations);
    let size = if image.is_64 { 24 } else { 16 };
    let table =
        image.loaded(address, count.checked_mul(size).ok_or(ElfError::Outside(WHAT))?, WHAT, count == 0)?;
    let indices = match image.last(tags::DT_VERSYM) {
        Some(address) => image.loaded(address, count * 2, "table of symbol versions", count == 0)?,
        None => &[],
    };
    for (number, bytes) in (0..).zip(table.chunks_exact(if image.is_64 { 24 } else { 16 })).skip(1) {
        let entry = entry(image, bytes).ok_or(ElfError::Outside(WHAT))?;
        let version = image.half(indices, usize::try_from(number).unwrap_or(usize::MAX).saturating_mul(2));
        let binding = u32::try_from(number).ok().and_then(|number| bindings.get(&number).copied());
        add(&mut symbols, &versions, strings, &entry, version, binding)?;
    }
    Ok(symbols)
}

/// Adds one symbol to where it belongs.
fn add(
    symbols: &mut Symbols,
    versions: &VersionTables,
    strings: &Strings<'_>,
    entry: &Entry,
    version: Option<u16>,
    binding: Option<Binding>,
) -> Result<(), ElfError> {
    let bind = sym::st_bind(entry.info);
    let weak = bind == sym::STB_WEAK;
    let visible = matches!(entry.other & 3, sym::STV_DEFAULT | sym::STV_PROTECTED);
    if !(weak || matches!(bind, sym::STB_GLOBAL | sym::STB_GNU_UNIQUE)) || !visible {
        return Ok(());
    }
    let kind = match sym::st_type(entry.info) {
        sym::STT_NOTYPE => SymbolKind::Unknown,
        sym::STT_FUNC | sym::STT_GNU_IFUNC => SymbolKind::Function,
        sym::STT_OBJECT | sym::STT_COMMON => SymbolKind::Object,
        sym::STT_TLS => SymbolKind::ThreadLocal,
        _ => return Ok(()),
    };
    let undefined = entry.section == 0;
    let name = strings.at(entry.name, "name of a symbol")?;
    let index = version.map(|version| version & !HIDDEN);
    if undefined || binding == Some(Binding::Copy) {
        let version = index.and_then(|index| versions.needed.get(&index)).cloned();
        let binding = binding.unwrap_or(Binding::Unused);
        symbols.imports.push(Import { name: name.clone(), version, weak, kind, binding });
    }
    let has_value = entry.value != 0 || entry.section == ABSOLUTE || kind == SymbolKind::ThreadLocal;
    if undefined || !has_value {
        return Ok(());
    }
    // A copied symbol is exported with the version that it was imported with, which is not defined here.
    let defined = index.and_then(|index| versions.defined.get(&index)).cloned();
    if entry.section == ABSOLUTE && entry.value == 0 && defined.as_ref() == Some(&name) {
        // The version itself.
        return Ok(());
    }
    symbols.exports.push(Export {
        name,
        version: defined,
        default: version.is_none_or(|version| version & HIDDEN == 0),
        oldest: index.is_none_or(|index| index < 2 || Some(index) == versions.first),
        kind,
        indirect: sym::st_type(entry.info) == sym::STT_GNU_IFUNC,
    });
    Ok(())
}

fn entry(image: &Image<'_>, bytes: &[u8]) -> Option<Entry> {
    let name = image.number(bytes, 0, 4)?;
    Some(if image.is_64 {
        Entry {
            name,
            info: *bytes.get(4)?,
            other: *bytes.get(5)?,
            section: image.half(bytes, 6)?,
            value: image.number(bytes, 8, 8)?,
        }
    } else {
        Entry {
            name,
            value: image.number(bytes, 4, 4)?,
            info: *bytes.get(12)?,
            other: *bytes.get(13)?,
            section: image.half(bytes, 14)?,
        }
    })
}

/// How many symbols the hash tables tell of.
fn hashed(image: &Image<'_>) -> Result<u64, ElfError> {
    const WHAT: &str = "hash table of symbols";
    if let Some(address) = image.last(tags::DT_HASH) {
        // The one table whose words have the size of addresses on some machines.
        let word = if image.is_64 && image.machine == header::EM_S390 { 8 } else { 4 };
        let head = image.loaded(address, 2 * word, WHAT, false)?;
        let word = usize::try_from(word).unwrap_or(4);
        return image.number(head, word, word).ok_or(ElfError::Outside(WHAT));
    }
    let Some(address) = image.last(tags::DT_GNU_HASH) else { return Ok(0) };
    let head = image.loaded(address, 16, WHAT, false)?;
    let at = |place| image.number(head, place, 4).ok_or(ElfError::Outside(WHAT));
    let (buckets, first, bloom) = (at(0)?, at(4)?, at(8)?);
    let bloom_size = bloom * if image.is_64 { 8 } else { 4 };
    let buckets_at = address.checked_add(16 + bloom_size).ok_or(ElfError::Outside(WHAT))?;
    let table = image.loaded(buckets_at, buckets * 4, WHAT, buckets == 0)?;
    let last = table.chunks_exact(4).filter_map(|bucket| image.number(bucket, 0, 4)).max().unwrap_or(0);
    if last < first || last == 0 {
        // Nothing is hashed. What comes before `first` is not always all there is.
        return Ok(0);
    }
    let chain_at = buckets_at + buckets * 4 + (last - first) * 4;
    let chain = image.loaded_from(chain_at, WHAT)?;
    let end =
        chain.chunks_exact(4).position(|hash| image.number(hash, 0, 4).is_some_and(|hash| hash & 1 == 1));
    let end = end.ok_or(ElfError::Outside(WHAT))?;
    Ok(last + end as u64 + 1)
}

/// When the loader seeks each symbol that relocations speak of.
fn bindings(image: &Image<'_>, facts: &ElfFacts) -> Result<BTreeMap<u32, Binding>, ElfError> {
    const WHAT: &str = "table of relocations";
    let copy = match facts.machine.machine {
        header::EM_X86_64 => reloc::R_X86_64_COPY,
        header::EM_386 => reloc::R_386_COPY,
        header::EM_ARM => reloc::R_ARM_COPY,
        header::EM_AARCH64 => reloc::R_AARCH64_COPY,
        header::EM_RISCV => reloc::R_RISCV_COPY,
        header::EM_PPC64 => 19,
        header::EM_S390 => 9,
        _ => u32::MAX,
    };
    let (plain, with_addend) = if image.is_64 { (16, 24) } else { (8, 12) };
    let word = usize::from(plain / 2);
    let of_table = |address: Option<u64>, size: Option<u64>, entry: u16, otherwise: Binding| {
        let (Some(address), Some(size)) = (address, size.filter(|size| *size > 0)) else {
            return Ok(Vec::new());
        };
        let table = image.loaded(address, size, WHAT, false)?;
        let mut found = Vec::new();
        for entry in table.chunks_exact(entry.into()) {
            let info = image.number(entry, word, word).unwrap_or(0);
            let (symbol, kind) =
                if image.is_64 { (info >> 32, info & 0xffff_ffff) } else { (info >> 8, info & 0xff) };
            if let Some(symbol) = u32::try_from(symbol).ok().filter(|symbol| *symbol != 0) {
                let binding = if kind == u64::from(copy) { Binding::Copy } else { otherwise };
                found.push((symbol, binding));
            }
        }
        Ok(found)
    };
    let jumps_with_addend = image.last(tags::DT_PLTREL).is_none_or(|tag| tag == tags::DT_RELA);
    let jump = if jumps_with_addend { with_addend } else { plain };
    let last = |tag| image.last(tag);
    // Some linkers count the jumps, which then come last, among the other relocations: they are lazy all the same.
    let before_jumps = |address: Option<u64>, size: Option<u64>| {
        let jumps = last(tags::DT_JMPREL)?.checked_sub(address?)?;
        Some(size?.min(jumps))
    };
    let others = |address: u64, size: u64, entry| {
        let (address, size) = (last(address), last(size));
        of_table(address, before_jumps(address, size).or(size), entry, Binding::Now)
    };
    let tables = [
        of_table(last(tags::DT_JMPREL), last(tags::DT_PLTRELSZ), jump, Binding::Lazy)?,
        others(tags::DT_RELA, tags::DT_RELASZ, with_addend)?,
        others(tags::DT_REL, tags::DT_RELSZ, plain)?,
    ];
    let mut bindings = BTreeMap::new();
    for (symbol, binding) in tables.into_iter().flatten() {
        let known = bindings.entry(symbol).or_insert(binding);
        *known = match (*known, binding) {
            (Binding::Copy, _) | (_, Binding::Copy) => Binding::Copy,
            (Binding::Now, _) | (_, Binding::Now) => Binding::Now,
            _ => Binding::Lazy,
        };
    }
    Ok(bindings)
}

fn versions(
    image: &Image<'_>,
    strings: &Strings<'_>,
    symbols: &mut Symbols,
) -> Result<VersionTables, ElfError> {
    let mut tables = VersionTables::default();
    if let Some(address) = image.last(tags::DT_VERNEED) {
        needs(image, strings, address, symbols, &mut tables)?;
    }
    if let Some(address) = image.last(tags::DT_VERDEF) {
        symbols.has_definitions = true;
        definitions(image, strings, address, symbols, &mut tables)?;
    }
    Ok(tables)
}

/// `Elfxx_Verneed` with its `Elfxx_Vernaux`.
fn needs(
    image: &Image<'_>,
    strings: &Strings<'_>,
    address: u64,
    symbols: &mut Symbols,
    tables: &mut VersionTables,
) -> Result<(), ElfError> {
    const WHAT: &str = "table of needed versions";
    const NAME: &str = "name of a version";
    let outside = || ElfError::Outside(WHAT);
    let mut at = address;
    let mut left = MAX_VERSIONS;
    for _ in 0..image.last(tags::DT_VERNEEDNUM).unwrap_or(0) {
        let head = image.loaded(at, 16, WHAT, false)?;
        let number = |bytes, place, size| image.number(bytes, place, size).ok_or_else(outside);
        let library = strings.at(number(head, 4, 4)?, "name of a library with versions")?;
        let mut versions = Vec::new();
        let mut aux = at.checked_add(number(head, 8, 4)?).ok_or_else(outside)?;
        for _ in 0..number(head, 2, 2)? {
            left = left.checked_sub(1).ok_or_else(outside)?;
            let record = image.loaded(aux, 16, WHAT, false)?;
            let flags = image.half(record, 4).unwrap_or(0);
            let index = image.half(record, 6).unwrap_or(0) & !HIDDEN;
            let name = strings.at(number(record, 8, 4)?, NAME)?;
            let version = ImportVersion { library: library.clone(), name: name.clone() };
            tables.needed.insert(index, version);
            versions.push((name, flags & FLAG_WEAK != 0));
            let next = number(record, 12, 4)?;
            if next == 0 {
                break;
            }
            aux = aux.checked_add(next).ok_or_else(outside)?;
        }
        match symbols.versions_needed.iter_mut().find(|need| need.library == library) {
            Some(need) => need.versions.extend(versions),
            None => symbols.versions_needed.push(VersionNeed { library, versions }),
        }
        let next = number(head, 12, 4)?;
        if next == 0 {
            break;
        }
        left = left.checked_sub(1).ok_or_else(outside)?;
        at = at.checked_add(next).ok_or_else(outside)?;
    }
    Ok(())
}

/// `Elfxx_Verdef`; of the `Elfxx_Verdaux` only the first, which is its name.
fn definitions(
    image: &Image<'_>,
    strings: &Strings<'_>,
    address: u64,
    symbols: &mut Symbols,
    tables: &mut VersionTables,
) -> Result<(), ElfError> {
    const WHAT: &str = "table of defined versions";
    let outside = || ElfError::Outside(WHAT);
    let mut at = address;
    let count = image.last(tags::DT_VERDEFNUM).unwrap_or(0);
    for _ in 0..count.min(MAX_VERSIONS as u64) {
        let head = image.loaded(at, 20, WHAT, false)?;
        let number = |bytes, place, size| image.number(bytes, place, size).ok_or_else(outside);
        let flags = image.half(head, 2).unwrap_or(0);
        let index = image.half(head, 4).unwrap_or(0) & !HIDDEN;
        if flags & FLAG_BASE == 0 {
            let aux = at.checked_add(number(head, 12, 4)?).ok_or_else(outside)?;
            let record = image.loaded(aux, 8, WHAT, false)?;
            let name = strings.at(number(record, 0, 4)?, "name of a version")?;
            tables.first = tables.first.min(Some(index)).or(Some(index));
            tables.defined.insert(index, name.clone());
            symbols.versions_defined.push(name);
        }
        let next = number(head, 16, 4)?;
        if next == 0 {
            break;
        }
        at = at.checked_add(next).ok_or_else(outside)?;
    }
    Ok(())
}
