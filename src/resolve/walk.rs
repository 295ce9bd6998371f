//! The choices that apt would make, by a walk through the dependencies.
//!
//! A package is marked, then its dependencies in the order of its fields, depth first. A clause that a
//! marked package meets already is passed over; else the first package that can be marked with all it needs
//! is taken. What must be there in any case (a request, and the only package that meets a clause of one that
//! must) is *bound*: it may not be unmarked, is preferred among providers, and rules out at once what it
//! conflicts with. A walk that ends incomplete still holds good preferences.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::repository::PackageId;

use super::relating::{Alternative, Clause, Relating};

/// How deep the walk goes; the longest chains of Debian have about a hundred packages. What lies below is
/// left to the solver.
const MAX_DEPTH: usize = 600;

/// What the walk chose.
pub(super) struct Walked {
    /// The packages, in the order they were first marked.
    pub(super) marked: Vec<PackageId>,
    /// Whether every clause of every marked package is met and none conflict, as far as the walk saw.
    pub(super) complete: bool,
    picks: HashMap<(PackageId, usize), PackageId>,
}

impl Walked {
    /// The package marked for the sake of a clause, by the clause's place among the package's.
    pub(super) fn picked(&self, package: PackageId, clause: usize) -> Option<PackageId> {
        self.picks.get(&(package, clause)).copied()
    }
}

/// What is known of a name.
#[derive(Clone, Copy)]
struct Name {
    /// The version to take; none where it was found to be impossible.
    candidate: Option<PackageId>,
    marked: bool,
    bound: bool,
}

struct Walk<'r, 'a> {
    relating: &'r Relating<'a>,
    /// By the first package of the name.
    names: HashMap<PackageId, Name>,
    order: Vec<PackageId>,
    picks: HashMap<(PackageId, usize), PackageId>,
}

/// Walks from the requested names: each by its first package, with the versions that will do.
pub(super) fn walk(relating: &Relating<'_>, wanted: &BTreeMap<PackageId, Vec<PackageId>>) -> Walked {
    let mut walk = Walk { relating, names: HashMap::new(), order: Vec::new(), picks: HashMap::new() };
    for (first, allowed) in wanted {
        walk.names.insert(*first, Name { candidate: allowed.first().copied(), marked: false, bound: true });
        walk.set_marked(*first);
    }
    let mut complete = true;
    for first in wanted.keys() {
        complete &= walk.mark(*first, 0, true);
    }
    let names = &walk.names;
    let mut marked = Vec::new();
    for first in walk.order {
        let chosen = names.get(&first).filter(|name| name.marked).and_then(|name| name.candidate);
        marked.extend(chosen.filter(|id| !marked.contains(id)));
    }
    Walked { marked, complete, picks: walk.picks }
}

impl Walk<'_, '_> {
    fn first(&self, id: PackageId) -> PackageId {
        self.relating.index().first_of_name(id)
    }

    fn name(&mut self, first: PackageId) -> &mut Name {
        self.names.entry(first).or_insert_with(|| {
            let candidate = self.relating.candidates(self.relating.index().name(first)).first().copied();
            Name { candidate, marked: false, bound: false }
        })
    }

    fn set_marked(&mut self, first: PackageId) {
        self.name(first).marked = true;
        self.order.push(first);
    }

    /// Whether a package is the version to take of its name.
    fn is_candidate(&mut self, id: PackageId) -> bool {
        let first = self.first(id);
        self.name(first).candidate == Some(id)
    }

    fn is_marked(&mut self, id: PackageId) -> bool {
        let first = self.first(id);
        let name = self.name(first);
        name.marked && name.candidate == Some(id)
    }

    fn is_met(&mut self, clause: &Clause) -> bool {
        clause.packages().any(|id| self.is_marked(id))
    }

    /// Marks a name and what it needs. If it fails, the name is unmarked and ruled out, unless bound.
    fn mark(&mut self, first: PackageId, depth: usize, requested: bool) -> bool {
        let name = *self.name(first);
        let Some(id) = name.candidate else { return false };
        if depth > MAX_DEPTH || (name.marked && !name.bound) {
            return true;
        }
        if name.bound && !name.marked && !requested {
            return false; // ruled out by a bound package
        }
        let facts = self.relating.facts(id);
        let possible = facts.malformed.is_none()
            && facts.clauses.iter().all(|clause| clause.packages().any(|id| self.is_candidate(id)));
        if !possible {
            if !name.bound {
                self.name(first).candidate = None;
            }
            return false;
        }
        let give_up_early = !name.bound && !requested;
        let mut complete = self.rule_out_conflicts(id, name.bound, give_up_early);
        if !complete && give_up_early {
            return false;
        }
        if !name.marked {
            self.set_marked(first);
        }
        self.name(first).bound = true; // nothing below may unmark it
        for (number, clause) in facts.clauses.iter().enumerate() {
            if !self.mark_clause((id, number), clause, depth, name.bound) {
                complete = false;
                if give_up_early {
                    break;
                }
            }
        }
        let state = self.name(first);
        state.bound = name.bound;
        if !complete && give_up_early {
            state.marked = false;
            state.candidate = None;
        }
        complete
    }

    /// Unmarks what a package conflicts with; false where something marked cannot be unmarked. A bound
    /// package rules out also what is not marked yet.
    fn rule_out_conflicts(&mut self, id: PackageId, bound: bool, give_up_early: bool) -> bool {
        let facts = self.relating.facts(id);
        let mut complete = true;
        for other in facts.conflicts.iter().flat_map(|conflict| conflict.packages.iter().copied()) {
            if !self.is_candidate(other) {
                continue;
            }
            let first = self.first(other);
            let name = self.name(first);
            if name.marked && name.bound {
                complete = false;
                if give_up_early {
                    return false;
                }
                continue;
            }
            name.marked = false;
            if bound {
                name.candidate = None;
                name.bound = true;
            }
        }
        complete
    }

    /// Sees to one clause of a package; `bound` tells whether the package is.
    fn mark_clause(&mut self, place: (PackageId, usize), clause: &Clause, depth: usize, bound: bool) -> bool {
        let met = self.is_met(clause);
        if met && !bound {
            return true;
        }
        let possible: Vec<Vec<PackageId>> =
            clause.alternatives.iter().map(|alternative| self.possible(alternative)).collect();
        let different: BTreeSet<PackageId> = possible.iter().flatten().copied().collect();
        if met {
            // The only package that will do is bound as well, with what it needs.
            if let (Some(only), 1) = (different.first(), different.len()) {
                let first = self.first(*only);
                let name = self.name(first);
                if !name.bound {
                    name.bound = true;
                    return self.mark(first, depth + 1, false);
                }
            }
            return true;
        }
        for (alternative, mut open) in clause.alternatives.iter().zip(possible) {
            while let Some(id) = self.take_best(alternative, &mut open) {
                if !self.is_candidate(id) {
                    continue; // ruled out by an earlier try
                }
                let first = self.first(id);
                if bound && different.len() == 1 {
                    if !self.name(first).marked {
                        self.set_marked(first);
                    }
                    self.name(first).bound = true;
                }
                if self.mark(first, depth + 1, false) {
                    self.picks.insert(place, id);
                    return true;
                }
            }
        }
        false
    }

    /// The candidates that meet an alternative and are not ruled out.
    fn possible(&mut self, alternative: &Alternative) -> Vec<PackageId> {
        let mut possible = alternative.packages.clone();
        possible.retain(|id| {
            let first = self.first(*id);
            let name = self.name(first);
            name.candidate == Some(*id) && (name.marked || !name.bound)
        });
        possible
    }

    /// Takes out the package to try next: a bound one, then the real one, then by the rank of providers.
    fn take_best(&mut self, alternative: &Alternative, open: &mut Vec<PackageId>) -> Option<PackageId> {
        let index = self.relating.index();
        let mut best = Vec::new();
        let mut best_rank = None;
        for id in open.iter().copied() {
            let first = self.first(id);
            let provides = index.name(id) != alternative.relation.name;
            let rank = (!self.name(first).bound, provides.then(|| self.relating.provider_rank(id)));
            match best_rank.map_or(Ordering::Less, |best| rank.cmp(&best)) {
                Ordering::Less => (best_rank, best) = (Some(rank), vec![id]),
                Ordering::Equal => best.push(id),
                Ordering::Greater => {}
            }
        }
        let taken = match best[..] {
            [one] => one,
            _ => best.into_iter().max_by_key(|id| self.relating.first_mention(*id))?,
        };
        open.retain(|id| *id != taken);
        Some(taken)
    }
}
