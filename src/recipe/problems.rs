//! What is wrong with a recipe, each mistake with its place, and how that reads on a screen.
//!
//! Nothing is printed here: [`render`] gives the text, [`Problems`]' `Display` a terse form of one line a
//! mistake for logs.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};

/// A range of bytes in the recipe's text, on character boundaries.
pub type Span = Range<usize>;

/// One mistake in a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub span: Span,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// All mistakes found in one recipe, in the order of their places; never empty in an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The recipe's file, as it was named.
    pub path: PathBuf,
    /// Its whole text, which the spans point into.
    pub text: String,
    /// The mistakes.
    pub problems: Vec<Problem>,
}

/// A place in a text as people count: both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl Place {
    /// The place of a byte offset; one past the end is the end.
    pub fn of(text: &str, offset: usize) -> Place {
        let mut before = text.get(..offset).unwrap_or(text);
        let line = 1 + before.matches('\n').count();
        if let Some(at) = before.rfind('\n') {
            before = &before[at + 1..];
        }
        Place { line, column: 1 + before.chars().count() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Problems {
    /// Where a problem begins.
    pub fn place(&self, problem: &Problem) -> Place {
        Place::of(&self.text, problem.span.start)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{}: {}", self.path.display(), self.place(problem), problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The problems as a compiler would show them: message, place, source line with a caret, hint; at the end
/// how many there are. With `color`, ANSI escapes set the parts apart. No newline at the end.
pub fn render(problems: &Problems, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
    let path = problems.path.display().to_string();
    let mut parts: Vec<String> = Vec::with_capacity(problems.problems.len() + 1);
    for problem in &problems.problems {
        let snippet = Snippet::source(problems.text.as_str())
            .path(path.as_str())
            .annotation(AnnotationKind::Primary.span(visible(&problems.text, &problem.span)));
        let mut report = vec![Level::ERROR.primary_title(problem.message.as_str()).element(snippet)];
        if let Some(hint) = &problem.hint {
            let title = Level::HELP.with_name("hint").secondary_title(normalize_untrusted_str(hint));
            report.push(Group::with_title(title));
        }
        parts.push(renderer.render(&report));
    }
    let count = match problems.problems.len() {
        1 => format!("`{path}` has 1 mistake"),
        count => format!("`{path}` has {count} mistakes"),
    };
    parts.push(renderer.render(&[Group::with_title(Level::ERROR.primary_title(count))]));
    parts.join("\n\n")
}

/// The part of a span that carets go under: within the text, and no further than its first line.
fn visible(text: &str, span: &Span) -> Span {
    let start = (0..=span.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let rest = &text[start..];
    let line = rest.find(['\n', '\r']).unwrap_or(rest.len());
    let end = span.end.clamp(start, start + line);
    let end = (start..=end).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(start);
    start..end
}

/// A piece of the recipe as messages quote it: in backquotes, control characters escaped, not too long.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown = String::from("`");
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            shown.push_str("...");
            break;
        }
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown.push('`');
    shown
}

/// `a, b, c`, each in backquotes.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
