//! Suites built in code: indexes and a signed InRelease.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use rootforge::digest::Digest;

use super::signing::{DAY, Key, Style, frame};

/// A suite to be built.
pub(crate) struct Suite<'a> {
    pub(crate) origin: &'a str,
    pub(crate) name: &'a str,
    /// The `Codename`, if it is not the name.
    pub(crate) codename: Option<&'a str>,
    pub(crate) date: SystemTime,
    pub(crate) valid_until: Option<SystemTime>,
    pub(crate) architectures: &'a str,
    pub(crate) components: &'a str,
    pub(crate) all_within: bool,
    pub(crate) by_hash: bool,
    /// Endings of the compressions to list and offer; an empty one is no compression.
    pub(crate) endings: Vec<&'a str>,
    /// Texts by directory, as in `main/binary-amd64`.
    pub(crate) indexes: BTreeMap<&'a str, String>,
    /// Other indexes by path, as in `main/Contents-amd64`; each only as gzip.
    pub(crate) others: BTreeMap<String, String>,
}

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

impl<'a> Suite<'a> {
    /// A suite as Debian has them, with one package for amd64.
    pub(crate) fn new(name: &'a str, now: SystemTime) -> Self {
        Suite {
            origin: "Debian",
            name,
            codename: None,
            date: now - DAY,
            valid_until: None,
            architectures: "all amd64 arm64",
            components: "main",
            all_within: true,
            by_hash: true,
            endings: vec!["", ".xz"],
            indexes: BTreeMap::from([
                ("main/binary-amd64", package("one", "amd64")),
                ("main/binary-arm64", package("one", "arm64")),
            ]),
            others: BTreeMap::new(),
        }
    }

    /// Its files by their paths below the archive's root.
    pub(crate) fn build(&self, key: &Key) -> Files {
        let mut files = Files::new();
        let mut sums = String::new();
        let root = format!("dists/{}", self.name);
        for (directory, text) in &self.indexes {
            for ending in &self.endings {
                let bytes = pack(ending, text.as_bytes());
                let digest = Digest::of(&bytes).hex();
                let _ = writeln!(sums, " {digest} {:>8} {directory}/Packages{ending}", bytes.len());
                if self.by_hash {
                    files.insert(format!("{root}/{directory}/by-hash/SHA256/{digest}"), bytes.clone());
                }
                files.insert(format!("{root}/{directory}/Packages{ending}"), bytes);
            }
        }
        for (path, text) in &self.others {
            let bytes = pack(".gz", text.as_bytes());
            let _ = writeln!(sums, " {} {:>8} {path}.gz", Digest::of(&bytes).hex(), bytes.len());
            files.insert(format!("{root}/{path}.gz"), bytes);
        }
        let mut text = format!(
            "Origin: {}\nSuite: {}\nCodename: {}\nDate: {}\n",
            self.origin,
            self.name,
            self.codename.unwrap_or(self.name),
            date(self.date)
        );
        if let Some(end) = self.valid_until {
            let _ = writeln!(text, "Valid-Until: {}", date(end));
        }
        if self.by_hash {
            text.push_str("Acquire-By-Hash: yes\n");
        }
        if self.all_within {
            text.push_str("No-Support-for-Architecture-all: Packages\n");
        }
        let _ = write!(
            text,
            "Architectures: {}\nComponents: {}\nSHA256:\n{sums}",
            self.architectures, self.components
        );
        let message = frame(&text, &[key.sign(&text, &Style::at(self.date.min(key.now)))]);
        files.insert(format!("{root}/InRelease"), message.into_bytes());
        files
    }
}

/// A paragraph of a Packages index.
pub(crate) fn package(name: &str, arch: &str) -> String {
    let digest = Digest::of(name.as_bytes()).hex();
    format!(
        "Package: {name}\nVersion: 1.0\nArchitecture: {arch}\nFilename: pool/{name}_1.0_{arch}.deb\nSize: 3\nSHA256: \
         {digest}\nDescription: a test\n\n"
    )
}

pub(crate) fn pack(ending: &str, text: &[u8]) -> Vec<u8> {
    match ending {
        ".xz" => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        ".gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        ".bz2" => {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        }
        ".zst" => zstd::encode_all(text, 1).unwrap(),
        _ => text.to_vec(),
    }
}

/// A date as Release files write it.
fn date(time: SystemTime) -> String {
    let seconds = i64::try_from(time.duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    jiff::Timestamp::from_second(seconds).unwrap().strftime("%a, %d %b %Y %H:%M:%S UTC").to_string()
}
