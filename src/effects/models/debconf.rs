//! debconf: questions are answered with the defaults of the package's own templates.

use std::collections::BTreeMap;

use super::super::machine::Machine;
use super::vague;
use crate::shell::text::unknown;
use crate::shell::{Call, Reply};

/// The functions that `/usr/share/debconf/confmodule` defines; none if the name is not theirs.
pub(super) fn run(machine: &mut Machine<'_>, name: &str, call: &Call) -> Option<Reply> {
    let command = name.strip_prefix("db_")?;
    let word = |at: usize| call.argv.get(at).map_or("", String::as_str);
    let reply = match command {
        "get" => {
            let question = word(1);
            let answer = machine.answers.get(question).cloned();
            let default = machine.facts.questions.get(question).map(default_of);
            // A question of another package may have any answer.
            said(answer.or(default).unwrap_or_else(unknown))
        }
        "set" => {
            machine.answers.insert(word(1).to_owned(), word(2).to_owned());
            said(String::new())
        }
        "subst" => {
            let value = call.argv.get(3..).unwrap_or_default().join(" ");
            machine.substitutions.insert((word(1).to_owned(), word(2).to_owned()), value);
            said(String::new())
        }
        "reset" | "unregister" => {
            machine.answers.remove(word(1));
            said(String::new())
        }
        // Nobody is asked.
        "input" => Reply::Done { status: Some(30), stdout: String::new(), variables: Vec::new() },
        "fget" => said("false".to_owned()),
        "metaget" => match machine.facts.questions.get(word(1)) {
            Some(fields) if word(2) == "default" => said(default_of(fields)),
            Some(fields) => {
                // `choices-c` is the choices in the language of the script.
                let field = word(2).to_lowercase();
                let field = fields.get(&field).or_else(|| fields.get(field.trim_end_matches("-c")));
                let text = field.cloned().unwrap_or_default();
                said(substituted(machine, word(1), text))
            }
            None => said(unknown()),
        },
        "version" => said("2.0".to_owned()),
        "capb" => said("multiselect backup progresscancel".to_owned()),
        "go" | "stop" | "title" | "settitle" | "fset" | "purge" | "progress" | "beginblock" | "endblock"
        | "register" | "info" | "clear" | "data" | "x_loadtemplatefile" => said(String::new()),
        _ => return None,
    };
    Some(reply)
}

/// The text of a template with the values that scripts gave its variables (`${name}`).
fn substituted(machine: &Machine<'_>, question: &str, text: String) -> String {
    let own = machine.substitutions.iter().filter(|((of, _), _)| of == question);
    own.fold(text, |text, ((_, name), value)| text.replace(&format!("${{{name}}}"), value))
}

/// The answer to a question that nobody was asked.
fn default_of(fields: &BTreeMap<String, String>) -> String {
    let is_boolean = fields.get("type").is_some_and(|kind| kind == "boolean");
    let otherwise = if is_boolean { "false" } else { "" };
    fields.get("default").map_or_else(|| otherwise.to_owned(), Clone::clone)
}

fn said(answer: String) -> Reply {
    Reply::Done { status: Some(0), stdout: String::new(), variables: vec![("RET".to_owned(), answer)] }
}

pub(super) fn communicate(_: &mut Machine<'_>, _: &Call) -> Reply {
    vague()
}
