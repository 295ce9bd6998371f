//! A shell that is called by its name, for a file or a text.

use super::super::machine::Machine;
use super::{MOST_NESTED, all_known, doubtful, followed};
use crate::shell::text::is_known;
use crate::shell::{Call, Reply, Script, World};

/// Options that change how a script runs and that may stand behind `#!`.
const OPTIONS: &str = "efux";

/// `sh [-efux] FILE ...`, `sh -c TEXT ...`, and `sh` of what it reads.
pub(super) fn shell(machine: &mut Machine<'_>, call: &Call) -> Reply {
    if !all_known(call) {
        return doubtful();
    }
    let (mut words, mut options, mut is_text) = (&call.argv[1..], String::new(), false);
    while let Some((flag, rest)) = words.split_first().filter(|(word, _)| word.starts_with(['-', '+'])) {
        words = rest;
        if matches!(flag.as_str(), "-" | "--") {
            break;
        }
        is_text |= flag.contains('c');
        let letters = flag.trim_start_matches('-').replace('c', "");
        if !letters.chars().all(|letter| OPTIONS.contains(letter)) {
            return Reply::Unknown(format!("there is no model of its option `{flag}`"));
        }
        options.push_str(&letters);
    }
    let own = call.argv[0].rsplit('/').next().unwrap_or_default().to_owned();
    let Some((text, mut words)) = script(machine, call, words, is_text) else {
        return Reply::Unknown("what it runs is not known".to_owned());
    };
    if machine.nested >= MOST_NESTED {
        return Reply::Unknown("scripts call one another too deeply".to_owned());
    }
    // The first line says which shell it is, with its options, whatever the text says of that.
    let options = if options.is_empty() { options } else { format!("-{options}") };
    let text = match text.strip_prefix("#!").and_then(|text| text.split_once('\n')) {
        Some((_, rest)) => format!("#!/bin/{own} {options}\n{rest}"),
        None => format!("#!/bin/{own} {options}\n{text}"),
    };
    let name = if words.is_empty() { own } else { words.remove(0) };
    let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
    let (environment, directory, umask) = (call.env.clone(), call.directory.clone(), call.umask);
    let script = Script { name: &name, text: &text, arguments: &arguments, environment, directory, umask };
    followed(machine, &script)
}

/// The text that is run, and its name with its arguments.
fn script(
    machine: &mut Machine<'_>,
    call: &Call,
    words: &[String],
    is_text: bool,
) -> Option<(String, Vec<String>)> {
    let (text, words) = match words.split_first() {
        Some((text, rest)) if is_text => (text.clone(), rest.to_vec()),
        Some((file, _)) => {
            let place = machine.resolved(call, file)?;
            (machine.read(&place)?, words.to_vec())
        }
        None if is_text || call.stdin.is_empty() => return None,
        None => (call.stdin.clone(), Vec::new()),
    };
    is_known(&text).then_some((text, words))
}
