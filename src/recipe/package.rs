//! What a layer asks for: a package of the repositories, or a package file beside the recipe.
//!
//! Which grammar holds follows from the format of the recipe's packages. Debian's names and versions are as in
//! Debian Policy 5.6.1 and 5.6.12; Alpine's are in [`super::apk_package`].

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use super::findings::Findings;
use super::problems::{Span, quoted};
use super::reader::Text;
use super::repository::Repositories;
use super::template::{self, Template};
use super::{apk_package, suggest};
use crate::apk::relation::Relation;
use crate::deb::relation::Operator;
use crate::distro::PackageFormat;

/// A package that a layer names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackageSpec {
    /// From repositories of Debian's format.
    Archive {
        /// Its name.
        name: Template,
        /// What its version must be.
        constraint: Option<Constraint>,
    },
    /// From repositories of Alpine's format: a package, a name that packages provide, or what must not be there.
    Apk {
        /// What is asked for, as the recipe has it: see [`PackageSpec::relation`]. Its tag is one of the repositories'.
        relation: Relation,
        /// Where the recipe names it.
        span: Span,
    },
    /// A package file, relative to the recipe's directory.
    Local(Template),
}

/// How the packages of a recipe are written, and what is known of them before they are read.
pub(super) struct Grammar<'a> {
    pub(super) format: PackageFormat,
    /// The recipe's directory.
    pub(super) dir: &'a Path,
    /// The tags of the recipe's repositories.
    pub(super) tags: &'a BTreeSet<String>,
    /// Whether there may be more tags than were understood.
    pub(super) unsure: bool,
}

impl<'a> Grammar<'a> {
    /// What a recipe's repositories make of it.
    pub(super) fn of(repositories: &'a Repositories, dir: &'a Path) -> Self {
        let format = repositories.format.unwrap_or(PackageFormat::Deb);
        Grammar { format, dir, tags: &repositories.tags, unsure: repositories.unsure }
    }

    /// Reads what an element of `packages` asks for.
    pub(super) fn read(&self, text: &Text<'_>, findings: &Findings<'_>) -> Option<PackageSpec> {
        match self.format {
            PackageFormat::Deb => PackageSpec::read(text, self.dir, findings),
            PackageFormat::Apk => apk_package::read(text, self, findings),
        }
    }

    /// The tag that a misspelt one was meant to be, or those there are, in words.
    pub(super) fn tag_hint(&self, tag: &str) -> String {
        let tags = || self.tags.iter().map(String::as_str);
        match suggest::nearest(tag, tags()) {
            Some(near) => format!("did you mean `@{near}`?"),
            None if self.tags.is_empty() => {
                format!("give the `[[repository]]` that it is to come from `tag = \"{tag}\"`")
            }
            None => {
                let names: Vec<String> = tags().map(|tag| format!("`@{tag}`")).collect();
                format!("the tags are {}", names.join(", "))
            }
        }
    }
}

/// A bound on a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// How to compare.
    pub operator: Operator,
    /// What to compare with.
    pub version: String,
}

/// An operator as recipes write it: `<` and `>` are strict, unlike Debian's obsolete ones.
const fn symbol(operator: Operator) -> &'static str {
    match operator {
        Operator::Earlier => "<",
        Operator::EarlierEqual => "<=",
        Operator::Equal => "=",
        Operator::LaterEqual => ">=",
        Operator::Later => ">",
    }
}

fn read_operator(text: &str) -> Option<Operator> {
    match text {
        "<" | "<<" => Some(Operator::Earlier),
        "<=" => Some(Operator::EarlierEqual),
        "=" => Some(Operator::Equal),
        ">=" => Some(Operator::LaterEqual),
        ">" | ">>" => Some(Operator::Later),
        _ => None,
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", symbol(self.operator), self.version)
    }
}

impl fmt::Display for PackageSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackageSpec::Archive { name, constraint: None } => f.write_str(name.as_str()),
            PackageSpec::Archive { name, constraint: Some(constraint) } => {
                write!(f, "{}{constraint}", name.as_str())
            }
            PackageSpec::Apk { relation, .. } => write!(f, "{relation}"),
            PackageSpec::Local(file) => f.write_str(file.as_str()),
        }
    }
}

impl PackageSpec {
    /// Where the recipe names it.
    pub fn span(&self) -> Span {
        match self {
            PackageSpec::Apk { span, .. } => span.clone(),
            PackageSpec::Archive { name: text, .. } | PackageSpec::Local(text) => text.span(),
        }
    }

    /// What is asked of repositories of Alpine's format, for an architecture.
    pub fn relation(&self, arch: &str, triplet: &str) -> Option<Relation> {
        match self {
            PackageSpec::Apk { relation, .. } => {
                Some(Relation { name: template::expand(&relation.name, arch, triplet), ..relation.clone() })
            }
            PackageSpec::Archive { .. } | PackageSpec::Local(_) => None,
        }
    }

    /// The name that the recipe asks for, as it has it.
    pub fn name(&self) -> Option<&str> {
        match self {
            PackageSpec::Archive { name, .. } => Some(name.as_str()),
            PackageSpec::Apk { relation, .. } => {
                Some(&relation.name).filter(|_| !relation.conflict).map(String::as_str)
            }
            PackageSpec::Local(_) => None,
        }
    }

    fn read(text: &Text<'_>, dir: &Path, findings: &Findings<'_>) -> Option<Self> {
        let spec = text.text.trim();
        if spec.contains('/') {
            return local(&Text { text: spec, span: text.span.clone() }, PackageFormat::Deb, dir, findings);
        }
        let wrong = |message: String, hint: String| {
            findings.value(&text.span, message, hint);
            None
        };
        let at = spec.find(['=', '<', '>', '!', '~', '(', ' ']).unwrap_or(spec.len());
        let (name, rest) = (&spec[..at], spec[at..].trim());
        // Debian calls an architecture as it may call a package.
        if let Err((why, hint)) = package_name(&name.replace("{arch}", "arch")) {
            return wrong(format!("{} is no package: {why}", quoted(spec)), hint);
        }
        let asked = Template::new(name, &text.span);
        if rest.is_empty() {
            return Some(PackageSpec::Archive { name: asked, constraint: None });
        }
        let end = rest.find(|c: char| !"=<>!~".contains(c)).unwrap_or(rest.len());
        let (symbol, version) = (&rest[..end], rest[end..].trim());
        let Some(operator) = read_operator(symbol) else {
            let hint = format!("write \"{name}=VERSION\"; besides `=` there are `>=`, `<=`, `>` and `<`");
            let message = if symbol.is_empty() {
                format!("{} is no package: no operator follows the name", quoted(spec))
            } else {
                format!("{} is no package: {} is no operator", quoted(spec), quoted(symbol))
            };
            return wrong(message, hint);
        };
        if !is_version(version) {
            let message = format!("{} is no package: {} is no version", quoted(spec), quoted(version));
            return wrong(message, "a version is written [EPOCH:]UPSTREAM[-REVISION]".to_owned());
        }
        let constraint = Some(Constraint { operator, version: version.to_owned() });
        Some(PackageSpec::Archive { name: asked, constraint })
    }
}

/// Reads the path of a package file, which must be of the recipe's format.
pub(super) fn local(
    text: &Text<'_>,
    format: PackageFormat,
    dir: &Path,
    findings: &Findings<'_>,
) -> Option<PackageSpec> {
    let extension = Path::new(text.text).extension().and_then(|extension| extension.to_str());
    let other = [PackageFormat::Deb, PackageFormat::Apk]
        .into_iter()
        .find(|other| *other != format && extension == Some(other.name()));
    if let Some(other) = other {
        let message = format!(
            "{} is a package of {}, and the recipe's are of {}",
            quoted(text.text),
            other.family(),
            format.family()
        );
        findings.value(&text.span, message, format!("use a `.{}`", format.name()));
        return None;
    }
    if extension != Some(format.name()) {
        let message = format!("{} is a path, but not that of a `.{}`", quoted(text.text), format.name());
        findings.value(&text.span, message, "packages of a repository are named without `/`");
        return None;
    }
    let file = Template::read(text, findings);
    file.must_exist(dir, findings);
    Some(PackageSpec::Local(file))
}

/// What stands before the colon where apk is asked for a library, a command or a module of pkg-config.
const APK_KINDS: [&str; 3] = ["so", "cmd", "pc"];

fn package_name(name: &str) -> Result<(), (&'static str, String)> {
    let lower = name.to_ascii_lowercase();
    if name.is_empty() {
        return Err(("it has no name", String::new()));
    }
    if lower != name {
        return Err(("package names are in lower case", format!("write \"{lower}\"")));
    }
    if Path::new(name).extension().is_some_and(|extension| extension == "deb") {
        return Err(("it looks like a file", format!("write \"./{name}\" for a file beside the recipe")));
    }
    if name.split_once(':').is_some_and(|(kind, _)| APK_KINDS.contains(&kind)) {
        let hint = "name the package that has it, as Debian and Ubuntu call it";
        return Err(("only apk is asked for what packages provide", hint.to_owned()));
    }
    if let Some((package, _)) = name.split_once(':') {
        return Err(("the architecture is that of the image", format!("write \"{package}\"")));
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    if name.len() < 2 || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(allowed)
    {
        let hint = "a name has at least two of `a-z 0-9 + - .` and starts with a letter or digit";
        return Err(("this is not how a package can be called", hint.to_owned()));
    }
    Ok(())
}

fn is_version(version: &str) -> bool {
    let upstream = match version.split_once(':') {
        Some((epoch, upstream)) if !epoch.is_empty() && epoch.chars().all(|c| c.is_ascii_digit()) => upstream,
        Some(_) => return false,
        None => version,
    };
    upstream.starts_with(|c: char| c.is_ascii_alphanumeric())
        && upstream.chars().all(|c| c.is_ascii_alphanumeric() || ".+-~:".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let findings = Findings::new(text);
        let spec = PackageSpec::read(&Text { text, span: 0..text.len() }, Path::new("."), &findings);
        let problems = findings.into_problems();
        assert_eq!(spec.is_none(), !problems.is_empty(), "{problems:?}");
        spec.map(|spec| spec.to_string())
    }

    #[test]
    fn spellings() {
        assert_eq!(read("curl").as_deref(), Some("curl"));
        assert_eq!(read("g++").as_deref(), Some("g++"));
        assert_eq!(read("curl=8.14.1-2").as_deref(), Some("curl=8.14.1-2"));
        assert_eq!(read("curl >= 1:8~rc1+b1").as_deref(), Some("curl>=1:8~rc1+b1"));
        assert_eq!(read("curl<<9").as_deref(), Some("curl<9"));
        assert_eq!(read("curl>>9").as_deref(), Some("curl>9"));
        assert_eq!(read("curl<=9").as_deref(), Some("curl<=9"));
        assert_eq!(read("linux-image-{arch} >= 6").as_deref(), Some("linux-image-{arch}>=6"));
        assert_eq!(read("./dist/my_1.0_{arch}.deb").as_deref(), Some("./dist/my_1.0_{arch}.deb"));
        for wrong in [
            "",
            "c",
            "=1",
            "curl=",
            "curl==1",
            "curl!=1",
            "curl (>= 8)",
            "curl 8",
            "curl=a:1",
            "curl=-1",
            "a{x}",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
