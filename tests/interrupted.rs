//! A build that is killed, or whose cache is changed or deleted under it: nothing half-written counts, and
//! what was left goes when it is nobody's any more.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::server::{Answer, Server};
use crate::support::{Archive, Image, Rig};
use crate::tools::{have, is_root};
use rootforge::digest::Digest;
use rootforge::oci::Layout;

const PACKAGES: &str = "Package: app
     Depends: libx1
     /usr/bin/app elf program needed=libx.so.1

     Package: libx1
     /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1";

const LAYER: &str = "[[layer]]\nname = \"main\"\npackages = [\"app\"]\n";

/// Bytes that nothing compresses, so that packing takes a while.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 24).to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(size).collect()
}

/// Files and directories in a directory whose names say that they are on their way.
fn partial(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            let name = entry.file_name().into_string().unwrap();
            name.contains(".partial-") || name.starts_with(".rootforge-")
        })
        .map(|entry| entry.path())
        .collect()
}

fn size_of(path: &Path) -> u64 {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| size_of(&entry.path())).sum()
        }
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    }
}

/// Starts a build and kills it when something half-written is in a directory: that.
fn kill_in_the_middle(rig: &Rig, args: &[&str], directory: &Path) -> PathBuf {
    let before = partial(directory);
    let mut child = rig.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let found = loop {
        let mut new = partial(directory).into_iter().filter(|path| !before.contains(path));
        if let Some(found) = new.find(|path| size_of(path) > 1 << 20) {
            break found;
        }
        assert!(child.try_wait().unwrap().is_none() && Instant::now() < deadline, "not met in the middle");
        std::thread::sleep(Duration::from_millis(1));
    };
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "it had ended");
    assert!(found.exists(), "it had ended");
    found
}

#[test]
fn what_a_killed_build_left_goes_and_what_a_living_one_writes_stays() {
    let rig = Rig::with(&Archive::new(PACKAGES));
    rig.write("noise", noise(24 << 20));
    let file = "[[layer]]\nname = \"file\"\nfiles = [{ path = \"/noise\", source = \"noise\" }]\n";
    rig.recipe(&format!("{LAYER}{file}"));
    let build = ["build", "r.toml", "--arch", "amd64"];
    let blobs = rig.work("images/blobs");
    let left = kill_in_the_middle(&rig, &build, &blobs);

    // Another build, alive: this process.
    let layout = Layout::open_or_create(rig.work("images")).unwrap();
    assert!(!left.exists());
    let mut writer = layout.layer_writer().unwrap();
    writer.write_all(&noise(8 << 20)).unwrap();
    let alive = partial(&blobs);
    assert_eq!(alive.len(), 1);

    let left = kill_in_the_middle(&rig, &build, &blobs);
    rig.build(&[]);
    assert!(!left.exists());
    assert_eq!(partial(&blobs), alive);
    assert_eq!(partial(&rig.work("images")), [] as [PathBuf; 0]);
    writer.complete("other".to_owned()).unwrap();
    assert_eq!(partial(&blobs), [] as [PathBuf; 0]);
    Image::read(&rig.work("images"), "r").assert_sound();
}

#[test]
fn other_outputs_leave_nothing_either() {
    let rig = Rig::with(&Archive::new(PACKAGES));
    rig.write("noise", noise(24 << 20));
    let file = "[[layer]]\nname = \"file\"\nfiles = [{ path = \"/noise\", source = \"noise\" }]\n";
    rig.recipe(&format!("{LAYER}{file}"));
    let temporary = rig.path("");
    for output in ["oci-archive:out.tar", "dir:out"] {
        let build = ["build", "r.toml", "--arch", "amd64", "--output", output];
        // In the layout on the way, and at the output itself.
        for directory in [&temporary, &rig.work("")] {
            kill_in_the_middle(&rig, &build, directory);
        }
        rig.run(&build).ok();
        for directory in [&temporary, &rig.work("")] {
            assert_eq!(partial(directory), [] as [PathBuf; 0], "{output}");
        }
    }
}

/// An index is fetched again where the cache goes while it comes.
#[test]
fn the_cache_goes_while_an_index_comes() {
    let files = Archive::new(PACKAGES).files();
    let rig = std::sync::Arc::new(Rig::new());
    rig.recipe(LAYER);
    let (gone, held) = (AtomicBool::new(false), std::sync::Arc::downgrade(&rig));
    let server = Server::new(move |request| {
        if request.path.contains("/by-hash/") && !gone.swap(true, Ordering::SeqCst) {
            std::fs::remove_dir_all(held.upgrade().unwrap().cache()).unwrap();
        }
        let name = request.path.trim_start_matches('/');
        files.get(name).map_or(Answer::status(404), |body| Answer::ranged(request, body, "\"1\""))
    });
    rig.run_at(&server.root(), &["lock", "r.toml", "--arch", "amd64"]).ok();
}

/// Something done to the files of two packages that are in the cache.
type Harm = (fn(&Rig, [&Path; 2]), &'static [&'static str]);

/// Two packages are there, and looked up, when the third comes. They were listed by an earlier run: what a run lists
/// itself, it does not read again.
#[test]
fn the_cache_changes_between_fetching_and_packing() {
    let packages = format!("{PACKAGES}\n\n     Package: late\n     /usr/share/late 644 late");
    let archive = Archive::new(&packages).files();
    let blob = |rig: &Rig, name: &str| {
        let hex = Digest::of(&archive[&format!("pool/{name}_1.0_amd64.deb")]).hex();
        rig.cache().join("blobs/sha256").join(hex)
    };
    let harms: [Harm; 3] = [
        (
            |rig, _| std::fs::remove_dir_all(rig.cache()).unwrap(),
            // Before packing, or, where one came last, before cataloguing already.
            &["error: ", "the package ", "hint: run it again: what is missing "],
        ),
        (
            |_, [libx1, _]| {
                let mut bytes = std::fs::read(libx1).unwrap();
                *bytes.last_mut().unwrap() ^= 1;
                std::fs::write(libx1, bytes).unwrap();
            },
            &[
                "error: the file of the package libx1 1.0 in the cache has changed since it was fetched",
                "hint: run it again",
            ],
        ),
        (
            |_, [libx1, app]| {
                std::fs::copy(app, libx1).unwrap();
            },
            &["error: the file of the package libx1 1.0 in the cache has changed since it was fetched"],
        ),
    ];
    for (harm, words) in harms {
        let rig = std::sync::Arc::new(Rig::new());
        rig.recipe("[[layer]]\nname = \"main\"\npackages = [\"app\", \"late\"]\n");
        let first = Server::of(archive.clone());
        let build = ["build", "r.toml", "--arch", "amd64"];
        rig.run_at(&first.root(), &build).ok();
        std::fs::remove_file(blob(&rig, "late")).unwrap();
        std::fs::remove_dir_all(rig.work("images")).unwrap();
        for kind in ["layer-", "image-", "piece-place-"] {
            rig.forget(kind);
        }
        let cached = ["libx1", "app"].map(|name| blob(&rig, name));
        let (harmed, files, held) =
            (AtomicBool::new(false), archive.clone(), std::sync::Arc::downgrade(&rig));
        let server = Server::new(move |request| {
            let name = request.path.trim_start_matches('/');
            if name == "pool/late_1.0_amd64.deb" && !harmed.swap(true, Ordering::SeqCst) {
                assert!(cached.iter().all(|path| path.is_file()));
                // Nobody says when the others were looked up, beside which this one comes.
                std::thread::sleep(Duration::from_secs(1));
                harm(&held.upgrade().unwrap(), [&cached[0], &cached[1]]);
            }
            files.get(name).map_or(Answer::status(404), |body| Answer::ranged(request, body, "\"1\""))
        });
        rig.run_at(&server.root(), &build).fails(1, words);
        let left: Vec<PathBuf> = rig.listing("work/images/blobs").into_keys().collect();
        assert_eq!(left, [] as [PathBuf; 0]);
        let index = std::fs::read_to_string(rig.work("images/index.json")).unwrap_or_default();
        assert!(!index.contains("sha256"), "{index}");
        // As told: it is fetched anew.
        rig.run_at(&server.root(), &build).ok();
        rig.run(&["check", "oci:images:r"]).ok();
    }
}

/// As somebody else than root, whom no limit of processes holds back. They may not come to where it was compiled.
#[test]
fn threads_that_cannot_be_started_are_told() {
    if !is_root() || !have(&["chown", "setpriv", "prlimit"]) {
        return;
    }
    let rig = Rig::with(&Archive::new(PACKAGES));
    rig.recipe(LAYER);
    let build = rig.command(&["build", "r.toml"]);
    let program = rig.path("program");
    std::fs::copy(build.get_program(), &program).unwrap();
    assert!(Command::new("chown").args(["-R", "64123"]).arg(rig.path("")).status().unwrap().success());
    for processes in [1, 3, 6] {
        let mut limited = Command::new("setpriv");
        limited.args(["--reuid=64123", "--clear-groups", "prlimit", &format!("--nproc={processes}")]);
        limited.arg(&program).args(build.get_args()).current_dir(build.get_current_dir().unwrap());
        limited.envs(build.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = limited.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{processes}: {said}");
        assert_eq!(said.matches("error: no other thread can be started").count(), 1, "{processes}: {said}");
        assert!(said.contains("hint: raise the limit of processes") && !said.contains("panicked"), "{said}");
    }
}
