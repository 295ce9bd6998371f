//! Whose files are and what one may do with them, as a script has it: of what stays, and of what passes and may be moved
//! to where it stays.

use super::super::models;
use super::super::{Effect, ModeChange, Owner, given_away};
use super::{Content, Item, Machine};
use crate::root_path::RootPath;
use crate::shell::{Node, World};

impl Machine<'_> {
    /// The permission bits of what is at a path.
    pub(in crate::effects) fn mode(&self, path: &RootPath) -> u32 {
        if let Some(Node::File { mode, .. }) = self.node(path) {
            return mode & 0o7777;
        }
        let made = self.log().find_map(|effect| match effect {
            Effect::Directory { path: own, mode, .. } if own == path => Some(mode.unwrap_or(0o755)),
            Effect::Mode { path: own, mode: ModeChange::Bits(bits), recursive }
                if own == path || *recursive && path.is_within(own) =>
            {
                Some(*bits)
            }
            Effect::StatOverride { path: own, mode, .. } if own == path => Some(*mode),
            _ => None,
        });
        made.or_else(|| Some(self.files.metadata(path)?.0 & 0o7777)).unwrap_or(0o755)
    }

    /// What was done so far, the last first.
    fn log(&self) -> impl Iterator<Item = &Effect> {
        self.left.iter().chain(&self.effects).rev()
    }

    /// Who owns what is at a path, by name or number: the script's last word, else the package's, else root.
    pub(in crate::effects) fn owner(&self, path: &RootPath) -> Owner {
        let mut found = Owner::default();
        let mut add = |user: Option<&String>, group: Option<&String>| {
            found.user = found.user.take().or_else(|| user.cloned());
            found.group = found.group.take().or_else(|| group.cloned());
        };
        if let Some(Owner { user, group }) = self.passing_owners.get(path) {
            add(user.as_ref(), group.as_ref());
        }
        let mut is_new = false;
        for effect in self.log() {
            match effect {
                Effect::Owner { path: own, user, group, recursive }
                    if own == path || *recursive && path.is_within(own) =>
                {
                    add(user.as_ref(), group.as_ref());
                }
                Effect::StatOverride { path: own, user, group, .. } if own == path => {
                    add(Some(user), Some(group));
                }
                Effect::Directory { path: own, owner, .. } | Effect::Copy { to: own, owner, .. }
                    if own == path =>
                {
                    if let Some(owner) = owner {
                        add(owner.user.as_ref(), owner.group.as_ref());
                    }
                    is_new |= self.files.node(path).is_none();
                }
                Effect::File { path: own, .. } if own == path => is_new |= self.files.node(path).is_none(),
                Effect::Remove { path: own, .. } => is_new |= path.is_within(own),
                _ => {}
            }
            // What was said of all in a directory before is nothing to what is made later.
            if is_new {
                break;
            }
        }
        let packaged = if is_new { None } else { self.files.metadata(path).map(|(_, owner)| owner) };
        let [user, group] = packaged.unwrap_or_default().map(|id| id.to_string());
        add(Some(&user), Some(&group));
        found
    }

    /// Whether there are such accounts, or will be when what the image's packages declare has been read.
    pub(in crate::effects) fn know(&mut self, owner: &Owner) -> bool {
        self.accounts.know(owner) || {
            models::known_accounts::read_all_sysusers(self);
            self.accounts.know(owner)
        }
    }

    /// Gives a path to somebody, or all below it as well; what is none of both stays.
    pub(in crate::effects) fn set_owner(&mut self, path: RootPath, owner: Owner, recursive: bool) {
        for (one, item) in &mut self.changes {
            if let Some(Item::File(_, mode)) = item
                && (*one == path || recursive && one.is_within(&path))
            {
                *mode = given_away(*mode);
            }
        }
        if !self.passes(&path) {
            let Owner { user, group } = owner;
            self.effect(Effect::Owner { path, user, group, recursive });
            return;
        }
        let below = self.changes.keys().filter(|one| recursive && one.is_within(&path));
        for one in below.chain([&path]) {
            let known = self.passing_owners.entry(one.clone()).or_default();
            known.user = owner.user.clone().or(known.user.take());
            known.group = owner.group.clone().or(known.group.take());
        }
    }

    /// Changes the permission bits of a path, or of all below it as well.
    pub(in crate::effects) fn set_mode(&mut self, path: &RootPath, change: &ModeChange, recursive: bool) {
        let before = self.mode(path);
        if matches!(self.node(path), Some(Node::File { .. })) {
            let content = Content::Of(path.clone());
            self.changes.entry(path.clone()).or_insert(Some(Item::File(content, before)));
        }
        for (one, item) in &mut self.changes {
            if let Some(Item::File(_, mode)) = item
                && (one == path || recursive && one.is_within(path))
                && let Some(changed) = change.applied(*mode, false)
            {
                *mode = changed;
            }
        }
        if !self.passes(path) {
            self.effect(Effect::Mode { path: path.clone(), mode: change.clone(), recursive });
        }
    }
}
