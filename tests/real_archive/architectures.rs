//! One recipe for all its architectures, run under emulation.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::bench::{Bench, Ran, tell_sizes};
use crate::tools::have;

/// Architecture; its name and variant in the index; what runs it.
type Row = (&'static str, [Option<&'static str>; 2], &'static [&'static str]);

/// The boards with `ARMv6` have an ARM1176.
const ARCHITECTURES: [Row; 4] = [
    ("amd64", [Some("amd64"), None], &["qemu-x86_64-static"]),
    ("arm32v6", [Some("arm"), Some("v6")], &["qemu-arm-static", "-cpu", "arm1176"]),
    ("arm64", [Some("arm64"), Some("v8")], &["qemu-aarch64-static"]),
    ("s390x", [Some("s390x"), None], &["qemu-s390x-static"]),
];

#[test]
fn real_mirror_pulseaudio_for_all_architectures() {
    let Some(bench) = Bench::with_pulseaudio() else { return };
    let without = ["--without", "updates", "--without", "security"];
    let built = bench.build(&[&["pulseaudio.toml", "--arch", "all"], &without[..]].concat());
    tell_sizes(&built);
    for (image, (arch, ..)) in built["images"].as_array().unwrap().iter().zip(ARCHITECTURES) {
        assert_eq!(image["arch"], arch);
        assert!(image["unpacked"].as_u64().unwrap() < 22_000_000, "{image}");
    }
    let blob = built["digest"].as_str().unwrap().replace(':', "/");
    let index = fs::read(bench.path("images/blobs").join(blob)).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let platforms: Vec<[Value; 3]> = index["manifests"].as_array().unwrap().iter().map(platform).collect();
    let expected = ARCHITECTURES.map(|(_, [name, variant], _)| [json!("linux"), json!(name), json!(variant)]);
    assert_eq!(platforms, expected);
    bench.run(&["check", "oci:images:pulseaudio"]).ended(0, &["nothing is wrong"]);

    for (arch, _, emulator) in ARCHITECTURES {
        if !have(&emulator[..1]) {
            continue;
        }
        let root = bench.path(arch);
        let output = format!("dir:{}", root.display());
        let again =
            bench.build(&["pulseaudio.toml", "--locked", "--offline", "--arch", arch, "--output", &output]);
        let same = built["images"].as_array().unwrap().iter().find(|image| image["arch"] == arch).unwrap();
        assert_eq!(again["images"][0]["digest"], same["digest"], "{arch}");
        let mut command = Command::new(emulator[0]);
        command.args(&emulator[1..]).arg("-L").arg(&root).arg(root.join("usr/bin/pulseaudio"));
        let ran = Ran::of(command.arg("--version")).ok();
        assert!(ran.out.starts_with("pulseaudio 17"), "{arch}: {}", ran.out);
    }
}

fn platform(manifest: &Value) -> [Value; 3] {
    ["os", "architecture", "variant"].map(|field| manifest["platform"][field].clone())
}
