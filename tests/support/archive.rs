//! Archives built in code: a pool of packages, and suites that list them, signed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rootforge::distro::Distro;
use rootforge::tarball::EntryKind;

use super::Arch;
use super::package::Package;
use super::signing::Key;
use super::suite::{Files, Suite};

/// The date of all suites unless another is given: 2025-01-01.
pub const DATE: u64 = 1_735_689_600;

/// The key of all archives of a test program.
pub fn key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::new(at(DATE)))
}

/// Seconds since the epoch as a time.
pub fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// An archive to be built.
#[derive(Clone, Debug)]
pub struct Archive {
    pub distro: Distro,
    pub archs: Vec<Arch>,
    /// Packages by suite and component.
    pub lists: BTreeMap<(String, String), Vec<Package>>,
    pub date: u64,
    pub valid_until: Option<u64>,
    /// The compressions of its indexes.
    pub endings: Vec<&'static str>,
    /// Whether it has indexes of the files in its packages.
    pub has_contents: bool,
}

impl Archive {
    /// The suites of Debian trixie; the packages are in the release, for amd64.
    pub fn new(packages: &str) -> Self {
        let archive = Self::of("debian:trixie", &["trixie", "trixie-updates", "trixie-security"]);
        archive.with("trixie", "main", packages)
    }

    /// Empty suites of a distro.
    pub fn of(distro: &str, suites: &[&str]) -> Self {
        let list = |suite: &&str| (((*suite).to_owned(), "main".to_owned()), Vec::new());
        Archive {
            distro: distro.parse().unwrap(),
            archs: vec![Arch::Amd64],
            lists: suites.iter().map(list).collect(),
            date: DATE,
            valid_until: None,
            endings: vec!["", ".xz"],
            has_contents: false,
        }
    }

    /// For these architectures instead.
    pub fn for_archs(mut self, archs: &[Arch]) -> Self {
        self.archs = archs.to_vec();
        self
    }

    /// With these packages in a component of a suite.
    pub fn with(mut self, suite: &str, component: &str, packages: &str) -> Self {
        let list = self.lists.entry((suite.to_owned(), component.to_owned())).or_default();
        list.extend(Package::parse(packages));
        self
    }

    /// Its files by their paths below the root.
    pub fn files(&self) -> Files {
        let mut files = self.pool();
        let names: Vec<&str> = self.archs.iter().map(|arch| self.distro.arch_name(*arch).unwrap()).collect();
        let architectures = names.join(" ");
        let suites: std::collections::BTreeSet<&String> = self.lists.keys().map(|(suite, _)| suite).collect();
        for name in suites {
            let mut indexes: BTreeMap<String, String> = BTreeMap::new();
            for ((_, component), packages) in self.lists.iter().filter(|((suite, _), _)| suite == name) {
                for arch in &self.archs {
                    let arch_name = self.distro.arch_name(*arch).unwrap();
                    let own = packages.iter().filter(|package| package.is_for(arch_name));
                    let text = own.map(|package| package.paragraph(self.distro, *arch)).collect();
                    indexes.insert(format!("{component}/binary-{arch_name}"), text);
                }
            }
            let suite = Suite {
                others: if self.has_contents { self.contents(name) } else { BTreeMap::new() },
                origin: if self.distro.id() == "ubuntu" { "Ubuntu" } else { "Debian" },
                date: at(self.date),
                valid_until: self.valid_until.map(at),
                architectures: &architectures,
                endings: self.endings.clone(),
                indexes: indexes.iter().map(|(path, text)| (path.as_str(), text.clone())).collect(),
                ..Suite::new(name, at(DATE))
            };
            files.extend(suite.build(key()));
        }
        files
    }

    /// The Contents indexes of a suite, by path.
    fn contents(&self, suite: &str) -> BTreeMap<String, String> {
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        for ((_, component), packages) in self.lists.iter().filter(|((own, _), _)| own == suite) {
            for arch in &self.archs {
                let arch_name = self.distro.arch_name(*arch).unwrap();
                let text = all.entry(format!("{component}/Contents-{arch_name}")).or_default();
                for package in packages.iter().filter(|package| package.is_for(arch_name)) {
                    for (entry, _) in package.members(self.distro, *arch) {
                        if entry.kind != EntryKind::Directory {
                            text.push_str(&format!(
                                "{:<60} libs/{}\n",
                                entry.path.relative(),
                                package.name()
                            ));
                        }
                    }
                }
            }
        }
        all
    }

    fn pool(&self) -> Files {
        let mut files = Files::new();
        for package in self.lists.values().flatten() {
            for arch in &self.archs {
                let arch_name = self.distro.arch_name(*arch).unwrap();
                if package.is_for(arch_name) {
                    files.insert(package.filename(arch_name), package.deb(self.distro, *arch));
                }
            }
        }
        files
    }

    /// Writes it below a directory, in place of what was there.
    pub fn write(&self, root: &Path) {
        if root.exists() {
            std::fs::remove_dir_all(root).unwrap();
        }
        write_files(&self.files(), root);
    }
}

/// Writes files below a directory.
pub fn write_files(files: &Files, root: &Path) {
    for (path, bytes) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}
