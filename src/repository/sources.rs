//! Which suites a recipe's packages come from, and where they are: recipe + mirrors -> [`Source`]s.

use std::path::PathBuf;

use crate::arch::Arch;
use crate::distro::{Archive, Distro, Pocket};
use crate::recipe::{Location, Recipe, Repository, RepositoryKind};
use crate::transport::without_credentials;
use crate::trust::Keyring;

use super::{Mirrors, RepositoryError, Source};

/// The sources of a recipe for one architecture: the distro's suites less those left out, then the
/// recipe's own repositories. None for a recipe of Alpine's format, whose sources are
/// [`super::apk_sources`].
pub fn sources(
    recipe: &Recipe,
    arch: Arch,
    mirrors: &Mirrors,
    without: &[Pocket],
) -> Result<Vec<Source>, RepositoryError> {
    let mut sources = Vec::new();
    if let Some(distro) = recipe.from {
        let keys = read_keys(recipe, &recipe.keys)?;
        for suite in distro.suites(arch) {
            let wanted = recipe.pockets.as_ref().is_none_or(|pockets| pockets.contains(&suite.pocket));
            if wanted && !without.contains(&suite.pocket) {
                let mut source = Source::of_suite(&suite, mirrors, recipe.snapshot.as_deref())?;
                source.keyring.extend(keys.clone());
                sources.push(source);
            }
        }
    }
    for repository in &recipe.repositories {
        sources.extend(own_source(recipe, repository)?);
    }
    Ok(sources)
}

fn own_source(recipe: &Recipe, repository: &Repository) -> Result<Option<Source>, RepositoryError> {
    let RepositoryKind::Deb { suite, components, check_valid_until } = &repository.kind else {
        return Ok(None);
    };
    let keyring = match recipe.from {
        Some(distro) if repository.keys.is_empty() => distro_keyring(distro),
        _ => read_keys(recipe, &repository.keys)?,
    };
    Ok(Some(Source {
        archive_name: archive_name(&repository.location),
        uri: archive_root(recipe, &repository.location),
        fallbacks: Vec::new(),
        suite: suite.clone(),
        components: components.clone(),
        keyring,
        origin: None,
        required: true,
        check_valid_until: *check_valid_until,
        by_snapshot: false,
    }))
}

/// The name of a recipe's own archive: its URL, but for who asks for it, or its path as the recipe has it.
pub fn archive_name(location: &Location) -> String {
    match location {
        Location::Url(url) => without_credentials(url).into_owned(),
        Location::Directory(directory) => directory.display().to_string(),
    }
}

/// The root of a recipe's own archive.
pub(super) fn archive_root(recipe: &Recipe, location: &Location) -> String {
    match location {
        Location::Url(url) => url.clone(),
        Location::Directory(directory) => recipe.absolute_path(directory).display().to_string(),
    }
}

/// The roots that an archive of a lock may have now, nearest first: its mirror, then the snapshot archive as
/// it was at `date` (RFC 3339).
pub fn roots(recipe: &Recipe, archive: &str, mirrors: &Mirrors, date: Option<&str>) -> Vec<String> {
    if let Some(own) =
        recipe.repositories.iter().find(|repository| archive_name(&repository.location) == archive)
    {
        return vec![archive_root(recipe, &own.location)];
    }
    let Ok(archive) = archive.parse::<Archive>() else { return Vec::new() };
    let snapshot = |time: &str| mirrors.snapshot(archive, time).ok().map(|mirror| mirror.url);
    if let Some(time) = &recipe.snapshot {
        return snapshot(time).into_iter().collect();
    }
    let mirror = mirrors.find(archive);
    let mut roots = vec![mirror.url];
    roots.extend(mirror.fallbacks);
    let time = date.map(|date| date.chars().filter(|c| *c != '-' && *c != ':').collect::<String>());
    roots.extend(time.and_then(|time| snapshot(&time)));
    roots
}

fn distro_keyring(distro: Distro) -> Keyring {
    match distro {
        Distro::Debian(_) => Keyring::debian(),
        Distro::Ubuntu(_) => Keyring::ubuntu(),
        // Their keys are of another kind.
        Distro::Alpine(_) | Distro::Wolfi => Keyring::default(),
    }
}

fn read_keys(recipe: &Recipe, paths: &[PathBuf]) -> Result<Keyring, RepositoryError> {
    let mut keyring = Keyring::default();
    for (name, bytes) in read_key_files(recipe, paths)? {
        keyring.extend(Keyring::parse(&bytes, &name)?);
    }
    Ok(keyring)
}

/// The key files that a recipe names: their paths, and what is in them.
pub(super) fn read_key_files(
    recipe: &Recipe,
    paths: &[PathBuf],
) -> Result<Vec<(String, Vec<u8>)>, RepositoryError> {
    let read = |path: &PathBuf| {
        let path = recipe.host_path(path);
        match std::fs::read(&path) {
            Ok(bytes) => Ok((path.display().to_string(), bytes)),
            Err(source) => Err(RepositoryError::Key { path, source }),
        }
    };
    paths.iter().map(read).collect()
}
