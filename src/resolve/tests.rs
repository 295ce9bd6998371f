//! Scenarios, each a synthetic index, requests, and the names and versions expected; and random indexes held
//! against brute force.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::arch::Arch;
use crate::deb::relation::{self, Relation};
use crate::digest::Digest;
use crate::hint::Hint as _;
use crate::repository::{IndexOrigin, IndexText, OriginKind};

/// A short form of an index: a package a line, `name version` and then fields with `;` between them.
fn paragraphs(packages: &str) -> String {
    let mut text = String::new();
    for line in packages.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut parts = line.split(';').map(str::trim);
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        writeln!(text, "Package: {name}\nVersion: {version}").unwrap();
        for field in parts.filter(|field| !field.is_empty()) {
            writeln!(text, "{field}").unwrap();
        }
        let sum = Digest::of(line.as_bytes()).hex();
        writeln!(text, "Architecture: amd64\nFilename: pool/{name}_{version}.deb\nSize: 1\nSHA256: {sum}\n")
            .unwrap();
    }
    text
}

fn origin(kind: OriginKind, suite: &str) -> IndexOrigin {
    IndexOrigin {
        archive: "debian".into(),
        kind,
        uri: String::new(),
        suite: suite.to_owned(),
        component: "main".to_owned(),
        inrelease: Digest::of(b""),
        date: 0,
    }
}

pub(super) fn index(packages: &str) -> PackageIndex {
    let texts = vec![(origin(OriginKind::Archive, "trixie"), IndexText::vouched(paragraphs(packages)))];
    PackageIndex::new(Arch::Amd64, "amd64", texts).unwrap()
}

/// Reads `name` and `name (>= 1)`.
fn request(text: &str) -> Request {
    let Relation { name, version, .. } = relation::parse(text, "amd64").unwrap().remove(0).remove(0);
    Request { name, constraint: version, local: false }
}

fn shown(index: &PackageIndex, solution: &Solution) -> String {
    let packages =
        solution.packages.iter().map(|chosen| format!("{} {}", chosen.name, index.version(chosen.id)));
    packages.collect::<Vec<_>>().join(", ")
}

fn solve(packages: &str, requests: &[&str]) -> Result<String, ResolveError> {
    let index = index(packages);
    let none = BTreeMap::new();
    let requests: Vec<Request> = requests.iter().map(|text| request(text)).collect();
    resolve(&index, &requests, Pinned::Prefer(&none)).map(|solution| shown(&index, &solution))
}

#[test]
fn scenarios() {
    for (summary, packages, requests, expected) in [
        ("depends and pre-depends", "a 1; Depends: b; Pre-Depends: c\nb 1\nc 1\nd 1", "a", "a 1, b 1, c 1"),
        ("recommends are left out", "a 1; Recommends: b\nb 1; Essential: yes", "a", "a 1"),
        ("the newest version", "a 1\na 1.10\na 1.9", "a", "a 1.10"),
        ("a version asked for", "a 1\na 2", "a (<< 2)", "a 1"),
        ("an older version that fits", "a 1; Depends: b (= 1)\nb 1\nb 2", "a", "a 1, b 1"),
        ("the first alternative", "a 1; Depends: b | c\nb 1\nc 1", "a", "a 1, b 1"),
        ("an alternative that is there", "a 1; Depends: c, b | c\nb 1\nc 1", "a", "a 1, c 1"),
        ("one that comes later is no reason", "a 1; Depends: b | c, c\nb 1\nc 1", "a", "a 1, b 1, c 1"),
        ("one that is missing", "a 1; Depends: x | c\nc 1", "a", "a 1, c 1"),
        ("one that cannot be installed", "a 1; Depends: b | c\nb 1; Depends: x\nc 1", "a", "a 1, c 1"),
        (
            "one that fails two levels down",
            "a 1; Depends: b | c\nb 1; Depends: d\nc 1\nd 1; Depends: x",
            "a",
            "a 1, c 1",
        ),
        ("one for another architecture", "a 1; Depends: b [s390x] | c\nb 1\nc 1", "a", "a 1, c 1"),
        ("a real package before a provider", "a 1; Depends: b\nab 1; Provides: b\nb 1", "a", "a 1, b 1"),
        ("a provider that comes first", "ab 1; Provides: b\na 1; Depends: b", "a", "a 1, ab 1"),
        (
            "a provider of higher priority",
            "a 1; Depends: v\nb 1; Provides: v; Priority: important\nc 1; Provides: v",
            "a",
            "a 1, b 1",
        ),
        (
            "an essential provider",
            "a 1; Depends: v\nb 1; Provides: v; Essential: yes\nc 1; Provides: v; Priority: required",
            "a",
            "a 1, b 1",
        ),
        (
            "a requested provider",
            "a 1; Depends: v\nb 1; Provides: v\nc 1; Provides: v\nd 1; Provides: v",
            "a b",
            "a 1, b 1",
        ),
        (
            "a versioned dependency needs a versioned provides",
            "a 1; Depends: v (>= 2)\nb 1; Provides: v\nc 1; Provides: v (= 2)\nd 1; Provides: v (= 1)",
            "a",
            "a 1, c 1",
        ),
        ("any needs allowed", "a 1; Depends: p:any | q\np 1\nq 1", "a", "a 1, q 1"),
        ("any with allowed", "a 1; Depends: p:any | q\np 1; Multi-Arch: allowed\nq 1", "a", "a 1, p 1"),
        (
            "native and its own name",
            "a 1; Depends: p:native, q:amd64, r:i386 | s\np 1\nq 1\nr 1\ns 1",
            "a",
            "a 1, p 1, q 1, s 1",
        ),
        ("a conflict avoided", "a 1; Depends: b | c, d\nb 1\nc 1\nd 1; Conflicts: b", "a", "a 1, c 1, d 1"),
        (
            "a break avoided by an older version",
            "a 1; Depends: b, d\nb 1\nb 2\nd 1; Breaks: b (>= 2)",
            "a",
            "a 1, b 1, d 1",
        ),
        ("a conflict with what one provides", "a 1; Provides: mta; Conflicts: mta", "a", "a 1"),
        (
            "a conflict through provides",
            "a 1; Depends: x | y; Conflicts: mta\nx 1; Provides: mta\ny 1",
            "a",
            "a 1, y 1",
        ),
        (
            "a versioned conflict spares plain provides",
            "a 1; Depends: x; Conflicts: mta (<< 2)\nx 1; Provides: mta",
            "a",
            "a 1, x 1",
        ),
        ("a circle", "a 1; Depends: b\nb 1; Depends: c\nc 1; Depends: a", "b", "a 1, b 1, c 1"),
        (
            "what a dead end left is cleared away",
            "a 1; Depends: b | c\nb 1; Depends: d, e\nc 1\nd 1\ne 1; Depends: x",
            "a",
            "a 1, c 1",
        ),
        ("an older version of a request", "a 2; Depends: x\na 1", "a", "a 1"),
    ] {
        let requests: Vec<&str> =
            if requests.contains('(') { vec![requests] } else { requests.split(' ').collect() };
        assert_eq!(solve(packages, &requests).as_deref(), Ok(expected), "{summary}");
    }
}

#[test]
fn edges_name_what_was_chosen() {
    let index =
        index("a 1; Depends: v, b | c, a; Pre-Depends: p\nb 1\nc 1\np 1; Provides: v\nq 1; Provides: v");
    let solution =
        resolve(&index, &[Request::any("c"), Request::any("a")], Pinned::Prefer(&BTreeMap::new())).unwrap();
    let a = solution.get("a").unwrap();
    assert_eq!(a.edges, ["c", "p"]);
    assert_eq!(a.pre_edges, ["p"]);
    assert_eq!(solution.get("b"), None);
}

#[test]
fn refusals_in_words() {
    for (packages, requests, expected, hint) in [
        ("curl 1\ncurlew 1\nbash 1", "crul", "there is no package `crul`", "there is `curl`"),
        ("bash 1", "zsh", "there is no package `zsh`", "look up the package's name in this release"),
        (
            "exim4 1; Provides: mta\npostfix 1; Provides: mta",
            "mta",
            "`mta` is not a package, only a name that `exim4` and `postfix` provide",
            "name one of them, such as `exim4`",
        ),
        (
            "a 1\na 2",
            "a (= 3)",
            "`a (= 3)` is not in any repository; there is 2 (trixie/main), 1 (trixie/main)",
            "ask for a version there is, or pin `snapshot` to a time that had it",
        ),
        (
            "curl 8; Depends: libcurl (= 8)\nlibcurl 7\nx 1; Depends: curl",
            "x",
            "cannot resolve `x`: `libcurl (= 8)` is not in any repository; there is libcurl 7 (trixie/main)\n  \
             required by curl 8 (trixie/main)\n  required by x 1 (trixie/main)",
            "run `rootforge lock --update`, add the repository that has it, or pin another version",
        ),
        (
            "a 1; Depends: c\nb 1; Conflicts: c (<< 2)\nc 1",
            "a b",
            "cannot resolve `a` and `b`: b 1 (trixie/main) conflicts with c 1 (trixie/main) (`c (<< 2)`)\n  \
             c 1 (trixie/main) is required by a 1 (trixie/main)",
            "leave one of them out, or put them into separate images",
        ),
        (
            "a 1; Depends: b (= 1), c\nb 1\nb 2\nc 1; Depends: b (= 2)",
            "a",
            "cannot resolve `a`: b 2 (trixie/main) and b 1 (trixie/main) exclude each other\n  \
             b 2 (trixie/main) is required by c 1 (trixie/main)\n    required by a 1 (trixie/main)\n  \
             b 1 (trixie/main) is required by a 1 (trixie/main)",
            "leave one of them out, or put them into separate images",
        ),
        (
            "a 1; Depends: b\nb 1; Depends: c (oops",
            "a",
            "cannot resolve `a`: the `Depends` of b 1 (trixie/main) is malformed: `c (oops` lacks a closing `)`\n  \
             b 1 (trixie/main) is required by a 1 (trixie/main)",
            "pin another version",
        ),
    ] {
        let requests: Vec<&str> =
            if requests.contains('(') { vec![requests] } else { requests.split(' ').collect() };
        let error = solve(packages, &requests).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.hints(), [hint]);
    }
    let error = solve("a 1\na 2", &["a (>= 2)", "a (<< 2)"]).unwrap_err();
    assert_eq!(error.to_string(), "no version meets all of `a (<< 2)` and `a (>= 2)`");
}

#[test]
fn pins() {
    let index = index("a 1; Depends: b\na 2; Depends: b (>= 2)\nb 1\nb 2\nb 3");
    let pins = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
    };
    let solve = |request: &str, pinned: Pinned<'_>| {
        resolve(&index, &[self::request(request)], pinned).map(|solution| shown(&index, &solution))
    };
    let both = pins(&[("a", "1"), ("b", "1"), ("gone", "1")]);
    assert_eq!(solve("a", Pinned::Prefer(&both)).unwrap(), "a 1, b 1");
    assert_eq!(solve("a", Pinned::Keep(&both)).unwrap(), "a 1, b 1");
    let only_b = pins(&[("b", "1")]);
    assert_eq!(solve("a (= 2)", Pinned::Prefer(&only_b)).unwrap(), "a 2, b 3");
    // The lock's b stays, so that a does too.
    assert_eq!(solve("a", Pinned::Keep(&only_b)).unwrap(), "a 1, b 1");
    assert_eq!(solve("a", Pinned::Keep(&pins(&[("b", "0.9")]))).unwrap(), "a 2, b 3");
    let error = solve("a (= 2)", Pinned::Keep(&only_b)).unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot resolve `a`: `b (>= 2)` does not fit the lock, which holds version 1\n  required by a 2 (trixie/main)"
    );
    let error = solve("a (= 2)", Pinned::Keep(&both)).unwrap_err();
    assert_eq!(error.to_string(), "`a (= 2)` does not fit the lock, which holds version 1");
    assert_eq!(error.hints(), ["run `rootforge lock --update` for all packages"]);
}

#[test]
fn local_packages_outrank_archives() {
    let archive = "app 3\nuser 1; Depends: app\nlib 1";
    let local = "Package: app\nVersion: 2\nArchitecture: amd64\nDepends: lib\nSize: 9\n";
    let text = IndexText::of_package(local, "/recipes/dist/app_2.deb", 5, &Digest::of(b"app"));
    let texts = vec![
        (origin(OriginKind::Archive, "trixie"), IndexText::vouched(paragraphs(archive))),
        (origin(OriginKind::Local, ""), text),
    ];
    let index = PackageIndex::new(Arch::Amd64, "amd64", texts).unwrap();
    let solution = resolve(&index, &[Request::any("user")], Pinned::Prefer(&BTreeMap::new())).unwrap();
    assert_eq!(shown(&index, &solution), "app 2, lib 1, user 1");
    let record = index.package(solution.get("app").unwrap().id);
    assert_eq!((record.filename, record.size), ("/recipes/dist/app_2.deb", 5));
    assert_eq!(record.sha256, Digest::of(b"app"));
    let local_lib = Request { local: true, ..Request::any("lib") };
    let error = resolve(&index, &[local_lib], Pinned::Prefer(&BTreeMap::new())).unwrap_err();
    assert!(matches!(error, ResolveError::NoSuchVersion { .. }), "{error}");
}

#[test]
fn a_chain_deeper_than_the_walk_goes() {
    let mut packages = String::new();
    for number in 0..3000 {
        writeln!(packages, "p{number} 1; Depends: p{}", number + 1).unwrap();
    }
    packages += "p3000 1";
    let index = index(&packages);
    let solution = resolve(&index, &[Request::any("p0")], Pinned::Prefer(&BTreeMap::new())).unwrap();
    assert_eq!(solution.packages.len(), 3001);
}

/// Whether a set of packages is what its own relations ask for; written from Policy 7 alone.
fn is_consistent(index: &PackageIndex, set: &BTreeSet<PackageId>) -> bool {
    let meets = |relation: &Relation, id: PackageId| {
        let record = index.package(id);
        let real = record.name == relation.name && relation.accepts(record.version);
        let provided =
            relation::parse(record.provides, "amd64").unwrap().into_iter().flatten().any(|provided| {
                let version_fits = match (&relation.version, &provided.version) {
                    (None, _) => true,
                    (Some(_), None) => false,
                    (Some(_), Some((_, version))) => relation.accepts(version),
                };
                provided.name == relation.name && version_fits
            });
        real || provided
    };
    let names: BTreeSet<&str> = set.iter().map(|id| index.name(*id)).collect();
    names.len() == set.len()
        && set.iter().all(|id| {
            let record = index.package(*id);
            let relations = |text: &str| relation::parse(text, "amd64").unwrap();
            let met = |clause: &Vec<Relation>| {
                clause.iter().any(|relation| set.iter().any(|other| meets(relation, *other)))
            };
            let harmless = |relation: &Relation| {
                set.iter().all(|other| index.name(*other) == record.name || !meets(relation, *other))
            };
            relations(record.depends).iter().all(met)
                && relations(record.conflicts).iter().flatten().all(harmless)
                && relations(record.breaks).iter().flatten().all(harmless)
        })
}

/// Indexes of a few packages `a` to `e` in up to two versions, with relations among them and a virtual `v`.
fn random_index() -> impl Strategy<Value = String> {
    let relation =
        ("[a-ev]", prop_oneof![Just(""), Just(" (= 1)"), Just(" (= 2)"), Just(" (>= 2)"), Just(" (<< 2)")]);
    let relation = relation.prop_map(|(name, version)| format!("{name}{version}"));
    let clause = prop::collection::vec(relation.clone(), 1..3).prop_map(|clause| clause.join(" | "));
    let package = (
        "[a-e] [12]",
        prop::collection::vec(clause, 0..3),
        prop::collection::vec(relation.clone(), 0..2),
        prop::collection::vec(relation, 0..2),
        prop_oneof![3 => Just(""), 1 => Just("Provides: v"), 1 => Just("Provides: v (= 2)"), 1 => Just("Provides: a (= 1)")],
    );
    let line = package.prop_map(|(name, depends, conflicts, breaks, provides)| {
        let mut line = name;
        for (field, values) in [("Depends", depends), ("Conflicts", conflicts), ("Breaks", breaks)] {
            if !values.is_empty() {
                write!(line, "; {field}: {}", values.join(", ")).unwrap();
            }
        }
        format!("{line}; {provides}\n")
    });
    prop::collection::vec(line, 1..9).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_solution_is_consistent_and_found_if_there_is_one(packages in random_index(), requests in "[a-e]{1,2}") {
        let index = index(&packages);
        let mut requests: Vec<Request> = requests.chars().map(Request::any).collect();
        let none = BTreeMap::new();
        let solved = resolve(&index, &requests, Pinned::Prefer(&none));
        requests.reverse();
        prop_assert_eq!(&resolve(&index, &requests, Pinned::Prefer(&none)), &solved);

        let all: Vec<PackageId> = index.packages().collect();
        let wanted = |set: &BTreeSet<PackageId>| {
            requests.iter().all(|request| set.iter().any(|id| index.name(*id) == request.name))
        };
        let possible = (0_u32..1 << all.len())
            .map(|bits| all.iter().copied().filter(|id| bits >> id.index() & 1 == 1).collect::<BTreeSet<_>>())
            .any(|set| wanted(&set) && is_consistent(&index, &set));
        match solved {
            Ok(solution) => {
                let set = solution.packages.iter().map(|chosen| chosen.id).collect();
                prop_assert!(wanted(&set) && is_consistent(&index, &set), "{}", shown(&index, &solution));
                for chosen in &solution.packages {
                    for edge in &chosen.edges {
                        prop_assert!(solution.get(edge).is_some());
                    }
                }
            }
            Err(error) => {
                prop_assert!(!possible, "{}", error);
                prop_assert!(!matches!(error, ResolveError::Unsolvable { .. }), "{}", error);
            }
        }
    }
}
