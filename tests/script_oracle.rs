//! What installing packages for real changes on a system, against what rootforge foresees: `mmdebstrap` installs
//! packages with telling scripts, rootforge builds an image of the very same packages with everything in them,
//! and every path is compared: kind, mode, owner by name, content, target, capabilities; accounts by name, the
//! loader's cache as `ldconfig -p` reads it. What may differ stands in a table with its reason, and nothing else.
//!
//! Of packages' own files this sees all as well. The everyday test takes five packages; all of them are
//! `cargo test --release --test all -- --ignored --nocapture full_script_oracle`. `ROOTFORGE_INSTALLED` names a
//! directory in which the installed systems stay from one run to the next, for those who mend what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use globset::{GlobBuilder, GlobMatcher};
use rootforge::deb::control;
use rootforge::digest::Digest;
use rootforge::tarball::{self, Entry, EntryKind, Limits, TarballError};

use crate::apt_oracle::debian_mirror;
use crate::real_archive::bench::Bench;
use crate::real_archive::root::can_run;
use crate::tools::{have, is_root};

mod expected;

use expected::{EXPECTED, Side};

/// Five, of one installation: the everyday test.
const SAMPLE: &[&str] = &["screen", "openssh-server", "ca-certificates", "iputils-ping", "memcached"];
/// The rest, in groups that can be installed together.
const GROUPS: &[&[&str]] = &[
    SAMPLE,
    &[
        "postgresql-common",
        "nginx-common",
        "redis-server",
        "dbus",
        "avahi-daemon",
        "cups-daemon",
        "tzdata",
        "locales",
        "exim4-daemon-light",
        "mysql-common",
        "rsyslog",
        "cron",
    ],
    &[
        "postfix",
        "man-db",
        "fontconfig",
        "libgdk-pixbuf-2.0-0",
        "shared-mime-info",
        "vim-tiny",
        "nano",
        "gawk",
        "less",
        "libblas3",
        "default-jre-headless",
        "iproute2",
    ],
    &[
        "tmux",
        "zsh",
        "haproxy",
        "bind9",
        "dnsmasq-base",
        "pulseaudio",
        "libglib2.0-bin",
        "dconf-gsettings-backend",
        "gsettings-desktop-schemas",
        "php-cli",
        "python3",
        "polkitd",
        "udev",
    ],
];
/// Files of which the content is kept for comparing by more than equality, in bytes.
const READ: u64 = 1 << 20;

#[test]
fn script_oracle_sample() {
    compare_groups(&GROUPS[..1], false);
}

#[test]
#[ignore = "installs a few hundred packages"]
fn full_script_oracle() {
    compare_groups(GROUPS, true);
}

fn matcher(glob: &str) -> GlobMatcher {
    GlobBuilder::new(glob).empty_alternates(true).build().unwrap().compile_matcher()
}

fn compare_groups(groups: &[&[&str]], all: bool) {
    if !can_run() || !is_root() || !have(&["mmdebstrap", "ldconfig"]) {
        return;
    }
    let Ok(mirror) = debian_mirror() else { return };
    let rules: Vec<(GlobMatcher, Side, &str)> =
        EXPECTED.iter().map(|(glob, side, _)| (matcher(glob), *side, *glob)).collect();
    let mut used = BTreeSet::new();
    let mut differences = Vec::new();
    for group in groups {
        let Some(bench) = Bench::new() else { return };
        let installed = System::read(&install(&bench, group, &mirror));
        let (image, undone) = build(&bench, &installed.packages());
        let found = compare(&installed, &image);
        println!(
            "{}: {} packages, {} paths",
            group.join(" "),
            installed.packages().len(),
            installed.nodes.len()
        );
        for line in undone {
            println!("  undone: {line}");
        }
        for (path, side, difference) in found {
            let link = [&installed, &image].iter().find_map(|system| system.link(&path));
            let matches = |glob: &GlobMatcher| {
                glob.is_match(&path) || link.as_ref().is_some_and(|link| glob.is_match(link))
            };
            let rule = rules.iter().find(|(glob, of, _)| of.covers(side) && matches(glob));
            match rule {
                Some((_, _, glob)) => _ = used.insert(*glob),
                None => differences.push(format!("{path}: {difference}")),
            }
        }
    }
    for difference in &differences {
        println!("{difference}");
    }
    assert!(differences.is_empty(), "{} paths differ", differences.len());
    if all {
        let unused: Vec<_> = rules.iter().filter(|(.., glob)| !used.contains(glob)).collect();
        assert!(unused.is_empty(), "rules that excuse nothing: {unused:?}");
    }
}

/// What `mmdebstrap` makes of some packages and the Essential ones: a tar.
fn install(bench: &Bench, group: &[&str], mirror: &str) -> PathBuf {
    let name = format!("{}.tar", group[0]);
    let kept = std::env::var_os("ROOTFORGE_INSTALLED").map(|kept| Path::new(&kept).join(&name));
    if let Some(kept) = kept.as_ref().filter(|kept| kept.exists()) {
        return kept.clone();
    }
    let path = kept.unwrap_or_else(|| bench.path(&name));
    let mut command = Command::new("mmdebstrap");
    command.args(["--variant=essential", "--quiet", "--aptopt=APT::Install-Recommends \"false\""]);
    command.arg(format!("--include={}", group.join(","))).arg("trixie").arg(&path).arg(mirror);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{group:?}: {}", String::from_utf8_lossy(&output.stderr));
    path
}

/// The image of packages by name and version, with all that they have, and what was left undone.
fn build(bench: &Bench, packages: &[(String, String)]) -> (System, Vec<String>) {
    let packages: Vec<String> =
        packages.iter().map(|(name, version)| format!("\"{name}={version}\"")).collect();
    let recipe = format!(
        "name = \"all\"\nfrom = \"debian:trixie\"\nsuites = [\"release\"]\nstrip = false\n\n\
         [[layer]]\nname = \"all\"\nkeep = \"all\"\npackages = [{}]\n",
        packages.join(", ")
    );
    fs::write(bench.path("all.toml"), recipe).unwrap();
    let path = bench.path("image.tar");
    let output = format!("tar:{}", path.display());
    let ran = bench.run(&["-v", "build", "all.toml", "--arch", "amd64", "--output", &output]).ok();
    let undone = ran.err.lines().filter(|line| line.starts_with("left undone: "));
    (System::read(&path), undone.map(str::to_owned).collect())
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    /// `dir`, `file`, or `symlink -> target`.
    kind: String,
    mode: u32,
    owner: [u32; 2],
    digest: Option<Digest>,
    xattrs: BTreeMap<String, Vec<u8>>,
}

/// A root file system.
struct System {
    nodes: BTreeMap<String, Node>,
    contents: BTreeMap<String, Vec<u8>>,
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl System {
    fn read(path: &Path) -> Self {
        let (mut nodes, mut contents) = (BTreeMap::new(), BTreeMap::new());
        let limits = Limits { max_total: 1 << 36, ..Limits::default() };
        let mut one = |entry: Entry, content: &mut dyn Read| {
            let path = entry.path.as_str().to_owned();
            let mut digest = None;
            let kind = match &entry.kind {
                EntryKind::Directory => "dir".to_owned(),
                EntryKind::Symlink { target } => format!("symlink -> {target}"),
                EntryKind::HardLink { target } => {
                    let node = Node::clone(nodes.get(target.as_str()).unwrap());
                    let text = contents.get(target.as_str()).cloned();
                    contents.extend(text.map(|text| (path.clone(), text)));
                    nodes.insert(path, node);
                    return Ok(());
                }
                EntryKind::File { size } => {
                    let mut bytes = Vec::new();
                    content.read_to_end(&mut bytes).map_err(TarballError::Read)?;
                    digest = Some(Digest::of(&bytes));
                    if *size <= READ {
                        contents.insert(path.clone(), bytes);
                    }
                    "file".to_owned()
                }
                other => format!("{other:?}"),
            };
            let metadata = entry.metadata;
            // Links have no mode.
            let mode = if digest.is_some() || kind == "dir" { metadata.mode } else { 0 };
            let xattrs = metadata.xattrs.into_iter().map(|(name, value)| (name.clone(), value)).collect();
            let node = Node { kind, mode, owner: [metadata.uid, metadata.gid], digest, xattrs };
            nodes.insert(path, node);
            Ok::<(), TarballError>(())
        };
        tarball::read(BufReader::new(File::open(path).unwrap()), &limits, &mut one).unwrap();
        let names = |file: &str| {
            let text = String::from_utf8(contents.get(file).cloned().unwrap_or_default()).unwrap();
            let pair = |line: &str| {
                let fields: Vec<&str> = line.split(':').collect();
                (fields[2].parse().unwrap(), fields[0].to_owned())
            };
            text.lines().map(pair).collect()
        };
        let (users, groups) = (names("/etc/passwd"), names("/etc/group"));
        System { nodes, contents, users, groups }
    }

    fn text(&self, path: &str) -> &str {
        std::str::from_utf8(self.contents.get(path).unwrap_or_else(|| panic!("no {path}"))).unwrap()
    }

    /// The installed packages with their versions.
    fn packages(&self) -> Vec<(String, String)> {
        let status = control::paragraphs(self.text("/var/lib/dpkg/status"));
        let pair = |one: control::Paragraph<'_>| {
            (one.field("Package").unwrap().to_owned(), one.field("Version").unwrap().to_owned())
        };
        status.map(pair).collect()
    }

    /// A path in words, without its content.
    fn line(&self, path: &str) -> String {
        let node = &self.nodes[path];
        let user = self.users.get(&node.owner[0]).cloned().unwrap_or_else(|| node.owner[0].to_string());
        let group = self.groups.get(&node.owner[1]).cloned().unwrap_or_else(|| node.owner[1].to_string());
        let xattrs = &node.xattrs;
        let capable = if xattrs.is_empty() { String::new() } else { format!(" {xattrs:?}") };
        format!("{} {:04o} {user}:{group}{capable}", node.kind, node.mode)
    }

    /// A link as `PATH -> TARGET`.
    fn link(&self, path: &str) -> Option<String> {
        let target = self.nodes.get(path)?.kind.strip_prefix("symlink -> ")?;
        Some(format!("{path} -> {target}"))
    }

    /// What dpkg remembers of diversions and of overridden owners and modes.
    fn overrides(&self) -> BTreeSet<String> {
        let text = |path| self.contents.get(path).map_or("", |bytes| std::str::from_utf8(bytes).unwrap());
        let diversions: Vec<&str> = text("/var/lib/dpkg/diversions").lines().collect();
        let overrides = text("/var/lib/dpkg/statoverride").lines().map(str::to_owned);
        diversions.chunks(3).map(|lines| lines.join(" ")).chain(overrides).collect()
    }

    /// Users by name: their group, comment, home, shell, and the range of their number; groups with members.
    fn accounts(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for line in self.text("/etc/passwd").lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, password, uid, gid, rest @ ..] = fields.as_slice() else { panic!("{line}") };
            let group = &self.groups[&gid.parse().unwrap()];
            let range = range(uid.parse().unwrap());
            all.insert(format!("user {name}"), format!("{password} {range} {group} {}", rest.join(":")));
        }
        for line in self.text("/etc/group").lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, password, gid, members] = fields.as_slice() else { panic!("{line}") };
            let members: BTreeSet<&str> = members.split(',').collect();
            let range = range(gid.parse().unwrap());
            all.insert(format!("group {name}"), format!("{password} {range} {members:?}"));
        }
        for file in ["/etc/shadow", "/etc/gshadow"] {
            // Whether the password is `*` or `!` makes no difference: nobody has one.
            let names = self.text(file).lines().map(|line| line.split(':').next().unwrap());
            all.extend(names.map(|name| (format!("{file} {name}"), String::new())));
        }
        all
    }

    /// What the loader finds, by `ldconfig -p`.
    fn libraries(&self) -> BTreeSet<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &self.contents["/etc/ld.so.cache"]).unwrap();
        let output = Command::new("ldconfig").arg("-p").arg("-C").arg(file.path()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().skip(1).filter(|line| line.contains("=>")).map(|line| line.trim().to_owned()).collect()
    }
}

/// Numbers that Debian fixes are compared; of others the range.
fn range(id: u32) -> String {
    match id {
        100..=999 => "system".to_owned(),
        1000..=59_999 => "user".to_owned(),
        fixed => fixed.to_string(),
    }
}

/// Every path that differs, who has it, and how.
fn compare(installed: &System, image: &System) -> Vec<(String, Side, String)> {
    let mut found = Vec::new();
    let paths: BTreeSet<&String> = installed.nodes.keys().chain(image.nodes.keys()).collect();
    for path in paths {
        match (installed.nodes.get(path), image.nodes.get(path)) {
            (Some(_), None) => {
                found.push((
                    path.clone(),
                    Side::Installed,
                    format!("only installed: {}", installed.line(path)),
                ));
            }
            (None, Some(_)) => {
                found.push((path.clone(), Side::Image, format!("only in the image: {}", image.line(path))));
            }
            (Some(theirs), Some(ours)) => {
                let lines = [installed.line(path), image.line(path)];
                if lines[0] != lines[1] {
                    found.push((path.clone(), Side::Both, format!("{} installed, {}", lines[0], lines[1])));
                } else if theirs.digest != ours.digest {
                    found.push((path.clone(), Side::Content, content_difference(path, installed, image)));
                }
            }
            (None, None) => {}
        }
    }
    let (theirs, ours) = (installed.accounts(), image.accounts());
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    for name in names.into_iter().filter(|name| theirs.get(*name) != ours.get(*name)) {
        let difference = format!("{:?} installed, {:?}", theirs.get(name), ours.get(name));
        found.push((format!("account {name}"), Side::Both, difference));
    }
    for (what, theirs, ours) in [
        ("library", installed.libraries(), image.libraries()),
        ("override", installed.overrides(), image.overrides()),
    ] {
        for one in theirs.symmetric_difference(&ours) {
            let side = if theirs.contains(one) { Side::Installed } else { Side::Image };
            found.push((format!("{what} {one}"), side, format!("{side:?} only")));
        }
    }
    found
}

/// The first lines that only one of them has.
fn content_difference(path: &str, installed: &System, image: &System) -> String {
    let text = |system: &System| String::from_utf8(system.contents.get(path).cloned()?).ok();
    let (Some(theirs), Some(ours)) = (text(installed), text(image)) else { return "content".to_owned() };
    let only = |one: &str, other: &str| {
        let known: BTreeSet<&str> = other.lines().collect();
        let lines: Vec<String> =
            one.lines().filter(|line| !known.contains(line)).take(4).map(str::to_owned).collect();
        lines
    };
    format!(
        "content: only installed {:?}, only in the image {:?}",
        only(&theirs, &ours),
        only(&ours, &theirs)
    )
}
