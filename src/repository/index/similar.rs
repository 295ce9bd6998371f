//! Names much like one that does not exist.

use std::collections::BTreeSet;

use super::PackageIndex;

impl PackageIndex {
    /// Names that one may be a misspelling of: the nearest in the index, at most three.
    pub fn similar_names(&self, name: &str) -> Vec<&str> {
        nearest(name, self.packages().map(|id| self.name(id)))
    }
}

/// Of some names those that one may be a misspelling of: the nearest, at most three.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let limit = 1 + name.len() / 4;
    let mut near: BTreeSet<(usize, &str)> = BTreeSet::new();
    let mut last = "";
    for candidate in candidates {
        if candidate == last {
            continue;
        }
        last = candidate;
        if candidate.len().abs_diff(name.len()) <= limit {
            let distance = distance(name, candidate, limit);
            near.extend((distance <= limit && distance < name.len()).then_some((distance, candidate)));
        }
    }
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// The number of insertions, deletions and substitutions between two names; above `limit`, any larger number.
fn distance(a: &str, b: &str, limit: usize) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
        if row.iter().all(|cost| *cost > limit) {
            return usize::MAX;
        }
    }
    row.last().copied().unwrap_or_default()
}
