//! Commands that make text of text.

use super::super::machine::Machine;
use super::arguments::{Arguments, Flag};
use super::doubtful;
use crate::shell::text::{encode, is_known, unknown};
use crate::shell::{Call, Node, Reply, World};

/// The texts of the files named, or standard input; the status where one is missing.
pub(super) fn inputs(machine: &mut Machine<'_>, call: &Call, files: &[String]) -> Result<Vec<String>, Reply> {
    if files.is_empty() {
        return Ok(vec![call.stdin.clone()]);
    }
    let mut texts = Vec::new();
    for file in files {
        if file == "-" || file == "/dev/stdin" {
            texts.push(call.stdin.clone());
        } else if file == "/dev/null" {
            texts.push(String::new());
        } else if !is_known(file) || file.starts_with("/proc/") || file.starts_with("/sys/") {
            texts.push(unknown());
        } else {
            let place =
                machine.resolved(call, file).filter(|path| machine.node(path) != Some(Node::Directory));
            let Some(place) = place else { return Err(Reply::status(2)) };
            texts.push(machine.read(&place).unwrap_or_else(unknown));
        }
    }
    Ok(texts)
}

pub(super) fn read(call: &Call, flags: &[Flag]) -> Result<Arguments, Reply> {
    Arguments::read(&call.argv[1..], flags).map_err(Reply::Unknown)
}

/// A filter that works on lines.
pub(super) fn filter(
    machine: &mut Machine<'_>,
    call: &Call,
    flags: &[Flag],
    work: impl Fn(&Arguments, &str) -> Result<String, String>,
) -> Reply {
    let arguments = match read(call, flags) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    match inputs(machine, call, &arguments.operands) {
        Ok(texts) => match work(&arguments, &texts.concat()) {
            Ok(output) => Reply::output(output),
            Err(reason) => Reply::Unknown(reason),
        },
        Err(reply) => reply,
    }
}

pub(super) fn cat(machine: &mut Machine<'_>, call: &Call) -> Reply {
    filter(machine, call, &[('u', "", false)], |_, text| Ok(text.to_owned()))
}

pub(super) fn tac(machine: &mut Machine<'_>, call: &Call) -> Reply {
    filter(machine, call, &[], |_, text| Ok(text.lines().rev().map(|line| format!("{line}\n")).collect()))
}

fn count(arguments: &Arguments, letters: &str) -> Result<usize, String> {
    let digits: String = arguments
        .options
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| name.len() == 1 && name.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    if !digits.is_empty() {
        return digits.parse().map_err(|_| "there is no model of this count".to_owned());
    }
    let text = arguments.value(letters).unwrap_or("10");
    text.parse().map_err(|_| format!("there is no model of the count `{text}`"))
}

const COUNTS: &[Flag] = &[
    ('n', "lines", true),
    ('c', "bytes", true),
    ('q', "quiet", false),
    ('0', "", false),
    ('1', "", false),
    ('2', "", false),
    ('3', "", false),
    ('4', "", false),
    ('5', "", false),
    ('6', "", false),
    ('7', "", false),
    ('8', "", false),
    ('9', "", false),
];

pub(super) fn head(machine: &mut Machine<'_>, call: &Call) -> Reply {
    filter(machine, call, COUNTS, |arguments, text| {
        if !is_known(text) || arguments.has("c") {
            return Ok(unknown());
        }
        Ok(text.split_inclusive('\n').take(count(arguments, "n")?).collect())
    })
}

pub(super) fn tail(machine: &mut Machine<'_>, call: &Call) -> Reply {
    filter(machine, call, COUNTS, |arguments, text| {
        if !is_known(text) || arguments.has("c") {
            return Ok(unknown());
        }
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        if let Some(from) = arguments.value("n").and_then(|text| text.strip_prefix('+')) {
            let from: usize = from.parse().map_err(|_| "there is no model of this count".to_owned())?;
            return Ok(lines.iter().skip(from.saturating_sub(1)).copied().collect());
        }
        let skipped = lines.len().saturating_sub(count(arguments, "n")?);
        Ok(lines[skipped..].concat())
    })
}

pub(super) fn sort(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [
        ('u', "unique", false),
        ('r', "reverse", false),
        ('n', "numeric-sort", false),
        ('k', "key", true),
        ('t', "field-separator", true),
        ('f', "", false),
        ('b', "", false),
        ('V', "", false),
        ('s', "", false),
    ];
    filter(machine, call, &flags, |arguments, text| {
        if !is_known(text) || arguments.has("V") {
            return Ok(unknown());
        }
        if arguments.has("k") {
            return Err("there is no model of its option `-k`".to_owned());
        }
        let mut lines: Vec<&str> = text.lines().collect();
        if arguments.has("n") {
            let number = |line: &str| {
                let digits: String =
                    line.trim_start().chars().take_while(|c| c.is_ascii_digit() || *c == '-').collect();
                digits.parse::<i64>().unwrap_or(0)
            };
            lines.sort_by(|a, b| number(a).cmp(&number(b)).then(a.cmp(b)));
        } else {
            lines.sort_unstable();
        }
        if arguments.has("r") {
            lines.reverse();
        }
        if arguments.has("u") {
            lines.dedup();
        }
        Ok(lines.iter().map(|line| format!("{line}\n")).collect())
    })
}

pub(super) fn uniq(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [('c', "count", false), ('d', "repeated", false), ('u', "unique", false), ('i', "", false)];
    filter(machine, call, &flags, |arguments, text| {
        if !is_known(text) || arguments.has("i") {
            return Ok(unknown());
        }
        let mut runs: Vec<(&str, usize)> = Vec::new();
        for line in text.lines() {
            match runs.last_mut() {
                Some((last, count)) if *last == line => *count += 1,
                _ => runs.push((line, 1)),
            }
        }
        let (repeated, unique) = (arguments.has("d"), arguments.has("u"));
        runs.retain(|(_, count)| (!repeated || *count > 1) && (!unique || *count == 1));
        let shown = runs.iter().map(|(line, count)| {
            if arguments.has("c") { format!("{count:7} {line}\n") } else { format!("{line}\n") }
        });
        Ok(shown.collect())
    })
}

/// fold(1), by characters.
pub(super) fn fold(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [('s', "spaces", false), ('w', "width", true), ('b', "bytes", false)];
    filter(machine, call, &flags, |arguments, text| {
        let width = arguments.value("w").map_or(Some(80), |text| text.parse::<usize>().ok());
        let width = width.filter(|width| *width > 0).ok_or("there is no model of this width")?;
        if !is_known(text) {
            return Ok(unknown());
        }
        let mut output = String::new();
        for line in text.split_inclusive('\n') {
            let mut rest: Vec<char> = line.trim_end_matches('\n').chars().collect();
            while rest.len() > width {
                let blank = rest[..width].iter().rposition(|c| *c == ' ').filter(|_| arguments.has("s"));
                let after = rest.split_off(blank.map_or(width, |at| at + 1));
                output.extend(rest);
                output.push('\n');
                rest = after;
            }
            output.extend(rest);
            if line.ends_with('\n') {
                output.push('\n');
            }
        }
        Ok(output)
    })
}

pub(super) fn wc(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [('l', "lines", false), ('w', "words", false), ('c', "bytes", false), ('m', "chars", false)];
    filter(machine, call, &flags, |arguments, text| {
        if !is_known(text) {
            return Ok(unknown());
        }
        let mut counts = Vec::new();
        let all = arguments.options.is_empty();
        if all || arguments.has("l") {
            counts.push(text.matches('\n').count());
        }
        if all || arguments.has("w") {
            counts.push(text.split_whitespace().count());
        }
        if all || arguments.has("c") || arguments.has("m") {
            counts.push(encode(text).map_or(0, |bytes| bytes.len()));
        }
        let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
        let names = arguments.operands.iter().map(|name| format!(" {name}")).collect::<String>();
        Ok(format!("{}{names}\n", counts.join(" ")))
    })
}

pub(super) fn tee(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let arguments = match read(call, &[('a', "append", false), ('i', "", false)]) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    for file in arguments.operands.iter().filter(|file| !file.starts_with("/dev/")) {
        if !is_known(file) {
            return doubtful();
        }
        let above =
            file.rsplit_once('/').map_or(".", |(above, _)| if above.is_empty() { "/" } else { above });
        let name = file.rsplit('/').next().unwrap_or(file);
        let place = machine.resolved(call, file);
        let place = place.or_else(|| machine.resolved(call, above).and_then(|above| above.join(name).ok()));
        let Some(place) = place else { return Reply::status(1) };
        if let Err(reason) = machine.write(&place, &call.stdin, arguments.has("a"), 0o666 & !call.umask) {
            return Reply::Unknown(reason);
        }
    }
    Reply::output(call.stdin.clone())
}
