//! Whether the solver chooses what apt chooses: for package names spread over the archive, the solution of a
//! request must be the set that `apt-get install --simulate --no-install-recommends` would put onto an empty
//! system, on two releases and two architectures.
//!
//! apt runs unprivileged in a directory of its own, on the release suite alone, from the mirror that this
//! machine's apt sources name; both sides read the very same `Packages` file. Names are drawn by
//! `ROOTFORGE_ORACLE_SEED`. The everyday test takes a small sample; all of it is
//! `cargo test --release --test all -- --ignored --nocapture full_apt_oracle`.
//!
//! A machine that is not Debian, or has no sources or keys, skips this and says why; under `CI=true` it fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test, all of it

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rootforge::arch::Arch;
use rootforge::deb::{control, relation};
use rootforge::digest::Digest;
use rootforge::distro::{DebianRelease, Distro};
use rootforge::repository::{IndexOrigin, IndexText, OriginKind, PackageIndex};
use rootforge::resolve::{Pinned, Request, ResolveError, Solution, resolve};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const RELEASES: [DebianRelease; 2] = [DebianRelease::Bookworm, DebianRelease::Trixie];
const ARCHES: [Arch; 2] = [Arch::Amd64, Arch::S390x];
const DEFAULT_SEED: u64 = 1;
/// Simulations that run at a time.
const AT_A_TIME: usize = 2;

#[test]
fn apt_oracle_sample() {
    compare_with_apt(40);
}

#[test]
#[ignore = "takes half an hour of apt"]
fn full_apt_oracle() {
    compare_with_apt(320);
}

/// Compares `count` names for each release and architecture.
fn compare_with_apt(count: usize) {
    let mirror = match debian_mirror() {
        Ok(mirror) => mirror,
        Err(reason) if std::env::var("CI").is_ok_and(|value| value == "true") => {
            panic!("cannot ask apt: {reason}")
        }
        Err(reason) => return println!("skipped: {reason}"),
    };
    let seed = std::env::var("ROOTFORGE_ORACLE_SEED").map_or(DEFAULT_SEED, |seed| seed.parse().unwrap());
    let (mut total, mut differences) = (0, 0);
    for release in RELEASES {
        for arch in ARCHES {
            let apt = Apt::new(&mirror, Distro::Debian(release), arch);
            let index = apt.index();
            let names = draw(&index, count, seed);
            let found = compare(&apt, &index, &names);
            println!("{release:?} {arch}: {} names, {} differ", names.len(), found.len());
            for difference in &found {
                println!("  {difference}");
            }
            total += names.len();
            differences += found.len();
        }
    }
    println!("seed {seed}: {} of {total} equal, {differences} differ", total - differences);
    assert!(differences * 100 < total, "{differences} of {total} solutions differ from apt's");
}

/// Every difference, by name, each with its reason.
fn compare(apt: &Apt, index: &PackageIndex, names: &[String]) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let theirs = apt.install(name);
                    let ours = resolve(index, &[Request::any(name)], Pinned::Prefer(&BTreeMap::new()));
                    if let Some(reason) = difference(index, &ours, &theirs) {
                        found.lock().unwrap().insert(name, format!("{name}: {reason}"));
                    }
                }
            });
        }
    });
    found.into_inner().unwrap().into_values().collect()
}

/// Why two answers differ; none if they are the same set, or both a refusal.
fn difference(
    index: &PackageIndex,
    ours: &Result<Solution, ResolveError>,
    theirs: &Result<BTreeSet<String>, String>,
) -> Option<String> {
    let (solution, theirs) = match (ours, theirs) {
        (Err(_), Err(_)) => return None,
        (Err(error), Ok(_)) => return Some(format!("apt has an answer, rootforge has none: {error}")),
        (Ok(_), Err(error)) => return Some(format!("rootforge has an answer, apt has none: {error}")),
        (Ok(solution), Ok(theirs)) => (solution, theirs),
    };
    let ours: BTreeSet<String> = solution.packages.iter().map(|chosen| chosen.name.clone()).collect();
    if ours == *theirs {
        return None;
    }
    let only_apt: Vec<&String> = theirs.difference(&ours).collect();
    let only_ours: Vec<&String> = ours.difference(theirs).collect();
    let reason =
        first_other_choice(index, solution, theirs).unwrap_or_else(|| "no clause explains it".to_owned());
    Some(format!("{reason}; only apt has {only_apt:?}, only rootforge has {only_ours:?}"))
}

/// The first clause of a package in both sets that rootforge meets with a package that apt does not install.
fn first_other_choice(
    index: &PackageIndex,
    solution: &Solution,
    theirs: &BTreeSet<String>,
) -> Option<String> {
    let common = solution.packages.iter().filter(|chosen| theirs.contains(&chosen.name));
    for chosen in common {
        if let Some(edge) = chosen.edges.iter().find(|edge| !theirs.contains(*edge)) {
            let record = index.package(chosen.id);
            let fields = format!("{}, {}", record.pre_depends, record.depends);
            let provided =
                |name: &str| index.providers(name).any(|provider| index.name(provider.package) == edge);
            let clauses = relation::parse(&fields, index.deb_arch()).unwrap();
            let clause = clauses.into_iter().find(|clause| {
                clause.iter().any(|alternative| alternative.name == *edge || provided(&alternative.name))
            })?;
            let clause: Vec<String> = clause.iter().map(ToString::to_string).collect();
            return Some(format!("rootforge takes {edge} for `{}` of {}", clause.join(" | "), chosen.name));
        }
    }
    None
}

/// Package names evenly spread over the index: one by chance out of each of `count` equal stretches.
pub(crate) fn draw(index: &PackageIndex, count: usize, seed: u64) -> Vec<String> {
    let mut names: Vec<&str> = index.packages().map(|id| index.name(id)).collect();
    names.dedup();
    let stretch = |number: usize| number * names.len() / count;
    let chance = |number: usize| {
        let from = format!("{seed} {number}");
        u64::from_be_bytes(*Digest::of(from.as_bytes()).as_bytes().first_chunk().unwrap())
    };
    (0..count)
        .map(|number| {
            let (start, end) = (stretch(number), stretch(number + 1));
            let within = chance(number) % u64::try_from(end - start).unwrap();
            names[start + usize::try_from(within).unwrap()].to_owned()
        })
        .collect()
}

/// An apt of its own: one release suite, one architecture, nothing installed.
pub(crate) struct Apt {
    distro: Distro,
    arch: Arch,
    deb_arch: &'static str,
    directory: tempfile::TempDir,
}

impl Apt {
    /// Fetches the index.
    pub(crate) fn new(mirror: &str, distro: Distro, arch: Arch) -> Self {
        let deb_arch = distro.arch_name(arch).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let apt = Apt { distro, arch, deb_arch, directory };
        let root = apt.directory.path();
        for directory in ["lists/partial", "cache/archives/partial", "none"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::write(root.join("status"), "").unwrap();
        let source = format!(
            "deb [target=Packages signed-by={KEYRING}] {mirror} {} main\n",
            distro.codename().unwrap()
        );
        fs::write(root.join("sources.list"), source).unwrap();
        fs::write(root.join("apt.conf"), apt.configuration()).unwrap();
        let output = apt.command().arg("update").output().unwrap();
        assert!(output.status.success(), "apt-get update: {}", String::from_utf8_lossy(&output.stderr));
        apt.command().args(["check"]).output().unwrap(); // leaves the cache that every simulation reads
        apt
    }

    /// Read after the machine's own configuration, of which proxies and the like stay.
    fn configuration(&self) -> String {
        let root = self.directory.path().display();
        let arch = self.deb_arch;
        format!(
            "#clear APT::Update;\n#clear APT::Architectures;\n\
             APT::Architecture \"{arch}\";\nAPT::Architectures {{ \"{arch}\"; }};\n\
             APT::Sandbox::User \"root\";\nAPT::Solver \"internal\";\n\
             Acquire::GzipIndexes \"false\";\nAcquire::Languages \"none\";\nDebug::NoLocking \"true\";\n\
             Dir::State \"{root}\";\nDir::State::Lists \"{root}/lists\";\nDir::State::status \"{root}/status\";\n\
             Dir::State::extended_states \"{root}/extended_states\";\n\
             Dir::Cache \"{root}/cache\";\nDir::Cache::pkgcache \"pkgcache.bin\";\n\
             Dir::Cache::srcpkgcache \"srcpkgcache.bin\";\n\
             Dir::Etc::sourcelist \"{root}/sources.list\";\nDir::Etc::sourceparts \"{root}/none\";\n\
             Dir::Etc::preferences \"{root}/none/none\";\nDir::Etc::preferencesparts \"{root}/none\";\n"
        )
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.env("LC_ALL", "C").arg("-c").arg(self.directory.path().join("apt.conf"));
        command
    }

    /// What apt would install for a name, or its complaint.
    fn install(&self, name: &str) -> Result<BTreeSet<String>, String> {
        let mut command = self.command();
        let output =
            command.args(["install", "--simulate", "--no-install-recommends", name]).output().unwrap();
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
            // Any other failure than that there is no way to install it would make the comparison worthless.
            assert!(complaint.contains("held broken packages"), "apt-get install {name}: {complaint}");
            return Err(complaint);
        }
        let text = String::from_utf8(output.stdout).unwrap();
        let installed = text.lines().filter_map(|line| line.strip_prefix("Inst ")?.split([' ', ':']).next());
        Ok(installed.map(str::to_owned).collect())
    }

    /// The index that apt has fetched and verified.
    pub(crate) fn index(&self) -> PackageIndex {
        let lists: Vec<PathBuf> = fs::read_dir(self.directory.path().join("lists"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        let ending = |ending: &str| {
            lists
                .iter()
                .find(|file| file.to_str().unwrap().ends_with(ending))
                .unwrap_or_else(|| panic!("no {ending}"))
        };
        let packages = fs::read_to_string(ending("_Packages")).unwrap();
        let inrelease = fs::read_to_string(ending("_InRelease")).unwrap();
        // apt has checked the signature; the digest that it vouches for is this one.
        let path = format!("main/binary-{}/Packages", self.deb_arch);
        let sums = control::paragraphs(&inrelease).find_map(|paragraph| paragraph.field("SHA256")).unwrap();
        let line = control::lines(sums).find(|line| line.split_whitespace().nth(2) == Some(&path)).unwrap();
        let expected = Digest::parse(line.split_whitespace().next().unwrap()).unwrap();
        let origin = IndexOrigin {
            archive: "debian".into(),
            kind: OriginKind::Archive,
            uri: String::new(),
            suite: self.distro.codename().unwrap().to_owned(),
            component: "main".to_owned(),
            inrelease: Digest::of(inrelease.as_bytes()),
            date: 0,
        };
        let text =
            IndexText::matching(packages, &expected).expect("apt's copy of the index is the signed one");
        PackageIndex::new(self.arch, self.deb_arch, vec![(origin, text)]).unwrap()
    }
}

/// The root of the Debian archive in this machine's apt sources, or why there is none to be used.
pub(crate) fn debian_mirror() -> Result<String, String> {
    if Command::new("apt-get").arg("--version").output().is_err() {
        return Err("there is no apt-get here".to_owned());
    }
    if !Path::new(KEYRING).exists() {
        return Err("there is no package debian-archive-keyring here".to_owned());
    }
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(directory) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(directory.map(|file| file.unwrap().path()));
    }
    files.sort();
    let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    let mut mirrors = texts.flat_map(|text| {
        let stanzas = control::paragraphs(&text).filter_map(|stanza| {
            let components = stanza.field("Components")?;
            Some(format!("{} {components}", stanza.field("URIs")?))
        });
        let one_line = text.lines().filter(|line| line.starts_with("deb ")).map(str::to_owned);
        let with_main =
            stanzas.chain(one_line).filter(|source| source.split_whitespace().any(|word| word == "main"));
        with_main
            .flat_map(|source| source.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    });
    mirrors
        .find(|uri| uri.contains("://") && uri.trim_end_matches('/').ends_with("/debian"))
        .ok_or_else(|| "this machine's apt sources name no Debian mirror".to_owned())
}
