//! The links of update-alternatives(1): of each group the file with the highest priority among those that the
//! image has, and what goes with it.

use std::collections::BTreeMap;

use crate::effects::{Effect, Slave};
use crate::root_path::RootPath;

use super::super::script_files::is_whiteout;
use super::super::{Made, MadeFile, fixed};

/// Where the names of groups are links to the chosen files.
const DIRECTORY: &str = "/etc/alternatives";
/// Where dpkg keeps what there is to choose from.
const ADMIN_DIRECTORY: &str = "/var/lib/dpkg/alternatives";

/// A file that can be chosen.
#[derive(Clone, Copy, Debug)]
struct Choice<'e> {
    path: &'e RootPath,
    priority: i64,
    slaves: &'e [Slave],
}

/// Every group of alternatives, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Alternatives<'e> {
    groups: BTreeMap<&'e str, Group<'e>>,
}

#[derive(Clone, Debug)]
struct Group<'e> {
    link: &'e RootPath,
    /// By path: a later call for a path takes the place of an earlier.
    choices: BTreeMap<&'e RootPath, Choice<'e>>,
}

impl<'e> Alternatives<'e> {
    /// Takes in those among some effects.
    pub(super) fn extend(&mut self, effects: impl IntoIterator<Item = &'e Effect>) {
        for effect in effects {
            if let Effect::Alternative { name, link, path, priority, slaves } = effect {
                let group =
                    self.groups.entry(name).or_insert_with(|| Group { link, choices: BTreeMap::new() });
                group.choices.insert(path, Choice { path, priority: *priority, slaves });
            }
        }
    }

    /// The links, as path and target, of what `exists`; those of a group in which nothing does are not made.
    pub(super) fn links(&self, exists: impl Fn(&RootPath) -> bool) -> BTreeMap<RootPath, String> {
        let mut links = BTreeMap::new();
        for (name, group) in &self.groups {
            let Some(best) = group.best(&exists) else { continue };
            let slaves = best.slaves.iter().filter(|slave| exists(&slave.path));
            let slaves = slaves.map(|slave| (slave.name.as_str(), &slave.link, &slave.path));
            for (name, link, path) in [(*name, group.link, best.path)].into_iter().chain(slaves) {
                let Ok(middle) = fixed(DIRECTORY).join(name) else { continue };
                if *link == middle || link == path || [link, &middle].into_iter().any(is_whiteout) {
                    continue;
                }
                links.insert(link.clone(), middle.as_str().to_owned());
                links.insert(middle, path.as_str().to_owned());
            }
        }
        links
    }

    /// What update-alternatives remembers of each group, in its own format.
    pub(super) fn records(&self, exists: impl Fn(&RootPath) -> bool) -> Made {
        let mut made = Made::new();
        for (name, group) in &self.groups {
            if group.best(&exists).is_none() || is_whiteout(group.link) {
                continue;
            }
            if let Some(path) = fixed(ADMIN_DIRECTORY).join(name).ok().filter(|path| !is_whiteout(path)) {
                let text = group.record(&exists);
                made.insert(path.clone(), MadeFile::file(path, 0o644, text.into_bytes()));
            }
        }
        made
    }
}

impl<'e> Group<'e> {
    /// The file of the highest priority; of equal ones the first by name.
    fn best(&self, exists: impl Fn(&RootPath) -> bool) -> Option<Choice<'e>> {
        let present = self.choices.values().filter(|choice| exists(choice.path));
        present.copied().reduce(|best, choice| if choice.priority > best.priority { choice } else { best })
    }

    fn record(&self, exists: impl Fn(&RootPath) -> bool) -> String {
        let present: Vec<&Choice<'_>> = self.choices.values().filter(|choice| exists(choice.path)).collect();
        let mut slaves: BTreeMap<&str, &RootPath> = BTreeMap::new();
        for slave in present.iter().flat_map(|choice| choice.slaves) {
            slaves.insert(&slave.name, &slave.link);
        }
        let mut text = format!("auto\n{}\n", self.link);
        for (name, link) in &slaves {
            text.push_str(&format!("{name}\n{link}\n"));
        }
        text.push('\n');
        let mut present = present;
        present.sort_by_key(|choice| choice.path.as_str());
        for choice in present {
            text.push_str(&format!("{}\n{}\n", choice.path, choice.priority));
            for name in slaves.keys() {
                let slave = choice.slaves.iter().find(|slave| slave.name == *name);
                text.push_str(slave.map_or("", |slave| slave.path.as_str()));
                text.push('\n');
            }
        }
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn alternative(name: &str, link: &str, path: &str, priority: i64, slaves: &[[&str; 3]]) -> Effect {
        let root_path = |text: &str| RootPath::parse(text).unwrap();
        let slaves = slaves
            .iter()
            .map(|[link, name, path]| Slave {
                link: root_path(link),
                name: (*name).into(),
                path: root_path(path),
            })
            .collect();
        Effect::Alternative {
            name: name.into(),
            link: root_path(link),
            path: root_path(path),
            priority,
            slaves,
        }
    }

    fn links(effects: &[Effect], present: &[&str]) -> Vec<(String, String)> {
        let mut alternatives = Alternatives::default();
        alternatives.extend(effects);
        let links = alternatives.links(|path| present.contains(&path.as_str()));
        links.into_iter().map(|(path, target)| (path.to_string(), target)).collect()
    }

    #[test]
    fn the_best_of_what_is_there() {
        let effects = [
            alternative(
                "awk",
                "/usr/bin/awk",
                "/usr/bin/mawk",
                5,
                &[["/usr/bin/nawk", "nawk", "/usr/bin/mawk"]],
            ),
            alternative(
                "awk",
                "/usr/bin/awk",
                "/usr/bin/gawk",
                10,
                &[["/usr/share/man/awk.1", "awk.1", "/man/gawk.1"]],
            ),
        ];
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            links(&effects, &["/usr/bin/mawk", "/usr/bin/gawk"]),
            [pair("/etc/alternatives/awk", "/usr/bin/gawk"), pair("/usr/bin/awk", "/etc/alternatives/awk")]
        );
        assert_eq!(
            links(&effects, &["/usr/bin/mawk"]),
            [
                pair("/etc/alternatives/awk", "/usr/bin/mawk"),
                pair("/etc/alternatives/nawk", "/usr/bin/mawk"),
                pair("/usr/bin/awk", "/etc/alternatives/awk"),
                pair("/usr/bin/nawk", "/etc/alternatives/nawk"),
            ]
        );
        assert_eq!(links(&effects, &["/man/gawk.1"]), []);
    }

    #[test]
    fn links_and_records_are_update_alternatives_own() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
        for dir in ["alt", "admin", "bin"] {
            std::fs::create_dir(at(dir)).unwrap();
        }
        for file in ["bin/vim", "bin/nano", "bin/vim.1"] {
            std::fs::write(at(file), "").unwrap();
        }
        let (link, slave) = (at("bin/editor"), at("bin/editor.1"));
        let (vim, nano, page) = (at("bin/vim"), at("bin/nano"), at("bin/vim.1"));
        let run = |args: &[&str]| {
            let status = Command::new("update-alternatives")
                .args(["--quiet", "--log", "/dev/null", "--altdir", &at("alt"), "--admindir", &at("admin")])
                .args(args)
                .status();
            assert!(status.unwrap().success());
        };
        run(&["--install", &link, "editor", &nano, "40"]);
        run(&["--install", &link, "editor", &vim, "50", "--slave", &slave, "editor.1", &page]);
        let effects = [
            alternative("editor", &link, &nano, 40, &[]),
            alternative("editor", &link, &vim, 50, &[[&slave, "editor.1", &page]]),
        ];
        let mut alternatives = Alternatives::default();
        alternatives.extend(&effects);
        let exists = |path: &RootPath| std::path::Path::new(path.as_str()).exists();
        for (path, target) in alternatives.links(exists) {
            let theirs = path.as_str().replace(DIRECTORY, &at("alt"));
            assert_eq!(
                std::fs::read_link(&theirs).unwrap().to_str().unwrap().replace(&at("alt"), DIRECTORY),
                target,
                "{theirs}"
            );
        }
        let records = alternatives.records(exists);
        let super::super::super::Content::Bytes(ours) = &records.values().next().unwrap().content else {
            panic!()
        };
        assert_eq!(String::from_utf8_lossy(ours), std::fs::read_to_string(at("admin/editor")).unwrap());
    }
}
