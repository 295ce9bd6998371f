//! The planner: what it predicts is what a registry then has, and what it writes is what recipes can say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::gallery;
use crate::real_archive::bench::Bench;
use crate::registry::support::DockerRegistry;
use crate::support::{Archive, Rig};
use crate::tools::have;
use rootforge::arch::Arch;

/// Words without much order, as a file of a package may have.
fn words(seed: u32, count: usize) -> String {
    let mut state = seed;
    let mut text = String::new();
    for _ in 0..count {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(&format!("{:x} ", state >> 10));
    }
    text
}

/// Two run-times on one library, and six programs.
fn packages() -> String {
    let mut text = "Package: libc6\n/usr/lib/ld.so elf soname=ld.so\n".to_owned();
    let mut package = |name: &str, depends: &str, command: &str, files: u32, count: usize| {
        text.push_str(&format!("\nPackage: {name}\nDepends: {depends}\n{command}\n"));
        for file in 0..files {
            let seed = name.bytes().fold(file, |seed, byte| seed * 31 % 65_521 + u32::from(byte));
            text.push_str(&format!("/usr/share/{name}/{file} 0644 {}\n", words(seed, count)));
        }
    };
    let program = |name: &str| format!("/usr/bin/{name} elf program interp=/usr/lib/ld.so");
    package("common", "libc6", "/usr/share/common/readme 0644 x", 20, 12_000);
    package("snake", "common", &program("snake"), 30, 20_000);
    package("camel", "common", &program("camel"), 30, 15_000);
    for (name, runtime) in [
        ("one", "snake"),
        ("two", "snake"),
        ("three", "snake"),
        ("four", "camel"),
        ("five", "camel"),
        ("six", "common"),
    ] {
        package(name, runtime, &program(name), 3, 5000);
    }
    text
}

const NAMES: [&str; 6] = ["one", "two", "three", "four", "five", "six"];

/// A directory with those recipes, `fleet/NAME.toml`.
fn rig() -> Rig {
    let rig = Rig::with(&Archive::new(&packages()).for_archs(&[Arch::Amd64, Arch::Arm64]));
    for name in NAMES {
        rig.write(
            &format!("fleet/{name}.toml"),
            format!(
                "# The program {name}.\nname = \"{name}\"\nfrom = \"debian:trixie\"  # the newest\n\
                 keys = [\"../key.asc\"]\narch = [\"amd64\", \"arm64\"]\n\n[[layer]]\nname = \"{name}\"\n\
                 packages = [\"{name}\"]\nfiles = [{{ path = \"/etc/motd\", content = \"{name}\" }}]\n"
            ),
        );
    }
    rig
}

/// The planner's call for recipes of the rig.
fn plan<'a>(recipes: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let mut call = vec!["plan", "--arch", "amd64"];
    call.extend(more);
    call.extend(recipes.iter().map(String::as_str));
    call
}

fn recipes() -> Vec<String> {
    NAMES.map(|name| format!("fleet/{name}.toml")).to_vec()
}

/// Compressed layers that a registry has.
fn layers_in(registry: &DockerRegistry) -> u64 {
    let blobs = registry.storage().join("docker/registry/v2/blobs");
    let mut bytes = 0;
    let mut directories = vec![blobs];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            } else {
                let content = fs::read(entry.path()).unwrap();
                bytes += if content.starts_with(&[0x1f, 0x8b]) { content.len() as u64 } else { 0 };
            }
        }
    }
    bytes
}

/// What layers of an image come to, by what a registry says of it.
fn size_in(layout: &Path, name: &str) -> u64 {
    let layout = rootforge::oci::Layout::open_or_create(layout).unwrap();
    let manifest = fs::read(layout.blob_path(&layout.find(Some(name)).unwrap().digest())).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    manifest["layers"].as_array().unwrap().iter().map(|layer| layer["size"].as_u64().unwrap()).sum()
}

/// Within a hundredth.
#[track_caller]
fn assert_near(what: &str, predicted: u64, measured: u64) {
    println!("{what}: {predicted} bytes predicted, {measured} measured");
    assert!(predicted.abs_diff(measured) * 100 <= measured, "{what}: {predicted} is not {measured}");
}

fn bytes(plan: &Value, row: &str, column: &str) -> u64 {
    plan["fleet"][row][column].as_u64().unwrap()
}

/// Compares a plan with what was measured before and after; gives the bytes that the plan saves at first.
fn judge(plan: &Value, before: (u64, &BTreeMap<&str, u64>), after: (u64, &BTreeMap<&str, u64>)) {
    assert_near("the fleet before", bytes(plan, "before", "first"), before.0);
    assert_near("the fleet after", bytes(plan, "after", "first"), after.0);
    for image in plan["images"].as_array().unwrap() {
        let name = image["name"].as_str().unwrap();
        assert_near(&format!("{name} before"), image["before"].as_u64().unwrap(), before.1[name]);
        assert_near(&format!("{name} after"), image["after"].as_u64().unwrap(), after.1[name]);
        assert!(image["layers"].as_u64().unwrap() <= 8, "{image}");
        // Nobody pulls much that it does not use.
        assert!(image["unused"].as_u64().unwrap() * 10 <= before.1[name], "{image}");
        assert!(after.1[name] * 10 <= before.1[name] * 11 + 200_000, "{image}");
    }
    // Each image here is one layer before, so that is what was measured.
    assert_near("one layer each", bytes(plan, "one-layer", "first"), before.0);
    for rival in ["one-layer", "layer-a-package"] {
        let total = |row| bytes(plan, row, "first") + bytes(plan, row, "updates");
        println!(
            "{rival}: {} and {} bytes, planned {} and {}",
            bytes(plan, rival, "first"),
            bytes(plan, rival, "updates"),
            bytes(plan, "after", "first"),
            bytes(plan, "after", "updates")
        );
        assert!(after.0 < bytes(plan, rival, "first"), "{rival}: {plan}");
        assert!(total("after") < total(rival), "{rival}: {plan}");
    }
}

#[test]
fn what_is_predicted_is_what_a_registry_has() {
    if !have(&["docker-registry"]) {
        return;
    }
    let rig = rig();
    let build = |prefix: &str, images: &str, registry: &DockerRegistry| -> BTreeMap<&str, u64> {
        let sizes = NAMES.map(|name| {
            let recipe = format!("{prefix}/{name}.toml");
            rig.run(&["build", &recipe, "--arch", "amd64", "--output", &format!("oci:{images}")]).ok();
            let from = format!("oci:{images}:{name}");
            rig.run(&["copy", &from, &format!("docker://{}/{name}:1", registry.host)]).ok();
            (name, size_in(&rig.work(images), name))
        });
        sizes.into()
    };
    let (first, second) = (DockerRegistry::start(), DockerRegistry::start());
    let before = build("fleet", "before", &first);
    let recipes = recipes();
    let proposed = rig.run(&plan(&recipes, &["--json"])).ok();
    assert!(!rig.work("fleet/base").exists());
    let planned = rig.run(&plan(&recipes, &["--json", "--write"])).ok();
    assert_eq!(
        proposed.out.replace("\"written\":false", "\"written\":true"),
        planned.out,
        "what is proposed is what is written"
    );
    let planned: Value = serde_json::from_str(&planned.out).unwrap();
    let after = build("fleet", "after", &second);
    judge(&planned, (layers_in(&first), &before), (layers_in(&second), &after));

    // Every image has the same files as before, but for records of packages.
    for name in NAMES {
        let paths = |images: &str| {
            let image = crate::support::Image::read(&rig.work(images), name);
            image.assert_sound();
            let entries = image.layers.iter().flat_map(|(_, members)| members.iter());
            let mut paths: Vec<String> = entries.map(|(entry, _)| entry.path.to_string()).collect();
            paths.sort();
            paths.dedup();
            paths
        };
        assert_eq!(paths("before"), paths("after"), "{name}");
    }
    // What is there stays: nothing more is proposed.
    let again = rig.run(&plan(&recipes, &[])).ok().says(&["no base would save anything"]);
    assert!(again.out.contains("six is left as it is: it stands on "), "{}", again.out);
}

#[test]
fn the_same_fleet_in_another_order_has_the_same_bases_and_comments_stay() {
    let rig = rig();
    let mut recipes = recipes();
    let one = rig.run(&plan(&recipes, &[])).ok().says(&["nothing is written"]);
    recipes.reverse();
    let other: Value = serde_json::from_str(&rig.run(&plan(&recipes, &["--json"])).ok().out).unwrap();
    let other = other["diff"].as_str().unwrap();
    let of_bases =
        |diff: &str| diff[diff.find("--- /dev/null").unwrap()..diff.find("--- a/").unwrap()].to_owned();
    assert_eq!(of_bases(&one.out), of_bases(other));
    for words in [
        "--- /dev/null\n+++ b/fleet/base/debian.toml\n@@ -0,0 +1,",
        "+from = \"debian:trixie\"\n+arch = [\"amd64\", \"arm64\"]\n+keys = [\"../../key.asc\"]\n",
        "+base = \"debian.toml\"\n",
        "+  \"/usr/share/common\",\n",
        "--- a/fleet/one.toml\n+++ b/fleet/one.toml\n@@ -1,6 +1,7 @@\n # The program one.\n name = \"one\"\n \
         from = \"debian:trixie\"  # the newest\n+base = \"base/snake.toml\"\n keys = [\"../key.asc\"]\n",
    ] {
        assert!(one.out.contains(words), "{words}\nis not in\n{}", one.out);
    }
    rig.run(&plan(&recipes, &["--write"])).ok().says(&["wrote "]);
    let text = rig.read("fleet/one.toml");
    assert!(
        text.starts_with(
            "# The program one.\nname = \"one\"\nfrom = \"debian:trixie\"  # the newest\nbase ="
        )
    );
    // The bases serve the other architecture too.
    rig.run(&["build", "fleet/one.toml", "--arch", "arm64"]).ok();
    rig.run(&["check", "oci:images:one"]).ok();
}

#[test]
fn a_plan_looks_into_what_has_changed_since_the_last() {
    let rig = rig();
    let recipes = recipes();
    let looked = |err: &str| err.lines().filter(|line| line.starts_with("looking into ")).count();
    let first = rig.run(&plan(&recipes, &[])).ok();
    assert_eq!(looked(&first.err), recipes.len(), "{}", first.err);
    let again = rig.run(&plan(&recipes, &[])).ok();
    assert_eq!((looked(&again.err), &again.out), (0, &first.out), "{}", again.err);
    // A file that is only there for others, and a damaged cache, change nothing.
    rig.forget("paths-");
    let anew = rig.run(&plan(&recipes, &[])).ok();
    assert_eq!(anew.out, first.out);
    let text = rig.read("fleet/one.toml").replace("content = \"one\"", "content = \"another\"");
    rig.write("fleet/one.toml", text);
    let changed = rig.run(&plan(&recipes, &[])).ok();
    assert_eq!(looked(&changed.err), 1, "{}", changed.err);
}

/// Files of its own in a layer of their own do not say how packages' files are to be spread.
#[test]
fn a_layer_of_settings_is_none_of_packages() {
    let mut all = packages();
    for (seed, name) in (100..).zip(NAMES) {
        let (often, seldom) = (words(seed, 50_000), words(seed + 50, 50_000));
        all += &format!(
            "\n\nPackage: {name}-top\nVersion: 1-1+deb13u20\nDepends: {name}, {name}-data\n\
             /usr/share/{name}-top 0644 {often}\n\n\
             Package: {name}-data\nVersion: 1-1\n/usr/share/{name}-data 0644 {seldom}"
        );
    }
    let archive = Archive::new(&all).for_archs(&[Arch::Amd64, Arch::Arm64]);
    let spread = |with_settings: bool| {
        let rig = rig();
        archive.write(&rig.path("archive"));
        for name in NAMES {
            let path = format!("fleet/{name}.toml");
            let settings = "\n[[layer]]\nname = \"settings\"\nfiles";
            let named = format!("\"{name}-top\"]");
            let text = rig.read(&path).replace(&format!("\"{name}\"]"), &named);
            rig.write(&path, if with_settings { text.replace("\nfiles", settings) } else { text });
        }
        rig.run(&plan(&recipes(), &["--write"])).ok().says(&["wrote "]);
        let has_layers = |name: &&str| rig.read(&format!("fleet/{name}.toml")).contains("\nlayers = ");
        NAMES.iter().copied().filter(has_layers).collect::<Vec<_>>()
    };
    let of_one = spread(false);
    assert!(!of_one.is_empty());
    assert_eq!(spread(true), of_one);
}

/// A recipe that says how its files are spread gets a base, and stays as it is otherwise.
#[test]
fn what_a_recipe_says_of_its_layers_stays() {
    let rig = rig();
    for name in NAMES {
        let path = format!("fleet/{name}.toml");
        let said = rig.read(&path).replacen("\n\n[[layer]]", "\nlayers = \"explicit\"\n\n[[layer]]", 1);
        rig.write(&path, said);
    }
    rig.run(&plan(&recipes(), &["--write"])).ok().says(&["wrote "]);
    for name in NAMES {
        let text = rig.read(&format!("fleet/{name}.toml"));
        assert!(text.contains("\nbase = \"base/"), "{text}");
        assert_eq!(text.matches("layers = ").collect::<Vec<_>>(), ["layers = "], "{text}");
        assert!(text.contains("\nlayers = \"explicit\"\n"), "{text}");
    }
}

/// A recipe that is planned, and the base of another that is: its lock stays the one that the other's names.
#[test]
fn a_base_among_the_recipes_is_locked_once() {
    let rig = rig();
    let text = rig.read("fleet/two.toml");
    rig.write("fleet/two.toml", text.replacen("keys = ", "base = \"one.toml\"\nkeys = ", 1));
    rig.run(&["lock", "fleet/two.toml", "--arch", "amd64,arm64"]).ok();
    let (base, own) = (rig.read("fleet/one.lock"), rig.read("fleet/two.lock"));
    for recipes in [["fleet/one.toml", "fleet/two.toml"], ["fleet/two.toml", "fleet/one.toml"]] {
        std::fs::remove_file(rig.work("fleet/one.lock")).unwrap();
        rig.run(&["plan", "--arch", "amd64", recipes[0], recipes[1]]).ok();
        assert_eq!(rig.read("fleet/one.lock"), base);
        assert_eq!(rig.read("fleet/two.lock"), own);
    }
}

#[test]
fn what_cannot_be_planned_is_told() {
    let rig = rig();
    let recipes = recipes();
    rig.run(&["plan"]).fails(2, &["RECIPES"]);
    rig.run(&plan(&recipes, &["--layers", "0"])).fails(2, &["--layers"]);
    rig.run(&plan(&recipes, &["--layers", "500"])).fails(2, &["500 is not in 1..=125"]);
    let one = rig.run(&plan(&recipes, &["--layers", "1"])).ok().says(&["no base would save anything"]);
    assert!(one.out.contains("one is left as it is: it has 1 layers"), "{}", one.out);
    rig.run(&plan(&recipes, &["--layers", "125"])).ok();
    rig.run(&["plan", "--arch", "amd64,arm64", "fleet/one.toml"]).fails(2, &["amd64,arm64"]);
    rig.run(&["plan", "--arch", "all", "fleet/one.toml"]).fails(2, &["a plan is for one architecture"]);
    rig.run(&["plan", "--arch", "s390x", "fleet/one.toml"]).fails(2, &["is not made for s390x"]);
    rig.write("again.toml", rig.read("fleet/one.toml").replace("../key", "key"));
    rig.run(&["plan", "fleet/one.toml", "again.toml", "--arch", "amd64"])
        .fails(2, &["are both called `one`"]);
    rig.write(
        "none.toml",
        "name = \"none\"\n[[layer]]\nname = \"none\"\nfiles = [{ path = \"/x\", content = \"\" }]\n",
    );
    let bare = rig.run(&["plan", "none.toml", "fleet/one.toml", "fleet/one.toml", "--arch", "amd64"]).ok();
    assert!(bare.out.contains("none is left as it is: it has no `from`"), "{}", bare.out);
    assert!(bare.out.starts_with("2 images for amd64"), "{}", bare.out);
    // A base recipe that is there already is nobody's to overwrite.
    rig.write("fleet/base/debian.toml", "what I wrote\n");
    rig.run(&plan(&recipes, &["--write"])).ok();
    assert_eq!(rig.read("fleet/base/debian.toml"), "what I wrote\n");
}

/// Recipes of `recipes/fleet` on the real mirror, built and pushed as they are and as planned.
fn measured(names: &[&str]) {
    let Some(bench) = gallery::bench() else { return };
    if !have(&["docker-registry"]) {
        return;
    }
    let build = |images: &str, registry: &DockerRegistry| -> BTreeMap<&str, u64> {
        let sizes = names.iter().map(|name| {
            let (recipe, output) = (format!("fleet/{name}.toml"), format!("oci:{images}"));
            bench.build(&[&recipe, "--arch", "amd64", "--output", &output]);
            let to = format!("docker://{}/{name}:1", registry.host);
            bench.run(&["copy", &format!("{output}:{name}"), &to]).ok();
            (*name, size_in(&bench.path(images), name))
        });
        sizes.collect()
    };
    let (first, second) = (DockerRegistry::start(), DockerRegistry::start());
    let before = build("before", &first);
    let planned = planned(&bench, names);
    let after = build("after", &second);
    judge(&planned, (layers_in(&first), &before), (layers_in(&second), &after));
    for name in names {
        bench.run(&["check", &format!("oci:after:{name}")]).ok();
    }
    println!("{}", planned["bases"]);
}

fn planned(bench: &Bench, names: &[&str]) -> Value {
    let recipes: Vec<String> = names.iter().map(|name| format!("fleet/{name}.toml")).collect();
    let mut call = vec!["plan", "--arch", "amd64", "--json", "--write"];
    call.extend(recipes.iter().map(String::as_str));
    serde_json::from_str(&bench.run(&call).ok().out).unwrap()
}

#[test]
fn four_real_services_are_as_predicted() {
    measured(&["aiosmtpd", "beanstalkd", "stunnel", "waitress"]);
}

#[test]
#[ignore = "takes minutes: builds twelve images twice"]
fn the_whole_fleet_is_as_predicted() {
    measured(&[
        "aiosmtpd",
        "beanstalkd",
        "haproxy",
        "lighttpd",
        "memcached",
        "mosquitto",
        "postgrey",
        "radicale",
        "starman",
        "stunnel",
        "unbound",
        "waitress",
    ]);
}

/// The fleet's images run: as they are, and on the bases that are planned for them.
#[test]
#[ignore = "takes minutes: builds twelve images twice"]
fn the_whole_fleet_runs() {
    let Some(bench) = gallery::bench() else { return };
    let recipes: Vec<String> = fs::read_dir(bench.path("fleet"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "toml"))
        .collect();
    assert_eq!(recipes.len(), 12);
    let test_all = || {
        for recipe in &recipes {
            bench.run(&["test", &format!("fleet/{recipe}"), "--arch", "amd64"]).ok();
        }
    };
    test_all();
    let names: Vec<&str> = recipes.iter().map(|recipe| recipe.trim_end_matches(".toml")).collect();
    planned(&bench, &names);
    test_all();
}
