//! dpkg's database, for an image in which dpkg itself works: `/var/lib/dpkg/status` and `info/*`, format 1
//! (deb-control(5), dpkg-query(1); `lib/dpkg` names the files).
//!
//! It tells what is there: a package's list holds the paths that got in, and the directories above them. Left out:
//! the checksums of conffiles in `status`, without which dpkg asks about a changed conffile where it might know.

use std::collections::BTreeSet;

use crate::deb::control;
use crate::root_path::RootPath;

use super::dependencies::{Installed, met};
use super::{PackageRecord, cut_checksums, status_paragraph};
use crate::render::{Made, MadeFile, fixed};

/// The files of a package's control part that dpkg keeps, and whether they are programs.
const KEPT: [(&str, bool); 11] = [
    ("conffiles", false),
    ("config", true),
    ("postinst", true),
    ("postrm", true),
    ("preinst", true),
    ("prerm", true),
    ("shlibs", false),
    ("symbols", false),
    ("templates", false),
    ("triggers", false),
    ("md5sums", false),
];

/// The database of everything that is in the image. `given` is the `status` of a base image, to which packages are
/// added. `canonical` leads a path through the links of the merged `/usr`.
pub fn database(
    packages: &[PackageRecord<'_>],
    given: Option<&str>,
    canonical: impl Fn(&RootPath) -> RootPath,
) -> Made {
    let mut made = Made::new();
    let mut add = |path: RootPath, mode: u32, content: Vec<u8>| {
        made.insert(path.clone(), MadeFile::file(path, mode, content));
    };
    let info = fixed("/var/lib/dpkg/info");
    let mut status = given.map_or(String::new(), |text| format!("{}\n\n", text.trim_end()));
    let known: BTreeSet<&str> =
        given.map(control::paragraphs).into_iter().flatten().filter_map(|one| one.field("Package")).collect();
    if status.trim().is_empty() {
        status.clear();
    }
    let added = packages.iter().filter(|record| !known.contains(record.package.name.as_str()));
    let added: Vec<String> =
        added.map(|record| status_paragraph(&record.package.manifest.control.text)).collect();
    let all = format!("{status}{}", added.join("\n"));
    let installed = Installed::of(&all);
    for paragraph in &added {
        status.push_str(&met(paragraph, &installed));
        status.push('\n');
    }
    for record in packages {
        let text = &record.package.manifest.control.text;
        let name = file_name(&record.package.name, text);
        let mut keep = |extension: &str, mode: u32, content: Vec<u8>| {
            if let Ok(path) = info.join(&format!("{name}.{extension}")) {
                add(path, mode, content);
            }
        };
        keep("list", 0o644, list(record).into_bytes());
        for (member, is_program) in KEPT {
            let Some(content) = record.package.manifest.control.members.get(member) else { continue };
            let content = if member == "md5sums" {
                let sums = String::from_utf8_lossy(content);
                cut_checksums(&sums, &record.shipped, &canonical).into_bytes()
            } else {
                content.clone()
            };
            keep(member, if is_program { 0o755 } else { 0o644 }, content);
        }
    }
    add(fixed("/var/lib/dpkg/info/format"), 0o644, b"1\n".to_vec());
    add(fixed("/var/lib/dpkg/status"), 0o644, status.into_bytes());
    made
}

/// What dpkg calls a package's files: packages of which several architectures can be installed have theirs in it.
fn file_name(package: &str, text: &str) -> String {
    let paragraph = control::paragraphs(text).next();
    let field = |name: &str| paragraph.as_ref().and_then(|paragraph| paragraph.field(name));
    match (field("Multi-Arch"), field("Architecture")) {
        (Some("same"), Some(arch)) => format!("{package}:{arch}"),
        _ => package.to_owned(),
    }
}

/// The shipped paths of a package and the directories above them, in order; dpkg writes the root as `/.`.
fn list(record: &PackageRecord<'_>) -> String {
    let mut paths: BTreeSet<RootPath> = BTreeSet::new();
    for path in &record.shipped {
        paths.extend(std::iter::successors(Some((*path).clone()), RootPath::parent));
    }
    paths.remove(&RootPath::root());
    std::iter::once("/.\n".to_owned()).chain(paths.iter().map(|path| format!("{path}\n"))).collect()
}
