use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::digest::Digest;

/// The file of a key that is built in.
fn vendored(id: &str) -> (&'static str, &'static [u8]) {
    let of_all = vendor::ALPINE.iter().flat_map(|(_, keys)| keys.iter());
    *of_all.into_iter().find(|(name, _)| name.contains(id)).unwrap()
}

#[test]
fn the_table_in_the_readme_is_right() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vendor-keys/alpine");
    let readme = std::fs::read_to_string(directory.join("README.md")).unwrap();
    let mut listed = BTreeSet::new();
    for line in readme.lines().filter(|line| line.contains(".rsa.pub | ")) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let bytes = std::fs::read(directory.join(cells[1])).unwrap();
        assert_eq!(Digest::of(&bytes).hex(), cells[5], "{}", cells[1]);
        let ring = ApkKeyring::parse_pem(&bytes, cells[1]).unwrap();
        let [key] = &ring.keys[cells[1]][..] else { panic!("{} has several keys", cells[1]) };
        // The modulus, the exponent, and at most 24 bytes around them.
        let bits: usize = cells[2].parse().unwrap();
        assert!((bits / 8..bits / 8 + 24).contains(&key.0.len()), "{}", cells[1]);
        for arch in cells[4].split(' ') {
            let (_, keys) = vendor::ALPINE.iter().find(|(name, _)| *name == arch).unwrap();
            assert!(keys.contains(&(cells[1], &bytes[..])), "{} for {arch}", cells[1]);
            listed.insert((arch.to_owned(), cells[1].to_owned()));
        }
    }
    let mut built_in = BTreeSet::new();
    let mut files = BTreeSet::from(["README.md".to_owned()]);
    for (arch, keys) in vendor::ALPINE {
        let names = ApkKeyring::alpine(arch).names();
        assert_eq!(names.len(), keys.len(), "a key of {arch} cannot be read");
        files.extend(names.iter().cloned());
        built_in.extend(names.into_iter().map(|name| ((*arch).to_owned(), name)));
    }
    assert_eq!(built_in, listed);
    let there: BTreeSet<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, files, "a file of vendor-keys/alpine is not in the table");
    for arch in ["amd64", "mips64", "", "x86_"] {
        assert!(ApkKeyring::alpine(arch).is_empty(), "{arch}");
    }
}

#[test]
fn keys_of_a_name_stand_beside_each_other() {
    let (name, first) = vendored("6165ee59");
    let (_, second) = vendored("616ae350");
    let mut ring = ApkKeyring::parse_pem(first, &format!("keys/{name}")).unwrap();
    assert_eq!(ring.names(), [name]);
    ring.extend(ApkKeyring::parse_pem(second, name).unwrap());
    ring.extend(ApkKeyring::parse_pem(first, name).unwrap());
    assert_eq!(ring.keys[name].len(), 2);
    let both = [first, b"a note between\n", second].concat();
    assert_eq!(ApkKeyring::parse_pem(&both, name).unwrap().keys[name], ring.keys[name]);
}

#[test]
fn who_is_named_when_nobody_is_trusted() {
    let sign = |kind: &str, key: &str| ApkSignature {
        kind: kind.to_owned(),
        key: key.to_owned(),
        bytes: vec![1; 512],
    };
    let (name, key) = vendored("6165ee59");
    let ring = ApkKeyring::parse_pem(key, name).unwrap();
    assert_eq!(ring.verify(&[], b"text"), Err(ApkTrustError::Unsigned));
    let strangers = [sign("RSA256", "b.rsa.pub"), sign("RSA", "a.rsa.pub"), sign("DSA", name)];
    let error = ring.verify(&strangers, b"text").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("it is signed by unknown keys only: a.rsa.pub, b.rsa.pub (trusted: {name})")
    );
    let unsupported = ApkTrustError::Unsupported { kinds: vec!["DSA".into()] };
    assert_eq!(ring.verify(&strangers[2..], b"text"), Err(unsupported));
    let error = ApkKeyring::default().verify(&strangers, b"text").unwrap_err();
    assert!(error.to_string().ends_with("(trusted: none)"), "{error}");
    for kind in ["RSA", "RSA256", "RSA512"] {
        let forged = [sign(kind, "a.rsa.pub"), sign(kind, name)];
        assert_eq!(ring.verify(&forged, b"text"), Err(ApkTrustError::Forged { key: name.into() }));
    }
    assert_eq!(error.hints().len(), 1);
}

/// A PEM block around DER.
fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

#[test]
fn what_is_no_key_is_named() {
    let reason = |text: &str| {
        let error = ApkKeyring::parse_pem(text.as_bytes(), "keys/x.rsa.pub").unwrap_err().to_string();
        let reason = error.strip_prefix("`keys/x.rsa.pub` holds no usable RSA public key: ").unwrap();
        reason.to_owned()
    };
    let (_, good) = vendored("4a6a0840");
    let good = std::str::from_utf8(good).unwrap();
    let body = good.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let der = STANDARD.decode(body).unwrap();
    assert!(ApkKeyring::parse_pem(pem("PUBLIC KEY", &der).as_bytes(), "x").is_ok());

    assert_eq!(reason(""), "it is not PEM");
    assert_eq!(reason("ssh-rsa AAAA"), "it is not PEM");
    assert_eq!(reason(&pem("RSA PRIVATE KEY", b"x")), "it holds a `RSA PRIVATE KEY`");
    assert_eq!(reason(&pem("PGP PUBLIC KEY BLOCK", b"x")), "it holds a `PGP PUBLIC KEY BLOCK`");
    assert_eq!(reason(&good[..200]), "its PEM is cut off");
    assert_eq!(reason(&good.replacen('M', "!", 1)), "its PEM is not base64");
    assert_eq!(reason(&pem("PUBLIC KEY", &der[..200])), "its DER is malformed");
    assert_eq!(reason(&pem("PUBLIC KEY", &[&der[..], b"x"].concat())), "something follows its end");
    let with = |at: usize, byte: u8| {
        let mut der = der.clone();
        der[at] = byte;
        reason(&pem("PUBLIC KEY", &der))
    };
    assert_eq!(with(10, 0x87), "it is not an RSA key");
    // 2047 bits: the top bit of the modulus, 33 bytes in, is cleared, and the number is no longer in its shortest form.
    assert_eq!(with(33, 0x7f), "its numbers are not positive, or not in their shortest form");
    assert_eq!(with(der.len() - 1, 0), "its numbers cannot be those of an RSA key");
    // An elliptic curve's key (RFC 8410) and an RSA key of 1024 bits.
    let ed25519 = [&b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"[..], &[9; 32]].concat();
    assert_eq!(reason(&pem("PUBLIC KEY", &ed25519)), "it is not an RSA key");
    let small = [
        &b"\x30\x81\x9f\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x81\x8d\x00\x30\x81\x89\x02\x81\x81\x00"[..],
        &[0xff; 128],
        b"\x02\x03\x01\x00\x01",
    ]
    .concat();
    assert_eq!(reason(&pem("PUBLIC KEY", &small)), "it has 1024 bits; 2048 to 8192 are accepted");
    assert!(ApkKeyring::parse_pem(good.as_bytes(), "keys/").is_err());
}

proptest! {
    #[test]
    fn random_keys_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0..300_usize, byte: u8) {
        let _ = der::rsa_public_key(&bytes);
        let _ = ApkKeyring::parse_pem(&bytes, "x");
        let _ = ApkKeyring::parse_pem(pem("PUBLIC KEY", &bytes).as_bytes(), "x");
        let (name, good) = vendored("4a6a0840");
        let mut flipped = good.to_vec();
        let at = at.min(good.len() - 1);
        flipped[at] = byte;
        if let Ok(ring) = ApkKeyring::parse_pem(&flipped, name) {
            let signature = ApkSignature { kind: "RSA".into(), key: name.into(), bytes };
            prop_assert!(ring.verify(&[signature], b"text").is_err());
        }
    }
}
