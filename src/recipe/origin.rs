//! Where packages come from: `from`, `arch`, `suites`, `snapshot` and `[[repository]]`.

use std::path::{Path, PathBuf};

use super::problems::{Span, listed, quoted};
use super::reader::{Findings, Table, Text, Value};
use super::suggest::nearest;
use super::template::Template;
use crate::arch::Arch;
use crate::distro::{Distro, Pocket};

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

/// Reads `from`.
pub(super) fn read_from(text: &Text<'_>, findings: &Findings<'_>) -> Option<Distro> {
    let name = text.text;
    if let Ok(distro) = name.parse() {
        return Some(distro);
    }
    let (id, release) = name.split_once(':').unwrap_or((name, ""));
    let known: Vec<String> = Distro::ALL.iter().map(ToString::to_string).collect();
    let same_release = Distro::ALL
        .iter()
        .find(|distro| distro.id() == id && distro.version_id().is_some_and(|id| id == release));
    if matches!(id, "alpine" | "wolfi" | "chainguard") {
        let hint = format!("it can be {}", listed(known.iter().map(String::as_str)));
        findings.value(&text.span, format!("{} is not supported by this version", quoted(name)), hint);
        return None;
    }
    let hint = if let Some(distro) = same_release {
        format!("releases go by their code names: write \"{distro}\"")
    } else if let Some(near) = nearest(name, known.iter().map(String::as_str)).filter(|_| !release.is_empty())
    {
        format!("did you mean \"{near}\"?")
    } else {
        format!("known are {}", listed(known.iter().map(String::as_str)))
    };
    findings.value(&text.span, format!("{} is not a distro that rootforge knows", quoted(name)), hint);
    None
}

/// Reads `arch`, against what the distro has.
pub(super) fn read_archs(value: &Value<'_>, from: Option<Distro>, findings: &Findings<'_>) -> Vec<Arch> {
    let mut archs: Vec<Arch> = Vec::new();
    let texts = value.texts();
    if value.is_empty_array() {
        value.wrong("`arch` names no architecture", "leave it out for every one that the distro has");
    }
    for text in texts {
        let Ok(arch) = text.text.parse::<Arch>() else {
            let hint = arch_hint(text.text);
            findings.value(&text.span, format!("{} is not an architecture", quoted(text.text)), hint);
            continue;
        };
        if archs.contains(&arch) {
            findings.value(
                &text.span,
                format!("{} is named twice", quoted(text.text)),
                "leave one of them out",
            );
            continue;
        }
        if let Some(distro) = from
            && distro.arch_name(arch).is_none()
        {
            let has = Arch::ALL.into_iter().filter(|arch| distro.arch_name(*arch).is_some()).map(Arch::name);
            let hint = format!("it has {}", listed(has));
            findings.value(&text.span, format!("{distro} has no {arch}"), hint);
        }
        archs.push(arch);
    }
    archs
}

fn arch_hint(name: &str) -> String {
    let meant = match name {
        "x86_64" | "x86-64" | "x64" => Arch::Amd64,
        "aarch64" | "armv8" | "arm64v8" | "arm/v8" => Arch::Arm64,
        "i386" | "i486" | "i586" | "i686" | "x86" => Arch::I386,
        "ppc64el" | "powerpc64le" => Arch::Ppc64le,
        "armv7" | "armv7l" | "arm/v7" => Arch::Arm32v7,
        "armel" | "armv6" | "armv6l" | "arm/v6" => Arch::Arm32v6,
        "armhf" => return "Debian's armhf is `arm32v7`, Alpine's is `arm32v6`".to_owned(),
        _ => {
            let names = Arch::ALL.map(Arch::name);
            return match nearest(name, names) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("known are {}", listed(names)),
            };
        }
    };
    format!("architectures go by Docker's names: write \"{meant}\"")
}

/// Reads `suites`.
pub(super) fn read_suites(value: &Value<'_>, from: Option<Distro>, findings: &Findings<'_>) -> Vec<Pocket> {
    let mut pockets = Vec::new();
    let texts = value.texts();
    if value.is_empty_array() {
        value.wrong("`suites` names no suite", "leave it out for all of them");
    }
    for text in texts {
        let names = Pocket::ALL.map(Pocket::name);
        let Ok(pocket) = text.text.parse::<Pocket>() else {
            let hint = match nearest(text.text, names) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("known are {}", listed(names)),
            };
            findings.value(&text.span, format!("{} is no suite of a release", quoted(text.text)), hint);
            continue;
        };
        if let Some(distro) = from {
            let has = distro.suites(Arch::Amd64).iter().any(|suite| suite.pocket == pocket);
            if !has {
                let message = format!("{distro} has no {} suite", pocket.name());
                findings.value(&text.span, message, "leave it out");
            }
        }
        pockets.push(pocket);
    }
    pockets.sort_unstable();
    pockets.dedup();
    pockets
}

/// Reads `snapshot`: a time as the snapshot archive writes it.
pub(super) fn read_snapshot(
    text: &Text<'_>,
    from: Option<Distro>,
    findings: &Findings<'_>,
) -> Option<String> {
    if let Some(distro) = from
        && distro.suites(Arch::Amd64).iter().any(|suite| suite.archive.snapshot_url().is_none())
    {
        findings.value(&text.span, format!("{distro} has no snapshot archive"), "leave `snapshot` out");
    }
    if is_timestamp(text.text) {
        return Some(text.text.to_owned());
    }
    let message = format!("{} is no time of the snapshot archive", quoted(text.text));
    findings.value(
        &text.span,
        message,
        "write it in UTC as `YYYYMMDDTHHMMSSZ`, such as \"20261101T000000Z\"",
    );
    None
}

fn is_timestamp(text: &str) -> bool {
    let shape = text.len() == 16
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<i16>().ok());
    let small = |range| number(range).and_then(|number| i8::try_from(number).ok());
    let time = || {
        let (year, month, day) = (number(0..4)?, small(4..6)?, small(6..8)?);
        jiff::civil::DateTime::new(year, month, day, small(9..11)?, small(11..13)?, small(13..15)?, 0).ok()
    };
    shape && time().is_some()
}

/// Reads files with keys, which must exist.
pub(super) fn read_keys(value: &Value<'_>, dir: &Path, findings: &Findings<'_>) -> Vec<PathBuf> {
    let keys = value.texts();
    for key in &keys {
        if key.text.is_empty() {
            findings.value(&key.span, "this names no file", "name a file relative to the recipe's directory");
        }
        Template::new(key.text, &key.span).must_exist(dir, findings);
    }
    keys.iter().map(|key| PathBuf::from(key.text)).collect()
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
