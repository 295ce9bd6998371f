//! `debian:trixie`, `alpine:3.20`: what a recipe's `from` stands for.
//!
//! Everything that differs from distro to distro and from release to release is data here: repositories,
//! what architectures are called, the links of the merged `/usr`, and the packages that only help to install
//! others.

use std::fmt;
use std::str::FromStr;

use crate::arch::Arch;

mod archive;
mod essential;
mod helpers;
mod os_release;
mod ports;

pub use archive::Archive;
pub use essential::{essential_package_with, essential_packages};
pub use helpers::is_install_helper;

/// The run-time rules of every distro, in the grammar of a recipe's `[[rule]]`.
pub const RUNTIME_RULES: &str = include_str!("distro/rules.toml");

/// A release of a distro.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Distro {
    /// Debian.
    Debian(DebianRelease),
    /// Ubuntu.
    Ubuntu(UbuntuRelease),
    /// Alpine.
    Alpine(AlpineRelease),
    /// Wolfi, which has no releases.
    Wolfi,
}

/// The format of a distro's packages and repositories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackageFormat {
    /// Debian's.
    Deb,
    /// Alpine's.
    Apk,
}

/// A Debian release with a preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DebianRelease {
    /// Debian 12.
    Bookworm,
    /// Debian 13.
    Trixie,
    /// Unstable.
    Sid,
}

/// An Ubuntu release with a preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UbuntuRelease {
    /// Ubuntu 22.04.
    Jammy,
    /// Ubuntu 24.04.
    Noble,
}

/// An Alpine release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlpineRelease {
    /// Alpine 3.`minor`; those from 3.18 on are presets.
    Stable {
        /// The number after `3.`.
        minor: u8,
    },
    /// The development branch.
    Edge,
    /// Whatever the repositories of a recipe without `from` hold; no preset.
    Unknown,
}

/// The part of a release that a suite is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pocket {
    /// The release itself; every architecture built must be there.
    Release,
    /// Updates between point releases; may lack an architecture.
    Updates,
    /// Security updates; may lack an architecture.
    Security,
}

/// One suite of a distro, and the archive that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Which part of the release it is.
    pub pocket: Pocket,
    /// The archive it is in.
    pub archive: Archive,
    /// Its directory below `dists/`.
    pub name: String,
    /// The components taken from it.
    pub components: Vec<String>,
}

/// One repository of a distro whose packages are apk's, and the archive that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApkRepository {
    /// The archive it is in.
    pub archive: Archive,
    /// Its path below the archive's root, such as `v3.20/main`; empty where it is the root.
    pub path: String,
}

/// No preset has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a distro that rootforge knows")]
pub struct UnknownDistro(pub String);

impl Pocket {
    /// Every pocket.
    pub const ALL: [Pocket; 3] = [Pocket::Release, Pocket::Updates, Pocket::Security];

    /// The name that `suites` and `--without` use.
    pub const fn name(self) -> &'static str {
        match self {
            Pocket::Release => "release",
            Pocket::Updates => "updates",
            Pocket::Security => "security",
        }
    }
}

impl FromStr for Pocket {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Pocket::ALL
            .into_iter()
            .find(|pocket| pocket.name() == text)
            .ok_or_else(|| format!("`{text}` is not one of release, updates, security"))
    }
}

impl PackageFormat {
    /// The name that `type` of a repository uses, and the ending of a package's file.
    pub const fn name(self) -> &'static str {
        match self {
            PackageFormat::Deb => "deb",
            PackageFormat::Apk => "apk",
        }
    }

    /// Whose format it is, in words.
    pub const fn family(self) -> &'static str {
        match self {
            PackageFormat::Deb => "Debian",
            PackageFormat::Apk => "Alpine",
        }
    }
}

/// The first of Alpine's releases with a preset, and the last that this version has heard of; later ones are
/// taken for releases all the same.
const ALPINE_MINORS: (u8, u8) = (18, 24);

impl Distro {
    /// Every preset that this version has heard of.
    pub const ALL: [Distro; 14] = [
        Distro::Debian(DebianRelease::Bookworm),
        Distro::Debian(DebianRelease::Trixie),
        Distro::Debian(DebianRelease::Sid),
        Distro::Ubuntu(UbuntuRelease::Jammy),
        Distro::Ubuntu(UbuntuRelease::Noble),
        Distro::Alpine(AlpineRelease::Stable { minor: ALPINE_MINORS.0 }),
        Distro::Alpine(AlpineRelease::Stable { minor: 19 }),
        Distro::Alpine(AlpineRelease::Stable { minor: 20 }),
        Distro::Alpine(AlpineRelease::Stable { minor: 21 }),
        Distro::Alpine(AlpineRelease::Stable { minor: 22 }),
        Distro::Alpine(AlpineRelease::Stable { minor: 23 }),
        Distro::Alpine(AlpineRelease::Stable { minor: ALPINE_MINORS.1 }),
        Distro::Alpine(AlpineRelease::Edge),
        Distro::Wolfi,
    ];

    /// The names of the presets, as messages list them: Alpine's stable releases go on after the last.
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for distro in Distro::ALL {
            match distro {
                Distro::Alpine(AlpineRelease::Stable { minor }) if minor > ALPINE_MINORS.0 => {}
                _ => names.push(distro.to_string()),
            }
        }
        names
    }

    /// `ID` of its os-release(5).
    pub const fn id(self) -> &'static str {
        match self {
            Distro::Debian(_) => "debian",
            Distro::Ubuntu(_) => "ubuntu",
            Distro::Alpine(_) => "alpine",
            Distro::Wolfi => "wolfi",
        }
    }

    /// The format of its packages.
    pub const fn format(self) -> PackageFormat {
        match self {
            Distro::Debian(_) | Distro::Ubuntu(_) => PackageFormat::Deb,
            Distro::Alpine(_) | Distro::Wolfi => PackageFormat::Apk,
        }
    }

    /// The release's code name; Alpine's and Wolfi's have none.
    pub const fn codename(self) -> Option<&'static str> {
        match self {
            Distro::Debian(DebianRelease::Bookworm) => Some("bookworm"),
            Distro::Debian(DebianRelease::Trixie) => Some("trixie"),
            Distro::Debian(DebianRelease::Sid) => Some("sid"),
            Distro::Ubuntu(UbuntuRelease::Jammy) => Some("jammy"),
            Distro::Ubuntu(UbuntuRelease::Noble) => Some("noble"),
            Distro::Alpine(_) | Distro::Wolfi => None,
        }
    }

    /// The suites of the release for one architecture: release, updates, security, in that order. Distros with
    /// packages of apk's have none; see [`Distro::repositories`].
    pub fn suites(self, arch: Arch) -> Vec<Suite> {
        let suite = |pocket, archive, name: String, components: &[&str]| Suite {
            pocket,
            archive,
            name,
            components: components.iter().map(ToString::to_string).collect(),
        };
        let codename = self.codename().unwrap_or_default();
        match self {
            Distro::Alpine(_) | Distro::Wolfi => Vec::new(),
            Distro::Debian(DebianRelease::Sid) => {
                vec![suite(Pocket::Release, Archive::Debian, codename.to_owned(), &["main"])]
            }
            Distro::Debian(_) => vec![
                suite(Pocket::Release, Archive::Debian, codename.to_owned(), &["main"]),
                suite(Pocket::Updates, Archive::Debian, format!("{codename}-updates"), &["main"]),
                suite(Pocket::Security, Archive::DebianSecurity, format!("{codename}-security"), &["main"]),
            ],
            Distro::Ubuntu(_) => {
                let archive = match arch {
                    Arch::Amd64 | Arch::I386 => Archive::Ubuntu,
                    _ => Archive::UbuntuPorts,
                };
                let components = &["main", "universe"];
                vec![
                    suite(Pocket::Release, archive, codename.to_owned(), components),
                    suite(Pocket::Updates, archive, format!("{codename}-updates"), components),
                    suite(Pocket::Security, archive, format!("{codename}-security"), components),
                ]
            }
        }
    }

    /// The repositories of a release of Alpine's kind, in apk's order: what is in several comes from the newest
    /// version, whichever has it. None for distros with suites.
    pub fn repositories(self) -> Vec<ApkRepository> {
        let of = |archive, paths: Vec<String>| {
            paths.into_iter().map(|path| ApkRepository { archive, path }).collect::<Vec<_>>()
        };
        match self {
            Distro::Alpine(AlpineRelease::Stable { minor }) => {
                of(Archive::Alpine, vec![format!("v3.{minor}/main"), format!("v3.{minor}/community")])
            }
            Distro::Alpine(AlpineRelease::Edge) => {
                of(Archive::Alpine, vec!["edge/main".to_owned(), "edge/community".to_owned()])
            }
            Distro::Wolfi => of(Archive::Wolfi, vec![String::new()]),
            Distro::Debian(_) | Distro::Ubuntu(_) | Distro::Alpine(AlpineRelease::Unknown) => Vec::new(),
        }
    }

    /// The archives that its packages come from, each once, sorted.
    pub fn archives(self, arch: Arch) -> Vec<Archive> {
        let suites = self.suites(arch).into_iter().map(|suite| suite.archive);
        let repositories = self.repositories().into_iter().map(|repository| repository.archive);
        let mut archives: Vec<Archive> = suites.chain(repositories).collect();
        archives.sort_unstable();
        archives.dedup();
        archives
    }

    /// The `PATH` of a login shell, which an image has unless its recipe sets another.
    pub const fn default_path(self) -> &'static str {
        PATH
    }
}

/// Where root's commands are looked for: by a login shell, by dpkg's scripts, and by engines where an image does not say.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl fmt::Display for Distro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())?;
        match self {
            Distro::Debian(_) | Distro::Ubuntu(_) => write!(f, ":{}", self.codename().unwrap_or_default()),
            Distro::Alpine(AlpineRelease::Stable { minor }) => write!(f, ":3.{minor}"),
            Distro::Alpine(AlpineRelease::Edge) => f.write_str(":edge"),
            Distro::Alpine(AlpineRelease::Unknown) | Distro::Wolfi => Ok(()),
        }
    }
}

impl FromStr for Distro {
    type Err = UnknownDistro;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(minor) = text.strip_prefix("alpine:3.").and_then(|minor| minor.parse().ok())
            && minor >= ALPINE_MINORS.0
            && text == format!("alpine:3.{minor}")
        {
            return Ok(Distro::Alpine(AlpineRelease::Stable { minor }));
        }
        Distro::ALL
            .into_iter()
            .find(|distro| distro.to_string() == text)
            .ok_or_else(|| UnknownDistro(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
