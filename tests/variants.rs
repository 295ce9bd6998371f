//! Variants: the same layers and then some, under a name and with a lock of their own.

use crate::support::rig::recipe;
use crate::support::{Archive, Image, Rig};

const PACKAGES: &str = "Package: app
 Depends: libx1
 /usr/bin/app elf program needed=libx.so.1 interp=/lib/ld.so

 Package: libx1
 /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1
 /usr/lib/ld.so elf soname=ld.so

 Package: tool
 Depends: libx1
 /usr/bin/tool elf program needed=libx.so.1";

const RECIPE: &str = "[[layer]]\nname = \"main\"\npackages = [\"app\"]\n\
    [[variant.debug.layer]]\nname = \"debug\"\npackages = [\"tool\"]\n";

/// The digests of an image's layers, from the lowest.
fn layers(rig: &Rig, tag: &str) -> Vec<String> {
    let image = Image::read(&rig.work("images"), tag);
    let digests = image.config["rootfs"]["diff_ids"].as_array().unwrap();
    digests.iter().map(|digest| digest.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_variant_has_the_layers_of_the_recipe_to_the_byte() {
    let rig = Rig::with(&Archive::new(PACKAGES));
    rig.recipe(RECIPE);
    let plain = rig.build(&[]);
    assert!(plain.out.starts_with("oci:images:r "), "{}", plain.out);
    let variant = rig.build(&["--variant", "debug"]);
    assert!(variant.out.starts_with("oci:images:r-debug "), "{}", variant.out);
    let (plain, variant) = (layers(&rig, "r"), layers(&rig, "r-debug"));
    assert_eq!(variant.len(), plain.len() + 1);
    assert_eq!(variant[..plain.len()], plain);
    // Two locks, and the recipe's own does not have the variant's packages.
    assert!(
        !rig.read("r.lock").contains("name = \"tool\"")
            && rig.read("r-debug.lock").contains("name = \"tool\"")
    );
    rig.build(&["--variant", "debug", "--locked"]);
    rig.run(&["check", "oci:images:r-debug"]).ok();
}

#[test]
fn its_lock_follows_that_of_the_recipe() {
    let old = Archive::new(PACKAGES);
    let rig = Rig::with(&old);
    rig.recipe(RECIPE);
    rig.build(&[]);
    // The archive moves on; the recipe's lock stays, and so must what a variant shares with it.
    let new = PACKAGES.replace("Package: libx1\n", "Package: libx1\n Version: 2.0\n");
    let mut newer = Archive::new(&new);
    newer.date += 86_400;
    for (path, bytes) in
        newer.files().into_iter().chain(old.files().into_iter().filter(|(path, _)| path.starts_with("pool/")))
    {
        let path = rig.path("archive").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    rig.build(&["--variant", "debug"]);
    let version = |lock: &str| {
        let text = rig.read(lock);
        let at = text.find("name = \"libx1\"").unwrap();
        text[at..].lines().nth(1).unwrap().to_owned()
    };
    assert_eq!(
        (version("r.lock"), version("r-debug.lock")),
        ("version = \"1.0\"".into(), "version = \"1.0\"".into())
    );

    // What the recipe itself has locked is not the variant's to update.
    let failed = rig.run(&["lock", "r.toml", "--variant", "debug", "--update", "libx1"]);
    failed.fails(2, &["`libx1` is locked by the recipe itself", "without `--variant`"]);

    rig.run(&["lock", "r.toml", "--update", "--arch", "amd64"]).ok();
    assert_eq!(version("r.lock"), "version = \"2.0\"");
    let failed = rig.run(&["build", "r.toml", "--arch", "amd64", "--variant", "debug", "--locked"]);
    failed.fails(
        1,
        &[
            "r-debug.lock cannot be used: it has libx1 1.0, and the recipe's lock 2.0 for amd64",
            "rootforge lock --variant debug",
        ],
    );
    rig.build(&["--variant", "debug"]);
    assert_eq!(version("r-debug.lock"), "version = \"2.0\"");
    assert_eq!(layers(&rig, "r-debug").len(), 2);
}

#[test]
fn its_lock_is_nobody_elses() {
    let rig = Rig::with(&Archive::new(PACKAGES));
    rig.recipe(RECIPE);
    rig.write("r-debug.toml", recipe("[[layer]]\nname = \"x\"\npackages = [\"libx1\"]\n"));
    for command in ["lock", "build", "why"] {
        let words = [command, "r.toml", "--variant", "debug", "--arch", "amd64"];
        rig.run(&[&words[..], if command == "why" { &["app"] } else { &[] }].concat()).fails(
            2,
            &[
                "the variant debug and the recipe r-debug.toml would both have the lock r-debug.lock",
                "hint: give one of them another name",
            ],
        );
    }
    assert!(!rig.work("r-debug.lock").exists());
    rig.build(&[]);
    rig.run(&["build", "r-debug.toml", "--arch", "amd64"]).ok();
}
