//! Why a path or a package is in an image, or is not: Selection + plans -> [`Answer`].
//!
//! What is in has a chain of reasons, from the path to the recipe's words. What is not was left out by a rule: a
//! strip class, a glob of the recipe, because its package only helps to install others, because nothing asked for
//! it. Nothing is decided here: selection has done that, and this tells.

use std::collections::BTreeMap;

use crate::arch::Arch;
use crate::catalog::FileCatalog;
use crate::distro::Distro;
use crate::effects::PackageEffects;
use crate::layer::LayerPlan;
use crate::lock::LockedPackage;
use crate::recipe::Recipe;
use crate::root_path::RootPath;
use crate::select::{Selection, StripRules};

mod chain;
mod left_out;
mod made;
mod package;

pub use package::{LeftOutFiles, PackageAnswer};

/// What answers are found in, for one architecture.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// The distro whose conventions hold.
    pub distro: Distro,
    /// The architecture.
    pub arch: Arch,
    /// The locked packages, by name.
    pub packages: &'a BTreeMap<&'a str, &'a LockedPackage>,
    /// The packages that were looked into.
    pub catalog: &'a FileCatalog,
    /// What was chosen.
    pub selection: &'a Selection,
    /// What the layers have.
    pub plans: &'a [LayerPlan],
    /// What scripts do, by package.
    pub effects: &'a BTreeMap<String, PackageEffects>,
}

/// One link of a chain of reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The path or package that is there.
    pub subject: String,
    /// What it is there for: a path, a package, or the recipe's layer.
    pub by: String,
    /// In which way.
    pub how: String,
}

/// What became of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathAnswer {
    /// The path by its name in the image, behind the links of the merged `/usr`.
    pub path: RootPath,
    /// The package that has it, name and version.
    pub package: Option<String>,
    /// The layer that has it; none where it is left out.
    pub layer: Option<String>,
    /// The rule that took it in or left it out, in one word.
    pub rule: &'static str,
    /// Why it is in, down to the recipe; or how what was left out belongs to the recipe.
    pub chain: Vec<Step>,
    /// Why it is left out, and what would change that; empty where it is in.
    pub because: String,
}

/// What there is to say of a path or a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of one path, or of all that have the name asked for.
    Paths(Vec<PathAnswer>),
    /// Of a package.
    Package(PackageAnswer),
}

/// An explanation under way.
pub(crate) struct Explainer<'a> {
    inputs: Inputs<'a>,
    arch_name: &'static str,
    triplet: &'static str,
    strip: Option<StripRules>,
}

/// What is known of a path, a package, or a bare file name such as `libz.so.1`; none if no package that was looked
/// into has it and no locked package is called so.
pub fn explain(inputs: Inputs<'_>, subject: &str) -> Option<Answer> {
    let explainer = Explainer::new(inputs);
    if subject.starts_with('/') {
        let path = RootPath::parse(subject).ok()?;
        return Some(Answer::Paths(vec![explainer.path(&path)?]));
    }
    if let Some(answer) = explainer.package(subject) {
        return Some(Answer::Package(answer));
    }
    let mut found: Vec<RootPath> = inputs.catalog.paths().map(|(path, _)| path.clone()).collect();
    found.extend(inputs.plans.iter().flat_map(|plan| plan.made.iter().map(|made| made.entry.path.clone())));
    found.retain(|path| path.file_name() == subject);
    found.sort();
    found.dedup();
    let answers: Vec<PathAnswer> = found.iter().filter_map(|path| explainer.path(path)).collect();
    (!answers.is_empty()).then_some(Answer::Paths(answers))
}

impl<'a> Explainer<'a> {
    fn new(inputs: Inputs<'a>) -> Self {
        Explainer {
            inputs,
            arch_name: inputs.distro.arch_name(inputs.arch).unwrap_or_default(),
            triplet: inputs.distro.triplet(inputs.arch).unwrap_or_default(),
            strip: StripRules::new(inputs.recipe, inputs.recipe.layers_below()).ok(),
        }
    }

    /// What became of a path; none if nothing is known of it.
    fn path(&self, path: &RootPath) -> Option<PathAnswer> {
        let path = &self.inputs.catalog.merged_usr().canonical(path);
        self.kept(path).or_else(|| self.made(path)).or_else(|| self.left_out(path))
    }

    /// The package that a path would be installed from.
    fn owner(&self, path: &RootPath) -> Option<&'a str> {
        let file = *self.inputs.catalog.at(path).first()?;
        Some(&self.inputs.catalog.get(file).0.name)
    }

    fn label(&self, package: &str) -> String {
        self.inputs.packages.get(package).map_or_else(|| package.to_owned(), |locked| locked.label())
    }

    /// A package's file that was chosen, or a link by which one is found.
    fn kept(&self, path: &RootPath) -> Option<PathAnswer> {
        let (layer, reason) = self.chosen(path)?;
        // Where the recipe brings a file too, that is the one.
        if self.by_recipe(path).is_some() {
            return None;
        }
        Some(PathAnswer {
            path: path.clone(),
            package: self.owner(path).map(|package| self.label(package)),
            layer: Some(self.layer_of(path).unwrap_or(layer).to_owned()),
            rule: reason.rule(),
            chain: self.chain(path),
            because: String::new(),
        })
    }

    /// The layer of the image that has a package's file; it may be another than the recipe's that asks for it.
    fn layer_of(&self, path: &RootPath) -> Option<&'a str> {
        let has = |plan: &&LayerPlan| {
            let files = plan.packages.iter().flat_map(|part| part.files.values().chain(&part.others));
            files.map(|entry| &entry.path).any(|other| other == path)
        };
        self.inputs.plans.iter().find(has).map(|plan| plan.name.as_str())
    }

    /// The entry of the recipe's `files` that brings a path.
    fn by_recipe(&self, path: &RootPath) -> Option<String> {
        let layers = self.inputs.recipe.layers.iter();
        let mut specs = layers.flat_map(|layer| &layer.files);
        let spec = specs.find(|spec| {
            let own = spec.path(self.arch_name, self.triplet);
            own.is_ok_and(|own| path.is_within(&self.inputs.catalog.merged_usr().canonical(&own)))
        });
        let is_made = || {
            let mut made = self.inputs.plans.iter().flat_map(|plan| &plan.made);
            made.any(|made| made.entry.path == *path)
        };
        spec.filter(|_| is_made()).map(|spec| format!("`{}`", spec.path_template().as_str()))
    }
}
