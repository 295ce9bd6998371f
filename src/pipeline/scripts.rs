//! The words of the scripts that selection asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cache::ContentId;
use crate::catalog::{CatalogError, FileCatalog, PackageFiles};
use crate::root_path::RootPath;
use crate::shell::{ScriptWords, words};

use super::contents::contents;

/// The words of files; none for what cannot be understood, and for what is no file.
pub(super) type Words = BTreeMap<RootPath, Option<Arc<ScriptWords>>>;

/// The words of packages' files that were read. Its clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct WordsMemo(Arc<Mutex<BTreeMap<ContentId, Words>>>);

impl WordsMemo {
    /// The words so far, with what is known of the files of packages that were just catalogued. What several packages
    /// have is left out, for it may have another owner now: it is asked for again.
    pub(super) fn with(&self, mut so_far: Words, new: &BTreeSet<String>, catalog: &FileCatalog) -> Words {
        so_far.retain(|path, _| catalog.at(path).len() < 2);
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for package in new.iter().filter_map(|name| catalog.package(name)) {
            let words = known.get(&package.content).filter(|_| package.source.is_none());
            let alone = words.into_iter().flatten().filter(|(path, _)| catalog.at(path).len() == 1);
            so_far.extend(alone.map(|(path, words)| (path.clone(), words.clone())));
        }
        so_far
    }

    fn put(&self, catalog: &FileCatalog, read: &Words) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, words) in read {
            if let Some(package) = owner(catalog, path).filter(|package| package.source.is_none()) {
                known.entry(package.content).or_default().insert(path.clone(), words.clone());
            }
        }
    }
}

fn owner<'c>(catalog: &'c FileCatalog, path: &RootPath) -> Option<&'c PackageFiles> {
    Some(catalog.get(*catalog.at(path).first()?).0)
}

/// The words of the files at some paths.
pub(super) fn script_words(
    catalog: &FileCatalog,
    paths: BTreeSet<RootPath>,
    memo: &WordsMemo,
) -> Result<Words, CatalogError> {
    let mut texts = contents(catalog, &paths)?;
    let read = |path: RootPath| {
        let found = texts.remove(&path).and_then(|text| words(&text));
        (path, found.map(Arc::new))
    };
    let read = paths.into_iter().map(read).collect();
    memo.put(catalog, &read);
    Ok(read)
}
