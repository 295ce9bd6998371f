//! The accounts every Debian system has: base-passwd's master files (version 3.6, as in Debian 12 and 13).
//!
//! Their numbers are fixed by Debian Policy 9.2.2. What they seed is made where an image's `passwd` and
//! `group` are rendered; here they only say which names need no definition in a recipe.

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

/// The base user of this name.
pub fn base_user(name: &str) -> Option<&'static BaseUser> {
    BASE_USERS.iter().find(|user| user.name == name)
}

/// The base group of this name.
pub fn base_group(name: &str) -> Option<&'static BaseGroup> {
    BASE_GROUPS.iter().find(|group| group.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_has_a_group_and_no_number_stands_twice() {
        for user in BASE_USERS {
            assert!(BASE_GROUPS.iter().any(|group| group.gid == user.gid), "{}", user.name);
            assert_eq!(BASE_USERS.iter().filter(|other| other.uid == user.uid).count(), 1);
        }
        for group in BASE_GROUPS {
            assert_eq!(BASE_GROUPS.iter().filter(|other| other.gid == group.gid).count(), 1);
        }
        assert_eq!(base_user("nobody").map(|user| (user.uid, user.gid)), Some((65534, 65534)));
        assert_eq!(base_group("audio").map(|group| group.gid), Some(29));
    }
}
