//! The words of the scripts that selection asks for.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{CatalogError, FileCatalog};
use crate::root_path::RootPath;
use crate::shell::{ScriptWords, words};

use super::contents::contents;

/// The words of the files at some paths; none for what cannot be understood, and for what is no file.
pub(super) fn script_words(
    catalog: &FileCatalog,
    paths: BTreeSet<RootPath>,
) -> Result<BTreeMap<RootPath, Option<ScriptWords>>, CatalogError> {
    let mut texts = contents(catalog, &paths)?;
    Ok(paths
        .into_iter()
        .map(|path| {
            let found = texts.remove(&path).and_then(|text| words(&text));
            (path, found)
        })
        .collect())
}
