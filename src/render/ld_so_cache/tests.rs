use std::path::Path;
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

/// A directory as a tree below a root: links as they are, regular files by their host path.
fn take_in(tree: &mut ImageTree, root: &Path, dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let at = RootPath::parse(path.strip_prefix(root).unwrap().to_str().unwrap()).unwrap();
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            tree.make(0, &MadeFile::symlink(at, target.to_str().unwrap()));
        } else if kind.is_dir() {
            tree.make(0, &MadeFile::directory(at, 0o755));
            take_in(tree, root, &path);
        } else {
            let mut file = MadeFile::file(at, 0o644, Vec::new());
            file.entry.kind = EntryKind::File { size: 0 };
            file.content = Content::Host(path);
            tree.make(0, &file);
        }
    }
}

/// A root with this machine's smaller libraries, some of them where configuration leads.
fn root(scratch: &Path) {
    let here = Path::new("/usr/lib/x86_64-linux-gnu");
    let there = scratch.join("usr/lib/x86_64-linux-gnu");
    let hwcaps = scratch.join("opt/lib/glibc-hwcaps/x86-64-v2");
    for dir in [&there, &hwcaps, &scratch.join("etc/ld.so.conf.d"), &scratch.join("usr/lib64")] {
        std::fs::create_dir_all(dir).unwrap();
    }
    std::os::unix::fs::symlink("usr/lib", scratch.join("lib")).unwrap();
    std::os::unix::fs::symlink("usr/lib64", scratch.join("lib64")).unwrap();
    std::fs::write(scratch.join("etc/ld.so.conf"), "include /etc/ld.so.conf.d/*.conf\n").unwrap();
    std::fs::write(scratch.join("etc/ld.so.conf.d/b.conf"), "# own\n/opt/lib # here\n/nowhere\n").unwrap();
    let multiarch = "/usr/local/lib/x86_64-linux-gnu\n/lib/x86_64-linux-gnu\n/usr/lib/x86_64-linux-gnu\n";
    std::fs::write(scratch.join("etc/ld.so.conf.d/x86_64-linux-gnu.conf"), multiarch).unwrap();
    for entry in std::fs::read_dir(here).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(&path).unwrap(), there.join(name)).unwrap();
        } else if metadata.is_file() && metadata.len() < 100_000 {
            std::fs::copy(&path, there.join(name)).unwrap();
        }
    }
    let library = here.join("libanl.so.1");
    for copy in ["opt/lib/libanl.so.1.0", "opt/lib/libanl.so.2", "opt/lib/glibc-hwcaps/x86-64-v2/libanl.so.1"]
    {
        std::fs::copy(&library, scratch.join(copy)).unwrap();
    }
}

#[test]
fn a_roots_cache_is_ldconfigs_to_the_byte_and_so_are_its_links() {
    let scratch = tempfile::tempdir().unwrap();
    root(scratch.path());
    let mut tree = ImageTree::default();
    take_in(&mut tree, scratch.path(), scratch.path());
    let made = Command::new("/sbin/ldconfig").arg("-r").arg(scratch.path()).status();
    assert!(made.is_ok_and(|status| status.success()), "ldconfig of libc-bin is needed");
    let theirs = std::fs::read(scratch.path().join("etc/ld.so.cache")).unwrap();

    let defaults = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib"];
    let defaults = defaults.map(|path| RootPath::parse(path).unwrap());
    let files = config_files(&tree).into_iter();
    let contents = files.map(|path| (path.clone(), tree.made_content(&path).unwrap())).collect();
    let scan = scan(&tree, &directories(&contents, &defaults), Arch::Amd64.elf_machine());
    assert!(scan.entries.len() > 50, "{}", scan.entries.len());
    for (link, target) in &scan.missing_links {
        let real = std::fs::read_link(scratch.path().join(link.relative())).unwrap();
        assert_eq!(real.to_str(), Some(target.as_str()), "{link}");
    }
    assert!(scan.missing_links.keys().any(|link| link.as_str() == "/opt/lib/libanl.so.1"));
    let ours = write(scan.entries, Arch::Amd64);
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
    let differ = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
    format!("{differ:?}\nonly ours: {:#?}\nonly theirs: {:#?}", only(&ours, &theirs), only(&theirs, &ours))
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
