//! Where images lie that are bases: in archives, and in registries.

use super::given::{Debian, build, image, on, rig};
use super::{APP, added};
use crate::registry::support::DockerRegistry;
use crate::tools::have;

#[test]
fn an_image_in_an_archive_is_a_base() {
    let rig = rig();
    Debian::new("libx1 libc6").write(&rig, "low");
    let mut digests = Vec::new();
    for transport in ["oci-archive", "docker-archive"] {
        rig.run(&["copy", "oci:images:low", &format!("{transport}:low.tar")]).ok();
        rig.write("r.toml", on(&format!("{transport}:low.tar"), "app", APP));
        digests.push(build(&rig, &[]).digest());
        assert!(added(&image(&rig, "app"), 2).contains("/usr/bin/app"));
        std::fs::remove_file(rig.work("low.tar")).unwrap();
    }
}

#[test]
fn an_image_in_a_registry_is_fetched_once() {
    if !have(&["docker-registry"]) {
        return;
    }
    let rig = rig();
    let registry = DockerRegistry::start();
    Debian::new("libx1 libc6").write(&rig, "low");
    let place = format!("docker://{}/team/low", registry.host);
    rig.run(&["push", "low", &format!("{place}:1")]).ok();
    let pulled = rig.run(&["copy", &format!("{place}:1"), "oci:copy:low"]).ok();
    let base = format!("{place}@{}", pulled.digest());
    rig.write("r.toml", on(&base, "app", APP));
    let first = build(&rig, &[]).digest();
    assert!(added(&image(&rig, "app"), 2).contains("/usr/bin/app"));
    // A blob that is damaged where bases are kept is fetched again.
    let kept = rig.cache().join("images/blobs/sha256");
    let mut blobs: Vec<_> = std::fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().path()).collect();
    blobs.sort_by_key(|path| std::fs::metadata(path).unwrap().len());
    let largest = blobs.pop().unwrap();
    let mut bytes = std::fs::read(&largest).unwrap();
    bytes[9] ^= 1;
    std::fs::remove_file(&largest).unwrap();
    std::fs::write(&largest, bytes).unwrap();
    std::fs::remove_dir_all(rig.work("images")).unwrap();
    assert_eq!(build(&rig, &["--locked"]).digest(), first);
    // They count in the cache, and go with the rest of it.
    let shown =
        || -> serde_json::Value { serde_json::from_str(&rig.run(&["cache", "--json"]).ok().out).unwrap() };
    let size = |kind: &str| shown()["kinds"][kind]["bytes"].as_u64().unwrap_or(0);
    let most = std::fs::metadata(&largest).unwrap().len();
    assert!(size("images/blobs") >= most && shown()["bytes"].as_u64().unwrap() > size("images/blobs"));
    rig.run(&["cache", "prune", "--to", "0"]).ok();
    assert_eq!(size("images/blobs"), 0);
    std::fs::remove_dir_all(rig.work("images")).unwrap();
    assert_eq!(build(&rig, &["--locked"]).digest(), first);
    drop(registry);
    std::fs::remove_dir_all(rig.work("images")).unwrap();
    assert_eq!(build(&rig, &["--locked", "--offline"]).digest(), first);
    let wrong = format!("docker://127.0.0.1:9/x@sha256:{}", "0".repeat(64));
    rig.write("r.toml", on(&wrong, "app", APP));
    rig.run(&["build", "r.toml", "--arch", "amd64", "--offline"]).fails(1, &["127.0.0.1:9"]);
}
