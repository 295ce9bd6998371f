//! From strace's files to the paths that a program looked for in vain.
//!
//! A program tries many places for one thing: what was found in the end under the same name is left out, and so
//! is what every program looks for and few images have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::root_path::RootPath;

/// How much of each process's trace is read, in bytes.
const MAX_TRACE: usize = 64 << 20;

/// What glibc asks for in vain nearly everywhere.
const USUAL: [&str; 5] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/ld.so.nohwcap",
    "/etc/suid-debug",
    "/usr/lib/locale/locale-archive",
];

/// What one process asked for.
#[derive(Debug, Default)]
struct Asked {
    found: BTreeSet<String>,
    missing: Vec<String>,
}

/// The paths below `root` that no process found, from the traces in a directory. What came before `program` was
/// started, by itself or by `emulator`, is the sandbox's.
pub(super) fn missing(
    traces: &Path,
    program: &[String],
    emulator: &str,
    workdir: &RootPath,
    root: &Path,
) -> Vec<String> {
    let mut all = Asked::default();
    let mut files: Vec<_> =
        fs::read_dir(traces).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let texts: Vec<String> = files
        .iter()
        .filter_map(|file| fs::read(file).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TRACE)]).into_owned())
        .collect();
    // The sandbox's own processes come first; the program's descendants never start it again from outside.
    let begins = |text: &str| text.lines().position(|line| starts(line, program, emulator));
    let first = texts.iter().position(|text| begins(text).is_some());
    for (number, text) in texts.iter().enumerate() {
        let skipped = match first {
            Some(first) if number < first => continue,
            Some(first) if number == first => begins(text).unwrap_or(0),
            Some(_) => 0,
            // It never started: what was tried in its place is all there is.
            None => text.lines().position(|line| tries(line, program)).unwrap_or(usize::MAX),
        };
        read(text, skipped, workdir, &mut all);
    }
    ranked(all, root)
}

/// A call as strace writes it: its name, the first path in its arguments, and what it returned.
fn call(line: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = line.split_once('(')?;
    let begin = rest.find('"')?;
    let (path, after) = quoted(&rest[begin + 1..])?;
    let (_, result) = after.rsplit_once(" = ")?;
    // A path below an open directory is not known in full.
    let at = &rest[..begin];
    let is_known = at.is_empty() || at == "AT_FDCWD, " || path.starts_with('/');
    is_known.then_some((name, path, result))
}

/// A C string up to its closing quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut path = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((path, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                c @ ('"' | '\\') => path.push(c),
                // No name that anybody looks for holds control characters.
                _ => return None,
            },
            c => path.push(c),
        }
    }
    None
}

fn starts(line: &str, program: &[String], emulator: &str) -> bool {
    call(line).is_some_and(|(name, path, result)| {
        name == "execve" && result == "0" && (path == emulator || is_program(line, &path, program))
    })
}

fn tries(line: &str, program: &[String]) -> bool {
    call(line).is_some_and(|(name, path, _)| name == "execve" && is_program(line, &path, program))
}

/// Whether a call starts a program with its arguments: the sandbox has a shell of its own.
fn is_program(line: &str, path: &str, program: &[String]) -> bool {
    let name = program.first().map_or("", String::as_str);
    let is_path = path == name || (!name.contains('/') && path.rsplit('/').next() == Some(name));
    is_path && line.contains(&arguments(program))
}

/// How strace begins to write a list of arguments, as far as it says which it is.
fn arguments(program: &[String]) -> String {
    const TOLD: usize = 512;
    let mut text = String::new();
    for word in program {
        text.push_str(if text.is_empty() { "[\"" } else { "\", \"" });
        for c in word.chars() {
            match c {
                '"' | '\\' => text.extend(['\\', c]),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                ' '..='~' => text.push(c),
                _ => return text,
            }
            if text.len() > TOLD {
                return text;
            }
        }
    }
    text + "\"]"
}

fn read(text: &str, skipped: usize, workdir: &RootPath, all: &mut Asked) {
    let mut at = workdir.to_string();
    for line in text.lines().skip(skipped) {
        let Some((name, path, result)) = call(line) else { continue };
        if path.is_empty() {
            continue;
        }
        let path = match path.strip_prefix('/') {
            Some(_) => path,
            None => format!("{}/{path}", at.trim_end_matches('/')),
        };
        let Ok(path) = RootPath::parse(&path) else { continue };
        if result.starts_with("-1 ENOENT") {
            all.missing.push(path.to_string());
        } else if !result.starts_with('-') {
            all.found.insert(path.file_name().to_owned());
            if name == "chdir" {
                at = path.to_string();
            }
        }
    }
}

/// What is left when what was found elsewhere and what is usual has gone, each once: libraries first, then
/// programs, then other files, in the order they were asked for.
fn ranked(all: Asked, root: &Path) -> Vec<String> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (at, path) in all.missing.into_iter().enumerate() {
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_usual = USUAL.contains(&path.as_str())
            || path.contains("/glibc-hwcaps")
            || ["/proc/", "/sys/", "/dev/"].iter().any(|directory| path.starts_with(directory));
        let is_there = fs::symlink_metadata(root.join(path.trim_start_matches('/'))).is_ok();
        if !is_usual && !is_there && !all.found.contains(name) {
            places.entry(path).or_insert(at);
        }
    }
    let class = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_command = path.contains("bin/");
        if name.contains(".so") {
            0
        } else if is_command {
            1
        } else {
            2
        }
    };
    let mut paths: Vec<(u8, usize, String)> =
        places.into_iter().map(|(path, at)| (class(&path), at, path)).collect();
    paths.sort();
    paths.into_iter().map(|(_, _, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_for_in_vain_is_told_in_the_order_that_matters() {
        let directory = tempfile::tempdir().unwrap();
        let (traces, root) = (directory.path().join("t"), directory.path().join("root"));
        fs::create_dir_all(&traces).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/there"), "").unwrap();
        fs::write(traces.join("of.1"), "openat(AT_FDCWD, \"/host/only\", O_RDONLY) = -1 ENOENT (No such)\n")
            .unwrap();
        fs::write(
            traces.join("of.2"),
            "execve(\"/usr/bin/app\", [\"app\"], 0x7ff /* 3 vars */) = 0\n\
             access(\"/etc/ld.so.preload\", R_OK)      = -1 ENOENT (No such file or directory)\n\
             openat(AT_FDCWD, \"/etc/app \\\"x\\\".conf\", O_RDONLY) = -1 ENOENT (No such file or directory)\n\
             openat(AT_FDCWD, \"/lib/libz.so.1\", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)\n\
             openat(AT_FDCWD, \"/usr/lib/libz.so.1\", O_RDONLY|O_CLOEXEC) = 3\n\
             openat(AT_FDCWD, \"/usr/lib/libq.so.1\", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)\n\
             openat(AT_FDCWD, \"/etc/there\", O_RDONLY) = -1 ENOENT (No such file or directory)\n\
             openat(5, \"name\", O_RDONLY) = -1 ENOENT (No such file or directory)\n\
             chdir(\"/srv\") = 0\n\
             stat(\"data\", 0x7ffe) = -1 ENOENT (No such file or directory)\n\
             execve(\"/usr/bin/tool\", [\"tool\"], 0x7ff) = -1 ENOENT (No such file or directory)\n\
             +++ exited with 1 +++\n",
        )
        .unwrap();
        let found = missing(&traces, &["app".to_owned()], "/q", &RootPath::root(), &root);
        assert_eq!(found, ["/usr/lib/libq.so.1", "/usr/bin/tool", "/etc/app \"x\".conf", "/srv/data"]);
        // What never started was looked for itself.
        fs::write(traces.join("of.2"), "execve(\"/usr/bin/app\", [\"app\"], 0x7ff) = -1 ENOENT (No such)\n")
            .unwrap();
        assert_eq!(missing(&traces, &["app".to_owned()], "/q", &RootPath::root(), &root), ["/usr/bin/app"]);
    }

    #[test]
    fn no_line_of_a_trace_is_too_odd() {
        for line in
            ["", "(", "open(\"", "open(\"a\\", "open(\"a\\1\") = 0", "= -1", "x(\"é\") = 3", "a(\"b\")"]
        {
            let _ = call(line);
            read(line, 0, &RootPath::root(), &mut Asked::default());
        }
    }
}
