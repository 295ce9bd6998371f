//! dpkg's record of a layer: `/var/lib/dpkg/status.d/PACKAGE` and `PACKAGE.md5sums`, as image scanners read
//! them. Each package a layer touches has both; the checksums are cut to what was really shipped. Where dpkg is in the
//! image, it has its own database as well ([`database()`]).

use std::collections::BTreeSet;

use crate::catalog::PackageFiles;
use crate::root_path::RootPath;

use super::{Made, MadeFile, fixed};

mod database;
mod dependencies;

pub use database::database;

/// A package that a layer touches, and the paths of it that are in the image up to that layer.
#[derive(Debug)]
pub struct PackageRecord<'a> {
    /// The package.
    pub package: &'a PackageFiles,
    /// Its shipped paths, canonical.
    pub shipped: BTreeSet<&'a RootPath>,
}

/// The record files of a layer. `canonical` leads a path through the links of the merged `/usr`.
pub fn records(packages: &[PackageRecord<'_>], canonical: impl Fn(&RootPath) -> RootPath) -> Made {
    let mut made = Made::new();
    for record in packages {
        let package = record.package;
        let Ok(path) = fixed("/var/lib/dpkg/status.d").join(&package.name) else { continue };
        let sums = package
            .manifest
            .control
            .member("md5sums")
            .map_or(String::new(), |sums| cut_checksums(&sums, &record.shipped, &canonical));
        let sums_path =
            path.parent().and_then(|parent| parent.join(&format!("{}.md5sums", package.name)).ok());
        let status = status_paragraph(&package.manifest.control.text);
        made.insert(path.clone(), MadeFile::file(path, 0o644, status.into_bytes()));
        if let Some(path) = sums_path {
            made.insert(path.clone(), MadeFile::file(path, 0o644, sums.into_bytes()));
        }
    }
    made
}

/// The control paragraph with dpkg's `Status` after `Package`.
fn status_paragraph(control: &str) -> String {
    let mut text = String::with_capacity(control.len() + 40);
    for line in control.lines().filter(|line| !line.trim().is_empty()) {
        text.push_str(line);
        text.push('\n');
        if line.to_ascii_lowercase().starts_with("package:") {
            text.push_str("Status: install ok installed\n");
        }
    }
    text
}

/// The lines of an md5sums file whose path is shipped, as they are.
fn cut_checksums(
    sums: &str,
    shipped: &BTreeSet<&RootPath>,
    canonical: impl Fn(&RootPath) -> RootPath,
) -> String {
    sums.lines()
        .filter(|line| {
            line.split_once("  ")
                .and_then(|(_, path)| RootPath::parse(path).ok())
                .is_some_and(|path| shipped.contains(&canonical(&path)))
        })
        .map(|line| format!("{line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_speak_only_of_what_is_there() {
        let zlib = RootPath::parse("/usr/lib/libz.so.1").unwrap();
        let shipped = [&zlib].into();
        let sums = "aa  lib/libz.so.1\nbb  usr/share/doc/z\n";
        let cut = cut_checksums(sums, &shipped, |path| {
            RootPath::parse(&path.as_str().replacen("/lib", "/usr/lib", 1)).unwrap()
        });
        assert_eq!(cut, "aa  lib/libz.so.1\n");
    }

    #[test]
    fn status_follows_package() {
        let text = status_paragraph("Package: a\nVersion: 1\n\n");
        assert_eq!(text, "Package: a\nStatus: install ok installed\nVersion: 1\n");
    }
}
