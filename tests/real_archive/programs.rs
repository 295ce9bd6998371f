//! Programs of many kinds, each from a recipe that says no more than its package.
//!
//! Their names are resolved, locales and certificates found by rules that are not here yet; what is asserted
//! is that each starts, does some work, and that the real loader finds every library of every file.

use crate::real_archive::bench::{Bench, Ran, called, tell_sizes, unpacked};
use crate::real_archive::root::{can_run, link_all, sandbox};

/// A command, and what it has to say on stdout or stderr.
type Says<'a> = (&'a [&'a str], &'a str);

/// Builds, checks and links an image of a package, or of several with spaces between, then runs its programs.
#[track_caller]
fn works(package: &str, layer: &str, commands: &[Says<'_>]) -> Option<u64> {
    works_on("debian:trixie", package, layer, commands)
}

#[track_caller]
fn works_on(from: &str, package: &str, layer: &str, commands: &[Says<'_>]) -> Option<u64> {
    let bench = Bench::new().filter(|_| can_run())?;
    let recipe = bench.recipe(from, package, layer);
    let built = bench.build(&[&recipe, "--arch", "amd64"]);
    tell_sizes(&built);
    bench.run(&["check", &format!("oci:images:{}", called(package))]).ended(0, &["nothing is wrong"]);
    let root = bench.unpack(&called(package));
    let (count, failures) = link_all(&root, "/lib64/ld-linux-x86-64.so.2");
    assert!(count > 2 && failures.is_empty(), "{package}, {count}: {failures:#?}");
    for (command, expected) in commands {
        let ran = Ran::of(sandbox(&root).arg("--unshare-net").args(*command)).ok();
        let said = format!("{}{}", ran.out, ran.err);
        assert!(said.contains(expected), "{command:?}: {said}");
    }
    Some(unpacked(&built))
}

#[test]
fn real_mirror_bash_listed() {
    let layer = "keep = \"listed\"\ninclude = [\"/bin/bash\"]";
    let commands: [Says<'_>; 2] =
        [(&["/bin/bash", "-c", "echo hi"], "hi\n"), (&["bash", "--version"], "GNU bash, version 5.2")];
    if let Some(size) = works("bash", layer, &commands) {
        assert!(size <= 4_300_000, "{size} bytes");
    }
}

#[test]
fn real_mirror_coreutils() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    works("coreutils", "", &[(&["ls", "--version"], "GNU coreutils"), (&["sha256sum", "/dev/null"], empty)]);
}

#[test]
fn real_mirror_curl() {
    let file: Says<'_> = (&["curl", "-s", "file:///etc/passwd"], "root:");
    works("curl", "", &[(&["curl", "--version"], "libcurl/8."), file]);
}

#[test]
fn real_mirror_nginx() {
    works("nginx", "", &[(&["nginx", "-v"], "nginx/1."), (&["nginx", "-V"], "--with-")]);
}

#[test]
fn real_mirror_redis() {
    let version = (&["redis-server", "--version"][..], "Redis server v=");
    works("redis-server", "", &[version, (&["redis-cli", "--version"], "redis-cli ")]);
}

#[test]
fn real_mirror_python() {
    let json: Says<'_> = (&["python3", "-c", "import json, re; print(json.dumps({1: 2}))"], "{\"1\": 2}");
    works("python3-minimal", "", &[(&["python3", "--version"], "Python 3.13"), json]);
}

#[test]
fn real_mirror_git() {
    let script = "cd /tmp && git init -q && \
                  git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first && git log --oneline";
    works("git", "", &[(&["git", "--version"], "git version 2."), (&["sh", "-c", script], " first\n")]);
}

#[test]
fn real_mirror_jq() {
    works("jq", "", &[(&["jq", "--version"], "jq-1."), (&["jq", "-n", "-c", "[1 + 1]"], "[2]\n")]);
}

#[test]
fn real_mirror_openssh_client() {
    works("openssh-client", "", &[(&["ssh", "-V"], "OpenSSH_"), (&["ssh", "-Q", "cipher"], "aes256-ctr")]);
}

#[test]
fn real_mirror_openssh_server() {
    let start = "ssh-keygen -q -t ed25519 -N '' -f /tmp/key && /usr/sbin/sshd -t -h /tmp/key && echo ready";
    works("openssh-server", "", &[(&["sh", "-c", start], "ready\n")]);
}

#[test]
fn real_mirror_lua_modules() {
    let modules = "print(require('lfs').attributes('/usr/bin').mode, require('lxp')._VERSION)";
    works("prosody", "", &[(&["lua5.4", "-e", modules], "directory\tLuaExpat")]);
}

#[test]
fn real_mirror_nss() {
    // It makes keys with what NSS opens for that; it says nothing, and its status tells.
    works("libnss3-tools", "", &[(&["certutil", "-N", "-d", "/tmp", "--empty-password"], "")]);
}

#[test]
fn real_mirror_modules_of_an_interpreter_in_a_lower_layer() {
    let upper = "[[layer]]\nname = \"top\"\npackages = [\"supervisor\"]";
    works("python3-minimal", upper, &[(&["supervisord", "--version"], "4.")]);
}

#[test]
fn real_mirror_compiler() {
    // The headers of a layer above are there as well: the recipe names what reads them.
    let library = "[[layer]]\nname = \"library\"\npackages = [\"libc6-dev\"]";
    let program = "#include <stdio.h>\nint main(void) { return puts(\"compiled\") < 0; }";
    let script = format!("cd /tmp && echo '{program}' > a.c && gcc -O1 a.c -o a && ./a");
    works("gcc", library, &[(&["sh", "-c", &script], "compiled\n")]);
}

#[test]
fn real_mirror_commands_that_only_texts_name() {
    // gpg stands in a module of Python's, rsync in settings, the paths of ping and gzip in programs.
    let backup: &[&str] = &["duplicity", "backup", "--no-encryption", "/etc", "file:///tmp/backup"];
    works("duplicity", "", &[(backup, "Errors 0\n")]);
    works("rsnapshot", "", &[(&["rsync", "--version"], "rsync  version 3.")]);
    let tools = "[[layer]]\nname = \"tools\"\npackages = [\"bash\", \"coreutils\"]";
    let rotate = "cd /tmp && echo text > log && printf '/tmp/log {\\ncompress\\nrotate 1\\n}\\n' > conf && chmod 600 conf && \
                  logrotate -f -s state conf && ls log*";
    works(
        "logrotate monitoring-plugins-basic",
        tools,
        &[(&["bash", "-c", rotate], "log.1.gz\n"), (&["ping", "-V"], "ping from iputils")],
    );
}

/// dash of bookworm takes its `sh` away and makes it anew, which a rule that wants a shell alone does not do.
#[test]
fn real_mirror_a_shell_on_bookworm() {
    let shell: &[&str] = &["sqlite3", ":memory:", ".shell echo by a shell"];
    works_on("debian:bookworm", "sqlite3", "", &[(shell, "by a shell\n")]);
}

#[test]
fn real_mirror_settings_of_a_mail_server() {
    // Its script makes the group only where giving a directory to it fails.
    let tools = "[[layer]]\nname = \"tools\"\npackages = [\"coreutils\"]";
    let looks = "stat -c '%A %n' /usr/sbin/postdrop; postconf -h daemon_directory";
    works_on(
        "debian:bookworm",
        "postfix",
        tools,
        &[(&["sh", "-c", looks], "-r-xr-sr-x /usr/sbin/postdrop\n/usr/lib/postfix/sbin\n")],
    );
}

#[test]
fn real_mirror_apache_with_php() {
    let modules = "APACHE_CONFDIR=/etc/apache2 && . /etc/apache2/envvars && apache2 -t -D DUMP_MODULES 2>&1";
    let commands: [Says<'_>; 2] =
        [(&["sh", "-c", modules], "mpm_prefork_module"), (&["sh", "-c", modules], "php_module")];
    works("apache2 libapache2-mod-php", "", &commands);
}

#[test]
fn real_mirror_name_services_and_directories_of_a_daemon() {
    let looks = "grep -h ^passwd: /etc/nsswitch.conf; stat -c '%a %U %n' /var/lib/sss /var/lib/sss/secrets; \
                 ls /etc/*will-install || :";
    let tools = "[[layer]]\nname = \"tools\"\npackages = [\"grep\", \"coreutils\"]";
    let said = "passwd:         files sss\n755 root /var/lib/sss\n700 root /var/lib/sss/secrets\nls: ";
    works("sssd-common", tools, &[(&["sh", "-c", looks], said)]);
}

/// The list of its plug-ins is what its own program makes of them.
#[test]
fn real_mirror_graphviz() {
    let Some(bench) = Bench::new().filter(|_| can_run()) else { return };
    let graph = "files = [{ path = \"/graph\", content = \"digraph { a -> b }\" }]";
    let recipe = bench.recipe("debian:trixie", "graphviz", graph);
    bench.build(&[&recipe, "--arch", "amd64"]);
    let root = bench.unpack("graphviz");
    let drawn = Ran::of(sandbox(&root).args(["dot", "-Tsvg", "/graph"])).ok();
    assert!(drawn.out.contains("<svg") && drawn.out.contains("a&#45;&gt;b"), "{}", drawn.out);
    let config = root.join("usr/lib/x86_64-linux-gnu/graphviz/config6a");
    // In the order of a directory.
    let plugins = || {
        let text = std::fs::read_to_string(&config).unwrap();
        let list = &text[text.find("libgvplugin_").unwrap()..];
        let mut plugins: Vec<String> = list.split_inclusive("\n}\n").map(str::to_owned).collect();
        plugins.sort();
        plugins
    };
    let made = plugins();
    assert!(made.len() > 5, "{made:?}");
    std::fs::remove_file(&config).unwrap();
    Ran::of(sandbox(&root).args(["dot", "-c"])).ok();
    assert_eq!(made, plugins());
}
