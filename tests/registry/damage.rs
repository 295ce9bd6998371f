//! Blobs that are not what their names say, sources that cannot be written to, and fetching that takes several goes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::faults::{Place, cut, serving};
use super::{Images, digest};
use crate::image::{noise, spec};
use rootforge::arch::Arch;
use rootforge::digest::Digest;
use rootforge::oci::{Layout, OciError};
use rootforge::registry::Fault;

/// Gives a gzip blob another digest and leaves its size and its content: the system in its header (RFC 1952) is another.
fn damage(layout: &Layout, digest: &Digest) {
    let path = layout.blob_path(digest);
    let mut bytes = fs::read(&path).unwrap();
    bytes[9] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
}

/// All files below a directory.
fn files(directory: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::metadata(&path).unwrap().len());
        }
    }
    found
}

#[test]
fn a_damaged_blob_is_handed_out_to_nowhere() {
    let images = Images::new();
    images.run(&["copy", "oci:images:one", "oci:sound:one"]).ok();
    damage(&images.layout, &images.base.digest);
    let before = files(&images.rig.work(""));
    for to in ["dir:out", "tar:out.tar", "docker-archive:out.tar", "oci-archive:out.tar"] {
        images
            .run(&["copy", "oci:images:one", to])
            .fails(1, &[&images.base.digest.to_string(), "in the image layout", "is corrupt"]);
        assert_eq!(files(&images.rig.work("")), before, "{to}");
    }
    images.run(&["copy", "oci:images:one", "oci:out:x"]).fails(1, &["is corrupt"]);
    assert_eq!(files(&images.rig.work("")), before, "nothing is left of a new layout");
    assert!(!images.rig.work("out").exists());
    images.run(&["copy", "oci:images:one", "oci:some/where/new:x"]).fails(1, &["is corrupt"]);
    assert!(!images.rig.work("some").exists());
    images.run(&["copy", "oci:images:arm", "oci:kept:x"]).fails(1, &["is corrupt"]);
    fs::create_dir(images.rig.work("kept")).unwrap();
    images.run(&["copy", "oci:images:one", "oci:kept:x"]).fails(1, &["is corrupt"]);
    assert_eq!(fs::read_dir(images.rig.work("kept")).unwrap().count(), 0, "a directory that was there stays");
    // Where the blob is, the damaged one is not asked for; and a damaged one there gives way.
    images.run(&["copy", "oci:images:one", "oci:sound:again"]).ok();
    let sound = Layout::open(images.rig.work("sound")).unwrap();
    assert!(sound.has_sound_blob(&images.base.digest));
    damage(&sound, &images.base.digest);
    images.run(&["copy", "oci:images:two", "oci:sound:two"]).fails(1, &["is corrupt"]);
    // Undone in the source.
    damage(&images.layout, &images.base.digest);
    images.run(&["copy", "oci:images:two", "oci:sound:two"]).ok();
    images.run(&["check", "oci:sound:two"]).ok();
}

/// What a registry does not have leaves no layout behind; what it gave before it failed stays for another attempt.
#[test]
fn a_pull_that_fails_leaves_what_it_fetched() {
    let rig = crate::support::Rig::new();
    let none = super::support::Server::new(|_, _| super::support::answer(404, &[], b"{}"));
    let pull = |host: &str, to: &str| {
        crate::support::rig::run(&mut rig.bare(&["copy", &format!("docker://{host}/team/web"), to]))
            .fails(1, &[])
    };
    pull(&none.host, "oci:new/layout:x");
    assert!(!rig.work("new").exists());
    // The config may have come before the layer was asked for, or not.
    let half = serving(noise(1000), |_, _| super::support::answer(404, &[], b"{}"));
    pull(&half.host, "oci:new/layout:x");
    assert_eq!(rig.work("new/layout").exists(), has_blobs(&rig.work("new/layout")));
}

fn has_blobs(layout: &Path) -> bool {
    fs::read_dir(layout.join("blobs/sha256")).is_ok_and(|mut blobs| blobs.next().is_some())
}

#[test]
fn a_damaged_blob_is_fetched_again() {
    let layer = noise(100_000);
    let name = Digest::of(&layer);
    let server = serving(layer, |_, layer| super::support::answer(200, &[], layer));
    let place = Place::at(&server.host);
    assert_eq!(place.pull().unwrap().fetched.blobs, 2);
    assert_eq!(place.pull().unwrap().present.blobs, 2);
    let layout = place.layout();
    damage(&layout, &name);
    let pulled = place.pull().unwrap();
    assert_eq!((pulled.fetched.blobs, pulled.fetched.bytes, pulled.present.blobs), (1, 100_000, 1));
    assert!(layout.has_sound_blob(&name));
}

/// A layout that is read is not written to: nothing is made in it, and nothing swept away.
#[test]
fn sources_are_only_read() {
    let images = Images::new();
    let more = images.layout.write_image(&spec(Arch::S390x, vec![images.base.clone()])).unwrap();
    let index = fs::read(images.layout.blob_path(&images.find("all").digest())).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let image = |at: usize, arch| rootforge::oci::ImageRef {
        digest: index["manifests"][at]["digest"].as_str().unwrap().parse().unwrap(),
        size: index["manifests"][at]["size"].as_u64().unwrap(),
        arch,
    };
    let three = [image(0, Arch::Amd64), image(1, Arch::Arm64), more];
    images.layout.tag("three", images.layout.write_index(&three).unwrap()).unwrap();
    let source = images.rig.work("images");
    fs::remove_file(source.join(".lock")).unwrap();
    fs::write(source.join("blobs/.partial-abc123"), "left").unwrap();
    let read_only = |is: bool| {
        let mut all: Vec<PathBuf> = files(&source).into_keys().collect();
        all.extend([source.join("blobs/sha256"), source.join("blobs"), source.clone()]);
        for path in all {
            let mut permissions = fs::metadata(&path).unwrap().permissions();
            std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, if is { 0o555 } else { 0o755 });
            fs::set_permissions(&path, permissions).unwrap();
        }
    };
    read_only(true);
    let before = files(&source);
    for arguments in [
        &["copy", "oci:images:one", "dir:out"][..],
        &["copy", "oci:images:three", "oci:other:two", "--arch", "amd64,s390x"],
        &["copy", "oci:images:three", "oci-archive:two.tar:two", "--arch", "amd64,s390x"],
        &["copy", "oci:images:three", "docker-archive:one.tar:one", "--arch", "s390x"],
        &["check", "oci:images:three"],
    ] {
        images.run(arguments).ok();
        assert!(files(&source) == before, "{arguments:?}");
    }
    read_only(false);
    images.run(&["check", "oci-archive:two.tar"]).ok();
    images.run(&["copy", "oci-archive:two.tar", "oci:third:two"]).ok();
    assert_eq!(digest(&images.rig.work("third"), "two"), digest(&images.rig.work("other"), "two"));
    // What is none is not made one.
    images.run(&["copy", "oci:none:x", "oci:y"]).fails(2, &["there is no image layout in `none`"]);
    assert!(!images.rig.work("none").exists());
}

/// As long as something comes, a blob is asked for again, however often it breaks off.
#[test]
fn a_blob_may_come_in_many_pieces() {
    let layer = noise(300_000);
    let server = serving(layer.clone(), |head, layer| {
        let from = start(head.headers.get("range"));
        cut(layer, from, 10_000, from > 0)
    });
    let pulled = Place::at(&server.host).pull().unwrap();
    assert_eq!(pulled.fetched.blobs, 2);
    assert!(server.count("GET", &Digest::of(&layer).to_string()) >= 30);
}

/// What a pull that failed has of a blob is where the next one begins.
#[test]
fn the_next_pull_goes_on_where_the_last_broke_off() {
    let layer = noise(300_000);
    let name = Digest::of(&layer);
    let (broken, sent) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (is_broken, count) = (broken.clone(), sent.clone());
    let server = serving(layer.clone(), move |head, layer| {
        let from = start(head.headers.get("range"));
        let most = if is_broken.load(Ordering::SeqCst) { 200_000 - from } else { layer.len() };
        if most == 0 {
            return None;
        }
        count.fetch_add(most.min(layer.len() - from), Ordering::SeqCst);
        cut(layer, from, most, from > 0)
    });
    let place = Place::at(&server.host);
    let (fault, text) = place.fails();
    assert!(matches!(fault, Fault::Network(_)), "{text}");
    broken.store(false, Ordering::SeqCst);
    assert_eq!(place.pull().unwrap().fetched.bytes, 300_000);
    assert_eq!(sent.load(Ordering::SeqCst), layer.len(), "every byte once");
    assert!(place.layout().has_sound_blob(&name));
    assert_eq!(place.kept(), 0, "nothing of it is left in the cache");

    // What was left is of something else: it is found out, and fetched whole.
    let server = serving(layer, |head, layer| {
        let from = start(head.headers.get("range"));
        cut(layer, from, layer.len(), from > 0)
    });
    for left in [vec![7; 200_000], vec![7; 300_000], vec![7; 400_000]] {
        let place = Place::at(&server.host);
        place.leave(&name, &left);
        place.pull().unwrap();
        assert!(place.layout().has_sound_blob(&name));
        assert_eq!(place.kept(), 0);
    }
}

/// Where a request for a range begins.
fn start(range: Option<&String>) -> usize {
    range.map_or(0, |range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap())
}

#[test]
fn a_plain_docker_archive_is_compared_with_its_config() {
    let images = Images::new();
    let rig = &images.rig;
    images.run(&["copy", "oci:images:one", "docker-archive:one.tar"]).ok();
    // As Docker saves them: without a layout, layers under names that are no digests.
    let image = fs::read(images.layout.blob_path(&images.find("one").digest())).unwrap();
    let image: serde_json::Value = serde_json::from_slice(&image).unwrap();
    let blob = |value: &serde_json::Value| {
        let digest: Digest = value["digest"].as_str().unwrap().parse().unwrap();
        (digest, fs::read(images.layout.blob_path(&digest)).unwrap())
    };
    let (config, config_bytes) = blob(&image["config"]);
    let layers: Vec<Vec<u8>> =
        image["layers"].as_array().unwrap().iter().map(|layer| blob(layer).1).collect();
    let name = format!("{}.json", config.hex());
    let manifest = serde_json::json!([{ "Config": name, "RepoTags": ["one:1"], "Layers": ["a/layer.tar", "b/layer.tar"] }]);
    let manifest = manifest.to_string();
    let archive = |config: &[u8], layers: [&[u8]; 2]| {
        super::archives::tar(
            &[
                (&name, config),
                ("manifest.json", manifest.as_bytes()),
                ("a/layer.tar", layers[0]),
                ("b/layer.tar", layers[1]),
            ],
            &[],
        )
    };
    rig.write("sound.tar", archive(&config_bytes, [&layers[0], &layers[1]]));
    images.run(&["copy", "docker-archive:sound.tar", "oci:out:sound"]).ok();
    rig.write("layer.tar", archive(&config_bytes, [&layers[1], &layers[0]]));
    images.run(&["copy", "docker-archive:layer.tar", "dir:root"]).fails(
        1,
        &["`layer.tar` is wrong: its layer \"a/layer.tar\" is corrupt: its content has the digest"],
    );
    let other = String::from_utf8(config_bytes.clone()).unwrap().replace("linux", "linuy");
    rig.write("config.tar", archive(other.as_bytes(), [&layers[0], &layers[1]]));
    images.run(&["copy", "docker-archive:config.tar", "dir:root"]).fails(1, &["is corrupt: its digest is"]);
    assert!(!rig.work("root").exists());
}

/// A blob that is a pipe, a device or a directory: nobody waits for what will never come.
#[test]
fn a_blob_that_is_no_file() {
    let images = Images::new();
    images.run(&["copy", "oci:images:one", "oci:sound:one"]).ok();
    let path = images.layout.blob_path(&images.base.digest);
    let index = images.rig.work("images/index.json");
    let document = fs::read(&index).unwrap();
    let pipe =
        |path: &Path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    let cases: [&dyn Fn(&Path); 3] =
        [&pipe, &|path| std::os::unix::fs::symlink("/dev/zero", path).unwrap(), &|path| {
            fs::create_dir(path).unwrap();
        }];
    for put in cases {
        fs::remove_file(&path).unwrap();
        put(&path);
        for to in ["dir:out", "tar:out.tar", "docker-archive:out.tar", "oci-archive:out.tar", "oci:out:x"] {
            images
                .run(&["copy", "oci:images:one", to])
                .fails(1, &["it is no regular file", &images.base.digest.hex()]);
            assert!(!images.rig.work("out").exists() && !images.rig.work("out.tar").exists());
        }
        images.run(&["check", "oci:images:one"]).fails(1, &[]).prints(&["layer 1", "it is no regular file"]);
        // What is in its place where a copy goes gives way, if it can.
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            fs::remove_dir(&path).unwrap();
        } else {
            images.run(&["copy", "oci:sound:one", "oci:images:one"]).ok();
            fs::remove_file(&path).unwrap();
        }
        fs::copy(images.rig.work("sound/blobs/sha256").join(images.base.digest.hex()), &path).unwrap();
        fs::remove_file(&index).unwrap();
        put(&index);
        images
            .run(&["check", "oci:images:one"])
            .fails(1, &[])
            .prints(&["index.json", "it is no regular file"]);
        if index.is_dir() {
            fs::remove_dir(&index).unwrap();
        } else {
            fs::remove_file(&index).unwrap();
        }
        fs::write(&index, &document).unwrap();
    }
    pipe(&images.rig.work("pipe.tar"));
    for call in [["check", "oci-archive:pipe.tar"].as_slice(), &["copy", "docker-archive:pipe.tar", "oci:x"]]
    {
        images.run(call).fails(1, &["`pipe.tar`: it is no regular file"]);
    }
}

/// More bytes than the descriptor says are not read: their number is wrong already.
#[test]
fn a_blob_that_is_far_too_long() {
    let images = Images::new();
    let path = images.layout.blob_path(&images.base.digest);
    fs::File::options().append(true).open(&path).unwrap().set_len(1 << 42).unwrap();
    images
        .run(&["check", "oci:images:one"])
        .fails(1, &[])
        .prints(&["it has 4398046511104 bytes, and its descriptor"]);
    images.run(&["copy", "oci:images:one", "dir:out"]).fails(1, &["is not in the image layout"]);
}

/// The library's own error, for those that embed it.
#[test]
fn the_error_of_a_damaged_blob_names_it() {
    let images = Images::new();
    damage(&images.layout, &images.base.digest);
    let output = rootforge::oci::Output::parse(&format!("dir:{}", images.rig.work("out").display())).unwrap();
    let layout = Layout::open(images.rig.work("images")).unwrap();
    let error = output.write_target(&layout, &images.find("one"), "one").unwrap_err();
    assert!(matches!(error, OciError::CorruptBlob { digest, .. } if digest == images.base.digest));
}
