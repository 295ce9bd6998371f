//! An Alpine image as a base, with apk's database, on the corpus of real packages.

use crate::alpine::corpus::{WORLD, corpus, repository, rig};
use crate::support::{Image, Rig};

/// The recipe of the corpus's packages in two: what the image has, and what comes on top.
fn split(rig: &Rig) {
    let lower = ["alpine-baselayout", "alpine-release", "busybox"];
    let recipe = |name: &str, base: &str, packages: &[&str]| {
        format!(
            "name = \"{name}\"\n{base}strip = false\n{}[[layer]]\nname = \"{name}\"\nkeep = \"all\"\npackages = {packages:?}\n",
            repository("v3.20")
        )
    };
    rig.write("low.toml", recipe("low", "", &lower));
    rig.write("r.toml", recipe("r", "base = \"oci:images:low\"\n", &WORLD));
}

#[test]
fn what_stands_on_an_alpine_image_is_what_apk_would_have_installed() {
    if corpus().is_none() {
        return;
    }
    let one = rig("v3.20", "").unwrap();
    one.run(&["build", "r.toml", "--arch", "amd64"]).ok();
    let whole = Image::read(&one.work("images"), "r");
    let rig = Rig::new();
    split(&rig);
    rig.run(&["build", "low.toml", "--arch", "amd64"]).ok();
    rig.run(&["build", "r.toml", "--arch", "amd64"]).ok();
    let (low, up) = (Image::read(&rig.work("images"), "low"), Image::read(&rig.work("images"), "r"));
    up.assert_sound();
    rig.run(&["check", "oci:images:r"]).ok();
    assert_eq!(up.config["rootfs"]["diff_ids"][0], low.config["rootfs"]["diff_ids"][0]);
    assert_eq!(up.paths(), whole.paths());
    for path in ["/etc/passwd", "/etc/group", "/etc/shadow", "/lib/apk/db/installed", "/lib/apk/db/triggers"]
    {
        let (up, whole) = (up.text(path), whole.text(path));
        let differs = up.lines().zip(whole.lines()).enumerate().find(|(_, (up, whole))| up != whole);
        assert!(up == whole, "{path}: {differs:?}");
    }
    let again = up.layers[1].1.iter().any(|(entry, _)| entry.path.as_str() == "/bin/busybox");
    assert!(!again);
    let locked = rig.run(&["build", "r.toml", "--arch", "amd64", "--locked", "--offline"]).ok();
    assert!(locked.out.contains("sha256:"));
}
