//! The names and packages of an index as apk's solver sees them.
//!
//! A *name* is whatever a relation can mention: a package's own, or one that packages provide. Its providers
//! are packages of that name and packages that provide it, in the order of the indexes. Packages with the
//! same checksum are one package, which several repositories have.

use std::collections::HashMap;

use crate::apk::Checksum;
use crate::apk::index::IndexRecord;
use crate::apk::relation::{Operator, Relation, RelationText};
use crate::repository::{ApkId, ApkIndex, ApkOrigin, OriginKind};

use super::hash_order::table_order;

/// A place in [`Universe::names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NameId(u32);

/// A place in [`Universe::packages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PackageId(u32);

/// Tags as a set of bits; bit 0 stands for repositories without one.
pub(super) type Tags = u16;

/// The repositories without a tag, which everything may come from.
pub(super) const UNTAGGED: Tags = 1;

/// The number of something in a list.
///
/// Lists are shorter than 2^32: the index has no more packages than that, and the solver no room for more.
#[expect(clippy::cast_possible_truncation, reason = "as said above")]
fn number(place: usize) -> u32 {
    place as u32
}

impl NameId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl PackageId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A name, and who has to do with it.
#[derive(Debug, Default)]
pub(super) struct Name<'i> {
    pub(super) text: &'i str,
    pub(super) providers: Vec<Provider<'i>>,
    /// The names some provider of which has a relation to this one in its Depends.
    pub(super) needed_by: Vec<NameId>,
    /// The names some provider of which has this one in its `install_if`.
    pub(super) triggers: Vec<NameId>,
    /// 0 if only packages of this very name provide it, 2 if only others, 1 if both. Lower ones are settled
    /// first.
    pub(super) foreign: u8,
}

/// A package as provider of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Provider<'i> {
    pub(super) package: PackageId,
    /// The version it has under that name; none where it provides the bare name.
    pub(super) version: Option<&'i str>,
}

/// A package of one or more repositories.
#[derive(Debug)]
pub(super) struct Package<'i> {
    /// The first of the index with its checksum.
    pub(super) id: ApkId,
    pub(super) record: &'i IndexRecord,
    pub(super) name: NameId,
    pub(super) depends: Vec<Dependency<'i>>,
    pub(super) install_if: Vec<Dependency<'i>>,
    pub(super) provides: Vec<(NameId, Option<&'i str>)>,
    /// The tags of the repositories that have it; none for a file.
    pub(super) tags: Tags,
    /// Whether it is a file beside the recipe, which may come whatever its tags.
    pub(super) local: bool,
    /// The first of the repositories that have it; a file comes before all.
    pub(super) repository: usize,
}

/// A relation of a package or of the world.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dependency<'i> {
    pub(super) name: NameId,
    pub(super) text: RelationText<'i>,
    wanted: Wanted<'i>,
}

/// What a provider must be to do.
#[derive(Clone, Copy, Debug)]
enum Wanted<'i> {
    Anything,
    Version(Operator, &'i str),
    Package(Option<Checksum>),
}

/// All names and packages.
pub(super) struct Universe<'i> {
    pub(super) index: &'i ApkIndex,
    pub(super) names: Vec<Name<'i>>,
    pub(super) packages: Vec<Package<'i>>,
    /// The tag of each bit, from bit 1.
    pub(super) tags: Vec<&'i str>,
    by_text: HashMap<&'i str, NameId>,
}

impl<'i> Universe<'i> {
    pub(super) fn new(index: &'i ApkIndex) -> Self {
        let count = index.packages().count();
        let mut universe = Universe {
            index,
            names: Vec::with_capacity(4 * count),
            packages: Vec::with_capacity(count),
            tags: Vec::new(),
            by_text: HashMap::with_capacity(4 * count),
        };
        let mut known: HashMap<Checksum, PackageId> = HashMap::with_capacity(count);
        let of_kind = |local: bool| {
            let is_wanted = move |id: &ApkId| (index.origin(*id).kind == OriginKind::Local) == local;
            index.packages().filter(is_wanted)
        };
        for id in of_kind(false) {
            universe.add(id, &mut known);
        }
        universe.relate();
        // apk reads files it is asked to add when all else is read, and then knows of their relations only.
        for id in of_kind(true) {
            let before = universe.packages.len();
            let package = universe.add(id, &mut known);
            if package.index() == before {
                universe.relate_late(package);
            }
        }
        universe
    }

    /// The name of a text, which need not be one of the index.
    pub(super) fn name(&mut self, text: &'i str) -> NameId {
        let next = NameId(number(self.names.len()));
        let id = *self.by_text.entry(text).or_insert(next);
        if id == next {
            self.names.push(Name { text, ..Name::default() });
        }
        id
    }

    /// Reads a relation of the world.
    pub(super) fn relation(&mut self, relation: &'i Relation) -> Dependency<'i> {
        self.dependency(relation.view())
    }

    pub(super) fn text(&self, name: NameId) -> &'i str {
        self.names[name.index()].text
    }

    pub(super) fn package(&self, package: PackageId) -> &Package<'i> {
        &self.packages[package.index()]
    }

    pub(super) fn providers(&self, name: NameId) -> &[Provider<'i>] {
        &self.names[name.index()].providers
    }

    /// The bit of a tag, unless no repository has it.
    pub(super) fn tag(&self, tag: Option<&str>) -> Option<Tags> {
        match tag {
            None => Some(UNTAGGED),
            Some(tag) => self.tags.iter().position(|known| *known == tag).map(|place| 2 << place),
        }
    }

    /// Whether a provider of the dependency's name, or that there is none, is what the dependency asks for.
    pub(super) fn meets(&self, dependency: &Dependency<'_>, provider: Option<Provider<'_>>) -> bool {
        let conflict = dependency.text.conflict;
        let Some(provider) = provider else { return conflict };
        match dependency.wanted {
            Wanted::Anything => !conflict,
            // apk looks at the checksum alone here: a conflict with one package is met by that package.
            Wanted::Package(checksum) => checksum == Some(self.package(provider.package).record.checksum),
            Wanted::Version(operator, wanted) => {
                let accepted = provider.version.is_some_and(|version| operator.accepts(version, wanted));
                accepted != conflict
            }
        }
    }

    fn dependency(&mut self, text: RelationText<'i>) -> Dependency<'i> {
        let wanted = match text.constraint {
            None | Some((Operator::Any, _)) => Wanted::Anything,
            Some((Operator::Checksum, checksum)) => Wanted::Package(checksum.parse().ok()),
            Some((operator, version)) => Wanted::Version(operator, version),
        };
        Dependency { name: self.name(text.name), text, wanted }
    }

    fn add(&mut self, id: ApkId, known: &mut HashMap<Checksum, PackageId>) -> PackageId {
        let (record, origin) = (self.index.record(id), self.index.origin(id));
        let local = origin.kind == OriginKind::Local;
        let tags = self.tags_of(origin);
        let repository = if local { 0 } else { 1 + self.index.origin_place(id) };
        let name = self.name(&record.name);
        let depends = self.dependencies(&record.depends);
        let provides: Vec<_> =
            self.dependencies(&record.provides).iter().map(|one| (one.name, version(one))).collect();
        let install_if = self.dependencies(&record.install_if);
        let next = PackageId(number(self.packages.len()));
        let package = *known.entry(record.checksum).or_insert(next);
        if package != next {
            // That a lock has it as well changes nothing about where it is from.
            if origin.kind == OriginKind::Locked {
                return package;
            }
            let same = &mut self.packages[package.index()];
            same.tags |= tags;
            same.local |= local;
            same.repository = same.repository.min(repository);
            return package;
        }
        self.names[name.index()].providers.push(Provider { package, version: Some(&record.version) });
        for (name, version) in &provides {
            self.names[name.index()].providers.push(Provider { package, version: *version });
        }
        self.packages.push(Package {
            id,
            record,
            name,
            depends,
            install_if,
            provides,
            tags,
            local,
            repository,
        });
        package
    }

    fn tags_of(&mut self, origin: &'i ApkOrigin) -> Tags {
        if origin.kind == OriginKind::Local {
            return 0;
        }
        let known = self.tag(origin.tag.as_deref());
        known.unwrap_or_else(|| {
            self.tags.extend(origin.tag.as_deref());
            // The index has no more tags than there are bits.
            1 << self.tags.len()
        })
    }

    fn dependencies(&mut self, field: &'i str) -> Vec<Dependency<'i>> {
        RelationText::list(field).map(|text| self.dependency(text)).collect()
    }

    /// Notes for every name who needs it and whom it triggers, walking over the names as apk does.
    fn relate(&mut self) {
        for number in table_order(self.names.iter().map(|name| name.text)) {
            let name = NameId(number);
            let providers = std::mem::take(&mut self.names[name.index()].providers);
            let mut foreign = 0;
            for provider in &providers {
                let package = &self.packages[provider.package.index()];
                foreign += usize::from(package.name != name);
                for needed in &package.depends {
                    add_last(&mut self.names[needed.name.index()].needed_by, name);
                }
                for triggering in &package.install_if {
                    add_last(&mut self.names[triggering.name.index()].triggers, name);
                }
            }
            let own = &mut self.names[name.index()];
            own.foreign = match foreign {
                0 => 0,
                some if some < providers.len() => 1,
                _ => 2,
            };
            own.providers = providers;
        }
    }

    fn relate_late(&mut self, package: PackageId) {
        let Package { name, depends, install_if, .. } = &self.packages[package.index()];
        for needed in depends {
            let list = &mut self.names[needed.name.index()].needed_by;
            list.extend((!list.contains(name)).then_some(*name));
        }
        for triggering in install_if {
            let list = &mut self.names[triggering.name.index()].triggers;
            list.extend((!list.contains(name)).then_some(*name));
        }
    }
}

/// The version that a relation in the field `p:` gives, whatever its operator.
fn version<'i>(provided: &Dependency<'i>) -> Option<&'i str> {
    provided.text.constraint.map(|(_, version)| version)
}

/// Adds a name that can only be there already as the last.
fn add_last(list: &mut Vec<NameId>, name: NameId) {
    if list.last() != Some(&name) {
        list.push(name);
    }
}
