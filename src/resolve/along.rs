//! What has to be taken anew along with some packages of a lock: what goes with nothing but the versions that it has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::repository::{PackageId, PackageIndex};

use super::Pinned;
use super::relating::Relating;

/// The packages of a lock that the newest versions of some others ask for in another version, or that ask for another
/// version of these; and so on, through packages that are new.
///
/// `locked` has the versions by name, which the index should have, `newest` what is to be had of each, and `named` what is
/// to be newer; it is among what comes back. Whether there is a version that all go with is the solver's to say.
pub fn along(
    index: &PackageIndex,
    locked: &BTreeMap<String, String>,
    newest: &BTreeMap<String, PackageId>,
    named: &BTreeSet<String>,
) -> BTreeSet<String> {
    let nothing = BTreeMap::new();
    let relating = Relating::new(index, Pinned::Prefer(&nothing));
    let before: HashMap<&str, PackageId> = locked
        .iter()
        .filter_map(|(name, version)| {
            let mut all = index.named(name);
            Some((name.as_str(), all.find(|id| index.version(*id) == version)?))
        })
        .collect();
    let mut fresh: BTreeSet<String> =
        named.iter().filter(|name| locked.contains_key(*name)).cloned().collect();
    let mut new: BTreeSet<PackageId> = BTreeSet::new();
    loop {
        let mut now = before.clone();
        now.extend(new.iter().map(|id| (index.name(*id), *id)));
        for name in &fresh {
            now.extend(newest.get(name).map(|newest| (index.name(*newest), *newest)));
        }
        let count = fresh.len() + new.len();
        for id in unfit(&relating, &before, &now) {
            let name = index.name(id);
            if locked.contains_key(name) {
                fresh.insert(name.to_owned());
            } else {
                new.insert(id);
            }
        }
        if fresh.len() + new.len() == count {
            return fresh;
        }
    }
}

/// What of the packages as they would be does not go with the others, and did before; and what they would need beside, of
/// several the first.
fn unfit(
    relating: &Relating<'_>,
    before: &HashMap<&str, PackageId>,
    now: &HashMap<&str, PackageId>,
) -> BTreeSet<PackageId> {
    let index = relating.index();
    let is_in = |all: &HashMap<&str, PackageId>, id: PackageId| all.get(index.name(id)) == Some(&id);
    let mut unfit = BTreeSet::new();
    for id in now.values().copied() {
        let facts = relating.facts(id);
        let is_as_before = is_in(before, id);
        for clause in &facts.clauses {
            if clause.packages().any(|other| is_in(now, other)) {
                continue;
            }
            if is_as_before {
                // Something else is to be newer than it allows.
                if clause.packages().any(|other| is_in(before, other)) {
                    unfit.insert(id);
                }
            } else {
                // What there is in another version, else what is not there yet.
                let mut known: Vec<PackageId> =
                    clause.packages().filter(|other| before.contains_key(index.name(*other))).collect();
                if known.is_empty() {
                    known.extend(clause.packages().next());
                }
                unfit.extend(known);
            }
        }
        for other in facts.conflicts.iter().flat_map(|conflict| &conflict.packages).copied() {
            if is_in(now, other) && !(is_as_before && is_in(before, other)) {
                unfit.insert(if is_as_before { id } else { other });
            }
        }
    }
    unfit
}

#[cfg(test)]
mod tests {
    use super::super::tests::index;
    use super::*;

    #[test]
    fn what_only_goes_with_the_locked_version_comes_along() {
        let index = index(
            "app 1; Depends: lib (>= 1), own (= 1), free\n\
             app 2; Depends: lib (>= 2), own (= 2), free | other\n\
             own 1; Depends: app-data (= 1)\nown 2; Depends: app-data (= 2)\n\
             app-data 1\napp-data 2\nlib 1\nlib 2\nfree 1\nfree 2\n\
             plugin 1; Depends: app (= 1)\nplugin 2; Depends: app (= 2)\n\
             foe 1\nfoe 2; Breaks: free (<< 2)\nshy 1; Breaks: lib (>= 2)\nshy 2\n\
             far 1\nfar 2; Depends: new\nnew 1; Depends: free (>= 2)",
        );
        let locked: Vec<&str> = vec!["app", "app-data", "far", "foe", "free", "lib", "own", "plugin", "shy"];
        let locked: BTreeMap<String, String> =
            locked.into_iter().map(|name| (name.to_owned(), "1".to_owned())).collect();
        let along = |named: &str| {
            let named = BTreeSet::from([named.to_owned()]);
            let newest =
                locked.keys().map(|name| (name.clone(), index.named(name).next().unwrap())).collect();
            along(&index, &locked, &newest, &named).into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(along("app"), "app app-data lib own plugin shy");
        assert_eq!(along("app-data"), "app app-data lib own plugin shy");
        assert_eq!(along("lib"), "lib shy");
        assert_eq!(along("foe"), "foe free");
        assert_eq!(along("free"), "free");
        assert_eq!(along("far"), "far free");
        assert_eq!(along("nothing"), "");
    }
}
