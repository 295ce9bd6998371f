//! Apache's switches of Debian, `a2enmod` and its like: links from what is enabled to what is available, and marks of who
//! has switched it (a2enmod(8)). A module brings those that it depends on.
//!
//! What another package's script has switched is not seen. That of Apache itself enables the MPM `event`; what is switched
//! off here is so whoever switched it on.
//!
//! Left out: patterns, and instances of Apache other than the first.

use std::collections::BTreeSet;

use super::super::Effect;
use super::super::machine::{Content, Machine};
use super::{all_known, doubtful};
use crate::root_path::RootPath;
use crate::shell::{Call, Reply, World, resolve};

/// What is switched.
#[derive(Clone, Copy)]
struct Kind {
    /// As the directories of marks are called.
    name: &'static str,
    /// Begins the names of the directories.
    directory: &'static str,
    suffix: &'static str,
}

const MODULE: Kind = Kind { name: "module", directory: "mods", suffix: ".load" };
const CONF: Kind = Kind { name: "conf", directory: "conf", suffix: ".conf" };
const SITE: Kind = Kind { name: "site", directory: "sites", suffix: ".conf" };

/// Who switches, and what it has said so far.
struct Switch {
    enable: bool,
    /// A maintainer script, not an administrator.
    by_script: bool,
    /// Modules that are being switched on: they may depend on one another.
    begun: BTreeSet<String>,
    stdout: String,
}

impl Kind {
    fn available(self, file: &str) -> Option<RootPath> {
        RootPath::parse(&format!("/etc/apache2/{}-available/{file}", self.directory)).ok()
    }

    fn enabled(self, file: &str) -> Option<RootPath> {
        RootPath::parse(&format!("/etc/apache2/{}-enabled/{file}", self.directory)).ok()
    }
}

/// `a2enmod [-m] [-q] NAME...`, and what else the same program is called.
pub(super) fn switch(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let command = call.argv.first().map_or("", |name| name.rsplit('/').next().unwrap_or(name));
    let (enable, kind) = match command {
        "a2enmod" => (true, MODULE),
        "a2enconf" => (true, CONF),
        "a2ensite" => (true, SITE),
        "a2dismod" => (false, MODULE),
        "a2disconf" => (false, CONF),
        _ => (false, SITE),
    };
    if !all_known(call) {
        return doubtful();
    }
    let (flags, names): (Vec<&String>, Vec<&String>) =
        call.argv.iter().skip(1).partition(|word| word.starts_with('-'));
    let has = |letter: char, long: &str| {
        flags.iter().any(|flag| *flag == long || !flag.starts_with("--") && flag.contains(letter))
    };
    if has('p', "--purge") || names.is_empty() || names.iter().any(|name| name.contains(['*', '?', '[', '/']))
    {
        return Reply::Unknown("there is no model of this call".to_owned());
    }
    let by_script = has('m', "--maintmode");
    let mut switch = Switch { enable, by_script, begun: BTreeSet::new(), stdout: String::new() };
    let mut status = 0;
    for name in names {
        let name = name.strip_suffix(kind.suffix).unwrap_or(name);
        let done = if enable { switch.on(machine, kind, name) } else { switch.off(machine, kind, name) };
        status |= i32::from(done.is_none());
    }
    Reply::Done { status: Some(status), stdout: switch.stdout, variables: Vec::new() }
}

/// The MPM that Apache's own script enables.
const MPM: &str = "mpm_event";

/// The names of what is enabled, sorted.
fn enabled(machine: &Machine<'_>, kind: Kind) -> Vec<String> {
    let directory = RootPath::parse(&format!("/etc/apache2/{}-enabled", kind.directory)).ok();
    let files = directory.map(|directory| machine.list(&directory)).unwrap_or_default();
    let mut names: Vec<String> =
        files.iter().filter_map(|file| file.strip_suffix(kind.suffix)).map(str::to_owned).collect();
    let is_default = || {
        let load = kind.available(&format!("{MPM}{}", kind.suffix));
        kind.name == MODULE.name && load.is_some_and(|load| machine.node(&load).is_some())
    };
    if !names.iter().any(|name| name.starts_with("mpm_")) && is_default() {
        names.push(MPM.to_owned());
        names.sort();
    }
    names
}

/// `a2query [-q] -m [MODULE]`, with `-c` and `-s` for configurations and sites; `a2query -M` (a2query(1)).
pub(super) fn query(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if !all_known(call) {
        return doubtful();
    }
    let words: Vec<&str> = call.argv.iter().skip(1).map(String::as_str).collect();
    let is_quiet = words.contains(&"-q");
    let words: Vec<&str> = words.into_iter().filter(|word| *word != "-q").collect();
    let answer = |status: i32, stdout: String| {
        let stdout = if is_quiet { String::new() } else { stdout };
        Reply::Done { status: Some(status), stdout, variables: Vec::new() }
    };
    let kind = match words.first() {
        Some(&"-m") => MODULE,
        Some(&"-c") => CONF,
        Some(&"-s") => SITE,
        Some(&"-M") => {
            let modules = enabled(machine, MODULE);
            let mpm = modules.iter().find_map(|name| name.strip_prefix("mpm_")).unwrap_or("invalid");
            return answer(0, format!("{mpm}\n"));
        }
        _ => return Reply::Unknown("there is no model of this call".to_owned()),
    };
    let enabled = enabled(machine, kind);
    let told = |name: &str| format!("{name} (enabled by maintainer script)\n");
    match words.get(1) {
        None => answer(0, enabled.iter().map(|name| told(name)).collect()),
        Some(name) => {
            let name = name.strip_prefix("mod_").unwrap_or(name);
            let name = name.strip_suffix(kind.suffix).unwrap_or(name);
            let is_on = enabled.iter().any(|one| one == name);
            let available = kind.available(&format!("{name}{}", kind.suffix));
            if !is_on
                && !name.starts_with("mpm_")
                && available.is_some_and(|path| machine.is_of_others(&path))
            {
                // Its own package's script may have switched it on.
                return Reply::Done { status: None, stdout: String::new(), variables: Vec::new() };
            }
            answer(i32::from(!is_on), if is_on { told(name) } else { String::new() })
        }
    }
}

impl Switch {
    /// None where it is refused.
    fn on(&mut self, machine: &mut Machine<'_>, kind: Kind, name: &str) -> Option<()> {
        let is_module = kind.name == MODULE.name;
        let is_on = |machine: &Machine<'_>, module: &str| {
            MODULE.enabled(&format!("{module}.load")).is_some_and(|path| machine.node(&path).is_some())
        };
        let threaded = || {
            let is_default = MODULE.available(&format!("{MPM}.load"));
            let is_default = is_default.is_some_and(|load| machine.is_of_others(&load));
            ["mpm_event", "mpm_worker"].iter().any(|module| is_on(machine, module))
                || (is_default && !is_on(machine, "mpm_prefork"))
        };
        let name = if is_module && name == "cgi" && threaded() { "cgid" } else { name };
        let file = format!("{name}{}", kind.suffix);
        let available = kind.available(&file)?;
        // It may be a link to what another package has.
        let place = resolve(machine, &RootPath::root(), available.as_str())?;
        let text = machine.read(&place).unwrap_or_default();
        let depends = listed(&text, "Depends");
        if is_module {
            if !self.begun.insert(name.to_owned()) {
                return Some(());
            }
            for module in &depends {
                self.on(machine, MODULE, module)?;
            }
            if listed(&text, "Conflicts").iter().any(|module| is_on(machine, module)) {
                return None;
            }
        } else if depends.iter().any(|module| !is_on(machine, module)) {
            return None;
        }
        if machine.node(&kind.enabled(&file)?).is_some() {
            return Some(());
        }
        self.stdout.push_str(&format!("Enabling {} {name}.\n", kind.name));
        let settings = format!("{name}.conf");
        let mut files = vec![file];
        if is_module && machine.node(&kind.available(&settings)?).is_some() {
            files.push(settings);
        }
        for file in files {
            let target = format!("../{}-available/{file}", kind.directory);
            machine.make_symlink(&kind.enabled(&file)?, &target, None);
        }
        self.mark(machine, kind, name)
    }

    fn off(&mut self, machine: &mut Machine<'_>, kind: Kind, name: &str) -> Option<()> {
        let file = format!("{name}{}", kind.suffix);
        let link = kind.enabled(&file)?;
        if machine.node(&link).is_none() && machine.node(&kind.available(&file)?).is_none() {
            return None;
        }
        for link in [link, kind.enabled(&format!("{name}.conf"))?] {
            if machine.node(&link).is_some() {
                machine.remove(&link, false);
            } else {
                machine.effect(Effect::Remove { path: link, recursive: false });
            }
        }
        self.stdout.push_str(&format!("{} {name} disabled.\n", kind.name));
        self.mark(machine, kind, name)
    }

    /// Notes who has switched it; what was noted before goes.
    fn mark(&self, machine: &mut Machine<'_>, kind: Kind, name: &str) -> Option<()> {
        let who = if self.by_script { "maint" } else { "admin" };
        let state = if self.enable { "enabled" } else { "disabled" };
        let mark = |state: &str, who: &str| {
            RootPath::parse(&format!("/var/lib/apache2/{}/{state}_by_{who}/{name}", kind.name)).ok()
        };
        for (state, who) in
            [("enabled", "maint"), ("enabled", "admin"), ("disabled", "maint"), ("disabled", "admin")]
        {
            let old = mark(state, who)?;
            if machine.node(&old).is_some() {
                machine.remove(&old, false);
            }
        }
        let mark = mark(state, who)?;
        let mut missing: Vec<RootPath> =
            mark.ancestors().filter(|above| machine.node(above).is_none()).collect();
        missing.sort();
        for directory in missing {
            machine.make_directory(&directory, None, None);
        }
        machine.make_file(&mark, Content::Text(String::new()), None, None).ok()
    }
}

/// The names in a comment at the top of a file: `# Depends: setenvif mime`.
fn listed(text: &str, key: &str) -> Vec<String> {
    let comments =
        text.lines().take_while(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    let mut values =
        comments.filter_map(|line| line.strip_prefix("# ")?.strip_prefix(key)?.strip_prefix(':'));
    values.next().into_iter().flat_map(str::split_whitespace).map(str::to_owned).collect()
}
