//! `[image]`: what the image's configuration says of how to run it (OCI image-spec `config.md`; the health
//! check is Docker's `config.Healthcheck`).

use std::collections::BTreeMap;
use std::fmt;

use super::accounts::Mentions;
use super::duration::nanoseconds;
use super::findings::Findings;
use super::problems::{Span, listed, quoted};
use super::reader::{Text, Value};
use super::suggest::nearest;
use crate::root_path::RootPath;

/// How containers of the image run. What is none is left to the distro's default or unset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// The command, to which `cmd` is appended.
    pub entrypoint: Option<Vec<String>>,
    /// Default arguments, or the command where there is no entry point.
    pub cmd: Option<Vec<String>>,
    /// `user` or `user:group`, by name or number.
    pub user: Option<String>,
    /// The working directory.
    pub workdir: Option<RootPath>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Ports it listens on, sorted.
    pub expose: Vec<ExposedPort>,
    /// Directories whose content outlives a container, sorted.
    pub volumes: Vec<RootPath>,
    /// The signal that stops it: `SIGTERM`, `SIGRTMIN+3`, or a number.
    pub stop_signal: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// How to tell whether it works.
    pub healthcheck: Option<Healthcheck>,
}

/// A port and its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExposedPort {
    /// The port, never 0.
    pub port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: &'static str,
}

impl fmt::Display for ExposedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

/// Docker's health check; durations in nanoseconds, as its configuration has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Healthcheck {
    /// `NONE`, or `CMD` and a command, or `CMD-SHELL` and a line for the shell.
    pub test: Vec<String>,
    /// Time between two checks.
    pub interval: Option<u64>,
    /// Time after which a check has failed.
    pub timeout: Option<u64>,
    /// Time in which failures do not count.
    pub start_period: Option<u64>,
    /// Time between two checks in the start period.
    pub start_interval: Option<u64>,
    /// Failures in a row that make it unhealthy.
    pub retries: Option<u32>,
}

impl ImageConfig {
    /// The program that the image starts: the first word of `entrypoint`, or else of `cmd`; none where neither has one.
    pub fn program(&self) -> Option<&str> {
        let firsts = [&self.entrypoint, &self.cmd].into_iter().filter_map(|words| words.as_ref()?.first());
        firsts.map(String::as_str).find(|word| !word.is_empty())
    }

    pub(super) fn read(value: &Value<'_>, mentions: &mut Mentions) -> Self {
        let Some(mut table) = value.table("`[image]`") else { return Self::default() };
        let findings = table.findings;
        let mut image = ImageConfig {
            entrypoint: table.take("entrypoint").and_then(|value| command(&value)),
            cmd: table.take("cmd").and_then(|value| value.strings()),
            ..ImageConfig::default()
        };
        if let Some(user) = table.text("user")
            && mentions.read(&user, findings).is_some()
        {
            image.user = Some(user.text.to_owned());
        }
        image.workdir = table.text("workdir").and_then(|text| absolute(&text, findings));
        let env = table.take("env").map(|value| value.pairs()).unwrap_or_default();
        image.env = env
            .into_iter()
            .filter_map(|(name, (span, value))| variable(name, &span, value, findings))
            .collect();
        let expose = table.take("expose").map(|value| ports(&value)).unwrap_or_default();
        image.expose = expose;
        let volumes = table.take("volumes").map(|value| value.texts()).unwrap_or_default();
        image.volumes = volumes.iter().filter_map(|text| absolute(text, findings)).collect();
        image.volumes.sort_unstable();
        image.volumes.dedup();
        image.stop_signal = table.text("stop-signal").and_then(|text| signal(&text, findings));
        let labels = table.take("labels").map(|value| value.pairs()).unwrap_or_default();
        for (name, (span, value)) in labels {
            if name.is_empty() {
                findings.value(&span, "a label needs a name", "write it in reverse domain notation");
            }
            image.labels.insert(name, value);
        }
        image.healthcheck = table.take("healthcheck").and_then(|value| Healthcheck::read(&value));
        table.finish();
        image
    }
}

/// A command: an array whose first element is the program.
fn command(value: &Value<'_>) -> Option<Vec<String>> {
    let words = value.strings()?;
    if words.first().is_some_and(String::is_empty) {
        value.wrong(format!("{} names no program", quoted(&value.key)), "the first element is the program");
        return None;
    }
    Some(words)
}

/// A path from the image's root.
pub(super) fn absolute(text: &Text<'_>, findings: &Findings<'_>) -> Option<RootPath> {
    let path = RootPath::parse(text.text).ok().filter(|_| text.text.starts_with('/'));
    if path.is_none() {
        let message = format!("{} is no absolute path", quoted(text.text));
        findings.value(&text.span, message, "write a path from the root, without `..`");
    }
    path
}

/// A variable that a process can have.
pub(super) fn variable(
    name: String,
    span: &Span,
    value: String,
    findings: &Findings<'_>,
) -> Option<(String, String)> {
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        let message = format!("{} cannot be an environment variable", quoted(&name));
        findings.value(span, message, "a name is not empty and holds no `=`; nothing holds a NUL");
        return None;
    }
    Some((name, value))
}

fn ports(value: &Value<'_>) -> Vec<ExposedPort> {
    let mut ports: Vec<ExposedPort> = value.each("strings", |item, findings| {
        if item.is_integer() {
            item.mistyped("a string", format!("write \"{}/tcp\"", item.source()));
            return None;
        }
        let text = item.text()?;
        let port = exposed(text.text);
        if port.is_none() {
            let message = format!("{} is no port", quoted(text.text));
            findings.value(
                &text.span,
                message,
                "write a number from 1 to 65535 and `/tcp`, `/udp` or `/sctp`",
            );
        }
        port
    });
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn exposed(text: &str) -> Option<ExposedPort> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = ["tcp", "udp", "sctp"].into_iter().find(|known| *known == protocol)?;
    let port = port.parse().ok().filter(|number| *number != 0 && port.bytes().all(|b| b.is_ascii_digit()))?;
    Some(ExposedPort { port, protocol })
}

/// The signals of signal(7) that every architecture has.
const SIGNALS: [&str; 30] = [
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGIO",
    "SIGKILL",
    "SIGPIPE",
    "SIGPROF",
    "SIGPWR",
    "SIGQUIT",
    "SIGSEGV",
    "SIGSTOP",
    "SIGSYS",
    "SIGTERM",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGVTALRM",
    "SIGWINCH",
    "SIGXCPU",
    "SIGXFSZ",
];

fn signal(text: &Text<'_>, findings: &Findings<'_>) -> Option<String> {
    let name = text.text;
    let in_range =
        |number: &str, highest| number.parse::<u8>().is_ok_and(|number| (1..=highest).contains(&number));
    let real_time = |prefix: &str, sign: char| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.strip_prefix(sign).is_some_and(|n| in_range(n, 30)))
    };
    let is_number = name.bytes().all(|b| b.is_ascii_digit()) && in_range(name, 64);
    if SIGNALS.contains(&name) || real_time("SIGRTMIN", '+') || real_time("SIGRTMAX", '-') || is_number {
        return Some(name.to_owned());
    }
    let hint = match nearest(name, SIGNALS).or_else(|| nearest(&format!("SIG{name}"), SIGNALS)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "write a name such as \"SIGTERM\"".to_owned(),
    };
    findings.value(&text.span, format!("{} is no signal", quoted(name)), hint);
    None
}

impl Healthcheck {
    fn read(value: &Value<'_>) -> Option<Self> {
        let mut table = value.table("`healthcheck`")?;
        let findings = table.findings;
        let test = table.required("test", "[\"CMD\", \"...\"]");
        let mut time = |key| table.text(key).and_then(|text| duration(&text, findings));
        let interval = time("interval");
        let timeout = time("timeout");
        let start_period = time("start-period");
        let start_interval = time("start-interval");
        let retries = table.take("retries").and_then(|value| value.integer(0..=1_000_000));
        table.finish();
        let test = test?;
        let words = test.strings()?;
        let kind = words.first().map(String::as_str);
        let sound = match kind {
            Some("NONE") => words.len() == 1,
            Some("CMD") => words.len() > 1,
            Some("CMD-SHELL") => words.len() == 2,
            _ => false,
        };
        if !sound {
            let message = match kind {
                Some(kind @ ("NONE" | "CMD" | "CMD-SHELL")) => {
                    format!("{} has the wrong number of words", quoted(kind))
                }
                _ => format!("`test` must begin with {}", listed(["CMD", "CMD-SHELL", "NONE"])),
            };
            test.wrong(message, "write [\"CMD\", PROGRAM, ARGUMENT...], [\"CMD-SHELL\", LINE] or [\"NONE\"]");
            return None;
        }
        let retries = retries.and_then(|retries| u32::try_from(retries).ok());
        Some(Healthcheck { test: words, interval, timeout, start_period, start_interval, retries })
    }
}

/// A duration of at least a millisecond, as Docker asks.
pub(super) fn duration(text: &Text<'_>, findings: &Findings<'_>) -> Option<u64> {
    let read = nanoseconds(text.text);
    if read.is_none() {
        let hint = if text.text.parse::<u64>().is_ok() {
            format!("write \"{}s\" for seconds", text.text)
        } else {
            "write numbers with `ms`, `s`, `m` or `h`, such as \"1m30s\"".to_owned()
        };
        findings.value(&text.span, format!("{} is no duration", quoted(text.text)), hint);
    } else if read.is_some_and(|time| time < 1_000_000) {
        let message = format!("{} is less than a millisecond", quoted(text.text));
        findings.value(&text.span, message, "leave it out for the default");
    }
    read
}
