//! Packages in every compression and variant that dpkg reads, made here; `dpkg-deb` is the second opinion.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use rootforge::deb::archive::{self, DebError};
use rootforge::deb::version;
use rootforge::hint::Hint;
use rootforge::root_path::RootPath;
use rootforge::tarball::{Entry, EntryKind, Limits, Metadata, TarballError, Writer};
use tempfile::TempDir;

use crate::tools::have;

type Files = Vec<(Entry, Vec<u8>)>;

fn path(text: &str) -> RootPath {
    RootPath::parse(text).unwrap()
}

fn entry(name: &str, mode: u32, kind: EntryKind) -> Entry {
    let metadata = Metadata { mode, mtime: 1_700_000_000, ..Metadata::default() };
    Entry { path: path(name), metadata, kind }
}

fn file(name: &str, mode: u32, content: &[u8]) -> (Entry, Vec<u8>) {
    (entry(name, mode, EntryKind::File { size: content.len() as u64 }), content.to_owned())
}

/// One of everything.
fn samples() -> Files {
    let mut list = vec![
        (entry("/", 0o755, EntryKind::Directory), vec![]),
        (entry("/usr", 0o755, EntryKind::Directory), vec![]),
        file("/usr/su", 0o4755, b"setuid"),
        file("/usr/ping", 0o755, b"capable"),
        file(&format!("/usr/{}", "n".repeat(150)), 0o644, b"long name"),
        (entry("/usr/link", 0o777, EntryKind::Symlink { target: "../usr/su".into() }), vec![]),
        (entry("/usr/hard", 0o4755, EntryKind::HardLink { target: path("/usr/su") }), vec![]),
        (entry("/null", 0o666, EntryKind::CharDevice { major: 1, minor: 3 }), vec![]),
        (entry("/loop", 0o660, EntryKind::BlockDevice { major: 7, minor: 1 }), vec![]),
        (entry("/pipe", 0o600, EntryKind::Fifo), vec![]),
        (entry("/tmp", 0o1777, EntryKind::Directory), vec![]),
    ];
    list[3].0.metadata.xattrs.insert("security.capability".into(), b"\x01\0\0\x02\0\x0a\0\0\n\0".to_vec());
    // Incompressible, and longer than any buffer on the way.
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(300_001)
    .collect();
    list.push(file("/usr/noise", 0o644, &noise));
    list
}

fn tar(list: &Files) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, content) in list {
        writer.append(entry, &mut &content[..]).unwrap();
    }
    writer.finish().unwrap()
}

const CONTROL: &str = "Package: sample\nVersion: 1.0-1\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: sample\n";

fn control_files() -> Files {
    vec![
        (entry("/", 0o755, EntryKind::Directory), vec![]),
        file("/control", 0o644, CONTROL.as_bytes()),
        file("/postinst", 0o755, b"#!/bin/sh\n"),
        file("/md5sums", 0o644, b""),
        file("/symbols", 0o644, &[b'x'; 5000]),
    ]
}

/// Appends an ar member.
fn member(bytes: &mut Vec<u8>, name: &str, content: &[u8]) {
    writeln!(bytes, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 1_700_000_000, 0, 0, 100_644, content.len())
        .unwrap();
    bytes.extend_from_slice(content);
    if content.len() % 2 == 1 {
        bytes.push(b'\n');
    }
}

fn deb(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        member(&mut bytes, name, content);
    }
    bytes
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lzma(bytes: &[u8]) -> Vec<u8> {
    let options = liblzma::stream::LzmaOptions::new_preset(6).unwrap();
    let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bz2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A compressor applied to two halves, its outputs joined.
fn twice(compress: fn(&[u8]) -> Vec<u8>, bytes: &[u8]) -> Vec<u8> {
    let (first, second) = bytes.split_at(bytes.len() / 3);
    [compress(first), compress(second)].concat()
}

struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        Dir(TempDir::new().unwrap())
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join("sample.deb");
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn read_data(path: &Path) -> Result<Files, DebError> {
    let mut files = Vec::new();
    archive::read_data(path, &Limits::default(), |entry, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(|source| DebError::Io { path: path.to_owned(), source })?;
        files.push((entry, bytes));
        Ok::<_, DebError>(())
    })?;
    Ok(files)
}

/// What `dpkg-deb` prints with an option; none, and a word on it, where there is no dpkg.
fn dpkg_deb(option: &str, file: &Path) -> Option<std::process::Output> {
    let output = Command::new("dpkg-deb").arg(option).arg(file).stderr(Stdio::piped()).output();
    if output.is_err() {
        assert!(std::env::var_os("CI").is_none(), "dpkg-deb is missing");
        eprintln!("skipped the second opinion: no dpkg-deb here");
    }
    output.ok()
}

/// Everything in a package is as it was put in, for rootforge and for dpkg.
fn assert_reads(what: &str, members: &[(&str, &[u8])], data: &[u8], files: &Files) {
    let dir = Dir::new();
    let deb = dir.file(&deb(members));
    let read = read_data(&deb).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_eq!(read.len(), files.len(), "{what}");
    assert!(read == *files, "{what}");
    let control = archive::read_control(&deb).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_eq!(control.control, CONTROL, "{what}");
    let members: BTreeMap<_, _> = control
        .members
        .iter()
        .map(|(name, member)| (name.as_str(), (member.mode, member.content.len())))
        .collect();
    let wanted = [
        ("control", (0o644, CONTROL.len())),
        ("md5sums", (0o644, 0)),
        ("postinst", (0o755, 10)),
        ("symbols", (0o644, 5000)),
    ];
    assert_eq!(members, wanted.into(), "{what}");
    assert_eq!(control.text("postinst").unwrap(), "#!/bin/sh\n");
    let mut count = 0;
    let both = archive::read::<DebError>(&deb, &Limits::default(), |_, _| {
        count += 1;
        Ok(())
    });
    assert_eq!((both.unwrap(), count), (control, files.len()), "{what}");
    for (option, wanted) in [("--fsys-tarfile", data), ("--ctrl-tarfile", &tar(&control_files()))] {
        if let Some(output) = dpkg_deb(option, &deb) {
            assert!(output.status.success(), "{what}: {option}: {}", String::from_utf8_lossy(&output.stderr));
            assert!(output.stdout == wanted, "{what}: {option} gives other bytes");
        }
    }
}

#[test]
fn every_compression() {
    let files = samples();
    let (control, data) = (tar(&control_files()), tar(&files));
    let controls = [
        ("control.tar", control.clone()),
        ("control.tar.gz", gz(&control)),
        ("control.tar.xz", xz(&control)),
        ("control.tar.zst", zst(&control)),
    ];
    let datas = [
        ("data.tar", data.clone()),
        ("data.tar.gz", gz(&data)),
        ("data.tar.xz", xz(&data)),
        ("data.tar.bz2", bz2(&data)),
        ("data.tar.lzma", lzma(&data)),
        ("data.tar.zst", zst(&data)),
    ];
    for (control_name, control) in &controls {
        for (data_name, compressed) in &datas {
            let members: [(&str, &[u8]); 3] =
                [("debian-binary", b"2.0\n"), (control_name, control), (data_name, compressed)];
            assert_reads(&format!("{control_name} {data_name}"), &members, &data, &files);
        }
    }
}

#[test]
fn several_members_and_streams() {
    let files = samples();
    let (control, data) = (xz(&tar(&control_files())), tar(&files));
    for (name, compressed) in [
        ("data.tar.gz", twice(gz, &data)),
        ("data.tar.xz", twice(xz, &data)),
        ("data.tar.bz2", twice(bz2, &data)),
        ("data.tar.zst", twice(zst, &data)),
    ] {
        let members: [(&str, &[u8]); 3] =
            [("debian-binary", b"2.0\n"), ("control.tar.xz", &control), (name, &compressed)];
        let dir = Dir::new();
        let deb = dir.file(&deb(&members));
        assert!(read_data(&deb).unwrap() == files, "{name}");
    }
    // zlib in dpkg joins gzip members as well.
    let compressed = twice(gz, &data);
    let members: [(&str, &[u8]); 3] =
        [("debian-binary", b"2.0\n"), ("control.tar.xz", &control), ("data.tar.gz", &compressed)];
    assert_reads("two gzip members", &members, &data, &files);
}

#[test]
fn further_members_and_spellings() {
    let files = samples();
    let (control, data) = (tar(&control_files()), tar(&files));
    let (control, compressed) = (gz(&control), xz(&data));
    let usual: [(&str, &[u8]); 3] =
        [("debian-binary", b"2.0\n"), ("control.tar.gz", &control), ("data.tar.xz", &compressed)];
    let with = |at: usize, extra: (&'static str, &'static [u8])| {
        let mut members = usual.to_vec();
        members.insert(at, extra);
        members
    };
    assert_reads("_ before control", &with(1, ("_gpgbuilder", b"odd")), &data, &files);
    assert_reads("_ before data", &with(2, ("_extra", b"even")), &data, &files);
    assert_reads("_ at the end", &with(3, ("_gpgorigin", b"sig")), &data, &files);
    assert_reads("anything at the end", &with(3, ("whatever", b"x")), &data, &files);
    let slashes: [(&str, &[u8]); 3] =
        [("debian-binary/", b"2.0\n"), ("control.tar.gz/", &control), ("data.tar.xz/", &compressed)];
    assert_reads("GNU ar", &slashes, &data, &files);
    // Where dpkg looks at a header's size alone, so must we: `debpkg` wants all of its numbers.
    let dir = Dir::new();
    let mut blank = deb(&usual);
    blank[8 + 16..8 + 48].fill(b' ');
    assert!(read_data(&dir.file(&blank)).unwrap() == files);
    // All sizes odd, so that padding counts.
    let lines: [(&str, &[u8]); 3] = [
        ("debian-binary", b"2.01\nextra line\n!"),
        ("control.tar.gz", &control),
        ("data.tar.xz", &compressed),
    ];
    assert_reads("a later minor version", &lines, &data, &files);
}

#[test]
fn plain_tars_of_other_kinds() {
    let control = tar(&control_files());
    let mut header = tar::Header::new_old();
    header.set_path("usr/old").unwrap();
    header.set_size(3);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    header.set_cksum();
    let mut v7 = header.as_bytes().to_vec();
    v7.extend_from_slice(b"old");
    v7.resize(1024, 0);
    v7.resize(10240, 0);
    let empty = vec![0; 10240];
    for (what, data, files) in [("v7", v7, vec![file("/usr/old", 0o644, b"old")]), ("empty", empty, vec![])] {
        let members: [(&str, &[u8]); 3] =
            [("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", &data)];
        assert_reads(what, &members, &data, &files);
        let compressed = xz(&data);
        let members: [(&str, &[u8]); 3] =
            [("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar.xz", &compressed)];
        assert_reads(what, &members, &data, &files);
    }
    let members: [(&str, &[u8]); 3] =
        [("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", b"")];
    let dir = Dir::new();
    assert_eq!(read_data(&dir.file(&deb(&members))).unwrap(), []);
}

/// Reads a package that must fail, in both ways of reading.
fn refused(bytes: &[u8]) -> DebError {
    let dir = Dir::new();
    let deb = dir.file(bytes);
    let error = match archive::read_control(&deb) {
        Err(error) => error,
        Ok(_) => read_data(&deb).unwrap_err(),
    };
    assert!(error.to_string().contains("sample.deb"), "{error}");
    let _ = error.hints();
    error
}

#[test]
fn damaged_compression_is_found() {
    let files = samples();
    let control = xz(&tar(&control_files()));
    let data = tar(&files);
    for (name, compressed) in [
        ("data.tar.gz", gz(&data)),
        ("data.tar.xz", xz(&data)),
        ("data.tar.bz2", bz2(&data)),
        ("data.tar.lzma", lzma(&data)),
        ("data.tar.zst", zst(&data)),
    ] {
        let with = |compressed: &[u8]| {
            let members: [(&str, &[u8]); 3] =
                [("debian-binary", b"2.0\n"), ("control.tar.xz", &control), (name, compressed)];
            refused(&deb(&members))
        };
        // Cut off, as a whole member: the decoder must notice.
        for length in [compressed.len() / 2, compressed.len() - 1, 10, 0] {
            let error = with(&compressed[..length]);
            assert!(
                matches!(&error, DebError::Compression { member, .. } if member == name),
                "{name}: {error:?}"
            );
        }
        // Behind the tar's end: in the footer, which a tar reader alone never sees.
        if name != "data.tar.lzma" {
            for from_end in [1, 3] {
                let mut bad = compressed.clone();
                let at = bad.len() - from_end;
                bad[at] ^= 0x40;
                let error = with(&bad);
                assert!(matches!(error, DebError::Compression { .. }), "{name} -{from_end}: {error:?}");
            }
        }
        let mut bad = compressed.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 0xff;
        let error = with(&bad);
        assert!(matches!(error, DebError::Compression { .. } | DebError::Tar { .. }), "{name}: {error:?}");
    }
}

#[test]
fn what_is_no_package() {
    let control = gz(&tar(&control_files()));
    let data = gz(&tar(&samples()));
    let binary: (&str, &[u8]) = ("debian-binary", b"2.0\n");
    let good = deb(&[binary, ("control.tar.gz", &control), ("data.tar.gz", &data)]);

    assert!(matches!(refused(b""), DebError::NotADeb { html: false, .. }));
    assert!(matches!(refused(b"MZ"), DebError::NotADeb { html: false, .. }));
    let html = refused(b"\r\n <!DOCTYPE html><title>log in</title>");
    assert!(html.to_string().ends_with("is not a Debian package: it looks like HTML"), "{html}");
    assert_eq!(html.hints().len(), 1);
    assert!(matches!(refused(b"!<arch>\n"), DebError::NotADeb { .. }));
    assert!(matches!(refused(b"0.939000\n123\n"), DebError::NotADeb { .. }));
    let version = |text: &[u8]| refused(&deb(&[("debian-binary", text), ("control.tar.gz", &control)]));
    assert!(matches!(version(b"3.0\n"), DebError::Version { found, .. } if found == "3.0"));
    assert!(matches!(version(b"2.x\n"), DebError::Version { .. }));

    for length in [9, 40, 70, 100, 200, good.len() - data.len() - 5, good.len() - 3] {
        let error = refused(&good[..length]);
        assert!(
            matches!(
                error,
                DebError::Truncated { .. } | DebError::MemberHeader { .. } | DebError::NotADeb { .. }
            ),
            "{length}: {error:?}"
        );
    }
    let mut header = good.clone();
    header[8 + 50] = b'x';
    assert!(matches!(refused(&header), DebError::MemberHeader { offset: 8, .. }));

    let unknown =
        refused(&deb(&[binary, ("control.tar.gz", &control), ("extra", b"1"), ("data.tar.gz", &data)]));
    assert!(matches!(unknown, DebError::UnknownMember { member, .. } if member == "extra"));
    let swapped = refused(&deb(&[binary, ("data.tar.gz", &data), ("control.tar.gz", &control)]));
    assert!(matches!(swapped, DebError::UnknownMember { .. }));
    let unknown = refused(&deb(&[binary, ("control.tar.gz", &control), ("data.tar.br", &data)]));
    assert!(matches!(unknown, DebError::UnknownMember { .. }));
    let missing = refused(&deb(&[binary, ("control.tar.gz", &control)]));
    assert!(matches!(missing, DebError::MissingMember { member: "data.tar", .. }));
    let other = refused(&deb(&[binary, ("control.tar.gz", &control), ("data.tar.xz", &data)]));
    assert!(matches!(other, DebError::Compression { .. }), "{other:?}");
    let none = gz(&tar(&vec![file("/postinst", 0o755, b"")]));
    let none = refused(&deb(&[binary, ("control.tar.gz", &none), ("data.tar.gz", &data)]));
    assert!(matches!(none, DebError::MissingControl { .. }));
}

#[test]
fn nothing_leaves_the_root() {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..13].copy_from_slice(b"./../etc/evil");
    header.set_size(0);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    let mut data = header.as_bytes().to_vec();
    data.resize(10240, 0);
    for (control_name, control, data_name, data) in [
        ("control.tar.xz", xz(&tar(&control_files())), "data.tar.xz", xz(&data)),
        ("control.tar.gz", gz(&tar(&control_files())), "data.tar.gz", gz(&data)),
        ("control.tar.gz", gz(&data), "data.tar.gz", gz(&tar(&samples()))),
    ] {
        let error =
            refused(&deb(&[("debian-binary", b"2.0\n"), (control_name, &control), (data_name, &data)]));
        assert!(matches!(error, DebError::Tar { source: TarballError::Path(_), .. }), "{error:?}");
    }
}

#[test]
fn a_hundred_thousand_entries() {
    let list: Files = (0..=100_000).map(|number| file(&format!("/{number}"), 0o644, b"")).collect();
    let control = xz(&tar(&control_files()));
    let data = zst(&tar(&list));
    let dir = Dir::new();
    let deb =
        dir.file(&deb(&[("debian-binary", b"2.0\n"), ("control.tar.xz", &control), ("data.tar.zst", &data)]));
    let count = |limits: &Limits| {
        let mut count = 0_u64;
        archive::read_data(&deb, limits, |_, _| {
            count += 1;
            Ok::<_, DebError>(())
        })
        .map(|()| count)
    };
    assert_eq!(count(&Limits::default()).unwrap(), 100_001);
    let error = count(&Limits { max_entries: 100_000, ..Limits::default() }).unwrap_err();
    assert!(matches!(error, DebError::Tar { source: TarballError::TooManyEntries(100_000), .. }));
    let error = count(&Limits { max_total: 1 << 20, ..Limits::default() }).unwrap_err();
    assert!(matches!(error, DebError::Tar { source: TarballError::TooLarge(_), .. }));
}

#[test]
fn a_control_file_of_the_nineties() {
    let latin = tar(&vec![file("/control", 0o644, b"Package: a\nMaintainer: Andr\xe9\n")]);
    let dir = Dir::new();
    let bytes =
        deb(&[("debian-binary", b"2.0\n"), ("control.tar.gz", &gz(&latin)), ("data.tar", &tar(&samples()))]);
    let control = archive::read_control(&dir.file(&bytes)).unwrap();
    assert_eq!(control.control, "Package: a\nMaintainer: Andr\u{e9}\n");
}

#[test]
fn a_control_tarball_that_grows_is_stopped() {
    // 200 MB of zeros in a few kilobytes.
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    let size = 200 << 20;
    let mut writer = Writer::new(&mut encoder);
    let bomb = entry("/md5sums", 0o644, EntryKind::File { size });
    writer.append(&bomb, &mut std::io::repeat(0).take(size)).unwrap();
    writer.finish().unwrap();
    let control = encoder.finish().unwrap();
    let error =
        refused(&deb(&[("debian-binary", b"2.0\n"), ("control.tar.zst", &control), ("data.tar", b"")]));
    assert!(matches!(error, DebError::Tar { source: TarballError::TooLarge(_), .. }), "{error:?}");
}

/// What dpkg says of two versions.
fn dpkg_compares(a: &str, b: &str) -> Ordering {
    let holds = |relation: &str| {
        let mut command = Command::new("dpkg");
        command.args(["--compare-versions", a, relation, b]).stdin(Stdio::null()).status().unwrap().success()
    };
    match (holds("lt"), holds("gt")) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => Ordering::Equal,
        (true, true) => panic!("dpkg orders {a} and {b} both ways"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn versions_have_dpkgs_order(a in "([0-9]:)?[0-9][0-9a-cA-C.+~]{0,6}(-[0-9a-c.+~]{1,4})?", b in "([0-9]:)?[0-9][0-9a-cA-C.+~]{0,6}(-[0-9a-c.+~]{1,4})?") {
        if have(&["dpkg"]) {
            prop_assert!(version::is_valid(&a) && version::is_valid(&b));
            prop_assert_eq!(version::compare(&a, &b), dpkg_compares(&a, &b), "{} against {}", a, b);
        }
    }
}
