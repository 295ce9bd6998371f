//! Lines of sysusers.d(5), tmpfiles.d(5) and units: fields between blanks, quotes and backslashes as in those pages,
//! and the specifiers whose value does not depend on the machine.

/// The fields of a line, at most `count`: the last has the rest of the line as it stands. None for a comment, and where
/// a quote stays open.
pub(crate) fn fields(line: &str, count: usize) -> Option<Vec<String>> {
    let mut rest = line.trim();
    if rest.is_empty() || rest.starts_with(['#', ';']) {
        return None;
    }
    let mut fields = Vec::new();
    while !rest.is_empty() {
        if fields.len() + 1 == count {
            fields.push(unquoted_whole(rest));
            break;
        }
        let (field, after) = word(rest)?;
        fields.push(field);
        rest = after.trim_start();
    }
    Some(fields)
}

/// The last field may be quoted as a whole.
fn unquoted_whole(text: &str) -> String {
    let whole = word(text).filter(|(_, after)| after.trim().is_empty());
    whole.map_or_else(|| text.to_owned(), |(field, _)| field)
}

/// The word that a text begins with, and what follows it: without its quotes, and with what escapes stand for. What is
/// no escape stays as it is. None where a quote stays open.
pub(crate) fn word(text: &str) -> Option<(String, &str)> {
    let mut out = Vec::new();
    let mut quote = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c.is_whitespace() => break,
            _ if c == '\\' => {
                let (meant, all) = escape(rest);
                out.extend(meant);
                length = all;
            }
            _ => out.extend(rest[..length].bytes()),
        }
        rest = &rest[length..];
    }
    quote.is_none().then(|| (String::from_utf8_lossy(&out).into_owned(), rest))
}

/// What the escapes of one letter stand for.
const LETTERS: [(char, u8); 11] = [
    ('a', 0x07),
    ('b', 0x08),
    ('f', 0x0c),
    ('n', b'\n'),
    ('r', b'\r'),
    ('t', b'\t'),
    ('v', 0x0b),
    ('s', b' '),
    ('\\', b'\\'),
    ('"', b'"'),
    ('\'', b'\''),
];

/// What an escape stands for, and its length with the backslash. What is none stands for itself.
fn escape(text: &str) -> (Vec<u8>, usize) {
    let behind = &text[1..];
    if let Some((bytes, length)) = meaning(behind) {
        return (bytes, 1 + length);
    }
    let length = 1 + behind.chars().next().map_or(0, char::len_utf8);
    (text[..length].into(), length)
}

/// What is meant by what follows a backslash, and how long that is.
fn meaning(text: &str) -> Option<(Vec<u8>, usize)> {
    let kind = text.chars().next()?;
    if let Some((_, byte)) = LETTERS.iter().find(|(letter, _)| *letter == kind) {
        return Some((vec![*byte], 1));
    }
    let (digits, radix) = match kind {
        'x' => (1..3, 16),
        'u' => (1..5, 16),
        'U' => (1..9, 16),
        '0'..='7' => (0..3, 8),
        _ => return None,
    };
    let length = digits.end;
    let digits = text.get(digits).filter(|digits| digits.chars().all(|digit| digit.is_digit(radix)))?;
    let number = u32::from_str_radix(digits, radix).ok().filter(|number| *number != 0)?;
    let bytes = match kind {
        'u' | 'U' => char::from_u32(number)?.to_string().into_bytes(),
        _ => vec![u8::try_from(number).ok()?],
    };
    Some((bytes, length))
}

/// A text with its specifiers replaced; none where one says something of the machine.
pub(crate) fn specify(text: &str) -> Option<String> {
    specify_with(text, |_| None)
}

/// As [`specify`], where some specifiers stand for something only here.
pub(crate) fn specify_with(text: &str, own: impl Fn(char) -> Option<String>) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let letter = chars.next()?;
        let common = match letter {
            '%' => "%",
            't' => "/run",
            'S' => "/var/lib",
            'C' => "/var/cache",
            'L' => "/var/log",
            'T' => "/tmp",
            'V' => "/var/tmp",
            'h' => "/root",
            'u' | 'g' => "root",
            'U' | 'G' => "0",
            _ => {
                out.push_str(&own(letter)?);
                continue;
            }
        };
        out.push_str(common);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_the_rest() {
        assert_eq!(fields(" # u a\n", 3), None);
        assert_eq!(
            fields("u  redis - \"Redis  server\" /var/lib/redis", 6).unwrap(),
            ["u", "redis", "-", "Redis  server", "/var/lib/redis"]
        );
        assert_eq!(fields("f /a 0644 - - - one two\\n", 7).unwrap()[6], "one two\\n");
        assert_eq!(fields("f /a 0644 - - - one\\ntwo", 7).unwrap()[6], "one\ntwo");
        assert_eq!(fields("f /a 0644 - - - it's", 7).unwrap()[6], "it's");
        assert_eq!(fields("d '/a b", 7), None);
        assert_eq!(specify("%t/x%%").as_deref(), Some("/run/x%"));
        assert_eq!(specify("%m"), None);
    }

    #[test]
    fn escapes_stand_for_what_systemd_syntax_says() {
        for (text, is) in [
            (r"a\x20b\040c\sd rest", "a b c d"),
            (r#""a \" b"c'd'\\ rest"#, r#"a " bcd\"#),
            (r"\u00e9\xc3\xa9\U0001f980", "éé🦀"),
            (r"\q\x2\x+f\400\000\x00\ud800", r"\q\x2\x+f\400\000\x00\ud800"),
            (r"a\ b\", r"a\ b\"),
        ] {
            let (found, rest) = word(text).unwrap();
            assert_eq!(
                (found.as_str(), rest.trim_start()),
                (is, if text.ends_with("rest") { "rest" } else { "" })
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn anything_is_read(line in "[ax0 \"'\\\\#%é\t]{0,12}", count in 1_usize..4) {
            proptest::prop_assert!(fields(&line, count).is_none_or(|fields| fields.len() <= count));
            let _ = specify(&line);
        }
    }
}
