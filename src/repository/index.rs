//! Verified `Packages` texts become one list of packages for one architecture
//! (Debian Policy 5.3; the wiki's `DebianRepository/Format`).
//!
//! The index owns the texts; a record is a view into them. Suites keep their origin, and a name has all its
//! versions from all suites. Packages from files beside the recipe, and packages that only a lock still
//! knows, join as texts of their own kind. Left out: whether a text is to be trusted; an [`IndexText`] can
//! only be had from the rooms that know.

use std::cmp::Ordering;
use std::fmt::Write as _;

use rayon::prelude::*;

use crate::arch::Arch;
use crate::deb::{control, version};
use crate::digest::Digest;
use crate::hint::Hint;

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

/// What the index says of a package. Relation fields are raw text, empty where there is none.
#[derive(Clone, Copy, Debug)]
pub struct PackageRecord<'a> {
    /// `Package`.
    pub name: &'a str,
    /// `Version`.
    pub version: &'a str,
    /// `Architecture`: `all`, or the index's.
    pub architecture: &'a str,
    /// The source package's name.
    pub source: &'a str,
    /// The source package's version.
    pub source_version: &'a str,
    /// `Essential: yes`.
    pub essential: bool,
    /// `Protected: yes`, or its elder form `Important: yes`.
    pub protected: bool,
    /// `Multi-Arch`: `same`, `foreign`, `allowed`, or `no`.
    pub multi_arch: &'a str,
    /// `Priority`.
    pub priority: &'a str,
    /// `Section`.
    pub section: &'a str,
    /// `Pre-Depends`.
    pub pre_depends: &'a str,
    /// `Depends`.
    pub depends: &'a str,
    /// `Provides`.
    pub provides: &'a str,
    /// `Conflicts`.
    pub conflicts: &'a str,
    /// `Breaks`.
    pub breaks: &'a str,
    /// `Recommends`.
    pub recommends: &'a str,
    /// `Replaces`.
    pub replaces: &'a str,
    /// Where the package is below the origin's root; of a local package, its path.
    pub filename: &'a str,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of the file.
    pub sha256: Digest,
    /// The origin's place in [`PackageIndex::origins`].
    pub origin: usize,
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

/// A slice of an origin's text.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    len: u32,
}

/// A package: its paragraph, and what is asked for most.
#[derive(Clone, Copy, Debug)]
struct Entry {
    origin: u16,
    paragraph: Span,
    name: Span,
    version: Span,
    provides: Span,
    size: u64,
    sha256: Digest,
}

/// One name in a `Provides` field.
#[derive(Clone, Copy, Debug)]
struct Provided {
    package: PackageId,
    name: Span,
    version: Option<Span>,
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
            for paragraph in control::paragraphs(text) {
                entries.push(read_entry(text, &paragraph, number, origin, deb_arch)?);
            }
        }
        let text_of = |entry: &Entry, span: Span| slice(&texts[usize::from(entry.origin)], span);
        let kind = |entry: &Entry| origins[usize::from(entry.origin)].kind;
        entries.sort_by(|a, b| {
            let local_first = || (kind(a) != OriginKind::Local).cmp(&(kind(b) != OriginKind::Local));
            let newest_first = || version::compare(text_of(b, b.version), text_of(a, a.version));
            text_of(a, a.name)
                .cmp(text_of(b, b.name))
                .then_with(local_first)
                .then_with(newest_first)
                .then_with(|| kind(a).cmp(&kind(b)))
        });
        entries.dedup_by(|later, first| {
            text_of(later, later.name) == text_of(first, first.name)
                && version::compare(text_of(later, later.version), text_of(first, first.version))
                    == Ordering::Equal
        });
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

    /// Where a package's paragraph stands: its origin's place, and the byte within that text.
    pub(crate) fn position(&self, id: PackageId) -> (u16, u32) {
        let entry = self.entry(id);
        (entry.origin, entry.paragraph.start)
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
        let mut record = empty_record(entry);
        for (name, value) in
            control::paragraphs(self.text(entry, entry.paragraph)).flat_map(|one| one.fields())
        {
            set_field(&mut record, name, value);
        }
        let (source, source_version) = read_source(record.source);
        record.source = source.unwrap_or(record.name);
        record.source_version = source_version.unwrap_or(record.version);
        record
    }

    fn entry(&self, id: PackageId) -> &Entry {
        &self.entries[id.index()]
    }

    fn text(&self, entry: &Entry, span: Span) -> &str {
        slice(&self.texts[usize::from(entry.origin)], span)
    }
}

fn slice(text: &str, span: Span) -> &str {
    &text[span.start as usize..(span.start + span.len) as usize]
}

/// The span of a part within a text that it is a slice of; the text is known to be below 4 GiB.
fn span_within(text: &str, part: &str) -> Span {
    let place = |n: usize| u32::try_from(n).unwrap_or(0);
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    Span { start: place(start), len: place(part.len()) }
}

/// Reads and checks one paragraph.
fn read_entry(
    text: &str,
    paragraph: &control::Paragraph<'_>,
    origin_number: u16,
    origin: &IndexOrigin,
    deb_arch: &str,
) -> Result<Entry, IndexError> {
    let [mut name, mut version, mut arch, mut filename, mut size, mut sha256, mut provides] = [None; 7];
    for (field, value) in paragraph.fields() {
        let place = match field.len() {
            4 if field.eq_ignore_ascii_case("Size") => &mut size,
            6 if field.eq_ignore_ascii_case("SHA256") => &mut sha256,
            7 if field.eq_ignore_ascii_case("Package") => &mut name,
            7 if field.eq_ignore_ascii_case("Version") => &mut version,
            8 if field.eq_ignore_ascii_case("Filename") => &mut filename,
            8 if field.eq_ignore_ascii_case("Provides") => &mut provides,
            12 if field.eq_ignore_ascii_case("Architecture") => &mut arch,
            _ => continue,
        };
        *place = place.or(Some(value));
    }
    let origin = || origin.to_string();
    let package = || name.unwrap_or_default().to_owned();
    let need = |field, value: Option<&'_ str>| {
        value.map(|_| ()).ok_or_else(|| IndexError::Missing { origin: origin(), package: package(), field })
    };
    let malformed = |field, value: &str| IndexError::Malformed {
        origin: origin(),
        package: package(),
        field,
        value: value.to_owned(),
    };
    for (field, value) in [
        ("Package", name),
        ("Version", version),
        ("Architecture", arch),
        ("Filename", filename),
        ("Size", size),
        ("SHA256", sha256),
    ] {
        need(field, value.filter(|value| !value.is_empty()))?;
    }
    let (name_text, version_text) = (name.unwrap_or_default(), version.unwrap_or_default());
    let (arch, size, sha256) =
        (arch.unwrap_or_default(), size.unwrap_or_default(), sha256.unwrap_or_default());
    if arch != "all" && arch != deb_arch {
        let expected = deb_arch.to_owned();
        return Err(IndexError::Architecture {
            origin: origin(),
            package: package(),
            found: arch.to_owned(),
            expected,
        });
    }
    Ok(Entry {
        origin: origin_number,
        paragraph: span_within(text, paragraph.text()),
        name: span_within(text, name_text),
        version: span_within(text, version_text),
        provides: provides.map_or(Span { start: 0, len: 0 }, |provides| span_within(text, provides)),
        size: size.parse().map_err(|_| malformed("Size", size))?,
        sha256: Digest::parse(sha256).map_err(|_| malformed("SHA256", sha256))?,
    })
}

/// Every provided name of every package. A field that cannot be read provides nothing.
fn collect_provided(texts: &[String], entries: &[Entry]) -> Vec<Provided> {
    let mut all: Vec<(&str, Provided)> = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        if entry.provides.len == 0 {
            continue;
        }
        let package = PackageId(u32::try_from(number).unwrap_or(u32::MAX));
        let text = &texts[usize::from(entry.origin)];
        for provided in slice(text, entry.provides).split(',').map(str::trim).filter(|name| !name.is_empty())
        {
            let (name, version) = match provided.split_once('(') {
                None => (provided, None),
                Some((name, version)) => (name.trim_end(), Some(version)),
            };
            let version = match version.map(|version| version.trim_end_matches(')').trim().strip_prefix('='))
            {
                None => None,
                Some(Some(version)) => Some(span_within(text, version.trim_start())),
                Some(None) => continue, // only `=` makes sense; the field's other names still count
            };
            all.push((name, Provided { package, name: span_within(text, name), version }));
        }
    }
    all.par_sort_by(|(a, left), (b, right)| a.cmp(b).then(left.package.cmp(&right.package)));
    all.into_iter().map(|(_, provided)| provided).collect()
}

fn empty_record(entry: &Entry) -> PackageRecord<'static> {
    PackageRecord {
        name: "",
        version: "",
        architecture: "",
        source: "",
        source_version: "",
        essential: false,
        protected: false,
        multi_arch: "no",
        priority: "",
        section: "",
        pre_depends: "",
        depends: "",
        provides: "",
        conflicts: "",
        breaks: "",
        recommends: "",
        replaces: "",
        filename: "",
        size: entry.size,
        sha256: entry.sha256,
        origin: usize::from(entry.origin),
    }
}

fn set_field<'a>(record: &mut PackageRecord<'a>, name: &str, value: &'a str) {
    let place = match name.to_ascii_lowercase().as_str() {
        "package" => &mut record.name,
        "version" => &mut record.version,
        "architecture" => &mut record.architecture,
        "source" => &mut record.source,
        "multi-arch" => &mut record.multi_arch,
        "priority" => &mut record.priority,
        "section" => &mut record.section,
        "pre-depends" => &mut record.pre_depends,
        "depends" => &mut record.depends,
        "provides" => &mut record.provides,
        "conflicts" => &mut record.conflicts,
        "breaks" => &mut record.breaks,
        "recommends" => &mut record.recommends,
        "replaces" => &mut record.replaces,
        "filename" => &mut record.filename,
        "essential" => {
            record.essential = value == "yes";
            return;
        }
        "protected" | "important" => {
            record.protected |= value == "yes";
            return;
        }
        _ => return,
    };
    if place.is_empty() || *place == "no" {
        *place = value;
    }
}

/// Splits `Source: name (version)`.
fn read_source(value: &str) -> (Option<&str>, Option<&str>) {
    let (name, version) = match value.split_once('(') {
        None => (value, None),
        Some((name, version)) => (name.trim_end(), version.split(')').next().map(str::trim)),
    };
    ((!name.is_empty()).then_some(name), version)
}

/// A name that a relation may have been misspelt for: the nearest in the index, at most three.
pub(crate) fn similar_names<'a>(index: &'a PackageIndex, name: &str) -> Vec<&'a str> {
    let limit = 1 + name.len() / 4;
    let mut near: Vec<(usize, &str)> = Vec::new();
    let mut last = "";
    for entry in &index.entries {
        let candidate = index.text(entry, entry.name);
        if candidate == last {
            continue;
        }
        last = candidate;
        let distance = if candidate.len().abs_diff(name.len()) > limit {
            usize::MAX
        } else {
            distance(name, candidate, limit)
        };
        if distance <= limit {
            near.push((distance, candidate));
        }
    }
    near.sort_unstable();
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// The number of insertions, deletions and substitutions between two names; above `limit`, any larger number.
fn distance(a: &str, b: &str, limit: usize) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
        if row.iter().all(|cost| *cost > limit) {
            return usize::MAX;
        }
    }
    row.last().copied().unwrap_or_default()
}
