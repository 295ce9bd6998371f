use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use tempfile::TempDir;

use super::*;
use crate::arch::{Arch, ElfMachine};
use crate::cache::{Lookup, Stamp};
use crate::hint::Hint as _;
use crate::loader::{self, Search};
use crate::tarball::{Metadata, Writer};

#[path = "../formats/elf/sample.rs"]
mod sample;

use sample::Sample;

fn path(text: &str) -> RootPath {
    RootPath::parse(text).unwrap()
}

/// A data tarball: name, kind, content.
fn data(files: &[(&str, EntryKind, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (name, kind, content) in files {
        let metadata = Metadata { mode: 0o755, mtime: 1, ..Metadata::default() };
        let kind = match kind {
            EntryKind::File { .. } => EntryKind::File { size: content.len() as u64 },
            kind => kind.clone(),
        };
        writer.append(&Entry { path: path(name), metadata, kind }, &mut &content[..]).unwrap();
    }
    writer.finish().unwrap()
}

const FILE: EntryKind = EntryKind::File { size: 0 };

fn symlink(target: &str) -> EntryKind {
    EntryKind::Symlink { target: target.to_owned() }
}

fn hard_link(target: &str) -> EntryKind {
    EntryKind::HardLink { target: path(target) }
}

fn deb(dir: &Path, name: &str, files: &[(&str, EntryKind, &[u8])]) -> PackageArchive {
    deb_saying(dir, name, "", files)
}

fn deb_saying(dir: &Path, name: &str, more: &str, files: &[(&str, EntryKind, &[u8])]) -> PackageArchive {
    let control = data(&[("control", FILE, format!("Package: {name}\n{more}").as_bytes())]);
    let mut bytes = b"!<arch>\n".to_vec();
    for (member, content) in
        [("debian-binary", b"2.0\n".to_vec()), ("control.tar", control), ("data.tar", data(files))]
    {
        bytes.extend(
            format!("{member:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len()).bytes(),
        );
        bytes.extend(content);
    }
    let file = dir.join(format!("{name}.deb"));
    std::fs::write(&file, &bytes).unwrap();
    PackageArchive {
        name: name.into(),
        version: "1".into(),
        content: Digest::of(&bytes).into(),
        path: file,
        compared: None,
    }
}

#[test]
fn a_package_that_replaces_owns_what_both_have() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let shared: &[(&str, EntryKind, &[u8])] = &[("./usr/share/x", FILE, b"x")];
    let archives = [
        deb(dir, "a", shared),
        deb_saying(dir, "b", "Replaces: other, a (<< 2)\n", shared),
        deb_saying(dir, "c", "Replaces: b\n", shared),
    ];
    for (count, owner) in [(1, "a"), (2, "b")] {
        let mut catalog = FileCatalog::new(merged());
        for package in catalogue(&archives[..count], &merged(), &()).unwrap() {
            catalog.insert(package).unwrap();
        }
        catalog.order_owners();
        assert_eq!(catalog.get(catalog.at(&path("/usr/share/x"))[0]).0.name, owner);
    }
    let all = catalogue(&archives, &merged(), &()).unwrap();
    assert_eq!(
        (all[2].replaces(&all[1]), all[2].replaces(&all[0]), all[0].replaces(&all[1])),
        (Some(0), None, None)
    );
}

fn merged() -> MergedUsr {
    MergedUsr::new(&[("bin", "usr/bin"), ("lib", "usr/lib")])
}

fn one(files: &[(&str, EntryKind, &[u8])]) -> (TempDir, PackageFiles) {
    let dir = TempDir::new().unwrap();
    let archive = deb(dir.path(), "a", files);
    let package = catalogue(&[archive], &merged(), &()).unwrap().remove(0);
    (dir, package)
}

#[test]
fn first_bytes_tell_what_a_file_is() {
    let elf = Sample::library(Arch::S390x, "liba.so.1", &["libc.so.6"]).bytes();
    let long = format!("#!/bin/{}", "x".repeat(900));
    let (_dir, package) = one(&[
        ("usr/", EntryKind::Directory, b""),
        ("usr/a", FILE, &elf),
        ("usr/b", hard_link("usr/a"), b""),
        ("usr/c", FILE, &elf[..elf.len() - 4]),
        ("usr/d", FILE, b"#!  /bin/sh -e \nexit"),
        ("usr/e", FILE, long.as_bytes()),
        ("usr/f", FILE, b"text"),
        ("usr/g", FILE, b""),
    ]);
    let files = &package.manifest.files;
    let facts = files[1].elf.as_ref().unwrap();
    assert_eq!((facts.machine, facts.soname.as_deref()), (Arch::S390x.elf_machine(), Some("liba.so.1")));
    assert_eq!(files[2].elf.as_ref(), Some(facts));
    assert_eq!(files[3].damaged_elf.as_deref(), Some("the dynamic section lies outside the file"));
    assert_eq!(files[4].shebang.as_deref(), Some("/bin/sh -e"));
    assert_eq!(files[5].shebang.as_ref().unwrap().len(), 256);
    for file in [&files[0], &files[6], &files[7]] {
        assert!(file.elf.is_none() && file.shebang.is_none() && file.damaged_elf.is_none());
    }
    assert_eq!(package.manifest.control.text, "Package: a\n");
}

#[test]
fn paths_are_canonical_and_positions_are_the_tarballs() {
    let (_dir, package) = one(&[
        ("lib/", EntryKind::Directory, b""),
        ("bin", symlink("usr/bin"), b""),
        ("lib/x/liba.so.1", FILE, b"a"),
        ("usr/lib/x/liba.so", symlink("/lib/x/liba.so.1"), b""),
        ("lib/x/hard", hard_link("./lib/x/liba.so.1"), b""),
        ("bin/sh", FILE, b"sh"),
        ("usr/bin/sh", symlink("/bin/sh"), b""),
        ("lib32", symlink("usr/lib32"), b""),
        ("lib32/libc.so.6", FILE, b""),
    ]);
    let listed: Vec<_> =
        package.manifest.files.iter().map(|file| (file.index, file.entry.path.to_string())).collect();
    let wanted = [
        (2, "/usr/lib/x/liba.so.1"),
        (3, "/usr/lib/x/liba.so"),
        (4, "/usr/lib/x/hard"),
        (5, "/usr/bin/sh"),
        (7, "/lib32"),
        (8, "/usr/lib32/libc.so.6"),
    ];
    assert_eq!(listed, wanted.map(|(index, path)| (index, path.to_owned())));
    assert_eq!(package.manifest.files[1].entry.kind, symlink("/lib/x/liba.so.1"));
    assert_eq!(package.manifest.files[2].entry.kind, hard_link("/usr/lib/x/liba.so.1"));
}

#[test]
fn content_is_read_again() {
    let (dir, package) = one(&[
        ("a", FILE, b"first"),
        ("b", hard_link("a"), b""),
        ("c", FILE, b"third"),
        ("d", hard_link("b"), b""),
        ("l", symlink("a"), b""),
        // The same name again: later links mean this one.
        ("a", FILE, b"again"),
        ("f", hard_link("a"), b""),
    ]);
    let files = &package.manifest.files;
    let indexes: Vec<_> = files.iter().map(|file| package.manifest.content_index(file)).collect();
    assert_eq!(indexes, [Some(0), Some(0), Some(2), Some(0), None, Some(5), Some(5)]);

    let read = |wanted: &BTreeMap<u32, &str>| {
        let mut contents = Vec::new();
        read_contents(&package, wanted, |index, note, content| {
            let mut text = String::new();
            content.read_to_string(&mut text).unwrap();
            contents.push((index, (*note).to_owned(), text));
            Ok::<_, CatalogError>(())
        })
        .map(|()| contents)
    };
    let contents = read(&[(2, "c"), (0, "a and b")].into()).unwrap();
    assert_eq!(contents, [(0, "a and b".into(), "first".into()), (2, "c".into(), "third".into())]);
    // Content left unread does no harm.
    read_contents(&package, &[(0, ())].into(), |_, (), _| Ok::<_, CatalogError>(())).unwrap();
    assert!(matches!(read(&[(1, "a link")].into()), Err(CatalogError::NoContent { index: 1, .. })));
    assert!(matches!(read(&[(99, "beyond")].into()), Err(CatalogError::NoContent { index: 99, .. })));
    std::fs::remove_file(dir.path().join("a.deb")).unwrap();
    assert!(matches!(read(&[(0, "gone")].into()), Err(CatalogError::Changed { gone: true, .. })));
    assert_eq!(read(&BTreeMap::new()).unwrap(), []);
}

/// What packages have that come one by one, in order of their names.
fn arriving(archives: impl Iterator<Item = PackageArchive>, scratch: &Scratch) -> Vec<PackageFiles> {
    let all = Mutex::new(BTreeMap::new());
    let archives = archives.map(|archive| (archive.name.clone(), archive, Depth::Whole));
    catalogue_arriving(archives, &merged(), &(), scratch, &|name, files| {
        all.lock().unwrap().insert(name, files.unwrap());
    });
    all.into_inner().unwrap().into_values().collect()
}

#[test]
fn what_is_not_kept_any_more_is_read_from_the_archive() {
    let dir = TempDir::new().unwrap();
    let large: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let archive = deb(dir.path(), "a", &[("large", FILE, &large), ("small", FILE, b"small")]);
    let scratch = Scratch::within(dir.path().join("scratch"));
    let packages = arriving([archive.clone()].into_iter(), &scratch);
    let read = || {
        let mut contents = Vec::new();
        let wanted = [0, 1].map(|index| (index, ())).into();
        read_contents(&packages[0], &wanted, |_, (), content| {
            content.read_to_end(&mut contents).unwrap();
            Ok::<_, CatalogError>(())
        })
        .map(|()| contents)
    };
    let whole = [large.as_slice(), b"small"].concat();
    assert_eq!(read().unwrap(), whole);
    scratch.clear();
    assert_eq!(read().unwrap(), whole);
    assert!(arriving([archive.clone()].into_iter(), &scratch)[0].kept.is_none());
    std::fs::remove_file(&archive.path).unwrap();
    assert!(read().is_err(), "there is nothing left of it");
}

#[test]
fn what_was_compared_as_it_came_is_not_compared_again_unless_it_was_touched() {
    let dir = TempDir::new().unwrap();
    let archive = deb(dir.path(), "a", &[("f", FILE, b"f")]);
    // Only whoever compares it again can find out that these are not its bytes.
    let other = PackageArchive { content: Digest::of(b"other").into(), ..archive };
    let kept = |archive: &PackageArchive| {
        let scratch = Scratch::within(dir.path().join("scratch"));
        arriving([archive.clone()].into_iter(), &scratch)[0].kept.is_some()
    };
    assert!(!kept(&other));
    let compared = PackageArchive { compared: Some(Stamp::at(&other.path).unwrap()), ..other };
    assert!(kept(&compared));
    let file = std::fs::File::options().append(true).open(&compared.path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert!(!kept(&compared));
}

#[test]
fn what_was_kept_needs_no_archive() {
    let dir = TempDir::new().unwrap();
    let large: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let library = Sample::library(Arch::Amd64, "liba.so.1", &[]).bytes();
    let files: [(&str, EntryKind, &[u8]); 6] = [
        ("sh", FILE, b"#!/bin/sh\n"),
        ("large", FILE, &large),
        ("empty", FILE, b""),
        ("l", symlink("sh"), b""),
        ("lib", FILE, &library),
        ("last", FILE, b"last"),
    ];
    let archives = ["a", "b"].map(|name| deb(dir.path(), name, &files));
    let list = |scratch: &Scratch| arriving(archives.iter().rev().cloned(), scratch);
    let packages = list(&Scratch::within(dir.path().join("scratch")));
    // Nothing is kept of what is not what its digest names, or where there is no place.
    assert!(list(&Scratch::default()).iter().all(|package| package.kept.is_none()));
    assert!(list(&Scratch::within(archives[0].path.join("x"))).iter().all(|package| package.kept.is_none()));
    let other = PackageArchive { content: Digest::of(b"other").into(), ..archives[0].clone() };
    let scratch = Scratch::within(dir.path().join("scratch"));
    let forged = arriving([other].into_iter(), &scratch);
    assert!(forged[0].kept.is_none());

    for archive in &archives {
        std::fs::remove_file(&archive.path).unwrap();
    }
    assert_eq!(packages.iter().map(|package| &package.name).collect::<Vec<_>>(), ["a", "b"]);
    for package in &packages {
        let mut contents = Vec::new();
        let wanted: BTreeMap<u32, u32> = [0, 1, 2, 4, 5].map(|index| (index, index)).into();
        read_contents(package, &wanted, |index, _, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).unwrap();
            contents.push((index, bytes));
            Ok::<_, CatalogError>(())
        })
        .unwrap();
        let expected = [0, 1, 2, 4, 5].map(|index: u32| (index, files[index as usize].2.to_vec()));
        assert!(contents == expected);
        let link = read_contents(package, &[(3, 3)].into(), |_, _, _| Ok::<_, CatalogError>(()));
        assert!(matches!(link, Err(CatalogError::Changed { gone: true, .. })));
    }
}

#[test]
fn what_no_layer_can_hold_or_nobody_asked_for_is_refused() {
    let dir = TempDir::new().unwrap();
    let refused = |files: &[(&str, EntryKind, &[u8])], more: &str| {
        let archive = deb_saying(dir.path(), "a", more, files);
        catalogue(&[archive], &merged(), &()).unwrap_err()
    };
    let late: &[(&str, EntryKind, &[u8])] = &[("b", hard_link("a"), b""), ("a", FILE, b"late")];
    assert!(matches!(refused(late, ""), CatalogError::HardLink { .. }));
    assert!(matches!(refused(&[("b", hard_link("gone"), b"")], ""), CatalogError::HardLink { .. }));
    for name in ["usr/.wh.x", "usr/.wh..wh..opq", ".wh.x/y"] {
        assert!(matches!(refused(&[(name, FILE, b"")], ""), CatalogError::Whiteout { .. }), "{name}");
    }
    let error = refused(&[], "Version: 2\n");
    assert_eq!(error.to_string(), "the file of the package a 1 holds a 2");
    assert!(catalogue(&[deb_saying(dir.path(), "a", "Version: 1\n", &[])], &merged(), &()).is_ok());
}

/// Before it is read, or while it is.
#[test]
fn content_of_another_file_is_refused() {
    let (dir, package) = one(&[("a", FILE, b"first")]);
    let path = dir.path().join("a.deb");
    let sound = std::fs::read(&path).unwrap();
    let mut other = sound.clone();
    *other.last_mut().unwrap() ^= 1;
    let read = |before: &[u8], change: &dyn Fn()| {
        std::fs::write(&path, before).unwrap();
        // A file's time of change is as coarse as the system's clock.
        std::thread::sleep(std::time::Duration::from_millis(20));
        read_contents(&package, &[(0, ())].into(), |_, (), content| {
            std::io::copy(content, &mut std::io::sink()).unwrap();
            change();
            Ok::<_, CatalogError>(())
        })
    };
    let copy = dir.path().join("copy");
    read(&sound, &|| {}).unwrap();
    // Another process that has fetched it, too.
    read(&sound, &|| std::fs::write(&copy, &sound).and_then(|()| std::fs::rename(&copy, &path)).unwrap())
        .unwrap();
    for failed in [
        read(&other, &|| {}),
        read(&sound, &|| std::fs::write(&path, &other).unwrap()),
        read(&sound, &|| std::fs::write(&copy, &other).and_then(|()| std::fs::rename(&copy, &path)).unwrap()),
    ] {
        assert!(matches!(failed, Err(CatalogError::Changed { gone: false, .. })), "{failed:?}");
    }
}

/// A disk that forgets does not touch the file.
#[test]
fn what_passes_for_sound_in_the_cache_and_is_not_is_fetched_again_the_next_time() {
    let dir = TempDir::new().unwrap();
    let archive = deb(dir.path(), "a", &[("a", FILE, b"first")]);
    let mut bytes = std::fs::read(&archive.path).unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    let cache = Cache::open(dir.path().join("cache")).unwrap().at(later);
    let (_, path) = cache.insert(&bytes).unwrap();
    let archive = PackageArchive { path: path.clone(), ..archive };
    let package = catalogue(std::slice::from_ref(&archive), &merged(), &cache).unwrap().remove(0);
    *bytes.last_mut().unwrap() ^= 1;
    let decay = || {
        std::fs::write(&path, &bytes).unwrap();
        assert!(cache.is_sound(&package.content.key(), &path, || Ok(true)).unwrap());
        assert_eq!(cache.verified_blob(package.content).unwrap(), Lookup::Found(path.clone()));
    };
    decay();
    let read = read_contents(&package, &[(0, ())].into(), |_, (), _| Ok::<_, CatalogError>(()));
    assert!(matches!(read, Err(CatalogError::Changed { gone: false, .. })), "{read:?}");
    assert_eq!(cache.verified_blob(package.content).unwrap(), Lookup::Missing);
    // Nor is it listed where its list is not known.
    decay();
    std::fs::remove_dir_all(cache.root().join("derived").join(ManifestKind::Whole.name())).unwrap();
    let listed = catalogue(&[archive], &merged(), &cache);
    assert!(matches!(listed, Err(CatalogError::Changed { gone: false, .. })), "{listed:?}");
    assert_eq!(cache.verified_blob(package.content).unwrap(), Lookup::Missing);
}

/// A store in memory that notes what it was asked for.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<(ManifestKind, Digest), Vec<u8>>>);

impl ManifestStore for Memory {
    fn load(&self, kind: ManifestKind, package: &Digest) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(&(kind, *package)).cloned()
    }

    fn store(&self, kind: ManifestKind, package: &Digest, manifest: &[u8]) {
        self.0.lock().unwrap().insert((kind, *package), manifest.to_owned());
    }
}

#[test]
fn manifests_are_stored_once_for_every_distro() {
    let dir = TempDir::new().unwrap();
    let elf = Sample::library(Arch::Amd64, "liba.so.1", &[]).bytes();
    let archive =
        deb(dir.path(), "a", &[("lib/liba.so.1", FILE, &elf), ("bin/b", hard_link("lib/liba.so.1"), b"")]);
    let store = Memory::default();
    let list = |merged: &MergedUsr| {
        catalogue(std::slice::from_ref(&archive), merged, &store).unwrap().remove(0).manifest
    };
    let first = list(&merged());
    // From here on only the store has it.
    std::fs::remove_file(&archive.path).unwrap();
    assert_eq!(list(&merged()), first);
    // The links are applied after loading: another distro sees other paths.
    assert_eq!(list(&MergedUsr::new(&[])).files[0].entry.path, path("/lib/liba.so.1"));
    assert_eq!(first.files[0].entry.path, path("/usr/lib/liba.so.1"));
    // Stored nonsense is made again, which fails here because the archive is gone.
    store.store(ManifestKind::Whole, &archive.content.key(), b"\xff\xff\xff");
    let error = catalogue(&[archive], &merged(), &store).unwrap_err();
    assert!(matches!(error, CatalogError::Package { .. }));
    assert_eq!(error.to_string(), "cannot read the package a 1");
}

#[test]
fn order_is_that_of_the_call() {
    let dir = TempDir::new().unwrap();
    let names: Vec<_> = (0..30).map(|number| format!("p{}", (number * 7) % 30)).collect();
    let archives: Vec<_> = names.iter().map(|name| deb(dir.path(), name, &[("x", FILE, b"")])).collect();
    let packages = catalogue(&archives, &merged(), &()).unwrap();
    assert!(packages.iter().map(|package| &package.name).eq(&names));
    std::fs::write(&archives[4].path, "<!DOCTYPE html>").unwrap();
    std::fs::write(&archives[20].path, "").unwrap();
    let error = catalogue(&archives, &merged(), &()).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read the package {} 1", names[4]));
    assert_eq!(error.hints().len(), 1);
}

#[test]
fn all_packages_as_one_tree() {
    let dir = TempDir::new().unwrap();
    let needing = Sample::library(Arch::Amd64, "liba.so.1", &["libb.so.1"]).bytes();
    let needed = Sample::library(Arch::Amd64, "libb.so.1", &[]).bytes();
    let archives = [
        deb(
            dir.path(),
            "b",
            &[("usr/share/x", FILE, b"b"), ("lib/x86_64-linux-gnu/libb.so.1.0", FILE, &needed)],
        ),
        deb(
            dir.path(),
            "a",
            &[
                ("usr/lib/x86_64-linux-gnu/liba.so.1", FILE, &needing),
                ("usr/lib/x86_64-linux-gnu/libb.so.1", symlink("/lib/x86_64-linux-gnu/libb.so.1.0"), b""),
                ("usr/share/x", FILE, b"a"),
                ("dev/null", EntryKind::CharDevice { major: 1, minor: 3 }, b""),
            ],
        ),
    ];
    let mut catalog = FileCatalog::new(merged());
    for package in catalogue(&archives, &merged(), &()).unwrap() {
        catalog.insert(package).unwrap();
    }
    let node = |text| catalog.node(&path(text));
    assert_eq!(node("/bin"), Some(Node::Symlink("usr/bin")));
    assert_eq!(node("/usr/share"), Some(Node::Directory));
    assert_eq!(node("/usr/share/x"), Some(Node::File(None)));
    assert_eq!(node("/usr/share/y"), None);
    assert_eq!(node("/dev/null"), Some(Node::Other));
    assert_eq!(node("/"), Some(Node::Directory));
    let search = Search::glibc(Arch::Amd64.elf_machine(), "x86_64-linux-gnu", Vec::new());
    let found = search.find(&catalog, "libb.so.1", &[], &[]).unwrap();
    assert_eq!(found.file, path("/usr/lib/x86_64-linux-gnu/libb.so.1.0"));
    assert_eq!(found.link, path("/usr/lib/x86_64-linux-gnu/libb.so.1"));
    assert_eq!(
        loader::resolve(&catalog, &path("/lib/x86_64-linux-gnu/liba.so.1")).unwrap().parent(),
        found.file.parent()
    );

    let owner = |catalog: &FileCatalog| catalog.get(catalog.at(&path("/usr/share/x"))[0]).0.name.clone();
    assert_eq!(owner(&catalog), "b");
    catalog.order_owners();
    assert_eq!(owner(&catalog), "a");

    assert!(catalog.packages().map(|package| package.name.as_str()).eq(["a", "b"]));
    assert_eq!(catalog.files_of("a").count(), 4);
    assert_eq!(catalog.files_of("none").count(), 0);
    let all: BTreeSet<_> = catalog.paths().flat_map(|(_, references)| references).collect();
    assert_eq!(all.len(), 6);
    assert_eq!(catalog.within(&path("/usr/lib")).count(), 3);
    assert_eq!(catalog.get(catalog.files_of("b").next().unwrap()).1.entry.path, path("/usr/share/x"));
    let again = catalogue(&archives[..1], &merged(), &()).unwrap().remove(0);
    assert!(matches!(catalog.insert(again), Err(CatalogError::Twice { .. })));
}
