//! The choice of packages as a SAT problem for `resolvo`.
//!
//! A solver's name is the first package of a name; a solvable is a package. A version set lists the packages
//! of one name that will do, settled when it is made, so that the solver never compares versions. A clause
//! becomes a union of such sets in the order to try them, packages that provide a name included; Conflicts
//! and Breaks become constraints on the other names. Dependencies are told only of packages the solver
//! decides on, which keeps it to the first alternative that works.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Display;

use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider, Interner,
    KnownDependencies, NameId, Problem, Requirement, SolvableId, Solver, SolverCache, StringId,
    UnsolvableOrCancelled, VersionSetId, VersionSetUnionId,
};

use crate::repository::PackageId;

use super::error::ResolveError;
use super::explain;
use super::relating::Relating;
use super::walk::Walked;

/// Finds a consistent set: that of the walk if it is one, else the nearest to it.
pub(super) fn solve(
    relating: &Relating<'_>,
    wanted: &BTreeMap<PackageId, Vec<PackageId>>,
    walked: &Walked,
) -> Result<BTreeSet<PackageId>, ResolveError> {
    if walked.complete {
        let provider = Encoding::new(relating, walked);
        let mut requirements = provider.requests(wanted);
        requirements.extend(walked.marked.iter().map(|id| provider.require(&[*id], String::new)));
        if let Ok(chosen) = Solver::new(provider).solve(Problem::new().requirements(requirements)) {
            return Ok(chosen.into_iter().map(package).collect());
        }
    }
    let provider = Encoding::new(relating, walked);
    let requirements = provider.requests(wanted);
    let mut solver = Solver::new(provider);
    match solver.solve(Problem::new().requirements(requirements)) {
        Ok(chosen) => Ok(chosen.into_iter().map(package).collect()),
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            Err(explain::explain(&solver, &conflict, relating, wanted))
        }
        Err(UnsolvableOrCancelled::Cancelled(_)) => Err(ResolveError::Unsolvable {
            requests: explain::names(relating, wanted),
            report: "the solver was stopped".to_owned(),
        }),
    }
}

/// The package that a solvable stands for.
pub(super) fn package(solvable: SolvableId) -> PackageId {
    PackageId::from_raw(solvable.into_raw())
}

fn solvable(package: PackageId) -> SolvableId {
    SolvableId::from_raw(package.raw())
}

struct VersionSet {
    name: NameId,
    allowed: Vec<PackageId>,
}

#[derive(Default)]
struct Tables {
    sets: Vec<VersionSet>,
    unions: Vec<Vec<VersionSetId>>,
    strings: Vec<String>,
    /// The relation behind a requirement or a constraint.
    required: HashMap<Requirement, String>,
    constrained: HashMap<VersionSetId, String>,
}

/// The index as the solver sees it.
pub(super) struct Encoding<'r, 'a> {
    relating: &'r Relating<'a>,
    preferred: BTreeSet<PackageId>,
    tables: RefCell<Tables>,
}

impl<'r, 'a> Encoding<'r, 'a> {
    fn new(relating: &'r Relating<'a>, walked: &Walked) -> Self {
        Encoding { relating, preferred: walked.marked.iter().copied().collect(), tables: RefCell::default() }
    }

    /// The relation behind a requirement, as its field or the recipe has it.
    pub(super) fn requirement_text(&self, requirement: Requirement) -> String {
        self.tables.borrow().required.get(&requirement).cloned().unwrap_or_default()
    }

    /// The relation behind a constraint.
    pub(super) fn constraint_text(&self, set: VersionSetId) -> String {
        self.tables.borrow().constrained.get(&set).cloned().unwrap_or_default()
    }

    fn requests(&self, wanted: &BTreeMap<PackageId, Vec<PackageId>>) -> Vec<ConditionalRequirement> {
        let name = |first: &PackageId| self.relating.index().name(*first).to_owned();
        wanted.iter().map(|(first, allowed)| self.require(allowed, || name(first))).collect()
    }

    /// One of these packages, in order; preferred ones before others.
    fn require(&self, packages: &[PackageId], text: impl FnOnce() -> String) -> ConditionalRequirement {
        let mut by_name: Vec<(PackageId, Vec<PackageId>)> = Vec::new();
        let (preferred, others): (Vec<_>, Vec<_>) =
            packages.iter().partition(|id| self.preferred.contains(id));
        for id in preferred.into_iter().chain(others) {
            let first = self.relating.index().first_of_name(id);
            match by_name.iter_mut().find(|(name, _)| *name == first) {
                Some((_, ids)) if ids.contains(&id) => {}
                Some((_, ids)) => ids.push(id),
                None => by_name.push((first, vec![id])),
            }
        }
        let sets: Vec<_> = by_name.into_iter().map(|(first, ids)| self.version_set(first, ids)).collect();
        let requirement = match sets[..] {
            [] => Requirement::Single(self.version_set(self.no_name(), Vec::new())),
            [one] => Requirement::Single(one),
            _ => {
                let mut tables = self.tables.borrow_mut();
                tables.unions.push(sets);
                Requirement::Union(VersionSetUnionId(number(tables.unions.len() - 1)))
            }
        };
        self.tables.borrow_mut().required.insert(requirement, text());
        requirement.into()
    }

    /// A name that no package has, for requirements that nothing meets.
    fn no_name(&self) -> PackageId {
        PackageId::from_raw(number(self.relating.index().len()))
    }

    fn version_set(&self, first: PackageId, allowed: Vec<PackageId>) -> VersionSetId {
        let mut tables = self.tables.borrow_mut();
        tables.sets.push(VersionSet { name: NameId::from_raw(first.raw()), allowed });
        VersionSetId(number(tables.sets.len() - 1))
    }

    fn constraints(&self, id: PackageId) -> Vec<VersionSetId> {
        let index = self.relating.index();
        let mut constraints = Vec::new();
        for conflict in &self.relating.facts(id).conflicts {
            let mut refused: BTreeMap<PackageId, BTreeSet<PackageId>> = BTreeMap::new();
            for other in &conflict.packages {
                refused.entry(index.first_of_name(*other)).or_default().insert(*other);
            }
            for (first, refused) in refused {
                let allowed = index.named(index.name(first)).filter(|id| !refused.contains(id)).collect();
                let set = self.version_set(first, allowed);
                self.tables.borrow_mut().constrained.insert(set, conflict.relation.to_string());
                constraints.push(set);
            }
        }
        constraints
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

impl Interner for Encoding<'_, '_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.relating.describe(package(solvable))
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        let first = PackageId::from_raw(name.into_raw());
        if first == self.no_name() { "nothing" } else { self.relating.index().name(first) }
    }

    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        let tables = self.tables.borrow();
        let versions: Vec<&str> = match tables.sets.get(set.0 as usize) {
            Some(set) => set.allowed.iter().map(|id| self.relating.index().version(*id)).collect(),
            None => Vec::new(),
        };
        versions.join(" | ")
    }

    fn display_string(&self, string: StringId) -> impl Display + '_ {
        self.tables.borrow().strings.get(string.0 as usize).cloned().unwrap_or_default()
    }

    fn version_set_name(&self, set: VersionSetId) -> NameId {
        let name = self.tables.borrow().sets.get(set.0 as usize).map(|set| set.name);
        name.unwrap_or_else(|| NameId::from_raw(self.no_name().raw()))
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        NameId::from_raw(self.relating.index().first_of_name(package(solvable)).raw())
    }

    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        self.tables.borrow().unions.get(union.0 as usize).cloned().unwrap_or_default().into_iter()
    }

    fn resolve_condition(&self, _: ConditionId) -> Condition {
        // No requirement is made with a condition, so none can be asked for.
        Condition::Requirement(VersionSetId(0))
    }
}

impl DependencyProvider for Encoding<'_, '_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let tables = self.tables.borrow();
        let allowed = tables.sets.get(set.0 as usize).map_or(&[][..], |set| &set.allowed[..]);
        candidates.iter().copied().filter(|id| allowed.contains(&package(*id)) != inverse).collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates<SolvableId>> {
        let first = PackageId::from_raw(name.into_raw());
        if first == self.no_name() {
            return None;
        }
        let index = self.relating.index();
        Some(Candidates {
            candidates: index.named(index.name(first)).map(solvable).collect(),
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        let Some(first) = solvables.first() else { return };
        let order = self.relating.candidates(self.relating.index().name(package(*first)));
        solvables.sort_by_key(|id| {
            let id = package(*id);
            (!self.preferred.contains(&id), order.iter().position(|other| *other == id).unwrap_or(usize::MAX))
        });
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let id = package(solvable);
        let facts = self.relating.facts(id);
        if let Some((field, error)) = &facts.malformed {
            let mut tables = self.tables.borrow_mut();
            tables.strings.push(format!("its `{field}` is malformed: {error}"));
            return Dependencies::Unknown(StringId(number(tables.strings.len() - 1)));
        }
        let own = facts.clauses.iter().filter(|clause| !clause.packages().any(|other| other == id));
        let requirements = own
            .map(|clause| self.require(&clause.packages().collect::<Vec<_>>(), || clause.to_string()))
            .collect();
        Dependencies::Known(KnownDependencies { requirements, constrains: self.constraints(id) })
    }
}
