//! A planned base -> the text of a recipe that holds its files.
//!
//! Each layer of the recipe keeps what it lists. Files that others of the base bring along (libraries by what is
//! linked with them, what links lead to) are not listed, and a directory stands for its files where the base has all
//! of them that packages of the fleet have. Directories of an architecture become `{triplet}`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::root_path::RootPath;

use super::{Fleet, FleetFile, FleetPlan};

/// Directories above this depth are not listed as a whole: they are everybody's.
const SHALLOW: usize = 3;

/// The packages that a layer of a base names, and what it lists of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaseContent {
    /// The source package that most of it is from.
    pub source: String,
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
    /// What names of layers begin with.
    pub prefix: String,
    /// The directory of the architecture's libraries, as in `x86_64-linux-gnu`.
    pub triplet: String,
}

/// Which packages of a fleet have something in each directory.
#[derive(Clone, Debug, Default)]
pub struct Holders(BTreeMap<RootPath, BTreeSet<u32>>);

impl Holders {
    /// Of all packages of a fleet.
    pub fn of(fleet: &Fleet) -> Self {
        let mut holders: BTreeMap<RootPath, BTreeSet<u32>> = BTreeMap::new();
        for (number, package) in (0_u32..).zip(&fleet.packages) {
            let mut last: Option<RootPath> = None;
            for file in &package.files {
                let parent = file.path.parent();
                if parent != last {
                    for directory in file.path.ancestors() {
                        holders.entry(directory).or_default().insert(number);
                    }
                    last = parent;
                }
            }
        }
        Holders(holders)
    }
}

/// What a recipe must list for a planned base to hold what it is to hold, layer by layer.
pub fn content_of(fleet: &Fleet, holders: &Holders, plan: &FleetPlan, number: usize) -> Vec<BaseContent> {
    let base = &plan.bases[number];
    let mut below: BTreeSet<FleetFile> = BTreeSet::new();
    let mut at = base.parent;
    while let Some(parent) = at {
        below.extend(&plan.bases[parent].files);
        at = plan.bases[parent].parent;
    }
    let mut contents = Vec::with_capacity(base.layers.len());
    for files in &base.layers {
        contents.push(layer_content(fleet, holders, files, &below));
        below.extend(files);
    }
    contents
}

/// What a layer must list; `below` is what lower layers hold.
fn layer_content(
    fleet: &Fleet,
    holders: &Holders,
    files: &[FleetFile],
    below: &BTreeSet<FleetFile>,
) -> BaseContent {
    let own: BTreeSet<FleetFile> = files.iter().copied().collect();
    let listed = roots(fleet, &own);
    let packages: BTreeSet<&str> =
        listed.iter().map(|file| fleet.packages[file.package as usize].name.as_str()).collect();
    let mut directories: BTreeMap<RootPath, Directory> = BTreeMap::new();
    let of_base: BTreeSet<u32> = own.iter().map(|file| file.package).collect();
    for package in &of_base {
        let package = *package;
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
            && holders.0.get(directory).is_some_and(|packages| packages.is_subset(&of_base))
    };
    let mut include: BTreeSet<RootPath> = BTreeSet::new();
    for file in &listed {
        let path = &fleet.file(*file).path;
        let highest = path.ancestors().filter(|one| stands_for(one)).min_by_key(|one| one.as_str().len());
        include.insert(highest.unwrap_or_else(|| path.clone()));
    }
    BaseContent {
        source: largest_sources(fleet, files).into_iter().next().unwrap_or_default(),
        packages: packages.into_iter().map(str::to_owned).collect(),
        include: include.into_iter().collect(),
    }
}

/// The source packages of files, the one of most bytes first.
pub fn largest_sources(fleet: &Fleet, files: &[FleetFile]) -> Vec<String> {
    let mut sources: BTreeMap<&str, u64> = BTreeMap::new();
    for file in files {
        *sources.entry(&fleet.packages[file.package as usize].source).or_default() += fleet.file(*file).bytes;
    }
    let mut sources: Vec<(&str, u64)> = sources.into_iter().collect();
    sources.sort_by_key(|(name, bytes)| (std::cmp::Reverse(*bytes), *name));
    sources.into_iter().map(|(name, _)| name.to_owned()).collect()
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
    pub fn recipe(&self, layers: &[BaseContent], base: Option<&str>) -> String {
        let mut text = format!("# {}\nname = {}\n", self.comment, quoted(&self.name));
        for (key, value) in &self.keys {
            _ = writeln!(text, "{key} = {value}");
        }
        if let Some(base) = base {
            _ = writeln!(text, "base = {}", quoted(base));
        }
        let mut names: BTreeSet<String> = BTreeSet::new();
        for content in layers {
            let plain = format!("{}.{}", self.prefix, name_of(&content.source));
            let name = (2..).map(|number| format!("{plain}-{number}"));
            let mut name = std::iter::once(plain.clone()).chain(name).filter(|name| !names.contains(name));
            let name = name.next().unwrap_or(plain);
            self.write_layer(&mut text, &name, content);
            names.insert(name);
        }
        text
    }

    fn write_layer(&self, text: &mut String, name: &str, content: &BaseContent) {
        _ = write!(text, "\n[[layer]]\nname = {}\n", quoted(name));
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
    }

    /// A path as a pattern has it, for every architecture: with `{triplet}` in the place of the architecture's own, and
    /// the loader by whichever name it has.
    fn pattern(&self, path: &RootPath) -> String {
        if let Some(pattern) = self.loader_pattern(path) {
            return pattern;
        }
        let quoted = |text: &str| {
            let mut quoted = String::new();
            for character in text.chars() {
                if "*?[]{}\\".contains(character) {
                    quoted.push('\\');
                }
                quoted.push(character);
            }
            quoted
        };
        if self.triplet.is_empty() {
            return quoted(path.as_str());
        }
        let parts: Vec<String> = path.as_str().split(&self.triplet).map(quoted).collect();
        parts.join("{triplet}")
    }

    /// The pattern of the dynamic loader, whose directory and name are an architecture's own.
    fn loader_pattern(&self, path: &RootPath) -> Option<String> {
        let name = path.file_name();
        let is_musl = name.starts_with("ld-musl-");
        if !(is_musl || ["ld-linux", "ld.so.", "ld64.so."].iter().any(|start| name.starts_with(start))) {
            return None;
        }
        let parent = path.parent()?;
        let directory = match parent.as_str() {
            "/lib" | "/lib64" => "/{lib,lib64}",
            "/usr/lib" | "/usr/lib64" => "/usr/{lib,lib64}",
            other if other.strip_prefix("/usr/lib/") == Some(&self.triplet) => "/usr/lib/{triplet}",
            _ => return None,
        };
        Some(format!("{directory}/{}", if is_musl { "ld-musl-*.so.*" } else { "ld*.so.*" }))
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

/// A name of an image or a layer, from that of a package.
pub fn name_of(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let plain: String = text.chars().map(plain).collect();
    let parts: Vec<&str> = plain.split('-').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "shared".to_owned() } else { parts.join("-") }
}
