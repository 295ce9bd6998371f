//! The interface of the crate `zstd` 0.11, provided by its present version.
//!
//! `debpkg` asks for `zstd` 0.11 with all that is on by default: decoders of the formats from before zstd 1.0,
//! and a builder of dictionaries, in C. dpkg writes none of these formats. The patch in `Cargo.toml` puts this
//! crate in its place.

pub use zstd_now::*;
