//! `sed`: the commands `s d p q = a i c y n` with addresses and groups (XCU sed).

use super::super::machine::{Content, Machine};
use super::arguments::{Arguments, Flag};
use super::filters::inputs;
use super::{doubtful, vague};
use crate::shell::text::{is_known, unknown};
use crate::shell::{Call, Reply};

mod script;

use script::{Action, Address, Command, Failure, Substitution, commands};

const FLAGS: &[Flag] = &[
    ('n', "quiet", false),
    ('\0', "silent", false),
    ('e', "expression", true),
    ('f', "file", true),
    ('E', "regexp-extended", false),
    ('r', "", false),
    ('s', "separate", false),
    ('u', "", false),
    ('\0', "follow-symlinks", false),
    ('z', "null-data", false),
];

impl Address {
    fn holds(&self, line: &str, number: usize, last: bool) -> bool {
        match self {
            Address::Line(own) => *own == number,
            Address::Last => last,
            Address::Expression(regex) => regex.is_match(line),
        }
    }
}

impl Command {
    fn applies(&mut self, line: &str, number: usize, last: bool) -> bool {
        let inside = match (&self.from, &self.to) {
            (None, _) => true,
            (Some(from), None) => from.holds(line, number, last),
            (Some(from), Some(to)) => {
                if self.active {
                    self.active = !to.holds(line, number, last);
                    true
                } else if from.holds(line, number, last) {
                    self.active = match to {
                        Address::Line(end) => *end > number,
                        _ => true,
                    };
                    true
                } else {
                    false
                }
            }
        };
        inside != self.negated
    }
}

/// What happens after a line's commands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Next,
    Delete,
    Quit,
}

struct Line {
    text: String,
    before: String,
    after: String,
}

fn run(commands: &mut [Command], line: &mut Line, number: usize, last: bool) -> After {
    for command in commands {
        if !command.applies(&line.text, number, last) {
            continue;
        }
        match &mut command.action {
            Action::Substitute(substitution) => {
                if let Some(text) = substitution.applied(&line.text) {
                    line.text = text;
                    if substitution.print {
                        line.before.push_str(&format!("{}\n", line.text));
                    }
                }
            }
            Action::Transliterate(pairs) => {
                let other = |c: char| pairs.iter().find(|(from, _)| *from == c).map_or(c, |(_, to)| *to);
                line.text = line.text.chars().map(other).collect();
            }
            Action::Delete => return After::Delete,
            Action::Print => line.before.push_str(&format!("{}\n", line.text)),
            Action::Quit => return After::Quit,
            Action::Append(text) => line.after.push_str(text),
            Action::Insert(text) => line.before.push_str(text),
            Action::Change(text) => {
                if command.to.is_none() || !command.active {
                    line.before.push_str(text);
                }
                return After::Delete;
            }
            Action::Group(commands) => match run(commands, line, number, last) {
                After::Next => {}
                after => return after,
            },
        }
    }
    After::Next
}

impl Substitution {
    fn applied(&self, text: &str) -> Option<String> {
        let mut result = String::new();
        let (mut end, mut count) = (0, 0);
        for captures in self.regex.captures_iter(text) {
            let whole = captures.get(0)?;
            count += 1;
            if count < self.nth {
                continue;
            }
            result.push_str(&text[end..whole.start()]);
            let mut chars = self.replacement.chars();
            while let Some(c) = chars.next() {
                match c {
                    '&' => result.push_str(whole.as_str()),
                    '\\' => match chars.next() {
                        Some('n') => result.push('\n'),
                        Some('t') => result.push('\t'),
                        Some(digit) if digit.is_ascii_digit() => {
                            let group = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
                            let group = group.and_then(|group| captures.get(group));
                            result.push_str(group.map_or("", |group| group.as_str()));
                        }
                        Some(c) => result.push(c),
                        None => {}
                    },
                    c => result.push(c),
                }
            }
            end = whole.end();
            if !self.all {
                break;
            }
        }
        (count >= self.nth && count > 0).then(|| {
            result.push_str(&text[end..]);
            result
        })
    }
}

/// Applies a script to a text.
fn edited(script: &str, extended: bool, quiet: bool, text: &str) -> Result<String, Failure> {
    let mut commands = commands(script, extended)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut output = String::new();
    for (at, whole) in lines.iter().enumerate() {
        let (text, end) = whole.strip_suffix('\n').map_or((*whole, ""), |text| (text, "\n"));
        let mut line = Line { text: text.to_owned(), before: String::new(), after: String::new() };
        let after = run(&mut commands, &mut line, at + 1, at + 1 == lines.len());
        output.push_str(&line.before);
        if !quiet && after != After::Delete {
            output.push_str(&line.text);
            output.push_str(end);
        }
        output.push_str(&line.after);
        if after == After::Quit {
            break;
        }
    }
    Ok(output)
}

pub(super) fn sed(machine: &mut Machine<'_>, call: &Call) -> Reply {
    // `-i` takes its value only within the same word.
    let is_in_place = |word: &String| {
        word.starts_with("--in-place")
            || word.strip_prefix('-').is_some_and(|letters| {
                !letters.starts_with(['-', 'e'])
                    && letters.chars().take_while(char::is_ascii_alphabetic).any(|c| c == 'i')
                    && letters.len() < 8
            })
    };
    let in_place = call.argv.iter().skip(1).find(|word| is_in_place(word)).cloned();
    let mut words: Vec<String> =
        call.argv.iter().skip(1).filter(|word| !is_in_place(word)).cloned().collect();
    if let Some(letters) =
        in_place.as_ref().and_then(|word| word.strip_prefix('-')).filter(|text| !text.starts_with('-'))
    {
        let others: String = letters.chars().take_while(|c| *c != 'i').collect();
        if !others.is_empty() {
            words.insert(0, format!("-{others}"));
        }
        if letters.ends_with('e') && letters.contains('i') {
            words.insert(0, "-e".to_owned());
        }
        if letters.ends_with('r') || letters.ends_with('E') {
            words.insert(0, "-E".to_owned());
        }
    }
    let mut arguments = match Arguments::read(&words, FLAGS) {
        Ok(arguments) => arguments,
        Err(reason) => return Reply::Unknown(reason),
    };
    if arguments.has("f") || arguments.has("z") {
        return Reply::Unknown("there is no model of its options".to_owned());
    }
    let mut scripts: Vec<String> =
        arguments.options.iter().filter(|(name, _)| name == "e").map(|(_, value)| value.clone()).collect();
    if scripts.is_empty() {
        if arguments.operands.is_empty() {
            return Reply::status(1);
        }
        scripts.push(arguments.operands.remove(0));
    }
    let script = scripts.join("\n");
    let quiet = arguments.has("n") || arguments.has("silent");
    let extended = arguments.has("E") || arguments.has("r");
    if !is_known(&script) {
        return if in_place.is_some() { doubtful() } else { vague() };
    }
    if in_place.is_some() {
        return in_files(machine, call, &arguments.operands, |text| edited(&script, extended, quiet, text));
    }
    match inputs(machine, call, &arguments.operands) {
        Ok(texts) => {
            let text = texts.concat();
            // A line that is not known leaves nothing known; a script that is not understood is told all the same.
            match edited(&script, extended, quiet, if is_known(&text) { &text } else { "" }) {
                Ok(_) if !is_known(&text) => Reply::output(unknown()),
                Ok(output) => Reply::output(output),
                Err(reason) => Reply::Unknown(reason),
            }
        }
        Err(reply) => reply,
    }
}

fn in_files(
    machine: &mut Machine<'_>,
    call: &Call,
    files: &[String],
    edit: impl Fn(&str) -> Result<String, Failure>,
) -> Reply {
    for file in files {
        if !is_known(file) {
            return doubtful();
        }
        let Some(place) = machine.resolved(call, file) else { return Reply::status(4) };
        let text = match inputs(machine, call, std::slice::from_ref(file)) {
            Ok(texts) => texts.concat(),
            Err(reply) => return reply,
        };
        if !is_known(&text) {
            return Reply::Unknown("what the file holds is not known".to_owned());
        }
        let made = edit(&text).and_then(|new| {
            if new == text {
                return Ok(());
            }
            let mode = machine.mode(&place);
            machine.make_file(&place, Content::Text(new), Some(mode), None)
        });
        if let Err(reason) = made {
            return Reply::Unknown(reason);
        }
    }
    Reply::status(0)
}
