//! The layers that a selection goes through, one after the other: those of the recipe's bases first, which are settled.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use crate::recipe::Keep;
use crate::root_path::RootPath;

use super::patterns::Glob;
use super::selector::{Chosen, Selector};
use super::strip::StripRules;
use super::{Inputs, Reason, SelectError, packages};

/// One layer's rules, ready to be asked.
#[derive(Debug)]
pub(super) struct LayerRules {
    pub(super) name: String,
    /// The packages the layer names.
    pub(super) named: BTreeSet<String>,
    /// Those and all they depend on.
    pub(super) closure: BTreeSet<String>,
    /// What it leaves out whatever it names.
    pub(super) strip: StripRules,
    pub(super) include: Vec<Glob>,
    pub(super) exclude: Vec<Glob>,
    /// Which of these excludes the paths that were asked for.
    pub(super) excluded: RefCell<HashMap<RootPath, Option<usize>>>,
}

impl Selector<'_> {
    /// Takes over what is chosen for the layers of the recipe's bases, which are settled.
    pub(super) fn stand_on_base(&mut self) {
        let Inputs { below, catalog, own, packages, .. } = self.inputs;
        for (number, selected) in below.layers.iter().enumerate() {
            let stacked = &self.stacked[number];
            // A base that lists files names packages only to say where they are.
            let named = match stacked.layer.keep {
                Keep::Listed => BTreeSet::new(),
                Keep::Needed | Keep::All => packages::named(stacked, packages, self.arch_name, self.triplet),
            };
            self.layers.push(LayerRules {
                name: selected.name.clone(),
                named,
                closure: BTreeSet::new(),
                strip: StripRules::none(),
                include: Vec::new(),
                exclude: Vec::new(),
                excluded: RefCell::default(),
            });
            for (path, selected) in &selected.files {
                let chosen = Chosen { layer: number, selected: selected.clone() };
                self.chosen.insert(path.clone(), chosen);
                if let Some(facts) = &catalog.get(selected.file).1.elf {
                    self.add_root(path, facts, Some(&selected.reason));
                }
            }
            let links = selected.links.iter().map(|(path, link)| (path.clone(), (number, link.clone())));
            self.passed.extend(links);
            let made = selected.made.iter().map(|(path, made)| (path.clone(), (number, made.clone())));
            self.runtime.made.extend(made);
            self.whole.extend(selected.whole.iter().map(|package| (number, package.clone())));
            let tools = selected.tools.iter().map(|(tool, reason)| (*tool, (number, reason.clone())));
            self.runtime.tools.extend(tools);
        }
        for (path, elf) in own.files.iter().filter(|(_, elf)| elf.layer < below.layers.len()) {
            self.add_root(path, &elf.facts, Some(&Reason::Named));
        }
        self.runtime.env.extend(below.env.clone());
    }

    /// Starts on a layer of the recipe; the ones below are settled. What those made of a package is looked
    /// at anew: their exclusions do not hold here.
    pub(super) fn enter(&mut self) -> Result<(), SelectError> {
        self.roles.clear();
        self.interpreters.clear();
        self.run.clear();
        self.elf_seen.clear();
        self.libraries.clear();
        self.texts_asked.clear();
        self.runtime.enter_layer();
        self.settled_roots.append(&mut self.elf_roots);
        // As a base does, a layer that lists files names packages only to say where they are.
        let number = self.layers.len();
        if let Some(below) =
            self.layers.last_mut().filter(|_| self.stacked[number - 1].layer.keep == Keep::Listed)
        {
            below.named.clear();
        }
        let stacked = &self.stacked[number];
        let named = packages::named(stacked, self.inputs.packages, self.arch_name, self.triplet);
        let closure = packages::closure(&named, self.inputs.packages);
        let layer = stacked.layer;
        let include = self.compile(layer, &layer.include)?;
        let exclude = self.compile(layer, &layer.exclude)?;
        let strip =
            StripRules::new(self.inputs.recipe, number).map_err(|error| SelectError::strip(&error))?;
        let (name, excluded) = (layer.name.clone(), RefCell::default());
        self.layers.push(LayerRules { name, named, closure, strip, include, exclude, excluded });
        for name in self.layer().named.clone() {
            self.catalogued(&name);
        }
        Ok(())
    }

    /// The layer at work.
    pub(super) fn layer(&self) -> &LayerRules {
        // `enter` comes before everything else.
        &self.layers[self.layers.len() - 1]
    }
}
