//! What scripts find that others have made, and what comes with their own accounts and alternatives.

use super::super::places::chosen_alternative;
use super::super::{Effect, Owner};
use super::{Content, Item, Machine};
use crate::root_path::RootPath;
use crate::shell::text::decode;
use crate::shell::{Node, World};

impl Machine<'_> {
    /// Files are as other packages' scripts have left them.
    pub(in crate::effects) fn find(&mut self, left: &[Effect]) {
        for effect in left {
            // What they could not do is not there.
            let _ = match effect.clone() {
                Effect::File { path, content, mode } => {
                    let mode = mode.or_else(|| self.node(&path).map(|_| self.mode(&path)));
                    self.make_file(&path, Content::Text(decode(&content)), mode, None)
                }
                Effect::Copy { from, to, mode, owner } => {
                    let content = self.content(&from);
                    let mode = mode.or_else(|| Some(self.mode(&from)));
                    self.make_file(&to, content, mode, owner)
                }
                Effect::Rename { from, to } => self.rename(&from, &to),
                other => {
                    match other {
                        Effect::Directory { path, mode, owner } => self.make_directory(&path, mode, owner),
                        Effect::Symlink { path, target } => self.make_symlink(&path, &target, None),
                        Effect::Remove { path, recursive } => self.remove(&path, recursive),
                        Effect::Mode { path, mode, recursive } => self.set_mode(&path, &mode, recursive),
                        Effect::Owner { path, user, group, recursive } => {
                            self.set_owner(path, Owner { user, group }, recursive);
                        }
                        Effect::StatOverride { path, user, group, mode } => {
                            self.override_stat(path, [&user, &group], mode);
                        }
                        Effect::User { .. } | Effect::Alternative { .. } | Effect::Divert { .. } => {
                            self.effect(other);
                        }
                        _ => {}
                    }
                    Ok(())
                }
            };
        }
        self.left = std::mem::take(&mut self.effects);
        self.found = self.changes.clone();
    }

    /// What is found where an effect makes something beside what it is: homes, links of alternatives, what is diverted;
    /// and the directories of those that come about by a tool.
    pub(in crate::effects) fn remember(&mut self, effect: &Effect) {
        match effect {
            Effect::Directory { path, .. } if self.node(path).is_none() => {
                self.changes.insert(path.clone(), Some(Item::Directory(0o755)));
            }
            Effect::User { name, home: Some(home), create_home: true, .. } => {
                if let Ok(home) = RootPath::parse(home)
                    && self.node(&home).is_none()
                {
                    let owner = Owner { user: Some(name.clone()), group: self.accounts.primary_group(name) };
                    self.own_made(&home, true, Some(owner));
                    self.changes.insert(home, Some(Item::Directory(0o755)));
                }
            }
            Effect::Alternative { name, link, path, priority, slaves } => {
                let best = self.best_alternative(name);
                if best.is_some_and(|(highest, ..)| highest >= *priority) {
                    return;
                }
                // What went with the one before goes with it.
                let gone: Vec<RootPath> = best
                    .into_iter()
                    .flat_map(|(.., slaves)| slaves)
                    .map(|slave| slave.link.clone())
                    .collect();
                self.changes.extend(gone.into_iter().map(|link| (link, None)));
                let slaves = slaves.iter().map(|slave| (&slave.link, &slave.name, &slave.path));
                for (link, name, path) in slaves.chain([(link, name, path)]) {
                    let Some(chosen) = chosen_alternative(name) else { continue };
                    // What is no link stays.
                    if !matches!(self.node(link), None | Some(Node::Symlink(_))) {
                        continue;
                    }
                    self.changes.insert(link.clone(), Some(Item::Symlink(chosen.to_string())));
                    self.changes.insert(chosen, Some(Item::Symlink(path.to_string())));
                }
            }
            // What is at the path itself is the new file, where the package has one.
            Effect::Divert { path, to, rename: true }
                if matches!(self.node(path), Some(Node::File { .. })) =>
            {
                let item = Item::File(self.content(path), self.mode(path));
                self.changes.insert(to.clone(), Some(item));
            }
            _ => {}
        }
    }
}
