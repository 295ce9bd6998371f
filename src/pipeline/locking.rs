//! From a recipe to the packages of one architecture's lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::arch::Arch;
use crate::cache::ContentId;
use crate::distro::{Archive, PackageFormat};
use crate::lock::{
    Lock, LockedPackage, LockedProgram, LockedRepository, NamedByLayer, Request as Asked, Stale,
    locked_packages, locked_repositories, repository_name,
};
use crate::recipe::{PackageSpec, Recipe, Stacked};
use crate::repository::{
    Access, IndexPart, LocalPackage, PackageIndex, RepositoryError, local_apks, local_packages, locked_text,
};
use crate::resolve::{Pinned, Request, ResolveError, Solution, resolve};
use crate::select::SelectError;

use super::locking_on_base::{OfBase, as_base, on_base};
use super::programs::{changed_program, needs, packages_by_layer, script_alone};
use super::{Forge, ForgeError, Update};

/// What one architecture resolved to.
pub(super) struct Resolved {
    pub(super) repositories: Vec<LockedRepository>,
    pub(super) packages: Vec<LockedPackage>,
    pub(super) programs: Vec<LockedProgram>,
}

impl Forge<'_> {
    /// Why a lock cannot be built from as it is, if there is a reason: what the recipe asks for, an
    /// architecture that is not in it, or a package file that is another than was locked.
    pub fn stale(&self, recipe: &Recipe, lock: &Lock, archs: &[Arch]) -> Result<Option<Stale>, ForgeError> {
        if let Err(stale) = lock.fits(&Asked::of(recipe, lock.base.as_deref(), &self.options.without), archs)
        {
            return Ok(Some(stale));
        }
        for arch in archs {
            let Ok(port) = Port::of(recipe, *arch) else { continue };
            if let Some(path) =
                changed_program(recipe, lock, *arch).or_else(|| script_alone(recipe, lock, *arch))
            {
                return Ok(Some(Stale::Program { path }));
            }
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

    /// Resolves a recipe on its base for one architecture, by the rules of its packages' format.
    pub(super) fn resolve(
        &self,
        recipe: &Recipe,
        base: Option<&Lock>,
        arch: Arch,
        old: Option<&Lock>,
        update: &Update,
    ) -> Result<Resolved, ForgeError> {
        let port = Port::of(recipe, arch)?;
        // Who asks for an update may know of what the base does not have yet.
        if *update == Update::Necessary
            && let Some(resolved) = base.and_then(|base| as_base(recipe, base, arch))
        {
            return Ok(resolved);
        }
        let mut own = match update {
            Update::All => BTreeMap::new(),
            _ => old.map(|old| old.packages_of(arch)).unwrap_or_default(),
        };
        // What comes from where the recipe does not look any more is no version of what it means: another release's.
        if !own.is_empty() {
            let sources = self.sources(recipe, port)?;
            let is_meant = |name: &String| sources.contains(name);
            own.retain(|_, package| package.repository.as_ref().is_none_or(is_meant));
        }
        let of_base = base.map(|base| OfBase::of(base, arch)).unwrap_or_default();
        let solve = |own: &Own<'_>, of_base: &OfBase<'_>| {
            let known = Known::of(own.clone(), of_base, matches!(update, Update::Packages(_)));
            match recipe.format() {
                PackageFormat::Deb => self.resolve_deb(recipe, port, &known),
                PackageFormat::Apk => self.resolve_apk(recipe, port, &known),
            }
        };
        let solve_on_base = |own: &Own<'_>| match solve(own, &of_base) {
            Err(error @ (ForgeError::Resolve(_) | ForgeError::ApkResolve(_))) => {
                Err(on_base(recipe, &of_base, |of_base| solve(own, of_base).ok(), error))
            }
            solved => solved,
        };
        let resolved = match update {
            Update::Packages(named) => self.updated(recipe, port, &own, named, solve_on_base)?,
            Update::All | Update::Necessary => solve_on_base(&own)?,
        };
        let dated = recipe.snapshot.is_none() && !self.options.allow_expired_index;
        if dated && let Some(older) = old.and_then(|old| old.older_than(&resolved.repositories)) {
            return Err(older.into());
        }
        Ok(resolved)
    }

    /// The repositories that a recipe takes packages from, as [`LockedPackage::repository`] names them.
    fn sources(&self, recipe: &Recipe, port: Port) -> Result<BTreeSet<String>, ForgeError> {
        Ok(match recipe.format() {
            PackageFormat::Deb => {
                let index = self.deb_index(recipe, port)?;
                let origins = index.origins().iter();
                origins.map(|origin| format!("{} {}", origin.archive, origin.suite)).collect()
            }
            PackageFormat::Apk => {
                self.apk_parts(recipe, port)?.iter().map(|(origin, _)| repository_name(origin)).collect()
            }
        })
    }

    /// Resolves a recipe for one architecture: first what it names, then what may be wanted on demand, which
    /// changes nothing of the first.
    fn resolve_deb(&self, recipe: &Recipe, port: Port, known: &Known<'_>) -> Result<Resolved, ForgeError> {
        let Port { arch, name: arch_name, triplet } = port;
        let local = local_packages(recipe, arch_name, triplet)?;
        let index = self.deb_index_with(recipe, port, &local, &known.packages)?;

        let mut programs = needs(recipe, arch);
        self.find_deb(recipe, &index, &mut programs)?;
        let mut requests = requests(recipe, &local, arch_name, triplet);
        let all_programs: Vec<LockedProgram> = known.programs.iter().chain(&programs).cloned().collect();
        for (layer, requests) in &mut requests {
            let packages = packages_by_layer(&all_programs);
            let needed = packages.get(layer.as_str()).into_iter().flatten();
            let more: Vec<&str> =
                needed.copied().filter(|name| requests.iter().all(|request| request.name != *name)).collect();
            requests.extend(more.into_iter().map(Request::any));
        }
        let pinned = Pinned::Above(&known.kept, &known.preferred);
        let mut all: Vec<Request> = requests.iter().flat_map(|(_, requests)| requests.clone()).collect();
        let asked_for: BTreeSet<String> = all.iter().map(|request| request.name.clone()).collect();
        all.extend(known.of_base.iter().filter(|name| !asked_for.contains(*name)).map(Request::any));
        let mut solution = resolve(&index, &all, pinned)?;
        self.add_on_demand(recipe, &index, &all, &known.kept, &mut solution);

        let layers: Vec<NamedByLayer> = requests
            .into_iter()
            .map(|(layer, requests)| {
                let given = given_in(recipe, &layer, known).map(|package| package.name.clone());
                let named = requests.into_iter().map(|request| request.name);
                NamedByLayer { packages: named.chain(given).collect(), layer }
            })
            .collect();
        let repositories = locked_repositories(arch, &index)?;
        let packages = locked_packages(arch, &index, &solution, &layers, &known.packages);
        Ok(Resolved { repositories, packages, programs })
    }

    /// The packages of a recipe's archives, its own ones, and what is known of a lock and in no archive any more.
    pub(super) fn deb_index_with(
        &self,
        recipe: &Recipe,
        port: Port,
        local: &[LocalPackage],
        known: &BTreeMap<&str, &LockedPackage>,
    ) -> Result<Arc<PackageIndex>, ForgeError> {
        let index = self.deb_index(recipe, port)?;
        let mut more: Vec<IndexPart> = local.iter().map(|package| package.part.clone()).collect();
        let known = known.values().filter(|package| package.repository.is_some() || package.in_image);
        let gone = known.filter(|package| !index.has(&package.name, &package.version));
        more.extend(gone.filter_map(|package| still_locked(package)));
        if more.is_empty() {
            return Ok(index);
        }
        Ok(Arc::new(index.with(more).map_err(RepositoryError::from)?))
    }

    /// Where the distro's archives are taken from, of which `roots` has the names and places, as it is told.
    pub(super) fn places(&self, recipe: &Recipe, arch: Arch, roots: &[(&str, &str)]) -> Vec<String> {
        let archives = recipe.from.map(|distro| distro.archives(arch)).unwrap_or_default();
        let place = |archive: &Archive| {
            let (name, root) = roots.iter().find(|(name, _)| *name == archive.name())?;
            let origin = &self.mirrors.find(*archive).origin;
            Some(format!("{name} is taken from {root} ({origin})"))
        };
        archives.iter().filter_map(place).collect()
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
        versions: &BTreeMap<String, String>,
        solution: &mut Solution,
    ) {
        let essential: BTreeSet<&str> = index.essential().map(|id| index.name(id)).collect();
        let mut for_rules = recipe.on_demand_packages();
        for_rules.retain(|name| index.named(name).any(|id| !index.is_essential(id)));
        let all: Vec<&str> = essential.iter().chain(&for_rules).copied().collect();
        if add(index, named, &all, versions, solution).is_ok() {
            return;
        }
        let essential: Vec<&str> = essential.into_iter().collect();
        if let Err(error) = add(index, named, &essential, versions, solution) {
            self.progress.note(&format!(
                "Essential packages do not go with what the recipe names, so no script gets them: {error}"
            ));
        }
        for name in for_rules {
            if let Err(error) = add(index, named, &[name], versions, solution) {
                self.progress.note(&format!(
                    "{name} does not go with what the recipe names, so no run-time rule gets it: {error}"
                ));
            }
        }
    }
}

/// Adds packages to a solution, of which all the rest stays as it is; `versions` of others are kept too.
fn add(
    index: &PackageIndex,
    named: &[Request],
    more: &[&str],
    versions: &BTreeMap<String, String>,
    solution: &mut Solution,
) -> Result<(), ResolveError> {
    let present: BTreeMap<String, String> = solution
        .packages
        .iter()
        .map(|chosen| (chosen.name.clone(), index.version(chosen.id).to_owned()))
        .collect();
    let mut kept = versions.clone();
    kept.extend(present.clone());
    let mut requests = named.to_vec();
    let names = present.keys().map(String::as_str);
    let asked_for: BTreeSet<&str> = named.iter().map(|request| request.name.as_str()).collect();
    requests
        .extend(names.chain(more.iter().copied()).filter(|name| !asked_for.contains(name)).map(Request::any));
    let whole = resolve(index, &requests, Pinned::Keep(&kept))?;
    let new = whole.packages.into_iter().filter(|chosen| !present.contains_key(&chosen.name));
    solution.packages.extend(new);
    solution.packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(())
}

/// What a last lock has of an architecture, by name.
pub(super) type Own<'l> = BTreeMap<&'l str, &'l LockedPackage>;

/// What is known of packages before a recipe is resolved: by its last lock, and by the lock of its base, which fixes
/// versions.
pub(super) struct Known<'l> {
    /// Every package of either, by name; the base's go before.
    pub(super) packages: BTreeMap<&'l str, &'l LockedPackage>,
    /// The versions that must be taken, where they are to be had.
    pub(super) kept: BTreeMap<String, String>,
    /// The versions that are taken before others.
    pub(super) preferred: BTreeMap<String, String>,
    /// Whether all that the last lock has must be taken.
    pub(super) keeps_own: bool,
    /// The packages that a base's layers have.
    pub(super) of_base: BTreeSet<String>,
    /// The programs that a base's recipe brings.
    pub(super) programs: Vec<LockedProgram>,
}

impl<'l> Known<'l> {
    /// `own` is what the last lock has and is not to be taken anew; `keep` says that it is to stay.
    fn of(own: BTreeMap<&'l str, &'l LockedPackage>, base: &OfBase<'l>, keep: bool) -> Self {
        let versions = |packages: &BTreeMap<&str, &LockedPackage>| -> BTreeMap<String, String> {
            packages.values().map(|package| (package.name.clone(), package.version.clone())).collect()
        };
        let OfBase { packages: of_base, programs } = base.clone();
        let preferred = versions(&own);
        let mut kept = if keep { preferred.clone() } else { BTreeMap::new() };
        kept.extend(versions(&of_base));
        let names = of_base.values().filter(|package| !package.on_demand).map(|package| package.name.clone());
        let (names, mut packages) = (names.collect(), own);
        // Where the last lock knows an archive of what an image has, it says more.
        let is_known = |package: &LockedPackage| {
            let own = packages.get(package.name.as_str());
            package.in_image && own.is_some_and(|own| own.version == package.version && !own.in_image)
        };
        let of_base: BTreeMap<_, _> = of_base.into_iter().filter(|(_, package)| !is_known(package)).collect();
        packages.extend(of_base);
        Known { packages, kept, preferred, keeps_own: keep, of_base: names, programs }
    }
}

/// What a base image has, if a layer is the one that stands for it.
pub(super) fn given_in<'k>(
    recipe: &Recipe,
    layer: &'k str,
    known: &'k Known<'_>,
) -> impl Iterator<Item = &'k LockedPackage> {
    let image = recipe.lowest_image().is_some_and(|image| image.layers[0].name == layer);
    let packages = known.packages.values().copied().filter(move |_| image);
    packages.filter(move |package| {
        known.of_base.contains(&package.name) && package.layer.as_deref() == Some(layer)
    })
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
    pub(super) fn of(recipe: &Recipe, arch: Arch) -> Result<Self, ForgeError> {
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
pub(super) fn requests(
    recipe: &Recipe,
    local: &[LocalPackage],
    arch_name: &str,
    triplet: &str,
) -> Vec<(String, Vec<Request>)> {
    let request = |stacked: &Stacked<'_>, spec: &PackageSpec| match spec {
        PackageSpec::Archive { name, constraint } => Some(Request {
            name: name.expand(arch_name, triplet),
            constraint: constraint
                .as_ref()
                .map(|constraint| (constraint.operator, constraint.version.clone())),
            local: false,
        }),
        // Resolved from indexes of another kind.
        PackageSpec::Apk { .. } => None,
        PackageSpec::Local(template) => {
            let path = stacked.path(&template.expand(arch_name, triplet));
            let package = local.iter().find(|package| package.path == path)?;
            Some(Request { name: package.name.clone(), constraint: None, local: true })
        }
    };
    let stacked = recipe.stacked().into_iter().map(|stacked| {
        let requests = stacked.layer.packages.iter().filter_map(|spec| request(&stacked, spec)).collect();
        (stacked.layer.name.clone(), requests)
    });
    stacked.collect()
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
