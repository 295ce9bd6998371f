//! What is different between two locks of a recipe.

use std::collections::BTreeMap;

use super::{Lock, LockedPackage};
use crate::arch::Arch;

/// A package that one lock has and another has not, or otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockChange {
    /// The package.
    pub name: String,
    /// Its version before; none where it is new.
    pub from: Option<String>,
    /// Its version now; none where it is gone. The same as before where the archive has another file of that version.
    pub to: Option<String>,
    /// The architecture.
    pub arch: Arch,
}

impl Lock {
    /// What changed since an earlier lock, by the packages' names.
    pub fn changes_since(&self, before: &Lock) -> Vec<LockChange> {
        let mut both: BTreeMap<(&str, Arch), [Option<&LockedPackage>; 2]> = BTreeMap::new();
        for (side, lock) in [before, self].into_iter().enumerate() {
            for package in &lock.packages {
                let pair = both.entry((&package.name, package.arch)).or_default();
                if let Some(place) = pair.get_mut(side) {
                    *place = Some(package);
                }
            }
        }
        let is_other = |[from, to]: &[Option<&LockedPackage>; 2]| {
            let file = |package: &LockedPackage| (package.version.clone(), package.content);
            from.map(file) != to.map(file)
        };
        let version = |package: Option<&LockedPackage>| package.map(|package| package.version.clone());
        both.into_iter()
            .filter(|(_, pair)| is_other(pair))
            .map(|((name, arch), [from, to])| LockChange {
                name: name.to_owned(),
                from: version(from),
                to: version(to),
                arch,
            })
            .collect()
    }
}
