//! A `Packages` text cut down to what is ever asked of it, with its packages in order: what is kept of an index, so
//! that it is unpacked and read once.
//!
//! The text keeps its paragraphs and fields in their order, less the fields that nobody reads (descriptions, mostly)
//! and those that the entries have. Kept as: the number of entries, the entries at a fixed width, numbers little-endian,
//! then the text.

use rayon::prelude::*;

use crate::deb::control::{self, Paragraph};
use crate::digest::Digest;

use super::reading::{Entry, Span, in_order, read_entry};
use super::{IndexError, IndexOrigin};

/// The kind of derived entry. Another form, other fields or another order need another name.
pub(crate) const COMPACT: &str = "packages-1";

/// The fields that are kept: those of a record, and those whose mentions count.
const FIELDS: [&str; 20] = [
    "Package",
    "Source",
    "Version",
    "Architecture",
    "Multi-Arch",
    "Priority",
    "Section",
    "Essential",
    "Protected",
    "Important",
    "Pre-Depends",
    "Depends",
    "Provides",
    "Conflicts",
    "Breaks",
    "Recommends",
    "Suggests",
    "Replaces",
    "Enhances",
    "Filename",
];

/// Bytes of an entry.
const WIDTH: usize = 8 * 4 + 8 + 32;

/// A text and its entries, which are those of the origin 0.
#[derive(Clone, Debug)]
pub(super) struct Compact {
    pub(super) text: String,
    pub(super) entries: Vec<Entry>,
}

impl Compact {
    /// Cuts down the text of an index for one architecture; an error is what is wrong with the first bad paragraph.
    pub(super) fn of(text: &str, origin: &IndexOrigin, deb_arch: &str) -> Result<Self, IndexError> {
        if u32::try_from(text.len()).is_err() {
            return Err(IndexError::TooLarge { origin: origin.to_string() });
        }
        let paragraphs: Vec<_> = control::paragraphs(text).collect();
        let read = paragraphs.par_iter().map(|paragraph| {
            let entry = read_entry(text, paragraph, 0, origin, deb_arch)?;
            Ok((entry, cut(paragraph)))
        });
        let mut compact = Compact { text: String::with_capacity(text.len() / 2), entries: Vec::new() };
        for read in read.collect::<Vec<Result<_, IndexError>>>() {
            let (entry, paragraph) = read?;
            let start = compact.text.len();
            compact.text.push_str(&paragraph);
            compact.text.push('\n');
            compact.entries.push(placed(entry, &paragraph, start));
        }
        let texts = [std::mem::take(&mut compact.text)];
        compact.entries = in_order(&compact.entries, std::slice::from_ref(origin), &texts);
        [compact.text] = texts;
        Ok(compact)
    }

    /// The form that is kept.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.entries.len() * WIDTH + self.text.len());
        bytes.extend((self.entries.len() as u64).to_le_bytes());
        for entry in &self.entries {
            for span in [entry.paragraph, entry.name, entry.version, entry.provides] {
                bytes.extend(span.start.to_le_bytes());
                bytes.extend(span.len.to_le_bytes());
            }
            bytes.extend(entry.size.to_le_bytes());
            bytes.extend(entry.sha256.as_bytes());
        }
        bytes.extend(self.text.as_bytes());
        bytes
    }

    /// The inverse; none where the bytes are none of ours.
    pub(super) fn from_bytes(mut bytes: Vec<u8>) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk()?;
        let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
        let (table, text) = rest.split_at_checked(count.checked_mul(WIDTH)?)?;
        let text = std::str::from_utf8(text).ok()?;
        let entries: Option<Vec<Entry>> =
            table.par_chunks_exact(WIDTH).map(|entry| read(entry, text)).collect();
        let (entries, start) = (entries?, bytes.len() - text.len());
        bytes.drain(..start);
        Some(Compact { text: String::from_utf8(bytes).ok()?, entries })
    }
}

/// The fields of a paragraph that are kept, one a line or more, as they stand.
fn cut(paragraph: &Paragraph<'_>) -> String {
    let mut text = String::new();
    for (name, value) in paragraph.fields() {
        if FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name)) {
            text.extend([name, ": ", value, "\n"]);
        }
    }
    text
}

/// An entry with the places that its paragraph has now.
fn placed(entry: Entry, paragraph: &str, start: usize) -> Entry {
    let place = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let mut spans = [Span { start: 0, len: 0 }; 3];
    for (name, value) in control::paragraphs(paragraph).flat_map(|one| one.fields()) {
        let wanted = ["Package", "Version", "Provides"];
        if let Some(at) = wanted.iter().position(|wanted| wanted.eq_ignore_ascii_case(name))
            && spans[at].len == 0
        {
            let within = value.as_ptr() as usize - paragraph.as_ptr() as usize;
            spans[at] = Span { start: place(start + within), len: place(value.len()) };
        }
    }
    let [name, version, provides] = spans;
    let paragraph = Span { start: place(start), len: place(paragraph.len()) };
    Entry { paragraph, name, version, provides, ..entry }
}

fn read(bytes: &[u8], text: &str) -> Option<Entry> {
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let span = |at: usize| {
        let span = Span { start: number(at)?, len: number(at + 4)? };
        let end = (span.start as usize).checked_add(span.len as usize)?;
        text.get(span.start as usize..end).map(|_| span)
    };
    Some(Entry {
        origin: 0,
        paragraph: span(0)?,
        name: span(8)?,
        version: span(16)?,
        provides: span(24)?,
        size: u64::from_le_bytes(bytes.get(32..40)?.try_into().ok()?),
        sha256: Digest::from_bytes(bytes.get(40..72)?.try_into().ok()?),
    })
}
