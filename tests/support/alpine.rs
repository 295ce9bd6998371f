//! The Alpine corpus that stands beside the checkout.

#![allow(clippy::print_stdout, reason = "a test that skips says so")]

use std::path::{Path, PathBuf};

/// The corpus: where `ROOTFORGE_ALPINE_CORPUS` says, or beside the checkout. Says so where it is absent, which
/// under `CI=true` fails the test.
pub fn alpine_corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/alpine");
    let corpus = std::env::var_os("ROOTFORGE_ALPINE_CORPUS").map_or_else(beside, PathBuf::from);
    if corpus.join("genuine").is_dir() {
        return Some(corpus);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "the Alpine corpus is not at {}", corpus.display());
    println!("skipped: the Alpine corpus is not at {}", corpus.display());
    None
}
