//! Which files get into an image, and why: catalogue + lock + recipe -> [`Selection`].
//!
//! The policies `all`, `listed` and `needed` stand in the recipe's layers; each file chosen carries its
//! [`Reason`]. Selection asks for nothing by itself: where it meets a package that is not catalogued yet, it
//! answers [`Outcome::Wants`], and the pipeline fetches and asks again. Most of that [`Foresight`] tells before. Which
//! packages are catalogued when the answer is given follows from the recipe and the lock, and so does the answer.
//!
//! What scripts call is read from their text, which [`ReadScripts`] does for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::catalog::{CatalogError, FileCatalog, FileRef, OwnElfs, PackageFiles};
use crate::distro::Distro;
use crate::loader::Remembered;
use crate::lock::LockedPackage;
use crate::recipe::{Keep, Recipe, RuleTool};
use crate::root_path::RootPath;
use crate::shell::{ScriptWords, TextKind};

mod bonds;
mod closure;
mod error;
mod foresight;
mod given;
mod glob_sets;
mod kinds;
mod layers;
mod links;
mod mentions;
mod outcome;
mod packages;
mod patterns;
mod proof;
mod reason;
mod rules;
mod scripts;
mod selector;
mod strip;
mod texts;
mod visible;
mod warning;
mod words;

pub use bonds::PluginCost;
pub use error::{Damaged, SelectError, Unlinked};
pub use foresight::Foresight;
pub use given::{Given, Lacked};

pub use kinds::is_command;
pub use mentions::package_names as library_packages;
pub use packages::named as named_packages;
pub use proof::Unproven;
pub use reason::Reason;
pub use scripts::{interpreters, is_read};
pub use strip::StripRules;
pub use visible::loader_for;
pub use warning::Warning;

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
    /// Reads scripts of the packages at hand.
    pub scripts: &'a dyn ReadScripts,
}

/// Reads what scripts call.
pub trait ReadScripts: Debug {
    /// The words of the file at a path, its owner's; no words where it cannot be understood, or is not at hand.
    fn words(&self, path: &RootPath) -> Result<Arc<ScriptWords>, CatalogError>;
    /// Which of some commands a package's texts name, by the texts' positions in it.
    fn named(
        &self,
        package: &PackageFiles,
        texts: &BTreeMap<u32, TextKind>,
        commands: &BTreeSet<String>,
    ) -> Result<BTreeSet<(u32, String)>, CatalogError>;
}

/// The answer of [`select`].
#[derive(Debug)]
pub enum Outcome {
    /// Everything is known.
    Selection(Selection),
    /// These locked packages must be catalogued first.
    Wants(Wants),
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

/// Chooses the paths of every layer.
///
/// # Errors
///
/// Where a program of the image would not find a library, all such libraries are reported together.
pub fn select(inputs: Inputs<'_>) -> Result<Outcome, SelectError> {
    // The same directories are walked for each library that is sought.
    let tree = visible::Everything(inputs);
    let tree = Remembered::new(&tree);
    let mut selector = selector::Selector::new(inputs, &tree)?;
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
        if selector.start() {
            selector.settle();
        }
        while selector.read_shared() {
            selector.settle();
        }
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
