//! The real apk 2.14, out of the corpus's packages, as a second opinion.
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use rootforge::apk::{ApkError, archive};
use rootforge::tarball::{EntryKind, Limits};
use tempfile::TempDir;

use super::alpine::alpine_corpus;

/// An apk that can be run: it and its libraries, unpacked.
pub struct Apk {
    root: TempDir,
}

impl Apk {
    /// None where there is no corpus, or this machine cannot run its programs.
    pub fn new() -> Option<Apk> {
        let packages = alpine_corpus()?.join("v3.20/main/x86_64");
        if !cfg!(target_arch = "x86_64") {
            eprintln!("skipped the second opinion: this machine does not run apk for x86_64");
            return None;
        }
        let root = TempDir::new().unwrap();
        for name in [
            "apk-tools-2.14.4-r0",
            "libcrypto3-3.3.2-r0",
            "libssl3-3.3.2-r0",
            "zlib-1.3.1-r1",
            "musl-1.2.5-r0",
        ] {
            unpack(&packages.join(format!("{name}.apk")), root.path());
        }
        std::fs::create_dir(root.path().join("empty")).unwrap();
        Some(Apk { root })
    }

    /// A command line of apk that is to be gone on with.
    pub fn command(&self, root: &Path, keys: &Path) -> Command {
        let libraries = format!("{0}/lib:{0}/usr/lib", self.root.path().display());
        let mut command = Command::new(self.root.path().join("lib/ld-musl-x86_64.so.1"));
        command.args(["--library-path", &libraries]).arg(self.root.path().join("sbin/apk"));
        command.arg("--root").arg(root).arg("--keys-dir").arg(keys);
        command
    }

    /// What `apk verify` says of a package or index, trusting these keys (file names and contents): `OK`, `UNTRUSTED`,
    /// `BAD signature` or an error's text.
    pub fn verify(&self, file: &Path, keys: &BTreeMap<String, Vec<u8>>) -> String {
        let dir = TempDir::new().unwrap();
        for (name, key) in keys {
            std::fs::write(dir.path().join(name), key).unwrap();
        }
        let output = self
            .command(&self.root.path().join("empty"), dir.path())
            .arg("verify")
            .arg(file)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let said = text.lines().find_map(|line| {
            let rest = line.strip_prefix(&format!("{}: ", file.display()))?;
            rest.split_once(" - ").map(|(_, said)| said.to_owned())
        });
        said.unwrap_or_else(|| panic!("apk said {text:?} {:?}", String::from_utf8_lossy(&output.stderr)))
    }
}

fn unpack(package: &Path, root: &Path) {
    archive::read_data(package, &Limits::default(), |entry, _, content| {
        let path = root.join(entry.path.relative());
        match entry.kind {
            EntryKind::Directory => std::fs::create_dir_all(&path).unwrap(),
            EntryKind::File { .. } => {
                let mut bytes = Vec::new();
                content.read_to_end(&mut bytes).unwrap();
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, bytes).unwrap();
                let mode = std::fs::Permissions::from_mode(entry.metadata.mode);
                std::fs::set_permissions(&path, mode).unwrap();
            }
            EntryKind::Symlink { target } => {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                symlink(target, &path).unwrap();
            }
            _ => {}
        }
        Ok::<_, ApkError>(())
    })
    .unwrap();
}
