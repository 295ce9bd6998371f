//! One byte is not as it was: in what the mirror sends, in the cache, in an image. It is noticed, named, and
//! nothing half-written stays.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use crate::support::server::{Answer, Server};
use crate::support::signing::Key;
use crate::support::suite::Files;
use crate::support::{Archive, Image, Rig};
use rootforge::digest::Digest;

const PACKAGES: &str = "Package: app
     Depends: libx1
     /usr/bin/app elf program needed=libx.so.1

     Package: libx1
     /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1";

const BUILD: [&str; 4] = ["build", "r.toml", "--arch", "amd64"];

/// A rig that has built an image `good` from the sound archive, and forgot all it had fetched.
fn prepared() -> Rig {
    let rig = Rig::with(&Archive::new(PACKAGES));
    rig.recipe("[[layer]]\nname = \"main\"\npackages = [\"app\"]\n");
    rig.build(&["--tag", "good"]);
    std::fs::remove_dir_all(rig.path("home")).unwrap();
    std::fs::create_dir(rig.path("home")).unwrap();
    std::fs::remove_file(rig.work("r.lock")).unwrap();
    rig
}

fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 1;
}

fn flip_file(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at.min(bytes.len() - 1);
    flip(&mut bytes, at);
    std::fs::write(path, bytes).unwrap();
}

/// The cache holds nothing under a wrong name and nothing half-written; the images are as they were.
#[track_caller]
fn nothing_happened(rig: &Rig, images: &std::collections::BTreeMap<PathBuf, Vec<u8>>) {
    assert_eq!(rig.leftovers(), Vec::<PathBuf>::new());
    let now = rig.listing("work/images");
    assert_eq!(now.keys().collect::<Vec<_>>(), images.keys().collect::<Vec<_>>());
    assert!(now == *images);
    for (path, bytes) in rig.listing("home/.cache/rootforge/blobs") {
        assert_eq!(path.file_name().unwrap().to_str(), Some(&*Digest::of(&bytes).hex()));
    }
    rig.run(&["check", "oci:images:good"]).ok();
}

/// What the mirror's files become, and what is said then.
type Tampering = (&'static str, fn(&mut Files), &'static [&'static str]);

const IN_RELEASE: &str = "dists/trixie/InRelease";

const TAMPERINGS: &[Tampering] = &[
    (
        "the signed text",
        |files| {
            let text = files.get_mut(IN_RELEASE).unwrap();
            let at = String::from_utf8(text.clone()).unwrap().find("Packages.xz").unwrap() - 20;
            flip(text, at);
        },
        &[
            "trixie/InRelease` is not trusted: the signature by key",
            "is bad: the text or the signature was altered",
        ],
    ),
    (
        "the signature",
        |files| {
            let text = files.get_mut(IN_RELEASE).unwrap();
            let at = String::from_utf8(text.clone()).unwrap().find("-----END PGP").unwrap() - 40;
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
        },
        &["trixie/InRelease` is not trusted: "],
    ),
    (
        "another's signature",
        |files| {
            let text = String::from_utf8(files[IN_RELEASE].clone()).unwrap();
            let start = text.find("\n\n").unwrap() + 2;
            let end = text.find("-----BEGIN PGP SIGNATURE").unwrap();
            let stranger = Key::new(crate::support::archive::at(crate::support::archive::DATE));
            files.insert(IN_RELEASE.to_owned(), stranger.in_release(&text[start..end]).into_bytes());
        },
        &["trixie/InRelease` is not trusted: the file is signed by unknown keys only", "hint: "],
    ),
    (
        "no signature",
        |files| {
            files.insert(IN_RELEASE.to_owned(), b"Origin: Debian\nSuite: trixie\n".to_vec());
        },
        &["trixie/InRelease` is not trusted: the file is not signed"],
    ),
    (
        "every copy of an index",
        |files| {
            for (path, bytes) in files.iter_mut().filter(|(path, _)| path.starts_with("dists/trixie/main/")) {
                assert!(path.contains("Packages") || path.contains("by-hash"));
                flip(bytes, 30);
            }
        },
        &[
            "is out of step: no copy of `main/binary-amd64/Packages` fits the signed InRelease of `trixie`",
            "hint: pass `--mirror` another mirror",
        ],
    ),
    (
        "a package",
        |files| flip(files.get_mut("pool/libx1_1.0_amd64.deb").unwrap(), 200),
        &["cannot fetch libx1 1.0: ", "is not what it should be: expected", "sha256:"],
    ),
    (
        "a package's end",
        |files| {
            files.get_mut("pool/app_1.0_amd64.deb").unwrap().pop();
        },
        &["cannot fetch app 1.0: ", "is not what it should be"],
    ),
    (
        "something behind a package",
        |files| files.get_mut("pool/app_1.0_amd64.deb").unwrap().push(0),
        &["cannot fetch app 1.0: ", "is not what it should be"],
    ),
    (
        "a package for another",
        |files| {
            let other = files["pool/libx1_1.0_amd64.deb"].clone();
            files.insert("pool/app_1.0_amd64.deb".to_owned(), other);
        },
        &["cannot fetch app 1.0: ", "is not what it should be"],
    ),
    (
        "a web page for a package",
        |files| {
            let page = b"<!DOCTYPE html><title>Log in</title>".to_vec();
            files.insert("pool/app_1.0_amd64.deb".to_owned(), page);
        },
        &["cannot fetch app 1.0: ", "the server sent an HTML page", "hint: a proxy or a captive portal"],
    ),
    (
        "a web page for everything",
        |files| files.values_mut().for_each(|bytes| *bytes = b"<html>Log in</html>".to_vec()),
        &["is not trusted: ", "the server sent an HTML page", "hint: a proxy or a captive portal"],
    ),
];

#[test]
fn what_the_mirror_sends_is_compared() {
    let rig = prepared();
    let images = rig.listing("work/images");
    for by_server in [false, true] {
        for (what, tamper, words) in TAMPERINGS {
            let mut files = Archive::new(PACKAGES).files();
            tamper(&mut files);
            let ran = if by_server {
                // Answers whole files whatever range is asked for, so that all of a wrong one comes.
                let server = Server::new(move |request| {
                    let file = files.get(request.path.trim_start_matches('/'));
                    file.map_or(Answer::status(404), |body| Answer::body(&body[..]))
                });
                rig.run_at(&server.root(), &BUILD)
            } else {
                std::fs::remove_dir_all(rig.path("archive")).unwrap();
                crate::support::archive::write_files(&files, &rig.path("archive"));
                rig.run(&BUILD)
            };
            assert_eq!(ran.code, Some(1), "{what}: {}", ran.err);
            for words in *words {
                assert!(ran.err.contains(words), "{what}: does not say {words}\n{}", ran.err);
            }
            nothing_happened(&rig, &images);
            std::fs::remove_dir_all(rig.path("home")).unwrap();
            std::fs::create_dir(rig.path("home")).unwrap();
            let _ = std::fs::remove_file(rig.work("r.lock"));
        }
    }
    // With the archive as it was, all is well.
    Archive::new(PACKAGES).write(&rig.path("archive"));
    rig.build(&[]);
}

#[test]
fn another_copy_of_an_index_will_do() {
    let rig = prepared();
    let files = Archive::new(PACKAGES).files();
    let copies: Vec<&String> = files.keys().filter(|path| path.starts_with("dists/trixie/main/")).collect();
    assert_eq!(copies.len(), 4);
    for sound in &copies {
        let mut files = files.clone();
        for path in copies.iter().filter(|path| path != &sound) {
            flip(files.get_mut(*path).unwrap(), 30);
        }
        std::fs::remove_dir_all(rig.path("archive")).unwrap();
        crate::support::archive::write_files(&files, &rig.path("archive"));
        let _ = std::fs::remove_file(rig.work("r.lock"));
        std::fs::remove_dir_all(rig.path("home")).unwrap();
        std::fs::create_dir(rig.path("home")).unwrap();
        rig.build(&[]);
    }
}

#[test]
fn the_cache_is_compared_too() {
    let rig = prepared();
    let archive = Archive::new(PACKAGES).files();
    let server = Server::of(archive.clone());
    let digest = rig.run_at(&server.root(), &BUILD).ok().digest();
    let images = rig.listing("work/images");
    let cached = |bytes: &[u8]| {
        let hex = Digest::of(bytes).hex();
        rig.cache().join("blobs/sha256").join(hex)
    };
    let package = cached(&archive["pool/libx1_1.0_amd64.deb"]);

    rig.forget("image-");
    flip_file(&package, 300);
    let offline = [&BUILD[..], &["--offline"]].concat();
    rig.run_at(&server.root(), &offline)
        .fails(1, &["libx1 1.0: it is not in the cache, and the build is offline"]);
    nothing_happened(&rig, &images);
    flip_file(&cached(&archive["pool/app_1.0_amd64.deb"]), 300);
    let ran = rig.run_at(&server.root(), &BUILD).ok();
    ran.says(&["note: the cached file of app 1.0 was damaged and is fetched again"]);
    nothing_happened(&rig, &images);
    assert_eq!(rig.run_at(&server.root(), &offline).ok().digest(), digest);

    // A cached index: found out when a lock is made.
    let index = cached(&archive["dists/trixie/main/binary-amd64/Packages.xz"]);
    assert!(index.exists());
    flip_file(&index, 40);
    rig.forget("packages-");
    std::fs::remove_file(rig.work("r.lock")).unwrap();
    rig.run_at(&server.root(), &offline).fails(1, &["trixie/main/binary-amd64/", "the build is offline"]);
    assert_eq!(rig.run_at(&server.root(), &BUILD).ok().digest(), digest);
    nothing_happened(&rig, &images);

    // What was derived is made again: any byte, any file.
    let derived: Vec<PathBuf> = rig.listing("home/.cache/rootforge/derived").into_keys().collect();
    assert!(derived.len() >= 4, "{derived:?}");
    for at in [0, 9, 1000] {
        for path in derived.iter().filter(|path| path.exists()) {
            flip_file(path, at);
        }
        let ran = rig.run_at(&server.root(), &BUILD).ok();
        assert_eq!(ran.digest(), digest);
    }
    nothing_happened(&rig, &images);
}

#[test]
fn a_kept_signature_is_verified_again() {
    let rig = prepared();
    let server = Server::of(Archive::new(PACKAGES).files());
    rig.run_at(&server.root(), &BUILD).ok();
    let kept = rig.listing("home/.cache/rootforge/derived").into_keys();
    for path in kept.filter(|path| path.to_string_lossy().contains("inrelease")) {
        flip_file(&path, 500);
    }
    std::fs::remove_file(rig.work("r.lock")).unwrap();
    let offline = [&BUILD[..], &["--offline"]].concat();
    rig.run_at(&server.root(), &offline).fails(1, &["the build is offline, and the index of `trixie`"]);
    rig.run_at(&server.root(), &BUILD).ok();
}

#[test]
fn an_image_is_checked_blob_by_blob() {
    let rig = prepared();
    let sound = rig.listing("work/images");
    rig.run(&["check", "oci:images:good"]).ok();
    let blobs: Vec<&PathBuf> =
        sound.keys().filter(|path| path.to_string_lossy().contains("blobs/sha256/")).collect();
    assert_eq!(blobs.len(), 3);
    for blob in blobs {
        for at in [0, 50, usize::MAX] {
            flip_file(blob, at);
            let checked = rig.run(&["check", "oci:images:good"]);
            assert_eq!(checked.code, Some(1), "{}{}", checked.out, checked.err);
            let name = blob.file_name().unwrap().to_str().unwrap();
            assert!(checked.out.contains(&name[..12]) || checked.out.contains("digest"), "{}", checked.out);
            std::fs::write(blob, &sound[blob]).unwrap();
        }
        std::fs::remove_file(blob).unwrap();
        let checked = rig.run(&["check", "oci:images:good"]);
        assert_eq!(checked.code, Some(1));
        assert!(checked.out.contains("it is not there"), "{}", checked.out);
        std::fs::write(blob, &sound[blob]).unwrap();
    }
    rig.run(&["check", "oci:images:good"]).ok();
    let index = rig.work("images/index.json");
    std::fs::write(&index, "{").unwrap();
    rig.run(&["check", "oci:images:good"]).fails(1, &[]);
}

/// A damaged blob of an image does not survive the build that needs it.
#[test]
fn a_build_mends_its_blobs() {
    let rig = prepared();
    for path in rig.listing("work/images").into_keys() {
        if path.to_string_lossy().contains("blobs/sha256/") {
            flip_file(&path, 20);
        }
    }
    rig.build(&["--tag", "good"]);
    rig.run(&["check", "oci:images:good"]).ok();
    Image::read(&rig.work("images"), "good").assert_sound();
}
