//! Commands: where they may begin, and what brackets and `case` enclose (XCU 2.4, 2.9.4, 2.10).

use std::borrow::Cow;

use super::words::ends_word;
use super::{NO_WORD, Reader};

/// Words after which a reserved word may stand.
const RESERVED: [&str; 13] =
    ["then", "do", "else", "elif", "if", "while", "until", "!", "{", "fi", "done", "esac", "}"];

/// What is open around a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// Brackets around commands.
    Commands,
    /// Brackets around words: of bash's arrays and patterns.
    Words,
    /// `case`, before its word.
    Case,
    /// `case` and its word, before `in`.
    In,
    /// Where a `case` has patterns.
    Pattern,
    /// The commands of one of its branches.
    Branch,
}

/// What of a `for` has been read last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Itself,
    Name,
    In,
}

/// Where in the grammar a reader is.
struct Place {
    open: Vec<Open>,
    /// None but at the start of a `for`.
    within_for: Option<For>,
    /// A reserved word, or the first pattern of a branch, may be next.
    is_start: bool,
}

impl Place {
    fn has_commands(&self) -> bool {
        matches!(self.open.last(), None | Some(Open::Commands | Open::Branch))
    }

    fn is_first_pattern(&self) -> bool {
        self.is_start && self.open.last() == Some(&Open::Pattern)
    }

    fn separator(&mut self) {
        self.is_start |= self.has_commands();
    }

    fn begin(&mut self, open: Open) {
        self.open.push(open);
        self.is_start = matches!(open, Open::Commands | Open::Pattern);
    }

    /// In the place of the innermost that is open comes another.
    fn turn(&mut self, open: Open) {
        self.open.pop();
        self.begin(open);
    }

    fn word(&mut self, word: &str) {
        let is_start = std::mem::take(&mut self.is_start);
        self.within_for = match self.within_for {
            None if is_start && word == "for" && self.has_commands() => Some(For::Itself),
            Some(For::Itself) => Some(For::Name),
            Some(For::Name) if word == "in" => Some(For::In),
            _ => None,
        };
        match (self.open.last(), word) {
            (Some(Open::Case), _) => self.turn(Open::In),
            (Some(Open::In), _) => self.turn(Open::Pattern),
            (Some(Open::Pattern | Open::Branch), "esac") if is_start => {
                self.open.pop();
                self.is_start = true;
            }
            (Some(Open::Pattern | Open::Words), _) => {}
            (_, "case") if is_start => self.begin(Open::Case),
            (_, word) => self.is_start = is_start && RESERVED.contains(&word),
        }
    }

    /// The end of a branch.
    fn next_branch(&mut self) {
        if self.open.last() == Some(&Open::Branch) {
            self.turn(Open::Pattern);
        }
        self.separator();
    }

    /// A closing bracket; false if it closes nothing that is open.
    fn close(&mut self) -> bool {
        if self.open.last() == Some(&Open::Pattern) {
            self.turn(Open::Branch);
            self.is_start = true;
            return true;
        }
        // A `case` without an end ends too.
        while let Some(open) = self.open.pop() {
            if matches!(open, Open::Commands | Open::Words) {
                self.is_start = open == Open::Commands;
                return true;
            }
        }
        false
    }
}

impl Reader<'_> {
    /// Commands: all that there are, or up to and with the bracket that closes a substitution.
    pub(super) fn commands(&mut self, is_substitution: bool) {
        let mut place = Place { open: Vec::new(), within_for: None, is_start: true };
        let (mut word_end, mut group_end) = (usize::MAX, usize::MAX);
        loop {
            self.skip_blanks();
            let start = self.at;
            let Some(c) = self.peek() else { break };
            match c {
                '#' => {
                    self.at += self.rest().find('\n').unwrap_or(self.rest().len());
                    if is_substitution {
                        self.replace(start, "");
                    }
                }
                '\n' => {
                    self.at += 1;
                    self.read_bodies();
                    place.separator();
                }
                '(' => self.bracket(&mut place, word_end == start),
                ')' => {
                    let is_group = place.open.last() == Some(&Open::Commands);
                    // The parser would take two such brackets for arithmetic's, and `esac` for a pattern.
                    if is_group && group_end == start {
                        self.flush(start);
                        self.parts.push(Cow::Borrowed(";"));
                    }
                    self.at += 1;
                    if !place.close() && is_substitution {
                        break;
                    }
                    if is_group {
                        self.skip_blanks();
                        group_end = self.at;
                    }
                }
                '<' | '>' => {
                    self.redirection(c);
                    place.is_start = false;
                }
                ';' if [";;", ";&"].iter().any(|end| self.skip(end)) => place.next_branch(),
                ';' | '&' | '|' => {
                    self.at += 1;
                    place.separator();
                }
                _ => {
                    // The parser's tokenizer counts brackets in a substitution.
                    if is_substitution && place.is_first_pattern() && !self.is_esac() {
                        self.flush(start);
                        self.parts.push(Cow::Borrowed("("));
                    }
                    let word = self.word();
                    word_end = self.at;
                    place.word(&word);
                    if place.within_for == Some(For::In) {
                        self.words_of_for();
                    }
                    if word == "esac" && place.is_start {
                        self.skip_blanks();
                        group_end = self.at;
                    }
                }
            }
        }
    }

    /// The words behind the `in` of a `for`: where there are none, a mark says so.
    fn words_of_for(&mut self) {
        self.skip_blanks();
        if self.peek().is_none_or(|c| matches!(c, ';' | '\n' | '#')) {
            self.flush(self.at);
            self.parts.push(Cow::Owned(format!(" {NO_WORD} ")));
        }
    }

    fn is_esac(&self) -> bool {
        let next = self.rest().strip_prefix("esac").map(|rest| rest.chars().next());
        next.is_some_and(|next| next.is_none_or(ends_word))
    }

    /// An opening bracket, which may stand next to a word.
    fn bracket(&mut self, place: &mut Place, adjoins_word: bool) {
        if place.is_first_pattern() {
            self.at += 1;
            place.is_start = false;
        } else if place.has_commands() && self.double.contains(&self.at) {
            self.at += 2;
            self.nested(|reader| _ = reader.arithmetic());
            place.is_start = false;
        } else {
            self.at += 1;
            if !place.has_commands() {
                place.begin(Open::Words);
            } else if !adjoins_word {
                place.begin(Open::Commands);
            } else if self.is_function() {
                place.is_start = true;
            } else {
                place.begin(Open::Words);
            }
        }
    }

    /// Whether the brackets are those of a function, which then are read.
    fn is_function(&mut self) -> bool {
        self.skip_blanks();
        self.skip(")")
    }

    /// An operator of redirection, which begins with a character.
    fn redirection(&mut self, c: char) {
        let start = self.at;
        self.at += 1;
        self.skip_joined();
        if c == '<' && self.skip("<") {
            self.skip_joined();
            if !self.skip("<") {
                self.here_document(start);
            }
        } else if self.rest().starts_with(['&', '|', '>']) {
            self.at += 1;
        }
    }
}
