//! The accounts that every Alpine system has, as files, for images without the package that ships them.

use crate::distro::PackageFormat;
use crate::recipe::{base_groups, base_users};

/// The members of groups that have any, as alpine-baselayout-data 3.6 (Alpine 3.20) has them.
const MEMBERS: &[(&str, &str)] = &[
    ("root", "root"),
    ("bin", "root,bin,daemon"),
    ("daemon", "root,bin,daemon"),
    ("sys", "root,bin"),
    ("adm", "root,daemon"),
    ("disk", "root"),
    ("lp", "lp"),
    ("wheel", "root"),
    ("floppy", "root"),
    ("mail", "mail"),
    ("news", "news"),
    ("uucp", "uucp"),
    ("cron", "cron"),
    ("dialout", "root"),
    ("tape", "root"),
    ("video", "root"),
    ("kvm", "kvm"),
    ("users", "games"),
];

/// passwd(5), with root's shell only if the image has it.
pub(super) fn passwd(has_shell: bool) -> String {
    let users = base_users(PackageFormat::Apk).iter().map(|user| {
        let shell = if user.uid == 0 && !has_shell { "/sbin/nologin" } else { user.shell };
        format!("{}:x:{}:{}:{}:{}:{shell}\n", user.name, user.uid, user.gid, user.gecos, user.home)
    });
    users.collect()
}

/// group(5).
pub(super) fn group() -> String {
    let groups = base_groups(PackageFormat::Apk).iter().map(|group| {
        let members = MEMBERS.iter().find(|(name, _)| *name == group.name).map_or("", |(_, members)| members);
        format!("{}:x:{}:{members}\n", group.name, group.gid)
    });
    groups.collect()
}
