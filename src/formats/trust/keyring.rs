//! OpenPGP certificates that are trusted: the distros' own, and those a recipe names.

use std::fmt;
use std::sync::{Arc, LazyLock};

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::CertParser;
use sequoia_openpgp::parse::Parse as _;

use super::TrustError;

/// The largest key file read, in bytes.
const MAX_KEY_FILE: usize = 4 << 20;

const ARMOUR: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

const DEBIAN: &[&[u8]] = &[
    include_bytes!("../../../vendor-keys/debian-bullseye-automatic.asc"),
    include_bytes!("../../../vendor-keys/debian-bullseye-security-automatic.asc"),
    include_bytes!("../../../vendor-keys/debian-bullseye-stable.asc"),
    include_bytes!("../../../vendor-keys/debian-bookworm-automatic.asc"),
    include_bytes!("../../../vendor-keys/debian-bookworm-security-automatic.asc"),
    include_bytes!("../../../vendor-keys/debian-bookworm-stable.asc"),
    include_bytes!("../../../vendor-keys/debian-trixie-automatic.asc"),
    include_bytes!("../../../vendor-keys/debian-trixie-security-automatic.asc"),
    include_bytes!("../../../vendor-keys/debian-trixie-stable.asc"),
];

const UBUNTU: &[&[u8]] = &[
    include_bytes!("../../../vendor-keys/ubuntu-archive-2012.asc"),
    include_bytes!("../../../vendor-keys/ubuntu-archive-2018.asc"),
];

/// A set of OpenPGP certificates, any of which may sign a repository. Cheap to clone.
#[derive(Clone, Default)]
pub struct Keyring {
    certs: Vec<Arc<Cert>>,
}

impl Keyring {
    /// The keys of Debian's archive and of its security archive.
    pub fn debian() -> Self {
        static KEYS: LazyLock<Keyring> = LazyLock::new(|| Keyring::built_in(DEBIAN));
        KEYS.clone()
    }

    /// The keys of Ubuntu's archive.
    pub fn ubuntu() -> Self {
        static KEYS: LazyLock<Keyring> = LazyLock::new(|| Keyring::built_in(UBUNTU));
        KEYS.clone()
    }

    /// The keys in `vendor-keys/`. A test proves that each can be read.
    fn built_in(files: &[&[u8]]) -> Self {
        let mut keyring = Self::default();
        std::thread::scope(|scope| {
            let read = |file| scope.spawn(move || Self::parse(file, "built in").unwrap_or_default());
            let rings: Vec<_> = files.iter().map(|file| read(*file)).collect();
            for ring in rings {
                keyring.extend(ring.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
        });
        keyring
    }

    /// The keys of a file, armoured or binary, one or several; `name` is used in errors.
    ///
    /// Keys of unsupported kinds are passed over as long as a usable one is there.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self, TrustError> {
        let bad = |reason: String| TrustError::BadKeyFile { name: name.to_owned(), reason };
        if bytes.len() > MAX_KEY_FILE {
            return Err(bad(format!("it has {} bytes, more than the {MAX_KEY_FILE} accepted", bytes.len())));
        }
        let mut certs = Vec::new();
        let mut reason = "it is empty".to_owned();
        for block in blocks(bytes) {
            match CertParser::from_bytes(block) {
                Err(error) => reason = error.to_string(),
                Ok(parser) => {
                    for cert in parser {
                        match cert {
                            Ok(cert) => certs.push(Arc::new(cert.strip_secret_key_material())),
                            Err(error) => reason = error.to_string(),
                        }
                    }
                }
            }
        }
        if certs.is_empty() { Err(bad(reason)) } else { Ok(Keyring { certs }) }
    }

    /// Adds the keys of another ring.
    pub fn extend(&mut self, other: Keyring) {
        self.certs.extend(other.certs);
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.certs.is_empty()
    }

    /// The certificates' fingerprints, upper-case hexadecimal, in the order they were added.
    pub fn fingerprints(&self) -> Vec<String> {
        self.certs.iter().map(|cert| cert.fingerprint().to_hex()).collect()
    }

    pub(super) fn certs(&self) -> impl Iterator<Item = &Cert> {
        self.certs.iter().map(AsRef::as_ref)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.fingerprints()).finish()
    }
}

/// A file's armoured blocks, of which the parser takes one at a time; the whole of a binary file.
fn blocks(bytes: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<_> = bytes
        .windows(ARMOUR.len())
        .enumerate()
        .filter(|(_, window)| *window == ARMOUR.as_bytes())
        .map(|(at, _)| at)
        .collect();
    if starts.is_empty() {
        return vec![bytes];
    }
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts.iter().zip(ends).map(|(start, end)| &bytes[*start..end]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_readme_is_right() {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vendor-keys");
        let readme = std::fs::read_to_string(directory.join("README.md")).unwrap();
        let mut listed = Vec::new();
        for line in readme.lines().filter(|line| line.contains(".asc |")) {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let keys = Keyring::parse(&std::fs::read(directory.join(cells[1])).unwrap(), cells[1]).unwrap();
            assert_eq!(keys.fingerprints(), [cells[2]], "{}", cells[1]);
            let cert = keys.certs().next().unwrap();
            assert_eq!(cert.userids().next().unwrap().userid().to_string(), cells[3], "{}", cells[1]);
            listed.push(cells[2].to_owned());
        }
        let mut built_in = [Keyring::debian().fingerprints(), Keyring::ubuntu().fingerprints()].concat();
        assert_eq!(built_in.len(), DEBIAN.len() + UBUNTU.len());
        built_in.sort();
        listed.sort();
        assert_eq!(built_in, listed);
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.filter(|path| path.is_file()).count();
        assert_eq!(files, listed.len() + 1, "a file of vendor-keys is not in the table");
    }

    #[test]
    fn several_keys_in_a_file() {
        let text = [DEBIAN[0], b"a note between\n", DEBIAN[2]].concat();
        let armoured = Keyring::parse(&text, "two.asc").unwrap();
        assert_eq!(armoured.fingerprints().len(), 2);
        let binary: Vec<u8> = armoured
            .certs()
            .flat_map(|cert| sequoia_openpgp::serialize::MarshalInto::to_vec(cert).unwrap())
            .collect();
        assert_eq!(Keyring::parse(&binary, "two.gpg").unwrap().fingerprints(), armoured.fingerprints());
    }

    #[test]
    fn what_is_no_key_is_named() {
        for bytes in [&b""[..], b"hello", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n"] {
            let error = Keyring::parse(bytes, "keys/x.asc").unwrap_err();
            assert!(error.to_string().starts_with("`keys/x.asc` holds no usable OpenPGP key: "), "{error}");
        }
    }
}
