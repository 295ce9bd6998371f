//! Which packages of an index meet a relation, and in which order they are to be tried.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::deb::relation::{self, Relation, RelationError};
use crate::repository::{Mention, OriginKind, PackageId, PackageIndex};

use super::error::{Holder, ResolveError};
use super::{Pinned, Request};

/// One alternative of a clause, with every package that meets it: real ones first, newest first, then
/// providers.
pub(super) struct Alternative {
    pub(super) relation: Relation,
    pub(super) packages: Vec<PackageId>,
}

/// A clause of Pre-Depends or Depends.
pub(super) struct Clause {
    pub(super) alternatives: Vec<Rc<Alternative>>,
    pub(super) pre: bool,
}

impl Clause {
    /// Every package that meets it, in the order of the field; one may come twice.
    pub(super) fn packages(&self) -> impl Iterator<Item = PackageId> {
        self.alternatives.iter().flat_map(|alternative| alternative.packages.iter().copied())
    }
}

impl std::fmt::Display for Clause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, alternative) in self.alternatives.iter().enumerate() {
            let bar = if number == 0 { "" } else { " | " };
            write!(f, "{bar}{}", alternative.relation)?;
        }
        Ok(())
    }
}

/// What a package asks of others.
#[derive(Default)]
pub(super) struct Facts {
    /// Pre-Depends, then Depends, in the order of the fields.
    pub(super) clauses: Vec<Clause>,
    /// Conflicts, then Breaks; never with a package of its own name.
    pub(super) conflicts: Vec<Alternative>,
    /// The field that could not be read.
    pub(super) malformed: Option<(&'static str, RelationError)>,
}

/// An index seen through its relations. What was looked up is kept.
pub(super) struct Relating<'a> {
    index: &'a PackageIndex,
    pinned: Pinned<'a>,
    facts: RefCell<HashMap<PackageId, Rc<Facts>>>,
    alternatives: RefCell<HashMap<Relation, Rc<Alternative>>>,
    mentions: RefCell<HashMap<PackageId, Option<Mention>>>,
}

impl<'a> Relating<'a> {
    pub(super) fn new(index: &'a PackageIndex, pinned: Pinned<'a>) -> Self {
        Relating {
            index,
            pinned,
            facts: RefCell::default(),
            alternatives: RefCell::default(),
            mentions: RefCell::default(),
        }
    }

    pub(super) fn index(&self) -> &'a PackageIndex {
        self.index
    }

    /// The version that a lock insists on, where the index has it.
    pub(super) fn kept(&self, name: &str) -> Option<PackageId> {
        self.pinned.keeps(name).then(|| self.pin(name)).flatten()
    }

    fn pin(&self, name: &str) -> Option<PackageId> {
        let version = self.pinned.version(name)?;
        self.index.named(name).find(|id| self.index.version(*id) == version)
    }

    /// The packages of a name that may be chosen, in the order to try them: what a lock holds, then a local
    /// package, then the newest.
    pub(super) fn candidates(&self, name: &str) -> Vec<PackageId> {
        if let Some(kept) = self.kept(name) {
            return vec![kept];
        }
        let mut candidates: Vec<PackageId> = self.index.named(name).collect();
        if let Some(place) = self.pin(name).and_then(|pin| candidates.iter().position(|id| *id == pin)) {
            candidates[..=place].rotate_right(1);
        }
        candidates
    }

    /// The name that a request asks for, by its first package, and the packages that will do.
    pub(super) fn requested(&self, request: &Request) -> Result<(PackageId, Vec<PackageId>), ResolveError> {
        let Some(first) = self.index.named(&request.name).next() else {
            let mut providers: Vec<&str> = self
                .index
                .providers(&request.name)
                .map(|provider| self.index.name(provider.package))
                .collect();
            providers.dedup();
            let name = request.name.clone();
            return Err(if providers.is_empty() {
                let similar = self.index.similar_names(&name).into_iter().map(str::to_owned).collect();
                ResolveError::NoSuchPackage { name, similar }
            } else {
                ResolveError::Virtual { name, providers: providers.into_iter().map(str::to_owned).collect() }
            });
        };
        let fits = |id: &PackageId| {
            let version = self.index.version(*id);
            (!request.local || self.index.origin(*id).kind == OriginKind::Local)
                && request
                    .constraint
                    .as_ref()
                    .is_none_or(|(operator, wanted)| operator.accepts(version, wanted))
        };
        let allowed: Vec<PackageId> = self.candidates(&request.name).into_iter().filter(fits).collect();
        if allowed.is_empty() {
            let describe = |id: PackageId| self.describe_version(id);
            return Err(match self.kept(&request.name) {
                Some(kept) if self.index.named(&request.name).any(|id| fits(&id)) => ResolveError::Kept {
                    holder: Holder::Lock,
                    request: request.to_string(),
                    version: self.index.version(kept).to_owned(),
                },
                _ => ResolveError::NoSuchVersion {
                    request: request.to_string(),
                    available: self.index.named(&request.name).map(describe).collect(),
                },
            });
        }
        Ok((first, allowed))
    }

    /// What a package asks of others.
    pub(super) fn facts(&self, id: PackageId) -> Rc<Facts> {
        if let Some(facts) = self.facts.borrow().get(&id) {
            return Rc::clone(facts);
        }
        let facts = Rc::new(self.read_facts(id));
        self.facts.borrow_mut().insert(id, Rc::clone(&facts));
        facts
    }

    fn read_facts(&self, id: PackageId) -> Facts {
        let record = self.index.package(id);
        let mut facts = Facts::default();
        for (field, value, pre) in
            [("Pre-Depends", record.pre_depends, true), ("Depends", record.depends, false)]
        {
            match relation::parse(value, self.index.deb_arch()) {
                Err(error) => facts.malformed = Some((field, error)),
                Ok(relations) => facts.clauses.extend(relations.into_iter().map(|clause| {
                    let alternatives =
                        clause.into_iter().map(|relation| self.alternative(relation)).collect();
                    Clause { alternatives, pre }
                })),
            }
        }
        for (field, value) in [("Conflicts", record.conflicts), ("Breaks", record.breaks)] {
            match relation::parse(value, self.index.deb_arch()) {
                Err(error) => facts.malformed = Some((field, error)),
                Ok(relations) => facts.conflicts.extend(relations.into_iter().flatten().map(|relation| {
                    let mut packages = self.meeting(&relation, self.index.named(&relation.name).collect());
                    packages.retain(|other| self.index.name(*other) != record.name);
                    Alternative { relation, packages }
                })),
            }
        }
        facts.conflicts.retain(|conflict| !conflict.packages.is_empty());
        facts
    }

    fn alternative(&self, relation: Relation) -> Rc<Alternative> {
        if let Some(known) = self.alternatives.borrow().get(&relation) {
            return Rc::clone(known);
        }
        let packages = self.meeting(&relation, self.candidates(&relation.name));
        let alternative = Rc::new(Alternative { relation: relation.clone(), packages });
        self.alternatives.borrow_mut().insert(relation, Rc::clone(&alternative));
        alternative
    }

    /// Those of `real`, which are of the relation's name, that meet it, and every provider that does.
    fn meeting(&self, relation: &Relation, real: Vec<PackageId>) -> Vec<PackageId> {
        let any = match relation.arch.as_deref() {
            Some("any") => true,
            Some(arch) if arch != "native" && arch != self.index.deb_arch() => return Vec::new(),
            _ => false,
        };
        let admits = |id: PackageId| !any || self.index.package(id).multi_arch == "allowed";
        let mut packages = real;
        packages.retain(|id| relation.accepts(self.index.version(*id)) && admits(*id));
        let mut providers: Vec<PackageId> = self
            .index
            .providers(&relation.name)
            .filter(|provider| match (&relation.version, provider.version) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(_), Some(version)) => relation.accepts(version),
            })
            .map(|provider| provider.package)
            .filter(|id| {
                !packages.contains(id)
                    && admits(*id)
                    && self.kept(self.index.name(*id)).is_none_or(|kept| kept == *id)
            })
            .collect();
        providers.sort_by_cached_key(|id| (self.provider_rank(*id), *id));
        providers.dedup();
        packages.append(&mut providers);
        packages
    }

    /// Apt's order of those that provide the same: Essential before others, then Protected, then by
    /// priority. Where all that is equal, it takes the one with the latest [`Relating::first_mention`].
    pub(super) fn provider_rank(&self, id: PackageId) -> (bool, bool, u8) {
        let record = self.index.package(id);
        let priority = match record.priority {
            "required" => 1,
            "important" => 2,
            "standard" => 3,
            "optional" => 4,
            _ => 5,
        };
        (!record.essential, !record.protected, priority)
    }

    /// Where the index first speaks of a package's name; slow, so only asked for where ranks are equal.
    pub(super) fn first_mention(&self, id: PackageId) -> Option<Mention> {
        let mut mentions = self.mentions.borrow_mut();
        *mentions.entry(id).or_insert_with(|| self.index.first_mention(self.index.name(id)))
    }

    /// `curl 8.14.1-2 (trixie/main)`.
    pub(super) fn describe(&self, id: PackageId) -> String {
        format!("{} {}", self.index.name(id), self.describe_version(id))
    }

    fn describe_version(&self, id: PackageId) -> String {
        format!("{} ({})", self.index.version(id), self.index.origin(id))
    }
}
