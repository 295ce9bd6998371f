//! The world a maintainer script sees: an image's files, what the script has changed of them, and the log of
//! what it would leave behind.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::accounts::AccountNames;
use super::effort::Effort;
use super::files::ImageFiles;
use super::{Effect, ModeChange, NSSWITCH, NSSWITCH_CONF, Owner, Slave};
use crate::root_path::RootPath;
use crate::shell::text::{UNKNOWN, encode};
use crate::shell::{Call, Node, World};

mod attributes;
mod found;
mod moving;
mod unpacking;
mod world;

/// Below these nothing a script does stays in an image.
const PASSING: [&str; 5] = ["/tmp", "/proc", "/dev", "/sys", "/var/tmp"];

/// What a file that a script made holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// This text, which may be unknown in part.
    Text(String),
    /// What a file of the image holds.
    Of(RootPath),
}

/// What a script has put at a path, with its permission bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Directory(u32),
    File(Content, u32),
    Symlink(String),
}

/// What does not change while a package's scripts are evaluated.
pub(super) struct Facts {
    pub(super) package: String,
    pub(super) architecture: String,
    /// The questions of the package's debconf templates: their fields by lower-case name.
    pub(super) questions: BTreeMap<String, BTreeMap<String, String>>,
    pub(super) is_apk: bool,
    /// It is one of those that make a bare system.
    pub(super) is_essential: bool,
}

#[derive(Clone)]
pub(super) struct Machine<'a> {
    pub(super) files: &'a dyn ImageFiles,
    pub(super) facts: Rc<Facts>,
    /// What the script changed; none where it took something away.
    changes: BTreeMap<RootPath, Option<Item>>,
    /// As others' scripts have left it.
    found: BTreeMap<RootPath, Option<Item>>,
    pub(super) effects: Vec<Effect>,
    /// What others' scripts have done before.
    left: Vec<Effect>,
    /// Programs that make what is each machine's own.
    pub(super) at_run_time: BTreeSet<String>,
    /// Paths that commands without a model were given: who knows what they make there.
    told: BTreeSet<RootPath>,
    pub(super) accounts: AccountNames,
    /// Answers to debconf's questions that differ from the defaults.
    pub(super) answers: BTreeMap<String, String>,
    /// What stands for variables in debconf's templates, by question and variable.
    pub(super) substitutions: BTreeMap<(String, String), String>,
    /// What the models of commands have done.
    pub(super) effort: Effort,
    /// How many scripts call one another.
    pub(super) nested: usize,
    /// How many commands call one another.
    pub(super) called: usize,
    /// Temporary files made so far.
    temporary: BTreeSet<RootPath>,
    /// As whom commands run, unless as root.
    pub(super) user: Option<String>,
    /// Whose is what the script has made or given away, with user and group.
    owners: BTreeMap<RootPath, Owner>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(files: &'a dyn ImageFiles, facts: Facts, accounts: AccountNames) -> Self {
        Machine {
            files,
            facts: Rc::new(facts),
            changes: BTreeMap::new(),
            found: BTreeMap::new(),
            effects: Vec::new(),
            left: Vec::new(),
            at_run_time: BTreeSet::new(),
            told: BTreeSet::new(),
            accounts,
            answers: BTreeMap::new(),
            substitutions: BTreeMap::new(),
            effort: Effort::default(),
            nested: 0,
            called: 0,
            temporary: BTreeSet::new(),
            user: None,
            owners: BTreeMap::new(),
        }
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        if self.effects.last() != Some(&effect) {
            self.remember(&effect);
            self.effects.push(effect);
        }
    }

    /// Whether what is at a path is gone when the script ends, or is nobody's in an image.
    pub(super) fn passes(&self, path: &RootPath) -> bool {
        let passing = PASSING
            .iter()
            .any(|directory| path.as_str().strip_prefix(directory).is_some_and(|rest| rest.starts_with('/')));
        passing || self.temporary.iter().any(|temporary| path.is_within(temporary))
    }

    /// A new temporary file or directory, by a template that ends in `X`s.
    pub(super) fn temporary(&mut self, template: &RootPath, directory: bool) -> RootPath {
        let text = template.as_str();
        let stem = text.trim_end_matches('X');
        let number = self.temporary.len();
        let width = (text.len() - stem.len()).max(1);
        let path = RootPath::parse(&format!("{stem}{number:0>width$}")).unwrap_or_else(|_| template.clone());
        self.temporary.insert(path.clone());
        let item =
            if directory { Item::Directory(0o700) } else { Item::File(Content::Text(String::new()), 0o600) };
        self.changes.insert(path.clone(), Some(item));
        path
    }

    /// What a file holds, wherever that comes from.
    pub(super) fn content(&self, path: &RootPath) -> Content {
        match self.changes.get(path) {
            Some(Some(Item::File(content, _))) => content.clone(),
            _ => Content::Of(path.clone()),
        }
    }

    /// A file that only a running system has, such as a secret: scripts find it, an image does not get it.
    pub(super) fn pretend_file(&mut self, path: &RootPath, mode: u32) {
        self.changes.insert(path.clone(), Some(Item::File(Content::Text(UNKNOWN.to_string()), mode)));
    }

    /// Does something as another user: what is made anew is theirs.
    pub(super) fn as_user<T>(&mut self, user: &str, body: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.user.replace(user.to_owned());
        let result = body(self);
        self.user = before;
        result
    }

    /// Makes a directory, or makes what is there so.
    pub(super) fn make_directory(&mut self, path: &RootPath, mode: Option<u32>, owner: Option<Owner>) {
        let is_new = self.node(path) != Some(Node::Directory);
        let given = mode.unwrap_or_else(|| if is_new { 0o755 } else { self.mode(path) });
        let is_said = is_new || mode.is_some() || owner.is_some();
        let owner = if is_said { self.own_made(path, is_new, owner) } else { None };
        if is_said {
            self.changes.insert(path.clone(), Some(Item::Directory(given)));
        }
        if is_said && !self.passes(path) {
            self.effect(Effect::Directory { path: path.clone(), mode, owner });
        }
    }

    /// Makes a symbolic link in the place of what is there.
    pub(super) fn make_symlink(&mut self, path: &RootPath, target: &str, owner: Option<Owner>) {
        self.forget(path);
        let owner = self.own_made(path, true, owner);
        self.changes.insert(path.clone(), Some(Item::Symlink(target.to_owned())));
        if !self.passes(path) {
            self.effect(Effect::Symlink { path: path.clone(), target: target.to_owned() });
            if let Some(Owner { user, group }) = owner {
                self.effect(Effect::Owner { path: path.clone(), user, group, recursive: false });
            }
        }
    }

    /// What `/etc/passwd` or `/etc/group` holds while the script runs, whoever ships it.
    fn account_file(&self, path: &RootPath) -> Option<String> {
        match path.as_str() {
            "/etc/passwd" => Some(self.accounts.passwd()),
            "/etc/group" => Some(self.accounts.group()),
            _ => None,
        }
    }

    /// What a file holds that no package has and an Essential one makes when it is configured.
    fn standing_file(&self, path: &RootPath) -> Option<&'static str> {
        let is_there = !self.facts.is_apk && !self.facts.is_essential && path.as_str() == NSSWITCH_CONF;
        is_there.then_some(NSSWITCH)
    }

    /// Whether other packages than the script's have a file.
    pub(super) fn is_of_others(&self, path: &RootPath) -> bool {
        self.files.node(path).is_some() && !self.files.paths_of(&self.facts.package).contains(path)
    }

    /// A file of this content; why it cannot be made.
    pub(super) fn make_file(
        &mut self,
        path: &RootPath,
        content: Content,
        mode: Option<u32>,
        owner: Option<Owner>,
    ) -> Result<(), String> {
        if self.account_file(path).is_some() {
            return Err("accounts are made by commands for them".to_owned());
        }
        let is_new = self.node(path).is_none();
        let bits = mode.unwrap_or_else(|| if is_new { 0o644 } else { self.mode(path) });
        let owner = self.own_made(path, is_new, owner);
        self.changes.insert(path.clone(), Some(Item::File(content.clone(), bits)));
        if self.passes(path) {
            return Ok(());
        }
        match content {
            // It gets back what the image has there.
            Content::Of(from) if from == *path && self.only_rewrites(path) => self.forget(path),
            Content::Of(from) => self.effect(Effect::Copy { from, to: path.clone(), mode, owner }),
            Content::Text(text) => {
                let Some(bytes) = encode(&text) else {
                    self.forget(path);
                    return Err("what it holds depends on what is not known".to_owned());
                };
                self.file_effect(path, bytes, mode);
                if let Some(Owner { user, group }) = owner {
                    self.effect(Effect::Owner { path: path.clone(), user, group, recursive: false });
                    self.keep_set_ids(path, bits);
                }
            }
        }
        Ok(())
    }

    /// Whether nothing else becomes of what is at a path than that it is written again.
    fn only_rewrites(&self, path: &RootPath) -> bool {
        let mut touching = self.effects.iter().filter(|effect| touches(effect, path));
        touching.all(|effect| matches!(effect, Effect::File { .. }))
    }

    /// A file that was made with an owner has its set-id bits afterwards.
    fn keep_set_ids(&mut self, path: &RootPath, mode: u32) {
        if mode & 0o6000 != 0 {
            self.set_mode(path, &ModeChange::Bits(mode), false);
        }
    }

    /// Changes the content of the file that was made at a path, or makes one.
    fn file_effect(&mut self, path: &RootPath, bytes: Vec<u8>, given: Option<u32>) {
        let found = self.effects.iter_mut().rev().find(|effect| touches(effect, path));
        if let Some(Effect::File { content, mode, .. }) = found {
            *content = bytes;
            *mode = given.or(*mode);
        } else {
            self.effects.push(Effect::File { path: path.clone(), content: bytes, mode: given });
        }
    }

    /// Takes something away, with all in it.
    pub(super) fn remove(&mut self, path: &RootPath, recursive: bool) {
        for (one, _) in self.tree(path).into_iter().rev() {
            self.take_out(&one);
        }
        self.forget(path);
        let came = |effect: &Effect| matches!(effect, Effect::Rename { to, .. } if to.is_within(path));
        let is_there = self.files.node(path).is_some()
            || self.left.iter().any(|effect| touches(effect, path))
            || self.effects.iter().any(came);
        if is_there && !self.passes(path) {
            self.effect(Effect::Remove { path: path.clone(), recursive });
        }
    }

    /// Nothing is at a path any more.
    fn take_out(&mut self, path: &RootPath) {
        self.owners.remove(path);
        self.changes.remove(path);
        if self.files.node(path).is_some() {
            self.changes.insert(path.clone(), None);
        }
    }

    /// Drops what was to be made at or below a path.
    fn forget(&mut self, path: &RootPath) {
        self.effects.retain(|effect| {
            let (Effect::File { path: made, .. }
            | Effect::Symlink { path: made, .. }
            | Effect::Directory { path: made, .. }
            | Effect::Owner { path: made, .. }
            | Effect::Mode { path: made, .. }
            | Effect::Copy { to: made, .. }) = effect
            else {
                return true;
            };
            !made.is_within(path)
        });
    }

    /// Where a path leads, links followed.
    pub(super) fn resolved(&self, call: &Call, path: &str) -> Option<RootPath> {
        crate::shell::resolve(self, &call.directory, path)
    }

    /// Notes a command without a model, which may make something at the paths that it is given.
    pub(super) fn tell(&mut self, call: &Call) {
        let paths = call.argv.iter().skip(1).filter(|word| word.starts_with('/'));
        self.told.extend(paths.filter_map(|path| RootPath::parse(path).ok()));
    }

    /// Whether something may be at a path where nothing is known to be.
    pub(super) fn may_have(&self, path: &str) -> bool {
        RootPath::parse(path).is_ok_and(|path| self.told.contains(&path))
    }

    /// Everything at and below a directory, links not followed, parents first.
    pub(super) fn tree(&self, top: &RootPath) -> Vec<(RootPath, Node)> {
        const MOST: usize = 20_000;
        let mut found = Vec::new();
        let mut pending = vec![top.clone()];
        while let Some(path) = pending.pop() {
            let Some(node) = self.node(&path) else { continue };
            if node == Node::Directory {
                let names = self.list(&path);
                pending.extend(names.iter().rev().filter_map(|name| path.join(name).ok()));
            }
            found.push((path, node));
            if found.len() >= MOST {
                break;
            }
        }
        found
    }

    /// Whether an alternative of this group was installed, and the best of them.
    pub(super) fn best_alternative(&self, group: &str) -> Option<(i64, &RootPath, &[Slave])> {
        let mut best: Option<(i64, &RootPath, &[Slave])> = None;
        for effect in self.left.iter().chain(&self.effects) {
            if let Effect::Alternative { name, path, priority, slaves, .. } = effect
                && name == group
                && best.is_none_or(|(highest, ..)| *priority > highest)
            {
                best = Some((*priority, path, slaves));
            }
        }
        best
    }
}

/// Whether an effect decides what is at a path.
fn touches(effect: &Effect, path: &RootPath) -> bool {
    match effect {
        Effect::File { path: own, .. }
        | Effect::Symlink { path: own, .. }
        | Effect::Directory { path: own, .. }
        | Effect::Remove { path: own, .. }
        | Effect::Copy { to: own, .. } => own == path,
        Effect::Rename { from, to } => from == path || to == path,
        _ => false,
    }
}
