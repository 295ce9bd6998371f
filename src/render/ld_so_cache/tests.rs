use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::image_tree::ImageTree;
use super::super::{Content, MadeFile};
use super::*;
use crate::root_path::RootPath;
use crate::tarball::EntryKind;

fn entry(soname: &str, dir: &str, hwcaps: Option<&str>) -> CacheEntry {
    CacheEntry { soname: soname.into(), path: format!("{dir}/{soname}"), hwcaps: hwcaps.map(str::to_owned) }
}

/// Everything of a cache but who made it: the header and the entries, and the strings.
fn common(bytes: &[u8], little: bool) -> (&[u8], usize) {
    let word = |at: usize| {
        let bytes: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
        if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
    };
    let extensions = word(32) as usize;
    assert_eq!(word(extensions), EXTENSION_MAGIC);
    (&bytes[..extensions], word(extensions + 4) as usize)
}

fn of_host(path: PathBuf) -> MadeFile {
    let mut file = MadeFile::file(RootPath::parse(path.to_str().unwrap()).unwrap(), 0o644, Vec::new());
    file.entry.kind = EntryKind::File { size: 0 };
    file.content = Content::Host(path);
    file
}

/// A directory of this machine as a tree: links as they are, regular files by their host path.
fn take_in(tree: &mut ImageTree, dir: &Path, deep: bool) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let Ok(at) = RootPath::parse(path.to_str().unwrap()) else { continue };
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            tree.make(0, &MadeFile::symlink(at, target.to_str().unwrap()));
            if let Some(real) = path.canonicalize().ok().filter(|real| real.is_file()) {
                tree.make(0, &of_host(real));
            }
        } else if kind.is_dir() {
            tree.make(0, &MadeFile::directory(at, 0o755));
            if deep || path.ends_with("glibc-hwcaps") {
                take_in(tree, &path, true);
            }
        } else if kind.is_file() {
            tree.make(0, &of_host(path));
        }
    }
}

#[test]
fn this_machines_cache_is_ldconfigs_to_the_byte() {
    let scratch = tempfile::tempdir().unwrap();
    let cache = scratch.path().join("cache");
    let made = Command::new("/sbin/ldconfig").args(["-X", "-C"]).arg(&cache).status();
    assert!(made.is_ok_and(|status| status.success()), "ldconfig of libc-bin is needed");
    let theirs = std::fs::read(&cache).unwrap();

    let mut tree = ImageTree::default();
    for link in ["/lib", "/lib32", "/lib64", "/libx32"] {
        if let Ok(target) = std::fs::read_link(link) {
            let path = RootPath::parse(link).unwrap();
            tree.make(0, &MadeFile::symlink(path, target.to_str().unwrap()));
        }
    }
    let defaults: Vec<RootPath> = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib"]
        .map(|path| RootPath::parse(path).unwrap())
        .to_vec();
    take_in(&mut tree, Path::new("/etc/ld.so.conf.d"), false);
    let config = RootPath::parse(CONFIG).unwrap();
    tree.make(0, &MadeFile::file(config, 0o644, std::fs::read(CONFIG).unwrap()));
    let mut contents = BTreeMap::new();
    for path in config_files(&tree) {
        contents.insert(path.clone(), std::fs::read(path.as_str()).unwrap());
    }
    let dirs = directories(&contents, &defaults);
    for dir in &dirs {
        if let Ok(real) = Path::new(dir.as_str()).canonicalize() {
            take_in(&mut tree, &real, false);
        }
    }
    let scan = scan(&tree, &dirs, Arch::Amd64.elf_machine());
    assert!(scan.entries.len() > 50, "{}", scan.entries.len());
    let ours = write(scan.entries, Arch::Amd64);
    std::fs::write(scratch.path().join("ours"), &ours).unwrap();
    let (ours, theirs) = (common(&ours, true), common(&theirs, true));
    assert_eq!(ours.1, theirs.1);
    assert!(ours.0 == theirs.0, "{}", describe(ours.0, theirs.0));
}

/// Where two caches differ, in words.
fn describe(ours: &[u8], theirs: &[u8]) -> String {
    let list = |bytes: &[u8]| -> Vec<String> {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let text = |at: usize| {
            let end = bytes[at..].iter().position(|byte| *byte == 0).unwrap();
            String::from_utf8_lossy(&bytes[at..at + end]).into_owned()
        };
        (0..word(20))
            .map(|entry| HEADER + entry * ENTRY)
            .map(|at| {
                format!("{:#x} {} {} {:#x}", word(at), text(word(at + 4)), text(word(at + 8)), word(at + 20))
            })
            .collect()
    };
    let (ours, theirs) = (list(ours), list(theirs));
    let only =
        |a: &[String], b: &[String]| a.iter().filter(|line| !b.contains(line)).cloned().collect::<Vec<_>>();
    format!("only ours: {:#?}\nonly theirs: {:#?}", only(&ours, &theirs), only(&theirs, &ours))
}

#[test]
fn ldconfig_reads_what_is_written_for_its_own_byte_order() {
    let entries = vec![
        entry("libz.so.1", "/lib/x86_64-linux-gnu", None),
        entry("libc.so.6", "/lib/x86_64-linux-gnu", None),
        entry("libz.so.1", "/usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3", Some("x86-64-v3")),
        entry("libfoo.so.10", "/opt/lib", None),
        entry("libfoo.so.9", "/opt/lib", None),
    ];
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("cache");
    std::fs::write(&path, write(entries, Arch::Amd64)).unwrap();
    let output = Command::new("/sbin/ldconfig").arg("-p").arg("-C").arg(&path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(lines[0].split('`').next(), Some("5 libs found in cache "), "{text}");
    assert_eq!(
        lines[1..],
        [
            "libz.so.1 (libc6,x86-64, hwcap: \"x86-64-v3\") => /usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libz.so.1",
            "libz.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libz.so.1",
            "libfoo.so.10 (libc6,x86-64) => /opt/lib/libfoo.so.10",
            "libfoo.so.9 (libc6,x86-64) => /opt/lib/libfoo.so.9",
            "libc.so.6 (libc6,x86-64) => /lib/x86_64-linux-gnu/libc.so.6",
            "Cache generated by: rootforge",
        ]
    );
}

#[test]
fn other_machines_have_their_byte_order_and_flags() {
    let entries = || vec![entry("libz.so.1", "/lib/s390x-linux-gnu", None)];
    let bytes = write(entries(), Arch::S390x);
    assert_eq!(&bytes[20..24], [0, 0, 0, 1]);
    assert_eq!(bytes[28], 3);
    assert_eq!(&bytes[48..52], [0, 0, 4, 3]);
    let value = u32::from_be_bytes(bytes[56..60].try_into().unwrap()) as usize;
    assert!(bytes[value..].starts_with(b"/lib/s390x-linux-gnu/libz.so.1\0"));
    let key = u32::from_be_bytes(bytes[52..56].try_into().unwrap()) as usize;
    assert!(bytes[key..].starts_with(b"libz.so.1\0") && key > value, "the name is the end of the path");
    for (arch, flags) in [
        (Arch::Amd64, 0x303),
        (Arch::Arm64, 0xa03),
        (Arch::Arm32v6, 0xb03),
        (Arch::Arm32v7, 0x903),
        (Arch::I386, 3),
        (Arch::Ppc64le, 0x503),
        (Arch::Riscv64, 0x1003),
    ] {
        let bytes = write(entries(), arch);
        assert_eq!(u32::from_le_bytes(bytes[48..52].try_into().unwrap()), flags, "{arch}");
        assert_eq!(common(&bytes, true).1, 1);
    }
}

proptest::proptest! {
    #[test]
    fn names_have_one_order(a in "[a-c0-2.]{0,6}", b in "[a-c0-2.]{0,6}", c in "[a-c0-2.]{0,6}") {
        let compare = |a: &str, b: &str| compare_names(a.as_bytes(), b.as_bytes());
        proptest::prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
        if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
            proptest::prop_assert!(compare(&a, &c).is_le());
        }
    }

    #[test]
    fn every_string_is_found_where_it_is_said_to_be(texts in proptest::collection::btree_set("[ab]{1,5}", 0..12)) {
        let strings = Strings::lay(texts.iter().map(String::as_str).collect());
        for text in &texts {
            let at = strings.offsets[text.as_str()];
            proptest::prop_assert_eq!(&strings.bytes[at..at + text.len()], text.as_bytes());
            proptest::prop_assert_eq!(strings.bytes[at + text.len()], 0);
        }
    }
}
