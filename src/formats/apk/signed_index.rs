//! `APKINDEX.tar.gz` to the text of its `APKINDEX`, once a trusted key vouches for it.
//!
//! Follows apk-tools 2.14: signature members, then a tar with `DESCRIPTION` and `APKINDEX`, in one member or
//! several; the signatures are of all bytes that follow them. What is unpacked before they are verified is the
//! signature members, and as many bytes of the next member as tell that it is none. Where they are not good, the
//! rest is unpacked to nowhere, to tell an index that was cut off from a forgery.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;

use super::error::{ApkError, Part, Subject};
use super::members::Members;
use super::signatures;
use crate::tarball::{self, EntryKind, Limits, TarballError};
use crate::trust::{ApkKeyring, ApkTrustError};

/// The most that the signature members take, each, in bytes.
const MAX_SIGNATURE_MEMBER: usize = 1 << 20;

/// The most that an index takes when unpacked, in bytes. Alpine's largest is about 10 MiB.
const MAX_INDEX: u64 = 512 << 20;

/// An index that a trusted key signed. [`signed_index`] alone makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIndex {
    text: String,
    description: String,
    signers: Vec<String>,
}

impl SignedIndex {
    /// The text of `APKINDEX`; what is not UTF-8 in it is replaced.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of `DESCRIPTION` (`v3.20.3-99-g1234567`), without blanks at its ends; empty if there is none.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The first by name of the keys that made good signatures.
    pub fn signer(&self) -> &str {
        self.signers.first().map_or("", String::as_str)
    }

    /// The names of all trusted keys that made good signatures, sorted.
    pub fn signers(&self) -> &[String] {
        &self.signers
    }
}

/// Checks the signatures of an `APKINDEX.tar.gz`, see [`ApkKeyring::verify`], and unpacks what they cover.
pub fn signed_index(bytes: &[u8], keyring: &ApkKeyring) -> Result<SignedIndex, ApkError> {
    let subject = Subject::Index;
    let mut members = Members::new(bytes, &subject)?;
    let mut found = Vec::new();
    let signed = loop {
        let position = usize::try_from(members.position()).unwrap_or(usize::MAX);
        let rest = bytes.get(position..).unwrap_or_default();
        if !is_signature_member(rest) {
            break rest;
        }
        let member = members
            .read_next(MAX_SIGNATURE_MEMBER)
            .map_err(|cause| subject.damaged(Part::Signatures, cause))?;
        let member = member.ok_or_else(|| ApkError::TooLarge {
            subject: subject.clone(),
            part: Part::Signatures,
            limit: MAX_SIGNATURE_MEMBER as u64,
        })?;
        signatures::collect(&member.content, &mut found, &subject)?;
    };
    match keyring.verify(&found, signed) {
        Ok(signers) => unpack(members, signers),
        Err(ApkTrustError::Forged { .. }) if is_cut_off(members) => {
            Err(ApkError::Truncated { subject, part: Part::Index })
        }
        Err(source) => Err(ApkError::Untrusted { subject, source }),
    }
}

/// Whether the next member holds signatures. It may be damaged: whoever reads it will tell.
fn is_signature_member(bytes: &[u8]) -> bool {
    let mut start = Vec::new();
    let _ = GzDecoder::new(bytes).take(signatures::LEAD as u64).read_to_end(&mut start);
    signatures::leads(&start)
}

/// Whether the bytes end within a gzip member.
fn is_cut_off(members: Members<&[u8]>) -> bool {
    let read = io::copy(&mut members.join_rest().take(MAX_INDEX), &mut io::sink());
    read.is_err_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
}

fn unpack(members: Members<&[u8]>, signers: Vec<String>) -> Result<SignedIndex, ApkError> {
    let subject = Subject::Index;
    let limits = Limits { max_total: MAX_INDEX, max_entries: 1000 };
    let (mut text, mut description) = (None, None);
    let mut twice = None;
    tarball::read_all(members.join_rest(), &limits, |entry, _, content| {
        let place = match (entry.path.relative(), entry.kind) {
            ("APKINDEX", EntryKind::File { .. }) => &mut text,
            ("DESCRIPTION", EntryKind::File { .. }) => &mut description,
            _ => return Ok(()),
        };
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(TarballError::Read)?;
        if place.replace(into_text(bytes)).is_some() {
            twice.get_or_insert(entry.path);
        }
        Ok::<_, TarballError>(())
    })
    .map_err(|source| subject.refused(Part::Index, source))?;
    if let Some(path) = twice {
        return Err(ApkError::Twice { subject, name: path.relative().to_owned() });
    }
    let text = text.ok_or(ApkError::Missing { subject, name: "APKINDEX" })?;
    let description = description.unwrap_or_default().trim().to_owned();
    Ok(SignedIndex { text, description, signers })
}

/// UTF-8, with what is not replaced; without a copy where all of it is.
fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
