//! A script -> the commands it may call, and the files it sources.
//!
//! Every command word counts wherever it stands: in functions, branches, substitutions (POSIX.1-2024, XCU
//! chapter 2). A word may hold variables, if all that the script ever assigns to them is one plain text. Left out:
//! words that only running the script could tell, and scripts of other languages in arguments.

use std::collections::{BTreeMap, BTreeSet};

use brush_parser::ast::{
    AndOr, AndOrList, AssignmentName, AssignmentValue, Command, CommandPrefixOrSuffixItem, CompoundCommand,
    CompoundList, IoFileRedirectTarget, IoRedirect, Program, SimpleCommand, Word,
};
use brush_parser::word::{Parameter, ParameterExpr, WordPiece, WordPieceWithSource};
use brush_parser::{Parser, ParserOptions};

/// Longer scripts are not looked into, in bytes: what is longer carries an archive or a program.
const MAX_SCRIPT: usize = 256 << 10;
/// Deeper nesting is not looked into: the parser recurses.
const MAX_DEPTH: usize = 60;
/// Where a script ends and what it carries begins.
const LONGEST_WORD: usize = 256;
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

/// Commands that run the command named by their arguments, and their options that take a value.
const RUNNERS: &[(&str, &[&str])] = &[
    ("builtin", &[]),
    ("chroot", &[]),
    ("command", &[]),
    ("env", &["-u", "-C", "-S"]),
    ("exec", &["-a"]),
    ("ionice", &["-c", "-n"]),
    ("nice", &["-n"]),
    ("nohup", &[]),
    ("setsid", &[]),
    ("stdbuf", &["-i", "-o", "-e"]),
    ("time", &["-f", "-o"]),
    ("timeout", &["-s", "-k"]),
    ("xargs", &["-I", "-n", "-P", "-d", "-L", "-s", "-a", "-E"]),
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
}

/// The command words of a script; none where it is no script of a shell, or too intricate to be looked into.
pub fn words(text: &[u8]) -> Option<ScriptWords> {
    if text.len() > MAX_SCRIPT || text.contains(&0) {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let program = parse(text).or_else(|| parse(before_exec(text)?))?;
    let mut words = ScriptWords::default();
    let functions = words.note_all(&program, &mut Variables::default(), 0);
    words.commands.retain(|command| !functions.contains(command) && !is_builtin(command));
    words.sought.retain(|command| !is_builtin(command));
    words.functions = functions;
    Some(words)
}

/// The start of a script up to the line in which the shell gives way to another interpreter, for which the rest is
/// written: `exec wish "$0" "$@"` in a script of Tcl's.
fn before_exec(text: &str) -> Option<&str> {
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        end += line.len();
        if line.starts_with("exec ") {
            return text.get(..end);
        }
    }
    None
}

fn is_builtin(word: &str) -> bool {
    BUILTINS.contains(&word)
}

fn parse(text: &str) -> Option<Program> {
    if is_deep(text) {
        return None;
    }
    Parser::new(text.as_bytes(), &ParserOptions::default()).parse_program().ok()
}

/// Whether brackets and compound commands are nested too deep. Errs towards "deep" only.
fn is_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut deepest = super::parse::negations(text);
    for line in text.lines() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        for word in line.split(|c: char| c.is_whitespace() || c == ';') {
            match word {
                "if" | "case" | "while" | "until" | "for" | "select" => depth += 1,
                "fi" | "esac" | "done" => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth += word.matches(['(', '{', '`']).count();
            deepest = deepest.max(depth);
            depth = depth.saturating_sub(word.matches([')', '}', '`']).count());
        }
    }
    deepest > MAX_DEPTH
}

/// A walk over every simple command of a script, those in substitutions included.
struct Walk<'w> {
    see: &'w mut dyn FnMut(&SimpleCommand),
    functions: &'w mut dyn FnMut(&str),
    /// The variable of a loop, and the words it goes through.
    loops: &'w mut dyn FnMut(&str, &[Word]),
    depth: usize,
}

impl Walk<'_> {
    fn program(&mut self, program: &Program) {
        program.complete_commands.iter().for_each(|list| self.list(list));
    }

    fn list(&mut self, list: &CompoundList) {
        list.0.iter().for_each(|item| self.and_or(&item.0));
    }

    fn and_or(&mut self, list: &AndOrList) {
        list.first.seq.iter().for_each(|command| self.command(command));
        for next in &list.additional {
            let (AndOr::And(pipeline) | AndOr::Or(pipeline)) = next;
            pipeline.seq.iter().for_each(|command| self.command(command));
        }
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Compound(compound, redirects) => {
                self.compound(compound);
                redirects.iter().flat_map(|list| &list.0).for_each(|redirect| self.redirect(redirect));
            }
            Command::Function(function) => {
                (self.functions)(&function.fname.value);
                self.compound(&function.body.0);
            }
            Command::ExtendedTest(test, _) => self.text(&test.to_string()),
        }
    }

    fn compound(&mut self, compound: &CompoundCommand) {
        match compound {
            CompoundCommand::Arithmetic(arithmetic) => self.text(&arithmetic.expr.value),
            CompoundCommand::ArithmeticForClause(clause) => self.list(&clause.body.list),
            CompoundCommand::BraceGroup(group) => self.list(&group.list),
            CompoundCommand::Subshell(subshell) => self.list(&subshell.list),
            CompoundCommand::ForClause(clause) => {
                if let Some(values) = &clause.values {
                    (self.loops)(&clause.variable_name, values);
                    for word in values {
                        self.word(word);
                    }
                }
                self.list(&clause.body.list);
            }
            CompoundCommand::CaseClause(clause) => {
                self.word(&clause.value);
                clause.cases.iter().filter_map(|case| case.cmd.as_ref()).for_each(|list| self.list(list));
            }
            CompoundCommand::IfClause(clause) => {
                self.list(&clause.condition);
                self.list(&clause.then);
                for branch in clause.elses.iter().flatten() {
                    branch.condition.iter().for_each(|list| self.list(list));
                    self.list(&branch.body);
                }
            }
            CompoundCommand::WhileClause(clause) | CompoundCommand::UntilClause(clause) => {
                self.list(&clause.0);
                self.list(&clause.1.list);
            }
            CompoundCommand::Coprocess(process) => self.command(&process.body),
        }
    }

    fn simple(&mut self, simple: &SimpleCommand) {
        (self.see)(simple);
        let prefix = simple.prefix.iter().flat_map(|prefix| &prefix.0);
        let suffix = simple.suffix.iter().flat_map(|suffix| &suffix.0);
        for item in prefix.chain(suffix) {
            match item {
                CommandPrefixOrSuffixItem::Word(word)
                | CommandPrefixOrSuffixItem::AssignmentWord(_, word) => {
                    self.word(word);
                }
                CommandPrefixOrSuffixItem::IoRedirect(redirect) => self.redirect(redirect),
                CommandPrefixOrSuffixItem::ProcessSubstitution(_, subshell) => self.list(&subshell.list),
            }
        }
        simple.word_or_name.iter().for_each(|word| self.word(word));
    }

    fn redirect(&mut self, redirect: &IoRedirect) {
        match redirect {
            IoRedirect::File(_, _, IoFileRedirectTarget::ProcessSubstitution(_, subshell)) => {
                self.list(&subshell.list);
            }
            IoRedirect::HereDocument(_, document) if document.requires_expansion => self.word(&document.doc),
            IoRedirect::HereString(_, word)
            | IoRedirect::OutputAndError(word, _)
            | IoRedirect::File(_, _, IoFileRedirectTarget::Filename(word)) => self.word(word),
            _ => {}
        }
    }

    fn word(&mut self, word: &Word) {
        self.text(&word.value);
    }

    /// The substitutions of a text.
    fn text(&mut self, text: &str) {
        if text.contains("$(") || text.contains('`') {
            let pieces = brush_parser::word::parse(text, &ParserOptions::default()).unwrap_or_default();
            self.pieces(&pieces);
        }
    }

    fn pieces(&mut self, pieces: &[WordPieceWithSource]) {
        for piece in pieces {
            match &piece.piece {
                WordPiece::DoubleQuotedSequence(inner) | WordPiece::GettextDoubleQuotedSequence(inner) => {
                    self.pieces(inner);
                }
                WordPiece::CommandSubstitution(script) => self.nested(script),
                WordPiece::BackquotedCommandSubstitution(script) => self.nested(&script.replace("\\`", "`")),
                WordPiece::ParameterExpansion(
                    ParameterExpr::UseDefaultValues { default_value: Some(text), .. }
                    | ParameterExpr::AssignDefaultValues { default_value: Some(text), .. }
                    | ParameterExpr::UseAlternativeValue { alternative_value: Some(text), .. },
                ) => self.deeper(|walk| walk.text(text)),
                _ => {}
            }
        }
    }

    fn nested(&mut self, script: &str) {
        self.deeper(|walk| {
            if let Some(program) = parse(script) {
                walk.program(&program);
            }
        });
    }

    fn deeper(&mut self, go: impl FnOnce(&mut Self)) {
        if self.depth < MAX_DEPTH {
            self.depth += 1;
            go(self);
            self.depth -= 1;
        }
    }
}

/// What a script assigns to its variables.
#[derive(Debug, Default)]
struct Variables {
    /// None where that is more than one plain text.
    values: BTreeMap<String, Option<String>>,
    /// All plain texts that it may be: of several assignments, and those that a loop goes through.
    choices: BTreeMap<String, BTreeSet<String>>,
}

impl Variables {
    fn note(&mut self, command: &SimpleCommand) {
        let is_plain = command.word_or_name.is_none();
        let name = command.word_or_name.as_ref().map(|word| word.value.as_str());
        let sets = matches!(name, None | Some("export" | "readonly" | "local" | "declare" | "typeset"));
        let prefix = command.prefix.iter().flat_map(|prefix| &prefix.0);
        let suffix = command.suffix.iter().flat_map(|suffix| &suffix.0);
        for item in prefix.filter(|_| is_plain).chain(suffix.filter(|_| sets)) {
            let CommandPrefixOrSuffixItem::AssignmentWord(assignment, _) = item else { continue };
            let AssignmentName::VariableName(name) = &assignment.name else { continue };
            let value = match &assignment.value {
                AssignmentValue::Scalar(word) if !assignment.append => self.literal(&word.value),
                _ => None,
            };
            self.assign(name, value.as_deref());
        }
        if matches!(name, Some("read" | "getopts")) {
            command.suffix.iter().flat_map(|suffix| &suffix.0).for_each(|item| {
                if let CommandPrefixOrSuffixItem::Word(word) = item {
                    self.assign(&word.value, None);
                }
            });
        }
    }

    fn assign(&mut self, name: &str, value: Option<&str>) {
        let choices = self.choices.entry(name.to_owned()).or_default();
        choices.extend(value.map(str::to_owned));
        let known = self.values.entry(name.to_owned()).or_insert_with(|| value.map(str::to_owned));
        if known.as_deref() != value {
            *known = None;
        }
    }

    /// Notes what a loop goes through; its variable has no certain value.
    fn note_loop(&mut self, name: &str, words: &[Word]) {
        let texts: BTreeSet<String> = words.iter().filter_map(|word| self.literal(&word.value)).collect();
        self.values.insert(name.to_owned(), None);
        self.choices.entry(name.to_owned()).or_default().extend(texts);
    }

    /// What a word may be that is one variable and nothing else, where that is not certain.
    fn choices(&self, word: &str) -> Option<&BTreeSet<String>> {
        let name = word.trim_matches('"').strip_prefix('$')?;
        let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
        self.choices.get(name).filter(|_| self.values.get(name).is_none_or(Option::is_none))
    }

    /// The text that a word comes to, where that is certain.
    fn literal(&self, word: &str) -> Option<String> {
        if word.len() > LONGEST_WORD {
            return None;
        }
        let pieces = brush_parser::word::parse(word, &ParserOptions::default()).ok()?;
        let text = self.joined(&pieces)?;
        (!text.contains(['*', '?']) && text.len() <= LONGEST_WORD).then_some(text)
    }

    /// The file name that a word ends in, where only the directory before it is not known.
    fn file_name(&self, word: &str) -> Option<String> {
        if word.len() > LONGEST_WORD {
            return None;
        }
        let pieces = brush_parser::word::parse(word, &ParserOptions::default()).ok()?;
        let mut text = String::new();
        self.known_end(&pieces, &mut text);
        let (_, name) = text.rsplit_once('/')?;
        (!name.is_empty() && !name.contains(['*', '?'])).then(|| name.to_owned())
    }

    /// Puts before a text what the pieces surely come to, from the last backwards; whether that is all of them.
    fn known_end(&self, pieces: &[WordPieceWithSource], text: &mut String) -> bool {
        pieces.iter().rev().all(|piece| match (&piece.piece, self.joined(std::slice::from_ref(piece))) {
            (_, Some(known)) => {
                text.insert_str(0, &known);
                true
            }
            (WordPiece::DoubleQuotedSequence(inner), None) => self.known_end(inner, text),
            _ => false,
        })
    }

    fn joined(&self, pieces: &[WordPieceWithSource]) -> Option<String> {
        let mut text = String::new();
        for piece in pieces {
            match &piece.piece {
                WordPiece::Text(part) | WordPiece::SingleQuotedText(part) => text.push_str(part),
                WordPiece::EscapeSequence(part) => text.push_str(part.strip_prefix('\\').unwrap_or(part)),
                WordPiece::DoubleQuotedSequence(inner) => text.push_str(&self.joined(inner)?),
                WordPiece::ParameterExpansion(
                    ParameterExpr::Parameter { parameter: Parameter::Named(name), indirect: false }
                    | ParameterExpr::UseDefaultValues { parameter: Parameter::Named(name), .. },
                ) if self.values.get(name).is_some_and(Option::is_some) => {
                    text.push_str(self.values.get(name)?.as_deref()?);
                }
                WordPiece::ParameterExpansion(
                    ParameterExpr::UseDefaultValues {
                        parameter: Parameter::Named(name), default_value, ..
                    }
                    | ParameterExpr::AssignDefaultValues {
                        parameter: Parameter::Named(name),
                        default_value,
                        ..
                    },
                ) if !self.values.contains_key(name) => {
                    let default = default_value.as_deref().unwrap_or_default();
                    if default.contains(['$', '`', '"', '\'']) {
                        return None;
                    }
                    text.push_str(default);
                }
                _ => return None,
            }
        }
        Some(text)
    }
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
        for word in choices.into_iter().filter(|word| is_command_word(word)) {
            self.commands.insert(word.clone());
            self.sought.insert(word.clone());
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
        if let Some((_, valued)) = RUNNERS.iter().find(|(runner, _)| *runner == base) {
            let mut rest = arguments;
            while let [Some(first), others @ ..] = rest {
                let skipped = valued.contains(&first.as_str());
                let is_number = base == "timeout" && first.starts_with(|c: char| c.is_ascii_digit());
                if first.starts_with('-') || first.contains('=') || is_number {
                    rest = if skipped { others.get(1..).unwrap_or_default() } else { others };
                } else {
                    break;
                }
            }
            self.call(rest);
        }
    }

    fn seek(&mut self, arguments: &[Option<String>]) {
        let names = arguments.iter().flatten().filter(|word| is_command_word(word));
        self.sought.extend(names.cloned());
    }
}

/// The script that a command has as an argument in quotes: `trap '...' EXIT`, `eval "..."`, `sh -c '...'`.
fn script_of(command: &str, arguments: &[&str]) -> Option<String> {
    let word = match command {
        "trap" | "eval" => arguments.first()?,
        "sh" | "dash" | "bash" | "ksh" | "su" | "runuser" => {
            arguments.get(arguments.iter().position(|word| *word == "-c")? + 1)?
        }
        _ => return None,
    };
    let quote = word.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    let inner = word.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.contains(quote) && !inner.contains('\\')).then(|| inner.to_owned())
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn commands(script: &str) -> Vec<String> {
        words(script.as_bytes()).unwrap().commands.into_iter().collect()
    }

    #[test]
    fn commands_wherever_they_stand() {
        for (script, expected) in [
            ("#!/bin/sh\nset -e\ngrep x y | sed s/a/b/ && echo done\n", &["grep", "sed"][..]),
            ("if test -f x; then cat x; elif cmp a b; then :; else rm x; fi\n", &["cat", "cmp", "rm"]),
            ("f() { sort; }\nf\nfoo() (uniq)\n", &["sort", "uniq"]),
            ("x=$(basename \"$0\")\ny=`dirname $0`\n", &["basename", "dirname"]),
            ("echo \"a $(date) b\" > $(mktemp)\n", &["date", "mktemp"]),
            ("case $1 in a|b) tar xf x ;; *) exit 1 ;; esac\n", &["tar"]),
            (
                "for i in $(seq 1 3); do sleep 1; done\nwhile find .; do awk 1; done\n",
                &["awk", "find", "seq", "sleep"],
            ),
            ("cat <<EOF\n$(hostname)\nEOF\ncat <<'EOF'\n$(nothere)\nEOF\n", &["cat", "hostname"]),
            ("exec /usr/lib/x/y \"$@\"\n", &["/usr/lib/x/y"]),
            (
                "find . | xargs -n 1 gzip\nexec env -i A=b ls\nnohup nice -n 5 make\n",
                &["env", "find", "gzip", "ls", "make", "nice", "nohup", "xargs"],
            ),
            ("PAGER=less\n$PAGER x\n\"$EDITOR\" y\n", &["less"]),
            ("A=one\nA=two\n$A\n", &["one", "two"]),
            (
                "if x; then W=/usr/bin/w9; else W=/usr/bin/w; fi\nexec $W -a\n",
                &["/usr/bin/w", "/usr/bin/w9", "x"],
            ),
            ("A=one\nA=$(date)\n$A b $A\n", &["date", "one"]),
            ("prog=\"expr 1\"\n$prog + 2\n", &["expr"]),
            ("${SED:-sed} x\n", &["sed"]),
            ("FOO=bar baz\n", &["baz"]),
            ("trap 'rm -f $x; sync' EXIT\n", &["rm", "sync"]),
            ("eval \"ls $x\"; eval ls\n", &["ls"]),
            ("sh -c 'mv a b'; su -s /bin/sh -c \"touch $*\" list\n", &["mv", "sh", "su", "touch"]),
            ("for p in gawk mawk; do a=$(command -v $p); test -n \"$a\" && break; done\n", &["gawk", "mawk"]),
            ("# \\\\\nexec wish \"$0\" \"$@\"\nproc a {b} { puts \"x }\n", &["wish"]),
            ("x=\"${y:-$(stat z)}\"\n", &["stat"]),
            ("diff <(sort a) b\n[[ -n $(id -u) ]] && true\n", &["diff", "id", "sort"]),
            ("(cd / && du) & wait\n{ wc -l; }\n! cut -c1\n", &["cut", "du", "wc"]),
        ] {
            assert_eq!(commands(script), expected, "{script}");
        }
    }

    #[test]
    fn sources_and_what_is_only_sought() {
        let found = words(
            b"LIB=/usr/share/x\n. /lib/lsb/init-functions\n. \"$LIB/common.sh\"\n. git-sh-setup\nsource \"$1\"\n\
              if command -v systemctl >/dev/null; then systemctl start; fi\n[ -x /usr/bin/y ] && /usr/bin/y\n",
        )
        .unwrap();
        assert_eq!(
            found.sources.into_iter().collect::<Vec<_>>(),
            ["/lib/lsb/init-functions", "/usr/share/x/common.sh", "git-sh-setup"]
        );
        assert!(found.sources_unknown);
        let found_in = |text: &str| words(text.as_bytes()).unwrap();
        for (text, name) in [
            (". ${DIR}/lib.cli\n", "*/lib.cli"),
            ("base=$DIR/x\n. \"$base/lib.cli\"\n", "*/lib.cli"),
            (". \"$(dirname \"$0\")\"/../share/lib.cli\n", "*/lib.cli"),
        ] {
            let found = found_in(text);
            assert_eq!(found.sources.into_iter().collect::<Vec<_>>(), [name], "{text}");
            assert!(!found.sources_unknown);
        }
        for text in [". $DIR/$x\n", ". lib.$x\n", ". $DIR/x.*\n", ". $DIR/\n"] {
            let found = found_in(text);
            assert!(found.sources.is_empty() && found.sources_unknown, "{text}");
        }
        assert_eq!(found.sought.into_iter().collect::<Vec<_>>(), ["/usr/bin/y", "systemctl"]);
        assert_eq!(found.commands.into_iter().collect::<Vec<_>>(), ["/usr/bin/y", "systemctl"]);
    }

    #[test]
    fn what_is_no_script_is_left_alone() {
        assert_eq!(words(b"a\0b"), None);
        assert_eq!(words(&vec![b'a'; MAX_SCRIPT + 1]), None);
        assert_eq!(words("(".repeat(100_000).as_bytes()), None);
        assert_eq!(words("$(".repeat(100_000).as_bytes()), None);
        assert_eq!(words("if ".repeat(50_000).as_bytes()), None);
        assert_eq!(words(b"if then fi ((("), None);
        assert_eq!(words(b""), Some(ScriptWords::default()));
    }

    #[test]
    fn negations_without_end() {
        let text = format!("#!/bin/bash\n[[ {} a ]]\n", "! ".repeat(50_000));
        assert!(words(text.as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "(a|if|then|fi|\\$\\(|\\)|`|\"|'|;|\\n| |do|done|case|esac|in|<<E|\\{|\\}|&&|\\||=|\\$|#){0,60}") {
            words(text.as_bytes());
        }
    }
}
