//! A package's scripts on a fresh installation, evaluated one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use regex::RegexSet;

use super::accounts::AccountNames;
use super::files::{ImageFiles, architecture_of};
use super::machine::{Facts, Machine};
use super::memo::EffectsMemo;
use super::models::tool_of_trigger;
use super::{Effect, PackageEffects, Undone, triggers};

use crate::apk::pkginfo::PackageInfo;
use crate::cache::ContentId;
use crate::catalog::{FileCatalog, PackageFiles};
use crate::deb::control::paragraphs;
use crate::distro::PackageFormat;
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
    let effects = |(package, before): &(&PackageFiles, Vec<Effect>)| {
        let found = memo.effects(package, image, before, |image| evaluated(package, image, before));
        (package.name.clone(), found)
    };
    let none = |package: &PackageFiles| (package.name.clone(), not_evaluated(package));
    let mut all: BTreeMap<String, PackageEffects> = catalog.packages().map(none).collect();
    let alone: Vec<_> = catalog.packages().map(|package| (package, Vec::new())).collect();
    all.extend(on_deep_stacks(&alone, effects));
    let (mut after_accounts, mut after_files) = (Vec::new(), Vec::new());
    let named = Named::new(&all);
    for package in catalog.packages() {
        let named = named.by(package);
        let is_named = |name: &str| named.get(name).is_some_and(|makers| makers.is_others(&package.name));
        if !named.keys().any(|name| is_named(name)) {
            continue;
        }
        let before = dependencies(catalog, package);
        let of_others = || before.iter().filter_map(|name| all.get(name)).flat_map(|found| &found.effects);
        if of_others().any(|effect| matches!(effect, Effect::File { path, .. } if is_named(path.file_name())))
        {
            after_files.push((before.len(), package, before));
        } else if of_others().filter_map(account).any(is_named) {
            let known = of_others().filter(|effect| account(effect).is_some()).cloned().collect();
            after_accounts.push((package, known));
        }
    }
    all.extend(after_accounts.iter().map(|(package, _)| none(package)));
    all.extend(on_deep_stacks(&after_accounts, effects));
    // Whoever depends on another depends on all that it does, and on more: so these come in their order.
    after_files.sort_by_key(|(count, package, _)| (*count, package.name.clone()));
    for (place, (_, package, before)) in after_files.into_iter().enumerate() {
        let mut of_others: Vec<&PackageEffects> = before.iter().filter_map(|name| all.get(name)).collect();
        of_others.sort_by_key(|found| (found.after, &found.package));
        let known = of_others.into_iter().flat_map(|found| &found.effects);
        let known = known.filter(|effect| standing(effect).is_some()).cloned().collect();
        let (name, alone) = none(package);
        let found = on_deep_stacks(&[(package, known)], effects).pop().map_or(alone, |(_, found)| found);
        all.insert(name, PackageEffects { after: place + 1, after_files_of: before, ..found });
    }
    all
}

/// What packages' scripts have made that others may find, and whose they are.
struct Named<'e> {
    names: Vec<(&'e str, Makers<'e>)>,
    /// By position in the names.
    any: RegexSet,
}

#[derive(Clone)]
struct Makers<'e>(BTreeSet<&'e str>);

impl Makers<'_> {
    fn is_others(&self, package: &str) -> bool {
        self.0.iter().any(|maker| *maker != package)
    }
}

impl<'e> Named<'e> {
    fn new(all: &'e BTreeMap<String, PackageEffects>) -> Self {
        let mut names: BTreeMap<&str, Makers<'_>> = BTreeMap::new();
        for found in all.values() {
            for name in found.effects.iter().filter_map(standing) {
                names.entry(name).or_insert_with(|| Makers(BTreeSet::new())).0.insert(&found.package);
            }
        }
        let any = RegexSet::new(names.keys().map(|name| regex::escape(name))).unwrap_or_default();
        Named { names: names.into_iter().collect(), any }
    }

    /// Those that stand in the scripts of a package.
    fn by(&self, package: &PackageFiles) -> BTreeMap<&'e str, Makers<'e>> {
        let control = &package.manifest.control;
        let members = ["config", "preinst", "postinst", ".pre-install", ".post-install"];
        let texts = members.iter().filter_map(|name| control.member(name));
        let found = texts.flat_map(|text| self.any.matches(&text).into_iter().collect::<Vec<_>>());
        found.map(|place| self.names[place].clone()).collect()
    }
}

/// The name of the account that an effect makes.
fn account(effect: &Effect) -> Option<&str> {
    match effect {
        Effect::User { name, .. } | Effect::Group { name, .. } => Some(name),
        _ => None,
    }
}

/// What is there for others that an effect has made: an account, or a file, by their names, for scripts put paths
/// together.
fn standing(effect: &Effect) -> Option<&str> {
    match effect {
        Effect::File { path, .. } => Some(path.file_name()),
        _ => account(effect),
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
