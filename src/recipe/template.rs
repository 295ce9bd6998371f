//! Texts in which `{arch}` and `{triplet}` stand for what the distro calls the architecture being built.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::findings::Findings;
use super::problems::{Span, quoted};
use super::reader::Text;
use crate::hint::of_reading;

/// What may stand in braces.
const PLACEHOLDERS: [&str; 2] = ["{arch}", "{triplet}"];

/// A text with placeholders, and where the recipe has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    span: Span,
}

impl Template {
    /// Takes a text as it is.
    pub(super) fn new(text: &str, span: &Span) -> Self {
        Template { text: text.to_owned(), span: span.clone() }
    }

    /// As [`Template::new`]; a word in braces that is no placeholder is reported.
    pub(super) fn read(text: &Text<'_>, findings: &Findings<'_>) -> Self {
        for unknown in unknown_placeholders(text.text) {
            findings.value(&text.span, format!("unknown placeholder {}", quoted(unknown)), KNOWN_HINT);
        }
        Template::new(text.text, &text.span)
    }

    /// The text as the recipe has it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where it is in the recipe.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// Whether it differs from architecture to architecture.
    pub fn has_placeholders(&self) -> bool {
        PLACEHOLDERS.iter().any(|placeholder| self.text.contains(placeholder))
    }

    /// The text for an architecture: the distro's name of it (`armel`) and its multiarch triplet.
    pub fn expand(&self, arch: &str, triplet: &str) -> String {
        expand(&self.text, arch, triplet)
    }

    /// Reports that no such file exists below `dir`. One with placeholders cannot be looked for yet.
    pub(super) fn must_exist(&self, dir: &Path, findings: &Findings<'_>) {
        if self.has_placeholders() || self.text.is_empty() || !unknown_placeholders(&self.text).is_empty() {
            return;
        }
        let path: PathBuf = dir.join(&self.text);
        let relative = "paths are relative to the recipe's directory";
        match path.try_exists() {
            Ok(true) => {}
            // What is no directory, or no path at all for a NUL in it, has nothing below it.
            Err(error) if !matches!(error.kind(), ErrorKind::NotADirectory | ErrorKind::InvalidInput) => {
                let message = format!("{} cannot be found: {error}", quoted(&self.text));
                findings.value(
                    &self.span,
                    message,
                    of_reading(&error).unwrap_or_else(|| relative.to_owned()),
                );
            }
            _ => {
                findings.value(&self.span, format!("{} does not exist", quoted(&self.text)), relative);
            }
        }
    }
}

/// A text with placeholders, for an architecture.
pub(super) fn expand(text: &str, arch: &str, triplet: &str) -> String {
    text.replace("{arch}", arch).replace("{triplet}", triplet)
}

/// What to do about a placeholder that is none.
pub(super) const KNOWN_HINT: &str =
    "`{arch}` is the distro's name of the architecture, `{triplet}` its directory below `/usr/lib`";

/// Single words in braces that are no placeholders; `{a,b}` is not a word.
pub(super) fn unknown_placeholders(text: &str) -> Vec<&str> {
    let mut unknown = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        rest = &rest[open..];
        let Some(close) = rest.find('}') else { break };
        let group = &rest[..=close];
        let word = &group[1..close];
        let is_word = word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if is_word && !PLACEHOLDERS.contains(&group) {
            unknown.push(group);
        }
        rest = &rest[1..];
    }
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_placeholders_expand() {
        let template = Template::new("/usr/lib/{triplet}/x_{arch}.{a,b}", &(0..0));
        assert_eq!(template.expand("armel", "arm-linux-gnueabi"), "/usr/lib/arm-linux-gnueabi/x_armel.{a,b}");
        assert!(template.has_placeholders());
        assert!(unknown_placeholders(template.as_str()).is_empty());
    }

    #[test]
    fn misspelt_placeholders_are_seen() {
        assert_eq!(unknown_placeholders("/x/{ach}/{triplet}/{}"), ["{ach}", "{}"]);
        assert_eq!(unknown_placeholders("{a,{arhc}}"), ["{arhc}"]);
        assert!(unknown_placeholders("{open").is_empty());
    }
}
