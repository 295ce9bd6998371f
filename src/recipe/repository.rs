//! `[[repository]]`: repositories beside those of the distro, or instead of them.

use std::path::{Path, PathBuf};

use super::findings::Findings;
use super::origin::read_keys;
use super::problems::{Span, quoted};
use super::reader::{Table, Text, Value};

/// A repository beside what `from` implies, or instead of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// What kind of repository it is.
    pub kind: RepositoryKind,
    /// Where it is.
    pub location: Location,
    /// Its directory below `dists/`.
    pub suite: String,
    /// The components taken from it.
    pub components: Vec<String>,
    /// Files with the keys it is signed with, relative to the recipe's directory.
    pub keys: Vec<PathBuf>,
    /// Whether an index whose `Valid-Until` has passed is refused.
    pub check_valid_until: bool,
    /// Where the recipe names it.
    pub span: Span,
}

/// The format of a repository's indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RepositoryKind {
    /// Debian's.
    Deb,
}

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// An `http:`, `https:` or `file:` URL, without a slash at its end.
    Url(String),
    /// A directory, relative to the recipe's.
    Directory(PathBuf),
}

/// Reads `[[repository]]`. With `from`, one without keys is trusted by the distro's.
pub(super) fn read_repositories(value: &Value<'_>, dir: &Path, has_from: bool) -> Vec<Repository> {
    let tables = value.tables("repository");
    tables.into_iter().filter_map(|table| read_repository(table, dir, has_from)).collect()
}

fn read_repository(mut table: Table<'_>, dir: &Path, has_from: bool) -> Option<Repository> {
    let findings = table.findings;
    let header = table.span.clone();
    let kind = table.required("type", "\"deb\"").and_then(|value| value.text());
    let known = kind.as_ref().and_then(|kind| read_kind(kind, findings));
    if kind.is_some_and(|kind| kind.text == "apk") {
        return None;
    }
    let url = table.required("url", "\"https://...\"").and_then(|value| value.text());
    let suite = table.required("suite", "\"...\"").and_then(|value| value.text());
    let components = table.take("components");
    let keys = table.take("keys");
    let check_valid_until = table.boolean("check-valid-until", true);
    let tag = table.take("tag");
    let misspells_keys = table.misspells("keys");
    table.finish();

    if let Some(tag) = tag {
        findings.context(&tag.key_span, "only repositories of type \"apk\" have a `tag`", "leave it out");
    }
    if keys.is_none() && !has_from && !misspells_keys {
        let hint = "add `keys = [\"FILE\"]` with the keys it is signed with";
        findings.context(&header, "nothing says which keys sign this repository", hint);
    }
    let keys = keys.map(|keys| read_keys(&keys, dir, findings)).unwrap_or_default();
    let components = match components {
        Some(value) => read_components(&value, findings),
        None => vec!["main".to_owned()],
    };
    let location = url.as_ref().and_then(|url| read_location(url, dir, findings));
    let suite = suite.and_then(|suite| read_suite(&suite, findings));
    let span = url.map_or(header, |url| url.span);
    Some(Repository {
        kind: known?,
        location: location?,
        suite: suite?,
        components,
        keys,
        check_valid_until,
        span,
    })
}

fn read_kind(kind: &Text<'_>, findings: &Findings<'_>) -> Option<RepositoryKind> {
    match kind.text {
        "deb" => return Some(RepositoryKind::Deb),
        "apk" => {
            let message = "repositories of type \"apk\" are not supported by this version";
            findings.value(&kind.span, message, "use one of type \"deb\"");
        }
        other => {
            findings.value(
                &kind.span,
                format!("{} is no type of repository", quoted(other)),
                "write \"deb\"",
            );
        }
    }
    None
}

fn read_components(value: &Value<'_>, findings: &Findings<'_>) -> Vec<String> {
    let texts = value.texts();
    if value.is_empty_array() {
        value.wrong("`components` names no component", "leave it out for `main`");
    }
    for text in &texts {
        if !is_directory_name(text.text) {
            let message = format!("{} cannot be the name of a component", quoted(text.text));
            findings.value(&text.span, message, "write it as the repository's Release file does");
        }
    }
    texts.iter().map(|text| text.text.to_owned()).collect()
}

fn read_suite(suite: &Text<'_>, findings: &Findings<'_>) -> Option<String> {
    if suite.text.ends_with('/') {
        let hint = "name a directory below `dists/`, without a slash at its end";
        findings.value(&suite.span, "flat repositories are not supported by this version", hint);
        return None;
    }
    if !is_directory_name(suite.text) {
        let message = format!("{} cannot be the name of a suite", quoted(suite.text));
        findings.value(&suite.span, message, "name a directory below `dists/`");
        return None;
    }
    Some(suite.text.to_owned())
}

/// A relative path of plain components, such as `trixie` or `updates/main`.
fn is_directory_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+~".contains(c);
    text.split('/').all(|part| !matches!(part, "" | "." | "..") && part.chars().all(plain))
}

fn read_location(url: &Text<'_>, dir: &Path, findings: &Findings<'_>) -> Option<Location> {
    let text = url.text.trim_end_matches('/');
    let wrong = |message: String, hint: &str| {
        findings.value(&url.span, message, hint);
        None
    };
    if url.text.is_empty() || url.text.contains(|c: char| c.is_control() || c == ' ') {
        return wrong(format!("{} is no URL", quoted(url.text)), "write http:, https:, file: or a path");
    }
    if let Some((scheme, rest)) = text.split_once(':').filter(|(scheme, _)| !scheme.contains('/')) {
        return match scheme {
            "http" | "https"
                if rest.strip_prefix("//").is_some_and(|host| !host.is_empty() && !host.starts_with('/')) =>
            {
                Some(Location::Url(text.to_owned()))
            }
            "file" if rest.starts_with('/') => Some(Location::Url(text.to_owned())),
            "http" | "https" | "file" => wrong(
                format!("{} is no whole URL", quoted(url.text)),
                "write https://HOST/PATH or file:///PATH",
            ),
            _ => wrong(
                format!("repositories cannot be reached by {}", quoted(&format!("{scheme}:"))),
                "write http:, https:, file: or a path",
            ),
        };
    }
    if !dir.join(url.text).is_dir() {
        return wrong(
            format!("{} is not a directory", quoted(url.text)),
            "paths are relative to the recipe's directory; a URL begins with https://",
        );
    }
    Some(Location::Directory(PathBuf::from(url.text)))
}
