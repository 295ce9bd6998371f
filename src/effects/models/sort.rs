//! `sort` (XCU sort), in the order of bytes.

use std::cmp::Ordering;

use super::super::effort::TOO_MUCH;
use super::super::machine::Machine;
use super::arguments::{Arguments, Flag};
use super::filters::{inputs, lines, read, written};
use crate::shell::text::{is_known, unknown};
use crate::shell::{Call, Reply};

const FLAGS: &[Flag] = &[
    ('u', "unique", false),
    ('r', "reverse", false),
    ('n', "numeric-sort", false),
    ('k', "key", true),
    ('t', "field-separator", true),
    ('f', "ignore-case", false),
    ('b', "ignore-leading-blanks", false),
    ('V', "version-sort", false),
    ('s', "stable", false),
    ('o', "output", true),
];

/// How texts are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Manner {
    is_numeric: bool,
    is_reversed: bool,
    ignores_case: bool,
    /// Blanks at the start, and where the key ends within a field, at the start of that.
    skips_blanks: [bool; 2],
}

/// Fields and characters, counted from 1; a character 0 is the end of the field.
type Place = (usize, usize);

#[derive(Clone, Copy, Debug)]
struct Key {
    from: Place,
    to: Option<Place>,
    manner: Manner,
}

fn is_blank(c: u8) -> bool {
    c == b' ' || c == b'\t'
}

/// No place is further behind, by fields or characters.
const MOST_FIELDS: usize = 1 << 16;

/// Reads a place of a key and the letters behind it.
fn place(text: &str, character: usize) -> Option<(Place, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (numbers, letters) = text.split_at(end);
    let (field, character) = match numbers.split_once('.') {
        Some((field, character)) => (field, character.parse().ok()?),
        None => (numbers, character),
    };
    let field = field.parse().ok().filter(|field| (1..=MOST_FIELDS).contains(field))?;
    Some(((field, character), letters)).filter(|((_, character), _)| *character <= MOST_FIELDS)
}

impl Manner {
    fn read(&mut self, letters: &str, end: usize) -> Option<()> {
        for letter in letters.chars() {
            match letter {
                'n' => self.is_numeric = true,
                'r' => self.is_reversed = true,
                'f' => self.ignores_case = true,
                'b' => self.skips_blanks[end] = true,
                _ => return None,
            }
        }
        Some(())
    }

    fn compared(self, a: &[u8], b: &[u8]) -> Ordering {
        let order = if self.is_numeric {
            number(a).cmp(&number(b))
        } else if self.ignores_case {
            a.to_ascii_uppercase().cmp(&b.to_ascii_uppercase())
        } else {
            a.cmp(b)
        };
        if self.is_reversed { order.reverse() } else { order }
    }
}

/// A number as digits, so that none is too large: those below zero come first, and the smaller the earlier.
fn number(text: &[u8]) -> (i8, isize, Vec<i16>) {
    let start = text.iter().position(|c| !is_blank(*c)).unwrap_or(text.len());
    let (is_negative, text) = match text[start..].strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, &text[start..]),
    };
    let whole = text.iter().take_while(|c| c.is_ascii_digit()).count();
    let zeros = text[..whole].iter().take_while(|c| **c == b'0').count();
    let mut digits: Vec<i16> = text[zeros..whole].iter().map(|c| i16::from(*c)).collect();
    let length = isize::try_from(digits.len()).unwrap_or(isize::MAX);
    if let Some(fraction) = text[whole..].strip_prefix(b".") {
        digits.extend(fraction.iter().take_while(|c| c.is_ascii_digit()).map(|c| i16::from(*c)));
    }
    while digits.len() > usize::try_from(length).unwrap_or(0) && digits.last() == Some(&i16::from(b'0')) {
        digits.pop();
    }
    if digits.is_empty() {
        return (0, 0, digits);
    }
    if !is_negative {
        return (1, length, digits);
    }
    for digit in &mut digits {
        *digit = -*digit;
    }
    // What has more digits is the smaller one.
    digits.push(0);
    (-1, -length, digits)
}

impl Key {
    fn read(text: &str) -> Option<Self> {
        let (from, to) = text.split_once(',').map_or((text, None), |(from, to)| (from, Some(to)));
        let mut manner = Manner::default();
        let (from, letters) = place(from, 1)?;
        manner.read(letters, 0)?;
        let to = match to {
            None => None,
            Some(to) => {
                let (to, letters) = place(to, 0)?;
                manner.read(letters, 1)?;
                Some(to)
            }
        };
        (from.1 > 0).then_some(Key { from, to, manner })
    }

    /// The part of a line that it names.
    fn part<'a>(&self, line: &'a [u8], separator: Option<u8>) -> &'a [u8] {
        let [skips_start, skips_end] = self.manner.skips_blanks;
        let mut start = field(line, separator, self.from.0).0;
        if skips_start {
            start += line[start..].iter().take_while(|c| is_blank(**c)).count();
        }
        start = (start + self.from.1 - 1).min(line.len());
        let end = match self.to {
            None => line.len(),
            Some((number, 0)) => field(line, separator, number).1,
            Some((number, character)) => {
                let mut end = field(line, separator, number).0;
                if skips_end {
                    end += line[end..].iter().take_while(|c| is_blank(**c)).count();
                }
                (end + character).min(line.len())
            }
        };
        &line[start..end.max(start)]
    }
}

/// Where a field begins and ends; without a separator the blanks before it belong to it.
fn field(line: &[u8], separator: Option<u8>, number: usize) -> (usize, usize) {
    let end_of = |start: usize| {
        let rest = &line[start..];
        let blanks = rest.iter().take_while(|c| separator.is_none() && is_blank(**c)).count();
        let is_end = |c: u8| separator.map_or_else(|| is_blank(c), |separator| c == separator);
        start + blanks + rest[blanks..].iter().take_while(|c| !is_end(**c)).count()
    };
    let mut start = 0;
    for _ in 1..number {
        start = (end_of(start) + usize::from(separator.is_some())).min(line.len());
    }
    (start, end_of(start))
}

fn sorted(arguments: &Arguments, text: &str) -> Result<String, String> {
    let has = |name: &str| arguments.has(name);
    let all = Manner {
        is_numeric: has("n"),
        is_reversed: has("r"),
        ignores_case: has("f"),
        skips_blanks: [has("b"); 2],
    };
    let separator = match arguments.value("t") {
        None => None,
        Some(text) => match text.as_bytes() {
            [separator] => Some(*separator),
            _ => return Err("there is no model of its separator".to_owned()),
        },
    };
    let mut keys = Vec::new();
    for (_, text) in arguments.options.iter().filter(|(name, _)| name == "k") {
        let key = Key::read(text).ok_or_else(|| format!("there is no model of the key `{text}`"))?;
        let manner = if key.manner == Manner::default() { all } else { key.manner };
        keys.push(Key { manner, ..key });
    }
    if keys.is_empty() {
        keys.push(Key { from: (1, 1), to: None, manner: all });
    }
    let by_keys = |a: &str, b: &str| {
        let (a, b) = (a.as_bytes(), b.as_bytes());
        let orders =
            keys.iter().map(|key| key.manner.compared(key.part(a, separator), key.part(b, separator)));
        orders.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    };
    let mut lines: Vec<&str> = lines(text).collect();
    lines.sort_by(|a, b| {
        let last = if has("s") || has("u") { Ordering::Equal } else { a.cmp(b) };
        by_keys(a, b).then(if has("r") { last.reverse() } else { last })
    });
    if has("u") {
        lines.dedup_by(|a, b| by_keys(a, b).is_eq());
    }
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}

pub(super) fn sort(machine: &mut Machine<'_>, call: &Call) -> Reply {
    sort_files(machine, call).unwrap_or_else(|reply| reply)
}

fn sort_files(machine: &mut Machine<'_>, call: &Call) -> Result<Reply, Reply> {
    let arguments = read(call, FLAGS)?;
    let texts = inputs(machine, call, &arguments.operands)?;
    let is_vague = arguments.has("V") || !texts.iter().all(|text| is_known(text));
    let closed = |text: &String| {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        format!("{text}{end}")
    };
    let text: String = texts.iter().map(closed).collect();
    // Each line is compared with a few others, by each key.
    let (rounds, keys) = (text.len().checked_ilog2().unwrap_or(0) as usize, arguments.options.len() + 1);
    if !machine.effort.spend(text.len().saturating_mul(2 * rounds * keys)) {
        return Err(Reply::Unknown(TOO_MUCH.to_owned()));
    }
    let made = if is_vague { unknown() } else { sorted(&arguments, &text).map_err(Reply::Unknown)? };
    match arguments.value("o") {
        None => Ok(Reply::output(made)),
        Some(file) => written(machine, call, file, &made, false).map(|()| Reply::status(0)),
    }
}
