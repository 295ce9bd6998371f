//! Reads the content of some of a package's files again.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::{CatalogError, PackageFiles};
use crate::deb::archive::{self, DebError};
use crate::tarball::{EntryKind, Limits};

/// An error on the way, the package's or the visitor's.
enum Ended<E> {
    Package(DebError),
    Visitor(E),
}

impl<E> From<DebError> for Ended<E> {
    fn from(error: DebError) -> Self {
        Ended::Package(error)
    }
}

/// Streams a package's data once more, and hands the content of each wanted position to `visit`, in the
/// tarball's order, with what the caller noted for it.
///
/// A position must be that of a regular file ([`super::Manifest::content_index`]). The archive's digest is
/// the caller's to check; its compression's checksum is checked here, after the last visit.
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
    let mut index = 0_u32;
    let read = archive::read_data(&package.archive, &Limits::default(), |entry, content| {
        if let Some((position, note)) = left.next_if(|(position, _)| **position == index) {
            if !matches!(entry.kind, EntryKind::File { .. }) {
                return Err(Ended::Visitor(missing(*position).into()));
            }
            visit(*position, note, content).map_err(Ended::Visitor)?;
            io::copy(content, &mut io::sink())
                .map_err(|source| DebError::Io { path: package.archive.clone(), source })?;
        }
        index += 1;
        Ok(())
    });
    read.map_err(|ended| match ended {
        Ended::Visitor(error) => error,
        Ended::Package(source) => {
            let source = Box::new(source);
            CatalogError::Package { package: package.name.clone(), version: package.version.clone(), source }
                .into()
        }
    })?;
    left.next().map_or(Ok(()), |(position, _)| Err(missing(*position).into()))
}
