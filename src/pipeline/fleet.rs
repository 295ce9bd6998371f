//! A fleet of recipes -> what its images pull as they are, the bases that they should have, and what they pull then.
//!
//! Every recipe is prepared as for a build and its layers are measured without being written. The planned bases are
//! recipes in memory; they and what stands on them are locked and prepared in the same way, so that what is
//! predicted follows from what a build would do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::arch::Arch;
use crate::digest::Digest;
use crate::fleet::{
    EditError, Fleet, FleetPlan, Holders, PER_IMAGE, PER_LAYER, PulledLayer, Pulls, plan, with_base,
    with_layers,
};
use crate::lock::Lock;
use crate::recipe::{Base, Layer, Layering, Recipe};

use super::inputs::fingerprints;
use super::side_by_side::side_by_side;
use super::{Forge, ForgeError, Update};

mod census;
mod drafts;
mod kept;
mod rivals;
mod survey;

use census::Census;
use drafts::{Draft, Drafts, relative};
use kept::Placed;
use survey::Survey;

/// How many images are looked into before the next ones are.
const AT_ONCE: usize = 16;

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

/// A recipe whose lock is to be made.
pub struct Unlocked<'a> {
    /// What it is made with.
    pub forge: &'a Forge<'a>,
    /// The recipe, which has no base.
    pub recipe: &'a Recipe,
    /// The lock that it had.
    pub old: Option<&'a Lock>,
}

/// Locks recipes as [`Forge::lock`] does, several at a time, and hands each lock on in their order.
pub fn lock_fleet<E: From<ForgeError>>(
    recipes: &[Unlocked<'_>],
    archs: &[Arch],
    mut hand_on: impl FnMut(&Recipe, Lock) -> Result<(), E>,
) -> Result<(), E> {
    for some in recipes.chunks(AT_ONCE) {
        let locks = side_by_side(
            some,
            |one| one.forge,
            |forge, one| Ok(forge.lock(one.recipe, None, archs, one.old, &Update::Necessary)),
        )?;
        for (one, lock) in some.iter().zip(locks) {
            hand_on(one.recipe, lock?)?;
        }
    }
    Ok(())
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

/// Plans the bases of a fleet.
pub fn plan_fleet(members: &[Member<'_>], options: &FleetOptions) -> Result<FleetReport, ForgeError> {
    let mut census = Census::default();
    let mut images = Vec::with_capacity(members.len());
    // The fleet has only the images whose base is to be chosen.
    let mut place_of: Vec<Option<usize>> = Vec::with_capacity(members.len());
    let (mut one_layer, mut packaged) = (Pulls::default(), rivals::Packaged::new(options.layers));
    let locks: Vec<Vec<Digest>> = members.par_iter().map(|member| fingerprints(member.lock)).collect();
    let with_locks: Vec<(&Member<'_>, &Vec<Digest>)> = members.iter().zip(&locks).collect();
    for some in with_locks.chunks(AT_ONCE) {
        let surveys = side_by_side(
            some,
            |(member, _)| member.forge,
            |forge, (member, locks)| forge.surveyed(member.recipe, member.lock, locks, options.arch),
        )?;
        for ((member, _), (surveyed, paths)) in some.iter().zip(surveys) {
            let Member { forge, recipe, lock } = member;
            let again = || forge.survey(recipe, lock, options.arch).map(|(_, paths)| paths);
            forge.note_packages(&mut census, &surveyed, paths, again)?;
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
    }
    let fleet = census.fleet;
    let planned = plan(&fleet);
    let holders = Holders::of(&fleet);
    let outcome = Outcome {
        members,
        locks: &locks,
        options,
        fleet: &fleet,
        holders,
        planned: &planned,
        place_of: &place_of,
    };
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
fn reason_to_leave(recipe: &Recipe, surveyed: &Survey, options: &FleetOptions) -> Option<String> {
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

/// What a plan comes to.
struct Outcome<'a> {
    members: &'a [Member<'a>],
    /// The digests of each member's lock and of those below.
    locks: &'a [Vec<Digest>],
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
        let drafts = self.drafts(images.iter().map(|image| image.name.clone()).collect())?;
        let on_bases: Vec<OnBase<'_>> = self.on_bases(&drafts).collect();
        for some in on_bases.chunks(AT_ONCE) {
            let placed = side_by_side(
                some,
                |one| one.member.forge,
                |forge, one| Ok(self.on_base(forge, one, &drafts)),
            )?;
            for (one, placed) in some.iter().zip(placed) {
                let image = &mut images[one.member_place];
                let edited = |placed: &Placed| edited(&one.member.recipe.text, &one.file, placed.budget);
                match placed.map(|placed| (edited(&placed), placed)) {
                    Ok((Ok(text), placed)) => {
                        image.after = placed.layers;
                        image.unused = self.fleet.unused(self.planned, one.place);
                        (image.base, image.text) = (Some(one.number), Some(text));
                    }
                    Ok((Err(error), _)) => image.left = Some(error.to_string()),
                    Err(error) => {
                        let base = &drafts[&one.number].recipe.name;
                        image.left = Some(format!("it cannot stand on {base}: {error}"));
                    }
                }
            }
        }
        Ok(self.reports(drafts, images))
    }

    fn reports(&self, drafts: Drafts, images: &mut [ImageReport]) -> Vec<BaseReport> {
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
        for (number, draft) in drafts {
            let count = used.iter().filter(|base| **base == number).count();
            if count == 0 {
                continue;
            }
            numbers.insert(number, reports.len());
            let parent = self.planned.bases[number].parent.and_then(|parent| numbers.get(&parent).copied());
            let Draft { recipe, lock, text, layers, .. } = draft;
            let (path, name) = (recipe.path, recipe.name);
            reports.push(BaseReport { path, name, text, lock, parent, layers, images: count });
        }
        for image in images {
            image.base = image.base.and_then(|base| numbers.get(&base).copied());
        }
        reports
    }

    /// The images for which a base was chosen.
    fn on_bases<'o>(&'o self, drafts: &'o Drafts) -> impl Iterator<Item = OnBase<'o>> {
        let members = self.members.iter().zip(self.locks).zip(self.place_of).enumerate();
        members.filter_map(|(member_place, ((member, locks), place))| {
            let place = (*place)?;
            let number = self.planned.base_of[place]?;
            let prefix = relative(&member.recipe.dir, &self.options.directory);
            let draft = &drafts[&number];
            let base = Base { recipe: draft.recipe.clone(), prefix: prefix.clone() };
            let recipe = Recipe { base: Some(Box::new(base)), ..member.recipe.clone() };
            let file = prefix.join(draft.recipe.path.file_name().unwrap_or_default());
            Some(OnBase { member, member_place, locks, place, number, recipe, file })
        })
    }

    /// An image on a base that is not written yet. What was locked stays where it can. Where layers are left of what it
    /// may have, its own one is spread over them, if that saves more than they cost.
    fn on_base(&self, forge: &Forge<'_>, one: &OnBase<'_>, drafts: &Drafts) -> Result<Placed, ForgeError> {
        let (arch, most) = (self.options.arch, self.options.layers);
        let (recipe, draft) = (&one.recipe, &drafts[&one.number]);
        let locks = [&draft.locks[..], one.locks].concat();
        forge.placed(recipe, &locks, arch, most, || {
            let old = Some(one.member.lock);
            let lock = forge.lock(recipe, Some(&draft.lock), &[arch], old, &Update::Necessary)?;
            let base = self.prepared(forge, one.number, drafts)?;
            let prepared = forge.prepare_on(Some(base), recipe, &lock, arch)?;
            let whole = Placed { layers: forge.measured(recipe, &lock, &prepared)?.pulled, budget: None };
            let below = drafts::below_of(drafts, Some(one.number), self.planned);
            let budget = most.saturating_sub(below.len()).min(Layering::MAX_BUDGET);
            if budget < 2 || !is_of_one_kind(recipe) {
                return Ok(whole);
            }
            let spread = Recipe { layering: Layering::Auto { budget }, ..recipe.clone() };
            let layers = forge.measured(&spread, &lock, &prepared)?.pulled;
            let spread = Placed { layers, budget: Some(budget) };
            Ok(if spread.cost(&below) < whole.cost(&below) { spread } else { whole })
        })
    }
}

/// An image for which a base was chosen.
struct OnBase<'a> {
    member: &'a Member<'a>,
    /// The member's place among them.
    member_place: usize,
    /// The digests of its lock and of those below.
    locks: &'a [Digest],
    /// Its place in the fleet.
    place: usize,
    /// The base's place among those that are planned.
    number: usize,
    /// The recipe, on that base.
    recipe: Recipe,
    /// Where the base's recipe is, as seen from this one.
    file: PathBuf,
}

impl Placed {
    /// What its own layers cost a node, in bytes.
    fn cost(&self, below: &BTreeSet<Digest>) -> u64 {
        let own = || self.layers.iter().filter(|layer| !below.contains(&layer.key));
        Pulls::of(own()).total() + (PER_LAYER + PER_IMAGE) * own().count() as u64
    }
}

/// Whether nobody has said how packages' files are to be spread over layers: all are of one, whatever others have of the
/// recipe's own. `layers = "explicit"` says so too.
fn is_of_one_kind(recipe: &Recipe) -> bool {
    let has_packages = |layer: &&Layer| !layer.packages.is_empty() || !layer.include.is_empty();
    recipe.layers.iter().filter(has_packages).count() == 1
        && recipe.layering == Layering::Explicit
        && with_layers(&recipe.text, Layering::DEFAULT_BUDGET).is_ok()
}

/// A recipe's text on its base, and with its files spread if they are to be.
fn edited(text: &str, base: &Path, budget: Option<usize>) -> Result<String, EditError> {
    let text = with_base(text, &base.to_string_lossy())?;
    budget.map_or(Ok(text.clone()), |budget| with_layers(&text, budget))
}
