//! rootforge turns a TOML recipe into a layered, reproducible OCI image made of distro packages.
//!
//! Packages are read as data: no root, no daemon, no chroot, and nothing of the image is ever run. So an
//! s390x image builds on a laptop as fast as an amd64 one, and twice the same recipe and lock give twice
//! the same digest.
//!
//! # The way through the house
//!
//! ```text
//! recipe -> resolve -> (lock) -> fetch -> catalog -> effects -> select -> render -> layer -> oci
//!              ^                   ^                               |
//!       repository                 +-------------------------------+ Wants(packages)
//! ```
//!
//! Each stage is a function from one noun to the next. [`pipeline`] wires them and nothing else does. Formats and
//! services that know no stage are the crate `rootforge-formats`, handed on from here as rooms like the others.
//!
//! | to change | look into |
//! |---|---|
//! | what a recipe may say | [`recipe`] |
//! | what a distro is called, has, leaves out | [`distro`] |
//! | how signed indexes become a list of packages | [`repository`], [`trust`] |
//! | which packages are chosen | [`resolve`] |
//! | what is pinned | [`lock`] |
//! | how packages arrive | [`fetch`], [`transport`], [`cache`] |
//! | what is known of a package's files | [`catalog`], [`deb`], [`apk`], [`elf`], [`tarball`] |
//! | what installation scripts would do | [`effects`] |
//! | what is known of a shell script | [`shell`] |
//! | which files get in, and why | [`select`], [`loader`] |
//! | files made after selection | [`render`] |
//! | what goes into which layer | [`layer`] |
//! | how an image is written | [`oci`] |
//! | how images go to registries, and come from them | [`registry`], [`oci`] |
//! | which layers a fleet of images shares | [`fleet`] |
//! | what an image is as a base of others | [`base_image`] |
//! | what is wrong with an image | [`check`] |
//! | how a recipe's tests are run | [`trial`] |
//! | why something is in an image, or is not | [`why`] |
//!
//! # Which type do I use?
//!
//! A program that embeds rootforge reads a [`recipe::Recipe`], makes a [`pipeline::Forge`] and calls its
//! methods; the binary does no more than that.

// -- the only wiring of the stages --
pub mod pipeline;

// -- stages: may use the types of earlier stages, never call them --
pub mod base_image;
pub mod catalog;
pub mod check;
pub mod distro;
pub mod effects;
pub mod fetch;
pub mod fleet;
pub mod layer;
pub mod lock;
pub mod oci;
pub mod recipe;
pub mod render;
pub mod repository;
pub mod resolve;
pub mod select;
pub mod trial;
pub mod why;

// -- formats and services: know no stage --
pub mod shell;
pub use rootforge_formats::{apk, cache, deb, elf, loader, registry, tarball, transport, trust};

// -- foundations: import nothing from the crate --
pub use rootforge_formats::{arch, atomic_file, digest, hint, html, partial, progress, root_path};
