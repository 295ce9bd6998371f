//! The lock that a command works from: as it is, or brought up to what the recipe asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;
use rootforge::arch::Arch;
use rootforge::lock::Lock;
use rootforge::pipeline::{Forge, ForgeError, Unlocked, Update, lock_fleet};
use rootforge::recipe::Recipe;

use super::Session;
use super::base_image::image_lock;
use super::error::Failure;
use super::session::{Resolving, lock_path, main_lock_path};

/// The locks beside a recipe, and that of its base.
pub(super) struct Locks {
    /// The lock of the base, which has what is built.
    pub(super) base: Option<Lock>,
    /// That of the recipe, or of the variant that was chosen.
    pub(super) own: Option<Lock>,
    /// That of the recipe itself, where a variant was chosen.
    pub(super) main: Option<Lock>,
}

impl Locks {
    /// Reads those beside the recipe.
    fn read(recipe: &Recipe) -> Result<Self, Failure> {
        let read = |path: &Path| Lock::read(path).map_err(|error| Failure::work(&error));
        let main = if recipe.variant.is_some() { read(&main_lock_path(recipe))? } else { None };
        let own = read(&lock_path(recipe))?;
        Ok(Locks { base: None, own, main })
    }

    /// As [`Locks::read`], and the lock of the recipe's base, brought up to date for these architectures as [`locked`]
    /// does.
    pub(super) fn with_base(
        session: &Session,
        recipe: &Recipe,
        wanted: &[Arch],
        resolving: &Resolving,
        must_fit: bool,
    ) -> Result<Self, Failure> {
        let mut locks = Locks::read(recipe)?;
        locks.base = base_lock(session, recipe, locks.own.as_ref(), wanted, resolving, must_fit)?;
        for lock in locks.own.iter_mut().chain(&mut locks.main) {
            lock.base = locks.base.clone().map(Box::new);
        }
        Ok(locks)
    }

    /// The one that says which suites are left out unless the call does.
    pub(super) fn without(&self) -> Option<&Lock> {
        self.own.as_ref().or(self.main.as_ref())
    }

    /// Why the lock cannot be worked from as it is, if there is a reason.
    fn stale(&self, forge: &Forge<'_>, recipe: &Recipe, wanted: &[Arch]) -> Result<Option<String>, Failure> {
        let Some(own) = &self.own else { return Ok(Some("there is none".to_owned())) };
        let stale = forge.stale(recipe, own, wanted).map_err(|error| Failure::work(&error))?;
        let strays = || own.strays_from(self.main.as_ref()?, wanted);
        Ok(stale.map(|stale| stale.to_string()).or_else(strays))
    }

    /// The lock as it is, taken out; none where it is to be made again. One that `must_fit` and does not is an error.
    fn take_current(
        &mut self,
        forge: &Forge<'_>,
        recipe: &Recipe,
        wanted: &[Arch],
        must_fit: bool,
    ) -> Result<Option<Lock>, Failure> {
        match self.stale(forge, recipe, wanted)? {
            Some(reason) if must_fit => Err(Failure::Work {
                message: format!("the lock {} cannot be used: {reason}", lock_path(recipe).display()),
                hints: vec![hint(recipe)],
            }),
            Some(_) => Ok(None),
            None => Ok(self.own.take()),
        }
    }

    /// A new lock. That of a variant takes what the recipe's own lock has as it is.
    pub(super) fn renew(
        &self,
        forge: &Forge<'_>,
        recipe: &Recipe,
        wanted: &[Arch],
        update: &Update,
    ) -> Result<Lock, ForgeError> {
        let base = self.base.as_ref();
        let Some(main) = &self.main else {
            return forge.lock(recipe, base, wanted, self.own.as_ref(), update);
        };
        let keep = Update::Packages(match update {
            Update::Packages(packages) => packages.clone(),
            Update::Necessary | Update::All => BTreeSet::new(),
        });
        let only_main = || forge.lock(recipe, base, wanted, Some(&Lock::led_by(None, main)), &keep);
        if *update == Update::All {
            return only_main();
        }
        // What only the variant had may not go with what the recipe has now.
        forge
            .lock(recipe, base, wanted, Some(&Lock::led_by(self.own.as_ref(), main)), &keep)
            .or_else(|_| only_main())
    }
}

/// The lock to work from, and the stages. A lock that does not fit is made again and written, unless the call
/// says that it must fit.
pub(super) fn locked<'s>(
    session: &'s Session,
    recipe: &Recipe,
    wanted: &[Arch],
    resolving: &Resolving,
    must_fit: bool,
) -> Result<(Forge<'s>, Lock), Failure> {
    let mut locks = Locks::with_base(session, recipe, wanted, resolving, must_fit)?;
    let forge = session.forge(resolving.without(recipe, locks.without())?, resolving.allow_expired_index)?;
    let Some(lock) = locks.take_current(&forge, recipe, wanted, must_fit)? else {
        resolving.note_kept(&forge.options.without, forge.progress);
        let lock = locks.renew(&forge, recipe, wanted, &Update::Necessary).map_err(Failure::forge)?;
        lock.write(&lock_path(recipe)).map_err(|error| Failure::work(&error))?;
        return Ok((forge, lock));
    };
    Ok((forge, lock))
}

/// As [`locked`], of many recipes, none a variant. Those without a base are locked several at a time.
pub(super) fn all_locked<'s>(
    session: &'s Session,
    recipes: &[Recipe],
    wanted: &[Arch],
    resolving: &Resolving,
    must_fit: bool,
) -> Result<Vec<(Forge<'s>, Lock)>, Failure> {
    let read: Vec<Option<Result<Locks, Failure>>> =
        recipes.par_iter().map(|recipe| recipe.base.is_none().then(|| Locks::read(recipe))).collect();
    let mut all: BTreeMap<usize, (Forge<'s>, Option<Lock>)> = BTreeMap::new();
    let mut old: BTreeMap<usize, Option<Lock>> = BTreeMap::new();
    for (place, read) in read.into_iter().enumerate() {
        let Some(mut locks) = read.transpose()? else { continue };
        let recipe = &recipes[place];
        let without = resolving.without(recipe, locks.without())?;
        let forge = session.forge(without, resolving.allow_expired_index)?;
        let lock = locks.take_current(&forge, recipe, wanted, must_fit)?;
        if lock.is_none() {
            resolving.note_kept(&forge.options.without, forge.progress);
            old.insert(place, locks.own);
        }
        all.insert(place, (forge, lock));
    }
    let open = old.iter().map(|(place, old)| Unlocked {
        forge: &all[place].0,
        recipe: &recipes[*place],
        old: old.as_ref(),
    });
    let open: Vec<Unlocked<'_>> = open.collect();
    let mut made = Vec::with_capacity(open.len());
    lock_fleet(&open, wanted, |recipe, lock| {
        lock.write(&lock_path(recipe)).map_err(|error| Failure::work(&error))?;
        made.push(lock);
        Ok::<(), Failure>(())
    })?;
    for (place, lock) in old.keys().zip(made) {
        all.entry(*place).and_modify(|(_, known)| *known = Some(lock));
    }
    // Those with a base come after all that may be one.
    for (place, recipe) in recipes.iter().enumerate().filter(|(_, recipe)| recipe.base.is_some()) {
        let (forge, lock) = locked(session, recipe, wanted, resolving, must_fit)?;
        all.insert(place, (forge, Some(lock)));
    }
    Ok(all.into_values().filter_map(|(forge, lock)| Some((forge, lock?))).collect())
}

/// The lock of a recipe's base, made or brought up to date as [`locked`] does; none where it has no base. `own` is the
/// recipe's own lock.
fn base_lock(
    session: &Session,
    recipe: &Recipe,
    own: Option<&Lock>,
    wanted: &[Arch],
    resolving: &Resolving,
    must_fit: bool,
) -> Result<Option<Lock>, Failure> {
    let Some(base) = &recipe.base else { return Ok(None) };
    // What is locked for other architectures may have to be resolved again.
    let mut archs: BTreeSet<Arch> = own.map(Lock::archs).unwrap_or_default();
    let meant = base.recipe.archs();
    archs.retain(|arch| !must_fit && meant.contains(arch));
    archs.extend(wanted);
    let archs: Vec<Arch> = archs.into_iter().collect();
    if let Some(image) = &base.recipe.base_image {
        return image_lock(session, &base.recipe, image, &archs).map(Some);
    }
    let (_, lock) = locked(session, &base.recipe, &archs, &resolving.of_base(), must_fit)?;
    Ok(Some(lock))
}

fn hint(recipe: &Recipe) -> String {
    match &recipe.variant {
        Some(variant) => {
            format!("run `rootforge lock --variant {variant}`, review the lock and commit it")
        }
        None => "run `rootforge lock`, review the lock and commit it".into(),
    }
}
