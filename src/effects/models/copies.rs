//! Commands that copy and move files.

use super::super::machine::{Content, Machine};
use super::super::{ModeChange, Owner};
use super::arguments::Arguments;
use super::command_lines;
use super::files::{answer, directory, place, read, read_by};
use super::permissions::{mode_of, owner};
use crate::root_path::RootPath;
use crate::shell::{Call, Node, Reply, World};

/// Where a file goes: into a directory, or to the path itself.
pub(super) fn target(
    machine: &Machine<'_>,
    call: &Call,
    from: &str,
    to: &str,
    into: bool,
) -> Option<RootPath> {
    let resolved = machine.resolved(call, to).filter(|path| machine.node(path) == Some(Node::Directory));
    match resolved {
        Some(directory) if into => {
            directory.join(from.trim_end_matches('/').rsplit('/').next().unwrap_or(from)).ok()
        }
        _ => place(machine, call, to),
    }
}

/// What a command line names, and where it is to go: `-t`, or the last operand.
pub(super) fn from_and_to(arguments: &Arguments) -> (Vec<String>, String) {
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
            status |= installed_directory(machine, call, path, mode, owner.clone());
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
        let Some(to) = target(machine, call, from, &into, !arguments.has("T")) else {
            status = 1;
            continue;
        };
        let Some((source, content)) = content(machine, call, from) else {
            status = 1;
            continue;
        };
        if machine.node(&to) == Some(Node::Directory) || source.as_ref() == Some(&to) {
            status = 1;
            continue;
        }
        let made = machine.make_in_place(&to, content, mode.unwrap_or(0o755), owner.clone());
        made.map_err(Reply::Unknown)?;
    }
    Ok(status)
}

/// Makes a directory with those above it; another than mkdir, it sets mode and owner of what is there.
fn installed_directory(
    machine: &mut Machine<'_>,
    call: &Call,
    path: &str,
    mode: Option<u32>,
    owner: Option<Owner>,
) -> i32 {
    let usual = mode.unwrap_or(0o755);
    let is_there = machine.resolved(call, path).is_some();
    if !is_there && directory(machine, call, path, true, Some(usual), owner.clone()) != 0 {
        return 1;
    }
    let there = machine.resolved(call, path).filter(|path| machine.node(path) == Some(Node::Directory));
    let Some(there) = there else { return 1 };
    // Bits that the number does not name stay, unless there is no number.
    let before = machine.mode(&there);
    let bits = mode.and_then(|mode| ModeChange::Bits(mode).applied(before, true)).unwrap_or(usual);
    if is_there || bits != before {
        machine.make_directory(&there, Some(bits), owner);
    }
    0
}

/// The file that a path leads to and what it holds; the null device is none, and holds nothing.
fn content(machine: &Machine<'_>, call: &Call, path: &str) -> Option<(Option<RootPath>, Content)> {
    if path == "/dev/null" {
        return Some((None, Content::Text(String::new())));
    }
    let file = machine.resolved(call, path)?;
    let content = machine.content(&file);
    matches!(machine.node(&file), Some(Node::File { .. })).then_some((Some(file), content))
}

/// Copies a file to a path, to where that leads if it is a link; the status. It keeps what is given of mode and owner;
/// what is there keeps its own, and what is new gets the file's mode as far as the umask lets it.
fn copy_file(
    machine: &mut Machine<'_>,
    call: &Call,
    from: &str,
    to: &RootPath,
    kept: Option<(u32, Owner)>,
) -> Result<i32, Reply> {
    let Some((source, content)) = content(machine, call, from) else { return Ok(1) };
    let to = match machine.node(to) {
        Some(Node::Symlink(_)) => machine.resolved(call, to.as_str()),
        _ => Some(to.clone()),
    };
    let Some(to) = to.filter(|to| source.as_ref() != Some(to)) else { return Ok(1) };
    let there = match machine.node(&to) {
        Some(Node::Directory) => return Ok(1),
        node => node.map(|_| machine.mode(&to)),
    };
    let own = source.as_ref().map(|path| machine.mode(path) & 0o777 & !call.umask);
    let (mode, owner) = kept.unzip();
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
    let copies = Copies { keeps: has(&["a", "p", "preserve"]) };
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
        if arguments.has("remove-destination") && source != to {
            machine.remove(&to, false);
        }
        status |= match machine.node(&source) {
            Some(Node::Directory) if recursive => copies.tree(machine, call, &source, &to)?,
            Some(Node::Directory) | None => 1,
            Some(node) => copies.one(machine, call, (&source, node), &to)?,
        };
    }
    Ok(status)
}

/// How `cp` copies.
struct Copies {
    /// With mode and owner.
    keeps: bool,
}

impl Copies {
    /// Mode and owner of a copy, where they are kept.
    fn kept(&self, machine: &Machine<'_>, from: &RootPath) -> Option<(u32, Owner)> {
        self.keeps.then(|| (machine.mode(from), machine.owner(from)))
    }

    /// Copies something with nothing in it.
    fn one(
        &self,
        machine: &mut Machine<'_>,
        call: &Call,
        (from, node): (&RootPath, Node),
        to: &RootPath,
    ) -> Result<i32, Reply> {
        let kept = self.kept(machine, from);
        match node {
            Node::File { .. } => copy_file(machine, call, from.as_str(), to, kept),
            Node::Symlink(target) if from != to && machine.node(to) != Some(Node::Directory) => {
                machine.make_symlink(to, &target, kept.map(|(_, owner)| owner));
                Ok(0)
            }
            Node::Directory => Ok(self.directory(machine, call, from, to)),
            Node::Symlink(_) | Node::Other => Ok(1),
        }
    }

    fn directory(&self, machine: &mut Machine<'_>, call: &Call, from: &RootPath, to: &RootPath) -> i32 {
        let kept = self.kept(machine, from);
        match (machine.node(to), kept) {
            (None | Some(Node::Directory), Some((mode, owner))) => {
                machine.make_directory(to, Some(mode), Some(owner));
                0
            }
            (None, None) => {
                let bits = machine.mode(from) & 0o1777 & !call.umask | machine.passed_on(to);
                machine.make_directory(to, Some(bits).filter(|bits| *bits != 0o755), None);
                0
            }
            (Some(Node::Directory), None) => 0,
            _ => 1,
        }
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
            let is_in_directory =
                new.parent().is_none_or(|above| machine.node(&above) == Some(Node::Directory));
            status |= if is_in_directory { self.one(machine, call, (&path, node), &new)? } else { 1 };
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
            (Some(source), Some(to)) if may_move(machine, call, &source, &to) => {
                machine.rename(&source, &to).map_err(Reply::Unknown)?;
            }
            _ => status = 1,
        }
    }
    Ok(status)
}

/// Whether something may move to a path: a directory not into itself, and only onto an empty one, nothing else onto a
/// directory, and a link not onto what it leads to.
fn may_move(machine: &Machine<'_>, call: &Call, from: &RootPath, to: &RootPath) -> bool {
    let is_directory = |node: &Option<Node>| *node == Some(Node::Directory);
    let (moved, there) = (machine.node(from), machine.node(to));
    let is_free = !is_directory(&there) || machine.list(to).is_empty();
    from != to
        && machine.resolved(call, from.as_str()).as_ref() != Some(to)
        && (there.is_none() || is_directory(&moved) == is_directory(&there) && is_free)
        && !(is_directory(&moved) && to.is_within(from))
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
    let Some(to) = place(machine, call, to) else { return Ok(1) };
    let kept = machine.resolved(call, from).map(|path| (machine.mode(&path), machine.owner(&path)));
    copy_file(machine, call, from, &to, kept)
}
