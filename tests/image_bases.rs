//! Bases that are images, of ours and of others: their layers lie below unchanged, and what they have counts.

mod alpine;
mod given;
mod places;
mod wrong;

use std::collections::BTreeSet;

use given::{Debian, build, image, manifest, rig};
use rootforge::tarball::EntryKind;

use crate::image::{directory, file, symlink};
use crate::support::{Archive, Image, Rig};

/// What the layers above the image's `below` have, directories aside.
fn added(image: &Image, below: usize) -> BTreeSet<String> {
    let members = image.layers[below..].iter().flat_map(|(_, members)| members);
    let others = members.filter(|(entry, _)| entry.kind != EntryKind::Directory);
    others.map(|(entry, _)| entry.path.to_string()).collect()
}

const APP: &str = "packages = [\"app\"]\n";

#[test]
fn the_layers_of_an_image_lie_below_unchanged_and_what_they_have_is_not_repeated() {
    let rig = rig();
    Debian::new("libx1 libc6").write(&rig, "low");
    rig.write("r.toml", given::above("app", &format!("{APP}[image]\nenv = {{ B = \"own\" }}\n")));
    let said = build(&rig, &[]);
    let (low, up) = (manifest(&rig, "low"), manifest(&rig, "app"));
    let count = low["layers"].as_array().unwrap().len();
    assert_eq!(count, 2);
    assert_eq!(up["layers"].as_array().unwrap()[..count], low["layers"].as_array().unwrap()[..]);
    let (low, up) = (Image::read(&rig.work("images"), "low"), image(&rig, "app"));
    for list in ["/history", "/rootfs/diff_ids"] {
        let of = |image: &Image| image.config.pointer(list).unwrap().as_array().unwrap().clone();
        assert_eq!(of(&up)[..of(&low).len()], of(&low)[..], "{list}");
    }
    let new = added(&up, count);
    for path in ["/usr/bin/app", "/usr/lib/x86_64-linux-gnu/liby.so.1"] {
        assert!(new.contains(path), "{new:?}");
    }
    for path in
        ["/usr/lib/ld.so", "/usr/lib/x86_64-linux-gnu/libx.so.1", "/etc/passwd", "/etc/os-release", "/lib"]
    {
        assert!(!new.contains(path), "{path} again: {new:?}");
    }
    // How the image runs is the base's, but for what the recipe says.
    assert_eq!(up.config["config"]["User"], "base");
    assert_eq!(up.config["config"]["Env"], serde_json::json!(["PATH=/base", "A=base", "B=own"]));
    // dpkg, which the image has, sees what came on top, and all that was there.
    let status = up.text("/var/lib/dpkg/status");
    let packages: Vec<&str> = status.lines().filter_map(|line| line.strip_prefix("Package: ")).collect();
    assert_eq!(packages, ["libc6", "libx1", "app", "liby1"]);
    assert_eq!(packages.len(), status.matches("Status: install ok installed").count());
    assert!(new.contains("/var/lib/dpkg/info/app.list") && !new.contains("/var/lib/dpkg/info/libx1.list"));
    // What the image has in whole is not fetched.
    assert!(!said.err.contains("3 packages"), "{}", said.err);
    let why = rig.run(&["why", "r.toml", "libx1", "--arch", "amd64"]).ok();
    assert!(why.out.contains("in by the rule `given`: 3"), "{}", why.out);
    // Twice the same.
    std::fs::remove_dir_all(rig.cache()).unwrap();
    assert_eq!(build(&rig, &["--locked"]).digest(), said.digest());
}

#[test]
fn what_an_image_lacks_of_a_package_comes_on_top_from_the_same_version() {
    let rig = rig();
    // The upper layer takes a library away, and a whole directory.
    let gone = vec![
        directory("/usr"),
        directory("/usr/lib"),
        directory("/usr/lib/x86_64-linux-gnu"),
        file("/usr/lib/x86_64-linux-gnu/.wh.libx.so.1", 0o644, b""),
        directory("/srv"),
        file("/srv/.wh..wh..opq", 0o644, b""),
    ];
    let below = vec![directory("/srv"), file("/srv/old", 0o644, b"old")];
    Debian::new("libx1 libc6").and(&below).layer(gone).write(&rig, "low");
    rig.write("r.toml", given::above("app", APP));
    build(&rig, &[]);
    let up = image(&rig, "app");
    let new = added(&up, 3);
    assert!(new.contains("/usr/lib/x86_64-linux-gnu/libx.so.1"), "{new:?}");
    assert!(!new.contains("/usr/lib/ld.so"), "{new:?}");
}

#[test]
fn the_accounts_of_an_image_stay_and_new_ones_follow() {
    let rig = rig();
    let mut base = Debian::new("libx1 libc6");
    base.passwd = "root:x:0:0:root:/root:/bin/zsh\nbase:x:150:150::/:/x\n+::::::\n".to_owned();
    base.group = "root:x:0:\nbase:x:150:\n".to_owned();
    base.shadow = Some("root:secret:1::::::\n".to_owned());
    base.write(&rig, "low");
    let users =
        "[[user]]\nname = \"own\"\nuid = 5000\n[[user]]\nname = \"base\"\nuid = 150\ngroups = [\"root\"]\n";
    rig.write("r.toml", given::above("app", &format!("{APP}{users}")));
    build(&rig, &[]);
    let up = image(&rig, "app");
    let passwd = up.text("/etc/passwd");
    assert!(
        passwd.starts_with("root:x:0:0:root:/root:/bin/zsh\nbase:x:150:150::/:/x\n+::::::\n"),
        "{passwd}"
    );
    assert!(passwd.contains("\nown:x:5000:5000:"), "{passwd}");
    assert!(up.text("/etc/group").starts_with("root:x:0:base\nbase:x:150:\n"));
    assert!(up.text("/etc/shadow").starts_with("root:secret:1::::::\nown:*:"));
}

#[test]
fn links_of_an_image_are_neither_hidden_nor_made_again() {
    let rig = rig();
    let links = vec![
        directory("/srv"),
        directory("/srv/share"),
        directory("/usr"),
        symlink("/usr/share", "../srv/share"),
    ];
    Debian::new("libc6").layer(links).write(&rig, "low");
    rig.write("r.toml", given::above("app", "packages = [\"data\"]\n"));
    rig.run(&["build", "r.toml", "--arch", "amd64"])
        .fails(1, &["/usr/share is to be a directory, and is a file or a link in a lower layer"]);
    rig.write("r.toml", given::above("app", "files = [{ path = \"/etc/x\", content = \"x\" }]\n"));
    build(&rig, &[]);
    // What every root has and the image does not, comes along.
    let new = ["/etc/x", "/var/lock", "/var/run"].map(str::to_owned);
    assert_eq!(added(&image(&rig, "app"), 3), BTreeSet::from(new));
}

/// What it names is everything, in an image as in its package.
#[test]
fn the_c_library_of_an_image_fires_no_rule() {
    let rig = Rig::with(&Archive::new(
        "Package: low
 Depends: libc6
 /usr/bin/low elf program needed=libc.so.6 interp=/usr/lib/ld.so

 Package: libc6
 Source: glibc
 /usr/lib/ld.so elf soname=ld.so
 /usr/lib/{triplet}/libc.so.6 elf soname=libc.so.6 names=/usr/share/zoneinfo,libnss_files.so.2
 /usr/lib/{triplet}/libnss_files.so.2 elf soname=libnss_files.so.2

 Package: libzone1
 /usr/lib/{triplet}/libzone.so.1 elf soname=libzone.so.1 names=/usr/share/zoneinfo

 Package: app
 Depends: libc6
 /usr/bin/app elf program needed=libc.so.6 interp=/usr/lib/ld.so

 Package: zoned
 Depends: libc6, libzone1
 /usr/bin/zoned elf program needed=libc.so.6,libzone.so.1 interp=/usr/lib/ld.so

 Package: tzdata
 /usr/share/zoneinfo/UTC 0644 utc",
    ));
    let origin = "from = \"debian:trixie\"\narch = [\"amd64\"]\nkeys = [\"key.asc\"]\n";
    let low = format!("name = \"low\"\n{origin}[[layer]]\nname = \"low\"\npackages = [\"low\"]\n");
    rig.write("low.toml", low);
    rig.run(&["build", "low.toml", "--arch", "amd64"]).ok();
    for (package, has_zones) in [("app", false), ("zoned", true)] {
        rig.write("r.toml", given::above("up", &format!("packages = [\"{package}\"]\n")));
        let told = rig.run(&["build", "r.toml", "--arch", "amd64"]).ok().err;
        assert!(!told.contains("warning:"), "{told}");
        let added = added(&image(&rig, "up"), 1);
        assert!(added.contains(&format!("/usr/bin/{package}")), "{added:?}");
        assert_eq!(added.contains("/usr/share/zoneinfo/UTC"), has_zones, "{added:?}");
    }
}

/// Nothing comes for what the image has and nobody above needs; all that a script's interpreter reads does.
#[test]
fn what_an_image_has_is_not_looked_into_for_more() {
    let rig = Rig::with(&Archive::new(
        "Package: low
 Depends: libx1, perl-base
 /usr/bin/low elf program needed=libx.so.1 interp=/usr/lib/ld.so
 /usr/lib/low/plugin.so elf names=/etc/services
 /usr/share/low/start 0755 #!/bin/sh\\nstat x

 Package: coreutils
 Essential: yes
 /usr/bin/stat 0755 stat

 Package: dash
 Essential: yes
 /usr/bin/sh 0755 sh

 Package: libx1
 /usr/lib/ld.so elf soname=ld.so
 /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1

 Package: perl-base
 Source: perl
 /usr/bin/perl elf program needed=libx.so.1 interp=/usr/lib/ld.so
 /usr/lib/{triplet}/perl-base/strict.pm 0644 strict

 Package: perl
 Depends: perl-base
 Source: perl
 /usr/share/perl/5.40/File/Find.pm 0644 find

 Package: netbase
 /etc/services 0644 services

 Package: app
 Depends: libx1
 /usr/bin/app elf program needed=libx.so.1 interp=/usr/lib/ld.so

 Package: script
 Depends: perl
 /usr/bin/script 0755 #!/usr/bin/perl",
    ));
    let origin = "from = \"debian:trixie\"\narch = [\"amd64\"]\nkeys = [\"key.asc\"]\n";
    let packages = "packages = [\"low\", \"perl-base\"]";
    let start = "[image]\nentrypoint = [\"/usr/share/low/start\"]\n";
    let low =
        |more: &str| format!("name = \"low\"\n{origin}[[layer]]\nname = \"low\"\n{packages}\n{more}{start}");
    rig.write("low.toml", low(""));
    rig.run(&["build", "low.toml", "--arch", "amd64"]).ok();
    let whole = image(&rig, "low");
    assert!(whole.get("/etc/services").is_some() && whole.get("/usr/bin/stat").is_some());
    rig.write("low.toml", low("exclude = [\"/etc/services\", \"/usr/bin/stat\"]\n"));
    rig.run(&["build", "low.toml", "--arch", "amd64"]).ok();
    let above = |packages: &str| {
        rig.write("r.toml", given::above("up", &format!("packages = [\"{packages}\"]\n")));
        rig.run(&["build", "r.toml", "--arch", "amd64"]).ok();
        added(&image(&rig, "up"), 1)
    };
    let app = above("app");
    assert!(app.contains("/usr/bin/app") && !app.contains("/etc/services"), "{app:?}");
    assert!(!app.contains("/usr/bin/stat"), "{app:?}");
    let script = above("script");
    assert!(script.contains("/usr/share/perl/5.40/File/Find.pm"), "{script:?}");
}

#[test]
fn an_image_of_ours_is_a_base_as_its_recipe_is() {
    let rig = rig();
    let origin = "from = \"debian:trixie\"\narch = [\"amd64\"]\nkeys = [\"key.asc\"]\n";
    rig.write(
        "low.toml",
        format!("name = \"low\"\n{origin}[[layer]]\nname = \"low\"\npackages = [\"low\"]\n"),
    );
    rig.run(&["build", "low.toml", "--arch", "amd64"]).ok();
    rig.write("r.toml", given::above("app", APP));
    rig.write("same.toml", format!("name = \"same\"\nbase = \"low.toml\"\n[[layer]]\nname = \"app\"\n{APP}"));
    build(&rig, &[]);
    rig.run(&["build", "same.toml", "--arch", "amd64"]).ok();
    let (up, same) = (image(&rig, "app"), image(&rig, "same"));
    assert_eq!(added(&up, 1), added(&same, 1));
    // Part of a package that lies below is in the record of the whole above.
    assert_eq!(up.text("/etc/passwd"), same.text("/etc/passwd"));
    // And a recipe may stand on a recipe that stands on an image.
    rig.write(
        "top.toml",
        "name = \"top\"\nbase = \"r.toml\"\n[[layer]]\nname = \"top\"\npackages = [\"tool\"]\n",
    );
    rig.run(&["build", "top.toml", "--arch", "amd64"]).ok();
    let new = added(&image(&rig, "top"), 2);
    assert!(new.contains("/usr/bin/tool") && !new.contains("/usr/bin/app"), "{new:?}");
}
