//! The signatures that lead a package or an index: gzip members of nothing but tar entries `.SIGN.KIND.KEY`.
//!
//! There may be several entries in a member and several such members; apk-tools 2.14 has all of them cover what
//! follows the last. An entry of another name in such a member is refused: the signature would have to cover
//! itself.

use super::error::{ApkError, Part, Subject};
use crate::tarball::{self, EntryKind, Limits, TarballError};
use crate::trust::ApkSignature;

/// How the entries' names begin.
const PREFIX: &str = ".SIGN.";

/// The largest signature read, in bytes: four times that of the largest key.
const MAX_SIGNATURE: u64 = 4096;

/// The most signatures looked at.
const MAX_SIGNATURES: usize = 16;

/// Whether the content of a member begins as that of a signature member does; the first bytes will do.
pub(super) fn leads(content: &[u8]) -> bool {
    content.starts_with(PREFIX.as_bytes())
}

/// How many of a member's first bytes [`leads`] needs.
pub(super) const LEAD: usize = PREFIX.len();

/// Adds the signatures that a signature member's content holds.
pub(super) fn collect(
    content: &[u8],
    signatures: &mut Vec<ApkSignature>,
    subject: &Subject,
) -> Result<(), ApkError> {
    enum Ended {
        Tar(TarballError),
        Malformed(String),
    }
    impl From<TarballError> for Ended {
        fn from(error: TarballError) -> Self {
            Ended::Tar(error)
        }
    }
    let limits = Limits { max_total: content.len() as u64, max_entries: MAX_SIGNATURES as u64 + 1 };
    let read = tarball::read_all(content, &limits, |entry, _, reader| {
        let name = entry.path.relative();
        let signed_by = name.strip_prefix(PREFIX).filter(|name| !name.contains('/'));
        let Some((kind, key)) = signed_by.map(|name| name.split_once('.').unwrap_or((name, ""))) else {
            return Err(Ended::Malformed(format!("`{}` is among them", name.escape_debug())));
        };
        match entry.kind {
            EntryKind::File { size } if size <= MAX_SIGNATURE => {}
            _ => return Err(Ended::Malformed(format!("`{}` is no signature", name.escape_debug()))),
        }
        if signatures.len() == MAX_SIGNATURES {
            return Err(Ended::Malformed(format!("there are more than {MAX_SIGNATURES}")));
        }
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(TarballError::Read)?;
        signatures.push(ApkSignature { kind: kind.to_owned(), key: key.to_owned(), bytes });
        Ok(())
    });
    read.map_err(|ended| match ended {
        Ended::Tar(source) => subject.refused(Part::Signatures, source),
        Ended::Malformed(reason) => ApkError::Signatures { subject: subject.clone(), reason },
    })
}
