//! The accounts that the scripts of newly installed packages make.

use crate::effects::{Effect, PackageEffects};
use crate::root_path::RootPath;

use super::super::{Made, MadeFile, fixed};
use super::accounts::{AccountCommand, AccountState, NewGroup, NewUser, Outcome};
use super::{Package, Setup};

/// Accounts that are left out, by package.
const LEFT_OUT: [(&str, &str); 1] = [("busybox", "klogd")];
/// Directories in which nothing is made: the kernel's.
const KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];

impl<'a> Setup<'a> {
    /// Makes the accounts of the packages that are in the image from this layer on; those packages, first installed
    /// first.
    pub(super) fn run_scripts(&mut self, accounts: &mut AccountState<'a>, made: &mut Made) -> Vec<&'a str> {
        let new: Vec<&Package<'a>> = self.order.iter().map(|at| &self.image.packages[*at]).collect();
        let new: Vec<&'a str> = new
            .into_iter()
            .filter(|package| !self.listed.contains(package.name) && self.is_installed(package))
            .map(|package| package.name)
            .collect();
        self.listed.extend(&new);
        for name in &new {
            let effects: &'a [Effect] =
                self.effects.get(*name).map_or(&[], |all: &PackageEffects| &all.effects);
            for effect in effects {
                if let Effect::User { name: account, .. } | Effect::Group { name: account, .. } = effect
                    && command(effect).is_none()
                {
                    self.failures.push(format!("{name}: the account `{account}` cannot be made"));
                }
                if let Some((account, command)) = command(effect)
                    && !LEFT_OUT.contains(&(*name, account))
                    && !self.make_account(command, accounts, made)
                {
                    self.failures.push(format!("{name}: the account `{account}` cannot be made"));
                }
            }
        }
        new
    }

    /// Makes an account unless its name is taken; whether that is possible.
    fn make_account(
        &mut self,
        command: AccountCommand,
        accounts: &mut AccountState<'a>,
        made: &mut Made,
    ) -> bool {
        match accounts.run(command) {
            Outcome::Done(home) => {
                let path = home.as_ref().and_then(|home| RootPath::parse(&home.path).ok());
                if let (Some(home), Some(path)) = (home, path) {
                    // Set-group-ID, as busybox has it.
                    self.make_directory(&path, [0o2755, home.uid, home.gid], made);
                }
                true
            }
            Outcome::Taken => true,
            Outcome::Impossible => false,
        }
    }

    fn make_directory(&mut self, path: &RootPath, [mode, uid, gid]: [u32; 3], made: &mut Made) {
        let path = self.resolve(path);
        if path.is_root() || self.exists(&path) || KERNEL.iter().any(|kernel| path.is_within(&fixed(kernel)))
        {
            return;
        }
        let mut directory = MadeFile::directory(path.clone(), mode);
        directory.entry.metadata.uid = uid;
        directory.entry.metadata.gid = gid;
        self.directories.insert(path.clone());
        made.insert(path, directory);
    }
}

/// What an effect asks of the accounts, with the name that it is about; none if it is no account, or one that
/// would break a line of the files.
pub(super) fn command(effect: &Effect) -> Option<(&str, AccountCommand)> {
    let is_line = |text: &String| !text.contains([':', '\n']);
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.$".contains(c))
    };
    match effect {
        Effect::Group { name, gid, system } if is_name(name) => {
            let group = NewGroup { name: name.clone(), gid: *gid, system: *system };
            Some((name, AccountCommand::Group(group)))
        }
        Effect::User { name, uid, group, home, shell, gecos, create_home, system, .. } if is_name(name) => {
            let mut texts = [group, home, shell, gecos].into_iter().flatten();
            let user = NewUser {
                name: name.clone(),
                uid: *uid,
                system: *system,
                group: group.clone(),
                comment: gecos.clone(),
                home: home.clone(),
                shell: shell.clone(),
                no_home: !create_home,
            };
            texts.all(is_line).then_some((name, AccountCommand::User(user)))
        }
        Effect::Member { user, group } if is_name(user) && is_name(group) => {
            Some((user, AccountCommand::Member { user: user.clone(), group: group.clone() }))
        }
        _ => None,
    }
}
