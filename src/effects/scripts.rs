//! A package's scripts on a fresh installation, evaluated one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::accounts::AccountNames;
use super::before::BeforeUnpacking;
use super::files::{ImageFiles, architecture_of};
use super::machine::{Facts, Machine};
use super::memo::{EffectsMemo, Found};
use super::models::tool_of_trigger;
use super::others::{Made, Waiting, standing};
use super::{Effect, PackageEffects, Undone, triggers};

use crate::cache::ContentId;
use crate::catalog::{FileCatalog, PackageFiles};
use crate::deb::control::paragraphs;
use crate::distro::{PATH, PackageFormat};
use crate::root_path::RootPath;
use crate::shell::{self, Script, evaluate};

/// The stack on which scripts are evaluated, in bytes.
const STACK: usize = 64 << 20;

/// What the scripts of all catalogued packages would do, by package. A script finds the accounts and the files as the
/// scripts of the packages it depends on have left them. What was found before is taken from the memo.
///
/// # Errors
///
/// Where no thread can be started to follow them.
pub fn effects_of_all(
    catalog: &FileCatalog,
    image: &dyn ImageFiles,
    memo: &EffectsMemo,
) -> io::Result<BTreeMap<String, PackageEffects>> {
    // What was made of an image's layers is not told apart by what names its package.
    let none = EffectsMemo::default();
    let memo = if catalog.packages().any(|package| package.source.is_some()) { &none } else { memo };
    let find = |(package, before): &(&PackageFiles, Vec<Effect>)| {
        let found = memo.effects(package, image, before, |image| evaluated(package, image, before));
        (package.name.clone(), found)
    };
    let alone: Vec<_> = catalog.packages().map(|package| (package, Vec::new())).collect();
    let mut all: BTreeMap<String, PackageEffects> =
        alone.iter().map(|(package, _)| (package.name.clone(), not_evaluated(package))).collect();
    let (found, looked_at): (Vec<_>, BTreeMap<_, _>) = on_deep_stacks(&alone, find)?
        .into_iter()
        .map(|(name, Found { effects, looked_at })| ((name.clone(), effects), (name, looked_at)))
        .unzip();
    all.extend(found);
    let mut waiting = Waiting::new(catalog, looked_at);
    let made = all.values().flat_map(|found| found.effects.iter().map(|effect| (&*found.package, effect)));
    waiting.add_finders(&Made::of(made), &BTreeSet::new());
    let mut place = 0;
    while let Some((package, mut before)) = waiting.next() {
        // Of two that depend on each other the second finds what the first has done.
        before.retain(|name| !waiting.has(name));
        let known = standing(&all, &before);
        let found = on_deep_stacks(&[(package, known)], find)?.pop();
        let found = found.map_or_else(|| not_evaluated(package), |(_, found)| found.effects);
        place += 1;
        let found = PackageEffects { after: place, after_files_of: before, ..found };
        // What it has made now and not before may be what others look at.
        let alone = all.get(&package.name).map(|alone| alone.effects.as_slice()).unwrap_or_default();
        let news = found.effects.iter().filter(|effect| !alone.contains(effect));
        waiting.add_finders(&Made::of(news.map(|effect| (&*package.name, effect))), &found.after_files_of);
        all.insert(package.name.clone(), found);
    }
    Ok(all)
}

/// What a package's scripts would do on a fresh installation, with all packages of the image unpacked: Debian's
/// `config`, `preinst install` and `postinst configure`, or Alpine's `.pre-install`, `.post-install` and `.trigger`;
/// then what triggers the package itself fires.
///
/// # Errors
///
/// Where no thread can be started to follow them.
pub fn effects_of(package: &PackageFiles, image: &dyn ImageFiles) -> io::Result<PackageEffects> {
    let found = on_deep_stacks(&[package], |package| evaluated(package, image, &[]))?;
    Ok(found.into_iter().next().unwrap_or_else(|| not_evaluated(package)))
}

/// Does something for each, in any order and several at a time, on threads with a stack for scripts, which may be
/// nested. What panics is left out; an error if there is no thread to be had.
fn on_deep_stacks<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> io::Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let some = || {
        let some = std::iter::from_fn(|| all.get(next.fetch_add(1, Ordering::Relaxed)));
        // Where following a script ends in a way that nobody foresaw, that is nothing to the others.
        some.filter_map(|one| catch_unwind(AssertUnwindSafe(|| work(one))).ok()).collect::<Vec<R>>()
    };
    std::thread::scope(|scope| {
        let threads = rayon::current_num_threads().min(all.len());
        let spawn = |_| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, some);
        let (started, failed): (Vec<_>, Vec<_>) = (0..threads).map(spawn).partition(Result::is_ok);
        // One that has started does the work of those that have not.
        if let Some(error) = failed.into_iter().find_map(Result::err).filter(|_| started.is_empty()) {
            return Err(error);
        }
        Ok(started.into_iter().flatten().flat_map(|thread| thread.join().unwrap_or_default()).collect())
    })
}

fn not_evaluated(package: &PackageFiles) -> PackageEffects {
    let undone = Undone {
        package: package.name.clone(),
        script: "postinst".to_owned(),
        line: 1,
        command: "all of it".to_owned(),
        reason: "it cannot be evaluated".to_owned(),
    };
    PackageEffects { package: package.name.clone(), undone: vec![undone], ..PackageEffects::default() }
}

fn evaluated(package: &PackageFiles, image: &dyn ImageFiles, before: &[Effect]) -> PackageEffects {
    let is_apk = matches!(package.content, ContentId::Apk(_));
    let format = if is_apk { PackageFormat::Apk } else { PackageFormat::Deb };
    let control = &package.manifest.control;
    let facts = Facts {
        package: package.name.clone(),
        architecture: architecture_of(package),
        questions: control.member("templates").map(|text| questions(&text)).unwrap_or_default(),
        is_apk,
        is_essential: paragraphs(&control.text)
            .next()
            .and_then(|fields| fields.field("Essential"))
            .is_some_and(|value| value.trim() == "yes"),
    };
    let unpacked_before = BeforeUnpacking::new(image, package);
    let mut machine = Machine::new(&unpacked_before, facts, AccountNames::base(format).with(before));
    machine.find(before);
    let mut undone = Vec::new();
    let version = package.version.as_str();
    let directories = if is_apk { triggers::directories(package, image) } else { Vec::new() };
    let directories: Vec<&str> = directories.iter().map(String::as_str).collect();
    let calls: [&[(&str, &[&str])]; 2] = if is_apk {
        // A trigger script is called for directories, or not at all.
        let trigger = if directories.is_empty() { "" } else { ".trigger" };
        [&[(".pre-install", &[version])], &[(".post-install", &[version]), (trigger, &directories)]]
    } else {
        // debconf runs `config` once more when `postinst` asks for it; what it says before comes to the same.
        [&[("preinst", &["install"])], &[("config", &["configure", ""]), ("postinst", &["configure", ""])]]
    };
    for (is_unpacked, calls) in [false, true].into_iter().zip(calls) {
        if is_unpacked {
            undone.extend(unpack(package, &mut machine, image));
        }
        for (member, arguments) in calls {
            if let Some(text) = control.member(member) {
                undone.extend(run(package, &mut machine, member, &text, arguments));
            }
        }
    }
    let fired = if is_apk { Vec::new() } else { triggers::fired(package, image) };
    if let Some(text) = control.member("postinst").filter(|_| !fired.is_empty()) {
        undone.extend(run(package, &mut machine, "postinst", &text, &["triggered", &fired.join(" ")]));
        undone.sort();
        undone.dedup();
    }
    if let Some(triggers) = control.member("triggers") {
        let activated = triggers.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            words.next().filter(|word| word.starts_with("activate"))?;
            words.next()
        });
        for tool in activated.filter_map(tool_of_trigger) {
            machine.effect(Effect::Tool(tool));
        }
    }
    PackageEffects {
        package: package.name.clone(),
        effects: machine.effects,
        undone,
        at_run_time: machine.at_run_time.into_iter().collect(),
        after_files_of: BTreeSet::new(),
        after: 0,
    }
}

/// Unpacks the package over what its scripts have made so far; what cannot come about by that.
fn unpack<'a>(package: &PackageFiles, machine: &mut Machine<'a>, image: &'a dyn ImageFiles) -> Vec<Undone> {
    let undone = |path: RootPath| Undone {
        package: package.name.clone(),
        script: "preinst".to_owned(),
        line: 1,
        command: format!("ln -s ... {path}"),
        reason: "the package has a directory there, whose files do not go where the link leads".to_owned(),
    };
    machine.unpack(package, image).into_iter().map(undone).collect()
}

/// Evaluates one script; what was not understood.
fn run(
    package: &PackageFiles,
    machine: &mut Machine<'_>,
    member: &str,
    text: &str,
    arguments: &[&str],
) -> Vec<Undone> {
    let undone = |line, command: String, reason: String| Undone {
        package: package.name.clone(),
        script: member.to_owned(),
        line,
        command,
        reason,
    };
    let interpreter = interpreter(text).unwrap_or("/bin/sh");
    if !is_shell(interpreter) {
        return vec![undone(1, interpreter.to_owned(), "only shell scripts are followed".to_owned())];
    }
    let name = format!("/var/lib/dpkg/info/{}.{member}", package.name);
    let environment = environment(package, machine, member);
    let (directory, umask) = (RootPath::root(), 0o022);
    let script = Script { name: &name, text, arguments, environment, directory, umask };
    match evaluate(&script, machine) {
        Ok(ended) => {
            let mut all: Vec<Undone> = ended
                .findings
                .into_iter()
                .map(|finding| undone(finding.line, finding.command, finding.reason))
                .collect();
            if let Some(status) = ended.status.filter(|status| *status != 0 && member != "config") {
                let command =
                    text.lines().nth(ended.line.saturating_sub(1)).unwrap_or(member).trim().to_owned();
                let reason =
                    format!("it would end here with the status {status}, and what follows is left undone");
                all.push(undone(ended.line, command, reason));
            }
            all
        }
        Err(error) => vec![undone(1, member.to_owned(), error.to_string())],
    }
}

/// What stands after `#!`.
pub(super) fn interpreter(text: &str) -> Option<&str> {
    text.lines().next().and_then(|line| line.strip_prefix("#!")).map(str::trim)
}

/// Whether an interpreter is a shell.
pub(super) fn is_shell(interpreter: &str) -> bool {
    let mut words = interpreter.split_whitespace();
    let mut program = words.next().unwrap_or_default();
    if program.ends_with("/env") {
        program = words.next().unwrap_or_default();
    }
    shell::is_shell(program) || program.ends_with("/busybox")
}

fn environment(package: &PackageFiles, machine: &Machine<'_>, member: &str) -> BTreeMap<String, String> {
    let mut all =
        vec![("PATH", PATH), ("HOME", "/root"), ("LC_ALL", "C"), ("USER", "root"), ("LOGNAME", "root")];
    if !machine.facts.is_apk {
        all.extend([
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("DEBIAN_PRIORITY", "critical"),
            ("DPKG_MAINTSCRIPT_PACKAGE", package.name.as_str()),
            ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", "1"),
            ("DPKG_MAINTSCRIPT_NAME", member),
            ("DPKG_MAINTSCRIPT_ARCH", machine.facts.architecture.as_str()),
            ("DPKG_ADMINDIR", "/var/lib/dpkg"),
            ("DPKG_ROOT", ""),
            ("DPKG_RUNNING_VERSION", "1.22.0"),
            ("DEBCONF_REDIR", "1"),
        ]);
    }
    all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Questions of debconf's templates, with their fields by lower-case name (debconf-devel(7)).
fn questions(templates: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let all = paragraphs(templates).filter_map(|paragraph| {
        let name = paragraph.field("Template")?.to_owned();
        let fields = paragraph.fields().map(|(field, value)| (field.to_lowercase(), value.to_owned()));
        Some((name, fields.collect()))
    });
    all.collect()
}
