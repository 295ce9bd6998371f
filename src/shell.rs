//! Shell scripts, as data: what a script says, without running it.
//!
//! The grammar is that of the POSIX shell and bash, parsed by `brush-parser`. [`words`] lists the commands that a
//! script may call.

mod words;

pub use words::{ScriptWords, words};
