//! The real apk of the corpus, and the files it reads.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use base64::Engine as _;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use crate::apk_solver::Package;
use crate::support::alpine::alpine_corpus;

/// A repository as apk's list of them has it.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    pub(crate) tag: Option<String>,
    pub(crate) path: PathBuf,
}

/// apk, unpacked.
pub(crate) struct Program(TempDir);

/// apk with an empty root and a list of repositories.
pub(crate) struct Apk {
    program: &'static Program,
    root: TempDir,
    arch: String,
    keys: PathBuf,
}

/// apk of the corpus; none where it cannot be had.
pub(crate) fn apk() -> Option<&'static Program> {
    static PROGRAM: OnceLock<Option<Program>> = OnceLock::new();
    PROGRAM.get_or_init(Program::unpack).as_ref()
}

impl Program {
    fn unpack() -> Option<Self> {
        let corpus = alpine_corpus()?;
        if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
            println!("skipped: apk of the corpus is for x86-64");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let needed = ["apk-tools-2", "musl-1", "libcrypto3-", "libssl3-", "zlib-"];
        for entry in fs::read_dir(corpus.join("v3.20/main/x86_64")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if needed.iter().any(|prefix| name.starts_with(prefix)) {
                let mut archive = tar::Archive::new(MultiGzDecoder::new(File::open(&path).unwrap()));
                archive.set_ignore_zeros(true);
                for entry in archive.entries().unwrap() {
                    let mut entry = entry.unwrap();
                    let path = entry.path().unwrap().into_owned();
                    if path.starts_with("lib") || path.starts_with("sbin") || path.starts_with("usr/lib") {
                        entry.unpack_in(directory.path()).unwrap();
                    }
                }
            }
        }
        Some(Program(directory))
    }

    /// Runs it by its own loader, so that it needs no root directory of its own.
    fn command(&self) -> Command {
        let root = self.0.path();
        let mut command = Command::new(root.join("lib/ld-musl-x86_64.so.1"));
        let libraries = format!("{}:{}", root.join("lib").display(), root.join("usr/lib").display());
        command.arg("--library-path").arg(libraries).arg(root.join("sbin/apk"));
        command.env_clear();
        command
    }

    /// Which of two versions it takes for the newer one.
    pub(crate) fn compare_versions(&self, left: &str, right: &str) -> Ordering {
        let output = self.command().args(["version", "-t", "--", left, right]).output().unwrap();
        match output.stdout.trim_ascii() {
            b"<" => Ordering::Less,
            b"=" => Ordering::Equal,
            b">" => Ordering::Greater,
            _ => panic!("{left} against {right}: {output:?}"),
        }
    }

    /// Whether it takes a text for a version.
    pub(crate) fn is_version(&self, text: &str) -> bool {
        let output = self.command().args(["version", "--check", "--", text]).output().unwrap();
        output.stdout.is_empty()
    }

    /// With an empty root and repositories.
    pub(crate) fn with(&'static self, arch: &str, repositories: &[Repository], keys: &Path) -> Apk {
        let root = tempfile::tempdir().unwrap();
        for directory in ["lib/apk/db", "etc/apk", "var/cache/apk"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        let line = |one: &Repository| match &one.tag {
            Some(tag) => format!("@{tag} {}\n", one.path.display()),
            None => format!("{}\n", one.path.display()),
        };
        fs::write(root.path().join("lib/apk/db/installed"), "").unwrap();
        fs::write(root.path().join("etc/apk/world"), "").unwrap();
        let list: String = repositories.iter().map(line).collect();
        fs::write(root.path().join("etc/apk/repositories"), list).unwrap();
        Apk { program: self, root, arch: arch.to_owned(), keys: keys.to_owned() }
    }
}

impl Apk {
    /// The packages that it would add to an empty root, in its order, or why it would not.
    pub(crate) fn add(&self, request: &[String]) -> Result<Vec<Package>, String> {
        let mut command = self.program.command();
        command.args(["add", "--simulate", "--no-cache", "--no-progress", "--arch", &self.arch, "--root"]);
        command.arg(self.root.path());
        command.arg("--keys-dir").arg(&self.keys);
        let output = command.arg("--").args(request).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        if output.status.success() {
            assert!(!text.contains("WARNING"), "{text}");
            let lines = text.lines().filter(|line| line.starts_with('('));
            return Ok(lines.map(installing).collect());
        }
        let known = ["unable to select packages", "repository tags"];
        assert!(known.iter().any(|reason| text.contains(reason)), "{request:?}: {text}");
        Err(text)
    }

    /// Its repositories with their indexes.
    pub(crate) fn described(&self) -> String {
        let list = fs::read_to_string(self.root.path().join("etc/apk/repositories")).unwrap();
        let text = |line: &str| {
            let path = Path::new(line.rsplit(' ').next().unwrap()).join(&self.arch).join("APKINDEX.tar.gz");
            format!("--- {line}\n{}", index_text(&path))
        };
        list.lines().map(text).collect()
    }
}

/// Reads `(1/2) Installing name@tag (version)`.
fn installing(line: &str) -> Package {
    let (_, rest) = line.split_once(" Installing ").unwrap_or_else(|| panic!("{line}"));
    let (name, version) = rest.split_once(" (").unwrap();
    let name = name.split('@').next().unwrap();
    (name.to_owned(), version.strip_suffix(')').unwrap().to_owned())
}

/// The text in an index file, unverified.
pub(crate) fn index_text(path: &Path) -> String {
    let mut archive = tar::Archive::new(MultiGzDecoder::new(File::open(path).unwrap()));
    archive.set_ignore_zeros(true);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().as_os_str() == "APKINDEX" {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            return text;
        }
    }
    panic!("{} has no APKINDEX", path.display());
}

/// Writes an index file, signed with the corpus's test key: apk cannot read small ones without a signature.
pub(crate) fn write_index(path: &Path, text: &str) {
    let index = member(&[("APKINDEX", text.as_bytes())], true);
    let key = signing_key();
    let mut signature = vec![0; key.public().modulus_len()];
    let random = ring::rand::SystemRandom::new();
    key.sign(&ring::signature::RSA_PKCS1_SHA256, &random, &index, &mut signature).unwrap();
    let mut file = member(&[(".SIGN.RSA256.rootforge-test-1.rsa.pub", &signature)], false);
    file.extend(index);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, file).unwrap();
}

/// A gzip member with files in it, with or without the end of an archive.
fn member(files: &[(&str, &[u8])], ended: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).unwrap();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        bytes.extend(header.as_bytes());
        bytes.extend(*content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    if ended {
        bytes.resize(bytes.len() + 1024, 0);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&bytes).unwrap();
    encoder.finish().unwrap()
}

fn signing_key() -> &'static ring::rsa::KeyPair {
    static KEY: OnceLock<ring::rsa::KeyPair> = OnceLock::new();
    KEY.get_or_init(|| {
        let text = fs::read_to_string(alpine_corpus().unwrap().join("rootforge-test-1.rsa")).unwrap();
        let encoded: String = text.lines().filter(|line| !line.starts_with("--")).collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
        ring::rsa::KeyPair::from_pkcs8(&bytes).or_else(|_| ring::rsa::KeyPair::from_der(&bytes)).unwrap()
    })
}
