//! What installing packages makes on Alpine, without running anything: the links to busybox, accounts, and
//! apk's own files.
//!
//! A [`Setup`] is led through the layers of an image, lowest first. For each it says which files' content it
//! [`wants`](Setup::wants), makes accounts, links and directories ([`Setup::layer`]), and then, when the
//! recipe's files are known, apk's records ([`Setup::records`]). A layer's files depend on it and on those
//! below it alone; what is the same as in the layers below is not made again.
//!
//! * **Links**: what `busybox --install -s`, `busybox-extras --install -s` and `bbsuid --install` make, where
//!   a package's script calls them. They belong to the layer that ships the program. What is there already
//!   stays (`bbsuid` takes the place of busybox's links), as does what the recipe excludes.
//! * **Accounts** (`accounts`): those of the recipe, then those that the scripts of packages make of which
//!   something is shipped, in the order of installation. busybox's own account for a kernel logger is none of an
//!   image's, and is not in Alpine's own images either.
//! * **Files** ([`ScriptFiles`]): whatever else the scripts make or change.
//! * **apk's files**: `lib/apk/db/installed`, `triggers`, `scripts.tar` with what is shipped, and
//!   `etc/apk/world`, `arch` and `repositories`, which scanners read too, wherever a package is in the image;
//!   with apk-tools also `lib/apk/db/lock` and `var/cache/apk`, as `apk add --initdb` makes them.

use std::collections::{BTreeMap, BTreeSet};

use crate::apk::archive::Marks;
use crate::effects::PackageEffects;
use crate::recipe::Recipe;
use crate::root_path::RootPath;
use crate::tarball::{Entry, EntryKind, Metadata};

use super::{Accounts, Made, MadeFile, RenderError, directory_links, fixed};

mod accounts;
mod base;
mod database;
mod files;
mod image;
mod links;
mod order;
mod run;

use accounts::{AccountState, Table, table, text};
pub use files::ScriptFiles;
pub use image::{Image, LayerFiles, Package, ShippedFile};
use links::{Linker, linkers, links, list_of};
pub use links::{command_links, command_programs};

/// The files of accounts, and their modes and groups where no package says them.
const ACCOUNT_FILES: [&str; 3] = ["/etc/passwd", "/etc/group", "/etc/shadow"];

/// What was made for a layer.
#[derive(Debug)]
pub struct LayerSetup<'a> {
    /// Links, account files and directories. They go before files of packages.
    pub made: Made,
    /// All accounts up to this layer, for the owners of the recipe's files.
    pub accounts: Accounts,
    /// The packages of which the image has something from this layer on, first installed first.
    pub installed: Vec<&'a str>,
    /// Owner and group of the packages' files of this layer that differ from the numbers in the package: apk
    /// goes by names where the image has them.
    pub owners: BTreeMap<RootPath, [u32; 2]>,
}

/// The set-up of an image, as far as its layers have been laid.
#[derive(Debug)]
pub struct Setup<'a> {
    image: Image<'a>,
    /// Positions of packages, first installed first.
    order: Vec<usize>,
    layer: usize,
    /// What packages gave, directories aside, and who gave it.
    shipped: BTreeMap<RootPath, (&'a str, Metadata)>,
    directories: BTreeSet<RootPath>,
    /// All symbolic links, those made here too.
    links: BTreeMap<RootPath, String>,
    made_links: BTreeSet<RootPath>,
    listed: BTreeSet<&'a str>,
    accounts: Option<AccountState<'a>>,
    /// The account files as the image shows them, with owner and mode.
    visible: BTreeMap<&'static str, (Table, Metadata)>,
    /// apk's files as they were last made.
    records: BTreeMap<RootPath, MadeFile>,
    /// What the packages' scripts do, by package.
    effects: &'a BTreeMap<String, PackageEffects>,
    failures: Vec<String>,
}

impl<'a> Setup<'a> {
    /// Of an image with no layers yet.
    pub fn new(image: Image<'a>, effects: &'a BTreeMap<String, PackageEffects>) -> Self {
        let order = order::install_order(&image.packages);
        let links = directory_links(image.distro, image.arch);
        let links = links.into_iter().map(|(path, target)| (fixed(path), target.to_owned())).collect();
        Setup {
            image,
            order,
            layer: 0,
            shipped: BTreeMap::new(),
            directories: BTreeSet::new(),
            links,
            made_links: BTreeSet::new(),
            listed: BTreeSet::new(),
            accounts: None,
            visible: BTreeMap::new(),
            records: BTreeMap::new(),
            effects,
            failures: Vec::new(),
        }
    }

    /// The layers of the next recipe of the stack follow; `effects` are as it knows them.
    pub fn begin(
        &mut self,
        recipe: &'a Recipe,
        effects: &'a BTreeMap<String, PackageEffects>,
    ) -> Result<(), RenderError> {
        self.effects = effects;
        match &mut self.accounts {
            Some(accounts) => accounts.begin(recipe),
            None => Ok(()),
        }
    }

    /// The files of a layer whose content [`Setup::layer`] must see.
    pub fn wants(&self, layer: &LayerFiles<'a>) -> BTreeSet<RootPath> {
        let programs = linkers().map(|(path, ..)| path);
        let lists = linkers().filter_map(|(path, ..)| list_of(&path));
        let wanted = ACCOUNT_FILES.iter().map(|path| fixed(path)).chain(programs).chain(lists);
        let is_file = |path: &RootPath| {
            let file = layer.files.get(path);
            file.is_some_and(|file| {
                matches!(file.entry.kind, EntryKind::File { .. } | EntryKind::HardLink { .. })
            })
        };
        wanted.filter(is_file).collect()
    }

    /// Makes accounts, links and directories of the next layer, from the content of the files it wants.
    pub fn layer(
        &mut self,
        layer: &LayerFiles<'a>,
        contents: &BTreeMap<RootPath, Vec<u8>>,
    ) -> Result<LayerSetup<'a>, RenderError> {
        self.layer = layer.number;
        self.take_in(layer);
        let mut made = Made::new();
        let mut accounts = if let Some(accounts) = self.accounts.take() {
            accounts
        } else {
            let lowest = self.image.recipe.stack()[0];
            AccountState::new(lowest, layer.files.contains_key(&fixed("/bin/sh")))?
        };
        let shipped = self.rebase(&mut accounts, layer, contents)?;
        let installed = self.run_scripts(&mut accounts, &mut made);
        self.make_links(layer, contents, &mut made)?;
        self.make_account_files(&accounts, &shipped, &mut made);
        let known = accounts.accounts();
        self.accounts = Some(accounts);
        let mut owners = BTreeMap::new();
        for (path, file) in &layer.files {
            let owner = owner(file.entry, file.marks, &known);
            if let Some((_, metadata)) = self.shipped.get_mut(*path) {
                [metadata.uid, metadata.gid] = owner;
            }
            if owner != [file.entry.metadata.uid, file.entry.metadata.gid] {
                owners.insert((*path).clone(), owner);
            }
        }
        Ok(LayerSetup { made, accounts: known, installed, owners })
    }

    /// apk's records of the layer that was laid last; `replaced` holds the recipe's files, which take the
    /// place of packages'.
    pub fn records(&mut self, replaced: &Made) -> Made {
        for (path, file) in replaced {
            if file.entry.kind != EntryKind::Directory {
                self.shipped.remove(path);
            }
        }
        let mut made = self.database();
        made.retain(|path, file| self.records.get(path) != Some(file));
        self.records.extend(made.clone());
        made
    }

    /// What is set up.
    pub fn image(&self) -> &Image<'a> {
        &self.image
    }

    /// The accounts of scripts that cannot be made, in the order of installation.
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Remembers what packages give to a layer.
    fn take_in(&mut self, layer: &LayerFiles<'a>) {
        for (path, file) in &layer.files {
            self.directories.extend(path.ancestors());
            self.made_links.remove(*path);
            match &file.entry.kind {
                EntryKind::Directory => {
                    self.directories.insert((*path).clone());
                    continue;
                }
                EntryKind::Symlink { target } => {
                    self.links.insert((*path).clone(), target.clone());
                }
                _ => {
                    self.links.remove(*path);
                }
            }
            self.shipped.insert((*path).clone(), (file.package, file.entry.metadata.clone()));
        }
    }

    /// The path behind the links that lead to its directory.
    fn resolve(&self, path: &RootPath) -> RootPath {
        let mut path = path.clone();
        // As the kernel, it gives up on loops.
        for _ in 0..40 {
            let Some((link, target)) =
                path.ancestors().find_map(|above| Some((above.clone(), self.links.get(&above)?)))
            else {
                break;
            };
            let behind = link.link_target(target);
            let below = path.as_str().get(link.as_str().len()..).unwrap_or_default();
            match behind.join(below) {
                Ok(resolved) => path = resolved,
                Err(_) => break,
            }
        }
        path
    }

    fn exists(&self, path: &RootPath) -> bool {
        self.shipped.contains_key(path) || self.directories.contains(path) || self.links.contains_key(path)
    }

    /// Starts from the account files that this layer's packages have; gives back those.
    fn rebase(
        &mut self,
        accounts: &mut AccountState<'a>,
        layer: &LayerFiles<'a>,
        contents: &BTreeMap<RootPath, Vec<u8>>,
    ) -> Result<BTreeSet<&'static str>, RenderError> {
        let mut given: BTreeMap<&'static str, Table> = BTreeMap::new();
        for name in ACCOUNT_FILES {
            let path = fixed(name);
            if let (Some(file), Some(content)) = (layer.files.get(&path), contents.get(&path)) {
                let table = table(content);
                given.insert(name, table.clone());
                self.visible.insert(name, (table, file.entry.metadata.clone()));
            }
        }
        let shipped: BTreeSet<&'static str> = given.keys().copied().collect();
        if !given.is_empty() {
            let [passwd, group, shadow] = ACCOUNT_FILES.map(|name| given.remove(name));
            accounts.rebase(passwd, group, shadow)?;
        }
        Ok(shipped)
    }

    /// Makes the account files that differ from what the image shows.
    fn make_account_files(
        &mut self,
        accounts: &AccountState<'a>,
        shipped: &BTreeSet<&'static str>,
        made: &mut Made,
    ) {
        let files = accounts.files();
        let needed = self.image.recipe.skeleton || accounts.has_own() || !shipped.is_empty();
        let tables = [Some(&files.passwd), Some(&files.group), files.shadow.as_ref()];
        for (name, table) in ACCOUNT_FILES.into_iter().zip(tables) {
            let Some(table) = table.filter(|_| needed) else { continue };
            let path = fixed(name);
            let shown = self.visible.get(name);
            if shown.is_some_and(|(shown, _)| shown == table) {
                continue;
            }
            let mut file = MadeFile::file(path.clone(), 0o644, text(table).into_bytes());
            if let Some((_, metadata)) = shown {
                let Metadata { mode, uid, gid, .. } = *metadata;
                file.entry.metadata = Metadata { mode, uid, gid, ..file.entry.metadata };
            }
            self.visible.insert(name, (table.clone(), file.entry.metadata.clone()));
            made.insert(path, file);
        }
    }

    /// Makes the links of the programs that this layer ships, if a script has them made.
    fn make_links(
        &mut self,
        layer: &LayerFiles<'a>,
        contents: &BTreeMap<RootPath, Vec<u8>>,
        made: &mut Made,
    ) -> Result<(), RenderError> {
        for (program, call, linker) in linkers() {
            let Some(content) = contents.get(&program).filter(|_| layer.files.contains_key(&program)) else {
                continue;
            };
            if !self.calls(call) {
                continue;
            }
            let list = list_of(&program).and_then(|path| contents.get(&path));
            let paths = links(linker, content, list.map(Vec::as_slice))
                .map_err(|source| RenderError::Applets { path: program.clone(), source })?;
            for path in paths {
                let path = self.resolve(&path);
                let is_ours = linker == Linker::Bbsuid && self.made_links.contains(&path);
                let is_there = self.exists(&path) || made.contains_key(&path);
                if (is_there && !is_ours) || layer.excludes(&path) {
                    continue;
                }
                self.links.insert(path.clone(), program.as_str().to_owned());
                self.made_links.insert(path.clone());
                made.insert(path.clone(), MadeFile::symlink(path, program.as_str()));
            }
        }
        Ok(())
    }

    /// Whether a script of a package in the image says `call`.
    fn calls(&self, call: &str) -> bool {
        let scripts = ["post-install", "trigger"];
        self.image.packages.iter().filter(|package| self.listed.contains(package.name)).any(|package| {
            let texts = scripts.iter().filter_map(|script| package.record.scripts.get(script));
            texts.into_iter().any(|text| String::from_utf8_lossy(text).contains(call))
        })
    }
}

/// The owner and group of a package's file: by name, or by number where the image has no such name.
fn owner(entry: &Entry, marks: &Marks, accounts: &Accounts) -> [u32; 2] {
    let uid = marks.user.as_ref().and_then(|user| accounts.user_id(user));
    let gid = marks.group.as_ref().and_then(|group| accounts.group_id(group));
    [uid.unwrap_or(entry.metadata.uid), gid.unwrap_or(entry.metadata.gid)]
}

#[cfg(test)]
mod tests;
