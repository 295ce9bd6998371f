//! A program that the recipe brings itself: what it needs is found in the whole distro and lands in the lock.

use rootforge::arch::Arch;

use crate::alpine::corpus::{corpus, repository};
use crate::support::{Archive, Image, Package, Rig};

const PACKAGES: &str = "Package: libc6
 Source: glibc
 /usr/lib/{triplet}/libc.so.6 elf soname=libc.so.6
 /usr/lib64/ld-linux-x86-64.so.2 elf soname=ld-linux-x86-64.so.2

 Package: libz1
 Depends: libc6, libz-data
 /usr/lib/{triplet}/libz.so.1.3 elf soname=libz.so.1 needed=libc.so.6
 /usr/lib/{triplet}/libz.so.1 -> libz.so.1.3
 /usr/lib/{triplet}/libzother.so.1 elf soname=libzother.so.1

 Package: libz1-fork
 /usr/lib/{triplet}/libz.so.1 elf soname=libz.so.1

 Package: libz-data
 /usr/share/libz/data 0644 x

 Package: hidden
 /usr/lib/hidden/libhidden.so.1 elf soname=libhidden.so.1";

const RECIPE: &str = "[[layer]]\nname = \"app\"\nfiles = [\n\
    { path = \"/usr/bin/app\", source = \"app\", mode = \"0755\" },\n\
    { path = \"/usr/lib/{triplet}\", source = \"libs\" },\n]\n";

/// A file as packages of tests describe it.
fn elf(words: &str) -> Vec<u8> {
    let package = Package::parse(&format!("Package: x\n/usr/x elf {words}\n")).remove(0);
    let members = package.members("debian:trixie".parse().unwrap(), Arch::Amd64);
    members.into_iter().find(|(entry, _)| entry.path.as_str() == "/usr/x").unwrap().1
}

const LOADER: &str = "interp=/lib64/ld-linux-x86-64.so.2";

fn rig(has_contents: bool, needs: &str) -> Rig {
    let rig = Rig::with(&Archive { has_contents, ..Archive::new(PACKAGES) });
    rig.recipe(RECIPE);
    rig.write("app", elf(&format!("program needed={needs} {LOADER}")));
    rig.write("libs/libown.so.1", elf("soname=libown.so.1 needed=libc.so.6"));
    rig
}

#[test]
fn its_needs_are_found_and_locked() {
    // With Contents indexes, and by the names of packages where an archive has none.
    for has_contents in [true, false] {
        let needs = if has_contents { "libown.so.1,libz.so.1,libc.so.6" } else { "libown.so.1,libz.so.1" };
        let rig = rig(has_contents, needs);
        if !has_contents {
            rig.write("libs/libown.so.1", elf("soname=libown.so.1"));
        }
        rig.build(&[]);
        let lock = rig.read("r.lock");
        assert!(
            lock.contains("[[program]]\narch = \"amd64\"\npath = \"/usr/bin/app\"\nlayer = \"app\"\n"),
            "{lock}"
        );
        assert!(lock.contains("name = \"libz1\"") && !lock.contains("libz1-fork"), "{lock}");
        // The library that the recipe brings is nobody's to find.
        assert!(!lock.contains("libown.so.1\","), "{lock}");
        let image = Image::read(&rig.work("images"), "r");
        for path in [
            "/usr/bin/app",
            "/usr/lib/x86_64-linux-gnu/libz.so.1",
            "/usr/lib/x86_64-linux-gnu/libz.so.1.3",
            "/usr/lib/x86_64-linux-gnu/libc.so.6",
            "/usr/lib64/ld-linux-x86-64.so.2",
            "/usr/share/libz/data",
        ] {
            assert!(image.get(path).is_some(), "{has_contents} {path}");
        }
        assert!(image.get("/usr/lib/x86_64-linux-gnu/libzother.so.1").is_none());
        rig.run(&["check", "oci:images:r"]).ok();
        rig.build(&["--locked", "--offline"]);

        let why = rig.run(&["why", "r.toml", "libz.so.1.3", "--arch", "amd64"]).ok().out;
        assert!(why.contains("<- /usr/bin/app (`libz.so.1` is needed by /usr/bin/app)"), "{why}");
        assert!(why.contains("/usr/bin/app <- the recipe (`files` has `/usr/bin/app`)"), "{why}");
    }
}

#[test]
fn a_lock_follows_what_the_program_needs() {
    let rig = rig(true, "libc.so.6");
    rig.build(&[]);
    assert!(!rig.read("r.lock").contains("libz1"));
    rig.build(&["--locked"]);
    rig.write("app", elf(&format!("program needed=libc.so.6,libz.so.1 {LOADER}")));
    let failed = rig.run(&["build", "r.toml", "--arch", "amd64", "--locked"]);
    failed.fails(1, &["r.lock cannot be used: what /usr/bin/app needs changed"]);
    rig.build(&[]);
    assert!(rig.read("r.lock").contains("name = \"libz1\""));
    // One that needs nothing needs no package, whatever the distro has.
    rig.write("app", elf("program"));
    rig.write("libs/libown.so.1", "no library");
    rig.build(&[]);
    assert!(!rig.read("r.lock").contains("[[program]]"), "{}", rig.read("r.lock"));
}

#[test]
fn what_no_package_has_is_an_error_that_says_so() {
    let rig = rig(true, "libnowhere.so.1,libc.so.6");
    let failed = rig.run(&["build", "r.toml", "--arch", "amd64"]);
    failed.fails(1, &[
        "amd64: /usr/bin/app, which the recipe brings, needs `libnowhere.so.1`, which no package has where the loader looks",
        "hint: bring `libnowhere.so.1` in `files` too",
    ]);
    rig.write("app", elf(&format!("program needed=libhidden.so.1 {LOADER}")));
    let failed = rig.run(&["build", "r.toml", "--arch", "amd64"]);
    failed.fails(1, &["needs `libhidden.so.1`", "it is elsewhere in hidden"]);
    // Where the program itself says where to look, it is found.
    rig.write(
        "app",
        elf(&format!("program needed=libhidden.so.1,libc.so.6 runpath=/usr/lib/hidden {LOADER}")),
    );
    rig.build(&[]);
    let image = Image::read(&rig.work("images"), "r");
    assert!(image.get("/usr/lib/hidden/libhidden.so.1").is_some());
}

/// A mirror whose Contents index is another than its release vouches for.
#[test]
fn an_index_that_does_not_fit_gives_way_to_names() {
    let rig = rig(true, "libz.so.1,libc.so.6");
    for (path, bytes) in rig.listing("archive") {
        if path.to_string_lossy().contains("/Contents-") {
            let copies = rig.listing("archive").into_iter().filter(|(_, other)| *other == bytes);
            copies.for_each(|(copy, _)| std::fs::write(rig.path("archive").join(copy), "other").unwrap());
        }
    }
    let ran = rig.build(&[]);
    let words = "is out of step: no copy of `main/Contents-amd64` fits the signed InRelease of `trixie`; libraries are";
    assert!(ran.err.contains(words), "{}", ran.err);
    assert!(rig.read("r.lock").contains("name = \"libz1\""));
    rig.run(&["check", "oci:images:r"]).ok();
    // What no package is called after may be in the index.
    rig.write("app", elf(&format!("program needed=libzother.so.1,libc.so.6 {LOADER}")));
    rig.run(&["build", "r.toml", "--arch", "amd64"]).fails(
        1,
        &["is out of step: no copy of `main/Contents-amd64`", "hint: pass `--mirror` another mirror"],
    );
}

#[test]
fn on_alpine_packages_provide_the_names() {
    if corpus().is_none() {
        return;
    }
    let rig = Rig::new();
    rig.write("app", elf("program needed=libz.so.1,libc.musl-x86_64.so.1 interp=/lib/ld-musl-x86_64.so.1"));
    let layer = "[[layer]]\nname = \"app\"\nfiles = [{ path = \"/usr/bin/app\", source = \"app\", mode = \"0755\" }]\n";
    rig.write("r.toml", format!("name = \"r\"\n{layer}{}", repository("v3.20")));
    rig.run(&["build", "r.toml", "--arch", "amd64"]).ok();
    let lock = rig.read("r.lock");
    assert!(
        lock.contains("packages = [\n    \"musl\",\n    \"zlib\",\n]")
            || lock.contains("packages = [\"musl\", \"zlib\"]"),
        "{lock}"
    );
    let image = Image::read(&rig.work("images"), "r");
    for path in ["/lib/ld-musl-x86_64.so.1", "/lib/libz.so.1"] {
        assert!(image.get(path).is_some(), "{path}");
    }
    rig.run(&["check", "oci:images:r"]).ok();
    rig.write("app", elf("program needed=libnowhere.so.1 interp=/lib/ld-musl-x86_64.so.1"));
    let failed = rig.run(&["build", "r.toml", "--arch", "amd64"]);
    failed.fails(1, &["needs `libnowhere.so.1`, which no package has"]);
}

/// A library that another of the program has loaded already is not sought again, wherever it lies.
#[test]
fn what_is_loaded_already_is_not_missing() {
    let rig = rig(true, "libc.so.6");
    rig.recipe(
        "[[layer]]\nname = \"app\"\nfiles = [{ path = \"/opt/app/bin/app\", source = \"app\", mode = \"0755\" },\n\
         { path = \"/opt/app/lib\", source = \"private\" }]\n",
    );
    rig.write(
        "app",
        elf(&format!("program needed=libb.so.1,liba.so.1,libc.so.6 runpath=$ORIGIN/../lib {LOADER}")),
    );
    rig.write("private/liba.so.1", elf("soname=liba.so.1 needed=libb.so.1,libz.so.1"));
    rig.write("private/libb.so.1", elf("soname=libb.so.1 needed=libc.so.6"));
    rig.build(&[]);
    let lock = rig.read("r.lock");
    let of_program = "path = \"/opt/app/lib/liba.so.1\"\nlayer = \"app\"\nneeds = [\"libz.so.1\"]";
    assert!(lock.contains(of_program), "{lock}");
    rig.run(&["check", "oci:images:r"]).ok();
    // Nobody loads it first.
    rig.write("app", elf(&format!("program needed=liba.so.1,libc.so.6 runpath=$ORIGIN/../lib {LOADER}")));
    rig.run(&["build", "r.toml", "--arch", "amd64"])
        .fails(1, &["/opt/app/lib/liba.so.1, which the recipe brings, needs `libb.so.1`"]);
}

#[test]
fn a_program_for_another_machine_is_told() {
    let rig = rig(true, "libc.so.6");
    rig.recipe("[[layer]]\nname = \"app\"\nfiles = [{ path = \"/usr/bin/app\", source = \"app\", mode = \"0755\" }]\n");
    let mut app = elf(&format!("program needed=libc.so.6 {LOADER}"));
    app[18] = 183;
    rig.write("app", app);
    let said = [
        "/usr/bin/app, which the recipe brings, cannot be run there: it is for arm64",
        "`{arch}` in `source`",
    ];
    rig.run(&["build", "r.toml", "--arch", "amd64"]).fails(1, &said);
    let app = elf(&format!("program needed=libc.so.6 {LOADER}"));
    rig.write("app", &app[..app.len() / 2]);
    rig.run(&["build", "r.toml", "--arch", "amd64"])
        .fails(1, &["/usr/bin/app, which the recipe brings, cannot be run"]);
}

/// What names no package is resolved for a script's sake, and for nothing else's.
#[test]
fn a_script_alone_brings_what_runs_it() {
    let shell = "Package: gruff-shell\n Essential: yes\n /usr/bin/gruff 0755 shell";
    let rig = Rig::with(&Archive::new(shell));
    rig.recipe(
        "[[layer]]\nname = \"a\"\nfiles = [{ path = \"/usr/bin/run\", source = \"run\", mode = \"0755\" }]\n",
    );
    rig.write("run", "a text");
    rig.build(&[]);
    assert!(!rig.read("r.lock").contains("gruff-shell"));
    rig.write("run", "#!/usr/bin/gruff\necho\n");
    rig.run(&["build", "r.toml", "--arch", "amd64", "--locked"])
        .fails(1, &["what /usr/bin/run needs changed"]);
    let ran = rig.build(&[]);
    assert!(!ran.err.contains("warning"), "{}", ran.err);
    assert!(rig.read("r.lock").contains("gruff-shell"));
    assert_eq!(Image::read(&rig.work("images"), "r").text("/usr/bin/gruff"), "shell");
    rig.build(&["--locked", "--offline"]);
}
