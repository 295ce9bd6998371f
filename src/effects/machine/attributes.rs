//! Whose files are and what one may do with them, as a script has it: of what stays, and of what passes and may be moved
//! to where it stays.

use super::super::models;
use super::super::{Effect, ModeChange, Owner, given_away, is_root_name};
use super::{Item, Machine, touches};
use crate::root_path::RootPath;
use crate::shell::{Node, World};

impl Machine<'_> {
    /// The permission bits of what is at a path.
    pub(in crate::effects) fn mode(&self, path: &RootPath) -> u32 {
        let mode = match (self.changes.get(path), self.node(path)) {
            (Some(Some(Item::Directory(mode))), _) => Some(*mode),
            (_, Some(Node::File { mode, .. })) => Some(mode),
            (_, Some(Node::Symlink(_))) => Some(0o777),
            _ => self.files.metadata(path).map(|(mode, _)| mode),
        };
        mode.unwrap_or(0o755) & 0o7777
    }

    /// Who owns what is at a path, by name or number: the script's last word, else the package's, else root.
    pub(in crate::effects) fn owner(&self, path: &RootPath) -> Owner {
        self.owners.get(path).cloned().unwrap_or_else(|| self.packaged_owner(path))
    }

    /// Who owns what a package has at a path, by number; else root.
    fn packaged_owner(&self, path: &RootPath) -> Owner {
        let [user, group] = self.files.metadata(path).map(|(_, owner)| owner).unwrap_or_default();
        Owner { user: Some(user.to_string()), group: Some(group.to_string()) }
    }

    /// Whether there are such accounts, or will be when what the image's packages declare has been read.
    pub(in crate::effects) fn know(&mut self, owner: &Owner) -> bool {
        self.accounts.know(owner) || {
            models::known_accounts::read_all_sysusers(self);
            self.accounts.know(owner)
        }
    }

    /// The set-group-ID bit of the directory that a path is in: directories made there have it too.
    pub(in crate::effects) fn passed_on(&self, path: &RootPath) -> u32 {
        path.parent().map_or(0, |directory| self.mode(&directory) & 0o2000)
    }

    /// Notes whose something is that is made, as it was given or else by where and by whom it is made; what must be said
    /// of that where an effect makes it.
    pub(super) fn own_made(&mut self, path: &RootPath, is_new: bool, given: Option<Owner>) -> Option<Owner> {
        let before = if is_new { self.first_owner(path) } else { self.owner(path) };
        let Owner { user, group } = given.clone().unwrap_or_default();
        let owner = Owner { user: user.or(before.user), group: group.or(before.group) };
        self.owners.insert(path.clone(), owner.clone());
        if !is_new {
            return given;
        }
        let there = self.image_owner(path);
        let is_other = |name: &String, there: &Option<String>| {
            there.as_ref().is_none_or(|there| there != name && !(is_root_name(there) && is_root_name(name)))
        };
        let user = owner.user.filter(|name| is_other(name, &there.user));
        let group = owner.group.filter(|name| is_other(name, &there.group));
        (user.is_some() || group.is_some()).then_some(Owner { user, group })
    }

    /// Who would own what is made anew at a path if nothing were said: of what the image has there only the content is
    /// another then. Nobody where that is not known.
    fn image_owner(&self, path: &RootPath) -> Owner {
        let came = |effect: &Effect| matches!(effect, Effect::Rename { to, .. } if to == path);
        let is_given = |effect: &Effect| match effect {
            Effect::Owner { path: own, recursive, .. } => own == path || *recursive && path.is_within(own),
            Effect::StatOverride { path: own, .. } => own == path,
            _ => false,
        };
        let is_left = self.left.iter().any(|effect| touches(effect, path));
        if is_left || self.effects.iter().any(came) {
            return Owner::default();
        }
        let is_there = self.files.node(path).is_some();
        if is_there && self.left.iter().chain(&self.effects).any(is_given) {
            return Owner::default();
        }
        self.packaged_owner(path)
    }

    /// Who owns what is made anew: who makes it, with the group of a directory that passes it on.
    fn first_owner(&self, path: &RootPath) -> Owner {
        let user = self.user.as_deref().unwrap_or("root");
        let directory = path.parent().filter(|_| self.passed_on(path) != 0);
        let group = match directory {
            Some(directory) => self.owner(&directory).group,
            None => self.accounts.primary_group(user),
        };
        Owner { user: Some(user.to_owned()), group: group.or_else(|| Some("root".to_owned())) }
    }

    /// Gives a path to somebody, or all below it as well; what is none of both stays. Whether or not anything is given to
    /// anybody else, files lose what they could do as their owners (chown(2)).
    pub(in crate::effects) fn set_owner(&mut self, path: RootPath, owner: Owner, recursive: bool) {
        for (one, node) in self.at(&path, recursive) {
            let known = self.owner(&one);
            let Owner { user, group } = owner.clone();
            self.owners
                .insert(one.clone(), Owner { user: user.or(known.user), group: group.or(known.group) });
            if let Node::File { mode, .. } = node
                && given_away(mode) != mode
            {
                self.note_mode(&one, given_away(mode));
            }
        }
        if !self.passes(&path) {
            let Owner { user, group } = owner;
            self.effect(Effect::Owner { path, user, group, recursive });
        }
    }

    /// Changes the permission bits of a path, or of all below it as well.
    pub(in crate::effects) fn set_mode(&mut self, path: &RootPath, change: &ModeChange, recursive: bool) {
        for (one, node) in self.at(path, recursive) {
            let before = self.mode(&one);
            let changed = change.applied(before, node == Node::Directory);
            if let Some(mode) = changed.filter(|mode| *mode != before) {
                self.note_mode(&one, mode);
            }
        }
        if !self.passes(path) {
            self.effect(Effect::Mode { path: path.clone(), mode: change.clone(), recursive });
        }
    }

    /// What dpkg-statoverride(1) says of a file.
    pub(in crate::effects) fn override_stat(&mut self, path: RootPath, owner: [&str; 2], mode: u32) {
        let [user, group] = owner.map(ToOwned::to_owned);
        self.owners.insert(path.clone(), Owner { user: Some(user.clone()), group: Some(group.clone()) });
        self.note_mode(&path, mode);
        self.effect(Effect::StatOverride { path, user, group, mode });
    }

    /// Something, and all below it.
    fn at(&self, path: &RootPath, recursive: bool) -> Vec<(RootPath, Node)> {
        if recursive {
            return self.tree(path);
        }
        self.node(path).map(|node| (path.clone(), node)).into_iter().collect()
    }

    fn note_mode(&mut self, path: &RootPath, mode: u32) {
        let item = match self.node(path) {
            Some(Node::Directory) => Item::Directory(mode),
            Some(Node::File { .. }) => Item::File(self.content(path), mode),
            _ => return,
        };
        self.changes.insert(path.clone(), Some(item));
    }
}
