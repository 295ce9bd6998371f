//! What is going on, told while it goes on. Nothing in the library prints; the command line listens.

/// Someone who wants to know how far the work is. Called from several threads.
pub trait Progress: Sync {
    /// A stage begins, in a few words: `resolving pulseaudio for arm64`.
    fn stage(&self, words: &str);

    /// Something worth knowing that stops nothing: which mirror is used, a suite left out.
    fn note(&self, words: &str);

    /// More work of the current stage is known of, in bytes.
    fn expect(&self, bytes: u64);

    /// Some of it is done, in bytes.
    fn advance(&self, bytes: u64);
}

/// Nobody.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _: &str) {}
    fn note(&self, _: &str) {}
    fn expect(&self, _: u64) {}
    fn advance(&self, _: u64) {}
}
