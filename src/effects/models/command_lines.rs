//! What mkdir(1), install(1), chmod(1) and chown(1) are told, whether a maintainer script or a service's unit calls them.

use super::super::{ModeChange, Owner};
use super::arguments::{Arguments, Flag};

const MKDIR: &[Flag] =
    &[('p', "parents", false), ('m', "mode", true), ('v', "verbose", false), ('Z', "", false)];

const INSTALL: &[Flag] = &[
    ('d', "directory", false),
    ('m', "mode", true),
    ('o', "owner", true),
    ('g', "group", true),
    ('D', "", false),
    ('T', "no-target-directory", false),
    ('t', "target-directory", true),
    ('p', "preserve-timestamps", false),
    ('v', "verbose", false),
    ('c', "", false),
    ('C', "compare", false),
    ('b', "", false),
    ('s', "strip", false),
    ('Z', "", false),
];

const CHANGE: &[Flag] = &[
    ('R', "recursive", false),
    ('f', "silent", false),
    ('\0', "quiet", false),
    ('v', "verbose", false),
    ('c', "changes", false),
    ('h', "no-dereference", false),
    ('\0', "reference", true),
    ('\0', "from", true),
    ('P', "", false),
    ('H', "", false),
    ('L', "", false),
    ('\0', "preserve-root", false),
    ('\0', "dereference", false),
];

/// The words behind `mkdir`; the text of an option that is not known otherwise, as for all of these.
pub(crate) fn mkdir(words: &[String]) -> Result<Arguments, String> {
    Arguments::read(words, MKDIR)
}

/// The words behind `install`.
pub(crate) fn install(words: &[String]) -> Result<Arguments, String> {
    Arguments::read(words, INSTALL)
}

/// The words behind `chown` or `chgrp`.
pub(crate) fn chown(words: &[String]) -> Result<Arguments, String> {
    Arguments::read(words, CHANGE)
}

/// The words behind `chmod`. The mode is the first operand, unless it is that of a file (`--reference`).
pub(crate) fn chmod(words: &[String]) -> Result<Arguments, String> {
    // `-x` and the like are modes, not options.
    let is_mode = |word: &String| {
        word.strip_prefix('-')
            .is_some_and(|mode| !mode.is_empty() && mode.chars().all(|letter| "rwxXst".contains(letter)))
    };
    let (modes, mut words): (Vec<String>, Vec<String>) = words.iter().cloned().partition(is_mode);
    if let Some(mode) = modes.first() {
        words.insert(0, format!("a{mode}"));
    }
    Arguments::read(&words, CHANGE)
}

/// The owner that `chown` is told: `USER`, `USER:GROUP`, `:GROUP`, or `USER:` for the user and the group of its login.
pub(crate) fn owner_of(who: &str, login_group: impl Fn(&str) -> Option<String>) -> Owner {
    let (user, group) = who.split_once(':').or_else(|| who.split_once('.')).unwrap_or((who, ""));
    let name = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let login = (group.is_empty() && who.ends_with(':')).then(|| login_group(user)).flatten();
    Owner { user: name(user), group: login.or_else(|| name(group)) }
}

/// The permission bits of what is made with `-m` where it has those before without; none if the text is no mode.
pub(crate) fn made_with(mode: &str, before: u32) -> Option<u32> {
    ModeChange::of(mode).applied(before, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn a_mode_is_no_option() {
        let told = chmod(&words("-R -x /a")).unwrap();
        assert_eq!((told.operands, told.options), (words("a-x /a"), vec![("R".to_owned(), String::new())]));
        assert_eq!(chmod(&words("-q 0644 /a")).unwrap_err(), "there is no model of its option `-q`");
        assert_eq!(chmod(&words("--quiet 0644 -- -a")).unwrap().operands, ["0644", "-a"]);
    }

    #[test]
    fn owners_are_told_in_four_ways() {
        for (who, user, group) in [
            ("ant", Some("ant"), None),
            ("ant:bee", Some("ant"), Some("bee")),
            ("ant.bee", Some("ant"), Some("bee")),
            (":bee", None, Some("bee")),
            ("ant:", Some("ant"), Some("ant's")),
        ] {
            let owner = owner_of(who, |user| Some(format!("{user}'s")));
            assert_eq!((owner.user.as_deref(), owner.group.as_deref()), (user, group), "{who}");
        }
    }

    #[test]
    fn modes_start_from_what_is_usual() {
        assert_eq!(made_with("02750", 0o777), Some(0o2750));
        assert_eq!(made_with("u=rwx,g=rx,o=", 0), Some(0o750));
        assert_eq!(made_with("o=", 0o777), Some(0o770));
        assert_eq!(made_with("17777", 0), None);
    }
}
