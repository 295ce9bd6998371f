//! What becomes of what scripts have made before their package is unpacked over it.

use super::{Effect, ImageFiles, Item, Machine};
use crate::catalog::PackageFiles;
use crate::root_path::RootPath;
use crate::tarball::EntryKind;

impl<'a> Machine<'a> {
    /// Unpacks the package, whose files take the place of what is there. A directory that is there already stays as it
    /// is, as dpkg has it; the links in the place of directories, which dpkg would follow, are given back.
    pub(in crate::effects) fn unpack(
        &mut self,
        package: &PackageFiles,
        image: &'a dyn ImageFiles,
    ) -> Vec<RootPath> {
        self.files = image;
        let mut links = Vec::new();
        for file in &package.manifest.files {
            let path = &file.entry.path;
            let made = match self.changes.get(path) {
                Some(Some(item)) => item.clone(),
                Some(None) => {
                    self.changes.remove(path);
                    continue;
                }
                None => continue,
            };
            match (&file.entry.kind, made) {
                (EntryKind::Directory, Item::Directory(mode)) => self.keep_directory(path, mode),
                (kind, made) => {
                    if *kind == EntryKind::Directory && matches!(made, Item::Symlink(_)) {
                        links.push(path.clone());
                    }
                    self.replace(path);
                }
            }
        }
        links
    }

    /// What was made with the usual mode has it still, whatever the package says of it.
    fn keep_directory(&mut self, path: &RootPath, bits: u32) {
        for effect in &mut self.effects {
            if let Effect::Directory { path: made, mode, .. } = effect
                && made == path
            {
                *mode = mode.or(Some(bits));
            }
        }
    }

    /// Forgets what was made at a path.
    fn replace(&mut self, path: &RootPath) {
        self.changes.remove(path);
        self.owners.remove(path);
        self.effects.retain(|effect| match effect {
            Effect::File { path: made, .. }
            | Effect::Symlink { path: made, .. }
            | Effect::Directory { path: made, .. }
            | Effect::Owner { path: made, .. }
            | Effect::Mode { path: made, .. }
            | Effect::Capabilities { path: made, .. }
            | Effect::Copy { to: made, .. } => made != path,
            _ => true,
        });
    }
}
