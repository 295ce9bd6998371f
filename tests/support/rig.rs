//! A directory for the program to run in, with a home of its own, and nothing of this machine's.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::Archive;
use super::archive::key;

/// Where the program runs. `work/` has recipes, keys and images, `home/` the cache, `archive/` the archive.
pub struct Rig {
    dir: TempDir,
}

/// What the program did.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Rig {
    pub fn new() -> Self {
        let rig = Rig { dir: tempfile::tempdir().unwrap() };
        for directory in ["work", "home"] {
            std::fs::create_dir(rig.path(directory)).unwrap();
        }
        rig.write("key.asc", key().public());
        rig
    }

    /// With an archive on disk.
    pub fn with(archive: &Archive) -> Self {
        let rig = Self::new();
        archive.write(&rig.path("archive"));
        rig
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// A path in the directory that the program runs in.
    pub fn work(&self, below: &str) -> PathBuf {
        self.path("work").join(below)
    }

    /// Writes a file into the directory that the program runs in.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes `r.toml`: a recipe called `r`, of Debian trixie unless it says where it is from.
    pub fn recipe(&self, text: &str) {
        self.write("r.toml", recipe(text));
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.work(name)).unwrap()
    }

    /// The program, with mirrors in the archive's directory.
    pub fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = self.bare(args);
        let archive = self.path("archive");
        for name in ["debian", "debian-security"] {
            command.arg("--mirror").arg(format!("{name}={}", archive.display()));
        }
        command
    }

    /// The program, without mirrors.
    pub fn bare<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rootforge"));
        command.args(args).current_dir(self.path("work")).env_clear();
        command.env("HOME", self.path("home")).env("TMPDIR", self.dir.path());
        // The name of the test's coverage file, should it be measured.
        command.envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)));
        command
    }

    /// Runs the program with mirrors in the archive's directory.
    pub fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Ran {
        run(&mut self.command(args))
    }

    /// What is left behind by interruptions: files that are on their way to their names.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let is_named =
            |path: &Path| path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b".tmp"));
        let images = self
            .listing("work/images")
            .into_keys()
            .filter(|path| path.parent().is_some_and(|parent| parent.ends_with("blobs")) || !is_named(path));
        let cache = self.listing("home/.cache/rootforge").into_keys();
        images
            .chain(cache.filter(|path| {
                path.parent().is_some_and(|parent| parent.ends_with("partial")) || !is_named(path)
            }))
            .collect()
    }

    /// Runs the program with both of Debian's mirrors at one root.
    pub fn run_at<S: AsRef<OsStr>>(&self, root: &str, args: &[S]) -> Ran {
        let mut command = self.bare(args);
        for name in ["debian", "debian-security"] {
            command.arg("--mirror").arg(format!("{name}={root}"));
        }
        run(&mut command)
    }

    /// Builds `r.toml` for amd64, which must work.
    pub fn build(&self, more: &[&str]) -> Ran {
        self.run(&[&["build", "r.toml", "--arch", "amd64"], more].concat()).ok()
    }

    /// The program's cache.
    pub fn cache(&self) -> PathBuf {
        self.path("home/.cache/rootforge")
    }

    /// Takes from the cache what was derived of a kind: `image-` is what is known of images, without which their packages
    /// are needed again.
    pub fn forget(&self, kind: &str) {
        for directory in std::fs::read_dir(self.cache().join("derived")).unwrap().flatten() {
            if directory.file_name().to_str().unwrap().starts_with(kind) {
                std::fs::remove_dir_all(directory.path()).unwrap();
            }
        }
    }

    /// Every file below a directory with its content.
    pub fn listing(&self, below: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        list(&self.path(below), &mut found);
        found
    }
}

impl Ran {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self
    }

    /// Ended with this code, and said all of this.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self.says(words)
    }

    /// Said all of this on stderr.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for words in words {
            assert!(self.err.contains(words), "not said: {words}\n{}", self.err);
        }
        self
    }

    /// Printed all of this on stdout.
    #[track_caller]
    pub fn prints(self, words: &[&str]) -> Self {
        for words in words {
            assert!(self.out.contains(words), "not printed: {words}\n{}", self.out);
        }
        self
    }

    /// The digest that a build prints.
    #[track_caller]
    pub fn digest(&self) -> String {
        let (_, digest) = self.out.trim_end().rsplit_once(' ').unwrap_or_else(|| panic!("{self:?}"));
        assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
        digest.to_owned()
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Ran {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// A recipe's text with what most tests leave out.
pub fn recipe(text: &str) -> String {
    let mut whole = String::new();
    if !text.contains("name = \"r\"") {
        whole.push_str("name = \"r\"\n");
    }
    if !text.contains("from = ") && !text.contains("[[repository]]") {
        whole.push_str("from = \"debian:trixie\"\nkeys = [\"key.asc\"]\n");
    }
    whole + text
}

fn list(directory: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            list(&path, found);
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
}
