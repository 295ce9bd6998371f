use super::*;
use crate::cache::Cache;

fn origin(kind: OriginKind, suite: &str) -> IndexOrigin {
    IndexOrigin {
        archive: "debian".into(),
        kind,
        uri: "https://deb.example.org/debian".to_owned(),
        suite: suite.to_owned(),
        component: "main".to_owned(),
        inrelease: Digest::of(b""),
        date: 0,
    }
}

fn paragraph(name: &str, version: &str, more: &str) -> String {
    let sum = Digest::of(name.as_bytes()).hex();
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\n{more}Filename: pool/{name}.deb\nSize: 7\nSHA256: {sum}\n\n"
    )
}

/// The index of some texts, as it is when they were kept: the same as of the texts themselves.
fn new(texts: &[(OriginKind, &str, String)]) -> Result<PackageIndex, IndexError> {
    let index = |read: &dyn Fn(&IndexOrigin, &String) -> IndexText| {
        let part = |(kind, suite, text): &(OriginKind, &str, String)| {
            let origin = origin(*kind, suite);
            let text = read(&origin, text);
            (origin, text)
        };
        PackageIndex::new(Arch::S390x, "s390x", texts.iter().map(part).collect())
    };
    let plain = index(&|_, text| IndexText::vouched(text.clone()))?;
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    let key = |text: &String| Digest::of(text.as_bytes());
    let cut = |origin: &IndexOrigin, text: &String| {
        let kept = cache.derived_writer(KEPT, &key(text)).unwrap();
        let unpack = || Ok(Box::new(text.as_bytes()) as Box<dyn Read>);
        IndexText::unpacked(unpack, text.len() as u64, (origin, "s390x"), kept).unwrap()
    };
    let fresh = index(&cut).unwrap();
    let kept = |text: &String| IndexText::kept(cache.derived_mapped(KEPT, &key(text)).unwrap()).unwrap();
    let kept = index(&|_, text| kept(text)).unwrap();
    let said = |index: &PackageIndex| {
        let records = index.packages().map(|id| format!("{:?}", index.package(id)));
        let provided =
            ["v", "w", "odd"].map(|name| format!("{:?}", index.providers(name).collect::<Vec<_>>()));
        records.chain(provided).collect::<Vec<_>>()
    };
    assert_eq!(said(&fresh), said(&plain));
    assert_eq!(said(&kept), said(&plain));
    Ok(kept)
}

/// What is kept of a text, and whether it is an index.
fn cut(text: &str, origin: &IndexOrigin) -> (Vec<u8>, bool) {
    let mut kept = Vec::new();
    let cut = cut_text(text, Whose { origin, deb_arch: "s390x" }, &mut kept);
    (kept, cut.is_ok())
}

#[test]
fn what_is_kept_of_an_index_may_be_damaged() {
    let text =
        paragraph("a", "1", "Provides: v\nDescription: long\n and longer\n") + &paragraph("b", "1", "");
    let origin = origin(OriginKind::Archive, "sid");
    let (kept, is_index) = cut(&text, &origin);
    assert!(is_index && !String::from_utf8_lossy(&kept).contains("longer"));
    let read = |bytes: Vec<u8>| Part::owned(bytes).map(|part| IndexText(Form::Cut(Arc::new(part))));
    for cut in 0..kept.len() {
        for bit in [1, 0x80] {
            let mut other = kept.clone();
            other[cut] ^= bit;
            for bytes in [kept[..cut].to_vec(), other] {
                let Some(part) = read(bytes) else { continue };
                let index = PackageIndex::new(Arch::S390x, "s390x", vec![(origin.clone(), part)]).unwrap();
                let length = |id| index.package(id).name.len() + index.named(index.name(id)).count();
                assert!(index.packages().map(length).sum::<usize>() < 1000);
                assert!(index.providers("v").count() < 10);
            }
        }
    }
    assert!(!cut(&text.replace("Size: 7", "Size: x"), &origin).1);
}

/// Cut down a piece at a time, with a limit for what is unpacked: a piece may end in a paragraph, which may be larger than
/// several, in the line between two, or after it.
#[test]
fn a_text_of_several_pieces() {
    let origin = origin(OriginKind::Archive, "sid");
    let whose = Whose { origin: &origin, deb_arch: "s390x" };
    let described = |n: usize, size: usize| {
        paragraph(&format!("p{n}"), "1", &format!("Description: {}\n", "d".repeat(size)))
    };
    let first = |size: usize| (1 << 20) - described(0, 0).len() + size;
    let texts = [
        (0..9).map(|n| described(n, 300_000)).collect(),
        described(0, 5) + &described(1, 3 << 20) + &described(2, 5),
        described(0, first(0)) + &described(1, 5),
        described(0, first(1)) + &described(1, 5),
        described(0, first(2)) + &described(1, 5),
        described(0, first(2)).trim_end().to_owned(),
    ];
    for text in texts {
        let unpacked = |limit: usize| {
            let mut kept = Vec::new();
            let unpack = || Ok(Box::new(text.as_bytes()) as Box<dyn Read>);
            cut_unpacked(unpack, limit as u64, whose, &mut kept).is_ok().then_some(kept)
        };
        assert_eq!(unpacked(text.len()), Some(cut(&text, &origin).0));
        assert_eq!(unpacked(text.len() - 1), None);
    }
}

fn versions(index: &PackageIndex, name: &str) -> Vec<String> {
    index.named(name).map(|id| format!("{} {}", index.version(id), index.origin(id))).collect()
}

#[test]
fn suites_are_merged_by_name() {
    let release = paragraph("b", "1", "") + &paragraph("a", "1.0", "") + &paragraph("c", "9", "");
    let updates = paragraph("a", "1.10", "") + &paragraph("a", "1.0-0", "");
    let local = paragraph("c", "2", "");
    let locked = paragraph("a", "1.10", "") + &paragraph("a", "0.5", "") + &paragraph("c", "9.9", "");
    let index = new(&[
        (OriginKind::Locked, "", locked),
        (OriginKind::Archive, "trixie", release),
        (OriginKind::Archive, "trixie-updates", updates),
        (OriginKind::Local, "", local),
    ])
    .unwrap();
    assert_eq!(versions(&index, "a"), ["1.10 trixie-updates/main", "1.0 trixie/main", "0.5 lock"]);
    assert_eq!(versions(&index, "c"), ["2 local file", "9.9 lock", "9 trixie/main"]);
    assert_eq!(versions(&index, "aa"), [""; 0]);
    assert_eq!(index.len(), 7);
    let names: Vec<&str> = index.packages().map(|id| index.name(id)).collect();
    assert_eq!(names, ["a", "a", "a", "b", "c", "c", "c"]);
    let last = index.packages().last().unwrap();
    assert_eq!(Some(index.first_of_name(last)), index.named("c").next());
}

#[test]
fn a_record_has_every_field() {
    let more = "Source: src (0.9)\nEssential: yes\nProtected: yes\nMulti-Arch: foreign\nPriority: required\n\
                Section: libs\npre-depends: x\nDepends: y,\n z\nProvides: v (= 3), w\nConflicts: k\nBreaks: l\n\
                Recommends: m\nReplaces: n\n";
    let index =
        new(&[(OriginKind::Archive, "sid", paragraph("a", "1", more) + &paragraph("b", "2", "Source: s\n"))])
            .unwrap();
    let mut records = index.packages().map(|id| index.package(id));
    let a = records.next().unwrap();
    assert_eq!(
        (a.name, a.version, a.architecture, a.source, a.source_version),
        ("a", "1", "all", "src", "0.9")
    );
    assert_eq!(
        (a.essential, a.protected, a.multi_arch, a.priority, a.section),
        (true, true, "foreign", "required", "libs")
    );
    assert_eq!((a.pre_depends, a.depends, a.provides, a.conflicts), ("x", "y,\n z", "v (= 3), w", "k"));
    assert_eq!((a.breaks, a.recommends, a.replaces, a.filename), ("l", "m", "n", "pool/a.deb"));
    assert_eq!((a.size, a.sha256, a.origin), (7, Digest::of(b"a"), 0));
    let b = records.next().unwrap();
    assert_eq!((b.source, b.source_version, b.multi_arch, b.depends), ("s", "2", "no", ""));
    assert_eq!((b.essential, b.protected), (false, false));
}

#[test]
fn providers_by_name_and_version() {
    let text =
        paragraph("b", "1", "Provides: v(=2), w,\n odd (>= 1), v2\n") + &paragraph("a", "1", "Provides: v\n");
    let index = new(&[(OriginKind::Archive, "sid", text)]).unwrap();
    let of =
        |name| index.providers(name).map(|one| (index.name(one.package), one.version)).collect::<Vec<_>>();
    assert_eq!(of("v"), [("a", None), ("b", Some("2"))]);
    assert_eq!(of("w"), [("b", None)]);
    assert_eq!(of("odd"), []);
    assert_eq!(of("b"), []);
}

#[test]
fn malformed_paragraphs_are_named() {
    let good = paragraph("a", "1", "");
    for (from, to, expected) in [
        ("Filename: pool/a.deb\n", "", "sid/main: the package `a` has no `Filename`"),
        ("Size: 7", "Size: seven", "sid/main: the package `a` has the malformed `Size: seven`"),
        ("SHA256: ", "SHA256: x", "sid/main: the package `a` has the malformed `SHA256: x"),
        ("Version: 1", "Version:", "sid/main: the package `a` has no `Version`"),
        ("Package: a\n", "", "sid/main: the package `` has no `Package`"),
    ] {
        let text = paragraph("z", "1", "") + &good.replace(from, to) + "Package: later\n";
        let error = new(&[(OriginKind::Archive, "sid", text)]).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(error.hints().len(), 1);
    }
}

/// An archive may list packages of all architectures in the index of each, and packages may lack there what nobody reads.
#[test]
fn packages_for_other_architectures_are_passed_over() {
    let of = |arch: &str| paragraph("a", "1", "Provides: v\n").replace(": all", &format!(": {arch}"));
    let text =
        of("amd64").replace("SHA256: ", "SHA1: ") + &of("s390x") + &paragraph("b", "1", "") + &of("arm64");
    let index = new(&[(OriginKind::Archive, "sid", text)]).unwrap();
    assert_eq!(index.packages().map(|id| index.name(id)).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(index.providers("v").count(), 1);
    assert!(new(&[(OriginKind::Archive, "sid", of("amd64"))]).unwrap().is_empty());
    let error = new(&[(OriginKind::Local, "", of("amd64"))]).unwrap_err();
    assert_eq!(error.to_string(), "local file: the package `a` is for amd64, not for s390x");
    assert_eq!(error.hints().len(), 1);
}

#[test]
fn the_first_mention_is_one_of_a_package() {
    let text =
        paragraph("early", "1", "Description: late\n late\nDepends: late-x, x-late, late:any, y (= late)\n")
            + &paragraph("b", "1", "Suggests: soon,\n late\nDepends: soon\n")
            + &paragraph("late", "1", "")
            + &paragraph("soon", "1", "")
            + &paragraph("last", "1", "");
    let index = new(&[(OriginKind::Archive, "sid", text)]).unwrap();
    let mut names = ["last", "late", "soon", "b", "early"];
    names.sort_by_key(|name| index.first_mention(name).unwrap());
    assert_eq!(names, ["early", "b", "soon", "late", "last"]);
    assert_eq!(index.first_mention("lat"), None);
}

#[test]
fn a_text_must_have_its_digest() {
    assert!(IndexText::matching("a".to_owned(), &Digest::of(b"a")).is_some());
    assert!(IndexText::matching("b".to_owned(), &Digest::of(b"a")).is_none());
}

#[test]
fn misspelt_names() {
    let text =
        ["curl", "curlew", "bash"].map(|name| paragraph(name, "1", "") + &paragraph(name, "2", "")).concat();
    let index = new(&[(OriginKind::Archive, "sid", text)]).unwrap();
    assert_eq!(index.similar_names("crul"), ["curl"]);
    assert_eq!(index.similar_names("curle"), ["curl", "curlew"]);
    assert_eq!(index.similar_names("postgresql"), [""; 0]);
}
