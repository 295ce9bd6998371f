//! Root directories of a package: our images of it, and what apt makes of it in a copy of a system that
//! `mmdebstrap` made.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rootforge::arch::Arch;
use rootforge::lock::Lock;

use crate::real_archive::bench::{Bench, cache, called};
use crate::support::Image;
use crate::tools::{run, unpack};

/// A root directory in which commands are run, with the environment of an image.
pub(super) struct Root {
    pub(super) path: PathBuf,
    pub(super) env: Vec<(String, String)>,
}

/// The lock of a package's recipe; none for what needs more than `most` bytes, or cannot be installed at all.
pub(super) fn locked(bench: &Bench, recipe: &str, name: &str, most: u64) -> Option<String> {
    let ran = bench.run(&["lock", recipe, "--arch", "amd64"]);
    if ran.code != Some(0) {
        assert!(ran.err.contains("cannot resolve"), "{}", ran.err);
        return None;
    }
    let path = bench.path(&format!("{}.lock", called(name)));
    let lock = Lock::read(&path).unwrap().unwrap();
    let sizes = lock.packages_of(Arch::Amd64).into_values().filter(|one| !one.on_demand).map(|one| one.size);
    (sizes.sum::<u64>() <= most).then(|| fs::read_to_string(path).unwrap())
}

/// Builds an image into a directory, and proves that it links; else what was said against it.
pub(super) fn build(bench: &Bench, recipe: &str, name: &str, directory: &str) -> Result<Root, String> {
    let name = &called(name);
    for arguments in [vec!["build", recipe, "--arch", "amd64"], vec!["check", &format!("oci:images:{name}")]]
    {
        let ran = bench.run(&arguments);
        if ran.code != Some(0) {
            return Err(format!("{} fails: {}", arguments[0], ran.err));
        }
    }
    let path = unpack(&bench.path("images"), name, &bench.path(directory));
    let image = Image::read(&bench.path("images"), name).config;
    let env = image["config"]["Env"].as_array().into_iter().flatten();
    let env =
        env.filter_map(|one| one.as_str()?.split_once('=')).map(|(name, value)| (name.into(), value.into()));
    Ok(Root { path, env: env.collect() })
}

/// A package, and what no system is without.
pub(super) fn system(bench: &Bench, name: &str) -> Vec<String> {
    let lock = Lock::read(&bench.path(&format!("{}.lock", called(name)))).unwrap().unwrap();
    let essential =
        lock.packages_of(Arch::Amd64).into_values().filter(|one| one.essential && one.name != name);
    std::iter::once(name.to_owned()).chain(essential.map(|one| one.name.clone())).collect()
}

/// Lays out the files of a recipe in a directory; else what was said against it.
pub(super) fn lay_out(bench: &Bench, recipe: &str, directory: &str) -> Result<PathBuf, String> {
    let file = format!("{directory}.toml");
    fs::write(bench.path(&file), recipe).unwrap();
    let output = format!("dir:{directory}");
    let ran = bench.run(&["build", &file, "--arch", "amd64", "--output", &output]);
    if ran.code == Some(0) { Ok(bench.path(directory)) } else { Err(format!("build fails: {}", ran.err)) }
}

/// A copy of the system that `mmdebstrap` made, with a package installed by apt, scripts and all.
pub(super) fn install(bench: &Bench, name: &str, mirror: &str) -> Result<PathBuf, String> {
    let path = bench.path("installed");
    fs::create_dir(&path).unwrap();
    run(Command::new("tar").arg("-xf").arg(base(mirror)).arg("-C").arg(&path));
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c"]);
    // Scripts may want both; the mounts go with the namespace.
    command.arg(
        "mount -t proc proc \"$1/proc\" && mount --rbind /dev \"$1/dev\" && exec chroot \"$1\" \
        apt-get -q -y -o APT::Install-Recommends=false -o Acquire::Retries=3 install \"$2\"",
    );
    command.args(["sh"]).arg(&path).arg(name).env_clear();
    command.envs([
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/root"),
        ("DEBIAN_FRONTEND", "noninteractive"),
    ]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    if output.status.success() {
        Ok(path)
    } else {
        let text = [output.stdout, output.stderr].concat();
        Err(format!("apt fails: {}", String::from_utf8_lossy(&text)))
    }
}

/// A system of `mmdebstrap`'s as an archive, made once for a cache, up to date with what recipes are locked to.
fn base(mirror: &str) -> &'static Path {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    BASE.get_or_init(|| {
        let archive = cache().join("mmdebstrap-trixie.tar");
        let suites = ["trixie", "trixie-updates", "trixie-security"].map(|suite| {
            let root =
                if suite.ends_with("-security") { format!("{mirror}-security") } else { mirror.to_owned() };
            format!("deb {root} {suite} main")
        });
        if !archive.exists() {
            let partial = cache().join("mmdebstrap-trixie.partial.tar");
            let mut command = Command::new("mmdebstrap");
            // The lists of packages are for whatever is installed later.
            command
                .args(["--variant=apt", "--quiet", "--skip=cleanup/apt/lists", "trixie"])
                .arg(&partial)
                .args(&suites);
            run(&mut command);
            fs::rename(partial, &archive).unwrap();
        }
        archive
    })
}

/// Every path of a package, read from the package itself.
pub(super) fn own_paths(bench: &Bench, name: &str) -> Vec<String> {
    let lock = Lock::read(&bench.path(&format!("{}.lock", called(name)))).unwrap().unwrap();
    let digest = lock.packages_of(Arch::Amd64)[name].content.to_string();
    let (algorithm, hex) = digest.split_once(':').unwrap();
    let package = cache().join("blobs").join(algorithm).join(hex);
    let mut command = Command::new("sh");
    command.args(["-c", "dpkg-deb --fsys-tarfile \"$1\" | tar -t", "sh"]).arg(package);
    run(&mut command)
        .lines()
        .map(|line| line.trim_start_matches('.').trim_end_matches('/').to_owned())
        .collect()
}

/// The commands that a package has in a system where it is installed: its own files, and the alternatives that
/// lead to them.
pub(super) fn programs(root: &Path, own: &[String]) -> Vec<String> {
    let mut programs = Vec::new();
    for directory in ["/usr/bin", "/usr/games", "/usr/sbin"] {
        let Ok(entries) = fs::read_dir(root.join(&directory[1..])) else { continue };
        for entry in entries {
            let path = format!("{directory}/{}", entry.unwrap().file_name().to_str().unwrap());
            let middle = fs::read_link(root.join(&path[1..])).ok();
            let middle = middle.filter(|target| target.starts_with("/etc/alternatives"));
            let target =
                middle.and_then(|middle| fs::read_link(root.join(middle.strip_prefix("/").unwrap())).ok());
            let is_own = own.contains(&path)
                || target.is_some_and(|target| own.iter().any(|path| Path::new(path) == target));
            if is_own && is_executable(root, &path) {
                programs.push(path);
            }
        }
    }
    programs.sort();
    programs
}

fn is_executable(root: &Path, path: &str) -> bool {
    let metadata = fs::symlink_metadata(root.join(&path[1..])).unwrap();
    metadata.is_symlink() || (metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
