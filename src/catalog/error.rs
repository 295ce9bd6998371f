//! Why packages cannot be catalogued or their content not be read.

use crate::hint::Hint;
use crate::root_path::RootPath;

use super::{PackageError, PackageFiles};

/// Why packages cannot be catalogued or their content not be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A package cannot be read.
    #[error("cannot read the package {package} {version}")]
    Package {
        /// Its name.
        package: String,
        /// Its version.
        version: String,
        /// Why.
        source: Box<PackageError>,
    },
    /// A package's archive is not what was fetched any more.
    #[error("the file of the package {package} {version} {} since it was fetched",
        if *gone { "has gone from the cache" } else { "in the cache has changed" })]
    Changed {
        /// The package's name.
        package: String,
        /// Its version.
        version: String,
        /// It is not there at all.
        gone: bool,
    },
    /// A file that was listed is not there, or is none.
    #[error("the package {package} {version} has no file at position {index} of its data")]
    NoContent {
        /// The package's name.
        package: String,
        /// Its version.
        version: String,
        /// The position asked for.
        index: u32,
    },
    /// A package says that it is another one.
    #[error("the file of the package {package} {version} holds {found}")]
    Identity {
        /// The name that was asked for.
        package: String,
        /// The version that was asked for.
        version: String,
        /// Name and version that it says.
        found: String,
    },
    /// A file by whose name a layer hides what lies below.
    #[error("the package {package} {version} has {path}, a name by which layers take files away")]
    Whiteout {
        /// The package's name.
        package: String,
        /// Its version.
        version: String,
        /// The path.
        path: RootPath,
    },
    /// A hard link to what is no file, or does not come before it.
    #[error(
        "the package {package} {version} has {path} as a hard link to {target}, but no file there before it"
    )]
    HardLink {
        /// The package's name.
        package: String,
        /// Its version.
        version: String,
        /// The link.
        path: RootPath,
        /// What it names.
        target: RootPath,
    },
    /// Two packages of one name.
    #[error("the package {package} is catalogued twice, as {first} and {second}")]
    Twice {
        /// The name.
        package: String,
        /// The version that came first.
        first: String,
        /// The other.
        second: String,
    },
}

impl CatalogError {
    /// A package's content cannot be read.
    pub fn unread(package: &PackageFiles, source: std::io::Error) -> Self {
        CatalogError::Package {
            package: package.name.clone(),
            version: package.version.clone(),
            source: Box::new(PackageError::io(&package.content, &package.archive, source)),
        }
    }
}

impl Hint for CatalogError {
    fn hints(&self) -> Vec<String> {
        match self {
            CatalogError::Changed { .. } => {
                vec!["run it again: what is missing or changed in the cache is fetched anew".to_owned()]
            }
            CatalogError::Package { source, .. } if source.is_vanished() => {
                vec!["run it again: what is missing in the cache is fetched anew".to_owned()]
            }
            CatalogError::Package { source, .. } => source.hints(),
            CatalogError::NoContent { .. } => {
                vec!["the package on disk has changed since it was listed: fetch it again".to_owned()]
            }
            CatalogError::Identity { .. } => {
                vec!["make the lock anew with `rootforge lock --update`; if that is no help, the repository's index is wrong".to_owned()]
            }
            CatalogError::Whiteout { .. } | CatalogError::HardLink { .. } => {
                vec![
                    "no image can hold it as it is: take another version, or do without the package"
                        .to_owned(),
                ]
            }
            CatalogError::Twice { .. } => Vec::new(),
        }
    }
}
