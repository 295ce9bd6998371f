//! From a recipe to the packages of one architecture's lock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use crate::arch::Arch;
use crate::lock::{
    Lock, LockedPackage, LockedRepository, NamedByLayer, Request as Asked, Stale, locked_packages,
    locked_repositories,
};
use crate::recipe::{PackageSpec, Recipe};
use crate::repository::{
    Access, IndexPart, LocalPackage, PackageIndex, load, local_packages, locked_text, sources,
};
use crate::resolve::{Pinned, Request, resolve};
use crate::select::SelectError;

use super::{Forge, ForgeError, Update};

impl Forge<'_> {
    /// Why a lock cannot be built from as it is, if there is a reason: what the recipe asks for, an
    /// architecture that is not in it, or a package file that is another than was locked.
    pub fn stale(&self, recipe: &Recipe, lock: &Lock, archs: &[Arch]) -> Result<Option<Stale>, ForgeError> {
        if let Err(stale) = lock.fits(&Asked::of(recipe, &self.options.without), archs) {
            return Ok(Some(stale));
        }
        let distro = recipe.conventions();
        for arch in archs {
            let (Some(arch_name), Some(triplet)) = (distro.arch_name(*arch), distro.triplet(*arch)) else {
                continue;
            };
            for local in local_packages(recipe, arch_name, triplet)? {
                let same = lock.package(*arch, &local.name).is_some_and(|locked| {
                    locked.repository.is_none() && locked.path == local.path && locked.digest == local.digest
                });
                if !same {
                    return Ok(Some(Stale::File { path: local.path }));
                }
            }
        }
        Ok(None)
    }

    /// Resolves a recipe for one architecture: first what it names, then what may be wanted on demand, which
    /// changes nothing of the first.
    pub(super) fn resolve(
        &self,
        recipe: &Recipe,
        arch: Arch,
        old: Option<&Lock>,
        update: &Update,
    ) -> Result<(Vec<LockedRepository>, Vec<LockedPackage>), ForgeError> {
        let distro = recipe.conventions();
        let (Some(arch_name), Some(triplet)) = (distro.arch_name(arch), distro.triplet(arch)) else {
            return Err(ForgeError::Select { arch, source: SelectError::NoPort { distro, arch } });
        };
        let local = local_packages(recipe, arch_name, triplet)?;
        let old: BTreeMap<&str, &LockedPackage> = match update {
            Update::All => BTreeMap::new(),
            Update::Necessary => old.map(|old| old.packages_of(arch)).unwrap_or_default(),
            Update::Packages(fresh) => {
                let mut kept = old.map(|old| old.packages_of(arch)).unwrap_or_default();
                kept.retain(|name, _| !fresh.contains(*name));
                kept
            }
        };
        let mut parts: Vec<IndexPart> = local.iter().map(|package| package.part.clone()).collect();
        parts.extend(self.load_indexes(recipe, arch, arch_name)?);
        parts.extend(
            old.values().filter(|package| package.repository.is_some()).map(|package| still_locked(package)),
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
        self.add_on_demand(&index, &all, &mut solution);

        let layers: Vec<NamedByLayer> = requests
            .into_iter()
            .map(|(layer, requests)| NamedByLayer {
                layer,
                packages: requests.into_iter().map(|request| request.name).collect(),
            })
            .collect();
        Ok((locked_repositories(arch, &index)?, locked_packages(arch, &index, &solution, &layers, &old)))
    }

    fn load_indexes(
        &self,
        recipe: &Recipe,
        arch: Arch,
        arch_name: &str,
    ) -> Result<Vec<IndexPart>, ForgeError> {
        let sources = sources(recipe, arch, &self.mirrors, &self.options.without)?;
        if let Some(distro) = recipe.from {
            let archives: BTreeSet<_> = distro.suites(arch).into_iter().map(|suite| suite.archive).collect();
            for archive in archives {
                if let Some(source) = sources.iter().find(|source| source.archive_name == archive.name()) {
                    let origin = self.mirrors.find(archive).origin;
                    self.progress.note(&format!(
                        "{} is taken from {} ({origin})",
                        archive.name(),
                        source.uri
                    ));
                }
            }
        }
        let access = Access {
            transport: &self.transport,
            cache: &self.cache,
            at: recipe.snapshot.as_deref().and_then(snapshot_time).unwrap_or(self.now),
            allow_expired: self.options.allow_expired_index,
        };
        let mut notes = Vec::new();
        let parts = load(&sources, arch_name, access, &mut notes)?;
        for note in notes {
            self.progress.note(&note.to_string());
        }
        Ok(parts)
    }

    /// Adds the distro's Essential packages, which nobody depends on and a script may need. Where they do
    /// not go with what the recipe names, they are left out.
    fn add_on_demand(
        &self,
        index: &PackageIndex,
        named: &[Request],
        solution: &mut crate::resolve::Solution,
    ) {
        let kept: BTreeMap<String, String> = solution
            .packages
            .iter()
            .map(|chosen| (chosen.name.clone(), index.version(chosen.id).to_owned()))
            .collect();
        let essential: BTreeSet<&str> = index
            .packages()
            .map(|id| index.package(id))
            .filter(|package| package.essential)
            .map(|package| package.name)
            .collect();
        let mut requests = named.to_vec();
        requests.extend(essential.into_iter().filter(|name| !kept.contains_key(*name)).map(Request::any));
        match resolve(index, &requests, Pinned::Keep(&kept)) {
            Ok(whole) => {
                let more = whole.packages.into_iter().filter(|chosen| !kept.contains_key(&chosen.name));
                solution.packages.extend(more);
                solution.packages.sort_by(|a, b| a.name.cmp(&b.name));
            }
            Err(error) => self.progress.note(&format!(
                "Essential packages do not go with what the recipe names, so no script gets them: {error}"
            )),
        }
    }
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
fn still_locked(package: &LockedPackage) -> IndexPart {
    let mut fields = vec![
        ("Package", package.name.as_str()),
        ("Version", &package.version),
        ("Architecture", &package.architecture),
        ("Source", &package.source),
        ("Essential", if package.essential { "yes" } else { "" }),
        ("Multi-Arch", package.multi_arch.as_deref().unwrap_or_default()),
    ];
    fields.extend(package.relations.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    locked_text(&fields, &package.path, package.size, &package.digest)
}

/// The moment that a timestamp of the snapshot archive names.
fn snapshot_time(time: &str) -> Option<SystemTime> {
    let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time).ok()?;
    let seconds = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
}
