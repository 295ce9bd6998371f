//! The words of the scripts that selection reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cache::ContentId;
use crate::catalog::{CatalogError, FileCatalog, PackageFiles, is_at_hand, read_contents, small_contents};
use crate::digest::Digest;
use crate::root_path::RootPath;
use crate::select::{ReadScripts, is_read};
use crate::shell::{ScriptWords, TextKind, named_commands, words};

/// The words of files that were read: by package, and the file's position in it. Its clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct WordsMemo(Arc<Mutex<BTreeMap<Place, Arc<ScriptWords>>>>);

type Place = (ContentId, u32);

/// The kind of derived entry that the commands are which a package's texts name.
const NAMED: &str = "named-2";

impl WordsMemo {
    fn get(&self, place: &Place) -> Option<Arc<ScriptWords>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(place).cloned()
    }
}

/// Reads the scripts of a catalogue.
#[derive(Debug)]
pub(super) struct Scripts<'f> {
    pub(super) catalog: &'f FileCatalog,
    /// What was read of archives, for whomever they are.
    pub(super) of_archives: &'f WordsMemo,
    /// What was read of the image that this stands on.
    pub(super) of_image: &'f WordsMemo,
}

impl ReadScripts for Scripts<'_> {
    fn words(&self, path: &RootPath) -> Result<Arc<ScriptWords>, CatalogError> {
        let Some(file) = self.catalog.at(path).first() else { return Ok(Arc::default()) };
        let (package, file) = self.catalog.get(*file);
        let Some(index) = package.manifest.content_index(file) else { return Ok(Arc::default()) };
        let memo = if package.source.is_none() { self.of_archives } else { self.of_image };
        let place = (package.content, index);
        if let Some(known) = memo.get(&place) {
            return Ok(known);
        }
        read(package, index, memo)?;
        Ok(memo.get(&place).unwrap_or_default())
    }

    fn named(
        &self,
        package: &PackageFiles,
        texts: &BTreeMap<u32, TextKind>,
        commands: &BTreeSet<String>,
    ) -> Result<BTreeSet<(u32, String)>, CatalogError> {
        // What an image has of its own packages is complete, as far as its maker meant it to be.
        if package.source.is_some() {
            return Ok(BTreeSet::new());
        }
        let question = format!("{} {texts:?} {commands:?}", package.content);
        let key = Digest::of(question.as_bytes());
        let known = package.cache.as_ref().and_then(|cache| cache.derived(NAMED, &key));
        if let Some(known) = known.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            return Ok(known);
        }
        let sought: BTreeSet<&str> = commands.iter().map(String::as_str).collect();
        let mut found = BTreeSet::new();
        read_contents(package, texts, |position, kind, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(|source| CatalogError::unread(package, source))?;
            let named = named_commands(&String::from_utf8_lossy(&bytes), *kind, &sought);
            found.extend(named.into_iter().map(|command| (position, command.to_owned())));
            Ok::<_, CatalogError>(())
        })?;
        if let (Some(cache), Ok(bytes)) = (&package.cache, serde_json::to_vec(&found)) {
            // What cannot be kept is read again.
            let _ = cache.put_derived(NAMED, &key, &bytes);
        }
        Ok(found)
    }
}

/// Reads a file. If its package must be decompressed for that, so that it is not again, the others that may be asked for
/// are read too.
fn read(package: &PackageFiles, index: u32, memo: &WordsMemo) -> Result<(), CatalogError> {
    let is_at_hand = is_at_hand(package, index);
    let scripts = package.manifest.files.iter().filter(|file| is_read(file));
    let scripts = scripts.filter_map(|file| package.manifest.content_index(file));
    let unknown = scripts.filter(|index| memo.get(&(package.content, *index)).is_none());
    let others = unknown.filter(|_| !is_at_hand);
    let wanted: BTreeSet<u32> = others.chain([index]).collect();
    let read = small_contents(package, &wanted)?;
    let found = read.into_iter().map(|(index, text)| {
        // What cannot be understood has none.
        ((package.content, index), Arc::new(words(&text).unwrap_or_default()))
    });
    let found: Vec<_> = found.collect();
    memo.0.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
    Ok(())
}
