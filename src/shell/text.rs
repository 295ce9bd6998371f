//! Texts that may be unknown in part, and bytes that are no UTF-8.
//!
//! Within the evaluator a text is a `String`. Two kinds of characters that Unicode never assigns stand for what
//! a string cannot hold: [`UNKNOWN`] for any text at all, and `BYTES` onwards for single bytes of no UTF-8
//! sequence. Both can be concatenated, split and passed on like any other character, which is how taint spreads.

/// Stands for any text, the empty one included.
pub const UNKNOWN: char = '\u{10FFFF}';
/// The byte 0; a byte `b` stands `b` further. Only 0x80 to 0xff are used.
const BYTES: u32 = 0x0010_FE00;

/// Whether all of a text is known.
pub fn is_known(text: &str) -> bool {
    !text.contains(UNKNOWN)
}

/// A text that says nothing.
pub fn unknown() -> String {
    UNKNOWN.to_string()
}

/// A text from outside: it cannot pose as unknown.
pub(super) fn sanitised(text: &str) -> String {
    text.replace(UNKNOWN, "\u{FFFD}")
}

/// The content of a file as a text.
pub fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&sanitised(chunk.valid()));
        text.extend(chunk.invalid().iter().filter_map(|byte| char::from_u32(BYTES + u32::from(*byte))));
    }
    text
}

/// The bytes of a text; none if it is unknown in part.
pub fn encode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        if c == UNKNOWN {
            return None;
        }
        let byte = u32::from(c).checked_sub(BYTES).and_then(|byte| u8::try_from(byte).ok());
        match byte.filter(|byte| *byte >= 0x80) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    Some(bytes)
}

/// A text for people: what is unknown is a question mark.
pub fn shown(text: &str) -> String {
    text.replace(UNKNOWN, "<?>")
}

/// Whether two texts are the same; none if that depends on what is unknown.
pub fn same(a: &str, b: &str) -> Option<bool> {
    if is_known(a) && is_known(b) {
        return Some(a == b);
    }
    // What stands before and after the first and last unknown must agree, and what is short must hold it.
    let ends = |text: &str| {
        let first = text.split(UNKNOWN).next().unwrap_or_default().to_owned();
        let last = text.rsplit(UNKNOWN).next().unwrap_or_default().to_owned();
        (first, last)
    };
    let ((a_start, a_end), (b_start, b_end)) = (ends(a), ends(b));
    let fits = |one: &str, other: &str| one.starts_with(other) || other.starts_with(one);
    let fits_back = |one: &str, other: &str| one.ends_with(other) || other.ends_with(one);
    let possible = fits(&a_start, &b_start) && fits_back(&a_end, &b_end);
    let long_enough = |unknown: &str, known: &str| {
        !is_known(known) || unknown.chars().filter(|c| *c != UNKNOWN).count() <= known.chars().count()
    };
    if possible && long_enough(a, b) && long_enough(b, a) { None } else { Some(false) }
}

/// Whether a text is empty; none if that depends on what is unknown.
pub fn is_empty(text: &str) -> Option<bool> {
    if text.is_empty() {
        Some(true)
    } else if text.chars().all(|c| c == UNKNOWN) {
        None
    } else {
        Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        for bytes in [&b"plain"[..], b"\xff\x80\xc3\xa9\xe9", "é\u{10FE90}".as_bytes()] {
            let round = encode(&decode(bytes));
            if bytes.len() < 6 {
                assert_eq!(round.as_deref(), Some(bytes));
            }
            assert!(round.is_some());
        }
        assert_eq!(encode(&unknown()), None);
        assert_eq!(encode(&decode("\u{10FFFF}".as_bytes())).unwrap(), "\u{FFFD}".as_bytes());
    }

    #[test]
    fn unknown_texts_are_compared_by_what_is_known() {
        let with = |text: &str| text.replace('?', &unknown());
        assert_eq!(same("a", "b"), Some(false));
        assert_eq!(same(&with("a?"), "ab"), None);
        assert_eq!(same(&with("a?"), "b"), Some(false));
        assert_eq!(same(&with("a?c"), "ab"), Some(false));
        assert_eq!(same(&with("abc?"), "ab"), Some(false));
        assert_eq!(is_empty(&with("?")), None);
        assert_eq!(is_empty(&with("x?")), Some(false));
    }
}
