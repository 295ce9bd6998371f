//! `rootforge cache`: where the cache is, what it holds, and how it becomes smaller.

use rootforge::cache::{Pruned, Usage};
use serde_json::json;

use super::error::Failure;
use super::settings::size;
use super::{Session, print_data, print_json};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Delete what was used longest ago, until the rest keeps to the limit
    Prune {
        /// How much may stay, such as 2GB or 0 [default: `cache-size` of the configuration, else 10GB]
        #[arg(long, value_name = "SIZE", value_parser = size)]
        to: Option<u64>,
    },
}

pub(super) fn run(arguments: &Arguments, session: &Session) -> Result<(), Failure> {
    match &arguments.action {
        None => show(session),
        Some(Action::Prune { to }) => prune(session, *to),
    }
}

fn show(session: &Session) -> Result<(), Failure> {
    let (place, cache) = session.cache_as_it_is()?;
    let (place, limit) = (place.display().to_string(), session.cache_limit()?);
    let kinds = cache.map(|cache| cache.kinds()).transpose().map_err(|error| Failure::work(&error))?;
    let kinds = kinds.unwrap_or_default();
    let total: u64 = kinds.values().map(|usage| usage.bytes).sum();
    if session.json {
        let kinds: serde_json::Map<_, _> =
            kinds.iter().map(|(kind, usage)| (kind.clone(), value(usage))).collect();
        print_json(&json!({ "place": place, "limit": limit, "bytes": total, "kinds": kinds }));
        return Ok(());
    }
    let mut text = format!("{place}\n");
    for (kind, usage) in &kinds {
        let files = if usage.files == 1 { "file" } else { "files" };
        text.push_str(&format!("{:>10}  {kind}, {} {files}\n", told(usage.bytes), usage.files));
    }
    text.push_str(&format!("{:>10}  of {} at most\n", told(total), told(limit)));
    print_data(&text);
    Ok(())
}

fn prune(session: &Session, to: Option<u64>) -> Result<(), Failure> {
    let (cache, limit) = session.cache_and_limit()?;
    let Pruned { removed, left, in_use } =
        cache.prune(to.unwrap_or(limit)).map_err(|error| Failure::work(&error))?;
    if in_use {
        session.reporter.say(
            "note: others use the cache, so what was used within the last hour stays; run it again when they are done",
        );
    }
    if session.json {
        print_json(&json!({ "removed": value(&removed), "left": value(&left), "in-use": in_use }));
    } else {
        print_data(&format!("{} removed, {} left\n", told(removed.bytes), told(left.bytes)));
    }
    Ok(())
}

fn value(usage: &Usage) -> serde_json::Value {
    json!({ "files": usage.files, "bytes": usage.bytes })
}

fn told(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss)]
    let figure = bytes as f64;
    if bytes < 1_000_000 {
        format!("{:.1} kB", figure / 1e3)
    } else if bytes < 1_000_000_000 {
        format!("{:.1} MB", figure / 1e6)
    } else {
        format!("{:.1} GB", figure / 1e9)
    }
}
