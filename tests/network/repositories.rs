//! `repository` on archives built and signed here, whole, tampered with, and half updated.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use rootforge::arch::Arch;
use rootforge::cache::Cache;
use rootforge::digest::Digest;
use rootforge::distro::{Archive, Distro};
use rootforge::hint::Hint as _;
use rootforge::repository::{
    Access, IndexPart, MachineSources, MirrorInputs, Mirrors, Note, PackageIndex, RepositoryError, Source,
    load_indexes, load_releases,
};
use rootforge::transport::Transport;
use rootforge::trust::TrustError;

use crate::network::{offline, online};
use crate::support::server::{Answer, Server};
use crate::support::signing::{DAY, Key, ring};
use crate::support::suite::{Files, Suite, package};

/// A cache, a key and a time to test with.
struct Bench {
    directory: tempfile::TempDir,
    cache: Cache,
    key: Key,
    now: SystemTime,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path().join("cache")).unwrap();
        // Some time ago: nothing here reads the clock.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000);
        Bench { directory, cache, key: Key::new(now), now }
    }

    fn source(&self, uri: &str, suite: &str) -> Source {
        Source {
            archive_name: "debian".to_owned(),
            uri: uri.to_owned(),
            fallbacks: Vec::new(),
            suite: suite.to_owned(),
            components: vec!["main".to_owned()],
            keyring: ring(&[&self.key]),
            origin: Some("Debian"),
            required: true,
            check_valid_until: true,
            by_snapshot: false,
        }
    }

    fn access<'a>(&'a self, transport: &'a Transport) -> Access<'a> {
        Access { transport, cache: &self.cache, at: self.now, allow_expired: false }
    }

    fn load(&self, source: &Source, arch: &str) -> Result<(Vec<IndexPart>, Vec<Note>), RepositoryError> {
        self.load_with(source, arch, &online())
    }

    fn load_with(
        &self,
        source: &Source,
        arch: &str,
        transport: &Transport,
    ) -> Result<(Vec<IndexPart>, Vec<Note>), RepositoryError> {
        let (access, mut notes) = (self.access(transport), Vec::new());
        let releases = load_releases(std::slice::from_ref(source), access, &mut notes)?;
        Ok((load_indexes(&releases, arch, access, &mut notes)?, notes))
    }

    fn fails(&self, source: &Source, arch: &str) -> RepositoryError {
        self.load(source, arch).map(|(parts, _)| parts).unwrap_err()
    }
}

/// The names of all packages.
fn names(parts: Vec<IndexPart>, arch: Arch, deb_arch: &str) -> Vec<String> {
    let index = PackageIndex::new(arch, deb_arch, parts).unwrap();
    index.packages().map(|id| index.name(id).to_owned()).collect()
}

#[test]
fn an_index_is_fetched_once_and_in_release_each_time() {
    let bench = Bench::new();
    let server = Server::of(Suite::new("trixie", bench.now).build(&bench.key));
    let source = bench.source(&server.root(), "trixie");
    let (parts, notes) = bench.load(&source, "amd64").unwrap();
    assert!(notes.is_empty());
    let origin = parts[0].0.clone();
    assert_eq!((&*origin.uri, &*origin.suite, &*origin.component), (&*server.root(), "trixie", "main"));
    assert_eq!(origin.date, 1_780_000_000 - 86_400);
    assert_eq!(names(parts, Arch::Amd64, "amd64"), ["one"]);
    let first = server.paths();
    assert_eq!(first.len(), 2);
    assert_eq!(first[0], "/dists/trixie/InRelease");
    assert!(first[1].starts_with("/dists/trixie/main/binary-amd64/by-hash/SHA256/"), "{}", first[1]);
    bench.load(&source, "amd64").unwrap();
    assert_eq!(server.paths()[2..], ["/dists/trixie/InRelease"]);
    // Offline, what was kept; it is verified again.
    let (parts, _) = bench.load_with(&source, "amd64", &offline()).unwrap();
    assert_eq!(parts[0].0, origin);
    let stranger = Source { keyring: ring(&[&Key::new(bench.now)]), ..source.clone() };
    let error = bench.load_with(&stranger, "amd64", &offline()).unwrap_err();
    assert!(
        matches!(error, RepositoryError::Untrusted { source: TrustError::UnknownKeys { .. }, .. }),
        "{error}"
    );
    assert_eq!(server.paths().len(), 3);
    let error = bench.load_with(&bench.source(&server.root(), "sid"), "amd64", &offline()).unwrap_err();
    assert!(matches!(error, RepositoryError::Offline { .. }), "{error}");
    // One InRelease serves several architectures.
    let releases = load_releases(&[source], bench.access(&online()), &mut Vec::new()).unwrap();
    for arch in ["amd64", "arm64"] {
        load_indexes(&releases, arch, bench.access(&online()), &mut Vec::new()).unwrap();
    }
    assert_eq!(server.paths().iter().filter(|path| path.ends_with("InRelease")).count(), 3);
}

#[test]
fn a_directory_is_an_archive() {
    let bench = Bench::new();
    let root = bench.directory.path().join("an archive");
    for (path, bytes) in Suite::new("trixie", bench.now).build(&bench.key) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let plain = root.to_str().unwrap().to_owned();
    for uri in [format!("file://{}", plain.replace(' ', "%20")), plain] {
        let (parts, _) = bench.load_with(&bench.source(&uri, "trixie"), "amd64", &offline()).unwrap();
        assert_eq!(names(parts, Arch::Amd64, "amd64"), ["one"]);
    }
}

#[test]
fn tampering_is_seen() {
    let bench = Bench::new();
    let files = Suite::new("trixie", bench.now).build(&bench.key);
    let serve = |change: &dyn Fn(&str, &mut Vec<u8>)| {
        let mut files = files.clone();
        for (path, bytes) in &mut files {
            change(path, bytes);
        }
        let server = Server::of(files);
        let source = bench.source(&server.root(), "trixie");
        (server, source)
    };
    let (_server, source) = serve(&|path, bytes| {
        if path.ends_with("InRelease") {
            *bytes = String::from_utf8(bytes.clone()).unwrap().replace("main", "mair").into_bytes();
        }
    });
    let error = bench.fails(&source, "amd64");
    assert!(
        matches!(&error, RepositoryError::Untrusted { source: TrustError::BadSignature { .. }, .. }),
        "{error}"
    );
    // One bit of every copy of the index.
    let (server, source) = serve(&|path, bytes| {
        if !path.ends_with("InRelease") {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
    });
    let error = bench.fails(&source, "amd64");
    let text = error.to_string();
    let head = format!(
        "the mirror `{}` is out of step: no copy of `main/binary-amd64/Packages` fits the signed InRelease of `trixie`\n",
        server.root()
    );
    assert!(text.starts_with(&head), "{text}");
    assert_eq!(text.lines().count(), 5, "by-hash and plain, compressed and not: {text}");
    assert!(error.hints()[0].contains("--mirror") && error.hints()[1].contains("--without updates"));
    // Nothing of it was kept.
    let (_server, source) = serve(&|_, _| {});
    bench.load(&source, "amd64").unwrap();
    // A web page in place of each.
    let page = b"<html>Log in</html>";
    let (_server, source) = serve(&|path, bytes| {
        if !path.ends_with("InRelease") {
            *bytes = page.to_vec();
        }
    });
    let error = bench.fails(&source, "arm64").to_string();
    assert!(error.contains("is out of step") && !error.contains("the signature"), "{error}");
    let (_server, source) = serve(&|_, bytes| *bytes = page.to_vec());
    let error = bench.fails(&source, "amd64");
    assert!(error.to_string().ends_with("the file is not signed; the server sent an HTML page"), "{error}");
    assert!(error.hints()[0].contains("captive portal"));
}

/// A mirror in the middle of an update has the new InRelease and one kind of copy only.
#[test]
fn every_copy_is_tried() {
    let bench = Bench::new();
    for ending in ["", ".xz", ".gz", ".bz2", ".zst"] {
        let suite = Suite { endings: vec![ending], ..Suite::new("trixie", bench.now) };
        let built = suite.build(&bench.key);
        for keep_by_hash in [true, false] {
            let files: Files = built
                .iter()
                .filter(|(path, _)| path.ends_with("InRelease") || path.contains("by-hash") == keep_by_hash)
                .map(|(path, bytes)| (path.clone(), bytes.clone()))
                .collect();
            let server = Server::of(files);
            let fresh = Bench { key: bench.key.clone(), ..Bench::new() };
            let (parts, _) = fresh.load(&fresh.source(&server.root(), "trixie"), "amd64").unwrap();
            assert_eq!(names(parts, Arch::Amd64, "amd64"), ["one"], "{ending}");
        }
    }
    // The plain copy only, of several that are listed.
    let suite = Suite { by_hash: false, endings: vec!["", ".gz", ".xz"], ..Suite::new("trixie", bench.now) };
    let mut files = suite.build(&bench.key);
    files.retain(|path, _| path.ends_with("InRelease") || path.ends_with("Packages"));
    let server = Server::of(files);
    bench.load(&bench.source(&server.root(), "trixie"), "amd64").unwrap();
    // Which of the first two is had sooner is a matter of the line.
    let mut paths = server.paths();
    paths[1..3].sort();
    assert_eq!(
        paths[1..],
        [".gz", ".xz", ""].map(|ending| format!("/dists/trixie/main/binary-amd64/Packages{ending}"))
    );
}

#[test]
fn a_suite_that_is_not_there() {
    let bench = Bench::new();
    let server = Server::of(Files::new());
    let error = bench.fails(&bench.source(&server.root(), "trixy"), "amd64");
    assert_eq!(error.to_string(), format!("`{}` has no suite `trixy`: 404 Not Found", server.root()));
    assert!(
        error.hints()[0].contains("debian:bookworm, debian:trixie, debian:sid, ubuntu:jammy"),
        "{:?}",
        error.hints()
    );
}

#[test]
fn dates() {
    let bench = Bench::new();
    let expired = Suite { valid_until: Some(bench.now - DAY / 24), ..Suite::new("sid", bench.now) };
    let server = Server::of(expired.build(&bench.key));
    let source = bench.source(&server.root(), "sid");
    let error = bench.fails(&source, "amd64");
    assert_eq!(
        error.to_string(),
        format!("the index of `sid` at `{}` expired on 2026-05-28 19:26:40 UTC", server.root())
    );
    assert!(
        error.hints()[1].contains("--allow-expired-index") && error.hints()[1].contains("check-valid-until")
    );
    let transport = online();
    let mut notes = Vec::new();
    let access = Access { allow_expired: true, ..bench.access(&transport) };
    load_releases(std::slice::from_ref(&source), access, &mut notes).unwrap();
    assert_eq!(
        notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["the index of `sid` expired on 2026-05-28 19:26:40 UTC and is used all the same"]
    );
    for source in [
        Source { check_valid_until: false, ..source.clone() },
        Source { by_snapshot: true, ..source.clone() },
    ] {
        assert_eq!(bench.load(&source, "amd64").unwrap().1, []);
    }
    // The date alone is excused.
    let stranger = Source { check_valid_until: false, keyring: ring(&[&Key::new(bench.now)]), ..source };
    assert!(matches!(bench.fails(&stranger, "amd64"), RepositoryError::Untrusted { .. }));

    let future = Suite { date: bench.now + 3 * DAY, ..Suite::new("trixie", bench.now) };
    let server = Server::of(future.build(&bench.key));
    let error = bench.fails(&bench.source(&server.root(), "trixie"), "amd64");
    assert!(matches!(error, RepositoryError::FromTheFuture { .. }), "{error}");
    assert_eq!(error.hints(), ["check this machine's clock"]);
}

#[test]
fn another_publisher_or_suite_is_refused() {
    let bench = Bench::new();
    let other = Suite { origin: "Docker", ..Suite::new("trixie", bench.now) };
    let server = Server::of(other.build(&bench.key));
    let source = bench.source(&server.root(), "trixie");
    let error = bench.fails(&source, "amd64");
    assert!(error.to_string().ends_with("is of `Docker`, not of `Debian`"), "{error}");
    bench.load(&Source { origin: None, ..source.clone() }, "amd64").unwrap();

    // An older release's InRelease, validly signed, in the place of the newer one's.
    let older = Suite { codename: Some("bookworm"), ..Suite::new("stable", bench.now) };
    let files: Files = older
        .build(&bench.key)
        .into_iter()
        .map(|(path, bytes)| (path.replace("dists/stable", "dists/trixie"), bytes))
        .collect();
    let replayed = Server::of(files);
    let error = bench.fails(&bench.source(&replayed.root(), "trixie"), "amd64");
    assert!(error.to_string().ends_with("is of the suite `bookworm`, not of `trixie`"), "{error}");

    // The wrong publisher was a guess: the next root is tried.
    let right = Server::of(Suite::new("trixie", bench.now).build(&bench.key));
    let guessed = Source { fallbacks: vec![right.root()], ..source };
    let (parts, notes) = bench.load(&guessed, "amd64").unwrap();
    assert_eq!(parts[0].0.uri, right.root());
    assert!(matches!(&notes[..], [Note::OtherMirror { used, .. }] if *used == right.root()), "{notes:?}");
}

#[test]
fn architectures_and_components() {
    let bench = Bench::new();
    let security = Suite {
        components: "updates/main updates/contrib",
        architectures: "amd64 arm64",
        all_within: false,
        ..Suite::new("trixie-security", bench.now)
    };
    let server = Server::of(security.build(&bench.key));
    let source = bench.source(&server.root(), "trixie-security");
    bench.load(&source, "arm64").unwrap();
    let error = bench.fails(&source, "s390x");
    assert!(error.to_string().ends_with("has no packages for s390x; it has amd64, arm64"), "{error}");
    let optional =
        Source { required: false, components: vec!["main".into(), "main".into()], ..source.clone() };
    let (parts, notes) = bench.load(&optional, "s390x").unwrap();
    assert!(parts.is_empty());
    assert_eq!(
        notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["`trixie-security` has no packages for s390x and is left out"]
    );
    for required in [true, false] {
        let wrong = Source { components: vec!["non-fre".into()], required, ..source.clone() };
        let error = bench.fails(&wrong, "amd64");
        assert!(error.to_string().ends_with("has no component `non-fre`; it has main"), "{error}");
    }
}

/// Some archives keep the packages for all architectures apart.
#[test]
fn packages_for_all_architectures() {
    let bench = Bench::new();
    let mut apart = Suite { all_within: false, ..Suite::new("trixie", bench.now) };
    apart.indexes.insert("main/binary-all", package("data", "all"));
    let load = |suite: &Suite<'_>, arch| {
        let server = Server::of(suite.build(&bench.key));
        bench.load(&bench.source(&server.root(), "trixie"), arch).map(|(parts, _)| (parts.len(), parts))
    };
    let (count, parts) = load(&apart, "amd64").unwrap();
    assert_eq!((count, names(parts, Arch::Amd64, "amd64")), (2, vec!["data".to_owned(), "one".to_owned()]));
    // Only those.
    let (_, parts) = load(&apart, "riscv64").unwrap();
    assert_eq!(names(parts, Arch::Riscv64, "riscv64"), ["data"]);
    // They are within each architecture's index, as the suite says or as is seen.
    assert_eq!(load(&Suite { all_within: true, ..apart }, "amd64").unwrap().0, 1);
    let mut both = Suite { all_within: false, ..Suite::new("trixie", bench.now) };
    both.indexes.insert("main/binary-all", package("data", "all"));
    both.indexes.insert("main/binary-amd64", package("one", "amd64") + &package("data", "all"));
    assert_eq!(load(&both, "amd64").unwrap().0, 1);
    let mut within = Suite::new("trixie", bench.now);
    within.indexes.insert("main/binary-all", package("data", "all"));
    assert!(matches!(load(&within, "riscv64"), Err(RepositoryError::NoSuchArch { .. })));
}

/// An index larger unpacked than InRelease says is not unpacked to its end.
#[test]
fn unpacking_is_bounded() {
    let bench = Bench::new();
    let suite = Suite::new("trixie", bench.now);
    let bomb = Suite {
        indexes: BTreeMap::from([("main/binary-amd64", package("one", "amd64").repeat(1000))]),
        endings: vec![".xz"],
        ..Suite::new("trixie", bench.now)
    };
    // Of two lists of sums in one signed text, the small plain file's and the large packed one's.
    let (small, large) = (suite.build(&bench.key), bomb.build(&bench.key));
    let sum = |files: &Files, ending: &str| {
        let text = String::from_utf8(files["dists/trixie/InRelease"].clone()).unwrap();
        text.lines()
            .find(|line| line.ends_with(&format!("main/binary-amd64/Packages{ending}")))
            .unwrap()
            .to_owned()
    };
    let text = format!(
        "Origin: Debian\nSuite: trixie\nCodename: trixie\nDate: Wed, 27 May 2026 00:00:00 UTC\nSHA256:\n{}\n{}\n",
        sum(&small, ""),
        sum(&large, ".xz")
    );
    let mut files = large.clone();
    files.insert("dists/trixie/InRelease".into(), bench.key.in_release(&text).into_bytes());
    let server = Server::of(files);
    let error = bench.fails(&bench.source(&server.root(), "trixie"), "amd64");
    assert!(error.to_string().contains("cannot be unpacked: it has more than the"), "{error}");
}

#[test]
fn a_damaged_index_in_the_cache_is_fetched_again() {
    let bench = Bench::new();
    let suite = Suite::new("trixie", bench.now);
    let server = Server::of(suite.build(&bench.key));
    let source = bench.source(&server.root(), "trixie");
    bench.load(&source, "amd64").unwrap();
    let digest: Digest = server.paths()[1].rsplit('/').next().unwrap().parse().unwrap();
    let path = bench.cache.blob(digest).unwrap();
    std::fs::write(&path, b"damaged").unwrap();
    // What was kept of it when it was sound still counts.
    let (parts, _) = bench.load(&source, "amd64").unwrap();
    assert_eq!(names(parts, Arch::Amd64, "amd64"), ["one"]);
    assert_eq!(server.paths().len(), 3);
    std::fs::remove_dir_all(bench.cache.root().join("derived")).unwrap();
    let (parts, _) = bench.load(&source, "amd64").unwrap();
    assert_eq!(names(parts, Arch::Amd64, "amd64"), ["one"]);
    assert_eq!(server.paths().len(), 5);
}

/// The main archive's InRelease lists every architecture, and the files of most are on the ports' host.
#[test]
fn ubuntu_ports_are_elsewhere() {
    let bench = Bench::new();
    let suite = Suite {
        origin: "Ubuntu",
        architectures: "amd64 arm64",
        all_within: false,
        ..Suite::new("noble", bench.now)
    };
    let built = suite.build(&bench.key);
    let half = |keep: &str, root: &str| -> Files {
        built
            .iter()
            .filter(|(path, _)| path.ends_with("InRelease") || path.contains(keep))
            .map(|(path, bytes)| (format!("{root}/{path}"), bytes.clone()))
            .collect()
    };
    let (common, others) = (Server::of(half("amd64", "ubuntu")), Server::of(half("arm64", "ubuntu-ports")));
    let mirrors = Mirrors::new(&MirrorInputs {
        given: BTreeMap::from([
            ("ubuntu".into(), common.url("ubuntu/")),
            ("ubuntu-ports".into(), others.url("ubuntu-ports")),
        ]),
        machine: MachineSources::default(),
        ..MirrorInputs::default()
    })
    .unwrap();
    let noble: Distro = "ubuntu:noble".parse().unwrap();
    let source = |archive: Archive| Source {
        origin: Some("Ubuntu"),
        ..bench.source(&mirrors.find(archive).url, "noble")
    };
    for arch in [Arch::Amd64, Arch::Arm64] {
        let archive = noble.suites(arch)[0].archive;
        let deb_arch = noble.arch_name(arch).unwrap();
        let (parts, _) = bench.load(&source(archive), deb_arch).unwrap();
        assert_eq!(names(parts, arch, deb_arch), ["one"]);
    }
    let fresh = Bench { key: bench.key.clone(), ..Bench::new() };
    let error = fresh.fails(&source(Archive::Ubuntu), "arm64");
    assert!(
        matches!(&error, RepositoryError::OutOfStep { tried, .. } if tried.iter().all(|one| one.contains("404"))),
        "{error}"
    );
}

/// The snapshot archive limits rates, and its InRelease files have long expired.
#[test]
fn snapshots() {
    let bench = Bench::new();
    let suite = Suite {
        valid_until: Some(bench.now - DAY),
        date: bench.now - 8 * DAY,
        ..Suite::new("trixie", bench.now)
    };
    let files: Files = suite
        .build(&bench.key)
        .into_iter()
        .map(|(path, bytes)| (format!("/archive/debian/20260501T000000Z/{path}"), bytes))
        .collect();
    let server = Server::new(move |request| match request.earlier {
        0 => Answer::status(429).with("Retry-After", "0"),
        _ => files.get(&request.path).map_or(Answer::status(404), |body| Answer::body(&body[..])),
    });
    let given = BTreeMap::from([("snapshot".to_owned(), server.url("archive"))]);
    let mirrors = Mirrors::new(&MirrorInputs { given, ..MirrorInputs::default() }).unwrap();
    let mirror = mirrors.snapshot(Archive::Debian, "20260501T000000Z").unwrap();
    assert_eq!(mirror.url, server.url("archive/debian/20260501T000000Z"));
    let source = Source { by_snapshot: true, ..bench.source(&mirror.url, "trixie") };
    let (parts, notes) = bench.load(&source, "amd64").unwrap();
    assert_eq!((names(parts, Arch::Amd64, "amd64"), notes.len()), (vec!["one".to_owned()], 0));
}
