//! What a selection comes to, once everything that was chosen has been followed.

use std::collections::{BTreeMap, BTreeSet};

use crate::root_path::RootPath;
use crate::tarball::EntryKind;

use super::layers::LayerRules;
use super::selector::{Lacking, Selector};
use super::words::Called;
use super::{Outcome, PluginCost, SelectError, SelectedLayer, Selection, UnmatchedPattern, Wants, Warning};

impl Selector<'_> {
    /// The selection, once nothing more is wanted.
    pub(super) fn finish(mut self) -> Result<Outcome, SelectError> {
        if let Some(error) = self.unread.take() {
            return Err(SelectError::Unread(Box::new(error)));
        }
        let (files, outlines) = (std::mem::take(&mut self.wants), std::mem::take(&mut self.outlines));
        let for_words = Wants { files: std::mem::take(&mut self.wanted_for_words), ..Wants::default() };
        let all = [Wants { files, outlines }, for_words];
        if let Some(wants) = all.into_iter().find(|wants| !wants.is_empty()) {
            return Ok(Outcome::Wants(wants));
        }
        self.judge()?;
        let unmatched = self.unmatched();
        let files = self.outlined_for(&unmatched);
        if !files.is_empty() {
            return Ok(Outcome::Wants(Wants { files, ..Wants::default() }));
        }
        let unproven = self.prove();
        if !unproven.is_empty() {
            return Err(SelectError::Unproven(unproven));
        }
        self.warn_of_plugins();
        self.warn_of_opened();
        self.warn_of_commands();
        self.warn_of_unrun();
        Ok(Outcome::Selection(self.by_layers(unmatched)))
    }

    /// What is missing or broken fails, one kind of it at a time.
    fn judge(&mut self) -> Result<(), SelectError> {
        if !self.damaged.is_empty() {
            return Err(SelectError::Damaged(std::mem::take(&mut self.damaged).into_iter().collect()));
        }
        self.lack_libraries();
        if !self.lacked.is_empty() {
            return Err(SelectError::Lacked(std::mem::take(&mut self.lacked).into_iter().collect()));
        }
        if !self.unlinked.is_empty() {
            return Err(SelectError::Unlinked(std::mem::take(&mut self.unlinked).into_iter().collect()));
        }
        Ok(())
    }

    /// Everything in the layer that it belongs to.
    fn by_layers(self, unmatched: Vec<UnmatchedPattern>) -> Selection {
        let plugins = self.plugin_costs();
        let empty =
            |layer: &LayerRules| SelectedLayer { name: layer.name.clone(), ..SelectedLayer::default() };
        let mut layers: Vec<SelectedLayer> = self.layers.iter().map(empty).collect();
        for (path, (layer, link)) in self.passed {
            layers[layer].links.insert(path, link);
        }
        for (path, (layer, made)) in self.runtime.made {
            if !self.chosen.contains_key(&path) {
                layers[layer].made.insert(path, made);
            }
        }
        for (tool, (layer, reason)) in self.runtime.tools {
            layers[layer].tools.insert(tool, reason);
        }
        for (path, chosen) in self.chosen {
            layers[chosen.layer].files.insert(path, chosen.selected);
        }
        for (layer, package) in self.whole {
            layers[layer].whole.insert(package);
        }
        let warnings = self.warnings.into_iter().collect();
        Selection { layers, warnings, unmatched, env: self.runtime.env, plugins }
    }

    fn plugin_costs(&self) -> Vec<PluginCost> {
        let mut plugins: BTreeSet<&RootPath> = BTreeSet::new();
        let mut sizes: BTreeMap<&RootPath, u64> = BTreeMap::new();
        for (path, file) in self.chosen_files() {
            if let EntryKind::File { size } = file.entry.kind {
                sizes.insert(path, size);
            }
            if file.elf.as_ref().is_some_and(|facts| self.is_plugin(path, facts)) {
                plugins.insert(path);
            }
        }
        self.bonds.plugin_costs(&plugins, &sizes)
    }

    /// Tells of commands that scripts call and that nothing in the image has.
    fn warn_of_commands(&mut self) {
        let mut lacking: BTreeMap<RootPath, Vec<String>> = BTreeMap::new();
        for Called { script, command } in std::mem::take(&mut self.called) {
            let found = self.find_command(&command).is_some_and(|(_, file)| self.is_chosen(&file));
            if !found {
                lacking.entry(script).or_default().push(command);
            }
        }
        for (script, commands) in lacking {
            self.warnings.insert(Warning::NoCommands { script, commands });
        }
    }

    /// A library that a plug-in lacks may be in the process already, loaded by the program that opens it.
    fn warn_of_plugins(&mut self) {
        let mut provided: BTreeSet<&str> = BTreeSet::new();
        for (path, chosen) in &self.chosen {
            if let Some(facts) = &self.inputs.catalog.get(chosen.selected.file).1.elf {
                provided.insert(path.file_name());
                provided.extend(facts.soname.as_deref());
            }
        }
        for Lacking { plugin, needed, excluded_by, is_program } in std::mem::take(&mut self.lacking) {
            if is_program || !provided.contains(needed.as_str()) {
                self.warnings.insert(Warning::PluginLacks { plugin, needed, excluded_by });
            }
        }
    }
}
