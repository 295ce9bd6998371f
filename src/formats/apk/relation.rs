//! What apk calls a dependency: `[!]name[@tag][operator version]`, alone or in a list, as in the world file
//! and the fields `D:`, `p:` and `i:` of an index.
//!
//! Read as apk-tools 2.14 reads it: operators are any mixture of `<`, `=`, `>` and `~`; a version must be
//! valid, a checksum (`><`) need not be. Lists are separated by spaces or line ends.

use std::fmt;
use std::str::FromStr;

use super::checksum::Checksum;
use super::version;

/// How a version is compared with a constraint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `~`: equal as far as the constraint's version goes.
    Fuzzy,
    /// `<~`
    LessFuzzy,
    /// `>~`
    GreaterFuzzy,
    /// `><`: not the version but the package's checksum must be equal.
    Checksum,
    /// `<=>`: any version, but a name that is provided without one does not do.
    Versioned,
    /// `<~>`: nothing is compared.
    Any,
}

impl Operator {
    fn read(text: &str) -> Self {
        let has = |character| text.contains(character);
        match (has('<'), has('>'), has('~'), has('=')) {
            (true, true, true, _) => Operator::Any,
            (true, true, false, true) => Operator::Versioned,
            (true, true, false, false) => Operator::Checksum,
            (true, false, true, _) => Operator::LessFuzzy,
            (true, false, false, true) => Operator::LessEqual,
            (true, false, false, false) => Operator::Less,
            (false, true, true, _) => Operator::GreaterFuzzy,
            (false, true, false, true) => Operator::GreaterEqual,
            (false, true, false, false) => Operator::Greater,
            (false, false, true, _) => Operator::Fuzzy,
            (false, false, false, _) => Operator::Equal,
        }
    }

    /// Whether what stands after it must be a valid version.
    fn wants_version(self) -> bool {
        !matches!(self, Operator::Checksum | Operator::Versioned | Operator::Any)
    }

    /// Whether a version will do; never one for [`Operator::Checksum`], which looks at no version.
    pub fn accepts(self, version: &str, wanted: &str) -> bool {
        match self {
            Operator::Equal => version::compare(version, wanted).is_eq(),
            Operator::Less => version::compare(version, wanted).is_lt(),
            Operator::LessEqual => version::compare(version, wanted).is_le(),
            Operator::Greater => version::compare(version, wanted).is_gt(),
            Operator::GreaterEqual => version::compare(version, wanted).is_ge(),
            Operator::Fuzzy => version::compare_fuzzy(version, wanted).is_eq(),
            Operator::LessFuzzy => version::compare_fuzzy(version, wanted).is_le(),
            Operator::GreaterFuzzy => version::compare_fuzzy(version, wanted).is_ge(),
            Operator::Versioned | Operator::Any => true,
            Operator::Checksum => false,
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operator::Equal => "=",
            Operator::Less => "<",
            Operator::LessEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterEqual => ">=",
            Operator::Fuzzy => "~",
            Operator::LessFuzzy => "<~",
            Operator::GreaterFuzzy => ">~",
            Operator::Checksum => "><",
            Operator::Versioned => "<=>",
            Operator::Any => "<~>",
        })
    }
}

/// A version or checksum that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Constraint {
    /// How it is compared.
    pub operator: Operator,
    /// The version, or the checksum for [`Operator::Checksum`].
    pub version: String,
}

/// A name with what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relation {
    /// The name of a package, or one that packages provide: `so:libz.so.1`, `cmd:curl`, `pc:zlib`, `/bin/sh`.
    pub name: String,
    /// `!`: what meets the rest must not be there.
    pub conflict: bool,
    /// The tag of a repository that it may come from, without the `@`.
    pub tag: Option<String>,
    /// The versions that will do.
    pub constraint: Option<Constraint>,
}

/// The text is no relation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelationError {
    /// Nothing is named.
    #[error("`{text}` names no package")]
    NoName {
        /// The text.
        text: String,
    },
    /// An operator stands alone.
    #[error("`{text}` has no version after its operator")]
    NoVersion {
        /// The text.
        text: String,
    },
    /// The version is not of apk's form.
    #[error("`{text}` asks for `{version}`, which is no version")]
    BadVersion {
        /// The text.
        text: String,
        /// The version.
        version: String,
    },
    /// A space or line end is in it.
    #[error("`{text}` is more than one relation")]
    Several {
        /// The text.
        text: String,
    },
}

/// A relation as a view into a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelationText<'a> {
    /// The name, which may be one that is provided.
    pub name: &'a str,
    /// Whether it must *not* be installed.
    pub conflict: bool,
    /// The tag of the repository that it is to come from.
    pub tag: Option<&'a str>,
    /// Which versions count; any without.
    pub constraint: Option<(Operator, &'a str)>,
}

const OPERATORS: [char; 4] = ['<', '=', '>', '~'];

fn is_operator(byte: u8) -> bool {
    matches!(byte, b'<' | b'=' | b'>' | b'~')
}

const SEPARATORS: [char; 2] = [' ', '\n'];

impl<'a> RelationText<'a> {
    /// Reads one relation, which may have an empty name.
    pub fn read(text: &'a str) -> Result<Self, RelationError> {
        let (conflict, bare) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let (name, constraint) = match bare.bytes().position(is_operator) {
            None => (bare, None),
            Some(at) => {
                let (name, rest) = bare.split_at(at);
                let version = rest.trim_start_matches(OPERATORS);
                let operator = Operator::read(&rest[..rest.len() - version.len()]);
                if version.is_empty() {
                    return Err(RelationError::NoVersion { text: text.to_owned() });
                }
                if operator.wants_version() && !version::is_valid(version) {
                    let (text, version) = (text.to_owned(), version.to_owned());
                    return Err(RelationError::BadVersion { text, version });
                }
                (name, Some((operator, version)))
            }
        };
        let (name, tag) = name.split_once('@').map_or((name, None), |(name, tag)| (name, Some(tag)));
        Ok(RelationText { name, conflict, tag, constraint })
    }

    /// The relations of a field up to the first that cannot be read: apk takes those before it and passes
    /// over the rest of the field.
    pub fn list(field: &'a str) -> impl Iterator<Item = RelationText<'a>> {
        split(field).map_while(|text| RelationText::read(text).ok())
    }

    /// As a value of its own.
    pub fn to_relation(self) -> Relation {
        let constraint =
            self.constraint.map(|(operator, version)| Constraint { operator, version: version.to_owned() });
        let tag = self.tag.map(str::to_owned);
        Relation { name: self.name.to_owned(), conflict: self.conflict, tag, constraint }
    }
}

/// The texts between separators. One that begins with a separator has an empty one first, as apk sees it.
fn split(field: &str) -> impl Iterator<Item = &str> {
    let mut rest = field;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (text, others) =
            rest.split_at(rest.bytes().position(|byte| matches!(byte, b' ' | b'\n')).unwrap_or(rest.len()));
        rest = others.trim_start_matches(SEPARATORS);
        Some(text)
    })
}

/// Reads a list of relations, such as a world file or the raw field of an index; all must be relations.
pub fn parse_list(text: &str) -> Result<Vec<Relation>, RelationError> {
    text.split(SEPARATORS).filter(|one| !one.is_empty()).map(str::parse).collect()
}

impl Relation {
    /// Any version of a name.
    pub fn any(name: impl Into<String>) -> Self {
        Relation { name: name.into(), conflict: false, tag: None, constraint: None }
    }

    /// One package and no other, by its checksum: how apk asks for a package file.
    pub fn of_package(name: impl Into<String>, checksum: Checksum) -> Self {
        let constraint = Constraint { operator: Operator::Checksum, version: checksum.to_string() };
        Relation { constraint: Some(constraint), ..Self::any(name) }
    }

    /// As a view into its own texts.
    pub fn view(&self) -> RelationText<'_> {
        RelationText {
            name: &self.name,
            conflict: self.conflict,
            tag: self.tag.as_deref(),
            constraint: self.constraint.as_ref().map(|wanted| (wanted.operator, wanted.version.as_str())),
        }
    }
}

impl FromStr for Relation {
    type Err = RelationError;

    fn from_str(text: &str) -> Result<Self, RelationError> {
        if text.contains(SEPARATORS) {
            return Err(RelationError::Several { text: text.to_owned() });
        }
        let relation = RelationText::read(text)?;
        if relation.name.is_empty() {
            return Err(RelationError::NoName { text: text.to_owned() });
        }
        Ok(relation.to_relation())
    }
}

impl fmt::Display for RelationText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.conflict { "!" } else { "" })?;
        f.write_str(self.name)?;
        if let Some(tag) = self.tag {
            write!(f, "@{tag}")?;
        }
        match self.constraint {
            Some((operator, version)) => write!(f, "{operator}{version}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn read_and_written_again() {
        let texts = [
            "curl",
            "!curl",
            "so:libz.so.1=1.3.1",
            "/bin/sh",
            "python3~3.12",
            "a<1",
            "a<=1",
            "a>1",
            "a>=1_rc1-r2",
            "a>~1.2",
            "a<~1.2",
            "a@edge",
            "a@edge>=1",
            "!a@edge<2",
            "a><Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=",
            "a<=>anything",
        ];
        for text in texts {
            assert_eq!(text.parse::<Relation>().unwrap().to_string(), text);
        }
        let relation: Relation = "!a@edge=>1".parse().unwrap();
        assert_eq!(
            (relation.name.as_str(), relation.conflict, relation.tag.as_deref()),
            ("a", true, Some("edge"))
        );
        assert_eq!(relation.constraint.unwrap().operator, Operator::GreaterEqual);
        assert_eq!("a~=1".parse::<Relation>().unwrap().constraint.unwrap().operator, Operator::Fuzzy);
    }

    #[test]
    fn refused() {
        let refused = |text: &str| text.parse::<Relation>().unwrap_err().to_string();
        assert_eq!(refused(""), "`` names no package");
        assert_eq!(refused("!=1"), "`!=1` names no package");
        assert_eq!(refused("a>="), "`a>=` has no version after its operator");
        assert_eq!(refused("a=1@edge"), "`a=1@edge` asks for `1@edge`, which is no version");
        assert_eq!(refused("a b"), "`a b` is more than one relation");
    }

    #[test]
    fn lists() {
        let names = |text| RelationText::list(text).map(|one| one.name).collect::<Vec<_>>();
        assert_eq!(names("a b>1\n c  d "), ["a", "b", "c", "d"]);
        assert_eq!(names(" a"), ["", "a"]);
        assert_eq!(names("a b>= c"), ["a"]);
        assert_eq!(parse_list(" a  b>1\n").unwrap().len(), 2);
        assert!(parse_list("a b>").is_err());
    }

    proptest! {
        #[test]
        fn reads_anything(text in "[!a-b@<>=~0-9. \n-]{0,12}|\\PC{0,12}") {
            let _ = parse_list(&text);
            let _ = RelationText::list(&text).count();
            if let Ok(relation) = text.parse::<Relation>() {
                prop_assert_eq!(relation.to_string().parse::<Relation>().unwrap(), relation);
            }
        }
    }
}
