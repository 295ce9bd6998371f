//! From a selection to layer plans: what is made for each layer joins what was chosen for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::arch::Arch;
use crate::base_image::BaseImage;
use crate::catalog::FileCatalog;
use crate::distro::PackageFormat;
use crate::effects::PackageEffects;
use crate::layer::{Below, LayerParts, LayerPlan, plan};
use crate::lock::Lock;
use crate::oci::image_config;
use crate::recipe::{ImageConfig, Recipe};
use crate::render::{Accounts, Changes, Made, MadeFile, Placeholders, Surroundings, recipe_files, skeleton};
use crate::root_path::RootPath;
use crate::select::{SelectedLayer, Selection};
use crate::tarball::EntryKind;

use super::{ForgeError, Prepared};

mod alpine;
mod debian;
mod steps;

use steps::{Origins, Step, spread, steps};

/// Everything that layers are planned from.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) lock: &'a Lock,
    pub(super) arch: Arch,
    pub(super) catalog: &'a FileCatalog,
    pub(super) selection: &'a Selection,
    /// What the packages' scripts would do, by package.
    pub(super) effects: &'a Effects,
    /// No time in the image is later, in seconds since the Unix epoch.
    pub(super) newest: Option<u64>,
    /// What was prepared of the recipe's base.
    base: Option<&'a Prepared>,
    /// The image that is the lowest base, if that is one.
    image: Option<&'a BaseImage>,
}

impl<'a> Parts<'a> {
    /// Of what was prepared from a recipe and its lock.
    pub(super) fn of(
        recipe: &'a Recipe,
        lock: &'a Lock,
        prepared: &'a Prepared,
        newest: Option<u64>,
    ) -> Self {
        let Prepared { arch, catalog, effects, selection, base, image, .. } = prepared;
        let (effects, base, image) = (&effects.packages, base.as_deref(), image.as_deref());
        Parts { recipe, lock, arch: *arch, catalog, selection, effects, newest, base, image }
    }

    /// The base by itself.
    fn below(self) -> Option<Parts<'a>> {
        let (of, lock) = (self.recipe.base.as_deref()?, self.lock.base.as_deref()?);
        Some(Parts::of(&of.recipe, lock, self.base?, self.newest))
    }

    /// Each recipe of the stack, lowest first, with what its packages' scripts do.
    fn stack(self) -> Vec<(&'a Recipe, &'a Effects)> {
        let mut stack = vec![(self.recipe, self.effects)];
        let mut below = self.below();
        while let Some(parts) = below {
            stack.push((parts.recipe, parts.effects));
            below = parts.below();
        }
        stack.reverse();
        stack
    }
}

/// What packages' scripts would do, by package.
pub(super) type Effects = BTreeMap<String, PackageEffects>;

/// What is planned, and what is left undone.
pub(super) struct Planned {
    /// Every layer that holds anything, lowest first, with the number of the one of the stack's recipes that it is or the
    /// last that is in it.
    pub(super) layers: Vec<(usize, LayerPlan)>,
    /// What packages' scripts would do and the image lacks.
    pub(super) undone: Vec<String>,
    /// The host's files whose content was looked at: what was made follows from it.
    pub(super) read: BTreeSet<PathBuf>,
}

/// What a layer has beside its packages' and the recipe's files, and what it makes of packages' files.
struct Laid {
    /// Files in place of packages'.
    made: Made,
    /// All accounts up to this layer.
    accounts: Accounts,
    /// What becomes of packages' files where it is not as the packages say.
    changes: Changes,
}

/// What installing packages makes, by the distro's rules; it is led through the layers, lowest first.
trait SetUp<'a> {
    /// The layers that follow are those of another recipe, on which nothing below depends: `steps` are they, and
    /// `effects` what it knows of scripts.
    fn begin(
        &mut self,
        recipe: &'a Recipe,
        effects: &'a Effects,
        steps: &'a [Step<'a>],
    ) -> Result<(), ForgeError>;
    /// Stands on an image, whose files are the lowest layer: nothing is made of them.
    fn stand_on(&mut self, image: &'a BaseImage, selected: &'a SelectedLayer) -> Result<(), ForgeError>;
    /// Makes the next layer's part, which has `laid` beside its packages so far.
    fn layer(&mut self, number: usize, selected: &'a SelectedLayer, laid: &Made) -> Result<Laid, ForgeError>;
    /// The package manager's records of that layer, and what is made of the image as a whole; `files` of the
    /// recipe have taken packages' places.
    fn finish(&mut self, selected: &'a SelectedLayer, files: &Made) -> Made;
    /// What packages' scripts would do and was left out.
    fn undone(&self) -> Vec<String>;
    /// The host's files whose content was looked at.
    fn read(&self) -> BTreeSet<PathBuf>;
}

/// Plans every layer of a recipe that holds anything. Those of its base are planned as for the base by itself, so
/// that they are the same below whatever stands on them; here they only lead to what the upper ones lack.
pub(super) fn layer_plans(parts: Parts<'_>) -> Result<Planned, ForgeError> {
    let Parts { recipe, arch, catalog, .. } = parts;
    let (mut layers, mut read) = match parts.below() {
        // An image has its layers.
        Some(base) if base.recipe.base_image.is_none() => {
            layer_plans(base).map(|base| (base.layers, base.read))?
        }
        Some(_) | None => (Vec::new(), BTreeSet::new()),
    };
    let distro = recipe.conventions();
    let placeholders = Placeholders {
        arch_name: distro.arch_name(arch).unwrap_or_default(),
        triplet: distro.triplet(arch).unwrap_or_default(),
    };
    let all_steps = steps(parts);
    let lowest = all_steps.first().map(Vec::as_slice).unwrap_or_default();
    let mut set_up: Box<dyn SetUp<'_> + '_> = match recipe.format() {
        PackageFormat::Deb => Box::new(debian::Debian::new(parts, lowest)?),
        PackageFormat::Apk => Box::new(alpine::Alpine::new(parts)),
    };
    let mut below = Below::default();
    for (place, ((part, effects), steps)) in parts.stack().into_iter().zip(&all_steps).enumerate() {
        if place > 0 {
            set_up.begin(part, effects, steps)?;
        }
        for step in steps {
            if let Some(image) = parts.image.filter(|_| part.base_image.is_some()) {
                set_up.stand_on(image, step.selected.as_ref())?;
                below.stand_on(step.selected.as_ref(), &image.paths, catalog);
                continue;
            }
            let made = layer_parts(parts, step, set_up.as_mut(), &below, placeholders)?;
            if step.number() >= recipe.layers_below() {
                let LayerMade { made, changes, origins } = made;
                let selected = step.selected.as_ref();
                let of_layer =
                    LayerParts { selected, made, changes: &changes, compression: recipe.compression };
                let plan = plan(of_layer, &below, catalog, parts.newest)?;
                let plans = spread(plan, step, origins, parts).into_iter().filter(|plan| !plan.is_empty());
                layers.extend(plans.map(|plan| (step.number(), plan)));
            }
            for (_, plan) in layers.iter().filter(|(number, _)| *number == step.number()) {
                below.add(plan);
            }
        }
    }
    read.extend(set_up.read());
    Ok(Planned { layers, undone: set_up.undone(), read })
}

/// Where os-release(5) may be.
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// What is made for one layer, and what becomes of packages' files.
struct LayerMade {
    made: Made,
    changes: Changes,
    origins: Origins,
}

/// Makes what layers of one of the stack's recipes have beside their packages' files.
fn layer_parts<'a>(
    parts: Parts<'a>,
    step: &'a Step<'a>,
    set_up: &mut (dyn SetUp<'a> + 'a),
    below: &Below,
    placeholders: Placeholders<'_>,
) -> Result<LayerMade, ForgeError> {
    let Parts { recipe, catalog, .. } = parts;
    let (number, selected) = (step.number(), step.selected.as_ref());
    let lowest = usize::from(parts.image.is_some());
    let mut skeleton = if step.first == lowest { foundation(parts, selected) } else { Made::new() };
    // Where the image says in one place what it is, the other is not made.
    let says_what_it_is =
        skeleton.keys().any(|path| OS_RELEASE.contains(&path.as_str()) && below.has_given(path));
    skeleton.retain(|path, _| {
        let is_said = says_what_it_is && OS_RELEASE.contains(&path.as_str());
        !below.has_given(path) && !is_said
    });
    let mut made = skeleton.clone();
    let needed_links = selected
        .links
        .iter()
        .filter(|(path, link)| !(below.has_given(path) || link.of_distro && recipe.skeleton));
    made.extend(
        needed_links.map(|(path, link)| (path.clone(), MadeFile::symlink(path.clone(), &link.target))),
    );
    let of_rules = rule_files(parts, number, selected, placeholders);
    made.extend(of_rules.into_iter().filter(|(path, _)| !below.has_other(path)));
    let Laid { made: own, accounts, changes } = set_up.layer(number, selected, &made)?;
    made.extend(own);
    if number + 1 == recipe.layers_below() + recipe.layers.len()
        && let Some(mistakes) = recipe.undefined(|account| {
            let id = if account.is_group { Accounts::gid } else { Accounts::uid };
            id(&accounts, &account.name).is_some()
        })
    {
        return Err(ForgeError::Recipe(mistakes));
    }
    let mut files = Made::new();
    for layer in step.layers {
        let host = Surroundings {
            canonical: &|path| catalog.merged_usr().canonical(path),
            has_directory: &|path| {
                let is_directory = |made: &MadeFile| made.entry.kind == EntryKind::Directory;
                below.has_directory(path)
                    || made.get(path).is_some_and(is_directory)
                    || files.get(path).is_some_and(is_directory)
                    || selected
                        .files
                        .range(path.clone()..)
                        .next()
                        .is_some_and(|(next, _)| next.is_within(path))
            },
        };
        let own = recipe_files(step.recipe, layer, &accounts, placeholders, &host)?;
        files.extend(own);
    }
    made.extend(set_up.finish(selected, &files));
    let origins = Origins { skeleton, own: files.keys().cloned().collect() };
    made.extend(files);
    Ok(LayerMade { made, changes, origins })
}

/// What run-time rules make in a layer, unless the recipe has it there or below. What scripts have made in a layer below
/// stays as well.
fn rule_files(parts: Parts<'_>, number: usize, selected: &SelectedLayer, names: Placeholders<'_>) -> Made {
    let Parts { recipe, catalog, .. } = parts;
    let stacked = recipe.stacked();
    let of_recipe: BTreeSet<RootPath> = stacked
        .iter()
        .take(number + 1)
        .flat_map(|one| &one.layer.files)
        .filter_map(|file| file.path(names.arch_name, names.triplet).ok())
        .map(|path| catalog.merged_usr().canonical(&path))
        .collect();
    selected
        .made
        .iter()
        .filter(|(path, _)| !of_recipe.contains(path))
        .map(|(path, made)| {
            (path.clone(), MadeFile::file(path.clone(), 0o644, made.content.clone().into_bytes()))
        })
        .collect()
}

/// What the lowest layer stands on, less what its packages have themselves.
fn foundation(parts: Parts<'_>, selected: &SelectedLayer) -> Made {
    let Parts { recipe, arch, .. } = parts;
    let mut made = if recipe.skeleton { skeleton(recipe.conventions(), arch) } else { Made::new() };
    made.retain(|path, file| file.entry.kind == EntryKind::Directory || !selected.files.contains_key(path));
    made
}

/// How the image runs: as the recipe says, with what its distro and run-time rules add to the environment.
pub(super) fn configured(recipe: &Recipe, given: &BTreeMap<String, String>) -> ImageConfig {
    let mut config = image_config(&recipe.image, recipe.conventions());
    for (name, value) in given {
        config.env.entry(name.clone()).or_insert_with(|| value.clone());
    }
    config
}

impl Prepared {
    /// How the image of a recipe will run.
    pub fn image_config(&self, recipe: &Recipe) -> ImageConfig {
        let on_image = self.image.as_ref().map(|image| recipe.running_as(&image.config));
        configured(on_image.as_ref().unwrap_or(recipe), &self.selection.env)
    }
}
