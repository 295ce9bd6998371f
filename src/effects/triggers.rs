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
            _ => image.others_activate(&package.name, name),
        })
        .map(ToOwned::to_owned)
        .collect()
}

/// The directories that apk calls the trigger script of a package with (apk-trigger): those of the image in which
/// a package has files and that a glob of `triggers` names, sorted.
pub(super) fn directories(package: &PackageFiles, image: &dyn ImageFiles) -> Vec<String> {
    let globs = PackageInfo::parse(&package.manifest.control.text).map(|info| info.triggers);
    // The mark says whether nothing has to change for it.
    let globs: Vec<String> =
        globs.unwrap_or_default().iter().map(|glob| glob.trim_start_matches('+').to_owned()).collect();
    if globs.is_empty() { Vec::new() } else { image.directories_like(&globs) }
}

/// The directories of some paths that match a glob, sorted.
pub(super) fn directories_of(paths: impl Iterator<Item = RootPath>, globs: &[String]) -> Vec<String> {
    let globs = globs.iter().filter_map(|glob| GlobBuilder::new(glob).literal_separator(true).build().ok());
    let globs: Vec<GlobMatcher> = globs.map(|glob| glob.compile_matcher()).collect();
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

/// Whether a package activates a trigger by its name.
pub(super) fn activates(package: &PackageFiles, name: &str) -> bool {
    let text = |member: &str| package.manifest.control.member(member).unwrap_or_default();
    directives(&text("triggers"), "activate").any(|activated| activated == name)
        || SCRIPTS.iter().any(|script| fires(&text(script), name))
}

/// Whether a script calls dpkg-trigger with a name.
fn fires(script: &str, name: &str) -> bool {
    script
        .lines()
        .filter_map(|line| line.trim_start().split_once("dpkg-trigger ").map(|(_, rest)| rest))
        .any(|rest| rest.split_whitespace().any(|word| word.trim_matches(['"', '\'', ';']) == name))
}
