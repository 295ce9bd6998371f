//! Sets of globs that many selections ask for: those of the run-time rules and of the strip classes, which are the same for
//! every layer, pass and image. Each is compiled once.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// What is held against globs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Over {
    /// Words: `*` stands for any characters.
    Words,
    /// Paths: `*` stays within a component.
    Paths,
}

/// How many sets are kept: recipes with rules of their own have their own sets.
const KEPT: usize = 64;

type Key = (Over, Vec<String>);

static SETS: LazyLock<Mutex<HashMap<Key, Arc<GlobSet>>>> = LazyLock::new(Mutex::default);

/// The set of some globs, in their order.
pub(super) fn glob_set(over: Over, globs: Vec<String>) -> Result<Arc<GlobSet>, globset::Error> {
    let key = (over, globs);
    // Who comes second waits: they come at once, one for each architecture.
    let mut sets = SETS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = sets.get(&key) {
        return Ok(Arc::clone(known));
    }
    let mut builder = GlobSetBuilder::new();
    for glob in &key.1 {
        builder.add(GlobBuilder::new(glob).literal_separator(over == Over::Paths).build()?);
    }
    let set = Arc::new(builder.build()?);
    if sets.len() >= KEPT {
        sets.clear();
    }
    sets.insert(key, Arc::clone(&set));
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(over: Over, globs: &[&str], text: &str) -> Vec<usize> {
        glob_set(over, globs.iter().map(|glob| (*glob).to_owned()).collect()).unwrap().matches(text)
    }

    #[test]
    fn the_same_globs_mean_another_thing_for_paths() {
        assert_eq!(places(Over::Words, &["x", "a*"], "a/b"), [1]);
        assert_eq!(places(Over::Paths, &["x", "a*"], "a/b"), [0; 0]);
        assert_eq!(places(Over::Paths, &["x", "a/*"], "a/b"), [1]);
    }

    #[test]
    fn more_sets_than_are_kept_are_right_all_the_same() {
        for _ in 0..2 {
            for number in 0..KEPT + 3 {
                let glob = format!("{number}-*");
                assert_eq!(places(Over::Words, &[&glob], &format!("{number}-x")), [0]);
                assert_eq!(places(Over::Words, &[&glob], &format!("{}-x", number + 1)), [0; 0]);
            }
        }
    }
}
