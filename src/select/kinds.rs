//! What packages and their files are, by what they ship: commands, libraries, modules of interpreters, or nothing of their
//! own. No rule of selection stands here; those that ask are in [`super::packages`] and [`super::foresight`].

use crate::catalog::{CataloguedFile, PackageFiles};
use crate::distro::{Distro, PackageFormat};
use crate::loader::Search;
use crate::root_path::RootPath;
use crate::tarball::EntryKind;

use super::strip::{StripRules, is_about_package};

/// Plug-ins that come only when a run-time rule asks for them, by a part of their path: conversions, libraries for
/// better processors, mechanisms for authentication (some with a database of their own).
const GOVERNED: &[&str] = &["/gconv/", "/glibc-hwcaps/", "/sasl2/", "/security/pam_userdb.so"];

/// Rule 3: data and plug-ins come with a reached package; commands, libraries and what a run-time
/// rule governs do not.
pub(super) fn comes_with_package(search: &Search, file: &CataloguedFile) -> bool {
    let path = &file.entry.path;
    let is_library = search.in_default_dirs(path) && (path.file_name().contains(".so") || file.elf.is_some());
    let is_governed = GOVERNED.iter().any(|part| path.as_str().contains(part));
    !is_command(path) && !is_library && !is_governed
}

/// Whether a package is reached through its dependant at once: it has no library on the loader's path that something
/// might need first, or has modules of an interpreter too.
pub(super) fn waits_for_nothing(search: &Search, package: &PackageFiles) -> bool {
    !ships_library(search, package) || ships_modules(package)
}

pub(super) fn ships_library(search: &Search, package: &PackageFiles) -> bool {
    let mut files = package.manifest.files.iter();
    files.any(|file| file.elf.is_some() && search.in_default_dirs(&file.entry.path))
}

/// Whether a package has a library on the loader's path, or the link by which one is found that another has.
pub(super) fn offers_library(search: &Search, package: &PackageFiles) -> bool {
    let is_link = |file: &CataloguedFile| {
        let path = &file.entry.path;
        matches!(file.entry.kind, EntryKind::Symlink { .. })
            && path.file_name().contains(".so")
            && search.in_default_dirs(path)
    };
    ships_library(search, package) || package.manifest.files.iter().any(is_link)
}

pub(super) fn has_elf(package: &PackageFiles) -> bool {
    package.manifest.files.iter().any(|file| file.elf.is_some())
}

/// Whether the commands that a package has are scripts.
pub(super) fn is_scripts_alone(package: &PackageFiles) -> bool {
    let is_script = |file: &CataloguedFile| file.shebang.is_some() && is_command(&file.entry.path);
    !has_elf(package) && package.manifest.files.iter().any(is_script)
}

/// Whether nothing of the package remains once it is stripped but what tells of the package itself, or some
/// [notes](NOTES) of its own. An apk has
/// nothing from the start: what only a service manager reads is a package of its own there, and no other's
/// name.
pub(super) fn is_meta(distro: Distro, strip: &StripRules, package: &PackageFiles) -> bool {
    let strips = distro.format() == PackageFormat::Deb;
    let share = RootPath::parse(&format!("/usr/share/{}", package.name)).ok();
    let mut notes = 0;
    package.manifest.files.iter().all(|file| {
        let path = &file.entry.path;
        let is_note = strips && share.is_some() && path.parent() == share && is_text_alone(file);
        if let EntryKind::File { size } = file.entry.kind
            && is_note
        {
            notes += size;
        }
        file.entry.kind == EntryKind::Directory
            || is_about_package(path)
            || (strips && strip.class_of(path).is_some())
            || (is_note && notes <= NOTES)
    })
}

/// So much of its own a package may have that is there for others' sake, in bytes: build-essential has the lists of what
/// it brings.
const NOTES: u64 = 1 << 15;

/// Whether a file is one that nothing runs or loads, as far as its name and its kind tell.
fn is_text_alone(file: &CataloguedFile) -> bool {
    let is_file = matches!(file.entry.kind, EntryKind::File { .. });
    let is_code = file.elf.is_some() || file.shebang.is_some() || file.entry.metadata.mode & 0o111 != 0;
    is_file && !is_code && !file.entry.path.file_name().contains('.')
}

/// Whether a package makes a library usable for an interpreter: its modules may call what comes of the same source.
pub(super) fn is_bridge(package: &PackageFiles) -> bool {
    let is_typelib = |path: &RootPath| path.as_str().ends_with(".typelib");
    ships_modules(package) || package.manifest.files.iter().any(|file| is_typelib(&file.entry.path))
}

/// Whether a package ships modules of an interpreter.
pub(super) fn ships_modules(package: &PackageFiles) -> bool {
    const PARTS: [&str; 6] = [
        "/perl5/",
        "/python3/dist-packages/",
        "/ruby/vendor_ruby/",
        "/tcltk/",
        "/share/guile/",
        "/share/lua/",
    ];
    package.manifest.files.iter().any(|file| {
        let path = file.entry.path.as_str();
        let is_module =
            PARTS.iter().any(|part| path.contains(part)) || is_lua_module(file.entry.path.file_name());
        file.entry.kind != EntryKind::Directory && is_module
    })
}

/// Whether a library has the name that Debian gives to one that Lua loads, by a link from its own directory
/// (`dh_lua`): `liblua5.4-NAME.so.0`. Lua's own are `liblua5.4.so.0` and, for C++, `liblua5.4-c++.so.0`.
fn is_lua_module(library: &str) -> bool {
    let named = library.strip_prefix("liblua5.").and_then(|rest| rest.split_once('-'));
    named.is_some_and(|(minor, name)| {
        minor.bytes().all(|byte| byte.is_ascii_digit()) && name.contains(".so.") && !name.starts_with("c++.")
    })
}

/// Whether a path lies directly in a directory of commands.
pub fn is_command(path: &RootPath) -> bool {
    const DIRECTORIES: [&str; 7] =
        ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/games", "/usr/local/bin", "/usr/local/sbin"];
    path.parent().is_some_and(|parent| DIRECTORIES.contains(&parent.as_str()))
}
