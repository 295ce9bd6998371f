//! The one file whose content decides what selection finds: `/etc/ld-musl-ARCH.path`.

use crate::arch::Arch;
use crate::catalog::FileCatalog;
use crate::loader::{musl_name, musl_path_file};
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
    let distro = recipe.conventions();
    let (arch_name, triplet) =
        (distro.arch_name(arch).unwrap_or_default(), distro.triplet(arch).unwrap_or_default());
    let Ok(path) = RootPath::parse(&musl_path_file(musl_name(arch))) else { return Ok(None) };
    let files = recipe.layers.iter().rev().flat_map(|layer| &layer.files);
    let mut of_recipe = files.filter(|file| file.path(arch_name, triplet).is_ok_and(|at| at == path));
    match of_recipe.next().map(|file| &file.source) {
        Some(FileSource::Content(text)) => return Ok(Some(text.clone())),
        Some(FileSource::Host(template)) => {
            let host = recipe.dir.join(template.expand(arch_name, triplet));
            let bytes = std::fs::read(host).ok();
            return Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
        }
        Some(FileSource::Directory | FileSource::Symlink(_)) => return Ok(None),
        None => {}
    }
    let found = contents(catalog, [&path])?.remove(&path);
    Ok(found.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}
