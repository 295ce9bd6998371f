//! Who signed a package or an index: genuine ones by the table of their corpus, odd ones made here. The real apk is
//! the second opinion, and where it is laxer the table says so.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rootforge::apk::pkginfo::PackageInfo;
use rootforge::apk::{ApkError, Checksum, SignedIndex, archive, signed_index};
use rootforge::hint::Hint;
use rootforge::trust::{ApkKeyring, ApkTrustError};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::alpine::alpine_corpus;
use crate::support::apk::{Key, Tar, control, data, gz, info, signature_member};
use crate::support::apk_tools::Apk;

type Keys = BTreeMap<String, Vec<u8>>;

fn keys_of(folder: &Path) -> Keys {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

fn ring(keys: &Keys) -> ApkKeyring {
    let mut ring = ApkKeyring::default();
    for (name, key) in keys {
        ring.extend(ApkKeyring::parse_pem(key, name).unwrap());
    }
    ring
}

/// What `apk verify` would call an outcome.
fn verdict<T>(outcome: &Result<T, ApkError>) -> &'static str {
    match outcome {
        Ok(_) => "OK",
        Err(ApkError::Untrusted { source: ApkTrustError::Forged { .. }, .. }) => "BAD signature",
        Err(ApkError::Untrusted { .. }) => "UNTRUSTED",
        Err(error) => panic!("{error:?}"),
    }
}

/// The signatures that the table lists: file names of keys, without the kind.
fn signed_by(row: &Value) -> Vec<&str> {
    let names = row["signatures"].as_array().unwrap().iter();
    let mut names: Vec<_> =
        names.map(|signature| signature["entry"].as_str().unwrap().splitn(4, '.').nth(3).unwrap()).collect();
    names.sort_unstable();
    names
}

fn refused_as_unknown<T>(outcome: &Result<T, ApkError>, row: &Value, keys: &Keys) {
    let Err(ApkError::Untrusted { source, .. }) = outcome else { panic!("it is accepted") };
    match source {
        ApkTrustError::Unsigned => assert!(signed_by(row).is_empty()),
        ApkTrustError::UnknownKeys { signed_by: names, trusted } => {
            assert_eq!(*names, signed_by(row));
            assert_eq!(*trusted, keys.keys().cloned().collect::<Vec<_>>());
        }
        other => panic!("{other:?}"),
    }
}

fn check_package(file: &Path, row: &Value, folders: &BTreeMap<String, Keys>) {
    let text = |key: &str| row[key].as_str().unwrap().to_owned();
    for (folder, keys) in folders {
        let outcome = archive::verify_signed(file, &ring(keys));
        assert_eq!(
            verdict(&outcome),
            row["apk_verify"][folder].as_str().unwrap(),
            "{} by {folder}",
            file.display()
        );
        match &outcome {
            Ok((verified, signers)) => {
                assert_eq!(verified.checksum.to_string(), text("control_q1"));
                assert_eq!(verified.size, row["size"].as_u64().unwrap());
                assert_eq!(*signers, signed_by(row));
            }
            Err(ApkError::Untrusted { source: ApkTrustError::Forged { key }, .. }) => {
                assert_eq!([key.as_str()], signed_by(row)[..]);
            }
            Err(_) => refused_as_unknown(&outcome, row, keys),
        }
    }
    // Unsigned and strangers' packages too are what their checksum says.
    assert_eq!(row["datahash_ok"], true);
    let expected = text("control_q1").parse().unwrap();
    assert_eq!(archive::verify(file, Some(expected)).unwrap().checksum, expected);
    let wrong = archive::verify(file, Some(Checksum::of(b""))).unwrap_err();
    assert!(matches!(wrong, ApkError::Control { found, .. } if found == expected), "{wrong}");
    let info = PackageInfo::parse(&archive::read_control(file).unwrap().control).unwrap();
    assert_eq!([info.name, info.version, info.arch], [text("name"), text("version"), text("arch")]);
}

fn check_index(file: &Path, row: &Value, folders: &BTreeMap<String, Keys>) -> usize {
    let bytes = std::fs::read(file).unwrap();
    let signers = row["signatures"].as_array().unwrap();
    let mut accepted = 0;
    for (folder, keys) in folders {
        let is_signer = |signature: &Value| {
            signature["verified_by"].as_str().is_some_and(|key| key.starts_with(&format!("keys/{folder}/")))
        };
        let outcome = signed_index(&bytes, &ring(keys));
        if signers.iter().any(is_signer) {
            accepted += 1;
            let index = outcome.unwrap();
            assert_eq!(index.signers(), signed_by(row), "{}", file.display());
            assert_eq!(index.signer(), signed_by(row)[0]);
            let packages = index.text().lines().filter(|line| line.starts_with("P:")).count();
            assert_eq!(packages as u64, row["packages"].as_u64().unwrap(), "{}", file.display());
            assert_eq!(
                index.description(),
                row["description"].as_str().unwrap().trim(),
                "{}",
                file.display()
            );
        } else {
            refused_as_unknown(&outcome, row, keys);
        }
    }
    accepted
}

#[test]
fn genuine_files_are_trusted_as_their_table_says() {
    let Some(corpus) = alpine_corpus() else { return };
    let genuine = corpus.join("genuine");
    let mut folders = BTreeMap::new();
    for folder in std::fs::read_dir(genuine.join("keys")).unwrap() {
        let folder = folder.unwrap();
        folders.insert(folder.file_name().into_string().unwrap(), keys_of(&folder.path()));
    }
    let table: Value =
        serde_json::from_slice(&std::fs::read(genuine.join("signatures.json")).unwrap()).unwrap();
    let (mut packages, mut indexes, mut forged) = (0, 0, 0);
    for row in table.as_array().unwrap() {
        let file = genuine.join(row["file"].as_str().unwrap());
        if row["apk_verify"].is_null() {
            indexes += 1;
            assert_eq!(
                check_index(&file, row, &folders),
                usize::from(!signed_by(row).is_empty()),
                "{}",
                file.display()
            );
        } else {
            packages += 1;
            check_package(&file, row, &folders);
            let verdicts = row["apk_verify"].as_object().unwrap().values();
            forged += verdicts.filter(|verdict| *verdict == "BAD signature").count();
        }
    }
    assert_eq!((packages, indexes, forged), (18, 10, 2), "the table has changed");
}

#[test]
fn one_of_three_signers_is_enough() {
    let Some(corpus) = alpine_corpus() else { return };
    let bytes = std::fs::read(corpus.join("genuine/chainguard/aarch64/APKINDEX.tar.gz")).unwrap();
    let keys = keys_of(&corpus.join("genuine/keys/chainguard"));
    assert_eq!(keys.len(), 3);
    let strange = keys.values().next_back().unwrap();
    for (name, key) in &keys {
        let one = ApkKeyring::parse_pem(key, name).unwrap();
        assert_eq!(signed_index(&bytes, &one).unwrap().signers(), std::slice::from_ref(name));
        // Another key under the name of one of them: what it says it signed, it did not.
        if key != strange {
            let mut ring = ring(&keys_of(&corpus.join("genuine/keys/melange")));
            ring.extend(ApkKeyring::parse_pem(strange, name).unwrap());
            assert_eq!(verdict(&signed_index(&bytes, &ring)), "BAD signature");
            ring.extend(one);
            assert_eq!(verdict(&signed_index(&bytes, &ring)), "OK");
        }
    }
}

#[test]
fn alpines_own_keys_are_built_in() {
    let Some(corpus) = alpine_corpus() else { return };
    let read = |file: &str| std::fs::read(corpus.join("genuine/alpine").join(file)).unwrap();
    let x86_64 = read("v3.16/main/x86_64/APKINDEX.tar.gz");
    let aarch64 = read("v3.17/main/aarch64/APKINDEX.tar.gz");
    for arch in ["x86_64", "armhf", "armv7", "aarch64", "x86", "ppc64le", "riscv64", "s390x"] {
        let ring = ApkKeyring::alpine(arch);
        for (name, key) in keys_of(&corpus.join("genuine/keys/alpine")) {
            if ring.names().contains(&name) {
                let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor-keys/alpine").join(&name);
                assert_eq!(std::fs::read(built_in).unwrap(), key, "{name}");
            }
        }
        for (index, its_arch) in [(&x86_64, "x86_64"), (&aarch64, "aarch64")] {
            let expected = if arch == its_arch { "OK" } else { "UNTRUSTED" };
            assert_eq!(verdict(&signed_index(index, &ring)), expected, "{its_arch} by {arch}");
        }
    }
    let package = corpus.join("genuine/alpine/v3.16/main/aarch64/alpine-baselayout-3.2.0-r23.apk");
    assert_eq!(verdict(&archive::verify_signed(&package, &ApkKeyring::alpine("aarch64"))), "OK");
    assert_eq!(verdict(&archive::verify_signed(&package, &ApkKeyring::alpine("x86_64"))), "UNTRUSTED");
}

/// Every index and package of the six mirrors: signed by their key, and the packages as the indexes say.
#[test]
fn mirrors_agree_with_their_packages() {
    let Some(corpus) = alpine_corpus() else { return };
    let key = std::fs::read(corpus.join("rootforge-test-1.rsa.pub")).unwrap();
    let ring = ApkKeyring::parse_pem(&key, "rootforge-test-1.rsa.pub").unwrap();
    let mut checked = 0;
    for mirror in [
        "v3.20/main/x86_64",
        "v3.20/main/armhf",
        "v3.20/main/aarch64",
        "v3.20/main/s390x",
        "v3.8/main/x86_64",
        "v3.8/main/armhf",
    ] {
        let directory = corpus.join(mirror);
        let bytes = std::fs::read(directory.join("APKINDEX.tar.gz")).unwrap();
        let index = signed_index(&bytes, &ring).unwrap();
        for record in index.text().split("\n\n").filter(|record| !record.trim().is_empty()) {
            let field = |key: &str| record.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            let package = directory.join(format!("{}-{}.apk", field("P:"), field("V:")));
            let verified = archive::verify(&package, Some(field("C:").parse().unwrap())).unwrap();
            assert_eq!(verified.size.to_string(), field("S:"), "{}", package.display());
            assert_eq!(archive::verify_signed(&package, &ring).unwrap().0, verified);
            assert_eq!(
                verdict(&archive::verify_signed(&package, &ApkKeyring::alpine("x86_64"))),
                "UNTRUSTED"
            );
            checked += 1;
        }
    }
    assert_eq!(checked, 88);
}

/// A directory with files to be looked at by both programs.
struct Bench {
    dir: TempDir,
    apk: Option<Apk>,
    /// Trusted by both.
    keys: Keys,
}

impl Bench {
    fn new(keys: &[&Key]) -> Self {
        let keys = keys.iter().map(|key| (key.name.clone(), key.public())).collect();
        Bench { dir: TempDir::new().unwrap(), apk: Apk::new(), keys }
    }

    fn file(&self, name: &str, parts: &[&[u8]]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, parts.concat()).unwrap();
        path
    }

    /// Checks a package: what it comes to here, and what apk calls it.
    fn package(&self, what: &str, parts: &[&[u8]], here: &str, there: &str) {
        let file = self.file("sample.apk", parts);
        let outcome = archive::verify_signed(&file, &ring(&self.keys));
        assert_eq!(name(outcome), here, "{what}");
        self.second_opinion(what, &file, there);
    }

    /// Checks an index.
    fn index(&self, what: &str, parts: &[&[u8]], here: &str, there: &str) {
        let outcome = signed_index(&parts.concat(), &ring(&self.keys));
        assert_eq!(name(outcome), here, "{what}");
        self.second_opinion(what, &self.file("APKINDEX.tar.gz", parts), there);
    }

    fn second_opinion(&self, what: &str, file: &Path, expected: &str) {
        if let Some(apk) = &self.apk {
            assert_eq!(apk.verify(file, &self.keys), expected, "{what}: apk");
        }
    }
}

/// A short name of an outcome: that of the error's variant.
fn name<T>(outcome: Result<T, ApkError>) -> String {
    let error = match outcome {
        Ok(_) => return "OK".to_owned(),
        Err(ApkError::Untrusted { source, .. }) => {
            assert!(!source.hints().is_empty());
            format!("{source:?}")
        }
        Err(error) => {
            let _ = error.hints();
            format!("{error:?}")
        }
    };
    error.split([' ', '(', '{']).next().unwrap().to_owned()
}

const BAD: &str = "BAD signature";
const BROKEN: &str = "BAD archive";
const IO: &str = "IO ERROR";

#[test]
fn signatures_of_packages() {
    let (Some(key), Some(other), Some(stranger)) = (Key::new("key"), Key::new("other"), Key::new("stranger"))
    else {
        return;
    };
    let bench = Bench::new(&[&key, &other]);
    let data = gz(&data());
    let control = gz(&control(&info(&data)));
    let good = |kind: &str| key.entry(kind, &control);
    let bad = |kind: &str| (good(kind).0, key.sign(kind, b"something else"));
    let check = |what: &str, entries: &[(String, Vec<u8>)], here: &str, there: &str| {
        bench.package(what, &[&signature_member(entries), &control, &data], here, there);
    };
    for kind in ["RSA", "RSA256", "RSA512"] {
        check(kind, &[good(kind)], "OK", "OK");
        check(kind, &[bad(kind)], "Forged", BAD);
        check(kind, &[(good(kind).0, vec![])], "Forged", BAD);
    }
    check("SHA-1's in SHA-256's name", &[(good("RSA256").0, good("RSA").1)], "Forged", BAD);
    check("a stranger's", &[stranger.entry("RSA", &control)], "UnknownKeys", "UNTRUSTED");
    check("a stranger's, then ours", &[stranger.entry("RSA", &control), good("RSA")], "OK", "OK");
    check("ours, then a stranger's", &[good("RSA"), stranger.entry("RSA", &control)], "OK", "OK");
    check("two of ours", &[good("RSA256"), other.entry("RSA", &control)], "OK", "OK");
    check("an unknown kind", &[(format!(".SIGN.ECDSA.{}", key.name), vec![1])], "Unsupported", "UNTRUSTED");
    check("an unknown kind, then ours", &[(".SIGN.ECDSA.x".into(), vec![1]), good("RSA")], "OK", "OK");
    check("a name without a kind", &[(".SIGN.x".into(), vec![1])], "Unsupported", "UNTRUSTED");
    check("a forged one, then ours", &[bad("RSA256"), good("RSA")], "Forged", BAD);
    // apk takes the first signature whose key it has, and looks at no other.
    check("ours, then a forged one", &[good("RSA"), bad("RSA256")], "Forged", "OK");
    check(
        "ours, then a forged one of another key",
        &[good("RSA"), (other.entry("RSA", b"").0, vec![1])],
        "Forged",
        "OK",
    );

    let signature = key.member("RSA256", &control);
    let strange = stranger.member("RSA256", &control);
    bench.package("two signature members", &[&strange, &signature, &control, &data], "OK", "OK");
    bench.package("unsigned", &[&control, &data], "Unsigned", "UNTRUSTED");
    bench.package("the wrong part: data", &[&key.member("RSA", &data), &control, &data], "Forged", BAD);
    let both = [&control[..], &data].concat();
    bench.package("the wrong part: all", &[&key.member("RSA", &both), &control, &data], "Forged", BAD);
    let content = crate::support::apk::control(&info(&data));
    bench.package(
        "the wrong part: the content",
        &[&key.member("RSA", &content), &control, &data],
        "Forged",
        BAD,
    );
    let nothing = gz(b"");
    bench.package("an empty member in between", &[&signature, &nothing, &control, &data], "Missing", "OK");
    let mixed =
        Tar::new().plain(&good("RSA").0, &good("RSA").1).plain(".PKGINFO", info(&data).as_bytes()).cut();
    bench.package("signature and control in one member", &[&gz(&mixed), &data], "Signatures", BAD);
    let twenty: Vec<_> = (0..20).map(|_| good("RSA")).collect();
    check("twenty", &twenty, "Signatures", "OK");
    check("a long one", &[(good("RSA").0, vec![1; 5000])], "Signatures", BAD);
    let entry = (good("RSA").0, good("RSA").1);
    let ended = gz(&Tar::new().plain(&entry.0, &entry.1).end());
    bench.package("a signature member with an archive's end", &[&ended, &control, &data], "OK", BROKEN);
}

fn gunzip(member: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    flate2::bufread::GzDecoder::new(member).read_to_end(&mut content).unwrap();
    content
}

#[test]
fn a_flipped_byte_in_each_part() {
    let Some(key) = Key::new("key") else { return };
    let bench = Bench::new(&[&key]);
    let data = gz(&data());
    let control = gz(&control(&info(&data)));
    let signature = key.member("RSA256", &control);
    let whole = [&signature[..], &control, &data].concat();
    let flip =
        |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            let file = bench.file("flipped.apk", &[&bytes]);
            let outcome = archive::verify_signed(&file, &ring(&bench.keys)).map(|_| ());
            let unread = archive::read_data(&file, &rootforge::tarball::Limits::default(), |_, _, _| {
                Ok::<_, ApkError>(())
            });
            (outcome, unread)
        };
    for at in 0..whole.len() {
        let (outcome, unread) = flip(at);
        let within_data = at >= signature.len() + control.len();
        if within_data {
            assert!(matches!(outcome, Err(ApkError::DataHash { .. })), "{at}: {outcome:?}");
            assert!(unread.is_err(), "{at}");
        } else if outcome.is_ok() {
            // The time in its gzip header and the like, which change no signature.
            let mut member = signature.clone();
            member[at] ^= 0x10;
            assert_eq!(gunzip(&member), gunzip(&signature), "{at}");
        }
    }
}

/// An index's list, and the bytes of the member that holds it.
fn list() -> (String, Vec<u8>) {
    let text = "C:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\nP:sample\nV:1.0-r0\n\n".to_owned();
    let tar = Tar::new().plain("DESCRIPTION", b"v3.20.3-1-gabc\n").plain("APKINDEX", text.as_bytes()).end();
    (text, gz(&tar))
}

#[test]
fn signatures_of_indexes() {
    let (Some(key), Some(stranger)) = (Key::new("key"), Key::new("stranger")) else { return };
    let bench = Bench::new(&[&key]);
    let (text, body) = list();
    let signature = key.member("RSA256", &body);
    let index = signed_index(&[&signature[..], &body].concat(), &ring(&bench.keys)).unwrap();
    assert_eq!((index.text(), index.description()), (&*text, "v3.20.3-1-gabc"));
    assert_eq!((index.signer(), index.signers().len()), (&*key.name, 1));

    bench.index("ours", &[&signature, &body], "OK", "OK");
    bench.index("by SHA-1", &[&key.member("RSA", &body), &body], "OK", "OK");
    bench.index("a stranger's", &[&stranger.member("RSA", &body), &body], "UnknownKeys", "UNTRUSTED");
    bench.index("unsigned", &[&body], "Unsigned", "UNTRUSTED");
    let strange = stranger.member("RSA", &body);
    bench.index("two signature members", &[&strange, &signature, &body], "OK", "OK");
    bench.index("another list at the end", &[&signature, &body, &body], "Forged", BROKEN);
    bench.index("garbage at the end", &[&signature, &body, b"x"], "Forged", "UNTRUSTED");
    let mut flipped = body.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    bench.index("a flipped byte", &[&signature, &flipped], "Forged", IO);
    bench.index("cut off", &[&signature, &body[..body.len() - 1]], "Truncated", "UNTRUSTED");
    bench.index("no list", &[&signature], "Forged", BAD);

    // Signed, and yet not right.
    let signed = |what: &str, body: &[u8], here: &str, there: &str| {
        bench.index(what, &[&key.member("RSA256", body), body], here, there);
    };
    let whole = Tar::new().plain("DESCRIPTION", b"").plain("APKINDEX", text.as_bytes()).end();
    let (start, end) = whole.split_at(700);
    signed("in two members, cut in an entry", &[gz(start), gz(end)].concat(), "OK", "OK");
    signed("without an archive's end", &gz(&Tar::new().plain("APKINDEX", b"").cut()), "OK", "OK");
    signed("without a list", &gz(&Tar::new().plain("DESCRIPTION", b"").end()), "Missing", "OK");
    let twice = Tar::new().plain("APKINDEX", b"").plain("APKINDEX", b"P:x\n").end();
    signed("two lists", &gz(&twice), "Twice", "OK");
    let ended =
        [Tar::new().plain("APKINDEX", b"").end(), Tar::new().plain("APKINDEX", b"P:x\n").end()].concat();
    signed("a list behind the archive's end", &gz(&ended), "Tar", BROKEN);
    signed("garbage, signed", &[&body[..], b"garbage"].concat(), "Compression", IO);
    signed("cut off, signed", &body[..body.len() - 1], "Truncated", "UNTRUSTED");
}

#[test]
fn an_index_that_grows_is_stopped() {
    let Some(key) = Key::new("key") else { return };
    let mut header = Tar::header(tar::EntryType::Regular, 0o644);
    header.set_path("APKINDEX").unwrap();
    header.set_size(600 << 20);
    header.set_cksum();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, header.as_bytes()).unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 600 << 20), &mut encoder).unwrap();
    let body = encoder.finish().unwrap();
    let ring = ApkKeyring::parse_pem(&key.public(), &key.name).unwrap();
    let index = [key.member("RSA", &body), body].concat();
    assert!(index.len() < 8 << 20);
    let error = signed_index(&index, &ring).unwrap_err();
    assert!(matches!(error, ApkError::Tar { .. }), "{error:?}");
    // Likewise before anything is verified.
    let bomb = gz(&[&b".SIGN.RSA.x"[..], &vec![0; 4 << 20]].concat());
    assert_eq!(name(signed_index(&[bomb, list().1].concat(), &ring)), "TooLarge");
}

#[test]
fn what_is_no_index() {
    let ring = ApkKeyring::alpine("x86_64");
    let refused = |bytes: &[u8]| signed_index(bytes, &ring).unwrap_err();
    let text = |bytes: &[u8]| refused(bytes).to_string();
    assert_eq!(text(b""), "the index is not an APKINDEX.tar.gz");
    assert_eq!(text(b"\n<html>log in"), "the index is not an APKINDEX.tar.gz: it looks like HTML");
    assert_eq!(text(b"ADBd\x00"), "the index is of apk's format 3 (`ADB`), which is not supported");
    assert_eq!(refused(b"ADB.").hints().len(), 1);
    assert_eq!(refused(b"<!doctype html>").hints().len(), 1);
    assert_eq!(name::<SignedIndex>(Err(refused(b"\x1f\x8b"))), "Unsigned");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn random_indexes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0..400_usize) {
        let ring = ApkKeyring::alpine("x86_64");
        prop_assert!(signed_index(&bytes, &ring).is_err());
        let mut index = signature_member(&[(format!(".SIGN.RSA.{}", ring.names()[0]), bytes.clone())]);
        index.extend(list().1);
        let cut = cut.min(index.len());
        prop_assert!(signed_index(&index[..cut], &ring).is_err());
        index.splice(cut.., bytes);
        prop_assert!(signed_index(&index, &ring).is_err());
    }
}
