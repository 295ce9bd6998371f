//! A script -> the commands it may call, and the files it sources.
//!
//! Every command word counts wherever it stands: in functions, branches, substitutions (POSIX.1-2024, XCU
//! chapter 2). A word may hold variables, if all that the script ever assigns to them is one plain text. Left out:
//! words that only running the script could tell, and scripts of other languages in arguments.

use std::collections::BTreeSet;

use brush_parser::ast::{CommandPrefixOrSuffixItem, Program, SimpleCommand};

mod handed;
mod rough;
mod variables;
mod walk;

use handed::{Handed, handed, is_understood};
use variables::Variables;
use walk::Walk;

/// Longer scripts are looked at line by line, in bytes.
const MAX_SCRIPT: usize = 256 << 10;
/// Longer ones are not looked into: they carry an archive or a program.
const MAX_LINES: usize = 2 << 20;
/// Deeper nesting is not looked into: the parser recurses.
const MAX_DEPTH: usize = 60;
/// Where a script ends and what it carries begins.
const LONGEST_WORD: usize = 256;
/// The shells whose scripts are understood.
const SHELLS: [&str; 6] = ["ash", "bash", "dash", "ksh", "mksh", "sh"];
/// How deep scripts that stand in scripts as arguments are looked into.
const MAX_SCRIPTS: usize = 3;

/// What shells do themselves: POSIX's special and regular built-in utilities, and those of dash and bash.
const BUILTINS: &[&str] = &[
    ".",
    ":",
    "[",
    "[[",
    "alias",
    "bg",
    "bind",
    "break",
    "builtin",
    "caller",
    "case",
    "cd",
    "chdir",
    "command",
    "compgen",
    "complete",
    "continue",
    "declare",
    "dirs",
    "disown",
    "do",
    "done",
    "echo",
    "elif",
    "else",
    "enable",
    "esac",
    "eval",
    "exec",
    "exit",
    "export",
    "false",
    "fc",
    "fg",
    "fi",
    "for",
    "function",
    "getopts",
    "hash",
    "help",
    "history",
    "if",
    "in",
    "jobs",
    "kill",
    "let",
    "local",
    "logout",
    "mapfile",
    "popd",
    // ksh's
    "print",
    "printf",
    "pushd",
    "pwd",
    "read",
    "readarray",
    "readonly",
    "return",
    "select",
    "set",
    "shift",
    "shopt",
    "source",
    "suspend",
    "test",
    "then",
    "time",
    "times",
    "trap",
    "true",
    "type",
    "typeset",
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "until",
    "wait",
    "while",
    "{",
    "}",
    "!",
];

/// Commands that run the command named by their arguments, their options that take a value, and how many words stand
/// before that command.
const RUNNERS: &[(&str, &[&str], usize)] = &[
    ("builtin", &[], 0),
    ("chpst", &["-/", "-C", "-b", "-d", "-e", "-f", "-l", "-m", "-n", "-o", "-p", "-r", "-t", "-u", "-U"], 0),
    ("chroot", &["-u", "-g"], 1),
    ("chrt", &["-D", "-P", "-T"], 1),
    ("command", &[], 0),
    ("dbus-run-session", &["--config-file", "--dbus-daemon"], 0),
    ("doas", &["-C", "-a", "-u"], 0),
    ("env", &["-u", "-C", "-S"], 0),
    ("exec", &["-a"], 0),
    ("flock", &["-E", "-w"], 1),
    ("gosu", &[], 1),
    ("ionice", &["-c", "-n"], 0),
    ("nice", &["-n"], 0),
    ("nohup", &[], 0),
    ("setarch", &[], 1),
    ("setpriv", &["--ambient-caps", "--bounding-set", "--groups", "--inh-caps", "--regid", "--reuid"], 0),
    ("setsid", &[], 0),
    ("stdbuf", &["-i", "-o", "-e"], 0),
    ("su-exec", &[], 1),
    ("sudo", &["-C", "-D", "-R", "-T", "-g", "-h", "-p", "-r", "-t", "-u"], 0),
    ("taskset", &[], 1),
    ("time", &["-f", "-o"], 0),
    ("timeout", &["-s", "-k"], 1),
    ("xargs", &["-I", "-n", "-P", "-d", "-L", "-s", "-a", "-E"], 0),
];

/// What a script calls and sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptWords {
    /// The commands it may call, each once: names, or paths. Its own functions and what shells do themselves are
    /// left out.
    pub commands: BTreeSet<String>,
    /// Commands that it looks for before it calls them, so that it can do without.
    pub sought: BTreeSet<String>,
    /// What it sources: paths from the root, names that are looked for beside it and among the commands, or `*/NAME`
    /// for a file in a directory that only running it could tell.
    pub sources: BTreeSet<String>,
    /// It sources files that only running it could tell, and so may have functions that nobody knows of.
    pub sources_unknown: bool,
    /// The functions it defines.
    pub functions: BTreeSet<String>,
    /// It is of a language that is not parsed, so that what it calls is guessed.
    pub guessed: bool,
}

/// Whether a program is a shell, by its name or path.
pub fn is_shell(program: &str) -> bool {
    SHELLS.contains(&program.rsplit('/').next().unwrap_or(program))
}

/// Whether a program interprets a language whose scripts hand lines to a shell, by its name or path.
pub fn is_language(program: &str) -> bool {
    is_understood(program)
}

/// Whether the scripts of an interpreter are looked into, by its name or path.
pub fn has_words(program: &str) -> bool {
    is_shell(program) || is_language(program)
}

/// The command words of a script; none where it is of a language that is not looked into, or too intricate.
pub fn words(text: &[u8]) -> Option<ScriptWords> {
    if text.len() > MAX_LINES || text.contains(&0) {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    if text.len() > MAX_SCRIPT {
        return guessed_by_lines(text);
    }
    if let Some(handed) = handed(text) {
        return Some(guessed(&handed));
    }
    let known = rough::handed_on(text)
        .and_then(parse)
        .or_else(|| parse(text))
        .or_else(|| parse(&rough::without_select(text)?))
        .or_else(|| parse(rough::before_exec(text)?))
        .or_else(|| parse(&rough::without_conditions(text)?));
    let Some(program) = known else { return guessed_by_lines(text) };
    let mut words = ScriptWords::default();
    let functions = words.note_all(&program, &mut Variables::default(), 0);
    words.commands.retain(|command| !functions.contains(command) && !is_builtin(command));
    words.sought.retain(|command| !is_builtin(command));
    words.functions = functions;
    Some(words)
}

/// As [`by_lines`], where that is a shell's script and comes to anything.
fn guessed_by_lines(text: &str) -> Option<ScriptWords> {
    is_of_shell(text).then(|| by_lines(text)).filter(|words| !words.commands.is_empty())
}

/// The command words of the lines of a script that cannot be parsed as a whole.
fn by_lines(text: &str) -> ScriptWords {
    let mut words = ScriptWords { guessed: true, ..ScriptWords::default() };
    words.functions.extend(rough::functions(text).map(str::to_owned));
    let mut variables = Variables::default();
    for program in rough::commands(text).filter_map(parse) {
        let functions = words.note_all(&program, &mut variables, 0);
        words.functions.extend(functions);
    }
    words.commands.retain(|command| !words.functions.contains(command) && !is_builtin(command));
    words.sought.retain(|command| !is_builtin(command));
    words.sources_unknown |= !words.sources.is_empty();
    words.sources.clear();
    words
}

/// Whether a script is a shell's, as far as its first line tells.
fn is_of_shell(text: &str) -> bool {
    let shebang = text.lines().next().and_then(|line| line.strip_prefix("#!"));
    shebang.is_none_or(|line| line.split_ascii_whitespace().any(is_shell))
}

/// The command words of the lines that a script hands to a shell.
fn guessed(handed: &Handed) -> ScriptWords {
    let mut words = ScriptWords { guessed: true, ..ScriptWords::default() };
    let mut variables = Variables::default();
    for line in handed.assignments.iter().chain(&handed.lines) {
        if let Some(program) = parse(line) {
            words.note_all(&program, &mut variables, 0);
        }
    }
    words.commands.retain(|command| !is_builtin(command));
    words.sought.retain(|command| !is_builtin(command));
    words.commands.extend(handed.direct.iter().cloned());
    words.sources.clear();
    words
}

fn is_builtin(word: &str) -> bool {
    BUILTINS.contains(&word)
}

fn parse(text: &str) -> Option<Program> {
    super::parse::bash_program(text).ok()
}

impl ScriptWords {
    /// Notes all that a program calls; the functions that it defines are given back. Of a script in a script, `depth`
    /// says how deep it is.
    fn note_all(&mut self, program: &Program, variables: &mut Variables, depth: usize) -> BTreeSet<String> {
        let (mut loops, mut functions) = (Vec::new(), BTreeSet::new());
        Walk {
            see: &mut |command| variables.note(command),
            functions: &mut |_| {},
            loops: &mut |name, words| loops.push((name.to_owned(), words.to_vec())),
            depth: 0,
        }
        .program(program);
        for (name, words) in &loops {
            variables.note_loop(name, words);
        }
        let mut scripts = Vec::new();
        Walk {
            see: &mut |command| scripts.extend(self.note(command, variables)),
            functions: &mut |name| {
                functions.insert(name.to_owned());
            },
            loops: &mut |_, _| {},
            depth: 0,
        }
        .program(program);
        for script in scripts.iter().filter(|_| depth < MAX_SCRIPTS) {
            if let Some(program) = parse(script) {
                functions.extend(self.note_all(&program, variables, depth + 1));
            }
        }
        functions
    }

    /// Notes a command. A script that it has as an argument is given back.
    fn note(&mut self, command: &SimpleCommand, variables: &Variables) -> Option<String> {
        let name = command.word_or_name.as_ref()?;
        let plain = || {
            command.suffix.iter().flat_map(|suffix| &suffix.0).filter_map(|item| match item {
                CommandPrefixOrSuffixItem::Word(word) => Some(word.value.as_str()),
                _ => None,
            })
        };
        let runs_argument = matches!(name.value.as_str(), "command" | "which" | "type" | "hash" | "exec");
        let may_be_run = plain().filter(|_| runs_argument).chain([name.value.as_str()]);
        let choices: BTreeSet<&String> =
            may_be_run.filter_map(|word| variables.choices(word)).flatten().collect();
        // Each may be a command with its first arguments.
        let first = choices.into_iter().filter_map(|text| text.split_whitespace().next());
        for word in first.filter(|word| is_command_word(word)) {
            self.commands.insert(word.to_owned());
            self.sought.insert(word.to_owned());
        }
        let arguments = command.suffix.iter().flat_map(|suffix| &suffix.0).filter_map(|item| match item {
            CommandPrefixOrSuffixItem::Word(word) => Some(variables.literal(&word.value)),
            CommandPrefixOrSuffixItem::AssignmentWord(_, word) => Some(Some(word.value.clone())),
            _ => None,
        });
        // A variable may hold a command with its first arguments.
        let mut words: Vec<Option<String>> = match variables.literal(&name.value) {
            Some(text) if name.value.starts_with('$') => {
                text.split_whitespace().map(|word| Some(word.to_owned())).collect()
            }
            other => vec![other],
        };
        words.extend(arguments);
        if let [Some(word), None, ..] = &words[..]
            && matches!(word.as_str(), "." | "source")
            && let Some(name) = plain().next().and_then(|word| variables.file_name(word))
        {
            self.sources.insert(format!("*/{name}"));
            return None;
        }
        self.call(&words);
        script_of(name.value.rsplit('/').next()?, &plain().collect::<Vec<_>>())
    }

    /// Notes a command and, where it runs another, that.
    fn call(&mut self, words: &[Option<String>]) {
        let [Some(name), arguments @ ..] = words else { return };
        if !is_command_word(name) {
            return;
        }
        let base = name.rsplit('/').next().unwrap_or(name);
        match base {
            "." | "source" => {
                let source = arguments.iter().find(|word| word.as_deref() != Some("--"));
                match source {
                    Some(Some(source)) => {
                        self.sources.insert(source.clone());
                    }
                    _ => self.sources_unknown = true,
                }
                return;
            }
            "which" | "type" | "hash" => self.seek(arguments),
            "command" if arguments.iter().flatten().any(|word| word == "-v" || word == "-V") => {
                self.seek(arguments);
                return;
            }
            "[" | "test" => {
                let mut arguments = arguments.iter().flatten();
                if arguments.by_ref().any(|word| word == "-x")
                    && let Some(path) = arguments.next().filter(|path| path.starts_with('/'))
                {
                    self.sought.insert(path.clone());
                }
            }
            _ => {}
        }
        self.commands.insert(name.clone());
        if let Some(rest) = run_by(base, arguments, Option::as_deref) {
            self.call(rest);
        }
    }

    fn seek(&mut self, arguments: &[Option<String>]) {
        let names = arguments.iter().flatten().filter(|word| is_command_word(word));
        self.sought.extend(names.cloned());
    }
}

/// What a command runs that runs another: that one, and its arguments. `text` is what a word says, where that is known.
fn run_by<'w, W>(command: &str, arguments: &'w [W], text: impl Fn(&W) -> Option<&str>) -> Option<&'w [W]> {
    let (_, valued, before) = RUNNERS.iter().find(|(runner, ..)| *runner == command)?;
    let (mut rest, mut before) = (arguments, *before);
    while let [first, others @ ..] = rest {
        let first = text(first).unwrap_or("?");
        if first == "--" {
            rest = others;
        } else if valued.contains(&first) {
            rest = others.get(1..).unwrap_or_default();
        } else if first.starts_with('-') || first.contains('=') {
            rest = others;
        } else if before > 0 {
            (rest, before) = (others, before - 1);
        } else {
            break;
        }
    }
    Some(rest)
}

/// The script that a command has as an argument in quotes: `trap '...' EXIT`, `eval "..."`, `sh -c '...'`; also where
/// another runs that.
fn script_of(command: &str, arguments: &[&str]) -> Option<String> {
    let word = match command {
        "trap" | "eval" => arguments.first()?,
        "sh" | "dash" | "bash" | "ksh" | "su" | "runuser" => {
            arguments.get(arguments.iter().position(|word| *word == "-c")? + 1)?
        }
        _ => {
            let [command, arguments @ ..] = run_by(command, arguments, |word| Some(word))? else {
                return None;
            };
            return script_of(command.rsplit('/').next()?, arguments);
        }
    };
    unquoted(word)
}

/// What a word says that is one text in quotes, with the variables in it.
fn unquoted(word: &str) -> Option<String> {
    let quote = word.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    let inner = word.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(character) = rest.next() {
        match character {
            _ if character == quote => return None,
            '\\' if quote == '"' => match rest.next()? {
                '\n' => {}
                escaped @ ('"' | '\\' | '$' | '`') => text.push(escaped),
                other => text.extend(['\\', other]),
            },
            _ => text.push(character),
        }
    }
    Some(text)
}

/// Whether a word can be a command's name or path.
fn is_command_word(word: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/._+-[".contains(c);
    !word.is_empty()
        && word.len() <= LONGEST_WORD
        && word.chars().all(allowed)
        && !word.starts_with('-')
        && !word.ends_with('/')
}

#[cfg(test)]
mod tests;
