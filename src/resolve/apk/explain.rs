//! What the solver ran into, in words: each failure is traced to the relation that caused it.
//!
//! The solver notes why it ruled out a package first. From a package that had to be taken and could not be,
//! those reasons are followed until one is a fact of the index or of the world: nothing has the name, a
//! version that is not there, two relations that exclude each other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::apk::relation::{Relation, RelationText};
use crate::repository::nearest;

use super::super::error::{Holder, Needed};
use super::ApkResolveError as Error;
use super::solver::{Failure, RuledOut, Solver};
use super::universe::{Dependency, NameId, PackageId, Provider, Universe};

/// Refuses a world that names a tag no repository has.
pub(super) fn check_tags(universe: &Universe<'_>, world: &[Relation]) -> Result<(), Error> {
    let missing = |relation: &&Relation| universe.tag(relation.tag.as_deref()).is_none();
    let Some(relation) = world.iter().find(missing) else { return Ok(()) };
    Err(Error::NoSuchTag {
        request: relation.to_string(),
        tag: relation.tag.clone().unwrap_or_default(),
        known: universe.tags.iter().map(|tag| (*tag).to_owned()).collect(),
    })
}

/// Says why there is no solution.
pub(super) fn explain(solver: &Solver<'_, '_>) -> Error {
    let account = Account::new(solver);
    let mut errors: Vec<Error> = Vec::new();
    for failure in &solver.failures {
        let error = account.of_failure(*failure);
        errors.extend(error.filter(|error| !errors.contains(error)));
    }
    match errors.len() {
        0 => Error::Unsolvable { requests: account.all_requests() },
        1 => errors.swap_remove(0),
        _ => Error::Several(errors),
    }
}

/// Who asks for a package: another, or a relation of the world.
#[derive(Clone, Copy)]
enum Asking {
    World(usize),
    Package(PackageId),
}

struct Account<'s, 'u, 'i> {
    solver: &'s Solver<'u, 'i>,
    universe: &'u Universe<'i>,
    /// For each package that is needed who asks for it, on a shortest way from the world.
    asking: BTreeMap<PackageId, Asking>,
    /// The same for names that nothing was taken for.
    asking_for_name: BTreeMap<NameId, Asking>,
}

impl<'s, 'u, 'i> Account<'s, 'u, 'i> {
    fn new(solver: &'s Solver<'u, 'i>) -> Self {
        let universe = solver.universe;
        let mut account =
            Account { solver, universe, asking: BTreeMap::new(), asking_for_name: BTreeMap::new() };
        let mut open = VecDeque::new();
        for (number, relation) in solver.world.iter().enumerate() {
            account.follow(relation, Asking::World(number), &mut open);
        }
        while let Some(package) = open.pop_front() {
            for dependency in &universe.package(package).depends {
                account.follow(dependency, Asking::Package(package), &mut open);
            }
        }
        account
    }

    /// Notes who asks for what a relation leads to: what was taken for it, or everything that might have been.
    fn follow(&mut self, relation: &Dependency<'i>, asking: Asking, open: &mut VecDeque<PackageId>) {
        if relation.text.conflict {
            return;
        }
        self.asking_for_name.entry(relation.name).or_insert(asking);
        let chosen = self.solver.name(relation.name).chosen;
        let others = self.universe.providers(relation.name).iter().copied().filter(|_| chosen.is_none());
        let universe = self.universe;
        for provider in chosen.into_iter().chain(others).filter(|one| universe.meets(relation, Some(*one))) {
            self.asking.entry(provider.package).or_insert_with(|| {
                open.push_back(provider.package);
                asking
            });
        }
    }

    fn of_failure(&self, failure: Failure) -> Option<Error> {
        let mut passed = BTreeSet::new();
        match failure {
            Failure::NoProvider(name) => self.of_absent_name(name),
            Failure::Broken(name, package) => self.of_package(name, package, &mut passed),
            Failure::Clash(name, left, Some(right)) if left == right => {
                let (request, by) = self.way(Some(Asking::Package(left)));
                let by = by.into_iter().skip(1).collect();
                Some(Error::Itself { request, package: self.describe(left), name: self.text(name), by })
            }
            Failure::Clash(name, left, Some(right)) => Some(self.same_name(name, left, right)),
            Failure::Clash(_, _, None) => None,
            Failure::Unmet(package, number) => {
                let dependency = &self.universe.package(package).depends[number];
                let chosen = self.solver.name(dependency.name).chosen;
                // Where it is met, what meets it is broken itself and has a failure of its own.
                let met = self.universe.meets(dependency, chosen);
                if met { None } else { self.of_dependency(package, dependency, &mut passed) }
            }
        }
    }

    /// Nothing was taken for a name that is required.
    fn of_absent_name(&self, name: NameId) -> Option<Error> {
        let asking = self.asking_for_name.get(&name).copied();
        let providers = self.universe.providers(name);
        let Some(first) = providers.first() else {
            let relation = self.relation_for(name, asking)?;
            return Some(self.unavailable(relation, name, asking));
        };
        let left_out = |one: &Provider<'_>| {
            one.version.is_none() && self.universe.package(one.package).record.provider_priority == 0
        };
        if !providers.iter().all(left_out) {
            return None;
        }
        let (request, by) = self.way(asking);
        let packages: BTreeSet<PackageId> = providers.iter().map(|one| one.package).collect();
        Some(Error::Virtual {
            request,
            name: self.text(name),
            providers: packages.iter().map(|package| self.describe(*package)).collect(),
            one: self.universe.package(first.package).record.name.clone(),
            by,
        })
    }

    /// A package had to be taken for a name and could not be.
    fn of_package(
        &self,
        name: NameId,
        package: PackageId,
        passed: &mut BTreeSet<PackageId>,
    ) -> Option<Error> {
        if !passed.insert(package) {
            return None;
        }
        let asking = self.asking.get(&package).or_else(|| self.asking_for_name.get(&name)).copied();
        match self.solver.package(package).ruled_out {
            None if self.solver.package(package).tag_allowed => None,
            None => Some(self.of_tag(package, asking)),
            Some(RuledOut::Relation(by, other, number)) => {
                let relation = match by {
                    Some(by) => &self.universe.package(by).depends[number],
                    None => &self.solver.world[number],
                };
                let owner = by.map_or(Asking::World(number), Asking::Package);
                if !relation.text.conflict && !self.is_available(relation) {
                    return Some(self.unavailable(relation.text, other, Some(owner)));
                }
                Some(self.refused(relation.text, owner, package))
            }
            Some(RuledOut::Depends(number)) => {
                let dependency = &self.universe.package(package).depends[number];
                self.of_dependency(package, dependency, passed)
            }
            Some(RuledOut::Taken(name)) => {
                let by = self.solver.name(name).chosen?.package;
                Some(self.same_name(name, package, by))
            }
            Some(RuledOut::Aside(needed, name)) => {
                let mut others = self.universe.providers(needed).iter().map(|one| one.package);
                let other = others.find(|other| *other != package)?;
                Some(self.same_name(name, package, other))
            }
            Some(RuledOut::Held) => {
                let record = self.universe.package(package).record;
                let version = self.solver.pinned.get(&record.name)?.clone();
                let (request, by) = self.way(asking);
                let package = self.describe(package);
                Some(Error::Held { holder: Holder::Lock, request, package, version, by })
            }
        }
    }

    /// A dependency of a package could not be met.
    fn of_dependency(
        &self,
        package: PackageId,
        dependency: &Dependency<'i>,
        passed: &mut BTreeSet<PackageId>,
    ) -> Option<Error> {
        let chosen = self.solver.name(dependency.name).chosen;
        if !dependency.text.conflict && !self.is_available(dependency) {
            return Some(self.unavailable(dependency.text, dependency.name, Some(Asking::Package(package))));
        }
        if let Some(chosen) = chosen.filter(|_| !self.universe.meets(dependency, chosen)) {
            return Some(self.refused(dependency.text, Asking::Package(package), chosen.package));
        }
        if chosen.is_none() && self.solver.name(dependency.name).settled {
            return self.of_absent_name(dependency.name);
        }
        let providers = self.universe.providers(dependency.name).iter().copied();
        let mut meeting = providers.filter(|one| self.universe.meets(dependency, Some(*one)));
        meeting.find_map(|one| self.of_package(dependency.name, one.package, passed))
    }

    /// Whether any package of the index would meet a relation.
    fn is_available(&self, relation: &Dependency<'_>) -> bool {
        let mut providers = self.universe.providers(relation.name).iter();
        providers.any(|provider| self.universe.meets(relation, Some(*provider)))
    }

    /// Nothing in the index meets a relation.
    fn unavailable(&self, relation: RelationText<'_>, name: NameId, asking: Option<Asking>) -> Error {
        let packages: BTreeSet<PackageId> =
            self.universe.providers(name).iter().map(|one| one.package).collect();
        let available: Vec<String> = packages.iter().map(|package| self.describe(*package)).collect();
        match asking {
            Some(Asking::Package(_)) => {
                let (request, by) = self.way(asking);
                Error::Missing { request, relation: relation.to_string(), available, by }
            }
            _ if available.is_empty() => {
                Error::NoSuchPackage { name: relation.name.to_owned(), similar: self.similar(relation.name) }
            }
            _ => Error::NoSuchVersion { request: relation.to_string(), available },
        }
    }

    fn of_tag(&self, package: PackageId, asking: Option<Asking>) -> Error {
        let (request, by) = self.way(asking);
        let found = self.universe.package(package);
        let mut tags = self.universe.tags.iter();
        let tag = tags.find(|tag| self.universe.tag(Some(tag)).is_some_and(|bit| found.tags & bit != 0));
        let allowing = format!("{}@{}", found.record.name, tag.copied().unwrap_or_default());
        Error::OtherTag { request, package: self.describe(package), allowing, by }
    }

    fn refused(&self, relation: RelationText<'_>, owner: Asking, package: PackageId) -> Error {
        let relation = relation.to_string();
        let ruled_out = Box::new(self.needed(package));
        match owner {
            Asking::World(_) => {
                let mut requests = self.requests([package]);
                requests.retain(|request| *request != relation);
                if requests.is_empty() {
                    requests.push(relation.clone());
                }
                Error::Refused { requests, relation, ruled_out }
            }
            Asking::Package(owner) => Error::Conflict {
                requests: self.requests([owner, package]),
                owner: Box::new(self.needed(owner)),
                relation,
                ruled_out,
            },
        }
    }

    fn same_name(&self, name: NameId, left: PackageId, right: PackageId) -> Error {
        let (left, right) = (left.min(right), left.max(right));
        Error::SameName {
            requests: self.requests([left, right]),
            name: self.text(name),
            left: Box::new(self.needed(left)),
            right: Box::new(self.needed(right)),
        }
    }

    /// The request that leads to what asks, and the packages on the way, the nearest first.
    fn way(&self, asking: Option<Asking>) -> (String, Vec<String>) {
        let (mut at, mut by) = (asking, Vec::new());
        while let Some(Asking::Package(package)) = at {
            by.push(self.describe(package));
            at = self.asking.get(&package).copied();
        }
        let request = match at {
            Some(Asking::World(number)) => self.solver.world[number].text.to_string(),
            _ => self.all_requests().join(" "),
        };
        (request, by)
    }

    fn needed(&self, package: PackageId) -> Needed {
        let (_, by) = self.way(self.asking.get(&package).copied());
        Needed { package: self.describe(package), by }
    }

    fn requests<const N: usize>(&self, packages: [PackageId; N]) -> Vec<String> {
        let asking = packages.iter().filter_map(|package| self.asking.get(package));
        let requests: BTreeSet<String> = asking.map(|asking| self.way(Some(*asking)).0).collect();
        if requests.is_empty() { self.all_requests() } else { requests.into_iter().collect() }
    }

    fn all_requests(&self) -> Vec<String> {
        self.solver.world.iter().map(|relation| relation.text.to_string()).collect()
    }

    /// The relation by which a name is asked for.
    fn relation_for(&self, name: NameId, asking: Option<Asking>) -> Option<RelationText<'i>> {
        let relations = match asking? {
            Asking::World(number) => return Some(self.solver.world[number].text),
            Asking::Package(package) => &self.universe.package(package).depends,
        };
        let mut named = relations.iter().filter(|one| one.name == name && !one.text.conflict);
        named.next().map(|one| one.text)
    }

    /// Names that one may be a misspelling of, and before them the command of that name.
    fn similar(&self, name: &str) -> Vec<String> {
        let provided = self.universe.names.iter().filter(|name| !name.providers.is_empty());
        let command = format!("cmd:{name}");
        let commands = provided.clone().filter(|name| name.text == command);
        let near = nearest(name, provided.clone().map(|name| name.text));
        commands.map(|name| name.text).chain(near).map(str::to_owned).collect()
    }

    fn text(&self, name: NameId) -> String {
        self.universe.text(name).to_owned()
    }

    fn describe(&self, package: PackageId) -> String {
        self.universe.index.describe(self.universe.package(package).id)
    }
}
