//! An image of the corpus's packages is what Alpine makes of them: path by path, and in apk's own records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use rootforge::apk::archive::read_control;
use rootforge::digest::Digest;
use rootforge::tarball::{self, EntryKind, Limits, TarballError};
use serde_json::Value;

use crate::alpine::corpus::{MIRRORS, Mirror, corpus, rig};
use crate::support::Image;

/// What differs from the manifests, of all mirrors alike, and why.
const EXPLAINED: [(&str, &str); 6] = [
    ("there is dev/pts", "in the package; the manifest's makers empty /dev"),
    ("there is dev/shm", "in the package; the manifest's makers empty /dev"),
    ("content of etc/shadow", "the manifest's makers lock root after the install; compared below"),
    ("time of etc/shadow", "that was when they did so"),
    ("content of etc/apk/world", "the release's files are in a package that is asked for; compared below"),
    ("no etc/apk/repositories", "a mirror that is a path of the building machine is nobody else's"),
];

/// apk's records, which name checksums: compared in tests of their own.
const RECORDS: [&str; 3] = ["lib/apk/db/installed", "lib/apk/db/scripts.tar", "lib/apk/db/triggers"];

/// The image of each mirror, in one layer, built once for all tests; none without the corpus.
fn images() -> &'static [(Mirror, Image)] {
    static IMAGES: OnceLock<Vec<(Mirror, Image)>> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let image = |mirror: Mirror| {
            let rig = rig(mirror.branch, "")?;
            rig.run(&["build", "r.toml", "--arch", mirror.arch]).ok();
            let image = Image::read(&rig.work("images"), "r");
            image.assert_sound();
            assert_eq!(image.layers.len(), 1);
            Some((mirror, image))
        };
        MIRRORS.into_iter().filter_map(image).collect()
    })
}

/// A file of the corpus's that says what a mirror's image is to be.
fn manifest(mirror: Mirror, ending: &str) -> String {
    let name = format!("manifest/{}-{}.{ending}", mirror.branch, mirror.arch_name);
    std::fs::read_to_string(corpus().unwrap().join(name)).unwrap()
}

/// What there is to compare of a path: each aspect by its name.
type Aspects = BTreeMap<&'static str, String>;

fn expected(mirror: Mirror) -> BTreeMap<String, Aspects> {
    let rows = manifest(mirror, "jsonl");
    let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.map(|row| {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let mut aspects = Aspects::from([
            ("type", text("type")),
            ("mode", text("mode")),
            ("owner", format!("{}:{}", row["uid"], row["gid"])),
        ]);
        match text("type").as_str() {
            "file" => {
                aspects.insert("content", text("sha256"));
                // Files that no package has were made at the time of the install.
                if row["package"].is_string() {
                    aspects.insert("time", row["mtime"].to_string());
                }
            }
            "symlink" => {
                aspects.insert("target", text("target"));
            }
            _ => {}
        }
        (text("path"), aspects)
    })
    .filter(|(path, _)| path != ".")
    .collect()
}

fn found(image: &Image) -> BTreeMap<String, Aspects> {
    let members = image.layers.iter().flat_map(|(_, members)| members);
    members
        .map(|(entry, content)| {
            let metadata = &entry.metadata;
            assert!(metadata.xattrs.is_empty());
            let mut aspects = Aspects::from([
                ("mode", format!("{:04o}", metadata.mode)),
                ("owner", format!("{}:{}", metadata.uid, metadata.gid)),
            ]);
            match &entry.kind {
                EntryKind::Directory => aspects.insert("type", "dir".to_owned()),
                EntryKind::File { .. } => {
                    aspects.insert("content", Digest::of(content).hex().clone());
                    aspects.insert("time", metadata.mtime.to_string());
                    aspects.insert("type", "file".to_owned())
                }
                EntryKind::Symlink { target } => {
                    aspects.insert("target", target.clone());
                    aspects.insert("type", "symlink".to_owned())
                }
                other => panic!("{}: {other:?}", entry.path),
            };
            (entry.path.relative().to_owned(), aspects)
        })
        .collect()
}

fn differences(mirror: Mirror, image: &Image) -> BTreeSet<String> {
    let (expected, found) = (expected(mirror), found(image));
    assert!(expected.len() > 400, "{}", expected.len());
    let mut differences = BTreeSet::new();
    for (path, expected) in &expected {
        let Some(found) = found.get(path) else {
            differences.insert(format!("no {path}"));
            continue;
        };
        for (aspect, value) in expected {
            if found.get(aspect) != Some(value) && !(*aspect == "content" && RECORDS.contains(&&**path)) {
                differences.insert(format!("{aspect} of {path}"));
            }
        }
    }
    let extra = found.keys().filter(|path| !expected.contains_key(*path));
    differences.extend(extra.map(|path| format!("there is {path}")));
    differences
}

/// The content of a path has the digest that the manifest has for it.
#[track_caller]
fn assert_content(mirror: Mirror, path: &str, content: &str) {
    assert_eq!(Digest::of(content.as_bytes()).hex(), expected(mirror)[path]["content"], "{content}");
}

#[test]
fn every_path_is_as_alpine_makes_it() {
    for (mirror, image) in images() {
        let mirror = *mirror;
        let known: BTreeSet<String> =
            EXPLAINED.iter().map(|(difference, _)| (*difference).to_owned()).collect();
        // An explanation of what is no more is as wrong as a difference without one.
        assert_eq!(differences(mirror, image), known, "{mirror:?}");

        let shadow = image.text("/etc/shadow");
        assert!(shadow.starts_with("root:::"), "{shadow}");
        let locked = ["root:*:", "root:!:"].map(|root| shadow.replacen("root::", root, 1));
        let digest = &expected(mirror)["etc/shadow"]["content"];
        assert!(locked.iter().any(|text| Digest::of(text.as_bytes()).hex() == *digest), "{shadow}");
        let world = image.text("/etc/apk/world");
        assert!(world.contains("alpine-release\n"));
        assert_content(mirror, "etc/apk/world", &world.replace("alpine-release\n", ""));
    }
}

/// The paragraphs of an installed database, each by its package's name.
fn paragraphs(text: &str) -> BTreeMap<String, Vec<String>> {
    let paragraphs = text.trim_end().split("\n\n").map(|text| {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        (field(&lines, "P").to_owned(), lines)
    });
    paragraphs.collect()
}

fn field<'a>(lines: &'a [String], name: &str) -> &'a str {
    let mut values = lines.iter().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    values.next().unwrap()
}

/// The corpus's checksum of each package by that in the image.
fn checksums(mirror: Mirror, image: &Image) -> BTreeMap<String, String> {
    let expected = paragraphs(&manifest(mirror, "installed"));
    let found = paragraphs(image.text("/lib/apk/db/installed"));
    let both = found.iter().filter_map(|(name, lines)| {
        Some((field(lines, "C").to_owned(), field(expected.get(name)?, "C").to_owned()))
    });
    both.collect()
}

#[test]
fn the_installed_database_is_apks_own() {
    for (mirror, image) in images() {
        let mirror = *mirror;
        let found = image.text("/lib/apk/db/installed");
        assert!(found.ends_with("\n\n"));
        let expected = manifest(mirror, "installed");
        let order = |text: &str| -> Vec<String> {
            let names = text.lines().filter_map(|line| line.strip_prefix("P:"));
            names.filter(|name| *name != "alpine-release").map(str::to_owned).collect()
        };
        // 3.8's own apk wrote them in the order of installation, as apk has not done since.
        let mut wanted = order(&expected);
        wanted.sort();
        assert_eq!(order(found), wanted);
        let mut found = paragraphs(found);
        let release = found.remove("alpine-release").unwrap();
        assert!(release.contains(&"R:os-release".to_owned()), "{release:?}");
        for (name, expected) in paragraphs(&expected) {
            let found = found.remove(&name).unwrap();
            // Both are of another file: the packages of the corpus were packed anew.
            let but = |lines: &[String]| -> Vec<String> {
                let lines = lines.iter().filter(|line| !line.starts_with("C:") && !line.starts_with("S:"));
                let mut lines: Vec<String> = lines.cloned().collect();
                // Its packages had their files in no order; the corpus has packed them by name.
                if mirror.branch == "v3.8" {
                    lines.sort();
                }
                lines
            };
            assert_eq!(but(&found), but(&expected), "{mirror:?} {name}");
            let package = package(mirror, &name, field(&expected, "V"));
            let size = std::fs::metadata(&package).unwrap().len().to_string();
            assert_eq!(field(&found, "S"), size, "{mirror:?} {name}");
        }
        assert_eq!(found.keys().collect::<Vec<_>>(), [""; 0], "{mirror:?}");
    }
}

fn package(mirror: Mirror, name: &str, version: &str) -> std::path::PathBuf {
    let Mirror { branch, arch_name, .. } = mirror;
    corpus().unwrap().join(format!("{branch}/main/{arch_name}/{name}-{version}.apk"))
}

#[test]
fn triggers_and_scripts_are_apks_own() {
    for (mirror, image) in images() {
        let mirror = *mirror;
        let checksums = checksums(mirror, image);
        let mut triggers = image.text("/lib/apk/db/triggers").to_owned();
        assert!(!triggers.is_empty());
        for (ours, theirs) in &checksums {
            triggers = triggers.replace(ours, theirs);
        }
        assert_content(mirror, "lib/apk/db/triggers", &triggers);

        // The manifest has no more of `scripts.tar` than its digest: what counts is what the packages have.
        let mut found = BTreeMap::new();
        let (_, bytes) = image.get("/lib/apk/db/scripts.tar").unwrap();
        tarball::read(&bytes[..], &Limits::default(), |entry, content| {
            let mut text = Vec::new();
            content.read_to_end(&mut text).map_err(TarballError::Read)?;
            assert_eq!(entry.metadata.mode & 0o111, 0o111);
            found.insert(entry.path.relative().to_owned(), text);
            Ok::<(), TarballError>(())
        })
        .unwrap();
        let mut expected = BTreeMap::new();
        for (name, lines) in paragraphs(image.text("/lib/apk/db/installed")) {
            let version = field(&lines, "V");
            let control = read_control(&package(mirror, &name, version)).unwrap();
            for (script, member) in control.members.into_iter().filter(|(name, _)| name != ".PKGINFO") {
                let path = format!("{name}-{version}.{}{script}", field(&lines, "C"));
                expected.insert(path, member.content);
            }
        }
        assert!(expected.len() >= 6);
        assert_eq!(found, expected, "{mirror:?}");
    }
}
