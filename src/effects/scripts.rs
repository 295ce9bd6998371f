//! A package's scripts on a fresh installation, evaluated one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use regex::RegexSet;

use super::accounts::AccountNames;
use super::files::{ImageFiles, architecture_of};
use super::machine::{Facts, Machine};
use super::memo::{EffectsMemo, Found};
use super::models::tool_of_trigger;
use super::{Effect, PackageEffects, Undone, triggers};

use crate::apk::pkginfo::PackageInfo;
use crate::cache::ContentId;
use crate::catalog::{FileCatalog, PackageFiles};
use crate::deb::control::paragraphs;
use crate::distro::PackageFormat;
use crate::root_path::RootPath;
use crate::shell::{Script, evaluate};

/// The stack on which scripts are evaluated, in bytes.
const STACK: usize = 64 << 20;

/// What the scripts of all catalogued packages would do, by package. A script finds the accounts and the files that
/// the scripts of the packages it depends on have made. What was found before is taken from the memo.
pub fn effects_of_all(
    catalog: &FileCatalog,
    image: &dyn ImageFiles,
    memo: &EffectsMemo,
) -> BTreeMap<String, PackageEffects> {
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
    let (found, looked_at): (Vec<_>, BTreeMap<_, _>) = on_deep_stacks(&alone, find)
        .into_iter()
        .map(|(name, Found { effects, looked_at })| ((name.clone(), effects), (name, looked_at)))
        .unzip();
    all.extend(found);
    let (mut after_accounts, mut after_files) = (Vec::new(), Vec::new());
    let made = Made::of(&all);
    for package in catalog.packages() {
        let accounts = made.accounts_in(package);
        let files = looked_at.get(&package.name).map(|paths| made.files_among(paths)).unwrap_or_default();
        let is_others = |makers: &BTreeSet<&str>| makers.iter().any(|maker| *maker != package.name);
        if !accounts.values().chain(files.values()).any(is_others) {
            continue;
        }
        let before = dependencies(catalog, package);
        let is_before = |makers: &BTreeSet<&str>| makers.iter().any(|maker| before.contains(*maker));
        if files.values().any(&is_before) {
            after_files.push((before.len(), package, before));
        } else if accounts.values().any(is_before) {
            after_accounts.push((package, standing(&all, &before, false)));
        }
    }
    all.extend(after_accounts.iter().map(|(package, _)| (package.name.clone(), not_evaluated(package))));
    all.extend(on_deep_stacks(&after_accounts, find).into_iter().map(|(name, found)| (name, found.effects)));
    // Whoever depends on another depends on all that it does, and on more: so these come in their order.
    after_files.sort_by_key(|(count, package, _)| (*count, package.name.clone()));
    for (place, (_, package, before)) in after_files.into_iter().enumerate() {
        let known = standing(&all, &before, true);
        let found = on_deep_stacks(&[(package, known)], find).pop();
        let found = found.map_or_else(|| not_evaluated(package), |(_, found)| found.effects);
        let found = PackageEffects { after: place + 1, after_files_of: before, ..found };
        all.insert(package.name.clone(), found);
    }
    all
}

/// What some packages' scripts have made that others find: accounts, and files too if they are asked for, the last of each.
fn standing(
    all: &BTreeMap<String, PackageEffects>,
    packages: &BTreeSet<String>,
    with_files: bool,
) -> Vec<Effect> {
    let mut of: Vec<&PackageEffects> = packages.iter().filter_map(|name| all.get(name)).collect();
    of.sort_by_key(|found| found.after);
    let effects = of.into_iter().flat_map(|found| &found.effects);
    let stands =
        |effect: &&Effect| account(effect).is_some() || with_files && matches!(effect, Effect::File { .. });
    effects.filter(stands).cloned().collect()
}

/// What packages' scripts have made that others may find, and the packages.
struct Made<'e> {
    accounts: Vec<(&'e str, BTreeSet<&'e str>)>,
    /// By position in the accounts.
    any: RegexSet,
    files: BTreeMap<&'e RootPath, BTreeSet<&'e str>>,
}

impl<'e> Made<'e> {
    fn of(all: &'e BTreeMap<String, PackageEffects>) -> Self {
        let mut accounts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut files: BTreeMap<&RootPath, BTreeSet<&str>> = BTreeMap::new();
        for found in all.values() {
            for effect in &found.effects {
                if let Some(name) = account(effect) {
                    accounts.entry(name).or_default().insert(&found.package);
                } else if let Effect::File { path, .. } = effect {
                    files.entry(path).or_default().insert(&found.package);
                }
            }
        }
        let any = RegexSet::new(accounts.keys().map(|name| regex::escape(name))).unwrap_or_default();
        Made { accounts: accounts.into_iter().collect(), any, files }
    }

    /// The accounts that stand in the scripts of a package.
    fn accounts_in(&self, package: &PackageFiles) -> BTreeMap<&'e str, BTreeSet<&'e str>> {
        let control = &package.manifest.control;
        let members = ["config", "preinst", "postinst", ".pre-install", ".post-install"];
        let texts = members.iter().filter_map(|name| control.member(name));
        let found = texts.flat_map(|text| self.any.matches(&text).into_iter().collect::<Vec<_>>());
        found.map(|place| self.accounts[place].clone()).collect()
    }

    fn files_among(&self, paths: &BTreeSet<RootPath>) -> BTreeMap<&'e RootPath, BTreeSet<&'e str>> {
        let found = self.files.iter().filter(|(path, _)| paths.contains(**path));
        found.map(|(path, makers)| (*path, makers.clone())).collect()
    }
}

/// The name of the account that an effect makes.
fn account(effect: &Effect) -> Option<&str> {
    match effect {
        Effect::User { name, .. } | Effect::Group { name, .. } => Some(name),
        _ => None,
    }
}

/// The catalogued packages that a package depends on, and those that they depend on.
fn dependencies(catalog: &FileCatalog, package: &PackageFiles) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut pending = vec![package];
    while let Some(next) = pending.pop() {
        for name in named_dependencies(next) {
            if let Some(other) = catalog.package(&name).filter(|other| other.name != package.name)
                && found.insert(other.name.clone())
            {
                pending.push(other);
            }
        }
    }
    found
}

/// The names that stand in a package's dependencies, those of capabilities too.
fn named_dependencies(package: &PackageFiles) -> Vec<String> {
    let text = &package.manifest.control.text;
    if matches!(package.content, ContentId::Apk(_)) {
        let depends = PackageInfo::parse(text).map(|info| info.depends).unwrap_or_default();
        let names = depends.iter().map(|one| one.split(['<', '=', '>', '~']).next().unwrap_or_default());
        return names.map(ToOwned::to_owned).collect();
    }
    let paragraph = paragraphs(text).next();
    let field = |name: &str| paragraph.as_ref().and_then(|fields| fields.field(name)).unwrap_or_default();
    let names = ["Pre-Depends", "Depends"].map(field).join(",");
    let names = names.split([',', '|']).map(|name| name.trim().split([' ', '(', ':']).next());
    names.map(|name| name.unwrap_or_default().to_owned()).collect()
}

/// What a package's scripts would do on a fresh installation, with all packages of the image unpacked: Debian's
/// `config`, `preinst install` and `postinst configure`, or Alpine's `.pre-install`, `.post-install` and `.trigger`;
/// then what triggers the package itself fires.
pub fn effects_of(package: &PackageFiles, image: &dyn ImageFiles) -> PackageEffects {
    let found = on_deep_stacks(&[package], |package| evaluated(package, image, &[]));
    found.into_iter().next().unwrap_or_else(|| not_evaluated(package))
}

/// Does something for each, in any order and several at a time, on threads with a stack for scripts, which may be
/// nested. What panics is left out, and all if there is no thread to be had.
fn on_deep_stacks<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let some = || {
        let some = std::iter::from_fn(|| all.get(next.fetch_add(1, Ordering::Relaxed)));
        // Where following a script ends in a way that nobody foresaw, that is nothing to the others.
        some.filter_map(|one| catch_unwind(AssertUnwindSafe(|| work(one))).ok()).collect::<Vec<R>>()
    };
    std::thread::scope(|scope| {
        let threads = rayon::current_num_threads().min(all.len());
        let spawn = |_| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, some);
        let threads: Vec<_> = (0..threads).flat_map(spawn).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
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
    let mut machine = Machine::new(image, facts, AccountNames::base(format).with(before));
    machine.find_files(before);
    let mut undone = Vec::new();
    let version = package.version.as_str();
    let directories = if is_apk { triggers::directories(package, image) } else { Vec::new() };
    let directories: Vec<&str> = directories.iter().map(String::as_str).collect();
    let calls: [(&str, &[&str]); 3] = if is_apk {
        // A trigger script is called for directories, or not at all.
        let trigger = if directories.is_empty() { "" } else { ".trigger" };
        [(".pre-install", &[version]), (".post-install", &[version]), (trigger, &directories)]
    } else {
        [("config", &["configure", ""]), ("preinst", &["install"]), ("postinst", &["configure", ""])]
    };
    for (member, arguments) in calls {
        if let Some(text) = control.member(member) {
            undone.extend(run(package, &mut machine, member, &text, arguments));
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
    let script = Script { name: &name, text, arguments, environment: environment(package, machine, member) };
    match evaluate(&script, machine) {
        Ok(ended) => {
            let mut all: Vec<Undone> = ended
                .findings
                .into_iter()
                .map(|finding| undone(finding.line, finding.command, finding.reason))
                .collect();
            if let Some(status) = ended.status.filter(|status| *status != 0 && member != "config") {
                all.push(undone(1, member.to_owned(), format!("it would end with the status {status}")));
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
    let mut program = words.next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    if program == "env" {
        program = words.next().unwrap_or_default();
    }
    matches!(program, "sh" | "bash" | "dash" | "ash" | "ksh" | "busybox")
}

fn environment(package: &PackageFiles, machine: &Machine<'_>, member: &str) -> BTreeMap<String, String> {
    let mut all = vec![
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/root"),
        ("LC_ALL", "C"),
        ("USER", "root"),
        ("LOGNAME", "root"),
    ];
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
