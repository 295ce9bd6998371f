//! Which package of Debian's has a file: Contents indexes, vouched for by InRelease like any other.
//!
//! The Debian wiki's `DebianRepository/Format`, "Contents indices": lines of a path, blanks, and packages with their
//! sections, parted by commas. Debian has them by component and architecture, Ubuntu by architecture for a suite.
//! They are large (170 MB for amd64), so they are read as they are unpacked, and nothing is kept but what was asked
//! for. Mirrors bring them up to date apart from the rest: one that fits no signed release is not read, and the caller told.
//! Left out: `Contents-all`, since no library is in a package for all architectures.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};

use crate::root_path::RootPath;

use super::RepositoryError;
use super::debian::{Access, SuiteRelease};

/// The longest line that is looked into, in bytes.
const MAX_LINE: usize = 1 << 16;

/// The places and packages of files, by file name.
pub type Holders = BTreeMap<String, BTreeSet<(RootPath, String)>>;

/// What Contents indexes say, and how much that is worth.
#[derive(Debug, Default)]
pub struct Found {
    /// The files that were sought.
    pub holders: Holders,
    /// Whether any suite has such an index at all.
    pub has_any: bool,
    /// Indexes that the mirror has in another form than the release vouches for, and that were not read.
    pub out_of_step: Vec<RepositoryError>,
}

/// Every file of one architecture's packages that has one of some names.
pub fn holders(
    releases: &[SuiteRelease],
    deb_arch: &str,
    names: &BTreeSet<String>,
    access: Access<'_>,
) -> Result<Found, RepositoryError> {
    let mut found = Found::default();
    for release in releases {
        for path in release.contents_paths(deb_arch) {
            found.has_any = true;
            match release.read_stream(&path, access, &mut |text| scan(text, names, &mut found.holders)) {
                Err(error @ RepositoryError::OutOfStep { .. }) => found.out_of_step.push(error),
                other => other?,
            }
        }
    }
    Ok(found)
}

fn scan(text: &mut dyn std::io::Read, names: &BTreeSet<String>, found: &mut Holders) -> std::io::Result<()> {
    let mut lines = BufReader::with_capacity(1 << 18, text);
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.len() <= MAX_LINE
            && let Ok(line) = std::str::from_utf8(&line)
        {
            take(line.trim_end(), names, found);
        }
    }
}

fn take(line: &str, names: &BTreeSet<String>, found: &mut Holders) {
    // A path may hold blanks; the list of packages does not.
    let Some((path, packages)) = line.rsplit_once([' ', '\t']) else { return };
    let path = path.trim_end();
    let name = path.rsplit('/').next().unwrap_or(path);
    if !names.contains(name) {
        return;
    }
    let Ok(path) = RootPath::parse(path) else { return };
    for package in packages.split(',') {
        let package = package.rsplit('/').next().unwrap_or(package);
        if !package.is_empty() {
            found.entry(name.to_owned()).or_default().insert((path.clone(), package.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_debian_writes_them() {
        let names = ["libz.so.1", "a b"].map(str::to_owned).into();
        let text = "FILE                    LOCATION\n\
                    usr/lib/x86_64-linux-gnu/libz.so.1\t    libs/zlib1g,contrib/libs/other\n\
                    usr/lib/x86_64-linux-gnu/libz.so.1.3  libs/zlib1g\n\
                    usr/share/a b                       misc/blank\n\
                    libz.so.1\n\n../libz.so.1 x/y\nusr/libz.so.1 ,\n";
        let mut found = Holders::new();
        scan(&mut text.as_bytes(), &names, &mut found).unwrap();
        let path = |text| RootPath::parse(text).unwrap();
        let libz = path("/usr/lib/x86_64-linux-gnu/libz.so.1");
        assert_eq!(
            found["libz.so.1"],
            [(libz.clone(), "other".to_owned()), (libz, "zlib1g".to_owned())].into()
        );
        assert_eq!(found["a b"], [(path("/usr/share/a b"), "blank".to_owned())].into());
        scan(&mut &b"\xff\xfe libz.so.1 \n"[..], &names, &mut found).unwrap();
    }
}
