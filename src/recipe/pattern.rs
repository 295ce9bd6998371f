//! Globs over the paths of an image.
//!
//! `*` and `?` stay within a component, `**` spans several, `[a-z]` and `{a,b}` are as in a shell. A
//! pattern starts at the root.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use globset::{Glob, GlobBuilder, GlobMatcher};

use super::findings::Findings;
use super::problems::{Span, quoted};
use super::reader::Text;
use super::template::{KNOWN_HINT, Template, unknown_placeholders};
use crate::root_path::RootPath;

/// What globs were compiled to: those of the run-time rules are asked for once for each selection.
static COMPILED: LazyLock<Mutex<HashMap<String, GlobMatcher>>> = LazyLock::new(Mutex::default);

/// A glob as the recipe has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Template);

impl Pattern {
    /// Reads a glob and reports what no path could ever match.
    pub(super) fn read(text: &Text<'_>, findings: &Findings<'_>) -> Option<Self> {
        let shown = quoted(text.text);
        let wrong = |message: String, hint: &str| findings.value(&text.span, message, hint);
        if !text.text.starts_with('/') {
            let hint = if text.text.is_empty() {
                "write a path from the root, such as \"/usr/bin/bash\"".to_owned()
            } else {
                format!(
                    "write \"/{0}\", or \"/**/{0}\" for any directory",
                    text.text.trim_start_matches("./")
                )
            };
            wrong(format!("the glob {shown} does not start with `/`"), &hint);
            return None;
        }
        if text.text.len() > 1 && text.text.ends_with('/') {
            wrong(
                format!("the glob {shown} ends in `/`, as no path does"),
                &format!("write \"{}**\" for all that is below the directory", text.text),
            );
            return None;
        }
        if text.text.split('/').skip(1).any(|component| matches!(component, "" | "." | ".."))
            && text.text != "/"
        {
            wrong(
                format!("the glob {shown} holds an empty component, `.` or `..`, as no path does"),
                "leave it out",
            );
            return None;
        }
        for unknown in unknown_placeholders(text.text) {
            wrong(format!("unknown placeholder {}", quoted(unknown)), KNOWN_HINT);
        }
        let pattern = Pattern(Template::new(text.text, &text.span));
        if let Err(error) = glob(&pattern.0.expand("arch", "triplet")) {
            wrong(
                format!("{shown} is no glob: {}", error.kind()),
                "a backslash takes a character for itself",
            );
            return None;
        }
        Some(pattern)
    }

    /// The glob as the recipe has it, for messages.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Where it is in the recipe.
    pub fn span(&self) -> Span {
        self.0.span()
    }

    /// What matches the paths (with their leading `/`) of an image for one architecture. `{arch}` and
    /// `{triplet}` are replaced before `{a,b}` is read.
    pub fn expand(&self, arch: &str, triplet: &str) -> Result<GlobMatcher, globset::Error> {
        let text = self.text_on(arch, triplet);
        if let Some(matcher) = COMPILED.lock().unwrap_or_else(PoisonError::into_inner).get(&text) {
            return Ok(matcher.clone());
        }
        let matcher = glob(&text)?.compile_matcher();
        COMPILED.lock().unwrap_or_else(PoisonError::into_inner).insert(text, matcher.clone());
        Ok(matcher)
    }

    /// The glob for one architecture, as [`Pattern::expand`] compiles it.
    pub fn text_on(&self, arch: &str, triplet: &str) -> String {
        self.0.expand(arch, triplet)
    }

    /// The one path it stands for on an architecture, if it has nothing of a glob.
    pub fn literal(&self, arch: &str, triplet: &str) -> Option<RootPath> {
        let text = self.0.expand(arch, triplet);
        if text.contains(['*', '?', '[', ']', '{', '}', '\\']) { None } else { RootPath::parse(&text).ok() }
    }
}

fn glob(text: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern(Template::new(text, &(0..0)))
    }

    fn matches(glob: &str, path: &str) -> bool {
        pattern(glob).expand("amd64", "x86_64-linux-gnu").unwrap().is_match(path)
    }

    #[test]
    fn a_star_stays_in_its_component() {
        assert!(matches("/usr/lib/*.so", "/usr/lib/a.so"));
        assert!(!matches("/usr/lib/*.so", "/usr/lib/x/a.so"));
        assert!(matches("/usr/lib/**/module-x11-*.so", "/usr/lib/x86_64-linux-gnu/pulse/module-x11-bell.so"));
        assert!(matches("/usr/lib/**/*.so", "/usr/lib/a.so"));
        assert!(!matches("/usr/bin/a?b", "/usr/bin/a/b"));
    }

    #[test]
    fn placeholders_expand_before_braces() {
        assert!(matches("/usr/lib/{triplet}/lib{a,b}.so", "/usr/lib/x86_64-linux-gnu/liba.so"));
        assert!(matches("/x/{{arch},all}", "/x/amd64"));
        assert!(!matches("/usr/lib/{triplet}/lib{a,b}.so", "/usr/lib/x86_64-linux-gnu/libc.so"));
    }

    #[test]
    fn literals() {
        let literal =
            |text: &str| pattern(text).literal("amd64", "x86_64-linux-gnu").map(|path| path.to_string());
        assert_eq!(
            literal("/usr/lib/{triplet}/libc.so.6"),
            Some("/usr/lib/x86_64-linux-gnu/libc.so.6".into())
        );
        assert_eq!(literal("/usr/bin/["), None);
        assert_eq!(literal("/usr/bin/*"), None);
    }
}
