//! A layout that is only a step on the way to another form of an image.

use std::path::Path;

use super::layout::PARTIAL;
use super::partial::{self, PartialDir};
use super::{Layout, OciError};

/// Begins the names of such layouts' directories.
const PREFIX: &str = ".rootforge-scratch-";

/// A layout of its own directory; it vanishes when it is dropped.
#[derive(Debug)]
pub struct ScratchLayout {
    directory: PartialDir,
}

impl ScratchLayout {
    /// Makes it in the directory for temporary files, and removes what killed processes have left there.
    pub fn create() -> Result<Self, OciError> {
        let parent = std::env::temp_dir();
        partial::sweep(&parent, PREFIX);
        Ok(ScratchLayout { directory: PartialDir::create_in(&parent, PREFIX)? })
    }

    /// Makes it where another layout lies or is to lie, so that blobs need but be moved from here to there.
    pub fn near(layout: &Path) -> Result<Self, OciError> {
        let mut places = layout.ancestors();
        let place = places.find(|place| place.is_dir()).unwrap_or(Path::new("."));
        // What is in a layout is swept by whoever opens it, if it has a name of this kind.
        let prefix = if place == layout { PARTIAL } else { PREFIX };
        partial::sweep(place, prefix);
        Ok(ScratchLayout { directory: PartialDir::create_in(place, prefix)? })
    }

    /// The directory, for what else is to vanish with it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The layout.
    pub fn open(&self) -> Result<Layout, OciError> {
        Layout::open_or_create(self.directory.path().join("layout"))
    }
}
