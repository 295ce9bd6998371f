//! Against Debian's docker-registry, with bytes counted before it.

use std::fs;

use super::support::{DockerRegistry, Fate, Proxy, fetched, partial, sent};
use super::{Images, LARGE, digest};
use crate::support::{Archive, Image, Rig};
use crate::tools::{have, run};
use rootforge::arch::Arch;
use rootforge::cache::Cache;
use rootforge::registry::{CHUNK, Places};

/// What an image has beside its lowest layer.
const LITTLE: u64 = 20_000;

#[test]
fn what_is_there_is_neither_sent_nor_fetched() {
    if !have(&["docker-registry"]) {
        return;
    }
    let registry = DockerRegistry::start();
    let proxy = Proxy::counting(&registry.host);
    let host = proxy.host();
    let images = Images::new();
    let base = images.base.size;

    let first = images.json(&["push", "one", &format!("docker://{host}/team/one:1")]);
    assert_eq!((&first["sent"]["blobs"], &first["present"]["blobs"]), (&3.into(), &0.into()), "{first}");
    let seen = proxy.take();
    assert_eq!(first["uploaded"], sent(&seen));
    assert!(sent(&seen) > base && sent(&seen) < base + LITTLE, "{}", sent(&seen));

    // The same repository: the lower layer is found there.
    let second = images.json(&["push", "two", &format!("docker://{host}/team/one:2")]);
    assert_eq!(
        (&second["sent"]["blobs"], &second["present"]["bytes"]),
        (&2.into(), &base.into()),
        "{second}"
    );
    assert!(sent(&proxy.take()) < LITTLE);

    // Another repository: it is mounted, and not a byte of it goes.
    let third = images.json(&["push", "two", &format!("docker://{host}/other/two:1")]);
    assert_eq!((&third["mounted"]["blobs"], &third["sent"]["blobs"]), (&3.into(), &0.into()), "{third}");
    assert_eq!(sent(&proxy.take()), 0);

    // Once more: one question is enough.
    let again = images.json(&["push", "two", &format!("docker://{host}/other/two:1")]);
    assert_eq!((&again["present"]["blobs"], &again["uploaded"]), (&3.into(), &0.into()));
    assert_eq!(proxy.take().len(), 1);

    // A layout with the lower layer fetches the rest only.
    let other = Rig::new();
    let pull = |rig: &Rig, name: &str| {
        let image = format!("docker://{host}/{name}");
        crate::support::rig::run(&mut rig.bare(&["pull", &image, "--tag", "pulled", "--json"])).ok()
    };
    pull(&other, "team/one:1");
    assert!(fetched(&proxy.take()) > base);
    let ran = pull(&other, "other/two:1");
    let pulled: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(pulled["present"]["bytes"], base, "{pulled}");
    assert!(fetched(&proxy.take()) < LITTLE);
    assert_eq!(digest(&other.work("images"), "pulled"), images.find("two").digest().to_string());
    assert_eq!(partial(&other.work("images")), [""; 0].map(std::path::PathBuf::from));
}

/// What the program remembers of a registry may be wrong in every way.
#[test]
fn a_wrong_memory_does_no_harm() {
    if !have(&["docker-registry"]) {
        return;
    }
    let registry = DockerRegistry::start();
    let proxy = Proxy::counting(&registry.host);
    let images = Images::new();
    let places = Places::new(Cache::open(images.rig.cache()).unwrap(), proxy.host());
    places.remember(&images.base.digest, "never/was");
    places.remember(&images.base.digest, "nor/this");
    let pushed = images.json(&["push", "one", &format!("docker://{}/a/one", proxy.host())]);
    assert_eq!((&pushed["sent"]["blobs"], &pushed["mounted"]["blobs"]), (&3.into(), &0.into()), "{pushed}");
    let seen = proxy.take();
    assert_eq!(seen.iter().filter(|one| one.head.is("POST", "mount=")).count(), 2);
    assert!(sent(&seen) < images.base.size + LITTLE);
    assert_eq!(places.of(&images.base.digest)[0], "a/one");
    // Without a memory it is sent again, and without a cache too.
    fs::remove_dir_all(images.rig.cache()).unwrap();
    let pushed = images.json(&["push", "one", &format!("docker://{}/b/one", proxy.host())]);
    assert_eq!(pushed["sent"]["blobs"], 3);
}

/// A connection that breaks in the middle of an upload: the registry is asked what it has, and gets the rest.
#[test]
fn an_upload_that_breaks_is_continued() {
    if !have(&["docker-registry"]) {
        return;
    }
    let registry = DockerRegistry::start();
    let broken = |seen: &[super::support::Seen]| seen.iter().filter(|one| !one.passed).count();
    let proxy = Proxy::new(&registry.host, move |head, seen| {
        let patches = seen.iter().filter(|one| one.passed && one.head.method == "PATCH").count();
        if head.method != "PATCH" || patches == 0 || broken(seen) >= 2 { Fate::Pass } else { Fate::Lost }
    });
    let images = Images::new();
    let pushed = images.json(&["push", "one", &format!("docker://{}/a/one", proxy.host())]);
    assert_eq!(pushed["sent"]["blobs"], 3);
    let seen = proxy.take();
    assert_eq!(broken(&seen), 2, "two chunks were lost on the way");
    let passed: u64 =
        seen.iter().filter(|one| one.passed && one.head.method == "PATCH").map(|one| one.sent).sum();
    assert_eq!(passed, images.base.size, "no byte that had arrived was sent again");
    assert!(sent(&seen) <= images.base.size + 2 * CHUNK + LITTLE);
    assert!(seen.iter().any(|one| one.head.is("GET", "/blobs/uploads/")));
    let to = images.json(&["pull", &format!("docker://{}/a/one", proxy.host()), "--tag", "back"]);
    assert_eq!(to["digest"], images.find("one").digest().to_string());
}

/// docker-registry forgets an upload of which it has more than it has said: that blob is begun anew, and no other.
#[test]
fn an_upload_that_the_registry_forgets_is_begun_anew() {
    if !have(&["docker-registry"]) {
        return;
    }
    let registry = DockerRegistry::start();
    let proxy = Proxy::new(&registry.host, move |head, seen| {
        let patches = seen.iter().filter(|one| one.head.method == "PATCH").count();
        if head.method == "PATCH" && patches == 1 { Fate::Halved } else { Fate::Pass }
    });
    let images = Images::new();
    let image = format!("docker://{}/a/one", proxy.host());
    let pushed = images.json(&["push", "one", &image]);
    assert_eq!(pushed["sent"]["blobs"], 3);
    let seen = proxy.take();
    assert_eq!(seen.iter().filter(|one| !one.passed).count(), 1);
    assert!(sent(&seen) <= images.base.size + 2 * CHUNK + LITTLE);
    images.run(&["check", &image]).ok();
}

#[test]
fn builds_go_to_registries_with_all_their_architectures() {
    if !have(&["docker-registry"]) {
        return;
    }
    let registry = DockerRegistry::start();
    let host = &registry.host;
    let archs = [Arch::Amd64, Arch::Arm64];
    let rig = Rig::with(&Archive::new("Package: app\n/usr/bin/app elf program\n").for_archs(&archs));
    rig.recipe("[[layer]]\nname = \"app\"\npackages = [\"app\"]\n[image]\nentrypoint = [\"/usr/bin/app\"]\n");
    let image = format!("docker://{host}/team/r");
    let both = rig
        .run(&["build", "r.toml", "--arch", "amd64,arm64", "--output", &format!("{image}:1.0")])
        .ok()
        .says(&["blobs", "sent"]);
    assert!(both.out.starts_with(&format!("{image}:1.0 sha256:")), "{}", both.out);
    // The same as in a layout; of one architecture, its manifest.
    let local = rig.run(&["build", "r.toml", "--arch", "amd64,arm64"]).ok();
    assert_eq!(local.digest(), both.digest());
    let one = rig.build(&["--output", &image, "--tag", "amd"]);
    assert_eq!(one.digest(), rig.build(&["--tag", "x"]).digest());
    assert!(!rig.work("images/blobs").join("docker:").exists());

    let pull = |more: &[&str]| rig.run(&[&["pull", &format!("{image}:1.0")], more].concat());
    assert_eq!(pull(&["--arch", "all", "--tag", "p-all"]).ok().digest(), both.digest());
    let pulled = Image::read_all(&rig.work("images"), "p-all");
    assert_eq!(pulled.keys().collect::<Vec<_>>(), ["amd64", "arm64"]);
    assert_eq!(pull(&["--arch", "amd64", "--tag", "p-amd"]).ok().digest(), one.digest());
    pull(&["--arch", "arm64"]).ok();
    let image_of = Image::read(&rig.work("images"), &format!("{host}/team/r:1.0"));
    assert_eq!(image_of.config["architecture"], "arm64");
    pull(&["--arch", "s390x"])
        .fails(1, &["has no image for s390x", "hint: it has amd64, arm64; choose with `--arch`"]);
    rig.run(&["pull", &format!("{image}:amd"), "--arch", "arm64"]).fails(1, &["has no image for arm64"]);

    let checked = rig.run(&["check", &format!("{image}:1.0")]).ok();
    assert!(checked.err.contains("nothing is wrong"), "{}", checked.err);
    let by_digest =
        rig.run(&["pull", &format!("docker://{host}/team/r@{}", one.digest()), "--tag", "d"]).ok();
    assert_eq!(by_digest.digest(), one.digest());
}

/// From every place to every other the digest stays.
#[test]
fn copies_between_transports() {
    if !have(&["docker-registry"]) {
        return;
    }
    let registry = DockerRegistry::start();
    let proxy = Proxy::counting(&registry.host);
    let images = Images::new();
    let (one, all) = (images.find("one").digest().to_string(), images.find("all").digest().to_string());
    let place = |text: &str| text.replace("HOST", proxy.host());
    for (from, to, expected) in [
        ("oci:images:one", "docker-archive:one.tar", &one),
        ("docker-archive:one.tar", "docker://HOST/a/one", &one),
        ("docker://HOST/a/one", "oci-archive:again.tar", &one),
        ("oci-archive:again.tar", "oci:other:one", &one),
        ("docker://HOST/a/one", "docker-archive:third.tar:team/one:3", &one),
        ("docker-archive:third.tar", "oci:other:three", &one),
        ("oci:images:all", "docker://HOST/a/all:1", &all),
        ("docker://HOST/a/all:1", "oci:other:all", &all),
        ("oci:other:all", "oci-archive:all.tar:x", &all),
        ("oci-archive:all.tar:x", "docker://HOST/b/all", &all),
    ] {
        let copied = images.json(&["copy", &place(from), &place(to)]);
        assert_eq!(copied["digest"], **expected, "{from} {to}");
    }
    images.run(&["check", "oci:other"]).ok();
    images
        .run(&["copy", "oci:images:all", "docker-archive:all-docker.tar"])
        .fails(2, &["exactly one architecture, not 2"]);
    images.run(&["copy", "oci:images:all", "docker-archive:arm.tar:x", "--arch", "arm64"]).ok();
    images.run(&["copy", "oci:images:all", "dir:root", "--arch", "amd64"]).ok();
    assert_eq!(fs::metadata(images.rig.work("root/srv/large")).unwrap().len(), LARGE as u64);
    images
        .run(&["copy", "oci:images", "oci:x"])
        .fails(1, &["has several images", "hint: it has all, arm, one, two"]);
    images
        .run(&["push", "none", &place("docker://HOST/x")])
        .fails(1, &["has no image called `none`", "hint: it has all"]);

    // From repository to repository nothing comes here: it is mounted.
    proxy.take();
    let relayed = images.json(&["copy", &place("docker://HOST/a/all:1"), &place("docker://HOST/c/all:2")]);
    assert_eq!(
        (&relayed["digest"], &relayed["sent"]["blobs"]),
        (&all.clone().into(), &0.into()),
        "{relayed}"
    );
    assert!(fetched(&proxy.take()) == 0);
    // To another registry only what it lacks goes through here.
    let other = DockerRegistry::start();
    images.json(&["copy", &place("docker://HOST/a/one"), &format!("docker://{}/a/one", other.host)]);
    proxy.take();
    let relayed =
        images.json(&["copy", &place("docker://HOST/a/all:1"), &format!("docker://{}/a/all", other.host)]);
    assert_eq!(relayed["mounted"]["bytes"].as_u64().unwrap() / LARGE as u64, 1, "{relayed}");
    assert!(fetched(&proxy.take()) < LITTLE);
    assert!(other.storage().join("docker/registry/v2/repositories/a/all").is_dir());

    // A Docker archive as others write it, its layers uncompressed.
    if have(&["skopeo"]) {
        let to = format!("docker-archive:{}:foreign:1", images.rig.work("foreign.tar").display());
        let from = format!("oci:{}:one", images.rig.work("images").display());
        run(std::process::Command::new("skopeo").args(["--insecure-policy", "copy", &from, &to]));
        let copied = images.json(&["copy", "docker-archive:foreign.tar", &place("docker://HOST/f/foreign")]);
        assert_ne!(copied["digest"], one);
        images.run(&["check", &place("docker://HOST/f/foreign")]).ok().says(&["nothing is wrong"]);
    }
}

/// A blob of the layout that is damaged is refused by the registry, and the error names the layout.
#[test]
fn a_damaged_layout_is_told_from_a_bad_registry() {
    if !have(&["docker-registry"]) {
        return;
    }
    let registry = DockerRegistry::start();
    let images = Images::new();
    let path = images.layout.blob_path(&images.base.digest);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100_000] ^= 1;
    fs::write(&path, bytes).unwrap();
    let image = format!("docker://{}/a/one", registry.host);
    images
        .run(&["push", "one", &image])
        .fails(1, &[&images.base.digest.to_string(), "in the image layout", "is corrupt"]);
    images.run(&["pull", &image]).fails(1, &["`", "/a/one`, manifest latest: the registry does not have it"]);
}
