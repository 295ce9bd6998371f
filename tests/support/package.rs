//! Packages written as text, and the `.deb` made of them.
//!
//! ```text
//! Package: app                        # any control field; Version is 1.0 and Architecture any unless given
//! Depends: libx1
//! /usr/bin/app elf program needed=libx.so.1 runpath=$ORIGIN/../lib interp=/lib64/ld-linux-x86-64.so.2
//! /usr/lib/{triplet}/libx.so.1 elf soname=libx.so.1 machine=s390x
//! /usr/share/app/data 0644 text up to the end of the line, with \n for its breaks
//! /usr/bin/su 4755@0:42+cap text
//! /var/lib/app/ 0750@33:33
//! /usr/bin/link -> app
//! /usr/bin/hard => /usr/bin/app
//! md5sums a line of the file of that name; so too any other word of lower case letters
//! ```
//!
//! Packages are parted by blank lines; `{arch}` and `{triplet}` are those of the architecture built.

use std::collections::BTreeMap;
use std::io::Write as _;

use rootforge::digest::Digest;
use rootforge::distro::Distro;
use rootforge::root_path::RootPath;
use rootforge::tarball::{Entry, EntryKind, Metadata, Writer};

use super::Arch;
use super::sample::Sample;

/// What files carry in their headers, in seconds since the epoch: 2001-09-09.
pub const FILE_TIME: u64 = 1_000_000_000;

/// A package, for no architecture yet.
#[derive(Clone, Debug)]
pub struct Package {
    fields: Vec<(String, String)>,
    /// Lines of files.
    lines: Vec<String>,
}

/// A file of a package.
pub type Member = (Entry, Vec<u8>);

impl Package {
    /// The packages of a text.
    pub fn parse(text: &str) -> Vec<Package> {
        let mut packages = Vec::new();
        let mut lines: Vec<&str> = Vec::new();
        for line in text.lines().map(str::trim).chain([""]) {
            if !line.is_empty() {
                lines.push(line);
            } else if !lines.is_empty() {
                packages.push(Self::parse_one(&std::mem::take(&mut lines)));
            }
        }
        packages
    }

    fn parse_one(lines: &[&str]) -> Package {
        let (mut fields, mut files) = (Vec::new(), Vec::new());
        for line in lines {
            if !line.starts_with('/') && line.starts_with(|c: char| c.is_ascii_uppercase()) {
                let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{line}"));
                fields.push((name.to_owned(), value.trim().to_owned()));
            } else {
                files.push((*line).to_owned());
            }
        }
        let package = Package { fields, lines: files };
        assert!(package.field("Package").is_some(), "{lines:?}");
        package
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The values of a field that may be there several times.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub fn name(&self) -> &str {
        self.field("Package").unwrap()
    }

    pub fn version(&self) -> &str {
        self.field("Version").unwrap_or("1.0")
    }

    /// Whether there is a build of it for an architecture, by the distro's name.
    pub fn is_for(&self, arch_name: &str) -> bool {
        match self.field("Architecture") {
            None | Some("any" | "all") => true,
            Some(own) => own.split(' ').any(|one| one == arch_name),
        }
    }

    fn architecture<'s>(&'s self, arch_name: &'s str) -> &'s str {
        if self.field("Architecture") == Some("all") { "all" } else { arch_name }
    }

    /// The file's name in the pool.
    pub fn filename(&self, arch_name: &str) -> String {
        let version = self.version().rsplit(':').next().unwrap();
        format!("pool/{}_{version}_{}.deb", self.name(), self.architecture(arch_name))
    }

    pub fn control(&self, arch_name: &str) -> String {
        let mut text = format!("Package: {}\nVersion: {}\nArchitecture: ", self.name(), self.version());
        text.push_str(&format!("{}\nMaintainer: Test <test@example.org>\n", self.architecture(arch_name)));
        for (name, value) in &self.fields {
            if !["Package", "Version", "Architecture"].contains(&name.as_str()) {
                text.push_str(&format!("{name}: {value}\n"));
            }
        }
        text.push_str("Description: a test\n");
        text
    }

    /// Its paragraph of an index.
    pub fn paragraph(&self, distro: Distro, arch: Arch) -> String {
        let arch_name = distro.arch_name(arch).unwrap();
        let deb = self.deb(distro, arch);
        format!(
            "{}Filename: {}\nSize: {}\nSHA256: {}\n\n",
            self.control(arch_name),
            self.filename(arch_name),
            deb.len(),
            Digest::of(&deb).hex()
        )
    }

    /// The package file.
    pub fn deb(&self, distro: Distro, arch: Arch) -> Vec<u8> {
        let arch_name = distro.arch_name(arch).unwrap();
        let mut control = vec![directory("/"), file("/control", self.control(arch_name).as_bytes())];
        for (name, text) in self.control_files() {
            control.push(file(&format!("/{name}"), text.as_bytes()));
        }
        let mut bytes = b"!<arch>\n".to_vec();
        for (name, content) in [
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar.gz", super::suite::pack(".gz", &tar(&control))),
            ("data.tar.xz", super::suite::pack(".xz", &tar(&self.members(distro, arch)))),
        ] {
            let size = content.len();
            writeln!(bytes, "{name:<16}{FILE_TIME:<12}{:<6}{:<6}{:<8}{size:<10}`", 0, 0, 100_644).unwrap();
            bytes.extend(content);
            bytes.resize(bytes.len().next_multiple_of(2), b'\n');
        }
        bytes
    }

    /// What goes beside the control file, by name: scripts above all.
    pub fn control_files(&self) -> BTreeMap<&str, String> {
        let mut files: BTreeMap<&str, String> = BTreeMap::new();
        for line in self.lines.iter().filter(|line| !line.starts_with('/')) {
            let (name, text) = line.split_once(' ').unwrap();
            files.entry(name).or_default().push_str(&format!("{text}\n"));
        }
        files
    }

    /// Its files, each after the directories above it.
    pub fn members(&self, distro: Distro, arch: Arch) -> Vec<Member> {
        let expand = |line: &str| {
            line.replace("{arch}", distro.arch_name(arch).unwrap())
                .replace("{triplet}", distro.triplet(arch).unwrap())
        };
        let mut members: Vec<Member> = Vec::new();
        for line in self.lines.iter().filter(|line| line.starts_with('/')) {
            let member = parse_member(&expand(line), arch);
            let mut above: Vec<RootPath> = member.0.path.ancestors().collect();
            above.sort();
            for path in above {
                if !members.iter().any(|(entry, _)| entry.path == path) {
                    members.push(directory(path.as_str()));
                }
            }
            members.retain(|(entry, _)| entry.path != member.0.path || entry.kind != EntryKind::Directory);
            members.push(member);
        }
        members
    }
}

fn parse_member(line: &str, arch: Arch) -> Member {
    let (path, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
    let simple = |mode, kind| (entry(path, mode, kind), Vec::new());
    if let Some(target) = rest.strip_prefix("-> ") {
        return simple(0o777, EntryKind::Symlink { target: target.to_owned() });
    }
    if let Some(target) = rest.strip_prefix("=> ") {
        return simple(0o644, EntryKind::HardLink { target: RootPath::parse(target).unwrap() });
    }
    if let Some(words) = rest.strip_prefix("elf") {
        let content = elf(words, arch);
        return (entry(path, 0o755, EntryKind::File { size: content.len() as u64 }), content);
    }
    let (head, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let (head, capable) = head.strip_suffix("+cap").map_or((head, false), |head| (head, true));
    let (mode, owner) = head.split_once('@').unwrap_or((head, "0:0"));
    let (uid, gid) = owner.split_once(':').unwrap();
    let content = text.replace("\\n", "\n").into_bytes();
    let kind = if path.ends_with('/') {
        EntryKind::Directory
    } else {
        EntryKind::File { size: content.len() as u64 }
    };
    let mode = u32::from_str_radix(mode, 8).unwrap_or_else(|_| panic!("{line}"));
    let mut entry = entry(path, mode, kind);
    (entry.metadata.uid, entry.metadata.gid) = (uid.parse().unwrap(), gid.parse().unwrap());
    if capable {
        // cap_net_raw, permitted (capability.h, version 2).
        let mut value = vec![1, 0, 0, 2, 0, 0x20];
        value.resize(20, 0);
        entry.metadata.xattrs.insert("security.capability".to_owned(), value);
    }
    (entry, content)
}

/// An ELF file described in words.
fn elf(words: &str, arch: Arch) -> Vec<u8> {
    let mut sample = Sample::library(arch, "", &[]);
    sample.texts.clear();
    for word in words.split_ascii_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name {
            "program" => sample.object_type = 2,
            "interp" => sample.interp = Some(value),
            "machine" => sample.machine = value.parse::<Arch>().unwrap().elf_machine(),
            "needed" => sample.texts.extend(value.split(',').map(|soname| (1, soname))),
            "soname" => sample.texts.push((14, value)),
            "rpath" => sample.texts.push((15, value)),
            "names" => sample.constants.extend(value.split(',')),
            "runpath" => sample.texts.push((29, value)),
            _ => panic!("{word}"),
        }
    }
    sample.bytes()
}

fn entry(path: &str, mode: u32, kind: EntryKind) -> Entry {
    let metadata = Metadata { mode, uid: 0, gid: 0, mtime: FILE_TIME, xattrs: BTreeMap::new() };
    Entry { path: RootPath::parse(path).unwrap(), metadata, kind }
}

fn directory(path: &str) -> Member {
    (entry(path, 0o755, EntryKind::Directory), Vec::new())
}

fn file(path: &str, content: &[u8]) -> Member {
    (entry(path, 0o644, EntryKind::File { size: content.len() as u64 }), content.to_vec())
}

fn tar(members: &[Member]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, content) in members {
        writer.append(entry, &mut &content[..]).unwrap();
    }
    writer.finish().unwrap()
}
