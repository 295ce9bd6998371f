//! The tag that says that a directory is a cache, and of which form.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Cache, pruning};
use crate::atomic_file::directory_of;

/// Marks the directory as one that backups can leave out (bford.info/cachedir), and says its form. Processes that use
/// the cache hold a lock on it that they share.
pub const TAG_FILE: &str = "CACHEDIR.TAG";

/// Another form of all below, blobs and what is derived alike, needs another number: then a cache of the old form is
/// emptied. Kinds of derived entries have versions of their own.
pub(super) const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# This is a cache of rootforge. It can be deleted.\n# Form 2\n";

/// What the tag of a cache of any form says.
pub(super) const OURS: &str = "This is a cache of rootforge";

impl Cache {
    /// Whether a directory is a cache, be it of another version, or can become one: nobody else has files in it. One
    /// that is half deleted, its tag first, counts too.
    pub fn may_be_at(root: &Path) -> bool {
        let names = |path: &Path| -> Vec<OsString> {
            fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect()
        };
        let is_nobodys = |name: &OsStr| name.as_encoded_bytes().starts_with(b".") || name == "lost+found";
        let is_kind = |name: &OsString| {
            let number = name.to_str().and_then(|name| Some(name.rsplit_once('-')?.1));
            number.is_some_and(|number| number.parse::<u32>().is_ok())
        };
        let tag = root.join(TAG_FILE);
        // In this order: what another process makes a cache of meanwhile has its tag before all but the count.
        let listed = names(root);
        let text = tag.is_file().then(|| fs::read_to_string(&tag).ok()).flatten();
        let is_all = |name: &OsStr, is_one: &dyn Fn(&OsString) -> bool| {
            !root.join(name).is_file() && names(&root.join(name)).iter().all(is_one)
        };
        let is_ours = |name: &OsStr| match name.to_str() {
            Some("blobs") => is_all(name, &|kind| kind == "sha256" || kind == "apk"),
            Some("derived") => is_all(name, &is_kind),
            Some("partial" | "images") => root.join("derived").is_dir(),
            Some(pruning::SIZE_FILE) => root.join("derived").is_dir() || listed.len() == 1,
            // As it is left where a disk was full; or damaged, beside what nobody else has.
            Some(TAG_FILE) => {
                let is_begun = text.as_ref().is_some_and(|text| TAG.starts_with(text.as_str()));
                is_begun || ["blobs", "derived"].iter().all(|name| !names(&root.join(name)).is_empty())
            }
            _ => false,
        };
        let is_gone = |name: &OsStr| fs::symlink_metadata(root.join(name)).is_err();
        let is_tagged = text.as_ref().is_some_and(|text| text.contains(OURS));
        is_tagged || listed.iter().all(|name| is_nobodys(name) || is_ours(name) || is_gone(name))
    }
}

/// Writes the tag so that nobody finds half of it. Where there is one it stays the same file, on which others may hold
/// a lock.
pub(super) fn write(tag: &Path) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    let mut new = builder.permissions(Permissions::from_mode(0o666)).tempfile_in(directory_of(tag))?;
    new.write_all(TAG.as_bytes())?;
    if new.persist_noclobber(tag).is_err() {
        let mut old = File::options().write(true).create(true).truncate(false).open(tag)?;
        old.write_all(TAG.as_bytes())?;
        old.set_len(TAG.len() as u64)?;
    }
    Ok(())
}
