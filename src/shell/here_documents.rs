//! Here-documents (XCU 2.7.4), taken out of a script before it is parsed: `cat <<EOF` and its body become a here-string
//! whose word holds the body, for the parser's tokenizer loses what else stands on such a line. Where the operators are
//! only quotes, comments, substitutions and `case` tell (XCU 2.2, 2.3, 2.4), which are read here as dash reads them.
//!
//! On the way some more is put as the parser needs it. In a substitution, the patterns of `case` get their opening
//! bracket, and comments go. `( (a) )` and `(case a in b) c;; esac)` get a `;` before the last bracket: else the one is
//! taken for arithmetic, and `esac` for a pattern. `for x in;` gets a word that stands for none. What looks like a quote or an operator in `${x:-...}` and is neither
//! becomes a mark.
//!
//! Backquotes are skipped: what stands in them is a script that is read by itself when its time comes.

use std::borrow::Cow;
use std::collections::BTreeSet;

mod commands;
mod words;

/// Begins the word of a document, after its quote; two of no text's characters (Unicode 23.7).
const EXPANDED: char = '\u{FDD0}';
const LITERAL: char = '\u{FDD1}';
/// A single quote that quotes nothing: in a document, or in `"${x:-it's}"`.
const QUOTE: char = '\u{FDD2}';
/// `<` that redirects nothing: in `${x:-<<E}`.
const LESS: char = '\u{FDD3}';
/// A word that stands for none: in `for x in;`, which the parser would take for `for x;`.
const NO_WORD: &str = "\u{FDD4}";
/// Quotes and substitutions in one another that are followed.
const DEEPEST: usize = 200;

/// Quotes and substitutions stand too deep in one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooDeep;

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
        let body = unmarked(text.strip_prefix([EXPANDED, LITERAL])?);
        Some(Document { body, is_expanded: text.starts_with(EXPANDED) })
    }

    fn word(&self) -> String {
        let kind = if self.is_expanded { EXPANDED } else { LITERAL };
        format!("'{kind}{}'", self.body.replace('\'', &QUOTE.to_string()))
    }
}

/// The script with its here-documents as words; lines behind them keep their numbers.
pub(super) fn as_words(text: &str) -> Result<Cow<'_, str>, TooDeep> {
    let mut reader = Reader::new(text);
    reader.commands(false);
    reader.finish()
}

/// The body of a document, as the parser is to have it.
pub(super) fn body(text: &str) -> Result<Cow<'_, str>, TooDeep> {
    let mut reader = Reader::new(text);
    while let Some(c) = reader.step() {
        // Double quotes quote nothing here.
        if c != '"' {
            reader.inside(c, true);
        }
    }
    reader.finish()
}

/// The plain text of a word, without marks.
pub(super) fn unmarked(text: &str) -> String {
    text.replace(QUOTE, "'").replace(LESS, "<")
}

/// A text for people, without marks.
pub(super) fn shown(text: &str) -> String {
    unmarked(text).replace([EXPANDED, LITERAL], "").replace(NO_WORD, "")
}

/// Whether a word of `for` stands for none.
pub(super) fn is_no_word(word: &str) -> bool {
    word == NO_WORD
}

/// An operator whose document is still to come.
struct Pending {
    /// Its place among the parts.
    part: usize,
    tag: String,
    is_quoted: bool,
    is_indented: bool,
    /// Lines that are joined within it.
    joined: usize,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    /// What comes from here is not among the parts yet.
    from: usize,
    parts: Vec<Cow<'t, str>>,
    pending: Vec<Pending>,
    /// Where two brackets stand that two others close next to each other.
    double: BTreeSet<usize>,
    /// Where two brackets stand behind a `$` that begin no arithmetic.
    no_arithmetic: BTreeSet<usize>,
    depth: usize,
    is_too_deep: bool,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Reader {
            text,
            at: 0,
            from: 0,
            parts: Vec::new(),
            pending: Vec::new(),
            double: double_brackets(text),
            no_arithmetic: BTreeSet::new(),
            depth: 0,
            is_too_deep: false,
        }
    }

    fn finish(mut self) -> Result<Cow<'t, str>, TooDeep> {
        if self.is_too_deep {
            return Err(TooDeep);
        }
        if self.parts.is_empty() {
            return Ok(Cow::Borrowed(self.text));
        }
        self.flush(self.text.len());
        Ok(Cow::Owned(self.parts.concat()))
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Goes on by one character.
    fn step(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Goes on behind a text, if it is next.
    fn skip(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        self.at += if is_next { text.len() } else { 0 };
        is_next
    }

    /// Goes on behind a character; to the end where there is none.
    fn skip_behind(&mut self, c: char) {
        self.at += self.rest().find(c).map_or(self.rest().len(), |at| at + c.len_utf8());
    }

    /// Goes on behind the ends of lines that are joined (XCU 2.2.1).
    fn skip_joined(&mut self) {
        while self.skip("\\\n") {}
    }

    fn skip_blanks(&mut self) {
        while [" ", "\t", "\\\n"].iter().any(|blank| self.skip(blank)) {}
    }

    /// Takes over what is read, up to a place.
    fn flush(&mut self, to: usize) {
        self.parts.push(Cow::Borrowed(&self.text[self.from..to]));
        self.from = to;
    }

    /// Takes over what is read but for the text from a place on, in the place of which comes another.
    fn replace(&mut self, start: usize, by: impl Into<Cow<'t, str>>) {
        self.flush(start);
        self.parts.push(by.into());
        self.from = self.at;
    }

    /// Reads what is nested, unless that is too deep: then nothing more is read.
    fn nested(&mut self, read: impl FnOnce(&mut Self)) {
        self.depth += 1;
        self.is_too_deep |= self.depth == DEEPEST;
        if self.is_too_deep {
            self.at = self.text.len();
        } else {
            read(self);
        }
        self.depth -= 1;
    }

    /// `<<` from a place on, with its tag; the characters of the operator are read.
    fn here_document(&mut self, start: usize) {
        let is_indented = self.skip("-");
        self.skip_blanks();
        let Some((tag, is_quoted)) = self.tag() else { return };
        let joined = self.text[start..self.at].matches('\n').count();
        self.replace(start, "<<<");
        self.pending.push(Pending { part: self.parts.len(), tag, is_quoted, is_indented, joined });
        // A document that never comes is empty, as in dash.
        self.parts.push(Cow::Owned(Document { body: String::new(), is_expanded: false }.word()));
    }

    /// The word that ends a document, and whether it is quoted.
    fn tag(&mut self) -> Option<(String, bool)> {
        let (start, mut tag, mut is_quoted) = (self.at, String::new(), false);
        while let Some(c) = self.peek().filter(|c| !words::ends_word(*c)) {
            self.step();
            if c == '\\' && self.skip("\n") {
                continue;
            }
            match c {
                '\\' => tag.extend(self.step()),
                '\'' | '"' => {
                    let start = self.at;
                    self.overlooked(|reader| reader.inside(c, false));
                    let quoted = &self.text[start..self.at];
                    let quoted = quoted.strip_suffix(c).unwrap_or(quoted);
                    tag.push_str(&if c == '"' { unescaped(quoted) } else { quoted.to_owned() });
                }
                c => tag.push(c),
            }
            is_quoted |= matches!(c, '\\' | '\'' | '"');
        }
        (self.at > start).then_some((tag, is_quoted))
    }

    /// The documents of the line that has just ended. One that does not end has all that is left, as in dash.
    fn read_bodies(&mut self) {
        for pending in std::mem::take(&mut self.pending) {
            self.flush(self.at);
            let start = self.at;
            let body = self.read_body(&pending);
            // The line of the tag, and those that are joined; the others are in the word.
            let lines = self.text[start..self.at].matches('\n').count() + pending.joined;
            let newlines = "\n".repeat(lines.saturating_sub(body.matches('\n').count()));
            let document = Document { body, is_expanded: !pending.is_quoted };
            self.parts[pending.part] = Cow::Owned(document.word());
            self.parts.push(Cow::Owned(newlines));
            self.from = self.at;
        }
    }

    /// Up to and with the line of the tag, which stands in no substitution.
    fn read_body(&mut self, pending: &Pending) -> String {
        let mut body = String::new();
        while self.at < self.text.len() {
            if !pending.is_quoted {
                self.skip_joined();
            }
            while pending.is_indented && self.skip("\t") {}
            let line = self.rest().split_inclusive('\n').next().unwrap_or_default();
            if line.strip_suffix('\n').unwrap_or(line) == pending.tag {
                self.at += line.len();
                break;
            }
            if pending.is_quoted {
                self.at += line.len();
                body.push_str(line);
            } else {
                self.read_line(&mut body);
            }
        }
        body
    }

    /// A line of a body that is expanded, with those that are joined to it and those of its substitutions.
    fn read_line(&mut self, body: &mut String) {
        let mut start = self.at;
        while let Some(c) = self.step() {
            match c {
                '\\' if self.skip("\n") => {
                    body.push_str(&self.text[start..self.at - 2]);
                    start = self.at;
                }
                '$' if self.rest().starts_with('(') => self.overlooked(|reader| reader.inside(c, true)),
                '\\' | '`' => self.inside(c, true),
                '\n' => break,
                _ => {}
            }
        }
        body.push_str(&self.text[start..self.at]);
    }

    /// Reads without taking anything out.
    fn overlooked(&mut self, read: impl FnOnce(&mut Self)) {
        let (from, parts) = (self.from, self.parts.len());
        read(self);
        self.parts.truncate(parts);
        self.from = from;
    }
}

/// What stands in double quotes, without escapes (XCU 2.2.3).
fn unescaped(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let escaped = after.chars().next().filter(|c| matches!(c, '$' | '`' | '"' | '\\' | '\n'));
        plain.extend(escaped.or(Some('\\')).filter(|c| *c != '\n'));
        rest = &after[escaped.map_or(0, char::len_utf8)..];
    }
    plain + rest
}

/// Where two opening brackets stand that two closing ones next to each other close.
fn double_brackets(text: &str) -> BTreeSet<usize> {
    let (mut found, mut open, mut last) = (BTreeSet::new(), Vec::new(), (usize::MAX, 0));
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => open.push(at),
            b')' => {
                let Some(start) = open.pop() else { continue };
                // The brackets before closed what begins next to these.
                if last == (start + 1, at.wrapping_sub(1)) {
                    found.insert(start);
                }
                last = (start, at);
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The script with words of documents as `{body}` or `'body'`.
    fn shown(text: &str) -> String {
        let words = as_words(text).unwrap();
        words
            .replace(&format!("'{EXPANDED}"), "{")
            .replace(&format!("'{LITERAL}"), "[")
            .replace(QUOTE, "\"")
            .replace(LESS, "-")
    }

    #[test]
    fn documents_become_words() {
        for (text, expected) in [
            ("cat <<EOF > \"${x}\"\na\nb\nEOF\nc\n", "cat <<<{a\nb\n' > \"${x}\"\n\nc\n"),
            ("cat <<-'E F' | tee $(x)\n\ta'b\n\tE F\n", "cat <<<[a\"b\n' | tee $(x)\n\n"),
            ("a <<A <<\\B; c\n1\nA\n2\nB\nd", "a <<<{1\n' <<<[2\n'; c\n\n\nd"),
            ("cat <<E \\\n> x # no <<F\n1\nE\n", "cat <<<{1\n' \\\n> x # no <<F\n\n"),
            ("x=\"$(cat <<E\n\"1\nE\n)\" y\n", "x=\"$(cat <<<{\"1\n'\n\n)\" y\n"),
            ("x=$(case a in (a) cat <<E;; esac\n1\nE\n)\n", "x=$(case a in (a) cat <<<{1\n';; esac\n\n)\n"),
            ("cat <<E\nnever", "cat <<<{never'\n"),
            ("echo \"x <<E ${y:-'<<F'}\" '<<G' \\<<E\n", "echo \"x <<E ${y:-\"--F\"}\" '<<G' \\<<E\n"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    /// What stands before a document and may hide it, or seem to begin one.
    #[test]
    fn operators_are_found_where_they_are() {
        for before in [
            // A pattern has quotes of its own in double quotes, another word has not.
            "v=\"${v#'\"'}${v%%'`'}\"",
            "v=\"${v:-'} ${v+\"'\"} ${v-$(echo ')')}\"",
            "v=${#v}${#}${##'\"'}${v-'}'}$#$$",
            "echo ${v:-<<F}",
            // Comments.
            "echo a \\\n# it's b",
            "echo a#'\n#'",
            "(true)# it's",
            // Words that are no keywords where they stand.
            "x=\"$(case_of foo)\"",
            "x=\"$(case-fold)\"",
            "x=$(echo then case)",
            "x=$(for case in a; do echo $case; done)",
            "x=$(case case in (case) echo case;; (esac) echo ')';; esac)",
            "x=$(case a in (a) { true; } esac)",
            "x=$(ca\\\nse a in (a) true;; esac)",
            "x=(case)",
            // Brackets of arithmetic and others.
            "x=$((1<<2)) y=$((x<<y)) z=$(( $(echo '<<E' ')') << 1 ))",
            "((x<<2))",
            "x=$( (true); (case a in (a) true;; esac) )",
            "f() { (true) ; }",
            // What backquotes hold is read when its time comes.
            "x=`cat <<F\nit's $(\nF\n`",
            "x=$'it\\'s'",
        ] {
            let text = format!("{before}; cat <<E\nit's\nE\n");
            let text = if before.contains('#') { text.replace("; cat", "\ncat") } else { text };
            let words = as_words(&text).unwrap();
            let found = words.split("<<<").nth(1).and_then(|word| Document::of(word.trim_end()));
            assert_eq!(found.map(|document| document.body).as_deref(), Some("it's\n"), "{text}: {words}");
            assert_eq!(words.matches("<<<").count(), 1, "{text}: {words}");
        }
    }

    #[test]
    fn words_end_where_the_shell_has_them_end() {
        for (text, expected) in [
            // Neither a carriage return nor other white space ends a word.
            ("cat <<E\r\nE\nE\r\n", "cat <<<{E\n'\n\n"),
            ("cat <<E\u{b}\u{a0}\nE\u{b}\u{a0}\nx", "cat <<<{'\n\nx"),
            // Lines are joined first of all.
            ("cat <\\\n<\\\n- \\\nE\\\nF\n\t1\n\tEF\nx", "cat <<<{1\n'\n\n\n\n\n\nx"),
            ("cat <<E\n\\\n\\\nE\nx", "cat <<<{'\n\n\n\nx"),
            ("cat <<\"E\\\nF\\\"\"\n1\nEF\"\nx", "cat <<<[1\n'\n\n\nx"),
            // A substitution has documents of its own, and one in a body may hold the line of the tag.
            ("cat <<E $(true\n) x\n1\nE\n", "cat <<<{1\n' $(true\n) x\n\n"),
            ("cat <<E $(cat <<F) x\n1\nE\n", "cat <<<{1\n' $(cat <<<[') x\n\n"),
            ("cat <<E\n$(\nE\n`\nE\n`)\nE\n", "cat <<<{$(\nE\n`\nE\n`)\n'\n\n"),
            // The parser's tokenizer would take these for something else.
            ("x=$(a  # it's (\n)\n( (a) ) ; ((a))\n", "x=$(a  \n)\n( (a) ;) ; ((a))\n"),
            ("$(case a in a|b) x;; @(c|d)) y;; esac)\n", "$(case a in (a|b) x;; (@(c|d)) y;; esac)\n"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
            // What is read again stays as it is.
            let words = as_words(text).unwrap();
            assert_eq!(as_words(&words).unwrap(), words);
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
            "`# <<E`\n",
            "a#b $#<<\n",
            "case a in a) x;; esac\n",
            "x=`cat <<E\n1\nE\n`\n",
        ] {
            assert_eq!(as_words(same).unwrap(), same);
        }
        assert_eq!(as_words(&format!("{}<<E\n", "$(".repeat(DEEPEST))), Err(TooDeep));
    }

    #[test]
    fn time_grows_with_length_alone() {
        for one in ["(", "((", "$((", "|", "&", ")", "`", "${", "$(", "\"", "<<E\n", "case ", "a\\\n", "'"] {
            let text = format!("cat <<E\nE\n{}", one.repeat(200_000));
            let start = std::time::Instant::now();
            let _ = as_words(&text);
            assert!(start.elapsed().as_secs() < 10, "{one}");
        }
    }

    #[test]
    fn documents_are_found_again() {
        let found = |text: &str| Document::of(as_words(text).unwrap().split("<<<").nth(1)?.trim_end());
        let document = |body: &str, is_expanded| Some(Document { body: body.to_owned(), is_expanded });
        assert_eq!(found("cat <<E\n'a'\nE\n"), document("'a'\n", true));
        assert_eq!(found("cat <<\"E\"\n'\nE\n"), document("'\n", false));
        assert_eq!(found("cat <<< 'a'\n"), None);
    }
}
