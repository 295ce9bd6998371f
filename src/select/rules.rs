//! Run-time rules in selection (rules 8 and 9): what a chosen file imports or names fires a rule, and the rule
//! gives files, packages and more. The rules are data ([`Recipe::runtime_rules`](crate::recipe::Recipe)).
//!
//! A rule fires once, in the lowest layer that has something to fire it, and only where a layer keeps what is
//! needed. Its packages are locked on demand: they are wanted here for the first time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use globset::{GlobMatcher, GlobSet};

use crate::catalog::PackageFiles;
use crate::elf::ElfFacts;
use crate::lock::LockedPackage;
use crate::recipe::{Keep, Pattern, Rule, RuleTool};
use crate::root_path::RootPath;

use super::glob_sets::{Over, glob_set};
use super::packages::Role;
use super::selector::Selector;
use super::{MadeByRule, Reason, SelectError, Warning};

/// The source packages of the C libraries: what they import and name is about everything.
const C_LIBRARIES: [&str; 2] = ["glibc", "musl"];

/// Their libraries by name, as far as those are whole: what of an image is theirs, whoever may have it by its records.
const C_LIBRARY_NAMES: [&str; 16] = [
    "libBrokenLocale.so.1",
    "libanl.so.1",
    "libc.so",
    "libc.so.6",
    "libc.so.6.1",
    "libdl.so.2",
    "libm.so.6",
    "libmvec.so.1",
    "libnss_compat.so.2",
    "libnss_dns.so.2",
    "libnss_files.so.2",
    "libnss_hesiod.so.2",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libutil.so.1",
];

/// How the names of their loaders and of musl's library begin.
const C_LIBRARY_BEGINNINGS: [&str; 4] = ["ld-linux", "ld64.so", "ld-musl-", "libc.musl-"];

/// A rule, ready to be asked.
#[derive(Debug)]
struct Compiled<'a> {
    rule: &'a Rule,
    except: Vec<GlobMatcher>,
    opens: Vec<GlobMatcher>,
    files: Vec<GlobMatcher>,
    beside: Vec<GlobMatcher>,
}

/// The globs of all rules for one kind of thing. Each thing is held against all of them at once.
#[derive(Debug, Default)]
struct Triggers {
    globs: Arc<GlobSet>,
    /// Whose each is.
    rules: Vec<usize>,
}

impl Triggers {
    fn new(over: Over, globs: Vec<(usize, String)>, rules: &[Compiled<'_>]) -> Result<Self, SelectError> {
        let (rules_of, texts): (Vec<usize>, Vec<String>) = globs.into_iter().unzip();
        let set = glob_set(over, texts.clone()).map_err(|error| {
            // Whose it is shows where each is alone.
            let is_faulty = |text: &&String| glob_set(over, vec![(*text).clone()]).is_err();
            let faulty = texts.iter().position(|text| is_faulty(&text));
            wrong(faulty.map_or("", |place| &rules[rules_of[place]].rule.name), &error)
        })?;
        Ok(Triggers { globs: set, rules: rules_of })
    }

    fn fired_by(&self, text: &str) -> impl Iterator<Item = usize> {
        self.globs.matches(text).into_iter().map(|glob| self.rules[glob])
    }
}

fn wrong(rule: &str, error: &globset::Error) -> SelectError {
    let pattern = error.glob().unwrap_or_default().to_owned();
    SelectError::Rule { rule: rule.to_owned(), pattern, reason: error.kind().to_string() }
}

/// The rules of a selection, and what has become of them.
#[derive(Debug, Default)]
pub(super) struct RuntimeRules<'a> {
    rules: Vec<Compiled<'a>>,
    /// Which rules an imported symbol fires.
    by_import: HashMap<&'a str, Vec<usize>>,
    by_soname: Triggers,
    by_string: Triggers,
    by_path: Triggers,
    /// What fired each rule so far; nothing of the image's environment.
    fired: BTreeMap<usize, Option<RootPath>>,
    /// The packages of the files that fire each of them.
    firing: BTreeMap<usize, BTreeSet<String>>,
    /// The environment that rules give.
    pub(super) env: BTreeMap<String, String>,
    /// Those of which the current layer took no more than what its own packages have.
    held_back: BTreeSet<usize>,
    /// What rules make, by layer.
    pub(super) made: BTreeMap<RootPath, (usize, MadeByRule)>,
    /// The tools that rules ask for, by layer.
    pub(super) tools: BTreeMap<RuleTool, (usize, Reason)>,
}

impl<'a> RuntimeRules<'a> {
    /// Compiles the rules that hold for a recipe.
    pub(super) fn new(rules: Vec<&'a Rule>, arch_name: &str, triplet: &str) -> Result<Self, SelectError> {
        let mut all = RuntimeRules::default();
        let (mut sonames, mut strings, mut files) = (Vec::new(), Vec::new(), Vec::new());
        for rule in rules {
            let wrong = |error: globset::Error| wrong(&rule.name, &error);
            let paths = |patterns: &[Pattern]| -> Result<Vec<GlobMatcher>, globset::Error> {
                patterns.iter().map(|pattern| pattern.expand(arch_name, triplet)).collect()
            };
            let number = all.rules.len();
            sonames.extend(rule.when.sonames.iter().map(|text| (number, text.clone())));
            strings.extend(rule.when.strings.iter().map(|text| (number, text.clone())));
            let at_paths = rule.when.files.iter();
            files.extend(at_paths.map(|pattern| (number, pattern.text_on(arch_name, triplet))));
            for import in &rule.when.imports {
                all.by_import.entry(import).or_default().push(number);
            }
            all.rules.push(Compiled {
                rule,
                except: paths(&rule.except).map_err(wrong)?,
                opens: paths(&rule.when.opens).map_err(wrong)?,
                files: paths(&rule.files).map_err(wrong)?,
                beside: paths(&rule.beside).map_err(wrong)?,
            });
        }
        all.by_soname = Triggers::new(Over::Words, sonames, &all.rules)?;
        all.by_string = Triggers::new(Over::Words, strings, &all.rules)?;
        all.by_path = Triggers::new(Over::Paths, files, &all.rules)?;
        Ok(all)
    }

    /// Starts on another layer, for which what the one below did not take counts again.
    pub(super) fn enter_layer(&mut self) {
        for rule in std::mem::take(&mut self.held_back) {
            self.fired.remove(&rule);
        }
    }

    /// The rules that a file fires, be it again.
    pub(super) fn fired_by(&self, path: &RootPath, facts: Option<&ElfFacts>) -> BTreeSet<usize> {
        let mut found: BTreeSet<usize> = self.by_path.fired_by(path.as_str()).collect();
        if let Some(facts) = facts {
            for symbol in facts.symbols.imported() {
                found.extend(self.by_import.get(symbol).into_iter().flatten());
            }
            found.extend(facts.needed.iter().flat_map(|name| self.by_soname.fired_by(name)));
            found.extend(facts.mentions.iter().flat_map(|text| self.by_string.fired_by(text)));
        }
        found.retain(|number| !self.rules[*number].except.iter().any(|glob| glob.is_match(path.as_str())));
        found
    }

    /// The rules that the image's environment fires.
    pub(super) fn fired_by_environment(&self, env: &BTreeMap<String, String>) -> BTreeSet<usize> {
        let rules = self.rules.iter().enumerate();
        let fired = rules.filter(|(_, one)| one.rule.when.env.iter().any(|name| env.contains_key(name)));
        fired.map(|(number, _)| number).collect()
    }

    /// A rule by its number.
    pub(super) fn rule(&self, number: usize) -> &'a Rule {
        self.rules[number].rule
    }
}

/// Whether a package is of the C library itself.
pub(super) fn is_c_library(locked: &LockedPackage) -> bool {
    C_LIBRARIES.contains(&locked.source.as_str())
}

impl Selector<'_> {
    /// Fires the rules that the image's environment fires.
    pub(super) fn fire_by_environment(&mut self) {
        if self.layer().named.is_empty() {
            return;
        }
        for number in self.runtime.fired_by_environment(&self.inputs.recipe.image.env) {
            self.fire(number, None);
        }
    }

    /// Fires the rules that a chosen file fires.
    pub(super) fn fire_rules(&mut self, path: &RootPath, package: &PackageFiles, facts: Option<&ElfFacts>) {
        if !self.keeps_whole_packages() || self.is_c_library(package, facts) {
            return;
        }
        for number in self.runtime.fired_by(path, facts) {
            self.fire(number, Some(path));
            self.runtime.firing.entry(number).or_default().insert(package.name.clone());
            let one = &self.runtime.rules[number];
            let reason = Reason::Rule { rule: one.rule.name.clone(), by: Some(path.clone()) };
            let paths = package.manifest.files.iter().map(|file| &file.entry.path);
            let beside: Vec<&RootPath> =
                paths.filter(|path| one.beside.iter().any(|glob| glob.is_match(path.as_str()))).collect();
            for path in beside {
                self.choose(path, reason.clone());
            }
        }
    }

    /// Fires the rules for packages whose scripts open libraries.
    pub(super) fn fire_by_opening(&mut self, package: &PackageFiles) {
        let paths = || package.manifest.files.iter().map(|file| &file.entry.path);
        let by = |one: &Compiled<'_>| {
            paths().find(|path| one.opens.iter().any(|glob| glob.is_match(path.as_str()))).cloned()
        };
        let rules = self.runtime.rules.iter().enumerate();
        let fired: Vec<(usize, RootPath)> =
            rules.filter_map(|(number, one)| Some((number, by(one)?))).collect();
        for (number, path) in fired {
            self.fire(number, Some(&path));
        }
    }

    /// Fires the rules that an ELF file of the recipe's own fires.
    pub(super) fn fire_rules_of_own(&mut self, path: &RootPath, facts: &ElfFacts) {
        if self.keeps_whole_packages() {
            for number in self.runtime.fired_by(path, Some(facts)) {
                self.fire(number, Some(path));
            }
        }
    }

    /// Whether a package, or a file of an image, is of the C library itself.
    pub(super) fn is_c_library(&self, package: &PackageFiles, facts: Option<&ElfFacts>) -> bool {
        let of_image = facts.filter(|_| package.source.is_some());
        let soname = of_image.and_then(|facts| facts.soname.as_deref());
        soname.is_some_and(|name| {
            let begins = C_LIBRARY_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning));
            begins || C_LIBRARY_NAMES.contains(&name)
        }) || self.inputs.packages.get(package.name.as_str()).is_some_and(|locked| is_c_library(locked))
    }

    fn fire(&mut self, number: usize, by: Option<&RootPath>) {
        if self.runtime.fired.contains_key(&number) {
            return;
        }
        self.runtime.fired.insert(number, by.cloned());
        let rule = self.runtime.rules[number].rule;
        let reason = Reason::Rule { rule: rule.name.clone(), by: by.cloned() };
        let layer = self.layers.len() - 1;
        for (name, value) in &rule.env {
            self.runtime.env.entry(name.clone()).or_insert_with(|| value.clone());
        }
        for made in &rule.make {
            let path = self.inputs.catalog.merged_usr().canonical(&made.path);
            let made = MadeByRule { content: made.content.clone(), reason: reason.clone() };
            self.runtime.made.entry(path).or_insert((layer, made));
        }
        for tool in &rule.tools {
            self.runtime.tools.entry(*tool).or_insert_with(|| (layer, reason.clone()));
        }
        let packages: Vec<&String> = rule.packages.iter().filter(|name| self.gives_to_rules(name)).collect();
        if packages.len() < rule.packages.len() {
            self.runtime.held_back.insert(number);
        }
        let locked: Vec<&String> = packages
            .iter()
            .copied()
            .filter(|name| self.inputs.packages.contains_key(name.as_str()))
            .collect();
        if locked.is_empty() && !packages.is_empty() {
            let (rule, packages) = (rule.name.clone(), rule.packages.clone());
            self.warnings.insert(Warning::RuleLacks { rule, by: by.cloned(), packages });
        }
        for name in locked {
            if rule.files.is_empty() {
                self.reach_for(name, by);
            } else if let Some(package) = self.catalogued(name) {
                self.take_matching(number, package, &reason);
            }
        }
    }

    /// Whether a rule may ask for a package in the current layer: where all of its packages and their dependencies are
    /// kept, no others than these come but what is on every system.
    fn gives_to_rules(&self, package: &str) -> bool {
        let is_kept = self.layer().closure.contains(package) || self.essential.contains(package);
        self.keep() != Keep::All || is_kept
    }

    /// Reaches a package that a rule asks for.
    fn reach_for(&mut self, name: &str, by: Option<&RootPath>) {
        if let Some(by) = by {
            self.bonds.file_to_package(by, name);
        } else {
            self.bonds.root_to_package(name);
        }
        self.expand(name, Role::Reached);
    }

    fn take_matching(&mut self, number: usize, package: &PackageFiles, reason: &Reason) {
        for file in &package.manifest.files {
            let path = &file.entry.path;
            let globs = &self.runtime.rules[number].files;
            if globs.iter().any(|glob| glob.is_match(path.as_str())) {
                self.choose(path, reason.clone());
            }
        }
    }

    /// What rules without packages give, of the packages that were reached. Whether there was anything new is for
    /// the queue to show.
    pub(super) fn take_of_reached(&mut self) {
        let fired: Vec<(usize, Option<RootPath>)> = self
            .runtime
            .fired
            .iter()
            .filter(|(number, _)| {
                let rule = &self.runtime.rules[**number];
                rule.rule.packages.is_empty() && !rule.files.is_empty()
            })
            .map(|(number, by)| (*number, by.clone()))
            .collect();
        if fired.is_empty() || !self.keeps_whole_packages() {
            return;
        }
        let reached: Vec<String> = self.roles.keys().cloned().collect();
        for (number, by) in fired {
            // What the packages that fire it depend on counts too, reached or not yet.
            let owners = self.runtime.firing.get(&number).into_iter().flatten();
            let locked = owners.filter_map(|name| self.inputs.packages.get(name.as_str()).copied());
            let direct = locked.flat_map(|locked| &locked.requires);
            let direct: BTreeSet<String> =
                direct.filter(|name| !self.roles.contains_key(*name)).cloned().collect();
            let reason = Reason::Rule { rule: self.runtime.rules[number].rule.name.clone(), by };
            for name in &reached {
                if let Some(package) = self.inputs.catalog.package(name) {
                    self.take_matching(number, package, &reason);
                }
            }
            // An outline tells whether there is anything to take.
            for name in &direct {
                if let Some(package) = self.outlined(name) {
                    self.take_matching(number, package, &reason);
                }
            }
        }
    }
}
