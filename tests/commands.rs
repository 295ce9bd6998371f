//! Packages that hold commands, drawn by a seed, each built from a recipe of three lines: every command of theirs
//! exits with the same code and says the same to `--version` and `--help` as where all packages are whole, beside the
//! Essential ones that every Debian system has, and as where apt has installed them into a system of `mmdebstrap`'s.
//!
//! Names are drawn from trixie's Contents indexes by `ROOTFORGE_COMMANDS_SEED` (1), less what needs more than 150 MB
//! of packages. A sample of small ones is `sample_of_commands`; all of it is
//! `cargo test --test all -- --ignored --nocapture full_commands`, of `ROOTFORGE_COMMANDS_COUNT` (200) packages, of
//! which the first `ROOTFORGE_COMMANDS_INSTALLED` (5) are installed too; `ROOTFORGE_COMMANDS_NAMES` names packages in
//! place of drawing. What whole systems answer is kept beside the tests' cache of packages (`ROOTFORGE_TEST_CACHE`),
//! by the lock that it holds for.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rootforge::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::apt_oracle::debian_mirror;
use crate::real_archive::bench::{Bench, cache, called};
use crate::real_archive::root::can_run;
use crate::tools::{have, is_root};

mod answers;
mod drawing;
mod roots;

use answers::{Answer, PATIENCE, cause};
use roots::Root;

const ARGUMENTS: [&str; 2] = ["--version", "--help"];
/// Packages that are tried at a time.
const AT_A_TIME: usize = 2;

/// Packages that need more bytes of packages are not tried, here and in the full run.
const SMALL: u64 = 40_000_000;
const MOST: u64 = 150_000_000;

#[test]
fn sample_of_commands() {
    compare(10, 5, SMALL);
}

#[test]
#[ignore = "takes an hour"]
fn full_commands() {
    compare(number("ROOTFORGE_COMMANDS_COUNT", 200), number("ROOTFORGE_COMMANDS_INSTALLED", 5), MOST);
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |value| value.parse().unwrap())
}

/// What the commands of a package answer in one root directory, by `command argument`.
type Answers = BTreeMap<String, Answer>;

/// What whole systems answer, and the package's commands.
#[derive(Default, Serialize, Deserialize)]
struct Whole {
    programs: Vec<String>,
    /// By the kind of system.
    answers: BTreeMap<String, Answers>,
}

/// What came of a package.
#[derive(Default)]
struct Compared {
    answers: usize,
    same: usize,
    /// For people to read.
    differences: Vec<String>,
}

fn compare(count: usize, installed: usize, most: u64) {
    if !can_run() || !is_root() || !have(&["mmdebstrap", "timeout", "unshare", "chroot", "gzip", "grep"]) {
        return;
    }
    let (Ok(mirror), Some(_)) = (debian_mirror(), Bench::new()) else { return };
    fs::create_dir_all(cache()).unwrap();
    let seed = u64::try_from(number("ROOTFORGE_COMMANDS_SEED", 1)).unwrap();
    let names = match std::env::var("ROOTFORGE_COMMANDS_NAMES") {
        Ok(names) => names.split_whitespace().map(str::to_owned).collect(),
        Err(_) => drawing::shuffled(drawing::holders(&mirror, &cache()), seed),
    };
    let (next, tried) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let total = Mutex::new(Compared::default());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Taken back where it comes to nothing.
                    let place = tried.fetch_add(1, Ordering::Relaxed);
                    if place >= count {
                        tried.fetch_sub(1, Ordering::Relaxed);
                        break;
                    }
                    let mirror = (place < installed).then_some(mirror.as_str());
                    let Some(found) = compare_package(name, most, mirror) else {
                        tried.fetch_sub(1, Ordering::Relaxed);
                        continue;
                    };
                    let mut total = total.lock().unwrap();
                    println!("{name}: {} of {} answers are the same", found.same, found.answers);
                    found.differences.iter().for_each(|line| println!("{name}: {line}"));
                    total.answers += found.answers;
                    total.same += found.same;
                    total
                        .differences
                        .extend(found.differences.into_iter().map(|line| format!("{name}: {line}")));
                }
            });
        }
    });
    let Compared { answers, same, differences } = total.into_inner().unwrap();
    let packages = tried.into_inner();
    println!("seed {seed}: {packages} packages, {same} of {answers} answers the same");
    assert!(packages == count.min(names.len()), "only {packages} packages could be tried");
    let unbuilt: Vec<&String> = differences.iter().filter(|line| line.contains("fails: ")).collect();
    assert!(unbuilt.is_empty(), "{unbuilt:#?}");
    assert!(same * 100 >= answers * 97, "{same} of {answers} answers are the same: {differences:#?}");
}

/// None for a package that cannot be installed, needs more than `most` bytes, or has no commands.
fn compare_package(name: &str, most: u64, mirror: Option<&str>) -> Option<Compared> {
    let bench = Bench::new()?;
    let recipe = bench.recipe("debian:trixie", name, "");
    let lock = roots::locked(&bench, &recipe, name, most)?;
    let needed = match roots::build(&bench, &recipe, name, "needed") {
        Ok(root) => root,
        Err(why) if roots::lay_out(&bench, &whole_recipe(&bench, name), "all").is_err() => {
            // Where all of its packages are whole it would not start either.
            println!("{name}: passed over, its packages do not fit together: {why}");
            return None;
        }
        Err(why) => return Some(Compared { differences: vec![why], ..Compared::default() }),
    };
    let whole = match whole(&bench, name, &lock, &needed.env, mirror) {
        Ok(whole) => whole,
        Err(why) => return Some(Compared { differences: vec![why], ..Compared::default() }),
    };
    let mut compared = Compared::default();
    for (program, argument) in questions(&whole.programs) {
        let ours = Answer::of(&needed.path, &needed.env, program, argument);
        let question = format!("{program} {argument}");
        let other = whole.answers.iter().find(|(_, answers)| !answers[&question].is_like(&ours));
        compared.answers += 1;
        if let Some((kind, answers)) = other {
            let theirs = &answers[&question];
            let (class, ours) = (cause(&ours, theirs), ours.shown());
            let theirs = theirs.shown();
            compared.differences.push(format!("{question}: {class}: {ours} -- {kind}: {theirs}"));
        } else {
            compared.same += 1;
        }
    }
    (compared.answers > 0).then_some(compared)
}

fn questions(programs: &[String]) -> impl Iterator<Item = (&str, &'static str)> {
    programs.iter().flat_map(|program| ARGUMENTS.map(|argument| (program.as_str(), argument)))
}

/// What whole systems of a package answer: an image that keeps all and, where there is a `mirror`, one that apt
/// installed. Known answers are taken from the cache.
fn whole(
    bench: &Bench,
    name: &str,
    lock: &str,
    env: &[(String, String)],
    mirror: Option<&str>,
) -> Result<Whole, String> {
    let text = whole_recipe(bench, name);
    let key = Digest::of(format!("{lock}\n{text}\n{env:?}\n{PATIENCE}").as_bytes());
    let key = key.to_string().replace(':', "-");
    let file = cache().join("answers").join(format!("{name}-{key}.json"));
    let mut whole: Whole = match fs::read(&file) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
        Err(_) => Whole::default(),
    };
    let wanted = |kind: &str, whole: &Whole| !whole.answers.contains_key(kind);
    if wanted("all", &whole) {
        let own = roots::own_paths(bench, name);
        let path = roots::lay_out(bench, &text, "all")?;
        whole.programs = roots::programs(&path, &own);
        keep(&mut whole, "all", &Root { path, env: env.to_vec() });
    }
    if let Some(mirror) = mirror.filter(|_| wanted("installed", &whole)) {
        let path = roots::install(bench, name, mirror)?;
        keep(&mut whole, "installed", &Root { path, env: env.to_vec() });
    }
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, serde_json::to_vec(&whole).unwrap()).unwrap();
    Ok(whole)
}

/// The recipe of a package, and of what every system has, with all that is in them.
fn whole_recipe(bench: &Bench, name: &str) -> String {
    let packages = roots::system(bench, name);
    let layer = format!("[[layer]]\nname = \"all\"\nkeep = \"all\"\npackages = {packages:?}\n");
    format!("name = \"{}\"\nfrom = \"debian:trixie\"\nstrip = false\n{layer}", called(name))
}

/// Asks everything twice, the second time when everything was asked once: what tells the time shows it then.
fn keep(whole: &mut Whole, kind: &str, root: &Root) {
    let ask = || {
        questions(&whole.programs).map(|(program, argument)| {
            let answer = Answer::of(&root.path, &root.env, program, argument);
            (format!("{program} {argument}"), answer)
        })
    };
    let mut answers: Answers = ask().collect();
    std::thread::sleep(Duration::from_millis(1100));
    for (question, again) in ask() {
        let first = answers.get_mut(&question).unwrap();
        first.steady = *first == again;
    }
    whole.answers.insert(kind.to_owned(), answers);
}
