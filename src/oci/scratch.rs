//! A layout that is only a step on the way to another form of an image.

use super::partial::{self, PartialDir};
use super::{Layout, OciError};

/// Begins the names of such layouts' directories.
const PREFIX: &str = ".rootforge-scratch-";

/// A layout in the directory for temporary files; it vanishes when it is dropped.
#[derive(Debug)]
pub struct ScratchLayout {
    directory: PartialDir,
}

impl ScratchLayout {
    /// Makes a directory of its own, and removes those that killed processes have left.
    pub fn create() -> Result<Self, OciError> {
        let parent = std::env::temp_dir();
        partial::sweep(&parent, PREFIX);
        Ok(ScratchLayout { directory: partial::directory_in(&parent, PREFIX)? })
    }

    /// The directory, for what else is to vanish with it.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The layout.
    pub fn open(&self) -> Result<Layout, OciError> {
        Layout::open_or_create(self.directory.path().join("layout"))
    }
}
