//! What one relation does: it counts for its name and rules out the providers that do not meet it.

use super::solver::{RuledOut, Solver};
use super::universe::{Dependency, NameId, PackageId, UNTAGGED};

impl Solver<'_, '_> {
    /// Applies a relation of a package, or one of the world if there is none; `number` is its place there.
    pub(super) fn apply(&mut self, by: Option<PackageId>, number: usize, relation: &Dependency<'_>) {
        let name = relation.name;
        if !relation.text.conflict {
            let state = self.name_mut(name);
            state.required += 1;
            if state.required == 1 {
                self.note_required(name);
            }
        }
        let universe = self.universe;
        for provider in universe.providers(name) {
            let package = provider.package;
            if universe.meets(relation, Some(*provider)) {
                self.inherit(package, by, relation.text.tag);
                continue;
            }
            let state = self.package_mut(package);
            state.conflicts += 1;
            if state.selectable {
                self.rule_out(package, RuledOut::Relation(by, name, number));
            }
        }
    }

    /// A name is required that was not before.
    pub(super) fn note_required(&mut self, name: NameId) {
        self.note_unsettled(name);
        self.recheck_triggered_by(name);
        self.enqueue(name);
    }

    /// Lets a package come from the tags that the package that needs it may come from. What the world asks
    /// for is also preferred from the tag named there; a repository without a tag is as good for the rest.
    pub(super) fn inherit(&mut self, package: PackageId, by: Option<PackageId>, tag: Option<&str>) {
        let tags = self.universe.package(package).tags;
        if let Some(by) = by {
            self.package_mut(package).allowed |= self.package(by).allowed;
        } else {
            // A tag that no repository has was refused before.
            let tag = self.universe.tag(tag).unwrap_or(UNTAGGED);
            let state = self.package_mut(package);
            state.allowed |= tag;
            state.tag_preferred = tags & tag != 0;
        }
        let state = self.package_mut(package);
        state.tag_allowed |= tags & state.allowed != 0;
    }

    /// Lets a triggered package come from the tags of what triggers it. Where it is triggered because something
    /// is absent there is nothing to take them from, and apk then prefers no tag at all.
    pub(super) fn inherit_from_trigger(&mut self, package: PackageId, by: Option<PackageId>) {
        match by {
            Some(_) => self.inherit(package, by, None),
            None => self.package_mut(package).tag_preferred = false,
        }
    }

    /// Whether something can still meet a relation.
    pub(super) fn can_be_met(&self, relation: &Dependency<'_>) -> bool {
        let state = self.name(relation.name);
        if state.settled {
            return self.universe.meets(relation, state.chosen);
        }
        let may_be_absent = state.required == 0 && self.universe.meets(relation, None);
        let mut providers = self.universe.providers(relation.name).iter();
        may_be_absent
            || providers
                .any(|one| self.package(one.package).selectable && self.universe.meets(relation, Some(*one)))
    }

    /// A package cannot be taken any more; what needs or is triggered by any of its names has to be looked at.
    pub(super) fn rule_out(&mut self, package: PackageId, reason: RuledOut) {
        let state = self.package_mut(package);
        if std::mem::replace(&mut state.selectable, false) {
            state.ruled_out = Some(reason);
        }
        let universe = self.universe;
        let package = universe.package(package);
        self.recheck_needing(package.name);
        for (name, _) in &package.provides {
            self.recheck_needing(*name);
        }
        self.recheck_triggered_by_package(package.name, &package.provides);
    }

    /// Providers that need a name may have become impossible.
    pub(super) fn recheck_needing(&mut self, name: NameId) {
        let universe = self.universe;
        for needing in &universe.names[name.index()].needed_by {
            let state = self.name_mut(*needing);
            if state.seen {
                state.recheck_depends = true;
                self.enqueue(*needing);
            }
        }
    }

    pub(super) fn recheck_triggered_by_package(&mut self, name: NameId, provides: &[(NameId, Option<&str>)]) {
        self.recheck_triggered_by(name);
        for (name, _) in provides {
            self.recheck_triggered_by(*name);
        }
    }

    /// An `install_if` with a name may be met, or beyond hope.
    pub(super) fn recheck_triggered_by(&mut self, name: NameId) {
        let universe = self.universe;
        for triggered in &universe.names[name.index()].triggers {
            let state = self.name_mut(*triggered);
            if state.seen && !state.trigger_failed {
                state.recheck_triggers = true;
                self.enqueue(*triggered);
            }
        }
    }
}
