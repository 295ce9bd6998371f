//! apk's decision procedure: constraints are pushed up and down until nothing follows any more, then one name
//! is settled for good, and so on. Nothing is ever taken back, so it can fail where a solution exists; apk
//! fails there too.
//!
//! The parts, in the order of work:
//!
//! - [`discovery`](super::discovery) finds every name and package that may have to do with the world.
//! - [`constraint`](super::constraint) applies one relation: it counts a requirement for its name and rules
//!   out providers that do not meet it.
//! - [`propagation`](super::propagation) looks at a name's providers again: those whose dependencies cannot be
//!   met go, and what all that are left have in common is required already.
//! - [`choice`](super::choice) settles a name: the best provider is taken, and with it all names it provides.
//! - [`installation`](super::installation) walks what was taken from the world, in the order of installing.

use std::collections::{BTreeMap, VecDeque};

use super::universe::{Dependency, NameId, PackageId, Provider, Tags, Universe};

/// What is known of a name while solving.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct NameState<'i> {
    /// Who provides it, once settled; none also where nothing is to provide it.
    pub(super) chosen: Option<Provider<'i>>,
    pub(super) settled: bool,
    pub(super) seen: bool,
    /// How many relations want it to be there.
    pub(super) required: u32,
    /// The length of the longest chain of dependencies below it, as far as it was found without going round.
    pub(super) depth: u32,
    /// Whether it is a name of the world.
    pub(super) of_world: bool,
    pub(super) queued: bool,
    pub(super) unsettled: bool,
    /// Whether providers may have become impossible by a change of what they depend on.
    pub(super) recheck_depends: bool,
    /// Whether the `install_if` of providers may be met by now.
    pub(super) recheck_triggers: bool,
    /// Whether a provider's `install_if` is met.
    pub(super) triggered: bool,
    /// Whether no provider's `install_if` can be met any more.
    pub(super) trigger_failed: bool,
    /// Whether there is more than one provider to choose from, or one of another tag.
    pub(super) has_options: bool,
    /// Whether all names that depend on it are settled.
    pub(super) dependents_settled: bool,
    /// How many of the providers of the name at hand depend on it, each after the other.
    pub(super) merged_depends: u32,
    /// How many of the providers of the name at hand provide it, each after the other.
    pub(super) merged_provides: u32,
    /// Whether one of those provides it bare.
    pub(super) merged_bare: bool,
    pub(super) installing: bool,
}

/// What is known of a package while solving.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct PackageState {
    pub(super) seen: bool,
    pub(super) selectable: bool,
    /// Relations that it does not meet.
    pub(super) conflicts: u32,
    pub(super) depth: u32,
    /// The tags that it may come from, as those that need it allow.
    pub(super) allowed: Tags,
    pub(super) tag_allowed: bool,
    pub(super) tag_preferred: bool,
    /// Whether it is the version that a lock holds.
    pub(super) pinned: bool,
    /// Whether it was a candidate when its name's common dependencies were last looked for.
    pub(super) candidate: bool,
    pub(super) merged: bool,
    pub(super) triggered: bool,
    pub(super) trigger_failed: bool,
    pub(super) failed: bool,
    pub(super) installing: bool,
    /// Why it is not selectable any more: the first reason.
    pub(super) ruled_out: Option<RuledOut>,
}

/// Why a package cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RuledOut {
    /// It does not meet a relation of a package, or of the world if there is no package.
    Relation(Option<PackageId>, NameId, usize),
    /// This one of its dependencies cannot be met.
    Depends(usize),
    /// The name is provided by another package.
    Taken(NameId),
    /// All that can provide the second name also provide the first, which this package does not.
    Aside(NameId, NameId),
    /// The lock holds another version.
    Held,
}

/// What went wrong; any of them means that there is no solution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing provides a name that is required.
    NoProvider(NameId),
    /// The best provider of a name cannot be taken.
    Broken(NameId, PackageId),
    /// Both packages provide the name; the second was there first.
    Clash(NameId, PackageId, Option<PackageId>),
    /// A dependency of a package is not met by what was taken.
    Unmet(PackageId, usize),
}

/// The state of solving.
pub(super) struct Solver<'u, 'i> {
    pub(super) universe: &'u Universe<'i>,
    pub(super) world: &'u [Dependency<'i>],
    pub(super) pinned: &'u BTreeMap<String, String>,
    pub(super) keep: bool,
    names: Vec<NameState<'i>>,
    packages: Vec<PackageState>,
    /// Names whose providers have to be looked at again, first come first.
    queue: VecDeque<NameId>,
    /// Names to settle, the newest last.
    unsettled: Vec<NameId>,
    pub(super) failures: Vec<Failure>,
}

impl<'u, 'i> Solver<'u, 'i> {
    /// Solves for a world whose relations are in apk's order.
    pub(super) fn solve(
        universe: &'u Universe<'i>,
        world: &'u [Dependency<'i>],
        pinned: &'u BTreeMap<String, String>,
        keep: bool,
    ) -> Self {
        let mut solver = Solver {
            universe,
            world,
            pinned,
            keep,
            names: vec![NameState::default(); universe.names.len()],
            packages: vec![PackageState::default(); universe.packages.len()],
            queue: VecDeque::new(),
            unsettled: Vec::new(),
            failures: Vec::new(),
        };
        for relation in world {
            solver.name_mut(relation.name).of_world = true;
            solver.discover(relation.name);
        }
        for (number, relation) in world.iter().enumerate() {
            solver.apply(None, number, relation);
        }
        loop {
            while let Some(name) = solver.queue.pop_front() {
                if std::mem::take(&mut solver.name_mut(name).queued) {
                    solver.reconsider(name);
                }
            }
            match solver.next_to_settle() {
                Some(name) => solver.settle(name),
                None => return solver,
            }
        }
    }

    pub(super) fn name(&self, name: NameId) -> &NameState<'i> {
        &self.names[name.index()]
    }

    pub(super) fn name_mut(&mut self, name: NameId) -> &mut NameState<'i> {
        &mut self.names[name.index()]
    }

    pub(super) fn package(&self, package: PackageId) -> &PackageState {
        &self.packages[package.index()]
    }

    pub(super) fn package_mut(&mut self, package: PackageId) -> &mut PackageState {
        &mut self.packages[package.index()]
    }

    /// Notes a failure that a package is to blame for; apk counts one for each package.
    pub(super) fn blame(&mut self, package: Option<PackageId>, failure: Failure) {
        let Some(package) = package else { return };
        if !std::mem::replace(&mut self.package_mut(package).failed, true) {
            self.failures.push(failure);
        }
    }

    /// A name's providers are to be looked at again.
    pub(super) fn enqueue(&mut self, name: NameId) {
        let state = self.name_mut(name);
        let idle = state.required == 0 && !state.recheck_triggers;
        if !(state.queued || state.settled || idle) {
            state.queued = true;
            self.queue.push_back(name);
        }
    }

    /// A name is among those to settle as long as it is required or triggered.
    pub(super) fn note_unsettled(&mut self, name: NameId) {
        let state = self.name(name);
        if state.settled {
            return;
        }
        let wanted = state.required > 0 || state.triggered;
        if wanted && !state.unsettled {
            self.unsettled.push(name);
        } else if !wanted && state.unsettled {
            self.unsettled.retain(|other| *other != name);
        }
        self.name_mut(name).unsettled = wanted;
    }

    /// A settled name is no longer to be looked at.
    pub(super) fn forget(&mut self, name: NameId) {
        let state = self.name_mut(name);
        state.queued = false;
        if std::mem::take(&mut state.unsettled) {
            self.unsettled.retain(|other| *other != name);
        }
    }

    /// The name to settle next: any with one provider that nothing unsettled depends on; else names of the
    /// world, then names that only packages of that name provide, then those with the longest chains below
    /// them, then required ones; of equals the one that came up last.
    fn next_to_settle(&self) -> Option<NameId> {
        let mut best: Option<(NameId, (bool, u8, u32, bool))> = None;
        for name in self.unsettled.iter().rev().copied() {
            let state = self.name(name);
            if state.dependents_settled && state.required > 0 && !state.has_options {
                return Some(name);
            }
            let foreign = self.universe.names[name.index()].foreign;
            let rank = (!state.of_world, foreign, u32::MAX - state.depth, state.required == 0);
            if best.is_none_or(|(_, lowest)| rank < lowest) {
                best = Some((name, rank));
            }
        }
        best.map(|(name, _)| name)
    }
}
