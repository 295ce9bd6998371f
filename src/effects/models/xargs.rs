//! xargs(1): command lines out of what is read.

use super::super::machine::Machine;
use super::arguments::{Arguments, Flag};
use super::run;
use crate::shell::text::is_known;
use crate::shell::{Call, Reply};

const XARGS: &[Flag] = &[
    ('0', "null", false),
    ('d', "delimiter", true),
    ('I', "", true),
    ('i', "", false),
    ('L', "max-lines", true),
    ('n', "max-args", true),
    ('P', "max-procs", true),
    ('r', "no-run-if-empty", false),
    ('t', "verbose", false),
    ('x', "exit", false),
];

pub(super) fn xargs(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if !is_known(&call.stdin) {
        return Reply::Unknown("what it reads depends on what is not known".to_owned());
    }
    let words = &call.argv[1..];
    let start = command_start(words);
    let options = match Arguments::read(&words[..start], XARGS) {
        Ok(options) => options,
        Err(reason) => return Reply::Unknown(reason),
    };
    let mut command = words[start..].to_vec();
    if command.is_empty() {
        command.push("echo".to_owned());
    }
    let Some(calls) = command_lines(&options, &command, &call.stdin) else {
        return Reply::Unknown("what it reads is not understood".to_owned());
    };
    run_all(machine, call, calls)
}

/// Where the command begins: behind the options and their values.
fn command_start(words: &[String]) -> usize {
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| word.len() > 1 && word.starts_with('-')) {
        at += 1;
        if word == "--" {
            break;
        }
        let takes_value = if let Some(long) = word.strip_prefix("--") {
            XARGS.iter().any(|flag| flag.2 && flag.1 == long)
        } else {
            // Of the letters the first that takes a value has what follows it, or the next word.
            let valued = |letter: char| XARGS.iter().any(|flag| flag.2 && flag.0 == letter);
            word.find(valued).is_some_and(|place| place + 1 == word.len())
        };
        at += usize::from(takes_value);
    }
    at.min(words.len())
}

/// The command lines; none where what is read or asked for is malformed.
fn command_lines(options: &Arguments, command: &[String], stdin: &str) -> Option<Vec<Vec<String>>> {
    let with = |items: &[String]| command.iter().chain(items).cloned().collect::<Vec<String>>();
    let place = options.value("I").or_else(|| options.has("i").then_some("{}"));
    let delimiter = match options.value("d") {
        _ if options.has("0") => Some('\0'),
        Some("\\n") => Some('\n'),
        Some("\\t") => Some('\t'),
        Some("\\0") => Some('\0'),
        Some(text) => Some(text.chars().next().filter(|_| text.chars().count() == 1)?),
        None => None,
    };
    let lines: Vec<Vec<String>> = match delimiter {
        Some(delimiter) => {
            let items = stdin.strip_suffix(delimiter).unwrap_or(stdin).split(delimiter);
            items.filter(|_| !stdin.is_empty()).map(|item| vec![item.to_owned()]).collect()
        }
        None if place.is_some() => {
            let lines = stdin.lines().map(str::trim_start).filter(|line| !line.is_empty());
            lines.map(|line| unquoted(line, false)).collect::<Option<_>>()?
        }
        None => stdin.lines().map(|line| unquoted(line, true)).collect::<Option<_>>()?,
    };
    let lines: Vec<Vec<String>> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    if let Some(place) = place {
        let filled = |item: &String| command.iter().map(|word| word.replace(place, item)).collect();
        return Some(lines.iter().flatten().map(filled).collect());
    }
    if lines.is_empty() {
        return Some(if options.has("r") { Vec::new() } else { vec![with(&[])] });
    }
    let number = |name: &str| options.value(name).map(|text| text.parse().ok().filter(|number| *number > 0));
    match (number("L"), number("n")) {
        (Some(at_once), _) => Some(lines.chunks(at_once?).map(|lines| with(&lines.concat())).collect()),
        (None, Some(at_once)) => Some(lines.concat().chunks(at_once?).map(with).collect()),
        (None, None) => Some(vec![with(&lines.concat())]),
    }
}

/// The items of a line, or the line as one, without their quotes; none where a quote has no end.
fn unquoted(line: &str, splits: bool) -> Option<Vec<String>> {
    let (mut items, mut item, mut is_open) = (Vec::new(), String::new(), false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' if splits => {
                if std::mem::take(&mut is_open) {
                    items.push(std::mem::take(&mut item));
                }
                continue;
            }
            '\'' | '"' => loop {
                match chars.next()? {
                    end if end == c => break,
                    other => item.push(other),
                }
            },
            '\\' => item.push(chars.next()?),
            other => item.push(other),
        }
        is_open = true;
    }
    items.extend(is_open.then_some(item));
    Some(items)
}

fn run_all(machine: &mut Machine<'_>, call: &Call, calls: Vec<Vec<String>>) -> Reply {
    let (mut status, mut output) = (Some(0), String::new());
    for argv in calls {
        match run(machine, &Call { argv, stdin: String::new(), ..call.clone() }) {
            Reply::Done { status: one, stdout, .. } => {
                output.push_str(&stdout);
                if one != Some(0) {
                    status = one.map(|_| 123);
                }
            }
            unknown @ Reply::Unknown(_) => return unknown,
        }
    }
    Reply::Done { status, stdout: output, variables: Vec::new() }
}
