//! Effects on files: they change the tree of an image, and what differs afterwards is made.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{FileCatalog, FileRef};
use crate::effects::systemd::tmpfiles::is_kernels;
use crate::effects::{Effect, ModeChange, NSSWITCH_CONF, Owner, given_away};
use crate::loader::resolve;
use crate::recipe::WHITEOUT;
use crate::root_path::RootPath;
use crate::tarball::{CAPABILITIES, EntryKind};

use super::accounts::Home;
use super::image_tree::{ImageTree, Item, Origin};
use super::{Accounts, Content, MadeFile};

mod outcome;

/// Below these nothing of an installation belongs into an image: what the kernel mounts, what does not outlive
/// a start, what only systemd, init or the package manager's own programs read.
const NOT_IN_IMAGES: &[&str] = &[
    "/dev",
    "/proc",
    "/sys",
    "/tmp",
    "/var/tmp",
    "/etc/systemd",
    "/var/lib/systemd",
    "/etc/rc0.d",
    "/etc/rc1.d",
    "/etc/rc2.d",
    "/etc/rc3.d",
    "/etc/rc4.d",
    "/etc/rc5.d",
    "/etc/rc6.d",
    "/etc/rcS.d",
    "/var/cache/debconf",
    "/var/lib/dpkg",
    "/var/lib/ucf",
];

/// Carries out effects on the files of a layer.
pub(super) struct Files<'t, 'a> {
    pub(super) tree: &'t mut ImageTree,
    pub(super) layer: usize,
    pub(super) catalog: &'a FileCatalog,
    pub(super) accounts: &'t Accounts,
    /// The content of files that effects copy, by path in the catalogue.
    pub(super) contents: &'t BTreeMap<RootPath, Vec<u8>>,
    /// What the recipe keeps out of the layer.
    pub(super) excludes: &'t dyn Fn(&RootPath) -> bool,
    touched: BTreeSet<RootPath>,
    /// The other names of packages' files that have several, once they were asked for.
    names: Option<BTreeMap<RootPath, BTreeSet<RootPath>>>,
}

/// The path at which an effect makes something.
fn made(effect: &Effect) -> Option<&RootPath> {
    match effect {
        Effect::File { path, .. }
        | Effect::Symlink { path, .. }
        | Effect::Directory { path, .. }
        | Effect::Copy { to: path, .. }
        | Effect::Alternative { link: path, .. }
        | Effect::Divert { to: path, .. }
        | Effect::Rename { to: path, .. } => Some(path),
        _ => None,
    }
}

/// Whether a path of a layer would delete what is below (image-spec, `layer.md`).
pub(super) fn is_whiteout(path: &RootPath) -> bool {
    path.components().any(|name| name.starts_with(WHITEOUT))
}

/// The packages' file that a path leads to.
pub(super) fn source(catalog: &FileCatalog, path: &RootPath) -> Option<RootPath> {
    resolve(catalog, path).filter(|path| !catalog.at(path).is_empty())
}

/// Why an effect did not come about although it should.
pub(super) type Failure = String;

impl<'t, 'a> Files<'t, 'a> {
    pub(super) fn new(
        tree: &'t mut ImageTree,
        layer: usize,
        catalog: &'a FileCatalog,
        accounts: &'t Accounts,
        contents: &'t BTreeMap<RootPath, Vec<u8>>,
        excludes: &'t dyn Fn(&RootPath) -> bool,
    ) -> Self {
        Files { tree, layer, catalog, accounts, contents, excludes, touched: BTreeSet::new(), names: None }
    }

    /// Carries out one effect; `whole` says whether the package is in the image for its own sake, so that what
    /// it makes anew belongs there as well.
    pub(super) fn apply(&mut self, effect: &Effect, whole: bool) -> Result<(), Failure> {
        if let Some(path) = made(effect).filter(|path| is_whiteout(path)) {
            return Err(format!("{path} would be a whiteout, which deletes what is below, and is not made"));
        }
        match effect {
            Effect::Owner { path, user, group, recursive } => {
                let owner = Owner { user: user.clone(), group: group.clone() };
                // Whoever gives a link away means the link.
                let places = self.places(&self.tree.place(path), *recursive);
                places.iter().try_for_each(|place| self.own(place, &owner))
            }
            Effect::Mode { path, mode, recursive } => {
                let places = self.led_to(path, *recursive);
                places.iter().try_for_each(|place| self.change_mode(place, mode))
            }
            Effect::Capabilities { path, capabilities, .. } => {
                for place in self.led_to(path, false) {
                    self.set_capabilities(&place, capabilities);
                }
                Ok(())
            }
            Effect::StatOverride { path, user, group, mode } => {
                // A number is written as `#33` there.
                let name = |text: &str| Some(text.strip_prefix('#').unwrap_or(text).to_owned());
                let owner = Owner { user: name(user), group: name(group) };
                for place in self.led_to(path, false) {
                    self.own(&place, &owner)?;
                    self.set_mode(&place, *mode);
                }
                Ok(())
            }
            Effect::Rename { from, to } => self.rename(from, to),
            Effect::Remove { path, recursive } => self.remove(path, *recursive),
            _ if !whole => Ok(()),
            Effect::Directory { path, mode, owner } => self.directory(path, *mode, owner.as_ref()),
            Effect::Symlink { path, target } => {
                self.symlink(path, target);
                Ok(())
            }
            // Several packages add to it, and it may come with a layer above.
            Effect::File { path, .. } if path.as_str() == NSSWITCH_CONF => Ok(()),
            Effect::File { path, content, mode } => {
                self.file(path, content.clone(), *mode);
                Ok(())
            }
            Effect::Copy { from, to, mode, owner } => self.copy(from, to, *mode, owner.as_ref()),
            Effect::Group { .. }
            | Effect::User { .. }
            | Effect::Member { .. }
            | Effect::Alternative { .. }
            | Effect::Divert { .. }
            | Effect::Tool(_) => Ok(()),
        }
    }

    /// Moves the files of other packages that a package diverts.
    pub(super) fn divert(&mut self, package: &str, effects: &[Effect]) {
        for effect in effects {
            let Effect::Divert { path, to, rename: true } = effect else { continue };
            let is_others = self.tree.get(path).is_some_and(|item| match &item.origin {
                Origin::Package(file) => self.catalog.get(*file).0.name != package,
                Origin::Made(_) | Origin::Implied => false,
            });
            let is_canonical = self.catalog.merged_usr().canonical(path) == *path;
            if is_canonical && is_others && self.tree.get(to).is_none() && self.wanted(to) {
                self.shift(path, to);
            }
        }
    }

    /// Makes a directory with its owner unless something is there. A package's is left as it is, as adduser(8) and
    /// useradd(8) leave it.
    pub(super) fn home(&mut self, home: &Home) {
        let Ok(path) = RootPath::parse(&home.path) else { return };
        let path = self.tree.place(&path);
        let is_free = match self.tree.get(&path) {
            None => true,
            Some(item) => item.origin == Origin::Implied && self.catalog.at(&path).is_empty(),
        };
        if self.wanted(&path) && is_free {
            let mut made = MadeFile::directory(path, home.mode);
            [made.entry.metadata.uid, made.entry.metadata.gid] = home.owner;
            self.make(&made);
        }
    }

    fn wanted(&self, path: &RootPath) -> bool {
        let outside = NOT_IN_IMAGES.iter().any(|dir| {
            path.as_str().strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        !outside && !path.is_root() && !is_whiteout(path) && !(self.excludes)(path)
    }

    fn make(&mut self, file: &MadeFile) {
        self.touched.insert(file.entry.path.clone());
        if file.entry.kind != EntryKind::Directory {
            self.tree.remove(&file.entry.path);
        }
        self.tree.make(self.layer, file);
    }

    /// A path and all in it, as far as it is to be in the image.
    fn places(&self, path: &RootPath, recursive: bool) -> Vec<RootPath> {
        let all = self.tree.within(path).map(|(path, _)| path);
        let all = all.take_while(|one| recursive || *one == path);
        all.filter(|_| self.wanted(path)).cloned().collect()
    }

    /// Where a path leads, and all in it but links.
    fn led_to(&self, path: &RootPath, recursive: bool) -> Vec<RootPath> {
        let Some(path) = self.tree.resolve(path) else { return Vec::new() };
        let mut places = self.places(&path, recursive);
        let is_link = |item: &Item| matches!(item.kind, EntryKind::Symlink { .. });
        places.retain(|place| !self.tree.get(place).is_some_and(is_link));
        places
    }

    /// Gives a path to somebody. Where one of the two is not known, the other still counts.
    fn own(&mut self, path: &RootPath, owner: &Owner) -> Result<(), Failure> {
        let unknown = |name: &str| format!("nobody defines `{name}`, to whom {path} is to belong");
        let user = owner.user.as_deref().map(|user| self.accounts.uid(user).ok_or_else(|| unknown(user)));
        let group =
            owner.group.as_deref().map(|group| self.accounts.gid(group).ok_or_else(|| unknown(group)));
        let known = |id: &Option<Result<u32, Failure>>| id.as_ref().and_then(|id| id.as_ref().ok()).copied();
        let (uid, gid) = (known(&user), known(&group));
        if uid.is_some() || gid.is_some() {
            self.change(path, |item| {
                let metadata = &mut item.metadata;
                metadata.uid = uid.unwrap_or(metadata.uid);
                metadata.gid = gid.unwrap_or(metadata.gid);
                if matches!(item.kind, EntryKind::File { .. }) {
                    metadata.mode = given_away(metadata.mode);
                    metadata.xattrs.remove(CAPABILITIES);
                }
            });
        }
        user.transpose().and(group.transpose()).map(drop)
    }

    fn change_mode(&mut self, path: &RootPath, change: &ModeChange) -> Result<(), Failure> {
        let Some(item) = self.tree.changeable(path, self.catalog) else { return Ok(()) };
        let changed = change.applied(item.metadata.mode, item.kind == EntryKind::Directory);
        self.set_mode(path, changed.ok_or_else(|| format!("the mode of {path} is none"))?);
        Ok(())
    }

    fn set_mode(&mut self, path: &RootPath, mode: u32) {
        self.change(path, |item| item.metadata.mode = mode);
    }

    fn set_capabilities(&mut self, path: &RootPath, capabilities: &[u8]) {
        self.change(path, |item| {
            item.metadata.xattrs.remove(CAPABILITIES);
            if !capabilities.is_empty() {
                item.metadata.xattrs.insert(CAPABILITIES.to_owned(), capabilities.to_vec());
            }
        });
    }

    /// Changes what is at a path, by all its names; it counts where it makes a difference.
    fn change(&mut self, path: &RootPath, change: impl Fn(&mut Item)) {
        let names = self.names.get_or_insert_with(|| hard_links(self.tree, self.catalog));
        let is_packages = |item: &Item| matches!(item.origin, Origin::Package(_));
        let others = names.get(path).filter(|_| self.tree.get(path).is_some_and(is_packages));
        let others: Vec<RootPath> = others.into_iter().flatten().cloned().collect();
        for name in std::iter::once(path).chain(&others) {
            let Some(item) = self.tree.changeable(name, self.catalog) else { continue };
            if name != path && !is_packages(item) {
                continue;
            }
            let before = item.metadata.clone();
            change(item);
            if item.metadata != before {
                self.touched.insert(name.clone());
            }
        }
    }

    fn directory(
        &mut self,
        path: &RootPath,
        mode: Option<u32>,
        owner: Option<&Owner>,
    ) -> Result<(), Failure> {
        let path = self.tree.resolve(path).unwrap_or_else(|| self.tree.place(path));
        if !self.wanted(&path) {
            return Ok(());
        }
        match self.tree.get(&path).map(|item| item.kind == EntryKind::Directory) {
            Some(true) => {}
            Some(false) => return Ok(()),
            None => self.make(&MadeFile::directory(path.clone(), mode.unwrap_or(0o755))),
        }
        owner.map_or(Ok(()), |owner| self.own(&path, owner))?;
        // What is chown'ed keeps the mode that it was made with.
        if let Some(mode) = mode {
            self.set_mode(&path, mode);
        }
        Ok(())
    }

    fn symlink(&mut self, path: &RootPath, target: &str) {
        let path = self.tree.place(path);
        let aim = path.link_target(target);
        // What the packages have and the image was not to have needs no link to it.
        let canonical = self.catalog.merged_usr().canonical(&aim);
        let is_packages = !self.catalog.at(&canonical).is_empty() && !self.touched.contains(&canonical);
        let left_out = is_packages && !self.tree.leads(&aim);
        let is_there = self.tree.get(&path).is_some_and(|item| match &item.kind {
            EntryKind::Directory => true,
            EntryKind::Symlink { target: there } => there == target,
            _ => false,
        });
        if self.wanted(&path) && !left_out && !is_there && aim != path {
            self.make(&MadeFile::symlink(path, target));
        }
    }

    fn file(&mut self, path: &RootPath, content: Vec<u8>, mode: Option<u32>) {
        let path = self.tree.resolve(path).unwrap_or_else(|| self.tree.place(path));
        if !self.wanted(&path) {
            return;
        }
        let mut made = MadeFile::file(path.clone(), mode.unwrap_or(0o644), content);
        if let Some(Item { kind: EntryKind::File { .. }, metadata, .. }) = self.tree.get(&path) {
            made.entry.metadata.uid = metadata.uid;
            made.entry.metadata.gid = metadata.gid;
            made.entry.metadata.mode = mode.unwrap_or(metadata.mode);
        } else if self.tree.get(&path).is_some() {
            return;
        }
        self.make(&made);
    }

    fn copy(
        &mut self,
        from: &RootPath,
        to: &RootPath,
        mode: Option<u32>,
        owner: Option<&Owner>,
    ) -> Result<(), Failure> {
        let source = source(self.catalog, from);
        let here = self.tree.resolve(from).and_then(|path| self.tree.get(&path));
        let is_file = |item: &&Item| matches!(item.kind, EntryKind::File { .. });
        let made = match here.filter(is_file).map(|item| (&item.origin, item.metadata.mode)) {
            Some((Origin::Made(Content::Bytes(bytes)), mode)) => Some((bytes.clone(), mode)),
            _ => None,
        };
        let packaged = source.as_ref().and_then(|source| {
            let (_, file) = self.catalog.get(*self.catalog.at(source).first()?);
            Some((self.contents.get(source)?.clone(), file.entry.metadata.mode))
        });
        let Some((content, own_mode)) = made.or(packaged) else {
            if !self.wanted(to) {
                return Ok(());
            }
            if is_kernels(from) {
                return Err(format!("{to} is to be made where the image runs, of {from}"));
            }
            return Err(format!("{from}, which is to be copied to {to}, is not there"));
        };
        let path = self.tree.resolve(to).unwrap_or_else(|| self.tree.place(to));
        let mode = mode.unwrap_or(own_mode & 0o777);
        self.file(&path, content, Some(mode));
        if let Some(owner) = owner.filter(|_| self.touched.contains(&path)) {
            self.own(&path, owner)?;
            self.set_mode(&path, mode);
        }
        Ok(())
    }

    fn rename(&mut self, from: &RootPath, to: &RootPath) -> Result<(), Failure> {
        let (from, to) = (self.tree.place(from), self.tree.place(to));
        let Some(item) = self.tree.get(&from) else { return Ok(()) };
        if item.layer != self.layer {
            return Err(format!("{from} is in a lower layer and does not move to {to}"));
        }
        if self.wanted(&to) {
            self.shift(&from, &to);
        }
        Ok(())
    }

    /// Moves a path and all below it.
    fn shift(&mut self, from: &RootPath, to: &RootPath) {
        // Names are others now.
        self.names = None;
        let all: Vec<RootPath> = self.tree.within(from).map(|(path, _)| path.clone()).collect();
        for path in all {
            self.tree.changeable(&path, self.catalog);
        }
        for (path, item) in self.tree.remove(from) {
            let below = path.as_str().get(from.as_str().len()..).unwrap_or_default();
            let Ok(new) = RootPath::parse(&format!("{to}{below}")) else { continue };
            self.touched.extend([path, new.clone()]);
            self.tree.insert(new, item);
        }
    }

    fn remove(&mut self, path: &RootPath, recursive: bool) -> Result<(), Failure> {
        let path = self.tree.place(path);
        let Some(item) = self.tree.get(&path) else { return Ok(()) };
        let is_directory = item.kind == EntryKind::Directory;
        if !self.wanted(&path) || (is_directory && !recursive && self.tree.within(&path).nth(1).is_some()) {
            return Ok(());
        }
        if item.layer != self.layer {
            let stays = format!("{path} stays, which it removes: a layer below has it");
            return if is_directory { Ok(()) } else { Err(stays) };
        }
        for (path, _) in self.tree.remove(&path) {
            self.touched.insert(path);
        }
        Ok(())
    }
}

/// The other names of each file of the packages that has several (hard links).
fn hard_links(tree: &ImageTree, catalog: &FileCatalog) -> BTreeMap<RootPath, BTreeSet<RootPath>> {
    let mut sets: BTreeMap<FileRef, BTreeSet<RootPath>> = BTreeMap::new();
    for (path, item) in tree.within(&RootPath::root()) {
        let Origin::Package(file) = item.origin else { continue };
        let (package, catalogued) = catalog.get(file);
        if !matches!(catalogued.entry.kind, EntryKind::HardLink { .. }) {
            continue;
        }
        let index = package.manifest.content_index(catalogued);
        let target = package.manifest.files.iter().find(|other| Some(other.index) == index);
        let target = target.map(|target| catalog.merged_usr().canonical(&target.entry.path));
        let place = target
            .as_ref()
            .and_then(|target| catalog.at(target).iter().find(|at| catalog.get(**at).0.name == package.name));
        if let (Some(target), Some(place)) = (target, place) {
            sets.entry(*place).or_default().extend([path.clone(), target]);
        }
    }
    let mut names: BTreeMap<RootPath, BTreeSet<RootPath>> = BTreeMap::new();
    for set in sets.into_values() {
        for name in &set {
            names.entry(name.clone()).or_default().extend(set.iter().filter(|other| *other != name).cloned());
        }
    }
    names
}

/// Whether a script takes something away to put another in its place, which a part of the package does without.
pub(super) fn is_made_again(effect: &Effect, effects: &[Effect]) -> bool {
    let Effect::Remove { path, .. } = effect else { return false };
    let mut later = effects.iter().skip_while(|one| !std::ptr::eq(*one, effect)).skip(1);
    later.any(|later| made(later) == Some(path))
}
