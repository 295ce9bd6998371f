//! The user's configuration file: mirrors and defaults.
//!
//! ```toml
//! cache-dir = "/var/cache/rootforge"
//! images = "images"
//!
//! [mirror]
//! debian = "http://mirror.example.org/debian"
//! alpine = "http://mirror.example.org/alpine"
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rootforge::distro::Archive;
use serde::Deserialize;

use super::error::Failure;

/// What the configuration file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Settings {
    /// Where downloads are kept.
    pub(super) cache_dir: Option<PathBuf>,
    /// The image layout that builds go into.
    pub(super) images: Option<PathBuf>,
    /// Mirrors by the archive's name.
    #[serde(default)]
    pub(super) mirror: BTreeMap<String, String>,
}

impl Settings {
    /// Reads `$XDG_CONFIG_HOME/rootforge/config.toml`, or the file given; a file that is not there says
    /// nothing, unless it was asked for.
    pub(super) fn read(given: Option<&Path>) -> Result<Self, Failure> {
        let path = match given {
            Some(path) => path.to_owned(),
            None => match xdg_directory("XDG_CONFIG_HOME", ".config") {
                Some(directory) => directory.join("config.toml"),
                None => return Ok(Settings::default()),
            },
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && given.is_none() => {
                return Ok(Settings::default());
            }
            Err(error) => {
                return Err(Failure::usage(
                    format!("cannot read the configuration {}: {error}", path.display()),
                    "check the path and its permissions",
                ));
            }
        };
        let settings: Settings = toml::from_str(&text).map_err(|error| {
            Failure::usage(
                format!("the configuration {} is wrong: {}", path.display(), error.to_string().trim_end()),
                "it may have `cache-dir`, `images` and `[mirror]`",
            )
        })?;
        for name in settings.mirror.keys().filter(|name| *name != "snapshot") {
            name.parse::<Archive>().map_err(|words| {
                Failure::usage(
                    format!("the configuration {} is wrong: [mirror] {words}", path.display()),
                    "name an archive as `--mirror` does",
                )
            })?;
        }
        Ok(settings)
    }
}

/// rootforge's directory by the XDG base directory specification.
pub(super) fn xdg_directory(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |value: std::ffi::OsString| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
    std::env::var_os(variable)
        .and_then(absolute)
        .or_else(|| std::env::var_os("HOME").and_then(absolute).map(|home| home.join(below_home)))
        .map(|directory| directory.join("rootforge"))
}
