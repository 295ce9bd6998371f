//! A whole world for the program to run in, without a network: packages written as text, an archive of them
//! signed with a key made here, a home directory of its own, and a reader of the images that come out.

#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test program uses a part of it")]

use rootforge::arch::{Arch, ElfMachine};

pub mod alpine;
pub mod apk;
pub mod apk_tools;
pub mod archive;
pub mod image;
pub mod package;
pub mod planned;
pub mod rig;
#[path = "../../src/formats/elf/sample.rs"]
mod sample;
pub mod server;
pub mod signing;
pub mod suite;

pub use alpine::alpine_corpus;
pub use archive::Archive;
pub use image::Image;
pub use package::Package;
pub use rig::Rig;
