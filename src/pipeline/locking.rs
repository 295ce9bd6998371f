//! From a recipe to the packages of one architecture's lock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use crate::arch::Arch;
use crate::cache::ContentId;
use crate::distro::PackageFormat;
use crate::lock::{
    Lock, LockedPackage, LockedRepository, NamedByLayer, Request as Asked, Stale, locked_packages,
    locked_repositories,
};
use crate::recipe::{PackageSpec, Recipe};
use crate::repository::{
    Access, IndexPart, LocalPackage, PackageIndex, load, local_apks, local_packages, locked_text, sources,
};
use crate::resolve::{Pinned, Request, ResolveError, Solution, resolve};
use crate::select::SelectError;

use super::{Forge, ForgeError, Update};

impl Forge<'_> {
    /// Why a lock cannot be built from as it is, if there is a reason: what the recipe asks for, an
    /// architecture that is not in it, or a package file that is another than was locked.
    pub fn stale(&self, recipe: &Recipe, lock: &Lock, archs: &[Arch]) -> Result<Option<Stale>, ForgeError> {
        if let Err(stale) = lock.fits(&Asked::of(recipe, &self.options.without), archs) {
            return Ok(Some(stale));
        }
        for arch in archs {
            let Ok(port) = Port::of(recipe, *arch) else { continue };
            for (path, name, content) in local_files(recipe, port)? {
                let same = lock.package(*arch, &name).is_some_and(|locked| {
                    locked.repository.is_none() && locked.path == path && locked.content == content
                });
                if !same {
                    return Ok(Some(Stale::File { path }));
                }
            }
        }
        Ok(None)
    }

    /// Resolves a recipe for one architecture, by the rules of its packages' format.
    pub(super) fn resolve(
        &self,
        recipe: &Recipe,
        arch: Arch,
        old: Option<&Lock>,
        update: &Update,
    ) -> Result<(Vec<LockedRepository>, Vec<LockedPackage>), ForgeError> {
        let port = Port::of(recipe, arch)?;
        let mut kept = old.map(|old| old.packages_of(arch)).unwrap_or_default();
        match update {
            Update::All => kept.clear(),
            Update::Necessary => {}
            Update::Packages(fresh) => kept.retain(|name, _| !fresh.contains(*name)),
        }
        let (repositories, packages) = match recipe.format() {
            PackageFormat::Deb => self.resolve_deb(recipe, port, &kept, update)?,
            PackageFormat::Apk => self.resolve_apk(recipe, port, &kept, update)?,
        };
        let dated = recipe.snapshot.is_none() && !self.options.allow_expired_index;
        if dated && let Some(older) = old.and_then(|old| old.older_than(&repositories)) {
            return Err(older.into());
        }
        Ok((repositories, packages))
    }

    /// Resolves a recipe for one architecture: first what it names, then what may be wanted on demand, which
    /// changes nothing of the first.
    fn resolve_deb(
        &self,
        recipe: &Recipe,
        port: Port,
        old: &BTreeMap<&str, &LockedPackage>,
        update: &Update,
    ) -> Result<(Vec<LockedRepository>, Vec<LockedPackage>), ForgeError> {
        let Port { arch, name: arch_name, triplet } = port;
        let local = local_packages(recipe, arch_name, triplet)?;
        let mut parts: Vec<IndexPart> = local.iter().map(|package| package.part.clone()).collect();
        parts.extend(self.load_indexes(recipe, arch, arch_name)?);
        parts.extend(
            old.values()
                .filter(|package| package.repository.is_some())
                .filter_map(|package| still_locked(package)),
        );
        let index =
            PackageIndex::new(arch, arch_name, parts).map_err(crate::repository::RepositoryError::from)?;

        let requests = requests(recipe, &local, arch_name, triplet);
        let versions: BTreeMap<String, String> =
            old.values().map(|package| (package.name.clone(), package.version.clone())).collect();
        let pinned = match update {
            Update::Packages(_) => Pinned::Keep(&versions),
            Update::Necessary | Update::All => Pinned::Prefer(&versions),
        };
        let all: Vec<Request> = requests.iter().flat_map(|(_, requests)| requests.clone()).collect();
        let mut solution = resolve(&index, &all, pinned)?;
        self.add_on_demand(recipe, &index, &all, &mut solution);

        let layers: Vec<NamedByLayer> = requests
            .into_iter()
            .map(|(layer, requests)| NamedByLayer {
                layer,
                packages: requests.into_iter().map(|request| request.name).collect(),
            })
            .collect();
        Ok((locked_repositories(arch, &index)?, locked_packages(arch, &index, &solution, &layers, old)))
    }

    fn load_indexes(
        &self,
        recipe: &Recipe,
        arch: Arch,
        arch_name: &str,
    ) -> Result<Vec<IndexPart>, ForgeError> {
        let sources = sources(recipe, arch, &self.mirrors, &self.options.without)?;
        let roots: Vec<_> =
            sources.iter().map(|source| (source.archive_name.as_str(), source.uri.as_str())).collect();
        self.tell_mirrors(recipe, arch, &roots);
        let mut notes = Vec::new();
        let parts = load(&sources, arch_name, self.access(recipe), &mut notes)?;
        for note in notes {
            self.progress.note(&note.to_string());
        }
        Ok(parts)
    }

    /// Says where the distro's archives are taken from, of which `roots` has the names and places.
    pub(super) fn tell_mirrors(&self, recipe: &Recipe, arch: Arch, roots: &[(&str, &str)]) {
        for archive in recipe.from.map(|distro| distro.archives(arch)).unwrap_or_default() {
            if let Some((name, root)) = roots.iter().find(|(name, _)| *name == archive.name()) {
                let origin = self.mirrors.find(archive).origin;
                self.progress.note(&format!("{name} is taken from {root} ({origin})"));
            }
        }
    }

    /// How indexes are had, and the moment against which they are judged.
    pub(super) fn access(&self, recipe: &Recipe) -> Access<'_> {
        Access {
            transport: &self.transport,
            cache: &self.cache,
            at: recipe.snapshot.as_deref().and_then(snapshot_time).unwrap_or(self.now),
            allow_expired: self.options.allow_expired_index,
        }
    }

    /// Adds what nobody depends on and selection may want all the same: the distro's Essential packages, whose
    /// commands scripts call, and what run-time rules ask for. What does not go with what the recipe names is left
    /// out, and so is what there is not.
    fn add_on_demand(
        &self,
        recipe: &Recipe,
        index: &PackageIndex,
        named: &[Request],
        solution: &mut Solution,
    ) {
        let mut essential: BTreeSet<&str> = BTreeSet::new();
        let mut for_rules: BTreeSet<&str> = BTreeSet::new();
        let asked_for = recipe.on_demand_packages();
        for package in index.packages().map(|id| index.package(id)) {
            if package.essential {
                essential.insert(package.name);
            } else if asked_for.contains(package.name) {
                for_rules.insert(package.name);
            }
        }
        let all: Vec<&str> = essential.iter().chain(&for_rules).copied().collect();
        if add(index, named, &all, solution).is_ok() {
            return;
        }
        let essential: Vec<&str> = essential.into_iter().collect();
        if let Err(error) = add(index, named, &essential, solution) {
            self.progress.note(&format!(
                "Essential packages do not go with what the recipe names, so no script gets them: {error}"
            ));
        }
        for name in for_rules {
            if let Err(error) = add(index, named, &[name], solution) {
                self.progress.note(&format!(
                    "{name} does not go with what the recipe names, so no run-time rule gets it: {error}"
                ));
            }
        }
    }
}

/// Adds packages to a solution, of which all the rest stays as it is.
fn add(
    index: &PackageIndex,
    named: &[Request],
    more: &[&str],
    solution: &mut Solution,
) -> Result<(), ResolveError> {
    let kept: BTreeMap<String, String> = solution
        .packages
        .iter()
        .map(|chosen| (chosen.name.clone(), index.version(chosen.id).to_owned()))
        .collect();
    let mut requests = named.to_vec();
    let present = kept.keys().map(String::as_str);
    let asked_for: BTreeSet<&str> = named.iter().map(|request| request.name.as_str()).collect();
    requests.extend(
        present.chain(more.iter().copied()).filter(|name| !asked_for.contains(name)).map(Request::any),
    );
    let whole = resolve(index, &requests, Pinned::Keep(&kept))?;
    let new = whole.packages.into_iter().filter(|chosen| !kept.contains_key(&chosen.name));
    solution.packages.extend(new);
    solution.packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(())
}

/// An architecture, and what a recipe's distro calls it.
#[derive(Clone, Copy)]
pub(super) struct Port {
    pub(super) arch: Arch,
    /// The name in indexes and packages.
    pub(super) name: &'static str,
    pub(super) triplet: &'static str,
}

impl Port {
    fn of(recipe: &Recipe, arch: Arch) -> Result<Self, ForgeError> {
        let distro = recipe.conventions();
        match (distro.arch_name(arch), distro.triplet(arch)) {
            (Some(name), Some(triplet)) => Ok(Port { arch, name, triplet }),
            _ => Err(ForgeError::Select { arch, source: SelectError::NoPort { distro, arch } }),
        }
    }
}

/// The package files that a recipe names: path, name, and what says which bytes each has.
fn local_files(recipe: &Recipe, port: Port) -> Result<Vec<(String, String, ContentId)>, ForgeError> {
    Ok(match recipe.format() {
        PackageFormat::Deb => local_packages(recipe, port.name, port.triplet)?
            .into_iter()
            .map(|one| (one.path, one.name, one.digest.into()))
            .collect(),
        PackageFormat::Apk => local_apks(recipe, port.name, port.triplet)?
            .into_iter()
            .map(|one| (one.path, one.record.name, one.record.checksum.into()))
            .collect(),
    })
}

/// What each layer names, as requests.
fn requests(
    recipe: &Recipe,
    local: &[LocalPackage],
    arch_name: &str,
    triplet: &str,
) -> Vec<(String, Vec<Request>)> {
    let request = |spec: &PackageSpec| match spec {
        PackageSpec::Archive { name, constraint, .. } => Some(Request {
            name: name.clone(),
            constraint: constraint
                .as_ref()
                .map(|constraint| (constraint.operator, constraint.version.clone())),
            local: false,
        }),
        // Resolved from indexes of another kind.
        PackageSpec::Apk { .. } => None,
        PackageSpec::Local(template) => {
            let path = template.expand(arch_name, triplet);
            let package = local.iter().find(|package| package.path == path)?;
            Some(Request { name: package.name.clone(), constraint: None, local: true })
        }
    };
    recipe
        .layers
        .iter()
        .map(|layer| (layer.name.clone(), layer.packages.iter().filter_map(request).collect()))
        .collect()
}

/// A locked version as a paragraph of an index, for when no index has it any more.
fn still_locked(package: &LockedPackage) -> Option<IndexPart> {
    let ContentId::Sha256(digest) = &package.content else { return None };
    let mut fields = vec![
        ("Package", package.name.as_str()),
        ("Version", &package.version),
        ("Architecture", &package.architecture),
        ("Source", &package.source),
        ("Essential", if package.essential { "yes" } else { "" }),
        ("Multi-Arch", package.multi_arch.as_deref().unwrap_or_default()),
    ];
    fields.extend(package.relations.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    Some(locked_text(&fields, &package.path, package.size, digest))
}

/// The moment that a timestamp of the snapshot archive names.
fn snapshot_time(time: &str) -> Option<SystemTime> {
    let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time).ok()?;
    let seconds = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
}
