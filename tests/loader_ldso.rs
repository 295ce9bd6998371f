//! The search for libraries against the dynamic loader of this machine: the same files for its own programs,
//! and for small ones built here that use what distros use rarely.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use rootforge::arch::Arch;
use rootforge::elf::{self, ElfFacts, ElfKind};
use rootforge::loader::{FileTree, Node, Search, resolve};
use rootforge::root_path::RootPath;

/// The machine's own root directory. Facts live as long as the test.
#[derive(Default)]
pub(crate) struct Host {
    known: RefCell<HashMap<RootPath, Option<Node<'static>>>>,
}

impl FileTree for Host {
    fn node(&self, path: &RootPath) -> Option<Node<'_>> {
        *self.known.borrow_mut().entry(path.clone()).or_insert_with(|| look(path.as_str()))
    }
}

pub(crate) fn look(path: &str) -> Option<Node<'static>> {
    let kind = fs::symlink_metadata(path).ok()?.file_type();
    Some(if kind.is_dir() {
        Node::Directory
    } else if kind.is_symlink() {
        Node::Symlink(fs::read_link(path).ok()?.to_str()?.to_owned().leak())
    } else if kind.is_file() {
        let facts = fs::read(path).ok().and_then(|bytes| elf::facts(&bytes).ok());
        Node::File(facts.map(|facts| &*Box::leak(Box::new(facts))))
    } else {
        Node::Other
    })
}

pub(crate) fn path(text: impl AsRef<Path>) -> RootPath {
    RootPath::parse(text.as_ref().to_str().unwrap()).unwrap()
}

/// The directories of /etc/ld.so.conf and what it includes.
fn extra_dirs() -> Vec<RootPath> {
    let mut files: Vec<PathBuf> =
        fs::read_dir("/etc/ld.so.conf.d").into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "conf"));
    files.sort();
    let mut dirs = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap_or_default();
        dirs.extend(text.lines().map(str::trim).filter(|line| line.starts_with('/')).map(path));
    }
    dirs
}

/// The machine's multiarch triplet; none where it is not of Debian's kind.
fn triplet() -> Option<&'static str> {
    let triplet = match Arch::host()? {
        Arch::Amd64 => "x86_64-linux-gnu",
        Arch::Arm64 => "aarch64-linux-gnu",
        Arch::S390x => "s390x-linux-gnu",
        Arch::Ppc64le => "powerpc64le-linux-gnu",
        Arch::Riscv64 => "riscv64-linux-gnu",
        _ => return None,
    };
    Path::new("/usr/lib").join(triplet).join("libc.so.6").exists().then_some(triplet)
}

pub(crate) fn search() -> Option<Search> {
    let search = triplet().map(|name| Search::glibc(Arch::host().unwrap().elf_machine(), name, extra_dirs()));
    if search.is_none() {
        assert!(std::env::var_os("CI").is_none(), "this machine has no Debian's libc");
        eprintln!("skipped: this machine has no Debian's libc");
    }
    search
}

/// The files of the closure, links followed, and the names that are missing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Closure {
    files: BTreeSet<String>,
    missing: BTreeSet<String>,
}

/// What we say that a program loads.
fn closure(tree: &Host, search: &Search, program: &RootPath, library_path: &[RootPath]) -> Closure {
    let process =
        search.load(tree, program, library_path).unwrap_or_else(|| panic!("{program} is no ELF file"));
    Closure {
        files: process.objects.iter().skip(1).map(|object| object.file.to_string()).collect(),
        missing: process.missing.into_iter().map(|missing| missing.needed).collect(),
    }
}

/// Reads what the loader prints when it is asked to list: `name => path (address)`.
fn listed(text: &str) -> Closure {
    let mut closure = Closure::default();
    for line in text.lines().map(str::trim) {
        let (name, place) = line.split_once(" => ").unwrap_or((line, line));
        if place == "not found" {
            closure.missing.insert(name.to_owned());
        } else if let Some((file, _)) = place.rsplit_once(" (").filter(|(file, _)| file.starts_with('/')) {
            closure.files.insert(fs::canonicalize(file).unwrap().to_str().unwrap().to_owned());
        }
    }
    closure
}

#[test]
fn programs_of_this_machine() {
    let Some(search) = search() else { return };
    let tree = Host::default();
    let mut programs: Vec<(RootPath, &ElfFacts)> = Vec::new();
    for dir in ["/usr/bin", "/usr/sbin", "/usr/libexec"] {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Some(file) = resolve(&tree, &path(entry.path())) else { continue };
            match look(file.as_str()) {
                Some(Node::File(Some(facts)))
                    if facts.interp.is_some() && facts.machine == search.machine() =>
                {
                    programs.push((file, facts));
                }
                _ => {}
            }
        }
    }
    programs.sort_by(|(one, _), (other, _)| one.cmp(other));
    programs.dedup_by(|(one, _), (other, _)| one == other);
    assert!(programs.len() > 20, "few programs: {}", programs.len());
    // A hundred of them, and all that have search paths of their own.
    let step = programs.len().div_ceil(100);
    let mut judged = 0;
    for (number, (program, facts)) in programs.iter().enumerate() {
        if number % step != 0 && facts.rpath.is_empty() && facts.runpath.is_empty() {
            continue;
        }
        let interp = facts.interp.as_deref().unwrap();
        let output = Command::new(interp)
            .args(["--list", program.as_str()])
            .env_remove("LD_LIBRARY_PATH")
            .env_remove("LD_PRELOAD")
            .output()
            .unwrap();
        if !output.status.success() && output.stdout.is_empty() {
            eprintln!("{program}: {}", String::from_utf8_lossy(&output.stderr));
            continue;
        }
        let ours = closure(&tree, &search, program, &[]);
        assert_eq!(ours, listed(&String::from_utf8_lossy(&output.stdout)), "{program}");
        judged += 1;
    }
    assert!(judged >= 20, "only {judged} programs could be judged");
}

/// A directory in which small programs and libraries are linked.
struct Workshop {
    dir: tempfile::TempDir,
}

impl Workshop {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Links an empty object with options; `{}` in them is the directory.
    fn link(&self, name: &str, options: &str) {
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let source = self.path("empty.c");
        fs::write(&source, "void _start(void) {}\n").unwrap();
        let options = options.replace("{}", self.dir.path().to_str().unwrap());
        let status = Command::new("cc")
            .args(["-nostdlib", "-fPIC", "-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined"])
            .arg("-o")
            .arg(&file)
            .arg(&source)
            .args(options.split_whitespace())
            .status()
            .unwrap();
        assert!(status.success(), "{name}");
    }

    /// The library `liba.so` at a place, and `libb.so` that needs it.
    fn a(&self, name: &str) {
        self.link(name, "-shared -Wl,-soname,liba.so");
    }

    fn b(&self, name: &str, options: &str) {
        self.a("stub/liba.so");
        self.link(name, &format!("-shared -Wl,-soname,libb.so -L{{}}/stub -l:liba.so {options}"));
    }

    /// A program that needs `libb.so`.
    fn program(&self, name: &str, options: &str) {
        self.b("stub/libb.so", "");
        self.link(name, &format!("-pie -L{{}}/stub -l:libb.so -Wl,-rpath-link,{{}}/stub {options}"));
    }

    /// Our closure of a program must be the loader's; gives it with paths relative to the directory.
    fn judged(
        &self,
        search: &Search,
        program: &str,
        library_path: Option<&str>,
    ) -> (Vec<String>, Vec<String>) {
        // Nothing is found where it was linked.
        let _ = fs::remove_dir_all(self.path("stub"));
        let file = self.path(program);
        let mut command = Command::new(&file);
        command.env("LD_TRACE_LOADED_OBJECTS", "1").env_remove("LD_PRELOAD").env_remove("LD_LIBRARY_PATH");
        let dirs: Vec<_> = library_path.iter().map(|dir| self.path(dir)).collect();
        if let Some(dir) = dirs.first() {
            command.env("LD_LIBRARY_PATH", dir);
        }
        let output = command.output().unwrap();
        let theirs = listed(&String::from_utf8_lossy(&output.stdout));
        let dirs: Vec<_> = dirs.iter().map(path).collect();
        let ours = closure(&Host::default(), search, &path(&file), &dirs);
        assert_eq!(ours, theirs, "{program}: {output:?}");
        let root = format!("{}/", fs::canonicalize(self.dir.path()).unwrap().display());
        let inside = |file: &String| file.strip_prefix(&root).map(ToOwned::to_owned);
        (ours.files.iter().filter_map(inside).collect(), ours.missing.into_iter().collect())
    }
}

const RPATH: &str = "-Wl,--disable-new-dtags -Wl,-rpath,";
const RUNPATH: &str = "-Wl,--enable-new-dtags -Wl,-rpath,";

/// Builds with `build`, lists the program, and compares with what is wanted: files, and missing names.
fn scenario(
    name: &str,
    build: impl Fn(&Workshop),
    program: &str,
    library_path: Option<&str>,
    wanted: (&[&str], &[&str]),
) {
    let Some(search) = search() else { return };
    if Command::new("cc").arg("--version").output().is_err() {
        eprintln!("skipped: no C compiler here");
        return;
    }
    let workshop = Workshop { dir: tempfile::TempDir::new().unwrap() };
    build(&workshop);
    let (files, missing) = workshop.judged(&search, program, library_path);
    assert_eq!(files, wanted.0, "{name}");
    assert_eq!(missing, wanted.1, "{name}");
}

#[test]
fn rpath_reaches_down_and_runpath_does_not() {
    let with = |options: &'static str, of_b: &'static str| {
        move |shop: &Workshop| {
            shop.program("bin/x", options);
            shop.a("lib/liba.so");
            shop.b("lib/libb.so", of_b);
        }
    };
    let rpath = "-Wl,--disable-new-dtags -Wl,-rpath,$ORIGIN/../lib";
    let runpath = "-Wl,--enable-new-dtags -Wl,-rpath,$ORIGIN/../lib";
    let nowhere = "-Wl,--enable-new-dtags -Wl,-rpath,/nowhere";
    let both: (&[&str], &[&str]) = (&["lib/liba.so", "lib/libb.so"], &[]);
    let one: (&[&str], &[&str]) = (&["lib/libb.so"], &["liba.so"]);
    scenario("rpath", with(rpath, ""), "bin/x", None, both);
    scenario("runpath", with(runpath, ""), "bin/x", None, one);
    scenario("rpath above runpath", with(rpath, nowhere), "bin/x", None, one);
    scenario(
        "origin of a library",
        with(runpath, "-Wl,--enable-new-dtags -Wl,-rpath,${ORIGIN}"),
        "bin/x",
        None,
        both,
    );
    scenario(
        "rpath of a library",
        with(runpath, "-Wl,--disable-new-dtags -Wl,-rpath,$ORIGIN/."),
        "bin/x",
        None,
        both,
    );
}

#[test]
fn what_is_loaded_already_is_not_sought_again() {
    // `libb.so` would not find `liba.so`, which the program has by its runpath.
    let by_name = |shop: &Workshop| {
        shop.b("stub/libb.so", "");
        shop.link("x", &format!("-pie -L{{}}/stub -l:libb.so -l:liba.so {RUNPATH}{{}}/lib"));
        shop.a("lib/liba.so");
        shop.b("lib/libb.so", "");
    };
    scenario("by name", by_name, "x", None, (&["lib/liba.so", "lib/libb.so"], &[]));
    // It is known by its soname, whatever the file is called.
    let by_soname = |shop: &Workshop| {
        shop.b("stub/libb.so", "");
        shop.link("stub/other.so", "-shared -Wl,-soname,other.so");
        shop.link("x", &format!("-pie -L{{}}/stub -l:other.so -l:libb.so {RUNPATH}{{}}/lib"));
        shop.a("lib/other.so");
        shop.b("lib/libb.so", "");
    };
    scenario("by soname", by_soname, "x", None, (&["lib/libb.so", "lib/other.so"], &[]));
}

#[test]
fn order_of_rpath_environment_and_runpath() {
    let with = |flavour: &'static str| {
        move |shop: &Workshop| {
            shop.program("x", &format!("{flavour}{{}}/own"));
            for dir in ["own", "env"] {
                shop.a(&format!("{dir}/liba.so"));
                shop.b(&format!("{dir}/libb.so"), "");
            }
        }
    };
    scenario("rpath first", with(RPATH), "x", Some("env"), (&["own/liba.so", "own/libb.so"], &[]));
    scenario("runpath last", with(RUNPATH), "x", Some("env"), (&["env/liba.so", "env/libb.so"], &[]));
}

#[test]
fn origin_and_links() {
    let program = |shop: &Workshop| {
        shop.program("real/bin/x", &format!("{RPATH}$ORIGIN/../lib"));
        fs::create_dir_all(shop.path("bin")).unwrap();
        symlink("../real/bin/x", shop.path("bin/x")).unwrap();
        for dir in ["lib", "real/lib"] {
            shop.a(&format!("{dir}/liba.so"));
            shop.b(&format!("{dir}/libb.so"), "");
        }
    };
    let wanted: (&[&str], &[&str]) = (&["real/lib/liba.so", "real/lib/libb.so"], &[]);
    scenario("of a program behind a link", program, "bin/x", None, wanted);
    let library = |shop: &Workshop| {
        shop.program("x", &format!("{RUNPATH}{{}}/lib"));
        shop.a("real/liba.so");
        shop.b("real/libb.so", &format!("{RUNPATH}$ORIGIN"));
        fs::create_dir_all(shop.path("lib")).unwrap();
        symlink("../real/libb.so", shop.path("lib/libb.so")).unwrap();
    };
    scenario("of a library behind a link", library, "x", None, (&["real/libb.so"], &["liba.so"]));
    let directory = |shop: &Workshop| {
        shop.program("x", &format!("{RUNPATH}{{}}/link/../lib"));
        shop.a("deep/lib/liba.so");
        shop.b("deep/lib/libb.so", &format!("{RUNPATH}$ORIGIN/../lib"));
        fs::create_dir_all(shop.path("deep/down")).unwrap();
        symlink("deep/down", shop.path("link")).unwrap();
    };
    let wanted: (&[&str], &[&str]) = (&["deep/lib/liba.so", "deep/lib/libb.so"], &[]);
    scenario("a parent behind a link", directory, "x", None, wanted);
}

#[test]
fn lib_token_empty_elements_and_other_machines() {
    let Some(triplet) = triplet() else { return };
    let place = format!("lib/{triplet}");
    let (a, b) = (format!("{place}/liba.so"), format!("{place}/libb.so"));
    let with = |options: &'static str| {
        let (a, b) = (a.clone(), b.clone());
        move |shop: &Workshop| {
            shop.program("x", options);
            shop.a(&a);
            shop.b(&b, "");
            // The same name for another machine, in a directory that comes first.
            shop.a("other/liba.so");
            for name in ["other/liba.so", "other/libb.so"] {
                let mut bytes = fs::read(shop.path("other/liba.so")).unwrap();
                // e_machine, little-endian as all machines of this test but one are.
                let machine = if bytes[18] == 40 { 3 } else { 40 };
                bytes[18] = machine;
                fs::write(shop.path(name), bytes).unwrap();
            }
        }
    };
    if Arch::host() == Some(Arch::S390x) {
        return;
    }
    let wanted: (&[&str], &[&str]) = (&[&a, &b], &[]);
    scenario("$LIB", with("-Wl,--disable-new-dtags -Wl,-rpath,{}/$LIB"), "x", None, wanted);
    scenario("${LIB}", with("-Wl,--disable-new-dtags -Wl,-rpath,$ORIGIN/${LIB}/"), "x", None, wanted);
    let mixed = "-Wl,--disable-new-dtags -Wl,-rpath,{}/other:{}/none:{}/$LIB";
    scenario("other machines", with(mixed), "x", None, wanted);
}

#[test]
fn without_default_directories() {
    let with = |options: &'static str| {
        move |shop: &Workshop| shop.link("x", &format!("-pie -l:libc.so.6 {options}"))
    };
    scenario("with", with(""), "x", None, (&[], &[]));
    scenario("without", with("-Wl,-z,nodefaultlib"), "x", None, (&[], &["libc.so.6"]));
}

#[test]
fn kinds_of_real_files() {
    let facts = |name: &str| elf::facts(&fs::read(name).unwrap()).unwrap();
    assert_eq!(facts("/proc/self/exe").kind, ElfKind::Executable);
    if let Some(triplet) = triplet() {
        let libc = facts(&format!("/usr/lib/{triplet}/libc.so.6"));
        // libc is a library that can be run: it has an interpreter.
        assert_eq!((libc.kind, libc.soname.as_deref()), (ElfKind::SharedObject, Some("libc.so.6")));
        assert!(libc.interp.is_some());
    }
}
