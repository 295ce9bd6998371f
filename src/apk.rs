//! Alpine's formats, version 2 of apk: packages, indexes, versions, relations and the installed database.
//!
//! Follows apk-tools 2.14 and its wiki page "Apk spec". Format 3 (`ADB`) is recognised and refused.

pub mod checksum;
pub mod index;
pub mod relation;
pub mod version;

pub use checksum::Checksum;
pub use index::IndexRecord;
pub use relation::{Constraint, Operator, Relation};
