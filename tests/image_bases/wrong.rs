//! Images that cannot be the base they are to be: each says why, and what to do.

use rootforge::arch::Arch;
use rootforge::oci::Layout;

use super::given::{Debian, above, build, on, rig};
use crate::image::{directory, file};

#[test]
fn a_version_that_the_image_fixes_is_named_where_another_is_needed() {
    let rig = rig();
    Debian::new("libx1 libc6").write(&rig, "low");
    rig.write("r.toml", above("app", "packages = [\"newer\"]\n"));
    rig.run(&["build", "r.toml", "--arch", "amd64"])
        .fails(1, &["the base oci:images:low fixes libx1 1.0 (not 2.0)", "hint: take an image as the base"]);
}

#[test]
fn what_an_image_fixes_is_never_told_as_the_locks() {
    let rig = rig();
    Debian::new("libx1 libc6").write(&rig, "low");
    rig.write("r.toml", above("app", "packages = [\"newest\"]\n"));
    let failed = rig.run(&["build", "r.toml", "--arch", "amd64"]);
    assert!(!failed.err.contains("the lock"), "{}", failed.err);
    failed.fails(
        1,
        &[
            "`libx1 (>= 3)` does not fit the base oci:images:low, which holds version 1.0",
            "hint: ask for what goes with the base's version",
            "hint: or take an image as the base that has another",
        ],
    );
}

#[test]
fn accounts_of_an_image_keep_their_numbers() {
    let rig = rig();
    Debian::new("libx1 libc6").write(&rig, "low");
    let with = |more: &str| above("app", &format!("packages = [\"app\"]\n[[user]]\nname = \"base\"\n{more}"));
    rig.write("r.toml", with("uid = 151\n"));
    rig.run(&["build", "r.toml", "--arch", "amd64"])
        .fails(1, &["the uid of the user `base` is 150 in the base, not 151", "hint: leave the number out"]);
    rig.write("r.toml", with("uid = 150\n"));
    build(&rig, &[]);
}

#[test]
fn an_image_that_changed_makes_the_lock_stale() {
    let rig = rig();
    Debian::new("libx1 libc6").write(&rig, "low");
    rig.write("r.toml", above("app", "packages = [\"app\"]\n"));
    let first = build(&rig, &[]).digest();
    assert_eq!(build(&rig, &["--locked", "--offline"]).digest(), first);
    let lock = rig.read("r.lock");
    Debian::new("libx1 libc6").layer(vec![directory("/srv"), file("/srv/x", 0o644, b"x")]).write(&rig, "low");
    rig.run(&["build", "r.toml", "--arch", "amd64", "--locked"])
        .fails(1, &["the lock r.lock cannot be used: the base, or the lock of it, is another"]);
    assert_ne!(build(&rig, &[]).digest(), first);
    assert_ne!(rig.read("r.lock"), lock);
    rig.run(&["lock", "--update", "libx1", "r.toml"])
        .fails(2, &["`libx1` is fixed by the base oci:images:low", "hint: take another image as the base"]);
}

#[test]
fn an_image_of_another_distro_or_architecture_is_refused() {
    let rig = rig();
    rig.write("r.toml", above("app", "packages = [\"app\"]\n"));
    for (os_release, found) in
        [("ID=debian\nVERSION_ID=\"12\"\n", "debian 12"), ("ID=alpine\nVERSION_ID=3.20.3\n", "alpine 3.20.3")]
    {
        let mut base = Debian::new("libx1 libc6");
        base.os_release = os_release.to_owned();
        base.write(&rig, "low");
        let words =
            format!("the base image `oci:images:low` is of {found}, and the recipe is from debian:trixie");
        rig.run(&["build", "r.toml", "--arch", "amd64"]).fails(1, &[&words, "hint: correct `from`"]);
    }
    let base = Debian::new("libx1 libc6");
    let amd64 = base.write(&rig, "low");
    rig.run(&["build", "r.toml", "--arch", "arm64"])
        .fails(1, &["`oci:images:low` has no image for arm64", "hint: it has amd64"]);
    let arm64 = base.write_for(&rig, "arm", Arch::Arm64);
    let layout = Layout::open_or_create(rig.work("images")).unwrap();
    layout.tag("low", layout.write_index(&[amd64, arm64]).unwrap()).unwrap();
    rig.run(&["build", "r.toml", "--arch", "amd64,arm64"]).ok();
    rig.run(&["build", "r.toml", "--arch", "s390x"])
        .fails(1, &["`oci:images:low` has no image for s390x", "it has amd64, arm64"]);
}

#[test]
fn a_file_that_the_image_lacks_and_no_repository_has_is_told_with_its_package() {
    let rig = rig();
    let mut base = Debian::new("libx1 libc6");
    base.version = "0.9";
    base.without = vec!["/usr/lib/x86_64-linux-gnu/libx-extra.so.1", "/usr/share/doc/libx1/copyright"];
    base.write(&rig, "low");
    // What it has counts, though no repository has that version.
    rig.write("r.toml", above("app", "packages = [\"tool\"]\n"));
    build(&rig, &[]);
    assert!(rig.read("r.lock").contains("in-image = true"));
    // A library that a program needs.
    rig.write("r.toml", above("app", "packages = [\"app\"]\n"));
    let lacks =
        "the base image `oci:images:low` lacks /usr/lib/x86_64-linux-gnu/libx-extra.so.1 of libx1 0.9";
    rig.run(&["build", "r.toml", "--arch", "amd64"]).fails(
        1,
        &[lacks, "liby.so.1 needs", "and no repository has that version", "hint: take a newer image"],
    );
    // A package that is named is wanted as a whole.
    rig.write("r.toml", above("app", "packages = [\"libx1\"]\n"));
    rig.run(&["build", "r.toml", "--arch", "amd64"]).fails(1, &[lacks]);
    let without = "exclude = [\"/usr/lib/**/libx-extra.so.1\", \"/usr/share/doc/**\"]\n";
    rig.write("r.toml", above("app", &format!("packages = [\"libx1\"]\n{without}")));
    build(&rig, &[]);
}

#[test]
fn what_is_no_image_is_said_where_it_stands() {
    let rig = rig();
    for (base, words) in [
        ("docker://example.org/x:1", "`docker://example.org/x:1` may be another image tomorrow"),
        ("docker://example.org/X@sha256:00", "names no image in a registry"),
        ("oci:", "`oci:` names no image"),
        ("dir:x://", "is no place of an image that is a base"),
    ] {
        rig.write("r.toml", on(base, "app", "files = []\n"));
        rig.run(&["build", "r.toml"]).fails(2, &[words, "r.toml:4:8"]);
    }
    rig.write("r.toml", "name = \"r\"\nbase = \"oci:images:low\"\n[[layer]]\nname = \"x\"\n");
    rig.run(&["build", "r.toml"]).fails(2, &["`from` is needed beside a base that is an image"]);
    rig.write("r.toml", above("app", "files = []\n"));
    rig.run(&["build", "r.toml", "--arch", "amd64"])
        .fails(1, &["there is no image layout in `", "hint: build or pull the base there first"]);
    Debian::new("libc6").write(&rig, "other");
    rig.run(&["build", "r.toml", "--arch", "amd64"]).fails(1, &["has no image called `low`", "it has other"]);
}
