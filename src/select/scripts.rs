//! Scripts in selection (rule 5): an executable script in a directory of commands or libraries pulls its
//! interpreter, and with it the modules that the script's package depends on.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::CataloguedFile;
use crate::distro::{essential_package_with, is_install_helper};
use crate::loader::resolve;
use crate::root_path::RootPath;
use crate::shell::{has_words, is_shell, words};

use super::kinds::is_command;
use super::packages::{Role, named};
use super::selector::Selector;
use super::{Inputs, Reason, Warning};

/// Packages to look into first for an interpreter, beside the one of its name; those that are not locked do not
/// count. Only a short cut: where it fails, all are tried.
const USUAL_PACKAGES: &[(&str, &[&str])] = &[
    ("ash", &["busybox"]),
    ("awk", &["busybox"]),
    ("env", &["coreutils", "busybox"]),
    ("perl", &["perl-base"]),
    ("python3", &["python3-minimal"]),
    ("sed", &["busybox"]),
    // Alpine's is a link alone.
    ("sh", &["dash", "busybox-binsh", "busybox"]),
];

/// The directories in which `env` looks for a command.
pub(super) const COMMAND_DIRECTORIES: [&str; 6] =
    ["/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin", "/bin", "/sbin"];

/// Below these, a script that may be run is run by something.
const RUN_DIRECTORIES: [&str; 3] = ["/usr/lib/", "/usr/libexec/", "/lib/"];

/// Whether a script is a module of Python's before all: it can be run as well, which nobody needs where only the
/// library is.
pub(super) fn is_module(script: &RootPath) -> bool {
    script.as_str().starts_with("/usr/lib/python3") && script.file_name().rsplit('.').next() == Some("py")
}

/// Whether a script that may be run is, by the directory that it lies in.
pub(super) fn is_run_where_it_is(script: &RootPath) -> bool {
    is_command(script) || RUN_DIRECTORIES.iter().any(|directory| script.as_str().starts_with(directory))
}

/// Whether a script that may be run lies among what a package has for itself: `easy-rsa` has its program there, and
/// `quilt` its commands.
fn is_program_of(script: &RootPath, package: &str) -> bool {
    let within = script.as_str().strip_prefix("/usr/share/").and_then(|rest| rest.strip_prefix(package));
    within.is_some_and(|rest| {
        rest.starts_with('/') && !["/examples/", "/contrib/"].iter().any(|aside| rest.contains(aside))
    })
}

/// The programs that a script's first line names, which is given without `#!`: its interpreter, and the command that `env`
/// is to run.
pub fn interpreters(shebang: &str) -> Vec<&str> {
    let mut words = shebang.split_ascii_whitespace();
    let Some(interpreter) = words.next() else { return Vec::new() };
    let is_env = interpreter.rsplit('/').next() == Some("env");
    let command = words.find(|word| is_env && !word.starts_with('-') && !word.contains('='));
    std::iter::once(interpreter).chain(command).collect()
}

/// The interpreters of a file that is run where it is, if it is a script.
pub(super) fn interpreters_of(file: &CataloguedFile) -> Vec<&str> {
    let is_run = file.entry.metadata.mode & 0o111 != 0 && is_run_where_it_is(&file.entry.path);
    file.shebang.as_deref().filter(|_| is_run).map(interpreters).unwrap_or_default()
}

/// Whether selection reads a file, if it is chosen, for what it calls. It may read others too: what is run wherever it
/// is, and what is sourced.
pub fn is_read(file: &CataloguedFile) -> bool {
    interpreters_of(file).last().is_some_and(|program| has_words(program))
}

/// The packages to look into first for a command.
pub(super) fn usual_packages(command: &str) -> &'static [&'static str] {
    USUAL_PACKAGES.iter().find(|(usual, _)| *usual == command).map_or(&[][..], |(_, all)| all)
}

impl Selector<'_> {
    /// Rule 5, for a chosen file that begins with `#!`.
    pub(super) fn interpret(&mut self, script: &RootPath, mode: u32, shebang: &str, package: &str) {
        if mode & 0o111 == 0 || !(is_run_where_it_is(script) || self.run.contains(script)) {
            return;
        }
        let interpreters = interpreters(shebang);
        for interpreter in &interpreters {
            self.pull_interpreter(script, interpreter, package);
        }
        if interpreters.last().is_some_and(|program| has_words(program)) {
            self.follow_words(script, package);
        }
    }

    /// Rules 5 and 6, for a script that the recipe brings: it may count on what every system has.
    pub(super) fn interpret_own(&mut self, script: &RootPath, text: &[u8]) {
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let shebang = String::from_utf8_lossy(first.strip_prefix(b"#!").unwrap_or_default()).into_owned();
        let interpreters = interpreters(&shebang);
        for interpreter in &interpreters {
            self.pull_interpreter(script, interpreter, "");
        }
        let is_read = interpreters.last().is_some_and(|program| has_words(program));
        if let Some(mut words) = words(text).filter(|_| is_read && self.keeps_whole_packages()) {
            // Where it sources something, that may have functions of its own.
            words.sources_unknown |= !words.sources.is_empty();
            self.call_all(script, "", &words);
        }
    }

    /// A chosen file is run, wherever it is: a command leads to it, or something calls it by its path.
    pub(super) fn is_run(&mut self, file: &RootPath) {
        if !self.is_chosen(file) || !self.run.insert(file.clone()) {
            return;
        }
        let Some((_, package, entry)) = self.file_at(file) else { return };
        if let Some(shebang) = &entry.shebang {
            self.interpret(file, entry.entry.metadata.mode, shebang, &package.name);
        }
    }

    /// Looks into the shell scripts that the packages which the layer names have for themselves, where a shell that
    /// runs them is there anyway. Whether anything new was chosen.
    pub(super) fn read_shared(&mut self) -> bool {
        let is_shared = |(path, file): (&RootPath, &CataloguedFile)| {
            let package = self.package_at(path);
            let shell = file.shebang.as_deref().map(interpreters).and_then(|all| all.last().copied());
            let is_executable = file.entry.metadata.mode & 0o111 != 0 && !self.run.contains(path);
            let is_its = is_executable && is_program_of(path, &package);
            let is_run = is_its && self.roles.get(&package) == Some(&Role::Named);
            let shell = shell.filter(|shell| is_run && is_shell(shell))?;
            let (_, shell) = self.find_command(shell)?;
            self.is_chosen(&shell).then(|| (path.clone(), package))
        };
        let all: Vec<(RootPath, String)> = self.chosen_files().filter_map(is_shared).collect();
        for (script, package) in all {
            self.run.insert(script.clone());
            self.follow_words(&script, &package);
            // Some are there to be copied, for systems of every kind.
            self.called.retain(|called| called.script != script);
        }
        !self.queue.is_empty()
    }

    /// What the image starts comes in the lowest layer whose packages have it or what they depend on has it, or an Essential
    /// package, and no layer above names that; and is run wherever it lies. What a base image has is its maker's. Whether
    /// anything new was chosen.
    pub(super) fn start(&mut self) -> bool {
        if let Some(program) = self.inputs.recipe.image.program()
            && self.keeps_whole_packages()
            && !self.layer().named.is_empty()
        {
            match self.find_command(program) {
                Some((path, file)) => self.start_found(&path, &file),
                None => self.want_started(program),
            }
        }
        !self.queue.is_empty()
    }

    fn start_found(&mut self, path: &RootPath, file: &RootPath) {
        if self.is_own(file) || self.is_given(file) {
            return;
        }
        let owners = BTreeSet::from([self.package_at(path), self.package_at(file)]);
        if !(self.is_chosen(path) && self.is_chosen(file)) {
            if !owners.iter().all(|owner| self.may_start(owner)) {
                return;
            }
            self.pull_along(path, &Reason::Started);
            self.pull(file, Reason::Started);
            // Of an interpreter the modules too, as for a script of what the layer names.
            for named in self.layer().named.clone() {
                for owner in &owners {
                    self.reach_interpreter(owner, &named);
                }
            }
        }
        if !is_run_where_it_is(file) {
            self.is_run(file);
        }
    }

    /// Whether the current layer is the one to bring what the image starts from a package.
    fn may_start(&self, package: &str) -> bool {
        let above = self.stacked.iter().skip(self.layers.len());
        let mut named =
            above.flat_map(|stacked| named(stacked, self.inputs.packages, self.arch_name, self.triplet));
        let is_at_hand = self.layer().closure.contains(package) || self.essential.contains(package);
        is_at_hand && !named.any(|name| name == package)
    }

    /// Wants packages that may have what the image starts: those that its name suggests; since it may be a link, what these
    /// depend on; and at last all that the layer's packages depend on.
    fn want_started(&mut self, program: &str) {
        let name = program.rsplit('/').next().unwrap_or(program);
        let Inputs { packages, distro, .. } = self.inputs;
        let usual = usual_packages(name).iter().copied().chain(essential_package_with(distro, name));
        let likely: Vec<&str> = std::iter::once(name).chain(usual).collect();
        let locked = likely.iter().filter_map(|name| packages.get(name));
        let requires = locked.flat_map(|locked| &locked.requires).cloned().collect();
        let likely = likely.into_iter().map(str::to_owned).collect();
        let all = self.layer().closure.iter().cloned().collect();
        for mut names in [likely, requires, all] {
            let names: &mut Vec<String> = &mut names;
            names.retain(|name| self.may_start(name) && self.is_uncatalogued(name));
            if !names.is_empty() {
                self.wants.extend(names.drain(..));
                return;
            }
        }
    }

    /// The same for what the commands lead to that are made as links: alternatives above all.
    pub(super) fn run_by_made_links(&mut self) {
        let made: Vec<&RootPath> = self.inputs.made_links.keys().filter(|link| is_command(link)).collect();
        for link in made {
            if let Some(file) = resolve(&self.visible(), link) {
                self.is_run(&file);
            }
        }
    }

    /// Tells of scripts of named packages that may be run from where nothing is known to run them, by interpreters that
    /// the image lacks.
    pub(super) fn warn_of_unrun(&mut self) {
        let mut lacking: BTreeMap<String, Vec<RootPath>> = BTreeMap::new();
        for (path, file) in self.chosen_files() {
            let is_executable = file.entry.metadata.mode & 0o111 != 0 && !is_run_where_it_is(path);
            if !is_executable || file.shebang.is_none() || !self.is_of_named(path) {
                continue;
            }
            let named = file.shebang.as_deref().map(interpreters).unwrap_or_default();
            let is_there = |command: &str| {
                self.find_command(command)
                    .is_some_and(|(_, file)| self.is_chosen(&file) || self.is_own(&file))
            };
            // Others are service managers' that images are not for.
            let is_usual = |command: &&str| has_words(command) || command.ends_with("/env");
            if let Some(lacks) = named.into_iter().find(|command| is_usual(command) && !is_there(command)) {
                lacking.entry(lacks.to_owned()).or_default().push(path.clone());
            }
        }
        let unrun = lacking.into_iter().map(|(interpreter, scripts)| Warning::Unrun { interpreter, scripts });
        self.warnings.extend(unrun);
    }

    /// Whether a path is of a package that a layer names, or that has its name from one, and that is for more than to
    /// install others.
    fn is_of_named(&self, path: &RootPath) -> bool {
        let package = self.package_at(path);
        let is_named = self.is_named(&package) || self.roles.get(&package) == Some(&Role::Named);
        is_named && !is_install_helper(self.inputs.distro, &package)
    }

    pub(super) fn is_own(&self, path: &RootPath) -> bool {
        let own = self.inputs.own;
        own.files.contains_key(path) || own.scripts.contains_key(path)
    }

    fn pull_interpreter(&mut self, script: &RootPath, interpreter: &str, package: &str) {
        let found = self.find_command(interpreter);
        if found.as_ref().is_some_and(|(_, file)| self.is_own(file)) {
            return;
        }
        if let Some((path, file)) = found {
            let reason = Reason::Interpreter { by: script.clone() };
            self.pull_along(&path, &reason);
            // python3 is a link of one package to what another has.
            let mut owners: BTreeSet<String> =
                [&path, &file].iter().flat_map(|path| self.owners_at(path)).collect();
            if self.is_given(&file) {
                // Not every image tells which files are of which package.
                owners.extend(usual_packages(path.file_name()).iter().map(|name| (*name).to_owned()));
            }
            self.pull(&file, reason);
            for owner in &owners {
                self.reach_interpreter(owner, package);
            }
        } else if !self.want_interpreter(interpreter, package) && !is_module(script) {
            self.warnings.insert(Warning::NoInterpreter {
                script: script.clone(),
                interpreter: interpreter.to_owned(),
            });
        }
    }

    /// The path of a command, and the file it comes to.
    pub(super) fn find_command(&self, command: &str) -> Option<(RootPath, RootPath)> {
        let tree = self.visible();
        let candidates: Vec<RootPath> = if command.contains('/') {
            RootPath::parse(command).into_iter().collect()
        } else {
            COMMAND_DIRECTORIES
                .iter()
                .filter_map(|directory| RootPath::parse(&format!("{directory}/{command}")).ok())
                .collect()
        };
        candidates.into_iter().find_map(|path| resolve(&tree, &path).map(|file| (path, file)))
    }

    /// Wants packages that may have an interpreter, likeliest first; false where all are catalogued.
    fn want_interpreter(&mut self, interpreter: &str, package: &str) -> bool {
        let name = interpreter.rsplit('/').next().unwrap_or(interpreter);
        let usual = usual_packages(name);
        let likely: Vec<&str> = std::iter::once(name)
            .chain(usual.iter().copied())
            .filter(|name| self.is_uncatalogued(name))
            .collect();
        if !likely.is_empty() {
            self.wants.extend(likely.into_iter().map(str::to_owned));
            return true;
        }
        let everything: Vec<String> =
            super::packages::closure(&std::iter::once(package.to_owned()).collect(), self.inputs.packages)
                .into_iter()
                .chain(
                    self.inputs
                        .packages
                        .values()
                        .filter(|locked| locked.essential)
                        .map(|locked| locked.name.clone()),
                )
                .filter(|name| self.is_uncatalogued(name))
                .collect();
        let any = !everything.is_empty();
        self.wants.extend(everything);
        any
    }

    /// Whether a package is locked and its files are not all known yet.
    pub(super) fn is_uncatalogued(&self, name: &str) -> bool {
        self.is_unknown(name) || self.is_outlined(name)
    }

    /// Whether a package is locked and nothing is known of its files yet.
    pub(super) fn is_unknown(&self, name: &str) -> bool {
        let Inputs { packages, catalog, given, .. } = self.inputs;
        packages.contains_key(name) && (catalog.package(name).is_none() || given.partial.contains(name))
    }

    /// Whether no more is known of a package than what it says of its files.
    pub(super) fn is_outlined(&self, name: &str) -> bool {
        self.inputs.catalog.package(name).is_some_and(|package| package.is_outline)
    }
}
