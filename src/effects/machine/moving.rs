//! Moving: what moves takes its mode and owner along.

use super::super::{Effect, Owner};
use super::{Content, Item, Machine, touches};
use crate::root_path::RootPath;
use crate::shell::{Node, World};

impl Machine<'_> {
    /// Moves something to where nothing is, or in the place of what is there.
    pub(in crate::effects) fn rename(&mut self, from: &RootPath, to: &RootPath) -> Result<(), String> {
        if from == to {
            return Ok(());
        }
        let (mode, owner) = (self.mode(from), self.owner(from));
        match self.node(from) {
            Some(Node::Directory) => self.move_directory(from, to, mode, owner),
            _ if self.is_as_it_was(from) && !self.passes(from) && !self.passes(to) => {
                let item = match self.node(from) {
                    Some(Node::Symlink(target)) => Item::Symlink(target),
                    _ => Item::File(self.content(from), mode),
                };
                self.forget(to);
                self.take_out(from);
                self.changes.insert(to.clone(), Some(item));
                self.owners.insert(to.clone(), owner);
                self.effect(Effect::Rename { from: from.clone(), to: to.clone() });
                Ok(())
            }
            Some(Node::Symlink(target)) => {
                self.remove(from, false);
                self.make_symlink(to, &target, Some(owner));
                Ok(())
            }
            _ => {
                let content = self.content(from);
                self.remove(from, false);
                self.make_in_place(to, content, mode, Some(owner))
            }
        }
    }

    /// Whether the image's own file is at a path, wherever it was before.
    fn is_as_it_was(&self, path: &RootPath) -> bool {
        let is_own = match self.changes.get(path) {
            Some(Some(Item::File(content, _))) => matches!(content, Content::Of(_)),
            _ => true,
        };
        let last = self.left.iter().chain(&self.effects).rev().find(|effect| touches(effect, path));
        is_own && last.is_none_or(|last| matches!(last, Effect::Rename { to, .. } if to == path))
    }

    /// Moves what is in it, one by one: some of it the script may have made.
    fn move_directory(
        &mut self,
        from: &RootPath,
        to: &RootPath,
        mode: u32,
        owner: Owner,
    ) -> Result<(), String> {
        let is_new = self.node(to).is_none();
        self.make_directory(to, Some(mode).filter(|mode| !is_new || *mode != 0o755), Some(owner));
        for name in self.list(from) {
            if let (Ok(from), Ok(to)) = (from.join(&name), to.join(&name)) {
                self.rename(&from, &to)?;
            }
        }
        self.remove(from, true);
        Ok(())
    }

    /// Makes a file that is another than what is there: nothing that was said of that holds for it.
    pub(in crate::effects) fn make_in_place(
        &mut self,
        path: &RootPath,
        content: Content,
        mode: u32,
        owner: Option<Owner>,
    ) -> Result<(), String> {
        if matches!(self.node(path), Some(Node::Symlink(_))) {
            self.remove(path, false);
        }
        self.forget(path);
        self.take_out(path);
        // A new file is made so by itself; what a package has there has a mode of its own.
        let is_text = matches!(content, Content::Text(_));
        let is_others =
            self.files.node(path).is_some() || self.left.iter().any(|effect| touches(effect, path));
        let is_usual = is_text && mode == 0o644 && !is_others;
        self.make_file(path, content, (!is_usual).then_some(mode), owner)
    }
}
