//! Texts in selection (rule 6): the commands of direct dependencies that a package's scripts, modules and settings
//! name.
//!
//! A package may run what it depends on from anywhere in its files. Where it has a direct dependency whose commands
//! nothing asked for, its texts are searched for their names, and those that stand there as something that is run
//! ([`named_commands`](crate::shell::named_commands)) are pulled.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{CataloguedFile, PackageFiles};
use crate::recipe::Keep;
use crate::root_path::RootPath;
use crate::shell::TextKind;
use crate::tarball::EntryKind;

use super::packages::is_meta;
use super::selector::Selector;
use super::words::Need;

/// The endings of modules and scripts of languages that run programs.
const ENDINGS: [&str; 14] =
    ["el", "exs", "jl", "js", "lua", "mjs", "php", "pl", "pm", "py", "rb", "scm", "sh", "tcl"];

/// Longer texts are data, in bytes.
const LONGEST: u64 = 1 << 20;

impl Selector<'_> {
    /// Rule 6, for the texts of the packages that were reached. Where all is kept, so are the commands.
    pub(super) fn follow_texts(&mut self) {
        if self.keep() != Keep::Needed {
            return;
        }
        let reached: Vec<String> = self.roles.keys().filter(|name| !self.is_helper(name)).cloned().collect();
        for name in reached {
            let Some(package) = self.inputs.catalog.package(&name) else { continue };
            let commands = self.commands_beside(&name);
            let texts = if commands.is_empty() { BTreeMap::new() } else { self.texts_of(package) };
            let asked = (name.clone(), commands.clone(), texts.len());
            if texts.is_empty() || !self.texts_asked.insert(asked) {
                continue;
            }
            let positions = texts.iter().map(|(position, (_, kind))| (*position, *kind)).collect();
            let found = self.inputs.scripts.named(package, &positions, &commands);
            let found = found.unwrap_or_else(|error| {
                self.unread.get_or_insert(error);
                BTreeSet::new()
            });
            for (position, command) in found {
                if let Some((path, _)) = texts.get(&position) {
                    self.call(path, &command, &name, Need::Optional);
                }
            }
        }
    }

    /// The commands of a package's direct dependencies that are not chosen. What has no files of its own stands for
    /// what it depends on.
    fn commands_beside(&self, package: &str) -> BTreeSet<String> {
        let requires =
            |name: &str| self.inputs.packages.get(name).into_iter().flat_map(|locked| &locked.requires);
        let is_empty = |name: &str| {
            let package = self.inputs.catalog.package(name);
            package.is_some_and(|package| is_meta(self.inputs.distro, &self.layer().strip, package))
        };
        let direct: BTreeSet<&str> = requires(package).map(String::as_str).collect();
        let behind = direct.iter().filter(|name| is_empty(name)).flat_map(|name| requires(name));
        let near: BTreeSet<&str> = behind.map(String::as_str).chain(direct.iter().copied()).collect();
        let near = near.into_iter().filter(|name| *name != package && !self.is_helper(name)).collect();
        let commands = self.commands_of(&near).into_iter().filter(|path| !self.is_chosen(path));
        let names = commands.map(|path| path.file_name().to_owned());
        // `HEAD` and `GET` are words of a protocol before all.
        names.filter(|name| name.bytes().any(|byte| byte.is_ascii_lowercase())).collect()
    }

    /// The chosen texts of a package by their positions in it.
    fn texts_of(&self, package: &PackageFiles) -> BTreeMap<u32, (RootPath, TextKind)> {
        let chosen = package.manifest.files.iter().filter(|file| {
            let owner = self.file_at(&file.entry.path).map(|(_, owner, _)| &owner.name);
            self.is_chosen(&file.entry.path) && owner == Some(&package.name)
        });
        let texts = chosen.filter_map(|file| {
            let position = package.manifest.content_index(file)?;
            Some((position, (file.entry.path.clone(), kind(file)?)))
        });
        texts.collect()
    }
}

/// How a file names commands, if it is a text that may.
fn kind(file: &CataloguedFile) -> Option<TextKind> {
    let path = &file.entry.path;
    let EntryKind::File { size } = file.entry.kind else { return None };
    if file.elf.is_some() || size == 0 || size > LONGEST {
        return None;
    }
    let ending = path.file_name().rsplit_once('.').map(|(_, ending)| ending);
    let is_script = file.shebang.is_some() || ending.is_some_and(|ending| ENDINGS.contains(&ending));
    match (is_script, path.as_str().starts_with("/etc/")) {
        (true, _) => Some(TextKind::Script),
        (false, true) => Some(TextKind::Settings),
        (false, false) => None,
    }
}
