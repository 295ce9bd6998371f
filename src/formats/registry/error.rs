//! Why a registry did not do what was asked of it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::StatusCode;

use super::credentials::CredentialError;
use crate::digest::Digest;
use crate::hint::Hint;

/// How much of a registry's own words is told.
const MAX_WORDS: usize = 300;

/// A request that failed: of which registry, which repository and what of it, and why.
#[derive(Debug, thiserror::Error)]
#[error("`{registry}/{repository}`{}: {fault}", of_item(.item.as_ref()))]
pub struct RegistryError {
    /// The registry's host and port.
    pub registry: String,
    /// The repository.
    pub repository: String,
    /// What in it was asked for; nothing where it is the repository itself.
    pub item: Option<Item>,
    /// What went wrong.
    #[source]
    pub fault: Fault,
}

/// What a repository holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A blob.
    Blob(Digest),
    /// A manifest or an index, by its tag or digest.
    Manifest(String),
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Blob(digest) => write!(f, "blob {digest}"),
            Item::Manifest(version) => write!(f, "manifest {version}"),
        }
    }
}

fn of_item(item: Option<&Item>) -> String {
    item.map(|item| format!(", {item}")).unwrap_or_default()
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The network is not to be used.
    #[error("it is not on this machine, and the work is offline")]
    Offline,
    /// HTTP or HTTPS cannot be used on this machine.
    #[error("https is not available: {0}")]
    Tls(String),
    /// The registry was not reached, or the connection broke.
    #[error("{0}")]
    Network(String),
    /// The registry wants to know who asks, and is not told, or does not believe it.
    #[error("the registry asks for a login{}{}", if *.known { " and does not take the one that is known" } else { "" }, said(.words))]
    Unauthorized {
        /// Whether there were credentials.
        known: bool,
        /// What it said.
        words: String,
    },
    /// Who asks may not have it.
    #[error("the registry refuses it{}", said(.words))]
    Denied {
        /// Whether there were credentials.
        known: bool,
        /// What it said.
        words: String,
    },
    /// There is no such thing.
    #[error("the registry does not have it{}", said(.words))]
    Missing {
        /// What it said.
        words: String,
    },
    /// The registry has been asked too often, or has too much to do, for longer than is waited for.
    #[error("the registry is busy: it answered {status}{}", asked(*.wait))]
    Busy {
        /// 408, 429 or 503.
        status: StatusCode,
        /// How long it asks to wait.
        wait: Option<Duration>,
    },
    /// Another answer than was to be expected.
    #[error("the registry answered {status}{}", said(.words))]
    Status {
        /// The status, number and text.
        status: StatusCode,
        /// What it said.
        words: String,
    },
    /// An answer that the specification does not allow.
    #[error("the registry's answer is wrong: {0}")]
    Answer(String),
    /// An address that secrets or images are not sent to.
    #[error("the registry names `{0}`, which is neither https nor on this machine")]
    Insecure(String),
    /// The bytes are not those of the digest.
    #[error("its bytes have the digest {found} instead of {expected}")]
    Digest {
        /// What was asked for.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// The bytes are not as many as they should be.
    #[error("it has {found} bytes instead of {expected}")]
    Size {
        /// What was asked for.
        expected: u64,
        /// What came or was announced.
        found: u64,
    },
    /// A document is longer than documents are.
    #[error("it has more than the {0} bytes that a manifest may have")]
    TooLarge(u64),
    /// Credentials cannot be read.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// A local file cannot be read or written.
    #[error("cannot {action} `{}`: {source}", .path.display())]
    File {
        /// The verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

fn said(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

fn asked(wait: Option<Duration>) -> String {
    wait.map(|wait| format!(" and asks to wait {} s", wait.as_secs())).unwrap_or_default()
}

/// What somebody else wrote, on one line, without what would move a terminal's cursor, and not too long.
pub(super) fn words(text: &str) -> String {
    let line: String = text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}

impl RegistryError {
    /// Whether the registry does not have it, or does not say that it does to whoever asks.
    pub const fn is_missing(&self) -> bool {
        matches!(self.fault, Fault::Missing { .. })
    }
}

impl Hint for RegistryError {
    fn hints(&self) -> Vec<String> {
        let host = &self.registry;
        let login = format!("log in with `docker login {host}` or `podman login {host}`");
        let hint = match &self.fault {
            Fault::Offline => "leave out `--offline`".to_owned(),
            Fault::Tls(_) => "install the system's CA certificates".to_owned(),
            Fault::Network(_) if matches!(self.item, Some(Item::Blob(_))) => {
                "try again: what has arrived is not sent again".to_owned()
            }
            Fault::Network(_) => {
                "check the host, the port and the network; plain http is used for this machine's own addresses only"
                    .to_owned()
            }
            Fault::Unauthorized { known: false, .. } | Fault::Denied { known: false, .. } => login,
            Fault::Unauthorized { known: true, .. } => format!("{login} again: the password may have changed"),
            Fault::Denied { known: true, .. } => {
                format!("the account that is logged in to {host} needs the right to this repository")
            }
            Fault::Missing { .. } => match &self.item {
                Some(Item::Blob(_)) => "the registry lost it; push the image to it again".to_owned(),
                _ => "check the repository and the tag; private repositories may need a login to be seen".to_owned(),
            },
            Fault::Busy { status: StatusCode::TOO_MANY_REQUESTS, .. } => {
                format!("wait and try again: what has arrived stays; {login}, if its limit is for those who are not")
            }
            Fault::Busy { .. } => "try again later: what has arrived stays".to_owned(),
            Fault::Digest { .. } | Fault::Size { .. } | Fault::TooLarge(_) | Fault::Answer(_) => {
                "the registry, or a proxy before it, is at fault; the image was not taken".to_owned()
            }
            Fault::Status { status, .. } if status.is_server_error() => {
                "the registry, or a proxy before it, is at fault: try again later, or tell those who run it".to_owned()
            }
            Fault::Insecure(_) => "have the registry name its https address".to_owned(),
            Fault::Credentials(CredentialError::Helper { .. }) => {
                format!("install the helper, or take it out of the file and {login}")
            }
            Fault::Credentials(_) => format!("correct the file, or {login}"),
            Fault::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space".to_owned()
            }
            Fault::Status { .. } | Fault::File { .. } => return Vec::new(),
        };
        vec![hint]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_words_are_tamed() {
        assert_eq!(words("a\x1b[31mb\n\tc"), "a [31mb c");
        assert_eq!(words(&"é".repeat(400)).chars().count(), MAX_WORDS + 4);
    }
}
