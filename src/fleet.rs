//! What the images of a fleet should have in common: their files -> the bases that they should stand on. Pure.
//!
//! A [`Fleet`] is what images hold, file by file: a file of one package at one version is the same in all of them.
//! [`plan`] finds a tree of bases and says which files each holds and which images stand on it.
//!
//! # What is weighed
//!
//! A node is thought of that runs every image of the fleet, and pulls each layer once.
//!
//! - *Size and churn.* A file costs its compressed bytes each time that it is pulled: once at first, and once for each
//!   update of its package in a year. A package is thought to be updated once in four years, and once more a year
//!   for each update that its version says it has had since the release ([`updates_of`]).
//! - *Sharing.* A file in a base is pulled once for all images on it, a file above once for each image.
//! - *Use.* A byte that an image gets from its base without needing it costs as much as one that is pulled. So a
//!   file is in a base if most of the images on it need it. Should an image still grow by more than a tenth, unused
//!   bytes are made to cost twice as much, and the fleet is planned anew.
//! - *Count.* A base costs [`PER_BASE`], for it is a recipe more that somebody keeps; a layer costs [`PER_LAYER`], and
//!   [`PER_IMAGE`] for each image that has it: a request more to make, and records of packages that stand twice.
//! - *Layer budget.* An image's own layers and those of its bases are no more than it may have.
//!
//! Bases are a tree, since a recipe has one base. It is grown from the root: of the sets of images that share files the
//! one that saves most becomes a base, then what remains beside it and, upon it, what its images share among
//! themselves. When the tree is known, the cheapest place of each file is found exactly, and bases that do not
//! pay are taken out again.
//!
//! A layer is pulled whole when anything in it changes. So while the layer budget lasts, a base is cut into layers
//! where the bytes that an update does not pull again are worth another layer: source packages are put in
//! an order in which each comes after what it depends on, and the cheapest cuts are found exactly. What layers an image
//! has left then are for its own files: they are spread as `layers = "auto"` has it, if that pays as well.

use std::collections::BTreeMap;

use crate::distro::PackageFormat;
use crate::root_path::RootPath;

mod base_text;
mod bits;
mod edit;
mod layers;
mod pulls;
mod tree;

pub use base_text::{BaseContent, BaseText, Holders, content_of, largest_sources, name_of, quoted};
pub use edit::{EditError, with_base, with_layers};
pub use pulls::{PulledLayer, Pulls, expected_changes};

use bits::Bits;
use tree::{Grown, Shared};

/// What a base costs beside its first layer, in bytes.
pub const PER_BASE: u64 = 512 << 10;

/// What a layer costs, in bytes.
pub const PER_LAYER: u64 = 64 << 10;

/// What a layer costs for each image that has it, in bytes.
pub const PER_IMAGE: u64 = 16 << 10;

/// How often unused bytes may be made twice as dear. After that they may not be at all.
const DOUBLINGS: u32 = 5;

/// A file of a package: their places in [`Fleet::packages`] and [`FleetPackage::files`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FleetFile {
    /// The package.
    pub package: u32,
    /// The file.
    pub file: u32,
}

/// A package at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetPackage {
    /// Its name.
    pub name: String,
    /// The source package it is built from; what is built from one source changes at once.
    pub source: String,
    /// How often it is thought to be updated, in thousandths a year.
    pub updates: u64,
    /// The names of packages that it depends on.
    pub requires: Vec<String>,
    /// Everything in it that is no directory, whether any image has it or not, by path.
    pub files: Vec<PackagedFile>,
}

/// A file or link of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackagedFile {
    /// Where it is.
    pub path: RootPath,
    /// Its share of a compressed layer, in bytes; zero where no image has it.
    pub bytes: u64,
    /// The file that brings it along wherever that is: what is linked with it, or leads to it.
    pub by: Option<FleetFile>,
}

/// An image of one architecture, without its bases' layers where it has any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetImage {
    /// Its name.
    pub name: String,
    /// Images of different families cannot have a common base.
    pub family: u32,
    /// How many layers it may have more than it has.
    pub room: usize,
    /// The files of packages that it needs, sorted.
    pub files: Vec<FleetFile>,
}

/// Images, and the packages that they are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// Every package of any image, once for each version.
    pub packages: Vec<FleetPackage>,
    /// The images.
    pub images: Vec<FleetImage>,
}

/// The bases that a fleet should have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetPlan {
    /// The bases, each after the one that it stands on.
    pub bases: Vec<PlannedBase>,
    /// Which of them each image stands on.
    pub base_of: Vec<Option<usize>>,
}

/// A base, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedBase {
    /// The base that it stands on.
    pub parent: Option<usize>,
    /// The images that have its layers, by their place in the fleet.
    pub images: Vec<usize>,
    /// The files that it holds beside those of the bases below, sorted.
    pub files: Vec<FleetFile>,
    /// The same files by the layer that they are in, the lowest first.
    pub layers: Vec<Vec<FleetFile>>,
}

impl Fleet {
    /// A file.
    pub fn file(&self, file: FleetFile) -> &PackagedFile {
        &self.packages[file.package as usize].files[file.file as usize]
    }

    /// What a file is thought to cost a node in a year, in bytes.
    fn weight(&self, file: FleetFile) -> u64 {
        let package = &self.packages[file.package as usize];
        self.file(file).bytes * (1000 + package.updates) / 1000
    }

    /// The bytes that an image gets from bases without needing them.
    pub fn unused(&self, plan: &FleetPlan, image: usize) -> u64 {
        let needed = &self.images[image].files;
        let mut at = plan.base_of[image];
        let mut unused = 0;
        while let Some(base) = at {
            let base = &plan.bases[base];
            let idle = base.files.iter().filter(|file| needed.binary_search(file).is_err());
            unused += idle.map(|file| self.file(*file).bytes).sum::<u64>();
            at = base.parent;
        }
        unused
    }
}

/// How often a package of a version is thought to be updated, in thousandths a year: once in four years, and once more a
/// year for each update since the release that the version tells of: `+deb13u2` and `~deb13u2` of two, Ubuntu's
/// `1ubuntu3.4` of four, Alpine's `-r5` of five.
pub fn updates_of(format: PackageFormat, version: &str) -> u64 {
    const STEADY: u64 = 250;
    let number = |text: &str| -> u64 {
        let digits: String = text.chars().take_while(char::is_ascii_digit).take(3).collect();
        digits.parse().unwrap_or(0)
    };
    let had = match format {
        PackageFormat::Apk => version.rsplit_once("-r").map_or(0, |(_, revision)| number(revision)),
        PackageFormat::Deb => {
            let debian = version
                .rsplit_once("deb")
                .and_then(|(_, rest)| rest.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix('u'))
                .map_or(0, number);
            let ubuntu = version
                .rsplit_once("ubuntu")
                .and_then(|(_, rest)| rest.split_once('.'))
                .map_or(0, |(_, rest)| number(rest));
            debian.max(ubuntu)
        }
    };
    STEADY + 1000 * had.min(20)
}

/// Finds the bases that a fleet should have.
pub fn plan(fleet: &Fleet) -> FleetPlan {
    let mut families: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (number, image) in fleet.images.iter().enumerate() {
        families.entry(image.family).or_default().push(number);
    }
    let mut plan = FleetPlan { bases: Vec::new(), base_of: vec![None; fleet.images.len()] };
    let mut shares = Shares::of(fleet);
    for images in families.into_values().filter(|images| images.len() > 1) {
        let (shared, files) = shares.within(fleet, &images);
        let room: Vec<usize> = images.iter().map(|image| fleet.images[*image].room).collect();
        let grown = within_bounds(&shared, &room);
        add_family(fleet, &images, &files, &grown, &mut plan);
    }
    layers::cut(fleet, &mut plan);
    plan
}

/// The tree in which no image grows by more than a tenth.
fn within_bounds(shared: &[Shared], room: &[usize]) -> Grown {
    let mut needs = vec![0; room.len()];
    for one in shared {
        one.members.ones().for_each(|image| needs[image] += one.weight);
    }
    let mut dear = 1;
    for _ in 0..DOUBLINGS {
        let grown = tree::grow(shared, room, dear);
        let unused = grown.unused(shared, room.len());
        if unused.iter().zip(&needs).all(|(unused, needs)| *unused <= needs / 10) {
            return grown;
        }
        dear *= 2;
    }
    tree::grow(shared, room, NEVER)
}

/// So dear that nothing unused pays.
const NEVER: i64 = 1 << 14;

/// Takes over the tree of one family.
fn add_family(
    fleet: &Fleet,
    images: &[usize],
    files: &[Vec<FleetFile>],
    grown: &Grown,
    plan: &mut FleetPlan,
) {
    let first = plan.bases.len();
    for group in &grown.groups {
        let base = PlannedBase {
            parent: group.parent.map(|parent| first + parent),
            images: group.members.ones().map(|image| images[image]).collect(),
            files: Vec::new(),
            layers: Vec::new(),
        };
        for image in &base.images {
            // Those further up come later.
            plan.base_of[*image] = Some(plan.bases.len());
        }
        plan.bases.push(base);
    }
    for (files, places) in files.iter().zip(&grown.places) {
        for place in places {
            plan.bases[first + place].files.extend(files);
        }
    }
    for number in first..plan.bases.len() {
        settle_versions(fleet, plan, number);
        plan.bases[number].files.sort_unstable();
    }
}

/// A base and those below have one version of a package: the lower ones', else that of which there is most.
fn settle_versions(fleet: &Fleet, plan: &mut FleetPlan, number: usize) {
    let name = |package: u32| fleet.packages[package as usize].name.as_str();
    let mut bytes: BTreeMap<u32, u64> = BTreeMap::new();
    for file in &plan.bases[number].files {
        *bytes.entry(file.package).or_default() += fleet.weight(*file);
    }
    let mut chosen: BTreeMap<&str, u32> = BTreeMap::new();
    for (package, weight) in &bytes {
        let best = chosen.entry(name(*package)).or_insert(*package);
        if bytes.get(best).is_some_and(|other| other < weight) {
            *best = *package;
        }
    }
    let mut below = plan.bases[number].parent;
    while let Some(parent) = below {
        for file in &plan.bases[parent].files {
            chosen.insert(name(file.package), file.package);
        }
        below = plan.bases[parent].parent;
    }
    plan.bases[number].files.retain(|file| chosen.get(name(file.package)) == Some(&file.package));
}

/// Which images have each file of a fleet.
struct Shares {
    /// Where each package's files begin in `holders`.
    offsets: Vec<usize>,
    /// The images of the family at work that have a file, by their places in the family.
    holders: Vec<Vec<u32>>,
}

impl Shares {
    fn of(fleet: &Fleet) -> Self {
        let mut offsets = Vec::with_capacity(fleet.packages.len());
        let mut count = 0;
        for package in &fleet.packages {
            offsets.push(count);
            count += package.files.len();
        }
        Shares { offsets, holders: vec![Vec::new(); count] }
    }

    /// The files that several images of a family have, together where the same images have them.
    fn within(&mut self, fleet: &Fleet, images: &[usize]) -> (Vec<Shared>, Vec<Vec<FleetFile>>) {
        for (place, image) in images.iter().enumerate() {
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            for file in &fleet.images[*image].files {
                self.holders[self.offsets[file.package as usize] + file.file as usize].push(place);
            }
        }
        let mut numbers: BTreeMap<Vec<u32>, usize> = BTreeMap::new();
        let (mut shared, mut files): (Vec<Shared>, Vec<Vec<FleetFile>>) = (Vec::new(), Vec::new());
        for (number, package) in fleet.packages.iter().enumerate() {
            let start = self.offsets[number];
            for file in 0..package.files.len() {
                let holders = std::mem::take(&mut self.holders[start + file]);
                if holders.is_empty() {
                    continue;
                }
                let file = FleetFile {
                    package: u32::try_from(number).unwrap_or(u32::MAX),
                    file: u32::try_from(file).unwrap_or(u32::MAX),
                };
                let at = numbers.get(&holders).copied().unwrap_or_else(|| {
                    let members = Bits::of(images.len(), holders.iter().map(|image| *image as usize));
                    shared.push(Shared { members, weight: 0 });
                    files.push(Vec::new());
                    numbers.insert(holders, shared.len() - 1);
                    shared.len() - 1
                });
                shared[at].weight += fleet.weight(file);
                files[at].push(file);
            }
        }
        (shared, files)
    }
}

#[cfg(test)]
mod tests;
