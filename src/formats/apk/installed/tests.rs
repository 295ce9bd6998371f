use super::*;
use crate::root_path::RootPath;

fn entry(path: &str, kind: EntryKind, mode: u32, uid: u32, gid: u32) -> Entry {
    let metadata = Metadata { mode, uid, gid, ..Metadata::default() };
    Entry { path: RootPath::parse(path).unwrap(), metadata, kind }
}

fn file(path: &str, mode: u32) -> Entry {
    entry(path, EntryKind::File { size: 1 }, mode, 0, 0)
}

fn directory(path: &str, mode: u32) -> Entry {
    entry(path, EntryKind::Directory, mode, 0, 0)
}

fn package<'a>(pkginfo: &'a str, entries: &'a [(Entry, Marks)]) -> InstalledPackage<'a> {
    InstalledPackage {
        pkginfo,
        arch: None,
        checksum: Checksum::of(pkginfo.as_bytes()),
        size: 1025,
        files: entries
            .iter()
            .map(|(entry, marks)| {
                let owner = [entry.metadata.uid, entry.metadata.gid];
                InstalledFile { entry, marks, owner }
            })
            .collect(),
        scripts: BTreeMap::new(),
    }
}

/// What apk 2.14.4 wrote on installing a package of these entries.
#[test]
fn files_are_listed_under_their_directory_by_first_mention() {
    let none = Marks::default();
    let sum = |text: &str| Marks { checksum: Some(Checksum::of(text.as_bytes())), ..Marks::default() };
    let mut capable = file("usr/cap", 0o644);
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    capable.metadata.xattrs =
        [("user.foo".to_owned(), b"bar".to_vec()), ("security.capability".to_owned(), capability)].into();
    let mut setuid = file("etc/a", 0o4755);
    (setuid.metadata.uid, setuid.metadata.gid) = (1, 2);
    let entries = [
        (directory("usr", 0o755), none.clone()),
        (directory("etc", 0o644), none.clone()),
        (setuid, sum("2")),
        (file("usr/aa", 0o644), sum("3")),
        (entry("usr/bin", EntryKind::Directory, 0o2750, 0, 5), none.clone()),
        (file("rootfile", 0o644), sum("x")),
        (capable, sum("c")),
        (entry("usr/sl", EntryKind::Symlink { target: "zz".into() }, 0o777, 0, 0), sum("zz")),
        (entry("usr/fifo", EntryKind::Fifo, 0o644, 0, 0), none.clone()),
    ];
    let text = installed(&[package("pkgname = aaa\npkgver = 1.0-r0\narch = noarch\nsize = 10\n", &entries)]);
    let (_, text) = text.split_once('\n').unwrap();
    assert_eq!(
        text,
        "P:aaa\nV:1.0-r0\nA:noarch\nS:1025\nI:10\nT:\nU:\nL:\n\
         F:usr\nR:aa\nZ:Q1d95o2uzYI7q7tY7bHI4U1xBug7s=\n\
         R:cap\na:0:0:644:Q1hr1FnqNgNQ0mwirxoX84NenB9Q8=\nZ:Q1hKUWhBuneltGSN4s0N/LMOpG27Q=\n\
         R:sl\na:0:0:777\nZ:Q119rK4sloOIlgv4lwCAqYDtXF3Lc=\nR:fifo\n\
         F:etc\nM:0:0:644\nR:a\na:1:2:4755\nZ:Q12kuSN7rMzfGcB2DKt67EqDWQELA=\n\
         F:usr/bin\nM:0:5:2750\n\
         F:\nR:rootfile\nZ:Q1EfatjsUqKYSrqv18O1FlA3hcIHI=\n\n"
    );
}

#[test]
fn fields_come_in_the_order_of_apk_and_packages_by_name() {
    let info = "# comment\npkgname = bbb\npkgver = 2\npkgdesc = d é = x\narch = x86_64\nsize = 11\n\
                replaces = aaa\nreplaces = ccc<2\nreplaces_priority = 7\nprovides = foo=1\nprovides = bar\n\
                depend = aaa\ndepend = !zzz\nprovider_priority = 3\ninstall_if = aaa=1.0-r0 qqq\n\
                triggers = /etc /usr/*\nlicense = X Y\norigin = bbo\nmaintainer = M <m@m>\nbuilddate = 5\n\
                commit = c0\nurl = http://b\npackager = P\n";
    let mut first = package("pkgname = b\npkgver = 1\n", &[]);
    first.arch = Some("s390x");
    let (b, bbb) = (first, package(info, &[]));
    let text = installed(&[bbb.clone(), b.clone()]);
    let wanted = format!(
        "C:{}\nP:b\nV:1\nA:s390x\nS:1025\nI:0\nT:\nU:\nL:\n\n\
         C:{}\nP:bbb\nV:2\nA:x86_64\nS:1025\nI:11\nT:d é = x\nU:http://b\nL:X Y\no:bbo\nm:M <m@m>\nt:5\nc:c0\n\
         k:3\nD:aaa !zzz\np:foo=1 bar\ni:aaa=1.0-r0 qqq\nr:aaa ccc<2\nq:7\n\n",
        b.checksum, bbb.checksum
    );
    assert_eq!(text, wanted);
    assert_eq!(triggers(&[bbb.clone(), b]), format!("{} /etc /usr/*\n", bbb.checksum));
}

#[test]
fn scripts_are_a_tar_that_others_read() {
    let name = format!("{}-{}", "l".repeat(40), "m".repeat(40));
    let long = format!("pkgname = {name}\npkgver = 1-r0\nbuilddate = 1700000000\n");
    let mut packages = [package("pkgname = b\npkgver = 1\n", &[]), package(&long, &[])];
    packages[0].scripts =
        [("trigger", &b"t"[..]), ("post-install", b"i"), ("pre-install", b""), ("foreign", b"x")].into();
    packages[1].scripts = [("post-upgrade", &[b'u'; 600][..])].into();
    let bytes = scripts_tar(&packages);
    let mut archive = tar::Archive::new(&bytes[..]);
    let read: Vec<(String, u64, u32)> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            (path, entry.size(), entry.header().mode().unwrap())
        })
        .collect();
    let (first, second) = (packages[0].checksum, packages[1].checksum);
    let wanted = [
        (format!("b-1.{first}.pre-install"), 0, 0o755),
        (format!("b-1.{first}.post-install"), 1, 0o755),
        (format!("b-1.{first}.trigger"), 1, 0o755),
        (format!("{name}-1-r0.{second}.post-upgrade"), 600, 0o755),
    ];
    assert_eq!(read, wanted);
    assert_eq!(scripts_tar(&[]), [0; 1024]);
}
