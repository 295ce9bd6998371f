//! Commands that run another as another user.

use super::super::machine::Machine;
use super::arguments::Arguments;
use super::{all_known, doubtful, followed, run};
use crate::shell::{Call, Reply, Script};

/// su(1) and runuser(1).
pub(super) fn su(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if !all_known(call) {
        return doubtful();
    }
    let flags = [
        ('c', "command", true),
        ('s', "shell", true),
        ('l', "login", false),
        ('m', "preserve-environment", false),
        ('p', "", false),
        ('g', "group", true),
        ('u', "user", true),
        ('P', "pty", false),
    ];
    // A dash alone asks for a login's environment.
    let words: Vec<String> = call.argv.iter().skip(1).filter(|word| *word != "-").cloned().collect();
    // What follows the user of `runuser -u` is a command of its own.
    let of_runuser = call.argv[0].ends_with("runuser") && words.iter().any(|word| word == "-u");
    if of_runuser {
        let mut rest = words.iter().skip_while(|word| *word != "-u").skip(1);
        let Some(user) = rest.next() else { return Reply::status(1) };
        let argv = rest.filter(|word| *word != "--").cloned().collect();
        return run_as(machine, user, &Call { argv, ..call.clone() });
    }
    let arguments = match Arguments::read(&words, &flags) {
        Ok(arguments) => arguments,
        Err(reason) => return Reply::Unknown(reason),
    };
    let user = arguments.operands.first().map_or("root", String::as_str).to_owned();
    let Some(home) = machine.accounts.users.get(&user).map(|known| known.home.clone()) else {
        return Reply::status(1);
    };
    let Some(text) = arguments.value("c") else { return Reply::status(0) };
    let mut environment = call.env.clone();
    let own = [("HOME", home.as_str()), ("USER", &user), ("LOGNAME", &user)];
    environment.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let rest: Vec<&str> = arguments.operands.iter().skip(1).map(String::as_str).collect();
    let (directory, umask) = (call.directory.clone(), call.umask);
    let script = Script { name: "sh", text, arguments: &rest, environment, directory, umask };
    machine.as_user(&user, |machine| followed(machine, &script))
}

/// setpriv(1), as far as it changes who runs a command.
pub(super) fn setpriv(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if !all_known(call) {
        return doubtful();
    }
    let mut user = "root".to_owned();
    let mut words = call.argv.iter().skip(1).peekable();
    while let Some(flag) = words.next_if(|word| word.starts_with("--")) {
        match flag.split_once('=').unwrap_or((flag.as_str(), "")) {
            ("--", _) => break,
            ("--reuid" | "--ruid" | "--euid", value) => {
                let next = if value.is_empty() { words.next().cloned() } else { Some(value.to_owned()) };
                user = next.unwrap_or_default();
            }
            ("--regid" | "--rgid" | "--egid" | "--groups" | "--inh-caps" | "--bounding-set", "") => {
                words.next();
            }
            _ => {}
        }
    }
    let argv: Vec<String> = words.cloned().collect();
    run_as(machine, &user, &Call { argv, ..call.clone() })
}

fn run_as(machine: &mut Machine<'_>, user: &str, call: &Call) -> Reply {
    if user == "root" || user == "0" {
        return run(machine, call);
    }
    machine.as_user(user, |machine| run(machine, call))
}
