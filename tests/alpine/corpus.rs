//! The mirrors of the corpus, and recipes for them.

use std::path::PathBuf;

use crate::support::{Rig, alpine_corpus};

/// What the corpus's manifests are of.
pub(crate) const WORLD: [&str; 6] =
    ["alpine-baselayout", "alpine-keys", "apk-tools", "busybox", "libc-utils", "alpine-release"];

/// A mirror for one architecture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mirror {
    pub(crate) branch: &'static str,
    /// As Alpine calls it.
    pub(crate) arch_name: &'static str,
    /// As recipes call it.
    pub(crate) arch: &'static str,
}

/// All of them.
pub(crate) const MIRRORS: [Mirror; 6] = [
    Mirror { branch: "v3.20", arch_name: "x86_64", arch: "amd64" },
    Mirror { branch: "v3.20", arch_name: "armhf", arch: "arm32v6" },
    Mirror { branch: "v3.20", arch_name: "aarch64", arch: "arm64" },
    Mirror { branch: "v3.20", arch_name: "s390x", arch: "s390x" },
    Mirror { branch: "v3.8", arch_name: "x86_64", arch: "amd64" },
    Mirror { branch: "v3.8", arch_name: "armhf", arch: "arm32v6" },
];

/// Where the corpus is, as the program is told; none, saying so, where there is none.
pub(crate) fn corpus() -> Option<PathBuf> {
    alpine_corpus().map(|corpus| corpus.canonicalize().unwrap())
}

/// The part of a recipe that says where packages are from: a branch of the corpus.
pub(crate) fn repository(branch: &str) -> String {
    let corpus = corpus().unwrap();
    format!(
        "[[repository]]\ntype = \"apk\"\nurl = \"{0}/{branch}/main\"\nkeys = [\"{0}/rootforge-test-1.rsa.pub\"]\n",
        corpus.display()
    )
}

/// A rig whose recipe `r.toml` installs what the manifests are of; none, saying so, without the corpus.
pub(crate) fn rig(branch: &str, more: &str) -> Option<Rig> {
    corpus()?;
    let rig = Rig::new();
    rig.recipe(&format!(
        "name = \"r\"\nstrip = false\n{}[[layer]]\nname = \"root\"\nkeep = \"all\"\npackages = {WORLD:?}\n{more}",
        repository(branch)
    ));
    Some(rig)
}
