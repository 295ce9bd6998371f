//! `rootforge build`: recipe in, image out.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use rootforge::arch::Arch;
use rootforge::oci::{ImageRef, Layout, Output, ScratchLayout, push};
use rootforge::pipeline::{Built, Call, ImageInputs, Recalled};
use rootforge::progress::Progress;
use rootforge::recipe::Recipe;
use rootforge::select::{UnmatchedPattern, Warning};
use serde_json::{Value, json};

use super::error::Failure;
use super::locking::locked;
use super::place::{Destination, Moved, failed, scratch, usage, zstd_warning};
use super::session::{Resolving, archs, load_recipe};
use super::{Session, print_data, print_json, running};

const OUTPUT_HELP: &str = "Where the image goes: oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, \
    docker://HOST/REPOSITORY[:TAG], dir:PATH or tar:FILE";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The recipe
    recipe: PathBuf,
    /// Architectures to build, separated by commas, or `all` [default: the host's]
    #[arg(long, value_name = "ARCH", value_delimiter = ',')]
    arch: Vec<String>,
    /// Fail where the lock is missing or does not fit the recipe
    #[arg(long)]
    locked: bool,
    #[arg(long, value_name = "OUTPUT", help = OUTPUT_HELP)]
    output: Option<String>,
    /// The image's name in its output [default: the recipe's name]
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    #[command(flatten)]
    resolving: Resolving,
}

pub(super) fn run(arguments: &Arguments, session: &Session) -> Result<(), Failure> {
    let recipe = load_recipe(&arguments.recipe, arguments.resolving.variant.as_deref())?;
    let wanted = archs(&arguments.arch, &recipe)?;
    let destination = match &arguments.output {
        Some(text) => Destination::parse(text)?,
        None => Destination::Output(Output::Oci { directory: session.images()?, tag: None }),
    };
    destination.check_online(session)?;
    let name = arguments.tag.clone().unwrap_or_else(|| recipe.reference());
    destination.accepts(wanted.len(), &name)?;
    if arguments.tag.is_some() && destination.has_tag() {
        return Err(Failure::usage(
            "the image is given two names, in `--output` and `--tag`",
            "leave one of them out",
        ));
    }
    let destination = match (destination, &arguments.tag) {
        (Destination::Registry(reference), Some(tag)) => {
            Destination::Registry(reference.with_tag(tag).map_err(|error| usage(&error))?)
        }
        (other, _) => other,
    };
    let staging = Staging::of(&destination)?;
    let call = arguments.resolving.call(&recipe);
    let (layout, built) = match remembered(session, arguments, &recipe, call.as_ref(), &wanted, &staging)? {
        Some(built) => built,
        None => built_anew(session, arguments, &recipe, call.as_ref(), &wanted, &staging)?,
    };
    let images: Vec<_> = built.iter().map(|built| built.image).collect();
    let moved = hand_out(session, &layout, &images, &destination, &name)?;

    session.reporter.finish();
    for note in &moved.notes {
        session.reporter.say(&format!("note: {note}"));
    }
    for built in &built {
        session.reporter.say(&summary(built, session.reporter.is_verbose()));
    }
    if let Some(old) = unread_by(&recipe, &destination) {
        session.reporter.say(&zstd_warning(old));
    }
    if !moved.tallies.is_empty() {
        session.reporter.say(&moved.words());
    }
    let command = running::command(&recipe, &wanted, &destination, &name);
    if let Some(command) = &command {
        session.reporter.say(&format!("run it: {command}"));
    }
    if session.json {
        print_json(&as_json(arguments, &built, &moved, &name, command.as_deref()));
    } else {
        print_data(&format!("{} {}\n", moved.place, moved.digest));
    }
    Ok(())
}

/// Engines that do not take the image as it is compressed; plain files are for all.
fn unread_by(recipe: &Recipe, destination: &Destination) -> Option<&'static str> {
    let is_plain = matches!(destination, Destination::Output(Output::Dir(_) | Output::Tar(_)));
    recipe.stack().into_iter().filter(|_| !is_plain).find_map(|one| one.compression.too_old())
}

/// Gives the images to where they go.
fn hand_out(
    session: &Session,
    layout: &Layout,
    images: &[ImageRef],
    destination: &Destination,
    name: &str,
) -> Result<Moved, Failure> {
    match destination {
        Destination::Output(output) => {
            let written = output.write(layout, images, name).map_err(|error| Failure::work(&error))?;
            let (digest, notes) = (written.digest, written.notes);
            let place = output.place(name);
            Ok(Moved { place, digest, notes, unread_by: None, tallies: Vec::new(), uploaded: None })
        }
        Destination::Registry(reference) => {
            let target = match images {
                [one] => layout.describe(*one),
                several => layout.write_index(several).and_then(|index| layout.describe(index)),
            };
            let remote = session.remote(reference)?;
            let pushed =
                push(layout, &target.map_err(failed)?, &remote, &session.reporter).map_err(failed)?;
            Ok(Moved::pushed(&pushed, &remote))
        }
    }
}

/// The images, where all of them are known from earlier builds.
fn remembered(
    session: &Session,
    arguments: &Arguments,
    recipe: &Recipe,
    call: Option<&Call>,
    wanted: &[Arch],
    staging: &Staging,
) -> Result<Option<(Layout, Vec<Built>)>, Failure> {
    let Resolving { allow_expired_index, .. } = arguments.resolving;
    let forge = session.forge(arguments.resolving.without(recipe, None)?, allow_expired_index)?;
    let newest = forge.options.newest;
    let Some(call) = call else { return Ok(None) };
    let known = wanted.iter().map(|arch| forge.recall(ImageInputs::of(call, recipe, *arch, newest)?));
    let Some(known) = known.collect::<Option<Vec<Recalled>>>() else { return Ok(None) };
    let patterns: Vec<_> = known.iter().map(|one| (one.arch(), one.unmatched())).collect();
    judge_patterns(&patterns, forge.progress)?;
    let layout = staging.open()?;
    let built: Option<Vec<Built>> = known.iter().map(|one| forge.restore(recipe, one, &layout)).collect();
    Ok(built.map(|built| (layout, built)))
}

/// Builds every architecture: all are planned before the first is packed, so that what cannot be built
/// leaves no layer behind.
fn built_anew(
    session: &Session,
    arguments: &Arguments,
    recipe: &Recipe,
    before: Option<&Call>,
    wanted: &[Arch],
    staging: &Staging,
) -> Result<(Layout, Vec<Built>), Failure> {
    let failed = Failure::forge;
    let (forge, lock) = locked(session, recipe, wanted, &arguments.resolving, arguments.locked)?;
    forge.loaded.let_indexes_go();
    let call = arguments.resolving.call(recipe);
    let inputs = |arch: &Arch| ImageInputs::of(call.as_ref()?, recipe, *arch, forge.options.newest);
    let inputs: Vec<Option<ImageInputs>> = wanted.iter().map(inputs).collect();
    std::thread::scope(|scope| {
        let (call, lock) = (call.as_ref().zip(before), &lock);
        // The locks' texts are made once more for this, beside what is waited for. Without a thread nothing is kept.
        let as_locked = move || call.filter(|(call, before)| call.locked_as(before, lock));
        let as_locked = std::thread::Builder::new().spawn_scoped(scope, as_locked);
        let plans = forge.plan_all(recipe, lock, wanted).map_err(failed)?;
        let patterns: Vec<_> = plans.iter().map(|one| (one.arch(), one.unmatched())).collect();
        judge_patterns(&patterns, forge.progress)?;
        let layout = staging.open()?;
        let built = forge.pack_all(recipe, plans, &layout).map_err(failed)?;
        // It is a large file, and as slow to go. Where there is no thread for that it goes at the end.
        let _ = std::thread::Builder::new().spawn_scoped(scope, || forge.scratch.clear());
        if let Some((call, _)) = as_locked.ok().and_then(|thread| thread.join().ok()).flatten() {
            let known = built.iter().zip(&inputs).filter_map(|(one, inputs)| Some((one, inputs.as_ref()?)));
            forge.keep(recipe, call, &known.collect::<Vec<_>>());
        }
        Ok((layout, built))
    })
}

/// A pattern that does nothing on one architecture is worth a word, on all of them it is a mistake.
fn judge_patterns(found: &[(Arch, &[UnmatchedPattern])], progress: &dyn Progress) -> Result<(), Failure> {
    let mut all: Vec<_> = found.iter().flat_map(|(_, unmatched)| *unmatched).collect();
    all.sort();
    all.dedup();
    let mut mistakes = Vec::new();
    for pattern in all {
        let words = format!("layer `{}`: `{}` in `{}`", pattern.layer, pattern.pattern, pattern.list);
        let missing: Vec<_> = found.iter().filter(|(_, unmatched)| unmatched.contains(pattern)).collect();
        if missing.len() == found.len() && pattern.certain {
            mistakes.push(words);
            continue;
        }
        let archs: Vec<_> = missing.iter().map(|(arch, _)| arch.name()).collect();
        progress.note(&format!("{words} matches no file of any package on {}", archs.join(", ")));
    }
    match mistakes.as_slice() {
        [] => Ok(()),
        [one] => {
            let message = format!("{one} matches no file of any package");
            Err(Failure::usage(message, "correct the pattern or remove it"))
        }
        many => {
            let message =
                format!("{} patterns match no file of any package:\n  {}", many.len(), many.join("\n  "));
            Err(Failure::usage(message, "correct the patterns or remove them"))
        }
    }
}

/// The layout that layers are written into: the output itself, or one that goes when the output is written.
enum Staging {
    Output(PathBuf),
    Scratch(ScratchLayout),
}

impl Staging {
    fn of(destination: &Destination) -> Result<Self, Failure> {
        match destination {
            Destination::Output(Output::Oci { directory, .. }) => Ok(Staging::Output(directory.clone())),
            _ => scratch().map(Staging::Scratch),
        }
    }

    fn open(&self) -> Result<Layout, Failure> {
        match self {
            Staging::Output(directory) => Layout::open_or_create(directory),
            Staging::Scratch(scratch) => scratch.open(),
        }
        .map_err(|error| Failure::work(&error))
    }
}

/// How many of many lines of a kind are told.
const FEW: usize = 5;

/// The figures of one architecture, with what was worth a warning.
fn summary(built: &Built, verbose: bool) -> String {
    let summary = &built.summary;
    let mut text = format!(
        "{}: {} of {} locked packages give {} files, {} left out; {} unpacked, {} packed",
        built.image.arch,
        summary.packages,
        summary.locked,
        summary.files,
        summary.left_out,
        megabytes(summary.unpacked),
        megabytes(summary.compressed),
    );
    let shown = if verbose { summary.sizes.len() } else { 5 };
    let sizes: Vec<String> = summary
        .sizes
        .iter()
        .take(shown)
        .map(|size| format!("{} {}", size.package, megabytes(size.bytes)))
        .collect();
    if !sizes.is_empty() {
        let _ = write!(text, "\n  largest: {}", sizes.join(", "));
    }
    // Some servers have a hundred plug-ins, most of which nobody asked for.
    let lacks = |warning: &&Warning| matches!(warning, Warning::PluginLacks { .. } | Warning::Unproven(_));
    let lacking = summary.warnings.iter().filter(lacks).count();
    let told = if verbose || lacking <= 2 * FEW { lacking } else { FEW };
    let passed_over = summary.warnings.iter().filter(lacks).skip(told).collect::<BTreeSet<_>>();
    for warning in summary.warnings.iter().filter(|warning| !passed_over.contains(warning)) {
        let _ = write!(text, "\nwarning: {warning}");
    }
    if !passed_over.is_empty() {
        let _ = write!(
            text,
            "\nwarning: of files that lack libraries or symbols there are {} more, which `--verbose` tells",
            passed_over.len()
        );
    }
    for step in &summary.undone {
        let _ = write!(text, "\nleft undone: {step}");
    }
    for (package, programs) in &summary.at_run_time {
        let all = programs.join("`, `");
        let _ = write!(text, "\nto be made where it runs: what {package}'s scripts make by `{all}`");
        for (program, owner) in programs.iter().filter_map(|program| summary.absent.get_key_value(program)) {
            let _ = write!(text, "; the image lacks {program}");
            if let Some(owner) = owner {
                let _ = write!(text, ", which comes where `packages` names {owner}");
            }
        }
    }
    text
}

/// What was built, as a program reads it.
fn as_json(
    arguments: &Arguments,
    built: &[Built],
    moved: &Moved,
    name: &str,
    command: Option<&str>,
) -> Value {
    let images: Vec<Value> = built
        .iter()
        .map(|built| {
            let sizes = built.summary.sizes.iter();
            json!({
                "arch": built.image.arch.name(),
                "digest": built.image.digest.to_string(),
                "packages": built.summary.packages,
                "locked": built.summary.locked,
                "files": built.summary.files,
                "left_out": built.summary.left_out,
                "unpacked": built.summary.unpacked,
                "compressed": built.summary.compressed,
                "sizes": sizes
                    .map(|size| json!({ "package": size.package, "bytes": size.bytes }))
                    .collect::<Vec<_>>(),
                "warnings": built.summary.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "undone": built.summary.undone,
                "at_run_time": built.summary.at_run_time,
                "absent": built.summary.absent,
            })
        })
        .collect();
    let mut value = json!({
        "name": name,
        "recipe": arguments.recipe.display().to_string(),
        "output": moved.place,
        "digest": moved.digest.to_string(),
        "run": command,
        "images": images,
    });
    if moved.uploaded.is_some() {
        value["push"] = moved.as_json();
    }
    value
}

fn megabytes(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss)]
    let megabytes = bytes as f64 / 1e6;
    format!("{megabytes:.1} MB")
}
