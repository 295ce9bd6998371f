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
use crate::shell::{TextKind, is_shell};
use crate::tarball::EntryKind;

use super::kinds::is_meta;
use super::scripts::interpreters;
use super::selector::Selector;
use super::words::Need;

/// How modules and scripts of languages name commands that run programs, by the endings of their names.
const ENDINGS: [(&[&str], TextKind); 5] = [
    (&["exs", "jl", "pl", "pm", "py", "rb", "tcl"], TextKind::Script(&["#"])),
    (&["php"], TextKind::Script(&["#", "//"])),
    (&["js", "mjs"], TextKind::Script(&["//"])),
    (&["el", "scm"], TextKind::Script(&[";"])),
    (&["lua"], TextKind::Script(&["--"])),
];

/// The same, by the names of their interpreters, which a number may follow; of others comments begin as in most.
const INTERPRETERS: [(&str, &str); 6] =
    [("emacs", "el"), ("guile", "scm"), ("lua", "lua"), ("node", "js"), ("nodejs", "js"), ("php", "php")];

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
            let beside = self.commands_beside(&name);
            let commands: BTreeSet<String> = beside.keys().cloned().collect();
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
                if let Some(((path, _), of_name)) = texts.get(&position).zip(beside.get(&command)) {
                    // `/usr/games` is no directory of root's commands.
                    let is_found = self.find_command(&command).is_some();
                    let command = if is_found { command } else { of_name.as_str().to_owned() };
                    self.call(path, &command, &name, Need::Optional);
                }
            }
        }
    }

    /// The commands of a package's direct dependencies that are not chosen, by name. What has no files of its own stands
    /// for what it depends on.
    fn commands_beside(&self, package: &str) -> BTreeMap<String, RootPath> {
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
        commands.map(|path| (path.file_name().to_owned(), path)).collect()
    }

    /// The chosen texts of a package by their positions in it.
    fn texts_of(&self, package: &PackageFiles) -> BTreeMap<u32, (RootPath, TextKind)> {
        let chosen = package.manifest.files.iter().filter(|file| {
            let owner = self.file_at(&file.entry.path).map(|(_, owner, _)| &owner.name);
            self.is_chosen(&file.entry.path) && owner == Some(&package.name)
        });
        let texts = chosen.filter_map(|file| {
            let kind = kind(file)?;
            Some((package.manifest.content_index(file)?, (file.entry.path.clone(), kind)))
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
    let by_ending = |ending: &str| {
        let found = ENDINGS.iter().find(|(endings, _)| endings.contains(&ending));
        found.map(|(_, kind)| *kind)
    };
    let ending = path.file_name().rsplit_once('.').map_or("", |(_, ending)| ending);
    if let Some(program) = file.shebang.as_deref().and_then(|line| interpreters(line).last().copied()) {
        let name = program.rsplit('/').next().unwrap_or(program);
        let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || ".-".contains(c));
        let of_other = INTERPRETERS.iter().find(|(interpreter, _)| *interpreter == name);
        return if is_shell(name) {
            Some(TextKind::Shell)
        } else {
            by_ending(of_other.map_or("py", |(_, ending)| ending))
        };
    }
    match ending {
        "sh" => Some(TextKind::Shell),
        _ => by_ending(ending).or_else(|| path.as_str().starts_with("/etc/").then_some(TextKind::Settings)),
    }
}
