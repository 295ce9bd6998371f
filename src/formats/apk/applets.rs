//! The links that `busybox --install -s` makes, read from the program itself.
//!
//! busybox's `applet_names` is one run of NUL-terminated names in `strcmp` order, closed by an empty one.
//! Beside it, somewhere in read-only data and without a symbol, `applet_install_loc` has four bits for each
//! name, the first name in the low half of a byte: `/`, `/bin`, `/sbin`, `/usr/bin`, `/usr/sbin` (busybox
//! `applets/applet_tables.c`, `include/applets.h`). Nothing here depends on word size or byte order.
//!
//! The table is found by what must hold of it: its length follows from the number of names, no half byte is
//! above 4, and a few dozen applets have had one place since ever. If that leaves no place or several, it is
//! an error. A build without `FEATURE_INSTALLER` has no table, one with `FEATURE_INSTALL_NO_USR` another
//! meaning of it; Alpine has neither.
//!
//! `bbsuid`, Alpine's set-user-id front end to busybox, has a list of full paths instead.

use crate::hint::Hint;
use crate::root_path::RootPath;

/// A command that busybox can be called as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Applet {
    /// Its name.
    pub name: String,
    /// Where `--install` puts a link to it.
    pub path: RootPath,
}

/// Why the applets of a program cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppletsError {
    /// It is no ELF file.
    #[error("it is no ELF file")]
    NotElf,
    /// No run of names is in it.
    #[error("it holds no list of applet names")]
    NoNames,
    /// The names are there, the places are not.
    #[error("it names {names} applets but has no table of where they belong")]
    NoTable {
        /// How many names it has.
        names: usize,
    },
    /// The places could be read in more than one way.
    #[error("it names {names} applets and has {found} tables that could say where they belong")]
    Ambiguous {
        /// How many names it has.
        names: usize,
        /// How many tables fit.
        found: usize,
    },
}

impl Hint for AppletsError {
    fn hints(&self) -> Vec<String> {
        vec!["exclude the program, or link what is needed with `files` of a layer".to_owned()]
    }
}

/// The directories, by number.
const DIRECTORIES: [&str; 5] = ["/", "/bin", "/sbin", "/usr/bin", "/usr/sbin"];

/// Applets that are in one place in every release, by the number of their directory.
const WELL_KNOWN: [&[&str]; 5] = [
    &["linuxrc"],
    &[
        "ash", "cat", "chgrp", "chmod", "chown", "cp", "date", "dd", "df", "dmesg", "echo", "false", "grep",
        "gunzip", "gzip", "hostname", "kill", "ln", "login", "ls", "mkdir", "mknod", "mount", "mv",
        "netstat", "ping", "ps", "pwd", "rm", "rmdir", "sed", "sh", "sleep", "stat", "stty", "sync", "tar",
        "touch", "true", "umount", "uname", "zcat",
    ],
    &[
        "fdisk",
        "fsck",
        "getty",
        "halt",
        "hwclock",
        "ifconfig",
        "init",
        "insmod",
        "losetup",
        "mdev",
        "mkswap",
        "modprobe",
        "pivot_root",
        "poweroff",
        "reboot",
        "rmmod",
        "route",
        "swapoff",
        "swapon",
        "sysctl",
        "udhcpc",
    ],
    &[
        "[",
        "[[",
        "awk",
        "basename",
        "bunzip2",
        "clear",
        "cmp",
        "cut",
        "dirname",
        "du",
        "dumpleases",
        "env",
        "expr",
        "find",
        "free",
        "ftpget",
        "ftpput",
        "head",
        "id",
        "less",
        "md5sum",
        "nohup",
        "od",
        "passwd",
        "printf",
        "sort",
        "strings",
        "tail",
        "tee",
        "telnet",
        "test",
        "tftp",
        "time",
        "top",
        "tr",
        "tty",
        "uniq",
        "uptime",
        "wc",
        "wget",
        "which",
        "who",
        "whoami",
        "xargs",
        "yes",
    ],
    &[
        "adduser",
        "addgroup",
        "chroot",
        "crond",
        "deluser",
        "dnsd",
        "fakeidentd",
        "ftpd",
        "httpd",
        "inetd",
        "ntpd",
        "rdate",
        "telnetd",
        "udhcpd",
    ],
];

/// The fewest names a list has.
const FEWEST: usize = 4;
/// The fewest of its names whose place must be known; with each comes a factor of sixteen.
const FEWEST_KNOWN: usize = 4;
/// The most names that a list has.
const MOST: usize = 4096;
/// The longest name of an applet.
const LONGEST: usize = 40;

/// What `--install -s` of a busybox binary would link, in its order. The name `busybox` may be among it.
pub fn applets(elf: &[u8]) -> Result<Vec<Applet>, AppletsError> {
    if !elf.starts_with(b"\x7fELF") {
        return Err(AppletsError::NotElf);
    }
    // A run that is no list of applets has no table: where one of several has, that is the one.
    let mut failure = AppletsError::NoNames;
    let mut found: Vec<Vec<Applet>> = Vec::new();
    for names in name_lists(elf) {
        match placed(elf, &names) {
            Ok(applets) => found.push(applets),
            Err(error) if rank(&error) > rank(&failure) => failure = error,
            Err(_) => {}
        }
    }
    found.dedup();
    match found.len() {
        0 => Err(failure),
        1 => Ok(found.swap_remove(0)),
        several => Err(AppletsError::Ambiguous { names: found[0].len(), found: several }),
    }
}

/// The list that Alpine's packages have below `/etc/busybox-paths.d`: a relative path a line.
pub fn listed(text: &str) -> Vec<Applet> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .filter_map(|line| RootPath::parse(line).ok())
        .filter(|path| !path.is_root())
        .map(|path| Applet { name: path.file_name().to_owned(), path })
        .collect()
}

/// The paths that a `bbsuid` links to itself, sorted: the absolute paths of commands that it names, but for
/// itself and for busybox.
pub fn bbsuid_paths(elf: &[u8]) -> Result<Vec<RootPath>, AppletsError> {
    if !elf.starts_with(b"\x7fELF") {
        return Err(AppletsError::NotElf);
    }
    let commands = elf.split(|byte| *byte == 0).filter_map(|bytes| {
        let text = std::str::from_utf8(bytes).ok()?;
        let (directory, name) = text.rsplit_once('/')?;
        let is_command = DIRECTORIES[1..].contains(&directory) && is_name(name.as_bytes());
        (is_command && name != "bbsuid" && name != "busybox").then(|| RootPath::parse(text).ok())?
    });
    let mut paths: Vec<RootPath> = commands.collect();
    paths.sort();
    paths.dedup();
    if paths.is_empty() { Err(AppletsError::NoNames) } else { Ok(paths) }
}

/// The more is known, the more an error says.
fn rank(error: &AppletsError) -> usize {
    match error {
        AppletsError::NotElf | AppletsError::NoNames => 0,
        AppletsError::NoTable { names } => *names,
        AppletsError::Ambiguous { .. } => usize::MAX,
    }
}

fn is_name(bytes: &[u8]) -> bool {
    matches!(bytes, b"[" | b"[[")
        || !bytes.is_empty()
            && bytes.len() <= LONGEST
            && bytes.iter().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.')
            })
}

/// The name that a string ends with, if something else may stand right before it: the table of places itself
/// does in some builds, whose bytes are those of digits and marks.
fn name_at_end(bytes: &[u8]) -> &[u8] {
    if bytes.ends_with(b"[") {
        return &bytes[bytes.len() - 1..];
    }
    let is_letter = |byte: &u8| is_name(&[*byte]);
    let start = bytes.iter().rposition(|byte| !is_letter(byte)).map_or(0, |at| at + 1);
    let tail = &bytes[start..];
    let digits = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits < tail.len() { &tail[digits..] } else { tail }
}

/// Every run of names in rising order that an empty string closes.
fn name_lists(elf: &[u8]) -> Vec<Vec<&str>> {
    let mut lists = Vec::new();
    let mut run: Vec<&[u8]> = Vec::new();
    for string in elf.split(|byte| *byte == 0) {
        if string.is_empty() {
            if run.len() >= FEWEST {
                let first = run.iter().position(|name| *name == b"[").unwrap_or(0);
                lists.push(run[first..].iter().filter_map(|name| std::str::from_utf8(name).ok()).collect());
            }
            run.clear();
        } else if is_name(string) && run.last().is_some_and(|last| *last < string) && run.len() < MOST {
            run.push(string);
        } else {
            run.clear();
            let name = name_at_end(string);
            if is_name(name) {
                run.push(name);
            }
        }
    }
    lists
}

/// The place that an applet is known to have.
fn well_known(name: &str) -> Option<u8> {
    (0..).zip(WELL_KNOWN).find(|(_, names)| names.contains(&name)).map(|(place, _)| place)
}

/// Finds the table of a list of names. What stands before the first name may look like a name itself, so the
/// longest part of the list that has a table is taken, if it does not begin with `[`.
fn placed(elf: &[u8], names: &[&str]) -> Result<Vec<Applet>, AppletsError> {
    let known: Vec<Option<u8>> = names.iter().map(|name| well_known(name)).collect();
    if known.iter().flatten().count() < FEWEST_KNOWN {
        return Err(AppletsError::NoNames);
    }
    let starts = if names.first() == Some(&"[") { 1 } else { names.len() - FEWEST + 1 };
    for start in 0..starts {
        let (names, known) = (&names[start..], &known[start..]);
        if known.iter().flatten().count() < FEWEST_KNOWN {
            break;
        }
        let mut tables = tables(elf, known);
        tables.dedup();
        match tables.as_slice() {
            [] => {}
            [table] => return Ok(join(names, table)),
            several => return Err(AppletsError::Ambiguous { names: names.len(), found: several.len() }),
        }
    }
    Err(AppletsError::NoTable { names: names.len() })
}

/// The stretches of bytes that could best be the table of applets with these places, sorted. One in ten may be
/// elsewhere, since distros do move an applet.
fn tables<'a>(elf: &'a [u8], known: &[Option<u8>]) -> Vec<&'a [u8]> {
    let checks: Vec<(usize, u8)> =
        known.iter().enumerate().filter_map(|(at, place)| Some((at, (*place)?))).collect();
    let place = |window: &[u8], at: usize| {
        if at.is_multiple_of(2) { window[at / 2] & 0x0f } else { window[at / 2] >> 4 }
    };
    let (mut most, mut best) = (checks.len() / 10, Vec::new());
    for window in elf.windows(known.len().div_ceil(2)) {
        let mut moved = 0;
        for (at, wanted) in &checks {
            moved += usize::from(place(window, *at) != *wanted);
            if moved > most {
                break;
            }
        }
        // The half byte behind the last name is empty.
        let closed = known.len().is_multiple_of(2) || place(window, known.len()) == 0;
        if moved > most || !closed || window.iter().any(|byte| byte & 0x0f > 4 || byte >> 4 > 4) {
            continue;
        }
        if moved < most || best.is_empty() {
            best.clear();
        }
        most = moved;
        best.push(window);
    }
    best.sort_unstable();
    best
}

fn join(names: &[&str], table: &[u8]) -> Vec<Applet> {
    let places = table.iter().flat_map(|byte| [byte & 0x0f, byte >> 4]);
    let applets = names.iter().zip(places).filter_map(|(name, place)| {
        let directory = DIRECTORIES.get(usize::from(place))?;
        let path = RootPath::parse(&format!("{directory}/{name}")).ok()?;
        Some(Applet { name: (*name).to_owned(), path })
    });
    applets.collect()
}

#[cfg(test)]
mod tests;
