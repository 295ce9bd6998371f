//! Lines of sysusers.d(5), tmpfiles.d(5) and units: fields between blanks, quotes and backslashes as in those pages,
//! and the specifiers whose value does not depend on the machine.

/// The fields of a line, at most `count`: the last has the rest of the line as it stands. None for a comment.
pub(super) fn fields(line: &str, count: usize) -> Option<Vec<String>> {
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
        let (field, after) = word(rest);
        fields.push(field);
        rest = after.trim_start();
    }
    Some(fields)
}

/// The last field may be quoted as a whole.
fn unquoted_whole(text: &str) -> String {
    let (field, after) = word(text);
    if after.trim().is_empty() { field } else { text.to_owned() }
}

fn word(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (_, '\\') => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                Some((_, next)) => out.push(next),
                None => {}
            },
            (None, c) if c.is_whitespace() => return (out, &text[at..]),
            (_, c) => out.push(c),
        }
    }
    (out, "")
}

/// A text with its specifiers replaced; none where one says something of the machine.
pub(super) fn specify(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        out.push_str(match chars.next()? {
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
            _ => return None,
        });
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
        assert_eq!(specify("%t/x%%").as_deref(), Some("/run/x%"));
        assert_eq!(specify("%m"), None);
    }

    proptest::proptest! {
        #[test]
        fn anything_is_read(line in "[a \"'\\\\#%é\t]{0,12}", count in 1_usize..4) {
            proptest::prop_assert!(fields(&line, count).is_none_or(|fields| fields.len() <= count));
            let _ = specify(&line);
        }
    }
}
