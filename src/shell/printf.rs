//! `printf` and the escapes of `echo` (XCU printf, echo).

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

/// What `printf` writes: the format again and again until no values are left.
pub(super) fn printf(format: &str, values: &[String]) -> String {
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
        let (mut left, mut zero, mut width, mut precision) = (false, false, String::new(), None::<String>);
        let conversion = loop {
            match chars.next() {
                Some('-') => left = true,
                Some('0') if width.is_empty() && precision.is_none() => zero = true,
                Some('+' | ' ' | '#') => {}
                Some('.') => precision = Some(String::new()),
                Some('*') => width = values.next().cloned().unwrap_or_default(),
                Some(digit) if digit.is_ascii_digit() => match &mut precision {
                    Some(precision) => precision.push(digit),
                    None => width.push(digit),
                },
                other => break other,
            }
        };
        let width = width.parse::<usize>().unwrap_or(0).min(4096);
        let precision = precision.and_then(|text| text.parse::<usize>().ok());
        let (text, stop) = match conversion {
            Some('b') => escapes(values.next().map_or("", String::as_str), true),
            Some('c') => (
                values.next().and_then(|text| text.chars().next()).map(String::from).unwrap_or_default(),
                false,
            ),
            Some('s' | 'q') => {
                let text = values.next().cloned().unwrap_or_default();
                (precision.map_or(text.clone(), |most| text.chars().take(most).collect()), false)
            }
            Some(kind @ ('d' | 'i' | 'u' | 'o' | 'x' | 'X')) => {
                let text = values.next().cloned().unwrap_or_default();
                (number(kind, text.trim()), false)
            }
            Some(other) if other != '%' => (format!("%{other}"), false),
            _ => ("%".to_owned(), false),
        };
        let missing = width.saturating_sub(text.chars().count());
        if left {
            result.push_str(&text);
            result.extend(std::iter::repeat_n(' ', missing));
        } else {
            result.extend(std::iter::repeat_n(if zero { '0' } else { ' ' }, missing));
            result.push_str(&text);
        }
        if stop {
            return true;
        }
    }
    result.push_str(&escapes(&literal, false).0);
    false
}

fn number(kind: char, text: &str) -> String {
    if !is_known(text) {
        return text.to_owned();
    }
    let value = match text.strip_prefix(['\'', '"']) {
        Some(quoted) => quoted.chars().next().map_or(0, |c| i64::from(u32::from(c))),
        None => integer(text).unwrap_or(0),
    };
    match kind {
        'o' => format!("{value:o}"),
        'x' => format!("{value:x}"),
        'X' => format!("{value:X}"),
        _ => value.to_string(),
    }
}
