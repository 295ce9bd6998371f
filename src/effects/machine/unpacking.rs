//! What becomes of what scripts have made before their package is unpacked over it.

use std::collections::BTreeSet;

use super::{Effect, ImageFiles, Item, Machine};
use crate::catalog::PackageFiles;
use crate::root_path::RootPath;
use crate::tarball::EntryKind;

impl<'a> Machine<'a> {
    /// Unpacks the package, whose files take the place of what its scripts have made. A directory that is there stays as
    /// it is, and so does a file in the place of a conffile, as dpkg has it; the links in the place of directories, which
    /// dpkg would follow, are given back.
    pub(in crate::effects) fn unpack(
        &mut self,
        package: &PackageFiles,
        image: &'a dyn ImageFiles,
    ) -> Vec<RootPath> {
        self.files = image;
        let conffiles = package.manifest.control.member("conffiles").unwrap_or_default();
        let conffiles: BTreeSet<&str> = conffiles.lines().map(str::trim).collect();
        let mut links = Vec::new();
        for file in &package.manifest.files {
            let path = &file.entry.path;
            self.put_back(path);
            // What others have made is laid upon the package later.
            let made = match self.changes.get(path) {
                Some(made) if self.found.get(path) != Some(made) => made.clone(),
                _ => continue,
            };
            match (&file.entry.kind, made) {
                (_, None) => _ = self.changes.remove(path),
                (EntryKind::Directory, Some(Item::Directory(mode))) => self.keep_directory(path, mode),
                (EntryKind::Directory, Some(made)) => {
                    links.extend(matches!(made, Item::Symlink(_)).then(|| path.clone()));
                    self.replace(path);
                }
                (_, Some(Item::File(..))) if conffiles.contains(path.as_str()) => {}
                (_, Some(_)) => self.replace(path),
            }
        }
        links
    }

    /// What was taken away, or moved into the place of a path, is there again or gone.
    fn put_back(&mut self, path: &RootPath) {
        for effect in &mut self.effects {
            if let Effect::Rename { from, to } = effect
                && to == path
            {
                *effect = Effect::Remove { path: from.clone(), recursive: true };
            }
        }
        let takes =
            |effect: &Effect| matches!(effect, Effect::Remove { path: gone, .. } if path.is_within(gone));
        if !self.effects.iter().any(takes) {
            return;
        }
        // In the place of a directory with all in it, what others have there.
        let all = std::mem::take(&mut self.effects);
        for effect in all {
            match effect {
                Effect::Remove { path: gone, .. } if gone == *path => {}
                Effect::Remove { path: gone, recursive } if path.is_within(&gone) => {
                    let names = self.files.list(&gone);
                    let below = names.iter().filter_map(|name| gone.join(name).ok());
                    let removed = |path| Effect::Remove { path, recursive };
                    self.effects.extend(below.filter(|below| below != path).map(removed));
                }
                other => self.effects.push(other),
            }
        }
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
