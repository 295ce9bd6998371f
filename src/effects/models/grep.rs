//! grep(1) and its like.

use std::cmp::Reverse;
use std::ops::Range;

use super::super::effort::Effort;
use super::super::machine::Machine;
use super::arguments::{Arguments, Flag};
use super::filters::{inputs, lines, read};
use super::regular::{Around, Dialect, Regular, Syntax};
use super::vague;
use crate::shell::text::{UNKNOWN, is_known, unknown};
use crate::shell::{Call, Node, Reply};

const GREP: &[Flag] = &[
    ('q', "quiet", false),
    ('s', "no-messages", false),
    ('v', "invert-match", false),
    ('i', "ignore-case", false),
    ('E', "extended-regexp", false),
    ('F', "fixed-strings", false),
    ('G', "basic-regexp", false),
    ('x', "line-regexp", false),
    ('w', "word-regexp", false),
    ('c', "count", false),
    ('o', "only-matching", false),
    ('e', "regexp", true),
    ('h', "no-filename", false),
    ('H', "", false),
    ('l', "files-with-matches", false),
    ('m', "max-count", true),
    ('n', "line-number", false),
    ('a', "text", false),
    ('z', "null-data", false),
    ('\0', "silent", false),
    ('P', "perl-regexp", false),
    ('r', "recursive", false),
    ('R', "", false),
];

pub(super) fn grep(machine: &mut Machine<'_>, call: &Call) -> Reply {
    grep_as(machine, call, None)
}

pub(super) fn egrep(machine: &mut Machine<'_>, call: &Call) -> Reply {
    grep_as(machine, call, Some("E"))
}

pub(super) fn fgrep(machine: &mut Machine<'_>, call: &Call) -> Reply {
    grep_as(machine, call, Some("F"))
}

/// Whether a line of which only a part is known matches, where that follows from the known part: a match within it
/// that asks for nothing around it, or words at its start that are others.
fn in_part(line: &str, patterns: &[String], compiled: &[Regular], effort: &Effort) -> Option<bool> {
    let special = |c: char| "\\.[]*^$+?(){}|".contains(c);
    let holds = |(pattern, regex): (&String, &Regular)| {
        let asks_around = pattern.contains(['$', '\\']);
        !asks_around
            && regex.find_some(line, usize::MAX, effort).into_iter().any(|found| is_known(&line[found]))
    };
    if patterns.iter().zip(compiled).any(holds) {
        return Some(true);
    }
    let known = line.split(UNKNOWN).next().unwrap_or_default();
    let fails = |pattern: &String| {
        // Another branch of an alternation may begin otherwise.
        let rest = pattern.strip_prefix('^').filter(|rest| !rest.contains('|'))?;
        let (literal, more) = rest.split_at(rest.find(special).unwrap_or(rest.len()));
        // What follows may make the last character one of any number.
        let literal = match more.chars().next() {
            None | Some('$' | '.' | '[') => literal,
            Some(_) => literal.get(..literal.len().checked_sub(1)?)?,
        };
        Some(!known.starts_with(literal) && !literal.starts_with(known))
    };
    patterns.iter().all(|pattern| fails(pattern) == Some(true)).then_some(false)
}

/// The patterns as the options have them; why one cannot be compiled.
fn compiled(arguments: &Arguments, patterns: &[String]) -> Result<Vec<Regular>, String> {
    let syntax = Syntax { dialect: Dialect::Grep, extended: arguments.has("E") };
    let any_case = arguments.has("i");
    let around = match (arguments.has("x"), arguments.has("w")) {
        (true, _) => Around::Line,
        (false, true) => Around::Word,
        (false, false) => Around::Anything,
    };
    let one = |pattern: &String| {
        if arguments.has("P") && around != Around::Anything {
            Err("there is no model of its option `-P` with `-w` or `-x`".to_owned())
        } else if arguments.has("P") {
            Regular::perl(pattern, any_case)
        } else if arguments.has("F") {
            Regular::literal(pattern, any_case, around)
        } else {
            Regular::compile_around(pattern, syntax, any_case, around)
        }
    };
    patterns.iter().map(one).collect()
}

/// The patterns, of which the first operand is one where no option has any.
fn patterns(arguments: &mut Arguments) -> Result<Vec<String>, Reply> {
    let options = arguments.options.iter().filter(|(name, _)| name == "e");
    let mut texts: Vec<String> = options.map(|(_, value)| value.clone()).collect();
    if texts.is_empty() {
        if arguments.operands.is_empty() {
            return Err(Reply::status(2));
        }
        texts.push(arguments.operands.remove(0));
    }
    let patterns: Vec<String> =
        texts.iter().flat_map(|text| text.split('\n')).map(ToOwned::to_owned).collect();
    if patterns.iter().all(|pattern| is_known(pattern)) { Ok(patterns) } else { Err(vague()) }
}

/// The files at and below some paths, links in them not followed; none where a path is not absolute.
fn files_below(machine: &Machine<'_>, call: &Call, operands: &[String]) -> Option<Vec<String>> {
    let mut files = Vec::new();
    for operand in operands {
        let top = machine.resolved(call, operand).filter(|_| operand.starts_with('/'));
        let Some(top) = top else {
            if !operand.starts_with('/') {
                return None;
            }
            continue;
        };
        let tree = machine.tree(&top).into_iter().filter(|(_, node)| matches!(node, Node::File { .. }));
        files.extend(tree.map(|(path, _)| path.as_str().to_owned()));
    }
    (!operands.is_empty()).then_some(files)
}

fn grep_as(machine: &mut Machine<'_>, call: &Call, kind: Option<&str>) -> Reply {
    let mut arguments = match read(call, GREP) {
        Ok(arguments) => arguments,
        Err(reply) => return reply,
    };
    if let Some(kind) = kind {
        arguments.options.push((kind.to_owned(), String::new()));
    }
    for option in ["z", "n"] {
        if arguments.has(option) {
            return Reply::Unknown(format!("there is no model of its option `-{option}`"));
        }
    }
    let patterns = match patterns(&mut arguments) {
        Ok(patterns) => patterns,
        Err(reply) => return reply,
    };
    let compiled = match compiled(&arguments, &patterns) {
        Ok(compiled) => compiled,
        Err(reason) => return Reply::Unknown(reason),
    };
    let is_recursive = arguments.has("r") || arguments.has("R");
    if is_recursive {
        match files_below(machine, call, &arguments.operands) {
            // What reads nothing finds nothing; without operands it would be the standard input.
            Some(files) if files.is_empty() => return Reply::status(1),
            Some(files) => arguments.operands = files,
            None => {
                return Reply::Unknown(
                    "there is no model of its option `-r` without an absolute path".to_owned(),
                );
            }
        }
    }
    let (mut texts, mut is_missing) = (Vec::new(), false);
    let operands = std::mem::take(&mut arguments.operands);
    let names_files = (is_recursive || operands.len() > 1 || arguments.has("H")) && !arguments.has("h");
    if operands.is_empty() {
        texts.push(call.stdin.clone());
    }
    for operand in operands {
        match inputs(machine, call, std::slice::from_ref(&operand)) {
            Ok(more) => {
                texts.extend(more);
                arguments.operands.push(operand);
            }
            Err(_) => is_missing = true,
        }
    }
    let effort = &machine.effort;
    let search =
        Search { arguments: &arguments, patterns: &patterns, compiled: &compiled, effort, names_files };
    search.reply(&texts, is_missing)
}

/// What is sought, and how what is found is told.
struct Search<'a> {
    arguments: &'a Arguments,
    patterns: &'a [String],
    compiled: &'a [Regular],
    effort: &'a Effort,
    /// Whether lines are told with the file that they are in.
    names_files: bool,
}

/// What is found in a text.
struct Found {
    count: usize,
    /// Whether of some lines nobody knows if they match.
    has_doubt: bool,
    stdout: String,
}

impl Search<'_> {
    /// What is told, where a file may be missing.
    fn reply(&self, texts: &[String], is_missing: bool) -> Reply {
        let name =
            |number: usize| self.arguments.operands.get(number).map_or("(standard input)", String::as_str);
        let all = texts.iter().enumerate().map(|(number, text)| self.find_in(text, name(number)));
        let all: Vec<Found> = all.collect();
        let (is_found, has_doubt) =
            (all.iter().any(|found| found.count > 0), all.iter().any(|found| found.has_doubt));
        let is_quiet = self.arguments.has("q") || self.arguments.has("silent");
        let stdout = match (is_quiet, has_doubt) {
            (true, _) => String::new(),
            (false, true) => unknown(),
            (false, false) => all.into_iter().map(|found| found.stdout).collect(),
        };
        let status = match (is_found, is_missing) {
            (true, true) if !is_quiet => Some(2),
            (true, _) => Some(0),
            (false, _) if has_doubt => None,
            (false, is_missing) => Some(if is_missing { 2 } else { 1 }),
        };
        Reply::Done { status, stdout, variables: Vec::new() }
    }

    fn find_in(&self, text: &str, name: &str) -> Found {
        let most = self.arguments.value("m").and_then(|text| text.parse().ok()).unwrap_or(usize::MAX);
        let mut found = Found { count: 0, has_doubt: false, stdout: String::new() };
        let prefix = if self.names_files { format!("{name}:") } else { String::new() };
        let (counts, lists) = (self.arguments.has("c"), self.arguments.has("l"));
        for line in lines(text) {
            if found.count >= most {
                break;
            }
            let Some(matches) = self.matches(line) else {
                found.has_doubt = true;
                continue;
            };
            if matches == self.arguments.has("v") {
                continue;
            }
            found.count += 1;
            let told: Vec<&str> = match (counts || lists, self.arguments.has("o")) {
                (true, _) => Vec::new(),
                (false, true) => self.parts(line).into_iter().map(|part| &line[part]).collect(),
                (false, false) => vec![line],
            };
            for told in told {
                if self.effort.spend(prefix.len() + told.len()) {
                    found.stdout.push_str(&format!("{prefix}{told}\n"));
                }
            }
        }
        if lists && found.count > 0 {
            found.stdout = format!("{name}\n");
        } else if counts && !lists {
            found.stdout = format!("{prefix}{}\n", found.count);
        }
        found
    }

    /// Whether a line matches, if that can be told.
    fn matches(&self, line: &str) -> Option<bool> {
        if is_known(line) {
            return Some(self.matches_known(line));
        }
        let asks_for_more = ["x", "w", "F", "i"].iter().any(|flag| self.arguments.has(flag));
        in_part(line, self.patterns, self.compiled, self.effort).filter(|_| !asks_for_more)
    }

    fn matches_known(&self, line: &str) -> bool {
        self.compiled.iter().any(|regex| regex.is_match(line, self.effort))
    }

    /// What matches in a line, by any of the patterns: the longest of the leftmost, again and again.
    fn parts(&self, line: &str) -> Vec<Range<usize>> {
        let (mut parts, mut at) = (Vec::new(), 0);
        while at <= line.len() {
            let found = self.compiled.iter().filter_map(|regex| regex.find_at(line, at, self.effort));
            let Some(found) = found.min_by_key(|found| (found.start, Reverse(found.end))) else { break };
            at = found.end;
            if found.is_empty() {
                at += line[at..].chars().next().map_or(1, char::len_utf8);
            } else {
                parts.push(found);
            }
        }
        parts
    }
}
