//! What the scripts of newly installed packages do, as far as it is understood.

use crate::root_path::RootPath;

use super::super::{Made, MadeFile, fixed};
use super::accounts::{AccountState, Outcome};
use super::commands::{AccountCommand, account_command};
use super::script::evaluate;
use super::{Package, Setup, Step};
use crate::apk::installed::SCRIPTS;

/// Accounts that are left out, by package.
const LEFT_OUT: [(&str, &str); 1] = [("busybox", "klogd")];
/// Directories in which nothing is made: the kernel's.
const KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];

impl<'a> Setup<'a> {
    /// Runs the scripts of the packages that are in the image from this layer on.
    pub(super) fn run_scripts(&mut self, accounts: &mut AccountState<'a>, made: &mut Made) {
        let new: Vec<Package<'a>> = self
            .order
            .iter()
            .map(|at| &self.image.packages[*at])
            .filter(|package| !self.listed.contains(package.name) && self.is_installed(package))
            .cloned()
            .collect();
        self.listed.extend(new.iter().map(|package| package.name));
        // `pre-install` and `post-install`; the package's files are there for both.
        for (package, script) in
            new.iter().flat_map(|package| SCRIPTS[..2].iter().map(move |script| (package, script)))
        {
            let Some(text) = package.record.scripts.get(script) else { continue };
            let text = String::from_utf8_lossy(text);
            let lines = evaluate(&text, &mut |words| self.command(package.name, words, accounts, made));
            self.steps.extend(lines.into_iter().map(|line| Step {
                package: package.name.to_owned(),
                script: (*script).to_owned(),
                line,
            }));
        }
        for package in &new {
            let trigger = package.record.scripts.get("trigger");
            if trigger.is_some_and(|text| !String::from_utf8_lossy(text).contains("busybox --install")) {
                let (package, script) = (package.name.to_owned(), "trigger".to_owned());
                let line = "all of it".to_owned();
                self.steps.push(Step { package, script, line });
            }
        }
    }

    /// One command of a script, called in the root directory. None if it is not understood.
    fn command(
        &mut self,
        package: &str,
        words: &[String],
        accounts: &mut AccountState<'a>,
        made: &mut Made,
    ) -> Option<bool> {
        let mut words = words.to_vec();
        let program = words.first()?.clone();
        let program = program.rsplit('/').next().unwrap_or_default();
        let second = words.get(1).map(String::as_str);
        if matches!(program, "busybox" | "busybox-extras" | "bbsuid") && second == Some("--install") {
            return Some(true);
        }
        if program == "busybox" && words.len() > 1 {
            words.remove(0);
            return self.command(package, &words, accounts, made);
        }
        program.clone_into(&mut words[0]);
        match program {
            "true" | ":" | "set" | "echo" | "printf" | "umask" => Some(true),
            "false" => Some(false),
            "adduser" | "addgroup" => self.account(package, account_command(&words)?, accounts, made),
            "getent" => match words.as_slice() {
                [_, database, name] if database == "passwd" => {
                    Some(accounts.accounts().primary_gid(name).is_some())
                }
                [_, database, name] if database == "group" => Some(accounts.accounts().gid(name).is_some()),
                _ => None,
            },
            "mkdir" => self.make_directories(&words[1..], made),
            "chown" => self.is_owned(&words[1..], accounts).then_some(true),
            "chmod" => self.has_mode(&words[1..]).then_some(true),
            _ => None,
        }
    }

    fn account(
        &mut self,
        package: &str,
        command: AccountCommand,
        accounts: &mut AccountState<'a>,
        made: &mut Made,
    ) -> Option<bool> {
        let name = match &command {
            AccountCommand::Group(group) => &group.name,
            AccountCommand::User(user) => &user.name,
            AccountCommand::Member { user, .. } => user,
        };
        if LEFT_OUT.contains(&(package, name)) {
            return Some(true);
        }
        match accounts.run(command) {
            Outcome::Done(home) => {
                let path = home.as_ref().and_then(|home| RootPath::parse(&home.path).ok());
                if let (Some(home), Some(path)) = (home, path) {
                    // Set-group-ID, as busybox has it.
                    self.make_directory(&path, [0o2755, home.uid, home.gid], made);
                }
                Some(true)
            }
            Outcome::Taken => Some(false),
            Outcome::Impossible => None,
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

    /// `mkdir -p`, and `mkdir` alike, which fails where something is.
    fn make_directories(&mut self, arguments: &[String], made: &mut Made) -> Option<bool> {
        let paths = arguments.iter().filter(|argument| *argument != "-p");
        let paths = paths.map(|path| RootPath::parse(path).ok().filter(|_| !path.starts_with('-')));
        for path in paths.collect::<Option<Vec<RootPath>>>()? {
            // The directories of programs are there as soon as one is in them.
            let is_of_programs = ["/bin", "/sbin", "/usr/bin", "/usr/sbin"].contains(&path.as_str());
            if !is_of_programs {
                self.make_directory(&path, [0o755, 0, 0], made);
            }
        }
        Some(true)
    }

    /// Whether `chown OWNER:GROUP FILE` finds files that are owned so.
    fn is_owned(&self, arguments: &[String], accounts: &AccountState<'a>) -> bool {
        let Some((owner, paths)) = arguments.split_first() else { return false };
        let Some((user, group)) = owner.split_once(':') else { return false };
        let known = accounts.accounts();
        self.all(paths, |uid, gid, _| known.uid(user) == Some(uid) && known.gid(group) == Some(gid))
    }

    /// Whether `chmod 640 FILE` finds files that have this mode.
    fn has_mode(&self, arguments: &[String]) -> bool {
        let Some((mode, paths)) = arguments.split_first() else { return false };
        let wanted = u32::from_str_radix(mode, 8).ok();
        self.all(paths, |_, _, mode| wanted == Some(mode))
    }

    fn all(&self, paths: &[String], is_so: impl Fn(u32, u32, u32) -> bool) -> bool {
        !paths.is_empty()
            && paths.iter().all(|path| {
                let path = RootPath::parse(path).ok().map(|path| self.resolve(&path));
                let file = path.and_then(|path| self.shipped.get(&path));
                file.is_some_and(|(_, metadata)| is_so(metadata.uid, metadata.gid, metadata.mode))
            })
    }
}
