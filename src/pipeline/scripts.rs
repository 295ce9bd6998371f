//! The words of the scripts that selection asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cache::ContentId;
use crate::catalog::{CatalogError, FileCatalog};
use crate::root_path::RootPath;
use crate::shell::{ScriptWords, words};

use super::contents::contents;

/// The words of files; none for what cannot be understood, and for what is no file.
pub(super) type Words = BTreeMap<RootPath, Option<Arc<ScriptWords>>>;

/// The words of packages' files that were read: by package, and the file's position in it. Its clones share them.
///
/// They are of use only where selection asks for them. Told before, they would change what it wants first.
#[derive(Clone, Debug, Default)]
pub(super) struct WordsMemo(Arc<Mutex<BTreeMap<Place, Option<Arc<ScriptWords>>>>>);

type Place = (ContentId, u32);

/// The words of the files at some paths.
pub(super) fn script_words(
    catalog: &FileCatalog,
    paths: &BTreeSet<RootPath>,
    memo: &WordsMemo,
) -> Result<Words, CatalogError> {
    let places: BTreeMap<&RootPath, Place> =
        paths.iter().filter_map(|path| Some((path, place(catalog, path)?))).collect();
    let mut read = Words::new();
    {
        let known = memo.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            places.iter().filter_map(|(path, place)| Some(((*path).clone(), known.get(place)?.clone())));
        read.extend(known);
    }
    let missing: Vec<&RootPath> = paths.iter().filter(|path| !read.contains_key(*path)).collect();
    let mut texts = contents(catalog, missing.iter().copied())?;
    for path in missing {
        let found = texts.remove(path).and_then(|text| words(&text)).map(Arc::new);
        if let Some(place) = places.get(path) {
            memo.0.lock().unwrap_or_else(PoisonError::into_inner).insert(*place, found.clone());
        }
        read.insert(path.clone(), found);
    }
    Ok(read)
}

/// What names the content of the file at a path; none where that is not a package's archive alone.
fn place(catalog: &FileCatalog, path: &RootPath) -> Option<Place> {
    let (package, file) = catalog.get(*catalog.at(path).first()?);
    let index = package.manifest.content_index(file).filter(|_| package.source.is_none())?;
    Some((package.content, index))
}
