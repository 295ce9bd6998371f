//! How much of real packages' scripts is understood.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::Command;

use rootforge::cache::ContentId;
use rootforge::catalog::{FileCatalog, MergedUsr, PackageArchive, catalogue};
use rootforge::digest::Digest;
use rootforge::effects::{CatalogFiles, effects_of};

/// Downloads the packages that `ROOTFORGE_SCRIPTS` names with `apt-get download` (of whichever release
/// `APT_CONFIG` points to), and prints what is not understood of their scripts, what stands in the way most
/// often, and how many are understood whole. At least 80 % must be.
#[test]
#[ignore = "downloads the packages that ROOTFORGE_SCRIPTS names"]
fn most_scripts_are_understood_whole() {
    let names = std::env::var("ROOTFORGE_SCRIPTS").expect("ROOTFORGE_SCRIPTS names packages");
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<&str> = names.split_whitespace().collect();
    for some in names.chunks(40) {
        let status = Command::new("apt-get").arg("download").args(some).current_dir(&directory).status();
        assert!(status.unwrap().success(), "apt-get download failed");
    }
    let mut archives = Vec::new();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let (digest, _) = Digest::of_reader(File::open(&path).unwrap()).unwrap();
        let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut parts = file.split('_');
        let name = parts.next().unwrap().to_owned();
        let version = parts.next().unwrap().replace("%3a", ":");
        archives.push(PackageArchive { name, version, content: ContentId::Sha256(digest), path });
    }
    let links = [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")];
    let links = MergedUsr::new(&links);
    let mut catalog = FileCatalog::new(links.clone());
    for package in catalogue(&archives, &links, &()).unwrap() {
        catalog.insert(package).unwrap();
    }
    catalog.order_owners();
    let image = CatalogFiles::new(&catalog, "amd64", "x86_64-linux-gnu");
    let (mut whole, mut all) = (0, 0);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for package in catalog.packages() {
        let found = effects_of(package, &image);
        all += 1;
        whole += usize::from(found.undone.is_empty());
        for undone in &found.undone {
            println!("{undone}");
            let command = undone.command.split(' ').next().unwrap_or_default();
            *reasons.entry(format!("{command}: {}", undone.reason)).or_default() += 1;
        }
    }
    let mut reasons: Vec<(String, usize)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (reason, count) in reasons.iter().take(40) {
        println!("{count:5} {reason}");
    }
    println!("{whole} of {all} are understood whole");
    assert!(whole * 100 >= all * 80, "{whole} of {all}");
}
