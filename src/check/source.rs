//! The files of an image, wherever they lie: in a layout's directory, or in a tar that is read in place. A compressed tar
//! is decompressed first, into a temporary file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::rc::Rc;

use super::{CheckError, ImageSource};
use crate::oci::{Compression, archive_links, open_regular};
use crate::root_path::RootPath;
use crate::tarball::Limits;

/// Files by their names relative to the layout or archive.
#[derive(Debug)]
pub(super) enum Store {
    /// A layout.
    Directory(PathBuf),
    /// A tar, with offset and size of each regular member, by its name and those of links to it.
    Archive { tar: Rc<File>, members: Members },
}

/// Offsets and sizes.
type Members = BTreeMap<String, (u64, u64)>;

impl Store {
    pub(super) fn open(source: &ImageSource) -> Result<Self, CheckError> {
        let path = source.path().clone();
        let failed = |source| CheckError::Open { path: path.clone(), source };
        match source {
            ImageSource::Layout { directory, .. } => {
                std::fs::read_dir(directory).map_err(failed)?;
                Ok(Store::Directory(path))
            }
            ImageSource::OciArchive { file, .. } | ImageSource::DockerArchive { file } => {
                let tar = open_regular(file).and_then(decompressed).map_err(failed)?;
                let members = members(&tar).map_err(failed)?;
                Ok(Store::Archive { tar: Rc::new(tar), members })
            }
        }
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Store::Directory(directory) => directory.join(name).is_file(),
            Store::Archive { members, .. } => member(members, name).is_some(),
        }
    }

    /// How many bytes a file has; zero if it is not there.
    pub(super) fn size(&self, name: &str) -> u64 {
        match self {
            Store::Directory(directory) => {
                std::fs::metadata(directory.join(name)).map_or(0, |metadata| metadata.len())
            }
            Store::Archive { members, .. } => member(members, name).map_or(0, |(_, size)| size),
        }
    }

    /// The bytes of a file; none if it is not there.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<Box<dyn Read>>> {
        match self {
            Store::Directory(directory) => match open_regular(&directory.join(name)) {
                Ok(file) => Ok(Some(Box::new(file))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
            Store::Archive { tar, members } => {
                let member = member(members, name).map(|(at, size)| Member {
                    tar: Rc::clone(tar),
                    at,
                    end: at.saturating_add(size),
                });
                Ok(member.map(|member| Box::new(member) as Box<dyn Read>))
            }
        }
    }
}

/// Where a member lies, however a document spells its path.
fn member(members: &Members, name: &str) -> Option<(u64, u64)> {
    members.get(RootPath::parse(name).ok()?.relative()).copied()
}

/// A member of a tar as it is read.
struct Member {
    tar: Rc<File>,
    at: u64,
    end: u64,
}

impl Read for Member {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let read = self.tar.read_at(&mut buffer[..wanted], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The tar of an archive, compressed or not.
fn decompressed(file: File) -> io::Result<File> {
    let mut start = [0; 4];
    let length = file.read_at(&mut start, 0)?;
    let compression = Compression::of_magic(&start[..length]);
    if compression == Compression::None {
        return Ok(file);
    }
    let most = Limits::default().max_total;
    let mut tar = tempfile::tempfile()?;
    let mut content = compression.decompress(BufReader::new(file))?.take(most + 1);
    let copied = io::copy(&mut content, &mut tar);
    // What the decompression says has the bytes of the file in it; what the disk says is worth a word.
    if copied.map_err(|error| if error.raw_os_error().is_some() { error } else { no_tar(0) })? > most {
        return Err(io::Error::other(format!("it has more than {} GiB, decompressed", most >> 30)));
    }
    Ok(tar)
}

/// What the tar's reader says has the bytes of the file in it.
fn no_tar(whole: usize) -> io::Error {
    match whole {
        0 => io::Error::other("it is no tar archive"),
        whole => io::Error::other(format!("its tar is damaged behind member {whole}")),
    }
}

/// Where in a tar its regular members lie. Names are normalised; what climbs out is nobody's.
fn members(file: &File) -> io::Result<Members> {
    let (mut members, mut links) = (Members::new(), BTreeMap::new());
    let mut archive = tar::Archive::new(file.try_clone()?);
    io::Seek::rewind(&mut &*file)?;
    for (number, entry) in archive.entries_with_seek()?.enumerate() {
        let entry = entry.map_err(|_| no_tar(number))?;
        let Ok(path) = RootPath::from_bytes(&entry.path_bytes()) else { continue };
        let (kind, target) = (entry.header().entry_type(), entry.link_name_bytes());
        let name = path.relative().to_owned();
        if kind.is_file() {
            members.insert(name, (entry.raw_file_position(), entry.size()));
        } else if kind.is_symlink()
            && let Some(target) = target
        {
            links.insert(name, archive_links::target_of(&path, &String::from_utf8_lossy(&target)));
        } else if kind.is_hard_link()
            && let Some(Ok(target)) = target.map(|target| RootPath::from_bytes(&target))
        {
            links.insert(name, target.relative().to_owned());
        }
    }
    archive_links::follow(&mut members, &links);
    Ok(members)
}
