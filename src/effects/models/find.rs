//! `find` and `ls`.

use super::super::machine::Machine;
use super::{all_known, run, vague};
use crate::root_path::RootPath;
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

/// What `find` is told.
struct Expression<'a> {
    starts: Vec<&'a str>,
    tests: Vec<Test>,
    /// The least and most directories between a start and a file, the file counted.
    depths: (usize, usize),
    actions: Vec<Vec<String>>,
    end: char,
    /// A test depends on what is not known here.
    is_vague: bool,
}

impl<'a> Expression<'a> {
    /// Reads the words after `find`; the one that has no model otherwise.
    fn read(words: impl Iterator<Item = &'a str>) -> Result<Self, &'a str> {
        let mut words = words.peekable();
        while words.next_if(|word| matches!(*word, "-H" | "-L" | "-P")).is_some() {}
        let mut starts = Vec::new();
        while let Some(path) = words.next_if(|word| !word.starts_with('-') && *word != "!" && *word != "(") {
            starts.push(path);
        }
        if starts.is_empty() {
            starts.push(".");
        }
        let depths = (0, usize::MAX);
        let (tests, actions) = (Vec::new(), Vec::new());
        let mut read = Expression { starts, tests, depths, actions, end: '\n', is_vague: false };
        let mut negated = false;
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_default();
            let test = match word {
                "!" | "-not" => {
                    negated = true;
                    continue;
                }
                "-name" => Test::Name(Pattern::new([(value(), false)])),
                "-path" | "-wholename" => Test::Path(Pattern::new([(value(), false)])),
                "-type" => Test::Kind(value().chars().next().unwrap_or(' ')),
                _ => {
                    read.read_other(word, &mut words)?;
                    continue;
                }
            };
            let test = if std::mem::take(&mut negated) { Test::Not(Box::new(test)) } else { test };
            read.tests.push(test);
        }
        Ok(read)
    }

    /// What is no test of a path.
    fn read_other(
        &mut self,
        word: &'a str,
        words: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), &'a str> {
        let mut value = || words.next().unwrap_or_default();
        match word {
            "-mindepth" => self.depths.0 = value().parse().unwrap_or(0),
            "-maxdepth" => self.depths.1 = value().parse().unwrap_or(usize::MAX),
            "-exec" | "-execdir" => {
                let action = words.take_while(|word| *word != ";" && *word != "+");
                self.actions.push(action.map(ToOwned::to_owned).collect());
            }
            "-delete" => self.actions.push(["rm", "-rf", "{}"].map(str::to_owned).to_vec()),
            "-print0" => self.end = '\0',
            "-print" | "-depth" | "-xdev" | "-mount" | "-a" | "-and" | "-quit" => {}
            "-nouser" | "-nogroup" | "-empty" => self.is_vague = true,
            "-user" | "-group" | "-perm" | "-uid" | "-gid" | "-newer" | "-mtime" | "-size" | "-links"
            | "-mmin" | "-cmin" | "-ctime" => {
                value();
                self.is_vague = true;
            }
            other => return Err(other),
        }
        Ok(())
    }

    /// The files that all tests hold for, by the names that a start gives them; none if there is no such start.
    fn files(&self, machine: &Machine<'_>, call: &Call, start: &str) -> Option<Vec<String>> {
        let top = machine.resolved(call, start)?;
        let holds = |(path, node): (RootPath, Node)| {
            let below = path.as_str().get(top.as_str().len()..).unwrap_or_default();
            let below = if top.is_root() { path.as_str() } else { below };
            let depth = below.split('/').filter(|name| !name.is_empty()).count();
            let shown = format!("{}{below}", start.trim_end_matches('/'));
            let is_deep_enough = (self.depths.0..=self.depths.1).contains(&depth);
            (is_deep_enough && self.tests.iter().all(|test| test.holds(&shown, &node))).then_some(shown)
        };
        Some(machine.tree(&top).into_iter().filter_map(holds).collect())
    }
}

/// `find PATH... TESTS ACTION`, with all tests to hold.
pub(super) fn find(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if !all_known(call) {
        return vague();
    }
    let expression = match Expression::read(call.argv.iter().skip(1).map(String::as_str)) {
        Ok(expression) => expression,
        Err(word) => return Reply::Unknown(format!("there is no model of its expression `{word}`")),
    };
    let mut found = Vec::new();
    let mut status = 0;
    for start in &expression.starts {
        match expression.files(machine, call, start) {
            Some(files) => found.extend(files),
            None => status = 1,
        }
    }
    if expression.is_vague && !found.is_empty() {
        return if expression.actions.is_empty() {
            vague()
        } else {
            Reply::Unknown("which files it chooses depends on what is not known".to_owned())
        };
    }
    for action in &expression.actions {
        for path in &found {
            let argv = action.iter().map(|word| word.replace("{}", path)).collect();
            if let unknown @ Reply::Unknown(_) = run(machine, &Call { argv, ..call.clone() }) {
                return unknown;
            }
        }
    }
    let lines = found.iter().map(|path| format!("{path}{}", expression.end));
    let stdout = if expression.actions.is_empty() { lines.collect() } else { String::new() };
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
