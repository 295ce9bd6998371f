//! Images that were looked into become a [`Fleet`]: who has which file of which package.

use std::collections::BTreeMap;

use crate::cache::ContentId;
use crate::catalog::{FileCatalog, PackageFiles};
use crate::fleet::{Fleet, FleetFile, FleetImage, FleetPackage, PackagedFile, updates_of};
use crate::root_path::RootPath;
use crate::select::Reason;
use crate::tarball::{Entry, EntryKind};

use super::{FleetOptions, Member, Surveyed};

/// What a file takes beside its content, in bytes before compression.
const HEADER: u64 = 128;

/// A fleet in the making.
#[derive(Default)]
pub(super) struct Census {
    pub(super) fleet: Fleet,
    packages: BTreeMap<ContentId, u32>,
    families: BTreeMap<String, u32>,
}

impl Census {
    /// Adds an image, and says where it is.
    pub(super) fn add(&mut self, member: &Member<'_>, surveyed: &Surveyed, options: &FleetOptions) -> usize {
        let catalog = &surveyed.prepared.catalog;
        let mut files: BTreeMap<RootPath, FleetFile> = BTreeMap::new();
        let mut fresh: Vec<FleetFile> = Vec::new();
        for (plan, measured) in surveyed.plans.iter().zip(&surveyed.measured) {
            for (part, piece) in plan.packages.iter().zip(&measured.pieces) {
                let Some(package) = catalog.package(&part.package) else { continue };
                let number = self.package(package, member, surveyed);
                let entries = || part.files.values().chain(&part.others);
                let whole: u64 = entries().map(taken).sum();
                for entry in entries() {
                    let Some(file) = self.find(number, &entry.path) else { continue };
                    files.insert(entry.path.clone(), file);
                    let known = &mut self.fleet.packages[number as usize].files[file.file as usize];
                    if known.bytes == 0 {
                        known.bytes = (piece.bytes * taken(entry)).div_ceil(whole.max(1));
                        fresh.push(file);
                    }
                }
            }
        }
        self.note_what_brings(surveyed, catalog, &files, &fresh);
        let mut needed: Vec<FleetFile> = files.into_values().collect();
        needed.sort_unstable();
        needed.dedup();
        let family = self.family(member);
        let room = options.layers.saturating_sub(surveyed.layers.len());
        let name = member.recipe.reference();
        self.fleet.images.push(FleetImage { name, family, room, files: needed });
        self.fleet.images.len() - 1
    }

    fn package(&mut self, package: &PackageFiles, member: &Member<'_>, surveyed: &Surveyed) -> u32 {
        if let Some(number) = self.packages.get(&package.content) {
            return *number;
        }
        let mut paths: Vec<&RootPath> = package
            .manifest
            .files
            .iter()
            .filter(|file| file.entry.kind != EntryKind::Directory)
            .map(|file| &file.entry.path)
            .collect();
        paths.sort();
        paths.dedup();
        let files =
            paths.into_iter().map(|path| PackagedFile { path: path.clone(), bytes: 0, by: None }).collect();
        let source = surveyed.updates.get(&package.name).map(|(source, _)| source.clone());
        let number = u32::try_from(self.fleet.packages.len()).unwrap_or(u32::MAX);
        self.fleet.packages.push(FleetPackage {
            name: package.name.clone(),
            source: source.unwrap_or_else(|| package.name.clone()),
            updates: updates_of(member.recipe.format(), &package.version),
            requires: member
                .lock
                .package(surveyed.prepared.arch, &package.name)
                .map(|locked| locked.requires.clone())
                .unwrap_or_default(),
            files,
        });
        self.packages.insert(package.content, number);
        number
    }

    fn find(&self, package: u32, path: &RootPath) -> Option<FleetFile> {
        let files = &self.fleet.packages[package as usize].files;
        let at = files.binary_search_by(|file| file.path.cmp(path)).ok()?;
        Some(FleetFile { package, file: u32::try_from(at).ok()? })
    }

    /// Of files that no image had before: what they were linked with, or which link leads to them.
    fn note_what_brings(
        &mut self,
        surveyed: &Surveyed,
        catalog: &FileCatalog,
        files: &BTreeMap<RootPath, FleetFile>,
        fresh: &[FleetFile],
    ) {
        let chosen = surveyed.prepared.selection.layers.iter().flat_map(|layer| &layer.files);
        let reasons: BTreeMap<&RootPath, &Reason> = chosen
            .map(|(_, selected)| (&catalog.get(selected.file).1.entry.path, &selected.reason))
            .collect();
        for file in fresh {
            let path = &self.fleet.file(*file).path;
            let by = match reasons.get(path) {
                Some(Reason::Library { by, .. } | Reason::Loader { by } | Reason::Link { by }) => {
                    files.get(by)
                }
                _ => None,
            };
            self.fleet.packages[file.package as usize].files[file.file as usize].by = by.copied();
        }
    }

    /// Recipes of one family have their packages from the same places.
    fn family(&mut self, member: &Member<'_>) -> u32 {
        let recipe = member.recipe;
        let keys: Vec<_> = recipe
            .keys
            .iter()
            .map(|key| recipe.absolute_path(key))
            .map(|key| key.canonicalize().unwrap_or(key))
            .collect();
        let request = &member.lock.recipe;
        let key = format!(
            "{:?} {:?} {:?} {keys:?} {:?}",
            recipe.from, recipe.pockets, recipe.snapshot, request.without
        );
        let next = u32::try_from(self.families.len()).unwrap_or(u32::MAX);
        *self.families.entry(key).or_insert(next)
    }
}

/// What an entry takes before compression, about.
fn taken(entry: &Entry) -> u64 {
    match entry.kind {
        EntryKind::File { size } => size + HEADER,
        _ => HEADER,
    }
}
