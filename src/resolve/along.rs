//! What has to be taken anew along with some packages of a lock: what goes with nothing but the versions that it has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::repository::{PackageId, PackageIndex};

use super::Pinned;
use super::relating::Relating;

/// The packages of a lock that the newest versions of some others ask for in another version, or that ask for another
/// version of these; and so on. `locked` has the versions by name, which the index should have; `named` is what is to be newer; it is among what
/// comes back. Whether there is a version that all go with is the solver's to say.
pub fn along(
    index: &PackageIndex,
    locked: &BTreeMap<String, String>,
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
    loop {
        let mut now = before.clone();
        for name in &fresh {
            now.extend(index.named(name).next().map(|newest| (index.name(newest), newest)));
        }
        let more = unfit(&relating, &before, &now);
        let count = fresh.len();
        fresh.extend(more.into_iter().filter(|name| locked.contains_key(*name)).map(str::to_owned));
        if fresh.len() == count {
            return fresh;
        }
    }
}

/// What of the packages as they would be does not go with the others, and did before.
fn unfit<'i>(
    relating: &Relating<'i>,
    before: &HashMap<&str, PackageId>,
    now: &HashMap<&str, PackageId>,
) -> BTreeSet<&'i str> {
    let index = relating.index();
    let is_in = |all: &HashMap<&str, PackageId>, id: PackageId| all.get(index.name(id)) == Some(&id);
    let mut unfit = BTreeSet::new();
    for id in now.values().copied() {
        let (name, facts) = (index.name(id), relating.facts(id));
        let is_as_before = is_in(before, id);
        for clause in &facts.clauses {
            if clause.packages().any(|other| is_in(now, other)) {
                continue;
            }
            if is_as_before {
                // Something else is to be newer than it allows.
                if clause.packages().any(|other| is_in(before, other)) {
                    unfit.insert(name);
                }
            } else {
                unfit.extend(clause.packages().map(|other| index.name(other)));
            }
        }
        for other in facts.conflicts.iter().flat_map(|conflict| &conflict.packages).copied() {
            if is_in(now, other) && !(is_as_before && is_in(before, other)) {
                unfit.insert(if is_as_before { name } else { index.name(other) });
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
             foe 1\nfoe 2; Breaks: free (<< 2)\nshy 1; Breaks: lib (>= 2)\nshy 2",
        );
        let locked: Vec<&str> = vec!["app", "app-data", "foe", "free", "lib", "own", "plugin", "shy"];
        let locked: BTreeMap<String, String> =
            locked.into_iter().map(|name| (name.to_owned(), "1".to_owned())).collect();
        let along = |named: &str| {
            let named = BTreeSet::from([named.to_owned()]);
            along(&index, &locked, &named).into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(along("app"), "app app-data lib own plugin shy");
        assert_eq!(along("app-data"), "app app-data lib own plugin shy");
        assert_eq!(along("lib"), "lib shy");
        assert_eq!(along("foe"), "foe free");
        assert_eq!(along("free"), "free");
        assert_eq!(along("nothing"), "");
    }
}
