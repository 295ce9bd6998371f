//! Which names and packages have to do with the world at all, and how deep the dependencies go below each.
//!
//! A walk from a name over its providers to their dependencies, and then to what the providers may trigger by
//! `install_if`. It keeps its own stack: a chain of dependencies can be as long as the index.

use super::solver::{RuledOut, Solver};
use super::universe::{NameId, PackageId, UNTAGGED};

/// A name the walk has entered and not left.
struct Visit {
    name: NameId,
    /// The place of the provider at hand.
    provider: usize,
    step: Step,
}

enum Step {
    /// The provider is to be looked at.
    Provider,
    /// So many of the provider's dependencies were entered.
    Depends(usize),
    /// All providers were looked at; so many of what triggers were entered, of the names provided by one.
    Triggers { list: usize, place: usize },
}

impl Solver<'_, '_> {
    /// Walks from a name, unless the walk has been there.
    pub(super) fn discover(&mut self, name: NameId) {
        let mut visits = Vec::new();
        self.enter(name, &mut visits);
        while let Some(mut visit) = visits.pop() {
            if let Some(next) = self.advance(&mut visit) {
                visits.push(visit);
                self.enter(next, &mut visits);
            }
        }
    }

    fn enter(&mut self, name: NameId, visits: &mut Vec<Visit>) {
        let state = self.name_mut(name);
        if !std::mem::replace(&mut state.seen, true) {
            state.trigger_failed = true;
            visits.push(Visit { name, provider: 0, step: Step::Provider });
        }
    }

    /// Goes on with a visit up to the next name to enter, or its end.
    fn advance(&mut self, visit: &mut Visit) -> Option<NameId> {
        loop {
            let provider = self.universe.providers(visit.name).get(visit.provider);
            match (&mut visit.step, provider.map(|provider| provider.package)) {
                (Step::Provider, Some(package)) => {
                    if self.package(package).seen {
                        self.finish_provider(visit, package);
                    } else {
                        self.meet_package(package);
                        visit.step = Step::Depends(0);
                    }
                }
                (Step::Depends(entered), Some(package)) => {
                    let depends = &self.universe.package(package).depends;
                    if let Some(last) = entered.checked_sub(1) {
                        let below = self.name(depends[last].name).depth + 1;
                        let state = self.package_mut(package);
                        state.depth = state.depth.max(below);
                    }
                    match depends.get(*entered) {
                        Some(dependency) => {
                            *entered += 1;
                            return Some(dependency.name);
                        }
                        None => self.finish_provider(visit, package),
                    }
                }
                (Step::Provider | Step::Depends(_), None) => {
                    visit.provider = 0;
                    visit.step = Step::Triggers { list: 0, place: 0 };
                }
                (Step::Triggers { list, place }, Some(package)) => {
                    let package = self.universe.package(package);
                    // The package's own name first, then what it provides unless the walk has been there.
                    let of = match list.checked_sub(1) {
                        None => Some(package.name),
                        Some(other) => package.provides.get(other).map(|(name, _)| *name),
                    };
                    let Some(of) = of else {
                        visit.provider += 1;
                        visit.step = Step::Triggers { list: 0, place: 0 };
                        continue;
                    };
                    let passed_over = *list > 0 && *place == 0 && self.name(of).seen;
                    match self.universe.names[of.index()].triggers.get(*place) {
                        Some(triggered) if !passed_over => {
                            *place += 1;
                            return Some(*triggered);
                        }
                        _ => (*list, *place) = (*list + 1, 0),
                    }
                }
                (Step::Triggers { .. }, None) => return None,
            }
        }
    }

    fn meet_package(&mut self, id: PackageId) {
        let package = self.universe.package(id);
        // Packages that install nothing need no permission: they only name others.
        let preferred = package.local || package.record.installed_size == 0 || package.tags & UNTAGGED != 0;
        let pinned = self.pinned.get(&package.record.name);
        let held = self.keep
            && pinned.is_some_and(|version| {
                let mut own = self
                    .universe
                    .providers(package.name)
                    .iter()
                    .map(|one| self.universe.package(one.package));
                *version != package.record.version
                    && own.any(|other| other.name == package.name && other.record.version == *version)
            });
        let is_pinned = pinned == Some(&package.record.version);
        let no_trigger = package.install_if.is_empty();
        let state = self.package_mut(id);
        state.seen = true;
        state.selectable = !held;
        state.ruled_out = held.then_some(RuledOut::Held);
        state.pinned = is_pinned;
        state.allowed = UNTAGGED;
        state.tag_preferred = preferred;
        state.tag_allowed = preferred;
        state.trigger_failed = no_trigger;
    }

    fn finish_provider(&mut self, visit: &mut Visit, package: PackageId) {
        let (failed, depth) = (self.package(package).trigger_failed, self.package(package).depth);
        let state = self.name_mut(visit.name);
        state.trigger_failed &= failed;
        state.depth = state.depth.max(depth);
        visit.provider += 1;
        visit.step = Step::Provider;
    }
}
