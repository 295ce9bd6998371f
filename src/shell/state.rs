//! What a shell remembers, and what happens where it cannot know how to go on.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use brush_parser::ast::{FunctionDefinition, Program};

use super::here_documents;
use super::text::{UNKNOWN, shown};
use super::{Finding, Node, Script, World};
use crate::root_path::RootPath;

/// How often ways may part within ways.
const MOST_FORKS: usize = 6;
/// The longest text, in bytes.
const LONGEST: usize = 4 << 20;
/// The longest text of a variable, in bytes.
const LONGEST_VALUE: usize = 256 << 10;
/// Links followed before giving up, as in Linux.
const MOST_LINKS: usize = 40;

/// How a command leaves what it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Break(usize),
    Continue(usize),
    Return,
    Exit,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Variable {
    /// None while it is only exported or local, but not set.
    pub(super) value: Option<String>,
    pub(super) exported: bool,
    /// It takes no other value.
    pub(super) readonly: bool,
}

/// Where a descriptor leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Descriptor {
    /// Nowhere: what is written is lost, and reading finds the end.
    Nothing,
    /// One of the shell's streams.
    Stream(usize),
    /// A file that is written.
    File(RootPath),
}

/// A text that is written and read from the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) text: String,
    pub(super) read: usize,
}

/// What a subshell has of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) variables: BTreeMap<String, Variable>,
    pub(super) positional: Vec<String>,
    pub(super) options: BTreeSet<char>,
    pub(super) directory: RootPath,
    /// The same as the script has come there: links that it went through stay.
    pub(super) shown_directory: RootPath,
    pub(super) umask: u32,
    pub(super) exit_trap: Option<String>,
    pub(super) descriptors: BTreeMap<i32, Descriptor>,
    /// What names had before `local`, for each function that is being called.
    pub(super) locals: Vec<BTreeMap<String, Option<Variable>>>,
    pub(super) loops: usize,
    /// `set -o pipefail`: each stage of a pipeline counts.
    pub(super) fails_in_pipes: bool,
    /// How many conditions stand around: `set -e` does not count within.
    pub(super) forgiving: usize,
    /// The position within a word of options, for `getopts`.
    pub(super) option_letter: usize,
}

#[derive(Clone)]
pub(super) struct Shell<W> {
    pub(super) world: W,
    pub(super) name: String,
    /// The script asks for bash.
    pub(super) is_bash: bool,
    pub(super) own: Own,
    pub(super) functions: BTreeMap<String, Rc<FunctionDefinition>>,
    pub(super) streams: Vec<Stream>,
    pub(super) status: Option<i32>,
    pub(super) findings: Vec<Finding>,
    pub(super) line: usize,
    /// Lines before the text that is being evaluated.
    pub(super) lines_before: usize,
    /// The status of the last command substitution of a command, for one that is only assignments; well where it
    /// has none.
    pub(super) substituted: Option<i32>,
    pub(super) depth: usize,
    forks: usize,
    pub(super) work: Rc<Cell<u64>>,
}

impl Own {
    /// Whether the script goes on where a command fails.
    pub(super) fn may_fail(&self) -> bool {
        self.forgiving > 0 || !self.options.contains(&'e')
    }
}

impl<W: World> Shell<W> {
    pub(super) fn new(script: &Script<'_>, world: W) -> Self {
        let mut variables: BTreeMap<String, Variable> = script
            .environment
            .iter()
            .map(|(name, value)| {
                (name.clone(), Variable { value: Some(value.clone()), exported: true, readonly: false })
            })
            .collect();
        for (name, value) in [("IFS", " \t\n"), ("OPTIND", "1"), ("PWD", script.directory.as_str())] {
            let value = Some(value.to_owned());
            variables.insert(name.to_owned(), Variable { value, exported: false, readonly: false });
        }
        // `#!/bin/sh -e`
        let mut options = BTreeSet::new();
        let interpreter = script.text.lines().next().and_then(|line| line.strip_prefix("#!"));
        if let Some(words) = interpreter {
            let flags = words.split_whitespace().skip(1).filter_map(|word| word.strip_prefix('-'));
            options.extend(flags.flat_map(str::chars).filter(|flag| "eufx".contains(*flag)));
        }
        Shell {
            world,
            name: script.name.to_owned(),
            is_bash: interpreter.is_some_and(|words| words.contains("bash")),
            own: Own {
                variables,
                positional: script.arguments.iter().map(|text| (*text).to_owned()).collect(),
                options,
                directory: script.directory.clone(),
                shown_directory: script.directory.clone(),
                umask: script.umask,
                exit_trap: None,
                descriptors: [(0, Descriptor::Nothing), (1, Descriptor::Stream(0)), (2, Descriptor::Nothing)]
                    .into(),
                locals: Vec::new(),
                loops: 0,
                fails_in_pipes: false,
                forgiving: 0,
                option_letter: 0,
            },
            functions: BTreeMap::new(),
            streams: vec![Stream::default()],
            status: Some(0),
            findings: Vec::new(),
            line: 1,
            lines_before: 0,
            substituted: Some(0),
            depth: 0,
            forks: 0,
            work: Rc::new(Cell::new(0)),
        }
    }

    pub(super) fn program(&mut self, program: &Program) -> Flow {
        for list in &program.complete_commands {
            let flow = self.list(list);
            if flow != Flow::Next {
                return flow;
            }
        }
        Flow::Next
    }

    /// What happens at the end of a shell: its trap.
    pub(super) fn leave(&mut self, _: Flow) {
        if let Some(action) = self.own.exit_trap.take() {
            let status = self.status;
            self.own.forgiving += 1;
            let flow = self.text(&action);
            self.own.forgiving -= 1;
            if flow != Flow::Exit {
                self.status = status;
            }
        }
    }

    /// Evaluates a text in this shell.
    pub(super) fn text(&mut self, text: &str) -> Flow {
        match super::parse::program(text) {
            Ok(program) => {
                let before = std::mem::replace(&mut self.lines_before, self.line.saturating_sub(1));
                let flow = self.program(&program);
                self.lines_before = before;
                flow
            }
            Err(error) => {
                self.tell(text, error.to_string());
                self.status = None;
                Flow::Next
            }
        }
    }

    /// As a subshell: what it changes of its own is forgotten.
    pub(super) fn subshell(&mut self, body: impl FnOnce(&mut Self) -> Flow) {
        self.charge(self.length_of_variables());
        let own = self.own.clone();
        let functions = self.functions.clone();
        self.own.exit_trap = None;
        self.own.loops = 0;
        let flow = body(self);
        self.leave(flow);
        self.own = own;
        self.functions = functions;
    }

    /// What a command writes to a new stream.
    pub(super) fn captured(&mut self, body: impl FnOnce(&mut Self) -> Flow) -> String {
        let stream = self.new_stream(String::new());
        self.subshell(|shell| {
            shell.own.descriptors.insert(1, Descriptor::Stream(stream));
            body(shell)
        });
        std::mem::take(&mut self.streams[stream].text)
    }

    pub(super) fn new_stream(&mut self, text: String) -> usize {
        self.charge(16 * text.len());
        self.streams.push(Stream { text, read: 0 });
        self.streams.len() - 1
    }

    /// Writes to a descriptor.
    pub(super) fn write(&mut self, number: i32, text: &str) {
        self.charge(16 * text.len());
        match self.own.descriptors.get(&number) {
            Some(Descriptor::Stream(stream)) => {
                let stream = &mut self.streams[*stream];
                if stream.text.len() + text.len() <= LONGEST {
                    stream.text.push_str(text);
                } else if !stream.text.ends_with(UNKNOWN) {
                    stream.text.push(UNKNOWN);
                }
            }
            Some(Descriptor::File(path)) => {
                let path = path.clone();
                // It is written anew as a whole.
                if let Some(Node::File { size: Some(size), .. }) = self.world.node(&path) {
                    self.charge(usize::try_from(size).unwrap_or(usize::MAX).saturating_mul(16));
                }
                if let Err(reason) = self.world.write(&path, text, true, self.file_bits()) {
                    self.tell(&format!("> {path}"), reason);
                }
            }
            Some(Descriptor::Nothing) | None => {}
        }
    }

    /// The permission bits of a new file.
    pub(super) fn file_bits(&self) -> u32 {
        0o666 & !self.own.umask
    }

    /// What is left to read from standard input.
    pub(super) fn input(&self) -> String {
        match self.own.descriptors.get(&0) {
            Some(Descriptor::Stream(stream)) => {
                let stream = &self.streams[*stream];
                stream.text.get(stream.read..).unwrap_or_default().to_owned()
            }
            _ => String::new(),
        }
    }

    /// A variable's value, if it is set.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.own.variables.get(name)?.value.as_deref()
    }

    pub(super) fn assign(&mut self, name: &str, value: String) {
        let value = if value.len() > LONGEST_VALUE { UNKNOWN.to_string() } else { value };
        self.charge(16 * value.len());
        let all = self.own.options.contains(&'a');
        let variable = self.own.variables.entry(name.to_owned()).or_default();
        variable.value = Some(value);
        variable.exported |= all;
        if name == "OPTIND" {
            self.own.option_letter = 0;
        }
    }

    pub(super) fn exported(&self) -> BTreeMap<String, String> {
        let all = self.own.variables.iter().filter(|(_, variable)| variable.exported);
        all.filter_map(|(name, variable)| Some((name.clone(), variable.value.clone()?))).collect()
    }

    /// Notes what was not understood.
    pub(super) fn tell(&mut self, command: &str, reason: impl Into<String>) {
        let command = here_documents::shown(&shown(command));
        let mut command: String = command.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((at, _)) = command.char_indices().nth(160) {
            command.truncate(at);
            command.push_str("...");
        }
        let finding =
            Finding { line: self.line, command, reason: here_documents::shown(&shown(&reason.into())) };
        if !self.findings.contains(&finding) && self.findings.len() < 1000 {
            self.findings.push(finding);
        }
    }

    /// Goes several ways, of which one is the right one and nobody knows which.
    ///
    /// Ways on which the script fails are no installation and do not count. Where the others leave the same, all
    /// is well; where not, it is told, none is taken, and what they would have set is unknown.
    pub(super) fn undecided(
        &mut self,
        command: &str,
        reason: &str,
        ways: &mut [&mut dyn FnMut(&mut Self) -> Flow],
    ) -> Flow {
        if self.forks >= MOST_FORKS {
            self.tell(command, reason);
            self.status = None;
            return Flow::Next;
        }
        let line = self.line;
        let mut ends: Vec<(Self, Flow)> = Vec::new();
        for way in ways {
            let streams = self.streams.iter().map(|stream| stream.text.len()).sum::<usize>();
            self.charge(streams + self.length_of_variables());
            let mut shell = self.clone();
            shell.forks += 1;
            let flow = way(&mut shell);
            shell.forks -= 1;
            ends.push((shell, flow));
        }
        let fails = |(shell, flow): &(Self, Flow)| {
            *flow == Flow::Exit && shell.status.is_some_and(|status| status != 0)
        };
        if !ends.iter().all(fails) {
            ends.retain(|end| !fails(end));
        }
        let Some((first, flow)) = ends.first() else { return Flow::Next };
        let alike = ends.iter().all(|(shell, other)| {
            flow == other
                && first.world.is_like(&shell.world)
                && first.findings == shell.findings
                && first.own.directory == shell.own.directory
                && first.own.shown_directory == shell.own.shown_directory
                && first.own.descriptors == shell.own.descriptors
                && first.own.exit_trap == shell.own.exit_trap
        });
        let flow = *flow;
        let mut result = if alike { first.clone() } else { self.clone() };
        for (end, _) in &ends {
            result.blur(end);
            result.world.join(&end.world);
        }
        *self = result;
        if alike {
            return flow;
        }
        self.line = line;
        self.tell(command, reason);
        self.status = None;
        Flow::Next
    }

    /// What differs from another shell is unknown from now on.
    fn blur(&mut self, other: &Self) {
        let names: BTreeSet<String> =
            self.own.variables.keys().chain(other.own.variables.keys()).cloned().collect();
        for name in names {
            let theirs = other.own.variables.get(&name);
            if self.own.variables.get(&name) != theirs {
                let own = self.own.variables.entry(name).or_default();
                own.value = Some(UNKNOWN.to_string());
                own.exported |= theirs.is_some_and(|theirs| theirs.exported);
            }
        }
        for (number, stream) in self.streams.iter_mut().enumerate() {
            if other.streams.get(number).is_some_and(|theirs| theirs != stream)
                && !stream.text.ends_with(UNKNOWN)
            {
                stream.text.push(UNKNOWN);
            }
        }
        if self.own.positional != other.own.positional {
            self.own.positional = vec![UNKNOWN.to_string()];
        }
        if self.status != other.status {
            self.status = None;
        }
        for (name, function) in &other.functions {
            self.functions.entry(name.clone()).or_insert_with(|| function.clone());
        }
    }
}

/// Where a path leads with all links followed; none if it leads nowhere.
pub fn resolve<W: World>(world: &W, directory: &RootPath, path: &str) -> Option<RootPath> {
    lookup(world, directory, path, true).map(|(path, _)| path)
}

/// What is at a path, and where that is. Links in its directories are followed, and, if told so, one at its end.
pub(super) fn lookup<W: World>(
    world: &W,
    directory: &RootPath,
    path: &str,
    follow: bool,
) -> Option<(RootPath, Node)> {
    let (place, node) = walk(world, directory, path, follow)?;
    Some((place, node?))
}

/// Where a new file of this path would be: its directory must be there. A link at its end is followed.
pub(super) fn destination<W: World>(world: &W, directory: &RootPath, path: &str) -> Option<RootPath> {
    walk(world, directory, path, true).map(|(place, _)| place)
}

fn walk<W: World>(
    world: &W,
    directory: &RootPath,
    path: &str,
    follow: bool,
) -> Option<(RootPath, Option<Node>)> {
    if path.is_empty() {
        return None;
    }
    let mut reached = if path.starts_with('/') { RootPath::root() } else { directory.clone() };
    let mut pending: Vec<String> = Vec::new();
    let push = |pending: &mut Vec<String>, text: &str| {
        let names = text.split('/').filter(|name| !name.is_empty() && *name != ".");
        pending.extend(names.rev().map(ToOwned::to_owned));
    };
    push(&mut pending, path);
    let mut links = 0;
    let mut node = Some(Node::Directory);
    while let Some(name) = pending.pop() {
        if node != Some(Node::Directory) {
            return None;
        }
        if name == ".." {
            reached = reached.parent().unwrap_or_else(RootPath::root);
            continue;
        }
        let next = reached.join(&name).ok()?;
        node = world.node(&next);
        match &node {
            Some(Node::Symlink(target)) if follow || !pending.is_empty() || path.ends_with('/') => {
                links += 1;
                if links > MOST_LINKS {
                    return None;
                }
                if target.starts_with('/') {
                    reached = RootPath::root();
                }
                push(&mut pending, target);
                node = Some(Node::Directory);
            }
            None if !pending.is_empty() => return None,
            _ => reached = next,
        }
    }
    Some((reached, node))
}
