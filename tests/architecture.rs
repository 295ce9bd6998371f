//! The rooms of the house and the one way their imports go.
//!
//! Reads the `crate::` paths of every source file. A room may import rooms that stand after it in
//! [`ROOMS`], and its own parts; foundations import nothing. Within the stages this holds types that
//! earlier stages made; that no stage calls another is for the reader of `pipeline.rs` to see.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every room, from the roof to the ground: each may import those that come after it.
const ROOMS: &[&[&str]] = &[
    &["main", "cli"],
    &["pipeline"],
    // Stages: the last of the way first, since each uses the types of those before it.
    &[
        "trial",
        "check",
        "base_image",
        "oci",
        "why",
        "fleet",
        "layer",
        "render",
        "select",
        "effects",
        "catalog",
        "fetch",
        "lock",
        "resolve",
        "repository",
        "recipe",
        "distro",
    ],
    // Formats and services.
    &["registry", "cache", "transport", "loader", "elf", "deb", "apk", "shell", "trust", "tarball"],
    // Foundations.
    &["progress"],
    &["arch", "atomic_file", "digest", "hint", "html", "partial", "root_path"],
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // What has a manifest of its own is a crate of its own; that of formats is part of the house.
            if path.ends_with("formats") || !path.join("Cargo.toml").exists() {
                sources(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The room that a file below `src` belongs to.
fn room_of(path: &Path) -> String {
    let path = path.strip_prefix("formats").unwrap_or(path);
    let first = path.iter().next().unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// A source text without the tests in it; those of a file of their own are not in it.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

/// The rooms that a source text names after `crate::` or `rootforge::`, tests and comments aside.
fn imports(text: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for line in code(text).lines().filter(|line| !line.trim_start().starts_with("//")) {
        for marker in ["crate::", "rootforge::"] {
            for (at, _) in line.match_indices(marker) {
                let rest = &line[at + marker.len()..];
                if let Some(group) = rest.strip_prefix('{') {
                    if !group.contains('}') {
                        rooms.insert("{ over several lines".to_owned());
                    }
                    let names = group.split([',', '}']).map(str::trim);
                    rooms.extend(names.map(leading_name).filter(|name| !name.is_empty()));
                } else {
                    rooms.insert(leading_name(rest));
                }
            }
        }
    }
    rooms
}

fn leading_name(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

fn floor(room: &str) -> Option<usize> {
    ROOMS.iter().flat_map(|group| group.iter()).position(|name| *name == room)
}

#[test]
fn imports_go_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 30, "the sources were not found");
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let room = room_of(relative);
        if room == "lib" || relative.ends_with("tests.rs") {
            continue;
        }
        let Some(here) = floor(&room) else {
            wrong.push(format!("{}: `{room}` has no place among the rooms", relative.display()));
            continue;
        };
        for import in imports(&fs::read_to_string(&file).unwrap()) {
            match floor(&import) {
                Some(there) if there > here || import == room => {}
                Some(_) => wrong.push(format!("{}: {room} imports {import}", relative.display())),
                None => wrong.push(format!("{}: `{import}` is no room", relative.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "imports that go up:\n{}", wrong.join("\n"));
}

#[test]
fn an_import_that_goes_up_would_be_seen() {
    assert_eq!(
        imports("use crate::{select, elf::ElfFacts};\n").into_iter().collect::<Vec<_>>(),
        ["elf", "select"]
    );
    let with_tests = "#[cfg(test)]\nmod tests;\nuse crate::elf::A;\n#[cfg(test)]\nmod tests {\n    use crate::cli::B;\n}\n";
    assert_eq!(imports(with_tests).into_iter().collect::<Vec<_>>(), ["elf"]);
    assert_eq!(
        imports("use crate::{\n    elf,\n}").into_iter().collect::<Vec<_>>(),
        ["{ over several lines"]
    );
    assert!(floor("digest") > floor("pipeline"));
    assert!(floor("catalog") > floor("select"));
}

#[test]
fn only_the_command_line_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let is_test = relative.ends_with("tests.rs");
        if is_test || ["main", "cli"].contains(&room_of(relative).as_str()) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = code(&text);
        for word in ["println!", "eprintln!", "print!(", "SystemTime::now", "env::var"] {
            assert!(!code.contains(word), "{} has {word}", relative.display());
        }
    }
}

/// The map of a file is the one exception from `unsafe_code`.
#[test]
fn only_the_map_of_a_file_is_unsafe() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let lifts_it = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        ["unsafe_code", "unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| text.contains(word))
    };
    let found: Vec<PathBuf> = files.into_iter().filter(lifts_it).collect();
    assert_eq!(found, [root.join("formats/cache/mapped.rs")]);
}
