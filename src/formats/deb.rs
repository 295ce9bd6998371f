//! Debian's formats: control files, versions, relations, Release files, apt's source lists, `.deb`.

pub mod apt_sources;
pub mod archive;
pub mod control;
pub mod relation;
pub mod release;
pub mod version;
