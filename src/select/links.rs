//! Symbolic links in selection (rule 4): a kept link to a file pulls its target, one to a directory pulls
//! nothing, one to nowhere is named.

use crate::loader::{FileTree, Node};
use crate::root_path::RootPath;

use super::scripts::{is_module, is_run_where_it_is};
use super::selector::Selector;
use super::{Reason, Warning};

/// As many links as the kernel follows in one path (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// What a path comes to.
#[derive(Debug)]
pub(super) struct Trace {
    /// The links of packages on the way, in order; the last may be the path itself.
    links: Vec<RootPath>,
    /// The other links on the way: the distro's, and those that would be made.
    passed: Vec<RootPath>,
    /// What is at the end.
    end: End,
}

#[derive(Debug)]
enum End {
    Directory,
    File(RootPath),
    Nothing,
}

impl Selector<'_> {
    /// Rule 4, for a chosen link.
    pub(super) fn follow_link(&mut self, link: &RootPath, target: &str) {
        let trace = self.trace(&link.link_target(target));
        let reason = Reason::Link { by: link.clone() };
        match trace.end {
            End::Directory => self.keep_copyright_of(link, target),
            End::File(file) => {
                trace.passed.iter().for_each(|link| self.pass(link, &reason));
                for on_the_way in trace.links {
                    self.pull(&on_the_way, reason.clone());
                }
                self.pull(&file, reason);
                if is_run_where_it_is(link) && !is_module(link) || self.run.contains(link) {
                    self.is_run(&file);
                }
            }
            End::Nothing if is_the_runtimes(&link.link_target(target)) => {}
            // It may lead by a link that an outline does not tell of.
            End::Nothing if self.want_outlined(link) => {}
            End::Nothing => {
                self.warnings.insert(Warning::Dangling { link: link.clone(), target: target.to_owned() });
            }
        }
    }

    /// Wants all of the packages that a file's package depends on and that are outlined; false if none is.
    fn want_outlined(&mut self, path: &RootPath) -> bool {
        let locked = self.inputs.packages.get(self.package_at(path).as_str()).copied();
        let requires = locked.into_iter().flat_map(|locked| &locked.requires);
        let outlined: Vec<String> = requires.filter(|name| self.is_outlined(name)).cloned().collect();
        let any = !outlined.is_empty();
        self.wants.extend(outlined);
        any
    }

    /// Chooses the links that a path goes through.
    pub(super) fn pull_along(&mut self, path: &RootPath, reason: &Reason) {
        self.pull_traced(&self.trace(path), reason);
    }

    /// As [`Selector::pull_along`], of a path that was traced.
    pub(super) fn pull_traced(&mut self, trace: &Trace, reason: &Reason) {
        trace.passed.iter().for_each(|link| self.pass(link, reason));
        for link in &trace.links {
            self.pull(link, reason.clone());
        }
    }

    /// Where a package's documentation directory is a link to another's, the copyright file is there.
    fn keep_copyright_of(&mut self, link: &RootPath, target: &str) {
        if link.parent().is_some_and(|parent| parent.as_str() == "/usr/share/doc")
            && let Ok(copyright) = link.link_target(target).join("copyright")
            && !self.is_stripped(&copyright)
        {
            self.choose(&copyright, Reason::Link { by: link.clone() });
        }
    }

    /// Resolves a path a component at a time, as the kernel does.
    pub(super) fn trace(&self, path: &RootPath) -> Trace {
        let tree = self.visible();
        let mut links = Vec::new();
        let mut passed = Vec::new();
        let mut rest: Vec<String> = path.components().rev().map(str::to_owned).collect();
        let mut here = RootPath::root();
        let mut followed = 0;
        while let Some(component) = rest.pop() {
            let Ok(next) = here.join(&component) else { return Trace { links, passed, end: End::Nothing } };
            match tree.node(&next) {
                Some(Node::Symlink(target)) => {
                    followed += 1;
                    if followed > MAX_LINKS {
                        return Trace { links, passed, end: End::Nothing };
                    }
                    let whole = next.link_target(target);
                    rest.extend(whole.components().rev().map(str::to_owned));
                    if self.file_at(&next).is_some() {
                        links.push(next);
                    } else {
                        passed.push(next);
                    }
                    here = RootPath::root();
                }
                Some(Node::Directory) => here = next,
                Some(_) if rest.is_empty() => return Trace { links, passed, end: End::File(next) },
                _ => return Trace { links, passed, end: End::Nothing },
            }
        }
        Trace { links, passed, end: End::Directory }
    }
}

/// Whether a path lies where the kernel's file systems are mounted when the image runs.
fn is_the_runtimes(path: &RootPath) -> bool {
    matches!(path.components().next(), Some("proc" | "sys" | "dev"))
}
