//! `rootforge plan`: which bases the images of a fleet should share, and what that saves.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use rayon::prelude::*;
use rootforge::arch::Arch;
use rootforge::atomic_file;
use rootforge::distro::Pocket;
use rootforge::fleet::{PulledLayer, Pulls};
use rootforge::lock::Lock;
use rootforge::pipeline::{FleetOptions, FleetReport, Forge, ImageReport, Member, plan_fleet};
use rootforge::recipe::Recipe;
use serde_json::{Value, json};
use similar::TextDiff;

use super::error::Failure;
use super::locking::all_locked;
use super::session::{Resolving, archs, load_recipe};
use super::{Session, print_data, print_json};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The recipes
    #[arg(required = true)]
    recipes: Vec<PathBuf>,
    /// The architecture that is planned for [default: the host's]
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// How many layers an image may have, those of its bases among them
    #[arg(long, value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=125))]
    layers: u16,
    /// The directory for base recipes [default: `base` in the directory that has all the recipes]
    #[arg(long, value_name = "DIR")]
    bases: Option<PathBuf>,
    /// Write the base recipes, and the `base` lines of the recipes
    #[arg(long)]
    write: bool,
    /// Fail where a lock is missing or does not fit its recipe
    #[arg(long)]
    locked: bool,
    #[command(flatten)]
    resolving: Resolving,
}

pub(super) fn run(arguments: &Arguments, session: &Session) -> Result<(), Failure> {
    let recipes = load(arguments)?;
    let arch = arch(arguments, &recipes)?;
    let mut forges: BTreeMap<Vec<&'static str>, Forge<'_>> = BTreeMap::new();
    let mut locks: Vec<(Vec<&'static str>, Lock)> = Vec::with_capacity(recipes.len());
    for (forge, lock) in all_locked(session, &recipes, &[arch], &arguments.resolving, arguments.locked)? {
        let without: Vec<&'static str> =
            forge.options.without.iter().map(|pocket: &Pocket| pocket.name()).collect();
        forges.entry(without.clone()).or_insert(forge);
        locks.push((without, lock));
    }
    let members: Vec<Member<'_>> = recipes
        .iter()
        .zip(&locks)
        .map(|(recipe, (without, lock))| Member { forge: &forges[without], recipe, lock })
        .collect();
    let directory = arguments.bases.clone().unwrap_or_else(|| common(&recipes).join("base"));
    let options = FleetOptions { arch, layers: usize::from(arguments.layers), directory };
    let report = plan_fleet(&members, &options).map_err(Failure::forge)?;
    let changes = changes(&report, &recipes);
    if arguments.write {
        write(&report, &changes)?;
    }
    session.reporter.finish();
    if session.json {
        print_json(&as_json(&report, &changes, arch, arguments.write));
    } else {
        print_data(&as_text(&report, arch));
        for change in &changes {
            print_data(&change.diff());
        }
    }
    if changes.is_empty() {
        session.reporter.say("no base would save anything");
    } else if arguments.write {
        session.reporter.say(&format!("wrote {} files", changes.len()));
    } else {
        session.reporter.say("nothing is written; `--write` writes these changes");
    }
    // What a thousand locks hold goes with the process, at once: to free it piece by piece takes a tenth of all.
    std::mem::forget((report, locks));
    Ok(())
}

/// Reads the recipes, each once.
fn load(arguments: &Arguments) -> Result<Vec<Recipe>, Failure> {
    if arguments.resolving.variant.is_some() {
        let hint = "leave `--variant` out: a variant stands on the base of its recipe";
        return Err(Failure::usage("variants are not planned", hint));
    }
    let mut recipes: Vec<Recipe> = Vec::new();
    let mut seen: BTreeMap<PathBuf, &Path> = BTreeMap::new();
    let mut names: BTreeMap<String, &Path> = BTreeMap::new();
    let loaded: Vec<Result<Recipe, Failure>> =
        arguments.recipes.par_iter().map(|path| load_recipe(path, None)).collect();
    for (path, recipe) in arguments.recipes.iter().zip(loaded) {
        let recipe = recipe?;
        let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
        if seen.insert(identity, path).is_some() {
            continue;
        }
        if let Some(other) = names.insert(recipe.name.clone(), path) {
            return Err(Failure::usage(
                format!("{} and {} are both called `{}`", other.display(), path.display(), recipe.name),
                "give one of them another name, or plan them apart",
            ));
        }
        recipes.push(recipe);
    }
    Ok(recipes)
}

/// The one architecture; every recipe is made for it.
fn arch(arguments: &Arguments, recipes: &[Recipe]) -> Result<Arch, Failure> {
    let given: Vec<String> = arguments.arch.iter().cloned().collect();
    let mut arch = None;
    for recipe in recipes {
        let wanted = archs(&given, recipe)?;
        let [one] = wanted[..] else {
            return Err(Failure::usage(
                "a plan is for one architecture",
                "give one with --arch: the bases are written so that they serve the others too",
            ));
        };
        arch = Some(one);
    }
    arch.ok_or_else(|| Failure::usage("no recipe is given", "write `rootforge plan recipes/*.toml`"))
}

/// The directory that has all the recipes.
fn common(recipes: &[Recipe]) -> PathBuf {
    let mut parts: Option<Vec<Component<'_>>> = None;
    for recipe in recipes {
        let own: Vec<Component<'_>> = recipe.dir.components().collect();
        parts = Some(match parts {
            None => own,
            Some(parts) => parts.into_iter().zip(own).take_while(|(a, b)| a == b).map(|(a, _)| a).collect(),
        });
    }
    parts.unwrap_or_default().into_iter().collect()
}

/// A file that is written anew, or changed.
struct Change {
    path: PathBuf,
    before: Option<String>,
    after: String,
}

impl Change {
    /// As `diff -u` has it.
    fn diff(&self) -> String {
        let (before, after) = (self.before.as_deref().unwrap_or_default(), &self.after);
        let path = self.path.display();
        let old = if self.before.is_some() { format!("a/{path}") } else { "/dev/null".to_owned() };
        let diff = TextDiff::from_lines(before, after.as_str());
        diff.unified_diff().context_radius(3).header(&old, &format!("b/{path}")).to_string()
    }
}

fn changes(report: &FleetReport, recipes: &[Recipe]) -> Vec<Change> {
    let bases = report.bases.iter().map(|base| Change {
        path: base.path.clone(),
        before: None,
        after: base.text.clone(),
    });
    let edited = report.images.iter().zip(recipes).filter_map(|(image, recipe)| {
        let (path, before) = (image.path.clone(), Some(recipe.text.clone()));
        Some(Change { path, before, after: image.text.clone()? })
    });
    bases.chain(edited).collect()
}

/// Writes the bases with their locks first: until they are there, nothing names them.
fn write(report: &FleetReport, changes: &[Change]) -> Result<(), Failure> {
    for base in &report.bases {
        let directory = base.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory).map_err(|error| unwritten(directory, &error))?;
        let lock = Lock::path_for(&base.path);
        base.lock.write(&lock).map_err(|error| Failure::work(&error))?;
    }
    for change in changes {
        atomic_file::replace(&change.path, change.after.as_bytes())
            .map_err(|error| unwritten(&change.path, &error))?;
    }
    Ok(())
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Work { message: format!("cannot write {}: {error}", path.display()), hints: Vec::new() }
}

/// The tables that a reader looks at.
fn as_text(report: &FleetReport, arch: Arch) -> String {
    let mut text = format!(
        "{} images for {arch}; what a node pulls that runs all of them, in MB:\n\n{:<34} {:>10} {:>14}\n",
        report.images.len(),
        "",
        "at first",
        "updates a year"
    );
    let rows = [
        ("as the recipes are", report.before),
        ("on the bases below", report.after),
        ("for comparison: each one layer", report.one_layer),
        ("  a layer a package, in the budget", report.layer_a_package),
    ];
    for (name, pulls) in rows {
        _ = writeln!(text, "{name:<34} {:>10} {:>14}", megabytes(pulls.first), megabytes(pulls.updates));
    }
    let name = |base: Option<usize>| base.map_or("-", |base| report.bases[base].name.as_str());
    if !report.bases.is_empty() {
        _ = writeln!(text, "\n{:<24} {:<16} {:>8} {:>8}", "base", "on", "images", "MB");
    }
    for base in &report.bases {
        let bytes = base.layers.iter().map(|layer| layer.bytes).sum();
        let parent = name(base.parent);
        _ = writeln!(text, "{:<24} {parent:<16} {:>8} {:>8}", base.name, base.images, megabytes(bytes));
    }
    _ = writeln!(
        text,
        "\n{:<24} {:<16} {:>8} {:>8} {:>8} {:>8}",
        "image", "on", "MB now", "MB then", "unused", "layers"
    );
    for image in &report.images {
        let [now, then] = [&image.before, &image.after].map(|layers| megabytes(size(layers)));
        let base = name(image.base);
        let (unused, layers) = (megabytes(image.unused), image.after.len());
        _ = writeln!(text, "{:<24} {base:<16} {now:>8} {then:>8} {unused:>8} {layers:>8}", image.name);
    }
    for image in &report.images {
        if let Some(left) = &image.left {
            _ = writeln!(text, "{} is left as it is: {left}", image.name);
        }
    }
    text.push('\n');
    text
}

fn size(layers: &[PulledLayer]) -> u64 {
    layers.iter().map(|layer| layer.bytes).sum()
}

fn as_json(report: &FleetReport, changes: &[Change], arch: Arch, written: bool) -> Value {
    let pulls = |pulls: Pulls| json!({ "first": pulls.first, "updates": pulls.updates });
    let base_name = |base: Option<usize>| base.map(|base| report.bases[base].name.clone());
    let image = |image: &ImageReport| {
        json!({
            "name": image.name,
            "recipe": image.path.display().to_string(),
            "base": base_name(image.base),
            "before": size(&image.before),
            "after": size(&image.after),
            "unused": image.unused,
            "layers": image.after.len(),
            "left": image.left,
        })
    };
    let bases = report.bases.iter().map(|base| {
        json!({
            "name": base.name,
            "recipe": base.path.display().to_string(),
            "base": base_name(base.parent),
            "bytes": size(&base.layers),
            "images": base.images,
        })
    });
    json!({
        "arch": arch.name(),
        "fleet": {
            "before": pulls(report.before),
            "after": pulls(report.after),
            "one-layer": pulls(report.one_layer),
            "layer-a-package": pulls(report.layer_a_package),
        },
        "bases": bases.collect::<Vec<_>>(),
        "images": report.images.iter().map(image).collect::<Vec<_>>(),
        "diff": changes.iter().map(Change::diff).collect::<String>(),
        "written": written,
    })
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{:02}", bytes / 1_000_000, bytes % 1_000_000 / 10_000)
}
