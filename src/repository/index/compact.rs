//! A `Packages` text cut down to what is ever asked of it, with its packages in order: what is kept of an index, so
//! that it is unpacked and read once.
//!
//! The text keeps its paragraphs and fields in their order, less the fields that nobody reads (descriptions, mostly)
//! and those that the entries have. Kept as: the text, the entries at a fixed width, numbers little-endian, and their
//! number.

use std::io::{self, Read};
use std::sync::mpsc::{SendError, SyncSender, sync_channel};

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

/// Bytes that are unpacked before they are read.
const PIECE: usize = 1 << 20;

/// So many pieces are unpacked before the first is read.
const PIECES: usize = 4;

/// Bytes of an entry.
const WIDTH: usize = 9 * 4 + 8 + 32;

/// A text and its entries, which are those of the origin 0.
#[derive(Clone, Debug)]
pub(super) struct Compact {
    pub(super) text: String,
    pub(super) entries: Vec<Entry>,
}

impl Compact {
    /// Cuts an index for one architecture down as it is unpacked, which goes on on other threads; none where anything is
    /// wrong with it, or it has more than `limit` bytes.
    pub(super) fn read<'b>(
        open: impl FnOnce() -> io::Result<Box<dyn Read + 'b>> + Send,
        limit: u64,
        origin: &IndexOrigin,
        deb_arch: &str,
    ) -> Option<Self> {
        let (sender, pieces) = sync_channel(PIECES);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // Where nobody wants more, the rest is not unpacked.
                let _ = unpack(open, limit, &sender);
            });
            let mut compact = Compact { text: String::new(), entries: Vec::new() };
            let mut unread = Vec::new();
            for piece in pieces {
                unread.extend(piece?);
                let Some(end) = memchr::memmem::rfind(&unread, b"\n\n") else { continue };
                compact.add(&unread[..=end], origin, deb_arch).ok()?;
                unread.drain(..=end);
            }
            compact.add(&unread, origin, deb_arch).ok()?;
            Some(compact.in_order(origin))
        })
    }

    /// Adds whole paragraphs; an error is what is wrong with the first bad one.
    fn add(&mut self, text: &[u8], origin: &IndexOrigin, deb_arch: &str) -> Result<(), IndexError> {
        // Old descriptions may be in Latin-1; every field that counts is ASCII.
        let text = &String::from_utf8_lossy(text);
        for paragraph in control::paragraphs(text) {
            let entry = read_entry(text, &paragraph, 0, origin, deb_arch)?;
            let start = self.text.len();
            cut(&paragraph, &mut self.text);
            self.entries.push(placed(entry, &self.text[start..], start));
            self.text.push('\n');
        }
        Ok(())
    }

    fn in_order(mut self, origin: &IndexOrigin) -> Self {
        self.entries = in_order(&self.entries, std::slice::from_ref(origin), &[&self.text]);
        self
    }

    /// The form that is kept.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.entries.len() * WIDTH + self.text.len());
        bytes.extend(self.text.as_bytes());
        for entry in &self.entries {
            for span in [entry.paragraph, entry.name, entry.version, entry.provides] {
                bytes.extend(span.start.to_le_bytes());
                bytes.extend(span.len.to_le_bytes());
            }
            bytes.extend(u32::from(entry.essential).to_le_bytes());
            bytes.extend(entry.size.to_le_bytes());
            bytes.extend(entry.sha256.as_bytes());
        }
        bytes.extend((self.entries.len() as u64).to_le_bytes());
        bytes
    }

    /// The inverse; none where the bytes are none of ours.
    pub(super) fn from_bytes(mut bytes: Vec<u8>) -> Option<Self> {
        let (rest, count) = bytes.split_last_chunk()?;
        let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
        let end = rest.len().checked_sub(count.checked_mul(WIDTH)?)?;
        let table = bytes.split_off(end);
        let text = String::from_utf8(bytes).ok()?;
        let table = table.par_chunks_exact(WIDTH).take(count);
        let entries: Option<Vec<Entry>> = table.map(|entry| read(entry, &text)).collect();
        Some(Compact { entries: entries?, text })
    }
}

/// Sends what is unpacked, a piece at a time; nothing, at the end, where it is not what it should be.
fn unpack<'b>(
    open: impl FnOnce() -> io::Result<Box<dyn Read + 'b>>,
    limit: u64,
    pieces: &SyncSender<Option<Vec<u8>>>,
) -> Result<(), SendError<Option<Vec<u8>>>> {
    let Ok(mut reader) = open() else { return pieces.send(None) };
    let mut left = limit;
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let read = reader.by_ref().take(PIECE as u64).read_to_end(&mut piece);
        match read.map(|read| left.checked_sub(read as u64)) {
            Ok(Some(_)) if piece.is_empty() => return Ok(()),
            Ok(Some(rest)) => left = rest,
            Ok(None) | Err(_) => return pieces.send(None),
        }
        pieces.send(Some(piece))?;
    }
}

/// Writes the fields of a paragraph that are kept, one a line or more, as they stand.
fn cut(paragraph: &Paragraph<'_>, out: &mut String) {
    for (name, value) in paragraph.fields() {
        if FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name)) {
            out.extend([name, ": ", value, "\n"]);
        }
    }
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
        essential: number(32)? != 0,
        size: u64::from_le_bytes(bytes.get(36..44)?.try_into().ok()?),
        sha256: Digest::from_bytes(bytes.get(44..76)?.try_into().ok()?),
    })
}
