//! Why there is no solution, in the words of apk's relations.

use crate::hint::Hint;

use super::super::error::{Holder, Needed, chain, instead, list, required};

/// Why the packages of a world cannot be had together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApkResolveError {
    /// A request names a tag that no repository has.
    #[error("`{request}` names the tag `{tag}`, which no repository has")]
    NoSuchTag {
        /// The request.
        request: String,
        /// The tag, without the `@`.
        tag: String,
        /// The tags there are.
        known: Vec<String>,
    },
    /// More than one thing is wrong.
    #[error("the packages cannot be had together:{}", indented(.0))]
    Several(Vec<ApkResolveError>),
    /// Nothing has or provides the name of a request.
    #[error("there is no package `{name}`")]
    NoSuchPackage {
        /// The name.
        name: String,
        /// Names much like it, and the command of that name.
        similar: Vec<String>,
    },
    /// There are other versions only of what a request names.
    #[error("`{request}` is not in any repository; there is {}", available.join(", "))]
    NoSuchVersion {
        /// The request.
        request: String,
        /// What there is, with versions and origins.
        available: Vec<String>,
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
        /// What has or provides the name and does not meet it.
        available: Vec<String>,
        /// The package with the dependency, and what asks for it.
        by: Vec<String>,
    },
    /// A name is provided, but by nothing that apk takes unless it is named.
    #[error(
        "cannot resolve `{request}`: `{name}` is only provided by {}, without a version or priority{}",
        providers.join(", "),
        required(by)
    )]
    Virtual {
        /// The request that leads there, or is it.
        request: String,
        /// The name.
        name: String,
        /// The packages that provide it.
        providers: Vec<String>,
        /// The name of one that would do.
        one: String,
        /// The package that depends on it, and what asks for that; empty if it is requested.
        by: Vec<String>,
    },
    /// A package is only in a repository with a tag that nothing allows.
    #[error("cannot resolve `{request}`: {package} may not be used without its tag{}", required(by))]
    OtherTag {
        /// The request that leads there, or is it.
        request: String,
        /// The package with its origin.
        package: String,
        /// The request that would allow it.
        allowing: String,
        /// What asks for it.
        by: Vec<String>,
    },
    /// Only a version that the lock does not hold would do.
    #[error(
        "cannot resolve `{request}`: {package} does not fit {holder}, which holds version {version}{}",
        required(by)
    )]
    Held {
        /// What holds it: the lock, or a base.
        holder: Holder,
        /// The request that leads there, or is it.
        request: String,
        /// The package that would be taken.
        package: String,
        /// The version that the lock holds.
        version: String,
        /// What asks for it.
        by: Vec<String>,
    },
    /// A request rules out what is needed.
    #[error("cannot resolve {}: `{relation}` rules out {}{}", list(requests), ruled_out.package, chain(ruled_out))]
    Refused {
        /// The requests that lead to what is ruled out.
        requests: Vec<String>,
        /// The request that rules it out.
        relation: String,
        /// The package that is ruled out.
        ruled_out: Box<Needed>,
    },
    /// A package's dependency rules out what is needed as well.
    #[error(
        "cannot resolve {}: `{relation}` of {} rules out {}{}{}",
        list(requests),
        owner.package,
        ruled_out.package,
        chain(owner),
        chain(ruled_out)
    )]
    Conflict {
        /// The requests that lead there.
        requests: Vec<String>,
        /// The package with the dependency.
        owner: Box<Needed>,
        /// Its dependency.
        relation: String,
        /// The package that is ruled out.
        ruled_out: Box<Needed>,
    },
    /// Two packages that are both needed provide the same name, so only one can be installed.
    #[error(
        "cannot resolve {}: {} and {} both provide `{name}`{}{}",
        list(requests),
        left.package,
        right.package,
        chain(left),
        chain(right)
    )]
    SameName {
        /// The requests that lead there.
        requests: Vec<String>,
        /// The name.
        name: String,
        /// One package.
        left: Box<Needed>,
        /// The other.
        right: Box<Needed>,
    },
    /// A package provides a name more than once, which makes it conflict with itself.
    #[error(
        "cannot resolve `{request}`: {package} provides `{name}` twice and conflicts with itself{}",
        required(by)
    )]
    Itself {
        /// The request that leads there.
        request: String,
        /// The package.
        package: String,
        /// The name.
        name: String,
        /// What asks for it.
        by: Vec<String>,
    },
    /// apk's way of choosing leads to no solution, and no single relation is to blame.
    #[error("cannot resolve {}: apk's order of choosing finds no packages that fit together", list(requests))]
    Unsolvable {
        /// The requests.
        requests: Vec<String>,
    },
}

/// Each error on lines of its own, further in.
fn indented(errors: &[ApkResolveError]) -> String {
    errors.iter().map(|error| format!("\n{error}").replace('\n', "\n  ")).collect()
}

impl ApkResolveError {
    /// Says that a base holds what the lock is said to hold, where `fixes` knows it of a package and a version.
    pub(crate) fn held_by(&mut self, base: &Holder, fixes: &dyn Fn(&str, &str) -> bool) {
        match self {
            ApkResolveError::Several(errors) => {
                for error in errors {
                    error.held_by(base, fixes);
                }
            }
            ApkResolveError::Held { package, version, holder, .. } if fixes(package, version) => {
                *holder = base.clone();
            }
            _ => {}
        }
    }
}

impl Hint for ApkResolveError {
    fn hints(&self) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match self {
            ApkResolveError::NoSuchTag { known, .. } if known.is_empty() => {
                one("add a [[repository]] with that `tag`, or leave the tag out")
            }
            ApkResolveError::NoSuchTag { known, .. } => vec![format!("there is {}", list(known))],
            ApkResolveError::Several(errors) => {
                let mut hints: Vec<String> = Vec::new();
                for hint in errors.iter().flat_map(ApkResolveError::hints) {
                    if !hints.contains(&hint) {
                        hints.push(hint);
                    }
                }
                hints
            }
            ApkResolveError::NoSuchPackage { similar, .. } if similar.is_empty() => {
                one("look up the package's name in this release, or add the repository that has it")
            }
            ApkResolveError::NoSuchPackage { similar, .. } => vec![format!("there is {}", list(similar))],
            ApkResolveError::NoSuchVersion { .. } => one("ask for a version there is"),
            ApkResolveError::Missing { .. } => one(
                "run `rootforge lock --update`, add the repository that has it, or ask for another version",
            ),
            ApkResolveError::Virtual { one: name, .. } => {
                vec![format!("name the package that is to provide it, such as `{name}`")]
            }
            ApkResolveError::OtherTag { allowing, .. } => vec![format!("ask for `{allowing}`")],
            ApkResolveError::Held { holder, .. } => holder.hints(),
            ApkResolveError::Refused { .. } => one("drop one of the requests"),
            ApkResolveError::Conflict { .. } | ApkResolveError::SameName { .. } => {
                one("leave one of them out, or put them into separate images")
            }
            ApkResolveError::Itself { .. } => one("ask for another version, or tell the repository's owner"),
            ApkResolveError::Unsolvable { .. } => {
                one("name the packages that you want to meet the dependencies, or ask for less at a time")
            }
        }
    }
}
