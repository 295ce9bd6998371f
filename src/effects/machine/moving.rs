//! Moving: a file takes its mode and owner along.

use super::super::{Effect, Owner, is_root_name};
use super::{Content, Item, Machine};
use crate::root_path::RootPath;
use crate::shell::{Node, World};

impl Machine<'_> {
    /// Moves something.
    pub(in crate::effects) fn rename(&mut self, from: &RootPath, to: &RootPath) -> Result<(), String> {
        if from == to {
            return Ok(());
        }
        match self.changes.get(from).cloned() {
            Some(Some(Item::File(content, mode))) => self.move_file(from, to, content, mode),
            Some(Some(Item::Symlink(target))) => {
                self.remove(from, false);
                self.make_symlink(to, &target);
                Ok(())
            }
            Some(Some(Item::Directory)) if !self.passes(to) => {
                Err("it moves a directory that it has made".to_owned())
            }
            _ => {
                let moved = match self.node(from) {
                    Some(Node::Directory) => Item::Directory,
                    Some(Node::Symlink(target)) => Item::Symlink(target),
                    _ => Item::File(Content::Of(from.clone()), self.mode(from)),
                };
                self.changes.insert(to.clone(), Some(moved));
                self.changes.insert(from.clone(), None);
                if !self.passes(from) || !self.passes(to) {
                    self.effect(Effect::Rename { from: from.clone(), to: to.clone() });
                }
                Ok(())
            }
        }
    }

    /// Moves a file that the script has made or changed.
    fn move_file(
        &mut self,
        from: &RootPath,
        to: &RootPath,
        content: Content,
        mode: u32,
    ) -> Result<(), String> {
        let owner = self.owner(from);
        self.remove(from, false);
        // What lay there is gone, with all that was said of it.
        self.forget(to);
        self.passing_owners.remove(to);
        // A new file is made so by itself; what a package has there has a mode of its own.
        let is_usual = mode == 0o644 && self.files.node(to).is_none();
        let made = self.make_file(to, content, (!is_usual).then_some(mode), None);
        let there = self.owner(to);
        let is_other = |name: &String, there: &Option<String>| {
            there.as_ref().is_none_or(|there| there != name && !(is_root_name(there) && is_root_name(name)))
        };
        let user = owner.user.filter(|name| is_other(name, &there.user));
        let group = owner.group.filter(|name| is_other(name, &there.group));
        if user.is_some() || group.is_some() {
            self.set_owner(to.clone(), Owner { user, group }, false);
            self.keep_set_ids(to, mode);
        }
        made
    }
}
