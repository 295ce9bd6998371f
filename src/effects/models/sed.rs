//! `sed` (XCU sed), with GNU's options and commands but for those that name files or run commands.

use super::super::machine::{Content, Machine};
use super::arguments::{Arguments, Flag};
use super::files::place;
use super::filters::inputs;
use super::{doubtful, vague};
use crate::shell::text::{is_known, unknown};
use crate::shell::{Call, Node, Reply, World};

mod editing;
mod replacement;
mod script;

use editing::Editor;
use script::commands;

const FLAGS: &[Flag] = &[
    ('n', "quiet", false),
    ('\0', "silent", false),
    ('e', "expression", true),
    ('E', "regexp-extended", false),
    ('r', "", false),
    ('s', "separate", false),
    ('u', "unbuffered", false),
    ('\0', "follow-symlinks", false),
];

/// Takes `-i` out of a command line: the suffix of its backups, which only stands within the same word.
fn in_place(words: &[String]) -> (Vec<String>, Option<String>) {
    let (mut rest, mut suffix, mut words) = (Vec::new(), None, words.iter());
    while let Some(word) = words.next() {
        if word == "--" {
            rest.push(word.clone());
            rest.extend(words.by_ref().cloned());
        } else if let Some(long) = word.strip_prefix("--") {
            let (name, value) = long.split_once('=').unwrap_or((long, ""));
            if !name.is_empty() && "in-place".starts_with(name) {
                suffix = Some(value.to_owned());
                continue;
            }
            rest.push(word.clone());
            if name.len() > 1 && "expression".starts_with(name) && !long.contains('=') {
                rest.extend(words.next().cloned());
            }
        } else if let Some(letters) = word.strip_prefix('-') {
            let end = letters.find(['e', 'f', 'l', 'i']);
            match end.map(|end| (&letters[..end], &letters[end..=end], &letters[end + 1..])) {
                Some((before, "i", after)) => {
                    suffix = Some(after.to_owned());
                    rest.extend(Some(format!("-{before}")).filter(|_| !before.is_empty()));
                }
                Some((_, _, "")) => {
                    rest.push(word.clone());
                    rest.extend(words.next().cloned());
                }
                _ => rest.push(word.clone()),
            }
        } else {
            rest.push(word.clone());
        }
    }
    (rest, suffix)
}

pub(super) fn sed(machine: &mut Machine<'_>, call: &Call) -> Reply {
    let (words, suffix) = in_place(&call.argv[1..]);
    let mut arguments = match Arguments::read(&words, FLAGS) {
        Ok(arguments) => arguments,
        Err(reason) => return Reply::Unknown(reason),
    };
    let scripts = arguments.options.iter().filter(|(name, _)| name == "e");
    let mut scripts: Vec<String> = scripts.map(|(_, value)| value.clone()).collect();
    if scripts.is_empty() {
        if arguments.operands.is_empty() {
            return Reply::status(1);
        }
        scripts.push(arguments.operands.remove(0));
    }
    let script = scripts.join("\n");
    if !is_known(&script) {
        return if suffix.is_some() { doubtful() } else { vague() };
    }
    let is_quiet = arguments.has("n") || arguments.has("silent") || script.lines().next() == Some("#n");
    let mut editor = match commands(&script, arguments.has("E") || arguments.has("r")) {
        Ok(commands) => Editor::new(commands, is_quiet, machine.effort.clone()),
        Err(reason) => return Reply::Unknown(reason),
    };
    if let Some(suffix) = suffix {
        let in_place = InPlace { suffix, follows: arguments.has("follow-symlinks") };
        return in_place.edit(machine, call, &arguments.operands, &mut editor).unwrap_or_else(|reply| reply);
    }
    let texts = match inputs(machine, call, &arguments.operands) {
        Ok(texts) => texts,
        Err(reply) => return reply,
    };
    if !texts.iter().all(|text| is_known(text)) {
        return Reply::output(unknown());
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    if arguments.has("s") && texts.len() > 1 {
        return Reply::Unknown("there is no model of its option `-s`".to_owned());
    }
    match editor.edit(&texts) {
        Ok((stdout, status)) => {
            Reply::Done { status: Some(status.unwrap_or(0)), stdout, variables: Vec::new() }
        }
        Err(reason) => Reply::Unknown(reason),
    }
}

/// How files are edited.
struct InPlace {
    /// What the names of backups end in, or where there is a `*` in it, are made of; there are none if it is empty.
    suffix: String,
    follows: bool,
}

impl InPlace {
    fn edit(
        &self,
        machine: &mut Machine<'_>,
        call: &Call,
        files: &[String],
        editor: &mut Editor,
    ) -> Result<Reply, Reply> {
        if !is_known(&self.suffix) || !files.iter().all(|file| is_known(file)) {
            return Err(doubtful());
        }
        let mut status = 0;
        for (at, file) in files.iter().enumerate() {
            let Some(target) = machine.resolved(call, file) else {
                status = 4;
                continue;
            };
            if !matches!(machine.node(&target), Some(Node::File { .. })) {
                status = 4;
                continue;
            }
            let text = inputs(machine, call, std::slice::from_ref(file))?.concat();
            if !is_known(&text) {
                return Err(Reply::Unknown("what the file holds is not known".to_owned()));
            }
            editor.has_more_files = at + 1 < files.len();
            let (new, end) = editor.edit(&[&text]).map_err(Reply::Unknown)?;
            self.replace(machine, call, file, (&text, new))?;
            if let Some(end) = end {
                return Ok(Reply::status(end));
            }
        }
        Ok(Reply::status(status))
    }

    /// Puts a new file in the place of one, or of the link to it. The backup is what was there.
    fn replace(
        &self,
        machine: &mut Machine<'_>,
        call: &Call,
        file: &str,
        (old, new): (&str, String),
    ) -> Result<(), Reply> {
        let at = if self.follows { machine.resolved(call, file) } else { place(machine, call, file) };
        let (Some(at), Some(target)) = (at, machine.resolved(call, file)) else { return Err(doubtful()) };
        let (mode, owner) = (machine.mode(&target), machine.owner(&target));
        let is_link = at != target;
        if !self.suffix.is_empty() {
            // What a `*` stands for in a name with directories depends on sed's version.
            let is_odd = self.suffix.contains('*') && file.contains('/');
            let name = if self.suffix.contains('*') {
                self.suffix.replace('*', at.file_name())
            } else {
                format!("{}{}", at.file_name(), self.suffix)
            };
            let backup = at
                .parent()
                .filter(|_| !name.contains('/') && !is_odd)
                .and_then(|above| above.join(&name).ok());
            let backup =
                backup.ok_or_else(|| Reply::Unknown("there is no model of its suffix".to_owned()))?;
            if machine.node(&backup) == Some(Node::Directory) {
                return Err(Reply::Unknown("its backup is in the way".to_owned()));
            }
            let made = match machine.node(&at) {
                Some(Node::Symlink(to)) => {
                    machine.make_symlink(&backup, &to, Some(machine.owner(&at)));
                    Ok(())
                }
                _ => machine.make_in_place(&backup, machine.content(&at), mode, Some(owner.clone())),
            };
            made.map_err(Reply::Unknown)?;
        }
        let made = if is_link {
            machine.make_in_place(&at, Content::Text(new), mode, Some(owner))
        } else if new == old {
            Ok(())
        } else {
            machine.make_file(&at, Content::Text(new), Some(mode), None)
        };
        made.map_err(Reply::Unknown)
    }
}
