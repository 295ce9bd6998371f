//! The known name that a misspelt one was meant to be.

/// The nearest of `known` to `name`, if one is near enough to be meant: at most a third of its letters
/// wrong. Of equally near ones the first.
pub(super) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let name = name.to_lowercase();
    let mut best: Option<(usize, &'k str)> = None;
    for candidate in known {
        let distance = distance(&name, &candidate.to_lowercase());
        let bound = candidate.chars().count().max(name.chars().count()) / 3;
        if distance <= bound && best.is_none_or(|(nearest, _)| distance < nearest) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance: letters inserted, left out, replaced or swapped with the next.
fn distance(a: &str, b: &str) -> usize {
    // No key is this long, and a recipe may hold anything.
    const LONGEST: usize = 64;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("packagse", "packages"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn near_names_are_found_and_far_ones_not() {
        let known = ["packages", "keep", "include", "exclude", "files"];
        assert_eq!(nearest("packagse", known), Some("packages"));
        assert_eq!(nearest("Package", known), Some("packages"));
        assert_eq!(nearest("file", known), Some("files"));
        assert_eq!(nearest("color", known), None);
        assert_eq!(nearest("ap", ["lp"]), None);
        assert_eq!(nearest(&"x".repeat(1000), known), None);
    }
}
