//! What a chosen ELF file names in its data: paths of files (rule 7), and libraries that it opens by itself.
//!
//! An absolute path that the file's own package holds, or a direct dependency of it or of a package that the layer names,
//! is pulled; so is that of an Essential package's command other than a shell. Those of helpers, of which single files
//! are taken, are not. A library by
//! `.note.dlopen` (the ELF note metadata of systemd's `ELF_DLOPEN_METADATA`) is pulled where it is required or
//! recommended and a locked package has it. So is one by its mere name, where a direct dependency has it that no ELF
//! file of the package is linked with. What else looks like a library's name is told, not pulled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalog::PackageFiles;
use crate::distro::{PackageFormat, essential_package_with};
use crate::elf::{DlopenPriority, ElfFacts, Runs};
use crate::loader::Requester;
use crate::root_path::RootPath;
use crate::shell::is_shell;
use crate::tarball::EntryKind;

use super::kinds::is_command;
use super::selector::Selector;
use super::words::Need;
use super::{Reason, Warning};

/// A library that a chosen file may open, looked at again once everything is chosen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Opened {
    by: RootPath,
    soname: String,
}

impl Selector<'_> {
    /// Rule 7, and the libraries that a file opens.
    pub(super) fn follow_mentions(&mut self, path: &RootPath, package: &PackageFiles, facts: &Arc<ElfFacts>) {
        if !self.keeps_whole_packages() || self.is_c_library(package, Some(facts)) {
            return;
        }
        let depends: BTreeSet<&str> = self
            .inputs
            .packages
            .get(package.name.as_str())
            .into_iter()
            .flat_map(|locked| &locked.requires)
            .map(String::as_str)
            .filter(|name| !self.is_helper(name))
            .collect();
        for mention in &facts.mentions {
            if mention.starts_with('/') {
                self.follow_path(path, mention, &package.name, &depends);
            } else if !self.follow_soname(path, mention, package, &depends, facts) {
                self.opened.insert(Opened { by: path.clone(), soname: mention.clone() });
            }
        }
        self.follow_commands(path, &package.name, &depends, facts);
        for command in &facts.commands {
            self.call(path, command, &package.name, Need::Optional);
        }
        self.follow_notes(path, facts);
    }

    /// The commands that packages at hand have.
    pub(super) fn commands_of(&self, packages: &BTreeSet<&str>) -> Vec<RootPath> {
        let at_hand = packages.iter().filter_map(|name| self.inputs.catalog.package(name));
        let paths = at_hand.flat_map(|package| &package.manifest.files).map(|file| &file.entry.path);
        paths.filter(|path| is_command(path)).cloned().collect()
    }

    /// The commands that a program runs by name: its dependencies', and parts of its own (dpkg's dpkg-query). Names of
    /// Essential packages' commands are everyday words too often: git's would bring bash, more and yes. Where names cannot
    /// be seen, all commands of its dependencies count: for what else would it depend on them?
    fn follow_commands(
        &mut self,
        path: &RootPath,
        package: &str,
        depends: &BTreeSet<&str>,
        facts: &Arc<ElfFacts>,
    ) {
        let words = match &facts.runs {
            Runs::Named(words) if words.is_empty() => return,
            Runs::Named(words) => Some(words),
            Runs::Unnamed => None,
        };
        if self.inputs.distro.format() != PackageFormat::Deb {
            return;
        }
        for command in self.commands_of(depends) {
            if words.is_none_or(|words| words.iter().any(|word| word == command.file_name())) {
                self.pull(&command, Reason::Mention { by: path.clone() });
                self.is_run(&command);
            }
        }
        let of_its_own = format!("{}-", path.file_name());
        for word in words.into_iter().flatten().filter(|word| word.starts_with(&of_its_own)) {
            let found = self.find_command(word);
            if let Some((link, file)) = found.filter(|(_, file)| self.package_at(file) == package) {
                let reason = Reason::Mention { by: path.clone() };
                self.pull_along(&link, &reason);
                self.pull(&file, reason);
                self.is_run(&file);
            }
        }
    }

    fn follow_path(&mut self, by: &RootPath, mention: &str, package: &str, depends: &BTreeSet<&str>) {
        let Ok(mentioned) = RootPath::parse(mention) else { return };
        let mentioned = self.inputs.catalog.merged_usr().canonical(&mentioned);
        let is_deb = self.inputs.distro.format() == PackageFormat::Deb;
        if is_deb && is_command(&mentioned) && self.is_essential_tool(mentioned.file_name()) {
            self.call(by, mention, package, Need::Optional);
            return;
        }
        let Some((_, owner, file)) = self.file_at(&mentioned) else { return };
        let is_own = owner.name == package && !self.is_helper(package);
        let is_held = is_own || depends.contains(owner.name.as_str()) || self.is_asked_for(&owner.name);
        if is_held && file.entry.kind != EntryKind::Directory && !self.is_stripped(&mentioned) {
            self.pull(&mentioned, Reason::Mention { by: by.clone() });
            self.is_run(&mentioned);
        }
    }

    /// Whether a command is an Essential package's. What names a shell starts whatever is in it, which other strings tell.
    fn is_essential_tool(&self, command: &str) -> bool {
        let owner = essential_package_with(self.inputs.distro, command);
        !is_shell(command) && owner.is_some_and(|owner| self.inputs.packages.contains_key(owner))
    }

    /// Whether a package that the layer names depends on another for other reasons than to be installed.
    fn is_asked_for(&self, package: &str) -> bool {
        let packages = self.inputs.packages;
        let named = self.layer().named.iter().filter_map(|name| packages.get(name.as_str()));
        !self.is_helper(package) && named.flat_map(|named| &named.requires).any(|name| name == package)
    }

    /// Pulls a library that a file names and no ELF file of its package is linked with, though the package depends on
    /// what has it: it is opened, for what else would the dependency be there?
    fn follow_soname(
        &mut self,
        path: &RootPath,
        soname: &str,
        package: &PackageFiles,
        depends: &BTreeSet<&str>,
        facts: &Arc<ElfFacts>,
    ) -> bool {
        let requester = [Requester { path, facts }];
        let Some(found) = self.search.find(&self.visible(), soname, &requester, &self.library_path) else {
            return false;
        };
        let owner = self.package_at(&found.file);
        let Some(library) = self.inputs.catalog.package(&owner).filter(|_| depends.contains(owner.as_str()))
        else {
            return false;
        };
        let has: BTreeSet<&str> = library
            .manifest
            .files
            .iter()
            .filter_map(|file| {
                Some(file.elf.as_ref()?.soname.as_deref().unwrap_or(file.entry.path.file_name()))
            })
            .collect();
        let mut linked = package.manifest.files.iter().filter_map(|file| file.elf.as_ref());
        if linked.any(|facts| facts.needed.iter().any(|needed| has.contains(needed.as_str()))) {
            return false;
        }
        let reason = Reason::Opened { by: path.clone(), soname: soname.to_owned() };
        self.pull_along(&found.link, &reason);
        self.pull(&found.file, reason);
        true
    }

    fn follow_notes(&mut self, path: &RootPath, facts: &Arc<ElfFacts>) {
        for note in &facts.dlopen {
            let found = note.soname.iter().find_map(|soname| {
                let requester = [Requester { path, facts }];
                let found = self.search.find(&self.visible(), soname, &requester, &self.library_path)?;
                Some((soname.clone(), found))
            });
            let is_wanted = note.priority != DlopenPriority::Suggested;
            match found {
                Some((soname, found)) if is_wanted => {
                    let reason = Reason::Opened { by: path.clone(), soname };
                    self.pull_along(&found.link, &reason);
                    self.pull(&found.file, reason);
                }
                Some((soname, _)) => {
                    self.opened.insert(Opened { by: path.clone(), soname });
                }
                None if is_wanted && self.want_libraries(&note.soname) => {}
                // What a file merely may use is not missed.
                None if !is_wanted => {}
                None => {
                    let (by, sonames) = (path.clone(), note.soname.clone());
                    let feature = note.feature.clone().or_else(|| note.description.clone());
                    let required = note.priority == DlopenPriority::Required;
                    self.unopened.insert(Warning::OpensMissing { by, sonames, feature, required });
                }
            }
        }
    }

    /// Wants the locked packages that by their names have one of some libraries; false where all of them are
    /// catalogued.
    fn want_libraries(&mut self, sonames: &[String]) -> bool {
        let names: Vec<String> = sonames
            .iter()
            .flat_map(|soname| package_names(soname))
            .filter(|name| self.is_uncatalogued(name))
            .collect();
        let any = !names.is_empty();
        self.wants.extend(names);
        any
    }

    /// Tells of libraries that chosen files name and nobody selected, though a package at hand has them.
    pub(super) fn warn_of_opened(&mut self) {
        let mut provided: BTreeSet<String> = BTreeSet::new();
        for (path, file) in self.chosen_files() {
            provided.insert(path.file_name().to_owned());
            provided.extend(file.elf.as_ref().and_then(|facts| facts.soname.clone()));
        }
        for Opened { by, soname } in std::mem::take(&mut self.opened) {
            if provided.contains(&soname) {
                continue;
            }
            let Some((_, _, file)) = self.file_at(&by) else { continue };
            let Some(facts) = &file.elf else { continue };
            let requester = [Requester { path: &by, facts }];
            let Some(found) = self.search.find(&self.visible(), &soname, &requester, &self.library_path)
            else {
                continue;
            };
            let package = self.package_at(&found.file);
            if self.looked_into.contains(&package) && !self.is_chosen(&found.file) {
                self.warnings.insert(Warning::Unselected { by, soname, path: found.link, package });
            }
        }
        let mut usable: BTreeMap<RootPath, Vec<String>> = BTreeMap::new();
        for warning in std::mem::take(&mut self.unopened) {
            let Warning::OpensMissing { by, sonames, required, .. } = &warning else { continue };
            if sonames.iter().any(|soname| provided.contains(soname)) {
                continue;
            }
            if *required {
                self.warnings.insert(warning);
            } else {
                usable.entry(by.clone()).or_default().extend(sonames.first().cloned());
            }
        }
        self.warnings.extend(usable.into_iter().map(|(by, sonames)| Warning::CanUse { by, sonames }));
    }
}

/// What Debian (Policy 8.1) and Alpine may call the package of a library.
pub fn package_names(soname: &str) -> Vec<String> {
    let Some((name, version)) = soname.split_once(".so") else { return Vec::new() };
    let name = name.to_ascii_lowercase().replace('_', "-");
    let version = version.trim_start_matches('.');
    let dash = if name.ends_with(|c: char| c.is_ascii_digit()) && !version.is_empty() { "-" } else { "" };
    let debian = format!("{name}{dash}{version}");
    vec![format!("{debian}t64"), debian, name]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_packages_follow_from_sonames() {
        assert_eq!(package_names("libz.so.1"), ["libz1t64", "libz1", "libz"]);
        assert_eq!(package_names("libpcre2-8.so.0"), ["libpcre2-8-0t64", "libpcre2-8-0", "libpcre2-8"]);
        assert_eq!(package_names("libLLVM_X.so.19.1"), ["libllvm-x19.1t64", "libllvm-x19.1", "libllvm-x"]);
        assert!(package_names("plain").is_empty());
    }
}
