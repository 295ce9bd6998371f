//! Patterns in selection: what a layer's `include` and `exclude` stand for, and which of them are idle.

use std::collections::BTreeSet;

use crate::catalog::{FileRef, MergedUsr};
use crate::recipe::{Layer, Pattern};
use crate::root_path::RootPath;
use crate::tarball::EntryKind;

use super::selector::Selector;
use super::{Reason, SelectError, UnmatchedPattern};

/// A compiled pattern of a recipe.
#[derive(Clone, Debug)]
pub(super) struct Glob {
    source: String,
    literal: Option<RootPath>,
    matcher: globset::GlobMatcher,
}

impl Glob {
    /// Whether the pattern is that of a path; a literal one is that of all below it too.
    pub(super) fn covers(&self, path: &RootPath) -> bool {
        match &self.literal {
            Some(literal) => path.is_within(literal),
            None => self.matcher.is_match(path.as_str()),
        }
    }
}

/// Compiles a layer's patterns. `names` are the distro's of the architecture and its triplet.
pub(super) fn compile(
    layer: &Layer,
    patterns: &[Pattern],
    names: (&str, &str),
    merged_usr: &MergedUsr,
) -> Result<Vec<Glob>, SelectError> {
    patterns
        .iter()
        .map(|pattern| {
            let matcher = pattern.expand(names.0, names.1).map_err(|error| SelectError::Pattern {
                layer: layer.name.clone(),
                pattern: pattern.as_str().to_owned(),
                reason: error.kind().to_string(),
            })?;
            let literal = pattern.literal(names.0, names.1).map(|path| merged_usr.canonical(&path));
            Ok(Glob { source: pattern.as_str().to_owned(), literal, matcher })
        })
        .collect()
}

impl Selector<'_> {
    pub(super) fn compile(&self, layer: &Layer, patterns: &[Pattern]) -> Result<Vec<Glob>, SelectError> {
        compile(layer, patterns, (self.arch_name, self.triplet), self.inputs.catalog.merged_usr())
    }

    /// The patterns of `include`: always in, strip classes or not. A path without wildcards stands for all that
    /// is at and below it, as in `exclude`; a glob for the paths that it matches, one by one.
    pub(super) fn include(&mut self) {
        let found: Vec<(FileRef, String)> = {
            let layer = self.layer();
            let mut found = Vec::new();
            for glob in &layer.include {
                found.extend(self.matches(glob).into_iter().map(|file| (file, glob.source.clone())));
            }
            found
        };
        let undecided = self.layer().include.iter().any(|glob| match &glob.literal {
            // What is no directory is one file; anything else may have more in other packages.
            Some(literal) => {
                self.file_at(literal).is_none_or(|(_, _, file)| file.entry.kind == EntryKind::Directory)
            }
            None => true,
        });
        if undecided {
            for name in self.layer().closure.clone() {
                self.catalogued(&name);
            }
        }
        for (file, glob) in found {
            let path = &self.inputs.catalog.get(file).1.entry.path;
            self.choose(path, Reason::Included(glob));
        }
        if !self.inputs.given.lacking.is_empty() {
            let globs: Vec<Glob> = self.layer().include.clone();
            self.lack_included(|path| globs.iter().any(|glob| glob.covers(path)));
        }
    }

    fn matches(&self, glob: &Glob) -> Vec<FileRef> {
        let catalog = self.inputs.catalog;
        let closure = &self.layer().closure;
        match &glob.literal {
            // The path itself may be of a package that is only on demand.
            Some(literal) => catalog
                .within(literal)
                .flat_map(|(path, files)| files.iter().map(move |file| (path, *file)))
                .filter(|(path, file)| *path == literal || closure.contains(&catalog.get(*file).0.name))
                .map(|(_, file)| file)
                .collect(),
            None => closure
                .iter()
                .flat_map(|name| catalog.files_of(name))
                .filter(|file| glob.matcher.is_match(catalog.get(*file).1.entry.path.as_str()))
                .collect(),
        }
    }

    /// The pattern of the current layer that excludes a path; see [`Selector::include`] for what it stands for.
    pub(super) fn excluded_by(&self, path: &RootPath) -> Option<&str> {
        let layer = self.layer();
        if layer.exclude.is_empty() {
            return None;
        }
        let known = layer.excluded.borrow().get(path).copied();
        let place = known.unwrap_or_else(|| {
            let place = layer.exclude.iter().position(|glob| glob.covers(path));
            layer.excluded.borrow_mut().insert(path.clone(), place);
            place
        });
        place.map(|place| layer.exclude[place].source.as_str())
    }

    fn excludes_made_link(&self, glob: &Glob) -> bool {
        self.inputs.made_links.keys().any(|path| match &glob.literal {
            Some(literal) => path.is_within(literal),
            None => glob.matcher.is_match(path.as_str()),
        })
    }

    /// The packages that may have what patterns that matched nothing speak of, though their outlines do not tell.
    pub(super) fn outlined_for(&self, unmatched: &[UnmatchedPattern]) -> BTreeSet<String> {
        let layers = self.layers.iter().filter(|layer| unmatched.iter().any(|one| one.layer == layer.name));
        layers.flat_map(|layer| &layer.closure).filter(|name| self.is_outlined(name)).cloned().collect()
    }

    /// The patterns of all layers that matched nothing.
    pub(super) fn unmatched(&self) -> Vec<UnmatchedPattern> {
        let catalog = self.inputs.catalog;
        let mut unmatched = Vec::new();
        for layer in &self.layers {
            let certain = !layer.closure.iter().any(|name| self.is_uncatalogued(name));
            for (list, globs) in [("include", &layer.include), ("exclude", &layer.exclude)] {
                for glob in globs {
                    let matches = match &glob.literal {
                        Some(literal) => catalog.within(literal).next().is_some(),
                        None => catalog.paths().any(|(path, _)| glob.matcher.is_match(path.as_str())),
                    };
                    let matches = matches || list == "exclude" && self.excludes_made_link(glob);
                    let mut lacking = self.inputs.given.lacking.values().flatten().flatten();
                    let matches = matches || lacking.any(|path| glob.covers(path));
                    if !matches {
                        unmatched.push(UnmatchedPattern {
                            layer: layer.name.clone(),
                            list: list.to_owned(),
                            pattern: glob.source.clone(),
                            certain,
                        });
                    }
                }
            }
        }
        unmatched
    }
}
