//! The interface of the crate `xz2`, provided by its maintained fork `liblzma`.
//!
//! `debpkg` asks for `xz2`, which cannot be linked beside `liblzma`: both claim the native library.
//! The patch in `Cargo.toml` puts this crate in its place.

pub use liblzma::*;
