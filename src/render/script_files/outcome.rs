//! What is different once all effects have been carried out.

use crate::root_path::RootPath;
use crate::tarball::{CAPABILITIES, Entry, EntryKind, Metadata};

use super::super::image_tree::Origin;
use super::super::{Changes, Made, MadeFile};
use super::{Failure, Files};

impl Files<'_, '_> {
    /// What is to be made, and what becomes of packages' files.
    pub(in crate::render) fn finish(self) -> (Made, Changes, Vec<Failure>) {
        let (mut made, mut changes, mut failures) = (Made::new(), Changes::default(), Vec::new());
        for path in &self.touched {
            let Some(item) = self.tree.get(path) else { continue };
            let entry =
                Entry { path: path.clone(), metadata: item.metadata.clone(), kind: item.kind.clone() };
            match &item.origin {
                Origin::Made(content) => {
                    made.insert(path.clone(), MadeFile { entry, content: content.clone() });
                }
                Origin::Package(_) | Origin::Implied if item.kind == EntryKind::Directory => {
                    let mut directory = MadeFile::directory(path.clone(), item.metadata.mode);
                    directory.entry.metadata.uid = item.metadata.uid;
                    directory.entry.metadata.gid = item.metadata.gid;
                    made.insert(path.clone(), directory);
                }
                Origin::Package(file) if item.layer == self.layer => {
                    changes.add(&self.catalog.get(*file).1.entry, path, &item.metadata);
                }
                Origin::Package(_) | Origin::Implied => {
                    failures.push(format!("{path} is in a lower layer and stays as it is"));
                }
            }
        }
        // What others have taken the place of is gone as well.
        let stays = |path: &RootPath| made.contains_key(path) || self.stays(path);
        let gone = |path: &&RootPath| !stays(path) && !changes.moved.contains_key(*path);
        changes.removed = self.touched.iter().filter(gone).cloned().collect();
        (made, changes, failures)
    }

    /// Whether what the packages have at a path is still there, if they have anything.
    fn stays(&self, path: &RootPath) -> bool {
        self.tree.get(path).is_some_and(|item| match item.origin {
            Origin::Package(file) => {
                self.catalog.get(file).1.entry.path == *path || self.catalog.within(path).next().is_none()
            }
            Origin::Made(_) | Origin::Implied => true,
        })
    }
}

impl Changes {
    /// Adds how a package's file differs from what the package says.
    fn add(&mut self, said: &Entry, path: &RootPath, after: &Metadata) {
        let (source, before) = (&said.path, &said.metadata);
        if [before.uid, before.gid] != [after.uid, after.gid] {
            self.owners.insert(source.clone(), [after.uid, after.gid]);
        }
        if before.mode != after.mode {
            self.modes.insert(source.clone(), after.mode);
        }
        let capabilities = |metadata: &Metadata| metadata.xattrs.get(CAPABILITIES).cloned();
        if capabilities(before) != capabilities(after) {
            self.capabilities.insert(source.clone(), capabilities(after).unwrap_or_default());
        }
        if source != path {
            self.moved.insert(source.clone(), path.clone());
        }
    }
}
