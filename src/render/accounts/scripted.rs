//! The accounts that packages' scripts and sysusers.d(5) ask for.
//!
//! What has a number of its own comes first, then the rest by name, whatever the order of packages: so the
//! numbers depend on the names alone. A name that is known already keeps its number. What the recipe says of
//! a user stands; what it leaves open is as the script has it.

use std::collections::BTreeSet;

use crate::effects::Effect;

use super::{Accounts, DERIVED_IDS, Group, RenderError, User, derived_id};

/// The day of the last change in `/etc/shadow`: that of all that is made here.
const SHADOW_DAY: u64 = super::super::EPOCH / (24 * 60 * 60);

/// A home directory that a script has made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::render) struct Home {
    pub(in crate::render) path: String,
    pub(in crate::render) owner: [u32; 2],
    pub(in crate::render) mode: u32,
}

/// A user that is asked for.
#[derive(Clone, Copy)]
struct Request<'e> {
    name: &'e str,
    uid: Option<u32>,
    group: Option<&'e str>,
    groups: &'e [String],
    home: Option<&'e str>,
    shell: Option<&'e str>,
    gecos: Option<&'e str>,
    create_home: bool,
    system: bool,
}

impl Accounts {
    /// Adds what effects ask for; those that are no accounts are passed over. Gives the homes to be made.
    pub(in crate::render) fn apply<'e>(
        &mut self,
        effects: impl IntoIterator<Item = &'e Effect>,
    ) -> Result<BTreeSet<Home>, RenderError> {
        let (mut groups, mut users, mut members) = (Vec::new(), Vec::new(), BTreeSet::new());
        for effect in effects {
            match effect {
                Effect::Group { name, gid, .. } => groups.push((gid.is_none(), name.as_str(), *gid)),
                Effect::User { name, uid, group, groups, home, shell, gecos, create_home, system } => {
                    users.push(Request {
                        name,
                        uid: *uid,
                        group: group.as_deref(),
                        groups,
                        home: home.as_deref(),
                        shell: shell.as_deref(),
                        gecos: gecos.as_deref(),
                        create_home: *create_home,
                        system: *system,
                    });
                }
                Effect::Member { user, group } => {
                    members.insert((user.as_str(), group.as_str()));
                }
                _ => {}
            }
        }
        groups.sort_unstable();
        users.sort_by_key(|user| (user.uid.is_none(), user.name));
        for (_, name, gid) in groups.iter().filter(|(derived, ..)| !derived) {
            let free = gid.filter(|gid| !self.gids().contains(gid));
            self.add_group(name, free)?;
        }
        let mut homes = BTreeSet::new();
        // A user's own group has the user's number where that is free, so those come before other groups.
        for user in &users {
            homes.extend(self.request(user)?);
        }
        for (_, name, _) in groups.iter().filter(|(derived, ..)| *derived) {
            self.add_group(name, None)?;
        }
        for user in &users {
            members.extend(user.groups.iter().map(|group| (user.name, group.as_str())));
        }
        for (user, group) in members {
            if self.user_id(user).is_some() {
                self.add_group(group, None)?;
                self.join(user, group);
            }
        }
        Ok(homes)
    }

    fn gids(&self) -> BTreeSet<u32> {
        self.groups.iter().map(|group| group.gid).collect()
    }

    fn join(&mut self, user: &str, group: &str) {
        if let Some(group) = self.groups.iter_mut().find(|known| known.name == group) {
            group.members.insert(user.to_owned());
        }
    }

    /// Adds a user, or completes the one that the recipe defines. Gives the home that is to be made.
    fn request(&mut self, wanted: &Request<'_>) -> Result<Option<Home>, RenderError> {
        let at = match self.users.iter().position(|known| known.name == wanted.name) {
            Some(at) => {
                let known = &mut self.users[at];
                let open = std::mem::take(&mut known.open);
                if let Some(home) = wanted.home.filter(|_| open.home) {
                    home.clone_into(&mut known.home);
                }
                if let Some(shell) = wanted.shell.filter(|_| open.shell) {
                    shell.clone_into(&mut known.shell);
                }
                if let Some(gecos) = wanted.gecos.filter(|_| open.comment) {
                    gecos.clone_into(&mut known.comment);
                }
                at
            }
            None => self.create(wanted)?,
        };
        let user = &self.users[at];
        let mode = if wanted.system { 0o755 } else { 0o700 };
        let home = Home { path: user.home.clone(), owner: [user.uid, user.gid], mode };
        Ok(Some(home).filter(|home| wanted.create_home && !home.path.starts_with("/nonexistent")))
    }

    fn create(&mut self, wanted: &Request<'_>) -> Result<usize, RenderError> {
        let uids: BTreeSet<u32> = self.users.iter().map(|user| user.uid).collect();
        let own_group = wanted.group.is_none() && self.group_id(wanted.name).is_none();
        let uid = if let Some(uid) = wanted.uid.filter(|uid| !uids.contains(uid)) {
            uid
        } else {
            let mut taken = uids;
            if own_group {
                taken.extend(self.gids());
            }
            derived_id(wanted.name, DERIVED_IDS, &taken)?
        };
        let gid = if let Some(group) = wanted.group {
            match group.parse::<u32>() {
                Ok(gid) if self.group_id(group).is_none() => gid,
                _ => self.add_group(group, None)?,
            }
        } else {
            let free = !self.gids().contains(&uid);
            self.add_group(wanted.name, free.then_some(uid).filter(|_| own_group))?
        };
        self.users.push(User {
            name: wanted.name.to_owned(),
            uid,
            gid,
            comment: wanted.gecos.unwrap_or_default().to_owned(),
            home: wanted.home.unwrap_or("/nonexistent").to_owned(),
            shell: wanted.shell.unwrap_or("/usr/sbin/nologin").to_owned(),
            open: super::Open::default(),
        });
        Ok(self.users.len() - 1)
    }

    /// `/etc/shadow` and `/etc/gshadow`: nobody has a password, unless in a base image.
    pub(in crate::render) fn shadow(&self) -> Vec<(&'static str, String)> {
        if let Some(given) = self.given.as_ref().filter(|_| self.has_given_shadow()) {
            return self.shadow_on(given);
        }
        let mut users: Vec<&User> = self.users.iter().collect();
        users.sort_by_key(|user| (user.uid, &user.name));
        let mut groups: Vec<&Group> = self.groups.iter().collect();
        groups.sort_by_key(|group| (group.gid, &group.name));
        let users = users.into_iter().map(shadow_line).collect();
        let groups = groups.into_iter().map(group_shadow_line).collect();
        vec![("/etc/shadow", users), ("/etc/gshadow", groups)]
    }
}

/// A line of shadow(5): no password.
pub(super) fn shadow_line(user: &User) -> String {
    format!("{}:*:{SHADOW_DAY}:0:99999:7:::\n", user.name)
}

/// A line of gshadow(5): no password.
pub(super) fn group_shadow_line(group: &Group) -> String {
    let members: Vec<&str> = group.members.iter().map(String::as_str).collect();
    format!("{}:*::{}\n", group.name, members.join(","))
}
