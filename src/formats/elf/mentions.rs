//! Which files a program names in its read-only data: absolute paths, what looks like a soname, and, where it runs
//! commands by name, what may be one.
//!
//! Only whole C strings count: what stands between two zero bytes. Where a file keeps its constants apart from its
//! code, as linkers do by default on most machines, the code is not looked into. The dynamic string table and the
//! interpreter's name are left out, and so are strings that are put together at run time.

use std::collections::BTreeSet;
use std::ops::Range;

use goblin::elf::program_header::{PF_W, PF_X, PT_INTERP, PT_LOAD, ProgramHeader};
use memchr::memmem;

use super::symbols::Symbols;

/// Longer strings are no names of files, in bytes.
const MAX_LENGTH: usize = 255;
/// Longer ones are no command lines either.
const MAX_LINE: usize = 1024;
/// More are not kept of one file.
const MAX_COUNT: usize = 4096;

/// Where paths that matter begin. `/lib` stands for `/lib64` and its like too.
const TOPS: [&str; 10] =
    ["/usr/", "/etc/", "/bin/", "/sbin/", "/lib", "/libexec/", "/var/", "/opt/", "/srv/", "/run/"];

/// What runs a command by its name, found in `PATH`.
const RUNNERS: [&str; 8] = [
    "execlp",
    "execvp",
    "execvpe",
    "g_find_program_in_path",
    "g_spawn_command_line_sync",
    "popen",
    "posix_spawnp",
    "system",
];
/// A program with more exports is the host of plug-ins or scripts: its words are those of a language.
const MOST_EXPORTS: usize = 64;

/// The directories of commands.
const COMMANDS: [&str; 4] = ["/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/"];

/// The paths and sonames, sorted, each once; of a line that begins with a command's path, that. `strings` is where the
/// dynamic string table lies in the file.
pub(super) fn mentions(bytes: &[u8], segments: &[ProgramHeader], strings: Range<usize>) -> Vec<String> {
    let is_name =
        |text: &str| text.len() >= 4 && (is_path(text) || is_soname(text) || led_by(text).is_some());
    let found = named(bytes, segments, (strings, MAX_LENGTH), likely_strings, is_name);
    let names: BTreeSet<&str> = found.iter().map(|text| led_by(text).unwrap_or(text)).collect();
    owned(&names)
}

/// The path of the command that a line begins with.
fn led_by(line: &str) -> Option<&str> {
    let (path, _) = line.split_once(' ')?;
    let is_in = |directory: &str| path.strip_prefix(directory).is_some_and(|name| !name.contains('/'));
    (is_path(path) && COMMANDS.into_iter().any(is_in)).then_some(path)
}

/// Single words of a program that runs commands by name, sorted, each once; but for those that are also the names of
/// functions it calls.
pub(super) fn words(
    bytes: &[u8],
    segments: &[ProgramHeader],
    strings: Range<usize>,
    symbols: &Symbols,
) -> Vec<String> {
    let imports: BTreeSet<&str> = symbols.imports.iter().map(|import| import.name.as_str()).collect();
    if symbols.exports.len() > MOST_EXPORTS || !RUNNERS.iter().any(|runner| imports.contains(runner)) {
        return Vec::new();
    }
    let is_own = |text: &str| is_word(text) && !imports.contains(text);
    named(bytes, segments, (strings, MAX_LENGTH), all_strings, is_own)
}

/// Whether a program runs commands by names that are no C strings: what Go's runtime keeps of the function's name says so,
/// or of Rust what tells where it was compiled, beside a function that runs commands.
pub(super) fn runs_unnamed(bytes: &[u8], symbols: &Symbols) -> bool {
    let is_runner = |name: &str| matches!(name, "execvp" | "posix_spawnp");
    let of_go = || memmem::find(bytes, b"os/exec.(*Cmd).Start").is_some();
    let of_rust = || {
        symbols.imports.iter().any(|import| is_runner(&import.name))
            && memmem::find(bytes, b"/rustc/").is_some()
    };
    of_go() || of_rust()
}

/// What runs a command line in a shell.
const SHELL_RUNNERS: [&str; 3] = ["popen", "system", "wordexp"];

/// The commands of what a program hands to a shell, sorted, each once: the first words of the strings that redirect
/// output or pipe it, as no plain text does, that ask for a command's place, or in which an option follows the first.
pub(super) fn commands(
    bytes: &[u8],
    segments: &[ProgramHeader],
    strings: Range<usize>,
    symbols: &Symbols,
) -> Vec<String> {
    let runs = symbols.imports.iter().any(|import| SHELL_RUNNERS.contains(&import.name.as_str()));
    if !runs {
        return Vec::new();
    }
    let lines = named(bytes, segments, (strings, MAX_LINE), all_strings, is_command_line);
    let parts = lines.iter().flat_map(|line| line.split(['|', '&', ';']));
    let leads = |word: &str| !word.contains('=') && word != "exec";
    let words = parts.filter_map(|part| part.split_whitespace().find(|word| leads(word)));
    let found: BTreeSet<&str> = words.filter(|word| is_word(word)).collect();
    owned(&found)
}

fn is_command_line(text: &str) -> bool {
    const OPERATORS: [&str; 6] = [" | ", "2>", ">/dev/null", "> /dev/null", ">&2", "</dev/null"];
    let asks_place = text.strip_prefix("which ").is_some_and(is_word);
    asks_place
        || begins_with_option(text)
        || text.contains(' ') && OPERATORS.iter().any(|operator| text.contains(operator))
}

/// `rm -rf x`, `exec tool --flag x`: no text begins so, unless it tells how a command is used.
fn begins_with_option(text: &str) -> bool {
    let mut words = text.strip_prefix("exec ").unwrap_or(text).split(' ');
    let command = words.next().is_some_and(is_word);
    let option = words.next().and_then(|word| word.strip_prefix('-'));
    let is_option = option
        .is_some_and(|option| option.trim_start_matches('-').starts_with(|c: char| c.is_ascii_alphabetic()));
    let tells_usage = ["[", "<", "..."].iter().any(|mark| text.contains(mark));
    command && is_option && words.next().is_some() && !tells_usage
}

/// Where the whole strings of some data are, in their order.
fn all_strings(data: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    memchr::memchr_iter(0, data).map(move |end| std::mem::replace(&mut start, end + 1)..end)
}

/// As [`all_strings`], only those that begin with a slash or have `.so` in them: what has many zero bytes is looked
/// through faster for these.
fn likely_strings(data: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let rooted = memmem::find_iter(data, b"\0/").map(|at| at + 1);
    let first = data.starts_with(b"/").then_some(0);
    let libraries = memmem::find_iter(data, b".so").map(|at| {
        let before = &data[at.saturating_sub(MAX_LENGTH)..at];
        at - before.len() + memchr::memrchr(0, before).map_or(0, |zero| zero + 1)
    });
    let mut starts: Vec<usize> = first.into_iter().chain(rooted).chain(libraries).collect();
    starts.sort_unstable();
    starts.dedup();
    let whole = move |start: usize| {
        let text = &data[start..(start + MAX_LENGTH + 1).min(data.len())];
        (start == 0 || data[start - 1] == 0).then_some(())?;
        Some(start..start + memchr::memchr(0, text)?)
    };
    starts.into_iter().filter_map(whole)
}

/// The whole strings of the read-only data that are of a kind, among those that `look` finds.
fn named<'d, I: Iterator<Item = Range<usize>>>(
    bytes: &'d [u8],
    segments: &[ProgramHeader],
    (strings, longest): (Range<usize>, usize),
    look: impl Fn(&'d [u8]) -> I,
    is_of_kind: impl Fn(&str) -> bool,
) -> Vec<String> {
    let read_only = |segment: &&ProgramHeader| segment.p_type == PT_LOAD && segment.p_flags & PF_W == 0;
    let is_code = |segment: &ProgramHeader| segment.p_flags & PF_X != 0;
    let apart = segments.iter().filter(read_only).any(|segment| !is_code(segment));
    let interp = segments.iter().find(|segment| segment.p_type == PT_INTERP).map(ProgramHeader::file_range);
    let skipped = [Some(strings), interp];
    let mut found = BTreeSet::new();
    for segment in segments.iter().filter(read_only).filter(|segment| !(apart && is_code(segment))) {
        let range = segment.file_range();
        let Some(data) = bytes.get(range.start.min(bytes.len())..range.end.min(bytes.len())) else {
            continue;
        };
        for place in look(data) {
            let at = range.start + place.start;
            let text = &data[place];
            if (2..=longest).contains(&text.len())
                && let Ok(text) = std::str::from_utf8(text)
                && is_of_kind(text)
                && !skipped.iter().flatten().any(|range| range.contains(&at))
            {
                found.insert(text);
                if found.len() == MAX_COUNT {
                    return owned(&found);
                }
            }
        }
    }
    owned(&found)
}

fn owned(found: &BTreeSet<&str>) -> Vec<String> {
    found.iter().map(|text| (*text).to_owned()).collect()
}

fn is_path(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@,~=[".contains(&byte);
    text.starts_with('/') && TOPS.iter().any(|top| text.starts_with(top)) && text.bytes().all(plain)
}

/// What may be the name of a command.
fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._+".contains(&byte);
    text.len() <= 32 && text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(plain)
}

/// `libx.so`, `libx.so.1`, `x-1.2.so`; nothing that has a slash or is made at run time.
fn is_soname(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    let Some(first) = text.bytes().next() else { return false };
    first.is_ascii_alphanumeric()
        && text.bytes().all(plain)
        && text.find(".so").is_some_and(|at| {
            let rest = &text[at + 3..];
            at > 0 && (rest.is_empty() || rest.len() > 1 && rest.starts_with('.'))
        })
}

#[cfg(test)]
mod tests {
    use goblin::elf::program_header::PF_R;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_strings_that_name_files() {
        let named = "/usr/sbin/unix_chkpwd\0libgcc_s.so.1\0plain\0/usr/lib/%s/x\0/home/x\0prefix=/usr/lib\0\
                     /lib64/x\0.so.1\0a.so.\0x.sound\0libpython3.13.so\0/usr/sbin/unix_chkpwd\0dir/liba.so\0/etc/a b\0/bin/ping -4 %s\0";
        let code = "/usr/bin/in-code\0";
        let strings = "libdynstr.so.1\0";
        let bytes = [strings, named, code, "/usr/bin/writable\0"].concat();
        let segment = |start: usize, size: usize, flags| ProgramHeader {
            p_type: PT_LOAD,
            p_flags: flags,
            p_offset: start as u64,
            p_filesz: size as u64,
            ..ProgramHeader::default()
        };
        let constants = strings.len() + named.len();
        let segments = [
            segment(0, constants, PF_R),
            segment(constants, code.len(), PF_R | PF_X),
            segment(constants + code.len(), 18, PF_R | PF_W),
        ];
        let found = mentions(bytes.as_bytes(), &segments, 0..strings.len());
        assert_eq!(
            found,
            ["/bin/ping", "/lib64/x", "/usr/sbin/unix_chkpwd", "libgcc_s.so.1", "libpython3.13.so"]
        );
        // Constants among the code, as older linkers put them.
        let found = mentions(bytes.as_bytes(), &[segment(0, constants + code.len(), PF_R | PF_X)], 0..0);
        assert!(found.contains(&"/usr/bin/in-code".to_owned()) && found.len() == 7, "{found:?}");
    }

    proptest! {
        #[test]
        fn likely_strings_are_those_that_may_name_files(data in "[a./so\0]{0,80}|(/|\0|\\.so|a{250}){0,12}") {
            let data = data.as_bytes();
            let likely = |place: &Range<usize>| {
                let text = &data[place.clone()];
                text.len() <= MAX_LENGTH && (text.starts_with(b"/") || memmem::find(text, b".so").is_some())
            };
            let found: Vec<_> = all_strings(data).filter(likely).collect();
            prop_assert_eq!(likely_strings(data).collect::<Vec<_>>(), found);
        }
    }

    #[test]
    fn words_of_what_runs_commands() {
        use crate::elf::{Binding, Import, SymbolKind};
        let import = |name: &str| Import {
            name: name.to_owned(),
            version: None,
            weak: false,
            kind: SymbolKind::Function,
            binding: Binding::Lazy,
        };
        let data = b"dpkg-query\0chmod\0Usage\0a b\0x\0/usr/bin/tool\0gzip\0";
        let segment = ProgramHeader {
            p_type: PT_LOAD,
            p_flags: PF_R,
            p_filesz: data.len() as u64,
            ..ProgramHeader::default()
        };
        let runs = Symbols { imports: vec![import("chmod"), import("execvp")], ..Symbols::default() };
        assert_eq!(words(data, std::slice::from_ref(&segment), 0..0, &runs), ["dpkg-query", "gzip"]);
        let runs_none = Symbols { imports: vec![import("execve")], ..Symbols::default() };
        assert_eq!(words(data, std::slice::from_ref(&segment), 0..0, &runs_none), [] as [&str; 0]);
        assert_eq!(commands(data, &[segment], 0..0, &runs), [] as [&str; 0]);
    }

    #[test]
    fn names_without_ends_are_those_of_go_and_rust() {
        use crate::elf::{Binding, Import, SymbolKind};
        let importing = |name: &str| Symbols {
            imports: vec![Import {
                name: name.to_owned(),
                version: None,
                weak: false,
                kind: SymbolKind::Function,
                binding: Binding::Lazy,
            }],
            ..Symbols::default()
        };
        let (go, rust) = (&b"x os/exec.(*Cmd).Start y"[..], &b"gpg/rustc/0/library"[..]);
        for (bytes, import, is_unnamed) in [
            (go, "open", true),
            (&b"os/exec"[..], "execvp", false),
            (rust, "execvp", true),
            (rust, "posix_spawnp", true),
            (rust, "execve", false),
            (b"gpg", "execvp", false),
        ] {
            assert_eq!(runs_unnamed(bytes, &importing(import)), is_unnamed, "{import}");
        }
    }

    #[test]
    fn commands_of_what_runs_a_shell() {
        use crate::elf::{Binding, Import, SymbolKind};
        let import = |name: &str| Import {
            name: name.to_owned(),
            version: None,
            weak: false,
            kind: SymbolKind::Function,
            binding: Binding::Lazy,
        };
        let data = b"which tool\0which one of them\0find the way\0LC_ALL=C sort %s | uniq -c >/dev/null 2>&1\0a > b\0%s 2>&1\0\
                     rm -rf %s\0exec cc-x86_64 -O2 %s\0note - see x\0tar -x FILE...\0sync -n\0Print -x y\0";
        let segment = ProgramHeader {
            p_type: PT_LOAD,
            p_flags: PF_R,
            p_filesz: data.len() as u64,
            ..ProgramHeader::default()
        };
        let runs = Symbols { imports: vec![import("popen")], ..Symbols::default() };
        let found = commands(data, std::slice::from_ref(&segment), 0..0, &runs);
        assert_eq!(found, ["cc-x86_64", "rm", "sort", "uniq", "which"]);
        let runs_none = Symbols { imports: vec![import("execvp")], ..Symbols::default() };
        assert_eq!(commands(data, &[segment], 0..0, &runs_none), [] as [&str; 0]);
    }
}
