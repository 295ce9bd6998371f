//! The same recipe and lock give the same image, wherever and however; and without the mirror.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::real_archive::bench::{Bench, Ran, free_port, whole_release};

/// Every file of a layout by its path.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                found.insert(path.strip_prefix(directory).unwrap().to_owned(), fs::read(path).unwrap());
            }
        }
    }
    found
}

const BUILD: [&str; 5] = ["build", "--arch", "amd64,s390x", "--without", "updates,security"];

/// Cold, alone, elsewhere, in another zone, under another umask: not a byte of index or blobs differs.
#[test]
fn real_mirror_pulseaudio_is_the_same_everywhere() {
    let Some(bench) = Bench::with_pulseaudio() else { return };
    let bench = bench.on_release(whole_release());
    let arguments = [&BUILD[..], &["pulseaudio.toml", "--output", "oci:first"]].concat();
    let first = bench.command(&arguments).env("TZ", "UTC").output().unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));

    let elsewhere = bench.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let output = format!("oci:{}", bench.path("second").display());
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 077; exec \"$@\"", "sh"]).arg(env!("CARGO_BIN_EXE_rootforge"));
    shell.arg("--cache-dir").arg(bench.path("cold")).args(BUILD).args(["--locked", "--output", &output]);
    shell.arg(bench.path("pulseaudio.toml")).current_dir(&elsewhere);
    shell.env("HOME", &elsewhere).env("TZ", "Pacific/Kiritimati").env("LC_ALL", "C.UTF-8");
    shell.env("RAYON_NUM_THREADS", "1").env_remove("SOURCE_DATE_EPOCH");
    Ran::of(&mut shell).ok();

    // Solved again, from the same indexes.
    let lock = fs::read_to_string(bench.path("pulseaudio.lock")).unwrap();
    fs::remove_file(bench.path("pulseaudio.lock")).unwrap();
    bench.run(&[&BUILD[..], &["pulseaudio.toml", "--output", "oci:third"]].concat()).ok();
    assert_eq!(fs::read_to_string(bench.path("pulseaudio.lock")).unwrap(), lock);

    let first = files(&bench.path("first"));
    // For each architecture a layer of its own, config and manifest; a layer both have, the image index,
    // index.json and oci-layout.
    assert!(first.len() >= 10, "{:?}", first.keys());
    for other in ["second", "third"] {
        let other = files(&bench.path(other));
        assert_eq!(first.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
        assert!(first == other, "the same names, other bytes");
    }
}

/// With lock and cache nothing is asked of the mirror; without the cache there is an error that says so.
#[test]
fn real_mirror_gone_after_the_first_build() {
    let Some(bench) = Bench::new() else { return };
    let recipe = bench.recipe("debian:trixie", "hostname", "");
    let first = bench.build(&[&recipe, "--arch", "amd64"]);
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let debian = format!("debian={nowhere}/debian");
    let security = format!("debian-security={nowhere}/debian-security");
    let gone = ["--mirror", debian.as_str(), "--mirror", security.as_str()];
    for offline in [&[][..], &["--offline"]] {
        let build = ["--locked", "--arch", "amd64", "--output", "oci:again", &recipe];
        let again = bench.build(&[&build[..], &gone, offline].concat());
        assert_eq!(again["digest"], first["digest"]);
    }
    let cold = bench.path("cold");
    let build = ["--offline", "build", "--locked", "--arch", "amd64", &recipe];
    let mut command = Command::new(env!("CARGO_BIN_EXE_rootforge"));
    command.arg("--cache-dir").arg(cold).args(build).args(gone).current_dir(bench.path(""));
    let ran = Ran::of(&mut command).ended(1, &["offline"]);
    assert!(ran.err.contains("hostname") || ran.err.contains("libc6"), "{}", ran.err);
}
