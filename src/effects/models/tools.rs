//! Commands that leave nothing of theirs in an image, and those that make a file of the whole image.

use super::super::machine::Machine;
use super::super::{Effect, Tool};
use super::{all_known, doubtful, run};
use crate::root_path::RootPath;
use crate::shell::text::{is_known, unknown};
use crate::shell::{Call, Reply, World};

/// Succeeds, and leaves nothing that is of use in an image.
pub(super) fn skipped(_: &mut Machine<'_>, _: &Call) -> Reply {
    Reply::status(0)
}

/// What is made of a running machine's own secrets and names; an image must not have it.
pub(super) fn at_run_time(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let program = call.argv.first().map_or("", |program| program.rsplit('/').next().unwrap_or(program));
    machine.at_run_time.insert(program.to_owned());
    Reply::status(0)
}

/// What the kernel mounts is there when packages are installed.
pub(super) fn mountpoint(_: &mut Machine<'_>, call: &Call) -> Reply {
    let path = call.argv.last().map_or("", String::as_str);
    Reply::status(i32::from(!matches!(path, "/proc" | "/sys" | "/dev")))
}

/// Perl's programs are not followed; the empty one only shows that there is a perl.
pub(super) fn perl(machine: &mut Machine<'_>, call: &Call) -> Reply {
    match call.argv.as_slice() {
        [_, flag, program] if flag == "-e" && program.is_empty() => Reply::status(0),
        _ => unmodelled(machine, call),
    }
}

/// A Python of any version: compiling is left out, all else is not followed.
pub(super) fn python(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let compiles = call.argv.iter().any(|word| {
        matches!(word.as_str(), "py_compile" | "compileall")
            || word.ends_with("/py_compile.py")
            || word.ends_with("/compileall.py")
    });
    if compiles { skipped(machine, call) } else { unmodelled(machine, call) }
}

pub(super) fn fails(_: &mut Machine<'_>, _: &Call) -> Reply {
    Reply::status(1)
}

/// What it says differs from one machine to the next.
pub(super) fn vague(_: &mut Machine<'_>, _: &Call) -> Reply {
    Reply::output(unknown())
}

pub(super) fn unmodelled(_: &mut Machine<'_>, _: &Call) -> Reply {
    Reply::Unknown("there is no model of this command".to_owned())
}

pub(super) fn tool(machine: &mut Machine<'_>, tool: Tool) -> Reply {
    let effect = Effect::Tool(tool);
    if !machine.effects.contains(&effect) {
        machine.effect(effect);
    }
    Reply::status(0)
}

/// A cache of the whole image that programs do without.
pub(super) fn left_out(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let name = call.argv.first().map_or("", |name| name.rsplit('/').next().unwrap_or(name));
    tool(machine, Tool::Other(name.to_owned()))
}

pub(super) fn ldconfig(machine: &mut Machine<'_>, _: &Call) -> Reply {
    tool(machine, Tool::Ldconfig)
}

pub(super) fn pam_auth_update(machine: &mut Machine<'_>, _: &Call) -> Reply {
    tool(machine, Tool::PamAuthUpdate)
}

pub(super) fn ca_certificates(machine: &mut Machine<'_>, _: &Call) -> Reply {
    tool(machine, Tool::CaCertificates)
}

pub(super) fn iconvconfig(machine: &mut Machine<'_>, _: &Call) -> Reply {
    tool(machine, Tool::GconvConfig)
}

/// Graphviz's list of plug-ins, where it is to be made.
pub(super) fn graphviz(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let makes = call.argv.iter().any(|word| word == "-c");
    if makes { tool(machine, Tool::GraphvizConfig) } else { unmodelled(machine, call) }
}

/// Files named by operands, in the directories where such files are.
fn configuration(machine: &Machine<'_>, call: &Call, directories: [&str; 2]) -> Vec<RootPath> {
    let operands = call.argv.iter().skip(1).filter(|word| !word.starts_with('-'));
    operands
        .filter_map(|word| {
            if word.starts_with('/') {
                return RootPath::parse(word).ok();
            }
            let paths =
                directories.iter().filter_map(|directory| RootPath::parse(directory).ok()?.join(word).ok());
            let mut paths = paths.collect::<Vec<_>>().into_iter();
            paths.find(|path| machine.node(path).is_some())
        })
        .collect()
}

pub(super) fn sysusers(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if !all_known(call) {
        return doubtful();
    }
    let files = configuration(machine, call, ["/etc/sysusers.d", "/usr/lib/sysusers.d"]);
    for file in &files {
        super::known_accounts::read_sysusers(machine, file);
    }
    if files.is_empty() {
        super::known_accounts::read_all_sysusers(machine);
    }
    tool(machine, Tool::Sysusers(files))
}

pub(super) fn tmpfiles(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if !all_known(call) {
        return doubtful();
    }
    let files = configuration(machine, call, ["/etc/tmpfiles.d", "/usr/lib/tmpfiles.d"]);
    for text in files.iter().filter_map(|file| machine.read(file)).collect::<Vec<_>>() {
        let is_there = |path: &RootPath| machine.node(path).is_some();
        for effect in super::super::systemd::tmpfiles::effects(&text, is_there, is_there) {
            machine.remember(&effect);
        }
    }
    tool(machine, Tool::Tmpfiles(files))
}

pub(super) fn uname(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let machine_name = match machine.files.architecture() {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "i386" => "i686",
        "ppc64el" => "ppc64le",
        "armel" => "armv5tel",
        "armhf" => "armv7l",
        other => other,
    };
    match call.argv.get(1).map(String::as_str) {
        None | Some("-s" | "--kernel-name") => Reply::output("Linux\n"),
        Some("-m" | "--machine") => Reply::output(format!("{machine_name}\n")),
        Some("-o" | "--operating-system") => Reply::output("GNU/Linux\n"),
        // Scripts only ask whether it is new enough; it is that of a Debian of these days.
        Some("-r" | "--kernel-release") => Reply::output("6.12.0\n"),
        Some(_) => Reply::output(unknown()),
    }
}

pub(super) fn whoami(_: &mut Machine<'_>, _: &Call) -> Reply {
    Reply::output("root\n")
}

pub(super) fn which(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let (mut stdout, mut status) = (String::new(), 0);
    for name in call.argv.iter().skip(1).filter(|word| !word.starts_with('-')) {
        if !is_known(name) {
            return Reply::Done { status: None, stdout: unknown(), variables: Vec::new() };
        }
        let found = if name.contains('/') {
            RootPath::parse(name).ok().filter(|path| machine.node(path).is_some())
        } else {
            machine.command(name).flatten()
        };
        match found {
            Some(path) => stdout.push_str(&format!("{path}\n")),
            None => status = 1,
        }
    }
    Reply::Done { status: Some(status), stdout, variables: Vec::new() }
}

/// `env [-i] [-u NAME]... [NAME=VALUE]... COMMAND`.
pub(super) fn env(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let mut inner = call.clone();
    let mut words = call.argv.iter().skip(1).peekable();
    while let Some(word) = words.next_if(|word| word.starts_with('-') || word.contains('=')) {
        match (word.as_str(), word.strip_prefix("--unset=")) {
            ("-" | "-i" | "--ignore-environment", _) => inner.env.clear(),
            ("-u" | "--unset", _) => {
                let name = words.next().map_or("", String::as_str);
                inner.env.remove(name);
            }
            (_, Some(name)) => _ = inner.env.remove(name),
            ("--", _) => {}
            (flag, _) if flag.starts_with('-') => {
                return Reply::Unknown(format!("there is no model of its option `{flag}`"));
            }
            (setting, _) => {
                let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
                inner.env.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    inner.argv = words.cloned().collect();
    if inner.argv.is_empty() { Reply::output(unknown()) } else { run(machine, &inner) }
}

/// echo(1), where no shell has it: what `env` and its like start.
pub(super) fn echo(_: &mut Machine<'_>, call: &Call) -> Reply {
    let words = &call.argv[1..];
    match words.split_first() {
        Some((flag, rest)) if flag == "-n" => Reply::output(rest.join(" ")),
        Some((flag, _)) if matches!(flag.as_str(), "-e" | "-E" | "-ne" | "-en") => {
            Reply::Unknown(format!("there is no model of its option `{flag}`"))
        }
        _ => Reply::output(words.join(" ") + "\n"),
    }
}

/// printf(1), likewise.
pub(super) fn printf(_: &mut Machine<'_>, call: &Call) -> Reply {
    match &call.argv[1..] {
        [] => Reply::status(1),
        [format, values @ ..] => {
            let printed = crate::shell::printf(format, values, crate::shell::Printer::Gnu);
            Reply::Done { status: printed.status, stdout: printed.text, variables: Vec::new() }
        }
    }
}

/// `busybox APPLET ...`.
pub(super) fn busybox(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let inner = Call { argv: call.argv[1..].to_vec(), ..call.clone() };
    match inner.argv.first().map(String::as_str) {
        // Its links are made by looking into the program.
        Some("--install") => skipped(machine, call),
        Some(_) => run(machine, &inner),
        None => Reply::output(unknown()),
    }
}

/// `run-parts` of a directory with nothing in it.
pub(super) fn run_parts(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let directory = call.argv.iter().skip(1).rfind(|word| !word.starts_with('-'));
    let place = directory.and_then(|directory| machine.resolved(call, directory));
    match place {
        None => Reply::status(0),
        Some(place) if machine.list(&place).is_empty() => Reply::status(0),
        Some(_) => Reply::Unknown("the scripts that it runs are not followed".to_owned()),
    }
}
