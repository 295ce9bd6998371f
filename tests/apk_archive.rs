//! Packages of apk read: real ones against what an install of them comes to, odd ones made here, with the real apk
//! as the second opinion on each.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rootforge::apk::archive::{self, Marks};
use rootforge::apk::pkginfo::PackageInfo;
use rootforge::apk::{ApkError, Checksum};
use rootforge::digest::Digest;
use rootforge::hint::Hint;
use rootforge::tarball::{Entry, EntryKind, Limits, TarballError};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::alpine::alpine_corpus;
use crate::support::apk::{CHECKSUM, Key, Tar, control, data, gz, info};
use crate::support::apk_tools::Apk;

/// A file of a package with its content.
type Shipped = (Entry, Marks, Vec<u8>);

fn read_all(package: &Path) -> Result<(archive::ControlFiles, Vec<Shipped>), ApkError> {
    let mut files = Vec::new();
    let control = archive::read(package, &Limits::default(), |entry, marks, content| {
        let mut bytes = Vec::new();
        content
            .read_to_end(&mut bytes)
            .map_err(|source| ApkError::Io { path: package.to_owned(), source })?;
        files.push((entry, marks, bytes));
        Ok::<_, ApkError>(())
    })?;
    Ok((control, files))
}

const MIRRORS: [(&str, &str); 6] = [
    ("v3.20", "x86_64"),
    ("v3.20", "armhf"),
    ("v3.20", "aarch64"),
    ("v3.20", "s390x"),
    ("v3.8", "x86_64"),
    ("v3.8", "armhf"),
];

/// What the corpus says that a path of a root file system is, as a text.
fn row(row: &Value) -> String {
    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let rest = match row["type"].as_str().unwrap() {
        "file" => format!("{} {}", text("sha256"), row["mtime"]),
        _ => text("target"),
    };
    format!("{} {} {}:{} {rest}", text("type"), text("mode"), row["uid"], row["gid"])
}

/// The same of a file of a package.
fn shipped((entry, _, content): &Shipped) -> String {
    let metadata = &entry.metadata;
    let (kind, rest) = match &entry.kind {
        EntryKind::File { .. } => ("file", format!("{} {}", Digest::of(content).hex(), metadata.mtime)),
        EntryKind::Directory => ("dir", String::new()),
        EntryKind::Symlink { target } => ("symlink", target.clone()),
        other => panic!("{other:?}"),
    };
    format!("{kind} {:04o} {}:{} {rest}", metadata.mode, metadata.uid, metadata.gid)
}

/// The checksums of files in an installed database, by path.
fn installed(text: &str) -> BTreeMap<String, Checksum> {
    let (mut found, mut directory, mut file) = (BTreeMap::new(), "", "");
    for line in text.lines() {
        match line.split_once(':') {
            Some(("F", path)) => directory = path,
            Some(("R", name)) => file = name,
            Some(("Z", sum)) => {
                let slash = if directory.is_empty() { "" } else { "/" };
                found.insert(format!("{directory}{slash}{file}"), sum.parse().unwrap());
            }
            _ => {}
        }
    }
    found
}

#[test]
fn real_packages_hold_what_an_install_of_them_comes_to() {
    let Some(corpus) = alpine_corpus() else { return };
    let mut packages = 0;
    for (branch, arch) in MIRRORS {
        let here = format!("{branch}-{arch}");
        let manifest = std::fs::read_to_string(corpus.join(format!("manifest/{here}.jsonl"))).unwrap();
        let rows: Vec<Value> = manifest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let database = std::fs::read_to_string(corpus.join(format!("manifest/{here}.installed"))).unwrap();
        let sums = installed(&database);
        let mut left: BTreeMap<_, _> = rows.iter().map(|row| (row["path"].as_str().unwrap(), row)).collect();
        for package in std::fs::read_dir(corpus.join(branch).join("main").join(arch)).unwrap() {
            let package = package.unwrap().path();
            if package.extension().is_none_or(|extension| extension != "apk") {
                continue;
            }
            packages += 1;
            let (control, files) = read_all(&package).unwrap();
            assert_eq!(control, archive::read_control(&package).unwrap());
            let info = PackageInfo::parse(&control.control).unwrap();
            let name = format!("{}-{}.apk", info.name, info.version);
            assert_eq!(package.file_name().unwrap().to_str().unwrap(), name);
            let record = format!("\nP:{}\nV:{}\n", info.name, info.version);
            let is_made_up = info.name == "alpine-release";
            assert!(is_made_up || database.contains(&record), "{name}");
            for file in &files {
                let (path, marks) = (file.0.path.relative(), &file.1);
                let what = format!("{here} {name} {path}");
                assert_eq!(marks.user.as_deref(), Some("root"), "{what}");
                let group = if file.0.metadata.gid == 42 { "shadow" } else { "root" };
                assert_eq!(marks.group.as_deref(), Some(group), "{what}");
                let sum = match &file.0.kind {
                    EntryKind::File { .. } => Some(Checksum::of(&file.2)),
                    EntryKind::Symlink { target } => Some(Checksum::of(target.as_bytes())),
                    _ => None,
                };
                assert_eq!(marks.checksum, sum, "{what}");
                if sum.is_some() && !is_made_up {
                    assert_eq!(sums.get(path).copied(), sum, "{what}");
                }
                match left.get(path) {
                    // The makers of the root file system locked root's password in it.
                    Some(row) if path == "etc/shadow" => assert_eq!(row["mode"], "0640"),
                    // Nobody's: several packages have it.
                    Some(found) if found["type"] == "dir" => {
                        // What proc is mounted on has the mode of the maker's own.
                        assert!(shipped(file) == row(found) || path == "proc", "{what}");
                    }
                    Some(found) => {
                        assert_eq!(shipped(file), row(found), "{what}");
                        assert!(is_made_up || found["package"] == info.name.as_str(), "{what}");
                        left.remove(path);
                    }
                    None => assert!(["dev/pts", "dev/shm"].contains(&path), "{what}"),
                }
            }
        }
        // Every path that a package owns was in it.
        let missing: Vec<_> =
            left.values().filter(|row| row["package"].is_string()).map(|row| &row["path"]).collect();
        assert_eq!(missing, ["etc/shadow"], "{here}");
    }
    assert_eq!(packages, 88);
}

#[test]
fn genuine_packages_are_read() {
    let Some(corpus) = alpine_corpus() else { return };
    let genuine = corpus.join("genuine");
    let (control, files) =
        read_all(&genuine.join("alpine/v3.16/main/aarch64/alpine-baselayout-3.2.0-r23.apk")).unwrap();
    let names: Vec<_> = control.members.keys().map(String::as_str).collect();
    assert_eq!(names, [".PKGINFO", ".post-install", ".post-upgrade", ".pre-install", ".pre-upgrade"]);
    assert!(control.text(".pre-install").unwrap().starts_with("#!/bin/sh"));
    assert_eq!(control.members[".post-install"].mode, 0o755);
    let info = PackageInfo::parse(&control.control).unwrap();
    assert_eq!((info.depends.len(), &*info.provides[0]), (3, "cmd:mkmntdirs=3.2.0-r23"));
    let mode = |path: &str| {
        let (entry, ..) = files.iter().find(|(entry, ..)| entry.path.as_str() == path).unwrap();
        entry.metadata.mode
    };
    assert_eq!([mode("/tmp"), mode("/etc/crontabs/root")], [0o1777, 0o600]);

    // Its data is five members, cut in the midst of files. Hard links have the checksum of what they are links to.
    let (_, files) = read_all(&genuine.join("multi-member/tzdata-2023c-r0.apk")).unwrap();
    let (mut sums, mut links) = (BTreeMap::new(), 0);
    for (entry, marks, content) in &files {
        match &entry.kind {
            EntryKind::File { .. } => {
                assert_eq!(marks.checksum, Some(Checksum::of(content)), "{}", entry.path);
                sums.insert(&entry.path, marks.checksum);
            }
            EntryKind::HardLink { target } => {
                assert_eq!(marks.checksum, sums[target], "{}", entry.path);
                links += 1;
            }
            _ => {}
        }
    }
    assert_eq!((files.len(), sums.len(), links), (1248, 707, 484));
}

/// A directory with one package at a time, and a second opinion.
struct Bench {
    dir: TempDir,
    key: Option<Key>,
    apk: Option<Apk>,
}

impl Bench {
    fn new() -> Self {
        Bench { dir: TempDir::new().unwrap(), key: Key::new("key"), apk: Apk::new() }
    }

    /// A package of packed control and data, signed where that can be done.
    fn package(&self, control: &[u8], data: &[u8]) -> PathBuf {
        let signature = self.key.as_ref().map(|key| key.member("RSA256", control)).unwrap_or_default();
        self.file(&[&signature, control, data])
    }

    fn file(&self, parts: &[&[u8]]) -> PathBuf {
        let path = self.dir.path().join("sample.apk");
        std::fs::write(&path, parts.concat()).unwrap();
        path
    }

    /// What apk says of the file.
    fn second_opinion(&self, what: &str, file: &Path, expected: &str) {
        if let (Some(apk), Some(key)) = (&self.apk, &self.key) {
            let keys = BTreeMap::from([(key.name.clone(), key.public())]);
            assert_eq!(apk.verify(file, &keys), expected, "{what}: apk");
        }
    }

    /// Checks what a package comes to here, when its checksums are looked at and when it is read, and what apk
    /// calls it.
    fn check(&self, what: &str, file: &Path, verified: &str, read: &str, there: &str) {
        assert_eq!(name(archive::verify(file, None)), verified, "{what}: verified");
        assert_eq!(name(read_all(file)), read, "{what}: read");
        self.second_opinion(what, file, there);
    }
}

/// A short name of an outcome: that of the error's variants.
fn name<T>(outcome: Result<T, ApkError>) -> String {
    let Err(error) = outcome else { return "OK".to_owned() };
    assert!(error.to_string().contains("sample.apk"), "{error}");
    let _ = error.hints();
    let text = match &error {
        ApkError::Tar { source, .. } => format!("Tar::{source:?}"),
        ApkError::Info { source, .. } => format!("Info::{source:?}"),
        other => format!("{other:?}"),
    };
    text.split([' ', '(', '{']).next().unwrap().to_owned()
}

const OK: &str = "OK";
/// What apk says of a checksum that is not right, too.
const BAD: &str = "BAD signature";
const BROKEN: &str = "BAD archive";
const IO: &str = "IO ERROR";
const MISPLACED: &str = "archive does not contain expected data";

#[test]
fn data_in_parts() {
    let bench = Bench::new();
    let content = data();
    let (one, rest) = content.split_at(512);
    let (two, rest) = rest.split_at(700);
    let (three, four) = rest.split_at(1);
    let members: Vec<_> = [one, two, three, b"", four].into_iter().map(gz).collect();
    let parted = members.concat();
    let whole = gz(&content);
    let (_, files) = read_all(&bench.package(&gz(&control(&info(&whole))), &whole)).unwrap();
    assert_eq!(files.len(), 4);
    let package = bench.package(&gz(&control(&info(&parted))), &parted);
    assert_eq!(read_all(&package).unwrap().1, files);
    bench.check("five members, one of them empty", &package, OK, OK, OK);
    for lacking in 0..members.len() {
        let parts: Vec<_> = members
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != lacking)
            .map(|(_, part)| part.clone())
            .collect();
        let file = bench.package(&gz(&control(&info(&parted))), &parts.concat());
        assert_eq!(name(archive::verify(&file, None)), "DataHash", "without member {lacking}");
        assert!(read_all(&file).is_err(), "without member {lacking}");
    }
    let swapped = [&members[1][..], &members[0], &members[2], &members[3], &members[4]].concat();
    let file = bench.package(&gz(&control(&info(&parted))), &swapped);
    assert_eq!(name(archive::verify(&file, None)), "DataHash");
    assert!(read_all(&file).is_err());
}

#[test]
fn checksums_of_data() {
    let bench = Bench::new();
    let data = gz(&data());
    let other = gz(&Tar::new().file("etc/evil", 0o644, b"x").end());
    let good = gz(&control(&info(&data)));
    bench.check("as it should be", &bench.package(&good, &data), OK, OK, OK);
    bench.check("another's data", &bench.package(&good, &other), "DataHash", "DataHash", BAD);
    bench.check(
        "more data",
        &bench.package(&good, &[&data[..], &other].concat()),
        "DataHash",
        "Tar::Malformed",
        BROKEN,
    );
    bench.check("no data", &bench.package(&good, b""), "NoData", "NoData", BROKEN);

    let says = read_all(&bench.package(&good, &other)).unwrap_err().to_string();
    assert!(
        says.contains(&Digest::of(&data).to_string()) && says.contains(&Digest::of(&other).to_string()),
        "{says}"
    );
    let file = bench.package(&good, &data);
    assert_eq!(archive::verify(&file, None).unwrap().checksum, Checksum::of(&good));
    assert_eq!(archive::verify(&file, None).unwrap().size, std::fs::metadata(&file).unwrap().len());
    let error = archive::verify(&file, Some(Checksum::of(&data))).unwrap_err().to_string();
    assert!(
        error.contains(&Checksum::of(&good).to_string()) && error.contains(&Checksum::of(&data).to_string())
    );

    let bare = gz(&control("pkgname = sample\npkgver = 1.0-r0\n"));
    // Format 1: apk takes the signature for one of control and data.
    bench.check("no digest, but data", &bench.package(&bare, &data), "NoDataHash", "NoDataHash", BAD);
    let (control, files) = read_all(&bench.package(&bare, b"")).unwrap();
    assert_eq!((control.checksum, files.len()), (Checksum::of(&bare), 0));
    bench.check("no digest and no data", &bench.package(&bare, b""), OK, OK, OK);
    let nothing = gz(b"");
    let empty = gz(&crate::support::apk::control(&info(&nothing)));
    bench.check("empty data", &bench.package(&empty, &nothing), OK, OK, OK);
}

/// What `apk audit` and a later reader of the database go by.
#[test]
fn a_file_is_what_its_own_checksum_says() {
    let bench = Bench::new();
    let sum = |content: &[u8]| Checksum::of(content).hex();
    let file = |stated: &str, content: &[u8]| {
        Tar::new().records(&[(CHECKSUM, stated.as_bytes())]).plain("etc/sample.apk", content)
    };
    let link = |stated: &str| {
        let mut header = Tar::header(tar::EntryType::Symlink, 0o777);
        header.set_link_name_literal("target").unwrap();
        Tar::new().records(&[(CHECKSUM, stated.as_bytes())]).entry("etc/link", header, b"")
    };
    let cases = [
        (file(&sum(b"content"), b"content"), OK),
        (file(&sum(b"content"), b"contend"), "FileContent"),
        (file(&sum(b"content"), b""), "FileContent"),
        (file(&sum(b""), b""), OK),
        (link(&sum(b"target")), OK),
        (link(&sum(b"other")), "FileContent"),
    ];
    for (at, (tar, expected)) in cases.into_iter().enumerate() {
        let data = gz(&tar.end());
        let package = bench.package(&gz(&control(&info(&data))), &data);
        assert_eq!(name(read_all(&package)), expected, "{at}: read");
        // Nobody need look at the content for it to be compared.
        let read = archive::read(&package, &Limits::default(), |_, _, _| Ok::<_, ApkError>(()));
        assert_eq!(name(read), expected, "{at}: passed over");
    }
}

#[test]
fn cut_off_or_with_garbage() {
    let bench = Bench::new();
    let data = gz(&data());
    let good = gz(&control(&info(&data)));
    let whole = std::fs::read(bench.package(&good, &data)).unwrap();
    let lead = whole.len() - data.len();
    for length in 0..whole.len() {
        let file = bench.file(&[&whole[..length]]);
        let (verified, read) = (name(archive::verify(&file, None)), name(read_all(&file)));
        let expected: [&[&str]; 2] = match length {
            0 => [&["NotApk"], &["NotApk"]],
            _ if length == lead => [&["NoData"], &["NoData"]],
            _ if length > lead => [&["DataHash"], &["Truncated"]],
            // Between signature and control.
            _ => [&["Truncated", "Missing"], &["Truncated", "Missing"]],
        };
        assert!(expected[0].contains(&&*verified), "{length}: {verified}");
        assert!(expected[1].contains(&&*read), "{length}: {read}");
    }
    let with = |tail: &[u8]| bench.file(&[&whole, tail]);
    bench.check("garbage at the end", &with(b"garbage"), "DataHash", "Compression", IO);
    bench.check("zeros at the end", &with(&[0; 512]), "DataHash", "Compression", IO);
    // The same, as the builder left it.
    let tailed = [&data[..], b"garbage"].concat();
    let control = gz(&control(&info(&tailed)));
    bench.check("garbage, vouched for", &bench.package(&control, &tailed), OK, "Compression", IO);
    let mut flipped = data.clone();
    let at = flipped.len() - 6;
    flipped[at] ^= 1;
    let control = gz(&crate::support::apk::control(&info(&flipped)));
    bench.check("a wrong CRC, vouched for", &bench.package(&control, &flipped), OK, "Compression", IO);
}

#[test]
fn odd_control_members() {
    let bench = Bench::new();
    let data = gz(&data());
    let info = info(&data);
    let check = |what: &str, control: &[u8], outcome: &str, there: &str| {
        bench.check(what, &bench.package(control, &data), outcome, outcome, there);
    };
    let of = |tar: Tar| gz(&tar.cut());
    check("with an archive's end", &gz(&Tar::new().plain(".PKGINFO", info.as_bytes()).end()), OK, BROKEN);
    check("./.PKGINFO", &of(Tar::new().plain("./.PKGINFO", info.as_bytes())), OK, BAD);
    check(
        "two of them",
        &of(Tar::new().plain(".PKGINFO", info.as_bytes()).plain(".PKGINFO", b"")),
        "Twice",
        OK,
    );
    let scripts =
        Tar::new().plain(".PKGINFO", info.as_bytes()).plain(".trigger", b"1").plain(".trigger", b"2");
    check("two triggers", &of(scripts), "Twice", OK);
    check("none", &of(Tar::new().plain(".post-install", b"")), "Missing", BAD);
    check("nothing at all", &gz(b""), "Missing", BAD);
    let link = Tar::new().symlink(".PKGINFO", "usr/info");
    check("a link", &of(link), "Missing", BAD);
    let file = Tar::new().plain(".PKGINFO", info.as_bytes()).plain("etc/evil", b"");
    check("a file of data", &of(file), "Misplaced", MISPLACED);
    let below = Tar::new().plain(".PKGINFO", info.as_bytes()).plain(".d/evil", b"");
    check("a file below a hidden directory", &of(below), "Misplaced", MISPLACED);
    let twice = format!("{info}{}", info.lines().last().unwrap());
    check("two digests", &of(Tar::new().plain(".PKGINFO", twice.as_bytes())), "Info::Twice", OK);
    let wrong = info.replace("sample", "../sample");
    check("a name that climbs", &of(Tar::new().plain(".PKGINFO", wrong.as_bytes())), "Info::Name", OK);
    let up = Tar::new().plain(".PKGINFO", info.as_bytes()).plain("../evil", b"");
    check("a path that climbs", &of(up), "Tar::Path", MISPLACED);
    let whole = Tar::new().plain(".PKGINFO", info.as_bytes()).cut();
    check("cut within an entry", &gz(&whole[..520]), "Tar::Truncated", BAD);
    check("garbage behind it", &gz(&[&whole[..], &[0; 1024], b"x"].concat()), "Tar::Malformed", BROKEN);
    check("larger than any", &gz(&[&whole[..], &vec![0; 33 << 20]].concat()), "TooLarge", BROKEN);
    let many = (0..1001).fold(Tar::new(), |tar, number| tar.plain(&format!(".{number}"), b""));
    check("a thousand scripts", &of(many.plain(".PKGINFO", info.as_bytes())), "Tar::TooManyEntries", OK);
}

/// A second control member is data, of which the first must know.
#[test]
fn two_control_members() {
    let bench = Bench::new();
    let data = gz(&Tar::new().file("etc/file", 0o644, b"x").end());
    let evil = gz(&control(&info(&data).replace("1.0", "6.6")));
    let file = bench.package(&gz(&control(&info(&data))), &[&evil[..], &data].concat());
    bench.check("the first knows only of the data", &file, "DataHash", "DataHash", BAD);
    let both = [&evil[..], &data].concat();
    let file = bench.package(&gz(&control(&info(&both))), &both);
    bench.check("the first knows of both", &file, OK, OK, OK);
    let (control, files) = read_all(&file).unwrap();
    assert!(control.control.contains("1.0"));
    assert_eq!(files.iter().map(|(entry, ..)| entry.path.as_str()).collect::<Vec<_>>(), ["/etc/file"]);
}

#[test]
fn everything_a_tar_can_hold() {
    let bench = Bench::new();
    let long = format!("usr/{}", "n".repeat(150));
    let mut link = Tar::header(tar::EntryType::Symlink, 0o777);
    link.set_link_name_literal("short").unwrap();
    let mut null = Tar::header(tar::EntryType::Char, 0o666);
    null.set_device_major(1).unwrap();
    null.set_device_minor(3).unwrap();
    let mut owned = Tar::header(tar::EntryType::Regular, 0o4755);
    owned.set_uid(100);
    owned.set_gid(101);
    owned.set_username("pulse").unwrap();
    owned.set_groupname("pulse-access").unwrap();
    let capability = b"\x01\0\0\x02\0\x0a\0\0\n\0";
    let target = "t".repeat(120);
    let tar = Tar::new()
        .directory("usr/", 0o755)
        .directory("tmp/", 0o1777)
        .records(&[("path", long.as_bytes()), ("mtime", b"1600000000.5"), ("atime", b"1")])
        .entry("usr/n", Tar::header(tar::EntryType::Regular, 0o600), b"long")
        .records(&[("linkpath", target.as_bytes())])
        .entry("usr/link", link, b"")
        .records(&[("SCHILY.xattr.security.capability", capability)])
        .entry("usr/ping", owned, b"setuid")
        .hard_link("usr/hard", "usr/ping")
        .entry("dev/null", null, b"")
        .entry("dev/pipe", Tar::header(tar::EntryType::Fifo, 0o600), b"");
    let data = gz(&tar.end());
    let (_, files) = read_all(&bench.package(&gz(&control(&info(&data))), &data)).unwrap();
    let find = |path: &str| files.iter().find(|(entry, ..)| entry.path.relative() == path).unwrap();
    assert_eq!(find("tmp").0.metadata.mode, 0o1777);
    let (entry, marks, content) = find(&long);
    assert_eq!(
        (entry.metadata.mode, entry.metadata.mtime, &content[..]),
        (0o600, 1_600_000_000, &b"long"[..])
    );
    assert_eq!(marks.checksum, None);
    assert_eq!(find("usr/link").0.kind, EntryKind::Symlink { target });
    let (ping, marks, _) = find("usr/ping");
    assert_eq!((ping.metadata.mode, ping.metadata.uid, ping.metadata.gid), (0o4755, 100, 101));
    assert_eq!((marks.user.as_deref(), marks.group.as_deref()), (Some("pulse"), Some("pulse-access")));
    assert_eq!(ping.metadata.xattrs["security.capability"], capability);
    assert_eq!(find("usr/hard").0.kind, EntryKind::HardLink { target: ping.path.clone() });
    assert_eq!(find("dev/null").0.kind, EntryKind::CharDevice { major: 1, minor: 3 });
    assert_eq!(find("dev/pipe").0.kind, EntryKind::Fifo);
    assert_eq!(files.len(), 8);
}

#[test]
fn names_of_files() {
    let bench = Bench::new();
    let with = |tar: Tar| {
        let data = gz(&tar.end());
        bench.package(&gz(&control(&info(&data))), &data)
    };
    let file = |name: &str| Tar::new().file(name, 0o644, b"x");
    let paths = |tar: Tar| {
        let (_, files) = read_all(&with(tar)).unwrap();
        files.iter().map(|(entry, ..)| entry.path.to_string()).collect::<Vec<_>>()
    };
    // Passed over, as apk does.
    let hidden = file(".hidden").directory("./", 0o755).file(".d/x", 0o644, b"").file(".PKGINFO", 0o644, b"");
    assert!(paths(hidden.file("var/.keep_dir", 0o644, b"").file(".SIGN.RSA.x", 0o644, b"")).is_empty());
    assert_eq!(paths(file("var/.keep_").directory("var/.keep_d/", 0o755)), ["/var/.keep_", "/var/.keep_d"]);
    assert_eq!(paths(file("var/.hidden")), ["/var/.hidden"]);
    // Read, where apk would pass over.
    assert_eq!(
        paths(file("./usr/x").file("/usr/y", 0o644, b"").file("usr/./z", 0o644, b"")),
        ["/usr/x", "/usr/y", "/usr/z"]
    );
    // Refused.
    let refused = |tar: Tar| name(read_all(&with(tar)));
    assert_eq!(refused(file("../evil")), "Tar::Path");
    assert_eq!(refused(file("usr/../../evil")), "Tar::Path");
    assert_eq!(refused(file("usr/a\nR:b")), "FileName");
    assert_eq!(refused(file("usr/a\x7f")), "FileName");
    assert_eq!(refused(Tar::new().hard_link("usr/x", "../../etc/shadow")), "Tar::LinkTarget");
    assert_eq!(refused(Tar::new().records(&[("path", b"../../evil")]).plain("x", b"")), "Tar::Path");
    for sum in [
        &b""[..],
        b"00",
        b"zz39a3ee5e6b4b0d3255bfef95601890afd80709",
        b"da39a3ee5e6b4b0d3255bfef95601890afd8070900",
    ] {
        assert_eq!(refused(Tar::new().records(&[(CHECKSUM, sum)]).plain("x", b"")), "FileChecksum");
    }
    let checksum = |sum: &[u8]| {
        let (_, files) = read_all(&with(Tar::new().records(&[(CHECKSUM, sum)]).plain("x", b""))).unwrap();
        files[0].1.checksum
    };
    assert_eq!(checksum(b"da39a3ee5e6b4b0d3255bfef95601890afd80709"), Some(Checksum::of(b"")));
    assert_eq!(checksum(b"DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"), Some(Checksum::of(b"")));
}

#[test]
fn data_behind_an_archives_end() {
    let bench = Bench::new();
    let ended = Tar::new().file("usr/a", 0o644, b"").end();
    let more = Tar::new().file("usr/b", 0o644, b"").end();
    for data in [gz(&[&ended[..], &more].concat()), [gz(&ended), gz(&more)].concat()] {
        let file = bench.package(&gz(&control(&info(&data))), &data);
        bench.check("more files", &file, OK, "Tar::Malformed", BROKEN);
    }
    // Members that are cut are one stream.
    let cut = Tar::new().file("usr/a", 0o644, b"").cut();
    let data = [gz(&cut), gz(&more)].concat();
    let file = bench.package(&gz(&control(&info(&data))), &data);
    bench.check("two streams in one", &file, OK, OK, OK);
    assert_eq!(read_all(&file).unwrap().1.len(), 2);
    let data = gz(&cut);
    bench.check("no end at all", &bench.package(&gz(&control(&info(&data))), &data), OK, OK, OK);
}

#[test]
fn limits_hold() {
    let bench = Bench::new();
    let data = gz(&Tar::new().file("usr/a", 0o644, &vec![0; 1 << 20]).file("usr/b", 0o644, b"").end());
    let file = bench.package(&gz(&control(&info(&data))), &data);
    let read = |max_total, max_entries| {
        archive::read_data(&file, &Limits { max_total, max_entries }, |_, _, _| Ok::<_, ApkError>(()))
    };
    read(2 << 20, 2).unwrap();
    let source = |outcome| match outcome {
        Err(ApkError::Tar { source, .. }) => source,
        other => panic!("{other:?}"),
    };
    assert!(matches!(source(read(1 << 20, 2)), TarballError::TooLarge(_)));
    assert!(matches!(source(read(2 << 20, 1)), TarballError::TooManyEntries(1)));
    // What a visitor says ends the reading, and is what comes out.
    let stop = archive::read_data(&file, &Limits::default(), |_, _, _| {
        Err(ApkError::NoDataHash { path: "sample.apk".into() })
    });
    assert!(matches!(stop, Err(ApkError::NoDataHash { .. })));
}

#[test]
fn what_is_no_package() {
    let bench = Bench::new();
    let says = |bytes: &[u8]| {
        let file = bench.file(&[bytes]);
        let error = archive::read_control(&file).unwrap_err();
        assert_eq!(error.to_string(), archive::verify(&file, None).unwrap_err().to_string());
        let text = error.to_string().replace(file.to_str().unwrap(), "sample.apk");
        (text, error.hints().len())
    };
    assert_eq!(says(b""), ("`sample.apk` is not an Alpine package".into(), 1));
    assert_eq!(says(b"!<arch>\n"), ("`sample.apk` is not an Alpine package".into(), 1));
    assert_eq!(
        says(b"<html><body>log in"),
        ("`sample.apk` is not an Alpine package: it looks like HTML".into(), 1)
    );
    for magic in ["ADB.pckg", "ADBd....", "ADBc...."] {
        let format = "`sample.apk` is of apk's format 3 (`ADB`), which is not supported";
        assert_eq!(says(magic.as_bytes()), (format.into(), 1));
    }
    assert_eq!(
        says(b"\x1f\x8b\x08"),
        ("`sample.apk` is cut off within its signatures or its control member".into(), 1)
    );
    let missing = bench.dir.path().join("none.apk");
    assert!(matches!(archive::verify(&missing, None), Err(ApkError::Io { .. })));
    assert!(matches!(archive::verify(bench.dir.path(), None), Err(ApkError::Io { .. })));
    // An index is none either.
    let index = gz(&Tar::new().plain("DESCRIPTION", b"").plain("APKINDEX", b"").end());
    assert_eq!(name(archive::verify(&bench.file(&[&index]), None)), "Misplaced");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 0..1200_usize, tail: bool) {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("sample.apk");
        let data = gz(&data());
        let mut package = [gz(&control(&info(&data))), data].concat();
        let cut = cut.min(package.len());
        let rest = package.split_off(cut);
        package.extend(&bytes);
        if tail {
            package.extend(&rest);
        }
        std::fs::write(&file, &package).unwrap();
        let unharmed = bytes.is_empty() && (tail || rest.is_empty());
        prop_assert_eq!(archive::verify(&file, None).is_ok(), unharmed);
        prop_assert_eq!(read_all(&file).is_ok(), unharmed);
    }

    #[test]
    fn random_tars_never_panic(content in proptest::collection::vec(any::<u8>(), 0..1500), control_too: bool) {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("sample.apk");
        let data = gz(&content);
        let control = if control_too { gz(&content) } else { gz(&control(&info(&data))) };
        std::fs::write(&file, [control, data].concat()).unwrap();
        let _ = archive::verify(&file, None);
        let _ = read_all(&file);
    }
}
