//! What packages' installation scripts would do to an image, as data.
//!
//! An [`Effect`] says what a script would leave behind: it is a candidate. Whether it comes about depends on
//! what is selected: a link or an owner needs its file. `render` makes entries of an image out of effects.

use std::collections::BTreeSet;
use std::fmt;

use crate::root_path::RootPath;

mod accounts;
mod before;
mod effort;
mod files;
mod machine;
mod memo;
mod mode;
mod models;
mod others;
mod places;
mod scripts;
pub(crate) mod systemd;
mod triggers;

/// The configuration of the name service switch.
pub const NSSWITCH_CONF: &str = "/etc/nsswitch.conf";

/// What that holds on a Debian system to which no package of a name service has added anything (base-files).
pub const NSSWITCH: &str = "\
passwd:         files
group:          files
shadow:         files
gshadow:        files

hosts:          files dns
networks:       files

protocols:      db files
services:       db files
ethers:         db files
rpc:            db files

netgroup:       nis
";

pub use files::{CatalogFiles, ImageFiles};
pub use memo::EffectsMemo;
pub use mode::{ModeChange, given_away};
pub(crate) use models::command_lines;
pub use scripts::{effects_of, effects_of_all};

/// What one package's scripts do on a fresh installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageEffects {
    /// The package.
    pub package: String,
    /// What they do, in order.
    pub effects: Vec<Effect>,
    /// What was not understood.
    pub undone: Vec<Undone>,
    /// Programs that they call to make what is each machine's own, such as its keys: an image must not have it.
    pub at_run_time: Vec<String>,
    /// The packages whose scripts' files they have found.
    pub after_files_of: BTreeSet<String>,
    /// Their place among those that have found such; else 0. In this order they come about.
    pub after: usize,
}

/// A step of a script that was not understood.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Undone {
    /// The package.
    pub package: String,
    /// The script: `postinst`, `.post-install` ...
    pub script: String,
    /// The line in it, from one.
    pub line: usize,
    /// The command, as it would be called.
    pub command: String,
    /// Why it is left undone.
    pub reason: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |name: &Option<String>| name.clone().unwrap_or_default();
        write!(f, "{}:{}", name(&self.user), name(&self.group))
    }
}

/// Whether a user or group is root, by name or number.
fn is_root_name(name: &str) -> bool {
    matches!(name, "root" | "0")
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Undone { package, script, line, command, reason } = self;
        write!(f, "{package} {script}:{line}: `{command}`: {reason}")
    }
}

/// Who is to own something, by name or number; what is none stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: Option<String>,
    /// The group.
    pub group: Option<String>,
}

/// A further link that goes with an alternative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slave {
    /// Where the generic link is.
    pub link: RootPath,
    /// Its name below `/etc/alternatives`.
    pub name: String,
    /// The file it leads to with this alternative.
    pub path: RootPath,
}

/// One thing that a script leaves behind. Paths are as scripts write them, not canonical.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A group.
    Group {
        /// Its name.
        name: String,
        /// Its number, where the script says it.
        gid: Option<u32>,
        /// It is one of the system's.
        system: bool,
    },
    /// A user.
    User {
        /// The name.
        name: String,
        /// The number, where the script says it.
        uid: Option<u32>,
        /// The primary group, by name or number; without it one of the user's name.
        group: Option<String>,
        /// Further groups.
        groups: Vec<String>,
        /// The home directory.
        home: Option<String>,
        /// The shell.
        shell: Option<String>,
        /// The comment.
        gecos: Option<String>,
        /// Whether the home directory is made.
        create_home: bool,
        /// It is one of the system's.
        system: bool,
    },
    /// A user joins a group.
    Member {
        /// The user.
        user: String,
        /// The group.
        group: String,
    },
    /// A directory.
    Directory {
        /// Its path.
        path: RootPath,
        /// Its permission bits; 0755 if it is new and none are given.
        mode: Option<u32>,
        /// Its owner.
        owner: Option<Owner>,
    },
    /// A symbolic link.
    Symlink {
        /// Its path.
        path: RootPath,
        /// What it says.
        target: String,
    },
    /// A file with this content.
    File {
        /// Its path.
        path: RootPath,
        /// All of it.
        content: Vec<u8>,
        /// Its permission bits; those it has, or 0644.
        mode: Option<u32>,
    },
    /// A copy of a file.
    Copy {
        /// The file.
        from: RootPath,
        /// Its new path.
        to: RootPath,
        /// The permission bits; those of the file if none are given.
        mode: Option<u32>,
        /// The owner; root if none is given.
        owner: Option<Owner>,
    },
    /// A file moves.
    Rename {
        /// Where it was.
        from: RootPath,
        /// Where it goes.
        to: RootPath,
    },
    /// Something goes.
    Remove {
        /// Its path.
        path: RootPath,
        /// With all in it.
        recursive: bool,
    },
    /// Something has another owner.
    Owner {
        /// Its path.
        path: RootPath,
        /// The user, by name or number.
        user: Option<String>,
        /// The group, by name or number.
        group: Option<String>,
        /// With all in it.
        recursive: bool,
    },
    /// Something has other permission bits.
    Mode {
        /// Its path.
        path: RootPath,
        /// Which.
        mode: ModeChange,
        /// With all in it.
        recursive: bool,
    },
    /// setcap(8).
    Capabilities {
        /// The file.
        path: RootPath,
        /// What the script says.
        text: String,
        /// The value of `security.capability`; empty where the file has none any more.
        capabilities: Vec<u8>,
    },
    /// update-alternatives(1) `--install`.
    Alternative {
        /// The name of the group below `/etc/alternatives`.
        name: String,
        /// The generic link.
        link: RootPath,
        /// The file.
        path: RootPath,
        /// The highest wins.
        priority: i64,
        /// What goes with it.
        slaves: Vec<Slave>,
    },
    /// dpkg-divert(1) `--add`.
    Divert {
        /// The path that other packages' files may not have.
        path: RootPath,
        /// Where those go.
        to: RootPath,
        /// What is there already moves too.
        rename: bool,
    },
    /// dpkg-statoverride(1) `--add`.
    StatOverride {
        /// The file.
        path: RootPath,
        /// Its user.
        user: String,
        /// Its group.
        group: String,
        /// Its permission bits.
        mode: u32,
    },
    /// A file is made of the whole image.
    Tool(Tool),
}

/// A program that makes files of the whole image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// `ldconfig`.
    Ldconfig,
    /// `update-ca-certificates`.
    CaCertificates,
    /// `pam-auth-update`.
    PamAuthUpdate,
    /// `systemd-sysusers`, with files named or all.
    Sysusers(Vec<RootPath>),
    /// `systemd-tmpfiles --create`, with files named or all.
    Tmpfiles(Vec<RootPath>),
    /// `iconvconfig`.
    GconvConfig,
    /// `dot -c`, or `libgvc6-config-update -c`.
    GraphvizConfig,
    /// `update-shells`, or `add-shell` of these.
    Shells(Vec<RootPath>),
    /// Another whose result is left out.
    Other(String),
}

#[cfg(test)]
mod tests;
