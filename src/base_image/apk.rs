//! apk's database: `lib/apk/db/installed`, `triggers` and `scripts.tar`, in the form of [`crate::apk::installed`].
//!
//! A package's paragraph becomes the `.PKGINFO` that it was made of, as far as later stages ask for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{BaseImageError, InstalledPackage};
use crate::apk::Checksum;
use crate::apk::archive::Marks;
use crate::cache::ContentId;
use crate::catalog::Control;
use crate::root_path::RootPath;
use crate::tarball::{self, EntryKind, Limits, TarballError};

/// Where the database is: where it always was, and where it is going.
const DIRECTORIES: [&str; 2] = ["/lib/apk/db/", "/usr/lib/apk/db/"];
const FILES: [&str; 3] = ["installed", "triggers", "scripts.tar"];
/// The fields of a paragraph that are those of a `.PKGINFO`.
const FIELDS: [(char, &str); 13] = [
    ('P', "pkgname"),
    ('V', "pkgver"),
    ('A', "arch"),
    ('I', "size"),
    ('T', "pkgdesc"),
    ('U', "url"),
    ('L', "license"),
    ('o', "origin"),
    ('m', "maintainer"),
    ('t', "builddate"),
    ('c', "commit"),
    ('k', "provider_priority"),
    ('q', "replaces_priority"),
];
/// The same, of lists whose words are lines.
const LISTS: [(char, &str); 4] = [('D', "depend"), ('p', "provides"), ('i', "install_if"), ('r', "replaces")];
/// The fields of relations, by the names that locks have.
const RELATIONS: [(char, &str); 6] = [
    ('D', "depends"),
    ('p', "provides"),
    ('i', "install-if"),
    ('k', "provider-priority"),
    ('t', "build-time"),
    ('I', "installed-size"),
];

/// How much `scripts.tar` may hold.
const SCRIPTS: Limits = Limits { max_total: 256 << 20, max_entries: 200_000 };

/// Whether packages are told by a file.
pub(super) fn is_database(path: &RootPath) -> bool {
    let name = DIRECTORIES.iter().find_map(|directory| path.as_str().strip_prefix(directory));
    name.is_some_and(|name| FILES.contains(&name))
}

/// The installed packages; `is_ours` says that the database has what was shipped, not what there is.
pub(super) fn installed(
    image: &str,
    texts: &BTreeMap<RootPath, Vec<u8>>,
    is_ours: bool,
) -> Result<BTreeMap<String, InstalledPackage>, BaseImageError> {
    let database = |file: &str| {
        DIRECTORIES.iter().find_map(|directory| {
            let path = RootPath::parse(&format!("{directory}{file}")).ok()?;
            texts.get(&path).map(|bytes| (path, bytes))
        })
    };
    let Some((path, bytes)) = database("installed") else { return Ok(BTreeMap::new()) };
    let wrong =
        |reason: String| BaseImageError::Database { image: image.to_owned(), path: path.clone(), reason };
    let text = String::from_utf8_lossy(bytes);
    let mut installed = BTreeMap::new();
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let package = package(paragraph, !is_ours).map_err(&wrong)?;
        installed.insert(package.name.clone(), package);
    }
    if let Some((_, bytes)) = database("triggers") {
        let text = String::from_utf8_lossy(bytes);
        for (checksum, paths) in text.lines().filter_map(|line| line.split_once(' ')) {
            if let Some(package) = of_checksum(&mut installed, checksum) {
                let _ = writeln!(package.control.text, "triggers = {paths}");
            }
        }
    }
    if let Some((_, bytes)) = database("scripts.tar") {
        scripts(bytes, &mut installed);
    }
    Ok(installed)
}

fn of_checksum<'p>(
    installed: &'p mut BTreeMap<String, InstalledPackage>,
    checksum: &str,
) -> Option<&'p mut InstalledPackage> {
    installed.values_mut().find(|package| package.content.to_string() == checksum)
}

/// Gives packages their scripts, which are called `NAME-VERSION.CHECKSUM.SCRIPT`; a checksum may hold slashes. What
/// cannot be read has none.
fn scripts(bytes: &[u8], installed: &mut BTreeMap<String, InstalledPackage>) {
    // What is behind a member that is refused is as if it were not there.
    let _ = tarball::read(bytes, &SCRIPTS, |entry, content| -> Result<(), TarballError> {
        let Some((_, script)) = entry.path.relative().rsplit_once('.') else { return Ok(()) };
        // Compared as paths: of slashes that stand side by side one counts.
        let is_its = |package: &&mut InstalledPackage| {
            let name = format!("{}-{}.{}.{script}", package.name, package.version, package.content);
            RootPath::parse(&name).is_ok_and(|path| path == entry.path)
        };
        let package = installed.values_mut().find(is_its);
        let mut script_text = Vec::new();
        if let Some(package) = package.filter(|_| matches!(entry.kind, EntryKind::File { .. }))
            && content.read_to_end(&mut script_text).is_ok()
        {
            package.control.members.insert(format!(".{script}"), script_text);
        }
        Ok(())
    });
}

/// A paragraph of the database.
fn package(paragraph: &str, is_whole: bool) -> Result<InstalledPackage, String> {
    let mut fields: BTreeMap<char, &str> = BTreeMap::new();
    let (mut listed, mut marks) = (BTreeSet::new(), BTreeMap::new());
    let (mut directory, mut file) = (String::new(), None);
    for line in paragraph.lines() {
        let mut letters = line.chars();
        let (Some(letter), Some(':')) = (letters.next(), letters.next()) else {
            return Err(format!("`{line}` is no field"));
        };
        let value = letters.as_str();
        match letter {
            'F' => {
                value.clone_into(&mut directory);
                listed.extend(RootPath::parse(value).ok().filter(|path| !path.is_root()));
                file = None;
            }
            'R' => {
                file = RootPath::parse(&format!("{directory}/{value}")).ok();
                listed.extend(file.clone());
            }
            'Z' => {
                if let (Some(path), Ok(checksum)) = (&file, value.parse::<Checksum>()) {
                    let mark = Marks { checksum: Some(checksum), ..Marks::default() };
                    marks.insert(path.clone(), mark);
                }
            }
            'M' | 'a' => {}
            _ => {
                fields.entry(letter).or_insert(value);
            }
        }
    }
    let field = |letter: char| fields.get(&letter).copied().unwrap_or_default();
    let needed = |letter: char| {
        Some(field(letter))
            .filter(|value| !value.is_empty())
            .ok_or_else(|| format!("a package lacks `{letter}:`"))
    };
    let (name, version) = (needed('P')?.to_owned(), needed('V')?.to_owned());
    let checksum: Checksum =
        needed('C')?.parse().map_err(|_| format!("`{}` of {name} is no checksum", field('C')))?;
    let mut text = String::new();
    for (letter, key) in FIELDS.iter().filter(|(letter, _)| fields.contains_key(letter)) {
        let _ = writeln!(text, "{key} = {}", field(*letter));
    }
    for (letter, key) in LISTS {
        for word in field(letter).split_whitespace() {
            let _ = writeln!(text, "{key} = {word}");
        }
    }
    let relations = RELATIONS.iter().map(|(letter, key)| ((*key).to_owned(), field(*letter).to_owned()));
    Ok(InstalledPackage {
        architecture: field('A').to_owned(),
        source: Some(field('o')).filter(|origin| !origin.is_empty()).unwrap_or(&name).to_owned(),
        essential: false,
        multi_arch: None,
        content: ContentId::Apk(checksum),
        size: field('S').parse().unwrap_or(0),
        relations: relations.filter(|(_, value)| !value.is_empty() && value != "0").collect(),
        control: Control { text, members: BTreeMap::new() },
        listed,
        marks,
        is_whole,
        name,
        version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_becomes_a_package() {
        let text = "C:Q1p78yvTLG094tHE1+dToJGbmYzQE=\nP:musl\nV:1.2.5-r0\nA:x86_64\nS:1\nI:2\nT:the libc\n\
                    o:musl\nt:1700000000\np:so:libc.musl-x86_64.so.1=1\nF:lib\nR:ld-musl-x86_64.so.1\na:0:0:755\n\
                    Z:Q1p78yvTLG094tHE1+dToJGbmYzQE=\nF:etc\nM:0:0:750\n\n";
        let path = RootPath::parse("/lib/apk/db/installed").unwrap();
        let found = installed("x", &BTreeMap::from([(path, text.as_bytes().to_vec())]), false).unwrap();
        let musl = &found["musl"];
        assert_eq!(musl.listed.len(), 3);
        assert_eq!(musl.relations["provides"], "so:libc.musl-x86_64.so.1=1");
        assert!(musl.control.text.contains("pkgname = musl\npkgver = 1.2.5-r0\narch = x86_64\n"));
        assert!(musl.marks[&RootPath::parse("/lib/ld-musl-x86_64.so.1").unwrap()].checksum.is_some());
    }

    #[test]
    fn scripts_are_read_within_bounds() {
        // A hole takes nothing in the archive, and would take all of the memory.
        let mut hole = tempfile::tempfile().unwrap();
        hole.set_len(SCRIPTS.max_total + 1).unwrap();
        let mut archive = tar::Builder::new(Vec::new());
        let name = |script: &str| format!("musl-1.2.5-r0.Q1p78yvTLG094tHE1+dToJGbmYzQE=.{script}");
        for script in ["pre-install", "post-install"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(9);
            header.set_mode(0o755);
            archive.append_data(&mut header, name(script), &b"#!/bin/sh"[..]).unwrap();
            archive.append_file(name("trigger"), &mut hole).unwrap();
        }
        let archive = archive.into_inner().unwrap();
        assert!(archive.len() < 100_000);
        let paragraph = "C:Q1p78yvTLG094tHE1+dToJGbmYzQE=\nP:musl\nV:1.2.5-r0\nA:x86_64\n\n";
        let texts = [("installed", paragraph.as_bytes()), ("scripts.tar", &archive)]
            .map(|(name, bytes)| (RootPath::parse(&format!("/lib/apk/db/{name}")).unwrap(), bytes.to_vec()));
        let found = installed("x", &BTreeMap::from(texts), false).unwrap();
        let scripts: Vec<&String> = found["musl"].control.members.keys().collect();
        assert_eq!(scripts, [".pre-install"]);
    }
}
