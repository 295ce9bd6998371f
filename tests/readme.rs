//! What the README shows is what the program takes.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use crate::support::Rig;
use rootforge::recipe::{Recipe, StripClass};

const README: &str = include_str!("../README.md");

/// The README's block of a language that holds some words.
fn block(language: &str, words: &str) -> &'static str {
    let blocks = README.split("```").skip(1).step_by(2);
    let mut found =
        blocks.filter_map(|block| block.strip_prefix(language)).filter(|block| block.contains(words));
    found.next().unwrap_or_else(|| panic!("no block with {words}"))
}

#[test]
fn the_recipe_is_one() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("public")).unwrap();
    let recipe = Recipe::parse(block("toml", "from ="), &directory.path().join("web.toml")).unwrap();
    assert_eq!((recipe.name.as_str(), recipe.layers.len()), ("web", 2));
}

#[test]
fn the_configuration_is_one() {
    let rig = Rig::new();
    let text = block("toml", "cache-dir").replace("/var/cache/rootforge", "cache");
    rig.write("config.toml", text);
    rig.recipe("[[layer]]\nname = \"f\"\nfiles = [{ path = \"/x\", content = \"\" }]\n");
    crate::support::rig::run(&mut rig.bare(&[
        "build",
        "r.toml",
        "--arch",
        "amd64",
        "--config",
        "config.toml",
    ]))
    .ok();
    assert!(rig.work("cache/CACHEDIR.TAG").exists() && rig.work("images/index.json").exists());
}

/// Every command and option that it names is one.
#[test]
fn its_options_are_known() {
    let rig = Rig::new();
    let help = |args: &[&str]| crate::support::rig::run(&mut rig.bare(args)).ok().out;
    let known = help(&["build", "--help"])
        + &help(&["lock", "--help"])
        + &help(&["check", "--help"])
        + &help(&["test", "--help"])
        + &help(&["push", "--help"])
        + &help(&["plan", "--help"])
        + &help(&["pull", "--help"])
        + &help(&["copy", "--help"])
        + &help(&["cache", "prune", "--help"])
        + &help(&["why", "--help"]);
    let options = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let is_option = |word: &&str| {
            word.strip_prefix("--").is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
        };
        words.filter(is_option).map(ToOwned::to_owned).collect()
    };
    let (known, told) = (options(&known), options(README));
    assert!(known.len() > 15, "{known:?}");
    let others = ["--release", "--daemonize", "--bench", "--path"];
    let unknown: Vec<&String> =
        told.difference(&known).filter(|option| !others.contains(&option.as_str())).collect();
    assert!(unknown.is_empty(), "no option of rootforge: {unknown:?}");
    let usual = ["--help", "--version"];
    let untold: Vec<&String> =
        known.difference(&told).filter(|option| !usual.contains(&option.as_str())).collect();
    assert!(untold.is_empty(), "not in the README: {untold:?}");
}

#[test]
fn it_names_all_classes_of_strip() {
    for class in StripClass::ALL {
        assert!(README.contains(&format!("`{}`", class.name())), "{class:?}");
    }
}
