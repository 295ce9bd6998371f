//! The install-helper list: packages that others depend on only to be installed, upgraded or removed.
//!
//! A dependency on one of these is not followed by the `needed` policy and passes nothing on, unless a
//! recipe names it. What a maintainer script would have done with their help is done as data.

/// Names of helpers, sorted.
const HELPERS: &[&str] = &[
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
    "opensysusers",
    "passwd",
    "perl",
    "perl-base",
    "python3",
    "python3-minimal",
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

/// Whether a package only helps to install others.
///
/// `perl` and `python3` are here because most packages want them only in a maintainer script; a script
/// that is shipped brings them back through its first line.
pub fn is_install_helper(package: &str) -> bool {
    HELPERS.binary_search(&package).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        let mut sorted = HELPERS.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(HELPERS, sorted);
        assert!(is_install_helper("adduser") && !is_install_helper("libc6"));
    }
}
