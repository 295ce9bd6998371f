//! `repository` on the real Debian mirror that this machine's apt uses: what is right with it, and wrong.
//!
//! A mirror mends itself some day, so what is asserted is that rootforge's verdict on a suite and architecture
//! is what the mirror's own files say: each is also fetched and compared with InRelease by other code here.
//! Without apt sources of Debian these tests are left out, except in continuous integration.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "all of it is test code")]

use std::time::{SystemTime, UNIX_EPOCH};

use rootforge::arch::Arch;
use rootforge::cache::Cache;
use rootforge::digest::Digest;
use rootforge::distro::{Archive, Distro, PackageFormat, Pocket};
use rootforge::hint::Hint as _;
use rootforge::repository::{
    Access, IndexPart, MachineSources, MirrorInputs, MirrorOrigin, Mirrors, Note, PackageIndex,
    RepositoryError, Source, load_indexes, load_releases,
};
use rootforge::transport::{Transport, TransportOptions};

/// The mirrors of this machine's apt sources.
fn mirrors() -> Option<Mirrors> {
    let inputs = MirrorInputs { machine: MachineSources::read(), ..MirrorInputs::default() };
    let mirrors = Mirrors::new(&inputs).unwrap();
    if mirrors.find(Archive::Debian).origin == MirrorOrigin::Machine(PackageFormat::Deb) {
        return Some(mirrors);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "this machine has no Debian sources");
    eprintln!("left out: this machine has no Debian sources");
    None
}

struct Bench {
    mirrors: Mirrors,
    transport: Transport,
    cache: Cache,
    _directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Option<Self> {
        let mirrors = mirrors()?;
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let transport = Transport::new(TransportOptions::default()).unwrap();
        Some(Bench { mirrors, transport, cache, _directory: directory })
    }

    fn source(&self, distro: &str, arch: Arch, pocket: Pocket) -> Source {
        let distro: Distro = distro.parse().unwrap();
        let suite = distro.suites(arch).into_iter().find(|suite| suite.pocket == pocket).unwrap();
        Source::of_suite(&suite, &self.mirrors, None).unwrap()
    }

    fn load(&self, source: &Source, deb_arch: &str) -> Result<(Vec<IndexPart>, Vec<Note>), RepositoryError> {
        let mut notes = Vec::new();
        let access = Access {
            transport: &self.transport,
            cache: &self.cache,
            at: SystemTime::now(),
            allow_expired: false,
        };
        let releases = load_releases(std::slice::from_ref(source), access, &mut notes)?;
        Ok((load_indexes(&releases, deb_arch, access, &mut notes)?, notes))
    }

    fn in_release(&self, source: &Source) -> String {
        let url = format!("{}/dists/{}/InRelease", source.uri, source.suite);
        String::from_utf8(self.transport.read(&url, 1 << 24).unwrap()).unwrap()
    }

    /// Whether any copy of an index is what InRelease says; none if InRelease does not list it.
    fn has_fitting_copy(&self, source: &Source, deb_arch: &str) -> Option<bool> {
        let text = self.in_release(source);
        let sums = text.split("\nSHA256:\n").nth(1)?;
        let directory = format!("main/binary-{deb_arch}");
        let listed: Vec<(&str, &str)> = sums
            .lines()
            .take_while(|line| line.starts_with(' '))
            .filter_map(|line| {
                let words: Vec<_> = line.split_whitespace().collect();
                let ending = words[2].strip_prefix(&directory)?.strip_prefix("/Packages")?;
                ["", ".xz", ".gz", ".bz2", ".zst"].contains(&ending).then_some((words[0], words[2]))
            })
            .collect();
        if listed.is_empty() {
            return None;
        }
        let base = format!("{}/dists/{}", source.uri, source.suite);
        Some(listed.iter().any(|(digest, path)| {
            [format!("{base}/{path}"), format!("{base}/{directory}/by-hash/SHA256/{digest}")].iter().any(
                |url| {
                    self.transport.read(url, 1 << 28).is_ok_and(|bytes| Digest::of(&bytes).hex() == *digest)
                },
            )
        }))
    }

    /// Compares rootforge's verdict with the mirror's files.
    fn judge(&self, distro: &str, arch: Arch, pocket: Pocket) {
        let source = self.source(distro, arch, pocket);
        let deb_arch = distro.parse::<Distro>().unwrap().arch_name(arch).unwrap();
        let what = format!("{} {deb_arch}", source.suite);
        match (self.has_fitting_copy(&source, deb_arch), self.load(&source, deb_arch)) {
            (Some(true), Ok((parts, notes))) => {
                assert_eq!(notes, [], "{what}");
                let index = PackageIndex::new(arch, deb_arch, parts).unwrap();
                assert_eq!(index.origins()[0].suite, source.suite);
                eprintln!("{what}: {} packages", index.len());
            }
            (Some(false), Err(error @ RepositoryError::OutOfStep { .. })) => {
                assert!(error.to_string().contains("is out of step"), "{error}");
                assert!(error.hints().iter().any(|hint| hint.contains("--without")), "{what}");
                eprintln!("{what}: out of step");
            }
            (None, Ok((parts, notes))) if pocket != Pocket::Release => {
                assert!(parts.is_empty(), "{what}");
                assert_eq!(
                    notes,
                    [Note::ArchLeftOut { suite: source.suite.clone(), arch: deb_arch.to_owned() }]
                );
                eprintln!("{what}: left out");
            }
            (None, Err(RepositoryError::NoSuchArch { available, .. })) => {
                assert!(available.iter().any(|arch| arch == "amd64"), "{what}: {available:?}");
                eprintln!("{what}: no such architecture");
            }
            (fits, result) => {
                panic!("{what}: a fitting copy: {fits:?}, but {:?}", result.map(|(_, notes)| notes))
            }
        }
    }
}

/// Seen there: Packages of both suites that do not fit their InRelease.
#[test]
fn real_mirror_trixie_armel_and_s390x() {
    let Some(bench) = Bench::new() else { return };
    for arch in [Arch::Arm32v6, Arch::S390x] {
        for pocket in [Pocket::Updates, Pocket::Security] {
            bench.judge("debian:trixie", arch, pocket);
        }
    }
}

/// Seen there: no index for either, which is in order.
#[test]
fn real_mirror_bookworm_security_armel_and_s390x() {
    let Some(bench) = Bench::new() else { return };
    for arch in [Arch::Arm32v6, Arch::S390x, Arch::Amd64] {
        bench.judge("debian:bookworm", arch, Pocket::Security);
    }
}

/// An architecture that the release never had.
#[test]
fn real_mirror_bookworm_has_no_riscv64() {
    let Some(bench) = Bench::new() else { return };
    bench.judge("debian:bookworm", Arch::Riscv64, Pocket::Release);
}

/// All of trixie for a machine of this kind, as a build would take it.
#[test]
fn real_mirror_trixie_amd64() {
    let Some(bench) = Bench::new() else { return };
    let sources: Vec<_> = Pocket::ALL.map(|pocket| bench.source("debian:trixie", Arch::Amd64, pocket)).into();
    let access = Access {
        transport: &bench.transport,
        cache: &bench.cache,
        at: SystemTime::now(),
        allow_expired: false,
    };
    let releases = load_releases(&sources, access, &mut Vec::new()).unwrap();
    let parts = load_indexes(&releases, "amd64", access, &mut Vec::new()).unwrap();
    let origins: Vec<_> = parts.iter().map(|(origin, _)| origin.to_string()).collect();
    assert_eq!(origins, ["trixie/main", "trixie-updates/main", "trixie-security/main"]);
    let index = PackageIndex::new(Arch::Amd64, "amd64", parts).unwrap();
    assert!(index.len() > 60_000 && index.named("libc6").len() > 0, "{} packages", index.len());
}

/// Seen there: an index that expired weeks ago.
#[test]
fn real_mirror_sid() {
    let Some(bench) = Bench::new() else { return };
    let source = bench.source("debian:sid", Arch::Amd64, Pocket::Release);
    let text = bench.in_release(&source);
    let end =
        text.lines().find_map(|line| line.strip_prefix("Valid-Until: ")).unwrap().replace("UTC", "+0000");
    let end = jiff::fmt::rfc2822::parse(&end).unwrap().timestamp();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let expired = end.as_second().unsigned_abs() < now;
    match bench.load(&source, "amd64") {
        Ok((parts, _)) => assert!(!expired && !parts.is_empty()),
        Err(error @ RepositoryError::Expired { .. }) => {
            assert!(expired);
            assert!(
                error.to_string().contains(&end.strftime("expired on %Y-%m-%d %H:%M:%S UTC").to_string())
            );
            assert!(error.hints().iter().any(|hint| hint.contains("--allow-expired-index")));
            // Only the date is excused.
            let excused = Source { check_valid_until: false, ..source };
            assert_eq!(bench.load(&excused, "amd64").unwrap().0.len(), 1);
        }
        Err(error) => panic!("{error}"),
    }
}
