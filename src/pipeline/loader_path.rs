//! The files whose content decides what selection finds: `/etc/ld-musl-ARCH.path`, and those of ld.so.conf(5).

use std::collections::BTreeMap;

use crate::arch::Arch;
use crate::catalog::FileCatalog;
use crate::distro::Distro;
use crate::loader::{configures_dirs, musl_name, musl_path_file};
use crate::recipe::{FileSource, Recipe};
use crate::root_path::RootPath;

use super::ForgeError;
use super::contents::contents;

/// The content of musl's path file, as an image will have it: the recipe's, else that of a package at hand. A file
/// of the host that cannot be read is none here; that is told when it is to be packed.
pub(super) fn musl_path(
    recipe: &Recipe,
    arch: Arch,
    catalog: &FileCatalog,
) -> Result<Option<String>, ForgeError> {
    let Ok(path) = RootPath::parse(&musl_path_file(musl_name(arch))) else { return Ok(None) };
    if let Some((recipe, file)) = file_of_recipe(recipe, arch, &path) {
        return Ok(text_of(recipe, arch, file));
    }
    let found = contents(catalog, [&path])?.remove(&path);
    Ok(found.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// What the recipe, or the nearest of its bases, has at a path, and which of them.
fn file_of_recipe<'r>(
    recipe: &'r Recipe,
    arch: Arch,
    path: &RootPath,
) -> Option<(&'r Recipe, &'r FileSource)> {
    let distro = recipe.conventions();
    let (arch_name, triplet) =
        (distro.arch_name(arch).unwrap_or_default(), distro.triplet(arch).unwrap_or_default());
    recipe.stacked().into_iter().rev().find_map(|one| {
        let mut files = one.layer.files.iter();
        let file = files.find(|file| file.path(arch_name, triplet).is_ok_and(|at| at == *path))?;
        Some((one.recipe, &file.source))
    })
}

/// The text of a file that the recipe makes; one of the host that cannot be read, and what is no file, has none.
fn text_of(recipe: &Recipe, arch: Arch, source: &FileSource) -> Option<String> {
    let distro = recipe.conventions();
    match source {
        FileSource::Content(text) => Some(text.clone()),
        FileSource::Host(template) => {
            let (arch_name, triplet) =
                (distro.arch_name(arch).unwrap_or_default(), distro.triplet(arch).unwrap_or_default());
            let host = recipe.dir.join(template.expand(arch_name, triplet));
            let bytes = std::fs::read(host).ok();
            bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        }
        FileSource::Directory | FileSource::Symlink(_) => None,
    }
}

/// What ldconfig would read, as far as it is at hand; each file of a package is read once.
#[derive(Debug, Default)]
pub(super) struct LoaderConfiguration {
    /// The texts, by path.
    pub(super) files: BTreeMap<RootPath, String>,
}

impl LoaderConfiguration {
    /// Adds the files of packages that were catalogued since, and of the recipe, which come first.
    pub(super) fn update(
        &mut self,
        recipe: &Recipe,
        arch: Arch,
        catalog: &FileCatalog,
    ) -> Result<(), ForgeError> {
        if matches!(recipe.conventions(), Distro::Alpine(_)) {
            return Ok(());
        }
        let Ok(etc) = RootPath::parse("/etc") else { return Ok(()) };
        let of_packages = catalog.within(&etc).map(|(path, _)| path);
        let new: Vec<&RootPath> =
            of_packages.filter(|path| configures_dirs(path) && !self.files.contains_key(path)).collect();
        for (path, bytes) in contents(catalog, new)? {
            self.files.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        }
        let distro = recipe.conventions();
        let names = (distro.arch_name(arch).unwrap_or_default(), distro.triplet(arch).unwrap_or_default());
        let stacked = recipe.stacked();
        let files = stacked.iter().flat_map(|one| &one.layer.files);
        for path in files.filter_map(|file| file.path(names.0, names.1).ok()).filter(configures_dirs) {
            let source = file_of_recipe(recipe, arch, &path);
            if let Some(text) = source.and_then(|(recipe, source)| text_of(recipe, arch, source)) {
                self.files.insert(path, text);
            }
        }
        Ok(())
    }
}
