//! What is lacking in a base image of packages that it has: to be fetched, or nowhere to be had.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::catalog::{CataloguedFile, PackageFiles};
use crate::root_path::RootPath;
use crate::tarball::{Entry, EntryKind, Metadata};

use super::Reason;
use super::packages::Role;
use super::selector::Selector;

/// What is known of the packages of a base image.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Those that are catalogued with what the image has of them, and of which a repository has the rest.
    pub partial: BTreeSet<String>,
    /// The paths of packages that the image lacks and no repository has, by package; none where it is not known which
    /// they are.
    pub lacking: BTreeMap<String, Option<BTreeSet<RootPath>>>,
    /// What the image is called.
    pub image: String,
}

/// A file of a base image's package that is needed, is not there, and is in no repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lacked {
    /// The image.
    pub image: String,
    /// The package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The file; none where it is not known which the image lacks.
    pub path: Option<RootPath>,
    /// Who needs it, where a file does.
    pub by: Option<RootPath>,
}

impl fmt::Display for Lacked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lacked { image, package, version, path, by } = self;
        match path {
            Some(path) => write!(f, "the base image `{image}` lacks {path} of {package} {version}")?,
            None => write!(f, "the base image `{image}` may have only a part of {package} {version}")?,
        }
        if let Some(by) = by {
            write!(f, ", which {by} needs")?;
        }
        f.write_str(", and no repository has that version")
    }
}

impl Selector<'_> {
    /// Notes what a package would give to the current layer by its role, and neither the image nor a repository has.
    pub(super) fn lack_files(&mut self, package: &PackageFiles, role: Role) {
        let given = self.inputs.given;
        let Some(lacking) = given.lacking.get(&package.name) else { return };
        let Some(paths) = lacking else {
            if role == Role::Named {
                self.lack(package, None, None);
            }
            return;
        };
        for path in paths {
            let is_wanted = role == Role::Named || self.comes_with_package(&unknown(path));
            if is_wanted && !self.is_stripped(path) && self.excluded_by(path).is_none() {
                self.lack(package, Some(path.clone()), None);
            }
        }
    }

    /// Notes what a pattern of `include` stands for, in the same way.
    pub(super) fn lack_included(&mut self, covers: impl Fn(&RootPath) -> bool) {
        let super::Inputs { catalog, given, .. } = self.inputs;
        for (name, paths) in &given.lacking {
            let Some(package) = catalog.package(name) else { continue };
            for path in paths.iter().flatten().filter(|path| covers(path)) {
                self.lack(package, Some(path.clone()), None);
            }
        }
    }

    /// Tells of libraries that no program finds, and that a package of the image would have.
    pub(super) fn lack_libraries(&mut self) {
        let super::Inputs { catalog, given, .. } = self.inputs;
        for unlinked in self.unlinked.clone() {
            for (name, paths) in &given.lacking {
                let Some(package) = catalog.package(name) else { continue };
                let path = paths.iter().flatten().find(|path| path.file_name() == unlinked.needed);
                if let Some(path) = path {
                    self.lack(package, Some(path.clone()), Some(unlinked.file.clone()));
                }
            }
        }
    }

    fn lack(&mut self, package: &PackageFiles, path: Option<RootPath>, by: Option<RootPath>) {
        self.lacked.insert(Lacked {
            image: self.inputs.given.image.clone(),
            package: package.name.clone(),
            version: package.version.clone(),
            path,
            by,
        });
    }

    /// The package that a path is taken from; of a base image's, those that it has it from.
    pub(super) fn owners_at(&self, path: &RootPath) -> BTreeSet<String> {
        if !self.is_given(path) {
            return BTreeSet::from([self.package_at(path)]);
        }
        let catalog = self.inputs.catalog;
        catalog.at(path).iter().map(|file| catalog.get(*file).0.name.clone()).collect()
    }

    /// Whether a path is a base image's.
    pub(super) fn is_given(&self, path: &RootPath) -> bool {
        self.chosen.get(path).is_some_and(|chosen| chosen.selected.reason == Reason::Given)
    }
}

/// A file of which only the path is known.
fn unknown(path: &RootPath) -> CataloguedFile {
    let kind = EntryKind::File { size: 0 };
    let entry = Entry { path: path.clone(), metadata: Metadata::default(), kind };
    CataloguedFile {
        entry,
        index: 0,
        elf: None,
        shebang: None,
        damaged_elf: None,
        marks: crate::apk::archive::Marks::default(),
    }
}
