//! Packages and indexes of apk, put together from parts so that each part can be made wrong.
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rootforge::apk::Checksum;
use rootforge::digest::Digest;
use tempfile::TempDir;

/// The pax record of a file's own checksum.
pub const CHECKSUM: &str = "APK-TOOLS.checksum.SHA1";

/// A gzip member.
pub fn gz(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A tar stream under way.
pub struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    pub fn new() -> Self {
        Tar(tar::Builder::new(Vec::new()))
    }

    /// A header as abuild has them: owned by root, by name too, with a fixed time.
    pub fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_700_000_000);
        header.set_username("root").unwrap();
        header.set_groupname("root").unwrap();
        header
    }

    /// An entry as it is given; the name is taken unchecked.
    #[must_use]
    pub fn entry(mut self, name: &str, mut header: tar::Header, content: &[u8]) -> Self {
        header.as_old_mut().name = [0; 100];
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    /// Pax records of the entry that comes next.
    #[must_use]
    pub fn records(mut self, records: &[(&str, &[u8])]) -> Self {
        let mut bytes = Vec::new();
        for (key, value) in records {
            // The length counts its own digits.
            let rest = key.len() + value.len() + 3;
            let digits = (1..9).find(|digits| (rest + digits).to_string().len() == *digits).unwrap();
            bytes.extend_from_slice(format!("{} {key}=", rest + digits).as_bytes());
            bytes.extend_from_slice(value);
            bytes.push(b'\n');
        }
        // A header without a name is the archive's end to apk.
        self = self.entry("PaxHeaders/next", Self::header(tar::EntryType::XHeader, 0o644), &bytes);
        self
    }

    /// A file without a checksum of its own, as in a control member.
    #[must_use]
    pub fn plain(self, name: &str, content: &[u8]) -> Self {
        self.entry(name, Self::header(tar::EntryType::Regular, 0o644), content)
    }

    /// A file with its checksum.
    #[must_use]
    pub fn file(self, name: &str, mode: u32, content: &[u8]) -> Self {
        self.records(&[(CHECKSUM, Checksum::of(content).hex().as_bytes())]).entry(
            name,
            Self::header(tar::EntryType::Regular, mode),
            content,
        )
    }

    #[must_use]
    pub fn directory(self, name: &str, mode: u32) -> Self {
        self.entry(name, Self::header(tar::EntryType::Directory, mode), b"")
    }

    /// A symbolic link with its checksum.
    #[must_use]
    pub fn symlink(self, name: &str, target: &str) -> Self {
        let mut header = Self::header(tar::EntryType::Symlink, 0o777);
        header.set_link_name_literal(target).unwrap();
        self.records(&[(CHECKSUM, Checksum::of(target.as_bytes()).hex().as_bytes())]).entry(name, header, b"")
    }

    #[must_use]
    pub fn hard_link(self, name: &str, target: &str) -> Self {
        let mut header = Self::header(tar::EntryType::Link, 0o644);
        header.set_link_name_literal(target).unwrap();
        self.entry(name, header, b"")
    }

    /// The stream without the blocks that end an archive.
    pub fn cut(self) -> Vec<u8> {
        self.0.get_ref().clone()
    }

    /// The stream with them.
    pub fn end(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// The data of the usual package.
pub fn data() -> Vec<u8> {
    Tar::new()
        .directory("usr/", 0o755)
        .directory("usr/bin/", 0o755)
        .file("usr/bin/tool", 0o755, b"#!/bin/sh\n")
        .symlink("usr/bin/alias", "tool")
        .end()
}

/// A `.PKGINFO` for data members of these bytes.
pub fn info(data: &[u8]) -> String {
    format!(
        "# a comment\npkgname = sample\npkgver = 1.0-r0\narch = x86_64\nsize = 10\ndatahash = {}\n",
        Digest::of(data).hex()
    )
}

/// A control member's content, cut as abuild cuts it.
pub fn control(info: &str) -> Vec<u8> {
    Tar::new()
        .plain(".PKGINFO", info.as_bytes())
        .entry(".post-install", Tar::header(tar::EntryType::Regular, 0o755), b"#!/bin/sh\nexit 0\n")
        .cut()
}

/// An RSA key made by openssl for the time of a test.
pub struct Key {
    dir: TempDir,
    /// The file name of its public half.
    pub name: String,
}

impl Key {
    /// None, saying so, where there is no openssl. Under `CI=true` it must be there.
    pub fn new(name: &str) -> Option<Key> {
        let key = Key { dir: TempDir::new().unwrap(), name: format!("{name}.rsa.pub") };
        let made = Command::new("openssl")
            .args(["genrsa", "-out"])
            .arg(key.dir.path().join("private"))
            .arg("2048")
            .output();
        if !made.is_ok_and(|output| output.status.success()) {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "there is no openssl");
            eprintln!("skipped: there is no openssl here");
            return None;
        }
        let mut openssl = Command::new("openssl");
        openssl.args(["rsa", "-pubout", "-in"]).arg(key.dir.path().join("private"));
        let public = openssl.output().unwrap();
        assert!(public.status.success());
        std::fs::write(key.public_path(), public.stdout).unwrap();
        Some(key)
    }

    /// A key that is there already, beside its public half.
    pub fn of(private: &Path) -> Key {
        let name = private.file_name().unwrap().to_str().unwrap();
        let key = Key { dir: TempDir::new().unwrap(), name: format!("{name}.pub") };
        std::fs::copy(private, key.dir.path().join("private")).unwrap();
        std::fs::copy(private.with_file_name(&key.name), key.public_path()).unwrap();
        key
    }

    /// The same key by another name.
    pub fn called(&self, name: &str) -> Key {
        let key = Key { dir: TempDir::new().unwrap(), name: format!("{name}.rsa.pub") };
        std::fs::copy(self.dir.path().join("private"), key.dir.path().join("private")).unwrap();
        std::fs::write(key.public_path(), self.public()).unwrap();
        key
    }

    fn public_path(&self) -> PathBuf {
        self.dir.path().join(&self.name)
    }

    /// The public half.
    pub fn public(&self) -> Vec<u8> {
        std::fs::read(self.public_path()).unwrap()
    }

    /// A signature; `kind` as apk names them.
    pub fn sign(&self, kind: &str, bytes: &[u8]) -> Vec<u8> {
        // Tests that run at the same time may share a key.
        let signed = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(signed.path(), bytes).unwrap();
        let digest = match kind {
            "RSA" => "-sha1",
            "RSA256" => "-sha256",
            "RSA512" => "-sha512",
            other => panic!("{other} is no kind of signature"),
        };
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", digest, "-sign"]).arg(self.dir.path().join("private")).arg(signed.path());
        let output = openssl.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// A signature's tar entry: its name and content.
    pub fn entry(&self, kind: &str, bytes: &[u8]) -> (String, Vec<u8>) {
        (format!(".SIGN.{kind}.{}", self.name), self.sign(kind, bytes))
    }

    /// A signature member with one signature.
    pub fn member(&self, kind: &str, bytes: &[u8]) -> Vec<u8> {
        signature_member(&[self.entry(kind, bytes)])
    }
}

/// A signature member of these entries.
pub fn signature_member(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let tar = entries.iter().fold(Tar::new(), |tar, (name, bytes)| tar.plain(name, bytes));
    gz(&tar.cut())
}
