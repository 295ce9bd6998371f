//! `printf` and the escapes of `echo` (XCU printf, echo).

use std::collections::BTreeSet;

use super::arithmetic::integer;
use super::text::{UNKNOWN, is_known, unknown};

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

/// Whose `printf` it is: they differ in directives and escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Printer {
    /// dash's, which knows no `%q` and no `\x`.
    Dash,
    /// bash's, and printf(1).
    Gnu,
}

/// What `printf` writes, and its status if that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Printed {
    pub(crate) text: String,
    pub(crate) status: Option<i32>,
}

/// What `printf` writes: the format again and again until no values are left.
pub(crate) fn printf(format: &str, values: &[String], printer: Printer) -> Printed {
    let mut printed = Printed { text: String::new(), status: Some(0) };
    let mut values = values.iter();
    loop {
        let before = values.len();
        let stopped = once(format, &mut values, printer, &mut printed);
        if stopped || values.len() == 0 || values.len() == before {
            return printed;
        }
    }
}

/// One round; whether it all ends with it, by `\c` or a mistake.
fn once<'a>(
    format: &str,
    values: &mut impl Iterator<Item = &'a String>,
    printer: Printer,
    printed: &mut Printed,
) -> bool {
    let mut literal = String::new();
    let mut chars = format.chars().peekable();
    let plain = |literal: &str| {
        let literal =
            if printer == Printer::Dash { literal.replace("\\x", "\\\\x") } else { literal.to_owned() };
        escapes(&literal, false).0
    };
    while let Some(c) = chars.next() {
        if c == '\\' {
            // An escaped backslash begins no other escape.
            match chars.next() {
                Some('\\') => literal.push_str("\\134"),
                next => {
                    literal.push(c);
                    literal.extend(next);
                }
            }
            continue;
        }
        if c != '%' {
            literal.push(c);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            literal.push('%');
            continue;
        }
        printed.text.push_str(&plain(&std::mem::take(&mut literal)));
        let (specification, conversion) = Specification::read(&mut chars, values);
        let Some(conversion) = conversion.filter(|kind| "bcsqdiuoxXfeEgG".contains(*kind)) else {
            return amiss(printer, printed);
        };
        if conversion == 'q' && printer == Printer::Dash {
            return amiss(printer, printed);
        }
        let value = || values.next().map_or("", String::as_str);
        let (text, stop) = specification.converted(conversion, value, &mut printed.status);
        printed.text.push_str(&text);
        if stop {
            return true;
        }
    }
    printed.text.push_str(&plain(&literal));
    false
}

/// A directive that it does not know: dash writes no more, of others nobody knows.
fn amiss(printer: Printer, printed: &mut Printed) -> bool {
    if printer == Printer::Dash {
        printed.status = Some(2);
    } else {
        printed.text.push(UNKNOWN);
        printed.status = None;
    }
    true
}

/// What stands between `%` and the conversion.
#[derive(Clone, Debug, Default)]
struct Specification {
    /// Of `-`, `0`, `+`, blank and `#`, those that stand there.
    flags: BTreeSet<char>,
    width: usize,
    precision: Option<usize>,
    /// A number of a `*` is not known, or none of this size is looked into.
    is_vague: bool,
}

impl Specification {
    /// Reads it, and the conversion that follows, if one does.
    fn read<'a>(
        chars: &mut impl Iterator<Item = char>,
        values: &mut impl Iterator<Item = &'a String>,
    ) -> (Self, Option<char>) {
        let mut read = Specification::default();
        let (mut digits, mut is_vague) = (String::new(), false);
        let mut number = |digits: &str| {
            let number = if digits.is_empty() { Some(0) } else { digits.parse::<usize>().ok() };
            is_vague |= number.is_none_or(|number| number > MOST);
            number.unwrap_or(0).min(MOST)
        };
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
        read.is_vague = is_vague;
        (read, conversion)
    }

    /// A value as the conversion has it; whether `\c` ends it all.
    fn converted<'a>(
        &self,
        conversion: char,
        value: impl FnOnce() -> &'a str,
        status: &mut Option<i32>,
    ) -> (String, bool) {
        let value = value();
        if self.is_vague {
            return (unknown(), false);
        }
        let (text, stop) = match conversion {
            'b' => escapes(value, true),
            'c' => (value.chars().next().map(String::from).unwrap_or_default(), false),
            's' => (value.to_owned(), false),
            'q' => (quoted(value), false),
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' => {
                return (self.number(conversion, value.trim(), status), false);
            }
            _ => {
                let made = self.decimal(conversion, value);
                return (made.unwrap_or_else(unknown), false);
            }
        };
        // Widths are counted in bytes by some and in characters by others.
        if !text.is_ascii() && (self.width > 0 || self.precision.is_some()) {
            return (unknown(), stop);
        }
        let most = self.precision.filter(|_| conversion != 'c').unwrap_or(usize::MAX);
        (self.padded("", &text.chars().take(most).collect::<String>(), false), stop)
    }

    /// A number with a fraction or an exponent, where it is a plain one.
    fn decimal(&self, kind: char, text: &str) -> Option<String> {
        let is_plain = text.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'.' | b'-' | b'+' | b'e'));
        let value = match text {
            "" => 0.0,
            _ => text.parse::<f64>().ok().filter(|value| is_plain && value.is_finite())?,
        };
        if self.has('#') {
            return None;
        }
        let (magnitude, precision) = (value.abs(), self.precision.unwrap_or(6));
        let digits = match kind.to_ascii_lowercase() {
            'f' => format!("{magnitude:.precision$}"),
            'e' => exponential(magnitude, precision),
            _ => general(magnitude, precision.max(1)),
        };
        // Where a five is rounded, it counts how exactly the number is kept.
        let last = text.trim_end_matches('0').chars().next_back();
        #[allow(clippy::float_cmp, reason = "whether nothing at all is rounded")]
        let is_rounded = digits.parse::<f64>().ok()? != magnitude;
        if is_rounded && (last == Some('5') || text.contains('e') || text.len() > 15) || precision > 15 {
            return None;
        }
        let digits = if kind.is_ascii_uppercase() { digits.to_uppercase() } else { digits };
        let positive = if self.has('+') {
            "+"
        } else if self.has(' ') {
            " "
        } else {
            ""
        };
        let sign = if value.is_sign_negative() { "-" } else { positive };
        Some(self.padded(sign, &digits, self.has('0')))
    }

    fn number(&self, kind: char, text: &str, status: &mut Option<i32>) -> String {
        if !is_known(text) {
            *status = None;
            return unknown();
        }
        let value = match text.strip_prefix(['\'', '"']) {
            Some(quoted) if quoted.is_ascii() => quoted.chars().next().map_or(0, |c| i64::from(u32::from(c))),
            Some(_) => return unknown(),
            None if text.is_empty() => 0,
            None => integer(text).unwrap_or_else(|| {
                *status = Some(1);
                0
            }),
        };
        // Of a mistake what it begins with counts.
        if *status == Some(1) && text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+') {
            return unknown();
        }
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

/// A word as the shell reads it, where it is that without quotes.
fn quoted(text: &str) -> String {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "_./-:=+@%".contains(c));
    if is_plain && !text.is_empty() { text.to_owned() } else { unknown() }
}

/// `%e` of a number that is not below zero.
fn exponential(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// `%g` likewise: one of both, without zeros at the end.
fn general(value: f64, precision: usize) -> String {
    let text = exponential(value, precision - 1);
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let trimmed = |digits: &str| {
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
            .to_owned()
    };
    let plain = exponent.parse::<isize>().ok().filter(|exponent| *exponent >= -4);
    let decimals = plain.and_then(|exponent| isize::try_from(precision).ok()?.checked_sub(1 + exponent));
    match decimals.and_then(|decimals| usize::try_from(decimals).ok()) {
        Some(decimals) => trimmed(&format!("{value:.decimals$}")),
        None => format!("{}e{exponent}", trimmed(digits)),
    }
}
