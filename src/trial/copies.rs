//! Directories that a test may write to: copies of the image's own, with their owners, made for one run.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use crate::root_path::RootPath;

/// Where every program may write, image or not.
const USUAL: [&str; 3] = ["/tmp", "/var/tmp", "/run"];

/// The directories to be copied, none within another: the usual ones that the image has, its volumes, and
/// those that a test names.
pub(super) fn writable(root: &Path, volumes: &[RootPath], asked: &[RootPath]) -> Vec<RootPath> {
    let usual = USUAL.iter().filter_map(|path| RootPath::parse(path).ok());
    let mut all: Vec<RootPath> =
        usual.filter(|path| is_directory(root, path)).chain(volumes.iter().chain(asked).cloned()).collect();
    all.retain(|path| !path.as_str().starts_with("/dev/"));
    all.sort();
    all.dedup();
    let inner = |path: &RootPath, all: &[RootPath]| all.iter().any(|one| one != path && path.is_within(one));
    let outer: Vec<RootPath> = all.iter().filter(|path| !inner(path, &all)).cloned().collect();
    outer
}

/// Whether a path is a directory of the image and passes no link.
pub(super) fn is_directory(root: &Path, path: &RootPath) -> bool {
    let above: Vec<RootPath> = path.ancestors().chain([path.clone()]).collect();
    above
        .iter()
        .all(|path| fs::symlink_metadata(root.join(path.relative())).is_ok_and(|metadata| metadata.is_dir()))
}

/// Copies a directory and all below it; devices and sockets are left out.
pub(super) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(from)?;
    let kind = metadata.file_type();
    if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
        let _ = lchown(to, Some(metadata.uid()), Some(metadata.gid()));
        return Ok(());
    }
    if kind.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_tree(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if kind.is_file() {
        fs::copy(from, to)?;
    } else {
        return Ok(());
    }
    // Without privilege everything is the caller's, there as here.
    let _ = chown(to, Some(metadata.uid()), Some(metadata.gid()));
    fs::set_permissions(to, fs::Permissions::from_mode(metadata.mode() & 0o7777))
}

/// Removes what tests may have left unreadable for its own maker.
pub(super) fn remove_tree(path: &Path) {
    if fs::remove_dir_all(path).is_ok() {
        return;
    }
    let mut stack: Vec<PathBuf> = vec![path.to_owned()];
    while let Some(directory) = stack.pop() {
        let _ = fs::set_permissions(&directory, fs::Permissions::from_mode(0o700));
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        stack.extend(
            entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|e| e.path()),
        );
    }
    let _ = fs::remove_dir_all(path);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_within_another_is_copied_with_it() {
        let root = tempfile::tempdir().unwrap();
        for directory in ["tmp", "run/x", "var"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        symlink("/tmp", root.path().join("var/tmp")).unwrap();
        let path = |text| RootPath::parse(text).unwrap();
        let found = writable(root.path(), &[path("/run/x"), path("/srv")], &[path("/srv/a")]);
        assert_eq!(found, [path("/run"), path("/srv"), path("/tmp")]);
    }

    #[test]
    fn a_copy_has_modes_and_links() {
        let root = tempfile::tempdir().unwrap();
        let from = root.path().join("from");
        fs::create_dir_all(from.join("in")).unwrap();
        fs::write(from.join("in/x"), "x").unwrap();
        symlink("x", from.join("in/y")).unwrap();
        fs::set_permissions(from.join("in"), fs::Permissions::from_mode(0o1777)).unwrap();
        let to = root.path().join("to");
        copy_tree(&from, &to).unwrap();
        assert_eq!(fs::metadata(to.join("in")).unwrap().mode() & 0o7777, 0o1777);
        assert_eq!(fs::read_link(to.join("in/y")).unwrap(), Path::new("x"));
        assert_eq!(fs::read(to.join("in/x")).unwrap(), b"x");
        remove_tree(&to);
        assert!(!to.exists());
    }
}
