//! `find` and `ls`.

use super::super::machine::Machine;
use super::{all_known, run, vague};
use crate::shell::{Call, Match, Node, Pattern, Reply, World};

enum Test {
    Name(Pattern),
    Path(Pattern),
    Kind(char),
    Not(Box<Test>),
}

impl Test {
    fn holds(&self, shown: &str, node: &Node) -> bool {
        match self {
            Test::Name(pattern) => pattern.matches(shown.rsplit('/').next().unwrap_or(shown)) == Match::Yes,
            Test::Path(pattern) => pattern.matches(shown) == Match::Yes,
            Test::Kind(kind) => match node {
                Node::Directory => *kind == 'd',
                Node::File { .. } => *kind == 'f',
                Node::Symlink(_) => *kind == 'l',
                Node::Other => false,
            },
            Test::Not(test) => !test.holds(shown, node),
        }
    }
}

/// `find PATH... TESTS ACTION`, with all tests to hold.
pub(super) fn find(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if !all_known(call) {
        return vague();
    }
    let unmodelled = |word: &str| Reply::Unknown(format!("there is no model of its expression `{word}`"));
    let mut words = call.argv.iter().skip(1).map(String::as_str).peekable();
    while words.next_if(|word| matches!(*word, "-H" | "-L" | "-P")).is_some() {}
    let mut starts = Vec::new();
    while let Some(path) = words.next_if(|word| !word.starts_with('-') && *word != "!" && *word != "(") {
        starts.push(path);
    }
    if starts.is_empty() {
        starts.push(".");
    }
    let (mut tests, mut least, mut most, mut negated) = (Vec::new(), 0, usize::MAX, false);
    let (mut actions, mut null, mut vague_test): (Vec<Vec<String>>, bool, bool) = (Vec::new(), false, false);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_default();
        let test = match word {
            "!" | "-not" => {
                negated = true;
                continue;
            }
            "-name" => Some(Test::Name(Pattern::new([(value(), false)]))),
            "-path" | "-wholename" => Some(Test::Path(Pattern::new([(value(), false)]))),
            "-type" => Some(Test::Kind(value().chars().next().unwrap_or(' '))),
            "-mindepth" => {
                least = value().parse().unwrap_or(0);
                None
            }
            "-maxdepth" => {
                most = value().parse().unwrap_or(usize::MAX);
                None
            }
            "-exec" | "-execdir" => {
                let action: Vec<String> = words
                    .by_ref()
                    .take_while(|word| *word != ";" && *word != "+")
                    .map(ToOwned::to_owned)
                    .collect();
                actions.push(action);
                None
            }
            "-delete" => {
                actions.push(vec!["rm".to_owned(), "-rf".to_owned(), "{}".to_owned()]);
                None
            }
            "-print0" => {
                null = true;
                None
            }
            "-print" | "-depth" | "-xdev" | "-mount" | "-a" | "-and" | "-quit" => None,
            "-user" | "-group" | "-perm" | "-uid" | "-gid" | "-newer" | "-mtime" | "-size" | "-nouser"
            | "-nogroup" | "-empty" | "-links" | "-mmin" | "-cmin" | "-ctime" => {
                if !matches!(word, "-nouser" | "-nogroup" | "-empty") {
                    value();
                }
                vague_test = true;
                None
            }
            other => return unmodelled(other),
        };
        if let Some(test) = test {
            tests.push(if std::mem::take(&mut negated) { Test::Not(Box::new(test)) } else { test });
        }
    }
    let mut found = Vec::new();
    let mut status = 0;
    for start in starts {
        let Some(top) = machine.resolved(call, start) else {
            status = 1;
            continue;
        };
        for (path, node) in machine.tree(&top) {
            let below = path.as_str().get(top.as_str().len()..).unwrap_or_default();
            let below = if top.is_root() { path.as_str() } else { below };
            let depth = below.split('/').filter(|name| !name.is_empty()).count();
            let shown = format!("{}{below}", start.trim_end_matches('/'));
            if depth >= least && depth <= most && tests.iter().all(|test| test.holds(&shown, &node)) {
                found.push(shown);
            }
        }
    }
    if vague_test && !found.is_empty() {
        return if actions.is_empty() {
            vague()
        } else {
            Reply::Unknown("which files it chooses depends on what is not known".to_owned())
        };
    }
    for action in &actions {
        for path in &found {
            let argv = action.iter().map(|word| word.replace("{}", path)).collect();
            if let unknown @ Reply::Unknown(_) = run(machine, &Call { argv, ..call.clone() }) {
                return unknown;
            }
        }
    }
    let end = if null { '\0' } else { '\n' };
    let stdout = if actions.is_empty() {
        found.iter().map(|path| format!("{path}{end}")).collect()
    } else {
        String::new()
    };
    Reply::Done { status: Some(status), stdout, variables: Vec::new() }
}

/// Names only; with `-l` nobody knows the rest.
pub(super) fn ls(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if !all_known(call) {
        return vague();
    }
    let (flags, mut paths): (Vec<&String>, Vec<&String>) =
        call.argv.iter().skip(1).partition(|word| word.starts_with('-'));
    let here = ".".to_owned();
    if paths.is_empty() {
        paths.push(&here);
    }
    let letters: String = flags.iter().map(|flag| flag.trim_start_matches('-')).collect();
    let (mut output, mut status) = (String::new(), 0);
    for path in &paths {
        let Some(place) = machine.resolved(call, path) else {
            status = 2;
            continue;
        };
        if letters.contains(['l', 'n', 'i', 's']) {
            output.push_str(&crate::shell::text::unknown());
        } else if machine.node(&place) == Some(Node::Directory) && !letters.contains('d') {
            let names = machine.list(&place);
            let hidden = letters.contains(['a', 'A']);
            for name in names.iter().filter(|name| hidden || !name.starts_with('.')) {
                output.push_str(&format!("{name}\n"));
            }
        } else {
            output.push_str(&format!("{path}\n"));
        }
    }
    Reply::Done { status: Some(status), stdout: output, variables: Vec::new() }
}
