//! Records of a pax extended header: `LENGTH KEY=VALUE\n` (POSIX.1-2017, pax, "pax Extended Header").
//!
//! Values are bytes and may hold newlines (a file capability does when one of its bytes is 10), so records
//! are cut by their lengths alone.

/// The prefix of the records that hold extended attributes.
pub(super) const XATTR: &str = "SCHILY.xattr.";

/// The records in order, or what is wrong with them.
pub(super) fn records(mut bytes: &[u8]) -> Result<Vec<(&str, &[u8])>, &'static str> {
    let mut records = Vec::new();
    // Some writers pad with NULs.
    while !bytes.is_empty() && bytes.iter().any(|byte| *byte != 0) {
        let space =
            bytes.iter().take(20).position(|byte| *byte == b' ').ok_or("a pax record has no length")?;
        let length: usize = std::str::from_utf8(&bytes[..space])
            .ok()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .ok_or("a pax record's length is no number")?;
        let record = bytes.get(space + 1..length).ok_or("a pax record's length is wrong")?;
        let (newline, record) = record.split_last().ok_or("a pax record is empty")?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or("a pax record has no `=`")?;
        if *newline != b'\n' {
            return Err("a pax record's length is wrong");
        }
        let key = std::str::from_utf8(&record[..equals]).map_err(|_| "a pax record's name is not UTF-8")?;
        records.push((key, &record[equals + 1..]));
        bytes = &bytes[length..];
    }
    Ok(records)
}

/// Appends one record.
pub(super) fn append(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    // The length counts its own digits.
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} {key}=").as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_themselves() {
        for size in (0..120).chain(980..1010).chain(9_980..10_010) {
            let value = vec![b'\n'; size];
            let mut bytes = Vec::new();
            append(&mut bytes, "path", &value);
            append(&mut bytes, "a", b"b=c");
            assert_eq!(records(&bytes), Ok(vec![("path", &value[..]), ("a", &b"b=c"[..])]));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in ["x", "9999 a=b\n", "5 a=b\n", "6 a=bX", "0 a=b\n", "+6 a=b\n", "2 \n", "4 a\n"] {
            assert!(records(bytes.as_bytes()).is_err(), "{bytes:?}");
        }
        assert_eq!(records(b"6 a=b\n\0\0"), Ok(vec![("a", &b"b"[..])]));
    }
}
