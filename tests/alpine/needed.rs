//! What a layer that keeps `needed` has of Alpine's real packages, and that it runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use rootforge::arch::Arch;

use crate::alpine::apks::{Repository, key};
use crate::alpine::corpus::{corpus, repository};
use crate::support::Rig;
use crate::support::rig::run;
use crate::tools::have;

/// A shell script that is started through one of busybox's links and calls another, and its library of words.
const APP: &str = r#"Package: app
Depend: /bin/sh so:libz.so.1
/usr/bin/app 0755 #!/usr/bin/env sh\n. /usr/share/app/words\necho "$(basename /a/$WORD)"\n
/usr/share/app/words 0644 WORD=ran\n
/usr/lib/app/plugin.so elf needed=libz.so.1,libc.musl-x86_64.so.1
/etc/conf.d/app 0644 conf"#;

/// A package whose maker has forgotten what it depends on.
const FORGETFUL: &str = "Package: forgetful
/usr/bin/forgetful elf program interp=/lib/ld-musl-x86_64.so.1 needed=libz.so.1,libc.musl-x86_64.so.1
";

/// The image's files and links below a directory that it was unpacked to.
fn paths(root: &Path, below: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(below).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            paths(root, &entry.path(), found);
        } else {
            found.insert(format!("/{}", entry.path().strip_prefix(root).unwrap().display()));
        }
    }
}

/// Builds a layer of these packages from the corpus and the packages above, into a directory.
fn built(packages: &str, more: &str) -> Option<(Rig, BTreeSet<String>)> {
    let (_, key) = (corpus()?, key()?);
    let rig = Rig::new();
    rig.write(&key.name, key.public());
    Repository::of(APP, &[Arch::Amd64]).write(&rig.work("repo"), key);
    let own = crate::alpine::apks::repository("repo");
    let layer = format!("[[layer]]\nname = \"main\"\npackages = [{packages}]\n{more}\n");
    rig.write("r.toml", format!("name = \"r\"\n{layer}{}{own}", repository("v3.20")));
    let images = rig.run(&["build", "r.toml", "--arch", "amd64"]).ok();
    assert!(!images.err.contains("warning"), "{}", images.err);
    rig.run(&["check", "oci:images:r"]).ok();
    rig.run(&["build", "r.toml", "--arch", "amd64", "--output", "dir:root"]).ok();
    let (root, mut found) = (rig.work("root"), BTreeSet::new());
    paths(&root, &root, &mut found);
    Some((rig, found))
}

/// Runs a program of the image.
fn runs(rig: &Rig, words: &[&str]) -> Option<String> {
    if !cfg!(target_arch = "x86_64") || !have(&["bwrap"]) {
        return None;
    }
    let mut command = Command::new("bwrap");
    command.arg("--bind").arg(rig.work("root")).args(["/", "--proc", "/proc", "--dev", "/dev"]);
    command.args(["--unshare-net", "--unshare-pid", "--die-with-parent", "--clearenv"]);
    command.args(["--setenv", "PATH", "/usr/bin:/bin"]);
    Some(run(command.args(words)).ok().out)
}

#[test]
fn a_script_has_its_shell_and_the_links_it_goes_by() {
    let Some((rig, found)) = built(r#""app""#, "") else { return };
    let is_there = |path: &str| found.contains(path);
    for path in [
        "/bin/busybox",
        "/bin/sh",
        "/lib/ld-musl-x86_64.so.1",
        "/lib/libz.so.1",
        "/lib/libz.so.1.3.1",
        "/usr/bin/app",
        "/usr/bin/env",
        "/usr/lib/app/plugin.so",
    ] {
        assert!(is_there(path), "{path} is not in {found:?}");
    }
    // What busybox has beside its program, what runs services, and what nobody asked for.
    for path in ["/etc/securetty", "/usr/share/udhcpc/default.script", "/etc/conf.d/app", "/sbin/apk"] {
        assert!(!is_there(path), "{path} is in {found:?}");
    }
    if let Some(out) = runs(&rig, &["/usr/bin/app"]) {
        assert_eq!(out, "ran\n");
    }
}

#[test]
fn a_program_has_its_libraries_and_their_data() {
    let Some((rig, found)) = built(r#""apk-tools""#, "") else { return };
    let outside: Vec<&str> = found
        .iter()
        .map(String::as_str)
        .filter(|path| !path.starts_with("/lib/apk/db/") && !path.starts_with("/etc/"))
        .collect();
    assert_eq!(
        outside,
        [
            "/lib/ld-musl-x86_64.so.1",
            "/lib/libapk.so.2.14.0",
            "/lib/libc.musl-x86_64.so.1",
            "/lib/libcrypto.so.3",
            "/lib/libssl.so.3",
            "/lib/libz.so.1",
            "/lib/libz.so.1.3.1",
            "/sbin/apk",
            "/usr/lib/engines-3/afalg.so",
            "/usr/lib/engines-3/capi.so",
            "/usr/lib/engines-3/loader_attic.so",
            "/usr/lib/engines-3/padlock.so",
            "/usr/lib/ossl-modules/legacy.so",
            "/var/run",
        ]
    );
    assert!(found.contains("/etc/ssl/certs/ca-certificates.crt"), "{found:?}");
    if let Some(out) = runs(&rig, &["/sbin/apk", "--version"]) {
        assert!(out.starts_with("apk-tools 2.14.4"), "{out}");
    }
}

#[test]
fn a_program_that_opens_connections_has_certificates_on_demand() {
    let Some((rig, found)) = built(r#""ssl_client""#, "") else { return };
    assert!(found.contains("/etc/ssl/certs/ca-certificates.crt"), "{found:?}");
    let lock = rig.read("r.lock");
    let (_, bundle) = lock.split_once("name = \"ca-certificates-bundle\"\n").unwrap();
    let (bundle, _) = bundle.split_once("[[package]]").unwrap_or((bundle, ""));
    assert!(bundle.contains("on-demand = true"), "{bundle}");
    let Some((rig, found)) = built(r#""scanelf""#, "") else { return };
    assert!(rig.read("r.lock").contains("ca-certificates-bundle"), "{}", rig.read("r.lock"));
    assert!(!found.contains("/etc/ssl/certs/ca-certificates.crt"), "{found:?}");
    let Some((rig, _)) = built(r#""scanelf", "!ca-certificates-bundle""#, "") else { return };
    assert!(!rig.read("r.lock").contains("name = \"ca-certificates-bundle\""), "{}", rig.read("r.lock"));
}

#[test]
fn what_has_a_library_that_nobody_depends_on_is_named() {
    let (Some(_), Some(key)) = (corpus(), key()) else { return };
    let rig = Rig::new();
    rig.write(&key.name, key.public());
    Repository::of(FORGETFUL, &[Arch::Amd64]).write(&rig.work("repo"), key);
    let layer = "[[layer]]\nname = \"main\"\npackages = [\"forgetful\", \"musl\"]\n";
    let own = crate::alpine::apks::repository("repo");
    rig.write("r.toml", format!("name = \"r\"\n{layer}{}{own}", repository("v3.20")));
    let failed = rig.run(&["build", "r.toml", "--arch", "amd64"]);
    assert_eq!(failed.code, Some(1), "{}", failed.err);
    let hint = "hint: add to the layer's `packages`: \"zlib\", which has `libz.so.1`";
    assert!(failed.err.contains("needs `libz.so.1`") && failed.err.contains(hint), "{}", failed.err);
}

#[test]
fn the_path_file_of_the_recipe_counts() {
    let more = "files = [{ path = \"/etc/ld-musl-x86_64.path\", content = \"/opt/none\\n/lib\\n\" }]";
    let Some((rig, _)) = built(r#""scanelf""#, more) else { return };
    assert!(runs(&rig, &["/usr/bin/scanelf", "-V"]).is_none_or(|out| out.contains("pax-utils")));
    rig.write("r.toml", rig.read("r.toml").replace("\\n/lib\\n", "").replace("scanelf", "apk-tools"));
    let failed = rig.run(&["build", "r.toml", "--arch", "amd64"]);
    assert_eq!(failed.code, Some(1), "{}", failed.err);
    assert!(failed.err.contains("/sbin/apk (from apk-tools) needs `libcrypto.so.3`"), "{}", failed.err);
}
