//! Users and groups: `/etc/passwd` and `/etc/group`, passwd(5) and group(5).
//!
//! The distro's static accounts come first, then the recipe's. One without an id gets an id derived from its
//! name, so that images made apart agree.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::digest::Digest;
use crate::distro::PackageFormat;
use crate::recipe::{Recipe, base_groups, base_users};

use super::{Made, MadeFile, RenderError, fixed};

mod given;
mod scripted;
#[cfg(test)]
mod tests;

pub(super) use scripted::Home;

/// The ids for accounts that have none of their own: the distro's range for system accounts.
pub(super) const DERIVED_IDS: RangeInclusive<u32> = 100..=999;

/// The shells that root may have, best first; the last need not exist.
const ROOT_SHELLS: [&str; 3] = ["/bin/bash", "/bin/sh", "/usr/sbin/nologin"];

/// All users and groups of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts {
    users: Vec<User>,
    groups: Vec<Group>,
    /// The files of a base image, which they go on from.
    given: Option<Box<given::Given>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
    comment: String,
    home: String,
    shell: String,
    open: Open,
}

/// What the recipe leaves open of a user that it defines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Open {
    home: bool,
    shell: bool,
    comment: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: String,
    gid: u32,
    members: BTreeSet<String>,
}

impl Accounts {
    /// The distro's accounts and the recipe's, which win where both define a name. `shell_exists` says
    /// whether a program is in the image.
    pub fn of(recipe: &Recipe, shell_exists: impl Fn(&str) -> bool) -> Result<Self, RenderError> {
        let root_shell = ROOT_SHELLS
            .into_iter()
            .find(|shell| shell_exists(shell))
            .unwrap_or(ROOT_SHELLS[ROOT_SHELLS.len() - 1]);
        let mut accounts = Self::base(recipe.format(), root_shell);
        accounts.define(recipe)?;
        Ok(accounts)
    }

    /// Gives root a better shell, where there is one by now. A recipe that defines root says it itself.
    pub(super) fn better_root_shell(&mut self, recipes: &[&Recipe], shell_exists: impl Fn(&str) -> bool) {
        let is_defined = recipes.iter().flat_map(|recipe| &recipe.users).any(|user| user.name == "root");
        // An image's own accounts stay as they are.
        let stays = is_defined || self.given.is_some();
        let Some(root) = self.users.iter_mut().find(|user| user.name == "root" && !stays) else {
            return;
        };
        let better = ROOT_SHELLS.into_iter().take_while(|shell| root.shell != *shell);
        if let Some(shell) = better.into_iter().find(|shell| shell_exists(shell))
            && ROOT_SHELLS.contains(&root.shell.as_str())
        {
            shell.clone_into(&mut root.shell);
        }
    }

    /// Adds the accounts of a recipe, which win where a name is defined already.
    pub fn define(&mut self, recipe: &Recipe) -> Result<(), RenderError> {
        // Those with a number come first, so that a derived one never takes it.
        let (numbered, derived): (Vec<_>, Vec<_>) =
            recipe.groups.iter().partition(|group| group.gid.is_some());
        for group in numbered.into_iter().chain(derived) {
            self.add_group(&group.name, group.gid)?;
        }
        let (numbered, derived): (Vec<_>, Vec<_>) = recipe.users.iter().partition(|user| user.uid.is_some());
        for user in numbered.into_iter().chain(derived) {
            self.add_user(user)?;
        }
        Ok(())
    }

    /// Whether a recipe gives accounts of what lies below other numbers: files there belong to those that they have.
    pub(super) fn check_numbers(&self, recipe: &Recipe) -> Result<(), RenderError> {
        let same = |what, name: &str, is: Option<u32>, wanted: Option<u32>| match (is, wanted) {
            (Some(is), Some(wanted)) if is != wanted => {
                Err(RenderError::Renumbered { what, name: name.to_owned(), is, wanted })
            }
            _ => Ok(()),
        };
        for group in &recipe.groups {
            same("gid of the group", &group.name, self.group_id(&group.name), group.gid)?;
        }
        for user in &recipe.users {
            same("uid of the user", &user.name, self.user_id(&user.name), user.uid)?;
            match &user.group {
                Some(group) => same("gid of the group", group, self.group_id(group), user.gid)?,
                None => same("gid of the user", &user.name, self.primary_gid(&user.name), user.gid)?,
            }
        }
        Ok(())
    }

    /// The accounts of an image's own files; lines that are none are passed over.
    pub fn parse(passwd: &str, group: &str) -> Self {
        let user = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, comment, home, shell] = fields[..] else { return None };
            let [name, comment, home, shell] = [name, comment, home, shell].map(str::to_owned);
            let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
            Some(User { name, uid, gid, comment, home, shell, open: Open::default() })
        };
        let group_of = |line: &str| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, gid, members] = fields[..] else { return None };
            let members = members.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            Some(Group { name: name.to_owned(), gid: gid.parse().ok()?, members })
        };
        Accounts {
            users: passwd.lines().filter_map(user).collect(),
            groups: group.lines().filter_map(group_of).collect(),
            given: None,
        }
    }

    fn base(format: PackageFormat, root_shell: &str) -> Self {
        let users = base_users(format)
            .iter()
            .map(|user| User {
                name: user.name.into(),
                uid: user.uid,
                gid: user.gid,
                comment: user.gecos.into(),
                home: user.home.into(),
                shell: if user.uid == 0 { root_shell } else { user.shell }.into(),
                open: Open::default(),
            })
            .collect();
        let groups = base_groups(format)
            .iter()
            .map(|group| Group { name: group.name.into(), gid: group.gid, members: BTreeSet::new() })
            .collect();
        Accounts { users, groups, given: None }
    }

    fn add_group(&mut self, name: &str, gid: Option<u32>) -> Result<u32, RenderError> {
        let known = self.groups.iter().position(|group| group.name == name);
        let given = known.filter(|_| self.is_given_group(name)).map(|known| self.groups[known].gid);
        let gid = match (gid, known) {
            // A base image's accounts keep their numbers.
            (Some(_), _) if given.is_some() => return Ok(given.unwrap_or_default()),
            (Some(gid), _) => gid,
            (None, Some(known)) => return Ok(self.groups[known].gid),
            (None, None) => {
                let taken: BTreeSet<u32> = self.groups.iter().map(|group| group.gid).collect();
                derived_id(name, DERIVED_IDS, &taken)?
            }
        };
        match known {
            Some(known) => self.groups[known].gid = gid,
            None => self.groups.push(Group { name: name.into(), gid, members: BTreeSet::new() }),
        }
        Ok(gid)
    }

    fn add_user(&mut self, user: &crate::recipe::User) -> Result<(), RenderError> {
        let known = self.users.iter().position(|known| known.name == user.name);
        let before = known.map(|known| self.users[known].clone());
        let is_given = self.is_given_user(&user.name);
        let uid = match (user.uid, known) {
            (Some(_), Some(known)) if is_given => self.users[known].uid,
            (Some(uid), _) => uid,
            (None, Some(known)) => self.users[known].uid,
            (None, None) => {
                let taken: BTreeSet<u32> = self.users.iter().map(|user| user.uid).collect();
                derived_id(&user.name, DERIVED_IDS, &taken)?
            }
        };
        let gid = match (user.gid, &user.group) {
            (Some(gid), None) => {
                if !self.groups.iter().any(|group| group.gid == gid) {
                    self.add_group(&user.name, Some(gid))?;
                }
                gid
            }
            (gid, Some(group)) => self.add_group(group, gid)?,
            (None, None) if before.is_some() => before.as_ref().map_or(uid, |before| before.gid),
            (None, None) => {
                let free = !self.groups.iter().any(|group| group.gid == uid);
                self.add_group(&user.name, free.then_some(uid))?
            }
        };
        for group in &user.groups {
            self.add_group(group, None)?;
            if let Some(group) = self.groups.iter_mut().find(|known| known.name == *group) {
                group.members.insert(user.name.clone());
            }
        }
        let entry = User {
            name: user.name.clone(),
            uid,
            gid,
            comment: before.as_ref().map(|before| before.comment.clone()).unwrap_or_default(),
            home: text(user.home.as_ref(), before.as_ref().map_or("/nonexistent", |before| &before.home)),
            shell: text(
                user.shell.as_ref(),
                before.as_ref().map_or("/usr/sbin/nologin", |before| &before.shell),
            ),
            open: Open {
                home: user.home.is_none() && before.is_none(),
                shell: user.shell.is_none() && before.is_none(),
                comment: before.is_none(),
            },
        };
        match known {
            Some(known) => self.users[known] = entry,
            None => self.users.push(entry),
        }
        Ok(())
    }

    /// The uid of a name.
    pub fn user_id(&self, name: &str) -> Option<u32> {
        self.users.iter().find(|known| known.name == name).map(|known| known.uid)
    }

    /// The gid of a name.
    pub fn group_id(&self, name: &str) -> Option<u32> {
        self.groups.iter().find(|known| known.name == name).map(|known| known.gid)
    }

    /// The uid of a name or of a number.
    pub fn uid(&self, user: &str) -> Option<u32> {
        self.user_id(user).or_else(|| user.parse().ok())
    }

    /// The gid of a name or of a number.
    pub fn gid(&self, group: &str) -> Option<u32> {
        self.group_id(group).or_else(|| group.parse().ok())
    }

    /// The gid of a user's own group.
    pub fn primary_gid(&self, user: &str) -> Option<u32> {
        self.users.iter().find(|known| known.name == user).map(|known| known.gid)
    }

    /// The gid of the group that a user, by name or number, logs in with.
    pub(super) fn login_gid(&self, user: &str) -> Option<u32> {
        let number =
            || user.parse().ok().and_then(|uid: u32| self.users.iter().find(|known| known.uid == uid));
        self.primary_gid(user).or_else(|| number().map(|known| known.gid))
    }

    /// `/etc/passwd` and `/etc/group`, by id; upon those of a base image, what is new comes last.
    pub fn files(&self) -> Made {
        if let Some(given) = &self.given {
            return self.files_on(given);
        }
        let users = self.users.iter().map(|user| ((user.uid, &user.name), user_line(user)));
        let groups = self.groups.iter().map(|group| ((group.gid, &group.name), group_line(group)));
        let file = |path, lines: BTreeMap<(u32, &String), String>| {
            let path = fixed(path);
            let text: String = lines.into_values().collect();
            (path.clone(), MadeFile::file(path, 0o644, text.into_bytes()))
        };
        [file("/etc/passwd", users.collect()), file("/etc/group", groups.collect())].into()
    }
}

/// A line of passwd(5).
fn user_line(user: &User) -> String {
    let User { name, uid, gid, comment, home, shell, .. } = user;
    format!("{name}:x:{uid}:{gid}:{comment}:{home}:{shell}\n")
}

/// A line of group(5).
fn group_line(group: &Group) -> String {
    let members: Vec<&str> = group.members.iter().map(String::as_str).collect();
    format!("{}:x:{}:{}\n", group.name, group.gid, members.join(","))
}

fn text(path: Option<&crate::root_path::RootPath>, default: &str) -> String {
    path.map_or(default, |path| path.as_str()).to_owned()
}

/// An id of a range that depends on the name alone, unless another has it: then the next free one.
pub(super) fn derived_id(
    name: &str,
    range: RangeInclusive<u32>,
    taken: &BTreeSet<u32>,
) -> Result<u32, RenderError> {
    let (first, count) = (*range.start(), range.end() - range.start() + 1);
    let bytes = *Digest::of(name.as_bytes()).as_bytes();
    let start = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) % count;
    (0..count)
        .map(|step| first + (start + step) % count)
        .find(|id| !taken.contains(id))
        .ok_or_else(|| RenderError::NoFreeId(name.to_owned()))
}
