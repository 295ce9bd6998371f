//! The grammar of expressions -> a tree, and a tree -> an expression of the `regex` crate.

use std::cmp::Reverse;

use super::{Dialect, Syntax};

/// No expression nests deeper.
const DEEPEST: usize = 50;

/// A part of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// One character of some, as the `regex` crate writes it.
    One(String),
    /// A place between characters, likewise.
    Anchor(&'static str),
    Group(Box<Node>),
    Repeat(Box<Node>, usize, Option<usize>),
    Chain(Vec<Node>),
    Choice(Vec<Node>),
}

impl Node {
    /// How many characters it matches, if that is always the same number.
    pub(super) fn length(&self) -> Option<usize> {
        match self {
            Node::One(_) => Some(1),
            Node::Anchor(_) => Some(0),
            Node::Group(inner) => inner.length(),
            Node::Repeat(inner, least, most) => match inner.length()? {
                0 => Some(0),
                length => most.filter(|most| most == least).map(|most| most * length),
            },
            Node::Chain(nodes) => nodes.iter().map(Node::length).sum(),
            Node::Choice(nodes) => {
                let first = nodes.first()?.length()?;
                nodes.iter().all(|node| node.length() == Some(first)).then_some(first)
            }
        }
    }

    /// Whether the way that is tried first may be another than the longest.
    pub(super) fn may_go_on(&self) -> bool {
        match self {
            Node::One(_) | Node::Anchor(_) => false,
            Node::Group(inner) => inner.may_go_on(),
            Node::Repeat(inner, ..) => !matches!(**inner, Node::One(_)),
            Node::Chain(nodes) => nodes.iter().any(Node::may_go_on),
            Node::Choice(_) => true,
        }
    }

    fn may_be_empty(&self) -> bool {
        match self {
            Node::One(_) => false,
            Node::Anchor(_) => true,
            Node::Group(inner) => inner.may_be_empty(),
            Node::Repeat(inner, least, _) => *least == 0 || inner.may_be_empty(),
            Node::Chain(nodes) => nodes.iter().all(Node::may_be_empty),
            Node::Choice(nodes) => nodes.iter().any(Node::may_be_empty),
        }
    }

    fn has_groups(&self) -> bool {
        match self {
            Node::One(_) | Node::Anchor(_) => false,
            Node::Group(_) => true,
            Node::Repeat(inner, ..) => inner.has_groups(),
            Node::Chain(nodes) | Node::Choice(nodes) => nodes.iter().any(Node::has_groups),
        }
    }

    /// Whether there are groups within what may be left out, or is one of several.
    fn has_other_groups(&self) -> bool {
        match self {
            Node::One(_) | Node::Anchor(_) => false,
            Node::Group(inner) => inner.has_other_groups(),
            Node::Repeat(..) | Node::Choice(_) => self.has_groups(),
            Node::Chain(nodes) => nodes.iter().any(Node::has_other_groups),
        }
    }

    /// Whether a round of a repetition may leave to a group what an earlier round gave it, or give it nothing: engines
    /// differ in that.
    pub(super) fn has_vague_groups(&self) -> bool {
        match self {
            Node::One(_) | Node::Anchor(_) => false,
            Node::Group(inner) => inner.has_vague_groups(),
            Node::Repeat(inner, ..) => {
                inner.has_groups() && (inner.may_be_empty() || inner.has_other_groups())
            }
            Node::Chain(nodes) | Node::Choice(nodes) => nodes.iter().any(Node::has_vague_groups),
        }
    }

    /// The expression of the `regex` crate that matches the same; reversed, it tries last what it tried first where
    /// it is not plain that the first is the longest.
    pub(super) fn written(&self, reversed: bool) -> String {
        match self {
            Node::One(text) => text.clone(),
            Node::Anchor(text) => (*text).to_owned(),
            Node::Group(inner) => format!("({})", inner.written(reversed)),
            Node::Repeat(inner, least, most) => {
                let lazy = if reversed && inner.length().is_none() { "?" } else { "" };
                let most = most.map_or(String::new(), |most| most.to_string());
                format!("(?:{}){{{least},{most}}}{lazy}", inner.written(reversed))
            }
            Node::Chain(nodes) => nodes.iter().map(|node| node.written(reversed)).collect(),
            Node::Choice(nodes) => {
                let mut nodes: Vec<&Node> = nodes.iter().collect();
                if nodes.iter().all(|node| node.length().is_some()) {
                    nodes.sort_by_key(|node| Reverse(node.length()));
                }
                if reversed {
                    nodes.reverse();
                }
                let written: Vec<String> = nodes.into_iter().map(|node| node.written(reversed)).collect();
                format!("(?:{})", written.join("|"))
            }
        }
    }
}

fn one(c: char) -> Node {
    Node::One(regex::escape(&c.to_string()))
}

/// A text as it is.
pub(super) fn literal(text: &str) -> Node {
    Node::Chain(text.chars().map(one).collect())
}

/// Reads an expression; none if it has no counterpart, or is a mistake.
pub(super) fn node(expression: &str, syntax: Syntax) -> Option<Node> {
    let mut reader = Reader { chars: expression.chars().collect(), at: 0, syntax };
    let node = reader.choice(0)?;
    (reader.at == reader.chars.len()).then_some(node)
}

enum Token {
    Open,
    Close,
    Bar,
    Repeat(usize, Option<usize>),
    Node(Node),
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    syntax: Syntax,
}

impl Reader {
    fn next(&mut self) -> Option<char> {
        let c = self.chars.get(self.at).copied();
        self.at += usize::from(c.is_some());
        c
    }

    fn follows(&self, text: &str) -> bool {
        self.chars[self.at..].iter().copied().take(text.chars().count()).eq(text.chars())
    }

    fn choice(&mut self, depth: usize) -> Option<Node> {
        let mut branches = Vec::new();
        loop {
            let (branch, goes_on) = self.chain(depth)?;
            branches.push(branch);
            if !goes_on {
                return if branches.len() == 1 { branches.pop() } else { Some(Node::Choice(branches)) };
            }
        }
    }

    /// One branch, and whether another follows. The bracket that closes a group is read with it.
    fn chain(&mut self, depth: usize) -> Option<(Node, bool)> {
        let mut nodes: Vec<Node> = Vec::new();
        while self.at < self.chars.len() {
            match self.token(nodes.is_empty())? {
                Token::Open if depth < DEEPEST => {
                    let inner = self.choice(depth + 1)?;
                    nodes.push(Node::Group(Box::new(inner)));
                }
                Token::Open => return None,
                Token::Close => return (depth > 0).then_some((Node::Chain(nodes), false)),
                Token::Bar => return Some((Node::Chain(nodes), true)),
                // Tools differ in what it repeats behind `^`.
                Token::Repeat(least, most) => match nodes.pop()? {
                    Node::Anchor(_) => return None,
                    node => nodes.push(Node::Repeat(Box::new(node), least, most)),
                },
                Token::Node(node) => nodes.push(node),
            }
        }
        (depth == 0).then_some((Node::Chain(nodes), false))
    }

    fn token(&mut self, is_start: bool) -> Option<Token> {
        let extended = self.syntax.extended;
        Some(match self.next()? {
            '\\' => return self.escape(),
            '[' => Token::Node(Node::One(self.bracket()?)),
            '.' => Token::Node(Node::One(".".to_owned())),
            '*' if is_start && !extended => Token::Node(one('*')),
            '*' => Token::Repeat(0, None),
            '^' if extended || is_start => Token::Node(Node::Anchor("^")),
            '$' if extended || self.at == self.chars.len() || self.follows("\\)") || self.follows("\\|") => {
                Token::Node(Node::Anchor("$"))
            }
            c if extended => return self.operator(c),
            c => Token::Node(one(c)),
        })
    }

    fn operator(&mut self, c: char) -> Option<Token> {
        Some(match c {
            '(' => Token::Open,
            ')' => Token::Close,
            '|' => Token::Bar,
            '+' => Token::Repeat(1, None),
            '?' => Token::Repeat(0, Some(1)),
            '{' if self.syntax.dialect == Dialect::Awk => return None,
            // What begins no interval is itself to grep, and a mistake to sed.
            '{' if self.syntax.dialect == Dialect::Grep
                && self.syntax.extended
                && !self.begins_interval() =>
            {
                Token::Node(one('{'))
            }
            '{' => return self.interval(),
            c => Token::Node(one(c)),
        })
    }

    fn escape(&mut self) -> Option<Token> {
        let c = self.next()?;
        let Syntax { dialect, extended } = self.syntax;
        Some(match c {
            '(' | ')' | '|' | '+' | '?' | '{' if !extended => return self.operator(c),
            '}' if !extended => return None,
            // A group's text again.
            '1'..='9' => return None,
            c if dialect == Dialect::Awk && c.is_alphanumeric() => Token::Node(one(control(c)?)),
            'w' | 'W' | 's' | 'S' => Token::Node(Node::One(format!("\\{c}"))),
            'b' => Token::Node(Node::Anchor("\\b")),
            'B' => Token::Node(Node::Anchor("\\B")),
            '<' => Token::Node(Node::Anchor("\\b{start}")),
            '>' => Token::Node(Node::Anchor("\\b{end}")),
            '\'' => Token::Node(Node::Anchor("\\z")),
            '`' => Token::Node(Node::Anchor("\\A")),
            c if dialect == Dialect::Sed && c.is_alphanumeric() => Token::Node(one(self.of_sed(c)?)),
            c => Token::Node(one(c)),
        })
    }

    /// The character that an escape of sed's stands for.
    fn of_sed(&mut self, letter: char) -> Option<char> {
        let (c, read) = numbered(letter, &self.chars[self.at..])?;
        self.at += read;
        // Which of them have a meaning depends on sed's version.
        (read == 0 || c.is_alphanumeric() || c.is_control() || " /,:;=@#%&_".contains(c)).then_some(c)
    }

    fn begins_interval(&self) -> bool {
        self.chars.get(self.at).is_some_and(|c| c.is_ascii_digit() || *c == ',')
    }

    /// What follows `{`.
    fn interval(&mut self) -> Option<Token> {
        let end = if self.syntax.extended { "}" } else { "\\}" };
        let mut text = String::new();
        while !self.follows(end) {
            text.push(self.next()?);
        }
        self.at += end.len();
        let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number <= 255);
        let is_plain = text.chars().all(|c| c.is_ascii_digit() || c == ',');
        let (least, most) = match text.split_once(',').filter(|_| is_plain) {
            Some(("", "")) => return None,
            Some((least, "")) => (number(least)?, None),
            Some(("", most)) => (0, Some(number(most)?)),
            Some((least, most)) => (number(least)?, Some(number(most)?)),
            None => (number(&text)?, Some(number(&text)?)),
        };
        most.is_none_or(|most| most >= least).then_some(Token::Repeat(least, most))
    }

    /// What follows `[`.
    fn bracket(&mut self) -> Option<String> {
        let mut set = String::from("[");
        if self.follows("^") {
            self.at += 1;
            set.push('^');
        }
        let start = self.at;
        loop {
            let is_first = self.at == start;
            if self.follows("]") && !is_first {
                self.at += 1;
                set.push(']');
                return Some(set);
            }
            if self.follows("[:") {
                self.at += 2;
                set.push_str(&self.class()?);
                continue;
            }
            let from = self.member(is_first)?;
            let is_range = self.follows("-") && self.chars.get(self.at + 1) != Some(&']');
            if !is_range {
                set.push_str(&escaped(from));
                continue;
            }
            self.at += 1;
            let to = self.member(true)?;
            if to < from || self.follows("-") && self.chars.get(self.at + 1) != Some(&']') {
                return None;
            }
            set.push_str(&format!("{}-{}", escaped(from), escaped(to)));
        }
    }

    fn class(&mut self) -> Option<String> {
        const CLASSES: [&str; 12] = [
            "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
            "upper", "xdigit",
        ];
        let name = CLASSES.iter().find(|name| self.follows(name))?;
        self.at += name.len();
        if !self.follows(":]") {
            return None;
        }
        self.at += 2;
        // A class begins no range.
        (!self.follows("-") || self.chars.get(self.at + 1) == Some(&']')).then(|| format!("[:{name}:]"))
    }

    /// A character of a set.
    fn member(&mut self, takes_hyphen: bool) -> Option<char> {
        match self.next()? {
            '[' if self.follows(".") || self.follows("=") || self.follows(":") => None,
            '-' if !takes_hyphen && !self.follows("]") => None,
            '\\' if self.syntax.dialect == Dialect::Awk => {
                let c = self.next()?;
                if c.is_alphanumeric() { control(c) } else { Some(c) }
            }
            '\\' if self.syntax.dialect == Dialect::Sed => {
                let letter = self.chars.get(self.at).copied();
                let found = letter.and_then(|letter| numbered(letter, &self.chars[self.at + 1..]));
                match (found, letter) {
                    (Some((_, read)), _) => {
                        self.at += 1;
                        let c = self.of_sed(self.chars[self.at - 1]);
                        c.filter(|c| read == 0 || !"]^[-\\".contains(*c))
                    }
                    (None, Some('c' | 'd' | 'o' | 'x')) => None,
                    _ => Some('\\'),
                }
            }
            c => Some(c),
        }
    }
}

/// A character within a set of the `regex` crate.
fn escaped(c: char) -> String {
    if c.is_ascii_punctuation() { format!("\\{c}") } else { c.to_string() }
}

/// The control character of a letter.
pub(in super::super) fn control(letter: char) -> Option<char> {
    Some(match letter {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'f' => '\x0c',
        'v' => '\x0b',
        'a' => '\x07',
        _ => return None,
    })
}

/// The ASCII character that sed makes of `\t`, `\d065`, `\o101` or `\x41`, and of how many characters behind the
/// letter.
pub(in super::super) fn numbered(letter: char, rest: &[char]) -> Option<(char, usize)> {
    let (base, most) = match letter {
        'd' => (10, 3),
        'o' => (8, 3),
        'x' => (16, 2),
        _ => return control(letter).map(|c| (c, 0)),
    };
    let digits = rest.iter().take(most).map_while(|c| c.to_digit(base));
    let (value, read) = digits.fold((0, 0), |(value, read), digit| (value * base + digit, read + 1));
    let byte = u8::try_from(value).ok().filter(|byte| read > 0 && byte.is_ascii() && *byte != 0)?;
    Some((char::from(byte), read))
}
