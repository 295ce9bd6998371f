//! Files and directories on their way to their names, with errors that say where.

use std::path::Path;

use tempfile::NamedTempFile;

use super::OciError;
pub(super) use crate::partial::{PartialDir, sweep};

/// See [`crate::partial::file_in`].
pub(super) fn file_in(directory: &Path, prefix: &str) -> Result<NamedTempFile, OciError> {
    crate::partial::file_in(directory, prefix).map_err(OciError::io("make a file in", directory))
}

/// See [`PartialDir::create_in`].
pub(super) fn directory_in(parent: &Path, prefix: &str) -> Result<PartialDir, OciError> {
    PartialDir::create_in(parent, prefix).map_err(OciError::io("make a directory in", parent))
}
