//! The mistakes found while a recipe is read, and which of them only follow from others.

use std::cell::RefCell;

use super::problems::{Problem, Span, quoted};

/// What sort of mistake it is, which says whether it may be a mere consequence of a syntax error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// The text is no TOML here.
    Syntax,
    /// A value is wrong in itself.
    Value,
    /// A key is not known.
    Unknown,
    /// Something is missing, or contradicts something elsewhere.
    Context,
}

/// The mistakes found so far.
pub(super) struct Findings<'t> {
    text: &'t str,
    line_starts: Vec<usize>,
    found: RefCell<Vec<(Sort, Problem)>>,
}

impl<'t> Findings<'t> {
    /// None yet, for a recipe's text.
    pub(super) fn new(text: &'t str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Findings { text, line_starts: std::iter::once(0).chain(ends).collect(), found: RefCell::default() }
    }

    fn push(&self, sort: Sort, span: Span, message: String, hint: String) {
        let hint = Some(hint).filter(|hint| !hint.is_empty());
        self.found.borrow_mut().push((sort, Problem { span, message, hint }));
    }

    /// A value that is wrong in itself.
    pub(super) fn value(&self, span: &Span, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Sort::Value, span.clone(), message.into(), hint.into());
    }

    /// Something that is missing or contradicts another place.
    pub(super) fn context(&self, span: &Span, message: impl Into<String>, hint: impl Into<String>) {
        self.push(Sort::Context, span.clone(), message.into(), hint.into());
    }

    /// A key that is not known.
    pub(super) fn unknown(&self, span: &Span, message: String, hint: String) {
        self.push(Sort::Unknown, span.clone(), message, hint);
    }

    /// The recipe's whole text.
    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// The recipe's text at a span.
    pub(super) fn source(&self, span: &Span) -> &'t str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// What the TOML parser could not read. One mistake often gives several errors: the first of a line counts.
    pub(super) fn syntax(&self, errors: &[toml::de::Error]) {
        let mut lines = Vec::new();
        for error in errors {
            let span = error.span().unwrap_or(self.text.len()..self.text.len());
            let line = self.line(span.start);
            if lines.contains(&line) {
                continue;
            }
            lines.push(line);
            let message = error.message();
            if message == "duplicate key" {
                let key = quoted(self.source(&span));
                // Nothing else follows from it, hence no `Sort::Syntax`.
                self.value(&span, format!("the key {key} is given twice"), "leave one of them out");
            } else {
                let (message, hint) = self.explained(&span, message);
                self.push(Sort::Syntax, span, message, hint);
            }
        }
    }

    /// The parser's message, or a clearer one where a common mistake is behind it.
    fn explained(&self, span: &Span, message: &str) -> (String, String) {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
        let after = self.text.get(span.start..).unwrap_or_default();
        if line.trim_end().ends_with('=') && (after.is_empty() || after.starts_with(['\n', '\r', '#'])) {
            return ("there is no value after `=`".to_owned(), String::new());
        }
        let message = message.strip_suffix(", expected nothing").unwrap_or(message);
        let hint = if message.contains("must be quoted") || message.contains("leading zero") {
            "put it in double quotes"
        } else if message.contains("basic string") || message.contains("literal string") {
            "a string ends on the line it begins on, with the same quote; \"\"\" begins one of several lines"
        } else {
            ""
        };
        (message.to_owned(), hint.to_owned())
    }

    /// The line, from 1, of a byte offset.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// All of them in the order of their places, without those that may only follow from a syntax error.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let found = self.found.take();
        let line_of = |span: &Span| self.line(span.start);
        let broken: Vec<usize> = found
            .iter()
            .filter(|(sort, _)| *sort == Sort::Syntax)
            .map(|(_, problem)| line_of(&problem.span))
            .collect();
        let header_broken = broken
            .iter()
            .any(|line| self.text.lines().nth(line - 1).unwrap_or("").trim_start().starts_with('['));
        let mut problems: Vec<Problem> = found
            .into_iter()
            .filter(|(sort, problem)| match sort {
                Sort::Syntax => true,
                _ if broken.is_empty() => true,
                Sort::Context => false,
                Sort::Unknown if header_broken => false,
                Sort::Unknown | Sort::Value => !broken.contains(&line_of(&problem.span)),
            })
            .map(|(_, problem)| problem)
            .collect();
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        problems.dedup();
        problems
    }
}
