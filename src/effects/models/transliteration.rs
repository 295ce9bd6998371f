//! `tr` (XCU tr), byte by byte as GNU's.

use super::super::effort::TOO_MUCH;
use super::super::machine::Machine;
use super::arguments::Arguments;
use super::regular::control;
use crate::shell::text::{UNKNOWN, decode, encode, is_known, unknown};
use crate::shell::{Call, Reply};

/// The bytes of a set.
#[derive(Debug, Default)]
struct Set {
    bytes: Vec<u8>,
    /// Where a byte is repeated until the set is as long as the other: `[a*]`.
    fill: Option<(usize, u8)>,
    /// Of the classes in it, whether some are no cases of letters.
    has_classes: bool,
    has_cases: bool,
}

/// The first byte of a set, and how much of the text it takes.
fn byte(text: &[u8]) -> Option<(u8, usize)> {
    match text {
        [b'\\', b'0'..=b'7', ..] => {
            let digits = text[1..].iter().take(3).take_while(|c| matches!(c, b'0'..=b'7')).count();
            let value = text[1..=digits].iter().fold(0_u32, |value, c| value * 8 + u32::from(c - b'0'));
            Some((u8::try_from(value).ok()?, digits + 1))
        }
        [b'\\', b'b', ..] => Some((8, 2)),
        [b'\\', c, ..] if c.is_ascii_alphanumeric() => {
            Some((u8::try_from(control(char::from(*c))?).ok()?, 2))
        }
        [b'\\', c, ..] => Some((*c, 2)),
        [b'\\'] | [] => None,
        [c, ..] => Some((*c, 1)),
    }
}

fn is_of(class: &str) -> Option<fn(&u8) -> bool> {
    Some(match class {
        "alnum" => u8::is_ascii_alphanumeric,
        "alpha" => u8::is_ascii_alphabetic,
        "blank" => |c| matches!(c, b' ' | b'\t'),
        "cntrl" => u8::is_ascii_control,
        "digit" => u8::is_ascii_digit,
        "graph" => u8::is_ascii_graphic,
        "lower" => u8::is_ascii_lowercase,
        "print" => |c| c.is_ascii_graphic() || *c == b' ',
        "punct" => u8::is_ascii_punctuation,
        "space" => |c| matches!(c, b' ' | 9..=13),
        "upper" => u8::is_ascii_uppercase,
        "xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

/// Reads a set; none if it has no model or is a mistake.
fn set(text: &str) -> Option<Set> {
    let bytes = encode(text)?;
    let (mut set, mut rest) = (Set::default(), bytes.as_slice());
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix(b"[:")
            && let Some(end) = inner.windows(2).position(|two| two == b":]")
        {
            let class = std::str::from_utf8(&inner[..end]).ok()?;
            set.bytes.extend((0..=u8::MAX).filter(is_of(class)?));
            let is_case = matches!(class, "lower" | "upper");
            set.has_cases |= is_case;
            set.has_classes |= !is_case;
            rest = &inner[end + 2..];
            continue;
        }
        if rest.starts_with(b"[=") && rest[2..].windows(2).any(|two| two == b"=]") {
            return None;
        }
        if rest[0] == b'['
            && let Some((repeated, read)) = byte(&rest[1..])
            && let Some(count) = rest[1 + read..].strip_prefix(b"*")
            && let Some(end) = count.iter().position(|c| *c == b']')
        {
            let digits = std::str::from_utf8(&count[..end]).ok()?;
            match digits {
                "" if set.fill.is_none() => set.fill = Some((set.bytes.len(), repeated)),
                // In octal, and zero is any number.
                _ if digits.is_empty() || digits.starts_with('0') => return None,
                _ => set.bytes.extend(std::iter::repeat_n(
                    repeated,
                    digits.parse().ok().filter(|count| *count <= 256)?,
                )),
            }
            rest = &count[end + 1..];
            continue;
        }
        let (from, read) = byte(rest)?;
        rest = &rest[read..];
        match rest {
            [b'-', more @ ..] if !more.is_empty() => {
                let (to, read) = byte(more)?;
                if to < from || more.starts_with(b"[:") {
                    return None;
                }
                set.bytes.extend(from..=to);
                rest = &more[read..];
            }
            _ => set.bytes.push(from),
        }
    }
    Some(set)
}

/// What becomes of bytes.
struct Table {
    /// None is deleted.
    to: Vec<Option<u8>>,
    squeezed: Vec<u8>,
}

/// The table that the sets and options come to.
fn table(mut sets: Vec<Set>, complement: bool, delete: bool, squeeze: bool) -> Option<Table> {
    let mut to: Vec<Option<u8>> = (0..=u8::MAX).map(Some).collect();
    let second = if sets.len() == 2 { sets.pop() } else { None };
    let first = sets.pop().filter(|first| sets.is_empty() && first.fill.is_none())?;
    let from: Vec<u8> = if complement {
        (0..=u8::MAX).filter(|byte| !first.bytes.contains(byte)).collect()
    } else {
        first.bytes
    };
    let squeezed = match (second, delete, squeeze) {
        (None, true, false) => Vec::new(),
        (None, false, true) => from.clone(),
        (Some(second), true, true) if second.fill.is_none() => second.bytes,
        (Some(mut second), false, _) => {
            if let Some((at, byte)) = second.fill {
                let missing = from.len().saturating_sub(second.bytes.len());
                second.bytes.splice(at..at, std::iter::repeat_n(byte, missing));
            }
            let last = *second.bytes.last()?;
            let is_one = second.bytes.iter().all(|byte| *byte == last);
            // Which letters belong together is looked at where both sets have cases.
            let is_amiss = second.has_classes
                || second.has_cases && (!first.has_cases || complement)
                || complement && (first.has_classes || first.has_cases) && !is_one;
            if is_amiss {
                return None;
            }
            for (at, byte) in from.iter().enumerate() {
                to[usize::from(*byte)] = Some(second.bytes.get(at).copied().unwrap_or(last));
            }
            if squeeze { second.bytes } else { Vec::new() }
        }
        _ => return None,
    };
    if delete {
        for byte in &from {
            to[usize::from(*byte)] = None;
        }
    }
    Some(Table { to, squeezed })
}

pub(super) fn tr(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let flags = [
        ('d', "delete", false),
        ('s', "squeeze-repeats", false),
        ('c', "complement", false),
        ('C', "", false),
    ];
    // Options stand before the sets: the second may begin with a hyphen.
    let words = &call.argv[1..];
    let is_set = |word: &String| !word.starts_with('-') || word == "-";
    let (options, rest) = words.split_at(words.iter().position(is_set).unwrap_or(words.len()));
    let mut arguments = match Arguments::read(options, &flags) {
        Ok(arguments) => arguments,
        Err(reason) => return Reply::Unknown(reason),
    };
    arguments.operands.extend(rest.iter().cloned());
    let sets: Option<Vec<Set>> = arguments.operands.iter().map(|text| set(text)).collect();
    let complement = arguments.has("c") || arguments.has("C");
    let (delete, squeeze) = (arguments.has("d"), arguments.has("s"));
    let Some(table) = sets.and_then(|sets| table(sets, complement, delete, squeeze)) else {
        return Reply::Unknown("there is no model of its sets".to_owned());
    };
    // Nobody knows what an unknown text ends in, and begins with.
    if squeeze && !is_known(&call.stdin) {
        return Reply::output(unknown());
    }
    if !machine.effort.spend(call.stdin.len() * (4 + table.squeezed.len() / 4)) {
        return Reply::Unknown(TOO_MUCH.to_owned());
    }
    let parts = call.stdin.split(UNKNOWN).map(|part| {
        let mut made: Vec<u8> = Vec::new();
        for byte in encode(part).unwrap_or_default() {
            let Some(byte) = table.to[usize::from(byte)] else { continue };
            if made.last() != Some(&byte) || !table.squeezed.contains(&byte) {
                made.push(byte);
            }
        }
        decode(&made)
    });
    Reply::output(parts.collect::<Vec<_>>().join(&UNKNOWN.to_string()))
}
