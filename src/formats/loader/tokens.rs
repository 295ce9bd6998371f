//! Dynamic string tokens: `$ORIGIN`, `$LIB`, `$PLATFORM`, each also with braces (ld.so(8)).

/// Replaces the tokens of a search path's element or a needed path; none if it holds `$PLATFORM` or an
/// `$ORIGIN` that is not known, since the loader then drops it.
///
/// As in glibc, a name without braces is matched by its beginning (`$LIBS` is `$LIB` and an `S`), and what
/// is no token stays as it is.
pub(super) fn expand(text: &str, lib: &str, origin: impl Fn() -> Option<String>) -> Option<String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        expanded.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        let token = |name: &str| {
            let plain = rest.strip_prefix(name);
            plain.or_else(|| rest.strip_prefix('{')?.strip_prefix(name)?.strip_prefix('}'))
        };
        if let Some(after) = token("ORIGIN") {
            expanded.push_str(&origin()?);
            rest = after;
        } else if token("PLATFORM").is_some() {
            return None;
        } else if let Some(after) = token("LIB") {
            expanded.push_str(lib);
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    // The origin of a file in the root directory is empty, so that a slash can follow it.
    if expanded.is_empty() && !text.is_empty() {
        expanded.push('/');
    }
    Some(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        let expand = |text| expand(text, "lib/s390x-linux-gnu", || Some("/opt/a".to_owned()));
        for (text, expanded) in [
            ("/usr/$LIB", "/usr/lib/s390x-linux-gnu"),
            ("${ORIGIN}/../lib", "/opt/a/../lib"),
            ("$ORIGINAL/x", "/opt/aAL/x"),
            ("$ORIGIN/$LIB/${LIB}", "/opt/a/lib/s390x-linux-gnu/lib/s390x-linux-gnu"),
            ("/a$$b${c}${LIB", "/a$$b${c}${LIB"),
            ("é$", "é$"),
        ] {
            assert_eq!(expand(text).as_deref(), Some(expanded), "{text}");
        }
        assert_eq!(expand("/usr/$PLATFORM/lib"), None);
        assert_eq!(expand("/usr/${PLATFORM}"), None);
        assert_eq!(super::expand("$ORIGIN", "lib", || Some(String::new())).as_deref(), Some("/"));
    }
}
