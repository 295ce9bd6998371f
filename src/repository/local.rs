//! Packages that are not looked up in an archive: files beside the recipe, and what a lock still knows.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;

use crate::apk::index::IndexRecord;
use crate::apk::pkginfo::PackageInfo;
use crate::apk::relation::Relation;
use crate::apk::{self, ApkError};
use crate::cache::ContentId;
use crate::deb::archive::read_control;
use crate::deb::control::paragraphs;
use crate::digest::Digest;
use crate::recipe::{PackageSpec, Recipe};

use super::{ApkOrigin, IndexOrigin, IndexPart, IndexText, OriginKind, RepositoryError};

/// A package file that a recipe names.
#[derive(Clone, Debug)]
pub struct LocalPackage {
    /// Its path, placeholders expanded: as the recipe has it, that of a base's seen from the recipe.
    pub path: String,
    /// The package's name.
    pub name: String,
    /// The digest of the file.
    pub digest: Digest,
    /// Its paragraph, as an index would have it.
    pub part: IndexPart,
}

/// A package file of apk's that a recipe names.
#[derive(Clone, Debug)]
pub struct LocalApk {
    /// Its path as the recipe has it, placeholders expanded.
    pub path: String,
    /// What an index would say of it.
    pub record: IndexRecord,
    /// Where it is from: no archive.
    pub origin: ApkOrigin,
    /// What asks for this package and no other: `name><CHECKSUM`.
    pub request: Relation,
}

/// Reads the package files of apk's that a recipe and its bases name, each once, and checks that they are whole.
/// Nobody has to have signed them.
pub fn local_apks(recipe: &Recipe, arch_name: &str, triplet: &str) -> Result<Vec<LocalApk>, RepositoryError> {
    local_files(recipe, arch_name, triplet, |path| read_apk(recipe, path, arch_name))
}

/// Does something for each package file that a recipe and its bases name, each once, in order of their paths.
fn local_files<T>(
    recipe: &Recipe,
    arch_name: &str,
    triplet: &str,
    read: impl Fn(&str) -> Result<T, RepositoryError>,
) -> Result<Vec<T>, RepositoryError> {
    let mut paths: BTreeSet<String> = BTreeSet::new();
    for stacked in recipe.stacked() {
        paths.extend(stacked.layer.packages.iter().filter_map(|spec| match spec {
            PackageSpec::Local(template) => Some(stacked.path(&template.expand(arch_name, triplet))),
            PackageSpec::Archive { .. } | PackageSpec::Apk { .. } => None,
        }));
    }
    paths.iter().map(|path| read(path)).collect()
}

fn read_apk(recipe: &Recipe, path: &str, arch_name: &str) -> Result<LocalApk, RepositoryError> {
    let host = recipe.host_path(path.as_ref());
    // Told apart here from what is wrong with the file itself.
    File::open(&host).map_err(|source| RepositoryError::LocalRead { path: host.clone(), source })?;
    let verified = apk::archive::verify(&host, None)?;
    let control = apk::archive::read_control(&host)?;
    let info = PackageInfo::parse(&control.control)
        .map_err(|source| ApkError::Info { path: host.clone(), source })?;
    if ![arch_name, "noarch", ""].contains(&info.arch.as_str()) {
        return Err(RepositoryError::LocalArch {
            path: host,
            found: info.arch,
            expected: arch_name.to_owned(),
        });
    }
    let origin = if info.origin.is_empty() { info.name.clone() } else { info.origin };
    let record = IndexRecord {
        name: info.name.clone(),
        version: info.version,
        arch: info.arch,
        origin,
        checksum: verified.checksum,
        size: verified.size,
        installed_size: info.installed_size,
        build_time: info.build_time,
        provider_priority: info.provider_priority,
        depends: info.depends.join(" "),
        provides: info.provides.join(" "),
        install_if: info.install_if.join(" "),
    };
    let origin = ApkOrigin {
        kind: OriginKind::Local,
        archive: String::new(),
        repository: String::new(),
        tag: None,
        signed: Digest::of(verified.checksum.as_bytes()),
        date: 0,
    };
    let request = Relation::of_package(info.name, verified.checksum);
    Ok(LocalApk { path: path.to_owned(), record, origin, request })
}

/// Where a version of apk's is from that a lock holds and no index may have any more.
pub fn locked_apk(content: ContentId) -> ApkOrigin {
    ApkOrigin {
        kind: OriginKind::Locked,
        archive: String::new(),
        repository: String::new(),
        tag: None,
        signed: content.key(),
        date: 0,
    }
}

/// Reads the package files that a recipe and its bases name, each once.
pub fn local_packages(
    recipe: &Recipe,
    arch_name: &str,
    triplet: &str,
) -> Result<Vec<LocalPackage>, RepositoryError> {
    local_files(recipe, arch_name, triplet, |path| read_local(recipe, path))
}

/// A package's name, as dpkg takes it.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-+._".contains(c))
}

/// A version, as dpkg takes it: less than Policy asks for.
fn is_version(version: &str) -> bool {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    epoch.parse::<u32>().is_ok()
        && !rest.is_empty()
        && rest.chars().all(|c| c.is_ascii_alphanumeric() || ".+-~:_".contains(c))
}

fn read_local(recipe: &Recipe, path: &str) -> Result<LocalPackage, RepositoryError> {
    let host = recipe.host_path(path.as_ref());
    let error = |source| RepositoryError::LocalRead { path: host.clone(), source };
    let (digest, size) = Digest::of_reader(File::open(&host).map_err(error)?).map_err(error)?;
    let control = read_control(&host)?.control;
    let field = |name: &'static str| {
        let found = paragraphs(&control).next().and_then(|paragraph| paragraph.field(name));
        found
            .map(str::to_owned)
            .ok_or_else(|| RepositoryError::LocalField { path: PathBuf::from(&host), field: name })
    };
    let name = field("Package")?;
    let version = field("Version")?;
    for (field, value, is_sound) in
        [("Package", &name, is_name(&name)), ("Version", &version, is_version(&version))]
    {
        if !is_sound {
            return Err(RepositoryError::LocalValue { path: host, field, value: value.clone() });
        }
    }
    field("Architecture")?;
    let text = IndexText::of_package(&control, path, size, &digest);
    Ok(LocalPackage {
        path: path.to_owned(),
        name,
        digest,
        part: (unsigned_origin(OriginKind::Local, digest), text),
    })
}

/// A version that a lock holds and no index has any more: `fields` are those of its paragraph.
pub fn locked_text(fields: &[(&str, &str)], path: &str, size: u64, digest: &Digest) -> IndexPart {
    use std::fmt::Write as _;
    let mut control = String::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(control, "{name}: {value}");
    }
    let text = IndexText::of_package(&control, path, size, digest);
    (unsigned_origin(OriginKind::Locked, *digest), text)
}

fn unsigned_origin(kind: OriginKind, digest: Digest) -> IndexOrigin {
    IndexOrigin {
        kind,
        archive: String::new(),
        uri: String::new(),
        suite: String::new(),
        component: String::new(),
        inrelease: digest,
        date: 0,
    }
}
