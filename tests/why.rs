//! `rootforge why`: the way from a path or a package to the recipe, and the rule that left something out.

use serde_json::Value;

use crate::support::rig::Ran;
use crate::support::{Archive, Rig};

const PACKAGES: &str = "Package: app
 Depends: libx1, adduser, data
 /usr/bin/app elf program needed=libx.so.1 interp=/lib64/ld.so
 /usr/bin/script 0755 #!/bin/interp\\n
 /usr/share/man/man1/app.1 0644 page
 /usr/share/doc/app/copyright 0644 free
 /usr/share/secret/key 0644 key

 Package: libx1
 Depends: liby1
 /usr/lib/{triplet}/libx.so.1.5 elf soname=libx.so.1 needed=liby.so.1
 /usr/lib/{triplet}/libx.so.1 -> libx.so.1.5
 /usr/lib/{triplet}/libxextra.so.1 elf soname=libxextra.so.1
 /usr/lib64/ld.so elf soname=ld.so

 Package: liby1
 /usr/lib/{triplet}/liby.so.1 elf soname=liby.so.1

 Package: adduser
 /usr/sbin/adduser 0755 text

 Package: data
 /usr/share/data/x 0644 x
 /usr/bin/data-tool 0755 text
 /usr/bin/interp 0755 text

 Package: coreutils
 Essential: yes
 /usr/bin/ls elf program";

fn rig() -> Rig {
    let rig = Rig::with(&Archive::new(PACKAGES));
    rig.recipe(
        "[[layer]]\nname = \"main\"\npackages = [\"app\"]\nexclude = [\"/usr/share/secret\"]\n\
         files = [{ path = \"/etc/motd\", content = \"hello\\n\" }]\n\
         [strip]\ncopyright = false\n",
    );
    rig
}

fn why(rig: &Rig, subject: &str) -> Ran {
    rig.run(&["why", "r.toml", subject, "--arch", "amd64"])
}

#[track_caller]
fn says(rig: &Rig, subject: &str, lines: &[&str]) {
    let out = why(rig, subject).ok().out;
    assert_eq!(out.lines().collect::<Vec<_>>(), lines, "{out}");
}

#[test]
fn what_is_in_has_a_chain_down_to_the_recipe() {
    let rig = rig();
    let lib = "/usr/lib/x86_64-linux-gnu";
    says(
        &rig,
        &format!("{lib}/liby.so.1"),
        &[
            &format!("{lib}/liby.so.1 is in layer `main`, from liby1 1.0"),
            &format!("  {lib}/liby.so.1 <- {lib}/libx.so.1.5 (`liby.so.1` is needed by {lib}/libx.so.1.5)"),
            &format!("  {lib}/libx.so.1.5 <- /usr/bin/app (`libx.so.1` is needed by /usr/bin/app)"),
            "  /usr/bin/app <- app (of a named package)",
            "  app <- layer `main` of the recipe (named)",
        ],
    );
    // By its name alone, and by the name before the links of the merged /usr.
    let by_path = why(&rig, &format!("{lib}/liby.so.1")).ok().out;
    assert_eq!(why(&rig, "liby.so.1").ok().out, by_path);
    assert_eq!(why(&rig, "/lib/x86_64-linux-gnu/liby.so.1").ok().out, by_path);
    says(
        &rig,
        "/usr/share/data/x",
        &[
            "/usr/share/data/x is in layer `main`, from data 1.0",
            "  /usr/share/data/x <- data (of a package that is needed)",
            "  data <- app (a dependency of it)",
            "  app <- layer `main` of the recipe (named)",
        ],
    );
    let interpreter = why(&rig, "/bin/interp").ok().out;
    assert!(
        interpreter.contains("/usr/bin/interp <- /usr/bin/script (the interpreter of /usr/bin/script)"),
        "{interpreter}"
    );
    says(
        &rig,
        "/etc/motd",
        &[
            "/etc/motd is in layer `main`",
            "  /etc/motd <- layer `main` of the recipe (`files` has `/etc/motd`)",
        ],
    );
    let passwd = why(&rig, "/etc/passwd").ok().out;
    assert!(
        passwd.starts_with("/etc/passwd is in layer `main`\n  /etc/passwd <- rootforge (made "),
        "{passwd}"
    );
}

#[test]
fn what_scripts_make_is_told_with_their_package() {
    let rig = Rig::with(&Archive::new(
        "Package: app
 Depends: helper
 /usr/bin/app elf program

 Package: helper
 postinst #!/bin/sh
 postinst mkdir -p /var/lib/made
 postinst echo 1 > /etc/made
 postinst update-alternatives --install /usr/bin/x x /usr/bin/app 1
 /usr/share/helper/data 0644 x",
    ));
    rig.recipe("[[layer]]\nname = \"main\"\npackages = [\"app\"]\n");
    let helper = "  helper <- app (a dependency of it)";
    let recipe = "  app <- layer `main` of the recipe (named)";
    for path in ["/etc/made", "/var/lib/made", "/usr/bin/x", "/etc/alternatives/x"] {
        let by = format!("  {path} <- helper (its installation scripts make or change it)");
        says(&rig, path, &[&format!("{path} is in layer `main`"), &by, helper, recipe]);
    }
}

#[test]
fn what_is_left_out_names_the_rule() {
    let rig = rig();
    for (path, rule, words) in [
        ("/usr/share/man/man1/app.1", "stripped", "`man = false` below `[strip]`"),
        ("/usr/share/doc/app/copyright", "stripped", "`copyright = true` below `[strip]`"),
        ("/usr/share/secret/key", "excluded", "layer `main` excludes `/usr/share/secret`"),
        ("/usr/sbin/adduser", "helper", "`adduser` only helps to install other packages"),
        ("/usr/bin/data-tool", "command", "come in only where something kept runs them"),
        ("/usr/lib/x86_64-linux-gnu/libxextra.so.1", "unneeded", "lists it as DT_NEEDED"),
        ("/usr/bin/ls", "on-demand", "no rule asked for it"),
    ] {
        let out = why(&rig, path).ok().out;
        assert!(out.contains(" is left out: ") && out.contains(words), "{out}");
        let json = rig.run(&["why", "r.toml", path, "--arch", "amd64", "--json"]).ok().out;
        let json: Value = serde_json::from_str(&json).unwrap();
        let answer = &json[0]["answer"]["paths"][0];
        let expected = (&Value::from(path), &Value::from(false), &Value::from(rule));
        assert_eq!((&answer["path"], &answer["in"], &answer["rule"]), expected, "{out}");
    }
    // How a helper comes to be in the lock at all.
    let helper = why(&rig, "/usr/sbin/adduser").ok().out;
    assert!(helper.contains("  adduser <- app (a dependency of it)\n  app <- layer `main`"), "{helper}");
    for nothing in ["/usr/bin/nothing", "nothing"] {
        why(&rig, nothing).fails(1, &["no locked package", "for amd64", "hint: "]);
    }
}

#[test]
fn of_a_package_it_tells_what_is_in_and_what_is_not() {
    let rig = rig();
    let out = why(&rig, "libx1").ok().out;
    assert!(
        out.starts_with("libx1 1.0: 3 of 4 files are in\n  libx1 <- app (a dependency of it)\n"),
        "{out}"
    );
    assert!(
        out.contains("left out by the rule `unneeded`: 1, such as /usr/lib/x86_64-linux-gnu/libxextra.so.1"),
        "{out}"
    );
    let helper = why(&rig, "adduser").ok().out;
    assert!(helper.starts_with("adduser 1.0: 0 of 1 files are in\n"), "{helper}");
    assert!(helper.contains("name `adduser` in a layer's `packages`"), "{helper}");
    let json = rig.run(&["why", "r.toml", "app", "--arch", "amd64", "--json"]).ok().out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["answer"]["kept"][0]["rule"], "named");
    assert_eq!(json[0]["answer"]["kept"][0]["files"], 2);
}
