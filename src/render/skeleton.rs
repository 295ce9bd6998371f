//! What every image stands on, whatever its layers keep: the links of the merged `/usr`, the directories
//! that the kernel and every program take for granted, and who the distro is.

use crate::arch::Arch;
use crate::distro::Distro;

use super::{Made, MadeFile, fixed};

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
    ("/var/tmp", 0o1777),
];

/// Links that every distro has beside those of the merged `/usr`.
const LINKS: &[(&str, &str)] = &[("/var/lock", "/run/lock"), ("/var/run", "/run")];

/// Every directory link of the skeleton: name, and target. A path that a package or a recipe puts below one
/// of them is the path behind the link.
pub fn directory_links(distro: Distro, arch: Arch) -> Vec<(&'static str, &'static str)> {
    distro.directory_links(arch).iter().chain(LINKS).copied().collect()
}

/// The skeleton of a distro's image.
pub fn skeleton(distro: Distro, arch: Arch) -> Made {
    let directories = DIRECTORIES.iter().map(|(path, mode)| MadeFile::directory(fixed(path), *mode));
    let merged = distro.directory_links(arch).iter().flat_map(|(name, target)| {
        [MadeFile::symlink(fixed(name), target), MadeFile::directory(fixed(target), 0o755)]
    });
    let links = LINKS.iter().map(|(path, target)| MadeFile::symlink(fixed(path), target));
    let release = [
        MadeFile::file(fixed("/usr/lib/os-release"), 0o644, distro.os_release().into_bytes()),
        MadeFile::symlink(fixed("/etc/os-release"), "../usr/lib/os-release"),
    ];
    directories
        .chain(merged)
        .chain(links)
        .chain(release)
        .map(|file| (file.entry.path.clone(), file))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tarball::EntryKind;

    #[test]
    fn temporary_directories_are_sticky_and_lib64_is_where_the_loader_is_looked_for() {
        let distro: Distro = "debian:trixie".parse().unwrap();
        let made = skeleton(distro, Arch::Amd64);
        assert_eq!(made[&fixed("/tmp")].entry.metadata.mode, 0o1777);
        assert_eq!(made[&fixed("/lib64")].entry.kind, EntryKind::Symlink { target: "usr/lib64".into() });
        assert!(!skeleton(distro, Arch::S390x).contains_key(&fixed("/lib64")));
    }
}
