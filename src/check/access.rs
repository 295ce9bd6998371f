//! May the user of an image run what it starts, and does the loader open for this user what it needs?
//!
//! By owners and modes as Linux reads them (`path_resolution(7)`, "Permissions"): of the file, and of each directory on the
//! way to it, links followed. Capabilities beyond root's and access control lists are left out.

use serde_json::Value;

use super::Fault;
use super::closure::Closure;
use super::tree::ImageTree;
use crate::loader::{Node, Resolved, follow};
use crate::root_path::RootPath;
use crate::select::interpreters;
use crate::tarball::Metadata;

/// Scripts are run by scripts, not by more than this (`BINPRM_MAX_RECURSION`).
const MAX_SCRIPTS: usize = 5;

const READ: u32 = 0o4;
const EXECUTE: u32 = 0o1;

/// Whom an image's processes run as.
pub(super) struct Account {
    /// As the config has it.
    name: String,
    uid: u32,
    groups: Vec<u32>,
}

/// What keeps somebody out: a file, or a directory on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Barrier {
    /// Where it is.
    pub at: RootPath,
    /// Its permissions.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

impl Account {
    /// Of a config's `User`; none where the image does not know it. Groups are those of `/etc/group`, unless one is given.
    pub(super) fn of(tree: &ImageTree, config: &Value) -> Option<Self> {
        let text = config["User"].as_str().filter(|text| !text.is_empty()).unwrap_or("0");
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        let lines = |file: &str| -> Vec<Vec<&str>> {
            let text = RootPath::parse(file).ok().and_then(|file| tree.text(&file)).unwrap_or_default();
            text.lines().map(|line| line.split(':').collect()).collect()
        };
        let number = |fields: &[&str], at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok());
        let (passwd, known_groups) = (lines("/etc/passwd"), lines("/etc/group"));
        let known = passwd.iter().find(|fields| fields[0] == user || fields.get(2) == Some(&user));
        let uid = known.and_then(|fields| number(fields, 2)).or_else(|| user.parse().ok())?;
        let groups = if group.is_empty() {
            let name = known.map_or(user, |fields| fields[0]);
            let is_in = |fields: &&Vec<&str>| {
                fields.get(3).is_some_and(|names| names.split(',').any(|one| one == name))
            };
            let more = known_groups.iter().filter(is_in).filter_map(|fields| number(fields, 2));
            std::iter::once(known.and_then(|fields| number(fields, 3)).unwrap_or(0)).chain(more).collect()
        } else {
            let named = known_groups.iter().find(|fields| fields[0] == group);
            vec![named.and_then(|fields| number(fields, 2)).or_else(|| group.parse().ok())?]
        };
        let name = if uid == 0 { "root".to_owned() } else { text.to_owned() };
        Some(Account { name, uid, groups })
    }

    /// Root may all, except to execute what nobody may.
    fn may(&self, what: u32, metadata: &Metadata, is_directory: bool) -> bool {
        let mode = metadata.mode;
        let granted = if self.uid == 0 {
            return what != EXECUTE || is_directory || mode & 0o111 != 0;
        } else if self.uid == metadata.uid {
            mode >> 6
        } else if self.groups.contains(&metadata.gid) {
            mode >> 3
        } else {
            mode
        };
        granted & what != 0
    }
}

impl ImageTree {
    /// Whether an account may execute what a path led to.
    pub(super) fn may_execute(&self, account: &Account, place: &Resolved) -> bool {
        self.barrier(account, place, EXECUTE).is_none()
    }

    /// What keeps an account from a file.
    fn barrier(&self, account: &Account, place: &Resolved, what: u32) -> Option<Barrier> {
        let barrier = |at: &RootPath, what: u32, is_directory: bool| {
            let metadata = &self.merged().get(at)?.metadata;
            let Metadata { mode, uid, gid, .. } = *metadata;
            let is_kept_out = !account.may(what, metadata, is_directory);
            is_kept_out.then(|| Barrier { at: at.clone(), mode: mode & 0o7777, uid, gid })
        };
        let passed = place.links.iter().chain([&place.path]);
        let above = passed.flat_map(|path| std::iter::once(RootPath::root()).chain(path.ancestors()));
        let directory = above.into_iter().find_map(|directory| barrier(&directory, EXECUTE, true));
        directory.or_else(|| barrier(&place.path, what, false))
    }

    /// What the user of an image may not execute or read of the program that it starts, its interpreters, and what the
    /// loader opens for them.
    pub(super) fn barred(
        &self,
        config: &Value,
        start: &Resolved,
        closure: Option<&Closure<'_>>,
    ) -> Vec<Fault> {
        let Some(account) = Account::of(self, config) else { return Vec::new() };
        let mut faults = Vec::new();
        let mut ask = |place: &Resolved, what: u32| {
            let fault = self.barrier(&account, place, what).map(|barrier| Fault::Barred {
                file: place.path.clone(),
                action: if what == READ { "read" } else { "executed" },
                user: account.name.clone(),
                barrier,
            });
            let may = fault.is_none();
            faults.extend(fault);
            may
        };
        let mut program = start.clone();
        for _ in 0..MAX_SCRIPTS {
            let may_start = ask(&program, EXECUTE);
            let Some(line) = self.shebang(&program.path) else { break };
            // Who may not start it need not be told that nobody would read it.
            _ = may_start && ask(&program, READ);
            let mut named = interpreters(line).into_iter().filter_map(|name| {
                // As with the program itself: the first that may be run.
                let found = self.commands(config, name);
                found.iter().find(|place| self.may_execute(&account, place)).or(found.first()).cloned()
            });
            let Some(interpreter) = named.next() else { break };
            named.for_each(|command| _ = ask(&command, EXECUTE));
            program = interpreter;
        }
        if let Some(Node::File(Some(facts))) = crate::loader::FileTree::node(self, &program.path) {
            let at = |path: &RootPath| follow(self, path);
            let interp = facts.interp.as_deref().and_then(|interp| RootPath::parse(interp).ok());
            interp.as_ref().and_then(at).iter().for_each(|loader| _ = ask(loader, EXECUTE));
            let libraries = closure.map(|closure| closure.libraries(&program.path)).unwrap_or_default();
            libraries.iter().filter_map(at).for_each(|library| _ = ask(&library, READ));
        }
        faults.dedup();
        faults
    }
}
