//! Commands that link files.

use super::super::machine::Machine;
use super::copies::{from_and_to, target};
use super::files::{answer, place, read};
use crate::root_path::RootPath;
use crate::shell::{Call, Node, Reply, World};

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
        if machine.resolved(call, from).as_ref() == Some(&link) {
            status = 1;
        } else if !arguments.has("s") {
            status |= hard_linked(machine, call, from, &link)?;
        } else if arguments.has("r") {
            let here = call.directory.join("link").unwrap_or_else(|_| call.directory.clone());
            let to = here.link_target(from);
            machine.make_symlink(&link, &relative(&link, &to), None);
        } else {
            machine.make_symlink(&link, from, None);
        }
    }
    Ok(status)
}

/// Another file that is like the first, be that a symbolic link; the status.
fn hard_linked(machine: &mut Machine<'_>, call: &Call, from: &str, link: &RootPath) -> Result<i32, Reply> {
    let Some(source) = place(machine, call, from) else { return Ok(1) };
    let owner = Some(machine.owner(&source));
    match machine.node(&source) {
        Some(Node::Symlink(target)) => machine.make_symlink(link, &target, owner),
        Some(Node::File { mode, .. }) => {
            let made = machine.make_in_place(link, machine.content(&source), mode, owner);
            made.map_err(Reply::Unknown)?;
        }
        _ => return Ok(1),
    }
    Ok(0)
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
