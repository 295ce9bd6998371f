//! Pieces of layers: what one package gives to a layer, compressed by itself. The same piece has the same bytes in
//! whatever layer it is, so it is taken from one that was packed before where the cache has that.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use flate2::Crc;
use serde::{Deserialize, Serialize};

use super::blob::{Compression, LayerWriter, PieceEnd, decompress_piece, layer_form};
use crate::cache::Cache;
use crate::catalog::FileCatalog;
use crate::digest::Digest;
use crate::layer::PackagePart;
use crate::recipe::LayerCompression;

/// The kind of derived entry that says where pieces lie. Another form of it or of their keys needs another name.
const PLACES: &str = "piece-place-2";

/// Read at a time, in bytes.
const AT_ONCE: usize = 1 << 18;

/// What a piece is known by: equal for pieces with the same bytes.
pub(super) fn piece_key(part: &PackagePart, compression: LayerCompression, catalog: &FileCatalog) -> Digest {
    let content = catalog.package(&part.package).map(|package| package.content);
    let key = (layer_form(compression), content, &part.files, &part.others);
    // Nothing of it can fail to be written into memory.
    Digest::of(&postcard::to_stdvec(&key).unwrap_or_default())
}

/// Where a piece lies, and what it comes to in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PiecePlace {
    blob: Digest,
    start: u64,
    crc: u32,
    tar: u64,
    /// Its members or frames.
    members: Vec<u32>,
}

impl PiecePlace {
    /// Between the ends of two pieces of a blob.
    pub(super) fn between(blob: Digest, before: &PieceEnd, end: &PieceEnd) -> Self {
        let (start, tar) = (before.blob, end.tar - before.tar);
        PiecePlace { blob, start, crc: end.crc, tar, members: end.members.clone() }
    }

    /// What it comes to in the blob, in bytes.
    fn len(&self) -> u64 {
        self.members.iter().map(|member| u64::from(*member)).sum()
    }

    /// Remembers it. Failing to is not an error: the piece is compressed again.
    pub(super) fn keep(&self, key: &Digest, cache: &Cache) {
        if let Ok(bytes) = postcard::to_stdvec(self) {
            let _ = cache.put_derived(PLACES, key, &bytes);
        }
    }
}

/// A piece that lies in a blob of the cache.
#[derive(Debug)]
pub(super) struct KeptPiece {
    file: File,
    place: PiecePlace,
    compression: LayerCompression,
}

impl KeptPiece {
    /// The piece of a key, where the cache has it.
    pub(super) fn find(key: &Digest, compression: LayerCompression, cache: &Cache) -> Option<Self> {
        let place: PiecePlace = postcard::from_bytes(&cache.derived(PLACES, key)?).ok()?;
        let file = cache.open_blob(place.blob)?;
        Some(KeptPiece { file, place, compression })
    }

    /// As it is in the blob, from its start.
    fn reader(&self) -> io::Result<impl Read + '_> {
        (&self.file).seek(SeekFrom::Start(self.place.start))?;
        Ok((&self.file).take(self.place.len()))
    }

    /// What it is in the blob, member by member, and in the tar; none where it is damaged. It is held as a whole.
    pub(super) fn read(&self) -> Option<(Vec<Vec<u8>>, Vec<u8>)> {
        let mut reader = self.reader().ok()?;
        let (mut crc, mut members) = (Crc::new(), Vec::new());
        for size in &self.place.members {
            let member = next_member(&mut reader, *size).ok()?;
            crc.update(&member);
            members.push(member);
        }
        if crc.sum() != self.place.crc {
            return None;
        }
        let size = usize::try_from(self.place.tar).ok()?;
        let tar = decompress_piece(self.compression, members.iter().map(Vec::as_slice), size).ok()?;
        Some((members, tar))
    }

    /// Whether it is as it was written. It is read a little at a time.
    pub(super) fn is_sound(&self) -> bool {
        self.reader().and_then(crc_of).is_ok_and(|crc| crc == self.place.crc)
    }

    /// Appends it to a layer, a little at a time.
    pub(super) fn append_to(&self, layer: &mut LayerWriter) -> io::Result<()> {
        let mut reader = self.reader()?;
        for size in &self.place.members {
            layer.append(next_member(&mut reader, *size)?)?;
        }
        let mut tar = Compression::from(self.compression).decompress(self.reader()?)?;
        let mut bytes = vec![0; AT_ONCE];
        loop {
            match tar.read(&mut bytes)? {
                0 => return Ok(()),
                read => layer.count(&bytes[..read])?,
            }
        }
    }
}

/// The next so many bytes, all of them.
fn next_member(reader: &mut impl Read, size: u32) -> io::Result<Vec<u8>> {
    let mut member = Vec::with_capacity(AT_ONCE);
    reader.take(size.into()).read_to_end(&mut member)?;
    if member.len() as u64 == u64::from(size) { Ok(member) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The CRC-32 of all that a reader yields.
fn crc_of(mut reader: impl Read) -> io::Result<u32> {
    let (mut crc, mut bytes) = (Crc::new(), vec![0; AT_ONCE]);
    loop {
        match reader.read(&mut bytes)? {
            0 => return Ok(crc.sum()),
            read => crc.update(&bytes[..read]),
        }
    }
}
