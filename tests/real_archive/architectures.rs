//! One recipe for all its architectures, run under emulation.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::real_archive::bench::{Bench, Ran, tell_sizes, whole_release};
use crate::tools::{ARCHITECTURES, have, pull};

#[test]
fn real_mirror_pulseaudio_for_all_architectures() {
    let Some(bench) = Bench::with_pulseaudio() else { return };
    let release = whole_release();
    let bench = bench.on_release(release);
    // bookworm's needs OpenSSL and Kerberos besides.
    let (version, most) =
        if release == "trixie" { ("pulseaudio 17", 24_000_000) } else { ("pulseaudio 16", 29_000_000) };
    let without = ["--without", "updates", "--without", "security"];
    let built = bench.build(&[&["pulseaudio.toml", "--arch", "all"], &without[..]].concat());
    tell_sizes(&built);
    for (image, architecture) in built["images"].as_array().unwrap().iter().zip(ARCHITECTURES) {
        assert_eq!(image["arch"], architecture.name);
        // A megabyte of it is what run-time rules add: C.UTF-8, conversions, names, libgcc_s.
        assert!(image["unpacked"].as_u64().unwrap() < most, "{image}");
    }
    let blob = built["digest"].as_str().unwrap().replace(':', "/");
    let index = fs::read(bench.path("images/blobs").join(blob)).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let platforms: Vec<[Value; 3]> = index["manifests"].as_array().unwrap().iter().map(platform).collect();
    let expected = ARCHITECTURES.map(|one| [json!("linux"), json!(one.platform.0), json!(one.platform.1)]);
    assert_eq!(platforms, expected);
    bench.run(&["check", "oci:images:pulseaudio"]).ended(0, &["nothing is wrong"]);

    for architecture in &ARCHITECTURES {
        let emulator = architecture.emulator;
        if !have(&["skopeo", "umoci", emulator[0]]) {
            continue;
        }
        let root = pull(&bench.path("images"), "pulseaudio", architecture, &bench.path(architecture.name));
        let mut command = Command::new(emulator[0]);
        command.args(&emulator[1..]).arg("-L").arg(&root).arg(root.join("usr/bin/pulseaudio"));
        let ran = Ran::of(command.arg("--version")).ok();
        assert!(ran.out.starts_with(version), "{}: {}", architecture.name, ran.out);

        // Built alone and without the mirror, it is the same image.
        let arch = ["--arch", architecture.name, "--output", "oci:alone"];
        let again = bench.build(&[&["pulseaudio.toml", "--locked", "--offline"], &arch[..]].concat());
        let same = built["images"]
            .as_array()
            .unwrap()
            .iter()
            .find(|image| image["arch"] == architecture.name)
            .unwrap();
        assert_eq!(again["images"][0]["digest"], same["digest"], "{}", architecture.name);
    }
}

fn platform(manifest: &Value) -> [Value; 3] {
    ["os", "architecture", "variant"].map(|field| manifest["platform"][field].clone())
}
