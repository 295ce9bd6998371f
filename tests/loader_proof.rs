//! The proof of linking against the dynamic loader of this machine: what `ldd -r` tells of its programs, and
//! small programs built here that start or do not.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use rootforge::elf::ElfFacts;
use rootforge::loader::{FileTree, Finding, LinkFault, Node, Role, Search, Subject, prove, resolve};
use rootforge::root_path::RootPath;

use crate::loader_ldso::{Host, look, path, search};

fn subject<'t>(tree: &'t Host, search: &Search, file: &RootPath, role: Role) -> Subject<'t> {
    let process = search.load(tree, file, &[]).unwrap_or_else(|| panic!("{file} is no ELF file"));
    Subject { process, role, by_musl: false, bind_now: false }
}

/// What `ldd -r` does.
fn relocated(interp: &str, program: &str) -> Output {
    Command::new(interp)
        .args(["--list", program])
        .env_remove("LD_LIBRARY_PATH")
        .env_remove("LD_PRELOAD")
        .env("LD_BIND_NOW", "yes")
        .env("LD_WARN", "yes")
        .output()
        .unwrap()
}

/// Files and symbols (with their versions) that are undefined; the loader tells of weak ones too.
fn told_undefined(output: &Output) -> BTreeSet<String> {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let symbols = text.lines().filter_map(|line| line.trim().strip_prefix("undefined symbol: "));
    symbols.map(|rest| rest.split([',', '\t', ' ']).next().unwrap().to_owned()).collect()
}

fn found_undefined(findings: &[Finding]) -> BTreeSet<String> {
    let symbols = findings.iter().filter_map(|finding| match &finding.fault {
        LinkFault::Symbols(symbols) => Some(symbols),
        _ => None,
    });
    symbols.flatten().map(|symbol| symbol.name.clone()).collect()
}

#[test]
fn programs_and_libraries_of_this_machine() {
    let Some(search) = search() else { return };
    let tree = Host::default();
    let mut files: Vec<(RootPath, &ElfFacts)> = Vec::new();
    for dir in ["/usr/bin", "/usr/sbin", "/usr/libexec"] {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Some(file) = resolve(&tree, &path(entry.path())) else { continue };
            if let Some(Node::File(Some(facts))) = tree.node(&file)
                && facts.interp.is_some()
                && facts.machine == search.machine()
                && let Some(Node::File(Some(facts))) = look(file.as_str())
            {
                files.push((file, facts));
            }
        }
    }
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    files.dedup_by(|(one, _), (other, _)| one == other);
    assert!(files.len() > 20, "few programs: {}", files.len());
    let step = files.len().div_ceil(80);
    let mut judged = 0;
    for (program, facts) in files.iter().step_by(step) {
        let subject = subject(&tree, &search, program, Role::Program);
        if !subject.process.missing.is_empty() {
            continue;
        }
        let findings = prove(&[subject]);
        let output = relocated(facts.interp.as_deref().unwrap(), program.as_str());
        assert_eq!(found_undefined(&findings), told_undefined(&output), "{program}: {output:?}");
        assert!(findings.iter().all(|finding| !finding.is_error), "{findings:?}");
        judged += 1;
    }
    assert!(judged >= 20, "only {judged} programs could be judged");
    // All at once find no more.
    let subjects: Vec<_> =
        files.iter().map(|(program, _)| subject(&tree, &search, program, Role::Program)).collect();
    let errors: Vec<_> = prove(&subjects).into_iter().filter(|finding| finding.is_error).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

/// A directory in which small programs and libraries are made.
struct Workshop {
    dir: tempfile::TempDir,
    search: Search,
}

impl Workshop {
    fn open() -> Option<Self> {
        let search = search()?;
        if Command::new("cc").arg("--version").output().is_err() {
            eprintln!("skipped: no C compiler here");
            return None;
        }
        Some(Workshop { dir: tempfile::TempDir::new().unwrap(), search })
    }

    fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.dir.path()).unwrap().join(name)
    }

    fn cc(&self, name: &str, source: &str, options: &str) {
        let file = self.path("source.c");
        fs::write(&file, source).unwrap();
        let versions = self.path("versions");
        let options = options.replace("{}", self.path("").to_str().unwrap());
        let status = Command::new("cc")
            .args(["-O1", "-w", "-o"])
            .arg(self.path(name))
            .arg(&file)
            .args(options.split_whitespace())
            .current_dir(versions.parent().unwrap())
            .status()
            .unwrap();
        assert!(status.success(), "{name}: {source}");
    }

    /// `liba.so`; `versions` is a version script.
    fn a(&self, source: &str, versions: &str) {
        let mut options = "-shared -fPIC -Wl,-soname,liba.so".to_owned();
        if !versions.is_empty() {
            fs::write(self.path("versions"), versions).unwrap();
            options += " -Wl,--version-script,versions";
        }
        self.cc("liba.so", source, &options);
    }

    /// A program `x` linked with `liba.so`.
    fn x(&self, source: &str, options: &str) {
        self.cc("x", source, &format!("{options} -L{{}} -l:liba.so -Wl,-rpath,$ORIGIN"));
    }

    fn findings(&self, programs: &[&str], plugins: &[&str]) -> Vec<Finding> {
        let tree = Host::default();
        let of = |name: &&str, role| subject(&tree, &self.search, &path(self.path(name)), role);
        let programs = programs.iter().map(|name| of(name, Role::Program));
        let subjects: Vec<_> = programs.chain(plugins.iter().map(|name| of(name, Role::Plugin))).collect();
        prove(&subjects)
    }

    /// What is found for `x`; it must start if and only if no error is.
    fn judged(&self) -> Vec<String> {
        let findings = self.findings(&["x"], &[]);
        let output = Command::new(self.path("x")).env_remove("LD_BIND_NOW").output().unwrap();
        let is_error = findings.iter().any(|finding| finding.is_error);
        assert_eq!(output.status.success(), !is_error, "{findings:?} {output:?}");
        let root = format!("{}/", self.path("").to_str().unwrap().trim_end_matches('/'));
        let shown = findings.iter().map(|finding| {
            let kind = if finding.is_error { "error" } else { "warning" };
            format!("{kind}: {finding}").replace(&root, "/")
        });
        shown.collect()
    }
}

const CALLS: &str = "int f(void); int main(int c, char **v) { return c > 5 ? f() : 0; }";
const F: &str = "int f(void) { return 1; }";
const NOTHING: &str = "int other(void) { return 1; }";

#[test]
fn functions() {
    let Some(shop) = Workshop::open() else { return };
    shop.a(F, "");
    shop.x(CALLS, "-Wl,-z,lazy");
    assert_eq!(shop.judged(), [""; 0]);
    shop.a(NOTHING, "");
    assert_eq!(shop.judged(), ["warning: /x needs the symbol `f`, which nothing that it loads defines"]);
    shop.a(F, "");
    shop.x(CALLS, "-Wl,-z,now");
    shop.a(NOTHING, "");
    assert_eq!(shop.judged(), ["error: /x needs the symbol `f`, which nothing that it loads defines"]);
    // Where it is pointed at, it is sought at the start.
    shop.a(F, "");
    shop.x("int f(void); int (*p)(void) = f; int main(void) { return p == 0; }", "-fPIE -pie -Wl,-z,lazy");
    shop.a(NOTHING, "");
    assert_eq!(shop.judged(), ["error: /x needs the symbol `f`, which nothing that it loads defines"]);
    // A weak one may be missing.
    shop.a(F, "");
    shop.x("__attribute__((weak)) int f(void); int main(void) { return f ? 0 : 0; }", "-Wl,-z,now");
    shop.a(NOTHING, "");
    assert_eq!(shop.judged(), [""; 0]);
    // One that the processor's kind decides on.
    shop.a("static int g(void) { return 1; } static void *r(void) { return g; } int f(void) __attribute__((ifunc(\"r\")));", "");
    shop.x(CALLS, "-Wl,-z,now");
    assert_eq!(shop.judged(), [""; 0]);
}

#[test]
fn data() {
    let Some(shop) = Workshop::open() else { return };
    let reads = "extern int d; int main(int c, char **v) { return c > 5 ? d : 0; }";
    let tls = "extern __thread int d; int main(int c, char **v) { return c > 5 ? d : 0; }";
    let error = ["error: /x needs the symbol `d`, which nothing that it loads defines"];
    for (has, uses, options) in [
        ("int d = 1;", reads, "-fno-pie -no-pie -Wl,-z,lazy"), // copied
        ("int d = 1;", reads, "-fPIE -pie -fPIC -Wl,-z,lazy"),
        ("__thread int d = 1;", tls, "-Wl,-z,lazy"),
    ] {
        shop.a(has, "");
        shop.x(uses, options);
        assert_eq!(shop.judged(), [""; 0]);
        shop.a(NOTHING, "");
        assert_eq!(shop.judged(), error, "{options}");
    }
}

#[test]
fn versions() {
    let Some(shop) = Workshop::open() else { return };
    let both = "V1 { global: f; local: *; }; V2 { global: g; } V1;";
    let two = "int f(void) { return 1; } int g(void) { return 2; }";
    let calls = "int g(void); int main(int c, char **v) { return c > 5 ? g() : 0; }";
    shop.a(two, both);
    shop.x(calls, "-Wl,-z,lazy");
    assert_eq!(shop.judged(), [""; 0]);
    // The symbol in another version, and the version not there: that says it all.
    shop.a(two, "V1 { global: f; g; local: *; };");
    assert_eq!(
        shop.judged(),
        ["error: /x needs the version `V2` of `liba.so`, which /liba.so does not define"]
    );
    // The version, and the symbol not in it.
    shop.a(
        "int f(void) { return 1; } int h(void) { return 2; }",
        "V1 { global: f; local: *; }; V2 { global: h; } V1;",
    );
    assert_eq!(
        shop.judged(),
        ["warning: /x needs the symbol `g@V2` (of liba.so), which nothing that it loads defines"]
    );
    // No versions at all do, with a word on it.
    shop.a(two, "");
    assert_eq!(shop.judged(), ["warning: /x needs versions of `liba.so`, and /liba.so has none"]);
    // A reference without a version takes the default of those that came later, and the first even if hidden.
    shop.a(two, "");
    shop.x(calls, "-Wl,-z,now");
    shop.a(two, both);
    assert_eq!(shop.judged(), [""; 0]);
    let hidden = "int g1(void) { return 1; } __asm__(\".symver g1,g@V1\");";
    shop.a(hidden, "V1 { };");
    assert_eq!(shop.judged(), [""; 0]);
    let hidden = "int f(void) { return 1; } int g2(void) { return 1; } __asm__(\".symver g2,g@V2\");";
    shop.a(hidden, "V1 { global: f; }; V2 { } V1;");
    assert_eq!(shop.judged(), ["error: /x needs the symbol `g`, which nothing that it loads defines"]);
}

#[test]
fn libraries_that_need_each_other() {
    let Some(shop) = Workshop::open() else { return };
    let needs_b = "int b(void); int f(void) { return b(); }";
    shop.cc("libb.so", NOTHING, "-shared -fPIC -Wl,-soname,libb.so");
    shop.cc(
        "liba.so",
        needs_b,
        "-shared -fPIC -Wl,-soname,liba.so -Wl,--no-as-needed -L{} -l:libb.so -Wl,-z,lazy -Wl,-rpath,$ORIGIN",
    );
    shop.cc(
        "libb.so",
        "int f(void); int b(void) { return f(); }",
        "-shared -fPIC -Wl,-soname,libb.so -Wl,--no-as-needed -L{} -l:liba.so -Wl,-z,now -Wl,-rpath,$ORIGIN",
    );
    shop.x(CALLS, "-Wl,-z,lazy");
    assert_eq!(shop.judged(), [""; 0]);
    shop.cc("libb.so", NOTHING, "-shared -fPIC -Wl,-soname,libb.so -Wl,--no-as-needed -L{} -l:liba.so");
    assert_eq!(
        shop.judged(),
        ["warning: /liba.so needs the symbol `b`, which nothing that /x loads defines"]
    );
}

#[test]
fn plugins_take_symbols_from_programs_and_from_each_other() {
    let Some(shop) = Workshop::open() else { return };
    let plugin = |name, source| shop.cc(name, source, "-shared -fPIC -Wl,-z,now");
    let host = "int host(void) { return 1; } int main(void) { return 0; }";
    shop.cc("x", host, "-rdynamic");
    plugin("p.so", "int host(void); int p(void) { return host(); }");
    plugin("q.so", "int p(void); int q(void) { return p(); }");
    assert_eq!(shop.findings(&["x"], &["p.so", "q.so"]), []);
    let shown = |findings: Vec<Finding>| -> Vec<(bool, String)> {
        let name = |file: &RootPath| file.file_name().to_owned();
        findings.iter().map(|finding| (finding.is_error, name(&finding.file))).collect()
    };
    assert_eq!(shown(shop.findings(&["x"], &["q.so"])), [(false, "q.so".to_owned())]);
    shop.cc("x", host, "");
    assert_eq!(shown(shop.findings(&["x"], &["p.so", "q.so"])), [(false, "p.so".to_owned())]);
}

#[test]
fn a_hundred_thousand_symbols() {
    let Some(shop) = Workshop::open() else { return };
    let names = |count: u32| (0..count).map(|number| format!("s{number}"));
    let assembly = |text: String| format!("__asm__(\"{text}\");");
    let all: String =
        names(100_000).map(|name| format!(".globl {name}\\n.type {name},@object\\n{name}:\\n")).collect();
    shop.a(&assembly(format!(".data\\n{all}.long 0\\n.text\\n")), "");
    let used: String = names(100_000).map(|name| format!(".quad {name}\\n")).collect();
    shop.cc(
        "x",
        &format!("{} int main(void) {{ return 0; }}", assembly(format!(".data\\n{used}.text\\n"))),
        "-fPIE -pie -L{} -l:liba.so -Wl,-rpath,$ORIGIN",
    );
    let start = std::time::Instant::now();
    assert_eq!(shop.judged(), [""; 0]);
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
    let some: String =
        names(50_000).map(|name| format!(".globl {name}\\n.type {name},@object\\n{name}:\\n")).collect();
    shop.a(&assembly(format!(".data\\n{some}.long 0\\n.text\\n")), "");
    let told = shop.judged();
    assert!(told.len() == 1 && told[0].contains("and 49996 more"), "{told:?}");
}

#[test]
fn files_that_are_cut_off_or_overwritten() {
    let Some(shop) = Workshop::open() else { return };
    shop.a(F, "V1 { global: f; };");
    shop.x(CALLS, "-Wl,-z,now");
    let whole = fs::read(shop.path("liba.so")).unwrap();
    let mut told = BTreeSet::new();
    for length in (0..whole.len()).step_by(97) {
        fs::write(shop.path("liba.so"), &whole[..length]).unwrap();
        // Whatever is left of it, nothing panics; what cannot be read is not found.
        let tree = Host::default();
        let subject = subject(&tree, &shop.search, &path(shop.path("x")), Role::Program);
        let missing = subject.process.missing.clone();
        let findings = prove(&[subject]);
        if let Some(missing) = missing.first() {
            assert_eq!(missing.unfit, [path(shop.path("liba.so"))], "{length}");
        }
        told.insert((missing.is_empty(), findings.is_empty()));
    }
    assert!(told.contains(&(false, true)), "{told:?}");
}

#[test]
fn libraries_for_other_processors() {
    let names =
        ["/lib/glibc-hwcaps/power9/a", "/lib/glibc-hwcaps/power10/b", "/lib/a", "/lib/glibc-hwcaps/x"];
    let names: Vec<RootPath> = names.iter().map(path).collect();
    assert_eq!(
        rootforge::loader::hwcaps_levels(&names),
        [vec!["power9".to_owned()], vec!["power10".to_owned(), "power9".to_owned()]]
    );
    let Some(shop) = Workshop::open() else { return };
    shop.a(F, "");
    shop.x(CALLS, "-Wl,-z,now");
    let dir = shop.path("glibc-hwcaps/best");
    fs::create_dir_all(&dir).unwrap();
    shop.cc("glibc-hwcaps/best/liba.so", NOTHING, "-shared -fPIC -Wl,-soname,liba.so");
    let tree = Host::default();
    let program = path(shop.path("x"));
    let on = |names: Vec<String>| {
        let subject = subject(&tree, &shop.search.clone().with_hwcaps(names), &program, Role::Program);
        prove(&[subject]).len()
    };
    assert_eq!((on(vec![]), on(vec!["best".into()])), (0, 1));
}
