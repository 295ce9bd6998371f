//! An InRelease file: fetched, its signature verified, its publisher, suite and dates found right.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::deb::release::Release;
use crate::digest::Digest;
use crate::transport::{TransportError, is_remote};
use crate::trust::{self, Verified};

use super::super::{Note, RepositoryError, Source};
use super::Access;

/// What InRelease files are kept as in the cache, by URL.
const KEPT: &str = "inrelease-1";

/// How many seconds in the future an index may be dated, for clocks that differ.
const CLOCK_SKEW: u64 = 24 * 60 * 60;

/// The InRelease file and its signed text; offline the one fetched last, verified again.
pub(super) fn get(
    source: &Source,
    uri: &str,
    url: &str,
    access: Access<'_>,
) -> Result<(Vec<u8>, Verified), RepositoryError> {
    let key = Digest::of(url.as_bytes());
    let verify = |bytes: &[u8]| {
        trust::verify_inrelease(bytes, &source.keyring, access.at)
            .map_err(|error| RepositoryError::untrusted(url, bytes, error))
    };
    if access.transport.is_offline() && is_remote(url) {
        let offline = || RepositoryError::Offline { uri: uri.to_owned(), suite: source.suite.clone() };
        let bytes = access.cache.derived(KEPT, &key).ok_or_else(offline)?;
        let verified = verify(&bytes)?;
        return Ok((bytes, verified));
    }
    let bytes = match access.transport.read(url, trust::MAX_INRELEASE) {
        Err(TransportError::Missing { status, .. }) => {
            return Err(RepositoryError::NoSuchSuite {
                uri: uri.to_owned(),
                suite: source.suite.clone(),
                status,
            });
        }
        result => result?,
    };
    let verified = verify(&bytes)?;
    access.cache.put_derived(KEPT, &key, &bytes)?;
    Ok((bytes, verified))
}

/// Whether it is the right publisher's and the right suite; a mirror could send another that is signed too.
pub(super) fn check_identity(source: &Source, url: &str, release: &Release) -> Result<(), RepositoryError> {
    let Some(expected) = source.origin else { return Ok(()) };
    if release.origin.as_deref() != Some(expected) {
        return Err(RepositoryError::Origin {
            url: url.to_owned(),
            expected: expected.to_owned(),
            found: release.origin.clone().unwrap_or_default(),
        });
    }
    let names = [&release.codename, &release.suite];
    if !names.iter().any(|name| name.as_ref() == Some(&source.suite)) {
        return Err(RepositoryError::OtherSuite {
            url: url.to_owned(),
            expected: source.suite.clone(),
            found: names.into_iter().flatten().next().cloned().unwrap_or_default(),
        });
    }
    Ok(())
}

/// Whether it is neither from the future nor stale.
pub(super) fn check_dates(
    source: &Source,
    uri: &str,
    release: &Release,
    date: u64,
    access: Access<'_>,
    notes: &mut Vec<Note>,
) -> Result<(), RepositoryError> {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let (uri, suite) = (uri.to_owned(), source.suite.clone());
    if date > seconds(access.at).saturating_add(CLOCK_SKEW) {
        return Err(RepositoryError::FromTheFuture { uri, suite, when: written(date) });
    }
    match release.valid_until.filter(|end| *end < seconds(access.at)) {
        Some(_) if source.by_snapshot || !source.check_valid_until => {}
        Some(end) if access.allow_expired => notes.push(Note::ExpiredAccepted { suite, when: written(end) }),
        Some(end) => return Err(RepositoryError::Expired { uri, suite, when: written(end) }),
        None => {}
    }
    Ok(())
}

/// A moment as people read it, UTC.
fn written(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(|| seconds.to_string(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}
