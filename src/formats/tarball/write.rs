//! Writes a tar stream whose bytes depend on its entries alone.

use std::io::{self, Read, Write};

use tar::{EntryType, Header};

use super::{BLOCK, Entry, EntryKind, Metadata, pax};

/// Largest values of ustar's octal fields of 7 and 11 digits.
const MAX_7: u64 = 0o777_7777;
const MAX_11: u64 = 0o777_7777_7777;

/// Writes entries in the order given: ustar headers without user and group names, and a pax header before
/// those that ustar cannot hold (long or non-ASCII names, large numbers, extended attributes).
///
/// Names are relative, without `./`, and a directory's ends in a slash. A stream that is not
/// [finished](Writer::finish) has no end mark.
#[derive(Debug)]
pub struct Writer<W: Write> {
    inner: W,
}

impl<W: Write> Writer<W> {
    /// Starts a stream on `inner`, which is written in many small pieces.
    pub fn new(inner: W) -> Self {
        Writer { inner }
    }

    /// Appends an entry. A file's content must have exactly the size that the entry states; for all others
    /// `content` is not read.
    pub fn append(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let (header, records) = headers(entry)?;
        if !records.is_empty() {
            let mut pax = blank_header(EntryType::XHeader, records.len() as u64, &Metadata::default());
            pax.set_mode(0o644);
            let name = format!("PaxHeaders/{}", ascii_tail(entry.path.file_name(), 88));
            set_bytes(&mut pax.as_old_mut().name, name.as_bytes());
            pax.set_cksum();
            self.inner.write_all(pax.as_bytes())?;
            self.inner.write_all(&records)?;
            self.pad(records.len() as u64)?;
        }
        self.inner.write_all(header.as_bytes())?;
        if let EntryKind::File { size } = entry.kind {
            let wrong = |text: &str| {
                let text = format!("the content of `{}` is {text} than its {size} bytes", entry.path);
                io::Error::new(io::ErrorKind::InvalidData, text)
            };
            if io::copy(&mut content.take(size), &mut self.inner)? != size {
                return Err(wrong("shorter"));
            }
            if io::copy(&mut content.take(1), &mut io::sink())? != 0 {
                return Err(wrong("longer"));
            }
            self.pad(size)?;
        }
        Ok(())
    }

    /// Writes the end mark, two blocks of zeros, and gives the writer back.
    pub fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&[0; 2 * BLOCK])?;
        Ok(self.inner)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let used = usize::try_from(size % BLOCK as u64).unwrap_or(0);
        if used == 0 { Ok(()) } else { self.inner.write_all(&[0; BLOCK][used..]) }
    }
}

/// The ustar header of an entry, and the pax records that must come before it.
fn headers(entry: &Entry) -> io::Result<(Header, Vec<u8>)> {
    let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
    let mut records = Vec::new();
    let (entry_type, size) = match &entry.kind {
        EntryKind::Directory => (EntryType::Directory, 0),
        EntryKind::File { size } => (EntryType::Regular, *size),
        EntryKind::Symlink { .. } => (EntryType::Symlink, 0),
        EntryKind::HardLink { .. } => (EntryType::Link, 0),
        EntryKind::CharDevice { .. } => (EntryType::Char, 0),
        EntryKind::BlockDevice { .. } => (EntryType::Block, 0),
        EntryKind::Fifo => (EntryType::Fifo, 0),
    };
    let metadata = &entry.metadata;
    let mut header = blank_header(entry_type, size, metadata);

    let mut name = entry.path.relative().to_owned();
    if entry.kind == EntryKind::Directory {
        name.push_str(if name.is_empty() { "./" } else { "/" });
    }
    if name.is_empty() || name.contains('\0') {
        return Err(invalid(format!("`{}` cannot name a file", entry.path)));
    }
    if !set_name(&mut header, &name) {
        pax::append(&mut records, "path", name.as_bytes());
        set_bytes(&mut header.as_old_mut().name, ascii_tail(&name, 100).as_bytes());
    }
    let link = match &entry.kind {
        EntryKind::Symlink { target } => Some(target.as_str()),
        EntryKind::HardLink { target } => Some(target.relative()),
        _ => None,
    };
    if let Some(link) = link {
        if link.is_empty() || link.contains('\0') {
            return Err(invalid(format!("`{}` cannot link to `{}`", entry.path, link.escape_default())));
        }
        if link.len() > 100 || !link.is_ascii() {
            pax::append(&mut records, "linkpath", link.as_bytes());
        }
        set_bytes(&mut header.as_old_mut().linkname, ascii_tail(link, 100).as_bytes());
    }
    if let EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } = entry.kind {
        if u64::from(major.max(minor)) > MAX_7 {
            return Err(invalid(format!("`{}` has a device number that tar cannot hold", entry.path)));
        }
        header.set_device_major(major)?;
        header.set_device_minor(minor)?;
    }
    for (key, number, max) in [
        ("size", size, MAX_11),
        ("uid", u64::from(metadata.uid), MAX_7),
        ("gid", u64::from(metadata.gid), MAX_7),
        ("mtime", metadata.mtime, MAX_11),
    ] {
        if number > max {
            pax::append(&mut records, key, number.to_string().as_bytes());
        }
    }
    for (key, value) in &metadata.xattrs {
        if key.is_empty() || key.contains(['=', '\0']) {
            return Err(invalid(format!("`{}` has an attribute without a usable name", entry.path)));
        }
        pax::append(&mut records, &format!("{}{key}", pax::XATTR), value);
    }
    header.set_cksum();
    Ok((header, records))
}

/// A ustar header without names; numbers that do not fit are zero.
fn blank_header(entry_type: EntryType, size: u64, metadata: &Metadata) -> Header {
    let fit = |number: u64, max: u64| if number > max { 0 } else { number };
    let mut header = Header::new_ustar();
    header.set_entry_type(entry_type);
    header.set_mode(metadata.mode & 0o7777);
    header.set_size(fit(size, MAX_11));
    header.set_uid(fit(metadata.uid.into(), MAX_7));
    header.set_gid(fit(metadata.gid.into(), MAX_7));
    header.set_mtime(fit(metadata.mtime, MAX_11));
    header
}

/// Puts a name into the name field, or splits it at a slash over prefix and name; false if it fits in neither.
fn set_name(header: &mut Header, name: &str) -> bool {
    let Some(ustar) = header.as_ustar_mut() else { return false };
    if !name.is_ascii() {
        return false;
    }
    let bytes = name.as_bytes();
    if bytes.len() <= 100 {
        set_bytes(&mut ustar.name, bytes);
        return true;
    }
    // The longest prefix, so that the same name is always split at the same place; never at the last slash
    // of a directory's name.
    let end = bytes.len().min(156).min(bytes.len() - 1);
    let Some(slash) = bytes[..end].iter().rposition(|byte| *byte == b'/') else { return false };
    if slash == 0 || bytes.len() - slash - 1 > 100 {
        return false;
    }
    set_bytes(&mut ustar.prefix, &bytes[..slash]);
    set_bytes(&mut ustar.name, &bytes[slash + 1..]);
    true
}

fn set_bytes(field: &mut [u8], bytes: &[u8]) {
    for (slot, byte) in field.iter_mut().zip(bytes.iter().chain(std::iter::repeat(&0))) {
        *slot = *byte;
    }
}

/// The last `max` bytes of a name, for readers that do not know pax; what is not ASCII becomes `_`.
fn ascii_tail(name: &str, max: usize) -> String {
    let ascii: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    let cut = ascii.len().saturating_sub(max);
    // What is cut off must not turn a relative name into an absolute one.
    if cut == 0 { ascii } else { ascii[cut..].trim_start_matches('/').to_owned() }
}
