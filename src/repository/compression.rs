//! Compressed indexes to text, within bounds.

use std::io::{self, BufRead, Read};

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

    /// About how long it takes to fetch and to unpack a file of so many bytes. `text` is the size of what comes out of it,
    /// if it is known, and `rate` how many bytes come in a second; none for a file of this machine.
    ///
    /// Which of several is taken makes no difference to what comes out. Over a slow line the smallest is had soonest,
    /// from a mirror nearby one that is quickly unpacked.
    pub(super) fn microseconds(self, size: u64, text: Option<u64>, rate: Option<u64>) -> u64 {
        let takes = |bytes: u64, speed: u64| bytes.saturating_mul(1_000_000) / speed.max(1);
        let unpacked = takes(text.unwrap_or(size.saturating_mul(6)), self.speed());
        rate.map_or(0, |rate| takes(size, rate)).saturating_add(unpacked)
    }

    /// About so many bytes of text come out of it in a second on one core, measured with indexes of Debian on a slow one;
    /// others are faster at all alike.
    const fn speed(self) -> u64 {
        match self {
            Compression::Xz => 80_000_000,
            Compression::Zstd => 500_000_000,
            Compression::Gzip => 300_000_000,
            Compression::Bzip2 => 30_000_000,
            Compression::None => u64::MAX,
        }
    }

    /// As [`Compression::reader`], xz on all cores: an error for a file of several streams.
    pub(super) fn fast_reader<'b>(self, bytes: impl BufRead + 'b) -> io::Result<Box<dyn Read + 'b>> {
        match self {
            Compression::Xz => Ok(Box::new(OneStream(xz_decoder(bytes)?))),
            other => other.reader(bytes),
        }
    }

    /// What `bytes` unpack to, a piece at a time: whoever reads it keeps no more than is wanted.
    pub(super) fn reader<'b>(self, bytes: impl BufRead + 'b) -> io::Result<Box<dyn Read + 'b>> {
        Ok(match self {
            Compression::Xz => {
                let stream =
                    liblzma::stream::Stream::new_stream_decoder(MEMORY, liblzma::stream::CONCATENATED)
                        .map_err(io::Error::from)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(bytes, stream))
            }
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(bytes)?),
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

/// Several blocks at once; the first stream only.
fn xz_decoder<R: BufRead>(bytes: R) -> io::Result<liblzma::bufread::XzDecoder<R>> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let stream = MtStreamBuilder::new()
        .threads(u32::try_from(threads.min(64)).unwrap_or(1))
        .memlimit_threading(MEMORY / 2)
        .memlimit_stop(MEMORY)
        .decoder()
        .map_err(io::Error::from)?;
    Ok(liblzma::bufread::XzDecoder::new_stream(bytes, stream))
}

/// Streams may be padded with zeros (xz file format, section 2.2).
fn is_padding(rest: &[u8]) -> bool {
    rest.iter().all(|byte| *byte == 0)
}

/// A file of several streams, which the threaded decoder does not know, is unpacked one by one.
fn unpack_xz(bytes: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let mut decoder = xz_decoder(bytes)?;
    let text = bounded(&mut decoder, limit)?;
    if is_padding(decoder.get_ref()) {
        return Ok(text);
    }
    let stream = liblzma::stream::Stream::new_stream_decoder(MEMORY, liblzma::stream::CONCATENATED)
        .map_err(io::Error::from)?;
    bounded(liblzma::bufread::XzDecoder::new_stream(bytes, stream), limit)
}

/// A decoder whose file must end with its first stream.
struct OneStream<R: BufRead>(liblzma::bufread::XzDecoder<R>);

impl<R: BufRead> Read for OneStream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        while read == 0 && !buffer.is_empty() {
            let rest = self.0.get_mut().fill_buf()?;
            if rest.is_empty() {
                break;
            }
            if !is_padding(rest) {
                return Err(io::Error::other("it has several streams"));
            }
            let padding = rest.len();
            self.0.get_mut().consume(padding);
        }
        Ok(read)
    }
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
    fn a_slow_line_wants_small_files() {
        // Debian's bookworm for amd64.
        let files =
            [(Compression::Xz, 8_790_396), (Compression::Gzip, 12_084_798), (Compression::None, 50_060_337)];
        let first = |text: Option<u64>, rate: Option<u64>| {
            let soonest = files.iter().min_by_key(|(kind, size)| kind.microseconds(*size, text, rate));
            soonest.map(|(kind, _)| *kind).unwrap()
        };
        for text in [Some(50_060_337), None] {
            for (rate, kind) in [
                (Some(0), Compression::Xz),
                (Some(1_000_000), Compression::Xz),
                (Some(20_000_000), Compression::Gzip),
                (None, Compression::None),
            ] {
                assert_eq!(first(text, rate), kind, "{rate:?}");
            }
        }
        assert_eq!(Compression::Xz.microseconds(u64::MAX, Some(u64::MAX), Some(1)), u64::MAX);
    }

    #[test]
    fn every_kind_comes_back() {
        let text: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        for compression in Compression::ALL {
            let packed = pack(compression, &text);
            assert_eq!(compression.unpack(&packed, text.len() as u64).unwrap(), text, "{compression:?}");
            let error = compression.unpack(&packed, text.len() as u64 - 1).unwrap_err();
            assert_eq!(error.to_string(), "it has more than the 1199999 bytes accepted", "{compression:?}");
            let mut read = Vec::new();
            compression.fast_reader(packed.as_slice()).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, text, "{compression:?}");
            let twice = [packed.clone(), packed.clone()].concat();
            let several = compression.fast_reader(twice.as_slice()).unwrap().read_to_end(&mut read);
            assert_eq!(several.is_err(), compression == Compression::Xz, "{compression:?}");
            if compression == Compression::Xz {
                // Padding may be longer than what is read at once.
                for (more, is_one) in [(&[][..], true), (&packed, false)] {
                    let padded = [&packed, &[0; 400][..], more].concat();
                    let bytes = io::BufReader::with_capacity(64, padded.as_slice());
                    let unpacked = compression.fast_reader(bytes).unwrap().read_to_end(&mut Vec::new());
                    assert_eq!(unpacked.is_ok(), is_one);
                }
            }
            assert_eq!(compression.unpack(&twice, 1 << 30).unwrap().len(), 2 * text.len(), "{compression:?}");
            if compression != Compression::None {
                assert!(compression.unpack(&packed[..packed.len() / 2], 1 << 30).is_err(), "{compression:?}");
            }
        }
    }
}
