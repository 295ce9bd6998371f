//! Chains of reasons: from a path or package, step by step, to the recipe.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::distro::is_install_helper;
use crate::recipe::Keep;
use crate::root_path::RootPath;
use crate::select::Reason;

use super::{Explainer, Step};

impl<'a> Explainer<'a> {
    /// The layer and the reason of a chosen path, or of a link by which something chosen is found.
    pub(super) fn chosen(&self, path: &RootPath) -> Option<(&'a str, &'a Reason)> {
        self.inputs.selection.layers.iter().find_map(|layer| {
            let file = layer.files.get(path).map(|selected| &selected.reason);
            let link = || layer.links.get(path).map(|link| &link.reason);
            let reason = file.or_else(link).or_else(|| layer.made.get(path).map(|made| &made.reason))?;
            Some((layer.name.as_str(), reason))
        })
    }

    /// The steps from a chosen path to the recipe.
    pub(super) fn chain(&self, path: &RootPath) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut seen = BTreeSet::new();
        self.follow(path, &mut steps, &mut seen);
        steps
    }

    fn follow(&self, path: &RootPath, steps: &mut Vec<Step>, seen: &mut BTreeSet<RootPath>) {
        if !seen.insert(path.clone()) {
            return;
        }
        let subject = path.to_string();
        let Some((layer, reason)) = self.chosen(path) else {
            if let Some(spec) = self.by_recipe(path) {
                steps.push(Step { subject, by: "the recipe".into(), how: format!("`files` has {spec}") });
            }
            return;
        };
        if let Some(by) = reason.by() {
            steps.push(Step { subject, by: by.to_string(), how: reason.to_string() });
            return self.follow(by, steps, seen);
        }
        if let Reason::Included(glob) = reason {
            let by = format!("layer `{layer}` of the recipe");
            return steps.push(Step { subject, by, how: format!("`include` has `{glob}`") });
        }
        if matches!(reason, Reason::Rule { .. }) {
            let by = "the image's environment".to_owned();
            return steps.push(Step { subject, by, how: reason.to_string() });
        }
        let Some(package) = self.owner(path) else { return };
        steps.push(Step { subject, by: package.to_owned(), how: reason.to_string() });
        match reason {
            Reason::Reached => self.follow_reached(package, steps, seen),
            _ => steps.extend(self.dependency_chain(package, |_| true)),
        }
    }

    /// Why a package is reached: a library of it is needed, or it is a dependency, or a command of it is run.
    fn follow_reached(&self, package: &str, steps: &mut Vec<Step>, seen: &mut BTreeSet<RootPath>) {
        let pulled = self.pulled(package);
        let library = pulled.iter().find(|(_, reason)| matches!(reason, Reason::Library { .. }));
        if library.is_none() {
            let found = self.dependency_chain(package, |name| self.leads_on(name));
            if !found.is_empty() {
                return steps.extend(found);
            }
        }
        if let Some((path, _)) = library.or(pulled.first()) {
            let how = "a file of it is needed".to_owned();
            steps.push(Step { subject: package.to_owned(), by: path.to_string(), how });
            self.follow(path, steps, seen);
        }
    }

    /// The files of a package that something else asked for, by path.
    fn pulled(&self, package: &str) -> Vec<(&'a RootPath, &'a Reason)> {
        let files = self.inputs.selection.layers.iter().flat_map(|layer| &layer.files);
        let own = files.filter(|(_, selected)| self.inputs.catalog.get(selected.file).0.name == package);
        own.filter(|(_, selected)| selected.reason.by().is_some())
            .map(|(path, selected)| (path, &selected.reason))
            .collect()
    }

    /// Whether the walk of dependencies goes through a package.
    fn leads_on(&self, package: &str) -> bool {
        !is_install_helper(self.inputs.distro, package) || self.naming_layer(package).is_some()
    }

    /// The layer that names a package.
    pub(super) fn naming_layer(&self, package: &str) -> Option<&'a str> {
        self.named().into_iter().find(|(name, _)| *name == package).map(|(_, layer)| layer)
    }

    /// The packages that layers name, each with the layer, lowest first.
    fn named(&self) -> Vec<(&'a str, &'a str)> {
        let mut named = Vec::new();
        for one in self.inputs.recipe.stacked() {
            for name in
                crate::select::named_packages(&one, self.inputs.packages, self.arch_name, self.triplet)
            {
                if let Some((name, _)) = self.inputs.packages.get_key_value(name.as_str()) {
                    named.push((*name, one.layer.name.as_str()));
                }
            }
        }
        named
    }

    /// The shortest way from a package up the dependencies that the lock chose to one that a layer names, through
    /// packages that `passes` lets by; empty if there is none.
    pub(super) fn dependency_chain(&self, package: &str, passes: impl Fn(&str) -> bool) -> Vec<Step> {
        let named: BTreeMap<&str, &str> = self.named().into_iter().rev().collect();
        let mut above: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue: VecDeque<&str> = self.named().into_iter().map(|(name, _)| name).collect();
        let mut seen: BTreeSet<&str> = queue.iter().copied().collect();
        while let Some(name) = queue.pop_front() {
            if name == package || !passes(name) {
                continue;
            }
            for next in self.inputs.packages.get(name).into_iter().flat_map(|locked| &locked.requires) {
                if seen.insert(next) {
                    above.insert(next, name);
                    queue.push_back(next);
                }
            }
        }
        let mut steps = Vec::new();
        let mut at = package;
        while let Some(by) = above.get(at) {
            steps.push(Step {
                subject: at.to_owned(),
                by: (*by).to_owned(),
                how: "a dependency of it".into(),
            });
            at = by;
        }
        let Some(layer) = named.get(at) else { return Vec::new() };
        let how = if self.keeps_all(layer) { "named, and the layer keeps all" } else { "named" };
        let by = format!("layer `{layer}` of the recipe");
        steps.push(Step { subject: at.to_owned(), by, how: how.to_owned() });
        steps
    }

    fn keeps_all(&self, layer: &str) -> bool {
        self.inputs.recipe.stacked().iter().any(|one| one.layer.name == layer && one.layer.keep == Keep::All)
    }
}
