//! The search for libraries against musl's dynamic loader, that of the Alpine corpus: the same files for the
//! corpus's own programs, and for small ones built here that use what distros use rarely.
//!
//! The loader runs in a root directory of its own (bubblewrap), and is asked for a list; or the program is started,
//! where what the kernel tells the loader counts.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rootforge::arch::Arch;
use rootforge::elf;
use rootforge::loader::{FileTree, Node, Search, musl_name, musl_path_file, resolve};
use rootforge::root_path::RootPath;

/// A directory as the root of a tree. Facts live as long as the test.
struct Root {
    dir: tempfile::TempDir,
    known: RefCell<HashMap<RootPath, Option<Node<'static>>>>,
}

impl FileTree for Root {
    fn node(&self, path: &RootPath) -> Option<Node<'_>> {
        *self.known.borrow_mut().entry(path.clone()).or_insert_with(|| look(&self.host(path.as_str())))
    }
}

fn look(path: &Path) -> Option<Node<'static>> {
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

fn path(text: &str) -> RootPath {
    RootPath::parse(text).unwrap()
}

/// What a program loads: files with links followed, and the names that are missing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Closure {
    files: BTreeSet<String>,
    missing: BTreeSet<String>,
}

impl Root {
    /// The packages of the corpus that this machine's processor runs, unpacked; none where there are none.
    fn of_corpus(packages: &[&str]) -> Option<Root> {
        let corpus = crate::support::alpine_corpus()?;
        let name = match Arch::host()? {
            Arch::Amd64 => "x86_64",
            Arch::Arm64 => "aarch64",
            Arch::S390x => "s390x",
            _ => {
                eprintln!("skipped: the corpus has nothing that runs here");
                return None;
            }
        };
        if !crate::tools::have(&["bwrap", "cc"]) {
            return None;
        }
        let root = Root { dir: tempfile::TempDir::new().unwrap(), known: RefCell::default() };
        for entry in fs::read_dir(corpus.join("v3.20/main").join(name)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let is_wanted = packages.is_empty() || packages.iter().any(|package| name.starts_with(package));
            if entry.path().extension().is_some_and(|extension| extension == "apk") && is_wanted {
                root.unpack(&entry.path());
            }
        }
        assert!(root.host(&Root::loader()).is_file(), "the corpus has no {}", Root::loader());
        Some(root)
    }

    /// The files of a package: its gzip members are one tarball, but for the ends that all but the last lack.
    fn unpack(&self, package: &Path) {
        let mut bytes = Vec::new();
        flate2::read::MultiGzDecoder::new(fs::File::open(package).unwrap()).read_to_end(&mut bytes).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        archive.set_ignore_zeros(true);
        archive.set_preserve_ownerships(false);
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().into_owned();
            if !name.to_str().unwrap().starts_with('.') {
                entry.unpack_in(self.dir.path()).unwrap();
            }
        }
    }

    fn host(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    fn loader() -> String {
        format!("/lib/ld-musl-{}.so.1", musl_name(Arch::host().unwrap()))
    }

    fn search(&self) -> Search {
        let arch = Arch::host().unwrap();
        let path_file = fs::read_to_string(self.host(&musl_path_file(musl_name(arch)))).ok();
        Search::musl(arch.elf_machine(), musl_name(arch), path_file.as_deref())
    }

    fn write(&self, name: &str, content: &str) {
        let file = self.host(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    fn link(&self, name: &str, target: &str) {
        let file = self.host(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        symlink(target, file).unwrap();
    }

    /// Links an object that needs these names, as they are, whatever is there.
    fn object(&self, name: &str, needed: &[&str], options: &[&str]) {
        let workshop = tempfile::TempDir::new().unwrap();
        let at = |name: String| workshop.path().join(name);
        let source = at("object.c".into());
        fs::write(&source, EXITS).unwrap();
        let cc = |out: &Path, options: &[&str], stubs: &[PathBuf]| {
            let status = Command::new("cc")
                .args(["-nostdlib", "-fPIC", "-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined"])
                .args(["-Wl,--hash-style=both", "-o"])
                .arg(out)
                .arg(&source)
                .args(stubs)
                .args(options)
                .status();
            assert!(status.unwrap().success(), "{name}");
        };
        let mut stubs = Vec::new();
        for (number, needed) in needed.iter().enumerate() {
            let stub = at(format!("stub{number}.so"));
            cc(&stub, &["-shared", &format!("-Wl,-soname,{needed}")], &[]);
            stubs.push(stub);
        }
        let file = self.host(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        cc(&file, options, &stubs);
        self.known.borrow_mut().clear();
    }

    fn library(&self, name: &str, needed: &[&str], options: &[&str]) {
        self.object(name, needed, &[&["-shared"], options].concat());
    }

    fn program(&self, name: &str, needed: &[&str], options: &[&str]) {
        let interp = format!("-Wl,--dynamic-linker={}", Self::loader());
        self.object(name, needed, &[&["-pie", &interp], options].concat());
    }

    /// Runs something in this root.
    fn run(&self, words: &[&str], library_path: Option<&str>) -> Output {
        let mut command = Command::new("bwrap");
        command.arg("--bind").arg(self.dir.path()).args(["/", "--proc", "/proc", "--dev", "/dev"]);
        // Not in the root, where relative paths would lead somewhere.
        command.args(["--chdir", "/proc"]);
        command.args(["--unshare-user", "--unshare-pid", "--die-with-parent", "--clearenv"]);
        if let Some(value) = library_path {
            command.args(["--setenv", "LD_LIBRARY_PATH", value]);
        }
        command.args(words).output().unwrap()
    }

    /// Our closure, which must be the loader's.
    #[track_caller]
    fn judged(&self, program: &str, library_path: Option<&str>) -> Closure {
        let search = self.search();
        let dirs = library_path.map(|value| search.library_path(value)).unwrap_or_default();
        let process = search.load(self, &path(program), &dirs).unwrap();
        let ours = Closure {
            files: process.objects.iter().skip(1).map(|object| object.file.to_string()).collect(),
            missing: process.missing.iter().map(|missing| missing.needed.clone()).collect(),
        };
        let output = self.run(&[&Self::loader(), "--list", program], library_path);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let mut theirs = Closure::default();
        for line in out.lines().filter_map(|line| line.split_once(" => ")) {
            let file = line.1.rsplit_once(" (").unwrap().0;
            theirs.files.insert(self.leads_to(file));
        }
        for line in err.lines() {
            if let Some(rest) = line.strip_prefix("Error loading shared library ") {
                theirs.missing.insert(rest.split_once(": ").unwrap().0.to_owned());
            }
        }
        assert_eq!(ours, theirs, "{program}: {out}{err}");
        ours
    }

    /// Where a path leads that may hold `..`, read by the kernel.
    fn leads_to(&self, file: &str) -> String {
        let (dir, name) = file.rsplit_once('/').unwrap();
        if file.contains("..") {
            // Only the tests' own directories are named so, and no link in them is absolute.
            let dir = fs::canonicalize(self.host(dir)).unwrap();
            let root = fs::canonicalize(self.dir.path()).unwrap();
            let dir = format!("/{}", dir.strip_prefix(root).unwrap().display());
            return resolve(self, &path(&format!("{dir}/{name}"))).unwrap().to_string();
        }
        resolve(self, &path(file)).unwrap().to_string()
    }

    /// Whether a program starts when it is run, which must be what we say.
    #[track_caller]
    fn starts(&self, program: &str) -> bool {
        let process = self.search().load(self, &path(program), &[]).unwrap();
        let output = self.run(&[program], None);
        assert_eq!(process.missing.is_empty(), output.status.success(), "{program}: {process:?} {output:?}");
        output.status.success()
    }
}

/// A program that does nothing but end well, without a libc.
const EXITS: &str = r#"
void _start(void) {
#if defined(__x86_64__)
    __asm__ volatile("syscall" : : "a"(60), "D"(0));
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = 93; register long x0 __asm__("x0") = 0;
    __asm__ volatile("svc 0" : : "r"(x8), "r"(x0));
#elif defined(__s390x__)
    register long r1 __asm__("1") = 1; register long r2 __asm__("2") = 0;
    __asm__ volatile("svc 0" : : "r"(r1), "r"(r2));
#endif
    for (;;) ;
}
"#;

const MUSL: &[&str] = &["musl-1"];

/// Files and missing names of a closure, less the loader.
fn found(closure: &Closure) -> (Vec<&str>, Vec<&str>) {
    let files = closure.files.iter().map(String::as_str);
    (
        files.filter(|file| !file.contains("ld-musl")).collect(),
        closure.missing.iter().map(String::as_str).collect(),
    )
}

#[test]
fn programs_of_the_corpus() {
    let Some(root) = Root::of_corpus(&[]) else { return };
    let mut judged = 0;
    for dir in
        ["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/lib", "/usr/lib", "/lib/engines-3", "/usr/lib/engines-3"]
    {
        for entry in fs::read_dir(root.host(dir)).into_iter().flatten().flatten() {
            let file = path(&format!("{dir}/{}", entry.file_name().to_str().unwrap()));
            let Some(Node::File(Some(facts))) = root.node(&file) else { continue };
            if facts.dynamic && facts.interp.is_some() {
                let closure = root.judged(file.as_str(), None);
                assert!(closure.missing.is_empty(), "{file}: {closure:?}");
                assert!(closure.files.contains(&Root::loader()), "{file}");
                judged += 1;
            }
        }
    }
    assert!(judged >= 5, "only {judged} programs");
}

#[test]
fn search_paths_of_all_that_led_there() {
    let Some(root) = Root::of_corpus(MUSL) else { return };
    for (number, tags) in ["--disable-new-dtags", "--enable-new-dtags"].into_iter().enumerate() {
        let tags = format!("-Wl,{tags}");
        let at = |rest: &str| format!("/opt/{number}/{rest}");
        // The program's path finds what its libraries need, whichever tag it has.
        let rpath = format!("-Wl,-rpath,{}", at("lib"));
        root.program(&at("bin/x"), &["libb.so", "libc.so"], &[&tags, &rpath]);
        root.library(&at("lib/libb.so"), &["liba.so"], &[]);
        root.library(&at("lib/liba.so"), &[], &[]);
        let closure = root.judged(&at("bin/x"), None);
        assert_eq!(found(&closure), (vec![&*at("lib/liba.so"), &*at("lib/libb.so")], vec![]));
        assert!(closure.files.contains(&Root::loader()) && root.starts(&at("bin/x")));
        // A library's own path comes before that of what loaded it.
        let rpath = format!("-Wl,-rpath,{}", at("own"));
        root.library(&at("lib/libb.so"), &["liba.so"], &[&tags, &rpath]);
        root.library(&at("own/liba.so"), &[], &[]);
        let closure = root.judged(&at("bin/x"), None);
        assert_eq!(found(&closure), (vec![&*at("lib/libb.so"), &*at("own/liba.so")], vec![]));
        // The environment comes before both.
        root.library(&at("env/liba.so"), &[], &[]);
        let closure = root.judged(&at("bin/x"), Some(&format!("relative::{}\n/none", at("env"))));
        assert_eq!(found(&closure), (vec![&*at("env/liba.so"), &*at("lib/libb.so")], vec![]));
        // It does not part at semicolons.
        let closure = root.judged(&at("bin/x"), Some(&format!("/none;{}", at("env"))));
        assert_eq!(found(&closure), (vec![&*at("lib/libb.so"), &*at("own/liba.so")], vec![]));
    }
}

#[test]
fn origin_and_other_tokens() {
    let Some(root) = Root::of_corpus(MUSL) else { return };
    root.library("/opt/x/lib/liba.so", &[], &[]);
    for (number, (rpath, is_found)) in [
        ("$ORIGIN/../lib", true),
        ("/none:${ORIGIN}/../../x/lib", true),
        ("$ORIGIN/../lib:$LIB", false),
        ("/opt/x/lib:/usr/${PLATFORM}", false),
        ("/opt/x/lib", true),
        ("opt/x/lib", false),
        ("$ORIGINAL:/opt/x/lib", true),
    ]
    .into_iter()
    .enumerate()
    {
        let program = format!("/opt/x/bin/x{number}");
        root.program(&program, &["liba.so"], &[&format!("-Wl,-rpath,{rpath}")]);
        let closure = root.judged(&program, None);
        assert_eq!(closure.missing.is_empty(), is_found, "{rpath}");
        assert_eq!(root.starts(&program), is_found, "{rpath}");
    }
    // A needed path is taken as it stands.
    root.program("/opt/x/bin/y", &["$ORIGIN/../lib/liba.so"], &[]);
    assert_eq!(root.judged("/opt/x/bin/y", None).missing.len(), 1);
    // A program behind a link is where the kernel finds it, a library is where it was found.
    root.link("/usr/bin/x0", "../../opt/x/bin/x0");
    assert!(root.starts("/usr/bin/x0"));
    root.library("/opt/deep/libb.so", &["liba.so"], &["-Wl,-rpath,$ORIGIN"]);
    root.library("/opt/deep/liba.so", &[], &[]);
    root.link("/usr/lib/libb.so", "/opt/deep/libb.so");
    root.program("/usr/bin/z", &["libb.so"], &[]);
    assert_eq!(found(&root.judged("/usr/bin/z", None)), (vec!["/opt/deep/libb.so"], vec!["liba.so"]));
    assert!(!root.starts("/usr/bin/z"));
    // In the root directory.
    root.program("/top", &["liba.so"], &["-Wl,-rpath,$ORIGIN/opt/x/lib"]);
    assert!(root.starts("/top"));
}

#[test]
fn system_directories_and_the_path_file() {
    let Some(root) = Root::of_corpus(MUSL) else { return };
    let file = musl_path_file(musl_name(Arch::host().unwrap()));
    root.program("/usr/bin/x", &["liba.so"], &[]);
    assert_eq!(found(&root.judged("/usr/bin/x", None)), (vec![], vec!["liba.so"]));
    for dir in ["/usr/lib", "/usr/local/lib", "/lib"] {
        let liba = format!("{dir}/liba.so");
        root.library(&liba, &[], &[]);
        assert_eq!(found(&root.judged("/usr/bin/x", None)).0, [&liba]);
    }
    root.library("/opt/a/liba.so", &[], &[]);
    for (text, place) in [
        ("/opt/a:/lib\n", Some("/opt/a/liba.so")),
        ("\n/none\n\n/usr/lib\n/opt/a", Some("/usr/lib/liba.so")),
        (":relative:/opt/a", Some("/opt/a/liba.so")),
        ("/usr/$LIB:/opt/../opt", None),
        ("# no comment\n/usr/local/lib", Some("/usr/local/lib/liba.so")),
        ("", None),
    ] {
        root.write(&file, text);
        assert_eq!(found(&root.judged("/usr/bin/x", None)).0, Vec::from_iter(place), "{text:?}");
        assert_eq!(root.starts("/usr/bin/x"), place.is_some(), "{text:?}");
    }
}

#[test]
fn names_of_the_loader_itself() {
    let Some(root) = Root::of_corpus(MUSL) else { return };
    let alias = format!("libc.musl-{}.so.1", musl_name(Arch::host().unwrap()));
    let own = [&*alias, "libc.so", "libc.so.6", "libm.so.6", "libpthread.so.0", "librt.so.1", "libdl.so.2"];
    root.program("/usr/bin/x", &own, &[]);
    // There is something by such a name; nobody looks.
    root.library("/lib/libm.so.6", &[], &[]);
    let closure = root.judged("/usr/bin/x", None);
    assert_eq!(closure.files.into_iter().collect::<Vec<_>>(), [Root::loader()]);
    // The loader's own path, and other names that are none of its own.
    root.program("/usr/bin/y", &[&Root::loader(), "libc.so", "libmagic.so.1", "libcrypt.so.1"], &[]);
    let closure = root.judged("/usr/bin/y", None);
    assert_eq!(found(&closure), (vec![], vec!["libcrypt.so.1", "libmagic.so.1"]));
    assert!(closure.files.contains(&Root::loader()));
}

#[test]
fn what_is_loaded_already() {
    let Some(root) = Root::of_corpus(MUSL) else { return };
    let rpath = "-Wl,-rpath,/opt/lib";
    root.library("/opt/lib/liba.so", &[], &["-Wl,-soname,liba.so.7"]);
    root.library("/usr/lib/libb.so", &["liba.so"], &[]);
    root.library("/usr/lib/libs.so", &["liba.so.7"], &[]);
    root.library("/opt/lib/libc1.so", &["liba.so"], &[]);
    // libb.so finds liba.so by name since libd.so, which has a path to it, was there before.
    root.library("/usr/lib/libd.so", &["liba.so"], &[rpath]);
    root.program("/usr/bin/x", &["libd.so", "libe.so"], &[]);
    root.library("/usr/lib/libe.so", &["libb.so"], &[]);
    assert_eq!(found(&root.judged("/usr/bin/x", None)).1, Vec::<&str>::new());
    assert!(root.starts("/usr/bin/x"));
    // A soname is no name.
    root.program("/usr/bin/y", &["libd.so", "libs.so"], &[]);
    assert_eq!(found(&root.judged("/usr/bin/y", None)).1, ["liba.so.7"]);
    // What was given by path has no name until a search has come upon it.
    root.program("/usr/bin/z", &["/opt/lib/liba.so", "libb.so"], &[]);
    assert_eq!(found(&root.judged("/usr/bin/z", None)).1, ["liba.so"]);
    root.program("/usr/bin/w", &["/opt/lib/liba.so", "libd.so", "libe.so"], &[]);
    assert_eq!(found(&root.judged("/usr/bin/w", None)).1, Vec::<&str>::new());
    // By another name it is the same file, and keeps the one it was loaded by.
    root.link("/usr/lib/libz.so", "/opt/lib/liba.so");
    root.program("/usr/bin/v", &["libd.so", "libz.so", "libe.so"], &[]);
    assert_eq!(found(&root.judged("/usr/bin/v", None)).1, ["liba.so"]);
    // By path.
    root.program("/usr/bin/u", &["/opt/lib/libc1.so", "/opt/none.so"], &[]);
    assert_eq!(
        found(&root.judged("/usr/bin/u", None)),
        (vec!["/opt/lib/libc1.so"], vec!["/opt/none.so", "liba.so"])
    );
}

#[test]
fn the_first_file_decides() {
    let Some(root) = Root::of_corpus(MUSL) else { return };
    root.library("/usr/lib/liba.so", &[], &[]);
    root.program("/usr/bin/x", &["liba.so"], &[]);
    assert!(root.starts("/usr/bin/x"));
    // A dangling link is not there.
    root.link("/usr/local/lib/liba.so", "nowhere");
    assert!(root.starts("/usr/bin/x"));
    fs::remove_file(root.host("/usr/local/lib/liba.so")).unwrap();
    // What is there and is none ends the search: a text, an empty file, a directory.
    for content in ["/* a script of ld */\nGROUP ( /usr/lib/liba.so.1 )\n", ""] {
        root.write("/usr/local/lib/liba.so", content);
        root.known.borrow_mut().clear();
        assert_eq!(found(&root.judged("/usr/bin/x", None)), (vec![], vec!["liba.so"]), "{content}");
        assert!(!root.starts("/usr/bin/x"));
    }
    fs::remove_file(root.host("/usr/local/lib/liba.so")).unwrap();
    fs::create_dir(root.host("/usr/local/lib/liba.so")).unwrap();
    root.known.borrow_mut().clear();
    assert_eq!(found(&root.judged("/usr/bin/x", None)).1, ["liba.so"]);
    fs::remove_dir(root.host("/usr/local/lib/liba.so")).unwrap();
    // A file for another class of machine.
    let mut bytes = fs::read(root.host("/usr/lib/liba.so")).unwrap();
    bytes[16] = 4;
    fs::write(root.host("/usr/local/lib/liba.so"), bytes).unwrap();
    root.known.borrow_mut().clear();
    assert_eq!(found(&root.judged("/usr/bin/x", None)).1, ["liba.so"]);
}
