//! Real images in container engines.

use crate::real_archive::bench::Bench;
use crate::tools::{Docker, Podman, have, is_root};

fn is_native() -> bool {
    let native = cfg!(target_arch = "x86_64");
    if !native {
        eprintln!("passed over: this machine runs no amd64 programs");
    }
    native
}

#[test]
fn real_mirror_pulseaudio_in_docker() {
    if !is_native() || !have(&["dockerd", "docker"]) || !is_root() {
        return;
    }
    let Some(bench) = Bench::with_locked_pulseaudio() else { return };
    bench.build(&["pulseaudio.toml", "--arch", "amd64", "--output", "docker-archive:pulseaudio.tar"]);
    bench.run(&["check", "docker-archive:pulseaudio.tar"]).ended(0, &["nothing is wrong"]);
    let docker = Docker::start(&bench.path(""));
    let loaded = docker.run(&["load", "-q", "-i", bench.path("pulseaudio.tar").to_str().unwrap()]);
    assert_eq!(loaded.trim(), "Loaded image: pulseaudio:latest");
    let version = docker.run(&["run", "--rm", "--network", "none", "pulseaudio", "--version"]);
    assert!(version.starts_with("pulseaudio 17"), "{version}");
}

#[test]
fn real_mirror_pulseaudio_in_podman() {
    if !is_native() || !have(&["podman", "runc"]) || !is_root() {
        return;
    }
    let Some(bench) = Bench::with_locked_pulseaudio() else { return };
    bench.build(&["pulseaudio.toml", "--arch", "amd64"]);
    let podman = Podman::new(&bench.path(""));
    // Podman makes the image's name of the path, which may hold no capitals: so from where it lies.
    let image = "oci:images:pulseaudio";
    let version = podman.run(&["run", "--rm", "--network", "none", image, "--version"]);
    assert!(version.starts_with("pulseaudio 17"), "{version}");
}
