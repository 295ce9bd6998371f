//! `rootforge test`: commands in the image, as the image's user, in a sandbox of this machine's; Alpine's real
//! busybox, for this machine's architecture and under emulation.

use std::process::Command;

use serde_json::Value;

use crate::alpine::corpus::{corpus, repository};
use crate::support::Rig;
use crate::support::rig::{Ran, run};
use crate::tools::{ARCHITECTURES, have, is_root};

/// A rig with busybox in an image of a user's own; none, saying so, without the corpus or a sandbox.
fn rig(tests: &str) -> Option<Rig> {
    corpus()?;
    if !cfg!(target_arch = "x86_64") || !have(&["bwrap", "strace"]) {
        return None;
    }
    let rig = Rig::new();
    rig.write(
        "r.toml",
        format!(
            "name = \"r\"\n[[layer]]\nname = \"box\"\nkeep = \"all\"\npackages = [\"busybox\"]\n\
             files = [{{ path = \"/srv/red\", type = \"dir\", owner = \"red:red\", mode = \"0700\" }}]\n\
             [[user]]\nname = \"red\"\nuid = 1234\nhome = \"/srv/red\"\n\
             [[variant.more.layer]]\nname = \"more\"\nfiles = [{{ path = \"/etc/motd\", content = \"hello\" }}]\n\
             [[variant.more.test]]\nrun = [\"cat\", \"/etc/motd\"]\nstdout = \"hello\"\n\
             [image]\nuser = \"red\"\nworkdir = \"/srv/red\"\nenv = {{ COLOUR = \"red\" }}\n{tests}{}",
            repository("v3.20")
        ),
    );
    Some(rig)
}

fn test(rig: &Rig, more: &[&str]) -> Ran {
    run(&mut rig.bare(&[&["test", "r.toml", "--json"], more].concat()))
}

/// As it is told to machines.
fn told(ran: &Ran) -> Vec<Value> {
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    told["tests"].as_array().unwrap().clone()
}

const SOUND: &str = r#"
[[test]]
run = ["sh", "-c", "id -u; id -g; pwd; echo $HOME $COLOUR $GREEN; cat"]
stdin = "words\n"
env = { GREEN = "green" }
stdout = "1234\n1234\n/srv/red\n/srv/red red green\nwords\n"

[[test]]
run = ["sh", "-c", "touch /tmp/x && ! touch /srv/red/x && ! touch /x && ls /tmp"]
stdout = "x"
stderr = "Read-only file system"

[[test]]
run = ["sh", "-c", "ls -A /tmp; touch /srv/red/x; ls /srv/red; exit 7"]
writable = ["/srv/red"]
stdout = "x\n"
status = 7

[[test]]
run = ["sh", "-c", "id -u; touch /run/x; ifconfig -a | grep -c Link; exec env -i /bin/uname -m"]
user = "root"
stdout = "0\n1\n"
"#;

#[track_caller]
fn all_pass(ran: &Ran, count: usize) {
    let failed: Vec<Value> = told(ran).into_iter().filter(|test| test["passed"] != true).collect();
    assert!(failed.is_empty() && ran.code == Some(0), "{failed:#?}\n{}", ran.err);
    assert_eq!(told(ran).len(), count);
}

#[test]
fn tests_run_as_the_image_would() {
    let Some(rig) = rig(SOUND) else { return };
    all_pass(&test(&rig, &["--arch", "amd64"]), 4);
    // Nothing of it is left, in the layout or beside it.
    assert!(!rig.work("images").exists());
    assert!(rig.leftovers().is_empty());
    // A variant has its own tests too.
    all_pass(&test(&rig, &["--arch", "amd64", "--variant", "more"]), 5);
}

#[test]
fn without_bubblewrap_unshare_does_it() {
    let Some(rig) = rig(SOUND) else { return };
    if !is_root() || !have(&["unshare", "mount"]) {
        return;
    }
    let inner = rig.bare(&["test", "r.toml", "--json", "--arch", "amd64"]);
    let hidden = "for place in /usr/bin/bwrap /bin/bwrap /usr/local/bin/bwrap; do \
                  [ ! -e $place ] || mount --bind /dev/null $place || exit 99; done; exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", hidden, "sh"]).arg(inner.get_program()).args(inner.get_args());
    command.current_dir(rig.work("")).env("HOME", rig.path("home")).env("TMPDIR", rig.path(""));
    all_pass(&run(&mut command), 4);
}

#[test]
fn other_architectures_run_under_emulation_children_and_all() {
    let tests = "[[test]]\nrun = [\"uname\", \"-m\"]\n\
                 [[test]]\nrun = [\"sh\", \"-c\", \"/bin/busybox uname -m; id -u\"]\nstdout = \"1234\"\n";
    let Some(rig) = rig(tests) else { return };
    let emulators: Vec<&str> = ARCHITECTURES.iter().map(|one| one.emulator[0]).collect();
    if !have(&emulators) {
        return;
    }
    let ran = test(&rig, &["--arch", "arm32v6,arm64,s390x"]);
    let told = told(&ran);
    assert_eq!(told.len(), 6);
    for (number, machine) in ["armv6l", "aarch64", "s390x"].into_iter().enumerate() {
        let [alone, child] = &told[number * 2..number * 2 + 2] else { panic!() };
        assert_eq!(
            (&alone["passed"], &alone["stdout"]),
            (&Value::Bool(true), &Value::from(format!("{machine}\n"))),
            "{alone}"
        );
        // Kernels before 6.7 know one table of emulators for the whole machine.
        if !ran.err.contains("cannot be told of the emulator") {
            assert_eq!(child["stdout"], format!("{machine}\n1234\n"), "{child}");
        }
    }
}

#[test]
fn what_fails_says_how_and_what_was_not_found() {
    let tests = "[[test]]\nrun = [\"sh\", \"-c\", \"echo out; cat /usr/share/nothing; exit 3\"]\nstdout = \"other\"\n\
                 [[test]]\nrun = [\"sleep\", \"60\"]\ntimeout = \"200ms\"\n\
                 [[test]]\nrun = [\"no-such-program\"]\n\
                 [[test]]\nrun = [\"cat\", \"/usr/share/man/left-out\"]\n\
                 [[test]]\nrun = [\"true\"]\n";
    let Some(rig) = rig(tests) else { return };
    let ran = run(&mut rig.bare(&["test", "r.toml", "--arch", "amd64"]));
    assert_eq!(ran.code, Some(1));
    for words in [
        "failed: amd64: sh -c echo out; cat /usr/share/nothing; exit 3\n  it exited with 3, and was to exit with 0\n  \
         its stdout does not hold \"other\"\n  stdout: out\n  stderr: cat: can't open '/usr/share/nothing'",
        "  not found: /usr/share/nothing\n",
        "failed: amd64: sleep 60\n  it took too long, and was stopped\n",
        "failed: amd64: no-such-program\n",
        "/no-such-program\n",
        "passed: amd64: true\n",
    ] {
        assert!(ran.out.contains(words), "not said: {words}\n{}", ran.out);
    }
    assert!(ran.err.contains("5 tests, 4 failed"), "{}", ran.err);
    let told = told(&test(&rig, &["--arch", "amd64"]));
    assert_eq!(told[0]["missing"][0]["path"], "/usr/share/nothing");
    assert_eq!(told[4]["missing"], serde_json::json!([]));
}

#[test]
fn what_cannot_be_tested_is_an_error() {
    let Some(rig) = rig("[[test]]\nrun = [\"true\"]\nuser = \"nobody-there\"\n") else { return };
    let ran = run(&mut rig.bare(&["test", "r.toml", "--arch", "amd64"]));
    ran.fails(1, &["the image has no user `nobody-there`", "define it by `[[user]]`"]);
    let text = rig.read("r.toml");
    let (before, _) = text.split_once("[[test]]").unwrap();
    rig.write("r.toml", format!("{before}{}", repository("v3.20")));
    let ran = run(&mut rig.bare(&["test", "r.toml", "--arch", "amd64"]));
    ran.fails(2, &["r.toml has no tests", "add `[[test]]` with"]);
}
