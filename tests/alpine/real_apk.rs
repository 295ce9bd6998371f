//! Alpine's own `apk`, started from an image, finds in it what it would have installed itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use rootforge::lock::Lock;

use crate::alpine::corpus::{MIRRORS, corpus, rig};
use crate::support::Rig;
use crate::support::rig::{Ran, run};
use crate::tools::{have, is_root, unpack};

/// An image of 3.20 for this machine, unpacked; none where it cannot be run.
fn unpacked() -> Option<(Rig, PathBuf)> {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("passed over: this machine runs no amd64 programs");
        return None;
    }
    // Owners are what is compared, and only root can set them.
    if !have(&["umoci", "bwrap"]) || !is_root() {
        return None;
    }
    let rig = rig("v3.20", "")?;
    rig.run(&["build", "r.toml", "--arch", "amd64"]).ok();
    let root = unpack(&rig.work("images"), "r", &rig.path("bundle"));
    Some((rig, root))
}

/// `apk` of the image in the image, with the corpus's mirror and key below `/tmp` and no network.
fn apk(root: &Path, arguments: &[&str]) -> Ran {
    let corpus = corpus().unwrap();
    let mut command = Command::new("bwrap");
    command.arg("--bind").arg(root).args(["/", "--proc", "/proc", "--dev", "/dev"]);
    command.args(["--perms", "1777", "--tmpfs", "/tmp", "--ro-bind"]);
    command.arg(corpus.join("v3.20/main")).args(["/tmp/repository", "--ro-bind"]);
    command.arg(corpus.join("rootforge-test-1.rsa.pub")).arg("/tmp/keys/rootforge-test-1.rsa.pub");
    command.args(["--unshare-net", "--unshare-pid", "--die-with-parent", "--clearenv"]);
    command.args(["--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin", "/sbin/apk"]);
    run(command.args(arguments))
}

/// Takes packages from the corpus alone.
const FROM: [&str; 6] =
    ["--no-network", "--no-cache", "--repository", "/tmp/repository", "--keys-dir", "/tmp/keys"];

#[test]
fn apk_lists_what_the_lock_says() {
    let Some((rig, root)) = unpacked() else { return };
    let lock = Lock::read(&rig.work("r.lock")).unwrap().unwrap();
    let locked = lock.packages.iter().map(|package| format!("{}-{}", package.name, package.version));
    let listed = apk(&root, &["info", "-v"]).ok().out;
    assert_eq!(listed.lines().map(str::to_owned).collect::<BTreeSet<_>>(), locked.collect());
    assert_eq!(listed.lines().count(), 15);
    let owner = apk(&root, &["info", "--who-owns", "/bin/sh"]).ok().out;
    assert_eq!(owner, "/bin/sh is owned by busybox-binsh-1.36.1-r29\n");
    let contents = apk(&root, &["info", "-q", "-L", "busybox"]).ok().out;
    for path in ["bin/busybox", "etc/securetty", "usr/share/udhcpc/default.script"] {
        assert!(contents.lines().any(|line| line == path), "{contents}");
    }
    let dependants = apk(&root, &["info", "-q", "-R", "apk-tools"]).ok().out;
    assert!(dependants.contains("so:libcrypto.so.3"), "{dependants}");
}

#[test]
fn apk_audit_finds_nothing_changed() {
    let Some((_rig, root)) = unpacked() else { return };
    assert_eq!(apk(&root, &["audit", "--system"]).ok().out, "");
    // The sandbox mounts a file system of its own there.
    let mounted = "m proc/\n";
    assert_eq!(apk(&root, &["audit", "--system", "--check-permissions"]).ok().out, mounted);
    // All there is and no package has: nothing of a package is changed or gone.
    let all = apk(&root, &["audit", "--full", "--check-permissions"]).ok().out.replace(mounted, "");
    assert!(all.lines().count() > 300 && all.lines().all(|line| line.starts_with("A ")), "{all}");
    // Links to busybox; apk keeps its own files out of this.
    for line in all.lines() {
        assert!(std::fs::symlink_metadata(root.join(&line[2..])).unwrap().is_symlink(), "{line}");
    }

    // It would have told.
    std::fs::write(root.join("usr/bin/ldd"), "#!/bin/sh\n").unwrap();
    std::fs::remove_file(root.join("etc/motd")).unwrap();
    std::fs::remove_file(root.join("usr/bin/getent")).unwrap();
    let system = apk(&root, &["audit", "--system"]).out;
    assert_eq!(
        system.lines().collect::<BTreeSet<_>>(),
        BTreeSet::from(["U usr/bin/ldd", "X usr/bin/getent", "X etc/motd"])
    );
}

#[test]
fn apk_finds_nothing_to_do() {
    let Some((_rig, root)) = unpacked() else { return };
    let commands: [&[&str]; 4] = [
        &["fix", "--simulate"],
        &["upgrade", "--simulate"],
        &["add", "--simulate", "busybox", "libc-utils", "so:libz.so.1"],
        &["fix", "--simulate", "--depends"],
    ];
    for command in commands {
        let said = apk(&root, &[command, &FROM].concat()).ok();
        assert_eq!((said.out.as_str(), said.err.as_str()), ("OK: 8 MiB in 15 packages\n", ""), "{command:?}");
    }
    // That it works on what it finds: with scripts and triggers, over our records.
    let said = apk(&root, &[&["fix", "--reinstall", "busybox", "musl-utils"][..], &FROM].concat()).ok().out;
    for words in ["Reinstalling busybox (1.36.1-r29)", "Executing busybox-1.36.1-r29.trigger", "OK: "] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(apk(&root, &["audit", "--system"]).ok().out, "");
    let said = apk(&root, &[&["del", "alpine-release"][..], &FROM].concat()).ok().out;
    assert!(said.contains("Purging alpine-release (3.20.3-r0)") && said.contains("in 14 packages"), "{said}");
    assert!(!root.join("etc/alpine-release").exists());
}

#[test]
fn apk_verifies_the_packages() {
    let Some((_rig, root)) = unpacked() else { return };
    for arch in MIRRORS.iter().filter(|mirror| mirror.branch == "v3.20").map(|mirror| mirror.arch_name) {
        let packages: Vec<String> = std::fs::read_dir(corpus().unwrap().join(format!("v3.20/main/{arch}")))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "APKINDEX.tar.gz")
            .map(|name| format!("/tmp/repository/{arch}/{name}"))
            .collect();
        let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
        assert_eq!(packages.len(), 15);
        let said = apk(&root, &[&["verify", "--keys-dir", "/tmp/keys"][..], &packages].concat()).ok().out;
        assert_eq!(said.lines().filter(|line| line.ends_with(" - OK")).count(), 15, "{said}");
        // With the keys that the image has, those of Alpine, no.
        let said = apk(&root, &[&["verify"][..], &packages].concat()).out;
        assert_eq!(said.lines().filter(|line| line.ends_with(" - UNTRUSTED")).count(), 15, "{said}");
    }
}
