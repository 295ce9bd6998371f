//! The files of an image before a package is unpacked: what its `preinst` finds (Debian Policy 6.6), and Alpine's
//! `.pre-install`.

use std::collections::BTreeSet;

use super::files::ImageFiles;
use crate::cache::ContentId;
use crate::catalog::PackageFiles;
use crate::root_path::RootPath;
use crate::shell::Node;

/// An image without what one package alone has.
pub(super) struct BeforeUnpacking<'a> {
    image: &'a dyn ImageFiles,
    package: &'a str,
    own: BTreeSet<&'a RootPath>,
}

impl<'a> BeforeUnpacking<'a> {
    pub(super) fn new(image: &'a dyn ImageFiles, package: &'a PackageFiles) -> Self {
        let own = package.manifest.files.iter().map(|file| &file.entry.path).collect();
        BeforeUnpacking { image, package: &package.name, own }
    }

    /// Whether a path comes with the package alone.
    fn hides(&self, path: &RootPath) -> bool {
        self.own.contains(path) && !self.image.others_have_below(self.package, path)
    }
}

impl ImageFiles for BeforeUnpacking<'_> {
    fn node(&self, path: &RootPath) -> Option<Node> {
        self.image.node(path).filter(|_| !self.hides(path))
    }

    fn metadata(&self, path: &RootPath) -> Option<(u32, [u32; 2])> {
        self.image.metadata(path).filter(|_| !self.hides(path))
    }

    fn list(&self, directory: &RootPath) -> Vec<String> {
        let mut names = self.image.list(directory);
        names.retain(|name| directory.join(name).is_ok_and(|path| !self.hides(&path)));
        names
    }

    fn read(&self, path: &RootPath) -> Option<Vec<u8>> {
        // Asked for first: who makes it is known by that.
        self.node(path)?;
        self.image.read(path)
    }

    fn content_of(&self, path: &RootPath) -> Option<(ContentId, u32)> {
        self.node(path)?;
        self.image.content_of(path)
    }

    fn version(&self, package: &str) -> Option<String> {
        self.image.version(package)
    }

    fn paths_of(&self, package: &str) -> Vec<RootPath> {
        if package == self.package { Vec::new() } else { self.image.paths_of(package) }
    }

    fn directories_like(&self, globs: &[String]) -> Vec<String> {
        self.image.directories_like(globs)
    }

    fn others_activate(&self, package: &str, trigger: &str) -> bool {
        self.image.others_activate(package, trigger)
    }

    fn others_have_below(&self, package: &str, path: &RootPath) -> bool {
        self.image.others_have_below(package, path)
    }

    fn control(&self, package: &str, member: &str) -> Option<Vec<u8>> {
        self.image.control(package, member)
    }

    fn architecture(&self) -> &str {
        self.image.architecture()
    }

    fn triplet(&self) -> &str {
        self.image.triplet()
    }
}
