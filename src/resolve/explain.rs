//! A conflict of the solver in words: the shortest way from the requests to what cannot be.

use std::collections::{BTreeMap, VecDeque};

use resolvo::conflict::{Conflict, ConflictCause, ConflictEdge, ConflictNode};
use resolvo::{Requirement, Solver, VersionSetId};

use crate::repository::PackageId;

use super::encoding::{Encoding, package};
use super::error::{Holder, Needed, ResolveError};
use super::relating::Relating;

/// The names of requests.
pub(super) fn names(relating: &Relating<'_>, wanted: &BTreeMap<PackageId, Vec<PackageId>>) -> Vec<String> {
    wanted.keys().map(|first| relating.index().name(*first).to_owned()).collect()
}

/// What the solver's graph has that matters here, by the numbers of its nodes.
struct Account {
    /// The package of each node, if it is one.
    packages: Vec<Option<PackageId>>,
    /// For each node the one that requires it on a shortest way from the root.
    parents: Vec<Option<usize>>,
    /// Nodes in the order of their distance from the root.
    order: Vec<usize>,
}

/// A cause that can be said in a sentence.
enum Cause {
    Missing(Requirement),
    Malformed,
    Refused(usize, VersionSetId),
    SecondVersion(usize),
}

/// Says why the requests cannot be met.
pub(super) fn explain(
    solver: &Solver<Encoding<'_, '_>>,
    conflict: &Conflict,
    relating: &Relating<'_>,
    wanted: &BTreeMap<PackageId, Vec<PackageId>>,
) -> ResolveError {
    let graph = conflict.graph(solver);
    let nodes: Vec<_> = graph.graph.raw_nodes().iter().map(|node| node.weight).collect();
    let mut required: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut causes: Vec<(usize, Cause)> = Vec::new();
    for edge in graph.graph.raw_edges() {
        let (from, to) = (edge.source().index(), edge.target().index());
        match edge.weight {
            ConflictEdge::Requires(requirement) if nodes[to] == ConflictNode::UnresolvedDependency => {
                causes.push((from, Cause::Missing(requirement)));
            }
            ConflictEdge::Requires(_) => required[from].push(to),
            ConflictEdge::Conflict(ConflictCause::Constrains(set)) => {
                causes.push((from, Cause::Refused(to, set)));
            }
            ConflictEdge::Conflict(ConflictCause::ForbidMultipleInstances) => {
                causes.push((from, Cause::SecondVersion(to)));
            }
            ConflictEdge::Conflict(ConflictCause::Excluded) => causes.push((from, Cause::Malformed)),
            ConflictEdge::Conflict(ConflictCause::Locked(_)) => {}
        }
    }
    let packages = nodes.iter().map(|node| match node {
        ConflictNode::Solvable(solvable) => Some(package(*solvable)),
        _ => None,
    });
    let account = Account::new(packages.collect(), &required, graph.root_node.index());
    // The cause nearest to the requests, one that stands alone before one that takes two.
    let rank = |(from, cause): &(usize, Cause)| {
        let distance = |node| account.order.iter().position(|other| *other == node).unwrap_or(usize::MAX);
        match cause {
            Cause::Missing(_) | Cause::Malformed => (0, distance(*from), 0),
            Cause::Refused(to, _) => (1, distance(*from).max(distance(*to)), distance(*from)),
            Cause::SecondVersion(to) => (2, distance(*from).max(distance(*to)), distance(*from)),
        }
    };
    let said = causes
        .iter()
        .min_by_key(|cause| rank(cause))
        .and_then(|(from, cause)| account.say(solver.provider(), relating, *from, cause));
    said.unwrap_or_else(|| ResolveError::Unsolvable {
        requests: names(relating, wanted),
        report: conflict.display_user_friendly(solver).to_string().trim_end().to_owned(),
    })
}

impl Account {
    fn new(packages: Vec<Option<PackageId>>, required: &[Vec<usize>], root: usize) -> Self {
        let mut parents = vec![None; required.len()];
        let mut order = Vec::new();
        let mut open = VecDeque::from([root]);
        while let Some(node) = open.pop_front() {
            order.push(node);
            for next in &required[node] {
                if *next != root && parents[*next].is_none() {
                    parents[*next] = Some(node);
                    open.push_back(*next);
                }
            }
        }
        Account { packages, parents, order }
    }

    fn say(
        &self,
        encoding: &Encoding<'_, '_>,
        relating: &Relating<'_>,
        from: usize,
        cause: &Cause,
    ) -> Option<ResolveError> {
        let left = self.needed(relating, from)?;
        let request = self.request(relating, from)?;
        Some(match cause {
            Cause::Missing(requirement) => {
                let relation = encoding.requirement_text(*requirement);
                let mut by = vec![left.package];
                by.extend(left.by);
                let kept = clause_names(&relation).find_map(|name| relating.kept(name));
                match kept {
                    Some(kept) => {
                        let version = relating.index().version(kept).to_owned();
                        ResolveError::Held { holder: Holder::Lock, request, relation, version, by }
                    }
                    None => ResolveError::Missing {
                        request,
                        available: available(relating, &relation),
                        relation,
                        by,
                    },
                }
            }
            Cause::Malformed => {
                let (field, error) = relating.facts(self.packages[from]?).malformed.clone()?;
                ResolveError::Malformed { request, needed: Box::new(left), field, error }
            }
            Cause::Refused(to, set) => {
                let requests = self.requests(relating, [from, *to])?;
                let (left, right) = (Box::new(left), Box::new(self.needed(relating, *to)?));
                ResolveError::Conflict { requests, left, right, relation: encoding.constraint_text(*set) }
            }
            Cause::SecondVersion(to) => {
                let requests = self.requests(relating, [from, *to])?;
                let (left, right) = (Box::new(left), Box::new(self.needed(relating, *to)?));
                ResolveError::TwoVersions { requests, left, right }
            }
        })
    }

    /// The nodes from one up to a request, itself first; none where it is not reached from the root.
    fn way(&self, node: usize) -> Option<Vec<PackageId>> {
        let mut way = vec![self.packages[node]?];
        let mut at = self.parents[node]?;
        while let Some(package) = self.packages[at] {
            way.push(package);
            at = self.parents[at]?;
        }
        Some(way)
    }

    fn needed(&self, relating: &Relating<'_>, node: usize) -> Option<Needed> {
        let way = self.way(node)?;
        let mut way = way.into_iter().map(|id| relating.describe(id));
        Some(Needed { package: way.next()?, by: way.collect() })
    }

    fn request(&self, relating: &Relating<'_>, node: usize) -> Option<String> {
        Some(relating.index().name(*self.way(node)?.last()?).to_owned())
    }

    fn requests(&self, relating: &Relating<'_>, nodes: [usize; 2]) -> Option<Vec<String>> {
        let mut requests = Vec::new();
        for node in nodes {
            requests.push(self.request(relating, node)?);
        }
        requests.sort();
        requests.dedup();
        Some(requests)
    }
}

/// The package names in a clause.
fn clause_names(clause: &str) -> impl Iterator<Item = &str> {
    clause.split('|').filter_map(|one| one.trim().split([' ', ':']).next())
}

/// The packages of the names in a clause, none of which meets it.
fn available(relating: &Relating<'_>, clause: &str) -> Vec<String> {
    let index = relating.index();
    clause_names(clause).flat_map(|name| index.named(name)).map(|id| relating.describe(id)).collect()
}
