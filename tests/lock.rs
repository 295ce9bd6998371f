//! The lock: what it says, when it changes, what is fetched and from where.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::archive::DATE;
use crate::support::rig::{recipe, run};
use crate::support::server::{Answer, Server};
use crate::support::{Archive, Image, Package, Rig};
use expect_test::expect_file;
use rootforge::arch::Arch;

const LAYER: &str = "[[layer]]\nname = \"main\"\npackages = [\"app\"]\n";

/// The packages of a lock: version by architecture and name.
fn versions(lock: &str) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for paragraph in lock.split("\n[[package]]\n").skip(1) {
        let value = |key: &str| {
            let line = paragraph.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")));
            line.unwrap_or_else(|| panic!("no {key} in {paragraph}")).trim_end_matches('"').to_owned()
        };
        found.insert((value("arch"), value("name")), value("version"));
    }
    found
}

fn version(lock: &str, arch: &str, name: &str) -> Option<String> {
    versions(lock).get(&(arch.to_owned(), name.to_owned())).cloned()
}

/// The lock with what depends on keys and compressors taken out.
fn redacted(lock: &str) -> String {
    lock.lines()
        .map(|line| match line.split_once(" = ") {
            Some((key @ ("content" | "signed" | "size"), _)) => format!("{key} = ...\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}

#[test]
fn the_lock_is_sorted_and_says_what_later_stages_need() {
    let packages = "Package: zlib-app
        Version: 2:1.0-1+b1
        Source: zlib-source (2:1.0-1)
        Depends: libx1 (>= 1) | libx0,  tool
        Pre-Depends: libx1
        /usr/bin/zlib-app elf program needed=libx.so.1

        Package: libx1
        Multi-Arch: same
        Provides: libx
        Breaks: old (<< 2)
        Replaces: old (<< 2)
        Conflicts: older
        /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1

        Package: tool
        Architecture: all
        /usr/share/tool 0644 tool

        Package: base
        Essential: yes
        Depends: base-lib
        /usr/bin/base 0755 base

        Package: base-lib
        /usr/share/base 0644 base

        Package: unwanted
        /usr/share/unwanted 0644 no";
    let archive = Archive::new(packages).for_archs(&[Arch::Amd64, Arch::S390x]);
    let rig = Rig::with(&archive);
    let own = Package::parse("Package: own\nDepends: tool\n/usr/share/own 0644 own");
    for arch in archive.archs.clone() {
        let name = archive.distro.arch_name(arch).unwrap();
        rig.write(&format!("dist/own_{name}.deb"), own[0].deb(archive.distro, arch));
    }
    rig.recipe(
        "arch = [\"s390x\", \"amd64\"]
        [[layer]]
        name = \"low\"
        packages = [\"zlib-app>=2:1\", \"libx1\"]
        [[layer]]
        name = \"high\"
        packages = [\"./dist/own_{arch}.deb\"]
        ",
    );
    rig.run(&["lock", "r.toml"])
        .ok()
        .says(&["locked r for amd64: 4 packages", "locked r for s390x: 4 packages"]);
    let lock = rig.read("r.lock");
    expect_file!["snapshots/the_lock_is_sorted_and_says_what_later_stages_need.txt"]
        .assert_eq(&redacted(&lock));

    // Once more, and with all in another order: the same but for the digest of what was signed.
    std::fs::remove_file(rig.work("r.lock")).unwrap();
    rig.run(&["lock", "r.toml"]).ok();
    assert_eq!(rig.read("r.lock"), lock);
    let mut turned = archive;
    turned.lists.values_mut().for_each(|list| list.reverse());
    turned.archs.reverse();
    turned.write(&rig.path("archive"));
    std::fs::remove_file(rig.work("r.lock")).unwrap();
    rig.run(&["lock", "r.toml", "--arch", "amd64,s390x"]).ok();
    let without = |lock: &str| -> String {
        lock.lines().filter(|line| !line.starts_with("signed")).map(|line| format!("{line}\n")).collect()
    };
    assert_eq!(without(&rig.read("r.lock")), without(&lock));
}

#[test]
fn a_name_of_a_package_may_have_the_architecture_in_it() {
    let archs = [Arch::Amd64, Arch::S390x];
    let packages = "Package: app-amd64
        /usr/bin/app-amd64 0755 amd64

        Package: app-s390x
        /usr/bin/app-s390x 0755 s390x";
    let rig = Rig::with(&Archive::new(packages).for_archs(&archs));
    let recipe = |name: &str| {
        rig.recipe(&format!(
            "arch = [\"amd64\", \"s390x\"]\n[[layer]]\nname = \"main\"\npackages = [\"{name}>=1\"]\nkeep = \"all\"\n"
        ));
    };
    recipe("app-{arch}");
    rig.run(&["build", "r.toml", "--arch", "all", "--output", "oci:out"]).ok();
    let lock = rig.read("r.lock");
    assert_eq!(versions(&lock).len(), 2, "{lock}");
    for arch in ["amd64", "s390x"] {
        assert!(version(&lock, arch, &format!("app-{arch}")).is_some(), "{lock}");
        rig.run(&["why", "r.toml", &format!("/usr/bin/app-{arch}"), "--arch", arch]).ok();
    }
    // What it says of each is still so.
    rig.run(&["build", "r.toml", "--arch", "all", "--locked", "--output", "oci:out"]).ok();
    recipe("gone-{arch}");
    rig.run(&["lock", "r.toml"]).fails(1, &["gone-amd64"]);
    recipe("app-{triplet}");
    rig.run(&["lock", "r.toml"]).fails(2, &["this is not how a package can be called"]);
}

#[test]
fn who_asks_a_repository_stands_in_no_lock_image_or_message() {
    let files = Archive::new("Package: app\n/usr/bin/app 0755 x").files();
    let server = Server::new(move |request| {
        let is_known = request.headers.get("authorization").is_some_and(|is| is == "Basic bWU6c2VjcmV0");
        match files.get(request.path.trim_start_matches('/')) {
            _ if !is_known => Answer::status(401),
            None => Answer::status(404),
            Some(body) => Answer::body(body.clone()),
        }
    });
    let rig = Rig::with(&Archive::new("Package: other\n/usr/share/other 0644 x"));
    let recipe = |who: &str| {
        let url = server.root().replace("http://", &format!("http://{who}"));
        rig.recipe(&format!(
            "[[repository]]\ntype = \"deb\"\nurl = \"{url}\"\nsuite = \"trixie\"\ncomponents = [\"main\"]\n\
             keys = [\"key.asc\"]\n{LAYER}"
        ));
    };
    recipe("me:secret@");
    rig.build(&[]);
    let lock = rig.read("r.lock");
    assert!(lock.contains(&server.root()) && !lock.contains("secret"), "{lock}");
    rig.build(&["--locked", "--cache-dir", "empty"]);
    // Who is told otherwise is asked for the same.
    recipe("");
    let ran = rig.run(&["build", "r.toml", "--arch", "amd64", "--locked", "--cache-dir", "none"]);
    assert!(ran.code == Some(1) && ran.err.contains("401"), "{}", ran.err);
    recipe("you:hidden@");
    let ran = rig.run(&["lock", "r.toml", "--update", "--cache-dir", "none"]);
    assert!(ran.code == Some(1) && ran.err.contains("401") && !ran.err.contains("hidden"), "{}", ran.err);
}

#[test]
fn locking_reads_indexes_and_building_from_a_lock_reads_packages() {
    let archive = Archive::new(
        "Package: app
         Depends: libx1, adduser
         /usr/bin/app elf program needed=libx.so.1

         Package: libx1
         /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1

         Package: adduser
         /usr/sbin/adduser 0755 add

         Package: base
         Essential: yes
         /usr/bin/base 0755 base",
    );
    let rig = Rig::new();
    rig.recipe(LAYER);
    let server = Server::of(archive.files());
    rig.run_at(&server.root(), &["lock", "r.toml", "--arch", "amd64"]).ok();
    let paths = server.paths();
    assert!(!paths.is_empty() && paths.iter().all(|path| path.starts_with("/dists/")), "{paths:?}");
    for locked in [&["--locked"][..], &[]] {
        std::fs::remove_dir_all(rig.path("home")).unwrap();
        let server = Server::of(archive.files());
        rig.run_at(&server.root(), &[&["build", "r.toml", "--arch", "amd64"], locked].concat()).ok();
        let mut paths = server.paths();
        paths.sort();
        // The helper and the Essential package are locked, and nothing wants them.
        assert_eq!(paths, ["/pool/app_1.0_amd64.deb", "/pool/libx1_1.0_amd64.deb"]);
    }
    let lock = rig.read("r.lock");
    assert!(version(&lock, "amd64", "base").is_some() && version(&lock, "amd64", "adduser").is_some());
}

const OLD: &str = "Package: app
     Version: 1.0
     Depends: libx1
     /usr/bin/app elf program needed=libx.so.1
     /usr/share/app 0644 1.0

     Package: libx1
     Version: 1.0
     /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1
     /usr/share/x 0644 1.0";

const NEW: &str = "Package: app
     Version: 2.0
     Depends: libx1
     /usr/bin/app elf program needed=libx.so.1
     /usr/share/app 0644 2.0

     Package: libx1
     Version: 2.0
     /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1
     /usr/share/x 0644 2.0

     Package: extra
     Version: 2.0
     Depends: libx1
     /usr/share/extra 0644 2.0";

/// A lock of the old packages, in an archive that has only the new.
fn moved_on() -> Rig {
    let rig = Rig::with(&Archive::new(OLD));
    rig.recipe(LAYER);
    rig.run(&["lock", "r.toml", "--arch", "amd64"]).ok();
    Archive { date: DATE + 86_400, ..Archive::new(NEW) }.write(&rig.path("archive"));
    rig
}

#[test]
fn an_update_changes_what_it_is_asked_to() {
    let rig = moved_on();
    let old = rig.read("r.lock");
    let now = |name: &str| version(&rig.read("r.lock"), "amd64", name);
    rig.run(&["lock", "r.toml"]).ok();
    assert_eq!(rig.read("r.lock"), old);

    // The library's old version is in no index any more, and stays.
    rig.run(&["lock", "r.toml", "--update", "app"]).ok();
    assert_eq!((now("app").as_deref(), now("libx1").as_deref()), (Some("2.0"), Some("1.0")));
    let library = |lock: &str| {
        let mut all = lock.split("\n[[package]]\n");
        all.find(|one| one.contains("name = \"libx1\"")).unwrap().to_owned()
    };
    let paragraph = |lock: &str| {
        let whole = library(lock);
        whole[whole.find("name = ").unwrap()..].to_owned()
    };
    assert_eq!(paragraph(&rig.read("r.lock")), paragraph(&old));
    assert!(rig.read("r.lock").contains("date = \"2025-01-02T00:00:00Z\""));

    rig.run(&["lock", "r.toml", "--update"]).ok();
    assert_eq!((now("app").as_deref(), now("libx1").as_deref()), (Some("2.0"), Some("2.0")));
    rig.run(&["lock", "r.toml", "--update", "nothing"])
        .fails(2, &["`nothing` is not in the lock", "hint: name a locked package"]);
}

#[test]
fn an_update_takes_along_what_it_needs() {
    let rig = Rig::with(&Archive::new(OLD));
    rig.recipe(LAYER);
    rig.run(&["lock", "r.toml", "--arch", "amd64"]).ok();
    let old = rig.read("r.lock");
    let now = |name: &str| version(&rig.read("r.lock"), "amd64", name).unwrap();
    Archive::new(&NEW.replacen("Depends: libx1", "Depends: libx1 (>= 2)", 1)).write(&rig.path("archive"));
    rig.run(&["lock", "r.toml", "--update", "app"]).ok().says(&["note: updated as well on amd64: libx1 2.0"]);
    assert_eq!((now("app"), now("libx1")), ("2.0".to_owned(), "2.0".to_owned()));

    // Both versions are there, and the new one is not to be had.
    rig.write("r.lock", &old);
    let both = format!("{OLD}\n\n{}", NEW.replacen("Depends: libx1", "Depends: libx1 (>= 3)", 1));
    Archive::new(&both).write(&rig.path("archive"));
    let held = "note: app 1.0 stays on amd64: 2.0 does not go with what else is locked or asked for";
    rig.run(&["lock", "r.toml", "--update", "app"]).ok().says(&[held]);
    assert_eq!(now("app"), "1.0");

    // What the recipe does not let in takes nothing along.
    let both = format!("{OLD}\n\n{}", NEW.replacen("Depends: libx1", "Depends: libx1 (>= 2)", 1));
    Archive::new(&both).write(&rig.path("archive"));
    rig.recipe(&LAYER.replace("\"app\"", "\"app=1.0\""));
    rig.run(&["lock", "r.toml", "--arch", "amd64"]).ok();
    let told = rig.run(&["lock", "r.toml", "--update", "app"]).ok().err;
    assert!(!told.contains("updated as well"), "{told}");
    assert_eq!((now("app"), now("libx1")), ("1.0".to_owned(), "1.0".to_owned()));
}

#[test]
fn another_architecture_is_added_and_nothing_else_changes() {
    let archs = [Arch::Amd64, Arch::Arm64];
    let rig = Rig::with(&Archive::new(OLD).for_archs(&archs));
    rig.recipe(LAYER);
    rig.run(&["lock", "r.toml", "--arch", "amd64"]).ok();
    let old = versions(&rig.read("r.lock"));
    Archive::new(&format!("{OLD}\n\n{NEW}")).for_archs(&archs).write(&rig.path("archive"));
    rig.run(&["build", "r.toml", "--arch", "arm64", "--locked"])
        .fails(1, &["r.lock cannot be used: it has no packages for arm64", "hint: run `rootforge lock`"]);
    rig.run(&["build", "r.toml", "--arch", "arm64,amd64"]).ok();
    let lock = rig.read("r.lock");
    assert_eq!(version(&lock, "arm64", "app").as_deref(), Some("2.0"));
    let mut now = versions(&lock);
    now.retain(|(arch, _), _| arch == "amd64");
    assert_eq!(now, old);
    let images = Image::read_all(&rig.work("images"), "r");
    assert_eq!(images["amd64"].text("/usr/share/app"), "1.0");
    assert_eq!(images["arm64"].text("/usr/share/app"), "2.0");
}

#[test]
fn an_edited_recipe_makes_the_lock_stale() {
    for (edit, words) in [
        (LAYER.replace("\"app\"", "\"app\", \"extra\""), "what layer `main` names changed in the recipe"),
        (LAYER.replace("main", "other"), "what layer `main` names changed in the recipe"),
        (format!("suites = [\"release\"]\n{LAYER}"), "the choice of suites changed in the recipe"),
        (format!("snapshot = \"20250102T000000Z\"\n{LAYER}"), "`snapshot` changed in the recipe"),
    ] {
        let rig = moved_on();
        rig.recipe(&edit);
        let old = rig.read("r.lock");
        rig.run(&["build", "r.toml", "--arch", "amd64", "--locked"]).fails(1, &["cannot be used", words]);
        assert_eq!(rig.read("r.lock"), old);
    }
    // What has nothing to do with packages does not.
    let rig = moved_on();
    rig.recipe(&format!("{LAYER}exclude = [\"/usr/share/none\"]\n[image]\nuser = \"nobody\"\n"));
    let ran = rig.run(&["build", "r.toml", "--arch", "amd64", "--locked"]);
    assert!(!ran.err.contains("cannot be used"), "{}", ran.err);
    // What the recipe newly names is added; the rest keeps its versions, which are sought in the snapshot
    // archive only when they are fetched.
    let rig = moved_on();
    rig.recipe(&LAYER.replace("\"app\"", "\"app\", \"extra\""));
    rig.run(&["lock", "r.toml", "--arch", "amd64"]).ok();
    let lock = rig.read("r.lock");
    let now = |name: &str| version(&lock, "amd64", name);
    assert_eq!([now("app"), now("libx1"), now("extra")].map(Option::unwrap), ["1.0", "1.0", "2.0"]);
}

/// The lock says which suites are left out, and keeps to it until it is told otherwise.
#[test]
fn suites_left_out_stay_out_until_they_are_taken_in_again() {
    let rig = Rig::with(&Archive::new(OLD).with("trixie-updates", "main", NEW));
    rig.recipe(LAYER);
    let build = ["build", "r.toml", "--arch", "amd64"];
    let with = |more: &[&'static str]| [&build[..], more].concat();
    let locked = || {
        let lock = rig.read("r.lock");
        (version(&lock, "amd64", "app").unwrap(), lock.contains("without = [\"updates\"]"))
    };
    let ran = rig.run(&with(&["--without", "updates"])).ok();
    assert!(!ran.err.contains("the lock leaves out"), "{}", ran.err);
    assert_eq!(locked(), ("1.0".to_owned(), true));
    rig.run(&with(&["--locked"])).ok();
    rig.run(&build).ok();
    assert_eq!(locked(), ("1.0".to_owned(), true));
    rig.run(&["lock", "--update", "r.toml", "--arch", "amd64"]).ok().says(&[
        "note: the lock leaves out updates, and so does this; `--without none` takes all suites in again",
    ]);
    assert_eq!(locked(), ("1.0".to_owned(), true));

    rig.run(&with(&["--locked", "--without", "none"])).fails(1, &["the choice of suites changed"]);
    rig.run(&with(&["--without", "none"])).ok();
    // No more changes than is asked for: the version locked is there still.
    assert_eq!(locked(), ("1.0".to_owned(), false));
    rig.run(&["lock", "--update", "r.toml", "--arch", "amd64"]).ok();
    assert_eq!(locked(), ("2.0".to_owned(), false));
}

#[test]
fn a_local_package_that_changed_is_locked_anew() {
    let archive = Archive::new("");
    let rig = Rig::with(&archive);
    rig.recipe("[[layer]]\nname = \"main\"\npackages = [\"./own.deb\"]\n");
    let deb = |text: &str| {
        let package = format!("Package: own\n/usr/share/own 0644 {text}");
        Package::parse(&package)[0].deb(archive.distro, Arch::Amd64)
    };
    rig.write("own.deb", deb("one"));
    rig.build(&[]);
    let lock = rig.read("r.lock");
    rig.write("own.deb", deb("two"));
    rig.run(&["build", "r.toml", "--arch", "amd64", "--locked"]).fails(1, &["own"]);
    assert_eq!(rig.read("r.lock"), lock);
    rig.build(&[]);
    assert_ne!(rig.read("r.lock"), lock);
    assert_eq!(Image::read(&rig.work("images"), "r").text("/usr/share/own"), "two");
}

#[test]
fn what_left_the_mirror_is_sought_in_the_snapshot_archive_at_the_locks_date() {
    let rig = moved_on();
    let pool = Archive::new(OLD).files();
    // The snapshot archive limits its clients' rates.
    let snapshots =
        Server::new(move |request| match request.path.strip_prefix("/debian/20250101T000000Z/") {
            Some(path) if path.contains("app") && request.earlier == 0 => {
                Answer::status(429).with("Retry-After", "1")
            }
            Some(path) => pool.get(path).map_or(Answer::status(404), |body| Answer::body(&body[..])),
            None => Answer::status(404),
        });
    let mirror = Server::of(Archive::new(NEW).files());
    let snapshot = format!("snapshot={}", snapshots.root());
    let start = Instant::now();
    let args = ["build", "r.toml", "--arch", "amd64", "--locked", "--mirror", &snapshot];
    rig.run_at(&mirror.root(), &args).ok().says(&[
        "app 1.0 is no longer on the mirror and was taken from",
        "libx1 1.0 is no longer on the mirror and was taken from",
        "/debian/20250101T000000Z/pool/",
    ]);
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(Image::read(&rig.work("images"), "r").text("/usr/share/app"), "1.0");
    assert_eq!(snapshots.paths().iter().filter(|path| path.contains("app")).count(), 2);

    // Where that has not got it either, all that is gone is named.
    std::fs::remove_dir_all(rig.path("home")).unwrap();
    let empty = Server::of(BTreeMap::new());
    let snapshot = format!("snapshot={}", empty.root());
    let args = ["build", "r.toml", "--arch", "amd64", "--locked", "--mirror", &snapshot];
    rig.run_at(&mirror.root(), &args).fails(
        1,
        &[
            "cannot fetch 2 packages",
            "app 1.0: it is not on the mirror any more",
            "libx1 1.0: it is not on the mirror any more",
            "hint: run `rootforge lock --update app`",
        ],
    );
}

/// A newer release's versions would come before those of what is meant now.
#[test]
fn what_comes_from_another_release_is_not_kept() {
    let suites = |release: &str| ["", "-updates", "-security"].map(|more| format!("{release}{more}"));
    let all: Vec<String> = ["trixie", "bookworm"].into_iter().flat_map(suites).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let archive = Archive::of("debian:trixie", &all)
        .with("trixie", "main", "Package: app\nVersion: 2\n/usr/share/app 0644 of trixie")
        .with("trixie-updates", "main", "Package: app\nVersion: 3\n/usr/share/app 0644 of its updates")
        .with("bookworm", "main", "Package: app\nVersion: 1\n/usr/share/app 0644 of bookworm");
    let rig = Rig::with(&archive);
    let built = |from: &str, more: &[&str]| {
        rig.write(
            "r.toml",
            format!("name = \"r\"\nfrom = \"{from}\"\nkeys = [\"key.asc\"]\nskeleton = false\n{LAYER}"),
        );
        rig.run(&[&["build", "r.toml", "--arch", "amd64"], more].concat()).ok();
        Image::read(&rig.work("images"), "r").text("/usr/share/app").to_owned()
    };
    assert_eq!(built("debian:trixie", &[]), "of its updates");
    assert_eq!(built("debian:bookworm", &[]), "of bookworm");
    assert_eq!(built("debian:trixie", &[]), "of its updates");
    // Nor what comes from a suite that is left out.
    assert_eq!(built("debian:trixie", &["--without", "updates"]), "of trixie");
}

#[test]
fn a_recipe_can_be_of_a_snapshot() {
    let time = "20250102T030405Z";
    // Its indexes have long expired, which is in order there.
    let archive = Archive { valid_until: Some(DATE + 7 * 86_400), ..Archive::new(OLD) };
    let mut files = BTreeMap::new();
    for name in ["debian", "debian-security"] {
        files.extend(
            archive.files().into_iter().map(|(path, bytes)| (format!("{name}/{time}/{path}"), bytes)),
        );
    }
    let server = Server::of(files);
    let rig = Rig::new();
    rig.recipe(&format!("snapshot = \"{time}\"\n{LAYER}"));
    let snapshot = format!("snapshot={}", server.root());
    // The mirrors of the present are not asked.
    let args = ["build", "r.toml", "--arch", "amd64", "--mirror", &snapshot];
    rig.run_at("/nowhere", &args).ok();
    assert_eq!(Image::read(&rig.work("images"), "r").text("/usr/share/app"), "1.0");
    assert!(server.paths().iter().all(|path| path.contains(time)));
    assert!(rig.read("r.lock").contains(&format!("snapshot = \"{time}\"")));
    assert_eq!(Image::read(&rig.work("images"), "r").config["created"], "2025-01-01T00:00:00Z");
    // The same archive as a mirror of the present is refused.
    rig.recipe(LAYER);
    let root = format!("{}/debian/{time}", server.root());
    rig.run_at(&root, &["build", "r.toml", "--arch", "amd64"])
        .fails(1, &["expired on 2025-01-08", "hint: ", "--allow-expired-index"]);
    rig.run_at(&root, &["build", "r.toml", "--arch", "amd64", "--allow-expired-index"])
        .ok()
        .says(&["expired on 2025-01-08 00:00:00 UTC and is used all the same"]);
}

#[test]
fn ubuntu_has_its_ports_elsewhere() {
    let suites = ["noble", "noble-updates", "noble-security"];
    let archive = |archs: &[Arch]| {
        let mut archive = Archive::of("ubuntu:noble", &suites).for_archs(archs);
        for suite in suites {
            archive = archive.with(suite, "universe", "");
        }
        archive
            .with(
                "noble",
                "main",
                "Package: libx1\n/usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1\n/usr/share/x 0644 old",
            )
            .with("noble", "universe", "Package: app\nDepends: libx1\n/usr/bin/app elf program needed=libx.so.1")
            .with(
                "noble-updates",
                "main",
                "Package: libx1\nVersion: 1.0ubuntu0.1\n/usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1\n/usr/share/x 0644 new",
            )
    };
    let main = Server::of(archive(&[Arch::Amd64]).files());
    let ports = Server::of(archive(&[Arch::Arm64, Arch::S390x]).files());
    let rig = Rig::new();
    rig.recipe(&format!("from = \"ubuntu:noble\"\nkeys = [\"key.asc\"]\n{LAYER}"));
    let mut command = rig.bare(&["build", "r.toml", "--arch", "amd64,arm64,s390x"]);
    command.args(["--mirror", &format!("ubuntu={}", main.root())]);
    command.args(["--mirror", &format!("ubuntu-ports={}", ports.root())]);
    run(&mut command).ok();
    let images = Image::read_all(&rig.work("images"), "r");
    assert_eq!(images.keys().collect::<Vec<_>>(), ["amd64", "arm64", "s390x"]);
    for (arch, triplet) in [("amd64", "x86_64"), ("arm64", "aarch64"), ("s390x", "s390x")] {
        let image = &images[arch];
        image.assert_sound();
        assert!(image.get(&format!("/usr/lib/{triplet}-linux-gnu/libx.so.1")).is_some(), "{arch}");
        assert_eq!(image.text("/usr/share/x"), "new");
        assert!(image.text("/usr/lib/os-release").contains("VERSION_ID=\"24.04\""));
    }
    assert!(main.paths().iter().all(|path| !path.contains("arm64") && !path.contains("s390x")));
    assert!(ports.paths().iter().all(|path| !path.contains("amd64")));
    assert!(rig.read("r.lock").contains("repository = \"ubuntu-ports noble-updates\""));
    rig.run(&["check", "oci:images:r"]).ok();
}

/// Where a recipe and its lock are links, the lock is written where its link leads.
#[test]
fn a_lock_behind_a_link_stays_there() {
    let rig = Rig::with(&Archive::new("Package: app\n /usr/share/app/data 0644 data\n"));
    rig.write("shared/recipe.toml", recipe(LAYER));
    let link = |name: &str, target: &str| std::os::unix::fs::symlink(target, rig.work(name)).unwrap();
    link("r.toml", "shared/recipe.toml");
    rig.build(&[]);
    rig.write("locks/r.lock", rig.read("r.lock"));
    std::fs::remove_file(rig.work("r.lock")).unwrap();
    link("r.lock", "locks/r.lock");
    rig.build(&["--locked"]);
    let newer = Archive::new("Package: app\n Version: 2.0\n /usr/share/app/data 0644 data\n");
    newer.write(&rig.path("archive"));
    rig.run(&["lock", "--update", "--arch", "amd64", "r.toml"]).ok();
    assert!(rig.work("r.lock").is_symlink());
    assert_eq!(version(&rig.read("locks/r.lock"), "amd64", "app").as_deref(), Some("2.0"));
    assert!(!rig.work("shared/recipe.lock").exists());
}

/// Names may be as long as file systems let them be.
#[test]
fn a_lock_with_a_long_name_is_written() {
    let rig = Rig::with(&Archive::new("Package: app\n /usr/share/app/data 0644 x\n"));
    let name = "n".repeat(250);
    rig.write(&format!("{name}.toml"), recipe(LAYER));
    rig.run(&["lock", &format!("{name}.toml"), "--arch", "amd64"]).ok();
    assert!(rig.work(&format!("{name}.lock")).exists());
}

/// What an update does is told, a package a line, and for machines.
#[test]
fn what_an_update_changes_is_told() {
    let both = [Arch::Amd64, Arch::Arm64];
    let archive = |app: &str, other: &str| {
        let packages = format!(
            "Package: app\n Version: {app}\n Depends: {other}\n /usr/share/app/data 0644 x\n\n\
             Package: {other}\n /usr/share/{other}/data 0644 x\n"
        );
        Archive::new(&packages).for_archs(&both)
    };
    let rig = Rig::with(&archive("1.0", "old"));
    rig.recipe(LAYER);
    let lock = |more: &[&str]| rig.run(&[&["lock", "r.toml", "--arch", "amd64,arm64"], more].concat()).ok();
    assert!(lock(&[]).err.ends_with("r.lock is written\n"));
    assert!(lock(&["--update"]).err.ends_with("r.lock is as it was\n"));
    let mut newer = archive("2.0", "new");
    newer.date += 86_400;
    newer.write(&rig.path("archive"));
    let told = lock(&["--update", "--json"]);
    let lines = "\n  app 1.0 -> 2.0 (amd64, arm64)\n  new 1.0 is new (amd64, arm64)\n  old 1.0 is gone (amd64, arm64)\nr.lock is written\n";
    assert!(told.err.ends_with(lines), "{}", told.err);
    let told: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(told["changes"].as_array().unwrap().len(), 6);
    assert_eq!(
        told["changes"][0],
        serde_json::json!({ "arch": "amd64", "name": "app", "from": "1.0", "to": "2.0" })
    );
    assert_eq!(told["changes"][2]["from"], serde_json::Value::Null);
}
