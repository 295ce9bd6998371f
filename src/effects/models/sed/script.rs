//! Reading a script of sed: its commands and their addresses.

use regex::Regex;

use super::super::regular;

pub(super) enum Address {
    Line(usize),
    Last,
    Expression(Regex),
}

pub(super) struct Substitution {
    pub(super) regex: Regex,
    pub(super) replacement: String,
    pub(super) all: bool,
    pub(super) nth: usize,
    pub(super) print: bool,
}

pub(super) enum Action {
    Substitute(Box<Substitution>),
    Transliterate(Vec<(char, char)>),
    Delete,
    Print,
    Quit,
    Append(String),
    Insert(String),
    Change(String),
    Group(Vec<Command>),
}

pub(super) struct Command {
    pub(super) from: Option<Address>,
    pub(super) to: Option<Address>,
    pub(super) negated: bool,
    pub(super) action: Action,
    /// Within the range of `from` and `to`.
    pub(super) active: bool,
}

/// A script in the reading.
struct Script<'a> {
    rest: &'a str,
    extended: bool,
}

pub(super) type Failure = String;

impl Script<'_> {
    fn skip(&mut self, also: &[char]) {
        self.rest = self.rest.trim_start_matches(|c: char| c.is_whitespace() || also.contains(&c));
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Up to a delimiter that is not escaped; an escaped one loses its escape.
    fn delimited(&mut self, delimiter: char, is_expression: bool) -> Option<String> {
        let (mut text, mut bracket) = (String::new(), false);
        while let Some(c) = self.next() {
            match c {
                '\\' => match self.next()? {
                    c if c == delimiter && !(is_expression && "|(){}+?.*[]^$".contains(c)) => text.push(c),
                    c => {
                        text.push('\\');
                        text.push(c);
                    }
                },
                c if c == delimiter && !bracket => return Some(text),
                c => {
                    if is_expression && c == '[' && !bracket {
                        bracket = true;
                        text.push(c);
                        for first in ['^', ']'] {
                            if self.rest.starts_with(first) {
                                text.extend(self.next());
                            }
                        }
                        continue;
                    }
                    if c == ']' {
                        bracket = false;
                    }
                    text.push(c);
                }
            }
        }
        None
    }

    fn address(&mut self) -> Result<Option<Address>, Failure> {
        let incomplete = || "its script is not complete".to_owned();
        Ok(Some(match self.rest.chars().next() {
            Some('0'..='9') => {
                let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
                let number = self.rest[..end].parse().map_err(|_| incomplete())?;
                self.rest = &self.rest[end..];
                Address::Line(number)
            }
            Some('$') => {
                self.next();
                Address::Last
            }
            Some(c @ ('/' | '\\')) => {
                self.next();
                let delimiter = if c == '/' { '/' } else { self.next().ok_or_else(incomplete)? };
                let text = self.delimited(delimiter, true).ok_or_else(incomplete)?;
                let any_case = self.rest.starts_with('I');
                if any_case {
                    self.next();
                }
                Address::Expression(regular::compile(&text, self.extended, any_case)?)
            }
            _ => return Ok(None),
        }))
    }

    fn commands(&mut self, depth: usize) -> Result<Vec<Command>, Failure> {
        let mut commands = Vec::new();
        loop {
            self.skip(&[';']);
            if self.rest.is_empty() {
                return if depth == 0 { Ok(commands) } else { Err("its script is not complete".to_owned()) };
            }
            if self.rest.starts_with('#') {
                self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
                continue;
            }
            if self.rest.starts_with('}') && depth > 0 {
                self.next();
                return Ok(commands);
            }
            let from = self.address()?;
            let mut to = None;
            self.skip(&[]);
            if self.rest.starts_with(',') {
                self.next();
                self.skip(&[]);
                to = self.address()?;
                if to.is_none() {
                    return Err("there is no model of its address".to_owned());
                }
            }
            self.skip(&[]);
            let negated = self.rest.starts_with('!');
            if negated {
                self.next();
                self.skip(&[]);
            }
            let action = self.action(depth)?;
            // `0,/expression/` may end on the first line.
            let active = matches!((&from, &to), (Some(Address::Line(0)), Some(Address::Expression(_))));
            commands.push(Command { from, to, negated, action, active });
        }
    }

    fn action(&mut self, depth: usize) -> Result<Action, Failure> {
        let incomplete = || "its script is not complete".to_owned();
        let c = self.next().ok_or_else(incomplete)?;
        Ok(match c {
            'd' => Action::Delete,
            'p' => Action::Print,
            'q' => Action::Quit,
            '{' if depth < 8 => Action::Group(self.commands(depth + 1)?),
            ':' => return Err("there is no model of its labels".to_owned()),
            's' => {
                let delimiter = self.next().ok_or_else(incomplete)?;
                let expression = self.delimited(delimiter, true).ok_or_else(incomplete)?;
                let replacement = self.delimited(delimiter, false).ok_or_else(incomplete)?;
                let (mut all, mut nth, mut print, mut any_case) = (false, 1, false, false);
                loop {
                    match self.rest.chars().next() {
                        Some('g') => all = true,
                        Some('p') => print = true,
                        Some('i' | 'I') => any_case = true,
                        Some(digit @ '1'..='9') => {
                            nth = usize::try_from(digit.to_digit(10).unwrap_or(1)).unwrap_or(1);
                        }
                        Some('e' | 'w' | 'm' | 'M') => return Err("there is no model of its flag".to_owned()),
                        _ => break,
                    }
                    self.next();
                }
                let regex = regular::compile(&expression, self.extended, any_case)?;
                Action::Substitute(Box::new(Substitution { regex, replacement, all, nth, print }))
            }
            'y' => {
                let delimiter = self.next().ok_or_else(incomplete)?;
                let from = self.delimited(delimiter, false).ok_or_else(incomplete)?;
                let to = self.delimited(delimiter, false).ok_or_else(incomplete)?;
                Action::Transliterate(from.chars().zip(to.chars()).collect())
            }
            'a' | 'i' | 'c' => {
                let blank = |c: char| c == ' ' || c == '\t';
                let mut text = self.rest.trim_start_matches(blank);
                text = text.strip_prefix('\\').map_or(text, |rest| rest.trim_start_matches(blank));
                text = text.strip_prefix('\n').unwrap_or(text);
                let mut body = String::new();
                let mut chars = text.chars();
                loop {
                    match chars.next() {
                        Some('\\') => body.extend(chars.next()),
                        None | Some('\n') => break,
                        Some(c) => body.push(c),
                    }
                }
                self.rest = &self.rest[self.rest.len() - chars.as_str().len()..];
                body.push('\n');
                match c {
                    'a' => Action::Append(body),
                    'i' => Action::Insert(body),
                    _ => Action::Change(body),
                }
            }
            other => return Err(format!("there is no model of its command `{other}`")),
        })
    }
}

/// The commands of a script; `extended` says which expressions it has (XBD 9).
pub(super) fn commands(script: &str, extended: bool) -> Result<Vec<Command>, Failure> {
    Script { rest: script, extended }.commands(0)
}
