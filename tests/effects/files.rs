//! What scripts do to files, their packages' and their own, against what comes of it in images. Where root runs the tests,
//! the real tools say that it is so.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use rootforge::tarball::{Entry, EntryKind};

use crate::support::{Archive, Image, Rig};
use crate::tools::is_root;

/// What a package has below its directory: `path mode user:group content`, or `path -> target`. Content is a word.
const PACKAGED: &[&str] = &[
    "a 644 0:0 one",
    "b 4755 0:0 two",
    "c 2755 5:7 three",
    "d/ 2770 0:50",
    "d/h 644 0:0 four",
    "e/ 700 33:33",
    "e/h 600 33:33 five",
    "l -> a",
];

/// What a script does in that directory, and the lines that differ afterwards; what is gone has none.
struct Case {
    summary: &'static str,
    script: &'static str,
    expected: &'static [&'static str],
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case {
        summary: "directories with something in them keep what is not said of them",
        script: "chgrp 5 d; chmod g+w e",
        expected: &["d/ 2770 0:5", "e/ 720 33:33"],
    },
    Case {
        summary: "what is made the usual of a directory stays so whatever comes then",
        script: "chown 0:0 e; chmod 755 e; chown 33:33 e/h; chmod -R g+w e; chown 0:0 d; chmod g-s d; chmod 755 d; chown 33 d",
        expected: &["d/ 755 33:0", "d/h 644 0:0 four", "e/ 775 0:0", "e/h 620 33:33 five"],
    },
    Case {
        summary: "what was kept aside comes back",
        script: "cp -p a k; echo more >> a; cp -p k a; rm k",
        expected: &[],
    },
    Case {
        summary: "numbers leave a directory the set-id bits that they do not name",
        script: "chmod 755 d; chmod 4700 e; chmod 755 e",
        expected: &["d/ 2755 0:50", "e/ 4755 33:33"],
    },
    Case {
        summary: "whoever is given a file, and be it whose it is, does not run it as its owner",
        script: "chown root:root b; chgrp 7 c; stat -c %a b > a",
        expected: &["a 644 0:0 755", "b 755 0:0 two", "c 755 5:7 three"],
    },
    Case {
        summary: "one file of a package takes the place of another",
        script: "mv a d/h; mv -T b l",
        expected: &["a", "b", "d/h 644 0:0 one", "l 4755 0:0 two"],
    },
    Case {
        summary: "files of a package change places",
        script: "mv a x; mv c a; mv x c",
        expected: &["a 2755 5:7 three", "c 644 0:0 one"],
    },
    Case {
        summary: "what has moved is moved, changed and taken away like all else",
        script: "mv a x; mv x y; mv c z; chmod 600 z; mv d/h f; rm f",
        expected: &["a", "c", "d/h", "y 644 0:0 one", "z 600 5:7 three"],
    },
    Case {
        summary: "a directory moves with what it has of its own and what was made in it",
        script: "echo six > d/i; chown 8 d/i; mv d/h d/k; mv d e; rm e/d/k",
        expected: &["d/", "d/h", "e/d/ 2770 0:50", "e/d/i 644 8:50 six"],
    },
    Case {
        summary: "archives of directories keep mode and owner, other copies do not",
        script: "mkdir -m 700 f; cp -a f g; cp -a d m; cp -r e n; cp -p c o",
        expected: &[
            "f/ 700 0:0", "g/ 700 0:0", "m/ 2770 0:50", "m/h 644 0:0 four", "n/ 700 0:0", "n/h 600 0:0 five",
            "o 2755 5:7 three",
        ],
    },
    Case {
        summary: "directories are taken away with all that they have",
        script: "rm -r d; rm e/h",
        expected: &["d/", "d/h", "e/h"],
    },
    Case {
        summary: "something else takes the place of a directory",
        script: "rm -rf d e; ln -s a d; mkdir e",
        expected: &["d -> a", "d/h", "e/ 755 0:0", "e/h"],
    },
    Case {
        summary: "links are given to somebody, not what they lead to",
        script: "chown -h 8:8 l; chown -R 9 l; ln -s a m; chown 10 m",
        expected: &["a 644 10:0 one", "l -> a 9:8", "m -> a 0:0"],
    },
    Case {
        summary: "what is made in a set-group-ID directory is its group's",
        script: "echo six > d/i; mkdir d/f; mkdir -m 700 d/f/g; ln -s i d/m; install -d d/j; cp -p a d/a; umask 77; mkdir d/k",
        expected: &[
            "d/a 644 0:0 one", "d/f/ 2755 0:50", "d/f/g/ 2700 0:50", "d/i 644 0:50 six", "d/j/ 755 0:50",
            "d/k/ 2700 0:50", "d/m -> i 0:50",
        ],
    },
    Case {
        summary: "install puts another file in the place of what is there",
        script: "install -m 640 a c; install b l; install -m 4755 -g 7 a m; install -d -m 750 d; install -d e",
        expected: &[
            "c 640 0:0 one", "d/ 2750 0:50", "e/ 755 33:33", "l 755 0:0 two", "m 4755 0:7 one",
        ],
    },
    Case {
        summary: "copies are written where links lead, and what is there stays whose it is",
        script: "cp c l; cp a c; ln c m",
        expected: &["a 644 0:0 three", "c 2755 5:7 three", "m 2755 5:7 three"],
    },
];

/// Where a case's package has its files.
fn place(number: usize) -> String {
    format!("/srv/s{number}")
}

fn package(number: usize, case: &Case) -> String {
    let at = place(number);
    let mut text = format!("Package: s{number}\n /usr/share/s{number} 0644 x\n {at}/ 0755\n");
    for line in PACKAGED {
        let words: Vec<&str> = line.split(' ').collect();
        text += &match words[..] {
            [path, "->", target] => format!(" {at}/{path} -> {target}\n"),
            [path, mode, owner] => format!(" {at}/{path} 0{mode}@{owner}\n"),
            [path, mode, owner, content] => format!(" {at}/{path} 0{mode}@{owner} {content}\\n\n"),
            _ => panic!("{line}"),
        };
    }
    let script = format!("#!/bin/sh\nset -e\ncd {at}\n{}", case.script.replace("; ", "\n"));
    text + &script.lines().map(|line| format!(" postinst {line}\n")).collect::<String>()
}

/// The lines of a tree by path.
type Tree = BTreeMap<String, String>;

fn line(path: &str, what: &str) -> (String, String) {
    (path.to_owned(), format!("{path} {what}"))
}

fn of_image(image: &Image, at: &str) -> Tree {
    let members = image.layers.iter().flat_map(|(_, members)| members);
    let shown = members.filter_map(|(Entry { path, metadata, kind }, content)| {
        let path = path.as_str().strip_prefix(at)?.strip_prefix('/')?;
        let (mode, owner) = (metadata.mode, format!("{}:{}", metadata.uid, metadata.gid));
        Some(match kind {
            EntryKind::Symlink { target } => line(path, &format!("-> {target} {owner}")),
            EntryKind::Directory => line(&format!("{path}/"), &format!("{mode:o} {owner}")),
            _ => line(path, &format!("{mode:o} {owner} {}", String::from_utf8_lossy(content).trim_end())),
        })
    });
    shown.collect()
}

/// What a case says should come of what is packaged.
fn expected(case: &Case) -> Tree {
    let of = |line: &&str| {
        let is_owned = !line.contains("->") || line.contains(':');
        (line.split(' ').next().unwrap().to_owned(), format!("{line}{}", if is_owned { "" } else { " 0:0" }))
    };
    let mut tree: Tree = PACKAGED.iter().map(of).collect();
    for (path, line) in case.expected.iter().map(of) {
        // A path alone is gone, and what takes its place may be another kind of thing.
        tree.remove(&path);
        tree.remove(&format!("{path}/"));
        if line != path {
            tree.insert(path, line);
        }
    }
    tree
}

#[test]
fn images_have_what_scripts_make_of_files() {
    let packages: Vec<String> =
        CASES.iter().enumerate().map(|(number, case)| package(number, case)).collect();
    let rig = Rig::with(&Archive::new(&packages.join("\n")));
    let names: Vec<String> = (0..CASES.len()).map(|number| format!("\"s{number}\"")).collect();
    for keep in ["needed", "all"] {
        let names = names.join(", ");
        rig.recipe(&format!("[[layer]]\nname = \"s\"\nkeep = \"{keep}\"\npackages = [{names}]\n"));
        rig.build(&[]);
        let image = Image::read(&rig.work("images"), "r");
        for (number, case) in CASES.iter().enumerate() {
            assert_eq!(of_image(&image, &place(number)), expected(case), "{keep}: {}", case.summary);
        }
    }
}

#[test]
fn the_real_tools_make_the_same_of_files() {
    if !is_root() {
        return;
    }
    for case in CASES {
        let dir = tempfile::tempdir().unwrap();
        unpack(dir.path());
        let script = format!("set -e\numask 022\n{}", case.script);
        let done = Command::new("sh").args(["-c", &script]).current_dir(dir.path()).status().unwrap();
        assert!(done.success(), "{}", case.summary);
        let mut tree = Tree::new();
        read(dir.path(), "", &mut tree);
        assert_eq!(tree, expected(case), "{}", case.summary);
    }
}

fn unpack(dir: &Path) {
    for line in PACKAGED {
        let words: Vec<&str> = line.split(' ').collect();
        let path = dir.join(words[0]);
        if words[1] == "->" {
            symlink(words[2], path).unwrap();
            continue;
        }
        match words.get(3) {
            Some(content) => fs::write(&path, format!("{content}\n")).unwrap(),
            None => fs::create_dir(&path).unwrap(),
        }
        let (user, group) = words[2].split_once(':').unwrap();
        chown(&path, user.parse().ok(), group.parse().ok()).unwrap();
        let mode = u32::from_str_radix(words[1], 8).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn read(dir: &Path, above: &str, tree: &mut Tree) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{above}{}", entry.file_name().to_str().unwrap());
        let found = entry.metadata().unwrap();
        let (mode, owner) = (found.mode() & 0o7777, format!("{}:{}", found.uid(), found.gid()));
        let (path, line) = if found.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            line(&path, &format!("-> {} {owner}", target.display()))
        } else if found.is_dir() {
            let path = format!("{path}/");
            read(&entry.path(), &path, tree);
            line(&path, &format!("{mode:o} {owner}"))
        } else {
            let content = fs::read_to_string(entry.path()).unwrap();
            line(&path, &format!("{mode:o} {owner} {}", content.trim_end()))
        };
        tree.insert(path, line);
    }
}
