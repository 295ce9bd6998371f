//! The gzip members of a package or an index (RFC 1952, section 2.2), one at a time or as one stream.
//!
//! What is signed, and what checksums are taken of, are the compressed bytes of some members. So the bytes below
//! the decoder are watched: counted, and kept or hashed as they are consumed. A decoder consumes a member to its
//! last byte and nothing beyond.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use super::error::{ApkError, Part, Subject};
use crate::digest::{Digest, Hasher};
use crate::html::looks_like_html;

/// The first byte of every gzip member.
const GZIP: u8 = 0x1f;

/// The members of a byte stream.
pub(super) struct Members<R> {
    source: Watched<R>,
}

/// A whole member in memory.
pub(super) struct Member {
    /// Its bytes as they stand in the file.
    pub(super) packed: Vec<u8>,
    /// Its content.
    pub(super) content: Vec<u8>,
}

impl<R: BufRead> Members<R> {
    /// Starts at the source's first byte. Something else than a member there is refused, by its first bytes.
    pub(super) fn new(mut source: R, subject: &Subject) -> Result<Self, ApkError> {
        let start = source.fill_buf().map_err(|cause| subject.damaged(Part::Lead, cause))?;
        if start.starts_with(b"ADB") {
            return Err(ApkError::FormatThree { subject: subject.clone() });
        }
        if start.first() != Some(&GZIP) {
            return Err(ApkError::NotApk { subject: subject.clone(), html: looks_like_html(start) });
        }
        Ok(Members { source: Watched { inner: source, position: 0, watch: Watch::Count } })
    }

    /// How many bytes were consumed.
    pub(super) fn position(&self) -> u64 {
        self.source.position
    }

    /// Whether there is no further byte.
    pub(super) fn at_end(&mut self) -> io::Result<bool> {
        Ok(self.source.fill_buf()?.is_empty())
    }

    /// Reads the next member; `limit` holds for its content and for its compressed bytes each. None where it is
    /// larger.
    pub(super) fn read_next(&mut self, limit: usize) -> io::Result<Option<Member>> {
        self.source.must_be_member()?;
        self.source.watch = Watch::Keep { bytes: Vec::new(), limit };
        let mut content = Vec::new();
        let bound = (limit as u64).saturating_add(1);
        let read = GzDecoder::new(&mut self.source).take(bound).read_to_end(&mut content);
        let kept = std::mem::replace(&mut self.source.watch, Watch::Count);
        let Watch::Keep { bytes: packed, .. } = kept else { return Ok(None) };
        if content.len() > limit || packed.len() > limit {
            return Ok(None);
        }
        read?;
        Ok(Some(Member { packed, content }))
    }

    /// The digest of all bytes that are left, and their number. Nothing is decompressed.
    pub(super) fn hash_rest(mut self) -> io::Result<(Digest, u64)> {
        Digest::of_reader(&mut self.source.inner)
    }

    /// The contents of all members that are left, joined.
    pub(super) fn join_rest(self) -> Joined<R> {
        let watch = Watch::Hash(Box::new(Hasher::new(io::sink())));
        Joined { between: Some(Watched { watch, ..self.source }), within: None }
    }
}

/// Members' contents as one stream, which ends with the source.
pub(super) struct Joined<R> {
    /// The source, where no member is being read.
    between: Option<Watched<R>>,
    /// The member being read.
    within: Option<GzDecoder<Watched<R>>>,
}

impl<R: BufRead> Joined<R> {
    /// The digest of the compressed bytes that were consumed. None after an error.
    pub(super) fn finish(self) -> Option<Digest> {
        let source = self.between.or_else(|| self.within.map(GzDecoder::into_inner))?;
        match source.watch {
            Watch::Hash(hasher) => Some(hasher.finish().1),
            Watch::Count | Watch::Keep { .. } => None,
        }
    }
}

impl<R: BufRead> Read for Joined<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(mut source) = self.between.take() {
                let next = source.fill_buf().map(<[u8]>::is_empty);
                if !matches!(next, Ok(false)) {
                    self.between = Some(source);
                    return next.map(|_| 0);
                }
                source.must_be_member()?;
                self.within = Some(GzDecoder::new(source));
            }
            let Some(member) = self.within.as_mut() else {
                return Err(io::Error::other("it was given up after an error"));
            };
            let read = member.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            // The member is complete and its checksum right; an empty one is no end.
            self.between = self.within.take().map(GzDecoder::into_inner);
        }
    }
}

/// What is done with bytes as they are consumed.
enum Watch {
    Count,
    /// They are kept, up to one more than the limit.
    Keep {
        bytes: Vec<u8>,
        limit: usize,
    },
    Hash(Box<Hasher<io::Sink>>),
}

/// A source of compressed bytes that knows what was taken from it.
struct Watched<R> {
    inner: R,
    position: u64,
    watch: Watch,
}

impl<R: BufRead> Watched<R> {
    /// Refuses what is not a member by its first byte.
    fn must_be_member(&mut self) -> io::Result<()> {
        match self.inner.fill_buf()?.first() {
            Some(&GZIP) => Ok(()),
            Some(_) => {
                let reason = format!("at byte {}, something else than a gzip member follows", self.position);
                Err(io::Error::new(io::ErrorKind::InvalidData, reason))
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl<R: BufRead> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Watched<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if amount == 0 {
            return;
        }
        // What is consumed was in the buffer, so this reads nothing and cannot fail.
        let consumed = self.inner.fill_buf().ok().and_then(|buffer| buffer.get(..amount)).unwrap_or_default();
        match &mut self.watch {
            Watch::Count => {}
            Watch::Keep { bytes, limit } => {
                let room = limit.saturating_add(1).saturating_sub(bytes.len());
                bytes.extend_from_slice(&consumed[..consumed.len().min(room)]);
            }
            Watch::Hash(hasher) => {
                // A sink takes everything.
                let _ = io::Write::write_all(hasher, consumed);
            }
        }
        self.position = self.position.saturating_add(amount as u64);
        self.inner.consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn gz(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// A source that gives a byte at a time.
    fn slow(bytes: &[u8]) -> io::BufReader<&[u8]> {
        io::BufReader::with_capacity(1, bytes)
    }

    fn joined(bytes: &[u8]) -> io::Result<(Vec<u8>, Option<Digest>)> {
        let mut joined = Members::new(slow(bytes), &Subject::Index).unwrap().join_rest();
        let mut content = Vec::new();
        joined.read_to_end(&mut content)?;
        Ok((content, joined.finish()))
    }

    #[test]
    fn each_member_by_its_exact_bytes() {
        let long = vec![7; 100_000];
        let parts = [gz(b"one"), gz(b""), gz(&long), gz(b"four")];
        let all = parts.concat();
        let mut members = Members::new(slow(&all), &Subject::Index).unwrap();
        for part in &parts {
            assert!(!members.at_end().unwrap());
            let member = members.read_next(200_000).unwrap().unwrap();
            assert_eq!(&member.packed, part);
            assert_eq!(gz(&member.content), *part);
        }
        assert!(members.at_end().unwrap());
        assert_eq!(members.position(), all.len() as u64);
        assert_eq!(members.read_next(1).map(|_| ()).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);

        let (content, digest) = joined(&all).unwrap();
        assert_eq!(content, [&b"one"[..], &long, b"four"].concat());
        assert_eq!(digest, Some(Digest::of(&all)));

        let mut members = Members::new(&all[..], &Subject::Index).unwrap();
        members.read_next(100).unwrap().unwrap();
        let rest = &all[parts[0].len()..];
        assert_eq!(members.hash_rest().unwrap(), (Digest::of(rest), rest.len() as u64));
    }

    #[test]
    fn a_member_larger_than_its_limit() {
        let bytes = gz(&[0; 1000]);
        let read = |limit| Members::new(&bytes[..], &Subject::Index).unwrap().read_next(limit).unwrap();
        assert!(read(999).is_none());
        assert_eq!(read(1000).unwrap().content, [0; 1000]);
        // No content to speak of, but a long name in its header.
        let long = flate2::GzBuilder::new().filename([b'n'; 5000]).write(Vec::new(), Compression::none());
        let long = long.finish().unwrap();
        assert!(Members::new(&long[..], &Subject::Index).unwrap().read_next(4000).unwrap().is_none());
    }

    #[test]
    fn what_is_no_member() {
        let kind = |bytes: &[u8]| joined(bytes).unwrap_err().kind();
        let good = gz(b"content");
        for length in 1..good.len() {
            assert_eq!(kind(&good[..length]), io::ErrorKind::UnexpectedEof, "{length}");
            let second = [&good[..], &good[..length]].concat();
            assert_eq!(kind(&second), io::ErrorKind::UnexpectedEof, "{length}");
        }
        let garbage = joined(&[&good[..], b"\0"].concat()).unwrap_err();
        let says = format!("at byte {}, something else than a gzip member follows", good.len());
        assert_eq!(garbage.to_string(), says);
        for at in 0..8 {
            let mut flipped = good.clone();
            let position = flipped.len() - 1 - at;
            flipped[position] ^= 1;
            assert!(joined(&flipped).is_err(), "the checksum or length is wrong");
        }
        let start = |bytes: &[u8]| Members::new(bytes, &Subject::Index).map(|_| ()).unwrap_err();
        assert!(matches!(start(b""), ApkError::NotApk { html: false, .. }));
        assert!(matches!(start(b"\xef\xbb\xbf\n<!DOCTYPE HTML>"), ApkError::NotApk { html: true, .. }));
        for magic in ["ADB.", "ADBd", "ADBc"] {
            assert!(matches!(start(magic.as_bytes()), ApkError::FormatThree { .. }));
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0..60_usize) {
            let mut member = gz(b"some content, some content");
            let at = at.min(member.len());
            member.splice(at.., bytes);
            if let Ok(mut members) = Members::new(&member[..], &Subject::Index) {
                let _ = members.read_next(50);
                let _ = members.join_rest().read_to_end(&mut Vec::new());
            }
        }
    }
}
