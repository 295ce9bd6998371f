//! Reads a tar stream, member by member, to its very end.
//!
//! The `tar` crate walks the stream. It cuts pax records at newlines, which is wrong for binary values, so
//! the header blocks it consumed are kept (see [`super::guard`]) and their pax records read again.

use std::borrow::Cow;
use std::io::{self, Read};
use std::ops::ControlFlow;

use tar::{EntryType, Header};

use super::guard::{Guard, Watch};
use super::{BLOCK, Entry, EntryKind, Limits, MAX_DEPTH, MAX_PATH, Metadata, TarballError, pax};
use crate::root_path::RootPath;

/// Gives each member of a tar stream to `visit`, in order, with a reader of its content.
///
/// The reader yields exactly the size that the entry states, or an error; what the visitor leaves unread is
/// passed over. Behind the archive's end the rest of `reader` is read too, so that a decompressor below gets
/// to verify its checksum. Global pax headers are not visited. An error of `visit` ends the reading and is
/// returned, unless the stream itself failed under it.
pub fn read<R: Read, E: From<TarballError>>(
    mut reader: R,
    limits: &Limits,
    mut visit: impl FnMut(Entry, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let mut refused = None;
    walk(&mut reader, limits, Rest::Any, &mut |entry, _, content| keep(visit(entry, content), &mut refused))?;
    refused.map_or(Ok(()), Err)
}

/// As [`read`], for archives of which no part may go unseen: `visit` also gets what an [`Entry`] leaves out, and
/// behind the archive's end only zeros may follow.
pub fn read_all<R: Read, E: From<TarballError>>(
    mut reader: R,
    limits: &Limits,
    mut visit: impl FnMut(Entry, &Extensions<'_>, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let mut refused = None;
    walk(&mut reader, limits, Rest::Zeros, &mut |entry, extensions, content| {
        keep(visit(entry, extensions, content), &mut refused)
    })?;
    refused.map_or(Ok(()), Err)
}

/// Whether to go on; the error of a visitor who does not want to is kept.
fn keep<E>(visited: Result<(), E>, refused: &mut Option<E>) -> ControlFlow<()> {
    match visited {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            *refused = Some(error);
            ControlFlow::Break(())
        }
    }
}

/// What may follow the blocks that end an archive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Any,
    Zeros,
}

/// Visits a member, with what its headers say besides and its content.
type Visit<'v> = dyn FnMut(Entry, &Extensions<'_>, &mut dyn Read) -> ControlFlow<()> + 'v;

/// Walks until the end or a visitor's refusal. There is one of this for all readers and visitors: it is long, and
/// the time goes into what is below them.
fn walk(
    reader: &mut dyn Read,
    limits: &Limits,
    rest: Rest,
    visit: &mut Visit<'_>,
) -> Result<(), TarballError> {
    let watch = Watch::default();
    let mut archive = tar::Archive::new(Guard { inner: reader, watch: &watch, max_total: limits.max_total });
    let mut count = 0;
    let mut total = 0_u64;
    let malformed = |after, error: &io::Error| {
        let reason = error.to_string();
        watch.failure(limits, after).unwrap_or(TarballError::Malformed { after, reason })
    };
    let mut entries = archive.entries().map_err(|error| malformed(0, &error))?;
    loop {
        let start = watch.record();
        let Some(member) = entries.next() else { break };
        let mut member = member.map_err(|error| malformed(count, &error))?;
        let headers = watch.recorded();
        if member.header().entry_type().is_pax_global_extensions() {
            if member.path_bytes() != member.header().path_bytes() {
                let reason = "a global pax header stands between a member and its long name".to_owned();
                return Err(TarballError::Malformed { after: count, reason });
            }
            skip(&mut member).map_err(|error| malformed(count, &error))?;
            continue;
        }
        count += 1;
        if count > limits.max_entries {
            return Err(TarballError::TooManyEntries(limits.max_entries));
        }
        let mut extensions = Extensions::read(&headers, start, member.raw_header_position())
            .map_err(|reason| TarballError::Malformed { after: count - 1, reason: reason.to_owned() })?;
        extensions.name_owners(member.header());
        let entry = entry(&member, &extensions)?;
        let size = member.size();
        total = total.saturating_add(size);
        if total > limits.max_total {
            return Err(TarballError::TooLarge(limits.max_total));
        }
        let path = entry.path.clone();
        let has_content = matches!(entry.kind, EntryKind::File { .. });
        let mut content = Content { member: &mut member, left: size, short: false };
        let reader: &mut dyn Read = if has_content { &mut content } else { &mut io::empty() };
        let visited = visit(entry, &extensions, reader);
        let drained = visited.is_break() || skip(&mut content).is_ok();
        if let Some(failure) = watch.failure(limits, count) {
            return Err(failure);
        }
        if content.short || !drained {
            return Err(TarballError::Truncated(path));
        }
        if visited.is_break() {
            return Ok(());
        }
    }
    watch.recorded();
    let mut tail = Tail { inner: archive.into_inner(), zeros: true };
    skip(&mut tail).map_err(|error| malformed(count, &error))?;
    if rest == Rest::Zeros && !tail.zeros {
        let reason = "something follows its end".to_owned();
        return Err(TarballError::Malformed { after: count, reason });
    }
    Ok(())
}

/// What follows an archive.
struct Tail<R> {
    inner: R,
    /// Whether only zeros passed so far.
    zeros: bool,
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.zeros &= buffer[..read].iter().all(|byte| *byte == 0);
        Ok(read)
    }
}

/// Reads to the end.
fn skip(reader: &mut impl Read) -> io::Result<u64> {
    io::copy(reader, &mut io::sink())
}

/// A member's content, which is complete or an error.
struct Content<'a, R> {
    member: &'a mut R,
    left: u64,
    short: bool,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.left == 0 {
            return Ok(0);
        }
        let read = self.member.read(buffer)?;
        if read == 0 {
            self.short = true;
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the tar stream ends within a member"));
        }
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

/// What a member's headers say about it besides what its [`Entry`] holds.
#[derive(Default)]
pub struct Extensions<'a> {
    /// The content of a GNU `L` member.
    long_name: Option<&'a [u8]>,
    /// The content of a GNU `K` member.
    long_link: Option<&'a [u8]>,
    records: Vec<(&'a str, &'a [u8])>,
    /// Of the member's own header.
    user: Option<String>,
    /// Of the member's own header.
    group: Option<String>,
}

impl<'a> Extensions<'a> {
    /// The owner's name; none where the header has none or it is not UTF-8.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The group's name; none where the header has none or it is not UTF-8.
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Reads them from the bytes that passed from offset `start` of the stream on, up to the member's own
    /// header; the first bytes may be padding.
    fn read(headers: &'a [u8], start: u64, header_position: u64) -> Result<Self, &'static str> {
        const LOST: &str = "its headers overlap";
        let offset = |number: u64| usize::try_from(number).map_err(|_| LOST);
        let mut at = offset(start.next_multiple_of(BLOCK as u64) - start)?;
        let end = offset(header_position.checked_sub(start).ok_or(LOST)?)?;
        let mut extensions = Extensions::default();
        while at < end {
            let header = Header::from_byte_slice(headers.get(at..at + BLOCK).ok_or(LOST)?);
            let size = offset(header.entry_size().map_err(|_| LOST)?)?;
            let content_end = (at + BLOCK).checked_add(size).ok_or(LOST)?;
            let content = headers.get(at + BLOCK..content_end).ok_or(LOST)?;
            let text = content.split(|byte| *byte == 0).next();
            match header.entry_type() {
                EntryType::XHeader => extensions.records = pax::records(content)?,
                EntryType::GNULongName => extensions.long_name = text,
                EntryType::GNULongLink => extensions.long_link = text,
                _ => return Err(LOST),
            }
            at += BLOCK + size.next_multiple_of(BLOCK);
        }
        if at == end { Ok(extensions) } else { Err(LOST) }
    }

    /// Takes the names of user and group from pax records, or else from the header.
    fn name_owners(&mut self, header: &Header) {
        let name = |record: Option<&[u8]>, header: Option<&[u8]>| {
            let bytes = record.or(header).filter(|name| !name.is_empty())?;
            std::str::from_utf8(bytes).ok().map(ToOwned::to_owned)
        };
        self.user = name(self.record("uname"), header.username_bytes());
        self.group = name(self.record("gname"), header.groupname_bytes());
    }

    /// The value of a pax record, such as one of a vendor's; the last of a name counts.
    pub fn record(&self, name: &str) -> Option<&'a [u8]> {
        self.records.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

/// What a member's headers say.
fn entry<R: Read>(member: &tar::Entry<'_, R>, extensions: &Extensions<'_>) -> Result<Entry, TarballError> {
    let header = member.header();
    let name = extensions
        .long_name
        .or_else(|| extensions.record("path"))
        .map_or_else(|| header.path_bytes(), Cow::Borrowed);
    let link = extensions
        .long_link
        .or_else(|| extensions.record("linkpath"))
        .map_or_else(|| header.link_name_bytes().unwrap_or_default(), Cow::Borrowed);
    let path = RootPath::from_bytes(&name)?;
    if path.as_str().len() > MAX_PATH || path.components().count() > MAX_DEPTH {
        return Err(TarballError::TooDeep(path));
    }
    if let Some((key, _)) = extensions.records.iter().find(|(key, _)| key.starts_with("GNU.sparse.")) {
        return Err(TarballError::Field { path, field: format!("record `{key}`: a pax sparse member") });
    }
    if let Some(size) = extensions.record("size") {
        // The tar crate has already followed this record; make sure that both read it alike.
        let size = std::str::from_utf8(size).ok().and_then(|size| size.parse::<u64>().ok());
        if size != Some(member.size()) && !header.entry_type().is_gnu_sparse() {
            return Err(TarballError::Field { path, field: "record `size`".to_owned() });
        }
    }
    let kind = kind(member, &path, &name, &link)?;
    let metadata = metadata(header, &path, &extensions.records)?;
    Ok(Entry { path, metadata, kind })
}

fn kind<R: Read>(
    member: &tar::Entry<'_, R>,
    path: &RootPath,
    name: &[u8],
    link: &[u8],
) -> Result<EntryKind, TarballError> {
    let header = member.header();
    let refused = || TarballError::LinkTarget { path: path.clone(), target: link.escape_ascii().to_string() };
    let device = || {
        let number = |bytes: Option<&[u8; 8]>, field: &str| {
            bytes
                .and_then(|bytes| octal(bytes))
                .and_then(|number| u32::try_from(number).ok())
                .ok_or_else(|| TarballError::Field { path: path.clone(), field: field.to_owned() })
        };
        let (major, minor) = match (header.as_ustar(), header.as_gnu()) {
            (Some(ustar), _) => (Some(&ustar.dev_major), Some(&ustar.dev_minor)),
            (_, Some(gnu)) => (Some(&gnu.dev_major), Some(&gnu.dev_minor)),
            _ => (None, None),
        };
        Ok::<_, TarballError>((number(major, "major device number")?, number(minor, "minor device number")?))
    };
    Ok(match header.entry_type() {
        // Before ustar, a directory was a file whose name ends in a slash.
        EntryType::Regular if name.ends_with(b"/") => EntryKind::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            EntryKind::File { size: member.size() }
        }
        EntryType::Directory => EntryKind::Directory,
        EntryType::Symlink => match std::str::from_utf8(link) {
            Ok(target) if !target.is_empty() && !target.contains('\0') => {
                EntryKind::Symlink { target: target.to_owned() }
            }
            _ => return Err(refused()),
        },
        EntryType::Link => match RootPath::from_bytes(link) {
            Ok(target) if !target.is_root() => EntryKind::HardLink { target },
            _ => return Err(refused()),
        },
        EntryType::Char => device().map(|(major, minor)| EntryKind::CharDevice { major, minor })?,
        EntryType::Block => device().map(|(major, minor)| EntryKind::BlockDevice { major, minor })?,
        EntryType::Fifo => EntryKind::Fifo,
        other => {
            let kind = std::ascii::escape_default(other.as_byte()).to_string();
            return Err(TarballError::UnknownType { path: path.clone(), kind });
        }
    })
}

fn metadata(header: &Header, path: &RootPath, records: &[(&str, &[u8])]) -> Result<Metadata, TarballError> {
    let unusable = |field: &str| TarballError::Field { path: path.clone(), field: field.to_owned() };
    let raw = header.as_old();
    let narrow = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
    let mut metadata = Metadata {
        mode: narrow(octal(&raw.mode).map(|mode| mode & 0o7777)).ok_or_else(|| unusable("mode"))?,
        ..Metadata::default()
    };
    let (mut uid, mut gid) = (octal(&raw.uid), octal(&raw.gid));
    let mut mtime = if raw.mtime[0] == 0xff { Some(0) } else { octal(&raw.mtime) };
    for (key, value) in records {
        let text = std::str::from_utf8(value).ok();
        match *key {
            "uid" => uid = text.and_then(|text| text.parse().ok()),
            "gid" => gid = text.and_then(|text| text.parse().ok()),
            "mtime" => mtime = text.and_then(seconds),
            key => {
                if let Some(name) = key.strip_prefix(pax::XATTR) {
                    metadata.xattrs.insert(name.to_owned(), value.to_vec());
                }
            }
        }
    }
    metadata.uid = narrow(uid).ok_or_else(|| unusable("owner"))?;
    metadata.gid = narrow(gid).ok_or_else(|| unusable("group"))?;
    metadata.mtime = mtime.ok_or_else(|| unusable("time"))?;
    Ok(metadata)
}

/// A pax time, `-12.345`, without its fraction.
fn seconds(text: &str) -> Option<u64> {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    whole.parse::<i64>().ok().map(|seconds| u64::try_from(seconds).unwrap_or(0))
}

/// A numeric header field: octal digits, or GNU's base-256; a blank one is zero.
fn octal(field: &[u8]) -> Option<u64> {
    match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => {
            // Negative, or the first byte's low bits: no owner or time of use is that large.
            if first & 0x7f != 0 {
                return None;
            }
            rest.iter().try_fold(0_u64, |number, byte| {
                number.checked_mul(256).map(|number| number + u64::from(*byte))
            })
        }
        _ => {
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
            let digits = std::str::from_utf8(&field[..end]).ok()?.trim();
            if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
        }
    }
}
