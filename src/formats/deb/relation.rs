//! Relations between packages: the text of Depends, Provides, Conflicts and their like (Debian Policy 7.1).
//!
//! Written by people for twenty years, so spaces are optional everywhere. Alternatives that an `[arch]` list
//! or a build profile rules out are dropped, as no image is built under a profile. Left out: substitution
//! variables, which no binary package has.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::version;

/// All clauses must hold; of a clause, any one alternative. A clause is never empty.
pub type Relations = Vec<Vec<Relation>>;

/// How a version must compare with the one named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// `<<`: strictly earlier.
    Earlier,
    /// `<=`, and the obsolete `<`: earlier or equal.
    EarlierEqual,
    /// `=`: equal.
    Equal,
    /// `>=`, and the obsolete `>`: later or equal.
    LaterEqual,
    /// `>>`: strictly later.
    Later,
}

/// One package name with what it asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relation {
    /// The name, of a package or provided by one.
    pub name: String,
    /// What follows the name's colon: `any`, `native` or an architecture.
    pub arch: Option<String>,
    /// The versions it accepts; none accepts all.
    pub version: Option<(Operator, String)>,
}

/// Why a text is no list of relations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelationError {
    /// There is no package name where one must stand.
    #[error("`{0}` does not start with a package name")]
    Name(String),
    /// The version in parentheses is malformed.
    #[error("`{0}` has no version of the form `(>= 1.0)`")]
    Version(String),
    /// A parenthesis, bracket or angle bracket is not closed.
    #[error("`{0}` lacks a closing `{1}`")]
    Unclosed(String, char),
    /// Something follows that is none of version, architectures and profiles.
    #[error("`{0}` has a tail that is not understood")]
    Tail(String),
}

/// The text is none of the five operators.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one of <<, <=, =, >=, >>")]
pub struct UnknownOperator(pub String);

/// Reads a field's value for one architecture by its Debian name.
pub fn parse(text: &str, deb_arch: &str) -> Result<Relations, RelationError> {
    let mut relations = Relations::new();
    for clause in text.split(',') {
        let mut alternatives = Vec::new();
        for alternative in clause.split('|').map(str::trim).filter(|alternative| !alternative.is_empty()) {
            alternatives.extend(parse_alternative(alternative, deb_arch)?);
        }
        if !alternatives.is_empty() {
            relations.push(alternatives);
        }
    }
    Ok(relations)
}

/// One relation; none where its architectures or profiles rule it out.
fn parse_alternative(text: &str, deb_arch: &str) -> Result<Option<Relation>, RelationError> {
    let unclosed = |close| RelationError::Unclosed(text.to_owned(), close);
    let end = text.find(|c: char| c.is_whitespace() || "([<".contains(c)).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let (name, arch) = name.split_once(':').map_or((name, None), |(name, arch)| (name, Some(arch)));
    if !is_name(name) || arch.is_some_and(str::is_empty) {
        return Err(RelationError::Name(text.to_owned()));
    }
    let mut relation = Relation { name: name.to_owned(), arch: arch.map(str::to_owned), version: None };
    let mut holds = true;
    let mut profiles = None;
    loop {
        rest = rest.trim_start();
        if let Some(inner) = rest.strip_prefix('(') {
            let (inner, after) = inner.split_once(')').ok_or_else(|| unclosed(')'))?;
            relation.version =
                Some(parse_version(inner).ok_or_else(|| RelationError::Version(text.to_owned()))?);
            rest = after;
        } else if let Some(inner) = rest.strip_prefix('[') {
            let (inner, after) = inner.split_once(']').ok_or_else(|| unclosed(']'))?;
            holds &= arch_list_holds(inner, deb_arch);
            rest = after;
        } else if let Some(inner) = rest.strip_prefix('<') {
            let (inner, after) = inner.split_once('>').ok_or_else(|| unclosed('>'))?;
            let without_profiles = inner.split_whitespace().all(|term| term.starts_with('!'));
            profiles = Some(profiles.unwrap_or(false) || without_profiles);
            rest = after;
        } else if rest.is_empty() {
            return Ok((holds && profiles.unwrap_or(true)).then_some(relation));
        } else {
            return Err(RelationError::Tail(text.to_owned()));
        }
    }
}

/// Policy 5.6.1, and upper case and `_` beside, which some third parties use.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte))
}

fn parse_version(text: &str) -> Option<(Operator, String)> {
    let text = text.trim();
    let end = text.find(|c: char| !"<=>".contains(c))?;
    let operator = text[..end].parse().ok()?;
    let version = text[end..].trim_start();
    (!version.contains(char::is_whitespace)).then(|| (operator, version.to_owned()))
}

/// Whether a list such as `amd64 linux-any` or `!s390x` admits the architecture.
fn arch_list_holds(list: &str, deb_arch: &str) -> bool {
    let matches = |term: &str| match term {
        "any" | "linux-any" => true,
        term => term == deb_arch || term.strip_prefix("any-") == Some(deb_arch),
    };
    let negated = list.trim_start().starts_with('!');
    let named = list.split_whitespace().any(|term| matches(term.trim_start_matches('!')));
    named != negated
}

impl Operator {
    /// Its text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Operator::Earlier => "<<",
            Operator::EarlierEqual => "<=",
            Operator::Equal => "=",
            Operator::LaterEqual => ">=",
            Operator::Later => ">>",
        }
    }

    /// Whether `version` stands so to `wanted`.
    pub fn accepts(self, version: &str, wanted: &str) -> bool {
        let order = version::compare(version, wanted);
        match self {
            Operator::Earlier => order == Ordering::Less,
            Operator::EarlierEqual => order != Ordering::Greater,
            Operator::Equal => order == Ordering::Equal,
            Operator::LaterEqual => order != Ordering::Less,
            Operator::Later => order == Ordering::Greater,
        }
    }
}

impl FromStr for Operator {
    type Err = UnknownOperator;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "<<" => Operator::Earlier,
            "<=" | "<" => Operator::EarlierEqual,
            "=" | "==" => Operator::Equal,
            ">=" | ">" => Operator::LaterEqual,
            ">>" => Operator::Later,
            _ => return Err(UnknownOperator(text.to_owned())),
        })
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Relation {
    /// Whether its version, if it names one, accepts this one.
    pub fn accepts(&self, version: &str) -> bool {
        self.version.as_ref().is_none_or(|(operator, wanted)| operator.accepts(version, wanted))
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(arch) = &self.arch {
            write!(f, ":{arch}")?;
        }
        if let Some((operator, version)) = &self.version {
            write!(f, " ({operator} {version})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let clause =
            |clause: &Vec<Relation>| clause.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
        parse(text, "amd64").unwrap().iter().map(clause).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn forms() {
        for (text, expected) in [
            (
                "libc6 (>= 2.38), debconf (>= 0.5) | debconf-2.0",
                "libc6 (>= 2.38), debconf (>= 0.5) | debconf-2.0",
            ),
            ("foo(>=1)|bar(<<2:3~)", "foo (>= 1) | bar (<< 2:3~)"),
            ("python3:any (>= 3.9~), x:native, y:i386", "python3:any (>= 3.9~), x:native, y:i386"),
            ("a [amd64 arm64], b [!amd64], c[s390x] | d [linux-any]", "a, d"),
            ("a <!nocheck>, b <cross> <!stage1>, c <cross>, d <!x y>", "a, b"),
            ("a (= 1)\n , b,, ", "a (= 1), b"),
            ("a (< 1), b (> 2)", "a (<= 1), b (>= 2)"),
            ("", ""),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn malformed() {
        for (text, expected) in [
            ("(>= 1)", RelationError::Name("(>= 1)".into())),
            ("a:", RelationError::Name("a:".into())),
            ("a (>= 1", RelationError::Unclosed("a (>= 1".into(), ')')),
            ("a (1)", RelationError::Version("a (1)".into())),
            ("a (>=)", RelationError::Version("a (>=)".into())),
            ("a b", RelationError::Tail("a b".into())),
        ] {
            assert_eq!(parse(text, "amd64"), Err(expected));
        }
    }

    #[test]
    fn operators_compare() {
        let accepted = |text: &str| parse(&format!("x ({text} 2)"), "amd64").unwrap()[0][0].clone();
        for (text, expected) in [
            ("<<", [true, false, false]),
            ("<=", [true, true, false]),
            ("=", [false, true, false]),
            (">=", [false, true, true]),
            (">>", [false, false, true]),
        ] {
            assert_eq!(["1", "2", "3"].map(|version| accepted(text).accepts(version)), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[a-c():|,<>=!\\[\\] 0-9é.-]{0,30}") {
            let _ = parse(&text, "amd64");
        }

        #[test]
        fn reads_back(text in "[a-z][a-z0-9+.-]{1,5}(:any)?( \\((<<|<=|=|>=|>>) [0-9][0-9a-z.~-]{0,4}\\))?") {
            prop_assert_eq!(shown(&text), text);
        }
    }
}
