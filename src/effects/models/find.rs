//! find(1): an expression is evaluated for each file below its starts, in the order of names.
//!
//! What depends on times, sizes or the file system is unknown.

use super::super::machine::Machine;
use super::files::place;
use super::{run, vague};
use crate::root_path::RootPath;
use crate::shell::text::is_known;
use crate::shell::{Call, Match, Node, Pattern, Reply, World};

/// How deep expressions may stand in one another.
const DEEPEST: usize = 30;

/// Whether something holds; none if that is not known.
type Truth = Option<bool>;

enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Name(Pattern),
    Path(Pattern),
    Kinds(String),
    Owner {
        name: String,
        is_group: bool,
    },
    Permissions(String),
    Empty,
    True,
    Prune,
    /// Nobody can tell here.
    Vague,
    Act(usize),
}

enum Action {
    Print(char),
    Format(String),
    /// One call a file, or one for all.
    Run {
        argv: Vec<String>,
        together: bool,
    },
}

/// What `find` is told.
struct Search<'a> {
    starts: Vec<&'a str>,
    /// Whether a start that is a link counts as what it leads to.
    follows_starts: bool,
    /// Whether every link does.
    follows_links: bool,
    /// The least and most directories between a start and a file, the file counted.
    depths: (usize, usize),
    deepest_first: bool,
    actions: Vec<Action>,
    words: std::iter::Peekable<std::vec::IntoIter<&'a str>>,
}

impl<'a> Search<'a> {
    /// Reads the words after `find`; the one that has no model otherwise.
    fn read(words: impl Iterator<Item = &'a str>) -> Result<(Self, Expression), String> {
        let words: Vec<&str> = words.collect();
        let mut words = words.into_iter().peekable();
        let mut follows_starts = false;
        let mut follows_links = false;
        while let Some(word) = words.next_if(|word| matches!(*word, "-H" | "-L" | "-P")) {
            (follows_starts, follows_links) = (word != "-P", word == "-L");
        }
        let mut starts = Vec::new();
        while let Some(path) =
            words.next_if(|word| !word.starts_with('-') && !matches!(*word, "!" | "(" | ")"))
        {
            starts.push(path);
        }
        if starts.is_empty() {
            starts.push(".");
        }
        let depths = (0, usize::MAX);
        let (deepest_first, actions) = (false, Vec::new());
        let mut search =
            Search { starts, follows_starts, follows_links, depths, deepest_first, actions, words };
        let expression = search.any(0)?;
        match search.words.next() {
            Some(word) => Err(word.to_owned()),
            None => Ok((search, expression)),
        }
    }

    fn any(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > DEEPEST {
            return Err("(".to_owned());
        }
        let mut all = vec![self.all(depth)?];
        while self.words.next_if(|word| matches!(*word, "-o" | "-or")).is_some() {
            all.push(self.all(depth)?);
        }
        Ok(if all.len() == 1 { all.swap_remove(0) } else { Expression::Any(all) })
    }

    fn all(&mut self, depth: usize) -> Result<Expression, String> {
        let mut all = Vec::new();
        while self.words.peek().is_some_and(|word| !matches!(*word, "-o" | "-or" | ")")) {
            if self.words.next_if(|word| matches!(*word, "-a" | "-and")).is_none() {
                all.push(self.one(depth)?);
            }
        }
        Ok(Expression::All(all))
    }

    fn value(&mut self) -> String {
        self.words.next().unwrap_or_default().to_owned()
    }

    fn pattern(&mut self) -> Pattern {
        let text = self.value();
        Pattern::new([(text.as_str(), false)])
    }

    fn one(&mut self, depth: usize) -> Result<Expression, String> {
        let word = self.words.next().unwrap_or_default();
        Ok(match word {
            "!" | "-not" if depth > DEEPEST => return Err(word.to_owned()),
            "!" | "-not" => Expression::Not(Box::new(self.one(depth + 1)?)),
            "(" => {
                let inner = self.any(depth + 1)?;
                if self.words.next() != Some(")") {
                    return Err("(".to_owned());
                }
                inner
            }
            "-name" => Expression::Name(self.pattern()),
            "-path" | "-wholename" => Expression::Path(self.pattern()),
            "-type" => Expression::Kinds(self.value()),
            "-user" | "-uid" => Expression::Owner { name: self.value(), is_group: false },
            "-group" | "-gid" => Expression::Owner { name: self.value(), is_group: true },
            "-perm" => Expression::Permissions(self.value()),
            "-empty" => Expression::Empty,
            "-prune" => Expression::Prune,
            // Who owns packages' files has a name.
            "-nouser" | "-nogroup" | "-false" => Expression::Not(Box::new(Expression::True)),
            "-true" | "-xdev" | "-mount" | "-quit" | "-noleaf" => Expression::True,
            "-follow" => {
                (self.follows_starts, self.follows_links) = (true, true);
                Expression::True
            }
            "-depth" => {
                self.deepest_first = true;
                Expression::True
            }
            "-mindepth" => {
                self.depths.0 = self.value().parse().unwrap_or(0);
                Expression::True
            }
            "-maxdepth" => {
                self.depths.1 = self.value().parse().unwrap_or(usize::MAX);
                Expression::True
            }
            "-newer" | "-mtime" | "-size" | "-links" | "-mmin" | "-cmin" | "-ctime" | "-atime" | "-regex"
            | "-iname" | "-ipath" | "-xtype" | "-samefile" | "-inum" => {
                self.value();
                Expression::Vague
            }
            _ => {
                let action = self.action(word)?;
                self.actions.push(action);
                Expression::Act(self.actions.len() - 1)
            }
        })
    }

    fn action(&mut self, word: &str) -> Result<Action, String> {
        Ok(match word {
            "-print" => Action::Print('\n'),
            "-print0" => Action::Print('\0'),
            "-printf" => Action::Format(self.value()),
            "-delete" => {
                self.deepest_first = true;
                Action::Run { argv: ["rm", "-rf", "{}"].map(str::to_owned).to_vec(), together: false }
            }
            "-exec" | "-execdir" => {
                let (mut argv, mut together) = (Vec::new(), false);
                for word in self.words.by_ref() {
                    if matches!(word, ";" | "+") {
                        together = word == "+";
                        break;
                    }
                    argv.push(word.to_owned());
                }
                Action::Run { argv, together }
            }
            _ => return Err(word.to_owned()),
        })
    }
}

/// A file that is looked at.
struct Found {
    place: RootPath,
    node: Node,
    /// By the name that its start gives it.
    shown: String,
    depth: usize,
}

/// What an expression has done so far.
struct Walk<'m, 'w, 'a> {
    machine: &'m mut Machine<'w>,
    call: &'m Call,
    search: &'m Search<'a>,
    output: String,
    together: Vec<Vec<String>>,
    pruned: Vec<RootPath>,
    failure: Option<Reply>,
}

impl Walk<'_, '_, '_> {
    fn holds(&mut self, expression: &Expression, found: &Found) -> Truth {
        let name = || found.shown.rsplit('/').next().unwrap_or(&found.shown);
        match expression {
            Expression::All(all) => {
                for one in all {
                    match self.holds(one, found) {
                        Some(true) => {}
                        other => return other,
                    }
                }
                Some(true)
            }
            Expression::Any(all) => {
                for one in all {
                    match self.holds(one, found) {
                        Some(false) => {}
                        other => return other,
                    }
                }
                Some(false)
            }
            Expression::Not(one) => self.holds(one, found).map(|holds| !holds),
            Expression::Name(pattern) => matched(pattern.matches(name())),
            Expression::Path(pattern) => matched(pattern.matches(&found.shown)),
            Expression::Kinds(kinds) => Some(kinds.contains(match found.node {
                Node::Directory => 'd',
                Node::File { .. } => 'f',
                Node::Symlink(_) => 'l',
                Node::Other => return None,
            })),
            Expression::Owner { name, is_group } => {
                let owner = self.machine.owner(&found.place);
                let own = if *is_group { owner.group } else { owner.user }?;
                let accounts = &self.machine.accounts;
                if !is_known(name) {
                    // Numbers that are settled are known: it is that of somebody else.
                    return accounts.number(&own, *is_group).map(|_| false);
                }
                let numbers = (accounts.number(&own, *is_group), accounts.number(name, *is_group));
                Some(own == *name || matches!(numbers, (Some(a), Some(b)) if a == b))
            }
            Expression::Permissions(text) => permitted(text, self.machine.mode(&found.place)),
            Expression::Empty => match found.node {
                Node::Directory => Some(self.machine.list(&found.place).is_empty()),
                Node::File { size, .. } => size.map(|size| size == 0),
                _ => Some(false),
            },
            Expression::True => Some(true),
            Expression::Prune => {
                self.pruned.push(found.place.clone());
                Some(true)
            }
            Expression::Vague => None,
            Expression::Act(number) => self.act(*number, found),
        }
    }

    fn act(&mut self, number: usize, found: &Found) -> Truth {
        match &self.search.actions[number] {
            Action::Print(end) => {
                self.output.push_str(&found.shown);
                self.output.push(*end);
                Some(true)
            }
            Action::Format(format) => {
                self.output.push_str(&formatted(format, found)?);
                Some(true)
            }
            Action::Run { together: true, .. } => {
                self.together[number].push(found.shown.clone());
                Some(true)
            }
            Action::Run { argv, together: false } => {
                let argv = argv.iter().map(|word| word.replace("{}", &found.shown)).collect();
                self.run(argv)
            }
        }
    }

    fn run(&mut self, argv: Vec<String>) -> Truth {
        match run(self.machine, &Call { argv, ..self.call.clone() }) {
            Reply::Done { status, stdout, .. } => {
                self.output.push_str(&stdout);
                status.map(|status| status == 0)
            }
            unknown @ Reply::Unknown(_) => {
                self.failure.get_or_insert(unknown);
                Some(true)
            }
        }
    }
}

fn matched(answer: Match) -> Truth {
    match answer {
        Match::Yes => Some(true),
        Match::No => Some(false),
        Match::Unknown => None,
    }
}

/// `-perm`: `MODE`, `-MODE` or `/MODE`, of numbers.
fn permitted(text: &str, mode: u32) -> Truth {
    let bits = u32::from_str_radix(text.trim_start_matches(['-', '/']), 8).ok()?;
    Some(match text.chars().next()? {
        '-' => mode & bits == bits,
        '/' => bits == 0 || mode & bits != 0,
        _ => mode == bits,
    })
}

/// What `-printf` writes; none where it tells what is not known.
fn formatted(format: &str, found: &Found) -> Option<String> {
    let mut text = String::new();
    let (above, name) = found.shown.rsplit_once('/').unwrap_or((".", &found.shown));
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '%' => match letters.next()? {
                'p' => text.push_str(&found.shown),
                'f' => text.push_str(name),
                'P' => {
                    let names: Vec<&str> = found.shown.rsplit('/').take(found.depth).collect();
                    text.push_str(&names.into_iter().rev().collect::<Vec<_>>().join("/"));
                }
                'h' => text.push_str(above),
                'd' => text.push_str(&found.depth.to_string()),
                '%' => text.push('%'),
                _ => return None,
            },
            '\\' => text.push(match letters.next()? {
                'n' => '\n',
                't' => '\t',
                '0' => '\0',
                other => other,
            }),
            other => text.push(other),
        }
    }
    Some(text)
}

/// Whether all is known that files are chosen by, but for the number of an owner.
fn is_clear(argv: &[String]) -> bool {
    let before = std::iter::once("").chain(argv.iter().map(String::as_str));
    let mut words = argv.iter().zip(before);
    words.all(|(word, before)| is_known(word) || matches!(before, "-uid" | "-gid"))
}

pub(super) fn find(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if !is_clear(&call.argv) {
        return vague();
    }
    let (search, expression) = match Search::read(call.argv.iter().skip(1).map(String::as_str)) {
        Ok(read) => read,
        Err(word) => return Reply::Unknown(format!("there is no model of its expression `{word}`")),
    };
    let (mut files, mut status) = (Vec::new(), 0);
    for start in &search.starts {
        match files_below(machine, call, start, search.follows_starts) {
            Some(mut below) => {
                if search.follows_links && below.iter().any(|found| matches!(found.node, Node::Symlink(_))) {
                    return Reply::Unknown("there is no model of following links below".to_owned());
                }
                if search.deepest_first {
                    below.reverse();
                }
                files.extend(below);
            }
            None => status = 1,
        }
    }
    let together = search.actions.iter().map(|_| Vec::new()).collect();
    let (output, pruned) = (String::new(), Vec::new());
    let mut walk = Walk { machine, call, search: &search, output, together, pruned, failure: None };
    for found in files {
        let is_pruned = !search.deepest_first
            && walk.pruned.iter().any(|top| found.place.is_within(top) && *top != found.place);
        if is_pruned || !(search.depths.0..=search.depths.1).contains(&found.depth) {
            continue;
        }
        match walk.holds(&expression, &found) {
            Some(true) if search.actions.is_empty() => walk.output.push_str(&format!("{}\n", found.shown)),
            Some(_) => {}
            None if search.actions.iter().all(|action| !matches!(action, Action::Run { .. })) => {
                return vague();
            }
            None => {
                return Reply::Unknown("which files it chooses depends on what is not known".to_owned());
            }
        }
    }
    for (action, paths) in search.actions.iter().zip(std::mem::take(&mut walk.together)) {
        if let Action::Run { argv, together: true } = action
            && !paths.is_empty()
        {
            let before = argv.iter().filter(|word| *word != "{}").cloned();
            walk.run(before.chain(paths).collect());
        }
    }
    match walk.failure {
        Some(reply) => reply,
        None => Reply::Done { status: Some(status), stdout: walk.output, variables: Vec::new() },
    }
}

/// The files at and below a start; none if there is no such start.
fn files_below(machine: &Machine<'_>, call: &Call, start: &str, follows: bool) -> Option<Vec<Found>> {
    let top = if follows || start.ends_with('/') {
        machine.resolved(call, start)?
    } else {
        place(machine, call, start).filter(|path| machine.node(path).is_some())?
    };
    let found = |(place, node): (RootPath, Node)| {
        let below = place.as_str().get(top.as_str().len()..).unwrap_or_default();
        let below = if top.is_root() { place.as_str() } else { below };
        let depth = below.split('/').filter(|name| !name.is_empty()).count();
        let shown = if below.is_empty() {
            start.to_owned()
        } else {
            format!("{}{below}", start.trim_end_matches('/'))
        };
        Found { shown, depth, node, place: place.clone() }
    };
    Some(machine.tree(&top).into_iter().map(found).collect())
}
