//! The text of an APKINDEX (version 2) becomes a list of records, in its order.
//!
//! One line a field, `X:value`; a line of fewer than two characters ends a record. Fields that say nothing of
//! a package's identity, relations or size are passed over. Relations stay raw text, since that is what a
//! lock keeps. Left out: the archive around the text and its signature, which the room of formats reads.

use super::checksum::{Checksum, ChecksumError};

/// What an index says of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRecord {
    /// `P:`
    pub name: String,
    /// `V:`
    pub version: String,
    /// `A:`, empty where there is none.
    pub arch: String,
    /// `o:`, the source package; the package's own name where there is none.
    pub origin: String,
    /// `C:`, the SHA-1 of the control member, by which apk tells packages apart.
    pub checksum: Checksum,
    /// `S:`, the size of the file in bytes.
    pub size: u64,
    /// `I:`, bytes that it takes when installed; 0 marks a package that only has dependencies.
    pub installed_size: u64,
    /// `t:`, in Unix seconds; 0 where there is none.
    pub build_time: u64,
    /// `k:`, which of several providers of a name is to be taken: the highest. apk keeps 16 bits of it.
    pub provider_priority: u32,
    /// `D:` as it stands.
    pub depends: String,
    /// `p:` as it stands, several joined by a space.
    pub provides: String,
    /// `i:` as it stands.
    pub install_if: String,
}

/// The text is no index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// A line is no field.
    #[error("line {line} is no field of an index: `{text}`")]
    NoField {
        /// Its number, from 1.
        line: usize,
        /// The line, shortened.
        text: String,
    },
    /// A record lacks a field that every package has.
    #[error("the record of `{package}` that ends at line {line} has no `{field}:`")]
    Missing {
        /// The last line of the record, from 1.
        line: usize,
        /// The package, as far as it has a name.
        package: String,
        /// The field.
        field: char,
    },
    /// A field's value cannot be read.
    #[error("line {line}: {source}")]
    Value {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        source: ValueError,
    },
}

/// A field has another value than it may have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// `C:` is no checksum.
    #[error(transparent)]
    Checksum(#[from] ChecksumError),
    /// `S:` or `I:` is no size.
    #[error("`{0}` is no number of bytes")]
    Size(String),
}

/// A record as far as it was read.
#[derive(Default)]
struct Reading<'a> {
    name: Option<&'a str>,
    version: Option<&'a str>,
    checksum: Option<Checksum>,
    arch: &'a str,
    origin: Option<&'a str>,
    size: u64,
    installed_size: u64,
    build_time: u64,
    provider_priority: u64,
    depends: String,
    provides: String,
    install_if: String,
}

impl<'a> Reading<'a> {
    fn field(&mut self, field: u8, value: &'a str) -> Result<(), ValueError> {
        match field {
            b'P' => self.name = Some(value),
            b'V' => self.version = Some(value),
            b'A' => self.arch = value,
            b'o' => self.origin = Some(value),
            b'C' => self.checksum = Some(value.parse().map_err(ValueError::Checksum)?),
            b'S' => self.size = size(value)?,
            b'I' => self.installed_size = size(value)?,
            b't' => self.build_time = number(value),
            b'k' => self.provider_priority = number(value),
            b'D' => join(&mut self.depends, value),
            b'p' => join(&mut self.provides, value),
            b'i' => join(&mut self.install_if, value),
            _ => {}
        }
        Ok(())
    }

    fn finish(self, line: usize) -> Result<IndexRecord, IndexError> {
        let package = self.name.unwrap_or_default();
        let missing = |field| IndexError::Missing { line, package: package.to_owned(), field };
        Ok(IndexRecord {
            name: self.name.ok_or_else(|| missing('P'))?.to_owned(),
            version: self.version.ok_or_else(|| missing('V'))?.to_owned(),
            arch: self.arch.to_owned(),
            origin: self.origin.unwrap_or(package).to_owned(),
            checksum: self.checksum.ok_or_else(|| missing('C'))?,
            size: self.size,
            installed_size: self.installed_size,
            build_time: self.build_time,
            provider_priority: u32::try_from(self.provider_priority & 0xffff).unwrap_or_default(),
            depends: self.depends,
            provides: self.provides,
            install_if: self.install_if,
        })
    }
}

/// A number of bytes; nothing reads as 0, as apk has it.
fn size(text: &str) -> Result<u64, ValueError> {
    let error = || ValueError::Size(text.escape_debug().to_string());
    match text {
        "" => Ok(0),
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().ok().filter(|size| *size <= i64::MAX.cast_unsigned()).ok_or_else(error)
        }
        _ => Err(error()),
    }
}

/// The digits that a text begins with; the largest number where there are too many.
fn number(text: &str) -> u64 {
    let digits = text.bytes().take_while(u8::is_ascii_digit);
    digits.fold(0, |value: u64, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
}

fn join(list: &mut String, more: &str) {
    if !list.is_empty() {
        list.push(' ');
    }
    list.push_str(more);
}

/// Reads the text of an index.
pub fn parse(text: &str) -> Result<Vec<IndexRecord>, IndexError> {
    let mut records = Vec::with_capacity(text.len() / 512);
    let mut reading: Option<Reading<'_>> = None;
    let mut last = 0;
    for (line, content) in (1..).zip(text.split('\n')) {
        last = line;
        if content.len() < 2 {
            if let Some(read) = reading.take() {
                records.push(read.finish(line)?);
            }
            continue;
        }
        let bytes = content.as_bytes();
        let Some(value) = content.get(2..).filter(|_| bytes[1] == b':') else {
            return Err(IndexError::NoField { line, text: content.chars().take(60).collect() });
        };
        let record = reading.get_or_insert_with(Reading::default);
        record.field(bytes[0], value).map_err(|source| IndexError::Value { line, source })?;
    }
    if let Some(read) = reading {
        records.push(read.finish(last)?);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "C:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\nP:musl\nV:1.2.5-r0\nA:x86_64\nS:405850\nI:667648\n\
                        T:the musl c library (libc) implementation\nU:https://musl.libc.org/\nL:MIT\no:musl\n\
                        m:A <a@example.org>\nt:1725456270\nc:abc\np:so:libc.musl-x86_64.so.1=1\n\n\
                        C:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\nP:busybox-binsh\nV:1\nI:0\nk:100\nD:busybox=1\n\
                        p:/bin/sh\np:cmd:sh=1\ni:a b\n\n";

    #[test]
    fn records_in_order() {
        let records = parse(TEXT).unwrap();
        let [musl, shell] = &records[..] else { panic!("{records:?}") };
        assert_eq!(
            (musl.name.as_str(), musl.version.as_str(), musl.origin.as_str()),
            ("musl", "1.2.5-r0", "musl")
        );
        assert_eq!((musl.size, musl.installed_size, musl.build_time), (405_850, 667_648, 1_725_456_270));
        assert_eq!((shell.origin.as_str(), shell.provider_priority), ("busybox-binsh", 100));
        assert_eq!((shell.provides.as_str(), shell.install_if.as_str()), ("/bin/sh cmd:sh=1", "a b"));
        assert_eq!(parse(TEXT.trim_end()).unwrap(), records, "the last empty line may be missing");
        assert_eq!(parse(""), Ok(Vec::new()));
    }

    #[test]
    fn refused() {
        let refused = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(refused("P:a\nV:1\n\n"), "the record of `a` that ends at line 3 has no `C:`");
        assert_eq!(refused("hello\n"), "line 1 is no field of an index: `hello`");
        assert_eq!(refused("C:Q1x\n"), "line 1: `Q1x` is not a `Q1` checksum");
        assert_eq!(refused("P:a\nS:-5\n"), "line 2: `-5` is no number of bytes");
        assert_eq!(
            refused("I:99999999999999999999\n"),
            "line 1: `99999999999999999999` is no number of bytes"
        );
    }

    proptest! {
        #[test]
        fn reads_anything(text in "([PVCDpik]:[a-b0-9 ]{0,4}\n|\n|\\PC{0,6}\n){0,12}") {
            let _ = parse(&text);
        }
    }
}
