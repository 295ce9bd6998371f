//! Bases: recipes whose layers come first, byte for byte, under whatever stands on them.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::package::Package;
use crate::support::{Archive, Image, Rig};
use rootforge::arch::Arch;
use rootforge::tarball::EntryKind;

const PACKAGES: &str = "Package: low
 Depends: libx1, libc6
 /usr/bin/low elf program needed=libx.so.1 interp=/usr/lib/ld.so
 /usr/share/low/data 0644 data

 Package: libx1
 /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1
 /usr/lib/{triplet}/libx-extra.so.1 elf soname=libx-extra.so.1

 Package: libc6
 /usr/lib/ld.so elf soname=ld.so

 Package: app
 Depends: libx1, liby1
 /usr/bin/app elf program needed=libx.so.1,liby.so.1 interp=/usr/lib/ld.so

 Package: liby1
 Depends: libx1
 /usr/lib/{triplet}/liby.so.1 elf soname=liby.so.1 needed=libx-extra.so.1

 Package: tool
 Depends: libx1
 /usr/bin/tool elf program needed=libx.so.1 interp=/usr/lib/ld.so

 Package: newest
 Depends: libx1 (>= 3)";

const BASE: &str = "name = \"low\"
from = \"debian:trixie\"
arch = [\"amd64\", \"arm64\"]
keys = [\"../key.asc\"]
[[layer]]
name = \"low\"
packages = [\"low\"]
[[layer]]
name = \"more\"
files = [{ path = \"/etc/motd\", source = \"motd\" }, { path = \"/srv/x\", content = \"x\", owner = \"low\" }]
[[user]]
name = \"low\"
[image]
entrypoint = [\"/usr/bin/low\"]
env = { A = \"base\", B = \"base\" }
user = \"low\"
";

/// A recipe on the base.
fn above(name: &str, more: &str) -> String {
    format!("name = \"{name}\"\nbase = \"base/low.toml\"\n[[layer]]\nname = \"{name}\"\n{more}")
}

fn rig() -> Rig {
    let rig = Rig::with(&Archive::new(PACKAGES).for_archs(&[Arch::Amd64, Arch::Arm64]));
    rig.write("base/low.toml", BASE);
    rig.write("base/motd", "hello\n");
    rig
}

fn build(rig: &Rig, recipe: &str, more: &[&str]) {
    rig.run(&[&["build", recipe, "--arch", "amd64"], more].concat()).ok();
}

fn image(rig: &Rig, tag: &str) -> Image {
    let image = Image::read(&rig.work("images"), tag);
    image.assert_sound();
    rig.run(&["check", &format!("oci:images:{tag}")]).ok();
    image
}

/// The digests of an image's layers, from the lowest.
fn layers(image: &Image) -> Vec<String> {
    let digests = image.config["rootfs"]["diff_ids"].as_array().unwrap();
    digests.iter().map(|digest| digest.as_str().unwrap().to_owned()).collect()
}

fn version(rig: &Rig, lock: &str, package: &str) -> String {
    let text = rig.read(lock);
    let at = text.find(&format!("name = \"{package}\"\nversion")).unwrap();
    text[at..].lines().nth(1).unwrap().to_owned()
}

#[test]
fn the_layers_of_a_base_lie_below_unchanged_and_what_they_have_is_not_repeated() {
    let rig = rig();
    rig.write(
        "app.toml",
        above("app", "packages = [\"app\"]\n[image]\nenv = { B = \"app\" }\ncmd = [\"x\"]\n"),
    );
    rig.write(
        "tool.toml",
        above("tool", "packages = [\"tool\"]\n[[user]]\nname = \"tool\"\n[image]\nuser = \"tool\"\n"),
    );
    for recipe in ["base/low.toml", "app.toml", "tool.toml"] {
        build(&rig, recipe, &[]);
    }
    let [low, app, tool] = ["low", "app", "tool"].map(|tag| image(&rig, tag));
    for upper in [&app, &tool] {
        assert_eq!(layers(upper)[..2], layers(&low)[..]);
        assert_eq!(
            upper.config["history"].as_array().unwrap()[..2],
            low.config["history"].as_array().unwrap()[..]
        );
        assert_eq!(layers(upper).len(), 3);
    }
    // The base has libx.so.1 already; of its package only what is lacking comes on top, from the same version.
    let added = |image: &Image| -> BTreeSet<String> {
        let members = image.layers[2..].iter().flat_map(|(_, members)| members);
        let others = members.filter(|(entry, _)| entry.kind != EntryKind::Directory);
        others.map(|(entry, _)| entry.path.to_string()).collect()
    };
    let of_app = added(&app);
    for path in
        ["/usr/bin/app", "/usr/lib/x86_64-linux-gnu/liby.so.1", "/usr/lib/x86_64-linux-gnu/libx-extra.so.1"]
    {
        assert!(of_app.contains(path), "{path} is not in {of_app:?}");
    }
    for path in ["/usr/lib/x86_64-linux-gnu/libx.so.1", "/usr/lib/ld.so", "/etc/passwd", "/etc/motd"] {
        assert!(!of_app.contains(path), "{path} is in {of_app:?}");
    }
    assert_eq!(app.text("/etc/motd"), "hello\n");
    // Accounts of the upper recipe are in its own layer, with those of the base.
    let passwd = |image: &Image| image.text("/etc/passwd").to_owned();
    let line = |text: &str, name: &str| {
        text.lines().find(|line| line.starts_with(&format!("{name}:"))).map(str::to_owned)
    };
    assert_eq!(passwd(&app), passwd(&low));
    assert_eq!(line(&passwd(&tool), "low"), line(&passwd(&low), "low"));
    assert!(line(&passwd(&tool), "tool").is_some() && line(&passwd(&low), "tool").is_none());
    // The configuration is merged.
    let config = |image: &Image| image.config["config"].clone();
    let env = config(&app)["Env"].to_string();
    assert!(env.contains("\"A=base\"") && env.contains("\"B=app\""), "{env}");
    assert_eq!(config(&app)["Entrypoint"][0], "/usr/bin/low");
    assert_eq!(config(&app)["Cmd"][0], "x");
    assert_eq!((config(&app)["User"].as_str(), config(&tool)["User"].as_str()), (Some("low"), Some("tool")));
    // The upper layer has records of the packages that it touches.
    let records: BTreeSet<String> = of_app
        .iter()
        .filter_map(|path| path.strip_prefix("/var/lib/dpkg/status.d/"))
        .map(str::to_owned)
        .collect();
    for (package, is_touched) in
        [("app", true), ("libx1", true), ("liby1", true), ("low", false), ("libc6", false)]
    {
        assert_eq!(records.contains(package), is_touched, "{package}: {records:?}");
    }
    build(&rig, "app.toml", &["--locked"]);
}

#[test]
fn files_alone_may_stand_on_a_base() {
    let rig = rig();
    rig.write(
        "app.toml",
        above("app", "files = [{ path = \"/etc/app\", content = \"x\", owner = \"low\" }]\n"),
    );
    build(&rig, "app.toml", &[]);
    build(&rig, "base/low.toml", &[]);
    let [low, app] = ["low", "app"].map(|tag| image(&rig, tag));
    assert_eq!(layers(&app)[..2], layers(&low)[..]);
    assert_eq!(app.text("/etc/app"), "x");
    build(&rig, "app.toml", &["--locked", "--offline"]);

    // It adds no package, so what its base is locked to is all, and no index is read.
    let resolved = |recipe: &str| rig.read(recipe).split_once("\n[[repository]]").unwrap().1.to_owned();
    rig.write("named.toml", above("named", "packages = [\"libx1\"]\n"));
    rig.run(&["lock", "named.toml", "--arch", "amd64"]).ok();
    assert_eq!(resolved("named.lock"), resolved("app.lock"));
    std::fs::remove_file(rig.work("app.lock")).unwrap();
    std::fs::remove_dir_all(rig.path("archive")).unwrap();
    rig.run(&["lock", "app.toml", "--arch", "amd64"]).ok();
    assert_eq!(resolved("named.lock"), resolved("app.lock"));
    std::fs::remove_file(rig.work("named.lock")).unwrap();
    rig.run(&["lock", "named.toml", "--arch", "amd64"]).fails(1, &["has no suite `trixie`"]);
}

/// What was proven of a base is told of what stands on it too, and proven again where that brings something to load.
#[test]
fn what_was_proven_of_a_base_is_told_above_it() {
    let rig = rig();
    for symbol in ["lost", "gone"] {
        let (source, library) = (rig.work(&format!("{symbol}.c")), rig.work(&format!("{symbol}.so")));
        std::fs::write(&source, format!("void {symbol}(void);\nvoid f(void) {{ {symbol}(); }}\n")).unwrap();
        let mut compiler = std::process::Command::new("cc");
        let compiled =
            compiler.args(["-shared", "-fPIC", "-nostdlib", "-o"]).args([&library, &source]).status();
        assert!(compiled.unwrap().success());
    }
    let file = |name: &str, source: &str| {
        format!("files = [{{ path = \"/usr/lib/{name}/x.so\", source = \"{source}\" }}]\n")
    };
    let low = format!(
        "name = \"low\"\nfrom = \"debian:trixie\"\nkeys = [\"../key.asc\"]\n[[layer]]\nname = \"low\"\n{}",
        file("low", "../lost.so")
    );
    rig.write("base/low.toml", low);
    rig.write("app.toml", above("app", "files = [{ path = \"/etc/app\", content = \"x\" }]\n"));
    rig.write("own.toml", above("own", &file("own", "gone.so")));
    let told = |recipe: &str| {
        let built = rig.run(&["build", recipe, "--arch", "amd64"]).ok();
        ["lost", "gone"].map(|symbol| built.err.contains(&format!("needs the symbol `{symbol}`")))
    };
    assert_eq!(told("base/low.toml"), [true, false]);
    assert_eq!(told("app.toml"), [true, false]);
    assert_eq!(told("own.toml"), [true, true]);
}

/// Its lock spells the path as the base does, which is no path of the recipe's.
#[test]
fn files_alone_may_stand_on_a_base_with_an_archive_beside_it() {
    let rig = rig();
    let own = "[[repository]]\ntype = \"deb\"\nurl = \"../../archive\"\nsuite = \"trixie\"\n\
               components = [\"main\"]\nkeys = [\"../key.asc\"]\n";
    rig.write(
        "base/low.toml",
        format!("name = \"low\"\n[[layer]]\nname = \"low\"\npackages = [\"low\"]\n{own}"),
    );
    rig.write("app.toml", above("app", "files = [{ path = \"/etc/app\", content = \"x\" }]\n"));
    build(&rig, "app.toml", &[]);
    assert_eq!(image(&rig, "app").text("/etc/app"), "x");
}

#[test]
fn root_has_the_best_shell_that_there_is() {
    let shells = format!(
        "{PACKAGES}\n\nPackage: dash\n/usr/bin/sh elf\n\nPackage: bash\nDepends: dash\n/usr/bin/bash elf\n"
    );
    let rig = Rig::with(&Archive::new(&shells).for_archs(&[Arch::Amd64, Arch::Arm64]));
    rig.write("base/low.toml", BASE);
    rig.write("base/motd", "hello\n");
    for (more, shell) in [
        ("packages = [\"app\"]\n", "/usr/sbin/nologin"),
        ("packages = [\"dash\"]\n", "/bin/sh"),
        ("packages = [\"bash\"]\n", "/bin/bash"),
        ("packages = [\"dash\"]\n[[layer]]\nname = \"bash\"\npackages = [\"bash\"]\n", "/bin/bash"),
        ("packages = [\"bash\"]\n[[user]]\nname = \"root\"\nuid = 0\nshell = \"/bin/own\"\n", "/bin/own"),
    ] {
        rig.write("app.toml", above("app", more));
        build(&rig, "app.toml", &[]);
        let passwd = Image::read(&rig.work("images"), "app").text("/etc/passwd").to_owned();
        assert!(passwd.lines().next().unwrap().ends_with(&format!(":{shell}")), "{more}: {passwd}");
    }
}

#[test]
fn a_base_may_stand_on_another() {
    let rig = rig();
    rig.write(
        "base/middle.toml",
        "name = \"middle\"\nbase = \"low.toml\"\n[[layer]]\nname = \"middle\"\npackages = [\"tool\"]\n",
    );
    rig.write(
        "app.toml",
        above("app", "packages = [\"app\"]\n").replace("base/low.toml", "base/middle.toml"),
    );
    for recipe in ["app.toml", "base/middle.toml", "base/low.toml"] {
        build(&rig, recipe, &[]);
    }
    let [low, middle, app] = ["low", "middle", "app"].map(|tag| layers(&image(&rig, tag)));
    assert_eq!((low.len(), middle.len(), app.len()), (2, 3, 4));
    assert_eq!(middle[..2], low[..]);
    assert_eq!(app[..3], middle[..]);
}

#[test]
fn a_base_fixes_versions() {
    let rig = rig();
    rig.write("app.toml", above("app", "packages = [\"app\"]\n"));
    build(&rig, "base/low.toml", &[]);
    // The archive moves on.
    let newer = PACKAGES
        .replace("Package: libx1\n", "Package: libx1\n Version: 2.0\n")
        .replace("Package: liby1\n", "Package: liby1\n Version: 2.0\n")
        .replace("Package: libc6\n", "Package: libc6\n Version: 2.0\n");
    let mut archive = Archive::new(&newer).for_archs(&[Arch::Amd64, Arch::Arm64]);
    archive.date += 86_400;
    let old = Archive::new(PACKAGES).for_archs(&[Arch::Amd64, Arch::Arm64]);
    let pool = old.files().into_iter().filter(|(path, _)| path.starts_with("pool/"));
    for (path, bytes) in archive.files().into_iter().chain(pool) {
        let path = rig.path("archive").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    build(&rig, "app.toml", &[]);
    assert_eq!(version(&rig, "app.lock", "libx1"), "version = \"1.0\"");
    assert_eq!(version(&rig, "app.lock", "liby1"), "version = \"2.0\"");
    let history = |tag: &str| image(&rig, tag).config["history"].as_array().unwrap().clone();
    let (low, app) = (history("low"), history("app"));
    assert_eq!(app[..2], low[..]);
    assert_ne!(app[2]["created"], low[0]["created"]);
    let update =
        |recipe: &str, package: &str| rig.run(&["lock", recipe, "--update", package, "--arch", "amd64"]);
    update("app.toml", "libx1")
        .fails(2, &["`libx1` is fixed by the base base/low.toml", "--update libx1 base/low.toml"]);

    // What needs another version says so, and what to do.
    rig.write("app.toml", above("app", "packages = [\"app\", \"libx1=2.0\"]\n"));
    let own = rig.read("app.lock");
    std::fs::remove_file(rig.work("app.lock")).unwrap();
    let failed = rig.run(&["build", "app.toml", "--arch", "amd64"]);
    rig.write("app.lock", own);
    let words =
        ["the base base/low.toml fixes libx1 1.0 (not 2.0)", "`rootforge lock --update libx1 base/low.toml`"];
    // The base fixes libc6 too, of which there is a newer one: that is no part of it.
    assert!(!failed.err.contains("libc6"), "{}", failed.err);
    failed.fails(1, &words);
    rig.write("app.toml", above("app", "packages = [\"app\"]\n"));
    let before = layers(&image(&rig, "app"));

    // A base that is locked anew makes the lock above it stale.
    update("base/low.toml", "libx1").ok();
    let failed = rig.run(&["build", "app.toml", "--arch", "amd64", "--locked"]);
    failed.fails(1, &["the base, or the lock of it, is another"]);
    build(&rig, "app.toml", &[]);
    assert_eq!(version(&rig, "app.lock", "libx1"), "version = \"2.0\"");
    let after = layers(&image(&rig, "app"));
    assert_ne!(before[0], after[0]);
    assert_eq!(before[1], after[1]);
}

#[test]
fn paths_of_a_base_are_relative_to_it() {
    let rig = rig();
    let own = Package::parse("Package: own\n/usr/share/own 0644 own\n");
    rig.write("base/own.deb", own[0].deb("debian:trixie".parse().unwrap(), Arch::Amd64));
    rig.write("base/low.toml", BASE.replace("[\"low\"]\n[[layer]]", "[\"low\", \"./own.deb\"]\n[[layer]]"));
    rig.write("app.toml", above("app", "packages = [\"app\"]\n"));
    build(&rig, "base/low.toml", &[]);
    build(&rig, "app.toml", &[]);
    assert_eq!(image(&rig, "app").text("/usr/share/own"), "own");
    assert_eq!(layers(&image(&rig, "app"))[..2], layers(&image(&rig, "low"))[..]);
    build(&rig, "app.toml", &["--locked", "--offline"]);
}

#[test]
fn what_contradicts_a_base_is_told() {
    let rig = rig();
    for (text, words) in [
        (
            "from = \"debian:bookworm\"\n",
            &["the base `base/low.toml` is of debian:trixie, not of debian:bookworm"][..],
        ),
        ("from = \"alpine:3.20\"\n", &["is of debian:trixie, not of alpine:3.20"]),
        (
            "arch = [\"amd64\", \"s390x\"]\n",
            &["the base `base/low.toml` is not made for s390x", "it is made for `amd64`, `arm64`"],
        ),
        ("skeleton = false\n", &["the skeleton belongs to the lowest layer"]),
        ("suites = [\"release\"]\n", &["the base `base/low.toml` says otherwise of `suites`"]),
    ] {
        let head = "base = \"base/low.toml\"\n";
        rig.write("app.toml", above("app", "packages = [\"app\"]\n").replace(head, &format!("{head}{text}")));
        rig.run(&["build", "app.toml", "--arch", "amd64"]).fails(2, words);
    }
    rig.write("app.toml", above("low", "packages = [\"app\"]\n"));
    rig.run(&["build", "app.toml"]).fails(2, &["the base `base/low.toml` has a layer `low` already"]);
    rig.write("app.toml", above("app", "packages = [\"app\"]\n").replace("low.toml", "none.toml"));
    rig.run(&["build", "app.toml"]).fails(2, &["cannot read the base `base/none.toml`"]);
    rig.write("app.toml", above("app", "packages = [\"app\"]\n").replace("base/low.toml", "oci:images:low"));
    rig.run(&["build", "app.toml"]).fails(2, &["`from` is needed beside a base that is an image"]);
    // A mistake of the base is told as the base's.
    rig.write("base/low.toml", format!("{BASE}[what]\n"));
    rig.write("app.toml", above("app", "packages = [\"app\"]\n"));
    rig.run(&["build", "app.toml"]).fails(2, &["base/low.toml:", "what"]);
}

#[test]
fn bases_that_lead_in_a_circle() {
    let rig = rig();
    let recipe = |name: &str, base: &str| {
        format!("name = \"{name}\"\nbase = \"{base}\"\n[[layer]]\nname = \"{name}\"\npackages = [\"app\"]\n")
    };
    rig.write("one.toml", recipe("one", "two.toml"));
    rig.write("two.toml", recipe("two", "./one.toml"));
    rig.run(&["build", "one.toml"]).fails(2, &["the bases lead in a circle", "one.toml", "two.toml"]);
    rig.write("one.toml", recipe("one", "one.toml"));
    rig.run(&["build", "one.toml"]).fails(2, &["the bases lead in a circle"]);
    for number in 0..40 {
        rig.write(
            &format!("r{number}.toml"),
            recipe(&format!("r{number}"), &format!("r{}.toml", number + 1)),
        );
    }
    rig.run(&["build", "r0.toml"]).fails(2, &["bases lie more than 32 deep"]);
}

#[test]
fn the_same_on_alpine() {
    let Some(_) = crate::support::alpine_corpus() else { return };
    let rig = Rig::new();
    let repository = crate::alpine::corpus::repository("v3.20");
    rig.write(
        "base.toml",
        format!(
            "name = \"base\"\n[[layer]]\nname = \"low\"\npackages = [\"busybox\", \"musl\"]\n{repository}"
        ),
    );
    rig.write(
        "app.toml",
        "name = \"app\"\nbase = \"base.toml\"\n[[layer]]\nname = \"app\"\npackages = [\"apk-tools\"]\n\
         [[user]]\nname = \"app\"\n[image]\nuser = \"app\"\n",
    );
    build(&rig, "app.toml", &[]);
    build(&rig, "base.toml", &[]);
    let (base, app) = (image(&rig, "base"), image(&rig, "app"));
    assert_eq!(layers(&app)[..1], layers(&base)[..]);
    assert!(app.get("/sbin/apk").is_some() && base.get("/sbin/apk").is_none());
    assert!(app.text("/etc/passwd").contains("\napp:") && !base.text("/etc/passwd").contains("\napp:"));
    if crate::tools::have(&["umoci", "bwrap"]) && cfg!(target_arch = "x86_64") {
        let root = crate::tools::unpack(&rig.work("images"), "app", &rig.work("root"));
        let mut command = Command::new("bwrap");
        command.arg("--ro-bind").arg(root).args([
            "/",
            "--proc",
            "/proc",
            "--unshare-all",
            "/sbin/apk",
            "info",
            "-e",
            "busybox",
        ]);
        assert!(crate::support::rig::run(&mut command).ok().out.contains("busybox"));
    }
}

/// What no version fits is said to be so because of the base, which alone can help: the lock of the recipe cannot.
#[test]
fn a_version_that_only_the_base_has_is_told_as_the_bases() {
    let rig = rig();
    build(&rig, "base/low.toml", &[]);
    rig.write("app.toml", above("app", "packages = [\"newest\"]\n"));
    let failed = rig.run(&["build", "app.toml", "--arch", "amd64"]);
    assert!(!failed.err.contains("does not fit the lock"), "{}", failed.err);
    failed.fails(
        1,
        &[
            "`libx1 (>= 3)` does not fit the base base/low.toml, which holds version 1.0",
            "hint: ask for what goes with the base's version",
            "hint: or, where a repository has another, bring the base up to date: `rootforge lock --update base/low.toml`",
        ],
    );
}

/// Files of the base belong to numbers, so its accounts keep theirs.
#[test]
fn accounts_of_a_base_keep_their_numbers() {
    let rig = rig();
    let with = |accounts: &str| above("app", &format!("packages = [\"app\"]\n{accounts}"));
    for (accounts, words) in [
        (
            "[[user]]\nname = \"low\"\nuid = 4000\n",
            ["the uid of the user `low` is ", " in the base, not 4000"],
        ),
        (
            "[[group]]\nname = \"low\"\ngid = 4000\n",
            ["the gid of the group `low` is ", " in the base, not 4000"],
        ),
        (
            "[[user]]\nname = \"low\"\ngid = 4000\n",
            ["the gid of the user `low` is ", " in the base, not 4000"],
        ),
        (
            "[[user]]\nname = \"www-data\"\nuid = 82\n",
            ["the uid of the user `www-data` is 33 in", " the base, not 82"],
        ),
    ] {
        rig.write("app.toml", with(accounts));
        rig.run(&["build", "app.toml", "--arch", "amd64"])
            .fails(1, &[words[0], words[1], "hint: leave the number out, or take another name"]);
    }
    // Where both recipes say the number, it is seen before anything is fetched.
    let numbered = "[[user]]\nname = \"low\"\nuid = 2000\n[[group]]\nname = \"more\"\ngid = 3000\n";
    rig.write("base/low.toml", BASE.replace("[[user]]\nname = \"low\"\n", numbered));
    rig.write(
        "app.toml",
        with("[[user]]\nname = \"low\"\nuid = 2001\n[[group]]\nname = \"more\"\ngid = 3001\n"),
    );
    rig.run(&["build", "app.toml", "--arch", "amd64"]).fails(
        2,
        &[
            "the user `low` has the uid 2000 in the base base/low.toml, not 2001",
            "hint: leave out `uid`, or take another name: files of the base belong to 2000",
            "the group `more` has the gid 3000 in the base base/low.toml, not 3001",
        ],
    );
    rig.write("app.toml", with("[[user]]\nname = \"low\"\nuid = 2000\nshell = \"/x\"\n"));
    build(&rig, "app.toml", &[]);
    assert!(image(&rig, "app").text("/etc/passwd").contains("low:x:2000:2000::/nonexistent:/x\n"));
}
