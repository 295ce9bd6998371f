//! What to do about an error, apart from what went wrong.

/// An error that can say what to do about it.
///
/// The message of an error says what failed, where and why; hints say what the user may try. Only the
/// command line prints them.
pub trait Hint {
    /// Sentences that complete "hint: ...", in the order of their likely use; empty where nothing helps.
    fn hints(&self) -> Vec<String>;
}
