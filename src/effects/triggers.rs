//! Which triggers of a package the other packages of an image fire (deb-triggers(5)): `postinst triggered` is called
//! for them. And the directories that Alpine's trigger scripts are called with.
//!
//! Triggers that a script fires with dpkg-trigger(1) are found by their name in the scripts of the packages: whether
//! the script gets there is not asked.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobMatcher};

use super::files::ImageFiles;
use crate::apk::pkginfo::PackageInfo;
use crate::catalog::PackageFiles;
use crate::root_path::RootPath;

/// The scripts that may fire a trigger.
const SCRIPTS: [&str; 2] = ["preinst", "postinst"];

/// The triggers of a package that fire, in the order that it declares them.
pub(super) fn fired(package: &PackageFiles, image: &dyn ImageFiles) -> Vec<String> {
    let Some(triggers) = package.manifest.control.member("triggers") else { return Vec::new() };
    let interests = directives(&triggers, "interest");
    interests
        .filter(|name| match RootPath::parse(name) {
            Ok(path) if name.starts_with('/') => image.others_have_below(&package.name, &path),
            _ => is_activated(package, image, name),
        })
        .map(ToOwned::to_owned)
        .collect()
}

/// The directories that apk calls the trigger script of a package with (apk-trigger): those of the image in which
/// a package has files and that a glob of `triggers` names, sorted.
pub(super) fn directories(package: &PackageFiles, image: &dyn ImageFiles) -> Vec<String> {
    let globs = PackageInfo::parse(&package.manifest.control.text).map(|info| info.triggers);
    let globs: Vec<GlobMatcher> = globs
        .unwrap_or_default()
        .iter()
        // Whether nothing has to change for it.
        .map(|glob| glob.trim_start_matches('+'))
        .filter_map(|glob| GlobBuilder::new(glob).literal_separator(true).build().ok())
        .map(|glob| glob.compile_matcher())
        .collect();
    if globs.is_empty() {
        return Vec::new();
    }
    let packages = image.packages();
    let paths = packages.iter().flat_map(|package| image.paths_of(package));
    let directories: BTreeSet<RootPath> = paths.filter_map(|path| path.parent()).collect();
    let named = directories.iter().map(RootPath::as_str);
    named.filter(|path| globs.iter().any(|glob| glob.is_match(path))).map(ToOwned::to_owned).collect()
}

/// The triggers of the directives that begin with a word: `interest`, `interest-noawait` ...
fn directives<'t>(text: &'t str, word: &'static str) -> impl Iterator<Item = &'t str> {
    text.lines().filter_map(move |line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        words.next().filter(|first| first.starts_with(word))?;
        words.next()
    })
}

/// Whether another package activates a trigger by its name.
fn is_activated(package: &PackageFiles, image: &dyn ImageFiles, name: &str) -> bool {
    let others = image.packages().into_iter().filter(|other| *other != package.name);
    others.into_iter().any(|other| {
        let text = |member: &str| {
            let bytes = image.control(&other, member).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        directives(&text("triggers"), "activate").any(|activated| activated == name)
            || SCRIPTS.iter().any(|script| fires(&text(script), name))
    })
}

/// Whether a script calls dpkg-trigger with a name.
fn fires(script: &str, name: &str) -> bool {
    script
        .lines()
        .filter_map(|line| line.trim_start().split_once("dpkg-trigger ").map(|(_, rest)| rest))
        .any(|rest| rest.split_whitespace().any(|word| word.trim_matches(['"', '\'', ';']) == name))
}
