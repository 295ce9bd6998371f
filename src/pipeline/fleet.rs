//! A fleet of recipes -> what its images pull as they are, the bases that they should have, and what they pull then.
//!
//! Every recipe is prepared as for a build and its layers are measured without being written. The planned bases are
//! recipes in memory; they and what stands on them are locked and prepared in the same way, so that what is
//! predicted follows from what a build would do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::arch::Arch;
use crate::catalog::FileCatalog;
use crate::digest::Digest;
use crate::fleet::{
    BaseText, Fleet, FleetPlan, Holders, PulledLayer, Pulls, content_of, expected_changes, largest_sources,
    name_of, plan, quoted, updates_of, with_base,
};
use crate::layer::LayerPlan;
use crate::lock::Lock;
use crate::oci::{Measured, measure};
use crate::recipe::{Base, Recipe};

use super::assembly::{Parts, layer_plans};
use super::{Forge, ForgeError, Prepared, Update};

mod census;
mod rivals;

use census::Census;

/// A recipe of a fleet.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    /// What it is built with.
    pub forge: &'a Forge<'a>,
    /// The recipe.
    pub recipe: &'a Recipe,
    /// Its lock, which has the architecture that is planned for.
    pub lock: &'a Lock,
}

/// What a plan is to keep to.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// The architecture that is planned for.
    pub arch: Arch,
    /// How many layers an image may have.
    pub layers: usize,
    /// The directory for base recipes.
    pub directory: PathBuf,
}

/// What a fleet pulls, and what it would pull.
#[derive(Debug)]
pub struct FleetReport {
    /// Its images, in the order of its recipes.
    pub images: Vec<ImageReport>,
    /// The bases that are proposed, each after the one that it stands on.
    pub bases: Vec<BaseReport>,
    /// A node that runs all images as they are.
    pub before: Pulls,
    /// The same, on the bases.
    pub after: Pulls,
    /// The same, were each image one layer.
    pub one_layer: Pulls,
    /// The same, had each image a layer for each of its largest packages and one for the rest.
    pub layer_a_package: Pulls,
}

/// An image of a fleet.
#[derive(Debug)]
pub struct ImageReport {
    /// The recipe's file.
    pub path: PathBuf,
    /// The image's name.
    pub name: String,
    /// Its layers as they are, lowest first.
    pub before: Vec<PulledLayer>,
    /// Its layers on its base.
    pub after: Vec<PulledLayer>,
    /// Of these the compressed bytes that it does not need, by estimate.
    pub unused: u64,
    /// The base proposed for it, by its place in [`FleetReport::bases`].
    pub base: Option<usize>,
    /// The recipe's text with that base.
    pub text: Option<String>,
    /// Why it was left as it is.
    pub left: Option<String>,
}

/// A base that is proposed.
#[derive(Debug)]
pub struct BaseReport {
    /// The recipe's file.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Its lock, with what the fleet's locks have.
    pub lock: Lock,
    /// The base that it stands on, by its place among them.
    pub parent: Option<usize>,
    /// Its own layers.
    pub layers: Vec<PulledLayer>,
    /// How many images have its layers.
    pub images: usize,
}

/// A base recipe that is not written yet.
struct Draft {
    recipe: Recipe,
    lock: Lock,
    text: String,
    layers: Vec<PulledLayer>,
}

/// Plans the bases of a fleet.
pub fn plan_fleet(members: &[Member<'_>], options: &FleetOptions) -> Result<FleetReport, ForgeError> {
    let mut census = Census::default();
    let mut images = Vec::with_capacity(members.len());
    // The fleet has only the images whose base is to be chosen.
    let mut place_of: Vec<Option<usize>> = Vec::with_capacity(members.len());
    let (mut one_layer, mut packaged) = (Pulls::default(), rivals::Packaged::new(options.layers));
    for member in members {
        let Member { forge, recipe, lock } = member;
        forge.progress.stage(&format!("looking into {} for {}", recipe.name, options.arch));
        let surveyed = forge.survey(recipe, lock, options.arch)?;
        one_layer = rivals::and_one_layer(one_layer, &surveyed);
        packaged.add(&surveyed);
        let left = reason_to_leave(recipe, &surveyed, options);
        place_of.push(if left.is_none() { Some(census.add(member, &surveyed, options)) } else { None });
        images.push(ImageReport {
            path: recipe.path.clone(),
            name: recipe.reference(),
            before: surveyed.layers.clone(),
            after: surveyed.layers,
            unused: 0,
            base: None,
            text: None,
            left,
        });
    }
    let fleet = census.fleet;
    let planned = plan(&fleet);
    let holders = Holders::of(&fleet);
    let outcome =
        Outcome { members, options, fleet: &fleet, holders, planned: &planned, place_of: &place_of };
    let bases = outcome.settle(&mut images)?;
    let before = Pulls::of(images.iter().flat_map(|image| &image.before));
    let after = Pulls::of(images.iter().flat_map(|image| &image.after));
    let mut report =
        FleetReport { images, bases, before, after, one_layer, layer_a_package: packaged.pulls() };
    if report.after.total() >= report.before.total() {
        report.propose_nothing();
    }
    Ok(report)
}

/// Why no base is chosen for a recipe.
fn reason_to_leave(recipe: &Recipe, surveyed: &Surveyed, options: &FleetOptions) -> Option<String> {
    if let Some(base) = &recipe.base {
        return Some(format!("it stands on {} already", base.recipe.path.display()));
    }
    if recipe.from.is_none() {
        return Some("it has no `from`".into());
    }
    if !recipe.skeleton {
        return Some("it has no skeleton, which a base would bring".into());
    }
    if surveyed.layers.len() >= options.layers {
        return Some(format!("it has {} layers without a base", surveyed.layers.len()));
    }
    None
}

impl FleetReport {
    /// Leaves the fleet as it is.
    fn propose_nothing(&mut self) {
        self.bases.clear();
        self.after = self.before;
        for image in &mut self.images {
            image.after.clone_from(&image.before);
            (image.base, image.text, image.unused) = (None, None, 0);
        }
    }
}

/// One image, looked into without being written.
struct Surveyed {
    layers: Vec<PulledLayer>,
    plans: Vec<LayerPlan>,
    measured: Vec<Measured>,
    prepared: Prepared,
    /// How often each package is thought to be updated, in thousandths a year, and its source.
    updates: BTreeMap<String, (String, u64)>,
}

impl Surveyed {
    /// How often a layer of these packages changes in a year, in millionths.
    fn changes<'p>(&self, packages: impl IntoIterator<Item = &'p str>) -> u64 {
        changes_of(&self.updates, packages)
    }
}

/// How often a layer of packages changes in a year, in millionths. What is of one source changes at once.
fn changes_of<'p>(
    updates: &BTreeMap<String, (String, u64)>,
    packages: impl IntoIterator<Item = &'p str>,
) -> u64 {
    let mut sources: BTreeMap<&str, u64> = BTreeMap::new();
    for (source, updates) in packages.into_iter().filter_map(|package| updates.get(package)) {
        let known = sources.entry(source).or_default();
        *known = (*known).max(*updates);
    }
    expected_changes(sources.into_values())
}

impl Forge<'_> {
    /// Prepares an image and measures its layers.
    fn survey(&self, recipe: &Recipe, lock: &Lock, arch: Arch) -> Result<Surveyed, ForgeError> {
        let prepared = self.prepare(recipe, lock, arch)?;
        let planned = layer_plans(Parts::of(recipe, lock, &prepared, self.options.newest))?;
        let plans: Vec<LayerPlan> = planned.layers.into_iter().map(|(_, plan)| plan).collect();
        let catalog: &FileCatalog = &prepared.catalog;
        let measured: Vec<Measured> =
            plans.iter().map(|plan| measure(plan, catalog, &self.cache)).collect::<Result<_, _>>()?;
        let updates = lock.packages_of(arch).into_values().map(|package| {
            let updates = updates_of(recipe.format(), &package.version);
            (package.name.clone(), (package.source.clone(), updates))
        });
        let updates = updates.collect();
        let mut surveyed = Surveyed { layers: Vec::new(), plans, measured, prepared, updates };
        surveyed.layers = surveyed
            .measured
            .iter()
            .map(|layer| PulledLayer {
                key: layer.key,
                bytes: layer.bytes,
                again: surveyed.changes(layer.pieces.iter().map(|piece| piece.package.as_str())),
            })
            .collect();
        Ok(surveyed)
    }
}

/// What a plan comes to.
struct Outcome<'a> {
    members: &'a [Member<'a>],
    options: &'a FleetOptions,
    fleet: &'a Fleet,
    holders: Holders,
    planned: &'a FleetPlan,
    /// Where each member's image is in the fleet.
    place_of: &'a [Option<usize>],
}

impl Outcome<'_> {
    /// Locks and measures the bases, then the images on them.
    fn settle(&self, images: &mut [ImageReport]) -> Result<Vec<BaseReport>, ForgeError> {
        let mut drafts: Vec<Draft> = Vec::with_capacity(self.planned.bases.len());
        let mut taken: BTreeSet<String> = images.iter().map(|image| image.name.clone()).collect();
        for number in 0..self.planned.bases.len() {
            let draft = self.draft(number, &drafts, &mut taken)?;
            drafts.push(draft);
        }
        for (image, (member, place)) in images.iter_mut().zip(self.members.iter().zip(self.place_of)) {
            let Some(place) = *place else { continue };
            let Some(number) = self.planned.base_of[place] else { continue };
            let prefix = relative(&member.recipe.dir, &self.options.directory);
            let draft = &drafts[number];
            let base = Base { recipe: draft.recipe.clone(), prefix: prefix.clone() };
            let recipe = Recipe { base: Some(Box::new(base)), ..member.recipe.clone() };
            match self.on_base(member, &recipe, &draft.lock) {
                Ok(surveyed) => {
                    let file = prefix.join(draft.recipe.path.file_name().unwrap_or_default());
                    match with_base(&member.recipe.text, &file.to_string_lossy()) {
                        Ok(text) => {
                            image.after = surveyed.layers;
                            image.unused = self.fleet.unused(self.planned, place);
                            (image.base, image.text) = (Some(number), Some(text));
                        }
                        Err(error) => image.left = Some(error.to_string()),
                    }
                }
                Err(error) => image.left = Some(format!("it cannot stand on {}: {error}", draft.recipe.name)),
            }
        }
        Ok(self.reports(drafts, images))
    }

    fn reports(&self, drafts: Vec<Draft>, images: &mut [ImageReport]) -> Vec<BaseReport> {
        let ancestors = |mut at: Option<usize>| {
            let mut all = Vec::new();
            while let Some(base) = at {
                all.push(base);
                at = self.planned.bases[base].parent;
            }
            all
        };
        let used: Vec<usize> = images.iter().flat_map(|image| ancestors(image.base)).collect();
        // A base on which nothing stands after all is not proposed.
        let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
        let mut reports = Vec::new();
        for (number, draft) in drafts.into_iter().enumerate() {
            let count = used.iter().filter(|base| **base == number).count();
            if count == 0 {
                continue;
            }
            numbers.insert(number, reports.len());
            let parent = self.planned.bases[number].parent.and_then(|parent| numbers.get(&parent).copied());
            let Draft { recipe, lock, text, layers } = draft;
            let (path, name) = (recipe.path, recipe.name);
            reports.push(BaseReport { path, name, text, lock, parent, layers, images: count });
        }
        for image in images {
            image.base = image.base.and_then(|base| numbers.get(&base).copied());
        }
        reports
    }

    /// An image on a base that is not written yet. What was locked stays where it can.
    fn on_base(&self, member: &Member<'_>, recipe: &Recipe, base: &Lock) -> Result<Surveyed, ForgeError> {
        let (forge, arch) = (member.forge, self.options.arch);
        let lock = forge.lock(recipe, Some(base), &[arch], Some(member.lock), &Update::Necessary)?;
        forge.survey(recipe, &lock, arch)
    }

    /// Writes, locks and measures a base in memory.
    fn draft(
        &self,
        number: usize,
        below: &[Draft],
        taken: &mut BTreeSet<String>,
    ) -> Result<Draft, ForgeError> {
        let base = &self.planned.bases[number];
        let members: Vec<&Member<'_>> = self
            .members
            .iter()
            .zip(self.place_of)
            .filter(|(_, place)| place.is_some_and(|place| base.images.contains(&place)))
            .map(|(member, _)| member)
            .collect();
        let first = members[0];
        let parent = base.parent.map(|parent| &below[parent]);
        let name = self.name(number, first.recipe, taken);
        let path = self.options.directory.join(format!("{name}.toml"));
        let content = content_of(self.fleet, &self.holders, self.planned, number);
        let text = self.text(&name, &members);
        // As it will be read, less what can only be read where it is written.
        let mut recipe = Recipe::parse(&text.recipe(&content, None), &path)?;
        recipe.snapshot.clone_from(&first.recipe.snapshot);
        // The directory that its own paths start at may not be there yet.
        recipe.keys = first.recipe.keys.iter().map(|key| first.recipe.absolute_path(key)).collect();
        let written = self.written(text, first.recipe, parent.is_some());
        let file =
            |draft: &Draft| draft.recipe.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = written.recipe(&content, parent.map(file).as_deref());
        recipe.text.clone_from(&text);
        recipe.base =
            parent.map(|parent| Box::new(Base { recipe: parent.recipe.clone(), prefix: PathBuf::new() }));
        let lock = first.forge.lock(
            &recipe,
            parent.map(|parent| &parent.lock),
            &[self.options.arch],
            Some(&pins(&members)),
            &Update::Necessary,
        )?;
        let surveyed = first.forge.survey(&recipe, &lock, self.options.arch)?;
        let below: BTreeSet<Digest> = below_of(below, base.parent, self.planned);
        let layers = surveyed.layers.into_iter().filter(|layer| !below.contains(&layer.key)).collect();
        Ok(Draft { recipe, lock, text, layers })
    }

    /// A name that nothing has: of the distro for what stands on nothing, else of the source that most of it is from.
    fn name(&self, number: usize, recipe: &Recipe, taken: &mut BTreeSet<String>) -> String {
        let base = &self.planned.bases[number];
        let sources = largest_sources(self.fleet, &base.files);
        let mut wanted: Vec<String> = sources.iter().map(|source| name_of(source)).collect();
        if base.parent.is_none() {
            wanted.insert(0, recipe.conventions().id().to_owned());
        }
        let first = wanted.first().cloned().unwrap_or_default();
        let numbered = (2..).map(|number| format!("{first}-{number}"));
        let is_free = |name: &String| {
            !taken.contains(name) && !self.options.directory.join(format!("{name}.toml")).exists()
        };
        let name = wanted.into_iter().chain(numbered).find(is_free).unwrap_or(first);
        taken.insert(name.clone());
        name
    }

    /// What a base says beside what it holds.
    fn text(&self, name: &str, members: &[&Member<'_>]) -> BaseText {
        let recipe = members[0].recipe;
        let mut keys = Vec::new();
        if let Some(from) = recipe.from {
            keys.push(("from", quoted(&from.to_string())));
        }
        if members.iter().all(|member| !member.recipe.archs.is_empty()) {
            let archs: BTreeSet<Arch> =
                members.iter().flat_map(|member| member.recipe.archs.clone()).collect();
            keys.push(("arch", listed(archs.iter().map(|arch| arch.name()))));
        }
        if let Some(pockets) = &recipe.pockets {
            keys.push(("suites", listed(pockets.iter().map(|pocket| pocket.name()))));
        }
        let layers: BTreeSet<&str> = self
            .members
            .iter()
            .flat_map(|member| &member.recipe.layers)
            .map(|layer| layer.name.as_str())
            .collect();
        let mut prefix = name.to_owned();
        while layers.iter().any(|layer| layer.starts_with(&prefix)) {
            prefix.insert_str(0, "base-");
        }
        BaseText {
            comment: format!("What {} images have in common, as `rootforge plan` found it.", members.len()),
            name: name.to_owned(),
            keys,
            prefix,
            triplet: recipe.conventions().triplet(self.options.arch).unwrap_or_default().to_owned(),
        }
    }

    /// The text as it is written: what refines `from` is said by the lowest.
    fn written(&self, mut text: BaseText, recipe: &Recipe, has_parent: bool) -> BaseText {
        if has_parent {
            text.keys.retain(|(key, _)| *key == "arch");
            return text;
        }
        if let Some(snapshot) = &recipe.snapshot {
            text.keys.push(("snapshot", quoted(snapshot)));
        }
        if !recipe.keys.is_empty() {
            let paths = keys(recipe, &self.options.directory);
            let paths: Vec<String> = paths.iter().map(|key| key.display().to_string()).collect();
            text.keys.push(("keys", listed(paths.iter().map(String::as_str))));
        }
        text
    }
}

/// The layers of a base and of those that it stands on.
fn below_of(drafts: &[Draft], mut at: Option<usize>, planned: &FleetPlan) -> BTreeSet<Digest> {
    let mut keys = BTreeSet::new();
    while let Some(number) = at {
        keys.extend(drafts[number].layers.iter().map(|layer| layer.key));
        at = planned.bases[number].parent;
    }
    keys
}

/// A list of strings in TOML.
fn listed<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", texts.map(quoted).collect::<Vec<_>>().join(", "))
}

/// The keys of a recipe, as seen from another directory.
fn keys(recipe: &Recipe, directory: &Path) -> Vec<PathBuf> {
    recipe
        .keys
        .iter()
        .map(|key| {
            let name = key.file_name().unwrap_or_default();
            let held = key.parent().map_or_else(|| recipe.dir.clone(), |parent| recipe.dir.join(parent));
            relative(directory, &held).join(name)
        })
        .collect()
}

/// What the locks of several recipes have, together: where they differ, the first's.
fn pins(members: &[&Member<'_>]) -> Lock {
    let mut pins = members[0].lock.clone();
    let mut packages = BTreeMap::new();
    for package in members.iter().flat_map(|member| &member.lock.packages) {
        packages.entry((package.arch, package.name.clone())).or_insert_with(|| package.clone());
    }
    pins.packages = packages.into_values().collect();
    pins
}

/// The way from one directory to another.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let whole = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut parts: Vec<std::ffi::OsString> = Vec::new();
        for part in path.components() {
            match part {
                std::path::Component::ParentDir => _ = parts.pop(),
                std::path::Component::CurDir => {}
                part => parts.push(part.as_os_str().to_owned()),
            }
        }
        parts
    };
    let (from, to) = (whole(from), whole(to));
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n(std::ffi::OsString::from(".."), from.len() - same);
    up.chain(to[same..].iter().cloned()).collect()
}
