//! `WWW-Authenticate`: how a registry wants to be shown who asks (RFC 9110 section 11.6.1, RFC 6750 section 3).

use std::collections::BTreeMap;

/// One way to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with every request (RFC 7617).
    Basic,
    /// A token that another server gives (distribution's "Token Authentication Specification").
    Bearer {
        /// That server's URL.
        realm: String,
        /// What the registry is called there.
        service: Option<String>,
    },
}

/// The challenge to follow, of all values of the header: a token before a password. None where all are of
/// other schemes.
pub(super) fn choose<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Challenge> {
    let mut found: Option<Challenge> = None;
    for (scheme, mut parameters) in values.into_iter().flat_map(parse) {
        let challenge = match &*scheme {
            "bearer" => parameters
                .remove("realm")
                .map(|realm| Challenge::Bearer { realm, service: parameters.remove("service") }),
            "basic" => Some(Challenge::Basic),
            _ => None,
        };
        match (&found, challenge) {
            (None | Some(Challenge::Basic), Some(challenge @ Challenge::Bearer { .. }))
            | (None, Some(challenge)) => {
                found = Some(challenge);
            }
            _ => {}
        }
    }
    found
}

/// Schemes with their parameters, names in lower case. What cannot be read ends the list.
fn parse(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut challenges: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = token(rest);
        if word.is_empty() {
            return challenges;
        }
        let spaced = after.trim_start_matches([' ', '\t']);
        match (spaced.strip_prefix('='), challenges.last_mut()) {
            (Some(value), Some((_, parameters))) => {
                let Some((value, after)) = read_value(value.trim_start_matches([' ', '\t'])) else {
                    return challenges;
                };
                parameters.entry(word.to_ascii_lowercase()).or_insert(value);
                rest = after;
            }
            (Some(_), None) => return challenges,
            (None, _) => {
                challenges.push((word.to_ascii_lowercase(), BTreeMap::new()));
                rest = after;
            }
        }
    }
}

/// A token (RFC 9110 section 5.6.2), and what follows.
fn token(text: &str) -> (&str, &str) {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/:".contains(&byte);
    let end = text.bytes().position(|byte| !is_token(byte)).unwrap_or(text.len());
    text.split_at(end)
}

/// A token or a quoted string, and what follows.
fn read_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = token(text);
        return Some((word.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) }
    }

    #[test]
    fn challenges() {
        let hub =
            r#"Bearer realm="https://auth.example.org/token",service="reg",scope="repository:a/b:pull,push""#;
        assert_eq!(choose([hub]), Some(bearer("https://auth.example.org/token", Some("reg"))));
        assert_eq!(choose(["Basic realm=\"x\""]), Some(Challenge::Basic));
        assert_eq!(choose(["basic"]), Some(Challenge::Basic));
        assert_eq!(
            choose(["Basic realm=\"a, b\", BEARER Realm = https://h/t"]),
            Some(bearer("https://h/t", None))
        );
        assert_eq!(choose(["Basic realm=x", r#"Bearer realm="a\"b""#]), Some(bearer("a\"b", None)));
        assert_eq!(choose(["Bearer realm=https://h/t", "Basic realm=x"]), Some(bearer("https://h/t", None)));
        for text in
            ["", "Negotiate", "=x", "Bearer", "Bearer realm=\"open", "Digest realm=\"x\", nonce=\"y\""]
        {
            assert_eq!(choose([text]), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,80}", header in "(Bearer|Basic|[a-z]+)( [a-z]+ ?= ?\"?[a-z,\\\\\" ]*\"?,?){0,4}") {
            let _ = choose([&*text, &*header]);
        }
    }
}
