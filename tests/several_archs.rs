//! Several architectures in one call: each as if it were built alone, and nothing of any where one cannot be built.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Archive, Image, Rig};
use rootforge::arch::Arch;

const ARCHS: &[Arch] = &[Arch::Amd64, Arch::Arm64, Arch::S390x];

/// `app` and its library are each architecture's own, its data are for all.
const PACKAGES: &str = "Package: app
     Depends: libx1, app-data
     /usr/bin/app elf program needed=libx.so.1
     /usr/share/app/own 0644 of the program

     Package: libx1
     /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1

     Package: app-data
     Architecture: all
     /usr/share/app/data 0644 of all";

const LAYERS: &str = "[[layer]]\nname = \"data\"\npackages = [\"app-data\"]\n\n\
    [[layer]]\nname = \"main\"\npackages = [\"app\"]\n\n";

fn rig() -> Rig {
    Rig::with(&Archive::new(PACKAGES).for_archs(ARCHS))
}

/// A layer with a file of the host's, named after the architecture.
fn named(source: &str) -> String {
    format!(
        "{LAYERS}[[layer]]\nname = \"file\"\nfiles = [{{ path = \"/file\", source = \"{source}-{{arch}}\" }}]\n"
    )
}

/// What is in the directory that the program runs in, without the lock.
fn left(rig: &Rig) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut left = rig.listing("work");
    left.retain(|path, _| !path.ends_with("r.lock"));
    left
}

#[test]
fn one_that_cannot_be_built_leaves_nothing_of_the_others() {
    for build in [
        &["build", "r.toml", "--arch", "amd64,arm64"][..],
        &["build", "r.toml", "--arch", "amd64,arm64", "--output", "oci:deep/in/it"],
        &["build", "r.toml", "--arch", "amd64,arm64", "--output", "oci-archive:r.tar"],
    ] {
        let rig = rig();
        rig.recipe(&named("of"));
        rig.write("of-amd64", "amd64");
        let before = left(&rig);
        rig.run(build).fails(1, &["of-arm64"]);
        assert_eq!(left(&rig), before, "{build:?}");
        assert!(!rig.work("images").exists() && !rig.work("deep").exists());

        // Nor where there is a layout already.
        rig.run(&["build", "r.toml", "--arch", "amd64"]).ok();
        rig.write("of-amd64", "another");
        let before = left(&rig);
        rig.run(&["build", "r.toml", "--arch", "amd64,arm64"]).fails(1, &["of-arm64"]);
        assert_eq!(left(&rig), before, "{build:?}");

        // What was packed then is of use now.
        rig.write("of-arm64", "arm64");
        rig.run(&["build", "r.toml", "--arch", "amd64,arm64"]).ok();
        let images = Image::read_all(&rig.work("images"), "r");
        assert_eq!(images["amd64"].text("/file"), "another");
        assert_eq!(images["arm64"].text("/file"), "arm64");
        assert_eq!(rig.leftovers(), [] as [PathBuf; 0]);
    }
}

#[test]
fn each_is_as_if_it_were_built_alone() {
    let together = rig();
    together.recipe(LAYERS);
    let all = together.run(&["build", "r.toml", "--arch", "amd64,arm64,s390x", "--json"]).ok();
    let all: serde_json::Value = serde_json::from_str(&all.out).unwrap();
    for (place, arch) in ["amd64", "arm64", "s390x"].into_iter().enumerate() {
        let alone = rig();
        alone.recipe(LAYERS);
        let one = alone.run(&["build", "r.toml", "--arch", arch, "--json"]).ok();
        let one: serde_json::Value = serde_json::from_str(&one.out).unwrap();
        assert_eq!(one["images"][0]["digest"], all["images"][place]["digest"], "{arch}");
    }
    Image::read_all(&together.work("images"), "r").values().for_each(Image::assert_sound);
    assert_eq!(together.leftovers(), [] as [PathBuf; 0]);
}

/// Some of the layers are known from before, in the cache or in the layout, some are not, and one is all
/// architectures'.
#[test]
fn layers_that_are_known_in_part_come_to_the_same() {
    let rig = rig();
    rig.recipe(LAYERS);
    let archs = ["build", "r.toml", "--arch", "amd64,arm64,s390x"];
    let digest = rig.run(&archs).ok().digest();
    let lost: [&dyn Fn(); 5] = [
        &|| rig.forget("image"),
        &|| rig.forget("layer"),
        &|| std::fs::remove_dir_all(rig.work("images")).unwrap(),
        &|| {
            std::fs::remove_dir_all(rig.work("images")).unwrap();
            rig.forget("image");
            rig.forget("layer");
        },
        &|| std::fs::remove_dir_all(rig.cache()).unwrap(),
    ];
    for (number, lose) in lost.into_iter().enumerate() {
        lose();
        assert_eq!(rig.run(&archs).ok().digest(), digest, "{number}");
        Image::read_all(&rig.work("images"), "r").values().for_each(Image::assert_sound);
        assert_eq!(rig.leftovers(), [] as [PathBuf; 0], "{number}");
    }
}

#[test]
fn what_a_killed_build_has_packed_goes_with_the_next() {
    let rig = rig();
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 24).to_le_bytes()
    });
    let noise: Vec<u8> = noise.flatten().take(24 << 20).collect();
    for arch in ["amd64", "arm64"] {
        rig.write(&format!("noise-{arch}"), &noise);
    }
    rig.recipe(&named("noise"));
    let build = ["build", "r.toml", "--arch", "amd64,arm64"];
    // Where no layout is yet, and in one.
    for directory in [rig.work(""), rig.work("images")] {
        let partial = || {
            let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
            let mut names = entries.map(|entry| entry.file_name().into_string().unwrap());
            names.find(|name| name.starts_with(".rootforge-scratch-") || name.starts_with(".partial-"))
        };
        let mut child = rig.command(&build).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while partial().is_none() {
            assert!(
                child.try_wait().unwrap().is_none() && Instant::now() < deadline,
                "not met in the middle"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(partial().is_some());
        rig.run(&build).ok();
        assert_eq!(partial(), None, "{directory:?}");
        Image::read_all(&rig.work("images"), "r").values().for_each(Image::assert_sound);
        rig.forget("layer");
        rig.forget("image");
    }
}
