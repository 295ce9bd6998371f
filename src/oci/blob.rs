//! Layer blobs: an uncompressed tar goes in, a gzip or zstd file named by its digest comes out, and back.
//!
//! The tar is cut into blocks, and each becomes a gzip member of its own (RFC 1952 section 2.2: a file is a series
//! of members), or a zstd frame (RFC 8878 section 3: so are these). So blocks are compressed side by side, and the
//! bytes depend neither on the number of threads nor on how the writes were sized. No name, no time and the system
//! 255 ("unknown") are in the members' headers; size and checksum of the content are in the frames.
//!
//! Where a piece of the tar ends, a block does: what another layer has of the same piece is the same bytes.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::sync::mpsc::{Receiver, RecvError, TryRecvError, sync_channel};
use std::time::Duration;

use flate2::Crc;
use libdeflater::{CompressionLvl, Compressor, Decompressor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::{LayerBlob, Layout, OciError};
use crate::digest::Hasher;
use crate::recipe::LayerCompression;

/// Bytes of tar in a gzip member. Another number makes other digests.
const GZIP_BLOCK: usize = 1 << 20;

/// How hard libdeflate tries. Another number makes other digests.
const GZIP_LEVEL: i32 = 6;

/// Bytes of tar in a zstd frame, which is all that is seen of the tar at a time: four times as many make layers
/// six in a hundred smaller. Another number makes other digests.
const ZSTD_BLOCK: usize = 4 << 20;

/// How hard zstd tries: beyond it, layers hardly become smaller until it takes ten times as long. Another number
/// makes other digests.
const ZSTD_LEVEL: i32 = 9;

/// How layers are written: other words, where the same tar would become another blob.
pub const fn layer_form(compression: LayerCompression) -> &'static str {
    match compression {
        LayerCompression::Gzip => "gzip members of 1 MiB, cut at packages, libdeflate 6",
        LayerCompression::Zstd => "zstd frames of 4 MiB, cut at packages, level 9",
    }
}

/// Takes a layer's uncompressed tar and writes its compressed blob.
///
/// Until [`LayerWriter::complete`] the blob has no name that an image could refer to; a writer that is
/// dropped leaves nothing behind. Memory is bounded by some 4 MiB for each thread, with zstd by some 64 MiB. May be
/// used inside of rayon's threads as well as outside.
#[derive(Debug)]
pub struct LayerWriter {
    layout: Layout,
    compression: LayerCompression,
    blob: Hasher<BufWriter<NamedTempFile>>,
    tar: Hasher<io::Sink>,
    block: Vec<u8>,
    pending: VecDeque<Pending>,
    /// Bytes of tar that were taken.
    taken: u64,
    /// Bytes of the blob that were written.
    written: u64,
    /// Of what was written since the last piece ended.
    crc: Crc,
    members: Vec<u32>,
    ends: Vec<PieceEnd>,
}

/// What is still to be written.
#[derive(Debug)]
enum Pending {
    Member(Receiver<io::Result<Vec<u8>>>),
    /// A piece ends here, after so many bytes of tar.
    End(u64),
}

/// Where a piece of a layer ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PieceEnd {
    /// The place in the blob, in bytes.
    pub(super) blob: u64,
    /// The place in the tar, in bytes.
    pub(super) tar: u64,
    /// The CRC-32 of the piece as it is in the blob.
    pub(super) crc: u32,
    /// The members or frames that it is made of, in bytes.
    pub(super) members: Vec<u32>,
}

impl LayerWriter {
    /// Writes to a temporary file in the layout.
    pub(super) fn new(layout: Layout, compression: LayerCompression) -> Result<Self, OciError> {
        let file = layout.temporary()?;
        Ok(LayerWriter {
            layout,
            compression,
            blob: Hasher::new(BufWriter::with_capacity(1 << 18, file)),
            tar: Hasher::new(io::sink()),
            block: Vec::new(),
            pending: VecDeque::new(),
            taken: 0,
            written: 0,
            crc: Crc::new(),
            members: Vec::new(),
            ends: Vec::new(),
        })
    }

    /// Compresses what remains, syncs the blob to disk and gives it its name. `created_by` is what the
    /// image's history will say of the layer.
    pub fn complete(self, created_by: String) -> Result<LayerBlob, OciError> {
        self.complete_with_pieces(created_by).map(|(blob, _)| blob)
    }

    /// The same, with where its pieces end, in order.
    pub(super) fn complete_with_pieces(
        mut self,
        created_by: String,
    ) -> Result<(LayerBlob, Vec<PieceEnd>), OciError> {
        let blobs = self.layout.blobs();
        let failed = |source| OciError::Io { action: "write a layer in", path: blobs.clone(), source };
        self.finish_blocks().map_err(&failed)?;
        let (_, diff_id, uncompressed) = self.tar.finish();
        let (file, digest, size) = self.blob.finish();
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        self.layout.adopt(file, &digest)?;
        let compression = self.compression.into();
        let blob = LayerBlob { digest, size, compression, diff_id, uncompressed, created_by, created: None };
        Ok((blob, self.ends))
    }

    /// Ends a piece: what follows is compressed without it.
    pub(super) fn end_piece(&mut self) -> io::Result<()> {
        if !self.block.is_empty() {
            self.spawn_block()?;
        }
        self.pending.push_back(Pending::End(self.taken));
        Ok(())
    }

    /// Appends a member that was compressed elsewhere, between two pieces; its tar goes to [`LayerWriter::count`].
    pub(super) fn append(&mut self, member: Vec<u8>) -> io::Result<()> {
        self.make_room()?;
        let (sender, receiver) = sync_channel(1);
        let _ = sender.send(Ok(member));
        self.pending.push_back(Pending::Member(receiver));
        Ok(())
    }

    /// Takes account of tar that is not to be compressed.
    pub(super) fn count(&mut self, tar: &[u8]) -> io::Result<()> {
        self.taken += tar.len() as u64;
        self.tar.write_all(tar)
    }

    fn finish_blocks(&mut self) -> io::Result<()> {
        if !self.block.is_empty() {
            self.spawn_block()?;
        }
        while !self.pending.is_empty() {
            self.write_oldest()?;
        }
        Ok(())
    }

    /// Writes the oldest member, or notes the end of a piece.
    fn write_oldest(&mut self) -> io::Result<()> {
        match self.pending.pop_front() {
            Some(Pending::Member(member)) => {
                let member = wait(&member)??;
                self.crc.update(&member);
                // No block is as large as that.
                self.members.push(u32::try_from(member.len()).map_err(io::Error::other)?);
                self.written += member.len() as u64;
                self.blob.write_all(&member)
            }
            Some(Pending::End(tar)) => {
                let members = std::mem::take(&mut self.members);
                self.ends.push(PieceEnd { blob: self.written, tar, crc: self.crc.sum(), members });
                self.crc.reset();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Writes the oldest members if there are enough under way.
    fn make_room(&mut self) -> io::Result<()> {
        let is_member = |pending: &&Pending| matches!(pending, Pending::Member(_));
        while self.pending.iter().filter(is_member).count() >= 2 * rayon::current_num_threads().max(1) {
            self.write_oldest()?;
        }
        Ok(())
    }

    /// Hands the gathered block to rayon.
    fn spawn_block(&mut self) -> io::Result<()> {
        self.make_room()?;
        let block = std::mem::take(&mut self.block);
        let compression = self.compression;
        let (sender, receiver) = sync_channel(1);
        rayon::spawn(move || {
            // The writer may have been dropped: then nobody wants the member.
            let _ = sender.send(compress(compression, &block));
        });
        self.pending.push_back(Pending::Member(receiver));
        Ok(())
    }
}

impl Write for LayerWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = block_size(self.compression);
        if self.block.capacity() == 0 {
            self.block.reserve_exact(size);
        }
        let taken = bytes.len().min(size - self.block.len());
        self.count(&bytes[..taken])?;
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == size {
            self.spawn_block()?;
        }
        Ok(taken)
    }

    /// Does nothing: a block cut short would change the digest.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits for what a task of rayon sends. Inside a rayon thread other work is done meanwhile, for the thread may be the
/// only one that could do it. The error is that nothing comes any more.
pub(super) fn wait<T>(task: &Receiver<T>) -> io::Result<T> {
    let lost = |_| io::Error::other("a thread died");
    loop {
        match task.try_recv() {
            Ok(done) => return Ok(done),
            Err(TryRecvError::Disconnected) => return Err(lost(RecvError)),
            Err(TryRecvError::Empty) => {}
        }
        match rayon::yield_now() {
            Some(rayon::Yield::Executed) => {}
            Some(rayon::Yield::Idle) => {
                if let Ok(done) = task.recv_timeout(Duration::from_millis(1)) {
                    return Ok(done);
                }
            }
            None => return task.recv().map_err(lost),
        }
    }
}

/// Bytes of tar that are compressed at a time.
pub(super) const fn block_size(compression: LayerCompression) -> usize {
    match compression {
        LayerCompression::Gzip => GZIP_BLOCK,
        LayerCompression::Zstd => ZSTD_BLOCK,
    }
}

/// A whole piece, cut and compressed as a [`LayerWriter`] does.
pub(super) fn compress_piece(compression: LayerCompression, tar: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    tar.par_chunks(block_size(compression)).map(|block| compress(compression, block)).collect()
}

/// The tar of a piece of so many bytes; an error where it is of more or fewer.
pub(super) fn decompress_piece<'m>(
    compression: LayerCompression,
    members: impl Iterator<Item = &'m [u8]>,
    size: usize,
) -> io::Result<Vec<u8>> {
    let mut tar = Vec::new();
    // Nobody has compared the size with anything yet.
    tar.try_reserve_exact(size).map_err(io::Error::other)?;
    tar.resize(size, 0);
    let (mut gzip, mut taken) = (Decompressor::new(), 0);
    for member in members {
        let rest = &mut tar[taken..];
        taken += match compression {
            LayerCompression::Gzip => gzip.gzip_decompress(member, rest).map_err(io::Error::other)?,
            LayerCompression::Zstd => zstd::bulk::decompress_to_buffer(member, rest)?,
        };
    }
    if taken == size { Ok(tar) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// A block as it stands in a layer's blob.
pub(super) fn compress(compression: LayerCompression, block: &[u8]) -> io::Result<Vec<u8>> {
    match compression {
        LayerCompression::Gzip => gzip_member(block),
        LayerCompression::Zstd => zstd_frame(block),
    }
}

fn gzip_member(block: &[u8]) -> io::Result<Vec<u8>> {
    let level = CompressionLvl::new(GZIP_LEVEL).map_err(|_| io::Error::other("no such compression level"))?;
    let mut compressor = Compressor::new(level);
    let mut member = vec![0; compressor.gzip_compress_bound(block.len())];
    let size = compressor.gzip_compress(block, &mut member).map_err(io::Error::other)?;
    member.truncate(size);
    Ok(member)
}

fn zstd_frame(block: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
    compressor.include_checksum(true)?;
    compressor.include_contentsize(true)?;
    compressor.compress(block)
}

/// How a layer is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952, one member or many.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl From<LayerCompression> for Compression {
    fn from(compression: LayerCompression) -> Self {
        match compression {
            LayerCompression::Gzip => Compression::Gzip,
            LayerCompression::Zstd => Compression::Zstd,
        }
    }
}

impl Compression {
    /// What a layer's media type says, OCI's or Docker's; none for what is no layer.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        Some(match media_type {
            "application/vnd.oci.image.layer.v1.tar" | "application/vnd.docker.image.rootfs.diff.tar" => {
                Compression::None
            }
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip" => Compression::Gzip,
            "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Compression::Zstd,
            _ => return None,
        })
    }

    /// What the first bytes say.
    pub fn of_magic(bytes: &[u8]) -> Self {
        match bytes {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// The uncompressed tar of a layer's bytes, to the last member or frame.
    pub fn decompress<'a>(self, compressed: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
        self.decompress_buffered(BufReader::with_capacity(1 << 16, compressed))
    }

    fn decompress_buffered<'a>(self, compressed: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Compression::None => Box::new(compressed),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(compressed)),
            Compression::Zstd => Box::new(zstd::Decoder::with_buffer(compressed)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [LayerCompression; 2] = [LayerCompression::Gzip, LayerCompression::Zstd];

    fn write(
        directory: &std::path::Path,
        compression: LayerCompression,
        tar: &[u8],
        piece: usize,
    ) -> LayerBlob {
        let layout = Layout::open_or_create(directory).unwrap();
        let mut writer = layout.compressing_writer(compression).unwrap();
        for piece in tar.chunks(piece) {
            writer.write_all(piece).unwrap();
            writer.flush().unwrap();
        }
        writer.complete("test".to_owned()).unwrap()
    }

    /// 5.5 MiB, compressible, without a period.
    fn tar() -> Vec<u8> {
        (0_u64..11 << 19).map(|at| ((at * at) >> 13).to_le_bytes()[0]).collect()
    }

    #[test]
    fn bytes_do_not_depend_on_threads_or_pieces() {
        let tar = tar();
        for compression in BOTH {
            let mut blobs = Vec::new();
            for threads in [1, 2, 3, 7] {
                for piece in [4096, 1 << 20, 3 << 20] {
                    let directory = tempfile::tempdir().unwrap();
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    blobs.push(pool.install(|| write(directory.path(), compression, &tar, piece)));
                }
            }
            blobs.dedup();
            assert_eq!(blobs.len(), 1);
            let directory = tempfile::tempdir().unwrap();
            let blob = write(directory.path(), compression, &tar, 999);
            assert_eq!(blob, blobs[0]);
            assert_eq!(
                (blob.diff_id, blob.uncompressed),
                (crate::digest::Digest::of(&tar), tar.len() as u64)
            );
            let path = directory.path().join("blobs/sha256").join(blob.digest.hex());
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!((blob.size, blob.digest), (bytes.len() as u64, crate::digest::Digest::of(&bytes)));
            if compression == LayerCompression::Gzip {
                assert_eq!(bytes[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
            }
            assert_eq!(Compression::of_magic(&bytes), blob.compression);
            assert_eq!(blob.compression, compression.into());
            let mut back = Vec::new();
            Compression::of_magic(&bytes).decompress(&*bytes).unwrap().read_to_end(&mut back).unwrap();
            assert!(back == tar);
        }
    }

    /// Another encoder, level or block makes other digests: then this changes, and every image with it.
    #[test]
    fn the_same_tar_has_the_same_digest_for_ever() {
        let digests = BOTH.map(|compression| {
            let directory = tempfile::tempdir().unwrap();
            write(directory.path(), compression, &tar(), 1 << 20).digest.to_string()
        });
        let expected = [
            "sha256:01cf99490c27dd1e266b726cb60e0e71e646fe6e6311ea58327305ed6ff03055",
            "sha256:956a82c542b24be9a8a2099616d7270b5e5d2f9d7844db1a69c5903b56d61597",
        ];
        assert_eq!(digests, expected);
    }

    #[test]
    fn many_writers_in_one_thread_of_rayon_do_not_wait_for_each_other() {
        let tar = tar();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let digests: Vec<_> = pool.install(|| {
            use rayon::prelude::*;
            (0..8).into_par_iter().map(|_| write(directory.path(), BOTH[0], &tar, 1 << 16).digest).collect()
        });
        assert!(digests.iter().all(|digest| *digest == digests[0]));
    }

    #[test]
    fn a_dropped_writer_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::open_or_create(directory.path()).unwrap();
        let mut writer = layout.layer_writer().unwrap();
        writer.write_all(&tar()).unwrap();
        drop(writer);
        for directory in ["blobs", "blobs/sha256"] {
            let left = std::fs::read_dir(layout.directory().join(directory)).unwrap().flatten();
            assert!(left.filter(|entry| entry.path().is_file()).count() == 0);
        }
    }
}
