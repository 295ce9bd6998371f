//! Why there is what no package has as a file: the recipe's own files, what was made, and directories.

use crate::layer::LayerPlan;
use crate::root_path::RootPath;
use crate::tarball::Entry;

use super::{Explainer, PathAnswer, Step};

impl<'a> Explainer<'a> {
    /// What layers have beside packages' files; the topmost layer's is the one that is seen.
    pub(super) fn made(&self, path: &RootPath) -> Option<PathAnswer> {
        if path.is_root() {
            let chain = vec![step(path, "rootforge", "the root of every image")];
            let (path, layer) = (path.clone(), self.inputs.plans.first().map(|plan| plan.name.clone()));
            return Some(PathAnswer {
                path,
                package: None,
                layer,
                rule: "made",
                chain,
                because: String::new(),
            });
        }
        let mut plans = self.inputs.plans.iter().rev();
        let made = plans.clone().find(|plan| plan.made.iter().any(|made| made.entry.path == *path));
        let plan =
            made.or_else(|| plans.find(|plan| plan.directories.iter().any(|entry| entry.path == *path)))?;
        let (rule, chain) = match (self.by_recipe(path), self.maker(path)) {
            (Some(spec), _) if made.is_some() => ("recipe", vec![self.brought(path, plan, &spec)]),
            (_, Some(maker)) => {
                ("script", self.with_package(path, maker, "its installation scripts make or change it"))
            }
            _ if made.is_some() => {
                let how = "made for the image as a whole: the root's links, accounts, records of packages";
                ("made", vec![step(path, "rootforge", how)])
            }
            _ => ("directory", self.directory(path, plan)),
        };
        let (path, layer) = (path.clone(), Some(plan.name.clone()));
        Some(PathAnswer { path, package: None, layer, rule, chain, because: String::new() })
    }

    fn brought(&self, path: &RootPath, plan: &LayerPlan, spec: &str) -> Step {
        let of_recipe = self.inputs.recipe.layers.iter().any(|layer| layer.name == plan.name);
        let by =
            if of_recipe { format!("layer `{}` of the recipe", plan.name) } else { "the recipe".to_owned() };
        step(path, &by, &format!("`files` has {spec}"))
    }

    /// The package whose scripts are the last to make or change what is at a path.
    fn maker(&self, path: &RootPath) -> Option<&'a str> {
        let canonical = |place: &RootPath| self.inputs.catalog.merged_usr().canonical(place);
        let of_package = self.inputs.effects.iter().filter(|(_, found)| {
            found.effects.iter().any(|effect| effect.places().iter().any(|place| canonical(place) == *path))
        });
        of_package.max_by_key(|(name, found)| (found.after, *name)).map(|(name, _)| name.as_str())
    }

    /// A step to a package, and those from there to the recipe.
    fn with_package(&self, path: &RootPath, package: &str, how: &str) -> Vec<Step> {
        let mut steps = vec![step(path, package, how)];
        steps.extend(self.dependency_chain(package, |_| true));
        steps
    }

    /// Why there is a directory: for what is in it, or because a package has it.
    fn directory(&self, path: &RootPath, plan: &LayerPlan) -> Vec<Step> {
        if let Some(file) = files(plan).filter(|file| file.is_within(path) && *file != path).min() {
            let mut steps = vec![step(path, file.as_str(), "a directory above it")];
            steps.extend(self.chain(file));
            return steps;
        }
        match self.owner(path) {
            Some(package) => self.with_package(path, package, "a directory of it"),
            None => vec![step(
                path,
                "rootforge",
                "a directory of every system, or one that a service starts with",
            )],
        }
    }
}

/// What a layer has that is no directory on the way to something.
fn files(plan: &LayerPlan) -> impl Iterator<Item = &RootPath> {
    let packaged = plan.packages.iter().flat_map(|part| part.files.values().chain(&part.others));
    let entries = packaged.chain(plan.made.iter().map(|made| &made.entry));
    entries.map(|entry: &Entry| &entry.path)
}

fn step(path: &RootPath, by: &str, how: &str) -> Step {
    Step { subject: path.to_string(), by: by.to_owned(), how: how.to_owned() }
}
