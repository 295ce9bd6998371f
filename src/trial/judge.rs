//! Whether a command did what its test expects.

use std::fmt;
use std::os::unix::process::ExitStatusExt;

use crate::recipe::Test;

use super::process::Ended;

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was not as expected; nothing where it passed.
    pub faults: Vec<Fault>,
    /// What it wrote, as text, at most a megabyte.
    pub stdout: String,
    /// Likewise.
    pub stderr: String,
    /// The files of the image that it looked for and did not find, those that are likeliest to matter first.
    pub missing: Vec<String>,
}

/// Something that was not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It exited otherwise.
    Status {
        /// The status expected.
        expected: u8,
        /// The status it had; as shells count, 128 and more is a signal.
        found: i32,
    },
    /// It took too long and was stopped.
    Timeout,
    /// A stream does not hold what it must.
    Lacks {
        /// `stdout` or `stderr`.
        stream: &'static str,
        /// What it must hold.
        text: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Status { expected, found } if *found > 128 => {
                write!(f, "it ended by signal {}, and was to exit with {expected}", found - 128)
            }
            Fault::Status { expected, found } => {
                write!(f, "it exited with {found}, and was to exit with {expected}")
            }
            Fault::Timeout => f.write_str("it took too long, and was stopped"),
            Fault::Lacks { stream, text } => write!(f, "its {stream} does not hold {text:?}"),
        }
    }
}

/// Compares what a process did with what its test expects.
pub(super) fn judge(test: &Test, ended: &Ended) -> Outcome {
    let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
    let mut faults = Vec::new();
    match &ended.status {
        None => faults.push(Fault::Timeout),
        Some(status) => {
            let found = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
            if found != i32::from(test.status) {
                faults.push(Fault::Status { expected: test.status, found });
            }
        }
    }
    for (stream, text, expected) in [("stdout", &stdout, &test.stdout), ("stderr", &stderr, &test.stderr)] {
        if let Some(expected) = expected.as_ref().filter(|expected| !text.contains(expected.as_str())) {
            faults.push(Fault::Lacks { stream, text: expected.clone() });
        }
    }
    Outcome { faults, stdout, stderr, missing: Vec::new() }
}
