//! The accounts every Debian system has: base-passwd's master files (version 3.6, as in Debian 12 and 13); and
//! those every Alpine system has, from alpine-baselayout-data (version 3.6, as in Alpine 3.20).
//!
//! Debian's numbers are fixed by its Policy 9.2.2, Alpine's by use. What they seed is made where an image's
//! `passwd` and `group` are rendered; here they only say which names need no definition in a recipe.

use crate::distro::PackageFormat;

/// A line of `passwd.master`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseUser {
    /// Login name.
    pub name: &'static str,
    /// User number.
    pub uid: u32,
    /// Number of the primary group.
    pub gid: u32,
    /// Comment field.
    pub gecos: &'static str,
    /// Home directory.
    pub home: &'static str,
    /// Login shell; root's may not exist in an image.
    pub shell: &'static str,
}

/// A line of `group.master`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseGroup {
    /// Name.
    pub name: &'static str,
    /// Group number.
    pub gid: u32,
}

const fn user(
    name: &'static str,
    uid: u32,
    gid: u32,
    gecos: &'static str,
    home: &'static str,
    shell: &'static str,
) -> BaseUser {
    BaseUser { name, uid, gid, gecos, home, shell }
}

const fn group(name: &'static str, gid: u32) -> BaseGroup {
    BaseGroup { name, gid }
}

/// `passwd.master`, in its order.
pub const BASE_USERS: &[BaseUser] = &[
    user("root", 0, 0, "root", "/root", "/bin/bash"),
    user("daemon", 1, 1, "daemon", "/usr/sbin", "/usr/sbin/nologin"),
    user("bin", 2, 2, "bin", "/bin", "/usr/sbin/nologin"),
    user("sys", 3, 3, "sys", "/dev", "/usr/sbin/nologin"),
    user("sync", 4, 65534, "sync", "/bin", "/bin/sync"),
    user("games", 5, 60, "games", "/usr/games", "/usr/sbin/nologin"),
    user("man", 6, 12, "man", "/var/cache/man", "/usr/sbin/nologin"),
    user("lp", 7, 7, "lp", "/var/spool/lpd", "/usr/sbin/nologin"),
    user("mail", 8, 8, "mail", "/var/mail", "/usr/sbin/nologin"),
    user("news", 9, 9, "news", "/var/spool/news", "/usr/sbin/nologin"),
    user("uucp", 10, 10, "uucp", "/var/spool/uucp", "/usr/sbin/nologin"),
    user("proxy", 13, 13, "proxy", "/bin", "/usr/sbin/nologin"),
    user("www-data", 33, 33, "www-data", "/var/www", "/usr/sbin/nologin"),
    user("backup", 34, 34, "backup", "/var/backups", "/usr/sbin/nologin"),
    user("list", 38, 38, "Mailing List Manager", "/var/list", "/usr/sbin/nologin"),
    user("irc", 39, 39, "ircd", "/run/ircd", "/usr/sbin/nologin"),
    user("_apt", 42, 65534, "", "/nonexistent", "/usr/sbin/nologin"),
    user("nobody", 65534, 65534, "nobody", "/nonexistent", "/usr/sbin/nologin"),
];

/// `group.master`, in its order.
pub const BASE_GROUPS: &[BaseGroup] = &[
    group("root", 0),
    group("daemon", 1),
    group("bin", 2),
    group("sys", 3),
    group("adm", 4),
    group("tty", 5),
    group("disk", 6),
    group("lp", 7),
    group("mail", 8),
    group("news", 9),
    group("uucp", 10),
    group("man", 12),
    group("proxy", 13),
    group("kmem", 15),
    group("dialout", 20),
    group("fax", 21),
    group("voice", 22),
    group("cdrom", 24),
    group("floppy", 25),
    group("tape", 26),
    group("sudo", 27),
    group("audio", 29),
    group("dip", 30),
    group("www-data", 33),
    group("backup", 34),
    group("operator", 37),
    group("list", 38),
    group("irc", 39),
    group("src", 40),
    group("shadow", 42),
    group("utmp", 43),
    group("video", 44),
    group("sasl", 45),
    group("plugdev", 46),
    group("staff", 50),
    group("games", 60),
    group("users", 100),
    group("nogroup", 65534),
];

/// Alpine's `passwd`, in its order.
pub const ALPINE_USERS: &[BaseUser] = &[
    user("root", 0, 0, "root", "/root", "/bin/sh"),
    user("bin", 1, 1, "bin", "/bin", "/sbin/nologin"),
    user("daemon", 2, 2, "daemon", "/sbin", "/sbin/nologin"),
    user("lp", 4, 7, "lp", "/var/spool/lpd", "/sbin/nologin"),
    user("sync", 5, 0, "sync", "/sbin", "/bin/sync"),
    user("shutdown", 6, 0, "shutdown", "/sbin", "/sbin/shutdown"),
    user("halt", 7, 0, "halt", "/sbin", "/sbin/halt"),
    user("mail", 8, 12, "mail", "/var/mail", "/sbin/nologin"),
    user("news", 9, 13, "news", "/usr/lib/news", "/sbin/nologin"),
    user("uucp", 10, 14, "uucp", "/var/spool/uucppublic", "/sbin/nologin"),
    user("cron", 16, 16, "cron", "/var/spool/cron", "/sbin/nologin"),
    user("ftp", 21, 21, "", "/var/lib/ftp", "/sbin/nologin"),
    user("sshd", 22, 22, "sshd", "/dev/null", "/sbin/nologin"),
    user("games", 35, 35, "games", "/usr/games", "/sbin/nologin"),
    user("ntp", 123, 123, "NTP", "/var/empty", "/sbin/nologin"),
    user("guest", 405, 100, "guest", "/dev/null", "/sbin/nologin"),
    user("nobody", 65534, 65534, "nobody", "/", "/sbin/nologin"),
];

/// Alpine's `group`, in its order.
pub const ALPINE_GROUPS: &[BaseGroup] = &[
    group("root", 0),
    group("bin", 1),
    group("daemon", 2),
    group("sys", 3),
    group("adm", 4),
    group("tty", 5),
    group("disk", 6),
    group("lp", 7),
    group("kmem", 9),
    group("wheel", 10),
    group("floppy", 11),
    group("mail", 12),
    group("news", 13),
    group("uucp", 14),
    group("cron", 16),
    group("audio", 18),
    group("cdrom", 19),
    group("dialout", 20),
    group("ftp", 21),
    group("sshd", 22),
    group("input", 23),
    group("tape", 26),
    group("video", 27),
    group("netdev", 28),
    group("kvm", 34),
    group("games", 35),
    group("shadow", 42),
    group("www-data", 82),
    group("users", 100),
    group("ntp", 123),
    group("abuild", 300),
    group("utmp", 406),
    group("ping", 999),
    group("nogroup", 65533),
    group("nobody", 65534),
];

/// The users of every image with packages of a format.
pub const fn base_users(format: PackageFormat) -> &'static [BaseUser] {
    match format {
        PackageFormat::Deb => BASE_USERS,
        PackageFormat::Apk => ALPINE_USERS,
    }
}

/// The groups of every image with packages of a format.
pub const fn base_groups(format: PackageFormat) -> &'static [BaseGroup] {
    match format {
        PackageFormat::Deb => BASE_GROUPS,
        PackageFormat::Apk => ALPINE_GROUPS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_has_a_group_and_no_number_stands_twice() {
        for format in [PackageFormat::Deb, PackageFormat::Apk] {
            let (users, groups) = (base_users(format), base_groups(format));
            for user in users {
                assert!(groups.iter().any(|group| group.gid == user.gid), "{}", user.name);
                assert_eq!(users.iter().filter(|other| other.uid == user.uid).count(), 1);
            }
            for group in groups {
                assert_eq!(groups.iter().filter(|other| other.gid == group.gid).count(), 1);
            }
            assert!(users.iter().any(|user| (user.name, user.uid, user.gid) == ("nobody", 65534, 65534)));
        }
        let audio =
            |format| base_groups(format).iter().find(|group| group.name == "audio").map(|group| group.gid);
        assert_eq!((audio(PackageFormat::Deb), audio(PackageFormat::Apk)), (Some(29), Some(18)));
    }
}
