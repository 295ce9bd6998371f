//! What a layer of an Alpine recipe asks for, in the words of apk's world file.
//!
//! `name`, `name=1.2-r0`, `name~1.2`, `name>=1`, `name@tag`, `!name`, `so:libz.so.1`, `cmd:curl`, `/bin/sh`; see
//! apk-world(5). A text with a slash that ends in `.apk` is a file; any other that begins with a slash is a name
//! that packages provide. Spaces around the operator are allowed, as they are in Debian's.

use std::path::Path;

use super::findings::Findings;
use super::package::{Grammar, PackageSpec, local};
use super::problems::quoted;
use super::reader::Text;
use super::repository::is_tag;
use crate::apk::relation::{Relation, RelationError};
use crate::distro::PackageFormat;

/// Characters of operators.
const OPERATORS: [char; 4] = ['<', '=', '>', '~'];

/// What is wrong, and what to do about it.
type Wrong = (String, String);

/// Reads an element of `packages`.
pub(super) fn read(text: &Text<'_>, grammar: &Grammar<'_>, findings: &Findings<'_>) -> Option<PackageSpec> {
    let spec = text.text.trim();
    if is_path(spec) {
        let text = Text { text: spec, span: text.span.clone() };
        return local(&text, PackageFormat::Apk, grammar.dir, findings);
    }
    match relation(spec) {
        Err((why, hint)) => {
            findings.value(&text.span, format!("{} is no package: {why}", quoted(spec)), hint);
            None
        }
        Ok(relation) => {
            if let Some(tag) = relation.tag.as_deref().filter(|tag| !grammar.tags.contains(*tag))
                && !grammar.unsure
            {
                let message = format!("no repository has the tag {}", quoted(tag));
                findings.context(&text.span, message, grammar.tag_hint(tag));
            }
            Some(PackageSpec::Apk { relation, span: text.span.clone() })
        }
    }
}

/// Whether it is the path of a file rather than a name, which may have slashes too: `/bin/sh`, and those of
/// the checksum in `name><Q1...`.
fn is_path(spec: &str) -> bool {
    let name = &spec[..spec.find(OPERATORS).unwrap_or(spec.len())];
    let is_file = (is_package_file(spec, "apk") || is_package_file(spec, "deb")) && spec.contains('/');
    is_file || (name.contains('/') && !name.starts_with('/') && !name.contains(':'))
}

/// Whether a path has this ending.
fn is_package_file(path: &str, ending: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == ending)
}

fn relation(spec: &str) -> Result<Relation, Wrong> {
    let bare = spec.strip_prefix('!').unwrap_or(spec);
    let at = bare.find(OPERATORS).unwrap_or(bare.len());
    let (named, rest) = (bare[..at].trim(), &bare[at..]);
    let (name, tag) = named.split_once('@').map_or((named, None), |(name, tag)| (name, Some(tag)));
    // Alpine calls an architecture as it may call a package.
    check_name(&name.replace("{arch}", "arch"), tag.is_some() || !rest.is_empty())?;
    if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
        return Err((format!("{} is no tag", quoted(tag)), format!("write \"{name}@TAG\"")));
    }
    let version = rest.trim_start_matches(OPERATORS);
    let operator = &rest[..rest.len() - version.len()];
    let version = version.trim();
    if let Some((version, tag)) = version.split_once('@') {
        let hint = format!("write \"{name}@{tag}{operator}{version}\"");
        return Err(("the tag comes before the version".to_owned(), hint));
    }
    let negation = &spec[..spec.len() - bare.len()];
    format!("{negation}{named}{operator}{version}").parse().map_err(|error: RelationError| match error {
        RelationError::NoVersion { .. } => {
            (format!("no version follows {}", quoted(operator)), format!("write \"{name}{operator}VERSION\""))
        }
        RelationError::BadVersion { version, .. } => (
            format!("{} is no version", quoted(&version)),
            "a version is written NUMBER[.NUMBER...][LETTER][_SUFFIX][-rNUMBER], such as \"1.36.1-r29\""
                .to_owned(),
        ),
        RelationError::NoName { .. } | RelationError::Several { .. } => {
            ("each element names one".to_owned(), "put each in quotes of its own".to_owned())
        }
    })
}

/// Names of packages, and those that packages provide: printable ASCII that means nothing else.
fn check_name(name: &str, more_follows: bool) -> Result<(), Wrong> {
    let wrong = |why: &str, hint: &str| Err((why.to_owned(), hint.to_owned()));
    if name.is_empty() {
        return wrong("it has no name", "");
    }
    if let Some((first, rest)) = name.split_once(char::is_whitespace) {
        if rest.trim_start().starts_with(['(', '!']) {
            let hint = format!("write \"{first}>=VERSION\"; there are also `=`, `<=`, `>`, `<` and `~`");
            return Err(("no operator follows the name".to_owned(), hint));
        }
        return wrong("each element names one", "put each in quotes of its own");
    }
    if !more_follows && is_package_file(name, "apk") {
        let hint = format!("write \"./{name}\" for a file beside the recipe");
        return Err(("it looks like a file".to_owned(), hint));
    }
    if name.contains(['{', '}']) {
        return wrong(
            "`{arch}` is the only placeholder of names",
            "it is the distro's name of the architecture",
        );
    }
    if let Some(bare) = name.strip_suffix('!') {
        let hint = format!("write \"!{bare}\" for what must not be there");
        return Err(("`!` comes before the name".to_owned(), hint));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+-._:/()[],%^".contains(c);
    if !name.chars().all(allowed) || name.starts_with(['-', '.']) {
        return wrong(
            "this is not how a package can be called",
            "a name has letters, digits and `+ - . _ : /`",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn read_with(text: &str, tags: &BTreeSet<String>) -> (Option<PackageSpec>, Vec<String>) {
        let findings = Findings::new(text);
        let grammar = Grammar { format: PackageFormat::Apk, dir: Path::new("."), tags, unsure: false };
        let spec = grammar.read(&Text { text, span: 0..text.len() }, &findings);
        let problems = findings.into_problems();
        (spec, problems.into_iter().map(|problem| problem.message).collect())
    }

    fn spelled(text: &str) -> String {
        let tags = ["edge".to_owned()].into();
        match read_with(text, &tags) {
            (Some(spec), problems) if problems.is_empty() => spec.to_string(),
            (_, problems) => problems.join("; "),
        }
    }

    #[test]
    fn spellings() {
        for text in [
            "busybox",
            "R",
            "py3-Foo_bar",
            "gtk+3.0",
            "!ssl_client",
            "so:libz.so.1",
            "so:libc.musl-x86_64.so.1=1",
            "cmd:curl",
            "cmd:[",
            "pc:gtk+-3.0>=3.24",
            "/bin/sh",
            "python3~3.12",
            "curl=8.9.1-r1",
            "curl>=8.9_rc1",
            "curl@edge",
            "curl@edge>8",
            "curl><Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=",
            "./dist/my-{arch}.apk",
            "/srv/my-{arch}.apk",
        ] {
            assert_eq!(spelled(text), text);
        }
        assert_eq!(spelled(" curl >= 8 "), "curl>=8");
        assert_eq!(spelled("curl~=8"), "curl~8");
        assert_eq!(spelled("curl=~8"), "curl~8");
    }

    #[test]
    fn what_is_none_is_told() {
        let none = |text: &str| spelled(text).replace(&format!("`{text}` is no package: "), "");
        assert_eq!(none(""), "it has no name");
        assert_eq!(none("!"), "it has no name");
        assert_eq!(none(">=1"), "it has no name");
        assert_eq!(none("curl>="), "no version follows `>=`");
        assert_eq!(none("curl=1-2"), "`1-2` is no version");
        assert_eq!(none("curl=1.2@edge"), "the tag comes before the version");
        assert_eq!(none("curl@"), "`` is no tag");
        assert_eq!(none("curl@a b"), "`a b` is no tag");
        assert_eq!(none("curl wget"), "each element names one");
        assert_eq!(none("curl (>= 8)"), "no operator follows the name");
        assert_eq!(none("my.apk"), "it looks like a file");
        assert_eq!(none("my-{triplet}"), "`{arch}` is the only placeholder of names");
        assert_eq!(none("curl!"), "`!` comes before the name");
        assert_eq!(none("caf\u{e9}"), "this is not how a package can be called");
        assert_eq!(spelled("dist/x.rpm"), "`dist/x.rpm` is a path, but not that of a `.apk`");
        assert_eq!(
            spelled("./x_{arch}.deb"),
            "`./x_{arch}.deb` is a package of Debian, and the recipe's are of Alpine"
        );
        assert_eq!(spelled("curl@testing"), "no repository has the tag `testing`");
    }

    proptest! {
        #[test]
        fn what_is_read_reads_back(text in "[!]?[a-zA-Z0-9:/@._ <>=~+-]{0,20}|\\PC{0,20}") {
            let tags = ["a".to_owned()].into();
            if let (Some(PackageSpec::Apk { relation, .. }), _) = read_with(&text, &tags) {
                prop_assert_eq!(relation.to_string().parse::<Relation>().unwrap(), relation);
            }
        }
    }
}
