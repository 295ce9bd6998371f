//! Keys and cleartext signatures made in code, good and bad.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use rootforge::trust::Keyring;
use sequoia_openpgp::armor;
use sequoia_openpgp::cert::{Cert, CertBuilder, CertRevocationBuilder, SubkeyRevocationBuilder};
use sequoia_openpgp::crypto::KeyPair;
use sequoia_openpgp::packet::Packet;
use sequoia_openpgp::packet::signature::SignatureBuilder;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::{Marshal as _, MarshalInto as _};
use sequoia_openpgp::types::{HashAlgorithm, KeyFlags, ReasonForRevocation, SignatureType};

pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How a key and its signatures are to be. Times are before or after `now`.
#[derive(Clone)]
pub struct Key {
    pub cert: Cert,
    pub now: SystemTime,
    /// Sign with the subkey, where there is one.
    by_subkey: bool,
}

/// What a signature is to be like.
#[derive(Clone)]
pub struct Style {
    pub hash: HashAlgorithm,
    pub kind: SignatureType,
    pub made: SystemTime,
    pub validity: Option<Duration>,
}

impl Style {
    pub fn at(made: SystemTime) -> Self {
        Style { hash: HashAlgorithm::SHA512, kind: SignatureType::Text, made, validity: None }
    }
}

impl Key {
    /// A certificate whose primary key signs, made ten days ago.
    pub fn new(now: SystemTime) -> Self {
        Self::build(now, |builder| {
            builder.set_primary_key_flags(KeyFlags::empty().set_certification().set_signing())
        })
    }

    /// A certificate with a subkey for signing, made ten days ago.
    pub fn with_subkey(now: SystemTime) -> Self {
        Key { by_subkey: true, ..Self::build(now, CertBuilder::add_signing_subkey) }
    }

    /// A certificate whose subkey is for another use, and signs all the same.
    pub fn with_wrong_subkey(now: SystemTime) -> Self {
        Key { by_subkey: true, ..Self::build(now, CertBuilder::add_authentication_subkey) }
    }

    /// A certificate that is valid for this long, from ten days ago.
    pub fn valid_for(now: SystemTime, validity: Duration) -> Self {
        Self::build(now, |builder| {
            builder
                .set_validity_period(validity)
                .set_primary_key_flags(KeyFlags::empty().set_certification().set_signing())
        })
    }

    fn build(now: SystemTime, shape: impl FnOnce(CertBuilder<'static>) -> CertBuilder<'static>) -> Self {
        let builder =
            CertBuilder::new().add_userid("Test <test@example.org>").set_creation_time(now - 10 * DAY);
        let (cert, _) = shape(builder).generate().unwrap();
        Key { cert, now, by_subkey: false }
    }

    /// The certificate, revoked a day ago.
    pub fn revoked(mut self) -> Self {
        let mut signer = self.primary();
        let revocation = CertRevocationBuilder::new()
            .set_signature_creation_time(self.now - DAY)
            .unwrap()
            .set_reason_for_revocation(ReasonForRevocation::KeyCompromised, b"lost")
            .unwrap()
            .build(&mut signer, &self.cert, None)
            .unwrap();
        self.cert = self.cert.insert_packets(revocation).unwrap().0;
        self
    }

    /// The certificate with its subkey revoked a day ago.
    pub fn subkey_revoked(mut self) -> Self {
        let mut signer = self.primary();
        let subkey = self.cert.keys().subkeys().next().unwrap().key().clone();
        let revocation = SubkeyRevocationBuilder::new()
            .set_signature_creation_time(self.now - DAY)
            .unwrap()
            .set_reason_for_revocation(ReasonForRevocation::KeyCompromised, b"lost")
            .unwrap()
            .build(&mut signer, &self.cert, &subkey, None)
            .unwrap();
        self.cert = self.cert.insert_packets(revocation).unwrap().0;
        self
    }

    /// The certificate renewed just now, its older bindings dropped, as exports often are.
    pub fn renewed(mut self) -> Self {
        let policy = StandardPolicy::at(self.now);
        let mut signer = self.primary();
        let valid = self.cert.with_policy(&policy, self.now - 9 * DAY).unwrap();
        let renewed =
            valid.primary_key().set_expiration_time(&mut signer, Some(self.now + 100 * DAY)).unwrap();
        let mut packets: Vec<Packet> = vec![self.cert.primary_key().key().clone().into()];
        packets.extend(
            renewed.iter().filter(|one| one.typ() == SignatureType::DirectKey).cloned().map(Packet::from),
        );
        packets.push(self.cert.userids().next().unwrap().userid().clone().into());
        packets.extend(
            renewed.into_iter().filter(|one| one.typ() != SignatureType::DirectKey).map(Packet::from),
        );
        self.cert = Cert::from_packets(packets.into_iter()).unwrap();
        self
    }

    fn primary(&self) -> KeyPair {
        self.cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap()
    }

    fn signer(&self) -> KeyPair {
        match self.cert.keys().subkeys().next().filter(|_| self.by_subkey) {
            Some(subkey) => subkey.key().clone().parts_into_secret().unwrap().into_keypair().unwrap(),
            None => self.primary(),
        }
    }

    pub fn fingerprint(&self) -> String {
        self.cert.fingerprint().to_hex()
    }

    /// The fingerprint of the key that signs.
    pub fn signing_fingerprint(&self) -> String {
        self.signer().public().fingerprint().to_hex()
    }

    /// A signature packet over a text.
    pub fn sign(&self, text: &str, style: &Style) -> Packet {
        let mut signer = self.signer();
        let mut builder = SignatureBuilder::new(style.kind)
            .set_hash_algo(style.hash)
            .set_signature_creation_time(style.made)
            .unwrap();
        if let Some(validity) = style.validity {
            builder = builder.set_signature_validity_period(validity).unwrap();
        }
        builder.sign_message(&mut signer, canonical(text)).unwrap().into()
    }

    /// A whole InRelease file, signed a day ago.
    pub fn in_release(&self, text: &str) -> String {
        frame(text, &[self.sign(text, &Style::at(self.now - DAY))])
    }

    pub fn public(&self) -> Vec<u8> {
        self.cert.to_vec().unwrap()
    }
}

/// The lines as they are signed.
fn canonical(text: &str) -> Vec<u8> {
    let lines: Vec<_> = text.strip_suffix('\n').unwrap_or(text).split('\n').map(str::trim_end).collect();
    lines.join("\r\n").into_bytes()
}

/// A cleartext-signed message with these signatures.
pub fn frame(text: &str, signatures: &[Packet]) -> String {
    let mut bytes = Vec::new();
    for signature in signatures {
        signature.serialize(&mut bytes).unwrap();
    }
    frame_raw(text, &bytes)
}

/// A cleartext-signed message with these bytes for signatures.
pub fn frame_raw(text: &str, signatures: &[u8]) -> String {
    let mut writer = armor::Writer::new(Vec::new(), armor::Kind::Signature).unwrap();
    writer.write_all(signatures).unwrap();
    let armour = String::from_utf8(writer.finalize().unwrap()).unwrap();
    let mut message = String::from("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1, SHA256, SHA512\n\n");
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if line.starts_with('-') {
            message.push_str("- ");
        }
        message.push_str(line);
        message.push('\n');
    }
    message.push_str(&armour);
    message
}

/// A ring of these keys.
pub fn ring(keys: &[&Key]) -> Keyring {
    let mut ring = Keyring::default();
    for key in keys {
        ring.extend(Keyring::parse(&key.public(), "test").unwrap());
    }
    ring
}
