//! Verified APKINDEX records of all repositories become one list of packages for one architecture.
//!
//! The repositories stay apart and in the order given, which is the order in which apk prefers them where
//! nothing else decides. Packages from files beside the recipe, and packages that only a lock still knows,
//! join as parts of their own kind. Left out: whether records are to be trusted, and what the relations mean;
//! the solver reads those.

use std::collections::BTreeSet;
use std::fmt;

use crate::apk::index::IndexRecord;
use crate::digest::Digest;
use crate::hint::Hint;

use super::OriginKind;

/// apk tells at most this many tags apart, beside repositories without one.
pub const MAX_TAGS: usize = 15;

/// One index that packages are taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApkOrigin {
    /// What kind of source it is.
    pub kind: OriginKind,
    /// The archive's name for people and locks, which no mirror changes: `alpine`, or the URL of a recipe's
    /// repository; empty unless an archive.
    pub archive: String,
    /// The repository below the archive's root, such as `v3.20/main`; may be empty.
    pub repository: String,
    /// The tag that a request must name for packages to be taken from it, without the `@`.
    pub tag: Option<String>,
    /// The digest of the signed `APKINDEX.tar.gz`; of the package file or the lock's text unless an archive.
    pub signed: Digest,
    /// The newest build time in it, in Unix seconds; 0 unless an archive.
    pub date: u64,
}

impl fmt::Display for ApkOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            OriginKind::Local => return f.write_str("local file"),
            OriginKind::Locked => return f.write_str("lock"),
            OriginKind::Archive if self.repository.is_empty() => f.write_str(&self.archive)?,
            OriginKind::Archive => f.write_str(&self.repository)?,
        }
        match &self.tag {
            Some(tag) => write!(f, " @{tag}"),
            None => Ok(()),
        }
    }
}

/// A package of one [`ApkIndex`]. In ascending order: by origin, and within one in the order of its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApkId(u32);

impl ApkId {
    /// Its place among all packages of the index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The parts do not make an index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApkIndexError {
    /// More tags than apk knows how to tell apart.
    #[error("there are {found} repository tags, and apk knows {MAX_TAGS} at most")]
    TooManyTags {
        /// How many there are.
        found: usize,
    },
    /// More packages than can be numbered.
    #[error("{origin}: there are too many packages")]
    TooManyPackages {
        /// The index with the one too many.
        origin: String,
    },
}

impl Hint for ApkIndexError {
    fn hints(&self) -> Vec<String> {
        match self {
            ApkIndexError::TooManyTags { .. } => vec!["give several repositories the same tag".to_owned()],
            ApkIndexError::TooManyPackages { .. } => vec!["leave out a repository".to_owned()],
        }
    }
}

/// All packages for an architecture. The same package may be in it more than once, from several origins.
#[derive(Clone, Debug)]
pub struct ApkIndex {
    arch_name: String,
    origins: Vec<ApkOrigin>,
    records: Vec<IndexRecord>,
    /// For each origin the number of records up to and with it.
    ends: Vec<usize>,
}

impl ApkIndex {
    /// Joins the records of repositories, in the order in which apk would have them in its list.
    pub fn new(arch_name: &str, parts: Vec<(ApkOrigin, Vec<IndexRecord>)>) -> Result<Self, ApkIndexError> {
        let tags: BTreeSet<&str> = parts.iter().filter_map(|(origin, _)| origin.tag.as_deref()).collect();
        if tags.len() > MAX_TAGS {
            return Err(ApkIndexError::TooManyTags { found: tags.len() });
        }
        let mut index =
            ApkIndex { arch_name: arch_name.to_owned(), origins: vec![], records: vec![], ends: vec![] };
        for (origin, records) in parts {
            index.records.extend(records);
            if u32::try_from(index.records.len()).is_err() {
                return Err(ApkIndexError::TooManyPackages { origin: origin.to_string() });
            }
            index.origins.push(origin);
            index.ends.push(index.records.len());
        }
        Ok(index)
    }

    /// apk's name of the architecture.
    pub fn arch_name(&self) -> &str {
        &self.arch_name
    }

    /// Where packages come from, in the order of preference.
    pub fn origins(&self) -> &[ApkOrigin] {
        &self.origins
    }

    /// Every package, in ascending order.
    pub fn packages(&self) -> impl Iterator<Item = ApkId> {
        // `new` has seen that they can be numbered.
        (0..u32::try_from(self.records.len()).unwrap_or(u32::MAX)).map(ApkId)
    }

    /// What the index says of a package.
    pub fn record(&self, id: ApkId) -> &IndexRecord {
        &self.records[id.index()]
    }

    /// The place in [`ApkIndex::origins`] of the one that a package is from.
    pub fn origin_place(&self, id: ApkId) -> usize {
        self.ends.partition_point(|end| *end <= id.index())
    }

    /// Where a package is from.
    pub fn origin(&self, id: ApkId) -> &ApkOrigin {
        &self.origins[self.origin_place(id)]
    }

    /// The packages of a name, in ascending order.
    pub fn named(&self, name: &str) -> impl Iterator<Item = ApkId> {
        self.packages().filter(move |id| self.record(*id).name == name)
    }

    /// A package for people: `busybox 1.36.1-r29 (v3.20/main)`.
    pub fn describe(&self, id: ApkId) -> String {
        let record = self.record(id);
        format!("{} {} ({})", record.name, record.version, self.origin(id))
    }
}

#[cfg(test)]
mod tests {
    use crate::apk::index::parse;

    use super::*;

    fn origin(repository: &str, tag: Option<&str>) -> ApkOrigin {
        ApkOrigin {
            kind: OriginKind::Archive,
            archive: "alpine".to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            signed: Digest::of(b""),
            date: 0,
        }
    }

    #[test]
    fn packages_keep_their_origin() {
        let records = |names: &str| {
            let one = |name| format!("C:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\nP:{name}\nV:1\n\n");
            parse(&names.split_whitespace().map(one).collect::<String>()).unwrap()
        };
        let parts = vec![
            (origin("v3.20/main", None), records("a b")),
            (origin("v3.20/empty", None), records("")),
            (origin("edge/testing", Some("edge")), records("b")),
        ];
        let index = ApkIndex::new("x86_64", parts).unwrap();
        let told: Vec<String> = index.packages().map(|id| index.describe(id)).collect();
        assert_eq!(told, ["a 1 (v3.20/main)", "b 1 (v3.20/main)", "b 1 (edge/testing @edge)"]);
        assert_eq!(index.named("b").map(ApkId::index).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((index.arch_name(), index.origins().len()), ("x86_64", 3));
    }

    #[test]
    fn too_many_tags() {
        let parts = (0..=MAX_TAGS).map(|n| (origin("r", Some(&n.to_string())), Vec::new())).collect();
        assert_eq!(ApkIndex::new("x86_64", parts).unwrap_err(), ApkIndexError::TooManyTags { found: 16 });
    }
}
