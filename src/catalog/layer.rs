//! What an image has as if it came from packages: the files of a layer, and where their content is read from.

use std::fmt::Debug;
use std::io::{self, Read};

use super::scan::look;
use super::{CataloguedFile, Entry};
use crate::apk::archive::Marks;
use crate::tarball::{self, EntryKind, Limits, TarballError};

/// Begins the positions of files that lie in an image's layers, not in an archive.
const IN_IMAGE: u32 = 1 << 31;

/// The layers of an image, as far as its files' content is read from them. Files go by number.
pub trait LayerSource: Debug + Send + Sync {
    /// Gives the content of some files to `visit`, in any order.
    fn read(
        &self,
        wanted: &[usize],
        visit: &mut dyn FnMut(usize, &mut dyn Read) -> io::Result<()>,
    ) -> io::Result<()>;
}

/// The position of an image's file, by its number.
pub fn in_image(number: usize) -> u32 {
    IN_IMAGE | u32::try_from(number).unwrap_or(IN_IMAGE - 1)
}

/// The number of an image's file at a position.
pub(super) fn number_in_image(position: u32) -> usize {
    (position & !IN_IMAGE) as usize
}

/// Lists the members of a layer's tarball, whiteouts too, all in its order. Of the files that `is_text` names the content
/// goes to `keep`, with the position of each.
pub fn catalogue_layer(
    tar: &mut dyn Read,
    is_text: impl Fn(&Entry) -> bool,
    mut keep: impl FnMut(usize, Vec<u8>),
) -> Result<Vec<CataloguedFile>, TarballError> {
    let mut files: Vec<CataloguedFile> = Vec::new();
    let mut buffer = Vec::new();
    tarball::read(tar, &Limits::default(), |entry, content| -> Result<(), TarballError> {
        let marks = Marks::default();
        let mut file = CataloguedFile { entry, index: 0, elf: None, shebang: None, damaged_elf: None, marks };
        if let EntryKind::File { size } = file.entry.kind {
            if is_text(&file.entry) {
                let mut bytes = Vec::new();
                content.read_to_end(&mut bytes).map_err(TarballError::Read)?;
                keep(files.len(), bytes);
            } else {
                look(size, content, &mut buffer).map_err(TarballError::Read)?.describe(&mut file);
            }
        }
        files.push(file);
        Ok(())
    })?;
    Ok(files)
}
