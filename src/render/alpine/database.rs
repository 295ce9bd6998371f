//! apk's own files of an image, up to a layer.

use std::collections::BTreeMap;

use crate::apk::installed::{InstalledFile, InstalledPackage, installed, scripts_tar, triggers};
use crate::tarball::EntryKind;

use super::super::{Made, MadeFile, fixed};
use super::{Package, Setup, owner};

/// The package manager, whose own files are made where it is in the image.
const APK_TOOLS: &str = "apk-tools";

impl<'a> Setup<'a> {
    /// Whether something of a package is shipped, or there is nothing to ship and it is asked for.
    pub(super) fn is_installed(&self, package: &Package<'a>) -> bool {
        let files = &package.record.files;
        let mut contents = files.iter().filter(|file| file.entry.kind != EntryKind::Directory).peekable();
        if contents.peek().is_none() {
            return package.layer <= self.layer && (package.named || package.whole);
        }
        contents.any(|file| self.has(package, file))
    }

    /// Whether a package's file is in the image.
    fn has(&self, package: &Package<'a>, file: &InstalledFile<'a>) -> bool {
        let path = &file.entry.path;
        if file.entry.kind == EntryKind::Directory {
            return self.directories.contains(path);
        }
        self.shipped.get(path).is_some_and(|(owner, _)| *owner == package.name)
    }

    /// The owner that a package's file has in the image.
    fn owner_of(&self, file: &InstalledFile<'a>) -> [u32; 2] {
        match (self.shipped.get(&file.entry.path), &self.accounts) {
            (Some((_, metadata)), _) => [metadata.uid, metadata.gid],
            (None, Some(accounts)) => owner(file.entry, file.marks, &accounts.accounts()),
            (None, None) => file.owner,
        }
    }

    /// Every file of apk's, as of this layer; none while there is no package.
    pub(super) fn database(&self) -> Made {
        let packages: Vec<InstalledPackage<'a>> = self
            .order
            .iter()
            .map(|at| &self.image.packages[*at])
            .filter(|package| self.is_installed(package))
            .map(|package| {
                let files = package.record.files.iter().filter(|file| self.has(package, file));
                let files = files.map(|file| InstalledFile { owner: self.owner_of(file), ..*file });
                InstalledPackage { files: files.collect(), ..package.record.clone() }
            })
            .collect();
        let mut made = Made::new();
        if packages.is_empty() {
            return made;
        }
        let mut add = |path: &str, mode: u32, bytes: Vec<u8>| {
            let path = self.resolve(&fixed(path));
            made.insert(path.clone(), MadeFile::file(path, mode, bytes));
        };
        add("/lib/apk/db/installed", 0o644, installed(&packages).into_bytes());
        add("/lib/apk/db/triggers", 0o644, triggers(&packages).into_bytes());
        add("/lib/apk/db/scripts.tar", 0o644, scripts_tar(&packages));
        add("/etc/apk/arch", 0o644, format!("{}\n", self.image.arch_name()).into_bytes());
        add("/etc/apk/world", 0o644, self.world().into_bytes());
        if !self.image.repositories.is_empty() {
            let lines = self.image.repositories.iter().map(|line| format!("{line}\n"));
            add("/etc/apk/repositories", 0o644, lines.collect::<String>().into_bytes());
        }
        if self.shipped.values().any(|(package, _)| *package == APK_TOOLS) {
            add("/lib/apk/db/lock", 0o600, Vec::new());
            let cache = self.resolve(&fixed("/var/cache/apk"));
            made.insert(cache.clone(), MadeFile::directory(cache, 0o755));
        }
        made
    }

    /// What the layers so far ask for, by name; what an upper layer says of a name goes before.
    fn world(&self) -> String {
        let asked = self.image.world.iter().take(self.layer + 1).flatten();
        let by_name: BTreeMap<&str, &String> = asked.map(|relation| (name_of(relation), relation)).collect();
        by_name.into_values().map(|relation| format!("{relation}\n")).collect()
    }
}

/// The name that a relation is about: `!name`, `name>=1`, `name@tag`. One of the kind `so:x` has its prefix.
fn name_of(relation: &str) -> &str {
    let relation = relation.strip_prefix('!').unwrap_or(relation);
    relation.split(['<', '>', '=', '~', '@']).next().unwrap_or(relation)
}
