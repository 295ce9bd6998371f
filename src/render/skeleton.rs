//! What every image stands on, whatever its layers keep: the links of the merged `/usr`, the directories
//! that the kernel and every program take for granted, and who the distro is.

use crate::arch::Arch;
use crate::distro::Distro;

use super::{Made, MadeFile, fixed};

/// The directories of Alpine, with their modes; as its alpine-baselayout has them, so that it adds nothing to
/// an image that holds that package. What may be a link in a release to come is left to packages.
const ALPINE_DIRECTORIES: &[(&str, u32)] = &[
    ("/dev", 0o755),
    ("/etc", 0o755),
    ("/home", 0o755),
    ("/proc", 0o555),
    ("/root", 0o700),
    ("/run", 0o755),
    ("/sys", 0o755),
    ("/tmp", 0o1777),
    ("/usr", 0o755),
    ("/var", 0o755),
    ("/var/tmp", 0o1777),
];

/// The links of Alpine.
const ALPINE_LINKS: &[(&str, &str)] = &[("/var/run", "/run")];

/// The directories, with their modes.
const DIRECTORIES: &[(&str, u32)] = &[
    ("/dev", 0o755),
    ("/etc", 0o755),
    ("/home", 0o755),
    ("/proc", 0o555),
    ("/root", 0o700),
    ("/run", 0o755),
    ("/run/lock", 0o1777),
    ("/sys", 0o555),
    ("/tmp", 0o1777),
    ("/usr", 0o755),
    ("/usr/bin", 0o755),
    ("/usr/lib", 0o755),
    ("/usr/sbin", 0o755),
    ("/var", 0o755),
    // Essential packages bring these, and services that log to a file, or make a directory of their own when they start,
    // take them for granted.
    ("/var/cache", 0o755),
    ("/var/lib", 0o755),
    ("/var/log", 0o755),
    ("/var/mail", 0o2775),
    ("/var/spool", 0o755),
    ("/var/tmp", 0o1777),
];

/// Whose of these are a group's, by its number among Debian's base accounts.
const OF_GROUPS: [(&str, u32); 1] = [("/var/mail", 8)];

/// Links that Debian and its like have beside those of the merged `/usr`.
const LINKS: &[(&str, &str)] = &[("/var/lock", "/run/lock"), ("/var/run", "/run")];

/// Distros that stand on the same skeleton.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Debian,
    Alpine,
}

impl Family {
    const fn of(distro: Distro) -> Self {
        match distro {
            Distro::Debian(_) | Distro::Ubuntu(_) => Family::Debian,
            Distro::Alpine(_) | Distro::Wolfi => Family::Alpine,
        }
    }

    const fn directories(self) -> &'static [(&'static str, u32)] {
        match self {
            Family::Debian => DIRECTORIES,
            Family::Alpine => ALPINE_DIRECTORIES,
        }
    }

    const fn links(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Family::Debian => LINKS,
            Family::Alpine => ALPINE_LINKS,
        }
    }
}

/// Every directory link of the skeleton: name, and target. A path that a package or a recipe puts below one
/// of them is the path behind the link.
pub fn directory_links(distro: Distro, arch: Arch) -> Vec<(&'static str, &'static str)> {
    distro.directory_links(arch).iter().chain(Family::of(distro).links()).copied().collect()
}

/// The skeleton of a distro's image.
pub fn skeleton(distro: Distro, arch: Arch) -> Made {
    let family = Family::of(distro);
    let merged = distro.directory_links(arch).iter().flat_map(|(name, target)| {
        [MadeFile::symlink(fixed(name), target), MadeFile::directory(fixed(target), 0o755)]
    });
    let mut made: Vec<MadeFile> = foundation(family).chain(merged).collect();
    let release = distro.os_release().into_bytes();
    match family {
        Family::Debian => made.extend([
            MadeFile::file(fixed("/usr/lib/os-release"), 0o644, release),
            MadeFile::symlink(fixed("/etc/os-release"), "../usr/lib/os-release"),
        ]),
        // Where a package has it differs from release to release; its own takes this one's place.
        Family::Alpine => made.push(MadeFile::file(fixed("/etc/os-release"), 0o644, release)),
    }
    made.into_iter().map(|file| (file.entry.path.clone(), file)).collect()
}

/// The directories and links of a family.
fn foundation(family: Family) -> impl Iterator<Item = MadeFile> {
    let directories = family.directories().iter().map(|(path, mode)| {
        let mut made = MadeFile::directory(fixed(path), *mode);
        made.entry.metadata.gid = OF_GROUPS.iter().find(|(of, _)| of == path).map_or(0, |(_, group)| *group);
        made
    });
    directories.chain(family.links().iter().map(|(path, target)| MadeFile::symlink(fixed(path), target)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tarball::EntryKind;

    #[test]
    fn alpine_has_no_merged_directories_and_one_link() {
        let made = skeleton("alpine:3.20".parse().unwrap(), Arch::Arm32v6);
        let paths: Vec<&str> = made.keys().map(crate::root_path::RootPath::as_str).collect();
        assert_eq!(
            paths,
            [
                "/dev",
                "/etc",
                "/etc/os-release",
                "/home",
                "/proc",
                "/root",
                "/run",
                "/sys",
                "/tmp",
                "/usr",
                "/var",
                "/var/run",
                "/var/tmp"
            ]
        );
        assert_eq!(made[&fixed("/var/run")].entry.kind, EntryKind::Symlink { target: "/run".into() });
        let wolfi = skeleton("wolfi".parse().unwrap(), Arch::Amd64);
        assert_eq!(wolfi[&fixed("/sbin")].entry.kind, EntryKind::Symlink { target: "usr/bin".into() });
    }

    #[test]
    fn temporary_directories_are_sticky_and_lib64_is_where_the_loader_is_looked_for() {
        let distro: Distro = "debian:trixie".parse().unwrap();
        let made = skeleton(distro, Arch::Amd64);
        assert_eq!(made[&fixed("/tmp")].entry.metadata.mode, 0o1777);
        let mail = &made[&fixed("/var/mail")].entry.metadata;
        assert_eq!((mail.mode, mail.uid, mail.gid), (0o2775, 0, 8));
        assert_eq!(made[&fixed("/lib64")].entry.kind, EntryKind::Symlink { target: "usr/lib64".into() });
        assert!(!skeleton(distro, Arch::S390x).contains_key(&fixed("/lib64")));
    }
}
