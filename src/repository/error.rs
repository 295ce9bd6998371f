//! Why a repository, an index or a package file beside the recipe cannot be used, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::apk::ApkError;
use crate::apk::index::IndexError as ApkRecordError;
use crate::cache::CacheError;
use crate::deb::archive::DebError;
use crate::deb::release::ReleaseError;
use crate::distro::Distro;
use crate::hint::{Hint, of_reading};
use crate::html::looks_like_html;
use crate::transport::TransportError;
use crate::trust::{ApkTrustError, TrustError};

use super::{ApkIndexError, IndexError, MirrorError};

/// Why a repository cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// A key file that the recipe names cannot be read.
    #[error("cannot read the key file {path}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key file that the recipe names holds no key.
    #[error(transparent)]
    Keys(#[from] TrustError),
    /// A key file for an apk repository holds no key.
    #[error(transparent)]
    ApkKeys(#[from] ApkTrustError),
    /// No mirror can be used.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// A package file that the recipe names cannot be read.
    #[error("cannot read the package {path}")]
    LocalRead {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A package file that the recipe names is no package.
    #[error(transparent)]
    Local(#[from] DebError),
    /// A package file lacks a field that every package has.
    #[error("the package {path} has no `{field}`")]
    LocalField {
        /// The file.
        path: PathBuf,
        /// The control field.
        field: &'static str,
    },
    /// A package file has a field that dpkg would not take.
    #[error("the package {path} has the `{field}` `{value}`, which is none")]
    LocalValue {
        /// The file.
        path: PathBuf,
        /// The control field.
        field: &'static str,
        /// What it says.
        value: String,
    },
    /// A package file that the recipe names is no apk.
    #[error(transparent)]
    LocalApk(#[from] ApkError),
    /// A package file that the recipe names is for another architecture.
    #[error("the package {path} is for {found}, not for {expected}")]
    LocalArch {
        /// The file.
        path: PathBuf,
        /// The architecture it names.
        found: String,
        /// The distro's name of the architecture that is built.
        expected: String,
    },
    /// There is no repository of apk's.
    #[error("there is no repository at `{uri}`: it has no index for {arch} ({status})")]
    NoSuchRepository {
        /// The repository's root.
        uri: String,
        /// The distro's name of the architecture.
        arch: String,
        /// What the server or the operating system said.
        status: String,
    },
    /// A repository of apk's does not have the architecture.
    #[error("the repository `{uri}` has no packages for {arch}; it has {}", list(.available))]
    NoSuchApkArch {
        /// The repository's root.
        uri: String,
        /// The distro's name of the architecture.
        arch: String,
        /// Those it has.
        available: Vec<String>,
    },
    /// An index of apk's is not trusted, or is no index.
    #[error("`{url}` cannot be used")]
    ApkIndex {
        /// The index.
        url: String,
        /// What is wrong with it.
        source: ApkError,
    },
    /// An index of apk's is signed and cannot be understood.
    #[error("`{url}` cannot be read: {source}")]
    ApkRecords {
        /// The index.
        url: String,
        /// What is wrong with it.
        source: ApkRecordError,
    },
    /// An index of apk's is for another architecture than its place says.
    #[error("`{url}` is for another architecture: {package} is for {found}, not for {expected}")]
    OtherArch {
        /// The index.
        url: String,
        /// A package in it, name and version.
        package: String,
        /// The package's architecture.
        found: String,
        /// The one that was asked for.
        expected: String,
    },
    /// Offline, and no index of apk's was kept.
    #[error("the build is offline, and `{url}` is not in the cache")]
    ApkOffline {
        /// The index.
        url: String,
    },
    /// The texts of indexes do not make an index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The records of indexes do not make an index.
    #[error(transparent)]
    ApkPackages(#[from] ApkIndexError),
    /// There is no InRelease file.
    #[error("`{uri}` has no suite `{suite}`: {status}")]
    NoSuchSuite {
        /// The archive's root.
        uri: String,
        /// The suite.
        suite: String,
        /// What the server or the operating system said.
        status: String,
    },
    /// Something came that no trusted key signed.
    #[error("`{url}` is not trusted: {source}{}", if *.html { "; the server sent an HTML page" } else { "" })]
    Untrusted {
        /// The InRelease file.
        url: String,
        /// What is wrong with its signatures.
        source: TrustError,
        /// Whether it looks like a web page.
        html: bool,
    },
    /// The InRelease file is signed and cannot be understood.
    #[error("`{url}` cannot be read: {source}")]
    Release {
        /// The InRelease file.
        url: String,
        /// What is wrong with it.
        source: ReleaseError,
    },
    /// It has no date.
    #[error("`{url}` has no `Date`")]
    NoDate {
        /// The InRelease file.
        url: String,
    },
    /// Another publisher's archive.
    #[error("`{url}` is of `{found}`, not of `{expected}`")]
    Origin {
        /// The InRelease file.
        url: String,
        /// The publisher that was expected.
        expected: String,
        /// Its `Origin`.
        found: String,
    },
    /// Another suite, signed as well.
    #[error("`{url}` is of the suite `{found}`, not of `{expected}`")]
    OtherSuite {
        /// The InRelease file.
        url: String,
        /// The suite that was asked for.
        expected: String,
        /// Its `Codename` or `Suite`.
        found: String,
    },
    /// It is dated in the future.
    #[error("the index of `{suite}` at `{uri}` is dated in the future, {when}")]
    FromTheFuture {
        /// The archive's root.
        uri: String,
        /// The suite.
        suite: String,
        /// Its date, UTC.
        when: String,
    },
    /// Its `Valid-Until` has passed.
    #[error("the index of `{suite}` at `{uri}` expired on {when}")]
    Expired {
        /// The archive's root.
        uri: String,
        /// The suite.
        suite: String,
        /// When, UTC.
        when: String,
    },
    /// A suite that must have the architecture does not.
    #[error("`{suite}` at `{uri}` has no packages for {arch}; it has {}", list(.available))]
    NoSuchArch {
        /// The archive's root.
        uri: String,
        /// The suite.
        suite: String,
        /// The distro's name of the architecture.
        arch: String,
        /// Those it has.
        available: Vec<String>,
    },
    /// A suite has no such component.
    #[error("`{suite}` at `{uri}` has no component `{component}`; it has {}", list(.available))]
    NoSuchComponent {
        /// The archive's root.
        uri: String,
        /// The suite.
        suite: String,
        /// The component.
        component: String,
        /// Those it has.
        available: Vec<String>,
    },
    /// What the mirror has is not what the InRelease file vouches for.
    #[error(
        "the mirror `{uri}` is out of step: no copy of `{path}` fits the signed InRelease of `{suite}`\n  {}",
        .tried.join("\n  ")
    )]
    OutOfStep {
        /// The archive's root.
        uri: String,
        /// The suite.
        suite: String,
        /// The index, below the suite's directory, without the ending of a compression.
        path: String,
        /// What was tried and what came of it.
        tried: Vec<String>,
    },
    /// The index is as it should be and cannot be unpacked.
    #[error("the index `{path}` of `{suite}` at `{uri}` cannot be unpacked: {cause}")]
    Unpack {
        /// The archive's root.
        uri: String,
        /// The suite.
        suite: String,
        /// The index, below the suite's directory.
        path: String,
        /// What failed.
        cause: String,
    },
    /// Offline, and no InRelease file was kept.
    #[error("the build is offline, and the index of `{suite}` at `{uri}` is not in the cache")]
    Offline {
        /// The archive's root.
        uri: String,
        /// The suite.
        suite: String,
    },
    /// Fetching failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The cache failed.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

impl RepositoryError {
    pub(super) fn untrusted(url: &str, bytes: &[u8], source: TrustError) -> Self {
        RepositoryError::Untrusted { url: url.to_owned(), source, html: looks_like_html(bytes) }
    }

    /// Whether another mirror may well be the right one.
    pub(super) fn is_wrong_place(&self) -> bool {
        matches!(
            self,
            RepositoryError::NoSuchSuite { .. }
                | RepositoryError::Origin { .. }
                | RepositoryError::Untrusted { source: TrustError::UnknownKeys { .. }, .. }
                | RepositoryError::NoSuchRepository { .. }
                | RepositoryError::NoSuchApkArch { .. }
                | RepositoryError::ApkIndex {
                    source: ApkError::Untrusted { source: ApkTrustError::UnknownKeys { .. }, .. },
                    ..
                }
        )
    }
}

impl Hint for RepositoryError {
    fn hints(&self) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match self {
            RepositoryError::NoSuchSuite { .. } => {
                vec![
                    format!("the distros known by name are {}", Distro::names().join(", ")),
                    "check the suite and the URL, or pass `--mirror` another mirror".to_owned(),
                ]
            }
            RepositoryError::Untrusted { html: true, .. } => one(
                "a proxy or a captive portal seems to answer in the server's place; log in there, or pass `--mirror`",
            ),
            RepositoryError::Untrusted { source, .. } => source.hints(),
            RepositoryError::ApkIndex { source, .. } | RepositoryError::LocalApk(source) => source.hints(),
            RepositoryError::ApkKeys(error) => error.hints(),
            RepositoryError::NoSuchRepository { .. } => one(
                "check the URL, which ends above the directories of architectures, or pass `--mirror` another mirror",
            ),
            RepositoryError::OtherArch { .. } => one("use another mirror; this one mixes architectures up"),
            RepositoryError::LocalArch { .. } => {
                one("write `{arch}` in the file's name, and have one for each architecture")
            }
            RepositoryError::Release { .. }
            | RepositoryError::ApkRecords { .. }
            | RepositoryError::NoDate { .. }
            | RepositoryError::Unpack { .. } => one("tell the repository's owner"),
            RepositoryError::Origin { .. } | RepositoryError::OtherSuite { .. } => {
                one("pass `--mirror` the root of a mirror of that distro")
            }
            RepositoryError::FromTheFuture { .. } => one("check this machine's clock"),
            RepositoryError::Expired { .. } => vec![
                "pass `--mirror` a mirror that is kept up to date".to_owned(),
                "pass `--allow-expired-index`, or set `check-valid-until = false` in the repository"
                    .to_owned(),
            ],
            RepositoryError::NoSuchArch { .. } | RepositoryError::NoSuchApkArch { .. } => {
                one("leave the architecture out of `--arch` or `arch`, or use another release")
            }
            RepositoryError::NoSuchComponent { .. } => one("correct `components` of the repository"),
            RepositoryError::OutOfStep { .. } => vec![
                "pass `--mirror` another mirror, or try again later".to_owned(),
                "pass `--without updates` or `--without security` if it is a suite of those".to_owned(),
            ],
            RepositoryError::Offline { .. } | RepositoryError::ApkOffline { .. } => {
                one("run once without `--offline` to fill the cache")
            }
            RepositoryError::Key { source, .. } | RepositoryError::LocalRead { source, .. } => {
                let usual = || "paths in a recipe are relative to its directory".to_owned();
                vec![of_reading(source).unwrap_or_else(usual)]
            }
            RepositoryError::Keys(error) => error.hints(),
            RepositoryError::Mirror(error) => error.hints(),
            RepositoryError::Local(error) => error.hints(),
            RepositoryError::LocalField { .. } | RepositoryError::LocalValue { .. } => {
                one("is it a binary package, made by dpkg-deb?")
            }
            RepositoryError::Index(error) => error.hints(),
            RepositoryError::ApkPackages(error) => error.hints(),
            RepositoryError::Transport(error) => error.hints(),
            RepositoryError::Cache(error) => error.hints(),
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
