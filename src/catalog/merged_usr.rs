//! The merged `/usr`: top-level directories that are links to those in `/usr`.

use super::{CataloguedFile, Manifest};
use crate::root_path::RootPath;
use crate::tarball::EntryKind;

/// Directories that packages for more than one ABI use, where the distro makes the link only if they are
/// installed.
const FOR_OTHER_ABIS: [&str; 4] = ["lib32", "lib64", "libo32", "libx32"];

/// The links of a distro's merged `/usr`, and what they do to paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergedUsr {
    links: Vec<Link>,
    /// Packages keep a link of their own that says what the distro's says.
    keeps_own: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    path: RootPath,
    /// As the link says it: `usr/lib`.
    target: String,
    behind: RootPath,
    /// The distro's own: in every image. The others only lead paths.
    always: bool,
}

impl MergedUsr {
    /// From (name below `/`, relative target), as [`crate::distro::Distro::directory_links`] gives them. If
    /// `/lib` is among them, the directories of other ABIs (`/lib32` and so on) are led into `/usr` likewise.
    pub fn new(links: &[(&str, &str)]) -> Self {
        let link = |name: &str, target: &str, always| {
            let path = RootPath::parse(name).ok()?;
            let behind = path.link_target(target);
            Some(Link { path, target: target.to_owned(), behind, always })
        };
        let mut merged: Vec<Link> =
            links.iter().filter_map(|(name, target)| link(name, target, true)).collect();
        let is_merged = merged.iter().any(|link| link.path.relative() == "lib");
        for name in FOR_OTHER_ABIS {
            if is_merged && !merged.iter().any(|known| known.path.relative() == name) {
                merged.extend(link(name, &format!("usr/{name}"), false));
            }
        }
        MergedUsr { links: merged, keeps_own: false }
    }

    /// Packages keep links of their own that lead where the distro's do, as apk's record of their files wants.
    #[must_use]
    pub fn keeping_own(self) -> Self {
        MergedUsr { keeps_own: true, ..self }
    }

    /// What the link at a path says, if the distro has one there.
    pub fn link(&self, path: &RootPath) -> Option<&str> {
        self.links.iter().find(|link| link.always && link.path == *path).map(|link| link.target.as_str())
    }

    /// The path behind the links.
    pub fn canonical(&self, path: &RootPath) -> RootPath {
        let moved = self.links.iter().find(|link| path.is_within(&link.path)).and_then(|link| {
            let below = path.as_str().get(link.path.as_str().len()..)?;
            link.behind.join(below).ok()
        });
        moved.unwrap_or_else(|| path.clone())
    }

    /// Makes a package's paths canonical. What stands where one of the distro's links is goes: the link
    /// itself, and a directory that would hide it. So does a symbolic link that would now lead to itself, as
    /// `/bin/sh -> /usr/bin/sh` from before the merge.
    pub fn apply(&self, manifest: &mut Manifest) {
        manifest.files.retain_mut(|file| self.keep(file));
    }

    fn keep(&self, file: &mut CataloguedFile) -> bool {
        let path = &file.entry.path;
        let own = self.links.iter().find(|link| link.path == *path);
        if let Some(link) = own.filter(|link| link.always) {
            let same = |target: &str| path.link_target(target) == link.behind;
            return self.keeps_own
                && matches!(&file.entry.kind, EntryKind::Symlink { target } if same(target));
        }
        let canonical = self.canonical(path);
        match &mut file.entry.kind {
            EntryKind::HardLink { target } => *target = self.canonical(target),
            EntryKind::Symlink { target } => {
                if own.is_some() {
                    return true;
                }
                let aim = path.link_target(target);
                if aim != *path && self.canonical(&aim) == canonical {
                    return false;
                }
            }
            _ => {}
        }
        file.entry.path = canonical;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_a_package_stays_where_it_is_wanted_and_the_same() {
        let kept = |merged: &MergedUsr, target: &str| {
            let kind = EntryKind::Symlink { target: target.to_owned() };
            let path = RootPath::parse("/var/run").unwrap();
            let entry = crate::tarball::Entry { path, metadata: crate::tarball::Metadata::default(), kind };
            let (elf, shebang, damaged_elf, marks) =
                (None, None, None, crate::apk::archive::Marks::default());
            merged.keep(&mut CataloguedFile { entry, index: 0, elf, shebang, damaged_elf, marks })
        };
        let debian = MergedUsr::new(&[("/var/run", "/run")]);
        let alpine = debian.clone().keeping_own();
        assert_eq!([kept(&debian, "/run"), kept(&alpine, "/run")], [false, true]);
        assert_eq!([kept(&alpine, "../run"), kept(&alpine, "/srv")], [true, false]);
        let lib64 = RootPath::parse("/lib64/ld.so").unwrap();
        assert_eq!(alpine.canonical(&lib64), lib64);
    }

    #[test]
    fn paths_behind_links() {
        let merged = MergedUsr::new(&[("bin", "usr/bin"), ("lib", "usr/lib")]);
        let canonical = |text| merged.canonical(&RootPath::parse(text).unwrap()).to_string();
        for (path, wanted) in [
            ("/bin/sh", "/usr/bin/sh"),
            ("/lib/x86_64-linux-gnu/libz.so.1", "/usr/lib/x86_64-linux-gnu/libz.so.1"),
            ("/lib32/libc.so.6", "/usr/lib32/libc.so.6"),
            ("/libx32/ld.so", "/usr/libx32/ld.so"),
            ("/library", "/library"),
            ("/usr/bin/sh", "/usr/bin/sh"),
            ("/bin", "/usr/bin"),
            ("/", "/"),
        ] {
            assert_eq!(canonical(path), wanted);
        }
        assert_eq!(merged.link(&RootPath::parse("/bin").unwrap()), Some("usr/bin"));
        assert_eq!(merged.link(&RootPath::parse("/lib32").unwrap()), None);
        let split = MergedUsr::new(&[]);
        assert_eq!(split.canonical(&RootPath::parse("/lib32/x").unwrap()).as_str(), "/lib32/x");
    }
}
