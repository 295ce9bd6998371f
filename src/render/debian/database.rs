//! What dpkg remembers of diversions and of owners and modes set by scripts: `/var/lib/dpkg/diversions` and
//! `statoverride` (dpkg-divert(1), dpkg-statoverride(1)), for an image in which dpkg itself works.

use std::collections::BTreeSet;

use crate::effects::Effect;

use super::{Made, MadeFile, fixed};

pub(super) const DIVERSIONS: &str = "/var/lib/dpkg/diversions";
pub(super) const OVERRIDES: &str = "/var/lib/dpkg/statoverride";

/// The files, of the effects of each package of the image.
pub(super) fn records<'a>(packages: impl Iterator<Item = (&'a str, &'a [Effect])>) -> Made {
    let (mut diversions, mut overrides) = (String::new(), Vec::new());
    let mut diverted = BTreeSet::new();
    for (package, effects) in packages {
        for effect in effects {
            match effect {
                Effect::Divert { path, to, .. } if diverted.insert(path) => {
                    diversions.push_str(&format!("{path}\n{to}\n{package}\n"));
                }
                Effect::StatOverride { path, user, group, mode } => {
                    overrides.push((path, format!("{user} {group} {mode:o} {path}\n")));
                }
                _ => {}
            }
        }
    }
    overrides.sort();
    overrides.dedup();
    let overrides: String = overrides.into_iter().map(|(_, line)| line).collect();
    let file = |path, text: String| (fixed(path), MadeFile::file(fixed(path), 0o644, text.into_bytes()));
    let files = [(DIVERSIONS, diversions), (OVERRIDES, overrides)];
    files.into_iter().filter(|(_, text)| !text.is_empty()).map(|(path, text)| file(path, text)).collect()
}

/// One of dpkg's lists, or another of a line for each thing, with what is new: dpkg refuses to work where something stands
/// in it twice.
pub(super) fn joined(list: &str, given: &str, own: &str) -> String {
    // A diversion has a line for its path, for where that goes, and for its package.
    let length = if list == DIVERSIONS { 3 } else { 1 };
    let (given, own): (Vec<&str>, Vec<&str>) = (given.lines().collect(), own.lines().collect());
    let of = |record: &[&str]| -> String {
        let first = record.first().copied().unwrap_or_default();
        // An override is of what its fourth word says, whatever that is to be like.
        if list == OVERRIDES { first.splitn(4, ' ').last().unwrap_or_default() } else { first }.to_owned()
    };
    let mut known: BTreeSet<String> = given.chunks(length).map(of).collect();
    let new = own.chunks(length).filter(|record| known.insert(of(record))).flatten();
    given.iter().chain(new).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stands_in_a_list_twice() {
        let given = "/lib32\n/.lib32\nbase-files\n";
        let own = "/lib32\n/.lib32\nbase-files\n/bin/x\n/bin/x.real\nx\n/bin/x\n/bin/x.real\ny\n";
        let joined_list = "/lib32\n/.lib32\nbase-files\n/bin/x\n/bin/x.real\nx\n";
        assert_eq!(joined(DIVERSIONS, given, own), joined_list);
        let own = "root root 755 /a b\nroot root 4755 /c\n";
        assert_eq!(joined(OVERRIDES, "root app 2755 /a b\n", own), "root app 2755 /a b\nroot root 4755 /c\n");
        assert_eq!(joined("/etc/shells", "/bin/sh\n", "/bin/sh\n/bin/bash\n"), "/bin/sh\n/bin/bash\n");
    }
}
