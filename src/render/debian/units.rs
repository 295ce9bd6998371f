//! The directories that a service of systemd is started with (systemd.exec(5), `RuntimeDirectory=` and its like):
//! an image has no systemd that makes them when the program starts.
//!
//! Left out: services that are templates of several (`%i`), users that exist only while a service runs
//! (`DynamicUser=`), and drop-ins.

use crate::effects::{Effect, Owner};
use crate::root_path::RootPath;

use super::words::specify;

/// The settings, and where the directories are.
const SETTINGS: [(&str, &str); 4] = [
    ("RuntimeDirectory", "/run"),
    ("StateDirectory", "/var/lib"),
    ("CacheDirectory", "/var/cache"),
    ("LogsDirectory", "/var/log"),
];

/// The directories of a unit that are not there yet; those that are have their owner and mode from elsewhere.
pub(super) fn effects(text: &str, exists: impl Fn(&RootPath) -> bool) -> Vec<Effect> {
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
    effects
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
        let effects = effects(text, |path| path.as_str() == "/var/log/there");
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
}
