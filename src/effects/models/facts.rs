//! What texts and files are, compared and counted: `cmp`, digests, `seq`, `expr`.

use std::collections::BTreeSet;

use super::super::effort::Effort;
use super::super::machine::{Content, Machine};
use super::filters::inputs;
use super::regular::{Dialect, Regular, Syntax};
use super::vague;
use crate::shell::text::{encode, is_known, same, unknown};
use crate::shell::{Call, Reply};

/// Whether two files are the same.
pub(super) fn compare(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let files: Vec<String> =
        call.argv.iter().skip(1).filter(|word| !word.starts_with('-') || *word == "-").cloned().collect();
    let [a, b] = files.as_slice() else { return vague() };
    if let (Some(left), Some(right)) = (machine.resolved(call, a), machine.resolved(call, b)) {
        let (left, right) = (machine.content(&left), machine.content(&right));
        if left == right && matches!(left, Content::Of(_)) {
            return Reply::status(0);
        }
    }
    match (inputs(machine, call, std::slice::from_ref(a)), inputs(machine, call, std::slice::from_ref(b))) {
        (Ok(left), Ok(right)) => match same(&left.concat(), &right.concat()) {
            Some(true) => Reply::status(0),
            Some(false) => {
                let stdout = unknown();
                Reply::Done { status: Some(1), stdout, variables: Vec::new() }
            }
            None => vague(),
        },
        _ => Reply::status(2),
    }
}

/// Digests: the file is there, and what it holds decides.
pub(super) fn digest(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let files: Vec<String> =
        call.argv.iter().skip(1).filter(|word| !word.starts_with('-')).cloned().collect();
    if call.argv.iter().any(|word| matches!(word.as_str(), "-c" | "--check" | "--status")) {
        return vague();
    }
    match inputs(machine, call, &files) {
        Ok(texts) => {
            let own = call.argv[0].rsplit('/').next() == Some("sha256sum");
            let bytes: Option<Vec<Vec<u8>>> = texts.iter().map(|text| encode(text)).collect();
            match bytes.filter(|_| own) {
                Some(all) => {
                    let names = files.iter().map(String::as_str).chain(["-"]);
                    let lines = all.iter().zip(names).map(|(bytes, name)| {
                        let digest = crate::digest::Digest::of(bytes).to_string();
                        format!("{}  {name}\n", digest.trim_start_matches("sha256:"))
                    });
                    Reply::output(lines.collect::<String>())
                }
                None => Reply::output(unknown()),
            }
        }
        Err(reply) => reply,
    }
}

pub(super) fn seq(_: &mut Machine<'_>, call: &Call) -> Reply {
    let numbers: Option<Vec<i64>> = call.argv.iter().skip(1).map(|word| word.parse().ok()).collect();
    let (from, step, to) = match numbers.as_deref() {
        Some([to]) => (1, 1, *to),
        Some([from, to]) => (*from, 1, *to),
        Some([from, step, to]) if *step != 0 => (*from, *step, *to),
        _ => return vague(),
    };
    let mut output = String::new();
    let mut at = from;
    for _ in 0..10_000 {
        if (step > 0 && at > to) || (step < 0 && at < to) {
            break;
        }
        output.push_str(&format!("{at}\n"));
        at = at.saturating_add(step);
    }
    Reply::output(output)
}

/// What the expression's first group matches at the start of a text, or how much the whole does.
fn matched(text: &str, expression: Result<Regular, String>, effort: &Effort) -> Result<String, String> {
    let expression = expression?;
    let has_group = expression.groups() > 0;
    let Some(whole) = expression.find_at(text, 0, effort).filter(|found| found.start == 0) else {
        return Ok(if has_group { String::new() } else { "0".to_owned() });
    };
    if !has_group {
        return Ok(text[whole].chars().count().to_string());
    }
    let group = expression.places(text, 0, &[1], effort)?.into_iter().nth(1).flatten();
    Ok(group.map_or(String::new(), |group| text[group].to_owned()))
}

/// `expr`, with one operator.
pub(super) fn expr(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let words: BTreeSet<bool> = call.argv.iter().map(|word| is_known(word)).collect();
    if words.contains(&false) {
        return vague();
    }
    let words: Vec<&str> = call.argv.iter().skip(1).map(String::as_str).collect();
    let value = match words.as_slice() {
        ["length", text] => text.chars().count().to_string(),
        [text, ":", expression] | ["match", text, expression] => {
            let syntax = Syntax { dialect: Dialect::Grep, extended: false };
            match matched(text, Regular::compile(expression, syntax, false), &machine.effort) {
                Ok(value) => value,
                Err(reason) => return Reply::Unknown(reason),
            }
        }
        [a, operator, b] => {
            let numbers = a.parse::<i64>().ok().zip(b.parse::<i64>().ok());
            let order = numbers.map_or_else(|| a.cmp(b), |(a, b)| a.cmp(&b));
            match (*operator, numbers) {
                ("+", Some((a, b))) => a.wrapping_add(b).to_string(),
                ("-", Some((a, b))) => a.wrapping_sub(b).to_string(),
                ("*", Some((a, b))) => a.wrapping_mul(b).to_string(),
                ("/", Some((a, b))) if b != 0 => a.wrapping_div(b).to_string(),
                ("%", Some((a, b))) if b != 0 => a.wrapping_rem(b).to_string(),
                ("=", _) => i32::from(order.is_eq()).to_string(),
                ("!=", _) => i32::from(order.is_ne()).to_string(),
                ("<", _) => i32::from(order.is_lt()).to_string(),
                ("<=", _) => i32::from(order.is_le()).to_string(),
                (">", _) => i32::from(order.is_gt()).to_string(),
                (">=", _) => i32::from(order.is_ge()).to_string(),
                _ => return Reply::Unknown("there is no model of this expression".to_owned()),
            }
        }
        [one] => (*one).to_owned(),
        _ => return Reply::Unknown("there is no model of this expression".to_owned()),
    };
    let status = i32::from(value.is_empty() || value == "0");
    Reply::Done { status: Some(status), stdout: format!("{value}\n"), variables: Vec::new() }
}
