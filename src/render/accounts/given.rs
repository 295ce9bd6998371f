//! The accounts of a base image: its files stay as they are, line by line, and what is new comes after.

use std::collections::BTreeSet;

use super::scripted::{group_shadow_line, shadow_line};
use super::{Accounts, Group, Made, MadeFile, User, fixed, group_line, user_line};

/// The texts of an image's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    passwd: String,
    group: String,
    shadow: Option<String>,
    gshadow: Option<String>,
}

impl Accounts {
    /// The accounts of an image, by `passwd`, `group`, `shadow` and `gshadow`.
    pub fn given(passwd: String, group: String, shadow: Option<String>, gshadow: Option<String>) -> Self {
        let mut accounts = Self::parse(&passwd, &group);
        accounts.given = Some(Box::new(Given { passwd, group, shadow, gshadow }));
        accounts
    }

    /// Whether these are an image's, which has shadow(5).
    pub(in crate::render) fn has_given_shadow(&self) -> bool {
        self.given.as_ref().is_some_and(|given| given.shadow.is_some())
    }

    /// Whether an image has a group of this name.
    pub(super) fn is_given_group(&self, name: &str) -> bool {
        self.given.as_ref().is_some_and(|given| names(&given.group).contains(name))
    }

    /// Whether an image has a user of this name.
    pub(super) fn is_given_user(&self, name: &str) -> bool {
        self.given.as_ref().is_some_and(|given| names(&given.passwd).contains(name))
    }

    /// `passwd` and `group` upon those of an image.
    pub(super) fn files_on(&self, given: &Given) -> Made {
        let known = Self::parse(&given.passwd, &given.group);
        let user = |line: &str| {
            let now = self.users.iter().find(|user| user.name == name_of(line))?;
            let then = known.users.iter().find(|user| user.name == now.name);
            then.is_some_and(|then| !same_user(now, then)).then(|| user_line(now))
        };
        let group = |line: &str| {
            let now = self.groups.iter().find(|group| group.name == name_of(line))?;
            let then = known.groups.iter().find(|group| group.name == now.name);
            then.is_some_and(|then| then != now).then(|| group_line(now))
        };
        let passwd = extended(&given.passwd, user, self.new_users(given).into_iter().map(user_line));
        let group = extended(&given.group, group, self.new_groups(given).into_iter().map(group_line));
        let file = |path, text: String| (fixed(path), MadeFile::file(fixed(path), 0o644, text.into_bytes()));
        [file("/etc/passwd", passwd), file("/etc/group", group)].into()
    }

    /// `shadow` and `gshadow` upon those of an image, as far as it has them.
    pub(super) fn shadow_on(&self, given: &Given) -> Vec<(&'static str, String)> {
        let mut files = Vec::new();
        if let Some(text) = &given.shadow {
            let new = self.new_users(given).into_iter().map(shadow_line);
            files.push(("/etc/shadow", extended(text, |_| None, new)));
        }
        if let Some(text) = &given.gshadow {
            let new = self.new_groups(given).into_iter().map(group_shadow_line);
            files.push(("/etc/gshadow", extended(text, |_| None, new)));
        }
        files
    }

    fn new_users(&self, given: &Given) -> Vec<&User> {
        let known = names(&given.passwd);
        let mut new: Vec<&User> =
            self.users.iter().filter(|user| !known.contains(user.name.as_str())).collect();
        new.sort_by_key(|user| (user.uid, &user.name));
        new
    }

    fn new_groups(&self, given: &Given) -> Vec<&Group> {
        let known = names(&given.group);
        let mut new: Vec<&Group> =
            self.groups.iter().filter(|group| !known.contains(group.name.as_str())).collect();
        new.sort_by_key(|group| (group.gid, &group.name));
        new
    }
}

/// Whether two users are the same, whatever a recipe leaves open of them.
fn same_user(one: &User, other: &User) -> bool {
    user_line(one) == user_line(other)
}

fn name_of(line: &str) -> &str {
    line.split(':').next().unwrap_or_default()
}

fn names(text: &str) -> BTreeSet<&str> {
    text.lines().map(name_of).collect()
}

/// The lines of a text, each as it is or as `changed` has it, and new ones.
fn extended(
    text: &str,
    changed: impl Fn(&str) -> Option<String>,
    new: impl Iterator<Item = String>,
) -> String {
    let lines = text.lines().map(|line| changed(line).unwrap_or_else(|| format!("{line}\n")));
    lines.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_and_new_ones_come_after() {
        let passwd = "zed:x:500:0::/:/bin/sh\nroot:$1$x:0:0:root:/root:/bin/zsh\n+::::::\n".to_owned();
        let group = "root:x:0:\nweb:x:33:\n".to_owned();
        let shadow = Some("root:secret:1::::::\n".to_owned());
        let mut accounts = Accounts::given(passwd.clone(), group.clone(), shadow, None);
        let text = |made: &Made, path: &str| match &made[&fixed(path)].content {
            super::super::super::Content::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
            super::super::super::Content::Host(_) => String::new(),
        };
        assert_eq!(text(&accounts.files(), "/etc/passwd"), passwd);
        accounts.users.push(User {
            name: "new".to_owned(),
            uid: 7,
            gid: 33,
            comment: String::new(),
            home: "/".to_owned(),
            shell: "/x".to_owned(),
            open: super::super::Open::default(),
        });
        accounts.groups[1].members.insert("new".to_owned());
        assert_eq!(text(&accounts.files(), "/etc/passwd"), format!("{passwd}new:x:7:33::/:/x\n"));
        assert_eq!(text(&accounts.files(), "/etc/group"), "root:x:0:\nweb:x:33:new\n");
        let shadow = accounts.shadow();
        assert_eq!(shadow.len(), 1);
        assert_eq!(shadow[0].1, "root:secret:1::::::\nnew:*:3653:0:99999:7:::\n");
    }
}
