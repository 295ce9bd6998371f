//! `compression = "zstd"`: what a build makes of it, in every form that images are handed out in.

use std::fs::File;
use std::path::Path;

use crate::support::{Archive, Rig};
use rootforge::digest::Digest;
use serde_json::Value;

const PACKAGES: &str = "Package: app
 /usr/bin/app 0755 text

 Package: more
 /usr/share/more 0644 more";

const LOW: &str = "name = \"low\"\nfrom = \"debian:trixie\"\nkeys = [\"key.asc\"]\n[[layer]]\nname = \"low\"\npackages = [\"app\"]\n";
const UP: &str = "name = \"up\"\nbase = \"low.toml\"\n[[layer]]\nname = \"up\"\npackages = [\"more\"]\n\
     files = [{ path = \"/etc/up\", content = \"up\" }]\n";

const TOO_OLD: &str = "warning: layers are compressed with zstd, which Docker before 23.0, containerd before 1.5, podman \
     before 1.6.2 and CRI-O before 1.17 cannot read";

fn document(layout: &Path, digest: &Value) -> Value {
    let hex = digest.as_str().unwrap().trim_start_matches("sha256:");
    serde_json::from_reader(File::open(layout.join("blobs/sha256").join(hex)).unwrap()).unwrap()
}

/// The layers' descriptors of an image.
fn layers(layout: &Path, tag: &str) -> Vec<Value> {
    let index: Value = serde_json::from_reader(File::open(layout.join("index.json")).unwrap()).unwrap();
    let named = index["manifests"].as_array().unwrap().iter();
    let mut named = named.filter(|one| one["annotations"]["org.opencontainers.image.ref.name"] == tag);
    let manifest = document(layout, &named.next().unwrap()["digest"]);
    manifest["layers"].as_array().unwrap().clone()
}

fn kinds(layers: &[Value]) -> Vec<&str> {
    let types = layers.iter().map(|layer| layer["mediaType"].as_str().unwrap());
    types
        .map(|media_type| media_type.strip_prefix("application/vnd.oci.image.layer.v1.tar").unwrap())
        .collect()
}

#[test]
fn each_recipe_compresses_its_own_layers() {
    let rig = Rig::with(&Archive::new(PACKAGES));
    let zstd = |text: &str| text.replacen('\n', "\ncompression = \"zstd\"\n", 1);
    let build = |recipe: &str| rig.run(&["build", recipe, "--arch", "amd64"]).ok();
    let images = rig.work("images");
    let mut diff_ids = Vec::new();
    for (low, up, expected) in [
        (LOW.to_owned(), UP.to_owned(), ["+gzip", "+gzip"]),
        (LOW.to_owned(), zstd(UP), ["+gzip", "+zstd"]),
        (zstd(LOW), UP.to_owned(), ["+zstd", "+gzip"]),
        (zstd(LOW), zstd(UP), ["+zstd", "+zstd"]),
    ] {
        rig.write("low.toml", low);
        rig.write("up.toml", up);
        let ran = build("up.toml");
        assert_eq!(ran.err.contains(TOO_OLD), expected.contains(&"+zstd"), "{}", ran.err);
        build("low.toml");
        let (low, up) = (layers(&images, "low"), layers(&images, "up"));
        assert_eq!(kinds(&up), expected);
        assert_eq!(low[..], up[..1]);
        for layer in &up {
            let hex = layer["digest"].as_str().unwrap().trim_start_matches("sha256:");
            let bytes = std::fs::read(images.join("blobs/sha256").join(hex)).unwrap();
            assert_eq!(
                (Digest::of(&bytes).hex(), bytes.len() as u64),
                (hex.to_owned(), layer["size"].as_u64().unwrap())
            );
        }
        rig.run(&["check", "oci:images:up"]).ok().says(&["nothing is wrong"]);
        // The same again, and the same tar whatever its compression.
        let digest = ran.digest();
        assert_eq!(build("up.toml").digest(), digest);
        let image = crate::support::Image::read(&images, "up");
        diff_ids.push(image.config["rootfs"]["diff_ids"].to_string());
    }
    diff_ids.dedup();
    assert_eq!(diff_ids.len(), 1);
}

#[test]
fn every_output_takes_zstd() {
    let rig = Rig::with(&Archive::new(PACKAGES));
    rig.recipe("compression = \"zstd\"\n[[layer]]\nname = \"a\"\npackages = [\"app\"]\n");
    let build = |output: &str| rig.build(&["--output", output]);
    for output in ["oci:other", "oci-archive:o.tar:r", "docker-archive:d.tar"] {
        assert!(build(output).err.contains(TOO_OLD), "{output}");
    }
    for place in ["oci:other:r", "oci-archive:o.tar", "docker-archive:d.tar"] {
        rig.run(&["check", place]).ok().says(&["nothing is wrong"]);
    }
    assert_eq!(kinds(&layers(&rig.work("other"), "r")), ["+zstd"]);
    // An archive of Docker's holds the same blobs; read again, they are what they were.
    rig.run(&["copy", "docker-archive:d.tar", "oci:again:r"]).ok();
    assert_eq!(layers(&rig.work("again"), "r"), layers(&rig.work("other"), "r"));
    // Plain files are of no compression.
    for output in ["dir:root", "tar:root.tar"] {
        assert!(!build(output).err.contains("zstd"), "{output}");
    }
    assert_eq!(rig.read("root/usr/bin/app"), "text");
}

#[test]
fn other_words_are_told() {
    let rig = Rig::new();
    for (word, hint) in [("\"zst\"", "did you mean \"zstd\"?"), ("\"xz\"", "it is one of `gzip`, `zstd`")] {
        rig.recipe(&format!("compression = {word}\n[[layer]]\nname = \"a\"\npackages = [\"app\"]\n"));
        rig.run(&["build", "r.toml"]).fails(2, &["is nothing that `compression` can be", hint]);
    }
    rig.recipe("compression = true\n[[layer]]\nname = \"a\"\npackages = [\"app\"]\n");
    rig.run(&["build", "r.toml"]).fails(2, &["`compression` must be a string, not a boolean"]);
}
