//! What became of a package: how it comes to be in the lock, what of it is in, and which rules left out the rest.

use std::collections::BTreeMap;

use crate::root_path::RootPath;
use crate::select::Reason;
use crate::tarball::EntryKind;

use super::{Explainer, Step};

/// What became of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageAnswer {
    /// Name and version.
    pub package: String,
    /// Whether it was looked into; what was not gives nothing.
    pub looked_into: bool,
    /// How it comes to be in the lock; empty where it is there on demand.
    pub chain: Vec<Step>,
    /// Whether it is in the lock on demand only.
    pub on_demand: bool,
    /// Each rule that took files of it in, how many, and the way from one of them to the recipe.
    pub kept: Vec<(&'static str, usize, Vec<Step>)>,
    /// The rules that left out files of it.
    pub left_out: Vec<LeftOutFiles>,
}

/// The files of a package that one rule left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOutFiles {
    /// The rule in one word.
    pub rule: &'static str,
    /// How many there are.
    pub files: usize,
    /// One of them, the first by path.
    pub example: RootPath,
    /// Why it is left out.
    pub because: String,
}

impl Explainer<'_> {
    /// What became of a locked package; none if none is called so.
    pub(super) fn package(&self, name: &str) -> Option<PackageAnswer> {
        let locked = self.inputs.packages.get(name)?;
        let files = self.inputs.catalog.package(name);
        let mut kept: BTreeMap<&'static str, (usize, RootPath)> = BTreeMap::new();
        let mut left_out: BTreeMap<&'static str, LeftOutFiles> = BTreeMap::new();
        let mut all: Vec<_> = files.iter().flat_map(|package| &package.manifest.files).collect();
        all.retain(|file| file.entry.kind != EntryKind::Directory);
        all.sort_by(|a, b| a.entry.path.cmp(&b.entry.path));
        for file in all {
            let path = &file.entry.path;
            let is_own = self.owner(path) == Some(name);
            // What a base image has is of the package that its database says.
            let counts = |reason: &Reason| is_own || *reason == Reason::Given;
            if let Some((_, reason)) = self.chosen(path).filter(|found| counts(found.1)) {
                kept.entry(reason.rule()).or_insert_with(|| (0, path.clone())).0 += 1;
                continue;
            }
            let rule = self.rule_for(name, file);
            let found = left_out.entry(rule.name).or_insert_with(|| LeftOutFiles {
                rule: rule.name,
                files: 0,
                example: path.clone(),
                because: rule.because,
            });
            found.files += 1;
        }
        Some(PackageAnswer {
            package: locked.label(),
            looked_into: files.is_some(),
            chain: self.belonging(name),
            on_demand: locked.on_demand,
            kept: kept.into_iter().map(|(rule, (count, path))| (rule, count, self.chain(&path))).collect(),
            left_out: left_out.into_values().collect(),
        })
    }
}
