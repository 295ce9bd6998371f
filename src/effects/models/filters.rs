//! Commands that make text of text.

use std::collections::BTreeSet;

use super::super::effort::TOO_MUCH;
use super::super::machine::Machine;
use super::arguments::{Arguments, Flag};
use super::doubtful;
use crate::root_path::RootPath;
use crate::shell::text::{encode, is_known, unknown};
use crate::shell::{Call, Node, Reply, World};

/// The texts of the files named, or standard input; the status where one is missing.
pub(super) fn inputs(machine: &mut Machine<'_>, call: &Call, files: &[String]) -> Result<Vec<String>, Reply> {
    let texts = texts(machine, call, files)?;
    let length = texts.iter().map(String::len).sum::<usize>();
    if machine.effort.spend(4 * length) { Ok(texts) } else { Err(Reply::Unknown(TOO_MUCH.to_owned())) }
}

fn texts(machine: &mut Machine<'_>, call: &Call, files: &[String]) -> Result<Vec<String>, Reply> {
    if files.is_empty() {
        return Ok(vec![call.stdin.clone()]);
    }
    let (mut texts, mut missing) = (Vec::new(), 0);
    for file in files {
        if file == "-" || file == "/dev/stdin" {
            texts.push(call.stdin.clone());
        } else if file == "/dev/null" {
            texts.push(String::new());
        } else if !is_known(file) || file.starts_with("/proc/") || file.starts_with("/sys/") {
            texts.push(unknown());
        } else if let Some(place) = readable(machine, call, file) {
            texts.push(machine.read(&place).unwrap_or_else(unknown));
        } else {
            missing += 1;
        }
    }
    match missing {
        0 => Ok(texts),
        _ if missing == files.len() => Err(Reply::status(2)),
        _ => Err(Reply::Unknown("one of several files is missing".to_owned())),
    }
}

/// The file that a name leads to, if it is no directory.
fn readable(machine: &Machine<'_>, call: &Call, file: &str) -> Option<RootPath> {
    machine.resolved(call, file).filter(|path| machine.node(path) != Some(Node::Directory))
}

/// The lines of a text, without their ends.
pub(super) fn lines(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split_inclusive('\n').map(|line| line.strip_suffix('\n').unwrap_or(line))
}

/// Where more than one file is another matter than one.
fn only_one(arguments: &Arguments) -> Result<(), String> {
    if arguments.operands.len() > 1 {
        Err("there is no model of it for several files".to_owned())
    } else {
        Ok(())
    }
}

pub(super) fn read(call: &Call, flags: &[Flag]) -> Result<Arguments, Reply> {
    Arguments::read(&call.argv[1..], flags).map_err(Reply::Unknown)
}

/// A filter that works on lines: those of each file end with it.
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
        Ok(mut texts) => {
            let last = texts.len() - 1;
            let open = |text: &&mut String| !text.is_empty() && !text.ends_with('\n');
            texts[..last].iter_mut().filter(open).for_each(|text| text.push('\n'));
            match work(&arguments, &texts.concat()) {
                Ok(output) => Reply::output(output),
                Err(reason) => Reply::Unknown(reason),
            }
        }
        Err(reply) => missing_reply(reply),
    }
}

/// The status of most of them where a file is missing.
fn missing_reply(reply: Reply) -> Reply {
    if matches!(reply, Reply::Done { .. }) { Reply::status(1) } else { reply }
}

pub(super) fn cat(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let arguments = match read(call, &[('u', "", false)]) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    // Of several it writes those that are there.
    let is_missing = |file: &String| {
        let is_special = ["/dev/", "/proc/", "/sys/"].iter().any(|place| file.starts_with(place));
        file != "-" && !is_special && is_known(file) && readable(machine, call, file).is_none()
    };
    let (missing, there): (Vec<String>, Vec<String>) = arguments.operands.into_iter().partition(is_missing);
    if there.is_empty() && !missing.is_empty() {
        return Reply::status(1);
    }
    match inputs(machine, call, &there) {
        Ok(texts) => {
            let status = Some(i32::from(!missing.is_empty()));
            Reply::Done { status, stdout: texts.concat(), variables: Vec::new() }
        }
        Err(reply) => missing_reply(reply),
    }
}

pub(super) fn tac(machine: &mut Machine<'_>, call: &Call) -> Reply {
    filter(machine, call, &[], |arguments, text| {
        only_one(arguments)?;
        if !is_known(text) {
            return Ok(unknown());
        }
        Ok(text.split_inclusive('\n').rev().collect())
    })
}

fn count(arguments: &Arguments, letters: &str) -> Result<usize, String> {
    let digits: String = arguments
        .options
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| name.len() == 1 && name.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    if !digits.is_empty() {
        let is_alone = arguments.value(letters).is_none();
        return if is_alone { number(&digits) } else { Err("there is no model of its counts".to_owned()) };
    }
    number(arguments.value(letters).unwrap_or("10"))
}

fn number(text: &str) -> Result<usize, String> {
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| format!("there is no model of the count `{text}`"))
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
        only_one(arguments)?;
        if !is_known(text) || arguments.has("c") {
            return Ok(unknown());
        }
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let all_but = arguments.value("n").and_then(|text| text.strip_prefix('-'));
        let most = match all_but {
            Some(count) => lines.len().saturating_sub(number(count)?),
            None => count(arguments, "n")?.min(lines.len()),
        };
        Ok(lines[..most].concat())
    })
}

pub(super) fn tail(machine: &mut Machine<'_>, call: &Call) -> Reply {
    filter(machine, call, COUNTS, |arguments, text| {
        only_one(arguments)?;
        if arguments.operands.iter().any(|operand| operand.starts_with('+')) {
            return Err("there is no model of its operand".to_owned());
        }
        if !is_known(text) || arguments.has("c") {
            return Ok(unknown());
        }
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let value = arguments.value("n");
        if let Some(from) = value.and_then(|text| text.strip_prefix('+')) {
            return Ok(lines.iter().skip(number(from)?.saturating_sub(1)).copied().collect());
        }
        let most = match value.and_then(|text| text.strip_prefix('-')) {
            Some(count) => number(count)?,
            None => count(arguments, "n")?,
        };
        Ok(lines[lines.len().saturating_sub(most)..].concat())
    })
}

pub(super) fn uniq(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [('c', "count", false), ('d', "repeated", false), ('u', "unique", false), ('i', "", false)];
    filter(machine, call, &flags, |arguments, text| {
        only_one(arguments)?;
        if !is_known(text) || arguments.has("i") {
            return Ok(unknown());
        }
        let mut runs: Vec<(&str, usize)> = Vec::new();
        for line in lines(text) {
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
        if !text.bytes().all(|c| c == b'\n' || c == b' ' || c.is_ascii_graphic()) {
            return Err("there is no model of it for tabs and other characters than ASCII".to_owned());
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
        only_one(arguments)?;
        let asked: BTreeSet<&str> = arguments.options.iter().map(|(name, _)| name.as_str()).collect();
        // How wide the columns of several counts are depends on the file.
        let [count] = asked.iter().copied().collect::<Vec<_>>()[..] else {
            return Err("there is no model of several counts".to_owned());
        };
        let count = match count {
            "l" => text.matches('\n').count(),
            "w" => text.split_ascii_whitespace().count(),
            "m" => text.chars().count(),
            _ => encode(text).map_or(0, |bytes| bytes.len()),
        };
        let name = arguments.operands.iter().map(|name| format!(" {name}")).collect::<String>();
        Ok(format!("{count}{name}\n"))
    })
}

pub(super) fn tee(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let arguments = match read(call, &[('a', "append", false), ('i', "", false)]) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    for file in arguments.operands.iter().filter(|file| !file.starts_with("/dev/")) {
        if let Err(reply) = written(machine, call, file, &call.stdin, arguments.has("a")) {
            return reply;
        }
    }
    Reply::output(call.stdin.clone())
}

/// Writes what a command makes to a file.
pub(super) fn written(
    machine: &mut Machine<'_>,
    call: &Call,
    file: &str,
    text: &str,
    append: bool,
) -> Result<(), Reply> {
    if !is_known(file) {
        return Err(doubtful());
    }
    let above = file.rsplit_once('/').map_or(".", |(above, _)| if above.is_empty() { "/" } else { above });
    let name = file.rsplit('/').next().unwrap_or(file);
    let place = machine.resolved(call, file);
    let place = place.or_else(|| machine.resolved(call, above).and_then(|above| above.join(name).ok()));
    let place = place.ok_or_else(|| Reply::status(1))?;
    machine.write(&place, text, append, 0o666 & !call.umask).map_err(Reply::Unknown)
}
