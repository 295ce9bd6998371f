//! Scenarios, each a synthetic index, a world, and the packages expected in order, or why there are none.

use expect_test::expect;

use super::*;
use crate::apk::Checksum;
use crate::apk::index;
use crate::apk::relation;
use crate::digest::Digest;
use crate::hint::Hint as _;
use crate::repository::{ApkOrigin, OriginKind};

/// A short form of an index: a package a line, `name version` and then fields with `;` between them.
fn text(packages: &str) -> String {
    let mut text = String::new();
    for line in packages.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut parts = line.split(';').map(str::trim);
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        text += &format!("C:{}\nP:{name}\nV:{version}\nI:1\n", Checksum::of(line.as_bytes()));
        text += &parts.map(|field| format!("{field}\n")).collect::<String>();
        text += "\n";
    }
    text
}

/// Repositories divided by lines `== name @tag`; `== local` and `== lock` are no repositories.
fn index(packages: &str) -> ApkIndex {
    let mut parts: Vec<(ApkOrigin, String)> = Vec::new();
    for line in format!("== main\n{packages}").lines().map(str::trim) {
        let Some(title) = line.strip_prefix("== ") else {
            let (_, text) = parts.last_mut().unwrap();
            *text += line;
            *text += "\n";
            continue;
        };
        let (name, tag) = title.split_once(" @").map_or((title, None), |(name, tag)| (name, Some(tag)));
        let kind = match name {
            "local" => OriginKind::Local,
            "lock" => OriginKind::Locked,
            _ => OriginKind::Archive,
        };
        let origin = ApkOrigin {
            kind,
            archive: "alpine".to_owned(),
            repository: name.to_owned(),
            tag: tag.map(str::to_owned),
            signed: Digest::of(b""),
            date: 0,
        };
        parts.push((origin, String::new()));
    }
    let parts = parts.into_iter().map(|(origin, packages)| (origin, index::parse(&text(&packages)).unwrap()));
    ApkIndex::new("x86_64", parts.collect()).unwrap()
}

fn shown(index: &ApkIndex, solution: &ApkSolution) -> String {
    let packages = solution.packages.iter().map(|chosen| {
        let record = index.record(chosen.id);
        format!("{} {}", record.name, record.version)
    });
    packages.collect::<Vec<_>>().join(", ")
}

fn solve(packages: &str, world: &str) -> Result<String, ApkResolveError> {
    let index = index(packages);
    let world = relation::parse_list(world).unwrap();
    resolve_apk(&index, &world, &BTreeMap::new(), false).map(|solution| shown(&index, &solution))
}

#[test]
fn scenarios() {
    for (summary, packages, world, expected) in [
        ("dependencies first", "a 1; D:b c\nb 1\nc 1; D:b\nd 1", "a", "b 1, c 1, a 1"),
        ("the newest version", "a 1\na 1.10\na 1.9", "a", "a 1.10"),
        ("a version asked for", "a 1\na 2", "a<2", "a 1"),
        ("a fuzzy version", "a 1.2.3\na 1.3", "a~1.2", "a 1.2.3"),
        ("two constraints on one name both count", "a 1\na 2\na 3", "a>1 a<3", "a 2"),
        ("an older version that fits", "a 1; D:b=1\nb 1\nb 2", "a", "b 1, a 1"),
        ("an older version whose dependencies fit", "a 2; D:b>2\na 1; D:b\nb 1\nb 3", "a b<2", "b 1, a 1"),
        ("a library by its name", "a 1; D:so:x.so.1\nx 1; p:so:x.so.1=1", "a", "x 1, a 1"),
        ("the highest version under the name asked for", "x 9; p:v=1\ny 1; p:v=2", "v", "y 1"),
        ("then the highest priority", "x 9; p:v=1\ny 1; p:v=1; k:10", "v", "y 1"),
        ("then the first", "x 1; p:v=1\ny 1; p:v=1", "v", "x 1"),
        ("a bare name by priority", "x 1; p:v; k:1\ny 1; p:v; k:2\nz 1; p:v", "v", "y 1"),
        ("a bare name by a package that is asked for", "x 1; p:v\ny 1; p:v", "v y", "y 1"),
        ("bare names stand side by side", "x 1; p:v\ny 1; p:v", "x y", "x 1, y 1"),
        ("a conflict", "a 1; D:v\nx 1; p:v=2\ny 1; p:v=1", "a !x", "y 1, a 1"),
        ("a conflict of a package", "a 1; D:v !x\nx 1; p:v=2\ny 1; p:v=1", "a", "y 1, a 1"),
        ("nothing to add", "a 1", "!a", ""),
        ("install_if", "a 1\nb 1\ns 1; i:a b\nt 1; i:a x", "a b", "a 1, b 1, s 1"),
        ("install_if by version", "a 2\ns 1; i:a<2\nt 1; i:a>1", "a", "a 2, t 1"),
        ("install_if that is refused", "a 1\ns 1; i:a", "a !s", "a 1"),
        ("a circle", "a 1; D:b\nb 1; D:a", "a", "b 1, a 1"),
        ("the world in apk's order", "b 1\nA 1\na 1\nC 1", "b C a A", "A 1, a 1, b 1, C 1"),
        ("a malformed relation ends its field", "a 1; D:b c>= d\nb 1\nd 1", "a", "b 1, a 1"),
        ("the same package twice", "a 1\n== community\na 1", "a", "a 1"),
        ("the newest of several repositories", "a 1\n== community\na 2", "a", "a 2"),
        ("tags do not count by themselves", "a 1\n== edge @edge\na 2", "a", "a 1"),
        ("tags count where named", "a 1; D:b\nb 1\n== edge @edge\na 2; D:b\nb 2", "a@edge", "b 1, a 2"),
        ("tags are inherited where needed", "a 1\nb 1\n== edge @edge\na 2; D:b>1\nb 2", "a@edge", "b 2, a 2"),
        ("what installs nothing needs no tag", "b 1\n== edge @edge\na 2; I:0; D:b", "a", "b 1, a 2"),
        ("a lock does not lift a tag", "a 1\n== edge @edge\na 2\n== lock\na 2", "a", "a 1"),
        ("a version only the lock has", "a 2\n== lock\na 1", "a<2", "a 1"),
    ] {
        assert_eq!(solve(packages, world), Ok(expected.to_owned()), "{summary}");
    }
}

#[test]
fn reasons() {
    let told = |packages: &str, world: &str| {
        let error = solve(packages, world).unwrap_err();
        let hints: String = error.hints().iter().map(|hint| format!("\nhint: {hint}")).collect();
        format!("{error}{hints}")
    };
    expect![[r"
        there is no package `curk`
        hint: there is `curd` and `curl`"]]
    .assert_eq(&told("curl 1; p:cmd:curl=1\ncurd 1", "curk"));
    expect![[r"
        there is no package `ls`
        hint: there is `cmd:ls`"]]
    .assert_eq(&told("busybox 1; p:cmd:ls=1", "ls"));
    expect![[r"
        `a>2` is not in any repository; there is a 1 (main)
        hint: ask for a version there is"]]
    .assert_eq(&told("a 1", "a>2"));
    expect![[r"
        cannot resolve `a`: `so:x.so.1` is not in any repository
          required by b 1 (main)
          required by a 1 (main)
        hint: run `rootforge lock --update`, add the repository that has it, or ask for another version"]]
    .assert_eq(&told("a 1; D:b\nb 1; D:so:x.so.1", "a"));
    expect![[r"
        cannot resolve `a`: `b>2` is not in any repository; there is b 1 (main)
          required by a 1 (main)
        hint: run `rootforge lock --update`, add the repository that has it, or ask for another version"]]
    .assert_eq(&told("a 1; D:b>2\nb 1", "a"));
    expect![[r"
        cannot resolve `a`: `/bin/sh` is only provided by busybox 1 (main), without a version or priority
          required by a 1 (main)
        hint: name the package that is to provide it, such as `busybox`"]]
    .assert_eq(&told("a 1; D:/bin/sh\nbusybox 1; p:/bin/sh", "a"));
    expect![[r"
        cannot resolve `a`: `!b` rules out b 1 (main)
          b 1 (main) is required by a 1 (main)
        hint: drop one of the requests"]]
    .assert_eq(&told("a 1; D:b\nb 1", "a !b"));
    expect![[r"
        cannot resolve `a` and `b`: `c=2` of b 1 (main) rules out c 1 (main)
          c 1 (main) is required by a 1 (main)
        hint: leave one of them out, or put them into separate images"]]
    .assert_eq(&told("a 1; D:c=1\nb 1; D:c=2\nc 1\nc 2", "a b"));
    expect![[r"
        cannot resolve `a` and `b`: `!c` of a 1 (main) rules out c 1 (main)
          c 1 (main) is required by b 1 (main)
        hint: leave one of them out, or put them into separate images"]]
    .assert_eq(&told("a 1; D:!c\nb 1; D:c\nc 1", "a b"));
    expect![[r"
        cannot resolve `a` and `b`: a 1 (main) and b 1 (main) both provide `v`
        hint: leave one of them out, or put them into separate images"]]
    .assert_eq(&told("a 1; p:v=1\nb 1; p:v=2", "a b"));
    expect![[r"
        cannot resolve `a`: a 1 (main) provides `v` twice and conflicts with itself
        hint: ask for another version, or tell the repository's owner"]]
    .assert_eq(&told("a 1; p:v=1 v=2", "a"));
    expect![[r"
        cannot resolve `a`: a 1 (edge @edge) may not be used without its tag
        hint: ask for `a@edge`"]]
    .assert_eq(&told("b 1\n== edge @edge\na 1", "a"));
    expect![[r"
        `a@edje` names the tag `edje`, which no repository has
        hint: add a [[repository]] with that `tag`, or leave the tag out"]]
    .assert_eq(&told("a 1\n== edge @edge", "a@edje"));
    expect![[r"
        the packages cannot be had together:
          there is no package `yelp`
          there is no package `xorg`
          cannot resolve `a`: `c` is not in any repository
            required by b 1 (main)
            required by a 1 (main)
        hint: look up the package's name in this release, or add the repository that has it
        hint: run `rootforge lock --update`, add the repository that has it, or ask for another version"]]
    .assert_eq(&told("a 1; D:b\nb 1; D:c", "a xorg yelp"));
    expect![[r"
        cannot resolve `a`: `x` is not in any repository
          required by a 2 (main)
        hint: run `rootforge lock --update`, add the repository that has it, or ask for another version"]]
    .assert_eq(&told("a 2; D:x\na 1", "a"));
    expect![[r"
        cannot resolve `a>2`: `a<2` rules out a 3 (main)
        hint: drop one of the requests"]]
    .assert_eq(&told("a 1\na 2\na 3", "a<2 a>2"));
}

#[test]
fn pinned_versions() {
    let packages = "a 1; D:b\na 2; D:b\nb 1\nb 2\nb 3; p:v=3";
    let index = index(packages);
    let pinned = |versions: &str| -> BTreeMap<String, String> {
        let pairs = versions.split_whitespace().map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(name, version)| (name.to_owned(), version.to_owned())).collect()
    };
    let solve = |world: &str, versions: &str, keep| {
        let world = relation::parse_list(world).unwrap();
        resolve_apk(&index, &world, &pinned(versions), keep).map(|solution| shown(&index, &solution))
    };
    assert_eq!(solve("a", "b=1", false).unwrap(), "b 1, a 2");
    assert_eq!(solve("a b>1", "b=1", false).unwrap(), "b 3, a 2", "preferred only where it will do");
    assert_eq!(solve("a", "a=1 b=2", true).unwrap(), "b 2, a 1");
    assert_eq!(solve("a", "b=9", true).unwrap(), "b 3, a 2", "a version that is gone is no longer kept");
    assert_eq!(
        solve("a v", "b=1", true).unwrap_err().to_string(),
        "cannot resolve `v`: b 3 (main) does not fit the lock, which holds version 1"
    );
}

#[test]
fn files_by_their_checksum() {
    let packages = "a 2\nb 1\n== local\na 1; D:b";
    let checksum = Checksum::of(b"a 1; D:b");
    let index = index(packages);
    let world = [Relation::of_package("a", checksum)];
    let solution = resolve_apk(&index, &world, &BTreeMap::new(), false).unwrap();
    assert_eq!(shown(&index, &solution), "b 1, a 1");
    assert_eq!(index.origin(solution.packages[1].id).kind, OriginKind::Local);
}

#[test]
fn edges() {
    let index = index("a 1; D:b v !x b>0\nb 1; D:a\nc 1; p:v=1\ns 1; i:b c\nt 1; i:s; D:b");
    let world = relation::parse_list("a").unwrap();
    let solution = resolve_apk(&index, &world, &BTreeMap::new(), false).unwrap();
    let edges: BTreeMap<&str, String> = solution
        .packages
        .iter()
        .map(|chosen| (index.record(chosen.id).name.as_str(), chosen.edges.join(" ")))
        .collect();
    let expected = [("a", "b c"), ("b", "a s"), ("c", ""), ("s", "t"), ("t", "b")];
    assert_eq!(edges, expected.map(|(name, edges)| (name, edges.to_owned())).into());
}

#[test]
fn a_long_chain_needs_no_stack() {
    let count = 3000;
    let mut packages: String = (1..count).map(|n| format!("p{n} 1; D:p{}\n", n - 1)).collect();
    packages += "p0 1\n";
    let solve = move || solve(&packages, &format!("p{}", count - 1)).unwrap();
    let thread = std::thread::Builder::new().stack_size(96 * 1024).spawn(solve).unwrap();
    assert!(thread.join().unwrap().starts_with("p0 1, p1 1, "));
}
