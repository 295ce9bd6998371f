//! The user's configuration file: mirrors and defaults.
//!
//! ```toml
//! cache-dir = "/var/cache/rootforge"
//! cache-size = "10GB"
//! images = "images"
//!
//! [mirror]
//! debian = "http://mirror.example.org/debian"
//! alpine = "http://mirror.example.org/alpine"
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rootforge::repository::mirror_names;
use serde::{Deserialize, Deserializer};

use super::error::Failure;

/// What the configuration file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Settings {
    /// Where downloads are kept.
    pub(super) cache_dir: Option<PathBuf>,
    /// How large the cache may become, in bytes.
    #[serde(default, deserialize_with = "read_size")]
    pub(super) cache_size: Option<u64>,
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
                "it may have `cache-dir`, `cache-size`, `images` and `[mirror]`",
            )
        })?;
        let empty = [("cache-dir", &settings.cache_dir), ("images", &settings.images)];
        let is_empty = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| path.as_os_str().is_empty());
        if let Some((key, _)) = empty.into_iter().find(|(_, path)| is_empty(path)) {
            return Err(Failure::usage(
                format!("the configuration {} is wrong: `{key}` is empty", path.display()),
                "name a directory, or leave it out",
            ));
        }
        if let Some(name) = settings.mirror.keys().find(|name| !mirror_names().any(|known| known == *name)) {
            let names = mirror_names().collect::<Vec<_>>().join(", ");
            return Err(Failure::usage(
                format!(
                    "the configuration {} is wrong: [mirror] `{name}` is not one of {names}",
                    path.display()
                ),
                "name an archive as `--mirror` does",
            ));
        }
        Ok(settings)
    }
}

/// Reads a size: `10GB`, `512 MiB`, or a number of bytes.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let unit: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(format!("`{text}` is no size: write it as 10GB, 512MiB or a number of bytes")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("`{text}` is no size: write it as 10GB, 512MiB or a number of bytes"))?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it saturates, and has no sign"
    )]
    let bytes = (number * unit) as u64;
    Ok(bytes)
}

fn read_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    size(&text).map(Some).map_err(serde::de::Error::custom)
}

/// rootforge's directory by the XDG base directory specification.
pub(super) fn xdg_directory(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |value: std::ffi::OsString| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
    std::env::var_os(variable)
        .and_then(absolute)
        .or_else(|| std::env::var_os("HOME").and_then(absolute).map(|home| home.join(below_home)))
        .map(|directory| directory.join("rootforge"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("10GB", 10_000_000_000),
            ("1.5 kB", 1500),
            ("512MiB", 512 << 20),
            (" 2g ", 2_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "GB", "-1", "1 bottle", "1.2.3MB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
