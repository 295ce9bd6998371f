//! A shell script -> what it would do, without running anything (POSIX.1-2017, XCU chapter 2).
//!
//! A script is parsed with `brush-parser` and *evaluated* over a [`World`]: variables, expansions, tests, loops,
//! functions, here-documents, substitutions, pipelines, subshells, redirections, `set -e`, `trap` on exit and the
//! built-in commands are done here; files and every other command are the world's.
//!
//! What nobody can know without running the script, such as the output of a command without a model, is an
//! unknown text (see [`text`]). It taints what is made of it. Where a condition is unknown, each way is evaluated
//! by itself: ways that end alike are as good as one, otherwise the place is told ([`Finding`]) and neither is
//! taken. Steps, depth and the size of texts are bounded.
//!
//! [`words()`] lists the commands that a script may call, whatever way it takes.
//!
//! Left out: job control (a command in the background is done in its turn), signals, arrays, process
//! substitution, `select` and co-processes. They end in findings.

use std::collections::BTreeMap;

use crate::root_path::RootPath;

mod arithmetic;
mod braces;
mod budget;
mod builtins;
mod compound;
mod expand;
mod getopts;
mod glob;
mod here_documents;
mod named;
mod nesting;
mod parameter;
mod parse;
mod printf;
mod read;
mod redirect;
mod simple;
mod state;
mod test_command;
pub mod text;
mod variables;
mod words;

pub use glob::{Match, Pattern};
pub use named::{TextKind, named_commands};
pub use nesting::lacked_a_thread;
pub use parse::SyntaxError;
pub(crate) use printf::{Printer, printf};
pub use state::resolve;
pub use words::{ScriptWords, has_words, is_language, is_shell, words};

use state::Shell;

/// What is at a path, links not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Its permission bits.
        mode: u32,
        /// Its size in bytes; none if it is not known.
        size: Option<u64>,
    },
    /// A symbolic link, with what it says.
    Symlink(String),
    /// A device, a pipe.
    Other,
}

/// A command that is not the shell's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its words, the command's name first. They may be [unknown](text::is_known) in part.
    pub argv: Vec<String>,
    /// The exported variables.
    pub env: BTreeMap<String, String>,
    /// What it reads; may be unknown in part.
    pub stdin: String,
    /// The working directory.
    pub directory: RootPath,
    /// The permission bits that new files lack.
    pub umask: u32,
    /// The line it stands in, from one.
    pub line: usize,
    /// Whether the script goes on where it fails.
    pub may_fail: bool,
}

/// What a command comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is understood.
    Done {
        /// Its exit status; none if it depends on something unknown.
        status: Option<i32>,
        /// What it writes; may be unknown in part.
        stdout: String,
        /// Variables that it sets in the shell, as functions of a sourced file would.
        variables: Vec<(String, String)>,
    },
    /// It is not, for this reason.
    Unknown(String),
}

impl Reply {
    /// Done with this status and no output.
    pub fn status(status: i32) -> Self {
        Reply::Done { status: Some(status), stdout: String::new(), variables: Vec::new() }
    }

    /// Done well, with this output.
    pub fn output(stdout: impl Into<String>) -> Self {
        Reply::Done { status: Some(0), stdout: stdout.into(), variables: Vec::new() }
    }

    /// Understood, but its status depends on what is not known.
    pub fn undecided() -> Self {
        Reply::Done { status: None, stdout: String::new(), variables: Vec::new() }
    }
}

/// What `.` finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A script, to be evaluated here.
    Script(String),
    /// Functions that [`World::run`] knows as commands; there is nothing to evaluate.
    Modelled,
    /// There is no such file.
    Missing,
    /// It cannot be read, for this reason.
    Unknown(String),
}

/// The files a script sees and the commands it calls. Its clone is independent of it.
pub trait World: Clone {
    /// What is at a path, read literally: no component is followed as a link.
    fn node(&self, path: &RootPath) -> Option<Node>;
    /// The permission bits of a directory.
    fn bits(&self, directory: &RootPath) -> u32;
    /// The names in a directory, sorted.
    fn list(&self, directory: &RootPath) -> Vec<String>;
    /// The content of a regular file, links not followed; none if it is not known.
    fn read(&mut self, path: &RootPath) -> Option<String>;
    /// Makes a file with these permission bits or replaces its content, or adds to it. Links are followed already.
    /// Tells why it cannot.
    fn write(&mut self, path: &RootPath, content: &str, append: bool, bits: u32) -> Result<(), String>;
    /// The file that `.` names.
    fn source(&mut self, path: &RootPath) -> Source;
    /// Whether there is a command of this name that is no function or built-in, and where; none if that is not
    /// known.
    fn command(&self, name: &str) -> Option<Option<RootPath>>;
    /// Runs a command.
    fn run(&mut self, call: &Call) -> Reply;
    /// Whether who runs the script, or their group, owns what is at a path; none if that is not known.
    fn owns(&self, path: &RootPath, group: bool) -> Option<bool>;
    /// Whether two worlds that grew from one are still alike.
    fn is_like(&self, other: &Self) -> bool;
    /// Takes over what another that grew from the same has found to be left to each machine: be it done or not, it may
    /// have to be.
    fn join(&mut self, other: &Self);
}

/// Something in a script that was not understood.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The line, from one.
    pub line: usize,
    /// The command.
    pub command: String,
    /// Why.
    pub reason: String,
}

/// A script and how it is called.
#[derive(Clone, Debug)]
pub struct Script<'a> {
    /// `$0`.
    pub name: &'a str,
    /// Its text, shebang and all.
    pub text: &'a str,
    /// `$1` and so on.
    pub arguments: &'a [&'a str],
    /// Exported variables.
    pub environment: BTreeMap<String, String>,
    /// The working directory.
    pub directory: RootPath,
    /// The permission bits that new files lack.
    pub umask: u32,
}

/// How a script ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status, if it is known.
    pub status: Option<i32>,
    /// The line of the command that it ended with, from one.
    pub line: usize,
    /// What was not understood, in the order met, each once.
    pub findings: Vec<Finding>,
    /// What it writes to standard output; may be unknown in part.
    pub stdout: String,
}

/// Evaluates a script over a world, which has then seen all that the script does.
///
/// # Errors
///
/// Where the text is no shell script.
pub fn evaluate<W: World>(script: &Script<'_>, world: &mut W) -> Result<Ended, SyntaxError> {
    let program = parse::program(&text::sanitised(script.text))?;
    let mut shell = Shell::new(script, world.clone());
    let flow = shell.program(&program);
    let line = shell.line;
    shell.leave(flow);
    let Shell { world: seen, status, findings, mut streams, .. } = shell;
    *world = seen;
    // The first stream is standard output.
    let stdout = if streams.is_empty() { String::new() } else { streams.swap_remove(0).text };
    Ok(Ended { status, line, findings, stdout })
}

#[cfg(test)]
mod tests;
