//! Shell words in selection (rule 6): the commands that a chosen script calls, and the files it sources.
//!
//! A command is pulled where a direct dependency of the script's package or an Essential package has it;
//! one that the image lacks in the end is told of. Helpers count here: that a script calls `sed` is a use of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::distro::{essential_package_with, essential_packages};
use crate::loader::resolve;
use crate::recipe::Keep;
use crate::root_path::RootPath;
use crate::shell::{ScriptWords, is_language};
use crate::tarball::EntryKind;

use super::Reason;
use super::kinds::ships_modules;
use super::packages::Role;
use super::scripts::{COMMAND_DIRECTORIES, usual_packages};
use super::selector::Selector;

/// As many files are followed from one script.
const MAX_SOURCES: usize = 64;

/// A command that a script calls, looked at again once everything is chosen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Called {
    pub(super) script: RootPath,
    pub(super) command: String,
}

/// How sure it is that a command is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It is called.
    Certain,
    /// It seems to be called; that it lacks is not told.
    Guessed,
    /// What calls it can do without: it is taken where it is at hand.
    Optional,
}

impl Selector<'_> {
    /// Rule 6, for a script of a shell, or of a language that hands lines to one.
    pub(super) fn follow_words(&mut self, script: &RootPath, package: &str) {
        if !self.keeps_whole_packages() {
            return;
        }
        let inputs = self.inputs;
        let mut all = ScriptWords::default();
        let mut seen = BTreeSet::from([script.clone()]);
        let mut stack = vec![script.clone()];
        while let Some(path) = stack.pop() {
            let words = inputs.scripts.words(&path).unwrap_or_else(|error| {
                self.unread.get_or_insert(error);
                Arc::default()
            });
            all.sources_unknown |= words.sources_unknown;
            all.guessed |= words.guessed;
            all.commands.extend(words.commands.iter().cloned());
            all.sought.extend(words.sought.iter().cloned());
            // What others have to be sourced is for many purposes.
            if path != *script && self.is_helper(&self.package_at(&path)) {
                all.sought.extend(words.commands.iter().cloned());
            }
            all.functions.extend(words.functions.iter().cloned());
            for source in &words.sources {
                let Some(file) = self.source(source, &path, package) else {
                    all.sources_unknown = true;
                    continue;
                };
                if seen.len() < MAX_SOURCES && seen.insert(file.clone()) {
                    stack.push(file);
                }
            }
        }
        self.call_all(script, package, &all);
    }

    /// Pulls the commands of a script and of what it sources.
    pub(super) fn call_all(&mut self, script: &RootPath, package: &str, words: &ScriptWords) {
        for command in words.commands.difference(&words.functions) {
            // A function that nobody knows of may have the name.
            let need =
                if words.sought.contains(command) || (words.sources_unknown && !command.starts_with('/')) {
                    Need::Optional
                } else if words.guessed {
                    Need::Guessed
                } else {
                    Need::Certain
                };
            self.call(script, command, package, need);
        }
    }

    /// Pulls a file that a script sources.
    fn source(&mut self, source: &str, script: &RootPath, package: &str) -> Option<RootPath> {
        if let Some(name) = source.strip_prefix("*/") {
            let file = self.source_by_name(name, package)?;
            self.pull(&file, Reason::Word { by: script.clone(), word: name.to_owned() });
            return Some(file);
        }
        let tree = self.visible();
        let beside = script.parent().and_then(|directory| directory.join(source).ok());
        let path = if source.starts_with('/') {
            RootPath::parse(source).ok()
        } else {
            beside.filter(|path| resolve(&tree, path).is_some())
        };
        let (path, file) = match path.and_then(|path| resolve(&tree, &path).map(|file| (path, file))) {
            Some(found) => found,
            None if source.contains('/') => {
                self.want_source(source, package);
                return None;
            }
            None => self.find_command(source)?,
        };
        if !self.may_call(&file, package) && self.package_at(&file) != package {
            return None;
        }
        let reason = Reason::Word { by: script.clone(), word: source.to_owned() };
        self.pull_along(&path, &reason);
        self.pull(&file, reason);
        // What a helper has there may be a part of a program that is made of modules (debconf).
        let owner = self.package_at(&file);
        if self.is_helper(&owner) && self.inputs.catalog.package(&owner).is_some_and(ships_modules) {
            self.expand(&owner, Role::Reached);
        }
        Some(file)
    }

    /// Wants the packages that a script's depends on and of which nothing is known yet, for a file of packages' own that
    /// it sources: that may be a helper's.
    fn want_source(&mut self, source: &str, package: &str) {
        let requires = self.inputs.packages.get(package).into_iter().flat_map(|locked| &locked.requires);
        let unknown = requires.filter(|name| source.starts_with("/usr/") && self.is_uncatalogued(name));
        let unknown: Vec<String> = unknown.cloned().collect();
        self.wants.extend(unknown);
    }

    /// The only file of a name that a script's package or one of its direct dependencies has, where the directory is
    /// not known.
    fn source_by_name(&self, name: &str, package: &str) -> Option<RootPath> {
        let (catalog, packages) = (self.inputs.catalog, self.inputs.packages);
        let requires = packages.get(package).into_iter().flat_map(|locked| &locked.requires);
        let near = std::iter::once(package).chain(requires.map(String::as_str));
        let found: BTreeSet<&RootPath> = near
            .flat_map(|near| catalog.files_of(near))
            .map(|file| &catalog.get(file).1.entry)
            .filter(|entry| entry.path.file_name() == name && matches!(entry.kind, EntryKind::File { .. }))
            .map(|entry| &entry.path)
            .filter(|path| self.excluded_by(path).is_none())
            .collect();
        let mut found = found.into_iter();
        found.next().filter(|_| found.next().is_none()).cloned()
    }

    /// Pulls a command that a script, or a program by way of a shell, calls.
    pub(super) fn call(&mut self, script: &RootPath, command: &str, package: &str, need: Need) {
        if command.contains('/') && !command.starts_with('/') {
            return;
        }
        let found = self.find_command(command);
        let may_call = |found: &(RootPath, RootPath)| {
            self.may_call(&found.1, package) || self.may_call(&found.0, package)
        };
        if let Some((path, file)) = found.filter(may_call) {
            let reason = Reason::Word { by: script.clone(), word: command.to_owned() };
            self.pull_along(&path, &reason);
            // An Essential package's interpreter, with the modules beside it, is enough for what stands in a command line.
            let owners = BTreeSet::from([self.package_at(&path), self.package_at(&file)]);
            self.pull(&file, reason);
            self.is_run(&file);
            for owner in owners {
                if self.inputs.packages.get(owner.as_str()).is_none_or(|owner| !owner.essential) {
                    self.reach_interpreter(&owner, package);
                } else if is_language(command) && self.helpers_have_modules() {
                    self.expand(&owner, Role::Reached);
                }
            }
        } else if !self.want_command(command, package, need)
            && need == Need::Certain
            // Of all scripts of all packages, many are nobody's to run.
            && self.keep() == Keep::Needed
        {
            self.called.insert(Called { script: script.clone(), command: command.to_owned() });
        }
    }

    /// Whether a script of a package may count on a file: a direct dependency's or what that hands on as its own
    /// (tcl's tclsh is tcl8.6's, python3's is python3-minimal's), an Essential package's, or what is in the image
    /// anyway. The commands of its own package are, if that is named; of others they may be for administrators alone.
    fn may_call(&self, file: &RootPath, package: &str) -> bool {
        let owner = self.package_at(file);
        let packages = self.inputs.packages;
        let requires = |name: &str| packages.get(name).into_iter().flat_map(|locked| &locked.requires);
        let source = |name: &str| packages.get(name).map(|locked| &locked.source);
        let hands_on = |direct: &String| {
            requires(direct).any(|name| *name == owner)
                && (!self.is_helper(&owner) || source(direct) == source(&owner))
        };
        self.is_chosen(file)
            || (owner == package && self.roles.get(package) == Some(&Role::Named))
            || requires(package).any(|direct| *direct == owner || hands_on(direct))
            || self.inputs.packages.get(owner.as_str()).is_some_and(|owner| owner.essential)
            || essential_packages(self.inputs.distro).contains(&owner.as_str())
    }

    /// Wants what may have a command: the Essential package that does, else direct dependencies, unless the
    /// script can do without; false where all of them are catalogued.
    fn want_command(&mut self, command: &str, package: &str, need: Need) -> bool {
        let name = command.rsplit('/').next().unwrap_or(command);
        let essential = essential_package_with(self.inputs.distro, name);
        if let Some(essential) = essential.filter(|name| self.is_uncatalogued(name)) {
            self.wanted_for_words.insert(essential.to_owned());
            return true;
        }
        if need == Need::Optional {
            return false;
        }
        let usual = usual_packages(name).iter().filter(|name| self.is_uncatalogued(name));
        let usual: Vec<String> = usual.map(|name| (*name).to_owned()).collect();
        if !usual.is_empty() {
            self.wanted_for_words.extend(usual);
            return true;
        }
        let direct: Vec<String> = self
            .inputs
            .packages
            .get(package)
            .into_iter()
            .flat_map(|locked| &locked.requires)
            .filter(|name| self.is_uncatalogued(name))
            .cloned()
            .collect();
        let more = if direct.is_empty() { self.beyond_links(name) } else { direct };
        let any = !more.is_empty();
        self.wanted_for_words.extend(more);
        any
    }

    /// What packages depend on that have a command as a link to what is not known yet: python3 is one.
    fn beyond_links(&self, command: &str) -> Vec<String> {
        let places = COMMAND_DIRECTORIES.iter();
        let places = places.filter_map(|place| RootPath::parse(&format!("{place}/{command}")).ok());
        let owners: BTreeSet<String> = places.flat_map(|path| self.owners_at(&path)).collect();
        let requires = owners.iter().filter_map(|owner| self.inputs.packages.get(owner.as_str()));
        let requires = requires.flat_map(|locked| &locked.requires);
        requires.filter(|name| self.is_uncatalogued(name)).cloned().collect()
    }
}
