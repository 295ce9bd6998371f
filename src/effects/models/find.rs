//! `find` and `ls`.

use std::collections::BTreeSet;
use std::iter::Peekable;

use super::super::machine::Machine;
use super::{all_known, run, vague};
use crate::root_path::RootPath;
use crate::shell::{Call, Match, Node, Pattern, Reply, World};

/// As deep may parentheses and negations stand in each other.
const MOST_NESTED: usize = 32;

/// One thing that `find` does for a path: it tells whether that held.
enum Test {
    Name(Pattern),
    Path(Pattern),
    Kind(String),
    Not(Box<Test>),
    All(Vec<Test>),
    Any(Vec<Test>),
    /// Nothing below a directory is looked at.
    Prune,
    /// The action of that number is done.
    Act(usize),
    Always,
    Never,
    /// It depends on what is not known here.
    Vague,
}

/// What looking at one path came to.
#[derive(Default)]
struct Seen {
    actions: Vec<usize>,
    is_pruned: bool,
    is_vague: bool,
}

impl Test {
    fn holds(&self, shown: &str, node: &Node, seen: &mut Seen) -> bool {
        match self {
            Test::Name(pattern) => pattern.matches(shown.rsplit('/').next().unwrap_or(shown)) == Match::Yes,
            Test::Path(pattern) => pattern.matches(shown) == Match::Yes,
            Test::Kind(kinds) => kinds.split(',').any(|kind| match node {
                Node::Directory => kind == "d",
                Node::File { .. } => kind == "f",
                Node::Symlink(_) => kind == "l",
                Node::Other => false,
            }),
            Test::Not(test) => !test.holds(shown, node, seen),
            Test::All(tests) => tests.iter().all(|test| test.holds(shown, node, seen)),
            Test::Any(tests) => tests.iter().any(|test| test.holds(shown, node, seen)),
            Test::Prune => {
                seen.is_pruned = true;
                true
            }
            Test::Act(number) => {
                seen.actions.push(*number);
                true
            }
            Test::Always => true,
            Test::Never => false,
            Test::Vague => {
                seen.is_vague = true;
                true
            }
        }
    }
}

/// What is done with a path that is found.
enum Action {
    /// It is written in this form.
    Print(String),
    Run(Vec<String>),
}

/// What `find` is told.
struct Expression<'a> {
    starts: Vec<&'a str>,
    test: Test,
    /// The least and most directories between a start and a file, the file counted.
    depths: (usize, usize),
    actions: Vec<Action>,
}

/// Reads an expression by its grammar (find(1), OPERATORS).
struct Reader<'a, I: Iterator<Item = &'a str>> {
    words: Peekable<I>,
    depths: (usize, usize),
    actions: Vec<Action>,
}

impl<'a, I: Iterator<Item = &'a str>> Reader<'a, I> {
    /// Terms joined by `-o`; the word that has no model otherwise.
    fn any(&mut self, nested: usize) -> Result<Test, &'a str> {
        let mut tests = vec![self.all(nested)?];
        while self.words.next_if(|word| matches!(*word, "-o" | "-or")).is_some() {
            tests.push(self.all(nested)?);
        }
        Ok(if tests.len() == 1 { tests.swap_remove(0) } else { Test::Any(tests) })
    }

    fn all(&mut self, nested: usize) -> Result<Test, &'a str> {
        let mut tests = Vec::new();
        while let Some(word) = self.words.next_if(|word| !matches!(*word, ")" | "-o" | "-or")) {
            if !matches!(word, "-a" | "-and") {
                tests.push(self.one(word, nested)?);
            }
        }
        Ok(Test::All(tests))
    }

    fn one(&mut self, word: &'a str, nested: usize) -> Result<Test, &'a str> {
        if nested > MOST_NESTED {
            return Err(word);
        }
        match word {
            "!" | "-not" => {
                let next = self.words.next().ok_or(word)?;
                Ok(Test::Not(Box::new(self.one(next, nested + 1)?)))
            }
            "(" => {
                let inner = self.any(nested + 1)?;
                self.words.next_if_eq(&")").ok_or(word)?;
                Ok(inner)
            }
            _ => self.primary(word),
        }
    }

    fn primary(&mut self, word: &'a str) -> Result<Test, &'a str> {
        let mut value = || self.words.next().unwrap_or_default();
        Ok(match word {
            "-name" => Test::Name(Pattern::new([(value(), false)])),
            "-path" | "-wholename" => Test::Path(Pattern::new([(value(), false)])),
            "-type" => Test::Kind(value().to_owned()),
            "-mindepth" => {
                self.depths.0 = value().parse().unwrap_or(0);
                Test::Always
            }
            "-maxdepth" => {
                self.depths.1 = value().parse().unwrap_or(usize::MAX);
                Test::Always
            }
            "-exec" | "-execdir" => {
                let words = self.words.by_ref().take_while(|word| *word != ";" && *word != "+");
                let action = Action::Run(words.map(ToOwned::to_owned).collect());
                self.act(action)
            }
            "-delete" => self.act(Action::Run(["rm", "-rf", "{}"].map(str::to_owned).to_vec())),
            "-print0" => self.act(Action::Print("%p\\0".to_owned())),
            "-print" => self.act(Action::Print("%p\\n".to_owned())),
            "-printf" => {
                let form = value();
                // What else there is tells of times, owners and sizes.
                if form.match_indices('%').any(|(at, _)| {
                    !form[..at].ends_with('%') && !form[at + 1..].starts_with(['f', 'h', 'p', 'P', '%'])
                }) {
                    return Err(word);
                }
                self.act(Action::Print(form.to_owned()))
            }
            "-prune" => Test::Prune,
            "-false" => Test::Never,
            "-true" | "-depth" | "-xdev" | "-mount" | "-quit" | "-noleaf" => Test::Always,
            "-nouser" | "-nogroup" | "-empty" => Test::Vague,
            "-user" | "-group" | "-perm" | "-uid" | "-gid" | "-newer" | "-mtime" | "-size" | "-links"
            | "-mmin" | "-cmin" | "-ctime" => {
                value();
                Test::Vague
            }
            other => return Err(other),
        })
    }

    fn act(&mut self, action: Action) -> Test {
        self.actions.push(action);
        Test::Act(self.actions.len() - 1)
    }
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
        let mut reader = Reader { words, depths: (0, usize::MAX), actions: Vec::new() };
        let mut test = reader.any(0)?;
        if let Some(left) = reader.words.next() {
            return Err(left);
        }
        if reader.actions.is_empty() {
            test = Test::All(vec![test, reader.act(Action::Print("%p\\n".to_owned()))]);
        }
        Ok(Expression { starts, test, depths: reader.depths, actions: reader.actions })
    }

    /// What is done with which of the paths below a start, by the names that it gives them, and whether that is
    /// certain; none if there is no such start.
    fn found(&self, machine: &Machine<'_>, call: &Call, start: &str) -> Option<(Vec<Found>, bool)> {
        let top = machine.resolved(call, start)?;
        let mut found = Vec::new();
        let mut is_certain = true;
        let mut pruned: BTreeSet<RootPath> = BTreeSet::new();
        for (path, node) in machine.tree(&top) {
            let below = path.as_str().get(top.as_str().len()..).unwrap_or_default();
            let below = if top.is_root() { path.as_str() } else { below };
            let depth = below.split('/').filter(|name| !name.is_empty()).count();
            let is_below_pruned = pruned.iter().any(|pruned| path != *pruned && path.is_within(pruned));
            if !(self.depths.0..=self.depths.1).contains(&depth) || is_below_pruned {
                continue;
            }
            let shown = format!("{}{below}", start.trim_end_matches('/'));
            let mut seen = Seen::default();
            self.test.holds(&shown, &node, &mut seen);
            is_certain &= !seen.is_vague || seen.actions.is_empty();
            if seen.is_pruned && node == Node::Directory {
                pruned.insert(path.clone());
            }
            let below = below.trim_start_matches('/');
            found.extend(seen.actions.into_iter().map(|action| Found {
                action,
                shown: shown.clone(),
                below: below.to_owned(),
            }));
        }
        Some((found, is_certain))
    }
}

/// Something to be done for a path.
struct Found {
    action: usize,
    /// The path as it is told.
    shown: String,
    /// The same without its start.
    below: String,
}

impl Found {
    /// The form of `-printf`, filled in.
    fn printed(&self, form: &str) -> String {
        let mut text = String::new();
        let mut letters = form.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '%' => match letters.next() {
                    Some('f') => text.push_str(self.shown.rsplit('/').next().unwrap_or_default()),
                    Some('h') => text.push_str(self.shown.rsplit_once('/').map_or(".", |(above, _)| above)),
                    Some('p') => text.push_str(&self.shown),
                    Some('P') => text.push_str(&self.below),
                    other => text.extend(other),
                },
                '\\' => match letters.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('0') => text.push('\0'),
                    other => text.extend(other),
                },
                other => text.push(other),
            }
        }
        text
    }
}

/// `find PATH... EXPRESSION`.
pub(super) fn find(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if !all_known(call) {
        return vague();
    }
    let expression = match Expression::read(call.argv.iter().skip(1).map(String::as_str)) {
        Ok(expression) => expression,
        Err(word) => return Reply::Unknown(format!("there is no model of its expression `{word}`")),
    };
    let only_prints = expression.actions.iter().all(|action| matches!(action, Action::Print(_)));
    let mut found = Vec::new();
    let mut status = 0;
    for start in &expression.starts {
        match expression.found(machine, call, start) {
            Some((_, false)) if only_prints => return vague(),
            Some((_, false)) => {
                return Reply::Unknown("which files it chooses depends on what is not known".to_owned());
            }
            Some((files, true)) => found.extend(files),
            None => status = 1,
        }
    }
    let mut stdout = String::new();
    for one in &found {
        match &expression.actions[one.action] {
            Action::Print(form) => stdout.push_str(&one.printed(form)),
            Action::Run(words) => {
                let argv = words.iter().map(|word| word.replace("{}", &one.shown)).collect();
                match run(machine, &Call { argv, ..call.clone() }) {
                    Reply::Done { stdout: said, .. } => stdout.push_str(&said),
                    unknown @ Reply::Unknown(_) => return unknown,
                }
            }
        }
    }
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
