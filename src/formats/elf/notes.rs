//! `.note.dlopen`: which libraries a file opens by name, told by itself.
//!
//! "ELF Dlopen Metadata" of the UAPI group: a note of the owner `FDO` and the type `0x407c0c0a` whose
//! descriptor is a JSON array of objects. A note that does not read as such says nothing.

use goblin::elf::program_header::{PT_NOTE, ProgramHeader};
use serde::{Deserialize, Serialize};

use super::image::range;

const OWNER: &[u8] = b"FDO";
const TYPE: u64 = 0x407c_0c0a;

/// How much a file wants a library that it opens by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DlopenPriority {
    /// It does not work without.
    Required,
    /// What most want does not work without; what notes mean that do not say.
    #[default]
    Recommended,
    /// Few want it.
    Suggested,
}

/// A library that a file opens by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DlopenNote {
    /// Names that it tries, the best first: one of them is enough.
    pub soname: Vec<String>,
    /// What it is for, in a word.
    pub feature: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// How much it is wanted.
    pub priority: DlopenPriority,
}

/// The form of an object in the descriptor: keys may be missing, and others be there.
#[derive(Deserialize)]
struct Written {
    soname: Vec<String>,
    feature: Option<String>,
    description: Option<String>,
    #[serde(default)]
    priority: DlopenPriority,
}

/// All such notes of a file, each once.
pub(super) fn dlopen(
    bytes: &[u8],
    segments: &[ProgramHeader],
    number: impl Fn(&[u8], usize, usize) -> Option<u64>,
) -> Vec<DlopenNote> {
    let mut found: Vec<DlopenNote> = Vec::new();
    for segment in segments.iter().filter(|segment| segment.p_type == PT_NOTE) {
        let Some(notes) = range(bytes, segment.p_offset, segment.p_filesz) else { continue };
        let align = if segment.p_align == 8 { 8 } else { 4 };
        let mut at = 0;
        while let Some((note, next)) = note(notes, at, align, &number) {
            at = next;
            for note in note.unwrap_or_default() {
                if !found.contains(&note) {
                    found.push(note);
                }
            }
        }
    }
    found
}

/// What one note says, if it is one of ours, and where the next begins.
fn note(
    notes: &[u8],
    at: usize,
    align: usize,
    number: &impl Fn(&[u8], usize, usize) -> Option<u64>,
) -> Option<(Option<Vec<DlopenNote>>, usize)> {
    let size = |place| usize::try_from(number(notes, at.checked_add(place)?, 4)?).ok();
    let (name_size, content_size) = (size(0)?, size(4)?);
    let kind = number(notes, at + 8, 4)?;
    let name_at = at + 12;
    let content_at = name_at.checked_add(name_size)?.checked_next_multiple_of(align)?;
    let content_end = content_at.checked_add(content_size)?;
    let name = notes.get(name_at..name_at + name_size)?;
    let content = notes.get(content_at..content_end)?;
    let next = content_end.checked_next_multiple_of(align)?;
    let ours = kind == TYPE && name.strip_suffix(&[0]).unwrap_or(name) == OWNER;
    Some((ours.then(|| parse(content)).flatten(), next))
}

fn parse(content: &[u8]) -> Option<Vec<DlopenNote>> {
    let text = content.split(|byte| *byte == 0).next()?;
    let written: Vec<Written> = serde_json::from_slice(text).ok()?;
    let notes = written.into_iter().map(|Written { soname, feature, description, priority }| DlopenNote {
        soname,
        feature,
        description,
        priority,
    });
    Some(notes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(owner: &[u8], kind: u64, content: &[u8]) -> Vec<u8> {
        let mut note = Vec::new();
        for number in [
            u32::try_from(owner.len()).unwrap(),
            u32::try_from(content.len()).unwrap(),
            u32::try_from(kind).unwrap(),
        ] {
            note.extend(number.to_le_bytes());
        }
        for part in [owner, content] {
            note.extend(part);
            note.resize(note.len().next_multiple_of(4), 0);
        }
        note
    }

    fn read(bytes: &[u8]) -> Vec<DlopenNote> {
        let segment = ProgramHeader {
            p_type: PT_NOTE,
            p_filesz: bytes.len() as u64,
            p_align: 4,
            ..ProgramHeader::default()
        };
        dlopen(bytes, &[segment], |bytes, at, size| {
            let bytes = bytes.get(at..at + size)?;
            Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
        })
    }

    #[test]
    fn one_object_or_several() {
        let full = br#"[{"soname":["libx.so.2","libx.so.1"],"feature":"x","description":"all","priority":"suggested"}]"#;
        let short = b"[{\"soname\":[\"liby.so.1\"]},{\"soname\":[\"libz.so\"],\"other\":1}]\0";
        let odd = b"[{\"soname\":\"liby.so.1\"}]";
        let bytes = [
            note(b"GNU\0", 3, b"a build's id"),
            note(b"FDO\0", TYPE, full),
            note(b"FDO\0", TYPE, odd),
            note(b"GNU\0", TYPE, short),
            note(b"FDO\0", TYPE, short),
            note(b"FDO\0", TYPE, full),
        ]
        .concat();
        let notes = read(&bytes);
        let names: Vec<&str> = notes.iter().map(|note| note.soname[0].as_str()).collect();
        assert_eq!(names, ["libx.so.2", "liby.so.1", "libz.so"]);
        assert_eq!(notes[0].priority, DlopenPriority::Suggested);
        assert_eq!((notes[0].feature.as_deref(), notes[0].soname.len()), (Some("x"), 2));
        assert_eq!((notes[1].priority, &notes[1].description), (DlopenPriority::Recommended, &None));
        // What is cut off is not read.
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).len() <= 3);
        }
    }
}
