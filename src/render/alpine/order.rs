//! The order in which apk would have installed the packages.

use std::collections::{BTreeMap, BTreeSet};

use super::Package;

/// Positions of packages in the order of installation: what a package requires comes before it, and those the
/// recipe names are begun with by name, as apk's solver does. A layer's packages come after those of lower
/// layers and depend on nothing above them, so that the order of a base is the same below any recipe.
pub(super) fn install_order(packages: &[Package<'_>]) -> Vec<usize> {
    let by_name: BTreeMap<&str, usize> =
        packages.iter().enumerate().map(|(at, package)| (package.name, at)).collect();
    let mut starts: Vec<(usize, bool, &str, usize)> = packages
        .iter()
        .enumerate()
        .map(|(at, package)| (package.layer, !package.named, package.name, at))
        .collect();
    starts.sort_unstable();
    let mut order = Vec::with_capacity(packages.len());
    let mut seen = BTreeSet::new();
    for (layer, _, _, start) in starts {
        // Each package with the next of its requirements to look at.
        let mut path: Vec<(usize, usize)> = Vec::new();
        if seen.insert(start) {
            path.push((start, 0));
        }
        while let Some((at, next)) = path.last_mut() {
            let Some(required) = packages[*at].requires.get(*next) else {
                order.push(*at);
                path.pop();
                continue;
            };
            *next += 1;
            if let Some(required) = by_name.get(required).copied()
                && packages[required].layer <= layer
                && seen.insert(required)
            {
                path.push((required, 0));
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apk::Checksum;
    use crate::apk::installed::InstalledPackage;

    fn package<'a>(name: &'a str, layer: usize, named: bool, requires: &[&'a str]) -> Package<'a> {
        let record = InstalledPackage {
            pkginfo: "",
            arch: None,
            checksum: Checksum::of(b""),
            size: 0,
            files: Vec::new(),
            scripts: BTreeMap::new(),
        };
        Package { name, layer, named, whole: true, requires: requires.to_vec(), record }
    }

    fn names<'a>(packages: &[Package<'a>]) -> Vec<&'a str> {
        install_order(packages).into_iter().map(|at| packages[at].name).collect()
    }

    #[test]
    fn requirements_come_first_and_upper_layers_last() {
        let base = [
            package("busybox", 0, true, &["musl"]),
            package("baselayout", 0, true, &["data", "sh"]),
            package("sh", 0, false, &["busybox"]),
            package("musl", 0, false, &[]),
            package("data", 0, false, &[]),
            package("loop-a", 0, false, &["loop-b"]),
            package("loop-b", 0, false, &["loop-a", "unknown"]),
        ];
        let order = ["data", "musl", "busybox", "sh", "baselayout", "loop-b", "loop-a"];
        assert_eq!(names(&base), order);
        let mut all = base.to_vec();
        all[4].requires = vec!["added"];
        all.insert(0, package("added", 1, false, &["loop-a"]));
        all.insert(0, package("aaa", 1, true, &["musl", "added"]));
        assert_eq!(names(&all), [&order[..], &["added", "aaa"]].concat());
    }
}
