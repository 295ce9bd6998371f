//! Which of a recipe's layers are planned together, and what becomes of them then.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::layer::{Grouped, Grouping, LayerPlan, Provenance, split};
use crate::recipe::{Layer, Layering, Recipe, Stacked};
use crate::render::{Made, MadeFile};
use crate::root_path::RootPath;
use crate::select::{SelectedLayer, named_packages};

use super::Parts;

/// Layers of one recipe that are planned as one: a single one, or all that are then grouped anew.
pub(super) struct Step<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) layers: &'a [Layer],
    /// The number of the first among all layers of the stack.
    pub(super) first: usize,
    pub(super) selected: Cow<'a, SelectedLayer>,
    /// How many layers it becomes at most; none where it stays as it is.
    budget: Option<usize>,
}

impl Step<'_> {
    /// The number of the last layer among all of the stack.
    pub(super) fn number(&self) -> usize {
        self.first + self.layers.len().saturating_sub(1)
    }
}

/// The steps of each recipe of a stack, lowest first.
pub(super) fn steps<'a>(parts: Parts<'a>) -> Vec<Vec<Step<'a>>> {
    let mut first = 0;
    let of_recipe = |(recipe, _): (&'a Recipe, _)| {
        let mut steps = Vec::new();
        let grouped = recipe.grouped();
        let budget = match recipe.layering {
            Layering::Auto { budget } if grouped > 0 => Some(budget),
            _ => None,
        };
        let (together, others) = recipe.layers.split_at(grouped);
        let pieces = Some(together).filter(|layers| !layers.is_empty()).into_iter();
        let pieces = pieces.map(|layers| (layers, budget));
        for (layers, budget) in pieces.chain(others.chunks(1).map(|layer| (layer, None))) {
            let selected = parts.selection.layers.get(first..first + layers.len()).unwrap_or_default();
            let selected = match (budget, selected) {
                (None, [one]) => Cow::Borrowed(one),
                _ => Cow::Owned(together_as(&recipe.name, selected)),
            };
            steps.push(Step { recipe, layers, first, selected, budget });
            first += layers.len();
        }
        steps
    };
    parts.stack().into_iter().map(of_recipe).collect()
}

/// Several layers' files as those of one. No path stands in two of them; of what else they have, the lowest counts.
fn together_as(name: &str, layers: &[SelectedLayer]) -> SelectedLayer {
    let mut all = SelectedLayer { name: name.to_owned(), ..SelectedLayer::default() };
    for layer in layers.iter().rev() {
        let SelectedLayer { name: _, files, links, made, tools, whole } = layer.clone();
        all.files.extend(files);
        all.links.extend(links);
        all.made.extend(made);
        all.tools.extend(tools);
        all.whole.extend(whole);
    }
    all.made.retain(|path, _| !all.files.contains_key(path));
    all
}

/// What of a step is neither a package's nor made for it: the links and directories of every root file system, and the
/// recipe's own files.
pub(super) struct Origins {
    pub(super) skeleton: Made,
    pub(super) own: BTreeSet<RootPath>,
}

impl Origins {
    /// Adds the links that an image without a skeleton needs.
    pub(super) fn with_links(mut self, selected: &SelectedLayer) -> Self {
        let links = selected.links.iter().filter(|(_, link)| link.of_distro);
        let links = links.map(|(path, link)| (path.clone(), MadeFile::symlink(path.clone(), &link.target)));
        self.skeleton.extend(links);
        self
    }
}

/// The layers that a step's plan becomes.
pub(super) fn spread(plan: LayerPlan, step: &Step<'_>, origins: Origins, parts: Parts<'_>) -> Vec<LayerPlan> {
    let Some(budget) = step.budget else { return vec![plan] };
    let Parts { recipe, lock, arch, catalog, .. } = parts;
    let distro = recipe.conventions();
    let (arch_name, triplet) =
        (distro.arch_name(arch).unwrap_or_default(), distro.triplet(arch).unwrap_or_default());
    let packages = lock.packages_of(arch);
    let stacked = recipe.stacked();
    let of_step = stacked.iter().skip(step.first).take(step.layers.len());
    let named = of_step.flat_map(|one: &Stacked<'_>| named_packages(one, &packages, arch_name, triplet));
    let named: BTreeSet<String> = named.collect();
    let on_demand = recipe.on_demand_packages();
    let grouped = Grouped {
        selected: &step.selected,
        catalog,
        packages: &packages,
        named: &named,
        on_demand: &on_demand,
    };
    let Origins { skeleton, own } = origins.with_links(&step.selected);
    let from = Provenance { selected: &step.selected, catalog, skeleton: &skeleton, own: &own };
    split(&plan, &Grouping::of(grouped, budget), from)
}
