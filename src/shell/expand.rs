//! Words -> fields (XCU 2.6): tilde, parameters, substitutions, arithmetic, splitting, paths, quotes.

use brush_parser::word::{WordPiece, WordPieceWithSource};

use super::World;
use super::braces;
use super::glob::Pattern;
use super::here_documents::unmarked;
use super::parse;
use super::printf::escapes;
use super::state::Shell;
use super::text::{UNKNOWN, unknown};

/// The most fields one command may have.
const MOST_FIELDS: usize = 20_000;

/// Fields in the making: pieces of text, each with whether it is quoted.
#[derive(Debug, Default)]
pub(super) struct Fields {
    done: Vec<Vec<(String, bool)>>,
    open: Option<Vec<(String, bool)>>,
    /// What is read stands in for an unquoted parameter: its text is split as an expansion is.
    pub(super) splits_text: bool,
    /// What is read is assigned: a tilde behind a colon stands for a home, too (XCU 2.6.1).
    is_assigned: bool,
}

impl Fields {
    /// Adds to the field that is open.
    pub(super) fn text(&mut self, text: &str, quoted: bool) {
        if quoted || !text.is_empty() {
            self.open.get_or_insert_with(Vec::new).push((text.to_owned(), quoted));
        }
    }

    /// Ends the field that is open.
    pub(super) fn end(&mut self) {
        if let Some(field) = self.open.take()
            && self.done.len() < MOST_FIELDS
        {
            self.done.push(field);
        }
    }

    /// Adds an unquoted expansion, split at the characters of `IFS`. Another than a blank ends a field each time, if
    /// an empty one too, with the blanks around it.
    pub(super) fn split(&mut self, text: &str, separators: &str) {
        let is_blank = |c: char| matches!(c, ' ' | '\t' | '\n') && separators.contains(c);
        let mut rest = text;
        // Blanks have ended a field: the separator behind them is the same one.
        let mut after_blanks = false;
        while let Some(first) = rest.chars().next() {
            let trimmed = rest.trim_start_matches(is_blank);
            if trimmed.len() < rest.len() {
                after_blanks = self.open.is_some();
                self.end();
                rest = trimmed;
            } else if separators.contains(first) {
                if !std::mem::take(&mut after_blanks) {
                    self.open.get_or_insert_default();
                    self.end();
                }
                rest = &rest[first.len_utf8()..];
            } else {
                let end = rest.find(|c| separators.contains(c)).unwrap_or(rest.len());
                self.text(&rest[..end], false);
                after_blanks = false;
                rest = &rest[end..];
            }
        }
    }

    fn finish(mut self) -> Vec<Vec<(String, bool)>> {
        self.end();
        self.done
    }
}

fn joined(field: &[(String, bool)]) -> String {
    field.iter().map(|(text, _)| text.as_str()).collect()
}

impl<W: World> Shell<W> {
    /// The fields of a word. None if it cannot be expanded, which is told.
    pub(super) fn fields(&mut self, word: &str) -> Option<Vec<String>> {
        let mut fields = Fields::default();
        for word in self.braces(word)? {
            self.word(&word, false, true, &mut fields)?;
            fields.end();
        }
        let mut all = Vec::new();
        for field in fields.finish() {
            let pattern = Pattern::new(field.iter().map(|(text, quoted)| (text.as_str(), *quoted)));
            let text = joined(&field);
            if pattern.is_plain() || self.own.options.contains(&'f') || text.contains(UNKNOWN) {
                all.push(text);
                continue;
            }
            let paths = pattern.paths(&self.world, &self.own.directory);
            if paths.is_empty() {
                all.push(text);
            } else {
                all.extend(paths);
            }
        }
        Some(all)
    }

    /// The words that bash makes of the braces in a word.
    fn braces(&mut self, word: &str) -> Option<Vec<String>> {
        if !self.is_bash || !word.contains('{') {
            return Some(vec![word.to_owned()]);
        }
        match parse::braces(word) {
            Ok(None) => Some(vec![word.to_owned()]),
            Ok(Some(parts)) => match braces::words(&parts, MOST_FIELDS) {
                Some(words) => Some(words),
                None => self.unexpandable(word, "its braces stand for too many words"),
            },
            Err(error) => self.unexpandable(word, &error.to_string()),
        }
    }

    /// A word where nothing is split: the word of `case`, the target of a redirection.
    pub(super) fn single(&mut self, word: &str) -> Option<String> {
        let mut fields = Fields::default();
        self.word(word, false, false, &mut fields)?;
        let fields: Vec<String> = fields.finish().iter().map(|field| joined(field)).collect();
        Some(fields.join(" "))
    }

    /// The value of an assignment.
    pub(super) fn assigned(&mut self, word: &str) -> Option<String> {
        let mut fields = Fields { is_assigned: true, ..Fields::default() };
        self.word(word, false, false, &mut fields)?;
        let fields: Vec<String> = fields.finish().iter().map(|field| joined(field)).collect();
        Some(fields.join(" "))
    }

    /// As [`Shell::single`], of a text that stands within double quotes.
    pub(super) fn quoted(&mut self, word: &str) -> Option<String> {
        let mut fields = Fields::default();
        self.word(word, true, false, &mut fields)?;
        let fields: Vec<String> = fields.finish().iter().map(|field| joined(field)).collect();
        Some(fields.join(" "))
    }

    /// A word as a pattern.
    pub(super) fn pattern(&mut self, word: &str) -> Option<Pattern> {
        let mut fields = Fields::default();
        self.word(word, false, false, &mut fields)?;
        let field = fields.finish().concat();
        Some(Pattern::new(field.iter().map(|(text, quoted)| (text.as_str(), *quoted))))
    }

    /// The body of a here-document.
    pub(super) fn document(&mut self, body: &str) -> Option<String> {
        let pieces = match parse::here_document(body) {
            Ok(pieces) => pieces,
            Err(error) => return self.unexpandable(body, &error.to_string()),
        };
        let mut fields = Fields::default();
        self.pieces(&pieces, true, false, &mut fields)?;
        let fields: Vec<String> = fields.finish().iter().map(|field| joined(field)).collect();
        Some(fields.join(" "))
    }

    pub(super) fn word(&mut self, word: &str, quoted: bool, split: bool, fields: &mut Fields) -> Option<()> {
        match parse::pieces(word) {
            Ok(pieces) => self.pieces(&pieces, quoted, split, fields),
            Err(error) => self.unexpandable(word, &error.to_string()),
        }
    }

    fn unexpandable<T>(&mut self, word: &str, reason: &str) -> Option<T> {
        self.tell(word, reason);
        self.status = None;
        None
    }

    fn pieces(
        &mut self,
        pieces: &[WordPieceWithSource],
        quoted: bool,
        split: bool,
        fields: &mut Fields,
    ) -> Option<()> {
        for (number, piece) in pieces.iter().enumerate() {
            match &piece.piece {
                WordPiece::Text(text) if quoted => fields.text(&unmarked(text), true),
                WordPiece::Text(text) => self.plain_text(text, number == 0, split, fields),
                WordPiece::SingleQuotedText(text) => fields.text(text, true),
                WordPiece::AnsiCQuotedText(text) => fields.text(&escapes(text, false).0, true),
                WordPiece::DoubleQuotedSequence(inner) | WordPiece::GettextDoubleQuotedSequence(inner) => {
                    if inner.is_empty() {
                        fields.text("", true);
                    }
                    self.pieces(inner, true, split, fields)?;
                }
                WordPiece::EscapeSequence(text) => {
                    let escaped = text.strip_prefix('\\').unwrap_or(text);
                    if escaped == "\n" {
                        continue;
                    }
                    // Of what stands in for a parameter: in quotes a backslash escapes only what may be special.
                    let is_special = escaped.starts_with(['$', '`', '"', '\\', '}']);
                    fields.text(if quoted && !is_special { text } else { escaped }, true);
                }
                WordPiece::ParameterExpansion(expression) => {
                    self.parameter(expression, quoted, split, fields)?;
                }
                WordPiece::CommandSubstitution(text) => {
                    let output = self.substitution(text);
                    self.expansion(&output, quoted, split, fields);
                }
                WordPiece::BackquotedCommandSubstitution(text) => {
                    let unescaped = text.replace("\\\\", "\\").replace("\\$", "$");
                    let unescaped = if quoted { unescaped.replace("\\\"", "\"") } else { unescaped };
                    let output = self.substitution(&unescaped);
                    self.expansion(&output, quoted, split, fields);
                }
                WordPiece::ArithmeticExpression(expression) => {
                    let value = self.expression(&expression.value);
                    let text = value.map_or_else(unknown, |value| value.to_string());
                    self.expansion(&text, quoted, split, fields);
                }
                WordPiece::TildeExpansion(_) => fields.text("~", false),
            }
        }
        Some(())
    }

    /// Adds unquoted text, with the tildes in it.
    fn plain_text(&mut self, text: &str, is_first: bool, split: bool, fields: &mut Fields) {
        let (splits, is_assigned) = (split && fields.splits_text, fields.is_assigned);
        let ends_name = |c: char| c == '/' || c == ':' && is_assigned;
        let parts = text.split_inclusive(|c| c == ':' && is_assigned);
        for (number, part) in parts.enumerate() {
            let prefix = part.strip_prefix('~').filter(|_| number > 0 || is_first);
            let rest = prefix.map(|prefix| prefix.split_at(prefix.find(ends_name).unwrap_or(prefix.len())));
            let home = rest.and_then(|(user, _)| self.home(user));
            let rest = match (home, rest) {
                (Some(home), Some((_, rest))) => {
                    fields.text(&home, true);
                    rest
                }
                _ => part,
            };
            self.expansion(&unmarked(rest), false, splits, fields);
        }
    }

    /// Where a user lives, if a tilde and the name stand for that.
    fn home(&self, user: &str) -> Option<String> {
        match user {
            "" => self.variable("HOME").map(ToOwned::to_owned),
            "root" => Some("/root".to_owned()),
            other if other.contains(':') => None,
            // Where other users live is not looked up.
            _ => Some(unknown()),
        }
    }

    /// Adds what an expansion gives.
    pub(super) fn expansion(&mut self, text: &str, quoted: bool, split: bool, fields: &mut Fields) {
        self.charge(8 * text.len());
        if quoted || !split {
            fields.text(text, quoted);
        } else {
            let separators = self.variable("IFS").unwrap_or(" \t\n").to_owned();
            fields.split(text, &separators);
        }
    }

    /// What a command substitution gives.
    fn substitution(&mut self, text: &str) -> String {
        let before = self.status;
        self.status = Some(0);
        let line = self.line;
        let mut output = self
            .step(text, |shell| {
                shell.captured(|shell| {
                    // `set -e` counts in the substitution, not in what stands around it.
                    shell.own.forgiving = 0;
                    shell.text(text)
                })
            })
            .unwrap_or_else(unknown);
        self.line = line;
        self.substituted = self.status;
        self.status = before;
        output.truncate(output.trim_end_matches('\n').len());
        output
    }
}
