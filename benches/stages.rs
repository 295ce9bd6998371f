//! How long the stages take on input made here: no network, no package of a distro.

#![allow(clippy::unwrap_used, reason = "a benchmark may fail")]

use std::fmt::Write as _;
use std::io::Write as _;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use rootforge::arch::Arch;
use rootforge::deb::control::paragraphs;
use rootforge::deb::version;
use rootforge::digest::Digest;
use rootforge::oci::Layout;
use rootforge::repository::{IndexOrigin, IndexText, OriginKind, PackageIndex};
use rootforge::resolve::{Pinned, Request, resolve};

fn main() {
    divan::main();
}

/// A Packages text like Debian's: each package depends on up to three earlier ones.
fn packages_text(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let depends: Vec<String> = (1..=3)
            .filter(|step| number >= step * 7)
            .map(|step| format!("package-{}", number - step * 7))
            .collect();
        let _ = write!(
            text,
            "Package: package-{number}\nVersion: 1:{number}.{}-1+b2\nArchitecture: amd64\nMulti-Arch: foreign\n\
             Priority: optional\nSection: libs\nDescription: a package made for measuring\n",
            number % 17,
        );
        if !depends.is_empty() {
            let _ = writeln!(text, "Depends: {}", depends.join(", "));
        }
        let _ = write!(
            text,
            "Filename: pool/main/p/package-{number}_amd64.deb\nSize: {}\nSHA256: {}\n\n",
            number + 1000,
            Digest::of(&number.to_be_bytes()).hex(),
        );
    }
    text
}

fn origin() -> IndexOrigin {
    IndexOrigin {
        kind: OriginKind::Archive,
        archive: "debian".into(),
        uri: "http://mirror.example.org/debian".into(),
        suite: "trixie".into(),
        component: "main".into(),
        inrelease: Digest::of(b""),
        date: 1_700_000_000,
    }
}

fn index(text: &str) -> PackageIndex {
    let vouched = IndexText::matching(text.to_owned(), &Digest::of(text.as_bytes())).unwrap();
    PackageIndex::new(Arch::Amd64, "amd64", vec![(origin(), vouched)]).unwrap()
}

#[divan::bench]
fn walk_60_000_paragraphs(bencher: Bencher<'_, '_>) {
    let text = packages_text(60_000);
    bencher.counter(BytesCount::of_str(&text)).bench(|| paragraphs(black_box(&text)).count());
}

#[divan::bench(sample_count = 10)]
fn index_60_000_packages(bencher: Bencher<'_, '_>) {
    let text = packages_text(60_000);
    bencher.counter(BytesCount::of_str(&text)).bench(|| index(black_box(&text)));
}

#[divan::bench(args = [100, 1_000, 10_000])]
fn resolve_a_closure(bencher: Bencher<'_, '_>, packages: usize) {
    let index = index(&packages_text(packages));
    let request = [Request::any(format!("package-{}", packages - 1))];
    let nothing = std::collections::BTreeMap::new();
    bencher.bench(|| resolve(&index, black_box(&request), Pinned::Prefer(&nothing)).unwrap());
}

#[divan::bench]
fn compare_versions() -> std::cmp::Ordering {
    version::compare(black_box("1:2.41-12+deb13u1~bpo12+1"), black_box("1:2.41-12+deb13u1"))
}

#[divan::bench(sample_count = 10)]
fn write_a_layer_of_64_mib(bencher: Bencher<'_, '_>) {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::open_or_create(directory.path().join("layout")).unwrap();
    let line = packages_text(500);
    let content: Vec<u8> = line.bytes().cycle().take(64 << 20).collect();
    bencher.counter(BytesCount::of_slice(&content)).bench(|| {
        let mut layer = layout.layer_writer().unwrap();
        layer.write_all(&content).unwrap();
        layer.complete("measured".into()).unwrap()
    });
}
