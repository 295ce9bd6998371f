//! Links in an archive of images: `docker save` writes a layer once, and a link to it wherever it stands again.

use std::collections::BTreeMap;

use crate::root_path::RootPath;

/// How many links lead to a file by way of each other.
const MAX_LINKS: usize = 40;

/// Where a symbolic link of the archive leads, both named relative to its root. What climbs out stays within.
pub(crate) fn target_of(link: &RootPath, target: &str) -> String {
    let directory = link.parent();
    let mut parts: Vec<&str> = directory.as_ref().map_or("", RootPath::relative).split('/').collect();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty() && *part != ".");
    parts.join("/")
}

/// Adds links to the files that they lead to, in whichever order they stand; what leads nowhere is left out.
pub(crate) fn follow<T: Copy>(files: &mut BTreeMap<String, T>, links: &BTreeMap<String, String>) {
    let found: Vec<(String, T)> = links
        .iter()
        .filter_map(|(link, target)| {
            let mut ends = std::iter::successors(Some(target), |at| links.get(*at)).take(MAX_LINKS);
            Some((link.clone(), ends.find_map(|at| files.get(at).copied())?))
        })
        .collect();
    files.extend(found);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    #[test]
    fn links_by_way_of_links() {
        let target = |link: &str, target: &str| target_of(&RootPath::parse(link).unwrap(), target);
        assert_eq!(target("/a/layer.tar", "../b/layer.tar"), "b/layer.tar");
        assert_eq!(target("/a", "./../../b//c"), "b/c");
        let mut files = BTreeMap::from([("file".to_owned(), 7)]);
        let links = [("a", "b"), ("b", "c"), ("c", "file"), ("x", "y"), ("y", "x"), ("z", "none")];
        follow(&mut files, &links.map(|(from, to)| (from.to_owned(), to.to_owned())).into());
        let found: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(found, ["a", "b", "c", "file"]);
    }
}
