//! `check` on images with one thing wrong: that thing is named, and a good image has none.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "functions beside the tests fail like tests"
)]

mod access;
mod config;

use std::fs;
use std::path::{Path, PathBuf};

use crate::image::{
    directory, dynamic_object, file, hard_link, member, sample, symlink, write_image, write_layer,
};
use rootforge::arch::Arch;
use rootforge::check::{CheckError, Fault, ImageSource, check};
use rootforge::digest::Digest;
use rootforge::hint::Hint;
use rootforge::oci::{ImageRef, Layout, Output};
use rootforge::tarball::EntryKind;
use serde_json::{Value, json};

fn source(directory: &Path) -> ImageSource {
    ImageSource::Layout { directory: directory.to_owned(), name: Some("sample".to_owned()) }
}

/// All problems of a layout's sample as texts.
fn problems(directory: &Path) -> Vec<String> {
    let report = check(&source(directory)).unwrap();
    let warnings = report.warnings.iter().map(|warning| format!("warning: {warning}"));
    report.problems.iter().map(ToString::to_string).chain(warnings).collect()
}

#[track_caller]
fn assert_only(directory: &Path, expected: &[&str]) {
    let found = problems(directory);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for expected in expected {
        assert!(found.iter().any(|found| found.contains(expected)), "no `{expected}` in {found:#?}");
    }
}

/// One of an image's blobs.
type Choice = fn(&Blobs) -> &PathBuf;
/// Something done to manifest and config.
type Change = fn(&mut Value, &mut Value);

struct Blobs {
    manifest: PathBuf,
    config: PathBuf,
    layers: Vec<PathBuf>,
}

fn blobs(layout: &Layout, image: ImageRef) -> Blobs {
    let manifest = layout.blob_path(&image.digest);
    let document: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    let path = |value: &Value| layout.blob_path(&value["digest"].as_str().unwrap().parse().unwrap());
    let layers = document["layers"].as_array().unwrap().iter().map(path).collect();
    Blobs { config: path(&document["config"]), layers, manifest }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x40;
    fs::write(path, bytes).unwrap();
}

/// Replaces the config and manifest by changed ones, with digests that fit.
fn rewrite(layout: &Layout, image: ImageRef, change: impl FnOnce(&mut Value, &mut Value)) {
    let blobs = blobs(layout, image);
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let (mut manifest, mut config) = (read(&blobs.manifest), read(&blobs.config));
    let put = |document: &Value| {
        let bytes = document.to_string().into_bytes();
        let digest = Digest::of(&bytes);
        fs::write(layout.blob_path(&digest), &bytes).unwrap();
        (digest, bytes.len() as u64)
    };
    change(&mut manifest, &mut config);
    if manifest["config"]["digest"] == read(&blobs.manifest)["config"]["digest"] {
        let (digest, size) = put(&config);
        manifest["config"]["digest"] = json!(digest);
        manifest["config"]["size"] = json!(size);
    }
    let (digest, size) = put(&manifest);
    layout.tag("sample", ImageRef { digest, size, arch: image.arch }).unwrap();
}

#[test]
fn a_good_image_has_no_problem() {
    let temporary = tempfile::tempdir().unwrap();
    let (_, image) = write_image(temporary.path(), &sample());
    let report = check(&source(temporary.path())).unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(report.images.len(), 1);
    let summary = &report.images[0];
    assert_eq!((summary.name.as_str(), summary.digest), ("image `sample` (linux/amd64)", Some(image.digest)));
    assert_eq!(summary.layers, 2);
    assert!(summary.size > 3 << 20 && summary.paths == 29, "{summary:?}");
}

#[test]
fn one_byte_in_each_blob() {
    let kinds: [(&str, Choice); 4] = [
        ("manifest sha256:", |blobs| &blobs.manifest),
        ("config sha256:", |blobs| &blobs.config),
        ("layer 1 sha256:", |blobs| &blobs.layers[0]),
        ("layer 2 sha256:", |blobs| &blobs.layers[1]),
    ];
    for (place, choose) in kinds {
        for part in [0, 1, 2] {
            let temporary = tempfile::tempdir().unwrap();
            let (layout, image) = write_image(temporary.path(), &sample());
            let blobs = blobs(&layout, image);
            let path = choose(&blobs);
            let size = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
            flip(path, (size - 1) * part / 2);
            let report = check(&source(temporary.path())).unwrap();
            assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
            let problem = &report.problems[0];
            assert!(problem.place.contains(place), "{problem}");
            assert!(matches!(problem.fault, Fault::Digest(_)), "{problem}");
        }
    }
}

#[test]
fn many_things_wrong_are_told_together() {
    let temporary = tempfile::tempdir().unwrap();
    let (layout, image) = write_image(temporary.path(), &sample());
    let blobs = blobs(&layout, image);
    flip(&blobs.layers[0], 20);
    fs::remove_file(&blobs.config).unwrap();
    let bytes = fs::read(&blobs.layers[1]).unwrap();
    fs::write(&blobs.layers[1], &bytes[..bytes.len() - 7]).unwrap();
    assert_only(
        temporary.path(),
        &[
            "layer 1 sha256:",
            "its bytes have the digest sha256:",
            "bytes, and its descriptor says",
            "config sha256:",
        ],
    );
}

#[test]
fn documents_of_the_layout() {
    let damages: [(&str, &str, &str); 6] = [
        ("index.json", "{", "index.json: it is no JSON"),
        ("index.json", "{\"schemaVersion\":2}", "index.json: it has no list `manifests`"),
        ("oci-layout", "[", "oci-layout: it is no JSON"),
        ("oci-layout", "{\"imageLayoutVersion\":\"9\"}", "`imageLayoutVersion` is \"9\", not \"1.0.0\""),
        ("oci-layout", "", "oci-layout: it is no JSON"),
        (
            "index.json",
            r#"{"schemaVersion":2,"manifests":[{"annotations":{"org.opencontainers.image.ref.name":"sample"}}]}"#,
            "lacks a digest",
        ),
    ];
    for (name, text, expected) in damages {
        let temporary = tempfile::tempdir().unwrap();
        write_image(temporary.path(), &sample());
        fs::write(temporary.path().join(name), text).unwrap();
        assert_only(temporary.path(), &[expected]);
    }
    let temporary = tempfile::tempdir().unwrap();
    write_image(temporary.path(), &sample());
    fs::remove_file(temporary.path().join("oci-layout")).unwrap();
    assert_only(temporary.path(), &["oci-layout: it is not there"]);
}

#[test]
fn manifest_and_config_disagree() {
    let cases: [(Change, &[&str]); 9] = [
        (
            |_, config| config["rootfs"]["diff_ids"].as_array_mut().unwrap().truncate(1),
            &[
                "the manifest has 2 layers, the config 1 diff_ids",
                "the history tells of 2 layers, there are 1",
            ],
        ),
        (
            |_, config| config["history"] = json!([{ "created_by": "x" }]),
            &["the history tells of 1 layers, there are 2"],
        ),
        (|_, config| config["rootfs"]["diff_ids"][1] = json!(Digest::of(b"")), &["layer 2"]),
        (
            |_, config| config["architecture"] = json!("s390x"),
            &["the index says linux/amd64, the config says linux/s390x"],
        ),
        (
            |manifest, _| manifest["layers"][0]["mediaType"] = json!("text/plain"),
            &["the media type `text/plain` does not belong here"],
        ),
        (
            |manifest, _| {
                manifest["layers"][1]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+zstd");
            },
            &["layer 2"],
        ),
        (
            |manifest, _| manifest["mediaType"] = json!("application/vnd.oci.image.index.v1+json"),
            &["the media type `application/vnd.oci.image.index.v1+json` does not belong here"],
        ),
        (
            |_, config| {
                config["config"]["User"] = json!("nobody:nogroup");
                config["config"]["Entrypoint"] = json!(["/bin/missing"]);
            },
            &[
                "the user `nobody` is not in /etc/passwd",
                "the group `nogroup` is not in /etc/group",
                "the entrypoint `/bin/missing` is not in the image",
            ],
        ),
        (
            |_, config| config["config"]["Entrypoint"] = json!(["/etc/passwd"]),
            &["the entrypoint `/etc/passwd` is no executable file"],
        ),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        let temporary = tempfile::tempdir().unwrap();
        let (layout, image) = write_image(temporary.path(), &sample());
        rewrite(&layout, image, change);
        let found = problems(temporary.path());
        for expected in expected {
            assert!(found.iter().any(|found| found.contains(expected)), "case {number}: {found:#?}");
        }
        if number != 5 {
            assert_eq!(found.len(), expected.len(), "case {number}: {found:#?}");
        }
    }
}

#[test]
fn swapped_layers_have_other_diff_ids() {
    let temporary = tempfile::tempdir().unwrap();
    let (layout, image) = write_image(temporary.path(), &sample());
    rewrite(&layout, image, |manifest, _| manifest["layers"].as_array_mut().unwrap().reverse());
    let report = check(&source(temporary.path())).unwrap();
    let wrong =
        report.problems.iter().filter(|problem| matches!(problem.fault, Fault::DiffId { .. })).count();
    assert_eq!(wrong, 2);
}

#[test]
fn what_is_odd_in_a_layer() {
    let whole = sample();
    let cases: [(Vec<crate::image::Member>, &[&str]); 7] = [
        (vec![file("/bin/x", 0o644, b""), file("/bin/x", 0o644, b"")], &["the path `/bin/x` stands twice"]),
        (vec![file("/srv/x", 0o644, b"")], &["`/srv/x` lies in `/srv`, which no layer has"]),
        (
            vec![hard_link("/bin/x", "/bin/y")],
            &["the hard link `/bin/x` points at `/bin/y`, which is not there"],
        ),
        (
            vec![hard_link("/bin/x", "/bin/hello")],
            &["the hard link `/bin/x` points at `/bin/hello` of a lower layer"],
        ),
        (
            vec![directory("/lib"), file("/lib/x", 0o644, b"")],
            &["`/lib` hides a lower layer's link to the directory `/usr/lib`"],
        ),
        (
            vec![file("/lib/x", 0o644, b"")],
            &["`/lib` hides a lower layer's link to the directory `/usr/lib`"],
        ),
        (
            vec![symlink("/usr", "bin")],
            &["`/usr` is no directory and hides a lower layer's directory with 2 entries"],
        ),
    ];
    for (top, expected) in cases {
        let temporary = tempfile::tempdir().unwrap();
        write_image(temporary.path(), &[whole[0].clone(), top]);
        assert_only(temporary.path(), expected);
    }
}

#[test]
fn a_layer_that_is_no_archive() {
    use std::io::Write;
    let escaping = {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..9].copy_from_slice(b"../../etc");
        header.set_size(0);
        header.set_cksum();
        let mut tar = header.as_bytes().to_vec();
        tar.resize(512 + 1024, 0);
        tar
    };
    for (bytes, expected) in [(escaping, "contains `..`"), (vec![7; 2000], "layer 2")] {
        let temporary = tempfile::tempdir().unwrap();
        let layout = Layout::open_or_create(temporary.path()).unwrap();
        let base = write_layer(&layout, &sample()[0], "base");
        let mut writer = layout.layer_writer().unwrap();
        writer.write_all(&bytes).unwrap();
        let layer = writer.complete("bad".into()).unwrap();
        let image = layout.write_image(&crate::image::spec(Arch::Amd64, vec![base, layer])).unwrap();
        layout.tag("sample", image).unwrap();
        assert_only(temporary.path(), &[expected]);
        assert!(problems(temporary.path())[0].contains("its archive is wrong"));
    }
}

/// A blob cut short whose descriptor fits it: only decompressing shows it.
#[test]
fn gzip_cut_short() {
    let temporary = tempfile::tempdir().unwrap();
    let (layout, image) = write_image(temporary.path(), &sample());
    let bytes = fs::read(&blobs(&layout, image).layers[1]).unwrap();
    let cut = &bytes[..bytes.len() - 4];
    let digest = Digest::of(cut);
    fs::write(layout.blob_path(&digest), cut).unwrap();
    rewrite(&layout, image, |manifest, _| {
        manifest["layers"][1]["digest"] = json!(digest);
        manifest["layers"][1]["size"] = json!(cut.len());
    });
    let found = problems(temporary.path());
    assert!(found.iter().any(|found| found.contains("its archive is wrong")), "{found:#?}");
}

#[test]
fn libraries_are_found_as_the_loader_would() {
    let interp = "/lib64/ld-linux-x86-64.so.2";
    let program = dynamic_object(None, &["libone.so.1"], Some(interp));
    let one = dynamic_object(Some("libone.so.1"), &["libtwo.so.2"], None);
    let two = dynamic_object(Some("libtwo.so.2"), &[], None);
    let plugin = dynamic_object(None, &["libgone.so.0", "libone.so.1"], None);
    let top = |more: Vec<crate::image::Member>| {
        let mut top = vec![
            file("/bin/program", 0o755, &program),
            directory("/lib64"),
            file(
                "/lib64/ld-linux-x86-64.so.2",
                0o755,
                &dynamic_object(Some("ld-linux-x86-64.so.2"), &[], None),
            ),
            directory("/usr/lib/x86_64-linux-gnu"),
            file("/usr/lib/x86_64-linux-gnu/libone.so.1.0", 0o644, &one),
            symlink("/usr/lib/x86_64-linux-gnu/libone.so.1", "libone.so.1.0"),
        ];
        top.extend(more);
        top
    };
    let library = file("/usr/lib/x86_64-linux-gnu/libtwo.so.2", 0o644, &two);
    let record = "d41d8cd98f00b204e9800998ecf8427e  usr/lib/x86_64-linux-gnu/libone.so.1.0\n";
    let cases: [(Vec<crate::image::Member>, &[&str]); 6] = [
        (vec![library.clone()], &[]),
        (vec![], &["`/usr/lib/x86_64-linux-gnu/libone.so.1.0` needs `libtwo.so.2`"]),
        (
            vec![
                directory("/var"),
                directory("/var/lib"),
                directory("/var/lib/dpkg"),
                directory("/var/lib/dpkg/status.d"),
                file("/var/lib/dpkg/status.d/one.md5sums", 0o644, record.as_bytes()),
            ],
            &["/libone.so.1.0` needs `libtwo.so.2`, which the loader will not find (from one)"],
        ),
        (
            vec![library.clone(), directory("/usr/lib/plug"), file("/usr/lib/plug/in.so", 0o644, &plugin)],
            &[
                "warning: image `sample` (linux/amd64): the plug-in /usr/lib/plug/in.so lacks `libgone.so.0` and will not load",
            ],
        ),
        (
            vec![
                library.clone(),
                file("/bin/other", 0o755, &dynamic_object(None, &[], Some("/lib/ld-none.so.1"))),
            ],
            &["`/bin/other` needs the loader `/lib/ld-none.so.1`"],
        ),
        (
            vec![library, file("/bin/cut", 0o755, &program[..program.len() / 2])],
            &["`/bin/cut` is a damaged ELF file"],
        ),
    ];
    for (more, expected) in cases {
        let temporary = tempfile::tempdir().unwrap();
        write_image(temporary.path(), &[sample()[0].clone(), top(more)]);
        assert_only(temporary.path(), expected);
    }
}

/// What the loader reads is whole, and the program would crash where its code ends.
#[test]
fn a_program_that_is_cut_off() {
    let mut layers = sample();
    let whole = layers[0][1].1.clone();
    layers[1].push(file("/bin/cut", 0o755, &whole[..whole.len() - 1]));
    layers[1].push(file("/opt/whole", 0o755, &whole));
    let temporary = tempfile::tempdir().unwrap();
    write_image(temporary.path(), &layers);
    assert_only(temporary.path(), &["`/bin/cut` is a damaged ELF file: it is cut off: it has "]);
    assert_eq!(check(&source(temporary.path())).unwrap().warnings, []);
}

/// The image's programs say whose rules hold, also for its plug-ins.
#[test]
fn libraries_are_found_as_musl_would() {
    let loader = "/lib/ld-musl-x86_64.so.1";
    let libc = "libc.musl-x86_64.so.1";
    let program = dynamic_object(None, &["libone.so.1", libc], Some(loader));
    let one = dynamic_object(None, &["libtwo.so.2", "libpthread.so.0"], None);
    let plugin = dynamic_object(None, &["libtwo.so.2", libc], None);
    let other = dynamic_object(None, &["libc.so.6"], Some("/lib64/ld-linux-x86-64.so.2"));
    let base = || {
        vec![
            file("/bin/program", 0o755, &program),
            directory("/usr/lib"),
            file(
                "/usr/lib/ld-musl-x86_64.so.1",
                0o755,
                &dynamic_object(Some("libc.musl-x86_64.so.1"), &[], None),
            ),
            file("/usr/lib/libone.so.1", 0o644, &one),
            file("/usr/lib/plugin.so", 0o644, &plugin),
        ]
    };
    // By the name of the file: musl knows no sonames.
    let two = |path: &str| file(path, 0o644, &dynamic_object(Some("libother.so"), &[], None));
    let path_file = |text: &str| file("/etc/ld-musl-x86_64.path", 0o644, text.as_bytes());
    let cases: [(Vec<crate::image::Member>, &[&str]); 5] = [
        (vec![two("/usr/lib/libtwo.so.2")], &[]),
        (
            vec![],
            &[
                "`/usr/lib/libone.so.1` needs `libtwo.so.2`",
                "warning: image `sample` (linux/amd64): the plug-in /usr/lib/plugin.so lacks `libtwo.so.2`",
            ],
        ),
        // Behind a path file, the default directories do not count.
        (vec![directory("/opt"), two("/opt/libtwo.so.2"), path_file("/usr/lib\n/opt\n")], &[]),
        (vec![two("/usr/lib/libtwo.so.2"), path_file("/opt")], &["`/bin/program` needs `libone.so.1`"]),
        (
            vec![
                two("/usr/lib/libtwo.so.2"),
                file("/bin/other", 0o755, &other),
                directory("/lib64"),
                // Stands in for glibc's, and is a program for musl's.
                file("/lib64/ld-linux-x86-64.so.2", 0o755, &dynamic_object(None, &[libc], Some(loader))),
            ],
            &[],
        ),
    ];
    for (more, expected) in cases {
        let temporary = tempfile::tempdir().unwrap();
        write_image(temporary.path(), &[sample()[0].clone(), [base(), more].concat()]);
        assert_only(temporary.path(), expected);
    }
}

/// Bytes as gzip and as zstd.
fn compressed(bytes: &[u8]) -> [(&'static str, Vec<u8>); 2] {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    [("gz", gzip.finish().unwrap()), ("zst", zstd::encode_all(bytes, 1).unwrap())]
}

#[test]
fn archives_are_checked_like_layouts() {
    let temporary = tempfile::tempdir().unwrap();
    let (layout, image) = write_image(&temporary.path().join("images"), &sample());
    let in_layout = source(&temporary.path().join("images"));
    for transport in ["oci-archive", "docker-archive"] {
        let text = format!("{transport}:{}", temporary.path().join(transport).display());
        Output::parse(&text).unwrap().write(&layout, &[image], "sample").unwrap();
        let source = ImageSource::parse(&text).unwrap();
        let report = check(&source).unwrap();
        assert_eq!(report.problems, [], "{transport}");
        // A Docker archive of ours is a layout too, and both say the same: once.
        assert_eq!(report.images.len(), 1, "{:?}", report.images);
        let size = check(&in_layout).unwrap().images[0].size;
        assert!(report.images.iter().all(|image| image.size == size), "{:?}", report.images);
        for (ending, bytes) in compressed(&fs::read(source.path()).unwrap()) {
            let file = temporary.path().join(format!("{transport}.{ending}"));
            fs::write(&file, bytes).unwrap();
            let report =
                check(&ImageSource::parse(&format!("{transport}:{}", file.display())).unwrap()).unwrap();
            assert_eq!((report.problems, report.images.len()), (vec![], 1), "{transport} {ending}");
            fs::write(&file, &fs::read(&file).unwrap()[..5000]).unwrap();
            let error =
                check(&ImageSource::parse(&format!("{transport}:{}", file.display())).unwrap()).unwrap_err();
            assert!(error.to_string().contains("it is no tar archive"), "{error}");
        }
        // The last MiB of the tar's first half is in the large layer.
        let size = usize::try_from(fs::metadata(source.path()).unwrap().len()).unwrap();
        flip(source.path(), size / 2);
        let report = check(&source).unwrap();
        assert!(report.problems.iter().any(|problem| matches!(problem.fault, Fault::Digest(_))));
    }
}

#[test]
fn a_name_that_is_not_there() {
    let temporary = tempfile::tempdir().unwrap();
    write_image(temporary.path(), &sample());
    let source = ImageSource::parse(&format!("oci:{}:other", temporary.path().display())).unwrap();
    let error = check(&source).unwrap_err();
    assert!(matches!(error, CheckError::NoSuchName { .. }));
    assert_eq!(error.hints(), ["it has sample"]);
    let error = check(&ImageSource::parse("oci:does-not-exist").unwrap()).unwrap_err();
    assert!(matches!(error, CheckError::Open { .. }), "{error}");
    assert!(matches!(ImageSource::parse("dir:x"), Err(CheckError::NoImage(_))));
}

/// A device is no program, and a numeric user needs no passwd.
#[test]
fn entrypoint_through_links_and_numbers() {
    let mut layers = sample();
    layers[1].push(symlink("/bin/run", "/opt/link"));
    layers[1].push(member("/bin/zero", 0o755, EntryKind::CharDevice { major: 1, minor: 5 }, b""));
    for (entrypoint, expected) in [
        ("run", &[][..]),
        ("/bin/run", &[]),
        ("./bin/run", &[]),
        ("zero", &["is no executable file"]),
        ("walk", &["is not in the image"]),
    ] {
        let temporary = tempfile::tempdir().unwrap();
        let (layout, image) = write_image(temporary.path(), &layers);
        rewrite(&layout, image, |_, config| {
            config["config"]["Entrypoint"] = json!([entrypoint]);
            config["config"]["User"] = json!("65534:65534");
        });
        assert_only(temporary.path(), expected);
    }
}

/// What a container starts must have its interpreter; another command may lack it where a recipe leaves that out.
#[test]
fn scripts_have_their_interpreters() {
    let mut layers = sample();
    layers[1].extend([
        directory("/usr/bin"),
        symlink("/usr/bin/env", "../../bin/hello"),
        file("/usr/bin/fine", 0o755, b"#!/bin/hello -e\n"),
        file("/usr/bin/by-env", 0o755, b"#! /usr/bin/env -S A=1 hello -e\n"),
        file("/usr/bin/text", 0o644, b"#!/bin/lost\n"),
        file("/usr/bin/lost", 0o755, b"#!/bin/lost -e\nexit 0\n"),
        file("/usr/bin/lost-by-env", 0o755, b"#!/usr/bin/env python9\n"),
        file("/opt/start", 0o755, b"#!/opt/lost"),
    ]);
    let warnings = [
        "warning: image `sample` (linux/amd64): the script `/usr/bin/lost` needs `/bin/lost`, which is not in the image",
        "the script `/usr/bin/lost-by-env` needs `python9`",
    ];
    for (entrypoint, error) in
        [("/usr/bin/fine", None), ("/opt/start", Some("the script `/opt/start` needs `/opt/lost`"))]
    {
        let temporary = tempfile::tempdir().unwrap();
        let (layout, image) = write_image(temporary.path(), &layers);
        rewrite(&layout, image, |_, config| config["config"]["Entrypoint"] = json!([entrypoint]));
        let expected: Vec<&str> = warnings.into_iter().chain(error).collect();
        assert_only(temporary.path(), &expected);
        let report = check(&source(temporary.path())).unwrap();
        assert_eq!(report.problems.len(), usize::from(error.is_some()), "{:#?}", report.problems);
    }
}
