//! Which packages hold commands: read from trixie's Contents indexes, drawn by a seed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rootforge::digest::Digest;
use rootforge::transport::{Transport, TransportOptions};

/// The names of all packages of trixie for amd64 that hold commands, sorted. They are read once for a cache: the
/// release does not change.
pub(super) fn holders(mirror: &str, cache: &Path) -> Vec<String> {
    let list = cache.join("commands-of-trixie.txt");
    if !list.exists() {
        let mut names: Vec<String> =
            ["amd64", "all"].iter().flat_map(|arch| read(mirror, cache, arch)).collect();
        names.sort();
        names.dedup();
        let partial = cache.join("commands-of-trixie.partial");
        fs::write(&partial, names.join("\n")).unwrap();
        fs::rename(partial, &list).unwrap();
    }
    fs::read_to_string(list).unwrap().lines().map(str::to_owned).collect()
}

/// Those of one Contents index: `usr/bin/name section/package,section/package`.
fn read(mirror: &str, cache: &Path, arch: &str) -> Vec<String> {
    let transport = Transport::new(TransportOptions::default()).unwrap();
    let url = format!("{mirror}/dists/trixie/main/Contents-{arch}.gz");
    let bytes = transport.read(&url, 1 << 28).unwrap();
    let packed = cache.join(format!("Contents-{arch}.gz"));
    fs::write(&packed, bytes).unwrap();
    // Programs that are made for it: there are ten million lines.
    let script = "gzip -dc \"$1\" | grep -E '^(usr/bin|usr/sbin|usr/games)/[^/ ]+ '";
    let output =
        Command::new("sh").args(["-c", script, "sh"]).arg(&packed).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::remove_file(packed).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let packages = text.lines().filter_map(|line| line.rsplit_once(' ')).flat_map(|(_, all)| all.split(','));
    packages.filter_map(|one| one.rsplit('/').next()).map(str::to_owned).collect()
}

/// All names in an order that the seed gives.
pub(super) fn shuffled(mut names: Vec<String>, seed: u64) -> Vec<String> {
    names.sort_by_cached_key(|name| Digest::of(format!("{seed} {name}").as_bytes()).to_string());
    names
}
