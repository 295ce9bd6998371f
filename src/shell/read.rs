//! `read` (XCU read): a line of standard input, split at the characters of `IFS`.

use super::World;
use super::state::{Descriptor, Shell};
use super::text::{UNKNOWN, unknown};

/// A character of a line, and whether a backslash stood before it: such a one separates nothing.
type Read = (char, bool);

/// What parts a line into fields.
struct Separators(String);

impl Separators {
    fn holds(&self, (c, is_escaped): Read) -> bool {
        !is_escaped && self.0.contains(c)
    }

    fn is_blank(&self, read: Read) -> bool {
        matches!(read.0, ' ' | '\t' | '\n') && self.holds(read)
    }

    fn trimmed<'l>(&self, line: &'l [Read]) -> &'l [Read] {
        let start = line.iter().position(|read| !self.is_blank(*read)).unwrap_or(line.len());
        line.get(start..).unwrap_or_default()
    }

    fn trimmed_end<'l>(&self, line: &'l [Read]) -> &'l [Read] {
        let end = line.iter().rposition(|read| !self.is_blank(*read)).map_or(0, |last| last + 1);
        line.get(..end).unwrap_or_default()
    }

    /// The first field, and what is left behind the separator with the blanks around it.
    fn first<'l>(&self, line: &'l [Read]) -> (&'l [Read], &'l [Read]) {
        let end = line.iter().position(|read| self.holds(*read)).unwrap_or(line.len());
        let (field, rest) = line.split_at(end);
        let rest = self.trimmed(rest);
        match rest.split_first() {
            Some((separator, behind)) if self.holds(*separator) => (field, self.trimmed(behind)),
            _ => (field, rest),
        }
    }

    /// The values of so many variables; the last has all that is left, but for a separator that ends it.
    fn values(&self, line: &[Read], count: usize) -> Vec<String> {
        let text = |line: &[Read]| line.iter().map(|(c, _)| c).collect::<String>();
        let mut rest = self.trimmed(line);
        let mut values = Vec::new();
        for _ in 1..count {
            let (field, behind) = self.first(rest);
            values.push(text(field));
            rest = behind;
        }
        let (field, behind) = self.first(rest);
        values.push(text(if behind.is_empty() { field } else { self.trimmed_end(rest) }));
        values
    }
}

impl<W: World> Shell<W> {
    pub(super) fn read(&mut self, arguments: &[String]) {
        let mut raw = false;
        let mut names = Vec::new();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-r" => raw = true,
                "-p" | "-t" | "-n" | "-u" | "-d" => {
                    words.next();
                }
                flag if flag.starts_with('-') => raw |= flag.contains('r'),
                name => names.push(name.to_owned()),
            }
        }
        if names.is_empty() {
            names.push("REPLY".to_owned());
        }
        let Some((line, ended)) = self.line_of_input(raw) else {
            for name in &names {
                self.assign(name, String::new());
            }
            self.status = Some(1);
            return;
        };
        let vague = line.iter().any(|(c, _)| *c == UNKNOWN);
        let separators = Separators(self.variable("IFS").unwrap_or(" \t\n").to_owned());
        let values = if vague { vec![unknown(); names.len()] } else { separators.values(&line, names.len()) };
        for (name, value) in names.iter().zip(values) {
            self.assign(name, value);
        }
        // An unknown text may have no line at all, or many.
        self.status = if vague { None } else { Some(i32::from(!ended)) };
    }

    /// The next line of standard input, and whether it has an end; none at the end of the input.
    fn line_of_input(&mut self, raw: bool) -> Option<(Vec<Read>, bool)> {
        let Some(Descriptor::Stream(number)) = self.own.descriptors.get(&0) else { return None };
        let stream = self.streams.get_mut(*number)?;
        let (mut line, mut is_escaped, mut ended) = (Vec::new(), false, false);
        for c in stream.text.get(stream.read..).unwrap_or_default().chars() {
            stream.read += c.len_utf8();
            if is_escaped {
                is_escaped = false;
                // A line that ends so goes on.
                line.extend((c != '\n').then_some((c, true)));
            } else if c == '\\' && !raw {
                is_escaped = true;
            } else if c == '\n' {
                ended = true;
                break;
            } else {
                line.push((c, false));
            }
        }
        (ended || !line.is_empty()).then_some((line, ended))
    }
}
