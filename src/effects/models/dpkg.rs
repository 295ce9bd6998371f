//! dpkg's own tools.

use std::cmp::Ordering;

use super::super::machine::Machine;
use super::super::{Effect, Slave, Tool};
use super::arguments::{Arguments, Flag};
use super::{all_known, doubtful, vague};
use crate::deb;
use crate::root_path::RootPath;
use crate::shell::text::{decode, is_known, unknown};
use crate::shell::{Call, Reply};

pub(super) fn dpkg(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let words: Vec<&str> =
        call.argv.iter().skip(1).map(String::as_str).filter(|word| !word.starts_with("--admindir")).collect();
    match words.as_slice() {
        ["--compare-versions", a, operator, b] => compare(a, operator, b),
        ["--print-architecture"] => Reply::output(format!("{}\n", machine.files.architecture())),
        ["--print-foreign-architectures" | "--audit" | "-C"]
        | ["--validate-version" | "--validate-pkgname", _] => Reply::status(0),
        ["-L" | "--listfiles", packages @ ..] if !packages.is_empty() => list_all_files(machine, packages),
        ["-s" | "--status" | "-l" | "--list" | "-S" | "--search", ..] => query(machine, call),
        [assertion] if assertion.starts_with("--assert-") => Reply::status(0),
        _ => Reply::Unknown("there is no model of this use".to_owned()),
    }
}

fn compare(a: &str, operator: &str, b: &str) -> Reply {
    if !is_known(a) || !is_known(b) {
        return vague();
    }
    // An empty version comes before any other, except with the operators that say otherwise.
    let order = match (a.is_empty(), b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => {
            if operator.ends_with("-nl") {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (false, true) => {
            if operator.ends_with("-nl") {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, false) => deb::version::compare(a, b),
    };
    let holds = match operator.trim_end_matches("-nl") {
        "lt" | "<<" => order.is_lt(),
        "le" | "<=" | "<" => order.is_le(),
        "eq" | "=" => order.is_eq(),
        "ne" => order.is_ne(),
        "ge" | ">=" | ">" => order.is_ge(),
        "gt" | ">>" => order.is_gt(),
        _ => return Reply::status(2),
    };
    Reply::status(i32::from(!holds))
}

/// The files of several packages, a blank line between two; it fails where one of them is not installed.
fn list_all_files(machine: &Machine<'_>, packages: &[&str]) -> Reply {
    if packages.iter().any(|package| !is_known(package)) {
        return vague();
    }
    let (mut texts, mut failed) = (Vec::new(), false);
    for package in packages {
        match list_files(machine, package) {
            Reply::Done { status: Some(0), stdout, .. } => texts.push(stdout),
            _ => failed = true,
        }
    }
    Reply::Done { status: Some(i32::from(failed)), stdout: texts.join("\n"), variables: Vec::new() }
}

fn list_files(machine: &Machine<'_>, package: &str) -> Reply {
    let package = package.split(':').next().unwrap_or(package);
    if machine.files.version(package).is_none() {
        return Reply::status(1);
    }
    let paths = machine.files.paths_of(package);
    Reply::output(paths.iter().map(|path| format!("{path}\n")).collect::<String>())
}

const QUERY: &[Flag] = &[
    ('W', "show", false),
    ('s', "status", false),
    ('L', "listfiles", false),
    ('f', "showformat", true),
    ('c', "control-path", false),
    ('l', "list", false),
];

/// dpkg-query(1), of packages in the image; others may be there or not.
pub(super) fn query(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let Some(arguments) = Arguments::read(&call.argv[1..], QUERY).ok().filter(|_| all_known(call)) else {
        return vague();
    };
    let format = arguments.value("f").map_or(SHOWN, |format| format.strip_prefix('=').unwrap_or(format));
    let action = arguments.options.iter().rev().map(|(name, _)| name.as_str()).find(|name| *name != "f");
    let mut output = String::new();
    for package in &arguments.operands {
        let name = package.split(':').next().unwrap_or(package);
        let Some(version) = machine.files.version(name) else {
            // Of what the image lacks nothing is installed, helpers aside, of which nothing is known.
            let helper = name.contains('*') || is_helper(name);
            return if helper { vague() } else { Reply::status(1) };
        };
        match action {
            Some("L") => return list_files(machine, name),
            Some("W") => output.push_str(&shown(machine, name, &version, format)),
            Some("s") => output.push_str(&status(machine, name)),
            _ => return vague(),
        }
    }
    Reply::output(output)
}

/// What is shown of a package unless there is a format.
const SHOWN: &str = "${Package}\t${Version}\n";

/// What `--show` tells of a package; what is not known of it leaves the text unknown.
fn shown(machine: &Machine<'_>, name: &str, version: &str, format: &str) -> String {
    let text = format
        .replace("${Package}", name)
        .replace("${binary:Package}", name)
        .replace("${Version}", version)
        .replace("${Architecture}", &machine.facts.architecture)
        .replace("${Status}", "install ok installed")
        .replace("${db:Status-Status}", "installed")
        .replace("${db:Status-Want}", "install")
        .replace("${db:Status-Abbrev}", "ii ")
        .replace("\\n", "\n")
        .replace("\\t", "\t");
    if text.contains("${") { unknown() } else { text }
}

/// What `--status` tells of a package: its fields, with the status behind its name.
fn status(machine: &Machine<'_>, name: &str) -> String {
    let control = decode(&machine.files.control(name, "control").unwrap_or_default());
    let fields = control.lines().filter(|line| !line.trim().is_empty());
    let (first, rest): (Vec<&str>, Vec<&str>) = fields.partition(|line| line.starts_with("Package:"));
    let lines = first.into_iter().chain(["Status: install ok installed"]).chain(rest);
    lines.map(|line| format!("{line}\n")).collect()
}

pub(super) fn architecture(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let asked: String = call.argv.iter().skip(1).map(|word| word.trim_start_matches("-q")).collect();
    Reply::output(match asked.as_str() {
        "DEB_HOST_MULTIARCH" | "DEB_BUILD_MULTIARCH" => format!("{}\n", machine.files.triplet()),
        "DEB_HOST_ARCH" | "DEB_BUILD_ARCH" => format!("{}\n", machine.files.architecture()),
        _ => unknown(),
    })
}

/// What a trigger starts is made of the whole image, or by the package that waits for it.
pub(super) fn trigger(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let name = call.argv.iter().skip(1).rfind(|word| !word.starts_with('-')).cloned().unwrap_or_default();
    if let Some(tool) = tool_of_trigger(&name) {
        machine.effect(Effect::Tool(tool));
    }
    Reply::status(0)
}

/// The tool that a trigger of Debian's starts.
pub(in crate::effects) fn tool_of_trigger(name: &str) -> Option<Tool> {
    match name {
        "ldconfig" => Some(Tool::Ldconfig),
        "update-ca-certificates" | "update-ca-certificates-fresh" => Some(Tool::CaCertificates),
        _ => None,
    }
}

/// Whether an image may lack a package that is there whenever packages are configured.
fn is_helper(name: &str) -> bool {
    let distro = "debian:trixie".parse::<crate::distro::Distro>();
    distro.is_ok_and(|distro| crate::distro::is_install_helper(distro, name))
}

fn path(text: &str) -> Option<RootPath> {
    text.starts_with('/').then(|| RootPath::parse(text).ok()).flatten()
}

pub(super) fn divert(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if !all_known(call) {
        return doubtful();
    }
    let (mut action, mut to, mut rename, mut operands) = ("--add", None, false, Vec::new());
    let mut whose = None;
    let mut words = call.argv.iter().skip(1).map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "--add" | "--remove" | "--list" | "--listpackage" | "--truename" => action = word,
            "--divert" => to = words.next(),
            "--package" => whose = words.next(),
            "--admindir" | "--instdir" | "--root" => {
                words.next();
            }
            "--rename" => rename = true,
            "--no-rename" => rename = false,
            "--local" | "--quiet" | "--test" => {}
            _ => match word.strip_prefix("--divert=") {
                Some(text) => to = Some(text),
                None if word.starts_with('-') => {}
                None => operands.push(word),
            },
        }
    }
    let Some(file) = operands.first().copied() else { return Reply::status(0) };
    // What is said in another package's name is for that one's scripts to keep or to take back.
    if whose.is_some_and(|package| package != machine.facts.package) {
        return Reply::status(0);
    }
    let found = machine.effects.iter().find_map(|effect| match effect {
        Effect::Divert { path, to, .. } if path.as_str() == file => Some(to.clone()),
        _ => None,
    });
    match action {
        "--add" => {
            let to = to.map_or_else(|| format!("{file}.distrib"), ToOwned::to_owned);
            let (Some(path), Some(to)) = (path(file), path(&to)) else { return Reply::status(2) };
            if found.is_none() {
                machine.effect(Effect::Divert { path, to, rename });
            }
            Reply::status(0)
        }
        "--truename" => Reply::output(format!("{}\n", found.map_or(file.to_owned(), |to| to.to_string()))),
        // Nobody else has diverted anything yet.
        "--list" | "--listpackage" => match found {
            Some(to) => Reply::output(format!("diversion of {file} to {to} by {}\n", machine.facts.package)),
            None => Reply::status(0),
        },
        _ => {
            if found.is_some() {
                machine
                    .effects
                    .retain(|effect| !matches!(effect, Effect::Divert { path, .. } if path.as_str() == file));
            }
            Reply::status(0)
        }
    }
}

pub(super) fn statoverride(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if !all_known(call) {
        return doubtful();
    }
    let words: Vec<&str> = call.argv.iter().skip(1).map(String::as_str).collect();
    let operands: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with("--")).collect();
    if words.contains(&"--list") {
        let listed = machine.effects.iter().filter_map(|effect| match effect {
            Effect::StatOverride { path, user, group, mode } if operands.first() == Some(&path.as_str()) => {
                Some(format!("{user} {group} {mode:o} {path}\n"))
            }
            _ => None,
        });
        let stdout: String = listed.collect();
        let status = Some(i32::from(stdout.is_empty()));
        return Reply::Done { status, stdout, variables: Vec::new() };
    }
    if words.contains(&"--remove") {
        machine.effects.retain(|effect| {
            !matches!(effect, Effect::StatOverride { path, .. } if operands.first() == Some(&path.as_str()))
        });
        return Reply::status(0);
    }
    let [user, group, mode, file] = operands.as_slice() else {
        return Reply::Unknown("there is no model of this use".to_owned());
    };
    match (path(file), u32::from_str_radix(mode, 8)) {
        (Some(path), Ok(mode)) => {
            machine.override_stat(path, [*user, *group], mode);
            Reply::status(0)
        }
        _ => Reply::status(2),
    }
}

/// update-alternatives(1).
pub(super) fn alternatives(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if !all_known(call) {
        return doubtful();
    }
    let mut words = call.argv.iter().skip(1).map(String::as_str);
    let mut alternative: Option<(RootPath, String, RootPath, i64)> = None;
    let mut slaves = Vec::new();
    while let Some(word) = words.next() {
        let mut next = || words.next().unwrap_or_default();
        match word {
            "--install" => {
                let (link, name, file, priority) = (next(), next(), next(), next());
                match (path(link), path(file), priority.parse()) {
                    (Some(link), Some(file), Ok(priority)) => {
                        alternative = Some((link, name.to_owned(), file, priority));
                    }
                    _ => return Reply::status(2),
                }
            }
            "--slave" | "--follower" => {
                let (link, name, file) = (next(), next(), next());
                match (path(link), path(file)) {
                    (Some(link), Some(path)) => slaves.push(Slave { link, name: name.to_owned(), path }),
                    _ => return Reply::status(2),
                }
            }
            // On a fresh installation there is nothing else to remove than what the script has installed itself.
            "--remove" | "--remove-all" => {
                let (name, file) = (next(), (word == "--remove").then(&mut next));
                machine.effects.retain(|effect| {
                    !matches!(effect, Effect::Alternative { name: other, path, .. }
                        if other == name && file.is_none_or(|file| path.as_str() == file))
                });
                return Reply::status(0);
            }
            // The mode is automatic.
            "--auto" => return Reply::status(0),
            "--set" => {
                let (name, file) = (next(), next());
                return match machine.best_alternative(name) {
                    Some((_, best, _)) if best.as_str() == file => Reply::status(0),
                    _ => Reply::Unknown("the choice by hand is not followed".to_owned()),
                };
            }
            "--query" | "--display" | "--list" | "--config" => {
                return told_alternative(machine, word, next());
            }
            "--altdir" | "--admindir" | "--log" | "--instdir" | "--root" => {
                next();
            }
            "--quiet" | "--force" | "--verbose" | "--skip-auto" | "--debug" => {}
            _ => return Reply::Unknown(format!("there is no model of its option `{word}`")),
        }
    }
    let Some((link, name, file, priority)) = alternative else { return Reply::status(2) };
    machine.effects.retain(|effect| {
        !matches!(effect, Effect::Alternative { name: other, path, .. } if *other == name && *path == file)
    });
    machine.effect(Effect::Alternative { name, link, path: file, priority, slaves });
    Reply::status(0)
}

/// What update-alternatives(1) tells of a name when it is asked in one of its ways.
fn told_alternative(machine: &Machine<'_>, way: &str, name: &str) -> Reply {
    match machine.best_alternative(name) {
        Some((_, best, _)) if way == "--query" => {
            Reply::output(format!("Name: {name}\nStatus: auto\nBest: {best}\nValue: {best}\n"))
        }
        Some((_, best, _)) if way == "--list" => Reply::output(format!("{best}\n")),
        Some(_) => Reply::output(unknown()),
        None => Reply::status(2),
    }
}
