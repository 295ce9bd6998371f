//! Commands that speak of paths.

use super::super::machine::Machine;
use super::arguments::Arguments;
use super::files::place;
use super::vague;
use crate::root_path::RootPath;
use crate::shell::text::{is_known, unknown};
use crate::shell::{Call, Node, Reply, World};

pub(super) fn basename(_: &mut Machine<'_>, call: &Call) -> Reply {
    let words: Vec<&str> =
        call.argv.iter().skip(1).map(String::as_str).filter(|word| *word != "--").collect();
    let (paths, suffix) = match words.as_slice() {
        ["-a", rest @ ..] => (rest, ""),
        ["-s", suffix, rest @ ..] => (rest, *suffix),
        [_, suffix] => (&words[..1], *suffix),
        rest => (rest, ""),
    };
    let base = |path: &str| {
        let trimmed = path.trim_end_matches('/');
        let name = if trimmed.is_empty() && !path.is_empty() {
            "/"
        } else {
            trimmed.rsplit('/').next().unwrap_or("")
        };
        let cut = name.strip_suffix(suffix).filter(|cut| !cut.is_empty()).unwrap_or(name);
        format!("{cut}\n")
    };
    Reply::output(paths.iter().map(|path| base(path)).collect::<String>())
}

pub(super) fn dirname(_: &mut Machine<'_>, call: &Call) -> Reply {
    let above = |path: &String| {
        let trimmed = path.trim_end_matches('/');
        match trimmed.rsplit_once('/') {
            Some(("", _)) => "/\n".to_owned(),
            Some((above, _)) => format!("{}\n", above.trim_end_matches('/')),
            None if trimmed.is_empty() && !path.is_empty() => "/\n".to_owned(),
            None => ".\n".to_owned(),
        }
    };
    Reply::output(call.argv.iter().skip(1).filter(|word| *word != "--").map(above).collect::<String>())
}

/// So many links are followed, as the kernel does.
const MOST_LINKS: usize = 40;

pub(super) fn readlink(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let (flags, paths): (Vec<&String>, Vec<&String>) =
        call.argv.iter().skip(1).partition(|word| word.starts_with('-') && word.len() > 1);
    let letters: String = flags.iter().map(|flag| flag.trim_start_matches('-')).collect();
    let canonical = letters.contains(['f', 'e', 'm']) || letters.contains("canonicalize");
    let mut output = String::new();
    for path in paths {
        if !is_known(path) {
            return vague();
        }
        let found = if canonical {
            let real = machine.resolved(call, path);
            real.or_else(|| without_last(machine, call, path, 0)).map(|path| path.to_string())
        } else {
            let (above, name) = path.rsplit_once('/').unwrap_or((".", path));
            let above = machine.resolved(call, if above.is_empty() { "/" } else { above });
            above.and_then(|above| above.join(name).ok()).and_then(|path| match machine.node(&path) {
                Some(Node::Symlink(target)) => Some(target),
                _ => None,
            })
        };
        match found {
            Some(text) => output.push_str(&format!("{text}\n")),
            None => return Reply::status(1),
        }
    }
    Reply::output(output)
}

/// Where a path leads whose last component need not exist; one that is a link may lead to what is not there.
fn without_last(machine: &Machine<'_>, call: &Call, path: &str, links: usize) -> Option<RootPath> {
    let path = path.trim_end_matches('/');
    let (above, name) = path.rsplit_once('/').unwrap_or((".", path));
    let above = machine.resolved(call, if above.is_empty() { "/" } else { above })?;
    let place = above.join(name).ok()?;
    match machine.node(&place) {
        Some(Node::Symlink(target)) if links < MOST_LINKS => {
            let target = place.link_target(&target);
            without_last(machine, call, target.as_str(), links + 1)
        }
        Some(Node::Symlink(_)) => None,
        _ => Some(place),
    }
}

pub(super) fn realpath(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let known = |word: &&String| !word.starts_with('-') || matches!(word.as_str(), "-e" | "-q" | "--quiet");
    if let Some(flag) = call.argv.iter().skip(1).find(|word| !known(word)) {
        return Reply::Unknown(format!("there is no model of its option `{flag}`"));
    }
    let mut argv = call.argv.clone();
    argv.retain(|word| !word.starts_with('-'));
    argv.insert(1, "-f".to_owned());
    readlink(machine, &Call { argv, ..call.clone() })
}

/// `stat -c FORMAT FILE`: modes and owners as packages and the script give them.
pub(super) fn stat(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [
        ('c', "format", true),
        ('\0', "printf", true),
        ('L', "dereference", false),
        ('f', "file-system", false),
        ('t', "terse", false),
    ];
    let arguments = match Arguments::read(&call.argv[1..], &flags) {
        Ok(arguments) => arguments,
        Err(reason) => return Reply::Unknown(reason),
    };
    let mut output = String::new();
    for path in &arguments.operands {
        if !is_known(path) {
            return vague();
        }
        let place =
            if arguments.has("L") { machine.resolved(call, path) } else { place(machine, call, path) };
        let Some(place) = place.filter(|place| machine.node(place).is_some()) else {
            return Reply::status(1);
        };
        let format = arguments.value("c").unwrap_or("%i");
        let mut letters = format.chars();
        while let Some(letter) = letters.next() {
            match (letter, letter == '%') {
                (_, true) => output.push_str(&stated(machine, &place, path, letters.next().unwrap_or('%'))),
                (letter, false) => output.push(letter),
            }
        }
        output.push('\n');
    }
    Reply::output(output)
}

/// One field of `stat`.
fn stated(machine: &Machine<'_>, place: &RootPath, path: &str, letter: char) -> String {
    let accounts = &machine.accounts;
    let owner = machine.owner(place);
    let (user, group) = (owner.user.unwrap_or_default(), owner.group.unwrap_or_default());
    let number =
        |name: &str, is_group| accounts.number(name, is_group).map_or_else(unknown, |id| id.to_string());
    match letter {
        '%' => "%".to_owned(),
        'n' => path.to_owned(),
        'a' => format!("{:o}", machine.mode(place)),
        'u' => number(&user, false),
        'g' => number(&group, true),
        'U' => accounts.name(&user, false).to_owned(),
        'G' => accounts.name(&group, true).to_owned(),
        's' => match machine.node(place) {
            Some(Node::File { size: Some(size), .. }) => size.to_string(),
            _ => unknown(),
        },
        'F' => match machine.node(place) {
            Some(Node::Directory) => "directory".to_owned(),
            Some(Node::File { size: Some(0), .. }) => "regular empty file".to_owned(),
            Some(Node::File { .. }) => "regular file".to_owned(),
            Some(Node::Symlink(_)) => "symbolic link".to_owned(),
            _ => unknown(),
        },
        _ => unknown(),
    }
}
