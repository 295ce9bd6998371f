//! Web pages in the place of what was asked for: what logins to networks and misled servers answer.

/// Whether bytes begin as a web page does.
pub fn looks_like_html(start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(start.get(..512).unwrap_or(start)).to_lowercase();
    let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    ["<!doctype html", "<html", "<head", "<?xml"].iter().any(|tag| text.starts_with(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_from_packages() {
        for page in ["<!DOCTYPE html>", "\u{feff}\n <HTML lang=en>", "<?xml version='1.0'?><html/>"] {
            assert!(looks_like_html(page.as_bytes()), "{page}");
        }
        for other in [&b"Package: a"[..], b"\x1f\x8b\x08", b"", b"<htm"] {
            assert!(!looks_like_html(other), "{other:?}");
        }
    }
}
