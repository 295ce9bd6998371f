//! Whether an output's place can be written to: what can be told before there is anything to write.

use std::path::Path;

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::OciError;
use super::regular::no_regular_file;
use crate::atomic_file::directory_of;

/// Whether a file can be made or replaced.
pub(super) fn check_file(file: &Path) -> Result<(), OciError> {
    let directory = directory_of(file);
    if file.is_dir() {
        return Err(refused(file, Errno::ISDIR));
    }
    // A device or a pipe would give way to a file of its name.
    if file.exists() && !file.is_file() {
        return Err(OciError::Place { path: file.to_owned(), source: no_regular_file() });
    }
    if !directory.exists() {
        return Err(refused(directory, Errno::NOENT));
    }
    check_directory(directory)
}

/// Whether a directory can be written to, or made with those above it.
pub(super) fn check_directory(directory: &Path) -> Result<(), OciError> {
    let absolute = std::path::absolute(directory).map_err(OciError::io("find", directory))?;
    let Some(existing) = absolute.ancestors().find(|path| path.exists()) else { return Ok(()) };
    if !existing.is_dir() {
        return Err(refused(directory, Errno::NOTDIR));
    }
    access(existing, Access::WRITE_OK | Access::EXEC_OK).map_err(|errno| refused(directory, errno))
}

fn refused(path: &Path, errno: Errno) -> OciError {
    OciError::Place { path: path.to_owned(), source: errno.into() }
}
