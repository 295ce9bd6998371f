//! Image layouts and outputs, without other tools: what is kept, what is replaced, what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "functions beside the tests fail like tests"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::image::{directory, file, hard_link, noise, sample, symlink, write_image, write_layer};
use rootforge::arch::Arch;
use rootforge::oci::{ImageRef, Layout, OciError, Output};
use rootforge::tarball::{self, Entry, EntryKind, Limits, TarballError};
use serde_json::{Value, json};

fn index(layout: &Layout) -> Value {
    serde_json::from_slice(&fs::read(layout.directory().join("index.json")).unwrap()).unwrap()
}

fn write(text: &str, layout: &Layout, images: &[ImageRef]) -> Result<Vec<String>, OciError> {
    Output::parse(text)?.write(layout, images, "sample").map(|written| written.notes)
}

fn read_tar(path: &Path) -> BTreeMap<String, (Entry, Vec<u8>)> {
    let mut members = BTreeMap::new();
    let tar = fs::File::open(path).unwrap();
    tarball::read(tar, &Limits::default(), |entry, content| -> Result<(), TarballError> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(TarballError::Read)?;
        let old = members.insert(entry.path.to_string(), (entry, bytes));
        assert!(old.is_none());
        Ok(())
    })
    .unwrap();
    members
}

#[test]
fn tags_come_and_stay() {
    let temporary = tempfile::tempdir().unwrap();
    let (layout, image) = write_image(temporary.path(), &sample()[..1]);
    layout.tag("a", image).unwrap();
    // Entries of other tools stay as they are.
    let mut foreign = index(&layout);
    foreign["annotations"] = json!({ "x": "y" });
    foreign["manifests"].as_array_mut().unwrap().push(json!({ "digest": "sha512:00", "extra": 1 }));
    fs::write(temporary.path().join("index.json"), foreign.to_string()).unwrap();
    layout.tag("z", image).unwrap();
    layout.tag("a", layout.write_index(&[image]).unwrap()).unwrap();
    assert_eq!(layout.tags().unwrap(), ["a", "sample", "z"]);
    let found = index(&layout);
    assert_eq!(found["annotations"], json!({ "x": "y" }));
    assert_eq!(found["manifests"].as_array().unwrap().len(), 4);
    assert_eq!(found["manifests"][0], json!({ "digest": "sha512:00", "extra": 1 }));
    assert_eq!(found["manifests"][1]["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(found["manifests"][2]["platform"], json!({ "architecture": "amd64", "os": "linux" }));
}

#[test]
fn many_tags_at_once_lose_none() {
    let temporary = tempfile::tempdir().unwrap();
    let (_, image) = write_image(temporary.path(), &sample()[..1]);
    std::thread::scope(|scope| {
        for number in 0..16 {
            let directory = temporary.path().to_owned();
            scope.spawn(move || {
                Layout::open_or_create(directory).unwrap().tag(&format!("t{number}"), image).unwrap();
            });
        }
    });
    assert_eq!(Layout::open_or_create(temporary.path()).unwrap().tags().unwrap().len(), 17);
}

#[test]
fn layouts_are_not_made_where_something_else_is() {
    let temporary = tempfile::tempdir().unwrap();
    fs::write(temporary.path().join("letter.txt"), "").unwrap();
    let error = Layout::open_or_create(temporary.path()).unwrap_err();
    assert!(error.to_string().contains("it holds `letter.txt`"), "{error}");
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("oci-layout"), "{\"imageLayoutVersion\":\"2.0.0\"}").unwrap();
    let error = Layout::open_or_create(other.path()).unwrap_err();
    assert!(error.to_string().contains("its version is \"2.0.0\""), "{error}");
}

#[test]
fn images_of_missing_layers_are_not_written() {
    let temporary = tempfile::tempdir().unwrap();
    let layout = Layout::open_or_create(temporary.path()).unwrap();
    let layer = write_layer(&layout, &sample()[0], "base");
    assert!(layout.has_blob(&layer.digest));
    let many = crate::image::spec(Arch::Amd64, vec![layer.clone(); 128]);
    assert!(matches!(layout.write_image(&many), Err(OciError::TooManyLayers(128))));
    fs::remove_file(layout.blob_path(&layer.digest)).unwrap();
    let error = layout.write_image(&crate::image::spec(Arch::Amd64, vec![layer])).unwrap_err();
    assert!(matches!(error, OciError::MissingBlob { .. }));
}

/// Twice the same image: the same bytes, in every archive.
#[test]
fn archives_are_deterministic_and_replaced_only_on_success() {
    let temporary = tempfile::tempdir().unwrap();
    let (first, image) = write_image(&temporary.path().join("first"), &sample());
    let (second, again) = write_image(&temporary.path().join("second"), &sample());
    assert_eq!(image, again);
    for transport in ["oci-archive", "docker-archive", "tar"] {
        let path = temporary.path().join("out.tar");
        let text = format!("{transport}:{}", path.display());
        write(&text, &first, &[image]).unwrap();
        let bytes = fs::read(&path).unwrap();
        write(&text, &second, &[again]).unwrap();
        assert!(fs::read(&path).unwrap() == bytes, "{transport}");
    }
    let before = fs::read(temporary.path().join("out.tar")).unwrap();
    let layer = fs::read_dir(second.directory().join("blobs/sha256"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&layer).unwrap();
    bytes[100_000] ^= 1;
    fs::write(&layer, bytes).unwrap();
    for transport in ["oci-archive", "docker-archive", "tar"] {
        let text = format!("{transport}:{}", temporary.path().join("out.tar").display());
        write(&text, &second, &[again]).unwrap_err();
        assert!(fs::read(temporary.path().join("out.tar")).unwrap() == before, "{transport}");
    }
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 3, "a partial file was left");
}

fn index_of(members: &BTreeMap<String, (Entry, Vec<u8>)>) -> Value {
    serde_json::from_slice(&members["/index.json"].1).unwrap()
}

#[test]
fn several_architectures() {
    let temporary = tempfile::tempdir().unwrap();
    let (layout, amd64) = write_image(&temporary.path().join("images"), &sample());
    let layer = write_layer(&layout, &sample()[0], "base");
    let arm = layout.write_image(&crate::image::spec(Arch::Arm32v6, vec![layer])).unwrap();
    let copy = temporary.path().join("copy");
    write(&format!("oci:{}:both", copy.display()), &layout, &[arm, amd64]).unwrap();
    let copy = Layout::open_or_create(copy).unwrap();
    let digest = index(&copy)["manifests"][0]["digest"].as_str().unwrap().parse().unwrap();
    let both: Value = serde_json::from_slice(&fs::read(copy.blob_path(&digest)).unwrap()).unwrap();
    assert_eq!(both["manifests"][0]["platform"]["architecture"], "amd64");
    assert_eq!(both["manifests"][1]["platform"]["variant"], "v6");
    let archive = temporary.path().join("both.tar");
    write(&format!("oci-archive:{}", archive.display()), &layout, &[arm, amd64]).unwrap();
    let members = read_tar(&archive);
    // Two layers and one shared, two configs, two manifests, an index.
    assert_eq!(members.keys().filter(|name| name.starts_with("/blobs/sha256/")).count(), 7);
    // Docker's list of images knows no architectures; an index of one is that one.
    assert!(!members.contains_key("/manifest.json"));
    let one = layout.write_index(&[arm]).unwrap();
    let target = layout.describe(one).unwrap();
    for (name, tags) in
        [("one", json!(["one:latest"])), ("a/b:1.0", json!(["a/b:1.0"])), ("One", Value::Null)]
    {
        let path = temporary.path().join("one.tar");
        let output = Output::parse(&format!("oci-archive:{}", path.display())).unwrap();
        output.write_target(&layout, &target, name).unwrap();
        let members = read_tar(&path);
        let images: Value = serde_json::from_slice(&members["/manifest.json"].1).unwrap();
        assert_eq!(images[0]["RepoTags"], tags);
        for path in images[0]["Layers"].as_array().unwrap().iter().chain([&images[0]["Config"]]) {
            assert!(members.contains_key(&format!("/{}", path.as_str().unwrap())), "{path}");
        }
        assert_eq!(index_of(&members)["manifests"][0]["digest"], one.digest.to_string());
    }
    let error = write(&format!("tar:{}", archive.display()), &layout, &[arm, amd64]).unwrap_err();
    assert!(matches!(error, OciError::OneArch { output: "tar", count: 2 }));
}

/// The merged tree as one tar, and as files: the same.
#[test]
fn root_file_systems() {
    let temporary = tempfile::tempdir().unwrap();
    let mut layers = sample();
    layers[1].push(file("/etc/.wh.group", 0o644, b""));
    // The target is replaced above; the link keeps its bytes.
    layers[0].push(hard_link("/usr/lib/kept", "/usr/lib/data"));
    let (layout, image) = write_image(&temporary.path().join("images"), &layers);
    let path = temporary.path().join("root.tar");
    write(&format!("tar:{}", path.display()), &layout, &[image]).unwrap();
    let members = read_tar(&path);
    assert!(!members.contains_key("/etc/group") && !members.contains_key("/etc/.wh.group"));
    assert_eq!(members["/usr/lib/data"].1, b"upper");
    assert_eq!(members["/usr/lib/data"].0.metadata.mode, 0o600);
    assert_eq!(members["/usr/lib/kept"].1, b"lower");
    assert_eq!(
        members["/opt/large-again"].0.kind,
        EntryKind::HardLink { target: crate::image::path("/opt/large") }
    );
    assert_eq!(members["/opt/capable"].0.metadata.xattrs.len(), 1);

    let root = temporary.path().join("root");
    let notes = write(&format!("dir:{}", root.display()), &layout, &[image]).unwrap();
    assert_eq!(fs::read(root.join("usr/lib/data")).unwrap(), b"upper");
    assert_eq!(fs::read(root.join("usr/lib/kept")).unwrap(), b"lower");
    assert!(fs::read(root.join("opt/large-again")).unwrap() == noise(5 << 20));
    let metadata = |name: &str| fs::symlink_metadata(root.join(name)).unwrap();
    assert_eq!(metadata("opt/large").ino(), metadata("opt/large-again").ino());
    assert_eq!(metadata("tmp").permissions().mode() & 0o7777, 0o1777);
    assert_eq!(metadata("opt/dated").mtime(), 1_000_000_000);
    assert_eq!(metadata("opt/link").mtime(), 315_619_200);
    assert_eq!(metadata("usr/lib").mtime(), 315_619_200);
    assert_eq!(metadata("").permissions().mode() & 0o7777, 0o755);
    assert_eq!(fs::read_link(root.join("opt/link")).unwrap(), Path::new("../bin/hello"));
    let privileged = metadata("opt/owned").uid() == 100;
    if privileged {
        assert_eq!(metadata("opt/setuid").permissions().mode() & 0o7777, 0o4755);
        assert_eq!(metadata("opt/null").rdev(), 0x103);
    } else {
        assert!(
            notes.iter().any(|note| note == "the character device `/opt/null` (1:3) was not made"),
            "{notes:?}"
        );
        assert!(notes.iter().any(|note| note == "`/opt/setuid` should have mode 4755"), "{notes:?}");
        assert!(notes.iter().any(|note| note.starts_with("1 paths should belong to 100:60")), "{notes:?}");
    }
    let error = write(&format!("dir:{}", root.display()), &layout, &[image]).unwrap_err();
    assert!(matches!(error, OciError::NotEmpty(_)));
    fs::create_dir(temporary.path().join("empty")).unwrap();
    write(&format!("dir:{}", temporary.path().join("empty").display()), &layout, &[image]).unwrap();
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 4, "a partial directory was left");
}

/// A layer that would write through its own link: nothing leaves the directory.
#[test]
fn nothing_is_written_through_links() {
    let temporary = tempfile::tempdir().unwrap();
    let outside = temporary.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let target = outside.to_str().unwrap();
    let attacks = [
        vec![vec![symlink("/out", target), file("/out/file", 0o644, b"x")]],
        vec![vec![symlink("/out", target)], vec![file("/out/file", 0o644, b"x")]],
        vec![vec![symlink("/out", target)], vec![directory("/out"), file("/out/file", 0o644, b"x")]],
        vec![vec![symlink("/out", &format!("{target}/file")), file("/out", 0o644, b"x")]],
    ];
    for (number, layers) in attacks.iter().enumerate() {
        let images = temporary.path().join(format!("images{number}"));
        let (layout, image) = write_image(&images, layers);
        let root = temporary.path().join(format!("root{number}"));
        let _ = write(&format!("dir:{}", root.display()), &layout, &[image]);
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "attack {number}");
    }
}
