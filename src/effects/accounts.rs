//! The users and groups that a script finds.

use std::collections::{BTreeMap, BTreeSet};

use super::{Effect, Owner};
use crate::distro::PackageFormat;
use crate::recipe::{base_groups, base_users};
use crate::shell::text::{UNKNOWN, is_known};

/// A user, as far as scripts may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownUser {
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) gecos: String,
    pub(super) home: String,
    pub(super) shell: String,
}

/// Who exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AccountNames {
    pub(super) users: BTreeMap<String, KnownUser>,
    pub(super) groups: BTreeMap<String, Option<u32>>,
    pub(super) members: BTreeSet<(String, String)>,
}

impl AccountNames {
    /// Those of a system on which nothing but the base is installed.
    pub(super) fn base(format: PackageFormat) -> Self {
        let users = base_users(format).iter().map(|user| {
            let known = KnownUser {
                uid: Some(user.uid),
                gid: Some(user.gid),
                gecos: user.gecos.to_owned(),
                home: user.home.to_owned(),
                shell: user.shell.to_owned(),
            };
            (user.name.to_owned(), known)
        });
        let groups = base_groups(format).iter().map(|group| (group.name.to_owned(), Some(group.gid)));
        AccountNames { users: users.collect(), groups: groups.collect(), members: BTreeSet::new() }
    }

    /// With those that effects make.
    pub(super) fn with(mut self, effects: &[Effect]) -> Self {
        for effect in effects {
            match effect {
                Effect::Group { name, gid, .. } => _ = self.groups.entry(name.clone()).or_insert(*gid),
                Effect::User { name, uid, group, groups, home, shell, gecos, .. } => {
                    let gid = match group {
                        Some(group) => self.number(group, true),
                        None => *self.groups.entry(name.clone()).or_insert(*uid),
                    };
                    let text = |text: &Option<String>| text.clone().unwrap_or_default();
                    self.users.entry(name.clone()).or_insert(KnownUser {
                        uid: *uid,
                        gid,
                        gecos: text(gecos),
                        home: text(home),
                        // As of all whom nobody gives one.
                        shell: shell.clone().unwrap_or_else(|| "/usr/sbin/nologin".to_owned()),
                    });
                    self.members.extend(groups.iter().map(|group| (name.clone(), group.clone())));
                }
                Effect::Member { user, group } => _ = self.members.insert((user.clone(), group.clone())),
                _ => {}
            }
        }
        self
    }

    /// The number of an account by name or number, where it is settled.
    pub(super) fn number(&self, name: &str, is_group: bool) -> Option<u32> {
        let known = if is_group {
            self.groups.get(name).copied().flatten()
        } else {
            self.users.get(name).and_then(|user| user.uid)
        };
        known.or_else(|| name.parse().ok())
    }

    /// Whether there are such accounts; any may have a number, and what is not known may be the name of one.
    pub(super) fn know(&self, owner: &Owner) -> bool {
        let may_be = |name: &String| name.parse::<u32>().is_ok() || !is_known(name);
        let is_user = |name: &String| may_be(name) || self.users.contains_key(name);
        let is_group = |name: &String| may_be(name) || self.groups.contains_key(name);
        owner.user.iter().all(is_user) && owner.group.iter().all(is_group)
    }

    /// The name of an account by number or name.
    pub(super) fn name<'a>(&'a self, text: &'a str, is_group: bool) -> &'a str {
        let Ok(number) = text.parse::<u32>() else { return text };
        let found = if is_group {
            self.groups.iter().find(|(_, gid)| **gid == Some(number)).map(|(name, _)| name)
        } else {
            self.users.iter().find(|(_, user)| user.uid == Some(number)).map(|(name, _)| name)
        };
        found.map_or(text, String::as_str)
    }

    /// The name of a user's own group, as far as it is known.
    pub(super) fn primary_group(&self, user: &str) -> Option<String> {
        let gid = self.users.get(user)?.gid;
        let found = self.groups.iter().find(|(_, number)| number.is_some() && **number == gid);
        let own = self.groups.contains_key(user).then_some(user);
        found.map(|(name, _)| name.as_str()).or(own).map(ToOwned::to_owned)
    }

    /// All of `passwd`, by name.
    pub(super) fn passwd(&self) -> String {
        self.users.keys().filter_map(|name| self.passwd_line(name)).collect()
    }

    /// All of `group`, by name.
    pub(super) fn group(&self) -> String {
        self.groups.keys().filter_map(|name| self.group_line(name)).collect()
    }

    /// The line of `passwd` of a user by name or number.
    pub(super) fn passwd_line(&self, key: &str) -> Option<String> {
        let number = key.parse::<u32>().ok();
        let mut users = self.users.iter();
        let (name, user) =
            users.find(|(name, user)| *name == key || number.is_some() && user.uid == number)?;
        let (uid, gid) = (shown(user.uid), shown(user.gid));
        Some(format!("{name}:x:{uid}:{gid}:{}:{}:{}\n", user.gecos, user.home, user.shell))
    }

    /// The line of `group` of a group by name or number.
    pub(super) fn group_line(&self, key: &str) -> Option<String> {
        let number = key.parse::<u32>().ok();
        let mut groups = self.groups.iter();
        let (name, gid) = groups.find(|(name, gid)| *name == key || number.is_some() && **gid == number)?;
        let members: Vec<&str> =
            self.members.iter().filter(|(_, group)| group == name).map(|(user, _)| user.as_str()).collect();
        Some(format!("{name}:x:{}:{}\n", shown(*gid), members.join(",")))
    }
}

/// A number, which may not be settled yet.
pub(super) fn shown(number: Option<u32>) -> String {
    number.map_or_else(|| UNKNOWN.to_string(), |number| number.to_string())
}
