//! What a URL names: something on a server, or a file.

use std::borrow::Cow;
use std::path::PathBuf;

use super::TransportError;

/// A parsed address.
pub(super) enum Location {
    /// Something on a server.
    Http,
    /// A file on this machine.
    File(PathBuf),
}

/// Whether a URL names something on a server.
pub fn is_remote(url: &str) -> bool {
    ["http:", "https:"]
        .iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// What is wrong with the URL of a server, without a word of it: a password may be in it.
pub fn malformed(url: &str) -> Option<String> {
    if !is_remote(url) {
        return None;
    }
    if url.contains(char::is_whitespace) {
        return Some("there is a blank in it".to_owned());
    }
    reqwest::Url::parse(url).err().map(|error| error.to_string())
}

/// A text in which no URL has a user or password any more, as logs, locks and images may have it.
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(|c: char| c.is_whitespace() || "/?#".contains(c));
        let host = after[..end.unwrap_or(after.len())].rfind('@').map_or(0, |at| at + 1);
        out.extend([before, "://"]);
        rest = &after[host..];
    }
    if out.len() + rest.len() == text.len() { text.into() } else { (out + rest).into() }
}

impl Location {
    /// Tells servers from files; `file:` URLs (RFC 8089) are of this machine only.
    pub(super) fn parse(url: &str) -> Result<Self, TransportError> {
        let scheme = || TransportError::Scheme { url: url.to_owned() };
        if is_remote(url) {
            return Ok(Location::Http);
        }
        if let Some(rest) = url.strip_prefix("file:") {
            let path = match rest.strip_prefix("//") {
                Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
                None => rest,
            };
            let path = decode(path).filter(|path| path.starts_with('/')).ok_or_else(scheme)?;
            return Ok(Location::File(path.into()));
        }
        let is_scheme =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if url.split_once("://").is_some_and(|(start, _)| is_scheme(start)) || url.is_empty() {
            return Err(scheme());
        }
        Ok(Location::File(url.into()))
    }
}

/// Where a file is that an index names below a root: in a URL, what would mean something else there is encoded.
pub fn below(root: &str, path: &str) -> String {
    let is_url = is_remote(root) || root.starts_with("file:");
    let encoded = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23").replace(' ', "%20");
    format!("{root}/{}", if is_url { &encoded } else { path })
}

/// Undoes percent-encoding; none if it is broken or not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
            bytes.push(u8::try_from(digit()? << 4 | digit()?).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go() {
        for (text, shown) in [
            ("cannot read http://me:p@ss@h:80/x@1, https://you@h", "cannot read http://h:80/x@1, https://h"),
            ("`https://a:b@h`: no", "`https://h`: no"),
            ("http://a:it's`@h/x", "http://h/x"),
            ("http://h/a@b", "http://h/a@b"),
            ("://@", "://"),
            ("é@é", "é@é"),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
    }

    #[test]
    fn names_of_indexes_are_no_parts_of_urls() {
        for (root, path, place) in [
            ("http://h/debian", "pool/a_1%3a1+b~2_all.deb", "http://h/debian/pool/a_1%253a1+b~2_all.deb"),
            ("file:///srv", "a #1?.deb", "file:///srv/a%20%231%3f.deb"),
            ("/srv", "a_1%3a1.deb", "/srv/a_1%3a1.deb"),
        ] {
            assert_eq!(below(root, path), place);
        }
    }

    #[test]
    fn what_is_a_file() {
        let file = |url: &str| match Location::parse(url) {
            Ok(Location::File(path)) => Some(path),
            _ => None,
        };
        for (url, path) in [
            ("file:///srv/apt%20repo", "/srv/apt repo"),
            ("file:/srv/a", "/srv/a"),
            ("file://localhost/srv/a", "/srv/a"),
            ("/srv/50%", "/srv/50%"),
            ("./dist", "./dist"),
        ] {
            assert_eq!(file(url), Some(path.into()), "{url}");
        }
        for url in ["file://host/srv", "file:///%zz", "file:///%4", "ftp://h/x", "cdrom://x", "HTTP://h/", ""]
        {
            assert_eq!(file(url), None, "{url}");
        }
        assert!(is_remote("HTTPS://h/") && !is_remote("https/x") && !is_remote("é"));
    }
}
