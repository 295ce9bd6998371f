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
/// tmpfiles.d(5) and other units make before is there for commands.
pub(super) fn effects(
    text: &str,
    exists: impl Fn(&RootPath) -> bool,
    is_made: impl Fn(&RootPath) -> bool,
) -> Vec<Effect> {
    let text = text.replace("\\\n", " ");
    let values = |name: &str| service_values(&text, name);
    let last = |name: &str| values(name).last().map(ToString::to_string);
    let is_set = |name: &str| {
        last(name).is_some_and(|value| matches!(value.to_lowercase().as_str(), "yes" | "true" | "1" | "on"))
    };
    if is_set("DynamicUser") {
        return Vec::new();
    }
    let user = last("User").and_then(|user| specify(&user)).unwrap_or_else(|| "root".to_owned());
    let group = last("Group").and_then(|group| specify(&group)).unwrap_or_else(|| user.clone());
    let mut effects = Vec::new();
    for (setting, base) in SETTINGS {
        let mode = last(&format!("{setting}Mode")).and_then(|mode| octal(&mode));
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
    let umask = last("UMask").and_then(|mask| octal(&mask)).unwrap_or(0o022);
    let is_roots = is_set("PermissionsStartOnly");
    for line in values("ExecStartPre") {
        let rest = line.trim_start_matches(['-', ':', '@', '+', '!', '|']);
        // With all privileges it runs as root, whoever the service is.
        let prefix = &line[..line.len() - rest.len()];
        let as_user = if is_roots || prefix.contains(['+', '!']) { "root" } else { &user };
        let words = fields(rest, usize::MAX).unwrap_or_default();
        // A semicolon by itself stands between commands.
        for command in words.split(|word| word == ";") {
            let made: Vec<RootPath> = effects.iter().filter_map(made).cloned().collect();
            let exists = |path: &RootPath| exists(path) || is_made(path) || made.contains(path);
            effects.extend(plain(command).map_or_else(Vec::new, |words| {
                let prepared = Prepared { user: as_user, umask, exists: &exists };
                prepared.effects(&words).unwrap_or_default()
            }));
        }
    }
    effects
}

/// The directory that an effect makes.
pub(super) fn made(effect: &Effect) -> Option<&RootPath> {
    match effect {
        Effect::Directory { path, .. } => Some(path),
        _ => None,
    }
}

fn octal(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok()
}

/// The words of a command as it gets them; none where they follow from variables or from the machine.
fn plain(words: &[String]) -> Option<Vec<String>> {
    let word = |word: &String| {
        let dollars = word.replace("$$", "");
        specify(word).filter(|_| !dollars.contains('$')).map(|word| word.replace("$$", "$"))
    };
    words.iter().map(word).collect()
}

/// How a command is run.
struct Prepared<'a> {
    user: &'a str,
    umask: u32,
    exists: &'a dyn Fn(&RootPath) -> bool,
}

impl Prepared<'_> {
    /// What a command leaves behind that makes directories, or gives them to somebody; none where it does something else.
    fn effects(&self, words: &[String]) -> Option<Vec<Effect>> {
        let (command, words) = words.split_first()?;
        let command = command.rsplit('/').next().unwrap_or_default();
        let (mut mode, mut owner, mut group, mut is_directory, mut recursive) =
            (None, None, None, false, false);
        let mut operands = Vec::new();
        let mut rest = words.iter().map(String::as_str);
        while let Some(word) = rest.next() {
            match word {
                "-m" | "--mode" => mode = Some(rest.next()?),
                "-o" | "--owner" if command == "install" => owner = rest.next(),
                "-g" | "--group" if command == "install" => group = rest.next(),
                "-d" | "--directory" => is_directory = true,
                "-R" | "--recursive" => recursive = true,
                "-p" | "--parents" | "-v" | "--verbose" | "-Z" => {}
                // What is not known may change what the command does.
                _ if word.starts_with('-') => return None,
                _ => operands.push(word),
            }
        }
        let change =
            |text: &str| octal(text).map_or_else(|| ModeChange::Symbolic(text.to_owned()), ModeChange::Bits);
        let (first, others) = operands.split_first()?;
        let paths = |operands: &[&str]| -> Vec<RootPath> {
            operands.iter().filter_map(|path| RootPath::parse(path).ok()).collect()
        };
        let name = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Some(match command {
            "mkdir" | "install" if is_directory == (command == "install") => {
                let usual = if command == "install" { 0o755 } else { 0o777 & !self.umask };
                // A symbolic mode begins with all bits (mkdir(1)).
                let mode = mode.map_or(Some(usual), |text| change(text).applied(0o777, true))?;
                let of = |given: Option<&str>| Some(given.unwrap_or(self.user).to_owned());
                let owner = Owner { user: of(owner), group: of(group) };
                let made =
                    paths(&operands).into_iter().filter(|path| command == "install" || !(self.exists)(path));
                made.map(|path| Effect::Directory { path, mode: Some(mode), owner: Some(owner.clone()) })
                    .collect()
            }
            "chown" => {
                let (user, group) = first.split_once(':').unwrap_or((first, ""));
                let of = |path| Effect::Owner { path, user: name(user), group: name(group), recursive };
                paths(others).into_iter().map(of).collect()
            }
            "chmod" => {
                let of = |path| Effect::Mode { path, mode: change(first), recursive };
                paths(others).into_iter().map(of).collect()
            }
            _ => return None,
        })
    }
}

/// What the section of the service says of a setting, in order; an empty value takes back what stands before it.
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
            match value.trim() {
                "" => values.clear(),
                value => values.push(value),
            }
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
            ExecStartPre=/usr/bin/tor --verify-config\nExecStartPre=sh -c 'mkdir /run/no'\nExecStartPre=mkdir /run/$NAME\n\
            ExecStartPre=mkdir -p /run/c ; /usr/bin/touch /run/no ; \\\n mkdir -m u=rwx,go= /run/d$$e /run/moth\n";
        assert_eq!(
            made(unit),
            [
                "/run/moth 740 moth:moth",
                "/run/tor 2755 tor:tor",
                "/run/a b 755 root:root",
                "/run/a+b 755 moth:moth",
                "/run/c 755 moth:moth",
                "/run/d$e 700 moth:moth"
            ]
        );
        let unit = "[Service]\nUser=moth\nRuntimeDirectory=one\nRuntimeDirectoryMode=0700\nUMask=0027\nPermissionsStartOnly=true\n\
            ExecStartPre=mkdir /run/no\nExecStartPre=\nExecStartPre=mkdir -p /run/one /run/two\n";
        assert_eq!(made(unit), ["/run/one 700 moth:moth", "/run/two 750 root:root"]);
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
