//! `rootforge check`: re-reads an image and reports all that is wrong with it.

use rootforge::check::{ImageSource, Problem, Report, check};
use rootforge::oci::Output;

use super::error::Failure;
use super::place::{Destination, Source, Wanted, scratch, transfer};
use super::{Session, print_data, print_json};

const IMAGE_HELP: &str = "The image: oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE or \
    docker://HOST/REPOSITORY[:TAG]; DIR[:TAG] alone means oci:";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[arg(help = IMAGE_HELP)]
    image: String,
}

pub(super) fn run(arguments: &Arguments, session: &Session) -> Result<(), Failure> {
    let scratch = arguments.image.starts_with("docker:").then(scratch).transpose()?;
    let source = if let Some(scratch) = &scratch {
        let from = Source::parse(&arguments.image)?;
        let directory = scratch.directory().join("layout");
        let to = Destination::Output(Output::Oci { directory: directory.clone(), tag: None });
        transfer(session, &from, &Wanted::All, &to, Some("image"))?;
        ImageSource::Layout { directory, name: Some("image".to_owned()) }
    } else {
        ImageSource::parse(&arguments.image)
            .map_err(|error| Failure::usage(error.to_string(), "give an image as `oci:images:NAME`"))?
    };
    let report = check(&source).map_err(|error| Failure::work(&error))?;
    session.reporter.finish();
    if session.json {
        print_json(&as_json(&report));
    } else {
        for problem in &report.problems {
            print_data(&format!("{problem}\n"));
        }
        for warning in &report.warnings {
            print_data(&format!("warning: {warning}\n"));
        }
    }
    for image in &report.images {
        let digest = image.digest.map_or_else(|| "no digest".to_owned(), |digest| digest.to_string());
        session.reporter.say(&format!(
            "{}: {digest}, {} layers of {} bytes, {} paths",
            image.name, image.layers, image.size, image.paths
        ));
    }
    if !report.warnings.is_empty() {
        session.reporter.say(&format!("{}: {} warnings", arguments.image, report.warnings.len()));
    }
    if report.problems.is_empty() {
        session.reporter.say(&format!("{}: nothing is wrong", arguments.image));
        return Ok(());
    }
    session.reporter.say(&format!("{}: {} problems", arguments.image, report.problems.len()));
    Err(Failure::Said)
}

fn as_json(report: &Report) -> serde_json::Value {
    let list = |problems: &[Problem]| -> Vec<serde_json::Value> {
        problems
            .iter()
            .map(|problem| {
                serde_json::json!({
                    "place": problem.place,
                    "problem": problem.fault.to_string(),
                    "package": problem.package,
                })
            })
            .collect()
    };
    let images: Vec<_> = report
        .images
        .iter()
        .map(|image| {
            serde_json::json!({
                "name": image.name,
                "digest": image.digest.map(|digest| digest.to_string()),
                "layers": image.layers,
                "size": image.size,
                "paths": image.paths,
            })
        })
        .collect();
    serde_json::json!({
        "problems": list(&report.problems),
        "warnings": list(&report.warnings),
        "images": images,
    })
}
