//! Which provider of a name is taken, and what that settles.

use std::cmp::Ordering;

use crate::apk::version;

use super::solver::{Failure, RuledOut, Solver};
use super::universe::{NameId, PackageId, Provider};

impl<'i> Solver<'_, 'i> {
    /// Settles a name: takes its best provider, if there is one that may be taken.
    pub(super) fn settle(&mut self, name: NameId) {
        let Some(chosen) = self.best_provider(name) else {
            self.assign(name, None);
            if self.name(name).required > 0 {
                self.failures.push(Failure::NoProvider(name));
            }
            return;
        };
        let universe = self.universe;
        let (id, package) = (chosen.package, universe.package(chosen.package));
        let state = self.package(id);
        if !state.selectable || !state.tag_allowed {
            self.blame(Some(id), Failure::Broken(name, id));
        }
        self.assign(package.name, Some(Provider { package: id, version: Some(&package.record.version) }));
        for (provided, version) in &package.provides {
            self.assign(*provided, Some(Provider { package: id, version: *version }));
        }
        for (number, dependency) in package.depends.iter().enumerate() {
            self.apply(Some(id), number, dependency);
        }
    }

    fn best_provider(&self, name: NameId) -> Option<Provider<'i>> {
        let mut best = None;
        for provider in self.universe.providers(name).iter().copied() {
            let better = best.is_none_or(|other| self.compare(provider, other).is_gt());
            if better && self.may_take(name, provider) {
                best = Some(provider);
            }
        }
        best
    }

    /// Whether a provider is to be considered at all. One that nobody asked for must have been triggered, and
    /// come from a tag that may be used. One that provides the bare name must be asked for by its own name or
    /// have a priority: apk takes none of several equals by itself, not even if there is one only.
    fn may_take(&self, name: NameId, provider: Provider<'_>) -> bool {
        let package = self.universe.package(provider.package);
        let state = self.package(provider.package);
        if self.name(name).required == 0 && !(state.triggered && state.tag_allowed) {
            return false;
        }
        provider.version.is_some()
            || self.name(package.name).required > 0
            || package.record.provider_priority != 0
    }

    /// Which of two providers of a name is better: the first of these rules that tells them apart.
    fn compare(&self, a: Provider<'_>, b: Provider<'_>) -> Ordering {
        let (left, right) = (self.package(a.package), self.package(b.package));
        let (of_a, of_b) = (self.universe.package(a.package), self.universe.package(b.package));
        let by_state = left
            .selectable
            .cmp(&right.selectable)
            .then(left.candidate.cmp(&right.candidate))
            .then(right.conflicts.cmp(&left.conflicts))
            .then(left.tag_allowed.cmp(&right.tag_allowed))
            .then(left.tag_preferred.cmp(&right.tag_preferred))
            // apk prefers what is installed here; to an image that is what its lock holds.
            .then(left.pinned.cmp(&right.pinned));
        let by_version = || match (a.version, b.version) {
            (Some(a), Some(b)) => version::compare(a, b),
            // A bare name is as good as any version of it.
            _ => Ordering::Equal,
        };
        let by_own_version = || {
            if of_a.name == of_b.name {
                version::compare(&of_a.record.version, &of_b.record.version)
            } else {
                Ordering::Equal
            }
        };
        by_state
            .then_with(by_version)
            .then_with(by_own_version)
            .then(of_a.record.provider_priority.cmp(&of_b.record.provider_priority))
            .then(of_b.repository.cmp(&of_a.repository))
    }

    /// Settles a name with its provider, or with none.
    fn assign(&mut self, name: NameId, provider: Option<Provider<'i>>) {
        let state = self.name(name);
        let bare = |provider: Option<Provider<'_>>| provider.is_none_or(|one| one.version.is_none());
        if state.settled {
            let other = state.chosen;
            // Any number of packages may provide a bare name.
            if !(bare(provider) && bare(other)) {
                let (package, other) = (provider.map(|one| one.package), other.map(|one| one.package));
                if let Some(first) = package {
                    self.blame(package, Failure::Clash(name, first, other));
                }
                if let Some(first) = other {
                    self.blame(other, Failure::Clash(name, first, package));
                }
            }
            return;
        }
        let state = self.name_mut(name);
        state.settled = true;
        state.chosen = provider;
        self.forget(name);
        let taken = provider.map(|one| one.package);
        let universe = self.universe;
        for other in universe.providers(name) {
            let side_by_side = bare(provider) && other.version.is_none();
            if Some(other.package) != taken && !side_by_side {
                self.rule_out(other.package, RuledOut::Taken(name));
            }
        }
        self.recheck_needing(name);
        match taken.map(|package: PackageId| universe.package(package)) {
            Some(package) => self.recheck_triggered_by_package(package.name, &package.provides),
            None => self.recheck_triggered_by(name),
        }
    }
}
