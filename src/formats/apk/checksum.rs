//! apk's checksum, written `Q1` and base64: the SHA-1 by which it tells packages and files apart.
//!
//! Of a package it is that of the control member's compressed bytes, of a file that of its content, of a
//! symbolic link that of its target. SHA-1 is what format 2 has; a package's data is held by the SHA-256 that
//! the control member states.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// A SHA-1 as apk writes it: `Q1` and 28 characters of base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Checksum([u8; 20]);

/// The text is no checksum of apk's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a `Q1` checksum")]
pub struct ChecksumError(pub String);

impl Checksum {
    /// The checksum of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_ring(ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref())
    }

    /// From what ring made, which is 20 bytes for SHA-1.
    pub(crate) fn from_ring(bytes: &[u8]) -> Self {
        let mut checksum = [0; 20];
        checksum.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Checksum(checksum)
    }

    /// From the 20 bytes.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Checksum(bytes)
    }

    /// The 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The 40 hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A reader that takes the checksum of all that passes through it.
pub(super) struct Summing<R> {
    inner: R,
    sum: ring::digest::Context,
}

impl<R: Read> Summing<R> {
    pub(super) fn new(inner: R) -> Self {
        let sum = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
        Summing { inner, sum }
    }

    /// The checksum of everything, what nobody has read yet included.
    pub(super) fn finish(mut self) -> io::Result<Checksum> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(Checksum::from_ring(self.sum.finish().as_ref()))
    }
}

impl<R: Read> Read for Summing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.sum.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Q1{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.strip_prefix("Q1").and_then(|text| STANDARD.decode(text).ok());
        let bytes = bytes.and_then(|bytes| <[u8; 20]>::try_from(bytes).ok());
        bytes.map(Checksum).ok_or_else(|| ChecksumError(text.to_owned()))
    }
}

impl TryFrom<String> for Checksum {
    type Error = ChecksumError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelled_as_apk_does() {
        let empty = Checksum::of(b"");
        assert_eq!(empty.to_string(), "Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=");
        assert_eq!(empty.hex(), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!("Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=".parse(), Ok(empty));
        for wrong in ["", "Q1", "Q12jmj7l5rSw0yVb/vlWAYkK/YBwk", "Q22jmj7l5rSw0yVb/vlWAYkK/YBwk=", "Q1AAAA"] {
            assert!(wrong.parse::<Checksum>().is_err(), "{wrong}");
        }
    }
}
