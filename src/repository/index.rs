//! Verified `Packages` texts become one list of packages for one architecture
//! (Debian Policy 5.3; the wiki's `DebianRepository/Format`).
//!
//! Each text is cut down to what is ever asked of it and put in order once (`cutting`); that is kept, and read where it
//! lies (`part`). A record is a view into it. Suites keep their origin, and a name has all its versions from all suites
//! (`merging`). Packages from files beside the recipe, and packages that only a lock still
//! knows, join as texts of their own kind. Left out: whether a text is to be trusted; an [`IndexText`] can
//! only be had from the rooms that know.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::sync::Arc;

use crate::arch::Arch;
use crate::cache::{DerivedWriter, Mapped};
use crate::deb::control;
use crate::digest::Digest;
use crate::hint::Hint;

mod cutting;
mod mention;
mod merging;
mod part;
mod record;
mod similar;

use cutting::{CutError, Whose, cut_text, cut_unpacked};
use merging::{Place, merged};
use part::Part;

pub(crate) use mention::Mention;
pub(crate) use part::KEPT;
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
pub struct IndexText(Form);

#[derive(Clone, Debug)]
enum Form {
    Plain(String),
    Cut(Arc<Part>),
}

impl IndexText {
    fn plain(text: String) -> Self {
        IndexText(Form::Plain(text))
    }

    /// As [`IndexText::vouched`], of what is unpacked, cut down as it comes to what is ever asked of it; that is kept.
    /// None where anything is wrong with it or it cannot be kept, which is told when it is read as it is.
    pub(crate) fn unpacked<'b>(
        unpack: impl FnOnce() -> io::Result<Box<dyn Read + 'b>> + Send,
        limit: u64,
        (origin, deb_arch): (&IndexOrigin, &str),
        mut kept: DerivedWriter,
    ) -> Option<Self> {
        cut_unpacked(unpack, limit, Whose { origin, deb_arch }, &mut kept).ok()?;
        Self::kept(kept.finish().ok()?)
    }

    /// What was kept; none where it is not what it should be. The caller knows that it was made of a text that somebody
    /// vouches for.
    pub(crate) fn kept(mapped: Mapped) -> Option<Self> {
        Some(IndexText(Form::Cut(Arc::new(Part::mapped(mapped)?))))
    }

    /// Its packages.
    fn part(self, origin: &IndexOrigin, deb_arch: &str) -> Result<Arc<Part>, IndexError> {
        let text = match self.0 {
            Form::Cut(part) => return Ok(part),
            Form::Plain(text) => text,
        };
        let mut bytes = Vec::new();
        let cut = cut_text(&text, Whose { origin, deb_arch }, &mut bytes);
        let too_large = || IndexError::TooLarge { origin: origin.to_string() };
        cut.map_err(|error| match error {
            CutError::Index(error) => error,
            CutError::Io => too_large(),
        })?;
        Part::owned(bytes).map(Arc::new).ok_or_else(too_large)
    }

    /// Whether any package in it is for all architectures.
    pub(crate) fn has_common(&self) -> bool {
        match &self.0 {
            Form::Plain(text) => {
                control::paragraphs(text).any(|paragraph| paragraph.field("Architecture") == Some("all"))
            }
            Form::Cut(part) => part.has_common,
        }
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

/// Every package of one architecture from several indexes. Cheap to clone beside what it takes to make one.
#[derive(Clone, Debug)]
pub struct PackageIndex {
    arch: Arch,
    deb_arch: String,
    origins: Vec<IndexOrigin>,
    /// The packages of each origin.
    parts: Vec<Arc<Part>>,
    /// By name; of a name local ones first, then newest first.
    order: Vec<Place>,
    /// The package that each entry of a part is; none where another stands for it.
    packages: Vec<Vec<Option<PackageId>>>,
    /// Those that are essential, by name.
    essential: Vec<PackageId>,
}

impl PackageIndex {
    /// Reads the texts of several indexes; of equal versions of a package, the first origin's counts.
    /// `deb_arch` is the distro's name for `arch`.
    pub fn new(
        arch: Arch,
        deb_arch: &str,
        indexes: Vec<(IndexOrigin, IndexText)>,
    ) -> Result<Self, IndexError> {
        Self::of(arch, deb_arch.to_owned(), Vec::new(), Vec::new(), indexes)
    }

    /// The same with more indexes. Of equal versions of a package local ones count before those of archives, and
    /// these before those of locks.
    pub fn with(&self, more: Vec<(IndexOrigin, IndexText)>) -> Result<Self, IndexError> {
        Self::of(self.arch, self.deb_arch.clone(), self.origins.clone(), self.parts.clone(), more)
    }

    fn of(
        arch: Arch,
        deb_arch: String,
        mut origins: Vec<IndexOrigin>,
        mut parts: Vec<Arc<Part>>,
        more: Vec<(IndexOrigin, IndexText)>,
    ) -> Result<Self, IndexError> {
        for (origin, text) in more {
            parts.push(text.part(&origin, &deb_arch)?);
            if u16::try_from(parts.len()).is_err() {
                return Err(IndexError::TooLarge { origin: origin.to_string() });
            }
            origins.push(origin);
        }
        let order = merged(&parts, &origins);
        let mut packages: Vec<Vec<Option<PackageId>>> =
            parts.iter().map(|part| vec![None; part.len() as usize]).collect();
        for (id, place) in (0..).map(PackageId).zip(&order) {
            packages[usize::from(place.part)][place.at as usize] = Some(id);
        }
        let essential = parts.iter().zip(&packages);
        let mut essential: Vec<PackageId> = essential
            .flat_map(|(part, packages)| part.essential.iter().filter_map(|at| packages[*at as usize]))
            .collect();
        essential.sort_unstable();
        Ok(PackageIndex { arch, deb_arch, origins, parts, order, packages, essential })
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
        self.order.len()
    }

    /// Whether there are no packages.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Every package, by name, newest first.
    pub fn packages(&self) -> impl Iterator<Item = PackageId> + use<> {
        (0..u32::try_from(self.order.len()).unwrap_or(u32::MAX)).map(PackageId)
    }

    /// The packages of a name: a local one, then the newest version first.
    pub fn named(
        &self,
        name: &str,
    ) -> impl DoubleEndedIterator<Item = PackageId> + ExactSizeIterator + use<> {
        let name = name.as_bytes();
        let start = self.order.partition_point(|place| self.name_at(*place) < name);
        let count = self.order[start..].iter().take_while(|place| self.name_at(**place) == name).count();
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
        let mut providers = Vec::new();
        for (part, packages) in self.parts.iter().zip(&self.packages) {
            providers.extend(part.providers(name).filter_map(|provided| {
                let package = (*packages.get(provided.entry as usize)?)?;
                Some(Provider { package, version: provided.version.map(|span| part.slice(span)) })
            }));
        }
        // Stable: of one package in the order of its field.
        providers.sort_by_key(|provider| provider.package);
        providers.into_iter()
    }

    /// The first package of the same name, which stands for the name.
    pub(crate) fn first_of_name(&self, id: PackageId) -> PackageId {
        let name = self.name_at(self.place(id));
        let before = self.order[..id.index()].iter().rev();
        let siblings = before.take_while(|place| self.name_at(**place) == name).count();
        PackageId(id.0 - u32::try_from(siblings).unwrap_or(0))
    }

    /// The name of a package.
    pub fn name(&self, id: PackageId) -> &str {
        let (part, at) = self.at(id);
        part.name(at)
    }

    /// The version of a package.
    pub fn version(&self, id: PackageId) -> &str {
        let (part, at) = self.at(id);
        part.version(at)
    }

    /// Whether the distro marks a package `Essential: yes`.
    pub fn is_essential(&self, id: PackageId) -> bool {
        let (part, at) = self.at(id);
        part.entry(at).essential
    }

    /// The origin of a package.
    pub fn origin(&self, id: PackageId) -> &IndexOrigin {
        &self.origins[usize::from(self.place(id).part)]
    }

    /// All that the index says of a package.
    pub fn package(&self, id: PackageId) -> PackageRecord<'_> {
        let (part, at) = self.at(id);
        let entry = part.entry(at);
        let paragraph = part.slice(entry.paragraph);
        PackageRecord::read(paragraph, entry.size, entry.sha256, usize::from(self.place(id).part))
    }

    fn place(&self, id: PackageId) -> Place {
        self.order[id.index()]
    }

    fn at(&self, id: PackageId) -> (&Part, u32) {
        let place = self.place(id);
        (&self.parts[usize::from(place.part)], place.at)
    }

    fn name_at(&self, place: Place) -> &[u8] {
        self.parts[usize::from(place.part)].name_bytes(place.at)
    }
}

#[cfg(test)]
mod tests;
