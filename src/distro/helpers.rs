//! The install-helper list: packages that others depend on only to be installed, upgraded or removed.
//!
//! A dependency on one of these is not followed by the `needed` policy and passes nothing on, unless a
//! recipe names it. What a maintainer script would have done with their help is done as data.

use super::{Distro, PackageFormat};

/// Debian's and Ubuntu's, sorted.
///
/// `openssl` is here because most want it to make a key or list certificates when they are installed; its
/// configuration comes by a run-time rule. `perl` and `python3` are here because most packages want them only in a maintainer script; a script
/// that is shipped brings them back through its first line.
const OF_DEBIAN: &[&str] = &[
    "adduser",
    "apt",
    "base-files",
    "base-passwd",
    "bash",
    "bsdutils",
    "coreutils",
    "cron-daemon-common",
    "dash",
    "debconf",
    "debconf-2.0",
    "debianutils",
    "dictionaries-common",
    "diffutils",
    "dpkg",
    "emacsen-common",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "init",
    "init-system-helpers",
    "insserv",
    "install-info",
    "libc-bin",
    "login",
    "login.defs",
    "lsb-base",
    "man-db",
    "mawk",
    "mount",
    "ncurses-base",
    "ncurses-bin",
    "openssl",
    "opensysusers",
    "passwd",
    "perl",
    "perl-base",
    "python3",
    "python3-minimal",
    "runit-helper",
    "sed",
    "sensible-utils",
    "systemd",
    "systemd-standalone-sysusers",
    "systemd-standalone-tmpfiles",
    "systemd-sysv",
    "sysuser-helper",
    "sysv-rc",
    "sysvinit-core",
    "sysvinit-utils",
    "tar",
    "ucf",
    "udev",
    "util-linux",
];

/// Alpine's and Wolfi's, sorted.
///
/// A package with an install script depends on `/bin/sh`, and so on busybox, whether or not it runs a shell itself;
/// one with a service may depend on what runs services. `perl` and `python3` are not here: an apk names them only
/// where its files want them.
const OF_ALPINE: &[&str] = &[
    "alpine-base",
    "alpine-baselayout",
    "alpine-baselayout-data",
    "alpine-conf",
    "alpine-keys",
    "alpine-release",
    "apk-tools",
    "busybox",
    "busybox-binsh",
    "busybox-suid",
    "desktop-file-utils",
    "eudev",
    "gtk-update-icon-cache",
    "ifupdown-ng",
    "logrotate",
    "mandoc",
    "mdev-conf",
    "mdevd",
    "mkinitfs",
    "openrc",
    "shadow",
    "texinfo",
    "udev-init-scripts",
    "wolfi-base",
    "wolfi-baselayout",
    "wolfi-keys",
];

/// Whether a package of a distro only helps to install others.
pub fn is_install_helper(distro: Distro, package: &str) -> bool {
    let helpers = match distro.format() {
        PackageFormat::Deb => OF_DEBIAN,
        PackageFormat::Apk => OF_ALPINE,
    };
    helpers.binary_search(&package).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted() {
        for list in [OF_DEBIAN, OF_ALPINE] {
            let mut sorted = list.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(list, sorted);
        }
        let trixie: Distro = "debian:trixie".parse().unwrap();
        let alpine: Distro = "alpine:3.20".parse().unwrap();
        assert!(is_install_helper(trixie, "adduser") && !is_install_helper(trixie, "libc6"));
        assert!(is_install_helper(alpine, "busybox") && !is_install_helper(alpine, "musl"));
        assert!(is_install_helper(trixie, "perl") && !is_install_helper(alpine, "perl"));
    }
}
