//! What is set up after selection and decides what it finds: the links that busybox makes to itself when it is
//! installed, and the file that tells musl's loader where to look.

use std::collections::BTreeMap;
use std::io::Read;

use crate::apk::applets::applets;
use crate::arch::Arch;
use crate::catalog::{CatalogError, CataloguedFile, FileCatalog, PackageFiles, read_contents};
use crate::loader::{musl_name, musl_path_file};
use crate::recipe::{FileSource, Recipe};
use crate::root_path::RootPath;

use super::ForgeError;

/// More than any such file has, in bytes; what is longer is cut.
const MAX_PATH_FILE: u64 = 1 << 16;
/// A busybox with everything has two million bytes.
const MAX_PROGRAM: u64 = 1 << 26;

/// Where busybox is, and what a script says that has it make its links.
const BUSYBOXES: [(&str, &str); 4] = [
    ("/bin/busybox", "/busybox --install"),
    ("/usr/bin/busybox", "/busybox --install"),
    ("/bin/busybox-extras", "/busybox-extras --install"),
    ("/usr/bin/busybox-extras", "/busybox-extras --install"),
];

/// The links, path and target, that the busyboxes at hand would have.
pub(super) fn made_links(catalog: &FileCatalog) -> Result<BTreeMap<RootPath, String>, ForgeError> {
    let mut links = BTreeMap::new();
    for (name, call) in BUSYBOXES {
        let Some((path, package, file)) = at(catalog, name) else { continue };
        let scripts = package.manifest.control.members.values();
        if !scripts.into_iter().any(|script| String::from_utf8_lossy(script).contains(call)) {
            continue;
        }
        // One that cannot be understood is told of where its links are made.
        let found = applets(&content(package, file, MAX_PROGRAM)?).unwrap_or_default();
        for applet in found {
            let target = path.as_str().to_owned();
            links.entry(catalog.merged_usr().canonical(&applet.path)).or_insert(target);
        }
    }
    Ok(links)
}

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
    let name = musl_path_file(musl_name(arch));
    let files = recipe.layers.iter().rev().flat_map(|layer| &layer.files);
    let mut of_recipe =
        files.filter(|file| file.path(arch_name, triplet).is_ok_and(|path| path.as_str() == name));
    let bytes = match of_recipe.next().map(|file| &file.source) {
        Some(FileSource::Content(text)) => Some(text.clone().into_bytes()),
        Some(FileSource::Host(template)) => {
            std::fs::read(recipe.dir.join(template.expand(arch_name, triplet))).ok()
        }
        Some(FileSource::Directory | FileSource::Symlink(_)) => None,
        None => match at(catalog, &name) {
            Some((_, package, file)) => Some(content(package, file, MAX_PATH_FILE)?),
            None => None,
        },
    };
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The file at a path, as a package has it.
fn at<'c>(catalog: &'c FileCatalog, name: &str) -> Option<(RootPath, &'c PackageFiles, &'c CataloguedFile)> {
    let path = RootPath::parse(name).ok()?;
    let (package, file) = catalog.get(*catalog.at(&path).first()?);
    Some((path, package, file))
}

/// A file's content, up to a limit in bytes; none of what has none.
fn content(package: &PackageFiles, file: &CataloguedFile, limit: u64) -> Result<Vec<u8>, CatalogError> {
    let mut bytes = Vec::new();
    let Some(index) = package.manifest.content_index(file) else { return Ok(bytes) };
    read_contents(package, &BTreeMap::from([(index, limit)]), |_, limit, content| {
        content
            .take(*limit)
            .read_to_end(&mut bytes)
            .map_err(|source| CatalogError::unread(package, source))?;
        Ok::<(), CatalogError>(())
    })?;
    Ok(bytes)
}
