//! Whether the solver chooses what apk chooses, package for package and in the same order.
//!
//! `genuine_cases` are requests against two real indexes with the answers that apk gave. The rest asks the
//! real apk, which is unpacked from the corpus and run through its own loader: no root, no sandbox, nothing
//! installed (`--simulate`, an empty root). Requests are drawn by `ROOTFORGE_ORACLE_SEED`; the everyday tests
//! take a small sample, and all of it is
//! `cargo test --release --test all -- --ignored --nocapture full`.
//!
//! Without the corpus, or on a machine that is not x86-64, they are skipped and say why.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test, all of it

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rootforge::apk::index;
use rootforge::apk::relation::Relation;
use rootforge::apk::version;
use rootforge::digest::Digest;
use rootforge::repository::{ApkIndex, ApkOrigin, OriginKind};
use rootforge::resolve::{ApkResolveError, ApkSolution, resolve_apk};

mod odd;
mod oracle;
mod random;

use crate::support::alpine::alpine_corpus;
use oracle::{Apk, Repository};
use random::Random;

const GENUINE: [&str; 2] = ["v3.16/main/x86_64", "v3.17/main/aarch64"];
const DEFAULT_SEED: u64 = 1;

/// A package by name and version.
type Package = (String, String);

#[test]
fn genuine_cases() {
    let Some(corpus) = alpine_corpus() else { return };
    let text = fs::read_to_string(corpus.join("genuine/solver-cases.json")).unwrap();
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(cases.len(), 44);
    let mut indexes = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in &cases {
        let path = case["index"].as_str().unwrap();
        let index = indexes.entry(path).or_insert_with(|| genuine(&corpus, path));
        let request: Vec<&str> =
            case["request"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let found = match answer(index, &request) {
            Ok(packages) => serde_json::json!({"ok": true, "install": packages}),
            Err(error) => serde_json::json!({"ok": false, "why": [kind(&error)]}),
        };
        if found != case["expect"] {
            wrong.push(format!("{} {request:?}: {found}, not {}", case["id"], case["expect"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn sample_of_genuine_indexes() {
    compare_genuine(25);
}

#[test]
fn sample_of_odd_indexes() {
    compare_odd(300);
}

#[test]
#[ignore = "asks apk for minutes"]
fn full_genuine_indexes() {
    compare_genuine(2500);
}

#[test]
#[ignore = "asks apk for minutes"]
fn full_odd_indexes() {
    compare_odd(25_000);
}

#[test]
fn edges_reach_everything() {
    let mut solved = 0;
    for number in 0..2000 {
        let mut random = Random::new(seed(), number);
        let universe = odd::Universe::new(&mut random);
        let texts = universe.repositories.iter().map(|(tag, text)| (tag.as_deref(), text.as_str()));
        let index = made_of("x86_64", texts.collect());
        for _ in 0..4 {
            solved += usize::from(answer(&index, &universe.request(&mut random)).is_ok());
        }
    }
    assert!(solved > 1000, "only {solved} have a solution");
}

#[test]
fn sample_of_versions() {
    compare_versions(150);
}

#[test]
#[ignore = "asks apk for minutes"]
fn full_versions() {
    compare_versions(15_000);
}

#[test]
#[ignore = "a measurement"]
fn time_to_solve() {
    let Some(corpus) = alpine_corpus() else { return };
    for path in GENUINE {
        let text = oracle::index_text(&corpus.join("genuine/alpine").join(path).join("APKINDEX.tar.gz"));
        let started = Instant::now();
        let index = made_of(path, vec![(None, &text)]);
        let read = started.elapsed();
        for request in [&["busybox"][..], &["alpine-base", "busybox", "postgresql14", "nginx", "git"]] {
            let started = Instant::now();
            let found = answer(&index, request);
            let count = found.map_or(0, |packages| packages.len());
            println!("{path}: read in {read:?}, {request:?} to {count} packages in {:?}", started.elapsed());
        }
    }
}

/// What the case file calls an error.
fn kind(error: &ApkResolveError) -> &'static str {
    match error {
        ApkResolveError::NoSuchPackage { .. } => "no-such-package",
        ApkResolveError::Missing { available, .. } if available.is_empty() => "no-such-package",
        ApkResolveError::Virtual { .. } => "ambiguous-virtual",
        ApkResolveError::Several(errors) => {
            let mut kinds: Vec<&str> = errors.iter().map(kind).collect();
            kinds.dedup();
            if kinds.len() == 1 { kinds[0] } else { "several" }
        }
        _ => "broken-constraint",
    }
}

fn seed() -> u64 {
    std::env::var("ROOTFORGE_ORACLE_SEED").map_or(DEFAULT_SEED, |seed| seed.parse().unwrap())
}

fn made_of(arch_name: &str, repositories: Vec<(Option<&str>, &str)>) -> ApkIndex {
    let parts = repositories.into_iter().enumerate().map(|(number, (tag, text))| {
        let origin = ApkOrigin {
            kind: OriginKind::Archive,
            archive: "alpine".to_owned(),
            repository: format!("repository-{number}"),
            tag: tag.map(str::to_owned),
            signed: Digest::of(text.as_bytes()),
            date: 0,
        };
        (origin, index::parse(text).unwrap())
    });
    ApkIndex::new(arch_name, parts.collect()).unwrap()
}

fn genuine(corpus: &Path, path: &str) -> ApkIndex {
    let text = oracle::index_text(&corpus.join("genuine").join(path).join("APKINDEX.tar.gz"));
    made_of(path, vec![(None, &text)])
}

/// What the solver says to a request.
fn answer<T: AsRef<str>>(index: &ApkIndex, request: &[T]) -> Result<Vec<Package>, ApkResolveError> {
    let world: Vec<Relation> = request.iter().map(|one| one.as_ref().parse().unwrap()).collect();
    let solution = resolve_apk(index, &world, &BTreeMap::new(), false)?;
    check_edges(index, &world, &solution);
    let named = |id| {
        let record = index.record(id);
        (record.name.clone(), record.version.clone())
    };
    Ok(solution.packages.iter().map(|chosen| named(chosen.id)).collect())
}

/// A walk along the edges from packages that the world names, be it with a `!` and a version that they escape,
/// reaches every package.
fn check_edges(index: &ApkIndex, world: &[Relation], solution: &ApkSolution) {
    let edges: BTreeMap<&str, &Vec<String>> =
        solution.packages.iter().map(|one| (index.record(one.id).name.as_str(), &one.edges)).collect();
    assert_eq!(edges.len(), solution.packages.len(), "one version of a name");
    let mut reached: std::collections::BTreeSet<&str> = std::collections::BTreeSet::new();
    let wanted: Vec<&str> = world.iter().map(|one| one.name.as_str()).collect();
    let provides = |chosen: &&rootforge::resolve::ApkChosen| {
        let record = index.record(chosen.id);
        let provided = record.provides.split(' ').map(|one| one.split(['=', '<', '>', '~']).next().unwrap());
        wanted.contains(&record.name.as_str()) || provided.into_iter().any(|name| wanted.contains(&name))
    };
    let mut open: Vec<&str> =
        solution.packages.iter().filter(provides).map(|one| index.record(one.id).name.as_str()).collect();
    while let Some(name) = open.pop() {
        if reached.insert(name) {
            open.extend(edges[name].iter().map(String::as_str));
        }
    }
    assert_eq!(reached.len(), edges.len(), "reached only {reached:?} of {edges:?} from {world:?}");
}

/// Compares answers to requests against the genuine indexes.
fn compare_genuine(count: u64) {
    let Some(apk) = oracle::apk() else { return };
    let corpus = alpine_corpus().unwrap();
    let mut tally = Tally::default();
    for path in GENUINE {
        let (repository, arch) = path.rsplit_once('/').unwrap();
        let index = genuine(&corpus, &format!("alpine/{path}"));
        let words = random::Words::of(&index);
        let repositories = [Repository { tag: None, path: corpus.join("genuine/alpine").join(repository) }];
        let apk = apk.with(arch, &repositories, &corpus.join("genuine/keys/alpine"));
        for number in 0..count {
            let mut random = Random::new(seed(), number);
            tally.compare(path, &index, &apk, &words.request(&mut random), false);
        }
    }
    tally.finish();
}

/// Compares answers to requests against small indexes full of odd cases.
fn compare_odd(count: u64) {
    let Some(apk) = oracle::apk() else { return };
    let corpus = alpine_corpus().unwrap();
    let mut tally = Tally::default();
    let scratch = tempfile::tempdir().unwrap();
    for number in 0..count.div_ceil(4) {
        let mut random = Random::new(seed(), number);
        let universe = odd::Universe::new(&mut random);
        let repositories = universe.write(scratch.path());
        let apk = apk.with("x86_64", &repositories, &corpus);
        let texts = universe.repositories.iter().map(|(tag, text)| (tag.as_deref(), text.as_str()));
        let index = made_of("x86_64", texts.collect());
        for _ in 0..4 {
            let request = universe.request(&mut random);
            tally.compare(&format!("odd {number}"), &index, &apk, &request, true);
        }
        if tally.wrong.len() > 5 {
            break;
        }
    }
    tally.finish();
}

/// Compares pairs of versions, valid or not.
fn compare_versions(count: u64) {
    let Some(apk) = oracle::apk() else { return };
    let mut random = Random::new(seed(), 0);
    let mut wrong = Vec::new();
    for _ in 0..count {
        let left = odd::version(&mut random);
        let right =
            if random.percent(70) { odd::changed(&mut random, &left) } else { odd::version(&mut random) };
        let ours = version::compare(&left, &right);
        let theirs = apk.compare_versions(&left, &right);
        if ours != theirs {
            wrong.push(format!("{left} against {right} is {ours:?}, not {theirs:?}"));
        }
        if version::is_valid(&left) != apk.is_version(&left) {
            wrong.push(format!("{left} is valid: {}", version::is_valid(&left)));
        }
    }
    println!("seed {}: {count} pairs of versions, {} differ", seed(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[derive(Default)]
struct Tally {
    asked: usize,
    solved: usize,
    unexplained: usize,
    longest: Duration,
    wrong: Vec<String>,
}

impl Tally {
    fn compare(&mut self, of: &str, index: &ApkIndex, apk: &Apk, request: &[String], verbose: bool) {
        let started = Instant::now();
        let ours = answer(index, request);
        self.longest = self.longest.max(started.elapsed());
        let theirs = apk.add(request);
        self.asked += 1;
        self.solved += usize::from(theirs.is_ok());
        if let Err(error) = &ours {
            self.unexplained += usize::from(error.to_string().contains("apk's order of choosing"));
        }
        let same = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => ours == theirs,
            (Err(_), Err(_)) => true,
            _ => false,
        };
        if !same {
            let texts = if verbose { apk.described() } else { String::new() };
            self.wrong.push(format!("{of} {request:?}\n  ours   {ours:?}\n  theirs {theirs:?}\n{texts}"));
        }
    }

    fn finish(self) {
        println!(
            "seed {}: {} requests, {} with a solution, {} differ, {} failures without a cause, longest {:?}",
            seed(),
            self.asked,
            self.solved,
            self.wrong.len(),
            self.unexplained,
            self.longest,
        );
        assert!(self.wrong.is_empty(), "{}", self.wrong[..self.wrong.len().min(3)].join("\n"));
    }
}
