//! The files and commands that a script finds: the image's, with what it has changed itself.

use std::collections::BTreeSet;

use super::super::models;
use super::{Content, Item, Machine};
use crate::root_path::RootPath;
use crate::shell::text::{decode, encode, is_known};
use crate::shell::{Call, Node, Reply, Source, World};

/// Directories every installed system has before the first package is configured, whoever ships them.
const DIRECTORIES: &[&str] = &[
    "/",
    "/boot",
    "/dev",
    "/etc",
    "/etc/default",
    "/etc/profile.d",
    "/etc/skel",
    "/home",
    "/proc",
    "/root",
    "/run",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/games",
    "/usr/include",
    "/usr/lib",
    "/usr/sbin",
    "/usr/share",
    "/usr/share/doc",
    "/usr/share/info",
    "/usr/share/man",
    "/usr/share/misc",
    "/usr/src",
    "/var",
    "/var/backups",
    "/var/cache",
    "/var/lib",
    "/var/lib/dpkg",
    "/var/lib/dpkg/info",
    "/var/lib/misc",
    "/var/local",
    "/var/log",
    "/var/spool",
    "/var/tmp",
    "/var/lib/systemd",
    "/etc/alternatives",
    "/var/lib/dpkg/alternatives",
];
/// Further ones, which the scripts of Essential packages make.
const LOCAL_DIRECTORIES: &[&str] = &[
    "/etc/opt",
    "/media",
    "/mnt",
    "/opt",
    "/run/lock",
    "/srv",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/etc",
    "/usr/local/games",
    "/usr/local/include",
    "/usr/local/lib",
    "/usr/local/sbin",
    "/usr/local/share",
    "/usr/local/src",
    "/var/mail",
    "/var/opt",
];
/// Where commands are, in the order of root's `PATH`.
const COMMANDS: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

impl World for Machine<'_> {
    fn node(&self, path: &RootPath) -> Option<Node> {
        match self.changes.get(path) {
            Some(None) => return None,
            Some(Some(Item::Directory(_))) => return Some(Node::Directory),
            Some(Some(Item::Symlink(target))) => return Some(Node::Symlink(target.clone())),
            Some(Some(Item::File(content, mode))) => {
                let size = match content {
                    Content::Text(text) => encode(text).map(|bytes| bytes.len() as u64),
                    Content::Of(path) => match self.files.node(path) {
                        Some(Node::File { size, .. }) => size,
                        _ => None,
                    },
                };
                return Some(Node::File { mode: *mode, size });
            }
            None => {}
        }
        if path.ancestors().any(|above| self.changes.get(&above) == Some(&None)) {
            return None;
        }
        if let Some(node) = self.files.node(path) {
            return Some(node);
        }
        if self.account_file(path).is_some() || self.standing_file(path).is_some() {
            return Some(Node::File { mode: 0o644, size: None });
        }
        let is_there = |path: &str| {
            DIRECTORIES.contains(&path) || !self.facts.is_essential && LOCAL_DIRECTORIES.contains(&path)
        };
        if is_there(path.as_str()) {
            return Some(Node::Directory);
        }
        // Commands of packages that are not looked into, yet on every system where packages are configured.
        models::is_essential(path, self.facts.is_apk).then_some(Node::File { mode: 0o755, size: None })
    }

    fn bits(&self, directory: &RootPath) -> u32 {
        self.mode(directory)
    }

    fn list(&self, directory: &RootPath) -> Vec<String> {
        let mut names: BTreeSet<String> = self.files.list(directory).into_iter().collect();
        let below = self.changes.range(directory.clone()..);
        for (path, item) in below.take_while(|(path, _)| path.is_within(directory)) {
            if path.parent().as_ref() == Some(directory) {
                if item.is_some() {
                    names.insert(path.file_name().to_owned());
                } else {
                    names.remove(path.file_name());
                }
            }
        }
        names.into_iter().collect()
    }

    fn read(&mut self, path: &RootPath) -> Option<String> {
        match self.content(path) {
            Content::Text(text) => Some(text),
            Content::Of(path) if self.account_file(&path).is_some() => self.account_file(&path),
            Content::Of(path) => {
                let standing = || self.standing_file(&path).map(ToOwned::to_owned);
                self.files.read(&path).map(|bytes| decode(&bytes)).or_else(standing)
            }
        }
    }

    fn write(&mut self, path: &RootPath, content: &str, append: bool, bits: u32) -> Result<(), String> {
        if self.account_file(path).is_some() {
            return Err("accounts are made by commands for them".to_owned());
        }
        let exists = self.node(path).is_some();
        if append && !exists && self.may_have(path.as_str()) {
            return Err("what the file holds before is not known".to_owned());
        }
        let text = if append && exists {
            if content.is_empty() {
                return Ok(());
            }
            match self.read(path) {
                Some(before) => before + content,
                None => return Err("what the file holds before is not known".to_owned()),
            }
        } else {
            content.to_owned()
        };
        let mode = if exists { self.mode(path) } else { bits };
        if encode(&text).is_none() && !self.passes(path) {
            self.changes.insert(path.clone(), Some(Item::File(Content::Text(text), mode)));
            self.forget(path);
            return Err("what it writes depends on what is not known".to_owned());
        }
        self.make_file(path, Content::Text(text), (!exists && bits != 0o644).then_some(bits), None)
    }

    fn source(&mut self, path: &RootPath) -> Source {
        if path.as_str() == "/usr/share/debconf/confmodule" {
            return Source::Modelled;
        }
        match self.node(path) {
            Some(Node::File { .. }) => match self.read(path) {
                Some(text) if is_known(&text) => Source::Script(text),
                _ => Source::Unknown("its content is not known".to_owned()),
            },
            _ => models::sourced(path),
        }
    }

    fn command(&self, name: &str) -> Option<Option<RootPath>> {
        for directory in COMMANDS {
            let path = RootPath::parse(directory).ok()?.join(name).ok()?;
            let real = crate::shell::resolve(self, &RootPath::root(), path.as_str());
            if let Some(Node::File { mode, .. }) = real.and_then(|real| self.node(&real))
                && mode & 0o111 != 0
            {
                return Some(Some(path));
            }
        }
        Some(None)
    }

    fn run(&mut self, call: &Call) -> Reply {
        models::run(self, call)
    }

    fn owns(&self, path: &RootPath, group: bool) -> Option<bool> {
        let user = self.user.as_deref().unwrap_or("root");
        let owner = self.owner(path);
        let (own, name) = if group {
            (self.accounts.primary_group(user)?, owner.group?)
        } else {
            (user.to_owned(), owner.user?)
        };
        let number = |name: &str| self.accounts.number(name, group);
        match (number(&own), number(&name)) {
            _ if own == name => Some(true),
            (Some(own), Some(name)) => Some(own == name),
            // A number that is still to be chosen is none that a package's file has.
            _ => Some(false),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        self.effects == other.effects
            && self.changes == other.changes
            && self.owners == other.owners
            && self.answers == other.answers
            && self.substitutions == other.substitutions
    }
    fn join(&mut self, other: &Self) {
        self.at_run_time.extend(other.at_run_time.iter().cloned());
    }
}
