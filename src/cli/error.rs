//! A command that failed: what to print, and the exit code.

use std::error::Error;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::process::ExitCode;

use rootforge::hint::Hint;
use rootforge::pipeline::ForgeError;
use rootforge::recipe::{RecipeError, render};

use super::{print_coloured, print_talk};

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The call or the recipe is wrong: exit code 2.
    Usage { message: String, hints: Vec<String> },
    /// The recipe is wrong, with the places: exit code 2.
    Recipe(RecipeError),
    /// The work failed: exit code 1.
    Work { message: String, hints: Vec<String> },
    /// Everything was said already: exit code 1.
    Said,
}

impl From<ForgeError> for Failure {
    fn from(error: ForgeError) -> Self {
        Failure::forge(error)
    }
}

impl Failure {
    pub(super) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Failure::Usage { message: message.into(), hints: vec![hint.into()] }
    }

    /// An error with its causes, one a line.
    pub(super) fn work(error: &(impl Error + Hint)) -> Self {
        Failure::Work { message: with_causes(error), hints: error.hints() }
    }

    /// What stopped a build or a lock; some mistakes of a recipe show only then.
    pub(super) fn forge(error: ForgeError) -> Self {
        match error {
            ForgeError::Recipe(error) => Failure::Recipe(error),
            error => Failure::work(&error),
        }
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage { .. } | Failure::Recipe(_) => ExitCode::from(2),
            Failure::Work { .. } | Failure::Said => ExitCode::from(1),
        }
    }

    pub(super) fn print(&self) {
        match self {
            Failure::Said => {}
            Failure::Recipe(RecipeError::Invalid(problems)) => {
                print_coloured(render(problems, std::io::stderr().is_terminal()).trim_end());
            }
            Failure::Recipe(error) => print_error(&with_causes(error), &error.hints()),
            Failure::Usage { message, hints } | Failure::Work { message, hints } => {
                print_error(message, hints);
            }
        }
    }
}

fn print_error(message: &str, hints: &[String]) {
    print_talk(&format!("error: {message}"));
    for hint in hints {
        print_talk(&format!("hint: {hint}"));
    }
}

/// The message, then each cause that the message does not already tell.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            let _ = write!(text, "\n  caused by: {words}");
        }
        source = cause.source();
    }
    text
}
