//! Every test that sees the crate from outside, as one program: what they share is compiled and linked once.
//!
//! `cargo test --test all alpine::` runs those of one file or folder.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "functions beside the tests fail like tests"
)]

mod alpine;
mod alpine_setup;
mod apk_archive;
mod apk_signatures;
mod apk_solver;
mod apt_oracle;
mod architecture;
mod bases;
mod broken_packages;
mod check;
mod commands;
mod compression;
mod deb_formats;
mod effects;
mod gallery;
mod image;
mod image_bases;
mod interrupted;
mod layering;
mod loader_ldso;
mod loader_musl;
mod loader_proof;
mod local_program;
mod lock;
mod mirrors;
mod network;
mod oci;
mod oci_tools;
mod pieces;
mod planner;
mod readme;
mod real_archive;
mod recipes;
mod registry;
mod reproducible;
mod script_oracle;
mod selection;
mod selection_alpine;
mod several_archs;
mod support;
mod tamper;
mod tools;
mod trial;
mod trust_gpgv;
mod variants;
mod warm;
mod why;
mod wrong_input;
