//! Owners, permission bits and capabilities of files.

use super::super::machine::Machine;
use super::super::{Effect, ModeChange, Owner};
use super::command_lines;
use super::files::{answer, place, read, read_by};
use crate::root_path::RootPath;
use crate::shell::{Call, Reply, World};

/// An owner of names; what is empty stays as it is.
pub(super) fn owner(user: Option<&str>, group: Option<&str>) -> Option<Owner> {
    let name = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(ToOwned::to_owned);
    let owner = Owner { user: name(user), group: name(group) };
    (owner.user.is_some() || owner.group.is_some()).then_some(owner)
}

/// The number of a mode as `mkdir -m` and `install -m` take it, where it has those bits before without.
pub(super) fn mode_of(text: Option<&str>, before: u32) -> Result<Option<u32>, Reply> {
    let Some(text) = text else { return Ok(None) };
    let mode = command_lines::made_with(text, before);
    mode.map(Some).ok_or_else(|| Reply::Unknown(format!("there is no model of the mode `{text}`")))
}

/// Whether a command without a model may have made what is not there. It is not to fail for that.
fn is_doubtful(machine: &Machine<'_>, call: &Call, path: &str) -> bool {
    machine.may_have(path) && machine.resolved(call, path).is_none()
}

pub(super) fn chmod(machine: &mut Machine<'_>, call: &Call) -> Reply {
    answer(changed_mode(machine, call))
}

fn changed_mode(machine: &mut Machine<'_>, call: &Call) -> Result<i32, Reply> {
    let arguments = read_by(call, command_lines::chmod)?;
    let mut operands = arguments.operands.as_slice();
    let mode = match (arguments.value("reference"), operands.split_first()) {
        (Some(path), _) => match machine.resolved(call, path) {
            Some(path) => ModeChange::Bits(machine.mode(&path)),
            None => return Ok(1),
        },
        (None, Some((text, rest))) => {
            operands = rest;
            ModeChange::of(text)
        }
        (None, None) => return Ok(1),
    };
    if call.umask != 0o022 && mode.heeds_umask() {
        return Err(Reply::Unknown(format!(
            "there is no model of a mode for whom the umask {:03o} says",
            call.umask
        )));
    }
    let mut status = 0;
    for path in operands {
        if is_doubtful(machine, call, path) {
            continue;
        }
        let Some(path) = machine.resolved(call, path) else {
            status = 1;
            continue;
        };
        machine.set_mode(&path, &mode, arguments.has("R"));
    }
    Ok(status)
}

pub(super) fn chown(machine: &mut Machine<'_>, call: &Call) -> Reply {
    answer(changed_owner(machine, call, false))
}

pub(super) fn chgrp(machine: &mut Machine<'_>, call: &Call) -> Reply {
    answer(changed_owner(machine, call, true))
}

fn changed_owner(machine: &mut Machine<'_>, call: &Call, group_only: bool) -> Result<i32, Reply> {
    let arguments = read_by(call, command_lines::chown)?;
    let mut paths = arguments.operands.as_slice();
    let owner = if let Some(path) = arguments.value("reference") {
        let Some(path) = machine.resolved(call, path) else { return Ok(1) };
        let Owner { user, group } = machine.owner(&path);
        Owner { user: user.filter(|_| !group_only), group }
    } else {
        let Some((who, rest)) = paths.split_first() else { return Ok(1) };
        paths = rest;
        if group_only {
            Owner { user: None, group: Some(who.clone()).filter(|group| !group.is_empty()) }
        } else {
            let login = |user: &str| machine.accounts.primary_group(machine.accounts.name(user, false));
            // `USER:` is the user with the group of its login. A number has one only where somebody has the number.
            let numbered = who.strip_suffix(':').filter(|user| user.parse::<u32>().is_ok());
            if numbered.is_some_and(|user| login(user).is_none()) {
                return Ok(1);
            }
            command_lines::owner_of(who, login)
        }
    };
    // Where the script would end there, it has the account from somewhere: an installation that fails is none.
    if call.may_fail && !machine.know(&owner) {
        return Ok(1);
    }
    let from = arguments.value("from").map(|from| command_lines::owner_of(from, |_| None));
    let mut status = 0;
    for path in paths {
        if is_doubtful(machine, call, path) {
            continue;
        }
        // What it does to all in a directory it does to links themselves.
        let means_links = arguments.has("h") || arguments.has("R");
        let there = if means_links && !(arguments.has("H") || arguments.has("L")) && !path.ends_with('/') {
            place(machine, call, path).filter(|path| machine.node(path).is_some())
        } else {
            machine.resolved(call, path)
        };
        let Some(path) = there else {
            status = i32::from(!arguments.has("f"));
            continue;
        };
        let Some(from) = &from else {
            machine.set_owner(path, owner.clone(), arguments.has("R"));
            continue;
        };
        let all = if arguments.has("R") { machine.tree(&path) } else { Vec::new() };
        let all: Vec<RootPath> = all.into_iter().map(|(path, _)| path).collect();
        for path in if arguments.has("R") { all } else { vec![path] } {
            if is_of(machine, &path, from) {
                machine.set_owner(path, owner.clone(), false);
            }
        }
    }
    Ok(status)
}

/// Whether a file belongs to somebody, as far as that is said.
fn is_of(machine: &Machine<'_>, path: &RootPath, who: &Owner) -> bool {
    let has = machine.owner(path);
    let is = |has: Option<String>, wanted: &Option<String>, group| {
        let name = |text: &str| machine.accounts.name(text, group).to_owned();
        wanted.as_ref().is_none_or(|wanted| has.is_some_and(|has| name(&has) == name(wanted)))
    };
    is(has.user, &who.user, false) && is(has.group, &who.group, true)
}

/// setcap(8): `setcap CAPABILITIES FILE...`, and `-r`.
pub(super) fn setcap(machine: &mut Machine<'_>, call: &Call) -> Reply {
    answer(set_capabilities(machine, call))
}

fn set_capabilities(machine: &mut Machine<'_>, call: &Call) -> Result<i32, Reply> {
    let arguments = read(call, &[('q', "", false), ('v', "", false), ('r', "", false), ('n', "", true)])?;
    let mut words = arguments.operands.iter();
    if arguments.has("v") || arguments.has("n") {
        return Err(Reply::Unknown("there is no model of this use".to_owned()));
    }
    let mut status = 0;
    while let Some(word) = words.next() {
        let (text, path) =
            if arguments.has("r") { ("=", word) } else { (word.as_str(), words.next().unwrap_or(word)) };
        let Some(path) = machine.resolved(call, path) else {
            status = 1;
            continue;
        };
        let capabilities = super::capabilities::of_text(text)
            .ok_or_else(|| Reply::Unknown(format!("there is no model of the capabilities `{text}`")))?;
        if !machine.passes(&path) {
            machine.effect(Effect::Capabilities { path, text: text.to_owned(), capabilities });
        }
    }
    Ok(status)
}

/// getcap(8): what the script has set; packages' files have none of their own on Debian.
pub(super) fn getcap(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let mut output = String::new();
    for path in call.argv.iter().skip(1).filter(|word| !word.starts_with('-')) {
        let place = machine.resolved(call, path);
        let set = machine.effects.iter().rev().find_map(|effect| match effect {
            Effect::Capabilities { path, text, .. } if Some(path) == place.as_ref() => Some(text),
            _ => None,
        });
        if let Some(text) = set.filter(|text| *text != "=") {
            output.push_str(&format!("{path} {}\n", text.replace('+', "=")));
        }
    }
    Reply::output(output)
}
