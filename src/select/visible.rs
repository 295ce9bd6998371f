//! What the loader would see of the catalogue, and how it would search.

use crate::arch::Arch;
use crate::distro::Distro;
use crate::loader::{FileTree, Node, Search, musl_name};
use crate::root_path::RootPath;

use super::Inputs;
use super::selector::Selector;

/// A file tree of what the current layer may take from, over what lower layers have.
pub(super) struct Visible<'s, 'a> {
    selector: &'s Selector<'a>,
    with_excluded: bool,
}

impl FileTree for Visible<'_, '_> {
    fn node(&self, path: &RootPath) -> Option<Node<'_>> {
        let selector = self.selector;
        // Most of what is sought is not there, which is found sooner than whether it is excluded.
        let node = selector.tree.node(path)?;
        let hidden = !self.with_excluded
            && !selector.chosen.contains_key(path)
            && selector.excluded_by(path).is_some();
        (!hidden).then_some(node)
    }
}

/// All that there is to choose from, excluded or not.
pub(super) struct Everything<'a>(pub(super) Inputs<'a>);

impl FileTree for Everything<'_> {
    fn node(&self, path: &RootPath) -> Option<Node<'_>> {
        let Inputs { own, catalog, .. } = self.0;
        let node = catalog.node(path);
        // Where the recipe brings a file, that is the one. What is in a directory is not hidden by a link.
        if let Some(brought) = own.brought(path)
            && !matches!((&brought, &node), (Node::Symlink(_), Some(Node::Directory)))
        {
            return Some(brought);
        }
        let node = node.or_else(|| own.node(path).filter(|_| !path.is_root()));
        let node = node.or_else(|| self.made_link(path).map(Node::Symlink));
        // The directory of the alternatives' links may be nobody's.
        node.or_else(|| self.holds_made_link(path).then_some(Node::Directory))
    }
}

impl<'a> Everything<'a> {
    /// What a link says that is to be made at a path, unless a package has something there or below.
    pub(super) fn made_link(&self, path: &RootPath) -> Option<&'a str> {
        let target = self.0.made_links.get(path)?;
        self.0.catalog.within(path).next().is_none().then_some(target.as_str())
    }

    /// Whether there are links to be made below a path.
    fn holds_made_link(&self, path: &RootPath) -> bool {
        let links = self.0.made_links.range(path.clone()..).map(|(link, _)| link);
        links
            .take_while(|link| link.as_str().starts_with(path.as_str()))
            .any(|link| link != path && link.is_within(path))
    }
}

impl<'a> Selector<'a> {
    /// The catalogue as the current layer would see it unpacked: without what it excludes, but with all that
    /// lower layers have.
    pub(super) fn visible(&self) -> Visible<'_, 'a> {
        Visible { selector: self, with_excluded: false }
    }

    /// As [`Selector::visible`], exclusions undone: to tell why something is missing.
    pub(super) fn unexcluded(&self) -> Visible<'_, 'a> {
        Visible { selector: self, with_excluded: true }
    }
}

/// How a distro's own loader searches; none where the distro has no port for the architecture. `musl_path` is the
/// content of musl's path file in the image.
pub fn loader_for(distro: Distro, arch: Arch, musl_path: Option<&str>) -> Option<Search> {
    let machine = arch.elf_machine();
    let triplet = distro.triplet(arch)?;
    Some(match distro {
        Distro::Debian(_) | Distro::Ubuntu(_) => Search::glibc(machine, triplet, Vec::new()),
        Distro::Alpine(_) => Search::musl(machine, musl_name(arch), musl_path),
        Distro::Wolfi => Search::glibc_plain(machine, Vec::new()),
    })
}
