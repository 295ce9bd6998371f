//! `/etc/ld.so.cache`, which glibc's loader looks libraries up in: a tree of files -> the file's bytes.
//!
//! The format is glibc's own, in its present form (`glibc-ld.so.cache1.1` with extensions, as ldconfig(8)
//! writes it since glibc 2.32 by default; glibc's `dl-cache.h` describes it):
//!
//! ```text
//! "glibc-ld.so.cache" "1.1"  number of entries (u32)  length of strings (u32)  byte order (u8: 2 little, 3 big)
//! 3 zero bytes  offset of the extensions (u32)  12 zero bytes
//! entries: flags (i32)  key (u32)  value (u32)  0 (u32)  hwcap (u64)
//! strings, each ended by NUL; keys and values are offsets from the start of the file
//! extensions, aligned to 4: magic (u32)  number (u32)  sections: tag  flags  offset  size (u32 each)
//! ```
//!
//! Numbers are in the byte order of the machine the image is for. Entries stand in the order in which ld.so
//! halves them: by name from the highest, numbers within names compared as numbers, then by flags, then those of
//! `glibc-hwcaps` by directory, then as the directories of ld.so.conf(5) come.
//!
//! `scan` finds the entries. Left out: the old format `ld.so-1.7.0`, which ldconfig wrote in front of this one
//! long ago, and the instruction set levels of single files (GNU property notes), which Debian's do not have.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::arch::Arch;

mod scan;

pub(super) use scan::{CONFIG, config_files, directories, scan};

/// What the extension section names as the cache's maker.
const GENERATOR: &[u8] = b"rootforge";

/// The number that extensions begin with: -358342284.
const EXTENSION_MAGIC: u32 = 0xeaa4_2174;
/// A section with the name of the program that wrote the file.
const TAG_GENERATOR: u32 = 0;
/// A section with the names of `glibc-hwcaps` directories.
const TAG_HWCAPS: u32 = 1;
/// Set in an entry's hwcap where it is the number of such a name.
const HWCAP_EXTENSION: u64 = 1 << 62;

const HEADER: usize = 48;
const ENTRY: usize = 24;

/// A library in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CacheEntry {
    /// The name that programs ask for.
    pub(super) soname: String,
    /// Where it is.
    pub(super) path: String,
    /// The directory below `glibc-hwcaps` that it is in, if it is in one.
    pub(super) hwcaps: Option<String>,
}

/// What an entry's flags say of a machine: a library for glibc 2 (3), and which ABI of those the machine has.
fn flags(arch: Arch) -> u32 {
    3 | match arch {
        Arch::Amd64 => 0x0300,
        Arch::S390x => 0x0400,
        Arch::Ppc64le => 0x0500,
        Arch::Arm32v7 => 0x0900,
        Arch::Arm64 => 0x0a00,
        // Debian's ABI for ARM before version 7 passes floating point numbers as others.
        Arch::Arm32v6 => 0x0b00,
        Arch::Riscv64 => 0x1000,
        Arch::I386 => 0,
    }
}

/// Writes the cache. Entries come in the order of their directories.
pub(super) fn write(mut entries: Vec<CacheEntry>, arch: Arch) -> Vec<u8> {
    entries.sort_by(|a, b| {
        compare_names(b.soname.as_bytes(), a.soname.as_bytes())
            .then_with(|| a.hwcaps.is_none().cmp(&b.hwcaps.is_none()))
            .then_with(|| a.hwcaps.cmp(&b.hwcaps))
    });
    let little = arch.elf_machine().little_endian;
    let hwcaps: BTreeSet<&str> = entries.iter().filter_map(|entry| entry.hwcaps.as_deref()).collect();
    let texts = entries.iter().flat_map(|entry| [entry.soname.as_str(), &entry.path]);
    let strings = Strings::lay(texts.chain(hwcaps.iter().copied()).collect());
    let base = HEADER + ENTRY * entries.len();
    let extensions = (base + strings.bytes.len()).next_multiple_of(4);
    let at = |text: &str| number(base + strings.offsets.get(text).copied().unwrap_or(0));

    let mut out = Out { bytes: b"glibc-ld.so.cache1.1".to_vec(), little };
    out.u32s(&[number(entries.len()), number(strings.bytes.len())]);
    out.bytes.extend([if little { 2 } else { 3 }, 0, 0, 0]);
    out.u32s(&[number(extensions), 0, 0, 0]);
    for entry in &entries {
        out.u32s(&[flags(arch), at(&entry.soname), at(&entry.path), 0]);
        let position = entry.hwcaps.as_deref().and_then(|name| hwcaps.iter().position(|one| *one == name));
        out.u64(position.map_or(0, |position| HWCAP_EXTENSION | position as u64));
    }
    out.bytes.extend(&strings.bytes);
    out.bytes.resize(extensions, 0);
    let names: Vec<u32> = hwcaps.iter().map(|name| at(name)).collect();
    out.extensions(&names);
    out.bytes
}

/// A size as the format has it. A cache of four gigabytes is none.
fn number(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// Bytes in an image's byte order.
struct Out {
    bytes: Vec<u8>,
    little: bool,
}

impl Out {
    fn u32s(&mut self, numbers: &[u32]) {
        for number in numbers {
            self.bytes.extend(if self.little { number.to_le_bytes() } else { number.to_be_bytes() });
        }
    }

    fn u64(&mut self, number: u64) {
        self.bytes.extend(if self.little { number.to_le_bytes() } else { number.to_be_bytes() });
    }

    /// The extensions: who made the file, and the offsets of names of `glibc-hwcaps` directories, if any. Their
    /// contents follow the table, that which is made of numbers aligned.
    fn extensions(&mut self, names: &[u32]) {
        let sections = if names.is_empty() { 1 } else { 2 };
        let start = self.bytes.len() + 8 + 16 * sections;
        self.u32s(&[EXTENSION_MAGIC, number(sections)]);
        self.u32s(&[TAG_GENERATOR, 0, number(start), number(GENERATOR.len())]);
        let aligned = (start + GENERATOR.len()).next_multiple_of(4);
        if !names.is_empty() {
            self.u32s(&[TAG_HWCAPS, 0, number(aligned), number(4 * names.len())]);
        }
        self.bytes.extend(GENERATOR);
        if !names.is_empty() {
            self.bytes.resize(aligned, 0);
            self.u32s(names);
        }
    }
}

/// A table of strings in which one that ends another is not stored again.
struct Strings<'a> {
    bytes: Vec<u8>,
    offsets: BTreeMap<&'a str, usize>,
}

impl<'a> Strings<'a> {
    fn lay(texts: BTreeSet<&'a str>) -> Self {
        let mut texts: Vec<&str> = texts.into_iter().collect();
        texts.sort_by(|a, b| compare_ends(a.as_bytes(), b.as_bytes()));
        let mut bytes = Vec::new();
        let mut offsets = BTreeMap::new();
        let mut before: Option<(&str, usize)> = None;
        for text in texts {
            let offset = if let Some((before, offset)) = before.filter(|(before, _)| before.ends_with(text)) {
                offset + before.len() - text.len()
            } else {
                let offset = bytes.len();
                bytes.extend(text.as_bytes());
                bytes.push(0);
                offset
            };
            offsets.insert(text, offset);
            before = Some((text, offset));
        }
        Strings { bytes, offsets }
    }
}

/// From the last byte to the first, the highest first; what ends another comes after it.
fn compare_ends(a: &[u8], b: &[u8]) -> Ordering {
    b.iter()
        .rev()
        .zip(a.iter().rev())
        .map(|(b, a)| b.cmp(a))
        .find(|order| order.is_ne())
        .unwrap_or(b.len().cmp(&a.len()))
}

/// The order of library names: runs of digits as numbers, which are above all else.
fn compare_names(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        match (a.first(), b.first()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => {
                let order = match (x.is_ascii_digit(), y.is_ascii_digit()) {
                    (true, true) => {
                        let (left, right) = (split_number(a), split_number(b));
                        (a, b) = (left.1, right.1);
                        left.0.len().cmp(&right.0.len()).then_with(|| left.0.cmp(right.0))
                    }
                    (true, false) => Ordering::Greater,
                    (false, true) => Ordering::Less,
                    (false, false) => {
                        (a, b) = (&a[1..], &b[1..]);
                        x.cmp(y)
                    }
                };
                if order.is_ne() {
                    return order;
                }
            }
        }
    }
}

/// The digits in front, without leading zeros, and what follows them.
fn split_number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    (&digits[zeros..], rest)
}

#[cfg(test)]
mod tests;
