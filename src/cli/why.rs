//! `rootforge why`: why a path or a package is in an image, or which rule left it out.

use std::fmt::Write as _;
use std::path::PathBuf;

use rootforge::why::{Answer, PackageAnswer, PathAnswer, Step};
use serde_json::{Value, json};

use super::error::Failure;
use super::locking::locked;
use super::session::{Resolving, archs, load_recipe};
use super::{Session, print_data, print_json};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The recipe
    recipe: PathBuf,
    /// A path in the image, the name of a package, or the name of a file such as `libz.so.1`
    subject: String,
    /// The architecture; several are separated by commas, `all` is every one [default: the host's]
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
    let (forge, lock) = locked(session, &recipe, &wanted, &arguments.resolving, arguments.locked)?;
    let mut answers = Vec::new();
    for arch in &wanted {
        let answer = forge.why(&recipe, &lock, *arch, &arguments.subject);
        answers.push((*arch, answer.map_err(Failure::forge)?));
    }
    session.reporter.finish();
    if session.json {
        let all: Vec<Value> = answers
            .iter()
            .map(|(arch, answer)| {
                let answer = answer.as_ref().map_or(Value::Null, as_json);
                json!({ "arch": arch.name(), "subject": arguments.subject, "answer": answer })
            })
            .collect();
        print_json(&Value::Array(all));
    } else {
        for (arch, answer) in &answers {
            let Some(answer) = answer else { continue };
            let head = if answers.len() > 1 { format!("{arch}:\n") } else { String::new() };
            print_data(&(head + &as_text(answer)));
        }
    }
    let unknown: Vec<&str> =
        answers.iter().filter(|(_, answer)| answer.is_none()).map(|(arch, _)| arch.name()).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let what = &arguments.subject;
    let message = if what.starts_with('/') {
        format!("no locked package has {what}, and nothing makes it, for {}", unknown.join(", "))
    } else {
        format!("no locked package is called `{what}` or has a file of that name, for {}", unknown.join(", "))
    };
    let hint =
        "a package that has it must be named in a layer's `packages`, or be a dependency of one that is";
    Err(Failure::Work { message, hints: vec![hint.into()] })
}

fn as_text(answer: &Answer) -> String {
    match answer {
        Answer::Paths(paths) => paths.iter().map(path_text).collect(),
        Answer::Package(package) => package_text(package),
    }
}

fn path_text(answer: &PathAnswer) -> String {
    let mut text = answer.path.to_string();
    match (&answer.layer, &answer.package) {
        (Some(layer), Some(package)) => _ = writeln!(text, " is in layer `{layer}`, from {package}"),
        (Some(layer), None) => _ = writeln!(text, " is in layer `{layer}`"),
        (None, Some(package)) => _ = writeln!(text, " of {package} is left out: {}", answer.because),
        (None, None) => _ = writeln!(text, " is left out: {}", answer.because),
    }
    text + &chain_text(&answer.chain)
}

fn chain_text(chain: &[Step]) -> String {
    chain.iter().map(|step| format!("  {} <- {} ({})\n", step.subject, step.by, step.how)).collect()
}

fn package_text(answer: &PackageAnswer) -> String {
    let kept: usize = answer.kept.iter().map(|(_, count, _)| count).sum();
    let left_out: usize = answer.left_out.iter().map(|one| one.files).sum();
    let mut text = format!("{}: {kept} of {} files are in\n", answer.package, kept + left_out);
    if answer.on_demand {
        text.push_str("  it is in the lock on demand: nothing that the recipe names depends on it\n");
    }
    text.push_str(&chain_text(&answer.chain));
    for (rule, count, chain) in &answer.kept {
        let _ = writeln!(text, "in by the rule `{rule}`: {count}, such as");
        text.push_str(&chain_text(chain));
    }
    for one in &answer.left_out {
        let _ = writeln!(text, "left out by the rule `{}`: {}, such as {}", one.rule, one.files, one.example);
        let _ = writeln!(text, "  {}", one.because);
    }
    text
}

fn as_json(answer: &Answer) -> Value {
    match answer {
        Answer::Paths(paths) => {
            let paths: Vec<Value> = paths
                .iter()
                .map(|path| {
                    json!({
                        "path": path.path.as_str(),
                        "in": path.layer.is_some(),
                        "package": path.package,
                        "layer": path.layer,
                        "rule": path.rule,
                        "because": path.because,
                        "chain": steps_json(&path.chain),
                    })
                })
                .collect();
            json!({ "paths": paths })
        }
        Answer::Package(package) => {
            let kept: Vec<Value> = package
                .kept
                .iter()
                .map(|(rule, files, chain)| json!({ "rule": rule, "files": files, "chain": steps_json(chain) }))
                .collect();
            let left_out: Vec<Value> = package
                .left_out
                .iter()
                .map(|one| {
                    json!({
                        "rule": one.rule,
                        "files": one.files,
                        "example": one.example.as_str(),
                        "because": one.because,
                    })
                })
                .collect();
            json!({
                "package": package.package,
                "on-demand": package.on_demand,
                "chain": steps_json(&package.chain),
                "kept": kept,
                "left-out": left_out,
            })
        }
    }
}

fn steps_json(chain: &[Step]) -> Vec<Value> {
    chain.iter().map(|step| json!({ "subject": step.subject, "by": step.by, "how": step.how })).collect()
}
