//! Why a text or a key is not trusted, and what to do about it.

use crate::hint::Hint;

/// Why a text or a key is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// There is no cleartext signature around the text.
    #[error("the file is not signed")]
    NotSigned,
    /// The file is larger than any index of its kind.
    #[error("the signed file has {size} bytes, more than the {limit} accepted")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The largest size accepted, in bytes.
        limit: u64,
    },
    /// The signature's frame or content cannot be read.
    #[error("the signed file is malformed: {0}")]
    Malformed(String),
    /// Nobody in the key ring signed it.
    #[error("the file is signed by unknown keys only: {}", .ids.join(", "))]
    UnknownKeys {
        /// Fingerprints or key IDs of those who did.
        ids: Vec<String>,
    },
    /// Its signatures use versions or algorithms that are not implemented.
    #[error("the file has no signature of a supported kind: {}", .kinds.join(", "))]
    Unsupported {
        /// What was found.
        kinds: Vec<String>,
    },
    /// A key or signature had expired.
    #[error("the signature by key {key} does not count: expired on {when}")]
    Expired {
        /// The signing key's fingerprint.
        key: String,
        /// The date and time of expiry, UTC.
        when: String,
    },
    /// The signature is dated in the future.
    #[error("the signature by key {key} is dated in the future, {when}")]
    NotYetValid {
        /// The signing key's fingerprint.
        key: String,
        /// When it says it was made, UTC.
        when: String,
    },
    /// The owner has revoked the key.
    #[error("the signing key {key} is revoked")]
    Revoked {
        /// The signing key's fingerprint.
        key: String,
    },
    /// A known key is named, and its signature does not fit the text.
    #[error("the signature by key {key} is bad: the text or the signature was altered")]
    BadSignature {
        /// The signing key's fingerprint.
        key: String,
    },
    /// The key is meant for other uses.
    #[error("the key {key} is not one for signing")]
    NotSigningCapable {
        /// The signing key's fingerprint.
        key: String,
    },
    /// The signature uses a broken hash.
    #[error("the signature by key {key} uses {hash}, which is too weak")]
    WeakHash {
        /// The signing key's fingerprint.
        key: String,
        /// The hash algorithm's name.
        hash: String,
    },
    /// Nothing that counts binds the key to its owner.
    #[error("the key {key} cannot be used: {reason}")]
    Unusable {
        /// The signing key's fingerprint.
        key: String,
        /// What the policy found.
        reason: String,
    },
    /// A file holds no key that can be read.
    #[error("`{name}` holds no usable OpenPGP key: {reason}")]
    BadKeyFile {
        /// The file as the recipe names it.
        name: String,
        /// What was wrong.
        reason: String,
    },
}

impl Hint for TrustError {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            TrustError::NotSigned | TrustError::TooLarge { .. } | TrustError::Malformed(_) => {
                "check that the URL is that of an apt repository, and that no proxy changes what it sends"
            }
            TrustError::UnknownKeys { .. } => "add the repository's key to `keys` if you trust it",
            TrustError::Expired { .. } | TrustError::Revoked { .. } => {
                "ask the repository for its present key, or pass `--mirror` another mirror"
            }
            TrustError::NotYetValid { .. } => "check this machine's clock",
            TrustError::BadSignature { .. } => "do not use this mirror; pass `--mirror` another one",
            TrustError::Unsupported { .. }
            | TrustError::NotSigningCapable { .. }
            | TrustError::WeakHash { .. }
            | TrustError::Unusable { .. } => "ask the repository's owner for a signature by a stronger key",
            TrustError::BadKeyFile { .. } => "export the key with `gpg --armor --export FINGERPRINT`",
        };
        vec![hint.to_owned()]
    }
}
