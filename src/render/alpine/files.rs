//! What packages' scripts do to the files of an Alpine image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::arch::Arch;
use crate::catalog::FileCatalog;
use crate::effects::{Effect, PackageEffects, Tool};
use crate::recipe::Recipe;
use crate::root_path::RootPath;
use crate::select::{Reason, SelectedLayer};

use super::super::image_tree::ImageTree;
use super::super::script_files::{Files, source};
use super::super::{Changes, Made, MadeFile, directory_links, fixed};
use super::{LayerFiles, LayerSetup};

/// The files of an image as its layers are laid and packages' scripts change them.
#[derive(Debug)]
pub struct ScriptFiles<'a> {
    catalog: &'a FileCatalog,
    effects: &'a BTreeMap<String, PackageEffects>,
    tree: ImageTree,
    /// What was not understood or could not be carried out.
    undone: Vec<String>,
}

impl<'a> ScriptFiles<'a> {
    /// Of an image with no layers yet. `effects` are those of the catalogued packages, by name.
    pub fn new(
        recipe: &Recipe,
        arch: Arch,
        catalog: &'a FileCatalog,
        effects: &'a BTreeMap<String, PackageEffects>,
    ) -> Self {
        let mut tree = ImageTree::default();
        for (path, target) in directory_links(recipe.conventions(), arch) {
            let link = fixed(path);
            tree.make(0, &MadeFile::directory(link.link_target(target), 0o755));
            tree.make(0, &MadeFile::symlink(link, target));
        }
        ScriptFiles { catalog, effects, tree, undone: Vec::new() }
    }

    /// The layers of the next recipe of the stack follow, which knows these effects.
    pub fn begin(&mut self, effects: &'a BTreeMap<String, PackageEffects>) {
        self.effects = effects;
    }

    /// The packages' files that scripts of a layer's packages copy.
    pub fn wants(&self, selected: &SelectedLayer) -> BTreeSet<RootPath> {
        let packages: BTreeSet<&str> =
            selected.files.values().map(|chosen| self.catalog.get(chosen.file).0.name.as_str()).collect();
        let effects = packages.iter().filter_map(|name| self.effects.get(*name)).flat_map(|all| &all.effects);
        let copied = effects.filter_map(|effect| match effect {
            Effect::Copy { from, .. } => source(self.catalog, from),
            _ => None,
        });
        copied.collect()
    }

    /// Carries out what the scripts of the packages do that are new in a layer: what they make joins the set-up's
    /// own files, what becomes of packages' files is given back. `laid` is what the layer has beside its packages.
    pub fn layer(
        &mut self,
        layer: &LayerFiles<'_>,
        selected: &SelectedLayer,
        laid: &Made,
        setup: &mut LayerSetup<'_>,
        contents: &BTreeMap<RootPath, Vec<u8>>,
    ) -> Changes {
        let number = layer.number;
        self.tree.lay(number, selected, self.catalog);
        for (path, [uid, gid]) in &setup.owners {
            if let Some(item) = self.tree.get_mut(path) {
                [item.metadata.uid, item.metadata.gid] = [*uid, *gid];
            }
        }
        self.tree.lay_made(number, laid);
        self.tree.lay_made(number, &setup.made);
        // A package of which a rule took a single file is not there for its own sake.
        let mut own: BTreeMap<&str, bool> = BTreeMap::new();
        for chosen in selected.files.values() {
            let name = self.catalog.get(chosen.file).0.name.as_str();
            *own.entry(name).or_default() |=
                matches!(chosen.reason, Reason::Named | Reason::All | Reason::Reached);
        }
        let excludes = |path: &RootPath| layer.excludes(path);
        let mut files =
            Files::new(&mut self.tree, number, self.catalog, &setup.accounts, contents, &excludes);
        for name in &setup.installed {
            let whole = own.get(name).copied().unwrap_or(true);
            let Some(all) = self.effects.get(*name) else { continue };
            for effect in &all.effects {
                if let Err(failure) = files.apply(effect, whole) {
                    self.undone.push(format!("{name}: {failure}"));
                }
                if let Effect::Tool(Tool::CaCertificates) = effect {
                    let what = "the bundle of certificates stays as its package has it";
                    self.undone.push(format!("{name}: {what}"));
                }
            }
            if whole {
                self.undone.extend(all.undone.iter().map(ToString::to_string));
            }
        }
        let (made, mut changes, failures) = files.finish();
        self.undone.extend(failures);
        setup.made.extend(made.into_iter().filter(|(path, file)| laid.get(path) != Some(file)));
        for (path, owner) in &setup.owners {
            changes.owners.entry(path.clone()).or_insert(*owner);
        }
        changes
    }

    /// What packages' scripts would do and was left out, in the order of layers and packages.
    pub fn undone(&self) -> &[String] {
        &self.undone
    }

    /// The host's files whose content was looked at.
    pub fn read(&self) -> BTreeSet<PathBuf> {
        self.tree.read()
    }
}
