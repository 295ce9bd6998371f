//! glibc's ld.so, by ld.so(8) and the System V gABI ("Shared Object Dependencies").
//!
//! A name without a slash is sought, in this order, in
//!
//! 1. the `DT_RPATH` of the requester, of what loaded that, and so on up to the executable, where the
//!    requester has no `DT_RUNPATH`; a file that has one has its `DT_RPATH` ignored;
//! 2. `LD_LIBRARY_PATH`;
//! 3. the `DT_RUNPATH` of the requester alone;
//! 4. the directories of ld.so.conf(5) and the default ones, unless the requester says `DF_1_NODEFLIB`;
//!    that keeps the former.
//!
//! A file for another machine is passed over.
//!
//! `glibc-hwcaps` hold faster copies for certain processors of what must be in the directory itself: they count
//! where a processor is told ([`Search::with_hwcaps`]), in each directory before what lies in it.
//!
//! Left out: the older subdirectories for processors (`tls`, `haswell`), which glibc 2.37 has given up;
//! `$PLATFORM`, which depends on the processor.

use std::collections::BTreeSet;

use super::tokens::expand;
use super::tree::{FileTree, walk_on, walk_to_dir};
use super::{Flavour, Lookup, Requester, Search, origin};
use crate::arch::ElfMachine;
use crate::root_path::RootPath;

impl Search {
    /// glibc as Debian and Ubuntu configure it, with the directories of `/etc/ld.so.conf.d` in their order.
    ///
    /// The default directories are those that `ld.so --help` prints there: the multiarch ones, then `/lib`
    /// and `/usr/lib`.
    pub fn glibc(machine: ElfMachine, triplet: &str, extra_dirs: Vec<RootPath>) -> Self {
        let dirs = [&format!("/lib/{triplet}"), &format!("/usr/lib/{triplet}"), "/lib", "/usr/lib"];
        Self::glibc_in(machine, &format!("lib/{triplet}"), &dirs, extra_dirs)
    }

    /// glibc configured without multiarch, as Wolfi has it: all libraries are in `/lib` and `/usr/lib`.
    pub fn glibc_plain(machine: ElfMachine, extra_dirs: Vec<RootPath>) -> Self {
        Self::glibc_in(machine, "lib", &["/lib", "/usr/lib"], extra_dirs)
    }

    fn glibc_in(machine: ElfMachine, lib: &str, dirs: &[&str], extra_dirs: Vec<RootPath>) -> Self {
        let default_dirs = dirs.iter().filter_map(|dir| RootPath::parse(dir).ok()).collect();
        Search {
            machine,
            flavour: Flavour::Glibc { lib: lib.to_owned() },
            extra_dirs,
            default_dirs,
            hwcaps: Vec::new(),
        }
    }

    pub(super) fn look_as_glibc(
        &self,
        tree: &dyn FileTree,
        needed: &str,
        chain: &[Requester<'_>],
        library_path: &[RootPath],
        lib: &str,
    ) -> Lookup {
        let mut lookup = Lookup::default();
        let expand = |text: &str, requester: &Requester<'_>| expand(text, lib, || origin(tree, requester));
        if needed.contains('/') {
            // A path; tokens are those of the requester. A relative one depends on the working directory.
            let path = match chain.first() {
                Some(requester) => expand(needed, requester),
                None => Some(needed.to_owned()),
            };
            if let Some(path) = path.filter(|path| path.starts_with('/')) {
                self.open(tree, &path, &mut lookup);
            }
            return lookup;
        }
        // Opens what is in a directory; nothing happens after something was taken.
        let mut try_dir = |dir: &str| {
            if lookup.found.is_some() {
                return;
            }
            let Some(dir) = walk_to_dir(tree, dir) else { return };
            for hwcap in &self.hwcaps {
                let best = walk_on(tree, dir.clone(), &format!("glibc-hwcaps/{hwcap}"));
                if let Some(best) = best.filter(|_| lookup.found.is_none()) {
                    self.open_in(tree, best, needed, &mut lookup);
                }
            }
            if lookup.found.is_none() {
                self.open_in(tree, dir, needed, &mut lookup);
            }
        };
        let try_path = |path: &[String], requester: &Requester<'_>, try_dir: &mut dyn FnMut(&str)| {
            let dirs = path.iter().filter_map(|element| expand(element, requester));
            dirs.filter(|dir| dir.starts_with('/')).for_each(|dir| try_dir(&dir));
        };
        if chain.first().is_none_or(|requester| requester.facts.runpath.is_empty()) {
            for requester in chain {
                try_path(self.inherited_path(requester.facts), requester, &mut try_dir);
            }
        }
        for dir in library_path {
            try_dir(dir.as_str());
        }
        if let Some(requester) = chain.first() {
            try_path(&requester.facts.runpath, requester, &mut try_dir);
        }
        let nodeflib = chain.first().is_some_and(|requester| requester.facts.nodeflib);
        for dir in &self.extra_dirs {
            // The cache's entries in default directories are passed over too.
            if !(nodeflib && self.default_dirs.contains(dir)) {
                try_dir(dir.as_str());
            }
        }
        if !nodeflib {
            self.default_dirs.iter().for_each(|dir| try_dir(dir.as_str()));
        }
        lookup
    }
}

/// What [`Search::with_hwcaps`] takes for each kind of processor that some of these files are for: its own
/// `glibc-hwcaps` first, then those of lesser processors.
pub fn hwcaps_levels<'p>(paths: impl IntoIterator<Item = &'p RootPath>) -> Vec<Vec<String>> {
    let name = |path: &'p RootPath| path.as_str().split_once("/glibc-hwcaps/")?.1.split_once('/');
    // `power9` comes before `power10`.
    let names: BTreeSet<(usize, &str)> =
        paths.into_iter().filter_map(name).map(|(name, _)| (name.len(), name)).collect();
    let names: Vec<String> = names.into_iter().map(|(_, name)| name.to_owned()).collect();
    (1..=names.len()).map(|count| names[..count].iter().rev().cloned().collect()).collect()
}
