//! Why nothing can be selected: programs that would not start, and patterns that cannot be used.

use std::collections::{BTreeMap, BTreeSet};

use crate::arch::Arch;
use crate::catalog::CatalogError;
use crate::distro::Distro;
use crate::hint::Hint;
use crate::root_path::RootPath;

use super::{Lacked, Unproven};

/// Why nothing can be selected.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// Programs would not start.
    #[error("{}", unlinked_text(.0))]
    Unlinked(Vec<Unlinked>),
    /// Programs would find their libraries, but not in these what they need.
    #[error("{}", unproven_text(.0))]
    Unproven(Vec<Unproven>),
    /// Programs that no loader would start: they are no whole ELF files.
    #[error("{}", damaged_text(.0))]
    Damaged(Vec<Damaged>),
    /// The base image lacks files of packages that no repository has.
    #[error("{}", lacked_text(.0))]
    Lacked(Vec<Lacked>),
    /// A script could not be read.
    #[error(transparent)]
    Unread(Box<CatalogError>),
    /// A pattern cannot be compiled.
    #[error("layer `{layer}`: the pattern `{pattern}` cannot be used: {reason}")]
    Pattern {
        /// The layer.
        layer: String,
        /// The pattern.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// A pattern of a run-time rule cannot be compiled.
    #[error("rule `{rule}`: the pattern `{pattern}` cannot be used: {reason}")]
    Rule {
        /// The rule.
        rule: String,
        /// The pattern.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// The distro has no port for the architecture.
    #[error("{distro} has no port for {arch}")]
    NoPort {
        /// The distro.
        distro: Distro,
        /// The architecture.
        arch: Arch,
    },
}

impl SelectError {
    /// A pattern of what is stripped cannot be compiled.
    pub(super) fn strip(error: &globset::Error) -> Self {
        let pattern = error.glob().unwrap_or_default().to_owned();
        SelectError::Pattern { layer: "strip".to_owned(), pattern, reason: error.kind().to_string() }
    }
}

/// A library that a program needs and would not find.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unlinked {
    /// The file that needs it.
    pub file: RootPath,
    /// The package of that file.
    pub package: String,
    /// What cannot work without it: the file itself, or the programs that load the file.
    pub programs: BTreeSet<RootPath>,
    /// The name it asks for.
    pub needed: String,
    /// The pattern that excludes it, where it would be there.
    pub excluded_by: Option<String>,
    /// Files of that name on the way that are for another machine, or damaged.
    pub unfit: Vec<RootPath>,
    /// A file of that name where the loader does not look, and its package.
    pub elsewhere: Option<(RootPath, String)>,
    /// A package of the repositories that would bring it, and is not locked. Selection reads no index: whoever does
    /// fills it in.
    pub provider: Option<String>,
}

/// A program that is no whole ELF file, or one of the recipe's for another machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damaged {
    /// The program.
    pub file: RootPath,
    /// Its package; none for what the recipe brings itself.
    pub package: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

/// How many missing files are told one by one.
const MOST_TOLD: usize = 10;

fn lacked_text(all: &[Lacked]) -> String {
    let mut lines: Vec<String> = all.iter().take(MOST_TOLD).map(ToString::to_string).collect();
    if all.len() > lines.len() {
        lines.push(format!("and {} more", all.len() - lines.len()));
    }
    lines.join("\n  ")
}

fn damaged_text(all: &[Damaged]) -> String {
    let line = |Damaged { file, package, reason }: &Damaged| match package {
        Some(package) => format!("{file} (from {package}) is a damaged ELF file: {reason}"),
        None => format!("{file}, which the recipe brings, cannot be run there: {reason}"),
    };
    let mut lines: Vec<String> = all.iter().map(line).collect();
    if lines.len() > 1 {
        lines.insert(0, format!("{} programs would not start", all.len()));
    }
    lines.join("\n  ")
}

fn unproven_text(all: &[Unproven]) -> String {
    let mut lines: Vec<String> = all.iter().map(ToString::to_string).collect();
    if lines.len() > 1 {
        lines.insert(0, format!("{} files do not link", all.len()));
    }
    lines.join("\n  ")
}

fn unlinked_text(all: &[Unlinked]) -> String {
    let mut lines: Vec<String> = all
        .iter()
        .map(|one| {
            let Unlinked { file, package, programs, needed, excluded_by, unfit, elsewhere, provider: _ } =
                one;
            let why = match (excluded_by, unfit.first(), elsewhere) {
                (Some(glob), ..) => format!("the recipe excludes with `{glob}`"),
                (None, Some(unfit), _) => {
                    format!("is not to be had: {unfit} is for another machine or damaged")
                }
                (None, None, Some((path, owner))) => {
                    format!("no locked package puts where the loader looks; {owner} has it as {path}")
                }
                (None, None, None) => "no locked package puts where the loader looks".to_owned(),
            };
            let loader = match programs.first().filter(|_| !programs.contains(file)) {
                Some(program) if programs.len() > 1 => {
                    format!(", loaded by {program} and {} more", programs.len() - 1)
                }
                Some(program) => format!(", loaded by {program}"),
                None => String::new(),
            };
            format!("{file} (from {package}{loader}) needs `{needed}`, which {why}")
        })
        .collect();
    if lines.len() > 1 {
        lines.insert(0, format!("{} libraries are missing", all.len()));
    }
    lines.join("\n  ")
}

/// What to name, and for what.
fn provided(all: &[Unlinked]) -> String {
    let mut needed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for one in all {
        if let Some(provider) = &one.provider {
            needed.entry(provider).or_default().insert(&one.needed);
        }
    }
    let each = needed.iter().map(|(provider, needed)| {
        let needed: Vec<String> = needed.iter().map(|name| format!("`{name}`")).collect();
        format!("\"{provider}\", which has {}", needed.join(" and "))
    });
    each.collect::<Vec<_>>().join("; ")
}

impl Hint for SelectError {
    fn hints(&self) -> Vec<String> {
        match self {
            SelectError::Unread(error) => error.hints(),
            SelectError::Unlinked(all) if all.iter().any(|one| one.excluded_by.is_some()) => {
                vec!["exclude the file that needs it too, or keep the library".into()]
            }
            SelectError::Unlinked(all) => {
                let way_out = match provided(all).as_str() {
                    "" => "name the package that has the library in the layer's `packages`".to_owned(),
                    all => format!("add to the layer's `packages`: {all}"),
                };
                // A library that a program loads would be missed in its turn.
                let programs: BTreeSet<&RootPath> = all.iter().flat_map(|one| &one.programs).collect();
                let told = programs.iter().take(MOST_TOLD).map(|file| format!("\"{file}\""));
                let rest = (programs.len() > MOST_TOLD).then(|| "...".to_owned());
                let files: Vec<String> = told.chain(rest).collect();
                let without = format!("or do without what cannot work: `exclude = [{}]`", files.join(", "));
                vec![way_out, without]
            }
            SelectError::Lacked(all) => {
                let mut paths = all.iter().filter_map(|one| one.path.as_ref());
                let without = match paths.next() {
                    Some(path) => format!("or do without it: `exclude = [\"{path}\"]`"),
                    None => {
                        "or name the files that are needed: `keep = \"listed\"` with `include`".to_owned()
                    }
                };
                vec![
                    "take a newer image as the base, or a repository that has this version, such as a `snapshot`"
                        .to_owned(),
                    without,
                ]
            }
            SelectError::Damaged(all) if all.iter().all(|one| one.package.is_none()) => {
                vec!["bring the program for each architecture: `{arch}` in `source` is its name".into()]
            }
            SelectError::Damaged(_) => {
                vec!["take another version of the package, or leave the file out with `exclude`".into()]
            }
            SelectError::Unproven(_) => vec![
                "the packages do not belong together: run `rootforge lock --update`, or pin versions that do"
                    .into(),
            ],
            SelectError::Pattern { .. } | SelectError::Rule { .. } => vec![],
            SelectError::NoPort { .. } => vec!["remove the architecture from `arch` or `--arch`".into()],
        }
    }
}
