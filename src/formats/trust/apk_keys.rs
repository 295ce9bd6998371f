//! RSA keys by file name, as apk has them, and the signatures that they make of packages and indexes.
//!
//! Follows apk-tools 2.14: a signature names the file of the public key (PEM, `SubjectPublicKeyInfo`, RFC 5280
//! and RFC 3279) and is RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2) with SHA-1, SHA-256 or SHA-512. apk counts the
//! first signature whose key it has, and no other. Here all of them count: see [`ApkKeyring::verify`].
//!
//! SHA-1 is what Alpine signs with, so it is accepted: a stranger needs a second preimage to forge such a
//! signature, which nobody can make. (Collisions can be made, by someone who has a say in what gets signed.)
//!
//! Left out: keys of other kinds (`.SIGN.DSA.*` has never been in use), and expiry, which such keys lack.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{self, RsaParameters, UnparsedPublicKey};

use crate::hint::Hint;

mod der;
mod vendor;

/// The largest key file read, in bytes.
const MAX_KEY_FILE: usize = 1 << 20;

const BEGIN: &str = "-----BEGIN ";
const PUBLIC: &str = "PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// Public keys by the file names that signatures give; several may share a name. Cheap to clone.
#[derive(Clone, Default)]
pub struct ApkKeyring {
    keys: BTreeMap<String, Vec<RsaKey>>,
}

/// An RSA key as ring takes it: DER of PKCS#1's `RSAPublicKey`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RsaKey(Arc<[u8]>);

/// A signature as a package or an index carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApkSignature {
    /// The kind it names itself: `RSA`, `RSA256`, `RSA512`.
    pub kind: String,
    /// The file name of its key.
    pub key: String,
    /// The signature itself.
    pub bytes: Vec<u8>,
}

/// Why signed bytes or a key file are not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApkTrustError {
    /// There is no signature.
    #[error("it is not signed")]
    Unsigned,
    /// No signature names a trusted key.
    #[error(
        "it is signed by unknown keys only: {} (trusted: {})",
        .signed_by.join(", "),
        if .trusted.is_empty() { "none".to_owned() } else { .trusted.join(", ") }
    )]
    UnknownKeys {
        /// The keys that the signatures name, sorted.
        signed_by: Vec<String>,
        /// The names of the trusted keys, sorted.
        trusted: Vec<String>,
    },
    /// A signature names a trusted key and was not made by it, or not of these bytes.
    #[error("the signature by `{key}` is forged: no trusted key of that name made it of these bytes")]
    Forged {
        /// The key's file name.
        key: String,
    },
    /// Its signatures are of kinds that are not implemented.
    #[error("it has no signature of a supported kind: {}", .kinds.join(", "))]
    Unsupported {
        /// What the signatures call themselves, sorted.
        kinds: Vec<String>,
    },
    /// A file holds no key that can be used.
    #[error("`{name}` holds no usable RSA public key: {reason}")]
    BadKeyFile {
        /// The file as the recipe names it.
        name: String,
        /// What was wrong.
        reason: String,
    },
}

impl Hint for ApkTrustError {
    fn hints(&self) -> Vec<String> {
        let hint = match self {
            ApkTrustError::Unsigned | ApkTrustError::Unsupported { .. } => {
                "ask the repository's owner to sign it with `abuild-sign`"
            }
            ApkTrustError::UnknownKeys { .. } => {
                "add the repository's key to `keys` if you trust it, under the file name it has there"
            }
            ApkTrustError::Forged { .. } => {
                "do not use this mirror; if the repository has changed its key, ask its owner for the new one"
            }
            ApkTrustError::BadKeyFile { .. } => {
                "write the public key with `openssl rsa -in KEY.rsa -pubout -out KEY.rsa.pub`"
            }
        };
        vec![hint.to_owned()]
    }
}

impl ApkKeyring {
    /// Alpine's keys for an architecture by Alpine's name of it (`x86_64`, `armhf`); none for any other name.
    pub fn alpine(arch_name: &str) -> Self {
        let mut keyring = Self::default();
        for (name, bytes) in vendor::alpine(arch_name) {
            keyring.extend(Self::parse_pem(bytes, name).unwrap_or_default());
        }
        keyring
    }

    /// The keys of a PEM file, one or several; `name` is the file's name or path, whose last component is the
    /// name by which signatures find them.
    pub fn parse_pem(bytes: &[u8], name: &str) -> Result<Self, ApkTrustError> {
        let bad = |reason: String| ApkTrustError::BadKeyFile { name: name.to_owned(), reason };
        if bytes.len() > MAX_KEY_FILE {
            return Err(bad(format!("it has {} bytes, more than the {MAX_KEY_FILE} accepted", bytes.len())));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| bad("it is not PEM".to_owned()))?;
        let mut keys = Vec::new();
        for block in text.split(BEGIN).skip(1) {
            keys.push(RsaKey::from_pem(block).map_err(bad)?);
        }
        let file_name = name.rsplit('/').next().unwrap_or(name);
        if keys.is_empty() {
            return Err(bad("it is not PEM".to_owned()));
        }
        if file_name.is_empty() {
            return Err(bad("it has no file name".to_owned()));
        }
        Ok(ApkKeyring { keys: BTreeMap::from([(file_name.to_owned(), keys)]) })
    }

    /// Adds the keys of another ring; those of the same name stand beside each other.
    pub fn extend(&mut self, other: ApkKeyring) {
        for (name, keys) in other.keys {
            let present = self.keys.entry(name).or_default();
            for key in keys {
                if !present.contains(&key) {
                    present.push(key);
                }
            }
        }
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys' file names, sorted.
    pub fn names(&self) -> Vec<String> {
        self.keys.keys().cloned().collect()
    }

    /// Checks the signatures of `signed`, and gives the names of the keys that made good ones, sorted.
    ///
    /// One good signature is enough, by any key of the name it gives. One that names a trusted key and is not good by
    /// any key of that name is a forgery, whatever the others say. Strangers' signatures and unknown kinds are passed
    /// over. apk 2.14 is laxer: it takes the first signature whose key it has, and looks at no other.
    pub fn verify(&self, signatures: &[ApkSignature], signed: &[u8]) -> Result<Vec<String>, ApkTrustError> {
        let (mut signers, mut strangers) = (BTreeSet::new(), BTreeSet::new());
        let mut unsupported = BTreeSet::new();
        for signature in signatures {
            let Some(parameters) = parameters(&signature.kind) else {
                unsupported.insert(signature.kind.clone());
                continue;
            };
            match self.keys.get(&signature.key) {
                None => strangers.insert(signature.key.clone()),
                Some(keys) if keys.iter().any(|key| key.made(parameters, signature, signed)) => {
                    signers.insert(signature.key.clone())
                }
                Some(_) => return Err(ApkTrustError::Forged { key: signature.key.clone() }),
            };
        }
        if !signers.is_empty() {
            Ok(signers.into_iter().collect())
        } else if !strangers.is_empty() {
            let signed_by = strangers.into_iter().collect();
            Err(ApkTrustError::UnknownKeys { signed_by, trusted: self.names() })
        } else if !unsupported.is_empty() {
            Err(ApkTrustError::Unsupported { kinds: unsupported.into_iter().collect() })
        } else {
            Err(ApkTrustError::Unsigned)
        }
    }
}

impl fmt::Debug for ApkKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ApkKeyring").field(&self.names()).finish()
    }
}

/// How a signature of a kind is checked; none for kinds that are not implemented.
fn parameters(kind: &str) -> Option<&'static RsaParameters> {
    match kind {
        "RSA" => Some(&signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
        "RSA256" => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        "RSA512" => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        _ => None,
    }
}

impl RsaKey {
    /// From what follows `-----BEGIN ` up to the next such line, or what is wrong with it.
    fn from_pem(block: &str) -> Result<Self, String> {
        let (label, rest) = block.split_once('\n').ok_or("its PEM is cut off")?;
        if label.trim_end() != PUBLIC {
            let label = label.trim_end().trim_end_matches('-');
            return Err(format!("it holds a `{}`", label.escape_debug()));
        }
        let (body, _) = rest.split_once(END).ok_or("its PEM is cut off")?;
        let body: String = body.split_ascii_whitespace().collect();
        let bytes = STANDARD.decode(body).map_err(|_| "its PEM is not base64")?;
        let key = der::rsa_public_key(&bytes)?;
        Ok(RsaKey(key.into()))
    }

    fn made(&self, parameters: &'static RsaParameters, signature: &ApkSignature, signed: &[u8]) -> bool {
        UnparsedPublicKey::new(parameters, &self.0).verify(signed, &signature.bytes).is_ok()
    }
}

#[cfg(test)]
mod tests;
