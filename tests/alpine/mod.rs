//! The program on Alpine, from end to end: on the corpus of real packages, against Alpine's own `apk`, under
//! emulators, with packages made here, and with everything that can be wrong with a repository.
//!
//! Without the corpus or a tool a test is passed over with a message; where the environment has `CI=true` it
//! fails.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "functions beside the tests fail like tests"
)]

pub(crate) mod apks;
mod bad_input;
pub(crate) mod corpus;
mod emulators;
mod images;
mod mirror;
mod needed;
mod packages;
mod real_apk;
mod reproducible;
mod scripts;
