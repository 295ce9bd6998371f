//! The command lines of busybox's `adduser` and `addgroup`.

use std::collections::BTreeMap;

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AccountCommand {
    /// A new group.
    Group(NewGroup),
    /// A user is to be in a group.
    Member {
        /// The user.
        user: String,
        /// The group.
        group: String,
    },
    /// A new user.
    User(NewUser),
}

/// `addgroup`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NewGroup {
    pub(super) name: String,
    pub(super) gid: Option<u32>,
    pub(super) system: bool,
}

/// `adduser`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NewUser {
    pub(super) name: String,
    pub(super) uid: Option<u32>,
    pub(super) system: bool,
    pub(super) group: Option<String>,
    pub(super) comment: Option<String>,
    pub(super) home: Option<String>,
    pub(super) shell: Option<String>,
    pub(super) no_home: bool,
}

/// An option: its letter, its long name, whether a value follows.
type Flag = (char, &'static str, bool);

const ADDGROUP: &[Flag] = &[('g', "gid", true), ('S', "system", false)];
const ADDUSER: &[Flag] = &[
    ('h', "home", true),
    ('g', "gecos", true),
    ('s', "shell", true),
    ('G', "ingroup", true),
    ('u', "uid", true),
    ('k', "skel", true),
    ('S', "system", false),
    ('D', "disabled-password", false),
    ('H', "no-create-home", false),
];

/// What a command line asks for; none if it is not one of these programs, or called in a way they refuse.
pub(super) fn account_command(words: &[String]) -> Option<AccountCommand> {
    let (program, arguments) = words.split_first()?;
    let is_adduser = program == "adduser";
    if !is_adduser && program != "addgroup" {
        return None;
    }
    let (options, names) = options(arguments, if is_adduser { ADDUSER } else { ADDGROUP })?;
    let text = |letter: char| options.get(&letter).cloned();
    let number = |letter: char| options.get(&letter).map(|value| value.parse::<u32>().ok());
    match names.as_slice() {
        [user, group] => Some(AccountCommand::Member { user: user.clone(), group: group.clone() }),
        [name] if !is_name(name) => None,
        [name] if is_adduser => Some(AccountCommand::User(NewUser {
            name: name.clone(),
            uid: number('u').map_or(Some(None), |uid| uid.map(Some))?,
            system: options.contains_key(&'S'),
            group: text('G'),
            comment: text('g'),
            home: text('h'),
            shell: text('s'),
            no_home: options.contains_key(&'H'),
        })),
        [name] => Some(AccountCommand::Group(NewGroup {
            name: name.clone(),
            gid: number('g').map_or(Some(None), |gid| gid.map(Some))?,
            system: options.contains_key(&'S'),
        })),
        _ => None,
    }
}

/// A name that cannot break a line of the files.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.$".contains(c))
}

/// Options, which may stand among the other arguments, and those.
fn options(arguments: &[String], known: &[Flag]) -> Option<(BTreeMap<char, String>, Vec<String>)> {
    let (mut options, mut rest) = (BTreeMap::new(), Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            rest.extend(arguments.by_ref().cloned());
        } else if let Some(long) = argument.strip_prefix("--") {
            let (name, given) =
                long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            let (letter, _, has_value) = known.iter().find(|(_, known, _)| *known == name)?;
            let value = match (given, has_value) {
                (Some(value), true) => value.to_owned(),
                (None, true) => arguments.next()?.clone(),
                (None, false) => String::new(),
                (Some(_), false) => return None,
            };
            options.insert(*letter, value);
        } else if let Some(letters) = argument.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            for (at, letter) in letters.char_indices() {
                let (_, _, has_value) = known.iter().find(|(known, _, _)| *known == letter)?;
                if !has_value {
                    options.insert(letter, String::new());
                    continue;
                }
                // The value is the rest of the word, or the next word.
                let value = match &letters[at + letter.len_utf8()..] {
                    "" => arguments.next()?.clone(),
                    value => value.to_owned(),
                };
                options.insert(letter, value);
                break;
            }
        } else {
            rest.push(argument.clone());
        }
    }
    let is_line = |text: &String| !text.contains([':', '\n']);
    (options.values().all(is_line) && rest.iter().all(is_line)).then_some((options, rest))
}
