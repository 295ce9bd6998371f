//! The content of a few catalogued files on which something depends.

use std::collections::BTreeMap;

use crate::catalog::{CatalogError, FileCatalog, small_contents};
use crate::root_path::RootPath;

/// The whole content of the files at some paths, each its owner's; what is no file is left out.
pub(super) fn contents<'p>(
    catalog: &FileCatalog,
    paths: impl IntoIterator<Item = &'p RootPath>,
) -> Result<BTreeMap<RootPath, Vec<u8>>, CatalogError> {
    let mut by_package: BTreeMap<&str, BTreeMap<u32, Vec<&RootPath>>> = BTreeMap::new();
    for path in paths {
        let Some(file) = catalog.at(path).first() else { continue };
        let (package, file) = catalog.get(*file);
        if let Some(index) = package.manifest.content_index(file) {
            // Hard links share it.
            by_package.entry(&package.name).or_default().entry(index).or_default().push(path);
        }
    }
    let mut contents = BTreeMap::new();
    for (name, positions) in by_package {
        let Some(package) = catalog.package(name) else { continue };
        let read = small_contents(package, &positions.keys().copied().collect())?;
        for (position, paths) in positions {
            let bytes = read.get(&position).into_iter();
            contents
                .extend(bytes.flat_map(|bytes| paths.iter().map(|path| ((*path).clone(), bytes.clone()))));
        }
    }
    Ok(contents)
}
