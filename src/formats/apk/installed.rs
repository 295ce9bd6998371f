//! apk's record of what is installed: `lib/apk/db/installed`, `triggers` and `scripts.tar`.
//!
//! Written as apk-tools 2.14 does (`apk_db_write_fdb`, `apk_db_triggers_write`, `apk_db_scriptdb_write`): the
//! database by package name, the other two in the order of installation. A package's paragraph has the
//! fields of its index entry, then `r:` and `q:`, then `F:` for each directory with `M:` where it is not
//! 0755 of root, and in it `R:` for each file with `a:` where it is not 0644 of root, and its checksum `Z:`.
//!
//! A package's fields are taken from its `.PKGINFO`. Not written: `s:` (the tag a package was installed
//! from), and `f:`, which marks what failed.

use std::collections::BTreeMap;

use crate::tarball::{Entry, EntryKind, Metadata};

use super::Checksum;
use super::archive::Marks;

mod fields;
mod scripts;

use fields::Fields;
pub use scripts::{SCRIPTS, scripts_tar};

/// An installed package, or what of it is there.
#[derive(Clone, Debug)]
pub struct InstalledPackage<'a> {
    /// The text of its `.PKGINFO`.
    pub pkginfo: &'a str,
    /// Its architecture as the index has it, which `.PKGINFO` may call `noarch`; none keeps the latter.
    pub arch: Option<&'a str>,
    /// The SHA-1 of its control member: `C:`.
    pub checksum: Checksum,
    /// The size of its file in bytes: `S:`.
    pub size: u64,
    /// The directories and files of it that are there, in its tarball's order.
    pub files: Vec<InstalledFile<'a>>,
    /// Its scripts by name, without a dot: `post-install`. Those apk does not know are left out.
    pub scripts: BTreeMap<&'a str, &'a [u8]>,
}

/// A directory or file of an installed package.
#[derive(Clone, Copy, Debug)]
pub struct InstalledFile<'a> {
    /// What it is, as the package has it.
    pub entry: &'a Entry,
    /// Its checksum, if the package states one.
    pub marks: &'a Marks,
    /// Its owner and group in the image, which the package may give by name.
    pub owner: [u32; 2],
}

/// The text of `installed`; the packages may come in any order.
pub fn installed(packages: &[InstalledPackage<'_>]) -> String {
    let mut paragraphs: Vec<(String, String)> = packages
        .iter()
        .map(|package| {
            let fields = Fields::of(package.pkginfo);
            let mut text = String::new();
            fields.write(package, &mut text);
            write_files(&package.files, &mut text);
            text.push('\n');
            (fields.one("pkgname").to_owned(), text)
        })
        .collect();
    paragraphs.sort();
    paragraphs.into_iter().map(|(_, text)| text).collect()
}

/// The text of `triggers`: the paths whose change a package wants to hear of, by its checksum.
pub fn triggers(packages: &[InstalledPackage<'_>]) -> String {
    packages
        .iter()
        .filter_map(|package| {
            let triggers = Fields::of(package.pkginfo).list("triggers");
            (!triggers.is_empty()).then(|| format!("{} {triggers}\n", package.checksum))
        })
        .collect()
}

/// A directory with its files, in the order of their first mention.
fn write_files(files: &[InstalledFile<'_>], text: &mut String) {
    struct Directory<'a> {
        path: &'a str,
        own: Option<&'a InstalledFile<'a>>,
        files: Vec<&'a InstalledFile<'a>>,
    }
    let mut directories: Vec<Directory<'_>> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files {
        let path = file.entry.path.relative();
        let is_directory = file.entry.kind == EntryKind::Directory;
        if path.is_empty() {
            continue;
        }
        // The files of the root are in a directory without a name.
        let of = if is_directory { path } else { path.rsplit_once('/').map_or("", |(above, _)| above) };
        let place = *places.entry(of).or_insert_with(|| {
            directories.push(Directory { path: of, own: None, files: Vec::new() });
            directories.len() - 1
        });
        if is_directory {
            directories[place].own = Some(file);
        } else {
            directories[place].files.push(file);
        }
    }
    for directory in directories {
        text.push_str(&format!("F:{}\n", directory.path));
        if let Some(own) = directory.own {
            write_owner('M', own, 0o755, text);
        }
        for file in directory.files {
            text.push_str(&format!("R:{}\n", file.entry.path.file_name()));
            write_owner('a', file, 0o644, text);
            if let Some(checksum) = file.marks.checksum {
                text.push_str(&format!("Z:{checksum}\n"));
            }
        }
    }
}

/// Owner and mode, and the checksum of the extended attributes, where they are not the usual ones.
fn write_owner(field: char, file: &InstalledFile<'_>, usual: u32, text: &mut String) {
    let (Metadata { mode, xattrs, .. }, [uid, gid]) = (&file.entry.metadata, file.owner);
    if (*mode, uid, gid, xattrs.is_empty()) == (usual, 0, 0, true) {
        return;
    }
    text.push_str(&format!("{field}:{uid}:{gid}:{mode:o}"));
    if !xattrs.is_empty() {
        text.push_str(&format!(":{}", attributes_checksum(xattrs)));
    }
    text.push('\n');
}

/// The checksum of extended attributes by name: each name and each value with its length before it, in four
/// bytes, the highest first.
fn attributes_checksum(xattrs: &BTreeMap<String, Vec<u8>>) -> Checksum {
    let mut bytes = Vec::new();
    for part in xattrs.iter().flat_map(|(name, value)| [name.as_bytes(), value]) {
        // No attribute is longer than 64 KiB.
        bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    Checksum::of(&bytes)
}

#[cfg(test)]
mod tests;
