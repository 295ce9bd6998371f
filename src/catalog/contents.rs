//! Reads the content of some of a package's files again.
//!
//! What was kept when the package was listed is read from there. Else the archive is compared with what names its bytes
//! before, and must not have been touched after: what is read is what was fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use super::layer::{LayerSource, number_in_image};
use super::package::{self, PackageError};
use super::{CatalogError, PackageFiles};
use crate::apk::ApkError;
use crate::cache::{Stamp, Verdict};
use crate::deb::archive::DebError;
use crate::digest::Digest;
use crate::tarball::EntryKind;

/// The kind of derived entry that files' contents are.
const CONTENTS: &str = "content-1";

/// The largest content that is kept, in bytes.
const SMALL: usize = 1 << 20;

/// An error on the way, the package's or the visitor's.
enum Ended<E> {
    Package(PackageError),
    Visitor(E),
}

impl<E> From<DebError> for Ended<E> {
    fn from(error: DebError) -> Self {
        Ended::Package(error.into())
    }
}

impl<E> From<ApkError> for Ended<E> {
    fn from(error: ApkError) -> Self {
        Ended::Package(error.into())
    }
}

/// Streams a package's data once more, and hands the content of each wanted position to `visit`, in the
/// tarball's order, with what the caller noted for it.
///
/// A position must be that of a regular file ([`super::Manifest::content_index`]). The visits count for nothing
/// if this ends in an error: that the archive stayed the one of its digest is known only after the last.
pub fn read_contents<T, E: From<CatalogError>>(
    package: &PackageFiles,
    wanted: &BTreeMap<u32, T>,
    mut visit: impl FnMut(u32, &T, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let missing = |index| CatalogError::NoContent {
        package: package.name.clone(),
        version: package.version.clone(),
        index,
    };
    let mut left = wanted.iter().peekable();
    if left.peek().is_none() {
        return Ok(());
    }
    if let Some(source) = &package.source {
        return of_layers(package, source.as_ref(), wanted, visit);
    }
    if let Some(kept) = package.kept.as_ref().filter(|kept| wanted.keys().all(|index| kept.has(*index))) {
        return wanted.iter().try_for_each(|(index, note)| match kept.content(*index) {
            Some(mut content) => visit(*index, note, &mut content),
            None => Err(missing(*index).into()),
        });
    }
    let before = stamp_of_sound(package)?;
    let mut index = 0_u32;
    let read = package::read_data(&package.content, &package.archive, |entry, content| {
        if let Some((position, note)) = left.next_if(|(position, _)| **position == index) {
            if !matches!(entry.kind, EntryKind::File { .. }) {
                return Err(Ended::Visitor(missing(*position).into()));
            }
            visit(*position, note, content).map_err(Ended::Visitor)?;
            io::copy(content, &mut io::sink()).map_err(|source| {
                Ended::Package(PackageError::io(&package.content, &package.archive, source))
            })?;
        }
        index += 1;
        Ok(())
    });
    let unchanged = check(before, package);
    read.map_err(|ended| match ended {
        Ended::Visitor(error) => error,
        Ended::Package(source) => match &unchanged {
            Ok(()) => failed(package, source).into(),
            Err(_) => changed(package).into(),
        },
    })?;
    unchanged?;
    left.next().map_or(Ok(()), |(position, _)| Err(missing(*position).into()))
}

/// Whether the content of a file is to be had without decompressing its package.
pub fn is_at_hand(package: &PackageFiles, position: u32) -> bool {
    let is_kept = || package.kept.as_ref().is_some_and(|kept| kept.has(position));
    package.source.is_none() && (is_kept() || derived(package, position).is_some())
}

fn derived_key(package: &PackageFiles, position: u32) -> Digest {
    Digest::of(format!("{} {position}", package.content).as_bytes())
}

/// What was read before of a file, if it is kept in the cache.
fn derived(package: &PackageFiles, position: u32) -> Option<Vec<u8>> {
    package.cache.as_ref()?.derived(CONTENTS, &derived_key(package, position))
}

/// The content of some of a package's files, which are small: as it was read before, if that is kept.
///
/// A position must be that of a regular file.
pub fn small_contents(
    package: &PackageFiles,
    positions: &BTreeSet<u32>,
) -> Result<BTreeMap<u32, Vec<u8>>, CatalogError> {
    let mut contents = BTreeMap::new();
    let mut unread = BTreeMap::new();
    for position in positions {
        match derived(package, *position) {
            Some(bytes) => {
                contents.insert(*position, bytes);
            }
            None => {
                unread.insert(*position, *position);
            }
        }
    }
    let mut read = BTreeMap::new();
    read_contents(package, &unread, |position, _, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(|source| CatalogError::unread(package, source))?;
        read.insert(position, bytes);
        Ok::<_, CatalogError>(())
    })?;
    for (position, bytes) in &read {
        if let Some(cache) = package.cache.as_ref().filter(|_| bytes.len() <= SMALL) {
            // What cannot be kept is read again.
            let _ = cache.put_derived(CONTENTS, &derived_key(package, *position), bytes);
        }
    }
    contents.extend(read);
    Ok(contents)
}

/// As [`read_contents`], of what lies in an image's layers, which are compared with their digests by themselves.
fn of_layers<T, E: From<CatalogError>>(
    package: &PackageFiles,
    source: &dyn LayerSource,
    wanted: &BTreeMap<u32, T>,
    mut visit: impl FnMut(u32, &T, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let positions: BTreeMap<usize, u32> =
        wanted.keys().map(|position| (number_in_image(*position), *position)).collect();
    let numbers: Vec<usize> = positions.keys().copied().collect();
    let mut failed = None;
    let read = source.read(&numbers, &mut |number, content| {
        let Some((position, note)) = positions.get(&number).and_then(|at| wanted.get_key_value(at)) else {
            return Ok(());
        };
        visit(*position, note, content).map_err(|error| {
            failed = Some(error);
            io::Error::other("stopped")
        })
    });
    match (failed, read) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(CatalogError::unread(package, error).into()),
        (None, Ok(())) => Ok(()),
    }
}

/// The stamp of an archive whose bytes have just been compared with their digest.
fn stamp_of_sound(package: &PackageFiles) -> Result<Stamp, CatalogError> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => changed(package),
        _ => failed(package, PackageError::io(&package.content, &package.archive, source)),
    };
    let stamp = Stamp::at(&package.archive).map_err(io)?;
    match package.content.judge(&package.archive).map_err(io)? {
        Verdict::Sound => Ok(stamp),
        Verdict::Other(_) | Verdict::Forged(_) => {
            let error = changed(package);
            // It may pass for sound as long as it lies there.
            let _ = package.cache.as_ref().map(|cache| cache.remove(package.content));
            Err(error)
        }
    }
}

/// Whether the archive is the same file still, or another of the same bytes: somebody may have fetched it too.
fn check(before: Stamp, package: &PackageFiles) -> Result<(), CatalogError> {
    if before.is_at(&package.archive) { Ok(()) } else { stamp_of_sound(package).map(|_| ()) }
}

fn changed(package: &PackageFiles) -> CatalogError {
    CatalogError::Changed {
        package: package.name.clone(),
        version: package.version.clone(),
        gone: !package.archive.exists(),
    }
}

fn failed(package: &PackageFiles, source: PackageError) -> CatalogError {
    let source = Box::new(source);
    CatalogError::Package { package: package.name.clone(), version: package.version.clone(), source }
}
