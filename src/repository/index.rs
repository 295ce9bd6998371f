//! Verified `Packages` texts become one list of packages for one architecture
//! (Debian Policy 5.3; the wiki's `DebianRepository/Format`).
//!
//! The index owns the texts; a record is a view into them. Suites keep their origin, and a name has all its
//! versions from all suites. Packages from files beside the recipe, and packages that only a lock still
//! knows, join as texts of their own kind. Left out: whether a text is to be trusted; an [`IndexText`] can
//! only be had from the rooms that know.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::sync::Arc;

use rayon::prelude::*;

use crate::arch::Arch;
use crate::deb::control;
use crate::digest::Digest;
use crate::hint::Hint;

mod compact;
mod mention;
mod reading;
mod record;
mod similar;

use compact::Compact;
use reading::{Entry, Provided, Span, collect_provided, in_order, read_entry, slice};

pub(crate) use compact::COMPACT;
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
pub struct IndexText {
    text: String,
    /// Its packages in order, where they are known: with the origin 0.
    entries: Option<Vec<Entry>>,
}

impl IndexText {
    fn plain(text: String) -> Self {
        IndexText { text, entries: None }
    }

    /// As [`IndexText::vouched`], of what is unpacked, cut down as it comes to what is ever asked of it; and that as it
    /// is to be kept. None where anything is wrong with it, which is told when it is read as it is.
    pub(crate) fn unpacked<'b>(
        unpack: impl FnOnce() -> io::Result<Box<dyn Read + 'b>> + Send,
        limit: u64,
        origin: &IndexOrigin,
        deb_arch: &str,
    ) -> Option<(Self, Vec<u8>)> {
        let compact = Compact::read(unpack, limit, origin, deb_arch)?;
        let kept = compact.to_bytes();
        Some((compact.into(), kept))
    }

    /// The same of a text that is there.
    #[cfg(test)]
    pub(crate) fn compact(text: String, origin: &IndexOrigin, deb_arch: &str) -> (Self, Option<Vec<u8>>) {
        match Self::unpacked(|| Ok(Box::new(text.as_bytes())), u64::MAX, origin, deb_arch) {
            Some((compact, kept)) => (compact, Some(kept)),
            None => (Self::plain(text), None),
        }
    }

    /// What was kept; none where it is not what it should be. The caller knows that it was made of a text that somebody
    /// vouches for.
    pub(crate) fn kept(bytes: Vec<u8>) -> Option<Self> {
        Compact::from_bytes(bytes).map(Self::from)
    }

    /// Whether any package in it is for all architectures.
    pub(crate) fn has_common(&self) -> bool {
        self.text.contains("\nArchitecture: all\n")
    }

    /// The caller has compared the text with a signed digest, or has made it from a package or a lock that
    /// the user named.
    pub(crate) fn vouched(text: String) -> Self {
        Self::plain(text)
    }

    /// A text that must be the one of a digest; none where it is not. Who vouches for the digest is the
    /// caller's affair.
    pub fn matching(text: String, expected: &Digest) -> Option<Self> {
        (Digest::of(text.as_bytes()) == *expected).then(|| Self::plain(text))
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
        Self::plain(text)
    }
}

impl From<Compact> for IndexText {
    fn from(Compact { text, entries }: Compact) -> Self {
        IndexText { text, entries: Some(entries) }
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
    texts: Vec<Arc<String>>,
    /// By name; of a name local ones first, then newest first.
    entries: Vec<Entry>,
    /// Those of them that are essential, by name.
    essential: Vec<PackageId>,
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
        let (origins, texts, entries) = Default::default();
        let (essential, provided) = Default::default();
        let deb_arch = deb_arch.to_owned();
        PackageIndex { arch, deb_arch, origins, texts, entries, essential, provided }.and(indexes)
    }

    /// The same with more indexes. Of equal versions of a package local ones count before those of archives, and
    /// these before those of locks.
    pub fn with(&self, more: Vec<(IndexOrigin, IndexText)>) -> Result<Self, IndexError> {
        self.clone().and(more)
    }

    fn and(mut self, more: Vec<(IndexOrigin, IndexText)>) -> Result<Self, IndexError> {
        for (origin, part) in more {
            let too_large = || IndexError::TooLarge { origin: origin.to_string() };
            if u32::try_from(part.text.len()).is_err() {
                return Err(too_large());
            }
            let number = u16::try_from(self.origins.len()).map_err(|_| too_large())?;
            let text = part.text;
            if let Some(read) = part.entries {
                self.entries.extend(read.into_iter().map(|entry| Entry { origin: number, ..entry }));
            } else {
                let paragraphs: Vec<_> = control::paragraphs(&text).collect();
                let (text, origin, deb_arch) = (&text, &origin, self.deb_arch.as_str());
                let read = |paragraph: &_| read_entry(text, paragraph, number, origin, deb_arch);
                // Collected as a sequence, so that of several errors the first in the text is told.
                for entry in paragraphs.par_iter().map(read).collect::<Vec<_>>() {
                    self.entries.push(entry?);
                }
            }
            self.origins.push(origin);
            self.texts.push(Arc::new(text));
        }
        let texts: Vec<&str> = self.texts.iter().map(|text| text.as_str()).collect();
        self.entries = in_order(&self.entries, &self.origins, &texts);
        self.provided = collect_provided(&texts, &self.entries);
        self.essential = self.packages().filter(|id| self.entry(*id).essential).collect();
        Ok(self)
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

    /// Whether it has a package in a version.
    pub fn has(&self, name: &str, version: &str) -> bool {
        self.named(name).any(|id| self.version(id) == version)
    }

    /// The packages that the distro marks `Essential: yes`, by name.
    pub fn essential(&self) -> impl Iterator<Item = PackageId> + use<'_> {
        self.essential.iter().copied()
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

    /// Whether the distro marks a package `Essential: yes`.
    pub fn is_essential(&self, id: PackageId) -> bool {
        self.entry(id).essential
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
mod tests;
