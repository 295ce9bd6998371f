//! Several architectures in one call: each as if it were built alone, and nothing of any where one cannot be built.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;

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

/// With a layer that has a file of the host's, named after the architecture.
const WITH_FILE: &str =
    "[[layer]]\nname = \"file\"\nfiles = [{ path = \"/file\", source = \"of-{arch}\" }]\n";

/// Every file where the program runs and where it has temporary ones, without the lock and the home.
fn left(rig: &Rig) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut left = rig.listing("");
    left.retain(|path, _| {
        !path.ends_with("r.lock") && !path.components().any(|part| part.as_os_str() == "home")
    });
    left
}

/// Files anywhere that are on their way to their names, or in directories that are.
fn partial(rig: &Rig) -> Vec<PathBuf> {
    let is_partial = |path: &PathBuf| {
        let mut names = path.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
        names.any(|name| name.starts_with(".partial-") || name.starts_with(".rootforge-"))
    };
    rig.listing("").into_keys().filter(is_partial).collect()
}

#[test]
fn one_that_cannot_be_built_leaves_nothing_of_the_others() {
    for output in ["oci:images", "oci:deep/in/it", "oci-archive:r.tar"] {
        let build = |archs| ["build", "r.toml", "--output", output, "--arch", archs];
        let rig = rig();
        rig.recipe(&format!("{LAYERS}{WITH_FILE}"));
        rig.write("of-amd64", "amd64");
        let before = left(&rig);
        rig.run(&build("amd64,arm64")).fails(1, &["of-arm64"]);
        assert_eq!(left(&rig), before, "{output}");
        assert!(!rig.work("images").exists() && !rig.work("deep").exists());

        // Nor where there is an output already.
        rig.run(&build("amd64")).ok();
        rig.write("of-amd64", "another");
        let before = left(&rig);
        rig.run(&build("amd64,arm64")).fails(1, &["of-arm64"]);
        assert_eq!(left(&rig), before, "{output}");

        rig.write("of-arm64", "arm64");
        rig.run(&build("amd64,arm64")).ok();
        rig.run(&["build", "r.toml", "--arch", "amd64,arm64"]).ok();
        let images = Image::read_all(&rig.work("images"), "r");
        assert_eq!(images["amd64"].text("/file"), "another");
        assert_eq!(images["arm64"].text("/file"), "arm64");
        assert_eq!(partial(&rig), [] as [PathBuf; 0]);
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
    assert_eq!(partial(&together), [] as [PathBuf; 0]);
}

/// One layer is new, and of the others some are known from before, in the cache or in the layout; one is all
/// architectures'.
#[test]
fn layers_that_are_known_in_part_come_to_the_same() {
    let archs = ["build", "r.toml", "--arch", "amd64,arm64"];
    let with = |rig: &Rig, text: &str| {
        for arch in ["amd64", "arm64"] {
            rig.write(&format!("of-{arch}"), text);
        }
        rig.run(&archs).ok().digest()
    };
    let new = || {
        let rig = rig();
        rig.recipe(&format!("{LAYERS}{WITH_FILE}"));
        rig
    };
    let images = |rig: &Rig| std::fs::remove_dir_all(rig.work("images")).unwrap();
    let lost: [&dyn Fn(&Rig); 6] = [
        &|_| (),
        &|rig| rig.forget("image"),
        &|rig| {
            rig.forget("image");
            rig.forget("layer");
        },
        &|rig| {
            rig.forget("image");
            images(rig);
        },
        &|rig| {
            rig.forget("image");
            images(rig);
            std::fs::remove_dir_all(rig.cache().join("blobs")).unwrap();
        },
        &|rig| std::fs::remove_dir_all(rig.cache()).unwrap(),
    ];
    let rig = new();
    with(&rig, "0");
    for (number, lose) in lost.into_iter().enumerate() {
        lose(&rig);
        let text = format!("{}", number + 1);
        assert_eq!(with(&rig, &text), with(&new(), &text), "{number}");
        Image::read_all(&rig.work("images"), "r").values().for_each(Image::assert_sound);
        assert_eq!(partial(&rig), [] as [PathBuf; 0], "{number}");
    }
}

/// A build ends with how to run what it made, in a shell's words.
#[test]
fn how_to_run_it_is_told() {
    let rig = rig();
    let image = "[image]\nentrypoint = [\"/usr/bin/app\"]\nexpose = [\"80\", \"53/udp\"]\n";
    let told = |arguments: &[&str]| {
        let ran = rig.run(&[&["build", "r.toml"], arguments].concat()).ok();
        ran.err.lines().find_map(|line| line.strip_prefix("run it: ")).map(ToOwned::to_owned)
    };
    rig.recipe(&format!("{LAYERS}{image}"));
    assert_eq!(
        told(&["--arch", "amd64,arm64,s390x", "--output", "oci:i"]).as_deref(),
        Some("podman run --rm -p 53:53/udp -p 80:80 oci:i:r")
    );
    let other = if Arch::host() == Some(Arch::S390x) { Arch::Arm64 } else { Arch::S390x };
    let platform = if other == Arch::Arm64 { "linux/arm64/v8" } else { "linux/s390x" };
    assert_eq!(
        told(&["--arch", other.name(), "--output", "docker-archive:my file.tar"]),
        Some(format!(
            "podman run --rm --platform {platform} -p 53:53/udp -p 80:80 'docker-archive:my file.tar'"
        ))
    );
    assert_eq!(told(&["--arch", other.name(), "--output", "tar:i.tar"]), None);
    rig.recipe(LAYERS);
    assert_eq!(told(&["--arch", "amd64,arm64,s390x", "--output", "oci:i"]), None);
}
