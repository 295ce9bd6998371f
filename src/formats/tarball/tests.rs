use std::io::{self, Read};
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;

type Visited = Vec<(Entry, Vec<u8>)>;

fn read_all(bytes: &[u8], limits: &Limits) -> Result<Visited, TarballError> {
    let mut visited = Vec::new();
    read(bytes, limits, |entry, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(TarballError::Read)?;
        visited.push((entry, bytes));
        Ok::<_, TarballError>(())
    })?;
    Ok(visited)
}

fn entries(bytes: &[u8]) -> Visited {
    read_all(bytes, &Limits::default()).unwrap()
}

fn write_all(entries: &Visited) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, content) in entries {
        writer.append(entry, &mut &content[..]).unwrap();
    }
    writer.finish().unwrap()
}

fn path(text: &str) -> RootPath {
    RootPath::parse(text).unwrap()
}

fn file(name: &str, content: &[u8]) -> (Entry, Vec<u8>) {
    let metadata = Metadata { mode: 0o644, mtime: 1_700_000_000, ..Metadata::default() };
    (
        Entry { path: path(name), metadata, kind: EntryKind::File { size: content.len() as u64 } },
        content.to_owned(),
    )
}

/// A raw member with any header and content, for what the writer never makes.
fn member(mut header: tar::Header, content: &[u8]) -> Vec<u8> {
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

fn header(mut header: tar::Header, kind: u8, name: &str, size: u64) -> tar::Header {
    header.as_old_mut().linkflag = [kind];
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_mode(0o100_644);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(7);
    header
}

fn component() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z.+_-]{1,12}", 1 => "[a-zé日 \\n=]{1,60}"]
        .prop_filter("`.` and `..` are no names", |name| name != "." && name != "..")
}

fn root_path() -> impl Strategy<Value = RootPath> {
    proptest::collection::vec(component(), 1..9).prop_map(|parts| path(&parts.join("/")))
}

fn entry() -> impl Strategy<Value = (Entry, Vec<u8>)> {
    let xattrs = proptest::collection::btree_map(
        "(user|security)\\.[a-z.]{1,9}",
        proptest::collection::vec(any::<u8>(), 0..40),
        0..3,
    );
    let number = || prop_oneof![0..5000_u32, any::<u32>()];
    let metadata =
        (0..0o10000_u32, number(), number(), prop_oneof![0..1_u64 << 40, 0..2_000_000_000_u64], xattrs)
            .prop_map(|(mode, uid, gid, mtime, xattrs)| Metadata { mode, uid, gid, mtime, xattrs });
    let kind = prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..2000)
            .prop_map(|content| (EntryKind::File { size: content.len() as u64 }, content)),
        2 => Just((EntryKind::Directory, vec![])),
        2 => prop_oneof!["/?[a-z/.\\n]{1,20}", "/[a-z]{95,105}", "[a-zé/.\\n]{1,160}"].prop_map(|target| (EntryKind::Symlink { target }, vec![])),
        2 => root_path().prop_map(|target| (EntryKind::HardLink { target }, vec![])),
        1 => (0..4096_u32, 0..1_u32 << 20)
            .prop_map(|(major, minor)| (EntryKind::CharDevice { major, minor }, vec![])),
        1 => (0..4096_u32, 0..1_u32 << 20)
            .prop_map(|(major, minor)| (EntryKind::BlockDevice { major, minor }, vec![])),
        1 => Just((EntryKind::Fifo, vec![])),
    ];
    (root_path(), metadata, kind)
        .prop_map(|(path, metadata, (kind, content))| (Entry { path, metadata, kind }, content))
}

#[test]
fn a_member_too_deep_for_a_package() {
    let of = |depth: usize, name: &str| write_all(&vec![file(&vec![name; depth].join("/"), b"")]);
    assert_eq!(entries(&of(256, "d")).len(), 1);
    for bytes in [of(257, "d"), of(20, &"long".repeat(60))] {
        let error = read_all(&bytes, &Limits::default()).unwrap_err();
        assert!(matches!(error, TarballError::TooDeep(_)), "{error}");
        assert!(error.to_string().len() < 150, "{error}");
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(list in proptest::collection::vec(entry(), 0..6)) {
        let bytes = write_all(&list);
        prop_assert_eq!(bytes.len() % BLOCK, 0);
        prop_assert_eq!(entries(&bytes), list);
    }

    #[test]
    fn damaged_streams_never_panic(
        list in proptest::collection::vec(entry(), 1..4),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        length in any::<prop::sample::Index>(),
    ) {
        let mut bytes = write_all(&list);
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let length = length.index(bytes.len() + 1);
        let _ = read_all(&bytes[..length], &Limits { max_total: 1 << 20, max_entries: 100 });
    }
}

#[test]
fn the_root_and_spellings() {
    let mut bytes = member(header(tar::Header::new_gnu(), b'5', "./", 0), b"");
    bytes.extend(member(header(tar::Header::new_gnu(), b'5', "./usr//", 0), b""));
    // No end mark: dpkg and GNU tar accept that too.
    let paths: Vec<_> = entries(&bytes).into_iter().map(|(entry, _)| entry.path).collect();
    assert_eq!(paths, [RootPath::root(), path("/usr")]);
}

#[test]
fn v7_directories_end_in_a_slash() {
    let mut bytes = member(header(tar::Header::new_old(), 0, "usr/", 0), b"");
    bytes.extend(member(header(tar::Header::new_old(), 0, "usr/a", 2), b"hi"));
    let read = entries(&bytes);
    assert_eq!(read[0].0.kind, EntryKind::Directory);
    assert_eq!((&read[1].0.kind, &read[1].1[..]), (&EntryKind::File { size: 2 }, &b"hi"[..]));
}

#[test]
fn gnu_long_names_numbers_and_sparse_files() {
    let long = format!("usr/{}/{}", "d".repeat(120), "f".repeat(150));
    let mut name = tar::Header::new_gnu();
    name = header(name, b'L', "././@LongLink", long.len() as u64 + 1);
    let mut bytes = member(name, format!("{long}\0").as_bytes());
    let mut big = header(tar::Header::new_gnu(), b'0', "cut", 0);
    big.set_uid(3_000_000_000);
    big.as_old_mut().mtime = [0xff; 12];
    bytes.extend(member(big, b""));

    let mut sparse = header(tar::Header::new_gnu(), b'S', "sparse", 3);
    let gnu = sparse.as_gnu_mut().unwrap();
    gnu.set_real_size(1003);
    gnu.sparse[0].set_offset(1000);
    gnu.sparse[0].set_length(3);
    bytes.extend(member(sparse, b"end"));
    bytes.extend([0; 1024]);

    let read = entries(&bytes);
    assert_eq!(read[0].0.path, path(&long));
    assert_eq!((read[0].0.metadata.uid, read[0].0.metadata.mtime), (3_000_000_000, 0));
    assert_eq!(read[1].0.kind, EntryKind::File { size: 1003 });
    assert_eq!(read[1].1[..1000], [0; 1000]);
    assert_eq!(read[1].1[1000..], *b"end");
}

#[test]
fn a_newline_in_an_attribute_does_not_name_the_file() {
    let mut evil = file("/good", b"");
    evil.0.metadata.xattrs.insert("user.x".into(), b"\n20 path=/etc/shadow\n13 size=4096\n".to_vec());
    let list = vec![evil, file("/next", b"1")];
    let read = read_all(&write_all(&list), &Limits::default());
    // The tar crate may follow the wrong size; then the two readings differ and the stream is refused.
    match read {
        Ok(read) => assert_eq!(read, list),
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn global_headers_are_passed_over() {
    let mut bytes = member(header(tar::Header::new_ustar(), b'g', "pax_global_header", 12), b"12 comment=x");
    bytes.extend(write_all(&vec![file("/a", b"1")]));
    assert_eq!(entries(&bytes), [file("/a", b"1")]);
}

#[test]
fn what_is_refused() {
    let one = |header: tar::Header| read_all(&member(header, b""), &Limits::default()).unwrap_err();
    let gnu = tar::Header::new_gnu;
    assert!(matches!(one(header(gnu(), b'0', "../etc/passwd", 0)), TarballError::Path(_)));
    assert!(matches!(one(header(gnu(), b'0', "a/../../b", 0)), TarballError::Path(_)));
    let unknown = one(header(gnu(), b'V', "label", 0));
    assert_eq!(unknown.to_string(), "`/label` is of the unknown type `V`");
    assert!(matches!(one(header(gnu(), b'2', "link", 0)), TarballError::LinkTarget { .. }));
    let mut link = header(gnu(), b'1', "link", 0);
    link.set_link_name_literal("../../etc/shadow").unwrap();
    assert!(matches!(one(link), TarballError::LinkTarget { .. }));
    let mut device = header(gnu(), b'3', "null", 0);
    device.as_gnu_mut().unwrap().dev_major = *b"notoctal";
    assert!(matches!(one(device), TarballError::Field { .. }));
    assert!(matches!(one(header(tar::Header::new_old(), b'3', "null", 0)), TarballError::Field { .. }));
    assert!(matches!(one(header(gnu(), b'0', "a", 5)), TarballError::Truncated(_)));
    let mut bad = member(header(gnu(), b'0', "a", 0), b"");
    bad[0] ^= 1;
    assert!(matches!(read_all(&bad, &Limits::default()), Err(TarballError::Malformed { after: 0, .. })));
}

#[test]
fn bounds_hold() {
    let list: Visited = (0..20).map(|n| file(&format!("/{n}"), b"")).collect();
    let bytes = write_all(&list);
    let limits = |max_total, max_entries| Limits { max_total, max_entries };
    assert!(read_all(&bytes, &limits(1 << 20, 20)).is_ok());
    assert!(matches!(read_all(&bytes, &limits(1 << 20, 19)), Err(TarballError::TooManyEntries(19))));
    assert!(matches!(read_all(&bytes, &limits(5000, 100)), Err(TarballError::TooLarge(5000))));

    let mut sparse = header(tar::Header::new_gnu(), b'S', "huge", 0);
    let gnu = sparse.as_gnu_mut().unwrap();
    gnu.set_real_size(1 << 60);
    gnu.sparse[0].set_offset(1 << 60);
    gnu.sparse[0].set_length(0);
    let huge = member(sparse, b"");
    assert!(matches!(read_all(&huge, &Limits::default()), Err(TarballError::TooLarge(_))));

    // A name of megabytes is refused before it is in memory.
    let long = header(tar::Header::new_gnu(), b'L', "././@LongLink", 1 << 40);
    let endless = io::Cursor::new(member(long, b"")).chain(io::repeat(b'a'));
    let error = read(endless, &Limits::default(), |_, _| Ok::<_, TarballError>(())).unwrap_err();
    assert!(error.to_string().contains("headers of a member"), "{error}");
}

/// A reader that fails when it has given everything, as a decompressor with a wrong checksum does.
struct BadEnd<'a>(&'a [u8]);

impl Read for BadEnd<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::new(io::ErrorKind::InvalidData, "wrong checksum")),
            read => Ok(read),
        }
    }
}

#[test]
fn the_end_behind_the_end_is_read() {
    let mut bytes = write_all(&vec![file("/a", b"1")]);
    bytes.extend([0; 10240]);
    let error = read(BadEnd(&bytes), &Limits::default(), |_, _| Ok::<_, TarballError>(())).unwrap_err();
    assert!(matches!(error, TarballError::Read(cause) if cause.to_string() == "wrong checksum"));
    // A failure below outranks what the visitor makes of it.
    let error = read(BadEnd(&bytes[..512]), &Limits::default(), |_, content| {
        io::copy(content, &mut io::sink()).map(drop).map_err(|_| TarballError::TooLarge(0))
    });
    assert!(matches!(error, Err(TarballError::Read(_))));
}

#[test]
fn wrong_sizes_are_not_written() {
    let (entry, _) = file("/a", b"12");
    let mut writer = Writer::new(Vec::new());
    assert!(writer.append(&entry, &mut &b"1"[..]).is_err());
    assert!(writer.append(&entry, &mut &b"123"[..]).is_err());
}

#[test]
fn written_bytes_are_fixed() {
    let bytes = write_all(&vec![
        file("/usr/bin/a", b"hi"),
        file(&format!("/{}/{}", "d".repeat(90), "f".repeat(90)), b""),
    ]);
    assert_eq!(bytes.len(), 512 + 512 + 512 + 1024);
    assert!(bytes.starts_with(b"usr/bin/a\0"));
    assert_eq!(&bytes[257..265], b"ustar\x0000");
    assert_eq!(&bytes[1024..1115], format!("{}\0", "f".repeat(90)).as_bytes());
    assert_eq!(&bytes[1024 + 345..1024 + 435], "d".repeat(90).as_bytes());
}

/// Every kind of entry, for other programs to judge.
fn samples() -> Visited {
    let mut list = vec![
        (Entry { kind: EntryKind::Directory, ..file("/", b"").0 }, vec![]),
        (Entry { kind: EntryKind::Directory, ..file("/usr", b"").0 }, vec![]),
        file("/usr/short", b"hello"),
        file(&format!("/usr/{}/{}", "d".repeat(90), "f".repeat(90)), b"split"),
        file(&format!("/usr/{}", "f".repeat(180)), b"long"),
        file("/usr/sch\u{f6}n", b"utf-8"),
    ];
    list[2].0.metadata.mode = 0o6755;
    list[4].0.metadata.uid = 3_000_000;
    list[5].0.metadata.xattrs.insert("user.note".into(), b"a\nb".to_vec());
    let mut push = |name: &str, kind| {
        list.push((Entry { kind, ..file(name, b"").0 }, vec![]));
    };
    push("/usr/link", EntryKind::Symlink { target: "short".into() });
    push("/usr/absolute", EntryKind::Symlink { target: "/usr/short".into() });
    push("/usr/far", EntryKind::Symlink { target: "t".repeat(130) });
    push("/usr/hard", EntryKind::HardLink { target: path("/usr/short") });
    push("/null", EntryKind::CharDevice { major: 1, minor: 3 });
    push("/sda", EntryKind::BlockDevice { major: 8, minor: 0 });
    push("/pipe", EntryKind::Fifo);
    list
}

/// Runs a judge on a tar stream given on its standard input; none where the program is missing.
fn judged_by(program: &str, arguments: &[&str], bytes: &[u8]) -> Option<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_owned();
    let feeder = std::thread::spawn(move || {
        let _ = io::Write::write_all(&mut stdin, &bytes);
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn gnu_tar_and_python_read_what_is_written() {
    let list = samples();
    let bytes = write_all(&list);
    let ci = std::env::var_os("CI").is_some();
    let tar = ["--numeric-owner", "--quoting-style=literal", "--full-time", "-tvf", "-"];
    match judged_by("tar", &tar, &bytes) {
        None => assert!(!ci, "tar is missing"),
        Some(listing) => {
            let long = "f".repeat(180);
            let lines: Vec<_> = listing.lines().collect();
            assert_eq!(lines.len(), list.len());
            for wanted in [
                "drw-r--r-- 0/0 0 2023-11-14 22:13:20 usr/",
                "-rwsr-sr-x 0/0 5 2023-11-14 22:13:20 usr/short",
                &format!("-rw-r--r-- 3000000/0 4 2023-11-14 22:13:20 usr/{long}"),
                "-rw-r--r-- 0/0 5 2023-11-14 22:13:20 usr/sch\u{f6}n",
                "lrw-r--r-- 0/0 0 2023-11-14 22:13:20 usr/link -> short",
                "lrw-r--r-- 0/0 0 2023-11-14 22:13:20 usr/absolute -> /usr/short",
                &format!("lrw-r--r-- 0/0 0 2023-11-14 22:13:20 usr/far -> {}", "t".repeat(130)),
                "hrw-r--r-- 0/0 0 2023-11-14 22:13:20 usr/hard link to usr/short",
                "crw-r--r-- 0/0 1,3 2023-11-14 22:13:20 null",
                "brw-r--r-- 0/0 8,0 2023-11-14 22:13:20 sda",
                "prw-r--r-- 0/0 0 2023-11-14 22:13:20 pipe",
            ] {
                let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(lines.iter().any(|line| squeezed(line) == wanted), "{wanted}\n{listing}");
            }
        }
    }
    let script = "import sys, tarfile
for m in tarfile.open(fileobj=sys.stdin.buffer, mode='r|'):
    print(m.name, m.type.decode(), oct(m.mode), m.uid, m.size, m.mtime, m.linkname, sep='|')";
    match judged_by("python3", &["-c", script], &bytes) {
        None => assert!(!ci, "python3 is missing"),
        Some(listing) => {
            assert_eq!(listing.lines().count(), list.len());
            assert!(listing.contains("usr/hard|1|0o644|0|0|1700000000|usr/short"), "{listing}");
            assert!(listing.contains("usr/sch\u{f6}n|0|0o644|0|5|1700000000|"), "{listing}");
        }
    }
}
