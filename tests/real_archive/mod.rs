//! The program on the real Debian mirror that this machine's apt uses, and its images in real hands: umoci,
//! bubblewrap, qemu, Docker, podman.
//!
//! Without apt sources of Debian, without network or without a tool, a test is passed over with a message;
//! where the environment has `CI=true` it fails. All tests share one cache below the target directory, so
//! nothing is fetched twice, whatever else a test has of its own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "functions beside the tests fail like tests"
)]

mod architectures;
pub(crate) mod bench;
mod engines;
mod faults;
mod foreign_base;
mod programs;
mod pulseaudio;
mod reproducible;
pub(crate) mod root;
