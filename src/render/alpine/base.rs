//! The accounts that every Alpine system has, for images without the package that ships them: those of
//! alpine-baselayout-data 3.6 (Alpine 3.20).

/// Name, uid, gid, comment, home and shell.
const USERS: &[(&str, u32, u32, &str, &str, &str)] = &[
    ("root", 0, 0, "root", "/root", "/bin/sh"),
    ("bin", 1, 1, "bin", "/bin", "/sbin/nologin"),
    ("daemon", 2, 2, "daemon", "/sbin", "/sbin/nologin"),
    ("lp", 4, 7, "lp", "/var/spool/lpd", "/sbin/nologin"),
    ("sync", 5, 0, "sync", "/sbin", "/bin/sync"),
    ("shutdown", 6, 0, "shutdown", "/sbin", "/sbin/shutdown"),
    ("halt", 7, 0, "halt", "/sbin", "/sbin/halt"),
    ("mail", 8, 12, "mail", "/var/mail", "/sbin/nologin"),
    ("news", 9, 13, "news", "/usr/lib/news", "/sbin/nologin"),
    ("uucp", 10, 14, "uucp", "/var/spool/uucppublic", "/sbin/nologin"),
    ("cron", 16, 16, "cron", "/var/spool/cron", "/sbin/nologin"),
    ("ftp", 21, 21, "", "/var/lib/ftp", "/sbin/nologin"),
    ("sshd", 22, 22, "sshd", "/dev/null", "/sbin/nologin"),
    ("games", 35, 35, "games", "/usr/games", "/sbin/nologin"),
    ("ntp", 123, 123, "NTP", "/var/empty", "/sbin/nologin"),
    ("guest", 405, 100, "guest", "/dev/null", "/sbin/nologin"),
    ("nobody", 65534, 65534, "nobody", "/", "/sbin/nologin"),
];

/// Name, gid and members.
const GROUPS: &[(&str, u32, &str)] = &[
    ("root", 0, "root"),
    ("bin", 1, "root,bin,daemon"),
    ("daemon", 2, "root,bin,daemon"),
    ("sys", 3, "root,bin"),
    ("adm", 4, "root,daemon"),
    ("tty", 5, ""),
    ("disk", 6, "root"),
    ("lp", 7, "lp"),
    ("kmem", 9, ""),
    ("wheel", 10, "root"),
    ("floppy", 11, "root"),
    ("mail", 12, "mail"),
    ("news", 13, "news"),
    ("uucp", 14, "uucp"),
    ("cron", 16, "cron"),
    ("audio", 18, ""),
    ("cdrom", 19, ""),
    ("dialout", 20, "root"),
    ("ftp", 21, ""),
    ("sshd", 22, ""),
    ("input", 23, ""),
    ("tape", 26, "root"),
    ("video", 27, "root"),
    ("netdev", 28, ""),
    ("kvm", 34, "kvm"),
    ("games", 35, ""),
    ("shadow", 42, ""),
    ("www-data", 82, ""),
    ("users", 100, "games"),
    ("ntp", 123, ""),
    ("abuild", 300, ""),
    ("utmp", 406, ""),
    ("ping", 999, ""),
    ("nogroup", 65533, ""),
    ("nobody", 65534, ""),
];

/// passwd(5), with root's shell only if the image has it.
pub(super) fn passwd(has_shell: bool) -> String {
    let line = |(name, uid, gid, comment, home, shell): &(&str, u32, u32, &str, &str, &str)| {
        let shell = if *uid == 0 && !has_shell { "/sbin/nologin" } else { shell };
        format!("{name}:x:{uid}:{gid}:{comment}:{home}:{shell}\n")
    };
    USERS.iter().map(line).collect()
}

/// group(5).
pub(super) fn group() -> String {
    GROUPS.iter().map(|(name, gid, members)| format!("{name}:x:{gid}:{members}\n")).collect()
}
