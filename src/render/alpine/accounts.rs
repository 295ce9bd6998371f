//! `/etc/passwd`, `/etc/group` and `/etc/shadow` of an Alpine image: a package's files, or the base accounts
//! where no package has them; upon those the recipe's accounts, and those that packages' scripts make.
//!
//! What a script's `adduser` and `addgroup` do is what busybox's do (`loginutils/adduser.c`, `addgroup.c`),
//! but for two things. An id that the script leaves open is not the first free one, which depends on what
//! else is installed, but derived from the name within the same range: images that share no base agree on
//! it, and Alpine has no static ids they could agree on. And the day of the last change in `shadow` is that
//! of all that rootforge makes, since no clock may reach an image.
//!
//! A name that is taken keeps its id in every layer, and what a lower layer has is never renumbered. Where
//! an upper layer brings a package's files, all is done again upon those.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::super::accounts::{DERIVED_IDS, derived_id};
use super::super::{Accounts, EPOCH, RenderError};
use super::base;
use crate::recipe::{Recipe, User};

/// The ids of accounts that are no system accounts.
const ORDINARY_IDS: RangeInclusive<u32> = 1000..=59_999;
/// The group of a system user that names none.
const NOGROUP: &str = "nogroup";

/// What a script asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AccountCommand {
    /// A new group.
    Group(NewGroup),
    /// A user is to be in a group.
    Member {
        /// The user.
        user: String,
        /// The group.
        group: String,
    },
    /// A new user.
    User(NewUser),
}

/// `addgroup`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NewGroup {
    pub(super) name: String,
    pub(super) gid: Option<u32>,
    pub(super) system: bool,
}

/// `adduser`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NewUser {
    pub(super) name: String,
    pub(super) uid: Option<u32>,
    pub(super) system: bool,
    pub(super) group: Option<String>,
    pub(super) comment: Option<String>,
    pub(super) home: Option<String>,
    pub(super) shell: Option<String>,
    pub(super) no_home: bool,
}

/// One of the files: lines, split at colons.
pub(super) type Table = Vec<Vec<String>>;

/// The three files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) passwd: Table,
    pub(super) group: Table,
    /// Only where a package has it.
    pub(super) shadow: Option<Table>,
}

/// A directory that `adduser` makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) path: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// How a command came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was done.
    Done(Option<Home>),
    /// The name or the number is taken, which scripts reckon with.
    Taken,
    /// A user or group is missing, or there is no free id.
    Impossible,
}

/// The accounts as they are after some layers.
#[derive(Debug)]
pub(super) struct AccountState<'a> {
    /// The recipes whose layers have begun, lowest first.
    recipes: Vec<&'a Recipe>,
    /// As packages have them.
    base: Files,
    files: Files,
    /// What scripts asked for, in order.
    commands: Vec<AccountCommand>,
    uids: BTreeMap<String, u32>,
    gids: BTreeMap<String, u32>,
}

impl<'a> AccountState<'a> {
    /// The base accounts with those of the recipe.
    pub(super) fn new(recipe: &'a Recipe, has_shell: bool) -> Result<Self, RenderError> {
        let files = Files {
            passwd: table(base::passwd(has_shell).as_bytes()),
            group: table(base::group().as_bytes()),
            shadow: None,
        };
        let (uids, gids) = (BTreeMap::new(), BTreeMap::new());
        let (base, commands) = (files.clone(), Vec::new());
        let mut state = AccountState { recipes: vec![recipe], base, files, commands, uids, gids };
        state.apply_recipes()?;
        Ok(state)
    }

    /// Adds the accounts of the next recipe of the stack.
    pub(super) fn begin(&mut self, recipe: &'a Recipe) -> Result<(), RenderError> {
        self.accounts().check_numbers(recipe)?;
        self.recipes.push(recipe);
        self.apply_recipe(recipe)
    }

    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// For the owners of files.
    pub(super) fn accounts(&self) -> Accounts {
        Accounts::parse(&text(&self.files.passwd), &text(&self.files.group))
    }

    /// Whether there is anything but the base accounts.
    pub(super) fn has_own(&self) -> bool {
        let defines = |recipe: &&Recipe| !recipe.users.is_empty() || !recipe.groups.is_empty();
        self.recipes.iter().any(defines) || !self.commands.is_empty()
    }

    /// Does all again upon files of packages; what is not given stays as it is.
    pub(super) fn rebase(
        &mut self,
        passwd: Option<Table>,
        group: Option<Table>,
        shadow: Option<Table>,
    ) -> Result<(), RenderError> {
        self.base.passwd = passwd.unwrap_or_else(|| std::mem::take(&mut self.base.passwd));
        self.base.group = group.unwrap_or_else(|| std::mem::take(&mut self.base.group));
        self.base.shadow = shadow.or_else(|| self.base.shadow.take());
        self.files = self.base.clone();
        self.apply_recipes()?;
        for command in self.commands.clone() {
            self.apply(&command);
        }
        Ok(())
    }

    /// Does what a script asks for.
    pub(super) fn run(&mut self, command: AccountCommand) -> Outcome {
        let outcome = self.apply(&command);
        if matches!(outcome, Outcome::Done(_)) {
            self.commands.push(command);
        }
        outcome
    }

    fn apply(&mut self, command: &AccountCommand) -> Outcome {
        match command {
            AccountCommand::Group(group) => self.new_group(group),
            AccountCommand::Member { user, group } if self.has_user(user) => self.join(user, group),
            AccountCommand::Member { .. } => Outcome::Impossible,
            AccountCommand::User(user) => self.new_user(user),
        }
    }

    fn new_group(&mut self, group: &NewGroup) -> Outcome {
        if self.gid(&group.name).is_some() || group.gid.is_some_and(|gid| self.gids_taken().contains(&gid)) {
            return Outcome::Taken;
        }
        let gid = group.gid.or_else(|| self.free_gid(&group.name, range(group.system)));
        let Some(gid) = gid else { return Outcome::Impossible };
        self.push_group(&group.name, gid);
        Outcome::Done(None)
    }

    fn join(&mut self, user: &str, group: &str) -> Outcome {
        let Some(line) = find_mut(&mut self.files.group, group) else { return Outcome::Impossible };
        line.resize(line.len().max(4), String::new());
        if !line[3].split(',').any(|member| member == user) {
            let comma = if line[3].is_empty() { "" } else { "," };
            line[3] = format!("{}{comma}{user}", line[3]);
        }
        Outcome::Done(None)
    }

    fn new_user(&mut self, user: &NewUser) -> Outcome {
        let named = user.group.as_deref().or(user.system.then_some(NOGROUP));
        let own_group = named.is_none();
        if self.has_user(&user.name)
            || user.uid.is_some_and(|uid| self.uids_taken().contains(&uid))
            || (own_group && self.gid(&user.name).is_some())
        {
            return Outcome::Taken;
        }
        let gid = named.map(|group| self.gid(group));
        if gid == Some(None) {
            return Outcome::Impossible;
        }
        let uid = user.uid.or_else(|| self.free_uid(&user.name, range(user.system), own_group));
        let Some(uid) = uid else { return Outcome::Impossible };
        let gid = gid.flatten().unwrap_or(uid);
        let home = user.home.clone().unwrap_or_else(|| format!("/home/{}", user.name));
        let comment = user.comment.as_deref().unwrap_or("Linux User,,,");
        let default = if user.system { "/sbin/nologin" } else { "/bin/sh" };
        self.push_user(&user.name, [uid, gid], [comment, &home, user.shell.as_deref().unwrap_or(default)]);
        match named {
            Some(group) => {
                self.join(&user.name, group);
            }
            None => self.push_group(&user.name, gid),
        }
        Outcome::Done((!user.no_home).then_some(Home { path: home, uid, gid }))
    }

    fn apply_recipes(&mut self) -> Result<(), RenderError> {
        let recipes = self.recipes.clone();
        recipes.into_iter().try_for_each(|recipe| self.apply_recipe(recipe))
    }

    /// Adds a recipe's accounts, which win over those of one name.
    fn apply_recipe(&mut self, recipe: &Recipe) -> Result<(), RenderError> {
        // Those with a number come first, so that a derived one never takes it.
        let (numbered, derived): (Vec<_>, Vec<_>) =
            recipe.groups.iter().partition(|group| group.gid.is_some());
        for group in numbered.into_iter().chain(derived) {
            self.set_group(&group.name, group.gid)?;
        }
        let (numbered, derived): (Vec<_>, Vec<_>) = recipe.users.iter().partition(|user| user.uid.is_some());
        for user in numbered.into_iter().chain(derived) {
            self.set_user(user)?;
        }
        Ok(())
    }

    fn set_group(&mut self, name: &str, gid: Option<u32>) -> Result<u32, RenderError> {
        // A group may be named by its number.
        if let Some(number) = name.parse::<u32>().ok().filter(|_| self.gid(name).is_none()) {
            return Ok(number);
        }
        if let Some(line) = find_mut(&mut self.files.group, name) {
            if let (Some(gid), true) = (gid, line.len() > 2) {
                line[2] = gid.to_string();
            }
            return Ok(self.gid(name).unwrap_or(0));
        }
        let gid = gid
            .or_else(|| self.free_gid(name, DERIVED_IDS))
            .ok_or_else(|| RenderError::NoFreeId(name.to_owned()))?;
        self.push_group(name, gid);
        Ok(gid)
    }

    fn set_user(&mut self, user: &User) -> Result<(), RenderError> {
        let before: Option<Vec<String>> =
            find(&self.files.passwd, &user.name).filter(|line| line.len() == 7).cloned();
        let known = |at: usize| before.as_ref().map(|line| line[at].clone());
        let uid = match user.uid.or_else(|| known(2)?.parse().ok()) {
            Some(uid) => uid,
            None => self
                .free_uid(&user.name, DERIVED_IDS, false)
                .ok_or_else(|| RenderError::NoFreeId(user.name.clone()))?,
        };
        let gid = match (user.gid, &user.group, known(3).and_then(|gid| gid.parse().ok())) {
            (gid, Some(group), _) => self.set_group(group, gid)?,
            (Some(gid), None, _) if self.gids_taken().contains(&gid) => gid,
            (Some(gid), None, _) => self.set_group(&user.name, Some(gid))?,
            (None, None, Some(gid)) => gid,
            (None, None, None) => {
                let free = !self.gids_taken().contains(&uid);
                self.set_group(&user.name, free.then_some(uid))?
            }
        };
        for group in &user.groups {
            self.set_group(group, None)?;
            self.join(&user.name, group);
        }
        let path = |path: Option<&crate::root_path::RootPath>, at, default: &str| {
            path.map(|path| path.as_str().to_owned())
                .or_else(|| known(at))
                .unwrap_or_else(|| default.to_owned())
        };
        let home = path(user.home.as_ref(), 5, "/nonexistent");
        let shell = path(user.shell.as_ref(), 6, "/sbin/nologin");
        self.push_user(&user.name, [uid, gid], [&known(4).unwrap_or_default(), &home, &shell]);
        Ok(())
    }

    /// Adds a user, or changes the one of this name.
    fn push_user(&mut self, name: &str, [uid, gid]: [u32; 2], [comment, home, shell]: [&str; 3]) {
        self.uids.insert(name.to_owned(), uid);
        let fields = [name, "x", &uid.to_string(), &gid.to_string(), comment, home, shell].map(str::to_owned);
        match find_mut(&mut self.files.passwd, name) {
            Some(line) => *line = fields.to_vec(),
            None => self.files.passwd.push(fields.to_vec()),
        }
        if let Some(shadow) = self.files.shadow.as_mut().filter(|shadow| find(shadow, name).is_none()) {
            let day = (EPOCH / (24 * 60 * 60)).to_string();
            shadow.push([name, "!", &day, "0", "99999", "7", "", "", ""].map(str::to_owned).to_vec());
        }
    }

    fn push_group(&mut self, name: &str, gid: u32) {
        self.gids.insert(name.to_owned(), gid);
        self.files.group.push([name, "x", &gid.to_string(), ""].map(str::to_owned).to_vec());
    }

    fn has_user(&self, name: &str) -> bool {
        find(&self.files.passwd, name).is_some()
    }

    fn gid(&self, name: &str) -> Option<u32> {
        find(&self.files.group, name)?.get(2)?.parse().ok()
    }

    fn uids_taken(&self) -> BTreeSet<u32> {
        ids(&self.files.passwd)
    }

    fn gids_taken(&self) -> BTreeSet<u32> {
        ids(&self.files.group)
    }

    /// The id a name had before, or one derived from it; where the user's own group is to have it too, one
    /// that is free as both.
    fn free_uid(&self, name: &str, range: RangeInclusive<u32>, as_group: bool) -> Option<u32> {
        let mut taken = self.uids_taken();
        if as_group {
            taken.extend(self.gids_taken());
        }
        remembered(&self.uids, name, &taken).or_else(|| derived_id(name, range, &taken).ok())
    }

    fn free_gid(&self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let taken = self.gids_taken();
        remembered(&self.gids, name, &taken).or_else(|| derived_id(name, range, &taken).ok())
    }
}

/// Splits one of the files.
pub(super) fn table(bytes: &[u8]) -> Table {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
}

/// Joins one of the files.
pub(super) fn text(table: &Table) -> String {
    table.iter().map(|line| line.join(":") + "\n").collect()
}

fn range(system: bool) -> RangeInclusive<u32> {
    if system { DERIVED_IDS } else { ORDINARY_IDS }
}

fn remembered(ids: &BTreeMap<String, u32>, name: &str, taken: &BTreeSet<u32>) -> Option<u32> {
    ids.get(name).copied().filter(|id| !taken.contains(id))
}

fn ids(table: &Table) -> BTreeSet<u32> {
    table.iter().filter_map(|line| line.get(2)?.parse().ok()).collect()
}

fn find<'t>(table: &'t Table, name: &str) -> Option<&'t Vec<String>> {
    table.iter().find(|line| line.first().is_some_and(|first| first == name))
}

fn find_mut<'t>(table: &'t mut Table, name: &str) -> Option<&'t mut Vec<String>> {
    table.iter_mut().find(|line| line.first().is_some_and(|first| first == name))
}

#[cfg(test)]
mod tests;
