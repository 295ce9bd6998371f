//! A package's script, read as far as it is plain: simple commands one after the other, `&&` and `||` between
//! them, variables that were assigned plain text.
//!
//! Follows POSIX.1-2024, Shell Command Language, 2.2 to 2.9, for what it reads. Whatever else stands there
//! (conditions, loops, functions, substitutions, pipes, here-documents, files written to) is told as a line
//! that was not understood, and has no effect.

use std::collections::{BTreeMap, BTreeSet};

mod words;

use words::{Kind, Token, Word, tokens};

/// What ends a compound command that begins with a word.
const COMPOUNDS: [(&str, &str); 7] = [
    ("if", "fi"),
    ("for", "done"),
    ("while", "done"),
    ("until", "done"),
    ("case", "esac"),
    ("{", "}"),
    ("function", "}"),
];
/// Words after which a command stands.
const LEADING: [&str; 5] = ["then", "else", "elif", "do", "!"];

/// Hands each simple command to `run`, which says whether it succeeds, or nothing if it does not know the
/// command. Gives back the lines that were not understood, without the blanks around them.
pub(super) fn evaluate(script: &str, run: &mut dyn FnMut(&[String]) -> Option<bool>) -> Vec<String> {
    let tokens = tokens(script);
    let mut evaluation = Evaluation { tokens: &tokens, at: 0, variables: BTreeMap::new(), run };
    let mut unclear = BTreeSet::new();
    let interpreter = script.lines().next().and_then(|line| line.strip_prefix("#!"));
    if interpreter.is_some_and(|interpreter| !is_shell(interpreter)) {
        unclear.insert(0);
    } else {
        while evaluation.statement(&mut unclear) {}
    }
    let line = |line: usize| script.lines().nth(line).unwrap_or_default().trim().to_owned();
    unclear.into_iter().map(line).collect()
}

/// `/bin/sh`, `/bin/busybox sh -e` and the like.
fn is_shell(interpreter: &str) -> bool {
    let mut words = interpreter.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let first = words.next();
    let program = if matches!(first, Some("busybox" | "env")) { words.next() } else { first };
    matches!(program, Some("sh" | "ash" | "dash" | "bash"))
}

struct Evaluation<'a> {
    tokens: &'a [Token],
    at: usize,
    variables: BTreeMap<String, String>,
    run: &'a mut dyn FnMut(&[String]) -> Option<bool>,
}

/// How a command came out.
enum Status {
    Known(bool),
    Unclear,
    /// The script ends here.
    End,
}

impl Evaluation<'_> {
    fn kind(&self, ahead: usize) -> Option<&Kind> {
        self.tokens.get(self.at + ahead).map(|token| &token.kind)
    }

    fn plain(&self, ahead: usize) -> Option<&str> {
        match self.kind(ahead) {
            Some(Kind::Word(word)) => word.plain(),
            _ => None,
        }
    }

    fn is_operator(&self, ahead: usize, operator: &str) -> bool {
        matches!(self.kind(ahead), Some(Kind::Operator(found)) if *found == operator)
    }

    /// Whether a statement ends here.
    fn is_end(&self) -> bool {
        matches!(self.kind(0), None | Some(Kind::Newline | Kind::Operator(";")))
    }

    /// Evaluates one list of commands. Whether there is more to come.
    fn statement(&mut self, unclear: &mut BTreeSet<usize>) -> bool {
        while self.at < self.tokens.len() && self.is_end() {
            self.at += 1;
        }
        let Some(line) = self.tokens.get(self.at).map(|token| token.line) else { return false };
        let (mut status, mut runs) = (true, true);
        loop {
            if self.skip_compound() {
                if runs {
                    unclear.insert(line);
                    self.skip_statement();
                    return true;
                }
            } else if runs {
                match self.command(status) {
                    Status::Known(now) => status = now,
                    Status::Unclear => {
                        unclear.insert(line);
                        self.skip_statement();
                        return true;
                    }
                    Status::End => return false,
                }
            } else {
                self.skip_command();
            }
            runs = match self.kind(0) {
                Some(Kind::Operator("&&")) => status,
                Some(Kind::Operator("||")) => !status,
                _ => return true,
            };
            self.at += 1;
            self.skip_newlines();
        }
    }

    /// Runs the simple command that begins here, up to the operator behind it.
    fn command(&mut self, status: bool) -> Status {
        let mut words: Vec<&Word> = Vec::new();
        let mut is_clear = true;
        let tokens = self.tokens;
        while let Some(token) = tokens.get(self.at) {
            match &token.kind {
                Kind::Word(word) => words.push(word),
                Kind::Redirection(redirection) => {
                    self.at += 1;
                    is_clear &= self.is_harmless(redirection);
                }
                Kind::Newline | Kind::Operator(";" | "&&" | "||") => break,
                Kind::Operator(_) => return Status::Unclear,
            }
            self.at += 1;
        }
        let plain = words.first().and_then(|word| word.plain()).unwrap_or_default();
        if matches!(plain, "exit" | "return") {
            return Status::End;
        }
        let is_exec = plain == "exec";
        if let Some(assigned) = self.assign(&words) {
            return if assigned { Status::Known(true) } else { Status::Unclear };
        }
        let expanded = words.iter().skip(usize::from(is_exec)).map(|word| word.expand(&self.variables));
        let Some(expanded) = expanded.collect::<Option<Vec<String>>>().filter(|_| is_clear) else {
            return Status::Unclear;
        };
        match (expanded.is_empty(), (self.run)(&expanded)) {
            (true, _) => Status::Known(status),
            (false, None) => Status::Unclear,
            (false, Some(_)) if is_exec => Status::End,
            (false, Some(status)) => Status::Known(status),
        }
    }

    /// Output thrown away or joined with other output.
    fn is_harmless(&self, redirection: &str) -> bool {
        let Some(Kind::Word(word)) = self.kind(0) else { return false };
        let target = word.expand(&self.variables);
        match (redirection, target.as_deref()) {
            (">" | ">>" | "<" | "&>", Some("/dev/null")) => true,
            (">&" | "<&", Some(number)) => number == "-" || number.bytes().all(|byte| byte.is_ascii_digit()),
            _ => false,
        }
    }

    /// Takes in `name=text`; a value that is not clear is forgotten. None if the words are no assignments,
    /// false if a command follows them.
    fn assign(&mut self, words: &[&Word]) -> Option<bool> {
        let split = |word: &Word, variables: &BTreeMap<String, String>| {
            let text = word.expand(variables);
            let name = word.leading_text().split_once('=').map(|(name, _)| name.to_owned())?;
            let mut letters = name.chars();
            let starts_well =
                letters.next().is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_');
            let is_name =
                starts_well && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            let value = text.and_then(|text| text.get(name.len() + 1..).map(str::to_owned));
            is_name.then_some((name, value))
        };
        let mut assigned = None;
        for word in words {
            let Some((name, value)) = split(word, &self.variables) else {
                return assigned.map(|_: bool| false);
            };
            match value {
                Some(value) => self.variables.insert(name, value),
                None => self.variables.remove(&name),
            };
            assigned = Some(true);
        }
        assigned
    }

    fn skip_command(&mut self) {
        while !self.is_end() && !self.is_operator(0, "&&") && !self.is_operator(0, "||") {
            self.at += 1;
        }
    }

    fn skip_statement(&mut self) {
        while !self.is_end() {
            self.at += 1;
        }
    }

    fn skip_newlines(&mut self) {
        while matches!(self.kind(0), Some(Kind::Newline)) {
            self.at += 1;
        }
    }

    /// Passes over a compound command or the definition of a function, if there is one here; over all that is
    /// left if it does not end.
    fn skip_compound(&mut self) -> bool {
        if matches!(self.kind(0), Some(Kind::Word(_))) && self.is_operator(1, "(") && self.is_operator(2, ")")
        {
            self.at += 3;
            self.skip_newlines();
        } else if !self.is_operator(0, "(")
            && !self.plain(0).is_some_and(|word| COMPOUNDS.iter().any(|(first, _)| *first == word))
        {
            return false;
        }
        let mut ends: Vec<&str> = Vec::new();
        let mut command_next = true;
        while let Some(kind) = self.kind(0) {
            let here = std::mem::replace(&mut command_next, false);
            match kind {
                Kind::Operator("(") => {
                    ends.push(")");
                    command_next = true;
                }
                Kind::Operator(")") => {
                    // Or the end of a pattern of `case`.
                    if ends.last() == Some(&")") {
                        ends.pop();
                    }
                    command_next = true;
                }
                Kind::Newline | Kind::Operator(_) => command_next = true,
                Kind::Word(word) if here => {
                    let word = word.plain().unwrap_or_default();
                    if let Some((_, end)) = COMPOUNDS.iter().find(|(first, _)| *first == word) {
                        ends.push(end);
                        command_next = matches!(word, "if" | "while" | "until" | "{");
                    } else if ends.last() == Some(&word) {
                        ends.pop();
                    } else {
                        command_next = LEADING.contains(&word);
                    }
                }
                Kind::Word(_) | Kind::Redirection(_) => {}
            }
            self.at += 1;
            if ends.is_empty() {
                break;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;
