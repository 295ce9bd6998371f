//! Alpine's formats, version 2 of apk: packages, indexes, versions, relations and the installed database.
//!
//! Follows apk-tools 2.14 and its wiki page "Apk spec". Format 3 (`ADB`) is recognised and refused.

pub mod applets;
pub mod archive;
pub mod checksum;
mod error;
pub mod index;
pub mod installed;
mod members;
pub mod pkginfo;
pub mod relation;
pub mod repositories;
mod signatures;
mod signed_index;
pub mod version;

pub use applets::{Applet, AppletsError, applets};
pub use checksum::{Checksum, ChecksumError};
pub use error::{ApkError, Part, Subject};
pub use index::IndexRecord;
pub use relation::{Constraint, Operator, Relation};
pub use signed_index::{SignedIndex, signed_index};
