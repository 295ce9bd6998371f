//! The grammar, by `brush-parser`, within bounds that keep it fast and its recursion shallow.

use brush_parser::ast::{ArithmeticExpr, Program};
use brush_parser::word::{self, BraceExpressionOrText, WordPieceWithSource};
use brush_parser::{Parser, ParserImpl, ParserOptions};

use super::arithmetic::integer;

/// The longest script, in bytes.
const LONGEST: usize = 1 << 20;
/// How deep brackets and compound commands may stand in one another.
const DEEPEST: usize = 40;
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
    check(text)?;
    Parser::new(text.as_bytes(), &options())
        .parse_program()
        .map_err(|error| SyntaxError::Grammar(error.to_string()))
}

/// Parses a word into its pieces.
pub(super) fn pieces(word: &str) -> Result<Vec<WordPieceWithSource>, SyntaxError> {
    check(word)?;
    word::parse(word, &options()).map_err(|_| SyntaxError::Grammar(format!("the word `{word}`")))
}

/// Parses the body of a here-document.
pub(super) fn here_document(body: &str) -> Result<Vec<WordPieceWithSource>, SyntaxError> {
    check(body)?;
    word::parse_heredoc(body, &options())
        .map_err(|_| SyntaxError::Grammar("the body of a here-document".to_owned()))
}

/// Parses an arithmetic expression, its parameters expanded already.
pub(super) fn arithmetic(text: &str) -> Result<ArithmeticExpr, SyntaxError> {
    check(text)?;
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
    check(word)?;
    word::parse_brace_expansions(word, &options())
        .map_err(|_| SyntaxError::Grammar(format!("the word `{word}`")))
}

fn check(text: &str) -> Result<(), SyntaxError> {
    if text.len() > LONGEST {
        return Err(SyntaxError::Long(text.len()));
    }
    if depth(text) > DEEPEST { Err(SyntaxError::Deep) } else { Ok(()) }
}

/// How deep a text is nested at most: brackets, and words that open and close compound commands. Quotes are not
/// seen, so this may be more than the grammar would find.
fn depth(text: &str) -> usize {
    let (mut brackets, mut words, mut deepest) = (0_usize, 0_usize, negations(text));
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        for part in line.split_inclusive(|c: char| !is_word(c)) {
            match part.trim_end_matches(|c: char| !is_word(c)) {
                "if" | "case" | "do" => words += 1,
                "fi" | "esac" | "done" => words = words.saturating_sub(1),
                _ => {}
            }
            match part.chars().next_back() {
                Some('(' | '{' | '[') => brackets += 1,
                Some(')' | '}' | ']') => brackets = brackets.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(brackets + words);
        }
    }
    deepest
}

/// The longest run of `!`, each of which negates the next.
pub(super) fn negations(text: &str) -> usize {
    let (mut run, mut longest) = (0, 0);
    for word in text.split_whitespace() {
        run = if word.starts_with('!') { run + word.matches('!').count() } else { 0 };
        longest = longest.max(run);
    }
    longest
}
