//! SHA-256 digests: of what is fetched, of what is written.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// A SHA-256 digest. Displayed as OCI writes it: `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// The text is no SHA-256 digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a SHA-256 digest")]
pub struct DigestError(pub String);

/// What a character is worth as a hexadecimal digit; more than 15 if it is none. An index has millions of them.
const DIGITS: [u8; 256] = {
    let mut digits = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        digits[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

impl Digest {
    /// The digest of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(sha2::Sha256::digest(bytes).into())
    }

    /// The digest of all that a reader yields, and its length in bytes.
    pub fn of_reader(reader: impl Read) -> io::Result<(Self, u64)> {
        let mut hasher = Hasher::new(io::sink());
        io::copy(&mut io::BufReader::with_capacity(1 << 16, reader), &mut hasher)?;
        let (_, digest, size) = hasher.finish();
        Ok((digest, size))
    }

    /// The 64 hexadecimal digits, without the algorithm.
    pub fn hex(&self) -> String {
        use fmt::Write as _;
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of these 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Digest(bytes)
    }

    /// Reads 64 hexadecimal digits, with or without `sha256:` before them.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let error = || DigestError(text.to_owned());
        let hex = text.strip_prefix("sha256:").unwrap_or(text).as_bytes();
        if hex.len() != 64 {
            return Err(error());
        }
        let (mut bytes, mut all) = ([0; 32], 0);
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let [high, low] = [pair[0], pair[1]].map(|digit| DIGITS[usize::from(digit)]);
            *byte = high << 4 | low;
            all |= high | low;
        }
        if all > 0xf {
            return Err(error());
        }
        Ok(Digest(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// Passes bytes through to a writer while computing their digest and counting them.
#[derive(Debug)]
pub struct Hasher<W> {
    inner: W,
    hash: sha2::Sha256,
    size: u64,
}

impl<W: Write> Hasher<W> {
    /// Hashes what is written to `inner`.
    pub fn new(inner: W) -> Self {
        Hasher { inner, hash: sha2::Sha256::new(), size: 0 }
    }

    /// The writer, for what is not to be hashed.
    pub const fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// How many bytes were written.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The writer back, the digest of all bytes it accepted, and their number.
    pub fn finish(self) -> (W, Digest, u64) {
        (self.inner, Digest(self.hash.finalize().into()), self.size)
    }
}

impl<W: Write> Write for Hasher<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_of_nothing() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").hex(), hex);
        assert_eq!(Digest::parse(&format!("sha256:{hex}")), Ok(Digest::of(b"")));
        assert_eq!(Digest::of_reader(&b""[..]).unwrap(), (Digest::of(b""), 0));
        assert!(Digest::parse("e3b0").is_err());
        assert!(Digest::parse(&"é".repeat(32)).is_err());
        assert_eq!(Digest::parse(&hex.to_uppercase()), Ok(Digest::of(b"")));
    }

    #[test]
    fn every_character_is_a_digit_or_none() {
        for character in (0..=255_u8).filter(u8::is_ascii).map(char::from) {
            for place in [0, 1, 30, 63] {
                let mut text = "0".repeat(64);
                text.replace_range(place..=place, &character.to_string());
                let value = character.to_digit(16).map(|value| u8::try_from(value).unwrap());
                let byte = |digest: Digest| digest.0[place / 2];
                let expected = value.map(|value| if place % 2 == 0 { value << 4 } else { value });
                assert_eq!(Digest::parse(&text).ok().map(byte), expected, "{character:?} at {place}");
            }
        }
    }
}
