//! How deep scripts are nested, and a stack for parsers that recurse as deep.
//!
//! Only parsing tells how deep a text is nested: closing brackets and words may stand in quotes, comments and
//! here-documents. But it is no deeper than it has opening ones, and so much stack the parser gets. What was parsed is
//! then looked at itself, and must be shallow: whoever walks it recurses too.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;

use brush_parser::ast::{
    AndOr, AndOrList, Command, CompoundCommand, CompoundList, ExtendedTestExpr, Pipeline, Program,
};

/// So many levels any stack holds.
const SHALLOW: usize = 40;
/// A text with more is not parsed.
const MOST: usize = 12_000;
/// The stack that a level may take, in bytes.
const LEVEL: usize = 96 << 10;
/// The words that open something.
const OPENING: &[&str] =
    &["case", "coproc", "do", "elif", "for", "function", "if", "select", "time", "until", "while"];

/// The code of the operating system's reason why there was no thread to parse a text on.
static NO_THREAD: OnceLock<i32> = OnceLock::new();

/// Why some text could not be parsed for want of a thread, if that was so for one in this process. What it found out
/// about scripts is not to be relied on then: another time there would be more.
pub fn lacked_a_thread() -> Option<io::Error> {
    NO_THREAD.get().copied().map(io::Error::from_raw_os_error)
}

/// How much a text may open, at most: brackets, negations and compound commands.
fn openings(text: &str) -> usize {
    let marks = text.bytes().filter(|byte| matches!(byte, b'(' | b'{' | b'[' | b'`' | b'!')).count();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    marks + text.split(|c: char| !is_word(c)).filter(|word| OPENING.contains(word)).count()
}

/// Runs a parser on a text, with all the stack that it may need; none where that is too much, or not to be had
/// ([`lacked_a_thread`]), and where
/// the parser gives up in a bad way: its tokenizer does with some here-documents that do not end.
pub(super) fn on_deep_stack<T: Send>(text: &str, parser: impl FnOnce() -> T + Send) -> Option<T> {
    let levels = openings(text);
    if levels <= SHALLOW {
        return std::panic::catch_unwind(AssertUnwindSafe(parser)).ok();
    }
    if levels > MOST {
        return None;
    }
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size((1 << 20) + levels * LEVEL);
        let started = builder.spawn_scoped(scope, parser).inspect_err(|error| {
            NO_THREAD.get_or_init(|| error.raw_os_error().unwrap_or_default());
        });
        started.ok()?.join().ok()
    })
}

/// Whether compound commands stand in one another no deeper than any stack holds.
pub(super) fn is_shallow(program: &Program) -> bool {
    program.complete_commands.iter().all(|list| list_within(list, SHALLOW))
}

fn list_within(list: &CompoundList, levels: usize) -> bool {
    list.0.iter().all(|item| and_or_within(&item.0, levels))
}

fn and_or_within(list: &AndOrList, levels: usize) -> bool {
    let others = list.additional.iter().map(|next| {
        let (AndOr::And(pipeline) | AndOr::Or(pipeline)) = next;
        pipeline
    });
    let is_within = |pipeline: &Pipeline| pipeline.seq.iter().all(|command| command_within(command, levels));
    is_within(&list.first) && others.into_iter().all(is_within)
}

fn command_within(command: &Command, levels: usize) -> bool {
    let Some(levels) = levels.checked_sub(1) else { return false };
    match command {
        Command::Simple(_) => true,
        Command::Compound(compound, _) => compound_within(compound, levels),
        Command::Function(function) => compound_within(&function.body.0, levels),
        Command::ExtendedTest(test, _) => test_within(&test.expr, levels),
    }
}

fn compound_within(compound: &CompoundCommand, levels: usize) -> bool {
    let is_within = |list: &CompoundList| list_within(list, levels);
    match compound {
        CompoundCommand::Arithmetic(_) => true,
        CompoundCommand::ArithmeticForClause(clause) => is_within(&clause.body.list),
        CompoundCommand::BraceGroup(group) => is_within(&group.list),
        CompoundCommand::Subshell(subshell) => is_within(&subshell.list),
        CompoundCommand::ForClause(clause) => is_within(&clause.body.list),
        CompoundCommand::CaseClause(clause) => {
            clause.cases.iter().filter_map(|case| case.cmd.as_ref()).all(is_within)
        }
        CompoundCommand::IfClause(clause) => {
            let mut branches = clause.elses.iter().flatten();
            is_within(&clause.condition)
                && is_within(&clause.then)
                && branches.all(|branch| branch.condition.iter().all(is_within) && is_within(&branch.body))
        }
        CompoundCommand::WhileClause(clause) | CompoundCommand::UntilClause(clause) => {
            is_within(&clause.0) && is_within(&clause.1.list)
        }
        CompoundCommand::Coprocess(process) => command_within(&process.body, levels),
    }
}

fn test_within(test: &ExtendedTestExpr, levels: usize) -> bool {
    let Some(levels) = levels.checked_sub(1) else { return false };
    match test {
        ExtendedTestExpr::And(one, other) | ExtendedTestExpr::Or(one, other) => {
            test_within(one, levels) && test_within(other, levels)
        }
        ExtendedTestExpr::Not(inner) | ExtendedTestExpr::Parenthesized(inner) => test_within(inner, levels),
        ExtendedTestExpr::UnaryTest(..) | ExtendedTestExpr::BinaryTest(..) => true,
    }
}
