//! Repositories of apk's made in code: packages as `support::package` writes them, with apk's fields.
//!
//! ```text
//! Package: app
//! Version: 1.0-r0                     # 1.0-r0 unless given
//! Depend: so:libx.so.1 y>=2           # so too Provides, Replaces, Triggers; each word a line of .PKGINFO
//! Install-If: a b                     # so too Replaces-Priority, Provider-Priority: the whole as one line
//! Owned: /var/lib/app app:app         # a path's owner by name
//! pre-install adduser -S app          # a line of a script
//! /usr/bin/app elf program needed=libx.so.1
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use rootforge::apk::Checksum;
use rootforge::arch::Arch;
use rootforge::digest::Digest;
use rootforge::distro::Distro;
use rootforge::tarball::{Entry, EntryKind};

use crate::support::apk::{CHECKSUM, Key, Tar, gz};
use crate::support::package::Package;
use crate::support::{Rig, alpine_corpus};

/// The build time of every index unless another is given: 2023-11-14.
pub(crate) const TIME: u64 = 1_700_000_000;

/// The key of all repositories of this test program; none, saying so, without openssl.
pub(crate) fn key() -> Option<&'static Key> {
    static KEY: OnceLock<Option<Key>> = OnceLock::new();
    KEY.get_or_init(|| Key::new("test")).as_ref()
}

/// The corpus's key, to sign other indexes of its packages with.
pub(crate) fn corpus_key() -> Option<Key> {
    Some(Key::of(&alpine_corpus()?.join("rootforge-test-1.rsa")))
}

/// A rig with a signed repository of these packages in `work/repo`, for amd64, and a recipe that has it.
pub(crate) fn rig(packages: &str, recipe: &str) -> Option<Rig> {
    let key = key()?;
    let rig = Rig::new();
    rig.write(&key.name, key.public());
    Repository::of(packages, &[Arch::Amd64]).write(&rig.work("repo"), key);
    rig.write("r.toml", format!("name = \"r\"\n{}{recipe}", repository("repo")));
    Some(rig)
}

/// The part of a recipe that names a repository signed with the key.
pub(crate) fn repository(url: &str) -> String {
    format!("[[repository]]\ntype = \"apk\"\nurl = \"{url}\"\nkeys = [\"test.rsa.pub\"]\n")
}

/// A package file, and its paragraph of an index.
pub(crate) struct Made {
    /// Below the repository's root.
    pub(crate) path: String,
    pub(crate) file: Vec<u8>,
    pub(crate) record: String,
}

/// A repository that is not signed yet.
pub(crate) struct Repository {
    pub(crate) packages: BTreeMap<Arch, Vec<Made>>,
}

impl Repository {
    pub(crate) fn of(text: &str, archs: &[Arch]) -> Self {
        let packages = Package::parse(text);
        let made = |arch: &Arch| {
            let fits = |package: &&Package| package.is_for(arch_name(*arch));
            (*arch, packages.iter().filter(fits).map(|package| make(package, *arch)).collect())
        };
        Repository { packages: archs.iter().map(made).collect() }
    }

    /// Its files below its root.
    pub(crate) fn files(&self, key: &Key) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for (arch, packages) in &self.packages {
            let records: String = packages.iter().map(|made| format!("{}\n", made.record)).collect();
            let index = format!("{}/APKINDEX.tar.gz", arch_name(*arch));
            files.insert(index, sign_index(&records, key));
            files.extend(packages.iter().map(|made| (made.path.clone(), made.file.clone())));
        }
        files
    }

    pub(crate) fn write(&self, directory: &Path, key: &Key) {
        write_files(&self.files(key), directory);
    }
}

/// Writes files in the place of those that were there.
pub(crate) fn write_files(files: &BTreeMap<String, Vec<u8>>, directory: &Path) {
    let _ = std::fs::remove_dir_all(directory);
    for (path, bytes) in files {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// An `APKINDEX.tar.gz` of these paragraphs.
pub(crate) fn sign_index(records: &str, key: &Key) -> Vec<u8> {
    let tar = Tar::new().plain("DESCRIPTION", b"test").plain("APKINDEX", records.as_bytes()).end();
    let index = gz(&tar);
    [signature(key, &index), index].concat()
}

fn distro() -> Distro {
    "alpine:3.20".parse().unwrap()
}

pub(crate) fn arch_name(arch: Arch) -> &'static str {
    distro().arch_name(arch).unwrap()
}

/// The package's file by itself, for amd64.
pub(crate) fn apk(text: &str) -> Vec<u8> {
    make(&Package::parse(text)[0], Arch::Amd64).file
}

fn make(package: &Package, arch: Arch) -> Made {
    let version = package.field("Version").unwrap_or("1.0-r0");
    let words = |field: &str| package.field(field).unwrap_or_default().to_owned();
    let data = gz(&data(package, arch));
    let size: u64 = package.members(distro(), arch).iter().map(|(_, content)| content.len() as u64).sum();

    let mut info = format!(
        "pkgname = {}\npkgver = {version}\npkgdesc = a test\nbuilddate = {TIME}\nsize = {size}\narch = {}\n\
         origin = {0}\nlicense = MIT\n",
        package.name(),
        arch_name(arch)
    );
    for (field, name) in [("Depend", "depend"), ("Provides", "provides"), ("Replaces", "replaces")] {
        for word in words(field).split_whitespace() {
            info.push_str(&format!("{name} = {word}\n"));
        }
    }
    let whole = [
        ("Install-If", "install_if"),
        ("Triggers", "triggers"),
        ("Replaces-Priority", "replaces_priority"),
        ("Provider-Priority", "provider_priority"),
    ];
    for (field, name) in whole.into_iter().filter(|(field, _)| package.field(field).is_some()) {
        info.push_str(&format!("{name} = {}\n", words(field)));
    }
    info.push_str(&format!("datahash = {}\n", Digest::of(&data).hex()));

    let mut control = Tar::new().plain(".PKGINFO", info.as_bytes());
    for (script, lines) in package.control_files() {
        let header = Tar::header(tar::EntryType::Regular, 0o755);
        control = control.entry(&format!(".{script}"), header, format!("#!/bin/sh\n{lines}").as_bytes());
    }
    let control = gz(&control.cut());
    let signature = signature(key().unwrap(), &control);
    let file = [&signature[..], &control, &data].concat();

    let mut record = format!(
        "C:{}\nP:{}\nV:{version}\nA:{}\nS:{}\nI:{size}\nT:a test\nL:MIT\no:{1}\nt:{TIME}\n",
        Checksum::of(&control),
        package.name(),
        arch_name(arch),
        file.len()
    );
    let fields = [("k", "Provider-Priority"), ("D", "Depend"), ("p", "Provides"), ("i", "Install-If")];
    for (letter, field) in fields.into_iter().filter(|(_, field)| package.field(field).is_some()) {
        record.push_str(&format!("{letter}:{}\n", words(field)));
    }
    let path = format!("{}/{}-{version}.apk", arch_name(arch), package.name());
    Made { path, file, record }
}

/// The data tarball, as abuild writes it.
fn data(package: &Package, arch: Arch) -> Vec<u8> {
    let owners: BTreeMap<&str, &str> = package
        .fields("Owned")
        .map(|line| line.split_once(' ').unwrap_or_else(|| panic!("{line}")))
        .collect();
    let mut tar = Tar::new();
    for (Entry { path, metadata, kind }, content) in package.members(distro(), arch) {
        if path.is_root() {
            continue;
        }
        let header = |kind| {
            let mut header = Tar::header(kind, metadata.mode);
            header.set_uid(metadata.uid.into());
            header.set_gid(metadata.gid.into());
            header.set_mtime(metadata.mtime);
            if let Some(owner) = owners.get(path.as_str()) {
                let (user, group) = owner.split_once(':').unwrap();
                header.set_username(user).unwrap();
                header.set_groupname(group).unwrap();
            } else if (metadata.uid, metadata.gid) != (0, 0) {
                header.set_username("").unwrap();
                header.set_groupname("").unwrap();
            }
            header
        };
        let name = path.relative();
        tar = match &kind {
            EntryKind::Directory => tar.entry(&format!("{name}/"), header(tar::EntryType::Directory), b""),
            EntryKind::Symlink { target } => {
                let mut header = header(tar::EntryType::Symlink);
                header.set_link_name_literal(target).unwrap();
                tar.records(&[(CHECKSUM, Checksum::of(target.as_bytes()).hex().as_bytes())])
                    .entry(name, header, b"")
            }
            EntryKind::HardLink { target } => {
                let mut header = header(tar::EntryType::Link);
                header.set_link_name_literal(target.relative()).unwrap();
                tar.entry(name, header, b"")
            }
            _ => {
                let hash = Checksum::of(&content).hex();
                let mut records: Vec<(String, Vec<u8>)> = vec![(CHECKSUM.to_owned(), hash.into_bytes())];
                let xattrs = metadata.xattrs.iter();
                records.extend(xattrs.map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.clone())));
                let records: Vec<(&str, &[u8])> =
                    records.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
                tar.records(&records).entry(name, header(tar::EntryType::Regular), &content)
            }
        };
    }
    tar.end()
}

/// A signature member; one at a time, since a key has one place for what it signs.
fn signature(key: &Key, bytes: &[u8]) -> Vec<u8> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    key.member("RSA", bytes)
}
