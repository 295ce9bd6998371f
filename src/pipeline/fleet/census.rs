//! Images that were looked into become a [`Fleet`]: who has which file of which package.

use std::collections::BTreeMap;

use crate::cache::ContentId;
use crate::fleet::{Fleet, FleetFile, FleetImage, FleetPackage, PackagedFile};
use crate::root_path::RootPath;

use super::survey::{Survey, SurveyedPackage};
use super::{FleetOptions, Member};

/// A fleet in the making.
#[derive(Default)]
pub(super) struct Census {
    pub(super) fleet: Fleet,
    packages: BTreeMap<ContentId, u32>,
    families: BTreeMap<String, u32>,
}

impl Census {
    /// Whether the paths of a package are known.
    pub(super) fn knows(&self, package: &SurveyedPackage) -> bool {
        self.packages.contains_key(&package.content)
    }

    /// Notes a package, and the paths that it has, sorted.
    pub(super) fn note(&mut self, package: &SurveyedPackage, paths: Vec<RootPath>) {
        let number = number(self.fleet.packages.len());
        self.packages.entry(package.content).or_insert_with(|| {
            let files = paths.into_iter().map(|path| PackagedFile { path, bytes: 0, by: None }).collect();
            self.fleet.packages.push(FleetPackage {
                name: package.name.clone(),
                source: package.source.clone(),
                updates: package.updates,
                requires: package.requires.clone(),
                files,
            });
            number
        });
    }

    /// Adds an image, whose packages are known, and says where it is.
    pub(super) fn add(&mut self, member: &Member<'_>, survey: &Survey, options: &FleetOptions) -> usize {
        let numbers: Vec<Option<u32>> =
            survey.packages.iter().map(|package| self.packages.get(&package.content).copied()).collect();
        let at = |(package, file): (u32, u32)| {
            let package = (*numbers.get(package as usize)?)?;
            Some(FleetFile { package, file })
        };
        let mut needed: Vec<FleetFile> = Vec::new();
        for part in &survey.parts {
            let whole: u64 = part.files.iter().map(|file| file.taken).sum();
            for file in &part.files {
                let Some(place) = file.file.and_then(|file| at((part.package, file))) else { continue };
                let files = &mut self.fleet.packages[place.package as usize].files;
                let Some(known) = files.get_mut(place.file as usize) else { continue };
                needed.push(place);
                // Of a file that no image had before.
                if known.bytes == 0 {
                    known.bytes = (part.piece.bytes * file.taken).div_ceil(whole.max(1));
                    known.by = file.by.and_then(at);
                }
            }
        }
        needed.sort_unstable();
        needed.dedup();
        let family = self.family(member);
        let room = options.layers.saturating_sub(survey.layers.len());
        let name = member.recipe.reference();
        self.fleet.images.push(FleetImage { name, family, room, files: needed });
        self.fleet.images.len() - 1
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
        let next = number(self.families.len());
        *self.families.entry(key).or_insert(next)
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
