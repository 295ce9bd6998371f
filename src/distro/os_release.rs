//! os-release(5) of each release, as its own package has it.
//!
//! A point release (`3.20.3`) is what a package knows, not a preset: where no package brings the file, the
//! release's own number stands for it.

use super::{AlpineRelease, DebianRelease, Distro};

impl Distro {
    /// `NAME`.
    pub const fn name(self) -> &'static str {
        match self {
            Distro::Debian(_) => "Debian GNU/Linux",
            Distro::Ubuntu(_) => "Ubuntu",
            Distro::Alpine(_) => "Alpine Linux",
            Distro::Wolfi => "Wolfi",
        }
    }

    /// `ID_LIKE`.
    pub const fn id_like(self) -> Option<&'static str> {
        match self {
            Distro::Ubuntu(_) => Some("debian"),
            Distro::Debian(_) | Distro::Alpine(_) | Distro::Wolfi => None,
        }
    }

    /// `VERSION_ID`; a rolling release has none.
    pub fn version_id(self) -> Option<String> {
        use super::UbuntuRelease::{Jammy, Noble};
        match self {
            Distro::Debian(DebianRelease::Bookworm) => Some("12".to_owned()),
            Distro::Debian(DebianRelease::Trixie) => Some("13".to_owned()),
            Distro::Ubuntu(Jammy) => Some("22.04".to_owned()),
            Distro::Ubuntu(Noble) => Some("24.04".to_owned()),
            Distro::Alpine(AlpineRelease::Stable { minor }) => Some(format!("3.{minor}")),
            Distro::Debian(DebianRelease::Sid)
            | Distro::Alpine(AlpineRelease::Edge | AlpineRelease::Unknown)
            | Distro::Wolfi => None,
        }
    }

    /// `PRETTY_NAME`.
    pub fn pretty_name(self) -> String {
        let (name, version) = (self.name(), self.version_id().unwrap_or_default());
        match self {
            Distro::Debian(DebianRelease::Sid) => format!("{name} sid"),
            Distro::Debian(_) => format!("{name} {version} ({})", self.codename().unwrap_or_default()),
            Distro::Ubuntu(_) => format!("{name} {version} LTS"),
            Distro::Alpine(AlpineRelease::Stable { .. }) => format!("{name} v{version}"),
            Distro::Alpine(AlpineRelease::Edge) => format!("{name} edge"),
            Distro::Alpine(AlpineRelease::Unknown) | Distro::Wolfi => name.to_owned(),
        }
    }

    /// The whole file, in the order of the distro's own.
    pub fn os_release(self) -> String {
        let quoted = |name: &str, value: &str| Some(format!("{name}=\"{value}\""));
        let pretty = quoted("PRETTY_NAME", &self.pretty_name());
        let name = quoted("NAME", self.name());
        let id = Some(format!("ID={}", self.id()));
        let version = self.version_id();
        let lines: Vec<Option<String>> = match self {
            Distro::Debian(_) | Distro::Ubuntu(_) => vec![
                pretty,
                name,
                id,
                self.codename().map(|name| format!("VERSION_CODENAME={name}")),
                version.and_then(|version| quoted("VERSION_ID", &version)),
                self.id_like().map(|like| format!("ID_LIKE={like}")),
            ],
            Distro::Alpine(_) => vec![
                name,
                id,
                version.map(|version| format!("VERSION_ID={version}")),
                pretty,
                quoted("HOME_URL", "https://alpinelinux.org/"),
                quoted("BUG_REPORT_URL", "https://gitlab.alpinelinux.org/alpine/aports/-/issues"),
            ],
            Distro::Wolfi => vec![id, name, pretty, quoted("HOME_URL", "https://wolfi.dev")],
        };
        lines.into_iter().flatten().map(|line| line + "\n").collect()
    }
}
