//! `Packages` texts are cut down, as they come, to what is ever asked of them: a [part](super::part).
//!
//! The paragraphs and fields keep their order; what nobody reads (descriptions, mostly) and what the entries have is
//! left out. Each paragraph is checked.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::io::{self, Read, Write};
use std::sync::mpsc::{SendError, SyncSender, sync_channel};

use rayon::prelude::*;

use crate::deb::control::{self, Paragraph};
use crate::deb::version;
use crate::digest::Digest;

use super::part::{Entry, Provided, Span, write_tables};
use super::{IndexError, IndexOrigin, OriginKind, mention};

/// The fields of a record that are kept beside those whose mentions count.
const FIELDS: [&str; 10] = [
    "Source",
    "Version",
    "Architecture",
    "Multi-Arch",
    "Priority",
    "Section",
    "Essential",
    "Protected",
    "Important",
    "Filename",
];

/// Bytes that are unpacked before they are read.
const PIECE: usize = 1 << 20;

/// So many pieces are unpacked before the first is read.
const PIECES: usize = 4;

/// Bytes of paragraphs that are written at once, or a few more.
const TOGETHER: usize = 1 << 18;

/// Why a text was not cut down.
#[derive(Debug)]
pub(super) enum CutError {
    /// It is no index.
    Index(IndexError),
    /// It cannot be unpacked, or what is left of it cannot be written.
    Io,
}

impl From<IndexError> for CutError {
    fn from(error: IndexError) -> Self {
        CutError::Index(error)
    }
}

impl From<io::Error> for CutError {
    fn from(_: io::Error) -> Self {
        CutError::Io
    }
}

/// Whose text it is, as errors tell it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose<'a> {
    pub(super) origin: &'a IndexOrigin,
    /// The distro's name for the architecture.
    pub(super) deb_arch: &'a str,
}

/// Cuts a text down that is there.
pub(super) fn cut_text(text: &str, whose: Whose<'_>, out: &mut impl Write) -> Result<(), CutError> {
    let mut cutter = Cutter::new(whose, out);
    cutter.add(text)?;
    cutter.finish()
}

/// Cuts a text down as it is unpacked, which goes on on another thread. It may have `limit` bytes.
pub(super) fn cut_unpacked<'b>(
    open: impl FnOnce() -> io::Result<Box<dyn Read + 'b>> + Send,
    limit: u64,
    whose: Whose<'_>,
    out: &mut impl Write,
) -> Result<(), CutError> {
    let (sender, pieces) = sync_channel(PIECES);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Where nobody wants more, the rest is not unpacked.
            let _ = unpack(open, limit, &sender);
        });
        let mut cutter = Cutter::new(whose, out);
        for piece in pieces {
            cutter.add(&text(&piece?))?;
        }
        cutter.finish()
    })
}

/// Old descriptions may be in Latin-1; every field that counts is ASCII.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    // Looks at eight bytes at once, as the other does not.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Sends what is unpacked, a piece of whole paragraphs at a time; an error, at the end, where it is not what it should
/// be.
fn unpack<'b>(
    open: impl FnOnce() -> io::Result<Box<dyn Read + 'b>>,
    limit: u64,
    pieces: &SyncSender<io::Result<Vec<u8>>>,
) -> Result<(), SendError<io::Result<Vec<u8>>>> {
    let mut reader = match open() {
        Ok(reader) => reader,
        Err(error) => return pieces.send(Err(error)),
    };
    let mut left = limit;
    let mut piece = Vec::new();
    loop {
        piece.reserve(PIECE);
        match reader.by_ref().take(PIECE as u64).read_to_end(&mut piece) {
            Err(error) => return pieces.send(Err(error)),
            Ok(0) => return pieces.send(Ok(piece)),
            Ok(read) if read as u64 > left => {
                return pieces.send(Err(io::Error::other("it is larger than it is said to be")));
            }
            Ok(read) => left -= read as u64,
        }
        let Some(end) = memchr::memmem::rfind(&piece, b"\n\n") else { continue };
        let mut rest = Vec::with_capacity(piece.len() - end + PIECE);
        rest.extend_from_slice(&piece[end + 1..]);
        piece.truncate(end + 1);
        pieces.send(Ok(std::mem::replace(&mut piece, rest)))?;
    }
}

struct Cutter<'w, W> {
    whose: Whose<'w>,
    /// The names of the fields that are kept, at the place of their length.
    kept: Vec<Vec<&'static str>>,
    out: &'w mut W,
    /// Bytes written.
    written: u64,
    /// Paragraphs that are written together.
    pending: String,
    /// Their names and versions are in the keys.
    rows: Vec<Entry>,
    /// With the place among the rows; their names are in the keys, their versions in the text.
    provided: Vec<Provided>,
    /// What is sorted by, side by side: compared a million times, it stays in the processor's cache.
    keys: String,
}

impl<'w, W: Write> Cutter<'w, W> {
    fn new(whose: Whose<'w>, out: &'w mut W) -> Self {
        let (rows, provided) = (Vec::new(), Vec::new());
        let (pending, keys) = (String::with_capacity(2 * TOGETHER), String::new());
        Cutter { whose, kept: kept_by_length(), out, written: 0, pending, rows, provided, keys }
    }

    /// Adds whole paragraphs.
    fn add(&mut self, text: &str) -> Result<(), CutError> {
        let (mut paragraphs, mut fields) = (control::paragraphs(text), Vec::new());
        while let Some(paragraph) = paragraphs.next_with_fields(&mut fields) {
            self.add_paragraph(&paragraph, &fields)?;
            fields.clear();
        }
        Ok(())
    }

    fn add_paragraph(&mut self, paragraph: &Paragraph<'_>, fields: &[(&str, &str)]) -> Result<(), CutError> {
        let Some(package) = Package::read(fields, self.whose)? else { return Ok(()) };
        let text = paragraph.text();
        let at = self.at();
        // What is kept may get an end of its last line.
        let (Ok(start), Ok(_)) = (u32::try_from(at), u32::try_from(at + text.len() as u64 + 1)) else {
            return Err(IndexError::TooLarge { origin: self.whose.origin.to_string() }.into());
        };
        let before = self.pending.len();
        let offset = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
        // Fields that stand side by side are copied at once.
        let (mut run, mut provides) = (0..0, 0);
        for (place, (field, value)) in fields.iter().enumerate() {
            if !self.keeps(field) {
                continue;
            }
            if run.end != offset(field) {
                self.pending.push_str(&text[run]);
                run = offset(field)..offset(field);
            }
            if package.provides.is_some_and(|known| std::ptr::eq(known, *value)) {
                provides = start + number(self.pending.len() - before + offset(value) - run.start);
            }
            run.end = fields.get(place + 1).map_or(text.len(), |(next, _)| offset(next));
        }
        self.pending.push_str(&text[run]);
        if !self.pending.ends_with('\n') {
            self.pending.push('\n');
        }
        let len = number(self.pending.len() - before);
        self.add_provided(package.provides.unwrap_or_default(), provides);
        let (name, version) = (self.key(package.name), self.key(package.version));
        self.rows.push(Entry {
            paragraph: Span { start, len },
            name,
            version,
            essential: package.essential,
            common: package.common,
            size: package.size,
            sha256: package.sha256,
        });
        self.pending.push('\n');
        if self.pending.len() >= TOGETHER {
            self.write_pending()?;
        }
        Ok(())
    }

    fn keeps(&self, field: &str) -> bool {
        let alike = self.kept.get(field.len()).into_iter().flatten();
        alike.into_iter().any(|kept| is_called(field, kept))
    }

    /// Where the next paragraph begins.
    fn at(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    fn write_pending(&mut self) -> io::Result<()> {
        self.out.write_all(self.pending.as_bytes())?;
        self.written = self.at();
        self.pending.clear();
        Ok(())
    }

    /// The names in a `Provides` field that is written at `start`.
    fn add_provided(&mut self, field: &str, start: u32) {
        let span = |part: &str| Span {
            start: start + number(part.as_ptr() as usize - field.as_ptr() as usize),
            len: number(part.len()),
        };
        for provided in field.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let (name, version) = match provided.split_once('(') {
                None => (provided, None),
                Some((name, version)) => (name.trim_end(), Some(version)),
            };
            let version = match version.map(|version| version.trim_end_matches(')').trim().strip_prefix('='))
            {
                None => None,
                Some(Some(version)) => Some(span(version.trim_start())),
                Some(None) => continue, // only `=` makes sense; the field's other names still count
            };
            let entry = number(self.rows.len());
            let name = self.key(name);
            self.provided.push(Provided { entry, name, version });
        }
    }

    fn key(&mut self, text: &str) -> Span {
        let start = number(self.keys.len());
        self.keys.push_str(text);
        Span { start, len: number(text.len()) }
    }

    /// Writes the keys and the tables: the packages by name, the newest first, of equal versions the first.
    fn finish(mut self) -> Result<(), CutError> {
        self.write_pending()?;
        let Cutter { whose, rows, mut provided, keys, out, written: text, .. } = self;
        let too_large = |_| IndexError::TooLarge { origin: whose.origin.to_string() };
        u32::try_from(text + keys.len() as u64).map_err(too_large)?;
        let start = u32::try_from(text).map_err(too_large)?;
        out.write_all(keys.as_bytes())?;

        let key = |span: Span| &keys[span.start as usize..(span.start + span.len) as usize];
        let newest_first = |a: &Entry, b: &Entry| version::compare(key(b.version), key(a.version));
        let row = |at: &u32| &rows[*at as usize];
        let mut order: Vec<(u128, u32)> =
            (0..).zip(&rows).map(|(at, row)| (first_bytes(key(row.name)), at)).collect();
        order.par_sort_by(|(first_of_a, a), (first_of_b, b)| {
            let (a, b) = (row(a), row(b));
            let by_name = first_of_a.cmp(first_of_b).then_with(|| key(a.name).cmp(key(b.name)));
            by_name.then_with(|| newest_first(a, b))
        });
        order.dedup_by(|(_, later), (_, first)| {
            let (later, first) = (row(later), row(first));
            key(later.name) == key(first.name) && newest_first(first, later) == Ordering::Equal
        });
        let mut places = vec![None; rows.len()];
        for (place, (_, at)) in order.iter().enumerate() {
            places[*at as usize] = Some(number(place));
        }
        provided.retain_mut(|provided| match places[provided.entry as usize] {
            Some(place) => {
                provided.entry = place;
                true
            }
            None => false,
        });
        let name = |provided: &Provided| key(provided.name);
        provided.par_sort_by_cached_key(|one| (first_bytes(name(one)), name(one), one.entry));

        // The keys follow the text.
        let written = |span: Span| Span { start: start + span.start, ..span };
        let entries = order.iter().map(|(_, at)| row(at)).map(|entry| Entry {
            name: written(entry.name),
            version: written(entry.version),
            ..*entry
        });
        let provided =
            provided.into_iter().map(|provided| Provided { name: written(provided.name), ..provided });
        Ok(write_tables(out, start, entries, provided)?)
    }
}

fn kept_by_length() -> Vec<Vec<&'static str>> {
    let mut kept: Vec<Vec<&str>> = Vec::new();
    for field in FIELDS.into_iter().chain(mention::FIELDS) {
        kept.resize(kept.len().max(field.len() + 1), Vec::new());
        kept[field.len()].push(field);
    }
    kept
}

/// Whether a field has a name, in any case: nearly always in this one.
fn is_called(field: &str, name: &str) -> bool {
    field == name || field.eq_ignore_ascii_case(name)
}

/// The first bytes of a text as a number: of two that differ, the one of the lesser text is less. Comparing numbers
/// settles most of what is to be sorted.
fn first_bytes(text: &str) -> u128 {
    let mut bytes = [0; size_of::<u128>()];
    let len = text.len().min(bytes.len());
    bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
    u128::from_be_bytes(bytes)
}

/// A length or a place in a text that is known to be below 4 GiB.
fn number(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// What is read of a paragraph.
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    essential: bool,
    common: bool,
    size: u64,
    sha256: Digest,
    provides: Option<&'a str>,
}

impl<'a> Package<'a> {
    /// Reads and checks a paragraph's fields; of one that stands twice, the first counts. None of an archive's package for
    /// another architecture: some list all of them in one index, of which apt takes those that it can use.
    fn read(fields: &[(&'a str, &'a str)], whose: Whose<'_>) -> Result<Option<Self>, IndexError> {
        let [mut name, mut version, mut arch, mut filename, mut size, mut sha256, mut provides] = [None; 7];
        let mut essential = false;
        for (field, value) in fields.iter().copied() {
            let place = match field.len() {
                4 if is_called(field, "Size") => &mut size,
                6 if is_called(field, "SHA256") => &mut sha256,
                7 if is_called(field, "Package") => &mut name,
                7 if is_called(field, "Version") => &mut version,
                8 if is_called(field, "Filename") => &mut filename,
                8 if is_called(field, "Provides") => &mut provides,
                9 if is_called(field, "Essential") => {
                    essential = value == "yes";
                    continue;
                }
                12 if is_called(field, "Architecture") => &mut arch,
                _ => continue,
            };
            *place = place.or(Some(value));
        }
        let origin = || whose.origin.to_string();
        let package = || name.unwrap_or_default().to_owned();
        let need = |field, value: Option<&'a str>| {
            let value = value.filter(|value| !value.is_empty());
            value.ok_or_else(|| IndexError::Missing { origin: origin(), package: package(), field })
        };
        let malformed = |field, value: &str| IndexError::Malformed {
            origin: origin(),
            package: package(),
            field,
            value: value.to_owned(),
        };
        let (own_name, version) = (need("Package", name)?, need("Version", version)?);
        let arch = need("Architecture", arch)?;
        if arch != "all" && arch != whose.deb_arch {
            if whose.origin.kind == OriginKind::Archive {
                return Ok(None);
            }
            return Err(IndexError::Architecture {
                origin: origin(),
                package: package(),
                found: arch.to_owned(),
                expected: whose.deb_arch.to_owned(),
            });
        }
        need("Filename", filename)?;
        let (size, sha256) = (need("Size", size)?, need("SHA256", sha256)?);
        Ok(Some(Package {
            name: own_name,
            version,
            essential,
            common: arch == "all",
            size: size.parse().map_err(|_| malformed("Size", size))?,
            sha256: Digest::parse(sha256).map_err(|_| malformed("SHA256", sha256))?,
            provides,
        }))
    }
}
