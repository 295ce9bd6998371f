//! Reading a script of sed: its commands and their addresses.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::regular::{Dialect, Regular, Syntax, numbered};
use super::replacement::Part;

/// An expression; none is the one that was used last.
pub(super) type Expression = Option<Rc<Regular>>;

pub(super) enum Address {
    Line(usize),
    /// Lines from the first on, so far apart.
    Step(usize, usize),
    Last,
    Expression(Expression),
    /// So many lines after the first of a range.
    More(usize),
    /// Up to a line whose number is a multiple.
    Multiple(usize),
}

pub(super) struct Substitution {
    pub(super) expression: Expression,
    pub(super) replacement: Vec<Part>,
    pub(super) all: bool,
    pub(super) nth: usize,
    pub(super) print: bool,
}

pub(super) enum Action {
    Substitute(Substitution),
    Transliterate(BTreeMap<char, char>),
    Delete,
    DeleteFirst,
    Print,
    PrintFirst,
    Number,
    Next,
    NextToo,
    Hold,
    HoldToo,
    Get,
    GetToo,
    Exchange,
    Empty,
    /// With a status, and whether the line is written.
    Quit(i32, bool),
    Append(String),
    Insert(String),
    Change(String),
    /// Where it does not apply, its commands are passed over: the one behind it.
    Group(usize),
    /// Goes on at a command.
    Branch(usize),
    /// Likewise, where something has been substituted, or nothing.
    BranchIf(usize, bool),
    /// A label, or the end of a group.
    Nothing,
}

pub(super) struct Command {
    pub(super) from: Option<Address>,
    pub(super) to: Option<Address>,
    pub(super) negated: bool,
    pub(super) action: Action,
    /// How far the range of `from` and `to` goes that it is within.
    pub(super) until: Option<Until>,
}

#[derive(Clone, Copy)]
pub(super) enum Until {
    /// To this line.
    Line(usize),
    /// To one of which the address tells.
    Told,
}

/// A script in the reading.
struct Script<'a> {
    rest: &'a str,
    extended: bool,
    commands: Vec<Command>,
    /// Groups that are open.
    open: Vec<usize>,
    labels: BTreeMap<String, usize>,
    branches: Vec<(usize, String)>,
}

pub(super) type Failure = String;

fn unmodelled() -> Failure {
    "there is no model of its script".to_owned()
}

impl Script<'_> {
    fn skip(&mut self, also: &[char]) {
        self.rest = self.rest.trim_start_matches(|c: char| c.is_whitespace() || also.contains(&c));
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn takes(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn number(&mut self) -> Option<usize> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let number = self.rest[..end].parse().ok();
        self.rest = &self.rest[end..];
        number
    }

    /// Up to a delimiter that is not escaped; an escaped one loses its escape.
    fn delimited(&mut self, delimiter: char, is_expression: bool) -> Result<String, Failure> {
        let special = if self.extended { ".*[]^$+?(){}|" } else { ".*[]^$" };
        let (mut text, mut bracket) = (String::new(), false);
        if delimiter.is_alphanumeric() || matches!(delimiter, '\\' | '\n') {
            return Err(unmodelled());
        }
        while let Some(c) = self.next() {
            match c {
                '\n' => return Err(unmodelled()),
                '\\' if self.rest.starts_with(delimiter) => {
                    self.next();
                    // Whether it keeps its meaning then depends on sed's version.
                    if is_expression && special.contains(delimiter) {
                        return Err(unmodelled());
                    }
                    text.push_str(if delimiter == '&' && !is_expression { "\\&" } else { "" });
                    text.extend(Some(delimiter).filter(|c| *c != '&' || is_expression));
                }
                '\\' if bracket => text.push('\\'),
                '\\' if is_expression && self.takes('\n') => text.push('\n'),
                '\\' => {
                    text.push('\\');
                    text.push(self.next().ok_or_else(unmodelled)?);
                }
                c if c == delimiter && !bracket => return Ok(text),
                '[' if is_expression && !bracket => {
                    bracket = true;
                    text.push('[');
                    for first in ['^', ']'] {
                        text.extend(Some(first).filter(|first| self.takes(*first)));
                    }
                }
                '[' if bracket && self.rest.starts_with(':') => {
                    let end = self.rest.find(":]").ok_or_else(unmodelled)? + 2;
                    text.push('[');
                    text.push_str(&self.rest[..end]);
                    self.rest = &self.rest[end..];
                }
                c => {
                    bracket &= c != ']';
                    text.push(c);
                }
            }
        }
        Err(unmodelled())
    }

    fn expression(&self, text: &str, any_case: bool) -> Result<Expression, Failure> {
        if text.is_empty() {
            return if any_case { Err(unmodelled()) } else { Ok(None) };
        }
        let syntax = Syntax { dialect: Dialect::Sed, extended: self.extended };
        Ok(Some(Rc::new(Regular::compile(text, syntax, any_case)?)))
    }

    fn address(&mut self) -> Result<Option<Address>, Failure> {
        Ok(Some(match self.rest.chars().next() {
            Some('0'..='9') => {
                let number = self.number().ok_or_else(unmodelled)?;
                if self.takes('~') {
                    Address::Step(number, self.number().ok_or_else(unmodelled)?)
                } else {
                    Address::Line(number)
                }
            }
            Some(c @ ('+' | '~')) => {
                self.next();
                let number = self.number().ok_or_else(unmodelled)?;
                if c == '+' { Address::More(number) } else { Address::Multiple(number) }
            }
            Some('$') => {
                self.next();
                Address::Last
            }
            Some(c @ ('/' | '\\')) => {
                self.next();
                let delimiter = if c == '/' { '/' } else { self.next().ok_or_else(unmodelled)? };
                let text = self.delimited(delimiter, true)?;
                let any_case = self.takes('I');
                Address::Expression(self.expression(&text, any_case)?)
            }
            _ => return Ok(None),
        }))
    }

    fn read(mut self) -> Result<Vec<Command>, Failure> {
        loop {
            self.skip(&[';']);
            if self.rest.is_empty() {
                break;
            }
            if self.rest.starts_with('#') {
                self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
                continue;
            }
            let from = self.address()?;
            self.skip(&[]);
            let mut to = None;
            if self.takes(',') {
                self.skip(&[]);
                to = Some(self.address()?.ok_or_else(unmodelled)?);
                self.skip(&[]);
            }
            let negated = self.takes('!');
            self.skip(&[]);
            let is_from_start =
                matches!((&from, &to), (Some(Address::Line(0)), Some(Address::Expression(_))));
            let is_amiss = match (&from, &to) {
                (Some(Address::Line(0)), _) => !is_from_start,
                // What steps come to as the end of a range is not looked into.
                (Some(Address::More(_) | Address::Multiple(_)), _)
                | (None, Some(_))
                | (_, Some(Address::Step(..))) => true,
                _ => false,
            };
            if is_amiss {
                return Err(unmodelled());
            }
            let action = self.action(from.is_some())?;
            // `0,/expression/` may end on the first line.
            let until = is_from_start.then_some(Until::Told);
            self.commands.push(Command { from, to, negated, action, until });
        }
        for (at, label) in std::mem::take(&mut self.branches) {
            let end = self.commands.len();
            let target = if label.is_empty() { Some(end) } else { self.labels.get(&label).copied() };
            let target = target.ok_or_else(unmodelled)?;
            match &mut self.commands[at].action {
                Action::Branch(to) | Action::BranchIf(to, _) => *to = target,
                _ => {}
            }
        }
        if self.open.is_empty() { Ok(self.commands) } else { Err(unmodelled()) }
    }

    fn action(&mut self, has_address: bool) -> Result<Action, Failure> {
        let c = self.next().ok_or_else(unmodelled)?;
        let here = self.commands.len();
        let action = match c {
            '{' => {
                self.open.push(here);
                return Ok(Action::Group(0));
            }
            '}' if !has_address => {
                let start = self.open.pop().ok_or_else(unmodelled)?;
                self.commands[start].action = Action::Group(here);
                Action::Nothing
            }
            ':' if !has_address => {
                let label = self.label()?;
                if label.is_empty() || self.labels.insert(label, here).is_some() {
                    return Err(unmodelled());
                }
                return Ok(Action::Nothing);
            }
            'b' | 't' | 'T' => {
                let label = self.label()?;
                self.branches.push((here, label));
                return Ok(if c == 'b' { Action::Branch(0) } else { Action::BranchIf(0, c == 't') });
            }
            'a' | 'i' | 'c' => return self.text(c),
            's' => self.substitution()?,
            'y' => self.transliteration()?,
            'q' | 'Q' => {
                self.skip_blanks();
                let status = self.number().unwrap_or(0);
                Action::Quit(i32::from(u8::try_from(status).map_err(|_| unmodelled())?), c == 'q')
            }
            other => plain(other).ok_or_else(|| format!("there is no model of its command `{other}`"))?,
        };
        self.skip_blanks();
        match self.rest.chars().next() {
            None | Some('\n' | ';' | '}' | '#') => Ok(action),
            Some(_) => Err(unmodelled()),
        }
    }

    /// A label, which blanks end too: another command may follow them.
    fn label(&mut self) -> Result<String, Failure> {
        self.skip_blanks();
        let end = self.rest.find(|c: char| c == ';' || c.is_whitespace()).unwrap_or(self.rest.len());
        let label = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        if label.contains('}') { Err(unmodelled()) } else { Ok(label) }
    }

    fn substitution(&mut self) -> Result<Action, Failure> {
        let delimiter = self.next().ok_or_else(unmodelled)?;
        let expression = self.delimited(delimiter, true)?;
        let replacement = self.delimited(delimiter, false)?;
        let (mut all, mut nth, mut print, mut any_case) = (false, None, false, false);
        loop {
            match self.rest.chars().next() {
                Some('g') if !all => all = true,
                Some('p') if !print => print = true,
                Some('i' | 'I') => any_case = true,
                Some('1'..='9') if nth.is_none() => {
                    nth = self.number();
                    continue;
                }
                Some(c) if c.is_alphanumeric() => return Err("there is no model of its flag".to_owned()),
                _ => break,
            }
            self.next();
        }
        let expression = self.expression(&expression, any_case)?;
        let replacement = super::replacement::parts(&replacement).ok_or_else(unmodelled)?;
        let nth = nth.unwrap_or(1);
        Ok(Action::Substitute(Substitution { expression, replacement, all, nth, print }))
    }

    fn transliteration(&mut self) -> Result<Action, Failure> {
        let delimiter = self.next().ok_or_else(unmodelled)?;
        let mut sets = Vec::new();
        for _ in 0..2 {
            let text = self.delimited(delimiter, false)?;
            let (mut set, mut chars) = (Vec::new(), text.chars());
            while let Some(c) = chars.next() {
                let c = match c {
                    '\\' => match chars.next() {
                        Some('\\') => '\\',
                        Some('&') if delimiter == '&' => '&',
                        Some('n') => '\n',
                        Some('t') => '\t',
                        _ => return Err(unmodelled()),
                    },
                    c => c,
                };
                set.push(c);
            }
            sets.push(set);
        }
        let mut pairs = BTreeMap::new();
        for (from, to) in sets[0].iter().zip(&sets[1]) {
            pairs.entry(*from).or_insert(*to);
        }
        let is_sound = sets[0].len() == sets[1].len() && pairs.len() == sets[0].len();
        if is_sound { Ok(Action::Transliterate(pairs)) } else { Err(unmodelled()) }
    }

    /// The text of `a`, `i` or `c`: behind a backslash and the end of the line, or in the same line.
    fn text(&mut self, command: char) -> Result<Action, Failure> {
        self.skip_blanks();
        if self.takes('\\') {
            let rest = self.rest;
            self.skip_blanks();
            if !self.takes('\n') {
                self.rest = rest;
            }
        } else if self.rest.is_empty() || self.rest.starts_with('\n') {
            return Err(unmodelled());
        }
        let is_empty = self.rest.is_empty();
        let mut body = String::new();
        while let Some(c) = self.next().filter(|c| *c != '\n') {
            if c != '\\' {
                body.push(c);
                continue;
            }
            let Some(letter) = self.next() else { break };
            let after: Vec<char> = self.rest.chars().take(3).collect();
            match numbered(letter, &after) {
                Some((c, read)) if c != '\\' => {
                    body.push(c);
                    self.rest = &self.rest[read..];
                }
                Some(_) => return Err(unmodelled()),
                None if "cdox".contains(letter) => return Err(unmodelled()),
                None => body.push(letter),
            }
        }
        // `$a\` alone only ends the last line.
        match (command, is_empty) {
            ('a', true) => return Ok(Action::Append(String::new())),
            (_, true) => return Err(unmodelled()),
            _ => body.push('\n'),
        }
        Ok(match command {
            'a' => Action::Append(body),
            'i' => Action::Insert(body),
            _ => Action::Change(body),
        })
    }
}

/// A command that is only a letter.
fn plain(letter: char) -> Option<Action> {
    Some(match letter {
        'd' => Action::Delete,
        'D' => Action::DeleteFirst,
        'p' => Action::Print,
        'P' => Action::PrintFirst,
        '=' => Action::Number,
        'n' => Action::Next,
        'N' => Action::NextToo,
        'h' => Action::Hold,
        'H' => Action::HoldToo,
        'g' => Action::Get,
        'G' => Action::GetToo,
        'x' => Action::Exchange,
        'z' => Action::Empty,
        _ => return None,
    })
}

/// The commands of a script; `extended` says which expressions it has (XBD 9).
pub(super) fn commands(script: &str, extended: bool) -> Result<Vec<Command>, Failure> {
    let script = Script {
        rest: script,
        extended,
        commands: Vec::new(),
        open: Vec::new(),
        labels: BTreeMap::new(),
        branches: Vec::new(),
    };
    script.read()
}
