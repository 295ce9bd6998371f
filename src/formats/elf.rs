//! What the dynamic loader reads in an ELF file, and what the file names besides.
//!
//! ELF header, program headers, `PT_INTERP` and `PT_DYNAMIC` (System V gABI, chapters 4 and 5), of either
//! class and byte order; dynamic symbols with their versions; notes on libraries that it opens by name; names of
//! files in its constants. Section headers are not trusted with anything: a stripped file runs without them.
//!
//! `goblin` decodes the headers; whatever they point at is looked up here, with every offset checked.

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::dynamic::DynamicInfo;
use goblin::elf::header::{EI_CLASS, EI_DATA, ELFCLASS64, ELFDATA2LSB, ET_DYN, ET_EXEC, Header};
use goblin::elf::program_header::{PT_INTERP, PT_LOAD, ProgramHeader};
use goblin::elf::{Dynamic, Elf, dynamic as tags};
use serde::{Deserialize, Serialize};

#[cfg(test)]
use crate::arch::Arch;
use crate::arch::ElfMachine;
use crate::hint::Hint;

mod build_id;
mod image;
mod loaded;
mod mentions;
mod notes;
mod symbol_table;
mod symbols;

pub use build_id::build_id;
pub use loaded::Loaded;
pub use notes::{DlopenNote, DlopenPriority};
pub use symbols::{Binding, Export, Import, ImportVersion, PackedSymbols, SymbolKind, Symbols, VersionNeed};

use image::{Image, Strings, file_offset, range};

/// `e_phnum` of a file that has too many program headers for the field (gABI, "ELF Header").
const PN_XNUM: u16 = 0xffff;

/// What kind of object a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ElfKind {
    /// A program: `ET_EXEC`, or `ET_DYN` marked as position-independent executable.
    Executable,
    /// A library or plug-in. An old PIE without its mark is here too: see [`ElfFacts::interp`].
    SharedObject,
    /// An object file, a core, anything else.
    Other,
}

/// What the loader needs to know of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElfFacts {
    /// Class, byte order and machine.
    pub machine: ElfMachine,
    /// What it is.
    pub kind: ElfKind,
    /// The dynamic loader it asks for (`PT_INTERP`).
    pub interp: Option<String>,
    /// Its own name as a library (`DT_SONAME`).
    pub soname: Option<String>,
    /// The libraries it needs (`DT_NEEDED`), in order.
    pub needed: Vec<String>,
    /// `DT_RPATH`, split at colons; an empty element, which means the working directory, is left out.
    pub rpath: Vec<String>,
    /// `DT_RUNPATH`, split likewise. Where it is there, the loader ignores `rpath`.
    pub runpath: Vec<String>,
    /// It has a dynamic section.
    pub dynamic: bool,
    /// `DF_1_NODEFLIB`: the default directories are not searched for it.
    pub nodeflib: bool,
    /// `DT_BIND_NOW`, `DF_BIND_NOW` or `DF_1_NOW`: all that it imports is sought when it is loaded.
    pub bind_now: bool,
    /// Its dynamic symbols.
    pub symbols: PackedSymbols,
    /// Libraries that it says it opens by name (`.note.dlopen`).
    pub dlopen: Vec<DlopenNote>,
    /// Absolute paths below the directories of a distro, and what looks like a soname, in its read-only data;
    /// sorted, each once, 4096 at most.
    pub mentions: Vec<String>,
    /// The names of the commands that a program runs.
    pub runs: Runs,
    /// Of a program that hands command lines to a shell (`system`, `popen`), the commands of those that redirect or pipe;
    /// sorted, each once.
    pub commands: Vec<String>,
}

/// Which commands a program runs by their names (`execvp`, `system` ...), as far as its read-only data tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Runs {
    /// What may be such a name, sorted, each once, 4096 at most; nothing in what runs none.
    Named(Vec<String>),
    /// Names that cannot be told from the text around them: nothing ends a string of Go or Rust.
    Unnamed,
}

impl Default for Runs {
    fn default() -> Self {
        Runs::Named(Vec::new())
    }
}

impl ElfFacts {
    /// Those of a file with a dynamic section of which no more is known.
    pub fn bare(machine: ElfMachine, kind: ElfKind) -> Self {
        ElfFacts {
            machine,
            kind,
            interp: None,
            soname: None,
            needed: Vec::new(),
            rpath: Vec::new(),
            runpath: Vec::new(),
            dynamic: true,
            nodeflib: false,
            bind_now: false,
            symbols: PackedSymbols::default(),
            dlopen: Vec::new(),
            mentions: Vec::new(),
            runs: Runs::default(),
            commands: Vec::new(),
        }
    }
}

/// Why a file that looks like ELF cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// Its first bytes are not ELF's.
    #[error("not an ELF file")]
    NotElf,
    /// The ELF header or the program headers are damaged.
    #[error("damaged ELF header: {0}")]
    Header(String),
    /// Something lies outside the file.
    #[error("the {0} lies outside the file")]
    Outside(&'static str),
    /// The file ends within what is loaded of it: a kernel maps what is not there, and the program dies of it.
    #[error("it is cut off: it has {found} bytes, and what is loaded of it ends at byte {end}")]
    Cut {
        /// Where its last `PT_LOAD` ends.
        end: u64,
        /// The file's bytes.
        found: u64,
    },
    /// A string is not UTF-8 or has no end.
    #[error("the {0} is not a text")]
    Text(&'static str),
}

impl Hint for ElfError {
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Whether bytes begin with ELF's magic number.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

/// Reads what the loader needs from a whole file's bytes.
pub fn facts(bytes: &[u8]) -> Result<ElfFacts, ElfError> {
    if !is_elf(bytes) {
        return Err(ElfError::NotElf);
    }
    let damaged = |error: goblin::error::Error| ElfError::Header(error.to_string());
    let header = Elf::parse_header(bytes).map_err(damaged)?;
    let is_64 = header.e_ident[EI_CLASS] == ELFCLASS64;
    let little_endian = header.e_ident[EI_DATA] == ELFDATA2LSB;
    let machine = ElfMachine { is_64, little_endian, machine: header.e_machine };
    let container = if is_64 { Container::Big } else { Container::Little };
    let ctx = Ctx::new(container, if little_endian { Endian::Little } else { Endian::Big });

    let segments = segments(bytes, &header, ctx)?;
    let interp = interp(bytes, &segments)?;
    let dynamic = Dynamic::parse(bytes, &segments, ctx)
        .map_err(|_| ElfError::Outside("dynamic section"))?
        .filter(|dynamic| !dynamic.dyns.is_empty());
    let mut facts =
        ElfFacts { interp, dynamic: dynamic.is_some(), ..ElfFacts::bare(machine, ElfKind::Other) };
    let no_dynamic = Dynamic { dyns: Vec::new(), info: DynamicInfo::default() };
    let image = Image {
        bytes,
        segments: &segments,
        dynamic: dynamic.as_ref().unwrap_or(&no_dynamic),
        is_64,
        little_endian,
        machine: header.e_machine,
    };
    let strings = strings(&image)?;
    let flags_1 = read_dynamic(&image, &strings, &mut facts)?;
    facts.kind = match header.e_type {
        ET_EXEC => ElfKind::Executable,
        ET_DYN if flags_1 & tags::DF_1_PIE != 0 => ElfKind::Executable,
        ET_DYN => ElfKind::SharedObject,
        _ => ElfKind::Other,
    };
    if facts.kind != ElfKind::Other {
        check_whole(bytes, &segments)?;
        let symbols = symbol_table::read(&image, &strings, &facts)?;
        facts.symbols = symbols.pack();
        facts.dlopen = notes::dlopen(bytes, &segments, |bytes, at, size| image.number(bytes, at, size));
        if facts.interp.is_some() {
            facts.runs = Runs::Named(mentions::words(bytes, &segments, strings.range.clone(), &symbols));
            facts.commands = mentions::commands(bytes, &segments, strings.range.clone(), &symbols);
        }
        if facts.kind == ElfKind::Executable && mentions::runs_unnamed(bytes, &symbols) {
            facts.runs = Runs::Unnamed;
        }
        facts.mentions = mentions::mentions(bytes, &segments, strings.range);
    }
    Ok(facts)
}

fn segments(bytes: &[u8], header: &Header, ctx: Ctx) -> Result<Vec<ProgramHeader>, ElfError> {
    let size = ProgramHeader::size(ctx);
    if header.e_phnum == 0 {
        return Ok(Vec::new());
    }
    if header.e_phnum == PN_XNUM || usize::from(header.e_phentsize) != size {
        return Err(ElfError::Header("its program headers have an unusual size or number".to_owned()));
    }
    let table = range(bytes, header.e_phoff, (usize::from(header.e_phnum) * size) as u64)
        .ok_or(ElfError::Outside("table of program headers"))?;
    ProgramHeader::parse(table, 0, header.e_phnum.into(), ctx)
        .map_err(|error| ElfError::Header(error.to_string()))
}

/// Whether the file has all bytes of the segments that are loaded. Files that hold only debugging information keep
/// segments without bytes, at any offset.
fn check_whole(bytes: &[u8], segments: &[ProgramHeader]) -> Result<(), ElfError> {
    let loaded = segments.iter().filter(|segment| segment.p_type == PT_LOAD && segment.p_filesz != 0);
    let end = loaded.map(|segment| segment.p_offset.saturating_add(segment.p_filesz)).max().unwrap_or(0);
    let found = bytes.len() as u64;
    if end > found { Err(ElfError::Cut { end, found }) } else { Ok(()) }
}

/// The interpreter's path; some linkers end it with more than one NUL.
fn interp(bytes: &[u8], segments: &[ProgramHeader]) -> Result<Option<String>, ElfError> {
    const WHAT: &str = "interpreter's name";
    // Files that hold only debugging information keep the segment without its bytes.
    let Some(segment) = segments.iter().find(|segment| segment.p_type == PT_INTERP && segment.p_filesz != 0)
    else {
        return Ok(None);
    };
    let name = range(bytes, segment.p_offset, segment.p_filesz).ok_or(ElfError::Outside(WHAT))?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = std::str::from_utf8(name).map_err(|_| ElfError::Text(WHAT))?;
    Ok(Some(name.to_owned()).filter(|name| !name.is_empty()))
}

fn strings<'a>(image: &Image<'a>) -> Result<Strings<'a>, ElfError> {
    let (Some(address), Some(size)) = (image.last(tags::DT_STRTAB), image.last(tags::DT_STRSZ)) else {
        return Ok(Strings { bytes: None, range: 0..0 });
    };
    file_offset(image.segments, address)
        .and_then(|offset| {
            let bytes = range(image.bytes, offset, size)?;
            let start = usize::try_from(offset).ok()?;
            Some(Strings { bytes: Some(bytes), range: start..start + bytes.len() })
        })
        .ok_or(ElfError::Outside("dynamic string table"))
}

/// Fills in what the dynamic section says; gives `DT_FLAGS_1`.
fn read_dynamic(image: &Image<'_>, strings: &Strings<'_>, facts: &mut ElfFacts) -> Result<u64, ElfError> {
    for entry in &image.dynamic.dyns {
        match entry.d_tag {
            tags::DT_NEEDED => facts.needed.push(strings.at(entry.d_val, "name of a needed library")?),
            tags::DT_SONAME => facts.soname = Some(strings.at(entry.d_val, "soname")?),
            tags::DT_RPATH => facts.rpath = strings.path_at(entry.d_val, "rpath")?,
            tags::DT_RUNPATH => facts.runpath = strings.path_at(entry.d_val, "runpath")?,
            _ => {}
        }
    }
    let flags = image.last(tags::DT_FLAGS).unwrap_or(0);
    let flags_1 = image.last(tags::DT_FLAGS_1).unwrap_or(0);
    facts.nodeflib = flags_1 & tags::DF_1_NODEFLIB != 0;
    facts.bind_now = image.last(tags::DT_BIND_NOW).is_some()
        || flags & tags::DF_BIND_NOW != 0
        || flags_1 & tags::DF_1_NOW != 0;
    Ok(flags_1)
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
