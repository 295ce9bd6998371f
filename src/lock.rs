//! The lock file: what a recipe resolved to, for each architecture, written for review.
//!
//! It stands beside the recipe as `NAME.lock`, in TOML, sorted. Selection reads the lock and never an index,
//! so it carries every package's relations and the edges the solver chose. A build whose lock fits its
//! recipe fetches no index.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::atomic_file;
use crate::cache::ContentId;
use crate::digest::Digest;

mod apk_assembly;
mod assembly;
mod changes;
mod error;
mod program;
mod request;
mod variant;

pub use apk_assembly::{apk_packages, apk_record, apk_repositories, repository_name};
pub use assembly::{AssemblyError, NamedByLayer, locked_packages, locked_repositories};
pub use changes::LockChange;
pub use error::LockError;
pub use program::LockedProgram;
pub use request::{Request, RequestedLayer, Stale, provides_name};

/// The version of the format written.
const VERSION: u32 = 1;

const HEADER: &str =
    "# Written by rootforge. Commit it beside the recipe; `rootforge lock --update` refreshes it.\n\n";

/// A lock: packages for one or more architectures, and what they were resolved for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// What the recipe asked for.
    pub recipe: Request,
    /// The signed indexes that were read, by architecture, archive, suite and component.
    #[serde(default, rename = "repository")]
    pub repositories: Vec<LockedRepository>,
    /// The packages, by architecture and name.
    #[serde(default, rename = "package")]
    pub packages: Vec<LockedPackage>,
    /// The programs of the recipe's own that need packages' libraries, by architecture and path.
    #[serde(default, rename = "program", skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<LockedProgram>,
    /// The lock of the recipe's base, which is a file of its own.
    #[serde(skip)]
    pub base: Option<Box<Lock>>,
    /// The image whose packages these are, where that is a base: then there is no file.
    #[serde(skip)]
    pub image: Option<LockedImage>,
}

/// An image in a layout, by the digest that locks above it name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedImage {
    /// The layout's directory.
    pub layout: PathBuf,
    /// Of its manifest or index.
    pub digest: Digest,
}

/// A signed index that was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LockedRepository {
    /// The architecture it was read for.
    pub arch: Arch,
    /// The archive's name, or the URL of a repository of the recipe.
    pub archive: String,
    /// The suite; of Alpine, the release and the repository, as `v3.20/main`.
    pub suite: String,
    /// The component; Alpine has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub component: String,
    /// The digest of what is signed: `InRelease`, or `APKINDEX.tar.gz`.
    pub signed: Digest,
    /// Its date, RFC 3339 in UTC; of an APKINDEX, when its newest package was built.
    pub date: String,
}

/// A package at a version, with all that later stages need to know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LockedPackage {
    /// The image architecture it was chosen for.
    pub arch: Arch,
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The distro's architecture field: `all` or `noarch`, or the distro's name of `arch`.
    pub architecture: String,
    /// The source package's name; Alpine calls it the origin.
    pub source: String,
    /// The first layer that asks for it; none where it is only on demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// Whether it is fetched only when a rule of selection asks for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_demand: bool,
    /// Whether a base image has it and no repository does at this version: there is no archive, and `path` is that of
    /// the image's database.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_image: bool,
    /// Whether the distro marks it `Essential: yes`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub essential: bool,
    /// `Multi-Arch`, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_arch: Option<String>,
    /// `ARCHIVE SUITE`, matching a [`LockedRepository`]; none for a local file, and for what only a base image has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Path below the archive's root, or the path of a local file relative to the recipe.
    pub path: String,
    /// Size of the package in bytes.
    pub size: u64,
    /// What says which bytes it has: the SHA-256 of a `.deb`, the `C:` checksum of an `.apk`.
    pub content: ContentId,
    /// The raw relation fields, by field name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub relations: BTreeMap<String, String>,
    /// The packages chosen to satisfy `Depends` and `Pre-Depends`, sorted; of Alpine also those that
    /// `install_if` adds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
}

impl Lock {
    /// A lock without packages.
    pub fn new(recipe: Request) -> Self {
        Lock {
            version: VERSION,
            recipe,
            repositories: Vec::new(),
            packages: Vec::new(),
            programs: Vec::new(),
            base: None,
            image: None,
        }
    }

    /// The path of the lock of a recipe, beside it.
    pub fn path_for(recipe: &Path) -> PathBuf {
        recipe.with_extension("lock")
    }

    /// Reads a lock; none where there is no such file.
    pub fn read(path: &Path) -> Result<Option<Lock>, LockError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LockError::Read { path: path.to_owned(), source }),
        };
        let text = String::from_utf8(bytes).map_err(|error| LockError::Malformed {
            path: path.to_owned(),
            reason: format!("it is not UTF-8 behind byte {}", error.utf8_error().valid_up_to()),
        })?;
        let conflict = text.lines().position(|line| line.starts_with("<<<<<<< "));
        let malformed = |error: toml::de::Error| match conflict {
            Some(line) => LockError::Unmerged { path: path.to_owned(), line: line + 1 },
            None => LockError::Malformed {
                path: path.to_owned(),
                reason: error.to_string().trim_end().to_owned(),
            },
        };
        // What is of another version may differ in anything.
        let version = || toml::from_str::<Versioned>(&text).map(|lock| lock.version);
        let mut lock: Lock = match toml::from_str(&text) {
            Ok(lock @ Lock { version: VERSION, .. }) => lock,
            Ok(Lock { version: found, .. }) => {
                return Err(LockError::Version { path: path.to_owned(), found });
            }
            Err(error) => {
                return Err(match version() {
                    Ok(found) if found != VERSION => LockError::Version { path: path.to_owned(), found },
                    _ => malformed(error),
                });
            }
        };
        lock.sort();
        match lock.contradiction() {
            None => Ok(Some(lock)),
            Some(reason) => Err(LockError::Malformed { path: path.to_owned(), reason }),
        }
    }

    /// What a hand or a merge may have broken: a package that stands twice, or one that is needed and absent.
    fn contradiction(&self) -> Option<String> {
        if let Some([one, ..]) = self
            .packages
            .windows(2)
            .find(|pair| matches!(pair, [a, b] if (a.arch, &a.name) == (b.arch, &b.name)))
        {
            return Some(format!("{} stands twice for {}", one.name, one.arch));
        }
        let absent = self.packages.iter().find_map(|package| {
            let name = package.requires.iter().find(|name| self.package(package.arch, name).is_none())?;
            Some(format!("{} requires {name}, which is not there for {}", package.label(), package.arch))
        });
        let undated = || {
            let undated = |one: &&LockedRepository| one.date.parse::<jiff::Timestamp>().is_err();
            let one = self.repositories.iter().find(undated)?;
            Some(format!("`{}` of {} is no date", one.date, one.suite))
        };
        absent.or_else(undated).or_else(|| {
            let specs = self.recipe.layers.iter().flat_map(|layer| &layer.packages);
            let mut names = specs.filter_map(|spec| request::archive_name_of(spec));
            names.find_map(|name| {
                let arch = self.archs().into_iter().find(|arch| !self.has_name(*arch, name))?;
                Some(format!("the recipe names {name}, which is not there for {arch}"))
            })
        })
    }

    /// Writes the lock, whole or not at all; leaves a file with the same content alone.
    pub fn write(&self, path: &Path) -> Result<(), LockError> {
        let error = |source| LockError::Write { path: path.to_owned(), source };
        let text = self.to_text().map_err(|cause| error(io::Error::other(cause)))?;
        if std::fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
            return Ok(());
        }
        atomic_file::replace(path, text.as_bytes()).map_err(error)
    }

    /// The digest of the lock file, or of the image that stands in its place, as those of recipes above name it.
    pub fn digest(&self) -> Digest {
        if let Some(image) = &self.image {
            return image.digest;
        }
        // A lock that cannot be written is the same as no other.
        Digest::of(self.to_text().unwrap_or_default().as_bytes())
    }

    /// What tells the lock from others for this program, sooner had than the digest of its file.
    pub fn fingerprint(&self) -> Digest {
        if let Some(image) = &self.image {
            return image.digest;
        }
        // A lock that cannot be written is the same as no other.
        Digest::of(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// The text of the lock file.
    pub fn to_text(&self) -> Result<String, toml::ser::Error> {
        Ok(format!("{HEADER}{}", toml::to_string(self)?))
    }

    /// Whether the lock fits a request on these architectures.
    pub fn fits(&self, request: &Request, archs: &[Arch]) -> Result<(), Stale> {
        if let Some(what) = self.recipe.difference(request) {
            return Err(Stale::Request { what });
        }
        if self.recipe.base != request.base {
            return Err(Stale::Base);
        }
        match archs.iter().find(|arch| !self.has_arch(**arch)) {
            Some(arch) => Err(Stale::MissingArch(*arch)),
            None => Ok(()),
        }
    }

    /// Whether the architecture was locked. A recipe without packages, its own or its base's, needs no entry.
    pub fn has_arch(&self, arch: Arch) -> bool {
        let of_base = self.base.iter().flat_map(|base| &base.packages);
        let has_none = self.recipe.layers.iter().all(|layer| layer.packages.is_empty());
        (has_none && !of_base.into_iter().any(|package| package.arch == arch))
            || self.packages.iter().any(|package| package.arch == arch)
    }

    /// The architectures that were locked.
    pub fn archs(&self) -> BTreeSet<Arch> {
        self.packages.iter().map(|package| package.arch).collect()
    }

    /// The packages of one architecture, by name.
    pub fn packages_of(&self, arch: Arch) -> BTreeMap<&str, &LockedPackage> {
        self.packages
            .iter()
            .filter(|package| package.arch == arch)
            .map(|package| (package.name.as_str(), package))
            .collect()
    }

    /// A package of one architecture.
    pub fn package(&self, arch: Arch, name: &str) -> Option<&LockedPackage> {
        self.packages
            .binary_search_by(|package| (package.arch, package.name.as_str()).cmp(&(arch, name)))
            .ok()
            .map(|index| &self.packages[index])
    }

    /// Whether a package of one architecture has a name or, where its format's recipes may ask for what a
    /// package provides, provides it. The name may be told by that of the architecture.
    fn has_name(&self, arch: Arch, name: &str) -> bool {
        let packages = || self.packages.iter().filter(|package| package.arch == arch);
        let mut names = packages().map(|package| package.architecture.as_str());
        let arch_name = names.find(|name| !matches!(*name, "all" | "noarch"));
        let name = match arch_name {
            Some(arch_name) => name.replace("{arch}", arch_name),
            // Packages for all do not say what the distro calls it.
            None if name.contains("{arch}") => return true,
            None => name.to_owned(),
        };
        let provides = |package: &LockedPackage| request::provides_name(package.relation("provides"), &name);
        self.package(arch, &name).is_some() || packages().any(provides)
    }

    /// Replaces what is locked for one architecture.
    pub fn replace_arch(
        &mut self,
        arch: Arch,
        repositories: Vec<LockedRepository>,
        packages: Vec<LockedPackage>,
    ) {
        self.repositories.retain(|repository| repository.arch != arch);
        self.repositories.extend(repositories);
        self.packages.retain(|package| package.arch != arch);
        self.packages.extend(packages);
        self.sort();
    }

    /// What to say of the first of some indexes that is older than the one the lock was made from.
    pub fn older_than(&self, repositories: &[LockedRepository]) -> Option<LockError> {
        repositories.iter().find_map(|new| {
            let same = |old: &&LockedRepository| {
                (old.arch, &old.archive, &old.suite, &old.component)
                    == (new.arch, &new.archive, &new.suite, &new.component)
            };
            let old = self.repositories.iter().find(same)?;
            let dates =
                old.date.parse::<jiff::Timestamp>().ok().zip(new.date.parse::<jiff::Timestamp>().ok());
            dates.filter(|(old, new)| new < old).map(|_| LockError::Older {
                repository: [&*new.archive, &new.suite, &new.component].join(" ").trim_end().to_owned(),
                found: new.date.clone(),
                locked: old.date.clone(),
            })
        })
    }

    fn sort(&mut self) {
        self.repositories.sort();
        self.programs.sort();
        self.packages.sort_by(|a, b| (a.arch, &a.name).cmp(&(b.arch, &b.name)));
    }

    /// The date of the newest index of an architecture, RFC 3339; none where only local files are locked.
    pub fn date(&self, arch: Arch) -> Option<&str> {
        self.repositories
            .iter()
            .filter(|repository| repository.arch == arch)
            .map(|repository| repository.date.as_str())
            .max()
    }
}

impl LockedPackage {
    /// `name version`, as messages write it.
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// A raw relation field; empty where the package has none.
    pub fn relation(&self, field: &str) -> &str {
        self.relations.get(field).map_or("", String::as_str)
    }
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(packages: &[(&str, &[&str])]) -> String {
        let digest = Digest::of(b"");
        let package = |(name, requires): &(&str, &[&str])| {
            format!(
                "[[package]]\narch = \"amd64\"\nname = \"{name}\"\nversion = \"1\"\narchitecture = \"all\"\n\
                 source = \"s\"\npath = \"p\"\nsize = 1\ncontent = \"{digest}\"\nrequires = {requires:?}\n"
            )
        };
        let layer = "[recipe]\n[[recipe.layer]]\nname = \"l\"\npackages = [\"a>=1\", \"./x.deb\"]\n";
        let packages: String = packages.iter().map(package).collect();
        format!("version = 1\n{layer}{packages}")
    }

    #[test]
    fn what_was_reordered_is_sorted_and_what_is_broken_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.lock");
        let read = |packages: &[(&str, &[&str])]| {
            std::fs::write(&path, lock(packages)).unwrap();
            Lock::read(&path)
        };
        let sound = read(&[("b", &[]), ("a", &["b"])]).unwrap().unwrap();
        assert!(sound.package(Arch::Amd64, "a").is_some() && sound.package(Arch::Amd64, "b").is_some());
        for (packages, reason) in [
            (&[("a", &[][..]), ("a", &[])][..], "a stands twice for amd64"),
            (&[("a", &["b"])], "a 1 requires b, which is not there for amd64"),
            (&[("b", &[])], "the recipe names a, which is not there for amd64"),
        ] {
            let error = read(packages).unwrap_err().to_string();
            assert!(error.ends_with(reason), "{error}");
        }
    }
}
