//! What other people's clients make of what was pushed: skopeo, podman, docker.

use std::process::Command;

use super::Images;
use super::support::DockerRegistry;
use crate::image::GREETING;
use crate::tools::{Docker, Podman, have, is_root, run};
use serde_json::Value;

/// A registry with the images of a test pushed to `team/web`.
fn pushed() -> (DockerRegistry, Images, String) {
    let (registry, images) = (DockerRegistry::start(), Images::new());
    let image = format!("{}/team/web", registry.host);
    images.run(&["push", "all", &format!("docker://{image}:all")]).ok();
    images.run(&["push", "one", &format!("docker://{image}:one")]).ok();
    (registry, images, image)
}

#[test]
fn skopeo_reads_and_writes_the_same_bytes() {
    if !have(&["docker-registry", "skopeo"]) {
        return;
    }
    let (registry, images, image) = pushed();
    let skopeo = |arguments: &[&str]| run(Command::new("skopeo").arg("--insecure-policy").args(arguments));
    let insecure = "--tls-verify=false";
    let raw = skopeo(&["inspect", insecure, "--raw", &format!("docker://{image}:all")]);
    assert_eq!(rootforge::digest::Digest::of(raw.as_bytes()), images.find("all").digest());
    let index: Value = serde_json::from_str(&raw).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
    let one: Value =
        serde_json::from_str(&skopeo(&["inspect", insecure, &format!("docker://{image}:one")])).unwrap();
    assert_eq!(one["Digest"], images.find("one").digest().to_string());
    let to = format!("oci:{}:all", images.rig.work("by-skopeo").display());
    skopeo(&["copy", "--all", "--src-tls-verify=false", &format!("docker://{image}:all"), &to]);
    images.run(&["check", "oci:by-skopeo:all"]).ok();

    // The other way: what skopeo has pushed, in Docker's media types, comes whole.
    let from = format!("oci:{}:one", images.rig.work("images").display());
    let foreign = format!("docker://{}/team/foreign:2", registry.host);
    skopeo(&["copy", "--format", "v2s2", "--dest-tls-verify=false", &from, &foreign]);
    images.run(&["pull", &foreign, "--tag", "foreign"]).ok();
    images.run(&["check", "oci:images:foreign"]).ok().says(&["nothing is wrong"]);
    let raw = skopeo(&["inspect", insecure, "--raw", &foreign]);
    assert_eq!(rootforge::digest::Digest::of(raw.as_bytes()), images.find("foreign").digest());
    assert_eq!(images.find("foreign").media_type(), "application/vnd.docker.distribution.manifest.v2+json");
    images.run(&["push", "foreign", &format!("docker://{}/team/again", registry.host)]).ok();
    images.run(&["copy", &foreign, "docker-archive:foreign.tar"]).ok();
}

#[test]
fn podman_pulls_and_runs() {
    if !have(&["docker-registry", "podman", "runc"]) || !is_root() {
        return;
    }
    let (_registry, images, image) = pushed();
    let directory = tempfile::tempdir().unwrap();
    let podman = Podman::new(directory.path());
    for (arch, name) in [("amd64", "one"), ("arm64", "arm")] {
        podman.run(&["pull", "-q", "--tls-verify=false", "--arch", arch, &format!("{image}:all")]);
        let inspected = podman.run(&["image", "inspect", &format!("{image}:all")]);
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(inspected[0]["Architecture"], arch);
        let digests = inspected[0]["RepoDigests"].to_string();
        assert!(digests.contains(&images.find(name).digest().to_string()), "{digests}");
        if cfg!(target_arch = "x86_64") && arch == "amd64" {
            assert_eq!(podman.run(&["run", "--rm", "--network", "none", &format!("{image}:all")]), GREETING);
        }
        podman.run(&["rmi", "-f", &format!("{image}:all")]);
    }
}

#[test]
fn docker_pulls_and_runs() {
    if !have(&["docker-registry", "dockerd", "docker"]) || !is_root() {
        return;
    }
    let (_registry, images, image) = pushed();
    let directory = tempfile::tempdir().unwrap();
    let docker = Docker::start(directory.path());
    let all = format!("{image}:all");
    // That for arm64 has a layer of zstd.
    if docker.reads_zstd() {
        docker.run(&["pull", "-q", "--platform", "linux/arm64", &all]);
        let inspected: Value = serde_json::from_str(&docker.run(&["image", "inspect", &all])).unwrap();
        assert_eq!(inspected[0]["Architecture"], "arm64");
    } else {
        docker.refuses(&["pull", "-q", "--platform", "linux/arm64", &all], "failed to register layer");
    }
    let pulled = docker.run(&["pull", "--platform", "linux/amd64", &all]);
    assert!(pulled.contains(&format!("Digest: {}", images.find("all").digest())), "{pulled}");
    let inspected: Value = serde_json::from_str(&docker.run(&["image", "inspect", &all])).unwrap();
    assert_eq!(inspected[0]["Architecture"], "amd64");
    if cfg!(target_arch = "x86_64") {
        let run = ["run", "--rm", "--network", "none", "--platform", "linux/amd64", &all];
        assert_eq!(docker.run(&run), GREETING);
    }
}
