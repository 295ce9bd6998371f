//! The archives of the distros: what a mirror is a mirror of.

use std::str::FromStr;

use super::PackageFormat;

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
    /// Alpine's archive: the directory that has `v3.20` and `edge`.
    Alpine,
    /// Wolfi's archive, which is one repository.
    Wolfi,
}

impl Archive {
    /// Every archive.
    pub const ALL: [Archive; 6] = [
        Archive::Debian,
        Archive::DebianSecurity,
        Archive::Ubuntu,
        Archive::UbuntuPorts,
        Archive::Alpine,
        Archive::Wolfi,
    ];

    /// The name that `--mirror NAME=URL` and the configuration file use; upper-cased and with `_`, also
    /// the end of `ROOTFORGE_MIRROR_NAME`.
    pub const fn name(self) -> &'static str {
        match self {
            Archive::Debian => "debian",
            Archive::DebianSecurity => "debian-security",
            Archive::Ubuntu => "ubuntu",
            Archive::UbuntuPorts => "ubuntu-ports",
            Archive::Alpine => "alpine",
            Archive::Wolfi => "wolfi",
        }
    }

    /// The format of its packages.
    pub const fn format(self) -> PackageFormat {
        match self {
            Archive::Debian | Archive::DebianSecurity | Archive::Ubuntu | Archive::UbuntuPorts => {
                PackageFormat::Deb
            }
            Archive::Alpine | Archive::Wolfi => PackageFormat::Apk,
        }
    }

    /// Where it is found when nothing nearer is known.
    pub const fn well_known_url(self) -> &'static str {
        match self {
            Archive::Debian => "http://ftp.debian.org/debian",
            Archive::DebianSecurity => "http://ftp.debian.org/debian-security",
            Archive::Ubuntu => "http://mirrors.kernel.org/ubuntu",
            Archive::UbuntuPorts => "http://ports.ubuntu.com/ubuntu-ports",
            Archive::Alpine => "http://dl-cdn.alpinelinux.org/alpine",
            Archive::Wolfi => "https://packages.wolfi.dev/os",
        }
    }

    /// The directory of its snapshots, if it has one: `URL/TIMESTAMP` is an archive as it was then.
    pub const fn snapshot_url(self) -> Option<&'static str> {
        match self {
            Archive::Debian => Some("http://snapshot.debian.org/archive/debian"),
            Archive::DebianSecurity => Some("http://snapshot.debian.org/archive/debian-security"),
            Archive::Ubuntu | Archive::UbuntuPorts | Archive::Alpine | Archive::Wolfi => None,
        }
    }

    /// What the `Origin` field of its Release files must say; none where it has no Release files.
    pub const fn origin(self) -> Option<&'static str> {
        match self {
            Archive::Debian | Archive::DebianSecurity => Some("Debian"),
            Archive::Ubuntu | Archive::UbuntuPorts => Some("Ubuntu"),
            Archive::Alpine | Archive::Wolfi => None,
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
