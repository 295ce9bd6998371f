use std::process::Command;

use super::*;
use crate::render::Content;
use crate::tarball::EntryKind;

/// This machine's certificates, as a package has them.
fn packaged() -> BTreeMap<RootPath, Vec<u8>> {
    let mut contents = BTreeMap::new();
    let dir = format!("{PACKAGED}/mozilla");
    for entry in std::fs::read_dir(&dir).expect("ca-certificates is needed") {
        let path = entry.unwrap().path();
        contents.insert(RootPath::parse(path.to_str().unwrap()).unwrap(), std::fs::read(&path).unwrap());
    }
    assert!(contents.len() > 100);
    contents
}

#[test]
fn links_are_those_of_openssl_rehash() {
    let contents = packaged();
    let made = files(&trusted(&contents), |_| true);
    let scratch = tempfile::tempdir().unwrap();
    for file in made.values() {
        let EntryKind::Symlink { target } = &file.entry.kind else { continue };
        if target.starts_with('/') {
            std::os::unix::fs::symlink(target, scratch.path().join(file.entry.path.file_name())).unwrap();
        }
    }
    let rehashed = Command::new("openssl").arg("rehash").arg(scratch.path()).status().unwrap();
    assert!(rehashed.success());
    let mut theirs: Vec<(String, String)> = std::fs::read_dir(scratch.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let target = std::fs::read_link(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), target.to_str().unwrap().to_owned())
        })
        .collect();
    theirs.sort();
    let mut ours: Vec<(String, String)> = made
        .values()
        .filter_map(|file| match &file.entry.kind {
            EntryKind::Symlink { target } => Some((file.entry.path.file_name().to_owned(), target.clone())),
            _ => None,
        })
        .collect();
    ours.sort();
    assert_eq!(ours, theirs);
}

#[test]
fn the_bundle_has_what_the_list_names_and_the_recipes_own() {
    let mut contents = BTreeMap::new();
    let mut put = |path: &str, text: &str| contents.insert(fixed(path), text.as_bytes().to_vec());
    put("/usr/share/ca-certificates/mozilla/A (b), c.crt", "A\n");
    put("/usr/share/ca-certificates/mozilla/B.crt", "B");
    put("/usr/share/ca-certificates/mozilla/Not.crt", "N");
    put("/usr/local/share/ca-certificates/mine.crt", "mine");
    put(CONFIG, "# c\nmozilla/B.crt\n!mozilla/Not.crt\n\nmozilla/A (b), c.crt\nmozilla/Gone.crt\n");
    let made = files(&trusted(&contents), |_| true);
    let Content::Bytes(bundle) = &made[&fixed(BUNDLE)].content else { panic!() };
    assert_eq!(bundle, b"B\nA\nmine\n");
    assert!(made.contains_key(&fixed("/etc/ssl/certs/A_=b=__c.pem")));
    // What the image does not have is not linked to.
    assert_eq!(files(&trusted(&contents), |_| false).len(), 1);
}

#[test]
fn the_keystore_ends_in_its_digest() {
    let contents = packaged();
    let store = keystore(&trusted(&contents));
    assert_eq!(&store[..8], b"\xfe\xed\xfe\xed\0\0\0\x02");
    let count = u32::from_be_bytes(store[8..12].try_into().unwrap()) as usize;
    assert_eq!(count, contents.len());
    let mut at = 12;
    for _ in 0..count {
        let u16_at = |at: usize| usize::from(u16::from_be_bytes(store[at..at + 2].try_into().unwrap()));
        at += 4;
        assert!(store[at + 2..].starts_with(b"debian:"));
        at += 2 + u16_at(at) + 8;
        at += 2 + u16_at(at);
        at += 4 + u32::from_be_bytes(store[at..at + 4].try_into().unwrap()) as usize;
    }
    assert_eq!(at + 20, store.len());
}
