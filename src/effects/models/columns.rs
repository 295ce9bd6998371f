//! `cut` and `tr`: characters and fields of lines.

use super::super::machine::Machine;
use super::filters::{filter, read};
use crate::shell::text::UNKNOWN;
use crate::shell::{Call, Reply};

/// Numbers of a list such as `1,3-5,7-`.
fn ranges(list: &str) -> Option<Vec<(usize, usize)>> {
    list.split(',')
        .map(|range| match range.split_once('-') {
            None => range.parse().ok().map(|one| (one, one)),
            Some((from, to)) => {
                let from = if from.is_empty() { 1 } else { from.parse().ok()? };
                let to = if to.is_empty() { usize::MAX } else { to.parse().ok()? };
                Some((from, to))
            }
        })
        .collect()
}

pub(super) fn cut(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [
        ('d', "delimiter", true),
        ('f', "fields", true),
        ('c', "characters", true),
        ('b', "bytes", true),
        ('s', "only-delimited", false),
        ('\0', "output-delimiter", true),
        ('\0', "complement", false),
    ];
    filter(machine, call, &flags, |arguments, text| {
        if arguments.has("complement") {
            return Err("there is no model of its option `--complement`".to_owned());
        }
        let fields = arguments.value("f");
        let list =
            fields.or_else(|| arguments.value("c")).or_else(|| arguments.value("b")).unwrap_or_default();
        let ranges = ranges(list).ok_or_else(|| format!("there is no model of the list `{list}`"))?;
        let within = |number: usize| ranges.iter().any(|(from, to)| (*from..=*to).contains(&number));
        let delimiter = arguments.value("d").unwrap_or("\t").to_owned();
        let between = arguments.value("output-delimiter").unwrap_or(&delimiter);
        let mut output = String::new();
        for line in text.lines() {
            if fields.is_some() {
                // An unknown text within a line counts as one without delimiters.
                if !line.contains(delimiter.as_str()) {
                    if !arguments.has("s") {
                        output.push_str(line);
                        output.push('\n');
                    }
                    continue;
                }
                let parts = line.split(delimiter.as_str()).enumerate();
                let chosen: Vec<&str> =
                    parts.filter(|(at, _)| within(at + 1)).map(|(_, part)| part).collect();
                output.push_str(&chosen.join(between));
            } else if line.contains(UNKNOWN) {
                output.push(UNKNOWN);
            } else {
                output.extend(line.chars().enumerate().filter(|(at, _)| within(at + 1)).map(|(_, c)| c));
            }
            output.push('\n');
        }
        Ok(output)
    })
}

/// The characters of a set of `tr`.
fn set(text: &str) -> Option<Vec<char>> {
    let mut expanded = text.to_owned();
    for (class, chars) in [
        ("[:upper:]", "A-Z"),
        ("[:lower:]", "a-z"),
        ("[:digit:]", "0-9"),
        ("[:alpha:]", "A-Za-z"),
        ("[:alnum:]", "A-Za-z0-9"),
        ("[:space:]", " \\t\\n\\r\\f\\v"),
        ("[:blank:]", " \\t"),
        ("[:punct:]", "!-/:-@[-`{-~"),
    ] {
        expanded = expanded.replace(class, chars);
    }
    let mut chars = Vec::new();
    let mut rest = expanded.chars().peekable();
    while let Some(c) = rest.next() {
        let c = match c {
            '\\' => match rest.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some('v') => '\x0b',
                Some('0') => '\0',
                Some(c) if c.is_ascii_digit() => return None,
                Some(c) => c,
                None => '\\',
            },
            c => c,
        };
        let mut ahead = rest.clone();
        if ahead.next() == Some('-')
            && let Some(end) = ahead.next()
            && c <= end
        {
            chars.extend(c..=end);
            rest = ahead;
        } else {
            chars.push(c);
        }
        if chars.len() > 10_000 {
            return None;
        }
    }
    Some(chars)
}

pub(super) fn tr(_: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [
        ('d', "delete", false),
        ('s', "squeeze-repeats", false),
        ('c', "complement", false),
        ('C', "", false),
        ('t', "", false),
    ];
    let arguments = match read(call, &flags) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    let sets: Option<Vec<Vec<char>>> = arguments.operands.iter().map(|text| set(text)).collect();
    let Some(sets) = sets else { return Reply::Unknown("there is no model of its sets".to_owned()) };
    let Some(first) = sets.first() else { return Reply::status(1) };
    let complement = arguments.has("c") || arguments.has("C");
    let (delete, squeeze) = (arguments.has("d"), arguments.has("s"));
    let mut output = String::new();
    let mut last = None;
    for c in call.stdin.chars() {
        if c == UNKNOWN {
            output.push(c);
            continue;
        }
        let position = first.iter().position(|one| *one == c);
        let inside = position.is_some() != complement;
        if delete && inside {
            continue;
        }
        let second = sets.get(1).filter(|set| !delete && !set.is_empty());
        let made = match (inside, second) {
            (true, Some(second)) => {
                let at = position.unwrap_or(usize::MAX).min(second.len() - 1);
                second[at]
            }
            _ => c,
        };
        let squeezed = squeeze && (if second.is_some() { inside } else { position.is_some() != complement });
        if squeezed && last == Some(made) {
            continue;
        }
        last = Some(made);
        output.push(made);
    }
    Reply::output(output)
}
