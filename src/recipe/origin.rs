//! The distro that packages come from: `from`, and `arch`, `suites`, `keys` and `snapshot`, which refine it.

use std::path::{Path, PathBuf};

use super::Recipe;
use super::findings::Findings;
use super::problems::{Span, listed, quoted};
use super::reader::{Table, Text, Value};
use super::suggest::nearest;
use super::template::Template;
use crate::arch::Arch;
use crate::distro::{AlpineRelease, Distro, PackageFormat, Pocket};

/// What `from` and the keys that refine it say.
pub(super) struct Origin {
    /// Whether there is a `from`, understood or not.
    pub(super) given: bool,
    pub(super) from: Option<Distro>,
    /// The format of the distro's packages, known also where the release is not.
    pub(super) format: Option<PackageFormat>,
    pub(super) archs: Vec<Arch>,
    pub(super) pockets: Option<Vec<Pocket>>,
    pub(super) keys: Vec<PathBuf>,
    pub(super) snapshot: Option<String>,
}

impl Origin {
    /// Reads what a recipe says itself; `below` is its base.
    pub(super) fn read(table: &mut Table<'_>, dir: &Path, below: Option<&Recipe>) -> Self {
        let findings = table.findings;
        let inherited = below.and_then(|below| below.from);
        let from = table.take("from");
        let archs = table.take("arch");
        let suites = table.take("suites");
        let keys = table.take("keys");
        let snapshot = table.take("snapshot");
        let given = from.is_some();
        if !given && inherited.is_none() && !table.misspells("from") {
            for value in [&suites, &keys, &snapshot].into_iter().flatten() {
                let message = format!("{} means nothing without `from`", quoted(&value.key));
                findings.context(&value.key_span, message, "add `from = \"debian:trixie\"`, or leave it out");
            }
        }
        let text = from.and_then(|value| value.text());
        let from = text.as_ref().and_then(|text| read_from(text, findings));
        let format = text.as_ref().and_then(|text| format_of(text.text, from));
        if let (Some(below), Some(text), Some(own)) = (below, &text, from)
            && inherited != Some(own)
        {
            let message = match inherited {
                Some(inherited) => {
                    format!("the base `{}` is of {inherited}, not of {own}", below.path.display())
                }
                None => format!("the base `{}` has no `from`", below.path.display()),
            };
            findings.context(
                &text.span,
                message,
                "leave `from` out: it is the base's; or choose another base",
            );
        }
        let from = from.or(inherited);
        let format = format.or_else(|| below.map(Recipe::format));
        let misspells_keys = table.misspells("keys");
        if let Some(text) = text.filter(|_| from == Some(Distro::Wolfi) && keys.is_none() && !misspells_keys)
        {
            let hint = "add `keys = [\"wolfi-signing.rsa.pub\"]` with that file beside the recipe; the repository has it";
            findings.context(&text.span, "the keys of wolfi are not built in", hint);
        }
        let is_apk = format == Some(PackageFormat::Apk);
        if let Some(suites) = suites.as_ref().filter(|_| is_apk) {
            let hint = "leave it out: the whole release is used, main and community";
            findings.context(&suites.key_span, "a release of Alpine's kind has no suites", hint);
        }
        let said =
            [suites.as_ref(), snapshot.as_ref()].map(|value| value.map(|value| value.key_span.clone()));
        let arch_span = archs.as_ref().map(|value| value.span.clone());
        let snapshot = snapshot.and_then(|value| value.text());
        let origin = Origin {
            given,
            from,
            format,
            archs: archs.map(|value| read_archs(&value, from, findings)).unwrap_or_default(),
            pockets: suites.filter(|_| !is_apk).map(|value| read_suites(&value, from, findings)),
            keys: keys.map(|value| read_keys(&value, dir, findings)).unwrap_or_default(),
            snapshot: snapshot.and_then(|text| read_snapshot(&text, from, findings)),
        };
        if let Some(below) = below {
            origin.check_base(below, arch_span, said, findings);
        }
        origin
    }

    /// What refines `from` is the base's; and a base has all architectures of what stands on it.
    fn check_base(
        &self,
        below: &Recipe,
        archs: Option<Span>,
        [suites, snapshot]: [Option<Span>; 2],
        findings: &Findings<'_>,
    ) {
        let base = below.path.display();
        let differs = [
            (suites, self.pockets != below.pockets, "suites"),
            (snapshot, self.snapshot != below.snapshot, "snapshot"),
        ];
        for (span, differs, key) in differs {
            if let Some(span) = span.filter(|_| differs) {
                let message = format!("the base `{base}` says otherwise of `{key}`");
                findings.context(
                    &span,
                    message,
                    "leave it out: what packages come from is the base's to say",
                );
            }
        }
        let known = below.archs();
        if let (Some(span), Some(lacking)) = (archs, self.archs.iter().find(|arch| !known.contains(arch))) {
            let message = format!("the base `{base}` is not made for {lacking}");
            let hint = format!("it is made for {}", listed(known.iter().map(|arch| arch.name())));
            findings.context(&span, message, hint);
        }
    }
}

/// The format of a distro's packages, by its name where the release is not known.
fn format_of(name: &str, from: Option<Distro>) -> Option<PackageFormat> {
    let id = name.split(':').next().unwrap_or(name);
    let same_id = Distro::ALL.into_iter().find(|distro| distro.id() == id);
    from.or(same_id).map(Distro::format)
}

/// Reads `from`.
fn read_from(text: &Text<'_>, findings: &Findings<'_>) -> Option<Distro> {
    let name = text.text;
    if let Ok(distro) = name.parse() {
        return Some(distro);
    }
    let (id, release) = name.split_once(':').unwrap_or((name, ""));
    if id == "alpine" {
        let (message, hint) = not_alpine(name, release);
        findings.value(&text.span, message, hint);
        return None;
    }
    let known = Distro::names();
    let same_release = Distro::ALL
        .iter()
        .find(|distro| distro.id() == id && distro.version_id().is_some_and(|id| id == release));
    let hint = if let Some(distro) = same_release {
        format!("releases go by their code names: write \"{distro}\"")
    } else if id == "wolfi" {
        "it has no releases: write \"wolfi\"".to_owned()
    } else if let Some(near) = nearest(name, known.iter().map(String::as_str)).filter(|_| !release.is_empty())
    {
        format!("did you mean \"{near}\"?")
    } else {
        known_distros()
    };
    findings.value(&text.span, format!("{} is not a distro that rootforge knows", quoted(name)), hint);
    None
}

/// The presets, as a hint.
fn known_distros() -> String {
    let listing = listed(Distro::names().iter().map(String::as_str));
    format!("known are {}", listing.replace("`alpine:3.18`", "`alpine:3.18` and later"))
}

/// What is wrong with a name of Alpine's that is no preset, and what to do.
fn not_alpine(name: &str, release: &str) -> (String, String) {
    let unknown = format!("{} is not a distro that rootforge knows", quoted(name));
    let bare = release.strip_prefix('v').unwrap_or(release);
    let numbers: Vec<Option<u8>> = bare.split('.').map(|number| number.parse().ok()).collect();
    let branch = |minor: u8| format!("alpine:3.{minor}");
    match numbers[..] {
        _ if release.is_empty() || matches!(release, "latest" | "stable" | "latest-stable") => {
            let newest = Distro::ALL.into_iter().rev().find(|distro| {
                matches!(distro, Distro::Alpine(AlpineRelease::Stable { .. }))
            });
            let newest = newest.map(|distro| distro.to_string()).unwrap_or_default();
            (
                format!("{} names no release", quoted(name)),
                format!("write \"{newest}\", or another from \"alpine:3.18\" on, or \"alpine:edge\""),
            )
        }
        [Some(3), Some(minor), Some(_)] if branch(minor).parse::<Distro>().is_ok() => (
            format!("{} is a point release, of which repositories keep only the newest", quoted(name)),
            format!("write \"{}\"; the lock pins the versions", branch(minor)),
        ),
        [Some(0..3), ..] | [Some(3), Some(0..18), ..] => (
            format!("there is no preset for {}: the oldest is alpine:3.18", quoted(name)),
            "leave `from` out and give its repositories, each a `[[repository]]` of type \"apk\" with its `keys`"
                .to_owned(),
        ),
        [Some(3), Some(minor)] if branch(minor).parse::<Distro>().is_ok() => {
            (unknown, format!("write \"{}\"", branch(minor)))
        }
        _ => match nearest(release, ["edge"]) {
            Some(near) => (unknown, format!("did you mean \"alpine:{near}\"?")),
            None => (unknown, "releases are \"alpine:3.18\" and later, and \"alpine:edge\"".to_owned()),
        },
    }
}

/// Reads `arch`, against what the distro has.
fn read_archs(value: &Value<'_>, from: Option<Distro>, findings: &Findings<'_>) -> Vec<Arch> {
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
fn read_suites(value: &Value<'_>, from: Option<Distro>, findings: &Findings<'_>) -> Vec<Pocket> {
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
fn read_snapshot(text: &Text<'_>, from: Option<Distro>, findings: &Findings<'_>) -> Option<String> {
    if let Some(distro) = from
        && distro.archives(Arch::Amd64).iter().any(|archive| archive.snapshot_url().is_none())
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
    if value.is_empty_list() {
        findings.value(
            &value.span,
            "an empty list trusts nobody",
            "name the files with the keys, or leave it out",
        );
    }
    for key in &keys {
        if key.text.is_empty() {
            findings.value(&key.span, "this names no file", "name a file relative to the recipe's directory");
        }
        Template::new(key.text, &key.span).must_exist(dir, findings);
    }
    keys.iter().map(|key| PathBuf::from(key.text)).collect()
}
