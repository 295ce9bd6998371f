//! `trust` against `gpgv`: the same verdict on good and bad signatures, but for a few that we are stricter on.
//!
//! gpgv's verdict is read as apt reads it, from the status lines: at least one good signature, and no bad one.
//! Without gpgv the comparison is left out, except in continuous integration, where that is a failure.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "all of it is test code")]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use rootforge::transport::{Transport, TransportOptions};
use rootforge::trust::{Keyring, TrustError, verify_inrelease};
use sequoia_openpgp::types::{HashAlgorithm, SignatureType};

use crate::support::signing::{DAY, Key, Style, frame, frame_raw, ring};

const TEXT: &str = "Origin: Test\nSuite: stable\n\n- dashed\n  trailing \t\nSHA256:\n 00 1 main/Packages\n";

/// Whether gpgv is there; its absence is a failure in continuous integration.
fn has_gpgv() -> bool {
    let found =
        Command::new("gpgv").arg("--version").stdout(Stdio::null()).status().is_ok_and(|code| code.success());
    if !found {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "gpgv is not installed");
        eprintln!("left out: gpgv is not installed");
    }
    found
}

/// What gpgv makes of a message: its text if it is good, its status lines otherwise.
fn gpgv(keyring: &[u8], message: &[u8]) -> Result<String, String> {
    let directory = tempfile::tempdir().unwrap();
    let (ring, output) = (directory.path().join("ring.gpg"), directory.path().join("text"));
    std::fs::write(&ring, keyring).unwrap();
    let mut child = Command::new("gpgv")
        .args(["--status-fd", "1", "--homedir"])
        .arg(directory.path())
        .arg("--keyring")
        .arg(&ring)
        .arg("--output")
        .arg(&output)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let message = message.to_vec();
    // gpgv may stop reading early.
    let writer = std::thread::spawn(move || stdin.write_all(&message).is_ok());
    let status = String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned();
    writer.join().unwrap();
    let says = |word: &str| status.lines().any(|line| line.starts_with(&format!("[GNUPG:] {word} ")));
    if says("GOODSIG") && !says("BADSIG") {
        Ok(std::fs::read_to_string(output).unwrap_or_default())
    } else {
        Err(status)
    }
}

/// The lines of a text without what is not signed.
fn lines(text: &str) -> Vec<&str> {
    text.trim_end_matches(['\r', '\n'])
        .split('\n')
        .map(|line| line.trim_end_matches([' ', '\t', '\r']))
        .collect()
}

enum Expect {
    Good,
    /// Refused by both; the pattern of our error.
    Bad(fn(&TrustError) -> bool),
    /// Refused by us alone, on purpose.
    Stricter(fn(&TrustError) -> bool),
}
use Expect::{Bad, Good, Stricter};

struct Case {
    name: &'static str,
    ring: Vec<Key>,
    message: String,
    expect: Expect,
}

fn case(name: &'static str, ring: &[&Key], message: impl Into<String>, expect: Expect) -> Case {
    Case { name, ring: ring.iter().map(|key| (*key).clone()).collect(), message: message.into(), expect }
}

/// A minute from now, so that what was made just now is in the past.
fn now() -> SystemTime {
    let seconds = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds + 60)
}

/// Texts and signatures that were altered, cut, or framed in doubtful ways.
fn altered(now: SystemTime) -> Vec<Case> {
    let key = Key::new(now);
    let other = Key::new(now);
    let good = key.in_release(TEXT);
    let signature = |key: &Key, text| key.sign(text, &Style::at(now - DAY));
    let lines: Vec<_> = good.lines().collect();
    let in_signature = lines.iter().position(|line| line.contains("BEGIN PGP SIGNATURE")).unwrap();
    let tampered = |at: usize, change: fn(&str) -> String| {
        let mut lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
        lines[at] = change(&lines[at]);
        lines.concat()
    };
    // The last line but the checksum and the end marker holds the last bytes of the signature.
    let last = lines.iter().rposition(|line| !line.starts_with(['-', '='])).unwrap();
    let flip = |line: &str| {
        let first = if line.starts_with('A') { 'B' } else { 'A' };
        format!("{first}{}", &line[1..])
    };
    let bad_signature: fn(&TrustError) -> bool = |error| matches!(error, TrustError::BadSignature { .. });
    let malformed: fn(&TrustError) -> bool = |error| matches!(error, TrustError::Malformed(_));
    let ring = &[&key, &other][..];
    vec![
        case("good", ring, &good, Good),
        case("line endings of the wire", ring, good.replace('\n', "\r\n"), Good),
        case("text outside", ring, format!("Origin: Evil\n\n{good}\nSuite: evil\n"), Good),
        case("altered text", ring, good.replace("Suite: stable", "Suite: stablf"), Bad(bad_signature)),
        case("a line more", ring, good.replace("Suite: stable", "Suite: stable\nX: y"), Bad(bad_signature)),
        case("an altered dash", ring, good.replace("- - dashed", "- -dashed"), Bad(bad_signature)),
        case("altered signature", ring, tampered(last, flip), Bad(bad_signature)),
        case(
            "one good, one bad",
            ring,
            frame(TEXT, &[signature(&key, TEXT), signature(&other, "another text\n")]),
            Bad(bad_signature),
        ),
        case(
            "one bad, one good",
            ring,
            frame(TEXT, &[signature(&key, "another text\n"), signature(&other, TEXT)]),
            Bad(bad_signature),
        ),
        case("cut in the text", ring, lines[..6].join("\n"), Bad(malformed)),
        case("cut in the signature", ring, lines[..in_signature + 3].join("\n"), Bad(malformed)),
        case("no signature", ring, TEXT, Bad(|error| *error == TrustError::NotSigned)),
        case(
            "no signature packets",
            ring,
            frame_raw(TEXT, &[]),
            Bad(|error| matches!(error, TrustError::Malformed(_) | TrustError::NotSigned)),
        ),
        case("another header", ring, good.replace("Hash: ", "Origin: Evil\nHash: "), Bad(malformed)),
        case("two blocks", ring, format!("{good}{good}"), Stricter(malformed)),
        case(
            "an unescaped dash",
            ring,
            {
                let text = "Origin: Test\n-x\n";
                key.in_release(text).replace("- -x", "-x")
            },
            Stricter(malformed),
        ),
        case(
            "a signature of another kind",
            ring,
            {
                let binary = Style { kind: SignatureType::Binary, ..Style::at(now - DAY) };
                frame(TEXT, &[key.sign(TEXT, &binary)])
            },
            Stricter(|error| matches!(error, TrustError::Unsupported { .. })),
        ),
    ]
}

/// Keys that do not count, or do.
fn keys(now: SystemTime) -> Vec<Case> {
    let (key, stranger) = (Key::new(now), Key::new(now));
    let subkey = Key::with_subkey(now);
    let expired = Key::valid_for(now, 5 * DAY);
    let wrong = Key::with_wrong_subkey(now);
    let (revoked, subkey_revoked) = (Key::new(now).revoked(), Key::with_subkey(now).subkey_revoked());
    let renewed = Key::valid_for(now, 5 * DAY).renewed();
    let made = |key: &Key, style: Style| frame(TEXT, &[key.sign(TEXT, &style)]);
    let at = |days: u32| Style::at(now - days * DAY);
    let is_expired: fn(&TrustError) -> bool = |error| matches!(error, TrustError::Expired { .. });
    let is_revoked: fn(&TrustError) -> bool = |error| matches!(error, TrustError::Revoked { .. });
    let unknown: fn(&TrustError) -> bool =
        |error| matches!(error, TrustError::UnknownKeys { ids } if ids.len() == 1);
    // A version 4 signature packet of the private algorithm 100, which nobody knows.
    let unheard_of = [&[0xc2, 12, 4, 1, 100, 10, 0, 0, 0, 0, 0, 0, 0, 0][..]].concat();
    let mut known = Vec::new();
    sequoia_openpgp::serialize::Marshal::serialize(&key.sign(TEXT, &at(1)), &mut known).unwrap();
    vec![
        case("by a subkey", &[&subkey], subkey.in_release(TEXT), Good),
        case("a foreign key", &[&key], stranger.in_release(TEXT), Bad(unknown)),
        case(
            "a stranger beside",
            &[&key],
            frame(TEXT, &[stranger.sign(TEXT, &at(1)), key.sign(TEXT, &at(1))]),
            Good,
        ),
        case(
            "an unknown algorithm beside",
            &[&key],
            frame_raw(TEXT, &[unheard_of.clone(), known].concat()),
            Good,
        ),
        case(
            "an unknown algorithm alone",
            &[&key],
            frame_raw(TEXT, &unheard_of),
            Bad(|error| matches!(error, TrustError::Unsupported { .. } | TrustError::UnknownKeys { .. })),
        ),
        case("expired since", &[&expired], made(&expired, at(7)), Bad(is_expired)),
        case("expired before", &[&expired], made(&expired, at(2)), Bad(is_expired)),
        case(
            "expired, another good",
            &[&expired, &key],
            frame(TEXT, &[expired.sign(TEXT, &at(7)), key.sign(TEXT, &at(1))]),
            Good,
        ),
        case("renewed", &[&renewed], made(&renewed, at(7)), Good),
        case("revoked", &[&revoked], made(&revoked, at(2)), Bad(is_revoked)),
        case("subkey revoked", &[&subkey_revoked], made(&subkey_revoked, at(2)), Bad(is_revoked)),
        case(
            "for another use",
            &[&wrong],
            made(&wrong, at(1)),
            Bad(|error| matches!(error, TrustError::NotSigningCapable { .. })),
        ),
        case(
            "signature expired",
            &[&key],
            made(&key, Style { validity: Some(DAY), ..at(3) }),
            Bad(is_expired),
        ),
        case(
            "from the future",
            &[&key],
            made(&key, Style::at(now + 5 * DAY)),
            Stricter(|error| matches!(error, TrustError::NotYetValid { .. })),
        ),
        case(
            "older than its key",
            &[&key],
            made(&key, at(20)),
            Bad(|error| matches!(error, TrustError::BadSignature { .. })),
        ),
        // apt's own gpgv method and sqv refuse SHA-1 as well; gpgv by itself takes it.
        case(
            "SHA-1",
            &[&key],
            made(&key, Style { hash: HashAlgorithm::SHA1, ..at(1) }),
            Stricter(|error| matches!(error, TrustError::WeakHash { hash, .. } if hash == "SHA1")),
        ),
        case(
            "SHA-1, another good",
            &[&key, &subkey],
            {
                let weak = Style { hash: HashAlgorithm::SHA1, ..at(1) };
                frame(TEXT, &[key.sign(TEXT, &weak), subkey.sign(TEXT, &at(1))])
            },
            Good,
        ),
        case("SHA-256", &[&key], made(&key, Style { hash: HashAlgorithm::SHA256, ..at(1) }), Good),
    ]
}

#[test]
fn the_same_verdicts_as_gpgv() {
    let compare = has_gpgv();
    let now = now();
    let mut differing = Vec::new();
    for Case { name, ring: keys, message, expect } in altered(now).into_iter().chain(keys(now)) {
        let ours = verify_inrelease(message.as_bytes(), &ring(&keys.iter().collect::<Vec<_>>()), now);
        let as_expected = match (&ours, &expect) {
            (Ok(verified), Good) => {
                lines(verified.text()) == lines(TEXT)
                    && verified
                        .signers()
                        .iter()
                        .all(|signer| keys.iter().any(|key| key.fingerprint() == *signer))
            }
            (Err(error), Bad(pattern) | Stricter(pattern)) => pattern(error),
            _ => false,
        };
        if !as_expected {
            differing.push(format!("{name}: {ours:?}"));
        }
        if compare {
            let ring: Vec<u8> = keys.iter().flat_map(Key::public).collect();
            let theirs = gpgv(&ring, message.as_bytes());
            let as_expected = match (&theirs, &expect) {
                (Ok(text), Good) => lines(text) == lines(TEXT),
                (Ok(_), Stricter(_)) | (Err(_), Bad(_)) => true,
                _ => false,
            };
            if !as_expected {
                differing.push(format!("{name}: gpgv says {theirs:?}"));
            }
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn errors_name_the_key() {
    let now = now();
    let (key, subkey) = (Key::new(now), Key::with_subkey(now));
    let bad = key.in_release(TEXT).replace("stable", "unstable");
    let error = verify_inrelease(bad.as_bytes(), &ring(&[&key]), now).unwrap_err();
    assert_eq!(error, TrustError::BadSignature { key: key.fingerprint() });
    let error = verify_inrelease(subkey.in_release(TEXT).as_bytes(), &ring(&[&key]), now).unwrap_err();
    assert_eq!(error, TrustError::UnknownKeys { ids: vec![subkey.signing_fingerprint()] });
    let verified =
        verify_inrelease(subkey.in_release(TEXT).as_bytes(), &ring(&[&key, &subkey]), now).unwrap();
    assert_eq!(verified.signers(), [subkey.fingerprint()]);
}

/// The verdict is as of the moment given, not as of today.
#[test]
fn time_is_an_argument() {
    let now = now();
    let key = Key::valid_for(now, 5 * DAY);
    let message = frame(TEXT, &[key.sign(TEXT, &Style::at(now - 7 * DAY))]);
    let verdict = |at| verify_inrelease(message.as_bytes(), &ring(&[&key]), at);
    assert!(verdict(now - 6 * DAY).is_ok());
    assert!(matches!(verdict(now), Err(TrustError::Expired { .. })));
    assert!(matches!(verdict(now - 8 * DAY), Err(TrustError::NotYetValid { .. })));
    let revoked = Key::new(now).revoked();
    let message = frame(TEXT, &[revoked.sign(TEXT, &Style::at(now - 2 * DAY))]);
    let error = verify_inrelease(message.as_bytes(), &ring(&[&revoked]), now - DAY).unwrap_err();
    assert_eq!(error, TrustError::Revoked { key: revoked.fingerprint() });
}

#[test]
fn size_is_bounded() {
    let huge = vec![b'\n'; usize::try_from(rootforge::trust::MAX_INRELEASE).unwrap() + 1];
    assert!(matches!(verify_inrelease(&huge, &Keyring::debian(), now()), Err(TrustError::TooLarge { .. })));
    let now = now();
    let key = Key::new(now);
    let many: Vec<_> = (0..20).map(|_| key.sign(TEXT, &Style::at(now - DAY))).collect();
    let error = verify_inrelease(frame(TEXT, &many).as_bytes(), &ring(&[&key]), now).unwrap_err();
    assert_eq!(error, TrustError::Malformed("it has more than 16 signatures".into()));
}

/// On the real mirror: the InRelease files of three suites, by the keys that are built in.
#[test]
fn real_mirror_in_release_files() {
    let Some(root) = debian_root() else { return };
    let transport = Transport::new(TransportOptions::default()).unwrap();
    for suite in ["bookworm", "trixie", "sid"] {
        let bytes = transport.read(&format!("{root}/dists/{suite}/InRelease"), 1 << 24).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let date = text.lines().find_map(|line| line.strip_prefix("Date: ")).unwrap().replace("UTC", "+0000");
        let date = SystemTime::from(jiff::fmt::rfc2822::parse(&date).unwrap().timestamp());
        let verified = verify_inrelease(&bytes, &Keyring::debian(), date + DAY).unwrap();
        assert!(verified.text().contains(&format!("Codename: {suite}\n")));
        assert!(!verified.signers().is_empty(), "{suite}");
        if has_gpgv() {
            let keyring = dearmoured();
            assert_eq!(lines(&gpgv(&keyring, &bytes).unwrap()), lines(verified.text()), "{suite}");
        }
        let altered = text.replacen("main/binary-", "main/binarx-", 1);
        let error = verify_inrelease(altered.as_bytes(), &Keyring::debian(), date + DAY).unwrap_err();
        assert!(matches!(error, TrustError::BadSignature { .. }), "{suite}: {error}");
        let error = verify_inrelease(&bytes, &Keyring::ubuntu(), date + DAY).unwrap_err();
        assert!(matches!(error, TrustError::UnknownKeys { .. }), "{suite}: {error}");
        // In forty years none of the keys is valid.
        let error = verify_inrelease(&bytes, &Keyring::debian(), date + 40 * 365 * DAY).unwrap_err();
        assert!(matches!(error, TrustError::Expired { .. }), "{suite}: {error}");
    }
}

/// Debian's keys as gpgv wants them.
fn dearmoured() -> Vec<u8> {
    use sequoia_openpgp::parse::Parse as _;
    use sequoia_openpgp::serialize::MarshalInto as _;
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor-keys");
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("debian-") {
            bytes.extend(sequoia_openpgp::Cert::from_file(path).unwrap().to_vec().unwrap());
        }
    }
    bytes
}

/// The Debian mirror of this machine's apt sources; without one the test is left out, except in continuous
/// integration.
fn debian_root() -> Option<String> {
    use rootforge::distro::{Archive, PackageFormat};
    use rootforge::repository::{MachineSources, MirrorInputs, MirrorOrigin, Mirrors};
    let inputs = MirrorInputs { machine: MachineSources::read(), ..MirrorInputs::default() };
    let mirror = Mirrors::new(&inputs).unwrap().find(Archive::Debian);
    if mirror.origin == MirrorOrigin::Machine(PackageFormat::Deb) {
        return Some(mirror.url);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "this machine has no Debian sources");
    eprintln!("left out: this machine has no Debian sources");
    None
}
