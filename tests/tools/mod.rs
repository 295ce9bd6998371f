//! Other people's programs, run by tests: whether they are there, and daemons that end with their test.
//!
//! A tool that is not installed is passed over with a message, or, where the environment has `CI=true`,
//! fails its test. Engines get every directory and socket of their own, and touch no network.

#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "it fails like a test")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Whether tests may pass nothing over.
pub(crate) fn is_ci() -> bool {
    std::env::var("CI").as_deref() == Ok("true")
}

/// Whether all these programs are installed.
pub(crate) fn have(programs: &[&str]) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let missing: Vec<&&str> = programs
        .iter()
        .filter(|program| !std::env::split_paths(&paths).any(|directory| directory.join(program).is_file()))
        .collect();
    if missing.is_empty() {
        return true;
    }
    assert!(!is_ci(), "not installed: {missing:?}");
    eprintln!("passed over: {missing:?} not installed");
    false
}

pub(crate) fn is_root() -> bool {
    let root = fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0);
    if !root {
        assert!(!is_ci(), "this needs root");
        eprintln!("passed over: this needs root");
    }
    root
}

/// Runs a command that has to succeed: its output.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An architecture: what it is called, and what runs its programs.
pub(crate) struct Architecture {
    /// In recipes.
    pub(crate) name: &'static str,
    /// Its name and variant in an index.
    pub(crate) platform: (&'static str, Option<&'static str>),
    /// The emulator and what to tell it.
    pub(crate) emulator: &'static [&'static str],
}

/// Those that rootforge is for first, in the order of an index. The boards with `ARMv6` have an ARM1176.
pub(crate) const ARCHITECTURES: [Architecture; 4] = [
    Architecture { name: "amd64", platform: ("amd64", None), emulator: &["qemu-x86_64-static"] },
    Architecture {
        name: "arm32v6",
        platform: ("arm", Some("v6")),
        emulator: &["qemu-arm-static", "-cpu", "arm1176"],
    },
    Architecture { name: "arm64", platform: ("arm64", Some("v8")), emulator: &["qemu-aarch64-static"] },
    Architecture { name: "s390x", platform: ("s390x", None), emulator: &["qemu-s390x-static"] },
];

/// Takes the image of one platform out of a layout, as a registry's client would, and unpacks it below a
/// directory: its root.
#[track_caller]
pub(crate) fn pull(layout: &Path, tag: &str, architecture: &Architecture, bundle: &Path) -> PathBuf {
    let (arch, variant) = architecture.platform;
    let single = bundle.with_extension("oci");
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["--override-os", "linux", "--override-arch", arch]);
    skopeo.args(variant.into_iter().flat_map(|variant| ["--override-variant", variant]));
    skopeo.args(["--insecure-policy", "copy", "-q"]);
    skopeo.arg(format!("oci:{}:{tag}", layout.display())).arg(format!("oci:{}:{tag}", single.display()));
    run(&mut skopeo);
    unpack(&single, tag, bundle)
}

/// Unpacks an image of a layout below a directory: its root.
#[track_caller]
pub(crate) fn unpack(layout: &Path, tag: &str, bundle: &Path) -> PathBuf {
    let privileged = fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0);
    let mut umoci = Command::new("umoci");
    umoci.arg("unpack").args((!privileged).then_some("--rootless"));
    run(umoci.arg("--image").arg(format!("{}:{tag}", layout.display())).arg(bundle));
    bundle.join("rootfs")
}

/// A daemon of a test's own, ended with it.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it, with its words going to a file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let file = fs::File::create(log).unwrap();
        let child =
            command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Daemon { child, log: log.to_owned() }
    }

    /// Until a client gets an answer.
    pub(crate) fn wait(&mut self, mut client: Command) {
        client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.wait_until(|| client.status().unwrap().success());
    }

    /// Until something holds, for a minute at most.
    pub(crate) fn wait_until(&mut self, mut holds: impl FnMut() -> bool) {
        for _ in 0..300 {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {}", self.words());
            if holds() {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("no answer: {}", self.words());
    }

    /// What it has said.
    pub(crate) fn words(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Asked kindly, it ends its own children and unmounts what it mounted.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// A Docker daemon and its client. Needs root.
pub(crate) struct Docker {
    _daemon: Daemon,
    socket: String,
    config: PathBuf,
}

impl Docker {
    /// Starts the daemon with everything it writes below a directory.
    pub(crate) fn start(directory: &Path) -> Self {
        let path = |name: &str| directory.join(name);
        let socket = format!("unix://{}", path("docker.sock").display());
        let config = path("config");
        let mut dockerd = Command::new("dockerd");
        dockerd.args(["--iptables=false", "--bridge=none", "--storage-driver", "vfs", "-H", &socket]);
        dockerd.arg("--data-root").arg(path("data")).arg("--exec-root").arg(path("exec"));
        dockerd.arg("-p").arg(path("docker.pid"));
        let mut daemon = Daemon::start(&mut dockerd, &path("dockerd.log"));
        daemon.wait(client(&socket, &config, &["version"]));
        Docker { _daemon: daemon, socket, config }
    }

    /// Runs a command of the client, which has to succeed: its output.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        run(&mut client(&self.socket, &self.config, arguments))
    }

    /// Runs a command of the client, which has to fail with these words.
    #[track_caller]
    pub(crate) fn refuses(&self, arguments: &[&str], words: &str) {
        let output = client(&self.socket, &self.config, arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "{said}");
    }

    /// Whether the daemon is of a version that reads layers compressed with zstd.
    pub(crate) fn reads_zstd(&self) -> bool {
        let version = self.run(&["version", "--format", "{{.Server.Version}}"]);
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        major.unwrap_or_else(|| panic!("{version}")) >= 23
    }
}

fn client(socket: &str, config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.env("DOCKER_CONFIG", config).args(["-H", socket]).args(arguments);
    command
}

/// Podman with a storage of its own. Needs root.
pub(crate) struct Podman {
    directory: PathBuf,
}

impl Podman {
    /// With everything it writes below a directory.
    pub(crate) fn new(directory: &Path) -> Self {
        let text = "[containers]\ndefault_ulimits = [\"nofile=20000:20000\", \"nproc=4096:4096\"]\n\
                    [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\n";
        fs::write(directory.join("containers.conf"), text).unwrap();
        Podman { directory: directory.to_owned() }
    }

    /// Runs a command in that directory, which has to succeed: its output.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("podman");
        command.current_dir(&self.directory);
        command.env("CONTAINERS_CONF", self.directory.join("containers.conf"));
        command.arg("--root").arg(self.directory.join("root"));
        command.arg("--runroot").arg(self.directory.join("runroot")).args(["--storage-driver", "vfs"]);
        run(command.args(arguments))
    }
}
