//! The directories that a service of systemd is started with (systemd.exec(5), `RuntimeDirectory=` and its like; and
//! systemd.service(5), `ExecStartPre=`, where that makes directories and no more): an image has no systemd that makes
//! them when the program starts.
//!
//! Left out: services that are templates of several (`%i`), users that exist only while a service runs
//! (`DynamicUser=`), and drop-ins.

use crate::effects::{Effect, ModeChange, Owner};
use crate::root_path::RootPath;

use super::words::{fields, specify};

/// The settings, and where the directories are.
const SETTINGS: [(&str, &str); 4] = [
    ("RuntimeDirectory", "/run"),
    ("StateDirectory", "/var/lib"),
    ("CacheDirectory", "/var/cache"),
    ("LogsDirectory", "/var/log"),
];

/// The directories of a unit that are not there yet; those that are have their owner and mode from elsewhere. What
/// tmpfiles.d(5) makes before is there for commands.
pub(super) fn effects(
    text: &str,
    exists: impl Fn(&RootPath) -> bool,
    is_made: impl Fn(&RootPath) -> bool,
) -> Vec<Effect> {
    let values = |name: &str| service_values(text, name);
    let last = |name: &str| values(name).last().map(ToString::to_string);
    if last("DynamicUser").is_some_and(|value| matches!(value.as_str(), "yes" | "true" | "1" | "on")) {
        return Vec::new();
    }
    let user = last("User").and_then(|user| specify(&user)).unwrap_or_else(|| "root".to_owned());
    let group = last("Group").and_then(|group| specify(&group)).unwrap_or_else(|| user.clone());
    let mut effects = Vec::new();
    for (setting, base) in SETTINGS {
        let mode = last(&format!("{setting}Mode")).and_then(|mode| u32::from_str_radix(&mode, 8).ok());
        for value in values(setting) {
            for name in value.split_whitespace().filter_map(specify) {
                // What follows a colon is a link to it.
                let name = name.split(':').next().unwrap_or_default();
                let Ok(path) = RootPath::parse(&format!("{base}/{name}")) else { continue };
                if !name.is_empty() && !exists(&path) {
                    let owner = Some(Owner { user: Some(user.clone()), group: Some(group.clone()) });
                    effects.push(Effect::Directory { path, mode: Some(mode.unwrap_or(0o755)), owner });
                }
            }
        }
    }
    for command in values("ExecStartPre") {
        let rest = command.trim_start_matches(['-', ':', '+', '!']);
        // With all privileges it runs as root, whoever the service is.
        let prefix = &command[..command.len() - rest.len()];
        let as_user = if prefix.contains(['+', '!']) { "root" } else { &user };
        let words = fields(rest, usize::MAX).unwrap_or_default();
        if let Some(words) = words.iter().map(|word| specify(word)).collect::<Option<Vec<String>>>() {
            effects.extend(prepared(&words, as_user, |path| exists(path) || is_made(path)));
        }
    }
    effects
}

/// What a command leaves behind that makes directories, or gives them to somebody.
fn prepared(words: &[String], user: &str, exists: impl Fn(&RootPath) -> bool) -> Vec<Effect> {
    let Some((command, words)) = words.split_first() else { return Vec::new() };
    let command = command.rsplit('/').next().unwrap_or_default();
    let (mut mode, mut owner, mut group, mut is_directory, mut is_recursive) =
        (None, None, None, false, false);
    let mut operands = Vec::new();
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        match word {
            "-m" | "--mode" => mode = rest.next(),
            "-o" | "--owner" if command == "install" => owner = rest.next(),
            "-g" | "--group" if command == "install" => group = rest.next(),
            "-d" | "--directory" => is_directory = true,
            "-R" | "--recursive" => is_recursive = true,
            "-p" | "--parents" | "-v" | "--verbose" | "-Z" => {}
            // What is not known may change what the command does.
            _ if word.starts_with('-') => return Vec::new(),
            _ => operands.push(word),
        }
    }
    let name = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let path = |text: &&str| RootPath::parse(text).ok();
    let bits = |text: &str| u32::from_str_radix(text, 8).ok();
    match command {
        "mkdir" | "install" if is_directory == (command == "install") => {
            let made = operands.iter().filter_map(path).filter(|path| command == "install" || !exists(path));
            let of = |given: Option<&str>| given.map_or_else(|| user.to_owned(), ToOwned::to_owned);
            let owner = Owner { user: Some(of(owner)), group: Some(of(group)) };
            let mode = Some(mode.and_then(bits).unwrap_or(0o755));
            made.map(|path| Effect::Directory { path, mode, owner: Some(owner.clone()) }).collect()
        }
        "chown" if operands.len() > 1 => {
            let (user, group) = operands[0].split_once(':').unwrap_or((operands[0], ""));
            let owned = operands[1..].iter().filter_map(path);
            let (user, group) = (name(user), name(group));
            owned
                .map(|path| Effect::Owner {
                    path,
                    user: user.clone(),
                    group: group.clone(),
                    recursive: is_recursive,
                })
                .collect()
        }
        "chmod" if operands.len() > 1 => {
            let Some(mode) = bits(operands[0]).map(ModeChange::Bits) else { return Vec::new() };
            let changed = operands[1..].iter().filter_map(path);
            changed.map(|path| Effect::Mode { path, mode: mode.clone(), recursive: is_recursive }).collect()
        }
        _ => Vec::new(),
    }
}

/// What the section of the service says of a setting, in order.
fn service_values<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let mut section = "";
    let mut values = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(title) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = title;
        } else if section == "Service"
            && let Some((key, value)) = line.split_once('=')
            && key.trim_end() == name
        {
            values.push(value.trim());
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str) -> Vec<String> {
        let effects = effects(text, |path| path.as_str() == "/var/log/there", |_| false);
        let shown = effects.iter().map(|effect| match effect {
            Effect::Directory { path, mode: Some(mode), owner: Some(owner) } => {
                format!(
                    "{path} {mode:o} {}:{}",
                    owner.user.as_deref().unwrap(),
                    owner.group.as_deref().unwrap()
                )
            }
            other => panic!("{other:?}"),
        });
        shown.collect()
    }

    #[test]
    fn directories_of_a_service() {
        let unit = "[Unit]\nRuntimeDirectory=no\n[Service]\nUser=redis\nRuntimeDirectory=redis redis/sub\nRuntimeDirectoryMode=2755\nLogsDirectory=there\nStateDirectory=a%%b c:d\n";
        assert_eq!(
            made(unit),
            [
                "/run/redis 2755 redis:redis",
                "/run/redis/sub 2755 redis:redis",
                "/var/lib/a%b 755 redis:redis",
                "/var/lib/c 755 redis:redis"
            ]
        );
        assert_eq!(made("[Service]\nRuntimeDirectory=sshd\nGroup=adm\n"), ["/run/sshd 755 root:adm"]);
        assert_eq!(made("[Service]\nDynamicUser=yes\nRuntimeDirectory=x\n"), Vec::<String>::new());
        assert_eq!(made("[Service]\nRuntimeDirectory=x-%i ../etc\n"), Vec::<String>::new());
    }

    #[test]
    fn directories_that_are_made_before_a_service_starts() {
        let unit = "[Service]\nUser=moth\n\
            ExecStartPre=/bin/mkdir -m 740 -p /run/moth /var/log/there\n\
            ExecStartPre=-+/usr/bin/install -Z -m 02755 -o tor -g tor -d %t/tor\n\
            ExecStartPre=!mkdir -p '/run/a b'\nExecStartPre=-mkdir /run/a+b\n\
            ExecStartPre=mkdir --context=x /run/no\nExecStartPre=mkdir /run/%i\nExecStartPre=install -m 644 a /run/no\n\
            ExecStartPre=/usr/bin/tor --verify-config\nExecStartPre=sh -c 'mkdir /run/no'\nExecStartPre=\n";
        assert_eq!(
            made(unit),
            [
                "/run/moth 740 moth:moth",
                "/run/tor 2755 tor:tor",
                "/run/a b 755 root:root",
                "/run/a+b 755 moth:moth"
            ]
        );
        let given = effects(
            "[Service]\nExecStartPre=chown -R moth:adm /run/moth\nExecStartPre=chmod 750 /run/moth\n",
            |_| false,
            |_| false,
        );
        let path = RootPath::parse("/run/moth").unwrap();
        let owner = Effect::Owner {
            path: path.clone(),
            user: Some("moth".into()),
            group: Some("adm".into()),
            recursive: true,
        };
        assert_eq!(given, [owner, Effect::Mode { path, mode: ModeChange::Bits(0o750), recursive: false }]);
    }
}
