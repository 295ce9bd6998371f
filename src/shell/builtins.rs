//! The shell's own commands (XCU 2.14 and 4).

use super::printf::{Printer, escapes, printf};
use super::state::{Flow, Shell, lookup};
use super::text::{is_known, unknown};
use super::{Node, Source, World};
use crate::root_path::RootPath;

/// Built-in commands, for `command -v` and `type`.
const NAMES: &[&str] = &[
    ".", ":", "[", "alias", "bg", "break", "builtin", "cd", "command", "continue", "declare", "echo", "eval",
    "exec", "exit", "export", "false", "fg", "getopts", "hash", "jobs", "let", "local", "printf", "pwd",
    "read", "readonly", "return", "set", "shift", "shopt", "source", "test", "times", "trap", "true", "type",
    "typeset", "ulimit", "umask", "unalias", "unset", "wait",
];

/// A path from a directory on by its names alone, as `cd` has it: links are not looked at. None where it is empty.
fn joined(directory: &RootPath, path: &str) -> Option<RootPath> {
    let from = if path.starts_with('/') { RootPath::root() } else { directory.clone() };
    let mut names = path.split('/').filter(|name| !matches!(*name, "" | "."));
    let joined = names.try_fold(from, |reached, name| match name {
        ".." => Some(reached.parent().unwrap_or_else(RootPath::root)),
        name => reached.join(name).ok(),
    });
    joined.filter(|_| !path.is_empty())
}

impl<W: World> Shell<W> {
    /// Runs a built-in command; none if there is none of that name.
    pub(super) fn builtin(&mut self, argv: &[String]) -> Option<Flow> {
        let (name, arguments) = argv.split_first()?;
        if !NAMES.contains(&name.as_str()) {
            return None;
        }
        // Each but `return` and `exit` ends with this status unless it says otherwise.
        let before = self.status.replace(0);
        let first = arguments.first().map(String::as_str);
        match name.as_str() {
            "false" => self.status = Some(1),
            "echo" => self.echo(arguments),
            "printf" => self.printf(arguments),
            "test" => self.status = self.test(arguments),
            "[" => {
                let expression = arguments.strip_suffix(&["]".to_owned()]);
                self.status = expression.map_or(Some(2), |expression| self.test(expression));
            }
            "break" => return Some(self.leave_loop(first, Flow::Break)),
            "continue" => return Some(self.leave_loop(first, Flow::Continue)),
            "return" => {
                self.status = before;
                self.set_status(first);
                return Some(Flow::Return);
            }
            "exit" => {
                self.status = before;
                self.set_status(first);
                return Some(Flow::Exit);
            }
            "cd" => self.cd(arguments),
            "pwd" => {
                let is_physical = first == Some("-P");
                let directory = if is_physical { &self.own.directory } else { &self.own.shown_directory };
                let text = format!("{}\n", directory.as_str());
                self.write(1, &text);
            }
            "export" | "readonly" | "declare" | "typeset" => self.declare(name, arguments),
            "local" => self.local(arguments),
            "unset" => self.unset(arguments),
            "set" => self.set(arguments),
            "shift" => self.shift(first),
            "eval" => {
                self.status = Some(0);
                let text = arguments.join(" ");
                if is_known(&text) {
                    return Some(self.text(&text));
                }
                self.tell(&format!("eval {text}"), "what it evaluates is not known");
                self.status = None;
            }
            "." | "source" => return Some(self.source(arguments)),
            "exec" => return Some(self.exec(arguments)),
            "read" => self.read(arguments),
            "trap" => self.trap(arguments),
            "umask" => self.umask(first),
            "getopts" => self.getopts(arguments),
            "command" | "builtin" => return Some(self.command_builtin(arguments)),
            "alias" => self.alias(arguments),
            "unalias" => self.unset(&[&["-f".to_owned()], arguments].concat()),
            "type" => self.which(arguments, true, self.none_found()),
            "hash" => self.which(arguments, true, 1),
            "let" => {
                let values: Vec<_> = arguments.iter().map(|text| self.expression(text)).collect();
                self.status = values.last().copied().flatten().map(|value| i32::from(value == 0));
            }
            // `:`, `true`, `wait`, `times`, `ulimit`, `shopt`, jobs: nothing of theirs stays.
            _ => {}
        }
        Some(Flow::Next)
    }

    fn set_status(&mut self, text: Option<&str>) {
        if let Some(text) = text {
            self.status = text.parse::<i32>().ok().map(|status| status & 0xff);
        }
    }

    fn leave_loop(&mut self, levels: Option<&str>, flow: fn(usize) -> Flow) -> Flow {
        let levels = levels.and_then(|text| text.parse::<usize>().ok()).unwrap_or(1).max(1);
        if self.own.loops == 0 { Flow::Next } else { flow(levels.min(self.own.loops)) }
    }

    fn echo(&mut self, arguments: &[String]) {
        // Of options dash has only `-n`, and escapes always count; busybox has bash's.
        let (mut newline, mut interpret, mut is_vague) = (true, !self.is_bash, false);
        let mut rest = arguments;
        while let Some((first, others)) = rest.split_first() {
            let letters = first.strip_prefix('-').unwrap_or_default();
            if letters.is_empty() || !letters.chars().all(|c| matches!(c, 'n' | 'e' | 'E')) {
                break;
            }
            for letter in letters.chars() {
                match letter {
                    'n' => newline = false,
                    letter => interpret = letter == 'e',
                }
            }
            is_vague |= !self.is_bash && (letters != "n" || rest.len() != arguments.len());
            rest = others;
        }
        let mut text = rest.join(" ");
        if is_vague || interpret && self.is_bash && ["\\x", "\\u", "\\U"].iter().any(|one| text.contains(one))
        {
            self.write(1, &unknown());
            return;
        }
        if interpret {
            self.charge(64 * text.len());
            let (escaped, stop) = escapes(&text, true);
            text = escaped;
            newline &= !stop;
        }
        if newline {
            text.push('\n');
        }
        self.write(1, &text);
    }

    fn printf(&mut self, arguments: &[String]) {
        let (variable, arguments) = match arguments {
            [flag, name, rest @ ..] if flag == "-v" => (Some(name), rest),
            [flag, rest @ ..] if flag == "--" => (None, rest),
            all => (None, all),
        };
        let Some((format, values)) = arguments.split_first() else {
            self.status = Some(2);
            return;
        };
        let printed = printf(format, values, if self.is_bash { Printer::Gnu } else { Printer::Dash });
        self.status = printed.status;
        match variable {
            Some(name) => self.assign(&name.clone(), printed.text),
            None => self.write(1, &printed.text),
        }
    }

    fn cd(&mut self, arguments: &[String]) {
        let target = arguments.iter().find(|argument| !matches!(argument.as_str(), "-P" | "-L" | "--"));
        let target = target.map(String::as_str);
        let goes_back = target == Some("-");
        let target = match target {
            None => self.variable("HOME").unwrap_or("/").to_owned(),
            Some("-") => self.variable("OLDPWD").unwrap_or("/").to_owned(),
            Some(path) => path.to_owned(),
        };
        if !is_known(&target) {
            self.tell(&format!("cd {target}"), "the directory is not known");
            self.status = None;
            return;
        }
        let is_physical = arguments.iter().any(|argument| argument == "-P");
        let shown = if is_physical { None } else { joined(&self.own.shown_directory, &target) };
        let (from, path) = match &shown {
            Some(shown) => (RootPath::root(), shown.as_str()),
            None => (self.own.directory.clone(), target.as_str()),
        };
        match lookup(&self.world, &from, path, true) {
            Some((place, Node::Directory)) => {
                let shown = shown.clone().unwrap_or_else(|| place.clone());
                let old = std::mem::replace(&mut self.own.shown_directory, shown.clone());
                self.assign("OLDPWD", old.as_str().to_owned());
                self.assign("PWD", shown.as_str().to_owned());
                self.own.directory = place;
                if goes_back {
                    self.write(1, &format!("{}\n", shown.as_str()));
                }
            }
            _ => self.status = Some(2),
        }
    }

    fn shift(&mut self, count: Option<&str>) {
        let count = count.map_or(Some(1), |text| text.parse::<usize>().ok());
        match count {
            Some(count) if count <= self.own.positional.len() => {
                self.own.positional.drain(..count);
            }
            Some(_) => self.status = Some(1),
            None => self.status = None,
        }
    }

    fn source(&mut self, arguments: &[String]) -> Flow {
        let Some(path) = arguments.first() else { return Flow::Next };
        if !is_known(path) {
            self.tell(&format!(". {path}"), "the file is not known");
            self.status = None;
            return Flow::Next;
        }
        let place = match lookup(&self.world, &self.own.directory, path, true) {
            Some((place, _)) => Some(place),
            None => RootPath::root().join(path).ok(),
        };
        let source = place.map_or(Source::Missing, |place| self.world.source(&place));
        match source {
            Source::Modelled => Flow::Next,
            Source::Missing => {
                // A special built-in's failure ends a shell.
                self.tell(&format!(". {path}"), "there is no such file");
                self.status = None;
                Flow::Next
            }
            Source::Unknown(reason) => {
                self.tell(&format!(". {path}"), reason);
                self.status = None;
                Flow::Next
            }
            Source::Script(text) => {
                let line = self.line;
                let stepped = self.step(path, |shell| match super::parse::program(&text) {
                    Ok(program) => {
                        let before = std::mem::replace(&mut shell.lines_before, line);
                        let flow = shell.program(&program);
                        shell.lines_before = before;
                        flow
                    }
                    Err(error) => {
                        shell.tell(&format!(". {path}"), error.to_string());
                        shell.status = None;
                        Flow::Next
                    }
                });
                self.line = line;
                match stepped.unwrap_or(Flow::Exit) {
                    Flow::Return => Flow::Next,
                    flow => flow,
                }
            }
        }
    }

    fn exec(&mut self, arguments: &[String]) -> Flow {
        let Some((_, rest)) = arguments.split_first() else { return Flow::Next };
        let arguments = if arguments[0] == "--" { rest } else { arguments };
        // The shell is no more, and its trap with it, unless there is no such command.
        let trap = self.own.exit_trap.take();
        self.external(arguments);
        if self.status == Some(127) {
            self.own.exit_trap = trap;
        }
        Flow::Exit
    }

    fn trap(&mut self, arguments: &[String]) {
        let arguments = arguments.strip_prefix(&["--".to_owned()]).unwrap_or(arguments);
        let Some((action, conditions)) = arguments.split_first() else { return };
        if conditions.iter().any(|condition| matches!(condition.as_str(), "0" | "EXIT" | "exit")) {
            self.own.exit_trap = (action != "-" && !action.is_empty()).then(|| action.clone());
        }
    }

    fn umask(&mut self, mask: Option<&str>) {
        match mask {
            None => {
                let text = format!("{:04o}\n", self.own.umask);
                self.write(1, &text);
            }
            Some(text) => match u32::from_str_radix(text, 8) {
                Ok(mask) => self.own.umask = mask & 0o777,
                Err(_) => self.tell(&format!("umask {text}"), "only numbers are followed"),
            },
        }
    }

    fn command_builtin(&mut self, arguments: &[String]) -> Flow {
        match arguments.split_first() {
            Some((flag, names)) if flag == "-v" || flag == "-V" => {
                self.which(names, false, self.none_found());
                Flow::Next
            }
            Some((flag, rest)) if flag == "-p" || flag == "--" => self.command_builtin(rest),
            Some(_) => match self.builtin(arguments) {
                Some(flow) => flow,
                None => self.external(arguments),
            },
            None => Flow::Next,
        }
    }

    /// The status of `command -v` and `type` where there is no such command.
    fn none_found(&self) -> i32 {
        if self.is_bash { 1 } else { 127 }
    }

    /// Where commands are; the status is that of all, and `missing` where one is not there.
    fn which(&mut self, names: &[String], quiet: bool, missing: i32) {
        let names = names.iter().filter(|name| !name.starts_with('-'));
        for name in names {
            let found = if !is_known(name) {
                None
            } else if self.functions.contains_key(name) || NAMES.contains(&name.as_str()) {
                Some(Some(name.clone()))
            } else if name.contains('/') {
                let found = lookup(&self.world, &self.own.directory, name, true);
                Some(found.and_then(|(_, node)| match node {
                    Node::File { mode, .. } if mode & 0o111 != 0 => Some(name.clone()),
                    _ => None,
                }))
            } else {
                self.world.command(name).map(|found| found.map(|path| path.as_str().to_owned()))
            };
            match found {
                Some(Some(path)) if !quiet => self.write(1, &format!("{path}\n")),
                Some(Some(_)) => {}
                Some(None) => self.status = Some(missing),
                None => {
                    self.write(1, &unknown());
                    self.status = None;
                }
            }
        }
    }
}
