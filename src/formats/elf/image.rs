//! An ELF file's bytes as the loader maps them: addresses, numbers and texts, each checked.

use goblin::elf::Dynamic;
use goblin::elf::program_header::{PT_LOAD, ProgramHeader};

use super::ElfError;

/// A file with its segments and its dynamic section.
pub(super) struct Image<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) segments: &'a [ProgramHeader],
    pub(super) dynamic: &'a Dynamic,
    pub(super) is_64: bool,
    pub(super) little_endian: bool,
    /// `e_machine`.
    pub(super) machine: u16,
}

impl<'a> Image<'a> {
    /// The value of the last entry of the dynamic section with a tag.
    pub(super) fn last(&self, tag: u64) -> Option<u64> {
        self.dynamic.dyns.iter().rev().find(|entry| entry.d_tag == tag).map(|entry| entry.d_val)
    }

    /// The bytes at an address of memory; nothing is sought where nothing is wanted.
    pub(super) fn loaded(
        &self,
        address: u64,
        size: u64,
        what: &'static str,
        empty: bool,
    ) -> Result<&'a [u8], ElfError> {
        if empty {
            return Ok(&[]);
        }
        file_offset(self.segments, address)
            .and_then(|offset| range(self.bytes, offset, size))
            .ok_or(ElfError::Outside(what))
    }

    /// All bytes from an address of memory to the end of its segment.
    pub(super) fn loaded_from(&self, address: u64, what: &'static str) -> Result<&'a [u8], ElfError> {
        segment_at(self.segments, address)
            .and_then(|(segment, within)| {
                let offset = segment.p_offset.checked_add(within)?;
                range(self.bytes, offset, segment.p_filesz - within)
            })
            .ok_or(ElfError::Outside(what))
    }

    /// A number of at most eight bytes.
    pub(super) fn number(&self, bytes: &[u8], at: usize, size: usize) -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(size)?)?;
        let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.little_endian { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) })
    }

    pub(super) fn half(&self, bytes: &[u8], at: usize) -> Option<u16> {
        self.number(bytes, at, 2).and_then(|number| u16::try_from(number).ok())
    }
}

/// The segment that an address of memory comes from, and how far behind its start.
fn segment_at(segments: &[ProgramHeader], address: u64) -> Option<(&ProgramHeader, u64)> {
    segments.iter().filter(|segment| segment.p_type == PT_LOAD).find_map(|segment| {
        let within = address.checked_sub(segment.p_vaddr).filter(|within| *within < segment.p_filesz)?;
        Some((segment, within))
    })
}

/// Where in the file an address of memory comes from.
pub(super) fn file_offset(segments: &[ProgramHeader], address: u64) -> Option<u64> {
    let (segment, within) = segment_at(segments, address)?;
    segment.p_offset.checked_add(within)
}

pub(super) fn range(bytes: &[u8], offset: u64, size: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = usize::try_from(offset.checked_add(size)?).ok()?;
    bytes.get(start..end)
}

/// The dynamic string table.
pub(super) struct Strings<'a> {
    pub(super) bytes: Option<&'a [u8]>,
    /// Where it lies in the file.
    pub(super) range: std::ops::Range<usize>,
}

impl Strings<'_> {
    pub(super) fn at(&self, offset: u64, what: &'static str) -> Result<String, ElfError> {
        let text = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.bytes?.get(offset..))
            .ok_or(ElfError::Outside(what))?;
        let end = memchr::memchr(0, text).ok_or(ElfError::Text(what))?;
        String::from_utf8(text[..end].to_vec()).map_err(|_| ElfError::Text(what))
    }

    /// A search path. An empty element means the working directory, of which nothing can be said here.
    pub(super) fn path_at(&self, offset: u64, what: &'static str) -> Result<Vec<String>, ElfError> {
        let text = self.at(offset, what)?;
        Ok(text.split(':').filter(|element| !element.is_empty()).map(ToOwned::to_owned).collect())
    }
}
