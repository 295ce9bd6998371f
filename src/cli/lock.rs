//! `rootforge lock`: resolves a recipe into its lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rootforge::arch::Arch;
use rootforge::lock::{Lock, LockChange};
use rootforge::pipeline::Update;
use rootforge::recipe::Recipe;

use super::error::Failure;
use super::locking::Locks;
use super::session::{Resolving, archs, load_recipe, lock_path};
use super::{Session, print_json};

/// So many changed packages are told of.
const MANY: usize = 30;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The recipe
    #[arg(required_unless_present = "update")]
    recipe: Option<PathBuf>,
    /// Architectures to lock, separated by commas, or `all` [default: those the recipe names, else the host's]
    #[arg(long, value_name = "ARCH", value_delimiter = ',')]
    arch: Vec<String>,
    /// Take newer versions: of these packages, or of all where none is named; the recipe may follow them
    #[arg(long, value_name = "PACKAGE", num_args = 0.., value_delimiter = ',')]
    update: Option<Vec<String>>,
    #[command(flatten)]
    resolving: Resolving,
}

pub(super) fn run(arguments: &Arguments, session: &Session) -> Result<(), Failure> {
    let (recipe, update) = recipe_and_update(arguments)?;
    let recipe = load_recipe(&recipe, arguments.resolving.variant.as_deref())?;
    let path = lock_path(&recipe);
    let wanted = wanted_archs(arguments, &recipe)?;
    let locks = Locks::with_base(session, &recipe, &wanted, &arguments.resolving, false)?;
    let named = match &update {
        Update::Packages(packages) => packages.clone(),
        Update::Necessary | Update::All => BTreeSet::new(),
    };
    for package in &named {
        may_update(package, &recipe, &locks)?;
        if let Some(own) = &locks.own {
            is_locked(package, own, &path)?;
        }
    }
    let left_out = arguments.resolving.without(&recipe, locks.without())?;
    let forge = session.forge(left_out, arguments.resolving.allow_expired_index)?;
    arguments.resolving.note_kept(&forge.options.without, forge.progress);
    let lock = locks.renew(&forge, &recipe, &wanted, &update).map_err(|error| Failure::work(&error))?;
    if locks.own.is_none() {
        named.iter().try_for_each(|package| is_locked(package, &lock, &path))?;
    }
    lock.write(&path).map_err(|error| Failure::work(&error))?;
    session.reporter.finish();
    let changes = locks.own.as_ref().map(|before| lock.changes_since(before));
    if session.json {
        print_json(&as_json(&lock, &path, changes.as_deref()));
    }
    for arch in &wanted {
        let count = lock.packages_of(*arch).values().filter(|package| !package.on_demand).count();
        session.reporter.say(&format!("locked {} for {arch}: {count} packages", recipe.name));
    }
    tell_changes(changes.as_deref().unwrap_or_default(), session);
    let is_same = locks.own.as_ref() == Some(&lock);
    let told = if is_same { "is as it was" } else { "is written" };
    session.reporter.say(&format!("{} {told}", path.display()));
    Ok(())
}

/// Tells what became of the locked packages, a package a line.
fn tell_changes(changes: &[LockChange], session: &Session) {
    let mut lines: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for LockChange { name, from, to, arch } in changes {
        let line = match (from, to) {
            (Some(from), Some(to)) if from == to => format!("{name} {to}: another file"),
            (Some(from), Some(to)) => format!("{name} {from} -> {to}"),
            (None, Some(to)) => format!("{name} {to} is new"),
            (from, None) => format!("{name} {} is gone", from.as_deref().unwrap_or_default()),
        };
        lines.entry(line).or_default().push(arch.name());
    }
    let shown = if session.reporter.is_verbose() { lines.len() } else { MANY };
    let more = lines.len().saturating_sub(shown);
    for (line, archs) in lines.into_iter().take(shown) {
        session.reporter.say(&format!("  {line} ({})", archs.join(", ")));
    }
    if more > 0 {
        session.reporter.say(&format!("  and {more} more, which `--verbose` tells"));
    }
}

/// Whether a package's version is this lock's to say: not that of a base, nor of the recipe whose variant is locked.
fn may_update(package: &str, recipe: &Recipe, locks: &Locks) -> Result<(), Failure> {
    if let (Some(base), Some(lock)) = (&recipe.base, &locks.base)
        && lock.packages.iter().any(|one| one.name == package && !one.on_demand)
    {
        let is_image = base.recipe.lowest_image().is_some_and(|image| *image == base.recipe);
        let base = base.recipe.path.display();
        let hint = if is_image {
            "take another image as the base".to_owned()
        } else {
            format!("run `rootforge lock --update {package} {base}`")
        };
        return Err(Failure::usage(format!("`{package}` is fixed by the base {base}"), hint));
    }
    if locks.main.as_ref().is_some_and(|main| main.packages.iter().any(|one| one.name == package)) {
        return Err(Failure::usage(
            format!("`{package}` is locked by the recipe itself, and its variants follow"),
            "run `rootforge lock --update` without `--variant`",
        ));
    }
    Ok(())
}

fn is_locked(package: &str, lock: &Lock, path: &Path) -> Result<(), Failure> {
    if lock.packages.iter().any(|locked| locked.name == package) {
        return Ok(());
    }
    Err(Failure::usage(
        format!("`{package}` is not in the lock {}", path.display()),
        "name a locked package, or none to update all",
    ))
}

/// `lock RECIPE --update a b` and `lock --update a b RECIPE` are the same.
fn recipe_and_update(arguments: &Arguments) -> Result<(PathBuf, Update), Failure> {
    let mut packages = arguments.update.clone();
    let recipe = arguments.recipe.clone().or_else(|| packages.as_mut()?.pop().map(PathBuf::from));
    let recipe = recipe
        .ok_or_else(|| Failure::usage("no recipe is given", "write `rootforge lock --update RECIPE`"))?;
    let update = match packages {
        None => Update::Necessary,
        Some(packages) if packages.is_empty() => Update::All,
        Some(packages) => Update::Packages(packages.into_iter().collect()),
    };
    Ok((recipe, update))
}

fn as_json(lock: &Lock, path: &Path, changes: Option<&[LockChange]>) -> serde_json::Value {
    let packages: Vec<_> = lock
        .packages
        .iter()
        .map(|package| {
            serde_json::json!({
                "arch": package.arch.name(),
                "name": package.name,
                "version": package.version,
                "on-demand": package.on_demand,
            })
        })
        .collect();
    let change = |change: &LockChange| {
        let LockChange { name, from, to, arch } = change;
        serde_json::json!({ "arch": arch.name(), "name": name, "from": from, "to": to })
    };
    let changes: Option<Vec<_>> = changes.map(|changes| changes.iter().map(change).collect());
    serde_json::json!({ "lock": path.display().to_string(), "packages": packages, "changes": changes })
}

fn wanted_archs(arguments: &Arguments, recipe: &Recipe) -> Result<Vec<Arch>, Failure> {
    if arguments.arch.is_empty() && !recipe.archs.is_empty() {
        return Ok(recipe.archs.clone());
    }
    archs(&arguments.arch, recipe)
}
