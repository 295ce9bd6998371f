//! Where an archive is: named by the user, in this machine's apt or apk sources, or on a well-known host.
//!
//! A pure function of its inputs; [`MachineSources::read`] is the one that looks at the disk. Of a machine's
//! sources only the root URLs are taken. An apt archive's InRelease must say that it is the distro's before
//! anything from it is used (another publisher may call a suite `trixie` too), and an apk index must be signed
//! by the distro's keys.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::apk::repositories;
use crate::deb::apt_sources::{self, AptSource};
use crate::distro::{Archive, Distro, PackageFormat};
use crate::hint::Hint;
use crate::transport::{is_remote, malformed};

/// The name that stands for the snapshot archive in `--mirror snapshot=URL`.
pub const SNAPSHOT: &str = "snapshot";

/// What the names of the environment's variables start with.
pub const ENVIRONMENT_PREFIX: &str = "ROOTFORGE_MIRROR_";

/// The directory of the well-known snapshot archives, which `--mirror snapshot=URL` stands in for.
const SNAPSHOT_ROOT: &str = "http://snapshot.debian.org/archive";

/// Suites that a release's machines use beside those named after it.
const DEBIAN_ALIASES: &[&str] =
    &["stable", "oldstable", "oldoldstable", "testing", "unstable", "bullseye", "forky", "duke"];
const UBUNTU_ALIASES: &[&str] = &["devel", "focal", "oracular", "plucky", "questing", "resolute"];

/// What mirrors can be named for: the archives, and the snapshots of them.
pub fn mirror_names() -> impl Iterator<Item = &'static str> {
    Archive::ALL.iter().map(|archive| archive.name()).chain([SNAPSHOT])
}

/// What decides on mirrors, nearest first.
#[derive(Clone, Debug, Default)]
pub struct MirrorInputs {
    /// `--mirror NAME=URL`.
    pub given: BTreeMap<String, String>,
    /// Environment variables; those with [`ENVIRONMENT_PREFIX`] count.
    pub environment: BTreeMap<String, String>,
    /// The mirrors of the user's configuration file, by the names that `--mirror` uses.
    pub configured: BTreeMap<String, String>,
    /// This machine's own sources.
    pub machine: MachineSources,
}

/// This machine's apt or apk sources, and which distro it is.
#[derive(Clone, Debug, Default)]
pub struct MachineSources {
    /// The text of os-release(5).
    pub os_release: String,
    /// Names and texts of apt's lists, in the order apt reads them.
    pub lists: Vec<(String, String)>,
    /// Texts of apk's lists, in the order apk reads them.
    pub apk_lists: Vec<String>,
}

/// An archive's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The URL or path, without a slash at the end.
    pub url: String,
    /// How it was found.
    pub origin: MirrorOrigin,
    /// Others, for where it was only a guess.
    pub fallbacks: Vec<String>,
}

/// How a mirror was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MirrorOrigin {
    /// On the command line.
    Given,
    /// In this variable.
    Environment(String),
    /// In the user's configuration.
    Configured,
    /// In this machine's sources of packages of this format.
    Machine(PackageFormat),
    /// Beside the mirror of the Debian archive, which was found thus.
    Sibling(Box<MirrorOrigin>),
    /// It is always there.
    WellKnown,
}

impl fmt::Display for MirrorOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MirrorOrigin::Given => f.write_str("--mirror"),
            MirrorOrigin::Environment(variable) => f.write_str(variable),
            MirrorOrigin::Configured => f.write_str("the configuration file"),
            MirrorOrigin::Machine(PackageFormat::Deb) => f.write_str("this machine's apt sources"),
            MirrorOrigin::Machine(PackageFormat::Apk) => f.write_str("this machine's apk repositories"),
            MirrorOrigin::Sibling(origin) => write!(f, "beside the mirror from {origin}"),
            MirrorOrigin::WellKnown => f.write_str("well-known host"),
        }
    }
}

/// Why no mirror can be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// A name that is no archive's.
    #[error("{place} names a mirror of `{name}`, which is no archive; the archives are {}", .known.join(", "))]
    UnknownArchive {
        /// Where the name stands.
        place: String,
        /// The name.
        name: String,
        /// Those there are.
        known: Vec<&'static str>,
    },
    /// A mirror without a URL.
    #[error("{place} gives no URL for the mirror of `{name}`")]
    NoUrl {
        /// Where the name stands.
        place: String,
        /// The archive.
        name: String,
    },
    /// A mirror that is reached in a way that there is not.
    #[error("{place} names the mirror `{url}` of `{name}`, which cannot be reached by its scheme")]
    Scheme {
        /// Where the name stands.
        place: String,
        /// The archive.
        name: String,
        /// The mirror.
        url: String,
    },
    /// A mirror whose URL is none. It is not told: a password may be in it.
    #[error("{place} names a mirror of `{name}` by what is no URL: {reason}")]
    Malformed {
        /// Where the name stands.
        place: String,
        /// The archive.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An archive of which no past states are kept.
    #[error("there are no snapshots of the archive `{0}`")]
    NoSnapshots(&'static str),
    /// A moment in another format.
    #[error("`{0}` is no snapshot's time, which is written as in 20261101T000000Z")]
    SnapshotTime(String),
}

impl Hint for MirrorError {
    fn hints(&self) -> Vec<String> {
        match self {
            MirrorError::NoUrl { .. } => vec!["write NAME=URL".to_owned()],
            MirrorError::Scheme { .. } => vec!["write http:, https:, file: or a path".to_owned()],
            MirrorError::Malformed { .. } => vec![
                "in a user's name or password write `%2F` for a slash, `%40` for an at sign, `%20` for a blank"
                    .to_owned(),
            ],
            MirrorError::NoSnapshots(_) => {
                vec!["leave `snapshot` out; the lock pins the versions".to_owned()]
            }
            MirrorError::UnknownArchive { .. } | MirrorError::SnapshotTime(_) => Vec::new(),
        }
    }
}

/// The mirrors of all archives.
#[derive(Clone, Debug)]
pub struct Mirrors {
    /// By name; the nearest of what names it outright.
    named: BTreeMap<String, (String, MirrorOrigin)>,
    /// Found in this machine's sources; those likelier to be the archive's first.
    found: BTreeMap<Archive, Vec<String>>,
}

impl Mirrors {
    /// Weighs the inputs; a name of no archive is an error, wherever it stands.
    pub fn new(inputs: &MirrorInputs) -> Result<Self, MirrorError> {
        let mut named = BTreeMap::new();
        let mut name = |name: &str, url: &str, origin: MirrorOrigin, place: String| {
            if !mirror_names().any(|known| known == name) {
                let known = mirror_names().collect();
                return Err(MirrorError::UnknownArchive { place, name: name.to_owned(), known });
            }
            let url = url.trim().trim_end_matches('/');
            if url.is_empty() {
                return Err(MirrorError::NoUrl { place, name: name.to_owned() });
            }
            if url.contains("://") && !is_remote(url) && !url.starts_with("file:") {
                return Err(MirrorError::Scheme { place, name: name.to_owned(), url: url.to_owned() });
            }
            if let Some(reason) = malformed(url) {
                return Err(MirrorError::Malformed { place, name: name.to_owned(), reason });
            }
            named.entry(name.to_owned()).or_insert_with(|| (url.to_owned(), origin));
            Ok(())
        };
        for (archive, url) in &inputs.given {
            name(archive, url, MirrorOrigin::Given, "--mirror".to_owned())?;
        }
        for (variable, url) in inputs.environment.iter().filter(|(_, url)| !url.trim().is_empty()) {
            if let Some(archive) = variable.strip_prefix(ENVIRONMENT_PREFIX) {
                let archive = archive.to_ascii_lowercase().replace('_', "-");
                name(&archive, url, MirrorOrigin::Environment(variable.clone()), variable.clone())?;
            }
        }
        for (archive, url) in &inputs.configured {
            name(archive, url, MirrorOrigin::Configured, "the configuration file".to_owned())?;
        }
        Ok(Mirrors { named, found: inputs.machine.archives() })
    }

    /// Where an archive is.
    pub fn find(&self, archive: Archive) -> Mirror {
        let nearest = self.nearest(archive);
        match archive {
            Archive::DebianSecurity if nearest.origin == MirrorOrigin::WellKnown => {
                let debian = self.nearest(Archive::Debian);
                match sibling(&debian.url) {
                    Some(url) if debian.origin != MirrorOrigin::WellKnown => Mirror {
                        url,
                        origin: MirrorOrigin::Sibling(Box::new(debian.origin)),
                        fallbacks: vec![nearest.url],
                    },
                    _ => nearest,
                }
            }
            _ => nearest,
        }
    }

    fn nearest(&self, archive: Archive) -> Mirror {
        if let Some((url, origin)) = self.named.get(archive.name()) {
            return Mirror { url: url.clone(), origin: origin.clone(), fallbacks: Vec::new() };
        }
        match self.found.get(&archive).map(Vec::as_slice) {
            Some([url, fallbacks @ ..]) => Mirror {
                url: url.clone(),
                origin: MirrorOrigin::Machine(archive.format()),
                fallbacks: fallbacks.to_vec(),
            },
            _ => Mirror {
                url: archive.well_known_url().to_owned(),
                origin: MirrorOrigin::WellKnown,
                fallbacks: Vec::new(),
            },
        }
    }

    /// Where an archive is as it was at a time such as `20261101T000000Z`.
    pub fn snapshot(&self, archive: Archive, time: &str) -> Result<Mirror, MirrorError> {
        let bytes = time.as_bytes();
        let is_time = bytes.len() == 16
            && bytes.iter().enumerate().all(|(at, byte)| match at {
                8 => *byte == b'T',
                15 => *byte == b'Z',
                _ => byte.is_ascii_digit(),
            });
        if !is_time {
            return Err(MirrorError::SnapshotTime(time.to_owned()));
        }
        let known = archive.snapshot_url().ok_or(MirrorError::NoSnapshots(archive.name()))?;
        let (root, origin) = self
            .named
            .get(SNAPSHOT)
            .map_or((SNAPSHOT_ROOT, MirrorOrigin::WellKnown), |(url, origin)| (url, origin.clone()));
        let directory = known.strip_prefix(SNAPSHOT_ROOT).unwrap_or(known);
        Ok(Mirror { url: format!("{root}{directory}/{time}"), origin, fallbacks: Vec::new() })
    }

    /// What the URLs of snapshots start with. Their host is to be asked for few files at a time.
    pub fn snapshot_root(&self) -> &str {
        self.named.get(SNAPSHOT).map_or(SNAPSHOT_ROOT, |(url, _)| url)
    }
}

/// The security archive's place beside the Debian archive's.
fn sibling(debian: &str) -> Option<String> {
    let (parent, last) = debian.rsplit_once('/')?;
    (!last.is_empty() && !parent.ends_with('/')).then(|| format!("{parent}/debian-security"))
}

impl MachineSources {
    /// Reads this machine's files. What is not there or cannot be read is as if it were empty.
    pub fn read() -> Self {
        Self::read_below(Path::new("/"))
    }

    /// As [`MachineSources::read`], for the system below a directory.
    pub fn read_below(root: &Path) -> Self {
        let text =
            |path: &Path| std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let os_release =
            ["etc/os-release", "usr/lib/os-release"].iter().find_map(|path| text(&root.join(path)));
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let mut paths = listed(&root.join("etc/apt/sources.list.d"), &["list", "sources"]);
        paths.insert(0, root.join("etc/apt/sources.list"));
        let lists = paths.iter().filter_map(|path| name(path).zip(text(path))).collect();
        let mut paths = listed(&root.join("etc/apk/repositories.d"), &["list"]);
        paths.insert(0, root.join("etc/apk/repositories"));
        let apk_lists = paths.iter().filter_map(|path| text(path)).collect();
        MachineSources { os_release: os_release.unwrap_or_default(), lists, apk_lists }
    }

    /// A variable of os-release(5).
    fn variable(&self, name: &str) -> Option<&str> {
        self.os_release.lines().rev().find_map(|line| {
            let value = line.trim().strip_prefix(name)?.strip_prefix('=')?;
            Some(value.trim_matches(['"', '\'']))
        })
    }

    /// The roots of the distro's archives.
    fn archives(&self) -> BTreeMap<Archive, Vec<String>> {
        let mut found: BTreeMap<Archive, Vec<String>> = BTreeMap::new();
        let of_archives = match self.variable("ID").unwrap_or_default() {
            id @ ("debian" | "ubuntu") => self.apt_archives(id),
            "alpine" => self.apk_archives(Archive::Alpine, repositories::alpine_root),
            "wolfi" => self.apk_archives(Archive::Wolfi, repositories::wolfi_root),
            _ => Vec::new(),
        };
        for (archive, uri) in of_archives {
            let uris = found.entry(archive).or_default();
            if !uris.contains(&uri) {
                uris.push(uri);
            }
        }
        for (archive, uris) in &mut found {
            // Stable: the order of the machine's lists decides among the equally likely.
            uris.sort_by_key(|uri| !uri.ends_with(archive.name()) && *archive != Archive::Wolfi);
        }
        found
    }

    /// What apt's lists say, in their order.
    fn apt_archives(&self, id: &str) -> Vec<(Archive, String)> {
        let mut releases: Vec<&str> = Distro::ALL
            .iter()
            .filter(|distro| distro.id() == id)
            .filter_map(|distro| distro.codename())
            .collect();
        releases.extend(if id == "debian" { DEBIAN_ALIASES } else { UBUNTU_ALIASES });
        releases.extend(self.variable("VERSION_CODENAME").filter(|name| !name.is_empty()));
        let mut found = Vec::new();
        let sources = self.lists.iter().flat_map(|(name, text)| apt_sources::parse(name, text));
        for source in
            sources.filter(|source| source.enabled && source.components.iter().any(|one| one == "main"))
        {
            for uri in &source.uris {
                let archives = archives_of(&source, uri, id, &releases);
                found.extend(archives.into_iter().map(|archive| (archive, uri.clone())));
            }
        }
        found
    }

    /// What apk's lists say of an archive: those without a tag first.
    fn apk_archives(&self, archive: Archive, root: impl Fn(&str) -> Option<&str>) -> Vec<(Archive, String)> {
        let mut lines: Vec<_> = self.apk_lists.iter().flat_map(|text| repositories::parse(text)).collect();
        lines.sort_by_key(|line| line.tag.is_some());
        lines.iter().filter_map(|line| Some((archive, root(&line.url)?.to_owned()))).collect()
    }
}

/// The files in a directory that have one of these endings, sorted.
fn listed(directory: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    paths.retain(|path| path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known)));
    paths.sort();
    paths
}

/// The archives that a source is of, going by its suites and the URL.
fn archives_of(source: &AptSource, uri: &str, id: &str, releases: &[&str]) -> Vec<Archive> {
    let mut archives = Vec::new();
    for suite in &source.suites {
        let (release, rest) = suite.find(['-', '/']).map_or((&suite[..], ""), |at| suite.split_at(at));
        let security = matches!(rest, "-security" | "/updates");
        let known =
            security || matches!(rest, "" | "-updates" | "-proposed" | "-proposed-updates" | "-backports");
        if !known || !releases.contains(&release) {
            continue;
        }
        let archive = match id {
            "debian" if security => Archive::DebianSecurity,
            "debian" => Archive::Debian,
            // Ubuntu's security suites are in the one archive, though also on a host of their own.
            _ if security => continue,
            _ if uri.ends_with("ubuntu-ports") => Archive::UbuntuPorts,
            _ => Archive::Ubuntu,
        };
        if !archives.contains(&archive) {
            archives.push(archive);
        }
    }
    archives
}

#[cfg(test)]
mod tests;
