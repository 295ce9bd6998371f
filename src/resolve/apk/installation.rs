//! The packages that the world comes to, in the order in which apk installs them: dependencies first.
//!
//! Not all that was taken is installed, only what a walk from the world reaches: what the world and the
//! installed packages depend on, and what they trigger by `install_if` once all of it is on its way. The walk
//! also sees whether all dependencies are met by what was taken.

use super::solver::{Failure, Solver};
use super::universe::{NameId, PackageId};

/// A package to install.
#[derive(Clone, Copy, Debug)]
pub(super) struct Installed {
    pub(super) package: PackageId,
    /// One of the packages that triggered it, if it was come to in that way.
    pub(super) triggered_by: Option<PackageId>,
}

/// A package that the walk has come to and not left.
struct Visit {
    installed: Installed,
    step: Step,
}

#[derive(Clone, Copy)]
enum Step {
    /// So many of its dependencies were walked.
    Depends(usize),
    /// It is installed; so many of the names were looked at that one of its own triggers.
    Triggers { list: usize, place: usize },
}

#[derive(Default)]
struct Walk {
    visits: Vec<Visit>,
    installed: Vec<Installed>,
}

impl Solver<'_, '_> {
    /// The packages to install, in order; failures are added to those there are.
    pub(super) fn installation(&mut self) -> Vec<Installed> {
        let mut walk = Walk::default();
        for relation in self.world {
            self.come_to(relation.name, None, &mut walk);
            self.walk(&mut walk);
        }
        walk.installed
    }

    fn walk(&mut self, walk: &mut Walk) {
        let universe = self.universe;
        while let Some(visit) = walk.visits.last_mut() {
            let id = visit.installed.package;
            let package = universe.package(id);
            match visit.step {
                Step::Depends(walked) => {
                    if let Some(last) = walked.checked_sub(1) {
                        self.blame_for_broken(id, last);
                    }
                    let Some(dependency) = package.depends.get(walked) else {
                        visit.step = Step::Triggers { list: 0, place: 0 };
                        walk.installed.push(visit.installed);
                        continue;
                    };
                    visit.step = Step::Depends(walked + 1);
                    if !universe.meets(dependency, self.name(dependency.name).chosen) {
                        self.blame(Some(id), Failure::Unmet(id, walked));
                    }
                    self.come_to(dependency.name, None, walk);
                }
                Step::Triggers { list, place } => {
                    let own = std::iter::once(package.name);
                    let Some(of) = own.chain(package.provides.iter().map(|(name, _)| *name)).nth(list) else {
                        walk.visits.pop();
                        continue;
                    };
                    let Some(triggered) = universe.names[of.index()].triggers.get(place) else {
                        visit.step = Step::Triggers { list: list + 1, place: 0 };
                        continue;
                    };
                    visit.step = Step::Triggers { list, place: place + 1 };
                    if self.is_triggered(*triggered) {
                        let by = self.trigger_of(*triggered).unwrap_or(id);
                        self.come_to(*triggered, Some(by), walk);
                    }
                }
            }
        }
    }

    /// Begins with the package that was taken for a name, unless that was done.
    fn come_to(&mut self, name: NameId, triggered_by: Option<PackageId>, walk: &mut Walk) {
        if std::mem::replace(&mut self.name_mut(name).installing, true) {
            return;
        }
        let Some(chosen) = self.name(name).chosen else { return };
        if std::mem::replace(&mut self.package_mut(chosen.package).installing, true) {
            return;
        }
        let package = self.universe.package(chosen.package);
        self.name_mut(package.name).installing = true;
        for (provided, _) in &package.provides {
            self.name_mut(*provided).installing = true;
        }
        let installed = Installed { package: chosen.package, triggered_by };
        walk.visits.push(Visit { installed, step: Step::Depends(0) });
    }

    /// What depends on something broken is broken.
    fn blame_for_broken(&mut self, package: PackageId, number: usize) {
        let name = self.universe.package(package).depends[number].name;
        if self.name(name).chosen.is_some_and(|chosen| self.package(chosen.package).failed) {
            self.blame(Some(package), Failure::Unmet(package, number));
        }
    }

    /// Whether all that the package taken for a name asks for in its `install_if` is on its way.
    fn is_triggered(&self, name: NameId) -> bool {
        let state = self.name(name);
        let Some(chosen) = state.chosen.filter(|_| state.seen && !state.installing) else { return false };
        self.universe.package(chosen.package).install_if.iter().all(|condition| {
            let state = self.name(condition.name);
            state.installing && self.universe.meets(condition, state.chosen)
        })
    }

    /// Of the packages on their way that a triggered one names in its `install_if`, the first by name.
    fn trigger_of(&self, name: NameId) -> Option<PackageId> {
        let triggered = self.name(name).chosen?.package;
        let conditions = self.universe.package(triggered).install_if.iter();
        let packages = conditions.filter_map(|condition| self.name(condition.name).chosen);
        packages
            .map(|chosen| chosen.package)
            .filter(|package| *package != triggered && self.package(*package).installing)
            .min_by_key(|package| self.universe.text(self.universe.package(*package).name))
    }
}
