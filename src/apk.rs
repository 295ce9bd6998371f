//! Alpine's formats, version 2 of apk: packages, indexes, versions, relations and the installed database.
//!
//! Follows apk-tools 2.14 and its wiki page "Apk spec". Format 3 (`ADB`) is recognised and refused.

pub mod applets;
pub mod checksum;
pub mod installed;

pub use applets::{Applet, AppletsError, applets};
pub use checksum::Checksum;
