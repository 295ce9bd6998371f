//! Signed bytes to trusted text: the InRelease files of apt repositories, and the keys of apk's.
//!
//! Follows the cleartext signature framework of RFC 9580, section 7, and apt's conventions for InRelease.
//! [`verify_inrelease`] is the only maker of [`Verified`], and parsers of signed indexes take nothing else.
//! Time is an argument: nothing here reads a clock.
//!
//! Left out: the detached pair `Release` and `Release.gpg`. Every archive since 2012 has InRelease, and one
//! file cannot be caught half replaced. Also left out are the web of trust (a key in the ring is trusted) and
//! signatures inside a `.deb` (they prove nothing that the index does not).

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use sequoia_openpgp::KeyHandle;
use sequoia_openpgp::cert::amalgamation::key::ErasedKeyAmalgamation;
use sequoia_openpgp::cert::amalgamation::{ValidAmalgamation, ValidateAmalgamation as _};
use sequoia_openpgp::packet::{Packet, Signature, key};
use sequoia_openpgp::parse::{PacketParser, PacketParserResult, Parse as _};
use sequoia_openpgp::policy::{AsymmetricAlgorithm, HashAlgoSecurity, Policy as _, StandardPolicy};
use sequoia_openpgp::types::{HashAlgorithm, RevocationStatus, SignatureType};

mod apk_keys;
mod cleartext;
mod error;
mod keyring;

pub use apk_keys::{ApkKeyring, ApkSignature, ApkTrustError};
pub use error::TrustError;
pub use keyring::Keyring;

/// The largest InRelease read, in bytes. Debian's largest is below 1 MiB.
pub const MAX_INRELEASE: u64 = 32 << 20;

/// The most signatures looked at. Archives use two or three, during a change of keys.
const MAX_SIGNATURES: usize = 16;

/// How far in the future a signature may seem to be made, for clocks that differ.
const CLOCK_SKEW: Duration = Duration::from_secs(30 * 60);

/// Text that a trusted key signed, and who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    text: String,
    signers: Vec<String>,
}

impl Verified {
    /// The signed text alone: dash-escapes undone, lines without trailing blanks and ending in `\n`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The certificates that made a good signature, as upper-case hexadecimal fingerprints, sorted.
    pub fn signers(&self) -> &[String] {
        &self.signers
    }
}

/// What one signature is worth.
enum Judgement {
    Good(String),
    Stranger(Vec<String>),
    Unsupported(String),
    Refused(TrustError),
}

/// Checks the signatures of an InRelease file as of the time `at`, and gives the text they cover.
///
/// One good signature by a key of the ring is enough. It is good if it fits the text, its hash is strong, and
/// the certificate and the signing key were, both when it was made and at `at`, not expired and meant for
/// signing, and are not revoked. Strangers' signatures and unknown algorithms are passed over. A signature
/// that names a key of the ring and does not fit the text is a forgery, whatever the others say.
pub fn verify_inrelease(bytes: &[u8], keyring: &Keyring, at: SystemTime) -> Result<Verified, TrustError> {
    if bytes.len() as u64 > MAX_INRELEASE {
        return Err(TrustError::TooLarge { size: bytes.len() as u64, limit: MAX_INRELEASE });
    }
    let message = cleartext::split(bytes)?;
    let rules = Rules::at(at);
    let (mut signers, mut strangers, mut unsupported) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut refused = None;
    for packet in signatures(&message.armour)? {
        match rules.judge(&packet, &message.signed, keyring)? {
            Judgement::Good(signer) => {
                signers.insert(signer);
            }
            Judgement::Stranger(ids) => strangers.extend(ids),
            Judgement::Unsupported(kind) => {
                unsupported.insert(kind);
            }
            Judgement::Refused(error) => {
                refused.get_or_insert(error);
            }
        }
    }
    if !signers.is_empty() {
        Ok(Verified { text: message.text, signers: signers.into_iter().collect() })
    } else if let Some(error) = refused {
        Err(error)
    } else if !strangers.is_empty() {
        Err(TrustError::UnknownKeys { ids: strangers.into_iter().collect() })
    } else if !unsupported.is_empty() {
        Err(TrustError::Unsupported { kinds: unsupported.into_iter().collect() })
    } else {
        Err(TrustError::NotSigned)
    }
}

/// The signature packets of an armoured block, those of unknown kinds included.
fn signatures(armour: &[u8]) -> Result<Vec<Packet>, TrustError> {
    let malformed = |error: &dyn std::fmt::Display| TrustError::Malformed(error.to_string());
    let mut found = Vec::new();
    let mut parser = PacketParser::from_bytes(armour).map_err(|error| malformed(&error))?;
    while let PacketParserResult::Some(packet) = parser {
        // `next` does not look into containers, so nothing is decompressed.
        let (packet, rest) = packet.next().map_err(|error| malformed(&error))?;
        parser = rest;
        if packet.tag() == sequoia_openpgp::packet::Tag::Signature {
            found.push(packet);
        }
        if found.len() > MAX_SIGNATURES {
            return Err(TrustError::Malformed(format!("it has more than {MAX_SIGNATURES} signatures")));
        }
    }
    Ok(found)
}

/// What counts, as of one moment.
struct Rules {
    at: SystemTime,
    /// For signatures and bindings.
    strict: StandardPolicy<'static>,
    /// For revocations, which count even where their hash is weak.
    lenient: StandardPolicy<'static>,
}

impl Rules {
    fn at(at: SystemTime) -> Self {
        let (mut strict, mut lenient) = (StandardPolicy::at(at), StandardPolicy::at(at));
        for hash in [HashAlgorithm::MD5, HashAlgorithm::SHA1, HashAlgorithm::RipeMD] {
            strict.reject_hash(hash);
            lenient.accept_hash(hash);
        }
        for algorithm in [AsymmetricAlgorithm::RSA1024, AsymmetricAlgorithm::DSA1024] {
            strict.reject_asymmetric_algo(algorithm);
            lenient.accept_asymmetric_algo(algorithm);
        }
        Rules { at, strict, lenient }
    }

    /// What a signature packet over a canonical text is worth; an error if it is forged.
    fn judge(&self, packet: &Packet, text: &[u8], keyring: &Keyring) -> Result<Judgement, TrustError> {
        let Packet::Signature(signature) = packet else {
            let version =
                packet.version().map_or_else(|| "unknown".to_owned(), |version| version.to_string());
            return Ok(Judgement::Unsupported(format!("version {version}")));
        };
        let issuers = signature.get_issuers();
        let mut keys = keyring
            .certs()
            .flat_map(|cert| cert.keys())
            .filter(|key| issuers.iter().any(|issuer| issuer.aliases(key.key().key_handle())))
            .peekable();
        if keys.peek().is_none() {
            return Ok(Judgement::Stranger(names(&issuers)));
        }
        if signature.typ() != SignatureType::Text {
            return Ok(Judgement::Unsupported(format!("type {}", signature.typ())));
        }
        if !signature.pk_algo().is_supported() || !signature.hash_algo().is_supported() {
            return Ok(Judgement::Unsupported(format!("{}, {}", signature.pk_algo(), signature.hash_algo())));
        }
        // Two keys can share an ID, and two certificates a key: all of them have a say.
        let (mut forged, mut refused) = (None, None);
        for key in keys {
            let name = key.key().fingerprint().to_hex();
            match signature.verify_message(key.key(), text) {
                Err(error) if is_unsupported(&error) => {
                    refused.get_or_insert(Judgement::Unsupported(error.to_string()));
                }
                Err(_) => {
                    forged.get_or_insert(TrustError::BadSignature { key: name });
                }
                Ok(()) => match self.weigh(signature, &key, name) {
                    Ok(signer) => return Ok(Judgement::Good(signer)),
                    Err(error) => refused = Some(Judgement::Refused(error)),
                },
            }
        }
        match (refused, forged) {
            (Some(judgement), _) => Ok(judgement),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(Judgement::Stranger(Vec::new())),
        }
    }

    /// Whether a signature that fits its text counts; the certificate's fingerprint if so.
    fn weigh(
        &self,
        signature: &Signature,
        key: &ErasedKeyAmalgamation<'_, key::PublicParts>,
        name: String,
    ) -> Result<String, TrustError> {
        let hash = signature.hash_algo();
        if matches!(hash, HashAlgorithm::MD5 | HashAlgorithm::SHA1 | HashAlgorithm::RipeMD) {
            return Err(TrustError::WeakHash { key: name, hash: hash.to_string() });
        }
        let unusable =
            |error: &anyhow::Error| TrustError::Unusable { key: name.clone(), reason: chain(error) };
        self.strict
            .signature(signature, HashAlgoSecurity::CollisionResistance)
            .map_err(|error| unusable(&error))?;
        let made = signature
            .signature_creation_time()
            .ok_or_else(|| unusable(&anyhow::anyhow!("its signature has no date")))?;
        if made > self.at.checked_add(CLOCK_SKEW).unwrap_or(self.at) {
            return Err(TrustError::NotYetValid { key: name, when: date(made) });
        }
        if let Some(end) = signature.signature_expiration_time().filter(|end| *end <= self.at) {
            return Err(TrustError::Expired { key: name, when: date(end) });
        }
        let bound = key.clone().with_policy(&self.lenient, self.at).ok();
        let statuses = [
            Some(key.cert().revocation_status(&self.lenient, self.at)),
            bound.as_ref().map(ValidAmalgamation::revocation_status),
        ];
        if statuses.iter().flatten().any(|status| matches!(status, RevocationStatus::Revoked(_))) {
            return Err(TrustError::Revoked { key: name });
        }
        // A certificate that was renewed, its older bindings dropped, has none at the time of the signature.
        let moments = [Some(self.at), Some(made).filter(|made| self.was_bound(key, *made))];
        for moment in moments.into_iter().flatten() {
            self.alive(key, moment, &name)?;
        }
        Ok(key.cert().fingerprint().to_hex())
    }

    fn was_bound(&self, key: &ErasedKeyAmalgamation<'_, key::PublicParts>, moment: SystemTime) -> bool {
        moment < self.at && key.clone().with_policy(&self.strict, moment).is_ok()
    }

    /// Whether the certificate and the key were usable for signing at a moment.
    fn alive(
        &self,
        key: &ErasedKeyAmalgamation<'_, key::PublicParts>,
        moment: SystemTime,
        name: &str,
    ) -> Result<(), TrustError> {
        let unusable =
            |error: &anyhow::Error| TrustError::Unusable { key: name.to_owned(), reason: chain(error) };
        let valid = key.clone().with_policy(&self.strict, moment).map_err(|error| unusable(&error))?;
        let primary = valid.valid_cert().primary_key().key_expiration_time();
        let ends = [primary, valid.key_expiration_time()].into_iter().flatten();
        if let Some(end) = ends.min().filter(|end| *end <= moment) {
            return Err(TrustError::Expired { key: name.to_owned(), when: date(end) });
        }
        valid.valid_cert().alive().map_err(|error| unusable(&error))?;
        valid.alive().map_err(|error| unusable(&error))?;
        if !valid.for_signing() {
            return Err(TrustError::NotSigningCapable { key: name.to_owned() });
        }
        Ok(())
    }
}

/// Those who say they signed: fingerprints, and key IDs where there is no fingerprint of the same key.
fn names(issuers: &[KeyHandle]) -> Vec<String> {
    let is_named = |id: &KeyHandle| {
        issuers.iter().any(|other| matches!(other, KeyHandle::Fingerprint(_)) && other.aliases(id))
    };
    let names: Vec<_> = issuers
        .iter()
        .filter(|issuer| matches!(issuer, KeyHandle::Fingerprint(_)) || !is_named(issuer))
        .map(|issuer| format!("{issuer:X}"))
        .collect();
    if names.is_empty() { vec!["anonymous".to_owned()] } else { names }
}

/// Whether a signature could not be checked for want of an algorithm, which is not to say that it is bad.
fn is_unsupported(error: &anyhow::Error) -> bool {
    use sequoia_openpgp::Error;
    matches!(
        error.downcast_ref::<Error>(),
        Some(
            Error::UnsupportedHashAlgorithm(_)
                | Error::UnsupportedPublicKeyAlgorithm(_)
                | Error::UnsupportedEllipticCurve(_)
        )
    )
}

/// An error and its causes on one line.
fn chain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A moment as people read it, UTC.
fn date(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(
        |_| "an impossible date".to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}
