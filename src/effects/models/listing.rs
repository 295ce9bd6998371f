//! `ls`.

use super::super::machine::Machine;
use super::{all_known, vague};
use crate::root_path::RootPath;
use crate::shell::text::unknown;
use crate::shell::{Call, Node, Reply, World};

/// ls(1): names, and with `-l` all but the times.
pub(super) fn ls(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if !all_known(call) {
        return vague();
    }
    let (flags, mut paths): (Vec<&String>, Vec<&String>) =
        call.argv.iter().skip(1).partition(|word| word.starts_with('-'));
    let here = ".".to_owned();
    if paths.is_empty() {
        paths.push(&here);
    }
    let letters: String = flags.iter().map(|flag| flag.trim_start_matches('-')).collect();
    let (mut output, mut status) = (String::new(), 0);
    for path in &paths {
        let Some(place) = machine.resolved(call, path) else {
            status = 2;
            continue;
        };
        if letters.contains(['i', 's']) {
            output.push_str(&unknown());
            continue;
        }
        let (long, numeric) = (letters.contains(['l', 'n']), letters.contains('n'));
        let shown = |place: &RootPath, name: &str| {
            if long { line(machine, place, name, numeric) } else { format!("{name}\n") }
        };
        if machine.node(&place) == Some(Node::Directory) && !letters.contains('d') {
            let names = machine.list(&place);
            let hidden = letters.contains(['a', 'A']);
            for name in names.iter().filter(|name| hidden || !name.starts_with('.')) {
                output
                    .push_str(&place.join(name).map_or_else(|_| String::new(), |inner| shown(&inner, name)));
            }
        } else {
            output.push_str(&shown(&place, path));
        }
    }
    Reply::Done { status: Some(status), stdout: output, variables: Vec::new() }
}

/// A line of `ls -l`, or with numbers for owners. Times are unknown.
fn line(machine: &Machine<'_>, place: &RootPath, shown: &str, numeric: bool) -> String {
    let node = machine.node(place);
    let (kind, link) = match &node {
        Some(Node::Directory) => ('d', String::new()),
        Some(Node::Symlink(target)) => ('l', format!(" -> {target}")),
        _ => ('-', String::new()),
    };
    let mode = if kind == 'l' { 0o777 } else { machine.mode(place) };
    let owner = machine.owner(place);
    let name = |text: Option<String>, is_group| {
        let text = text.unwrap_or_default();
        if numeric {
            machine.accounts.number(&text, is_group).map_or_else(unknown, |id| id.to_string())
        } else {
            machine.accounts.name(&text, is_group).to_owned()
        }
    };
    let (user, group) = (name(owner.user, false), name(owner.group, true));
    let size = match node {
        Some(Node::File { size: Some(size), .. }) => size.to_string(),
        _ => unknown(),
    };
    format!("{kind}{} 1 {user} {group} {size} {} {shown}{link}\n", bits(mode), unknown())
}

/// `rwxr-xr-x`.
fn bits(mode: u32) -> String {
    let mut text = String::new();
    for (shift, special, (set, unset)) in
        [(6, 0o4000, ('s', 'S')), (3, 0o2000, ('s', 'S')), (0, 0o1000, ('t', 'T'))]
    {
        let own = mode >> shift;
        text.push(if own & 4 == 0 { '-' } else { 'r' });
        text.push(if own & 2 == 0 { '-' } else { 'w' });
        text.push(match (own & 1 == 0, mode & special == 0) {
            (true, true) => '-',
            (false, true) => 'x',
            (false, false) => set,
            (true, false) => unset,
        });
    }
    text
}
