//! Commands that make files and directories and take them away.

use super::super::Owner;
use super::super::machine::{Content, Machine};
use super::arguments::{Arguments, Flag};
use super::permissions::mode_of;
use super::{all_known, command_lines, doubtful};
use crate::root_path::RootPath;
use crate::shell::{Call, Node, Reply, World};

/// What a command comes to that says nothing.
pub(super) fn answer(result: Result<i32, Reply>) -> Reply {
    result.map_or_else(|reply| reply, Reply::status)
}

/// Reads a command line of known words.
pub(super) fn read(call: &Call, flags: &[Flag]) -> Result<Arguments, Reply> {
    read_by(call, |words| Arguments::read(words, flags))
}

/// Reads the known words behind a command in the way of that command.
pub(super) fn read_by(
    call: &Call,
    reading: impl Fn(&[String]) -> Result<Arguments, String>,
) -> Result<Arguments, Reply> {
    if !all_known(call) {
        return Err(doubtful());
    }
    reading(&call.argv[1..]).map_err(Reply::Unknown)
}

/// Where a path is once the links in its directories are followed; its last component is not.
pub(super) fn place(machine: &Machine<'_>, call: &Call, path: &str) -> Option<RootPath> {
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
    let directory = machine.resolved(call, directory)?;
    (machine.node(&directory) == Some(Node::Directory)).then_some(directory)?.join(name).ok()
}

pub(super) fn mkdir(machine: &mut Machine<'_>, call: &Call) -> Reply {
    answer(made_directories(machine, call))
}

fn made_directories(machine: &mut Machine<'_>, call: &Call) -> Result<i32, Reply> {
    let arguments = read_by(call, command_lines::mkdir)?;
    let mode = mode_of(arguments.value("m"), 0o777)?;
    let mut status = 0;
    for path in &arguments.operands {
        status |= directory(machine, call, path, arguments.has("p"), mode, None);
    }
    Ok(status)
}

/// Makes a directory; the status.
pub(super) fn directory(
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
        Some(path) if machine.node(&path).is_none() => {
            let bits = mode.unwrap_or(0o777 & !call.umask) | machine.passed_on(&path);
            machine.make_directory(&path, Some(bits).filter(|bits| mode.is_some() || *bits != 0o755), owner);
            0
        }
        _ => 1,
    }
}

pub(super) fn rm(machine: &mut Machine<'_>, call: &Call) -> Reply {
    answer(removed(machine, call))
}

fn removed(machine: &mut Machine<'_>, call: &Call) -> Result<i32, Reply> {
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
    let arguments = read(call, &flags)?;
    let recursive = arguments.has("r") || arguments.has("R");
    let mut status = 0;
    for path in &arguments.operands {
        let there = place(machine, call, path).and_then(|path| Some((machine.node(&path)?, path)));
        match there {
            Some((Node::Symlink(_), _)) if path.ends_with('/') => {
                return Err(Reply::Unknown(
                    "there is no model of a link that is given as a directory".to_owned(),
                ));
            }
            Some((Node::Directory, path)) if recursive && !path.is_root() => machine.remove(&path, true),
            Some((Node::Directory, path)) if arguments.has("d") && machine.list(&path).is_empty() => {
                machine.remove(&path, false);
            }
            Some((Node::Directory, _)) => status = 1,
            Some((_, path)) => machine.remove(&path, false),
            None => status |= i32::from(!arguments.has("f")),
        }
    }
    Ok(status)
}

pub(super) fn rmdir(machine: &mut Machine<'_>, call: &Call) -> Reply {
    answer(removed_directories(machine, call))
}

fn removed_directories(machine: &mut Machine<'_>, call: &Call) -> Result<i32, Reply> {
    let flags = [('p', "parents", false), ('v', "verbose", false), ('\0', "ignore-fail-on-non-empty", false)];
    let arguments = read(call, &flags)?;
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
    Ok(status)
}

pub(super) fn touch(machine: &mut Machine<'_>, call: &Call) -> Reply {
    answer(touched(machine, call))
}

fn touched(machine: &mut Machine<'_>, call: &Call) -> Result<i32, Reply> {
    let flags = [
        ('c', "no-create", false),
        ('a', "", false),
        ('m', "", false),
        ('r', "reference", true),
        ('d', "date", true),
        ('t', "", true),
        ('h', "no-dereference", false),
    ];
    let arguments = read(call, &flags)?;
    let mut status = 0;
    for path in &arguments.operands {
        if machine.resolved(call, path).is_some() || arguments.has("c") {
            continue;
        }
        match place(machine, call, path) {
            Some(path) => {
                let mode = 0o666 & !call.umask;
                let mode = (mode != 0o644).then_some(mode);
                let empty = Content::Text(String::new());
                machine.make_file(&path, empty, mode, None).map_err(Reply::Unknown)?;
            }
            None => status = 1,
        }
    }
    Ok(status)
}

pub(super) fn mktemp(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [
        ('d', "directory", false),
        ('p', "", true),
        // Its value is not its own word.
        ('\0', "tmpdir", false),
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
    let directory = arguments.value("p").or_else(|| arguments.value("tmpdir"));
    let in_tmp = arguments.operands.is_empty() || directory.is_some() || arguments.has("t");
    let directory = directory.filter(|text| !text.is_empty()).unwrap_or("/tmp");
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
