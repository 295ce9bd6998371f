//! Archives of others as sources of `copy`.

use std::io::Write as _;

use crate::support::Rig;
use crate::support::rig::{Ran, run};
use rootforge::digest::Digest;
use serde_json::json;

/// A tar of files and symbolic links.
pub(super) fn tar(files: &[(&str, &[u8])], links: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let header = |size: usize, kind| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(size as u64);
        header
    };
    for (name, target) in links {
        builder.append_link(&mut header(0, tar::EntryType::Symlink), name, target).unwrap();
    }
    for (name, content) in files {
        let mut header = header(content.len(), tar::EntryType::Regular);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The same with a hard link for the second layer, which stands behind what it leads to.
fn with_hard_link(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(tar(files, &[]));
    let whole = builder.get_ref().len() - 1024;
    builder.get_mut().truncate(whole);
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Link);
    header.set_size(0);
    builder.append_link(&mut header, "two/layer.tar", "one/layer.tar").unwrap();
    builder.into_inner().unwrap()
}

fn copy(rig: &Rig, bytes: &[u8], from: &str) -> Ran {
    rig.write("a.tar", bytes);
    run(&mut rig.bare(&["copy", from, "oci:out:x"]))
}

/// As `docker save` wrote them before it wrote layouts: layers in directories, equal ones as links; and compressed.
#[test]
fn archives_of_old_docker() {
    let rig = Rig::new();
    let layer = tar(&[("motd", b"hello\n")], &[]);
    let diff_id = Digest::of(&layer).to_string();
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [diff_id, diff_id] },
    })
    .to_string();
    let manifest = json!([{
        "Config": "abc.json",
        "RepoTags": ["team/web:1"],
        "Layers": ["one/layer.tar", "two/layer.tar"],
    }]);
    let text = manifest.to_string();
    let files: [(&str, &[u8]); 3] =
        [("abc.json", config.as_bytes()), ("manifest.json", text.as_bytes()), ("one/layer.tar", &layer)];
    let archive = tar(&files, &[("two/layer.tar", "../one/layer.tar")]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&archive).unwrap();
    for bytes in [archive.clone(), gzip.finish().unwrap()] {
        copy(&rig, &bytes, "docker-archive:a.tar").ok();
        run(&mut rig.bare(&["check", "oci:out:x"])).ok();
    }
    copy(&rig, &archive, "docker-archive:a.tar:team/web:1").ok();
    // Hard links and links by way of links come to the same, and what is copied is checked as it is, too.
    for (link, bytes) in [("symlink", archive.clone()), ("hard link", with_hard_link(&files))] {
        rig.write("b.tar", &bytes);
        run(&mut rig.bare(&["copy", "docker-archive:b.tar", "oci:out:x"])).ok();
        let said = run(&mut rig.bare(&["check", "docker-archive:b.tar"])).ok().err;
        assert!(said.contains("image `team/web:1`: no digest, 2 layers"), "{link}: {said}");
    }
    copy(&rig, &archive, "docker-archive:a.tar:other")
        .fails(1, &["has no image called `other`", "hint: it has team/web:1"]);
    run(&mut rig.bare(&["copy", "docker-archive:a.tar", "docker-archive:b.tar"])).ok();
    run(&mut rig.bare(&["check", "docker-archive:b.tar"])).ok();

    let broken = tar(&files[..2], &[]);
    copy(&rig, &broken, "docker-archive:a.tar")
        .fails(1, &["manifest.json names `\"one/layer.tar\"`, which is not in it"]);
}

#[test]
fn archives_that_are_none() {
    let rig = Rig::new();
    let wrong = format!("blobs/sha256/{}", Digest::of(b"other").hex());
    let several = json!({ "manifests": [
        { "digest": Digest::of(b"1").to_string(), "size": 1, "annotations": { "org.opencontainers.image.ref.name": "a" } },
        { "digest": Digest::of(b"2").to_string(), "size": 1 },
    ] })
    .to_string();
    for (bytes, words) in [
        (tar(&[("x", b"y")], &[]), "holds neither `index.json` nor `manifest.json`"),
        (tar(&[(&wrong, b"this")], &[]), "is corrupt: its bytes have the digest"),
        (tar(&[("index.json", b"{}")], &[]), "it has no list `manifests`"),
        (tar(&[("index.json", several.as_bytes())], &[]), "has several images, and none is named"),
        (b"\x1f\x8b no gzip".to_vec(), "`a.tar` is wrong: it is no tar archive"),
        (vec![7; 2000], "`a.tar` is wrong: it is no tar archive"),
    ] {
        copy(&rig, &bytes, "oci-archive:a.tar").fails(1, &[words]);
        assert!(!rig.work("out").exists());
    }
    let all = ["copy", "oci:none", "oci:x"];
    run(&mut rig.bare(&all)).fails(2, &["there is no image layout in `none`", "hint: "]);
    assert!(!rig.work("none").exists());
    run(&mut rig.bare(&["copy", "docker:web", "oci:x"]))
        .fails(2, &["`docker:web` names no image", "hint: write `docker://"]);
    run(&mut rig.bare(&["copy", "dir:x", "oci:x"])).fails(2, &["is a root file system, not an image"]);
    run(&mut rig.bare(&["push", "web", "oci:x"])).fails(2, &["`oci:x` is no registry", "hint: "]);
    run(&mut rig.bare(&["pull", "docker://h.example.org/x", "--arch", "vax"]))
        .fails(2, &["`vax` is not an architecture"]);
}

/// Members of nothing but names, of which gigabytes of memory would be made.
#[test]
fn archives_of_too_many_members() {
    let rig = Rig::new();
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(gzip);
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(0);
    for number in 0..=100_000 {
        builder.append_data(&mut header, format!("{number}/"), &[][..]).unwrap();
    }
    let bytes = builder.into_inner().unwrap().finish().unwrap();
    for transport in ["oci-archive", "docker-archive"] {
        copy(&rig, &bytes, &format!("{transport}:a.tar"))
            .fails(1, &["`a.tar` is wrong: the tar stream has more than 100000 members"]);
    }
    assert!(!rig.work("out").exists());
}

/// Every call that has to do with an image in a registry.
fn calls(place: &str) -> [Vec<&str>; 6] {
    [
        vec!["push", "one", place],
        vec!["pull", place],
        vec!["copy", place, "oci:x"],
        vec!["copy", "oci:x", place],
        vec!["check", place],
        vec!["build", "r.toml", "--arch", "amd64", "--output", place],
    ]
}

/// What is said of the call at once, before anything is looked for.
#[test]
fn places_that_are_none_and_calls_that_are_offline() {
    let rig = Rig::new();
    let host = "docker://127.0.0.1:1";
    let wrong = "`docker://127.0.0.1:1` names no image in a registry: it is a host without a repository";
    let form = "hint: write `docker://127.0.0.1:1/REPOSITORY:TAG`";
    rig.recipe("[[layer]]\nname = \"app\"\nfiles = [{ path = \"/x\", content = \"\" }]\n");
    for call in calls(host) {
        run(&mut rig.bare(&call)).fails(2, &[wrong, form]);
    }
    run(&mut rig.bare(&["push", "one", "docker://web:1"]))
        .fails(2, &["`docker://web:1` is an official image of Docker Hub", "or `docker://USER/web:1`"]);

    let host = "docker://127.0.0.1:1/web";
    for call in calls(host) {
        run(&mut rig.bare(&[&call[..], &["--offline"]].concat())).fails(
            2,
            &[
                "`docker://127.0.0.1:1/web:latest` is in a registry, and `--offline` asks none",
                "hint: leave out",
            ],
        );
    }
}

/// An archive says of what is too old for its layers; a layout or plain files are not for loading.
#[test]
fn copies_to_archives_warn_of_zstd() {
    let images = super::Images::new();
    let warning = "warning: layers are compressed with zstd, which Docker before 23.0";
    for (from, to, warned) in [
        ("oci:images:arm", "docker-archive:x.tar", true),
        ("oci:images:all", "oci-archive:x.tar", true),
        ("oci:images:one", "docker-archive:x.tar", false),
        ("oci:images:arm", "oci:x:arm", false),
        ("oci:images:arm", "dir:x-root", false),
    ] {
        let ran = images.run(&["copy", from, to]).ok();
        assert_eq!(ran.err.contains(warning), warned, "{from} {to}: {}", ran.err);
    }
}
