//! Which files get into an image, and why: catalogue + lock + recipe -> [`Selection`].
//!
//! The policies `all`, `listed` and `needed` stand in the recipe's layers; each file chosen carries its
//! [`Reason`]. Selection asks for nothing by itself: where it meets a package that is not catalogued yet, it
//! answers [`Outcome::Wants`], and the pipeline fetches and asks again. Most of that [`Foresight`] tells before. Which
//! packages are catalogued when the answer is given follows from the recipe and the lock, and so does the answer.
//!
//! What scripts call is read from their text: where that is not at hand, the answer is [`Outcome::Reads`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::catalog::{FileCatalog, FileRef, OwnElfs};
use crate::distro::Distro;
use crate::lock::LockedPackage;
use crate::recipe::{Keep, Recipe, RuleTool};
use crate::root_path::RootPath;
use crate::shell::ScriptWords;

mod bonds;
mod closure;
mod error;
mod foresight;
mod given;
mod links;
mod mentions;
mod packages;
mod patterns;
mod proof;
mod rules;
mod scripts;
mod selector;
mod strip;
mod words;

pub use bonds::PluginCost;
pub use error::{Damaged, SelectError, Unlinked};
pub use foresight::Foresight;
pub use given::{Given, Lacked};

pub use mentions::package_names as library_packages;
pub use packages::{is_command, named as named_packages};
pub use proof::Unproven;
pub use selector::loader_for;
pub use strip::StripRules;

/// What selection works from, for one architecture.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// What is chosen for the layers of its bases, by the files of `catalog`.
    pub below: &'a Selection,
    /// The distro whose conventions hold.
    pub distro: Distro,
    /// The architecture.
    pub arch: Arch,
    /// What is known of the packages of a base image.
    pub given: &'a Given,
    /// The locked packages, by name.
    pub packages: &'a BTreeMap<&'a str, &'a LockedPackage>,
    /// The files of the packages fetched so far, and outlines of others.
    pub catalog: &'a FileCatalog,
    /// Links that will be made if something asks for them, path and target: busybox's applets. They lead to files
    /// as links of packages do, and are no reason for anything by themselves.
    pub made_links: &'a BTreeMap<RootPath, String>,
    /// The content of `/etc/ld-musl-ARCH.path` ([`crate::loader::musl_path_file`]) in the image, if it will have
    /// that file.
    pub musl_path: Option<&'a str>,
    /// The ELF files that the recipe brings itself.
    pub own: &'a OwnElfs,
    /// The packages that were locked for each of them.
    pub own_packages: &'a BTreeMap<RootPath, BTreeSet<String>>,
    /// The files that may say where glibc's loader looks ([`crate::loader::configures_dirs`]): the recipe's, and
    /// those of the packages at hand, which count if they are chosen.
    pub loader_configuration: &'a BTreeMap<RootPath, String>,
    /// The words of scripts read so far; none for a file that is no script of a shell.
    pub scripts: &'a BTreeMap<RootPath, Option<Arc<ScriptWords>>>,
}

/// The answer of [`select`].
#[derive(Debug)]
pub enum Outcome {
    /// Everything is known.
    Selection(Selection),
    /// These locked packages must be catalogued first.
    Wants(Wants),
    /// The words of these files must be read first.
    Reads(BTreeSet<RootPath>),
}

/// Packages that are to be catalogued.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Those of which every file must be known.
    pub files: BTreeSet<String>,
    /// Those of which an outline ([`PackageFiles::is_outline`](crate::catalog::PackageFiles)) is enough at first.
    pub outlines: BTreeSet<String>,
}

impl Wants {
    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.outlines.is_empty()
    }

    /// Adds what others want.
    pub fn extend(&mut self, others: Wants) {
        self.files.extend(others.files);
        self.outlines.extend(others.outlines);
    }
}

/// The paths that get in, layer by layer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Selection {
    /// The layers of the recipe's bases and its own, lowest first.
    pub layers: Vec<SelectedLayer>,
    /// What is worth knowing though it stops nothing, in order.
    pub warnings: Vec<Warning>,
    /// The patterns that matched nothing here.
    pub unmatched: Vec<UnmatchedPattern>,
    /// Variables of the environment that run-time rules give, unless the recipe sets them.
    pub env: BTreeMap<String, String>,
    /// What plug-ins cost, dearest first: each, and those of one directory together.
    pub plugins: Vec<PluginCost>,
}

/// The package files of one layer. No path stands in two layers, since packages do not change files.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SelectedLayer {
    /// The layer's name.
    pub name: String,
    /// The chosen paths.
    pub files: BTreeMap<RootPath, Selected>,
    /// Links that no package has, by which chosen files are found: loaders, interpreters and what links lead to.
    /// They belong into the image, since no program would start without. Each stands in the first layer that
    /// needs it.
    pub links: BTreeMap<RootPath, PassedLink>,
    /// Files that run-time rules make, where no chosen file is. The recipe's own take their place.
    pub made: BTreeMap<RootPath, MadeByRule>,
    /// What run-time rules want made of the image as a whole, from this layer on.
    pub tools: BTreeMap<RuleTool, Reason>,
    /// Packages that are in the layer for their own sake, though lower layers have files of theirs.
    pub whole: BTreeSet<String>,
}

/// A file whose content a run-time rule gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeByRule {
    /// The content.
    pub content: String,
    /// Why it is needed.
    pub reason: Reason,
}

/// A chosen path.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Selected {
    /// The file in the catalogue.
    pub file: FileRef,
    /// Why it is in.
    pub reason: Reason,
}

/// A link that no package has, and that leads to something chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedLink {
    /// What it says.
    pub target: String,
    /// It is one of the merged `/usr`, which the skeleton has anyway; else it is one of [`Inputs::made_links`].
    pub of_distro: bool,
    /// Why it is needed.
    pub reason: Reason,
}

/// Why a path is in the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// A base image has it.
    Given,
    /// Its package is named by the recipe, or counts as named.
    Named,
    /// Its package is in the closure of a layer that keeps all.
    All,
    /// A glob of the recipe includes it.
    Included(String),
    /// It is data or a plug-in of a package that is needed.
    Reached,
    /// A file lists it as `DT_NEEDED`.
    Library {
        /// The file that needs it.
        by: RootPath,
        /// The name it asks for.
        needed: String,
    },
    /// A program names it as its dynamic loader (`PT_INTERP`).
    Loader {
        /// The program.
        by: RootPath,
    },
    /// A symbolic link leads to or through it.
    Link {
        /// The link.
        by: RootPath,
    },
    /// A script names it as its interpreter.
    Interpreter {
        /// The script.
        by: RootPath,
    },
    /// A script calls or sources it.
    Word {
        /// The script.
        by: RootPath,
        /// The command or file, as the script has it.
        word: String,
    },
    /// An ELF file holds its path.
    Mention {
        /// The ELF file.
        by: RootPath,
    },
    /// An ELF file says that it opens it by name.
    Opened {
        /// The ELF file.
        by: RootPath,
        /// The name.
        soname: String,
    },
    /// A run-time rule asks for it.
    Rule {
        /// The rule's name.
        rule: String,
        /// What fired the rule; none where that is the image's environment.
        by: Option<RootPath>,
    },
}

impl Reason {
    /// The file that asks for it, if one does.
    pub fn by(&self) -> Option<&RootPath> {
        match self {
            Reason::Given | Reason::Named | Reason::All | Reason::Included(_) | Reason::Reached => None,
            Reason::Library { by, .. }
            | Reason::Loader { by }
            | Reason::Link { by }
            | Reason::Interpreter { by }
            | Reason::Word { by, .. }
            | Reason::Mention { by }
            | Reason::Opened { by, .. } => Some(by),
            Reason::Rule { by, .. } => by.as_ref(),
        }
    }
}

/// Something worth knowing about a selection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Warning {
    /// A link whose target is in no package that was looked into.
    Dangling {
        /// The link.
        link: RootPath,
        /// Its target as written.
        target: String,
    },
    /// A plug-in that would not load.
    PluginLacks {
        /// The plug-in.
        plugin: RootPath,
        /// The library it lacks.
        needed: String,
        /// The pattern that excludes the library.
        excluded_by: Option<String>,
    },
    /// A script whose interpreter no locked package has.
    NoInterpreter {
        /// The script.
        script: RootPath,
        /// The interpreter.
        interpreter: String,
    },
    /// Two packages ship the same path and neither replaces the other's.
    Contested {
        /// The path.
        path: RootPath,
        /// The package whose file is taken.
        taken: String,
        /// The package whose file is not.
        dropped: String,
    },
    /// A program for glibc on a distro that has musl.
    ForeignLoader {
        /// The program.
        program: RootPath,
        /// The loader that it names.
        interp: String,
    },
    /// Something that may fail for want of a symbol, or a plug-in that will not load.
    Unproven(Unproven),
    /// A script that calls what the image lacks.
    NoCommands {
        /// The script.
        script: RootPath,
        /// The commands.
        commands: Vec<String>,
    },
    /// A run-time rule whose packages are not locked.
    RuleLacks {
        /// The rule's name.
        rule: String,
        /// What fired it; none where that is the image's environment.
        by: Option<RootPath>,
        /// The packages.
        packages: Vec<String>,
    },
    /// A library that an ELF file says it opens, and that the image lacks.
    OpensMissing {
        /// The ELF file.
        by: RootPath,
        /// The names that it tries.
        sonames: Vec<String>,
        /// What it is for.
        feature: Option<String>,
        /// Whether the file does not work without.
        required: bool,
    },
    /// Libraries that an ELF file opens if they are there, and that the image lacks.
    CanUse {
        /// The ELF file.
        by: RootPath,
        /// The first name that it tries of each.
        sonames: Vec<String>,
    },
    /// A library that an ELF file names and nobody selected.
    Unselected {
        /// The ELF file.
        by: RootPath,
        /// The name.
        soname: String,
        /// Where the library is.
        path: RootPath,
        /// The package that has it.
        package: String,
    },
    /// A file that looks like ELF and is not whole.
    DamagedElf {
        /// The file.
        path: RootPath,
        /// What is wrong.
        reason: String,
    },
}

/// A pattern of a layer that matched nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnmatchedPattern {
    /// The layer's name.
    pub layer: String,
    /// `include` or `exclude`.
    pub list: String,
    /// The pattern as the recipe has it.
    pub pattern: String,
    /// Whether every package it could speak of was looked into.
    pub certain: bool,
}

impl Reason {
    /// The rule in one word.
    pub fn rule(&self) -> &'static str {
        match self {
            Reason::Given => "given",
            Reason::Named => "named",
            Reason::All => "all",
            Reason::Included(_) => "included",
            Reason::Reached => "reached",
            Reason::Library { .. } => "library",
            Reason::Loader { .. } => "loader",
            Reason::Link { .. } => "link",
            Reason::Interpreter { .. } => "interpreter",
            Reason::Word { .. } => "word",
            Reason::Mention { .. } => "mention",
            Reason::Opened { .. } => "opened",
            Reason::Rule { .. } => "rule",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Given => f.write_str("the base image has it"),
            Reason::Named => f.write_str("of a named package"),
            Reason::All => f.write_str("of a layer that keeps all"),
            Reason::Included(glob) => write!(f, "included by `{glob}`"),
            Reason::Reached => f.write_str("of a package that is needed"),
            Reason::Library { by, needed } => write!(f, "`{needed}` is needed by {by}"),
            Reason::Loader { by } => write!(f, "the loader of {by}"),
            Reason::Link { by } => write!(f, "where {by} leads"),
            Reason::Interpreter { by } => write!(f, "the interpreter of {by}"),
            Reason::Word { by, word } => write!(f, "`{word}` is called by {by}"),
            Reason::Mention { by } => write!(f, "mentioned by {by}"),
            Reason::Opened { by, soname } => write!(f, "`{soname}` is opened by {by}"),
            Reason::Rule { rule, by: Some(by) } => write!(f, "by the rule `{rule}`, because of {by}"),
            Reason::Rule { rule, by: None } => {
                write!(f, "by the rule `{rule}`, because of the image's environment")
            }
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Dangling { link, target } => write!(f, "{link} leads to {target}, which is not there"),
            Warning::PluginLacks { plugin, needed, excluded_by: None } => {
                write!(f, "the plug-in {plugin} lacks `{needed}` and will not load")
            }
            Warning::PluginLacks { plugin, needed, excluded_by: Some(glob) } => {
                write!(
                    f,
                    "the plug-in {plugin} lacks `{needed}`, which the recipe excludes with `{glob}`, and will not load"
                )
            }
            Warning::NoInterpreter { script, interpreter } => {
                write!(f, "the script {script} is run by {interpreter}, which is not there")
            }
            Warning::Contested { path, taken, dropped } => {
                write!(
                    f,
                    "{path} is in {taken} and in {dropped}, and neither replaces the other; {taken}'s is taken"
                )
            }
            Warning::ForeignLoader { program, interp } => {
                write!(
                    f,
                    "{program} is made for glibc's loader {interp}; its libraries are sought by musl's rules"
                )
            }
            Warning::Unproven(unproven) => unproven.fmt(f),
            Warning::NoCommands { script, commands } => {
                write!(f, "the script {script} calls `{}`, which the image lacks", commands.join("`, `"))
            }
            Warning::RuleLacks { rule, by, packages } => {
                let by = by.as_ref().map_or("the image's environment", RootPath::as_str);
                write!(
                    f,
                    "{by} fires the rule `{rule}`, whose packages are not locked: {}",
                    packages.join(", ")
                )
            }
            Warning::CanUse { by, sonames } => {
                write!(f, "{by} can use `{}`, which the image lacks", sonames.join("`, `"))
            }
            Warning::OpensMissing { by, sonames, feature, .. } => {
                let names = sonames.join("` or `");
                write!(f, "{by} does not work without `{names}`, which the image lacks")?;
                feature.as_ref().map_or(Ok(()), |feature| write!(f, " ({feature})"))
            }
            Warning::Unselected { by, soname, path, package } => {
                write!(
                    f,
                    "{by} names `{soname}`, which {package} has and nothing selected; if it is needed: \
                     include = [\"{path}\"]"
                )
            }
            Warning::DamagedElf { path, reason } => write!(f, "{path} is a damaged ELF file: {reason}"),
        }
    }
}

/// Chooses the paths of every layer.
///
/// # Errors
///
/// Where a program of the image would not find a library, all such libraries are reported together.
pub fn select(inputs: Inputs<'_>) -> Result<Outcome, SelectError> {
    let mut selector = selector::Selector::new(inputs)?;
    selector.stand_on_base();
    for layer in &inputs.recipe.layers {
        selector.enter()?;
        match layer.keep {
            Keep::All => selector.keep_all(),
            Keep::Needed => selector.keep_needed(),
            Keep::Listed => {}
        }
        selector.include();
        selector.link_own();
        selector.settle();
    }
    selector.finish()
}

/// The packages worth fetching before selection is asked at all: what a walk of the metadata reaches. Where
/// a layer excludes or lists files, only what it names, since much of the rest may turn out unneeded.
pub fn likely_packages(
    recipe: &Recipe,
    arch: Arch,
    packages: &BTreeMap<&str, &LockedPackage>,
) -> BTreeSet<String> {
    packages::likely(recipe, arch, packages)
}
