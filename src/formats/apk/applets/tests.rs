use proptest::prelude::*;

use super::*;

/// The bytes of a program that holds lists of names and tables of places.
fn program(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0 some code \xff\xfe\0".to_vec();
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes.extend_from_slice(b"and more \xf0\0");
    bytes
}

fn names(names: &[&str]) -> Vec<u8> {
    names.iter().flat_map(|name| name.bytes().chain([0])).chain([0]).collect()
}

const NAMES: [&str; 7] = ["[", "[[", "cat", "chroot", "init", "novel", "sort"];
const TABLE: [u8; 4] = [0x33, 0x41, 0x12, 0x03];

fn paths(applets: &[Applet]) -> Vec<&str> {
    applets.iter().map(|applet| applet.path.as_str()).collect()
}

#[test]
fn each_applet_has_the_place_the_table_says() {
    let wanted = [
        "/usr/bin/[",
        "/usr/bin/[[",
        "/bin/cat",
        "/usr/sbin/chroot",
        "/sbin/init",
        "/bin/novel",
        "/usr/bin/sort",
    ];
    // The table before the names, with nothing between; behind them; and twice the same.
    for parts in [
        vec![&TABLE[..], &names(&NAMES)],
        vec![&names(&NAMES), b"text\0", &TABLE, b"\xff"],
        vec![&TABLE, b"\xff", &TABLE, b"\xff\0", &names(&NAMES)],
    ] {
        assert_eq!(paths(&applets(&program(&parts)).unwrap()), wanted);
    }
}

#[test]
fn a_list_without_brackets_may_follow_other_text() {
    let list = ["dnsd", "ftpd", "httpd", "telnet", "telnetd"];
    let table = [0x44, 0x34, 0x04];
    let wanted =
        ["/usr/sbin/dnsd", "/usr/sbin/ftpd", "/usr/sbin/httpd", "/usr/bin/telnet", "/usr/sbin/telnetd"];
    for parts in [
        vec![&table[..], b"\0", &names(&list)],
        vec![&table, &b"\xff\0abc\0"[..], &names(&list)],
        vec![&table, b"\x33", &names(&list)],
    ] {
        assert_eq!(paths(&applets(&program(&parts)).unwrap()), wanted);
    }
}

#[test]
fn what_is_not_certain_is_an_error() {
    let error = |parts: &[&[u8]]| applets(&program(parts)).unwrap_err();
    assert_eq!(applets(b"#!/bin/sh\n"), Err(AppletsError::NotElf));
    assert_eq!(error(&[b"nothing"]), AppletsError::NoNames);
    assert_eq!(error(&[&names(&NAMES)]), AppletsError::NoTable { names: 7 });
    // The place of `novel` differs.
    let other = [0x33, 0x41, 0x32, 0x03];
    assert_eq!(
        error(&[&TABLE, b"\xff", &other, b"\xff\0", &names(&NAMES)]),
        AppletsError::Ambiguous { names: 7, found: 2 }
    );
    // A known applet in another place, a place that is none, something behind the last.
    for table in [[0x33, 0x43, 0x12, 0x03], [0x33, 0x41, 0x52, 0x03], [0x33, 0x41, 0x12, 0x13]] {
        assert_eq!(error(&[&table, b"\xff\0", &names(&NAMES)]), AppletsError::NoTable { names: 7 });
    }
}

#[test]
fn an_applet_may_have_moved() {
    let list = ["[", "[[", "ash", "awk", "cat", "chroot", "cut", "init", "ls", "sed", "sort"];
    // `ls` is in `/usr/bin`; another table would need two to have moved.
    let table = [0x33, 0x31, 0x41, 0x23, 0x13, 0x03];
    let worse = [0x33, 0x31, 0x41, 0x23, 0x33, 0x03];
    let found = applets(&program(&[&worse, b"\xff", &table, b"\xff\0", &names(&list)])).unwrap();
    assert_eq!(found[8].path.as_str(), "/usr/bin/ls");
    assert_eq!(found[9].path.as_str(), "/bin/sed");
}

#[test]
fn bbsuid_links_the_paths_it_names() {
    let bytes =
        program(&[b"/lib/ld-musl.so\0/bin/bbsuid\0/bin/busybox\0/usr/bin/passwd\0/bin/su\0--install\0"]);
    let paths = bbsuid_paths(&bytes).unwrap();
    assert_eq!(paths.iter().map(RootPath::as_str).collect::<Vec<_>>(), ["/bin/su", "/usr/bin/passwd"]);
    assert_eq!(bbsuid_paths(&program(&[])), Err(AppletsError::NoNames));
}

#[test]
fn a_list_of_paths() {
    let applets = listed("usr/bin/[\n\nbin/cat\n../x\n");
    assert_eq!(paths(&applets), ["/usr/bin/[", "/bin/cat"]);
    assert_eq!(applets[0].name, "[");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        bytes in proptest::collection::vec(
            prop_oneof![Just(0u8), Just(b'['), b'a'..b'd', Just(0x33u8), any::<u8>()], 0..600
        )
    ) {
        let mut program = b"\x7fELF".to_vec();
        program.extend(bytes);
        let _ = applets(&program);
        let _ = bbsuid_paths(&program);
    }
}
