//! The command line: the only room that prints.

use std::borrow::Cow;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rootforge::transport::without_credentials;

mod base_image;
mod build;
mod cache;
mod check;
mod copy;
mod error;
mod lock;
mod locking;
mod place;
mod plan;
mod pull;
mod push;
mod reporter;
mod running;
mod session;
mod settings;
mod test;
mod threads;
mod why;

use session::Session;

/// Turns a TOML recipe into a layered, reproducible OCI image made of distro packages.
#[derive(Debug, Parser)]
#[command(name = "rootforge", version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    common: session::Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build an image from a recipe
    Build(build::Arguments),
    /// Resolve a recipe into its lock, reading indexes only
    Lock(lock::Arguments),
    /// Re-read an image and report all that is wrong with it
    Check(check::Arguments),
    /// Put an image into a registry
    Push(push::Arguments),
    /// Take an image out of a registry
    Pull(pull::Arguments),
    /// Bring an image from one place to another: layouts, archives, registries
    Copy(copy::Arguments),
    /// Find the bases that the images of many recipes should share
    Plan(plan::Arguments),
    /// Run a recipe's tests in the image that it makes
    Test(test::Arguments),
    /// Tell what the cache holds, or make it smaller
    Cache(cache::Arguments),
    /// Tell why a path or a package is in an image, or which rule left it out
    Why(why::Arguments),
}

/// Runs the program: parses the arguments, does the work, prints the error and its hints.
pub(crate) fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are data and go to stdout; a closed pipe there is nobody's mistake.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    threads::tell_lack();
    let session = Session::new(arguments.common);
    let result = match arguments.command {
        Command::Build(arguments) => build::run(&arguments, &session),
        Command::Lock(arguments) => lock::run(&arguments, &session),
        Command::Check(arguments) => check::run(&arguments, &session),
        Command::Push(arguments) => push::run(&arguments, &session),
        Command::Pull(arguments) => pull::run(&arguments, &session),
        Command::Copy(arguments) => copy::run(&arguments, &session),
        Command::Plan(arguments) => plan::run(&arguments, &session),
        Command::Test(arguments) => test::run(&arguments, &session),
        Command::Cache(arguments) => cache::run(&arguments, &session),
        Command::Why(arguments) => why::run(&arguments, &session),
    };
    session.settle_cache();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            session.reporter.finish();
            failure.print();
            failure.exit_code()
        }
    }
}

/// Prints data for people.
fn print_data(text: &str) {
    write_out(&harmless(text));
}

/// Prints data for programs, which escapes control characters by itself.
fn print_json(value: &serde_json::Value) {
    write_out(&format!("{value}\n"));
}

/// Writes to standard output. A reader that went away ends the program quietly.
fn write_out(text: &str) {
    if let Err(error) = io::stdout().lock().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        let is_lost = error.kind() != io::ErrorKind::BrokenPipe;
        if is_lost {
            print_talk(&format!("error: standard output cannot be written: {error}"));
        }
        std::process::exit(i32::from(is_lost));
    }
}

/// Prints talk, which may end in a log.
fn print_talk(text: &str) {
    print_coloured(&harmless(text));
}

/// Prints talk that has colours. Where nobody can listen, nothing is lost.
fn print_coloured(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", without_credentials(text));
}

/// A text that does nothing to a terminal: names and words of packages may have any character.
fn harmless(text: &str) -> Cow<'_, str> {
    let harms = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(harms) { text.replace(harms, "\u{fffd}").into() } else { text.into() }
}
