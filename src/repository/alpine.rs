//! Repositories of apk's: signed `APKINDEX.tar.gz` files, and the records in them.
//!
//! Follows apk-repositories(5) and apk-index(5) of apk-tools 2.14. A repository has an index for each
//! architecture, `ARCH/APKINDEX.tar.gz`, and nothing that lists the architectures or says when it expires; what
//! the signature covers is the index alone. Left out: format 3 (`Packages.adb`), which is refused by name.

use crate::apk;
use crate::apk::index::{IndexRecord, parse};
use crate::arch::Arch;
use crate::digest::Digest;
use crate::distro::{AlpineRelease, Distro, PackageFormat};
use crate::recipe::{Recipe, Repository};
use crate::transport::{TransportError, is_remote};
use crate::trust::ApkKeyring;

use super::debian::in_parallel;
use super::sources::{archive_name, archive_root, read_key_files};
use super::{Access, ApkOrigin, Mirrors, Note, OriginKind, RepositoryError};

/// What indexes are kept as in the cache, by URL.
const KEPT: &str = "apkindex-1";

/// The largest index fetched, in bytes; that of Alpine's community repository has two million.
const MAX_INDEX: u64 = 64 << 20;

/// What a package says whose files are the same on every architecture.
const NO_ARCH: &str = "noarch";

/// An index's records, and where they are from.
pub type ApkPart = (ApkOrigin, Vec<IndexRecord>);

/// A repository to take packages from.
#[derive(Clone, Debug)]
pub struct ApkSource {
    /// The archive's name for people and the lock: `alpine`, or the URL of a recipe's repository.
    pub archive_name: String,
    /// The archive's root, without a slash at the end.
    pub uri: String,
    /// Other roots, tried in order where the first has no such repository or is another publisher's.
    pub fallbacks: Vec<String>,
    /// The repository below the root, such as `v3.20/main`; may be empty.
    pub repository: String,
    /// The tag that a request must name for packages to be taken from it.
    pub tag: Option<String>,
    /// Whose signatures count.
    pub keyring: ApkKeyring,
    /// What the distro calls the architectures it may have; to say which it has where one is missing.
    pub arch_names: Vec<&'static str>,
}

/// The sources of a recipe for one architecture: the distro's repositories, then the recipe's own. None for a
/// recipe of another format.
pub fn apk_sources(
    recipe: &Recipe,
    arch: Arch,
    mirrors: &Mirrors,
) -> Result<Vec<ApkSource>, RepositoryError> {
    if recipe.format() != PackageFormat::Apk {
        return Ok(Vec::new());
    }
    let distro = recipe.conventions();
    let arch_names: Vec<_> = Arch::ALL.into_iter().filter_map(|arch| distro.arch_name(arch)).collect();
    let own_keys = read_keys(recipe, &recipe.keys)?;
    let mut keyring = distro_keyring(distro, arch);
    keyring.extend(own_keys);
    let mut sources = Vec::new();
    for repository in recipe.from.map(Distro::repositories).unwrap_or_default() {
        let mirror = mirrors.find(repository.archive);
        sources.push(ApkSource {
            archive_name: repository.archive.name().to_owned(),
            uri: mirror.url,
            fallbacks: mirror.fallbacks,
            repository: repository.path,
            tag: None,
            keyring: keyring.clone(),
            arch_names: arch_names.clone(),
        });
    }
    for repository in &recipe.repositories {
        let keyring = match recipe.from {
            Some(_) if repository.keys.is_empty() => keyring.clone(),
            _ => read_keys(recipe, &repository.keys)?,
        };
        sources.push(own_source(recipe, repository, keyring, &arch_names));
    }
    Ok(sources)
}

fn own_source(
    recipe: &Recipe,
    repository: &Repository,
    keyring: ApkKeyring,
    arch_names: &[&'static str],
) -> ApkSource {
    ApkSource {
        archive_name: archive_name(&repository.location),
        uri: archive_root(recipe, &repository.location),
        fallbacks: Vec::new(),
        repository: String::new(),
        tag: repository.tag().map(str::to_owned),
        keyring,
        arch_names: arch_names.to_vec(),
    }
}

/// The keys of a distro for one architecture. Wolfi's are the recipe's business.
fn distro_keyring(distro: Distro, arch: Arch) -> ApkKeyring {
    match distro {
        Distro::Alpine(AlpineRelease::Stable { .. } | AlpineRelease::Edge) => {
            distro.arch_name(arch).map(ApkKeyring::alpine).unwrap_or_default()
        }
        Distro::Alpine(AlpineRelease::Unknown) | Distro::Wolfi | Distro::Debian(_) | Distro::Ubuntu(_) => {
            ApkKeyring::default()
        }
    }
}

fn read_keys(recipe: &Recipe, paths: &[std::path::PathBuf]) -> Result<ApkKeyring, RepositoryError> {
    let mut keyring = ApkKeyring::default();
    for (name, bytes) in read_key_files(recipe, paths)? {
        keyring.extend(ApkKeyring::parse_pem(&bytes, &name)?);
    }
    Ok(keyring)
}

/// Where a package is below its archive's root, for a repository and the distro's name of the architecture.
pub fn apk_path(repository: &str, arch_name: &str, record: &IndexRecord) -> String {
    let separator = if repository.is_empty() { "" } else { "/" };
    format!("{repository}{separator}{arch_name}/{}-{}.apk", record.name, record.version)
}

/// Loads the indexes of several repositories for one architecture, at the same time, in their order.
pub fn load_apk(
    sources: &[ApkSource],
    arch_name: &str,
    access: Access<'_>,
    notes: &mut Vec<Note>,
) -> Result<Vec<ApkPart>, RepositoryError> {
    in_parallel(sources, |source| source.load(arch_name, access), notes)
}

impl ApkSource {
    /// Fetches and verifies the index, from the first root that is the right one.
    fn load(&self, arch_name: &str, access: Access<'_>) -> Result<(ApkPart, Vec<Note>), RepositoryError> {
        let first = match self.load_from(&self.uri, arch_name, access) {
            Err(error) if error.is_wrong_place() && !self.fallbacks.is_empty() => error,
            result => return result.map(|part| (part, Vec::new())),
        };
        for uri in &self.fallbacks {
            match self.load_from(uri, arch_name, access) {
                Err(error) if error.is_wrong_place() => {}
                Err(error) => return Err(error),
                Ok(part) => {
                    let note = Note::OtherMirror {
                        suite: self.label(),
                        wanted: self.uri.clone(),
                        used: uri.clone(),
                        reason: first.to_string(),
                    };
                    return Ok((part, vec![note]));
                }
            }
        }
        Err(first)
    }

    /// The repository for people.
    fn label(&self) -> String {
        if self.repository.is_empty() { self.archive_name.clone() } else { self.repository.clone() }
    }

    /// The repository's own root, below that of an archive.
    fn root(&self, uri: &str) -> String {
        if self.repository.is_empty() { uri.to_owned() } else { format!("{uri}/{}", self.repository) }
    }

    fn load_from(&self, uri: &str, arch_name: &str, access: Access<'_>) -> Result<ApkPart, RepositoryError> {
        let root = self.root(uri);
        let url = index_url(&root, arch_name);
        let (bytes, text) = self.index(&root, &url, arch_name, access)?;
        let records =
            parse(&text).map_err(|source| RepositoryError::ApkRecords { url: url.clone(), source })?;
        if let Some(record) =
            records.iter().find(|record| ![arch_name, NO_ARCH, ""].contains(&record.arch.as_str()))
        {
            return Err(RepositoryError::OtherArch {
                url,
                package: format!("{} {}", record.name, record.version),
                found: record.arch.clone(),
                expected: arch_name.to_owned(),
            });
        }
        let origin = ApkOrigin {
            kind: OriginKind::Archive,
            archive: self.archive_name.clone(),
            repository: self.repository.clone(),
            tag: self.tag.clone(),
            signed: Digest::of(&bytes),
            date: records.iter().map(|record| record.build_time).max().unwrap_or(0),
        };
        Ok((origin, records))
    }

    /// The index file and its verified text; offline the one fetched last, verified again.
    fn index(
        &self,
        root: &str,
        url: &str,
        arch_name: &str,
        access: Access<'_>,
    ) -> Result<(Vec<u8>, String), RepositoryError> {
        let key = Digest::of(url.as_bytes());
        let verify = |bytes: &[u8]| {
            apk::signed_index(bytes, &self.keyring)
                .map(|index| index.text().to_owned())
                .map_err(|source| RepositoryError::ApkIndex { url: url.to_owned(), source })
        };
        if access.transport.is_offline() && is_remote(url) {
            let offline = || RepositoryError::ApkOffline { url: url.to_owned() };
            let bytes = access.cache.derived(KEPT, &key).ok_or_else(offline)?;
            let text = verify(&bytes)?;
            return Ok((bytes, text));
        }
        let bytes = match access.transport.read(url, MAX_INDEX) {
            Err(TransportError::Missing { status, .. }) => {
                return Err(self.missing(root, arch_name, status, access));
            }
            result => result?,
        };
        let text = verify(&bytes)?;
        access.cache.put_derived(KEPT, &key, &bytes)?;
        Ok((bytes, text))
    }

    /// Whether it is the architecture that is missing, or the repository as a whole.
    fn missing(&self, root: &str, arch_name: &str, status: String, access: Access<'_>) -> RepositoryError {
        // Not one byte is wanted, so that there is more than was asked for means that it is there.
        let has = |name: &&&str| {
            let found = access.transport.read(&index_url(root, name), 0);
            matches!(found, Ok(_) | Err(TransportError::TooLarge { .. }))
        };
        let others = self.arch_names.iter().filter(|name| **name != arch_name);
        let available: Vec<String> = others.filter(has).map(ToString::to_string).collect();
        if available.is_empty() {
            return RepositoryError::NoSuchRepository {
                uri: root.to_owned(),
                arch: arch_name.to_owned(),
                status,
            };
        }
        RepositoryError::NoSuchApkArch { uri: root.to_owned(), arch: arch_name.to_owned(), available }
    }
}

fn index_url(root: &str, arch_name: &str) -> String {
    format!("{root}/{arch_name}/APKINDEX.tar.gz")
}
