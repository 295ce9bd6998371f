//! What follows for a name from what has changed: which of its providers are out, and what those that are left
//! have in common.
//!
//! A name that all of them depend on is required already, though not yet in which version; of a single one
//! left every dependency counts. A name that all of them provide must come from one of them, so its other
//! providers are out.

use super::solver::{RuledOut, Solver};
use super::universe::{NameId, PackageId, Provider};

/// What the providers of a name that are left have in common.
#[derive(Default)]
struct Common {
    first: Option<PackageId>,
    candidates: u32,
    of_other_tags: u32,
    triggered: bool,
    trigger_failed: bool,
}

impl<'i> Solver<'_, 'i> {
    /// Looks at the providers of a name again.
    pub(super) fn reconsider(&mut self, name: NameId) {
        let universe = self.universe;
        let state = self.name_mut(name);
        let recheck_depends = std::mem::take(&mut state.recheck_depends);
        let recheck_triggers = std::mem::take(&mut state.recheck_triggers);
        let mut common = Common { trigger_failed: true, ..Common::default() };
        for provider in universe.providers(name) {
            let package = provider.package;
            self.package_mut(package).merged = false;
            if recheck_depends {
                self.rule_out_if_unmet(package);
            }
            if !self.package(package).selectable {
                continue;
            }
            if recheck_triggers {
                self.recheck_trigger(package);
            }
            let state = self.package(package);
            common.triggered |= state.triggered;
            common.trigger_failed &= state.trigger_failed;
            if self.name(name).required > 0 {
                self.merge(*provider, &mut common);
            }
        }
        let state = self.name_mut(name);
        state.has_options = common.candidates > 1 || common.of_other_tags > 0;
        state.triggered = common.triggered;
        state.trigger_failed = common.trigger_failed;
        self.note_unsettled(name);
        if let Some(first) = common.first {
            for provider in universe.providers(name) {
                let state = self.package_mut(provider.package);
                state.candidate = state.merged;
            }
            self.require_common(first, common.candidates);
            self.provide_common(name, first, common.candidates);
        }
        let mut needing = universe.names[name.index()].needed_by.iter();
        let settled = needing.all(|other| !self.name(*other).seen || self.name(*other).settled);
        self.name_mut(name).dependents_settled = settled;
    }

    /// A package one of whose dependencies cannot be met is out.
    fn rule_out_if_unmet(&mut self, package: PackageId) {
        if self.package(package).selectable {
            let mut depends = self.universe.package(package).depends.iter();
            if let Some(unmet) = depends.position(|dependency| !self.can_be_met(dependency)) {
                self.rule_out(package, RuledOut::Depends(unmet));
            }
        }
    }

    /// Sees whether all of a package's `install_if` is there by now, or some of it never will.
    fn recheck_trigger(&mut self, package: PackageId) {
        let universe = self.universe;
        let install_if = &universe.package(package).install_if;
        let state = self.package(package);
        if !state.triggered && !state.trigger_failed {
            let mut undecided = install_if.iter().filter(|condition| {
                let state = self.name(condition.name);
                !state.settled || !universe.meets(condition, state.chosen)
            });
            match undecided.next().map(|condition| self.name(condition.name).settled) {
                None => self.package_mut(package).triggered = true,
                Some(failed) => self.package_mut(package).trigger_failed = failed,
            }
        }
        if self.package(package).triggered {
            for condition in install_if {
                let by = self.name(condition.name).chosen.map(|chosen| chosen.package);
                self.inherit_from_trigger(package, by);
            }
        }
    }

    /// Counts a provider that is left among those that have something in common.
    fn merge(&mut self, provider: Provider<'i>, common: &mut Common) {
        let package = self.universe.package(provider.package);
        self.package_mut(provider.package).merged = true;
        common.first = common.first.or(Some(provider.package));
        for dependency in package.depends.iter().filter(|dependency| !dependency.text.conflict) {
            let state = self.name_mut(dependency.name);
            if state.merged_depends == common.candidates {
                state.merged_depends += 1;
            }
        }
        // By its own name a package counts as bare if the name at hand is provided bare.
        let own = (package.name, provider.version);
        for (name, version) in std::iter::once(&own).chain(&package.provides) {
            let state = self.name_mut(*name);
            if state.merged_provides == common.candidates {
                state.merged_provides += 1;
                state.merged_bare |= version.is_none();
            }
        }
        common.of_other_tags += u32::from(!self.package(provider.package).tag_allowed);
        common.candidates += 1;
    }

    /// Requires what all candidates depend on; of a single one, with all that it asks for.
    fn require_common(&mut self, first: PackageId, candidates: u32) {
        let universe = self.universe;
        for (number, dependency) in universe.package(first).depends.iter().enumerate() {
            let state = self.name_mut(dependency.name);
            if std::mem::take(&mut state.merged_depends) != candidates {
                continue;
            }
            if candidates == 1 {
                self.apply(Some(first), number, dependency);
            } else if state.required == 0 {
                state.required = 1;
                self.note_required(dependency.name);
                for provider in universe.providers(dependency.name) {
                    self.inherit(provider.package, Some(first), None);
                }
            }
        }
    }

    /// Rules out other providers of what all candidates for a name provide.
    fn provide_common(&mut self, name: NameId, first: PackageId, candidates: u32) {
        let universe = self.universe;
        let package = universe.package(first);
        let provided = || std::iter::once(package.name).chain(package.provides.iter().map(|(name, _)| *name));
        for common in provided() {
            let state = self.name_mut(common);
            let bare = state.merged_bare;
            if std::mem::take(&mut state.merged_provides) == candidates && common != name {
                self.exclude_others(common, name, bare);
            }
        }
        for common in provided() {
            self.name_mut(common).merged_bare = false;
        }
    }

    /// Rules out providers of a name that do not provide another one as well. Where it is provided bare by
    /// those that count, others that provide something bare may stay: they can stand side by side.
    fn exclude_others(&mut self, name: NameId, must_provide: NameId, bare: bool) {
        let universe = self.universe;
        for provider in universe.providers(name) {
            let package = universe.package(provider.package);
            let stays = package.name == must_provide
                || !self.package(provider.package).selectable
                || (bare && provider.version.is_none())
                || package
                    .provides
                    .iter()
                    .any(|(name, version)| *name == must_provide || (bare && version.is_none()));
            if !stays {
                self.rule_out(provider.package, RuledOut::Aside(must_provide, name));
            }
        }
    }
}
