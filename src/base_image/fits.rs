//! Whether an image is what a recipe's packages can stand on: of its distro and release (os-release(5)), and laid out as it.

use std::collections::BTreeMap;

use super::BaseImageError;
use crate::catalog::{CataloguedFile, MergedUsr};
use crate::distro::Distro;
use crate::root_path::RootPath;
use crate::tarball::EntryKind;

/// The value of a key in os-release(5), without quotes.
fn os_release<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let mut lines = text.lines();
    lines
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .map(|value| value.trim_matches(['"', '\'']))
}

/// Whether os-release, if the image has one, is that of the distro and release.
pub(super) fn check_distro(
    image: &str,
    texts: &BTreeMap<RootPath, Vec<u8>>,
    wanted: Distro,
) -> Result<(), BaseImageError> {
    let text = ["/etc/os-release", "/usr/lib/os-release"].into_iter().find_map(|path| {
        let bytes = texts.get(&RootPath::parse(path).ok()?)?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    });
    let Some(text) = text else { return Ok(()) };
    let (id, version) = (os_release(&text, "ID").unwrap_or_default(), os_release(&text, "VERSION_ID"));
    let same_release = match (version, wanted.version_id()) {
        // Alpine's has the point release too.
        (Some(found), Some(wanted)) => found == wanted || found.starts_with(&format!("{wanted}.")),
        _ => true,
    };
    if id.is_empty() || (id == wanted.id() && same_release) {
        return Ok(());
    }
    let found = [id, version.unwrap_or_default()].join(" ").trim_end().to_owned();
    Err(BaseImageError::OtherDistro { image: image.to_owned(), found, wanted })
}

/// Whether a directory of the image stands where the distro has one of its links.
pub(super) fn check_merged(
    image: &str,
    files: &[CataloguedFile],
    merged_usr: &MergedUsr,
    distro: Distro,
) -> Result<(), BaseImageError> {
    let wrong = files.iter().find_map(|file| {
        let target = merged_usr.link(&file.entry.path)?;
        // `/var/run` may be a directory: packages put nothing there.
        let is_wrong = file.entry.kind == EntryKind::Directory && target.starts_with("usr/");
        is_wrong.then(|| (file.entry.path.clone(), target.to_owned()))
    });
    match wrong {
        None => Ok(()),
        Some((path, target)) => {
            Err(BaseImageError::NotMerged { image: image.to_owned(), path, distro, target })
        }
    }
}
