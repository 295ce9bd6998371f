//! Commands that make, move and take away files.

use super::super::machine::{Content, Machine};
use super::super::{Effect, ModeChange, Owner};
use super::arguments::{Arguments, Flag};
use super::{all_known, doubtful};
use crate::root_path::RootPath;
use crate::shell::{Call, Node, Reply, World};

/// Reads a command line of known words.
fn read(call: &Call, flags: &[Flag]) -> Result<Arguments, Reply> {
    if !all_known(call) {
        return Err(doubtful());
    }
    Arguments::read(&call.argv[1..], flags).map_err(Reply::Unknown)
}

/// Where a path is once the links in its directories are followed; its last component is not.
fn place(machine: &Machine<'_>, call: &Call, path: &str) -> Option<RootPath> {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return path.starts_with('/').then(RootPath::root);
    }
    let (directory, name) = trimmed.rsplit_once('/').map_or((".", trimmed), |(directory, name)| {
        (if directory.is_empty() { "/" } else { directory }, name)
    });
    if matches!(name, "." | "..") {
        return machine.resolved(call, trimmed);
    }
    machine.resolved(call, directory)?.join(name).ok()
}

/// Where a file goes: into a directory, or to the path itself.
fn target(machine: &Machine<'_>, call: &Call, from: &str, to: &str, into: bool) -> Option<RootPath> {
    let resolved = machine.resolved(call, to).filter(|path| machine.node(path) == Some(Node::Directory));
    match resolved {
        Some(directory) if into => {
            directory.join(from.trim_end_matches('/').rsplit('/').next().unwrap_or(from)).ok()
        }
        _ => place(machine, call, to),
    }
}

fn owner(user: Option<&str>, group: Option<&str>) -> Option<Owner> {
    let name = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(ToOwned::to_owned);
    let owner = Owner { user: name(user), group: name(group) };
    (owner.user.is_some() || owner.group.is_some()).then_some(owner)
}

fn octal(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777)
}

/// The number of a mode as `mkdir -m` and `install -m` take it.
fn mode_of(text: Option<&str>) -> Result<Option<u32>, Reply> {
    match text {
        None => Ok(None),
        Some(text) => octal(text)
            .or_else(|| symbolic(text))
            .map(Some)
            .ok_or_else(|| Reply::Unknown(format!("there is no model of the mode `{text}`"))),
    }
}

/// `u=rwx,g=rx,o=` as a number.
fn symbolic(text: &str) -> Option<u32> {
    let mut mode = 0;
    for clause in text.split(',') {
        let (who, what) = clause.split_once('=')?;
        let bits = what.chars().try_fold(0, |bits, letter| {
            Some(
                bits | match letter {
                    'r' => 4,
                    'w' => 2,
                    'x' => 1,
                    _ => return None,
                },
            )
        })?;
        for letter in if who.is_empty() { "a" } else { who }.chars() {
            mode |= match letter {
                'u' => bits << 6,
                'g' => bits << 3,
                'o' => bits,
                'a' => bits << 6 | bits << 3 | bits,
                _ => return None,
            };
        }
    }
    Some(mode)
}

pub(super) fn mkdir(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [('p', "parents", false), ('m', "mode", true), ('v', "verbose", false), ('Z', "", false)];
    let (arguments, mode) = match read(call, &flags).and_then(|read| Ok((mode_of(read.value("m"))?, read))) {
        Ok((mode, arguments)) => (arguments, mode),
        Err(reply) => return reply,
    };
    let mut status = 0;
    for path in &arguments.operands {
        status |= directory(machine, call, path, arguments.has("p"), mode, None);
    }
    Reply::status(status)
}

/// Makes a directory; the status.
fn directory(
    machine: &mut Machine<'_>,
    call: &Call,
    path: &str,
    parents: bool,
    mode: Option<u32>,
    owner: Option<Owner>,
) -> i32 {
    if let Some(there) = machine.resolved(call, path) {
        if machine.node(&there) != Some(Node::Directory) || !parents {
            return 1;
        }
        if owner.is_some() {
            machine.make_directory(&there, mode, owner);
        }
        return 0;
    }
    if parents {
        let above = path.trim_end_matches('/').rsplit_once('/').map(|(above, _)| above);
        if let Some(above) = above.filter(|above| !above.is_empty())
            && machine.resolved(call, above).is_none()
            && directory(machine, call, above, true, None, None) != 0
        {
            return 1;
        }
    }
    match place(machine, call, path) {
        Some(path) => {
            machine.make_directory(&path, mode, owner);
            0
        }
        None => 1,
    }
}

pub(super) fn install(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [
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
    ];
    let (arguments, mode) = match read(call, &flags).and_then(|read| Ok((mode_of(read.value("m"))?, read))) {
        Ok((mode, arguments)) => (arguments, mode),
        Err(reply) => return reply,
    };
    let owner = owner(arguments.value("o"), arguments.value("g"));
    if arguments.has("d") {
        let mut status = 0;
        for path in &arguments.operands {
            status |= directory(machine, call, path, true, Some(mode.unwrap_or(0o755)), owner.clone());
            // Another than mkdir, it sets the mode of what is there.
            if let Some(there) = machine.resolved(call, path)
                && let Some(mode) = mode
            {
                machine.make_directory(&there, Some(mode), owner.clone());
            }
        }
        return Reply::status(status);
    }
    let mut operands = arguments.operands.clone();
    let into = match arguments.value("t") {
        Some(directory) => directory.to_owned(),
        None => operands.pop().unwrap_or_default(),
    };
    if arguments.has("D")
        && let Some((above, _)) = into.rsplit_once('/')
    {
        directory(machine, call, above, true, None, None);
    }
    let mut status = 0;
    for from in &operands {
        let to = target(machine, call, from, &into, !arguments.has("T"));
        let mode = Some(mode.unwrap_or(0o755));
        match copy_file(machine, call, from, to, mode, owner.clone()) {
            Ok(one) => status |= one,
            Err(reason) => return Reply::Unknown(reason),
        }
    }
    Reply::status(status)
}

/// Copies a file, links followed; the status.
fn copy_file(
    machine: &mut Machine<'_>,
    call: &Call,
    from: &str,
    to: Option<RootPath>,
    mode: Option<u32>,
    owner: Option<Owner>,
) -> Result<i32, String> {
    let source = match from {
        "/dev/null" => None,
        _ => match machine.resolved(call, from) {
            Some(path) if matches!(machine.node(&path), Some(Node::File { .. })) => Some(path),
            _ => return Ok(1),
        },
    };
    let Some(to) = to else { return Ok(1) };
    let content = source.as_ref().map_or(Content::Text(String::new()), |path| machine.content(path));
    let mode = mode.or_else(|| source.as_ref().map(|path| machine.mode(path)));
    machine.make_file(&to, content, mode, owner).map(|()| 0)
}

pub(super) fn cp(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [
        ('Z', "", false),
        ('a', "archive", false),
        ('r', "recursive", false),
        ('R', "", false),
        ('f', "force", false),
        ('p', "", false),
        ('v', "verbose", false),
        ('n', "no-clobber", false),
        ('d', "", false),
        ('L', "dereference", false),
        ('P', "no-dereference", false),
        ('u', "update", false),
        ('H', "", false),
        ('T', "no-target-directory", false),
        ('t', "target-directory", true),
        ('i', "interactive", false),
        ('\0', "preserve", false),
        ('x', "", false),
        ('l', "link", false),
        ('s', "symbolic-link", false),
        ('b', "", false),
        ('\0', "reflink", false),
        ('\0', "remove-destination", false),
        ('S', "suffix", true),
    ];
    let arguments = match read(call, &flags) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    let mut operands = arguments.operands.clone();
    let into = match arguments.value("t") {
        Some(directory) => directory.to_owned(),
        None => operands.pop().unwrap_or_default(),
    };
    let recursive = ["a", "r", "R"].iter().any(|flag| arguments.has(flag));
    let keeps_links =
        ["a", "d", "P"].iter().any(|flag| arguments.has(flag)) || recursive && !arguments.has("L");
    let mut status = 0;
    for from in &operands {
        let Some(to) = target(machine, call, from, &into, !arguments.has("T")) else {
            status = 1;
            continue;
        };
        if arguments.has("n") && machine.node(&to).is_some() {
            continue;
        }
        let source = if keeps_links { place(machine, call, from) } else { machine.resolved(call, from) };
        let Some(source) = source else {
            status = 1;
            continue;
        };
        let copied = match machine.node(&source) {
            Some(Node::File { .. }) => copy_file(machine, call, source.as_str(), Some(to), None, None),
            Some(Node::Symlink(target)) => {
                machine.make_symlink(&to, &target);
                Ok(0)
            }
            Some(Node::Directory) if recursive => copy_tree(machine, call, &source, &to),
            _ => Ok(1),
        };
        match copied {
            Ok(one) => status |= one,
            Err(reason) => return Reply::Unknown(reason),
        }
    }
    Reply::status(status)
}

fn copy_tree(machine: &mut Machine<'_>, call: &Call, from: &RootPath, to: &RootPath) -> Result<i32, String> {
    let mut status = 0;
    for (path, node) in machine.tree(from) {
        let below = path.as_str().get(from.as_str().len()..).unwrap_or_default();
        let Ok(new) = to.join(below) else { continue };
        match node {
            Node::Directory => machine.make_directory(&new, None, None),
            Node::Symlink(target) => machine.make_symlink(&new, &target),
            Node::File { .. } => status |= copy_file(machine, call, path.as_str(), Some(new), None, None)?,
            Node::Other => status = 1,
        }
    }
    Ok(status)
}

pub(super) fn mv(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [
        ('f', "force", false),
        ('n', "no-clobber", false),
        ('v', "verbose", false),
        ('i', "interactive", false),
        ('T', "no-target-directory", false),
        ('t', "target-directory", true),
        ('u', "update", false),
        ('b', "", false),
        ('Z', "", false),
    ];
    let arguments = match read(call, &flags) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    let mut operands = arguments.operands.clone();
    let into = match arguments.value("t") {
        Some(directory) => directory.to_owned(),
        None => operands.pop().unwrap_or_default(),
    };
    let mut status = 0;
    for from in &operands {
        let source = place(machine, call, from).filter(|path| machine.node(path).is_some());
        let to = target(machine, call, from, &into, !arguments.has("T"));
        match (source, to) {
            (Some(source), Some(to)) => {
                if arguments.has("n") && machine.node(&to).is_some() {
                    continue;
                }
                if let Err(reason) = machine.rename(&source, &to) {
                    return Reply::Unknown(reason);
                }
            }
            _ => status = 1,
        }
    }
    Reply::status(status)
}

pub(super) fn ln(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [
        ('s', "symbolic", false),
        ('f', "force", false),
        ('n', "no-dereference", false),
        ('r', "relative", false),
        ('T', "no-target-directory", false),
        ('t', "target-directory", true),
        ('v', "verbose", false),
        ('b', "", false),
        ('i', "", false),
        ('P', "", false),
        ('L', "", false),
    ];
    let arguments = match read(call, &flags) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    let mut operands = arguments.operands.clone();
    let into = match (arguments.value("t"), operands.len()) {
        (Some(directory), _) => directory.to_owned(),
        (None, 1) => ".".to_owned(),
        (None, _) => operands.pop().unwrap_or_default(),
    };
    let mut status = 0;
    for from in &operands {
        let is_link = place(machine, call, &into)
            .is_some_and(|path| matches!(machine.node(&path), Some(Node::Symlink(_))));
        let whole = arguments.has("T") || arguments.has("n") && is_link;
        let Some(link) = target(machine, call, from, &into, !whole) else {
            status = 1;
            continue;
        };
        if machine.node(&link).is_some()
            && (!arguments.has("f") || machine.node(&link) == Some(Node::Directory))
        {
            status = 1;
            continue;
        }
        if !arguments.has("s") {
            match copy_file(machine, call, from, Some(link), None, None) {
                Ok(one) => status |= one,
                Err(reason) => return Reply::Unknown(reason),
            }
        } else if arguments.has("r") {
            let to = RootPath::root().link_target(from);
            machine.make_symlink(&link, &relative(&link, &to));
        } else {
            machine.make_symlink(&link, from);
        }
    }
    Reply::status(status)
}

/// The text of a link that leads to a path by way of `..`.
fn relative(link: &RootPath, to: &RootPath) -> String {
    let from: Vec<&str> = link.components().collect();
    let to: Vec<&str> = to.components().collect();
    let above = from.len().saturating_sub(1);
    let common = from[..above].iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", above - common);
    up.chain(to[common..].iter().copied()).collect::<Vec<_>>().join("/")
}

pub(super) fn rm(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [
        ('r', "recursive", false),
        ('R', "", false),
        ('f', "force", false),
        ('d', "dir", false),
        ('v', "verbose", false),
        ('i', "", false),
        ('I', "", false),
        ('\0', "one-file-system", false),
    ];
    let arguments = match read(call, &flags) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    let recursive = arguments.has("r") || arguments.has("R");
    let mut status = 0;
    for path in &arguments.operands {
        let there = place(machine, call, path).and_then(|path| Some((machine.node(&path)?, path)));
        match there {
            Some((Node::Directory, path)) if recursive && !path.is_root() => machine.remove(&path, true),
            Some((Node::Directory, _)) => status = 1,
            Some((_, path)) => machine.remove(&path, false),
            None => status |= i32::from(!arguments.has("f")),
        }
    }
    Reply::status(status)
}

pub(super) fn rmdir(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [('p', "parents", false), ('v', "verbose", false), ('\0', "ignore-fail-on-non-empty", false)];
    let arguments = match read(call, &flags) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    let mut status = 0;
    for path in &arguments.operands {
        match place(machine, call, path) {
            Some(path) if machine.node(&path) == Some(Node::Directory) && machine.list(&path).is_empty() => {
                machine.remove(&path, false);
            }
            Some(path) if machine.node(&path).is_some() => {
                status |= i32::from(!arguments.has("ignore-fail-on-non-empty"));
            }
            _ => status = 1,
        }
    }
    Reply::status(status)
}

pub(super) fn touch(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [
        ('c', "no-create", false),
        ('a', "", false),
        ('m', "", false),
        ('r', "reference", true),
        ('d', "date", true),
        ('t', "", true),
        ('h', "no-dereference", false),
    ];
    let arguments = match read(call, &flags) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    let mut status = 0;
    for path in &arguments.operands {
        if machine.resolved(call, path).is_some() || arguments.has("c") {
            continue;
        }
        match place(machine, call, path) {
            Some(path) => {
                if let Err(reason) = machine.make_file(&path, Content::Text(String::new()), None, None) {
                    return Reply::Unknown(reason);
                }
            }
            None => status = 1,
        }
    }
    Reply::status(status)
}

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

pub(super) fn chmod(machine: &mut Machine<'_>, call: &Call) -> Reply {
    // `-x` and the like are modes, not options.
    let is_mode = |word: &&String| {
        word.starts_with('-') && word.len() > 1 && word[1..].chars().all(|letter| "rwxXst".contains(letter))
    };
    let (modes, words): (Vec<&String>, Vec<&String>) = call.argv.iter().partition(|word| is_mode(word));
    let mut argv: Vec<String> = words.into_iter().cloned().collect();
    if let Some(mode) = modes.first() {
        argv.insert(1, format!("a{mode}"));
    }
    let arguments = match read(&Call { argv, ..call.clone() }, CHANGE) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    let mut operands = arguments.operands.as_slice();
    let mode = match (arguments.value("reference"), operands.split_first()) {
        (Some(path), _) => match machine.resolved(call, path) {
            Some(path) => ModeChange::Bits(machine.mode(&path)),
            None => return Reply::status(1),
        },
        (None, Some((text, rest))) => {
            operands = rest;
            octal(text).map_or_else(|| ModeChange::Symbolic(text.clone()), ModeChange::Bits)
        }
        (None, None) => return Reply::status(1),
    };
    let mut status = 0;
    for path in operands {
        let Some(path) = machine.resolved(call, path) else {
            status = 1;
            continue;
        };
        if let ModeChange::Bits(bits) = mode {
            machine.set_mode(&path, bits);
        }
        if !machine.passes(&path) {
            machine.effect(Effect::Mode { path, mode: mode.clone(), recursive: arguments.has("R") });
        }
    }
    Reply::status(status)
}

pub(super) fn chown(machine: &mut Machine<'_>, call: &Call) -> Reply {
    change_owner(machine, call, false)
}

pub(super) fn chgrp(machine: &mut Machine<'_>, call: &Call) -> Reply {
    change_owner(machine, call, true)
}

fn change_owner(machine: &mut Machine<'_>, call: &Call, group_only: bool) -> Reply {
    let arguments = match read(call, CHANGE) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    if arguments.has("reference") {
        return Reply::Unknown("there is no model of its option `--reference`".to_owned());
    }
    let Some((who, paths)) = arguments.operands.split_first() else { return Reply::status(1) };
    let (user, group) = if group_only {
        ("", who.as_str())
    } else {
        who.split_once(':').or_else(|| who.split_once('.')).unwrap_or((who, ""))
    };
    let name = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let accounts = &machine.accounts;
    let is_there = |text: &str, known: bool| text.is_empty() || known || text.parse::<u32>().is_ok();
    if !is_there(user, accounts.users.contains_key(user))
        || !is_there(group, accounts.groups.contains_key(group))
    {
        // Whoever makes it comes before this package: a dependency's script, or a file of sysusers.d.
        machine.skipped.insert(format!("{who} is not known when it is made an owner"));
    }
    let mut status = 0;
    for path in paths {
        let there = if arguments.has("h") {
            place(machine, call, path).filter(|path| machine.node(path).is_some())
        } else {
            machine.resolved(call, path)
        };
        let Some(path) = there else {
            status = i32::from(!arguments.has("f"));
            continue;
        };
        if !machine.passes(&path) {
            let (user, group) = (name(user), name(group));
            machine.effect(Effect::Owner { path, user, group, recursive: arguments.has("R") });
        }
    }
    Reply::status(status)
}

pub(super) fn mktemp(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [
        ('d', "directory", false),
        ('p', "tmpdir", true),
        ('t', "", false),
        ('q', "quiet", false),
        ('u', "dry-run", false),
        ('\0', "suffix", true),
        ('m', "mode", true),
        ('s', "", true),
    ];
    let arguments = match read(call, &flags) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    let template = arguments.operands.first().map_or("tmp.XXXXXXXXXX", String::as_str);
    let directory = arguments.value("p").filter(|text| !text.is_empty()).unwrap_or("/tmp");
    let in_tmp = arguments.operands.is_empty() || arguments.has("p") || arguments.has("t");
    let path = if in_tmp && !template.starts_with('/') {
        format!("{directory}/{template}")
    } else if template.starts_with('/') {
        template.to_owned()
    } else {
        format!("{}/{template}", call.directory)
    };
    match RootPath::parse(&path) {
        Ok(path) => {
            let made = machine.temporary(&path, arguments.has("d"));
            Reply::output(format!("{made}\n"))
        }
        Err(_) => Reply::status(1),
    }
}

/// ucf(1): a configuration file that is not there yet is copied.
pub(super) fn ucf(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [
        ('\0', "three-way", false),
        ('\0', "debconf-ok", false),
        ('\0', "debconf-template", true),
        ('\0', "src-dir", true),
        ('\0', "sum-file", true),
        ('s', "", true),
        ('v', "verbose", false),
        ('p', "purge", false),
        ('d', "debug", false),
        ('n', "no-action", false),
        ('Z', "", false),
        ('\0', "state-dir", true),
    ];
    // It takes long options with one dash too.
    let one_dash = |word: &String| word.starts_with('-') && !word.starts_with("--") && word.len() > 4;
    let argv = call.argv.iter().map(|word| if one_dash(word) { format!("-{word}") } else { word.clone() });
    let arguments = match read(&Call { argv: argv.collect(), ..call.clone() }, &flags) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    let [from, to] = arguments.operands.as_slice() else { return Reply::status(0) };
    if arguments.has("p") || machine.resolved(call, to).is_some() {
        return Reply::status(0);
    }
    let directory = to.rsplit_once('/').map_or("/", |(directory, _)| directory);
    directory_of(machine, call, directory);
    let to = place(machine, call, to);
    match copy_file(machine, call, from, to, None, None) {
        Ok(status) => Reply::status(status),
        Err(reason) => Reply::Unknown(reason),
    }
}

fn directory_of(machine: &mut Machine<'_>, call: &Call, path: &str) {
    if machine.resolved(call, path).is_none() {
        directory(machine, call, path, true, None, None);
    }
}
