//! What to do about an error, apart from what went wrong.

/// An error that can say what to do about it.
///
/// The message of an error says what failed, where and why; hints say what the user may try. Only the
/// command line prints them.
pub trait Hint {
    /// Sentences that complete "hint: ...", in the order of their likely use; empty where nothing helps.
    fn hints(&self) -> Vec<String>;
}

/// What to do where a file that somebody names cannot be read for whose it is; none where it is anything else.
pub fn of_reading(error: &std::io::Error) -> Option<String> {
    let is_denied = error.kind() == std::io::ErrorKind::PermissionDenied;
    is_denied.then(|| "make it readable for the user who builds, and each directory above it too".to_owned())
}

/// What to do where the system refuses more of something; none where it is anything else.
pub fn of_limit(error: &std::io::Error) -> Option<String> {
    // `EMFILE` and `ENFILE`, the process's limit and the system's, have no kind of their own.
    let hint = match error.raw_os_error() {
        Some(23 | 24) => "raise the limit of open files, `ulimit -n`",
        _ if error.kind() == std::io::ErrorKind::StorageFull => {
            "free some space; the cache can be deleted at any time"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
