use std::collections::BTreeMap;

use super::tree::walk;
use super::*;
use crate::arch::Arch;
use crate::elf::{facts, sample::Sample};

/// A tree from lines: `dir/`, `link -> target`, `file`, `lib: amd64`.
struct Tree(BTreeMap<RootPath, Item>);

enum Item {
    Directory,
    Symlink(String),
    File(Option<Box<ElfFacts>>),
}

fn path(text: &str) -> RootPath {
    RootPath::parse(text).unwrap()
}

fn tree(lines: &[&str]) -> Tree {
    let mut items = BTreeMap::new();
    for line in lines {
        let (name, item) = if let Some((name, target)) = line.split_once(" -> ") {
            (name, Item::Symlink(target.to_owned()))
        } else if let Some((name, arch)) = line.split_once(": ") {
            let bytes = Sample::library(arch.parse().unwrap(), "x", &[]).bytes();
            (name, Item::File(Some(Box::new(facts(&bytes).unwrap()))))
        } else if line.ends_with('/') {
            (*line, Item::Directory)
        } else {
            (*line, Item::File(None))
        };
        for above in path(name).ancestors() {
            items.entry(above).or_insert(Item::Directory);
        }
        items.insert(path(name), item);
    }
    Tree(items)
}

impl FileTree for Tree {
    fn node(&self, path: &RootPath) -> Option<Node<'_>> {
        Some(match self.0.get(path)? {
            Item::Directory => Node::Directory,
            Item::Symlink(target) => Node::Symlink(target),
            Item::File(facts) => Node::File(facts.as_deref()),
        })
    }
}

fn requester(rpath: &[&str], runpath: &[&str], executable: bool) -> ElfFacts {
    let mut facts = facts(&Sample::library(Arch::Amd64, "x", &[]).bytes()).unwrap();
    facts.rpath = rpath.iter().map(ToString::to_string).collect();
    facts.runpath = runpath.iter().map(ToString::to_string).collect();
    facts.kind = if executable { ElfKind::Executable } else { ElfKind::SharedObject };
    facts
}

fn search(extra: &[&str]) -> Search {
    let extra = extra.iter().map(|dir| path(dir)).collect();
    Search::glibc(Arch::Amd64.elf_machine(), "x86_64-linux-gnu", extra)
}

/// The link that is opened for `liba.so` by a chain of (path, facts).
fn link(tree: &Tree, search: &Search, chain: &[(&str, &ElfFacts)], library_path: &[&str]) -> Option<String> {
    let paths: Vec<_> = chain.iter().map(|(name, _)| path(name)).collect();
    let chain: Vec<_> =
        chain.iter().zip(&paths).map(|((_, facts), path)| Requester { path, facts }).collect();
    let library_path: Vec<_> = library_path.iter().map(|dir| path(dir)).collect();
    search.find(tree, "liba.so", &chain, &library_path).map(|found| found.link.to_string())
}

#[test]
fn links_are_followed() {
    let tree = tree(&[
        "lib -> usr/lib",
        "usr/lib/real/liba.so.1.2: amd64",
        "usr/lib/liba.so.1 -> real/../real/liba.so.1.2",
        "abs -> /lib/liba.so.1",
        "up -> ../../../../lib/liba.so.1",
        "loop -> /loop2",
        "loop2 -> loop",
        "dangling -> nowhere",
        "through -> usr/lib/real/liba.so.1.2/x",
    ]);
    let real = Some(path("/usr/lib/real/liba.so.1.2"));
    for name in ["/lib/liba.so.1", "/abs", "/up"] {
        assert_eq!(resolve(&tree, &path(name)), real, "{name}");
    }
    for name in ["/loop", "/dangling", "/through", "/none"] {
        assert_eq!(resolve(&tree, &path(name)), None, "{name}");
    }
    assert_eq!(resolve(&tree, &RootPath::root()), Some(RootPath::root()));
    let links = follow(&tree, &path("/abs")).unwrap().links;
    assert_eq!(links, [path("/abs"), path("/lib"), path("/usr/lib/liba.so.1")]);
    // `..` behind a link is the parent of what the link leads to.
    let tree = self::tree(&["a -> deep/down", "deep/down/", "deep/file"]);
    assert_eq!(walk(&tree, "/a/../file").map(|resolved| resolved.path), Some(path("/deep/file")));
}

#[test]
fn the_order_of_places() {
    let all = [
        "usr/lib/liba.so: amd64",
        "usr/lib/x86_64-linux-gnu/liba.so: amd64",
        "usr/local/lib/liba.so: amd64",
        "runpath/liba.so: amd64",
        "env/liba.so: amd64",
        "rpath/liba.so: amd64",
    ];
    let search = search(&["/usr/local/lib"]);
    let plain = requester(&[], &[], true);
    let rpath = requester(&["/rpath"], &[], true);
    let runpath = requester(&["/rpath"], &["/runpath"], true);
    let tree_of = |count: usize| tree(&all[..count]);
    let with = |count, facts: &ElfFacts| link(&tree_of(count), &search, &[("/bin/x", facts)], &["/env"]);
    assert_eq!(with(6, &rpath).unwrap(), "/rpath/liba.so");
    assert_eq!(with(6, &runpath).unwrap(), "/env/liba.so");
    assert_eq!(with(4, &runpath).unwrap(), "/runpath/liba.so");
    assert_eq!(with(4, &plain).unwrap(), "/usr/local/lib/liba.so");
    assert_eq!(with(2, &plain).unwrap(), "/usr/lib/x86_64-linux-gnu/liba.so");
    assert_eq!(with(1, &plain).unwrap(), "/usr/lib/liba.so");
    assert_eq!(with(0, &plain), None);

    let mut nodeflib = plain;
    nodeflib.nodeflib = true;
    assert_eq!(with(3, &nodeflib).unwrap(), "/usr/local/lib/liba.so");
    assert_eq!(with(2, &nodeflib), None);
}

#[test]
fn rpath_is_inherited_and_runpath_is_not() {
    let tree = tree(&["opt/liba.so: amd64"]);
    let search = search(&[]);
    let (plain, rpath) = (requester(&[], &[], false), requester(&["/opt"], &[], true));
    let runpath = requester(&["/opt"], &["/opt"], true);
    let elsewhere = requester(&[], &["/elsewhere"], false);
    let find = |chain: &[(&str, &ElfFacts)]| link(&tree, &search, chain, &[]).is_some();
    assert!(find(&[("/lib/b", &plain), ("/bin/x", &rpath)]));
    assert!(!find(&[("/lib/b", &plain), ("/bin/x", &runpath)]));
    assert!(!find(&[("/lib/b", &elsewhere), ("/bin/x", &rpath)]));
    // One in the middle with a runpath does not cut the chain.
    assert!(find(&[("/lib/b", &plain), ("/lib/c", &elsewhere), ("/bin/x", &rpath)]));
}

#[test]
fn origin_of_programs_and_libraries() {
    let tree = tree(&[
        "usr/bin/x -> ../../opt/x/bin/x",
        "opt/x/bin/x: amd64",
        "opt/x/lib/liba.so: amd64",
        "usr/lib/libb.so -> /opt/x/bin/x",
        "usr/lib/x86_64-linux-gnu/x/liba.so: amd64",
    ]);
    let search = search(&[]);
    let find = |name, facts: &ElfFacts| link(&tree, &search, &[(name, facts)], &[]);
    let origin = ["$ORIGIN/../lib"];
    let executable = requester(&[], &origin, true);
    assert_eq!(find("/usr/bin/x", &executable).unwrap(), "/opt/x/lib/liba.so");
    // A library's origin is where it was found, not where its link leads.
    assert_eq!(find("/usr/lib/libb.so", &requester(&[], &origin, false)), None);
    let lib = requester(&[], &["/usr/${LIB}/x"], false);
    assert_eq!(find("/x", &lib).unwrap(), "/usr/lib/x86_64-linux-gnu/x/liba.so");
    assert_eq!(find("/x", &requester(&[], &["opt/x/lib", "/opt/x/lib/$PLATFORM/.."], false)), None);
    assert_eq!(find("/x", &requester(&["$ORIGIN/opt/x/lib"], &[], false)).unwrap(), "/opt/x/lib/liba.so");
}

#[test]
fn other_machines_and_other_files_are_passed_over() {
    let tree = tree(&[
        "lib -> usr/lib",
        "usr/lib/x86_64-linux-gnu/liba.so: s390x",
        "usr/lib/liba.so: amd64",
        "usr/local/lib/liba.so",
        "opt/liba.so/",
        "usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libonly.so: amd64",
    ]);
    let search = search(&["/opt", "/usr/local/lib"]);
    let lookup = search.look(&tree, "liba.so", &[], &[]);
    assert_eq!(
        lookup,
        Lookup {
            found: Some(Found {
                link: path("/usr/lib/liba.so"),
                file: path("/usr/lib/liba.so"),
                links: vec![path("/lib")],
            }),
            // Met twice, once through the link, and told once.
            wrong_machine: vec![path("/usr/lib/x86_64-linux-gnu/liba.so")],
            not_elf: vec![path("/usr/local/lib/liba.so")],
        }
    );
    assert_eq!(search.find(&tree, "libonly.so", &[], &[]), None);
}

#[test]
fn names_with_a_slash_are_paths() {
    let tree = tree(&["opt/liba.so: amd64", "opt/bin/x: amd64"]);
    let search = search(&["/opt"]);
    let facts = requester(&["/opt"], &[], true);
    let requester = path("/opt/bin/x");
    let chain = [Requester { path: &requester, facts: &facts }];
    let find = |needed| search.find(&tree, needed, &chain, &[]).map(|found| found.link);
    assert_eq!(find("/opt/liba.so"), Some(path("/opt/liba.so")));
    assert_eq!(find("$ORIGIN/../liba.so"), Some(path("/opt/liba.so")));
    assert_eq!(find("./liba.so"), None);
    assert_eq!(find("opt/liba.so"), None);
}

#[test]
fn directories_on_the_path() {
    let search = search(&["/usr/local/lib"]);
    assert!(search.in_default_dirs(&path("/usr/lib/x86_64-linux-gnu/libc.so.6")));
    assert!(search.in_default_dirs(&path("/usr/local/lib/liba.so")));
    assert!(!search.in_default_dirs(&path("/usr/lib/x86_64-linux-gnu/pulseaudio/libx.so")));
    assert!(!search.in_default_dirs(&RootPath::root()));
}

fn musl(path_file: Option<&str>) -> Search {
    Search::musl(Arch::Amd64.elf_machine(), "x86_64", path_file)
}

#[test]
fn musls_places() {
    let all = [
        "usr/lib/liba.so: amd64",
        "usr/local/lib/liba.so: amd64",
        "lib/liba.so: amd64",
        "rpath/liba.so: amd64",
        "runpath/liba.so: amd64",
        "own/liba.so: amd64",
        "env/liba.so: amd64",
    ];
    let search = musl(None);
    let program = requester(&["/rpath"], &["/runpath"], true);
    let library = requester(&["/own"], &[], false);
    let chain = [("/lib/b", &library), ("/bin/x", &program)];
    let found = |count: usize, search: &Search, chain: &[(&str, &ElfFacts)]| {
        link(&tree(&all[..count]), search, chain, &["/env"])
    };
    for (count, place) in [
        (7, "/env"),
        (6, "/own"),
        (5, "/runpath"),
        (4, "/lib"),
        (3, "/lib"),
        (2, "/usr/local/lib"),
        (1, "/usr/lib"),
    ] {
        assert_eq!(found(count, &search, &chain).unwrap(), format!("{place}/liba.so"), "{count}");
    }
    assert_eq!(found(0, &search, &chain), None);
    let only_rpath = requester(&["/rpath"], &[], true);
    assert_eq!(
        found(4, &search, &[("/lib/b", &library), ("/bin/x", &only_rpath)]).unwrap(),
        "/rpath/liba.so"
    );
    // A path file replaces the default directories.
    let of_file = musl(Some("/none:/usr/local/lib\n/usr/lib"));
    assert_eq!(found(4, &of_file, &[]).unwrap(), "/usr/local/lib/liba.so");
    assert_eq!(of_file.default_dirs().len(), 3);
    assert_eq!(found(4, &musl(Some("")), &[]), None);
    // Tokens other than $ORIGIN spoil the whole path, in the needed name none is known.
    let spoilt = requester(&["/rpath", "/$LIB"], &[], true);
    assert_eq!(found(4, &search, &[("/bin/x", &spoilt)]).unwrap(), "/lib/liba.so");
    assert_eq!(search.find(&tree(&all), "$ORIGIN/liba.so", &[], &[]), None);
    assert_eq!(search.find(&tree(&all), "own/liba.so", &[], &[]), None);
    assert!(search.find(&tree(&all), "/own/liba.so", &[], &[]).is_some());
    assert_eq!(search.library_path("/a:b::/c;/d\n/e"), [path("/a"), path("/c;/d"), path("/e")]);
}

#[test]
fn musl_takes_the_first_file_there_is_or_none() {
    let search = musl(None);
    let elsewhere = ["lib/liba.so: s390x", "usr/lib/liba.so: amd64"];
    let lookup = search.look(&tree(&elsewhere), "liba.so", &[], &[]);
    assert_eq!((lookup.found, lookup.wrong_machine), (None, vec![path("/lib/liba.so")]));
    let text = ["lib/liba.so", "usr/lib/liba.so: amd64"];
    let lookup = search.look(&tree(&text), "liba.so", &[], &[]);
    assert_eq!((lookup.found, lookup.not_elf), (None, vec![path("/lib/liba.so")]));
    assert_eq!(search.find(&tree(&["lib/liba.so/", "usr/lib/liba.so: amd64"]), "liba.so", &[], &[]), None);
    let dangling = ["lib/liba.so -> none", "usr/lib/liba.so: amd64"];
    assert!(search.find(&tree(&dangling), "liba.so", &[], &[]).is_some());
}

#[test]
fn names_by_which_musl_means_itself() {
    let tree = tree(&[
        "lib/ld-musl-x86_64.so.1: amd64",
        "lib/libc.musl-x86_64.so.1 -> ld-musl-x86_64.so.1",
        "usr/lib/libm.so.6: amd64",
        "opt/ld-musl-x86_64.so.1: amd64",
    ]);
    let search = musl(None);
    let found = |needed, chain: &[Requester<'_>]| {
        search.find(&tree, needed, chain, &[]).map(|found| (found.link.to_string(), found.file.to_string()))
    };
    let loader = "/lib/ld-musl-x86_64.so.1";
    let both = |link: &str, file: &str| Some((link.to_owned(), file.to_owned()));
    assert_eq!(found("libc.musl-x86_64.so.1", &[]), both("/lib/libc.musl-x86_64.so.1", loader));
    // Not the file of that name.
    assert_eq!(found("libm.so.6", &[]), both(loader, loader));
    assert_eq!(found("ld-musl-x86_64.so.1", &[]), both(loader, loader));
    let mut facts = requester(&[], &[], true);
    facts.interp = Some("/opt/ld-musl-x86_64.so.1".to_owned());
    let program = path("/bin/x");
    let chain = [Requester { path: &program, facts: &facts }];
    assert_eq!(found("libc.so", &chain), both("/opt/ld-musl-x86_64.so.1", "/opt/ld-musl-x86_64.so.1"));
    facts.interp = Some("/lib64/ld-linux-x86-64.so.2".to_owned());
    let chain = [Requester { path: &program, facts: &facts }];
    assert_eq!(found("libc.so.6", &chain), both(loader, loader));
    assert_eq!(found("/lib64/ld-linux-x86-64.so.2", &chain), both(loader, loader));
}

proptest::proptest! {
    #[test]
    fn no_text_stops_a_search(needed in ".*", element in ".*", file in ".*", value in ".*") {
        let tree = tree(&["lib/liba.so: amd64", "lib/self -> self"]);
        let facts = requester(&[&element], &[], true);
        let name = path("/lib/liba.so");
        let chain = [Requester { path: &name, facts: &facts }];
        for search in [musl(Some(&file)), search(&[])] {
            let library_path = search.library_path(&value);
            proptest::prop_assert!(library_path.iter().all(|dir| dir.as_str().starts_with('/')));
            search.look(&tree, &needed, &chain, &library_path);
            search.look(&tree, &format!("{element}/{needed}"), &chain, &library_path);
        }
    }
}
