//! Files that people keep, written whole or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::partial;

/// The directory that holds a file.
pub fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// So many links may lead on from one to the next, as for the kernel (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// The places that a path leads to: its own, then that of what each link names, be there anything or not. Only the last
/// is no link, unless there are too many.
pub fn places(path: &Path) -> impl Iterator<Item = PathBuf> {
    let next = |place: &PathBuf| Some(directory_of(place).join(fs::read_link(place).ok()?));
    std::iter::successors(Some(path.to_owned()), next).take(MAX_LINKS + 1)
}

/// The last of the [`places`] of a path.
pub fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let place = places(path).last().unwrap_or_else(|| path.to_owned());
    if place.is_symlink() {
        return Err(io::Error::other("too many symbolic links lead on from it"));
    }
    Ok(place)
}

/// What begins the names of files that are to replace one: [`partial::sweep`] takes it.
pub fn partial_prefix(file: &Path) -> String {
    // A name that is as long as names may be leaves no room for more.
    let name: String = file.file_name().unwrap_or_default().to_string_lossy().chars().take(50).collect();
    format!(".{name}.partial-")
}

/// Gives a file its content: beside it under another name, then by renaming. Where a link leads to it, the link stays;
/// an old file's permissions stay too, and those of a new one follow the umask. What a killed process has left of the
/// same file goes.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = &behind_links(path)?;
    let (directory, prefix) = (directory_of(path), partial_prefix(path));
    partial::sweep(directory, &prefix);
    let mut file = partial::file_in(directory, &prefix)?;
    if let Ok(metadata) = path.metadata() {
        file.as_file().set_permissions(metadata.permissions())?;
    }
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn links_and_permissions_stay() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        symlink("file", &link).unwrap();
        replace(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(link.is_symlink());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        replace(&directory.path().join("other"), b"one").unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
    }
    #[test]
    fn links_are_followed_to_where_nothing_is() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("far")).unwrap();
        for (name, target) in [("one", "two"), ("two", "far/new"), ("round", "about"), ("about", "round")] {
            symlink(target, at(name)).unwrap();
        }
        replace(&at("one"), b"new").unwrap();
        assert_eq!(fs::read(at("far/new")).unwrap(), b"new");
        assert!(at("one").is_symlink() && at("two").is_symlink());
        let error = replace(&at("round"), b"new").unwrap_err();
        assert!(error.to_string().contains("too many symbolic links"), "{error}");
        assert!(at("round").is_symlink() && at("about").is_symlink());
    }

    #[test]
    fn what_a_killed_process_left_goes() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        // A living one's has the lock that goes with its process.
        let alive = partial::file_in(directory.path(), &partial_prefix(&at("r.lock"))).unwrap();
        for (name, is_left) in [(".r.lock.partial-abc123", false), (".s.lock.partial-abc123", true)] {
            fs::write(at(name), "half").unwrap();
            replace(&at("r.lock"), b"new").unwrap();
            assert_eq!(at(name).exists(), is_left, "{name}");
        }
        assert!(alive.path().exists());
    }
}
