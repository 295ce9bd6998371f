//! Doing what a script of sed says to the lines of a text.

use std::mem::{replace, swap, take};
use std::rc::Rc;

use super::super::super::effort::{Effort, TOO_MUCH};
use super::super::regular::Regular;
use super::replacement;
use super::script::{Action, Address, Command, Expression, Failure, Substitution, Until};

/// No more commands are carried out, whatever a script says.
const MOST_STEPS: usize = 2_000_000;
/// No line gets longer, in bytes.
const LONGEST: usize = 4 << 20;
/// No more is written, in bytes.
const MOST_OUTPUT: usize = 64 << 20;

/// A line, and whether it ends as lines do.
#[derive(Clone, Debug, Default)]
struct Space {
    text: String,
    is_open: bool,
}

/// What happens after a line's commands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Next,
    Delete,
    /// Deletes, and goes on with what is left.
    Restart,
    /// With a status, and whether the line is written.
    Quit(i32, bool),
}

/// What is written: an open line is closed once more follows.
#[derive(Debug, Default)]
struct Output {
    text: String,
    is_open: bool,
}

impl Output {
    fn close(&mut self) {
        if replace(&mut self.is_open, false) {
            self.text.push('\n');
        }
    }

    fn line(&mut self, line: &str, is_open: bool) {
        self.close();
        self.text.push_str(line);
        self.is_open = is_open;
        if !is_open {
            self.text.push('\n');
        }
    }

    fn text(&mut self, text: &str) {
        self.close();
        self.text.push_str(text);
    }
}

/// sed at work.
pub(super) struct Editor {
    commands: Vec<Command>,
    is_quiet: bool,
    /// Other files follow that have lines of their own.
    pub(super) has_more_files: bool,
    hold: Space,
    space: Space,
    lines: Vec<Space>,
    /// How many of them are read.
    number: usize,
    output: Output,
    queue: Vec<String>,
    has_replaced: bool,
    last: Expression,
    steps: usize,
    effort: Effort,
}

impl Editor {
    pub(super) fn new(commands: Vec<Command>, is_quiet: bool, effort: Effort) -> Self {
        Editor {
            commands,
            is_quiet,
            has_more_files: false,
            hold: Space::default(),
            space: Space::default(),
            lines: Vec::new(),
            number: 0,
            output: Output::default(),
            queue: Vec::new(),
            has_replaced: false,
            last: None,
            steps: 0,
            effort,
        }
    }

    /// Edits texts one after the other; what it writes, and its status if it ends with that.
    pub(super) fn edit(&mut self, texts: &[&str]) -> Result<(String, Option<i32>), Failure> {
        let lines = texts.iter().flat_map(|text| text.split_inclusive('\n'));
        let space = |line: &str| {
            let text = line.strip_suffix('\n');
            Space { text: text.unwrap_or(line).to_owned(), is_open: text.is_none() }
        };
        self.lines = lines.map(space).collect();
        self.number = 0;
        let (mut restarts, mut status) = (false, None);
        while status.is_none() && (restarts || self.read(false)) {
            let after = self.cycle()?;
            restarts = after == After::Restart;
            let writes = match after {
                After::Next => !self.is_quiet,
                After::Quit(code, writes) => {
                    status = Some(code);
                    writes && !self.is_quiet
                }
                After::Delete | After::Restart => false,
            };
            if writes {
                self.output.line(&self.space.text, self.space.is_open);
            }
            self.write_queue();
        }
        Ok((take(&mut self.output).text, status))
    }

    fn write_queue(&mut self) {
        for text in take(&mut self.queue) {
            self.output.text(&text);
        }
    }

    fn is_last(&self) -> bool {
        self.number >= self.lines.len()
    }

    /// Reads the next line, in the place of the last or behind it; whether there is one.
    fn read(&mut self, behind: bool) -> bool {
        let Some(line) = self.lines.get_mut(self.number).map(take) else { return false };
        self.number += 1;
        self.write_queue();
        self.has_replaced = false;
        if behind {
            self.space.text.push('\n');
            self.space.text.push_str(&line.text);
            self.space.is_open = line.is_open;
        } else {
            self.space = line;
        }
        true
    }

    /// Which expression is meant; it is the last one from now on.
    fn used(&mut self, expression: Expression) -> Result<Rc<Regular>, Failure> {
        let used = expression.or_else(|| self.last.clone()).ok_or("no expression was used before")?;
        self.last = Some(Rc::clone(&used));
        Ok(used)
    }

    fn holds(&mut self, at: usize, is_start: bool) -> Result<bool, Failure> {
        let command = &self.commands[at];
        let address = if is_start { &command.from } else { &command.to };
        Ok(match address {
            None => true,
            Some(Address::Line(own)) => *own == self.number,
            Some(Address::Step(first, 0)) => *first == self.number,
            Some(Address::Step(first, step)) => {
                self.number >= *first && (self.number - first).is_multiple_of(*step)
            }
            Some(Address::Last) => self.is_last(),
            Some(Address::Expression(expression)) => {
                let expression = expression.clone();
                self.used(expression)?.is_match(&self.space.text, &self.effort)
            }
            Some(Address::More(_) | Address::Multiple(_)) => false,
        })
    }

    fn applies(&mut self, at: usize) -> Result<bool, Failure> {
        let number = self.number;
        let inside = match (self.commands[at].to.is_some(), self.commands[at].until) {
            (false, _) => self.holds(at, true)?,
            (true, Some(Until::Line(end))) => {
                if end <= number {
                    self.commands[at].until = None;
                }
                number <= end
            }
            (true, Some(Until::Told)) => {
                if self.holds(at, false)? {
                    self.commands[at].until = None;
                }
                true
            }
            (true, None) => {
                let starts = self.holds(at, true)?;
                if starts {
                    let until = match &self.commands[at].to {
                        Some(Address::Line(end)) => Until::Line(*end),
                        Some(Address::More(more)) => Until::Line(number + more),
                        Some(Address::Multiple(0)) => Until::Line(0),
                        Some(Address::Multiple(of)) => Until::Line(number.div_ceil(*of) * of),
                        _ => Until::Told,
                    };
                    let goes_on = !matches!(until, Until::Line(end) if end <= number);
                    self.commands[at].until = goes_on.then_some(until);
                }
                starts
            }
        };
        Ok(inside != self.commands[at].negated)
    }

    /// The commands, for one line.
    fn cycle(&mut self) -> Result<After, Failure> {
        let mut at = 0;
        while at < self.commands.len() {
            self.steps += 1;
            if self.steps > MOST_STEPS || self.space.text.len().max(self.hold.text.len()) > LONGEST {
                return Err(TOO_MUCH.to_owned());
            }
            let applies = self.applies(at)?;
            self.effort.spend(if applies { 100 + self.length_of_work(at) / 4 } else { 50 });
            if self.effort.is_refused() || self.output.text.len() > MOST_OUTPUT {
                return Err(TOO_MUCH.to_owned());
            }
            let next =
                match (&self.commands[at].action, applies) {
                    (Action::Group(end), false) => *end,
                    (_, false) => at + 1,
                    (Action::Branch(to), true) => *to,
                    (Action::BranchIf(to, wanted), true) => {
                        if replace(&mut self.has_replaced, false) == *wanted { *to } else { at + 1 }
                    }
                    (_, true) => {
                        if let Some(after) = self.carry_out(at)? {
                            return Ok(after);
                        }
                        at + 1
                    }
                };
            at = next;
        }
        Ok(After::Next)
    }

    /// How much text a command copies, in bytes, but for `s`.
    fn length_of_work(&self, at: usize) -> usize {
        match &self.commands[at].action {
            Action::Transliterate(_) => 80 * self.space.text.len(),
            Action::DeleteFirst | Action::Print | Action::PrintFirst | Action::Hold | Action::HoldToo => {
                self.space.text.len()
            }
            Action::Get | Action::GetToo => self.hold.text.len(),
            Action::Append(text) | Action::Insert(text) | Action::Change(text) => text.len(),
            _ => 0,
        }
    }

    /// Does what a command says; what comes after it if no other command does.
    fn carry_out(&mut self, at: usize) -> Result<Option<After>, Failure> {
        let command = &self.commands[at];
        let space = &mut self.space;
        match &command.action {
            Action::Substitute(_) => self.substitute(at)?,
            Action::Transliterate(pairs) => {
                space.text = space.text.chars().map(|c| pairs.get(&c).copied().unwrap_or(c)).collect();
            }
            Action::Delete => return Ok(Some(After::Delete)),
            Action::DeleteFirst => {
                let Some(end) = space.text.find('\n') else { return Ok(Some(After::Delete)) };
                space.text.drain(..=end);
                return Ok(Some(After::Restart));
            }
            Action::Print => self.output.line(&space.text, space.is_open),
            Action::PrintFirst => {
                let first = space.text.split('\n').next().unwrap_or_default();
                self.output.line(first, false);
            }
            Action::Number => self.output.text(&format!("{}\n", self.number)),
            Action::Next | Action::NextToo => return self.go_on(matches!(command.action, Action::NextToo)),
            Action::Hold => self.hold = space.clone(),
            Action::HoldToo => self.hold.text.push_str(&format!("\n{}", space.text)),
            Action::Get => *space = self.hold.clone(),
            Action::GetToo => space.text.push_str(&format!("\n{}", self.hold.text)),
            Action::Exchange => swap(space, &mut self.hold),
            Action::Empty => space.text.clear(),
            Action::Quit(status, writes) => return Ok(Some(After::Quit(*status, *writes))),
            Action::Append(text) => self.queue.push(text.clone()),
            Action::Insert(text) => self.output.text(text),
            Action::Change(text) => {
                if command.to.is_none() || command.until.is_none() || command.negated {
                    self.output.text(text);
                }
                return Ok(Some(After::Delete));
            }
            Action::Group(_) | Action::Branch(_) | Action::BranchIf(..) | Action::Nothing => {}
        }
        Ok(None)
    }

    /// `n` and `N`; without a next line they are the end.
    fn go_on(&mut self, behind: bool) -> Result<Option<After>, Failure> {
        if self.is_last() {
            if self.has_more_files {
                return Err("it goes on from one file to the next".to_owned());
            }
            return Ok(Some(After::Quit(0, true)));
        }
        if !behind && !self.is_quiet {
            self.output.line(&self.space.text, self.space.is_open);
        }
        self.read(behind);
        Ok(None)
    }

    fn substitute(&mut self, at: usize) -> Result<(), Failure> {
        let Action::Substitute(Substitution { expression, .. }) = &self.commands[at].action else {
            return Ok(());
        };
        let expression = self.used(expression.clone())?;
        let Action::Substitute(substitution) = &self.commands[at].action else { return Ok(()) };
        let groups = replacement::groups(&substitution.replacement);
        if groups.iter().any(|group| *group > expression.groups()) {
            return Err("its replacement has groups that its expression has not".to_owned());
        }
        let text = &self.space.text;
        let least = substitution.nth.saturating_sub(1);
        let most = if substitution.all { usize::MAX } else { 1 };
        let found = expression.find_some(text, least.saturating_add(most), &self.effort);
        let (mut result, mut end) = (String::new(), 0);
        for range in found.iter().skip(least).take(most) {
            result.push_str(&text[end..range.start]);
            let places = expression.places(text, range.start, &groups, &self.effort)?;
            replacement::replace(&substitution.replacement, text, &places, &mut result)?;
            end = range.end;
            if result.len() > LONGEST {
                return Err(TOO_MUCH.to_owned());
            }
        }
        // What was not looked for to the end is not all that there is.
        if !self.effort.spend((text.len() + result.len()) / 4) {
            return Err(TOO_MUCH.to_owned());
        }
        if found.len() <= least {
            return Ok(());
        }
        result.push_str(&text[end..]);
        self.space.text = result;
        self.has_replaced = true;
        if substitution.print {
            self.output.line(&self.space.text, self.space.is_open);
        }
        Ok(())
    }
}
