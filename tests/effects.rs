//! How much of real packages' scripts is understood.
//!
//! The packages are trixie's for amd64 that have a postinst and that most others depend on: in the index, a package
//! counts once for each other that names it in Depends or Pre-Depends; taken in that order, those of one count by
//! name, they are downloaded until enough of them have a postinst. Downloads stay in the directory of all tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rootforge::arch::Arch;
use rootforge::cache::ContentId;
use rootforge::catalog::{FileCatalog, MergedUsr, PackageArchive, catalogue};
use rootforge::deb::relation;
use rootforge::digest::Digest;
use rootforge::distro::{DebianRelease, Distro};
use rootforge::effects::{CatalogFiles, EffectsMemo, effects_of_all};
use rootforge::repository::PackageIndex;

use crate::apt_oracle::{Apt, debian_mirror};

mod files;

/// Where downloads stay.
const DOWNLOADS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/scripts");
/// Packages that are downloaded at a time.
const AT_A_TIME: usize = 100;

/// Prints what is not understood of the scripts of 300 packages, in a table by class of reason.
#[test]
#[ignore = "downloads a gigabyte of packages"]
fn most_scripts_are_understood_whole() {
    let Ok(mirror) = debian_mirror() else { return };
    measure(&mirror, 300);
}

/// The same of the first few.
#[test]
fn the_first_scripts_are_understood_whole() {
    match debian_mirror() {
        Ok(mirror) => measure(&mirror, 5),
        Err(why) => assert!(!crate::tools::is_ci(), "{why}"),
    }
}

fn measure(mirror: &str, count: usize) {
    let apt = Apt::new(mirror, Distro::Debian(DebianRelease::Trixie), Arch::Amd64);
    let order = most_needed(&apt.index());
    let links = [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")];
    let links = MergedUsr::new(&links);
    let mut catalog = FileCatalog::new(links.clone());
    let mut chosen: Vec<String> = Vec::new();
    let mut looked_at = 0;
    while chosen.len() < count && looked_at < order.len() {
        let some = &order[looked_at..(looked_at + AT_A_TIME.min(10 * count)).min(order.len())];
        looked_at += some.len();
        for package in catalogue(&download(&apt, some), &links, &()).unwrap() {
            catalog.insert(package).unwrap();
        }
        let has_postinst = |name: &&String| {
            catalog.package(name).is_some_and(|one| one.manifest.control.member("postinst").is_some())
        };
        chosen.extend(some.iter().filter(has_postinst).cloned());
    }
    catalog.order_owners();
    chosen.truncate(count);
    assert_eq!(chosen.len(), count, "too few packages have a postinst");
    let image = CatalogFiles::new(&catalog, "amd64", "x86_64-linux-gnu");
    let effects = effects_of_all(&catalog, &image, &EffectsMemo::default()).unwrap();
    let mut whole = 0;
    // By class: the packages, and the steps.
    let mut classes: BTreeMap<String, (BTreeSet<&str>, usize)> = BTreeMap::new();
    for name in &chosen {
        let undone = &effects[name].undone;
        whole += usize::from(undone.is_empty());
        for undone in undone {
            println!("{undone}");
            let class = classes.entry(class(&undone.command, &undone.reason)).or_default();
            class.0.insert(name);
            class.1 += 1;
        }
    }
    let mut classes: Vec<_> = classes.into_iter().collect();
    classes.sort_by_key(|(_, (packages, _))| std::cmp::Reverse(packages.len()));
    println!("packages steps class");
    for (class, (packages, steps)) in classes {
        println!("{:8} {steps:5} {class}", packages.len());
    }
    println!("{whole} of {count} are understood whole; {looked_at} packages were looked at");
    assert!(whole * 100 >= count * 80, "{whole} of {count}");
}

/// What kind of thing is not understood.
fn class(command: &str, reason: &str) -> String {
    let first = command.split(' ').next().unwrap_or_default();
    match reason {
        _ if reason.contains("no model of this command") => format!("no model of {first}"),
        _ if reason.contains("no model") => format!("no model of a use of {first}"),
        _ if reason.contains("depends on what is not known") || reason.contains("is not known") => {
            "depends on what is not known".to_owned()
        }
        "only shell scripts are followed" => format!("a script for {first}"),
        _ => reason.to_owned(),
    }
}

/// The names of all packages, those that most others depend on first.
fn most_needed(index: &PackageIndex) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = index.packages().map(|id| (index.name(id), 0)).collect();
    for id in index.packages() {
        let record = index.package(id);
        let fields = format!("{}, {}", record.pre_depends, record.depends);
        let clauses = relation::parse(&fields, index.deb_arch()).unwrap();
        let named: BTreeSet<&str> = clauses.iter().flatten().map(|one| one.name.as_str()).collect();
        for name in named {
            if let Some(count) = counts.get_mut(name) {
                *count += 1;
            }
        }
    }
    let mut order: Vec<(&str, usize)> = counts.into_iter().collect();
    order.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    order.into_iter().map(|(name, _)| name.to_owned()).collect()
}

/// Fetches packages that are not there yet.
fn download(apt: &Apt, names: &[String]) -> Vec<PackageArchive> {
    let directory = Path::new(DOWNLOADS);
    fs::create_dir_all(directory).unwrap();
    let there = archives_in(directory);
    let missing: Vec<&String> = names.iter().filter(|name| !there.contains_key(*name)).collect();
    if !missing.is_empty() {
        let output = apt.command().arg("download").args(missing).current_dir(directory).output().unwrap();
        assert!(output.status.success(), "apt-get download: {}", String::from_utf8_lossy(&output.stderr));
    }
    let there = archives_in(directory);
    let archive = |name: &String| {
        let path = there[name].clone();
        let (digest, _) = Digest::of_reader(fs::File::open(&path).unwrap()).unwrap();
        let version = path.to_str().unwrap().split('_').nth(1).unwrap().replace("%3a", ":");
        PackageArchive {
            name: name.clone(),
            version,
            content: ContentId::Sha256(digest),
            path,
            compared: None,
        }
    };
    names.iter().map(archive).collect()
}

/// The packages in a directory by name.
fn archives_in(directory: &Path) -> BTreeMap<String, PathBuf> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let debs = paths.filter(|path| path.extension().is_some_and(|ending| ending == "deb"));
    debs.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().split('_').next().unwrap().to_owned();
        (name, path)
    })
    .collect()
}
