//! The command line that runs a program in a sandbox: bubblewrap's, or that of unshare(1) and a few mounts.
//!
//! What a test's program is started by, from the outside in:
//!
//! 1. where mounts are needed that the sandbox itself does not make, unshare(1) and a shell that makes them: the
//!    emulator's entry in `binfmt_misc`, and, for root, the image at a place that its user can reach;
//! 2. strace, where files are to be traced;
//! 3. setpriv(1), where root runs a test of another user: owners in the image are then real;
//! 4. bubblewrap, or unshare(1) with chroot;
//! 5. the emulator, where the kernel cannot be told of it;
//! 6. the program.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::root_path::RootPath;

use super::account::Account;
use super::process::Start;
use super::{Tools, TrialError};

/// Where an emulator stands in the image, if it must.
pub(super) const EMULATOR: &str = "/.rootforge-emulator";

/// Where root puts the image, in a mount namespace of its own.
const PLACE: &str = "/mnt";

/// Everything about one run.
pub(super) struct Launch<'a> {
    pub(super) tools: &'a Tools,
    /// The directory that holds the image's root and the copies.
    pub(super) scratch: &'a Path,
    /// The image's files, below `scratch`.
    pub(super) root: &'a Path,
    /// Paths of the image and what of `scratch` stands there, to be written to or not.
    pub(super) binds: &'a [(RootPath, PathBuf, bool)],
    pub(super) account: &'a Account,
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) workdir: &'a RootPath,
    pub(super) network: bool,
    /// What the kernel is told of the emulator, if it can be.
    pub(super) rule: Option<&'a str>,
    /// The emulator's arguments where it is started as a program.
    pub(super) direct: &'a [String],
    /// Where strace writes to, one file a process.
    pub(super) trace: Option<&'a Path>,
    pub(super) program: &'a [String],
}

/// A command line, and how it is begun.
pub(super) struct Line {
    words: Vec<OsString>,
    pub(super) start: Start,
}

impl Line {
    pub(super) fn command(&self) -> Command {
        let mut words = self.words.iter();
        let mut command = Command::new(words.next().map_or("false".as_ref(), OsString::as_os_str));
        command.args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
        command
    }
}

/// Waits for its users, mounts what is asked for, and becomes the command that follows.
const OUTER: &str = r#"
maps=$1 from=$2 to=$3 misc=$4 rule=$5; shift 5
if [ "$maps" = yes ]; then read -r _; fi
if [ -n "$from" ]; then mount --bind "$from" "$to" || exit 125; fi
if [ -n "$rule" ]; then
    mount -t binfmt_misc binfmt_misc "$misc" && printf %s "$rule" >"$misc/register" || exit 125
fi
exec "$@"
"#;

/// Makes a root that is not to be written to, with what is to be written to on it, and becomes the command that
/// follows, of which `ROOT` is the place of the root.
const MOUNTS: &str = r#"
root=$1 net=$2; shift 2
mount --bind "$root" "$root" || exit 125
mkdir -p "$root/proc" "$root/dev"
mount -t proc proc "$root/proc" || exit 125
mount --rbind /dev "$root/dev" || exit 125
while [ "$1" != -- ]; do
    mount --bind "$1" "$root$2" || exit 125
    if [ "$3" = ro ]; then mount -o remount,bind,ro "$root$2" 2>/dev/null; fi
    shift 3
done
shift
mount -o remount,bind,ro "$root" 2>/dev/null || mount -o remount,bind,ro,nosuid,nodev "$root" || exit 125
if [ "$net" = own ]; then ip link set lo up 2>/dev/null; fi
exec "$@"
"#;

impl Launch<'_> {
    /// The command line for this machine.
    pub(super) fn line(&self) -> Result<Line, TrialError> {
        let bubblewrap = self.tools.find("bwrap");
        let unshare = self.tools.find("unshare");
        let (Some(shell), true) = (self.tools.find("sh"), bubblewrap.is_some() || unshare.is_some()) else {
            return Err(TrialError::NoSandbox);
        };
        let is_other = self.tools.is_root && self.account.uid != 0;
        let moves = is_other && bubblewrap.is_some() && self.tools.find("setpriv").is_some();
        let maps_ids = self.tools.is_root && self.rule.is_some();
        let mut words: Vec<OsString> = Vec::new();
        if moves || self.rule.is_some() {
            let unshare = unshare.as_ref().ok_or(TrialError::NoSandbox)?;
            words.extend([unshare.into(), "--mount".into()]);
            if self.rule.is_some() {
                words.push("--user".into());
            }
            if self.rule.is_some() && !maps_ids {
                words.push("--map-root-user".into());
            }
            words.extend(["--".into(), shell.clone().into(), "-c".into(), OUTER.into(), "sh".into()]);
            words.push(if maps_ids { "yes" } else { "no" }.into());
            words.push(if moves { self.scratch.into() } else { OsString::new() });
            words.push(PLACE.into());
            words.push(self.scratch.join("binfmt").into());
            words.push(self.rule.unwrap_or_default().into());
        }
        if let Some((strace, files)) = self.tools.find("strace").zip(self.trace) {
            words.push(strace.into());
            words.extend(
                ["-ff", "-qq", "-s", "4096", "-e", "trace=%file", "-e", "signal=none", "-o"].map(Into::into),
            );
            words.extend([files.into(), "--".into()]);
        }
        match (bubblewrap, unshare) {
            (Some(bubblewrap), _) => self.bubblewrap(&mut words, &bubblewrap, moves),
            (None, Some(unshare)) => self.unshare(&mut words, &unshare, &shell),
            (None, None) => return Err(TrialError::NoSandbox),
        }
        words.extend(self.direct.iter().map(Into::into));
        words.extend(self.program.iter().map(Into::into));
        let owner = is_other.then_some((self.account.uid, self.account.gid));
        Ok(Line { words, start: Start { maps_ids, owner } })
    }

    fn bubblewrap(&self, words: &mut Vec<OsString>, bubblewrap: &Path, moves: bool) {
        let place = |path: &Path| match path.strip_prefix(self.scratch) {
            Ok(below) if moves => Path::new(PLACE).join(below),
            _ => path.to_owned(),
        };
        let Account { uid, gid, groups, .. } = self.account;
        if let Some(setpriv) = self.tools.find("setpriv").filter(|_| moves) {
            words.extend([setpriv.into(), format!("--reuid={uid}").into(), format!("--regid={gid}").into()]);
            let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
            words.push(if groups.is_empty() {
                "--clear-groups".into()
            } else {
                format!("--groups={}", groups.join(",")).into()
            });
            words.push("--".into());
        }
        words.push(bubblewrap.into());
        words
            .extend(["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"].map(Into::into));
        if !self.network {
            words.push("--unshare-net".into());
        }
        if !self.tools.is_root || self.account.uid != 0 {
            words.extend(["--unshare-user".into(), "--uid".into(), uid.to_string().into()]);
            words.extend(["--gid".into(), gid.to_string().into()]);
        }
        words.extend(["--ro-bind".into(), place(self.root).into(), "/".into()]);
        words.extend(
            ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"].map(Into::into),
        );
        for (path, source, is_writable) in self.binds {
            words.push(if *is_writable { "--bind" } else { "--ro-bind" }.into());
            words.extend([place(source).into(), path.as_str().into()]);
        }
        words.extend(["--chdir".into(), self.workdir.as_str().into(), "--clearenv".into()]);
        for (name, value) in self.env {
            words.extend(["--setenv".into(), name.into(), value.into()]);
        }
        words.push("--".into());
    }

    fn unshare(&self, words: &mut Vec<OsString>, unshare: &Path, shell: &Path) {
        let Account { uid, gid, .. } = self.account;
        let is_mapped = self.tools.is_root || self.rule.is_some();
        words.push(unshare.into());
        words.extend(["--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"].map(Into::into));
        if !self.network {
            words.push("--net".into());
        }
        if !is_mapped {
            words.push("--map-root-user".into());
        }
        words.extend(["--".into(), shell.into(), "-c".into(), MOUNTS.into(), "sh".into()]);
        words.extend([self.root.into(), if self.network { "shared" } else { "own" }.into()]);
        for (path, source, is_writable) in self.binds {
            words.extend([
                source.into(),
                path.as_str().into(),
                if *is_writable { "rw" } else { "ro" }.into(),
            ]);
        }
        words.extend(["--".into(), "/usr/bin/env".into(), "-i".into()]);
        words.extend(self.env.iter().map(|(name, value)| format!("{name}={value}").into()));
        words.push(unshare.into());
        if self.tools.is_root {
            words.extend([format!("--setgid={gid}").into(), format!("--setuid={uid}").into()]);
        } else {
            words.extend([format!("--map-user={uid}").into(), format!("--map-group={gid}").into()]);
        }
        words.extend([format!("--root={}", self.root.display()).into()]);
        words.extend([format!("--wd={}", self.workdir).into(), "--".into()]);
    }
}
