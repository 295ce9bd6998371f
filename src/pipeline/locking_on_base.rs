//! What a base's lock decides of those above it: all, where a recipe asks for no package of its own; else the versions
//! that stay as they are, which may be why there is no solution.

use std::collections::BTreeMap;

use crate::arch::Arch;
use crate::lock::{Lock, LockedPackage, LockedProgram};
use crate::recipe::Recipe;
use crate::resolve::Holder;

use super::ForgeError;
use super::error::Fixed;
use super::locking::Resolved;
use super::programs::needs;

/// What a recipe is resolved to that adds nothing to the packages of its base: what the base was, so that no index has
/// to be read. None where it may need more, or where what the base has is told by paths beside it or by an image.
pub(super) fn as_base(recipe: &Recipe, base: &Lock, arch: Arch) -> Option<Resolved> {
    let below = &recipe.base.as_ref()?.recipe;
    // Repositories beside a recipe are told by paths.
    let archives = |recipe: &Recipe| (recipe.from, recipe.snapshot.clone(), recipe.pockets.clone());
    let is_alike = archives(recipe) == archives(below) && recipe.repositories.is_empty();
    let asks = recipe.layers.iter().any(|layer| !layer.packages.is_empty());
    let needs_more =
        recipe.on_demand_packages() != below.on_demand_packages() || !needs(recipe, arch).is_empty();
    let packages: Vec<LockedPackage> = base.packages_of(arch).into_values().cloned().collect();
    let is_remote = packages.iter().all(|package| package.repository.is_some());
    if !is_alike
        || asks
        || needs_more
        || !is_remote
        || recipe.lowest_image().is_some()
        || !base.has_arch(arch)
    {
        return None;
    }
    let repositories =
        base.repositories.iter().filter(|repository| repository.arch == arch).cloned().collect();
    Some(Resolved { repositories, packages, programs: Vec::new() })
}

/// What a base's lock has for an architecture.
#[derive(Clone, Default)]
pub(super) struct OfBase<'l> {
    pub(super) packages: BTreeMap<&'l str, &'l LockedPackage>,
    pub(super) programs: Vec<LockedProgram>,
}

impl<'l> OfBase<'l> {
    pub(super) fn of(base: &'l Lock, arch: Arch) -> Self {
        OfBase { packages: base.packages_of(arch), programs: base.programs_of(arch).cloned().collect() }
    }

    /// The same, with only the packages that are to be fixed.
    fn fixing(&self, fixes: impl Fn(&str) -> bool) -> Self {
        let mut less = self.clone();
        less.packages.retain(|name, _| fixes(name));
        less
    }
}

/// More packages that a base fixes otherwise are told as they are, without asking of each whether it matters.
const MOST_TRIED: usize = 24;

/// Says what a base fixes and a recipe needs otherwise, where that is why nothing could be resolved. `solve` is asked
/// what would be chosen if the base fixed less.
pub(super) fn on_base(
    recipe: &Recipe,
    of_base: &OfBase<'_>,
    solve: impl Fn(&OfBase<'_>) -> Option<Resolved>,
    mut error: ForgeError,
) -> ForgeError {
    let Some(base) = &recipe.base else { return error };
    let is_image = base.recipe.base_image.is_some();
    let holder = Holder::Base { base: base.recipe.path.display().to_string(), is_image };
    let fixes = |relation: &str, version: &str| {
        let mut words = relation.split(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
        let of_version = of_base.packages.values().filter(|package| package.version == version);
        let names: Vec<&str> = of_version.map(|package| package.name.as_str()).collect();
        words.any(|word| names.iter().any(|name| word.starts_with(name)))
    };
    match &mut error {
        ForgeError::Resolve(error) => error.held_by(&holder, &fixes),
        ForgeError::ApkResolve(error) => error.held_by(&holder, &fixes),
        _ => {}
    }
    let Some(free) = solve(&of_base.fixing(|_| false)) else { return error };
    let differing = |resolved: &Resolved| -> Vec<Fixed> {
        let fixed = resolved.packages.iter().filter_map(|package| {
            let fixed = of_base.packages.get(package.name.as_str())?;
            let differs = fixed.version != package.version;
            let (name, is, would_be) = (&package.name, &fixed.version, &package.version);
            differs.then(|| Fixed { name: name.clone(), is: is.clone(), would_be: would_be.clone() })
        });
        fixed.collect()
    };
    let mut fixed = differing(&free);
    // Those that the base may go on fixing are no part of the reason.
    if fixed.len() <= MOST_TRIED {
        for name in fixed.iter().map(|one| one.name.clone()).collect::<Vec<_>>() {
            let freed = |other: &str| other != name && fixed.iter().any(|one| one.name == other);
            if let Some(resolved) = solve(&of_base.fixing(|other| !freed(other))) {
                fixed = differing(&resolved);
            }
        }
    }
    if fixed.is_empty() {
        return error;
    }
    ForgeError::OnBase { base: base.recipe.path.clone(), is_image, fixed, source: Box::new(error) }
}
