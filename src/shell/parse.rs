//! The grammar, by `brush-parser`, within bounds that keep it fast and its recursion shallow.

use std::borrow::Cow;

use brush_parser::ast::{ArithmeticExpr, Program};
use brush_parser::word::{self, BraceExpressionOrText, WordPieceWithSource};
use brush_parser::{Parser, ParserImpl, ParserOptions};

use super::arithmetic::integer;
use super::here_documents;
use super::nesting::{self, on_deep_stack};

/// The longest script, in bytes.
const LONGEST: usize = 1 << 20;
/// The longest arithmetic expression, in bytes: each of its operators may be one level more.
const LONGEST_EXPRESSION: usize = 1000;

/// A text that is no shell script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// The grammar has no place for it.
    #[error("it is no shell script: {0}")]
    Grammar(String),
    /// It is longer than 1 MiB.
    #[error("it has {0} bytes, more than a script is read of")]
    Long(usize),
    /// Brackets, operators or compound commands stand too deep in one another.
    #[error("it is nested too deeply")]
    Deep,
    /// A number is none, or has more than 64 bits.
    #[error("`{0}` is no number of 64 bits")]
    Number(String),
}

impl From<here_documents::TooDeep> for SyntaxError {
    fn from(_: here_documents::TooDeep) -> Self {
        SyntaxError::Deep
    }
}

fn options() -> ParserOptions {
    ParserOptions {
        enable_extended_globbing: false,
        posix_mode: false,
        sh_mode: false,
        // A tilde with a long number makes the parser give up in a bad way.
        tilde_expansion_at_word_start: false,
        tilde_expansion_after_colon: false,
        parser_impl: ParserImpl::Peg,
    }
}

/// Parses a script.
pub(super) fn program(text: &str) -> Result<Program, SyntaxError> {
    program_with(text, &options())
}

/// Parses a script that may be bash's, with its patterns.
pub(super) fn bash_program(text: &str) -> Result<Program, SyntaxError> {
    program_with(text, &ParserOptions { enable_extended_globbing: true, ..options() })
}

fn program_with(text: &str, options: &ParserOptions) -> Result<Program, SyntaxError> {
    check_length(text)?;
    // At an end without a newline the tokenizer waits for ever for some here-documents.
    let text = &*if text.ends_with('\n') { Cow::Borrowed(text) } else { Cow::Owned(format!("{text}\n")) };
    let text = &*here_documents::as_words(text)?;
    let parsed = on_deep_stack(text, || {
        let program = Parser::new(text.as_bytes(), options).parse_program();
        // What is too deep goes where there is a stack for it to go.
        program.map(|program| Some(program).filter(nesting::is_shallow))
    });
    parsed
        .ok_or(SyntaxError::Deep)?
        .map_err(|error| SyntaxError::Grammar(here_documents::shown(&error.to_string())))?
        .ok_or(SyntaxError::Deep)
}

/// Parses a word into its pieces.
pub(super) fn pieces(word: &str) -> Result<Vec<WordPieceWithSource>, SyntaxError> {
    parse(word, || word::parse(word, &options()))?.map_err(|_| wrong_word(word))
}

/// Parses the body of a here-document.
pub(super) fn here_document(body: &str) -> Result<Vec<WordPieceWithSource>, SyntaxError> {
    let body = &*here_documents::body(body)?;
    parse(body, || word::parse_heredoc(body, &options()))?
        .map_err(|_| SyntaxError::Grammar("the body of a here-document".to_owned()))
}

/// Parses an arithmetic expression, its parameters expanded already.
pub(super) fn arithmetic(text: &str) -> Result<ArithmeticExpr, SyntaxError> {
    if text.len() > LONGEST_EXPRESSION || depth(text) > 8 {
        return Err(SyntaxError::Deep);
    }
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let mut numbers = words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    if let Some(wrong) = numbers.find(|word| integer(word).is_none()) {
        return Err(SyntaxError::Number(wrong.to_owned()));
    }
    brush_parser::arithmetic::parse(text)
        .map_err(|_| SyntaxError::Grammar(format!("the expression `{text}`")))
}

/// Parses the braces of a word; none where it has none.
pub(super) fn braces(word: &str) -> Result<Option<Vec<BraceExpressionOrText>>, SyntaxError> {
    parse(word, || word::parse_brace_expansions(word, &options()))?.map_err(|_| wrong_word(word))
}

/// Parses a text of bounded length, on a stack that suffices.
fn parse<T: Send>(text: &str, parser: impl FnOnce() -> T + Send) -> Result<T, SyntaxError> {
    check_length(text)?;
    on_deep_stack(text, parser).ok_or(SyntaxError::Deep)
}

fn wrong_word(word: &str) -> SyntaxError {
    SyntaxError::Grammar(format!("the word `{}`", here_documents::shown(word)))
}

fn check_length(text: &str) -> Result<(), SyntaxError> {
    if text.len() > LONGEST { Err(SyntaxError::Long(text.len())) } else { Ok(()) }
}

/// How deep the brackets of an expression are nested, in which there are no quotes.
fn depth(expression: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    for c in expression.chars() {
        match c {
            '(' | '{' | '[' => open += 1,
            ')' | '}' | ']' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}
