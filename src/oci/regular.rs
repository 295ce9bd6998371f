//! Opening what must be a regular file: a layout or an archive of others may have a pipe, a device or a directory in its
//! place, whose reading would never end.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a regular file, or a link to one, to read; anything else is an error that says so. Never waits for a writer.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(no_regular_file())
}

/// The error of what is something else.
pub(super) fn no_regular_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")
}
