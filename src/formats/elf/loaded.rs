//! The data of a shared object as it is in memory once the loader has relocated it: for tables in which a plug-in tells
//! what it can do.
//!
//! As if it were loaded at address 0 (gABI, "Relocation"): what points within it, and what names one of its own symbols.

use std::collections::HashMap;

use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;

/// A shared object with its pointers in place.
#[derive(Debug)]
pub struct Loaded<'b> {
    bytes: &'b [u8],
    elf: Elf<'b>,
    /// What relocations put at addresses.
    relocated: HashMap<u64, u64>,
}

impl<'b> Loaded<'b> {
    /// None for what is no ELF file, or a damaged one.
    pub fn read(bytes: &'b [u8]) -> Option<Self> {
        let elf = Elf::parse(bytes).ok()?;
        let mut loaded = Loaded { bytes, elf, relocated: HashMap::new() };
        let all = loaded.elf.dynrelas.iter().chain(loaded.elf.dynrels.iter());
        let relocated = all.filter_map(|relocation| {
            let at = relocation.r_offset;
            // Where there is no addend beside it, it is in the place itself.
            let addend = relocation.r_addend.or_else(|| loaded.stored(at)?.try_into().ok())?;
            let symbol = match relocation.r_sym {
                0 => 0,
                // Of another object's nothing is known.
                number => loaded.elf.dynsyms.get(number).filter(|symbol| symbol.st_shndx != 0)?.st_value,
            };
            Some((at, symbol.wrapping_add_signed(addend)))
        });
        loaded.relocated = relocated.collect();
        Some(loaded)
    }

    /// The names and addresses of what it defines.
    pub fn symbols(&self) -> impl Iterator<Item = (&str, u64)> {
        let defined = self.elf.dynsyms.iter().filter(|symbol| symbol.st_shndx != 0);
        defined.filter_map(|symbol| Some((self.elf.dynstrtab.get_at(symbol.st_name)?, symbol.st_value)))
    }

    /// The size of a pointer, in bytes.
    pub fn pointer_size(&self) -> u64 {
        if self.elf.is_64 { 8 } else { 4 }
    }

    /// The pointer at an address; 0 is one too.
    pub fn pointer(&self, at: u64) -> Option<u64> {
        self.relocated.get(&at).copied().or_else(|| self.stored(at))
    }

    /// C's `int` at an address.
    pub fn int(&self, at: u64) -> Option<i32> {
        let bytes = self.at(at)?.first_chunk::<4>()?;
        Some(if self.elf.little_endian { i32::from_le_bytes(*bytes) } else { i32::from_be_bytes(*bytes) })
    }

    /// The text that ends with a zero byte at an address.
    pub fn text(&self, at: u64) -> Option<&'b str> {
        let bytes = self.at(at)?;
        std::str::from_utf8(&bytes[..memchr::memchr(0, bytes)?]).ok()
    }

    /// The pointer in the file.
    fn stored(&self, at: u64) -> Option<u64> {
        let bytes = self.at(at)?;
        let (long, short) = (bytes.first_chunk::<8>(), bytes.first_chunk::<4>());
        Some(match (self.elf.is_64, self.elf.little_endian) {
            (true, true) => u64::from_le_bytes(*long?),
            (true, false) => u64::from_be_bytes(*long?),
            (false, true) => u32::from_le_bytes(*short?).into(),
            (false, false) => u32::from_be_bytes(*short?).into(),
        })
    }

    /// The bytes from an address to the end of its segment, as far as the file has them.
    fn at(&self, address: u64) -> Option<&'b [u8]> {
        let segments = self.elf.program_headers.iter().filter(|segment| segment.p_type == PT_LOAD);
        let (segment, within) = segments
            .filter_map(|segment| Some((segment, address.checked_sub(segment.p_vaddr)?)))
            .find(|(segment, within)| *within < segment.p_filesz)?;
        let start = usize::try_from(segment.p_offset.checked_add(within)?).ok()?;
        let end = usize::try_from(segment.p_offset.checked_add(segment.p_filesz)?).ok()?;
        self.bytes.get(start..end)
    }
}
