//! `[[repository]]`: repositories beside those of the distro, or instead of them.
//!
//! A repository is of one format, Debian's or Alpine's, and so is all that a recipe names. Where one has keys
//! of the other format's, that is a mistake, told at the key.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::findings::Findings;
use super::origin::{Origin, read_keys};
use super::problems::{Span, quoted};
use super::reader::{Table, Text, Value};
use crate::distro::PackageFormat;

/// A repository beside what `from` implies, or instead of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// What it says in the way of its format.
    pub kind: RepositoryKind,
    /// Where it is.
    pub location: Location,
    /// Files with the keys it is signed with, relative to the recipe's directory; with `from`, none for those
    /// that the distro's repositories are signed with.
    pub keys: Vec<PathBuf>,
    /// Where the recipe names it.
    pub span: Span,
}

/// What a repository says in the way of its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepositoryKind {
    /// Debian's: the location is the archive's root.
    Deb {
        /// Its directory below `dists/`.
        suite: String,
        /// The components taken from it.
        components: Vec<String>,
        /// Whether an index whose `Valid-Until` has passed is refused.
        check_valid_until: bool,
    },
    /// Alpine's: below the location is `ARCH/APKINDEX.tar.gz`.
    Apk {
        /// Its packages are taken only where they are named with `@tag`.
        tag: Option<String>,
    },
}

impl RepositoryKind {
    /// The format of its packages.
    pub const fn format(&self) -> PackageFormat {
        match self {
            RepositoryKind::Deb { .. } => PackageFormat::Deb,
            RepositoryKind::Apk { .. } => PackageFormat::Apk,
        }
    }
}

impl Repository {
    /// Its tag, if it is of Alpine's format and has one.
    pub fn tag(&self) -> Option<&str> {
        match &self.kind {
            RepositoryKind::Apk { tag } => tag.as_deref(),
            RepositoryKind::Deb { .. } => None,
        }
    }
}

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// An `http:`, `https:` or `file:` URL, without a slash at its end.
    Url(String),
    /// A directory, relative to the recipe's.
    Directory(PathBuf),
}

/// What the repositories of a recipe come to, of which the layers must know before they are read.
#[derive(Default)]
pub(super) struct Repositories {
    pub(super) list: Vec<Repository>,
    /// The format of the recipe's packages: that of `from`, else that of the first repository; none where
    /// nothing says.
    pub(super) format: Option<PackageFormat>,
    /// Every tag there is, also those of repositories with mistakes.
    pub(super) tags: BTreeSet<String>,
    /// Whether a misspelt key may have been meant to be a tag.
    pub(super) unsure: bool,
}

/// Reads `[[repository]]`, after those that are inherited. With `from`, one without keys is trusted by the distro's.
pub(super) fn read_repositories(
    value: Option<&Value<'_>>,
    dir: &Path,
    origin: &Origin,
    inherited: Option<Repositories>,
) -> Repositories {
    let of_distro = || Repositories { format: origin.format, ..Repositories::default() };
    let mut repositories = inherited.unwrap_or_else(of_distro);
    for table in value.map(|value| value.tables("repository")).unwrap_or_default() {
        let repository = read_repository(table, dir, origin, &mut repositories);
        repositories.list.extend(repository);
    }
    repositories
}

fn read_repository(
    mut table: Table<'_>,
    dir: &Path,
    origin: &Origin,
    known: &mut Repositories,
) -> Option<Repository> {
    let findings = table.findings;
    let header = table.span.clone();
    let example = known.format.map_or("deb", PackageFormat::name);
    let kind = table.required("type", &format!("\"{example}\"")).and_then(|value| value.text());
    let format = kind.as_ref().and_then(|kind| read_format(kind, findings));
    if let (Some(kind), Some(format)) = (&kind, format) {
        check_format(kind, format, origin, known, findings);
    }
    let url = table.required("url", "\"https://...\"").and_then(|value| value.text());
    // Without a type, the rest is read as what the recipe's other packages are.
    let is_apk = format.or(known.format) == Some(PackageFormat::Apk);
    let read = if is_apk { read_apk(&mut table, known) } else { read_deb(&mut table) };
    let keys = table.take("keys");
    let misspells_keys = table.misspells("keys");
    known.unsure |= table.misspells("tag");
    table.finish();

    if keys.is_none() && !origin.given && !misspells_keys {
        let hint = "add `keys = [\"FILE\"]` with the keys it is signed with";
        findings.context(&header, "nothing says which keys sign this repository", hint);
    }
    let keys = keys.map(|keys| read_keys(&keys, dir, findings)).unwrap_or_default();
    let location = url.as_ref().and_then(|url| read_location(url, dir, findings));
    if let Some(url) = url.as_ref().filter(|_| is_apk) {
        check_apk_location(url, findings);
    }
    let span = url.map_or(header, |url| url.span);
    Some(Repository { kind: format.and(read)?, location: location?, keys, span })
}

fn read_format(kind: &Text<'_>, findings: &Findings<'_>) -> Option<PackageFormat> {
    match kind.text {
        "deb" => Some(PackageFormat::Deb),
        "apk" => Some(PackageFormat::Apk),
        other => {
            let message = format!("{} is no type of repository", quoted(other));
            findings.value(&kind.span, message, "write \"deb\" or \"apk\"");
            None
        }
    }
}

/// All packages of a recipe are of one format.
fn check_format(
    kind: &Text<'_>,
    format: PackageFormat,
    origin: &Origin,
    known: &mut Repositories,
    findings: &Findings<'_>,
) {
    let expected = *known.format.get_or_insert(format);
    if expected == format {
        return;
    }
    let (message, hint) = match origin.format {
        Some(_) => (
            format!("a repository of type \"{}\" does not go with `from`", format.name()),
            format!("`from` wants repositories of type \"{}\"", expected.name()),
        ),
        None => (
            format!(
                "this repository is of type \"{}\", the first one of \"{}\"",
                format.name(),
                expected.name()
            ),
            "an image has packages of one format; make two recipes".to_owned(),
        ),
    };
    findings.context(&kind.span, message, hint);
}

fn read_deb(table: &mut Table<'_>) -> Option<RepositoryKind> {
    let findings = table.findings;
    let suite = table.required("suite", "\"...\"").and_then(|value| value.text());
    let components = table.take("components");
    let check_valid_until = table.boolean("check-valid-until", true);
    if let Some(tag) = table.take("tag") {
        findings.context(&tag.key_span, "only repositories of type \"apk\" have a `tag`", "leave it out");
    }
    let components = match components {
        Some(value) => read_components(&value, findings),
        None => vec!["main".to_owned()],
    };
    let suite = suite.and_then(|suite| read_suite(&suite, findings))?;
    Some(RepositoryKind::Deb { suite, components, check_valid_until })
}

fn read_apk(table: &mut Table<'_>, known: &mut Repositories) -> Option<RepositoryKind> {
    let findings = table.findings;
    let tag = table.take("tag");
    for (key, hint) in [
        ("suite", "leave it out; the `url` goes down to the repository, as in \"https://.../v3.20/main\""),
        ("components", "leave it out; each repository has its own `[[repository]]`"),
        ("check-valid-until", "leave it out; indexes of apk's do not expire"),
    ] {
        if let Some(value) = table.take(key) {
            let message = format!("only repositories of type \"deb\" have `{key}`");
            findings.context(&value.key_span, message, hint);
        }
    }
    let Some(tag) = tag else { return Some(RepositoryKind::Apk { tag: None }) };
    let Some(tag) = tag.text() else {
        known.unsure = true;
        return None;
    };
    let name = tag.text.strip_prefix('@').unwrap_or(tag.text);
    known.tags.insert(name.to_owned());
    if !is_tag(tag.text) {
        let hint = if is_tag(name) {
            format!("write \"{name}\"")
        } else {
            "a tag has letters, digits, `_`, `-` and `.`".to_owned()
        };
        findings.value(&tag.span, format!("{} cannot be a tag", quoted(tag.text)), hint);
        return None;
    }
    Some(RepositoryKind::Apk { tag: Some(tag.text.to_owned()) })
}

/// Whether it can stand after `@` in the name of a package.
pub(super) fn is_tag(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

/// A URL that goes too far down, as people copy them.
fn check_apk_location(url: &Text<'_>, findings: &Findings<'_>) {
    let path = url.text.trim_end_matches('/');
    if let Some(above) = path.strip_suffix("/APKINDEX.tar.gz") {
        let root = above.rsplit_once('/').map_or(above, |(root, _)| root);
        let message = format!("{} is an index, not a repository", quoted(url.text));
        findings.value(&url.span, message, format!("write \"{root}\", which has one for each architecture"));
    }
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
