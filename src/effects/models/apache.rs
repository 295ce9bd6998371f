//! Apache's switches of Debian, `a2enmod` and its like: links from what is enabled to what is available, and marks of who
//! has switched it (a2enmod(8)). A module brings those that it depends on.
//!
//! Left out: patterns, and instances of Apache other than the first.

use std::collections::BTreeSet;

use super::super::machine::{Content, Machine};
use super::{all_known, doubtful};
use crate::root_path::RootPath;
use crate::shell::{Call, Reply, World};

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

impl Switch {
    /// None where it is refused.
    fn on(&mut self, machine: &mut Machine<'_>, kind: Kind, name: &str) -> Option<()> {
        let is_module = kind.name == MODULE.name;
        let is_on = |machine: &Machine<'_>, module: &str| {
            MODULE.enabled(&format!("{module}.load")).is_some_and(|path| machine.node(&path).is_some())
        };
        let threaded = || ["mpm_event", "mpm_worker"].iter().any(|module| is_on(machine, module));
        let name = if is_module && name == "cgi" && threaded() { "cgid" } else { name };
        let file = format!("{name}{}", kind.suffix);
        let available = kind.available(&file)?;
        let text = machine.read(&available)?;
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
            machine.make_symlink(&kind.enabled(&file)?, &target);
        }
        self.mark(machine, kind, name)
    }

    fn off(&mut self, machine: &mut Machine<'_>, kind: Kind, name: &str) -> Option<()> {
        let link = kind.enabled(&format!("{name}{}", kind.suffix))?;
        if machine.node(&link).is_none() {
            // Nothing to do; unless it is not there at all.
            return kind
                .available(&format!("{name}{}", kind.suffix))
                .filter(|path| machine.node(path).is_some())
                .map(|_| ());
        }
        machine.remove(&link, false);
        let settings = kind.enabled(&format!("{name}.conf"))?;
        if machine.node(&settings).is_some() {
            machine.remove(&settings, false);
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
