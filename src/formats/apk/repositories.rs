//! apk's lists of repositories: `/etc/apk/repositories` and `/etc/apk/repositories.d/*.list`.
//!
//! Follows apk-repositories(5): a line has a URL or a directory, with `@tag` before it where it is tagged; from
//! apk 3 on it may also name the format (`v2`, `v3`), list components after the URL, and use variables that
//! `set` lines define. Only what finds a mirror is read. These are the user's files for another program, so
//! nothing in them is an error: what is not understood is left out.

use std::collections::BTreeMap;

/// One repository of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryLine {
    /// The tag, without its `@`.
    pub tag: Option<String>,
    /// Where the repository is: an `http:`, `https:` or `file:` URL, or an absolute path; without a slash at
    /// its end.
    pub url: String,
}

/// The longest URL that is taken, in bytes; variables may be made of variables.
const LONGEST: usize = 4096;

/// The branches of Alpine that have no number.
const BRANCHES: [&str; 2] = ["edge", "latest-stable"];

/// The repositories of a branch of Alpine.
const REPOSITORIES: [&str; 3] = ["main", "community", "testing"];

/// Reads the text of a list.
pub fn parse(text: &str) -> Vec<RepositoryLine> {
    let mut variables: BTreeMap<&str, String> = BTreeMap::new();
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(definition) = line.strip_prefix("set ") {
            if let Some((name, value)) = definition.trim().trim_start_matches("-default ").split_once('=')
                && let Some(value) = expand(value.trim(), &variables)
            {
                variables.insert(name.trim(), value);
            }
            continue;
        }
        let mut words = line.split_whitespace().peekable();
        let tag = words.next_if(|word| word.starts_with('@')).map(|word| word[1..].to_owned());
        // A list of format 3 (`ndx` names an index file) is of no use here, but the archive's root is the same.
        words.next_if(|word| matches!(*word, "v2" | "v3"));
        let Some(url) = words.next().and_then(|url| expand(url, &variables)) else { continue };
        let url = url.trim_end_matches('/');
        if !["http://", "https://", "file:", "/"].iter().any(|start| url.starts_with(start)) {
            continue;
        }
        let components: Vec<&str> = words.collect();
        let urls = match components[..] {
            [] => vec![url.to_owned()],
            _ => components.iter().map(|component| format!("{url}/{component}")).collect(),
        };
        lines.extend(urls.into_iter().map(|url| RepositoryLine { tag: tag.clone(), url }));
    }
    lines
}

/// A text with each `${NAME}` replaced; none if a name is not known or the result is absurdly long.
fn expand(text: &str, variables: &BTreeMap<&str, String>) -> Option<String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (name, after) = rest[at + 2..].split_once('}')?;
        expanded.push_str(&rest[..at]);
        expanded.push_str(variables.get(name)?);
        rest = after;
        if expanded.len() > LONGEST {
            return None;
        }
    }
    expanded.push_str(rest);
    (expanded.len() <= LONGEST).then_some(expanded)
}

/// The root of the Alpine archive that a repository is in: what stands before `/v3.20/main`.
pub fn alpine_root(url: &str) -> Option<&str> {
    let (branch, repository) = url.rsplit_once('/')?;
    let (root, branch) = branch.rsplit_once('/')?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbered = branch
        .strip_prefix('v')
        .and_then(|version| version.split_once('.'))
        .is_some_and(|(major, minor)| number(major) && number(minor));
    let known = REPOSITORIES.contains(&repository) && (numbered || BRANCHES.contains(&branch));
    (known && has_place(root)).then_some(root)
}

/// The root of the Wolfi archive, if a repository is it: another's has another name than `os`.
pub fn wolfi_root(url: &str) -> Option<&str> {
    (url.ends_with("/os") && has_place(url)).then_some(url)
}

/// Whether a URL has something after its scheme.
fn has_place(url: &str) -> bool {
    let place = url.split_once(':').map_or(url, |(_, place)| place);
    place.chars().any(|c| c != '/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Vec<String> {
        let show = |line: RepositoryLine| match line.tag {
            Some(tag) => format!("@{tag} {}", line.url),
            None => line.url,
        };
        parse(text).into_iter().map(show).collect()
    }

    #[test]
    fn lines() {
        let text = "\
#/media/cdrom/apks
  # a comment
http://a.example/alpine/v3.20/main
\thttps://a.example/alpine/v3.20/community/
@edge http://b.example/alpine/edge/testing
@local /srv/packages

file:///srv/alpine/v3.20/main
ftp://c.example/alpine/v3.20/main
cdrom main";
        assert_eq!(
            shown(text),
            [
                "http://a.example/alpine/v3.20/main",
                "https://a.example/alpine/v3.20/community",
                "@edge http://b.example/alpine/edge/testing",
                "@local /srv/packages",
                "file:///srv/alpine/v3.20/main",
            ]
        );
    }

    #[test]
    fn lines_of_apk_3() {
        let text = "\
set mirror=https://a.example/alpine
set -default base=${mirror}/v3.23
v2 ${base} main community
@x v3 ${mirror}/edge/testing
ndx https://b.example/Packages.adb
${unknown}/v3.23/main
${open/v3.23/main";
        assert_eq!(
            shown(text),
            [
                "https://a.example/alpine/v3.23/main",
                "https://a.example/alpine/v3.23/community",
                "@x https://a.example/alpine/edge/testing",
            ]
        );
        // Each variable eight times the one before.
        let mut bomb = "set a0=http://x.example/aaaaaaaa\n".to_owned();
        for n in 1..40 {
            let before = format!("${{a{}}}", n - 1);
            bomb.push_str(&format!("set a{n}={}\n", before.repeat(8)));
        }
        assert_eq!(shown(&(bomb + "${a39}/v3.20/main")), Vec::<String>::new());
    }

    #[test]
    fn roots() {
        for (url, root) in [
            ("http://a.example/alpine/v3.20/main", Some("http://a.example/alpine")),
            ("http://a.example/v3.8/community", Some("http://a.example")),
            ("http://a.example/alpine/edge/testing", Some("http://a.example/alpine")),
            ("https://a.example/alpine/latest-stable/main", Some("https://a.example/alpine")),
            ("/srv/alpine/v3.20/main", Some("/srv/alpine")),
            ("file:///srv/alpine/v3.20/main", Some("file:///srv/alpine")),
            ("/media/cdrom/apks", None),
            ("http://a.example/alpine/v3.20", None),
            ("http://a.example/alpine/v3/main", None),
            ("http://a.example/alpine/v3.x/main", None),
            ("http://a.example/alpine/v3.20/plasma", None),
            ("http://v3.20/main", None),
            ("/v3.20/main", None),
            ("main", None),
        ] {
            assert_eq!(alpine_root(url), root, "{url}");
        }
        assert_eq!(wolfi_root("https://a.example/os"), Some("https://a.example/os"));
        assert_eq!(wolfi_root("https://a.example/extras"), None);
        assert_eq!(wolfi_root("/os"), Some("/os"));
    }

    proptest! {
        #[test]
        fn junk_is_passed_over(text in "(@|set |v2 |http://|/v3\\.20/main|[ =${}#\n]|\\PC){0,40}") {
            for line in parse(&text) {
                alpine_root(&line.url);
                wolfi_root(&line.url);
            }
        }
    }
}
