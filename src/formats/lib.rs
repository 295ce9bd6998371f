//! The lower half of rootforge: formats of packages, archives and programs, the rules of the loaders, trust,
//! transport and the cache. It knows no recipe and no image; `rootforge` hands its rooms on as its own.
//!
//! It is a crate of its own because packages and indexes stream through it: tests have it optimised, which would take
//! minutes for all of rootforge.

// -- formats and services --
pub mod apk;
pub mod cache;
pub mod deb;
pub mod elf;
pub mod loader;
pub mod registry;
pub mod tarball;
pub mod transport;
pub mod trust;

// -- foundations: import nothing from the crate --
pub mod arch;
pub mod atomic_file;
pub mod digest;
pub mod hint;
pub mod html;
pub mod partial;
pub mod progress;
pub mod root_path;
