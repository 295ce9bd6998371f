//! All that an index says of one package, read from its paragraph when it is asked for.

use crate::deb::control;
use crate::digest::Digest;

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
    /// The origin's place in [`super::PackageIndex::origins`].
    pub origin: usize,
}

impl<'a> PackageRecord<'a> {
    /// Reads a paragraph that was checked before; of a field that stands twice, the first counts.
    pub(super) fn read(paragraph: &'a str, size: u64, sha256: Digest, origin: usize) -> Self {
        let mut record = empty(size, sha256, origin);
        for (name, value) in control::paragraphs(paragraph).flat_map(|one| one.fields()) {
            set_field(&mut record, name, value);
        }
        let (source, source_version) = read_source(record.source);
        record.source = source.unwrap_or(record.name);
        record.source_version = source_version.unwrap_or(record.version);
        record
    }
}

fn empty(size: u64, sha256: Digest, origin: usize) -> PackageRecord<'static> {
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
        size,
        sha256,
        origin,
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
