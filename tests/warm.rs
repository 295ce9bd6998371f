//! What is kept from earlier builds is never a second truth: after any change, a build with a warm cache gives byte
//! for byte, and word for word, what one without any cache gives.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::support::rig::Ran;
use crate::support::{Archive, Image, Rig};
use rootforge::arch::Arch;

const PACKAGES: &str = "Package: low
 Depends: libx1
 /usr/bin/low elf program needed=libx.so.1 interp=/usr/lib/ld.so

 Package: libx1
 /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1
 /usr/lib/ld.so elf soname=ld.so

 Package: app
 Depends: libx1
 /usr/bin/app elf program needed=libx.so.1 interp=/usr/lib/ld.so
 /usr/bin/script 0755 #!/usr/bin/nowhere
 /usr/share/app/data 0644 data

 Package: tool
 /usr/bin/tool elf program interp=/usr/lib/ld.so";

const BASE: &str = "name = \"low\"
from = \"debian:trixie\"
arch = [\"amd64\", \"arm64\"]
keys = [\"../key.asc\"]
[[layer]]
name = \"low\"
packages = [\"low\"]
[[layer]]
name = \"motd\"
files = [{ path = \"/etc/motd\", source = \"motd\" }]
";

const RECIPE: &str = "name = \"r\"
base = \"base/low.toml\"
[[layer]]
name = \"app\"
packages = [\"app\"]
exclude = [\"/usr/share/app/none*\"]
[[layer]]
name = \"settings\"
files = [
  { path = \"/etc/app.conf\", source = \"app.conf\" },
  { path = \"/srv/tree\", source = \"tree\" },
  { path = \"/etc/ld.so.conf.d/own.conf\", source = \"own.conf\" },
]
[image]
labels = { a = \"b\" }
[[variant.debug.layer]]
name = \"debug\"
packages = [\"tool\"]
files = [{ path = \"/srv/debug\", source = \"app.conf\" }]
";

const BUILD: [&str; 4] = ["build", "r.toml", "--json", "--arch"];

fn rig() -> Rig {
    let rig = Rig::with(&archive(""));
    rig.write("base/low.toml", BASE);
    rig.write("base/motd", "hello\n");
    rig.write("r.toml", RECIPE.replace("exclude = [\"/usr/share/app/none*\"]\n", ""));
    rig.write("app.conf", "a = 1\n");
    rig.write("own.conf", "/opt/lib\n");
    rig.write("tree/one", "1");
    rig.write("tree/two/three", "3");
    rig
}

fn archive(version: &str) -> Archive {
    let packages = PACKAGES.replace("Package: app\n", &format!("Package: app\n{version}"));
    let mut archive = Archive::new(&packages).for_archs(&[Arch::Amd64, Arch::Arm64]);
    archive.date += u64::from(!version.is_empty()) * 86_400;
    archive
}

/// What a build says of the image: all but which stages it went through, and where the image is.
fn said(ran: &Ran) -> (Option<i32>, String, serde_json::Value) {
    let stages = ["resolving ", "fetching ", "packing ", "r for ", "run it: ", "note: debian"];
    let err: Vec<&str> =
        ran.err.lines().filter(|line| !stages.iter().any(|stage| line.starts_with(stage))).collect();
    let mut out: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_default();
    out["output"] = serde_json::Value::Null;
    (ran.code, err.join("\n"), out)
}

/// Builds with the cache as it is, and without one: both are the same. Gives the former.
#[track_caller]
fn both(rig: &Rig, what: &str, arch: &str, more: &[&str]) -> Ran {
    let args = [&BUILD[..], &[arch], more].concat();
    let warm = rig.run(&args);
    let images: PathBuf = rig.path("cold");
    let cache = rig.path("empty");
    for path in [&images, &cache] {
        let _ = std::fs::remove_dir_all(path);
    }
    let output = format!("oci:{}", images.display());
    let cache = cache.display().to_string();
    let mut without: Vec<&str> = args.clone();
    if let Some(at) = without.iter().position(|arg| *arg == "--output") {
        without.drain(at..at + 2);
    }
    let cold = rig.run(&[&without[..], &["--cache-dir", &cache, "--output", &output]].concat());
    assert_eq!(said(&warm), said(&cold), "{what}");
    if warm.code == Some(0) {
        let tag: serde_json::Value = serde_json::from_str(&warm.out).unwrap();
        let (name, place) = (tag["name"].as_str().unwrap(), tag["output"].as_str().unwrap());
        rig.run(&["check", place]).ok();
        if tag["images"].as_array().unwrap().len() == 1 {
            let directory = place.split(':').nth(1).unwrap();
            Image::read(&rig.work(directory), name).assert_sound();
            assert_eq!(
                Image::read(&rig.work(directory), name).config,
                Image::read(&images, name).config,
                "{what}"
            );
        }
    }
    warm
}

/// Whether a build made no use of packages.
fn is_kept(ran: &Ran) -> bool {
    ran.err.contains("r for amd64 is known from an earlier build") && !ran.err.contains("packing ")
}

#[test]
fn nothing_changed_means_nothing_read() {
    let rig = rig();
    let first = both(&rig, "at first", "amd64", &[]);
    assert!(!is_kept(&first) && first.err.contains("warning: "), "{}", first.err);
    for _ in 0..3 {
        assert!(is_kept(&both(&rig, "again", "amd64", &[])));
    }
    // Not from packages: they are not there.
    std::fs::remove_dir_all(rig.cache().join("blobs")).unwrap();
    let ran = rig.run(&[&BUILD[..], &["amd64", "--offline", "--locked"]].concat()).ok();
    assert_eq!(said(&ran), said(&first));
    // Nothing is written either.
    let (before, index) =
        (rig.listing("work/images"), std::fs::metadata(rig.work("images/index.json")).unwrap());
    rig.run(&[&BUILD[..], &["amd64"]].concat()).ok();
    let now = std::fs::metadata(rig.work("images/index.json")).unwrap();
    assert!(rig.listing("work/images") == before && now.modified().unwrap() == index.modified().unwrap());
}

#[test]
fn files_of_the_host() {
    let rig = rig();
    let mut last = both(&rig, "at first", "amd64", &[]);
    let mut changed = |what: &str, kept: bool| {
        let ran = both(&rig, what, "amd64", &[]);
        assert_eq!(is_kept(&ran), kept, "{what}: {}", ran.err);
        assert_ne!(said(&ran).2["digest"], said(&last).2["digest"], "{what}");
        last = ran;
    };
    rig.write("app.conf", "a = 2\n");
    changed("other bytes", true);
    rig.write("app.conf", "a = 2\nb = 3\n");
    changed("more bytes", true);
    rig.write("app.conf", "a = 1\n");
    changed("as at first", true);
    rig.write("base/motd", "good day\n");
    changed("a file of the base", true);
    rig.write("tree/two/four", "4");
    changed("one more", false);
    std::fs::remove_file(rig.work("tree/one")).unwrap();
    changed("one less", false);
    std::fs::set_permissions(rig.work("app.conf"), std::fs::Permissions::from_mode(0o755)).unwrap();
    changed("it can be run", false);
    std::os::unix::fs::symlink("two/three", rig.work("tree/link")).unwrap();
    changed("a link", false);
    std::fs::remove_file(rig.work("tree/link")).unwrap();
    std::os::unix::fs::symlink("two", rig.work("tree/link")).unwrap();
    changed("another link", false);
    std::fs::copy(env!("CARGO_BIN_EXE_rootforge"), rig.work("tree/program")).unwrap();
    let ran = both(&rig, "a program", "amd64", &[]);
    assert!(!is_kept(&ran), "{}", ran.err);
    std::fs::remove_file(rig.work("tree/program")).unwrap();
    both(&rig, "without it", "amd64", &[]);
    std::fs::remove_file(rig.work("app.conf")).unwrap();
    let ran = both(&rig, "a file is gone", "amd64", &[]);
    assert_ne!(ran.code, Some(0), "{}", ran.err);
    rig.write("app.conf", "a = 1\n");
    both(&rig, "it is back", "amd64", &[]);
}

/// A file of the host from which another file is made: the loader's cache lists what its directories hold.
#[test]
fn a_file_that_decides_on_others() {
    let rig = Rig::with(&Archive::new(
        "Package: app
 Depends: libc6
 /usr/bin/app elf program needed=libc.so.6 interp=/usr/lib/ld.so

 Package: libc6
 /usr/lib/{triplet}/libc.so.6 elf soname=libc.so.6
 /usr/lib/ld.so elf soname=ld.so
 /opt/one/lib1.so.1 elf soname=lib1.so.1
 /opt/two/lib2.so.1 elf soname=lib2.so.1
 /etc/ld.so.conf 0644 include /etc/ld.so.conf.d/*.conf",
    ));
    let files = "files = [{ path = \"/etc/ld.so.conf.d/own.conf\", source = \"own.conf\" }]\n";
    rig.recipe(&format!(
        "[[layer]]\nname = \"all\"\npackages = [\"app\", \"libc6\"]\n[[layer]]\nname = \"own\"\n{files}"
    ));
    rig.write("own.conf", "/opt/one\n");
    both(&rig, "at first", "amd64", &[]);
    assert!(is_kept(&both(&rig, "again", "amd64", &[])));
    let caches = ["/opt/one\n", "/opt/two\n"].map(|text| {
        rig.write("own.conf", text);
        both(&rig, "another directory", "amd64", &[]);
        both(&rig, "the same directory", "amd64", &[]);
        let image = Image::read(&rig.work("images"), "r");
        image.get("/etc/ld.so.cache").unwrap().1.clone()
    });
    assert_ne!(caches[0], caches[1]);
}

#[test]
fn recipes_locks_and_options() {
    let rig = rig();
    both(&rig, "at first", "amd64", &[]);
    let text = rig.read("r.toml");
    rig.write("r.toml", text.replace("a = \"b\"", "a = \"c\""));
    assert!(!is_kept(&both(&rig, "a label", "amd64", &[])));
    rig.write("r.toml", text.replace("packages = [\"app\"]", "packages = [\"app\", \"tool\"]"));
    both(&rig, "a package more", "amd64", &[]);
    both(&rig, "a package more, again", "amd64", &["--locked"]);
    rig.write(
        "r.toml",
        text.replace("packages = [\"app\"]", "packages = [\"app\"]\nexclude = [\"/usr/bin/script\"]"),
    );
    both(&rig, "an exclude", "amd64", &[]);
    rig.write(
        "r.toml",
        text.replace("packages = [\"app\"]", "packages = [\"app\"]\nexclude = [\"/nothing\"]"),
    );
    for _ in 0..2 {
        assert_eq!(both(&rig, "an exclude that matches nothing", "amd64", &[]).code, Some(2));
    }
    rig.write("r.toml", format!("strict = true\n{text}"));
    both(&rig, "strict", "amd64", &[]);
    rig.write("r.toml", format!("compression = \"zstd\"\n{text}"));
    both(&rig, "zstd", "amd64", &[]);
    rig.write("r.toml", format!("layers = \"auto\"\n{text}"));
    for content in ["a = 1\n", "a = 22\n"] {
        rig.write("app.conf", content);
        both(&rig, "layers are grouped", "amd64", &[]);
        both(&rig, "layers are grouped, again", "amd64", &[]);
    }
    rig.write("r.toml", &text);
    rig.write("base/low.toml", BASE.replace("name = \"motd\"", "name = \"words\""));
    both(&rig, "the base", "amd64", &[]);
    rig.write("base/low.toml", BASE);
    for _ in 0..2 {
        both(&rig, "another architecture", "arm64", &[]);
        both(&rig, "two architectures", "amd64,arm64", &[]);
        both(&rig, "a variant", "amd64", &["--variant", "debug"]);
        both(&rig, "another name", "amd64", &["--tag", "other"]);
        both(&rig, "another layout", "amd64", &["--output", "oci:elsewhere"]);
        both(&rig, "suites left out", "amd64", &["--without", "updates"]);
        both(&rig, "all suites", "amd64", &["--without", "none"]);
        let bad = [&BUILD[..], &["amd64", "--mirror", "nonsense"]].concat();
        rig.run(&bad).fails(2, &["`nonsense` names no mirror"]);
    }
    for epoch in ["1000000000", "1000000001", "1000000000"] {
        let ran = ["home/.cache/rootforge", "unused"].map(|cache| {
            let cache = rig.path(cache).display().to_string();
            let mut command = rig.command(&[&BUILD[..], &["amd64", "--cache-dir", &cache]].concat());
            command.env("SOURCE_DATE_EPOCH", epoch);
            said(&crate::support::rig::run(&mut command).ok())
        });
        assert_eq!(ran[0], ran[1], "{epoch}");
        std::fs::remove_dir_all(rig.path("unused")).unwrap();
    }
    // A newer version, by the lock.
    archive("Version: 2.0\n").write(&rig.path("archive"));
    assert!(is_kept(&rig.run(&[&BUILD[..], &["amd64"]].concat()).ok()));
    rig.run(&["lock", "r.toml", "--update", "app"]).ok();
    assert!(!is_kept(&both(&rig, "a package was updated", "amd64", &["--locked"])));
    assert!(is_kept(&both(&rig, "a package was updated, again", "amd64", &["--locked"])));
}

#[test]
fn what_was_chosen_of_a_base() {
    let rig = rig();
    rig.write(
        "base/middle.toml",
        "name = \"middle\"\nbase = \"low.toml\"\n[[layer]]\nname = \"m\"\npackages = [\"tool\"]\n",
    );
    let on = |base: &str, label: &str| {
        let text =
            RECIPE.replace("exclude = [\"/usr/share/app/none*\"]\n", "").replace("base/low.toml", base);
        rig.write("r.toml", text.replace("a = \"b\"", &format!("a = \"{label}\"")));
    };
    let kept = || {
        let files = rig.listing("home/.cache/rootforge/derived/selection-1");
        files
            .into_keys()
            .filter(|path| rig.path("home/.cache/rootforge/derived/selection-1").join(path).is_file())
            .count()
    };
    // Who chooses says first what is fetched for it.
    let is_chosen = |ran: &Ran, base: &str| {
        ran.err
            .lines()
            .any(|line| line.starts_with("fetching ") && line.ends_with(&format!(" of {base} for amd64")))
    };
    on("base/low.toml", "a");
    assert!(is_chosen(&both(&rig, "at first", "amd64", &[]), "low"));
    assert_eq!(kept(), 1);
    on("base/low.toml", "c");
    let ran = both(&rig, "another recipe on it", "amd64", &[]);
    assert!(ran.err.contains("packing r for amd64") && !is_chosen(&ran, "low"), "{}", ran.err);
    assert_eq!(kept(), 1);
    for (label, motd) in ["changed\n", "hello\n"].iter().enumerate() {
        rig.write("base/motd", motd);
        on("base/low.toml", &format!("motd {label}"));
        assert_eq!(is_chosen(&both(&rig, "a file of the base", "amd64", &[]), "low"), label == 0);
    }
    on("base/low.toml", "without");
    assert!(is_chosen(&both(&rig, "suites left out", "amd64", &["--without", "updates"]), "low"));
    both(&rig, "all suites", "amd64", &["--without", "none"]);
    let before = kept();
    on("base/middle.toml", "a");
    both(&rig, "a base between", "amd64", &[]);
    both(&rig, "a base between, again", "amd64", &["--tag", "other"]);
    assert_eq!(kept(), before + 1);
    for (number, change) in
        ["exclude = [\"/usr/share/low/*\"]", "keep = \"all\"", "include = [\"/usr/**\"]"].iter().enumerate()
    {
        rig.write(
            "base/low.toml",
            BASE.replace("packages = [\"low\"]", &format!("packages = [\"low\"]\n{change}")),
        );
        on("base/middle.toml", &number.to_string());
        both(&rig, change, "amd64", &[]);
        on("base/middle.toml", &format!("{number} again"));
        both(&rig, change, "amd64", &[]);
    }
    let before = kept();
    for path in rig.listing("home/.cache/rootforge/derived/selection-1").into_keys() {
        let path = rig.path("home/.cache/rootforge/derived/selection-1").join(path);
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
    on("base/middle.toml", "damaged");
    both(&rig, "what is kept is damaged", "amd64", &[]);
    assert_eq!(kept(), before);
}

/// Something done to a blob, which was sound.
type Harm = (&'static str, fn(&PathBuf, &[u8]));

#[test]
fn what_is_on_disk() {
    let rig = rig();
    both(&rig, "at first", "amd64", &[]);
    both(&rig, "again", "amd64", &[]);
    let sound = rig.listing("work/images");
    let blobs: Vec<&PathBuf> =
        sound.keys().filter(|path| path.to_string_lossy().contains("blobs/sha256/")).collect();
    assert!(blobs.len() >= 6);
    for blob in blobs {
        let harms: [Harm; 3] = [
            ("deleted", |path, _| std::fs::remove_file(path).unwrap()),
            ("truncated", |path, bytes| std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap()),
            ("damaged", |path, bytes| {
                // In place, with the times as they were: others may have the file too.
                let times = std::fs::metadata(path).unwrap().modified().unwrap();
                let mut bytes = bytes.to_vec();
                bytes[20] ^= 1;
                std::fs::write(path, bytes).unwrap();
                std::fs::File::options().write(true).open(path).unwrap().set_modified(times).unwrap();
            }),
        ];
        for (what, harm) in harms {
            harm(blob, &sound[blob]);
            both(&rig, what, "amd64", &[]);
            assert!(std::fs::read(blob).unwrap() == sound[blob], "{what}: {}", blob.display());
        }
    }
    std::fs::write(rig.work("images/index.json"), r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
    both(&rig, "the index is empty", "amd64", &[]);
    std::fs::remove_dir_all(rig.work("images")).unwrap();
    assert!(is_kept(&both(&rig, "the layout is gone", "amd64", &[])));
    std::fs::remove_dir_all(rig.cache()).unwrap();
    assert!(!is_kept(&both(&rig, "the cache is gone", "amd64", &[])));
    for kind in std::fs::read_dir(rig.cache().join("derived")).unwrap().flatten() {
        std::fs::remove_dir_all(kind.path()).unwrap();
        both(&rig, "some of the cache is gone", "amd64", &[]);
    }
    std::fs::remove_dir_all(rig.cache().join("blobs")).unwrap();
    std::fs::remove_dir_all(rig.work("images")).unwrap();
    both(&rig, "layers are gone from both", "amd64", &[]);
}

#[test]
fn the_cache_is_shown_and_pruned() {
    let rig = rig();
    both(&rig, "at first", "amd64", &[]);
    let shown = rig.run(&["cache"]).ok().out;
    for words in ["home/.cache/rootforge", "blobs/sha256", "derived/layer-1", "of 10.0 GB at most"] {
        assert!(shown.contains(words), "{shown}");
    }
    let shown: serde_json::Value = serde_json::from_str(&rig.run(&["cache", "--json"]).ok().out).unwrap();
    let total = shown["bytes"].as_u64().unwrap();
    assert!(total > 0 && shown["kinds"]["blobs/sha256"]["bytes"].as_u64().unwrap() < total);
    assert!(rig.run(&["cache", "prune"]).ok().out.starts_with("0.0 kB removed, "));
    assert!(rig.run(&["cache", "prune", "--to", "0"]).ok().out.ends_with(" removed, 0.0 kB left\n"));
    both(&rig, "pruned", "amd64", &[]);
    rig.run(&["cache", "prune", "--to", "much"]).fails(2, &["`much` is no size"]);
    // What is somebody else's is left alone.
    rig.write("others/file", "x");
    rig.write("pictures/blobs/of/summer", "x");
    for directory in ["others", "pictures"] {
        for words in [&["cache"][..], &["cache", "prune", "--to", "0"]] {
            let named = [words, &["--cache-dir", directory]].concat();
            rig.run(&named).fails(2, &[&format!("{directory} is no cache: it has other files")]);
        }
    }
    rig.write("others/CACHEDIR.TAG", "another's");
    rig.run(&["cache", "--cache-dir", "others"])
        .fails(2, &["hint: if it is one of rootforge's, its CACHEDIR.TAG"]);
    std::fs::remove_file(rig.work("others/CACHEDIR.TAG")).unwrap();
    // One that is to be made yet is shown, and not made for that.
    let shown = rig.run(&["cache", "--cache-dir", "none"]).ok().out;
    assert!(shown.starts_with("none\n") && !rig.work("none").exists(), "{shown}");
    // Showing makes none.
    std::fs::create_dir(rig.work("empty")).unwrap();
    rig.run(&["cache", "--cache-dir", "empty"]).ok();
    assert_eq!(std::fs::read_dir(rig.work("empty")).unwrap().count(), 0);
    // What a full disk left of a cache becomes one.
    for (name, left) in [("CACHEDIR.TAG", ""), ("CACHEDIR.TAG", "Signature: 8a47"), ("size", "0")] {
        rig.write(&format!("begun/{name}"), left);
        rig.run(&["cache", "--cache-dir", "begun"]).ok();
        std::fs::remove_dir_all(rig.work("begun")).unwrap();
    }
    let layout = rig.path("cold").display().to_string();
    for directory in ["others", &layout] {
        let words =
            ["build", "r.toml", "--arch", "amd64", "--output", "oci:elsewhere", "--cache-dir", directory];
        rig.run(&words).fails(2, &[" is no cache: it has other files"]);
        assert!(!rig.work(directory).join("CACHEDIR.TAG").exists());
    }
    // The limit of the configuration holds for builds too.
    rig.write("config.toml", "cache-size = \"1kB\"");
    rig.write("app.conf", "a = 3\n");
    both(&rig, "a small cache", "amd64", &["--config", "config.toml"]);
    let left = rig.run(&["cache", "--json"]).ok().out;
    let left: serde_json::Value = serde_json::from_str(&left).unwrap();
    assert!(left["bytes"].as_u64().unwrap() <= 1000, "{left}");
    rig.write("config.toml", "cache-size = 5");
    rig.run(&["cache", "--config", "config.toml"]).fails(2, &["the configuration config.toml is wrong"]);
}

/// Builds go on while others make the cache smaller.
#[test]
fn a_cache_pruned_by_others() {
    let rig = rig();
    std::thread::scope(|scope| {
        let pruning = scope.spawn(|| {
            for _ in 0..10 {
                rig.run(&["cache", "prune", "--to", "0"]).ok();
            }
        });
        for number in 0..6 {
            rig.write("app.conf", format!("a = {number}\n"));
            rig.build(&[]);
        }
        pruning.join().unwrap();
    });
    both(&rig, "afterwards", "amd64", &[]);
}
