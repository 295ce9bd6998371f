//! Compressed indexes to text, within bounds.

use std::io::{self, Read};

use liblzma::stream::MtStreamBuilder;

/// The memory that unpacking may take, in bytes.
const MEMORY: u64 = 1 << 30;

/// How an index is compressed, by the ending of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Xz,
    Zstd,
    Gzip,
    Bzip2,
    None,
}

impl Compression {
    /// All, the smallest files first; the uncompressed one is the last resort.
    pub(super) const ALL: [Compression; 5] =
        [Compression::Xz, Compression::Zstd, Compression::Gzip, Compression::Bzip2, Compression::None];

    pub(super) const fn ending(self) -> &'static str {
        match self {
            Compression::Xz => ".xz",
            Compression::Zstd => ".zst",
            Compression::Gzip => ".gz",
            Compression::Bzip2 => ".bz2",
            Compression::None => "",
        }
    }

    /// What `bytes` unpack to, a piece at a time: whoever reads it keeps no more than is wanted.
    pub(super) fn reader<'b>(self, bytes: &'b [u8]) -> io::Result<Box<dyn Read + 'b>> {
        Ok(match self {
            Compression::Xz => {
                let stream =
                    liblzma::stream::Stream::new_stream_decoder(MEMORY, liblzma::stream::CONCATENATED)
                        .map_err(io::Error::from)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(bytes, stream))
            }
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(bytes)?),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
            Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(bytes)),
            Compression::None => Box::new(bytes),
        })
    }

    /// Unpacks all of `bytes` to at most `limit` bytes; xz on all cores.
    pub(super) fn unpack(self, bytes: &[u8], limit: u64) -> io::Result<Vec<u8>> {
        match self {
            Compression::Xz => unpack_xz(bytes, limit),
            Compression::Zstd => bounded(zstd::stream::read::Decoder::new(bytes)?, limit),
            Compression::Gzip => bounded(flate2::bufread::MultiGzDecoder::new(bytes), limit),
            Compression::Bzip2 => bounded(bzip2::bufread::MultiBzDecoder::new(bytes), limit),
            Compression::None => bounded(bytes, limit),
        }
    }
}

/// Several blocks at once; a file of several streams, which the threaded decoder does not know, one by one.
fn unpack_xz(bytes: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let stream = MtStreamBuilder::new()
        .threads(u32::try_from(threads.min(64)).unwrap_or(1))
        .memlimit_threading(MEMORY / 2)
        .memlimit_stop(MEMORY)
        .decoder()
        .map_err(io::Error::from)?;
    let mut decoder = liblzma::bufread::XzDecoder::new_stream(bytes, stream);
    let text = bounded(&mut decoder, limit)?;
    // Streams may be padded with zeros (xz file format, section 2.2).
    if decoder.get_ref().iter().all(|byte| *byte == 0) {
        return Ok(text);
    }
    let stream = liblzma::stream::Stream::new_stream_decoder(MEMORY, liblzma::stream::CONCATENATED)
        .map_err(io::Error::from)?;
    bounded(liblzma::bufread::XzDecoder::new_stream(bytes, stream), limit)
}

fn bounded(reader: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    reader.take(limit.saturating_add(1)).read_to_end(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::other(format!("it has more than the {limit} bytes accepted")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn pack(compression: Compression, text: &[u8]) -> Vec<u8> {
        match compression {
            Compression::Xz => {
                let stream =
                    MtStreamBuilder::new().threads(2).block_size(1 << 16).preset(1).encoder().unwrap();
                let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Zstd => zstd::encode_all(text, 1).unwrap(),
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Compression::None => text.to_vec(),
        }
    }

    #[test]
    fn every_kind_comes_back() {
        let text: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        for compression in Compression::ALL {
            let packed = pack(compression, &text);
            assert_eq!(compression.unpack(&packed, text.len() as u64).unwrap(), text, "{compression:?}");
            let error = compression.unpack(&packed, text.len() as u64 - 1).unwrap_err();
            assert_eq!(error.to_string(), "it has more than the 1199999 bytes accepted", "{compression:?}");
            let twice = [packed.clone(), packed.clone()].concat();
            assert_eq!(compression.unpack(&twice, 1 << 30).unwrap().len(), 2 * text.len(), "{compression:?}");
            if compression != Compression::None {
                assert!(compression.unpack(&packed[..packed.len() / 2], 1 << 30).is_err(), "{compression:?}");
            }
        }
    }
}
