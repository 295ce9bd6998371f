//! Files and directories on their way to their names.
//!
//! Each is under an advisory lock (flock(2)) while its maker lives, and the lock goes with the process, however
//! it ends. So what a killed build has left is told from what another is writing, and [`sweep`] removes it
//! alone. Where a file system knows no locks, nothing is ever swept.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use fs4::FileExt;
use tempfile::{NamedTempFile, TempDir};

/// How many letters and digits follow the prefix of a name.
const RANDOM: usize = 6;

/// A file that vanishes unless it is persisted. Its mode follows the umask.
pub fn file_in(directory: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    loop {
        let file = tempfile::Builder::new()
            .prefix(prefix)
            .rand_bytes(RANDOM)
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(directory)
            .map_err(plain)?;
        if hold(file.as_file(), file.path()) {
            return Ok(file);
        }
    }
}

/// A directory that vanishes, with all in it, when it is dropped.
#[derive(Debug)]
pub struct PartialDir {
    // Dropped first: until it is gone, nobody else is to sweep it.
    directory: TempDir,
    _lock: File,
}

impl PartialDir {
    /// Only its maker may look into it.
    pub fn create_in(parent: &Path, prefix: &str) -> io::Result<Self> {
        loop {
            let directory = tempfile::Builder::new()
                .prefix(prefix)
                .rand_bytes(RANDOM)
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(parent)
                .map_err(plain)?;
            let lock = match File::open(directory.path()) {
                // A sweep was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            if hold(&lock, directory.path()) {
                return Ok(PartialDir { directory, _lock: lock });
            }
        }
    }

    /// Where it is meanwhile.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Gives it its name; where that fails it vanishes.
    pub fn rename(self, target: &Path) -> io::Result<()> {
        fs::rename(self.path(), target)?;
        let _ = self.directory.keep();
        Ok(())
    }
}

/// The system's error, without the path in it that nobody has asked for.
fn plain(error: io::Error) -> io::Error {
    let source = error.get_ref().and_then(|wrapped| wrapped.source()?.downcast_ref::<io::Error>());
    source.and_then(io::Error::raw_os_error).map_or(error, io::Error::from_raw_os_error)
}

/// Locks something just made; false if a sweep was faster. The sweep's own lock is short.
fn hold(file: &File, path: &Path) -> bool {
    // Without locks nobody sweeps either.
    let _ = FileExt::lock(file);
    is_at(file, path)
}

fn is_at(file: &File, path: &Path) -> bool {
    let id = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let (own, there) = (file.metadata(), fs::symlink_metadata(path));
    own.is_ok_and(|own| there.is_ok_and(|there| id(own) == id(there)))
}

/// Removes what was made with this prefix and has no living maker. What cannot be removed stays.
pub fn sweep(directory: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| is_ours(&entry.file_name(), prefix)) {
        let path = entry.path();
        let Ok(kind) = entry.file_type().map(|kind| (kind.is_file(), kind.is_dir())) else { continue };
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(&path) else { continue };
        if FileExt::try_lock(&file).is_err() || !is_at(&file, &path) {
            continue;
        }
        let _ = match kind {
            (true, _) => fs::remove_file(&path),
            (_, true) => fs::remove_dir_all(&path),
            _ => Ok(()),
        };
    }
}

fn is_ours(name: &OsStr, prefix: &str) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(prefix));
    random.is_some_and(|random| {
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lock belongs to what was opened, so one process can play two.
    #[test]
    fn what_is_held_is_never_swept() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let file = file_in(at, ".x.partial-").unwrap();
        let held = PartialDir::create_in(at, ".x.partial-").unwrap();
        fs::write(held.path().join("y"), "y").unwrap();
        for (name, is_left) in [
            (".x.partial-abc123", false),
            (".x.partial-abc", true),
            (".x.partial-abc_12", true),
            (".x.partial-abc123.txt", true),
            ("x.partial-abc123", true),
        ] {
            fs::write(at.join(name), "left").unwrap();
            sweep(at, ".x.partial-");
            assert_eq!(at.join(name).exists(), is_left, "{name}");
        }
        let left = at.join(".x.partial-AAAAAA");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("z"), "z").unwrap();
        std::os::unix::fs::symlink("/", at.join(".x.partial-link00")).unwrap();
        sweep(at, ".x.partial-");
        assert!(!left.exists() && fs::symlink_metadata(at.join(".x.partial-link00")).is_ok());
        assert!(file.path().exists() && held.path().join("y").exists());

        let (path, target) = (held.path().to_owned(), at.join("target"));
        held.rename(&target).unwrap();
        assert!(!path.exists() && target.join("y").exists());
        let path = file.path().to_owned();
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn sweeping_and_making_at_once_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    sweep(at, ".partial-");
                }
            });
            for number in 0..2000 {
                let directory = PartialDir::create_in(at, ".partial-").unwrap();
                assert!(directory.path().exists());
                let file = file_in(at, ".partial-").unwrap();
                let target = at.join(number.to_string());
                file.persist(&target).unwrap();
                assert!(target.exists());
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        assert_eq!(fs::read_dir(at).unwrap().count(), 2000);
    }
}
