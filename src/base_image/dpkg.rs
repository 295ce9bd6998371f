//! dpkg's databases: `/var/lib/dpkg/status` with `info/*.list`, as dpkg keeps them, and `status.d/*` with checksums, as
//! images without dpkg have them.
//!
//! A list of dpkg's own has every file that a package came with. Checksums have only files, and those of ours only what
//! was shipped, so they do not tell what is lacking.

use std::collections::{BTreeMap, BTreeSet};

use super::{DPKG_STATUS, InstalledPackage};
use crate::cache::ContentId;
use crate::catalog::Control;
use crate::deb::control::{Paragraph, paragraphs};
use crate::deb::relation::{Relation, parse};
use crate::digest::Digest;
use crate::root_path::RootPath;

const INFO: &str = "/var/lib/dpkg/info/";
const STATUS_D: &str = "/var/lib/dpkg/status.d/";
/// What dpkg remembers of diversions and of owners and modes, and what packages' scripts add to.
const REMEMBERED: [&str; 4] =
    ["/var/lib/dpkg/diversions", "/var/lib/dpkg/statoverride", "/etc/nsswitch.conf", "/etc/shells"];
/// The fields of relations that locks have.
const RELATIONS: [&str; 6] = ["Pre-Depends", "Depends", "Provides", "Conflicts", "Breaks", "Replaces"];
/// Fields that dpkg adds to what a package says of itself.
const OF_DPKG: [&str; 3] = ["Status", "Conffiles", "Config-Version"];

/// Whether packages are told by a file.
pub(super) fn is_database(path: &RootPath) -> bool {
    let text = path.as_str();
    text == DPKG_STATUS
        || REMEMBERED.contains(&text)
        || text.starts_with(STATUS_D)
        || (text.starts_with(INFO) && text.strip_suffix(".list").is_some())
}

/// The installed packages of an architecture; `is_ours` says that lists have what was shipped, not what there is.
pub(super) fn installed(
    texts: &BTreeMap<RootPath, Vec<u8>>,
    deb_arch: &str,
    is_ours: bool,
) -> BTreeMap<String, InstalledPackage> {
    let text = |path: &str| {
        let bytes = texts.get(&RootPath::parse(path).ok()?)?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    };
    let mut installed = BTreeMap::new();
    for (path, bytes) in texts {
        let Some(file) = path.as_str().strip_prefix(STATUS_D).filter(|name| !name.contains(".md5sums"))
        else {
            continue;
        };
        let status = String::from_utf8_lossy(bytes);
        let Some(mut package) = paragraphs(&status).next().and_then(|one| package(&one, deb_arch)) else {
            continue;
        };
        if let Some(sums) = text(&format!("{STATUS_D}{file}.md5sums")) {
            let paths = sums.lines().filter_map(|line| RootPath::parse(line.split_once("  ")?.1).ok());
            package.listed = paths.collect();
            package.control.members.insert("md5sums".to_owned(), sums.into_bytes());
        }
        installed.insert(package.name.clone(), package);
    }
    let status = text(DPKG_STATUS).unwrap_or_default();
    for paragraph in paragraphs(&status).filter(is_installed) {
        let Some(mut package) = package(&paragraph, deb_arch) else { continue };
        let files = [package.name.clone(), format!("{}:{}", package.name, package.architecture)];
        let list = files.iter().find_map(|name| text(&format!("{INFO}{name}.list")));
        package.is_whole = list.is_some() && !is_ours;
        let list = list.unwrap_or_default();
        package.listed = list.lines().filter_map(|line| RootPath::parse(line).ok()).collect();
        package.listed.remove(&RootPath::root());
        installed.insert(package.name.clone(), package);
    }
    let met = trimmed(&installed, deb_arch);
    for (name, relations) in met {
        if let Some(package) = installed.get_mut(&name) {
            package.relations = relations;
        }
    }
    installed
}

/// Whether dpkg has the package's files in place.
fn is_installed(paragraph: &Paragraph<'_>) -> bool {
    let state = paragraph.field("Status").and_then(|status| status.split_whitespace().nth(2));
    state.is_some_and(|state| !matches!(state, "not-installed" | "config-files"))
}

/// A package of the architecture, or of all.
fn package(paragraph: &Paragraph<'_>, deb_arch: &str) -> Option<InstalledPackage> {
    let field = |name: &str| paragraph.field(name).map(unfolded).filter(|value| !value.is_empty());
    let (name, version) = (field("Package")?, field("Version")?);
    let architecture = field("Architecture")?;
    if architecture != "all" && architecture != deb_arch {
        return None;
    }
    let source = field("Source").and_then(|source| source.split([' ', '(']).next().map(str::to_owned));
    let text: String = paragraph
        .fields()
        .filter(|(field, _)| !OF_DPKG.iter().any(|one| one.eq_ignore_ascii_case(field)))
        .map(|(field, value)| format!("{field}: {value}\n"))
        .collect();
    let relations = RELATIONS.iter().filter_map(|name| Some(((*name).to_owned(), field(name)?)));
    Some(InstalledPackage {
        content: ContentId::Sha256(Digest::of(text.as_bytes())),
        size: 0,
        source: source.unwrap_or_else(|| name.clone()),
        essential: field("Essential").as_deref() == Some("yes"),
        multi_arch: field("Multi-Arch").filter(|value| value != "no"),
        relations: relations.collect(),
        control: Control { text, members: BTreeMap::new() },
        listed: BTreeSet::new(),
        marks: BTreeMap::new(),
        is_whole: false,
        name,
        version,
        architecture,
    })
}

/// The relations of each package, less the dependencies that the image does without.
fn trimmed(
    installed: &BTreeMap<String, InstalledPackage>,
    deb_arch: &str,
) -> Vec<(String, BTreeMap<String, String>)> {
    let mut provided: BTreeMap<String, Vec<Option<String>>> = BTreeMap::new();
    for package in installed.values() {
        let provides = package.relations.get("Provides").map_or("", String::as_str);
        for one in parse(provides, deb_arch).unwrap_or_default().into_iter().flatten() {
            provided.entry(one.name).or_default().push(one.version.map(|(_, version)| version));
        }
    }
    let is_met = |relation: &Relation| {
        let has = |version: Option<&str>| match version {
            None => relation.version.is_none(),
            Some(version) => relation.accepts(version),
        };
        installed.get(&relation.name).is_some_and(|package| has(Some(&package.version)))
            || provided.get(&relation.name).is_some_and(|all| all.iter().any(|one| has(one.as_deref())))
    };
    let of = |package: &InstalledPackage| {
        let mut relations = package.relations.clone();
        for field in ["Pre-Depends", "Depends"] {
            let Some(text) = relations.remove(field) else { continue };
            let clauses = text.split(',').map(str::trim).filter(|clause| {
                parse(clause, deb_arch).is_ok_and(|all| all.iter().all(|clause| clause.iter().any(is_met)))
            });
            let kept = clauses.collect::<Vec<_>>().join(", ");
            if !kept.is_empty() {
                relations.insert(field.to_owned(), kept);
            }
        }
        (package.name.clone(), relations)
    };
    installed.values().map(of).collect()
}

/// A field's value on one line (Debian Policy 5.1).
fn unfolded(value: &str) -> String {
    value.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(files: &[(&str, &str)]) -> BTreeMap<RootPath, Vec<u8>> {
        files.iter().map(|(path, text)| (RootPath::parse(path).unwrap(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn both_databases_are_read() {
        let status = "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\
                      Depends: b (>= 2) | c, gone, v (= 3)\nConffiles:\n /etc/a 00\n\n\
                      Package: b\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 3\n\n\
                      Package: f\nStatus: install ok installed\nArchitecture: i386\nVersion: 3\n\n";
        let files = [
            (DPKG_STATUS, status),
            ("/var/lib/dpkg/info/a.list", "/.\n/usr\n/usr/bin/a\n"),
            ("/var/lib/dpkg/status.d/c", "Package: c\nArchitecture: all\nVersion: 1\nProvides: v (= 3)\n"),
            ("/var/lib/dpkg/status.d/c.md5sums", "00  usr/share/c\n"),
        ];
        let found = installed(&texts(&files), "amd64", false);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(found["a"].relations["Depends"], "b (>= 2) | c, v (= 3)");
        assert!(found["a"].is_whole && !found["c"].is_whole);
        assert_eq!(
            found["a"].listed.iter().map(RootPath::as_str).collect::<Vec<_>>(),
            ["/usr", "/usr/bin/a"]
        );
        assert_eq!(found["c"].listed.iter().map(RootPath::as_str).collect::<Vec<_>>(), ["/usr/share/c"]);
        assert!(
            !found["a"].control.text.contains("Status") && !found["a"].control.text.contains("Conffiles")
        );
        assert!(!installed(&texts(&files), "amd64", true)["a"].is_whole);
    }
}
