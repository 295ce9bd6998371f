//! A planned base -> the text of a recipe that holds its files.
//!
//! The recipe has one layer that keeps what it lists. Files that others of the base bring along (libraries by what is
//! linked with them, what links lead to) are not listed, and a directory stands for its files where the base has all
//! of them that its packages have. Directories of an architecture become `{triplet}`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::root_path::RootPath;

use super::{Fleet, FleetFile, FleetPlan};

/// Directories above this depth are not listed as a whole: they are everybody's.
const SHALLOW: usize = 3;

/// The packages that a base names, and what it lists of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaseContent {
    /// Names, sorted.
    pub packages: Vec<String>,
    /// Paths and directories, sorted.
    pub include: Vec<RootPath>,
}

/// What a base recipe says, beside its layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaseText {
    /// What it is for, in a sentence.
    pub comment: String,
    /// The base's name.
    pub name: String,
    /// Keys with their values, as TOML has them, in the order in which they are written.
    pub keys: Vec<(&'static str, String)>,
    /// The layer's name.
    pub layer: String,
    /// The directory of the architecture's libraries, as in `x86_64-linux-gnu`.
    pub triplet: String,
}

/// What a recipe must list for a planned base to hold what it is to hold.
pub fn content_of(fleet: &Fleet, plan: &FleetPlan, number: usize) -> BaseContent {
    let base = &plan.bases[number];
    let own: BTreeSet<FleetFile> = base.files.iter().copied().collect();
    let mut below: BTreeSet<FleetFile> = BTreeSet::new();
    let mut at = base.parent;
    while let Some(parent) = at {
        below.extend(&plan.bases[parent].files);
        at = plan.bases[parent].parent;
    }
    let listed = roots(fleet, &own);
    let packages: BTreeSet<&str> =
        listed.iter().map(|file| fleet.packages[file.package as usize].name.as_str()).collect();
    let mut directories: BTreeMap<RootPath, Directory> = BTreeMap::new();
    let of_base: BTreeSet<u32> = own.iter().map(|file| file.package).collect();
    for package in of_base {
        for (at, file) in (0_u32..).zip(&fleet.packages[package as usize].files) {
            let id = FleetFile { package, file: at };
            for directory in file.path.ancestors() {
                let directory = directories.entry(directory).or_default();
                directory.listed += u32::from(listed.contains(&id));
                directory.foreign |= !own.contains(&id) && !below.contains(&id);
            }
        }
    }
    let stands_for = |directory: &RootPath| {
        directory.components().count() >= SHALLOW
            && directories.get(directory).is_some_and(|one| !one.foreign && one.listed > 1)
    };
    let mut include: BTreeSet<RootPath> = BTreeSet::new();
    for file in &listed {
        let path = &fleet.file(*file).path;
        let highest = path.ancestors().filter(|one| stands_for(one)).min_by_key(|one| one.as_str().len());
        include.insert(highest.unwrap_or_else(|| path.clone()));
    }
    BaseContent {
        packages: packages.into_iter().map(str::to_owned).collect(),
        include: include.into_iter().collect(),
    }
}

/// What is known of a directory in the packages of a base.
#[derive(Default)]
struct Directory {
    /// How many files in it would be listed.
    listed: u32,
    /// It holds something that is neither in the base nor below.
    foreign: bool,
}

/// Files that bring all of a base's along.
fn roots(fleet: &Fleet, own: &BTreeSet<FleetFile>) -> BTreeSet<FleetFile> {
    let by = |file: &FleetFile| fleet.file(*file).by.filter(|by| own.contains(by) && by != file);
    let mut brings: BTreeMap<FleetFile, Vec<FleetFile>> = BTreeMap::new();
    let mut roots: BTreeSet<FleetFile> = BTreeSet::new();
    for file in own {
        match by(file) {
            Some(by) => brings.entry(by).or_default().push(*file),
            None => {
                roots.insert(*file);
            }
        }
    }
    let mut brought: BTreeSet<FleetFile> = BTreeSet::new();
    let follow = |root: FleetFile, brought: &mut BTreeSet<FleetFile>| {
        let mut stack = vec![root];
        while let Some(file) = stack.pop() {
            if brought.insert(file) {
                stack.extend(brings.get(&file).into_iter().flatten());
            }
        }
    };
    for root in &roots {
        follow(*root, &mut brought);
    }
    // Files that bring each other in a circle, each in another image.
    for file in own {
        if !brought.contains(file) {
            roots.insert(*file);
            follow(*file, &mut brought);
        }
    }
    roots
}

impl BaseText {
    /// The text of the recipe; `base` is what it stands on, relative to it.
    pub fn recipe(&self, content: &BaseContent, base: Option<&str>) -> String {
        let mut text = format!("# {}\nname = {}\n", self.comment, quoted(&self.name));
        for (key, value) in &self.keys {
            _ = writeln!(text, "{key} = {value}");
        }
        if let Some(base) = base {
            _ = writeln!(text, "base = {}", quoted(base));
        }
        _ = write!(text, "\n[[layer]]\nname = {}\n", quoted(&self.layer));
        let include: Vec<String> = content.include.iter().map(|path| self.pattern(path)).collect();
        for (key, values) in [("packages", &content.packages), ("include", &include)] {
            _ = writeln!(text, "{key} = [");
            for value in values {
                _ = writeln!(text, "  {},", quoted(value));
            }
            text.push_str("]\n");
            if key == "packages" {
                text.push_str("keep = \"listed\"\n");
            }
        }
        text
    }

    /// A path as a pattern has it.
    fn pattern(&self, path: &RootPath) -> String {
        let mut pattern = String::new();
        for component in path.components() {
            pattern.push('/');
            if component == self.triplet && !component.is_empty() {
                pattern.push_str("{triplet}");
                continue;
            }
            for character in component.chars() {
                if "*?[]{}\\".contains(character) {
                    pattern.push('\\');
                }
                pattern.push(character);
            }
        }
        pattern
    }
}

/// A basic string of TOML.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => _ = write!(quoted, "\\u{:04X}", u32::from(character)),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
