//! Here-documents (XCU 2.7.4), taken out of a script before it is parsed: `cat <<EOF` and its body become a here-string
//! whose word holds the body, for the parser's tokenizer loses what else stands on such a line. Where the operators are
//! only quotes, comments and substitutions tell (XCU 2.2, 2.3).

use std::borrow::Cow;

/// Begins the word of a document, after its quote; two of no text's characters (Unicode 23.7).
const EXPANDED: char = '\u{FDD0}';
const LITERAL: char = '\u{FDD1}';
/// A quote in it.
const QUOTE: char = '\u{FDD2}';
/// Substitutions in one another that are followed; a text with more is left as it is.
const DEEPEST: usize = 200;
/// The longest arithmetic expansion, in bytes.
const LONGEST_ARITHMETIC: usize = 1 << 12;
/// Words after which a command may begin.
const RESERVED: [&str; 9] = ["then", "do", "else", "elif", "if", "while", "until", "!", "{"];

/// The text of a here-document, as the script has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shell) struct Document {
    pub(in crate::shell) body: String,
    /// It has parameters and substitutions.
    pub(in crate::shell) is_expanded: bool,
}

impl Document {
    /// The document that a here-string's word stands for; none where it is the script's own.
    pub(in crate::shell) fn of(word: &str) -> Option<Self> {
        let text = word.strip_prefix('\'')?.strip_suffix('\'')?;
        let body = text.strip_prefix([EXPANDED, LITERAL])?.replace(QUOTE, "'");
        Some(Document { body, is_expanded: text.starts_with(EXPANDED) })
    }

    fn word(&self) -> String {
        let kind = if self.is_expanded { EXPANDED } else { LITERAL };
        format!("'{kind}{}'", self.body.replace('\'', &QUOTE.to_string()))
    }
}

/// The script with its here-documents as words; lines behind them keep their numbers.
pub(super) fn as_words(text: &str) -> Cow<'_, str> {
    if !text.contains("<<") {
        return Cow::Borrowed(text);
    }
    let mut reader = Reader {
        text,
        at: 0,
        from: 0,
        parts: Vec::new(),
        pending: Vec::new(),
        depth: 0,
        is_lost: false,
        end: text.len(),
    };
    reader.code(Until::End);
    if reader.is_lost || reader.parts.is_empty() {
        return Cow::Borrowed(text);
    }
    reader.read_bodies();
    reader.flush();
    Cow::Owned(reader.parts.concat())
}

/// What ends the commands that are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    End,
    Parenthesis,
    Backquote,
}

/// An operator whose document is still to come.
struct Pending {
    /// Its place among the parts.
    part: usize,
    tag: String,
    is_quoted: bool,
    is_indented: bool,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    /// What comes from here is not among the parts yet.
    from: usize,
    parts: Vec<Cow<'t, str>>,
    pending: Vec<Pending>,
    depth: usize,
    /// It is nested too deeply.
    is_lost: bool,
    /// Documents end here at the latest: with the backquotes around them.
    end: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Goes on by one character.
    fn step(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn flush(&mut self) {
        self.parts.push(Cow::Borrowed(&self.text[self.from..self.at]));
        self.from = self.at;
    }

    /// Reads what is nested, unless that is too deep.
    fn nested(&mut self, read: impl FnOnce(&mut Self)) {
        self.depth += 1;
        self.is_lost |= self.depth == DEEPEST;
        if !self.is_lost {
            read(self);
        }
        self.depth -= 1;
    }

    /// Commands, up to and with what ends them.
    fn code(&mut self, until: Until) {
        let (mut open, mut cases) = (0_usize, 0_usize);
        let (mut starts_word, mut starts_command) = (true, true);
        while !self.is_lost {
            if starts_word && starts_command {
                let word = self.rest().split(|c: char| !c.is_ascii_alphabetic() && !matches!(c, '!' | '{'));
                match word.into_iter().next().unwrap_or_default() {
                    "case" => cases += 1,
                    "esac" => cases = cases.saturating_sub(1),
                    _ => {}
                }
            }
            let before = self.at;
            let Some(c) = self.step() else { return };
            match c {
                '`' if until == Until::Backquote => return,
                ')' if open == 0 && cases == 0 && until == Until::Parenthesis => return,
                '#' if starts_word => self.comment(until),
                '(' if self.rest().starts_with('(') => match self.arithmetic_end(self.at + 1) {
                    Some(end) => self.at = end,
                    None => open += 1,
                },
                '(' => open += 1,
                ')' => open = open.saturating_sub(1),
                '\n' => self.read_bodies(),
                '<' if self.rest().starts_with("<<") => self.at += 2,
                '<' if self.rest().starts_with('<') => self.operator(before),
                _ => self.inside(c, false),
            }
            let is_separator = matches!(c, '\n' | ';' | '&' | '|' | '(' | ')');
            if c.is_whitespace() || is_separator {
                let word = self.text[..before].rsplit(|c: char| c.is_whitespace() || c == ';').next();
                let is_blank = matches!(c, ' ' | '\t');
                starts_command = is_separator
                    || is_blank
                        && (starts_word && starts_command
                            || word.is_some_and(|word| RESERVED.contains(&word)));
                starts_word = true;
            } else {
                starts_word = matches!(c, '<' | '>');
                starts_command = false;
            }
        }
    }

    /// What begins with a character that may quote or substitute, outside of double quotes or within.
    fn inside(&mut self, c: char, is_quoted: bool) {
        match c {
            '\\' => _ = self.step(),
            '\'' if !is_quoted => self.at += self.rest().find('\'').map_or(self.rest().len(), |end| end + 1),
            '"' => self.nested(|reader| reader.quoted('"', true)),
            '`' => self.backquoted(),
            '$' if self.rest().starts_with("((") && self.arithmetic_end(self.at + 2).is_some() => {
                self.at = self.arithmetic_end(self.at + 2).unwrap_or(self.at);
            }
            '$' if self.rest().starts_with('(') => {
                self.at += 1;
                self.nested(|reader| reader.code(Until::Parenthesis));
            }
            '$' if self.rest().starts_with('{') => {
                self.at += 1;
                self.nested(|reader| reader.quoted('}', is_quoted));
            }
            '$' if self.rest().starts_with(['#', '$']) => self.at += 1,
            _ => {}
        }
    }

    fn backquoted(&mut self) {
        let mut is_escaped = false;
        let ends = |c: char| {
            let is_end = c == '`' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            is_end
        };
        let around = self.end;
        self.end = self.rest().find(ends).map_or(around, |end| around.min(self.at + end));
        self.nested(|reader| reader.code(Until::Backquote));
        self.end = around;
    }

    /// Up to and with the character that ends double quotes or the braces of a parameter.
    fn quoted(&mut self, end: char, is_quoted: bool) {
        while !self.is_lost {
            match self.step() {
                None => return,
                Some(c) if c == end => return,
                Some(c) => self.inside(c, is_quoted),
            }
        }
    }

    fn comment(&mut self, until: Until) {
        let is_end = |c: char| c == '\n' || c == '`' && until == Until::Backquote;
        self.at += self.rest().find(is_end).unwrap_or(self.rest().len());
    }

    /// Where an arithmetic expansion ends whose first two brackets end at a place; none where it is none.
    fn arithmetic_end(&self, from: usize) -> Option<usize> {
        let mut open = 0_usize;
        for (at, byte) in self.text.bytes().enumerate().skip(from).take(LONGEST_ARITHMETIC) {
            match byte {
                b'(' => open += 1,
                b')' if open == 0 => return self.text[at..].starts_with("))").then_some(at + 2),
                b')' => open -= 1,
                _ => {}
            }
        }
        None
    }

    /// `<<` with its tag, of which the first character is read.
    fn operator(&mut self, before: usize) {
        self.at += 1;
        let is_indented = self.rest().starts_with('-');
        self.at += usize::from(is_indented);
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
        let (start, mut tag, mut is_quoted) = (self.at, String::new(), false);
        while let Some(c) =
            self.rest().chars().next().filter(|c| !c.is_whitespace() && !";&|<>()`".contains(*c))
        {
            self.at += c.len_utf8();
            match c {
                '\\' => {
                    is_quoted = true;
                    tag.extend(self.step());
                }
                '\'' | '"' => {
                    is_quoted = true;
                    let end = self.rest().find(c).unwrap_or(self.rest().len());
                    tag.push_str(&self.rest()[..end]);
                    self.at = (self.at + end + 1).min(self.text.len());
                }
                c => tag.push(c),
            }
        }
        if self.at == start {
            return;
        }
        self.parts.push(Cow::Borrowed(&self.text[self.from..before]));
        self.pending.push(Pending { part: self.parts.len() + 1, tag, is_quoted, is_indented });
        self.parts.extend([Cow::Borrowed("<<<"), Cow::Borrowed("")]);
        self.from = self.at;
    }

    /// The documents of the line that has just ended. One that does not end has all that is left, as in dash.
    fn read_bodies(&mut self) {
        for Pending { part, tag, is_quoted, is_indented } in std::mem::take(&mut self.pending) {
            self.flush();
            // The line of the tag, and those that are joined; the others are in the word.
            let (mut body, mut newlines, mut is_joined) = (String::new(), 0, false);
            let rest = self.text.get(self.at..self.end).unwrap_or_default();
            for line in rest.split_inclusive('\n') {
                self.at += line.len();
                let line = if is_indented && !is_joined { line.trim_start_matches('\t') } else { line };
                if !is_joined && line.trim_end_matches('\n') == tag {
                    newlines += usize::from(line.ends_with('\n'));
                    break;
                }
                let joined = line.strip_suffix("\\\n").filter(|line| !is_quoted && !ends_in_escape(line));
                body.push_str(joined.unwrap_or(line));
                is_joined = joined.is_some();
                newlines += usize::from(is_joined);
            }
            self.parts[part] = Cow::Owned(Document { body, is_expanded: !is_quoted }.word());
            self.parts.push(Cow::Owned("\n".repeat(newlines)));
            self.from = self.at;
        }
    }
}

/// Whether a character behind the text would be escaped.
fn ends_in_escape(text: &str) -> bool {
    text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The script with words of documents as `{body}` or `'body'`.
    fn shown(text: &str) -> String {
        let words = as_words(text);
        words.replace(&format!("'{EXPANDED}"), "{").replace(&format!("'{LITERAL}"), "[").replace(QUOTE, "\"")
    }

    #[test]
    fn documents_become_words() {
        for (text, expected) in [
            ("cat <<EOF > \"${x}\"\na\nb\nEOF\nc\n", "cat <<<{a\nb\n' > \"${x}\"\n\nc\n"),
            ("cat <<-'E F' | tee $(x)\n\ta'b\n\tE F\n", "cat <<<[a\"b\n' | tee $(x)\n\n"),
            ("a <<A <<\\B; c\n1\nA\n2\nB\nd", "a <<<{1\n' <<<[2\n'; c\n\n\nd"),
            ("cat <<E \\\n> x # no <<F\n1\nE\n", "cat <<<{1\n' \\\n> x # no <<F\n\n"),
            ("x=\"$(cat <<E\n\"1\nE\n)\" y\n", "x=\"$(cat <<<{\"1\n'\n\n)\" y\n"),
            ("x=`cat <<E\n1\nE\n` y\n", "x=`cat <<<{1\n'\n\n` y\n"),
            ("x=$(case a in a) cat <<E;; esac)\n1\nE\n", "x=$(case a in a) cat <<<{1\n';; esac)\n\n"),
            ("cat <<E\nnever", "cat <<<{never'\n"),
            ("x=\"`cat <<E\n1\nE` y\" z\nE\n", "x=\"`cat <<<{1\n'\n` y\" z\nE\n"),
            ("#cat <<E\n#E\ncat <<E\nE\n", "#cat <<E\n#E\ncat <<<{'\n\n"),
            ("echo \"x <<E ${y:-'<<F'}\" '<<G' \\<<E\n", "echo \"x <<E ${y:-'<<F'}\" '<<G' \\<<E\n"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_document_stays() {
        for same in [
            "a $((1<<2)) $((x<<y))\n",
            "((x<<2))\n",
            "a <<< b\n",
            "cat <<",
            "cat << \n",
            "${a#<<E}`# <<E`\n",
            "a#b $#<<\n",
        ] {
            assert_eq!(as_words(same), same);
        }
        let deep = format!("{}<<E\n", "$(".repeat(DEEPEST));
        assert_eq!(as_words(&deep), deep);
    }

    #[test]
    fn documents_are_found_again() {
        let found = |text: &str| Document::of(as_words(text).split("<<<").nth(1)?.trim_end());
        let document = |body: &str, is_expanded| Some(Document { body: body.to_owned(), is_expanded });
        assert_eq!(found("cat <<E\n'a'\nE\n"), document("'a'\n", true));
        assert_eq!(found("cat <<\"E\"\n'\nE\n"), document("'\n", false));
        assert_eq!(found("cat <<< 'a'\n"), None);
    }
}
