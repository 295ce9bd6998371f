//! As much of X.509 (RFC 5280, DER of X.690) as names a certificate: its bytes, and its subject in the canonical
//! form by which OpenSSL compares and hashes names.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const UTF8: u8 = 0x0c;

/// The only certificate of a PEM text as DER, and its canonical subject; none where there are more, or it cannot
/// be read.
pub(super) fn certificate(pem: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let text = String::from_utf8_lossy(pem);
    let mut blocks = text.split("-----BEGIN ").skip(1);
    let block = blocks.next()?;
    if blocks.next().is_some() {
        return None;
    }
    let (label, rest) = block.split_once("-----")?;
    if !matches!(label, "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE") {
        return None;
    }
    let base64: String = rest.split("-----END").next()?.split_whitespace().collect();
    let der = STANDARD.decode(base64).ok()?;
    let subject = canonical_subject(&der)?;
    Some((der, subject))
}

fn canonical_subject(der: &[u8]) -> Option<Vec<u8>> {
    let (certificate, _) = expect(der, SEQUENCE)?;
    let (tbs, _) = expect(certificate, SEQUENCE)?;
    let mut rest = tbs;
    // The version is there or not; then serial number, algorithm, issuer and validity.
    if rest.first() == Some(&0xa0) {
        rest = element(rest)?.2;
    }
    for _ in 0..4 {
        rest = element(rest)?.2;
    }
    let (mut names, _) = expect(rest, SEQUENCE)?;
    let mut canonical = Vec::new();
    while !names.is_empty() {
        let (mut set, after) = expect(names, SET)?;
        let mut attributes = Vec::new();
        while !set.is_empty() {
            let (attribute, after) = expect(set, SEQUENCE)?;
            attributes.push(canonical_attribute(attribute)?);
            set = after;
        }
        // DER sorts the elements of a set.
        attributes.sort();
        canonical.extend(wrap(SET, &attributes.concat()));
        names = after;
    }
    Some(canonical)
}

fn canonical_attribute(attribute: &[u8]) -> Option<Vec<u8>> {
    let (oid, rest) = expect(attribute, OID)?;
    let (tag, value, _) = element(rest)?;
    let mut content = wrap(OID, oid);
    if is_text(tag) {
        content.extend(wrap(UTF8, folded(&text(tag, value)?).as_bytes()));
    } else {
        content.extend(wrap(tag, value));
    }
    Some(wrap(SEQUENCE, &content))
}

/// Whether a tag is that of a character string: UTF-8, printable, T61, IA5, visible, universal, or of two bytes a
/// character.
fn is_text(tag: u8) -> bool {
    matches!(tag, UTF8 | 0x13 | 0x14 | 0x16 | 0x1a | 0x1c | 0x1e)
}

/// The text of a character string; none for a damaged one.
fn text(tag: u8, value: &[u8]) -> Option<String> {
    match tag {
        UTF8 => std::str::from_utf8(value).ok().map(str::to_owned),
        0x1e => {
            let units: Vec<u16> =
                value.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            String::from_utf16(&units).ok()
        }
        0x1c => {
            value.as_chunks::<4>().0.iter().map(|four| char::from_u32(u32::from_be_bytes(*four))).collect()
        }
        // A byte a character.
        _ => Some(value.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// ASCII letters small, white space single, none at the ends.
fn folded(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|c: char| c.is_ascii_whitespace() || c == '\x0b')
        .filter(|word| !word.is_empty())
        .collect();
    words.join(" ").to_ascii_lowercase()
}

/// An element's tag, its content, and what follows it. Tags of one byte only.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut length = usize::from(*first);
    if *first >= 0x80 {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (bytes, after) = rest.split_at_checked(count)?;
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest = after;
    }
    let (content, after) = rest.split_at_checked(length)?;
    Some((*tag, content, after))
}

fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(der).filter(|(found, ..)| *found == tag).map(|(_, content, after)| (content, after))
}

fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let zeros = length.iter().take_while(|byte| **byte == 0).count();
            out.push(0x80 | u8::try_from(length.len() - zeros).unwrap_or(8));
            out.extend(&length[zeros..]);
        }
    }
    out.extend(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn damaged_certificates_are_none(mut der in proptest::collection::vec(0_u8..=255, 0..60), depth in 0_usize..4) {
            for _ in 0..depth {
                der = wrap(SEQUENCE, &der);
            }
            let _ = canonical_subject(&der);
        }

        #[test]
        fn what_is_wrapped_is_read(content in proptest::collection::vec(0_u8..=255, 0..400)) {
            let wrapped = wrap(SEQUENCE, &content);
            proptest::prop_assert_eq!(expect(&wrapped, SEQUENCE), Some((content.as_slice(), [].as_slice())));
        }
    }
}
