//! Signed package indexes, and the list of packages made of them.

pub mod index;

pub use index::*;
