//! Paragraphs become entries: checked, put in order, their provided names collected.

use std::cmp::Ordering;

use rayon::prelude::*;

use crate::deb::{control, version};
use crate::digest::Digest;

use super::{IndexError, IndexOrigin, OriginKind, PackageId};

/// A slice of an origin's text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

/// A package: its paragraph, and what is asked for most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) origin: u16,
    pub(super) paragraph: Span,
    pub(super) name: Span,
    pub(super) version: Span,
    pub(super) provides: Span,
    pub(super) essential: bool,
    pub(super) size: u64,
    pub(super) sha256: Digest,
}

/// One name in a `Provides` field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Provided {
    pub(super) package: PackageId,
    pub(super) name: Span,
    pub(super) version: Option<Span>,
}

#[inline]
pub(super) fn slice(text: &str, span: Span) -> &str {
    &text[span.start as usize..(span.start + span.len) as usize]
}

/// The span of a part within a text that it is a slice of; the text is known to be below 4 GiB.
pub(super) fn span_within(text: &str, part: &str) -> Span {
    let place = |n: usize| u32::try_from(n).unwrap_or(0);
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    Span { start: place(start), len: place(part.len()) }
}

/// Reads and checks one paragraph.
pub(super) fn read_entry(
    text: &str,
    paragraph: &control::Paragraph<'_>,
    origin_number: u16,
    origin: &IndexOrigin,
    deb_arch: &str,
) -> Result<Entry, IndexError> {
    let [mut name, mut version, mut arch, mut filename, mut size, mut sha256, mut provides] = [None; 7];
    let mut essential = false;
    for (field, value) in paragraph.fields() {
        let place = match field.len() {
            4 if field.eq_ignore_ascii_case("Size") => &mut size,
            6 if field.eq_ignore_ascii_case("SHA256") => &mut sha256,
            7 if field.eq_ignore_ascii_case("Package") => &mut name,
            7 if field.eq_ignore_ascii_case("Version") => &mut version,
            8 if field.eq_ignore_ascii_case("Filename") => &mut filename,
            8 if field.eq_ignore_ascii_case("Provides") => &mut provides,
            9 if field.eq_ignore_ascii_case("Essential") => {
                essential = value == "yes";
                continue;
            }
            12 if field.eq_ignore_ascii_case("Architecture") => &mut arch,
            _ => continue,
        };
        *place = place.or(Some(value));
    }
    let origin = || origin.to_string();
    let package = || name.unwrap_or_default().to_owned();
    let need = |field, value: Option<&'_ str>| {
        value.map(|_| ()).ok_or_else(|| IndexError::Missing { origin: origin(), package: package(), field })
    };
    let malformed = |field, value: &str| IndexError::Malformed {
        origin: origin(),
        package: package(),
        field,
        value: value.to_owned(),
    };
    for (field, value) in [
        ("Package", name),
        ("Version", version),
        ("Architecture", arch),
        ("Filename", filename),
        ("Size", size),
        ("SHA256", sha256),
    ] {
        need(field, value.filter(|value| !value.is_empty()))?;
    }
    let (name_text, version_text) = (name.unwrap_or_default(), version.unwrap_or_default());
    let (arch, size, sha256) =
        (arch.unwrap_or_default(), size.unwrap_or_default(), sha256.unwrap_or_default());
    if arch != "all" && arch != deb_arch {
        let expected = deb_arch.to_owned();
        return Err(IndexError::Architecture {
            origin: origin(),
            package: package(),
            found: arch.to_owned(),
            expected,
        });
    }
    Ok(Entry {
        origin: origin_number,
        paragraph: span_within(text, paragraph.text()),
        name: span_within(text, name_text),
        version: span_within(text, version_text),
        provides: provides.map_or(Span { start: 0, len: 0 }, |provides| span_within(text, provides)),
        essential,
        size: size.parse().map_err(|_| malformed("Size", size))?,
        sha256: Digest::parse(sha256).map_err(|_| malformed("SHA256", sha256))?,
    })
}

/// The packages by name, local ones first, then newest first, then by kind and place of their origin; of
/// equal versions only the first.
pub(super) fn in_order(entries: &[Entry], origins: &[IndexOrigin], texts: &[&str]) -> Vec<Entry> {
    let text_of = |entry: &Entry, span: Span| slice(texts[usize::from(entry.origin)], span);
    let kind = |entry: &Entry| origins[usize::from(entry.origin)].kind;
    // Names are compared a million times: side by side they stay in the processor's cache.
    let mut names = String::new();
    let mut order: Vec<(usize, usize, &Entry)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let start = names.len();
        names.push_str(text_of(entry, entry.name));
        order.push((start, names.len(), entry));
    }
    let newest_first = |a: &Entry, b: &Entry| version::compare(text_of(b, b.version), text_of(a, a.version));
    order.par_sort_by(|(a_start, a_end, a), (b_start, b_end, b)| {
        let local_first = || (kind(a) != OriginKind::Local).cmp(&(kind(b) != OriginKind::Local));
        names[*a_start..*a_end]
            .cmp(&names[*b_start..*b_end])
            .then_with(local_first)
            .then_with(|| newest_first(a, b))
            .then_with(|| kind(a).cmp(&kind(b)))
    });
    order.dedup_by(|(later_start, later_end, later), (start, end, first)| {
        names[*later_start..*later_end] == names[*start..*end]
            && newest_first(first, later) == Ordering::Equal
    });
    order.into_iter().map(|(_, _, entry)| *entry).collect()
}

/// Every provided name of every package. A field that cannot be read provides nothing.
pub(super) fn collect_provided(texts: &[&str], entries: &[Entry]) -> Vec<Provided> {
    let mut all: Vec<(&str, Provided)> = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        if entry.provides.len == 0 {
            continue;
        }
        let package = PackageId(u32::try_from(number).unwrap_or(u32::MAX));
        let text = texts[usize::from(entry.origin)];
        for provided in slice(text, entry.provides).split(',').map(str::trim).filter(|name| !name.is_empty())
        {
            let (name, version) = match provided.split_once('(') {
                None => (provided, None),
                Some((name, version)) => (name.trim_end(), Some(version)),
            };
            let version = match version.map(|version| version.trim_end_matches(')').trim().strip_prefix('='))
            {
                None => None,
                Some(Some(version)) => Some(span_within(text, version.trim_start())),
                Some(None) => continue, // only `=` makes sense; the field's other names still count
            };
            all.push((name, Provided { package, name: span_within(text, name), version }));
        }
    }
    all.par_sort_by(|(a, left), (b, right)| a.cmp(b).then(left.package.cmp(&right.package)));
    all.into_iter().map(|(_, provided)| provided).collect()
}
