//! What Alpine's set-up works from: recipe, lock, catalogue and selection, as it sees them.

use std::collections::BTreeMap;

use globset::GlobMatcher;

use crate::apk::archive::Marks;
use crate::apk::installed::{InstalledFile, InstalledPackage};
use crate::arch::Arch;
use crate::cache::ContentId;
use crate::catalog::{FileCatalog, PackageFiles};
use crate::distro::{Archive, Distro};
use crate::lock::LockedPackage;
use crate::recipe::{Keep, Location, PackageSpec, Recipe, Stacked};
use crate::root_path::RootPath;
use crate::select::SelectedLayer;
use crate::tarball::Entry;
use crate::transport::without_credentials;

/// What is set up.
#[derive(Debug)]
pub struct Image<'a> {
    /// The recipe, for its accounts and whether it wants a skeleton.
    pub recipe: &'a Recipe,
    /// The distro whose conventions hold.
    pub distro: Distro,
    /// The architecture.
    pub arch: Arch,
    /// The lines of `etc/apk/repositories`.
    pub repositories: Vec<String>,
    /// What each layer of the recipe asks for, lowest first, as apk spells it.
    pub world: Vec<Vec<String>>,
    /// Every package that is catalogued.
    pub packages: Vec<Package<'a>>,
}

/// A package that was fetched.
#[derive(Clone, Debug)]
pub struct Package<'a> {
    /// Its name.
    pub name: &'a str,
    /// The number of the first layer that asks for it; beyond the last if none does.
    pub layer: usize,
    /// Whether that layer names it.
    pub named: bool,
    /// Whether that layer keeps all of its packages, so that one without files is installed too.
    pub whole: bool,
    /// The packages that the lock chose for what it depends on.
    pub requires: Vec<&'a str>,
    /// All of it, as the package has it.
    pub record: InstalledPackage<'a>,
}

/// What packages give to a layer.
#[derive(Debug)]
pub struct LayerFiles<'a> {
    /// The layer's number, from zero.
    pub number: usize,
    /// The paths, each with its package and entry; directories too.
    pub files: BTreeMap<&'a RootPath, ShippedFile<'a>>,
    /// What the recipe keeps out of the layer: a path and all below it, or what a glob matches.
    pub(super) exclude: Exclusions,
}

/// Patterns of a recipe: the path that one stands for if it has nothing of a glob, and what matches it.
pub(super) type Exclusions = Vec<(Option<RootPath>, GlobMatcher)>;

/// A file of a layer.
#[derive(Clone, Copy, Debug)]
pub struct ShippedFile<'a> {
    /// The package it is from.
    pub package: &'a str,
    /// What it is.
    pub entry: &'a Entry,
    /// What the package says beside that.
    pub marks: &'a Marks,
}

impl<'a> Image<'a> {
    /// From a recipe, its lock's packages and those that are catalogued.
    pub fn of(
        recipe: &'a Recipe,
        arch: Arch,
        packages: &BTreeMap<&'a str, &'a LockedPackage>,
        catalog: &'a FileCatalog,
    ) -> Self {
        let distro = recipe.conventions();
        let port = (distro.arch_name(arch).unwrap_or_default(), distro.triplet(arch).unwrap_or_default());
        let of = |locked: &&'a LockedPackage| package(recipe, port, locked, catalog.package(&locked.name)?);
        Image {
            recipe,
            distro,
            arch,
            repositories: repositories(recipe),
            world: world(recipe, distro, arch, packages),
            packages: packages.values().filter_map(of).collect(),
        }
    }

    /// Alpine's name of the architecture.
    pub(super) fn arch_name(&self) -> &'static str {
        self.distro.arch_name(self.arch).unwrap_or_default()
    }
}

impl<'a> LayerFiles<'a> {
    /// A layer of an image.
    pub fn of(
        image: &Image<'a>,
        number: usize,
        selected: &'a SelectedLayer,
        catalog: &'a FileCatalog,
    ) -> Self {
        let files = selected.files.iter().map(|(path, selected)| {
            let (package, file) = catalog.get(selected.file);
            (path, ShippedFile { package: &package.name, entry: &file.entry, marks: &file.marks })
        });
        LayerFiles { number, files: files.collect(), exclude: exclusions(image, number) }
    }

    /// Says of which package each path is, where an image has them all and its database tells.
    pub fn belong_to(&mut self, owners: &'a BTreeMap<RootPath, String>) {
        for (path, file) in &mut self.files {
            file.package = owners.get(*path).map_or(file.package, String::as_str);
        }
    }

    pub(super) fn excludes(&self, path: &RootPath) -> bool {
        self.exclude.iter().any(|(literal, glob)| match literal {
            Some(literal) => path.is_within(literal),
            None => glob.is_match(path.as_str()),
        })
    }
}

/// What the recipe keeps out of a layer.
pub(super) fn exclusions(image: &Image<'_>, number: usize) -> Exclusions {
    let (arch, triplet) = (image.arch_name(), image.distro.triplet(image.arch).unwrap_or_default());
    let patterns = image.recipe.excluded(number).into_iter();
    // What is no glob was told when the recipe was read.
    patterns
        .filter_map(|glob| Some((glob.literal(arch, triplet), glob.expand(arch, triplet).ok()?)))
        .collect()
}

/// A package of an image. `port` are the distro's names of the architecture.
fn package<'a>(
    recipe: &Recipe,
    port: (&str, &str),
    locked: &'a LockedPackage,
    files: &'a PackageFiles,
) -> Option<Package<'a>> {
    let ContentId::Apk(checksum) = files.content else { return None };
    let stacked = recipe.stacked();
    let number = stacked.iter().position(|one| Some(&one.layer.name) == locked.layer.as_ref());
    let layer = number.and_then(|number| stacked.get(number)).map(|one| one.layer);
    let names = |spec: &PackageSpec| match spec {
        PackageSpec::Apk { .. } => spec
            .relation(port.0, port.1)
            .is_some_and(|relation| !relation.conflict && relation.name == locked.name),
        PackageSpec::Archive { .. } => false,
        PackageSpec::Local(_) => locked.repository.is_none(),
    };
    let control = &files.manifest.control;
    let scripts =
        control.members.iter().filter_map(|(name, text)| Some((name.strip_prefix('.')?, text.as_slice())));
    let entries = files.manifest.files.iter().map(|file| {
        let owner = [file.entry.metadata.uid, file.entry.metadata.gid];
        InstalledFile { entry: &file.entry, marks: &file.marks, owner }
    });
    Some(Package {
        name: &locked.name,
        layer: number.unwrap_or(stacked.len()),
        named: layer.is_some_and(|layer| layer.packages.iter().any(names)),
        whole: layer.is_some_and(|layer| layer.keep == Keep::All),
        requires: locked.requires.iter().map(String::as_str).collect(),
        record: InstalledPackage {
            pkginfo: &control.text,
            arch: locked.repository.as_ref().map(|_| locked.architecture.as_str()),
            checksum,
            size: locked.size,
            files: entries.collect(),
            scripts: scripts.collect(),
        },
    })
}

/// What each layer asks for. A package file beside the recipe is asked for by its checksum, as `apk add` does.
fn world(
    recipe: &Recipe,
    distro: Distro,
    arch: Arch,
    packages: &BTreeMap<&str, &LockedPackage>,
) -> Vec<Vec<String>> {
    let arch_name = distro.arch_name(arch).unwrap_or_default();
    let triplet = distro.triplet(arch).unwrap_or_default();
    let spelt = |one: &Stacked<'_>, spec: &PackageSpec| match spec {
        PackageSpec::Apk { .. } => spec.relation(arch_name, triplet).map(|relation| relation.to_string()),
        PackageSpec::Archive { .. } => None,
        PackageSpec::Local(template) => {
            let path = one.path(&template.expand(arch_name, triplet));
            let same = |locked: &&&LockedPackage| {
                locked.repository.is_none()
                    && locked.path.trim_start_matches("./") == path.trim_start_matches("./")
            };
            packages.values().find(same).map(|locked| format!("{}><{}", locked.name, locked.content))
        }
    };
    let layer = |one: &Stacked<'_>| one.layer.packages.iter().filter_map(|spec| spelt(one, spec)).collect();
    recipe.stacked().iter().map(layer).collect()
}

/// The distro's repositories where they are for everyone, never the mirror of this machine; then the recipe's.
/// What is not on the network says nothing to whoever runs the image.
fn repositories(recipe: &Recipe) -> Vec<String> {
    let presets = recipe.from.into_iter().flat_map(Distro::repositories).map(|repository| {
        let url = repository.archive.well_known_url();
        let url = match repository.archive {
            // Alpine's own images have it with TLS.
            Archive::Alpine => url.replacen("http://", "https://", 1),
            _ => url.to_owned(),
        };
        format!("{url}/{}", repository.path).trim_end_matches('/').to_owned()
    });
    let own = recipe.repositories.iter().filter_map(|repository| match &repository.location {
        Location::Url(url) if url.starts_with("http") => {
            let url = without_credentials(url);
            Some(repository.tag().map_or_else(|| url.to_string(), |tag| format!("@{tag} {url}")))
        }
        _ => None,
    });
    presets.chain(own).collect()
}
