//! Why bytes did not arrive, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use reqwest::StatusCode;

use crate::digest::Digest;
use crate::hint::{Hint, of_limit};

/// What a download must turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its SHA-256 digest; none where only the size is known here and the caller looks at the content.
    pub digest: Option<Digest>,
    /// Its size in bytes.
    pub size: u64,
}

/// Other bytes came than were wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{url}` is not what it should be: expected {} bytes{}, found {found_size} bytes{}{}",
    .expected.size, with(*.expected), .found.map(|digest| format!(" with {digest}")).unwrap_or_default(),
    if *.html { "; the server sent an HTML page" } else { "" }
)]
pub struct Mismatch {
    /// What was asked for.
    pub url: String,
    /// What should have come.
    pub expected: Expected,
    /// The digest of what came, if all of it was read.
    pub found: Option<Digest>,
    /// The number of bytes that came, or that the server announced.
    pub found_size: u64,
    /// Whether they look like a web page, as those of captive portals and proxies do.
    pub html: bool,
}

/// ` with DIGEST`, where one is expected.
fn with(expected: Expected) -> String {
    expected.digest.map(|digest| format!(" with {digest}")).unwrap_or_default()
}

/// Why bytes did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The network is not to be used.
    #[error("`{url}` is not on this machine, and the build is offline")]
    Offline {
        /// What was asked for.
        url: String,
    },
    /// The scheme is none that can be fetched.
    #[error("`{url}` cannot be fetched: only http, https, file: and paths can")]
    Scheme {
        /// What was asked for.
        url: String,
    },
    /// HTTP cannot be used at all.
    #[error("cannot set up HTTP: {cause}")]
    Setup {
        /// What failed.
        cause: String,
    },
    /// The system has nothing to check servers' certificates against.
    #[error("`{url}` cannot be fetched: https is not available: {cause}")]
    Tls {
        /// What was asked for.
        url: String,
        /// What failed.
        cause: String,
    },
    /// The server has no such file.
    #[error("`{url}` does not exist: {status}")]
    Missing {
        /// What was asked for.
        url: String,
        /// What the server or the operating system said.
        status: String,
    },
    /// The server refused or failed.
    #[error("`{url}` cannot be fetched: the server answered {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status, number and text.
        status: StatusCode,
    },
    /// The server was not reached, or the connection broke.
    #[error("`{url}` cannot be fetched: {cause}")]
    Network {
        /// What was asked for.
        url: String,
        /// The error with its causes, down to the operating system's.
        cause: String,
    },
    /// More bytes came than were wanted.
    #[error("`{url}` has more than the {limit} bytes accepted")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The most bytes accepted.
        limit: u64,
    },
    /// Other bytes came than were wanted.
    #[error(transparent)]
    Mismatch(Box<Mismatch>),
    /// A local file cannot be read.
    #[error("cannot read `{}`: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// What arrived cannot be stored.
    #[error("cannot write `{}`: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

impl TransportError {
    /// Whether the source does not have the file, so that another may be tried.
    pub fn is_missing(&self) -> bool {
        matches!(self, TransportError::Missing { .. })
    }

    /// Whether a file to download into has been deleted meanwhile.
    pub fn is_vanished(&self, file: &Path) -> bool {
        matches!(self, TransportError::Write { path, source } | TransportError::Read { path, source }
            if path == file && source.kind() == io::ErrorKind::NotFound)
    }
}

impl Hint for TransportError {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            TransportError::Offline { .. } => "build once without `--offline` to fill the cache",
            TransportError::Network { .. }
            | TransportError::Status { .. }
            | TransportError::Missing { .. } => "check the network, or pass `--mirror` another mirror",
            TransportError::Mismatch(mismatch) if mismatch.html => {
                "a proxy or a captive portal seems to answer in the server's place; log in there, or pass `--mirror`"
            }
            TransportError::Mismatch(_) | TransportError::TooLarge { .. } => {
                "the mirror may be in the middle of an update; try again, or pass `--mirror` another mirror"
            }
            TransportError::Tls { .. } => "install the system's CA certificates, or use an http mirror",
            TransportError::Read { source, .. } | TransportError::Write { source, .. } => {
                return of_limit(source).into_iter().collect();
            }
            TransportError::Scheme { .. } | TransportError::Setup { .. } => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}
