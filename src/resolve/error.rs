//! Why there is no solution.

use std::fmt;

use crate::deb::relation::RelationError;
use crate::hint::Hint;

/// A package, and what asks for it, up to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// The package with version and origin.
    pub package: String,
    /// The package that asks for it first, then what asks for that, and so on; empty if it is requested.
    pub by: Vec<String>,
}

/// Why requests cannot be met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No index has a package of the name.
    #[error("there is no package `{name}`")]
    NoSuchPackage {
        /// The name.
        name: String,
        /// Names much like it.
        similar: Vec<String>,
    },
    /// More than one request cannot be met.
    #[error("{} packages cannot be had:{}", .0.len(), .0.iter().map(|error| format!("\n  {error}")).collect::<String>())]
    Several(Vec<ResolveError>),
    /// The name is only provided by others.
    #[error("`{name}` is not a package, only a name that {} provide{}", list(providers), if providers.len() == 1 { "s" } else { "" })]
    Virtual {
        /// The name.
        name: String,
        /// The packages that provide it.
        providers: Vec<String>,
    },
    /// The package has other versions only.
    #[error("`{request}` is not in any repository; there is {}", available.join(", "))]
    NoSuchVersion {
        /// The package and the versions asked for.
        request: String,
        /// Every version there is, with its origin.
        available: Vec<String>,
    },
    /// The lock holds another version.
    #[error("`{request}` does not fit {holder}, which holds version {version}")]
    Kept {
        /// What holds it: the lock, or a base.
        holder: Holder,
        /// The package and the versions asked for.
        request: String,
        /// The version that the lock holds.
        version: String,
    },
    /// Requests for the same package exclude each other.
    #[error("no version meets all of {}", list(requests))]
    Contradiction {
        /// The requests.
        requests: Vec<String>,
    },
    /// A package's relations cannot be read.
    #[error("cannot resolve `{request}`: the `{field}` of {} is malformed: {error}{}", needed.package, chain(needed))]
    Malformed {
        /// The request that leads there.
        request: String,
        /// The package.
        needed: Box<Needed>,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        error: RelationError,
    },
    /// Nothing meets a dependency.
    #[error(
        "cannot resolve `{request}`: `{relation}` is not in any repository{}{}",
        instead(available),
        required(by)
    )]
    Missing {
        /// The request that leads there.
        request: String,
        /// The dependency.
        relation: String,
        /// Packages of that name that do not meet it.
        available: Vec<String>,
        /// The package with the dependency, and what asks for it.
        by: Vec<String>,
    },
    /// Only a version that the lock does not hold would meet a dependency.
    #[error(
        "cannot resolve `{request}`: `{relation}` does not fit {holder}, which holds version {version}{}",
        required(by)
    )]
    Held {
        /// What holds it: the lock, or a base.
        holder: Holder,
        /// The request that leads there.
        request: String,
        /// The dependency.
        relation: String,
        /// The version that the lock holds.
        version: String,
        /// The package with the dependency, and what asks for it.
        by: Vec<String>,
    },
    /// Two packages that are both needed exclude each other.
    #[error("cannot resolve {}: {} conflicts with {} (`{relation}`){}{}", list(requests), left.package, right.package, chain(left), chain(right))]
    Conflict {
        /// The requests that lead there.
        requests: Vec<String>,
        /// The package that declares the conflict.
        left: Box<Needed>,
        /// The package it conflicts with.
        right: Box<Needed>,
        /// The relation as declared.
        relation: String,
    },
    /// Two versions of one package would be needed.
    #[error("cannot resolve {}: {} and {} exclude each other{}{}", list(requests), left.package, right.package, chain(left), chain(right))]
    TwoVersions {
        /// The requests that lead there.
        requests: Vec<String>,
        /// One version.
        left: Box<Needed>,
        /// The other.
        right: Box<Needed>,
    },
    /// A conflict with more parts than a sentence can name.
    #[error("cannot resolve {}:\n{report}", list(requests))]
    Unsolvable {
        /// The requests.
        requests: Vec<String>,
        /// The solver's account of it.
        report: String,
    },
}

/// What insists on a version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Holder {
    /// The recipe's own lock.
    #[default]
    Lock,
    /// A base, which fixes the versions of what it has.
    Base {
        /// Its recipe, or its place if it is an image.
        base: String,
        /// Whether it is an image, which has no lock.
        is_image: bool,
    },
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Lock => f.write_str("the lock"),
            Holder::Base { base, .. } => write!(f, "the base {base}"),
        }
    }
}

impl Hint for Holder {
    fn hints(&self) -> Vec<String> {
        match self {
            Holder::Lock => vec!["run `rootforge lock --update` for all packages".to_owned()],
            Holder::Base { is_image: true, .. } => vec![
                "ask for what goes with the base's version".to_owned(),
                "or take an image as the base that has another".to_owned(),
            ],
            Holder::Base { base, .. } => vec![
                "ask for what goes with the base's version".to_owned(),
                format!(
                    "or, where a repository has another, bring the base up to date: `rootforge lock --update {base}`"
                ),
            ],
        }
    }
}

impl ResolveError {
    /// Says that a base holds what the lock is said to hold, where `fixes` knows it of a relation and a version.
    pub(crate) fn held_by(&mut self, base: &Holder, fixes: &dyn Fn(&str, &str) -> bool) {
        match self {
            ResolveError::Several(errors) => {
                for error in errors {
                    error.held_by(base, fixes);
                }
            }
            ResolveError::Kept { request: relation, version, holder }
            | ResolveError::Held { relation, version, holder, .. }
                if fixes(relation, version) =>
            {
                *holder = base.clone();
            }
            _ => {}
        }
    }
}

impl Hint for ResolveError {
    fn hints(&self) -> Vec<String> {
        match self {
            ResolveError::Several(errors) => {
                let mut hints: Vec<String> = errors.iter().flat_map(ResolveError::hints).collect();
                hints.dedup();
                hints
            }
            ResolveError::NoSuchPackage { similar, .. } if similar.is_empty() => {
                vec!["look up the package's name in this release".to_owned()]
            }
            ResolveError::NoSuchPackage { similar, .. } => vec![format!("there is {}", list(similar))],
            ResolveError::Virtual { providers, .. } => {
                vec![format!("name one of them, such as `{}`", providers[0])]
            }
            ResolveError::NoSuchVersion { .. } => {
                vec!["ask for a version there is, or pin `snapshot` to a time that had it".to_owned()]
            }
            ResolveError::Kept { holder, .. } | ResolveError::Held { holder, .. } => holder.hints(),
            ResolveError::Contradiction { .. } => vec!["drop one of them".to_owned()],
            ResolveError::Malformed { .. } => vec!["pin another version".to_owned()],
            ResolveError::Missing { .. } => {
                vec![
                    "run `rootforge lock --update`, add the repository that has it, or pin another version"
                        .to_owned(),
                ]
            }
            ResolveError::Conflict { .. }
            | ResolveError::TwoVersions { .. }
            | ResolveError::Unsolvable { .. } => {
                vec!["leave one of them out, or put them into separate images".to_owned()]
            }
        }
    }
}

/// `a`, `b` and `c`.
pub(super) fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match &quoted[..] {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

pub(super) fn instead(available: &[String]) -> String {
    if available.is_empty() { String::new() } else { format!("; there is {}", available.join(", ")) }
}

/// A line for each package on the way to the request.
pub(super) fn required(by: &[String]) -> String {
    by.iter().fold(String::new(), |text, package| text + "\n  required by " + package)
}

pub(super) fn chain(needed: &Needed) -> String {
    let Some((first, others)) = needed.by.split_first() else { return String::new() };
    let start = format!("\n  {} is required by {first}", needed.package);
    others.iter().fold(start, |text, package| text + "\n    required by " + package)
}
