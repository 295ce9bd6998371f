//! An unpacked image as a root directory: programs of it run under bubblewrap, its loader links its files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::real_archive::bench::Ran;
use crate::tools::have;

/// Whether images for amd64 can be unpacked and run here.
pub(crate) fn can_run() -> bool {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("passed over: this machine runs no amd64 programs");
        return false;
    }
    have(&["umoci", "bwrap"])
}

/// A sandbox that sees the image, `/proc`, a small `/dev` and an empty `/tmp`; the network is the host's.
pub(crate) fn sandbox(root: &Path) -> Command {
    let mut command = Command::new("bwrap");
    command.arg("--bind").arg(root).args(["/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]);
    command.args(["--unshare-user", "--unshare-pid", "--die-with-parent", "--clearenv"]);
    command.args(["--setenv", "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
    command
}

/// Asks the image's own loader for the libraries of every ELF file: how many it linked, and what it said
/// of those it could not.
pub(crate) fn link_all(root: &Path, loader: &str) -> (usize, Vec<String>) {
    let mut files = Vec::new();
    elf_files(root, &mut files);
    let mut failures = Vec::new();
    for file in &files {
        let inside = format!("/{}", file.strip_prefix(root).unwrap().display());
        let ran = Ran::of(sandbox(root).args([loader, "--list", &inside]));
        let said = format!("{}{}", ran.out, ran.err);
        let is_static = said.contains("statically linked");
        if said.contains("not found") || (ran.code != Some(0) && !is_static) {
            failures.push(format!("{inside}: {said}"));
        }
    }
    (files.len(), failures)
}

/// The libraries that the image's own loader takes, each with a file that it takes it for.
pub(crate) fn libraries(root: &Path, loader: &str) -> BTreeMap<String, String> {
    let mut files = Vec::new();
    elf_files(root, &mut files);
    let mut taken = BTreeMap::new();
    for file in &files {
        let inside = format!("/{}", file.strip_prefix(root).unwrap().display());
        let listed = Ran::of(sandbox(root).args([loader, "--list", &inside])).out;
        for line in listed.lines() {
            let Some(path) = line.split(" => ").nth(1).and_then(|rest| rest.split(" (").next()) else {
                continue;
            };
            taken.entry(path.to_owned()).or_insert_with(|| inside.clone());
        }
    }
    taken
}

/// Whether the image's own loader finds all libraries of a file.
pub(crate) fn links(root: &Path, loader: &str, file: &str) -> bool {
    let ran = Ran::of(sandbox(root).args([loader, "--list", file]));
    ran.code == Some(0) && !ran.out.contains("not found")
}

/// Executables and shared objects below a directory, in no order.
fn elf_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            elf_files(&entry.path(), found);
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            // `e_type`, low byte first: ET_EXEC or ET_DYN.
            if bytes.starts_with(b"\x7fELF") && bytes.get(16).is_some_and(|kind| [2, 3].contains(kind)) {
                found.push(entry.path());
            }
        }
    }
}
