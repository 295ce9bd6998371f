//! A layout that is made for an image to come: where the image does not come, it goes again.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::partial;
use super::{Layout, PARTIAL};
use crate::digest::Digest;
use crate::oci::OciError;

/// What becomes of blobs that came into a new layout before its first image failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// They stay, and the layout with them: another attempt need not fetch them again.
    Stay,
    /// They go.
    Go,
}

impl Layout {
    /// Opens or makes a layout, as [`Layout::open_or_create`], and brings an image into it. Where that fails, a layout
    /// that was made for it goes again, with the directories above it that were made, unless it names an image
    /// meanwhile or another process brings one.
    pub fn with<T>(
        directory: &Path,
        arrived: Arrived,
        bring: impl FnOnce(&Layout) -> Result<T, OciError>,
    ) -> Result<T, OciError> {
        let is_new = fs::read_dir(directory).map_or(true, |mut entries| entries.next().is_none());
        let absolute = std::path::absolute(directory).map_err(OciError::io("find", directory))?;
        let made: Vec<PathBuf> =
            absolute.ancestors().take_while(|path| !path.exists()).map(Path::to_owned).collect();
        let layout = Layout::open_or_create(directory)?;
        bring(&layout).inspect_err(|_| {
            if is_new {
                layout.withdraw(arrived, &made);
            }
        })
    }

    /// Removes a layout without an image, and then `made`, as far as nothing else lies there. What cannot be removed
    /// stays.
    fn withdraw(&self, arrived: Arrived, made: &[PathBuf]) {
        // What is on its way to the disk is not removed under it.
        let _ = self.syncing.wait();
        let Ok(_lock) = self.lock() else { return };
        let is_empty = |index: &serde_json::Value| index["manifests"].as_array().is_some_and(Vec::is_empty);
        if !self.document("index.json").is_ok_and(|index| is_empty(&index)) {
            return;
        }
        let blobs = self.directory.join("blobs");
        partial::sweep(&blobs, PARTIAL);
        partial::sweep(&self.directory, PARTIAL);
        let names = |directory: &Path| -> Vec<String> {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        };
        let own = |name: &String| Digest::parse(name).is_ok_and(|digest| self.memory.is_sound(&digest));
        let there = names(&self.blobs());
        // Half a blob that is not swept is another process', and so is a whole one that this process knows nothing of.
        if names(&blobs) != ["sha256"]
            || !there.iter().all(own)
            || arrived == Arrived::Stay && !there.is_empty()
        {
            return;
        }
        for name in there {
            let _ = fs::remove_file(self.blobs().join(name));
        }
        for directory in [self.blobs(), blobs] {
            let _ = fs::remove_dir(directory);
        }
        for name in ["index.json", "oci-layout", ".lock"] {
            let _ = fs::remove_file(self.directory.join(name));
        }
        for directory in made {
            let _ = fs::remove_dir(directory);
        }
    }
}
