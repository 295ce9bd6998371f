//! The build id that a linker gives a file: another where anything in the file is another.
//!
//! A note of the owner `GNU` and the type `NT_GNU_BUILD_ID` (System V gABI, "Note Section"; `ld --build-id`).

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::header::{EI_CLASS, EI_DATA, ELFCLASS64, ELFDATA2LSB, Header};
use goblin::elf::program_header::{PT_NOTE, ProgramHeader};

use super::image::range;

const OWNER: &[u8] = b"GNU\0";
const TYPE: usize = 3;

/// The build id in the first bytes of a file; none where there is none, or it lies further back.
pub fn build_id(start: &[u8]) -> Option<Vec<u8>> {
    let header = Elf::of(start)?;
    let segments = ProgramHeader::parse(
        start,
        usize::try_from(header.header.e_phoff).ok()?,
        usize::from(header.header.e_phnum),
        header.context,
    );
    let notes = segments.ok()?.into_iter().filter(|segment| segment.p_type == PT_NOTE);
    notes.filter_map(|segment| range(start, segment.p_offset, segment.p_filesz)).find_map(|notes| {
        let mut at = 0;
        while let Some((id, next)) = note(notes, at, &header) {
            if let Some(id) = id {
                return Some(id.to_vec());
            }
            at = next;
        }
        None
    })
}

struct Elf {
    header: Header,
    context: Ctx,
}

impl Elf {
    fn of(start: &[u8]) -> Option<Self> {
        let header = goblin::elf::Elf::parse_header(start).ok()?;
        let is_64 = header.e_ident[EI_CLASS] == ELFCLASS64;
        let container = if is_64 { Container::Big } else { Container::Little };
        let little = header.e_ident[EI_DATA] == ELFDATA2LSB;
        let endian = if little { Endian::Little } else { Endian::Big };
        Some(Elf { header, context: Ctx::new(container, endian) })
    }

    fn word(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let bytes: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        let word = if self.context.le == Endian::Little {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        };
        usize::try_from(word).ok()
    }
}

/// What a note has if it is a build id, and where the next begins.
fn note<'a>(notes: &'a [u8], at: usize, elf: &Elf) -> Option<(Option<&'a [u8]>, usize)> {
    let (name_size, size) = (elf.word(notes, at)?, elf.word(notes, at.checked_add(4)?)?);
    let kind = elf.word(notes, at.checked_add(8)?)?;
    let name_at = at.checked_add(12)?;
    let content_at = name_at.checked_add(name_size)?.checked_next_multiple_of(4)?;
    let end = content_at.checked_add(size)?;
    let is_id = kind == TYPE && notes.get(name_at..name_at.checked_add(name_size)?)? == OWNER && size > 0;
    let content = notes.get(content_at..end)?;
    Some((is_id.then_some(content), end.checked_next_multiple_of(4)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_has_one_or_none_is_found() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let id = build_id(&program);
        assert_eq!(id, build_id(&program[..1 << 16]));
        for cut in [0, 3, 16, 64, 100, 500, 900] {
            let _ = build_id(&program[..cut]);
        }
        if let Some(id) = id {
            assert!(program.windows(id.len()).any(|window| window == id));
            // Another id is another program.
            let mut other = program.clone();
            let at = program.windows(id.len()).position(|window| window == id).unwrap();
            other[at] ^= 1;
            assert_ne!(build_id(&other), Some(id));
        }
    }
}
