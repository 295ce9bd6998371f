//! What is wrong with a mirror, a cache or a recipe is noticed and named, and nothing half-written stays.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use rootforge::arch::Arch;
use rootforge::digest::Digest;

use crate::alpine::apks::{apk, sign_index, write_files};
use crate::alpine::mirror::Served;
use crate::support::apk::Key;
use crate::support::rig::Ran;
use crate::support::server::{Answer, Server};

const BUILD: [&str; 4] = ["build", "r.toml", "--arch", "amd64"];
const LAYER: &str = "[[layer]]\nname = \"main\"\npackages = [\"base\"]\n";
const INDEX: &str = "v3.20/main/x86_64/APKINDEX.tar.gz";
const PACKAGE: &str = "v3.20/main/x86_64/busybox-1.36.1-r29.apk";
const OTHER: &str = "v3.20/main/x86_64/zlib-1.3.1-r1.apk";

/// Where each gzip member of a file begins, and where the last ends.
fn members(bytes: &[u8]) -> Vec<usize> {
    let mut starts = vec![0];
    while let Some(rest) = bytes.get(*starts.last().unwrap()..).filter(|rest| !rest.is_empty()) {
        let mut member = flate2::bufread::GzDecoder::new(rest);
        member.read_to_end(&mut Vec::new()).unwrap();
        starts.push(bytes.len() - member.into_inner().len());
    }
    starts
}

fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 1;
}

/// Changes a byte in the middle of a file's member.
fn flip_member(served: &mut Served, path: &str, number: usize) {
    let bytes = served.files.get_mut(path).unwrap();
    let starts = members(bytes);
    flip(bytes, usize::midpoint(starts[number], starts[number + 1]));
}

fn replace(served: &mut Served, path: &str, bytes: impl Into<Vec<u8>>) {
    *served.files.get_mut(path).unwrap() = bytes.into();
}

/// The field of a package in the index, with a value of another.
fn forge(served: &mut Served, change: fn(&mut Vec<String>)) {
    served.resign("x86_64", change);
}

/// What the mirror's files become, and what is said then.
type Tampering = (&'static str, fn(&mut Served), &'static [&'static str]);

const TAMPERINGS: &[Tampering] = &[
    (
        "a package's data cut off within a member",
        |served| {
            let bytes = served.files.get_mut(PACKAGE).unwrap();
            bytes.truncate(bytes.len() - 1000);
        },
        &["cannot fetch busybox 1.36.1-r29: ", "is not what it should be: expected 502212 bytes", "hint: "],
    ),
    (
        "a package of the right size whose data end early",
        |served| {
            let bytes = served.files.get_mut(PACKAGE).unwrap();
            let (length, kept) = (bytes.len(), bytes.len() - 1000);
            bytes.truncate(kept);
            bytes.resize(length, 0);
        },
        &["cannot fetch busybox 1.36.1-r29: ", "hint: "],
    ),
    (
        "a byte of a package's control member",
        |served| flip_member(served, PACKAGE, 1),
        &["cannot fetch busybox 1.36.1-r29: ", "control member", "hint: "],
    ),
    (
        "a byte of a package's data",
        |served| flip_member(served, PACKAGE, 2),
        &[
            "cannot fetch busybox 1.36.1-r29: ",
            "`busybox-1.36.1-r29.apk`: the data has the digest ",
            "but .PKGINFO says ",
            "hint: ",
        ],
    ),
    (
        "another package in a package's place, soundly signed",
        |served| {
            let other = served.files[OTHER].clone();
            replace(served, PACKAGE, other);
        },
        &["cannot fetch busybox 1.36.1-r29: ", "hint: "],
    ),
    (
        "another package's checksum and size in an index, validly signed",
        |served| {
            forge(served, |records| {
                let field = |records: &[String], package: &str, name: &str| {
                    let record = records.iter().find(|record| record.contains(package)).unwrap();
                    record.lines().find(|line| line.starts_with(name)).unwrap().to_owned()
                };
                for name in ["C:", "S:"] {
                    let (own, foreign) =
                        (field(records, "\nP:busybox\n", name), field(records, "\nP:scanelf\n", name));
                    let record = records.iter_mut().find(|record| record.contains("\nP:busybox\n")).unwrap();
                    *record = record.replace(&own, &foreign);
                }
            });
        },
        &["cannot fetch busybox 1.36.1-r29: ", "hint: "],
    ),
    (
        "another package's checksum alone",
        |served| {
            forge(served, |records| {
                let scanelf = records.iter().find(|record| record.contains("\nP:scanelf\n")).unwrap();
                let foreign = scanelf.lines().next().unwrap().to_owned();
                let record = records.iter_mut().find(|record| record.contains("\nP:busybox\n")).unwrap();
                let own = record.lines().next().unwrap().to_owned();
                *record = record.replace(&own, &foreign);
            });
        },
        &["cannot fetch busybox 1.36.1-r29: ", "hint: "],
    ),
    (
        "all packages gone",
        |served| served.files.retain(|path, _| path.contains("APKINDEX")),
        &[
            "it is not on the mirror any more",
            "hint: run `rootforge lock --update` to take the present versions",
            "hint: if the mirror is behind the lock, pass `--mirror` another one",
        ],
    ),
    (
        "a package that is gone",
        |served| {
            served.files.remove(PACKAGE);
        },
        &[
            "cannot fetch busybox 1.36.1-r29: it is not on the mirror any more",
            "hint: run `rootforge lock --update",
        ],
    ),
    (
        "a package of format 3",
        |served| served.files.get_mut(PACKAGE).unwrap()[..8].copy_from_slice(b"ADBd\x01\x02\x03\x04"),
        &[
            "cannot fetch busybox 1.36.1-r29: ",
            "is of apk's format 3 (`ADB`), which is not supported",
            "hint: ",
        ],
    ),
    (
        "a web page for a package",
        |served| replace(served, PACKAGE, &b"<!DOCTYPE html><title>Log in</title>"[..]),
        &["cannot fetch busybox 1.36.1-r29: ", "HTML", "hint: a proxy or a "],
    ),
    (
        "a byte of the index's signed part",
        |served| flip_member(served, INDEX, 1),
        &["APKINDEX.tar.gz` cannot be used", "the signature by `rootforge-test-1.rsa.pub` is forged"],
    ),
    (
        "the index's signature",
        |served| {
            let bytes = served.files[INDEX].clone();
            let rest = bytes[members(&bytes)[1]..].to_vec();
            let signature = served.key.sign("RSA", b"something else");
            let name = format!(".SIGN.RSA.{}", served.key.name);
            let member = crate::support::apk::signature_member(&[(name, signature)]);
            replace(served, INDEX, [member, rest].concat());
        },
        &[
            "cannot be used",
            "the signature by `rootforge-test-1.rsa.pub` is forged",
            "hint: do not use this mirror",
        ],
    ),
    (
        "a byte of the index's signature member",
        |served| flip_member(served, INDEX, 0),
        &["APKINDEX.tar.gz` cannot be used", "hint: "],
    ),
    (
        "an index that is not signed",
        |served| {
            let bytes = served.files[INDEX].clone();
            replace(served, INDEX, &bytes[members(&bytes)[1]..]);
        },
        &["APKINDEX.tar.gz` cannot be used", "it is not signed", "hint: "],
    ),
    (
        "an index cut off",
        |served| {
            let bytes = served.files.get_mut(INDEX).unwrap();
            bytes.truncate(bytes.len() - 100);
        },
        &[
            "APKINDEX.tar.gz` cannot be used",
            "cut off within its list of packages",
            "hint: the file may be damaged",
        ],
    ),
    (
        "an empty index",
        |served| replace(served, INDEX, &b""[..]),
        &["APKINDEX.tar.gz` cannot be used", "is not an APKINDEX.tar.gz", "hint: it may be damaged"],
    ),
    (
        "an unknown key's index",
        |served| {
            let stranger = Key::new("stranger").unwrap();
            let index = sign_index(&served.records("x86_64").join("\n"), &stranger);
            replace(served, INDEX, index);
        },
        &["it is signed by unknown keys only: stranger.rsa.pub", "hint: add the repository's key to `keys`"],
    ),
    (
        "a foreign key's index, of the right name",
        |served| {
            let stranger = Key::new("rootforge-test-1").unwrap();
            let index = sign_index(&served.records("x86_64").join("\n"), &stranger);
            replace(served, INDEX, index);
        },
        &["the signature by `rootforge-test-1.rsa.pub` is forged", "hint: do not use this mirror"],
    ),
    (
        "an index of format 3",
        |served| replace(served, INDEX, &b"ADB.\x01\x02\x03\x04and so on"[..]),
        &[
            "the index is of apk's format 3 (`ADB`), which is not supported",
            "hint: use a repository that serves format 2",
        ],
    ),
    (
        "a web page for everything",
        |served| served.files.values_mut().for_each(|bytes| *bytes = b"<html>Log in</html>".to_vec()),
        &["APKINDEX.tar.gz` cannot be used", "it looks like HTML", "hint: a proxy or a login page"],
    ),
    (
        "another architecture's index",
        |served| {
            let other = served.files[&INDEX.replace("x86_64", "s390x")].clone();
            replace(served, INDEX, other);
        },
        &["is for another architecture: ", "is for s390x, not for x86_64", "hint: "],
    ),
];

/// A mirror and a rig that has built an image `good` from it, and forgot all it had fetched.
fn prepared() -> Option<Served> {
    let served = Served::new()?;
    served.run_from_directory(&[&BUILD[..], &["--tag", "good"]].concat()).ok();
    forget(&served);
    Some(served)
}

fn forget(served: &Served) {
    std::fs::remove_dir_all(served.rig.path("home")).unwrap();
    std::fs::create_dir(served.rig.path("home")).unwrap();
    let _ = std::fs::remove_file(served.rig.work("r.lock"));
}

/// The cache holds nothing under a wrong name and nothing half-written; the images are as they were.
#[track_caller]
fn nothing_happened(served: &Served, images: &BTreeMap<PathBuf, Vec<u8>>) {
    let rig = &served.rig;
    assert_eq!(rig.leftovers(), Vec::<PathBuf>::new());
    let now = rig.listing("work/images");
    assert_eq!(now.keys().collect::<Vec<_>>(), images.keys().collect::<Vec<_>>());
    assert!(now == *images);
    let sound: Vec<Digest> = Served::new().unwrap().files.values().map(|bytes| Digest::of(bytes)).collect();
    for (path, bytes) in rig.listing("home/.cache/rootforge/blobs/apk") {
        assert!(sound.contains(&Digest::of(&bytes)), "{}", path.display());
    }
}

#[track_caller]
fn fails(what: &str, ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, Some(1), "{what}: {}", ran.err);
    for words in words {
        assert!(ran.err.contains(words), "{what}: does not say {words}\n{}", ran.err);
    }
}

#[test]
fn what_the_mirror_sends_is_compared() {
    let Some(served) = prepared() else { return };
    let images = served.rig.listing("work/images");
    for (what, tamper, words) in TAMPERINGS {
        let mut wrong = Served::new().unwrap();
        tamper(&mut wrong);
        let directory = served.rig.path("mirror");
        write_files(&wrong.files, &directory);
        let ran = served.run(directory.to_str().unwrap(), &BUILD);
        fails(what, &ran, words);
        nothing_happened(&served, &images);
        forget(&served);
        // A server answers whole files whatever range is asked for, so that all of a wrong one comes.
        let server = Server::new(move |request| {
            let file = wrong.files.get(request.path.trim_start_matches('/'));
            file.map_or(Answer::status(404), |body| Answer::body(&body[..]))
        });
        fails(what, &served.run(&server.root(), &BUILD), words);
        nothing_happened(&served, &images);
        forget(&served);
    }
    // With the mirror as it was, all is well.
    served.run_from_directory(&BUILD).ok();
}

#[test]
fn the_cache_is_compared_too() {
    let Some(served) = prepared() else { return };
    let server = Server::of(served.files.clone());
    let digest = served.run(&server.root(), &BUILD).ok().digest();
    let cached = || -> BTreeMap<PathBuf, Vec<u8>> { served.rig.listing("home/.cache/rootforge/blobs/apk") };
    let offline = [&BUILD[..], &["--locked", "--offline"]].concat();
    let package = Digest::of(&served.files[PACKAGE]);
    let (path, bytes) = cached().into_iter().find(|(_, bytes)| Digest::of(bytes) == package).unwrap();
    let starts = members(&bytes);
    // In the signature, the control member, the data, and behind its end.
    for number in [1, 2] {
        let mut wrong = bytes.clone();
        flip(&mut wrong, usize::midpoint(starts[number], starts[number + 1]));
        std::fs::write(&path, &wrong).unwrap();
        served.rig.forget("image-");
        served
            .run(&server.root(), &offline)
            .fails(1, &["busybox 1.36.1-r29: it is not in the cache, and the build is offline", "hint: "]);
        std::fs::write(&path, &wrong).unwrap();
        let ran = served.run(&server.root(), &BUILD).ok();
        assert_eq!(ran.digest(), digest);
        ran.says(&["note: the cached file of busybox 1.36.1-r29 was damaged and is fetched again"]);
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    std::fs::write(&path, &bytes[..bytes.len() - 1000]).unwrap();
    served.rig.forget("image-");
    assert_eq!(served.run(&server.root(), &BUILD).ok().digest(), digest);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    // What was derived is made again: any byte, any file.
    let derived: Vec<PathBuf> = served.rig.listing("home/.cache/rootforge/derived").into_keys().collect();
    assert!(derived.len() >= 4, "{derived:?}");
    for path in derived.iter().filter(|path| path.exists()) {
        let mut bytes = std::fs::read(path).unwrap();
        let at = bytes.len() / 2;
        flip(&mut bytes, at);
        std::fs::write(path, bytes).unwrap();
    }
    assert_eq!(served.run(&server.root(), &BUILD).ok().digest(), digest);
    assert_eq!(served.rig.leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn an_index_older_than_the_lock_is_refused() {
    let Some(mut served) = prepared() else { return };
    served.run_from_directory(&BUILD).ok();
    let lock = served.rig.read("r.lock");
    let new = served.files.clone();
    served.resign("x86_64", |records| {
        for record in records {
            let time = record.lines().find(|line| line.starts_with("t:")).unwrap().to_owned();
            *record = record.replace(&time, "t:1500000000");
        }
    });
    let update = ["lock", "--update", "r.toml"];
    let words = [
        "error: the index of alpine v3.20/main is of 2017-07-14T02:40:00Z, older than that of the lock, 2024-",
        "hint: ",
        "--allow-expired-index",
    ];
    served.run_from_directory(&update).fails(1, &words);
    served.run_from_directory(&["lock", "r.toml", "--update", "zlib"]).fails(1, &words[..1]);
    assert_eq!(served.rig.read("r.lock"), lock);
    // What the lock has can be built still: it asks no index.
    served.run_from_directory(&[&BUILD[..], &["--locked"]].concat()).ok();
    served.run_from_directory(&["lock", "--update", "--allow-expired-index", "r.toml"]).ok();
    assert!(served.rig.read("r.lock").contains("date = \"2017-07-14T02:40:00Z\""));
    // Forward again, without a word.
    served.files = new;
    served.run_from_directory(&update).ok();
    assert_eq!(served.rig.read("r.lock"), lock);
}

#[test]
fn an_architecture_that_the_mirror_lacks_is_named() {
    let Some(rig) = crate::alpine::corpus::rig("v3.8", "") else { return };
    rig.run(&["build", "r.toml", "--arch", "s390x"]).fails(
        1,
        &[
            "v3.8/main` has no packages for s390x; it has x86_64, armhf",
            "hint: leave the architecture out of `--arch` or `arch`",
        ],
    );
    assert!(!rig.work("images").exists() && !rig.work("r.lock").exists());
    // By name, over HTTP.
    let served = Served::new().unwrap();
    let server = Server::of(served.files.clone());
    served
        .run(&server.root(), &["build", "r.toml", "--arch", "arm32v6"])
        .fails(1, &["v3.20/main` has no packages for armhf; it has x86_64, s390x", "hint: "]);
    // A mirror that has nothing at all.
    served.run(&server.url("elsewhere"), &BUILD).fails(1, &["there is no repository at `", "hint: "]);
}

/// An index is believed when it is signed; which package a file is, its own control member says.
#[test]
fn a_package_under_another_name_is_refused() {
    let Some(rig) = crate::alpine::apks::rig("Package: base\n/usr/share/base 0644 base", LAYER) else {
        return;
    };
    let key = crate::alpine::apks::key().unwrap();
    let text = "Package: base\n/usr/share/base 0644 base\n\nPackage: other\n/usr/share/other 0644 other";
    let mut repository = crate::alpine::apks::Repository::of(text, &[Arch::Amd64]);
    let made = repository.packages.get_mut(&Arch::Amd64).unwrap();
    let record = made[1].record.replace("P:other\n", "P:base\n");
    made[0].file = made[1].file.clone();
    made[0].record = record;
    made.truncate(1);
    repository.write(&rig.work("repo"), key);
    rig.run(&BUILD).fails(1, &["base", "other", "hint: "]);
    assert!(!rig.work("images").exists());
}

/// Nobody may be waiting at its other end.
#[test]
fn a_pipe_is_not_read() {
    let Some(rig) = crate::alpine::apks::rig("Package: base\n/usr/share/base 0644 base", LAYER) else {
        return;
    };
    let index = rig.work("repo/x86_64/APKINDEX.tar.gz");
    std::fs::remove_file(&index).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&index).status().unwrap();
    assert!(made.success());
    rig.run(&BUILD).fails(1, &["APKINDEX.tar.gz", "it is no regular file"]);
}

#[test]
fn suites_are_debians() {
    let Some(rig) = crate::alpine::corpus::rig("v3.20", "") else { return };
    rig.run(&["build", "r.toml", "--without", "updates"])
        .fails(2, &["`--without` names suites", "hint: leave it out"]);
    assert!(!rig.work("images").exists() && !rig.work("r.lock").exists());
}

const TOOL: &str = "Package: tool
     Version: 2.0-r1
     /usr/bin/tool 0755 a tool";

#[test]
fn a_package_beside_the_recipe_is_checked_too() {
    let Some(rig) = crate::alpine::apks::rig("Package: base\n/usr/share/base 0644 base", "") else { return };
    let recipe = rig.read("r.toml");
    rig.write(
        "r.toml",
        format!("{recipe}[[layer]]\nname = \"main\"\npackages = [\"base\", \"./tool-{{arch}}.apk\"]\n"),
    );
    let file = apk(TOOL);
    rig.run(&BUILD)
        .fails(1, &["cannot read the package ", "tool-x86_64.apk", "hint: paths in a recipe are relative"]);
    rig.write("tool-x86_64.apk", &file);
    let digest = rig.run(&BUILD).ok().digest();
    let image = crate::support::Image::read(&rig.work("images"), "r");
    assert_eq!(image.text("/usr/bin/tool"), "a tool");
    let world = image.text("/etc/apk/world");
    assert!(world.starts_with("base\ntool><Q1"), "{world}");
    let images = rig.listing("work/images");

    let starts = members(&file);
    for (number, words) in [(1, "control member"), (2, "the data has the digest ")] {
        let mut wrong = file.clone();
        flip(&mut wrong, usize::midpoint(starts[number], starts[number + 1]));
        rig.write("tool-x86_64.apk", wrong);
        rig.run(&BUILD).fails(1, &["tool-x86_64.apk`", words]);
    }
    rig.write("tool-x86_64.apk", &file[..file.len() - 20]);
    rig.run(&BUILD)
        .fails(1, &["tool-x86_64.apk`", "the data has the digest ", "hint: the file may be damaged"]);
    rig.write("tool-x86_64.apk", "ADBd and so on");
    rig.run(&BUILD).fails(1, &["tool-x86_64.apk` is of apk's format 3"]);
    assert!(rig.listing("work/images") == images);

    // A rebuilt package is another, though its version is not.
    rig.write("tool-x86_64.apk", apk(&TOOL.replace("a tool", "a better tool")));
    rig.run(&[&BUILD[..], &["--locked"]].concat()).fails(1, &["./tool-x86_64.apk", "hint: "]);
    assert_ne!(rig.run(&BUILD).ok().digest(), digest);
    rig.write("tool-x86_64.apk", file);
    assert_eq!(rig.run(&BUILD).ok().digest(), digest);
    // On another architecture, there has to be another file.
    rig.run(&["build", "r.toml", "--arch", "arm64"]).fails(1, &["tool-aarch64.apk"]);
}

#[test]
fn mistakes_of_the_recipe_point_at_it() {
    let Some(rig) = crate::alpine::apks::rig("Package: base\n/usr/share/base 0644 base", "") else { return };
    let layer = "[[layer]]\nname = \"main\"\npackages = [\"base\"]\n";
    let repository = crate::alpine::apks::repository("repo");
    let cases: [(String, &[&str]); 5] = [
        (format!("{repository}suite = \"main\"\n{layer}"), &["suite", "r.toml:"]),
        (repository.replace("\"repo\"", "\"nowhere\"") + layer, &["`nowhere` is not a directory", "r.toml:"]),
        (
            repository.clone() + &layer.replace("\"base\"", "\"base@edge\""),
            &["no repository has the tag `edge`"],
        ),
        (repository.clone() + &layer.replace("\"base\"", "\"base=1.0_foo\""), &["`1.0_foo` is no version"]),
        (repository.clone() + &layer.replace("\"base\"", "\"./base_1.0.deb\""), &["r.toml:"]),
    ];
    for (recipe, words) in cases {
        rig.write("r.toml", format!("name = \"r\"\n{recipe}"));
        rig.run(&BUILD).fails(2, words);
    }
    // What only the indexes tell is no mistake of the recipe's form.
    rig.write("r.toml", format!("name = \"r\"\n{repository}{}", layer.replace("\"base\"", "\"bass\"")));
    rig.run(&BUILD).fails(1, &["bass", "hint: "]);
    let keyless = repository.replace("test.rsa.pub", "gone.rsa.pub");
    rig.write("r.toml", format!("name = \"r\"\n{keyless}{layer}"));
    let ran = rig.run(&BUILD);
    assert!(matches!(ran.code, Some(1 | 2)) && ran.err.contains("gone.rsa.pub"), "{}", ran.err);
    assert!(!rig.work("images").exists() && !rig.work("r.lock").exists());
}
