//! The members of a `.deb`: found by a walk over the ar headers, opened by `debpkg` or by decoders here.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::DebError;
use crate::tarball::TarballError;

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER: u64 = 60;
/// A reader's buffer, in bytes.
const BUFFER: usize = 1 << 16;

/// One of the two tarballs in a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Control,
    Data,
}

/// The compressions that dpkg knows, by a member's last extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Bzip2,
    Lzma,
    Xz,
    Zstd,
}

#[derive(Clone, Debug)]
struct Member {
    name: String,
    compression: Compression,
    /// Of its content, in bytes from the file's start.
    offset: u64,
    size: u64,
}

/// A package's two tarballs, found but not yet read.
pub(super) struct Members<'a> {
    pub(super) path: &'a Path,
    control: Member,
    data: Member,
    /// Nothing but the three members of deb(5) up to the data, which is what `debpkg` counts on.
    plain_order: bool,
}

impl<'a> Members<'a> {
    /// Walks over the ar headers up to the data member; what follows it is ignored, as deb(5) asks.
    pub(super) fn look_over(path: &'a Path) -> Result<Self, DebError> {
        let io = |source| DebError::Io { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut walk = Walk { path, file: &mut file, length, next: MAGIC.len() as u64 };
        walk.magic()?;
        walk.version()?;
        let mut control = None;
        let mut plain_order = true;
        loop {
            let wanted = if control.is_none() { Part::Control } else { Part::Data };
            let Some((name, offset, size)) = walk.member()? else {
                let member = wanted.stem();
                return Err(DebError::MissingMember { path: path.to_owned(), member });
            };
            if name.starts_with('_') {
                plain_order = false;
                continue;
            }
            let compression =
                name.strip_prefix(wanted.stem()).and_then(|extension| wanted.compression(extension));
            let Some(compression) = compression else {
                return Err(DebError::UnknownMember { path: path.to_owned(), member: name });
            };
            let member = Member { name, compression, offset, size };
            match control.take() {
                None => control = Some(member),
                Some(control) => return Ok(Members { path, control, data: member, plain_order }),
            }
        }
    }

    fn member(&self, part: Part) -> &Member {
        match part {
            Part::Control => &self.control,
            Part::Data => &self.data,
        }
    }

    /// The error of a member that does not decompress.
    pub(super) fn damaged(&self, part: Part, cause: io::Error) -> DebError {
        DebError::Compression { path: self.path.to_owned(), member: self.member(part).name.clone(), cause }
    }

    /// The error of a member whose tar stream is not acceptable.
    pub(super) fn refused(&self, part: Part, source: TarballError) -> DebError {
        DebError::Tar { path: self.path.to_owned(), member: self.member(part).name.clone(), source }
    }

    /// Hands a member's decompressed bytes over.
    pub(super) fn open<T, E: From<DebError>>(
        &self,
        part: Part,
        use_it: impl FnOnce(Box<dyn Read + '_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let member = self.member(part);
        let io = |source| DebError::Io { path: self.path.to_owned(), source };
        let mut file = File::open(self.path).map_err(io)?;
        if self.suits_debpkg(part, &mut file).map_err(io)? {
            file.rewind().map_err(io)?;
            // Should it refuse the package all the same, nothing was handed over yet.
            if let Ok(mut package) = debpkg::DebPkg::parse(BufReader::with_capacity(BUFFER, &file)) {
                let tar = match part {
                    Part::Control => package.control(),
                    Part::Data => package.data(),
                };
                if let Ok(tar) = tar {
                    return use_it(tar.into_inner());
                }
            }
        }
        file.seek(SeekFrom::Start(member.offset)).map_err(io)?;
        let bytes = BufReader::with_capacity(BUFFER, file.take(member.size));
        let decoder = member.compression.decoder(bytes).map_err(|cause| self.damaged(part, cause))?;
        use_it(decoder)
    }

    /// Whether `debpkg` reads the member, and all of it.
    ///
    /// It counts members instead of naming them, tells compressions by their first bytes, takes a plain tar
    /// for one only if its first header is ustar's, knows no lzma, and ends after the first member of a gzip
    /// file and the first stream of a bzip2 file; whether there are more is not known beforehand. To get at
    /// the data it must also recognise the control member.
    fn suits_debpkg(&self, part: Part, file: &mut File) -> io::Result<bool> {
        let complete = |compression| match compression {
            Compression::None | Compression::Xz | Compression::Zstd => true,
            Compression::Gzip | Compression::Bzip2 | Compression::Lzma => false,
        };
        Ok(self.plain_order
            && complete(self.member(part).compression)
            && self.control.is_recognised(file)?
            && (part == Part::Control || self.data.is_recognised(file)?))
    }
}

impl Part {
    /// The member's name without the extension of its compression.
    fn stem(self) -> &'static str {
        match self {
            Part::Control => "control.tar",
            Part::Data => "data.tar",
        }
    }

    fn compression(self, extension: &str) -> Option<Compression> {
        match (self, extension) {
            (_, "") => Some(Compression::None),
            (_, ".gz") => Some(Compression::Gzip),
            (_, ".xz") => Some(Compression::Xz),
            (_, ".zst") => Some(Compression::Zstd),
            (Part::Data, ".bz2") => Some(Compression::Bzip2),
            (Part::Data, ".lzma") => Some(Compression::Lzma),
            _ => None,
        }
    }
}

impl Compression {
    fn decoder<'a>(self, bytes: impl io::BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Compression::None => Box::new(bytes),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
            Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(bytes)),
            Compression::Lzma => {
                let stream = liblzma::stream::Stream::new_lzma_decoder(u64::MAX).map_err(io::Error::from)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(bytes, stream))
            }
            Compression::Xz => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(bytes)),
            Compression::Zstd => Box::new(zstd::Decoder::with_buffer(bytes)?),
        })
    }
}

impl Member {
    /// Whether its first bytes are those of its extension, as `debpkg` looks for them.
    fn is_recognised(&self, file: &mut File) -> io::Result<bool> {
        let mut start = Vec::new();
        file.seek(SeekFrom::Start(self.offset))?;
        file.take(self.size.min(262)).read_to_end(&mut start)?;
        Ok(match self.compression {
            Compression::None => start.get(257..) == Some(b"ustar"),
            Compression::Gzip => start.starts_with(b"\x1f\x8b\x08"),
            Compression::Bzip2 => start.starts_with(b"BZh"),
            Compression::Lzma => false,
            Compression::Xz => start.starts_with(b"\xfd7zXZ\0"),
            Compression::Zstd => start.starts_with(b"\x28\xb5\x2f\xfd"),
        })
    }
}

/// A walk over ar headers (ar(5), the common format; GNU's trailing slash in names is accepted).
struct Walk<'a> {
    path: &'a Path,
    file: &'a mut File,
    length: u64,
    /// Where the next header is.
    next: u64,
}

impl Walk<'_> {
    fn io(&self, source: io::Error) -> DebError {
        DebError::Io { path: self.path.to_owned(), source }
    }

    fn bytes(&mut self, offset: u64, most: u64) -> Result<Vec<u8>, DebError> {
        let mut bytes = Vec::new();
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| (&mut *self.file).take(most).read_to_end(&mut bytes))
            .map_err(|source| self.io(source))?;
        Ok(bytes)
    }

    fn magic(&mut self) -> Result<(), DebError> {
        let start = self.bytes(0, 512)?;
        if start.starts_with(MAGIC) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&start)
            .trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n'])
            .to_lowercase();
        let html = ["<!doctype", "<html", "<head", "<?xml"].iter().any(|tag| text.starts_with(tag));
        Err(DebError::NotADeb { path: self.path.to_owned(), html })
    }

    /// The first member, `debian-binary`, whose first line is the format version.
    fn version(&mut self) -> Result<(), DebError> {
        let (offset, size) = match self.member()? {
            Some((name, offset, size)) if name == "debian-binary" => (offset, size),
            _ => return Err(DebError::NotADeb { path: self.path.to_owned(), html: false }),
        };
        let content = self.bytes(offset, size.min(64))?;
        let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let minor = line.strip_prefix(b"2.").unwrap_or_default();
        if minor.is_empty() || !minor.iter().all(u8::is_ascii_digit) {
            return Err(DebError::Version {
                path: self.path.to_owned(),
                found: line.escape_ascii().to_string(),
            });
        }
        Ok(())
    }

    /// The next member's name, and its content's offset and size; none at the file's end.
    fn member(&mut self) -> Result<Option<(String, u64, u64)>, DebError> {
        let offset = self.next;
        if offset >= self.length {
            return Ok(None);
        }
        let error = DebError::MemberHeader { path: self.path.to_owned(), offset };
        let header = self.bytes(offset, HEADER)?;
        let (Some(name), Some(size), Some(b"`\n")) =
            (header.get(..16), header.get(48..58), header.get(58..60))
        else {
            return Err(error);
        };
        let name = String::from_utf8_lossy(name);
        let name = name.trim_end_matches(' ');
        let name = name.strip_suffix('/').unwrap_or(name).escape_default().to_string();
        let size = std::str::from_utf8(size).unwrap_or_default().trim_end_matches(' ');
        let Some(size) = size.parse::<u64>().ok().filter(|_| !name.is_empty()) else { return Err(error) };
        let content = offset + HEADER;
        let end = content.saturating_add(size);
        if end > self.length {
            return Err(DebError::Truncated { path: self.path.to_owned(), member: name });
        }
        self.next = end + size % 2;
        Ok(Some((name, content, size)))
    }
}
