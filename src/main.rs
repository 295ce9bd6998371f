//! The command `rootforge`: parse, run, print the error and its hints, exit.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::run()
}
