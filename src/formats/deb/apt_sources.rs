//! apt's lists of repositories: deb822 `.sources` and one-line `sources.list`.
//!
//! Follows sources.list(5). Only what finds a mirror is read; options, `deb-src` and `cdrom:` are passed over.
//! These are the user's files for another program, so nothing in them is an error: what is not understood is
//! left out.

/// Repositories that apt may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AptSource {
    /// Archive roots, without a slash at the end.
    pub uris: Vec<String>,
    /// Suites below `dists/`, or paths ending in a slash.
    pub suites: Vec<String>,
    /// Components.
    pub components: Vec<String>,
    /// Whether apt uses it.
    pub enabled: bool,
}

/// Reads the text of a file; `name` decides on the format, as apt does by its ending.
pub fn parse(name: &str, text: &str) -> Vec<AptSource> {
    if name.ends_with(".sources") { parse_deb822(text) } else { parse_one_line(text) }
}

/// Reads stanzas of fields.
pub fn parse_deb822(text: &str) -> Vec<AptSource> {
    let mut sources = Vec::new();
    let mut stanza: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            sources.extend(source(&std::mem::take(&mut stanza)));
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = stanza.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            stanza.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    sources
}

/// What a stanza says; none if it is not about binary packages.
fn source(stanza: &[(String, String)]) -> Option<AptSource> {
    let words = |wanted: &str| -> Vec<String> {
        let value = stanza.iter().rev().find(|(name, _)| name == wanted).map_or("", |(_, value)| value);
        value.split_whitespace().map(str::to_owned).collect()
    };
    let no =
        |word: &String| ["no", "false", "without", "off", "disable"].contains(&&*word.to_ascii_lowercase());
    let uris = uris(words("uris"));
    (words("types").iter().any(|kind| kind == "deb") && !uris.is_empty()).then(|| AptSource {
        uris,
        suites: words("suites"),
        components: words("components"),
        enabled: !words("enabled").first().is_some_and(no),
    })
}

/// Reads lines such as `deb [arch=amd64 signed-by=/x] http://host/debian trixie main # comment`.
pub fn parse_one_line(text: &str) -> Vec<AptSource> {
    let mut sources = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let Some(rest) =
            line.trim_start().strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t', '[']))
        else {
            continue;
        };
        let rest = match rest.trim_start().strip_prefix('[') {
            Some(options) => match options.split_once(']') {
                Some((_, rest)) => rest,
                None => continue,
            },
            None => rest,
        };
        let mut words = rest.split_whitespace().map(str::to_owned);
        let (Some(uri), Some(suite)) = (words.next(), words.next()) else { continue };
        let uris = uris(vec![uri]);
        if !uris.is_empty() {
            sources.push(AptSource { uris, suites: vec![suite], components: words.collect(), enabled: true });
        }
    }
    sources
}

/// Those that name an archive which can be fetched from.
fn uris(words: Vec<String>) -> Vec<String> {
    words
        .into_iter()
        .filter(|uri| ["http://", "https://", "file:"].iter().any(|scheme| uri.starts_with(scheme)))
        .map(|uri| uri.trim_end_matches('/').to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn source(uris: &[&str], suites: &[&str], components: &[&str], enabled: bool) -> AptSource {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        AptSource { uris: owned(uris), suites: owned(suites), components: owned(components), enabled }
    }

    #[test]
    fn stanzas() {
        let text = "\
# the archive
Types: deb deb-src
URIs: http://a.example/debian/
# a comment within
  https://b.example/debian
Suites: trixie trixie-updates
Components: main
 contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEZ

Types: deb
URIs: http://c.example/debian-security
Suites: trixie-security
Components: main
Enabled: No

junk
Types: deb-src
URIs: http://d.example/debian
Suites: trixie

types: deb
uris: cdrom:[x] mirror+file:/etc/apt/m file:///srv/debian
suites: ./";
        assert_eq!(
            parse("debian.sources", text),
            [
                source(
                    &["http://a.example/debian", "https://b.example/debian"],
                    &["trixie", "trixie-updates"],
                    &["main", "contrib"],
                    true
                ),
                source(&["http://c.example/debian-security"], &["trixie-security"], &["main"], false),
                source(&["file:///srv/debian"], &["./"], &[], true),
            ]
        );
    }

    #[test]
    fn lines() {
        let text = "\
# deb http://z.example/debian trixie main
deb http://a.example/debian/ trixie main contrib # comment
deb-src http://a.example/debian trixie main
\tdeb [ arch=amd64,arm64 signed-by=/usr/share/keyrings/x.gpg ] https://b.example/debian trixie-security main
deb[trusted=yes] file:/srv/repo ./
deb cdrom:[Debian 13]/ trixie main
deb [broken http://c.example/debian trixie main
debug http://d.example/debian trixie main
deb http://e.example/debian";
        assert_eq!(
            parse("sources.list", text),
            [
                source(&["http://a.example/debian"], &["trixie"], &["main", "contrib"], true),
                source(&["https://b.example/debian"], &["trixie-security"], &["main"], true),
                source(&["file:/srv/repo"], &["./"], &[], true),
            ]
        );
    }

    proptest! {
        #[test]
        fn junk_is_passed_over(text in "(deb|Types:|URIs:|[ \\[\\]#:\n]|\\PC){0,40}") {
            parse("x.list", &text);
            parse("x.sources", &text);
        }
    }
}
