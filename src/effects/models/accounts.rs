//! Users and groups: Debian's adduser family, shadow's tools, and busybox's.

use super::super::Effect;
use super::super::accounts::KnownUser;
use super::super::machine::Machine;
use super::arguments::{Arguments, Flag};
use super::{all_known, doubtful};
use crate::shell::text::is_known;
use crate::shell::{Call, Reply};

const ADDUSER: &[Flag] = &[
    ('\0', "system", false),
    ('\0', "group", false),
    ('\0', "ingroup", true),
    ('\0', "home", true),
    ('\0', "shell", true),
    ('\0', "uid", true),
    ('\0', "gid", true),
    ('\0', "gecos", true),
    ('\0', "comment", true),
    ('\0', "no-create-home", false),
    ('\0', "disabled-login", false),
    ('\0', "disabled-password", false),
    ('\0', "quiet", false),
    ('q', "", false),
    ('\0', "stdoutmsglevel", true),
    ('\0', "stderrmsglevel", true),
    ('\0', "logmsglevel", true),
    ('\0', "force-badname", false),
    ('\0', "allow-badname", false),
    ('\0', "allow-bad-names", false),
    ('\0', "conf", true),
    ('\0', "firstuid", true),
    ('\0', "lastuid", true),
    ('\0', "firstgid", true),
    ('\0', "lastgid", true),
    ('\0', "add_extra_groups", false),
    ('\0', "verbose", false),
    ('\0', "debug", false),
    ('\0', "allow-all-names", false),
    ('\0', "encrypt-home", false),
];
const BUSYBOX_ADDUSER: &[Flag] = &[
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
const BUSYBOX_ADDGROUP: &[Flag] = &[('g', "gid", true), ('S', "system", false)];
const USERADD: &[Flag] = &[
    ('b', "base-dir", true),
    ('c', "comment", true),
    ('d', "home-dir", true),
    ('e', "expiredate", true),
    ('f', "inactive", true),
    ('g', "gid", true),
    ('G', "groups", true),
    ('k', "skel", true),
    ('K', "key", true),
    ('l', "no-log-init", false),
    ('m', "create-home", false),
    ('M', "no-create-home", false),
    ('N', "no-user-group", false),
    ('o', "non-unique", false),
    ('p', "password", true),
    ('r', "system", false),
    ('s', "shell", true),
    ('u', "uid", true),
    ('U', "user-group", false),
    ('R', "root", true),
    ('P', "prefix", true),
];
const GROUPADD: &[Flag] = &[
    ('f', "force", false),
    ('g', "gid", true),
    ('K', "key", true),
    ('o', "non-unique", false),
    ('p', "password", true),
    ('r', "system", false),
    ('R', "root", true),
    ('P', "prefix", true),
];
const USERMOD: &[Flag] = &[
    ('a', "append", false),
    ('G', "groups", true),
    ('d', "home", true),
    ('s', "shell", true),
    ('c', "comment", true),
    ('L', "lock", false),
    ('U', "unlock", false),
    ('p', "password", true),
    ('e', "expiredate", true),
    ('g', "gid", true),
    ('m', "move-home", false),
    ('l', "login", true),
    ('u', "uid", true),
    ('f', "inactive", true),
];

fn read(call: &Call, flags: &[Flag]) -> Result<Arguments, Reply> {
    if !all_known(call) {
        return Err(doubtful());
    }
    Arguments::read(&call.argv[1..], flags).map_err(Reply::Unknown)
}

/// Whether a number is one, where it is given: busybox refuses others.
fn is_number(text: Option<&str>) -> bool {
    text.is_none_or(|text| text.parse::<u32>().is_ok())
}

fn number(text: Option<&str>) -> Option<u32> {
    text.and_then(|text| text.parse().ok())
}

/// Whether a user has this number.
fn is_taken(machine: &Machine<'_>, uid: Option<u32>) -> bool {
    uid.is_some() && machine.accounts.users.values().any(|user| user.uid == uid)
}

/// A new group; nothing if it is there.
fn group(machine: &mut Machine<'_>, name: &str, gid: Option<u32>, system: bool) {
    if !machine.accounts.groups.contains_key(name) {
        machine.accounts.groups.insert(name.to_owned(), gid);
        machine.effect(Effect::Group { name: name.to_owned(), gid, system });
    }
}

fn member(machine: &mut Machine<'_>, user: &str, group: &str) -> Reply {
    let accounts = &mut machine.accounts;
    if !accounts.users.contains_key(user) || !accounts.groups.contains_key(group) {
        return Reply::status(1);
    }
    if accounts.members.insert((user.to_owned(), group.to_owned())) {
        machine.effect(Effect::Member { user: user.to_owned(), group: group.to_owned() });
    }
    Reply::status(0)
}

struct NewUser<'a> {
    name: &'a str,
    uid: Option<u32>,
    group: Option<&'a str>,
    groups: Vec<String>,
    home: String,
    shell: String,
    gecos: String,
    create_home: bool,
    system: bool,
}

fn user(machine: &mut Machine<'_>, new: NewUser<'_>) {
    let gid = if let Some(group) = new.group {
        number(Some(group)).or_else(|| machine.accounts.groups.get(group).copied().flatten())
    } else {
        machine.accounts.groups.entry(new.name.to_owned()).or_insert(new.uid);
        new.uid
    };
    let known = KnownUser {
        uid: new.uid,
        gid,
        gecos: new.gecos.clone(),
        home: new.home.clone(),
        shell: new.shell.clone(),
    };
    machine.accounts.users.insert(new.name.to_owned(), known);
    for group in &new.groups {
        machine.accounts.members.insert((new.name.to_owned(), group.clone()));
    }
    machine.effect(Effect::User {
        name: new.name.to_owned(),
        uid: new.uid,
        group: new.group.map(ToOwned::to_owned),
        groups: new.groups,
        home: Some(new.home),
        shell: Some(new.shell),
        gecos: Some(new.gecos),
        create_home: new.create_home,
        system: new.system,
    });
}

/// adduser(8) of Debian, or busybox's.
pub(super) fn adduser(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if machine.facts.is_apk {
        return busybox_adduser(machine, call);
    }
    let arguments = match read(call, ADDUSER) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    match arguments.operands.as_slice() {
        [name] => {
            if arguments.has("group") && !arguments.has("system") {
                return addgroup(machine, call);
            }
            if machine.accounts.users.contains_key(name) {
                return Reply::status(i32::from(!arguments.has("system")));
            }
            let system = arguments.has("system");
            let own_group = if system { arguments.has("group") } else { true };
            let chosen = arguments.value("ingroup").or_else(|| arguments.value("gid"));
            let uid = number(arguments.value("uid"));
            if is_taken(machine, uid) {
                return Reply::status(1);
            }
            let group = match (chosen, own_group) {
                (Some(group), _) => Some(group.to_owned()),
                (None, true) => {
                    self::group(machine, name, uid, system);
                    Some(name.clone())
                }
                // adduser.conf: system users without a group of their own are nobody's.
                (None, false) => Some("nogroup".to_owned()),
            };
            let home = arguments.value("home").map_or_else(
                || if system { "/nonexistent".to_owned() } else { format!("/home/{name}") },
                ToOwned::to_owned,
            );
            let create = !arguments.has("no-create-home") && home != "/nonexistent";
            let shell = if system { "/usr/sbin/nologin" } else { "/bin/bash" };
            user(
                machine,
                NewUser {
                    name,
                    uid,
                    group: group.as_deref(),
                    groups: Vec::new(),
                    home,
                    shell: arguments.value("shell").unwrap_or(shell).to_owned(),
                    gecos: arguments
                        .value("gecos")
                        .or_else(|| arguments.value("comment"))
                        .unwrap_or_default()
                        .to_owned(),
                    create_home: create,
                    system,
                },
            );
            Reply::status(0)
        }
        [user, group] => member(machine, user, group),
        _ => Reply::status(2),
    }
}

fn busybox_adduser(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let arguments = match read(call, BUSYBOX_ADDUSER) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    match arguments.operands.as_slice() {
        [name] => {
            if machine.accounts.users.contains_key(name) || !is_number(arguments.value("u")) {
                return Reply::status(1);
            }
            let system = arguments.has("S");
            let uid = number(arguments.value("u"));
            let group = match arguments.value("G") {
                // Whether it is there is known when the recipe's own are.
                Some(group) => Some(group.to_owned()),
                None if system => Some("nogroup".to_owned()),
                // A group of the user's name and number.
                None => None,
            };
            user(
                machine,
                NewUser {
                    name,
                    uid,
                    group: group.as_deref(),
                    groups: Vec::new(),
                    home: arguments.value("h").map_or_else(|| format!("/home/{name}"), ToOwned::to_owned),
                    shell: arguments
                        .value("s")
                        .unwrap_or(if system { "/sbin/nologin" } else { "/bin/sh" })
                        .to_owned(),
                    gecos: arguments.value("g").unwrap_or("Linux User,,,").to_owned(),
                    create_home: !arguments.has("H"),
                    system,
                },
            );
            Reply::status(0)
        }
        [user, group] => member(machine, user, group),
        _ => Reply::status(1),
    }
}

pub(super) fn addgroup(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = if machine.facts.is_apk { BUSYBOX_ADDGROUP } else { ADDUSER };
    let arguments = match read(call, flags) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    let system = arguments.has("system") || arguments.has("S");
    match arguments.operands.as_slice() {
        [name] => {
            let exists = machine.accounts.groups.contains_key(name);
            let gid = arguments.value("gid").or_else(|| arguments.value("g"));
            if machine.facts.is_apk && !is_number(gid) {
                return Reply::status(1);
            }
            let gid = number(gid);
            group(machine, name, gid, system);
            Reply::status(i32::from(exists && (machine.facts.is_apk || !system)))
        }
        [user, group] => member(machine, user, group),
        _ => Reply::status(2),
    }
}

pub(super) fn useradd(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let arguments = match read(call, USERADD) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    let [name] = arguments.operands.as_slice() else { return Reply::status(2) };
    if machine.accounts.users.contains_key(name) {
        return Reply::status(9);
    }
    let system = arguments.has("r");
    let uid = number(arguments.value("u"));
    if is_taken(machine, uid) && !arguments.has("o") {
        return Reply::status(4);
    }
    let group = match arguments.value("g") {
        Some(group) => group.to_owned(),
        None if arguments.has("N") => "users".to_owned(),
        None => {
            self::group(machine, name, uid, system);
            name.clone()
        }
    };
    let groups = arguments.value("G").unwrap_or_default();
    let groups = groups.split(',').filter(|group| !group.is_empty()).map(ToOwned::to_owned).collect();
    user(
        machine,
        NewUser {
            name,
            uid,
            group: Some(&group),
            groups,
            home: arguments.value("d").map_or_else(|| format!("/home/{name}"), ToOwned::to_owned),
            shell: arguments.value("s").unwrap_or("/bin/sh").to_owned(),
            gecos: arguments.value("c").unwrap_or_default().to_owned(),
            create_home: arguments.has("m"),
            system,
        },
    );
    Reply::status(0)
}

pub(super) fn groupadd(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let arguments = match read(call, GROUPADD) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    let [name] = arguments.operands.as_slice() else { return Reply::status(2) };
    if machine.accounts.groups.contains_key(name) {
        return Reply::status(if arguments.has("f") { 0 } else { 9 });
    }
    group(machine, name, number(arguments.value("g")), arguments.has("r"));
    Reply::status(0)
}

pub(super) fn usermod(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let arguments = match read(call, USERMOD) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    let [name] = arguments.operands.as_slice() else { return Reply::status(2) };
    let name = name.clone();
    if !machine.accounts.users.contains_key(&name) {
        return Reply::status(6);
    }
    for (option, value) in &arguments.options {
        let done = match option.as_str() {
            "G" => {
                for group in value.split(',').filter(|group| !group.is_empty()) {
                    member(machine, &name, group);
                }
                Ok(())
            }
            "d" => change(machine, &name, |_, home, _| value.clone_into(home)),
            "s" => change(machine, &name, |shell, _, _| value.clone_into(shell)),
            "c" => change(machine, &name, |_, _, gecos| value.clone_into(gecos)),
            // Locked is how every account begins; dates and passwords are none of an image's.
            "a" | "L" | "U" | "p" | "e" | "m" | "f" => Ok(()),
            _ => Err(format!("there is no model of its option `-{option}`")),
        };
        if let Err(reason) = done {
            return Reply::Unknown(reason);
        }
    }
    Reply::status(0)
}

/// Changes what is said of a user that the script made: the shell, the home and the comment. Not of another's; why not.
fn change(
    machine: &mut Machine<'_>,
    user: &str,
    edit: impl Fn(&mut String, &mut String, &mut String),
) -> Result<(), String> {
    let Some(known) = machine.accounts.users.get_mut(user) else { return Ok(()) };
    let before = (known.shell.clone(), known.home.clone(), known.gecos.clone());
    edit(&mut known.shell, &mut known.home, &mut known.gecos);
    let after = (known.shell.clone(), known.home.clone(), known.gecos.clone());
    let mut is_own = false;
    for effect in &mut machine.effects {
        if let Effect::User { name, shell, home, gecos, .. } = effect
            && name == user
        {
            is_own = true;
            (*shell, *home, *gecos) = (Some(after.0.clone()), Some(after.1.clone()), Some(after.2.clone()));
        }
    }
    if is_own || before == after { Ok(()) } else { Err(format!("another package makes the user `{user}`")) }
}

pub(super) fn chsh(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if let [_, flag, shell, user] = call.argv.as_slice()
        && flag == "-s"
    {
        let (user, shell) = (user.clone(), shell.clone());
        if let Err(reason) = change(machine, &user, |own, _, _| shell.clone_into(own)) {
            return Reply::Unknown(reason);
        }
    }
    Reply::status(0)
}

/// Nobody leaves a system on which a package is newly installed, unless the script made them.
pub(super) fn deluser(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let names: Vec<&String> = call.argv.iter().skip(1).filter(|word| !word.starts_with('-')).collect();
    let Some(name) = names.first() else { return Reply::status(2) };
    if !is_known(name) {
        return doubtful();
    }
    if machine.accounts.users.contains_key(*name) {
        Reply::Unknown("no account is taken away from an image".to_owned())
    } else {
        Reply::status(0)
    }
}

pub(super) fn delgroup(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let Some(name) = call.argv.iter().skip(1).find(|word| !word.starts_with('-')) else {
        return Reply::status(2);
    };
    if machine.accounts.groups.contains_key(name) {
        Reply::Unknown("no group is taken away from an image".to_owned())
    } else {
        Reply::status(0)
    }
}

pub(super) fn gpasswd(machine: &mut Machine<'_>, call: &Call) -> Reply {
    match call.argv.as_slice() {
        [_, flag, user, group] if flag == "-a" => {
            let (user, group) = (user.clone(), group.clone());
            member(machine, &user, &group)
        }
        _ => Reply::Unknown("there is no model of this use".to_owned()),
    }
}
