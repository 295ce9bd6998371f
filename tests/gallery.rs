//! The recipes that come with rootforge, on the real mirror: each image is built, passes its own tests under
//! `rootforge test`, is sound, links in the eyes of the real loader, and its program does its work.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::real_archive::bench::{Bench, Ran, free_port, tell_sizes, unpacked, whole_release};
use crate::real_archive::root::{can_run, libraries, link_all, links, sandbox};
use crate::tools::{Daemon, Podman, have, is_root};

/// A directory with the recipes and all that is beside them.
pub(crate) fn bench() -> Option<Bench> {
    let bench = Bench::new().filter(|_| can_run())?;
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes"), &bench.path(""));
    Some(bench)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.path().extension().is_none_or(|extension| extension != "lock") {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// All four architectures, the others than this machine's under emulation, as `rootforge test` runs them.
#[track_caller]
fn works_everywhere(names: &[&str]) {
    let Some(bench) = bench() else { return };
    if !have(&["qemu-aarch64-static"]) {
        return;
    }
    let bench = bench.on_release(whole_release());
    for name in names {
        let without = ["--without", "updates", "--without", "security"];
        let ran =
            bench.run(&[&["test", &format!("{name}.toml"), "--arch", "all"], &without[..]].concat()).ok();
        // What a distro does not build for an architecture, the recipe does not name.
        let text = fs::read_to_string(bench.path(&format!("{name}.toml"))).unwrap();
        let meant =
            text.lines().find(|line| line.starts_with("arch = ")).unwrap_or("amd64 arm32v6 arm64 s390x");
        for arch in ["amd64", "arm32v6", "arm64", "s390x"].into_iter().filter(|arch| meant.contains(arch)) {
            assert!(ran.out.contains(&format!("passed: {arch}: ")), "{name}: {}", ran.out);
        }
    }
}

#[test]
fn the_small_ones_run_on_every_architecture() {
    works_everywhere(&["bash", "redis", "go-static"]);
}

#[test]
#[ignore = "takes minutes: big packages, and emulation"]
fn the_large_ones_run_on_every_architecture() {
    works_everywhere(&[
        "nginx",
        "curl",
        "python3",
        "debian-slim",
        "pulseaudio",
        "node",
        "java",
        "postgresql",
    ]);
}

/// Builds, tests and links a recipe's image for amd64, which holds so many bytes at most: its root.
#[track_caller]
fn works(bench: &Bench, name: &str, most: u64) -> PathBuf {
    let recipe = format!("{name}.toml");
    let built = bench.build(&[&recipe, "--arch", "amd64"]);
    tell_sizes(&built);
    assert!(unpacked(&built) <= most, "{name}: {} bytes", unpacked(&built));
    bench.run(&["test", &recipe, "--arch", "amd64"]).ok();
    bench.run(&["check", &format!("oci:images:{name}")]).ok();
    let root = bench.unpack(name);
    let (count, failures) = link_all(&root, "/lib64/ld-linux-x86-64.so.2");
    assert!(count > 2 && failures.is_empty(), "{name}, {count}: {failures:#?}");
    root
}

/// What a real container runtime makes of the image, with other arguments than its own where some are given.
#[track_caller]
fn runs_in_podman(bench: &Bench, name: &str, arguments: &[&str], says: &str) {
    podman_run(bench, name, &[], arguments, says);
}

/// The same with options before the image's name.
#[track_caller]
fn podman_run(bench: &Bench, name: &str, options: &[&str], arguments: &[&str], says: &str) {
    if !have(&["podman", "runc"]) || !is_root() {
        return;
    }
    let podman = Podman::new(&bench.path(""));
    let image = format!("oci:images:{name}");
    let run = ["run", "--rm", "--network", "none"];
    let said = podman.run(&[&run, options, &[&image], arguments].concat());
    assert!(said.contains(says), "{name}: {said}");
}

/// The sandbox as a user of the image.
fn as_user(root: &Path, name: &str) -> Command {
    let passwd = fs::read_to_string(root.join("etc/passwd")).unwrap();
    let mut fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let user = fields.find(|fields| fields[0] == name).unwrap();
    let mut command = sandbox(root);
    command.args(["--uid", user[2], "--gid", user[3], "--tmpfs", "/run"]);
    command
}

#[test]
fn gallery_bash() {
    let Some(bench) = bench() else { return };
    works(&bench, "bash", 4_000_000);
    runs_in_podman(&bench, "bash", &["bash", "-c", "echo $BASH_VERSION"], "5.");
}

/// No library is there for nothing: without any one of them the real loader fails for some file, and what it
/// takes for none is there by another rule than that something links with it.
#[test]
fn the_closure_is_minimal() {
    let Some(bench) = bench() else { return };
    let loader = "/lib64/ld-linux-x86-64.so.2";
    bench.build(&["nginx.toml", "--arch", "amd64"]);
    let root = bench.unpack("nginx");
    let taken = libraries(&root, loader);
    assert!(taken.len() > 5, "{taken:?}");
    let directory = root.join("usr/lib/x86_64-linux-gnu");
    let mut objects: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.to_str().unwrap().contains(".so") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            objects.entry(fs::canonicalize(&path).unwrap()).or_default().push(name);
        }
    }
    for (object, names) in objects {
        let user =
            taken.iter().find(|(path, _)| names.iter().any(|name| path.ends_with(&format!("/{name}"))));
        if let Some((_, user)) = user {
            let aside = bench.path("aside");
            fs::rename(&object, &aside).unwrap();
            assert!(!links(&root, loader, user), "{user} links without {}", object.display());
            fs::rename(&aside, &object).unwrap();
            assert!(links(&root, loader, user));
        } else {
            let inside = format!("/{}", object.strip_prefix(&root).unwrap().display());
            let why = bench.run(&["why", "nginx.toml", &inside, "--arch", "amd64", "--json"]).ok().out;
            assert!(why.contains("\"rule\":") && !why.contains("\"rule\":\"library\""), "{inside}: {why}");
        }
    }
}

#[test]
fn gallery_curl() {
    let Some(bench) = bench() else { return };
    let root = works(&bench, "curl", 28_000_000);
    let bundle = fs::read_to_string(root.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    let own = fs::read_dir(root.join("usr/share/ca-certificates/mozilla")).unwrap().count();
    assert!(own > 100 && bundle.matches("BEGIN CERTIFICATE").count() == own, "{own}");
    runs_in_podman(&bench, "curl", &["--version"], "OpenSSL/3");
}

#[test]
fn gallery_go_static() {
    let Some(bench) = bench() else { return };
    bench.build(&["go-static.toml", "--arch", "amd64"]);
    bench.run(&["test", "go-static.toml", "--arch", "amd64"]).ok();
    let root = bench.unpack("go-static");
    assert!(root.join("etc/ssl/certs/ca-certificates.crt").exists() && !root.join("usr/lib").exists());
    runs_in_podman(&bench, "go-static", &[], "go1.");
}

#[test]
fn gallery_debian_slim() {
    let Some(bench) = bench() else { return };
    let root = works(&bench, "debian-slim", 70_000_000);
    let installed =
        Ran::of(sandbox(&root).args(["dpkg-query", "--show", "--showformat=${Package} "])).ok().out;
    assert!(installed.split(' ').count() > 60 && installed.contains("apt base-files"), "{installed}");
    // What is listed is there, with the content that the checksums tell.
    assert_eq!(Ran::of(sandbox(&root).args(["dpkg", "--verify"])).ok().out, "");
    let owner = Ran::of(sandbox(&root).args(["dpkg", "--search", "/usr/bin/ls"])).ok().out;
    assert_eq!(owner, "coreutils: /usr/bin/ls\n");
    // Nothing is half installed: apt could go on from here.
    Ran::of(sandbox(&root).args(["apt-get", "check"])).ok();
    let purged = Ran::of(sandbox(&root).args(["apt-get", "remove", "--simulate", "hostname"])).ok().out;
    assert!(purged.contains("Remv hostname"), "{purged}");
    runs_in_podman(&bench, "debian-slim", &["apt-get", "--version"], "apt 3.");
}

#[test]
fn gallery_nginx_serves_a_page() {
    let Some(bench) = bench() else { return };
    let port = free_port();
    let settings = bench.path("nginx/nginx.conf");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace("listen 8080;", &format!("listen 127.0.0.1:{port};"))).unwrap();
    let root = works(&bench, "nginx", 21_000_000);
    let mut nginx = as_user(&root, "www-data");
    nginx.args(["--tmpfs", "/var/lib/nginx", "/usr/sbin/nginx"]);
    let mut nginx = Daemon::start(&mut nginx, &bench.path("nginx.log"));
    nginx.wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut page = String::new();
    connection.read_to_string(&mut page).unwrap();
    assert!(
        page.starts_with("HTTP/1.1 200 OK") && page.contains("text/html") && page.contains("It works."),
        "{page}"
    );
    runs_in_podman(&bench, "nginx", &["-t"], "");
}

#[test]
fn gallery_redis_keeps_what_it_is_told() {
    let Some(bench) = bench() else { return };
    let root = works(&bench, "redis", 26_000_000);
    let port = free_port().to_string();
    let mut redis = as_user(&root, "redis");
    redis.args([
        "--tmpfs",
        "/var/lib/redis",
        "/usr/bin/redis-server",
        "--port",
        &port,
        "--bind",
        "127.0.0.1",
    ]);
    let mut redis = Daemon::start(&mut redis, &bench.path("redis.log"));
    let client = |words: &[&str]| {
        let mut client = as_user(&root, "redis");
        client.args(["redis-cli", "-p", &port]).args(words);
        client
    };
    redis.wait(client(&["PING"]));
    assert_eq!(Ran::of(&mut client(&["SET", "key", "kept"])).ok().out, "OK\n");
    assert_eq!(Ran::of(&mut client(&["GET", "key"])).ok().out, "kept\n");
    // Its own words end in a settings file, after which there is nothing but settings.
    podman_run(&bench, "redis", &["--entrypoint", "redis-server"], &["--version"], "Redis server v=");
}

#[test]
fn gallery_python3() {
    let Some(bench) = bench() else { return };
    works(&bench, "python3", 42_000_000);
    runs_in_podman(&bench, "python3", &["-c", "import ssl; print(ssl.OPENSSL_VERSION)"], "OpenSSL 3");
}

#[test]
fn gallery_postgresql_answers_a_query() {
    let Some(bench) = bench() else { return };
    let root = works(&bench, "postgresql", 120_000_000);
    let data = bench.path("data");
    fs::create_dir(&data).unwrap();
    let port = free_port().to_string();
    let program = |words: &[&str]| {
        let mut command = as_user(&root, "postgres");
        command.arg("--bind").arg(&data).arg("/tmp/data");
        command.arg(format!("/usr/lib/postgresql/17/bin/{}", words[0])).args(&words[1..]);
        command
    };
    Ran::of(&mut program(&["initdb", "--no-sync", "--auth=trust", "-U", "postgres", "/tmp/data"])).ok();
    let mut server = Daemon::start(
        &mut program(&["postgres", "-D", "/tmp/data", "-p", &port, "-k", "/tmp"]),
        &bench.path("log"),
    );
    let query =
        |text: &str| program(&["psql", "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-Atc", text]);
    server.wait(query("select 1"));
    let ran = Ran::of(&mut query("select sum(n), lower('CAFE') from generate_series(1, 10) n")).ok();
    assert_eq!(ran.out, "55|cafe\n");
    runs_in_podman(&bench, "postgresql", &["--version"], "(PostgreSQL) 17");
}

#[test]
fn gallery_java_runs_a_class() {
    let Some(bench) = bench() else { return };
    // Its own libraries are plug-ins of a process that has the virtual machine already, and the one for fonts wants
    // what a machine without a display may lack: the real loader cannot judge them one by one.
    let built = bench.build(&["java.toml", "--arch", "amd64"]);
    tell_sizes(&built);
    assert!(unpacked(&built) <= 184_000_000);
    bench.run(&["test", "java.toml", "--arch", "amd64"]).ok();
    bench.run(&["check", "oci:images:java"]).ok();
    runs_in_podman(&bench, "java", &[], "localhost is 127.0.0.1");
}

#[test]
fn gallery_node_computes() {
    let Some(bench) = bench() else { return };
    works(&bench, "node", 120_000_000);
    runs_in_podman(&bench, "node", &["-p", "6 * 7"], "42");
}
