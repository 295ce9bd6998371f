//! The fields of a `.PKGINFO`, and how the database spells them.

use std::collections::BTreeMap;

use super::InstalledPackage;

/// The lines `name = value` of a `.PKGINFO`, by name.
pub(super) struct Fields<'a> {
    lines: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(pkginfo: &'a str) -> Self {
        let mut lines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for line in pkginfo.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, value)) = line.split_once('=') {
                lines.entry(name.trim()).or_default().push(value.trim());
            }
        }
        Fields { lines }
    }

    /// The value of a field that stands once: the last, as apk reads it; empty if there is none.
    pub(super) fn one(&self, name: &str) -> &'a str {
        self.lines.get(name).and_then(|values| values.last()).copied().unwrap_or_default()
    }

    /// All values of a field that may stand several times, with one blank between their words.
    pub(super) fn list(&self, name: &str) -> String {
        let words = self.lines.get(name).into_iter().flatten().flat_map(|value| value.split_whitespace());
        words.collect::<Vec<_>>().join(" ")
    }

    /// A number; zero if there is none.
    fn number(&self, name: &str) -> u64 {
        self.one(name).parse().unwrap_or(0)
    }

    /// Writes a package's paragraph up to its files.
    pub(super) fn write(&self, package: &InstalledPackage<'_>, text: &mut String) {
        let mut line = |field: char, value: &str| text.push_str(&format!("{field}:{value}\n"));
        line('C', &package.checksum.to_string());
        line('P', self.one("pkgname"));
        line('V', self.one("pkgver"));
        line('A', package.arch.unwrap_or_else(|| self.one("arch")));
        line('S', &package.size.to_string());
        line('I', &self.number("size").to_string());
        for (field, name) in [('T', "pkgdesc"), ('U', "url"), ('L', "license")] {
            line(field, self.one(name));
        }
        let mut given = |field: char, value: &str| {
            if !value.is_empty() && value != "0" {
                line(field, value);
            }
        };
        given('o', self.one("origin"));
        given('m', self.one("maintainer"));
        given('t', &self.number("builddate").to_string());
        given('c', self.one("commit"));
        given('k', &self.number("provider_priority").to_string());
        given('D', &self.list("depend"));
        given('p', &self.list("provides"));
        given('i', &self.list("install_if"));
        given('r', &self.list("replaces"));
        given('q', &self.number("replaces_priority").to_string());
    }
}

/// What `NAME-VERSION` a package has, and when it was built, in seconds since the Unix epoch.
pub(super) fn label(pkginfo: &str) -> (String, u64) {
    let fields = Fields::of(pkginfo);
    (format!("{}-{}", fields.one("pkgname"), fields.one("pkgver")), fields.number("builddate"))
}
