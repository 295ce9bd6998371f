//! What benchmarks of the whole program share: a mirror of loopback, rooms to run in, measuring, tables and plots.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub(crate) mod measure;
pub(crate) mod mirror;
pub(crate) mod plot;
pub(crate) mod table;

use mirror::Mirror;

/// Where benchmarks take place.
pub(crate) struct Ground {
    pub(crate) mirror: Mirror,
    output: PathBuf,
}

impl Ground {
    /// None, with a word, where this machine has no Debian mirror to take packages from.
    pub(crate) fn prepare() -> Option<Self> {
        let usual = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
        let output = std::env::var_os("ROOTFORGE_BENCH_OUTPUT").map_or(usual.clone(), PathBuf::from);
        std::fs::create_dir_all(&output).unwrap();
        match Mirror::start(&usual.join("mirror")) {
            Ok(mirror) => Some(Ground { mirror, output }),
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
        Room { ground: self, directory: TempDir::new().unwrap() }
    }
}

/// A directory to run in, which goes when it is dropped: `work` has recipes, locks and images, `cache` the cache.
pub(crate) struct Room<'g> {
    ground: &'g Ground,
    directory: TempDir,
}

impl Room<'_> {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
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

    /// Deletes a file or directory, if it is there.
    pub(crate) fn remove(&self, name: &str) {
        let path = self.path(name);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else if path.exists() {
            std::fs::remove_file(path).unwrap();
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
