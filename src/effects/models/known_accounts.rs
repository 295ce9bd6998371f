//! Who is there: getent(1), id(1), groups(1), and what systemd-sysusers adds.

use super::super::machine::Machine;
use super::super::systemd::sysusers;
use crate::root_path::RootPath;
use crate::shell::text::{is_known, unknown};
use crate::shell::{Call, Reply, World};

pub(super) fn getent(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let words: Vec<&str> =
        call.argv.iter().skip(1).map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    let (database, key) = match words.as_slice() {
        [database, key] => (*database, *key),
        [database] => {
            let accounts = &machine.accounts;
            let text: String = match *database {
                "passwd" => accounts.passwd(),
                "group" => accounts.group(),
                _ => unknown(),
            };
            return Reply::output(text);
        }
        _ => return Reply::Unknown("there is no model of this use".to_owned()),
    };
    if !is_known(key) {
        return Reply::Done { status: None, stdout: unknown(), variables: Vec::new() };
    }
    let line = match database {
        "passwd" => machine.accounts.passwd_line(key),
        "group" => machine.accounts.group_line(key),
        "shadow" => machine.accounts.users.contains_key(key).then(unknown),
        "services" | "protocols" | "hosts" => {
            return Reply::Done { status: None, stdout: unknown(), variables: Vec::new() };
        }
        _ => None,
    };
    line.map_or_else(|| Reply::status(2), Reply::output)
}

pub(super) fn id(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let (flags, names): (Vec<&String>, Vec<&String>) =
        call.argv.iter().skip(1).partition(|word| word.starts_with('-'));
    let name = names.first().map_or("root", |name| name.as_str());
    if !is_known(name) {
        return Reply::Done { status: None, stdout: unknown(), variables: Vec::new() };
    }
    let Some(user) = machine.accounts.users.get(name) else { return Reply::status(1) };
    let letters: String = flags.iter().map(|flag| flag.trim_start_matches('-')).collect();
    let shown = super::super::accounts::shown;
    Reply::output(match letters.as_str() {
        "u" | "user" => format!("{}\n", shown(user.uid)),
        "un" | "nu" => format!("{name}\n"),
        "g" | "group" => format!("{}\n", shown(user.gid)),
        "gn" | "ng" => {
            let group = machine.accounts.groups.iter().find(|(_, gid)| gid.is_some() && **gid == user.gid);
            format!("{}\n", group.map_or_else(unknown, |(name, _)| name.clone()))
        }
        "Gn" | "nG" => {
            let groups = machine.accounts.members.iter().filter(|(user, _)| user == name);
            let groups: Vec<&str> = groups.map(|(_, group)| group.as_str()).collect();
            format!("{name} {}\n", groups.join(" "))
        }
        _ => unknown(),
    })
}

pub(super) fn groups(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let name = call.argv.get(1).map_or("root", String::as_str);
    if !machine.accounts.users.contains_key(name) {
        return Reply::status(1);
    }
    let groups = machine.accounts.members.iter().filter(|(user, _)| user == name);
    let groups: Vec<&str> = groups.map(|(_, group)| group.as_str()).collect();
    Reply::output(format!("{name} : {name} {}\n", groups.join(" ")))
}

/// Who is there after systemd-sysusers read all that packages declare.
pub(in crate::effects) fn read_all_sysusers(machine: &mut Machine<'_>) {
    let Ok(directory) = RootPath::parse("/usr/lib/sysusers.d") else { return };
    let names = machine.list(&directory).into_iter().filter(|name| name.strip_suffix(".conf").is_some());
    for file in names.filter_map(|name| directory.join(&name).ok()) {
        read_sysusers(machine, &file);
    }
}

/// Who is there after systemd-sysusers read a file.
pub(super) fn read_sysusers(machine: &mut Machine<'_>, file: &RootPath) {
    if let Some(text) = machine.read(file) {
        machine.accounts = std::mem::take(&mut machine.accounts).with(&sysusers::effects(&text));
    }
}
