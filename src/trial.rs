//! A recipe's `[[test]]` commands, run in the image that was built.
//!
//! The only room that runs anything of an image, and it does so with sandboxes of the machine: bubblewrap, else
//! unshare(1) of util-linux. What runs sees the image's files, its environment, user and working directory, a
//! root that it cannot write to but for the usual places, and no network unless the test asks for it. Images of
//! other architectures run under qemu's user mode emulation, which is told to the kernel for the sandbox alone
//! (`binfmt_misc`, per user namespace since Linux 6.7), so that what a program starts is emulated too; where the
//! kernel does not know that, the emulator is the program that is started.
//!
//! A test that fails is run a second time under strace, to tell which files it looked for and did not find.

use std::io;
use std::path::PathBuf;

use crate::arch::Arch;
use crate::hint::Hint;

mod account;
mod copies;
mod emulator;
mod judge;
mod launch;
mod process;
mod room;
mod tools;
mod trace;

pub use judge::{Fault, Outcome};
pub use room::Room;
pub use tools::Tools;

/// Why tests cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// Neither bubblewrap nor unshare is there.
    #[error("there is no sandbox to run tests in")]
    NoSandbox,
    /// Nothing runs the architecture's programs.
    #[error("nothing on this machine runs programs of {arch}: there is no `{program}`")]
    NoEmulator {
        /// The architecture.
        arch: Arch,
        /// The emulator that would.
        program: String,
    },
    /// A user or group that the image does not have.
    #[error("the image has no {what} `{name}`")]
    Unknown {
        /// `user` or `group`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Something on this machine cannot be done.
    #[error("cannot {doing} `{}`", .path.display())]
    Machine {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

impl TrialError {
    fn machine(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| TrialError::Machine { doing, path, source }
    }
}

impl Hint for TrialError {
    fn hints(&self) -> Vec<String> {
        match self {
            TrialError::NoSandbox => vec!["install bubblewrap".into()],
            TrialError::NoEmulator { arch, .. } => {
                vec![format!("install qemu-user-static, or leave {arch} out of `--arch`")]
            }
            TrialError::Unknown { what, .. } => {
                vec![format!("define it by `[[{what}]]`, or name the package whose scripts make it")]
            }
            TrialError::Machine { .. } => {
                vec!["set TMPDIR to a directory that can be written to, with room".into()]
            }
        }
    }
}
