//! What packages of an image depend on, cut to what the image has.
//!
//! A layer of needed files has packages without what they need in another place than in this image. dpkg does not mind,
//! but apt refuses to install anything as long as a dependency is not met (apt-get(8), `check`); so `status` has
//! only the clauses of `Depends` and `Pre-Depends` that are.

use std::collections::BTreeMap;

use crate::deb::control::{self, Paragraph};
use crate::deb::relation::{Relation, parse};

/// The versions of the names that an image has, of packages and of what they provide; none where a name is provided
/// without one.
#[derive(Debug, Default)]
pub(super) struct Installed<'a>(BTreeMap<&'a str, Vec<Option<&'a str>>>);

impl<'a> Installed<'a> {
    /// Of a `status`.
    pub(super) fn of(status: &'a str) -> Self {
        let mut installed = Installed::default();
        let is_there = |paragraph: &Paragraph<'_>| {
            paragraph.field("Status").is_some_and(|status| status.ends_with(" installed"))
        };
        for paragraph in control::paragraphs(status).filter(is_there) {
            if let (Some(name), version) = (paragraph.field("Package"), paragraph.field("Version")) {
                installed.0.entry(name).or_default().push(version);
            }
            for provided in paragraph.field("Provides").unwrap_or_default().split(',').map(str::trim) {
                let (name, version) = provided.split_once('(').unwrap_or((provided, ""));
                let version = version.trim_end_matches(')').trim().strip_prefix('=').map(str::trim);
                installed.0.entry(name.trim_end()).or_default().push(version);
            }
        }
        installed
    }

    fn meets(&self, relation: &Relation) -> bool {
        let mut versions = self.0.get(relation.name.as_str()).into_iter().flatten();
        versions
            .any(|version| version.map_or(relation.version.is_none(), |version| relation.accepts(version)))
    }
}

/// A paragraph of `status` without the clauses that nothing in the image meets.
pub(super) fn met(paragraph: &str, installed: &Installed<'_>) -> String {
    let mut text = String::with_capacity(paragraph.len());
    for (field, value) in control::paragraphs(paragraph).take(1).flat_map(|paragraph| paragraph.fields()) {
        if !["Depends", "Pre-Depends"].iter().any(|name| name.eq_ignore_ascii_case(field)) {
            text.push_str(&format!("{field}: {value}\n"));
            continue;
        }
        // Its architecture is the image's: what is for others stands in no package. What is not understood stays.
        let is_met = |clause: &&str| {
            parse(clause, "").map_or(true, |clauses| {
                clauses.iter().all(|alternatives| alternatives.iter().any(|one| installed.meets(one)))
            })
        };
        let clauses: Vec<&str> = value.split(',').map(str::trim).filter(is_met).collect();
        if !clauses.is_empty() {
            text.push_str(&format!("{field}: {}\n", clauses.join(", ")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_meets_is_left_out() {
        let status = "Package: libc6\nStatus: install ok installed\nVersion: 2.41\n\n\
                      Package: mta\nStatus: install ok installed\nVersion: 1\nProvides: mail, smtp (= 3)\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n";
        let installed = Installed::of(status);
        for (depends, expected) in [
            ("libc6 (>= 2.38), perl", "Depends: libc6 (>= 2.38)\n"),
            ("libc6 (>= 3)", ""),
            ("gone | mail, smtp (>= 2), smtp (>= 4), mail (>= 1)", "Depends: gone | mail, smtp (>= 2)\n"),
            ("libc6:any,\n mta (= 1)", "Depends: libc6:any, mta (= 1)\n"),
        ] {
            let paragraph = format!("Package: a\nDepends: {depends}\nDescription: of a\n more\n .\n");
            let expected = format!("Package: a\n{expected}Description: of a\n more\n .\n");
            assert_eq!(met(&paragraph, &installed), expected, "{depends}");
        }
    }
}
