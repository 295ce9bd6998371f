//! The packages of one index as they are kept: read where they lie, a package at a time.
//!
//! ```text
//! text        the paragraphs in their order, an empty line between two; see `cutting`
//! keys        the names and versions once more, side by side: who looks for some reads little else
//! entries     one a package, by name, the newest version first
//! provided    one a name that a package provides and that is not its own, by that name, then package
//! end         the length of the text, the number of entries and of provided names
//! ```
//!
//! Entries and provided names have a fixed width. Numbers are little-endian, of 32 bits if nothing else is said; a span
//! is the place in text and keys and the length, in bytes.

use std::io::{self, Write};
use std::ops::Deref;

use crate::cache::Mapped;
use crate::digest::Digest;

/// The kind of derived entry. Another form, other fields or another order need another name.
pub(crate) const KEPT: &str = "packages-3";

/// Bytes of an entry: the spans of paragraph, name and version, flags, the size of 64 bits, the digest.
const ENTRY: usize = 3 * 8 + 4 + 8 + 32;

/// Bytes of a provided name: the entry's number, the spans of name and version.
const PROVIDED: usize = 4 + 2 * 8;

/// Bytes of the end.
const END: usize = 3 * 4;

/// Flags of an entry.
const ESSENTIAL: u32 = 1;
const COMMON: u32 = 2;

/// The length of a version's span where there is no version.
const NONE: u32 = u32::MAX;

/// A slice of text and keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

/// A package: where it stands, and what is asked for most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) paragraph: Span,
    pub(super) name: Span,
    pub(super) version: Span,
    /// `Essential: yes`.
    pub(super) essential: bool,
    /// For all architectures.
    pub(super) common: bool,
    /// Of the package, in bytes.
    pub(super) size: u64,
    pub(super) sha256: Digest,
}

/// A name that a package provides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Provided {
    /// The package's place among the entries.
    pub(super) entry: u32,
    pub(super) name: Span,
    pub(super) version: Option<Span>,
}

/// The packages of one index.
#[derive(Debug)]
pub(super) struct Part {
    bytes: Bytes,
    /// Where the text ends.
    text: usize,
    /// Where the entries begin, which is where the keys end.
    entries: usize,
    len: u32,
    provided: usize,
    provided_len: u32,
    /// The essential ones.
    pub(super) essential: Vec<u32>,
    /// Whether any is for all architectures.
    pub(super) has_common: bool,
}

#[derive(Debug)]
enum Bytes {
    Mapped(Mapped),
    Owned(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(mapped) => mapped,
            Bytes::Owned(bytes) => bytes,
        }
    }
}

impl Part {
    /// Of an entry of the cache; none where it is not what it should be.
    pub(super) fn mapped(mapped: Mapped) -> Option<Self> {
        Self::of(Bytes::Mapped(mapped))
    }

    /// The same of bytes.
    pub(super) fn owned(bytes: Vec<u8>) -> Option<Self> {
        Self::of(Bytes::Owned(bytes))
    }

    fn of(bytes: Bytes) -> Option<Self> {
        let end = bytes.len().checked_sub(END)?;
        let [text, len, provided_len] = [0, 4, 8].map(|place| number(&bytes, end + place));
        let provided = end.checked_sub((provided_len as usize).checked_mul(PROVIDED)?)?;
        let entries = provided.checked_sub((len as usize).checked_mul(ENTRY)?)?;
        let text = usize::try_from(text).ok().filter(|text| *text <= entries)?;
        let (essential, has_common) = (Vec::new(), false);
        let mut part = Part { bytes, text, entries, len, provided, provided_len, essential, has_common };
        let mut essential = Vec::new();
        for at in 0..len {
            let flags = number(&part.bytes, part.place(at) + 24);
            if flags & ESSENTIAL != 0 {
                essential.push(at);
            }
            part.has_common |= flags & COMMON != 0;
        }
        part.essential = essential;
        Some(part)
    }

    /// The number of packages.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// The whole text.
    pub(super) fn text(&self) -> &[u8] {
        &self.bytes[..self.text]
    }

    /// A slice; empty where what is kept is none of ours.
    pub(super) fn slice(&self, span: Span) -> &str {
        std::str::from_utf8(self.slice_bytes(span)).unwrap_or_default()
    }

    fn slice_bytes(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        let bytes =
            start.checked_add(span.len as usize).and_then(|end| self.bytes[..self.entries].get(start..end));
        bytes.unwrap_or_default()
    }

    /// The name of the package at a place, which must be below [`Part::len`].
    pub(super) fn name(&self, at: u32) -> &str {
        self.slice(span(&self.bytes, self.place(at) + 8))
    }

    /// The same, as names are compared.
    pub(super) fn name_bytes(&self, at: u32) -> &[u8] {
        self.slice_bytes(span(&self.bytes, self.place(at) + 8))
    }

    /// Its version.
    pub(super) fn version(&self, at: u32) -> &str {
        self.slice(span(&self.bytes, self.place(at) + 16))
    }

    /// All that is kept of it.
    pub(super) fn entry(&self, at: u32) -> Entry {
        let (bytes, place) = (&*self.bytes, self.place(at));
        let flags = number(bytes, place + 24);
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(&bytes[place + 36..place + 68]);
        Entry {
            paragraph: span(bytes, place),
            name: span(bytes, place + 8),
            version: span(bytes, place + 16),
            essential: flags & ESSENTIAL != 0,
            common: flags & COMMON != 0,
            size: u64::from(number(bytes, place + 28)) | u64::from(number(bytes, place + 32)) << 32,
            sha256: Digest::from_bytes(sha256),
        }
    }

    /// Who provides a name, in the order of the entries.
    pub(super) fn providers<'p>(&'p self, name: &'p str) -> impl Iterator<Item = Provided> + 'p {
        let place = |at: u32| self.provided + at as usize * PROVIDED;
        let name = name.as_bytes();
        let of = move |at: u32| self.slice_bytes(span(&self.bytes, place(at) + 4));
        let first = partition_point(self.provided_len, |at| of(at) < name);
        let all = first..self.provided_len;
        all.take_while(move |at| of(*at) == name).map(move |at| {
            let place = place(at);
            let version = span(&self.bytes, place + 12);
            Provided {
                entry: number(&self.bytes, place),
                name: span(&self.bytes, place + 4),
                version: (version.len != NONE).then_some(version),
            }
        })
    }

    fn place(&self, at: u32) -> usize {
        self.entries + at as usize * ENTRY
    }
}

/// Writes what follows text and keys.
pub(super) fn write_tables(
    out: &mut impl Write,
    text: u32,
    entries: impl ExactSizeIterator<Item = Entry>,
    provided: impl ExactSizeIterator<Item = Provided>,
) -> io::Result<()> {
    let counts = [entries.len(), provided.len()];
    let mut row = Vec::with_capacity(ENTRY);
    for Entry { paragraph, name, version, essential, common, size, sha256 } in entries {
        row.clear();
        for span in [paragraph, name, version] {
            put(&mut row, span);
        }
        let flags = if essential { ESSENTIAL } else { 0 } | if common { COMMON } else { 0 };
        row.extend(flags.to_le_bytes());
        row.extend(size.to_le_bytes());
        row.extend(sha256.as_bytes());
        out.write_all(&row)?;
    }
    for Provided { entry, name, version } in provided {
        row.clear();
        row.extend(entry.to_le_bytes());
        put(&mut row, name);
        put(&mut row, version.unwrap_or(Span { start: 0, len: NONE }));
        out.write_all(&row)?;
    }
    out.write_all(&text.to_le_bytes())?;
    for count in counts {
        let count = u32::try_from(count).map_err(|_| io::Error::other("there are too many packages"))?;
        out.write_all(&count.to_le_bytes())?;
    }
    Ok(())
}

/// The first of so many places for which something no longer holds.
pub(super) fn partition_point(len: u32, holds: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

fn put(row: &mut Vec<u8>, span: Span) {
    row.extend(span.start.to_le_bytes());
    row.extend(span.len.to_le_bytes());
}

/// The number at a place that is known to be there.
fn number(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn span(bytes: &[u8], at: usize) -> Span {
    Span { start: number(bytes, at), len: number(bytes, at + 4) }
}
