//! Commands that copy, move and link files.

use super::super::Owner;
use super::super::machine::{Content, Machine};
use super::arguments::Arguments;
use super::command_lines;
use super::files::{answer, directory, place, read, read_by};
use super::permissions::{mode_of, owner};
use crate::root_path::RootPath;
use crate::shell::{Call, Node, Reply, World};

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

/// What a command line names, and where it is to go: `-t`, or the last operand.
fn from_and_to(arguments: &Arguments) -> (Vec<String>, String) {
    let mut operands = arguments.operands.clone();
    let to = match arguments.value("t") {
        Some(directory) => directory.to_owned(),
        None => operands.pop().unwrap_or_default(),
    };
    (operands, to)
}

pub(super) fn install(machine: &mut Machine<'_>, call: &Call) -> Reply {
    answer(installed(machine, call))
}

fn installed(machine: &mut Machine<'_>, call: &Call) -> Result<i32, Reply> {
    let arguments = read_by(call, command_lines::install)?;
    let mode = mode_of(arguments.value("m"), 0)?;
    let owner = owner(arguments.value("o"), arguments.value("g"));
    let mut status = 0;
    if arguments.has("d") {
        for path in &arguments.operands {
            status |= directory(machine, call, path, true, Some(mode.unwrap_or(0o755)), owner.clone());
            // Another than mkdir, it sets the mode of what is there.
            if let Some(there) = machine.resolved(call, path)
                && let Some(mode) = mode
            {
                machine.make_directory(&there, Some(mode), owner.clone());
            }
        }
        return Ok(status);
    }
    let (operands, into) = from_and_to(&arguments);
    if arguments.has("D")
        && let Some((above, _)) = into.rsplit_once('/')
    {
        directory(machine, call, above, true, None, None);
    }
    for from in &operands {
        let to = target(machine, call, from, &into, !arguments.has("T"));
        let mode = Some(mode.unwrap_or(0o755));
        status |= copy_file(machine, call, from, to, mode, owner.clone())?;
    }
    Ok(status)
}

/// Copies a file, links followed; the status. Without a mode it gets the file's, as far as the umask lets it.
fn copy_file(
    machine: &mut Machine<'_>,
    call: &Call,
    from: &str,
    to: Option<RootPath>,
    mode: Option<u32>,
    owner: Option<Owner>,
) -> Result<i32, Reply> {
    let source = match from {
        "/dev/null" => None,
        _ => match machine.resolved(call, from) {
            Some(path) if matches!(machine.node(&path), Some(Node::File { .. })) => Some(path),
            _ => return Ok(1),
        },
    };
    let Some(to) = to else { return Ok(1) };
    let content = source.as_ref().map_or(Content::Text(String::new()), |path| machine.content(path));
    let there = matches!(machine.node(&to), Some(Node::File { .. })).then(|| machine.mode(&to));
    let own = source.as_ref().map(|path| machine.mode(path) & 0o777 & !call.umask);
    machine.make_file(&to, content, mode.or(there).or(own), owner).map_err(Reply::Unknown)?;
    Ok(0)
}

pub(super) fn cp(machine: &mut Machine<'_>, call: &Call) -> Reply {
    answer(copied(machine, call))
}

fn copied(machine: &mut Machine<'_>, call: &Call) -> Result<i32, Reply> {
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
    let arguments = read(call, &flags)?;
    let (operands, into) = from_and_to(&arguments);
    let has = |flags: &[&str]| flags.iter().any(|flag| arguments.has(flag));
    let recursive = has(&["a", "r", "R"]);
    let keeps_links = has(&["a", "d", "P"]) || recursive && !arguments.has("L");
    let copies = Copies { keeps_mode: has(&["a", "p", "preserve"]) };
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
        status |= match machine.node(&source) {
            Some(Node::File { .. }) => copies.file(machine, call, &source, to)?,
            Some(Node::Symlink(target)) => {
                machine.make_symlink(&to, &target);
                0
            }
            Some(Node::Directory) if recursive => copies.tree(machine, call, &source, &to)?,
            _ => 1,
        };
    }
    Ok(status)
}

/// How `cp` copies.
struct Copies {
    /// With mode and owner.
    keeps_mode: bool,
}

impl Copies {
    fn file(
        &self,
        machine: &mut Machine<'_>,
        call: &Call,
        from: &RootPath,
        to: RootPath,
    ) -> Result<i32, Reply> {
        let mode = self.keeps_mode.then(|| machine.mode(from));
        let owner = self.keeps_mode.then(|| machine.owner(from)).filter(|owner| !owner.is_root());
        copy_file(machine, call, from.as_str(), Some(to), mode, owner)
    }

    fn tree(
        &self,
        machine: &mut Machine<'_>,
        call: &Call,
        from: &RootPath,
        to: &RootPath,
    ) -> Result<i32, Reply> {
        let mut status = 0;
        for (path, node) in machine.tree(from) {
            let below = path.as_str().get(from.as_str().len()..).unwrap_or_default();
            let Ok(new) = to.join(below) else { continue };
            match node {
                Node::Directory => machine.make_directory(&new, None, None),
                Node::Symlink(target) => machine.make_symlink(&new, &target),
                Node::File { .. } => status |= self.file(machine, call, &path, new)?,
                Node::Other => status = 1,
            }
        }
        Ok(status)
    }
}

pub(super) fn mv(machine: &mut Machine<'_>, call: &Call) -> Reply {
    answer(moved(machine, call))
}

fn moved(machine: &mut Machine<'_>, call: &Call) -> Result<i32, Reply> {
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
    let arguments = read(call, &flags)?;
    let (operands, into) = from_and_to(&arguments);
    let mut status = 0;
    for from in &operands {
        let source = place(machine, call, from).filter(|path| machine.node(path).is_some());
        let to = target(machine, call, from, &into, !arguments.has("T"));
        match (source, to) {
            (Some(_), Some(to)) if arguments.has("n") && machine.node(&to).is_some() => {}
            (Some(source), Some(to)) => machine.rename(&source, &to).map_err(Reply::Unknown)?,
            _ => status = 1,
        }
    }
    Ok(status)
}

pub(super) fn ln(machine: &mut Machine<'_>, call: &Call) -> Reply {
    answer(linked(machine, call))
}

fn linked(machine: &mut Machine<'_>, call: &Call) -> Result<i32, Reply> {
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
    let mut arguments = read(call, &flags)?;
    if arguments.operands.len() == 1 && arguments.value("t").is_none() {
        arguments.operands.push(".".to_owned());
    }
    let (operands, into) = from_and_to(&arguments);
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
            let source = machine.resolved(call, from);
            let mode = source.map(|path| machine.mode(&path));
            status |= copy_file(machine, call, from, Some(link), mode, None)?;
        } else if arguments.has("r") {
            let to = RootPath::root().link_target(from);
            machine.make_symlink(&link, &relative(&link, &to));
        } else {
            machine.make_symlink(&link, from);
        }
    }
    Ok(status)
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

/// ucf(1): a configuration file that is not there yet is copied.
pub(super) fn ucf(machine: &mut Machine<'_>, call: &Call) -> Reply {
    answer(managed(machine, call))
}

fn managed(machine: &mut Machine<'_>, call: &Call) -> Result<i32, Reply> {
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
    let arguments = read(&Call { argv: argv.collect(), ..call.clone() }, &flags)?;
    let [from, to] = arguments.operands.as_slice() else { return Ok(0) };
    if arguments.has("p") || machine.resolved(call, to).is_some() {
        return Ok(0);
    }
    let above = to.rsplit_once('/').map_or("/", |(directory, _)| directory);
    if machine.resolved(call, above).is_none() {
        directory(machine, call, above, true, None, None);
    }
    let to = place(machine, call, to);
    let source = machine.resolved(call, from);
    let mode = source.as_ref().map(|path| machine.mode(path));
    let owner = source.map(|path| machine.owner(&path)).filter(|owner| !owner.is_root());
    copy_file(machine, call, from, to, mode, owner)
}
