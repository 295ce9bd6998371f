//! What indexes are taken from, and their texts.

use crate::digest::Digest;

/// Where the packages of a text come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OriginKind {
    /// A suite's component in an archive.
    Archive,
}

/// One index that packages are taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexOrigin {
    /// What kind of source it is.
    pub kind: OriginKind,
    /// The archive's root, below which file names count.
    pub uri: String,
    /// The suite's directory below `dists/`.
    pub suite: String,
    /// The component.
    pub component: String,
    /// The digest of the signed `InRelease` that vouches for it.
    pub inrelease: Digest,
    /// The `Date` of that `InRelease` in Unix seconds.
    pub date: u64,
}

/// A `Packages` text whose bytes somebody vouches for.
#[derive(Clone, Debug)]
pub struct IndexText(String);

impl IndexText {
    /// The caller has compared the text with a signed digest.
    pub(crate) fn vouched(text: String) -> Self {
        IndexText(text)
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}
