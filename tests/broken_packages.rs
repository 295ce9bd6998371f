//! Packages that are broken on purpose, made with the C compiler and dpkg-deb of this machine and built from the
//! real archive: each is an error that names file, symbol or library, or is sound, and none is a panic. Those that
//! are sound run.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::real_archive::bench::Bench;
use crate::real_archive::root::{can_run, sandbox};
use crate::tools::{have, is_ci, run};

/// A package in the making.
struct Maker {
    bench: Bench,
}

impl Maker {
    /// None where something is missing.
    fn new() -> Option<Self> {
        if !have(&["cc", "dpkg-deb"]) || !cfg!(target_arch = "x86_64") {
            assert!(!is_ci(), "no compiler");
            return None;
        }
        let maker = Maker { bench: Bench::new()? };
        fs::create_dir_all(maker.bench.path("root/DEBIAN")).unwrap();
        fs::create_dir_all(maker.bench.path("root/usr/bin")).unwrap();
        fs::create_dir_all(maker.bench.path("root/usr/lib")).unwrap();
        let control = "Package: odd\nVersion: 1\nArchitecture: amd64\nDepends: libc6\nMaintainer: x <x@example.org>\nDescription: odd\n";
        fs::write(maker.bench.path("root/DEBIAN/control"), control).unwrap();
        Some(maker)
    }

    /// Compiles a source into a file of the package.
    fn cc(&self, file: &str, source: &str, options: &str) {
        let name = file.rsplit('/').next().unwrap();
        fs::write(self.bench.path(&format!("{name}.c")), source).unwrap();
        let mut command = Command::new("cc");
        command.current_dir(self.bench.path("")).arg("-o").arg(format!("root{file}"));
        run(command.arg(format!("{name}.c")).args(options.split_whitespace()));
    }

    /// A program `/usr/bin/odd` that calls `f` of `libodd.so.1`, and that library.
    fn program(&self, options: &str) {
        self.library("int f(void) { return 0; }\n", "");
        self.cc(
            "/usr/bin/odd",
            "int f(void); int main(void) { return f(); }\n",
            &format!("root/usr/lib/libodd.so.1 {options}"),
        );
    }

    fn library(&self, source: &str, options: &str) {
        self.cc("/usr/lib/libodd.so.1", source, &format!("-shared -fPIC -Wl,-soname,libodd.so.1 {options}"));
    }

    /// Changes bytes of a file of the package.
    fn edit(&self, file: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        let path = self.bench.path(&format!("root{file}"));
        let mut bytes = fs::read(&path).unwrap();
        edit(&mut bytes);
        fs::write(path, bytes).unwrap();
    }

    /// What a build of the package says, with the status.
    fn built(&self) -> (Option<i32>, String) {
        let mut command = Command::new("dpkg-deb");
        run(command
            .args(["-Znone", "--root-owner-group", "-b"])
            .arg(self.bench.path("root"))
            .arg(self.bench.path("odd.deb")));
        let recipe = "name = \"odd\"\nfrom = \"debian:trixie\"\n[[layer]]\nname = \"odd\"\npackages = [\"./odd.deb\"]\n";
        fs::write(self.bench.path("odd.toml"), recipe).unwrap();
        let ran = self.bench.run(&["build", "odd.toml", "--arch", "amd64"]);
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        (ran.code, ran.err)
    }

    /// The same of a recipe that brings the files itself, without the package.
    fn built_of_own(&self) -> (Option<i32>, String) {
        let recipe = "name = \"own\"\nfrom = \"debian:trixie\"\n[[layer]]\nname = \"own\"\n\
                      files = [{ path = \"/usr\", source = \"root/usr\" }]\n";
        fs::write(self.bench.path("own.toml"), recipe).unwrap();
        let ran = self.bench.run(&["build", "own.toml", "--arch", "amd64"]);
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        (ran.code, ran.err)
    }

    /// It does not build, saying this, and no more do the same files as the recipe's own.
    #[track_caller]
    fn fails(&self, words: &[&str]) {
        self.fails_as_package(words);
        let (code, said) = self.built_of_own();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("/usr/bin/odd"), "{said}");
    }

    #[track_caller]
    fn fails_as_package(&self, words: &[&str]) -> String {
        let (code, said) = self.built();
        assert_eq!(code, Some(1), "{said}");
        for word in words {
            assert!(said.contains(word), "{word} is not in {said}");
        }
        said
    }

    /// It builds, saying this, and its program ends with a status.
    #[track_caller]
    fn runs(&self, words: &[&str], status: i32) {
        let (code, said) = self.built_of_own();
        assert_eq!(code, Some(0), "{said}");
        let (code, said) = self.built();
        assert_eq!(code, Some(0), "{said}");
        for word in words {
            assert!(said.contains(word), "{word} is not in {said}");
        }
        if can_run() {
            let root = self.bench.unpack("odd");
            let ran = sandbox(&root).arg("/usr/bin/odd").output().unwrap();
            assert_eq!(ran.status.code(), Some(status), "{ran:?}");
        }
    }
}

#[test]
fn a_version_that_the_library_does_not_define() {
    let Some(maker) = Maker::new() else { return };
    let versions = |text: &str| fs::write(maker.bench.path("map"), text).unwrap();
    versions("V1 { global: f; }; V2 { global: g; } V1;");
    maker.library("int f(void) { return 0; }\nint g(void) { return 0; }\n", "-Wl,--version-script=map");
    maker.cc("/usr/bin/odd", "int g(void); int main(void) { return g(); }\n", "root/usr/lib/libodd.so.1");
    maker.runs(&[], 0);
    versions("V1 { global: f; g; };");
    maker.library("int f(void) { return 0; }\nint g(void) { return 0; }\n", "-Wl,--version-script=map");
    maker.fails(&["/usr/bin/odd", "odd", "V2", "libodd.so.1"]);
}

#[test]
fn a_library_that_the_package_does_not_depend_on() {
    let Some(maker) = Maker::new() else { return };
    // What is linked against is a library of that name; which package has it is Debian's to say.
    maker.cc("/libz.so", "int f(void) { return 0; }\n", "-shared -fPIC -Wl,-soname,libz.so.1");
    maker.cc("/usr/bin/odd", "int f(void); int main(void) { return f(); }\n", "root/libz.so");
    fs::remove_file(maker.bench.path("root/libz.so")).unwrap();
    let needs =
        "/usr/bin/odd (from odd) needs `libz.so.1`, which no locked package puts where the loader looks";
    let said = maker.fails_as_package(&[needs]);
    // A mirror may have Contents indexes that its release does not vouch for.
    let unknown = "Contents-amd64` fits the signed InRelease of `trixie`; it cannot be asked";
    let known = "hint: add to the layer's `packages`: \"zlib1g\", which has `libz.so.1`";
    assert!(said.contains(known) || said.contains(unknown), "{said}");
}

#[test]
fn a_library_for_another_processor() {
    let Some(maker) = Maker::new() else { return };
    maker.program("");
    // e_machine: AArch64
    maker.edit("/usr/lib/libodd.so.1", |bytes| bytes[18] = 183);
    maker.fails(&["/usr/bin/odd", "libodd.so.1"]);
    // A file of 32 bits
    maker.edit("/usr/lib/libodd.so.1", |bytes| {
        bytes[18] = 62;
        bytes[4] = 1;
    });
    maker.fails(&["/usr/bin/odd", "libodd.so.1"]);
}

#[test]
fn a_search_path_that_leads_nowhere() {
    let Some(maker) = Maker::new() else { return };
    maker.program("-Wl,--enable-new-dtags,-rpath,/opt/nowhere:$ORIGIN/../none");
    maker.runs(&[], 0);
    fs::create_dir_all(maker.bench.path("root/opt/elsewhere")).unwrap();
    fs::rename(
        maker.bench.path("root/usr/lib/libodd.so.1"),
        maker.bench.path("root/opt/elsewhere/libodd.so.1"),
    )
    .unwrap();
    maker.fails(&["/usr/bin/odd", "needs `libodd.so.1`"]);
}

#[test]
fn libraries_that_need_each_other() {
    let Some(maker) = Maker::new() else { return };
    maker.library("int f(void) { return 3; }\n", "");
    maker.cc(
        "/usr/lib/libother.so.1",
        "int f(void); int g(void) { return f(); }\n",
        "-shared -fPIC -Wl,-soname,libother.so.1 root/usr/lib/libodd.so.1",
    );
    maker.library(
        "int g(void); int f(void) { return 3; } int h(void) { return g(); }\n",
        "-Wl,--no-as-needed root/usr/lib/libother.so.1",
    );
    maker.cc(
        "/usr/bin/odd",
        "int h(void); int main(void) { return h(); }\n",
        "root/usr/lib/libodd.so.1 -Wl,--allow-shlib-undefined",
    );
    maker.runs(&[], 3);
}

#[test]
fn a_library_of_a_hundred_thousand_symbols() {
    let Some(maker) = Maker::new() else { return };
    let mut source = String::from("__asm__(\".text\\n\"\n");
    for number in 0..100_000 {
        writeln!(source, "\".globl s{number}\\ns{number}:\\n\"").unwrap();
    }
    source += "\"xor %eax,%eax\\nret\\n\");\n";
    maker.library(&source, "");
    maker.cc(
        "/usr/bin/odd",
        "int s99999(void); int main(void) { return s99999(); }\n",
        "root/usr/lib/libodd.so.1",
    );
    maker.runs(&[], 0);
}

#[test]
fn a_function_that_nobody_defines() {
    let Some(maker) = Maker::new() else { return };
    let program = |options: &str| {
        maker.library("int f(void) { return 0; } int g(void) { return 0; }\n", "");
        let source =
            "int f(void); int g(void); int main(int n, char **v) { (void)v; return n > 1 ? g() : f(); }\n";
        maker.cc("/usr/bin/odd", source, &format!("root/usr/lib/libodd.so.1 {options}"));
        maker.library("int f(void) { return 0; }\n", "");
    };
    program("-Wl,-z,now");
    maker.fails(&["/usr/bin/odd", "`g`"]);
    // Bound when it is called, which it is not.
    program("-Wl,-z,lazy");
    maker.runs(&["warning: ", "`g`"], 0);
}

#[test]
fn files_that_are_cut_off() {
    let Some(maker) = Maker::new() else { return };
    maker.program("");
    let whole = fs::read(maker.bench.path("root/usr/bin/odd")).unwrap();
    let library = fs::read(maker.bench.path("root/usr/lib/libodd.so.1")).unwrap();
    for length in [20, 63, 64, 500, whole.len() / 2] {
        maker.edit("/usr/bin/odd", |bytes| *bytes = whole[..length].to_vec());
        maker.fails(&["/usr/bin/odd"]);
    }
    maker.edit("/usr/bin/odd", |bytes| *bytes = whole.clone());
    for length in [20, 64, library.len() / 2] {
        maker.edit("/usr/lib/libodd.so.1", |bytes| *bytes = library[..length].to_vec());
        maker.fails(&["libodd.so.1"]);
    }
    maker.edit("/usr/lib/libodd.so.1", |bytes| *bytes = library);
    maker.runs(&[], 0);
}

#[test]
fn a_check_tells_of_what_is_cut_off() {
    let Some(maker) = Maker::new() else { return };
    maker.program("");
    let whole = fs::read(maker.bench.path("root/usr/bin/odd")).unwrap();
    fs::write(maker.bench.path("cut"), &whole[..500]).unwrap();
    let file = "files = [{ path = \"/opt/cut\", source = \"cut\", mode = \"0755\" }]";
    let recipe = format!("name = \"cut\"\nfrom = \"debian:trixie\"\n[[layer]]\nname = \"cut\"\n{file}\n");
    fs::write(maker.bench.path("cut.toml"), recipe).unwrap();
    // Elsewhere than among the commands it may be anything: a word is enough.
    let built = maker.bench.run(&["build", "cut.toml", "--arch", "amd64"]).ok();
    assert!(built.err.contains("warning: /opt/cut is a damaged ELF file"), "{}", built.err);
    let ran = maker.bench.run(&["check", "oci:images:cut"]).ok();
    let said = "`/opt/cut` is a damaged ELF file";
    assert!(!ran.out.contains("(from "), "{}", ran.out);
    assert!(ran.out.contains(said) || ran.err.contains(said), "{}{}", ran.out, ran.err);
}
