//! Verified `Packages` texts become one list of packages for one architecture
//! (Debian Policy 5.3; the wiki's `DebianRepository/Format`).
//!
//! The index owns the texts; a record is a view into them. Suites keep their origin, and a name has all its
//! versions from all suites. Packages from files beside the recipe, and packages that only a lock still
//! knows, join as texts of their own kind. Left out: whether a text is to be trusted; an [`IndexText`] can
//! only be had from the rooms that know.

use std::fmt::Write as _;

use rayon::prelude::*;

use crate::arch::Arch;
use crate::deb::control;
use crate::digest::Digest;
use crate::hint::Hint;

mod mention;
mod reading;
mod record;
mod similar;

use reading::{Entry, Provided, Span, collect_provided, in_order, read_entry, slice};

pub(crate) use mention::Mention;
pub use record::PackageRecord;
pub use similar::nearest;

/// Where the packages of a text come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OriginKind {
    /// A file that the recipe names; outranks every archive's versions of its name.
    Local,
    /// A suite's component in an archive.
    Archive,
    /// A lock; stands in for a version that has left the archives.
    Locked,
}

/// One index that packages are taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexOrigin {
    /// What kind of source it is.
    pub kind: OriginKind,
    /// The archive's name for people and locks, which no mirror changes; empty unless an archive.
    pub archive: String,
    /// The archive's root, below which file names count; for a local package its directory, or empty.
    pub uri: String,
    /// The suite's directory below `dists/`; empty unless an archive.
    pub suite: String,
    /// The component; empty unless an archive.
    pub component: String,
    /// The digest of the signed `InRelease` that vouches for it; of the text itself unless an archive.
    pub inrelease: Digest,
    /// The `Date` of that `InRelease` in Unix seconds; 0 unless an archive.
    pub date: u64,
}

impl std::fmt::Display for IndexOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            OriginKind::Local => f.write_str("local file"),
            OriginKind::Archive => write!(f, "{}/{}", self.suite, self.component),
            OriginKind::Locked => f.write_str("lock"),
        }
    }
}

/// A `Packages` text whose bytes somebody vouches for.
#[derive(Clone, Debug)]
pub struct IndexText(String);

impl IndexText {
    /// The caller has compared the text with a signed digest, or has made it from a package or a lock that
    /// the user named.
    pub(crate) fn vouched(text: String) -> Self {
        IndexText(text)
    }

    /// A text that must be the one of a digest; none where it is not. Who vouches for the digest is the
    /// caller's affair.
    pub fn matching(text: String, expected: &Digest) -> Option<Self> {
        (Digest::of(text.as_bytes()) == *expected).then_some(IndexText(text))
    }

    /// A paragraph for a package file: its control paragraph with what an archive would add.
    pub(crate) fn of_package(control: &str, path: &str, size: u64, sha256: &Digest) -> Self {
        let mut text = String::with_capacity(control.len() + path.len() + 128);
        for (name, value) in control::paragraphs(control).take(1).flat_map(|paragraph| paragraph.fields()) {
            if !["Filename", "Size", "SHA256"].iter().any(|added| added.eq_ignore_ascii_case(name)) {
                let _ = writeln!(text, "{name}: {value}");
            }
        }
        let _ = write!(text, "Filename: {path}\nSize: {size}\nSHA256: {}\n", sha256.hex());
        IndexText(text)
    }
}

/// A package of one [`PackageIndex`]. In ascending order: by name, and of a name the preferred version first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId(u32);

impl PackageId {
    /// Its place among all packages of the index.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The place as a number of its own width, for the solver's tables.
    pub(crate) const fn raw(self) -> u32 {
        self.0
    }

    /// The inverse of [`PackageId::raw`]; of no use with an index it does not come from.
    pub(crate) const fn from_raw(raw: u32) -> Self {
        PackageId(raw)
    }
}

/// A package that provides a name not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provider<'a> {
    /// The package.
    pub package: PackageId,
    /// The version it provides the name with.
    pub version: Option<&'a str>,
}

/// A text is no `Packages` index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// A paragraph lacks a field.
    #[error("{origin}: the package `{package}` has no `{field}`")]
    Missing {
        /// The index.
        origin: String,
        /// The package, as far as it has a name.
        package: String,
        /// The field.
        field: &'static str,
    },
    /// A field's value cannot be read.
    #[error("{origin}: the package `{package}` has the malformed `{field}: {value}`")]
    Malformed {
        /// The index.
        origin: String,
        /// The package.
        package: String,
        /// The field.
        field: &'static str,
        /// What stands there.
        value: String,
    },
    /// A package is for another architecture.
    #[error("{origin}: the package `{package}` is for {found}, not for {expected}")]
    Architecture {
        /// The index.
        origin: String,
        /// The package.
        package: String,
        /// Its architecture.
        found: String,
        /// The index's.
        expected: String,
    },
    /// A text is larger than offsets can tell.
    #[error("{origin}: the index is larger than 4 GiB")]
    TooLarge {
        /// The index.
        origin: String,
    },
}

impl Hint for IndexError {
    fn hints(&self) -> Vec<String> {
        vec![
            match self {
                IndexError::Architecture { .. } => {
                    "name a package built for this architecture, or write `{arch}` in its path"
                }
                _ => "tell the maintainer of that repository, or leave it out",
            }
            .to_owned(),
        ]
    }
}

/// Every package of one architecture from several indexes.
#[derive(Clone, Debug)]
pub struct PackageIndex {
    arch: Arch,
    deb_arch: String,
    origins: Vec<IndexOrigin>,
    texts: Vec<String>,
    /// By name; of a name local ones first, then newest first.
    entries: Vec<Entry>,
    /// By name, then package.
    provided: Vec<Provided>,
}

impl PackageIndex {
    /// Reads the texts of several indexes; of equal versions of a package, the first origin's counts.
    /// `deb_arch` is the distro's name for `arch`.
    pub fn new(
        arch: Arch,
        deb_arch: &str,
        indexes: Vec<(IndexOrigin, IndexText)>,
    ) -> Result<Self, IndexError> {
        let (origins, texts): (Vec<_>, Vec<_>) =
            indexes.into_iter().map(|(origin, text)| (origin, text.0)).unzip();
        let mut entries = Vec::new();
        for (number, (origin, text)) in origins.iter().zip(&texts).enumerate() {
            let too_large = || IndexError::TooLarge { origin: origin.to_string() };
            if u32::try_from(text.len()).is_err() {
                return Err(too_large());
            }
            let number = u16::try_from(number).map_err(|_| too_large())?;
            let paragraphs: Vec<_> = control::paragraphs(text).collect();
            let read =
                paragraphs.par_iter().map(|paragraph| read_entry(text, paragraph, number, origin, deb_arch));
            // Collected as a sequence, so that of several errors the first in the text is told.
            for entry in read.collect::<Vec<_>>() {
                entries.push(entry?);
            }
        }
        let entries = in_order(&entries, &origins, &texts);
        let provided = collect_provided(&texts, &entries);
        Ok(PackageIndex { arch, deb_arch: deb_arch.to_owned(), origins, texts, entries, provided })
    }

    /// The architecture of the image.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// What the distro calls it.
    pub fn deb_arch(&self) -> &str {
        &self.deb_arch
    }

    /// The indexes it was made of, in their order.
    pub fn origins(&self) -> &[IndexOrigin] {
        &self.origins
    }

    /// The number of packages.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no packages.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every package, by name, newest first.
    pub fn packages(&self) -> impl Iterator<Item = PackageId> + use<> {
        (0..u32::try_from(self.entries.len()).unwrap_or(u32::MAX)).map(PackageId)
    }

    /// The packages of a name: a local one, then the newest version first.
    pub fn named(
        &self,
        name: &str,
    ) -> impl DoubleEndedIterator<Item = PackageId> + ExactSizeIterator + use<> {
        let start = self.entries.partition_point(|entry| self.text(entry, entry.name) < name);
        let count =
            self.entries[start..].iter().take_while(|entry| self.text(entry, entry.name) == name).count();
        let id = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        (id(start)..id(start + count)).map(PackageId)
    }

    /// The packages that provide a name, by their own name.
    pub fn providers(&self, name: &str) -> impl Iterator<Item = Provider<'_>> + use<'_> {
        let name_of = |provided: &Provided| self.text(self.entry(provided.package), provided.name);
        let start = self.provided.partition_point(|provided| name_of(provided) < name);
        let count = self.provided[start..].iter().take_while(|provided| name_of(provided) == name).count();
        self.provided[start..start + count].iter().map(|provided| Provider {
            package: provided.package,
            version: provided.version.map(|span| self.text(self.entry(provided.package), span)),
        })
    }

    /// The first package of the same name, which stands for the name.
    pub(crate) fn first_of_name(&self, id: PackageId) -> PackageId {
        let name = self.name(id);
        let before = self.entries[..id.index()].iter().rev();
        let siblings = before.take_while(|entry| self.text(entry, entry.name) == name).count();
        PackageId(id.0 - u32::try_from(siblings).unwrap_or(0))
    }

    /// The name of a package.
    pub fn name(&self, id: PackageId) -> &str {
        let entry = self.entry(id);
        self.text(entry, entry.name)
    }

    /// The version of a package.
    pub fn version(&self, id: PackageId) -> &str {
        let entry = self.entry(id);
        self.text(entry, entry.version)
    }

    /// The origin of a package.
    pub fn origin(&self, id: PackageId) -> &IndexOrigin {
        &self.origins[usize::from(self.entry(id).origin)]
    }

    /// All that the index says of a package.
    pub fn package(&self, id: PackageId) -> PackageRecord<'_> {
        let entry = self.entry(id);
        PackageRecord::read(
            self.text(entry, entry.paragraph),
            entry.size,
            entry.sha256,
            usize::from(entry.origin),
        )
    }

    fn entry(&self, id: PackageId) -> &Entry {
        &self.entries[id.index()]
    }

    fn text(&self, entry: &Entry, span: Span) -> &str {
        slice(&self.texts[usize::from(entry.origin)], span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(kind: OriginKind, suite: &str) -> IndexOrigin {
        IndexOrigin {
            archive: "debian".into(),
            kind,
            uri: "https://deb.example.org/debian".to_owned(),
            suite: suite.to_owned(),
            component: "main".to_owned(),
            inrelease: Digest::of(b""),
            date: 0,
        }
    }

    fn paragraph(name: &str, version: &str, more: &str) -> String {
        let sum = Digest::of(name.as_bytes()).hex();
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\n{more}Filename: pool/{name}.deb\nSize: 7\nSHA256: {sum}\n\n"
        )
    }

    fn new(texts: &[(OriginKind, &str, String)]) -> Result<PackageIndex, IndexError> {
        let texts =
            texts.iter().map(|(kind, suite, text)| (origin(*kind, suite), IndexText::vouched(text.clone())));
        PackageIndex::new(Arch::S390x, "s390x", texts.collect())
    }

    fn versions(index: &PackageIndex, name: &str) -> Vec<String> {
        index.named(name).map(|id| format!("{} {}", index.version(id), index.origin(id))).collect()
    }

    #[test]
    fn suites_are_merged_by_name() {
        let release = paragraph("b", "1", "") + &paragraph("a", "1.0", "") + &paragraph("c", "9", "");
        let updates = paragraph("a", "1.10", "") + &paragraph("a", "1.0-0", "");
        let local = paragraph("c", "2", "");
        let locked = paragraph("a", "1.10", "") + &paragraph("a", "0.5", "") + &paragraph("c", "9.9", "");
        let index = new(&[
            (OriginKind::Locked, "", locked),
            (OriginKind::Archive, "trixie", release),
            (OriginKind::Archive, "trixie-updates", updates),
            (OriginKind::Local, "", local),
        ])
        .unwrap();
        assert_eq!(versions(&index, "a"), ["1.10 trixie-updates/main", "1.0 trixie/main", "0.5 lock"]);
        assert_eq!(versions(&index, "c"), ["2 local file", "9.9 lock", "9 trixie/main"]);
        assert_eq!(versions(&index, "aa"), [""; 0]);
        assert_eq!(index.len(), 7);
        let names: Vec<&str> = index.packages().map(|id| index.name(id)).collect();
        assert_eq!(names, ["a", "a", "a", "b", "c", "c", "c"]);
        let last = index.packages().last().unwrap();
        assert_eq!(Some(index.first_of_name(last)), index.named("c").next());
    }

    #[test]
    fn a_record_has_every_field() {
        let more = "Source: src (0.9)\nEssential: yes\nProtected: yes\nMulti-Arch: foreign\nPriority: required\n\
                    Section: libs\npre-depends: x\nDepends: y,\n z\nProvides: v (= 3), w\nConflicts: k\nBreaks: l\n\
                    Recommends: m\nReplaces: n\n";
        let index = new(&[(
            OriginKind::Archive,
            "sid",
            paragraph("a", "1", more) + &paragraph("b", "2", "Source: s\n"),
        )])
        .unwrap();
        let mut records = index.packages().map(|id| index.package(id));
        let a = records.next().unwrap();
        assert_eq!(
            (a.name, a.version, a.architecture, a.source, a.source_version),
            ("a", "1", "all", "src", "0.9")
        );
        assert_eq!(
            (a.essential, a.protected, a.multi_arch, a.priority, a.section),
            (true, true, "foreign", "required", "libs")
        );
        assert_eq!((a.pre_depends, a.depends, a.provides, a.conflicts), ("x", "y,\n z", "v (= 3), w", "k"));
        assert_eq!((a.breaks, a.recommends, a.replaces, a.filename), ("l", "m", "n", "pool/a.deb"));
        assert_eq!((a.size, a.sha256, a.origin), (7, Digest::of(b"a"), 0));
        let b = records.next().unwrap();
        assert_eq!((b.source, b.source_version, b.multi_arch, b.depends), ("s", "2", "no", ""));
        assert_eq!((b.essential, b.protected), (false, false));
    }

    #[test]
    fn providers_by_name_and_version() {
        let text = paragraph("b", "1", "Provides: v(=2), w,\n odd (>= 1), v2\n")
            + &paragraph("a", "1", "Provides: v\n");
        let index = new(&[(OriginKind::Archive, "sid", text)]).unwrap();
        let of = |name| {
            index.providers(name).map(|one| (index.name(one.package), one.version)).collect::<Vec<_>>()
        };
        assert_eq!(of("v"), [("a", None), ("b", Some("2"))]);
        assert_eq!(of("w"), [("b", None)]);
        assert_eq!(of("odd"), []);
        assert_eq!(of("b"), []);
    }

    #[test]
    fn malformed_paragraphs_are_named() {
        let good = paragraph("a", "1", "");
        for (from, to, expected) in [
            ("Filename: pool/a.deb\n", "", "sid/main: the package `a` has no `Filename`"),
            ("Size: 7", "Size: seven", "sid/main: the package `a` has the malformed `Size: seven`"),
            ("SHA256: ", "SHA256: x", "sid/main: the package `a` has the malformed `SHA256: x"),
            ("Version: 1", "Version:", "sid/main: the package `a` has no `Version`"),
            ("Package: a\n", "", "sid/main: the package `` has no `Package`"),
            (": all", ": amd64", "sid/main: the package `a` is for amd64, not for s390x"),
        ] {
            let text = paragraph("z", "1", "") + &good.replace(from, to) + "Package: later\n";
            let error = new(&[(OriginKind::Archive, "sid", text)]).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
            assert_eq!(error.hints().len(), 1);
        }
    }

    #[test]
    fn the_first_mention_is_one_of_a_package() {
        let text = paragraph(
            "early",
            "1",
            "Description: late\n late\nDepends: late-x, x-late, late:any, y (= late)\n",
        ) + &paragraph("b", "1", "Suggests: soon,\n late\nDepends: soon\n")
            + &paragraph("late", "1", "")
            + &paragraph("soon", "1", "")
            + &paragraph("last", "1", "");
        let index = new(&[(OriginKind::Archive, "sid", text)]).unwrap();
        let mut names = ["last", "late", "soon", "b", "early"];
        names.sort_by_key(|name| index.first_mention(name).unwrap());
        assert_eq!(names, ["early", "b", "soon", "late", "last"]);
        assert_eq!(index.first_mention("lat"), None);
    }

    #[test]
    fn a_text_must_have_its_digest() {
        assert!(IndexText::matching("a".to_owned(), &Digest::of(b"a")).is_some());
        assert!(IndexText::matching("b".to_owned(), &Digest::of(b"a")).is_none());
    }

    #[test]
    fn misspelt_names() {
        let text = ["curl", "curlew", "bash"]
            .map(|name| paragraph(name, "1", "") + &paragraph(name, "2", ""))
            .concat();
        let index = new(&[(OriginKind::Archive, "sid", text)]).unwrap();
        assert_eq!(index.similar_names("crul"), ["curl"]);
        assert_eq!(index.similar_names("curle"), ["curl", "curlew"]);
        assert_eq!(index.similar_names("postgresql"), [""; 0]);
    }
}
