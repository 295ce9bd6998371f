//! Words: quotes, parameters and substitutions (XCU 2.2, 2.6).

use super::{LESS, QUOTE, Reader};

/// Whether a character ends a word: blanks, and what begins an operator (XCU 2.3). Other white space does not.
pub(super) fn ends_word(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')')
}

impl Reader<'_> {
    /// A word as it is written, but for the ends of lines that are joined.
    pub(super) fn word(&mut self) -> String {
        let start = self.at;
        while let Some(c) = self.peek().filter(|c| !ends_word(*c)) {
            self.step();
            self.inside(c, false);
        }
        self.text[start..self.at].replace("\\\n", "")
    }

    /// Up to the end of what begins with a character that may quote or substitute, outside of double quotes or within.
    pub(super) fn inside(&mut self, c: char, is_quoted: bool) {
        match c {
            '\\' => _ = self.step(),
            '\'' if !is_quoted => self.skip_behind('\''),
            '"' => self.nested(|reader| reader.quoted('"', true)),
            '`' => self.backquoted(),
            '$' if self.rest().starts_with('(') => self.nested(Reader::substitution),
            '$' if self.skip("{") => self.nested(|reader| reader.parameter(is_quoted)),
            '$' if !is_quoted && self.skip("'") => self.ansi_quoted(),
            '$' => _ = self.skip("$"),
            _ => {}
        }
    }

    /// Arithmetic, where the brackets are its; otherwise commands, which have documents of their own.
    fn substitution(&mut self) {
        let (start, from, parts) = (self.at, self.from, self.parts.len());
        if self.rest().starts_with("((") && !self.no_arithmetic.contains(&start) {
            self.at += 2;
            if self.arithmetic() {
                return;
            }
            self.no_arithmetic.insert(start);
            self.parts.truncate(parts);
            self.from = from;
        }
        self.at = start + 1;
        let around = std::mem::take(&mut self.pending);
        self.commands(true);
        self.pending = around;
    }

    fn backquoted(&mut self) {
        while let Some(c) = self.step().filter(|c| *c != '`') {
            if c == '\\' {
                self.step();
            }
        }
    }

    /// Quotes of bash's, with escapes.
    fn ansi_quoted(&mut self) {
        while let Some(c) = self.step().filter(|c| *c != '\'') {
            if c == '\\' {
                self.step();
            }
        }
    }

    /// Up to and with the character that ends double quotes or the braces of a parameter.
    fn quoted(&mut self, end: char, is_quoted: bool) {
        while let Some(c) = self.step().filter(|c| *c != end) {
            match c {
                '\'' if is_quoted && end == '}' => self.replace(self.at - 1, QUOTE.to_string()),
                '<' if end == '}' => self.replace(self.at - 1, LESS.to_string()),
                c => self.inside(c, is_quoted),
            }
        }
    }

    /// A parameter in braces. In double quotes the word that may stand in for it is quoted by these, but a pattern has
    /// quotes of its own (XCU 2.6.2).
    fn parameter(&mut self, is_quoted: bool) {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let start = self.at;
        self.at += self.rest().len() - self.rest().trim_start_matches(is_name).len();
        if self.at == start && self.rest().starts_with(['@', '*', '#', '?', '-', '$', '!']) {
            self.at += 1;
        }
        self.skip(":");
        let is_instead = self.rest().starts_with(['-', '=', '?', '+']);
        self.quoted('}', is_quoted && is_instead);
    }

    /// Up to and with the brackets that end arithmetic, which is as if in double quotes (XCU 2.6.4); false if it ends
    /// otherwise.
    pub(super) fn arithmetic(&mut self) -> bool {
        let mut open = 0_usize;
        while let Some(c) = self.step() {
            match c {
                '(' => open += 1,
                ')' if open == 0 => return self.skip(")"),
                ')' => open -= 1,
                c => self.inside(c, true),
            }
        }
        false
    }
}
