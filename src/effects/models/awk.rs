//! `awk`, in its plainest form: `-F C '/expression/ { print $1, $2 }'`.

use super::super::machine::Machine;
use super::filters::{inputs, lines};
use super::regular::{Dialect, Regular, Syntax};
use super::vague;
use crate::shell::text::{UNKNOWN, is_known, unknown};
use crate::shell::{Call, Reply};

pub(super) fn awk(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let (mut separator, mut program, mut files) = (None, None, Vec::new());
    let mut words = call.argv.iter().skip(1);
    while let Some(word) = words.next() {
        if word == "-F" {
            separator = words.next().cloned();
        } else if let Some(text) = word.strip_prefix("-F") {
            separator = Some(text.to_owned());
        } else if word.starts_with('-') && program.is_none() {
            return unmodelled();
        } else if program.is_none() {
            program = Some(word.clone());
        } else {
            files.push(word.clone());
        }
    }
    let text = match inputs(machine, call, &files) {
        Ok(texts) => texts.concat(),
        Err(reply) => return reply,
    };
    let Some(program) = program.filter(|program| is_known(program)) else { return vague() };
    if text.is_empty()
        && let Some(output) = of_nothing(&program)
    {
        return Reply::output(output);
    }
    let (pattern, fields) = match parsed(program.trim()) {
        Ok(parsed) => parsed,
        Err(reply) => return reply,
    };
    let whole_lines = pattern.is_some()
        || fields.iter().any(|field| !matches!(field, Field::Number(_) | Field::Comma | Field::Text(_)));
    if !is_known(&text) && (whole_lines || text.lines().any(|line| line.starts_with(UNKNOWN))) {
        return vague();
    }
    let mut output = String::new();
    let effort = machine.effort.clone();
    for line in lines(&text) {
        if pattern.as_ref().is_some_and(|pattern| !pattern.is_match(line, &effort)) {
            continue;
        }
        let parts: Vec<&str> = match separator.as_deref() {
            // Which other blanks there are depends on which awk it is.
            None | Some(" ") if line.contains(|c: char| c.is_whitespace() && c != ' ' && c != '\t') => {
                return unmodelled();
            }
            None | Some(" ") => line.split_whitespace().collect(),
            Some("\\t") => line.split('\t').collect(),
            Some(separator) if separator.len() == 1 && !matches!(separator, "t" | "\\") => {
                line.split(separator).collect()
            }
            Some(_) => return unmodelled(),
        };
        let field = |field: &Field| match field {
            Field::Whole => line.to_owned(),
            // From the first part on that is unknown nobody can count.
            Field::Number(number) if parts.iter().take(*number).any(|part| !is_known(part)) => unknown(),
            Field::Number(number) => parts.get(*number - 1).map_or(String::new(), |part| (*part).to_owned()),
            Field::Last => parts.last().map_or(String::new(), |part| (*part).to_owned()),
            Field::Text(text) => text.clone(),
            Field::Comma => " ".to_owned(),
        };
        let before = output.len();
        for one in &fields {
            output.push_str(&field(one));
            if !effort.spend(100 + output.len() - before) {
                break;
            }
        }
        output.push('\n');
    }
    Reply::output(output)
}

/// What a program writes that has nothing to read: what it does at the end, of variables that were never set.
fn of_nothing(program: &str) -> Option<&'static str> {
    if program.contains("BEGIN") {
        return None;
    }
    let Some((_, end)) = program.split_once("END") else { return Some("") };
    let body = end.trim().strip_prefix('{')?.strip_suffix('}')?.trim().trim_end_matches(';');
    let name = body.strip_prefix("print")?.trim_start();
    (!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).then_some("\n")
}

fn unmodelled() -> Reply {
    Reply::Unknown("there is no model of this program".to_owned())
}

enum Field {
    Whole,
    Number(usize),
    Last,
    Text(String),
    Comma,
}

fn parsed(program: &str) -> Result<(Option<Regular>, Vec<Field>), Reply> {
    let (pattern, action) = match program.split_once('{') {
        Some((pattern, action)) => (pattern.trim(), action.trim().strip_suffix('}').ok_or_else(unmodelled)?),
        None => (program, "print"),
    };
    let regex = if pattern.is_empty() {
        None
    } else {
        let inner = pattern.strip_prefix('/').and_then(|text| text.strip_suffix('/'));
        let inner = inner.filter(|text| !text.replace("\\/", "").contains('/')).ok_or_else(unmodelled)?;
        let syntax = Syntax { dialect: Dialect::Awk, extended: true };
        Some(Regular::compile(&inner.replace("\\/", "/"), syntax, false).map_err(Reply::Unknown)?)
    };
    let action = action.trim().trim_end_matches(';').trim();
    let mut rest =
        action.strip_prefix("print").filter(|rest| !rest.starts_with('f')).ok_or_else(unmodelled)?.trim();
    if rest.is_empty() {
        return Ok((regex, vec![Field::Whole]));
    }
    let mut fields = Vec::new();
    while !rest.is_empty() {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(',') {
            fields.push(Field::Comma);
            rest = after;
        } else if let Some(after) = rest.strip_prefix("$NF") {
            fields.push(Field::Last);
            rest = after;
        } else if let Some(after) = rest.strip_prefix('$') {
            let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            fields.push(match after[..end].parse::<usize>().map_err(|_| unmodelled())? {
                0 => Field::Whole,
                number => Field::Number(number),
            });
            rest = &after[end..];
        } else if let Some(after) = rest.strip_prefix('"') {
            let (text, after) =
                after.split_once('"').filter(|(text, _)| !text.contains('\\')).ok_or_else(unmodelled)?;
            fields.push(Field::Text(text.to_owned()));
            rest = after;
        } else {
            return Err(unmodelled());
        }
    }
    Ok((regex, fields))
}
