//! `printf` and the escapes of `echo` (XCU printf, echo).

use std::collections::BTreeSet;

use super::arithmetic::integer;
use super::text::is_known;

/// Escapes -> characters, and whether `\c` ended the text. `echo`'s octal numbers begin with a zero.
pub(super) fn escapes(text: &str, of_echo: bool) -> (String, bool) {
    let mut result = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            result.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => result.push('\n'),
            Some('t') => result.push('\t'),
            Some('r') => result.push('\r'),
            Some('a') => result.push('\x07'),
            Some('b') => result.push('\x08'),
            Some('f') => result.push('\x0c'),
            Some('v') => result.push('\x0b'),
            Some('e') => result.push('\x1b'),
            Some(quote @ ('\'' | '"')) if !of_echo => result.push(quote),
            Some('c') if of_echo => return (result, true),
            Some(digit @ '0'..='7') if !of_echo || digit == '0' => {
                let mut value = if of_echo { 0 } else { digit.to_digit(8).unwrap_or(0) };
                let mut left = if of_echo { 3 } else { 2 };
                while let Some(digit) = chars.peek().and_then(|c| c.to_digit(8)).filter(|_| left > 0) {
                    value = value * 8 + digit;
                    left -= 1;
                    chars.next();
                }
                push_byte(&mut result, value);
            }
            Some('x') if !of_echo => {
                let (mut value, mut left) = (0, 2);
                while let Some(digit) = chars.peek().and_then(|c| c.to_digit(16)).filter(|_| left > 0) {
                    value = value * 16 + digit;
                    left -= 1;
                    chars.next();
                }
                push_byte(&mut result, value);
            }
            Some('\\') | None => result.push('\\'),
            Some(other) => {
                result.push('\\');
                result.push(other);
            }
        }
    }
    (result, false)
}

fn push_byte(text: &mut String, value: u32) {
    let byte = u8::try_from(value & 0xff).unwrap_or(0);
    text.push_str(&super::text::decode(&[byte]));
}

/// No width or precision is larger.
const MOST: usize = 4096;

/// What `printf` writes: the format again and again until no values are left.
pub(crate) fn printf(format: &str, values: &[String]) -> String {
    let mut result = String::new();
    let mut values = values.iter();
    loop {
        let before = values.len();
        let stopped = once(format, &mut values, &mut result);
        if stopped || values.len() == 0 || values.len() == before {
            return result;
        }
    }
}

/// One round; whether `\c` ended it all.
fn once<'a>(format: &str, values: &mut impl Iterator<Item = &'a String>, result: &mut String) -> bool {
    let mut literal = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\' {
            literal.push(c);
            literal.extend(chars.next());
            continue;
        }
        if c != '%' {
            literal.push(c);
            continue;
        }
        result.push_str(&escapes(&std::mem::take(&mut literal), false).0);
        let (specification, conversion) = Specification::read(&mut chars, values);
        let Some(conversion) = conversion.filter(|kind| *kind != '%') else {
            result.push('%');
            continue;
        };
        let value = || values.next().map_or("", String::as_str);
        let (text, stop) = specification.converted(conversion, value);
        result.push_str(&text);
        if stop {
            return true;
        }
    }
    result.push_str(&escapes(&literal, false).0);
    false
}

/// What stands between `%` and the conversion.
#[derive(Clone, Debug, Default)]
struct Specification {
    /// Of `-`, `0`, `+`, blank and `#`, those that stand there.
    flags: BTreeSet<char>,
    width: usize,
    precision: Option<usize>,
}

impl Specification {
    /// Reads it, and the conversion that follows, if one does.
    fn read<'a>(
        chars: &mut impl Iterator<Item = char>,
        values: &mut impl Iterator<Item = &'a String>,
    ) -> (Self, Option<char>) {
        let mut read = Specification::default();
        let mut digits = String::new();
        let number = |digits: &str| digits.parse::<usize>().unwrap_or(0).min(MOST);
        let conversion = loop {
            match chars.next() {
                Some(flag @ ('-' | '+' | ' ' | '#')) => _ = read.flags.insert(flag),
                Some('0') if digits.is_empty() && read.precision.is_none() => _ = read.flags.insert('0'),
                Some('.') => {
                    read.width = number(&digits);
                    read.precision = Some(0);
                    digits.clear();
                }
                Some('*') => digits = values.next().cloned().unwrap_or_default(),
                Some(digit) if digit.is_ascii_digit() => digits.push(digit),
                other => break other,
            }
        };
        // A width below zero is one from the left.
        if let Some(positive) = digits.strip_prefix('-') {
            read.flags.extend(read.precision.is_none().then_some('-'));
            digits = positive.to_owned();
        }
        match &mut read.precision {
            Some(precision) => *precision = number(&digits),
            None => read.width = number(&digits),
        }
        (read, conversion)
    }

    /// A value as the conversion has it; whether `\c` ends it all.
    fn converted<'a>(&self, conversion: char, value: impl FnOnce() -> &'a str) -> (String, bool) {
        let (text, stop) = match conversion {
            'b' => escapes(value(), true),
            'c' => (value().chars().next().map(String::from).unwrap_or_default(), false),
            's' | 'q' => (value().to_owned(), false),
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' => return (self.number(conversion, value().trim()), false),
            other => return (format!("%{other}"), false),
        };
        let most = self.precision.filter(|_| conversion != 'c').unwrap_or(usize::MAX);
        (self.padded("", &text.chars().take(most).collect::<String>(), false), stop)
    }

    fn number(&self, kind: char, text: &str) -> String {
        if !is_known(text) {
            return text.to_owned();
        }
        let value = match text.strip_prefix(['\'', '"']) {
            Some(quoted) => quoted.chars().next().map_or(0, |c| i64::from(u32::from(c))),
            None => integer(text).unwrap_or(0),
        };
        let sign = match (kind, value < 0) {
            ('d' | 'i', true) => "-",
            ('d' | 'i', false) if self.has('+') => "+",
            ('d' | 'i', false) if self.has(' ') => " ",
            ('x', _) if self.has('#') && value != 0 => "0x",
            ('X', _) if self.has('#') && value != 0 => "0X",
            ('o', _) if self.has('#') && value != 0 => "0",
            _ => "",
        };
        let digits = match kind {
            'o' => format!("{value:o}"),
            'x' => format!("{value:x}"),
            'X' => format!("{value:X}"),
            'u' => value.cast_unsigned().to_string(),
            _ => value.unsigned_abs().to_string(),
        };
        let least = self.precision.unwrap_or(0).saturating_sub(digits.len());
        let digits = "0".repeat(least) + &digits;
        self.padded(sign, &digits, self.has('0') && self.precision.is_none())
    }

    /// As wide as is asked for: blanks before or behind it, or zeros behind the sign.
    fn padded(&self, sign: &str, text: &str, with_zeros: bool) -> String {
        let missing = self.width.saturating_sub(sign.len() + text.chars().count());
        match (self.has('-'), with_zeros) {
            (true, _) => format!("{sign}{text}{}", " ".repeat(missing)),
            (false, true) => format!("{sign}{}{text}", "0".repeat(missing)),
            (false, false) => format!("{}{sign}{text}", " ".repeat(missing)),
        }
    }

    fn has(&self, flag: char) -> bool {
        self.flags.contains(&flag)
    }
}
