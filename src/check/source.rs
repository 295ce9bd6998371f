//! The files of an image, wherever they lie: in a layout's directory, or in a tar that is read in place.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::{CheckError, ImageSource};
use crate::root_path::RootPath;

/// Files by their names relative to the layout or archive.
#[derive(Debug)]
pub(super) enum Store {
    /// A layout.
    Directory(PathBuf),
    /// A tar, with offset and size of each regular member.
    Archive { file: PathBuf, members: BTreeMap<String, (u64, u64)> },
}

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
                let members = File::open(file).and_then(members).map_err(failed)?;
                Ok(Store::Archive { file: path, members })
            }
        }
    }

    /// Whether there is such a file.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Store::Directory(directory) => directory.join(name).is_file(),
            Store::Archive { members, .. } => members.contains_key(name),
        }
    }

    /// How many bytes a file has; zero if it is not there.
    pub(super) fn size(&self, name: &str) -> u64 {
        match self {
            Store::Directory(directory) => {
                std::fs::metadata(directory.join(name)).map_or(0, |metadata| metadata.len())
            }
            Store::Archive { members, .. } => members.get(name).map_or(0, |(_, size)| *size),
        }
    }

    /// The bytes of a file; none if it is not there.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<Box<dyn Read>>> {
        match self {
            Store::Directory(directory) => match File::open(directory.join(name)) {
                Ok(file) => Ok(Some(Box::new(file))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
            Store::Archive { file, members } => {
                let Some((offset, size)) = members.get(name) else { return Ok(None) };
                let mut file = File::open(file)?;
                file.seek(SeekFrom::Start(*offset))?;
                Ok(Some(Box::new(file.take(*size))))
            }
        }
    }
}

/// Where in a tar its regular members lie. Names are normalised; what climbs out is nobody's.
fn members(file: File) -> io::Result<BTreeMap<String, (u64, u64)>> {
    let mut members = BTreeMap::new();
    let mut archive = tar::Archive::new(file);
    for (number, entry) in archive.entries_with_seek()?.enumerate() {
        // What the tar's reader says has the bytes of the file in it.
        let no_tar = |_| match number {
            0 => io::Error::other("it is no tar archive"),
            whole => io::Error::other(format!("its tar is damaged behind member {whole}")),
        };
        let entry = entry.map_err(no_tar)?;
        if entry.header().entry_type().is_file()
            && let Ok(path) = RootPath::from_bytes(&entry.path_bytes())
        {
            members.insert(path.relative().to_owned(), (entry.raw_file_position(), entry.size()));
        }
    }
    Ok(members)
}
