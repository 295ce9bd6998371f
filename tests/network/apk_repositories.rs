//! `repository` on repositories of apk's, built and signed here, whole, tampered with, and in the wrong place; and
//! on those of the corpus.

use std::collections::BTreeMap;
use std::time::SystemTime;

use rootforge::apk::ApkError;
use rootforge::arch::Arch;
use rootforge::cache::Cache;
use rootforge::digest::Digest;
use rootforge::hint::Hint as _;
use rootforge::lock::Request;
use rootforge::recipe::Recipe;
use rootforge::repository::{
    Access, ApkIndex, ApkPart, ApkSource, MirrorInputs, Mirrors, Note, RepositoryError, apk_path,
    apk_sources, load_apk, local_apks, roots, sources,
};
use rootforge::transport::Transport;
use rootforge::trust::{ApkKeyring, ApkTrustError};

use crate::network::{offline, online};
use crate::support::alpine::alpine_corpus;
use crate::support::apk::{Key, Tar, gz, signature_member};
use crate::support::server::{Answer, Server};

/// A cache to test with.
struct Bench {
    directory: tempfile::TempDir,
    cache: Cache,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path().join("cache")).unwrap();
        Bench { directory, cache }
    }

    fn load_with(
        &self,
        sources: &[ApkSource],
        arch: &str,
        transport: &Transport,
    ) -> Result<(Vec<ApkPart>, Vec<Note>), RepositoryError> {
        let at = SystemTime::UNIX_EPOCH;
        let access = Access { transport, cache: &self.cache, at, allow_expired: false };
        let mut notes = Vec::new();
        let parts = load_apk(sources, arch, access, &mut notes)?;
        Ok((parts, notes))
    }

    fn load(&self, source: &ApkSource, arch: &str) -> Result<(Vec<ApkPart>, Vec<Note>), RepositoryError> {
        self.load_with(std::slice::from_ref(source), arch, &online())
    }

    #[track_caller]
    fn fails(&self, source: &ApkSource, arch: &str) -> RepositoryError {
        self.load(source, arch).map(|(parts, _)| parts).unwrap_err()
    }

    /// Writes a recipe's text beside a key, and reads it.
    fn recipe(&self, text: &str, key: &[u8]) -> Recipe {
        std::fs::write(self.directory.path().join("test.rsa.pub"), key).unwrap();
        Recipe::parse(text, &self.directory.path().join("r.toml")).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// A source of a repository whose keys are those given.
fn source(uri: &str, repository: &str, keys: &[&Key]) -> ApkSource {
    let mut keyring = ApkKeyring::default();
    for key in keys {
        keyring.extend(ApkKeyring::parse_pem(&key.public(), &key.name).unwrap());
    }
    ApkSource {
        archive_name: "alpine".to_owned(),
        uri: uri.to_owned(),
        fallbacks: Vec::new(),
        repository: repository.to_owned(),
        tag: None,
        keyring,
        arch_names: vec!["x86_64", "armhf", "s390x"],
    }
}

/// The text of an index: a record for each `NAME ARCH BUILD-TIME`.
fn text(records: &[(&str, &str, u64)]) -> String {
    let record = |(name, arch, time): &(&str, &str, u64)| {
        format!("C:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\nP:{name}\nV:1.0-r0\nA:{arch}\nS:10\nI:20\nt:{time}\n\n")
    };
    records.iter().map(record).collect()
}

/// An index file without its signature.
fn unsigned(text: &str) -> Vec<u8> {
    gz(&Tar::new().plain("DESCRIPTION", b"test").plain("APKINDEX", text.as_bytes()).end())
}

fn signed(text: &str, key: &Key) -> Vec<u8> {
    let index = unsigned(text);
    [key.member("RSA256", &index), index].concat()
}

fn files(files: &[(&str, &[u8])]) -> BTreeMap<String, Vec<u8>> {
    files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())).collect()
}

const INDEX: &str = "v3.20/main/x86_64/APKINDEX.tar.gz";

#[test]
fn an_index_is_fetched_verified_and_kept() {
    let Some(key) = Key::new("test") else { return };
    let bench = Bench::new();
    let index = signed(&text(&[("one", "x86_64", 5), ("two", "noarch", 9), ("three", "x86_64", 7)]), &key);
    let server = Server::of(files(&[(INDEX, &index)]));
    let source = source(&server.root(), "v3.20/main", &[&key]);
    let (parts, notes) = bench.load(&source, "x86_64").unwrap();
    assert!(notes.is_empty());
    let [(origin, records)] = &parts[..] else { panic!() };
    let names: Vec<&str> = records.iter().map(|record| record.name.as_str()).collect();
    assert_eq!(names, ["one", "two", "three"]);
    assert_eq!((origin.archive.as_str(), origin.repository.as_str()), ("alpine", "v3.20/main"));
    assert_eq!((origin.signed, origin.date, &origin.tag), (Digest::of(&index), 9, &None));
    assert_eq!(apk_path(&origin.repository, "x86_64", &records[1]), "v3.20/main/x86_64/two-1.0-r0.apk");
    assert_eq!(server.paths(), [format!("/{INDEX}")]);

    // Offline, what was kept; it is verified again.
    let sources = std::slice::from_ref(&source);
    let (kept, _) = bench.load_with(sources, "x86_64", &offline()).unwrap();
    assert_eq!(kept[0].0, *origin);
    let stranger = ApkSource { keyring: ApkKeyring::default(), ..source.clone() };
    let error = bench.load_with(&[stranger], "x86_64", &offline()).unwrap_err();
    assert!(is_unknown(&error), "{error:?}");
    let error = bench.load_with(sources, "s390x", &offline()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the build is offline, and `{}/v3.20/main/s390x/APKINDEX.tar.gz` is not in the cache",
            server.root()
        )
    );
    assert!(!error.hints().is_empty());
    assert_eq!(server.paths().len(), 1);

    // The same from a directory, offline too.
    let root = bench.directory.path().join("mirror");
    std::fs::create_dir_all(root.join("v3.20/main/x86_64")).unwrap();
    std::fs::write(root.join(INDEX), &index).unwrap();
    for uri in [root.display().to_string(), format!("file://{}", root.display())] {
        let (parts, _) =
            bench.load_with(&[ApkSource { uri, ..source.clone() }], "x86_64", &offline()).unwrap();
        assert_eq!(parts[0].0, *origin);
    }
}

fn is_unknown(error: &RepositoryError) -> bool {
    matches!(
        error,
        RepositoryError::ApkIndex {
            source: ApkError::Untrusted { source: ApkTrustError::UnknownKeys { .. }, .. },
            ..
        }
    )
}

/// What is wrong with an index, and what to do.
#[track_caller]
fn refused(bytes: &[u8], keys: &[&Key]) -> RepositoryError {
    let bench = Bench::new();
    let server = Server::of(files(&[(INDEX, bytes)]));
    let source = source(&server.root(), "v3.20/main", keys);
    let error = bench.fails(&source, "x86_64");
    assert!(error.to_string().contains(&server.url(INDEX)), "{error}");
    // Nothing of it was kept.
    assert!(bench.load_with(&[source], "x86_64", &offline()).is_err());
    error
}

#[test]
fn what_nobody_vouches_for_is_refused() {
    let Some(key) = Key::new("test") else { return };
    let Some(other) = Key::new("other") else { return };
    let Some(namesake) = Key::new("test") else { return };
    let good = text(&[("one", "x86_64", 5)]);
    let index = unsigned(&good);
    assert!(is_unknown(&refused(&signed(&good, &other), &[&key])));
    assert!(is_unknown(&refused(&signed(&good, &key), &[])));
    let trust = |error: RepositoryError| match error {
        RepositoryError::ApkIndex { source: ApkError::Untrusted { source, .. }, .. } => source,
        error => panic!("{error:?}"),
    };
    assert!(matches!(trust(refused(&index, &[&key])), ApkTrustError::Unsigned));
    assert!(matches!(trust(refused(&signed(&good, &namesake), &[&key])), ApkTrustError::Forged { .. }));
    // Signed, and then exchanged.
    let exchanged = [key.member("RSA", &index), unsigned(&text(&[("evil", "x86_64", 6)]))].concat();
    assert!(matches!(trust(refused(&exchanged, &[&key])), ApkTrustError::Forged { .. }));
    // Several signatures, one of which counts.
    let several = signature_member(&[other.entry("RSA256", &index), key.entry("RSA", &index)]);
    let server = Server::of(files(&[(INDEX, &[several, index].concat())]));
    let trusted = source(&server.root(), "v3.20/main", &[&key]);
    assert_eq!(Bench::new().load(&trusted, "x86_64").unwrap().0[0].1.len(), 1);
}

#[test]
fn what_is_no_index_of_this_architecture_is_refused() {
    let Some(key) = Key::new("test") else { return };
    let error = refused(&signed(&text(&[("one", "x86_64", 5), ("two", "armhf", 5)]), &key), &[&key]);
    assert!(
        error.to_string().ends_with("is for another architecture: two 1.0-r0 is for armhf, not for x86_64"),
        "{error}"
    );
    let error = refused(b"ADB.anything", &[&key]);
    assert!(
        matches!(&error, RepositoryError::ApkIndex { source: ApkError::FormatThree { .. }, .. }),
        "{error:?}"
    );
    let error = refused(b"<!DOCTYPE html><title>Log in</title>", &[&key]);
    assert!(!error.hints().is_empty(), "{error:?}");
    let whole = signed(&text(&[("one", "x86_64", 5)]), &key);
    refused(&whole[..whole.len() / 2], &[&key]);
    refused(&[], &[&key]);
    let error = refused(&signed("P:one\nV:1\n\n", &key), &[&key]);
    assert!(matches!(error, RepositoryError::ApkRecords { .. }), "{error:?}");
    // An empty repository is one too.
    let server = Server::of(files(&[(INDEX, &signed("", &key))]));
    let (parts, _) = Bench::new().load(&source(&server.root(), "v3.20/main", &[&key]), "x86_64").unwrap();
    assert_eq!((parts[0].0.date, parts[0].1.len()), (0, 0));
}

#[test]
fn an_architecture_that_is_not_there() {
    let Some(key) = Key::new("test") else { return };
    let bench = Bench::new();
    let index = signed(&text(&[("one", "x86_64", 5)]), &key);
    let big = vec![0; 3 << 20];
    let server = Server::of(files(&[(INDEX, &index), ("v3.20/main/armhf/APKINDEX.tar.gz", &big)]));
    let main = source(&server.root(), "v3.20/main", &[&key]);
    let error = bench.fails(&main, "s390x");
    assert_eq!(
        error.to_string(),
        format!(
            "the repository `{}/v3.20/main` has no packages for s390x; it has x86_64, armhf",
            server.root()
        )
    );
    assert_eq!(error.hints(), ["leave the architecture out of `--arch` or `arch`, or use another release"]);
    let error = bench.fails(&source(&server.root(), "v3.99/main", &[&key]), "s390x");
    assert_eq!(
        error.to_string(),
        format!(
            "there is no repository at `{}/v3.99/main`: it has no index for s390x (404 Not Found)",
            server.root()
        )
    );
    let error = bench.fails(&source("/nonexistent", "", &[&key]), "s390x");
    assert!(error.to_string().starts_with("there is no repository at `/nonexistent`: "), "{error}");
    // Nobody is there at all.
    let gone = { Server::of(BTreeMap::new()).root() };
    let error = bench.fails(&source(&gone, "v3.20/main", &[&key]), "x86_64");
    assert!(matches!(error, RepositoryError::Transport(_)), "{error:?}");
    let broken = Server::new(|_| Answer::status(500));
    let error = bench.fails(&source(&broken.root(), "v3.20/main", &[&key]), "x86_64");
    assert!(matches!(error, RepositoryError::Transport(_)), "{error:?}");
}

#[test]
fn another_mirror_where_the_first_is_of_no_use() {
    let Some(key) = Key::new("test") else { return };
    let Some(other) = Key::new("other") else { return };
    let bench = Bench::new();
    let records = text(&[("one", "x86_64", 5)]);
    let good = Server::of(files(&[(INDEX, &signed(&records, &key))]));
    let foreign = Server::of(files(&[(INDEX, &signed(&records, &other))]));
    let forged = Server::of(files(&[(INDEX, &[key.member("RSA", b"else"), unsigned(&records)].concat())]));
    let empty = Server::of(BTreeMap::new());
    let with = |first: &Server, fallbacks: Vec<String>| ApkSource {
        fallbacks,
        ..source(&first.root(), "v3.20/main", &[&key])
    };
    for first in [&foreign, &empty] {
        let (parts, notes) = bench.load(&with(first, vec![empty.root(), good.root()]), "x86_64").unwrap();
        assert_eq!(parts[0].1.len(), 1);
        let [note @ Note::OtherMirror { suite, .. }] = &notes[..] else { panic!("{notes:?}") };
        assert_eq!(suite, "v3.20/main");
        let words =
            format!("`v3.20/main` is taken from `{}`, because `{}` is of no use", good.root(), first.root());
        assert!(note.to_string().starts_with(&words), "{note}");
    }
    // A forgery is no wrong turn.
    let error = bench.fails(&with(&forged, vec![good.root()]), "x86_64");
    assert!(matches!(error, RepositoryError::ApkIndex { .. }), "{error:?}");
    let error = bench.fails(&with(&empty, vec![empty.root()]), "x86_64");
    assert!(matches!(error, RepositoryError::NoSuchRepository { .. }), "{error:?}");
}

/// The sources of a recipe as `ARCHIVE URI REPOSITORY [@TAG] KEY...`.
fn described(recipe: &Recipe, arch: Arch, mirrors: &Mirrors) -> Vec<String> {
    let describe = |source: ApkSource| {
        let tag = source.tag.map(|tag| format!(" @{tag}")).unwrap_or_default();
        let keys = source.keyring.names();
        let keys = keys.iter().map(|key| key.trim_start_matches("alpine-devel@lists.alpinelinux.org-"));
        let keys: Vec<&str> = keys.collect();
        format!("{} {} {}{tag} {}", source.archive_name, source.uri, source.repository, keys.join(","))
    };
    apk_sources(recipe, arch, mirrors).unwrap().into_iter().map(describe).collect()
}

#[test]
fn the_sources_of_a_recipe() {
    let Some(key) = Key::new("test") else { return };
    let bench = Bench::new();
    let given = BTreeMap::from([("alpine".to_owned(), "http://m.example/alpine/".to_owned())]);
    let mirrors = Mirrors::new(&MirrorInputs { given, ..MirrorInputs::default() }).unwrap();
    let layer = "[[layer]]\nname = \"r\"\npackages = [\"one\"]\n";
    let own = "[[repository]]\ntype = \"apk\"\nurl = \"https://x.example/edge/main/\"\ntag = \"edge\"\n\
               [[repository]]\ntype = \"apk\"\nurl = \".\"\nkeys = [\"test.rsa.pub\"]\n";
    let recipe = bench.recipe(&format!("name = \"r\"\nfrom = \"alpine:3.20\"\n{layer}{own}"), &key.public());
    let armhf = "524d27bb.rsa.pub,616a9724.rsa.pub";
    let here = std::path::absolute(bench.directory.path()).unwrap();
    assert_eq!(
        described(&recipe, Arch::Arm32v6, &mirrors),
        [
            format!("alpine http://m.example/alpine v3.20/main {armhf}"),
            format!("alpine http://m.example/alpine v3.20/community {armhf}"),
            format!("https://x.example/edge/main https://x.example/edge/main  @edge {armhf}"),
            format!(". {}  test.rsa.pub", here.display()),
        ]
    );
    assert!(sources(&recipe, Arch::Arm32v6, &mirrors, &[]).unwrap().is_empty());
    assert_eq!(Request::of(&recipe, None, &[]).repositories, ["@edge https://x.example/edge/main", "."]);

    // Where a locked package of each may be; no date brings Alpine's past back.
    let date = Some("2026-11-01T00:00:00Z");
    assert_eq!(roots(&recipe, "alpine", &mirrors, date), ["http://m.example/alpine"]);
    assert_eq!(
        roots(&recipe, "https://x.example/edge/main", &mirrors, date),
        ["https://x.example/edge/main"]
    );
    assert_eq!(roots(&recipe, ".", &mirrors, date), [here.display().to_string()]);

    // The recipe's own keys count for the distro's repositories too; Wolfi has no others.
    let keys = "keys = [\"test.rsa.pub\"]\n";
    let recipe = bench.recipe(&format!("name = \"r\"\nfrom = \"alpine:edge\"\n{keys}{layer}"), &key.public());
    let x86 = "4a6a0840.rsa.pub,5243ef4b.rsa.pub,61666e3f.rsa.pub,test.rsa.pub";
    assert_eq!(
        described(&recipe, Arch::I386, &mirrors),
        [
            format!("alpine http://m.example/alpine edge/main {x86}"),
            format!("alpine http://m.example/alpine edge/community {x86}"),
        ]
    );
    let recipe = bench.recipe(&format!("name = \"r\"\nfrom = \"wolfi\"\n{keys}{layer}"), &key.public());
    assert_eq!(
        described(&recipe, Arch::Amd64, &mirrors),
        ["wolfi https://packages.wolfi.dev/os  test.rsa.pub"]
    );
    // Without a distro, nobody's keys but the repository's.
    let own = "[[repository]]\ntype = \"apk\"\nurl = \"https://y.example\"\nkeys = [\"test.rsa.pub\"]\n";
    let recipe = bench.recipe(&format!("name = \"r\"\n{layer}{own}"), &key.public());
    assert_eq!(
        described(&recipe, Arch::Riscv64, &mirrors),
        ["https://y.example https://y.example  test.rsa.pub"]
    );
    // A file that is no key.
    let recipe = bench.recipe(&format!("name = \"r\"\n{layer}{own}"), b"no key");
    let error = apk_sources(&recipe, Arch::Amd64, &mirrors).unwrap_err();
    assert!(matches!(error, RepositoryError::ApkKeys(_)) && !error.hints().is_empty(), "{error:?}");
}

#[test]
fn the_corpus_is_loaded_whole() {
    let Some(corpus) = alpine_corpus() else { return };
    let bench = Bench::new();
    let key = std::fs::read(corpus.join("rootforge-test-1.rsa.pub")).unwrap();
    let keyring = ApkKeyring::parse_pem(&key, "rootforge-test-1.rsa.pub").unwrap();
    let source = |repository: &str| ApkSource {
        archive_name: "alpine".to_owned(),
        uri: corpus.display().to_string(),
        fallbacks: Vec::new(),
        repository: repository.to_owned(),
        tag: None,
        keyring: keyring.clone(),
        arch_names: vec!["x86_64", "armhf", "aarch64", "s390x", "riscv64"],
    };
    for (repository, arch, packages, date) in [
        ("v3.20/main", "x86_64", 15, 1_725_622_400),
        ("v3.20/main", "s390x", 15, 1_725_622_400),
        ("v3.8/main", "armhf", 14, 1_579_796_057),
    ] {
        let (parts, _) = bench.load(&source(repository), arch).unwrap();
        let [(origin, records)] = &parts[..] else { panic!() };
        assert_eq!((records.len(), origin.date), (packages, date), "{repository} {arch}");
        assert!(records.iter().any(|record| record.name == "busybox" && record.arch == arch));
        for record in records {
            assert!(corpus.join(apk_path(repository, arch, record)).is_file(), "{record:?}");
        }
        ApkIndex::new(arch, parts).unwrap();
    }
    let error = bench.fails(&source("v3.20/main"), "riscv64");
    assert!(error.to_string().ends_with("; it has x86_64, armhf, aarch64, s390x"), "{error}");

    // A mirror that serves one architecture's index in another's place: well signed, and wrong all the same.
    let index = std::fs::read(corpus.join("v3.20/main/armhf/APKINDEX.tar.gz")).unwrap();
    let server = Server::of(files(&[(INDEX, &index)]));
    let error = bench.fails(&ApkSource { uri: server.root(), ..source("v3.20/main") }, "x86_64");
    assert!(matches!(error, RepositoryError::OtherArch { .. }), "{error:?}");
}

#[test]
fn the_official_keys_are_of_their_architectures() {
    let Some(corpus) = alpine_corpus() else { return };
    let bench = Bench::new();
    let mirror = bench.directory.path().join("mirror");
    for arch in ["aarch64", "x86_64"] {
        let official = corpus.join("genuine/alpine/v3.17/main/aarch64/APKINDEX.tar.gz");
        let place = mirror.join(format!("v3.20/main/{arch}/APKINDEX.tar.gz"));
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(official, place).unwrap();
    }
    let given = BTreeMap::from([("alpine".to_owned(), mirror.display().to_string())]);
    let mirrors = Mirrors::new(&MirrorInputs { given, ..MirrorInputs::default() }).unwrap();
    let recipe = "name = \"r\"\nfrom = \"alpine:3.20\"\n[[layer]]\nname = \"r\"\npackages = [\"one\"]\n";
    let recipe = bench.recipe(recipe, b"");
    let main = |arch| apk_sources(&recipe, arch, &mirrors).unwrap().remove(0);
    let (parts, _) = bench.load(&main(Arch::Arm64), "aarch64").unwrap();
    assert_eq!(parts[0].1.len(), 5_004);
    // The keys of another architecture are strangers.
    assert!(is_unknown(&bench.fails(&main(Arch::Amd64), "x86_64")));
}

/// A package file with this `.PKGINFO`, and a data member that it vouches for.
fn package(info: &str) -> Vec<u8> {
    let data = gz(&crate::support::apk::data());
    let info = format!("{info}datahash = {}\n", Digest::of(&data).hex());
    [gz(&crate::support::apk::control(&info)), data].concat()
}

#[test]
fn package_files_beside_the_recipe() {
    let bench = Bench::new();
    let text = "name = \"r\"\nfrom = \"alpine:3.20\"\n[[layer]]\nname = \"r\"\npackages = [\"./b.apk\", \"./a-{arch}.apk\"]\n";
    let write = |name: &str, bytes: &[u8]| std::fs::write(bench.directory.path().join(name), bytes).unwrap();
    let info = "pkgname = a\npkgver = 1.2-r3\narch = armhf\nsize = 10\norigin = src\nbuilddate = 77\ndepend = b\n\
                depend = so:libc.musl-armhf.so.1\nprovides = cmd:a=1.2-r3\ninstall_if = b docs\n\
                provider_priority = 5\n";
    write("a-armhf.apk", &package(info));
    write("b.apk", &package("pkgname = b\npkgver = 1\narch = noarch\nsize = 10\n"));
    let recipe = bench.recipe(text, b"");
    let found = local_apks(&recipe, "armhf", "armv6-alpine-linux-musleabihf").unwrap();
    let [a, b] = &found[..] else { panic!("{found:?}") };
    assert_eq!((a.path.as_str(), b.path.as_str()), ("./a-armhf.apk", "./b.apk"));
    assert_eq!(
        (a.record.name.as_str(), a.record.version.as_str(), a.record.arch.as_str()),
        ("a", "1.2-r3", "armhf")
    );
    assert_eq!((a.record.origin.as_str(), b.record.origin.as_str()), ("src", "b"));
    assert_eq!((a.record.installed_size, a.record.build_time, a.record.provider_priority), (10, 77, 5));
    assert_eq!(a.record.depends, "b so:libc.musl-armhf.so.1");
    assert_eq!((a.record.provides.as_str(), a.record.install_if.as_str()), ("cmd:a=1.2-r3", "b docs"));
    assert_eq!(a.request.to_string(), format!("a><{}", a.record.checksum));
    assert_eq!(a.record.size, package(info).len() as u64);
    ApkIndex::new("armhf", vec![(a.origin.clone(), vec![a.record.clone()])]).unwrap();

    // Each thing that can be wrong with a file.
    write("b.apk", &package("pkgname = b\npkgver = 1\narch = x86_64\nsize = 10\n"));
    let error = local_apks(&recipe, "armhf", "").unwrap_err();
    assert!(error.to_string().ends_with("b.apk is for x86_64, not for armhf"), "{error}");
    let mut cut = package("pkgname = b\npkgver = 1\narch = noarch\nsize = 10\n");
    cut.truncate(cut.len() - 20);
    write("b.apk", &cut);
    let error = local_apks(&recipe, "armhf", "").unwrap_err();
    assert!(matches!(error, RepositoryError::LocalApk(_)), "{error:?}");
    let error = local_apks(&recipe, "s390x", "").unwrap_err();
    assert!(
        matches!(&error, RepositoryError::LocalRead { path, .. } if path.ends_with("a-s390x.apk")),
        "{error:?}"
    );
}
