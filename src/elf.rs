//! What the dynamic loader reads in an ELF file before it looks at symbols.
//!
//! ELF header, program headers, `PT_INTERP` and `PT_DYNAMIC` (System V gABI, chapters 4 and 5), of either
//! class and byte order. Section headers are not trusted with anything: a stripped file runs without them.
//!
//! `goblin` decodes the structures; whatever they point at is looked up here, with every offset checked.
//! Left out: symbols, versions and notes.

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::header::{EI_CLASS, EI_DATA, ELFCLASS64, ELFDATA2LSB, ET_DYN, ET_EXEC, Header};
use goblin::elf::program_header::{PT_INTERP, PT_LOAD, ProgramHeader};
use goblin::elf::{Dynamic, Elf, dynamic as tags};
use serde::{Deserialize, Serialize};

#[cfg(test)]
use crate::arch::Arch;
use crate::arch::ElfMachine;
use crate::hint::Hint;

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
    let mut facts = ElfFacts {
        machine,
        kind: ElfKind::Other,
        interp,
        soname: None,
        needed: Vec::new(),
        rpath: Vec::new(),
        runpath: Vec::new(),
        dynamic: dynamic.is_some(),
        nodeflib: false,
    };
    let mut flags_1 = 0;
    if let Some(dynamic) = dynamic {
        flags_1 = read_dynamic(bytes, &segments, &dynamic, &mut facts)?;
    }
    facts.kind = match header.e_type {
        ET_EXEC => ElfKind::Executable,
        ET_DYN if flags_1 & tags::DF_1_PIE != 0 => ElfKind::Executable,
        ET_DYN => ElfKind::SharedObject,
        _ => ElfKind::Other,
    };
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

/// Fills in what the dynamic section says; gives `DT_FLAGS_1`.
fn read_dynamic(
    bytes: &[u8],
    segments: &[ProgramHeader],
    dynamic: &Dynamic,
    facts: &mut ElfFacts,
) -> Result<u64, ElfError> {
    let last = |tag| dynamic.dyns.iter().rev().find(|entry| entry.d_tag == tag).map(|entry| entry.d_val);
    let strings = Strings {
        bytes: match (last(tags::DT_STRTAB), last(tags::DT_STRSZ)) {
            (Some(address), Some(size)) => Some(
                file_offset(segments, address)
                    .and_then(|offset| range(bytes, offset, size))
                    .ok_or(ElfError::Outside("dynamic string table"))?,
            ),
            _ => None,
        },
    };
    for entry in &dynamic.dyns {
        match entry.d_tag {
            tags::DT_NEEDED => facts.needed.push(strings.at(entry.d_val, "name of a needed library")?),
            tags::DT_SONAME => facts.soname = Some(strings.at(entry.d_val, "soname")?),
            tags::DT_RPATH => facts.rpath = strings.path_at(entry.d_val, "rpath")?,
            tags::DT_RUNPATH => facts.runpath = strings.path_at(entry.d_val, "runpath")?,
            _ => {}
        }
    }
    let flags_1 = last(tags::DT_FLAGS_1).unwrap_or(0);
    facts.nodeflib = flags_1 & tags::DF_1_NODEFLIB != 0;
    Ok(flags_1)
}

/// Where in the file an address of memory comes from.
fn file_offset(segments: &[ProgramHeader], address: u64) -> Option<u64> {
    segments.iter().filter(|segment| segment.p_type == PT_LOAD).find_map(|segment| {
        let within = address.checked_sub(segment.p_vaddr).filter(|within| *within < segment.p_filesz)?;
        segment.p_offset.checked_add(within)
    })
}

fn range(bytes: &[u8], offset: u64, size: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = usize::try_from(offset.checked_add(size)?).ok()?;
    bytes.get(start..end)
}

/// The dynamic string table.
struct Strings<'a> {
    bytes: Option<&'a [u8]>,
}

impl Strings<'_> {
    fn at(&self, offset: u64, what: &'static str) -> Result<String, ElfError> {
        let text = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.bytes?.get(offset..))
            .ok_or(ElfError::Outside(what))?;
        let end = text.iter().position(|byte| *byte == 0).ok_or(ElfError::Text(what))?;
        String::from_utf8(text[..end].to_vec()).map_err(|_| ElfError::Text(what))
    }

    /// A search path. An empty element means the working directory, of which nothing can be said here.
    fn path_at(&self, offset: u64, what: &'static str) -> Result<Vec<String>, ElfError> {
        let text = self.at(offset, what)?;
        Ok(text.split(':').filter(|element| !element.is_empty()).map(ToOwned::to_owned).collect())
    }
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
