//! Alpine's formats, version 2 of apk: packages, indexes, versions, relations and the installed database.
//!
//! Follows apk-tools 2.14 and its wiki page "Apk spec". Format 3 (`ADB`) is recognised and refused.

pub mod archive;
pub mod checksum;
mod error;
mod members;
pub mod pkginfo;
mod signatures;
mod signed_index;

pub use checksum::Checksum;
pub use error::{ApkError, Part, Subject};
pub use signed_index::{SignedIndex, signed_index};
