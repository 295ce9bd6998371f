//! Patterns of the shell (XCU 2.13), and the paths that match them.

use super::state::resolve;
use super::text::UNKNOWN;
use super::{Node, World};
use crate::root_path::RootPath;

/// How many paths one pattern may find.
const MOST_PATHS: usize = 10_000;

/// A pattern, ready to be matched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    Any,
    Many,
    /// Ranges, and whether it is negated.
    Class(Vec<(char, char)>, bool),
}

/// Whether a text matches; [`Match::Unknown`] if that depends on what is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It may.
    Unknown,
}

impl Pattern {
    /// From pieces of text, each with whether it is quoted; a quoted one stands for itself.
    pub fn new<'a>(pieces: impl IntoIterator<Item = (&'a str, bool)>) -> Self {
        let chars: Vec<(char, bool)> =
            pieces.into_iter().flat_map(|(text, quoted)| text.chars().map(move |c| (c, quoted))).collect();
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some((c, quoted)) = chars.get(at).copied() {
            at += 1;
            tokens.push(match c {
                _ if quoted => Token::Literal(c),
                UNKNOWN | '*' => Token::Many,
                '?' => Token::Any,
                '\\' if chars.get(at).is_some() => {
                    at += 1;
                    Token::Literal(chars[at - 1].0)
                }
                '[' => match class(&chars[at..]) {
                    Some((token, used)) => {
                        at += used;
                        token
                    }
                    None => Token::Literal('['),
                },
                c => Token::Literal(c),
            });
        }
        Pattern(tokens)
    }

    /// Whether there is anything but literal characters in it.
    pub fn is_plain(&self) -> bool {
        self.0.iter().all(|token| matches!(token, Token::Literal(_)))
    }

    /// How many characters a text has that matches; none where that varies.
    pub fn width(&self) -> Option<usize> {
        (!self.0.contains(&Token::Many)).then_some(self.0.len())
    }

    /// Whether a whole text matches.
    pub fn matches(&self, text: &str) -> Match {
        let chars: Vec<char> = text.chars().collect();
        if !chars.contains(&UNKNOWN) {
            return if self.accepts(&chars) { Match::Yes } else { Match::No };
        }
        if !self.0.is_empty() && self.0.iter().all(|token| *token == Token::Many) {
            return Match::Yes;
        }
        // What is known at the start and at the end may rule it out.
        let start: Vec<char> = chars.iter().copied().take_while(|c| *c != UNKNOWN).collect();
        let end: Vec<char> = chars.iter().rev().copied().take_while(|c| *c != UNKNOWN).collect();
        let open = |token: &Token| *token == Token::Many;
        let agree = |tokens: &mut dyn Iterator<Item = &Token>, known: &[char]| {
            for c in known {
                match tokens.next() {
                    None => return false,
                    Some(token) if open(token) => return true,
                    Some(token) if !token.accepts(*c) => return false,
                    Some(_) => {}
                }
            }
            true
        };
        let possible = agree(&mut self.0.iter(), &start) && agree(&mut self.0.iter().rev(), &end);
        if possible { Match::Unknown } else { Match::No }
    }

    /// Matching with one point to come back to: the last `*`.
    fn accepts(&self, text: &[char]) -> bool {
        let (mut at, mut token) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(token) {
                Some(Token::Many) => {
                    back = Some((token, at));
                    token += 1;
                }
                Some(one) if one.accepts(text[at]) => {
                    at += 1;
                    token += 1;
                }
                _ => match back {
                    Some((star, from)) => {
                        back = Some((star, from + 1));
                        (token, at) = (star + 1, from + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0[token..].iter().all(|token| *token == Token::Many)
    }

    /// The components between slashes.
    fn components(&self) -> Vec<Pattern> {
        self.0.split(|token| *token == Token::Literal('/')).map(|part| Pattern(part.to_vec())).collect()
    }

    fn literal(&self) -> Option<String> {
        self.0.iter().map(|token| if let Token::Literal(c) = token { Some(*c) } else { None }).collect()
    }

    /// The paths of a world that match, sorted; a relative pattern starts at a directory. None are found for a
    /// pattern that is plain.
    pub fn paths<W: World>(&self, world: &W, directory: &RootPath) -> Vec<String> {
        if self.is_plain() {
            return Vec::new();
        }
        let mut found = vec![String::new()];
        let components = self.components();
        for (index, component) in components.iter().enumerate() {
            let last = index + 1 == components.len();
            let mut next = Vec::new();
            for prefix in found {
                if let Some(name) = component.literal() {
                    let path = format!("{prefix}{name}");
                    let exists = name.is_empty() || exists(world, directory, &path);
                    if exists {
                        next.push(if last { path } else { format!("{path}/") });
                    }
                    continue;
                }
                let Some(place) = directory_at(world, directory, &prefix) else { continue };
                for name in world.list(&place) {
                    let hidden = name.starts_with('.') && component.0.first() != Some(&Token::Literal('.'));
                    if hidden || component.matches(&name) != Match::Yes || next.len() >= MOST_PATHS {
                        continue;
                    }
                    let path = format!("{prefix}{name}");
                    if last {
                        next.push(path);
                    } else if directory_at(world, directory, &path).is_some() {
                        next.push(format!("{path}/"));
                    }
                }
            }
            found = next;
        }
        found.sort();
        found
    }
}

fn exists<W: World>(world: &W, directory: &RootPath, path: &str) -> bool {
    super::state::lookup(world, directory, path, false).is_some()
}

fn directory_at<W: World>(world: &W, directory: &RootPath, path: &str) -> Option<RootPath> {
    let place = resolve(world, directory, if path.is_empty() { "." } else { path })?;
    (world.node(&place) == Some(Node::Directory)).then_some(place)
}

impl Token {
    fn accepts(&self, c: char) -> bool {
        match self {
            Token::Literal(own) => *own == c,
            Token::Any | Token::Many => true,
            Token::Class(ranges, negated) => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated
            }
        }
    }
}

/// A bracket expression after its `[`, and how many characters it has up to its `]`.
fn class(chars: &[(char, bool)]) -> Option<(Token, usize)> {
    let mut at = 0;
    let negated = matches!(chars.first(), Some(('!' | '^', false)));
    at += usize::from(negated);
    let mut ranges = Vec::new();
    let start = at;
    loop {
        let (c, quoted) = *chars.get(at)?;
        if c == ']' && !quoted && at > start {
            return Some((Token::Class(ranges, negated), at + 1));
        }
        if c == '/' {
            return None;
        }
        if c == '[' && chars.get(at + 1).is_some_and(|(c, _)| *c == ':') {
            let name: String = chars[at + 2..].iter().map(|(c, _)| *c).take_while(|c| *c != ':').collect();
            if let Some(named) = named_class(&name) {
                ranges.extend(named);
                at += name.len() + 4;
                continue;
            }
        }
        let range = matches!(chars.get(at + 1), Some(('-', false)));
        if let Some((end, _)) = chars.get(at + 2).filter(|(end, quoted)| range && (*end != ']' || *quoted)) {
            ranges.push((c, *end));
            at += 3;
        } else {
            ranges.push((c, c));
            at += 1;
        }
    }
}

fn named_class(name: &str) -> Option<Vec<(char, char)>> {
    Some(match name {
        "digit" => vec![('0', '9')],
        "alpha" => vec![('a', 'z'), ('A', 'Z')],
        "alnum" => vec![('a', 'z'), ('A', 'Z'), ('0', '9')],
        "upper" => vec![('A', 'Z')],
        "lower" => vec![('a', 'z')],
        "space" => vec![(' ', ' '), ('\t', '\r')],
        "blank" => vec![(' ', ' '), ('\t', '\t')],
        "punct" => vec![('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "xdigit" => vec![('0', '9'), ('a', 'f'), ('A', 'F')],
        "print" => vec![(' ', '~')],
        "graph" => vec![('!', '~')],
        "cntrl" => vec![('\0', '\x1f'), ('\x7f', '\x7f')],
        _ => return None,
    })
}
