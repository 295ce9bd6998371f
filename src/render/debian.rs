//! What installing packages makes on Debian and its like, without running anything.
//!
//! A [`Setup`] is led through the layers of an image, lowest first. For each it says which files' content it
//! [`wants`](Setup::wants); carries out the effects of the packages that the layer brings
//! ([`Setup::layer`]): accounts, alternatives, directories, links, owners, modes, sysusers.d(5),
//! tmpfiles.d(5) and the directories that services are started with; and, when the recipe's files are known, makes the files of the whole image
//! ([`Setup::finish`]): the loader's cache, the bundle of certificates, PAM's common configuration. A layer's
//! files depend on it and on those below it alone; what is the same as in the layers below is not made again.
//!
//! A package's accounts, and what its scripts do to files of the image, count as soon as one of its files is
//! in the image. What they make anew belongs to packages that are there for their own sake, not to those of
//! which a rule took a single file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use globset::GlobMatcher;

use crate::arch::Arch;
use crate::catalog::FileCatalog;
use crate::distro::Distro;
use crate::effects::{Effect, PackageEffects, Undone};
use crate::recipe::{Recipe, RuleTool};
use crate::root_path::RootPath;
use crate::select::{Reason, SelectedLayer};
use crate::tarball::EntryKind;

use super::image_tree::{ImageTree, Origin};
use super::script_files::{Files, is_made_again, source};
use super::{
    Accounts, Changes, Made, MadeFile, RenderError, certificates, directory_links, fixed, graphviz,
    ld_so_cache, pam,
};

mod account_files;
mod alternatives;
mod database;
mod declared;
mod nsswitch;
mod shells;
mod texts;
mod units;
mod whole;

use alternatives::Alternatives;
use texts::Texts;

/// What was made for a layer.
#[derive(Debug)]
pub struct LayerSetup {
    /// Account files, links, directories and files. They go before files of packages.
    pub made: Made,
    /// All accounts up to this layer, for the owners of the recipe's files.
    pub accounts: Accounts,
    /// What becomes of packages' files.
    pub changes: Changes,
}

/// The set-up of an image, as far as its layers have been laid.
#[derive(Debug)]
pub struct Setup<'a> {
    recipe: &'a Recipe,
    /// Those of the recipe and its bases whose layers have begun, lowest first.
    begun: Vec<&'a Recipe>,
    distro: Distro,
    arch: Arch,
    catalog: &'a FileCatalog,
    effects: &'a BTreeMap<String, PackageEffects>,
    tree: ImageTree,
    layer: usize,
    accounts: Accounts,
    alternatives: Alternatives<'a>,
    /// The packages whose effects have come about, and whether all of them have.
    done: BTreeMap<&'a str, bool>,
    /// What run-time rules ask for.
    tools: BTreeSet<RuleTool>,
    /// The content of packages' files from which others are made.
    contents: BTreeMap<RootPath, Vec<u8>>,
    /// Whole-image files as they were last made.
    rendered: Made,
    /// Texts of a base image, to which lines are added.
    given: BTreeMap<RootPath, Vec<u8>>,
    /// Texts that packages' scripts have made so far.
    texts: Texts,
    undone: Vec<Undone>,
    /// What could not be carried out.
    failures: Vec<String>,
}

/// The packages that a layer brings, and whether each is there for its own sake.
type Brought<'a> = BTreeMap<&'a str, bool>;

impl<'a> Setup<'a> {
    /// Of an image with no layers yet. `effects` are those of the catalogued packages, by name, as the lowest recipe of
    /// the stack knows them, and `accounts` have those of that recipe.
    pub fn new(
        recipe: &'a Recipe,
        arch: Arch,
        catalog: &'a FileCatalog,
        effects: &'a BTreeMap<String, PackageEffects>,
        accounts: Accounts,
    ) -> Self {
        let distro = recipe.conventions();
        let mut tree = ImageTree::default();
        for (path, target) in directory_links(distro, arch) {
            let link = fixed(path);
            tree.make(0, &MadeFile::directory(link.link_target(target), 0o755));
            tree.make(0, &MadeFile::symlink(link, target));
        }
        Setup {
            recipe,
            begun: recipe.stack().into_iter().take(1).collect(),
            distro,
            arch,
            catalog,
            effects,
            tree,
            layer: 0,
            accounts,
            alternatives: Alternatives::default(),
            done: BTreeMap::new(),
            tools: BTreeSet::new(),
            contents: BTreeMap::new(),
            rendered: Made::new(),
            given: BTreeMap::new(),
            texts: Texts::default(),
            undone: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// The layers of the next recipe of the stack follow.
    pub fn begin(
        &mut self,
        recipe: &'a Recipe,
        effects: &'a BTreeMap<String, PackageEffects>,
    ) -> Result<(), RenderError> {
        self.begun.push(recipe);
        self.effects = effects;
        self.accounts.check_numbers(recipe)?;
        self.accounts.define(recipe)
    }

    /// The files of a layer from which others are made of the image as a whole.
    pub fn sources(selected: &SelectedLayer) -> BTreeSet<RootPath> {
        let files = selected.files.keys();
        files.filter(|path| whole::is_source(path) || pam::is_source(path)).cloned().collect()
    }

    /// Stands on an image, of which these are the files, with the content of [`Setup::sources`] and of its accounts, and
    /// the names of its packages. What is made of it as a whole is there as it is; it is made anew where layers above
    /// change what comes out.
    pub fn stand_on(
        &mut self,
        selected: &SelectedLayer,
        contents: BTreeMap<RootPath, Vec<u8>>,
        texts: &BTreeMap<RootPath, Vec<u8>>,
        packages: impl Iterator<Item = &'a str>,
    ) {
        self.contents.extend(contents);
        self.tree.lay(self.layer, selected, self.catalog);
        let text =
            |path: &str| texts.get(&fixed(path)).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        if let (Some(passwd), Some(group)) = (text("/etc/passwd"), text("/etc/group")) {
            self.accounts = Accounts::given(passwd, group, text("/etc/shadow"), text("/etc/gshadow"));
        }
        self.done.extend(packages.map(|name| (name, false)));
        self.rendered.extend(self.whole_image_files());
        self.rendered.extend(self.account_files());
        self.given.clone_from(texts);
    }

    /// The packages' files whose content [`Setup::layer`] must see.
    pub fn wants(&self, selected: &'a SelectedLayer) -> BTreeSet<RootPath> {
        let mut wanted = Self::sources(selected);
        for (package, whole) in self.brought(selected) {
            wanted.extend(self.declared(package, declared::is_sysusers));
            if whole {
                wanted.extend(self.declared(package, declared::is_of_a_start));
                for effect in self.effects_of(package) {
                    if let Effect::Copy { from, .. } = effect {
                        wanted.extend(source(self.catalog, from));
                    }
                }
            }
        }
        wanted.retain(|path| self.is_file(path));
        wanted
    }

    /// What [`Setup::layer`] must see beside that: what the declarations among these files copy.
    pub fn wants_to_copy(
        &self,
        selected: &'a SelectedLayer,
        contents: &BTreeMap<RootPath, Vec<u8>>,
    ) -> BTreeSet<RootPath> {
        let whole = self.brought(selected).into_iter().filter(|(_, whole)| *whole);
        let declared = whole.flat_map(|(package, _)| self.copied(package, contents));
        let mut wanted: BTreeSet<RootPath> =
            declared.filter_map(|from| source(self.catalog, &from)).collect();
        wanted.retain(|path| self.is_file(path) && !contents.contains_key(path));
        wanted
    }

    fn is_file(&self, path: &RootPath) -> bool {
        self.catalog.at(path).first().is_some_and(|file| {
            let kind = &self.catalog.get(*file).1.entry.kind;
            matches!(kind, EntryKind::File { .. } | EntryKind::HardLink { .. })
        })
    }

    /// Makes what the next layer's packages make, from the content of the files it wants. `laid` is what the
    /// layer has beside its packages so far.
    pub fn layer(
        &mut self,
        number: usize,
        selected: &'a SelectedLayer,
        laid: &Made,
        contents: BTreeMap<RootPath, Vec<u8>>,
    ) -> Result<LayerSetup, RenderError> {
        self.layer = number;
        self.contents.extend(contents);
        self.tools.extend(selected.tools.keys().copied());
        let brought = self.brought(selected);
        self.tree.lay(number, selected, self.catalog);
        self.tree.lay_made(number, laid);
        let (tree, merged) = (&self.tree, self.catalog.merged_usr());
        self.accounts.better_root_shell(&self.begun, |shell| {
            tree.get(&merged.canonical(&fixed(shell)))
                .is_some_and(|item| matches!(item.origin, Origin::Package(_)))
        });
        let homes = self.make_accounts(&brought)?;
        let exclude = self.exclusions(number);
        let excludes = |path: &RootPath| exclude.iter().any(|glob| glob.is_match(path.as_str()));
        let whole = brought.iter().filter(|(_, whole)| **whole).map(|(name, _)| *name);
        let declared: BTreeMap<&str, Vec<Effect>> =
            whole.map(|name| (name, self.declared_effects(name))).collect();
        let catalog = self.catalog;
        let mut files =
            Files::new(&mut self.tree, number, catalog, &self.accounts, &self.contents, &excludes);
        let mut failures = Vec::new();
        for name in brought.keys() {
            files.divert(name, effects_in(self.effects, name));
        }
        for home in &homes {
            files.home(home);
        }
        let mut in_order: Vec<(&&str, &bool)> = brought.iter().collect();
        in_order.sort_by_key(|(name, _)| self.effects.get(**name).map_or(0, |found| found.after));
        for (name, whole) in in_order {
            // What was done when a lower layer brought a part of the package is not done again.
            let before = self.done.insert(name, *whole);
            let own = effects_in(self.effects, name);
            let all = own.iter().chain(declared.get(name).into_iter().flatten());
            for effect in all.filter(|effect| *whole || !is_made_again(effect, own)) {
                if let Err(failure) = files.apply(effect, *whole) {
                    failures.push(format!("{name}: {failure}"));
                }
            }
            if before.is_none() {
                self.alternatives.extend(own);
            }
            if let Some(found) = self.effects.get(*name).filter(|_| *whole) {
                failures.extend(self.texts.lost(found));
                self.undone.extend(found.undone.clone());
            }
        }
        let (mut made, changes, others) = files.finish();
        self.failures.extend(failures.into_iter().chain(others));
        self.add_name_services(&mut made);
        self.make_alternatives(&mut made, &excludes);
        self.make_account_files(&mut made);
        made.retain(|path, file| laid.get(path) != Some(file));
        Ok(LayerSetup { made, accounts: self.accounts.clone(), changes })
    }

    /// Makes the files of the whole image, as it is up to the layer that was laid last with the recipe's
    /// `files`, which are not made otherwise.
    pub fn finish(&mut self, files: &Made) -> Made {
        self.tree.lay_made(self.layer, files);
        let mut made = self.whole_image_files();
        made.retain(|path, file| {
            !self.is_packages(path) && !files.contains_key(path) && self.rendered.get(path) != Some(file)
        });
        self.keep(made)
    }

    /// What packages' scripts would do and was left out, in the order of layers and packages.
    pub fn undone(&self) -> Vec<String> {
        let understood = self.undone.iter().map(ToString::to_string);
        understood.chain(self.failures.iter().cloned()).chain(self.unmade()).collect()
    }

    /// The host's files whose content was looked at.
    pub fn read(&self) -> BTreeSet<PathBuf> {
        self.tree.read()
    }

    /// Whether a package has what is at a path, so that nothing else takes its place. What a base image has may be what
    /// was made of the image as a whole.
    fn is_packages(&self, path: &RootPath) -> bool {
        self.tree.get(path).is_some_and(|item| match &item.origin {
            Origin::Package(file) => !self.catalog.is_given(*file),
            Origin::Made(_) | Origin::Implied => false,
        })
    }

    /// Remembers what was made for the whole image.
    fn keep(&mut self, made: Made) -> Made {
        self.tree.lay_made(self.layer, &made);
        self.rendered.extend(made.clone());
        made
    }

    fn effects_of(&self, package: &str) -> &'a [Effect] {
        effects_in(self.effects, package)
    }

    /// The packages of which a layer has something, unless lower layers have done all that they do.
    fn brought(&self, selected: &'a SelectedLayer) -> Brought<'a> {
        let mut brought: Brought<'_> = selected.whole.iter().map(|name| (name.as_str(), true)).collect();
        let docs = fixed("/usr/share/doc");
        for (path, chosen) in &selected.files {
            let (package, file) = self.catalog.get(chosen.file);
            let whole = matches!(chosen.reason, Reason::Named | Reason::All | Reason::Reached);
            // Documentation is there for another package too, unless the recipe names this one.
            let is_asked_for = matches!(chosen.reason, Reason::Named | Reason::All);
            if file.entry.kind == EntryKind::Directory || (path.is_within(&docs) && !is_asked_for) {
                continue;
            }
            *brought.entry(package.name.as_str()).or_default() |= whole;
        }
        brought.retain(|name, whole| match self.done.get(name) {
            None => true,
            Some(before) => *whole && !before,
        });
        brought
    }

    /// The links to the best of what the image has.
    fn make_alternatives(&mut self, made: &mut Made, excludes: &dyn Fn(&RootPath) -> bool) {
        let links = self.alternatives.links(|path| self.tree.leads(path));
        for (link, target) in links {
            let path = self.tree.place(&link);
            let there = self.tree.get(&path).map(|item| (&item.kind, &item.origin));
            let stays = match there {
                Some((_, Origin::Package(_)) | (EntryKind::Directory, _)) => true,
                Some((EntryKind::Symlink { target: said }, _)) => *said == target,
                None | Some(_) => false,
            };
            if !stays && !excludes(&path) {
                let file = MadeFile::symlink(path.clone(), &target);
                self.tree.make(self.layer, &file);
                made.insert(path, file);
            }
        }
    }

    fn exclusions(&self, number: usize) -> Vec<GlobMatcher> {
        let (arch, triplet) = (
            self.distro.arch_name(self.arch).unwrap_or_default(),
            self.distro.triplet(self.arch).unwrap_or_default(),
        );
        let patterns = self.recipe.excluded(number).into_iter();
        // What is no glob was told when the recipe was read.
        patterns.filter_map(|glob| glob.expand(arch, triplet).ok()).collect()
    }
}

fn effects_in<'e>(effects: &'e BTreeMap<String, PackageEffects>, package: &str) -> &'e [Effect] {
    effects.get(package).map_or(&[], |all| &all.effects)
}

/// The links that packages' scripts would make to files of packages: alternatives, by priority, and plain
/// links. Path and target of each; a package's own file at the path goes before.
pub fn candidate_links(
    effects: &BTreeMap<String, PackageEffects>,
    catalog: &FileCatalog,
) -> BTreeMap<RootPath, String> {
    let mut alternatives = Alternatives::default();
    let mut links = BTreeMap::new();
    let canonical = |path: &RootPath| catalog.merged_usr().canonical(path);
    for package in effects.values() {
        alternatives.extend(&package.effects);
        for effect in &package.effects {
            if let Effect::Symlink { path, target } = effect
                && source(catalog, &path.link_target(target)).is_some()
            {
                links.insert(canonical(path), target.clone());
            }
        }
    }
    let chosen = alternatives.links(|path| source(catalog, path).is_some());
    links.extend(chosen.into_iter().map(|(path, target)| (canonical(&path), target)));
    links
}

#[cfg(test)]
mod tests;
