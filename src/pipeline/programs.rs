//! Programs that a recipe brings itself: what they need, found in the whole distro.
//!
//! On Debian the Contents indexes say which packages have a library; where an archive has none, or its mirror
//! has another than the release vouches for, the names that Policy 8.1 gives libraries' packages are tried. On Alpine packages provide `so:NAME`.

use std::collections::{BTreeMap, BTreeSet};

use crate::apk::IndexRecord;
use crate::arch::Arch;
use crate::catalog::{MergedUsr, OwnElfs};
use crate::distro::PackageFormat;
use crate::elf::ElfKind;
use crate::hint::Hint;
use crate::loader::Search;
use crate::lock::{Lock, LockedProgram};
use crate::recipe::Recipe;
use crate::render::directory_links;
use crate::repository::{ApkIndex, Found, Holders, PackageIndex, RepositoryError, holders};
use crate::root_path::RootPath;
use crate::select::{library_packages, loader_for};

use super::{Forge, ForgeError};

/// Why a program of the recipe's own cannot get what it needs.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// No package has a library where the loader looks.
    #[error(
        "{arch}: {program}, which the recipe brings, needs `{needed}`, which no package has where the loader looks"
    )]
    NoPackage {
        /// The architecture.
        arch: Arch,
        /// The program's path in the image.
        program: String,
        /// The library.
        needed: String,
        /// Packages that have a file of that name elsewhere.
        elsewhere: Vec<String>,
    },
    /// No package is called after a library, and which has it cannot be looked up.
    #[error(
        "{arch}: {program}, which the recipe brings, needs `{needed}`; no package is called after it, and {source}"
    )]
    NotSearched {
        /// The architecture.
        arch: Arch,
        /// The program's path in the image.
        program: String,
        /// The library.
        needed: String,
        /// Why.
        source: Box<RepositoryError>,
    },
}

impl Hint for ProgramError {
    fn hints(&self) -> Vec<String> {
        let (needed, elsewhere) = match self {
            ProgramError::NoPackage { needed, elsewhere, .. } => (needed, elsewhere),
            ProgramError::NotSearched { source, .. } => return source.hints(),
        };
        let mut hints =
            vec![format!("bring `{needed}` in `files` too, or build the program for this distro")];
        if !elsewhere.is_empty() {
            let which = elsewhere.join(", ");
            hints.push(format!(
                "it is elsewhere in {which}: name the package, and set LD_LIBRARY_PATH in `env`"
            ));
        }
        hints
    }
}

/// The ELF files of a recipe's own, for one architecture.
pub(super) fn own_elfs(recipe: &Recipe, arch: Arch) -> OwnElfs {
    let distro = recipe.conventions();
    let (Some(name), Some(triplet)) = (distro.arch_name(arch), distro.triplet(arch)) else {
        return OwnElfs::default();
    };
    let links = links(recipe, arch);
    OwnElfs::read(recipe, arch.elf_machine(), (name, triplet), &|path| links.canonical(path))
}

pub(super) fn links(recipe: &Recipe, arch: Arch) -> MergedUsr {
    let links = MergedUsr::new(&directory_links(recipe.conventions(), arch));
    if recipe.format() == PackageFormat::Apk { links.keeping_own() } else { links }
}

/// What the programs of a recipe need and it does not bring; their packages are not known yet.
pub(super) fn needs(recipe: &Recipe, arch: Arch) -> Vec<LockedProgram> {
    let own = own_elfs(recipe, arch);
    let Some(search) = loader_for(recipe.conventions(), arch, None) else { return Vec::new() };
    let library_path = recipe.image.env.get("LD_LIBRARY_PATH");
    let library_path = library_path.map(|value| search.library_path(value)).unwrap_or_default();
    let mut needs: BTreeMap<RootPath, BTreeSet<String>> = BTreeMap::new();
    let mut loaded = BTreeSet::new();
    // Programs first: a library among theirs may find what another has loaded before it.
    let (first, rest): (Vec<&RootPath>, Vec<&RootPath>) =
        own.files.keys().partition(|path| is_program(&own, path));
    for path in first.into_iter().chain(rest) {
        if loaded.contains(path) {
            continue;
        }
        let Some(process) = search.load(&own, path, &library_path) else { continue };
        for missing in process.missing {
            let by = process.objects[missing.by].file.clone();
            needs.entry(by).or_default().insert(missing.needed);
        }
        loaded.extend(process.objects.into_iter().map(|object| object.file));
    }
    let below = recipe.layers_below();
    let mut programs: Vec<LockedProgram> = needs
        .into_iter()
        .filter_map(|(path, needs)| {
            let number = own.files.get(&path)?.layer.checked_sub(below)?;
            let layer = recipe.layers.get(number)?.name.clone();
            let needs = needs.into_iter().collect();
            Some(LockedProgram { arch, path: path.to_string(), layer, needs, packages: Vec::new() })
        })
        .collect();
    programs.sort();
    programs
}

fn is_program(own: &OwnElfs, path: &RootPath) -> bool {
    own.files.get(path).is_some_and(|elf| elf.facts.interp.is_some() || elf.facts.kind == ElfKind::Executable)
}

/// The first program whose needs are others than were locked.
pub(super) fn changed_program(recipe: &Recipe, lock: &Lock, arch: Arch) -> Option<String> {
    let now = needs(recipe, arch);
    let key = |program: &LockedProgram| (program.path.clone(), program.layer.clone(), program.needs.clone());
    let (now, then): (BTreeSet<_>, BTreeSet<_>) =
        (now.iter().map(key).collect(), lock.programs_of(arch).map(key).collect());
    now.symmetric_difference(&then).next().map(|(path, ..)| path.clone())
}

/// A script of a recipe's own, where there is nothing to run it with: what names no package is not resolved otherwise.
pub(super) fn script_alone(recipe: &Recipe, lock: &Lock, arch: Arch) -> Option<String> {
    let mut locks = std::iter::successors(Some(lock), |lock| lock.base.as_deref());
    // Elsewhere no package is on every system.
    let is_debian = recipe.from.is_some() && recipe.format() == PackageFormat::Deb;
    if !is_debian || recipe.base_image.is_some() || locks.any(|lock| lock.archs().contains(&arch)) {
        return None;
    }
    own_elfs(recipe, arch).scripts.keys().next().map(ToString::to_string)
}

impl Forge<'_> {
    /// Finds the packages of Debian's that have what programs need.
    pub(super) fn find_deb(
        &self,
        recipe: &Recipe,
        index: &PackageIndex,
        programs: &mut [LockedProgram],
    ) -> Result<(), ForgeError> {
        let names: BTreeSet<String> = programs.iter().flat_map(|program| program.needs.clone()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let arch = index.arch();
        self.progress.stage(&format!("looking for what the programs of {} need on {arch}", recipe.name));
        let suites = self.suites(recipe, arch)?;
        let Found { holders: found, has_any, mut out_of_step } =
            holders(&suites, index.deb_arch(), &names, self.access(recipe))?;
        for error in &out_of_step {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            self.progress.note(&format!("{first}; libraries are sought by the names of their packages"));
        }
        let by_names = !has_any || !out_of_step.is_empty();
        let Some(search) = loader_for(recipe.conventions(), arch, None) else { return Ok(()) };
        let links = links(recipe, arch);
        let own = own_elfs(recipe, arch);
        let library_path = recipe.image.env.get("LD_LIBRARY_PATH");
        let library_path = library_path.map(|value| search.library_path(value)).unwrap_or_default();
        let named: BTreeSet<String> =
            recipe.layers.iter().flat_map(|layer| &layer.packages).map(ToString::to_string).collect();
        for program in programs {
            let path = RootPath::parse(&program.path).unwrap_or_else(|_| RootPath::root());
            let mut dirs: Vec<RootPath> = library_path.clone();
            if let Some(elf) = own.files.get(&path) {
                let paths = elf.facts.runpath.iter().chain(&elf.facts.rpath);
                dirs.extend(
                    paths.filter(|dir| dir.starts_with('/')).filter_map(|dir| RootPath::parse(dir).ok()),
                );
            }
            let is_known = |package: &str| index.named(package).len() > 0;
            let place =
                Place { search: &search, links: &links, dirs: &dirs, is_known: &is_known, named: &named };
            for needed in &program.needs {
                let package = place.package_for(needed, &found).or_else(|| {
                    let names = library_packages(needed).into_iter();
                    names.filter(|_| by_names).find(|name| index.named(name).len() > 0)
                });
                let Some(package) = package else {
                    // An index that could not be read may have it.
                    let (program, needed) = (program.path.clone(), needed.clone());
                    let error = if let Some(source) = out_of_step.pop() {
                        ProgramError::NotSearched { arch, program, needed, source: Box::new(source) }
                    } else {
                        let elsewhere = elsewhere(&needed, &found);
                        ProgramError::NoPackage { arch, program, needed, elsewhere }
                    };
                    return Err(ForgeError::Program(error));
                };
                program.packages.push(package);
            }
            program.packages.sort();
            program.packages.dedup();
        }
        Ok(())
    }

    /// Finds the names by which Alpine's packages provide what programs need.
    pub(super) fn find_apk(index: &ApkIndex, programs: &[LockedProgram]) -> Result<(), ForgeError> {
        let provided: BTreeSet<&str> =
            index.packages().flat_map(|id| provided_names(index.record(id))).collect();
        for program in programs {
            let lacks = |needed: &&String| !provided.contains(format!("so:{needed}").as_str());
            if let Some(needed) = program.needs.iter().find(lacks) {
                return Err(ForgeError::Program(ProgramError::NoPackage {
                    arch: program.arch,
                    program: program.path.clone(),
                    needed: needed.clone(),
                    elsewhere: Vec::new(),
                }));
            }
        }
        Ok(())
    }
}

/// The names that a package of Alpine's provides, without versions.
pub(super) fn provided_names(record: &IndexRecord) -> impl Iterator<Item = &str> {
    record.provides.split_whitespace().filter_map(|one| one.split(['=', '<', '>', '~']).next())
}

/// Where a library may be, and how to choose among packages.
pub(super) struct Place<'a> {
    pub(super) search: &'a Search,
    pub(super) links: &'a MergedUsr,
    /// Where the program itself asks to look.
    pub(super) dirs: &'a [RootPath],
    /// Whether a package can be had at all.
    pub(super) is_known: &'a dyn Fn(&str) -> bool,
    /// What the recipe names anyway.
    pub(super) named: &'a BTreeSet<String>,
}

impl Place<'_> {
    /// The package to take a library from: one that the recipe names, one that is called as the library's package
    /// is to be, else the one with the shortest name.
    pub(super) fn package_for(&self, needed: &str, found: &Holders) -> Option<String> {
        let usual = library_packages(needed);
        let holders = found.get(needed)?.iter().filter(|(path, package)| {
            let path = self.links.canonical(path);
            let is_sought = self.search.in_default_dirs(&path)
                || path
                    .parent()
                    .is_some_and(|parent| self.dirs.iter().any(|dir| self.links.canonical(dir) == parent));
            is_sought && (self.is_known)(package)
        });
        let rank = |package: &str| {
            let by_name = usual.iter().position(|name| name == package).unwrap_or(usual.len());
            (!self.named.contains(package), by_name, package.len(), package.to_owned())
        };
        holders.map(|(_, package)| package).min_by_key(|package| rank(package)).cloned()
    }
}

/// The packages that have a file of a name anywhere.
fn elsewhere(needed: &str, found: &Holders) -> Vec<String> {
    let packages: BTreeSet<&String> =
        found.get(needed).into_iter().flatten().map(|(_, package)| package).collect();
    packages.into_iter().take(5).cloned().collect()
}

/// The packages that were locked for each program.
pub(super) fn own_packages(lock: &Lock, arch: Arch) -> BTreeMap<RootPath, BTreeSet<String>> {
    let programs = lock.programs_of(arch).filter_map(|program| {
        let path = RootPath::parse(&program.path).ok()?;
        Some((path, program.packages.iter().cloned().collect()))
    });
    programs.collect()
}

/// The packages of each layer that its programs need.
pub(super) fn packages_by_layer(programs: &[LockedProgram]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut layers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for program in programs {
        layers.entry(&program.layer).or_default().extend(program.packages.iter().map(String::as_str));
    }
    layers
}
