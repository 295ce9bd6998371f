//! musl's dynamic loader, which is its libc too, as `ldso/dynlink.c` of musl 1.1 and 1.2 has it.
//!
//! - A name that begins like one of libc's own parts (`libc.`, `libm.`, `libpthread.` ...) is the loader
//!   itself, whatever follows: `libc.so`, `libc.musl-x86_64.so.1`, glibc's `libc.so.6`. So is the name by which
//!   the program asks for its loader.
//! - A name with a slash is a path, as it stands: no token is replaced in it.
//! - Any other is sought in `LD_LIBRARY_PATH`; then in the search path of the requester, of what loaded that,
//!   and so on up to the program, where `DT_RPATH` and `DT_RUNPATH` are one thing and the latter is taken if a
//!   file has both; then in the directories of `/etc/ld-musl-ARCH.path`, or, where that is missing, in `/lib`,
//!   `/usr/local/lib` and `/usr/lib`.
//! - In a search path only `$ORIGIN` and `${ORIGIN}` are known; one with any other `$` is ignored as a whole.
//!   Elements are parted by colons or line breaks.
//! - The first file that can be opened decides: where it is no ELF file, or of another machine, the search does
//!   not go on, and the program does not start. (The machine is not looked at, so what happens is nothing good.)
//! - There are no subdirectories for processors and no cache; `DF_1_NODEFLIB` and symbol versions mean nothing.
//!
//! Left out: that a library found by path which has libc's symbols is taken for libc; a loader outside of `/lib`,
//! whose path file is sought beside it; and that a link to itself ends the search.

use super::tree::{FileTree, Node, follow, walk};
use super::{Flavour, Found, Lookup, Requester, Search, origin};
use crate::arch::{Arch, ElfMachine};
use crate::elf::ElfKind;
use crate::root_path::RootPath;

/// How the names of what is in libc begin, behind `lib`.
const OWN_NAMES: [&str; 7] = ["c.", "pthread.", "rt.", "m.", "dl.", "util.", "xnet."];

/// Where the loader looks unless its path file says otherwise.
const DEFAULT_DIRS: [&str; 3] = ["/lib", "/usr/local/lib", "/usr/lib"];

/// What musl calls an architecture, in the names of its loader and of the path file. All ARM here is hard-float.
pub const fn musl_name(arch: Arch) -> &'static str {
    match arch {
        Arch::Amd64 => "x86_64",
        Arch::Arm32v6 | Arch::Arm32v7 => "armhf",
        Arch::Arm64 => "aarch64",
        Arch::I386 => "i386",
        Arch::Ppc64le => "powerpc64le",
        Arch::Riscv64 => "riscv64",
        Arch::S390x => "s390x",
    }
}

/// The architecture in a loader's path, as musl calls it; none if it is not musl's loader
/// (`/lib/ld-musl-x86_64.so.1`).
pub fn musl_arch(interp: &str) -> Option<&str> {
    interp.rsplit('/').next()?.strip_prefix("ld-musl-")?.strip_suffix(".so.1")
}

/// Where a loader for an architecture (as musl calls it) reads its directories.
pub fn musl_path_file(ld_arch: &str) -> String {
    format!("/etc/ld-musl-{ld_arch}.path")
}

impl Search {
    /// musl for an architecture ([`musl_name`]). `path_file` is the content of `/etc/ld-musl-ARCH.path`, if the
    /// image has that file: even an empty one replaces the default directories.
    pub fn musl(machine: ElfMachine, ld_arch: &str, path_file: Option<&str>) -> Self {
        let elements: Vec<&str> = match path_file {
            // musl reads up to a NUL.
            Some(text) => text.split('\0').next().unwrap_or_default().split([':', '\n']).collect(),
            None => DEFAULT_DIRS.to_vec(),
        };
        let default_dirs = elements
            .into_iter()
            .filter(|element| element.starts_with('/'))
            .filter_map(|element| RootPath::parse(element).ok())
            .collect();
        let flavour = Flavour::Musl { loader: format!("/lib/ld-musl-{ld_arch}.so.1") };
        Search { machine, flavour, extra_dirs: Vec::new(), default_dirs, hwcaps: Vec::new() }
    }

    pub(super) fn look_as_musl(
        &self,
        tree: &dyn FileTree,
        needed: &str,
        chain: &[Requester<'_>],
        library_path: &[RootPath],
        loader: &str,
    ) -> Lookup {
        let mut lookup = Lookup::default();
        if needed.is_empty() {
            return lookup;
        }
        if means_loader(needed, chain) {
            lookup.found = self.own(tree, needed, chain, loader);
            return lookup;
        }
        if needed.contains('/') {
            // A relative one depends on the working directory.
            if needed.starts_with('/') {
                self.decide(tree, needed, &mut lookup);
            }
            return lookup;
        }
        let paths = chain.iter().flat_map(|requester| self.search_path(tree, requester));
        let dirs = library_path.iter().map(ToString::to_string).chain(paths);
        for dir in dirs.chain(self.default_dirs.iter().map(ToString::to_string)) {
            if self.decide(tree, &format!("{dir}/{needed}"), &mut lookup).is_some() {
                break;
            }
        }
        lookup
    }

    /// Opens a file; where there is one, nothing else is tried. It must have a dynamic section to be taken.
    fn decide(&self, tree: &dyn FileTree, name: &str, lookup: &mut Lookup) -> Option<()> {
        self.open(tree, name, lookup)?;
        let file = lookup.found.as_ref().map(|found| &found.file);
        if let Some(Node::File(Some(facts))) = file.and_then(|file| tree.node(file))
            && !facts.dynamic
        {
            lookup.not_elf.extend(lookup.found.take().map(|found| found.link));
        }
        Some(())
    }

    /// The directories of a file's own search path, those relative to the working directory left out.
    fn search_path(&self, tree: &dyn FileTree, requester: &Requester<'_>) -> Vec<String> {
        let expanded = self
            .inherited_path(requester.facts)
            .iter()
            .map(|element| expand(element, || origin(tree, requester)));
        // One token that is not known spoils the whole path.
        let Some(elements) = expanded.collect::<Option<Vec<String>>>() else { return Vec::new() };
        let dirs = elements.iter().flat_map(|element| element.split('\n'));
        dirs.filter(|dir| dir.starts_with('/')).map(ToOwned::to_owned).collect()
    }

    /// The loader, for a name that means it.
    fn own(&self, tree: &dyn FileTree, needed: &str, chain: &[Requester<'_>], loader: &str) -> Option<Found> {
        let named = chain.last().and_then(|program| program.facts.interp.as_deref());
        let loader = named.filter(|interp| musl_arch(interp).is_some()).unwrap_or(loader);
        let (dir, name) = loader.rsplit_once('/')?;
        let dir = walk(tree, dir)?;
        let link = dir.path.join(name).ok()?;
        let resolved = follow(tree, &link)?;
        let Some(Node::File(Some(facts))) = tree.node(&resolved.path) else { return None };
        if facts.machine != self.machine || facts.kind == ElfKind::Other {
            return None;
        }
        let mut links = dir.links;
        links.extend(resolved.links);
        let aliases = self.default_dirs.iter().filter_map(|dir| dir.join(needed).ok());
        let mut aliases = aliases.filter(|alias| matches!(tree.node(alias), Some(Node::Symlink(_))));
        let alias = aliases.find(|alias| follow(tree, alias).is_some_and(|end| end.path == resolved.path));
        links.extend(alias.clone());
        Some(Found { link: alias.unwrap_or(link), file: resolved.path, links })
    }
}

/// Whether a name stands for the loader, which is never searched for.
pub(super) fn means_loader(needed: &str, chain: &[Requester<'_>]) -> bool {
    let is_own = |rest: &str| OWN_NAMES.iter().any(|own| rest.starts_with(own));
    let interp = chain.last().and_then(|program| program.facts.interp.as_deref());
    needed.strip_prefix("lib").is_some_and(is_own) || interp == Some(needed)
}

/// Replaces `$ORIGIN` and `${ORIGIN}`; none where there is another `$`. As in glibc, a name without braces is
/// matched by its beginning.
fn expand(text: &str, origin: impl Fn() -> Option<String>) -> Option<String> {
    let mut parts = text.split('$');
    let mut expanded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.strip_prefix("ORIGIN").or_else(|| part.strip_prefix("{ORIGIN}"))?;
        expanded.push_str(&origin()?);
        expanded.push_str(rest);
    }
    Some(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for arch in Arch::ALL {
            assert_eq!(musl_arch(&format!("/lib/ld-musl-{}.so.1", musl_name(arch))), Some(musl_name(arch)));
        }
        assert_eq!(musl_arch("/lib64/ld-linux-x86-64.so.2"), None);
        for own in ["libc.so", "libc.musl-s390x.so.1", "libm.so.6", "libpthread.so.0", "libxnet.so"] {
            assert!(means_loader(own, &[]), "{own}");
        }
        for other in ["libcrypt.so.1", "libmagic.so.1", "libutils.so", "libc", "ld-musl-x86_64.so.1", "c."] {
            assert!(!means_loader(other, &[]), "{other}");
        }
    }

    #[test]
    fn tokens() {
        let expand = |text| expand(text, || Some("/opt/a".to_owned()));
        assert_eq!(expand("${ORIGIN}/../lib").as_deref(), Some("/opt/a/../lib"));
        assert_eq!(expand("$ORIGINAL/$ORIGIN").as_deref(), Some("/opt/aAL//opt/a"));
        assert_eq!(expand("/usr/$LIB"), None);
        assert_eq!(expand("$ORIGIN/$"), None);
        assert_eq!(expand("/usr/lib").as_deref(), Some("/usr/lib"));
    }
}
