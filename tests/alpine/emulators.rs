//! One layout with busybox for four architectures: its index, and each image pulled out of it by platform,
//! unpacked and run under emulation.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::alpine::corpus::{corpus, repository};
use crate::support::Rig;
use crate::support::rig::run;
use crate::tools::{ARCHITECTURES, Architecture, have, pull};

/// The recipe that is shipped, with the corpus's packages, and a layer that is the same everywhere.
fn prepare(keep: &str) -> Option<Rig> {
    corpus()?;
    let rig = Rig::new();
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/busybox-alpine.toml");
    let recipe = std::fs::read_to_string(recipe).unwrap();
    let own = recipe.replace("from = \"alpine:3.20\"\n", "");
    assert_ne!(own, recipe);
    let own = own.replacen("[[layer]]\n", &format!("[[layer]]\nkeep = \"{keep}\"\n"), 1);
    let files = "[[layer]]\nname = \"files\"\nfiles = [\n\
                 { path = \"/etc/motd\", content = \"the same everywhere\\n\" },\n\
                 { path = \"/opt/site\", type = \"dir\", mode = \"0700\" },\n]\n";
    rig.write("r.toml", format!("{own}{files}{}", repository("v3.20")));
    Some(rig)
}

fn blob(rig: &Rig, descriptor: &Value) -> Value {
    let digest = descriptor["digest"].as_str().unwrap().replace(':', "/");
    serde_json::from_str(&rig.read(&format!("images/blobs/{digest}"))).unwrap()
}

/// The descriptors of the images in the layout's only index.
fn manifests(rig: &Rig) -> Vec<Value> {
    let layout: Value = serde_json::from_str(&rig.read("images/index.json")).unwrap();
    let [top] = &layout["manifests"].as_array().unwrap()[..] else { panic!("{layout}") };
    assert_eq!(top["mediaType"], "application/vnd.oci.image.index.v1+json");
    let index = blob(rig, top);
    assert_eq!(index["schemaVersion"], 2);
    index["manifests"].as_array().unwrap().clone()
}

#[test]
fn busybox_starts_on_all_architectures_from_one_layout() {
    for keep in ["needed", "all"] {
        let Some(rig) = prepare(keep) else { return };
        rig.run(&["build", "r.toml", "--arch", "all"]).ok();
        rig.run(&["check", "oci:images:busybox-alpine"]).ok();
        for architecture in &ARCHITECTURES {
            starts(&rig, architecture, keep);
        }
    }
}

fn starts(rig: &Rig, architecture: &Architecture, keep: &str) {
    if !have(&["skopeo", "umoci", "bwrap", architecture.emulator[0]]) {
        return;
    }
    let Architecture { name, emulator, .. } = architecture;
    let bundle = rig.path(&format!("{keep}-{name}"));
    let root = pull(&rig.work("images"), "busybox-alpine", architecture, &bundle);
    assert_eq!(std::fs::read(root.join("etc/motd")).unwrap(), b"the same everywhere\n");
    let paths = std::env::var_os("PATH").unwrap();
    let program =
        std::env::split_paths(&paths).map(|path| path.join(emulator[0])).find(|path| path.is_file());
    let ran = |arguments: &[&str]| {
        let mut command = Command::new("bwrap");
        command.arg("--bind").arg(&root).args(["/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]);
        command.arg("--ro-bind").arg(program.as_ref().unwrap()).arg("/tmp/emulator");
        command.args(["--unshare-net", "--unshare-pid", "--die-with-parent", "--clearenv", "/tmp/emulator"]);
        run(command.args(&emulator[1..]).args(arguments)).ok().out
    };
    let version = ran(&["/bin/busybox"]);
    assert!(version.starts_with("BusyBox v1.36.1 ("), "{name}: {version}");
    assert_eq!(ran(&["/bin/sh", "-c", "echo $((6*7))"]), "42\n", "{name}");
    // By the link, whose name says which of its tools it is to be.
    assert_eq!(ran(&["/usr/bin/basename", "/a/b"]), "b\n", "{name}");
    let machine = ran(&["/bin/uname", "-m"]);
    // What the emulator says of the processor it was told to be.
    let expected = match *name {
        "amd64" => "x86_64",
        "arm32v6" => "armv6l",
        "arm64" => "aarch64",
        other => other,
    };
    assert_eq!(machine.trim_end(), expected);
}

#[test]
fn the_index_names_platforms_as_the_image_spec_does() {
    let Some(rig) = prepare("needed") else { return };
    rig.run(&["build", "r.toml", "--arch", "all"]).ok();
    let mut layers: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
    let manifests = manifests(&rig);
    assert_eq!(manifests.len(), ARCHITECTURES.len());
    for (descriptor, architecture) in manifests.iter().zip(&ARCHITECTURES) {
        let (arch, variant) = architecture.platform;
        let mut platform = json!({ "architecture": arch, "os": "linux" });
        if let Some(variant) = variant {
            platform["variant"] = json!(variant);
        }
        assert_eq!(descriptor["platform"], platform);
        assert_eq!(descriptor["mediaType"], "application/vnd.oci.image.manifest.v1+json");
        let manifest = blob(&rig, descriptor);
        let config = blob(&rig, &manifest["config"]);
        assert_eq!(
            (&config["os"], &config["architecture"], config.get("variant")),
            (&json!("linux"), &json!(arch), variant.map(|variant| json!(variant)).as_ref())
        );
        for (number, layer) in manifest["layers"].as_array().unwrap().iter().enumerate() {
            layers.entry(number).or_default().push(layer["digest"].clone());
        }
    }
    // The programs differ, the files are one blob.
    let [programs, files] = &layers.into_values().collect::<Vec<_>>()[..] else { panic!() };
    for (at, digest) in programs.iter().enumerate() {
        assert!(!programs[..at].contains(digest));
    }
    assert_eq!(files.len(), 4);
    assert!(files.iter().all(|digest| digest == &files[0]), "{files:?}");

    // `--arch` narrows, to the very same images.
    rig.run(&["build", "r.toml", "--arch", "s390x,arm32v6"]).ok();
    let narrow = self::manifests(&rig);
    assert_eq!(narrow.len(), 2);
    assert!(narrow.iter().all(|descriptor| manifests.contains(descriptor)), "{narrow:?}");
}
