//! What the mirror has wrong, as users meet it.
//!
//! A mirror mends itself some day: where the fault is gone, what is asserted is that the suite is used.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use rootforge::transport::{Transport, TransportOptions};

use crate::real_archive::bench::{Bench, mirror};

fn lock_text(bench: &Bench) -> String {
    fs::read_to_string(bench.path("hostname.lock")).unwrap()
}

/// Seen there: indexes of trixie's security suite that its InRelease does not know.
#[test]
fn real_mirror_trixie_armel_out_of_step() {
    let Some(bench) = Bench::new() else { return };
    let recipe = bench.recipe("debian:trixie", "hostname", "");
    let ran = bench.run(&["lock", "--arch", "arm32v6", &recipe]);
    if ran.code == Some(0) {
        let lock = lock_text(&bench);
        assert!(lock.contains("suite = \"trixie-updates\"") && lock.contains("suite = \"trixie-security\""));
        eprintln!("the mirror is in step again");
        fs::remove_file(bench.path("hostname.lock")).unwrap();
    } else {
        ran.ended(1, &["error: the mirror", "is out of step", "binary-armel", "hint: ", "--without"]);
        assert!(!bench.path("hostname.lock").exists());
    }
    let without = ["--without", "updates,security"];
    bench.run(&[&["lock", "--arch", "arm32v6", &recipe], &without[..]].concat()).ok();
    let lock = lock_text(&bench);
    assert!(lock.contains("suite = \"trixie\"") && !lock.contains("trixie-"), "{lock}");
    assert!(lock.contains("_armel.deb"), "{lock}");
}

/// Seen there: an index of sid whose Valid-Until has passed.
#[test]
fn real_mirror_sid_expired() {
    let Some(bench) = Bench::new() else { return };
    let url = format!("{}/dists/sid/InRelease", mirror().unwrap());
    let transport = Transport::new(TransportOptions::default()).unwrap();
    let text = String::from_utf8(transport.read(&url, 1 << 24).unwrap()).unwrap();
    let end = text.lines().find_map(|line| line.strip_prefix("Valid-Until: ")).unwrap();
    let end = jiff::fmt::rfc2822::parse(&end.replace("UTC", "+0000")).unwrap().timestamp();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();

    let recipe = bench.recipe("debian:sid", "hostname", "");
    let ran = bench.run(&["lock", "--arch", "amd64", &recipe]);
    if end.as_second().unsigned_abs() < now {
        let expired = end.strftime("expired on %Y-%m-%d").to_string();
        ran.ended(1, &["`sid`", &expired, "hint: ", "--allow-expired-index"]);
        assert!(!bench.path("hostname.lock").exists());
    } else {
        ran.ok();
    }
    bench.run(&["lock", "--arch", "amd64", "--allow-expired-index", &recipe]).ok();
    assert!(lock_text(&bench).contains("suite = \"sid\""));
}

/// In order: bookworm's security suite never had this architecture. A note says what that means.
#[test]
fn real_mirror_bookworm_s390x_without_security() {
    let Some(bench) = Bench::new() else { return };
    let recipe = bench.recipe("debian:bookworm", "hostname", "");
    let note = "note: `bookworm-security` has no packages for s390x and is left out";
    bench.run(&["lock", "--arch", "s390x", &recipe]).ended(0, &[note]);
    let lock = lock_text(&bench);
    assert!(lock.contains("suite = \"bookworm-updates\"") && !lock.contains("bookworm-security"), "{lock}");
}
