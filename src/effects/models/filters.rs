//! Commands that make text of text.

use std::collections::BTreeSet;

use super::super::machine::{Content, Machine};
use super::arguments::{Arguments, Flag};
use super::{doubtful, regular, vague};
use crate::shell::text::{UNKNOWN, encode, is_known, same, unknown};
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

fn read(call: &Call, flags: &[Flag]) -> Result<Arguments, Reply> {
    Arguments::read(&call.argv[1..], flags).map_err(Reply::Unknown)
}

/// A filter that works on lines.
fn filter(
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

const GREP: &[Flag] = &[
    ('q', "quiet", false),
    ('s', "no-messages", false),
    ('v', "invert-match", false),
    ('i', "ignore-case", false),
    ('E', "extended-regexp", false),
    ('F', "fixed-strings", false),
    ('G', "basic-regexp", false),
    ('x', "line-regexp", false),
    ('w', "word-regexp", false),
    ('c', "count", false),
    ('o', "only-matching", false),
    ('e', "regexp", true),
    ('h', "no-filename", false),
    ('H', "", false),
    ('l', "files-with-matches", false),
    ('m', "max-count", true),
    ('n', "line-number", false),
    ('a', "text", false),
    ('z', "null-data", false),
    ('\0', "silent", false),
    ('P', "perl-regexp", false),
    ('r', "recursive", false),
    ('R', "", false),
];

pub(super) fn grep(machine: &mut Machine<'_>, call: &Call) -> Reply {
    grep_as(machine, call, None)
}

pub(super) fn egrep(machine: &mut Machine<'_>, call: &Call) -> Reply {
    grep_as(machine, call, Some("E"))
}

pub(super) fn fgrep(machine: &mut Machine<'_>, call: &Call) -> Reply {
    grep_as(machine, call, Some("F"))
}

fn grep_as(machine: &mut Machine<'_>, call: &Call, kind: Option<&str>) -> Reply {
    let mut arguments = match read(call, GREP) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    if let Some(kind) = kind {
        arguments.options.push((kind.to_owned(), String::new()));
    }
    for option in ["z", "r", "R", "n"] {
        if arguments.has(option) {
            return Reply::Unknown(format!("there is no model of its option `-{option}`"));
        }
    }
    let mut patterns: Vec<String> =
        arguments.options.iter().filter(|(name, _)| name == "e").map(|(_, value)| value.clone()).collect();
    if patterns.is_empty() {
        if arguments.operands.is_empty() {
            return Reply::status(2);
        }
        patterns = arguments.operands.remove(0).split('\n').map(ToOwned::to_owned).collect();
    }
    if patterns.iter().any(|pattern| !is_known(pattern)) {
        return vague();
    }
    // Of Perl's expressions those that are no extended ones are not compiled, which is told.
    let extended = arguments.has("E") || arguments.has("P");
    let mut compiled = Vec::new();
    for pattern in &patterns {
        let expression = if arguments.has("F") { Ok(regex::escape(pattern)) } else { Err(pattern) };
        let regex = match expression {
            Ok(escaped) => regular::compile(&escaped, true, arguments.has("i")),
            Err(pattern) => regular::compile(pattern, extended, arguments.has("i")),
        };
        match regex {
            Ok(regex) => compiled.push(regex),
            Err(reason) => return Reply::Unknown(reason),
        }
    }
    let texts = match inputs(machine, call, &arguments.operands) {
        Ok(texts) => texts,
        Err(reply) => return reply,
    };
    let mut chosen = String::new();
    let (mut count, mut doubt) = (0, false);
    let is_match = |line: &str| {
        let mut found = compiled.iter().filter_map(|regex| regex.find(line));
        found.any(|found| {
            let (before, after) = (&line[..found.start()], &line[found.end()..]);
            let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            (!arguments.has("x") || before.is_empty() && after.is_empty())
                && (!arguments.has("w")
                    || !is_word(before.chars().next_back()) && !is_word(after.chars().next()))
        })
    };
    let most = arguments.value("m").and_then(|text| text.parse::<usize>().ok()).unwrap_or(usize::MAX);
    for (number, text) in texts.iter().enumerate() {
        let mut hits = 0;
        for line in text.lines() {
            if line.contains(UNKNOWN) {
                doubt = true;
                continue;
            }
            if is_match(line) == arguments.has("v") || hits >= most {
                continue;
            }
            hits += 1;
            if arguments.has("o") {
                for found in compiled.iter().flat_map(|regex| regex.find_iter(line)) {
                    chosen.push_str(&format!("{}\n", found.as_str()));
                }
            } else if arguments.has("l") {
                if hits == 1 {
                    chosen.push_str(&format!(
                        "{}\n",
                        arguments.operands.get(number).map_or("-", String::as_str)
                    ));
                }
            } else {
                let shows_name = texts.len() > 1 && !arguments.has("h");
                let name = arguments.operands.get(number).filter(|_| shows_name);
                chosen.push_str(&name.map_or_else(String::new, |name| format!("{name}:")));
                chosen.push_str(&format!("{line}\n"));
            }
        }
        count += hits;
    }
    let quiet = arguments.has("q") || arguments.has("silent");
    let stdout = match (quiet, doubt, arguments.has("c")) {
        (true, ..) => String::new(),
        (_, true, _) => unknown(),
        (_, _, true) => format!("{count}\n"),
        _ => chosen,
    };
    let status = match (count > 0, doubt) {
        (true, _) => Some(0),
        (false, true) => None,
        (false, false) => Some(1),
    };
    Reply::Done { status, stdout, variables: Vec::new() }
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

/// Whether two files are the same.
pub(super) fn compare(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let files: Vec<String> =
        call.argv.iter().skip(1).filter(|word| !word.starts_with('-') || *word == "-").cloned().collect();
    let [a, b] = files.as_slice() else { return vague() };
    if let (Some(left), Some(right)) = (machine.resolved(call, a), machine.resolved(call, b)) {
        let (left, right) = (machine.content(&left), machine.content(&right));
        if left == right && matches!(left, Content::Of(_)) {
            return Reply::status(0);
        }
    }
    match (inputs(machine, call, std::slice::from_ref(a)), inputs(machine, call, std::slice::from_ref(b))) {
        (Ok(left), Ok(right)) => match same(&left.concat(), &right.concat()) {
            Some(true) => Reply::status(0),
            Some(false) => {
                let stdout = unknown();
                Reply::Done { status: Some(1), stdout, variables: Vec::new() }
            }
            None => vague(),
        },
        _ => Reply::status(2),
    }
}

/// Digests: the file is there, and what it holds decides.
pub(super) fn digest(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let files: Vec<String> =
        call.argv.iter().skip(1).filter(|word| !word.starts_with('-')).cloned().collect();
    if call.argv.iter().any(|word| matches!(word.as_str(), "-c" | "--check" | "--status")) {
        return vague();
    }
    match inputs(machine, call, &files) {
        Ok(texts) => {
            let own = call.argv[0].rsplit('/').next() == Some("sha256sum");
            let bytes: Option<Vec<Vec<u8>>> = texts.iter().map(|text| encode(text)).collect();
            match bytes.filter(|_| own) {
                Some(all) => {
                    let names = files.iter().map(String::as_str).chain(["-"]);
                    let lines = all.iter().zip(names).map(|(bytes, name)| {
                        let digest = crate::digest::Digest::of(bytes).to_string();
                        format!("{}  {name}\n", digest.trim_start_matches("sha256:"))
                    });
                    Reply::output(lines.collect::<String>())
                }
                None => Reply::output(unknown()),
            }
        }
        Err(reply) => reply,
    }
}

pub(super) fn seq(_: &mut Machine<'_>, call: &Call) -> Reply {
    let numbers: Option<Vec<i64>> = call.argv.iter().skip(1).map(|word| word.parse().ok()).collect();
    let (from, step, to) = match numbers.as_deref() {
        Some([to]) => (1, 1, *to),
        Some([from, to]) => (*from, 1, *to),
        Some([from, step, to]) if *step != 0 => (*from, *step, *to),
        _ => return vague(),
    };
    let mut output = String::new();
    let mut at = from;
    for _ in 0..10_000 {
        if (step > 0 && at > to) || (step < 0 && at < to) {
            break;
        }
        output.push_str(&format!("{at}\n"));
        at = at.saturating_add(step);
    }
    Reply::output(output)
}

/// `expr`, with one operator.
pub(super) fn expr(_: &mut Machine<'_>, call: &Call) -> Reply {
    let words: BTreeSet<bool> = call.argv.iter().map(|word| is_known(word)).collect();
    if words.contains(&false) {
        return vague();
    }
    let words: Vec<&str> = call.argv.iter().skip(1).map(String::as_str).collect();
    let value = match words.as_slice() {
        ["length", text] => text.chars().count().to_string(),
        [text, ":", expression] | ["match", text, expression] => {
            let regex =
                match regular::compile(&format!("^{}", expression.trim_start_matches('^')), false, false) {
                    Ok(regex) => regex,
                    Err(reason) => return Reply::Unknown(reason),
                };
            match regex.captures(text) {
                Some(captures) if regex.captures_len() > 1 => {
                    captures.get(1).map_or(String::new(), |group| group.as_str().to_owned())
                }
                Some(captures) => captures[0].chars().count().to_string(),
                None if regex.captures_len() > 1 => String::new(),
                None => "0".to_owned(),
            }
        }
        [a, operator, b] => {
            let numbers = a.parse::<i64>().ok().zip(b.parse::<i64>().ok());
            let order = numbers.map_or_else(|| a.cmp(b), |(a, b)| a.cmp(&b));
            match (*operator, numbers) {
                ("+", Some((a, b))) => a.wrapping_add(b).to_string(),
                ("-", Some((a, b))) => a.wrapping_sub(b).to_string(),
                ("*", Some((a, b))) => a.wrapping_mul(b).to_string(),
                ("/", Some((a, b))) if b != 0 => a.wrapping_div(b).to_string(),
                ("%", Some((a, b))) if b != 0 => a.wrapping_rem(b).to_string(),
                ("=", _) => i32::from(order.is_eq()).to_string(),
                ("!=", _) => i32::from(order.is_ne()).to_string(),
                ("<", _) => i32::from(order.is_lt()).to_string(),
                ("<=", _) => i32::from(order.is_le()).to_string(),
                (">", _) => i32::from(order.is_gt()).to_string(),
                (">=", _) => i32::from(order.is_ge()).to_string(),
                _ => return Reply::Unknown("there is no model of this expression".to_owned()),
            }
        }
        [one] => (*one).to_owned(),
        _ => return Reply::Unknown("there is no model of this expression".to_owned()),
    };
    let status = i32::from(value.is_empty() || value == "0");
    Reply::Done { status: Some(status), stdout: format!("{value}\n"), variables: Vec::new() }
}
