//! Calls, recipes and machines that are wrong: what is said, and with which exit code.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::rig::run;
use crate::support::{Archive, Image, Package, Rig};
use rayon::prelude::*;
use rootforge::arch::Arch;
use rootforge::hint::Hint;
use rootforge::oci::PackError;
use rootforge::render::RenderError;
use rootforge::repository::RepositoryError;
use rootforge::root_path::RootPath;

const PACKAGES: &str = "Package: pulseaudio
     Depends: libpulse0
     /usr/bin/pulseaudio elf program needed=libpulse.so.0

     Package: libpulse0
     /usr/lib/{triplet}/libpulse.so.0 elf soname=libpulse.so.0

     Package: left
     Conflicts: right
     /usr/share/left 0644 left

     Package: right
     /usr/share/right 0644 right

     Package: broken
     Depends: middle

     Package: middle
     Depends: gone (>= 3)

     Package: gone
     Version: 2.0

     Package: hider
     /usr/share/.wh.left 0644 x

     Package: dangler
     /usr/share/dangler => /usr/share/nothing

     Package: postfix
     Provides: mail-agent
     /usr/share/postfix 0644 x";

const LAYER: &str = "[[layer]]\nname = \"main\"\npackages = [\"pulseaudio\"]\n";

/// A program with a library.
const APP: &str = "Package: app
 Depends: libx1
 /usr/bin/app elf program needed=libx.so.1

 Package: libx1
 /usr/lib/{triplet}/libx.so.1.2 elf soname=libx.so.1
 /usr/lib/{triplet}/libx.so.1 -> libx.so.1.2";

/// Summary, recipe, arguments, exit code, what stderr holds.
type Case = (&'static str, String, &'static [&'static str], i32, &'static [&'static str]);

fn names(packages: &str) -> String {
    format!("[[layer]]\nname = \"main\"\npackages = [{packages}]\n")
}

const BUILD: &[&str] = &["build", "r.toml", "--arch", "amd64"];

#[allow(clippy::too_many_lines)]
fn cases() -> Vec<Case> {
    vec![
        (
            "a name by which layers take files away",
            names(r#""hider""#),
            BUILD,
            1,
            &["the package hider 1.0 has /usr/share/.wh.left, a name by which layers take files away", "hint: "],
        ),
        (
            "a hard link to nothing",
            names(r#""dangler""#),
            BUILD,
            1,
            &["the package dangler 1.0 has /usr/share/dangler as a hard link to /usr/share/nothing", "hint: "],
        ),
        (
            "a device in place of an archive",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "amd64", "--output", "tar:/dev/full"],
            1,
            &["/dev/full", "it is no regular file", "hint: name a file"],
        ),
        (
            "what a process has open in place of an archive",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "amd64", "--output", "oci-archive:/proc/self/exe"],
            1,
            &["cannot write to `/proc/self/exe`: it is no regular file", "hint: name a file"],
        ),
        (
            "standard output in place of an archive",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "amd64", "--output", "tar:-"],
            2,
            &["`tar:-` names no file", "hint: name a file"],
        ),
        (
            "a package that does not exist, much like one that does",
            names(r#""pulseaudoi""#),
            BUILD,
            1,
            &["error: there is no package `pulseaudoi`", "hint: there is `pulseaudio`"],
        ),
        (
            "a package like no other",
            names(r#""xyzzy""#),
            BUILD,
            1,
            &["error: there is no package `xyzzy`", "hint: look up the package's name"],
        ),
        (
            "a name that is only provided",
            names(r#""mail-agent""#),
            BUILD,
            1,
            &["`mail-agent` is not a package, only a name that `postfix` provides", "hint: name one of them, such as `postfix`"],
        ),
        (
            "a version that does not exist",
            names(r#""pulseaudio=9""#),
            BUILD,
            1,
            &["`pulseaudio (= 9)` is not in any repository; there is", "1.0"],
        ),
        (
            "two packages that conflict",
            names(r#""left", "right""#),
            BUILD,
            1,
            &["cannot resolve `left` and `right`: left 1.0", "conflicts with right 1.0", "hint: leave one of them out"],
        ),
        (
            "a dependency that cannot be met",
            names(r#""broken""#),
            BUILD,
            1,
            &["cannot resolve `broken`: `gone (>= 3)` is not in any repository; there is", "required by middle 1.0", "required by broken 1.0", "hint: "],
        ),
        (
            "a suite that is not there",
            format!("[[repository]]\ntype = \"deb\"\nurl = \"../archive\"\nsuite = \"forky\"\nkeys = [\"key.asc\"]\n{LAYER}"),
            BUILD,
            1,
            &["has no suite `forky`", "hint: "],
        ),
        (
            "a component that is not there",
            format!("[[repository]]\ntype = \"deb\"\nurl = \"../archive\"\nsuite = \"trixie\"\ncomponents = [\"contrib\"]\nkeys = [\"key.asc\"]\n{LAYER}"),
            BUILD,
            1,
            &["has no component `contrib`; it has main"],
        ),
        (
            "an arch that the archive lacks",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "s390x"],
            1,
            &["`trixie` at `", "has no packages for s390x; it has amd64"],
        ),
        (
            "an arch that nobody knows",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "x86_64"],
            2,
            &["error: ", "x86_64", "hint: known are amd64, "],
        ),
        (
            "an arch that the recipe is not for",
            format!("arch = [\"arm64\", \"s390x\"]\n{LAYER}"),
            BUILD,
            2,
            &["r.toml is not made for amd64", "hint: choose with --arch from arm64, s390x"],
        ),
        (
            "five mistakes, all of them shown",
            "arch = [\"sparc\"]\n[[layer]]\nname = \"Main\"\npackagse = [\"x\"]\n[image]\nuser = \"web\"\nexpose = [80]\n".to_owned(),
            BUILD,
            2,
            &[
                "`sparc` is not an architecture",
                "r.toml:4:9",
                "`Main` cannot be the name of a layer",
                "unknown key `packagse` in `[[layer]]`",
                "hint: did you mean `packages`?",
                "nobody defines the user `web`",
                "hint: write \"80/tcp\"",
                "`r.toml` has 5 mistakes",
            ],
        ),
        ("no recipe", LAYER.to_owned(), &["build", "none.toml"], 2, &["none.toml", "No such file"]),
        ("no TOML", "[[layer".to_owned(), BUILD, 2, &["r.toml:", "`r.toml` has 1 mistake"]),
        (
            "a variant that is not there",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "amd64", "--variant", "debug"],
            2,
            &["debug"],
        ),
        (
            "a pattern that matches nothing",
            format!("{LAYER}include = [\"/usr/lib/{{triplet}}/none.so\"]\n"),
            BUILD,
            2,
            &["`/usr/lib/{triplet}/none.so` in `include` matches no file of any package"],
        ),
        (
            "an owner whom nobody defines",
            "[[layer]]\nname = \"f\"\nfiles = [{ path = \"/x\", content = \"\", owner = \"ghost\" }]\n".to_owned(),
            BUILD,
            2,
            &["nobody defines the user `ghost`", "hint: add `[[user]]`"],
        ),
        (
            "a file that would delete another",
            "[[layer]]\nname = \"f\"\nfiles = [{ path = \"/etc/.wh.passwd\", content = \"\" }]\n".to_owned(),
            BUILD,
            2,
            &["`/etc/.wh.passwd` would be a whiteout", "deletes what is below", "hint: take another name"],
        ),
        (
            "a name that no system can open",
            format!("[[layer]]\nname = \"f\"\nfiles = [{{ path = \"/{}\", content = \"\" }}]\n", "x".repeat(256)),
            BUILD,
            2,
            &["r.toml:", "the path is longer than 4095 bytes, or a name in it than 255"],
        ),
        (
            "a source file that is not there",
            "[[layer]]\nname = \"f\"\nfiles = [{ path = \"/x\", source = \"none\" }]\n".to_owned(),
            BUILD,
            2,
            &["none"],
        ),
        (
            "two architectures for one root file system",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "amd64,s390x", "--output", "docker-archive:x.tar"],
            2,
            &["`docker-archive` takes exactly one architecture, not 2"],
        ),
        (
            "a directory that is not empty",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "amd64", "--output", "dir:."],
            1,
            &["the directory `.` is not empty"],
        ),
        (
            "a file in no directory",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "amd64", "--output", "tar:none/x.tar"],
            1,
            &["error: cannot write to `none`: No such file or directory (os error 2)\nhint: choose another place"],
        ),
        (
            "a directory where a file is to be",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "amd64", "--output", "oci-archive:../archive"],
            1,
            &["error: cannot write to `../archive`: Is a directory", "hint: choose another place"],
        ),
        (
            "a file where a directory is to be",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "amd64", "--output", "oci:r.toml/images"],
            1,
            &["error: cannot write to `r.toml/images`: Not a directory", "hint: choose another place"],
        ),
        (
            "an output that nobody knows",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "amd64", "--output", "zip:x"],
            2,
            &["`zip:x` is not an output", "hint: "],
        ),
        (
            "a registry",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "amd64", "--output", "docker://example.org/Upper"],
            2,
            &["`docker://example.org/Upper` names no image in a registry", "hint: write `docker://HOST/REPOSITORY:TAG`"],
        ),
        (
            "a tag that is none",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "amd64", "--tag", "no tag"],
            2,
            &["`no tag` cannot name an image"],
        ),
        (
            "a mirror of nothing",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "amd64", "--mirror", "http://mirror.example.org"],
            2,
            &["`http://mirror.example.org` names no mirror", "hint: write `--mirror debian="],
        ),
        (
            "a mirror of an archive that nobody knows",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "amd64", "--mirror", "devuan=http://mirror.example.org"],
            2,
            &["--mirror names a mirror of `devuan`, which is no archive; the archives are debian"],
        ),
        (
            "two mirrors of one archive",
            LAYER.to_owned(),
            &["build", "r.toml", "--arch", "amd64", "--mirror", "debian=http://a.example.org/debian"],
            2,
            &["error: two mirrors are given for `debian`: http://a.example.org/debian and ", "/archive", "hint: leave one"],
        ),
        (
            "a suite that cannot be left out",
            LAYER.to_owned(),
            &["build", "r.toml", "--without", "backports"],
            2,
            &["backports", "release, updates, security, none"],
        ),
        (
            "a suite left out and none left out",
            LAYER.to_owned(),
            &["build", "r.toml", "--without", "updates,none"],
            2,
            &["`--without` is given both suites and `none`", "hint: "],
        ),
        ("no lock", LAYER.to_owned(), &["build", "r.toml", "--arch", "amd64", "--locked"], 1, &["the lock r.lock cannot be used: there is none", "hint: run `rootforge lock`"]),
        ("an unknown flag", LAYER.to_owned(), &["build", "r.toml", "--archs", "amd64"], 2, &["--archs", "--arch"]),
        ("no command", LAYER.to_owned(), &[], 2, &["Usage"]),
        ("an image that is not there", LAYER.to_owned(), &["check", "oci:none:x"], 1, &["none"]),
        ("no image", LAYER.to_owned(), &["check", "dir:."], 2, &["is a root file system, not an image"]),
    ]
}

#[test]
fn each_is_told_and_leaves_nothing() {
    let wrong: Vec<String> = cases()
        .into_par_iter()
        .filter_map(|(summary, recipe, args, code, words)| {
            let rig = Rig::with(&Archive::new(PACKAGES));
            rig.recipe(&recipe);
            let ran = rig.run(args);
            let mut wrong = String::new();
            if ran.code != Some(code) {
                wrong.push_str(&format!("exit code {:?}, not {code}\n", ran.code));
            }
            for words in words.iter().filter(|words| !ran.err.contains(**words)) {
                wrong.push_str(&format!("does not say: {words}\n"));
            }
            if !ran.out.is_empty() || ran.err.contains("panicked") {
                wrong.push_str(&format!("stdout: {}\n", ran.out));
            }
            let blobs = rig.listing("work/images");
            if !blobs.is_empty() || !rig.leftovers().is_empty() {
                wrong.push_str(&format!("leaves {:?} {:?}\n", blobs.keys(), rig.leftovers()));
            }
            // What can be seen beforehand costs no time.
            if ran.err.contains("cannot write to") && ran.err.contains("fetching") {
                wrong.push_str("tells it late\n");
            }
            (!wrong.is_empty()).then(|| format!("{summary}: {wrong}{}", ran.err))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn variables_are_read_with_care() {
    let rig = Rig::with(&Archive::new(PACKAGES));
    rig.recipe(LAYER);
    for value in ["yesterday", "-1", "1.5", "99999999999999999999999"] {
        let words = format!("SOURCE_DATE_EPOCH is `{value}`, which is no number of seconds");
        run(rig.command(BUILD).env("SOURCE_DATE_EPOCH", value))
            .fails(2, &[&words, "hint: set it to seconds"]);
    }
    run(rig.command(BUILD).env("ROOTFORGE_MIRROR_DEVUAN", "http://x.example.org"))
        .fails(2, &["ROOTFORGE_MIRROR_DEVUAN names a mirror of `devuan`"]);
    run(rig.command(BUILD).env_remove("HOME"))
        .fails(2, &["HOME names no absolute path", "hint: give one with --cache-dir"]);
    rig.write("config.toml", "mirrors = 1\n");
    rig.run(&[BUILD, &["--config", "config.toml"]].concat()).fails(2, &["config.toml is wrong", "mirrors"]);
    for key in ["cache-dir", "images"] {
        rig.write("config.toml", format!("{key} = \"\"\n"));
        rig.run(&["cache", "--config", "config.toml"])
            .fails(2, &[&format!("config.toml is wrong: `{key}` is empty")]);
    }
    rig.write("config.toml", "[mirror]\nsnapshot = \"http://x.example\"\nfoo = \"http://x.example\"\n");
    rig.run(&["cache", "--config", "config.toml"])
        .fails(2, &["config.toml is wrong: [mirror] `foo` is not one of debian, ", ", wolfi, snapshot\n"]);
    rig.run(&[BUILD, &["--config", "none.toml"]].concat())
        .fails(2, &["cannot read the configuration none.toml"]);
}

#[test]
fn locks_that_cannot_be_read() {
    let rig = Rig::with(&Archive::new(PACKAGES));
    rig.recipe(LAYER);
    rig.build(&[]);
    let lock = rig.read("r.lock");
    let images = rig.listing("work/images");
    let spoilt: [(String, &[&str]); 6] = [
        (
            lock.replace("version = 1\n", "version = 2\n"),
            &["r.lock is of format 2, this program reads format 1", "hint: remove it"],
        ),
        (
            lock.replacen("\n\n", "\n<<<<<<< HEAD\n", 1),
            &["r.lock has an unfinished merge at line ", "take either"],
        ),
        ("garbage".to_owned(), &["r.lock cannot be understood: ", "line 1"]),
        (lock.replace("sha256:", "md5:"), &["r.lock cannot be understood: "]),
        (lock.replace("source = ", "sauce = "), &["r.lock cannot be understood: ", "sauce"]),
        (lock[..lock.len() / 2].trim_end_matches('"').to_owned(), &["r.lock cannot be understood: "]),
    ];
    for (text, words) in spoilt {
        rig.write("r.lock", &text);
        for args in [BUILD, &["lock", "r.toml"]] {
            rig.run(args).fails(1, words);
            assert_eq!(rig.read("r.lock"), text);
        }
    }
    rig.write("r.lock", [0xff, 0xfe]);
    rig.run(BUILD)
        .fails(1, &["r.lock cannot be understood: it is not UTF-8 behind byte 0", "hint: remove it"]);
    std::fs::remove_file(rig.work("r.lock")).unwrap();
    std::fs::create_dir(rig.work("r.lock")).unwrap();
    rig.run(BUILD).fails(1, &["cannot read the lock r.lock", "hint: make it a file"]);
    rig.run(&["build", "r.lock"])
        .fails(2, &["`r.lock` is what a recipe's lock is called", "hint: name the recipe"]);
    rig.run(&["build", "."]).fails(2, &["cannot read the recipe `.`", "give the path of a recipe in it"]);
    assert_eq!(rig.listing("work/images"), images);
}

#[test]
fn package_files_that_are_none() {
    let archive = Archive::new(PACKAGES);
    let rig = Rig::with(&archive);
    rig.recipe("[[layer]]\nname = \"main\"\npackages = [\"./own.deb\"]\n");
    rig.run(BUILD).fails(2, &["own.deb", "`r.toml` has 1 mistake"]);
    rig.write("own.deb", "<!DOCTYPE html><html>404</html>");
    rig.run(BUILD).fails(1, &["own.deb` is not a Debian package: it looks like HTML"]);
    let whole = Package::parse("Package: own\n/usr/share/own 0644 x")[0].deb(archive.distro, Arch::Amd64);
    rig.write("own.deb", &whole[..whole.len() / 2]);
    rig.run(BUILD).fails(1, &["own.deb` is cut off within `"]);
    rig.write("own.deb", "");
    rig.run(BUILD).fails(1, &["own.deb` is not a Debian package"]);
    for (fields, said) in [
        ("Package: ../own", "own.deb has the `Package` `../own`, which is none"),
        ("Package: own\nVersion: 1:2 /3", "own.deb has the `Version` `1:2 /3`, which is none"),
        ("Package: own\nVersion: x:1", "own.deb has the `Version` `x:1`, which is none"),
    ] {
        let package = &Package::parse(&format!("{fields}\n/usr/share/own 0644 x"))[0];
        rig.write("own.deb", package.deb(archive.distro, Arch::Amd64));
        rig.run(BUILD).fails(1, &[said, "hint: "]);
    }
    rig.write("own.deb", &whole);
    rig.build(&[]);
}

/// Reaching nobody takes as long as the tries it is worth.
#[test]
fn a_mirror_that_does_not_answer() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rig = Rig::new();
    rig.recipe(LAYER);
    let root = format!("http://127.0.0.1:{port}");
    rig.run_at(&root, BUILD).fails(
        1,
        &[
            &format!("`{root}/dists/trixie/InRelease` cannot be fetched: "),
            "Connection refused",
            "hint: check the network",
        ],
    );
    rig.run_at(&root, &[BUILD, &["--offline"]].concat())
        .fails(1, &["the build is offline, and the index of `trixie`", "is not in the cache"]);
}

#[test]
fn a_reader_that_goes_away() {
    let rig = Rig::with(&Archive::new(PACKAGES));
    rig.recipe(LAYER);
    rig.build(&[]);
    for args in [BUILD, &[BUILD, &["--json"]].concat(), &["--help"], &["check", "oci:images:r"]] {
        let mut child = rig.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let status = child.wait().unwrap();
        assert!(!err.contains("panicked"), "{args:?}: {err}");
        assert_eq!(status.code(), Some(0), "{args:?}: {err}");
        // Nobody to listen to the talk either.
        let mut child = rig.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stderr.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}");
    }
}

#[test]
fn what_is_said_to_machines() {
    let rig = Rig::with(&Archive::new(PACKAGES).for_archs(&[Arch::Amd64, Arch::Arm64]));
    rig.recipe(LAYER);
    let ran = rig.run(&["build", "r.toml", "--arch", "all", "--json", "-q"]);
    // Archives need not have every architecture that Debian has.
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    assert!(ran.out.is_empty());
    let ran = rig.run(&["build", "r.toml", "--arch", "arm64,amd64", "--json", "-q"]).ok();
    assert_eq!(ran.err, "");
    let value: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value["name"], "r");
    assert_eq!(value["output"], "oci:images:r");
    let images = value["images"].as_array().unwrap();
    assert_eq!(
        images.iter().map(|image| image["arch"].as_str().unwrap()).collect::<Vec<_>>(),
        ["amd64", "arm64"]
    );
    assert!(images.iter().all(|image| image["packages"] == 2
        && image["files"] == 2
        && image["locked"] == 2
        && image["left_out"] == 0
        && image["warnings"].as_array().unwrap().is_empty()));
    let plain = rig.run(&["build", "r.toml", "--arch", "arm64,amd64"]).ok();
    assert_eq!(plain.out, format!("oci:images:r {}\n", value["digest"].as_str().unwrap()));
    assert!(value["run"].is_null());
    rig.recipe(&format!("{LAYER}[image]\nentrypoint = [\"/usr/bin/pulseaudio\"]\n"));
    let ran = rig.run(&["build", "r.toml", "--arch", "arm64,amd64", "--json"]).ok();
    let value: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value["run"], "podman run --rm oci:images:r");
}

/// Root can read all; so it is asked of the errors themselves.
#[test]
fn what_may_not_be_read_is_to_be_made_readable() {
    use std::io::{Error, ErrorKind};
    let path = || PathBuf::from("x");
    let errors = |kind: ErrorKind| -> [Box<dyn Hint>; 4] {
        let source = || Error::from(kind);
        let target = RootPath::parse("/x").unwrap();
        [
            Box::new(PackError::Source { layer: "main".to_owned(), path: path(), source: source() }),
            Box::new(RenderError::Source { path: path(), target, source: source() }),
            Box::new(RepositoryError::Key { path: path(), source: source() }),
            Box::new(RepositoryError::LocalRead { path: path(), source: source() }),
        ]
    };
    let is_told = |error: &dyn Hint| error.hints().concat().starts_with("make it readable");
    assert!(errors(ErrorKind::PermissionDenied).iter().all(|error| is_told(&**error)));
    assert!(!errors(ErrorKind::NotFound).iter().any(|error| is_told(&**error)));
}

/// An archive replaces what its name leads to, not what leads there.
#[test]
fn archives_behind_links() {
    let rig = Rig::with(&Archive::new(APP));
    rig.recipe("[[layer]]\nname = \"main\"\npackages = [\"app\"]\n");
    rig.write("far/there", "old");
    for (link, target) in [("one", "far/there"), ("two", "far/new"), ("three", "far/copy")] {
        std::os::unix::fs::symlink(target, rig.work(link)).unwrap();
    }
    rig.run(&[BUILD, &["--output", "oci-archive:one"]].concat()).ok();
    rig.run(&[BUILD, &["--output", "tar:two"]].concat()).ok();
    rig.run(&["copy", "oci-archive:one", "docker-archive:three"]).ok();
    for (link, target) in [("one", "far/there"), ("two", "far/new"), ("three", "far/copy")] {
        let (link, target) = (rig.work(link), rig.work(target));
        assert!(link.is_symlink() && target.metadata().unwrap().len() > 1000);
    }
    // Where standard output is a file, it is not replaced under whoever writes to it.
    for output in ["tar:/dev/stdout", "oci-archive:/dev/fd/1"] {
        let out = std::fs::File::create(rig.work("out")).unwrap();
        let told = rig.command(&[BUILD, &["--output", output]].concat()).stdout(out).output().unwrap();
        let err = String::from_utf8(told.stderr).unwrap();
        assert!(told.status.code() == Some(1) && err.contains("it is no regular file"), "{output}: {err}");
        assert_eq!(rig.work("out").metadata().unwrap().len(), 0);
    }
}

#[test]
fn a_directory_that_cannot_be_written() {
    let rig = Rig::with(&Archive::new(PACKAGES));
    rig.recipe(LAYER);
    rig.build(&[]);
    // A file where a directory is to be stops root too.
    rig.write("file", "");
    rig.run(&[BUILD, &["--output", "oci:file/images"]].concat()).fails(1, &["file/images"]);
    rig.run(&[BUILD, &["--cache-dir", "file/cache"]].concat())
        .fails(1, &["cannot write to the cache, `file/cache", "hint: "]);
    let locked = rig.work("locked");
    std::fs::create_dir(&locked).unwrap();
    let set = |mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(0o555);
    if std::fs::write(locked.join("probe"), "").is_ok() {
        eprintln!("skipped in part: this user writes to read-only directories");
    } else {
        rig.run(&[BUILD, &["--output", "oci:locked/images"]].concat())
            .fails(1, &["locked/images", "Permission denied"]);
    }
    set(0o755);
}

/// A file system of its own that is too small, unmounted when dropped.
struct Small(PathBuf);

impl Small {
    fn mount(place: &Path, size: &str) -> Option<Small> {
        std::fs::create_dir_all(place).unwrap();
        let options = format!("size={size}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(place).output();
        mount.is_ok_and(|output| output.status.success()).then(|| Small(place.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk() {
    let mut noise = 1_u64;
    let text: String = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + u8::try_from((noise >> 33) % 26).unwrap())
    })
    .take(400_000)
    .collect();
    let packages =
        format!("Package: big\n/usr/share/big 0644 {text}\n\nPackage: small\n/usr/share/small 0644 x");
    let rig = Rig::with(&Archive::new(&packages));
    rig.recipe(&names(r#""small""#));
    let Some(_images) = Small::mount(&rig.work("images"), "128k") else {
        eprintln!("skipped: mounting a small file system takes root");
        return;
    };
    rig.build(&["--tag", "good"]);
    let before = rig.listing("work/images");
    rig.recipe(&names(r#""small", "big""#));
    rig.run(BUILD).fails(1, &["No space left on device", "images", "hint: "]);
    let archive = [BUILD, &["--output", "oci-archive:images/a.tar"]].concat();
    rig.run(&archive).fails(1, &["No space left on device", "cannot write `images/a.tar`"]);
    assert_eq!(rig.leftovers(), Vec::<PathBuf>::new());
    assert_eq!(rig.listing("work/images"), before);
    rig.run(&["check", "oci:images:good"]).ok();

    let cache = rig.path("small-cache");
    let _cache = Small::mount(&cache, "128k").unwrap();
    rig.run(&[BUILD, &["--cache-dir", cache.to_str().unwrap(), "--output", "oci:elsewhere"]].concat())
        .fails(1, &["No space left on device", "big 1.0", "small-cache", "hint: free some space"]);
    assert!(!rig.work("elsewhere/index.json").exists());
}

/// A directory that is copied may hold what a recipe cannot see.
#[test]
fn a_whiteout_in_a_directory_of_the_recipe_is_refused() {
    let rig = Rig::new();
    rig.write("tree/sub/.wh..wh..opq", "");
    rig.recipe("[[layer]]\nname = \"f\"\nfiles = [{ path = \"/opt\", source = \"tree\" }]\n");
    rig.run(&["build", "r.toml", "--arch", "amd64"]).fails(
        1,
        &["layer `f`: /opt/sub/.wh..wh..opq would be a whiteout", "hint: rename it, or leave it out"],
    );
}

/// Every image has the distro's links; one that a recipe has too is no other.
#[test]
fn a_link_of_the_distro_is_not_replaced() {
    let rig = Rig::new();
    let layer = |file: &str| format!("[[layer]]\nname = \"f\"\nfiles = [{file}]\n");
    rig.recipe("[[layer]]\nname = \"f\"\nfiles = [{ path = \"/x\", content = \"\" }]\n");
    rig.run(&["build", "r.toml", "--arch", "amd64", "--tag", "plain"]).ok();
    for same in [
        r#"{ path = "/bin", type = "symlink", target = "usr/bin" }"#,
        r#"{ path = "/bin", type = "symlink", target = "/usr/bin" }"#,
        r#"{ path = "/var/run", type = "symlink", target = "/run" }"#,
    ] {
        rig.recipe(&layer(&format!("{same}, {{ path = \"/x\", content = \"\" }}")));
        rig.run(&["build", "r.toml", "--arch", "amd64"]).ok();
        let paths = ["plain", "r"].map(|tag| Image::read(&rig.work("images"), tag).paths());
        assert_eq!(paths[0], paths[1], "{same}");
    }
    // Libraries are found behind it, and a root without a skeleton has it.
    let rig = Rig::with(&Archive::new(APP));
    rig.write("tree/usr/lib/app.conf", "x");
    std::os::unix::fs::symlink("usr/lib", rig.work("tree/lib")).unwrap();
    for same in
        [r#"{ path = "/lib", type = "symlink", target = "usr/lib" }"#, r#"{ path = "/", source = "tree" }"#]
    {
        rig.recipe(&format!("{}files = [{same}]\n", names("\"app\"")));
        rig.run(BUILD).ok();
        rig.run(&["check", "oci:images:r"]).ok();
    }
    rig.recipe("skeleton = false\n[[layer]]\nname = \"f\"\nfiles = [{ path = \"/bin\", type = \"symlink\", target = \"usr/bin\" }]\n");
    rig.run(BUILD).ok();
    assert!(Image::read(&rig.work("images"), "r").paths().contains("/bin"));
    let rig = Rig::new();
    for (other, words) in [
        (
            r#"{ path = "/bin", type = "symlink", target = "usr/sbin" }"#,
            "/bin is a link of the distro's to /usr/bin",
        ),
        (r#"{ path = "/lib", content = "x" }"#, "/lib is a link of the distro's to /usr/lib"),
    ] {
        rig.recipe(&layer(other));
        rig.run(&["build", "r.toml", "--arch", "amd64"]).fails(1, &[words, "hint: leave it out"]);
    }
}

/// What a recipe puts in a library's place counts in the proof, be it a library or not.
#[test]
fn what_hides_a_library_is_seen() {
    let rig = Rig::with(&Archive::new(APP));
    rig.write("text", "no library");
    let path = "/usr/lib/x86_64-linux-gnu/libx.so.1";
    let layers = |file: &str| {
        let app = names("\"app\"");
        format!("{app}\n[[layer]]\nname = \"above\"\nfiles = [{{ path = \"{path}\", {file} }}]\n")
    };
    for file in ["type = \"symlink\", target = \"/nowhere\"", "content = \"broken\"", "source = \"text\""] {
        rig.recipe(&layers(file));
        rig.run(BUILD).fails(1, &["/usr/bin/app", "libx.so.1"]);
    }
    rig.recipe(&layers("type = \"symlink\", target = \"libx.so.1.2\""));
    rig.run(BUILD).ok();
}

#[test]
fn what_is_no_archive_is_told_without_its_bytes() {
    let rig = Rig::new();
    rig.write("text", "first line of many\n".repeat(100));
    for kind in ["oci-archive", "docker-archive"] {
        let from = format!("{kind}:text");
        let told = rig.run(&["copy", &from, "tar:out.tar"]).fails(1, &["text", "it is no tar archive"]);
        assert!(!told.err.contains("first line"), "{}", told.err);
        let told = rig.run(&["check", &from]);
        assert!(told.code != Some(0) && !told.err.contains("first line"), "{}", told.err);
    }
}

/// A lock is written beside a recipe.
#[test]
fn a_recipe_is_a_file() {
    let rig = Rig::new();
    std::fs::create_dir_all(rig.work("")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(rig.work("pipe.toml")).status().unwrap();
    assert!(made.success());
    rig.run(&["build", "pipe.toml", "--arch", "amd64"])
        .fails(2, &["the recipe `pipe.toml` is no file", "hint: write it to a file first"]);
}

/// Distros' links and placeholders make one place of two paths.
#[test]
fn two_files_at_one_place_are_refused() {
    let rig = Rig::new();
    rig.write("a/x", "from a tree");
    rig.write("b/y", "from another");
    for (two, words) in [
        (
            r#"{ path = "/bin/x", content = "1" }, { path = "/usr/bin/x", content = "2" }"#,
            "layer `f`: `/bin/x` and `/usr/bin/x` are the same place, /usr/bin/x",
        ),
        (
            r#"{ path = "/opt/{arch}", type = "dir" }, { path = "/opt/amd64", content = "2" }"#,
            "`/opt/amd64` and `/opt/amd64` are the same place",
        ),
    ] {
        rig.recipe(&format!("[[layer]]\nname = \"f\"\nfiles = [{two}]\n"));
        rig.run(&["build", "r.toml", "--arch", "amd64"]).fails(1, &[words, "hint: leave one of them out"]);
    }
    // Trees grow together, and what is named for itself replaces what a tree has.
    for two in [
        r#"{ path = "/bin", source = "a" }, { path = "/usr/bin", source = "b" }"#,
        r#"{ path = "/bin", source = "a" }, { path = "/usr/bin/x", content = "2" }"#,
    ] {
        rig.recipe(&format!("[[layer]]\nname = \"f\"\nfiles = [{two}]\n"));
        rig.run(&["build", "r.toml", "--arch", "amd64"]).ok();
    }
}

#[test]
fn an_image_that_lacks_what_it_starts_is_told() {
    let rig = Rig::with(&Archive::new(
        "Package: app\n/usr/bin/app elf program\n/usr/bin/link -> app\n/usr/lib/app/run elf program",
    ));
    let told = |image: &str| {
        rig.recipe(&format!("[[layer]]\nname = \"main\"\npackages = [\"app\"]\n\n[image]\n{image}\n"));
        let warnings = || -> Vec<String> {
            let ran = rig.run(&["build", "r.toml", "--arch", "amd64"]).ok();
            ran.err.lines().filter_map(|line| line.strip_prefix("warning: ")).map(ToOwned::to_owned).collect()
        };
        let told = warnings();
        // What is known from an earlier build is told again.
        assert_eq!(warnings(), told);
        told.join("; ")
    };
    for image in [
        "entrypoint = [\"app\"]",
        "cmd = [\"/bin/link\"]",
        "workdir = \"/usr/lib\"\nentrypoint = [\"app/run\"]",
        "env = { PATH = \"/usr/lib/app\" }\nentrypoint = [\"run\"]",
        "",
    ] {
        assert_eq!(told(image), "", "{image}");
    }
    for (image, program) in [
        ("entrypoint = [\"ap\"]\ncmd = [\"app\"]", "ap"),
        ("cmd = [\"/usr/bin/run\"]", "/usr/bin/run"),
        ("env = { PATH = \"/usr/lib\" }\nentrypoint = [\"app\"]", "app"),
    ] {
        let words = format!("the image starts `{program}`, which is not in it");
        assert_eq!(told(image), words, "{image}");
    }
}

/// The files of a recipe are no programs unless it says so.
#[test]
fn an_image_that_cannot_execute_what_it_starts_is_told() {
    let rig = Rig::new();
    let told = |files: &str, start: &str| {
        rig.recipe(&format!(
            "[[layer]]\nname = \"main\"\nfiles = [{files}]\n\n[image]\nentrypoint = [\"{start}\"]\n"
        ));
        let ran = rig.run(&["build", "r.toml", "--arch", "amd64"]).ok();
        let warnings = ran.err.lines().filter_map(|line| line.strip_prefix("warning: "));
        warnings.map(ToOwned::to_owned).collect::<Vec<_>>().join("; ")
    };
    let plain = "{ path = \"/usr/bin/run\", content = \"\\u007fELF\" }";
    let link = "{ path = \"/srv/link\", type = \"symlink\", target = \"../usr/bin/run\" }";
    let other = "{ path = \"/usr/local/bin/run\", content = \"x\", mode = \"0755\" }";
    let words = |start: &str| {
        format!(
            "the image starts `{start}`, and /usr/bin/run cannot be executed: its mode is 0644; a file of the recipe \
             takes `mode = \"0755\"`"
        )
    };
    for start in ["/usr/bin/run", "run", "/srv/link"] {
        let told = told(&format!("{plain}, {link}"), start);
        assert!(told.contains(&words(start)), "{start}: {told}");
    }
    assert!(!told(&format!("{plain}, {other}"), "run").contains("cannot be executed"));
    let executable = plain.replace(" }", ", mode = \"0755\" }");
    assert!(!told(&format!("{executable}, {link}"), "/srv/link").contains("cannot be executed"));
}

/// What a terminal obeys is shown as what it is not: names can come from anybody.
#[test]
fn control_characters_reach_no_terminal() {
    let path = "/usr/share/app/a\u{1b}[2Jb\u{9b}c";
    let rig = Rig::with(&Archive::new(&format!("Package: app\n {path} 0644 data\n")));
    rig.recipe("[[layer]]\nname = \"main\"\npackages = [\"app\"]\nkeep = \"all\"\n");
    rig.build(&[]);
    let told = rig.run(&["why", "r.toml", path, "--arch", "amd64"]).ok().out;
    assert!(told.contains("/usr/share/app/a\u{fffd}[2Jb\u{fffd}c"), "{told:?}");
    let failed = rig.run(&["build", "a\u{1b}[2J.toml"]).fails(2, &["a\u{fffd}[2J.toml"]);
    for text in [told, failed.err, failed.out] {
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }
}
