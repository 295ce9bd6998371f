//! Packages that are not looked up in an archive: files beside the recipe, and what a lock still knows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::path::PathBuf;

use crate::deb::archive::read_control;
use crate::deb::control::paragraphs;
use crate::digest::Digest;
use crate::recipe::{PackageSpec, Recipe};

use super::{IndexOrigin, IndexPart, IndexText, OriginKind, RepositoryError};

/// A package file that a recipe names.
#[derive(Clone, Debug)]
pub struct LocalPackage {
    /// Its path as the recipe has it, placeholders expanded.
    pub path: String,
    /// The package's name.
    pub name: String,
    /// The digest of the file.
    pub digest: Digest,
    /// Its paragraph, as an index would have it.
    pub part: IndexPart,
}

/// Reads the package files that a recipe names, each once.
pub fn local_packages(
    recipe: &Recipe,
    arch_name: &str,
    triplet: &str,
) -> Result<Vec<LocalPackage>, RepositoryError> {
    let mut packages = BTreeMap::new();
    for spec in recipe.layers.iter().flat_map(|layer| &layer.packages) {
        let PackageSpec::Local(template) = spec else { continue };
        let path = template.expand(arch_name, triplet);
        if let Entry::Vacant(place) = packages.entry(path) {
            let package = read_local(recipe, place.key())?;
            place.insert(package);
        }
    }
    Ok(packages.into_values().collect())
}

fn read_local(recipe: &Recipe, path: &str) -> Result<LocalPackage, RepositoryError> {
    let host = recipe.host_path(path.as_ref());
    let error = |source| RepositoryError::LocalRead { path: host.clone(), source };
    let (digest, size) = Digest::of_reader(File::open(&host).map_err(error)?).map_err(error)?;
    let control = read_control(&host)?.control;
    let field = |name: &'static str| {
        let found = paragraphs(&control).next().and_then(|paragraph| paragraph.field(name));
        found
            .map(str::to_owned)
            .ok_or_else(|| RepositoryError::LocalField { path: PathBuf::from(&host), field: name })
    };
    let name = field("Package")?;
    field("Version")?;
    field("Architecture")?;
    let text = IndexText::of_package(&control, path, size, &digest);
    Ok(LocalPackage {
        path: path.to_owned(),
        name,
        digest,
        part: (unsigned_origin(OriginKind::Local, digest), text),
    })
}

/// A version that a lock holds and no index has any more: `fields` are those of its paragraph.
pub fn locked_text(fields: &[(&str, &str)], path: &str, size: u64, digest: &Digest) -> IndexPart {
    use std::fmt::Write as _;
    let mut control = String::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(control, "{name}: {value}");
    }
    let text = IndexText::of_package(&control, path, size, digest);
    (unsigned_origin(OriginKind::Locked, *digest), text)
}

fn unsigned_origin(kind: OriginKind, digest: Digest) -> IndexOrigin {
    IndexOrigin {
        kind,
        archive: String::new(),
        uri: String::new(),
        suite: String::new(),
        component: String::new(),
        inrelease: digest,
        date: 0,
    }
}
