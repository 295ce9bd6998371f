//! `layers = "auto"`: what is in which layer, and what an update changes.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::planned::{Planner, assert_same_tree, tree};
use crate::support::{Archive, Image, Rig};
use rootforge::recipe::{Layering, Recipe};
use rootforge::tarball::EntryKind;

/// A made-up web server, with what there is below one.
const PACKAGES: &str = "Package: web
 Depends: web-common, libssl, libxml, interpreter, tzdata, libc6, mime
 /usr/sbin/web elf program needed=libssl.so.1,libxml.so.1,libc.so.6 interp=/usr/lib/ld.so
 /usr/bin/web-admin 0755 #!/usr/bin/interpret
 /etc/web.conf 0644 packaged
 /usr/share/web/index.html 0644 hello
 postinst #!/bin/sh
 postinst adduser --system --group web
 postinst chown web:web /var/lib/web
 postinst update-alternatives --install /usr/bin/httpd httpd /usr/sbin/web 50

 Package: web-common
 Source: web
 Architecture: all
 /var/lib/web/ 0755
 /usr/share/web/errors.html 0644 sorry

 Package: libssl
 Source: ssl (2.0)
 Depends: libc6
 /usr/lib/{triplet}/libssl.so.1 elf soname=libssl.so.1 needed=libc.so.6

 Package: libxml
 Source: xml
 Depends: libc6
 /usr/lib/{triplet}/libxml.so.1.2 elf soname=libxml.so.1 needed=libc.so.6
 /usr/lib/{triplet}/libxml.so.1 -> libxml.so.1.2

 Package: interpreter
 Depends: libc6
 /usr/bin/interpret elf program needed=libc.so.6 interp=/usr/lib/ld.so
 /usr/lib/interpreter/module 0644 code
 /etc/interpreter/ 0755

 Package: tzdata
 Architecture: all
 /usr/share/zoneinfo/UTC 0644 utc

 Package: mime
 Architecture: all
 /etc/mime.types 0644 text/html
 /usr/share/doc/mime/copyright 0644 free

 Package: libc6
 Source: glibc
 /usr/lib/ld.so elf soname=ld.so
 /usr/lib/{triplet}/libc.so.6 elf soname=libc.so.6

 Package: tool
 Depends: libssl, libc6
 /usr/bin/tool elf program needed=libssl.so.1 interp=/usr/lib/ld.so";

fn recipe(layers: &str) -> String {
    format!(
        "{layers}
        [[layer]]
        name = \"web\"
        packages = [\"web\"]
        exclude = [\"/etc/interpreter\"]
        [[layer]]
        name = \"settings\"
        files = [{{ path = \"/etc/web.conf\", content = \"own\" }}, {{ path = \"/srv/www\", type = \"dir\", owner = \"web\" }}]
        [[layer]]
        name = \"tool\"
        packages = [\"tool\"]
        [variant.debug]
        [[variant.debug.layer]]
        name = \"debug\"
        packages = [\"interpreter\"]
        files = [{{ path = \"/etc/debug\", content = \"on\" }}]
        [image]
        user = \"web\"
        "
    )
}

fn image(rig: &Rig, layers: &str, more: &[&str]) -> Image {
    rig.recipe(&recipe(layers));
    rig.build(more);
    let tag = if more.contains(&"--variant") { "r-debug" } else { "r" };
    let image = Image::read(&rig.work("images"), tag);
    image.assert_sound();
    rig.run(&["check", &format!("oci:images:{tag}")]).ok();
    image
}

/// What is no directory, by layer.
fn files(image: &Image) -> Vec<(&str, BTreeSet<&str>)> {
    let layers = image.layers.iter().map(|(name, members)| {
        let files = members.iter().filter(|(entry, _)| entry.kind != EntryKind::Directory);
        (name.as_str(), files.map(|(entry, _)| entry.path.as_str()).collect())
    });
    layers.collect()
}

#[test]
fn files_are_grouped_by_what_they_are() {
    let rig = Rig::with(&Archive::new(PACKAGES));
    let image = image(&rig, "layers = \"auto\"", &[]);
    let files = files(&image);
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["skeleton", "libc", "run-time", "interpreters", "application", "settings"]);
    for (at, paths) in [
        (
            0,
            &[
                "/lib",
                "/etc/os-release",
                "/usr/share/zoneinfo/UTC",
                "/etc/mime.types",
                "/var/lib/dpkg/status.d/mime",
            ][..],
        ),
        (
            1,
            &[
                "/usr/lib/ld.so",
                "/usr/lib/x86_64-linux-gnu/libc.so.6",
                "/var/lib/dpkg/status.d/libc6.md5sums",
            ],
        ),
        (2, &["/usr/lib/x86_64-linux-gnu/libssl.so.1", "/var/lib/dpkg/status.d/libxml"]),
        (3, &["/usr/bin/interpret", "/usr/lib/interpreter/module"]),
        (4, &["/usr/sbin/web", "/usr/share/web/errors.html", "/usr/bin/tool", "/var/lib/dpkg/status.d/web"]),
        (5, &["/etc/web.conf", "/etc/passwd", "/etc/group", "/etc/ld.so.cache", "/usr/bin/httpd"]),
    ] {
        for path in paths {
            let holders: Vec<usize> =
                (0..files.len()).filter(|layer| files[*layer].1.contains(path)).collect();
            assert_eq!(holders, [at], "{path}");
        }
    }
    for (path, words) in [
        ("/usr/lib/x86_64-linux-gnu/libssl.so.1", "is in layer `run-time`, from libssl 1.0"),
        ("/usr/share/web/index.html", "is in layer `application`, from web 1.0"),
        ("/etc/ld.so.cache", "is in layer `settings`"),
    ] {
        let why = rig.run(&["why", "r.toml", path, "--arch", "amd64"]).ok().out;
        assert!(why.contains(words), "{why}");
    }
    assert_eq!(image.text("/etc/web.conf"), "own");
    let web = image.config["config"]["User"].as_str().unwrap();
    assert_eq!(web, "web");
    let (own, _) = image.get("/var/lib/web").unwrap();
    assert!(own.metadata.uid >= 100, "{own:?}");
}

#[test]
fn the_tree_is_that_of_one_layer_and_layers_keep_to_the_budget() {
    let rig = Rig::with(&Archive::new(PACKAGES));
    rig.recipe(&recipe(""));
    let planner = Planner::of(&rig);
    let chosen = planner.choose(Recipe::load(&rig.work("r.toml")).unwrap());
    let with = |layering| planner.layers(&chosen, &Recipe { layering, ..chosen.recipe.clone() });
    let one = with(Layering::Auto { budget: 1 });
    assert_eq!(one.len(), 1);
    let tree_of_one = tree(&one);
    assert_same_tree("as the recipe has them", &tree(&with(Layering::Explicit)), &tree_of_one);
    let mut counts = Vec::new();
    for budget in 1..=Layering::MAX_BUDGET {
        let layers = with(Layering::Auto { budget });
        assert!(layers.len() <= budget);
        counts.push(layers.len());
        assert_same_tree(&format!("a budget of {budget}"), &tree(&layers), &tree_of_one);
        // Nothing is there twice but directories.
        let files = layers.iter().map(|layer| layer.made.len() + layer.packages.len()).sum::<usize>();
        assert_eq!(files, one[0].made.len() + one[0].packages.len());
    }
    assert_eq!(counts[..7], [1, 2, 3, 4, 5, 6, 6]);
}

/// The digests of layers by name.
fn digests(image: &Image) -> BTreeMap<String, String> {
    let digests = image.config["rootfs"]["diff_ids"].as_array().unwrap().iter();
    let digests = digests.map(|digest| digest.as_str().unwrap().to_owned());
    image.layers.iter().map(|(name, _)| name.clone()).zip(digests).collect()
}

fn changed(before: &Image, after: &Image) -> Vec<String> {
    let (before, after) = (digests(before), digests(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

#[test]
fn an_update_of_one_package_changes_the_layers_that_hold_it() {
    let large = "x".repeat(5 << 20);
    for (what, from, to, layers) in [
        ("a library", "Package: libssl\n", "Package: libssl\n Version: 3.0\n", &["run-time"][..]),
        (
            "a library by another name of its file",
            "/usr/lib/{triplet}/libxml.so.1.2 elf soname=libxml.so.1 needed=libc.so.6\n /usr/lib/{triplet}/libxml.so.1 -> libxml.so.1.2",
            "Version: 2.0\n /usr/lib/{triplet}/libxml.so.1.3 elf soname=libxml.so.1 needed=libc.so.6\n /usr/lib/{triplet}/libxml.so.1 -> libxml.so.1.3",
            &["run-time"],
        ),
        ("libc", "Package: libc6\n", "Package: libc6\n Version: 3.0\n", &["libc"]),
        ("data", "0644 utc", "0644 leap", &["skeleton"]),
        ("the application", "0644 hello", "0644 hello again", &["application"]),
        (
            "what becomes large",
            "Source: ssl (2.0)",
            &format!("Source: ssl (2.0)\n /usr/share/ssl/large 0644 {large}"),
            &["run-time", "run-time-"],
        ),
        ("what has no layer for large ones", "0644 code", &format!("0644 {large}"), &["interpreters"]),
    ] {
        let rig = Rig::with(&Archive::new(PACKAGES));
        let before = image(&rig, "layers = \"auto\"", &[]);
        let newer = PACKAGES.replace(from, to);
        assert_ne!(newer, PACKAGES, "{what}");
        let mut archive = Archive::new(&newer);
        archive.date += 86_400;
        archive.write(&rig.path("archive"));
        rig.run(&["lock", "r.toml", "--update", "--arch", "amd64"]).ok();
        let after = image(&rig, "layers = \"auto\"", &[]);
        let changed = changed(&before, &after);
        assert_eq!(changed.len(), layers.len(), "{what}: {changed:?}");
        for (changed, layer) in changed.iter().zip(layers) {
            assert!(changed.starts_with(layer), "{what}: {changed:?}");
        }
    }
}

#[test]
fn certificates_lie_with_what_they_are_made_of() {
    let certificate = |name: &str| {
        let made = std::process::Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-subj"])
            .arg(format!("/CN={name}"))
            .output();
        made.ok().filter(|made| made.status.success()).map(|made| String::from_utf8(made.stdout).unwrap())
    };
    let Some([packaged, own]) = certificate("packaged").zip(certificate("own")).map(|(one, two)| [one, two])
    else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "there is no openssl");
        return;
    };
    let line = packaged.replace('\n', "\\n");
    let packages = format!(
        "{PACKAGES}\n\nPackage: ca-certificates\n/usr/share/ca-certificates/mozilla/x.crt 0644 {line}\n\
         /etc/ca-certificates.conf 0644 mozilla/x.crt\\n\n"
    );
    let rig = Rig::with(&Archive::new(&packages));
    for (file, layer) in [("/etc/own", "skeleton"), ("/usr/local/share/ca-certificates/own.crt", "settings")]
    {
        rig.write("own.crt", &own);
        let recipe = recipe("layers = \"auto\"")
            .replace("packages = [\"tool\"]", "packages = [\"tool\", \"ca-certificates\"]");
        rig.recipe(&recipe.replace(
            "files = [{ path = \"/etc/web.conf\"",
            &format!("files = [{{ path = \"{file}\", source = \"own.crt\" }}, {{ path = \"/etc/web.conf\""),
        ));
        rig.build(&[]);
        let image = Image::read(&rig.work("images"), "r");
        let bundle = "/etc/ssl/certs/ca-certificates.crt";
        let holders: Vec<&str> =
            files(&image).iter().filter(|(_, files)| files.contains(bundle)).map(|(name, _)| *name).collect();
        assert_eq!(holders, [layer]);
        assert_eq!(
            image.text(bundle).matches("BEGIN CERTIFICATE").count(),
            if layer == "settings" { 2 } else { 1 }
        );
    }
}

#[test]
fn settings_change_the_topmost_layer_alone() {
    let rig = Rig::with(&Archive::new(PACKAGES));
    let before = image(&rig, "layers = \"auto\"", &[]);
    rig.recipe(&recipe("layers = \"auto\"").replace("content = \"own\"", "content = \"other\""));
    rig.build(&[]);
    let after = Image::read(&rig.work("images"), "r");
    assert_eq!(changed(&before, &after), ["settings"]);
}

#[test]
fn a_variant_lies_on_top_of_the_same_layers() {
    let rig = Rig::with(&Archive::new(PACKAGES));
    let plain = image(&rig, "layers = { policy = \"auto\", budget = 3 }", &[]);
    let debug = image(&rig, "layers = { policy = \"auto\", budget = 3 }", &["--variant", "debug"]);
    assert_eq!(plain.layers.len(), 3);
    let ids = |image: &Image| image.config["rootfs"]["diff_ids"].as_array().unwrap().clone();
    assert_eq!(ids(&debug)[..3], ids(&plain)[..]);
    assert_eq!(debug.layers[3].0, "debug");
    assert_eq!(debug.text("/etc/debug"), "on");
}

#[test]
fn a_base_and_what_stands_on_it_group_by_themselves() {
    let rig = Rig::with(&Archive::new(PACKAGES));
    rig.recipe(&recipe("layers = \"auto\""));
    rig.build(&[]);
    let base = Image::read(&rig.work("images"), "r");
    for (layers, count) in [("layers = \"auto\"", 2), ("", 2)] {
        rig.write(
            "upper.toml",
            format!(
                "name = \"upper\"\nbase = \"r.toml\"\n{layers}\n[[layer]]\nname = \"a\"\npackages = [\"interpreter\"]\n\
                 [[layer]]\nname = \"b\"\nfiles = [{{ path = \"/etc/upper\", content = \"x\" }}]\n\
                 [[user]]\nname = \"upper\"\n"
            ),
        );
        rig.run(&["build", "upper.toml", "--arch", "amd64"]).ok();
        rig.run(&["check", "oci:images:upper"]).ok();
        let upper = Image::read(&rig.work("images"), "upper");
        upper.assert_sound();
        let ids = |image: &Image| image.config["rootfs"]["diff_ids"].as_array().unwrap().clone();
        let below = base.layers.len();
        assert_eq!(ids(&upper)[..below], ids(&base)[..]);
        assert_eq!(upper.layers.len(), below + count, "{:?}", digests(&upper));
        let passwd = upper.text("/etc/passwd");
        assert!(passwd.contains("web:") && passwd.contains("upper:"), "{passwd}");
    }
}

#[test]
fn wrong_budgets_and_policies_are_told() {
    let rig = Rig::with(&Archive::new(PACKAGES));
    for (layers, words) in [
        ("{ policy = \"auto\", budget = 0 }", &["0 layers hold nothing", "the least is 1"][..]),
        ("{ policy = \"auto\", budget = -1 }", &["-1 layers hold nothing"]),
        (
            "{ policy = \"auto\", budget = 500 }",
            &["a budget of 500 layers is too large: the most is 100", "Docker stacks 125 layers"],
        ),
        ("\"atuo\"", &["`atuo` is nothing that `layers` can be", "did you mean \"auto\"?"]),
        ("\"by hand\"", &["`by hand` is nothing that `layers` can be", "it is one of `auto`, `explicit`"]),
        ("{ policy = \"explicit\", budget = 3 }", &["explicit layers need no `budget`"]),
        ("{ budget = 3 }", &["has no `policy`"]),
        ("{ policy = \"auto\", most = 3 }", &["unknown key `most`", "known keys are `budget`, `policy`"]),
        (
            "5",
            &[
                "`layers` must be a policy, not an integer",
                "hint: write `layers = { policy = \"auto\", budget = 5 }`",
            ],
        ),
        ("true", &["`layers` must be a policy, not a boolean", "hint: write `layers = \"auto\"`, or leave"]),
    ] {
        rig.recipe(&recipe(&format!("layers = {layers}")));
        rig.run(&["build", "r.toml", "--arch", "amd64"]).fails(2, words);
    }
    rig.recipe("[[layers]]\nname = \"x\"\npackages = [\"web\"]\n");
    rig.run(&["build", "r.toml"]).fails(2, &["unknown key `layers`", "did you mean `layer`?"]);
    let one = image(&rig, "layers = { policy = \"auto\", budget = 1 }", &[]);
    assert_eq!(one.layers.len(), 1);
    assert_eq!(image(&rig, "layers = \"explicit\"", &[]).layers.len(), 3);
}
