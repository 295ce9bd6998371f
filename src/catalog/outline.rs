//! What a package of Debian's kind tells of its files without its data: `md5sums` and `conffiles` name the regular ones,
//! `shlibs` the libraries (Debian Policy 8.6). That is a page or two at the start of the archive, where the data is
//! megabytes.
//!
//! It is enough for a package that has libraries, until something needs one of them. Links and directories are not in
//! it, but for the links by which the libraries are found. Where something is sought in vain, all of such a package is
//! looked into before that is told. What nobody misses goes unseen: a link to a file of such a package whose path, or
//! another name of its library, stands in a program that is not linked with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::scan::{PackageArchive, judge};
use super::{
    CatalogError, CataloguedFile, Control, Manifest, ManifestKind, ManifestStore, MergedUsr, PackageFiles,
};
use crate::apk::archive::Marks;
use crate::cache::ContentId;
use crate::deb::archive::read_control;
use crate::elf::{ElfFacts, ElfKind};
use crate::loader::Search;
use crate::root_path::RootPath;
use crate::tarball::{Entry, EntryKind, Metadata};

/// Control files as they are stored, in no order that means anything.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    /// The text of `control`.
    text: String,
    /// The regular files.
    files: Vec<RootPath>,
    /// Of each library the names that it may have.
    libraries: Vec<[String; 2]>,
}

/// The outline of a package of which one is enough: none where the package does not say that it has libraries on the
/// loader's path, and where they are.
pub(super) fn outline(
    archive: &PackageArchive,
    merged_usr: &MergedUsr,
    search: &Search,
    store: &dyn ManifestStore,
) -> Result<Option<PackageFiles>, CatalogError> {
    if matches!(archive.content, ContentId::Apk(_)) {
        return Ok(None);
    }
    let Some(Told { text, files, libraries }) = told(archive, store) else { return Ok(None) };
    let files: BTreeSet<RootPath> = files.iter().map(|path| merged_usr.canonical(path)).collect();
    let Some(files) = listed(&files, &libraries, search) else { return Ok(None) };
    let manifest = Manifest { files, control: Control { text, ..Control::default() } };
    judge(archive, &manifest)?;
    Ok(Some(PackageFiles {
        name: archive.name.clone(),
        version: archive.version.clone(),
        content: archive.content,
        archive: archive.path.clone(),
        manifest: Arc::new(manifest),
        kept: None,
        cache: None,
        source: None,
        is_outline: true,
    }))
}

/// What the control files say: stored, or read and stored.
fn told(archive: &PackageArchive, store: &dyn ManifestStore) -> Option<Told> {
    let stored = store.load(ManifestKind::Outline, &archive.content.key());
    if let Some(told) = stored.and_then(|bytes| postcard::from_bytes(&bytes).ok()) {
        return told;
    }
    // Where something is wrong with it, whoever lists all of it will say so.
    let before = archive.stamp_of_named()?;
    let control = read_control(&archive.path).ok()?;
    let told = tell(&Control::from(control));
    if before.is_at(&archive.path)
        && let Ok(bytes) = postcard::to_stdvec(&told)
    {
        store.store(ManifestKind::Outline, &archive.content.key(), &bytes);
    }
    told
}

fn tell(control: &Control) -> Option<Told> {
    let libraries: Vec<[String; 2]> =
        control.member("shlibs")?.lines().filter_map(names_of_library).collect();
    let sums = control.member("md5sums")?;
    // "HEX  PATH", without a slash in front; conffiles are in a list of their own.
    let sums = sums.lines().filter_map(|line| line.split_once("  ")).map(|(_, path)| path.to_owned());
    let conffiles = control.member("conffiles").unwrap_or_default();
    // Other lines are of files that go when a package is upgraded (`remove-on-upgrade`).
    let conffiles = conffiles.lines().filter(|line| line.starts_with('/')).map(|line| line.trim().to_owned());
    let files = sums.chain(conffiles).filter_map(|path| RootPath::parse(&path).ok()).collect();
    (!libraries.is_empty()).then_some(Told { text: control.text.clone(), files, libraries })
}

/// The names that a line of `shlibs` may mean: `[TYPE:] NAME VERSION DEPENDENCIES` is of NAME.so.VERSION or
/// NAME-VERSION.so. What is of a type is for packages of that type (the installer's).
fn names_of_library(line: &str) -> Option<[String; 2]> {
    let mut words = line.split_whitespace().filter(|_| !line.starts_with('#'));
    let name = words.next().filter(|first| !first.ends_with(':'))?;
    let version = words.next()?;
    Some([format!("{name}.so.{version}"), format!("{name}-{version}.so")])
}

/// The files, and links to those that are libraries by the names that are asked for; none where one of the libraries is
/// not found.
fn listed(
    files: &BTreeSet<RootPath>,
    libraries: &[[String; 2]],
    search: &Search,
) -> Option<Vec<CataloguedFile>> {
    let entry = |path: RootPath, kind| CataloguedFile {
        entry: Entry { path, kind, metadata: Metadata::default() },
        index: u32::MAX,
        elf: None,
        shebang: None,
        damaged_elf: None,
        marks: Marks::default(),
    };
    let (mut all, mut found) = (Vec::new(), BTreeSet::new());
    for path in files {
        let name = path.file_name();
        let is_of = |soname: &&String| name.strip_prefix(soname.as_str()).is_some_and(is_rest_of_version);
        let mut of = libraries.iter().filter(|_| search.in_default_dirs(path));
        let library = of.find_map(|names| Some((names, names.iter().find(is_of)?)));
        let bare = || ElfFacts::bare(search.machine(), ElfKind::SharedObject);
        let elf = library.map(|(_, soname)| Arc::new(ElfFacts { soname: Some(soname.clone()), ..bare() }));
        all.push(CataloguedFile { elf, ..entry(path.clone(), EntryKind::File { size: 0 }) });
        if let Some((names, soname)) = library {
            found.insert(names);
            let link = path.parent().and_then(|parent| parent.join(soname).ok());
            if let Some(link) = link.filter(|link| !files.contains(link)) {
                all.push(entry(link, EntryKind::Symlink { target: name.to_owned() }));
            }
        }
    }
    libraries.iter().all(|names| found.contains(names)).then_some(all)
}

/// What follows a library's name in that of its file, if anything does: `.37.100`.
fn is_rest_of_version(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Arch;

    fn control(members: &[(&str, &str)]) -> Control {
        let members = members.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
        Control { text: "Package: libx1\n".to_owned(), members: members.collect() }
    }

    /// The paths, and what those are that are more than a file.
    fn outlined(members: &[(&str, &str)]) -> Option<Vec<String>> {
        let Told { files, libraries, .. } = tell(&control(members))?;
        let search = Search::glibc(Arch::Amd64.elf_machine(), "x86_64-linux-gnu", Vec::new());
        let listed = listed(&files.into_iter().collect(), &libraries, &search)?;
        let shown = listed.into_iter().map(|file| match (file.entry.kind, file.elf) {
            (EntryKind::Symlink { target }, _) => format!("{} -> {target}", file.entry.path),
            (_, Some(facts)) => format!("{}: {}", file.entry.path, facts.soname.clone().unwrap()),
            _ => file.entry.path.to_string(),
        });
        Some(shown.collect())
    }

    #[test]
    fn control_files_tell_of_libraries() {
        let sums = "00  usr/lib/x86_64-linux-gnu/libx.so.1.2\n00  usr/share/x\n\
                    00  usr/lib/x86_64-linux-gnu/libdb-5.3.so\n00  usr/lib/x86_64-linux-gnu/x/libx.so.1\n";
        let shlibs = "# of debhelper\nudeb: libx 1 libx1-udeb\nlibx 1 libx1 (>= 1)\nlibdb 5.3 libdb5.3\n";
        let told = outlined(&[
            ("md5sums", sums),
            ("shlibs", shlibs),
            ("conffiles", "/etc/x.conf\nremove-on-upgrade /etc/y\n"),
        ]);
        assert_eq!(
            told.unwrap(),
            [
                "/etc/x.conf",
                "/usr/lib/x86_64-linux-gnu/libdb-5.3.so: libdb-5.3.so",
                "/usr/lib/x86_64-linux-gnu/libx.so.1.2: libx.so.1",
                "/usr/lib/x86_64-linux-gnu/libx.so.1 -> libx.so.1.2",
                "/usr/lib/x86_64-linux-gnu/x/libx.so.1",
                "/usr/share/x",
            ]
        );
    }

    #[test]
    fn what_does_not_tell_all_of_its_libraries_has_no_outline() {
        let sums = ("md5sums", "00  usr/lib/x86_64-linux-gnu/libx.so.1\n00  usr/lib/libx.so.12\n");
        assert!(outlined(&[sums, ("shlibs", "libx 1 x\n")]).is_some());
        for members in [
            &[sums][..],
            &[("shlibs", "libx 1 x\n")],
            &[sums, ("shlibs", "")],
            // Another version, one that only begins like it, and a directory that the loader does not look into.
            &[sums, ("shlibs", "libx 2 x\n")],
            &[sums, ("shlibs", "libx 1 x\nliby 1 x\n")],
            &[("md5sums", "00  usr/lib/libx.so.12\n"), ("shlibs", "libx 1 x\n")],
            &[("md5sums", "00  usr/lib/x/libx.so.1\n"), ("shlibs", "libx 1 x\n")],
        ] {
            assert_eq!(outlined(members), None, "{members:?}");
        }
    }
}
