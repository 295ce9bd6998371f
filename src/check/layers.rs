//! A layer's archive is read to its end: its members, and what the checks of the merged tree need of their
//! bytes.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};

use super::owners;
use crate::digest::{Digest, Hasher};
use crate::elf::{self, ElfFacts};
use crate::oci::Compression;
use crate::root_path::RootPath;
use crate::tarball::{self, Entry, EntryKind, Limits, TarballError};

/// An ELF file that is larger is not looked into.
const MAX_ELF: u64 = 2 << 30;
/// A configuration file that is larger is not read.
const MAX_TEXT: u64 = 4 << 20;
/// Neither is a record of packages.
const MAX_RECORD: u64 = 16 << 20;

/// So much of a script is read for its first line, as by Linux.
const SHEBANG: u64 = 256;

/// What a layer holds.
#[derive(Debug)]
pub(super) struct LayerContent {
    /// All members, in the archive's order.
    pub(super) entries: Vec<Entry>,
    /// Of ELF files, by their number among the members.
    pub(super) facts: BTreeMap<usize, ElfFacts>,
    /// What is wrong with files that begin like ELF files, by their position.
    pub(super) damaged: BTreeMap<usize, String>,
    /// The first lines of scripts without `#!`, by number.
    pub(super) shebangs: BTreeMap<usize, String>,
    /// Contents of the few text files that matter, by number.
    pub(super) texts: BTreeMap<usize, String>,
    /// Of the uncompressed bytes, all of them.
    pub(super) diff_id: Digest,
    /// Why reading ended early.
    pub(super) error: Option<String>,
}

impl LayerContent {
    /// Reads a layer. `compression` of none means: look at the bytes.
    pub(super) fn read(compressed: impl Read, compression: Option<Compression>) -> io::Result<Self> {
        let mut compressed = BufReader::with_capacity(1 << 16, compressed);
        let compression = match compression {
            Some(compression) => compression,
            None => Compression::of_magic(compressed.fill_buf()?),
        };
        let mut tar = Hashed { inner: compression.decompress(compressed)?, hash: Hasher::new(io::sink()) };
        let mut content = LayerContent {
            entries: Vec::new(),
            facts: BTreeMap::new(),
            damaged: BTreeMap::new(),
            shebangs: BTreeMap::new(),
            texts: BTreeMap::new(),
            diff_id: Digest::of(b""),
            error: None,
        };
        let read: Result<(), TarballError> = tarball::read(&mut tar, &Limits::default(), |entry, bytes| {
            content.member(entry, bytes).map_err(TarballError::Read)
        });
        // What stands behind a member that cannot be read still belongs to the digest.
        let drained = io::copy(&mut tar, &mut io::sink());
        content.error = read.err().map(|error| chain(&error)).or(drained.err().map(|error| chain(&error)));
        content.diff_id = tar.hash.finish().1;
        Ok(content)
    }

    fn member(&mut self, entry: Entry, bytes: &mut dyn Read) -> io::Result<()> {
        let number = self.entries.len();
        if let EntryKind::File { size } = entry.kind {
            let is_text = is_read_as_text(&entry.path) && size <= MAX_TEXT;
            if is_text || owners::is_record(&entry.path) && size <= MAX_RECORD {
                let mut text = Vec::new();
                bytes.read_to_end(&mut text)?;
                self.texts.insert(number, String::from_utf8_lossy(&text).into_owned());
            } else if size <= MAX_ELF {
                self.program(number, bytes)?;
            }
        }
        self.entries.push(entry);
        Ok(())
    }

    fn program(&mut self, number: usize, bytes: &mut dyn Read) -> io::Result<()> {
        let mut file = Vec::new();
        bytes.take(4).read_to_end(&mut file)?;
        if file.starts_with(b"#!") {
            bytes.take(SHEBANG).read_to_end(&mut file)?;
            let line = file.split(|byte| *byte == b'\n').next().unwrap_or_default();
            self.shebangs.insert(number, String::from_utf8_lossy(&line[2..]).into_owned());
        } else if elf::is_elf(&file) {
            bytes.read_to_end(&mut file)?;
            // What cannot be read as ELF, the loader will not load either: then nobody finds it.
            match elf::facts(&file) {
                Ok(facts) => _ = self.facts.insert(number, facts),
                Err(error) => _ = self.damaged.insert(number, error.to_string()),
            }
        }
        Ok(())
    }
}

fn is_read_as_text(path: &RootPath) -> bool {
    let path = path.as_str();
    ["/etc/passwd", "/etc/group", "/etc/ld.so.conf"].contains(&path)
        || path.strip_prefix("/etc/ld.so.conf.d/").and_then(|name| name.strip_suffix(".conf")).is_some()
        || path.starts_with("/etc/ld-musl-")
}

/// An error with all its causes.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

struct Hashed<R> {
    inner: R,
    hash: Hasher<io::Sink>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.write_all(&buffer[..read])?;
        Ok(read)
    }
}
