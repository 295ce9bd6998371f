//! What an image follows from: the recipes of its stack, their locks, the host's files that they name, the options
//! that reach an image, and the program itself with its tables. Two builds with the same inputs give the same bytes.
//!
//! Of a file of the host that is no ELF file the content is kept apart: it is packed as it is, and few files' content
//! decides on more than that.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Serialize;

use super::Forge;
use crate::arch::Arch;
use crate::digest::Digest;
use crate::elf;
use crate::loader::{configures_dirs, musl_name, musl_path_file};
use crate::lock::Lock;
use crate::recipe::{FileSource, Layering, PackageSpec, Recipe};

/// How many directories deep a recipe's tree is walked.
const MAX_DEPTH: usize = 64;

/// How much of the program's file is read for its build id, in bytes.
const PROGRAM_START: u64 = 1 << 16;

/// What a call builds from, for whatever architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The digest of the program, of the recipes and of the call's options.
    said: Digest,
    /// The digests of the locks' files, none for one that is not there.
    locks: Vec<Option<Digest>>,
}

/// What an image of one architecture follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageInputs {
    pub(super) arch: Arch,
    /// Of all but the content of `host`.
    pub(super) key: Digest,
    /// The host's files that are no ELF files: sizes in bytes, and digests.
    pub(super) host: BTreeMap<PathBuf, (u64, Digest)>,
}

impl Call {
    /// Of a recipe and the files of its lock and its bases' locks. `options` are what else the call says that decides
    /// on an image, in any words. None where the program cannot be told from others.
    pub fn of(recipe: &Recipe, locks: &[PathBuf], options: &str) -> Option<Self> {
        let locks = locks.iter().map(|path| std::fs::read(path).ok().map(|text| Digest::of(&text))).collect();
        Some(Call { said: said(recipe, options)?, locks })
    }

    /// The same where the digests of the locks are at hand.
    pub(super) fn with(recipe: &Recipe, locks: &[Digest], options: &str) -> Option<Self> {
        let locks = locks.iter().copied().map(Some).collect();
        Some(Call { said: said(recipe, options)?, locks })
    }

    /// Whether it is this call still, where only locks were written since: to `lock`'s text, the recipe's own first.
    pub fn locked_as(&self, before: &Self, lock: &Lock) -> bool {
        if self == before {
            return true;
        }
        let texts: Vec<_> = digests(lock).into_iter().map(Some).collect();
        // Behind them is the recipe's own lock, where a variant was chosen: nobody writes it.
        let unwritten = |call: &Self| call.locks.get(texts.len()..).map(<[_]>::to_vec);
        self.said == before.said && self.locks.starts_with(&texts) && unwritten(self) == unwritten(before)
    }
}

impl ImageInputs {
    /// Of a call, for one architecture; `newest` is `SOURCE_DATE_EPOCH`. None where something cannot be read, which
    /// the build will tell.
    pub fn of(call: &Call, recipe: &Recipe, arch: Arch, newest: Option<u64>) -> Option<Self> {
        // What an image as the base has is not among what is looked at here.
        if recipe.stack().iter().any(|recipe| recipe.base_image.is_some()) {
            return None;
        }
        let distro = recipe.conventions();
        let (name, triplet) = (distro.arch_name(arch)?, distro.triplet(arch)?);
        // What is grouped is grouped by size.
        let is_grouped = recipe.stack().iter().any(|recipe| recipe.layering != Layering::Explicit);
        let mut seen = Seen { entries: Vec::new(), host: BTreeMap::new(), exact: is_grouped };
        let mut packages = Vec::new();
        for stacked in recipe.stacked() {
            for file in &stacked.layer.files {
                if let FileSource::Host(source) = &file.source {
                    // Where the loader looks for libraries decides on what is chosen.
                    let is_configuration = file.path(name, triplet).is_ok_and(|path| {
                        configures_dirs(&path) || path.as_str() == musl_path_file(musl_name(arch))
                    });
                    seen.exact = is_grouped || is_configuration;
                    let path = stacked.recipe.host_path(Path::new(&source.expand(name, triplet)));
                    seen.walk(&path, 0)?;
                }
            }
            for package in &stacked.layer.packages {
                if let PackageSpec::Local(template) = package {
                    let path = recipe.host_path(Path::new(&stacked.path(&template.expand(name, triplet))));
                    packages.push(digest_of(&path)?);
                }
            }
        }
        let key = digest(&(call.said, &call.locks, arch, newest, packages, seen.entries))?;
        Some(ImageInputs { arch, key, host: seen.host })
    }
}

impl Forge<'_> {
    /// What an image follows from that is to be locked from some locks, and what else decides.
    pub(super) fn inputs_key(
        &self,
        recipe: &Recipe,
        locks: &[Digest],
        arch: Arch,
        more: &impl Serialize,
    ) -> Option<Digest> {
        let call = Call::with(recipe, locks, &format!("{:?}", self.options.without))?;
        let inputs = ImageInputs::of(&call, recipe, arch, self.options.newest)?;
        digest(&(inputs.key, inputs.host, more))
    }
}

/// The digests of a lock and of those of its bases.
pub(super) fn digests(lock: &Lock) -> Vec<Digest> {
    std::iter::successors(Some(lock), |lock| lock.base.as_deref()).map(Lock::digest).collect()
}

/// What tells a lock and those of its bases from others.
pub(super) fn fingerprints(lock: &Lock) -> Vec<Digest> {
    std::iter::successors(Some(lock), |lock| lock.base.as_deref()).map(Lock::fingerprint).collect()
}

/// The digest of the program, of the recipes of a stack, and of a call's options.
fn said(recipe: &Recipe, options: &str) -> Option<Digest> {
    let recipes: Vec<(&[u8], &str)> =
        recipe.stack().into_iter().map(|one| (one.path.as_os_str().as_bytes(), &*one.text)).collect();
    digest(&(program()?, recipes, &recipe.variant, options))
}

/// Which program this is: another where its code or its tables are others.
fn program() -> Option<Digest> {
    static PROGRAM: OnceLock<Option<Digest>> = OnceLock::new();
    *PROGRAM.get_or_init(|| {
        let path = std::env::current_exe().ok()?;
        let mut start = Vec::new();
        File::open(&path).ok()?.take(PROGRAM_START).read_to_end(&mut start).ok()?;
        match elf::build_id(&start) {
            Some(id) => Some(Digest::of(&id)),
            None => digest_of(&path),
        }
    })
}

/// Something of the host's that a recipe names.
#[derive(Serialize)]
enum Entry {
    Directory,
    Symlink(Vec<u8>),
    File { executable: bool, content: Option<Digest> },
}

struct Seen {
    entries: Vec<(Vec<u8>, Entry)>,
    host: BTreeMap<PathBuf, (u64, Digest)>,
    /// Whether the content of every file counts as that of programs does.
    exact: bool,
}

impl Seen {
    /// As when the files are made: what the recipe names is read through links, what is in it is not.
    fn walk(&mut self, path: &Path, depth: usize) -> Option<()> {
        let metadata = if depth == 0 { path.metadata() } else { path.symlink_metadata() }.ok()?;
        let mut below = Vec::new();
        let entry = if metadata.is_dir() && depth < MAX_DEPTH {
            let names = std::fs::read_dir(path).ok()?.map(|entry| entry.map(|entry| entry.file_name()));
            below = names.collect::<Result<Vec<_>, _>>().ok()?;
            below.sort();
            Entry::Directory
        } else if metadata.is_symlink() {
            Entry::Symlink(std::fs::read_link(path).ok()?.as_os_str().as_bytes().to_vec())
        } else if metadata.is_file() {
            let (size, digest, is_program) = read(path)?;
            self.host.insert(path.to_owned(), (size, digest));
            let executable = metadata.permissions().mode() & 0o111 != 0;
            Entry::File { executable, content: (is_program || self.exact).then_some(digest) }
        } else {
            return None;
        };
        self.entries.push((path.as_os_str().as_bytes().to_vec(), entry));
        below.into_iter().try_for_each(|name| self.walk(&path.join(name), depth + 1))
    }
}

/// A file's size and digest, and whether it begins as ELF files or scripts do.
fn read(path: &Path) -> Option<(u64, Digest, bool)> {
    let mut file = File::open(path).ok()?;
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start).ok()?;
    let is_program = elf::is_elf(&start) || start.starts_with(b"#!");
    let (digest, size) = Digest::of_reader(start.as_slice().chain(file)).ok()?;
    Some((size, digest, is_program))
}

/// The digest of a file, if it can be read.
pub(super) fn digest_of(path: &Path) -> Option<Digest> {
    Digest::of_reader(File::open(path).ok()?).ok().map(|(digest, _)| digest)
}

pub(super) fn digest(value: &impl Serialize) -> Option<Digest> {
    postcard::to_stdvec(value).ok().map(|bytes| Digest::of(&bytes))
}
