//! What benchmarks of the whole program share: a mirror of loopback, rooms to run in, measuring, tables and plots.

use std::cell::Cell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub(crate) mod measure;
pub(crate) mod mirror;
pub(crate) mod plot;
pub(crate) mod table;

use mirror::Mirror;

/// Where benchmarks take place. All that they write, some gigabytes, stays there until it is dropped: for a minute after
/// many files have been deleted ext4 makes new ones many times more slowly (without a journal it does not use their inodes
/// again so soon, and passes over each).
pub(crate) struct Ground {
    pub(crate) mirror: Mirror,
    output: PathBuf,
    directory: TempDir,
    /// So many names were given in it.
    names: Cell<u32>,
}

impl Ground {
    /// None, with a word, where this machine has no Debian mirror to take packages from.
    pub(crate) fn prepare() -> Option<Self> {
        let usual = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
        let output = std::env::var_os("ROOTFORGE_BENCH_OUTPUT").map_or(usual.clone(), PathBuf::from);
        std::fs::create_dir_all(&output).unwrap();
        match Mirror::start(&usual.join("mirror")) {
            Ok(mirror) => {
                let (directory, names) = (TempDir::new_in(&usual).unwrap(), Cell::new(0));
                Some(Ground { mirror, output, directory, names })
            }
            Err(why) => {
                println!("passed over: {why}");
                None
            }
        }
    }

    /// A file among the results.
    pub(crate) fn output(&self, name: &str) -> PathBuf {
        self.output.join(name)
    }

    /// An empty directory with a cache of its own.
    pub(crate) fn room(&self) -> Room<'_> {
        let directory = self.name();
        std::fs::create_dir(&directory).unwrap();
        Room { ground: self, directory }
    }

    /// A path where nothing is yet.
    fn name(&self) -> PathBuf {
        self.names.set(self.names.get() + 1);
        self.directory.path().join(self.names.get().to_string())
    }
}

/// A directory to run in: `work` has recipes, locks and images, `cache` the cache.
pub(crate) struct Room<'g> {
    ground: &'g Ground,
    directory: PathBuf,
}

impl Room<'_> {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a file below `work`.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path("work").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Copies a file or directory of the project's recipes into `work`.
    pub(crate) fn take(&self, name: &str) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes").join(name);
        if from.is_dir() {
            for entry in std::fs::read_dir(from).unwrap() {
                self.take(&format!("{name}/{}", entry.unwrap().file_name().to_str().unwrap()));
            }
        } else {
            self.write(name, std::fs::read(from).unwrap());
        }
    }

    /// Takes a file or directory away, if it is there.
    pub(crate) fn remove(&self, name: &str) {
        let path = self.path(name);
        if path.exists() {
            std::fs::rename(path, self.ground.name()).unwrap();
        }
    }

    /// Rootforge in `work`, with the room's cache and the mirror.
    pub(crate) fn rootforge<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        self.rootforge_at(|archive| self.ground.mirror.url(archive), arguments)
    }

    /// The same, with another mirror of each archive.
    pub(crate) fn rootforge_at<S: AsRef<OsStr>>(
        &self,
        mirror: impl Fn(&str) -> String,
        arguments: &[S],
    ) -> Command {
        let program = std::env::var_os("ROOTFORGE_BENCH_PROGRAM");
        let mut command = Command::new(program.unwrap_or_else(|| env!("CARGO_BIN_EXE_rootforge").into()));
        command.arg("--cache-dir").arg(self.path("cache")).arg("--quiet");
        for archive in ["debian", "debian-security"] {
            command.arg("--mirror").arg(format!("{archive}={}", mirror(archive)));
        }
        command.args(arguments).current_dir(self.path("work")).env("HOME", self.path("home"));
        for name in ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "SOURCE_DATE_EPOCH"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

/// Whether a program is there to be measured beside; says so where it is not.
pub(crate) fn has(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).any(|directory| directory.join(program).is_file());
    if !found {
        println!("passed over: there is no {program} to compare with");
    }
    found
}
