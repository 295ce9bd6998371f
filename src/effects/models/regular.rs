//! Basic and extended regular expressions (XBD 9) -> those of the `regex` crate.

use regex::{Regex, RegexBuilder};

/// Compiles an expression; why it cannot be. References back to a group have no counterpart.
pub(super) fn compile(expression: &str, extended: bool, any_case: bool) -> Result<Regex, String> {
    let translated = translated(expression, extended)
        .ok_or_else(|| format!("there is no model of the expression `{expression}`"))?;
    RegexBuilder::new(&translated)
        .case_insensitive(any_case)
        .multi_line(false)
        .size_limit(1 << 20)
        .build()
        .map_err(|_| format!("there is no model of the expression `{expression}`"))
}

fn translated(expression: &str, extended: bool) -> Option<String> {
    let mut result = String::new();
    let mut chars = expression.chars().peekable();
    let mut start = true;
    while let Some(c) = chars.next() {
        let was_start = std::mem::replace(&mut start, false);
        match c {
            '\\' => match chars.next()? {
                c @ ('(' | ')' | '{' | '}' | '|' | '+' | '?') => {
                    if extended {
                        result.push('\\');
                    }
                    result.push(c);
                    start = !extended && matches!(c, '(' | '|');
                }
                '<' | '>' => result.push_str("\\b"),
                c @ ('s' | 'S' | 'w' | 'W' | 'b' | 'B' | 'n' | 't') => {
                    result.push('\\');
                    result.push(c);
                }
                '\'' => result.push_str("\\z"),
                '`' => result.push_str("\\A"),
                c if c.is_ascii_digit() => return None,
                c => result.push_str(&regex::escape(&c.to_string())),
            },
            '(' | ')' | '{' | '}' | '|' | '+' | '?' if !extended => {
                result.push('\\');
                result.push(c);
            }
            '(' | '|' => {
                result.push(c);
                start = true;
            }
            '*' if was_start && !extended => result.push_str("\\*"),
            '^' if !was_start && !extended => result.push_str("\\^"),
            '^' => {
                result.push('^');
                start = true;
            }
            '$' if !extended && chars.peek().is_some() => {
                let mut rest = chars.clone();
                let closes = rest.next() == Some('\\') && matches!(rest.next(), Some(')' | '|'));
                result.push_str(if closes { "$" } else { "\\$" });
            }
            '[' => bracket(&mut chars, &mut result)?,
            c => result.push(c),
        }
    }
    Some(result)
}

fn bracket(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, result: &mut String) -> Option<()> {
    result.push('[');
    if chars.next_if_eq(&'^').is_some() {
        result.push('^');
    }
    let mut first = true;
    loop {
        match chars.next()? {
            ']' if !first => {
                result.push(']');
                return Some(());
            }
            '[' if chars.peek() == Some(&':') => {
                result.push('[');
                loop {
                    let c = chars.next()?;
                    result.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            c @ ('[' | ']' | '\\' | '&' | '~' | '^') => {
                result.push('\\');
                result.push(c);
            }
            c => result.push(c),
        }
        first = false;
    }
}
