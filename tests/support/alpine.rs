//! The Alpine corpus, which stands beside the checkout and is no part of it.
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]
#![allow(clippy::print_stdout, reason = "a test that skips says so")]

use std::path::{Path, PathBuf};

/// Where the corpus is; none, saying so, where there is none. Under `CI=true` it must be there.
pub fn alpine_corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/alpine");
    let corpus = std::env::var_os("ROOTFORGE_ALPINE_CORPUS").map_or(beside, PathBuf::from);
    if corpus.join("genuine/signatures.json").is_file() {
        return Some(corpus);
    }
    assert_ne!(
        std::env::var("CI").as_deref(),
        Ok("true"),
        "there is no Alpine corpus at {}",
        corpus.display()
    );
    eprintln!("skipped: there is no Alpine corpus at {}", corpus.display());
    None
}
