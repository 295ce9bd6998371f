//! The frame of a cleartext-signed message (RFC 9580, section 7).
//!
//! Stricter than the RFC asks, because what two readers understand differently is where forgeries hide: markers
//! must be exact, only `Hash` headers may stand before the text, a line that starts with a dash must be
//! escaped, and a carriage return may stand only at the end of a line. What is outside the frame is ignored,
//! unless it is another frame.

use super::TrustError;

const BEGIN: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const END: &[u8] = b"-----END PGP SIGNATURE-----";

/// A message taken out of its frame.
pub(super) struct Message {
    /// The signed text, lines ending in `\n`.
    pub(super) text: String,
    /// What the signature is computed over: the text in its canonical form, lines parted by CR LF.
    pub(super) signed: Vec<u8>,
    /// The armoured signatures.
    pub(super) armour: Vec<u8>,
}

/// Takes a message out of its frame. Nothing is verified by this.
pub(super) fn split(bytes: &[u8]) -> Result<Message, TrustError> {
    let malformed = |reason: &str| TrustError::Malformed(reason.to_owned());
    let mut lines = bytes.split(|byte| *byte == b'\n').map(trim);
    if !lines.any(|line| line == BEGIN) {
        return Err(TrustError::NotSigned);
    }
    loop {
        match lines.next() {
            Some(b"") => break,
            Some(header) if header.starts_with(b"Hash: ") => {}
            Some(_) => return Err(malformed("a header other than `Hash` precedes the signed text")),
            None => return Err(malformed("it ends within the headers")),
        }
    }
    let mut text = Vec::with_capacity(bytes.len());
    let mut signed = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    loop {
        let line = lines.next().ok_or_else(|| malformed("it ends within the signed text"))?;
        if line == SIGNATURE {
            break;
        }
        let line = match line {
            [b'-', b' ', line @ ..] => line,
            [b'-', ..] => return Err(malformed("a line of the signed text starts with an unescaped dash")),
            line => line,
        };
        if line.iter().any(|byte| matches!(byte, b'\r' | b'\0')) {
            return Err(malformed("the signed text has a control character within a line"));
        }
        if !text.is_empty() {
            signed.extend_from_slice(b"\r\n");
        }
        signed.extend_from_slice(line);
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    let mut armour = [SIGNATURE, b"\n"].concat();
    loop {
        let line = lines.next().ok_or_else(|| malformed("it ends within the signature"))?;
        armour.extend_from_slice(line);
        armour.push(b'\n');
        if line == END {
            break;
        }
    }
    if lines.any(|line| line.starts_with(b"-----BEGIN PGP")) {
        return Err(malformed("it has more than one signed block"));
    }
    let text = String::from_utf8(text).map_err(|_| malformed("the signed text is not UTF-8"))?;
    Ok(Message { text, signed, armour })
}

/// A line without what canonical text leaves out at its end.
fn trim(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r')).map_or(0, |last| last + 1);
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(text: &str) -> Vec<u8> {
        format!(
            "junk\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{text}\n-----BEGIN PGP SIGNATURE-----\n\n\
             AAAA\n-----END PGP SIGNATURE-----\njunk\n"
        )
        .into_bytes()
    }

    #[test]
    fn only_the_inside_counts() {
        let message = split(&framed("Origin: x \t\r\n- -dash\n\n - y")).unwrap();
        assert_eq!(message.text, "Origin: x\n-dash\n\n - y\n");
        assert_eq!(message.signed, b"Origin: x\r\n-dash\r\n\r\n - y");
        assert!(message.armour.starts_with(SIGNATURE) && message.armour.ends_with(b"SIGNATURE-----\n"));
    }

    #[test]
    fn leading_empty_lines_are_signed_too() {
        let message = split(&framed("\n\nOrigin: x")).unwrap();
        assert_eq!(message.text, "\n\nOrigin: x\n");
        assert_eq!(message.signed, b"\r\n\r\nOrigin: x");
    }

    #[test]
    fn doubtful_frames_are_refused() {
        let good = framed("a\nb");
        let twice = [good.clone(), good.clone()].concat();
        let header = String::from_utf8(good.clone()).unwrap().replace("Hash:", "Origin: x\nHash:");
        for bytes in [&twice[..], header.as_bytes(), &framed("-a"), &framed("a\rb"), &framed("\u{e9}\0")] {
            assert!(matches!(split(bytes), Err(TrustError::Malformed(_))));
        }
        for end in 6..good.len() - 6 {
            assert!(split(&good[..end]).is_err(), "cut at {end}");
        }
        assert!(matches!(split(b"Origin: x\n").map(|_| ()), Err(TrustError::NotSigned)));
    }
}
