//! `rootforge test`: runs a recipe's tests in the image that it makes.

use std::fmt::Write as _;
use std::path::PathBuf;

use rootforge::arch::Arch;
use rootforge::oci::{Output, ScratchLayout};
use rootforge::pipeline::Prepared;
use rootforge::progress::Progress as _;
use rootforge::recipe::{Recipe, Test};
use rootforge::trial::{Outcome, Room, Tools};
use serde_json::{Value, json};

use super::error::Failure;
use super::locking::locked;
use super::session::{Resolving, archs, load_recipe};
use super::{Session, print_data, print_json};

/// How many files that were not found are shown unless more is asked for.
const SHOWN: usize = 12;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The recipe
    recipe: PathBuf,
    /// Architectures to test, separated by commas, or `all` [default: the host's]
    #[arg(long, value_name = "ARCH", value_delimiter = ',')]
    arch: Vec<String>,
    /// Fail where the lock is missing or does not fit the recipe
    #[arg(long)]
    locked: bool,
    #[command(flatten)]
    resolving: Resolving,
}

pub(super) fn run(arguments: &Arguments, session: &Session) -> Result<(), Failure> {
    let recipe = load_recipe(&arguments.recipe, arguments.resolving.variant.as_deref())?;
    let wanted = archs(&arguments.arch, &recipe)?;
    if recipe.tests.is_empty() {
        let hint = "add `[[test]]` with `run = [\"program\", \"--version\"]`";
        return Err(Failure::usage(format!("{} has no tests", recipe.path.display()), hint));
    }
    let (forge, lock) = locked(session, &recipe, &wanted, &arguments.resolving, arguments.locked)?;
    let directories = std::env::var_os("PATH").unwrap_or_default();
    let tools = Tools::new(std::env::split_paths(&directories).collect());
    let mut results = Vec::new();
    for arch in wanted {
        let prepared = forge.prepare(&recipe, &lock, arch).map_err(Failure::forge)?;
        let scratch = ScratchLayout::create().map_err(|error| Failure::work(&error))?;
        let layout = scratch.open().map_err(|error| Failure::work(&error))?;
        let plan = forge.plan(&recipe, &lock, &prepared).map_err(Failure::forge)?;
        let built = forge.pack(&recipe, plan, &layout).map_err(Failure::forge)?;
        let place = scratch.directory().join("room");
        let root = place.join("root");
        let output = Output::Dir(root.clone());
        output.write(&layout, &[built.image], &recipe.name).map_err(|error| Failure::work(&error))?;
        let config = prepared.image_config(&recipe);
        let room = Room::new(&tools, arch, &config, &place, &root).map_err(|error| Failure::work(&error))?;
        if !room.emulates_children() {
            let note =
                "this kernel cannot be told of the emulator: programs that a test's program starts will fail";
            session.reporter.say(&format!("note: {arch}: {note}"));
        }
        results.extend(run_all(session, &recipe, arch, &prepared, &room)?);
    }
    session.reporter.finish();
    let failed = results.iter().filter(|result| !result.outcome.faults.is_empty()).count();
    if session.json {
        let all: Vec<Value> = results.iter().map(Tried::as_json).collect();
        print_json(&json!({ "tests": all, "failed": failed }));
    } else {
        for result in &results {
            print_data(&result.as_text(session.reporter.is_verbose()));
        }
    }
    session.reporter.say(&format!("{} tests, {failed} failed", results.len()));
    if failed == 0 { Ok(()) } else { Err(Failure::Said) }
}

/// A test that was run.
struct Tried {
    arch: Arch,
    run: Vec<String>,
    outcome: Outcome,
    /// What was not found, and the package that has it though the image does not.
    missing: Vec<(String, Option<String>)>,
}

fn run_all(
    session: &Session,
    recipe: &Recipe,
    arch: Arch,
    prepared: &Prepared,
    room: &Room<'_>,
) -> Result<Vec<Tried>, Failure> {
    let run = |test: &Test| {
        session.reporter.stage(&format!("testing {} for {arch}: {}", recipe.name, test.run.join(" ")));
        let outcome = room.run(test).map_err(|error| Failure::work(&error))?;
        let missing =
            outcome.missing.iter().map(|path| (path.clone(), prepared.package_with(path))).collect();
        Ok(Tried { arch, run: test.run.clone(), outcome, missing })
    };
    recipe.tests.iter().map(run).collect()
}

impl Tried {
    fn as_text(&self, verbose: bool) -> String {
        let Outcome { faults, stdout, stderr, .. } = &self.outcome;
        let verdict = if faults.is_empty() { "passed" } else { "failed" };
        let mut text = format!("{verdict}: {}: {}\n", self.arch, self.run.join(" "));
        if faults.is_empty() {
            return text;
        }
        for fault in faults {
            let _ = writeln!(text, "  {fault}");
        }
        for (stream, words) in [("stdout", stdout), ("stderr", stderr)] {
            let lines: Vec<&str> = words.lines().collect();
            let shown = if verbose { lines.len() } else { 20 };
            for line in &lines[lines.len().saturating_sub(shown)..] {
                let _ = writeln!(text, "  {stream}: {line}");
            }
        }
        let shown = if verbose { self.missing.len() } else { SHOWN };
        for (path, package) in self.missing.iter().take(shown) {
            let _ = match package {
                Some(package) => writeln!(text, "  not found: {path} (left out of {package})"),
                None => writeln!(text, "  not found: {path}"),
            };
        }
        if self.missing.len() > shown {
            let _ = writeln!(text, "  not found: {} more; `-v` shows them", self.missing.len() - shown);
        }
        text
    }

    fn as_json(&self) -> Value {
        let Outcome { faults, stdout, stderr, .. } = &self.outcome;
        let missing: Vec<Value> =
            self.missing.iter().map(|(path, package)| json!({ "path": path, "package": package })).collect();
        json!({
            "arch": self.arch.name(),
            "run": self.run,
            "passed": faults.is_empty(),
            "faults": faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "stdout": stdout,
            "stderr": stderr,
            "missing": missing,
        })
    }
}
