//! Other people's tools judge what we write: gzip, Python, tar, skopeo, umoci, podman, docker, containerd.
//!
//! Layers are series of gzip members or zstd frames, and readers that stop after the first exist; so each tool here
//! has to come to the sample's last file, with gzip alone and with a topmost layer of zstd. A tool that is not installed is passed over with a message, or, where the
//! environment has `CI=true`, fails its test. umoci, podman, docker and containerd need root: without it
//! they are passed over with a message.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "functions beside the tests fail like tests"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::image::{GREETING, path, sample, write_image_with, write_layer};
use crate::tools::{Daemon, Docker, Podman, have, is_root, run};
use rootforge::arch::Arch;
use rootforge::digest::Digest;
use rootforge::oci::{ImageRef, Layout, Output};
use rootforge::recipe::LayerCompression;
use rootforge::tarball::{self, EntryKind, Limits, TarballError};
use serde_json::{Value, json};

struct Sample {
    directory: tempfile::TempDir,
    layout: Layout,
    image: ImageRef,
}

impl Sample {
    fn new() -> Self {
        Self::with(LayerCompression::Gzip)
    }

    /// All in gzip, and with a topmost layer of zstd on a base of gzip.
    fn both() -> [Self; 2] {
        [LayerCompression::Gzip, LayerCompression::Zstd].map(Self::with)
    }

    fn with(topmost: LayerCompression) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (layout, image) = write_image_with(&directory.path().join("images"), &sample(), topmost);
        Sample { directory, layout, image }
    }

    fn has_zstd(&self) -> bool {
        self.manifest()["layers"].to_string().contains("tar+zstd")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The sample in another form.
    fn output(&self, transport: &str) -> PathBuf {
        let path = self.path(&format!("{transport}.out"));
        let output = Output::parse(&format!("{transport}:{}", path.display())).unwrap();
        assert_eq!(output.write(&self.layout, &[self.image], "sample").unwrap().notes, [""; 0]);
        path
    }

    fn oci(&self) -> String {
        format!("oci:{}:sample", self.layout.directory().display())
    }

    fn document(&self, digest: &str) -> Value {
        let path = self.layout.blob_path(&digest.parse().unwrap());
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    fn manifest(&self) -> Value {
        self.document(&self.image.digest.to_string())
    }

    fn config(&self) -> Value {
        self.document(self.manifest()["config"]["digest"].as_str().unwrap())
    }

    fn diff_ids(&self) -> Vec<Value> {
        self.config()["rootfs"]["diff_ids"].as_array().unwrap().clone()
    }

    /// Each layer's blob, with the digest that decompressing has to yield.
    fn layers(&self) -> Vec<(PathBuf, Digest)> {
        let manifest = self.manifest();
        let layers = manifest["layers"].as_array().unwrap().iter();
        let digest = |value: &Value| -> Digest { value.as_str().unwrap().parse().unwrap() };
        layers
            .zip(self.diff_ids())
            .map(|(layer, diff_id)| (self.layout.blob_path(&digest(&layer["digest"])), digest(&diff_id)))
            .collect()
    }
}

/// What every path of the merged sample has to be: type, mode, owner, date, and bytes or target.
fn expected() -> BTreeMap<String, String> {
    let mut tree: BTreeMap<String, String> = BTreeMap::new();
    for (entry, content) in sample().concat() {
        let (metadata, mode) = (&entry.metadata, entry.metadata.mode);
        let what = match &entry.kind {
            EntryKind::Directory => format!("directory {mode:04o}"),
            EntryKind::File { .. } => format!("file {mode:04o} {} {}", metadata.mtime, Digest::of(&content)),
            EntryKind::Symlink { target } => format!("link {target}"),
            EntryKind::HardLink { target } => {
                let what = tree[&target.to_string()].clone();
                tree.insert(entry.path.to_string(), what);
                continue;
            }
            EntryKind::CharDevice { major, minor } => format!("device {mode:04o} {major}:{minor}"),
            EntryKind::Fifo => format!("pipe {mode:04o}"),
            other @ EntryKind::BlockDevice { .. } => panic!("{other:?}"),
        };
        tree.insert(entry.path.to_string(), format!("{what} {}:{}", metadata.uid, metadata.gid));
    }
    tree
}

/// The same of a tree on disk.
fn on_disk(root: &Path) -> BTreeMap<String, String> {
    let describe = |name: &String| {
        let path = root.join(&name[1..]);
        let Ok(metadata) = fs::symlink_metadata(&path) else { return "nothing".to_owned() };
        let mode = metadata.mode() & 0o7777;
        let kind = metadata.file_type();
        let what = if kind.is_dir() {
            format!("directory {mode:04o}")
        } else if kind.is_symlink() {
            format!("link {}", fs::read_link(&path).unwrap().display())
        } else if kind.is_char_device() {
            format!("device {mode:04o} {}:{}", metadata.rdev() >> 8, metadata.rdev() & 0xff)
        } else if kind.is_fifo() {
            format!("pipe {mode:04o}")
        } else {
            format!("file {mode:04o} {} {}", metadata.mtime(), Digest::of(&fs::read(&path).unwrap()))
        };
        format!("{what} {}:{}", metadata.uid(), metadata.gid())
    };
    expected().into_keys().map(|name| (name.clone(), describe(&name))).collect()
}

/// What GNU getfattr would print, asked of Python, which is here anyway.
fn has_capability(file: &Path) -> bool {
    let script = "import os, sys; print(os.getxattr(sys.argv[1], 'security.capability').hex())";
    let output = Command::new("python3").args(["-c", script]).arg(file).output().unwrap();
    // Only the permitted set is compared: the kernel may rewrite the revision.
    String::from_utf8_lossy(&output.stdout).get(8..16) == Some("00040000")
}

fn assert_unpacked(root: &Path) {
    assert_eq!(on_disk(root), expected());
    let inode = |name: &str| fs::metadata(root.join(name)).unwrap().ino();
    assert_eq!(inode("opt/large"), inode("opt/large-again"));
}

#[test]
fn gzip_and_python_read_every_member() {
    let sample = Sample::new();
    for (blob, diff_id) in sample.layers() {
        if have(&["gzip", "sha256sum"]) {
            let line = run(Command::new("sh").args(["-c", "gzip -dc < \"$0\" | sha256sum"]).arg(&blob));
            assert_eq!(line.split(' ').next(), Some(diff_id.hex().as_str()));
        }
        if have(&["python3"]) {
            let script = "import gzip, hashlib, sys; \
                print(hashlib.sha256(gzip.open(sys.argv[1]).read()).hexdigest())";
            assert_eq!(run(Command::new("python3").args(["-c", script]).arg(&blob)).trim(), diff_id.hex());
        }
    }
}

#[test]
fn zstd_reads_every_frame() {
    if !have(&["zstd", "sha256sum"]) {
        return;
    }
    let sample = Sample::with(LayerCompression::Zstd);
    let (blob, diff_id) = sample.layers().pop().unwrap();
    assert!(fs::read(&blob).unwrap().starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
    run(Command::new("zstd").args(["-q", "--test"]).arg(&blob));
    let line = run(Command::new("sh").args(["-c", "zstd -dc < \"$0\" | sha256sum"]).arg(&blob));
    assert_eq!(line.split(' ').next(), Some(diff_id.hex().as_str()));
}

#[test]
fn tar_unpacks_layers_and_root() {
    if !have(&["tar", "zstd"]) || !is_root() {
        return;
    }
    for sample in Sample::both() {
        let by_layers = sample.path("by-layers");
        let merged = sample.path("merged");
        fs::create_dir(&by_layers).unwrap();
        fs::create_dir(&merged).unwrap();
        let untar = |archive: &Path, to: &Path| {
            let mut tar = Command::new("tar");
            run(tar
                .args(["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf"])
                .arg(archive)
                .arg("-C")
                .arg(to));
        };
        for (blob, _) in sample.layers() {
            untar(&blob, &by_layers);
        }
        untar(&sample.output("tar"), &merged);
        for root in [by_layers, merged, sample.output("dir")] {
            assert_unpacked(&root);
            assert!(has_capability(&root.join("opt/capable")));
        }
    }
}

fn skopeo() -> Command {
    let mut command = Command::new("skopeo");
    command.arg("--insecure-policy");
    command
}

#[test]
fn skopeo_inspects_and_copies() {
    if !have(&["skopeo"]) {
        return;
    }
    for sample in Sample::both() {
        let inspected: Value = serde_json::from_str(&run(skopeo().args(["inspect", &sample.oci()]))).unwrap();
        assert_eq!(inspected["Architecture"], "amd64");
        assert_eq!(inspected["Digest"], sample.image.digest.to_string());
        assert_eq!(inspected["Created"], "2023-11-14T22:13:20Z");
        assert_eq!(inspected["Env"], json!(["PATH=/bin", "HOME=/tmp"]));
        // Decompressed by skopeo, each layer is the tar that the config names.
        let plain = sample.path("plain");
        let to = format!("dir:{}", plain.display());
        run(skopeo().args(["copy", "--dest-decompress", &sample.oci(), &to]));
        for diff_id in sample.diff_ids() {
            let bytes =
                fs::read(plain.join(diff_id.as_str().unwrap().trim_start_matches("sha256:"))).unwrap();
            assert_eq!(diff_id, Digest::of(&bytes).to_string());
        }
        // Manifests of Docker's own know no zstd.
        if !sample.has_zstd() {
            let archive = format!("docker-archive:{}:sample:1", sample.path("skopeo.tar").display());
            run(skopeo().args(["copy", &sample.oci(), &archive]));
        }
        // Our archives, read by skopeo: the config comes through unchanged.
        for transport in ["docker-archive", "oci-archive"] {
            let from = format!("{transport}:{}", sample.output(transport).display());
            let config: Value =
                serde_json::from_str(&run(skopeo().args(["inspect", "--config", &from]))).unwrap();
            assert_eq!(config["rootfs"], sample.config()["rootfs"], "{transport}");
            let to = format!("oci:{}:again", sample.path(transport).display());
            run(skopeo().args(["copy", &from, &to]));
        }
    }
}

#[test]
fn skopeo_chooses_among_architectures() {
    if !have(&["skopeo"]) {
        return;
    }
    let sample = Sample::new();
    let layer = write_layer(&sample.layout, &crate::image::sample()[0], "base");
    let v6 = sample.layout.write_image(&crate::image::spec(Arch::Arm32v6, vec![layer.clone()])).unwrap();
    let arm64 = sample.layout.write_image(&crate::image::spec(Arch::Arm64, vec![layer])).unwrap();
    let all = sample.layout.write_index(&[v6, sample.image, arm64]).unwrap();
    sample.layout.tag("all", all).unwrap();
    let image = format!("oci:{}:all", sample.layout.directory().display());
    for (arguments, digest) in [
        (&["--override-arch", "amd64"][..], sample.image.digest),
        (&["--override-arch", "arm", "--override-variant", "v6"], v6.digest),
        (&["--override-arch", "arm64"], arm64.digest),
    ] {
        let to = format!("dir:{}", sample.path(arguments[1]).display());
        run(skopeo().args(["--override-os", "linux"]).args(arguments).args(["copy", &image, &to]));
        let manifest = fs::read(sample.path(arguments[1]).join("manifest.json")).unwrap();
        assert_eq!(Digest::of(&manifest), digest);
    }
}

#[test]
fn umoci_unpacks() {
    if !have(&["umoci"]) || !is_root() {
        return;
    }
    let sample = Sample::new();
    let bundle = sample.path("bundle");
    let image = format!("{}:sample", sample.layout.directory().display());
    run(Command::new("umoci").args(["unpack", "--image", &image]).arg(&bundle));
    assert_unpacked(&bundle.join("rootfs"));
    if have(&["python3"]) {
        assert!(has_capability(&bundle.join("rootfs/opt/capable")));
    }
    let config: Value = serde_json::from_slice(&fs::read(bundle.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["process"]["user"]["uid"], 100);
    assert_eq!(config["process"]["user"]["gid"], 60);
}

#[test]
fn podman_loads_and_runs() {
    if !have(&["podman", "runc"]) || !is_root() {
        return;
    }
    for sample in Sample::both() {
        let engine = Podman::new(sample.directory.path());
        let podman = |arguments: &[&str]| engine.run(arguments);
        for transport in ["docker-archive", "oci-archive"] {
            let archive = sample.output(transport);
            let loaded = podman(&["load", "-q", "-i", archive.to_str().unwrap()]);
            let name = loaded.trim().rsplit(' ').next().unwrap();
            let config: Value = serde_json::from_str(&podman(&["image", "inspect", name])).unwrap();
            assert_eq!(config[0]["RootFS"]["Layers"], json!(sample.diff_ids()), "{transport}");
            let container = podman(&["create", "--network", "none", name]);
            let exported = sample.path("podman.tar");
            podman(&["export", "-o", exported.to_str().unwrap(), container.trim()]);
            assert_exported(&exported);
            if cfg!(target_arch = "x86_64") {
                assert_eq!(podman(&["run", "--rm", "--network", "none", name]), GREETING, "{transport}");
            }
            podman(&["rm", container.trim()]);
            podman(&["rmi", "-f", name]);
        }
    }
}

/// What a container engine exports has every file of the sample as it should be.
fn assert_exported(archive: &Path) {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let file = fs::File::open(archive).unwrap();
    tarball::read(file, &Limits::default(), |entry, content| -> Result<(), TarballError> {
        let (metadata, mode) = (&entry.metadata, entry.metadata.mode);
        let what = match &entry.kind {
            EntryKind::Directory => format!("directory {mode:04o}"),
            EntryKind::File { .. } => {
                let digest = Digest::of_reader(content).map_err(TarballError::Read)?.0;
                format!("file {mode:04o} {} {digest}", metadata.mtime)
            }
            EntryKind::Symlink { target } => format!("link {target}"),
            EntryKind::HardLink { target } => {
                let what = found[&target.to_string()].clone();
                found.insert(entry.path.to_string(), what);
                return Ok(());
            }
            EntryKind::CharDevice { major, minor } => format!("device {mode:04o} {major}:{minor}"),
            EntryKind::BlockDevice { .. } => "block device".to_owned(),
            EntryKind::Fifo => format!("pipe {mode:04o}"),
        };
        found.insert(entry.path.to_string(), format!("{what} {}:{}", metadata.uid, metadata.gid));
        if entry.path == path("/opt/capable") {
            let capability = &metadata.xattrs["security.capability"];
            assert_eq!(capability[4..8], [0, 4, 0, 0]);
        }
        Ok(())
    })
    .unwrap();
    let expected = expected();
    found.retain(|name, _| expected.contains_key(name));
    assert_eq!(found, expected);
}

#[test]
fn docker_loads_and_runs() {
    if !have(&["dockerd", "docker"]) || !is_root() {
        return;
    }
    for sample in Sample::both() {
        let daemon = Docker::start(sample.directory.path());
        let docker = |arguments: &[&str]| daemon.run(arguments);
        for transport in ["docker-archive", "oci-archive"] {
            let archive = sample.output(transport);
            if sample.has_zstd() && !daemon.reads_zstd() {
                // What is warned of.
                daemon.refuses(&["load", "-q", "-i", archive.to_str().unwrap()], "invalid tar header");
                continue;
            }
            let loaded = docker(&["load", "-q", "-i", archive.to_str().unwrap()]);
            assert_eq!(loaded.trim(), "Loaded image: sample:latest", "{transport}");
            let image: Value = serde_json::from_str(&docker(&["image", "inspect", "sample"])).unwrap();
            assert_eq!(image[0]["Id"], sample.manifest()["config"]["digest"]);
            assert_eq!(image[0]["RootFS"]["Layers"], json!(sample.diff_ids()));
            assert_eq!(image[0]["Config"]["ExposedPorts"], json!({ "4713/tcp": {} }));
            let container = docker(&["create", "--network", "none", "sample"]);
            let exported = sample.path("docker.tar");
            docker(&["export", "-o", exported.to_str().unwrap(), container.trim()]);
            assert_exported(&exported);
            if cfg!(target_arch = "x86_64") {
                assert_eq!(docker(&["run", "--rm", "--network", "none", "sample"]), GREETING);
            }
            docker(&["rm", container.trim()]);
            docker(&["rmi", "sample"]);
        }
    }
}

#[test]
fn containerd_imports() {
    if !have(&["containerd", "ctr"]) || !is_root() {
        return;
    }
    for sample in Sample::both() {
        let socket = sample.path("containerd.sock");
        let settings = sample.path("containerd.toml");
        fs::write(&settings, "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n").unwrap();
        let mut containerd = Command::new("containerd");
        containerd.arg("--config").arg(&settings).arg("--address").arg(&socket);
        containerd.arg("--root").arg(sample.path("data")).arg("--state").arg(sample.path("state"));
        let mut daemon = Daemon::start(&mut containerd, &sample.path("containerd.log"));
        let client = |arguments: &[&str]| {
            let mut command = Command::new("ctr");
            command.arg("--address").arg(&socket).args(arguments);
            command
        };
        daemon.wait(client(&["version"]));
        let ctr = |arguments: &[&str]| run(&mut client(arguments));
        let import = ["images", "import", "--snapshotter", "native"];
        ctr(&[&import[..], &[sample.output("docker-archive").to_str().unwrap()]].concat());
        let oci = sample.output("oci-archive");
        ctr(&[&import[..], &["--base-name", "example.org/image", oci.to_str().unwrap()]].concat());
        let images = ctr(&["images", "ls"]);
        for name in ["docker.io/library/sample:latest", "example.org/image:sample"] {
            let line =
                images.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{images}"));
            assert!(line.contains(&sample.image.digest.to_string()), "{line}");
        }
        // Unpacked by the import, which compares diff_ids: the top snapshot's files are those of the sample.
        let snapshots = ctr(&["snapshots", "--snapshotter", "native", "ls"]);
        let top = snapshots.lines().skip(1).filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?)).filter(|(_, parent)| parent.starts_with("sha256:"))
        });
        let keys: Vec<&str> = top.map(|(key, _)| key).collect();
        assert_eq!(keys.len(), 1, "{snapshots}");
        let data = sample.path("data/io.containerd.snapshotter.v1.native/snapshots");
        let roots: Vec<PathBuf> = fs::read_dir(data)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|root| root.join("opt/large").exists())
            .collect();
        assert_eq!(roots.len(), 1);
        assert_unpacked(&roots[0]);
    }
}
