//! Configs, indexes and layers that engines refuse or take by chance.

use serde_json::{Value, json};

use super::{Change, assert_only, problems, rewrite, source};
use crate::image::{file, hard_link, sample, spec, write_image, write_layer};
use rootforge::arch::Arch;
use rootforge::check::check;
use rootforge::digest::Digest;

fn assert_config(change: Change, expected: &[&str]) {
    let temporary = tempfile::tempdir().unwrap();
    let (layout, image) = write_image(temporary.path(), &sample());
    rewrite(&layout, image, change);
    assert_only(temporary.path(), expected);
}

/// What Go's structs do not take, each in a sentence of its own.
#[test]
fn fields_of_another_form() {
    let cases: [(Change, &[&str]); 22] = [
        (|_, config| config["config"]["Cmd"] = json!("x"), &["`config.Cmd` is no list of texts: \"x\""]),
        (|_, config| config["config"]["Cmd"] = json!(["x", 1]), &["`config.Cmd` holds what is no text: 1"]),
        (
            |_, config| config["config"]["Entrypoint"] = json!({}),
            &["`config.Entrypoint` is no list of texts: {}"],
        ),
        (|_, config| config["config"]["Env"] = json!({ "A": "b" }), &["`config.Env` is no list of texts"]),
        (
            |_, config| config["config"]["Env"] = json!(["PATH=/bin", "A", "=b", "C="]),
            &["holds what is no `NAME=value`: `A`", "holds what is no `NAME=value`: `=b`"],
        ),
        (|_, config| config["config"]["User"] = json!(0), &["`config.User` is no text: 0"]),
        (|_, config| config["config"]["WorkingDir"] = json!([]), &["`config.WorkingDir` is no text: []"]),
        (
            |_, config| config["config"]["WorkingDir"] = json!("srv/x"),
            &["`config.WorkingDir` is no absolute path, which runc asks for: `srv/x`"],
        ),
        (|_, config| config["config"]["StopSignal"] = json!(9), &["`config.StopSignal` is no text: 9"]),
        (
            |_, config| config["config"]["ExposedPorts"] = json!(["80/tcp"]),
            &["`config.ExposedPorts` is no object: [\"80/tcp\"]"],
        ),
        (
            |_, config| config["config"]["Volumes"] = json!({ "/srv": true }),
            &["`config.Volumes` has for `/srv` what is not an object: true"],
        ),
        (
            |_, config| config["config"]["Labels"] = json!({ "a": "b", "c": 1 }),
            &["`config.Labels` has for `c` what is not a text: 1"],
        ),
        (
            |_, config| config["created"] = json!("today"),
            &["`created` is no time as RFC 3339 has it: \"today\""],
        ),
        (|_, config| config["created"] = json!(1_700_000_000), &["`created` is no time as RFC 3339 has it"]),
        (|_, config| config["rootfs"]["type"] = json!("tar"), &["`rootfs.type` is not \"layers\": \"tar\""]),
        (
            |_, config| config["rootfs"]["diff_ids"][1] = json!(7),
            &["`rootfs.diff_ids` holds what is no digest of SHA-256: 7"],
        ),
        (
            |_, config| config["rootfs"]["diff_ids"][1] = json!("sha256:12"),
            &[
                "`rootfs.diff_ids` holds what is no digest of SHA-256: \"sha256:12\"",
                "its diff_id is sha256:",
            ],
        ),
        (|_, config| config["history"] = json!({}), &["`history` is no list: {}"]),
        (
            |_, config| config["history"][1]["created"] = json!("2023-11-14 22:13"),
            &["`history[1].created` is no time as RFC 3339 has it"],
        ),
        (
            |_, config| config["history"][0]["empty_layer"] = json!("no"),
            &["`history[0].empty_layer` is neither true nor false: \"no\""],
        ),
        (|_, config| config["config"] = json!([]), &["`config` is no object: []"]),
        (
            |_, config| {
                for key in ["Cmd", "Env", "Labels", "Volumes", "ExposedPorts", "WorkingDir", "StopSignal"] {
                    config["config"][key] = Value::Null;
                }
                config["created"] = Value::Null;
                config["history"] = Value::Null;
            },
            &[],
        ),
    ];
    for (change, expected) in cases {
        assert_config(change, expected);
    }
}

#[test]
fn working_directories() {
    for (directory, expected) in [
        ("/", &[][..]),
        ("/not/yet/there", &[]),
        ("/lib", &[]),
        ("/opt/link", &["the working directory `/opt/link` cannot be: `/bin/hello` is no directory"]),
        (
            "/etc/passwd/x/y",
            &["the working directory `/etc/passwd/x/y` cannot be: `/etc/passwd` is no directory"],
        ),
        ("/opt/null", &["`/opt/null` is no directory"]),
    ] {
        let temporary = tempfile::tempdir().unwrap();
        let (layout, image) = write_image(temporary.path(), &sample());
        rewrite(&layout, image, |_, config| config["config"]["WorkingDir"] = json!(directory));
        assert_only(temporary.path(), expected);
    }
}

#[test]
fn indexes_that_lead_nowhere_or_to_two_images() {
    let temporary = tempfile::tempdir().unwrap();
    let (layout, image) = write_image(temporary.path(), &sample());
    let layer = write_layer(&layout, &sample()[0], "base");
    let other = layout.write_image(&spec(Arch::Amd64, vec![layer])).unwrap();
    layout.tag("sample", layout.write_index(&[image, other]).unwrap()).unwrap();
    assert_only(temporary.path(), &["warning: image `sample`, index sha256:"]);
    assert!(problems(temporary.path())[0].ends_with("it has several images for linux/amd64"));
    layout.tag("sample", layout.write_index(&[]).unwrap()).unwrap();
    assert_only(temporary.path(), &["its list `manifests` is empty: it leads to no image"]);
    assert_eq!(check(&source(temporary.path())).unwrap().problems.len(), 1);
}

/// Buildkit lists what it attests of images beside them, for no platform.
#[test]
fn attestations_are_no_second_image() {
    let temporary = tempfile::tempdir().unwrap();
    let (layout, image) = write_image(temporary.path(), &sample());
    let manifest = |platform: Value| {
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": image.digest,
            "size": image.size,
            "platform": platform,
        })
    };
    let unknown = json!({ "os": "unknown", "architecture": "unknown" });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [manifest(unknown.clone()), manifest(unknown)],
    });
    let bytes = index.to_string().into_bytes();
    let digest = Digest::of(&bytes);
    std::fs::write(layout.blob_path(&digest), &bytes).unwrap();
    layout.tag("sample", rootforge::oci::IndexRef { digest, size: bytes.len() as u64 }).unwrap();
    let found = problems(temporary.path());
    assert!(!found.iter().any(|found| found.contains("several images")), "{found:#?}");
}

#[test]
fn names_that_no_file_system_takes() {
    let mut layers = sample();
    layers[1].push(file(&format!("/opt/{}", "n".repeat(255)), 0o644, b""));
    layers[1].push(file(&format!("/opt/{}", "ä".repeat(128)), 0o644, b""));
    let temporary = tempfile::tempdir().unwrap();
    write_image(temporary.path(), &layers);
    assert_only(temporary.path(), &["has a component of 256 bytes, and file systems take 255"]);
}

/// One file, and two sayings of what it is.
#[test]
fn hard_links_that_differ_from_their_file() {
    let mut layers = sample();
    let mut owned = hard_link("/opt/owned-again", "/opt/owned");
    (owned.0.metadata.mode, owned.0.metadata.uid, owned.0.metadata.gid) = (0o640, 100, 60);
    let mut other = hard_link("/opt/other", "/opt/large");
    other.0.metadata.uid = 100;
    layers[1].extend([owned, other, hard_link("/opt/open", "/opt/empty")]);
    let temporary = tempfile::tempdir().unwrap();
    write_image(temporary.path(), &layers);
    let differs = |link: &str, file: &str| {
        format!(
            "the hard link `{link}` has another mode or owner than `{file}`, and engines give the file what"
        )
    };
    assert_only(
        temporary.path(),
        &[&differs("/opt/open", "/opt/empty"), &differs("/opt/other", "/opt/large")],
    );
    assert_eq!(check(&source(temporary.path())).unwrap().problems, []);
}
