//! PulseAudio as its recipe has it: a sound server that answers over TCP.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::real_archive::bench::{Bench, Ran, free_port, tell_sizes};
use crate::real_archive::root::{can_run, link_all, sandbox};
use crate::tools::{Daemon, have, is_root};

/// The image, checked and unpacked.
fn unpacked(bench: &Bench) -> std::path::PathBuf {
    let built = bench.build(&["pulseaudio.toml", "--arch", "amd64"]);
    tell_sizes(&built);
    // libsystemd and libudev may use more than the daemon asks of them, and say that they do without.
    let warnings = built["images"][0]["warnings"].as_array().unwrap();
    assert!(warnings.is_empty(), "{warnings:#?}");
    bench.run(&["check", "oci:images:pulseaudio"]).ended(0, &["nothing is wrong"]);
    bench.unpack("pulseaudio")
}

/// The sandbox as an engine would set it up for this image.
fn daemon(root: &Path) -> Command {
    let mut command = sandbox(root);
    command.args(["--uid", "100", "--gid", "101", "--tmpfs", "/run/pulse", "--setenv", "HOME", "/run/pulse"]);
    command
}

#[test]
fn real_mirror_pulseaudio_links_and_tells_its_version() {
    let Some(bench) = Bench::with_locked_pulseaudio().filter(|_| can_run()) else { return };
    let root = unpacked(&bench);
    let ran = Ran::of(daemon(&root).args(["/usr/bin/pulseaudio", "--version"])).ok();
    assert!(ran.out.starts_with("pulseaudio 17"), "{}", ran.out);
    let (count, failures) = link_all(&root, "/lib64/ld-linux-x86-64.so.2");
    assert!(count > 50 && failures.is_empty(), "{count}: {failures:#?}");
}

#[test]
fn real_mirror_pulseaudio_answers_over_tcp() {
    let Some(bench) = Bench::with_locked_pulseaudio().filter(|_| can_run() && have(&["pactl"])) else {
        return;
    };
    let root = unpacked(&bench);
    let port = free_port();
    let tcp = format!("module-native-protocol-tcp port={port} listen=127.0.0.1 auth-anonymous=1");
    let mut command = daemon(&root);
    command.args(["/usr/bin/pulseaudio", "--log-target=stderr", "-n", "--exit-idle-time=-1"]);
    command.args(["-L", "module-null-sink sink_name=void", "-L", &tcp]);
    let mut daemon = Daemon::start(&mut command, &bench.path("pulseaudio.log"));
    let pactl = |arguments: &[&str]| {
        let mut command = Command::new("pactl");
        command.env("LC_ALL", "C").args(["-s", &format!("tcp:127.0.0.1:{port}")]).args(arguments);
        command
    };
    daemon.wait(pactl(&["info"]));
    let info = Ran::of(&mut pactl(&["info"])).ok().out;
    assert!(info.contains("\nServer Version: 17") && info.contains("\nDefault Sink: void\n"), "{info}");
    assert!(info.contains("\nUser Name: pulse\n"), "{info}");
}

/// As the image starts it, by its own `default.pa`, in a network of its own.
#[test]
fn real_mirror_pulseaudio_starts_by_its_own_settings() {
    let Some(bench) = Bench::with_locked_pulseaudio().filter(|_| can_run() && have(&["pactl", "nsenter"]))
    else {
        return;
    };
    if !is_root() {
        return;
    }
    let root = unpacked(&bench);
    let log = bench.path("pulseaudio.log");
    let mut command = daemon(&root);
    command.args(["--unshare-net", "--info-fd", "1", "/usr/bin/pulseaudio", "--log-target=stderr"]);
    let mut daemon = Daemon::start(&mut command, &log);
    let mut process = String::new();
    daemon.wait_until(|| {
        let words = fs::read_to_string(&log).unwrap();
        let after = words.split_once("\"child-pid\":").map(|(_, after)| after.trim_start().to_owned());
        process = after.unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
        !process.is_empty()
    });
    let pactl = |arguments: &[&str]| {
        let mut command = Command::new("nsenter");
        command.args(["-t", &process, "-n", "pactl", "-s", "tcp:127.0.0.1:4713"]).env("LC_ALL", "C");
        command.args(arguments);
        command
    };
    daemon.wait(pactl(&["info"]));
    let info = Ran::of(&mut pactl(&["info"])).ok().out;
    // No card in there: the sink is the one of module-always-sink.
    assert!(info.contains("\nServer Version: 17") && info.contains("\nDefault Sink: auto_null\n"), "{info}");
    let modules = Ran::of(&mut pactl(&["list", "short", "modules"])).ok().out;
    for module in ["module-always-sink", "module-native-protocol-unix", "module-suspend-on-idle"] {
        assert!(modules.contains(module), "{modules}");
    }
}
