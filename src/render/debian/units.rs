//! The directories that a service of systemd is started with (systemd.exec(5), `RuntimeDirectory=` and its like; and
//! systemd.service(5), `ExecStartPre=`, where that makes directories and no more): an image has no systemd that makes
//! them when the program starts.
//!
//! Left out: services that are templates of several (`%i`), users that exist only while a service runs
//! (`DynamicUser=`), and the owners of what packages have in such directories.

use crate::effects::systemd::words::word;
use crate::effects::{Effect, Owner};
use crate::root_path::RootPath;

mod commands;
#[cfg(test)]
mod tests;
mod unit;

pub(super) use unit::{Unit, drop_in_directories};

use commands::{Run, commands};

/// The settings, and where the directories are.
const SETTINGS: [(&str, &str); 5] = [
    ("RuntimeDirectory", "/run"),
    ("StateDirectory", "/var/lib"),
    ("CacheDirectory", "/var/cache"),
    ("LogsDirectory", "/var/log"),
    (CONFIGURATION, "/etc"),
];

/// That of the directories which are root's, whoever the service is.
const CONFIGURATION: &str = "ConfigurationDirectory";

/// What is there when a service is started.
pub(super) struct Around<'a> {
    /// Whether the image has something at a path.
    pub(super) exists: &'a dyn Fn(&RootPath) -> bool,
    /// Whether tmpfiles.d(5) or another unit makes a directory.
    pub(super) is_made: &'a dyn Fn(&RootPath) -> bool,
    /// The group that a user logs in with, by name or number.
    pub(super) login_group: &'a dyn Fn(&str) -> Option<String>,
}

/// The directories that a service is started with. Those of its settings are its own even where its package has them
/// already. What tmpfiles.d(5) and other units make before is there for commands.
pub(super) fn effects(unit: &Unit<'_>, around: &Around<'_>) -> Vec<Effect> {
    if unit.is_set("DynamicUser") {
        return Vec::new();
    }
    let name =
        |setting: &str| unit.last(setting).map(|name| unit.specify(name).filter(|name| !name.is_empty()));
    let (user, group) = (name("User"), name("Group"));
    // Of one that is root's by default, what is there already stays whose it is.
    let is_said = user.is_some() || group.is_some();
    // A template does not say for whom it makes directories.
    let Some(user) = user.unwrap_or_else(|| Some("root".to_owned())) else { return Vec::new() };
    let group = group.unwrap_or_else(|| (around.login_group)(&user));
    let owner = Owner { user: Some(user), group };
    let mut effects = directories(unit, Some(&owner).filter(|_| is_said), around);
    effects.extend(prepared(unit, &owner, around, &effects));
    effects
}

/// The directory that an effect makes.
pub(super) fn made(effect: &Effect) -> Option<&RootPath> {
    match effect {
        Effect::Directory { path, .. } => Some(path),
        _ => None,
    }
}

fn root() -> Owner {
    Owner { user: Some("root".to_owned()), group: Some("root".to_owned()) }
}

/// The directories that settings name.
fn directories(unit: &Unit<'_>, owner: Option<&Owner>, around: &Around<'_>) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (setting, base) in SETTINGS {
        let mode = unit.mode(&format!("{setting}Mode")).unwrap_or(0o755);
        let is_roots = setting == CONFIGURATION;
        let owner = if is_roots { Some(root()) } else { owner.cloned() };
        let below = |name: &str| {
            let name = unit.specify(name).filter(|name| !name.starts_with('/'))?;
            RootPath::parse(&format!("{base}/{name}")).ok().filter(|path| path.as_str() != base)
        };
        for names in unit.values(setting).into_iter().flat_map(words) {
            let (name, link) =
                names.split_once(':').map_or((names.as_str(), None), |(name, link)| (name, Some(link)));
            let Some(path) = below(name) else { continue };
            let link = link.and_then(below).filter(|link| !(around.exists)(link));
            let target = path.to_string();
            if !is_roots || !(around.exists)(&path) {
                effects.push(Effect::Directory { path, mode: Some(mode), owner: owner.clone() });
            }
            effects.extend(link.map(|path| Effect::Symlink { path, target }));
        }
    }
    effects
}

/// The words of a value, up to what cannot be read.
fn words(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = value.trim();
    while let Some((word, after)) = word(rest).filter(|_| !rest.is_empty()) {
        words.push(word);
        rest = after.trim_start();
    }
    words
}

/// What commands leave behind that are called before the service starts, when its directories are made.
fn prepared(unit: &Unit<'_>, owner: &Owner, around: &Around<'_>, directories: &[Effect]) -> Vec<Effect> {
    let umask = unit.mode("UMask").unwrap_or(0o022);
    let is_roots = unit.is_set("PermissionsStartOnly");
    let directory = unit.last("WorkingDirectory").map_or("/", |path| path.trim_start_matches('-'));
    let mut effects: Vec<Effect> = Vec::new();
    for line in unit.values("ExecStartPre") {
        for command in commands(line, |text| unit.specify(text)) {
            let owner = if is_roots || command.is_roots { root() } else { owner.clone() };
            let is_new =
                |path: &RootPath| directories.iter().chain(&effects).any(|effect| made(effect) == Some(path));
            let exists = |path: &RootPath| (around.exists)(path) || (around.is_made)(path) || is_new(path);
            let run = Run { owner, umask, directory, exists: &exists, login_group: around.login_group };
            let left = run.effects(&command).unwrap_or_default();
            effects.extend(left);
        }
    }
    effects
}
