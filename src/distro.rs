//! `debian:trixie`, `ubuntu:noble`: what a recipe's `from` stands for.
//!
//! Everything that differs from distro to distro and from release to release is data here: repositories,
//! key rings, what architectures are called, the links of the merged `/usr`, and the packages that only
//! help to install others.

use std::fmt;
use std::str::FromStr;

use crate::arch::Arch;

mod helpers;

pub use helpers::is_install_helper;

/// A release of a distro.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Distro {
    /// Debian.
    Debian(DebianRelease),
    /// Ubuntu.
    Ubuntu(UbuntuRelease),
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

/// An archive host's directory tree, which one mirror URL stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Archive {
    /// The Debian archive: releases and their updates.
    Debian,
    /// The Debian security archive.
    DebianSecurity,
    /// Ubuntu's archive for amd64 and 386.
    Ubuntu,
    /// Ubuntu's archive for all other architectures.
    UbuntuPorts,
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

impl Archive {
    /// Every archive.
    pub const ALL: [Archive; 4] =
        [Archive::Debian, Archive::DebianSecurity, Archive::Ubuntu, Archive::UbuntuPorts];

    /// The name that `--mirror NAME=URL` and the configuration file use; upper-cased and with `_`, also
    /// the end of `ROOTFORGE_MIRROR_NAME`.
    pub const fn name(self) -> &'static str {
        match self {
            Archive::Debian => "debian",
            Archive::DebianSecurity => "debian-security",
            Archive::Ubuntu => "ubuntu",
            Archive::UbuntuPorts => "ubuntu-ports",
        }
    }

    /// Where it is found when nothing nearer is known.
    pub const fn well_known_url(self) -> &'static str {
        match self {
            Archive::Debian => "http://ftp.debian.org/debian",
            Archive::DebianSecurity => "http://ftp.debian.org/debian-security",
            Archive::Ubuntu => "http://mirrors.kernel.org/ubuntu",
            Archive::UbuntuPorts => "http://ports.ubuntu.com/ubuntu-ports",
        }
    }

    /// The directory of its snapshots, if it has one: `URL/TIMESTAMP` is an archive as it was then.
    pub const fn snapshot_url(self) -> Option<&'static str> {
        match self {
            Archive::Debian => Some("http://snapshot.debian.org/archive/debian"),
            Archive::DebianSecurity => Some("http://snapshot.debian.org/archive/debian-security"),
            Archive::Ubuntu | Archive::UbuntuPorts => None,
        }
    }

    /// What the `Origin` field of its Release files must say.
    pub const fn origin(self) -> &'static str {
        match self {
            Archive::Debian | Archive::DebianSecurity => "Debian",
            Archive::Ubuntu | Archive::UbuntuPorts => "Ubuntu",
        }
    }
}

impl FromStr for Archive {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Archive::ALL.into_iter().find(|archive| archive.name() == text).ok_or_else(|| {
            let names: Vec<_> = Archive::ALL.iter().map(|archive| archive.name()).collect();
            format!("`{text}` is not one of {}", names.join(", "))
        })
    }
}

impl Distro {
    /// Every preset.
    pub const ALL: [Distro; 5] = [
        Distro::Debian(DebianRelease::Bookworm),
        Distro::Debian(DebianRelease::Trixie),
        Distro::Debian(DebianRelease::Sid),
        Distro::Ubuntu(UbuntuRelease::Jammy),
        Distro::Ubuntu(UbuntuRelease::Noble),
    ];

    /// `ID` of its os-release(5).
    pub const fn id(self) -> &'static str {
        match self {
            Distro::Debian(_) => "debian",
            Distro::Ubuntu(_) => "ubuntu",
        }
    }

    /// The release's code name.
    pub const fn codename(self) -> &'static str {
        match self {
            Distro::Debian(DebianRelease::Bookworm) => "bookworm",
            Distro::Debian(DebianRelease::Trixie) => "trixie",
            Distro::Debian(DebianRelease::Sid) => "sid",
            Distro::Ubuntu(UbuntuRelease::Jammy) => "jammy",
            Distro::Ubuntu(UbuntuRelease::Noble) => "noble",
        }
    }

    /// `VERSION_ID` of its os-release(5); a rolling release has none.
    pub const fn version_id(self) -> Option<&'static str> {
        match self {
            Distro::Debian(DebianRelease::Bookworm) => Some("12"),
            Distro::Debian(DebianRelease::Trixie) => Some("13"),
            Distro::Debian(DebianRelease::Sid) => None,
            Distro::Ubuntu(UbuntuRelease::Jammy) => Some("22.04"),
            Distro::Ubuntu(UbuntuRelease::Noble) => Some("24.04"),
        }
    }

    /// `PRETTY_NAME` of its os-release(5).
    pub fn pretty_name(self) -> String {
        match self {
            Distro::Debian(DebianRelease::Sid) => "Debian GNU/Linux sid".to_owned(),
            Distro::Debian(_) => {
                format!("Debian GNU/Linux {} ({})", self.version_id().unwrap_or_default(), self.codename())
            }
            Distro::Ubuntu(_) => format!("Ubuntu {} LTS", self.version_id().unwrap_or_default()),
        }
    }

    /// What the distro calls an architecture; none where it has no such port. Debian's `armhf` is `ARMv7`
    /// and faults on an `ARMv6` board, so `arm32v6` is `armel`.
    pub const fn arch_name(self, arch: Arch) -> Option<&'static str> {
        match (self, arch) {
            (_, Arch::Amd64) => Some("amd64"),
            (Distro::Debian(_), Arch::Arm32v6) => Some("armel"),
            (_, Arch::Arm32v7) => Some("armhf"),
            (_, Arch::Arm64) => Some("arm64"),
            (Distro::Debian(_), Arch::I386) => Some("i386"),
            (_, Arch::Ppc64le) => Some("ppc64el"),
            (_, Arch::Riscv64) => Some("riscv64"),
            (_, Arch::S390x) => Some("s390x"),
            (Distro::Ubuntu(_), Arch::Arm32v6 | Arch::I386) => None,
        }
    }

    /// The multiarch triplet, the directory of libraries below `/usr/lib`; none where there is no such port.
    pub const fn triplet(self, arch: Arch) -> Option<&'static str> {
        match (self, arch) {
            (_, Arch::Amd64) => Some("x86_64-linux-gnu"),
            (Distro::Debian(_), Arch::Arm32v6) => Some("arm-linux-gnueabi"),
            (_, Arch::Arm32v7) => Some("arm-linux-gnueabihf"),
            (_, Arch::Arm64) => Some("aarch64-linux-gnu"),
            (Distro::Debian(_), Arch::I386) => Some("i386-linux-gnu"),
            (_, Arch::Ppc64le) => Some("powerpc64le-linux-gnu"),
            (_, Arch::Riscv64) => Some("riscv64-linux-gnu"),
            (_, Arch::S390x) => Some("s390x-linux-gnu"),
            (Distro::Ubuntu(_), Arch::Arm32v6 | Arch::I386) => None,
        }
    }

    /// The suites of the release for one architecture: release, updates, security, in that order.
    pub fn suites(self, arch: Arch) -> Vec<Suite> {
        let suite = |pocket, archive, name: String, components: &[&str]| Suite {
            pocket,
            archive,
            name,
            components: components.iter().map(ToString::to_string).collect(),
        };
        let codename = self.codename();
        match self {
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

    /// The links of the merged `/usr`: name below `/`, and relative target. All releases with a preset are
    /// merged; a package's path through one of them is the path behind the link.
    pub const fn directory_links(self, arch: Arch) -> &'static [(&'static str, &'static str)] {
        match arch {
            Arch::Amd64 | Arch::Ppc64le => {
                &[("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64"), ("sbin", "usr/sbin")]
            }
            _ => &[("bin", "usr/bin"), ("lib", "usr/lib"), ("sbin", "usr/sbin")],
        }
    }

    /// The `PATH` of a login shell, which an image has unless its recipe sets another.
    pub const fn default_path(self) -> &'static str {
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    }
}

impl fmt::Display for Distro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id(), self.codename())
    }
}

impl FromStr for Distro {
    type Err = UnknownDistro;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Distro::ALL
            .into_iter()
            .find(|distro| distro.to_string() == text)
            .ok_or_else(|| UnknownDistro(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arm32v6_is_never_hard_float() {
        for distro in Distro::ALL {
            assert_ne!(distro.arch_name(Arch::Arm32v6), Some("armhf"));
            assert_eq!(distro.to_string().parse(), Ok(distro));
        }
    }

    #[test]
    fn ports_live_elsewhere() {
        let noble = Distro::Ubuntu(UbuntuRelease::Noble);
        assert!(noble.suites(Arch::S390x).iter().all(|suite| suite.archive == Archive::UbuntuPorts));
        assert!(noble.suites(Arch::Amd64).iter().all(|suite| suite.archive == Archive::Ubuntu));
    }
}
