//! Control paragraphs: the text of `Packages`, `Release` and `control` files (Debian Policy 5.1).
//!
//! Nothing is copied: paragraphs and values are slices of the text. A value keeps its continuation lines
//! as they stand; [`lines`] splits them. Left out: signatures around the text, and the order and number of
//! fields, which each kind of file rules for itself.

/// The paragraphs of a text, in order. Blank lines part them, however many; a text without any field has
/// none. Junk is passed over: a reader asks for the fields it needs and complains of those.
pub fn paragraphs(text: &str) -> Paragraphs<'_> {
    Paragraphs { text, at: 0 }
}

/// The iterator that [`paragraphs`] returns.
#[derive(Clone, Debug)]
pub struct Paragraphs<'a> {
    text: &'a str,
    at: usize,
}

/// One block of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paragraph<'a> {
    text: &'a str,
    start: usize,
}

impl<'a> Iterator for Paragraphs<'a> {
    type Item = Paragraph<'a>;

    fn next(&mut self) -> Option<Paragraph<'a>> {
        self.next_with(|_| ())
    }
}

impl<'a> Paragraphs<'a> {
    /// As [`Iterator::next`], with the paragraph's [`Paragraph::fields`] added to `fields`: the text is gone through
    /// once.
    pub fn next_with_fields(&mut self, fields: &mut Vec<(&'a str, &'a str)>) -> Option<Paragraph<'a>> {
        self.next_with(|these| fields.extend(these))
    }

    fn next_with(&mut self, read: impl FnOnce(&mut Fields<'a>)) -> Option<Paragraph<'a>> {
        let bytes = self.text.as_bytes();
        while self.at < bytes.len() && is_blank(line_at(bytes, self.at)) {
            self.at += line_at(bytes, self.at).len();
        }
        let start = self.at;
        let mut fields = Fields { text: self.text, at: start };
        read(&mut fields);
        fields.by_ref().for_each(drop);
        self.at = fields.at;
        (start < self.at).then(|| Paragraph { text: &self.text[start..self.at], start })
    }
}

impl<'a> Paragraph<'a> {
    /// The paragraph as it stands in the text.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Where it starts in the text that [`paragraphs`] was given, in bytes.
    pub fn start(&self) -> usize {
        self.start
    }

    /// The value of a field, by its name in any case; the first where it stands twice. Without white space
    /// around it, with its continuation lines.
    pub fn field(&self, name: &str) -> Option<&'a str> {
        self.fields().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every field's name and value, in order. Comment lines and lines without a colon are passed over.
    pub fn fields(&self) -> Fields<'a> {
        Fields { text: self.text, at: 0 }
    }
}

/// The iterator that [`Paragraph::fields`] returns. It ends at a blank line.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        while self.at < bytes.len() {
            let start = self.at;
            let line = line_at(bytes, start);
            // Hardly any line starts with white space, so the few that do may take longer.
            if line[0].is_ascii_whitespace() && is_blank(line) {
                return None;
            }
            self.at += line.len();
            while matches!(bytes.get(self.at), Some(b' ' | b'\t')) {
                let more = line_at(bytes, self.at);
                if is_blank(more) {
                    break;
                }
                self.at += more.len();
            }
            if matches!(line[0], b'#' | b' ' | b'\t') {
                continue;
            }
            if let Some(colon) = line.iter().position(|byte| *byte == b':') {
                let (name, value) =
                    (&self.text[start..start + colon], &self.text[start + colon + 1..self.at]);
                return Some((name.trim_ascii_end(), value.trim_ascii()));
            }
        }
        None
    }
}

/// The lines of a folded or multi-line value, each without white space around it; empty ones included,
/// except a first line that is empty because the value starts on the next.
pub fn lines(value: &str) -> impl Iterator<Item = &str> {
    value.lines().map(str::trim_ascii)
}

/// The line that starts at `at`, with its end.
fn line_at(bytes: &[u8], at: usize) -> &[u8] {
    let rest = &bytes[at..];
    memchr::memchr(b'\n', rest).map_or(rest, |newline| &rest[..=newline])
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paragraphs_and_folded_values() {
        let text = "\n\nPackage: a\nDepends: b,\n c (>= 1)\n# remark\nDescription:\n first\n .\n last\n \nPackage : z\r\n\n";
        let all: Vec<_> = paragraphs(text).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].start(), 2);
        assert_eq!(all[0].field("PACKAGE"), Some("a"));
        assert_eq!(all[0].field("depends"), Some("b,\n c (>= 1)"));
        let description = all[0].field("Description").unwrap();
        assert_eq!(lines(description).collect::<Vec<_>>(), ["first", ".", "last"]);
        assert_eq!(all[0].field("remark"), None);
        assert_eq!(all[1].fields().collect::<Vec<_>>(), [("Package", "z")]);
        assert_eq!(paragraphs(" \n\t\n").count(), 0);
    }

    #[test]
    fn last_line_without_an_end() {
        let paragraph = paragraphs("A: 1\nB: 2").next().unwrap();
        assert_eq!(paragraph.field("b"), Some("2"));
    }

    proptest! {
        #[test]
        fn anything_is_read_without_panic(text in "([A-C#: \t\r\né]|\n\n){0,60}") {
            for paragraph in paragraphs(&text) {
                prop_assert!(text[paragraph.start()..].starts_with(paragraph.text()));
                prop_assert!(!paragraph.text().trim().is_empty());
                for (name, value) in paragraph.fields() {
                    prop_assert!(!name.contains('\n') && value == value.trim_ascii());
                }
            }
        }

        #[test]
        fn paragraphs_are_parted_by_blank_lines(text in "([A-C#: \t\r\né]|\n\n){0,60}") {
            let blank = |line: &&str| line.trim_ascii().is_empty();
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let parts = lines.split(|line| blank(line)).filter(|part| !part.is_empty()).map(<[&str]>::concat);
            let found: Vec<&str> = paragraphs(&text).map(|paragraph| paragraph.text()).collect();
            prop_assert_eq!(found, parts.collect::<Vec<_>>());
        }

        #[test]
        fn fields_are_the_same_read_on_the_way(text in "([A-C#: \t\r\né]|\n\n){0,60}") {
            let mut all = paragraphs(&text);
            let mut fields = Vec::new();
            while let Some(paragraph) = all.next_with_fields(&mut fields) {
                prop_assert_eq!(paragraph.fields().collect::<Vec<_>>(), std::mem::take(&mut fields));
            }
            prop_assert!(fields.is_empty());
        }

        #[test]
        fn written_fields_read_back(values in prop::collection::vec("[a-z]{1,5}(\n [a-z]{1,5}){0,3}", 1..6)) {
            let text: Vec<String> = values.iter().enumerate().map(|(n, value)| format!("F{n}: {value}\n")).collect();
            let text = text.concat();
            let read: Vec<_> = paragraphs(&text).flat_map(|paragraph| paragraph.fields()).map(|(_, value)| value).collect();
            prop_assert_eq!(read, values);
        }
    }
}
