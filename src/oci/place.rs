//! Whether an output's place can be written to: what can be told before there is anything to write.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, PROC_SUPER_MAGIC, access, statfs};
use rustix::io::Errno;

use super::OciError;
use super::regular::no_regular_file;
use crate::atomic_file::{behind_links, directory_of, places};

/// Where a file is written to: behind links, whose own names stay. What is there is replaced, so it is to be a file.
pub(super) fn file_behind(file: &Path) -> Result<PathBuf, OciError> {
    let unfit = |source| OciError::Place { path: file.to_owned(), source };
    let place = behind_links(file).map_err(unfit)?;
    if place.is_dir() {
        return Err(refused(file, Errno::ISDIR));
    }
    // A device or a pipe would give way to a file of its name, as would a file behind what a process has open.
    let is_of_a_process =
        |place: PathBuf| statfs(directory_of(&place)).is_ok_and(|system| system.f_type == PROC_SUPER_MAGIC);
    if place.exists() && !place.is_file() || places(file).any(is_of_a_process) {
        return Err(unfit(no_regular_file()));
    }
    Ok(place)
}

/// Whether a file can be made or replaced.
pub(super) fn check_file(file: &Path) -> Result<(), OciError> {
    let place = file_behind(file)?;
    let directory = directory_of(&place);
    if !directory.exists() {
        return Err(refused(directory, Errno::NOENT));
    }
    check_directory(directory)
}

/// Whether a directory can be written to, or made with those above it.
pub(super) fn check_directory(directory: &Path) -> Result<(), OciError> {
    let absolute = std::path::absolute(directory).map_err(OciError::io("find", directory))?;
    let Some(existing) = absolute.ancestors().find(|path| path.exists()) else { return Ok(()) };
    if !existing.is_dir() {
        return Err(refused(directory, Errno::NOTDIR));
    }
    access(existing, Access::WRITE_OK | Access::EXEC_OK).map_err(|errno| refused(directory, errno))
}

fn refused(path: &Path, errno: Errno) -> OciError {
    OciError::Place { path: path.to_owned(), source: errno.into() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_are_written_behind_links() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("far")).unwrap();
        fs::write(at("far/there"), "old").unwrap();
        for (name, target, place) in [
            ("a", "far/there", Some("far/there")),
            ("b", "a", Some("far/there")),
            ("c", "far/new", Some("far/new")),
            ("d", "far", None),
            ("e", "/dev/null", None),
            ("f", "/proc/self/exe", None),
            ("g", "/proc/self/new", None),
            ("h", "h", None),
        ] {
            symlink(target, at(name)).unwrap();
            let found = check_file(&at(name)).and_then(|()| file_behind(&at(name)));
            assert_eq!(found.ok(), place.map(at), "{name}");
        }
        assert!(check_file(&at("new")).is_ok() && check_file(Path::new("/proc/self/exe")).is_err());
        symlink("gone/new", at("i")).unwrap();
        assert!(check_file(&at("i")).is_err());
    }
}
