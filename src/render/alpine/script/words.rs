//! A shell script as tokens: words with their parts, operators, ends of lines.

use std::collections::BTreeMap;

/// A token, and the line it begins on, counted from zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word.
    Word(Word),
    /// An operator: `;`, `&&`, `(` ...
    Operator(&'static str),
    /// An operator that the name of a file follows: `>`, `>>`, `<`, `<<`, `>&`, `<&`, `&>`.
    Redirection(&'static str),
    /// The end of a line.
    Newline,
}

/// A word before expansion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    parts: Vec<Part>,
    /// Whether any of it is quoted.
    quoted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable {
        name: String,
        quoted: bool,
    },
    /// A substitution, a pattern or the like.
    Unclear,
}

impl Word {
    fn push(&mut self, letter: char) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push(letter),
            _ => self.parts.push(Part::Text(letter.into())),
        }
    }

    /// The text of a word without quotes and expansions.
    pub(super) fn plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] if !self.quoted => Some(text),
            _ => None,
        }
    }

    /// What it begins with before any expansion.
    pub(super) fn leading_text(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// The word's text; none where it cannot be told, or would become several words or none.
    pub(super) fn expand(&self, variables: &BTreeMap<String, String>) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Variable { name, quoted } => {
                    let value = variables.get(name)?;
                    let several =
                        value.is_empty() || value.contains(|c: char| c.is_whitespace() || "*?[".contains(c));
                    if several && !quoted {
                        return None;
                    }
                    text.push_str(value);
                }
                Part::Unclear => return None,
            }
        }
        Some(text)
    }
}

/// Reads a script into tokens. What is left open at its end is closed there.
pub(super) fn tokens(script: &str) -> Vec<Token> {
    let mut reader = Reader {
        letters: script.chars().collect(),
        at: 0,
        line: 0,
        tokens: Vec::new(),
        word: None,
        started: 0,
        documents: Vec::new(),
    };
    reader.read();
    reader.tokens
}

/// Operators, longer ones first.
const OPERATORS: [&str; 8] = ["&&", "||", ";;", ";", "&", "|", "(", ")"];
const REDIRECTIONS: [&str; 9] = ["<<-", "<<", "&>", ">>", ">&", "<&", ">|", ">", "<"];

struct Reader {
    letters: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
    word: Option<Word>,
    /// The line the word began on.
    started: usize,
    /// Here-documents whose text begins at the next line.
    documents: Vec<Option<String>>,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += 1;
        self.line += usize::from(letter == '\n');
        Some(letter)
    }

    fn starts_with(&self, text: &str) -> bool {
        let rest = &self.letters[self.at.min(self.letters.len())..];
        text.chars().enumerate().all(|(at, letter)| rest.get(at) == Some(&letter))
    }

    fn word(&mut self) -> &mut Word {
        if self.word.is_none() {
            self.started = self.line;
        }
        self.word.get_or_insert_default()
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        let line = self.started;
        if let Some(Token { kind: Kind::Redirection("<<" | "<<-"), .. }) = self.tokens.last() {
            self.documents.push(word.expand(&BTreeMap::new()));
        }
        self.tokens.push(Token { line, kind: Kind::Word(word) });
    }

    fn push(&mut self, kind: Kind) {
        self.tokens.push(Token { line: self.line, kind });
    }

    fn read(&mut self) {
        while let Some(letter) = self.peek() {
            if let Some(redirection) = REDIRECTIONS.iter().find(|text| self.starts_with(text)) {
                self.redirection(redirection);
            } else if let Some(operator) = OPERATORS.iter().find(|text| self.starts_with(text)) {
                self.end_word();
                self.at += operator.len();
                self.push(Kind::Operator(operator));
            } else if letter == '\n' {
                self.end_word();
                self.push(Kind::Newline);
                self.next();
                self.skip_documents();
            } else if letter.is_whitespace() {
                self.end_word();
                self.next();
            } else if letter == '#' && self.word.is_none() {
                while self.peek().is_some_and(|letter| letter != '\n') {
                    self.next();
                }
            } else {
                self.letter();
            }
        }
        self.end_word();
        self.push(Kind::Newline);
    }

    fn redirection(&mut self, text: &'static str) {
        // A number right before it is a descriptor's.
        let is_number =
            |word: &Word| word.plain().is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        if text != "&>" && self.word.as_ref().is_some_and(is_number) {
            self.word = None;
        }
        self.end_word();
        self.at += text.len();
        self.push(Kind::Redirection(text));
    }

    /// One letter of a word, or what a quote or `$` begins.
    fn letter(&mut self) {
        match self.next() {
            Some('\\') => match self.next() {
                Some('\n') | None => {}
                Some(letter) => {
                    self.word().quoted = true;
                    self.word().push(letter);
                }
            },
            Some('\'') => {
                self.word().quoted = true;
                while let Some(letter) = self.next().filter(|letter| *letter != '\'') {
                    self.word().push(letter);
                }
            }
            Some('"') => self.double_quotes(),
            Some('$') => self.dollar(false),
            Some('`') => self.backquotes(),
            // `[` is a command; a pattern only within a word.
            Some(letter @ ('*' | '?')) => {
                self.word().push(letter);
                self.word().parts.push(Part::Unclear);
            }
            Some(letter) => self.word().push(letter),
            None => {}
        }
    }

    fn double_quotes(&mut self) {
        self.word().quoted = true;
        // So that `""` is a word.
        self.word().parts.push(Part::Text(String::new()));
        while let Some(letter) = self.next().filter(|letter| *letter != '"') {
            match letter {
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(letter @ ('$' | '`' | '"' | '\\')) => self.word().push(letter),
                    Some(letter) => {
                        self.word().push('\\');
                        self.word().push(letter);
                    }
                },
                '$' => self.dollar(true),
                '`' => self.backquotes(),
                letter => self.word().push(letter),
            }
        }
    }

    fn backquotes(&mut self) {
        self.word().parts.push(Part::Unclear);
        while self.next().is_some_and(|letter| letter != '`') {}
    }

    /// What follows a `$`.
    fn dollar(&mut self, quoted: bool) {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        match self.peek() {
            Some(opening @ ('(' | '{')) => {
                let closing = if opening == '(' { ')' } else { '}' };
                let (mut depth, mut text) = (0_usize, String::new());
                while let Some(letter) = self.next() {
                    depth += usize::from(letter == opening);
                    depth -= usize::from(letter == closing);
                    if depth == 0 {
                        break;
                    }
                    text.push(letter);
                }
                let name = text.get(1..).unwrap_or_default();
                let is_variable = opening == '{' && !name.is_empty() && name.chars().all(is_name);
                let part = Part::Variable { name: name.to_owned(), quoted };
                self.word().parts.push(if is_variable { part } else { Part::Unclear });
            }
            Some(letter) if is_name(letter) && !letter.is_ascii_digit() => {
                let mut name = String::new();
                while let Some(letter) = self.peek().filter(|letter| is_name(*letter)) {
                    name.push(letter);
                    self.at += 1;
                }
                self.word().parts.push(Part::Variable { name, quoted });
            }
            // `$1`, `$@`, `$?` and the like.
            Some(letter) if !letter.is_whitespace() && letter != '"' => {
                self.next();
                self.word().parts.push(Part::Unclear);
            }
            _ => self.word().push('$'),
        }
    }

    /// Passes over the here-documents that begin at this line; one whose end cannot be told is the rest.
    fn skip_documents(&mut self) {
        for end in std::mem::take(&mut self.documents) {
            loop {
                let mut line = String::new();
                let before = self.at;
                while let Some(letter) = self.next().filter(|letter| *letter != '\n') {
                    line.push(letter);
                }
                if self.at == before || end.as_deref() == Some(line.trim_start_matches('\t')) {
                    break;
                }
            }
        }
    }
}
