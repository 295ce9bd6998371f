//! Packages in a table, and the layer that each is in.

use std::path::PathBuf;
use std::sync::Arc as Shared;

use super::*;
use crate::apk::archive::Marks;
use crate::arch::Arch;
use crate::cache::ContentId;
use crate::catalog::{Control, Manifest, MergedUsr, PackageFiles};
use crate::elf::{ElfFacts, ElfKind};
use crate::select::{Reason, Selected};
use crate::tarball::{Entry, Metadata};

/// `name source`, marks of it (`named`, `essential`, `on-demand`), and files: `path`, `path=BYTES`, `path!` for an ELF
/// file, `path!LOADER` for a program.
type Row<'a> = (&'a str, &'a str, &'a [&'a str]);

const LIBC: Row<'_> = ("libc6 glibc", "", &["/usr/lib/ld.so!", "/usr/lib/libc.so.6!"]);
const APP: Row<'_> = ("app app", "named", &["/usr/bin/app!/usr/lib/ld.so"]);

fn facts(interp: &str) -> ElfFacts {
    let kind = if interp.is_empty() { ElfKind::SharedObject } else { ElfKind::Executable };
    let interp = Some(interp.to_owned()).filter(|interp| !interp.is_empty());
    ElfFacts { interp, ..ElfFacts::bare(Arch::Amd64.elf_machine(), kind) }
}

fn file(index: u32, text: &str) -> CataloguedFile {
    let (text, elf) = match text.split_once('!') {
        Some((path, interp)) => (path, Some(Shared::new(facts(interp)))),
        None => (text, None),
    };
    let (path, size) = text.split_once('=').map_or((text, 1), |(path, size)| (path, size.parse().unwrap()));
    let metadata = Metadata { mode: 0o644, ..Metadata::default() };
    let kind = EntryKind::File { size };
    let entry = Entry { path: RootPath::parse(path).unwrap(), metadata, kind };
    CataloguedFile { entry, index, elf, shebang: None, damaged_elf: None, marks: Marks::default() }
}

/// Each package with the name of its layer.
fn layers(rows: &[Row<'_>], budget: usize) -> BTreeMap<String, String> {
    let mut catalog = FileCatalog::new(MergedUsr::new(&[]));
    let mut locked = Vec::new();
    let (mut named, mut on_demand) = (BTreeSet::new(), BTreeSet::new());
    for (names, marks, files) in rows {
        let (name, source) = names.split_once(' ').unwrap();
        let files = files.iter().zip(0..).map(|(text, index)| file(index, text)).collect();
        let content = ContentId::Sha256(Digest::of(name.as_bytes()));
        let manifest = Shared::new(Manifest { files, control: Control::default() });
        let (name, version) = (name.to_owned(), "1".to_owned());
        let archive = PathBuf::from("none.deb");
        catalog
            .insert(PackageFiles {
                name: name.clone(),
                version,
                content,
                archive,
                manifest,
                cache: None,
                kept: None,
                source: None,
                is_outline: false,
            })
            .unwrap();
        if marks.contains("named") {
            named.insert(name.clone());
        }
        if marks.contains("on-demand") {
            on_demand.insert(names.split_once(' ').unwrap().0);
        }
        locked.push(LockedPackage {
            arch: Arch::Amd64,
            name,
            version: "1".to_owned(),
            architecture: "amd64".to_owned(),
            source: source.to_owned(),
            layer: None,
            on_demand: false,
            in_image: false,
            essential: marks.contains("essential"),
            multi_arch: None,
            repository: None,
            path: String::new(),
            size: 1,
            content: ContentId::Sha256(Digest::of(b"")),
            relations: BTreeMap::new(),
            requires: Vec::new(),
        });
    }
    let packages: BTreeMap<&str, &LockedPackage> =
        locked.iter().map(|one| (one.name.as_str(), one)).collect();
    let mut selected = SelectedLayer::default();
    for (path, files) in catalog.paths() {
        selected.files.insert(path.clone(), Selected { file: files[0], reason: Reason::All });
    }
    let inputs = Grouped {
        selected: &selected,
        catalog: &catalog,
        packages: &packages,
        named: &named,
        on_demand: &on_demand,
    };
    let grouping = Grouping::of(inputs, budget);
    let layer = |name: &String| Some((name.clone(), grouping.name(grouping.of_package(name)?)));
    locked.iter().filter_map(|one| layer(&one.name)).collect()
}

#[test]
fn packages_by_what_they_are() {
    for (row, expected) in [
        (("zone tz", "", &["/usr/share/zoneinfo/UTC"][..]), "skeleton"),
        (("certificates c", "named on-demand", &["/usr/share/ca-certificates/x"]), "skeleton"),
        (("base-files base-files", "named", &["/usr/lib/os-release", "/etc/issue"]), "skeleton"),
        (("passwd-masters p", "named essential", &["/usr/share/base-passwd/passwd.master"]), "skeleton"),
        (("papers libx", "", &["/usr/share/doc/papers/copyright"]), "run-time"),
        (("libx libx", "", &["/usr/lib/libx.so.1!"]), "run-time"),
        (("modules perl", "", &["/usr/share/perl5/A.pm"]), "run-time"),
        (("shell bash", "named essential", &["/usr/bin/bash!/usr/lib/ld.so"]), "interpreters"),
        (("python python", "", &["/usr/bin/python!/usr/lib/ld.so", "/usr/lib/python/a.py"]), "interpreters"),
        (("conversions glibc", "", &["/usr/lib/gconv/x.so!"]), "libc"),
        (("site site", "named", &["/srv/index.html"]), "application"),
        (("data data", "named", &["/usr/share/data/x"]), "application"),
        (("app-common app", "", &["/usr/share/app/x"]), "application"),
    ] {
        let name = row.0.split(' ').next().unwrap();
        let found = layers(&[LIBC, APP, row], 8);
        assert_eq!(found[name], expected, "{name}");
        assert_eq!(
            (found["libc6"].as_str(), found["app"].as_str()),
            ("libc", "application"),
            "beside {name}"
        );
    }
}

#[test]
fn a_small_budget_puts_neighbours_together() {
    let rows = [
        LIBC,
        APP,
        ("zone tz", "", &["/usr/share/zoneinfo/UTC"]),
        ("x x", "", &["/usr/lib/x!"]),
        ("sh sh", "", &["/usr/bin/sh!"]),
    ];
    for (budget, expected) in [
        (1, ["all", "all", "all", "all", "all"]),
        (2, ["packages", "packages", "packages", "packages", "packages"]),
        (3, ["run-time", "run-time", "run-time", "run-time", "application"]),
        (4, ["libc", "libc", "run-time", "run-time", "application"]),
        (5, ["skeleton", "libc", "run-time", "run-time", "application"]),
        (6, ["skeleton", "libc", "run-time", "interpreters", "application"]),
    ] {
        let found = layers(&rows, budget);
        assert_eq!(
            ["zone", "libc6", "x", "sh", "app"].map(|name| found[name].as_str()),
            expected,
            "{budget}"
        );
    }
}

#[test]
fn large_sources_have_layers_of_their_own_as_far_as_the_budget_goes() {
    let names: Vec<String> = (0..40).map(|number| format!("lib{number} src{number}")).collect();
    let size = format!("/usr/lib/NAME={LARGE}");
    let files: Vec<String> = names.iter().map(|name| size.replace("NAME", &name.replace(' ', "-"))).collect();
    let files: Vec<[&str; 1]> = files.iter().map(|file| [file.as_str()]).collect();
    let rows: Vec<Row<'_>> =
        names.iter().zip(&files).map(|(name, file)| (name.as_str(), "", &file[..])).collect();
    let counts = |budget: usize| {
        let found = layers(&[&[LIBC, APP][..], &rows].concat(), budget);
        found.values().collect::<BTreeSet<_>>().len()
    };
    // libc, application, and those of large ones.
    assert_eq!([5, 6, 7, 10].map(counts), [3, 3, 3, 4]);
    assert!(counts(100) > 15);
    for budget in 1..=100 {
        assert!(counts(budget) <= budget);
        // One more layer takes from the others and moves nothing between them.
        let (before, after) = (layers(&rows, budget), layers(&rows, budget + 1));
        let moved = after.iter().filter(|(name, layer)| before[*name] != **layer);
        let to: BTreeSet<&String> = moved.map(|(_, layer)| layer).collect();
        assert!(budget < 5 || to.len() <= 1, "{budget}: {to:?}");
    }
}

#[test]
fn nobody_makes_room_for_anybody() {
    let rows: Vec<Row<'_>> = vec![
        LIBC,
        APP,
        ("zone tz", "", &["/usr/share/zoneinfo/UTC"]),
        ("a a", "", &["/usr/lib/a!"]),
        ("b b", "", &["/usr/lib/b=5000000"]),
        ("c c", "", &["/usr/lib/c=9000000"]),
        ("d d", "named", &["/usr/bin/d=9000000"]),
    ];
    for budget in [5, 6, 8, 20] {
        let before = layers(&rows, budget);
        for (at, (names, marks, _)) in rows.iter().enumerate() {
            let name = names.split(' ').next().unwrap();
            for files in [&["/usr/lib/new=50000000"][..], &["/usr/share/new=1"], &["/usr/lib/new!"]] {
                let mut updated = rows.clone();
                updated[at] = (names, marks, files);
                let mut after = layers(&updated, budget);
                after.insert(name.to_owned(), before[name].clone());
                assert_eq!(after, before, "{name} {files:?}");
            }
            let mut without = rows.clone();
            without.remove(at);
            let mut after = layers(&without, budget);
            after.insert(name.to_owned(), before[name].clone());
            assert_eq!(after, before, "without {name}");
        }
    }
}
