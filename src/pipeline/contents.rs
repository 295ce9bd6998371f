//! The content of a few catalogued files on which something depends.

use std::collections::BTreeMap;

use crate::catalog::{CatalogError, FileCatalog, read_contents};
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
        read_contents::<_, CatalogError>(package, &positions, |_, paths, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(|source| CatalogError::unread(package, source))?;
            contents.extend(paths.iter().map(|path| ((*path).clone(), bytes.clone())));
            Ok(())
        })?;
    }
    Ok(contents)
}
