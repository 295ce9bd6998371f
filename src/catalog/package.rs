//! One way to read the packages of either format: what a package's [`ContentId`] is tells which it has.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::PackageFiles;
use crate::apk::archive::Marks;
use crate::apk::pkginfo::PackageInfo;
use crate::apk::{self, ApkError, Constraint, Relation};
use crate::cache::ContentId;
use crate::deb::{self, archive::DebError, relation};
use crate::hint::Hint;
use crate::tarball::{Entry, Limits};

/// What a package says of itself, and what it would run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// The text of `control`, or of `.PKGINFO`.
    pub text: String,
    /// The content of every file of the control part by name, that text included: `postinst`, `md5sums` ...,
    /// or `.post-install`, `.trigger` ...
    pub members: BTreeMap<String, Vec<u8>>,
}

impl Control {
    /// The name and version that a package says it has; none where it says nothing that can be read.
    pub(super) fn identity(&self, content: &ContentId) -> Option<(String, String)> {
        match content {
            ContentId::Sha256(_) => {
                let paragraph = deb::control::paragraphs(&self.text).next()?;
                Some((paragraph.field("Package")?.to_owned(), paragraph.field("Version")?.to_owned()))
            }
            ContentId::Apk(_) => {
                let info = PackageInfo::parse(&self.text).ok()?;
                Some((info.name, info.version))
            }
        }
    }

    /// A member's text, with what is not UTF-8 replaced.
    pub fn member(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        self.members.get(name).map(|content| String::from_utf8_lossy(content))
    }
}

impl From<deb::archive::ControlFiles> for Control {
    fn from(files: deb::archive::ControlFiles) -> Self {
        let members = files.members.into_iter().map(|(name, member)| (name, member.content)).collect();
        Control { text: files.control, members }
    }
}

impl From<apk::archive::ControlFiles> for Control {
    fn from(files: apk::archive::ControlFiles) -> Self {
        let members = files.members.into_iter().map(|(name, member)| (name, member.content)).collect();
        Control { text: files.control, members }
    }
}

impl PackageFiles {
    /// With which priority this package's files replace those of another; none if they have no right to.
    ///
    /// Debian's `Replaces` has no priorities (Debian Policy 7.6.1); apk's `replaces` has `replaces_priority`. Both count
    /// for the versions that they name.
    pub fn replaces(&self, other: &PackageFiles) -> Option<u32> {
        let text = &self.manifest.control.text;
        match self.content {
            ContentId::Sha256(_) => {
                let field = deb::control::paragraphs(text).next()?.field("Replaces")?;
                // Fields of binary packages name no architectures.
                let mut named = relation::parse(field, "").ok()?.into_iter().flatten();
                named.any(|one| one.name == other.name && one.accepts(&other.version)).then_some(0)
            }
            ContentId::Apk(_) => {
                let info = PackageInfo::parse(text).ok()?;
                let relations = info.replaces.iter().filter_map(|text| text.parse::<Relation>().ok());
                let mut named = relations.filter(|relation| relation.name == other.name);
                named
                    .any(|relation| match relation.constraint {
                        None => true,
                        Some(Constraint { operator, version }) => operator.accepts(&other.version, &version),
                    })
                    .then_some(info.replaces_priority)
            }
        }
    }
}

/// Why a package cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A `.deb`.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// An `.apk`.
    #[error(transparent)]
    Apk(#[from] ApkError),
}

impl PackageError {
    /// The file of a package cannot be read.
    pub(super) fn io(id: &ContentId, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match id {
            ContentId::Sha256(_) => DebError::Io { path, source }.into(),
            ContentId::Apk(_) => ApkError::Io { path, source }.into(),
        }
    }
}

impl PackageError {
    /// Whether the file is not there any more.
    pub(super) fn is_vanished(&self) -> bool {
        matches!(self, PackageError::Deb(DebError::Io { source, .. }) | PackageError::Apk(ApkError::Io { source, .. })
            if source.kind() == io::ErrorKind::NotFound)
    }
}

impl Hint for PackageError {
    fn hints(&self) -> Vec<String> {
        match self {
            PackageError::Deb(error) => error.hints(),
            PackageError::Apk(error) => error.hints(),
        }
    }
}

/// Gives each entry of a package's data to `visit`, with its content and what an `.apk` says beside it; then
/// what the package says of itself.
pub(super) fn read<E: From<DebError> + From<ApkError>>(
    id: &ContentId,
    path: &Path,
    mut visit: impl FnMut(Entry, Marks, &mut dyn Read) -> Result<(), E>,
) -> Result<Control, E> {
    let limits = Limits::default();
    match id {
        ContentId::Sha256(_) => {
            let visit = |entry, content: &mut dyn Read| visit(entry, Marks::default(), content);
            deb::archive::read(path, &limits, visit).map(Control::from)
        }
        ContentId::Apk(_) => apk::archive::read(path, &limits, visit).map(Control::from),
    }
}

/// As [`read`], without what the package says of itself, which takes no time then.
pub(super) fn read_data<E: From<DebError> + From<ApkError>>(
    id: &ContentId,
    path: &Path,
    mut visit: impl FnMut(Entry, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let limits = Limits::default();
    match id {
        ContentId::Sha256(_) => deb::archive::read_data(path, &limits, visit),
        ContentId::Apk(_) => {
            apk::archive::read_data(path, &limits, |entry, _, content: &mut dyn Read| visit(entry, content))
        }
    }
}
