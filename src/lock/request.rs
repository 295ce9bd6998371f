//! What a lock was made for, and whether that is still what the recipe asks for.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::digest::Digest;
use crate::distro::{PackageFormat, Pocket};
use crate::recipe::{Recipe, Repository, RepositoryKind};
use crate::repository::archive_name;

use super::Lock;

/// The part of a recipe that resolution depends on. Where it differs from the recipe's, the lock is stale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Request {
    /// The distro.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The suites the recipe narrows the distro to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suites: Option<Vec<String>>,
    /// The snapshot's timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Additional repositories, as `URL SUITE COMPONENT...`; those of apk's as in its own list, `[@TAG] URL`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// The digest of the lock of the recipe's base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Digest>,
    /// The suites left out on the command line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// The packages that the recipe's own run-time rules may ask for, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_demand: Vec<String>,
    /// The packages each layer names.
    #[serde(default, rename = "layer", skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<RequestedLayer>,
}

/// The packages that a layer names, in the recipe's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RequestedLayer {
    /// The layer's name.
    pub name: String,
    /// Package specifications, sorted.
    pub packages: Vec<String>,
}

/// Why a lock does not fit a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Something the recipe asks for differs.
    Request {
        /// What differs, in the recipe's words.
        what: String,
    },
    /// The recipe has another base, or the base was locked anew.
    Base,
    /// The architecture was never locked.
    MissingArch(Arch),
    /// A package file beside the recipe is another than was locked.
    File {
        /// Its path, as the recipe has it.
        path: String,
    },
    /// A program of the recipe's own needs other libraries than when it was locked.
    Program {
        /// Its path in the image.
        path: String,
    },
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stale::Request { what } => write!(f, "{what} changed in the recipe"),
            Stale::Base => write!(f, "the base, or the lock of it, is another"),
            Stale::MissingArch(arch) => write!(f, "it has no packages for {arch}"),
            Stale::File { path } => write!(f, "the package file {path} changed"),
            Stale::Program { path } => write!(f, "what {path} needs changed"),
        }
    }
}

impl Request {
    /// What a recipe asks for on the lock of its base, with the suites that the command line leaves out.
    pub fn of(recipe: &Recipe, base: Option<&Lock>, without: &[Pocket]) -> Self {
        let mut without: Vec<String> = without.iter().map(|pocket| pocket.name().to_owned()).collect();
        without.sort();
        without.dedup();
        // What has no suites has none to leave out.
        without.retain(|_| recipe.format() == PackageFormat::Deb);
        Request {
            from: recipe.from.map(|distro| distro.to_string()),
            suites: recipe
                .pockets
                .as_ref()
                .map(|pockets| pockets.iter().map(|pocket| pocket.name().to_owned()).collect()),
            snapshot: recipe.snapshot.clone(),
            repositories: recipe.repositories.iter().map(repository_line).collect(),
            base: base.map(Lock::digest),
            without,
            on_demand: recipe
                .rules
                .iter()
                .flat_map(|rule| rule.packages.iter().cloned())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            layers: recipe
                .layers
                .iter()
                .map(|layer| {
                    let mut packages: Vec<_> = layer.packages.iter().map(ToString::to_string).collect();
                    packages.sort();
                    RequestedLayer { name: layer.name.clone(), packages }
                })
                .collect(),
        }
    }

    /// The first difference from another request, in words.
    pub(super) fn difference(&self, other: &Request) -> Option<String> {
        if self.from != other.from {
            return Some("`from`".into());
        }
        if self.suites != other.suites || self.without != other.without {
            return Some("the choice of suites".into());
        }
        if self.snapshot != other.snapshot {
            return Some("`snapshot`".into());
        }
        if self.repositories != other.repositories {
            return Some("the list of repositories".into());
        }
        if self.on_demand != other.on_demand {
            return Some("what its rules may ask for".into());
        }
        if self.layers != other.layers {
            let changed = self.layers.iter().find(|layer| !other.layers.contains(layer));
            return Some(match changed {
                Some(layer) => format!("what layer `{}` names", layer.name),
                None => "the list of layers".into(),
            });
        }
        None
    }
}

/// A repository in the words of its format's own lists.
fn repository_line(repository: &Repository) -> String {
    let archive = archive_name(&repository.location);
    match &repository.kind {
        RepositoryKind::Deb { suite, components, .. } => {
            format!("{archive} {suite} {}", components.join(" "))
        }
        RepositoryKind::Apk { tag: Some(tag) } => format!("@{tag} {archive}"),
        RepositoryKind::Apk { tag: None } => archive,
    }
}

/// The name in a specification of what must be there; none for a file beside the recipe, and for what must
/// not be there.
pub(super) fn archive_name_of(spec: &str) -> Option<&str> {
    let name = spec.split(['=', '<', '>', '~', '@']).next().unwrap_or(spec);
    // `/bin/sh` is a name that packages of Alpine's provide.
    let ending = Path::new(name).extension().and_then(|extension| extension.to_str());
    let is_package = matches!(ending, Some("deb" | "apk"));
    let is_file = name.contains('/') && (!name.starts_with('/') || is_package);
    (!is_file && !name.starts_with('!')).then_some(name)
}

/// Whether a name is among those of a list of provided names, as apk writes it.
pub fn provides_name(provides: &str, name: &str) -> bool {
    provides.split_whitespace().any(|one| one.split(['=', '<', '>', '~']).next() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_specifications() {
        for (spec, name) in [
            ("curl", Some("curl")),
            ("curl>=1:8~rc1", Some("curl")),
            ("./dist/x_{arch}.deb", None),
            ("/srv/x.apk", None),
            ("python3~3.12", Some("python3")),
            ("curl@edge>8", Some("curl")),
            ("so:libz.so.1", Some("so:libz.so.1")),
            ("/bin/sh", Some("/bin/sh")),
            ("!ssl_client", None),
            ("curl><Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=", Some("curl")),
        ] {
            assert_eq!(archive_name_of(spec), name, "{spec}");
        }
        assert!(provides_name("so:libz.so.1=1.3.1 cmd:z", "so:libz.so.1"));
        assert!(!provides_name("so:libz.so.1=1.3.1 cmd:z", "so:libz.so"));
    }
}
