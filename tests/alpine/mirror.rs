//! The corpus as a mirror of Alpine, to be served whole or changed.

use std::collections::BTreeMap;
use std::process::Command;

use crate::alpine::apks::{corpus_key, sign_index, write_files};
use crate::alpine::corpus::corpus;
use crate::support::Rig;
use crate::support::apk::Key;
use crate::support::rig::{Ran, run};

pub(crate) const BUILD: [&str; 4] = ["build", "r.toml", "--arch", "amd64,s390x"];

/// A rig with a recipe of Alpine 3.20, and the files of the mirror it is for: `main` of the corpus for two
/// architectures, and an empty `community`.
pub(crate) struct Served {
    pub(crate) rig: Rig,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) key: Key,
}

impl Served {
    /// None, saying so, without the corpus or openssl.
    pub(crate) fn new() -> Option<Self> {
        let corpus = corpus()?;
        if !crate::tools::have(&["openssl"]) {
            return None;
        }
        let key = corpus_key()?;
        let mut files = BTreeMap::new();
        for arch in ["x86_64", "s390x"] {
            for entry in std::fs::read_dir(corpus.join(format!("v3.20/main/{arch}"))).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                files.insert(format!("v3.20/main/{arch}/{name}"), std::fs::read(entry.path()).unwrap());
            }
            files.insert(format!("v3.20/community/{arch}/APKINDEX.tar.gz"), sign_index("", &key));
        }
        let rig = Rig::new();
        rig.write(&key.name, key.public());
        rig.recipe(&format!(
            "name = \"r\"\nfrom = \"alpine:3.20\"\nkeys = [\"{}\"]\n[[layer]]\nname = \"main\"\nkeep = \"all\"\n\
             packages = [\"alpine-release\", \"busybox\"]\n\
             [[layer]]\nname = \"shell\"\npackages = [\"busybox-binsh\", \"zlib\"]\n",
            key.name
        ));
        Some(Served { rig, files, key })
    }

    /// The program, with the mirror at a place.
    pub(crate) fn command(&self, root: &str, arguments: &[&str]) -> Command {
        let mut command = self.rig.bare(arguments);
        command.arg("--mirror").arg(format!("alpine={root}"));
        command
    }

    pub(crate) fn run(&self, root: &str, arguments: &[&str]) -> Ran {
        run(&mut self.command(root, arguments))
    }

    /// With the mirror's files as they are now in a directory.
    pub(crate) fn run_from_directory(&self, arguments: &[&str]) -> Ran {
        let root = self.rig.path("mirror");
        write_files(&self.files, &root);
        self.run(root.to_str().unwrap(), arguments)
    }

    /// The paragraphs of the index of `main`.
    pub(crate) fn records(&self, arch_name: &str) -> Vec<String> {
        let bytes = &self.files[&format!("v3.20/main/{arch_name}/APKINDEX.tar.gz")];
        let keyring = rootforge::trust::ApkKeyring::parse_pem(&self.key.public(), &self.key.name).unwrap();
        let index = rootforge::apk::signed_index(bytes, &keyring).unwrap();
        let paragraphs = index.text().split("\n\n").map(str::trim).filter(|text| !text.is_empty());
        paragraphs.map(|text| format!("{text}\n")).collect()
    }

    /// Changes the index of `main`, and signs it again.
    pub(crate) fn resign(&mut self, arch_name: &str, change: impl Fn(&mut Vec<String>)) {
        let mut records = self.records(arch_name);
        change(&mut records);
        let index = sign_index(&(records.join("\n") + "\n"), &self.key);
        self.files.insert(format!("v3.20/main/{arch_name}/APKINDEX.tar.gz"), index);
    }
}
